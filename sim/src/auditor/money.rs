//! The provider's ledger.

use super::Auditor;
use crate::trace::{Promise, Trace};
use boxoffice::{IntentStatus, OrderId, OrderState, RefundState};
use nts_server::payments::fake::{Given, Moved};
use std::collections::{BTreeMap, BTreeSet};

impl Auditor {
    /// The provider's ledger, each time that something was done there.
    pub fn ledger(&mut self, trace: &mut Trace, at_ms: i64, all: BTreeMap<OrderId, Moved>) {
        for (id, moved) in all {
            let before = self.moved.get(&id).cloned().unwrap_or_default();
            if before == moved {
                continue;
            }
            let by_hand = self.told.get(&id).is_some_and(|t| t.by_hand);
            let mut broken = |text: String| {
                trace.broken(at_ms, Promise::MoneyIsTickets, Some(id), text);
            };
            let Some(order) = self.orders.get(&id) else {
                broken("money moved for an order that is not recorded".into());
                continue;
            };
            let total = order.total().minor;
            if moved.captured > total {
                broken(format!("{} was taken of {total}", moved.captured));
            }
            if moved.refunded > moved.captured {
                broken(format!("{} was given back of {}", moved.refunded, moved.captured));
            }
            if moved.captured > before.captured
                && !by_hand
                && !matches!(order.state, OrderState::Committed)
            {
                broken(format!("money was taken while the order is {:?}", order.state));
            }
            let given: i64 = order
                .refunds
                .iter()
                .filter(|r| !r.by_hand && !matches!(r.state, RefundState::Failed(_)))
                .map(|r| r.amount_minor)
                .sum();
            if !by_hand && moved.refunded > given {
                broken(format!("{} went back, {given} was to", moved.refunded));
            }
            trace.tell(
                at_ms,
                Some(id),
                format!(
                    "the provider has taken {} and given back {}",
                    moved.captured, moved.refunded
                ),
            );
            if moved.captured > 0 {
                self.taken.entry(id).or_insert(self.step);
            }
            self.moved.insert(id, moved);
        }
    }

    /// The orders whose places went back since it was last asked, each with its payment.
    pub fn take_freed(&mut self) -> Vec<(OrderId, String)> {
        std::mem::take(&mut self.freed)
    }

    /// The places of an order went back, and this is how its payment stands. It must not be able to succeed any
    /// more: what has succeeded goes back to the buyer.
    pub fn freed_while(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        (order, intent): (OrderId, &str),
        status: Option<IntentStatus>,
    ) {
        if !matches!(status, Some(IntentStatus::Canceled | IntentStatus::Succeeded)) {
            let status = status.map_or("unknown".into(), |status| format!("{status:?}"));
            let text = format!("its places went back while {intent} is {status} at the provider");
            trace.broken(at_ms, Promise::MoneyIsTickets, Some(order), text);
        }
    }

    /// The refunds in the books are those that gave money back at the provider, one by one: none that
    /// failed, none that only set free what was never taken, and none is missing.
    pub(super) fn given_back(&self, trace: &mut Trace, at_ms: i64, given: &[Given]) {
        let given: BTreeMap<&str, &Given> = given.iter().map(|g| (g.id.as_str(), g)).collect();
        let mut booked = BTreeSet::new();
        // What was paid in cash is given back in cash.
        for order in self.orders.values().filter(|order| !order.tender.is_offline()) {
            for refund in &order.refunds {
                let RefundState::Succeeded(id) = &refund.state else { continue };
                let mut broken = |what: &str| {
                    let text = format!("{id} is a refund in the books, and {what}");
                    trace.broken(at_ms, Promise::MoneyIsTickets, Some(order.id), text);
                };
                match given.get(id.as_str()) {
                    None if refund.amount_minor == 0 => {}
                    None => broken("the provider does not know it"),
                    Some(g) if g.failed => broken("it failed"),
                    Some(g) if g.release => broken("it only released what was never taken"),
                    Some(g) if g.amount != refund.amount_minor || g.order != Some(order.id) => {
                        broken("the provider says otherwise of it");
                    }
                    Some(_) => {}
                }
                booked.insert(id.as_str());
            }
        }
        let missing = given.values().filter(|g| !g.failed && !g.pending && !g.release);
        for g in missing.filter(|g| !booked.contains(g.id.as_str())) {
            let text = format!("{} of {} went back, and the books do not have it", g.id, g.amount);
            trace.broken(at_ms, Promise::MoneyIsTickets, g.order, text);
        }
    }
}
