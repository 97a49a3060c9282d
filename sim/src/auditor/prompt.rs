//! How long things are owed. Nothing is late as long as something may stand in its way; where nothing
//! does, in a run without faults and in the calm, everything owed is done within seconds.

use super::Auditor;
use crate::trace::{Promise, Trace};
use boxoffice::{Order, OrderId, OrderState, RefundState, TimeMs};

/// So long after the storm what it left may still stand in the way, in milliseconds: waits between tries
/// grow to a minute, a key that the storm has spoilt takes some of them, and who must let a call run out
/// waits for almost two minutes.
const AFTER_MS: i64 = 480_000;
/// How long anything may be owed in the calm, in milliseconds, beside refunds: a look at the list, which
/// is read every five seconds at most, some calls and some commits.
const CALM_MS: i64 = 30_000;
/// And refunds: six tries under one key, then ten minutes until the next key is used, once for each key
/// that the storm has spoilt.
const REFUND_MS: i64 = 25 * 60_000;

/// What an order owes, and since when, in milliseconds since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Owes {
    what: &'static str,
    since_ms: i64,
    /// Not before this, by the clock of the store.
    until: Option<TimeMs>,
}

/// What an order owes to somebody at this moment, and from when on: at once, or from a time by the clock of
/// the store.
fn owes(order: &Order) -> Option<(&'static str, Option<TimeMs>)> {
    if order.refunds.iter().any(|r| r.state == RefundState::Pending) {
        return Some(("a refund", None));
    }
    let pending = order.payment.as_ref().is_some_and(|p| p.pending_attempt().is_some());
    match order.state {
        OrderState::Held => Some(("a hold that ran out", Some(order.until_ms))),
        OrderState::Paying if pending => Some(("a payment", None)),
        OrderState::Paying => Some(("a payment whose time is over", Some(order.until_ms))),
        OrderState::Canceling => Some(("a cancellation", None)),
        OrderState::Committed => Some(("a capture", None)),
        _ => None,
    }
}

impl Auditor {
    /// An order is committed at `at_ms`.
    pub(super) fn prompt(&mut self, trace: &mut Trace, at_ms: i64, order: &Order) {
        self.late(trace, at_ms, order.id);
        match owes(order) {
            None => _ = self.owed.remove(&order.id),
            Some((what, until)) => {
                let known = self.owed.get(&order.id).filter(|known| known.what == what);
                // One more attempt is a new debt; the same one that is tried again is not.
                let same = known.is_some() && until.is_none() && what != "a payment";
                if !same {
                    self.owed.insert(order.id, Owes { what, since_ms: at_ms, until });
                }
            }
        }
    }

    /// Whether what this order owed until now was owed for too long.
    fn late(&self, trace: &mut Trace, at_ms: i64, id: OrderId) {
        let Some(owed) = self.owed.get(&id) else { return };
        let owed = Owes { since_ms: self.since(owed, at_ms), ..*owed };
        let (since, most) = match (self.prompt_ms, self.calm_at_ms) {
            // What a card network has cannot be cancelled yet, and three processes that try together wait for
            // longer with each try of each.
            (Some(most), _) if owed.what == "a cancellation" => (owed.since_ms, 3 * most),
            (Some(most), _) => (owed.since_ms, most),
            (None, Some(calm)) if owed.what == "a refund" => (owed.since_ms.max(calm), REFUND_MS),
            (None, Some(calm)) => (owed.since_ms.max(calm + AFTER_MS), CALM_MS),
            (None, None) => return,
        };
        let passed = at_ms - since - self.went_back(owed.since_ms);
        if passed > most {
            let text = format!("{} was owed for {passed} ms", owed.what);
            trace.broken(at_ms, Promise::AllSettles, Some(id), text);
        }
    }

    /// Looks at all that is still owed, where nobody may have done anything for long.
    pub fn still_owed(&self, trace: &mut Trace, at_ms: i64) {
        for id in self.owed.keys() {
            self.late(trace, at_ms, *id);
        }
    }

    /// Since when something is owed, in milliseconds since the beginning: a hold from its end on, by the
    /// store's clock of now, for that may have jumped.
    fn since(&self, owed: &Owes, at_ms: i64) -> i64 {
        let (now, _) = self.store_times(at_ms, at_ms);
        owed.since_ms.max(owed.until.map_or(0, |until| at_ms + until - now))
    }

    /// An order that owes something other than a refund, which may wait longer than all else, since so many
    /// milliseconds of the calm.
    pub fn owes_since(&self, at_ms: i64, ms: i64) -> Option<OrderId> {
        let calm = self.calm_at_ms?;
        let since = |owed: &Owes| self.since(owed, at_ms).max(calm);
        let long = |owed: &Owes| owed.what != "a refund" && at_ms - since(owed) > ms;
        self.owed.iter().find(|(_, owed)| long(owed)).map(|(id, _)| *id)
    }
}
