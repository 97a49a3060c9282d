//! The stories of `tests/stripe` once more, on PostgreSQL; but for those about a restored file, and
//! those that try one call to the provider after the other, for there the storm does as well.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a real server lives in real time")]

/// Where the databases of these tests are: on a server that the tests start.
pub const ON_POSTGRES: bool = true;

#[path = "../stripe/another_card.rs"]
mod another_card;
#[path = "../stripe/by_hand.rs"]
mod by_hand;
mod clocks;
#[path = "../stripe/erased.rs"]
mod erased;
#[path = "../stripe/news.rs"]
mod news;
#[path = "../stripe/old_orders.rs"]
mod old_orders;
#[path = "../stripe/pay.rs"]
mod pay;
#[path = "../stripe/refunds.rs"]
mod refunds;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../stripe/shop.rs"]
mod shop;
#[path = "../stripe/storm.rs"]
mod storm;
