//! Deleting an event: only one that nobody ever ordered.

use crate::draft::Draft;
use crate::event::put::check_seen;
use crate::{Change, Decision, EventSpec, Refusal, Reply, State};

/// Deletes the event with this slug, as if it had never been.
pub(crate) fn delete(
    state: &State,
    slug: &str,
    seen: Option<&EventSpec>,
) -> Result<Decision, Refusal> {
    let known = state.slugs.get(slug).and_then(|id| state.events.get(id));
    let event = known.ok_or(Refusal::UnknownEvent)?;
    check_seen(event, seen)?;
    let counted = event.serials > 0 || event.pools.iter().any(|pool| pool.held + pool.sold > 0);
    let in_batch = state.orders.values().any(|order| order.event == event.id);
    if counted || in_batch || state.ordered.contains(&event.id) {
        return Err(Refusal::EventOrdered);
    }

    // The point of no return.
    let mut draft = Draft::default();
    draft.changes.push(Change::EventDeleted { event: event.id });
    draft.reply(Reply::EventDeleted { id: event.id })
}
