//! What several test targets share.
//!
//! - [`Postgres`]: a private PostgreSQL server.
//! - [`PgBouncer`]: a pooler before it.
//! - [`Silent`]: a port at which nobody answers.
//! - [`Proxy`]: a connection to a database that can be cut at a chosen place.
//! - [`smtp::Relay`]: a mail relay that refuses, hangs and closes where a test wants.
//! - [`Request`] and [`Answer`]: an HTTP client on bare sockets. It holds each answer of the API against its
//!   description ([`contract`]).
//! - [`unmarked`]: what a page says that is in no catalogue of sentences.
//! - [`fixtures`]: an event and an order to start from.
//! - [`tickets`]: the tickets of an order, the same from every server.
//! - [`tool`]: runs a program that is not part of this repository. [`fetched`]: packages that are none either.
//! - [`eventually`]: waits for a condition.
//!
//! It depends on no other crate of the workspace than `boxoffice` and `nts-api`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod contract;
pub mod fixtures;
mod http;
mod marks;
mod pgbouncer;
mod postgres;
mod proxy;
mod silent;
pub mod smtp;
mod tickets;
mod tool;
mod wait;

pub use http::{Answer, Request};
pub use marks::unmarked;
pub use pgbouncer::PgBouncer;
pub use postgres::Postgres;
pub use proxy::{Cut, Proxy};
pub use silent::Silent;
pub use tickets::tickets;
pub use tool::{fetched, tool};
pub use wait::{eventually, eventually_async};
