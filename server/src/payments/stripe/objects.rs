//! Stripe's objects, as far as we read them. Everything else in them is ignored.

use super::is_id;
use boxoffice::mutant::{Mutant, on};
use boxoffice::{
    Currency, Dispute, Intent, IntentStatus, Money, OrderId, PaymentId, RefundId, RefundOutcome,
    RefundSeen,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The names under which we write our ids into the metadata.
pub const ORDER: &str = "nts_order";
/// See [`ORDER`].
pub const PAYMENT: &str = "nts_payment";
/// See [`ORDER`].
pub const REFUND: &str = "nts_refund";
/// Which box office made it: one Stripe account may serve several.
pub const SHOP: &str = "nts_shop";

/// What may be null or absent is an `Option` here, and says so: nothing has a default. A field that
/// Stripe promises and that is not there makes the object unreadable, which is waited out and told.
type Metadata = Option<BTreeMap<String, Option<String>>>;

/// The largest sum that an object may name, in minor units: 12 digits, the most that Stripe takes of any
/// currency (<https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>).
const MOST_MINOR: i64 = 999_999_999_999;

/// A sum as Stripe writes it: never negative, and never so large that a few of them are no number any
/// more. An object that names any other sum is unreadable.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
struct Minor(i64);

impl TryFrom<i64> for Minor {
    type Error = String;

    fn try_from(minor: i64) -> Result<Minor, String> {
        let is_one = (0..=MOST_MINOR).contains(&minor);
        is_one.then_some(Minor(minor)).ok_or_else(|| format!("the sum {minor}"))
    }
}

/// An id of ours as it stands in the metadata.
fn id_in(metadata: &Metadata, name: &str) -> Option<u128> {
    uuid::Uuid::try_parse(metadata.as_ref()?.get(name)?.as_deref()?).ok().map(|id| id.as_u128())
}

/// <https://docs.stripe.com/api/payment_intents/object>
#[derive(Deserialize)]
pub struct PaymentIntent {
    pub id: String,
    status: String,
    amount: Minor,
    amount_received: Minor,
    currency: String,
    livemode: bool,
    pub created: i64,
    metadata: Metadata,
    client_secret: Option<String>,
    next_action: Option<NextAction>,
    last_payment_error: Option<ErrorObject>,
    latest_charge: Option<ChargeRef>,
}

#[derive(Deserialize)]
struct NextAction {
    redirect_to_url: Option<RedirectToUrl>,
}

#[derive(Deserialize)]
struct RedirectToUrl {
    url: Option<String>,
}

/// The charge: its id alone, or the whole of it when it was asked for with `expand`.
#[derive(Deserialize)]
#[serde(untagged)]
enum ChargeRef {
    Whole(Charge),
    #[expect(dead_code, reason = "read to be told apart from the whole charge")]
    Id(String),
}

/// <https://docs.stripe.com/api/charges/object>
#[derive(Deserialize)]
struct Charge {
    amount_refunded: Option<Minor>,
    disputed: Option<bool>,
}

/// What a PaymentIntent says in passing, and only lists tell in full. `None`: it does not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signs {
    /// What was given back or released so far, in minor units.
    pub refunded_minor: Option<i64>,
    /// Whether the cardholder disputes it.
    pub disputed: Option<bool>,
}

impl PaymentIntent {
    /// Whether the shop of this name made it.
    pub fn is_of(&self, shop: &str) -> bool {
        let of = self.metadata.as_ref().and_then(|metadata| metadata.get(SHOP)?.as_deref());
        of == Some(shop)
    }

    /// What only lists tell in full.
    pub fn signs(&self) -> Signs {
        match &self.latest_charge {
            Some(ChargeRef::Whole(c)) => {
                let refunded_minor = c.amount_refunded.map(|sum| sum.0);
                Signs { refunded_minor, disputed: c.disputed }
            }
            _ => Signs { refunded_minor: None, disputed: None },
        }
    }

    /// As the core wants it, without what only lists tell. The error says what cannot be read.
    pub fn intent(self) -> Result<Intent, String> {
        if !is_id(&self.id) {
            return Err("a PaymentIntent has no id".into());
        }
        let status = match self.status.as_str() {
            "requires_payment_method" => IntentStatus::RequiresPaymentMethod,
            "requires_confirmation" => IntentStatus::RequiresConfirmation,
            "requires_action" => IntentStatus::RequiresAction,
            "processing" => IntentStatus::Processing,
            "requires_capture" => IntentStatus::RequiresCapture,
            "succeeded" => IntentStatus::Succeeded,
            "canceled" => IntentStatus::Canceled,
            other => return Err(format!("a PaymentIntent is {other:?}")),
        };
        let currency = Currency::parse(&self.currency);
        let currency = currency.ok_or_else(|| format!("the currency {:?}", self.currency))?;
        // A redirect works in every browser; anything else is for Stripe's own script, which needs
        // the client secret (https://docs.stripe.com/payments/3d-secure/authentication-flow).
        let redirect = self.next_action.and_then(|action| action.redirect_to_url);
        let redirect = redirect.and_then(|redirect| redirect.url);
        // It is never null, and it says whose the payment is.
        if self.metadata.is_none() {
            return Err("a PaymentIntent has no metadata".into());
        }
        let action = redirect.or(self.client_secret);
        Ok(Intent {
            status,
            amount: Money { minor: self.amount.0, currency },
            received_minor: self.amount_received.0,
            live: self.livemode,
            order: id_in(&self.metadata, ORDER).map(OrderId),
            payment: id_in(&self.metadata, PAYMENT).map(PaymentId),
            action: action.filter(|_| status == IntentStatus::RequiresAction),
            last_error: self.last_payment_error.map(|e| e.for_the_buyer()),
            refunds: Vec::new(),
            dispute: None,
            id: self.id,
        })
    }
}

/// <https://docs.stripe.com/api/refunds/object>
#[derive(Deserialize)]
pub struct Refund {
    pub id: String,
    amount: Minor,
    status: Option<String>,
    pub payment_intent: Option<String>,
    metadata: Metadata,
    reason: Option<String>,
    failure_reason: Option<String>,
}

impl Refund {
    /// Our id of it.
    pub fn ours(&self) -> Option<RefundId> {
        id_in(&self.metadata, REFUND).map(RefundId)
    }

    /// The order that it gives money back of.
    pub fn order(&self) -> Option<OrderId> {
        id_in(&self.metadata, ORDER).map(OrderId)
    }

    /// What it says to who asked for `refund` of the PaymentIntent of this id. The error says what
    /// cannot be read, or that it is about something else.
    pub fn answer(
        &self,
        intent: &str,
        refund: &boxoffice::Refund,
    ) -> Result<RefundOutcome, String> {
        if self.amount.0 != refund.amount_minor {
            return Err(format!(
                "a refund of {} instead of {}",
                self.amount.0, refund.amount_minor
            ));
        }
        if self.payment_intent.as_deref().is_some_and(|of| of != intent) {
            return Err("a refund of another PaymentIntent".into());
        }
        if self.ours().is_some_and(|id| id != refund.id) {
            return Err("another refund".into());
        }
        self.outcome()
    }

    /// What became of it. The error says what cannot be read.
    pub fn outcome(&self) -> Result<RefundOutcome, String> {
        if !is_id(&self.id) {
            return Err("a refund has no id".into());
        }
        match self.status.as_deref() {
            Some("succeeded") => Ok(RefundOutcome::Succeeded(self.id.clone())),
            // Null is documented, and says nothing: it is looked at again.
            Some("pending" | "requires_action") | None => Ok(RefundOutcome::Pending),
            Some(failed @ ("failed" | "canceled")) => {
                let reason = self.failure_reason.as_deref().unwrap_or(failed);
                Ok(RefundOutcome::Failed(reason.to_owned()))
            }
            Some(other) => Err(format!("a refund is {other:?}")),
        }
    }

    fn failed(&self) -> bool {
        matches!(self.status.as_deref(), Some("failed" | "canceled"))
    }

    /// Its status, in Stripe's word.
    pub fn status(&self) -> &str {
        self.status.as_deref().unwrap_or_default()
    }

    /// Whether Stripe itself made it because an authorisation ended: no money was given back.
    pub fn is_expiry(&self) -> bool {
        self.reason.as_deref() == Some("expired_uncaptured_charge")
    }

    /// Whether a person who refunds says why; what Stripe releases has no reason, or its own.
    fn has_a_persons_reason(&self) -> bool {
        let reason = self.reason.as_deref();
        matches!(reason, Some("duplicate" | "fraudulent" | "requested_by_customer"))
    }

    /// As the core wants it. `fresh`: an unused id of ours.
    pub fn seen(self, fresh: RefundId) -> RefundSeen {
        RefundSeen {
            ours: self.ours(),
            fresh,
            amount_minor: self.amount.0,
            failed: self.failed(),
            done: self.status.as_deref() == Some("succeeded"),
            provider_id: self.id,
        }
    }
}

/// Those of a payment's refunds (newest first) that gave money back.
///
/// A release is not money: what was set aside and not taken is free again. Since 2025-03-31.basil, which
/// our calls name, it makes no refund object; but where the account's own version is older, what
/// somebody captures in part or cancels in the dashboard, or what expires, still does
/// (<https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow>).
/// So: where nothing was received, nothing was given back. Where a part was, the release is as much as
/// was not taken, is the oldest of its sum, and gives no reason of a person's. Its `balance_transaction`
/// tells nothing: such a capture made two of them.
pub fn given_back(intent: &Intent, mut refunds: Vec<Refund>) -> Vec<Refund> {
    if on(Mutant::ReleaseIsRefund) {
        return refunds;
    }
    if intent.received_minor <= 0 {
        return Vec::new();
    }
    refunds.retain(|refund| !refund.is_expiry());
    let released = intent.amount.minor - intent.received_minor;
    let is_release = |r: &Refund| {
        let stripes_own = r.ours().is_none() && !r.has_a_persons_reason();
        released > 0 && r.amount.0 == released && stripes_own && !r.failed()
    };
    if let Some(at) = refunds.iter().rposition(is_release) {
        refunds.remove(at);
    }
    refunds
}

/// <https://docs.stripe.com/api/disputes/object>
#[derive(Deserialize)]
pub struct DisputeObject {
    id: String,
    amount: Minor,
    status: String,
    pub payment_intent: Option<String>,
}

impl DisputeObject {
    /// Stripe's id of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it stands, in Stripe's word.
    pub fn status(&self) -> &str {
        &self.status
    }

    /// As the core wants it.
    pub fn dispute(self) -> Dispute {
        Dispute { id: self.id, amount_minor: self.amount.0, status: self.status }
    }
}

/// <https://docs.stripe.com/api/pagination>
#[derive(Deserialize)]
pub struct List<T> {
    pub data: Vec<T>,
    pub has_more: bool,
}

/// <https://docs.stripe.com/api/errors>
#[derive(Deserialize)]
pub struct ErrorBody {
    pub error: ErrorObject,
}

/// See [`ErrorBody`].
#[derive(Deserialize)]
pub struct ErrorObject {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

impl ErrorObject {
    /// Whether it is of this type.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    /// Stripe writes the message of a card error for the cardholder, and every other one for
    /// developers: those are told in our own words
    /// (<https://docs.stripe.com/error-codes#payment-intent-authentication-failure>).
    pub fn for_the_buyer(self) -> String {
        let for_cardholders = self.is("card_error");
        match (self.code.as_deref(), self.message) {
            (Some("payment_intent_authentication_failure"), _) => {
                "Your bank did not confirm that it is you (3-D Secure).".into()
            }
            (_, Some(message)) if for_cardholders && !message.is_empty() => message,
            _ => "The bank did not accept the card.".into(),
        }
    }

    /// For the log and for the organiser.
    pub fn for_us(&self) -> String {
        let name = self.code.as_deref().or(self.kind.as_deref()).unwrap_or("error");
        format!("{name}: {}", self.message.as_deref().unwrap_or("(no message)"))
    }
}
