//! Overload: load is shed when the scheduling lag is too large.
//!
//! When requests arrive faster than the machine answers them, each request and each step of a payment
//! waits behind everything else. Buyers who hold tickets must still be able to pay in time. So the lag is
//! measured, and above a threshold requests are rejected early, before any work, and in proportion, so
//! that the machine stays busy: reads of event pages first, then new holds. A rejection costs about what
//! a page or a hold does; but a read that is repeated later brings its hold and its payment later as
//! well, while a rejected hold is only repeated.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often it is measured, if the server is not behind.
const LOOK: Duration = Duration::from_millis(20);

/// Who is refused is never told to ask again later than after so many seconds.
const WRITE_AGAIN_MOST_S: u32 = 30;

/// Who comes and is refused is told to come again after so many seconds.
const READ_AGAIN_S: u32 = 20;

/// So many late looks at the clock in a row count for those who come: each lasts as long as the server is
/// behind, so that a machine which stands still for a moment, or a rush of two seconds, sends nobody away.
const LATELY: usize = 4;

/// How far the server is behind.
pub struct Overload {
    /// In microseconds, when it was measured last.
    behind_us: AtomicU64,
    /// The last times, in turn.
    lately_us: [AtomicU64; LATELY],
    /// How often it was measured.
    looks: AtomicU64,
    /// From here on wishes are refused, in microseconds; zero: never.
    most_us: u64,
    asked: AtomicU64,
    came: AtomicU64,
}

impl Overload {
    /// Not behind yet. From `most_ms` milliseconds on wishes are refused, from twice as much on all of
    /// them; zero: never.
    pub fn new(most_ms: u64) -> Overload {
        let [behind_us, looks, asked, came] = [(); 4].map(|()| AtomicU64::new(0));
        let (lately_us, most_us) = (Default::default(), most_ms.saturating_mul(1_000));
        Overload { behind_us, lately_us, looks, most_us, asked, came }
    }

    /// Measures, for ever: how late a sleeper is woken tells how long everything else waits, too.
    pub async fn measure(&self) {
        loop {
            let due = Instant::now() + LOOK;
            sleep(LOOK).await;
            self.set(due.elapsed());
        }
    }

    fn set(&self, behind: Duration) {
        let us = u64::try_from(behind.as_micros()).unwrap_or(u64::MAX);
        self.behind_us.store(us, Ordering::Relaxed);
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        self.lately_us[look as usize % LATELY].store(us, Ordering::Relaxed);
    }

    /// How far the server is behind, in microseconds.
    pub fn behind_us(&self) -> u64 {
        self.behind_us.load(Ordering::Relaxed)
    }

    /// Whether who comes to look is to come again later, and after how many seconds: from a quarter of
    /// what is too far behind on, and all of them from three quarters on, if it has been so for a while.
    pub fn sheds_read(&self) -> Option<u32> {
        let lately = self.lately_us.iter().map(|us| us.load(Ordering::Relaxed));
        let behind = lately.min().unwrap_or(0);
        let over = behind.saturating_sub(self.most_us / 4);
        in_proportion(&self.came, over, self.most_us / 2).then_some(READ_AGAIN_S)
    }

    /// Whether this wish for places is to be refused: then it is worth asking again after so many
    /// seconds, the more the further we are behind, for those who ask again are a load as well.
    pub fn sheds_write(&self) -> Option<u32> {
        let behind = self.behind_us();
        let over = behind.saturating_sub(self.most_us);
        let seconds = u32::try_from(behind.div_ceil(500_000)).unwrap_or(u32::MAX);
        in_proportion(&self.asked, over, self.most_us).then_some(seconds.min(WRITE_AGAIN_MOST_S))
    }
}

/// Whether this one is refused: of all that come a part that grows with `over`, and from `all` on each of
/// them; none if that is zero.
fn in_proportion(count: &AtomicU64, over: u64, all: u64) -> bool {
    if all == 0 || over == 0 {
        return false;
    }
    let of_16 = over.saturating_mul(16).div_ceil(all);
    count.fetch_add(1, Ordering::Relaxed) % 16 < of_16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_refused_in_proportion() {
        let lag = Overload::new(500);
        let refused = |behind_ms| {
            lag.set(Duration::from_millis(behind_ms));
            let told: Vec<u32> = (0..1_600).filter_map(|_| lag.sheds_write()).collect();
            assert!(
                told.iter().all(|s| u64::from(*s) == behind_ms.div_ceil(500).min(30)),
                "{told:?}"
            );
            told.len()
        };
        assert_eq!((refused(0), refused(500), refused(501)), (0, 0, 100));
        assert_eq!((refused(750), refused(1_000), refused(60_000)), (800, 1_600, 1_600));
        let never = Overload::new(0);
        never.set(Duration::from_secs(60));
        assert_eq!(never.sheds_write(), None);
    }

    #[test]
    fn newcomers_are_refused_earlier_but_not_for_a_moment() {
        let lag = Overload::new(2_000);
        let refused = |behind_ms: [u64; LATELY]| {
            behind_ms.iter().for_each(|ms| lag.set(Duration::from_millis(*ms)));
            let told: Vec<u32> = (0..1_600).filter_map(|_| lag.sheds_read()).collect();
            assert!(told.iter().all(|s| *s == READ_AGAIN_S), "{told:?}");
            assert_eq!(lag.sheds_write(), None);
            told.len()
        };
        assert_eq!((refused([500; 4]), refused([501; 4])), (0, 100));
        assert_eq!((refused([1_000, 1_900, 1_000, 1_100]), refused([1_500; 4])), (800, 1_600));
        assert_eq!(
            (refused([20, 1_900, 1_900, 1_900]), refused([1_900, 1_900, 1_900, 20])),
            (0, 0)
        );
        let never = Overload::new(0);
        (0..LATELY).for_each(|_| never.set(Duration::from_secs(60)));
        assert_eq!(never.sheds_read(), None);
    }

    #[tokio::test]
    async fn who_keeps_the_server_from_its_work_is_seen() {
        let lag = std::sync::Arc::new(Overload::new(500));
        let measured = std::sync::Arc::clone(&lag);
        let task = crate::tasks::spawn(async move { measured.measure().await });
        // A busy machine may hold it up by itself: one look without is enough.
        let mut quiet = false;
        for _ in 0..100 {
            sleep(LOOK * 2).await;
            quiet = lag.behind_us() < 200_000;
            if quiet {
                break;
            }
        }
        assert!(quiet, "{} us", lag.behind_us());
        // On its only thread.
        std::thread::sleep(Duration::from_millis(300));
        sleep(Duration::from_millis(5)).await;
        assert!(lag.behind_us() > 200_000, "{} us", lag.behind_us());
        task.abort();
    }
}
