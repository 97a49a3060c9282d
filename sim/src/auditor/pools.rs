//! What the pools have left, and what is said of it.

use super::{Asked, Auditor};
use crate::story::{Promise, Sample, Story};
use boxoffice::{EventId, OrderState, TimeMs};
use std::collections::BTreeMap;

/// What a pool had left at some step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    step: u64,
    at_ms: i64,
    left: u32,
    capacity: u32,
    held: u32,
    sold: u32,
    /// The least that may have been left at any moment within the step.
    least: u32,
    /// It may have been closed at some moment within the step.
    closed: bool,
}

impl Auditor {
    /// The counters are what the orders say, and the pool is never over its capacity.
    pub(super) fn recount(
        &mut self,
        story: &mut Story,
        at_ms: i64,
        now: TimeMs,
        placed: u32,
        asked: Asked,
    ) {
        let mut counted: BTreeMap<(EventId, u16), (u32, u32)> = BTreeMap::new();
        for order in self.orders.values() {
            for line in &order.lines {
                let pool = counted.entry((order.event, line.pool)).or_default();
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
            for (index, pool) in event.pools.iter().enumerate() {
                let (held, sold) =
                    counted.get(&(event.id, index as u16)).copied().unwrap_or_default();
                if (pool.held, pool.sold) != (held, sold) {
                    let text = format!(
                        "the pool counts {} held and {} sold, its orders {held} and {sold}",
                        pool.held, pool.sold
                    );
                    story.broken(at_ms, Promise::NeverOversold, None, text);
                }
                if held + sold > pool.capacity {
                    let text = format!("{held} held and {sold} sold of {}", pool.capacity);
                    story.broken(at_ms, Promise::NeverOversold, None, text);
                }
                if index == 0 {
                    let spec = &event.spec;
                    let open = spec.sale_opens_ms.is_none_or(|t| t <= now)
                        && spec.sale_closes_ms.is_none_or(|t| now < t);
                    let left = pool.capacity.saturating_sub(held + sold);
                    let last = self.left.last();
                    let (before, was) =
                        last.map_or((left, pool.capacity), |l| (l.left, l.capacity));
                    let fewer = asked.capacity.map_or(0, |c| was.saturating_sub(c));
                    let least = left.min(before.saturating_sub(placed + fewer));
                    let closed = !open || asked.closed;
                    let left = Left {
                        step: self.step,
                        at_ms,
                        left,
                        capacity: pool.capacity,
                        held,
                        sold,
                        least,
                        closed,
                    };
                    self.left.push(left);
                    story.sample(Sample { at_ms, capacity: pool.capacity, held, sold });
                }
            }
        }
    }

    /// A buyer was told that there are not enough places left: that must have been so at some
    /// moment between question and answer.
    pub fn refused(&mut self, story: &mut Story, at_ms: i64, asked_at: u64, wanted: u32) {
        if !self.some_moment(asked_at, |l| l.least < wanted) {
            let text = format!("“sold out” for {wanted}, and there were always enough left");
            story.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }

    /// A buyer was told that the sale is closed.
    pub fn refused_closed(&mut self, story: &mut Story, at_ms: i64, asked_at: u64) {
        if !self.some_moment(asked_at, |l| l.closed) {
            let text = "“not on sale”, and it was open all the time".to_owned();
            story.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }

    /// Somebody was shown the counts: they must have been so at some moment since `since_ms`.
    pub fn counts(&self, story: &mut Story, at_ms: i64, since_ms: i64, shown: (u32, u32, u32)) {
        let known = self.left.iter().rev();
        // The last one that began before is what was so at the beginning.
        let begun_before = known.clone().position(|l| l.at_ms <= since_ms);
        let mut known = known.take(begun_before.map_or(usize::MAX, |n| n + 1));
        if !self.left.is_empty() && !known.any(|l| (l.capacity, l.held, l.sold) == shown) {
            let (capacity, held, sold) = shown;
            let text =
                format!("the page said {held} held and {sold} sold of {capacity}, which never was");
            story.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }

    fn some_moment(&self, asked_at: u64, is: impl Fn(&Left) -> bool) -> bool {
        for left in self.left.iter().rev() {
            if is(left) {
                return true;
            }
            if left.step <= asked_at {
                return false;
            }
        }
        // Nothing is known from before the first commit.
        self.left.is_empty()
    }
}
