//! `reconcile`: what follows from a PaymentIntent that was read. Everything that may signal news
//! (the browser's return, a webhook, the timer, a restart) ends here, so none of them is believed.

use super::hold::give_up;
use super::{Decision, Draft, Refusal};
use crate::state::retry_ms;
use crate::{
    AttemptState, Change, Intent, IntentStatus, Order, OrderState, Payment, Refund, RefundId,
    RefundState, State, Ticket, TicketState, TimeMs,
};
use alloc::{format, string::String};

/// The table of states: order against PaymentIntent.
pub(super) fn reconcile(
    state: &State,
    order: &Order,
    intent: &Intent,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    let Some(payment) = &order.payment else {
        return Err(Refusal::Invalid("this order has no payment".into()));
    };
    if payment.intent.as_deref() != Some(intent.id.as_str()) {
        return Err(Refusal::Invalid("this is not the order's PaymentIntent".into()));
    }

    // The point of no return.
    let mut draft = Draft::default();
    match order.state {
        OrderState::Held => unreachable!("a payment moves its order out of HELD"),
        OrderState::Paying => paying(&mut draft, state, order, payment, intent, now),
        OrderState::Canceling => canceling(&mut draft, state, order, intent, now),
        OrderState::Committed => committed(&mut draft, state, order, intent, now),
        OrderState::Paid | OrderState::Refunding | OrderState::Refunded => {
            if order.state != OrderState::Refunding && order.due_ms.is_some() {
                draft.rest(order, order.state);
            }
            if intent.status != IntentStatus::Succeeded {
                draft.alarm(order, format!("paid, but its payment is {:?}", intent.status));
            }
        }
        OrderState::Released | OrderState::Void => late(&mut draft, order, payment, intent, now),
    }
    draft.reply_order(order)
}

fn paying(
    draft: &mut Draft,
    state: &State,
    order: &Order,
    payment: &Payment,
    intent: &Intent,
    now: TimeMs,
) {
    let open = payment.open_attempt();
    let over = now >= order.until_ms;
    match intent.status {
        IntentStatus::RequiresCapture => match mismatch(order, payment, intent) {
            None => {
                // T3: from here on the places are the buyer's, whatever happens.
                draft.decide_attempt(order, AttemptState::Authorised);
                draft.owe(order, OrderState::Committed, now);
                draft.stock(order, -1, 1);
            }
            Some(wrong) => {
                draft.decide_attempt(order, AttemptState::Abandoned);
                give_up(draft, state, order, now);
                draft.alarm(order, wrong);
            }
        },
        IntentStatus::Succeeded => {
            draft.decide_attempt(order, AttemptState::Authorised);
            draft.sell_and_issue(state, order);
            draft.alarm(order, "captured by somebody else before we committed");
        }
        IntentStatus::Canceled => {
            draft.decide_attempt(order, AttemptState::Abandoned);
            draft.release(state, order);
        }
        IntentStatus::Processing => {
            // The confirmation has arrived: from now on its outcome is read. Asked for again under
            // the same key, it would only be answered "processing" again, long after it is decided.
            if open.is_some_and(|a| a.state == AttemptState::Pending) {
                draft.decide_attempt(order, AttemptState::Action);
            }
            draft.wait(order, retry_ms(now, order.tries), order.tries + 1);
        }
        _ if over => {
            draft.decide_attempt(order, AttemptState::Abandoned);
            give_up(draft, state, order, now);
        }
        IntentStatus::RequiresAction => {
            if let Some(attempt) = open
                && (attempt.state == AttemptState::Pending || payment.action != intent.action)
            {
                draft.decide_attempt(order, AttemptState::Action);
                let payment = Payment { action: intent.action.clone(), ..payment.clone() };
                draft.changes.push(Change::PaymentPut { order: order.id, payment });
            }
            draft.poll(order, now);
        }
        IntentStatus::RequiresPaymentMethod => match open.map(|a| &a.state) {
            Some(AttemptState::Action) => {
                let reason = intent.last_error.clone();
                let reason = reason.unwrap_or_else(|| "The bank did not confirm it.".into());
                draft.decide_attempt(order, AttemptState::Declined(reason));
                draft.decline(state, order, now);
            }
            // The confirmation has not arrived, or has not arrived yet: ask again, same key.
            Some(_) => draft.poll(order, now),
            None => draft.wait(order, order.until_ms, 0),
        },
        IntentStatus::RequiresConfirmation => draft.poll(order, now),
    }
}

fn canceling(draft: &mut Draft, state: &State, order: &Order, intent: &Intent, now: TimeMs) {
    match intent.status {
        IntentStatus::Canceled => draft.release(state, order),
        IntentStatus::Succeeded => {
            draft.sell_and_issue(state, order);
            draft.alarm(order, "captured while it was being cancelled; the places were kept");
        }
        _ => draft.wait(order, retry_ms(now, order.tries), order.tries + 1),
    }
}

fn committed(draft: &mut Draft, state: &State, order: &Order, intent: &Intent, now: TimeMs) {
    match intent.status {
        // T4: the money is seen.
        IntentStatus::Succeeded => draft.issue(state, order),
        IntentStatus::Canceled => {
            draft.rest(order, OrderState::Void);
            draft.stock(order, 0, -1);
            draft.forget_places(state, order, order.lines.iter().map(|l| l.quantity).sum());
            draft.alarm(order, "the authorisation ended before it was captured");
        }
        IntentStatus::RequiresCapture | IntentStatus::Processing => {
            draft.wait(order, retry_ms(now, order.tries), order.tries + 1);
        }
        other => {
            draft.wait(order, retry_ms(now, order.tries), order.tries + 1);
            draft.alarm(order, format!("authorised before, but now its payment is {other:?}"));
        }
    }
}

/// RELEASED and VOID: the places are gone, so no money may stay.
fn late(draft: &mut Draft, order: &Order, payment: &Payment, intent: &Intent, now: TimeMs) {
    let refund = order.refunds.first().map(|r| &r.state);
    match intent.status {
        // A refund that is owed stays so until the provider has answered it, whatever is read.
        _ if refund == Some(&RefundState::Pending) => {}
        IntentStatus::Canceled => draft.rest(order, order.state),
        IntentStatus::Succeeded => match refund {
            None => refund_all(draft, order, payment, intent, now),
            Some(RefundState::Pending | RefundState::Succeeded(_)) => {
                draft.rest(order, order.state);
            }
            Some(RefundState::Failed(reason)) => {
                draft.rest(order, order.state);
                draft.alarm(order, format!("the provider refused the refund: {reason}"));
            }
        },
        _ => draft.wait(order, retry_ms(now, order.tries), order.tries + 1),
    }
}

/// Gives back all the money of an order that has no places any more.
fn refund_all(draft: &mut Draft, order: &Order, payment: &Payment, intent: &Intent, now: TimeMs) {
    draft.owe(order, order.state, now);
    let refund = Refund {
        // One id for ever: this refund is made at most once for this payment.
        id: RefundId(payment.id.0),
        amount_minor: intent.amount.minor,
        quantities: order.lines.iter().map(|_| 0).collect(),
        restock: false,
        state: RefundState::Pending,
    };
    draft.changes.push(Change::RefundPut { order: order.id, refund });
    draft.alarm(order, "paid although it was released; the money goes back in full");
}

/// What is wrong with an authorisation that claims to be for this order.
fn mismatch(order: &Order, payment: &Payment, intent: &Intent) -> Option<String> {
    if intent.amount != order.total() {
        return Some(format!("authorised {} for {}", intent.amount, order.total()));
    }
    if intent.live != payment.live {
        return Some("authorised in the other mode (live or test)".into());
    }
    if intent.order != Some(order.id) || intent.payment != Some(payment.id) {
        return Some("authorised for another order".into());
    }
    None
}

/// What is owed could not be done: later, and a little later each time.
pub(super) fn defer(
    order: &Order,
    trouble: &str,
    wait_ms: Option<i64>,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    // The point of no return.
    let mut draft = Draft::default();
    if order.due_ms.is_some() {
        let due_ms = retry_ms(now, order.tries).max(now + wait_ms.unwrap_or(0).clamp(0, 60_000));
        draft.changes.push(Change::OrderMoved {
            order: order.id,
            state: order.state,
            until_ms: order.until_ms,
            due_ms: Some(due_ms),
            tries: order.tries.saturating_add(1),
            trouble: Some(trouble.into()),
        });
    }
    draft.reply_order(order)
}

impl Draft {
    /// Look again soon, and at the deadline at the latest.
    fn poll(&mut self, order: &Order, now: TimeMs) {
        let due_ms = retry_ms(now, order.tries).min(order.until_ms.max(now));
        self.wait(order, due_ms, order.tries + 1);
    }

    /// From held places straight to tickets: a free order, or money that is already there.
    pub(super) fn sell_and_issue(&mut self, state: &State, order: &Order) {
        self.stock(order, -1, 1);
        self.issue(state, order);
    }

    /// T4: the order is paid, and every place gets its ticket.
    fn issue(&mut self, state: &State, order: &Order) {
        assert!(order.tickets.is_empty(), "tickets are issued once");
        self.rest(order, OrderState::Paid);
        let event = state.events.get(&order.event).expect("an order is loaded with its event");
        let mut serial = event.serials;
        for (index, line) in order.lines.iter().enumerate() {
            for _ in 0..line.quantity {
                serial += 1;
                let ticket = Ticket { serial, line: index as u16, state: TicketState::Valid };
                self.changes.push(Change::TicketPut {
                    order: order.id,
                    event: order.event,
                    ticket,
                });
            }
        }
    }
}
