//! What SQLite may expect of a file system, and what a simulation may expect of a disk.

use super::shop::{DATABASE, World};
use boxoffice::OrderId;
use nts_server::store::Reader;
use nts_server::store::sqlite::OpenError;
use nts_sim::disk::{Call, Disk, FailedSync, Process};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rusqlite::{Connection, ErrorCode, OpenFlags};

fn connect(process: &Process, write: bool) -> rusqlite::Result<Connection> {
    let access = match write {
        true => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        false => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags_and_vfs(DATABASE, flags, process.vfs())
}

fn count(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
}

fn busy<T>(result: rusqlite::Result<T>) -> bool {
    result.is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
}

/// Sales, faults and power losses as the seed wants them; a digest of the disk after every step.
fn trace(seed: u64) -> Vec<[u8; 32]> {
    let disk = Disk::new(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut world = World::new(seed);
    let mut digests = Vec::new();
    for life in 0..4 {
        let process = disk.start();
        if life > 0 {
            disk.fail(Call::Write, u64::from(rng.next_u32() % 100), 1);
            disk.halt_after(200 + u64::from(rng.next_u32() % 200));
        }
        if let Ok(mut shop) = world.open(&process) {
            for _ in 0..20 {
                shop.sell(&mut world, 2);
                digests.push(disk.digest());
            }
        }
        drop(process);
        disk.power_loss(&mut rng);
        disk.heal();
        digests.push(disk.digest());
    }
    digests
}

#[test]
fn the_same_seed_leaves_the_same_bytes_whatever_other_threads_do() {
    let stories: Vec<Vec<[u8; 32]>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12).map(|n| scope.spawn(move || trace(n % 3))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (n, told) in stories.iter().enumerate() {
        assert!(told.len() > 40);
        let first = &stories[n % 3];
        for (step, (a, b)) in told.iter().zip(first).enumerate() {
            assert_eq!(a, b, "seed {}, step {step}", n % 3);
        }
        assert_eq!(told.len(), first.len());
    }
    // Other seeds, other bytes: the salts of the log differ.
    assert_ne!(stories[0][0], stories[1][0]);
}

#[test]
fn two_disks_in_one_thread_do_not_touch_each_other() {
    let alone = |seed, other: Option<&Disk>| {
        let disk = Disk::new(seed);
        let process = disk.start();
        let mut world = World::new(seed);
        let mut shop = world.open(&process).unwrap();
        let second = other.map(|other| {
            let process = other.start();
            (World::new(99).open(&process).unwrap(), World::new(99), process)
        });
        let mut second = second;
        for _ in 0..10 {
            shop.sell(&mut world, 1);
            if let Some((shop, world, _)) = &mut second {
                shop.sell(world, 1);
            }
        }
        disk.digest()
    };
    assert_eq!(alone(5, None), alone(5, Some(&Disk::new(6))));
}

#[test]
fn a_second_process_is_refused_until_the_first_is_gone() {
    let disk = Disk::new(1);
    let mut world = World::new(1);
    let first = disk.start();
    let mut shop = world.open(&first).unwrap();
    shop.sell(&mut world, 1);
    shop.sell(&mut world, 1);

    let second = disk.start();
    let refused = world.open(&second).err().unwrap();
    assert!(matches!(refused, OpenError::InUse { process: None, .. }), "{refused}");
    // It may read, as the audit does beside a server.
    let reader = connect(&second, false).unwrap();
    let orders = |conn: &Connection| -> i64 {
        conn.query_row("SELECT count(*) FROM orders", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(orders(&reader), 1);
    shop.sell(&mut world, 1);
    assert_eq!(orders(&reader), 2);

    // Killed: what it has open does nothing any more, also when it is closed.
    drop(first);
    let before = disk.digest();
    assert!(shop.reader.events().is_err());
    shop.sell(&mut world, 1);
    drop(shop);
    assert_eq!(disk.digest(), before);
    assert_eq!(orders(&reader), 2);
    let mut shop = world.open(&second).unwrap();
    let broken = world.broken(&mut shop);
    assert_eq!((broken.lost, broken.corrupt), (0, vec![]));
    assert_eq!(disk.counters().kills, 1);
}

#[test]
fn a_kill_keeps_what_was_written_and_a_power_loss_need_not() {
    let written = |how: fn(&Disk)| {
        let disk = Disk::new(3);
        let process = disk.start();
        let conn = connect(&process, true).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
        conn.execute_batch("CREATE TABLE t (x)").unwrap();
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        for n in 0..100 {
            conn.execute("INSERT INTO t VALUES (?1)", [n]).unwrap();
        }
        drop(process);
        how(&disk);
        drop(conn);
        let process = disk.start();
        count(&connect(&process, true).unwrap()).unwrap()
    };
    assert_eq!(written(|_| {}), 100);
    assert!(written(|disk| disk.power_loss(&mut ChaCha8Rng::seed_from_u64(4))) < 100);
}

#[test]
fn who_is_killed_holds_no_lock_and_is_not_in_the_shared_memory() {
    for mode in ["WAL", "DELETE"] {
        let disk = Disk::new(1);
        let (process, other) = (disk.start(), disk.start());
        let conn = connect(&process, true).unwrap();
        conn.execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (x)")).unwrap();
        conn.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)").unwrap();
        let reader = connect(&other, false).unwrap();
        assert_eq!(count(&reader).unwrap(), 0);
        drop(process);
        // It is killed, but its connection is not closed, and never says a word again.
        let next = connect(&other, true).unwrap();
        next.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        assert_eq!((count(&next).unwrap(), count(&reader).unwrap()), (1, 1), "{mode}");
        assert!(conn.execute_batch("COMMIT").is_err());
        drop(conn);
        assert_eq!(count(&reader).unwrap(), 1, "{mode}");
    }
}

#[test]
fn the_locks_of_a_file_keep_connections_apart() {
    let disk = Disk::new(1);
    let process = disk.start();
    let connect = || {
        let conn = connect(&process, true).unwrap();
        conn.busy_timeout(std::time::Duration::ZERO).unwrap();
        conn
    };
    let (a, b, c) = (connect(), connect(), connect());
    a.execute_batch("PRAGMA journal_mode = DELETE; CREATE TABLE t (x)").unwrap();
    a.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)").unwrap();
    assert!(busy(b.execute_batch("BEGIN IMMEDIATE")), "one writes");
    assert_eq!(count(&b).unwrap(), 0, "and others read what was before");
    b.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&b).unwrap(), 0);
    assert!(busy(a.execute_batch("COMMIT")), "while somebody reads, it cannot write the file");
    assert!(busy(count(&c)), "and once it waits, nobody new comes in");
    b.execute_batch("COMMIT").unwrap();
    a.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&c).unwrap(), 1);
    a.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(busy(count(&b)));
    drop(a);
    assert_eq!(count(&b).unwrap(), 1, "what was closed holds nothing");
}

#[test]
fn the_locks_of_a_log_keep_connections_apart() {
    let disk = Disk::new(1);
    let process = disk.start();
    let (a, b, reader) = (
        connect(&process, true).unwrap(),
        connect(&process, true).unwrap(),
        connect(&process, false),
    );
    let reader = reader.unwrap();
    a.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)").unwrap();
    a.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)").unwrap();
    // It waits five seconds of its own time, which take none of ours.
    let begun = tokio::time::Instant::now();
    b.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    assert!(busy(b.execute_batch("BEGIN IMMEDIATE")), "one writes");
    assert!(begun.elapsed().as_secs() < 30);
    assert_eq!(count(&reader).unwrap(), 0);
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&reader).unwrap(), 0);
    a.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&reader).unwrap(), 0, "one commit for all of its questions");
    let checkpoint = |conn: &Connection, how: &str| -> (i64, i64, i64) {
        let sql = format!("PRAGMA wal_checkpoint({how})");
        conn.query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).unwrap()
    };
    a.busy_timeout(std::time::Duration::ZERO).unwrap();
    let (_, log, moved) = checkpoint(&a, "PASSIVE");
    assert!(moved < log, "what the reader does not see yet stays in the log");
    assert_eq!(checkpoint(&a, "TRUNCATE").0, 1, "busy");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&reader).unwrap(), 1);
    assert_eq!(checkpoint(&a, "TRUNCATE"), (0, 0, 0));
    b.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!((count(&a).unwrap(), count(&reader).unwrap()), (2, 2));
}

#[test]
fn readers_of_the_store_see_whole_commits() {
    let disk = Disk::new(1);
    let process = disk.start();
    let mut world = World::new(1);
    let mut shop = world.open(&process).unwrap();
    shop.put_event(&mut world);
    for n in 1..=50 {
        let sold = shop.sell(&mut world, 2);
        assert_eq!(shop.reader.events().unwrap()[0].pools[0].held, n * 2);
        let there = |id: OrderId, shop: &mut super::shop::Shop| shop.reader.order(id).unwrap();
        assert!(sold.iter().all(|(id, _)| there(*id, &mut shop).is_some()));
    }
    assert!(shop.reader.verify().unwrap().is_empty());
}

#[test]
fn a_clean_stop_leaves_one_file_and_a_start_goes_on_with_it() {
    let disk = Disk::new(1);
    let mut world = World::new(1);
    for _ in 0..3 {
        let process = disk.start();
        let mut shop = world.open(&process).unwrap();
        shop.sell(&mut world, 3);
        let broken = world.broken(&mut shop);
        assert_eq!(broken, super::shop::Broken::default());
        drop(shop);
        drop(process);
        // The power goes after the stop: everything is where it should be.
        disk.power_loss(&mut ChaCha8Rng::seed_from_u64(5));
    }
    assert_eq!(disk.counters().kills, 0);
    assert_eq!(world.promised.len(), 6);
}

#[test]
fn each_kind_of_fault_strikes_the_call_it_is_for() {
    let disk = Disk::new(1);
    let process = disk.start();
    let conn = connect(&process, true).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x)")
        .unwrap();
    let insert = || conn.execute("INSERT INTO t VALUES (zeroblob(20000))", []);
    let fails = |call| {
        disk.fail(call, 1, 1);
        let code = insert().unwrap_err().sqlite_error().unwrap().extended_code;
        disk.heal();
        insert().unwrap();
        code
    };
    assert_eq!(fails(Call::Write), rusqlite::ffi::SQLITE_IOERR_WRITE);
    disk.set_failed_sync(FailedSync::Everything);
    disk.fail(Call::Sync, 0, 1);
    let code = insert().unwrap_err().sqlite_error().unwrap().extended_code;
    assert_eq!(code, rusqlite::ffi::SQLITE_IOERR_FSYNC);
    insert().unwrap();
    disk.leave_space(Some(3_000));
    let error = insert().unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
    disk.leave_space(None);
    insert().unwrap();
    let fresh = connect(&process, true).unwrap();
    disk.fail(Call::Read, 0, 1);
    let code = count(&fresh).unwrap_err().sqlite_error().unwrap().extended_code;
    assert_eq!(code, rusqlite::ffi::SQLITE_IOERR_READ);
    assert_eq!(count(&fresh).unwrap(), 3, "those that went well");
    let c = disk.counters();
    let failed = (c.failed_reads, c.failed_writes, c.failed_syncs, c.writes_without_space);
    assert_eq!(failed, (1, 1, 1, 1), "{c}");
}

#[test]
fn nothing_is_left_of_a_disk_that_was_dropped() {
    let mut highest = 0;
    for seed in 0..2_000 {
        let disk = Disk::new(seed);
        let process = disk.start();
        let name = process.vfs().to_owned();
        let number: u32 = name.strip_prefix("simulated-").unwrap().parse().unwrap();
        highest = highest.max(number);
        let conn = connect(&process, true).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)").unwrap();
        if seed % 2 == 0 {
            // The connection outlives its process, and the disk.
            drop(process);
            drop(disk);
            assert!(count(&conn).is_err());
        }
    }
    // As many as other tests use at the same time, and no more.
    assert!(highest < 60, "{highest} file systems");
}
