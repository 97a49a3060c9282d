//! The real binary as a process on a real file, asked over real HTTP.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "real processes live in real time")]

/// Where the databases of these tests are: in files.
pub const ON_POSTGRES: bool = false;

mod access;
mod accounts;
mod api_browsers;
mod api_changes;
mod api_lists;
mod axe;
mod bad_input;
mod browser;
mod client;
mod clients;
mod coded_sale;
mod codes;
mod connections;
mod crash;
mod docs;
mod door;
mod door_faults;
mod door_gates;
mod door_page;
mod door_queue;
mod doors;
mod erase;
mod event_page;
mod event_page_js;
mod events;
mod files;
mod forms;
mod go_live;
mod harness;
mod legacy;
mod letters;
mod limits;
mod mail;
mod metadata;
mod money;
mod office_accounts;
mod office_events;
mod office_first_hour;
mod office_orders;
mod office_pages;
mod office_sell;
mod office_shop;
mod office_watching;
mod operations;
mod payment_page;
mod rush;
mod sale;
mod secrets;
mod simulate;
mod staff;
mod stripe_js;
mod tickets;
mod webdriver;
mod webhooks;
