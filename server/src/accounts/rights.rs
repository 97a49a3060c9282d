//! What whoever has made something may do at this moment. A key and an invitation never give more than that.

use super::own::key;
use crate::access::{Grant, Role, both};
use crate::actor::Actor;
use crate::store::records::accounts::{Account, GrantRow, grants};
use crate::store::records::api_keys::with_grants;
use crate::store::records::get;
use crate::store::{Fault, records::Tables};

/// A key that a key has made, and so on: so many stand at most behind one.
const MOST_BEHIND: usize = 8;

/// What somebody may do at this moment; `None`: they were removed, or the key has ended. `organiser`: who has the
/// organiser's key as it is now.
pub(super) fn of(
    from: &mut dyn Tables,
    who: Actor,
    organiser: Actor,
) -> Result<Option<Vec<Grant>>, Fault> {
    let mut bounds: Option<Vec<Grant>> = None;
    let mut next = who;
    for _ in 0..MOST_BEHIND {
        let (own, maker) = match next {
            Actor::Staff(id) => (person(from, id)?, None),
            who if who == organiser || who == Actor::System => (Some(everything()), None),
            Actor::ApiKey(id) => match with_grants(from, id)? {
                Some((key, own)) => (Some(own), Some(key.made_by)),
                None => (None, None),
            },
            Actor::System | Actor::Buyer | Actor::Device(_) => (None, None),
        };
        let Some(own) = own else { return Ok(None) };
        let bounded = match bounds {
            None => own,
            Some(bounds) => both(&bounds, &own),
        };
        let Some(maker) = maker else { return Ok(Some(bounded)) };
        (bounds, next) = (Some(bounded), maker);
    }
    Ok(None)
}

/// What an owner may do.
fn everything() -> Vec<Grant> {
    vec![Grant { role: Role::Owner, event: None }]
}

/// The roles of a person, unless they were removed.
fn person(from: &mut dyn Tables, id: u128) -> Result<Option<Vec<Grant>>, Fault> {
    let there = get::<Account>(from, &key(id))?.is_some_and(|found| found.removed_ms.is_none());
    if !there {
        return Ok(None);
    }
    Ok(Some(grants(from, id)?.iter().map(GrantRow::grant).collect()))
}
