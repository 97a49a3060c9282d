//! T1 and T2: from the hold to an attempt that may be confirmed.

use super::hold::{check_held, give_up};
use super::{Decision, Draft, Refusal, Reply};
use crate::{
    Attempt, AttemptState, Change, Effect, Order, OrderState, Payment, PaymentId, State, TimeMs,
};
use alloc::string::String;

/// Who begins to pay has at least so long to finish, whatever is left of the hold: 3-D Secure
/// takes minutes.
const PAYING_MS: i64 = 300_000;
/// The most attempts of one payment.
const MOST_ATTEMPTS: usize = 20;

/// T1: HELD → PAYING, only while the hold lives; and every further attempt after a decline.
pub(super) fn pay(
    state: &State,
    order: &Order,
    payment: PaymentId,
    live: bool,
    token: &str,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    let free = order.total().minor == 0;
    if !free
        && (token.is_empty() || token.len() > 255 || !token.chars().all(|c| c.is_ascii_graphic()))
    {
        return Err(Refusal::Invalid("the payment token is empty or malformed".into()));
    }
    if order.state == OrderState::Paying {
        return next_attempt(order, token, now);
    }
    check_held(order, now)?;

    // The point of no return.
    let mut draft = Draft::default();
    if free {
        draft.sell_and_issue(state, order);
        return draft.reply_order(order);
    }
    let attempt = Attempt { number: 1, token: token.into(), state: AttemptState::Pending };
    draft.changes.push(Change::OrderMoved {
        order: order.id,
        state: OrderState::Paying,
        until_ms: order.until_ms.max(now + PAYING_MS),
        due_ms: Some(now),
        tries: 0,
        trouble: None,
    });
    draft.effects.push(Effect::Settle(order.id));
    let payment = Payment { id: payment, intent: None, live, action: None, attempts: [].into() };
    draft.changes.push(Change::PaymentPut { order: order.id, payment });
    draft.changes.push(Change::AttemptPut { order: order.id, attempt });
    draft.reply(Reply::Paying { order: order.id, attempt: 1 })
}

fn next_attempt(order: &Order, token: &str, now: TimeMs) -> Result<Decision, Refusal> {
    let payment = order.payment.as_ref().expect("who is paying has a payment");
    if payment.open_attempt().is_some() {
        return Err(Refusal::PaymentUnderWay);
    }
    if now >= order.until_ms {
        return Err(Refusal::HoldExpired);
    }
    if payment.attempts.len() >= MOST_ATTEMPTS {
        return Err(Refusal::Invalid("too many declined attempts; order again".into()));
    }

    // The point of no return.
    let number = payment.attempts.len() as u16 + 1;
    let attempt = Attempt { number, token: token.into(), state: AttemptState::Pending };
    let mut draft = Draft::default();
    draft.owe(order, OrderState::Paying, now);
    draft.changes.push(Change::AttemptPut { order: order.id, attempt });
    draft.reply(Reply::Paying { order: order.id, attempt: number })
}

/// T2: the id of the object that will hold the money is recorded before it can hold any.
pub(super) fn intent_created(
    order: &Order,
    intent: &str,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    let Some(payment) = &order.payment else {
        return Err(Refusal::Invalid("this order has no payment".into()));
    };

    // The point of no return.
    let mut draft = Draft::default();
    match &payment.intent {
        Some(known) if known == intent => {}
        Some(known) => {
            let text = alloc::format!(
                "a second PaymentIntent {intent} beside {known}; it was never confirmed"
            );
            draft.alarm(order, text);
        }
        None => {
            let mut payment = payment.clone();
            payment.intent = Some(intent.into());
            draft.changes.push(Change::PaymentPut { order: order.id, payment });
            // PAYING goes on to confirm it. Elsewhere it came too late and must be cancelled.
            draft.owe(order, order.state, now);
        }
    }
    draft.reply_order(order)
}

/// The provider refused an attempt for good: the buyer may try again while there is time.
pub(super) fn attempt_declined(
    state: &State,
    order: &Order,
    number: u16,
    reason: &str,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    let payment = order.payment.as_ref();
    let open = payment.and_then(|p| p.open_attempt()).filter(|a| a.number == number);

    // The point of no return.
    let mut draft = Draft::default();
    if open.is_some() {
        draft.decide_attempt(order, AttemptState::Declined(reason.into()));
        if order.state == OrderState::Paying {
            draft.decline(state, order, now);
        }
    }
    draft.reply_order(order)
}

impl Draft {
    /// Records what became of the open attempt, and forgets the token.
    pub(super) fn decide_attempt(&mut self, order: &Order, outcome: AttemptState) {
        let Some(payment) = &order.payment else { return };
        let Some(open) = payment.open_attempt() else { return };
        let action = outcome == AttemptState::Action;
        let token = if action { open.token.clone() } else { String::new() };
        let attempt = Attempt { number: open.number, token, state: outcome };
        if payment.action.is_some() && !action {
            let payment = Payment { action: None, ..payment.clone() };
            self.changes.push(Change::PaymentPut { order: order.id, payment });
        }
        self.changes.push(Change::AttemptPut { order: order.id, attempt });
    }

    /// After a decline: wait for the next attempt until the deadline.
    pub(super) fn decline(&mut self, state: &State, order: &Order, now: TimeMs) {
        if now >= order.until_ms {
            give_up(self, state, order, now);
        } else {
            self.wait(order, order.until_ms, 0);
        }
    }
}
