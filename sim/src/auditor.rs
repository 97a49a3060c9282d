//! Checks the promises. It knows the types of the box office and none of its rules: everything is
//! worked out again from what buyers were told, what the store holds, and what the provider's own
//! ledger says.

mod access;

use crate::story::{Promise, Sample, Story};
use boxoffice::{
    AttemptState, Event, EventId, EventSpec, Order, OrderId, OrderState, RefundState, TicketState,
    TimeMs,
};
use nts_server::payments::double::{Given, Moved};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What somebody was told of an order, or has asked for it.
#[derive(Clone, Debug, Default)]
struct Told {
    /// They hold it until then.
    held_until: Option<TimeMs>,
    /// It is paid.
    paid: bool,
    /// The codes of its tickets, and at which step each was shown first.
    tickets: BTreeMap<String, u64>,
    /// Somebody has asked to give it back.
    cancel_asked: bool,
    /// Somebody acted on its payment at the provider by hand.
    by_hand: bool,
}

/// What a pool had left at some step.
#[derive(Clone, Copy, Debug)]
struct Left {
    step: u64,
    at_ms: i64,
    left: u32,
    capacity: u32,
    held: u32,
    sold: u32,
    /// The least that may have been left at any moment within the step.
    least: u32,
    /// It may have been closed at some moment within the step.
    closed: bool,
}

/// What stands for the limit per buyer of an event that has none.
const NO_LIMIT: u32 = u32::MAX;

/// The person behind an address of the simulation. Not by the server's rule: what stands before the
/// `@` is plain there, and all domains are one.
fn person(email: &str) -> String {
    let name = email.split('@').next().unwrap_or_default();
    name.trim().to_ascii_lowercase()
}

/// How many places of an order count for its buyer: what was bought, but for what is given back. A
/// refund that is not done yet has given nothing back.
fn counts(order: &Order) -> u32 {
    if matches!(order.state, OrderState::Released | OrderState::Void) {
        return 0;
    }
    let under_way = order.refunds.iter().filter(|r| r.state == RefundState::Pending && !r.by_hand);
    let under_way: u32 = under_way.flat_map(|r| &r.quantities).sum();
    order.lines.iter().map(|l| l.quantity - l.refunded).sum::<u32>() + under_way
}

/// The limit per buyer at some step, and what may have been for a moment within it.
#[derive(Clone, Copy, Debug)]
struct Limit {
    step: u64,
    last: u32,
    lowest: u32,
}

/// What a person had at some step.
#[derive(Clone, Copy, Debug)]
struct Had {
    step: u64,
    last: u32,
    /// The most that the person may have had at any moment within the step.
    most: u32,
}

/// What was asked of an event within one step, whatever came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// The least capacity that the pool was to have.
    pub capacity: Option<u32>,
    /// Whether the sale was to be closed.
    pub closed: bool,
    /// The lowest and the highest limit per buyer that there was to be.
    pub limits: Option<(u32, u32)>,
}

impl Asked {
    /// An event was to be so.
    pub fn put(&mut self, spec: &EventSpec) {
        let capacity = spec.pools.first().map_or(0, |p| p.capacity);
        self.capacity = Some(self.capacity.map_or(capacity, |c| c.min(capacity)));
        self.closed |= spec.sale_closes_ms.is_some();
        let limit = spec.limit_per_buyer.unwrap_or(NO_LIMIT);
        let (low, high) = self.limits.unwrap_or((limit, limit));
        self.limits = Some((low.min(limit), high.max(limit)));
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
    left: Vec<Left>,
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
    /// The unpaid places of each address, by the process lives in which they may have been held.
    unpaid: BTreeMap<(IpAddr, usize), u32>,
    /// To which address and lives the unpaid places of an order belong.
    unpaid_of: BTreeMap<OrderId, (IpAddr, usize)>,
    /// How often a process has started.
    starts: usize,
    /// And when that was, by the clock of the database server, if there is one.
    started_ms: Vec<TimeMs>,
    /// The most places that there ever were.
    most_capacity: u32,
    /// How many processes there are.
    processes: u32,
    step: u64,
    /// How long what is owed may wait at most, if that can be told.
    prompt_ms: Option<i64>,
    /// What was asked for by anybody but strangers.
    access: access::Access,
}

/// What one client may have unpaid in a process by the settings of the simulation, which are the
/// defaults: 5 % of the places and 100 at most, but one order of ten in any case.
fn budget(capacity: u32) -> u32 {
    (capacity / 20).clamp(10, 100)
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
    /// An auditor at the beginning. `prompt_ms`: how long what is owed may wait at most.
    pub fn new(prompt_ms: Option<i64>) -> Auditor {
        Auditor { prompt_ms, ..Auditor::default() }
    }

    /// The number of the last step: for [`Auditor::refused`] and its like.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// An order as it is committed.
    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders.get(&id)
    }

    /// All orders as they are committed.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// What is committed now: some orders, and all events. `now` is the store's clock. Within a step
    /// the order of things is not seen: `asked` says what may have been for a moment.
    pub fn committed(
        &mut self,
        story: &mut Story,
        at_ms: i64,
        now: TimeMs,
        (orders, events): (Vec<Order>, Vec<Event>),
        asked: Asked,
    ) {
        self.step += 1;
        let fresh = orders.iter().filter(|o| !self.orders.contains_key(&o.id));
        let mut bought: BTreeMap<String, u32> = BTreeMap::new();
        for order in fresh {
            let places: u32 = order.lines.iter().map(|l| l.quantity).sum();
            *bought.entry(person(&order.buyer.email)).or_default() += places;
        }
        let placed: u32 = bought.values().sum();
        let people: BTreeSet<String> = orders.iter().map(|o| person(&o.buyer.email)).collect();
        for event in events {
            let capacity = event.pools.first().map_or(0, |p| p.capacity);
            self.most_capacity = self.most_capacity.max(capacity);
            if self.events.get(&event.id).is_none_or(|known| known.spec != event.spec) {
                self.event_was_asked_for(story, at_ms, &event.spec);
            }
            self.events.insert(event.id, event);
        }
        for order in orders {
            self.order_committed(story, at_ms, now, order);
        }
        self.limits(story, at_ms, &people, &bought, asked);
        self.recount(story, at_ms, now, placed, asked);
    }

    fn order_committed(&mut self, story: &mut Story, at_ms: i64, now: TimeMs, order: Order) {
        let id = order.id;
        let told = self.told.get(&id).cloned().unwrap_or_default();
        let known = self.orders.get(&id);
        if known == Some(&order) {
            return;
        }
        self.step_was_asked_for(story, at_ms, now, known, &order);
        let mut broken = |promise, text: String| story.broken(at_ms, promise, Some(id), text);
        if let Some(known) = known
            && let (Some(most), Some(due)) = (self.prompt_ms, known.due_ms)
            && now - due > most
        {
            let text = format!("what was owed as {:?} waited for {} ms", known.state, now - due);
            broken(Promise::AllSettles, text);
        }
        if let Some(known) = known {
            if known.state != order.state {
                if !may_become(known.state, order.state) {
                    broken(
                        Promise::HoldsLast,
                        format!("it went from {:?} to {:?}", known.state, order.state),
                    );
                }
                let early = now < known.until_ms;
                if known.state == OrderState::Held
                    && order.state == OrderState::Released
                    && early
                    && !told.cancel_asked
                {
                    let by = known.until_ms - now;
                    broken(Promise::HoldsLast, format!("it was released {by} ms before its end"));
                }
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
                attempt_marks(&order).into_iter().for_each(|mark| story.mark(mark));
                let (number, state) = (attempt.number, attempt_words(&attempt.state));
                story.tell(at_ms, Some(id), format!("attempt {number} to pay {state}"));
            }
        }
        let states = self.states.entry(id).or_default();
        if states.last().map(|(_, state)| *state) != Some(order.state) {
            let from = states.last().map(|(_, state)| *state);
            states.push((self.step, order.state));
            story.turn(at_ms, from, order.state);
            for mark in marks(from, &order) {
                story.mark(mark);
            }
            let mut text = format!("is {}", order.state.word());
            if let Some(trouble) = &order.trouble {
                text += &format!(" ({trouble})");
            }
            story.tell(at_ms, Some(id), text);
        }
        if order.refunds.iter().any(|r| r.failed_later()) {
            story.mark("a refund failed after it had succeeded");
        }
        story.hash(format!("{order:?}").as_bytes());
        self.count_unpaid(story, at_ms, &order);
        self.orders.insert(id, order);
    }

    /// No address keeps more unpaid places than its budget: that is counted by each life of each
    /// process for itself.
    fn count_unpaid(&mut self, story: &mut Story, at_ms: i64, order: &Order) {
        let holds =
            matches!(order.state, OrderState::Held | OrderState::Paying | OrderState::Canceling);
        let places: u32 = order.lines.iter().map(|l| l.quantity).sum();
        match self.unpaid_of.get(&order.id) {
            Some(of) if !holds => {
                *self.unpaid.entry(*of).or_default() -= places;
                self.unpaid_of.remove(&order.id);
            }
            None if holds && !self.orders.contains_key(&order.id) => {
                let Some(network) = self.networks.get(&order.buyer.name) else { return };
                let lives = match self.started_ms.len() {
                    0 => self.starts,
                    _ => self.started_ms.partition_point(|start| *start <= order.placed_ms),
                };
                let unpaid = self.unpaid.entry((*network, lives)).or_default();
                *unpaid += places;
                let (unpaid, may) = (*unpaid, budget(self.most_capacity) * self.processes);
                self.unpaid_of.insert(order.id, (*network, lives));
                if unpaid > may {
                    let text = format!("{network} has {unpaid} unpaid places, and may have {may}");
                    story.broken(at_ms, Promise::OwnShare, Some(order.id), text);
                }
            }
            _ => {}
        }
    }

    /// The counters are what the orders say, and the pool is never over its capacity.
    fn recount(&mut self, story: &mut Story, at_ms: i64, now: TimeMs, placed: u32, asked: Asked) {
        let mut counted: BTreeMap<(EventId, u16), (u32, u32)> = BTreeMap::new();
        for order in self.orders.values() {
            for line in &order.lines {
                let pool = counted.entry((order.event, line.pool)).or_default();
                match order.state {
                    OrderState::Held | OrderState::Paying | OrderState::Canceling => {
                        pool.0 += line.quantity;
                    }
                    OrderState::Committed
                    | OrderState::Paid
                    | OrderState::Refunding
                    | OrderState::Refunded => pool.1 += line.quantity - line.restocked,
                    OrderState::Released | OrderState::Void => {}
                }
            }
        }
        for event in self.events.values() {
            for (index, pool) in event.pools.iter().enumerate() {
                let (held, sold) =
                    counted.get(&(event.id, index as u16)).copied().unwrap_or_default();
                if (pool.held, pool.sold) != (held, sold) {
                    let text = format!(
                        "the pool counts {} held and {} sold, its orders {held} and {sold}",
                        pool.held, pool.sold
                    );
                    story.broken(at_ms, Promise::NeverOversold, None, text);
                }
                if held + sold > pool.capacity {
                    let text = format!("{held} held and {sold} sold of {}", pool.capacity);
                    story.broken(at_ms, Promise::NeverOversold, None, text);
                }
                if index == 0 {
                    let spec = &event.spec;
                    let open = spec.sale_opens_ms.is_none_or(|t| t <= now)
                        && spec.sale_closes_ms.is_none_or(|t| now < t);
                    let left = pool.capacity.saturating_sub(held + sold);
                    let last = self.left.last();
                    let (before, was) =
                        last.map_or((left, pool.capacity), |l| (l.left, l.capacity));
                    let fewer = asked.capacity.map_or(0, |c| was.saturating_sub(c));
                    let least = left.min(before.saturating_sub(placed + fewer));
                    let closed = !open || asked.closed;
                    let left = Left {
                        step: self.step,
                        at_ms,
                        left,
                        capacity: pool.capacity,
                        held,
                        sold,
                        least,
                        closed,
                    };
                    self.left.push(left);
                    story.sample(Sample { at_ms, capacity: pool.capacity, held, sold });
                }
            }
        }
    }

    /// Nobody gets a place beyond the limit per buyer. A limit that is lowered takes nothing away.
    fn limits(
        &mut self,
        story: &mut Story,
        at_ms: i64,
        people: &BTreeSet<String>,
        bought: &BTreeMap<String, u32>,
        asked: Asked,
    ) {
        let Some(event) = self.events.values().next() else { return };
        let step = self.step;
        let last = event.spec.limit_per_buyer.unwrap_or(NO_LIMIT);
        let before = self.limits.last().map_or(last, |limit| limit.last);
        let (lowest, highest) = asked.limits.unwrap_or((last, last));
        let (lowest, highest) = (lowest.min(last).min(before), highest.max(last).max(before));
        if self.limits.last().is_none_or(|l| (l.last, l.lowest) != (last, lowest)) {
            self.limits.push(Limit { step, last, lowest });
        }
        for person_of in people {
            let mine = self.orders.values().filter(|o| person(&o.buyer.email) == *person_of);
            let last: u32 = mine.map(counts).sum();
            let new = bought.get(person_of).copied().unwrap_or(0);
            let had = self.had.entry(person_of.clone()).or_default();
            let before = had.last().map_or(0, |had| had.last);
            had.push(Had { step, last, most: last.max(before + new) });
            // More than that is only right if it was so before, under another limit.
            if new > 0 && last > before && last > highest {
                let text = format!("{person_of} has {last} places, and the limit is {highest}");
                story.broken(at_ms, Promise::NeverOversold, None, text);
            }
        }
    }

    /// A buyer was told that these places would be more than the limit allows: at some moment
    /// between question and answer they were.
    pub fn refused_limit(
        &mut self,
        story: &mut Story,
        at_ms: i64,
        asked_at: u64,
        email: &str,
        wanted: u32,
    ) {
        // Up to the one that was there when it was asked.
        let mut lowest = NO_LIMIT;
        for limit in self.limits.iter().rev() {
            lowest = lowest.min(limit.lowest);
            if limit.step <= asked_at {
                break;
            }
        }
        let mut most = 0;
        for had in self.had.get(&person(email)).into_iter().flatten().rev() {
            most = most.max(had.most);
            if had.step <= asked_at {
                break;
            }
        }
        if !self.limits.is_empty() && most.saturating_add(wanted) <= lowest {
            let text = format!(
                "“more than the limit” for {wanted}, and {} had {most} at most of {lowest}",
                person(email)
            );
            story.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }

    /// After a restart: everything that was acknowledged must be there. `all` is what is read now.
    pub fn restarted(
        &mut self,
        story: &mut Story,
        at_ms: i64,
        now: TimeMs,
        all: Vec<Order>,
        events: Vec<Event>,
    ) {
        let there: BTreeSet<OrderId> = all.iter().map(|o| o.id).collect();
        let gone: Vec<OrderId> =
            self.orders.keys().filter(|id| !there.contains(id)).copied().collect();
        for id in gone {
            story.broken(
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
                story.broken(at_ms, Promise::NothingLost, Some(order.id), text);
            }
        }
        self.committed(story, at_ms, now, (all, events), Asked::default());
    }

    /// So many processes sell.
    pub fn processes(&mut self, processes: usize) {
        self.processes = processes as u32;
    }

    /// A process has started: it counts from zero. `now` is the clock of the database server.
    pub fn process_started(&mut self, now: Option<TimeMs>) {
        self.starts += 1;
        self.started_ms.extend(now);
    }

    // ---- what people are told

    /// Who has this name comes from this address.
    pub fn comes_from(&mut self, buyer: &str, network: IpAddr) {
        self.networks.insert(buyer.to_owned(), network);
    }

    /// Somebody at this address asks for so many places at most.
    pub fn asks_for(&mut self, network: IpAddr, places: u32) {
        *self.asked_for.entry(network).or_default() += places;
    }

    /// A hold was refused because of the budget of its address. That is wrong if all that it has ever
    /// asked for is within the least budget.
    pub fn refused_by_budget(&self, story: &mut Story, at_ms: i64, network: IpAddr) {
        let asked = self.asked_for.get(&network).copied().unwrap_or(0);
        if asked <= budget(0) {
            let text = format!("{network} asked for {asked} places at most and is over its budget");
            story.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }

    /// A buyer asks for an order (+1), or hears for certain that there is none (-1).
    pub fn may_have(&mut self, buyer: &str, more: i64) {
        *self.may_have.entry(buyer.to_owned()).or_default() += more;
    }

    /// A buyer tries to pay (+1), or is told that this was declined (-1).
    pub fn may_pay(&mut self, order: OrderId, more: i64) {
        *self.may_pay.entry(order).or_default() += more;
    }

    /// Somebody asks to give an order back, or its payment was cancelled by hand.
    pub fn cancel_asked(&mut self, id: OrderId) {
        self.told.entry(id).or_default().cancel_asked = true;
    }

    /// Somebody acts on its payment by hand.
    pub fn by_hand(&mut self, id: OrderId) {
        self.told.entry(id).or_default().by_hand = true;
    }

    /// A buyer was told that places are held.
    pub fn held(
        &mut self,
        story: &mut Story,
        at_ms: i64,
        key: Option<&str>,
        id: OrderId,
        until: TimeMs,
    ) {
        let mut broken = |promise, text: &str| story.broken(at_ms, promise, Some(id), text.into());
        if let Some(key) = key {
            let first = *self.keys.entry(key.to_owned()).or_insert(id);
            if first != id {
                broken(Promise::NoFalseAnswer, "another order under the same idempotency key");
            }
        }
        match self.orders.get(&id) {
            None => broken(Promise::NothingLost, "a hold was told and is not recorded"),
            Some(order) if order.state == OrderState::Held && order.until_ms < until => {
                broken(Promise::NoFalseAnswer, "the hold ends before the time that was told");
            }
            Some(_) => {}
        }
        self.told.entry(id).or_default().held_until = Some(until);
    }

    /// Somebody was shown an order: what is shown must have been so at some moment since the
    /// question.
    pub fn shown(
        &mut self,
        story: &mut Story,
        at_ms: i64,
        asked_at: u64,
        id: OrderId,
        state: &str,
        tickets: &[(String, bool)],
    ) {
        let states = self.states.get(&id).map_or(&[][..], Vec::as_slice);
        let mut since = states.iter().rev();
        let mut was = false;
        for (step, known) in since.by_ref() {
            was |= known.word() == state;
            if *step <= asked_at {
                break;
            }
        }
        let mut broken = |promise, text: String| story.broken(at_ms, promise, Some(id), text);
        if !was {
            broken(
                Promise::NoFalseAnswer,
                format!("it was shown as {state}, which it was not at that time: {states:?}"),
            );
        }
        let told = self.told.entry(id).or_default();
        if state == "paid" {
            told.paid = true;
        }
        for (code, valid) in tickets {
            if *valid {
                told.tickets.entry(code.clone()).or_insert(self.step);
            }
        }
        // What a buyer saw as theirs stays theirs, though it may be revoked.
        let mut seen = told.tickets.iter().filter(|(_, step)| **step < asked_at);
        if let Some((lost, _)) = seen.find(|(code, _)| !tickets.iter().any(|(c, _)| c == *code)) {
            broken(Promise::NothingLost, format!("ticket {lost} was shown and is gone"));
        }
    }

    /// A buyer was told that there are not enough places left: that must have been so at some
    /// moment between question and answer.
    pub fn refused(&mut self, story: &mut Story, at_ms: i64, asked_at: u64, wanted: u32) {
        if !self.some_moment(asked_at, |l| l.least < wanted) {
            let text = format!("“sold out” for {wanted}, and there were always enough left");
            story.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }

    /// A buyer was told that the sale is closed.
    pub fn refused_closed(&mut self, story: &mut Story, at_ms: i64, asked_at: u64) {
        if !self.some_moment(asked_at, |l| l.closed) {
            let text = "“not on sale”, and it was open all the time".to_owned();
            story.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }

    /// Somebody was shown the counts: they must have been so at some moment since `since_ms`.
    pub fn counts(&self, story: &mut Story, at_ms: i64, since_ms: i64, shown: (u32, u32, u32)) {
        let known = self.left.iter().rev();
        // The last one that began before is what was so at the beginning.
        let begun_before = known.clone().position(|l| l.at_ms <= since_ms);
        let mut known = known.take(begun_before.map_or(usize::MAX, |n| n + 1));
        if !self.left.is_empty() && !known.any(|l| (l.capacity, l.held, l.sold) == shown) {
            let (capacity, held, sold) = shown;
            let text =
                format!("the page said {held} held and {sold} sold of {capacity}, which never was");
            story.broken(at_ms, Promise::NoFalseAnswer, None, text);
        }
    }

    fn some_moment(&self, asked_at: u64, is: impl Fn(&Left) -> bool) -> bool {
        for left in self.left.iter().rev() {
            if is(left) {
                return true;
            }
            if left.step <= asked_at {
                return false;
            }
        }
        // Nothing is known from before the first commit.
        self.left.is_empty()
    }

    // ---- what the provider says

    /// The provider's ledger, each time that something was done there.
    pub fn ledger(&mut self, story: &mut Story, at_ms: i64, all: BTreeMap<OrderId, Moved>) {
        for (id, moved) in all {
            let before = self.moved.get(&id).cloned().unwrap_or_default();
            if before == moved {
                continue;
            }
            let by_hand = self.told.get(&id).is_some_and(|t| t.by_hand);
            let mut broken = |text: String| {
                story.broken(at_ms, Promise::MoneyIsTickets, Some(id), text);
            };
            let Some(order) = self.orders.get(&id) else {
                broken("money moved for an order that is not recorded".into());
                continue;
            };
            let total = order.total().minor;
            if moved.captured > total {
                broken(format!("{} was taken of {total}", moved.captured));
            }
            if moved.refunded > moved.captured {
                broken(format!("{} was given back of {}", moved.refunded, moved.captured));
            }
            if moved.captured > before.captured
                && !by_hand
                && !matches!(order.state, OrderState::Committed)
            {
                broken(format!("money was taken while the order is {:?}", order.state));
            }
            let given: i64 = order
                .refunds
                .iter()
                .filter(|r| !r.by_hand && !matches!(r.state, RefundState::Failed(_)))
                .map(|r| r.amount_minor)
                .sum();
            if !by_hand && moved.refunded > given {
                broken(format!("{} went back, {given} was to", moved.refunded));
            }
            story.tell(
                at_ms,
                Some(id),
                format!(
                    "the provider has taken {} and given back {}",
                    moved.captured, moved.refunded
                ),
            );
            self.moved.insert(id, moved);
        }
    }

    // ---- the end

    /// The refunds in the books are those that gave money back at the provider, one by one: none that
    /// failed, none that only set free what was never taken, and none is missing.
    fn given_back(&self, story: &mut Story, at_ms: i64, given: &[Given]) {
        let given: BTreeMap<&str, &Given> = given.iter().map(|g| (g.id.as_str(), g)).collect();
        let mut booked = BTreeSet::new();
        for order in self.orders.values() {
            for refund in &order.refunds {
                let RefundState::Succeeded(id) = &refund.state else { continue };
                let mut broken = |what: &str| {
                    let text = format!("{id} is a refund in the books, and {what}");
                    story.broken(at_ms, Promise::MoneyIsTickets, Some(order.id), text);
                };
                match given.get(id.as_str()) {
                    None if refund.amount_minor == 0 => {}
                    None => broken("the provider does not know it"),
                    Some(g) if g.failed => broken("it failed"),
                    Some(g) if g.release => broken("it only released what was never taken"),
                    Some(g) if g.amount != refund.amount_minor || g.order != Some(order.id) => {
                        broken("the provider says otherwise of it");
                    }
                    Some(_) => {}
                }
                booked.insert(id.as_str());
            }
        }
        let missing = given.values().filter(|g| !g.failed && !g.pending && !g.release);
        for g in missing.filter(|g| !booked.contains(g.id.as_str())) {
            let text = format!("{} of {} went back, and the books do not have it", g.id, g.amount);
            story.broken(at_ms, Promise::MoneyIsTickets, g.order, text);
        }
    }

    /// Whether somebody still owes something.
    pub fn owing(&self) -> Vec<OrderId> {
        let owing = self.orders.values().filter(|o| {
            o.due_ms.is_some()
                || !matches!(
                    o.state,
                    OrderState::Paid
                        | OrderState::Refunded
                        | OrderState::Released
                        | OrderState::Void
                )
        });
        owing.map(|o| o.id).collect()
    }

    /// Everything must be settled and balanced now.
    pub fn settled(
        &self,
        story: &mut Story,
        at_ms: i64,
        ledger: &BTreeMap<OrderId, Moved>,
        authorised: &[String],
        given: &[Given],
    ) {
        self.given_back(story, at_ms, given);
        for order in self.orders.values() {
            let id = order.id;
            let mut broken = |promise, text: String| story.broken(at_ms, promise, Some(id), text);
            match order.state {
                OrderState::Paid
                | OrderState::Refunded
                | OrderState::Released
                | OrderState::Void => {}
                state => broken(Promise::AllSettles, format!("it is still {state:?}")),
            }
            if order.due_ms.is_some() {
                broken(Promise::AllSettles, "something is still owed".into());
            }
            let moved = ledger.get(&id).cloned().unwrap_or_default();
            let kept = moved.captured - moved.refunded;
            let valid = order.tickets.iter().filter(|t| t.state == TicketState::Valid);
            let worth: i64 = valid.map(|t| order.lines[usize::from(t.line)].unit_minor).sum();
            let by_hand: i64 =
                order.refunds.iter().filter(|r| r.by_hand).map(|r| r.amount_minor).sum();
            // What a bank has sent back after it had taken it is here, and told; that the books call it so
            // is looked at above.
            if kept > worth + moved.failed {
                broken(
                    Promise::MoneyIsTickets,
                    format!("{kept} is kept, the tickets are worth {worth}"),
                );
            }
            if worth > kept + by_hand {
                broken(
                    Promise::MoneyIsTickets,
                    format!(
                        "the tickets are worth {worth}, {kept} is kept and {by_hand} went back by hand"
                    ),
                );
            }
            let told = self.told.get(&id).cloned().unwrap_or_default();
            if told.paid && !matches!(order.state, OrderState::Paid | OrderState::Refunded) {
                broken(
                    Promise::NothingLost,
                    format!("it was shown as paid and is {:?}", order.state),
                );
            }
        }
        for (id, moved) in ledger.iter().filter(|(_, moved)| moved.captured > 0) {
            let by_hand = self.told.get(id).is_some_and(|t| t.by_hand);
            if !by_hand && self.may_pay.get(id).is_some_and(|may| *may <= 0) {
                let text = format!(
                    "{} was taken, and each attempt to pay was said to be declined",
                    moved.captured
                );
                story.broken(at_ms, Promise::NoFalseAnswer, Some(*id), text);
            }
        }
        let mut has: BTreeMap<&str, i64> = BTreeMap::new();
        for order in self.orders.values() {
            *has.entry(order.buyer.name.as_str()).or_default() += 1;
        }
        for (buyer, has) in has {
            let may = self.may_have.get(buyer).copied().unwrap_or(0);
            if has > may {
                let text =
                    format!("{buyer} has {has} orders, and was told that there are {may} at most");
                story.broken(at_ms, Promise::NoFalseAnswer, None, text);
            }
        }
        for id in ledger.keys().filter(|id| !self.orders.contains_key(id)) {
            story.broken(
                at_ms,
                Promise::MoneyIsTickets,
                Some(*id),
                "money of an order that is not recorded".into(),
            );
        }
        if let Some(intent) = authorised.first() {
            story.broken(
                at_ms,
                Promise::AllSettles,
                None,
                format!("money is still set aside at {intent}"),
            );
        }
        for id in self.told.iter().filter(|(_, t)| t.held_until.is_some()).map(|(id, _)| id) {
            if !self.orders.contains_key(id) {
                story.broken(
                    at_ms,
                    Promise::NothingLost,
                    Some(*id),
                    "it was told and is gone".into(),
                );
            }
        }
    }
}
