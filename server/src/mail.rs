//! E-mail to buyers.
//!
//! What is to be written to whom is a [`Letter`]: a row of the outbox that is committed with the change that it
//! tells of. When it is due, [`Compose`] makes its text from the order as it is then, and a [`Relay`] takes it.
//! So a mail never shows a ticket that was revoked meanwhile.
//!
//! What it does not know: HTTP and SQL.

pub mod compose;
pub mod smtp;

use crate::text::base64;
use boxoffice::{EventId, OrderId, RefundId, TimeMs};
use serde::{Deserialize, Serialize};
use std::pin::Pin;

/// What is to be written. It is stored as JSON: a field or variant that was released keeps its name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Letter {
    /// The order is paid: its tickets.
    Tickets(Of),
    /// The same again, because the buyer wants it.
    Again(Of),
    /// Money of the order was given back, all or a part.
    Refunded(Of, u128),
    /// The payment failed after the tickets had been promised: there are none, and no money stays.
    Void(Of),
    /// The event has another date or another place.
    Moved {
        /// Whose tickets.
        of: Of,
        /// When it was to start, in UTC milliseconds.
        started_ms: TimeMs,
        /// Where it was to be.
        place: String,
        /// The last serial number of a ticket that was issued before, while it is to be found out who is told; 0:
        /// not known. The time of an order does not tell who ordered before: clocks are set back.
        #[serde(default, skip_serializing_if = "is_zero")]
        issued: u32,
    },
    /// The event does not take place.
    EventCanceled(Of),
    /// To the address that an order had before: it has another one now.
    AddressChanged(Of),
    /// All orders of an address for events to come, because somebody typed the address who has lost them.
    Lost,
    /// To somebody of the office: the link of this id, which signs in.
    SignIn(u128),
    /// To somebody who is invited to the office: the link of this id.
    Invitation(u128),
    /// To an owner: the box office has switched the webhook of this id off.
    WebhookOff(u128),
}

/// Whose mail it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Of {
    /// The order.
    pub order: u128,
    /// Its event.
    pub event: u64,
}

impl Of {
    /// The order.
    pub fn order(self) -> OrderId {
        OrderId(self.order)
    }

    /// Its event.
    pub fn event(self) -> EventId {
        EventId(self.event)
    }
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// The subject of a letter to the address that an order had before: it alone still goes there.
pub const ADDRESS_CHANGED: &str = "address_changed";
/// The subjects of letters with tickets.
pub const WITH_TICKETS: [&str; 2] = ["tickets", "again"];

impl Letter {
    /// A fixed word for what it tells.
    pub fn subject(&self) -> &'static str {
        match self {
            Letter::Tickets(_) => WITH_TICKETS[0],
            Letter::Again(_) => WITH_TICKETS[1],
            Letter::Refunded(..) => "refunded",
            Letter::Void(_) => "void",
            Letter::Moved { .. } => "moved",
            Letter::EventCanceled(_) => "event_canceled",
            Letter::AddressChanged(_) => ADDRESS_CHANGED,
            Letter::Lost => "lost",
            Letter::SignIn(_) => "sign_in",
            Letter::Invitation(_) => "invitation",
            Letter::WebhookOff(_) => "webhook_off",
        }
    }

    /// Its priority class: tickets go before all else, and what one asked for, or what is about money, before
    /// news to very many.
    pub fn lane(&self) -> u32 {
        match self {
            Letter::Tickets(_) => 0,
            Letter::Again(_)
            | Letter::Lost
            | Letter::SignIn(_)
            | Letter::Invitation(_)
            | Letter::WebhookOff(_)
            | Letter::AddressChanged(_)
            | Letter::Refunded(..)
            | Letter::Void(_) => 1,
            Letter::Moved { .. } | Letter::EventCanceled(_) => 2,
        }
    }

    /// Whose it is; `None`: it is about no order.
    pub fn of(&self) -> Option<Of> {
        match self {
            Letter::Tickets(of)
            | Letter::Again(of)
            | Letter::Refunded(of, _)
            | Letter::Void(of)
            | Letter::Moved { of, .. }
            | Letter::EventCanceled(of)
            | Letter::AddressChanged(of) => Some(*of),
            Letter::Lost | Letter::SignIn(_) | Letter::Invitation(_) | Letter::WebhookOff(_) => {
                None
            }
        }
    }

    /// The same to the buyer of another order of the event.
    pub fn to(mut self, order: OrderId) -> Letter {
        if let Letter::Moved { issued, .. } = &mut self {
            *issued = 0;
        }
        match &mut self {
            Letter::Tickets(of)
            | Letter::Again(of)
            | Letter::Refunded(of, _)
            | Letter::Void(of)
            | Letter::Moved { of, .. }
            | Letter::EventCanceled(of)
            | Letter::AddressChanged(of) => of.order = order.0,
            Letter::Lost | Letter::SignIn(_) | Letter::Invitation(_) | Letter::WebhookOff(_) => {}
        }
        self
    }

    /// Whether a mail with this subject brought the same.
    pub fn is_again_of(&self, subject: &str) -> bool {
        matches!(self, Letter::Again(_)) && WITH_TICKETS.contains(&subject)
    }

    /// Whether it tells of tickets that are to be used.
    pub fn is_of_tickets(&self) -> bool {
        matches!(self, Letter::Tickets(_) | Letter::Again(_) | Letter::Moved { .. })
    }

    /// The refund that it tells of.
    pub fn refund(&self) -> Option<RefundId> {
        match self {
            Letter::Refunded(_, refund) => Some(RefundId(*refund)),
            _ => None,
        }
    }
}

/// To which destination the list of an address's orders goes, however its letters are written: so they are
/// counted together, and erased together.
pub fn of_nobody(address: &str) -> String {
    address.trim().to_ascii_lowercase()
}

/// A mail without its envelope: what is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Composed {
    /// The subject, without line breaks.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML. Refers to `inline` as `cid:ID`.
    pub html: String,
    /// To whom an answer goes; none: to the sender.
    pub reply_to: Option<String>,
    /// Pictures that the HTML shows.
    pub inline: Vec<Part>,
    /// Files.
    pub attachments: Vec<Part>,
}

/// A picture or file of a mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The Content-ID of a picture without angle brackets, the name of a file.
    pub name: String,
    /// Its media type, with parameters.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The HTML of a mail with its pictures in it, as a browser shows it.
pub fn with_pictures(mail: &Composed) -> String {
    mail.inline.iter().fold(mail.html.clone(), |html, part| {
        let data = format!("data:{};base64,{}", part.media_type, base64(&part.bytes));
        html.replace(&format!("cid:{}\"", part.name), &format!("{data}\""))
    })
}

/// Makes mails.
pub trait Compose: Send + Sync + 'static {
    /// Makes a mail to this address as the order is now.
    fn compose(
        &self,
        letter: &Letter,
        to: &str,
    ) -> impl Future<Output = Result<Composed, NotComposed>> + Send;
}

/// Why there is no mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotComposed {
    /// There is nothing to tell any more: the order was refunded or erased, say.
    Needless(String),
    /// Not now: the database cannot be read, say.
    Later(String),
}

/// Takes mails to those whom they are for: an SMTP relay.
pub trait Relay: Send + Sync + 'static {
    /// Hands a mail over. `id` is the same in each try of one mail; its Message-ID is made from it.
    fn send(&self, id: u128, to: &str, mail: &Composed) -> impl Future<Output = Sent> + Send;
}

/// A future whose type is not named.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A [`Compose`] whose type is not named.
pub trait AnyCompose: Send + Sync + 'static {
    /// See [`Compose::compose`].
    fn compose_any<'a>(
        &'a self,
        letter: &'a Letter,
        to: &'a str,
    ) -> Doing<'a, Result<Composed, NotComposed>>;
}

impl<C: Compose> AnyCompose for C {
    fn compose_any<'a>(
        &'a self,
        letter: &'a Letter,
        to: &'a str,
    ) -> Doing<'a, Result<Composed, NotComposed>> {
        Box::pin(self.compose(letter, to))
    }
}

/// A [`Relay`] whose type is not named.
pub trait AnyRelay: Send + Sync + 'static {
    /// See [`Relay::send`].
    fn send_any<'a>(&'a self, id: u128, to: &'a str, mail: &'a Composed) -> Doing<'a, Sent>;
}

impl<R: Relay> AnyRelay for R {
    fn send_any<'a>(&'a self, id: u128, to: &'a str, mail: &'a Composed) -> Doing<'a, Sent> {
        Box::pin(self.send(id, to, mail))
    }
}

/// What a relay said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sent {
    /// It has taken the mail.
    Accepted,
    /// It has not taken it, and may later: no connection, or a reply of 4xx.
    Later(String),
    /// It will not take it: a reply of 5xx.
    Refused(String),
    /// The mail was handed over, and no reply came: perhaps it was taken.
    Unknown(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_as_it_was_written() {
        let of = Of { order: u128::MAX, event: u64::MAX };
        let place = "Théâtre \"A\"".to_owned();
        for (letter, written) in [
            (
                Letter::Tickets(of),
                r#"{"tickets":{"order":340282366920938463463374607431768211455,"event":18446744073709551615}}"#,
            ),
            (Letter::Refunded(of, u128::MAX), ""),
            (Letter::Moved { of, started_ms: -1, place, issued: 7 }, ""),
            (Letter::Lost, r#""lost""#),
        ] {
            let text = serde_json::to_string(&letter).expect("written");
            assert!(written.is_empty() || text == written, "{text}");
            assert_eq!(serde_json::from_str::<Letter>(&text).expect("read"), letter);
        }
    }
}
