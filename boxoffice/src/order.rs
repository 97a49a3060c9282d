//! The life of an order.
//!
//! ```text
//! HELD ──timer or buyer──► RELEASED
//! HELD ──pay──► PAYING ──authorised, all checks hold──► COMMITTED ──captured──► PAID ⇄ REFUNDING ──► REFUNDED
//! PAYING ──declined, or the buyer leaves the bank's page and takes another card; time left──► PAYING (next attempt)
//! PAYING ──deadline | buyer cancels | a check failed──► CANCELING ──canceled, or none was made──► RELEASED
//! COMMITTED ──canceled (authorisation expired, or voided by hand)──► VOID
//! PAYING, CANCELING, COMMITTED ──another sum was taken than it costs──► RELEASED or VOID, and all of it goes back
//! PAID ──all the money was given back by hand──► REFUNDED
//! free order, or one that the organiser makes: HELD ──► PAID
//! ```
//!
//! Places are taken in every state but RELEASED and VOID; of REFUNDED, those that the organiser
//! put back on sale are free again. No place is released while its payment could still succeed:
//! the way from PAYING to RELEASED leads through the provider's own word that the payment is dead.

pub(crate) mod address;
pub(crate) mod answer;
pub(crate) mod erase;
pub(crate) mod forget;
pub(crate) mod hold;
pub(crate) mod metadata;
pub(crate) mod name;
pub(crate) mod rename;
pub(crate) mod sell;

use crate::mutant::{Mutant, on};
use crate::{Currency, EventId, Language, Money, OrderId, Payment, Refund, RefundState, TimeMs};
use alloc::{string::String, vec::Vec};
use answer::Answer;
use metadata::Metadata;
use sell::Tender;

/// Where an order stands. See the picture above.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum OrderState {
    /// Places are kept until [`Order::until_ms`]; nothing is owed to a provider.
    Held,
    /// The buyer pays; the hold no longer runs out by itself.
    Paying,
    /// No longer wanted; the places stay taken until the payment is known to be dead.
    Canceling,
    /// Authorised, and the places are irrevocably the buyer's; the money is being taken.
    Committed,
    /// The money is taken and the tickets are issued. Also after a partial refund.
    Paid,
    /// Tickets are revoked; the money is on its way back.
    Refunding,
    /// All tickets are refunded.
    Refunded,
    /// The places went back before any money was taken.
    Released,
    /// The authorisation died before it was captured, or not the right sum was captured: no money
    /// that stays, no tickets, places free.
    Void,
}

impl OrderState {
    /// All of them, in the order in which they are stored as numbers.
    pub const ALL: [OrderState; 9] = [
        OrderState::Held,
        OrderState::Paying,
        OrderState::Canceling,
        OrderState::Committed,
        OrderState::Paid,
        OrderState::Refunding,
        OrderState::Refunded,
        OrderState::Released,
        OrderState::Void,
    ];

    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            OrderState::Held => "held",
            OrderState::Paying => "paying",
            OrderState::Canceling => "canceling",
            OrderState::Committed => "committed",
            OrderState::Paid => "paid",
            OrderState::Refunding => "refunding",
            OrderState::Refunded => "refunded",
            OrderState::Released => "released",
            OrderState::Void => "void",
        }
    }

    /// Whether its places count as held.
    pub fn holds(self) -> bool {
        matches!(self, OrderState::Held | OrderState::Paying | OrderState::Canceling)
    }

    /// Whether it was paid and got its tickets, even if they are taken back or its money goes back.
    pub fn was_paid(self) -> bool {
        matches!(self, OrderState::Paid | OrderState::Refunding | OrderState::Refunded)
    }

    /// Whether its places count as sold (but for those that were put back on sale).
    pub fn sells(self) -> bool {
        self == OrderState::Committed || self.was_paid()
    }
}

/// What a buyer gets, from the first hold to the refund.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// The order's own id.
    pub id: OrderId,
    /// What it is for.
    pub event: EventId,
    /// Whose it is.
    pub buyer: Buyer,
    /// What was ordered, with prices as they were when it was placed.
    pub lines: Vec<Line>,
    /// The currency of all its prices, frozen when it was placed.
    pub currency: Currency,
    /// How it is paid.
    pub tender: Tender,
    /// What the organiser noted of a payment that no provider made (the number of a receipt, say), up to 100
    /// characters; may be empty.
    pub reference: String,
    /// What its buyer has answered: first to what is asked of it now, in the order of [`Order::asked`], then
    /// what was answered to questions that are not asked any more.
    pub answers: Vec<Answer>,
    /// What a program keeps with it.
    pub metadata: Metadata,
    /// Where it stands.
    pub state: OrderState,
    /// When it was placed.
    pub placed_ms: TimeMs,
    /// HELD: when the hold ends. PAYING: the deadline of the payment, but for the time that the
    /// pending attempt has waited so far (see [`Order::over`]). Later: of no meaning.
    pub until_ms: TimeMs,
    /// When somebody must next look after it; `None` when it is at rest.
    pub due_ms: Option<TimeMs>,
    /// How often in a row what is owed could not be done.
    pub tries: u32,
    /// Why not, the last time; or what a person should look at.
    pub trouble: Option<String>,
    /// Its one payment, once somebody has tried to pay.
    pub payment: Option<Payment>,
    /// Its refunds, oldest first.
    pub refunds: Vec<Refund>,
    /// Its tickets, once it is paid.
    pub tickets: Vec<Ticket>,
}

/// Where an order stands: what changes of it with each step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Its state.
    pub state: OrderState,
    /// See [`Order::until_ms`].
    pub until_ms: TimeMs,
    /// See [`Order::due_ms`].
    pub due_ms: Option<TimeMs>,
    /// See [`Order::tries`].
    pub tries: u32,
    /// See [`Order::trouble`].
    pub trouble: Option<String>,
}

/// How [`Order::trouble`] begins once a person was told that an order cannot move on.
pub(crate) const STUCK: &str = "cannot move on: ";

impl Order {
    /// Where it stands.
    pub fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            until_ms: self.until_ms,
            due_ms: self.due_ms,
            tries: self.tries,
            trouble: self.trouble.clone(),
        }
    }

    /// Whether what it owes was tried so often in vain that a person was told.
    pub fn is_stuck(&self) -> bool {
        self.due_ms.is_some() && self.trouble.as_ref().is_some_and(|t| t.starts_with(STUCK))
    }

    /// The price of all its lines.
    pub fn total(&self) -> Money {
        let minor = self.lines.iter().map(Line::price_minor).sum();
        Money { minor, currency: self.currency }
    }

    /// What was given back, or is on its way back, whoever made the refunds. More than the total
    /// for as long as we owe a refund that somebody made by hand meanwhile: ours will be refused.
    pub fn refunded(&self) -> Money {
        let minor = self.refunds.iter().map(Refund::given_minor).sum();
        Money { minor, currency: self.currency }
    }

    /// What is kept of the price of all its lines: more cannot be given back.
    pub fn kept(&self) -> Money {
        let minor = (self.total().minor - self.refunded().minor).max(0);
        Money { minor, currency: self.currency }
    }

    /// Money that is due to the buyer because a refund failed: neither the money nor a ticket for it
    /// is theirs, or it is a sum that was to go back beside the tickets. It stays so until the organiser refunds it
    /// again.
    pub fn owed_back(&self) -> Money {
        let minor = match self.state {
            OrderState::Paid | OrderState::Refunding | OrderState::Refunded => {
                let failed = self.refunds.iter().filter(|r| r.failed_later());
                let failed: i64 = failed.map(|r| r.amount_minor).sum();
                let worth = |l: &Line| l.unit_minor * i64::from(l.quantity - l.refunded);
                let worth: i64 = self.lines.iter().map(worth).sum();
                let less: i64 = self.refunds.iter().map(Refund::reduces_minor).sum();
                let keeps = (worth - less).max(0);
                (self.total().minor - self.refunded().minor - keeps).clamp(0, failed)
            }
            // Places that are gone: all that was received is to go back. That was as much as our first
            // refund was made for, with what had been given back by hand before it.
            OrderState::Released | OrderState::Void => {
                let first = self.refunds.iter().position(|r| !r.by_hand);
                let until_then = first.map_or(&[][..], |at| &self.refunds[..=at]);
                let received: i64 = until_then.iter().map(|r| r.amount_minor).sum();
                (received - self.refunded().minor).max(0)
            }
            _ => 0,
        };
        Money { minor, currency: self.currency }
    }

    /// How many of its places count for its buyer: those that are held or sold, but for those whose
    /// money went back. A place that is being refunded counts until the money is back, and does not count
    /// again if a bank sends the money back later: its ticket stays revoked.
    pub fn counted(&self) -> u32 {
        if !self.state.holds() && !self.state.sells() {
            return 0;
        }
        if on(Mutant::RefundedCounts) {
            return self.lines.iter().map(|l| l.quantity).sum();
        }
        let back = |r: &&Refund| {
            r.by_hand || r.failed_later() || matches!(r.state, RefundState::Succeeded(_))
        };
        let back: u32 = self.refunds.iter().filter(back).flat_map(|r| &r.quantities).sum();
        self.lines.iter().map(|l| l.quantity).sum::<u32>().saturating_sub(back)
    }

    /// Whether its time is over. It never is while an attempt is owed to the provider: the buyer
    /// waits for us then, for a turn or for a provider that is down, and must not lose the places
    /// by that. What is left of the time runs on when the attempt is answered.
    pub fn over(&self, now: TimeMs) -> bool {
        let pending = self.payment.as_ref().and_then(Payment::pending_attempt);
        (pending.is_none() || on(Mutant::OwedTimeRuns)) && now >= self.until_ms
    }
}

/// Who orders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Buyer {
    /// The name on the tickets, 1 to 200 characters.
    pub name: String,
    /// Where to write to; empty if unknown.
    pub email: String,
    /// What makes this buyer the same buyer. Every order has it, so that a limit which comes late
    /// counts the orders that were placed before it.
    pub key: BuyerKey,
    /// In which language to write; English where none is known.
    pub language: Language,
}

/// A digest of what identifies a buyer to an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BuyerKey(pub u128);

/// What one buyer has of an event with a limit per buyer. It follows from the orders
/// ([`Order::counted`]); a buyer without places has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BuyerRecord {
    /// Places held and sold to this buyer together.
    pub places: u32,
    /// The buyer's latest order.
    pub order: OrderId,
}

/// Some tickets of one type in an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// The index of the ticket type in its event.
    pub ticket_type: u16,
    /// The index of the pool it draws on.
    pub pool: u16,
    /// How many.
    pub quantity: u32,
    /// The price of one, in minor units, frozen when the order was placed.
    pub unit_minor: i64,
    /// How many of them are refunded, or are being refunded.
    pub refunded: u32,
    /// How many of those went back on sale.
    pub restocked: u32,
    /// What else counts its tickets, and what was taken off its price. Mostly nothing.
    pub extra: Extra,
}

/// What only some lines have. The indexes are those of [`Event::stock`](crate::Event::stock).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extra {
    /// The counter of its ticket type, if that has one.
    pub type_counter: Option<u16>,
    /// The counter of the price phase in which it was sold, if it was.
    pub phase: Option<u16>,
    /// The counter of the code with which it was bought, if it was.
    pub code: Option<u16>,
    /// What the code took off the price of one ticket, in minor units.
    pub discount_minor: i64,
    /// The VAT that its price includes, in hundredths of a per cent, frozen when the order was placed.
    pub vat: Option<u16>,
}

impl Line {
    /// What counts its tickets: its pool, and the counters that it draws on.
    pub fn stock(&self) -> impl Iterator<Item = u16> + use<> {
        let Extra { type_counter, phase, code, .. } = self.extra;
        [Some(self.pool), type_counter, phase, code].into_iter().flatten()
    }

    /// The price of all of it.
    pub fn price_minor(&self) -> i64 {
        self.unit_minor * i64::from(self.quantity)
    }
}

/// What is scanned at the door: one place of one order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// Its number within the event, from 1, without gaps.
    pub serial: u32,
    /// The index of its line in the order.
    pub line: u16,
    /// Whether it lets somebody in.
    pub state: TicketState,
    /// From what its code is derived. A ticket keeps the code with which it was issued.
    pub code_rule: CodeRule,
    /// How often it was passed on, [`MOST_REVISIONS`](crate::MOST_REVISIONS) times at most. Its codes are derived from this as well,
    /// so that those of an earlier revision let nobody in.
    pub revision: u16,
    /// Who comes with it, 1 to 200 characters; `None`: nobody has said so.
    pub guest: Option<String>,
}

/// From what a ticket's code is derived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodeRule {
    /// From its event and its serial: tickets that older versions issued. A database that was
    /// restored from a copy counts the forgotten serials again, and so gave codes out twice.
    Serial,
    /// From its order, too. An order's id never comes back, so neither does the code.
    Order,
}

/// Whether a ticket lets somebody in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TicketState {
    /// It does.
    Valid,
    /// It does not any more: it was refunded.
    Revoked,
}
