//! Keys of programs, with roles as people have them.

use super::{Field, RecordChange, Tables, record};
use crate::access::Grant;
use crate::actor::Actor;
use crate::store::Fault;

record! {
    /// A key. What opens is shown once and not stored.
    pub struct ApiKey: "api_keys", key 1 {
        /// The first half of the hash: finds it.
        pub id: u128,
        /// The SHA-256 of the key.
        pub hash: Vec<u8>,
        /// What its maker calls it.
        pub name: String,
        /// Who made it.
        pub made_by: Actor,
        /// When, in milliseconds since 1970.
        pub made_ms: i64,
        /// When it was used, as of a few minutes ago, in milliseconds since 1970.
        pub seen_ms: Option<i64>,
        /// Since when it opens nothing, in milliseconds since 1970.
        pub ended_ms: Option<i64>,
    }
}

/// A key of this id that has not ended, with its roles.
pub fn with_grants(from: &mut dyn Tables, id: u128) -> Result<Option<(ApiKey, Vec<Grant>)>, Fault> {
    let rows = from.query(
        "SELECT k.id, k.hash, k.name, k.made_by, k.made_ms, k.seen_ms, k.ended_ms, g.role, g.event
         FROM api_keys k LEFT JOIN grants g ON g.holder = k.id
         WHERE k.id = $1 AND k.ended_ms IS NULL",
        &[id.value()],
    )?;
    super::sessions::with_grants::<ApiKey>(rows)
}

/// All keys that have not ended, the newest first.
pub fn all(from: &mut dyn Tables) -> Result<Vec<ApiKey>, Fault> {
    let keys: Vec<ApiKey> = super::page(from, None, 10_000)?;
    let mut keys: Vec<ApiKey> = keys.into_iter().filter(|key| key.ended_ms.is_none()).collect();
    keys.sort_by_key(|key| (-key.made_ms, key.id));
    Ok(keys)
}

/// A key was used.
pub fn seen(id: u128, now: i64) -> RecordChange {
    RecordChange::Run(
        "UPDATE api_keys SET seen_ms = $1 WHERE id = $2",
        vec![now.value(), id.value()],
    )
}

/// A key opens nothing any more, if the person was removed. Nor does one that this person has just made.
pub fn ended_of_removed(key: Option<u128>, account: u128, now: i64) -> RecordChange {
    match key {
        Some(key) => RecordChange::Run(
            "UPDATE api_keys SET ended_ms = $1 WHERE id = $2 AND ended_ms IS NULL
             AND EXISTS (SELECT 1 FROM accounts WHERE id = $3 AND removed_ms IS NOT NULL)",
            vec![now.value(), key.value(), account.value()],
        ),
        None => RecordChange::Run(
            "UPDATE api_keys SET ended_ms = $1 WHERE made_by = $2 AND ended_ms IS NULL
             AND EXISTS (SELECT 1 FROM accounts WHERE id = $3 AND removed_ms IS NOT NULL)",
            vec![now.value(), Actor::Staff(account).value(), account.value()],
        ),
    }
}

/// Those of these keys that somebody has made, and those that these keys have made in turn.
pub fn made_by(keys: &[ApiKey], maker: Actor) -> Vec<&ApiKey> {
    let mut found: Vec<&ApiKey> = Vec::new();
    let mut makers = vec![maker];
    while let Some(maker) = makers.pop() {
        for key in keys.iter().filter(|key| key.made_by == maker) {
            if !found.contains(&key) {
                found.push(key);
                makers.push(Actor::ApiKey(key.id));
            }
        }
    }
    found
}

/// A key opens nothing any more.
pub fn ended(id: u128, now: i64) -> RecordChange {
    RecordChange::Run(
        "UPDATE api_keys SET ended_ms = $1 WHERE id = $2 AND ended_ms IS NULL",
        vec![now.value(), id.value()],
    )
}
