//! Guests that are imported from a file.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// `POST /api/v1/events/{event}/guests`: what became of the file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct GuestsAnswer<'a> {
    /// Whether nothing was to be given.
    pub dry_run: bool,
    /// How many rows were given now.
    pub given: u64,
    /// How many rows were given before.
    pub given_before: u64,
    /// How many rows are still to be given: send the file again until it is 0.
    pub left: u64,
    /// Rows that are left out, because of their status.
    #[serde(borrow)]
    pub left_out: Vec<RowNote<'a>>,
    /// How many more problems there are than are listed.
    pub more_problems: u64,
    /// What is wrong with which line. Nothing is given as long as something is.
    #[serde(borrow)]
    pub problems: Vec<RowNote<'a>>,
    /// How many rows can be given in all, before and now.
    pub rows: u64,
    /// The tickets by their types, in the event's order.
    #[serde(borrow)]
    pub ticket_types: Vec<GuestCount<'a>>,
    /// How many tickets they are.
    pub tickets: u64,
}

/// How many tickets of a type a file has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct GuestCount<'a> {
    /// How many of them are still to be given.
    pub left: u64,
    /// The id of the ticket type.
    #[serde(borrow)]
    pub ticket_type: Cow<'a, str>,
    /// How many.
    pub tickets: u64,
}

/// What is said of a row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RowNote<'a> {
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// What, in a sentence.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
}
