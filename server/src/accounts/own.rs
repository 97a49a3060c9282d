//! What people do with their own account: password, authenticator, recovery codes, sessions.

use super::passwords::{Waits, hex};
use super::sign_in::{Begun, Visitor};
use super::totp::{self, SECRET_BYTES, step_of};
use super::{Accounts, NotSignedIn, SignedIn, passwords};
use crate::access::Denied;
use crate::actor::Actor;
use crate::ids::{base32, sha256};
use crate::store::records::accounts::{
    Account, RecoveryCode, add_code, forget_codes, lock, put_browsers, put_password, put_totp,
    unused_codes,
};
use crate::store::records::audit_log::{Action, AuditLine};
use crate::store::records::sessions::{
    Session, end_links, end_one, end_others, of_account, unless_there, untold_unless_begun,
};
use crate::store::records::{RecordChange, Value, get};
use crate::writer::CommandError;
use boxoffice::TimeMs;

/// So many recovery codes there are.
pub const CODES: usize = 10;
/// How long one is, in letters of five bits.
const CODE_LETTERS: usize = 16;

/// Why an account was not changed. Nothing was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotChanged {
    /// The person must sign in once more first.
    NotRecent,
    /// What is wrong, as a sentence.
    Flaw(&'static str),
    /// There is no such thing any more.
    Gone,
    /// The session in which it was asked for has ended.
    SessionEnded,
    /// The role does not allow it.
    Denied(Denied),
    /// Too many sign in at the moment.
    Busy,
    /// The database is in trouble.
    Failed(CommandError),
}

impl From<CommandError> for NotChanged {
    fn from(no: CommandError) -> NotChanged {
        NotChanged::Failed(no)
    }
}

impl From<passwords::Busy> for NotChanged {
    fn from(passwords::Busy: passwords::Busy) -> NotChanged {
        NotChanged::Busy
    }
}

impl From<Denied> for NotChanged {
    fn from(denied: Denied) -> NotChanged {
        NotChanged::Denied(denied)
    }
}

impl From<NotSignedIn> for NotChanged {
    fn from(no: NotSignedIn) -> NotChanged {
        match no {
            NotSignedIn::Busy => NotChanged::Busy,
            NotSignedIn::Failed(no) => NotChanged::Failed(no),
            NotSignedIn::Wrong | NotSignedIn::Gone | NotSignedIn::TooMany(_) => NotChanged::Gone,
        }
    }
}

/// A person's own account as they see it.
#[derive(Clone, Debug)]
pub struct Own {
    /// The e-mail address.
    pub email: String,
    /// The name.
    pub name: String,
    /// Whether there is an authenticator.
    pub totp: bool,
    /// The sessions, the one that was used last first.
    pub sessions: Vec<Listed>,
    /// How many recovery codes are left.
    pub codes: usize,
}

/// A session as its person sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// What names it, and does not open it.
    pub id: String,
    /// The browser.
    pub device: String,
    /// The network from which it signed in.
    pub address: String,
    /// Since when.
    pub begun_ms: TimeMs,
    /// When it was used, as of a few minutes ago.
    pub seen_ms: TimeMs,
    /// Whether it is the one that asks.
    pub own: bool,
}

/// The hash of a recovery code as it is typed.
pub(super) fn recovery_hash(account: u128, typed: &str) -> [u8; 32] {
    let letter = |c: char| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    let code: String =
        typed.chars().filter(|c| !c.is_whitespace() && *c != '-').map(letter).collect();
    let text = [&account.to_be_bytes()[..], code.as_bytes()].concat();
    sha256(&text).try_into().expect("32 bytes")
}

impl Accounts {
    /// The own account of whoever is signed in.
    pub async fn own(&self, who: &SignedIn) -> Result<Own, CommandError> {
        let id = who.session.account;
        // It was there when the session was found.
        let account = self.account(id).await?.ok_or(CommandError::Unavailable)?;
        let sessions = self.reads.ask(move |reader| of_account(reader.tables(), id)).await?;
        let now = self.clock.now_ms();
        let listed = |session: Session| Listed {
            own: session.id == who.session.id,
            id: hex(&session.id),
            device: session.device,
            address: session.address,
            begun_ms: session.begun_ms,
            seen_ms: session.seen_ms,
        };
        let sessions = sessions.into_iter().filter(|session| super::lasts(session, now));
        let codes = self.recovery_codes(id).await?.len();
        let Account { email, name, totp, .. } = account;
        let sessions = sessions.map(listed).collect();
        Ok(Own { email, name, totp: totp.is_some(), sessions, codes })
    }

    /// The recovery codes of an account that were not used.
    pub(super) async fn recovery_codes(
        &self,
        account: u128,
    ) -> Result<Vec<RecoveryCode>, CommandError> {
        Ok(self.reads.ask(move |reader| unused_codes(reader.tables(), account)).await?)
    }

    /// Gives the account another password. All sessions end, and another one begins in this browser.
    pub async fn change_password(
        &self,
        who: &SignedIn,
        password: &str,
        visitor: Visitor,
    ) -> Result<Begun, NotChanged> {
        let account = self.recently(who).await?;
        if let Some(flaw) = passwords::flaw(password, &[&account.email, &account.name]) {
            return Err(NotChanged::Flaw(flaw));
        }
        let waits = Waits::Known(account.id);
        let hash = self.hasher.hash(password, self.ids.random(), waits).await?;
        let now = self.clock.now_ms();
        let number = self.kept_number(who, &visitor).await?;
        let account = Account { browsers: self.ids.random(), ..account };
        let (token, session) = self.new_session(account.id, visitor.browser, now);
        let detail = "all sessions ended".to_owned();
        let line = self.line(now, who.caller.actor(), Action::PasswordChanged, detail);
        let own = &who.session.id;
        self.writer
            .write(vec![
                lock(account.id),
                put_password(account.id, &hash, own),
                put_browsers(account.id, account.browsers, own),
                end_links(account.id, now, own),
                RecordChange::put(&session),
                unless_there(&session.id, own),
                end_others(account.id, &session.id),
                RecordChange::put(&line),
                untold_unless_begun(line.id, &session.id),
            ])
            .await?;
        self.was_told(line.id).await?;
        Ok(Begun { token, device: self.mark(&account, number), next: String::new() })
    }

    /// The secret that an authenticator of this account gets if it is set up in this session. It is another one as
    /// soon as it is set up, and after it was taken off: nobody who comes to this browser later sees it.
    fn new_totp(&self, who: &SignedIn, account: &Account) -> Vec<u8> {
        let step = account.totp_step.to_be_bytes();
        let now = account.totp.as_deref().unwrap_or(&step);
        let mut secret = self.secrets.office_totp(account.id, &who.session.id, now).to_vec();
        secret.truncate(SECRET_BYTES);
        secret
    }

    /// The new secret as people type it, and as a picture tells it.
    pub async fn totp_setup(&self, who: &SignedIn) -> Result<(String, String), NotChanged> {
        let account = self.recently(who).await?;
        let secret = self.new_totp(who, &account);
        Ok((totp::written(&secret), totp::address(&secret, "nts", &account.email)))
    }

    /// Sets the authenticator up, if its first code is right. All other sessions end: whoever began one had not to show
    /// a code. Gives the recovery codes, which are shown once, and what this browser is known by.
    pub async fn set_totp(
        &self,
        who: &SignedIn,
        typed: &str,
        visitor: &Visitor,
    ) -> Result<(Vec<String>, String), NotChanged> {
        let account = self.recently(who).await?;
        let secret = self.new_totp(who, &account);
        let now = self.clock.now_ms();
        let Some(step) = step_of(&secret, typed, now, account.totp_step) else {
            return Err(NotChanged::Flaw(
                "This is not the code that the authenticator shows now. Wait for the next one, and look \
                 whether the clock of the device is right.",
            ));
        };
        let number = self.kept_number(who, visitor).await?;
        let own = &who.session.id;
        let (codes, mut changes) = self.new_codes(account.id, own);
        changes.push(put_totp(account.id, Some(&secret), step, own));
        let account = Account { browsers: self.ids.random(), ..account };
        changes.push(put_browsers(account.id, account.browsers, own));
        changes.push(end_others(account.id, own));
        changes.push(end_links(account.id, now, own));
        let detail = "has an authenticator; all other sessions ended".to_owned();
        self.change_own(who, changes, (Action::SecondStepChanged, detail)).await?;
        Ok((codes, self.mark(&account, number)))
    }

    /// Takes the authenticator off, and the recovery codes with it.
    pub async fn remove_totp(&self, who: &SignedIn) -> Result<(), NotChanged> {
        let account = self.recently(who).await?;
        let own = &who.session.id;
        let detail = "has no authenticator any more".to_owned();
        let changes = vec![
            lock(account.id),
            put_totp(account.id, None, account.totp_step, own),
            forget_codes(account.id, own),
        ];
        self.change_own(who, changes, (Action::SecondStepChanged, detail)).await
    }

    /// Makes other recovery codes instead of those that there are.
    pub async fn renew_codes(&self, who: &SignedIn) -> Result<Vec<String>, NotChanged> {
        let account = self.recently(who).await?;
        if account.totp.is_none() {
            return Err(NotChanged::Gone);
        }
        let (codes, changes) = self.new_codes(account.id, &who.session.id);
        let detail = "other recovery codes".to_owned();
        self.change_own(who, changes, (Action::SecondStepChanged, detail)).await?;
        Ok(codes)
    }

    /// Writes changes that are made only if the session is there in which they were asked for, and tells the audit log
    /// of them if it was.
    async fn change_own(
        &self,
        who: &SignedIn,
        mut changes: Vec<RecordChange>,
        (action, detail): (Action, String),
    ) -> Result<(), NotChanged> {
        let line = self.line(self.clock.now_ms(), who.caller.actor(), action, detail);
        changes.push(RecordChange::put(&line));
        changes.push(untold_unless_begun(line.id, &who.session.id));
        self.writer.write(changes).await?;
        self.was_told(line.id).await
    }

    /// Whether a line of the audit log was left that tells of what was done if the session was there.
    async fn was_told(&self, line: u128) -> Result<(), NotChanged> {
        let found = self.reads.ask(move |reader| get::<AuditLine>(reader.tables(), &key(line)));
        // What was written is not known to be there.
        let found = found.await.map_err(|_| CommandError::InDoubt)?;
        found.map(drop).ok_or(NotChanged::SessionEnded)
    }

    /// Other recovery codes instead of those that there are, if this session is there.
    fn new_codes(&self, account: u128, session: &[u8]) -> (Vec<String>, Vec<RecordChange>) {
        let mut changes = vec![lock(account), forget_codes(account, session)];
        let codes = (0..CODES).map(|_| {
            let letters = base32(self.ids.random(), CODE_LETTERS);
            let groups = letters.as_bytes().chunks(4).map(String::from_utf8_lossy);
            let code = groups.collect::<Vec<_>>().join("-");
            let hash = recovery_hash(account, &code).to_vec();
            changes.push(add_code(account, hash, session));
            code
        });
        (codes.collect(), changes)
    }

    /// Ends one of one's own sessions, by its id; none is named: all but this one. No other browser is known any more
    /// then. Gives what this one is known by.
    pub async fn end_sessions(
        &self,
        who: &SignedIn,
        named: Option<&str>,
        visitor: &Visitor,
    ) -> Result<String, NotChanged> {
        let (id, own) = (who.session.account, &who.session.id);
        let sessions = self.reads.ask(move |reader| of_account(reader.tables(), id)).await;
        let sessions = sessions.map_err(CommandError::from)?;
        let ends = |session: &&Session| match named {
            Some(named) => hex(&session.id) == named,
            None => session.id != *own,
        };
        let ended: Vec<&Session> = sessions.iter().filter(ends).collect();
        if ended.is_empty() && named.is_some() {
            return Err(NotChanged::Gone);
        }
        let now = self.clock.now_ms();
        let number = self.kept_number(who, visitor).await?;
        let account = self.account(id).await?.ok_or(NotChanged::Gone)?;
        let account = Account { browsers: self.ids.random(), ..account };
        let mut changes =
            vec![lock(id), put_browsers(id, account.browsers, own), end_links(id, now, own)];
        let mut told = None;
        for session in &ended {
            let (actor, device) = (Actor::Staff(id), session.device.clone());
            let line = self.line(now, actor, Action::SessionEnded, device);
            changes.extend([RecordChange::put(&line), untold_unless_begun(line.id, own)]);
            told = Some(line.id);
        }
        changes.extend(ended.iter().map(|session| end_one(id, &session.id, own)));
        if named.is_none() {
            // Also one that begins at this moment.
            changes.push(end_others(id, own));
        }
        self.writer.write(changes).await?;
        match told {
            Some(line) => self.was_told(line).await?,
            None if self.is_there(&who.session).await? => {}
            None => return Err(NotChanged::SessionEnded),
        }
        Ok(self.mark(&account, number))
    }

    /// The account of somebody who has signed in a short while ago.
    async fn recently(&self, who: &SignedIn) -> Result<Account, NotChanged> {
        if !who.recent {
            return Err(NotChanged::NotRecent);
        }
        self.account(who.session.account).await?.ok_or(NotChanged::Gone)
    }
}

/// The key of a row by its id.
pub(super) fn key(id: u128) -> [Value; 1] {
    [Value::Blob(id.to_be_bytes().into())]
}
