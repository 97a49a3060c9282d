//! Events: as an organiser writes them, and with what is left of them.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// An amount of money.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money<'a> {
    /// In the currency's minor unit: pence, cents.
    pub amount: i64,
    /// The ISO 4217 code.
    pub currency: Cow<'a, str>,
}

/// `GET /api/v1/events`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventList<'a> {
    /// When the counts were true.
    #[schema(format = DateTime)]
    pub as_of: Cow<'a, str>,
    /// The events, the next to begin first.
    #[serde(borrow)]
    pub events: Vec<Event<'a>>,
}

/// `GET /api/v1/events/{event}`, and the answer to `PUT`: an event with its counts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event<'a> {
    /// When the counts were true.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub as_of: Cow<'a, str>,
    /// Whether the mail with the tickets has them as a PDF file, too.
    pub attach_pdf: bool,
    /// Whether the event was cancelled: it does not take place.
    pub canceled: bool,
    /// Its codes, for its organiser alone.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub codes: Option<Vec<Code<'a>>>,
    /// The e-mail address at which its organiser answers questions; may be empty.
    #[serde(borrow)]
    pub contact: Cow<'a, str>,
    /// The ISO 4217 code of all prices.
    #[serde(borrow)]
    pub currency: Cow<'a, str>,
    /// What buyers read about it, with `\n` between lines; may be empty.
    #[serde(borrow)]
    pub description: Cow<'a, str>,
    /// When it ends; null: 12 hours after it begins.
    #[schema(required, format = DateTime)]
    pub ends_at: Option<Cow<'a, str>>,
    /// Whether the public list of events leaves it out.
    pub hidden: bool,
    /// How long a hold lasts, in seconds.
    pub hold_seconds: i64,
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Whether `ann+1@example.org` and `ann@example.org` are one buyer.
    pub ignore_email_tags: bool,
    /// How many days after the end buyers' names and addresses are replaced; null: never.
    #[schema(required)]
    pub keep_buyers_days: Option<u32>,
    /// The most tickets of one buyer; null: as many as they like.
    #[schema(required)]
    pub limit_per_buyer: Option<u32>,
    /// The most tickets in one order.
    pub limit_per_order: u32,
    /// Its name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Until when the names on tickets can be changed; null: until it begins.
    #[schema(required, format = DateTime)]
    pub names_until: Option<Cow<'a, str>>,
    /// Whether the sale is open.
    pub on_sale: bool,
    /// Whether it has ended.
    pub over: bool,
    /// Whether its organiser has paused the sale.
    pub paused: bool,
    /// Where it takes place; may be empty.
    #[serde(borrow)]
    pub place: Cow<'a, str>,
    /// Its pools of places. One without any place is left out.
    #[serde(borrow)]
    pub pools: Vec<Pool<'a>>,
    /// What is asked between the hold and the payment; absent: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub questions: Vec<Question<'a>>,
    /// When the sale ends; null: when the event ends.
    #[schema(required, format = DateTime)]
    pub sale_closes: Option<Cow<'a, str>>,
    /// When the sale begins; null: it has begun.
    #[schema(required, format = DateTime)]
    pub sale_opens: Option<Cow<'a, str>>,
    /// When it begins.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub starts_at: Cow<'a, str>,
    /// What is on offer.
    #[serde(borrow)]
    pub ticket_types: Vec<TicketType<'a>>,
    /// The IANA time zone of the place.
    #[serde(borrow)]
    pub zone: Cow<'a, str>,
}

/// A question of an event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Question<'a> {
    /// With what it is answered, if `kind` is `choice`; absent otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub choices: Vec<Cow<'a, str>>,
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// How it is answered: `text`, `long_text`, `choice` or `yes_no`.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// For what it is asked: `order` or `ticket`.
    #[serde(borrow)]
    pub per: Cow<'a, str>,
    /// Whether nobody pays without an answer to it.
    pub required: bool,
    /// What is asked.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// The ids of the ticket types with which it is asked; absent: with all.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub ticket_types: Vec<Cow<'a, str>>,
}

/// The answer to `PUT /api/v1/events/{event}`: the event, and after its own members what is odd about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct PutAnswer<'a> {
    /// The event as it is now.
    #[serde(flatten)]
    pub event: Event<'a>,
    /// What was done and is probably not meant so: sentences for a person.
    pub warnings: Vec<String>,
}

/// The answer to `POST /api/v1/events/{event}/cancel`, and to `GET /api/v1/events/{event}/cancellation`: how
/// far it is that everybody has the money back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Cancellation<'a> {
    /// The id of the event.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// When the event was cancelled.
    #[schema(format = DateTime)]
    pub canceled_at: Cow<'a, str>,
    /// When the last order was at rest; null: it goes on.
    #[schema(required, format = DateTime)]
    pub done_at: Option<Cow<'a, str>>,
    /// How many places were held or sold when it was cancelled.
    pub places: u64,
    /// How many of them still are. Places that were refunded before and not put back on sale are among them until
    /// all is done.
    pub places_left: u64,
    /// Orders whose hold or payment it ended before anything was paid. What had ended before is not counted.
    pub released: u64,
    /// Orders that were refunded by it. What was refunded before is not counted.
    pub refunded: u64,
    /// What went back for them since the event was cancelled.
    #[serde(borrow)]
    pub amount: Money<'a>,
    /// Orders whose money somebody must give back: they were paid in cash or at a terminal, or the payment
    /// provider could not give it back.
    pub failed: u64,
}

/// An event of the stream `GET /api/v1/events/{event}/live`: the counts as they change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct EventCounts<'a> {
    /// When the counts were true.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub as_of: Cow<'a, str>,
    /// As in the answer to `GET` of an event.
    pub on_sale: bool,
    /// As in the answer to `GET` of an event.
    #[serde(borrow)]
    pub pools: Vec<Pool<'a>>,
    /// As in the answer to `GET` of an event.
    #[serde(borrow)]
    pub ticket_types: Vec<TicketType<'a>>,
}

/// Places that several ticket types may share.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
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

/// What can be ordered. What most ticket types do not have is left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TicketType<'a> {
    /// How many of it are sold at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// What the code takes off the price of one now.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub discount: Option<Money<'a>>,
    /// How many are held of what there are too few of; left out if it has no capacity of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u32>,
    /// Whether it is shown only with a code.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// How many can be ordered: of its pool, and of its own capacity if it has one.
    pub left: u32,
    /// Its name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The price of one after `price_now`.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub next_price: Option<Money<'a>>,
    /// Whether its own times let it be sold now; left out if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_sale: Option<bool>,
    /// Its price phases.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub phases: Vec<Phase<'a>>,
    /// The id of the pool that it takes places from.
    #[serde(borrow)]
    pub pool: Cow<'a, str>,
    /// The price of one, when no price phase holds and without a code.
    pub price: Money<'a>,
    /// How many can be had at the price of now; left out: as many as are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_left: Option<u32>,
    /// The price of one now, with the code; left out if it is `price`.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub price_now: Option<Money<'a>>,
    /// When the price of now ends at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = DateTime)]
    pub price_until: Option<Cow<'a, str>>,
    /// From this on it is not sold any more.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = DateTime)]
    pub sale_closes: Option<Cow<'a, str>>,
    /// Before this it is not sold.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = DateTime)]
    pub sale_opens: Option<Cow<'a, str>>,
    /// The VAT that its prices include, in per cent, such as `19` or `5.5`.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub vat_percent: Option<Cow<'a, str>>,
}

/// A time in which a ticket type has another price.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Phase<'a> {
    /// How many tickets are sold in it at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// Its name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The price of one.
    #[serde(borrow)]
    pub price: Money<'a>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = DateTime)]
    pub until: Option<Cow<'a, str>>,
}

/// A code with its counts, as its organiser sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Code<'a> {
    /// How much it takes off the price of each ticket.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub amount_off: Option<Money<'a>>,
    /// The code.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// How many tickets with it are held.
    pub held: u32,
    /// For how many tickets it is still good.
    pub left: u32,
    /// The ids of the hidden ticket types that it shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub opens: Vec<Cow<'a, str>>,
    /// How many per cent it takes off the price of each ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_off: Option<u8>,
    /// How many tickets with it are sold.
    pub sold: u32,
    /// The ids of the ticket types that are cheaper with it; absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub ticket_types: Vec<Cow<'a, str>>,
    /// For how many tickets it is good.
    pub uses: u32,
    /// Before this it is not valid.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = DateTime)]
    pub valid_from: Option<Cow<'a, str>>,
    /// From this on it is not valid any more.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = DateTime)]
    pub valid_until: Option<Cow<'a, str>>,
}

/// `PUT /api/v1/events/{event}`: an event as an organiser writes it, in JSON or in TOML.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventBody {
    /// Its name.
    pub name: String,
    /// Where it takes place.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// What buyers read about it: plain text of up to 5,000 characters. If it is not said, it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it begins, in RFC 3339.
    #[schema(format = DateTime)]
    pub starts_at: String,
    /// When it ends, in RFC 3339; 12 hours after it begins if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ends_at: Option<String>,
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
    #[schema(format = DateTime)]
    pub sale_opens: Option<String>,
    /// When the sale ends, in RFC 3339; when the event ends if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub sale_closes: Option<String>,
    /// Until when the names on tickets can be changed, in RFC 3339; until it begins if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub names_until: Option<String>,
    /// Whether the public list of events leaves it out. If it is not said, it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// How many days after the end buyers' names and addresses are replaced; null: never. If it is not said, it
    /// stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_buyers_days: Option<u32>,
    /// The e-mail address at which buyers' questions are answered: mails to them name it, and answers to those
    /// mails go there. If it is not said, it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Whether the mail with the tickets has them as a PDF file, too. If it is not said, it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach_pdf: Option<bool>,
    /// What is asked between the hold and the payment, in this order; what is asked now if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub questions: Option<Vec<QuestionBody>>,
    /// Its pools of places.
    pub pools: Vec<PoolBody>,
    /// What is on offer, in the order in which it is shown.
    pub ticket_types: Vec<TicketTypeBody>,
    /// Its codes; those that it has stay if they are not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<Vec<CodeBody>>,
}

/// A question of an event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionBody {
    /// Its id, which it keeps.
    pub id: String,
    /// What buyers read, up to 300 characters.
    pub text: String,
    /// How it is answered: `text` (one line), `long_text` (several lines), `choice` or `yes_no`.
    pub kind: String,
    /// What can be chosen, if `kind` is `choice`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Whether nobody pays without an answer to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// `order`: it is asked once; `ticket`: for each ticket. Once if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
    /// The ids of the ticket types with which it is asked; with all if none is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticket_types: Vec<String>,
}

/// Places that several ticket types may share.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolBody {
    /// Its id.
    pub id: String,
    /// How many places there are.
    pub capacity: u32,
}

/// What can be ordered. Of one that is there already, the fields from `hidden` on stay as they are if none of
/// them is said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketTypeBody {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of the pool that it takes places from.
    pub pool: String,
    /// The price of one, in the event's currency, when no price phase holds.
    pub price: Money<'static>,
    /// Whether it is shown and sold only with a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// When its sale begins, in RFC 3339; with the event's if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub sale_opens: Option<String>,
    /// When its sale ends, in RFC 3339; with the event's if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub sale_closes: Option<String>,
    /// How many of it are sold at most; as many as its pool has if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// Its price phases, in the order in which they come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<Vec<PhaseBody>>,
    /// The VAT that its prices include, in per cent, such as `19` or `5.5`; nothing is told of it if it is not
    /// said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat_percent: Option<String>,
}

/// A time in which a ticket type has another price: until a moment, or until so many are sold in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseBody {
    /// Its name.
    pub name: String,
    /// The price of one.
    pub price: Money<'static>,
    /// When it ends, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// How many tickets are sold in it at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
}

/// A code with which buyers see more, or pay less.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeBody {
    /// The code.
    pub code: String,
    /// For how many tickets it is good.
    pub uses: u32,
    /// The ids of the hidden ticket types that it shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opens: Vec<String>,
    /// How many per cent it takes off the price of each ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_off: Option<u32>,
    /// How much it takes off the price of each ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_off: Option<Money<'static>>,
    /// The ids of the ticket types that are cheaper with it; all if none is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticket_types: Vec<String>,
    /// When it begins to be valid, in RFC 3339; at once if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub valid_from: Option<String>,
    /// When it is not valid any more, in RFC 3339; never if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub valid_until: Option<String>,
}
