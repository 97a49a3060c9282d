//! The slice of the world that some decisions need, and how changes act on it.

use crate::{
    Buyer, BuyerKey, BuyerRecord, Change, Event, EventId, Line, Metadata, Order, OrderId,
    OrderState, TimeMs,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

/// What was loaded for a batch of commands. What is asked for and absent does not exist.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Events by id.
    pub events: BTreeMap<EventId, Event>,
    /// The ids of events by slug.
    pub slugs: BTreeMap<String, EventId>,
    /// Those of the events in [`Keys::ordered`](crate::Keys::ordered) that have orders, in whatever state.
    pub ordered: BTreeSet<EventId>,
    /// Orders by id.
    pub orders: BTreeMap<OrderId, Order>,
    /// What buyers have of events that limit buyers.
    pub buyers: BTreeMap<(EventId, BuyerKey), BuyerRecord>,
    /// An event of which more places than this are taken gets no limit per buyer any more: the
    /// store would take too long to count what its buyers have. `None`: it counts them all.
    pub most_counted: Option<u32>,
}

impl State {
    /// Makes a change visible to the decisions that follow. Panics on a change that cannot be:
    /// that is a bug, and nothing of the batch may be recorded then.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::EventPut(event) => {
                self.slugs.insert(event.spec.slug.clone(), event.id);
                self.events.insert(event.id, (**event).clone());
            }
            Change::EventDeleted { event } => {
                let gone = self.events.remove(event).expect("a loaded event is deleted");
                self.slugs.remove(&gone.spec.slug);
            }
            Change::Stock { event, pool, held, sold } => {
                let event = self.events.get_mut(event).expect("stock of a loaded event");
                event.stock_mut(*pool).shift(*held, *sold);
            }
            Change::OrderPlaced(order) => {
                let twice = self.orders.insert(order.id, (**order).clone());
                assert!(twice.is_none(), "an order is placed once");
            }
            Change::OrderMoved { order, to } => {
                let order = self.order_mut(*order);
                assert!(
                    order.state == to.state || may_move(order.state, to.state),
                    "no arrow leads from {:?} to {:?}",
                    order.state,
                    to.state
                );
                order.state = to.state;
                order.until_ms = to.until_ms;
                order.due_ms = to.due_ms;
                order.tries = to.tries;
                order.trouble.clone_from(&to.trouble);
            }
            Change::LinesPut { order, lines } => {
                let order = self.order_mut(*order);
                assert_eq!(order.lines.len(), lines.len(), "lines are never added or removed");
                let fits = |l: &Line| l.restocked <= l.refunded && l.refunded <= l.quantity;
                assert!(lines.iter().all(fits), "no more is refunded than was bought");
                order.lines.clone_from(lines);
            }
            Change::PaymentPut { order, payment } => {
                let order = self.order_mut(*order);
                let attempts = order.payment.take().map(|p| {
                    assert_eq!(p.id, payment.id, "an order has one payment");
                    p.attempts
                });
                let mut payment = payment.clone();
                payment.attempts = attempts.unwrap_or_default();
                order.payment = Some(payment);
            }
            Change::AttemptPut { order, attempt } => {
                let payment = self.order_mut(*order).payment.as_mut();
                let attempts = &mut payment.expect("an attempt of a payment").attempts;
                match attempts.iter_mut().find(|a| a.number == attempt.number) {
                    Some(known) => known.clone_from(attempt),
                    None => {
                        let next = attempts.len() + 1;
                        assert_eq!(usize::from(attempt.number), next, "attempts are counted");
                        attempts.push(attempt.clone());
                    }
                }
            }
            Change::RefundPut { order, refund } => {
                assert!(refund.amount_minor >= 0, "a refund takes no money");
                let refunds = &mut self.order_mut(*order).refunds;
                match refunds.iter_mut().find(|r| r.id == refund.id) {
                    Some(known) => known.clone_from(refund),
                    None => refunds.push(refund.clone()),
                }
            }
            Change::TicketPut { order, event, ticket } => {
                let event = self.events.get_mut(event).expect("tickets of a loaded event");
                event.serials = event.serials.max(ticket.serial);
                let tickets = &mut self.order_mut(*order).tickets;
                match tickets.iter_mut().find(|t| t.serial == ticket.serial) {
                    Some(known) => known.clone_from(ticket),
                    None => {
                        assert!(ticket.serial > 0, "serials begin at 1");
                        tickets.push(ticket.clone());
                    }
                }
            }
            Change::EmailPut { order, buyer, .. } => {
                let order = self.order_mut(*order);
                let tickets = matches!(order.state, OrderState::Paid | OrderState::Refunding);
                assert!(tickets && !order.is_erased(), "{:?} keeps its address", order.state);
                assert_eq!(order.buyer.name, buyer.name, "only the address changes");
                order.buyer.clone_from(buyer);
            }
            Change::NamePut { order, buyer, .. } => {
                let order = self.order_mut(*order);
                let tickets = matches!(order.state, OrderState::Paid | OrderState::Refunding);
                assert!(tickets && !order.is_erased(), "{:?} keeps its name", order.state);
                assert_eq!(order.buyer.email, buyer.email, "only the name changes");
                order.buyer.clone_from(buyer);
            }
            Change::AnswersPut { order, answers, .. } => {
                let order = self.order_mut(*order);
                assert!(!order.is_erased(), "who was erased answers nothing");
                order.answers.clone_from(answers);
            }
            Change::MetadataPut { order, metadata, .. } => {
                let order = self.order_mut(*order);
                assert!(!order.is_erased(), "nothing is kept of who was erased");
                order.metadata.clone_from(metadata);
            }
            Change::BuyerErased { order, .. } => {
                let order = self.order_mut(*order);
                assert!(order.needs_buyer().is_none(), "{:?} needs its buyer", order.state);
                order.buyer = Buyer::erased(order.id);
                order.tickets.iter_mut().for_each(|ticket| ticket.guest = None);
                order.answers.clear();
                order.metadata = Metadata::default();
            }
            Change::OrderForgotten { order, .. } => {
                self.orders.remove(order);
            }
            Change::BuyerPut { event, buyer, record } => {
                self.buyers.insert((*event, *buyer), *record);
            }
        }
    }

    /// The part of it that is about some orders of an event and all that is known of its buyers.
    pub(crate) fn clone_for(&self, event: EventId, orders: &[OrderId]) -> State {
        let mut part = State::default();
        part.events.extend(self.events.get(&event).map(|known| (event, known.clone())));
        let known = |id: &OrderId| Some((*id, self.orders.get(id)?.clone()));
        part.orders.extend(orders.iter().filter_map(known));
        let keys = part.orders.values().map(|order| order.buyer.key);
        let keys = keys.chain(orders.iter().map(|id| BuyerKey::of_erased(*id)));
        let record = |key| Some(((event, key), *self.buyers.get(&(event, key))?));
        part.buyers = keys.filter_map(record).collect();
        part
    }

    fn order_mut(&mut self, id: OrderId) -> &mut Order {
        self.orders.get_mut(&id).expect("a change to a loaded order")
    }
}

/// The arrows of [`crate::order`], once more: asserted where they are applied.
fn may_move(from: OrderState, to: OrderState) -> bool {
    use OrderState::*;
    matches!(
        (from, to),
        (Held, Paying | Released | Paid)
            | (Paying, Committed | Canceling | Released | Paid)
            | (Canceling, Released | Paid)
            | (Committed, Paid | Void)
            | (Paid, Refunding | Refunded)
            | (Refunding, Paid | Refunded)
    )
}

/// So many times a refund is tried under one idempotency key: a provider repeats a failure for as
/// long as it knows the key.
pub const REFUND_TRIES: u32 = 6;
/// So long it then waits before it takes another key, in milliseconds: longer than any call can be
/// under way. What is still under way when the new key is used would be a second refund.
pub const REFUND_PAUSE_MS: i64 = 10 * 60_000;

/// After so many tries in vain a person is told.
pub(crate) const STUCK_TRIES: u32 = 10;
/// After so many already if the attempt to pay was begun [`SLOW_TRIES_MS`] ago.
pub(crate) const SLOW_TRIES: u32 = 6;
/// See [`SLOW_TRIES`], in milliseconds.
pub(crate) const SLOW_TRIES_MS: i64 = 5 * 60_000;

/// How long the waits between so many tries took at least, in milliseconds.
pub fn tried_for_ms(tries: u32) -> i64 {
    let waits = (0..tries.saturating_sub(1).min(8)).map(|tries| retry_ms(0, tries)).sum::<i64>();
    waits + i64::from(tries.saturating_sub(9)) * retry_ms(0, 8)
}

/// When to try again after `tries` failures in a row: a quarter of a second, doubled each time, a
/// minute at most.
pub(crate) fn retry_ms(now: TimeMs, tries: u32) -> TimeMs {
    now + (250i64 << tries.min(8)).min(60_000)
}
