//! Accounts: who may use the office, how they show who they are, and until when that counts.
//!
//! Everything is in records, so several processes on one database share it; only the limits on attempts are each
//! process's own. What happens once (a link is used, a code is used) is claimed: the statement that uses it has
//! a condition, what follows from it is taken back in the same commit unless the claim was won, and whoever asks
//! looks afterwards whether it was.
//!
//! It must not know: HTTP.

pub mod gate_links;
pub mod keys;
mod links;
pub mod own;
pub mod passwords;
pub mod people;
mod rights;
pub mod sign_in;
pub mod totp;

pub use links::{Machine, machine_link};

use crate::access::{Caller, Right, Role};
use crate::actor::Actor;
use crate::admission::Admission;
use crate::clock::DatabaseClock;
use crate::identity::buyer_key;
use crate::ids::{Ids, Secrets, digest, sha256};
use crate::reads::Reads;
use crate::store::records::accounts::{
    ALL_EVENTS, Account, GrantRow, grant_if_claimed, has_owner, no_roles_of_before_if_claimed,
    put_if_claimed, unless_account,
};
use crate::store::records::audit_log::{Action, AuditLine};
use crate::store::records::sessions::{
    OneTimeLink, Purpose, Session, end_all_if_claimed, end_links_if_claimed,
    forget_codes_if_claimed, seen, signed_in, tidy, unless_claimed, untold_unless_claimed,
};
use crate::store::records::{Record, RecordChange, get};
use crate::tasks::spawn;
use crate::text::plain;
use crate::writer::{CommandError, Queue};
use boxoffice::{EventId, TimeMs, check_email, check_name};
use passwords::{Busy, Hasher, Waits};
use sign_in::Begun;
use std::sync::Arc;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A session ends when it was not used for so long ...
pub const IDLE_MS: i64 = 12 * HOUR_MS;
/// ... and after so long in any case.
pub const LONGEST_MS: i64 = 30 * DAY_MS;
/// Whoever has signed in is believed for so long where it matters most.
pub const RECENT_MS: i64 = 10 * MINUTE_MS;
/// That a session or a key was used is written so often at most.
const SEEN_EVERY_MS: i64 = 5 * MINUTE_MS;
/// How much of what a browser says of itself is kept.
const DEVICE_CHARS: usize = 120;
/// A name of a person has so many characters at most.
const NAME_CHARS: usize = 100;

/// The use cases.
pub struct Accounts {
    /// The database's time.
    pub clock: Arc<DatabaseClock>,
    /// Makes ids and tokens.
    pub ids: Arc<Ids>,
    /// Proves links.
    pub secrets: Secrets,
    /// The way to the database for questions.
    pub reads: Reads,
    /// The way to the writer.
    pub writer: Queue,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Bounds attempts.
    pub admission: Arc<Admission>,
    /// Who has the organiser's key of the settings.
    pub organiser: Actor,
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// What they may do.
    pub caller: Caller,
    /// Their session.
    pub session: Session,
    /// Whether they have shown who they are a short while ago.
    pub recent: bool,
}

/// The browser of whoever signs in.
#[derive(Clone, Default, Debug)]
pub struct Browser {
    /// What it says that it is.
    pub device: String,
    /// From which network it comes.
    pub address: String,
}

/// What a link of an invitation offers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invited {
    /// The address that was invited; empty: whoever comes may choose.
    pub email: String,
    /// The role.
    pub role: Option<Role>,
    /// For which event; none: for all.
    pub event: Option<EventId>,
    /// The name of the account that there is already, and that gets another password.
    pub known: Option<String>,
}

/// What somebody says who accepts an invitation.
#[derive(Clone, Default, Debug)]
pub struct NewAccount {
    /// The address; of no account if the invitation names one.
    pub email: String,
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// Why an invitation was not accepted. Nothing was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotAccepted {
    /// The link was used or has ended, or is none.
    Gone,
    /// Fields, each with what is wrong with it.
    Flaws(Vec<(&'static str, String)>),
    /// Too many sign in at the moment.
    Busy,
    /// The database is in trouble.
    Failed(CommandError),
}

/// Why somebody is not signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotSignedIn {
    /// The address, the password or the code is wrong, and it is not said which.
    Wrong,
    /// Too many attempts were made: not before so many seconds.
    TooMany(u32),
    /// The link was used or has ended.
    Gone,
    /// Too many sign in at the moment.
    Busy,
    /// The database is in trouble.
    Failed(CommandError),
}

impl From<Busy> for NotAccepted {
    fn from(Busy: Busy) -> NotAccepted {
        NotAccepted::Busy
    }
}

impl From<CommandError> for NotAccepted {
    fn from(no: CommandError) -> NotAccepted {
        NotAccepted::Failed(no)
    }
}

impl From<Busy> for NotSignedIn {
    fn from(Busy: Busy) -> NotSignedIn {
        NotSignedIn::Busy
    }
}

impl From<CommandError> for NotSignedIn {
    fn from(no: CommandError) -> NotSignedIn {
        NotSignedIn::Failed(no)
    }
}

/// The id of the account of this address.
pub fn account_id(email: &str) -> u128 {
    digest(&[b"account", &buyer_key("", email).0.to_be_bytes()])
}

/// Whether a session that was begun and used then is still one.
fn lasts(session: &Session, now: TimeMs) -> bool {
    now < session.begun_ms.saturating_add(LONGEST_MS)
        && now < session.seen_ms.saturating_add(IDLE_MS)
}

/// What a browser says of itself, without what would steer a terminal.
fn kept(text: &str, most: usize) -> String {
    plain(text).chars().take(most).collect()
}

impl Accounts {
    /// Whoever has the session of this token, if it lasts. It is used by that.
    pub async fn session(&self, token: &str) -> Result<Option<SignedIn>, CommandError> {
        let found = self.session_unused(token).await?;
        let now = self.clock.now_ms();
        if let Some(SignedIn { session, .. }) = &found
            && session.seen_ms.saturating_add(SEEN_EVERY_MS) <= now
        {
            // If it fails, the next request tries again.
            let (writer, id) = (self.writer.clone(), session.id.clone());
            _ = spawn(async move { _ = writer.write(vec![seen(&id, now)]).await });
        }
        Ok(found)
    }

    /// The same for what a page asks by itself that is only open: the session is not used by that.
    pub async fn session_unused(&self, token: &str) -> Result<Option<SignedIn>, CommandError> {
        // One that is made up is no question for the database.
        if !self.secrets.is_office_session(token) {
            return Ok(None);
        }
        let id = Accounts::session_id(token);
        let found = self.reads.ask(move |reader| signed_in(reader.tables(), &id)).await?;
        let now = self.clock.now_ms();
        let Some((session, grants)) = found.filter(|(session, _)| lasts(session, now)) else {
            return Ok(None);
        };
        let recent = now < session.proved_ms.saturating_add(RECENT_MS);
        let caller = Caller::new(Actor::Staff(session.account), grants, recent);
        Ok(Some(SignedIn { caller, session, recent }))
    }

    /// What an invitation offers; `None`: the link was used or has ended, or is none.
    pub async fn invited(&self, token: &str) -> Result<Option<Invited>, CommandError> {
        let Some(link) = self.invitation(token).await? else { return Ok(None) };
        let known = match link.email.is_empty() {
            true => None,
            false => self.account(account_id(&link.email)).await?,
        };
        let known = known.map(|account| account.name);
        let OneTimeLink { email, role, event, .. } = link;
        Ok(Some(Invited { email, role, event, known }))
    }

    /// The account of this id, unless it was removed.
    async fn account(&self, id: u128) -> Result<Option<Account>, CommandError> {
        let found = self.reads.ask(move |reader| get::<Account>(reader.tables(), &own::key(id)));
        let found = found.await?;
        Ok(found.filter(|account| account.removed_ms.is_none()))
    }

    /// The invitation of this token, if it can be accepted.
    async fn invitation(&self, token: &str) -> Result<Option<OneTimeLink>, CommandError> {
        let Some(link) = self.link(token).await? else { return Ok(None) };
        if !matches!(link.purpose, Purpose::Invitation | Purpose::Machine) {
            return Ok(None);
        }
        // Whoever has made an account since is not to lose it to an old mail.
        if link.purpose == Purpose::Invitation
            && self.account(account_id(&link.email)).await?.is_some()
        {
            return Ok(None);
        }
        // It makes the first account, and no other.
        if links::is_first_owner(&link) && self.has_owner().await? {
            return Ok(None);
        }
        // Whoever may not invite people any more has invited nobody.
        if link.purpose == Purpose::Invitation && !self.invites(link.made_by).await? {
            return Ok(None);
        }
        Ok(Some(link))
    }

    /// Whether somebody may invite people at this moment.
    async fn invites(&self, who: Actor) -> Result<bool, CommandError> {
        let organiser = self.organiser;
        let found =
            self.reads.ask(move |reader| rights::of(reader.tables(), who, organiser)).await?;
        let caller = Caller::new(who, found.unwrap_or_default(), true);
        Ok(caller.has(Right::ManageAccess, None))
    }

    /// Whether there is an owner who can sign in.
    pub async fn has_owner(&self) -> Result<bool, CommandError> {
        Ok(self.reads.ask(|reader| has_owner(reader.tables())).await?)
    }

    /// Accepts an invitation: makes the account, or gives the one that there is another password, and signs in.
    /// Gives the session.
    pub async fn accept(
        &self,
        token: &str,
        new: NewAccount,
        browser: Browser,
    ) -> Result<Begun, NotAccepted> {
        let link = self.invitation(token).await?.ok_or(NotAccepted::Gone)?;
        let email = if link.email.is_empty() { new.email.trim() } else { &link.email }.to_owned();
        let name = new.name.trim().to_owned();
        let flaws = flaws(&email, &name, &new.password);
        if !flaws.is_empty() {
            return Err(NotAccepted::Flaws(flaws));
        }
        let waits = Waits::Known(link.id);
        let password = self.hasher.hash(&new.password, self.ids.random(), waits).await?;
        let (now, claim) = (self.clock.now_ms(), self.ids.random());
        let account = Account {
            id: account_id(&email),
            email,
            name,
            password: Some(password),
            totp: None,
            totp_step: 0,
            claim: None,
            made_ms: now,
            removed_ms: None,
            browsers: self.ids.random(),
        };
        let (fresh, session) = self.new_session(account.id, browser, now);
        let actor = Actor::Staff(account.id);
        let mut changes = self.tidied(now);
        changes.push(match link.purpose {
            Purpose::Machine => {
                OneTimeLink { used_ms: Some(now), claim: Some(claim), ..link.clone() }.store_used()
            }
            _ => OneTimeLink::claim(link.id, claim, now),
        });
        let again = link.purpose == Purpose::Machine;
        changes.push(no_roles_of_before_if_claimed(account.id, link.id, claim));
        changes.extend(put_if_claimed(&account, again, link.id, claim));
        changes.push(end_all_if_claimed(account.id, link.id, claim));
        changes.push(end_links_if_claimed(account.id, now, link.id, claim));
        changes.push(forget_codes_if_claimed(account.id, link.id, claim));
        if let Some(role) = link.role {
            let event = link.event.unwrap_or(ALL_EVENTS);
            let grant =
                GrantRow { holder: account.id, event, role, made_by: link.made_by, at_ms: now };
            changes.push(grant_if_claimed(&grant, link.id, claim));
        }
        changes.push(RecordChange::put(&session));
        changes.push(unless_claimed(&session.id, link.id, claim));
        changes.extend(unless_account(&session.id, &account));
        let role = link.role.map_or("no role", Role::word);
        for (action, detail) in [
            (Action::AccountMade, format!("{} ({role})", account.email)),
            (Action::SignedIn, session.device.clone()),
        ] {
            let line = self.line(now, actor, action, detail);
            changes.push(RecordChange::put(&line));
            changes.push(untold_unless_claimed(line.id, link.id, claim));
        }
        self.writer.write(changes).await?;
        if !self.is_there(&session).await? {
            return Err(NotAccepted::Gone);
        }
        Ok(Begun { token: fresh, device: self.new_mark(&account), next: String::new() })
    }

    /// A session that begins now, and its token.
    fn new_session(&self, account: u128, browser: Browser, now: TimeMs) -> (String, Session) {
        let token = self.secrets.office_session(self.ids.random());
        let session = Session {
            id: sha256(token.as_bytes()),
            account,
            begun_ms: now,
            seen_ms: now,
            proved_ms: now,
            device: kept(&browser.device, DEVICE_CHARS),
            address: kept(&browser.address, DEVICE_CHARS),
        };
        (token, session)
    }

    /// Whether a session that was to be written is: only whoever has won the claim has one.
    async fn is_there(&self, session: &Session) -> Result<bool, CommandError> {
        let key = session.key();
        let found = self.reads.ask(move |reader| get::<Session>(reader.tables(), &key)).await;
        // What was written is not known to be there.
        found.map(|found| found.is_some()).map_err(|_| CommandError::InDoubt)
    }

    fn tidied(&self, now: TimeMs) -> Vec<RecordChange> {
        tidy(now - IDLE_MS, now - LONGEST_MS, now - LONGEST_MS).into()
    }

    fn line(&self, now: TimeMs, actor: Actor, action: Action, detail: String) -> AuditLine {
        AuditLine::of_office(self.ids.message(now), now, actor, action, detail)
    }
}

/// What is wrong with the fields of a new account.
fn flaws(email: &str, name: &str, password: &str) -> Vec<(&'static str, String)> {
    let mut flaws = Vec::new();
    if email.is_empty() {
        flaws.push(("email", "Please enter your e-mail address.".to_owned()));
    } else if let Err(why) = check_email(email) {
        flaws.push(("email", crate::text::capital(&why) + "."));
    }
    if name.is_empty() {
        flaws.push(("name", "Please enter your name.".to_owned()));
    } else if name.chars().count() > NAME_CHARS {
        flaws.push(("name", "A name has at most 100 characters.".to_owned()));
    } else if let Err(why) = check_name(name) {
        flaws.push(("name", crate::text::capital(&why) + "."));
    }
    if let Some(flaw) = passwords::flaw(password, &[email, name]) {
        flaws.push(("password", flaw.to_owned()));
    }
    flaws
}
