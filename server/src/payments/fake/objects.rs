//! The objects as Stripe writes them, with those of its fields that somebody may want.

use super::tables::{Charge, Dispute, Intent, Refund, Status};
use boxoffice::IntentStatus;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// <https://docs.stripe.com/api/payment_intents/object>
#[derive(Serialize)]
pub(super) struct IntentObject<'a> {
    id: &'a str,
    object: &'static str,
    amount: i64,
    amount_capturable: i64,
    amount_received: i64,
    allowed_payment_method_types: [&'static str; 1],
    canceled_at: Option<i64>,
    cancellation_reason: Option<&'a str>,
    capture_method: &'static str,
    client_secret: &'a str,
    created: i64,
    currency: &'a str,
    description: Option<&'a str>,
    last_payment_error: Option<&'a Value>,
    latest_charge: Latest<'a>,
    livemode: bool,
    metadata: &'a BTreeMap<String, String>,
    next_action: Option<&'a Value>,
    status: &'static str,
}

/// An id, or the object itself if it was asked for by `expand[]`.
#[derive(Serialize)]
#[serde(untagged)]
enum Latest<'a> {
    Id(Option<&'a str>),
    Whole(ChargeObject<'a>),
}

pub(super) fn intent<'a>(intent: &'a Intent, charge: Option<&'a Charge>) -> IntentObject<'a> {
    IntentObject {
        id: &intent.id,
        object: "payment_intent",
        amount: intent.amount,
        amount_capturable: match intent.status {
            IntentStatus::RequiresCapture => intent.amount,
            _ => 0,
        },
        amount_received: intent.received,
        allowed_payment_method_types: ["card"],
        canceled_at: intent.canceled,
        cancellation_reason: intent.reason.as_deref(),
        capture_method: if intent.manual { "manual" } else { "automatic_async" },
        client_secret: &intent.secret,
        created: intent.created,
        currency: &intent.currency,
        description: intent.description.as_deref(),
        last_payment_error: intent.error.as_ref(),
        latest_charge: match charge {
            Some(whole) => Latest::Whole(self::charge(whole)),
            None => Latest::Id(intent.charge.as_deref()),
        },
        livemode: false,
        metadata: &intent.metadata,
        next_action: intent.action.as_ref(),
        status: Status(intent.status).name(),
    }
}

/// <https://docs.stripe.com/api/charges/object>
#[derive(Serialize)]
pub(super) struct ChargeObject<'a> {
    id: &'a str,
    object: &'static str,
    amount: i64,
    amount_captured: i64,
    amount_refunded: i64,
    captured: bool,
    created: i64,
    currency: &'a str,
    disputed: bool,
    livemode: bool,
    paid: bool,
    payment_intent: &'a str,
    refunded: bool,
    status: &'static str,
}

pub(super) fn charge(charge: &Charge) -> ChargeObject<'_> {
    ChargeObject {
        id: &charge.id,
        object: "charge",
        amount: charge.amount,
        amount_captured: charge.captured,
        amount_refunded: charge.refunded,
        captured: charge.taken,
        created: charge.created,
        currency: &charge.currency,
        disputed: charge.disputed,
        livemode: false,
        paid: charge.paid,
        payment_intent: &charge.intent,
        refunded: charge.refunded == charge.amount,
        status: if charge.paid { "succeeded" } else { "failed" },
    }
}

/// <https://docs.stripe.com/api/refunds/object>
#[derive(Serialize)]
pub(super) struct RefundObject<'a> {
    id: &'a str,
    object: &'static str,
    amount: i64,
    balance_transaction: Option<&'a str>,
    charge: &'a str,
    created: i64,
    currency: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
    payment_intent: &'a str,
    reason: Option<&'a str>,
    status: &'a str,
}

pub(super) fn refund(refund: &Refund) -> RefundObject<'_> {
    RefundObject {
        id: &refund.id,
        object: "refund",
        amount: refund.amount,
        balance_transaction: refund.balance.as_deref(),
        charge: &refund.charge,
        created: refund.created,
        currency: &refund.currency,
        failure_reason: refund.failure.as_deref().filter(|_| refund.status == "failed"),
        metadata: &refund.metadata,
        payment_intent: &refund.intent,
        reason: refund.reason.as_deref(),
        status: &refund.status,
    }
}

/// <https://docs.stripe.com/api/disputes/object>
#[derive(Serialize)]
pub(super) struct DisputeObject<'a> {
    id: &'a str,
    object: &'static str,
    amount: i64,
    charge: &'a str,
    created: i64,
    currency: &'a str,
    livemode: bool,
    payment_intent: &'a str,
    reason: &'a str,
    status: &'a str,
}

pub(super) fn dispute(dispute: &Dispute) -> DisputeObject<'_> {
    DisputeObject {
        id: &dispute.id,
        object: "dispute",
        amount: dispute.amount,
        charge: &dispute.charge,
        created: dispute.created,
        currency: &dispute.currency,
        livemode: false,
        payment_intent: &dispute.intent,
        reason: &dispute.reason,
        status: &dispute.status,
    }
}

/// <https://docs.stripe.com/api/pagination>
#[derive(Serialize)]
pub(super) struct List<T> {
    pub object: &'static str,
    pub url: &'static str,
    pub has_more: bool,
    pub data: Vec<T>,
}
