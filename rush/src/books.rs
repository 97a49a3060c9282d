//! What buyers were told, and how long they waited for it.

use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// What an order's buyer knows of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Told {
    /// The places are held.
    Held,
    /// Nothing certain: it was asked to be paid, and no clear answer came.
    Asked,
    /// It is paid, and these are the tickets.
    Paid,
}

/// An order as its buyer knows it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The order's id.
    pub id: u128,
    /// What shows that it is the buyer's: 26 letters.
    pub secret: [u8; 26],
    /// How many places.
    pub places: u8,
    /// When it was asked for, in milliseconds since the crowd began to come: the places are held at
    /// least until so long after.
    pub asked_ms: u32,
    /// What the buyer was told last.
    pub told: Told,
}

/// What is timed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// The event's page.
    Page,
    /// Holding places.
    Hold,
    /// Paying.
    Pay,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::Page, Kind::Hold, Kind::Pay];

    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Page => "look at the page",
            Kind::Hold => "hold places",
            Kind::Pay => "pay",
        }
    }
}

/// The longest time that is told apart, in microseconds.
const LONGEST_US: u64 = 600_000_000;

/// Waiting times, in microseconds.
#[derive(Clone)]
pub struct Waits(Histogram<u64>);

impl Default for Waits {
    fn default() -> Waits {
        Waits::new()
    }
}

impl Waits {
    /// None yet.
    pub fn new() -> Waits {
        // Three digits, from a microsecond to ten minutes.
        Waits(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("these bounds are allowed"))
    }

    /// One more.
    pub fn add(&mut self, wait: Duration) {
        let us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(us.clamp(1, LONGEST_US));
    }

    /// All of these.
    pub fn add_all(&mut self, other: &Waits) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// So many percent took at most so long, in milliseconds; 100 is the longest.
    pub fn percent_ms(&self, percent: f64) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.value_at_percentile(percent) as f64 / 1e3 }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
    }
}

/// One second of the crowd.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Second {
    /// Places that were paid for.
    pub sold: u64,
    /// Orders for which places were held.
    pub holds: u64,
    /// Answers of "not now".
    pub not_now: u64,
    /// Median, 99th percentile and longest wait for places, in milliseconds.
    pub hold_ms: [f64; 3],
    /// The places at its end, as the server says: held and sold.
    pub places: Option<(u64, u64)>,
    /// The server's memory at its end, in bytes.
    pub memory: Option<u64>,
}

/// Everything that was told.
#[derive(Default)]
pub struct Books {
    /// The orders.
    pub entries: Vec<Entry>,
    /// The codes of all tickets.
    pub codes: Vec<u64>,
    /// From the moment at which a buyer wanted it until the answer was there.
    pub waits: BTreeMap<Kind, Waits>,
    /// The same from the moment at which it was sent.
    pub answers: BTreeMap<Kind, Waits>,
    /// From the wish to have tickets until they were there, without the time to think.
    pub sales: Waits,
    /// When somebody heard of tickets last.
    pub last_sale: Option<Instant>,
    /// What became of buyers, in words.
    pub ends: BTreeMap<&'static str, u64>,
    /// Answers by kind and status; 0 for none in time.
    pub statuses: BTreeMap<(Kind, u16), u64>,
    /// The second that runs.
    pub second: Second,
    /// Waits for places in it.
    pub second_waits: Waits,
    /// Answers that nobody understands, and other broken promises; the first of them.
    pub wrong: Vec<String>,
    /// The smallest order that was refused because too few places were left; 0 if none was.
    pub refused_places: u8,
    /// Requests that were sent.
    pub requests: u64,
    /// What was answered later than a buyer's patience allows.
    pub too_late: u64,
}

impl Books {
    /// A wait.
    pub fn waited(&mut self, kind: Kind, wanted: Duration, answered: Option<Duration>) {
        self.waits.entry(kind).or_default().add(wanted);
        if let Some(answered) = answered {
            self.answers.entry(kind).or_default().add(answered);
        }
        if kind == Kind::Hold {
            self.second_waits.add(wanted);
        }
    }

    /// What became of a buyer.
    pub fn ends(&mut self, how: &'static str) {
        *self.ends.entry(how).or_default() += 1;
    }

    /// Something is not as it must be.
    pub fn wrong(&mut self, what: String) {
        if self.wrong.len() < 20 {
            self.wrong.push(what);
        }
    }

    /// How many places buyers were told are theirs.
    pub fn paid_places(&self) -> u64 {
        let paid = self.entries.iter().filter(|e| e.told == Told::Paid);
        paid.map(|e| u64::from(e.places)).sum()
    }

    /// Ends a second.
    pub fn next_second(&mut self) -> Second {
        let waits = &self.second_waits;
        self.second.hold_ms =
            [waits.percent_ms(50.0), waits.percent_ms(99.0), waits.percent_ms(100.0)];
        self.second_waits.clear();
        std::mem::take(&mut self.second)
    }
}

/// A ticket's code, `XXXX-XXXX-XXXX`, as a number: its twelve letters, five bits each.
pub fn code(text: &str) -> Option<u64> {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut number = 0u64;
    let mut letters = 0;
    for byte in text.bytes().filter(|b| *b != b'-') {
        let digit = LETTERS.iter().position(|l| *l == byte)?;
        number = (number << 5) | digit as u64;
        letters += 1;
    }
    (letters == 12).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        assert_eq!(code("0000-0000-0001"), Some(1));
        assert_eq!(code("0000-0000-0010"), Some(32));
        assert_ne!(code("ZZZZ-ZZZZ-ZZZZ"), code("ZZZZ-ZZZZ-ZZZY"));
        assert_eq!(code("ZZZZ-ZZZZ-ZZZ"), None);
        assert_eq!(code("UUUU-ZZZZ-ZZZZ"), None);
    }

    #[test]
    fn waits_are_told_in_milliseconds() {
        let mut waits = Waits::new();
        assert_eq!(waits.percent_ms(99.0), 0.0);
        for ms in 1..=1000 {
            waits.add(Duration::from_millis(ms));
        }
        waits.add(Duration::from_secs(10_000));
        assert!((waits.percent_ms(50.0) - 500.0).abs() < 3.0);
        assert!((waits.percent_ms(100.0) - 600_000.0).abs() < 600.0, "no longer than it can tell");
        assert_eq!(waits.count(), 1001);
    }
}
