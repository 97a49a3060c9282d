//! The contract, and what is true of files only.

mod erased;
mod fuzz;
mod migrate;

use super::*;
use crate::store::contract::{self, Database};
use crate::store::records::audit_log::{Action, AuditLine, audit_id};
use crate::store::records::{Engine, RecordChange, page};
use crate::store::{Lane, Reader, Store};
use boxoffice::{Buyer, BuyerKey, Command, LineWish, OrderId, PaymentId, decide};
use nts_testkit::fixtures::event_spec;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("nts-store-{}-{n}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

struct OnDisk(Folder, Clock);

impl Database for OnDisk {
    fn store(&mut self) -> Box<dyn Store> {
        Box::new(SqliteStore::open(&self.0.file("nts.db"), self.1.clone()).unwrap().store)
    }

    fn reader(&mut self) -> Box<dyn Reader> {
        Box::new(SqliteStore::reader(&self.0.file("nts.db")).unwrap())
    }

    fn engine(&self) -> Engine {
        Engine::Sqlite
    }
}

#[test]
fn keeps_the_contract_of_all_stores() {
    contract::check(|clock| OnDisk(Folder::new(), clock));
}

/// Planning a query costs as much as asking it.
#[test]
fn a_cached_statement_is_planned_once() {
    let folder = Folder::new();
    let path = folder.file("nts.db");
    SqliteStore::open(&path, clock()).unwrap();
    for writable in [true, false] {
        let conn = DatabaseFile::on_disk(&path).connect(writable).unwrap();
        let sql = "SELECT number FROM attempts WHERE order_id = ?1 ORDER BY number";
        for order in 0..20 {
            let mut find = conn.prepare_cached(sql).unwrap();
            assert!(!find.exists([order]).unwrap());
            let planned_anew = find.get_status(rusqlite::StatementStatus::RePrepare);
            assert_eq!(planned_anew, 0, "at use {order}");
        }
    }
}

/// A long line of payments is none of the business of who looks for holds that have run out.
#[test]
fn who_lists_what_is_due_steps_over_nobody_of_the_other_lane() {
    let folder = Folder::new();
    let path = folder.file("nts.db");
    SqliteStore::open(&path, clock()).unwrap();
    let conn = DatabaseFile::on_disk(&path).connect(true).unwrap();
    let count = |lane, expected| {
        let mut find = conn.prepare_cached(reader::due(lane)).unwrap();
        let rows = find.query_map(params![1_000, 512], |_| Ok(())).unwrap().count();
        assert_eq!(rows, expected);
        find.reset_status(rusqlite::StatementStatus::VmStep)
    };
    for (state, in_vain, found) in
        [(1, Lane::Holds, Lane::Payments), (0, Lane::Payments, Lane::Holds)]
    {
        conn.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
             INSERT INTO orders (id, low, event, state, lines, name, email, buyer_key, currency,
                                 placed_ms, until_ms, due_ms, tries)
             SELECT i, 0, 1, ?1, x'00', '', '', x'00', 'EUR', 0, 0, i % 7, 0 FROM n",
            [state],
        )
        .unwrap();
        let steps = (count(in_vain, 0), count(found, 512));
        assert!(steps.0 < 50 && steps.1 < 20 * 512, "{steps:?}");
        conn.execute("DELETE FROM orders", []).unwrap();
    }
}

/// The tests' own clock.
fn clock() -> Clock {
    Clock::Manual(std::sync::Arc::new(1_800_000_000_000.into()))
}

/// An event of so many places, put into a store.
fn put_event(store: &mut SqliteStore, slug: &str, capacity: u32) -> EventId {
    let spec = event_spec(slug, capacity);
    let id = EventId(store.batch as u64 + 1);
    run(store, &[Command::PutEvent { id, spec }], &[]).unwrap();
    id
}

fn hold(event: EventId, id: u128) -> Command {
    let name = format!("Buyer {id}");
    let email = format!("buyer{id}@example.com");
    Command::Hold {
        order: OrderId(((1 << 40) + id) << 64 | 0x8000_0000_0000_0007),
        event,
        buyer: Buyer { name, email, key: BuyerKey(id), language: boxoffice::Language::EN },
        untagged: None,
        lines: vec![LineWish { ticket_type: "t".into(), quantity: 1 }],
        terms: boxoffice::Terms::default(),
        metadata: boxoffice::Metadata::default(),
        most_ms: None,
    }
}

/// Decides and commits some commands, the requests with these keys among them.
fn run(store: &mut SqliteStore, commands: &[Command], keys: &[RequestKey]) -> Result<(), Fault> {
    let mut wanted = Keys::default();
    commands.iter().for_each(|c| c.add_keys(&mut wanted));
    let loaded = store.load(&wanted, keys)?;
    assert!(loaded.recorded.is_empty());
    let (mut state, now_ms) = (loaded.state, loaded.now_ms);
    let (mut changes, mut recorded) = (Vec::new(), Vec::new());
    for (i, command) in commands.iter().enumerate() {
        let decision = decide(&state, command, now_ms).unwrap();
        decision.changes.iter().for_each(|c| state.apply(c));
        changes.extend(decision.changes);
        if let Some(key) = keys.get(i) {
            recorded.push(Recorded { key: *key, fingerprint: 1, reply: decision.reply });
        }
    }
    let orders = state.orders.into_iter().map(|(id, order)| (id, Arc::new(order))).collect();
    store.commit(&Batch {
        changes: &changes,
        orders: &orders,
        recorded: &recorded,
        records: &[],
        now_ms,
    })
}

/// A database with some orders in it. `close`: whether its log is played in, or stays.
fn sold(folder: &Folder, orders: u128, close: bool) -> PathBuf {
    let path = folder.file("nts.db");
    let mut store = SqliteStore::open(&path, clock()).unwrap().store;
    let event = put_event(&mut store, "show", 1_000_000);
    for ids in (0..orders).collect::<Vec<_>>().chunks(500) {
        let holds: Vec<Command> = ids.iter().map(|id| hold(event, *id)).collect();
        run(&mut store, &holds, &[]).unwrap();
    }
    if !close {
        let config = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        let conn = store.conn.take().unwrap();
        conn.set_db_config(config, true).unwrap();
    }
    path
}

/// What lies in a folder, but for the lock and the log's index, which say nothing about the data.
fn contents(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .filter(|(name, _)| !name.ends_with("-lock") && !name.ends_with("-shm"))
        .collect()
}

/// Opening must fail, and change nothing.
fn refused(folder: &Folder, path: &Path) -> OpenError {
    let before = contents(folder);
    let error = match SqliteStore::open(path, clock()) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    };
    assert!(contents(folder) == before, "changed: {error}");
    error
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    use std::io::{Seek, SeekFrom, Write};
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn an_empty_file_is_a_database_that_is_not_there_yet() {
    let folder = Folder::new();
    let path = folder.file("nts.db");
    File::create(&path).unwrap();
    let opened = SqliteStore::open(&path, clock()).unwrap();
    assert!(opened.fresh);
    assert_eq!(opened.last_high, 0);
    let secret = opened.secret;
    assert_ne!(secret, [0; 32]);
    let mut store = opened.store;
    assert_eq!(store.meta_get("organiser").unwrap(), None);
    store.meta_put("organiser", "hash 🔑").unwrap();
    store.meta_put("organiser", "hash 🗝").unwrap();
    let event = put_event(&mut store, "show", 5);
    run(&mut store, &[hold(event, 0)], &[]).unwrap();
    drop(store);
    let again = SqliteStore::open(&path, clock()).unwrap();
    assert!(!again.fresh);
    assert_eq!((again.secret, again.last_high), (secret, 1 << 40));
    assert_eq!(again.store.meta_get("organiser").unwrap().as_deref(), Some("hash 🗝"));
}

#[test]
fn what_is_not_ours_is_refused_and_left_alone() {
    let folder = Folder::new();
    let path = folder.file("notes.txt");
    for text in [&b"x"[..], b"Dear diary, ", &[0; 5000], &[0xff; 100]] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(refused(&folder, &path), OpenError::NotOurs { .. }));
    }
    std::fs::remove_file(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .unwrap();
    let error = refused(&folder, &path);
    assert!(error.to_string().contains("another program"), "{error}");
    drop(other);
    assert!(matches!(refused(&folder, &path), OpenError::NotOurs { .. }));
    let nowhere = folder.file("no/such/folder.db");
    assert!(matches!(refused(&folder, &nowhere), OpenError::Failed { .. }));
    let inner = folder.file("folder");
    std::fs::create_dir(&inner).unwrap();
    assert!(matches!(SqliteStore::open(&inner, clock()), Err(OpenError::Failed { .. })));
}

#[test]
fn what_a_newer_nts_made_is_refused_also_when_only_its_log_says_so() {
    for close in [true, false] {
        let folder = Folder::new();
        let path = sold(&folder, 3, close);
        let newer = Connection::open(&path).unwrap();
        let keep = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        newer.set_db_config(keep, !close).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        drop(newer);
        let error = refused(&folder, &path);
        let last = file::known_version();
        assert!(
            matches!(error, OpenError::Newer { found: 99, known, .. } if known == last),
            "{error}"
        );
        assert!(error.to_string().contains("Nothing was changed"));
    }
}

#[test]
fn damage_is_noticed_and_nothing_is_made_worse() {
    for close in [true, false] {
        let folder = Folder::new();
        let path = sold(&folder, 2_000, close);
        // With a log, the pages beside it are old or not there at all.
        if !close {
            let conn = Connection::open(&path).unwrap();
            let keep = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            conn.set_db_config(keep, true).unwrap();
            conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
            conn.execute("UPDATE progress SET barrier = 0", []).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        let damaged = |error: OpenError| match error {
            OpenError::Damaged { .. } => {}
            other => panic!("{other}"),
        };
        for keep in [whole.len() / 2, whole.len() - 4096, 8192] {
            std::fs::write(&path, &whole[..keep]).unwrap();
            damaged(refused(&folder, &path));
        }
        // Every seventh page's own header. (The page of the table `progress` lies in the log.)
        for page in (2..whole.len() as u64 / 4096).step_by(7) {
            std::fs::write(&path, &whole).unwrap();
            overwrite(&path, page * 4096, &[0xee; 64]);
            damaged(refused(&folder, &path));
        }
        std::fs::write(&path, &whole).unwrap();
        let store = SqliteStore::open(&path, clock()).unwrap().store;
        assert_eq!(store.own_reader().unwrap().verify().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn a_log_without_its_database_is_not_thrown_away() {
    let folder = Folder::new();
    let path = sold(&folder, 10, false);
    let copy = folder.file("copy.db");
    backup(&path, &copy).unwrap();
    std::fs::rename(&path, folder.file("moved away")).unwrap();
    let error = refused(&folder, &path);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    // A backup put in its place must not have the old log played into it.
    std::fs::rename(&copy, &path).unwrap();
    let error = refused(&folder, &path);
    assert!(error.to_string().contains("another database"), "{error}");
    std::fs::remove_file(folder.file("nts.db-wal")).unwrap();
    std::fs::remove_file(folder.file("nts.db-shm")).unwrap();
    assert!(!SqliteStore::open(&path, clock()).unwrap().fresh);
}

#[test]
fn a_second_process_is_told_who_has_it() {
    let folder = Folder::new();
    let path = folder.file("nts.db");
    let first = SqliteStore::open(&path, clock()).unwrap();
    let error = refused(&folder, &path);
    assert_eq!(
        error.to_string().split_once(". ").unwrap().0,
        format!("{} is in use by another nts (process {})", path.display(), std::process::id())
    );
    drop(first);
    assert!(SqliteStore::open(&path, clock()).is_ok());
}

#[test]
fn readers_do_not_wait_for_the_writer_nor_see_half_of_a_commit() {
    let folder = Folder::new();
    let path = sold(&folder, 3, true);
    let mut store = SqliteStore::open(&path, clock()).unwrap().store;
    let mut reader = SqliteStore::reader(&path).unwrap();
    let conn = store.conn.as_ref().unwrap();
    conn.execute_batch("BEGIN IMMEDIATE; UPDATE pools SET held = 77").unwrap();
    assert_eq!(reader.events().unwrap()[0].pools[0].held, 3);
    conn.execute_batch("ROLLBACK").unwrap();
    // And a reader in the middle of its question does not stop the writer.
    let asked = reader.at_once(|conn| {
        let before = rows::events(conn, "", [])?;
        run(&mut store, &[hold(before[0].id, 50)], &[]).unwrap();
        Ok((before, rows::events(conn, "", [])?))
    });
    let (before, after) = asked.unwrap();
    assert_eq!(before, after, "one commit for the whole question");
    assert_eq!(reader.events().unwrap()[0].pools[0].held, 4);
}

#[test]
fn an_order_that_is_being_paid_is_read_again_after_a_commit_in_doubt() {
    let folder = Folder::new();
    let mut store = SqliteStore::open(&sold(&folder, 3, true), clock()).unwrap().store;
    let Command::Hold { order, .. } = hold(EventId(0), 0) else { unreachable!() };
    let (payment, token) = (PaymentId(1), "ctoken_ok".into());
    run(&mut store, &[Command::Pay { order, payment, live: false, token }], &[]).unwrap();
    // The commit went through, and memory has not heard of it.
    let (batch, kept) = (store.batch, store.orders.clone());
    run(&mut store, &[Command::IntentCreated { order, intent: "pi_1".into() }], &[]).unwrap();
    (store.batch, store.orders, store.tried, store.conn) = (batch, kept, Some(batch + 1), None);
    assert!(store.recover().unwrap());
    let keys = Keys { orders: vec![order], ..Keys::default() };
    let loaded = store.load(&keys, &[]).unwrap().state.orders.remove(&order).unwrap();
    assert_eq!(loaded.payment.unwrap().intent.as_deref(), Some("pi_1"));
}

#[test]
fn a_load_that_fails_leaves_nothing_open() {
    let folder = Folder::new();
    let mut store = SqliteStore::open(&sold(&folder, 3, true), clock()).unwrap().store;
    let event = *store.events.keys().next().unwrap();
    let conn = store.conn.as_ref().unwrap();
    let failed = reading(conn, || {
        conn.query_row("SELECT batch FROM progress", [], |row| row.get::<_, i64>(0))?;
        Err::<(), _>(rusqlite::Error::QueryReturnedNoRows)
    });
    assert!(failed.is_err() && conn.is_autocommit());
    assert_eq!(reading(conn, || batch_number(conn)).unwrap(), store.batch);
    run(&mut store, &[hold(event, 9)], &[]).unwrap();
}

#[test]
fn a_commit_in_doubt_is_settled_by_what_is_recorded() {
    let folder = Folder::new();
    let path = sold(&folder, 3, true);
    let mut store = SqliteStore::open(&path, clock()).unwrap().store;
    let event = *store.events.keys().next().unwrap();
    for recorded in [true, false, true] {
        let key = RequestKey(u128::from(store.batch as u64));
        let before = (store.batch, store.events[&event].pools[0].held);
        if recorded {
            // The commit went through, and memory has not heard of it.
            let (events, recent) = (store.events.clone(), IdempotencyIndex::new(&[0; 32]));
            run(&mut store, &[hold(event, u128::from(before.1))], &[key]).unwrap();
            (store.batch, store.events, store.recent) = (before.0, events, recent);
        }
        store.tried = Some(before.0 + 1);
        store.conn = None;
        let keys = Keys { events: vec![event], ..Keys::default() };
        assert!(matches!(store.load(&keys, &[]), Err(Fault::NotDone(_))), "not before recovery");
        assert_eq!(store.recover().unwrap(), recorded);
        assert_eq!(store.recover().unwrap(), recorded, "asked twice");
        let loaded = store.load(&keys, &[key]).unwrap();
        assert_eq!(loaded.state.events[&event].pools[0].held, before.1 + u32::from(recorded));
        assert_eq!(loaded.recorded.contains_key(&key), recorded);
    }
    assert!(store.own_reader().unwrap().verify().unwrap().is_empty());
}

/// A commit of unknown outcome was recorded, and had removed old rows: their keys are forgotten with them,
/// or else such a key could never be used again, and whoever came with it in a batch would fail as well.
#[test]
fn keys_that_a_commit_in_doubt_has_removed_are_new_again() {
    let folder = Folder::new();
    let time = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(1_800_000_000_000));
    let path = folder.file("nts.db");
    let mut store = SqliteStore::open(&path, Clock::Manual(time.clone())).unwrap().store;
    let event = put_event(&mut store, "show", 1_000);
    for id in 0..3 {
        run(&mut store, &[hold(event, id)], &[RequestKey(id)]).unwrap();
    }
    time.fetch_add(REMEMBERED_MS + 1, Ordering::SeqCst);
    // The commit that removes them went through, and memory has not heard of it.
    let gone = "DELETE FROM requests WHERE seq <= (SELECT max(seq) FROM requests)";
    store.conn.as_ref().unwrap().execute(gone, []).unwrap();
    store.conn = None;
    store.recover().unwrap();
    for id in 0..3 {
        let key = RequestKey(id);
        let loaded = store.load(&Keys::default(), &[key]).unwrap();
        assert!(!loaded.recorded.contains_key(&key));
        run(&mut store, &[hold(event, 20 + id)], &[key]).unwrap();
        assert!(store.load(&Keys::default(), &[key]).unwrap().recorded.contains_key(&key));
    }
    assert!(store.own_reader().unwrap().verify().unwrap().is_empty());
}

#[test]
fn a_full_disk_refuses_a_batch_and_is_usable_again_with_space() {
    let folder = Folder::new();
    let path = sold(&folder, 3, true);
    let mut store = SqliteStore::open(&path, clock()).unwrap().store;
    let event = *store.events.keys().next().unwrap();
    let most = |store: &SqliteStore, pages: i64| {
        let conn = store.conn.as_ref().unwrap();
        conn.pragma_update_and_check(None, "max_page_count", pages, |r| r.get::<_, i64>(0)).unwrap()
    };
    most(&store, 1);
    let holds: Vec<Command> = (100..1_100).map(|id| hold(event, id)).collect();
    let keys: Vec<RequestKey> = (100..1_100).map(RequestKey).collect();
    let fault = run(&mut store, &holds, &keys).unwrap_err();
    assert!(matches!(fault, Fault::NotDone(_)), "{fault}");
    assert_eq!(store.events[&event].pools[0].held, 3);
    assert!(!store.recover().unwrap());
    most(&store, 1 << 30);
    run(&mut store, &holds, &keys).unwrap();
    assert!(store.own_reader().unwrap().verify().unwrap().is_empty());
}

#[test]
fn old_requests_go_bit_by_bit_and_recent_ones_stay() {
    let folder = Folder::new();
    let time = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(1_800_000_000_000));
    let path = folder.file("nts.db");
    let open = || SqliteStore::open(&path, Clock::Manual(time.clone())).unwrap().store;
    let mut store = open();
    let event = put_event(&mut store, "show", 1_000_000);
    let request = |store: &mut SqliteStore, ids: std::ops::Range<u128>| {
        let holds: Vec<Command> = ids.clone().map(|id| hold(event, id)).collect();
        run(store, &holds, &ids.map(RequestKey).collect::<Vec<_>>()).unwrap();
    };
    let known = |store: &mut SqliteStore| {
        let keys: Vec<RequestKey> = (0..1_000).map(RequestKey).collect();
        let recorded = store.load(&Keys::default(), &keys).unwrap().recorded;
        recorded.keys().map(|key| key.0).collect::<Vec<_>>()
    };
    request(&mut store, 0..100);
    time.fetch_add(REMEMBERED_MS, Ordering::SeqCst);
    request(&mut store, 100..101);
    assert_eq!(known(&mut store).len(), 101, "to the very millisecond");
    time.fetch_add(1, Ordering::SeqCst);
    request(&mut store, 101..102);
    assert_eq!(known(&mut store), (18..102).collect::<Vec<_>>(), "a bounded piece");
    for n in 102..110 {
        request(&mut store, n..n + 1);
        if n == 105 {
            store = {
                drop(store);
                open()
            };
        }
    }
    assert_eq!(known(&mut store), (100..110).collect::<Vec<_>>());
    // A clock that was far ahead for a moment blocks nothing.
    time.fetch_add(50 * REMEMBERED_MS, Ordering::SeqCst);
    request(&mut store, 110..111);
    time.fetch_sub(50 * REMEMBERED_MS, Ordering::SeqCst);
    request(&mut store, 111..112);
    request(&mut store, 112..113);
    assert_eq!(known(&mut store), [111, 112]);
    assert_eq!(
        known(&mut {
            drop(store);
            open()
        }),
        [111, 112]
    );
}

#[test]
fn a_backup_made_while_selling_is_a_whole_database() {
    let folder = Folder::new();
    let path = sold(&folder, 2_000, true);
    let mut store = SqliteStore::open(&path, clock()).unwrap().store;
    let event = *store.events.keys().next().unwrap();
    let copies: Vec<PathBuf> = (0..4).map(|n| folder.file(&format!("copy{n}.db"))).collect();
    std::fs::write(folder.file("copy0.db.partial"), "left by one that was killed").unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let (done, path, store) = (&done, &path, &mut store);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for id in 10_000.. {
                run(store, &[hold(event, id)], &[RequestKey(id)]).unwrap();
                if done.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        for copy in &copies {
            let bytes = backup(path, copy);
            if bytes.is_err() {
                done.store(true, Ordering::SeqCst);
            }
            assert_eq!(bytes.unwrap(), std::fs::metadata(copy).unwrap().len());
        }
        done.store(true, Ordering::SeqCst);
    });
    for copy in &copies {
        assert!(backup(path, copy).unwrap_err().contains("exists already"));
        let opened = SqliteStore::open(copy, clock()).unwrap();
        assert!(!opened.fresh && opened.last_high >= 1 << 40);
        let mut store = opened.store;
        assert!(store.own_reader().unwrap().verify().unwrap().is_empty());
        assert!(store.events[&event].pools[0].held >= 2_000);
        run(&mut store, &[hold(event, 99_999_999)], &[]).unwrap();
    }
    assert!(!folder.file("copy0.db.partial").exists());
    assert!(backup(&folder.file("none.db"), &folder.file("copy.db")).is_err());
    assert!(!folder.file("none.db").exists());
}

#[test]
fn verify_tells_counters_that_are_not_the_sum_of_the_orders() {
    let folder = Folder::new();
    let path = sold(&folder, 10, true);
    let store = SqliteStore::open(&path, clock()).unwrap().store;
    let conn = store.conn.as_ref().unwrap();
    conn.execute_batch("UPDATE pools SET held = 11").unwrap();
    let wrong = store.own_reader().unwrap().verify().unwrap();
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].contains("11 held") && wrong[0].contains("make 10"), "{wrong:?}");
}

#[test]
fn verify_tells_what_belongs_to_nothing_and_to_whom() {
    for (sql, told) in [
        ("INSERT INTO payments (order_id, id, intent, live) VALUES (7, x'00', 'pi_7', 0)", "(pi_7)"),
        (
            "INSERT INTO refunds (order_id, number, id, amount_minor, quantities, restock, state, detail)
             VALUES (7, 0, x'00', 5, x'00', 0, 1, 're_7')",
            "1 refunds belong to nothing, one (re_7) of no order",
        ),
        (
            "INSERT INTO attempts (order_id, number, token, state)
             SELECT max(id), 9, '', 0 FROM orders WHERE id NOT IN (SELECT order_id FROM payments)",
            "1 attempts belong to nothing, one of 0",
        ),
        (
            "INSERT INTO tickets (event, serial, order_id, line, state)
             SELECT id, 1, 7, 0, 0 FROM events LIMIT 1",
            "1 tickets do not lead back from their order; the first is 1 of event",
        ),
    ] {
        let folder = Folder::new();
        let path = sold(&folder, 10, true);
        let store = SqliteStore::open(&path, clock()).unwrap().store;
        store.conn.as_ref().unwrap().execute_batch(sql).unwrap();
        let wrong = store.own_reader().unwrap().verify().unwrap();
        assert!(wrong.iter().any(|w| w.contains(told)), "{told}: {wrong:?}");
    }
}

/// A sale and the line of the audit log that tells of it lie in one transaction of the log: wherever it ends
/// when the power goes, both are there or neither is.
#[test]
fn after_a_crash_a_sale_and_its_record_are_both_there_or_neither_is() {
    let folder = Folder::new();
    let path = folder.file("nts.db");
    let mut store = SqliteStore::open(&path, clock()).unwrap().store;
    let event = put_event(&mut store, "show", 50);
    for n in 1..=3 {
        let keys = Keys { events: vec![event], ..Keys::default() };
        let state = store.load(&keys, &[]).unwrap().state;
        let changes = decide(&state, &hold(event, n), 0).unwrap().changes;
        let line = AuditLine {
            id: audit_id(0, (0, 0), n as usize),
            at_ms: 0,
            actor: crate::actor::Actor::System,
            action: Action::OrderChanged,
            event: Some(event),
            order_id: None,
            detail: "x".repeat(5_000),
        };
        let records = [RecordChange::put(&line)];
        let orders = BTreeMap::new();
        let batch = Batch {
            changes: &changes,
            orders: &orders,
            recorded: &[],
            records: &records,
            now_ms: 0,
        };
        store.commit(&batch).unwrap();
    }
    let (whole, log) = (std::fs::read(&path).unwrap(), folder.file("nts.db-wal"));
    let log = std::fs::read(log).unwrap();
    let mut seen = BTreeSet::new();
    for end in (0..=log.len()).rev().step_by(1_000).chain([0]) {
        let crashed = Folder::new();
        let path = crashed.file("nts.db");
        std::fs::write(&path, &whole).unwrap();
        std::fs::write(crashed.file("nts.db-wal"), &log[..end]).unwrap();
        let Ok(opened) = SqliteStore::open(&path, clock()) else {
            // Before the first commit after it was made.
            continue;
        };
        let mut reader = opened.store.own_reader().unwrap();
        let orders = reader.orders(event, None, 100).unwrap().orders.len();
        let lines = page::<AuditLine>(reader.tables(), None, 100).unwrap().len();
        assert_eq!(orders, lines, "the log ends at {end} of {}", log.len());
        seen.insert(lines);
    }
    assert_eq!(seen, BTreeSet::from([0, 1, 2, 3]));
}
