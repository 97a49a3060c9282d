//! The stories of `tests/it` once more, with their databases on PostgreSQL. Left out are those
//! whose subject is a file, and the browser's, to which the database makes no difference.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "real processes live in real time")]

/// Where the databases of these tests are: on a server that the tests start.
pub const ON_POSTGRES: bool = true;

#[path = "../it/accounts.rs"]
mod accounts;
#[path = "../it/bad_input.rs"]
mod bad_input;
#[path = "../it/clients.rs"]
mod clients;
#[path = "../it/crash.rs"]
mod crash;
#[path = "../it/door.rs"]
mod door;
#[path = "../it/doors.rs"]
mod doors;
#[path = "../it/events.rs"]
mod events;
#[path = "../it/files.rs"]
mod files;
#[path = "../it/forms.rs"]
mod forms;
#[path = "../it/go_live.rs"]
mod go_live;
#[path = "../it/harness.rs"]
mod harness;
#[path = "../it/legacy.rs"]
mod legacy;
#[path = "../it/limits.rs"]
mod limits;
#[path = "../it/metadata.rs"]
mod metadata;
#[path = "../it/money.rs"]
mod money;
#[path = "../it/office_events.rs"]
mod office_events;
#[path = "../it/office_orders.rs"]
mod office_orders;
#[path = "../it/office_sell.rs"]
mod office_sell;
#[path = "../it/office_shop.rs"]
#[allow(dead_code, reason = "what only the other tests upload")]
mod office_shop;
#[path = "../it/office_watching.rs"]
mod office_watching;
#[path = "../it/operations.rs"]
mod operations;
#[path = "../it/sale.rs"]
mod sale;
#[path = "../it/secrets.rs"]
mod secrets;
#[path = "../it/staff.rs"]
mod staff;
#[path = "../it/tickets.rs"]
mod tickets;
#[path = "../it/webhooks.rs"]
mod webhooks;
