//! The bodies of requests.

use crate::Money;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// `POST /api/v1/events/{event}/orders`: holds places.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderBody {
    /// Who orders.
    pub buyer: BuyerBody,
    /// What is ordered.
    pub lines: Vec<HoldLine>,
    /// The code that the buyer has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What a program wants to keep with the order: see `MetadataBody`.
    #[serde(default, deserialize_with = "each_once", skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// Who orders.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineBody {
    /// The ticket type's id.
    pub ticket_type: String,
    /// How many.
    pub quantity: i64,
}

/// How many of which ticket type, and at which price.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayBody {
    /// The token that the payment provider gave for the card; left out where nothing is to be paid.
    #[serde(default)]
    pub token: String,
}

/// `PUT /api/v1/orders/{id}/answers`: all answers to what is asked. One that is not among them is taken back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswersBody {
    /// The answers.
    pub answers: Vec<AnswerBody>,
}

/// An answer to a question of the event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerBody {
    /// The question's id.
    pub question: String,
    /// For which ticket of the order, from 1; left out where the question is for the order. Tickets are numbered
    /// before they are issued, too: line by line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<u16>,
    /// The answer: a text, one of the choices, or `yes` or `no`.
    pub answer: String,
}

/// `PUT /api/v1/orders/{id}/metadata`: all metadata of the order. What is not among it is not kept any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MetadataBody {
    /// Up to 10 strings by keys of the program's own. A key is 1 to 40 letters from A to Z or a to z, digits, `_`, `.`
    /// or `-`; a string is 1 to 200 characters without control characters. No key stands there twice.
    #[serde(deserialize_with = "each_once")]
    pub metadata: BTreeMap<String, String>,
}

/// An object of strings in which no key stands twice.
fn each_once<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Strings;
    impl<'de> Visitor<'de> for Strings {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of strings")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut strings = BTreeMap::new();
            while let Some((key, string)) = map.next_entry::<String, String>()? {
                if strings.contains_key(&key) {
                    return Err(M::Error::custom(format_args!(
                        "the key {key:?} stands there twice"
                    )));
                }
                strings.insert(key, string);
            }
            Ok(strings)
        }
    }
    from.deserialize_map(Strings)
}

/// `POST /api/v1/events/{event}/sales`: tickets that the organiser gives away, or sells for cash or by a card
/// terminal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaleBody {
    /// For whom. The e-mail address may be empty: then nothing is mailed.
    pub buyer: SaleBuyerBody,
    /// What.
    pub lines: Vec<LineBody>,
    /// How it is paid: `free`, `cash` or `terminal`.
    pub tender: String,
    /// What to note of it, up to 100 characters: the number of a receipt, say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// In which language to write to the buyer: `en`, `de`, `fr` or `es`; English if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What a program wants to keep with the order: see `MetadataBody`.
    #[serde(default, deserialize_with = "each_once", skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// Whom the organiser sells or gives tickets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaleBuyerBody {
    /// The name.
    pub name: String,
    /// The e-mail address; may be empty.
    #[serde(default)]
    pub email: String,
}

/// `PUT /api/v1/orders/{id}/name`: the name of the buyer of an order was mistyped.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BuyerNameBody {
    /// The name, 1 to 200 characters.
    pub name: String,
}

/// `PUT /api/v1/orders/{id}/email`: another address for an order that is paid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailBody {
    /// The address.
    pub email: String,
}

/// `POST /api/v1/orders/{id}/refunds`: one of `all`, `lines` and `failed`, and `restock`; or `amount`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
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
    /// A sum, in the order's currency; the tickets stay valid as long as some of the payment is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money<'static>>,
    /// Whether the places are put back on sale. With `amount` it may be left out: then they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restock: Option<bool>,
    /// Why, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
