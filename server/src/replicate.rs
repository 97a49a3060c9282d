//! Replication: what other processes on the same database have committed, and what time it is there.

use crate::catalogue::Catalogue;
use crate::clock::DatabaseClock;
use crate::codes::Codes;
use crate::metrics::Metrics;
use crate::reads::Reads;
use crate::store::records::ticket_keys;
use crate::store::{Fault, Reader, VersionVector};
use std::sync::Arc;
use tokio::time::{Duration, Instant, sleep};

/// A difference between the own clock and the database's that is logged, in milliseconds.
const SKEW_MS: i64 = 1_000;
/// How often the keys of tickets are read: for so long at most this process signs with one that another has
/// revoked.
const READ_KEYS: Duration = Duration::from_secs(1);

/// What is kept as the database has it.
pub struct Replica {
    /// Reads what was committed.
    pub reads: Reads,
    /// The events.
    pub catalogue: Arc<Catalogue>,
    /// The keys that sign tickets.
    pub codes: Arc<Codes>,
    /// The database's time.
    pub clock: Arc<DatabaseClock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Reads what others have committed, and corrects the clock by the database's time of that reading.
/// `None` where no other process commits; the clock is then left as it is.
pub fn read_versions(
    reader: &mut dyn Reader,
    clock: &DatabaseClock,
) -> Result<Option<VersionVector>, Fault> {
    let asked_ms = clock.own_ms();
    let versions = reader.versions()?;
    if let Some(versions) = &versions {
        clock.saw_between(versions.at_ms, asked_ms, clock.own_ms());
    }
    Ok(versions)
}

/// Learns what other processes have committed and what time it is at the database, until the process
/// ends. Looks once in every `every`, and less often where reading the events takes long, so that it
/// costs a tenth of the time at most.
pub async fn follow(replica: Arc<Replica>, every: Duration) {
    let mut mark = Vec::new();
    let mut faults = 0u32;
    let mut skewed = false;
    loop {
        let mut wait = every;
        let last = mark.clone();
        let asking = Arc::clone(&replica);
        let read = move |reader: &mut dyn Reader| {
            let Some(versions) = read_versions(reader, &asking.clock)? else { return Ok(None) };
            let begun = Instant::now();
            if !asking.codes.are_fresh(READ_KEYS) {
                asking.codes.learn(&ticket_keys::all(reader.tables())?, begun);
            }
            let changed = versions.mark != last;
            let events = changed.then(|| reader.events()).transpose()?;
            Ok(Some((versions, events, begun.elapsed())))
        };
        match replica.reads.ask(read).await {
            Ok(Some((versions, events, took))) => {
                wait = wait.max(took * 9);
                tell_skew(&replica, &mut skewed);
                replica.catalogue.refresh(events, &versions.mark, versions.at_ms);
                mark = versions.mark;
                if std::mem::take(&mut faults) > 0 {
                    tracing::info!("other processes' commits can be read again");
                }
            }
            Ok(None) => return,
            Err(fault) => {
                if faults == 0 {
                    tracing::error!(%fault, "cannot read what other processes have committed");
                }
                faults = faults.saturating_add(1);
            }
        }
        sleep(wait).await;
    }
}

/// Says how far the own clock is off, when that begins to matter to people who read the logs and when
/// it ends. Nothing of the sale depends on it.
fn tell_skew(replica: &Replica, skewed: &mut bool) {
    let ahead_ms = replica.clock.ahead_ms();
    replica.metrics.database_clock_ahead.set(ahead_ms as f64 / 1e3);
    let now = ahead_ms.abs() > SKEW_MS;
    if now && !*skewed {
        let way = if ahead_ms > 0 { "behind" } else { "ahead of" };
        tracing::warn!(
            ahead_ms,
            "the clock of this machine is {way} the database's by {:.1} s; the database's is used. \
             Let all machines set their clocks by the same server (chrony, systemd-timesyncd)",
            ahead_ms.abs() as f64 / 1e3
        );
    } else if *skewed && !now {
        tracing::info!(ahead_ms, "the clock of this machine agrees with the database's again");
    }
    *skewed = now;
}
