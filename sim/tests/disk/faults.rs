//! One call fails, or the disk is full: the store says so, says what is true of it, and goes on
//! without a restart.

use super::shop::{Broken, World, hold, spec};
use boxoffice::{Command, EventId, Keys, Order, OrderId, PaymentId, decide};
use nts_server::store::sqlite::SqliteStore;
use nts_server::store::{Batch, Fault, Loaded, Reader, Store};
use nts_server::writer::CommandError;
use nts_sim::disk::{Call, Disk, FailedSync, Process};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::sync::Arc;

/// A store with an event and some orders, on a disk that works.
fn desk(seed: u64) -> (Disk, Process, World, SqliteStore) {
    let disk = Disk::new(seed);
    disk.set_powersafe_overwrite(seed.is_multiple_of(2));
    let process = disk.start();
    let world = World::new(seed);
    let mut store = world.open_store(&process).unwrap().store;
    commit(&mut store, Command::PutEvent { id: EventId(1), spec: spec() }).unwrap();
    for n in 0..3 {
        commit(&mut store, hold(EventId(1), order(n))).unwrap();
    }
    (disk, process, world, store)
}

fn order(n: u128) -> OrderId {
    OrderId(((1 << 40) + n) << 64 | 0x8000_0000_0000_0007)
}

fn commit(store: &mut SqliteStore, command: Command) -> Result<(), Fault> {
    let mut keys = Keys::default();
    command.add_keys(&mut keys);
    let Loaded { mut state, now_ms, .. } = store.load(&keys, &[])?;
    let changes = decide(&state, &command, now_ms).unwrap().changes;
    changes.iter().for_each(|change| state.apply(change));
    let orders = state.orders.into_iter().map(|(id, order)| (id, Arc::new(order))).collect();
    store.commit(&Batch { changes: &changes, orders: &orders, recorded: &[], records: &[], now_ms })
}

#[derive(Default, Debug)]
struct Told {
    done: u32,
    not_done: u32,
    unknown: u32,
    unknown_and_recorded: u32,
}

impl Told {
    /// Counts what came of a commit, recovers where it failed, and tells whether it is recorded.
    fn settle(&mut self, outcome: &Result<(), Fault>, store: &mut SqliteStore) -> bool {
        match outcome {
            Ok(()) => {
                self.done += 1;
                true
            }
            Err(Fault::NotDone(_) | Fault::Away(_) | Fault::Stopped(_) | Fault::Conflict(_)) => {
                self.not_done += 1;
                assert!(!store.recover().unwrap(), "{outcome:?}");
                false
            }
            Err(Fault::Unknown(_)) => {
                self.unknown += 1;
                let recorded = store.recover().unwrap();
                self.unknown_and_recorded += u32::from(recorded);
                recorded
            }
        }
    }
}

/// Whether a call has failed.
fn struck(disk: &Disk) -> bool {
    let counters = disk.counters();
    counters.failed_reads + counters.failed_writes + counters.failed_syncs > 0
}

/// A hold while this call fails; then recovery, and what it tells must be so.
fn strike(call: Call, after: u64, how: FailedSync, told: &mut Told) -> bool {
    let (disk, _process, _world, mut store) = desk(after);
    let mut reader = store.own_reader().unwrap();
    disk.set_failed_sync(how);
    disk.fail(call, after, 1);
    let outcome = commit(&mut store, hold(EventId(1), order(9)));
    let struck = struck(&disk);
    disk.heal();
    let recorded = told.settle(&outcome, &mut store);
    let there = reader.order(order(9)).unwrap().is_some();
    assert_eq!(there, recorded, "{call:?} {after} {how:?}: {outcome:?}");
    // It goes on selling, and what was told stays true through a power loss that takes all it can.
    let next = if recorded { 10 } else { 9 };
    commit(&mut store, hold(EventId(1), order(next))).unwrap();
    disk.power_loss(&mut ChaCha8Rng::seed_from_u64(after));
    drop((store, reader));
    let process = disk.start();
    let store = World::new(after).open_store(&process).unwrap().store;
    let mut reader = store.own_reader().unwrap();
    for n in [0, 1, 2, 9, next] {
        assert!(reader.order(order(n)).unwrap().is_some(), "{call:?} {after} {how:?}: {n}");
    }
    assert_eq!(reader.verify().unwrap(), Vec::<String>::new());
    struck
}

/// Every call in turn, until the hold is over before its turn comes.
fn every(call: Call, how: FailedSync) -> Told {
    let mut told = Told::default();
    let mut after = 0;
    while strike(call, after, how, &mut told) {
        after += 1;
    }
    println!("{call:?}, {how:?}: {told:?}");
    told
}

#[test]
fn any_read_may_fail() {
    // All that a hold reads is in memory by then.
    let told = every(Call::Read, FailedSync::Nothing);
    assert_eq!(told.unknown, 0, "{told:?}");
}

#[test]
fn any_write_may_fail() {
    let told = every(Call::Write, FailedSync::Nothing);
    assert!(told.not_done + told.unknown >= 8 && told.done == 1, "{told:?}");
}

#[test]
fn any_sync_may_fail_and_take_the_writes_with_it() {
    for how in [FailedSync::Nothing, FailedSync::Everything, FailedSync::Forgotten] {
        let told = every(Call::Sync, how);
        assert!(told.unknown >= 1 && told.done == 1, "{told:?}");
    }
}

/// An order that is being paid, as the store tells it; a reader must say the same.
fn paying(store: &mut SqliteStore) -> Order {
    let keys = Keys { orders: vec![order(0)], ..Keys::default() };
    let told = store.load(&keys, &[]).unwrap().state.orders.remove(&order(0));
    assert_eq!(store.own_reader().unwrap().order(order(0)).unwrap(), told, "as it is on the disk");
    told.unwrap()
}

/// The next step of a payment while this call fails. `kept`: with its order in memory.
fn strike_payment(call: Call, after: u64, how: FailedSync, kept: bool, told: &mut Told) -> bool {
    let (disk, process, world, mut store) = desk(after);
    let (payment, token) = (PaymentId(order(20).0), "ctoken_ok".into());
    commit(&mut store, Command::Pay { order: order(0), payment, live: false, token }).unwrap();
    if !kept {
        drop(store);
        store = world.open_store(&process).unwrap().store;
    }
    disk.set_failed_sync(how);
    disk.fail(call, after, 1);
    let created = || Command::IntentCreated { order: order(0), intent: "pi_1".into() };
    let outcome = commit(&mut store, created());
    let struck = struck(&disk);
    disk.heal();
    let recorded = told.settle(&outcome, &mut store);
    let intent = paying(&mut store).payment.unwrap().intent;
    assert_eq!(intent.is_some(), recorded, "{call:?} {after} {how:?}: {outcome:?}");
    let (trouble, wait_ms) = ("later".into(), Some(1_000));
    let next =
        if recorded { Command::Defer { order: order(0), trouble, wait_ms } } else { created() };
    commit(&mut store, next).unwrap();
    assert_eq!(paying(&mut store).payment.unwrap().intent.as_deref(), Some("pi_1"));
    struck
}

#[test]
fn any_call_may_fail_while_an_order_is_paid() {
    for (call, how) in [
        (Call::Write, FailedSync::Nothing),
        (Call::Sync, FailedSync::Nothing),
        (Call::Sync, FailedSync::Everything),
    ] {
        for kept in [false, true] {
            let mut told = Told::default();
            let struck = |after: &u64| strike_payment(call, *after, how, kept, &mut told);
            let calls = (0..).take_while(struck).count();
            println!("{call:?}, {how:?}, kept: {kept}: {calls} calls, {told:?}");
            assert!(calls > 0 && told.unknown > 0, "{told:?}");
        }
    }
}

/// The commit in doubt is whole in the page cache, and the next process finds it there, although
/// no sync will ever take it to the disk. What it then shows must be safe.
#[test]
fn what_a_start_shows_is_safe_also_after_a_sync_that_forgot() {
    let mut shown = 0;
    for seed in 0..20 {
        let (disk, process, world, mut store) = desk(seed);
        // As long as somebody reads, the log is not cleared away when the store closes its own
        // connection.
        let open_to_the_end = store.own_reader().unwrap();
        disk.set_failed_sync(FailedSync::Forgotten);
        disk.fail(Call::Sync, 0, 1);
        let fault = commit(&mut store, hold(EventId(1), order(9))).unwrap_err();
        assert!(matches!(fault, Fault::Unknown(_)), "{fault}");
        drop(process);
        drop((store, open_to_the_end));
        let process = disk.start();
        let mut store = world.open_store(&process).unwrap().store;
        let mut reader = store.own_reader().unwrap();
        let there = reader.order(order(9)).unwrap().is_some();
        shown += u32::from(there);
        commit(&mut store, hold(EventId(1), order(10))).unwrap();
        disk.power_loss(&mut ChaCha8Rng::seed_from_u64(seed));
        drop((store, reader));
        let process = disk.start();
        let store = world.open_store(&process).unwrap().store;
        let mut reader = store.own_reader().unwrap();
        assert_eq!(reader.order(order(9)).unwrap().is_some(), there, "seed {seed}");
        assert!(reader.order(order(10)).unwrap().is_some(), "seed {seed}");
    }
    assert_eq!(shown, 20);
}

#[test]
fn a_start_may_fail_at_any_call_and_the_next_one_goes_well() {
    for call in [Call::Read, Call::Write, Call::Sync] {
        let mut after = 0;
        loop {
            let (disk, process, mut world, store) = desk(after);
            // Killed, so that there is a log to be read.
            drop(process);
            drop(store);
            let process = disk.start();
            disk.fail(call, after, 1);
            let failed = world.open(&process).is_err();
            let over = !struck(&disk);
            disk.heal();
            let mut shop = world.open(&process).unwrap();
            world.event = Some(EventId(1));
            for n in 0..3 {
                assert!(shop.reader.order(order(n)).unwrap().is_some(), "{call:?} {after}");
            }
            shop.sell(&mut world, 2);
            assert_eq!(world.broken(&mut shop), Broken::default(), "{call:?} {after}");
            if over {
                assert!(!failed);
                break;
            }
            after += 1;
        }
        println!("{call:?}: {after} calls of a start");
        assert!(after > 0);
    }
}

#[test]
fn a_full_disk_sells_nothing_loses_nothing_and_goes_on_with_space() {
    let mut refused = 0;
    for space in (0..60_000).step_by(1_500) {
        let disk = Disk::new(space);
        let process = disk.start();
        let mut world = World::new(space);
        let mut shop = world.open(&process).unwrap();
        shop.put_event(&mut world);
        shop.sell(&mut world, 2);
        // A clean stop folds the log, which the schema made long, into the database: what a log has once it
        // needs no new space for.
        drop(shop);
        drop(process);
        let process = disk.start();
        let mut shop = world.open(&process).unwrap();
        disk.leave_space(Some(space));
        for _ in 0..8 {
            for (_, answer) in shop.sell(&mut world, 2) {
                match answer {
                    Ok(_) => {}
                    Err(CommandError::Unavailable) => refused += 1,
                    other => panic!("{other:?}"),
                }
            }
            assert!(!shop.reader.events().unwrap().is_empty(), "it can be read all the time");
        }
        assert_eq!(world.broken(&mut shop), Broken::default(), "{space}");
        disk.leave_space(None);
        let sold = shop.sell(&mut world, 2);
        assert!(sold.iter().all(|(_, answer)| answer.is_ok()), "{space}: {sold:?}");
        assert!(shop.writer.healthy());
        disk.power_loss(&mut ChaCha8Rng::seed_from_u64(space));
        drop(shop);
        let process = disk.start();
        let mut shop = world.open(&process).unwrap();
        assert_eq!(world.broken(&mut shop), Broken::default(), "{space}");
    }
    println!("{refused} holds refused for want of space");
    assert!(refused > 100);
}

#[test]
fn through_the_writer_a_failing_disk_is_only_ever_a_late_yes_or_a_no() {
    let (mut in_doubt, mut denied, mut faults) = (0, 0, 0);
    for seed in 0..300 {
        let disk = Disk::new(seed);
        let process = disk.start();
        let mut world = World::new(seed);
        let mut shop = world.open(&process).unwrap();
        shop.put_event(&mut world);
        disk.set_failed_sync(match seed % 3 {
            0 => FailedSync::Nothing,
            1 => FailedSync::Everything,
            _ => FailedSync::Forgotten,
        });
        for n in 0..12 {
            if n % 3 == 0 {
                let call = [Call::Write, Call::Sync][(seed + n) as usize / 3 % 2];
                let after = if call == Call::Write { seed % 30 } else { seed % 3 };
                disk.fail(call, after, 1 + seed / 10 % 25);
            }
            shop.sell(&mut world, 2);
        }
        faults += disk.counters().failed_writes + disk.counters().failed_syncs;
        disk.heal();
        in_doubt += world.in_doubt.len();
        denied += world.denied.len();
        // The store recovers with the first batch that finds it well.
        shop.sell(&mut world, 1);
        shop.settle(&mut world);
        assert_eq!(world.broken(&mut shop), Broken::default(), "seed {seed}");
        disk.power_loss(&mut ChaCha8Rng::seed_from_u64(seed));
        drop(shop);
        let process = disk.start();
        let mut shop = world.open(&process).unwrap();
        assert_eq!(world.broken(&mut shop), Broken::default(), "seed {seed}");
    }
    println!("{faults} faults: {in_doubt} orders in doubt and settled, {denied} denied");
    assert!(in_doubt > 50 && denied > 50, "{in_doubt} {denied}");
}
