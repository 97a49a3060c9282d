//! Another name for the buyer of an order: it was mistyped.
//!
//! The names of guests on its tickets stay as they are, and so do its tickets' codes: it is still the same
//! buyer. Where there is no e-mail address the name is what the buyer is told apart by, and what counts for the
//! old name counts for the new one from then on.

use super::address::moved;
use crate::draft::Draft;
use crate::text::check_name;
use crate::{Buyer, BuyerKey, Change, Decision, EventId, Order, OrderState, Refusal, State};

/// Corrects the name. `key` is what the new name is told apart by if there is no address.
pub(crate) fn rename(
    state: &State,
    order: &Order,
    event: EventId,
    name: &str,
    key: BuyerKey,
) -> Result<Decision, Refusal> {
    let of_event = state.events.get(&order.event).filter(|known| known.id == event);
    let of_event = of_event.ok_or(Refusal::UnknownOrder)?;
    check_name(name).map_err(Refusal::Invalid)?;
    if order.is_erased() {
        return Err(Refusal::BuyerErased);
    }
    if !matches!(order.state, OrderState::Paid | OrderState::Refunding) {
        return Err(Refusal::NoTickets(order.state));
    }
    if order.buyer.name == name {
        return Draft::default().reply_order(order);
    }
    let key = if order.buyer.email.is_empty() { key } else { order.buyer.key };
    let records = moved(state, of_event, order, key)?;

    // The point of no return.
    let mut draft = Draft::default();
    let buyer = Buyer { name: name.into(), key, ..order.buyer.clone() };
    draft.changes.push(Change::NamePut { order: order.id, event, buyer });
    for (buyer, record) in records {
        draft.changes.push(Change::BuyerPut { event, buyer, record });
    }
    draft.reply_order(order)
}
