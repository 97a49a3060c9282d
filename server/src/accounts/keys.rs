//! API keys: programs with roles as people have them. A key is shown once, and ends when somebody ends it, or with
//! whoever has made it. It never may do more than its maker may at the moment.

use super::own::{NotChanged, key};
use super::people::NewRole;
use super::{Accounts, SEEN_EVERY_MS, rights};
use crate::access::{Caller, Grant, ShopPermit, both, may};
use crate::actor::Actor;
use crate::ids::sha256;
use crate::store::records::accounts::{ALL_EVENTS, GrantRow, all_grants, ended_unless_active};
use crate::store::records::api_keys::{ApiKey, all, ended, made_by, seen, with_grants};
use crate::store::records::audit_log::Action;
use crate::store::records::{RecordChange, get};
use crate::store::{Fault, Reader};
use crate::tasks::spawn;
use crate::writer::CommandError;
use boxoffice::check_name;
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
    /// What it may do at this moment.
    pub grants: Vec<Grant>,
    /// Whether it was given more, and its maker may do less by now.
    pub less: bool,
}

/// How the audit log names a key.
pub(super) fn named(key: &ApiKey) -> String {
    format!("{:x} {}", key.id, key.name)
}

/// The id of a key by its hash.
fn id_of(hash: &[u8]) -> u128 {
    u128::from_be_bytes(hash[..16].try_into().expect("a hash has 32 bytes"))
}

impl Accounts {
    /// Whoever has this key, if it is one and has not ended. What we have not made is not looked up.
    pub async fn key(&self, shown: &str) -> Result<Option<Caller>, CommandError> {
        let ours = shown.strip_prefix(PREFIX).is_some_and(|text| self.secrets.is_office_key(text));
        if !ours {
            return Ok(None);
        }
        let hash = sha256(shown.as_bytes());
        let (id, organiser) = (id_of(&hash), self.organiser);
        let ask = move |reader: &mut dyn Reader| {
            let Some((key, own)) = with_grants(reader.tables(), id)? else { return Ok(None) };
            let bounds = rights::of(reader.tables(), key.made_by, organiser)?;
            Ok(bounds.map(|bounds| (key, both(&bounds, &own))))
        };
        let found = self.reads.ask(ask).await?;
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
        let organiser = self.organiser;
        let ask = move |reader: &mut dyn Reader| {
            let (keys, grants) = (all(reader.tables())?, all_grants(reader.tables())?);
            let with_roles = keys.into_iter().map(|key| {
                let own = grants.iter().filter(|grant| grant.holder == key.id);
                let own: Vec<Grant> = own.map(GrantRow::grant).collect();
                let bounds = rights::of(reader.tables(), key.made_by, organiser)?;
                let grants = both(&own, &bounds.unwrap_or_default());
                Ok(KeyRoles { less: grants != own, grants, key })
            });
            with_roles.collect::<Result<Vec<KeyRoles>, Fault>>()
        };
        Ok(self.reads.ask(ask).await?)
    }

    /// Makes a key with these roles. Gives what opens, which nobody can read again.
    pub async fn make_key(
        &self,
        permit: &ShopPermit<may::ManageAccess>,
        name: &str,
        roles: &[NewRole],
    ) -> Result<String, NotChanged> {
        let name = name.trim();
        if name.chars().count() > NAME_CHARS || check_name(name).is_err() {
            return Err(NotChanged::Flaw(
                "Please give the key a name of at most 100 characters that can be seen: what uses it.",
            ));
        }
        if roles.is_empty() {
            return Err(NotChanged::Flaw("Please choose for which events the key is."));
        }
        if let Some(flaw) = roles.iter().find_map(|role| role.flaw()) {
            return Err(NotChanged::Flaw(flaw));
        }
        let (actor, organiser) = (permit.actor(), self.organiser);
        let maker = self.reads.ask(move |reader| rights::of(reader.tables(), actor, organiser));
        if maker.await.map_err(CommandError::from)?.is_none() {
            return Err(NotChanged::Flaw(
                "Nothing was made: whoever makes a key must be there as long as it is used. Sign in to make one.",
            ));
        }
        let shown = format!("{PREFIX}{}", self.secrets.office_key(self.ids.random()));
        let hash = sha256(shown.as_bytes());
        let now = self.clock.now_ms();
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
        if let Actor::Staff(maker) = actor {
            changes.extend(ended_unless_active(key.id, maker, now));
        }
        self.writer.write(changes).await?;
        Ok(shown)
    }

    /// Ends a key, and those that it has made. Whoever still uses one is refused from now on.
    pub async fn end_key(
        &self,
        permit: &ShopPermit<may::ManageAccess>,
        id: u128,
    ) -> Result<(), NotChanged> {
        let ask = move |reader: &mut dyn Reader| {
            Ok((get::<ApiKey>(reader.tables(), &key(id))?, all(reader.tables())?))
        };
        let (known, keys) = self.reads.ask(ask).await.map_err(CommandError::from)?;
        let known = known.filter(|key| key.ended_ms.is_none()).ok_or(NotChanged::Gone)?;
        let now = self.clock.now_ms();
        let mut changes = Vec::new();
        for key in [&known].into_iter().chain(made_by(&keys, Actor::ApiKey(id))) {
            let line = self.line(now, permit.actor(), Action::KeyEnded, named(key));
            changes.extend([ended(key.id, now), RecordChange::put(&line)]);
        }
        Ok(self.writer.write(changes).await?)
    }
}
