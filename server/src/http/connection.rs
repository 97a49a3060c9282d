//! Connections: accepting them, bounding their number, and answering what is no request.

pub mod malformed;
pub mod serve;
pub mod socket;
