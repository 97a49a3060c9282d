//! T1 and T2: from the hold to an attempt that may be confirmed.

use crate::draft::{Draft, moved};
use crate::event::sale::check_takes_place;
use crate::mutant::{Mutant, on};
use crate::order::answer::check_answered;
use crate::order::hold::{check_held, give_up};
use crate::payment::MOST_ATTEMPTS;
use crate::{
    Attempt, AttemptState, Change, Effect, Order, OrderState, Payment, PaymentId, Standing, State,
    TimeMs,
};
use crate::{Decision, Refusal, Reply};
use alloc::string::String;

/// Who begins to pay has at least so long to finish, whatever is left of the hold: 3-D Secure
/// takes minutes.
const PAYING_MS: i64 = 300_000;

/// T1: HELD → PAYING, only while the hold lives; and every further attempt, after a decline or
/// instead of one that waits for the buyer.
pub(crate) fn pay(
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
        check_takes_place(state, order)?;
        return next_attempt(order, token, now);
    }
    check_held(order, now)?;
    check_takes_place(state, order)?;
    // A payment that has begun goes on, whatever is asked since.
    check_answered(state, order)?;

    // The point of no return.
    let mut draft = Draft::default();
    if free {
        draft.sell_and_issue(state, order);
        return draft.reply_order(order);
    }
    let attempt = attempt(1, token, now);
    let to = Standing {
        state: OrderState::Paying,
        until_ms: order.until_ms.max(now + PAYING_MS),
        due_ms: Some(now),
        tries: 0,
        trouble: None,
    };
    draft.changes.push(Change::OrderMoved { order: order.id, to });
    draft.effects.push(Effect::Settle(order.id));
    let payment = Payment {
        id: payment,
        intent: None,
        live,
        action: None,
        dispute: None,
        attempts: [].into(),
    };
    draft.changes.push(Change::PaymentPut { order: order.id, payment });
    draft.changes.push(Change::AttemptPut { order: order.id, attempt });
    draft.reply(Reply::Paying { order: order.id, attempt: 1 })
}

fn next_attempt(order: &Order, token: &str, now: TimeMs) -> Result<Decision, Refusal> {
    let payment = order.payment.as_ref().expect("who is paying has a payment");
    if payment.open_attempt().is_some_and(|open| !may_be_replaced(payment, open, token)) {
        return Err(Refusal::PaymentUnderWay);
    }
    if order.over(now) {
        return Err(Refusal::PaymentExpired);
    }
    if !payment.has_attempts_left() {
        let (most, until_ms) = (MOST_ATTEMPTS as u32, order.until_ms);
        return Err(Refusal::TooManyAttempts { most, until_ms });
    }

    // The point of no return.
    let number = payment.attempts.len() as u16 + 1;
    let attempt = attempt(number, token, now);
    let mut draft = Draft::default();
    let order = &draft.decide_attempt(order, AttemptState::Abandoned, now);
    draft.schedule_now(order, OrderState::Paying, now);
    draft.changes.push(Change::AttemptPut { order: order.id, attempt });
    draft.reply(Reply::Paying { order: order.id, attempt: number })
}

/// Whether another card may take the place of an attempt that is not decided: only while the buyer has
/// to do something for it. What a card network processes cannot be taken back, and the same token is
/// the same form sent twice. The new card confirms the same PaymentIntent, which takes money once: if
/// the buyer does after all what the first bank asked for, that decides the payment as ever.
fn may_be_replaced(payment: &Payment, open: &Attempt, token: &str) -> bool {
    open.state == AttemptState::Action && payment.action.is_some() && open.token != token
}

/// From now on it is owed, and the order's clock stands still.
fn attempt(number: u16, token: &str, now: TimeMs) -> Attempt {
    Attempt { number, token: token.into(), begun_ms: now, state: AttemptState::Pending }
}

/// T2: the id of the object that will hold the money is recorded before it can hold any.
pub(crate) fn intent_created(
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
            draft.schedule_now(order, order.state, now);
        }
    }
    draft.reply_order(order)
}

/// The provider refused an attempt for good: the buyer may try again while there is time. It may
/// have refused to create the PaymentIntent already (too small an amount, say); the next attempt
/// asks for it anew.
pub(crate) fn attempt_declined(
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
    if open.is_some() && on(Mutant::DeclinedIsPaid) {
        let order = &draft.decide_attempt(order, AttemptState::Authorised, now);
        draft.sell_and_issue(state, order);
    } else if open.is_some() {
        let order = &draft.decide_attempt(order, AttemptState::Declined(reason.into()), now);
        if order.state == OrderState::Paying {
            draft.decline(state, order, now);
        }
    }
    draft.reply_order(order)
}

impl Draft {
    /// Records what became of the open attempt, if there is one, and forgets the token. Gives back
    /// the order as it is then, from which the decision must go on: if the attempt was pending, the
    /// clock runs again, and the deadline is later by as long as it stood still.
    #[must_use]
    pub(crate) fn decide_attempt(
        &mut self,
        order: &Order,
        outcome: AttemptState,
        now: TimeMs,
    ) -> Order {
        let mut next = order.clone();
        let Some(payment) = &mut next.payment else { return next };
        let Some(open) = payment.open_attempt() else { return next };
        if open.state == AttemptState::Pending && !on(Mutant::WaitNotAdded) {
            next.until_ms += (now - open.begun_ms).max(0);
        }
        let mut attempt = Attempt { state: outcome, ..open.clone() };
        if attempt.state != AttemptState::Action {
            attempt.token = String::new();
            if payment.action.take().is_some() {
                let payment = payment.clone();
                self.changes.push(Change::PaymentPut { order: order.id, payment });
            }
        }
        self.changes.push(Change::AttemptPut { order: order.id, attempt: attempt.clone() });
        payment.attempts.pop();
        payment.attempts.push(attempt);
        next
    }

    /// After a decline: wait for the next attempt until the deadline. Nothing is in trouble any more.
    pub(crate) fn decline(&mut self, state: &State, order: &Order, now: TimeMs) {
        if order.over(now) {
            give_up(self, state, order, now);
        } else {
            self.changes.push(moved(order, order.state, Some(order.until_ms)));
        }
    }
}
