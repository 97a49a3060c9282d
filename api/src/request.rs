//! The bodies of requests.

use crate::Money;
use serde::{Deserialize, Serialize};

/// `POST /api/v1/events/{event}/orders`: holds places.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderBody {
    /// Who orders.
    pub buyer: BuyerBody,
    /// What is ordered.
    pub lines: Vec<LineBody>,
}

/// Who orders.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuyerBody {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

/// How many of which ticket type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineBody {
    /// The ticket type's id.
    pub ticket_type: String,
    /// How many.
    pub quantity: i64,
}

/// `POST /api/v1/orders/{id}/pay`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayBody {
    /// The token that the payment provider gave for the card; empty where nothing is to be paid.
    pub token: String,
}

/// `POST /api/v1/orders/{id}/refunds`: one of `all`, `lines` and `failed`, and `restock`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundBody {
    /// All that is left.
    #[serde(default)]
    pub all: bool,
    /// So many of these ticket types.
    pub lines: Option<Vec<LineBody>>,
    /// The money of refunds that failed, once more.
    #[serde(default)]
    pub failed: bool,
    /// Whether the places are put back on sale.
    pub restock: bool,
}

/// `PUT /api/v1/events/{event}`: an event as an organiser writes it, in JSON or in TOML.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventBody {
    /// Its name.
    pub name: String,
    /// Where it takes place.
    #[serde(default)]
    pub place: String,
    /// When it begins, in RFC 3339.
    pub starts_at: String,
    /// The IANA time zone of the place.
    pub zone: String,
    /// The ISO 4217 code of all prices.
    pub currency: String,
    /// The most tickets in one order; 10 if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_per_order: Option<u32>,
    /// The most tickets of one buyer; as many as they like if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_per_buyer: Option<u32>,
    /// Whether `ann+1@example.org` and `ann@example.org` are one buyer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_email_tags: bool,
    /// How long a hold lasts, in seconds; 300 if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_seconds: Option<u32>,
    /// When the sale begins, in RFC 3339; at once if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_opens: Option<String>,
    /// When the sale ends, in RFC 3339; never if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_closes: Option<String>,
    /// Its pools of places.
    pub pools: Vec<PoolBody>,
    /// What is on offer.
    pub ticket_types: Vec<TicketTypeBody>,
}

/// Places that several ticket types may share.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolBody {
    /// Its id.
    pub id: String,
    /// How many places there are.
    pub capacity: u32,
}

/// What can be ordered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TicketTypeBody {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of the pool that it takes places from.
    pub pool: String,
    /// The price of one, in the event's currency.
    pub price: Money<'static>,
}
