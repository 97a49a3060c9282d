//! Decides what a box office may do.
//!
//! This crate holds every rule of nts and nothing else. It is given the state it needs, a command
//! and the time, and answers with what changes, what is owed to the outside and what to reply, or
//! with one reason why not:
//!
//! ```text
//! decide(&state, &command, now) -> Result<Decision { changes, effects, reply }, Refusal>
//! ```
//!
//! What it does not know: a clock, randomness, a disk, a network, a thread, HTTP, SQL, a payment
//! provider's wire format. Times and ids come in as values. It has no dependencies.
//!
//! Each slice ([`event`], [`order`], [`payment`]) has its types and its decisions. Read [`order`] for the
//! life of an order, then [`mod@decide`]. The [`door`] has commands of its own, and [`decide_door`].

#![no_std]
extern crate alloc;

pub mod change;
pub mod command;
pub mod decide;
pub mod decision;
pub mod door;
mod draft;
pub mod event;
pub mod language;
pub mod money;
pub mod mutant;
pub mod order;
pub mod payment;
pub mod refusal;
pub mod state;
mod text;
pub mod vat;

pub use change::{Change, Effect};
pub use command::{Command, Keys, LineWish, MOST_LINES, RefundWish, Terms};
pub use decide::decide;
pub use decision::{Alarm, Decision, Reply};
pub use door::{
    Admission, DeviceId, Direction, DoorChange, DoorCommand, DoorDecision, DoorKeys, DoorRefusal,
    DoorReply, DoorSpec, DoorState, GateCounts, GateSpec, MOST_GATES, Nonce, Objection, Presence,
    Scan, ScanId, ScanReport, Seen, TicketRef, UNDO_MS, Undone, UndoneBy, decide_door,
};
pub use event::check::{Flaw, Warning, check_slug, told};
pub use event::code::{CodeSpec, Discount, MOST_CODES};
pub use event::counter::{COUNTERS_FROM, Counter, CounterKind};
pub use event::offer::{MOST_PHASES, Offer, PhaseSpec, Price, TypeRules};
pub use event::question::{
    AnswerFlaw, MOST_CHOICES, MOST_LINE, MOST_LINES_OF_TEXT, MOST_QUESTIONS, QuestionKind,
    QuestionSpec, YES_NO,
};
pub use event::{Event, EventPart, EventSpec, Pool, PoolSpec, Sale, TicketType, TicketTypeSpec};
pub use language::Language;
pub use money::{Currency, Money};
pub use order::address::AddressFixed;
pub use order::answer::{Answer, AnswerWish, Asked, FlawedAnswer, MOST_ANSWER_BYTES};
pub use order::erase::{BuyerNeeded, ERASED_NAME, Erasure, MOST_ERASED};
pub use order::metadata::{MOST_METADATA, MOST_METADATA_KEY, MOST_METADATA_VALUE, Metadata};
pub use order::name::MOST_REVISIONS;
pub use order::sell::{MOST_SOLD_AT_ONCE, Tender};
pub use order::{
    Buyer, BuyerKey, BuyerRecord, CodeRule, Extra, Line, Order, OrderState, Standing, Ticket,
    TicketState,
};
pub use payment::{
    Attempt, AttemptState, Dispute, Intent, IntentStatus, Owed, Payment, Refund, RefundOutcome,
    RefundSeen, RefundState, SeenVersion, owed,
};
pub use refusal::Refusal;
pub use state::{REFUND_PAUSE_MS, REFUND_TRIES, State, tried_for_ms};
pub use text::{check_email, check_name};
pub use vat::{MOST_VAT, Vat, read_rate, told_rate, vat_within};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type TimeMs = i64;

/// Names an event for ever. Time-ordered; given from outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EventId(pub u64);

/// Names an order for ever: the 128 bits of a UUIDv7 (RFC 9562), given from outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OrderId(pub u128);

/// Names a payment for ever: the 128 bits of a UUIDv7, given from outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PaymentId(pub u128);

/// Names a refund for ever: the 128 bits of a UUIDv7, given from outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RefundId(pub u128);
