//! The shop: pages that work without JavaScript and tell the truth of their state.

pub mod event;
pub mod front;
pub mod order;
pub mod pay;
#[cfg(test)]
mod sentences;
