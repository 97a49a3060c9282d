//! E-mail to buyers.
//!
//! What is to be written to whom is a [`Letter`]: a row of the outbox that is committed with the change that it
//! tells of. When it is due, [`Compose`] makes its text from the order as it is then, and a [`Relay`] takes it.
//! So a mail never shows a ticket that was revoked meanwhile.
//!
//! What it does not know: HTTP and SQL.

pub mod compose;

use boxoffice::{EventId, OrderId, RefundId, TimeMs};
use serde::{Deserialize, Serialize};

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
    },
    /// The event does not take place.
    EventCanceled(Of),
    /// To the address that an order had before: it has another one now.
    AddressChanged(Of),
    /// All orders of an address for events to come, because somebody typed the address who has lost them.
    Lost,
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

impl Letter {
    /// The refund that it tells of.
    pub fn refund(&self) -> Option<RefundId> {
        match self {
            Letter::Refunded(_, refund) => Some(RefundId(*refund)),
            _ => None,
        }
    }
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

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
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
