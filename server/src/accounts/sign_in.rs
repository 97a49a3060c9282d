//! Signing in: by a password or a link sent by mail, and where the person has an authenticator by its code as
//! well. Signing in once more, where what is to be done needs it. Signing out.

use super::passwords::Waits;
use super::totp::step_of;
use super::{Accounts, Browser, MINUTE_MS, NotSignedIn, SignedIn, account_id};
use crate::actor::Actor;
use crate::admission::client::Client;
use crate::admission::sign_ins::{Attempt, Known, Tries};
use crate::ids::{base32, digest, sha256, unbase32};
use crate::mail::Letter;
use crate::store::records::accounts::{
    Account, lock, no_link_unless_account, unless_account, use_code, use_step,
};
use crate::store::records::audit_log::Action;
use crate::store::records::sessions::{
    OneTimeLink, Purpose, Session, end_if_begun, newest_link, not_sent_unless_stored,
    unless_claimed, unless_code_claimed, unless_step_claimed, untold_unless_begun,
};
use crate::store::records::{Record, RecordChange};
use crate::tasks::spawn;
use crate::writer::{CommandError, mail_message};
use boxoffice::{TimeMs, check_email};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// A link sent by mail signs in for so long.
pub const LINK_MS: i64 = 15 * MINUTE_MS;
/// An account gets no other link before so long.
const LINK_AFTER_MS: i64 = 2 * MINUTE_MS;
/// The second step is waited for so long.
const SECOND_STEP_MS: i64 = 10 * MINUTE_MS;
/// How many letters of a browser's mark name it.
const LETTERS: usize = 26;

/// What tells a session from others where attempts are counted.
fn session_number(session: &Session) -> u128 {
    digest(&[b"session", &session.id])
}

/// How far somebody has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Signed in.
    In(Begun),
    /// The code of the authenticator is wanted, with this token.
    Code(String),
}

/// A session that has begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Begun {
    /// What its cookie says.
    pub token: String,
    /// What tells this browser from unknown ones, the next time.
    pub device: String,
    /// Where to go on, if it is known.
    pub next: String,
}

/// Whoever tries to sign in.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// From where.
    pub client: Client,
    /// By which browser.
    pub browser: Browser,
    /// What the browser was given when it had signed in before.
    pub device: Option<String>,
}

/// What is to be recorded of somebody who enters.
struct Entry<'a> {
    account: &'a Account,
    /// The link that is used, and whether it is not a secret of its own.
    link: Option<u128>,
    /// The code that is used.
    second: Option<Second>,
    /// The session instead of which this one begins.
    before: Option<&'a Session>,
    /// How, for the audit log.
    how: &'static str,
}

/// What was shown as the second step.
#[derive(Clone, Copy)]
enum Second {
    Step(i64),
    /// The hash of a recovery code.
    Code([u8; 32]),
}

impl Accounts {
    /// Signs in by address and password, to go on to this page.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &str,
        next: &str,
        visitor: Visitor,
    ) -> Result<Step, NotSignedIn> {
        let id = account_id(email);
        let device = self.known_device(id, &visitor).await?;
        let known = device.map(Known::Browser);
        let attempt = self.attempt(&visitor, id, known, Tries::Password)?;
        let account = self.account(id).await?;
        // As long whether there is such an account or not, and whether it has a password or not.
        let stored = account.as_ref().and_then(|account| account.password.clone());
        // Whoever is known does not wait for strangers.
        let waits = device.map_or(Waits::Stranger, |_| Waits::Known(id));
        let right = self.hasher.is(password, stored, waits).await?;
        let Some(account) = account.filter(|_| right) else {
            self.denied(id, &visitor, "wrong password").await;
            return Err(NotSignedIn::Wrong);
        };
        self.admission.signed_in(attempt);
        if account.totp.is_some() {
            return Ok(Step::Code(self.second_step(&account, next.to_owned()).await?));
        }
        let entry =
            Entry { account: &account, link: None, second: None, before: None, how: "by password" };
        self.enter(entry, visitor.browser, next.to_owned()).await.map(Step::In)
    }

    /// Signs in by the code of the authenticator, or a recovery code, after the first step.
    pub async fn second(
        &self,
        token: &str,
        typed: &str,
        visitor: Visitor,
    ) -> Result<Begun, NotSignedIn> {
        let link = self.link_for(token, Purpose::SecondStep).await?;
        let account = self.account(link.account.unwrap_or(0)).await?.ok_or(NotSignedIn::Gone)?;
        let known = self.known_device(account.id, &visitor).await?.map(Known::Browser);
        let attempt = self.attempt(&visitor, account.id, known, Tries::Code)?;
        let second = self.code(&account, typed).await?;
        let Some(second) = second else {
            self.denied(account.id, &visitor, "wrong code").await;
            return Err(NotSignedIn::Wrong);
        };
        self.admission.signed_in(attempt);
        let entry = Entry {
            account: &account,
            link: Some(link.id),
            second: Some(second),
            before: None,
            how: "with a code",
        };
        self.enter(entry, visitor.browser, link.goes_to).await
    }

    /// Whether a link of the second step can still be used.
    pub async fn awaits_code(&self, token: &str) -> Result<bool, CommandError> {
        let link = self.link(token).await?;
        Ok(link.is_some_and(|link| link.purpose == Purpose::SecondStep))
    }

    /// Whether this link signs somebody in.
    pub async fn signs_in(&self, token: &str) -> Result<bool, CommandError> {
        let link = self.link(token).await?;
        Ok(link.is_some_and(|link| link.purpose == Purpose::SignIn))
    }

    /// Signs in by a link that was sent by mail.
    pub async fn open(&self, token: &str, visitor: Visitor) -> Result<Step, NotSignedIn> {
        let link = self.link_for(token, Purpose::SignIn).await?;
        let account = self.account(link.account.unwrap_or(0)).await?.ok_or(NotSignedIn::Gone)?;
        if account.totp.is_some() {
            let (now, claim) = (self.clock.now_ms(), self.ids.random());
            self.writer.write(vec![OneTimeLink::claim(link.id, claim, now)]).await?;
            let used = self.stored(link.id).await?;
            if used.is_none_or(|used| used.claim != Some(claim)) {
                return Err(NotSignedIn::Gone);
            }
            return Ok(Step::Code(self.second_step(&account, link.goes_to).await?));
        }
        let (link, next) = (Some(link.id), link.goes_to);
        let entry = Entry { account: &account, link, second: None, before: None, how: "by a link" };
        self.enter(entry, visitor.browser, next).await.map(Step::In)
    }

    /// Sends a link that signs in to this address, if it has an account. The answer never tells whether: it is
    /// there before anybody has looked. [`CommandError::Busy`]: too many are being made, and this one is not.
    pub fn send_link(self: &Arc<Self>, email: &str, next: &str) -> Result<(), CommandError> {
        if email.is_empty() || check_email(email).is_err() {
            return Ok(());
        }
        let slot = Arc::clone(&self.admission.slots.sign_in_links).try_acquire_owned();
        let slot = slot.map_err(|_| CommandError::Busy)?;
        let (accounts, id, next) = (Arc::clone(self), account_id(email), next.to_owned());
        _ = spawn(async move {
            let _slot = slot;
            if let Err(error) = accounts.owe_link(id, next).await {
                tracing::warn!(?error, "a link to sign in could not be sent");
            }
        });
        Ok(())
    }

    async fn owe_link(&self, id: u128, next: String) -> Result<(), CommandError> {
        let Some(account) = self.account(id).await? else { return Ok(()) };
        let now = self.clock.now_ms();
        let ask = move |reader: &mut dyn crate::store::Reader| newest_link(reader.tables(), id);
        let newest = self.reads.ask(ask).await?;
        // Whoever asks for many does not fill somebody's mailbox, and the last one still works.
        if newest.is_some_and(|link| now < link.made_ms.saturating_add(LINK_AFTER_MS)) {
            return Ok(());
        }
        let link = self.new_link(Purpose::SignIn, &account, next, LINK_MS, now);
        let letter = Letter::SignIn(link.id);
        let message = mail_message(self.ids.message(now), &letter, &account.email, now);
        // Of several who ask at one moment, in whichever process, one makes a link, and the others send none.
        let changes = vec![
            lock(id),
            link.store_unless_newer(&account, now.saturating_sub(LINK_AFTER_MS)),
            RecordChange::put(&message),
            not_sent_unless_stored(message.id, link.id),
        ];
        self.writer.write(changes).await
    }

    /// Somebody who is signed in shows once more who they are, by the password or a code. Gives another session
    /// instead of this one.
    pub async fn confirm(
        &self,
        who: &SignedIn,
        password: &str,
        typed: &str,
        visitor: Visitor,
    ) -> Result<Begun, NotSignedIn> {
        let id = who.session.account;
        let account = self.account(id).await?.ok_or(NotSignedIn::Gone)?;
        let by_code = !typed.is_empty() && account.totp.is_some();
        let tries = if by_code { Tries::Code } else { Tries::Password };
        // Whoever is signed in has a budget of their own: nothing that strangers do keeps them from going on. It is
        // that of the session whatever mark the browser shows.
        let known = Some(Known::Session(session_number(&who.session)));
        let attempt = self.attempt(&visitor, id, known, tries)?;
        let second = if by_code { self.code(&account, typed).await? } else { None };
        let right = match by_code {
            true => second.is_some(),
            false => {
                let waits = Waits::Known(id);
                self.hasher.is(password, account.password.clone(), waits).await?
            }
        };
        if !right {
            self.denied(id, &visitor, "not confirmed").await;
            return Err(NotSignedIn::Wrong);
        }
        self.admission.signed_in(attempt);
        let before = Some(&who.session);
        let entry = Entry { account: &account, link: None, second, before, how: "once more" };
        self.enter(entry, visitor.browser, String::new()).await
    }

    /// Ends a session.
    pub async fn sign_out(&self, who: &SignedIn) -> Result<(), CommandError> {
        let now = self.clock.now_ms();
        let line = self.line(now, who.caller.actor(), Action::SessionEnded, "signed out".into());
        let ends = RecordChange::delete::<Session>(who.session.key());
        self.writer.write(vec![ends, RecordChange::put(&line)]).await
    }

    fn attempt(
        &self,
        visitor: &Visitor,
        account: u128,
        known: Option<Known>,
        tries: Tries,
    ) -> Result<Attempt, NotSignedIn> {
        let may = self.admission.may_sign_in(visitor.client, account, known, tries);
        may.map_err(|refused| NotSignedIn::TooMany(refused.again_s))
    }

    /// What a browser that has signed in to an account shows the next time, with a number that no other has. It is
    /// for whoever has just shown who they are: each number has a budget to try passwords and codes.
    pub(super) fn new_mark(&self, account: &Account) -> String {
        self.mark(account, self.ids.random())
    }

    /// The number of a browser whose mark is replaced: that of the mark that it shows, or else one that follows from
    /// its session. So it has the budget of before.
    pub(super) async fn kept_number(
        &self,
        who: &SignedIn,
        visitor: &Visitor,
    ) -> Result<u128, CommandError> {
        let known = self.known_device(who.session.account, visitor).await?;
        Ok(known.unwrap_or_else(|| digest(&[b"browser of session", &who.session.id])))
    }

    /// What a browser shows: its number, the stamp that the account has now, and what proves both.
    pub(super) fn mark(&self, account: &Account, number: u128) -> String {
        let device = base32(number, LETTERS);
        let proof = self.secrets.office_device(account.id, account.browsers, &device);
        device + &base32(account.browsers, LETTERS) + &proof
    }

    /// The number of the browser, if it has signed in to this account before and is known since. A mark that is made
    /// up is no question for the database.
    async fn known_device(
        &self,
        account: u128,
        visitor: &Visitor,
    ) -> Result<Option<u128>, CommandError> {
        let read = |mark: &str| {
            let (device, rest) = mark.split_at_checked(LETTERS)?;
            let (stamp, proof) = rest.split_at_checked(LETTERS)?;
            let stamp = unbase32(stamp, LETTERS)?;
            let own = self.secrets.office_device(account, stamp, device);
            let own: bool = own.as_bytes().ct_eq(proof.as_bytes()).into();
            own.then(|| Some((unbase32(device, LETTERS)?, stamp))).flatten()
        };
        let Some((device, stamp)) = visitor.device.as_deref().and_then(read) else {
            return Ok(None);
        };
        let account = self.account(account).await?;
        Ok(account.filter(|account| account.browsers == stamp).map(|_| device))
    }

    async fn link_for(&self, token: &str, purpose: Purpose) -> Result<OneTimeLink, NotSignedIn> {
        let link = self.link(token).await?.filter(|link| link.purpose == purpose);
        link.ok_or(NotSignedIn::Gone)
    }

    pub(super) fn new_link(
        &self,
        purpose: Purpose,
        account: &Account,
        goes_to: String,
        lasts_ms: i64,
        now: TimeMs,
    ) -> OneTimeLink {
        OneTimeLink {
            id: self.ids.random(),
            purpose,
            account: Some(account.id),
            email: account.email.clone(),
            role: None,
            event: None,
            goes_to,
            made_by: Actor::System,
            made_ms: now,
            ends_ms: now + lasts_ms,
            used_ms: None,
            claim: None,
        }
    }

    /// Begins the second step: gives the token with which its code is sent.
    async fn second_step(&self, account: &Account, next: String) -> Result<String, CommandError> {
        let now = self.clock.now_ms();
        let link = self.new_link(Purpose::SecondStep, account, next, SECOND_STEP_MS, now);
        let mut changes = vec![RecordChange::put(&link)];
        // The password may be changed at this moment.
        changes.extend(no_link_unless_account(link.id, account));
        self.writer.write(changes).await?;
        Ok(self.secrets.office_token(link.id))
    }

    /// What was typed as the second step, if it is a code of this account that was not used.
    async fn code(&self, account: &Account, typed: &str) -> Result<Option<Second>, CommandError> {
        let Some(secret) = &account.totp else { return Ok(None) };
        let now = self.clock.now_ms();
        if let Some(step) = step_of(secret, typed, now, account.totp_step) {
            return Ok(Some(Second::Step(step)));
        }
        let hash = super::own::recovery_hash(account.id, typed);
        let unused = self.recovery_codes(account.id).await?;
        let known = unused.iter().any(|code| code.hash == hash);
        Ok(known.then_some(Second::Code(hash)))
    }

    /// Begins a session, if what it needs is still so when it is written.
    async fn enter(
        &self,
        entry: Entry<'_>,
        browser: Browser,
        next: String,
    ) -> Result<Begun, NotSignedIn> {
        let Entry { account, link, second, before, how } = entry;
        let (now, claim) = (self.clock.now_ms(), self.ids.random());
        let (token, mut session) = self.new_session(account.id, browser, now);
        if let Some(before) = before {
            session.begun_ms = before.begun_ms;
        }
        let mut changes = self.tidied(now);
        changes.extend(link.map(|id| OneTimeLink::claim(id, claim, now)));
        match &second {
            Some(Second::Step(step)) => changes.push(use_step(account.id, *step, claim)),
            Some(Second::Code(hash)) => changes.push(use_code(account.id, hash, claim, now)),
            None => {}
        }
        let detail = format!("{how}: {}", session.device);
        let line = self.line(now, Actor::Staff(account.id), Action::SignedIn, detail);
        changes.extend([RecordChange::put(&session), RecordChange::put(&line)]);
        changes.extend(unless_account(&session.id, account));
        changes.extend(link.map(|id| unless_claimed(&session.id, id, claim)));
        match &second {
            Some(Second::Step(_)) => {
                changes.push(unless_step_claimed(&session.id, account.id, claim));
            }
            Some(Second::Code(_)) => {
                changes.push(unless_code_claimed(&session.id, account.id, claim));
            }
            None => {}
        }
        changes.push(untold_unless_begun(line.id, &session.id));
        changes.extend(before.map(|before| end_if_begun(&before.id, &session.id)));
        self.writer.write(changes).await?;
        if !self.is_there(&session).await? {
            // The link or the code was used at the same moment, or the account was changed.
            return Err(NotSignedIn::Gone);
        }
        Ok(Begun { token, device: self.new_mark(account), next })
    }

    /// Records that somebody could not sign in: not each of very many, for the log is no place for a flood.
    pub(super) async fn denied(&self, account: u128, visitor: &Visitor, why: &str) {
        let Some(untold) = self.admission.may_tell_denial() else { return };
        let now = self.clock.now_ms();
        let more = match untold {
            0 => String::new(),
            more => format!(" (and {more} more before)"),
        };
        let from = &visitor.browser.address;
        // What was typed may be a password: nobody can try from the log which one.
        let known = self.secrets.log_name(account);
        let detail = match self.account(account).await {
            Ok(Some(account)) => format!("{} from {from}: {why}{more}", account.email),
            _ => format!("no account ({known:x}) from {from}: {why}{more}"),
        };
        let line = self.line(now, Actor::System, Action::SignInDenied, detail);
        // If it is not recorded, the answer is the same.
        _ = self.writer.write(vec![RecordChange::put(&line)]).await;
    }

    /// The id of the session that a token opens.
    pub(super) fn session_id(token: &str) -> Vec<u8> {
        sha256(token.as_bytes())
    }
}
