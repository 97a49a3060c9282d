//! Erasing buyers' names and e-mail addresses.

use crate::OrderState;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// `POST /api/v1/erasures`: one of `email` and `order`, and `dry_run`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErasureBody {
    /// All orders of this e-mail address, however it is written in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// This order, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// Only tell what would be erased.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What was erased, or would be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Erasure<'a> {
    /// Whether nothing was changed, because only the numbers were asked for.
    pub dry_run: bool,
    /// From so many orders the name and the e-mail address are erased, or would be.
    pub erased: u64,
    /// So many orders were found that had a name and an address: `erased` and `left`.
    pub found: u64,
    /// So many orders still need them and were left as they are.
    pub left: u64,
    /// The first hundred of those.
    #[serde(borrow)]
    pub orders_left: Vec<OrderLeft<'a>>,
}

/// An order that keeps its buyer for now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrderLeft<'a> {
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Why, in a sentence.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// Where it stands.
    pub state: OrderState,
}
