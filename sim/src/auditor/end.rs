//! The end: everything must be settled and balanced.

use super::Auditor;
use crate::trace::{Promise, Trace};
use boxoffice::{OrderId, OrderState, Refund, RefundState, Tender, TicketState};
use nts_server::payments::fake::{Given, Moved};
use std::collections::BTreeMap;

impl Auditor {
    /// Whether somebody acted on its payment by hand.
    fn is_by_hand(&self, id: OrderId) -> bool {
        self.told.get(&id).is_some_and(|told| told.by_hand)
    }

    /// Whether somebody still owes something.
    pub fn owing(&self) -> Vec<OrderId> {
        let owing = self.orders.values().filter(|o| {
            o.due_ms.is_some()
                || !matches!(
                    o.state,
                    OrderState::Paid
                        | OrderState::Refunded
                        | OrderState::Released
                        | OrderState::Void
                )
        });
        owing.map(|o| o.id).collect()
    }

    /// The event was cancelled, and all of its orders are at rest: no money of them is kept, but for what the
    /// provider would not give back.
    pub fn all_went_back(&self, trace: &mut Trace, at_ms: i64, ledger: &BTreeMap<OrderId, Moved>) {
        for order in self.orders.values() {
            let failed = |r: &Refund| !r.by_hand && matches!(r.state, RefundState::Failed(_));
            let failed = order.refunds.iter().any(failed);
            let mut broken =
                |promise, text: String| trace.broken(at_ms, promise, Some(order.id), text);
            let over = matches!(
                order.state,
                OrderState::Refunded | OrderState::Released | OrderState::Void
            );
            if !over && !failed {
                let text = format!("its event was cancelled, and it is {:?}", order.state);
                broken(Promise::AllSettles, text);
            }
            if !failed && order.tickets.iter().any(|t| t.state == TicketState::Valid) {
                broken(Promise::AllSettles, "a ticket of a cancelled event is valid".into());
            }
            let moved = ledger.get(&order.id).cloned().unwrap_or_default();
            let kept = moved.captured - moved.refunded;
            if !failed && kept > moved.failed {
                let text = format!("{kept} is kept of an event that was cancelled");
                broken(Promise::MoneyIsTickets, text);
            }
        }
    }

    /// Everything must be settled and balanced now.
    pub fn settled(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        ledger: &BTreeMap<OrderId, Moved>,
        authorised: &[String],
        given: &[Given],
    ) {
        self.given_back(trace, at_ms, given);
        for order in self.orders.values() {
            let id = order.id;
            let mut broken = |promise, text: String| trace.broken(at_ms, promise, Some(id), text);
            match order.state {
                OrderState::Paid
                | OrderState::Refunded
                | OrderState::Released
                | OrderState::Void => {}
                state => broken(Promise::AllSettles, format!("it is still {state:?}")),
            }
            if order.due_ms.is_some() {
                broken(Promise::AllSettles, "something is still owed".into());
            }
            let moved = ledger.get(&id).cloned().unwrap_or_default();
            if order.tender.is_offline() && moved != Moved::default() {
                broken(Promise::MoneyIsTickets, "the provider knows of it".into());
            }
            let kept = match order.tender {
                Tender::Online => moved.captured - moved.refunded,
                // By the books: nobody else knows of it.
                Tender::Free | Tender::Cash | Tender::Terminal => {
                    order.total().minor - order.refunded().minor
                }
            };
            let valid = order.tickets.iter().filter(|t| t.state == TicketState::Valid);
            let worth: i64 = valid.map(|t| order.lines[usize::from(t.line)].unit_minor).sum();
            let by_hand: i64 =
                order.refunds.iter().filter(|r| r.by_hand).map(|r| r.amount_minor).sum();
            // Sums that went back beside tickets that are valid, or were to, until the bank sent them back.
            let beside = order.refunds.iter().filter(|r| {
                let went = r.given_minor() > 0 || r.failed_later();
                r.of_amount && went && r.quantities.iter().all(|n| *n == 0)
            });
            let beside: i64 = beside.map(|r| r.amount_minor).sum();
            let worth = (worth - beside).max(0);
            // Somebody gave a part back by hand while all of it was on its way back: what the provider
            // refuses then a person was told, and must do.
            let refused = |r: &&Refund| !r.by_hand && matches!(r.state, RefundState::Failed(_));
            let refused: i64 = match order.state {
                OrderState::Released | OrderState::Void if self.is_by_hand(id) => {
                    order.refunds.iter().filter(refused).map(|r| r.amount_minor).sum()
                }
                _ => 0,
            };
            // What a bank has sent back after it had taken it is here, and told; that the books call it so
            // is looked at above.
            if kept > worth + moved.failed + refused {
                broken(
                    Promise::MoneyIsTickets,
                    format!("{kept} is kept, the tickets are worth {worth}"),
                );
            }
            if worth > kept + by_hand {
                broken(
                    Promise::MoneyIsTickets,
                    format!(
                        "the tickets are worth {worth}, {kept} is kept and {by_hand} went back by hand"
                    ),
                );
            }
            let told = self.told.get(&id).cloned().unwrap_or_default();
            if told.paid && !matches!(order.state, OrderState::Paid | OrderState::Refunded) {
                broken(
                    Promise::NothingLost,
                    format!("it was shown as paid and is {:?}", order.state),
                );
            }
        }
        for (id, moved) in ledger.iter().filter(|(_, moved)| moved.captured > 0) {
            let by_hand = self.told.get(id).is_some_and(|t| t.by_hand);
            if !by_hand && self.may_pay.get(id).is_some_and(|may| *may <= 0) {
                let text = format!(
                    "{} was taken, and each attempt to pay was said to be declined",
                    moved.captured
                );
                trace.broken(at_ms, Promise::NoFalseAnswer, Some(*id), text);
            }
        }
        let mut has: BTreeMap<&str, i64> = BTreeMap::new();
        for order in self.orders.values() {
            *has.entry(self.owner(order).name.as_str()).or_default() += 1;
        }
        for (buyer, has) in has {
            let may = self.may_have.get(buyer).copied().unwrap_or(0);
            if has > may {
                let text =
                    format!("{buyer} has {has} orders, and was told that there are {may} at most");
                trace.broken(at_ms, Promise::NoFalseAnswer, None, text);
            }
        }
        for id in ledger.keys().filter(|id| !self.orders.contains_key(id)) {
            trace.broken(
                at_ms,
                Promise::MoneyIsTickets,
                Some(*id),
                "money of an order that is not recorded".into(),
            );
        }
        if let Some(intent) = authorised.first() {
            trace.broken(
                at_ms,
                Promise::AllSettles,
                None,
                format!("money is still set aside at {intent}"),
            );
        }
        for id in self.told.iter().filter(|(_, t)| t.held_until.is_some()).map(|(id, _)| id) {
            if !self.orders.contains_key(id) {
                trace.broken(
                    at_ms,
                    Promise::NothingLost,
                    Some(*id),
                    "it was told and is gone".into(),
                );
            }
        }
    }
}
