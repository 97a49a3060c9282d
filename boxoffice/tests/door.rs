//! The door, for any turn of an evening: random sales, scans and undoings against a second, naive door.
//!
//! `PROPTEST_CASES=10000 cargo test -p boxoffice --test door` looks longer.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod door_model;
mod door_walk;
mod door_world;
mod world;

use boxoffice::door::{MOST_FREE_GATES, OTHER_GATE};
use boxoffice::*;
use door_walk::{walk, walks};
use door_world::DoorWorld;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::collections::BTreeSet;
use world::World;

#[test]
fn the_naive_door_says_the_same() {
    let cases = match std::env::var("PROPTEST_CASES") {
        Ok(text) => text.parse().expect("PROPTEST_CASES is a number"),
        Err(_) => 1_500,
    };
    // A case that failed belongs into a script, where it has a title.
    let failure_persistence = None;
    let max_shrink_iters = 20_000;
    let config =
        ProptestConfig { cases, failure_persistence, max_shrink_iters, ..Default::default() };
    // The answers that were heard. A walk that never gets far agrees with everything.
    let heard = RefCell::new(BTreeSet::new());
    let ran = TestRunner::new(config).run(&walks(), |happened| {
        walk(&happened, &mut heard.borrow_mut()).map_err(TestCaseError::fail)
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    let heard = heard.into_inner();
    let objections = [
        "unknown_gate",
        "event_canceled",
        "unknown_ticket",
        "other_event 1",
        "other_event 2",
        "unpaid held",
        "void released",
        "revoked",
        "replaced",
        "wrong_gate",
        "not_open",
    ];
    let expected = ["door", "undone", "in 1", "in 2", "in 3", "out", "out but unknown_gate"]
        .map(String::from)
        .into_iter()
        .chain(["invalid", "unknown_event", "nonce_used", "not_in"].map(refused))
        .chain(["undone by device", "undone by manager", "unknown_scan"].map(refused))
        .chain(["other_device", "too_late", "scanned_since"].map(refused))
        .chain(["already_in north", "already_in south", "not_in north"].map(refused))
        .chain(["in again but already_in", "out but not_in north"].map(String::from))
        .chain(objections.map(|why| format!("in 1 but {why}")))
        .chain(objections.map(refused));
    for answer in expected.filter(|_| cases >= 1_500) {
        let more = format!("{answer} ");
        let found = heard.iter().any(|heard| *heard == answer || heard.starts_with(&more));
        assert!(found, "the walk never got as far as {answer:?}: {heard:#?}");
    }
}

fn refused(why: &str) -> String {
    format!("refused {why}")
}

/// An event with one order of so many tickets, given away.
fn sale_of(quantity: i64) -> World {
    let types = TicketTypeSpec {
        id: "adult".into(),
        name: "Adult".into(),
        pool: "stalls".into(),
        price_minor: 0,
        rules: TypeRules::default(),
    };
    let spec = EventSpec {
        pools: vec![PoolSpec { name: "stalls".into(), capacity: 9 }],
        ticket_types: vec![types],
        ..EventSpec::new("rock", Currency::parse("GBP").unwrap(), 1_000_000)
    };
    let buyer = Buyer {
        name: "Ann".into(),
        email: String::new(),
        key: BuyerKey(1),
        language: Language::EN,
    };
    let commands = [
        Command::PutEvent { id: EventId(1), spec },
        Command::Sell {
            order: OrderId(1),
            event: EventId(1),
            buyer,
            untagged: None,
            lines: vec![LineWish { ticket_type: "adult".into(), quantity }],
            tender: Tender::Free,
            reference: String::new(),
            metadata: boxoffice::Metadata::default(),
            shown_minor: None,
        },
    ];
    let mut sale = World::default();
    for command in &commands {
        sale.step(command, 0).unwrap();
    }
    sale
}

/// Two processes that load the same and decide at one moment: what both want to write has the same key, of a scan and
/// of a visit, so a store takes one of them.
#[test]
fn the_first_wins_by_the_key_of_what_is_written() {
    let report = |device: u128, late: bool| ScanReport {
        event: EventId(1),
        ticket: TicketRef { order: OrderId(1), number: 1 },
        revision: 0,
        gate: "north".into(),
        device: DeviceId(device),
        nonce: Nonce(1),
        at_ms: 5,
        day: 0,
        late,
    };
    let sale = sale_of(1).state;
    for (one, other) in [(false, false), (false, true), (true, false), (true, true)] {
        let door = DoorState::default();
        let scan = |device: u128, late: bool| {
            let command = DoorCommand::CheckIn(report(device, late));
            match decide_door(&sale, &door, &command, 9).unwrap().reply {
                DoorReply::Scanned(scan) => scan,
                other => panic!("{other:?}"),
            }
        };
        let key = |scan: &Scan| (scan.id.event, scan.ticket, scan.turn, scan.visit);
        assert_eq!(key(&scan(1, one)), key(&scan(2, other)), "one of them is written");
    }
}

/// A device names its gate as it likes where the event has none; what it sends makes no more rows than there may be.
#[test]
fn gates_that_no_settings_name_are_bounded_and_nobody_who_has_passed_is_lost() {
    let (sale, mut door) = (sale_of(4), DoorWorld::default());
    let mut scans = 0;
    let mut scan = |door: &mut DoorWorld, number: u16, gate: &str, late: bool| {
        scans += 1;
        let report = ScanReport {
            event: EventId(1),
            ticket: TicketRef { order: OrderId(1), number },
            revision: 0,
            gate: gate.into(),
            device: DeviceId(1),
            nonce: Nonce(scans),
            at_ms: 5,
            day: 0,
            late,
        };
        let command = DoorCommand::CheckIn(report);
        match door.step(&sale, &command, 9).map(|decision| decision.reply) {
            Ok(DoorReply::Scanned(scan)) => Ok(scan.gate),
            Ok(other) => panic!("{other:?}"),
            Err(DoorRefusal::Invalid(what)) => Err(what),
            Err(other) => panic!("{other:?}"),
        }
    };
    for n in 0..MOST_FREE_GATES {
        let gate = format!("g{n}");
        assert_eq!(scan(&mut door, 1, &gate, true), Ok(gate));
    }
    for gate in ["g200", "g201"] {
        assert_eq!(scan(&mut door, 1, gate, true).as_deref(), Ok(OTHER_GATE));
        let refused = scan(&mut door, 2, gate, false).unwrap_err();
        assert!(refused.contains("200 gates") && refused.contains(gate), "{refused}");
    }
    assert_eq!(door.state.gates[&EventId(1)].len(), MOST_FREE_GATES + 1);
    assert_eq!(scan(&mut door, 2, "g7", false).as_deref(), Ok("g7"), "one that is known");

    // The organiser names gates: they are no part of the bound.
    let named = |id: &str| GateSpec { id: id.into(), name: id.into(), ticket_types: vec![] };
    let gates = ["north", "g0", "g1", "g2"].map(named).to_vec();
    let spec = DoorSpec { gates, ..DoorSpec::default() };
    door.step(&sale, &DoorCommand::PutDoor { event: EventId(1), spec }, 9).unwrap();
    assert_eq!(scan(&mut door, 3, "north", false).as_deref(), Ok("north"));
    // "other" takes a place, and three have become free.
    assert_eq!(scan(&mut door, 1, "east", true).as_deref(), Ok("east"));
    assert_eq!(scan(&mut door, 1, "west", true).as_deref(), Ok("west"));
    assert_eq!(scan(&mut door, 1, "south", true).as_deref(), Ok(OTHER_GATE));
}
