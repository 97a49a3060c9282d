//! Pausing and resuming the sale of an event, and cancelling the event.

use crate::draft::Draft;
use crate::event::put::check_seen;
use crate::{Change, Decision, Event, EventId, EventSpec, Order, Refusal, Reply, Sale, State};
use alloc::boxed::Box;

/// Sets whether an event is sold. A cancelled event stays cancelled: its orders are being refunded.
pub(crate) fn set(
    state: &State,
    id: EventId,
    to: Sale,
    seen: Option<&EventSpec>,
) -> Result<Decision, Refusal> {
    let event = state.events.get(&id).ok_or(Refusal::UnknownEvent)?;
    check_seen(event, seen)?;
    if event.is_canceled() && to != Sale::Canceled {
        return Err(Refusal::EventCanceled);
    }

    // The point of no return.
    let mut draft = Draft::default();
    if event.sale != to {
        let next = Event { sale: to, ..event.clone() };
        draft.changes.push(Change::EventPut(Box::new(next)));
    }
    draft.reply(Reply::Event { id, created: false })
}

/// Refuses an order that wants to go on, of an event that does not take place.
pub(crate) fn check_takes_place(state: &State, order: &Order) -> Result<(), Refusal> {
    let canceled = state.events.get(&order.event).is_some_and(Event::is_canceled);
    if canceled { Err(Refusal::EventCanceled) } else { Ok(()) }
}
