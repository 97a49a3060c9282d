//! What an audit has to say, for people and as JSON.

#[cfg(test)]
mod tests;

use super::books;
use crate::payments::stripe::Listed;
use crate::text::counted;
use crate::when;
use boxoffice::{Currency, Event, Money, Order, OrderId, Tender, TicketState, TimeMs};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// How heavy a finding weighs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Weight {
    /// A promise is broken, or money is where it should not be.
    Wrong,
    /// It was wrong, and was mended by this audit.
    Settled,
    /// Nothing is broken, but a person should know.
    Note,
}

/// Something that a person should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How heavy it weighs.
    pub weight: Weight,
    /// Of which order.
    pub order: Option<OrderId>,
    /// Of which payment at the provider.
    pub intent: Option<String>,
    /// What.
    pub text: String,
}

/// Money in one currency, in minor units, as two sides tell it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Sums {
    taken: i64,
    given_back: i64,
    provider_taken: i64,
    provider_given_back: i64,
}

/// The outcome of an audit.
pub struct Report {
    as_of_ms: TimeMs,
    /// Whether the provider's list was compared.
    pub against_provider: bool,
    events: usize,
    capacity: u64,
    held: u64,
    sold: u64,
    orders: u64,
    states: BTreeMap<&'static str, u64>,
    valid_tickets: u64,
    payments: u64,
    sums: BTreeMap<Currency, Sums>,
    /// What the organiser took and handed back without the provider, in minor units.
    offline: BTreeMap<(Currency, Tender), books::Money>,
    /// How many valid tickets were given away.
    given_away: u64,
    /// What a person should know.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(as_of_ms: TimeMs) -> Report {
        Report {
            as_of_ms,
            against_provider: false,
            events: 0,
            capacity: 0,
            held: 0,
            sold: 0,
            orders: 0,
            states: BTreeMap::new(),
            valid_tickets: 0,
            payments: 0,
            sums: BTreeMap::new(),
            offline: BTreeMap::new(),
            given_away: 0,
            findings: Vec::new(),
        }
    }

    /// Whether nothing is wrong.
    pub fn balanced(&self) -> bool {
        !self.findings.iter().any(|f| f.weight == Weight::Wrong)
    }

    pub(super) fn wrong(&mut self, order: Option<OrderId>, intent: Option<String>, text: String) {
        self.findings.push(Finding { weight: Weight::Wrong, order, intent, text });
    }

    pub(super) fn settled(&mut self, order: Option<OrderId>, intent: Option<String>, text: String) {
        self.findings.push(Finding { weight: Weight::Settled, order, intent, text });
    }

    pub(super) fn note(&mut self, order: Option<OrderId>, intent: Option<String>, text: String) {
        self.findings.push(Finding { weight: Weight::Note, order, intent, text });
    }

    pub(super) fn events(&mut self, events: &[Event]) {
        self.events = events.len();
        for pool in events.iter().flat_map(|e| &e.pools) {
            self.capacity += u64::from(pool.capacity);
            self.held += u64::from(pool.held);
            self.sold += u64::from(pool.sold);
        }
    }

    pub(super) fn order(&mut self, order: &Order) {
        self.orders += 1;
        *self.states.entry(order.state.word()).or_default() += 1;
        let valid = order.tickets.iter().filter(|t| t.state == TicketState::Valid);
        let valid = valid.count() as u64;
        self.valid_tickets += valid;
        let money = books::money(order);
        match order.tender {
            Tender::Online => {}
            Tender::Free => {
                self.given_away += valid;
                return;
            }
            tender @ (Tender::Cash | Tender::Terminal) => {
                let sums = self.offline.entry((order.currency, tender)).or_default();
                sums.taken += money.taken;
                sums.given_back += money.given_back;
                return;
            }
        }
        let sums = self.sums.entry(order.currency).or_default();
        sums.taken += money.taken;
        sums.given_back += money.given_back;
    }

    pub(super) fn payment(&mut self, listed: &Listed) {
        self.payments += 1;
        let sums = self.sums.entry(listed.intent.amount.currency).or_default();
        sums.provider_taken += listed.intent.received_minor;
        sums.provider_given_back += listed.refunded_minor;
    }

    /// The provider gave back so much more than its list of payments says.
    pub(super) fn gave_back(&mut self, currency: Currency, minor: i64) {
        self.sums.entry(currency).or_default().provider_given_back += minor;
    }

    /// The report for programs.
    pub fn json(&self) -> Value {
        let money = self.sums.iter().map(|(currency, s)| {
            let ours = json!({"taken": s.taken, "given_back": s.given_back});
            let theirs = json!({"taken": s.provider_taken, "given_back": s.provider_given_back});
            let provider = self.against_provider.then_some(theirs);
            json!({"currency": currency.code(), "books": ours, "provider": provider})
        });
        let offline = self.offline.iter().map(|((currency, tender), s)| {
            json!({"currency": currency.code(), "tender": tender.word(), "taken": s.taken,
                   "given_back": s.given_back})
        });
        let findings = self.findings.iter().map(|f| {
            let weight = match f.weight {
                Weight::Wrong => "wrong",
                Weight::Settled => "settled",
                Weight::Note => "note",
            };
            json!({"weight": weight, "order": f.order.map(uuid), "payment": f.intent,
                   "text": f.text})
        });
        json!({
            "as_of": when::rfc3339(self.as_of_ms),
            "balanced": self.balanced(),
            "against_provider": self.against_provider,
            "events": self.events,
            "pools": {"capacity": self.capacity, "held": self.held, "sold": self.sold},
            "orders": self.orders,
            "orders_by_state": self.states,
            "valid_tickets": self.valid_tickets,
            "tickets_given_away": self.given_away,
            "payments_at_provider": self.against_provider.then_some(self.payments),
            "money": money.collect::<Vec<_>>(),
            "money_at_box_office": offline.collect::<Vec<_>>(),
            "findings": findings.collect::<Vec<_>>(),
        })
    }
}

fn uuid(id: OrderId) -> String {
    uuid::Uuid::from_u128(id.0).to_string()
}

/// The report for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Audit as of {}", when::rfc3339(self.as_of_ms))?;
        writeln!(
            f,
            "  {}; {}, of which {} are held and {} sold",
            counted(self.events as u64, "event"),
            counted(self.capacity, "place"),
            self.held,
            self.sold
        )?;
        let states: Vec<String> = self.states.iter().map(|(s, n)| format!("{n} {s}")).collect();
        let states =
            if states.is_empty() { String::new() } else { format!(": {}", states.join(", ")) };
        writeln!(f, "  {}{states}", counted(self.orders, "order"))?;
        let given = match self.given_away {
            0 => String::new(),
            n => format!(", {n} of them given away"),
        };
        writeln!(f, "  {}{given}", counted(self.valid_tickets, "valid ticket"))?;
        for (currency, s) in &self.sums {
            let show = |minor| Money { minor, currency: *currency };
            writeln!(
                f,
                "  by the books    {} taken, {} given back",
                show(s.taken),
                show(s.given_back)
            )?;
            if self.against_provider {
                writeln!(
                    f,
                    "  by the provider {} taken, {} given back",
                    show(s.provider_taken),
                    show(s.provider_given_back)
                )?;
            }
        }
        for ((currency, tender), s) in &self.offline {
            let show = |minor| Money { minor, currency: *currency };
            let how = if *tender == Tender::Cash { "in cash        " } else { "by card terminal" };
            let (taken, back) = (show(s.taken), show(s.given_back));
            writeln!(f, "  {how} {taken} taken, {back} given back")?;
        }
        if self.against_provider {
            let payments = counted(self.payments, "payment");
            writeln!(f, "  {payments} of this shop at the provider")?;
        } else {
            writeln!(f, "  The provider was not asked: only the books were looked at.")?;
        }
        for (weight, title) in
            [(Weight::Wrong, "WRONG"), (Weight::Settled, "settled"), (Weight::Note, "to know")]
        {
            for finding in self.findings.iter().filter(|f| f.weight == weight) {
                write!(f, "{title}: ")?;
                if let Some(order) = finding.order {
                    write!(f, "order {}: ", uuid(order))?;
                }
                if let Some(intent) = &finding.intent {
                    write!(f, "payment {intent}: ")?;
                }
                writeln!(f, "{}", finding.text)?;
            }
        }
        let wrong = self.findings.iter().filter(|f| f.weight == Weight::Wrong).count();
        match wrong {
            0 => writeln!(f, "The books balance."),
            1 => writeln!(f, "The books do NOT balance: 1 thing is wrong."),
            n => writeln!(f, "The books do NOT balance: {n} things are wrong."),
        }
    }
}
