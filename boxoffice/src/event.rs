//! Events, pools and ticket types: what is for sale, and how much of it is left.

pub(crate) mod check;
pub(crate) mod code;
pub(crate) mod counter;
pub(crate) mod delete;
pub(crate) mod offer;
pub(crate) mod put;
pub(crate) mod question;
pub(crate) mod sale;

use crate::{CodeSpec, Counter, Currency, Discount, EventId, Flaw, Refusal, TimeMs, TypeRules};
use alloc::{format, string::String, vec::Vec};
use question::QuestionSpec;

/// A show: what is sold, when, and under which limits. Pools and ticket types are never removed
/// once made, only retired, so that an order's lines can refer to them by their index for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The event's own id.
    pub id: EventId,
    /// What can be changed of it, as last accepted.
    pub spec: EventSpec,
    /// The pools, in the order in which they were first named.
    pub pools: Vec<Pool>,
    /// The ticket types, in the order in which they were first named. One that had several names is here
    /// several times: an order's lines say under which name it was sold.
    pub ticket_types: Vec<TicketType>,
    /// What is counted beside the pools: see [`Counter`]. Most events have none.
    pub counters: Vec<Counter>,
    /// How many tickets were ever issued; the next one has this serial plus one.
    pub serials: u32,
    /// Whether its organiser has stopped the sale. It is no part of the spec, so that a file that is applied
    /// again resumes nothing.
    pub sale: Sale,
}

/// Whether the organiser of an event lets it be sold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sale {
    /// It is, at the times that the spec says.
    #[default]
    Open,
    /// Not at the moment: there are no new holds. Who holds places can pay.
    Paused,
    /// The event does not take place: never again, and nobody can pay any more.
    Canceled,
}

/// What an organiser says of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventSpec {
    /// Its name in addresses: `a-z`, `0-9` and `-`, 1 to 64 of them.
    pub slug: String,
    /// What buyers read, 1 to 200 characters.
    pub name: String,
    /// Where it is, up to 200 characters; may be empty.
    pub place: String,
    /// What buyers read about it: plain text, lines ended by `\n`, up to 5,000 characters; may be empty.
    pub description: String,
    /// When it starts.
    pub starts_ms: TimeMs,
    /// When it ends, not before it starts; see [`EventSpec::ends`] where this is absent.
    pub ends_ms: Option<TimeMs>,
    /// IANA time zone in which its times are told, checked by who makes the spec.
    pub zone: String,
    /// The currency of all its prices.
    pub currency: Currency,
    /// Most tickets in one order, 1 to 1,000.
    pub limit_per_order: u32,
    /// Most places one buyer may hold and own together; none if absent.
    pub limit_per_buyer: Option<u32>,
    /// Whether `name+tag@host` is the same buyer as `name@host`.
    pub ignore_email_tags: bool,
    /// How long a hold lives, 1 second to 1 hour.
    pub hold_ms: i64,
    /// Before this nothing is sold.
    pub sale_opens_ms: Option<TimeMs>,
    /// From this on nothing more is sold, be it before or after its end; its end if absent.
    pub sale_closes_ms: Option<TimeMs>,
    /// From then on the names on its tickets stay as they are; from its start if absent.
    pub names_until_ms: Option<TimeMs>,
    /// Whether it is a draft, which no list for buyers has. Its own address shows it all the same.
    pub hidden: bool,
    /// The names and addresses of its buyers are replaced so many days after its end, 0 to 3,650; never if
    /// absent.
    pub keep_buyers_days: Option<u32>,
    /// The e-mail address at which its organiser answers questions; may be empty.
    pub contact: String,
    /// Whether the mail with the tickets has them as a PDF file, too.
    pub attach_pdf: bool,
    /// What is asked between the hold and the payment, in this order, at most
    /// [`MOST_QUESTIONS`](crate::MOST_QUESTIONS).
    pub questions: Vec<QuestionSpec>,
    /// The places, 1 to 100 pools.
    pub pools: Vec<PoolSpec>,
    /// What they are sold as, 1 to 100 ticket types, in the order in which they are shown.
    pub ticket_types: Vec<TicketTypeSpec>,
    /// The codes with which buyers see more, or pay less; up to 1,000. Mostly there are none.
    pub codes: Vec<CodeSpec>,
}

/// A part of what is said of an event, which may be left out when the event is put.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventPart {
    /// [`EventSpec::description`]
    Description,
    /// [`EventSpec::hidden`]
    Hidden,
    /// [`EventSpec::keep_buyers_days`]
    KeepBuyersDays,
    /// [`EventSpec::contact`]
    Contact,
    /// [`EventSpec::attach_pdf`]
    AttachPdf,
    /// [`EventSpec::questions`]
    Questions,
    /// [`EventSpec::codes`]
    Codes,
    /// [`TicketTypeSpec::rules`] of the ticket type with this id, all of them. One that is new has none.
    Rules(String),
}

/// What an organiser says of a pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolSpec {
    /// Its name within the event, 1 to 64 characters.
    pub name: String,
    /// How many places it has, up to 10,000,000.
    pub capacity: u32,
}

/// What an organiser says of a ticket type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TicketTypeSpec {
    /// Its id within the event, 1 to 64 characters.
    pub id: String,
    /// What buyers read, 1 to 200 characters.
    pub name: String,
    /// The pool it draws on.
    pub pool: String,
    /// Its price in minor units of the event's currency, 0 or [`Currency::least_minor`] to
    /// 99,999,999, a multiple of [`Currency::step_minor`]. It holds when all its price phases are over.
    pub price_minor: i64,
    /// When, how many, at which other prices, and to whom it is sold.
    pub rules: TypeRules,
}

/// A number of places that are counted together. `held + sold <= capacity`, always.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pool {
    /// Its name within the event.
    pub name: String,
    /// How many places it has; 0 once it is retired.
    pub capacity: u32,
    /// Places of orders that are held, paying or canceling.
    pub held: u32,
    /// Places that are irrevocably somebody's.
    pub sold: u32,
}

impl Pool {
    /// Places that may be held now.
    pub fn left(&self) -> u32 {
        self.capacity.checked_sub(self.held + self.sold).expect("held + sold <= capacity")
    }

    /// Moves the counters, and asserts what must hold of them.
    pub fn shift(&mut self, held: i64, sold: i64) {
        let moved = |count: u32, by: i64| {
            u32::try_from(i64::from(count) + by).expect("a pool's counter stays within 0..2^32")
        };
        self.held = moved(self.held, held);
        self.sold = moved(self.sold, sold);
        assert!(
            u64::from(self.held) + u64::from(self.sold) <= u64::from(self.capacity),
            "oversold: pool {} holds {} and sold {} of {}",
            self.name,
            self.held,
            self.sold,
            self.capacity
        );
    }
}

/// A name and a price that draws on one pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TicketType {
    /// Its id within the event.
    pub id: String,
    /// What buyers read.
    pub name: String,
    /// The index of its pool in [`Event::pools`].
    pub pool: u16,
    /// Its price in minor units of the event's currency.
    pub price_minor: i64,
    /// Whether it is no longer offered, or not under this name. Orders that have it keep it.
    pub retired: bool,
}

impl Event {
    /// The index of a ticket type that is on offer.
    pub fn offered(&self, id: &str) -> Option<u16> {
        self.ticket_types.iter().position(|t| t.id == id && !t.retired).map(|i| i as u16)
    }

    /// Whether the sale is open.
    pub fn on_sale(&self, now: TimeMs) -> bool {
        self.check_sale(now).is_ok()
    }

    /// Whether it has ended. It may still be on sale, if its organiser has named a later end of the sale.
    pub fn is_over(&self, now: TimeMs) -> bool {
        now >= self.spec.ends()
    }

    /// Whether it does not take place.
    pub fn is_canceled(&self) -> bool {
        self.sale == Sale::Canceled
    }

    /// Whether the lists for buyers have it: it is public, and not over unless it is still on sale.
    pub fn is_listed(&self, now: TimeMs) -> bool {
        !self.spec.hidden && now < self.spec.ends().max(self.spec.sale_ends())
    }

    /// The refusal of a hold because of the time, if the sale is not open.
    pub fn check_sale(&self, now: TimeMs) -> Result<(), Refusal> {
        let (spec, closes) = (&self.spec, self.spec.sale_ends());
        if self.sale == Sale::Canceled {
            return Err(Refusal::EventCanceled);
        }
        match spec.sale_opens_ms {
            Some(opens) if now < opens.min(closes) => Err(Refusal::NotYetOnSale(opens)),
            _ if now < closes && self.sale == Sale::Paused => Err(Refusal::SalePaused),
            _ if now < closes => Ok(()),
            _ if self.is_over(now) => Err(Refusal::EventOver(spec.ends())),
            _ => Err(Refusal::SaleClosed(closes)),
        }
    }
}

/// An event without a stated end is taken to be over so long after its start: a concert, a match and a
/// club night have ended by then. What lasts longer says when it ends.
const USUAL_LENGTH_MS: i64 = 12 * 3_600_000;

/// The most tickets in one order, where nothing is said of it.
const USUAL_PER_ORDER: u32 = 10;

impl EventSpec {
    /// An event with the default of everything else: it is named by its id, has no pools and no ticket
    /// types, at most 10 tickets in an order, no limit per buyer, and holds of 5 minutes.
    pub fn new(slug: &str, currency: Currency, starts_ms: TimeMs) -> EventSpec {
        EventSpec {
            slug: slug.into(),
            name: slug.into(),
            place: String::new(),
            description: String::new(),
            starts_ms,
            ends_ms: None,
            zone: "UTC".into(),
            currency,
            limit_per_order: USUAL_PER_ORDER,
            limit_per_buyer: None,
            ignore_email_tags: false,
            hold_ms: 300_000,
            sale_opens_ms: None,
            sale_closes_ms: None,
            names_until_ms: None,
            hidden: false,
            keep_buyers_days: None,
            contact: String::new(),
            attach_pdf: false,
            questions: Vec::new(),
            pools: Vec::new(),
            ticket_types: Vec::new(),
            codes: Vec::new(),
        }
    }

    /// Takes these parts from what was said before. Gives what is wrong with that: amounts of money in them are
    /// minor units of the currency from before, so they cannot be kept in another one.
    #[must_use]
    pub fn keep(&mut self, parts: &[EventPart], before: &EventSpec) -> Vec<Flaw> {
        parts.iter().for_each(|part| self.keep_part(part, before));
        let (new, old) = (self.currency.code(), before.currency.code());
        if new == old {
            return Vec::new();
        }
        let text = |what: &str| {
            format!("the currency changes from {old} to {new}: say {what} anew as well")
        };
        let mut flaws = Vec::new();
        for (index, t) in self.ticket_types.iter().enumerate() {
            // Of a ticket type that is new nothing was kept.
            let was_there = before.ticket_types.iter().any(|old| old.id == t.id);
            let kept = was_there && parts.contains(&EventPart::Rules(t.id.clone()));
            if kept && !t.rules.phases.is_empty() {
                let what = format!("the price phases of the ticket type \"{}\"", t.id);
                flaws.push(Flaw::new(format!("ticket_types[{index}].phases"), text(&what)));
            }
        }
        let in_money = |code: &CodeSpec| matches!(code.discount, Some(Discount::Minor(_)));
        if parts.contains(&EventPart::Codes) && self.codes.iter().any(in_money) {
            flaws
                .push(Flaw::new("codes", text("the codes, whose discounts are amounts of money,")));
        }
        flaws
    }

    fn keep_part(&mut self, part: &EventPart, before: &EventSpec) {
        match part {
            EventPart::Description => self.description.clone_from(&before.description),
            EventPart::Hidden => self.hidden = before.hidden,
            EventPart::KeepBuyersDays => self.keep_buyers_days = before.keep_buyers_days,
            EventPart::Contact => self.contact.clone_from(&before.contact),
            EventPart::AttachPdf => self.attach_pdf = before.attach_pdf,
            EventPart::Questions => self.questions.clone_from(&before.questions),
            EventPart::Codes => self.codes.clone_from(&before.codes),
            EventPart::Rules(id) => {
                let known = before.ticket_types.iter().find(|t| t.id == *id);
                let put = self.ticket_types.iter_mut().find(|t| t.id == *id);
                if let (Some(put), Some(known)) = (put, known) {
                    put.rules.clone_from(&known.rules);
                }
            }
        }
    }

    /// When it ends: as its organiser says, or else 12 hours after its start. From then on it is over.
    pub fn ends(&self) -> TimeMs {
        self.ends_ms.unwrap_or(self.starts_ms.saturating_add(USUAL_LENGTH_MS))
    }

    /// From then on the names on its tickets stay as they are: when its organiser says so, or else at its start;
    /// at its end at the latest.
    pub fn names_fixed_ms(&self) -> TimeMs {
        self.names_until_ms.unwrap_or(self.starts_ms).min(self.ends())
    }

    /// From then on nothing is sold: the end of the sale if its organiser has named one, before or after
    /// the end of the event, or else the end of the event.
    pub fn sale_ends(&self) -> TimeMs {
        self.sale_closes_ms.unwrap_or_else(|| self.ends())
    }
}
