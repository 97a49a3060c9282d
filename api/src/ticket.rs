//! Tickets by their codes, and the keys that sign them.

use crate::Ticket;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// `POST /api/v1/orders/{id}/tickets/{number}`: who comes with a ticket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NameBody {
    /// The name, 1 to 200 characters.
    pub name: String,
}

/// `GET /api/v1/tickets/{code}`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct FoundTicket<'a> {
    /// The event's id.
    #[serde(borrow)]
    pub event: Cow<'a, str>,
    /// The order's id.
    #[serde(borrow)]
    pub order: Cow<'a, str>,
    /// Of which revision of the ticket the code is.
    pub revision: u16,
    /// What the code is good for.
    pub state: TicketState,
    /// The ticket as it is now. Its codes are those of its own revision, which may be a later one.
    #[serde(borrow)]
    pub ticket: Ticket<'a>,
}

/// What a code of a ticket is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// It lets its guest in.
    Valid,
    /// The ticket was passed on since, and has another code.
    Replaced,
    /// The ticket was refunded.
    Revoked,
}

/// `GET /api/v1/door/keys`: with what the codes of tickets are verified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DoorKeys<'a> {
    /// All keys, the oldest first.
    #[serde(borrow)]
    pub keys: Vec<DoorKey<'a>>,
}

/// A key that signs tickets, or has.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DoorKey<'a> {
    /// Always `Ed25519` (RFC 8032).
    #[serde(borrow)]
    pub algorithm: Cow<'a, str>,
    /// Its id, as the second byte of a code has it.
    pub id: u8,
    /// The public key: 32 bytes, in 64 hexadecimal digits.
    #[serde(borrow)]
    pub public_key: Cow<'a, str>,
    /// Since when nothing counts that it signed; absent: it counts.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = DateTime)]
    pub revoked_at: Option<Cow<'a, str>>,
    /// Since when it signs; absent: since the database was made.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub since: Option<Cow<'a, str>>,
}
