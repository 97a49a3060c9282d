//! Counts the places of every pool and the tickets of every counter anew, from the orders, and tells what does not agree.

use super::codec::{Unreadable, decode_lines, state_from};
use boxoffice::{COUNTERS_FROM, Counter, Event, EventId, OrderState};
use std::collections::BTreeMap;

/// What the orders that were counted so far make of every pool and counter: held and sold.
#[derive(Default)]
pub(super) struct Recount(BTreeMap<(EventId, u16), (u64, u64)>);

impl Recount {
    /// Counts an order as it is stored, if it can be read.
    pub(super) fn add(
        &mut self,
        event: EventId,
        state: i64,
        lines: &[u8],
    ) -> Result<(), Unreadable> {
        let state = state_from(state).ok_or(Unreadable::Damaged)?;
        for line in decode_lines(lines)? {
            for stock in line.stock() {
                let (held, sold) = self.0.entry((event, stock)).or_default();
                match state {
                    s if s.holds() => *held += u64::from(line.quantity),
                    s if s.sells() => {
                        *sold += u64::from(line.quantity.saturating_sub(line.restocked))
                    }
                    OrderState::Released | OrderState::Void => {}
                    _ => unreachable!("every other state holds or sells"),
                }
            }
        }
        Ok(())
    }

    /// Compares with what the pools say.
    pub(super) fn compare(mut self, events: &[Event], wrong: &mut Vec<String>) {
        for event in events {
            for (idx, pool) in event.stocks() {
                let (held, sold) = self.0.remove(&(event.id, idx)).unwrap_or_default();
                if (held, sold) != (pool.held.into(), pool.sold.into()) {
                    let counter = idx.checked_sub(COUNTERS_FROM).map(usize::from);
                    let counter = counter.and_then(|at| event.counters.get(at));
                    let what = counter.map_or_else(|| format!("pool {}", pool.name), Counter::told);
                    wrong.push(format!(
                        "event {}, {what}: counts {} held and {} sold, but its orders make \
                         {held} and {sold}",
                        event.spec.slug, pool.held, pool.sold
                    ));
                }
            }
        }
        wrong.extend(self.0.keys().map(|(event, pool)| {
            format!("there are orders of pool {pool} of event {:x}, which does not exist", event.0)
        }));
    }
}
