//! What a ticket type costs at the moment, how many are left of it, and to whom it is sold.
//!
//! Everything that a page shows of it and everything that a hold decides comes from [`Event::offer`]. A ticket
//! type without rules of its own has one price, and draws on nothing but its pool.

use super::counter::MOST_TICKETS;
use crate::{
    CodeSpec, Counter, CounterKind, Currency, Discount, Event, Refusal, TicketType, TicketTypeSpec,
    TimeMs,
};
use alloc::{string::String, vec::Vec};

/// The most price phases of a ticket type.
pub const MOST_PHASES: usize = 10;

/// When, how many, at which other prices, and to whom a ticket type is sold. By default: as long as the
/// event is on sale, as many as its pool has, at one price, to everybody.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TypeRules {
    /// Whether it is shown and sold only with a code that [opens](CodeSpec::opens) it.
    pub hidden: bool,
    /// Before this it is not sold, even if the event is on sale.
    pub sale_opens_ms: Option<TimeMs>,
    /// From this on it is not sold any more, even if the event still is on sale.
    pub sale_closes_ms: Option<TimeMs>,
    /// How many of it are sold at most, 0 to 10,000,000; none: as many as its pool has.
    pub capacity: Option<u32>,
    /// Its price phases, in the order in which they come; up to [`MOST_PHASES`].
    pub phases: Vec<PhaseSpec>,
    /// The VAT that its prices include, in hundredths of a per cent, up to [`MOST_VAT`](crate::MOST_VAT); none:
    /// nothing is said of it.
    pub vat: Option<u16>,
}

/// A time in which a ticket type has another price, such as "early bird". It is over at its end, and stops
/// while so many are held or sold in it; the next one, or the ordinary price, holds then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhaseSpec {
    /// What buyers read, 1 to 64 characters, and by what it is known: under another name it counts from 0.
    pub name: String,
    /// The price of one ticket in it, as [`TicketTypeSpec::price_minor`].
    pub price_minor: i64,
    /// From this on it is over.
    pub until_ms: Option<TimeMs>,
    /// So many tickets are sold in it at most, 1 to 10,000,000.
    pub capacity: Option<u32>,
}

/// A price at which a ticket type is sold now, or when what comes before it is used up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Price {
    /// What one ticket costs, in minor units, with the code if there is one.
    pub unit_minor: i64,
    /// What the code takes off.
    pub discount_minor: i64,
    /// In which phase; none: it is the ordinary price.
    pub phase: Option<String>,
    /// The counter of that phase.
    pub counter: Option<u16>,
    /// How many can be had at this price now; none: as many as there are.
    pub left: Option<u32>,
    /// Until when at the latest.
    pub until_ms: Option<TimeMs>,
}

/// A ticket type as it is offered to somebody at a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer<'e> {
    /// Its index in [`Event::ticket_types`].
    pub index: u16,
    /// Its name and its pool.
    pub ticket_type: &'e TicketType,
    /// What the organiser says of it.
    pub spec: &'e TicketTypeSpec,
    /// How many can be held now: of its pool, and of its own capacity.
    pub left: u32,
    /// How many are held and not paid of what there are too few of.
    pub held: u32,
    /// Whether what is left is its own, and not its pool's.
    pub own: bool,
    /// The prices, that of now first; the last is the ordinary one.
    pub prices: Vec<Price>,
    /// The code, if its tickets are bought with it.
    pub code: Option<&'e CodeSpec>,
}

impl Event {
    /// The ticket types that are offered to who has this code, in the order in which they are shown.
    pub fn offers<'e>(&'e self, code: Option<&'e CodeSpec>, now: TimeMs) -> Vec<Offer<'e>> {
        let shown = self.spec.ticket_types.iter();
        let shown = shown.filter(|t| is_shown(t, code));
        shown.filter_map(|t| self.offer_of(t, code, now)).collect()
    }

    /// All ticket types, hidden or not, in the order in which they are shown.
    pub fn all_offers(&self, now: TimeMs) -> Vec<Offer<'_>> {
        self.spec.ticket_types.iter().filter_map(|t| self.offer_of(t, None, now)).collect()
    }

    /// A ticket type as it is offered to who has this code; `None` if it is not.
    pub fn offer<'e>(
        &'e self,
        id: &str,
        code: Option<&'e CodeSpec>,
        now: TimeMs,
    ) -> Option<Offer<'e>> {
        let spec = self.spec.ticket_types.iter().find(|t| t.id == id)?;
        if is_shown(spec, code) { self.offer_of(spec, code, now) } else { None }
    }

    /// A ticket type as the organiser may sell it to somebody: hidden ones as well.
    pub(crate) fn offer_by_organiser(&self, id: &str, now: TimeMs) -> Option<Offer<'_>> {
        let spec = self.spec.ticket_types.iter().find(|t| t.id == id)?;
        self.offer_of(spec, None, now)
    }

    fn offer_of<'e>(
        &'e self,
        spec: &'e TicketTypeSpec,
        code: Option<&'e CodeSpec>,
        now: TimeMs,
    ) -> Option<Offer<'e>> {
        let id = &spec.id;
        let index = self.offered(id)?;
        let ticket_type = &self.ticket_types[usize::from(index)];
        let code = code.filter(|code| code.covers(id));
        let pool = &self.pools[usize::from(ticket_type.pool)];
        let (mut left, mut held, mut own) = (pool.left(), pool.held, false);
        if let Some(capacity) = spec.rules.capacity {
            let counter = self.counter(CounterKind::Type, id);
            let (own_left, own_held) = self.left_of(counter, capacity);
            if own_left < left {
                (left, held, own) = (own_left, own_held, true);
            }
        }
        let prices = self.prices(spec, code, now);
        Some(Offer { index, ticket_type, spec, left, held, own, prices, code })
    }

    fn prices(&self, spec: &TicketTypeSpec, code: Option<&CodeSpec>, now: TimeMs) -> Vec<Price> {
        let price = |full_minor: i64| {
            let discount = code.filter(|code| code.is_cheaper(&spec.id)).and_then(|c| c.discount);
            let unit_minor = discount.map_or(full_minor, |discount| {
                discounted_minor(full_minor, discount, self.spec.currency)
            });
            Price {
                unit_minor,
                discount_minor: full_minor - unit_minor,
                phase: None,
                counter: None,
                left: None,
                until_ms: None,
            }
        };
        let mut prices = Vec::with_capacity(1);
        for phase in &spec.rules.phases {
            if phase.until_ms.is_some_and(|until| now >= until) {
                continue;
            }
            let name = Counter::of_phase(&spec.id, &phase.name);
            let counter = self.counter(CounterKind::Phase, &name);
            let (left, _) = self.left_of(counter, phase.capacity.unwrap_or(MOST_TICKETS));
            if left > 0 {
                prices.push(Price {
                    phase: Some(phase.name.clone()),
                    counter,
                    left: phase.capacity.map(|_| left),
                    until_ms: phase.until_ms,
                    ..price(phase.price_minor)
                });
            }
        }
        prices.push(price(spec.price_minor));
        prices
    }
}

impl Offer<'_> {
    /// The price of one ticket now.
    pub fn price(&self) -> &Price {
        &self.prices[0]
    }

    /// The price that comes next, when the one of now is over or used up.
    pub fn next_price(&self) -> Option<&Price> {
        self.prices.get(1)
    }

    /// Which prices so many tickets have: a phase that has too few of them sells those, and the next price
    /// holds for the rest.
    pub fn split(&self, quantity: u32) -> Vec<(u32, &Price)> {
        let mut rest = quantity;
        let mut parts = Vec::with_capacity(1);
        for price in &self.prices {
            let some = price.left.map_or(rest, |left| left.min(rest));
            if some > 0 {
                parts.push((some, price));
            }
            rest -= some;
        }
        parts
    }

    /// The refusal of a hold because of the time, if it is not sold now although the event is on sale.
    pub fn check_sale(&self, now: TimeMs) -> Result<(), Refusal> {
        let rules = &self.spec.rules;
        let ticket_type = || self.spec.id.clone();
        match (rules.sale_opens_ms, rules.sale_closes_ms) {
            (_, Some(closed_ms)) if now >= closed_ms => {
                Err(Refusal::TypeSaleClosed { ticket_type: ticket_type(), closed_ms })
            }
            (Some(opens_ms), _) if now < opens_ms => {
                Err(Refusal::TypeNotYetOnSale { ticket_type: ticket_type(), opens_ms })
            }
            _ => Ok(()),
        }
    }
}

fn is_shown(spec: &TicketTypeSpec, code: Option<&CodeSpec>) -> bool {
    !spec.rules.hidden || code.is_some_and(|code| code.opens(&spec.id))
}

/// A price with something taken off it: what a card can be charged, rounded up to that; never more than
/// before. Nothing is left of it only if all of it was taken off.
fn discounted_minor(full_minor: i64, discount: Discount, currency: Currency) -> i64 {
    let step = currency.step_minor();
    let left = match discount {
        Discount::Percent(percent) => {
            let hundredths = full_minor * i64::from(100 - percent.min(100));
            hundredths.div_euclid(100) + i64::from(hundredths.rem_euclid(100) > 0)
        }
        Discount::Minor(minor) => (full_minor - minor).max(0),
    };
    let whole = left.div_euclid(step) * step + if left.rem_euclid(step) > 0 { step } else { 0 };
    let least = if whole > 0 { currency.least_minor() } else { 0 };
    whole.max(least).min(full_minor)
}
