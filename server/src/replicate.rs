//! Replication: what other processes on the same database have committed, and what time it is there.

use crate::catalogue::Catalogue;
use crate::clock::DatabaseClock;
use crate::codes::Codes;
use crate::metrics::Metrics;
use crate::reads::Reads;
use crate::store::records::ticket_keys;
use crate::store::{Fault, Reader, VersionVector};
use boxoffice::Event;
use boxoffice::mutant::{Mutant, on};
use std::sync::Arc;
use tokio::time::{Duration, Instant, sleep};

/// A difference between the own clock and the database's that is logged, in milliseconds.
const SKEW_MS: i64 = 1_000;
/// How often the keys of tickets are read: for so long at most this process signs with one that another has
/// revoked.
const READ_KEYS: Duration = Duration::from_secs(1);

/// So much longer than twice the last one a reading of the events may take, and is believed.
const GROWS: Duration = Duration::from_millis(20);

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
    let asked_ms = clock.steady_ms();
    let versions = reader.versions()?;
    if let Some(versions) = &versions {
        clock.saw_between(versions.at_ms, asked_ms, clock.steady_ms());
    }
    Ok(versions)
}

/// What the last look at other processes' commits has found.
#[derive(Clone, Default)]
pub struct Seen {
    /// The number of the history.
    history: u64,
    /// Whether that was another one than before.
    is_new: bool,
    /// The number of each writer's last batch.
    mark: Vec<(i64, i64)>,
}

impl Seen {
    /// Whether what our own writer has told may be no part of what is there now: the database went back, or another
    /// history was accepted. What the writer has recorded before may be told a moment later, so one look is not enough.
    fn is_given_up(&self, versions: &VersionVector) -> bool {
        versions.went_back || versions.history != self.history || self.is_new
    }
}

/// What a look at other processes' commits finds.
pub struct Look {
    /// What there is.
    pub versions: VersionVector,
    /// All events, if they may differ from those of the last look.
    pub events: Option<Vec<Event>>,
    /// How long the reading of the events has taken.
    pub took: Duration,
}

/// Looks at what other processes have committed since the last look. `None` where no other process commits.
pub fn look(
    reader: &mut dyn Reader,
    clock: &DatabaseClock,
    last: &Seen,
) -> Result<Option<Look>, Fault> {
    let Some(versions) = read_versions(reader, clock)? else { return Ok(None) };
    // In another history, what our own writer has told since the last look is gone, although no batch is new.
    let gone = last.is_given_up(&versions) && !on(Mutant::HistoryCountsKept);
    let begun = Instant::now();
    let events = (gone || versions.mark != last.mark).then(|| reader.events()).transpose()?;
    Ok(Some(Look { versions, events, took: begun.elapsed() }))
}

/// Has the catalogue show what a look has found.
pub fn take_in(catalogue: &Catalogue, found: Look, last: &mut Seen) {
    let Look { versions, events, .. } = found;
    if last.is_given_up(&versions) {
        catalogue.forget_batches();
    }
    catalogue.refresh(events, &versions.mark, versions.at_ms);
    last.is_new = versions.history != last.history;
    (last.history, last.mark) = (versions.history, versions.mark);
}

/// Learns what other processes have committed and what time it is at the database, until the process
/// ends. Looks once in every `every`, and less often where reading the events takes long, so that it
/// costs a tenth of the time at most.
pub async fn follow(replica: Arc<Replica>, every: Duration) {
    let mut seen = Seen::default();
    let mut faults = 0u32;
    let mut skewed = false;
    let mut reading = Duration::ZERO;
    let mut on_standby = None;
    loop {
        let mut wait = every;
        let last = seen.clone();
        let asking = Arc::clone(&replica);
        let read = move |reader: &mut dyn Reader| {
            let found = look(reader, &asking.clock, &last)?;
            if found.is_some() && !asking.codes.are_fresh(READ_KEYS) {
                asking.codes.learn(&ticket_keys::all(reader.tables())?, Instant::now());
            }
            Ok(found)
        };
        replica.metrics.health.asks();
        let read = replica.reads.ask(read).await;
        replica.metrics.health.answered(read.is_ok());
        match read {
            Ok(Some(found)) => {
                reading = counted(reading, found.took);
                wait = wait.max(reading * 9);
                tell_skew(&replica, &mut skewed);
                tell_history(&replica, &found.versions);
                tell_standby(&replica, &found.versions, &mut on_standby);
                take_in(&replica.catalogue, found, &mut seen);
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

/// How long the last reading of the events is taken to have lasted. One that took far longer than the one before
/// has waited for something else, a connection that was made anew, say.
fn counted(before: Duration, took: Duration) -> Duration {
    took.min(before * 2 + GROWS)
}

/// Raises an alarm if the database went back to an earlier state, and says when a person has accepted it.
fn tell_history(replica: &Replica, versions: &VersionVector) {
    let why = versions.stopped.as_deref();
    let was_stopped = replica.metrics.history_went_back.get() == 1;
    replica.metrics.health.stop(why);
    replica.metrics.history_went_back.set(i64::from(why.is_some()));
    match why {
        Some(why) if !was_stopped => {
            tracing::error!("ALARM: {why}");
            replica.metrics.alarms.inc();
        }
        None if was_stopped => {
            tracing::warn!("the history of the database was accepted: selling again")
        }
        _ => {}
    }
}

/// Says whether what is acknowledged is on a standby as well, whenever that changes.
fn tell_standby(replica: &Replica, versions: &VersionVector, known: &mut Option<bool>) {
    let now = versions.on_standby;
    replica.metrics.on_standby.set(i64::from(now == Some(true)));
    match (*known, now) {
        (Some(true), Some(false)) => tracing::warn!(
            "the database has no synchronous standby any more: a failover may lose what is acknowledged from now on"
        ),
        (Some(false), Some(true)) => {
            tracing::info!("what is acknowledged from now on is on a standby as well");
        }
        _ => {}
    }
    *known = now.or(*known);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// After an outage the first reading waits for a connection: it must not hold up the next one for nine times
    /// as long.
    #[test]
    fn a_reading_that_waited_for_a_connection_does_not_hold_up_the_next_ones() {
        let ms = Duration::from_millis;
        assert!(counted(ms(5), ms(9_000)) * 9 < ms(300));
        // One that really takes so long is believed after some rounds.
        let mut reading = ms(5);
        for _ in 0..6 {
            reading = counted(reading, ms(1_000));
        }
        assert_eq!(reading, ms(1_000));
        assert_eq!(counted(reading, ms(3)), ms(3));
    }
}
