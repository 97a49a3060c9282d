//! The real store on the simulated disk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod durability;
mod faults;
mod file_system;
mod shop;
