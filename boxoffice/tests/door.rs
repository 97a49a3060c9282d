//! The door, for any turn of an evening: random sales, scans and undoings against a second, naive door.
//!
//! `PROPTEST_CASES=10000 cargo test -p boxoffice --test door` looks longer.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod door_model;
mod door_walk;
mod door_world;
mod world;

use boxoffice::*;
use door_walk::{walk, walks};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::collections::BTreeSet;

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
    let mut sale = State::default();
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
            lines: vec![LineWish { ticket_type: "adult".into(), quantity: 1 }],
            tender: Tender::Free,
            reference: String::new(),
            shown_minor: None,
        },
    ];
    for command in &commands {
        let decision = decide(&sale, command, 0).unwrap();
        decision.changes.iter().for_each(|change| sale.apply(change));
    }
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
