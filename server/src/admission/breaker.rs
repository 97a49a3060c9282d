//! The share of declined attempts of the last ten minutes, and the alarm when it is high.

/// In so many parts the ten minutes are counted.
const CELLS: usize = 20;
/// How long one of them is.
const CELL_US: u64 = 30_000_000;
/// Fewer attempts say nothing.
const LEAST: u32 = 30;

/// Counts decided attempts. It opens when more than the stated share of them is declined, and closes
/// when less than three quarters of that share is, or hardly anybody tries any more.
pub struct Breaker {
    /// Decided and declined attempts.
    cells: [(u32, u32); CELLS],
    /// The number of the newest cell since the beginning.
    newest: u64,
    percent: u32,
    open: bool,
}

impl Breaker {
    /// Opens at more than so many percent; 0: never.
    pub fn new(percent: u32) -> Breaker {
        Breaker { cells: [(0, 0); CELLS], newest: 0, percent, open: false }
    }

    /// Takes in some attempts. Gives whether it is open, and whether that is new.
    pub fn note(&mut self, now_us: u64, decided: u32, declined: u32) -> (bool, bool) {
        let cell = now_us / CELL_US;
        let passed = cell.saturating_sub(self.newest).min(CELLS as u64);
        for n in 0..passed {
            self.cells[((cell - n) % CELLS as u64) as usize] = (0, 0);
        }
        self.newest = self.newest.max(cell);
        let newest = &mut self.cells[(self.newest % CELLS as u64) as usize];
        newest.0 += decided;
        newest.1 += declined;
        let sum = |of: fn(&(u32, u32)) -> u32| self.cells.iter().map(|c| u64::from(of(c))).sum();
        let (all, no): (u64, u64) = (sum(|c| c.0), sum(|c| c.1));
        let (percent, least) = (u64::from(self.percent), u64::from(LEAST));
        let was = self.open;
        self.open = match was {
            false => percent > 0 && all >= least && no * 100 > all * percent,
            true => all * 3 >= least && no * 400 > all * percent * 3,
        };
        (self.open, self.open != was)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000;

    #[test]
    fn it_opens_at_its_share_and_closes_well_below() {
        let mut breaker = Breaker::new(40);
        assert_eq!(breaker.note(0, 29, 29), (false, false), "too few say nothing");
        assert_eq!(breaker.note(0, 1, 0), (true, true));
        // 29 of 60 are more than 30 %.
        assert_eq!(breaker.note(MINUTE, 30, 0), (true, false));
        assert_eq!(breaker.note(2 * MINUTE, 40, 0), (false, true));
        // 40 of 100 are not more than 40 %.
        assert_eq!(breaker.note(3 * MINUTE, 0, 11), (false, false));
        assert_eq!(breaker.note(3 * MINUTE, 0, 1), (true, true));
    }

    #[test]
    fn what_is_older_than_ten_minutes_does_not_count() {
        let mut breaker = Breaker::new(40);
        assert_eq!(breaker.note(0, 100, 50), (true, true));
        assert_eq!(breaker.note(9 * MINUTE, 0, 0), (true, false));
        assert_eq!(breaker.note(10 * MINUTE, 0, 0), (false, true));
        assert_eq!(breaker.note(90 * MINUTE, 30, 13), (true, true));
        let mut late = Breaker::new(40);
        assert_eq!(late.note(9 * MINUTE, 100, 50), (true, true));
        assert_eq!(late.note(10 * MINUTE, 0, 0), (true, false), "that was a minute ago");
        assert_eq!(late.note(19 * MINUTE, 0, 0), (false, true));
        let mut never = Breaker::new(0);
        assert_eq!(never.note(0, 100, 100), (false, false));
    }
}
