//! Time, handed in: the process's own clock, and the database's as far as it is known here. Nothing
//! else in the server reads the wall clock.

use boxoffice::TimeMs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tokio::time::{Duration, Instant};

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's own clock.
    System,
    /// A clock that somebody else turns: milliseconds since 1970, for tests and simulation.
    Manual(Arc<AtomicI64>),
    /// The runtime's time, which a simulation turns, on a machine whose clock is wrong.
    Virtual {
        /// The runtime's time when it was `begun_ms`.
        begun: Instant,
        /// Milliseconds since 1970.
        begun_ms: TimeMs,
        /// How far this machine's clock is ahead, in milliseconds; below 0 it is behind.
        ahead_ms: Arc<AtomicI64>,
    },
    /// What has passed since it was `begun_ms`, by a clock that nobody sets.
    Since {
        /// For how long the machine had run then.
        begun: Duration,
        /// Milliseconds since 1970.
        begun_ms: TimeMs,
    },
}

/// Since when the machine runs, with the time in which it was suspended, where the system tells that (Linux,
/// `CLOCK_BOOTTIME`); elsewhere without.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(now).unwrap_or_default()
}

/// See above.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(Instant::now).elapsed()
}

impl Clock {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now_ms(&self) -> TimeMs {
        match self {
            Clock::System => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
            Clock::Manual(ms) => ms.load(Ordering::SeqCst),
            Clock::Virtual { begun, begun_ms, ahead_ms } => {
                let passed = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
                begun_ms.saturating_add(passed).saturating_add(ahead_ms.load(Ordering::SeqCst))
            }
            Clock::Since { begun, begun_ms } => {
                let passed = since_boot().saturating_sub(*begun).as_millis();
                begun_ms.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
            }
        }
    }

    /// A clock that begins with this one's time and then only runs on, whoever sets this one. Of a manual clock, the
    /// clock itself.
    fn steady(&self) -> Clock {
        match self {
            Clock::Manual(_) | Clock::Since { .. } => self.clone(),
            Clock::System => Clock::Since { begun: since_boot(), begun_ms: self.now_ms() },
            Clock::Virtual { .. } => Clock::Virtual {
                begun: Instant::now(),
                begun_ms: self.now_ms(),
                ahead_ms: Arc::default(),
            },
        }
    }
}

/// The time on the money path: the database's. Where several processes share a database, what they
/// record is dated by its clock, and the own clock of each may be wrong by seconds, and be set at any moment. So this is
/// what was seen of the database's clock, and what has passed since by a clock that nobody sets. Where nobody shares the
/// database, it is the own clock.
pub struct DatabaseClock {
    own: Clock,
    steady: Clock,
    /// How far the database's clock is ahead of the steady one; below 0 it is behind.
    ahead_ms: AtomicI64,
    /// Whether the database's clock was seen.
    shared: AtomicBool,
}

impl DatabaseClock {
    /// Nothing was seen yet.
    pub fn new(own: Clock) -> DatabaseClock {
        let steady = own.steady();
        DatabaseClock { own, steady, ahead_ms: AtomicI64::new(0), shared: AtomicBool::new(false) }
    }

    /// The database's time, as far as it is known.
    pub fn now_ms(&self) -> TimeMs {
        if !self.shared.load(Ordering::SeqCst) {
            return self.own.now_ms();
        }
        self.steady.now_ms().saturating_add(self.ahead_ms.load(Ordering::SeqCst))
    }

    /// The process's own time, which may be wrong.
    pub fn own_ms(&self) -> TimeMs {
        self.own.now_ms()
    }

    /// What has passed since two clocks of this process said this, by the one that says more: one may be set back
    /// meanwhile.
    pub fn passed_ms(&self, since: (TimeMs, TimeMs)) -> i64 {
        let (now, own) = self.both_ms();
        now.saturating_sub(since.0).max(own.saturating_sub(since.1))
    }

    /// For [`DatabaseClock::passed_ms`].
    pub fn both_ms(&self) -> (TimeMs, TimeMs) {
        (self.now_ms(), self.own_ms())
    }

    /// For measuring between two moments, and never to be compared with what is recorded.
    pub fn steady_ms(&self) -> TimeMs {
        self.steady.now_ms()
    }

    /// How far the database's clock is ahead of the own one; below 0 it is behind.
    pub fn ahead_ms(&self) -> i64 {
        self.now_ms().saturating_sub(self.own_ms())
    }

    /// The database was seen to be at `at_ms`, some time ago: it is at least as late now.
    pub fn saw(&self, at_ms: TimeMs) {
        let ahead = at_ms.saturating_sub(self.steady_ms());
        match self.shared.load(Ordering::SeqCst) {
            true => _ = self.ahead_ms.fetch_max(ahead, Ordering::SeqCst),
            false => self.ahead_ms.store(ahead, Ordering::SeqCst),
        }
        self.shared.store(true, Ordering::SeqCst);
    }

    /// The database was seen to be at `at_ms` at some moment between two of [`DatabaseClock::steady_ms`]. What is
    /// known already stays, as far as that allows it.
    pub fn saw_between(&self, at_ms: TimeMs, asked_ms: TimeMs, heard_ms: TimeMs) {
        // A clock that was set back in between tells nothing.
        if heard_ms >= asked_ms {
            let known = self.ahead_ms.load(Ordering::SeqCst);
            let ahead = known.clamp(at_ms.saturating_sub(heard_ms), at_ms.saturating_sub(asked_ms));
            // A commit that was told meanwhile may have seen more: the next look finds out.
            _ = self.ahead_ms.compare_exchange(known, ahead, Ordering::SeqCst, Ordering::SeqCst);
            self.shared.store(true, Ordering::SeqCst);
        }
    }
}

/// Since when a batch of this process may be under way: decided, and not to be read yet.
///
/// The writer says that it begins before it reads the clock which dates the batch, and that it has ended once the
/// commit can be read. So whoever reads first the clock, then this and then the database misses nothing that is dated
/// before both.
#[derive(Debug)]
pub struct UnderWay(AtomicI64);

impl Default for UnderWay {
    fn default() -> UnderWay {
        UnderWay(AtomicI64::new(TimeMs::MAX))
    }
}

impl UnderWay {
    /// A batch begins, by a clock that was just read. One that has not ended stays under way.
    pub fn begin(&self, now_ms: TimeMs) {
        self.0.fetch_min(now_ms, Ordering::SeqCst);
    }

    /// All that have begun have ended.
    pub fn end(&self) {
        self.0.store(TimeMs::MAX, Ordering::SeqCst);
    }

    /// A time before which nothing is dated that cannot be read from now on. `now_ms`: the clock, read before.
    pub fn settled_ms(&self, now_ms: TimeMs) -> TimeMs {
        now_ms.min(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(own_ms: i64) -> (DatabaseClock, Arc<AtomicI64>) {
        let own = Arc::new(AtomicI64::new(own_ms));
        (DatabaseClock::new(Clock::Manual(Arc::clone(&own))), own)
    }

    #[test]
    fn a_process_that_is_behind_takes_the_time_of_the_database() {
        let (clock, own) = clock(10_000);
        assert_eq!((clock.now_ms(), clock.ahead_ms()), (10_000, 0));
        // Asked at 10.0 and heard at 10.2, by its own clock.
        own.store(10_200, Ordering::SeqCst);
        clock.saw_between(13_150, 10_000, 10_200);
        assert_eq!(clock.ahead_ms(), 2_950, "the least that is certain");
        assert_eq!((clock.now_ms(), clock.own_ms()), (13_150, 10_200));
        // A commit tells of a later moment.
        clock.saw(13_190);
        assert_eq!(clock.now_ms(), 13_190);
        // What is older says nothing new, and a better look agrees with what is known.
        clock.saw(1);
        clock.saw_between(13_150, 10_150, 10_170);
        assert_eq!(clock.ahead_ms(), 2_990);
    }

    #[test]
    fn a_clock_that_is_set_does_not_move_what_is_known_of_the_database() {
        let ahead = Arc::new(AtomicI64::new(700));
        let (begun, ahead_ms) = (Instant::now(), Arc::clone(&ahead));
        let clock = DatabaseClock::new(Clock::Virtual { begun, begun_ms: 50_000, ahead_ms });
        ahead.store(-9_000, Ordering::SeqCst);
        assert!(clock.now_ms() < 50_000, "nobody shares the database: the own clock");
        let asked = clock.steady_ms();
        clock.saw_between(900_000, asked, asked);
        for jump in [120_000, -120_000] {
            ahead.store(jump, Ordering::SeqCst);
            // The test itself takes less than a minute.
            let now = clock.now_ms();
            assert!((900_000..960_000).contains(&now), "{now} after a jump by {jump}");
            assert_eq!(clock.ahead_ms().signum(), 1, "told of the own clock");
        }
        clock.saw(970_000);
        assert!((970_000..1_030_000).contains(&clock.now_ms()), "a commit tells of a later moment");
    }

    #[test]
    fn the_system_has_a_clock_that_nobody_sets() {
        let steady = Clock::System.steady();
        assert!(matches!(steady, Clock::Since { .. }));
        let (first, own) = (steady.now_ms(), Clock::System.now_ms());
        // The test itself takes less than a minute, and nobody sets the clock meanwhile.
        assert!((first - own).abs() < 60_000, "{first} {own}");
        std::thread::sleep(Duration::from_millis(20));
        assert!(steady.now_ms() >= first + 20);
    }

    #[test]
    fn the_first_sight_of_a_database_that_is_behind_is_believed() {
        let (clock, _own) = clock(10_000);
        clock.saw(4_000);
        assert_eq!(clock.now_ms(), 4_000);
        clock.saw(3_000);
        assert_eq!(clock.now_ms(), 4_000);
    }

    #[test]
    fn what_has_passed_is_told_by_the_clock_that_says_more() {
        let ahead = Arc::new(AtomicI64::new(0));
        let (begun, ahead_ms) = (Instant::now(), Arc::clone(&ahead));
        let clock = DatabaseClock::new(Clock::Virtual { begun, begun_ms: 50_000, ahead_ms });
        clock.saw(900_000);
        let since = clock.both_ms();
        // The machine slept, and its clock was set when it woke.
        ahead.store(60_000, Ordering::SeqCst);
        assert!(clock.passed_ms(since) >= 60_000);
        ahead.store(-60_000, Ordering::SeqCst);
        assert!((0..60_000).contains(&clock.passed_ms(since)));
    }

    #[test]
    fn what_is_under_way_is_not_settled() {
        let under_way = UnderWay::default();
        assert_eq!(under_way.settled_ms(10_000), 10_000);
        under_way.begin(10_000);
        assert_eq!((under_way.settled_ms(9_000), under_way.settled_ms(12_000)), (9_000, 10_000));
        // It has not ended, for its commit is in doubt, when the next one begins.
        under_way.begin(11_000);
        assert_eq!(under_way.settled_ms(12_000), 10_000);
        under_way.end();
        assert_eq!(under_way.settled_ms(12_000), 12_000);
    }

    #[test]
    fn a_clock_that_is_set_right_is_followed_at_once() {
        let (clock, own) = clock(10_000);
        clock.saw_between(13_000, 10_000, 10_000);
        // The own clock is put forward, then back behind where it was.
        own.store(23_000, Ordering::SeqCst);
        clock.saw_between(13_010, 22_990, 23_000);
        assert_eq!(clock.now_ms(), 13_020);
        own.store(3_000, Ordering::SeqCst);
        clock.saw_between(13_020, 22_990, 3_000);
        assert_eq!(clock.ahead_ms(), -9_980, "it was set back meanwhile");
        clock.saw_between(13_030, 2_995, 3_000);
        assert_eq!(clock.now_ms(), 13_030);
    }
}
