//! Money moves exactly once, whatever fails: the server against the fake Stripe, with real HTTP
//! between them. After each story the fake's own ledger and our books agree to the penny, and
//! tickets are exactly where the money is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a real server lives in real time")]

/// Where the databases of these tests are: in files.
pub const ON_POSTGRES: bool = false;

mod another_card;
mod by_hand;
mod calls;
mod differs;
mod erased;
mod forgotten;
mod line;
mod news;
mod old_orders;
mod pay;
mod refunds;
mod shop;
mod storm;
mod stuck;
