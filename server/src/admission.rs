//! Who may use how much of the server.
//!
//! Knows network addresses and limits. It must not know HTTP, the store or the payment provider.

pub mod connections;
pub mod network;
