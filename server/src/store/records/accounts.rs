//! Accounts: people who may sign in to the office, their roles, and the codes that replace a lost authenticator.

use super::{Field, Kind, Record, RecordChange, Tables, Value, read, record};
use crate::access::{Grant, Role};
use crate::actor::Actor;
use crate::store::Fault;
use boxoffice::EventId;
use std::sync::LazyLock;

record! {
    /// A person.
    pub struct Account: "accounts", key 1 {
        /// Follows from the e-mail address, so that an address has one account.
        pub id: u128,
        /// The e-mail address, as it was typed.
        pub email: String,
        /// The name.
        pub name: String,
        /// The password as its hash with salt and cost; none: signs in by mail.
        pub password: Option<String>,
        /// The secret of the authenticator; none: there is none.
        pub totp: Option<Vec<u8>>,
        /// The last time step whose code was used: neither it nor an earlier one counts again.
        pub totp_step: i64,
        /// Whoever has used that step, so that of two at one moment one has.
        pub claim: Option<u128>,
        /// Since when, in milliseconds since 1970.
        pub made_ms: i64,
        /// Since when the person may not sign in any more. The row stays, for the audit log.
        pub removed_ms: Option<i64>,
        /// What the marks of the browsers are made with that have signed in before. Another value ends them all, and
        /// what begins at the same moment.
        pub browsers: u128,
    }
}

record! {
    /// A role of an account or an API key, for one event or for all. One role for each.
    pub struct GrantRow: "grants", key 2 {
        /// The account or the key.
        pub holder: u128,
        /// Which event; 0: all that there are and will be, and the shop itself.
        pub event: EventId,
        /// Which role.
        pub role: Role,
        /// Who gave it.
        pub made_by: Actor,
        /// When, in milliseconds since 1970.
        pub at_ms: i64,
    }
}

record! {
    /// A code that signs in once instead of a code of the authenticator.
    pub struct RecoveryCode: "recovery_codes", key 2 {
        /// Whose.
        pub account: u128,
        /// The SHA-256 of the code.
        pub hash: Vec<u8>,
        /// When it was used, in milliseconds since 1970.
        pub used_ms: Option<i64>,
        /// Whoever has used it.
        pub claim: Option<u128>,
    }
}

/// Stands for all events in a row.
pub const ALL_EVENTS: EventId = EventId(0);

impl GrantRow {
    /// As it is checked.
    pub fn grant(&self) -> Grant {
        Grant { role: self.role, event: Some(self.event).filter(|event| *event != ALL_EVENTS) }
    }
}

impl Field for Role {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value {
        Value::Text(self.word().into())
    }

    fn read(value: Value) -> Option<Role> {
        let Value::Text(word) = value else { return None };
        word.parse().ok()
    }
}

static PEOPLE: LazyLock<String> =
    LazyLock::new(|| Account::table().select("WHERE removed_ms IS NULL ORDER BY email, id"));
static OWNERS: LazyLock<String> = LazyLock::new(|| {
    Account::table().select(
        "WHERE removed_ms IS NULL
             AND id IN (SELECT holder FROM grants WHERE role = 'owner' AND event = 0)
         ORDER BY id",
    )
});
static GRANTS: LazyLock<String> =
    LazyLock::new(|| GrantRow::table().select("WHERE holder = $1 ORDER BY event"));

/// All people who may sign in.
pub fn people(from: &mut dyn Tables) -> Result<Vec<Account>, Fault> {
    read(from.query(&PEOPLE, &[])?)
}

/// All owners who may sign in.
pub fn owners(from: &mut dyn Tables) -> Result<Vec<Account>, Fault> {
    read(from.query(&OWNERS, &[])?)
}

/// The roles of an account or a key.
pub fn grants(from: &mut dyn Tables, holder: u128) -> Result<Vec<GrantRow>, Fault> {
    read(from.query(&GRANTS, &[holder.value()])?)
}

/// Whether there is an owner who may sign in.
pub fn has_owner(from: &mut dyn Tables) -> Result<bool, Fault> {
    let owners = from.query(
        "SELECT count(*) FROM grants g JOIN accounts a ON a.id = g.holder
         WHERE g.role = 'owner' AND g.event = 0 AND a.removed_ms IS NULL",
        &[],
    )?;
    Ok(owners.first().and_then(|row| row.first()).is_some_and(|n| *n != Value::Int(0)))
}

/// Makes an account anew, or one of a removed person again, if whoever asks has claimed a link. `again`: gives one that
/// there is another password and no authenticator. Whoever has not made it so loses the claim.
pub fn put_if_claimed(
    account: &Account,
    again: bool,
    link: u128,
    claim: u128,
) -> [RecordChange; 2] {
    [
        RecordChange::Run(
            "INSERT INTO accounts (id, email, name, password, totp, totp_step, made_ms, browsers)
             SELECT $1, $2, $3, $4, NULL, 0, $5, $6
             WHERE EXISTS (SELECT 1 FROM one_time_links WHERE id = $7 AND claim = $8)
             ON CONFLICT (id) DO UPDATE SET email = excluded.email, name = excluded.name,
                 password = excluded.password, totp = NULL, removed_ms = NULL,
                 browsers = excluded.browsers
             WHERE $9 OR accounts.removed_ms IS NOT NULL",
            vec![
                account.id.value(),
                account.email.value(),
                account.name.value(),
                account.password.value(),
                account.made_ms.value(),
                account.browsers.value(),
                link.value(),
                claim.value(),
                again.value(),
            ],
        ),
        RecordChange::Run(
            "UPDATE one_time_links SET claim = NULL WHERE id = $1 AND claim = $2
             AND NOT EXISTS (SELECT 1 FROM accounts WHERE id = $3 AND browsers = $4)",
            vec![link.value(), claim.value(), account.id.value(), account.browsers.value()],
        ),
    ]
}

/// Somebody who was removed begins without a role, if whoever asks has claimed a link. To be done before the account is
/// made again.
pub fn no_roles_of_before_if_claimed(account: u128, link: u128, claim: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM grants WHERE holder = $1
         AND EXISTS (SELECT 1 FROM accounts WHERE id = $1 AND removed_ms IS NOT NULL)
         AND EXISTS (SELECT 1 FROM one_time_links WHERE id = $2 AND claim = $3)",
        vec![account.value(), link.value(), claim.value()],
    )
}

/// Gives a role, if whoever asks has claimed a link. Whoever is an owner stays one.
pub fn grant_if_claimed(grant: &GrantRow, link: u128, claim: u128) -> RecordChange {
    RecordChange::Run(
        "INSERT INTO grants (holder, event, role, made_by, at_ms)
         SELECT $1, $2, $3, $4, $5
         WHERE EXISTS (SELECT 1 FROM one_time_links WHERE id = $6 AND claim = $7)
         ON CONFLICT (holder, event) DO UPDATE SET role = excluded.role,
             made_by = excluded.made_by, at_ms = excluded.at_ms
         WHERE grants.role <> 'owner'",
        vec![
            grant.holder.value(),
            grant.event.value(),
            grant.role.value(),
            grant.made_by.value(),
            grant.at_ms.value(),
            link.value(),
            claim.value(),
        ],
    )
}

static ALL_GRANTS: LazyLock<String> =
    LazyLock::new(|| GrantRow::table().select("ORDER BY holder, event"));

/// All roles of all people and keys; of each the one for all events first.
pub fn all_grants(from: &mut dyn Tables) -> Result<Vec<GrantRow>, Fault> {
    let mut grants: Vec<GrantRow> = read(from.query(&ALL_GRANTS, &[])?)?;
    // Events lie in the order of their signed numbers.
    grants.sort_by_key(|grant| (grant.holder, grant.event));
    Ok(grants)
}

/// Whoever changes owners after this in the same commit waits for others who do, in whichever process, and
/// sees what they did.
pub fn lock_owners() -> RecordChange {
    RecordChange::Run("UPDATE grants SET at_ms = at_ms WHERE role = 'owner' AND event = 0", vec![])
}

impl GrantRow {
    /// Gives a person the role, unless they were removed, or are the last owner and would be one no more. Owners and
    /// the account are to be locked before.
    pub fn put_unless_last_owner(&self) -> RecordChange {
        RecordChange::Run(
            "INSERT INTO grants (holder, event, role, made_by, at_ms)
             SELECT $1, $2, $3, $4, $5
             WHERE EXISTS (SELECT 1 FROM accounts WHERE id = $6 AND removed_ms IS NULL)
             ON CONFLICT (holder, event) DO UPDATE SET role = excluded.role,
                 made_by = excluded.made_by, at_ms = excluded.at_ms
             WHERE grants.role <> 'owner' OR excluded.role = 'owner' OR EXISTS (
                 SELECT 1 FROM grants g JOIN accounts a ON a.id = g.holder
                 WHERE g.role = 'owner' AND g.event = 0 AND g.holder <> excluded.holder
                     AND a.removed_ms IS NULL)",
            [self.row(), vec![self.holder.value()]].concat(),
        )
    }
}

/// Takes a role, unless it makes its holder the last owner.
pub fn take_unless_last(holder: u128, event: EventId) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM grants WHERE holder = $1 AND event = $2 AND (role <> 'owner' OR EXISTS (
             SELECT 1 FROM grants g JOIN accounts a ON a.id = g.holder
             WHERE g.role = 'owner' AND g.event = 0 AND g.holder <> $1 AND a.removed_ms IS NULL))",
        vec![holder.value(), event.value()],
    )
}

/// A person may not sign in any more, unless they are the last owner.
pub fn remove_unless_last(account: u128, now: i64) -> RecordChange {
    RecordChange::Run(
        "UPDATE accounts SET removed_ms = $1, password = NULL, totp = NULL
         WHERE id = $2 AND removed_ms IS NULL AND (
             NOT EXISTS (SELECT 1 FROM grants o
                         WHERE o.holder = $2 AND o.role = 'owner' AND o.event = 0)
             OR EXISTS (SELECT 1 FROM grants g JOIN accounts a ON a.id = g.holder
                        WHERE g.role = 'owner' AND g.event = 0 AND g.holder <> $2
                            AND a.removed_ms IS NULL))",
        vec![now.value(), account.value()],
    )
}

/// Whoever was removed has no role.
pub fn removed_holds_nothing(account: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM grants WHERE holder = $1
         AND EXISTS (SELECT 1 FROM accounts WHERE id = $1 AND removed_ms IS NOT NULL)",
        vec![account.value()],
    )
}

/// Whoever was removed has no recovery codes.
pub fn forget_codes_of_removed(account: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM recovery_codes WHERE account = $1
         AND EXISTS (SELECT 1 FROM accounts WHERE id = $1 AND removed_ms IS NOT NULL)",
        vec![account.value()],
    )
}

/// Takes a line of the log back that was put a moment ago, unless the role was given.
pub fn untold_unless_granted(line: u128, grant: &GrantRow) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM audit_log WHERE id = $1 AND NOT EXISTS (
             SELECT 1 FROM grants WHERE holder = $2 AND event = $3 AND role = $4)",
        vec![line.value(), grant.holder.value(), grant.event.value(), grant.role.value()],
    )
}

/// Takes a line of the log back that was put a moment ago, if the role was not taken.
pub fn untold_if_granted(line: u128, holder: u128, event: EventId) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM audit_log WHERE id = $1 AND EXISTS (
             SELECT 1 FROM grants WHERE holder = $2 AND event = $3)",
        vec![line.value(), holder.value(), event.value()],
    )
}

/// Takes a line of the log back that was put a moment ago, if the person was not removed.
pub fn untold_if_active(line: u128, account: u128) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM audit_log WHERE id = $1 AND EXISTS (
             SELECT 1 FROM accounts WHERE id = $2 AND removed_ms IS NULL)",
        vec![line.value(), account.value()],
    )
}

/// Another password, if this session is there, in which it was asked for. The account is to be locked before; so are
/// those of the changes below.
pub fn put_password(account: u128, password: &str, session: &[u8]) -> RecordChange {
    RecordChange::Run(
        "UPDATE accounts SET password = $1 WHERE id = $2 AND removed_ms IS NULL
         AND EXISTS (SELECT 1 FROM sessions WHERE id = $3)",
        vec![Value::Text(password.to_owned()), account.value(), Value::Blob(session.to_vec())],
    )
}

/// No browser that has signed in before is known any more, and nobody signs in who had begun to; if this session is
/// there.
pub fn put_browsers(account: u128, browsers: u128, session: &[u8]) -> RecordChange {
    RecordChange::Run(
        "UPDATE accounts SET browsers = $1 WHERE id = $2 AND removed_ms IS NULL
         AND EXISTS (SELECT 1 FROM sessions WHERE id = $3)",
        vec![browsers.value(), account.value(), Value::Blob(session.to_vec())],
    )
}

/// Another authenticator, or none, if this session is there. `step`: the last one whose code was used.
pub fn put_totp(account: u128, secret: Option<&[u8]>, step: i64, session: &[u8]) -> RecordChange {
    RecordChange::Run(
        "UPDATE accounts SET totp = $1, totp_step = $2 WHERE id = $3 AND removed_ms IS NULL
         AND EXISTS (SELECT 1 FROM sessions WHERE id = $4)",
        vec![
            secret.map(<[u8]>::to_vec).value(),
            step.value(),
            account.value(),
            Value::Blob(session.to_vec()),
        ],
    )
}

/// Uses the code of a time step, unless it or a later one was used.
pub fn use_step(account: u128, step: i64, claim: u128) -> RecordChange {
    RecordChange::Run(
        "UPDATE accounts SET totp_step = $1, claim = $2 WHERE id = $3 AND totp_step < $1",
        vec![step.value(), claim.value(), account.value()],
    )
}

/// Uses a recovery code, unless it was used.
pub fn use_code(account: u128, hash: &[u8], claim: u128, now: i64) -> RecordChange {
    RecordChange::Run(
        "UPDATE recovery_codes SET used_ms = $1, claim = $2
         WHERE account = $3 AND hash = $4 AND used_ms IS NULL",
        vec![now.value(), claim.value(), account.value(), Value::Blob(hash.to_vec())],
    )
}

/// The recovery codes of an account count no more, if this session is there.
pub fn forget_codes(account: u128, session: &[u8]) -> RecordChange {
    RecordChange::Run(
        "DELETE FROM recovery_codes WHERE account = $1
         AND EXISTS (SELECT 1 FROM sessions WHERE id = $2)",
        vec![account.value(), Value::Blob(session.to_vec())],
    )
}

/// A recovery code that was not used, if this session is there.
pub fn add_code(account: u128, hash: Vec<u8>, session: &[u8]) -> RecordChange {
    RecordChange::Run(
        "INSERT INTO recovery_codes (account, hash) SELECT $1, $2
         WHERE EXISTS (SELECT 1 FROM sessions WHERE id = $3)
         ON CONFLICT (account, hash) DO NOTHING",
        vec![account.value(), Value::Blob(hash), Value::Blob(session.to_vec())],
    )
}

static UNUSED_CODES: LazyLock<String> =
    LazyLock::new(|| RecoveryCode::table().select("WHERE account = $1 AND used_ms IS NULL"));

/// The recovery codes of an account that were not used.
pub fn unused_codes(from: &mut dyn Tables, account: u128) -> Result<Vec<RecoveryCode>, Fault> {
    read(from.query(&UNUSED_CODES, &[account.value()])?)
}

/// Waits for whoever changes the account at this moment, in whichever process.
pub fn lock(account: u128) -> RecordChange {
    RecordChange::Run(
        "UPDATE accounts SET totp_step = totp_step WHERE id = $1",
        vec![account.value()],
    )
}

/// Takes a session back that was put a moment ago, unless the account still is what it was when it was looked at:
/// whoever changes the password or ends all sessions ends those as well that begin at the same moment.
pub fn unless_account(session: &[u8], account: &Account) -> [RecordChange; 2] {
    [
        lock(account.id),
        RecordChange::Run(
            "DELETE FROM sessions WHERE id = $1 AND NOT EXISTS (
                 SELECT 1 FROM accounts WHERE id = $2 AND removed_ms IS NULL AND browsers = $3)",
            vec![Value::Blob(session.to_vec()), account.id.value(), account.browsers.value()],
        ),
    ]
}

/// The same of a link.
pub fn no_link_unless_account(link: u128, account: &Account) -> [RecordChange; 2] {
    [
        lock(account.id),
        RecordChange::Run(
            "DELETE FROM one_time_links WHERE id = $1 AND NOT EXISTS (
                 SELECT 1 FROM accounts WHERE id = $2 AND removed_ms IS NULL AND browsers = $3)",
            vec![link.value(), account.id.value(), account.browsers.value()],
        ),
    ]
}

/// Ends a key that was put a moment ago if the person who has made it was removed meanwhile.
pub fn ended_unless_active(key: u128, maker: u128, now: i64) -> [RecordChange; 2] {
    [
        lock(maker),
        RecordChange::Run(
            "UPDATE api_keys SET ended_ms = $1 WHERE id = $2 AND NOT EXISTS (
                 SELECT 1 FROM accounts WHERE id = $3 AND removed_ms IS NULL)",
            vec![now.value(), key.value(), maker.value()],
        ),
    ]
}
