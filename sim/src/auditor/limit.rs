//! The limit per buyer.

use super::history::Question;
use super::{Asked, Auditor};
use crate::trace::{Promise, Trace};
use boxoffice::{Order, OrderState, RefundState};
use std::collections::{BTreeMap, BTreeSet};

/// What stands for the limit per buyer of an event that has none.
pub(super) const NO_LIMIT: u32 = u32::MAX;

/// The person behind an address of the simulation. Not by the server's rule: what stands before the
/// `@` is plain there, and all domains are one.
pub(super) fn person(name: &str, email: &str) -> String {
    if email.trim().is_empty() {
        return format!("somebody called {}", name.trim().to_ascii_lowercase());
    }
    let name = email.split('@').next().unwrap_or_default();
    name.trim().to_ascii_lowercase()
}

/// The person behind an order.
pub(super) fn person_of(order: &Order) -> String {
    person(&order.buyer.name, &order.buyer.email)
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
        trace: &mut Trace,
        at_ms: i64,
        people: &BTreeSet<String>,
        bought: &BTreeMap<String, u32>,
        asked: &Asked,
    ) {
        let Some(event) = self.events.values().next() else { return };
        let step = self.step;
        let last = event.spec.limit_per_buyer.unwrap_or(NO_LIMIT);
        let before = self.limits.last().map_or(last, |limit| limit.last);
        let limits = asked.puts.iter().map(|spec| spec.limit_per_buyer.unwrap_or(NO_LIMIT));
        let limits = limits.chain([last, before]);
        let lowest = limits.clone().min().unwrap_or(last);
        let highest = limits.max().unwrap_or(last);
        if self.limits.last().is_none_or(|l| (l.last, l.lowest) != (last, lowest)) {
            self.limits.push(Limit { step, last, lowest });
        }
        for who in people {
            let mine = self.orders.values().filter(|o| person_of(o) == *who);
            let last: u32 = mine.map(counts).sum();
            let new = bought.get(who).copied().unwrap_or(0);
            let had = self.had.entry(who.clone()).or_default();
            let before = had.last().map_or(0, |had| had.last);
            had.push(Had { step, last, most: last.max(before + new) });
            // More than that is only right if it was so before, under another limit.
            if new > 0 && last > before && last > highest {
                let text = format!("{who} has {last} places, and the limit is {highest}");
                trace.broken(at_ms, Promise::NeverOversold, None, text);
            }
        }
    }

    /// Whether these places were more than the limit allows at some moment since the question. What the
    /// answer says of the limit and of what the buyer has is `told`.
    pub(super) fn over_limit(
        &self,
        asked: Question,
        who: &str,
        wanted: i64,
        told: Option<(i64, i64)>,
    ) -> Result<(), String> {
        // Up to the one that was there when it was asked.
        let (mut lowest, mut limits) = (NO_LIMIT, BTreeSet::new());
        for limit in self.limits.iter().rev() {
            lowest = lowest.min(limit.lowest);
            limits.extend([limit.last, limit.lowest]);
            if limit.step <= asked.step {
                break;
            }
        }
        let mut most = 0;
        for had in self.had.get(who).into_iter().flatten().rev() {
            most = most.max(had.most);
            if had.step <= asked.step {
                break;
            }
        }
        if self.limits.is_empty() || i64::from(most) + wanted > i64::from(lowest) {
            let Some((limit, has)) = told else { return Ok(()) };
            let known = limits.iter().any(|known| i64::from(*known) == limit);
            if (known || limits.len() > 2) && has <= i64::from(most) && has + wanted > limit {
                return Ok(());
            }
            return Err(format!(
                "{who} had {most} at most of {limits:?}, and is told {has} of {limit}"
            ));
        }
        Err(format!("{who} had {most} at most of {lowest}, and wants {wanted}"))
    }
}
