//! News about a payment that is not from us: a webhook, a refund or a dispute made by hand.
//!
//! Nobody who rings is believed. A ring only says which payment to read; what is read at the
//! provider decides. So a ring may come twice, late, out of order or from a liar.

use super::count;
use crate::app::App;
use crate::payments::CallError;
use crate::payments::governor::{Endpoint, Turn};
use crate::writer::NoReply;
use boxoffice::{Command, Known, Order, OrderId, OrderState};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How many rings may wait; more are dropped, for everything settles without them as well.
pub const RINGS: usize = 4_096;
/// How often a payment that cannot be read is tried again.
const TRIES: u32 = 5;

/// Somebody rings for a payment.
pub struct Ring {
    /// The provider's id of it.
    pub intent: String,
    /// Whose it is, as far as who rings says.
    pub order: Option<OrderId>,
    /// Unless it is known who rings: the order must be waiting for news, or else nothing is read. A
    /// liar can cost us a few calls for orders that would be read soon anyway, and no more.
    pub only_if_waiting: bool,
}

/// Rings, unless too many rings wait already.
pub fn ring(app: &App, ring: Ring) {
    if app.doorbell.try_send(ring).is_err() {
        tracing::warn!("too many rings wait; the timers will find the news");
    }
}

/// Answers the door, one ring at a time, until the process ends.
pub async fn answer(app: Arc<App>, mut rings: tokio::sync::mpsc::Receiver<Ring>) {
    while let Some(ring) = rings.recv().await {
        let known = match ring.order {
            Some(id) => app.reads.ask(move |r| r.order(id)).await.ok().flatten(),
            None => None,
        };
        if ring.only_if_waiting && !known.as_ref().is_some_and(is_waiting) {
            continue;
        }
        let turn = app.stripe.governor().turn(Endpoint::Read).await;
        if let Err(error) = take_in(&app, &ring.intent, known.as_ref(), turn).await {
            tracing::warn!(intent = ring.intent, %error, "rang for nothing that can be read");
        }
    }
}

fn is_waiting(order: &Order) -> bool {
    order.due_ms.is_some() && order.state != OrderState::Held && order.payment.is_some()
}

/// Reads a payment and hands what was read to its order, of which so much was known before.
pub(super) async fn take_in(
    app: &App,
    intent: &str,
    known: Option<&Order>,
    first: Turn,
) -> Result<(), CallError> {
    // Of an ordinary sale the charge tells that there is no refund and no dispute.
    let disputed = |o: &Order| o.payment.as_ref().is_some_and(|p| p.dispute.is_some());
    let whole = known.is_none_or(|order| !order.refunds.is_empty() || disputed(order));
    let mut tries = 0;
    let mut first = Some(first);
    let read = loop {
        let turn = match first.take() {
            Some(turn) => turn,
            None => app.stripe.governor().turn(Endpoint::Read).await,
        };
        match count(app, "read", app.stripe.read_id(turn, intent, whole).await) {
            Err(CallError::NotDone(..) | CallError::Unknown(_)) if tries < TRIES => {
                sleep(Duration::from_millis(500 << tries)).await;
                tries += 1;
            }
            read => break read?,
        }
    };
    let Some(order) = read.order else { return Ok(()) };
    let known = known.filter(|known| known.id == order).map_or(Known::NOTHING, Known::of);
    let ours = app.reads.ask(move |r| r.order(order)).await;
    let ours = ours.map_err(|fault| CallError::NotDone(fault.to_string(), None))?;
    let ours = ours.and_then(|order| order.payment).and_then(|payment| payment.intent);
    if ours.as_deref() == Some(intent) {
        let taken = app.ask(Command::Reconcile { order, intent: read, known }, None).await;
        if let Err(no) = taken
            && !matches!(no, NoReply::Refused(_))
        {
            return Err(CallError::NotDone(format!("not recorded: {no:?}"), None));
        }
    } else {
        let order = uuid::Uuid::from_u128(order.0);
        tracing::warn!(%order, intent, "a payment names an order that does not know it: see nts audit");
    }
    Ok(())
}
