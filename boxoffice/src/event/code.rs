//! Codes (vouchers): what a buyer who has one sees more, or pays less.

use super::counter::MOST_TICKETS;
use crate::{CounterKind, Event, Refusal, TimeMs};
use alloc::{format, string::String, vec::Vec};

/// The most codes of an event.
pub const MOST_CODES: usize = 1_000;

/// What an organiser says of a code.
///
/// A use is a ticket: an order of three tickets with the code takes three. It is taken by the hold, comes
/// back when the hold ends without a payment, and with a refund that puts the tickets back on sale.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CodeSpec {
    /// What buyers type: 1 to 64 of `A-Z`, `0-9`, `-` and `_`. Buyers may type small letters: see
    /// [`CodeSpec::normal`].
    pub code: String,
    /// How many tickets may be bought with it, 1 to 10,000,000.
    pub uses: u32,
    /// The ids of the hidden ticket types that it shows.
    pub opens: Vec<String>,
    /// What it takes off the price of each ticket; may be nothing.
    pub discount: Option<Discount>,
    /// The ids of the ticket types at which it does so; none: at all.
    pub ticket_types: Vec<String>,
    /// Before this it is not valid.
    pub valid_from_ms: Option<TimeMs>,
    /// From this on it is not valid any more.
    pub valid_until_ms: Option<TimeMs>,
}

/// What a code takes off a price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discount {
    /// So many per cent of it, 1 to 100.
    Percent(u8),
    /// So much of it, in minor units of the event's currency, 1 to 99,999,999; no more than the price.
    Minor(i64),
}

impl CodeSpec {
    /// A code as it was typed, as it is written here: without spaces around it, in capitals.
    pub fn normal(typed: &str) -> String {
        typed.trim().to_ascii_uppercase()
    }

    /// Whether it takes something off the price of this ticket type.
    pub fn is_cheaper(&self, ticket_type: &str) -> bool {
        let named = || self.ticket_types.iter().any(|id| id == ticket_type);
        self.discount.is_some() && (self.ticket_types.is_empty() || named())
    }

    /// Whether it shows this hidden ticket type.
    pub fn opens(&self, ticket_type: &str) -> bool {
        self.opens.iter().any(|id| id == ticket_type)
    }

    /// Whether tickets of this type are bought with it, and so count as its uses.
    pub fn covers(&self, ticket_type: &str) -> bool {
        self.is_cheaper(ticket_type) || self.opens(ticket_type)
    }
}

/// Whether a text is a code, normal or not.
pub(crate) fn check_code(code: &str) -> Result<(), String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !(1..=64).contains(&code.len()) || !code.chars().all(is_part) {
        return Err(format!(
            "code “{code}”: a code has 1 to 64 of the letters A to Z, the digits, - and _"
        ));
    }
    Ok(())
}

impl Event {
    /// The code that a buyer typed, or why it does not help.
    pub fn code(&self, typed: &str, now: TimeMs) -> Result<&CodeSpec, Refusal> {
        let typed = CodeSpec::normal(typed);
        let code = self.spec.codes.iter().find(|code| code.code == typed);
        let code = code.ok_or(Refusal::UnknownCode)?;
        match (code.valid_from_ms, code.valid_until_ms) {
            (_, Some(until)) if now >= until => Err(Refusal::CodeOver(until)),
            (Some(from), _) if now < from => Err(Refusal::CodeNotYetValid(from)),
            _ => Ok(code),
        }
    }

    /// For how many tickets a code still is good, and how many with it are held and not paid.
    pub fn code_left(&self, code: &CodeSpec) -> (u32, u32) {
        let counter = self.counter(CounterKind::Code, &code.code);
        self.left_of(counter, code.uses.min(MOST_TICKETS))
    }
}
