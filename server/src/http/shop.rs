//! The shop: pages that work without JavaScript and tell the truth of their state.

pub mod about;
pub mod answers;
pub mod calendar;
pub mod event;
pub mod front;
pub mod lost;
pub mod names;
pub mod order;
pub mod order_form;
pub mod order_mail;
pub mod own_orders;
pub mod pay;
#[cfg(test)]
mod sentences;
pub mod ticket;
pub mod tickets_pdf;
