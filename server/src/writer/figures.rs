//! How a sale goes, counted in the commit of what it counts ([`sale_figures`]). A batch that neither sells nor
//! refunds nor ends an attempt to pay writes nothing more.

use crate::store::records::RecordChange;
use crate::store::records::sale_figures::{self, Gathered, Seen, SeenRefund, Sums};
use boxoffice::{
    AttemptState, Change, Currency, EventId, Order, OrderId, RefundState, State, TimeMs,
};
use std::collections::BTreeMap;

/// Gathers the figures of a batch.
pub(super) struct Figures {
    at_ms: TimeMs,
    gathered: Gathered,
    tries: BTreeMap<(EventId, String), i64>,
    deleted: Vec<EventId>,
}

/// What the orders that a decision changes counted for before it.
pub(super) struct Before(Vec<(OrderId, EventId, Currency, BTreeMap<i64, Sums>)>);

/// What an order counts for.
fn counted(order: &Order) -> BTreeMap<i64, Sums> {
    let refunds = order.refunds.iter().filter(|r| !matches!(r.state, RefundState::Failed(_)));
    let refunds = refunds.map(|refund| SeenRefund {
        amount_minor: refund.amount_minor,
        quantities: refund.quantities.clone(),
        made: matches!(refund.state, RefundState::Succeeded(_)),
    });
    sale_figures::counted(&Seen::stored(order.state, &order.lines, refunds.collect()))
}

impl Figures {
    /// None yet. Of the batch that is decided at this time.
    pub(super) fn new(at_ms: TimeMs) -> Figures {
        Figures {
            at_ms,
            gathered: Gathered::default(),
            tries: BTreeMap::new(),
            deleted: Vec::new(),
        }
    }

    /// Looks at what a decision will change. `state` is as it was before.
    pub(super) fn before(&mut self, changes: &[Change], state: &State) -> Before {
        let mut before: Vec<(OrderId, EventId, Currency, BTreeMap<i64, Sums>)> = Vec::new();
        for change in changes {
            let id = match change {
                Change::OrderPlaced(order) => {
                    // What the organiser sells is placed and paid in one step.
                    let sold = |change: &Change| {
                        matches!(change, Change::OrderMoved { order: id, to }
                            if *id == order.id && to.state.sells())
                    };
                    if order.state.sells() || changes.iter().any(sold) {
                        before.push((order.id, order.event, order.currency, BTreeMap::new()));
                    }
                    continue;
                }
                Change::AttemptPut { order, attempt } => {
                    let known = state.orders.get(order);
                    let attempts = known.and_then(|o| o.payment.as_ref()).map(|p| &p.attempts);
                    let was =
                        attempts.and_then(|all| all.iter().find(|a| a.number == attempt.number));
                    let why = match &attempt.state {
                        AttemptState::Declined(why) => Some(why.as_str()),
                        AttemptState::Authorised => None,
                        _ => continue,
                    };
                    if let Some(order) = known
                        && was.is_none_or(|was| was.state != attempt.state)
                    {
                        let outcome = sale_figures::outcome(why);
                        *self.tries.entry((order.event, outcome)).or_default() += 1;
                    }
                    continue;
                }
                Change::EventDeleted { event } => {
                    self.deleted.push(*event);
                    continue;
                }
                Change::OrderMoved { order, .. }
                | Change::LinesPut { order, .. }
                | Change::RefundPut { order, .. }
                | Change::OrderForgotten { order, .. } => *order,
                _ => continue,
            };
            if let Some(order) = state.orders.get(&id)
                && !before.iter().any(|(known, ..)| *known == id)
            {
                before.push((id, order.event, order.currency, counted(order)));
            }
        }
        Before(before)
    }

    /// Counts what became of it. `state` is as it is after.
    pub(super) fn after(&mut self, before: Before, state: &State) {
        for (id, event, currency, was) in before.0 {
            let now = state.orders.get(&id).map(counted).unwrap_or_default();
            if now != was {
                let of = (event, self.at_ms, currency);
                self.gathered.add(of, &was, -1);
                self.gathered.add(of, &now, 1);
            }
        }
    }

    /// What is to be written.
    pub(super) fn write(self, records: &mut Vec<RecordChange>) {
        self.gathered.write(records);
        for event in self.deleted {
            records.extend(sale_figures::forget(event));
        }
        for ((event, outcome), number) in self.tries {
            records.push(sale_figures::add_try(event, self.at_ms, outcome, number));
        }
    }
}
