//! Orders, their payments, tickets and refunds.

use crate::{ActionKind, AttemptState, MailKind, MailState, Money, OrderState, RefundState};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The answer to a hold, the same each time that it is given.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HeldOrder<'a> {
    /// The order's id.
    #[serde(borrow)]
    #[schema(format = "uuid")]
    pub id: Cow<'a, str>,
    /// The order's secret: the bearer token of all that is asked about it.
    #[serde(borrow)]
    pub secret: Cow<'a, str>,
    /// The event's id.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// Always `held`.
    pub state: OrderState,
    /// When the hold ends.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub held_until: Cow<'a, str>,
    /// The price of all of it.
    pub total: Money<'a>,
    /// What is held.
    #[serde(borrow)]
    pub lines: Vec<HeldLine<'a>>,
    /// The order's page, for its buyer alone: the address has the secret.
    #[serde(borrow)]
    pub url: Cow<'a, str>,
}

/// What an order has of one rate of VAT. Prices include it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Vat<'a> {
    /// The rate in per cent, such as `19` or `5.5`.
    #[serde(borrow)]
    pub percent: Cow<'a, str>,
    /// What is paid at this rate.
    pub gross: Money<'a>,
    /// The same without the tax.
    pub net: Money<'a>,
    /// The tax.
    pub vat: Money<'a>,
}

/// So many tickets of one type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HeldLine<'a> {
    /// The ticket type's id.
    #[serde(borrow)]
    pub ticket_type: Cow<'a, str>,
    /// The ticket type's name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// How many.
    pub quantity: u32,
    /// The price of one.
    pub price: Money<'a>,
    /// What the code took off the price of one.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub discount: Option<Money<'a>>,
}

/// `GET /api/v1/orders/{id}`, and the answer to `pay` and `cancel`: an order as its buyer sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Order<'a> {
    /// What the buyer must do before the bank pays; only in the answer to `pay`, and only if there is
    /// something to do.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub action: Option<Action<'a>>,
    /// What was answered to the questions of its event; absent: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub answers: Vec<Answer<'a>>,
    /// Who ordered.
    #[serde(borrow)]
    pub buyer: Buyer<'a>,
    /// The event's id.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// When the hold ends; absent while the order is not held, or its clock stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub held_until: Option<Cow<'a, str>>,
    /// Its id.
    #[serde(borrow)]
    #[schema(format = "uuid")]
    pub id: Cow<'a, str>,
    /// What is ordered.
    #[serde(borrow)]
    pub lines: Vec<OrderLine<'a>>,
    /// The VAT in what it costs, by rate; absent: none is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty", borrow)]
    pub vat: Vec<Vat<'a>>,
    /// Which version of the shop's terms its buyer has accepted; absent: none, or it is not asked here. In the
    /// answer to `GET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_version: Option<u32>,
    /// The mails about it, the newest first; in the answers to `GET` and to another address.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub mails: Option<Vec<Mail<'a>>>,
    /// Where it stands, and what that means for the buyer's money, in plain words.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// What a program keeps with it: strings by keys of the program's own; absent: nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub metadata: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// Its payment; absent: none was begun.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub payment: Option<Payment<'a>>,
    /// When it was placed.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub placed_at: Cow<'a, str>,
    /// What the organiser noted of a payment without the payment provider; only for the organiser, and absent if
    /// there is none.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub reference: Option<Cow<'a, str>>,
    /// How much of its money was given back.
    pub refunded: Money<'a>,
    /// All refunds, in the order in which they were made.
    #[serde(borrow)]
    pub refunds: Vec<Refund<'a>>,
    /// Where it stands.
    pub state: OrderState,
    /// How it is paid: `online`, or by the organiser's hand `free` (given away), `cash` or `terminal`.
    #[serde(borrow)]
    pub tender: Cow<'a, str>,
    /// All tickets that were issued.
    #[serde(borrow)]
    pub tickets: Vec<Ticket<'a>>,
    /// The price of all of it.
    pub total: Money<'a>,
    /// When it was placed or changed for the last time; in the answers to `GET`, and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = DateTime)]
    pub updated_at: Option<Cow<'a, str>>,
    /// The order's page, for its buyer alone: the address has the order's secret.
    #[serde(borrow)]
    pub url: Cow<'a, str>,
}

/// An answer to a question of the event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Answer<'a> {
    /// The answer; to a question of the kind `yes_no` it is `yes` or `no`.
    #[serde(borrow)]
    pub answer: Cow<'a, str>,
    /// The question's id.
    #[serde(borrow)]
    pub question: Cow<'a, str>,
    /// What was asked. The question may be another one by now.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// The number of the ticket within the order, from 1; absent: it is for the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<u16>,
}

/// Who ordered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Buyer<'a> {
    /// The e-mail address; empty for a reservation by name.
    #[serde(borrow)]
    pub email: Cow<'a, str>,
    /// Whether the name and the address were erased; then they are `erased` and empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
    /// In which language the buyer is written to: two letters (ISO 639-1).
    #[serde(borrow)]
    pub language: Cow<'a, str>,
    /// The name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
}

/// A mail about an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Mail<'a> {
    /// When it was sent or came to its end; since when it is owed, as long as it is.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub at: Cow<'a, str>,
    /// What the mail server said, or why it was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'a, str>>,
    /// What it tells.
    pub kind: MailKind,
    /// What became of it.
    pub state: MailState,
}

/// `POST /api/v1/orders/{id}/mails`: the mails about an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct MailList<'a> {
    /// The newest first.
    #[serde(borrow)]
    pub mails: Vec<Mail<'a>>,
}

/// So many tickets of one type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrderLine<'a> {
    /// What the code took off the price of one.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub discount: Option<Money<'a>>,
    /// The ticket type's name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The price of one, as it was when the order was placed.
    pub price: Money<'a>,
    /// How many.
    pub quantity: u32,
    /// How many of them are refunded.
    pub refunded: u32,
    /// The ticket type's id.
    #[serde(borrow)]
    pub ticket_type: Cow<'a, str>,
}

/// A payment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Payment<'a> {
    /// The attempts to pay, in the order in which they were made.
    #[serde(borrow)]
    pub attempts: Vec<Attempt<'a>>,
    /// What of it the cardholder disputes; null: nothing.
    #[serde(borrow)]
    #[schema(required)]
    pub dispute: Option<Dispute<'a>>,
    /// Whether real money moves.
    pub live: bool,
}

/// An attempt to pay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Attempt<'a> {
    /// What the bank wants of the buyer: an address to go to, or a secret for Stripe's script. Only in
    /// the state `action`, and null there until it is known.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub action: Option<Option<Cow<'a, str>>>,
    /// Its number, counted from 1.
    pub number: u16,
    /// Why it was declined; only in the state `declined`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// What became of it.
    pub state: AttemptState,
}

/// A member that is there, though it may be null.
fn present<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(from).map(Some)
}

/// What the cardholder disputes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Dispute<'a> {
    /// How much.
    pub amount: Money<'a>,
    /// Where it stands, in the payment provider's word.
    #[serde(borrow)]
    pub status: Cow<'a, str>,
}

/// A ticket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Ticket<'a> {
    /// The code that people type.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// Who comes with it; absent: nobody has said so.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub guest: Option<Cow<'a, str>>,
    /// The ticket type's name.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Its number within the order, from 1.
    pub number: u16,
    /// How often it was passed on. The codes of earlier revisions let nobody in.
    pub revision: u16,
    /// The ticket type's id.
    #[serde(borrow)]
    pub ticket_type: Cow<'a, str>,
    /// The address of its own page, which is also what its QR code holds: for whoever comes with it.
    #[serde(borrow)]
    pub url: Cow<'a, str>,
    /// Whether it is valid; not: it was revoked.
    pub valid: bool,
}

/// A refund.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Refund<'a> {
    /// How much.
    pub amount: Money<'a>,
    /// Whether it was made in the payment provider's own dashboard.
    pub by_hand: bool,
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Why it failed; null: it did not.
    #[schema(required)]
    pub reason: Option<Cow<'a, str>>,
    /// Whether its places were put back on sale.
    pub restock: bool,
    /// What became of it.
    pub state: RefundState,
}

/// What the buyer must do before the bank pays.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Action<'a> {
    /// The secret that Stripe's script needs; only for `client_secret`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Cow<'a, str>>,
    /// What kind it is.
    #[serde(rename = "type")]
    pub kind: ActionKind,
    /// The address to go to; only for `redirect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Cow<'a, str>>,
}

/// `GET /api/v1/events/{event}/orders` and `GET /api/v1/orders`: a page of orders.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrderList<'a> {
    /// All that was placed or changed before this can be read: ask with it as `changed_since` the next time, and
    /// nothing is missed. The same on all pages of a list.
    #[serde(borrow)]
    pub as_of: Cow<'a, str>,
    /// The most orders of a page.
    pub limit: u32,
    /// Where the next page begins: the value of its query's `after`; null: this is the last one. A page may have
    /// fewer orders than its limit, and none at all, although more follow.
    #[schema(required)]
    pub next: Option<Cow<'a, str>>,
    /// The orders, the oldest first; with `q` or `email` in no order that is promised.
    #[serde(borrow)]
    pub orders: Vec<Order<'a>>,
}

/// `POST /api/v1/orders/{id}/refunds`: what was made, and the order after it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RefundAnswer<'a> {
    /// The order.
    #[serde(borrow)]
    pub order: Order<'a>,
    /// The refund.
    #[serde(borrow)]
    #[schema(required)]
    pub refund: Option<Refund<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An order whose members are all there, as it is sent. Names and their order, and what is null
    /// and what is absent, are a promise to programs.
    const WHOLE: &str = r#"{"action":{"type":"redirect","url":"https://bank.example/1"},"answers":[{"answer":"yes","question":"member","text":"Member?"},{"answer":"9","question":"age","text":"Age?","ticket":2}],"buyer":{"email":"ann@example.org","language":"en","name":"Ann"},"event":"rock","held_until":"2030-01-01T20:05:00Z","id":"01a3185c-638d-7000-8854-1f58df2691d6","lines":[{"name":"Adult","price":{"amount":999,"currency":"GBP"},"quantity":2,"refunded":0,"ticket_type":"adult"}],"message":"Your bank \"asks\".","metadata":{"a":"1","b.c":"ü"},"payment":{"attempts":[{"number":1,"reason":"No.","state":"declined"},{"action":null,"number":2,"state":"action"},{"action":"/bank","number":3,"state":"action"}],"dispute":{"amount":{"amount":5,"currency":"GBP"},"status":"lost"},"live":true},"placed_at":"2030-01-01T20:00:00Z","reference":"R-77","refunded":{"amount":0,"currency":"GBP"},"refunds":[{"amount":{"amount":5,"currency":"GBP"},"by_hand":false,"id":"01a3185c-638d-7000-8854-1f58df2691d7","reason":null,"restock":true,"state":"succeeded"}],"state":"paying","tender":"online","tickets":[{"code":"AAAA-BBBB-CCCC","name":"Adult","number":1,"revision":0,"ticket_type":"adult","url":"HTTPS://BOX.EXAMPLE/T/AE","valid":true}],"total":{"amount":1998,"currency":"GBP"},"url":"https://box.example/orders/1/s"}"#;

    #[test]
    fn an_order_is_read_as_it_is_written() {
        let order: Order<'_> = serde_json::from_str(WHOLE).unwrap();
        assert_eq!(serde_json::to_string(&order).unwrap(), WHOLE);
        assert!(matches!(order.url, Cow::Borrowed(_)), "texts are not copied");
        let bare = Order {
            action: None,
            answers: Vec::new(),
            held_until: None,
            metadata: BTreeMap::new(),
            payment: None,
            reference: None,
            ..order
        };
        let json = serde_json::to_value(&bare).unwrap();
        for absent in ["action", "answers", "held_until", "metadata", "payment", "reference"] {
            assert_eq!(json.get(absent), None, "{absent}");
        }
        assert_eq!(serde_json::from_str::<Order<'_>>(&json.to_string()).unwrap(), bare);
    }

    #[test]
    fn states_have_the_texts_that_programs_know() {
        use OrderState::*;
        for (state, text) in [
            (Held, "held"),
            (Paying, "paying"),
            (Canceling, "canceling"),
            (Committed, "committed"),
            (Paid, "paid"),
            (Refunding, "refunding"),
            (Refunded, "refunded"),
            (Released, "released"),
            (Void, "void"),
        ] {
            assert_eq!((state.as_str(), serde_json::to_value(state).unwrap()), (text, text.into()));
        }
        let action = |kind| serde_json::to_value(kind).unwrap();
        assert_eq!(action(ActionKind::ClientSecret), "client_secret");
        assert_eq!(action(ActionKind::Redirect), "redirect");
    }
}
