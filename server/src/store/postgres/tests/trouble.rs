//! What breaks between us and the database, and the database itself.

use super::seller::{Seller, commit, decided, hold, spec};
use super::*;
use crate::writer::CommandError;
use boxoffice::Command;
use nts_testkit::{Cut, Proxy};
use std::sync::atomic::{AtomicBool, Ordering};

fn open(target: &Target) -> PgStore {
    PgStore::open(target, Clock::System).unwrap().store
}

fn held(target: &Target) -> u32 {
    PgReader::open(target, Clock::System).unwrap().events().unwrap()[0].pools[0].held
}

#[test]
fn a_connection_lost_at_commit_is_settled_truly() {
    let Some(server) = Postgres::shared() else { return };
    let direct = target(server, &server.database(), "");
    let event = Seller::new(&direct).put_event("rush", 1_000);
    let database = direct.name.rsplit_once('/').unwrap().1;
    let proxy = Proxy::start(server.port());
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}", proxy.port);
    let mut store = open(&Target::parse(&url).unwrap());
    let mut expected = 0;
    for round in 0..12u128 {
        let cut = [Cut::AnswerLost, Cut::NeverSent, Cut::SentLate][round as usize % 3];
        // Once undisturbed, so that nothing is left to be prepared.
        let batch = decided(&mut store, &hold(OrderId((round + 101) << 64), event, "a"));
        commit(&mut store, &batch).unwrap();
        expected += 1;
        let batch = decided(&mut store, &hold(OrderId((round + 1) << 64), event, "a"));
        proxy.arm(cut);
        let fault = commit(&mut store, &batch).unwrap_err();
        assert!(matches!(fault, Fault::Unknown(_)), "{cut:?}: {fault}");
        let recorded = store.recover().unwrap();
        assert_eq!(store.recover().unwrap(), recorded, "asked twice");
        match cut {
            Cut::AnswerLost => assert!(recorded),
            Cut::NeverSent => assert!(!recorded),
            // Either way round is true, but only one.
            Cut::SentLate => proxy.settle(),
        }
        expected += u32::from(recorded);
        assert_eq!(held(&direct), expected, "{cut:?}");
        // What is not recorded is done again, and then it is there once.
        if !recorded {
            let batch = decided(&mut store, &hold(OrderId((round + 1) << 64), event, "a"));
            commit(&mut store, &batch).unwrap();
            expected += 1;
        }
        assert_eq!(held(&direct), expected);
    }
    assert_eq!(expected, 24);
}

#[test]
fn buyers_hear_one_true_answer_when_the_connection_is_cut() {
    let Some(server) = Postgres::shared() else { return };
    let direct = target(server, &server.database(), "");
    let event = Seller::new(&direct).put_event("rush", 1_000);
    let database = direct.name.rsplit_once('/').unwrap().1;
    let proxy = Proxy::start(server.port());
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}", proxy.port);
    let mut seller = Seller::new(&Target::parse(&url).unwrap());
    for round in 0..30usize {
        // At the load as well as at the commit.
        proxy.arm_after(round / 3 % 2, [Cut::AnswerLost, Cut::NeverSent, Cut::SentLate][round % 3]);
        let wanted = seller.hold(event, "somebody");
        let answers = seller.batch(vec![(wanted, None)]);
        let answer = answers[0].as_ref().expect("a yes");
        assert!(!answer.again);
        proxy.disarm();
        proxy.settle();
        assert_eq!(held(&direct), round as u32 + 1);
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_database_is_killed() {
    let Some(server) = Postgres::start(&[]) else { return };
    let target = target(&server, &server.database(), "");
    let event = Seller::new(&target).put_event("rush", 1_000_000);
    let done = AtomicBool::new(false);
    let sell = || {
        let mut seller = Seller::new(&target);
        let mut sold = Vec::new();
        while !done.load(Ordering::SeqCst) {
            let wanted: Vec<_> = (0..20).map(|_| (seller.hold(event, "a"), None)).collect();
            let ids: Vec<OrderId> = wanted
                .iter()
                .map(|(command, _)| match command {
                    Command::Hold { order, .. } => *order,
                    _ => unreachable!(),
                })
                .collect();
            for (id, answer) in ids.into_iter().zip(seller.batch(wanted)) {
                match answer {
                    Ok(_) => sold.push((id, true)),
                    Err(CommandError::Unavailable) => sold.push((id, false)),
                    Err(CommandError::InDoubt) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        // They go on by themselves.
        let wanted = seller.hold(event, "last");
        assert!(seller.batch(vec![(wanted, None)])[0].is_ok());
        sold
    };
    let sold: Vec<(OrderId, bool)> = std::thread::scope(|scope| {
        let sellers: Vec<_> = (0..2).map(|_| scope.spawn(sell)).collect();
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(300));
            server.kill();
            server.start_again();
        }
        std::thread::sleep(Duration::from_millis(300));
        done.store(true, Ordering::SeqCst);
        sellers.into_iter().flat_map(|s| s.join().unwrap()).collect()
    });
    let mut reader = PgReader::open(&target, Clock::System).unwrap();
    let mut recorded = BTreeSet::new();
    let mut after = None;
    loop {
        let page = reader.all_orders(after, 1_000).unwrap();
        recorded.extend(page.orders.iter().map(|o| o.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(sold.iter().filter(|(_, yes)| *yes).count() > 100, "it sold");
    for (id, yes) in sold {
        assert_eq!(recorded.contains(&id), yes, "{id:?}");
    }
    assert_eq!(reader.events().unwrap()[0].pools[0].held as usize, recorded.len());
}

/// A commit that waits for a standby which is not there.
#[test]
fn a_commit_that_waits_for_a_standby_is_neither_guessed_at_nor_believed() {
    let Some(server) = Postgres::start(&[]) else { return };
    let direct = target(&server, &server.database(), "");
    let event = Seller::new(&direct).put_event("rush", 1_000);
    let database = direct.name.rsplit_once('/').unwrap().1;
    let proxy = Proxy::start(server.port());
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}", proxy.port);
    let mut store = open(&Target::parse(&url).unwrap());
    let standby = |names: &str| {
        server.sql(database, &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        server.sql(database, "SELECT pg_reload_conf()");
        let shown = || server.sql(database, "SHOW synchronous_standby_names") == names;
        while !shown() {
            std::thread::sleep(Duration::from_millis(10));
        }
    };

    // The connection is lost while the commit waits. It cannot be seen, and yet it comes.
    let batch = decided(&mut store, &hold(OrderId(3 << 64), event, "a"));
    commit(&mut store, &batch).unwrap();
    let batch = decided(&mut store, &hold(OrderId(1 << 64), event, "a"));
    standby("nobody");
    proxy.arm(Cut::AnswerLost);
    assert!(matches!(commit(&mut store, &batch), Err(Fault::Unknown(_))));
    assert_eq!(server.sql(database, "SELECT count(*) FROM orders"), "1");
    let fault = store.recover().expect_err("it is not decided");
    assert!(matches!(fault, Fault::Away(_)), "{fault}");
    standby("");
    assert!(store.recover().unwrap());
    assert_eq!(held(&direct), 2);

    // Somebody cancels the wait: the database says that it is committed, and warns.
    let batch = decided(&mut store, &hold(OrderId(2 << 64), event, "b"));
    standby("nobody");
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let fault = std::thread::scope(|scope| {
        let canceler = scope.spawn(|| {
            while !server.sql(database, cancel).contains('t') {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let fault = commit(&mut store, &batch).unwrap_err();
        canceler.join().unwrap();
        fault
    });
    assert!(matches!(fault, Fault::Unknown(_)), "{fault}");
    standby("");
    assert!(store.recover().unwrap());
    assert_eq!(held(&direct), 3);
}

#[test]
fn a_zero_from_a_stranger_fails_nobodys_batch() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let mut seller = Seller::new(&target);
    let event = seller.put_event("rush", 9);
    let wanted = seller.hold(event, "a");
    let held = seller.batch(vec![(wanted, None)]).remove(0).unwrap().order.unwrap().id;
    let defer = Command::Defer { order: held, trouble: "zero \0".into(), wait_ms: None };
    let put = Command::PutEvent { id: EventId(5), spec: spec("zero\0", 1) };
    let good = seller.hold(event, "b");
    let answers = seller.batch(vec![(defer, None), (put, None), (good, None)]);
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(matches!(answers[1], Err(CommandError::Refused(_))), "{answers:?}");
}

#[test]
fn what_is_not_ours_is_refused_and_left_as_it_is() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let refused = |database: &str| {
        let before = server.sql(database, TABLES);
        let error = PgStore::open(&target(server, database, ""), Clock::System).err();
        assert_eq!(server.sql(database, TABLES), before);
        error.expect("refused")
    };
    const TABLES: &str = "SELECT table_name FROM information_schema.columns
                          WHERE table_schema = 'public' ORDER BY 1";
    server.sql(&database, "CREATE TABLE theirs (a int)");
    assert!(matches!(refused(&database), OpenError::NotOurs { .. }));
    server.sql(&database, "CREATE TABLE meta (id int)");
    assert!(matches!(refused(&database), OpenError::NotOurs { .. }));
    server.sql(&database, "DROP TABLE meta; CREATE TABLE meta (key text, value text)");
    assert!(matches!(refused(&database), OpenError::NotOurs { .. }));
    let database = server.database();
    drop(open(&target(server, &database, "")));
    server.sql(&database, "UPDATE meta SET value = '99' WHERE key = 'schema'");
    let error = refused(&database);
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    assert!(PgReader::open(&target(server, &database, ""), Clock::System).is_err());
    let error = PgStore::open(&target(server, "none", ""), Clock::System).err().unwrap();
    assert!(error.to_string().contains("does not exist"), "{error}");
}

#[test]
fn old_answers_are_forgotten_after_a_day() {
    let Some(server) = Postgres::shared() else { return };
    let time = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(1_800_000_000_000));
    let target = target(server, &server.database(), "");
    let mut store = PgStore::open(&target, Clock::Manual(time.clone())).unwrap().store;
    let put = decided(&mut store, &Command::PutEvent { id: EventId(1), spec: spec("x", 9) });
    commit(&mut store, &put).unwrap();
    let mut record = |keys: std::ops::Range<u128>| {
        let now_ms = time.load(Ordering::SeqCst);
        let facts: Vec<_> = keys
            .map(|key| crate::store::Recorded {
                key: RequestKey(key),
                fingerprint: 1,
                reply: put.1,
            })
            .collect();
        store
            .commit(&Batch {
                changes: &[],
                orders: &BTreeMap::new(),
                recorded: &facts,
                records: &[],
                now_ms,
            })
            .unwrap();
        let keys: Vec<RequestKey> = (0..1_000).map(RequestKey).collect();
        store.load(&Keys::default(), &keys).unwrap().recorded.len()
    };
    assert_eq!(record(0..200), 200);
    time.fetch_add(REMEMBERED_MS, Ordering::SeqCst);
    assert_eq!(record(200..201), 201, "to the very millisecond");
    time.fetch_add(PRUNE_EVERY_MS, Ordering::SeqCst);
    let after = record(201..202);
    assert!(after < 202 && after > 2, "a bounded piece: {after}");
    assert_eq!((202..210).map(|key| record(key..key + 1)).last(), Some(10));
}
