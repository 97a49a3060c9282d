//! Notices that something happened to a payment: a webhook, a refund or a dispute made in the
//! provider's dashboard.
//!
//! A notice is never trusted: it only names a payment, which is then read at the provider. So a notice
//! may be duplicated, late, out of order or forged.

use super::Settlement;
use super::count;
use crate::payments::CallError;
use crate::payments::governor::{Endpoint, Turn};
use crate::text::cut;
use crate::writer::CommandError;
use boxoffice::{Command, Order, OrderId, SeenVersion};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio::time::{Duration, sleep};

/// How many notices may wait; more are dropped, for everything settles without them as well.
const MOST_WAITING: usize = 4_096;
/// How often a payment that cannot be read is tried again.
const TRIES: u32 = 5;

/// A notification about a payment, from outside.
pub struct Notice {
    /// The provider's id of it.
    pub intent: String,
    /// Whose it is, as far as the notification says.
    pub order: Option<OrderId>,
}

/// The notifications that wait: one for each payment, however many came for it.
pub struct Notices {
    sender: mpsc::Sender<Notice>,
    waiting: Mutex<BTreeSet<String>>,
}

impl Notices {
    /// A queue for `MOST_WAITING` notifications.
    pub fn new() -> (Notices, mpsc::Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        (Notices { sender, waiting: Mutex::default() }, receiver)
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
    pub fn add(&self, notice: Notice) {
        let mut waiting = self.waiting();
        if waiting.contains(&notice.intent) {
            return;
        }
        let intent = notice.intent.clone();
        if self.sender.try_send(notice).is_ok() {
            waiting.insert(intent);
        } else {
            tracing::warn!("too many notifications wait; the timers will find the news");
        }
    }
}

/// Takes in the notifications one after the other, until the process ends.
pub async fn handle_notices(settlement: Arc<Settlement>, mut received: mpsc::Receiver<Notice>) {
    while let Some(notice) = received.recv().await {
        // What comes from now on may be newer than what is read.
        settlement.notices.waiting().remove(&notice.intent);
        let known = match notice.order {
            Some(id) => settlement.reads.ask(move |r| r.order(id)).await.ok().flatten(),
            None => None,
        };
        if let Some(order) = &known
            && order.payment.as_ref().and_then(|p| p.intent.as_ref()) != Some(&notice.intent)
        {
            // Its own payment is not the one that is named, or is not recorded yet: then the order
            // is looked after anyway.
            let order = uuid::Uuid::from_u128(order.id.0);
            tracing::info!(%order, intent = cut(&notice.intent), "news of a payment that this order does not have");
            continue;
        }
        let turn = settlement.stripe.governor().turn(Endpoint::Read).await;
        if let Err(error) = take_in(&settlement, &notice.intent, known.as_ref(), turn).await {
            tracing::warn!(intent = cut(&notice.intent), %error, "news of a payment that cannot be read");
        }
    }
}

/// Reads a payment and hands what was read to its order, of which so much was known before.
pub(super) async fn take_in(
    settlement: &Settlement,
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
            None => settlement.stripe.governor().turn(Endpoint::Read).await,
        };
        match count(settlement, "read", settlement.stripe.read_id(turn, intent, whole).await) {
            Err(CallError::NotDone(..) | CallError::Unknown(_)) if tries < TRIES => {
                sleep(Duration::from_millis(500 << tries)).await;
                tries += 1;
            }
            read => break read?,
        }
    };
    let Some(order) = read.order else { return Ok(()) };
    let known =
        known.filter(|known| known.id == order).map_or(SeenVersion::NOTHING, SeenVersion::of);
    let ours = settlement.reads.ask(move |r| r.order(order)).await;
    let ours = ours.map_err(|fault| CallError::NotDone(fault.to_string(), None))?;
    let ours = ours.and_then(|order| order.payment).and_then(|payment| payment.intent);
    if ours.as_deref() == Some(intent) {
        let taken =
            settlement.writer.ask(Command::Reconcile { order, intent: read, known }, None).await;
        if let Err(no) = taken
            && !matches!(no, CommandError::Refused(_))
        {
            return Err(CallError::NotDone(format!("not recorded: {no:?}"), None));
        }
    } else {
        let order = uuid::Uuid::from_u128(order.0);
        tracing::warn!(%order, intent = cut(intent), "a payment names an order that does not know it: see nts audit");
    }
    Ok(())
}
