//! By which texts orders are found is changed in the commit in which a name or an address changes. What a new order
//! is found by is written later, beside the sale: see [`crate::store::records::order_search`].

use crate::search_text;
use crate::store::records::RecordChange;
use crate::store::records::order_search::changed;
use boxoffice::{Change, EventId, OrderId, State};
use std::collections::{BTreeMap, BTreeSet};

/// The orders in which a name or an address changes, and by what they are found before that.
pub(super) type FoundBy = BTreeMap<(EventId, OrderId), BTreeSet<String>>;

/// Of the changes of a decision, before they are made.
pub(super) fn before(changes: &[Change], state: &State) -> FoundBy {
    let mut found = FoundBy::new();
    for id in changes.iter().filter_map(|change| renamed(change, state)) {
        if let Some(order) = state.orders.get(&id) {
            found.entry((order.event, id)).or_insert_with(|| search_text::of(order));
        }
    }
    found
}

/// The order in which a change puts or takes away a name or an address.
fn renamed(change: &Change, state: &State) -> Option<OrderId> {
    match change {
        Change::EmailPut { order, .. }
        | Change::NamePut { order, .. }
        | Change::BuyerErased { order, .. }
        | Change::OrderForgotten { order, .. } => Some(*order),
        Change::TicketPut { order, ticket, .. } => {
            let known = state.orders.get(order)?;
            let known = known.tickets.iter().find(|known| known.serial == ticket.serial);
            let guest = known.and_then(|known| known.guest.as_ref());
            (guest != ticket.guest.as_ref()).then_some(*order)
        }
        Change::EventPut(_)
        | Change::EventDeleted { .. }
        | Change::Stock { .. }
        | Change::OrderPlaced(_)
        | Change::OrderMoved { .. }
        | Change::LinesPut { .. }
        | Change::PaymentPut { .. }
        | Change::AnswersPut { .. }
        | Change::MetadataPut { .. }
        | Change::AttemptPut { .. }
        | Change::RefundPut { .. }
        | Change::BuyerPut { .. } => None,
    }
}

/// Adds what the changes mean, after they are made.
pub(super) fn after(before: FoundBy, state: &State, records: &mut Vec<RecordChange>) {
    for ((event, id), before) in before {
        let after = state.orders.get(&id).map(search_text::of).unwrap_or_default();
        records.extend(changed(event, id, &before, &after));
    }
}
