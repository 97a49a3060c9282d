//! What is shown of an order and of the event: all of it must have been so at one and the same
//! moment since the question.

use super::Auditor;
use super::history::{Question, time};
use super::pools::sale_ends;
use crate::trace::{Promise, Trace};
use boxoffice::{
    Attempt, AttemptState, Event, Money, Order, OrderId, OrderState, RefundState, TicketState,
    TimeMs,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Whose order somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The order.
    pub order: OrderId,
    /// The buyer's name, if a buyer asks.
    pub buyer: Option<&'a str>,
    /// The order's secret, if who asks knows it.
    pub secret: Option<&'a str>,
}

fn money(minor: i64, order: &Order) -> Value {
    let money = Money { minor, currency: order.currency };
    json!({"amount": money.minor, "currency": money.currency.code()})
}

fn uuid(id: u128) -> String {
    uuid::Uuid::from_u128(id).to_string()
}

/// Some fields of each object of a list.
fn fields(list: &Value, names: &[&str]) -> Value {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().map(|one| names.iter().map(|name| one[name].clone()).collect::<Value>()).collect()
}

/// The attempt that nobody has decided yet.
pub(super) fn open(order: &Order) -> Option<&Attempt> {
    let last = order.payment.as_ref()?.attempts.last()?;
    matches!(last.state, AttemptState::Pending | AttemptState::Action).then_some(last)
}

/// Whether the provider owes an answer, so that the order's time stands still.
pub(super) fn provider_owes(order: &Order) -> bool {
    order.state == OrderState::Paying
        && open(order).is_some_and(|attempt| attempt.state == AttemptState::Pending)
}

fn attempt(attempt: &Attempt) -> Value {
    match &attempt.state {
        AttemptState::Pending => json!([attempt.number, "pending", null]),
        AttemptState::Action => json!([attempt.number, "action", null]),
        AttemptState::Declined(why) => json!([attempt.number, "declined", why]),
        AttemptState::Authorised => json!([attempt.number, "authorised", null]),
        AttemptState::Abandoned => json!([attempt.number, "abandoned", null]),
    }
}

/// The parts of an order's lines that never change but by refunds.
fn lines(order: &Order, event: &Event) -> Value {
    let lines = order.lines.iter().map(|line| {
        let kind = &event.ticket_types[usize::from(line.ticket_type)].id;
        json!([kind, line.quantity, money(line.unit_minor, order), line.refunded])
    });
    lines.collect()
}

/// What is wrong with what is shown, if the order is so. `between`: answers that it may have had for a moment.
fn differs(order: &Order, event: &Event, between: &[Value], view: &Value) -> Option<String> {
    let refunded: i64 = order
        .refunds
        .iter()
        .map(|refund| match refund.state {
            RefundState::Failed(_) => 0,
            _ => refund.amount_minor,
        })
        .sum();
    let total: i64 = order.lines.iter().map(|l| l.unit_minor * i64::from(l.quantity)).sum();
    let attempts: Vec<Value> =
        order.payment.iter().flat_map(|p| p.attempts.iter().map(attempt)).collect();
    let dispute = order.payment.as_ref().and_then(|p| p.dispute.as_ref());
    let dispute =
        dispute.map(|d| json!({"status": d.status, "amount": money(d.amount_minor, order)}));
    let tickets: Vec<Value> = order
        .tickets
        .iter()
        .map(|ticket| {
            let line = &order.lines[usize::from(ticket.line)];
            let kind = &event.ticket_types[usize::from(line.ticket_type)].id;
            let valid = ticket.state == TicketState::Valid;
            json!([kind, valid, ticket.revision, ticket.guest])
        })
        .collect();
    let refunds: Vec<Value> = order
        .refunds
        .iter()
        .map(|refund| {
            let (state, reason) = match &refund.state {
                RefundState::Pending => ("pending", None),
                RefundState::Succeeded(_) => ("succeeded", None),
                RefundState::Failed(reason) => ("failed", Some(reason)),
            };
            json!([
                uuid(refund.id.0),
                state,
                money(refund.amount_minor, order),
                refund.restock,
                refund.by_hand,
                reason
            ])
        })
        .collect();
    let until = match order.state {
        OrderState::Held => Some(order.until_ms),
        OrderState::Paying if !provider_owes(order) => Some(order.until_ms),
        _ => None,
    };
    let lines_shown = fields(&view["lines"], &["ticket_type", "quantity", "price", "refunded"]);
    let attempts_shown = fields(&view["payment"]["attempts"], &["number", "state", "reason"]);
    let refunds_shown =
        fields(&view["refunds"], &["id", "state", "amount", "restock", "by_hand", "reason"]);
    let answers_shown = fields(&view["answers"], &["question", "text", "ticket", "answer"]);
    let answers = order.answers.iter().map(|a| json!([a.question, a.text, a.ticket, a.value]));
    let answers =
        if between.contains(&answers_shown) { answers_shown.clone() } else { answers.collect() };
    let metadata: BTreeMap<&str, &str> = order.metadata.iter().collect();
    let metadata = Some(metadata).filter(|metadata| !metadata.is_empty());
    let when = |name: &str| json!(view[name].as_str().map(time));
    let live = order.payment.as_ref().map(|payment| payment.live);
    let fields = [
        ("id", view["id"].clone(), json!(uuid(order.id.0))),
        ("event", view["event"].clone(), json!(event.spec.slug)),
        ("state", view["state"].clone(), json!(order.state.word())),
        ("buyer", fields_of(&view["buyer"]), json!([order.buyer.name, order.buyer.email])),
        ("total", view["total"].clone(), money(total, order)),
        ("refunded", view["refunded"].clone(), money(refunded, order)),
        ("lines", lines_shown, lines(order, event)),
        ("placed_at", when("placed_at"), json!(order.placed_ms)),
        ("held_until", when("held_until"), json!(until)),
        ("live", view["payment"]["live"].clone(), json!(live)),
        ("attempts", attempts_shown, json!(attempts)),
        ("dispute", view["payment"]["dispute"].clone(), json!(dispute)),
        (
            "tickets",
            fields(&view["tickets"], &["ticket_type", "valid", "revision", "guest"]),
            json!(tickets),
        ),
        ("refunds", refunds_shown, json!(refunds)),
        ("tender", view["tender"].clone(), json!(order.tender.word())),
        ("answers", answers_shown, answers),
        ("metadata", view["metadata"].clone(), json!(metadata)),
    ];
    let wrong = fields.into_iter().find(|(_, shown, is)| shown != is);
    wrong.map(|(name, shown, is)| format!("{name} {shown}, and it was {is}"))
}

fn fields_of(buyer: &Value) -> Value {
    json!([buyer["name"], buyer["email"]])
}

/// What the buyer must do before the bank pays, as the order says it.
fn asks(order: &Order) -> Option<&str> {
    let open = open(order).filter(|_| order.state == OrderState::Paying)?;
    if open.state != AttemptState::Action {
        return None;
    }
    order.payment.as_ref()?.action.as_deref()
}

/// What the buyer is told to do at the bank, if that is not what the bank asks.
fn another_action(order: &Order, view: &Value) -> Option<String> {
    let told = &view["action"];
    if !told.is_object() {
        return None;
    }
    let told = told["url"].as_str().or(told["client_secret"].as_str()).unwrap_or_default();
    let right = asks(order).is_some_and(|action| !action.is_empty() && told.ends_with(action));
    (!right).then(|| format!("{told} to be done, and the bank asks {:?}", asks(order)))
}

impl Auditor {
    /// Somebody was shown an order in full.
    pub fn order_shown(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        asked: Question,
        whose: Whose<'_>,
        view: &Value,
    ) {
        let id = whose.order;
        let Some(event) = self.shows.last().map(|show| &show.event) else { return };
        let mut broken = |promise, text: String| trace.broken(at_ms, promise, Some(id), text);
        let versions = self.versions(id, asked);
        let between = self.answers_between(id, asked);
        let mut wrong = None;
        let right = versions.iter().rev().find(|(_, order)| {
            let differs =
                differs(order, event, &between, view).or_else(|| another_action(order, view));
            let right = differs.is_none();
            wrong = wrong.take().or(differs);
            right
        });
        let Some((_, order)) = right else {
            let of = versions.len();
            let wrong = wrong.unwrap_or_else(|| "an order that is not recorded".into());
            broken(Promise::NoFalseAnswer, format!("it was shown with {wrong} ({of} moments)"));
            return;
        };
        if whose.buyer.is_some_and(|buyer| buyer != self.owner(order).name) {
            broken(Promise::NoFalseAnswer, format!("it was shown to {:?}", whose.buyer));
        }
        let url = view["url"].as_str().unwrap_or_default();
        let path = whose.secret.map(|secret| format!("/orders/{}/{secret}", uuid(id.0)));
        if path.is_some_and(|path| !url.ends_with(&path)) {
            broken(Promise::NoFalseAnswer, format!("its address is told as {url}"));
        }
        for shown in ["lines", "tickets"].iter().flat_map(|name| view[name].as_array()).flatten() {
            let text = |name: &str| shown[name].as_str().unwrap_or_default();
            if !self.is_name_of(text("ticket_type"), text("name")) {
                broken(Promise::NoFalseAnswer, format!("a ticket is called {}", shown["name"]));
            }
        }
        let serials: Vec<_> = order.tickets.iter().map(|t| (t.serial, t.revision)).collect();
        let message = view["message"].as_str().unwrap_or_default();
        let nothing =
            message.contains("othing was charged") || message.contains("othing has been charged");
        let by_hand = self.told.get(&id).is_some_and(|told| told.by_hand);
        if nothing && !by_hand && self.taken.get(&id).is_some_and(|step| *step < asked.step) {
            broken(Promise::NoFalseAnswer, "“nothing was charged”, and money was taken".into());
        }
        // Each ticket keeps its code, and no two have the same.
        let shown = view["tickets"].as_array().map_or(&[][..], Vec::as_slice);
        for ((serial, revision), shown) in serials.into_iter().zip(shown) {
            let code = shown["code"].as_str().unwrap_or_default().to_owned();
            let owner = (id, serial, revision);
            let first = *self.codes.entry(code.clone()).or_insert(owner);
            let before = self.code_of.entry(owner).or_insert_with(|| code.clone());
            if code.is_empty() || first != owner || *before != code {
                let text = format!("ticket {serial} has the code {code}");
                trace.broken(at_ms, Promise::NoFalseAnswer, Some(id), text);
            }
        }
        self.tickets_shown(trace, at_ms, id, &view["tickets"]);
    }

    /// The ticket types of an order, with how many of each are not refunded.
    pub fn lines_of(&self, order: OrderId) -> Vec<(String, i64)> {
        let Some(event) = self.shows.last().map(|show| &show.event) else { return Vec::new() };
        let lines = self.orders.get(&order).into_iter().flat_map(|order| &order.lines);
        let kind =
            |line: &boxoffice::Line| event.ticket_types[usize::from(line.ticket_type)].id.clone();
        by_kind(lines.map(|line| (kind(line), i64::from(line.quantity - line.refunded))))
    }

    /// An organiser was told of a refund that was asked for: it is one of the order's.
    pub fn refund_told(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        asked: Question,
        whose: Whose<'_>,
        (order, refund): (&Value, &Value),
        (lines, restock): (Option<&[(String, i64)]>, bool),
    ) {
        if let Some(lines) = lines {
            self.refund_is_as_asked(trace, at_ms, whose.order, lines, refund);
        }
        self.order_shown(trace, at_ms, asked, whose, order);
        let all = order["refunds"].as_array().map_or(&[][..], Vec::as_slice);
        if !all.contains(refund) || refund["restock"] == true && !restock {
            let text = format!("{refund} was told, which is none of its refunds");
            trace.broken(at_ms, Promise::NoFalseAnswer, Some(whose.order), text);
        }
    }

    /// What is kept of an order's payment, and what sums are a multiple of in its currency, both in minor units.
    pub fn kept_of(&self, order: OrderId) -> Option<(i64, i64)> {
        let order = self.orders.get(&order)?;
        let given: i64 = order.refunds.iter().map(boxoffice::Refund::given_minor).sum();
        Some((order.total().minor - given, order.currency.step_minor()))
    }

    /// An organiser was told that a sum goes back: it is that sum, and so much was kept.
    pub fn amount_told(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        asked: Question,
        id: OrderId,
        told: &Value,
        amount: i64,
    ) {
        let fits = |order: &Order| {
            let others = order.refunds.iter().filter(|refund| told["id"] != uuid(refund.id.0));
            let others: i64 = others.map(boxoffice::Refund::given_minor).sum();
            amount <= order.total().minor - others
        };
        if told["amount"]["amount"] != amount || !self.was(id, asked, fits) {
            let text = format!("{amount} was to go back, and {told} was told");
            trace.broken(at_ms, Promise::MoneyIsTickets, Some(id), text);
        }
    }

    /// A refund takes the tickets that were named, and is of what they cost.
    fn refund_is_as_asked(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        id: OrderId,
        asked: &[(String, i64)],
        told: &Value,
    ) {
        let (Some(order), Some(show)) = (self.orders.get(&id), self.shows.last()) else { return };
        let is = |refund: &&boxoffice::Refund| told["id"] == uuid(refund.id.0);
        let Some(refund) = order.refunds.iter().find(is) else { return };
        let lines = || order.lines.iter().zip(&refund.quantities).filter(|(_, n)| **n > 0);
        let kind = |line: &boxoffice::Line| {
            show.event.ticket_types[usize::from(line.ticket_type)].id.clone()
        };
        let mut taken = by_kind(lines().map(|(l, n)| (kind(l), i64::from(*n))));
        let mut asked = asked.to_vec();
        taken.sort();
        asked.sort();
        let price: i64 = lines().map(|(l, n)| l.unit_minor * i64::from(*n)).sum();
        let alone = order
            .refunds
            .iter()
            .all(|r| !r.by_hand && !r.of_amount && !matches!(r.state, RefundState::Failed(_)));
        let amount = refund.amount_minor;
        // What was refused and was made all the same takes no tickets.
        if !taken.is_empty() && (taken != asked || amount > price || alone && amount != price) {
            let text = format!("{asked:?} was to be refunded: {amount} for {taken:?} at {price}");
            trace.broken(at_ms, Promise::MoneyIsTickets, Some(id), text);
        }
    }

    /// Somebody was told that these ticket types are held.
    pub fn hold_shown(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        whose: Whose<'_>,
        wanted: &[(String, i64)],
        view: &Value,
    ) {
        let id = whose.order;
        let mut broken = |text: String| trace.broken(at_ms, Promise::NoFalseAnswer, Some(id), text);
        let (Some(show), Some(order)) = (self.shows.last(), self.orders.get(&id)) else { return };
        let until = view["held_until"].as_str().and_then(time);
        let all = self.versions.get(&id).map_or(&[][..], Vec::as_slice);
        // It may be the answer of before once more: then it says what was so then.
        if !all.iter().any(|(_, order)| Some(order.until_ms) == until)
            && !self.hidden_end(id, until)
        {
            broken(format!("it is held until {until:?}, which never was its end"));
        }
        let total: i64 = order.lines.iter().map(|l| l.unit_minor * i64::from(l.quantity)).sum();
        if view["total"] != money(total, order)
            || view["state"] != "held"
            || view["event"] != show.event.spec.slug
        {
            broken(format!("it was told as {view}"));
        }
        let told = fields(&view["lines"], &["ticket_type", "quantity", "price"]);
        let lines = order.lines.iter().map(|line| {
            let kind = &show.event.ticket_types[usize::from(line.ticket_type)].id;
            json!([kind, line.quantity, money(line.unit_minor, order)])
        });
        let lines: Value = lines.collect();
        if told != lines {
            broken(format!("its lines were told as {told}, and are {lines}"));
        }
        let kind = |line: &boxoffice::Line| {
            show.event.ticket_types[usize::from(line.ticket_type)].id.clone()
        };
        let is = by_kind(order.lines.iter().map(|line| (kind(line), i64::from(line.quantity))));
        if is != wanted {
            broken(format!("{wanted:?} was ordered, and it is {is:?}"));
        }
        let told = fields(&view["lines"], &["discount"]);
        let discounts = order.lines.iter().map(|line| match line.extra.discount_minor {
            0 => json!([null]),
            minor => json!([money(minor, order)]),
        });
        let discounts: Value = discounts.collect();
        if told != discounts {
            broken(format!("its discounts were told as {told}, and are {discounts}"));
        }
        if whose.buyer.is_some_and(|buyer| buyer != self.owner(order).name) {
            broken(format!("{:?} ordered it, and it is {}’s", whose.buyer, self.owner(order).name));
        }
        for line in view["lines"].as_array().into_iter().flatten() {
            let text = |name: &str| line[name].as_str().unwrap_or_default();
            if !self.is_name_of(text("ticket_type"), text("name")) {
                broken(format!("a ticket is called {}", line["name"]));
            }
        }
    }

    /// Whether a hold may have ended so before a change within the step in which it was first seen.
    fn hidden_end(&self, id: OrderId, until: Option<TimeMs>) -> bool {
        let Some((_, first)) = self.versions.get(&id).and_then(|all| all.first()) else {
            return false;
        };
        first.state != OrderState::Held && until.is_some_and(|until| until <= first.until_ms)
    }

    /// Somebody was shown the event as of some moment since `since_ms`; `clock_ms` is when, by the
    /// clock of the process, unless that may have jumped.
    pub fn event_shown(
        &self,
        trace: &mut Trace,
        at_ms: i64,
        since_ms: i64,
        view: &Value,
        clock_ms: Option<TimeMs>,
    ) {
        let begun_before = self.shows.partition_point(|show| show.at_ms <= since_ms);
        // The last one that began before is what was so at the beginning.
        let known = &self.shows[begun_before.saturating_sub(1)..];
        let mut wrong = None;
        let right = known.iter().rev().any(|show| {
            let differs = event_differs(&show.event, view);
            let right = differs.is_none();
            wrong = wrong.take().or(differs);
            right
        });
        let mut broken = |text: String| trace.broken(at_ms, Promise::NoFalseAnswer, None, text);
        if let Some(wrong) = wrong.filter(|_| !right) {
            broken(format!("the event was shown with {wrong} ({} moments)", known.len()));
        }
        let Some(clock_ms) = clock_ms else { return };
        let moment = |name: &str| view[name].as_str().and_then(time);
        let opens = moment("sale_opens");
        let starts = moment("starts_at").unwrap_or_default();
        let closes = sale_ends(moment("sale_closes"), moment("ends_at"), starts);
        let open = |now: TimeMs| opens.is_none_or(|t| t <= now) && now < closes;
        let shown = view["on_sale"].as_bool();
        let mut moments = (clock_ms - CLOCK_MS..=clock_ms + CLOCK_MS).step_by(100);
        if !moments.any(|now| shown == Some(open(now))) {
            broken(format!("on sale: {shown:?}, with {opens:?} to {closes} at {clock_ms}"));
        }
    }
}

/// So far is the clock of a process from another one at most, unless it jumps, and so old may what it
/// shows be, in milliseconds.
const CLOCK_MS: i64 = 2_000;

/// So many of each ticket type, of lines of which some may be of the same type.
fn by_kind(lines: impl Iterator<Item = (String, i64)>) -> Vec<(String, i64)> {
    let mut kinds: Vec<(String, i64)> = Vec::new();
    for (kind, quantity) in lines {
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, known)) => *known += quantity,
            None => kinds.push((kind, quantity)),
        }
    }
    kinds
}

/// What is wrong with what is shown, if the event is so.
fn event_differs(event: &Event, view: &Value) -> Option<String> {
    let spec = &event.spec;
    let named = |pool: &&boxoffice::Pool| spec.pools.iter().any(|said| said.name == pool.name);
    let pools = event.pools.iter().filter(|pool| named(pool) || pool.held + pool.sold > 0);
    let pools: Value = pools
        .map(|pool| {
            let left = i64::from(pool.capacity) - i64::from(pool.held) - i64::from(pool.sold);
            json!([pool.name, pool.capacity, pool.held, pool.sold, left])
        })
        .collect();
    // In the order in which the organiser lists them.
    let kinds: Value = spec
        .ticket_types
        .iter()
        .filter_map(|kind| Some((kind, event.pools.iter().find(|pool| pool.name == kind.pool)?)))
        .map(|(kind, pool)| {
            let left = i64::from(pool.capacity) - i64::from(pool.held) - i64::from(pool.sold);
            let own = event.counters.iter().find(|counter| {
                counter.kind == boxoffice::CounterKind::Type && counter.count.name == kind.id
            });
            let left = match kind.rules.capacity.zip(own) {
                None => left,
                Some((capacity, own)) => {
                    let taken = i64::from(own.count.held) + i64::from(own.count.sold);
                    left.min((i64::from(capacity) - taken).max(0))
                }
            };
            let price = json!({"amount": kind.price_minor, "currency": spec.currency.code()});
            json!([kind.id, kind.name, pool.name, price, left])
        })
        .collect();
    let when = |name: &str| json!(view[name].as_str().map(time));
    let fields = [
        ("id", view["id"].clone(), json!(spec.slug)),
        ("name", view["name"].clone(), json!(spec.name)),
        ("place", view["place"].clone(), json!(spec.place)),
        ("description", view["description"].clone(), json!(spec.description)),
        ("ends_at", when("ends_at"), json!(spec.ends_ms)),
        ("hidden", view["hidden"].clone(), json!(spec.hidden)),
        ("keep_days", view["keep_buyers_days"].clone(), json!(spec.keep_buyers_days)),
        ("contact", view["contact"].clone(), json!(spec.contact)),
        ("attach_pdf", view["attach_pdf"].clone(), json!(spec.attach_pdf)),
        ("starts_at", when("starts_at"), json!(spec.starts_ms)),
        ("zone", view["zone"].clone(), json!(spec.zone)),
        ("currency", view["currency"].clone(), json!(spec.currency.code())),
        ("limit_per_order", view["limit_per_order"].clone(), json!(spec.limit_per_order)),
        ("limit_per_buyer", view["limit_per_buyer"].clone(), json!(spec.limit_per_buyer)),
        ("tags", view["ignore_email_tags"].clone(), json!(spec.ignore_email_tags)),
        ("hold_seconds", view["hold_seconds"].clone(), json!(spec.hold_ms / 1000)),
        ("sale_opens", when("sale_opens"), json!(spec.sale_opens_ms)),
        ("sale_closes", when("sale_closes"), json!(spec.sale_closes_ms)),
        ("names_until", when("names_until"), json!(spec.names_until_ms)),
        ("pools", fields(&view["pools"], &["id", "capacity", "held", "sold", "left"]), pools),
        ("types", fields(&view["ticket_types"], &["id", "name", "pool", "price", "left"]), kinds),
        (
            "questions",
            fields(&view["questions"], &["id", "text", "required"]),
            spec.questions.iter().map(|q| json!([q.id, q.text, q.required])).collect(),
        ),
    ];
    let wrong = fields.into_iter().find(|(_, shown, is)| shown != is);
    wrong.map(|(name, shown, is)| format!("{name} {shown}, and it was {is}"))
}
