//! API keys: programs with roles as people have them. A key is shown once, and ends when somebody ends it.

use super::own::{NotChanged, key};
use super::people::NewRole;
use super::{Accounts, SEEN_EVERY_MS};
use crate::access::{Caller, ShopPermit, may};
use crate::actor::Actor;
use crate::ids::{base32, sha256};
use crate::store::records::accounts::{ALL_EVENTS, GrantRow, all_grants};
use crate::store::records::api_keys::{ApiKey, all, ended, seen, with_grants};
use crate::store::records::audit_log::Action;
use crate::store::records::{RecordChange, get};
use crate::tasks::spawn;
use crate::writer::CommandError;
use subtle::ConstantTimeEq;

/// With what a key begins: so people, and programs that look for lost secrets, know what it is.
pub const PREFIX: &str = "nts_sk_";
/// The name of a key has so many characters at most.
const NAME_CHARS: usize = 100;

/// A key with its roles.
#[derive(Clone, Debug)]
pub struct KeyRoles {
    /// The key.
    pub key: ApiKey,
    /// Its roles.
    pub grants: Vec<GrantRow>,
}

/// The id of a key by its hash.
fn id_of(hash: &[u8]) -> u128 {
    u128::from_be_bytes(hash[..16].try_into().expect("a hash has 32 bytes"))
}

impl Accounts {
    /// Whoever has this key, if it is one and has not ended. Whatever does not begin as a key is not looked up.
    pub async fn key(&self, shown: &str) -> Result<Option<Caller>, CommandError> {
        if !shown.starts_with(PREFIX) {
            return Ok(None);
        }
        let hash = sha256(shown.as_bytes());
        let id = id_of(&hash);
        let found = self.reads.ask(move |reader| with_grants(reader.tables(), id)).await?;
        let Some((key, grants)) = found.filter(|(key, _)| key.hash.ct_eq(&hash).into()) else {
            return Ok(None);
        };
        let now = self.clock.now_ms();
        if key.seen_ms.is_none_or(|at| at.saturating_add(SEEN_EVERY_MS) <= now) {
            // If it fails, the next request tries again.
            let writer = self.writer.clone();
            _ = spawn(async move { _ = writer.write(vec![seen(id, now)]).await });
        }
        Ok(Some(Caller::new(Actor::ApiKey(id), grants, true)))
    }

    /// All keys that have not ended, the newest first.
    pub async fn keys(
        &self,
        _: &ShopPermit<may::ManageAccess>,
    ) -> Result<Vec<KeyRoles>, CommandError> {
        let ask = |reader: &mut dyn crate::store::Reader| {
            Ok((all(reader.tables())?, all_grants(reader.tables())?))
        };
        let (keys, grants) = self.reads.ask(ask).await?;
        let with_roles = keys.into_iter().map(|key| {
            let own = grants.iter().filter(|grant| grant.holder == key.id);
            KeyRoles { grants: own.cloned().collect(), key }
        });
        Ok(with_roles.collect())
    }

    /// Makes a key with these roles. Gives what opens, which nobody can read again.
    pub async fn make_key(
        &self,
        permit: &ShopPermit<may::ManageAccess>,
        name: &str,
        roles: &[NewRole],
    ) -> Result<String, NotChanged> {
        let name = name.trim();
        if name.is_empty()
            || name.chars().count() > NAME_CHARS
            || name.chars().any(char::is_control)
        {
            return Err(NotChanged::Flaw(
                "Please give the key a name of at most 100 characters: what uses it.",
            ));
        }
        if roles.is_empty() {
            return Err(NotChanged::Flaw("Please choose for which events the key is."));
        }
        if let Some(flaw) = roles.iter().find_map(|role| role.flaw()) {
            return Err(NotChanged::Flaw(flaw));
        }
        let secret = base32(self.ids.random(), 26) + &base32(self.ids.random(), 26);
        let shown = format!("{PREFIX}{}", secret.to_ascii_lowercase());
        let hash = sha256(shown.as_bytes());
        let (now, actor) = (self.clock.now_ms(), permit.actor());
        let key = ApiKey {
            id: id_of(&hash),
            hash,
            name: name.to_owned(),
            made_by: actor,
            made_ms: now,
            seen_ms: None,
            ended_ms: None,
        };
        let mut changes = vec![RecordChange::put(&key)];
        for role in roles {
            changes.push(RecordChange::put(&GrantRow {
                holder: key.id,
                event: role.event.unwrap_or(ALL_EVENTS),
                role: role.role,
                made_by: actor,
                at_ms: now,
            }));
        }
        let words: Vec<String> = roles.iter().map(|role| role.words()).collect();
        let detail = format!("{:x} {name}: {}", key.id, words.join(", "));
        let line = self.line(now, actor, Action::KeyMade, detail);
        changes.push(RecordChange::put(&line));
        self.writer.write(changes).await?;
        Ok(shown)
    }

    /// Ends a key. Whoever still uses it is refused from now on.
    pub async fn end_key(
        &self,
        permit: &ShopPermit<may::ManageAccess>,
        id: u128,
    ) -> Result<(), NotChanged> {
        let known = self.reads.ask(move |reader| get::<ApiKey>(reader.tables(), &key(id))).await;
        let known = known.map_err(CommandError::from)?.filter(|key| key.ended_ms.is_none());
        let known = known.ok_or(NotChanged::Gone)?;
        let now = self.clock.now_ms();
        let detail = format!("{id:x} {}", known.name);
        let line = self.line(now, permit.actor(), Action::KeyEnded, detail);
        Ok(self.writer.write(vec![ended(id, now), RecordChange::put(&line)]).await?)
    }
}
