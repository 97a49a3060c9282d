//! What people are told, and what they ask for.

use super::Auditor;
use crate::story::{Promise, Story};
use boxoffice::{OrderId, OrderState, TimeMs};

impl Auditor {
    /// A buyer asks for an order (+1), or hears for certain that there is none (-1).
    pub fn may_have(&mut self, buyer: &str, more: i64) {
        *self.may_have.entry(buyer.to_owned()).or_default() += more;
    }

    /// A buyer tries to pay (+1), or is told that this was declined (-1).
    pub fn may_pay(&mut self, order: OrderId, more: i64) {
        *self.may_pay.entry(order).or_default() += more;
    }

    /// Somebody asks to give an order back, or its payment was cancelled by hand.
    pub fn cancel_asked(&mut self, id: OrderId) {
        self.told.entry(id).or_default().cancel_asked = true;
    }

    /// Somebody acts on its payment by hand.
    pub fn by_hand(&mut self, id: OrderId) {
        self.told.entry(id).or_default().by_hand = true;
    }

    /// A buyer was told that places are held.
    pub fn held(
        &mut self,
        story: &mut Story,
        at_ms: i64,
        key: Option<&str>,
        id: OrderId,
        until: TimeMs,
    ) {
        let mut broken = |promise, text: &str| story.broken(at_ms, promise, Some(id), text.into());
        if let Some(key) = key {
            let first = *self.keys.entry(key.to_owned()).or_insert(id);
            if first != id {
                broken(Promise::NoFalseAnswer, "another order under the same idempotency key");
            }
        }
        match self.orders.get(&id) {
            None => broken(Promise::NothingLost, "a hold was told and is not recorded"),
            Some(order) if order.state == OrderState::Held && order.until_ms < until => {
                broken(Promise::NoFalseAnswer, "the hold ends before the time that was told");
            }
            Some(_) => {}
        }
        self.told.entry(id).or_default().held_until = Some(until);
    }

    /// Somebody was shown an order: what is shown must have been so at some moment since the
    /// question.
    pub fn shown(
        &mut self,
        story: &mut Story,
        at_ms: i64,
        asked_at: u64,
        id: OrderId,
        state: &str,
        tickets: &[(String, bool)],
    ) {
        let states = self.states.get(&id).map_or(&[][..], Vec::as_slice);
        let mut since = states.iter().rev();
        let mut was = false;
        for (step, known) in since.by_ref() {
            was |= known.word() == state;
            if *step <= asked_at {
                break;
            }
        }
        let mut broken = |promise, text: String| story.broken(at_ms, promise, Some(id), text);
        if !was {
            broken(
                Promise::NoFalseAnswer,
                format!("it was shown as {state}, which it was not at that time: {states:?}"),
            );
        }
        let told = self.told.entry(id).or_default();
        if state == "paid" {
            told.paid = true;
        }
        for (code, valid) in tickets {
            if *valid {
                told.tickets.entry(code.clone()).or_insert(self.step);
            }
        }
        // What a buyer saw as theirs stays theirs, though it may be revoked.
        let mut seen = told.tickets.iter().filter(|(_, step)| **step < asked_at);
        if let Some((lost, _)) = seen.find(|(code, _)| !tickets.iter().any(|(c, _)| c == *code)) {
            broken(Promise::NothingLost, format!("ticket {lost} was shown and is gone"));
        }
    }
}
