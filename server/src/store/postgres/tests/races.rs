//! Several processes at once.

use super::seller::{Seller, commit, decided, hold, spec};
use super::*;
use crate::store;
use crate::store::transfer::{Stage, transfer};
use crate::writer::{CommandError, IdempotencyKey};
use boxoffice::{Command, Refusal};
use std::collections::BTreeSet;
use std::sync::Barrier;

/// Three processes sell fifty places; the rest is refused, and for no other reason.
fn fifty_places(options: &str) {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), options);
    let event = Seller::new(&target).put_event("rush", 50);
    let barrier = Barrier::new(3);
    let sell = || {
        let mut seller = Seller::new(&target);
        barrier.wait();
        let mut sold = Vec::new();
        for _ in 0..15 {
            let asked: Vec<_> = (0..3).map(|_| (seller.hold(event, "a"), None)).collect();
            for answer in seller.batch(asked) {
                match answer {
                    Ok(replied) => sold.push(replied.order.unwrap().id),
                    Err(CommandError::Refused(Refusal::SoldOut { left, .. })) => {
                        assert_eq!(left, 0)
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        sold
    };
    let sold: Vec<OrderId> = std::thread::scope(|scope| {
        let sellers: Vec<_> = (0..3).map(|_| scope.spawn(sell)).collect();
        sellers.into_iter().flat_map(|s| s.join().unwrap()).collect()
    });
    assert_eq!(sold.len(), 50);
    let mut reader = PgReader::open(&target, Clock::System).unwrap();
    assert_eq!(reader.events().unwrap()[0].pools[0].held, 50);
    let orders = reader.all_orders(None, 100).unwrap().orders;
    let recorded: BTreeSet<OrderId> = orders.iter().map(|o| o.id).collect();
    assert_eq!(recorded, sold.into_iter().collect());
}

#[test]
fn three_processes_sell_fifty_places_and_no_more() {
    fifty_places("");
}

#[test]
fn three_processes_sell_fifty_places_and_no_more_under_serializable() {
    fifty_places(SERIALIZABLE);
}

#[test]
fn the_same_request_in_two_processes_at_once_has_one_effect() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let mut sellers = [Seller::new(&target), Seller::new(&target)];
    let events = [sellers[0].put_event("one", 1_000), sellers[0].put_event("two", 1_000)];
    let rounds = 40;
    for round in 0..rounds {
        // Now of one event, now of two: then nothing but the key itself stands between them.
        let apart = round % 2 == 1;
        let barrier = Barrier::new(2);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let asked = sellers.iter_mut().zip([0u64, 1]).map(|(seller, n)| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let event = events[if apart { n as usize } else { 0 }];
                    let fingerprint = if apart { n } else { 0 };
                    let request = IdempotencyKey { key: RequestKey(round), fingerprint };
                    let hold = seller.hold(event, "somebody");
                    barrier.wait();
                    seller.batch(vec![(hold, Some(request))]).pop().unwrap()
                })
            });
            let asked: Vec<_> = asked.collect();
            asked.into_iter().map(|a| a.join().unwrap()).collect()
        });
        let done: Vec<_> = answers.iter().filter_map(|a| a.as_ref().ok()).collect();
        if apart {
            assert_eq!(done.len(), 1, "{answers:?}");
            assert!(answers.contains(&Err(CommandError::KeyReused)), "{answers:?}");
        } else {
            assert_eq!(done.len(), 2, "{answers:?}");
            assert_eq!(done[0].reply, done[1].reply, "one order");
            assert_eq!(done.iter().filter(|d| d.again).count(), 1);
        }
    }
    let mut reader = PgReader::open(&target, Clock::System).unwrap();
    let held: u32 = reader.events().unwrap().iter().map(|e| e.pools[0].held).sum();
    assert_eq!(u128::from(held), rounds);
}

#[test]
fn events_made_at_once_are_told_apart() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let mut sellers = [Seller::new(&target), Seller::new(&target)];
    for round in 0..10 {
        let barrier = Barrier::new(2);
        let slug = format!("show-{round}");
        let ids: Vec<EventId> = std::thread::scope(|scope| {
            let made = sellers.iter_mut().map(|seller| {
                let (barrier, slug) = (&barrier, &slug);
                scope.spawn(move || {
                    barrier.wait();
                    seller.put_event(slug, 5)
                })
            });
            let made: Vec<_> = made.collect();
            made.into_iter().map(|m| m.join().unwrap()).collect()
        });
        assert_eq!(ids[0], ids[1], "one slug is one event");
    }
    // The same id for another event is refused, not written over it.
    let id = PgReader::open(&target, Clock::System).unwrap().events().unwrap()[0].id;
    let other = Command::PutEvent { id, spec: spec("other", 1) };
    assert_eq!(sellers[1].batch(vec![(other, None)]), [Err(CommandError::Unavailable)]);
    assert_eq!(sellers[1].put_event("show-0", 6), id);
}

#[test]
fn who_only_looked_lets_the_others_go_on() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let (mut first, mut second) = (Seller::new(&target), Seller::new(&target));
    let event = first.put_event("small", 1);
    let wanted = first.hold(event, "a");
    assert!(first.batch(vec![(wanted, None)])[0].is_ok());
    for n in 0..3 {
        let seller = if n == 1 { &mut second } else { &mut first };
        let wanted = seller.hold(event, "b");
        let answers = seller.batch(vec![(wanted, None)]);
        assert!(matches!(answers[0], Err(CommandError::Refused(Refusal::SoldOut { .. }))));
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'
                AND datname = current_database()";
    let database = target.name.rsplit_once('/').unwrap().1;
    assert_eq!(server.sql(database, open), "0");
}

#[test]
fn a_turn_is_taken_where_others_are_in_the_way_and_never_makes_two_wait_for_each_other() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let mut seller = Seller::new(&target);
    let (one, two) = (seller.put_event("one", 50), seller.put_event("two", 50));
    assert!(one < two);
    let keys = |events: &[EventId]| {
        let mut keys = Keys::default();
        keys.events.extend(events);
        keys
    };
    let store = || PgStore::open(&target.other_process(), Clock::System).unwrap().store;
    let (mut first, mut second, mut third) = (store(), store(), store());
    // Alone, nobody spends a round trip for it.
    first.load(&keys(&[one]), &[]).unwrap();
    first.release();
    first.contended = false;
    first.lock_early(&keys(&[one]));
    assert!(!first.open && !first.turn);
    // Once it had to wait, it does.
    second.load(&keys(&[one]), &[]).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| first.load(&keys(&[one]), &[]).map(drop));
        std::thread::sleep(Duration::from_millis(50));
        second.release();
        waiting.join().unwrap().unwrap();
    });
    first.release();
    first.lock_early(&keys(&[two]));
    assert!(first.open && first.turn);
    // What it holds is let go of where it would have to wait out of order: `two` is free then.
    second.load(&keys(&[one]), &[]).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| first.load(&keys(&[one, two]), &[]).map(drop));
        third.load(&keys(&[two]), &[]).unwrap();
        assert!(!waiting.is_finished());
        third.release();
        second.release();
        waiting.join().unwrap().unwrap();
    });
    first.release();
    // A turn that is enough becomes the batch.
    first.contended = true;
    first.lock_early(&keys(&[one]));
    let batch = decided(&mut first, &hold(OrderId(78 << 64), one, "a"));
    commit(&mut first, &batch).unwrap();
    assert_eq!(seller.batch(vec![(hold(OrderId(79 << 64), one, "b"), None)]).len(), 1);
}

#[test]
fn a_process_that_stopped_in_the_middle_holds_nobody_up_for_long() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let mut seller = Seller::new(&target);
    let event = seller.put_event("rush", 50);
    let mut stopped = PgStore::open(&target.other_process(), Clock::System).unwrap().store;
    let late = decided(&mut stopped, &hold(OrderId(77 << 64), event, "late"));
    let wanted = seller.hold(event, "b");
    assert!(seller.batch(vec![(wanted, None)])[0].is_ok());
    // And it does not do later what it decided on what is no longer true.
    let fault = commit(&mut stopped, &late).unwrap_err();
    assert!(matches!(fault, Fault::Conflict(_)), "{fault}");
    assert!(!stopped.recover().unwrap());
    let held = PgReader::open(&target, Clock::System).unwrap().events().unwrap()[0].pools[0].held;
    assert_eq!(held, 1);
}

#[test]
fn processes_have_different_numbers_and_keep_them_and_one_that_ends_leaves_its_own() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let target = target(server, &database, "");
    let open = || PgStore::open(&target.other_process(), Clock::System).unwrap();
    let mut all: Vec<Opened> = (0..3).map(|_| open()).collect();
    let numbers = |all: &[Opened]| all.iter().map(|o| o.node.number()).collect::<Vec<_>>();
    assert_eq!(numbers(&all), [0, 1, 2]);
    drop(all.remove(1));
    all.push(open());
    assert_eq!(numbers(&all), [0, 2, 1], "the one that was free");
    // All lose their connections, and one comes back later than another that is new.
    server.sql(
        &database,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let gone = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while server.sql(&database, gone) != "0" {}
    all[2].store.recover().unwrap();
    all[1].store.recover().unwrap();
    let fresh = open();
    all[0].store.recover().unwrap();
    assert_eq!((fresh.node.number(), numbers(&all)), (0, vec![3, 2, 1]));
}

#[test]
fn what_three_processes_sold_at_the_same_instants_moves_into_a_file() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let target = target(server, &database, "");
    let event = Seller::new(&target).put_event("rush", 6_000);
    let barrier = Barrier::new(3);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut seller = Seller::new(&target);
                barrier.wait();
                // Made first, so that the three make theirs in the same milliseconds.
                let asked: Vec<_> = (0..2_000).map(|_| (seller.hold(event, "a"), None)).collect();
                assert!(seller.batch(asked).iter().all(Result::is_ok));
            });
        }
    });
    let alike = "SELECT count(*) - count(DISTINCT left(id::text, 18)) FROM orders";
    assert_eq!(server.sql(&database, alike), "0");
    let dir = std::env::temp_dir().join(format!("nts-moved-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = store::Database::File(dir.join("back.db"));
    let from = store::Database::Server(Box::new(target));
    let moved = transfer(&from, &file, &Clock::System, &mut |_| {}).unwrap();
    assert_eq!(moved.orders, 6_000);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn four_processes_begin_at_once_on_an_empty_database() {
    let Some(server) = Postgres::shared() else { return };
    for options in ["", SERIALIZABLE] {
        let target = target(server, &server.database(), options);
        let barrier = Barrier::new(4);
        let opened: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                let mut opened = PgStore::open(&target.other_process(), Clock::System).unwrap();
                let key = draw().to_string();
                let kept = opened.store.meta_keep("organiser_key", &key).unwrap();
                (opened.fresh, opened.secret, kept == key, kept)
            };
            let all: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            all.into_iter().map(|o| o.join().unwrap()).collect()
        });
        assert_eq!(opened.iter().filter(|o| o.0).count(), 1, "one of them made it");
        assert_eq!(opened.iter().filter(|o| o.2).count(), 1, "one key is kept");
        assert!(opened.iter().all(|o| o.1 == opened[0].1 && o.3 == opened[0].3));
    }
}

#[test]
fn due_orders_are_shared_and_those_of_the_dead_are_taken_over() {
    let Some(server) = Postgres::shared() else { return };
    let time = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(1_800_000_000_000));
    let clock = Clock::Manual(time.clone());
    let targets = [(); 3].map(|()| ());
    let base = target(server, &server.database(), "");
    let targets = targets.map(|()| base.other_process());
    let mut store = PgStore::open(&targets[0], clock.clone()).unwrap().store;
    let put = decided(&mut store, &Command::PutEvent { id: EventId(1), spec: spec("x", 9) });
    commit(&mut store, &put).unwrap();
    let orders: Vec<OrderId> = (1..=6).map(|n| OrderId(n << 64)).collect();
    for order in &orders {
        let placed = decided(&mut store, &hold(*order, EventId(1), "a"));
        commit(&mut store, &placed).unwrap();
    }
    let mut readers = targets.map(|target| PgReader::open(&target, clock.clone()).unwrap());
    let end = 1_800_000_300_000;
    let mut due = |who: usize, after_ms: i64, limit| {
        readers[who].due(end + after_ms, Lane::Holds, limit).unwrap()
    };
    assert_eq!(due(0, -1, 9), []);
    assert_eq!(due(0, 0, 9), orders, "who sold them looks after them at once");
    assert_eq!(due(1, 2_999, 9), [], "the others leave them");
    // The first process is gone: two others share what is left of it.
    assert_eq!(due(1, 3_000, 4), orders[..4]);
    assert_eq!(due(2, 3_000, 4), orders[4..]);
    assert_eq!(due(1, 12_000, 9), orders[..4], "and keep them");
    assert_eq!(due(2, 12_000, 9), orders[4..]);
    // The second is gone as well.
    assert_eq!(due(2, 23_000, 9), orders);
    assert_eq!(due(0, 24_000, 9), []);
}

/// Three processes sell to a few buyers, give places back, and set, change and lift the limit. Nobody
/// ever gets a place beyond the limit of the moment, and the counts are what the orders say.
#[test]
fn several_processes_count_each_buyer_once() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let event = Seller::new(&target).put_event("rush", 10_000);
    let most = 5;
    std::thread::scope(|scope| {
        for process in 0..3u64 {
            let target = &target;
            scope.spawn(move || {
                let mut seller = Seller::new(target);
                let mut mine: Vec<OrderId> = Vec::new();
                for round in 0..60u64 {
                    if round % 10 == 3 * process {
                        let limit = [None, Some(2), Some(most), Some(1)][(round / 10) as usize % 4];
                        seller.limit("rush", 10_000, limit);
                    }
                    let order = seller.ids.order(Clock::System.now_ms());
                    let mut command = hold(order, event, "a");
                    if let Command::Hold { buyer, .. } = &mut command {
                        buyer.key = BuyerKey(u128::from(round * 7 + process * 3) % 5 + 1);
                    }
                    let mut asked = vec![(command, None)];
                    if round % 3 == 0
                        && let Some(order) = mine.pop()
                    {
                        asked.push((Command::Cancel { order }, None));
                    }
                    let answers = seller.batch(asked);
                    match &answers[0] {
                        Ok(_) => mine.push(order),
                        Err(CommandError::Refused(boxoffice::Refusal::LimitPerBuyer {
                            limit,
                            has,
                            ..
                        })) => {
                            assert!(has >= limit, "{has} of {limit}");
                        }
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    Seller::new(&target).limit("rush", 10_000, Some(most));
    let mut reader = PgReader::open(&target, Clock::System).unwrap();
    assert_eq!(reader.verify().unwrap(), Vec::<String>::new());
}

/// Selling on a database that was moved would sell places twice.
#[test]
fn who_began_while_everything_was_moved_records_nothing_more() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let target = target(server, &database, "");
    let event = Seller::new(&target).put_event("rush", 10);
    let dir = std::env::temp_dir().join(format!("nts-began-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let from = store::Database::Server(Box::new(target.clone()));
    let to = store::Database::File(dir.join("moved.db"));
    let mut began = None;
    let mut tell = |stage| {
        if matches!(stage, Stage::Comparing(..)) && began.is_none() {
            began = Some(Seller::new(&target));
        }
    };
    transfer(&from, &to, &Clock::System, &mut tell).unwrap();
    let mut began = began.unwrap();
    for _ in 0..3 {
        let hold = began.hold(event, "a");
        let answer = &began.batch(vec![(hold, None)])[0];
        assert!(matches!(answer, Err(CommandError::Unavailable)), "{answer:?}");
    }
    assert_eq!(server.sql(&database, "SELECT count(*) FROM orders"), "0");
    // It is not for good, if a person says so.
    from.resume(Clock::System).unwrap();
    let hold = began.hold(event, "a");
    let mut answer = began.batch(vec![(hold.clone(), None)]);
    if answer[0].is_err() {
        answer = began.batch(vec![(hold, None)]);
    }
    assert!(answer[0].is_ok(), "{answer:?}");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_database_is_not_moved_while_a_process_serves_on_it_under_whatever_name() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let named = target(server, &database, "?application_name=web1");
    let mut seller = Seller::new(&named);
    let event = seller.put_event("rush", 10);
    let dir = std::env::temp_dir().join(format!("nts-serves-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let from = store::Database::Server(Box::new(named));
    let to = store::Database::File(dir.join("moved.db"));
    let error = transfer(&from, &to, &Clock::System, &mut |_| {}).unwrap_err();
    assert!(error.contains("nts serves on"), "{error}");
    let hold = seller.hold(event, "a");
    assert!(seller.batch(vec![(hold, None)])[0].is_ok());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_move_that_fails_at_its_end_leaves_the_source_selling() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let event = Seller::new(&target).put_event("rush", 10);
    let dir = std::env::temp_dir().join(format!("nts-undone-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let from = store::Database::Server(Box::new(target.clone()));
    let to = store::Database::File(dir.join("moved.db"));
    let mut tell = |stage| {
        if matches!(stage, Stage::Comparing(..)) {
            // A directory of that name: the new file cannot be put there.
            std::fs::create_dir_all(dir.join("moved.db/in-the-way")).unwrap();
        }
    };
    let error = transfer(&from, &to, &Clock::System, &mut tell).unwrap_err();
    assert!(error.contains("Nothing was changed"), "{error}");
    let mut seller = Seller::new(&target);
    let hold = seller.hold(event, "a");
    assert!(seller.batch(vec![(hold, None)])[0].is_ok());
    assert!(from.open(Clock::System).is_ok());
    std::fs::remove_dir_all(&dir).unwrap();
}

/// One database, one payment provider: else a ticket of the sandbox would be valid beside real ones.
#[test]
fn two_processes_never_serve_with_two_providers() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let target = target(server, &database, "");
    let open = || PgStore::open(&target.other_process(), Clock::System).unwrap().store;
    let loads = |store: &mut PgStore| store.load(&Keys::default(), &[]).map(drop);
    let (mut first, mut second) = (open(), open());
    // Where nobody has said it, whoever is first says it, and others with the same may serve as well.
    assert!(first.claim_provider(None, "sandbox").unwrap());
    assert!(!second.claim_provider(None, "stripe_test").unwrap());
    assert!(second.claim_provider(None, "sandbox").unwrap());
    // Another one only when nobody serves.
    let mut other = open();
    assert!(!other.claim_provider(Some("sandbox"), "stripe_test").unwrap());
    assert!(loads(&mut first).is_ok() && loads(&mut second).is_ok());
    // The two lose their connections, and the other comes first.
    server.sql(
        &database,
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE locktype = 'advisory' AND d.datname = current_database()",
    );
    drop(second);
    let mut other = open();
    nts_testkit::eventually("nobody serves", || {
        other.claim_provider(Some("sandbox"), "stripe_test").unwrap_or_else(|_| {
            _ = other.recover();
            false
        })
    });
    assert!(loads(&mut other).is_ok());
    _ = first.recover();
    let error = loads(&mut first).unwrap_err().to_string();
    assert!(error.contains("another payment provider"), "{error}");
}

#[test]
fn a_process_that_began_while_test_orders_were_set_aside_records_nothing_more() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.database();
    let target = target(server, &database, "");
    let event = {
        let mut seller = Seller::new(&target);
        let event = seller.put_event("rush", 10);
        let held = seller.hold(event, "a");
        assert!(seller.batch(vec![(held, None)])[0].is_ok());
        event
    };
    let dir = std::env::temp_dir().join(format!("nts-aside-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let from = store::Database::Server(Box::new(target.clone()));
    let mut began = None;
    let mut tell = |stage| {
        if matches!(stage, Stage::Comparing(..)) && began.is_none() {
            let mut opened = PgStore::open(&target.other_process(), Clock::System).unwrap();
            assert!(opened.store.claim_provider(None, "sandbox").unwrap());
            began = Some(opened.store);
        }
    };
    let aside = store::test_orders::set_aside(
        &from,
        &dir.join("aside.db"),
        store::test_orders::Unclear::default(),
        &Clock::System,
        &mut tell,
    );
    assert_eq!(aside.unwrap().orders, 1);
    let mut began = began.unwrap();
    let order = OrderId(u128::from(event.0) << 64 | 7);
    let asked = hold(order, event, "a");
    let mut keys = Keys::default();
    asked.add_keys(&mut keys);
    // Its first batch is refused by its epoch, and what comes later by what the database says.
    let first = began.load(&keys, &[]).and_then(|loaded| {
        let decision = boxoffice::decide(&loaded.state, &asked, loaded.now_ms).unwrap();
        commit(&mut began, &(decision.changes, decision.reply, loaded.now_ms))
    });
    assert!(first.is_err(), "it was recorded");
    _ = began.recover();
    let error = began.load(&keys, &[]).map(drop).unwrap_err().to_string();
    assert!(error.contains("another payment provider"), "{error}");
    assert_eq!(server.sql(&database, "SELECT count(*) FROM orders"), "0");
    std::fs::remove_dir_all(&dir).unwrap();
}

/// A reader tells a time as settled only once nothing that is dated before it is still to be committed by anybody.
#[test]
fn what_another_process_has_decided_and_not_committed_is_not_settled() {
    let Some(server) = Postgres::shared() else { return };
    let target = target(server, &server.database(), "");
    let (mut slow, mut quick) = (Seller::new(&target), Seller::new(&target));
    let events = [slow.put_event("slow", 10), quick.put_event("quick", 10)];
    let mut reader = PgReader::open(&target, Clock::System).unwrap();
    let mut settled = move || reader.settled_ms().unwrap().expect("others commit as well");
    let before = settled();
    // Loaded and dated, and not committed: its writer takes a while.
    let mut opened = PgStore::open(&target.other_process(), Clock::System).unwrap();
    let mut keys = Keys::default();
    keys.events.push(events[0]);
    let loaded = opened.store.load(&keys, &[]).unwrap();
    // Meanwhile another one decides later, and is quicker.
    let hold = quick.hold(events[1], "ann");
    let told = quick.batch(vec![(hold, None)]).pop().unwrap().unwrap().order.unwrap();
    assert!(told.placed_ms >= loaded.now_ms);
    let meanwhile = settled();
    assert!((before..=loaded.now_ms).contains(&meanwhile), "{meanwhile} {}", loaded.now_ms);
    opened.store.release();
    let after = settled();
    assert!(after >= told.placed_ms, "{after} {}", told.placed_ms);
    // Whoever only reads is in nobody's way.
    let mut looks = PgReader::open(&target, Clock::System).unwrap();
    looks.events().unwrap();
    assert!(settled() >= after);
}
