//! Making and changing events. What would break a promise is refused.

use super::check::told;
use crate::draft::Draft;
use crate::{
    COUNTERS_FROM, Change, Event, EventId, EventPart, EventSpec, Pool, Sale, State, TicketType,
};
use crate::{Decision, Refusal, Reply};
use alloc::{boxed::Box, string::ToString, vec::Vec};

/// The most pools, and the most ticket types, that an event may have in its life.
const MOST_PARTS: usize = COUNTERS_FROM as usize;
/// The most ticket types with a capacity, price phases and codes together that an event may have in its life.
const MOST_COUNTERS: usize = 10_000;

/// Makes an event, or changes the one with this slug. What is no longer named is retired: a
/// ticket type is no longer offered, a pool shrinks to nothing if nothing of it is taken.
pub(crate) fn put(state: &State, id: EventId, spec: &EventSpec) -> Result<Decision, Refusal> {
    let flaws = spec.flaws();
    if !flaws.is_empty() {
        return Err(Refusal::Invalid(told(&flaws)));
    }
    let known = state
        .slugs
        .get(&spec.slug)
        .map(|id| state.events.get(id).expect("an event is loaded with its slug"));
    let event = match known {
        None => make(id, spec),
        Some(event) => change(event, spec)?,
    };
    if let (Some(event), Some(most)) = (known, state.most_counted)
        && event.spec.limit_per_buyer.is_none()
        && spec.limit_per_buyer.is_some()
    {
        let taken = event.pools.iter().map(|p| p.held + p.sold).sum();
        if taken > most {
            return Err(Refusal::LimitTooLate { taken, most });
        }
    }
    if event.pools.len() > MOST_PARTS
        || event.ticket_types.len() > MOST_PARTS
        || event.counters.len() > MOST_COUNTERS
    {
        return Err(Refusal::TooManyParts);
    }

    // The point of no return.
    let mut draft = Draft::default();
    let reply = Reply::Event { id: event.id, created: known.is_none() };
    draft.changes.push(Change::EventPut(Box::new(event)));
    draft.reply(reply)
}

/// The same, but only over the event as somebody has seen it: nobody overwrites what another has changed
/// meanwhile, or makes anew what is there already.
pub(crate) fn put_if(
    state: &State,
    id: EventId,
    spec: &EventSpec,
    seen: Option<&EventSpec>,
) -> Result<Decision, Refusal> {
    let known = state.slugs.get(&spec.slug).and_then(|id| state.events.get(id));
    match (known, seen) {
        (Some(_), None) => Err(Refusal::EventExists),
        (None, Some(_)) => Err(Refusal::UnknownEvent),
        (Some(event), seen) => {
            check_seen(event, seen)?;
            put(state, id, spec)
        }
        (None, None) => put(state, id, spec),
    }
}

/// Refuses what is asked of an event that is not as somebody has seen it.
pub(crate) fn check_seen(event: &Event, seen: Option<&EventSpec>) -> Result<(), Refusal> {
    let differs = seen.is_some_and(|seen| event.spec != *seen);
    if differs { Err(Refusal::EventDiffers) } else { Ok(()) }
}

/// The same as [`put`], over what the event is now of the parts that are kept: whoever does not say them
/// knows nothing of them, or nothing of what another has made of them meanwhile.
pub(crate) fn put_parts(
    state: &State,
    id: EventId,
    spec: &EventSpec,
    kept: &[EventPart],
    only: Option<EventId>,
) -> Result<Decision, Refusal> {
    let known = state.slugs.get(&spec.slug).and_then(|id| state.events.get(id));
    if only.is_some() && known.map(|event| event.id) != only {
        return Err(Refusal::UnknownEvent);
    }
    let Some(known) = known else { return put(state, id, spec) };
    let mut spec = spec.clone();
    let flaws = spec.keep(kept, &known.spec);
    if !flaws.is_empty() {
        return Err(Refusal::Invalid(told(&flaws)));
    }
    put(state, id, &spec)
}

fn make(id: EventId, spec: &EventSpec) -> Event {
    let pools: Vec<Pool> = spec
        .pools
        .iter()
        .map(|p| Pool { name: p.name.clone(), capacity: p.capacity, held: 0, sold: 0 })
        .collect();
    let (spec, ticket_types, counters) = (spec.clone(), Vec::new(), Vec::new());
    let (serials, sale) = (0, Sale::Open);
    let mut event = Event { id, spec, pools, ticket_types, counters, serials, sale };
    put_ticket_types(&mut event).expect("a new event has no ticket type that could move");
    event.put_counters(|_| false).expect("nothing of a new event is sold");
    event
}

fn change(event: &Event, spec: &EventSpec) -> Result<Event, Refusal> {
    let mut next = event.clone();
    next.spec = spec.clone();
    let alive = event.pools.iter().any(|p| p.held + p.sold > 0);
    if alive && spec.currency != event.spec.currency {
        return Err(Refusal::CurrencyFixed);
    }
    // Orders keep the key under which they were placed.
    if alive && spec.ignore_email_tags != event.spec.ignore_email_tags {
        return Err(Refusal::TagsFixed);
    }
    for pool in &mut next.pools {
        let wanted = spec.pools.iter().find(|p| p.name == pool.name);
        pool.capacity = wanted.map_or(0, |p| p.capacity);
        let taken = pool.held + pool.sold;
        if pool.capacity < taken {
            return Err(Refusal::CapacityBelowTaken { pool: pool.name.to_string(), taken });
        }
    }
    for pool in &spec.pools {
        if !next.pools.iter().any(|p| p.name == pool.name) {
            let (name, capacity) = (pool.name.clone(), pool.capacity);
            next.pools.push(Pool { name, capacity, held: 0, sold: 0 });
        }
    }
    put_ticket_types(&mut next)?;
    let taken = |t: &&TicketType| {
        let pool = &event.pools[usize::from(t.pool)];
        pool.held + pool.sold > 0
    };
    let sold = |id: &str| event.ticket_types.iter().filter(taken).any(|t| t.id == id);
    next.put_counters(sold).map_err(Refusal::TypeSoldUncounted)?;
    Ok(next)
}

/// Brings the ticket types to what the event's spec says of them. Orders refer to a ticket type by its
/// index, and what was sold stays as it was sold: one that gets another name becomes another entry.
fn put_ticket_types(event: &mut Event) -> Result<(), Refusal> {
    for known in &mut event.ticket_types {
        known.retired = true;
    }
    for t in &event.spec.ticket_types {
        let pool = event.pools.iter().position(|p| p.name == t.pool);
        let pool = pool.expect("a valid spec names its pools") as u16;
        if event.ticket_types.iter().any(|known| known.id == t.id && known.pool != pool) {
            return Err(Refusal::PoolFixed(t.id.clone()));
        }
        let same = |known: &&mut TicketType| known.id == t.id && known.name == t.name;
        match event.ticket_types.iter_mut().find(same) {
            Some(known) => {
                known.price_minor = t.price_minor;
                known.retired = false;
            }
            None => event.ticket_types.push(TicketType {
                id: t.id.clone(),
                name: t.name.clone(),
                pool,
                price_minor: t.price_minor,
                retired: false,
            }),
        }
    }
    Ok(())
}
