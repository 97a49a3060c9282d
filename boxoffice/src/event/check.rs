//! What is wrong with an event as its organiser says it, and what is odd about it.

use super::USUAL_PER_ORDER;
use super::code::check_code;
use super::counter::MOST_TICKETS;
use crate::money::MAX_MINOR;
use crate::text::{check_email, check_paragraphs, check_text};
use crate::{
    Discount, EventSpec, MOST_CODES, MOST_PHASES, MOST_VAT, Money, PhaseSpec, PoolSpec,
    TicketTypeSpec, TimeMs,
};
use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec::Vec,
};

/// Something that is wrong with an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flaw {
    /// Where: a field as the API names it, such as `id`, `starts_at`, `pools[0].capacity`.
    pub at: String,
    /// What, in one sentence without its full stop.
    pub text: String,
}

impl Flaw {
    /// A flaw of this field.
    pub fn new(at: impl Into<String>, text: impl Into<String>) -> Flaw {
        Flaw { at: at.into(), text: text.into() }
    }
}

/// The sentences of some flaws as one text, without its full stop: so many of them that one can read it.
pub fn told(flaws: &[Flaw]) -> String {
    const MOST: usize = 8;
    let texts: Vec<&str> = flaws.iter().take(MOST).map(|flaw| flaw.text.as_str()).collect();
    let text = texts.join("; ");
    match flaws.len().saturating_sub(MOST) {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}

/// Something that is odd about an event, and is done all the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Warning {
    /// It ended in the past.
    Over,
    /// It started in the past, and has not ended yet.
    Started,
    /// It starts more than ten years from now.
    FarAway,
    /// The sale ended in the past.
    SaleClosed,
    /// The sale ends when the event has ended.
    SaleClosesAfterEnd,
    /// The sale ends when the event has started.
    SaleClosesAfterStart,
    /// The sale opens when it would be over.
    SaleNeverOpens,
    /// The sale opens when the event has started.
    SaleOpensAfterStart,
    /// It ends at the moment at which it starts.
    NoLength,
    /// It ends more than half a year after it starts.
    LastsLong,
    /// Its buyers' names and addresses are erased as soon as they are there: the time for which they are
    /// kept is over.
    BuyersErased,
    /// One buyer gets fewer tickets than one order may have.
    BuyerBelowOrder,
    /// An unpaid order is held for less than a minute, in which few people pay.
    ShortHold,
    /// A pool has a capacity of 0.
    EmptyPool(String),
    /// No ticket type draws on a pool.
    UnusedPool(String),
    /// A ticket type cannot be sold: its pool has a capacity of 0.
    NeverSold(String),
    /// The sale of the ticket type with this id never opens while the event is on sale.
    TypeNeverOnSale(String),
    /// The ticket type with this id is hidden, and no code opens it.
    NeverShown(String),
    /// The ticket type with this id costs more in its first phase, in minor units, than after it.
    DearerPhase(String, i64),
    /// Several ticket types have this name.
    SameName(String),
    /// The ticket type with this id costs so little, in minor units, that cards may not be charged it; how
    /// much they are charged at least is not published for its currency.
    SmallPrice(String, i64),
}

/// What starts later than this from now is probably a slip, in milliseconds: ten years.
const FAR_AWAY_MS: i64 = 3_652 * 86_400_000;
/// What lasts longer than this is probably a slip, in milliseconds: half a year.
const LASTS_LONG_MS: i64 = 183 * 86_400_000;
/// The shortest hold without a warning.
const SHORT_HOLD_MS: i64 = 60_000;

/// Checks the id of an event, its name in addresses.
pub fn check_slug(slug: &str) -> Result<(), String> {
    let slug_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if slug.is_empty() || slug.len() > 64 || !slug.chars().all(slug_char) {
        return Err("an event's id is 1 to 64 of a-z, 0-9 and -".into());
    }
    Ok(())
}

/// The flaws that were found.
#[derive(Default)]
pub(super) struct Flaws(Vec<Flaw>);

impl Flaws {
    pub(super) fn check(&mut self, at: impl Into<String>, checked: Result<(), String>) {
        self.0.extend(checked.err().map(|text| Flaw { at: at.into(), text }));
    }

    pub(super) fn unless(&mut self, fine: bool, at: impl Into<String>, text: impl Into<String>) {
        self.check(at, if fine { Ok(()) } else { Err(text.into()) });
    }
}

impl EventSpec {
    /// All that is wrong with it, as far as it can be checked without knowing the event's past.
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        flaws.check("id", check_slug(&self.slug));
        flaws.check("name", check_text("the event's name", &self.name, 1, 200));
        flaws.check("place", check_text("the place", &self.place, 0, 200));
        let about = check_paragraphs("the description", &self.description, 5_000);
        flaws.check("description", about);
        let contact = check_email(&self.contact).map_err(|why| format!("contact: {why}"));
        flaws.check("contact", contact);
        flaws.unless(
            self.currency.is_charged(),
            "currency",
            format!(
                "cards cannot be charged in {}; write an ISO 4217 code such as GBP",
                self.currency.code()
            ),
        );
        flaws.unless(
            self.ends_ms.is_none_or(|ends| ends >= self.starts_ms),
            "ends_at",
            "the event ends before it starts; make ends_at the same as starts_at, or later",
        );
        let sale = self.sale_opens_ms.zip(self.sale_closes_ms);
        flaws.unless(
            sale.is_none_or(|(opens, closes)| opens < closes),
            "sale_closes",
            "the sale must open before it closes",
        );
        self.check_numbers(&mut flaws);
        let parts = [("pools", self.pools.len()), ("ticket_types", self.ticket_types.len())];
        for (at, parts) in parts {
            flaws.unless(
                (1..=100).contains(&parts),
                at,
                "an event has 1 to 100 pools and 1 to 100 ticket types",
            );
        }
        for n in 0..self.pools.len().min(100) {
            self.check_pool(n, &mut flaws);
        }
        for n in 0..self.ticket_types.len().min(100) {
            self.check_ticket_type(n, &mut flaws);
        }
        self.check_questions(&mut flaws);
        self.check_codes(&mut flaws);
        flaws.0
    }

    fn check_numbers(&self, flaws: &mut Flaws) {
        flaws.unless(
            (1..=1_000).contains(&self.limit_per_order),
            "limit_per_order",
            "limit_per_order must be 1 to 1000",
        );
        flaws.unless(
            self.limit_per_buyer != Some(0),
            "limit_per_buyer",
            "limit_per_buyer must be at least 1; leave it out for no limit",
        );
        flaws.unless(
            (1_000..=3_600_000).contains(&self.hold_ms),
            "hold_seconds",
            "hold_seconds must be 1 to 3600: a hold lives 1 second to 1 hour",
        );
        flaws.unless(
            self.keep_buyers_days.is_none_or(|days| days <= 3_650),
            "keep_buyers_days",
            "keep_buyers_days must be 0 to 3650; leave it out to keep them",
        );
    }

    fn check_pool(&self, n: usize, flaws: &mut Flaws) {
        let PoolSpec { name, capacity } = &self.pools[n];
        flaws.check(format!("pools[{n}].id"), check_text("a pool's id", name, 1, 64));
        flaws.unless(
            *capacity <= 10_000_000,
            format!("pools[{n}].capacity"),
            format!("pool “{name}”: capacity is at most 10000000"),
        );
        flaws.unless(
            !self.pools[..n].iter().any(|other| other.name == *name),
            format!("pools[{n}].id"),
            format!("two pools have the id “{name}”; each needs one of its own"),
        );
    }

    fn check_ticket_type(&self, n: usize, flaws: &mut Flaws) {
        let TicketTypeSpec { id, name, pool, price_minor, rules } = &self.ticket_types[n];
        let at = |field: &str| format!("ticket_types[{n}].{field}");
        flaws.check(at("id"), check_text("a ticket type's id", id, 1, 64));
        flaws.check(at("name"), check_text("a ticket type's name", name, 1, 200));
        flaws.unless(
            !self.ticket_types[..n].iter().any(|other| other.id == *id),
            at("id"),
            format!("two ticket types have the id “{id}”; each needs one of its own"),
        );
        flaws.unless(
            self.pools.iter().any(|p| p.name == *pool),
            at("pool"),
            if pool.is_empty() {
                format!("ticket type “{id}”: pool is empty; write the id of one of the pools")
            } else {
                format!("ticket type “{id}”: no pool has the id “{pool}”")
            },
        );
        let what = format!("ticket type “{id}”");
        flaws.check(at("price"), self.check_price(&what, *price_minor));
        let sale = rules.sale_opens_ms.zip(rules.sale_closes_ms);
        flaws.unless(
            sale.is_none_or(|(opens, closes)| opens < closes),
            at("sale_closes"),
            format!("{what}: its sale must open before it closes"),
        );
        flaws.unless(
            rules.capacity.is_none_or(|capacity| capacity <= MOST_TICKETS),
            at("capacity"),
            format!("{what}: capacity is at most {MOST_TICKETS}; leave it out for no limit"),
        );
        flaws.unless(
            rules.vat.is_none_or(|rate| rate <= MOST_VAT),
            at("vat_percent"),
            format!("{what}: vat_percent is 0 to 100"),
        );
        flaws.unless(
            rules.phases.len() <= MOST_PHASES,
            at("phases"),
            format!("{what}: a ticket type has at most {MOST_PHASES} price phases"),
        );
        for p in 0..rules.phases.len().min(MOST_PHASES) {
            self.check_phase(n, p, flaws);
        }
    }

    fn check_phase(&self, n: usize, p: usize, flaws: &mut Flaws) {
        let TicketTypeSpec { id, rules, .. } = &self.ticket_types[n];
        let PhaseSpec { name, price_minor, until_ms, capacity } = &rules.phases[p];
        let at = |field: &str| format!("ticket_types[{n}].phases[{p}].{field}");
        let what = format!("ticket type “{id}”, price phase “{name}”");
        flaws.check(at("name"), check_text("a price phase's name", name, 1, 64));
        let before = &rules.phases[..p];
        flaws.unless(
            !before.iter().any(|other| other.name == *name),
            at("name"),
            format!("{what}: two have this name; each needs one of its own"),
        );
        flaws.check(at("price"), self.check_price(&what, *price_minor));
        flaws.unless(
            until_ms.is_some() || capacity.is_some(),
            at("until"),
            format!("{what} has no end: give it until, capacity or both"),
        );
        let last = before.iter().filter_map(|other| other.until_ms).max();
        flaws.unless(
            until_ms.zip(last).is_none_or(|(until, last)| until > last),
            at("until"),
            format!("{what} must end after the phases before it"),
        );
        flaws.unless(
            capacity.is_none_or(|capacity| (1..=MOST_TICKETS).contains(&capacity)),
            at("capacity"),
            format!("{what}: capacity is 1 to {MOST_TICKETS}; leave it out for no limit"),
        );
    }

    fn check_codes(&self, flaws: &mut Flaws) {
        flaws.unless(
            self.codes.len() <= MOST_CODES,
            "codes",
            format!("an event has at most {MOST_CODES} codes"),
        );
        let mut seen = BTreeSet::new();
        for (n, spec) in self.codes.iter().take(MOST_CODES).enumerate() {
            let code = &spec.code;
            let at = |field: &str| format!("codes[{n}].{field}");
            flaws.check(at("code"), check_code(code));
            flaws.unless(
                seen.insert(code),
                at("code"),
                format!("two codes are “{code}”; each is named once"),
            );
            flaws.unless(
                (1..=MOST_TICKETS).contains(&spec.uses),
                at("uses"),
                format!("code “{code}”: uses is 1 to {MOST_TICKETS}"),
            );
            let discount = match spec.discount {
                None => Ok(()),
                Some(Discount::Percent(1..=100)) => Ok(()),
                Some(Discount::Minor(1..=MAX_MINOR)) => Ok(()),
                Some(Discount::Percent(_)) => {
                    Err(format!("code “{code}”: percent_off is 1 to 100"))
                }
                Some(Discount::Minor(_)) => {
                    Err(format!("code “{code}”: amount_off is 1 to {MAX_MINOR} in minor units"))
                }
            };
            let percent = matches!(spec.discount, Some(Discount::Percent(_)));
            flaws.check(at(if percent { "percent_off" } else { "amount_off" }), discount);
            for (field, ids) in [("opens", &spec.opens), ("ticket_types", &spec.ticket_types)] {
                let unknown = ids.iter().find(|id| !self.ticket_types.iter().any(|t| t.id == **id));
                flaws.unless(
                    unknown.is_none(),
                    at(field),
                    format!(
                        "code “{code}”: no ticket type has the id “{}”",
                        unknown.map_or("", |id| id)
                    ),
                );
            }
            let hidden =
                |id: &String| !self.ticket_types.iter().any(|t| t.id == *id && !t.rules.hidden);
            let open = spec.opens.iter().find(|id| !hidden(id));
            flaws.unless(
                open.is_none(),
                at("opens"),
                format!(
                    "code “{code}”: ticket type “{}” is not hidden, so no code opens it",
                    open.map_or("", |id| id)
                ),
            );
            flaws.unless(
                spec.discount.is_some() || !spec.opens.is_empty(),
                at("opens"),
                format!("code “{code}” does nothing: give it opens, percent_off or amount_off"),
            );
            let valid = spec.valid_from_ms.zip(spec.valid_until_ms);
            flaws.unless(
                valid.is_none_or(|(from, until)| from < until),
                at("valid_until"),
                format!("code “{code}”: it must begin to be valid before it ends"),
            );
        }
    }

    /// A ticket is free, or a card can be charged its price.
    fn check_price(&self, what: &str, price_minor: i64) -> Result<(), String> {
        let currency = self.currency;
        let money = |minor| Money { minor, currency };
        let (step, least) = (currency.step_minor(), currency.least_minor());
        if !(0..=MAX_MINOR).contains(&price_minor) {
            return Err(format!(
                "{what}: a price is 0 to {} (an amount of {MAX_MINOR})",
                money(MAX_MINOR - MAX_MINOR % step)
            ));
        }
        if price_minor % step != 0 {
            return Err(format!(
                "{what}: a card cannot be charged {}; prices are multiples of {}",
                money(price_minor),
                money(step)
            ));
        }
        if (1..least).contains(&price_minor) {
            return Err(format!(
                "{what}: a card cannot be charged {}; the least is {} (an amount of {least}), \
                 and 0 is free",
                money(price_minor),
                money(least)
            ));
        }
        Ok(())
    }

    /// What is odd about it at this time, if it has no [flaws](EventSpec::flaws).
    pub fn warnings(&self, now: TimeMs) -> Vec<Warning> {
        let (opens, closes) = (self.sale_opens_ms, self.sale_closes_ms);
        let mut all = Vec::new();
        let mut warn = |odd: bool, warning: Warning| {
            if odd {
                all.push(warning);
            }
        };
        let (over, started) = (now >= self.ends(), now >= self.starts_ms);
        warn(over, Warning::Over);
        warn(started && !over, Warning::Started);
        warn(self.starts_ms.saturating_sub(now) > FAR_AWAY_MS, Warning::FarAway);
        warn(closes.is_some_and(|closes| closes <= now), Warning::SaleClosed);
        let after_end = closes.is_some_and(|closes| closes > self.ends());
        warn(after_end, Warning::SaleClosesAfterEnd);
        let after_start = closes.is_some_and(|closes| closes > self.starts_ms);
        warn(after_start && !after_end, Warning::SaleClosesAfterStart);
        let never = opens.is_some_and(|opens| opens >= self.sale_ends());
        warn(never, Warning::SaleNeverOpens);
        let late = opens.is_some_and(|opens| opens > self.starts_ms);
        warn(late && !never, Warning::SaleOpensAfterStart);
        let length = self.ends_ms.map(|ends| ends.saturating_sub(self.starts_ms));
        warn(length == Some(0), Warning::NoLength);
        warn(length.is_some_and(|length| length > LASTS_LONG_MS), Warning::LastsLong);
        let kept_ms = self.keep_buyers_days.map(|days| i64::from(days) * 86_400_000);
        let erased = kept_ms.is_some_and(|kept| self.ends().saturating_add(kept) <= now);
        warn(erased, Warning::BuyersErased);
        // Who says nothing of an order has not said what the buyer's limit contradicts.
        let said = self.limit_per_order != USUAL_PER_ORDER;
        let below = self.limit_per_buyer.is_some_and(|most| most < self.limit_per_order);
        warn(said && below, Warning::BuyerBelowOrder);
        warn(self.hold_ms < SHORT_HOLD_MS, Warning::ShortHold);
        let name = |t: &TicketTypeSpec| t.name.trim().to_lowercase();
        for (n, t) in self.ticket_types.iter().enumerate() {
            let before = self.ticket_types[..n].iter().filter(|b| name(b) == name(t)).count();
            if before == 1 {
                all.push(Warning::SameName(t.name.clone()));
            }
            let rules = &t.rules;
            let late = rules.sale_opens_ms.is_some_and(|opens| opens >= self.sale_ends());
            let early = rules.sale_closes_ms.zip(opens).is_some_and(|(end, opens)| end <= opens);
            if late || early {
                all.push(Warning::TypeNeverOnSale(t.id.clone()));
            }
            if rules.hidden && !self.codes.iter().any(|code| code.opens(&t.id)) {
                all.push(Warning::NeverShown(t.id.clone()));
            }
            if let Some(first) = rules.phases.first().filter(|p| p.price_minor > t.price_minor) {
                all.push(Warning::DearerPhase(t.id.clone(), first.price_minor));
            }
            if (1..=self.currency.doubtful_minor()).contains(&t.price_minor) {
                all.push(Warning::SmallPrice(t.id.clone(), t.price_minor));
            }
        }
        for pool in &self.pools {
            let uses = |t: &&TicketTypeSpec| t.pool == pool.name;
            if pool.capacity == 0 {
                all.push(Warning::EmptyPool(pool.name.clone()));
            }
            match self.ticket_types.iter().any(|t| uses(&t)) {
                false => all.push(Warning::UnusedPool(pool.name.clone())),
                true if pool.capacity == 0 => {
                    let types = self.ticket_types.iter().filter(uses);
                    all.extend(types.map(|t| Warning::NeverSold(t.id.to_string())));
                }
                true => {}
            }
        }
        all
    }
}
