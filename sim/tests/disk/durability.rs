//! Power losses at random calls, with the real store: what was promised is there. And that the
//! disk has teeth: with fewer syncs, it is not.

use super::shop::{DATABASE, Shop, World};
use nts_server::store::Reader;
use nts_sim::disk::{Call, Counters, Disk, FailedSync, Process, Syncs};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rusqlite::{Connection, OpenFlags};

/// How many runs; `NTS_SIM_RUNS` asks for more.
fn how_many() -> u64 {
    std::env::var("NTS_SIM_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

const LIVES: u32 = 3;

#[derive(Default, Debug)]
struct Findings {
    promised: usize,
    runs_with_losses: u64,
    runs_with_corruption: u64,
    /// The database was not to be opened, and nothing had ever been promised.
    runs_stillborn: u64,
    /// Orders are there that were said not to be.
    runs_with_ghosts: u64,
    counters: Counters,
}

impl Findings {
    fn assert_none(&self) {
        let found = (self.runs_with_losses, self.runs_with_ghosts, self.runs_with_corruption);
        assert_eq!(found, (0, 0, 0), "{self:?}");
        // The power goes while the database is made, the next start is killed while it takes that
        // back, and the power goes again in the one after it: SQLite has removed the journal then,
        // and relies on the order in which sizes and names reach the disk.
        assert!(self.runs_stillborn <= how_many() / 1_000, "{self:?}");
    }
}

/// What a disk does wrong, beside losing its power.
#[derive(Clone, Copy)]
struct Faulty {
    syncs: Syncs,
    /// Calls fail, and a sync that failed did one of these.
    failing: &'static [FailedSync],
}

/// One run of several lives: sales until the machine halts, and how it goes on.
fn run(seed: u64, faulty: Faulty, found: &mut Findings) {
    let disk = Disk::new(seed);
    disk.set_syncs(faulty.syncs);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let padded = rng.next_u32().is_multiple_of(2);
    disk.set_powersafe_overwrite(faulty.failing.contains(&FailedSync::Forgotten) || !padded);
    let mut world = World::new(seed);
    let (mut lost, mut corrupt, mut ghosts) = (false, false, false);
    let mut life = 0;
    while life <= LIVES && !corrupt {
        let process = disk.start();
        // The last life is for looking only; in the others, the machine may also halt in its start.
        if life < LIVES {
            // In its start, soon after it, and in the middle of sales: making the database takes some hundred calls.
            let most = [20, 400, 1_500][rng.next_u32() as usize % 3];
            disk.halt_after(u64::from(rng.next_u32() % most));
        }
        match world.open(&process) {
            Ok(mut shop) => {
                if !disk.halted() {
                    let broken = world.broken(&mut shop);
                    if broken.lost > 0 {
                        // It goes on with what there is.
                        world.event = shop.reader.events().ok().and_then(|e| Some(e.first()?.id));
                        lost = true;
                    }
                    ghosts |= broken.risen > 0;
                    corrupt |= !disk.halted() && !broken.corrupt.is_empty();
                }
                if life < LIVES && !corrupt {
                    live(&disk, faulty, &process, &mut shop, &mut world, &mut rng);
                    corrupt |= world.absurd > 0;
                }
                let clean = rng.next_u32().is_multiple_of(8);
                if clean {
                    drop(shop);
                    drop(process);
                } else {
                    drop(process);
                    drop(shop);
                }
            }
            Err(_) if disk.halted() => {}
            Err(_) => corrupt = true,
        }
        // Who starts it again does so when the disk works again.
        disk.heal();
        if rng.next_u32().is_multiple_of(4) {
            disk.go_on();
        } else {
            disk.power_loss(&mut rng);
        }
        life += 1;
    }
    found.promised += world.promised.len();
    found.runs_with_losses += u64::from(lost);
    let stillborn = corrupt && world.event.is_none() && !lost;
    found.runs_stillborn += u64::from(stillborn);
    found.runs_with_corruption += u64::from(corrupt && !stillborn);
    found.runs_with_ghosts += u64::from(ghosts);
    found.counters += disk.counters();
}

/// Sales until the machine halts, or for a while. Now and then the log is moved into the database,
/// as a busier server does more often.
fn live(
    disk: &Disk,
    faulty: Faulty,
    process: &Process,
    shop: &mut Shop,
    world: &mut World,
    rng: &mut ChaCha8Rng,
) {
    for _ in 0..40 {
        if disk.halted() {
            return;
        }
        if !faulty.failing.is_empty() && rng.next_u32().is_multiple_of(3) {
            disk.set_failed_sync(faulty.failing[rng.next_u32() as usize % faulty.failing.len()]);
            let call = [Call::Read, Call::Write, Call::Sync][rng.next_u32() as usize % 3];
            let (after, times) = (rng.next_u32() % 12, 1 + rng.next_u32() % 4);
            disk.fail(call, after.into(), times.into());
        }
        shop.sell(world, 1 + rng.next_u32() as usize % 3);
        if rng.next_u32().is_multiple_of(8) {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let second = Connection::open_with_flags_and_vfs(DATABASE, flags, process.vfs());
            if let Ok(second) = second {
                // On a machine that halts it fails, and that is the point.
                _ = second.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            }
        }
    }
}

fn synced(name: &str, syncs: Syncs) -> Findings {
    runs(name, Faulty { syncs, failing: &[] })
}

fn runs(name: &str, faulty: Faulty) -> Findings {
    let mut found = Findings::default();
    for seed in 0..how_many() {
        run(seed, faulty, &mut found);
    }
    println!("{name}: {} runs of {LIVES} lives, {} orders promised", how_many(), found.promised);
    println!("  runs with losses: {}", found.runs_with_losses);
    println!("  runs with corruption: {}", found.runs_with_corruption);
    println!("  runs stillborn: {}", found.runs_stillborn);
    println!("  runs with ghosts: {}", found.runs_with_ghosts);
    println!("  the disk: {}", found.counters);
    found
}

#[test]
fn what_was_promised_survives_every_power_loss() {
    let found = synced("full", Syncs::Honest);
    found.assert_none();
    let Counters { power_losses, kills, torn, torn_sectors, halts, .. } = found.counters;
    assert!(found.promised > 5_000 && power_losses > 500 && halts > 300, "{found:?}");
    assert!(kills > 100 && torn > 300 && torn_sectors > 1_000, "{found:?}");
}

#[test]
fn what_was_promised_survives_failing_calls_and_power_losses() {
    let failing = &[FailedSync::Nothing, FailedSync::Everything];
    let found = runs("failing", Faulty { syncs: Syncs::Honest, failing });
    found.assert_none();
    let Counters { failed_reads, failed_writes, failed_syncs, .. } = found.counters;
    assert!(failed_reads > 100 && failed_writes > 500 && failed_syncs > 500, "{found:?}");
}

/// Recovery copies everything into the database before it says yes. It cannot know of a sync that
/// SQLite itself asked for, and whose failure it kept to itself, as in a checkpoint of its own. That
/// is sound as long as commits are not padded, for then nothing is left unsynced between them; so
/// these runs tell SQLite what it believes under Linux.
#[test]
fn what_was_promised_survives_syncs_that_forget() {
    let failing = &[FailedSync::Forgotten];
    let found = runs("forgetful", Faulty { syncs: Syncs::Honest, failing });
    found.assert_none();
    assert!(found.counters.failed_syncs > 500, "{found:?}");
}

#[test]
fn without_syncs_at_commits_promises_are_lost() {
    let found = synced("normal", Syncs::NotAtCommit);
    assert!(found.runs_with_losses > how_many() / 4, "{found:?}");
    assert_eq!(found.runs_with_corruption, 0, "what is left is whole");
}

#[test]
fn without_any_sync_the_database_comes_to_harm() {
    let found = synced("off", Syncs::Never);
    assert!(found.runs_with_losses > how_many() / 4, "{found:?}");
    assert!(found.runs_with_corruption > how_many() / 20, "{found:?}");
}

#[test]
fn a_disk_that_lies_now_and_then_is_found_out() {
    let found = synced("lying", Syncs::Sometimes { one_in: 4 });
    assert!(found.runs_with_losses > 0, "{found:?}");
}
