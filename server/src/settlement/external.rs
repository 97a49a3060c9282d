//! What happens at the provider without us, found by its lists: refunds and disputes made by hand, refunds
//! that fail after they had succeeded, disputes that are decided. And what our key may not do.
//!
//! Each look reads the lists of the last months whole, with turns that nobody else wants, and looks only
//! at the rows that stand otherwise than at the look before. So a change is found for as long as one can
//! come, and a downtime of weeks loses none. Every process looks for itself: what is found twice is
//! recorded once.

use super::Settlement;
use super::notices::take_in;
use crate::payments::CallError;
use crate::payments::governor::Endpoint;
use crate::payments::stripe::{Seen, Sign, Since};
use boxoffice::{Refund, RefundOutcome, RefundState, TimeMs};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How often the lists are read.
const LOOK: Duration = Duration::from_secs(300);
const DAY_S: i64 = 24 * 3_600;
/// How long a dispute may change (<https://docs.stripe.com/disputes/how-disputes-work>), and how far back
/// all is looked at after a start.
const DISPUTES_S: i64 = 120 * DAY_S;
/// How long a refund may fail after it had succeeded: banks take up to 30 days
/// (<https://docs.stripe.com/refunds#failed-refunds>). Our clock may be wrong by the rest.
const REFUNDS_S: i64 = 33 * DAY_S;
/// How long it takes until the key is tried again, if nobody answered.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// Reads the lists from time to time, until the process ends.
pub async fn follow_external_changes(settlement: Arc<Settlement>) {
    let mut seen = Seen::default();
    let mut whole = false;
    loop {
        let since = since(settlement.clock.now_ms(), whole);
        whole |= read_external_changes(&settlement, since, &mut seen).await;
        sleep(LOOK).await;
    }
}

/// From when on the lists are read. `whole`: whether all of them was taken in since the start.
pub(super) fn since(now_ms: TimeMs, whole: bool) -> Since {
    let now_s = now_ms / 1000;
    let refunds_s = now_s - if whole { REFUNDS_S } else { DISPUTES_S };
    Since { refunds_s, disputes_s: now_s - DISPUTES_S }
}

/// Reads the lists once, and takes in what is new. Gives whether all of it was taken in.
pub async fn read_external_changes(settlement: &Settlement, since: Since, seen: &mut Seen) -> bool {
    let mut all = true;
    let mut signs = Vec::new();
    for list in settlement.stripe.signs(since).await {
        match list {
            Ok(list) => signs.extend(list),
            Err(error) => {
                tracing::warn!(%error, "cannot list refunds or disputes");
                tell_missing(settlement);
                all = false;
            }
        }
    }
    for sign in &signs {
        if seen.has(sign) {
            continue;
        }
        match look_at(settlement, sign).await {
            Ok(true) => seen.add(sign),
            // It is on its way.
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(intent = sign.intent, %error, "cannot take in a refund or a dispute");
                all = false;
            }
        }
    }
    all
}

/// What a row about a refund of ours is to the books.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Row {
    /// They say otherwise: the payment is read.
    News,
    /// They will say so, or the row will say something else: it is looked at again.
    OnItsWay,
    /// They say so already, or know more.
    Known,
}

/// Compares a refund in the books with what a row says that became of it.
pub(super) fn compare(refund: &Refund, outcome: &RefundOutcome) -> Row {
    match (&refund.state, outcome) {
        (RefundState::Pending, _) | (RefundState::Failed(_), RefundOutcome::Pending) => {
            Row::OnItsWay
        }
        (RefundState::Succeeded(_), RefundOutcome::Failed(_)) => Row::News,
        (RefundState::Failed(_), RefundOutcome::Succeeded(_)) if !refund.failed_later() => {
            Row::News
        }
        _ => Row::Known,
    }
}

/// Looks at a row. False: to be looked at again, though nothing failed.
async fn look_at(settlement: &Settlement, sign: &Sign) -> Result<bool, CallError> {
    match &sign.ours {
        // Told by hand, or a dispute.
        None => {}
        // One of ours that says whose it is: the books tell whether it is news.
        Some((id, Some(order), Some(outcome))) => {
            let (id, order) = (*id, *order);
            let order = settlement.reads.ask(move |r| r.order(order)).await;
            let order = order.map_err(|fault| CallError::NotDone(fault.to_string(), None))?;
            let refund = order.and_then(|o| o.refunds.into_iter().find(|r| r.id == id));
            // Books from an old copy: see nts audit.
            let Some(refund) = refund else { return Ok(true) };
            match compare(&refund, outcome) {
                Row::News => {}
                Row::OnItsWay => return Ok(false),
                Row::Known => return Ok(true),
            }
        }
        // Older ones of ours say only which refund they are.
        Some((_, None, Some(RefundOutcome::Succeeded(_)))) => return Ok(true),
        Some(_) => {}
    }
    // A row that does not say which payment it is about cannot be followed; it may say so the next time.
    let Some(intent) = &sign.intent else { return Ok(false) };
    let turn = settlement.stripe.gentle_turn(Endpoint::Read).await;
    match take_in(settlement, intent, None, turn).await {
        // One that is refused will be refused for ever.
        Ok(()) | Err(CallError::Refused(_) | CallError::Declined(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Tries at the start whether the key may do all that the sale needs, and says what it may not: the sale
/// goes on, for what is sold already must be shown and let in, and a process that counts as not ready
/// would take that away as well. Payments that the key does not allow are declined after some tries.
pub async fn try_permissions(settlement: Arc<Settlement>) {
    loop {
        let tried = settlement.stripe.try_permissions().await;
        let missing = tell_missing(&settlement);
        match tried {
            Ok(()) if missing => return,
            Ok(()) => {
                return tracing::info!("Stripe accepts the key, and it may do all that is needed");
            }
            Err(error) => {
                tracing::error!(%error, "Stripe cannot be asked; nobody can pay until this is mended");
            }
        }
        sleep(TRY_AGAIN).await;
    }
}

/// Tells what the key turned out not to be allowed, each once. Gives whether there was something.
pub(super) fn tell_missing(settlement: &Settlement) -> bool {
    let missing = settlement.stripe.missing_permissions();
    for permission in &missing {
        let (what, name) = (permission.what, permission.name);
        tracing::error!(
            permission = name,
            "ALARM: the Stripe key may not {what}; give it the permission {name} in Stripe's dashboard"
        );
        settlement.metrics.alarms.inc();
    }
    !missing.is_empty()
}
