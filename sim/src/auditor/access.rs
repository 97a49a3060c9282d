//! What happens to an order or an event must have been asked for by somebody who may ask for it: by
//! anybody but a stranger. And under one key there is one effect.

use super::Auditor;
use super::history::Question;
use super::refusals::{ruled, ruled_in};
use crate::trace::{Promise, Trace};
use boxoffice::{EventSpec, Order, OrderId, OrderState};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What was asked for of an order, by anybody but strangers.
#[derive(Clone, Debug, Default)]
struct Wishes {
    /// To give it back.
    cancel: bool,
    /// The keys under which a payment was asked for, and how often that was without one.
    pay: (BTreeSet<String>, usize),
    /// And a refund.
    refund: (BTreeSet<String>, usize),
}

/// A sale at the box office: to whom, how it is paid, and so many of which ticket types.
type Sale = (String, String, BTreeMap<String, u64>);

/// So many of which ticket types, in however many lines: those of one type can have different prices.
fn by_type(lines: impl Iterator<Item = (String, u64)>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    lines.for_each(|(kind, quantity)| *sums.entry(kind).or_default() += quantity);
    sums
}

/// An answer: to which question, of which ticket, and what.
type Given = (String, Option<u64>, String);

/// What was asked for by anybody but strangers.
#[derive(Clone, Debug, Default)]
pub struct Access {
    wishes: BTreeMap<OrderId, Wishes>,
    /// What events were to be.
    put: BTreeSet<String>,
    /// Whether the event was to be cancelled: then all of its orders are.
    canceled: bool,
    /// What the organiser wanted to sell or to give away: to whom, how it is paid, and what.
    sales: BTreeSet<Sale>,
    /// The answers that were to be given to the questions of an order.
    answers: BTreeMap<OrderId, BTreeSet<Given>>,
    /// The same as they were sent, all answers of one request together, each with the step before it.
    answered: BTreeMap<OrderId, Vec<(u64, Vec<Given>)>>,
}

/// What an event is to be, in words that can be compared.
fn of_spec(spec: &EventSpec) -> String {
    let pools: Vec<_> = spec.pools.iter().map(|p| (&*p.name, u64::from(p.capacity))).collect();
    let types = spec.ticket_types.iter();
    let types: Vec<_> = types.map(|t| (&*t.id, &*t.name, &*t.pool, t.price_minor)).collect();
    let (name, limit) = (&spec.name, spec.limit_per_buyer.map(u64::from));
    let window = (spec.sale_opens_ms.is_some(), spec.sale_closes_ms.is_some());
    let questions: Vec<_> = spec.questions.iter().map(|q| (&*q.id, q.required)).collect();
    let (hold, rules) = (spec.hold_ms / 1000, ruled(spec));
    format!("{name} {pools:?} {types:?} {limit:?} {hold} {window:?} {rules} {questions:?}")
}

/// The same of what an organiser has sent.
fn of_body(body: &Value) -> String {
    let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
    let (pools, types) = (list("pools"), list("ticket_types"));
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pools: Vec<_> =
        pools.iter().map(|p| (word(&p["id"]), p["capacity"].as_u64().unwrap_or(0))).collect();
    let price = |t: &Value| t["price"]["amount"].as_i64().unwrap_or(0);
    let types: Vec<_> = types
        .iter()
        .map(|t| (word(&t["id"]), word(&t["name"]), word(&t["pool"]), price(t)))
        .collect();
    let (name, limit) = (word(&body["name"]), body["limit_per_buyer"].as_u64());
    let window = (body["sale_opens"].is_string(), body["sale_closes"].is_string());
    let hold = body["hold_seconds"].as_i64().unwrap_or(300);
    let questions = list("questions");
    let questions: Vec<_> =
        questions.iter().map(|q| (word(&q["id"]), q["required"] == true)).collect();
    let rules = ruled_in(body);
    format!("{name} {pools:?} {types:?} {limit:?} {hold} {window:?} {rules} {questions:?}")
}

/// The order in a path, if it is one of an order.
fn order_in(path: &str) -> Option<OrderId> {
    let mut parts = path.split('/');
    parts.find(|part| matches!(*part, "orders" | "pay"))?;
    uuid::Uuid::try_parse(parts.next()?).ok().map(|id| OrderId(id.as_u128()))
}

impl Auditor {
    /// Somebody who may do so asks for something. `times`: how often the request may arrive.
    pub fn asks(&mut self, method: &str, path: &str, key: Option<&str>, body: &str, times: usize) {
        if method == "PUT" && path.ends_with("/answers") {
            let Some(order) = order_in(path) else { return };
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let answers = body["answers"].as_array().into_iter().flatten();
            let answers: Vec<_> = answers
                .map(|a| (text(&a["question"]), a["ticket"].as_u64(), text(&a["answer"])))
                .collect();
            self.access.answers.entry(order).or_default().extend(answers.iter().cloned());
            self.access.answered.entry(order).or_default().push((self.step, answers));
            return;
        }
        if method == "POST" && path.ends_with("/sales") {
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let lines = body["lines"].as_array().into_iter().flatten();
            let lines =
                lines.map(|l| (text(&l["ticket_type"]), l["quantity"].as_u64().unwrap_or(0)));
            let (name, tender) = (text(&body["buyer"]["name"]), text(&body["tender"]));
            self.access.sales.insert((name, tender, by_type(lines)));
            return;
        }
        if method == "PUT" {
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            self.access.put.insert(of_body(&body));
            return;
        }
        if method == "POST" && path.starts_with("/api/v1/events/") && path.ends_with("/cancel") {
            self.access.canceled = true;
            return;
        }
        let Some(order) = order_in(path).filter(|_| method == "POST") else { return };
        let wishes = self.access.wishes.entry(order).or_default();
        let counted = match path.rsplit('/').next() {
            Some("cancel") => {
                wishes.cancel = true;
                return;
            }
            _ if path.contains("/tickets/") => {
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                let name = body["name"].as_str().unwrap_or_default().to_owned();
                self.doors.asked.entry(order).or_default().insert(name);
                return;
            }
            Some("refunds") => &mut wishes.refund,
            // Of the order's page, of the payment page, and by a program.
            _ => &mut wishes.pay,
        };
        match key {
            Some(key) => _ = counted.0.insert(key.to_owned()),
            None => counted.1 += times,
        }
    }

    /// All answers that an order may have had for a moment, as they are shown, where they were changed since
    /// the question, or where somebody has sent some since: of those that are changed twice within a step only the
    /// last are seen, and the last may be what they were before.
    pub(super) fn answers_between(&self, id: OrderId, asked: Question) -> Vec<Value> {
        let versions = self.versions(id, asked);
        let changed = |pair: &[(u64, Order)]| pair[0].1.answers != pair[1].1.answers;
        let changed = versions.windows(2).any(changed);
        let Some(event) = self.shows.last().map(|show| &show.event) else { return Vec::new() };
        let text = |id: &str| event.spec.question(id).map(|question| question.text.as_str());
        let all = self.access.answered.get(&id).into_iter().flatten();
        let all = all.filter(|(step, _)| changed || *step >= asked.step);
        let all = all.map(|(_, answers)| {
            answers
                .iter()
                .map(|(id, ticket, answer)| json!([id, text(id), ticket, answer]))
                .collect()
        });
        all.collect()
    }

    /// An event is committed: somebody who may has asked for it to be so.
    pub(super) fn event_was_asked_for(&self, trace: &mut Trace, at_ms: i64, spec: &EventSpec) {
        let is = of_spec(spec);
        if !self.access.put.contains(&is) {
            let text = format!("an event is what no organiser has asked for: {is}");
            trace.broken(at_ms, Promise::OnlyTheirs, None, text);
        }
    }

    /// An order is committed that was `known` before: what is new of it was asked for.
    pub(super) fn step_was_asked_for(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        now: i64,
        known: Option<&Order>,
        order: &Order,
    ) {
        use OrderState::{Canceling, Paid, Paying, Refunded, Refunding, Released};
        let id = order.id;
        let nothing = Wishes::default();
        let asked = self.access.wishes.get(&id).unwrap_or(&nothing);
        let times = |counted: &(BTreeSet<String>, usize)| counted.0.len() + counted.1;
        let mut broken = |text: String| {
            trace.broken(at_ms, Promise::OnlyTheirs, Some(id), text);
        };
        if order.tender.is_offline() && known.is_none() && !order.is_erased() {
            let event = self.events.get(&order.event);
            let kind = |index: u16| {
                event.map_or("", |e| e.ticket_types[usize::from(index)].id.as_str()).to_owned()
            };
            let lines = order.lines.iter();
            let lines = by_type(lines.map(|l| (kind(l.ticket_type), u64::from(l.quantity))));
            let sale = (order.buyer.name.clone(), order.tender.word().to_owned(), lines);
            if !self.access.sales.contains(&sale) {
                broken(format!("no organiser has asked for it: {sale:?}"));
            }
        }
        let answers = self.access.answers.get(&id);
        for answer in &order.answers {
            let was = known.is_some_and(|k| k.answers.contains(answer));
            let ticket = answer.ticket.map(u64::from);
            let given = (answer.question.clone(), ticket, answer.value.clone());
            if !was && !answers.is_some_and(|all| all.contains(&given)) {
                broken(format!("nobody has answered so: {given:?}"));
            }
        }
        // Whoever reserves by name pays by name: that is not of one order.
        let by_name = order.buyer.email.is_empty();
        let attempts = order.payment.as_ref().map_or(0, |p| p.attempts.len());
        if attempts > times(&asked.pay) && !by_name {
            let text = format!("{attempts} attempts to pay, asked for {} times", times(&asked.pay));
            broken(text);
        }
        let was = known.map(|k| k.state);
        let by_hand = self.told.get(&id).is_some_and(|told| told.by_hand);
        let early = known.is_some_and(|k| now < k.until_ms);
        let given_up = was == Some(Paying) && matches!(order.state, Canceling | Released);
        // A payment that can neither go on nor be read is given up in the end.
        let in_trouble = known.is_some_and(|k| k.trouble.is_some());
        let all = self.access.canceled;
        if given_up && early && !asked.cancel && !by_hand && !in_trouble && !all {
            broken("its payment is given up before its time, and nobody asked for that".into());
        }
        // What comes for places that are gone goes back by itself.
        let refunds = order.refunds.iter().filter(|r| !r.by_hand).count();
        let sold = matches!(order.state, Paid | Refunding | Refunded);
        if sold && refunds > times(&asked.refund) + usize::from(all) {
            let text = format!("{refunds} refunds, asked for {} times", times(&asked.refund));
            broken(text);
        }
        let before = known.map_or(0, |k| k.refunds.iter().filter(|r| !r.by_hand).count());
        if refunds > before
            && was.is_some_and(|s| matches!(s, Paid | Refunding))
            && times(&asked.refund) == 0
            && !all
        {
            broken("it is refunded, and nobody asked for that".into());
        }
    }
}
