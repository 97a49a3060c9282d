//! What a batch has done that people who run the box office read in the log: sales, refunds, events.
//!
//! No personal data: only ids, amounts and names of events.

use crate::actor::Actor;
use boxoffice::{Change, Decision, EventId, Money, Order, OrderId, OrderState, RefundState, State};

/// One of these.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// An event was created or changed.
    EventPut {
        /// Which.
        event: EventId,
        /// Whether it is new.
        created: bool,
        /// By whom.
        actor: Actor,
    },
    /// An order is paid, and its tickets are issued.
    Paid {
        /// Which.
        order: OrderId,
        /// Of which event.
        event: EventId,
        /// How much it cost.
        amount: Money,
    },
    /// A refund was asked for, made, or could not be made.
    Refund {
        /// Of which order.
        order: OrderId,
        /// Of which event.
        event: EventId,
        /// How much.
        amount: Money,
        /// How far it is.
        step: Step,
    },
}

/// How far a refund is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It is recorded, and the payment provider is asked for it.
    Requested,
    /// The payment provider has made it.
    Made,
    /// The payment provider could not make it.
    Failed,
}

/// Adds what a decision does; `state` is as it was before.
pub(super) fn gather(actor: Actor, decision: &Decision, state: &State, news: &mut Vec<News>) {
    for change in &decision.changes {
        match change {
            Change::EventPut(event) => {
                // The same put again is no news, nor are tickets that were issued.
                let known = state.events.get(&event.id);
                if known.is_none_or(|known| known.spec != event.spec) {
                    let created = known.is_none();
                    news.push(News::EventPut { event: event.id, created, actor });
                }
            }
            Change::OrderMoved { order, to } if to.state == OrderState::Paid => {
                // After a partial refund it is paid again, which is no sale.
                let sold =
                    |o: &&Order| !matches!(o.state, OrderState::Paid | OrderState::Refunding);
                // What the organiser sells is placed and paid in one step.
                let placed = decision.changes.iter().find_map(|c| match c {
                    Change::OrderPlaced(placed) if placed.id == *order => Some(&**placed),
                    _ => None,
                });
                if let Some(o) = state.orders.get(order).or(placed).filter(sold) {
                    news.push(News::Paid { order: *order, event: o.event, amount: o.total() });
                }
            }
            Change::RefundPut { order, refund } => {
                let Some(o) = state.orders.get(order) else { continue };
                let step = match &refund.state {
                    RefundState::Pending => Step::Requested,
                    RefundState::Succeeded(_) => Step::Made,
                    RefundState::Failed(_) => Step::Failed,
                };
                let known = o.refunds.iter().find(|known| known.id == refund.id);
                if known.is_some_and(|known| known.state == refund.state) {
                    continue;
                }
                let amount = Money { minor: refund.amount_minor, currency: o.currency };
                news.push(News::Refund { order: *order, event: o.event, amount, step });
            }
            _ => {}
        }
    }
}
