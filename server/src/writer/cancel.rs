//! What a decision that cancels an event leaves to be done: its orders are cancelled and refunded in the
//! background, and a row of the same commit says so.

use crate::actor::Actor;
use crate::store::records::RecordChange;
use crate::store::records::cancellations::Cancellation;
use boxoffice::{Change, Decision, State, TimeMs};

/// The row, if the decision cancels an event. `state` is as it was before.
pub(super) fn owed(
    actor: Actor,
    decision: &Decision,
    state: &State,
    at_ms: TimeMs,
) -> Option<RecordChange> {
    let canceled = decision.changes.iter().find_map(|change| match change {
        Change::EventPut(event) if event.is_canceled() => Some(event),
        _ => None,
    })?;
    let before = state.events.get(&canceled.id).filter(|event| !event.is_canceled())?;
    let places = before.pools.iter().map(|pool| i64::from(pool.held) + i64::from(pool.sold)).sum();
    Some(RecordChange::put(&Cancellation::begun(canceled.id, at_ms, actor, places)))
}
