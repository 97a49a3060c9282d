//! People and their roles: who is invited, who has which role, who goes.

use super::keys::named;
use super::own::{NotChanged, key};
use super::{Accounts, DAY_MS, account_id};
use crate::access::{Role, ShopPermit, may};
use crate::actor::Actor;
use crate::mail::Letter;
use crate::store::Reader;
use crate::store::records::accounts::{
    ALL_EVENTS, Account, GrantRow, all_grants, forget_codes_of_removed, lock, lock_owners, people,
    remove_unless_last, removed_holds_nothing, take_unless_last, untold_if_active,
    untold_if_granted, untold_unless_granted,
};
use crate::store::records::api_keys::{all, ended_of_removed, made_by};
use crate::store::records::audit_log::Action;
use crate::store::records::sessions::{
    OneTimeLink, Purpose, end_all_of_removed, end_invitation_of_removed, end_links_of_removed,
    pending,
};
use crate::store::records::{Field, RecordChange, get};
use crate::writer::{CommandError, mail_message};
use boxoffice::{EventId, check_email};

/// An invitation can be accepted for so long.
pub const INVITATION_MS: i64 = 7 * DAY_MS;

/// A person with their roles.
#[derive(Clone, Debug)]
pub struct PersonRoles {
    /// The account.
    pub account: Account,
    /// The roles; the one for all events first.
    pub grants: Vec<GrantRow>,
}

/// An invitation that was not accepted yet.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The link.
    pub link: OneTimeLink,
    /// What opens it.
    pub token: String,
}

/// A role, and for which event; none: for all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewRole {
    /// The role.
    pub role: Role,
    /// For which event.
    pub event: Option<EventId>,
}

impl NewRole {
    /// What is wrong with it, as a sentence.
    pub(super) fn flaw(self) -> Option<&'static str> {
        match self.event {
            // In a row it stands for all events.
            Some(ALL_EVENTS) => Some(NO_EVENT),
            Some(_) if self.role == Role::Owner => {
                Some("An owner has the whole shop. Choose all events, or another role.")
            }
            _ => None,
        }
    }

    pub(super) fn words(self) -> String {
        match self.event {
            None => format!("{} of all events", self.role),
            Some(event) => format!("{} of event {}", self.role, event.0),
        }
    }
}

impl Accounts {
    /// Everybody with their roles, by address.
    pub async fn people(
        &self,
        _: &ShopPermit<may::ManageAccess>,
    ) -> Result<Vec<PersonRoles>, CommandError> {
        let ask = |reader: &mut dyn crate::store::Reader| {
            Ok((people(reader.tables())?, all_grants(reader.tables())?))
        };
        let (people, grants) = self.reads.ask(ask).await?;
        let with_roles = people.into_iter().map(|account| {
            let own = grants.iter().filter(|grant| grant.holder == account.id);
            PersonRoles { grants: own.cloned().collect(), account }
        });
        Ok(with_roles.collect())
    }

    /// The invitations that can still be accepted, the newest first.
    pub async fn invitations(
        &self,
        _: &ShopPermit<may::ManageAccess>,
    ) -> Result<Vec<OneTimeLink>, CommandError> {
        let mut valid = Vec::new();
        for link in self.unused_invitations().await? {
            if self.invites(link.made_by).await? {
                valid.push(link);
            }
        }
        Ok(valid)
    }

    async fn unused_invitations(&self) -> Result<Vec<OneTimeLink>, CommandError> {
        let now = self.clock.now_ms();
        Ok(self.reads.ask(move |reader| pending(reader.tables(), now)).await?)
    }

    /// One of them with its link.
    pub async fn pending(
        &self,
        _: &ShopPermit<may::ManageAccess>,
        id: u128,
    ) -> Result<Option<Pending>, CommandError> {
        let now = self.clock.now_ms();
        let link = self.stored(id).await?.filter(|link| {
            link.purpose == Purpose::Invitation && link.used_ms.is_none() && now < link.ends_ms
        });
        let link = match link {
            Some(link) => self.invites(link.made_by).await?.then_some(link),
            None => None,
        };
        Ok(link.map(|link| Pending { token: self.secrets.office_token(link.id), link }))
    }

    /// Invites somebody. Gives the id of the invitation. `mail`: it is sent as well.
    pub async fn invite(
        &self,
        permit: &ShopPermit<may::ManageAccess>,
        email: &str,
        role: NewRole,
        mail: bool,
    ) -> Result<u128, NotChanged> {
        let email = email.trim();
        if email.is_empty() || check_email(email).is_err() {
            return Err(NotChanged::Flaw(
                "Please enter the e-mail address of the person: name@host.",
            ));
        }
        if let Some(flaw) = role.flaw() {
            return Err(NotChanged::Flaw(flaw));
        }
        if self.account(account_id(email)).await?.is_some() {
            return Err(NotChanged::Flaw(
                "This person has an account already. Give them the role in the list below.",
            ));
        }
        let now = self.clock.now_ms();
        let link = OneTimeLink {
            id: self.ids.random(),
            purpose: Purpose::Invitation,
            account: None,
            email: email.to_owned(),
            role: Some(role.role),
            event: role.event,
            goes_to: String::new(),
            made_by: permit.actor(),
            made_ms: now,
            ends_ms: now + INVITATION_MS,
            used_ms: None,
            claim: None,
        };
        let detail = format!("{email}: {}", role.words());
        let line = self.line(now, permit.actor(), Action::Invited, detail);
        let mut changes = vec![RecordChange::put(&link), RecordChange::put(&line)];
        if mail {
            let letter = Letter::Invitation(link.id);
            let message = mail_message(self.ids.message(now), &letter, email, now);
            changes.push(RecordChange::put(&message));
        }
        self.writer.write(changes).await?;
        Ok(link.id)
    }

    /// Takes an invitation back.
    pub async fn uninvite(
        &self,
        permit: &ShopPermit<may::ManageAccess>,
        id: u128,
    ) -> Result<(), NotChanged> {
        let Some(Pending { link, .. }) = self.pending(permit, id).await? else {
            return Err(NotChanged::Gone);
        };
        let now = self.clock.now_ms();
        let detail = format!("{}: the invitation was taken back", link.email);
        let line = self.line(now, permit.actor(), Action::RoleTaken, detail);
        let ends = OneTimeLink::claim(id, self.ids.random(), now);
        Ok(self.writer.write(vec![ends, RecordChange::put(&line)]).await?)
    }

    /// Gives a person a role instead of the one that they have for this event, or for all.
    pub async fn give_role(
        &self,
        permit: &ShopPermit<may::ManageAccess>,
        account: u128,
        role: NewRole,
    ) -> Result<(), NotChanged> {
        if let Some(flaw) = role.flaw() {
            return Err(NotChanged::Flaw(flaw));
        }
        let account = self.account(account).await?.ok_or(NotChanged::Gone)?;
        let (now, event) = (self.clock.now_ms(), role.event.unwrap_or(ALL_EVENTS));
        let actor = permit.actor();
        let grant =
            GrantRow { holder: account.id, event, role: role.role, made_by: actor, at_ms: now };
        let detail = format!("{}: {}", account.email, role.words());
        let line = self.line(now, actor, Action::RoleGiven, detail);
        // Whoever is the last owner stays one, and whoever is removed at this moment gets none; then the log is not
        // told either.
        let changes = vec![
            lock_owners(),
            lock(account.id),
            grant.put_unless_last_owner(),
            RecordChange::put(&line),
            untold_unless_granted(line.id, &grant),
        ];
        self.writer.write(changes).await?;
        match self.grant(account.id, event).await? {
            Some(found) if found.role == grant.role => Ok(()),
            Some(_) => Err(LAST_OWNER),
            None => Err(NotChanged::Gone),
        }
    }

    /// Takes a role from a person.
    pub async fn take_role(
        &self,
        permit: &ShopPermit<may::ManageAccess>,
        account: u128,
        event: Option<EventId>,
    ) -> Result<(), NotChanged> {
        if event == Some(ALL_EVENTS) {
            return Err(NotChanged::Flaw(NO_EVENT));
        }
        let account = self.account(account).await?.ok_or(NotChanged::Gone)?;
        let event = event.unwrap_or(ALL_EVENTS);
        let now = self.clock.now_ms();
        let detail = format!("{}: the role of {}", account.email, told_event(event));
        let line = self.line(now, permit.actor(), Action::RoleTaken, detail);
        let changes = vec![
            lock_owners(),
            take_unless_last(account.id, event),
            RecordChange::put(&line),
            untold_if_granted(line.id, account.id, event),
        ];
        self.writer.write(changes).await?;
        match self.grant(account.id, event).await? {
            None => Ok(()),
            Some(_) => Err(LAST_OWNER),
        }
    }

    /// A person may not sign in any more: all their sessions, roles and keys end at once, and what others have sent
    /// to them or they to others.
    pub async fn remove(
        &self,
        permit: &ShopPermit<may::ManageAccess>,
        account: u128,
    ) -> Result<(), NotChanged> {
        let account = self.account(account).await?.ok_or(NotChanged::Gone)?;
        let now = self.clock.now_ms();
        let keys = self.reads.ask(|reader: &mut dyn Reader| all(reader.tables())).await;
        let keys = keys.map_err(CommandError::from)?;
        let invited = self.unused_invitations().await?;
        let mut changes = vec![
            lock_owners(),
            remove_unless_last(account.id, now),
            removed_holds_nothing(account.id),
            end_all_of_removed(account.id),
            end_links_of_removed(&account, now),
            forget_codes_of_removed(account.id),
        ];
        // However the address is written.
        let invited = invited.iter().filter(|link| account_id(&link.email) == account.id);
        changes.extend(invited.map(|link| end_invitation_of_removed(link.id, account.id, now)));
        let mut told = vec![(Action::AccountRemoved, account.email.clone())];
        for key in made_by(&keys, Actor::Staff(account.id)) {
            changes.push(ended_of_removed(Some(key.id), account.id, now));
            told.push((Action::KeyEnded, named(key)));
        }
        changes.push(ended_of_removed(None, account.id, now));
        for (action, detail) in told {
            let line = self.line(now, permit.actor(), action, detail);
            changes.extend([RecordChange::put(&line), untold_if_active(line.id, account.id)]);
        }
        self.writer.write(changes).await?;
        match self.account(account.id).await.map_err(|_| CommandError::InDoubt)? {
            None => Ok(()),
            Some(_) => Err(LAST_OWNER),
        }
    }

    async fn grant(&self, holder: u128, event: EventId) -> Result<Option<GrantRow>, CommandError> {
        let of = [key(holder), [event.value()]].concat();
        let found = self.reads.ask(move |reader| get::<GrantRow>(reader.tables(), &of)).await;
        // It was written, and is not known to be there.
        found.map_err(|_| CommandError::InDoubt)
    }
}

const NO_EVENT: &str = "No event has the number 0. Please choose an event of the list.";
const LAST_OWNER: NotChanged =
    NotChanged::Flaw("This is the last owner of the shop. Make somebody else an owner first.");

fn told_event(event: EventId) -> String {
    if event == ALL_EVENTS { "all events".into() } else { format!("event {}", event.0) }
}
