//! The real binary as a process on a real file, asked over real HTTP.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod harness;
mod sale;
