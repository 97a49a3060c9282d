//! What the pools have left, and what is said of it.

use super::history::{Question, Shown};
use super::{Asked, Auditor};
use crate::trace::{Promise, Sample, Trace};
use boxoffice::{
    COUNTERS_FROM, Counter, CounterKind, EventId, EventSpec, Extra, Line, OrderState, TimeMs,
};
use std::collections::BTreeMap;

/// How long an event without an end takes, by the documents.
const USUAL_MS: i64 = 12 * 3_600_000;

/// When the sale ends, by the documents: when its organiser says, or else with the event.
pub(super) fn sale_ends(closes: Option<TimeMs>, ends: Option<TimeMs>, starts: TimeMs) -> TimeMs {
    closes.or(ends).unwrap_or(starts + USUAL_MS)
}

/// Whether the sale is closed at some moment of these.
fn closed(spec: &EventSpec, (from, to): (TimeMs, TimeMs)) -> bool {
    let ends = sale_ends(spec.sale_closes_ms, spec.ends_ms, spec.starts_ms);
    spec.sale_opens_ms.is_some_and(|opens| from < opens) || ends <= to
}

/// What counts a line: its pool, and its counters.
pub(super) fn counts_of(line: &Line) -> impl Iterator<Item = u16> {
    let Extra { type_counter, phase, code, .. } = line.extra;
    [Some(line.pool), type_counter, phase, code].into_iter().flatten()
}

/// How many the organiser said of what a counter counts, if it was said.
fn said_of(spec: &EventSpec, counter: &Counter) -> Option<u32> {
    let name = counter.count.name.as_str();
    let kind = |id: &str| spec.ticket_types.iter().find(|kind| kind.id == id);
    match counter.kind {
        CounterKind::Type => kind(name)?.rules.capacity,
        CounterKind::Phase => {
            let (id, name) = name.split_once('\n')?;
            kind(id)?.rules.phases.iter().find(|phase| phase.name == name)?.capacity
        }
        CounterKind::Code => Some(spec.codes.iter().find(|code| code.code == name)?.uses),
    }
}

impl Auditor {
    /// The event as it is by now, for what is compared with it within this step.
    pub(super) fn put_before(&mut self, at_ms: i64, asked: &Asked) {
        let Some(event) = self.events.values().next() else { return };
        for spec in asked.puts.iter().chain([&event.spec]) {
            for kind in &spec.ticket_types {
                let names = self.names.entry(kind.id.clone()).or_default();
                if !names.contains(&kind.name) {
                    names.insert(kind.name.clone());
                }
            }
        }
        let (event, puts) = (event.clone(), asked.puts.clone());
        let (least, least_counters, most_taken) = (Vec::new(), Vec::new(), Vec::new());
        let step = self.step;
        self.shows.push(Shown { step, at_ms, event, puts, least, least_counters, most_taken });
    }

    /// The counters are what the orders say, and no pool is ever over its capacity, nor what is counted
    /// beside the pools. `placed` are the places of each that were held within the step.
    pub(super) fn recount(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        placed: &BTreeMap<u16, u32>,
        asked: &Asked,
    ) {
        let mut counted: BTreeMap<(EventId, u16), (u32, u32)> = BTreeMap::new();
        for order in self.orders.values() {
            let all = order.lines.iter().flat_map(|line| counts_of(line).map(move |n| (line, n)));
            for (line, index) in all {
                let pool = counted.entry((order.event, index)).or_default();
                match order.state {
                    OrderState::Held | OrderState::Paying | OrderState::Canceling => {
                        pool.0 += line.quantity;
                    }
                    OrderState::Committed
                    | OrderState::Paid
                    | OrderState::Refunding
                    | OrderState::Refunded => pool.1 += line.quantity - line.restocked,
                    OrderState::Released | OrderState::Void => {}
                }
            }
        }
        for event in self.events.values() {
            let counters = event.counters.iter().map(|counter| &counter.count);
            let counters = (COUNTERS_FROM..).zip(counters);
            for (index, pool) in (0u16..).zip(&event.pools).chain(counters) {
                let (held, sold) = counted.get(&(event.id, index)).copied().unwrap_or_default();
                if (pool.held, pool.sold) != (held, sold) {
                    let text = format!(
                        "pool {} counts {} held and {} sold, its orders {held} and {sold}",
                        pool.name, pool.held, pool.sold
                    );
                    trace.broken(at_ms, Promise::NeverOversold, None, text);
                }
                if held + sold > pool.capacity {
                    let text = format!("{held} held and {sold} sold of {}", pool.capacity);
                    trace.broken(at_ms, Promise::NeverOversold, None, text);
                }
            }
        }
        let Some(event) = self.events.values().next() else { return };
        let (mut least, mut most_taken) = (Vec::new(), Vec::new());
        let before = self.shows.iter().rev().nth(1);
        for (index, pool) in event.pools.iter().enumerate() {
            let was = before.and_then(|show| show.event.pools.get(index)).unwrap_or(pool);
            let capacities = asked.puts.iter().map(|spec| {
                spec.pools.iter().find(|p| p.name == pool.name).map_or(0, |p| p.capacity)
            });
            let capacity = capacities.chain([was.capacity, pool.capacity]).min().unwrap_or(0);
            let placed = placed.get(&(index as u16)).copied().unwrap_or(0);
            let taken = was.held + was.sold + placed;
            let taken = taken.max(pool.held + pool.sold);
            least.push(capacity.saturating_sub(taken));
            most_taken.push(taken);
            if index == 0 {
                let (capacity, held, sold) = (pool.capacity, pool.held, pool.sold);
                trace.sample(Sample { at_ms, capacity, held, sold });
            }
        }
        let mut least_counters = Vec::new();
        for (at, counter) in event.counters.iter().enumerate() {
            let was = before.and_then(|show| show.event.counters.get(at)).unwrap_or(counter);
            let specs = asked.puts.iter().chain([&event.spec]);
            let said = specs.chain(before.map(|show| &show.event.spec));
            let said = said.filter_map(|spec| said_of(spec, counter)).min();
            let placed = placed.get(&(COUNTERS_FROM + at as u16)).copied().unwrap_or(0);
            let taken = was.count.held + was.count.sold + placed;
            let taken = taken.max(counter.count.held + counter.count.sold);
            least_counters.push(said.unwrap_or(u32::MAX).saturating_sub(taken));
        }
        if let Some(show) = self.shows.last_mut() {
            (show.least, show.most_taken) = (least, most_taken);
            show.least_counters = least_counters;
        }
    }

    /// A buyer was told that there are not enough places left, for this ticket type if it is named:
    /// that must have been so of a pool of the order at some moment between question and answer.
    pub(super) fn sold_out(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        asked: Question,
        wanted: &[(String, i64)],
        detail: &str,
    ) {
        let named = detail.split_once('“').and_then(|(_, rest)| Some(rest.split_once('”')?.0));
        let shows = self.shows(asked);
        let pool_of = |id: &str| {
            let kinds = shows.iter().flat_map(|show| &show.event.ticket_types);
            kinds.filter(|kind| kind.id == id).map(|kind| usize::from(kind.pool)).next()
        };
        let mut pools: BTreeMap<usize, i64> = BTreeMap::new();
        for (kind, quantity) in wanted {
            if let Some(pool) = pool_of(kind) {
                *pools.entry(pool).or_default() += quantity;
            }
        }
        if let Some(named) = named {
            let pool = pool_of(named).filter(|_| wanted.iter().any(|(kind, _)| kind == named));
            pools.retain(|known, _| Some(*known) == pool);
        }
        let least = |show: &Shown, pool: usize| show.least.get(pool).copied().map_or(0, i64::from);
        // Or of a ticket type with a capacity of its own.
        let own = |show: &Shown, kind: &str, wanted: i64| {
            let left = show.left_of(CounterKind::Type, kind);
            left.is_some_and(|left| i64::from(left) < wanted)
        };
        let short = |show: &Shown| {
            let mut wanted = wanted.iter();
            pools.iter().any(|(pool, wanted)| least(show, *pool) < *wanted)
                || wanted
                    .any(|(kind, n)| named.is_none_or(|named| named == kind) && own(show, kind, *n))
        };
        if !shows.iter().any(short) && !shows.is_empty() {
            let text = format!("“{detail}” for {wanted:?}, and there were always enough left");
            trace.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }

    /// A buyer was told that the sale is closed.
    pub(super) fn not_on_sale(&self, trace: &mut Trace, at_ms: i64, asked: Question) {
        let times = self.store_times(asked.at_ms, at_ms);
        let shows = self.shows(asked);
        if !shows.is_empty() && !shows.iter().flat_map(Shown::specs).any(|spec| closed(spec, times))
        {
            let text = "“not on sale”, and it was open all the time".to_owned();
            trace.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }

    /// An order was placed at this moment: the sale was open.
    pub(super) fn was_open(&self, placed: TimeMs) -> bool {
        let all = self.shows.len();
        let shows = &self.shows[all.saturating_sub(2)..];
        shows.iter().flat_map(Shown::specs).any(|spec| !closed(spec, (placed, placed)))
    }
}
