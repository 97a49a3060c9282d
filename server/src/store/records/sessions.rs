//! Sessions: browsers that are signed in to the office; and links that work once.

use super::accounts::Account;
use super::{Field, Kind, Record, RecordChange, Row, Tables, Value, read, record, take};
use crate::access::{Grant, Role};
use crate::actor::Actor;
use crate::store::Fault;
use boxoffice::EventId;
use std::sync::LazyLock;

record! {
    /// A browser that is signed in.
    pub struct Session: "sessions", key 1 {
        /// The SHA-256 of what its cookie says.
        pub id: Vec<u8>,
        /// Whose.
        pub account: u128,
        /// Since when somebody is signed in, in milliseconds since 1970.
        pub begun_ms: i64,
        /// When it was used, as of a few minutes ago, in milliseconds since 1970.
        pub seen_ms: i64,
        /// When the person has shown who they are, the last time, in milliseconds since 1970.
        pub proved_ms: i64,
        /// What the browser says that it is, for its list.
        pub device: String,
        /// From which network it signed in, for its list.
        pub address: String,
    }
}

record! {
    /// A link that works once. What its address proves is not stored.
    pub struct OneTimeLink: "one_time_links", key 1 {
        /// Its id.
        pub id: u128,
        /// What for.
        pub purpose: Purpose,
        /// Who signs in with it.
        pub account: Option<u128>,
        /// To whom it was sent.
        pub email: String,
        /// The role that comes with it.
        pub role: Option<Role>,
        /// For which event; none: for all.
        pub event: Option<EventId>,
        /// To which page of ours it leads in the end.
        pub goes_to: String,
        /// Who made it.
        pub made_by: Actor,
        /// When, in milliseconds since 1970.
        pub made_ms: i64,
        /// Until when it works, in milliseconds since 1970.
        pub ends_ms: i64,
        /// When it was used, in milliseconds since 1970.
        pub used_ms: Option<i64>,
        /// Who has used it, so that of two at one moment one has.
        pub claim: Option<u128>,
    }
}

/// What a link is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Makes an account with a role.
    Invitation,
    /// Signs in.
    SignIn,
    /// Goes on to the second step of signing in: the first one is done.
    SecondStep,
    /// Made by the command line on the machine, and not stored before it is used.
    Machine,
}

impl Purpose {
    const ALL: [Purpose; 4] =
        [Purpose::Invitation, Purpose::SignIn, Purpose::SecondStep, Purpose::Machine];

    /// As it is stored.
    pub fn word(self) -> &'static str {
        match self {
            Purpose::Invitation => "invitation",
            Purpose::SignIn => "sign_in",
            Purpose::SecondStep => "second_step",
            Purpose::Machine => "machine",
        }
    }
}

impl Field for Purpose {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value {
        Value::Text(self.word().into())
    }

    fn read(value: Value) -> Option<Purpose> {
        let Value::Text(word) = value else { return None };
        Purpose::ALL.into_iter().find(|purpose| purpose.word() == word)
    }
}

/// Rows of something and its grants: all have the same columns first, then a role and its event, if any.
pub(super) fn with_grants<R: Record>(rows: Vec<Row>) -> Result<Option<(R, Vec<Grant>)>, Fault> {
    let width = R::table().columns.len();
    let damaged = |why| Fault::NotDone(format!("unreadable: {why}"));
    let (mut found, mut grants) = (None, Vec::new());
    for mut row in rows {
        let mut granted = row.split_off(width).into_iter();
        let role: Option<Role> = take(&mut granted, "grants.role").map_err(damaged)?;
        let event: Option<EventId> = take(&mut granted, "grants.event").map_err(damaged)?;
        grants.extend(role.map(|role| Grant { role, event: event.filter(|event| event.0 != 0) }));
        found = Some(row);
    }
    let found = found.map(|row| R::read(row).map_err(damaged)).transpose()?;
    Ok(found.map(|found| (found, grants)))
}

/// The session of this id, unless its person was removed, with the roles of the person.
pub fn signed_in(from: &mut dyn Tables, id: &[u8]) -> Result<Option<(Session, Vec<Grant>)>, Fault> {
    let rows = from.query(
        "SELECT s.id, s.account, s.begun_ms, s.seen_ms, s.proved_ms, s.device, s.address, g.role, g.event
         FROM sessions s JOIN accounts a ON a.id = s.account AND a.removed_ms IS NULL
         LEFT JOIN grants g ON g.holder = s.account
         WHERE s.id = $1",
        &[Value::Blob(id.to_vec())],
    )?;
    with_grants(rows)
}

static OF_ACCOUNT: LazyLock<String> =
    LazyLock::new(|| Session::table().select("WHERE account = $1 ORDER BY seen_ms DESC, id"));

/// The sessions of an account, the one that was used last first.
pub fn of_account(from: &mut dyn Tables, account: u128) -> Result<Vec<Session>, Fault> {
    read(from.query(&OF_ACCOUNT, &[account.value()])?)
}

/// A session was used.
pub fn seen(id: &[u8], now: i64) -> RecordChange {
    RecordChange::Run(
        "UPDATE sessions SET seen_ms = $1 WHERE id = $2 AND seen_ms < $1",
        vec![now.value(), Value::Blob(id.to_vec())],
    )
}

/// All sessions of an account end but this one, if it is there.
pub fn end_others(account: u128, session: &[u8]) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM sessions WHERE account = $1 AND id <> $2
         AND EXISTS (SELECT 1 FROM sessions WHERE id = $2)",
        vec![account.value(), Value::Blob(session.to_vec())],
    )
}

/// A session of an account ends, if the other one is there, in which that was asked for. Both may be the same.
pub fn end_one(account: u128, ended: &[u8], session: &[u8]) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM sessions WHERE account = $1 AND id = $2
         AND EXISTS (SELECT 1 FROM sessions WHERE id = $3)",
        vec![account.value(), Value::Blob(ended.to_vec()), Value::Blob(session.to_vec())],
    )
}

/// Takes a session back that was put a moment ago, unless the one is there in which it was asked for.
pub fn unless_there(session: &[u8], before: &[u8]) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM sessions WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = $2)",
        vec![Value::Blob(session.to_vec()), Value::Blob(before.to_vec())],
    )
}

/// No link signs in to this account any more that was made before, if this session is there.
pub fn end_links(account: u128, now: i64, session: &[u8]) -> RecordChange {
    RecordChange::Run(
        "UPDATE one_time_links SET used_ms = $1 WHERE account = $2 AND used_ms IS NULL
         AND EXISTS (SELECT 1 FROM sessions WHERE id = $3)",
        vec![now.value(), account.value(), Value::Blob(session.to_vec())],
    )
}

/// The same, if whoever asks has claimed this link.
pub fn end_links_if_claimed(account: u128, now: i64, link: u128, claim: u128) -> RecordChange {
    RecordChange::Run(
        "UPDATE one_time_links SET used_ms = $1 WHERE account = $2 AND used_ms IS NULL
         AND EXISTS (SELECT 1 FROM one_time_links WHERE id = $3 AND claim = $4)",
        vec![now.value(), account.value(), link.value(), claim.value()],
    )
}

/// This invitation ends, if the person was removed.
pub fn end_invitation_of_removed(link: u128, account: u128, now: i64) -> RecordChange {
    RecordChange::Run(
        "UPDATE one_time_links SET used_ms = $1 WHERE id = $2 AND used_ms IS NULL
         AND EXISTS (SELECT 1 FROM accounts WHERE id = $3 AND removed_ms IS NOT NULL)",
        vec![now.value(), link.value(), account.value()],
    )
}

/// What nobody can use any more goes: sessions that were last used or begun before these times, and links that
/// ended before this time.
pub fn tidy(seen_before: i64, begun_before: i64, links_before: i64) -> [RecordChange; 2] {
    [
        RecordChange::Run(
            "DELETE FROM sessions WHERE seen_ms < $1 OR begun_ms < $2",
            vec![seen_before.value(), begun_before.value()],
        ),
        RecordChange::Run(
            "DELETE FROM one_time_links WHERE ends_ms < $1",
            vec![links_before.value()],
        ),
    ]
}

impl OneTimeLink {
    /// Uses a link that is stored, unless it was used or has ended.
    pub fn claim(id: u128, claim: u128, now: i64) -> RecordChange {
        RecordChange::Run(
            "UPDATE one_time_links SET used_ms = $1, claim = $2
             WHERE id = $3 AND used_ms IS NULL AND ends_ms > $1",
            vec![now.value(), claim.value(), id.value()],
        )
    }

    /// Stores a link that is used at this moment, unless it was stored before.
    pub fn store_used(&self) -> RecordChange {
        RecordChange::Run(
            "INSERT INTO one_time_links (id, purpose, account, email, role, event, goes_to, made_by,
                 made_ms, ends_ms, used_ms, claim)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING",
            self.row(),
        )
    }

    /// Stores a link that signs in, unless the account got one that was made after this time, or is not any more
    /// what it was when it was looked at. The account is to be locked before.
    pub fn store_unless_newer(&self, account: &Account, made_after: i64) -> RecordChange {
        RecordChange::Run(
            "INSERT INTO one_time_links (id, purpose, account, email, goes_to, made_by, made_ms, ends_ms)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8
             WHERE EXISTS (SELECT 1 FROM accounts
                           WHERE id = $9 AND removed_ms IS NULL AND browsers = $10)
             AND NOT EXISTS (SELECT 1 FROM one_time_links
                             WHERE account = $9 AND purpose = 'sign_in' AND made_ms > $11)
             ON CONFLICT (id) DO NOTHING",
            vec![
                self.id.value(),
                self.purpose.value(),
                self.account.value(),
                self.email.value(),
                self.goes_to.value(),
                self.made_by.value(),
                self.made_ms.value(),
                self.ends_ms.value(),
                account.id.value(),
                account.browsers.value(),
                made_after.value(),
            ],
        )
    }
}

/// Takes a message back that was put a moment ago, unless its link was stored.
pub fn not_sent_unless_stored(message: u128, link: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM outbox WHERE id = $1
         AND NOT EXISTS (SELECT 1 FROM one_time_links WHERE id = $2)",
        vec![message.value(), link.value()],
    )
}

/// Takes a session back that was put a moment ago, unless its maker has claimed this link.
pub fn unless_claimed(session: &[u8], link: u128, claim: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM sessions WHERE id = $1
         AND NOT EXISTS (SELECT 1 FROM one_time_links WHERE id = $2 AND claim = $3)",
        vec![Value::Blob(session.to_vec()), link.value(), claim.value()],
    )
}

/// The same of a line of the audit log.
pub fn untold_unless_claimed(line: u128, link: u128, claim: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM audit_log WHERE id = $1
         AND NOT EXISTS (SELECT 1 FROM one_time_links WHERE id = $2 AND claim = $3)",
        vec![line.value(), link.value(), claim.value()],
    )
}

/// All sessions of an account end, if whoever asks has claimed this link.
pub fn end_all_if_claimed(account: u128, link: u128, claim: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM sessions WHERE account = $1
         AND EXISTS (SELECT 1 FROM one_time_links WHERE id = $2 AND claim = $3)",
        vec![account.value(), link.value(), claim.value()],
    )
}

/// The recovery codes of an account count no more, if whoever asks has claimed this link.
pub fn forget_codes_if_claimed(account: u128, link: u128, claim: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM recovery_codes WHERE account = $1
         AND EXISTS (SELECT 1 FROM one_time_links WHERE id = $2 AND claim = $3)",
        vec![account.value(), link.value(), claim.value()],
    )
}

/// All sessions of somebody who was removed end.
pub fn end_all_of_removed(account: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM sessions WHERE account = $1
         AND EXISTS (SELECT 1 FROM accounts WHERE id = $1 AND removed_ms IS NOT NULL)",
        vec![account.value()],
    )
}

/// No link of somebody who was removed works any more, nor one that they have sent.
pub fn end_links_of_removed(account: &Account, now: i64) -> RecordChange {
    RecordChange::Run(
        "UPDATE one_time_links SET used_ms = $1 WHERE used_ms IS NULL
         AND (account = $2 OR made_by = $3)
         AND EXISTS (SELECT 1 FROM accounts WHERE id = $2 AND removed_ms IS NOT NULL)",
        vec![now.value(), account.id.value(), Actor::Staff(account.id).value()],
    )
}

/// Takes a session back that was put a moment ago, unless its maker has claimed the code of a time step.
pub fn unless_step_claimed(session: &[u8], account: u128, claim: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM sessions WHERE id = $1
         AND NOT EXISTS (SELECT 1 FROM accounts WHERE id = $2 AND claim = $3)",
        vec![Value::Blob(session.to_vec()), account.value(), claim.value()],
    )
}

/// Takes a session back that was put a moment ago, unless its maker has claimed a recovery code.
pub fn unless_code_claimed(session: &[u8], account: u128, claim: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM sessions WHERE id = $1
         AND NOT EXISTS (SELECT 1 FROM recovery_codes WHERE account = $2 AND claim = $3)",
        vec![Value::Blob(session.to_vec()), account.value(), claim.value()],
    )
}

/// Takes a line of the log back that was put a moment ago, unless this session has begun.
pub fn untold_unless_begun(line: u128, session: &[u8]) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM audit_log WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = $2)",
        vec![line.value(), Value::Blob(session.to_vec())],
    )
}

/// Ends a session if another one has begun instead.
pub fn end_if_begun(before: &[u8], session: &[u8]) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM sessions WHERE id = $1 AND EXISTS (SELECT 1 FROM sessions WHERE id = $2)",
        vec![Value::Blob(before.to_vec()), Value::Blob(session.to_vec())],
    )
}

static NEWEST: LazyLock<String> = LazyLock::new(|| {
    OneTimeLink::table()
        .select("WHERE account = $1 AND purpose = 'sign_in' ORDER BY made_ms DESC, id LIMIT 1")
});
static PENDING: LazyLock<String> = LazyLock::new(|| {
    OneTimeLink::table().select(
        "WHERE purpose = 'invitation' AND used_ms IS NULL AND ends_ms > $1
         ORDER BY made_ms DESC, id",
    )
});

/// The link to sign in that an account got last.
pub fn newest_link(from: &mut dyn Tables, account: u128) -> Result<Option<OneTimeLink>, Fault> {
    Ok(read(from.query(&NEWEST, &[account.value()])?)?.pop())
}

/// The invitations that can still be accepted, the newest first.
pub fn pending(from: &mut dyn Tables, now: i64) -> Result<Vec<OneTimeLink>, Fault> {
    read(from.query(&PENDING, &[now.value()])?)
}
