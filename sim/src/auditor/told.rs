//! What people are told, and what they ask for.

use super::Auditor;
use super::history::Question;
use super::lasts::LIVES;
use crate::trace::{Promise, Trace};
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
        trace: &mut Trace,
        at_ms: i64,
        key: Option<&str>,
        id: OrderId,
        until: TimeMs,
    ) {
        let mut broken = |promise, text: &str| trace.broken(at_ms, promise, Some(id), text.into());
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

    /// A hold was told, and this is what came with it as metadata.
    pub fn came_with(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        id: OrderId,
        metadata: Option<(&str, &str)>,
    ) {
        let kept = self.orders.get(&id).filter(|order| !order.is_erased());
        if let Some(order) = kept.filter(|order| !order.metadata.iter().eq(metadata)) {
            let text = format!("a hold was told, and its metadata is {:?}", order.metadata);
            trace.broken(at_ms, Promise::NothingLost, Some(id), text);
        }
    }

    /// A buyer was told by the old route that a place is held until this time of the day.
    pub fn reserved(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        asked: Question,
        id: OrderId,
        name: &str,
        until: &str,
    ) {
        let clock = |ms: TimeMs| {
            let seconds = ms.div_euclid(1_000).rem_euclid(86_400);
            format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
        };
        let is =
            |order: &boxoffice::Order| order.buyer.name == name && clock(order.until_ms) == until;
        // Who renews it has all of the time again, unless it was renewed too often.
        let (now, _) = self.store_times(asked.at_ms, at_ms);
        let (lasts, _) = self.hold_lasts();
        let short = |order: &boxoffice::Order| {
            let most = order.placed_ms + LIVES * lasts;
            order.state == OrderState::Held && order.until_ms < most.min(now + lasts)
        };
        if self.was(id, asked, |o| is(o) && short(o))
            && !self.was(id, asked, |o| is(o) && !short(o))
        {
            let text = format!("it is renewed and ends at {until}, {lasts} ms were to come");
            trace.broken(at_ms, Promise::HoldsLast, Some(id), text);
        }
        if !self.was(id, asked, is) {
            let ends: Vec<String> =
                self.versions(id, asked).iter().map(|(_, order)| clock(order.until_ms)).collect();
            let text = format!("it is held until {until} for {name}, and ends at {ends:?}");
            trace.broken(at_ms, Promise::NoFalseAnswer, Some(id), text);
        }
    }

    /// Whether money of this buyer went back.
    pub fn has_refunded(&self, name: &str) -> bool {
        let mut mine = self.orders.values().filter(|order| self.owner(order).name == name);
        mine.any(|order| order.lines.iter().any(|line| line.refunded > 0))
    }

    /// Somebody was shown an order: what is shown must have been so at some moment since the
    /// question.
    pub fn shown(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        asked: Question,
        id: OrderId,
        state: &str,
        tickets: &[(String, bool)],
    ) {
        let states = self.states.get(&id).map_or(&[][..], Vec::as_slice);
        let mut since = states.iter().rev();
        let mut was = false;
        for (step, known) in since.by_ref() {
            was |= known.word() == state;
            if *step <= asked.step {
                break;
            }
        }
        let mut broken = |promise, text: String| trace.broken(at_ms, promise, Some(id), text);
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
        let mut seen = told.tickets.iter().filter(|(_, step)| **step < asked.step);
        if let Some((lost, _)) = seen.find(|(code, _)| !tickets.iter().any(|(c, _)| c == *code)) {
            broken(Promise::NothingLost, format!("ticket {lost} was shown and is gone"));
        }
    }
}
