//! Forgetting orders that came to nothing.

use crate::draft::Draft;
use crate::{Change, Order, OrderState, State, TimeMs};
use crate::{Decision, Refusal};

/// Removes an order that gave its places back before any money moved, and that was placed before
/// `placed_before_ms`. Whatever a person or the audit may still want to know of stays: money that was ever
/// taken or given back, a dispute, an order with a note, and the last order of a buyer who has places.
pub(crate) fn forget(
    state: &State,
    order: &Order,
    placed_before_ms: TimeMs,
) -> Result<Decision, Refusal> {
    let disputed = order.payment.as_ref().is_some_and(|p| p.dispute.is_some());
    let at_rest = order.state == OrderState::Released
        && order.due_ms.is_none()
        && order.trouble.is_none()
        && order.refunds.is_empty()
        && order.tickets.is_empty()
        && !disputed;
    if !at_rest || order.placed_ms >= placed_before_ms {
        return Err(Refusal::NotDue);
    }
    let record = state.buyers.get(&(order.event, order.buyer.key));
    if record.is_some_and(|record| record.order == order.id && record.places > 0) {
        return Err(Refusal::NotDue);
    }

    // The point of no return.
    let mut draft = Draft::default();
    draft.changes.push(Change::OrderForgotten { order: order.id, event: order.event });
    draft.reply_order(order)
}
