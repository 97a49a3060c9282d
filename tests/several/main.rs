//! Several real processes on one PostgreSQL, asked over real HTTP while things break. What needs
//! PostgreSQL and cannot have it says so and is left out; with `NTS_TEST_ALL` set it fails.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "real processes live in real time")]

/// The databases of these tests are named by each.
pub const ON_POSTGRES: bool = false;

mod addresses;
mod balancer;
mod clients;
#[path = "../it/coded_sale.rs"]
mod coded_sale;
mod codes;
mod crowd;
mod door;
#[path = "../it/doors.rs"]
mod doors;
mod failures;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../it/harness.rs"]
mod harness;
mod history;
mod keys;
mod moving;
mod pooler;
mod ready;
mod shops;
mod starts;
mod watching;
