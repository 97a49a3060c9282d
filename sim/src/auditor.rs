//! Checks the promises. It knows the types of the box office and none of its rules: everything is
//! worked out again from what buyers were told, what the store holds, and what the provider's own
//! ledger says.

mod access;
mod doors;
mod end;
mod erased;
mod history;
mod hooks;
mod lasts;
mod limit;
mod mails;
mod money;
mod pools;
mod prompt;
mod refusals;
mod scans;
mod share;
mod shown;
mod sold;
mod told;

use crate::trace::{Promise, Trace};
use boxoffice::{
    AttemptState, Buyer, Event, EventId, EventSpec, Order, OrderId, OrderState, RefundState,
    TicketState, TimeMs,
};
pub use erased::Whom;
pub use history::Question;
use history::Shown;
use limit::{Had, Limit, person_of};
pub use mails::Leaves;
use nts_server::payments::fake::Moved;
pub use refusals::{Refused, Wish};
pub use scans::Scanned;
pub use shown::Whose;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// An order's id as it is told.
fn uuid_of(id: OrderId) -> String {
    uuid::Uuid::from_u128(id.0).to_string()
}

/// What somebody was told of an order, or has asked for it.
#[derive(Clone, Debug, Default)]
struct Told {
    /// They hold it until then.
    held_until: Option<TimeMs>,
    /// It is paid.
    paid: bool,
    /// The numbers of its tickets, and at which step each was shown first.
    tickets: BTreeMap<String, u64>,
    /// Somebody has asked to give it back.
    cancel_asked: bool,
    /// Somebody acted on its payment at the provider by hand.
    by_hand: bool,
}

/// What was asked of an event within one step, whatever came of it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// What it was to be.
    pub puts: Vec<EventSpec>,
    /// Whether the moment of the step is that of its decisions: else they may be of some time before.
    pub exact: bool,
}

impl Asked {
    /// An event was to be so.
    pub fn put(&mut self, spec: &EventSpec) {
        self.puts.push(spec.clone());
    }
}

/// The auditor.
#[derive(Default)]
pub struct Auditor {
    /// All orders as they are committed.
    orders: BTreeMap<OrderId, Order>,
    events: BTreeMap<EventId, Event>,
    told: BTreeMap<OrderId, Told>,
    /// What each order's state was from which step on.
    states: BTreeMap<OrderId, Vec<(u64, OrderState)>>,
    /// Each order as it was from which step on.
    versions: BTreeMap<OrderId, Vec<(u64, Order)>>,
    /// The event, step by step.
    shows: Vec<Shown>,
    /// How far the store's clock is ahead of the world's, and from when on.
    clock: Vec<(i64, i64)>,
    /// When the faults have stopped, by the store's clock.
    calm_since: Option<TimeMs>,
    /// Who has asked to renew a hold, by name.
    renewing: BTreeSet<String>,
    /// The names that ticket types ever had.
    names: BTreeMap<String, BTreeSet<String>>,
    /// Whose ticket has a code, and the code of each revision of a ticket that was shown.
    codes: BTreeMap<String, (OrderId, u32, u16)>,
    code_of: BTreeMap<(OrderId, u32, u16), String>,
    /// From which step on the provider has taken money for an order.
    taken: BTreeMap<OrderId, u64>,
    /// Requests under a key: how often they were sent, what, and whether with different bodies.
    sent: BTreeMap<(String, String), (u32, String, bool)>,
    /// How many attempts to pay were sent.
    payments_sent: u32,
    /// PaymentIntents of which the provider has declined an attempt.
    declined: BTreeSet<String>,
    /// The e-mail addresses that each buyer has used, by name.
    emails: BTreeMap<String, BTreeSet<String>>,
    limits: Vec<Limit>,
    /// What each person has of the one event.
    had: BTreeMap<String, Vec<Had>>,
    /// Answers given under an idempotency key.
    keys: BTreeMap<String, OrderId>,
    serials: BTreeMap<(EventId, u32), OrderId>,
    moved: BTreeMap<OrderId, Moved>,
    /// How many orders each buyer may have at most, by name: one for each request that was not
    /// answered with a no that says that nothing was done.
    may_have: BTreeMap<String, i64>,
    /// How many attempts to pay each order may have succeeded: those of which its buyer was not
    /// told that they were declined.
    may_pay: BTreeMap<OrderId, i64>,
    /// The address that each buyer comes from, by name.
    networks: BTreeMap<String, IpAddr>,
    /// How many places each address has ever asked for.
    asked_for: BTreeMap<IpAddr, u32>,
    /// The unpaid places of each address in each pool, by the process lives in which they may have
    /// been held.
    unpaid: BTreeMap<(IpAddr, usize, u16), u32>,
    /// To which address and lives the unpaid places of an order belong.
    unpaid_of: BTreeMap<OrderId, (IpAddr, usize)>,
    /// How often a process has started.
    starts: usize,
    /// And when that was, by the clock of the database server, if there is one.
    started_ms: Vec<TimeMs>,
    /// The most places that each pool ever had.
    most_capacity: BTreeMap<u16, u32>,
    /// How many processes there are.
    processes: u32,
    step: u64,
    /// Whether the moment of this step is that of its decisions.
    exact: bool,
    /// When there was something new about an order that a person must be told of.
    pub(crate) alarming: Vec<(i64, OrderId)>,
    /// Orders whose places went back since it was last asked, each with its payment at the provider.
    freed: Vec<(OrderId, String)>,
    /// What each order owes.
    owed: BTreeMap<OrderId, prompt::Owes>,
    /// When the storm was over, in milliseconds since the beginning.
    pub(crate) calm_at_ms: Option<i64>,
    /// How long what is owed may wait at most, if that can be told.
    prompt_ms: Option<i64>,
    /// Whether the provider may leave out what the bank asks.
    nulls: bool,
    /// What was asked for by anybody but strangers.
    access: access::Access,
    /// Whose each order was when it was placed.
    owners: BTreeMap<OrderId, Buyer>,
    /// The people who were to be erased, by their addresses.
    erase_people: BTreeMap<String, Question>,
    /// The orders whose buyers were to be erased.
    erase_orders: BTreeSet<OrderId>,
    /// What it knows of mails.
    mails: mails::Mails,
    /// What it knows of webhooks.
    hooks: hooks::Hooks,
    /// Whether the clocks by which the database's time is told may jump, or its commits may fail.
    pub(crate) clock_moves: bool,
    /// What was told of tickets and their codes.
    doors: doors::Doors,
    scans: scans::Scans,
    /// When the event ends, if its buyers are erased then.
    pub(crate) ended: Option<TimeMs>,
}

/// The rare situations that an order's step reaches.
fn marks(from: Option<OrderState>, order: &Order) -> Vec<&'static str> {
    use OrderState::*;
    let mut marks = Vec::new();
    match (from, order.state) {
        (Some(Paying), Canceling) => marks.push("a payment was given up"),
        (Some(Canceling), Paid) => marks.push("a payment that was given up succeeded all the same"),
        (Some(Paying), Paid) if order.total().minor > 0 => {
            marks.push("somebody captured before us")
        }
        (Some(Committed), Void) => marks.push("an authorisation died before it was captured"),
        (Some(Refunding), Paid) => marks.push("a part was refunded"),
        (Some(Held), Released) => marks.push("a hold ran out"),
        _ => {}
    }
    if order.state == Released && !order.refunds.is_empty() {
        marks.push("money came for places that were gone, and went back");
    }
    if order.refunds.iter().any(|r| matches!(r.state, RefundState::Failed(_))) {
        marks.push("a refund was refused");
    }
    if order.refunds.iter().any(|r| r.by_hand) {
        marks.push("a refund by hand was taken in");
    }
    marks
}

/// The rare situations in which an attempt to pay begins.
fn attempt_marks(order: &Order) -> Vec<&'static str> {
    let mut marks = Vec::new();
    let Some(payment) = &order.payment else { return marks };
    if payment.attempts.len() > 2 {
        marks.push("a third attempt");
    }
    let left = |a: &boxoffice::Attempt| a.state == AttemptState::Abandoned;
    if order.state == OrderState::Paying && payment.attempts.iter().any(left) {
        marks.push("another card instead of one whose bank waited");
    }
    marks
}

/// What became of an attempt to pay.
fn attempt_words(state: &AttemptState) -> &'static str {
    match state {
        AttemptState::Pending => "has begun",
        AttemptState::Action => "waits for the buyer or the bank",
        AttemptState::Declined(_) => "is declined",
        AttemptState::Authorised => "is authorised",
        AttemptState::Abandoned => "is given up",
    }
}

/// Whether an order may be seen in `to` when it was last seen in `from`, with any steps between.
fn may_become(from: OrderState, to: OrderState) -> bool {
    use OrderState::*;
    let next: &[OrderState] = match from {
        Held => &[Paying, Released, Paid],
        Paying => &[Committed, Canceling, Released, Paid, Void],
        Canceling => &[Released, Paid, Void],
        Committed => &[Paid, Void],
        Paid => &[Refunding, Refunded],
        Refunding => &[Paid, Refunded],
        Refunded | Released | Void => &[],
    };
    // Refunding and Paid lead to each other: one step of those is looked at, not a circle.
    next.contains(&to)
        || next
            .iter()
            .any(|n| *n != from && !matches!((from, n), (Refunding, Paid)) && may_become(*n, to))
}

impl Auditor {
    /// An auditor at the beginning. `prompt_ms`: how long what is owed may wait at most. `nulls`: whether the
    /// provider may leave out what the bank asks.
    pub fn new(prompt_ms: Option<i64>, nulls: bool) -> Auditor {
        Auditor { prompt_ms, nulls, ..Auditor::default() }
    }

    /// An order as it is committed.
    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders.get(&id)
    }

    /// All events as they are committed.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.values()
    }

    /// All orders as they are committed.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// What is committed now: some orders, and all events. `now` is the store's clock. Within a step
    /// the order of things is not seen: `asked` says what may have been for a moment.
    pub fn committed(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        now: TimeMs,
        (orders, events): (Vec<Order>, Vec<Event>),
        asked: &Asked,
    ) {
        self.step += 1;
        self.exact = asked.exact;
        let since = if asked.exact { now } else { TimeMs::MIN };
        let fresh = orders.iter().filter(|o| !self.orders.contains_key(&o.id));
        let mut bought: BTreeMap<String, u32> = BTreeMap::new();
        let mut placed: BTreeMap<u16, u32> = BTreeMap::new();
        for order in fresh {
            let places: u32 = order.lines.iter().map(|l| l.quantity).sum();
            // The limit per buyer does not bind the organiser.
            if !order.tender.is_offline() {
                *bought.entry(person_of(order)).or_default() += places;
            }
            for line in &order.lines {
                for counted in pools::counts_of(line) {
                    *placed.entry(counted).or_default() += line.quantity;
                }
            }
        }
        // Who is erased has fewer places than before.
        let before = orders.iter().filter_map(|order| self.orders.get(&order.id));
        let people: BTreeSet<String> = orders.iter().chain(before).map(person_of).collect();
        for event in events {
            if self.events.get(&event.id).is_none_or(|known| known.spec != event.spec) {
                self.event_was_asked_for(trace, at_ms, &event.spec);
            }
            for (n, pool) in event.pools.iter().enumerate() {
                let most = self.most_capacity.entry(n as u16).or_default();
                *most = (*most).max(pool.capacity);
            }
            self.event_is_sound(trace, at_ms, &event);
            let known = self.events.get(&event.id).map(|known| known.spec.place.clone());
            if let Some(place) = known.filter(|place| *place != event.spec.place) {
                self.event_moves(at_ms, &place, &event.spec.place);
            }
            self.events.insert(event.id, event);
        }
        // The event first: what is new of the orders is compared with it. What its pools have left
        // is counted when all orders are known.
        self.put_before(at_ms, asked);
        for order in orders {
            self.order_committed(trace, at_ms, (since, now), order);
        }
        self.limits(trace, at_ms, &people, &bought, asked);
        self.recount(trace, at_ms, &placed, asked);
        self.overdue(trace, at_ms, now);
    }

    fn order_committed(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        (since, now): (TimeMs, TimeMs),
        order: Order,
    ) {
        let id = order.id;
        let known = self.orders.get(&id);
        if known == Some(&order) {
            return;
        }
        self.step_was_asked_for(trace, at_ms, now, known, &order);
        if known.is_none() {
            self.owners.insert(id, order.buyer.clone());
        }
        self.order_is_sound(trace, at_ms, now, &order);
        self.restocked(trace, at_ms, &order);
        self.tickets_of_lines(trace, at_ms, &order);
        self.lasts(trace, at_ms, (since, now), &order);
        if Auditor::troubled(trace, at_ms, known, &order) {
            self.alarming.push((at_ms, id));
        }
        let over = |order: &Order| matches!(order.state, OrderState::Released | OrderState::Void);
        if let Some(known) = known.filter(|known| over(&order) && !over(known)) {
            // As it was before: one whose id is recorded with the release, or after it, was never confirmed, and is
            // cancelled afterwards.
            let intent = known.payment.as_ref().and_then(|payment| payment.intent.clone());
            self.freed.extend(intent.map(|intent| (id, intent)));
        }
        let mut broken = |promise, text: String| trace.broken(at_ms, promise, Some(id), text);
        if let Some(known) = known
            && let (Some(most), Some(due)) = (self.prompt_ms, known.due_ms)
            && now - due > most
        {
            let text = format!("what was owed as {:?} waited for {} ms", known.state, now - due);
            broken(Promise::AllSettles, text);
        }
        if let Some(known) = known {
            if known.state != order.state && !may_become(known.state, order.state) {
                broken(
                    Promise::HoldsLast,
                    format!("it went from {:?} to {:?}", known.state, order.state),
                );
            }
            if known.total() != order.total() {
                broken(Promise::NoFalseAnswer, "its price has changed".into());
            }
            if known.tickets.len() > order.tickets.len() {
                broken(Promise::NothingLost, "a ticket is gone".into());
            }
            let left: Vec<u32> = order.tickets.iter().map(|t| t.serial).collect();
            if known.tickets.iter().any(|t| !left.contains(&t.serial)) {
                broken(Promise::NothingLost, "a ticket has another number".into());
            }
        }
        let bought: u32 = order.lines.iter().map(|l| l.quantity).sum();
        let refunded: u32 = order.lines.iter().map(|l| l.refunded).sum();
        let valid = order.tickets.iter().filter(|t| t.state == TicketState::Valid).count() as u32;
        let expected = match order.state {
            OrderState::Paid | OrderState::Refunding => bought - refunded,
            _ => 0,
        };
        if valid != expected {
            broken(
                Promise::MoneyIsTickets,
                format!("{valid} valid tickets in state {:?}, not {expected}", order.state),
            );
        }
        for ticket in &order.tickets {
            let owner = *self.serials.entry((order.event, ticket.serial)).or_insert(id);
            if owner != id {
                broken(
                    Promise::NeverOversold,
                    format!("ticket {} is somebody else's", ticket.serial),
                );
            }
        }
        let attempts = |order: &Order| order.payment.as_ref().map(|p| p.attempts.clone());
        let before = known.and_then(attempts).unwrap_or_default();
        for attempt in attempts(&order).unwrap_or_default() {
            let was = before.iter().find(|a| a.number == attempt.number);
            if was.map(|a| &a.state) != Some(&attempt.state) {
                attempt_marks(&order).into_iter().for_each(|mark| trace.mark(mark));
                let (number, state) = (attempt.number, attempt_words(&attempt.state));
                trace.tell(at_ms, Some(id), format!("attempt {number} to pay {state}"));
            }
        }
        let states = self.states.entry(id).or_default();
        if states.last().map(|(_, state)| *state) != Some(order.state) {
            let from = states.last().map(|(_, state)| *state);
            states.push((self.step, order.state));
            trace.turn(at_ms, from, order.state);
            for mark in marks(from, &order) {
                trace.mark(mark);
            }
            let mut text = format!("is {}", order.state.word());
            if let Some(trouble) = &order.trouble {
                text += &format!(" ({trouble})");
            }
            trace.tell(at_ms, Some(id), text);
        }
        if order.refunds.iter().any(|r| r.failed_later()) {
            trace.mark("a refund failed after it had succeeded");
        }
        trace.hash(format!("{order:?}").as_bytes());
        self.count_unpaid(trace, at_ms, &order);
        self.versions.entry(id).or_default().push((self.step, order.clone()));
        self.prompt(trace, at_ms, &order);
        self.mails_of(&order);
        self.hooks_of(&order);
        self.orders.insert(id, order);
    }

    /// After a restart: everything that was acknowledged must be there. `all` is what is read now.
    pub fn restarted(
        &mut self,
        trace: &mut Trace,
        at_ms: i64,
        now: TimeMs,
        all: Vec<Order>,
        events: Vec<Event>,
    ) {
        let there: BTreeSet<OrderId> = all.iter().map(|o| o.id).collect();
        let gone: Vec<OrderId> =
            self.orders.keys().filter(|id| !there.contains(id)).copied().collect();
        for id in gone {
            trace.broken(
                at_ms,
                Promise::NothingLost,
                Some(id),
                "it is gone after a restart".into(),
            );
        }
        for order in &all {
            if let Some(known) = self.orders.get(&order.id)
                && known.state != order.state
                && !may_become(known.state, order.state)
            {
                let text =
                    format!("after a restart it is {:?}, it was {:?}", order.state, known.state);
                trace.broken(at_ms, Promise::NothingLost, Some(order.id), text);
            }
        }
        self.committed(trace, at_ms, now, (all, events), &Asked::default());
    }
}
