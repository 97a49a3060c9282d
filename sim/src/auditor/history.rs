//! What was so when: orders and events as they were committed, step by step, and the store's clock.

use super::{Auditor, may_become};
use crate::world::EPOCH_MS;
use boxoffice::{Counter, CounterKind, Event, EventSpec, Order, OrderId, OrderState, TimeMs};

/// When somebody asked: what is answered must have been so at some moment since.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The number of the last step before it.
    pub(super) step: u64,
    /// When that was, in milliseconds since the beginning.
    pub(super) at_ms: i64,
}

/// The event at some step.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) step: u64,
    pub(super) at_ms: i64,
    /// As it was at the end of the step.
    pub(super) event: Event,
    /// What it was asked to be within the step, whatever came of it.
    pub(super) puts: Vec<EventSpec>,
    /// The least that each pool may have had left at any moment within the step.
    pub(super) least: Vec<u32>,
    /// The same of each counter.
    pub(super) least_counters: Vec<u32>,
    /// The most places of each pool that may have been held and sold at any moment within it.
    pub(super) most_taken: Vec<u32>,
}

impl Shown {
    /// The least that may have been left of a counter within the step, if there is one.
    pub(super) fn left_of(&self, kind: CounterKind, name: &str) -> Option<u32> {
        let is = |counter: &Counter| counter.kind == kind && counter.count.name == name;
        let at = self.event.counters.iter().position(is)?;
        self.least_counters.get(at).copied()
    }

    /// What the organiser wanted at some moment within the step.
    pub(super) fn specs(&self) -> impl Iterator<Item = &EventSpec> {
        std::iter::once(&self.event.spec).chain(&self.puts)
    }
}

/// The part of a list that was so at `asked` or later; what is known first stands for what was before.
fn since<T>(all: &[T], asked: u64, step: impl Fn(&T) -> u64) -> &[T] {
    let later = all.partition_point(|one| step(one) <= asked);
    &all[later.saturating_sub(1)..]
}

impl Auditor {
    /// Somebody asks now.
    pub fn question(&self, at_ms: i64) -> Question {
        Question { step: self.step, at_ms }
    }

    /// The store's clock is so far ahead of the world's from now on.
    pub fn clock_is_ahead(&mut self, at_ms: i64, ahead_ms: i64) {
        self.clock.push((at_ms, ahead_ms));
    }

    /// The earliest and the latest that the store's clock said between two moments.
    pub(super) fn store_times(&self, from_ms: i64, to_ms: i64) -> (TimeMs, TimeMs) {
        let (mut low, mut high) = (TimeMs::MAX, TimeMs::MIN);
        for (n, (begins, ahead)) in self.clock.iter().enumerate() {
            let ends = self.clock.get(n + 1).map_or(i64::MAX, |next| next.0);
            if *begins <= to_ms && from_ms <= ends {
                low = low.min(EPOCH_MS + from_ms.max(*begins) + ahead);
                high = high.max(EPOCH_MS + to_ms.min(ends) + ahead);
            }
        }
        (low, high)
    }

    /// How far the store's clock is behind where it has been since `from_ms`: what was to be done at a time
    /// by that clock is done so much later.
    pub(super) fn went_back(&self, from_ms: i64) -> i64 {
        let ends = |n: usize| self.clock.get(n + 1).map_or(i64::MAX, |next| next.0);
        let since = self.clock.iter().enumerate().filter(|(n, _)| ends(*n) >= from_ms);
        let most = since.map(|(_, (_, ahead))| *ahead).max();
        most.zip(self.clock.last()).map_or(0, |(most, (_, now))| most - now)
    }

    /// An order as it was at some moment since the question.
    pub(super) fn versions(&self, id: OrderId, asked: Question) -> &[(u64, Order)] {
        let all = self.versions.get(&id).map_or(&[][..], Vec::as_slice);
        since(all, asked.step, |version| version.0)
    }

    /// Whether an order was so at some moment since the question.
    pub(super) fn was(&self, id: OrderId, asked: Question, is: impl Fn(&Order) -> bool) -> bool {
        self.versions(id, asked).iter().any(|(_, order)| is(order))
    }

    /// Whether an order may have been in one of these states at some moment since the question, be
    /// it within a step of which only the end was seen.
    pub(super) fn was_in(&self, id: OrderId, asked: Question, states: &[OrderState]) -> bool {
        let versions = self.versions(id, asked);
        let within = |from: OrderState, to: OrderState| {
            states.iter().any(|via| may_become(from, *via) && may_become(*via, to))
        };
        versions.iter().any(|(_, order)| states.contains(&order.state))
            || versions.windows(2).any(|pair| within(pair[0].1.state, pair[1].1.state))
            || versions.first().is_some_and(|(step, order)| {
                *step > asked.step && within(OrderState::Held, order.state)
            })
    }

    /// The event as it was at some moment since the question.
    pub(super) fn shows(&self, asked: Question) -> &[Shown] {
        since(&self.shows, asked.step, |show| show.step)
    }

    /// All names that a ticket type ever had or was to have.
    pub(super) fn is_name_of(&self, kind: &str, name: &str) -> bool {
        self.names.get(kind).is_some_and(|names| names.contains(name))
    }
}

/// Reads a time as RFC 3339 writes it in UTC, with or without a fraction of a second.
pub(super) fn time(text: &str) -> Option<TimeMs> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut clock = clock.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    // Days since 1970 by the Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + ms)
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_read() {
        assert_eq!(time("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(time("2027-01-15T08:00:00Z"), Some(crate::world::EPOCH_MS));
        assert_eq!(time("2028-02-29T23:59:59.5Z"), Some(1_835_481_599_500));
        assert_eq!(time("tomorrow"), None);
    }
}
