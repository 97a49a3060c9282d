//! Carries what the box office decides: the store, the writer, payments and HTTP.

pub mod clock;
pub mod ids;
pub mod payments;
pub mod store;
