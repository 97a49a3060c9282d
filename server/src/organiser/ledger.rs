//! The accounts of an event: what was taken and given back, by day, by ticket type, and by how it was paid.
//!
//! All of it follows from the orders. A payment counts on the day on which the buyer paid, in the zone of the event,
//! and a refund on the day on which it was asked for or found. A refund that failed counts nothing. `nts audit`
//! counts the same money without this code; a test compares both.

use crate::when;
use boxoffice::{Currency, Order, Refund, RefundState, Tender, TimeMs};
use std::collections::BTreeMap;

/// One movement of an order's money.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Movement {
    /// When, in milliseconds since 1970.
    pub at_ms: TimeMs,
    /// Which way.
    pub way: Way,
    /// How much, in minor units of the order's currency.
    pub minor: i64,
    /// How many tickets of each line are sold or taken back by it.
    pub quantities: Vec<u32>,
    /// The payment provider's id of it, or why it failed.
    pub detail: String,
}

/// Which way money moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// It was taken.
    Taken,
    /// It went back.
    GivenBack,
    /// It is on its way back.
    GoingBack,
    /// It was to go back, and did not.
    Failed,
}

impl Way {
    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            Way::Taken => "payment",
            Way::GivenBack => "refund",
            Way::GoingBack => "refund on its way",
            Way::Failed => "refund that failed",
        }
    }
}

/// When the buyer of an order paid, as far as it is known.
fn paid_ms(order: &Order) -> TimeMs {
    let attempts = order.payment.iter().flat_map(|payment| &payment.attempts);
    let last = attempts.last().map(|attempt| attempt.begun_ms).filter(|begun_ms| *begun_ms > 0);
    last.unwrap_or(order.placed_ms)
}

/// When the id of a refund was made: UUIDv7.
fn asked_ms(refund: &Refund) -> TimeMs {
    (refund.id.0 >> 80) as TimeMs
}

/// All movements of an order's money, the payment first. Of an order without money there is one of nothing, which
/// tells what was sold.
pub fn movements(order: &Order) -> Vec<Movement> {
    let mut all = Vec::new();
    let sold = order.state.was_paid();
    let intent = order.payment.as_ref().and_then(|payment| payment.intent.clone());
    // Money that came for places which were gone: all of it goes back, so what goes back is what came.
    let stray: i64 = order.refunds.iter().map(Refund::given_minor).sum();
    if sold || stray > 0 {
        let quantities = order.lines.iter().map(|line| if sold { line.quantity } else { 0 });
        all.push(Movement {
            at_ms: paid_ms(order),
            way: Way::Taken,
            minor: if sold { order.total().minor } else { stray },
            quantities: quantities.collect(),
            detail: intent.unwrap_or_default(),
        });
    }
    all.extend(order.refunds.iter().map(|refund| {
        let (way, detail) = match &refund.state {
            RefundState::Pending => (Way::GoingBack, ""),
            RefundState::Succeeded(id) => (Way::GivenBack, id.as_str()),
            RefundState::Failed(why) => (Way::Failed, why.as_str()),
        };
        // The tickets of a refund that failed later stay revoked.
        let revoked = way != Way::Failed || refund.failed_later();
        let quantities = if revoked { refund.quantities.clone() } else { Vec::new() };
        Movement {
            at_ms: asked_ms(refund),
            way,
            minor: refund.amount_minor,
            quantities,
            detail: detail.into(),
        }
    }));
    all
}

/// Sums of money, in minor units, and of tickets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sums {
    /// Tickets that were sold.
    pub sold: u64,
    /// Tickets that were taken back.
    pub taken_back: u64,
    /// Money that was taken.
    pub taken: i64,
    /// Money that went back.
    pub given_back: i64,
    /// Money that is on its way back.
    pub going_back: i64,
}

impl Sums {
    /// What is left: taken, less what went back or is on its way.
    pub fn left(&self) -> i64 {
        self.taken - self.given_back - self.going_back
    }

    /// Adds others.
    pub fn add_all(&mut self, other: &Sums) {
        self.sold += other.sold;
        self.taken_back += other.taken_back;
        self.taken += other.taken;
        self.given_back += other.given_back;
        self.going_back += other.going_back;
    }

    fn add(&mut self, way: Way, minor: i64, tickets: u64) {
        match way {
            Way::Taken => {
                self.taken += minor;
                self.sold += tickets;
                return;
            }
            Way::GivenBack => self.given_back += minor,
            Way::GoingBack => self.going_back += minor,
            Way::Failed => {}
        }
        self.taken_back += tickets;
    }
}

/// The accounts of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ledger {
    zone: String,
    /// The currency of the event, and of all sums but those of `days` and `tenders` that name another.
    pub currency: Currency,
    /// By day, as `2027-06-05`, by currency, and by how it was paid.
    pub days: BTreeMap<(String, Currency, Tender), Sums>,
    /// By currency, and by how it was paid.
    pub tenders: BTreeMap<(Currency, Tender), Sums>,
    /// By the index of the ticket type in its event.
    pub types: BTreeMap<u16, Sums>,
    /// Money that is for no particular tickets: refunds of an amount or made at the payment provider, and payments
    /// of orders that had no places any more.
    pub other: Sums,
    /// All of it.
    pub all: Sums,
    /// Money that is owed to buyers because a refund failed.
    pub owed_back: i64,
    /// Money that cardholders dispute, whatever came of it.
    pub disputed: i64,
}

impl Ledger {
    /// Of an event in this zone and this currency; nothing yet.
    pub fn new(zone: &str, currency: Currency) -> Ledger {
        Ledger {
            zone: zone.into(),
            currency,
            days: BTreeMap::new(),
            tenders: BTreeMap::new(),
            types: BTreeMap::new(),
            other: Sums::default(),
            all: Sums::default(),
            owed_back: 0,
            disputed: 0,
        }
    }

    /// What was sold in another currency, before the event had its own; by that currency.
    pub fn in_others(&self) -> BTreeMap<Currency, Sums> {
        let mut others: BTreeMap<Currency, Sums> = BTreeMap::new();
        for ((currency, _), sums) in &self.tenders {
            if *currency != self.currency {
                others.entry(*currency).or_default().add_all(sums);
            }
        }
        others
    }

    /// Adds an order.
    pub fn add(&mut self, order: &Order) {
        let how = (order.currency, order.tender);
        let own = order.currency == self.currency;
        for movement in movements(order) {
            let Movement { at_ms, way, minor, quantities, .. } = &movement;
            let tickets: u64 = quantities.iter().copied().map(u64::from).sum();
            let minor = if *way == Way::Failed { 0 } else { *minor };
            if tickets > 0 || minor != 0 {
                let day = (when::day_in(*at_ms, &self.zone), how.0, how.1);
                self.days.entry(day).or_default().add(*way, minor, tickets);
                self.tenders.entry(how).or_default().add(*way, minor, tickets);
            }
            if !own {
                continue;
            }
            self.all.add(*way, minor, tickets);
            let mut left = minor;
            for (line, quantity) in order.lines.iter().zip(quantities) {
                let part = (line.unit_minor * i64::from(*quantity)).min(left);
                left -= part;
                if *quantity > 0 {
                    let of = self.types.entry(line.ticket_type).or_default();
                    of.add(*way, part, u64::from(*quantity));
                }
            }
            if left != 0 {
                self.other.add(*way, left, 0);
            }
        }
        if !own {
            return;
        }
        self.owed_back += order.owed_back().minor;
        let dispute = order.payment.as_ref().and_then(|payment| payment.dispute.as_ref());
        self.disputed += dispute.map_or(0, |dispute| dispute.amount_minor);
    }
}
