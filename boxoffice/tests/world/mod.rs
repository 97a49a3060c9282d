//! A box office in memory for tests: it loads for each command only what the command names, as a
//! store does, records what was decided, and checks after each step what must always be true.

use boxoffice::{
    AttemptState, Buyer, BuyerKey, BuyerRecord, Change, Command, Counter, CounterKind, Decision,
    Effect, Event, EventId, Keys, Order, OrderId, OrderState, Refund, RefundState, Refusal, State,
    Tender, TicketState, TimeMs, decide,
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that was ever recorded.
#[derive(Default)]
pub struct World {
    /// All of it.
    pub state: State,
    /// The orders of which a person was told that money and tickets do not agree: somebody gave
    /// money back by hand.
    pub told: BTreeSet<OrderId>,
}

impl World {
    /// Decides a command on the slice that it names, records it and checks everything.
    pub fn step(&mut self, command: &Command, now: TimeMs) -> Result<Decision, Refusal> {
        let before = self.state.clone();
        let decision = decide(&self.slice(command), command, now)?;
        for change in &decision.changes {
            self.state.apply(change);
        }
        for alarm in &decision.alarms {
            let disagree = ["no ticket was revoked", "stay revoked", "neither ticket nor money"];
            if disagree.iter().any(|words| alarm.text.contains(words)) {
                self.told.insert(alarm.order);
            }
        }
        self.check();
        check_counts(&before, &self.state, &decision);
        check_step(&before, &self.state, &decision, now);
        Ok(decision)
    }

    fn slice(&self, command: &Command) -> State {
        let mut keys = Keys::default();
        command.add_keys(&mut keys);
        self.load(keys)
    }

    /// What a store loads for some keys: what is named and not one row more.
    pub fn load(&self, keys: Keys) -> State {
        let all = &self.state;
        let mut slice = State { most_counted: all.most_counted, ..State::default() };
        let mut events: BTreeSet<EventId> = keys.events.into_iter().collect();
        let mut buyers: BTreeSet<_> = keys.buyers.into_iter().collect();
        for id in keys.orders {
            if let Some(order) = all.orders.get(&id) {
                events.insert(order.event);
                buyers.insert((order.event, order.buyer.key));
                slice.orders.insert(id, order.clone());
            }
        }
        for id in keys.ordered.iter().filter_map(|slug| all.slugs.get(slug)) {
            if all.orders.values().any(|order| order.event == *id) {
                slice.ordered.insert(*id);
            }
        }
        for slug in keys.slugs {
            if let Some(id) = all.slugs.get(&slug) {
                events.insert(*id);
            }
        }
        for id in events {
            if let Some(event) = all.events.get(&id) {
                slice.slugs.insert(event.spec.slug.clone(), id);
                slice.events.insert(id, event.clone());
            }
        }
        for key in buyers {
            let limited =
                slice.events.get(&key.0).is_some_and(|e| e.spec.limit_per_buyer.is_some());
            if limited && let Some(record) = self.record(key.0, key.1) {
                slice.buyers.insert(key, record);
            }
        }
        slice
    }

    /// Everything that must be true at every moment.
    pub fn check(&self) {
        for event in self.state.events.values() {
            check_event(event, &self.state);
        }
        for order in self.state.orders.values() {
            check_order(order);
            check_balance(order, self.told.contains(&order.id));
        }
    }

    /// What a buyer has of an event, by the orders.
    pub fn record(&self, event: EventId, buyer: BuyerKey) -> Option<BuyerRecord> {
        let orders = self.state.orders.values();
        let mine = orders.filter(|o| o.event == event && o.buyer.key == buyer && has(o) > 0);
        let latest = mine.clone().max_by_key(|o| (o.placed_ms, o.id))?;
        Some(BuyerRecord { places: mine.map(has).sum(), order: latest.id })
    }
}

/// How many places of an order count for its buyer.
fn has(order: &Order) -> u32 {
    if !order.state.holds() && !order.state.sells() {
        return 0;
    }
    // What is being refunded counts until the money is back.
    let pending = order.refunds.iter().filter(|r| !r.by_hand && r.state == RefundState::Pending);
    let pending: u32 = pending.flat_map(|r| &r.quantities).sum();
    order.lines.iter().map(|l| l.quantity - l.refunded).sum::<u32>() + pending
}

/// What buyers of events with a limit have; nobody who has nothing.
fn counts(state: &State) -> BTreeMap<(EventId, BuyerKey), u32> {
    let mut counts = BTreeMap::new();
    let limited = |o: &&Order| state.events[&o.event].spec.limit_per_buyer.is_some();
    for order in state.orders.values().filter(limited) {
        assert_eq!(order.counted(), has(order), "{:?}", order.id);
        *counts.entry((order.event, order.buyer.key)).or_default() += has(order);
    }
    counts.retain(|_, places| *places > 0);
    counts
}

/// Whoever keeps the counts is told of each that changes, and what it is then: an event that gets or
/// loses its limit aside, for then they are counted anew.
fn check_counts(before: &State, after: &State, decision: &Decision) {
    let (old, new) = (counts(before), counts(after));
    let told: BTreeMap<_, _> = decision
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::BuyerPut { event, buyer, record } => Some(((*event, *buyer), record.places)),
            _ => None,
        })
        .collect();
    for (key, places) in &told {
        assert_eq!(new.get(key).copied().unwrap_or(0), *places, "what {key:?} has");
    }
    if decision.changes.iter().any(|change| matches!(change, Change::EventPut(_))) {
        return;
    }
    for key in old.keys().chain(new.keys()).filter(|key| old.get(key) != new.get(key)) {
        assert!(told.contains_key(key), "nobody is told that {key:?} has {:?}", new.get(key));
    }
}

/// The counters are the sums over the orders, nothing is oversold, and serials have no gap.
fn check_event(event: &Event, state: &State) {
    let slug = &event.spec.slug;
    let orders = || state.orders.values().filter(|o| o.event == event.id);
    for (index, pool) in event.stocks() {
        let (mut held, mut sold) = (0, 0);
        for order in orders() {
            // What counts a line, said once more.
            let counts = |l: &&boxoffice::Line| {
                let extra = [l.extra.type_counter, l.extra.phase, l.extra.code];
                l.pool == index || extra.contains(&Some(index))
            };
            for line in order.lines.iter().filter(counts) {
                match order.state {
                    OrderState::Held | OrderState::Paying | OrderState::Canceling => {
                        held += line.quantity;
                    }
                    OrderState::Committed
                    | OrderState::Paid
                    | OrderState::Refunding
                    | OrderState::Refunded => sold += line.quantity - line.restocked,
                    OrderState::Released | OrderState::Void => {}
                }
            }
        }
        let counters = (pool.held, pool.sold);
        assert_eq!(counters, (held, sold), "{slug}: held and sold of pool {}", pool.name);
        assert!(held + sold <= pool.capacity, "{slug}: pool {} is oversold", pool.name);
    }
    check_rules(event);
    let mut serials: Vec<u32> = orders().flat_map(|o| &o.tickets).map(|t| t.serial).collect();
    serials.sort_unstable();
    let expected: Vec<u32> = (1..=event.serials).collect();
    assert_eq!(serials, expected, "{slug}: each serial exists once, from 1, without gaps");
}

/// What the organiser said last is kept of each counter, unless more was taken by then: then nothing more is
/// sold.
fn check_rules(event: &Event) {
    let slug = &event.spec.slug;
    let said = |counter: &Counter| match counter.kind {
        CounterKind::Type => {
            let t = event.spec.ticket_types.iter().find(|t| t.id == counter.count.name)?;
            t.rules.capacity
        }
        CounterKind::Phase => {
            let (id, name) = counter.count.name.split_once('\n').unwrap();
            let t = event.spec.ticket_types.iter().find(|t| t.id == id)?;
            t.rules.phases.iter().find(|phase| phase.name == name)?.capacity
        }
        CounterKind::Code => {
            let code = event.spec.codes.iter().find(|code| code.code == counter.count.name)?;
            Some(code.uses)
        }
    };
    for counter in &event.counters {
        let (count, name) = (&counter.count, &counter.count.name);
        assert!(count.held + count.sold <= count.capacity, "{slug}: {name:?} is exceeded");
        if let Some(said) = said(counter) {
            assert!(said <= count.capacity, "{slug}: {name:?} may count what was said");
        }
    }
}

fn check_order(order: &Order) {
    let id = order.id;
    let state = order.state;

    // Who owes something is looked after; who owes nothing is left alone.
    let restless = matches!(
        state,
        OrderState::Held
            | OrderState::Paying
            | OrderState::Canceling
            | OrderState::Committed
            | OrderState::Refunding
    );
    let pending = order.refunds.iter().filter(|r| r.state == RefundState::Pending).count();
    if restless || pending > 0 {
        assert!(order.due_ms.is_some(), "{id:?} is {state:?} and nobody looks after it");
    } else if state.sells() {
        assert_eq!(order.due_ms, None, "{id:?} is {state:?} and owes nothing");
    }

    // Payment and attempts.
    let intent = order.payment.as_ref().and_then(|p| p.intent.as_ref());
    match state {
        OrderState::Held => assert!(order.payment.is_none(), "{id:?}: held, with a payment"),
        OrderState::Paying => assert!(order.payment.is_some(), "{id:?}: paying without a payment"),
        OrderState::Canceling | OrderState::Committed | OrderState::Void => {
            assert!(intent.is_some(), "{id:?}: {state:?} without a PaymentIntent");
        }
        _ => {}
    }
    if order.tender.is_offline() {
        assert!(
            order.payment.is_none(),
            "{id:?}: a provider has to do with what the organiser sold"
        );
        assert!(state.sells(), "{id:?}: what the organiser sold is paid at once");
        assert_eq!(order.due_ms, None, "{id:?}: the organiser sold it, and something is owed");
        let free = order.tender != Tender::Free || order.total().minor == 0;
        assert!(free, "{id:?}: given away, at a price");
    } else if state.sells() && order.total().minor > 0 {
        assert!(intent.is_some(), "{id:?}: {state:?}, not free, and without a PaymentIntent");
    }
    if let Some(payment) = &order.payment {
        for (i, attempt) in payment.attempts.iter().enumerate() {
            assert_eq!(usize::from(attempt.number), i + 1, "{id:?}: attempts count from 1");
            let open = matches!(attempt.state, AttemptState::Pending | AttemptState::Action);
            assert!(open || attempt.token.is_empty(), "{id:?}: a token outlives its attempt");
            if open {
                assert_eq!(i + 1, payment.attempts.len(), "{id:?}: only the last can be open");
                let may_be = state == OrderState::Paying;
                assert!(may_be, "{id:?}: {state:?} with an attempt that nobody will decide");
            }
        }
    }

    // Tickets: one for each place of who has paid, and valid as long as it is not refunded.
    let issued = matches!(state, OrderState::Paid | OrderState::Refunding | OrderState::Refunded);
    for (index, line) in order.lines.iter().enumerate() {
        let of_line = || order.tickets.iter().filter(|t| usize::from(t.line) == index);
        let valid = of_line().filter(|t| t.state == TicketState::Valid).count();
        let (all, good) =
            if issued { (line.quantity, line.quantity - line.refunded) } else { (0, 0) };
        assert_eq!(of_line().count(), all as usize, "{id:?}: tickets of line {index}");
        assert_eq!(valid, good as usize, "{id:?}: valid tickets of line {index}");
    }

    // Refunds: never more than was sold, never two at a time.
    assert!(pending <= 1, "{id:?}: two refunds at a time");
    let ours = || order.refunds.iter().filter(|r| !r.by_hand);
    for by_hand in order.refunds.iter().filter(|r| r.by_hand) {
        assert!(by_hand.amount_minor > 0 && !by_hand.restock, "{id:?}: by hand");
        assert_ne!(by_hand.state, RefundState::Pending, "{id:?}: by hand, and owed by us");
    }
    if state.sells() {
        let again = state == OrderState::Refunded && pending == 1;
        assert_eq!(state == OrderState::Refunding || again, pending == 1, "{id:?}: {state:?}");
        for (index, line) in order.lines.iter().enumerate() {
            // What a refund revoked that was done stays revoked, even if it failed later.
            let alive =
                |r: &&Refund| r.failed_later() || !matches!(r.state, RefundState::Failed(_));
            let refunded: u32 =
                order.refunds.iter().filter(alive).map(|r| r.quantities[index]).sum();
            let done =
                |r: &&Refund| r.failed_later() || matches!(r.state, RefundState::Succeeded(_));
            let put_back = order.refunds.iter().filter(done).filter(|r| r.restock);
            let put_back = put_back.map(|r| r.quantities[index]);
            assert_eq!(line.refunded, refunded, "{id:?}: refunded of line {index}");
            assert_eq!(line.restocked, put_back.sum::<u32>(), "{id:?}: put back of line {index}");
            assert!(line.restocked <= line.refunded && line.refunded <= line.quantity);
        }
        for refund in ours() {
            let sum = |(l, q): (&boxoffice::Line, &u32)| l.unit_minor * i64::from(*q);
            let worth: i64 = order.lines.iter().zip(&refund.quantities).map(sum).sum();
            let by_hand = order.refunds.iter().any(|r| r.by_hand);
            let again = order.refunds.iter().any(Refund::failed_later);
            // Of what went back beside the tickets no ticket's refund has anything.
            let beside = order.refunds.iter().any(|r| r.of_amount);
            let right = refund.amount_minor == worth
                || (by_hand || beside) && refund.amount_minor < worth
                || refund.of_amount
                || again && refund.amount_minor > worth
                // Refused, and made all the same: it took no tickets.
                || refund.quantities.iter().all(|q| *q == 0);
            assert!(right, "{id:?}: a refund is worth its places");
        }
        let back: i64 = ours().map(Refund::given_minor).sum();
        assert!(back <= order.total().minor, "{id:?}: more refunded than was paid");
        let whole = order.lines.iter().all(|l| l.refunded == l.quantity);
        let refunded = whole && state != OrderState::Refunding;
        assert_eq!(state == OrderState::Refunded, refunded, "{id:?}: {state:?}");
    } else {
        // The first of ours is for all that was received and is still here.
        let first = order.refunds.iter().position(|r| !r.by_hand).map_or(0, |at| at + 1);
        let received: i64 = order.refunds[..first].iter().map(|r| r.amount_minor).sum();
        let back: i64 = ours().map(Refund::given_minor).sum();
        assert!(back <= received, "{id:?}: never sold, and refunded twice");
        let under_way = ours().filter(|r| r.state == RefundState::Pending).count();
        assert!(under_way <= 1, "{id:?}: two refunds under way");
        assert!(ours().all(|r| r.amount_minor > 0), "{id:?}: a refund of nothing");
        assert!(order.lines.iter().all(|l| l.refunded == 0 && l.restocked == 0));
    }
}

/// What is kept of an order's money is the price of its valid tickets, once nothing is under way;
/// and where all of the money is gone, so are the tickets that cost some. Before that it was read
/// that just its price was taken.
fn check_balance(order: &Order, told: bool) {
    if !matches!(order.state, OrderState::Paid | OrderState::Refunded) {
        return;
    }
    // A lying provider gives back more than it took.
    let kept = (order.total().minor - order.refunded().minor).max(0);
    let valid = order.tickets.iter().filter(|t| t.state == TicketState::Valid);
    let worth: i64 = valid.map(|t| order.lines[usize::from(t.line)].unit_minor).sum();
    let id = order.id;
    assert!(kept > 0 || worth == 0, "{id:?}: {kept} kept, and there are tickets for {worth}");
    // What was given back beside tickets that are still valid.
    let beside =
        order.refunds.iter().filter(|r| r.of_amount && r.quantities.iter().all(|q| *q == 0));
    let beside: i64 = beside.map(Refund::given_minor).sum();
    let right = kept == (worth - beside).max(0);
    assert!(told || right, "{id:?}: {kept} kept for {worth} less {beside}, and nobody was told");
}

/// What a step may not do, whatever the step.
fn check_step(before: &State, after: &State, decision: &Decision, now: TimeMs) {
    for (id, old) in &before.orders {
        let Some(new) = after.orders.get(id) else {
            let forgotten = Change::OrderForgotten { order: *id, event: old.event };
            assert!(decision.changes.contains(&forgotten), "{id:?} is gone");
            continue;
        };
        let other = |change: &&Change| {
            let of = matches!(change, Change::EmailPut { order, .. } if order == id);
            of && decision.changes.len() <= 3
        };
        let renamed = |c: &Change| matches!(c, Change::NamePut { order, .. } if order == id);
        if old.buyer != new.buyer && decision.changes.iter().any(renamed) {
            assert_eq!(old.buyer.email, new.buyer.email, "{id:?}: only the name is another");
            let same = old.buyer.key == new.buyer.key || old.buyer.email.is_empty();
            assert!(same && !old.is_erased(), "{id:?}: the same buyer");
            let rest = Order { buyer: old.buyer.clone(), ..new.clone() };
            assert_eq!(*old, rest, "{id:?}: nothing but its name changes");
        } else if old.buyer != new.buyer && decision.changes.iter().any(|change| other(&change)) {
            assert_eq!(old.buyer.name, new.buyer.name, "{id:?}: only the address is another");
            assert!(!new.buyer.email.is_empty() && !old.is_erased(), "{id:?}");
            let rest = Order { buyer: old.buyer.clone(), ..new.clone() };
            assert_eq!(*old, rest, "{id:?}: nothing but its address changes");
        } else if old.buyer != new.buyer {
            let erased = Change::BuyerErased { order: *id, event: old.event };
            assert!(decision.changes.contains(&erased), "{id:?} has another buyer");
            assert_eq!(new.buyer, Buyer::erased(*id));
            assert!(new.needs_buyer().is_none(), "{id:?} still needs its buyer");
            assert!(new.tickets.iter().all(|t| t.guest.is_none()), "{id:?}: a name is left");
            assert!(new.answers.is_empty(), "{id:?}: an answer is left");
            assert!(new.metadata.is_empty(), "{id:?}: metadata is left");
            let (buyer, answers) = (old.buyer.clone(), old.answers.clone());
            let metadata = old.metadata.clone();
            let mut rest = Order { buyer, answers, metadata, ..new.clone() };
            for (ticket, old) in rest.tickets.iter_mut().zip(&old.tickets) {
                ticket.guest.clone_from(&old.guest);
            }
            assert_eq!(*old, rest, "{id:?}: nothing but its buyer and its guests is erased");
        }
        let answered = |c: &Change| matches!(c, Change::AnswersPut { order, .. } if order == id);
        if old.answers != new.answers && old.buyer == new.buyer {
            assert!(decision.changes.iter().any(answered), "{id:?}: nobody answered");
            let rest = Order { answers: old.answers.clone(), ..new.clone() };
            assert_eq!(*old, rest, "{id:?}: nothing but its answers changes");
        }
        let put = |c: &Change| matches!(c, Change::MetadataPut { order, .. } if order == id);
        if old.metadata != new.metadata && old.buyer == new.buyer {
            assert!(decision.changes.iter().any(put), "{id:?}: nobody put metadata");
            let rest = Order { metadata: old.metadata.clone(), ..new.clone() };
            assert_eq!(*old, rest, "{id:?}: nothing but its metadata changes");
        }
        assert_eq!((old.tender, &old.reference), (new.tender, &new.reference), "{id:?} is paid");
        let event = &old.event;
        assert_eq!(old.currency, new.currency, "the currency is frozen");
        assert_eq!(old.lines.len(), new.lines.len(), "the lines are frozen");
        for (old, new) in old.lines.iter().zip(&new.lines) {
            let frozen = |l: &boxoffice::Line| (l.ticket_type, l.pool, l.quantity, l.unit_minor);
            assert_eq!(frozen(old), frozen(new), "a line is frozen");
            let sold = |state: &State, event, line: &boxoffice::Line| {
                let event: &Event = &state.events[&event];
                let t = &event.ticket_types[usize::from(line.ticket_type)];
                (t.id.clone(), t.name.clone())
            };
            let (was, is) = (sold(before, *event, old), sold(after, *event, new));
            assert_eq!(was, is, "what was sold stays as it was sold");
            assert!(old.restocked <= new.restocked, "a place is put back for good");
        }
        assert!(old.tickets.len() <= new.tickets.len(), "a ticket is never forgotten");
        for (was, is) in old.tickets.iter().zip(&new.tickets) {
            assert_eq!((was.serial, was.line), (is.serial, is.line), "a ticket keeps its number");
            let named = is.guest.is_some() && was.guest != is.guest;
            assert_eq!(
                is.revision,
                was.revision + u16::from(named),
                "{id:?}: one name, one revision"
            );
        }
        for refund in &new.refunds {
            let Some(old) = old.refunds.iter().find(|r| r.id == refund.id) else { continue };
            let places = |r: &Refund| r.quantities.iter().sum::<u32>();
            // Only money of which nobody had said for which tickets takes tickets later.
            let open = refund.given_minor() > 0 && (refund.by_hand || places(old) == 0);
            assert!(open || places(refund) <= places(old), "{id:?}: what a refund took");
        }
        let intent = |o: &Order| o.payment.as_ref().and_then(|p| p.intent.clone());
        assert!(intent(old).is_none() || intent(old) == intent(new), "one PaymentIntent for ever");
    }
    for change in &decision.changes {
        if let Change::Stock { event, pool, held, sold } = change {
            assert!((*held, *sold) != (0, 0), "{event:?}: nothing is moved of pool {pool}");
        }
    }
    for (id, new) in &after.orders {
        let old = before.orders.get(id);
        let begins = old.is_none_or(|old| (old.due_ms, old.state) != (new.due_ms, new.state));
        if begins && new.due_ms == Some(now) {
            let rung = decision.effects.contains(&Effect::Settle(*id));
            assert!(rung, "{id:?}: something is owed at once, and nobody is told");
        }
    }
    for effect in &decision.effects {
        let Effect::Settle(id) = effect;
        let due = after.orders[id].due_ms;
        assert!(due.is_some_and(|due| due <= now), "{id:?}: an effect that the order does not owe");
    }
    for alarm in &decision.alarms {
        let trouble = after.orders[&alarm.order].trouble.as_deref().unwrap_or_default();
        assert!(trouble.contains(&alarm.text), "an alarm is kept with its order");
    }
}
