//! The limit per buyer.

use super::{Asked, Auditor};
use crate::story::{Promise, Story};
use boxoffice::{Order, OrderState, RefundState};
use std::collections::{BTreeMap, BTreeSet};

/// What stands for the limit per buyer of an event that has none.
pub(super) const NO_LIMIT: u32 = u32::MAX;

/// The person behind an address of the simulation. Not by the server's rule: what stands before the
/// `@` is plain there, and all domains are one.
pub(super) fn person(email: &str) -> String {
    let name = email.split('@').next().unwrap_or_default();
    name.trim().to_ascii_lowercase()
}

/// How many places of an order count for its buyer: what was bought, but for what is given back. A
/// refund that is not done yet has given nothing back.
pub(super) fn counts(order: &Order) -> u32 {
    if matches!(order.state, OrderState::Released | OrderState::Void) {
        return 0;
    }
    let under_way = order.refunds.iter().filter(|r| r.state == RefundState::Pending && !r.by_hand);
    let under_way: u32 = under_way.flat_map(|r| &r.quantities).sum();
    order.lines.iter().map(|l| l.quantity - l.refunded).sum::<u32>() + under_way
}

/// The limit per buyer at some step, and what may have been for a moment within it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    step: u64,
    last: u32,
    lowest: u32,
}

/// What a person had at some step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Had {
    step: u64,
    last: u32,
    /// The most that the person may have had at any moment within the step.
    most: u32,
}

impl Auditor {
    /// Nobody gets a place beyond the limit per buyer. A limit that is lowered takes nothing away.
    pub(super) fn limits(
        &mut self,
        story: &mut Story,
        at_ms: i64,
        people: &BTreeSet<String>,
        bought: &BTreeMap<String, u32>,
        asked: Asked,
    ) {
        let Some(event) = self.events.values().next() else { return };
        let step = self.step;
        let last = event.spec.limit_per_buyer.unwrap_or(NO_LIMIT);
        let before = self.limits.last().map_or(last, |limit| limit.last);
        let (lowest, highest) = asked.limits.unwrap_or((last, last));
        let (lowest, highest) = (lowest.min(last).min(before), highest.max(last).max(before));
        if self.limits.last().is_none_or(|l| (l.last, l.lowest) != (last, lowest)) {
            self.limits.push(Limit { step, last, lowest });
        }
        for person_of in people {
            let mine = self.orders.values().filter(|o| person(&o.buyer.email) == *person_of);
            let last: u32 = mine.map(counts).sum();
            let new = bought.get(person_of).copied().unwrap_or(0);
            let had = self.had.entry(person_of.clone()).or_default();
            let before = had.last().map_or(0, |had| had.last);
            had.push(Had { step, last, most: last.max(before + new) });
            // More than that is only right if it was so before, under another limit.
            if new > 0 && last > before && last > highest {
                let text = format!("{person_of} has {last} places, and the limit is {highest}");
                story.broken(at_ms, Promise::NeverOversold, None, text);
            }
        }
    }

    /// A buyer was told that these places would be more than the limit allows: at some moment
    /// between question and answer they were.
    pub fn refused_limit(
        &mut self,
        story: &mut Story,
        at_ms: i64,
        asked_at: u64,
        email: &str,
        wanted: u32,
    ) {
        // Up to the one that was there when it was asked.
        let mut lowest = NO_LIMIT;
        for limit in self.limits.iter().rev() {
            lowest = lowest.min(limit.lowest);
            if limit.step <= asked_at {
                break;
            }
        }
        let mut most = 0;
        for had in self.had.get(&person(email)).into_iter().flatten().rev() {
            most = most.max(had.most);
            if had.step <= asked_at {
                break;
            }
        }
        if !self.limits.is_empty() && most.saturating_add(wanted) <= lowest {
            let text = format!(
                "“more than the limit” for {wanted}, and {} had {most} at most of {lowest}",
                person(email)
            );
            story.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }
}
