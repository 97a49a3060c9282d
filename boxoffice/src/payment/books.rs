//! The money as the provider's own books tell it, once some was taken: whether it is the right sum,
//! what was given back by hand in the provider's desk, and what the cardholder disputes.

use super::settle::{self, Reading};
use crate::draft::Draft;
use crate::mutant::{Mutant, on};
use crate::payment::FAILED_LATER;
use crate::{
    Change, Intent, Line, Money, Order, OrderState, Payment, Refund, RefundId, RefundSeen,
    RefundState, State, Ticket, TicketState, TimeMs,
};
use alloc::{format, string::String, vec, vec::Vec};

/// What is wrong with money that was taken for this order. Whose it is need not be asked: we
/// recorded the PaymentIntent's id ourselves.
fn wrong_money(order: &Order, payment: &Payment, intent: &Intent) -> Option<String> {
    let taken = Money { minor: intent.received_minor, currency: intent.amount.currency };
    if taken != order.total() && !on(Mutant::SumNotChecked) {
        return Some(format!("received {taken} for {}", order.total()));
    }
    (intent.live != payment.live).then(|| "received in the other mode (live or test)".into())
}

/// The refunds of a payment that our books do not have: somebody made them by hand. One that we
/// owe is known by our id of it, and the provider's answer to it is still to come.
fn unknown(order: &Order, intent: &Intent) -> Vec<(Refund, String)> {
    let known = |provider_id: &String| {
        order.refunds.iter().any(|r| match &r.state {
            RefundState::Succeeded(id) => id == provider_id,
            RefundState::Failed(id) => r.by_hand && id == provider_id,
            RefundState::Pending => false,
        })
    };
    let mut found: Vec<(Refund, String)> = Vec::new();
    for seen in &intent.refunds {
        let ours = seen.ours.is_some_and(|id| order.refunds.iter().any(|r| r.id == id));
        let twice = found.iter().any(|(_, id)| *id == seen.provider_id);
        if seen.failed || seen.amount_minor <= 0 || ours || twice || known(&seen.provider_id) {
            continue;
        }
        let used = order.refunds.iter().chain(found.iter().map(|(r, _)| r));
        assert!(used.into_iter().all(|r| r.id != seen.fresh), "a fresh id is in use");
        let refund = Refund {
            id: seen.fresh,
            amount_minor: seen.amount_minor,
            quantities: vec![0; order.lines.len()],
            restock: false,
            state: RefundState::Succeeded(seen.provider_id.clone()),
            by_hand: true,
            of_amount: false,
        };
        found.push((refund, seen.provider_id.clone()));
    }
    found
}

/// Whether the provider has made this refund of ours, which our books call refused.
fn given_up(refund: &Refund, seen: &RefundSeen) -> bool {
    let refused = matches!(refund.state, RefundState::Failed(_)) && !refund.failed_later();
    refused && !refund.by_hand && seen.ours == Some(refund.id)
}

fn done_after_all(order: &Order, seen: &RefundSeen, then: &str) -> String {
    let sum = Money { minor: seen.amount_minor, currency: order.currency };
    format!("the refund of {sum} ({}) was refused, but it was made; {then}", seen.provider_id)
}

impl Draft {
    /// The money was taken. T4 if it is what the order costs; else there are no tickets for it, and
    /// all of it goes back. `order` is the order of the reading as it is by now.
    pub(crate) fn received(&mut self, reading: &Reading<'_>, order: &Order, news: Option<&str>) {
        let Reading { state, order: loaded, payment, intent, now, .. } = *reading;
        let committed = order.state == OrderState::Committed;
        if let Some(wrong) = wrong_money(order, payment, intent) {
            if committed {
                self.void(state, order);
            } else {
                self.release(state, order);
            }
            let then = if committed { OrderState::Void } else { OrderState::Released };
            let refunds = self.take_in(state, order, intent);
            let left = intent.received_minor - refunds.iter().map(Refund::given_minor).sum::<i64>();
            self.refund_all(order, then, payment, left, now);
            self.alarm(
                order,
                format!("{wrong}; there are no tickets for it, and it goes back in full"),
            );
            return;
        }
        if committed {
            self.issue(state, order);
        } else {
            self.sell_and_issue(state, order);
        }
        if let Some(news) = news {
            self.alarm(order, news);
        }
        if intent.order != Some(order.id) || intent.payment != Some(payment.id) {
            self.alarm(order, "paid, but the payment says that it is for another order");
        }
        // Whoever took it by hand may have given it back by hand before we looked.
        if !intent.refunds.is_empty() || intent.dispute.is_some() {
            let next = self.outcome(state, loaded);
            let order = &next.orders[&order.id];
            let payment = order.payment.as_ref().expect("it was paid");
            let reading = Reading { state: &next, order, payment, fresh: true, ..*reading };
            settle::paid(self, &reading);
        }
    }

    /// Owes what is `left` of the money of an order that has no places any more, once for ever.
    pub(crate) fn refund_all(
        &mut self,
        order: &Order,
        state: OrderState,
        payment: &Payment,
        left: i64,
        now: TimeMs,
    ) {
        if left <= 0 {
            if order.due_ms.is_some() {
                self.set_idle(order, state);
            }
            return;
        }
        self.schedule_now(order, state, now);
        let refund = Refund {
            // One id for ever: this refund is made at most once for this payment.
            id: RefundId(payment.id.0),
            amount_minor: left,
            quantities: vec![0; order.lines.len()],
            restock: false,
            state: RefundState::Pending,
            by_hand: false,
            of_amount: false,
        };
        self.changes.push(Change::RefundPut { order: order.id, refund });
    }

    /// Takes into our books what others did with the money since we last looked, and gives back the
    /// refunds as they are by now. If that was the rest of a PAID order's money, its tickets go.
    pub(crate) fn take_in(&mut self, state: &State, order: &Order, intent: &Intent) -> Vec<Refund> {
        let mut refunds = order.refunds.clone();
        self.take_in_failures(order, intent, &mut refunds);
        self.take_in_done(order, intent, &mut refunds);
        let found = unknown(order, intent);
        if found.is_empty() {
            return refunds;
        }
        refunds.extend(found.iter().map(|(refund, _)| refund.clone()));
        let back: i64 = refunds.iter().map(Refund::given_minor).sum();
        let all = order.state == OrderState::Paid && back >= order.total().minor;
        if all && let Some(last) = refunds.last_mut() {
            let mut lines = order.lines.clone();
            let places = self.revoke_all(order, &mut lines, last);
            self.changes.push(Change::LinesPut { order: order.id, lines });
            self.set_idle(order, OrderState::Refunded);
            self.forget_places(state, order, places);
        }
        for refund in &refunds[order.refunds.len()..] {
            self.changes.push(Change::RefundPut { order: order.id, refund: refund.clone() });
        }
        let minor = found.iter().map(|(refund, _)| refund.amount_minor).sum();
        let sum = Money { minor, currency: order.currency };
        let ids: Vec<&str> = found.iter().map(|(_, id)| id.as_str()).collect();
        let then = match order.state {
            OrderState::Paid if all => "; that is all of it, and the tickets are revoked",
            OrderState::Paid | OrderState::Refunding | OrderState::Refunded => {
                "; no ticket was revoked by it"
            }
            _ => "",
        };
        self.alarm(order, format!("{sum} given back by hand ({}){then}", ids.join(", ")));
        refunds
    }

    /// Refunds that went through and failed after all: the bank did not take the money.
    fn take_in_failures(&mut self, order: &Order, intent: &Intent, refunds: &mut [Refund]) {
        for seen in intent.refunds.iter().filter(|seen| seen.failed) {
            let same = |r: &&mut Refund| matches!(&r.state, RefundState::Succeeded(id) if *id == seen.provider_id);
            let Some(refund) = refunds.iter_mut().find(same) else { continue };
            let sum = Money { minor: refund.amount_minor, currency: order.currency };
            let text = format!("the refund of {sum} ({}) failed after all", seen.provider_id);
            if on(Mutant::LateFailureIgnored) {
                continue;
            }
            // Its tickets stay revoked, for their places may be sold. The money is owed back: see
            // `Order::owed_back`.
            if refund.by_hand {
                refund.state = RefundState::Failed(seen.provider_id.clone());
                self.alarm(order, format!("{text}; what tickets it revoked stay revoked"));
            } else {
                let why = format!("{FAILED_LATER} ({})", seen.provider_id);
                refund.state = RefundState::Failed(why);
                let then = match refund.reduces_minor() {
                    0 => {
                        "the buyer has neither ticket nor money: refund it again, or pay it back in another way"
                    }
                    _ => {
                        "no ticket was revoked by it: refund it again, or pay it back in another way"
                    }
                };
                self.alarm(order, format!("{text}; {then}"));
            }
            let refund = refund.clone();
            self.changes.push(Change::RefundPut { order: order.id, refund });
        }
    }

    /// Refunds of ours that were refused, as far as we know, and that the provider has made all the
    /// same.
    fn take_in_done(&mut self, order: &Order, intent: &Intent, refunds: &mut [Refund]) {
        for seen in intent.refunds.iter().filter(|seen| seen.done) {
            let Some(refund) = refunds.iter_mut().find(|r| given_up(r, seen)) else { continue };
            refund.state = RefundState::Succeeded(seen.provider_id.clone());
            // Its tickets are valid again, or another refund has taken them.
            (refund.quantities, refund.restock) = (vec![0; order.lines.len()], false);
            let refund = refund.clone();
            self.changes.push(Change::RefundPut { order: order.id, refund });
            self.alarm(order, done_after_all(order, seen, "no ticket was revoked by it"));
        }
    }

    /// The same of a PAID order: there the tickets go with the money. Gives the order as it is then,
    /// from which the decision must go on.
    pub(crate) fn revoke_for_done(
        &mut self,
        state: &State,
        order: &Order,
        intent: &Intent,
    ) -> Option<State> {
        let refund = |seen: &&RefundSeen| order.refunds.iter().find(|r| given_up(r, seen));
        let seen = intent.refunds.iter().filter(|s| s.done).find(|s| refund(s).is_some())?;
        let state_of = RefundState::Succeeded(seen.provider_id.clone());
        let mut refund = Refund { state: state_of, ..refund(&seen)?.clone() };
        let then = match refund.of_amount {
            true => "no ticket was revoked by it",
            false => "its tickets are revoked",
        };
        if !self.made_after_all(state, order, &mut refund) {
            return None;
        }
        self.changes.push(Change::RefundPut { order: order.id, refund });
        self.alarm(order, done_after_all(order, seen, then));
        Some(self.outcome(state, order))
    }

    /// Nothing is left of the money: every ticket that is still valid is revoked, on account of a
    /// refund made by hand. Tells how many places that were.
    pub(crate) fn revoke_all(
        &mut self,
        order: &Order,
        lines: &mut [Line],
        hand: &mut Refund,
    ) -> u32 {
        assert!(hand.took_no_tickets(), "a refund of ours revokes what it was asked to");
        let mut places = 0;
        for (line, quantity) in lines.iter_mut().zip(&mut hand.quantities) {
            places += line.quantity - line.refunded;
            *quantity += line.quantity - line.refunded;
            line.refunded = line.quantity;
        }
        for ticket in order.tickets.iter().filter(|t| t.state == TicketState::Valid) {
            let ticket = Ticket { state: TicketState::Revoked, ..ticket.clone() };
            let (order, event) = (order.id, order.event);
            self.changes.push(Change::TicketPut { order, event, ticket });
        }
        places
    }

    /// Records what the cardholder disputes, and tells a person when it begins and when it gets
    /// elsewhere.
    pub(crate) fn note_dispute(&mut self, order: &Order, payment: &Payment, intent: &Intent) {
        let Some(dispute) = &intent.dispute else { return };
        if payment.dispute.as_ref() == Some(dispute) {
            return;
        }
        let same = |d: &&crate::Dispute| d.id == dispute.id && d.status == dispute.status;
        let told = payment.dispute.as_ref().filter(same).is_some();
        let payment = Payment { dispute: Some(dispute.clone()), ..payment.clone() };
        self.changes.push(Change::PaymentPut { order: order.id, payment });
        if !told {
            let sum = Money { minor: dispute.amount_minor, currency: order.currency };
            self.alarm(order, format!("{sum} disputed by the cardholder: {}", dispute.status));
        }
    }
}
