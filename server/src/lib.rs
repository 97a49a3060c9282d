//! Carries what the box office decides: the store, the writer, payments and HTTP.
//!
//! ```text
//! http ─► sales, organiser ─► writer ─► store
//!                             settlement ─► payments ─► (a command again) ─► writer
//! ```
//!
//! Which part may name which is held by a test (`tests/arrows.rs`).

pub mod access;
pub mod accounts;
pub mod actor;
pub mod admission;
pub mod app;
pub mod audit;
pub mod calendar;
pub mod catalogue;
pub mod client;
pub mod clock;
pub mod codes;
pub mod colour;
pub mod config;
pub mod door;
pub mod event_body;
#[cfg(test)]
mod fuzz;
pub mod http;
pub mod identity;
pub mod ids;
pub mod language;
pub mod links;
pub mod mail;
pub mod mailing;
pub mod markdown;
pub mod messages;
pub mod metrics;
pub mod organiser;
pub mod payments;
pub mod pdf;
pub mod picture;
pub mod private_file;
pub mod problem_code;
pub mod publish;
pub mod qr;
pub mod reads;
pub mod replicate;
pub mod run;
pub mod sale_log;
pub mod sales;
pub mod search_text;
pub mod settlement;
pub mod shop;
pub mod stop;
pub mod store;
pub mod tasks;
pub mod text;
pub mod ticket_code;
pub mod tickets;
mod trust;
pub mod webhooks;
pub mod when;
pub mod writer;

/// An order is made in one thread and forgotten in another: the wish in that of the crowd, what became of
/// it in the writer's. An allocator that takes a lock to give memory back to the thread that it came from,
/// as that of glibc does, makes a crowd's holds dearer by a tenth. Whatever is linked with this has it, so
/// what is measured is what is served.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
