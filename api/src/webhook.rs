//! Webhooks: the messages that other programs get, and how they are managed.

use crate::Money;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// The body of a message to a webhook.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookMessage<'a> {
    /// What it is about.
    #[serde(borrow)]
    pub data: WebhookData<'a>,
    /// Whether real money moves. Before the shop goes live all its orders are tests, which go with their messages.
    pub live: bool,
    /// When it happened.
    #[serde(borrow)]
    pub timestamp: Cow<'a, str>,
    /// What happened: `order.paid` and so on, or `webhook.test`.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
}

/// What a message is about. Which members there are follows from its type.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookData<'a> {
    /// The event, by its id.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Cow<'a, str>>,
    /// Of a check-in: the id of the gate.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Cow<'a, str>>,
    /// The order, by its id.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Cow<'a, str>>,
    /// The refund that was made.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<WebhookRefund<'a>>,
    /// Of an event: `open`, `paused`, `canceled` or `deleted`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sale: Option<Cow<'a, str>>,
    /// Rises with every change of the order that messages tell of: of two messages about an order, that with the
    /// higher number is the later one. Messages about one change have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u32>,
    /// Where the order stands after the change.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Cow<'a, str>>,
    /// The numbers of the tickets in their order, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tickets: Option<Vec<u32>>,
    /// Of a test: the id of the webhook.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Cow<'a, str>>,
}

/// A refund that was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookRefund<'a> {
    /// How much went back.
    pub amount: Money<'a>,
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
}

/// `POST /api/v1/webhooks`: a new webhook. `PATCH /api/v1/webhooks/{id}`: what of it changes; what is left out stays.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookBody {
    /// Where messages go: an `https` address. A new webhook needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of what it is told: the types of messages, or `*` alone for all there are and will be. A new webhook is told of
    /// all if this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// Of which event only, by its id; `*` for all. A new webhook is told of all if this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Whether it is told anything. A new webhook is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A webhook.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Webhook<'a> {
    /// When it was made.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub created_at: Cow<'a, str>,
    /// Why it is switched off, if nobody of the staff has done so.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<Cow<'a, str>>,
    /// Whether it is told anything.
    pub enabled: bool,
    /// Of which event only, by its id.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Cow<'a, str>>,
    /// Since when all messages to it fail.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub failing_since: Option<Cow<'a, str>>,
    /// Its id.
    #[serde(borrow)]
    #[schema(format = "uuid")]
    pub id: Cow<'a, str>,
    /// Until then messages are signed with the secret before as well.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub old_secret_until: Option<Cow<'a, str>>,
    /// With what messages to it are signed. Shown when it was made, and when it gets another.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Cow<'a, str>>,
    /// Of what it is told; `*` alone for all there are and will be.
    #[serde(borrow)]
    pub types: Vec<Cow<'a, str>>,
    /// Where messages go.
    #[serde(borrow)]
    pub url: Cow<'a, str>,
}

/// `GET /api/v1/webhooks`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookList<'a> {
    /// All of them, the oldest first.
    #[serde(borrow)]
    pub webhooks: Vec<Webhook<'a>>,
}

/// Where a message to a webhook stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is to be sent, or to be sent again.
    Waiting,
    /// The receiver has taken it.
    Delivered,
    /// It was tried for days, in vain, or the receiver wants no more messages.
    GivenUp,
    /// The webhook was changed before it was sent, and is not told of such things any more.
    Unwanted,
}

/// A message to a webhook.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery<'a> {
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Its id: the receiver gets it as the header `webhook-id`.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// How its last try went, if there was one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub last: Option<WebhookTry<'a>>,
    /// Not to be tried before, while it waits.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub next_at: Option<Cow<'a, str>>,
    /// Since when it is owed.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub owed_at: Cow<'a, str>,
    /// What is sent.
    #[serde(borrow)]
    pub payload: Cow<'a, str>,
    /// Where it stands.
    pub state: DeliveryState,
    /// What happened.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
}

/// How a try to deliver a message went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookTry<'a> {
    /// How the answer begins: at most a kilobyte.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Cow<'a, str>>,
    /// When it began.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub at: Cow<'a, str>,
    /// How long it took.
    pub duration_ms: i64,
    /// Why it was in vain, if it was.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, str>>,
    /// The HTTP status of the answer, if one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u32>,
}

/// `GET /api/v1/webhooks/{id}/deliveries`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WebhookDeliveries<'a> {
    /// The newest first.
    #[serde(borrow)]
    pub deliveries: Vec<WebhookDelivery<'a>>,
    /// The most deliveries of a page.
    pub limit: u32,
    /// Ask with `after=` this for those before them; absent on the last page.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cow<'a, str>>,
}
