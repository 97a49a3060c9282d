//! News about a payment that is not from us: a webhook, a refund or a dispute made by hand.
//!
//! Nobody who rings is believed. A ring only says which payment to read; what is read at the
//! provider decides. So a ring may come twice, late, out of order or from a liar.

use super::count;
use crate::app::App;
use crate::payments::CallError;
use crate::payments::governor::Endpoint;
use crate::payments::stripe::Since;
use crate::writer::NoReply;
use boxoffice::{Command, Known, Order, OrderId, OrderState};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How many rings may wait; more are dropped, for everything settles without them as well.
pub const RINGS: usize = 4_096;
/// How often the provider is asked for what was done by hand.
const LOOK: Duration = Duration::from_secs(300);
/// How far back that looks at the first time, in seconds: three days. Our clock may be wrong by less.
const BACK_S: i64 = 3 * 24 * 3_600;
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
        if let Err(error) = take_in(&app, &ring.intent, known.as_ref()).await {
            tracing::warn!(intent = ring.intent, %error, "rang for nothing that can be read");
        }
    }
}

fn is_waiting(order: &Order) -> bool {
    order.due_ms.is_some() && order.state != OrderState::Held && order.payment.is_some()
}

/// Reads a payment and hands what was read to its order, of which so much was known before.
async fn take_in(app: &App, intent: &str, known: Option<&Order>) -> Result<(), CallError> {
    let mut tries = 0;
    let read = loop {
        let turn = app.stripe.governor().turn(Endpoint::Read).await;
        match count(app, "read", app.stripe.read_id(turn, intent).await) {
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

/// Without webhooks nobody rings for what is done by hand in the provider's dashboard, so it is
/// asked for from time to time, by lists. Until the process ends.
pub async fn look_after_hands(app: Arc<App>) {
    let begin_s = app.clock.now_ms() / 1000 - BACK_S;
    let mut since = Since { refunds_s: begin_s, disputes_s: begin_s };
    loop {
        look_at_hands(&app, &mut since).await;
        sleep(LOOK).await;
    }
}

/// Reads the lists once. `since` moves on by what they hold, never by our own clock, and only when
/// all of it was taken in.
pub async fn look_at_hands(app: &App, since: &mut Since) {
    let (touched, next) = match app.stripe.touched_by_hand(*since).await {
        Ok(touched) => touched,
        Err(error) => return tracing::warn!(%error, "cannot list what was done by hand"),
    };
    let mut all = true;
    for intent in touched {
        if let Err(error) = take_in(app, &intent, None).await {
            tracing::warn!(intent, %error, "cannot read a payment");
            // One that is refused will be refused for ever.
            all &= matches!(error, CallError::Refused(_) | CallError::Declined(_));
        }
    }
    if all {
        *since = next;
    }
}
