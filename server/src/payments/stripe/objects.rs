//! Stripe's objects, as far as we read them. Everything else in them is ignored.

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

type Metadata = BTreeMap<String, String>;

/// An id of ours as it stands in the metadata.
fn id_in(metadata: &Metadata, name: &str) -> Option<u128> {
    uuid::Uuid::try_parse(metadata.get(name)?).ok().map(|id| id.as_u128())
}

/// <https://docs.stripe.com/api/payment_intents/object>
#[derive(Deserialize)]
pub struct PaymentIntent {
    pub id: String,
    status: String,
    amount: i64,
    #[serde(default)]
    amount_received: i64,
    currency: String,
    livemode: bool,
    pub created: i64,
    #[serde(default)]
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
    url: String,
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
    amount_refunded: i64,
    disputed: bool,
}

/// What a PaymentIntent says in passing, and only lists tell in full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signs {
    /// What was given back so far, in minor units.
    pub refunded_minor: i64,
    /// Whether the cardholder disputes it.
    pub disputed: bool,
}

impl PaymentIntent {
    /// Whether the shop of this name made it.
    pub fn is_of(&self, shop: &str) -> bool {
        self.metadata.get(SHOP).is_some_and(|s| s == shop)
    }

    /// What only lists tell in full.
    pub fn signs(&self) -> Signs {
        match &self.latest_charge {
            Some(ChargeRef::Whole(c)) => {
                Signs { refunded_minor: c.amount_refunded, disputed: c.disputed }
            }
            _ => Signs { refunded_minor: 0, disputed: false },
        }
    }

    /// As the core wants it, without what only lists tell. The error says what cannot be read.
    pub fn intent(self) -> Result<Intent, String> {
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
        let redirect = self.next_action.and_then(|action| action.redirect_to_url).map(|r| r.url);
        let action = redirect.or(self.client_secret);
        Ok(Intent {
            status,
            amount: Money { minor: self.amount, currency },
            received_minor: self.amount_received,
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
    amount: i64,
    status: String,
    pub payment_intent: Option<String>,
    #[serde(default)]
    pub created: i64,
    #[serde(default)]
    metadata: Metadata,
    failure_reason: Option<String>,
}

impl Refund {
    /// Our id of it.
    pub fn ours(&self) -> Option<RefundId> {
        id_in(&self.metadata, REFUND).map(RefundId)
    }

    /// What it says to who asked for it. The error says what cannot be read.
    pub fn outcome(&self) -> Result<RefundOutcome, String> {
        match self.status.as_str() {
            "succeeded" => Ok(RefundOutcome::Succeeded(self.id.clone())),
            "pending" | "requires_action" => Ok(RefundOutcome::Pending),
            "failed" | "canceled" => {
                let reason = self.failure_reason.as_deref().unwrap_or(&self.status);
                Ok(RefundOutcome::Failed(reason.to_owned()))
            }
            other => Err(format!("a refund is {other:?}")),
        }
    }

    /// As the core wants it. `fresh`: an unused id of ours.
    pub fn seen(self, fresh: RefundId) -> RefundSeen {
        RefundSeen {
            ours: self.ours(),
            fresh,
            amount_minor: self.amount,
            failed: matches!(self.status.as_str(), "failed" | "canceled"),
            provider_id: self.id,
        }
    }
}

/// <https://docs.stripe.com/api/disputes/object>
#[derive(Deserialize)]
pub struct DisputeObject {
    id: String,
    amount: i64,
    status: String,
    pub payment_intent: Option<String>,
    #[serde(default)]
    pub created: i64,
}

impl DisputeObject {
    /// Stripe's id of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// As the core wants it.
    pub fn dispute(self) -> Dispute {
        Dispute { id: self.id, amount_minor: self.amount, status: self.status }
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
    #[serde(rename = "type", default)]
    pub kind: String,
    pub code: Option<String>,
    #[serde(default)]
    pub message: String,
}

impl ErrorObject {
    /// Stripe writes the message of a card error for the cardholder, and every other one for
    /// developers: those are told in our own words
    /// (<https://docs.stripe.com/error-codes#payment-intent-authentication-failure>).
    pub fn for_the_buyer(self) -> String {
        match self.code.as_deref() {
            Some("payment_intent_authentication_failure") => {
                "Your bank did not confirm that it is you (3-D Secure).".into()
            }
            _ if self.kind == "card_error" && !self.message.is_empty() => self.message,
            _ => "The bank did not accept the card.".into(),
        }
    }

    /// For the log and for the organiser.
    pub fn for_us(&self) -> String {
        match &self.code {
            Some(code) => format!("{code}: {}", self.message),
            None => format!("{}: {}", self.kind, self.message),
        }
    }
}
