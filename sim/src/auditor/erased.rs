//! Buyers who are erased: once that is acknowledged, no answer shows the name or the address, and what an
//! order is about is as it was.

use super::history::Question;
use super::limit::{person, person_of};
use super::{Auditor, uuid_of};
use crate::page;
use crate::trace::{Promise, Trace};
use boxoffice::{Buyer, EventSpec, Order, OrderId, OrderState, RefundState, TimeMs};
use serde_json::Value;

/// Who is to be erased.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whom {
    /// Whoever has this e-mail address.
    Email(String),
    /// The buyer of this order.
    Order(OrderId),
}

/// Disputes with these statuses are decided.
const DECIDED: [&str; 5] = ["won", "lost", "prevented", "warning_closed", "charge_refunded"];
/// So far a process may be from the store's clock, in milliseconds.
const CLOCKS_MS: TimeMs = 60_000;

/// Whether an order may do without its buyer: it is paid or over, and nothing is under way or due.
fn may_go(order: &Order) -> bool {
    let over = matches!(
        order.state,
        OrderState::Paid | OrderState::Refunded | OrderState::Released | OrderState::Void
    );
    let under_way = order.refunds.iter().any(|refund| refund.state == RefundState::Pending);
    let dispute = order.payment.as_ref().and_then(|payment| payment.dispute.as_ref());
    let disputed = dispute.is_some_and(|dispute| !DECIDED.contains(&dispute.status.as_str()));
    over && order.due_ms.is_none() && !under_way && order.owed_back().minor == 0 && !disputed
}

fn is_erased(order: &Order) -> bool {
    order.buyer == Buyer::erased(order.id)
}

/// From when on the buyers of an event go by themselves.
fn ends_ms(spec: &EventSpec) -> Option<TimeMs> {
    spec.keep_buyers_days.filter(|days| *days == 0).and(spec.ends_ms)
}

impl Auditor {
    /// Whose an order was when it was placed.
    pub fn owner<'a>(&'a self, order: &'a Order) -> &'a Buyer {
        self.owners.get(&order.id).unwrap_or(&order.buyer)
    }

    /// The person whose an order was when it was placed.
    pub(super) fn person_behind(&self, order: &Order) -> String {
        let owner = self.owner(order);
        person(&owner.name, &owner.email)
    }

    /// Whether an order is of this person, found by an address.
    fn is_of(&self, order: &Order, person: &str) -> bool {
        !self.owner(order).email.is_empty() && self.person_behind(order) == person
    }

    /// Whether it was at some moment since the question. Who asks for an erasure is heard also if an order gets another
    /// address meanwhile.
    fn was_of(&self, order: &Order, asked: Question, person: &str) -> bool {
        let of = |order: &Order| !order.buyer.email.is_empty() && person_of(order) == person;
        self.was(order.id, asked, of)
    }

    /// The organiser asks for an erasure.
    pub fn erase_asked(&mut self, at_ms: i64, whom: &Whom) {
        let asked = self.question(at_ms);
        match whom {
            Whom::Email(email) => {
                _ = self.erase_people.entry(person("", email)).or_insert(asked);
            }
            Whom::Order(id) => _ = self.erase_orders.insert(*id),
        }
    }

    /// The buyer of a known order is another one: it must have been erased, for a reason, and not while it
    /// was needed.
    pub(super) fn buyer_changed(&self, now: TimeMs, order: &Order) -> Result<(), String> {
        if self.is_readdressed(order) {
            return Ok(());
        }
        if !is_erased(order) {
            return Err("whose it is has changed".into());
        }
        if !may_go(order) {
            return Err(format!("its buyer is erased, and it is {:?}", order.state));
        }
        let asked =
            self.erase_people.iter().any(|(person, asked)| {
                self.is_of(order, person) || self.was_of(order, *asked, person)
            }) || self.erase_orders.contains(&order.id);
        let ended = self.events.get(&order.event).and_then(|event| ends_ms(&event.spec));
        if asked || ended.is_some_and(|ended| ended <= now + CLOCKS_MS) {
            return Ok(());
        }
        Err("its buyer is erased, and nobody asked for that".into())
    }

    /// The organiser was told that a buyer is erased.
    pub fn erase_told(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        asked: Question,
        whom: &Whom,
        said: &Value,
    ) {
        let number = |name: &str| said[name].as_u64().unwrap_or(u64::MAX);
        let left = said["orders_left"].as_array().map_or(&[][..], Vec::as_slice);
        let of_whom = |order: &&Order| match whom {
            Whom::Order(id) => order.id == *id,
            Whom::Email(email) => self.is_of(order, &person("", email)),
        };
        let may_be_found = |order: &&Order| match whom {
            Whom::Email(email) if self.was_of(order, asked, &person("", email)) => true,
            _ => of_whom(order),
        };
        let all: Vec<&Order> = self.orders.values().filter(of_whom).collect();
        let found: Vec<&Order> = self.orders.values().filter(may_be_found).collect();
        let mut broken = |order, text| trace.broken(at_ms, Promise::Erased, order, text);
        let counts = ["found", "erased", "left"].map(number);
        if counts[0] != counts[1] + counts[2] || counts[0] > found.len() as u64 {
            broken(None, format!("{counts:?} orders of {} are told to be erased", found.len()));
        }
        for told in left {
            if !found.iter().any(|order| told["id"] == uuid_of(order.id)) {
                broken(None, format!("{whom:?} is told to have {told}"));
            }
        }
        if said["dry_run"] == true {
            return;
        }
        let was_needed = |order: &Order| self.was(order.id, asked, |order| !may_go(order));
        for order in &all {
            // One that got this address meanwhile may have been missed.
            let stayed = match whom {
                Whom::Order(_) => true,
                Whom::Email(email) => {
                    let person = person("", email);
                    let elsewhere =
                        |order: &Order| !order.buyer.email.is_empty() && person_of(order) != person;
                    !self.was(order.id, asked, elsewhere)
                }
            };
            if !stayed {
                continue;
            }
            let known = self.versions.get(&order.id).and_then(|all| all.first());
            let there = known.is_some_and(|(step, _)| *step <= asked.step);
            if !there || is_erased(order) {
                continue;
            }
            let is_told = left.iter().any(|told| told["id"] == uuid_of(order.id));
            if !is_told && left.len() < 100 {
                broken(Some(order.id), "its buyer was said to be erased, and is there".into());
            }
            // Who is found by this order may have another one that is needed, or that was not named.
            let person = self.person_behind(order);
            let mut others = self.orders.values().filter(|other| other.id != order.id);
            let named = |other: &Order| all.iter().any(|known| known.id == other.id);
            let another = others.any(|other| {
                let theirs = self.person_behind(other) == person;
                theirs && (was_needed(other) || !named(other) && !is_erased(other))
            });
            if !was_needed(order) && !another {
                broken(Some(order.id), "its buyer was left, and nothing needs it".into());
            }
        }
    }

    /// Somebody was answered: nothing that was erased before the question is in it.
    pub fn answer_given(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        asked: Question,
        path: &str,
        text: &str,
    ) {
        if self.erase_people.is_empty() && self.erase_orders.is_empty() && self.ended.is_none() {
            return;
        }
        let id = path.split('/').find_map(|part| uuid::Uuid::try_parse(part).ok());
        let Some(id) = id.map(|id| OrderId(id.as_u128())) else { return };
        let versions = self.versions(id, asked);
        let Some(owner) = self.owners.get(&id).filter(|_| !versions.is_empty()) else { return };
        if versions.iter().all(|(_, order)| is_erased(order)) {
            let email = owner.email.trim();
            if page::shows(text, &owner.name) || !email.is_empty() && text.contains(email) {
                let text = format!("{path} tells {owner:?}, who is erased");
                trace.broken(at_ms, Promise::Erased, Some(id), text);
            }
        }
    }

    /// In the end nobody is left of an event whose buyers were to go by themselves.
    pub fn retained(&self, trace: &mut Trace, at_ms: i64, now: TimeMs) {
        for order in self.orders.values() {
            let ended = self.events.get(&order.event).and_then(|event| ends_ms(&event.spec));
            let long_ago = ended.is_some_and(|ended| ended + CLOCKS_MS < now);
            let person = self.person_behind(order);
            let needed = |other: &Order| !may_go(other) && self.person_behind(other) == person;
            if long_ago && !is_erased(order) && !self.orders.values().any(needed) {
                let text = "its event is over, and its buyer is still there";
                trace.broken(at_ms, Promise::Erased, Some(order.id), text.into());
            }
        }
    }
}
