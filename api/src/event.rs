//! Events with what is left of them.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// An amount of money.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money<'a> {
    /// In the currency's minor unit: pence, cents.
    pub amount: i64,
    /// The ISO 4217 code.
    pub currency: Cow<'a, str>,
}

/// `GET /api/v1/events`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventList<'a> {
    /// When the counts were true.
    pub as_of: Cow<'a, str>,
    /// All events.
    #[serde(borrow)]
    pub events: Vec<Event<'a>>,
}

/// `GET /api/v1/events/{event}`, and the answer to `PUT`: an event with its counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event<'a> {
    /// When the counts were true.
    #[serde(borrow)]
    pub as_of: Cow<'a, str>,
    /// The ISO 4217 code of all prices.
    #[serde(borrow)]
    pub currency: Cow<'a, str>,
    /// How long a hold lasts, in seconds.
    pub hold_seconds: i64,
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Whether `ann+1@example.org` and `ann@example.org` are one buyer.
    pub ignore_email_tags: bool,
    /// The most tickets of one buyer; null: as many as they like.
    pub limit_per_buyer: Option<u32>,
    /// The most tickets in one order.
    pub limit_per_order: u32,
    /// Its name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Whether the sale is open.
    pub on_sale: bool,
    /// Where it takes place; may be empty.
    #[serde(borrow)]
    pub place: Cow<'a, str>,
    /// Its pools of places. One without any place is left out.
    #[serde(borrow)]
    pub pools: Vec<Pool<'a>>,
    /// When the sale ends; null: never.
    pub sale_closes: Option<Cow<'a, str>>,
    /// When the sale begins; null: it has begun.
    pub sale_opens: Option<Cow<'a, str>>,
    /// When it begins.
    #[serde(borrow)]
    pub starts_at: Cow<'a, str>,
    /// What is on offer.
    #[serde(borrow)]
    pub ticket_types: Vec<TicketType<'a>>,
    /// The IANA time zone of the place.
    #[serde(borrow)]
    pub zone: Cow<'a, str>,
}

/// An event of the stream `GET /api/v1/events/{event}/live`: the counts as they change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventCounts<'a> {
    /// When the counts were true.
    #[serde(borrow)]
    pub as_of: Cow<'a, str>,
    /// As in [`Event`].
    pub on_sale: bool,
    /// As in [`Event`].
    #[serde(borrow)]
    pub pools: Vec<Pool<'a>>,
    /// As in [`Event`].
    #[serde(borrow)]
    pub ticket_types: Vec<TicketType<'a>>,
}

/// Places that several ticket types may share.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pool<'a> {
    /// How many places there are.
    pub capacity: u32,
    /// How many are held.
    pub held: u32,
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// How many can be ordered.
    pub left: u32,
    /// How many are sold.
    pub sold: u32,
}

/// What can be ordered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TicketType<'a> {
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// How many places are left in its pool.
    pub left: u32,
    /// Its name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The id of the pool that it takes places from.
    #[serde(borrow)]
    pub pool: Cow<'a, str>,
    /// The price of one.
    pub price: Money<'a>,
}
