//! The real store on the simulated disk: what survives, and that the disk can take things away.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use boxoffice::{
    Buyer, BuyerKey, Command, Currency, EventId, EventSpec, LineWish, OrderId, PoolSpec,
    TicketTypeSpec,
};
use nts_server::clock::Clock;
use nts_server::metrics::Metrics;
use nts_server::store::Reader;
use nts_server::store::sqlite::{OpenError, SqliteStore};
use nts_server::writer::{Job, NoReply, Writer};
use nts_sim::dice::Dice;
use nts_sim::disk::{Disk, Lie, Mount};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

const EVENT: EventId = EventId(1);

fn clock() -> Clock {
    Clock::Manual(Arc::new(AtomicI64::new(1_800_000_000_000)))
}

fn path() -> &'static Path {
    Path::new("nts.db")
}

fn open(mount: &Mount) -> Result<Writer, OpenError> {
    let opened = SqliteStore::open_in(mount.name(), path(), [7; 32], clock())?;
    Ok(Writer::new(Box::new(opened.store), Arc::new(Metrics::default())))
}

/// Asks one thing; `None`: the answer is no yes.
fn ask(writer: &mut Writer, command: Command) -> Result<(), NoReply> {
    let (answer, _hear) = oneshot::channel();
    let now = Instant::now();
    let deadline = now + Duration::from_secs(60);
    let job = Job { command, request: None, deadline, queued: now, answer };
    writer.step(vec![job]).answers.remove(0).1.map(drop)
}

fn make_event() -> Command {
    let spec = EventSpec {
        slug: "rock".into(),
        name: "Rock".into(),
        place: String::new(),
        starts_ms: 0,
        zone: "UTC".into(),
        currency: Currency::parse("GBP").unwrap(),
        limit_per_order: 10,
        limit_per_buyer: None,
        hold_ms: 300_000,
        sale_opens_ms: None,
        sale_closes_ms: None,
        pools: vec![PoolSpec { name: "all".into(), capacity: 1_000_000 }],
        ticket_types: vec![TicketTypeSpec {
            id: "t".into(),
            name: "T".into(),
            pool: "all".into(),
            price_minor: 100,
        }],
    };
    Command::PutEvent { id: EVENT, spec }
}

fn hold(n: u64) -> Command {
    let buyer = Buyer { name: format!("b{n}"), email: String::new(), key: BuyerKey(1) };
    let lines = vec![LineWish { ticket_type: "t".into(), quantity: 1 }];
    let id = OrderId((u128::from(0x7000 | n << 16) << 64) | u128::from(n));
    Command::Hold { order: id, event: EVENT, buyer, lines }
}

/// What came of some lives on a disk.
#[derive(Default, Debug)]
struct Came {
    commits: u64,
    lost: u64,
    corrupt: u64,
}

/// Three lives, each of which ends by a power loss in the middle of work.
fn lives(seed: u64, lie: Lie) -> Came {
    let mut dice = Dice::new(seed, 0);
    let disk = Disk::new(seed);
    let mount = disk.mount();
    let mut came = Came::default();
    let mut acknowledged: BTreeSet<u64> = BTreeSet::new();
    let mut n = 0;
    disk.lie(lie);
    for life in 0..4 {
        let mut writer = match open(&mount) {
            Ok(writer) => writer,
            Err(_) => {
                came.corrupt += 1;
                return came;
            }
        };
        if life == 0 {
            ask(&mut writer, make_event()).unwrap();
        }
        let reader = SqliteStore::reader_in(mount.name(), path());
        let there: BTreeSet<u64> = match reader.and_then(|mut r| {
            let page = r.orders(EVENT, None, 1_000_000)?;
            Ok(page.orders.iter().map(|o| o.id.0 as u64).collect())
        }) {
            Ok(there) => there,
            Err(_) => {
                came.corrupt += 1;
                return came;
            }
        };
        came.lost += acknowledged.difference(&there).count() as u64;
        acknowledged = there;
        disk.fail_after(Some(20 + dice.below(600)));
        // A store that is broken for good may ask nothing of its disk any more.
        for _ in 0..2_000 {
            if disk.is_failing() {
                break;
            }
            n += 1;
            if ask(&mut writer, hold(n)).is_ok() {
                acknowledged.insert(n);
                came.commits += 1;
            }
        }
        disk.power_loss(&mut dice);
        drop(writer);
    }
    came
}

fn many(seeds: u64, lie: Lie) -> Came {
    let mut all = Came::default();
    for seed in 0..seeds {
        let came = lives(seed, lie);
        all.commits += came.commits;
        all.lost += came.lost;
        all.corrupt += came.corrupt;
    }
    println!("{lie:?}: {all:?}");
    all
}

#[test]
fn what_was_acknowledged_survives_every_power_loss() {
    let all = many(150, Lie::None);
    assert!(all.commits > 5_000, "{all:?}");
    assert_eq!((all.lost, all.corrupt), (0, 0), "{all:?}");
}

#[test]
fn a_disk_that_lies_loses_what_was_acknowledged_so_this_test_can_fail() {
    let all = many(60, Lie::All);
    assert!(all.lost > 0 && all.corrupt > 0, "{all:?}");
}

#[test]
fn a_killed_process_loses_nothing_for_the_page_cache_lives() {
    for seed in 0..40 {
        let mut dice = Dice::new(seed, 1);
        let disk = Disk::new(seed);
        let mount = disk.mount();
        let mut writer = open(&mount).unwrap();
        ask(&mut writer, make_event()).unwrap();
        disk.lie(Lie::All);
        let mut acknowledged = 0;
        disk.fail_after(Some(dice.below(300)));
        while !disk.is_failing() {
            acknowledged += u64::from(ask(&mut writer, hold(acknowledged + 1)).is_ok());
        }
        disk.crash();
        drop(writer);
        drop(open(&mount).unwrap());
        let mut reader = SqliteStore::reader_in(mount.name(), path()).unwrap();
        let there = reader.orders(EVENT, None, 10_000).unwrap().orders.len() as u64;
        assert!(there >= acknowledged, "{there} of {acknowledged}");
    }
}

#[test]
fn a_full_disk_is_said_and_when_there_is_room_again_it_goes_on() {
    let disk = Disk::new(1);
    let mount = disk.mount();
    let mut writer = open(&mount).unwrap();
    ask(&mut writer, make_event()).unwrap();
    disk.room_for(Some(40_000));
    // Moving the log into the database makes room now and then, so it may go on for a while.
    let answers: Vec<_> = (1..200).map(|n| ask(&mut writer, hold(n))).collect();
    assert_eq!(answers.last(), Some(&Err(NoReply::Unavailable)));
    disk.room_for(None);
    assert_eq!(ask(&mut writer, hold(500)), Ok(()));
    let mut reader = SqliteStore::reader_in(mount.name(), path()).unwrap();
    let yes = answers.iter().filter(|a| a.is_ok()).count();
    assert!(yes > 3 && answers.iter().all(|a| !matches!(a, Err(NoReply::InDoubt))));
    assert_eq!(reader.orders(EVENT, None, 10_000).unwrap().orders.len(), yes + 1);
}

#[test]
fn whatever_call_fails_the_store_tells_the_truth_and_goes_on() {
    for calls in 0..120 {
        let disk = Disk::new(calls);
        let mount = disk.mount();
        let mut writer = open(&mount).unwrap();
        ask(&mut writer, make_event()).unwrap();
        disk.fail_after(Some(calls));
        let (mut yes, mut unsure) = (0, 0);
        for n in 1..40 {
            match ask(&mut writer, hold(n)) {
                Ok(()) => yes += 1,
                Err(NoReply::InDoubt) => unsure += 1,
                Err(_) => {}
            }
        }
        disk.fail_after(None);
        assert_eq!(ask(&mut writer, hold(50)), Ok(()), "after {calls} calls");
        let mut reader = SqliteStore::reader_in(mount.name(), path()).unwrap();
        let there = reader.orders(EVENT, None, 10_000).unwrap().orders.len();
        assert!(
            (yes + 1..=yes + 1 + unsure).contains(&there),
            "{calls}: {there} of {yes}+{unsure}"
        );
    }
}

/// Found by the simulation: a disk that could not be read for a moment was told to be damaged, with
/// the advice to put a backup in its place.
#[test]
fn a_disk_that_cannot_be_read_at_the_start_is_not_called_damaged() {
    let disk = Disk::new(3);
    let mount = disk.mount();
    let mut writer = open(&mount).unwrap();
    ask(&mut writer, make_event()).unwrap();
    drop(writer);
    let mut failed = 0;
    for calls in 0..200 {
        disk.fail_after(Some(calls));
        match open(&mount) {
            Ok(_) => {}
            Err(OpenError::Failed { .. }) => failed += 1,
            Err(other) => panic!("after {calls} calls: {other}"),
        }
        disk.crash();
    }
    assert!(failed > 20, "{failed}");
    disk.fail_after(None);
    drop(open(&mount).unwrap());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let disk = Disk::new(9);
        let mount = disk.mount();
        let mut writer = open(&mount).unwrap();
        ask(&mut writer, make_event()).unwrap();
        for n in 1..200 {
            ask(&mut writer, hold(n)).unwrap();
        }
        // A clean end: everything is in the one file.
        drop(writer);
        (disk.bytes("nts.db"), disk.work())
    };
    assert_eq!(run(), run());
}
