//! `reconcile`: what follows from a PaymentIntent that was read. Everything that may signal news
//! (the browser's return, a webhook, the timer, a restart) ends here, so none of them is believed.

use crate::draft::Draft;
use crate::mutant::{Mutant, on};
use crate::order::STUCK;
use crate::order::hold::give_up;
use crate::state::{
    REFUND_PAUSE_MS, REFUND_TRIES, SLOW_TRIES, SLOW_TRIES_MS, STUCK_TRIES, retry_ms,
};
use crate::{Alarm, Decision, Refusal};
use crate::{
    AttemptState, Change, CodeRule, Intent, IntentStatus, Order, OrderState, Payment, Refund,
    RefundState, SeenVersion, Standing, State, Ticket, TicketState, TimeMs,
};
use alloc::{format, string::String};

/// The table of states: order against PaymentIntent. What cannot become untrue (that money was
/// taken or set aside, that the payment is dead) counts whenever it was read; the rest only if
/// nothing has happened since it was asked for.
pub(crate) fn reconcile(
    state: &State,
    order: &Order,
    intent: &Intent,
    known: SeenVersion,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    let Some(payment) = &order.payment else {
        return Err(Refusal::Invalid("this order has no payment".into()));
    };
    if payment.intent.as_deref() != Some(intent.id.as_str()) {
        return Err(Refusal::Invalid("this is not the order's PaymentIntent".into()));
    }

    let fresh = SeenVersion { answers: false, ..known } == SeenVersion::of(order);
    let reading = &Reading { state, order, payment, intent, fresh, answers: known.answers, now };
    // The point of no return.
    let mut draft = Draft::default();
    match order.state {
        OrderState::Held => unreachable!("a payment moves its order out of HELD"),
        OrderState::Paying => paying(&mut draft, reading),
        OrderState::Canceling => canceling(&mut draft, reading),
        OrderState::Committed => committed(&mut draft, reading),
        OrderState::Paid | OrderState::Refunding | OrderState::Refunded => {
            paid(&mut draft, reading);
        }
        OrderState::Released | OrderState::Void => late(&mut draft, reading),
    }
    draft.reply_order(order)
}

/// A PaymentIntent that was read, and the order that it is about.
pub(crate) struct Reading<'a> {
    /// What was loaded.
    pub(crate) state: &'a State,
    /// The order as it was loaded.
    pub(crate) order: &'a Order,
    /// The order's payment.
    pub(crate) payment: &'a Payment,
    /// What the provider says of it.
    pub(crate) intent: &'a Intent,
    /// Whether nothing has happened to the order since the provider was asked.
    pub(crate) fresh: bool,
    /// Whether it is the answer to the confirmation of the pending attempt.
    pub(crate) answers: bool,
    /// The time.
    pub(crate) now: TimeMs,
}

fn paying(draft: &mut Draft, reading: &Reading<'_>) {
    let Reading { state, order, payment, intent, fresh, answers, now } = *reading;
    let open = payment.open_attempt();
    let over = order.over(now);
    // What waits at the provider may be the attempt that this one replaces: only the answer to
    // confirming tells. Confirmed once more under its key, it is answered once more.
    let pending = payment.pending_attempt().is_some();
    let answered = fresh && answers;
    let of_another = pending && payment.replaces() && !answered;
    match intent.status {
        IntentStatus::RequiresCapture if on(Mutant::TicketsOnAuthorisation) => {
            let order = &draft.decide_attempt(order, AttemptState::Authorised, now);
            draft.sell_and_issue(state, order);
        }
        IntentStatus::RequiresCapture => match mismatch(order, payment, intent) {
            None => {
                // T3: from here on the places are the buyer's, whatever happens.
                let order = &draft.decide_attempt(order, AttemptState::Authorised, now);
                draft.schedule_now(order, OrderState::Committed, now);
                draft.stock(order, -1, 1);
            }
            Some(wrong) => {
                let order = &draft.decide_attempt(order, AttemptState::Abandoned, now);
                give_up(draft, state, order, now);
                draft.alarm(order, wrong);
            }
        },
        IntentStatus::Succeeded => {
            let next = draft.decide_attempt(order, AttemptState::Authorised, now);
            let news = "captured by somebody else before we committed";
            draft.received(reading, &next, Some(news));
        }
        IntentStatus::Canceled => {
            let order = &draft.decide_attempt(order, AttemptState::Abandoned, now);
            draft.release(state, order);
        }
        _ if !fresh && !over => draft.poll_soon(order, false, now),
        IntentStatus::Processing | IntentStatus::RequiresAction if of_another => {
            draft.poll_soon(order, false, now);
        }
        IntentStatus::Processing if payment.pending_attempt().is_some() && fresh => {
            // The confirmation has arrived: from now on its outcome is read. Asked for again under
            // the same key, it would only be answered "processing" again, long after it is decided.
            let order = &draft.decide_attempt(order, AttemptState::Action, now);
            draft.wait_for_network(order, now);
        }
        IntentStatus::Processing => {
            // The buyer has done what the bank asked for: now the card network has it.
            if fresh && payment.action.is_some() {
                let payment = Payment { action: None, ..payment.clone() };
                draft.changes.push(Change::PaymentPut { order: order.id, payment });
            }
            draft.wait_for_network(order, now);
        }
        _ if over => {
            let order = &draft.decide_attempt(order, AttemptState::Abandoned, now);
            give_up(draft, state, order, now);
        }
        IntentStatus::RequiresAction => match open {
            Some(a) if a.state == AttemptState::Pending || payment.action != intent.action => {
                let order = &draft.decide_attempt(order, AttemptState::Action, now);
                let payment = Payment { action: intent.action.clone(), ..payment.clone() };
                draft.changes.push(Change::PaymentPut { order: order.id, payment });
                draft.poll_soon(order, answered, now);
            }
            _ => draft.poll_soon(order, answered, now),
        },
        IntentStatus::RequiresPaymentMethod => match open.map(|a| &a.state) {
            Some(AttemptState::Action) => {
                let reason = intent.last_error.clone();
                let reason = reason.unwrap_or_else(|| "The bank did not confirm it.".into());
                let order = &draft.decide_attempt(order, AttemptState::Declined(reason), now);
                draft.decline(state, order, now);
            }
            // The confirmation has not arrived, or has not arrived yet: ask again, same key.
            Some(_) => draft.poll_soon(order, answered, now),
            None => draft.retry_at(order, order.until_ms, 0),
        },
        IntentStatus::RequiresConfirmation => draft.poll_soon(order, answered, now),
    }
}

fn canceling(draft: &mut Draft, reading: &Reading<'_>) {
    let Reading { state, order, intent, now, .. } = *reading;
    match intent.status {
        IntentStatus::Canceled => draft.release(state, order),
        IntentStatus::Succeeded => {
            let news = "captured while it was being cancelled; the places were kept";
            draft.received(reading, order, Some(news));
        }
        _ => draft.retry_at(order, retry_ms(now, order.tries), order.tries + 1),
    }
}

fn committed(draft: &mut Draft, reading: &Reading<'_>) {
    let Reading { state, order, intent, fresh, now, .. } = *reading;
    match intent.status {
        IntentStatus::Succeeded => {
            draft.received(reading, order, None);
        }
        IntentStatus::Canceled => {
            draft.void(state, order);
            draft.alarm(order, "the authorisation ended before it was captured");
        }
        IntentStatus::RequiresCapture => {
            draft.retry_at(order, retry_ms(now, order.tries), order.tries + 1);
        }
        IntentStatus::Processing => draft.wait_for_network(order, now),
        other => {
            draft.retry_at(order, retry_ms(now, order.tries), order.tries + 1);
            if fresh {
                draft.alarm(order, format!("authorised before, but now its payment is {other:?}"));
            }
        }
    }
}

/// PAID, REFUNDING and REFUNDED: what others did with the money meanwhile. Nothing is recorded if
/// nothing is new, for every doorbell leads here.
pub(crate) fn paid(draft: &mut Draft, reading: &Reading<'_>) {
    let Reading { state, order, payment, intent, fresh, .. } = *reading;
    // A refund that is owed stays so until the provider has answered it, whatever is read.
    let pending = order.refunds.iter().any(|r| r.state == RefundState::Pending);
    if !pending && order.due_ms.is_some() {
        draft.set_idle(order, order.state);
    }
    if on(Mutant::HandsOnlyIfPaid) && order.state != OrderState::Paid {
        return;
    }
    if intent.status == IntentStatus::Succeeded {
        match draft.revoke_for_done(state, order, intent) {
            Some(next) => _ = draft.take_in(&next, &next.orders[&order.id], intent),
            None => _ = draft.take_in(state, order, intent),
        }
    } else if fresh {
        draft.alarm_once(order, format!("paid, but its payment is {:?}", intent.status));
    }
    draft.note_dispute(order, payment, intent);
}

/// RELEASED and VOID: the places are gone, so no money may stay.
fn late(draft: &mut Draft, reading: &Reading<'_>) {
    let Reading { state, order, payment, intent, now, .. } = *reading;
    // The last one: what failed may have been asked for again.
    let ours = order.refunds.iter().rev().find(|r| !r.by_hand).map(|r| &r.state);
    // A refund that is owed stays so until the provider has answered it, whatever is read.
    let pending = ours == Some(&RefundState::Pending);
    match intent.status {
        IntentStatus::Succeeded if on(Mutant::LatePaymentIgnored) => {
            draft.set_idle(order, order.state)
        }
        IntentStatus::Succeeded => {
            if ours.is_some() && !pending && order.due_ms.is_some() {
                draft.set_idle(order, order.state);
            }
            let refunds = draft.take_in(state, order, intent);
            let left = intent.received_minor - refunds.iter().map(Refund::given_minor).sum::<i64>();
            match refunds.iter().rev().find(|r| !r.by_hand) {
                None => {
                    draft.refund_all(order, order.state, payment, left, now);
                    if left > 0 {
                        draft.alarm(
                            order,
                            "paid although it was released; the money goes back in full",
                        );
                    }
                }
                // That was told when it was found, and stays owed: see `Order::owed_back`.
                Some(refund) if left <= 0 || refund.failed_later() => {}
                Some(refund) => match &refund.state {
                    RefundState::Pending => {}
                    RefundState::Failed(reason) => {
                        let text = format!("the provider refused the refund: {reason}");
                        draft.alarm_once(order, text);
                    }
                    RefundState::Succeeded(_) => {
                        draft.alarm_once(order, "money is left of an order that was released");
                    }
                },
            }
        }
        _ if pending => {}
        IntentStatus::Canceled if order.due_ms.is_none() => {}
        IntentStatus::Canceled => draft.set_idle(order, order.state),
        _ => draft.retry_at(order, retry_ms(now, order.tries), order.tries + 1),
    }
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

/// The longest wait that a provider, or a caller who must let a call run out, may ask for.
const MOST_WAIT_MS: i64 = 100_000;

/// What is owed could not be done: later, and a little later each time.
pub(crate) fn defer(
    state: &State,
    order: &Order,
    trouble: &str,
    wait_ms: Option<i64>,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    // The point of no return.
    let mut draft = Draft::default();
    if order.state == OrderState::Canceling && on(Mutant::SilenceIsDeath) {
        draft.release(state, order);
    } else if order.due_ms.is_some() {
        let tries = order.tries.saturating_add(1);
        let refunds = order.refunds.iter().any(|r| r.state == RefundState::Pending && !r.by_hand);
        let pauses = refunds && tries.is_multiple_of(REFUND_TRIES);
        let pause_ms = if pauses { REFUND_PAUSE_MS } else { 0 };
        let wait_ms = wait_ms.unwrap_or(0).clamp(0, MOST_WAIT_MS).max(pause_ms);
        let due_ms = retry_ms(now, order.tries).max(now + wait_ms);
        let due_ms = if on(Mutant::NoPause) { now } else { due_ms };
        // Two processes may be at it: the one that fails second does not end the wait that the first began,
        // in which an earlier call runs out.
        let pending = order.payment.as_ref().and_then(Payment::pending_attempt).is_some();
        let waits = refunds || pending;
        let due_ms = order.due_ms.filter(|_| waits).map_or(due_ms, |due| due.max(due_ms));
        draft.wait_in_trouble(order, due_ms, trouble, pauses, now);
    }
    draft.reply_order(order)
}

/// Whether `tries` tries in vain are so many that a person must be told. Where calls get no answer, each try
/// takes up to two of their timeouts beside the wait, so fewer are enough after some minutes. How long the
/// tries took is not recorded; the last attempt to pay was begun before them. (Refunds have their pause.)
fn was_tried_often(order: &Order, tries: u32, now: TimeMs) -> bool {
    let of_sale =
        matches!(order.state, OrderState::Paying | OrderState::Canceling | OrderState::Committed);
    let last = order.payment.as_ref().and_then(|payment| payment.attempts.last());
    let long_ago = last.is_some_and(|attempt| now - attempt.begun_ms >= SLOW_TRIES_MS);
    tries >= STUCK_TRIES || (tries >= SLOW_TRIES && of_sale && long_ago)
}

impl Draft {
    /// Leaves an order as it is, to be tried again at `due_ms`, and keeps with it why. A person is told
    /// when it has been tried often, once: two to ten minutes after the first try, whether the provider says
    /// no at once or never answers; sooner if a long pause begins (`pauses`).
    pub(crate) fn wait_in_trouble(
        &mut self,
        order: &Order,
        due_ms: TimeMs,
        why: &str,
        pauses: bool,
        now: TimeMs,
    ) {
        let tries = order.tries.saturating_add(1);
        let stuck = pauses || was_tried_often(order, tries, now);
        let told = order.is_stuck();
        let text = if stuck || told { format!("{STUCK}{why}") } else { why.into() };
        let trouble = Some(text.clone());
        let to = Standing { due_ms: Some(due_ms), tries, trouble, ..order.standing() };
        self.changes.push(Change::OrderMoved { order: order.id, to });
        if stuck && !told {
            self.alarms.push(Alarm { order: order.id, text });
        }
    }

    /// The card network has the payment, and nobody can do anything but look again. A person is told if
    /// that takes too long; until then it is no trouble.
    fn wait_for_network(&mut self, order: &Order, now: TimeMs) {
        let (due_ms, tries) = (retry_ms(now, order.tries), order.tries.saturating_add(1));
        if was_tried_often(order, tries, now) {
            let why = "the card network has not answered";
            self.wait_in_trouble(order, due_ms, why, false, now);
        } else {
            self.retry_at(order, due_ms, tries);
        }
    }

    /// Look again soon, and at the deadline at the latest.
    ///
    /// A pending attempt owes its confirmation, and only the answer to that (`answered`) counts as a try of
    /// it. Whatever else is read of it while it tells nothing changes nothing: news that anybody may cause
    /// would end a wait in which an earlier call runs out, and use up the tries of an idempotency key.
    fn poll_soon(&mut self, order: &Order, answered: bool, now: TimeMs) {
        let pending = order.payment.as_ref().and_then(Payment::pending_attempt).is_some();
        if pending && !answered {
            return;
        }
        let soon = retry_ms(now, order.tries);
        // A pending attempt has no deadline: looking at it then would be looking all the time.
        let due_ms = if pending { soon } else { soon.min(order.until_ms.max(now)) };
        self.retry_at(order, due_ms, order.tries + 1);
    }

    /// From held places straight to tickets: a free order, or money that is already there.
    pub(crate) fn sell_and_issue(&mut self, state: &State, order: &Order) {
        self.stock(order, -1, 1);
        self.issue(state, order);
    }

    /// T4: the order is paid, and every place gets its ticket.
    pub(crate) fn issue(&mut self, state: &State, order: &Order) {
        assert!(order.tickets.is_empty(), "tickets are issued once");
        self.set_idle(order, OrderState::Paid);
        let event = state.events.get(&order.event).expect("an order is loaded with its event");
        let mut serial = event.serials;
        for (index, line) in order.lines.iter().enumerate() {
            let missing = u32::from(on(Mutant::TicketMissing) && line.quantity > 1);
            for _ in 0..line.quantity - missing {
                serial += 1;
                let ticket = Ticket {
                    serial,
                    line: index as u16,
                    state: TicketState::Valid,
                    code_rule: CodeRule::Order,
                    revision: 0,
                    guest: None,
                };
                self.changes.push(Change::TicketPut {
                    order: order.id,
                    event: order.event,
                    ticket,
                });
            }
        }
    }
}
