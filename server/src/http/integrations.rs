//! Integrations: what payment providers call.

pub mod sandbox_bank;
pub mod stripe_webhook;
