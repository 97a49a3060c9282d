//! What a restricted key must be allowed to do, tried at the start and noticed later: a key without a
//! permission is accepted, and the sale stops at the first call that needs it.

use super::objects::{DisputeObject, List, PaymentIntent, Refund};
use super::{CallError, Done, Stripe};
use crate::payments::governor::Endpoint;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// A call that the sale needs, and what Stripe's dashboard calls the permission for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Permission {
    /// What cannot be done without it.
    pub what: &'static str,
    /// The resource and the level, as the page of a restricted key names them
    /// (<https://docs.stripe.com/keys/restricted-api-keys>).
    pub name: &'static str,
}

fn permission(endpoint: Endpoint) -> Permission {
    let (what, name) = match endpoint {
        Endpoint::Create => ("begin a payment", "PaymentIntents: Write"),
        Endpoint::Confirm => {
            ("confirm a payment", "PaymentIntents: Write, and Confirmation tokens: Read")
        }
        Endpoint::Capture => ("take the money", "PaymentIntents: Write"),
        Endpoint::Cancel => ("cancel a payment", "PaymentIntents: Write"),
        Endpoint::Read => (
            "read a payment with its charge",
            "PaymentIntents: Read, and Charges and Refunds: Read",
        ),
        Endpoint::Intents => (
            "list payments with their charges",
            "PaymentIntents: Read, and Charges and Refunds: Read",
        ),
        Endpoint::Refund => ("give money back", "Charges and Refunds: Write"),
        Endpoint::Refunds => ("list refunds", "Charges and Refunds: Read"),
        Endpoint::Disputes => ("list disputes", "Disputes: Read"),
    };
    Permission { what, name }
}

/// What the key may not do, as far as was seen, and whether that was told.
#[derive(Default)]
pub(super) struct Missing(Mutex<BTreeMap<Endpoint, bool>>);

impl Missing {
    /// Takes in how a call has ended.
    pub fn note<T>(&self, endpoint: Endpoint, result: &Done<T>) {
        let mut missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Err(CallError::NotAllowed(_)) => _ = missing.entry(endpoint).or_insert(false),
            Ok(_) if !missing.is_empty() => _ = missing.remove(&endpoint),
            _ => {}
        }
    }

    fn untold(&self) -> Vec<Permission> {
        let mut missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let untold = missing.iter_mut().filter(|(_, told)| !**told);
        untold
            .map(|(endpoint, told)| {
                *told = true;
                permission(*endpoint)
            })
            .collect()
    }
}

/// The idempotency key of the payment that is made to try our key: the same until that payment is known to
/// be cancelled, or not to be there.
pub(super) struct Probe {
    /// Tells the process from others.
    process: u128,
    /// How many such payments are done with.
    done: AtomicU32,
    /// How often it was not known whether the next one was created.
    unknown: AtomicU32,
}

impl Probe {
    /// So often the same key is used: Stripe repeats an answer that says nothing for a day.
    const TRIES: u32 = 10;

    pub fn new(process: u128) -> Probe {
        Probe { process, done: AtomicU32::new(0), unknown: AtomicU32::new(0) }
    }

    fn key(&self) -> String {
        let done = self.done.load(Ordering::Relaxed);
        let unknown = self.unknown.load(Ordering::Relaxed) / Probe::TRIES;
        format!("nts-probe-{:032x}-create-{done}-{unknown}", self.process)
    }

    /// Takes in how creating it or cancelling it ended.
    fn note<T>(&self, result: &Done<T>, ends: bool) {
        match result {
            Ok(_) if !ends => {}
            Ok(_)
            | Err(CallError::Declined(_) | CallError::Refused(_) | CallError::NotAllowed(_)) => {
                self.done.fetch_add(1, Ordering::Relaxed);
            }
            Err(CallError::Unknown(_)) if !ends => _ = self.unknown.fetch_add(1, Ordering::Relaxed),
            Err(_) => {}
        }
    }
}

/// A PaymentIntent that is none, for the questions that only ask whether we may.
const NONE: &str = "pi_nts_probe";

impl Stripe {
    /// The permissions that were found missing since this was last asked.
    pub fn missing_permissions(&self) -> Vec<Permission> {
        self.missing.untold()
    }

    /// Tries every call that the sale needs. What is missing is told by
    /// [`Stripe::missing_permissions`]; the error is one that says nothing of permissions: nobody
    /// answers, or the key is not accepted at all.
    ///
    /// A payment of the least amount is created and cancelled, and takes no part in anything: it is never
    /// confirmed, and names no shop, so no audit looks at it. It cannot be confirmed, captured or refunded
    /// as it is asked for here, and a key that may not do so is told that first (403, not 400).
    ///
    /// Where it is not known whether it was created or cancelled, it is asked for under the same idempotency
    /// key the next time, and so found and cancelled, instead of left behind.
    pub async fn try_permissions(&self) -> Done<()> {
        let list = "/v1/payment_intents?limit=1&expand[]=data.latest_charge".into();
        tried(self.get::<List<PaymentIntent>>(self.turn(Endpoint::Intents).await, list).await)?;
        let list = "/v1/refunds?limit=1".into();
        tried(self.get::<List<Refund>>(self.turn(Endpoint::Refunds).await, list).await)?;
        let list = "/v1/disputes?limit=1".into();
        tried(self.get::<List<DisputeObject>>(self.turn(Endpoint::Disputes).await, list).await)?;

        let one = format!("{:032x}", self.ids.random());
        let form = [
            ("amount", "100".to_owned()),
            ("currency", "usd".to_owned()),
            ("capture_method", "manual".to_owned()),
            ("allowed_payment_method_types[0]", "card".to_owned()),
            ("metadata[nts_probe]", "yes".to_owned()),
            ("description", "nts tries its key; nothing is charged".to_owned()),
        ];
        let (path, key) = ("/v1/payment_intents".into(), self.probe.key());
        let made = self.post::<PaymentIntent>(self.turn(Endpoint::Create).await, path, &form, key);
        let made = made.await;
        let id = made.as_ref().map_or(NONE.to_owned(), |intent| intent.id.clone());
        self.probe.note(&made, false);
        tried(made)?;
        // Whatever becomes of the rest: nothing is left behind.
        let rest = self.try_with(&id, &one).await;
        let form = [("cancellation_reason", "abandoned".to_owned())];
        let mut tries = 0;
        let cancelled = loop {
            let turn = self.turn(Endpoint::Cancel).await;
            let path = format!("/v1/payment_intents/{id}/cancel");
            let key = format!("nts-probe-{one}-cancel-{tries}");
            match self.post::<PaymentIntent>(turn, path, &form, key).await {
                Err(CallError::Unknown(_) | CallError::NotDone(..)) if tries < 5 => tries += 1,
                answer => break answer,
            }
        };
        self.probe.note(&cancelled, true);
        rest.and(tried(cancelled))
    }

    async fn try_with(&self, id: &str, one: &str) -> Done<()> {
        let path = format!("/v1/payment_intents/{id}?expand[]=latest_charge");
        tried(self.get::<PaymentIntent>(self.turn(Endpoint::Read).await, path).await)?;
        // No token has this name.
        let form = [
            ("return_url", "https://example.com/".to_owned()),
            ("confirmation_token", "ctoken_nts_probe".to_owned()),
        ];
        let (path, key) =
            (format!("/v1/payment_intents/{id}/confirm"), format!("nts-probe-{one}-confirm"));
        let turn = self.turn(Endpoint::Confirm).await;
        tried(self.post::<PaymentIntent>(turn, path, &form, key).await)?;
        // What is not authorised cannot be captured, and what is not captured cannot be refunded.
        let (path, key) =
            (format!("/v1/payment_intents/{id}/capture"), format!("nts-probe-{one}-capture"));
        let turn = self.turn(Endpoint::Capture).await;
        tried(self.post::<PaymentIntent>(turn, path, &[], key).await)?;
        let form = [("payment_intent", id.to_owned()), ("amount", "100".to_owned())];
        let key = format!("nts-probe-{one}-refund");
        let turn = self.turn(Endpoint::Refund).await;
        tried(self.post::<Refund>(turn, "/v1/refunds".into(), &form, key).await)
    }

    async fn turn(&self, endpoint: Endpoint) -> crate::payments::governor::Turn {
        self.governor.turn(endpoint).await
    }
}

/// A refusal of what was asked says that it may be asked.
fn tried<T>(result: Done<T>) -> Done<()> {
    match result {
        Ok(_) | Err(CallError::NotAllowed(_) | CallError::Refused(_) | CallError::Declined(_)) => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}
