//! How long a hold lasts. The auditor keeps the end of each order by what the documents promise:
//! the end that was told, at least five minutes from the first attempt to pay, and later by as long
//! as the provider owed an answer.

use super::Auditor;
use super::refusals::MOST_ATTEMPTS;
use super::shown::open;
use crate::trace::{Promise, Trace};
use boxoffice::{Attempt, AttemptState, Order, OrderState, TimeMs};

/// Who begins to pay has at least so long.
const PAYING_MS: i64 = 300_000;
/// A hold that follows some that ran out unpaid is not shorter than this, by the settings.
const LEAST_HOLD_MS: i64 = 60_000;
/// So many lives of a hold the old routes renew.
pub(super) const LIVES: i64 = 6;
/// Places whose time is over are free within so long where nothing is in the way.
const PROMPT_MS: i64 = 10_000;
/// And so long after the faults stopped: disks are mended and processes started meanwhile.
const CALM_MS: i64 = 5 * 60_000;

fn attempts(order: &Order) -> &[Attempt] {
    order.payment.as_ref().map_or(&[], |payment| &payment.attempts)
}

impl Auditor {
    /// The faults have stopped.
    pub fn calm(&mut self, at_ms: i64) {
        let (now, _) = self.store_times(at_ms, at_ms);
        (self.calm_since, self.calm_at_ms) = (Some(now), Some(at_ms));
    }

    /// Somebody asks to renew the hold of this name.
    pub fn renew_asked(&mut self, name: &str) {
        self.renewing.insert(name.to_owned());
    }

    /// How long holds may last that begin within this step.
    pub(super) fn hold_lasts(&self) -> (i64, i64) {
        let shows = &self.shows[self.shows.len().saturating_sub(2)..];
        let all = shows.iter().flat_map(|show| show.specs()).map(|spec| spec.hold_ms);
        let (low, high) = all.fold((i64::MAX, 0), |(low, high), ms| (low.min(ms), high.max(ms)));
        (low.min(LEAST_HOLD_MS), high)
    }

    /// Looks at the end of an order that has changed by a decision between `since` and `now`.
    pub(super) fn lasts(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        (since, now): (TimeMs, TimeMs),
        order: &Order,
    ) {
        let mut broken = |text: String| {
            trace.broken(at_ms, Promise::HoldsLast, Some(order.id), text);
        };
        let known = self.orders.get(&order.id);
        let (mut low, mut high) = match known {
            None => {
                if !(since..=now).contains(&order.placed_ms) {
                    broken(format!("it was placed at {}, and it is {now}", order.placed_ms));
                }
                let (low, high) = self.hold_lasts();
                (order.placed_ms + low, order.placed_ms + high)
            }
            Some(known) if matches!(known.state, OrderState::Held | OrderState::Paying) => {
                (known.until_ms, known.until_ms)
            }
            Some(_) => return,
        };
        let held = known.is_none_or(|known| known.state == OrderState::Held);
        if held && self.renewing.contains(&order.buyer.name) {
            let (_, lasts) = self.hold_lasts();
            high = high.max(now + lasts).min(high.max(order.placed_ms + LIVES * lasts));
        }
        let mut ends = high;
        if known.is_none_or(|known| known.payment.is_none())
            && let Some(first) = attempts(order).first()
        {
            low = low.max(first.begun_ms + PAYING_MS);
            high = high.max(first.begun_ms + PAYING_MS);
        }
        let was_pending = |number: u16| {
            let before =
                known.and_then(|known| attempts(known).iter().find(|a| a.number == number));
            before.is_none_or(|attempt| attempt.state == AttemptState::Pending)
        };
        for attempt in attempts(order) {
            if attempt.state != AttemptState::Pending && was_pending(attempt.number) {
                low += since.saturating_sub(attempt.begun_ms).max(0);
                let waited = (now - attempt.begun_ms).max(0);
                (high, ends) = (high + waited, ends + waited);
            }
        }
        let before = known.map_or(0, |known| attempts(known).len());
        if attempts(order).len() > MOST_ATTEMPTS {
            broken(format!("{} attempts to pay were made", attempts(order).len()));
        }
        // What a card network has is not replaced, and the same card again is the same form again.
        if let Some((known, last)) = known.and_then(|known| Some((known, open(known)?)))
            && let Some(next) = attempts(order).get(before)
            && last.state == AttemptState::Action
        {
            let asks = known.payment.as_ref().is_some_and(|payment| payment.action.is_some());
            let abandoned = attempts(order)[before - 1].state == AttemptState::Abandoned;
            if abandoned && (!asks && !self.nulls || last.token == next.token) {
                broken(format!("attempt {} was replaced", last.number));
            }
        }
        for attempt in &attempts(order)[before..] {
            if !(since..=now).contains(&attempt.begun_ms) || attempt.begun_ms >= ends {
                let begun = attempt.begun_ms;
                broken(format!("an attempt began at {begun}; it is {now}, and the end was {ends}"));
            }
        }
        match order.state {
            OrderState::Held | OrderState::Paying if !(low..=high).contains(&order.until_ms) => {
                let ends = order.until_ms;
                broken(format!("it is to end at {low} to {high}, and ends at {ends}"));
            }
            OrderState::Released | OrderState::Canceling => {
                let told = self.told.get(&order.id);
                // A payment that can be neither made nor looked at is given up.
                let trouble = known.is_some_and(|known| known.trouble.is_some());
                let asked = told.is_some_and(|told| told.cancel_asked || told.by_hand);
                if known.is_some() && !asked && !trouble && now < low {
                    broken(format!("it is given up {} ms before its end", low - now));
                }
                // What a bank or a card network still decides is waited for.
                let asks =
                    |order: &Order| order.payment.as_ref().is_some_and(|p| p.action.is_some());
                let waits = known.is_none_or(|known| {
                    open(known).is_some_and(|a| a.state == AttemptState::Pending || !asks(known))
                });
                let (from, most) = match (self.prompt_ms, self.calm_since) {
                    (Some(_), _) => (high, PROMPT_MS),
                    (None, Some(calm)) => (high.max(calm), CALM_MS),
                    (None, None) => (TimeMs::MAX, 0),
                };
                if !waits && !asked && since.saturating_sub(from) > most {
                    broken(format!("it was given up {} ms after its end", now - high));
                }
            }
            _ => {}
        }
    }

    /// Where nothing goes wrong no hold lasts longer than it was to.
    pub(super) fn overdue(&self, trace: &mut Trace, at_ms: i64, now: TimeMs) {
        if self.prompt_ms.is_none() {
            return;
        }
        let held = self.orders.values().filter(|order| order.state == OrderState::Held);
        for order in held.filter(|order| now - order.until_ms > PROMPT_MS) {
            let text = format!("it is still held {} ms after its end", now - order.until_ms);
            trace.broken(at_ms, Promise::HoldsLast, Some(order.id), text);
        }
    }
}
