//! What is counted beside the pools: the tickets of one type, of one price phase, of one code.
//!
//! A counter is a pool that nobody sees: `held + sold <= capacity` is asserted of it and stands in the schema,
//! a line that draws on it moves it together with its pool, and `nts audit` counts it anew from the orders.
//! It is made when an event first names it, and is kept for ever, so that lines can refer to it.

use crate::{Event, Pool};
use alloc::{string::String, vec::Vec};

/// The index of the first counter in [`Event::stock`]. Pools have the lower ones; an event never gets so
/// many.
pub const COUNTERS_FROM: u16 = 1_000;

/// The most that is counted: as many as the largest pool has.
pub(crate) const MOST_TICKETS: u32 = 10_000_000;

/// What a counter counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CounterKind {
    /// The tickets of one type, under whichever name it was sold.
    Type,
    /// The tickets of one type that were sold in one price phase.
    Phase,
    /// The tickets that were bought with one code.
    Code,
}

impl CounterKind {
    /// All of them, in the order in which they are stored as numbers, from 1; 0 is a pool.
    pub const ALL: [CounterKind; 3] = [CounterKind::Type, CounterKind::Phase, CounterKind::Code];
}

/// A number of tickets that are counted together, beside their pools.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counter {
    /// What it counts.
    pub kind: CounterKind,
    /// Its counts. Its name is the id of the ticket type, the code, or [`Counter::of_phase`].
    ///
    /// Its capacity is what the organiser said last, or what was taken by then if that was more: so one may
    /// say less at any time, and nothing more is sold.
    pub count: Pool,
}

impl Counter {
    /// The name of the counter of a price phase. No id and no name has a line break.
    pub fn of_phase(ticket_type: &str, phase: &str) -> String {
        [ticket_type, phase].join("\n")
    }

    /// What it counts, in words for an organiser.
    pub fn told(&self) -> String {
        let name = &self.count.name;
        match (self.kind, name.split_once('\n')) {
            (CounterKind::Type, _) => alloc::format!("ticket type {name}"),
            (CounterKind::Phase, Some((ticket_type, phase))) => {
                alloc::format!("price phase {phase} of ticket type {ticket_type}")
            }
            (CounterKind::Phase, None) => alloc::format!("price phase {name}"),
            (CounterKind::Code, _) => alloc::format!("code {name}"),
        }
    }
}

impl Event {
    /// What a line draws on: a pool, or from [`COUNTERS_FROM`] on a counter. `None` if there is no such one.
    pub fn stock(&self, index: u16) -> Option<&Pool> {
        match index.checked_sub(COUNTERS_FROM) {
            None => self.pools.get(usize::from(index)),
            Some(at) => self.counters.get(usize::from(at)).map(|counter| &counter.count),
        }
    }

    /// The same, to move its counts. Panics if there is no such one.
    pub fn stock_mut(&mut self, index: u16) -> &mut Pool {
        match index.checked_sub(COUNTERS_FROM) {
            None => &mut self.pools[usize::from(index)],
            Some(at) => &mut self.counters[usize::from(at)].count,
        }
    }

    /// The index of a counter, if there is one.
    pub fn counter(&self, kind: CounterKind, name: &str) -> Option<u16> {
        let is_it = |counter: &Counter| counter.kind == kind && counter.count.name == name;
        self.counters.iter().position(is_it).map(|at| COUNTERS_FROM + at as u16)
    }

    /// How many of `capacity` are taken and left of a counter: also where more are taken than the organiser
    /// wants by now.
    pub(crate) fn left_of(&self, counter: Option<u16>, capacity: u32) -> (u32, u32) {
        let count = counter.and_then(|index| self.stock(index));
        let (held, sold) = count.map_or((0, 0), |count| (count.held, count.sold));
        (capacity.saturating_sub(held + sold), held)
    }

    /// All pools and counters with their indexes.
    pub fn stocks(&self) -> impl Iterator<Item = (u16, &Pool)> {
        let counters = self.counters.iter().map(|counter| &counter.count);
        (0u16..).zip(&self.pools).chain((COUNTERS_FROM..).zip(counters))
    }

    /// Makes the counters that its spec names and that are not there yet, and sets what each may count.
    /// The error is the id of a ticket type of which some may be sold already without being counted, as
    /// `sold` tells.
    pub(crate) fn put_counters(&mut self, sold: impl Fn(&str) -> bool) -> Result<(), String> {
        let mut wanted: Vec<(CounterKind, String, u32)> = Vec::new();
        for t in &self.spec.ticket_types {
            let known = self.counter(CounterKind::Type, &t.id).is_some();
            if t.rules.capacity.is_some() && !known && sold(&t.id) {
                return Err(t.id.clone());
            }
            // What was counted once is counted for ever: it may get a capacity again.
            if known || t.rules.capacity.is_some() {
                let capacity = t.rules.capacity.unwrap_or(MOST_TICKETS);
                wanted.push((CounterKind::Type, t.id.clone(), capacity));
            }
            for phase in &t.rules.phases {
                let name = Counter::of_phase(&t.id, &phase.name);
                let capacity = phase.capacity.unwrap_or(MOST_TICKETS);
                wanted.push((CounterKind::Phase, name, capacity));
            }
        }
        let codes = self.spec.codes.iter();
        wanted.extend(codes.map(|c| (CounterKind::Code, c.code.clone(), c.uses)));
        let by_name = |counter: &Counter| (counter.kind, counter.count.name.clone());
        let known: alloc::collections::BTreeMap<(CounterKind, String), usize> =
            self.counters.iter().enumerate().map(|(at, c)| (by_name(c), at)).collect();
        for counter in &mut self.counters {
            // What is not named any more: no more of it is sold, unless it is a type that goes on uncounted.
            let retired = if counter.kind == CounterKind::Type { MOST_TICKETS } else { 0 };
            counter.count.capacity = retired.max(counter.count.held + counter.count.sold);
        }
        for (kind, name, capacity) in wanted {
            match known.get(&(kind, name.clone())) {
                Some(at) => {
                    let count = &mut self.counters[*at].count;
                    count.capacity = capacity.max(count.held + count.sold);
                }
                None => {
                    let count = Pool { name, capacity, held: 0, sold: 0 };
                    self.counters.push(Counter { kind, count });
                }
            }
        }
        Ok(())
    }
}
