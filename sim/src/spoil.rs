//! Spoils the books after a run, and asks whether `nts audit` notices.
//!
//! In one run of ten, when everything is settled and the audit of the good books found nothing, one
//! thing is changed: in what the audit reads of an order (a wrapper around the reader), in a row of
//! the SQLite file, or in what the provider answers (a wrapper around the way to it). The audit must
//! then say that something is wrong, and name the order, the payment or the event.

use crate::machine::{Backend, FILE};
use crate::rng::Rng;
use crate::trace::Promise;
use crate::world::World;
use boxoffice::{
    Currency, Event, EventId, Order, OrderId, OrderState, Refund, RefundState, Tender, Ticket,
    TicketState, TimeMs,
};
use nts_server::audit::{Report, Weight};
use nts_server::payments::wire::{Exchange, Wire, WireRequest, WireResponse};
use nts_server::store::records::Tables;
use nts_server::store::{Fault, Lane, Listing, NamedTicket, OrderPage, OwnerPage, Reader};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::sync::Arc;

/// One run of so many is spoilt.
const ONE_IN: u64 = 10;
/// The stream of randomness of all that is done here.
const STREAM: u64 = 31;

/// What is spoilt of an order. `None` where it does not apply to this order.
type OfOrder = fn(&Order, &Order) -> Option<Order>;
/// What is spoilt in the SQLite file: a statement with the order's high 64 bits as `?1`, those of
/// another order as `?2` and its event as `?3`. It must change something, or it does not apply.
type OfFile = &'static str;
/// What is spoilt of a payment as the provider tells it.
type OfPayment = fn(&mut Value) -> bool;

/// All that can be spoilt.
#[derive(Clone, Copy)]
enum Spoil {
    Order(&'static str, OfOrder),
    File(&'static str, OfFile),
    Payment(&'static str, OfPayment),
    /// The provider does not know the payment.
    Unknown,
    /// The provider has a second payment of the same order.
    Second,
    /// The list of refunds has one more, or one less.
    Refunds(&'static str, bool),
}

const ALL: &[Spoil] = &[
    Spoil::Order("a paid order is released", |o, _| to(o, OrderState::Paid, OrderState::Released)),
    Spoil::Order("a paid order is refunded", |o, _| to(o, OrderState::Paid, OrderState::Refunded)),
    Spoil::Order("a refunded order is paid", |o, _| to(o, OrderState::Refunded, OrderState::Paid)),
    Spoil::Order("a void order is paid", |o, _| to(o, OrderState::Void, OrderState::Paid)),
    Spoil::Order("a released order is paid", |o, _| to(o, OrderState::Released, OrderState::Paid)),
    Spoil::Order("a released order is held", |o, _| to(o, OrderState::Released, OrderState::Held)),
    Spoil::Order("a paid order is committed", |o, _| {
        to(o, OrderState::Paid, OrderState::Committed)
    }),
    Spoil::Order("a price is another", |o, _| sold(o).then(|| line(o, |l| l.unit_minor += 10))),
    Spoil::Order("one place more", |o, _| sold(o).then(|| line(o, |l| l.quantity += 1))),
    Spoil::Order("one place more is refunded", |o, _| {
        sold(o).then(|| line(o, |l| l.refunded += 1))
    }),
    Spoil::Order("one place more is back on sale than was refunded", |o, _| {
        sold(o).then(|| line(o, |l| l.restocked = l.refunded + 1))
    }),
    Spoil::Order("another currency", |o, _| {
        let other = if o.currency.code() == "USD" { "GBP" } else { "USD" };
        let currency = Currency::parse(other)?;
        (sold(o) && o.total().minor > 0).then(|| Order { currency, ..o.clone() })
    }),
    Spoil::Order("a ticket is gone", |o, _| tickets(o, |t| t.truncate(t.len() - 1))),
    Spoil::Order("a ticket is there twice", |o, _| tickets(o, |t| t.push(t[0].clone()))),
    Spoil::Order("a ticket stands in the place of another", |o, _| {
        (o.tickets.len() > 1).then(|| tickets(o, |t| t[1] = t[0].clone()))?
    }),
    Spoil::Order("a ticket is of no line", |o, _| tickets(o, |t| t[0].line = 99)),
    Spoil::Order("a ticket got a guest and kept its codes", |o, _| {
        tickets(o, |t| (t[0].guest, t[0].revision) = (Some("Mallory".into()), 0))
    }),
    Spoil::Order("a revoked ticket is valid", |o, _| {
        turn(o, TicketState::Revoked, TicketState::Valid)
    }),
    Spoil::Order("a valid ticket is revoked", |o, _| {
        turn(o, TicketState::Valid, TicketState::Revoked)
    }),
    Spoil::Order("a released order has the ticket of another", |o, other| {
        let none = o.state == OrderState::Released && !other.tickets.is_empty();
        none.then(|| Order { tickets: other.tickets[..1].to_vec(), ..o.clone() })
    }),
    Spoil::Order("the payment is gone", |o, _| {
        (sold(o) && o.payment.is_some()).then(|| Order { payment: None, ..o.clone() })
    }),
    Spoil::Order("the PaymentIntent is gone", |o, _| {
        (sold(o) && o.payment.is_some()).then(|| payment(o, |p| p.intent = None))?
    }),
    Spoil::Order("the PaymentIntent of another order", |o, other| {
        let theirs = other.payment.as_ref()?.intent.clone()?;
        (o.id != other.id).then(|| payment(o, |p| p.intent = Some(theirs)))?.filter(sold)
    }),
    Spoil::Order("the payment has another id", |o, _| payment(o, |p| p.id.0 ^= 1).filter(sold)),
    Spoil::Order("the payment is live", |o, _| payment(o, |p| p.live = !p.live).filter(sold)),
    Spoil::Order("a refund of more", |o, _| refund(o, |r| r.amount_minor += 10)),
    // What came for an order that is void is known from what went back only.
    Spoil::Order("a refund of less", |o, _| refund(o, |r| r.amount_minor -= 1).filter(sold)),
    Spoil::Order("a refund has failed", |o, _| {
        refund(o, |r| r.state = RefundState::Failed("no".into()))
    }),
    Spoil::Order("a refund is gone", |o, _| refunds(o, |r| drop(r.pop())).filter(sold)),
    Spoil::Order("a refund is there twice", |o, _| refunds(o, |r| r.push(r[0].clone()))),
    Spoil::Order("a refund revoked one ticket more", |o, _| {
        refund(o, |r| r.quantities[0] += 1).filter(|o| o.refunds.iter().any(|r| !r.by_hand))
    }),
    Spoil::Order("the refund of another order", |o, other| {
        let theirs = other.refunds.iter().find(|r| succeeded(r))?.state.clone();
        (o.id != other.id).then(|| refund(o, |r| r.state = theirs))?
    }),
    // One that came to nothing may go: see `settlement::forget`.
    Spoil::File(
        "the order is gone",
        "DELETE FROM orders WHERE id = ?1
         AND (state < 7 OR id IN (SELECT order_id FROM payments WHERE intent NOT NULL))",
    ),
    Spoil::File("the order is of no event", "UPDATE orders SET event = event + 1 WHERE id = ?1"),
    Spoil::File("the order is held", "UPDATE orders SET state = 0 WHERE id = ?1 AND state = 7"),
    Spoil::File("the order is released", "UPDATE orders SET state = 7 WHERE id = ?1 AND state = 4"),
    Spoil::File("a ticket is gone", "DELETE FROM tickets WHERE order_id = ?1"),
    Spoil::File(
        "a ticket is another order's",
        "UPDATE tickets SET order_id = ?2 WHERE order_id = ?1 AND ?1 <> ?2",
    ),
    Spoil::File("a ticket too many is counted", "UPDATE events SET serials = serials + 1"),
    Spoil::File(
        "the order's serials are gone",
        "UPDATE orders SET first_serial = NULL, last_serial = NULL
         WHERE id = ?1 AND first_serial IS NOT NULL",
    ),
    Spoil::File(
        "a payment is gone",
        "DELETE FROM payments WHERE order_id = ?1 AND intent NOT NULL",
    ),
    Spoil::File(
        "a payment is of no order",
        "UPDATE payments SET order_id = -1 WHERE order_id = ?1 AND intent NOT NULL",
    ),
    Spoil::File(
        "a refund is of no order",
        "UPDATE refunds SET order_id = -1 WHERE order_id = ?1 AND amount_minor > 0",
    ),
    Spoil::File(
        "an attempt is of no order",
        "UPDATE attempts SET order_id = -1 WHERE order_id = ?1",
    ),
    Spoil::File(
        "a place more is held",
        "UPDATE pools SET held = held + 1 WHERE held + sold < capacity AND event = ?3",
    ),
    Spoil::File("a place less is sold", "UPDATE pools SET sold = sold - 1 WHERE sold > 0"),
    Spoil::File(
        "a held place is sold",
        "UPDATE pools SET sold = sold - 1, held = held + 1 WHERE sold > 0",
    ),
    Spoil::Payment("more was taken", |i| add(i, "amount_received", 10)),
    Spoil::Payment("less was taken", |i| add(i, "amount_received", -1)),
    Spoil::Payment("another amount", |i| add(i, "amount", 10)),
    Spoil::Payment("a live-mode payment", |i| put(i, "livemode", json!(true))),
    Spoil::Payment("another currency", |i| {
        let other = if i["currency"] == "usd" { "gbp" } else { "usd" };
        put(i, "currency", json!(other))
    }),
    Spoil::Payment("canceled", |i| put(i, "status", json!("canceled"))),
    Spoil::Payment("set aside", |i| put(i, "status", json!("requires_capture"))),
    Spoil::Payment("of an order that nobody knows", |i| {
        put(&mut i["metadata"], "nts_order", json!(uuid::Uuid::from_u128(7).to_string()))
    }),
    Spoil::Payment("of no order", |i| put(&mut i["metadata"], "nts_order", Value::Null)),
    Spoil::Payment("of another payment", |i| {
        put(&mut i["metadata"], "nts_payment", json!(uuid::Uuid::from_u128(7).to_string()))
    }),
    Spoil::Unknown,
    Spoil::Second,
    Spoil::Refunds("one refund more", true),
    Spoil::Refunds("one refund less", false),
];

impl Spoil {
    fn words(self) -> &'static str {
        match self {
            Spoil::Order(what, _) | Spoil::File(what, _) | Spoil::Payment(what, _) => what,
            Spoil::Unknown => "unknown to the provider",
            Spoil::Second => "a second payment at the provider",
            Spoil::Refunds(what, _) => what,
        }
    }
}

fn sold(o: &Order) -> bool {
    matches!(o.state, OrderState::Paid | OrderState::Refunded)
}

fn to(o: &Order, from: OrderState, state: OrderState) -> Option<Order> {
    (o.state == from).then(|| Order { state, ..o.clone() })
}

fn line(o: &Order, change: impl FnOnce(&mut boxoffice::Line)) -> Order {
    let mut o = o.clone();
    change(&mut o.lines[0]);
    o
}

fn tickets(o: &Order, change: impl FnOnce(&mut Vec<Ticket>)) -> Option<Order> {
    let mut o = o.clone();
    (!o.tickets.is_empty()).then(|| {
        change(&mut o.tickets);
        o
    })
}

fn turn(o: &Order, from: TicketState, to: TicketState) -> Option<Order> {
    let mut o = o.clone();
    o.tickets.iter_mut().find(|t| t.state == from)?.state = to;
    Some(o)
}

fn payment(o: &Order, change: impl FnOnce(&mut boxoffice::Payment)) -> Option<Order> {
    let mut o = o.clone();
    change(o.payment.as_mut().filter(|p| p.intent.is_some())?);
    Some(o)
}

fn succeeded(r: &boxoffice::Refund) -> bool {
    matches!(r.state, RefundState::Succeeded(_)) && r.amount_minor > 0
}

fn refund(o: &Order, change: impl FnOnce(&mut boxoffice::Refund)) -> Option<Order> {
    let mut o = o.clone();
    change(o.refunds.iter_mut().find(|r| succeeded(r))?);
    Some(o)
}

fn refunds(o: &Order, change: impl FnOnce(&mut Vec<boxoffice::Refund>)) -> Option<Order> {
    let mut o = o.clone();
    o.refunds.iter().all(succeeded).then_some(())?;
    (!o.refunds.is_empty()).then(|| {
        change(&mut o.refunds);
        o
    })
}

fn put(object: &mut Value, name: &str, value: Value) -> bool {
    let Some(old) = object.get_mut(name).filter(|old| **old != value) else { return false };
    *old = value;
    true
}

fn add(object: &mut Value, name: &str, by: i64) -> bool {
    let taken = object["amount_received"].as_i64().unwrap_or(0) > 0;
    let Some(old) = object[name].as_i64().filter(|_| taken) else { return false };
    put(object, name, json!(old + by))
}

/// Reads one order otherwise than it is.
struct Spoilt {
    inner: Box<dyn Reader>,
    order: Order,
}

impl Spoilt {
    fn page(&self, mut page: OrderPage) -> OrderPage {
        for order in page.orders.iter_mut().filter(|o| o.id == self.order.id) {
            *order = self.order.clone();
        }
        page
    }
}

impl Reader for Spoilt {
    fn tables(&mut self) -> &mut dyn Tables {
        self.inner.tables()
    }

    fn verify(&mut self) -> Result<Vec<String>, Fault> {
        self.inner.verify()
    }

    fn events(&mut self) -> Result<Vec<Event>, Fault> {
        self.inner.events()
    }

    fn order(&mut self, id: OrderId) -> Result<Option<Order>, Fault> {
        let order = self.inner.order(id)?;
        Ok(order.map(|o| if o.id == self.order.id { self.order.clone() } else { o }))
    }

    fn orders(
        &mut self,
        event: EventId,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<OrderPage, Fault> {
        let page = self.inner.orders(event, after, limit)?;
        Ok(self.page(page))
    }

    fn all_orders(&mut self, after: Option<OrderId>, limit: usize) -> Result<OrderPage, Fault> {
        let page = self.inner.all_orders(after, limit)?;
        Ok(self.page(page))
    }

    fn listed(
        &mut self,
        listing: &Listing,
        fits: &dyn Fn(&Order) -> bool,
    ) -> Result<OrderPage, Fault> {
        let page = self.inner.listed(listing, fits)?;
        Ok(self.page(page))
    }

    fn owners(&mut self, after: Option<OrderId>, limit: usize) -> Result<OwnerPage, Fault> {
        self.inner.owners(after, limit)
    }

    fn due(&mut self, now: TimeMs, lane: Lane, limit: usize) -> Result<Vec<OrderId>, Fault> {
        self.inner.due(now, lane, limit)
    }

    fn tickets(
        &mut self,
        event: EventId,
        after: u32,
        limit: usize,
    ) -> Result<Vec<NamedTicket>, Fault> {
        self.inner.tickets(event, after, limit)
    }

    fn references(&mut self, event: EventId, prefix: &str) -> Result<Vec<String>, Fault> {
        self.inner.references(event, prefix)
    }

    fn order_of_ticket(&mut self, event: EventId, serial: u32) -> Result<Option<OrderId>, Fault> {
        self.inner.order_of_ticket(event, serial)
    }
}

/// The provider tells of one payment otherwise than it is.
struct SpoiltWire {
    inner: Box<dyn Wire>,
    intent: String,
    how: Spoil,
}

impl SpoiltWire {
    fn spoil(&self, path: &str, body: &mut Value) {
        let ours = |object: &Value| object["id"] == self.intent.as_str();
        if path.starts_with("/v1/refunds?payment_intent=") {
            if path.contains(self.intent.as_str())
                && let (Spoil::Refunds(_, more), Some(list)) =
                    (self.how, body["data"].as_array_mut())
            {
                spoil_refunds(list, more, &self.intent);
            }
            return;
        }
        let Some(list) = body["data"].as_array_mut() else {
            if ours(body) {
                self.spoil_intent(body);
            }
            return;
        };
        if matches!(self.how, Spoil::Unknown) {
            list.retain(|object| !ours(object));
        }
        if let Some(object) = list.iter_mut().find(|object| ours(object)) {
            self.spoil_intent(object);
            if matches!(self.how, Spoil::Second) {
                let mut second = object.clone();
                second["id"] = json!("pi_second");
                list.push(second);
            }
        }
    }

    fn spoil_intent(&self, object: &mut Value) {
        match self.how {
            Spoil::Payment(_, change) => _ = change(object),
            Spoil::Refunds(_, more) => {
                let charge = &mut object["latest_charge"]["amount_refunded"];
                let was = charge.as_i64().unwrap_or(0);
                *charge = json!(if more { was + 10 } else { 0 });
            }
            _ => {}
        }
    }
}

fn spoil_refunds(list: &mut Vec<Value>, more: bool, intent: &str) {
    if more {
        list.push(json!({"id": "re_more", "object": "refund", "amount": 10, "status": "succeeded",
            "payment_intent": intent, "metadata": {}, "reason": "duplicate",
            "failure_reason": null, "created": 0}));
    } else {
        list.clear();
    }
}

impl Wire for SpoiltWire {
    fn exchange(&self, request: WireRequest) -> Exchange<'_> {
        Box::pin(async move {
            let path = request.path.clone();
            if matches!(self.how, Spoil::Unknown) && path.contains(self.intent.as_str()) {
                let body = json!({"error": {"type": "invalid_request_error",
                    "code": "resource_missing", "message": "No such payment_intent"}});
                let body = body.to_string().into();
                let (request_id, should_retry, retry_after_ms) = (None, None, None);
                let status = 404;
                return Ok(WireResponse { status, request_id, should_retry, retry_after_ms, body });
            }
            let mut answer = self.inner.exchange(request).await?;
            if let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) {
                self.spoil(&path, &mut body);
                answer.body = body.to_string().into();
            }
            Ok(answer)
        })
    }
}

/// Spoils the books of a run that is over, in one run of some, and looks whether the audit notices.
pub async fn spoil(world: &World) {
    let mut rng = Rng::new(world.plan.seed, STREAM);
    if world.is_broken() || rng.below(ONE_IN) > 0 {
        return;
    }
    for machine in &world.machines {
        machine.kill(world, false).await;
    }
    let orders: Vec<Order> = world.audit(|auditor, _, _| auditor.orders().cloned().collect());
    if orders.is_empty() {
        return;
    }
    // What does not apply to an order drawn may apply to the next one, and else another thing is.
    for _ in 0..200 {
        let (how, order) = (rng.pick(ALL), &orders[rng.below(orders.len() as u64) as usize]);
        let other = &orders[rng.below(orders.len() as u64) as usize];
        if order.due_ms.is_none() && spoil_with(world, how, order, other).await {
            return;
        }
    }
}

/// Spoils one thing; `false` if it does not apply.
async fn spoil_with(world: &World, how: Spoil, order: &Order, other: &Order) -> bool {
    let intent = order.payment.as_ref().and_then(|p| p.intent.clone());
    let straight: fn(&World) -> Box<dyn Wire> = |world| Box::new(Arc::clone(&world.fake));
    let report = match how {
        Spoil::Order(_, change) => {
            let Some(order) = change(order, other) else { return false };
            crate::audit_of(
                world,
                |inner| Box::new(Spoilt { inner, order }),
                straight(world),
                false,
            )
            .await
        }
        Spoil::File(_, sql) => {
            if !spoil_file(world, sql, order, other) {
                return false;
            }
            crate::audit_of(world, |inner| inner, straight(world), false).await
        }
        _ => {
            let Some(intent) = intent.clone() else { return false };
            if !applies(how, order) {
                return false;
            }
            let wire = SpoiltWire { inner: straight(world), intent, how };
            crate::audit_of(world, |inner| inner, Box::new(wire), false).await
        }
    };
    world.trace().count("books spoilt");
    let what = how.words();
    match report {
        // What cannot be read is noticed, too.
        Err(why) => world.tell(Some(order.id), format!("spoilt ({what}): {why}")),
        Ok(report) => {
            if let Some(missed) = missed(&report, order, other, intent.as_deref()) {
                let text = format!("the books were spoilt ({what}), and nts audit {missed}");
                world.broken(Promise::MoneyIsTickets, Some(order.id), text);
            } else {
                world.tell(Some(order.id), format!("spoilt ({what}): nts audit says so"));
            }
        }
    }
    true
}

/// Whether a change at the provider is one of this order's: money that moved, or is set aside.
fn applies(how: Spoil, order: &Order) -> bool {
    let back = order.refunds.iter().any(succeeded);
    match how {
        Spoil::Refunds(_, more) => sold(order) && (more || back),
        Spoil::Second => sold(order) && order.refunded().minor < order.total().minor,
        // All of it went back: nobody's money is there, whatever order the payment names.
        Spoil::Payment("of an order that nobody knows" | "of no order", _) => {
            sold(order) && order.refunded().minor < order.total().minor
        }
        _ => sold(order),
    }
}

/// What the provider calls a refund, or why it refused it.
fn name(refund: &Refund) -> Option<&str> {
    match &refund.state {
        RefundState::Succeeded(id) => Some(id.as_str()),
        RefundState::Failed(why) => {
            why.split(['(', ')']).find(|part| part.starts_with("re_")).or(Some(why))
        }
        RefundState::Pending => None,
    }
}

/// Why the report is not enough, if so.
fn missed(report: &Report, order: &Order, other: &Order, intent: Option<&str>) -> Option<String> {
    let wrong = || report.findings.iter().filter(|f| f.weight == Weight::Wrong);
    if wrong().next().is_none() {
        return Some("found nothing".into());
    }
    let [one, two] = [order, other].map(|o| uuid::Uuid::from_u128(o.id.0).to_string());
    let refunds: Vec<&str> = order.refunds.iter().filter_map(name).collect();
    let figures = format!("the figures of event {:x} ", order.event.0);
    let named = wrong().any(|f| {
        f.order == Some(order.id)
            || f.order == Some(other.id)
            || (f.intent.is_some() && f.intent.as_deref() == intent)
            || intent.is_some_and(|intent| f.text.contains(intent))
            || f.text.contains(&one)
            || f.text.contains(&two)
            || f.text.contains("event show")
            // What was sold without the provider stands in nobody else's books: the sums of the event tell.
            || order.tender != Tender::Online && f.text.contains(&figures)
            || refunds.iter().any(|refund| f.text.contains(refund))
    });
    let said: Vec<&str> = wrong().map(|f| f.text.as_str()).collect();
    (!named).then(|| format!("did not say where: {said:?}"))
}

fn spoil_file(world: &World, sql: &str, order: &Order, other: &Order) -> bool {
    let Backend::File(base) = &world.backend else { return false };
    base.disk.heal();
    let process = base.disk.start();
    let changed = || -> rusqlite::Result<usize> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags_and_vfs(FILE, flags, process.vfs())?;
        let high = |o: &Order| (o.id.0 >> 64) as i64;
        let values = [high(order), high(other), order.event.0 as i64];
        let mut statement = db.prepare(sql)?;
        let wanted = statement.parameter_count();
        statement.execute(rusqlite::params_from_iter(&values[..wanted]))
    };
    changed().is_ok_and(|rows| rows > 0)
}
