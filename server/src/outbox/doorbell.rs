//! News about a payment that is not from us: a webhook, a refund or a dispute made by hand.
//!
//! Nobody who rings is believed. A ring only says which payment to read; what is read at the
//! provider decides. So a ring may come twice, late, out of order or from a liar.

use super::count;
use crate::app::App;
use crate::payments::CallError;
use crate::payments::governor::{Endpoint, Turn};
use crate::text::cut;
use crate::writer::NoReply;
use boxoffice::{Command, Known, Order, OrderId};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio::time::{Duration, sleep};

/// How many rings may wait; more are dropped, for everything settles without them as well.
const RINGS: usize = 4_096;
/// How often a payment that cannot be read is tried again.
const TRIES: u32 = 5;

/// A notification about a payment, from outside.
pub struct Ring {
    /// The provider's id of it.
    pub intent: String,
    /// Whose it is, as far as the notification says.
    pub order: Option<OrderId>,
}

/// The notifications that wait: one for each payment, however many came for it.
pub struct Doorbell {
    rings: mpsc::Sender<Ring>,
    waiting: Mutex<BTreeSet<String>>,
}

impl Doorbell {
    /// A queue for `RINGS` notifications.
    pub fn new() -> (Doorbell, mpsc::Receiver<Ring>) {
        let (rings, receiver) = mpsc::channel(RINGS);
        (Doorbell { rings, waiting: Mutex::default() }, receiver)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a notification, unless one of the same payment waits, or too many wait.
    pub fn ring(&self, ring: Ring) {
        let mut waiting = self.waiting();
        if waiting.contains(&ring.intent) {
            return;
        }
        let intent = ring.intent.clone();
        if self.rings.try_send(ring).is_ok() {
            waiting.insert(intent);
        } else {
            tracing::warn!("too many notifications wait; the timers will find the news");
        }
    }
}

/// Takes in the notifications one after the other, until the process ends.
pub async fn answer(app: Arc<App>, mut rings: mpsc::Receiver<Ring>) {
    while let Some(ring) = rings.recv().await {
        // What comes from now on may be newer than what is read.
        app.doorbell.waiting().remove(&ring.intent);
        let known = match ring.order {
            Some(id) => app.reads.ask(move |r| r.order(id)).await.ok().flatten(),
            None => None,
        };
        if let Some(order) = &known
            && order.payment.as_ref().and_then(|p| p.intent.as_ref()) != Some(&ring.intent)
        {
            // Its own payment is not the one that is named, or is not recorded yet: then the order
            // is looked after anyway.
            let order = uuid::Uuid::from_u128(order.id.0);
            tracing::info!(%order, intent = cut(&ring.intent), "news of a payment that this order does not have");
            continue;
        }
        let turn = app.stripe.governor().turn(Endpoint::Read).await;
        if let Err(error) = take_in(&app, &ring.intent, known.as_ref(), turn).await {
            tracing::warn!(intent = cut(&ring.intent), %error, "news of a payment that cannot be read");
        }
    }
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
        tracing::warn!(%order, intent = cut(intent), "a payment names an order that does not know it: see nts audit");
    }
    Ok(())
}
