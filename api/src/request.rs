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
    pub lines: Vec<HoldLine>,
    /// The code that the buyer has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Who orders.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuyerBody {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// In which language to write to the buyer: `en`, `de`, `fr` or `es`. If it is left out, `Accept-Language`
    /// says it, and without that it is English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
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

/// How many of which ticket type, and at which price.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldLine {
    /// The ticket type's id.
    pub ticket_type: String,
    /// How many.
    pub quantity: i64,
    /// The highest price of one that the buyer was shown; any price is taken if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money<'static>>,
}

/// `POST /api/v1/orders/{id}/pay`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayBody {
    /// The token that the payment provider gave for the card; left out where nothing is to be paid.
    #[serde(default)]
    pub token: String,
}

/// `PUT /api/v1/orders/{id}/email`: another address for an order that is paid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailBody {
    /// The address.
    pub email: String,
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
