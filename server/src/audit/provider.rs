//! The provider's list of payments against our orders.

#[cfg(test)]
mod tests;

use super::report::Report;
use super::{Against, Failed, again, books};
use crate::payments::CallError;
use crate::payments::governor::Endpoint;
use crate::payments::stripe::Listed;
use crate::reads::Reads;
use boxoffice::{Intent, IntentStatus, Money, Order, OrderId, OrderState, PaymentId};
use std::collections::BTreeMap;

/// This shop's payments at the provider, by the order that each names.
type ByOrder = BTreeMap<OrderId, Vec<Listed>>;

/// Reads the whole list. A payment of ours that names no order is said at once.
pub async fn list(against: &Against<'_>, report: &mut Report) -> Result<ByOrder, Failed> {
    let mut by_order = ByOrder::new();
    let mut after: Option<String> = None;
    report.against_provider = true;
    loop {
        let (page, next) = against.stripe.list(against.since_s, after.as_deref()).await?;
        for listed in page {
            report.payment(&listed);
            match listed.intent.order {
                Some(order) => by_order.entry(order).or_default().push(listed),
                None if holds_money(&listed) => {
                    let id = listed.intent.id;
                    report.wrong(None, Some(id), "a payment of this shop names no order".into());
                }
                None => {}
            }
        }
        after = next;
        if after.is_none() {
            return Ok(by_order);
        }
    }
}

/// Compares an order with the payments that name it.
pub async fn compare(
    reads: &Reads,
    against: &Against<'_>,
    order: &Order,
    listed: Vec<Listed>,
    report: &mut Report,
) -> Result<(), Failed> {
    let intent = order.payment.as_ref().and_then(|p| p.intent.clone());
    let (own, others): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|l| Some(&l.intent.id) == intent.as_ref());
    for other in others {
        forgotten(reads, against, order.id, other, report).await?;
    }
    let Some(intent) = intent else { return Ok(()) };
    let known = order.payment.as_ref().is_some_and(|p| p.dispute.is_some());
    if own.iter().any(|listed| listed.disputed) && !known {
        let text = "disputed at the provider, which the books have not heard of yet";
        report.note(Some(order.id), Some(intent.clone()), text.into());
    }
    let listed = own.first().map(|listed| Seen::of(&listed.intent, listed.refunded_minor));
    if agrees(order, listed.as_ref()) {
        still_kept(order, listed.as_ref(), &intent, report);
        return Ok(());
    }
    // It may have been on its way, or the list may be older than our books: look once more, the
    // provider first.
    let seen = match look(against, &intent).await {
        Ok(seen) => seen,
        Err(CallError::Refused(_)) => None,
        Err(error) => return Err(error.into()),
    };
    // The charge may count what was released, or a refund that failed; the list of refunds does not.
    if let (Some(listed), Some(seen)) = (&listed, &seen) {
        report.gave_back(seen.amount.currency, seen.refunded - listed.refunded);
    }
    let Some(now) = again(reads, order.id).await? else { return Ok(()) };
    if agrees(&now, seen.as_ref()) {
        still_kept(&now, seen.as_ref(), &intent, report);
        return Ok(());
    }
    report.wrong(Some(order.id), Some(intent), disagreement(&now, seen.as_ref()));
    Ok(())
}

/// Payments that name an order which is not in our books.
pub async fn unknown_order(
    reads: &Reads,
    against: &Against<'_>,
    id: OrderId,
    listed: Vec<Listed>,
    report: &mut Report,
) -> Result<(), Failed> {
    for listed in listed {
        forgotten(reads, against, id, listed, report).await?;
    }
    Ok(())
}

/// What the provider says of a payment.
struct Seen {
    status: IntentStatus,
    received: i64,
    refunded: i64,
    amount: Money,
    live: bool,
    /// The order and the payment that it names.
    of: (Option<OrderId>, Option<PaymentId>),
}

impl Seen {
    fn of(intent: &Intent, refunded: i64) -> Seen {
        let (status, received, amount) = (intent.status, intent.received_minor, intent.amount);
        let of = (intent.order, intent.payment);
        Seen { status, received, refunded, amount, live: intent.live, of }
    }
}

async fn look(against: &Against<'_>, id: &str) -> Result<Option<Seen>, CallError> {
    let turn = against.stripe.governor().turn(Endpoint::Read).await;
    let intent = against.stripe.read_id(turn, id, true).await?;
    let refunds = intent.refunds.iter().filter(|r| !r.failed);
    let refunded = refunds.map(|r| r.amount_minor).sum();
    Ok(Some(Seen::of(&intent, refunded)))
}

/// Whether an order and its payment say the same of the money. What is on its way says nothing yet:
/// nts looks after it.
fn agrees(order: &Order, seen: Option<&Seen>) -> bool {
    if order.due_ms.is_some() {
        return true;
    }
    let Some(seen) = seen else { return false };
    let money = books::money(order);
    match order.state {
        OrderState::Paid | OrderState::Refunded => {
            seen.status == IntentStatus::Succeeded
                && seen.received == money.taken
                && seen.refunded == money.given_back
                && seen.amount == order.total()
                && names(order, seen)
        }
        OrderState::Released | OrderState::Void => {
            !may_take_money(seen.status)
                && seen.refunded >= money.given_back
                && books::not_given_back(order).contains(&(seen.received - seen.refunded))
        }
        // These are never at rest; the books' own check says so.
        OrderState::Held
        | OrderState::Paying
        | OrderState::Canceling
        | OrderState::Committed
        | OrderState::Refunding => true,
    }
}

/// Says what the provider still has of a payment that had to go back, if the books could not say how
/// much that is.
fn still_kept(order: &Order, seen: Option<&Seen>, intent: &str, report: &mut Report) {
    let Some(seen) = seen.filter(|_| order.due_ms.is_none()) else { return };
    let (kept, known) = (seen.received - seen.refunded, books::not_given_back(order));
    if kept > *known.start()
        && known.contains(&kept)
        && matches!(order.state, OrderState::Released | OrderState::Void)
    {
        report.note(Some(order.id), Some(intent.to_owned()), books::could_not(kept));
    }
}

/// Whether a payment says that it is this order's, in the mode in which it was made.
fn names(order: &Order, seen: &Seen) -> bool {
    let payment = order.payment.as_ref();
    payment.is_some_and(|p| p.live == seen.live && seen.of == (Some(order.id), Some(p.id)))
}

fn disagreement(order: &Order, seen: Option<&Seen>) -> String {
    let money = books::money(order);
    let show = |minor| Money { minor, currency: order.currency };
    let ours = format!(
        "the books say {}, {} taken and {} given back",
        order.state.word(),
        show(money.taken),
        show(money.given_back)
    );
    match seen {
        Some(seen) if !names(order, seen) && seen.received == money.taken => {
            format!("{ours}; at the provider the payment is another order's, or in the other mode")
        }
        None => format!("{ours}; the provider does not know the payment"),
        Some(seen) => format!(
            "{ours}; the provider says {:?}, {} taken and {} given back",
            seen.status,
            show(seen.received),
            show(seen.refunded)
        ),
    }
}

fn may_take_money(status: IntentStatus) -> bool {
    matches!(
        status,
        IntentStatus::RequiresAction | IntentStatus::Processing | IntentStatus::RequiresCapture
    )
}

fn holds_money(listed: &Listed) -> bool {
    let intent = &listed.intent;
    may_take_money(intent.status) || intent.received_minor > listed.refunded_minor
}

/// A payment of ours that our books do not know. One that holds no money is a leftover of a call
/// whose answer was lost: nobody confirmed it, and nobody will.
async fn forgotten(
    reads: &Reads,
    against: &Against<'_>,
    order: OrderId,
    listed: Listed,
    report: &mut Report,
) -> Result<(), Failed> {
    let id = listed.intent.id.clone();
    if !holds_money(&listed) {
        return Ok(());
    }
    let ours = again(reads, order).await?;
    if let Some(ours) = &ours {
        let known = ours.payment.as_ref().and_then(|p| p.intent.as_ref());
        if known == Some(&id) {
            // Our books learnt it while the list was read.
            return Ok(());
        }
        if ours.due_ms.is_some() && known.is_none() && ours.state != OrderState::Held {
            let text = "a payment whose answer is still owed to the books; let nts run, then audit \
                        again";
            report.note(Some(order), Some(id), text.into());
            return Ok(());
        }
    }
    let where_ = match &ours {
        Some(order) => format!("the order is {} in the books", order.state.word()),
        None => "the books do not know the order".into(),
    };
    let intent = &listed.intent;
    let left = Money { minor: intent.received_minor - listed.refunded_minor, ..intent.amount };
    if left.minor > 0 {
        let text = format!("{left} was taken that the books have forgotten ({where_})");
        if against.settle {
            let stripe = against.stripe;
            stripe.refund_forgotten(&id, left.minor, listed.refunded_minor).await?;
            report.settled(Some(order), Some(id), format!("{text}; it was given back now"));
        } else {
            report.wrong(Some(order), Some(id), text);
        }
        return Ok(());
    }
    let amount = intent.amount;
    let text = format!("{amount} is set aside that the books have forgotten ({where_})");
    if against.settle {
        against.stripe.cancel_forgotten(&id).await?;
        report.settled(Some(order), Some(id), format!("{text}; it was cancelled now"));
    } else {
        report.wrong(Some(order), Some(id), text);
    }
    Ok(())
}
