//! The fake's memory: its tables, their rows, and one place to read and write them.

use super::answer::{Fault, json};
use super::objects;
use crate::private_file;
use boxoffice::{IntentStatus, OrderId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rusqlite::config::DbConfig;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The kind of the file. The sandbox that was there before wrote 0.
const VERSION: i64 = 4;

/// `created` is in seconds, as Stripe's is; what ends in `_ms` is in milliseconds. `moves` is the
/// fake's own ledger: it is only ever appended to, and no state is worked out from it.
const SCHEMA: &str = "
CREATE TABLE opened (n INTEGER PRIMARY KEY) STRICT;
CREATE TABLE intents (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, order_id BLOB, amount INTEGER NOT NULL,
    currency TEXT NOT NULL, manual INTEGER NOT NULL, secret TEXT NOT NULL, description TEXT,
    created INTEGER NOT NULL, metadata TEXT NOT NULL, status TEXT NOT NULL, due_ms INTEGER,
    received INTEGER NOT NULL, canceled INTEGER, reason TEXT, error TEXT, action TEXT, charge TEXT
) STRICT;
CREATE INDEX intents_created ON intents (created, n);
CREATE INDEX intents_due ON intents (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX intents_status ON intents (status) WHERE status = 'requires_capture';
CREATE TABLE charges (
    id TEXT PRIMARY KEY, intent TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL,
    captured INTEGER NOT NULL, refunded INTEGER NOT NULL, paid INTEGER NOT NULL,
    taken INTEGER NOT NULL, disputed INTEGER NOT NULL, created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE refunds (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, intent TEXT NOT NULL, charge TEXT NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
    metadata TEXT NOT NULL, release INTEGER NOT NULL, created INTEGER NOT NULL,
    balance TEXT, failure TEXT, due_ms INTEGER
) STRICT;
CREATE INDEX refunds_created ON refunds (created, n);
CREATE INDEX refunds_due ON refunds (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX refunds_intent ON refunds (intent, created, n);
CREATE TABLE disputes (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, intent TEXT NOT NULL, charge TEXT NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX disputes_created ON disputes (created, n);
CREATE INDEX disputes_intent ON disputes (intent, created, n);
CREATE TABLE tokens (token TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE keys (
    n INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, path TEXT NOT NULL, asked BLOB NOT NULL,
    status INTEGER NOT NULL, body TEXT NOT NULL, request TEXT NOT NULL, at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE events (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL, kind TEXT NOT NULL, at_ms INTEGER NOT NULL,
    object TEXT NOT NULL
) STRICT;
CREATE TABLE moves (
    n INTEGER PRIMARY KEY, intent TEXT NOT NULL, order_id BLOB, kind TEXT NOT NULL,
    amount INTEGER NOT NULL, at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX moves_order ON moves (order_id);
";

/// What a call into the database gives: a result, a refusal, or trouble with the database.
pub(super) type Done<T> = Result<Result<T, Fault>, rusqlite::Error>;

/// Opens the file, or makes it; without one everything is kept in memory. Also tells how often it
/// was opened before, so that a process with the seed of the last one makes other ids.
pub(super) fn open(path: Option<&Path>) -> Result<(Connection, u64), rusqlite::Error> {
    let db = match path {
        Some(path) => {
            // SQLite would make it readable by everybody. What is wrong with the path, it tells.
            _ = private_file::make(path);
            let db = Connection::open(path)?;
            private_file::close_database(path);
            db
        }
        None => Connection::open_in_memory()?,
    };
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "OFF")?;
    // The same few pages change with each call: the rarer they are moved into the file, the better.
    db.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    db.set_prepared_statement_cache_capacity(64);
    // So that a cached statement is planned once, not at each use.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != VERSION {
        begin_anew(&db, version)?;
    }
    db.execute("INSERT INTO opened DEFAULT VALUES", [])?;
    let opened = u64::try_from(db.last_insert_rowid()).unwrap_or_default();
    Ok((db, opened))
}

/// Copies a file as of one commit; only its owner may read the copy.
pub(super) fn copy(path: &Path, target: &Path) -> Result<(), rusqlite::Error> {
    let invalid = || rusqlite::Error::InvalidPath(target.into());
    let db = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    private_file::make(target).map_err(|_| invalid())?;
    let copied = db.execute("VACUUM INTO ?1", [target.to_str().ok_or_else(invalid)?]);
    if copied.is_err() {
        // It would be taken for a copy.
        _ = std::fs::remove_file(target);
    }
    copied.map(drop)
}

/// Empties a file of another kind: it holds no money and nothing that anybody would miss.
fn begin_anew(db: &Connection, version: i64) -> Result<(), rusqlite::Error> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<String> =
        db.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if !tables.is_empty() {
        tracing::warn!(version, "the sandbox's file is of another version and begins anew");
    }
    let sql = db.unchecked_transaction()?;
    for table in tables {
        sql.execute_batch(&format!("DROP TABLE \"{}\"", table.replace('"', "\"\"")))?;
    }
    sql.execute_batch(SCHEMA)?;
    sql.pragma_update(None, "user_version", VERSION)?;
    sql.commit()
}

/// Where the ids come from.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: [u8; 32], stream: u64) -> Random {
        let mut rng = ChaCha8Rng::from_seed(seed);
        rng.set_stream(stream);
        Random(rng)
    }

    /// An id as Stripe's: a prefix and 24 letters and digits. The first eight are the time in
    /// milliseconds, so that what is new stands together in the indexes; the rest is 95 bits at random.
    pub fn id(&mut self, prefix: &str, now_ms: i64) -> String {
        const LETTERS: &[u8; 62] =
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut id = String::with_capacity(prefix.len() + 24);
        id.push_str(prefix);
        for number in [now_ms.unsigned_abs(), self.0.next_u64(), self.0.next_u64()] {
            for place in (0..8).rev() {
                id.push(char::from(LETTERS[(number / 62u64.pow(place) % 62) as usize]));
            }
        }
        id
    }
}

/// The states of a PaymentIntent by Stripe's names
/// (<https://docs.stripe.com/api/payment_intents/object#payment_intent_object-status>).
const STATUSES: [(&str, IntentStatus); 7] = [
    ("requires_payment_method", IntentStatus::RequiresPaymentMethod),
    ("requires_confirmation", IntentStatus::RequiresConfirmation),
    ("requires_action", IntentStatus::RequiresAction),
    ("processing", IntentStatus::Processing),
    ("requires_capture", IntentStatus::RequiresCapture),
    ("succeeded", IntentStatus::Succeeded),
    ("canceled", IntentStatus::Canceled),
];

/// A status, to be written into the database and into answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Status(pub IntentStatus);

impl Status {
    pub fn name(self) -> &'static str {
        STATUSES.iter().find(|(_, s)| *s == self.0).map_or("", |(name, _)| name)
    }
}

impl ToSql for Status {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for Status {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Status> {
        let text = value.as_str()?;
        let found = STATUSES.iter().find(|(name, _)| *name == text);
        found.map(|(_, status)| Status(*status)).ok_or(FromSqlError::InvalidType)
    }
}

/// What is kept as JSON text.
struct Json<T>(T);

impl<T: serde::de::DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Json<T>> {
        serde_json::from_str(value.as_str()?).map(Json).map_err(|e| FromSqlError::Other(e.into()))
    }
}

/// A PaymentIntent.
pub(super) struct Intent {
    pub id: String,
    /// As its metadata said when it was created; the ledger goes by this.
    pub order: Option<OrderId>,
    pub amount: i64,
    pub currency: String,
    /// Whether it is captured by a call of its own.
    pub manual: bool,
    pub secret: String,
    pub description: Option<String>,
    pub created: i64,
    pub metadata: BTreeMap<String, String>,
    pub status: IntentStatus,
    /// When time changes it: the authorisation ends, or the network answers.
    pub due_ms: Option<i64>,
    pub received: i64,
    pub canceled: Option<i64>,
    pub reason: Option<String>,
    pub error: Option<Value>,
    pub action: Option<Value>,
    pub charge: Option<String>,
}

pub(super) const INTENT: &str = "id, order_id, amount, currency, manual, secret, description, \
    created, metadata, status, due_ms, received, canceled, reason, error, action, charge";

impl Intent {
    pub fn of(row: &Row<'_>) -> Result<Intent, rusqlite::Error> {
        let order: Option<[u8; 16]> = row.get(1)?;
        Ok(Intent {
            id: row.get(0)?,
            order: order.map(|bytes| OrderId(u128::from_be_bytes(bytes))),
            amount: row.get(2)?,
            currency: row.get(3)?,
            manual: row.get(4)?,
            secret: row.get(5)?,
            description: row.get(6)?,
            created: row.get(7)?,
            metadata: row.get::<_, Json<_>>(8)?.0,
            status: row.get::<_, Status>(9)?.0,
            due_ms: row.get(10)?,
            received: row.get(11)?,
            canceled: row.get(12)?,
            reason: row.get(13)?,
            error: row.get::<_, Option<Json<_>>>(14)?.map(|json| json.0),
            action: row.get::<_, Option<Json<_>>>(15)?.map(|json| json.0),
            charge: row.get(16)?,
        })
    }
}

/// A charge: one try to take money. `refunded` counts what was released, too.
pub(super) struct Charge {
    pub id: String,
    pub intent: String,
    pub amount: i64,
    pub currency: String,
    /// How much was taken.
    pub captured: i64,
    pub refunded: i64,
    /// Whether the bank approved.
    pub paid: bool,
    /// Whether it was captured.
    pub taken: bool,
    pub disputed: bool,
    pub created: i64,
}

/// Money on its way back. A `release` gives back what was set aside and never taken.
pub(super) struct Refund {
    pub id: String,
    pub intent: String,
    pub charge: String,
    pub amount: i64,
    pub currency: String,
    pub status: String,
    pub reason: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub release: bool,
    pub created: i64,
    /// The booking on the account, if there was one.
    pub balance: Option<String>,
    /// Why it failed, or will fail when it is decided.
    pub failure: Option<String>,
    /// When a pending one is decided.
    pub due_ms: Option<i64>,
}

pub(super) const REFUND: &str = "id, intent, charge, amount, currency, status, reason, metadata, \
    release, created, balance, failure, due_ms";

impl Refund {
    pub fn of(row: &Row<'_>) -> Result<Refund, rusqlite::Error> {
        Ok(Refund {
            id: row.get(0)?,
            intent: row.get(1)?,
            charge: row.get(2)?,
            amount: row.get(3)?,
            currency: row.get(4)?,
            status: row.get(5)?,
            reason: row.get(6)?,
            metadata: row.get::<_, Json<_>>(7)?.0,
            release: row.get(8)?,
            created: row.get(9)?,
            balance: row.get(10)?,
            failure: row.get(11)?,
            due_ms: row.get(12)?,
        })
    }
}

/// A cardholder's objection.
pub(super) struct Dispute {
    pub id: String,
    pub intent: String,
    pub charge: String,
    pub amount: i64,
    pub currency: String,
    pub status: String,
    pub reason: String,
    pub created: i64,
}

pub(super) const DISPUTE: &str = "id, intent, charge, amount, currency, status, reason, created";

impl Dispute {
    pub fn of(row: &Row<'_>) -> Result<Dispute, rusqlite::Error> {
        Ok(Dispute {
            id: row.get(0)?,
            intent: row.get(1)?,
            charge: row.get(2)?,
            amount: row.get(3)?,
            currency: row.get(4)?,
            status: row.get(5)?,
            reason: row.get(6)?,
            created: row.get(7)?,
        })
    }
}

/// The memory within one transaction, at one moment.
pub(super) struct Tx<'a> {
    pub sql: &'a Connection,
    pub random: &'a mut Random,
    pub now_ms: i64,
    /// Whether anybody may ask what there was to ring with.
    pub rings: bool,
    /// Whether what is released becomes a refund object, too.
    pub releases: bool,
    /// Whether the next refund takes its time: then it is pending at first, and fails in the end if so.
    pub pending: Option<bool>,
}

impl Tx<'_> {
    /// The moment in seconds, as Stripe tells time.
    pub fn now(&self) -> i64 {
        self.now_ms.div_euclid(1000)
    }

    /// An id for something new.
    pub fn id(&mut self, prefix: &str) -> String {
        self.random.id(prefix, self.now_ms)
    }

    fn prepared(&self, sql: &str) -> Result<CachedStatement<'_>, rusqlite::Error> {
        self.sql.prepare_cached(sql)
    }

    pub fn intent(&self, id: &str) -> Result<Option<Intent>, rusqlite::Error> {
        self.prepared(&format!("SELECT {INTENT} FROM intents WHERE id = ?1"))?
            .query_row([id], Intent::of)
            .optional()
    }

    /// Writes a new one.
    pub fn add_intent(&self, i: &Intent) -> Result<(), rusqlite::Error> {
        let sql = "INSERT INTO intents (id, order_id, amount, currency, manual, secret,
                       description, created, metadata, status, received)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        self.prepared(sql)?.execute(params![
            i.id,
            i.order.map(|order| order.0.to_be_bytes()),
            i.amount,
            i.currency,
            i.manual,
            i.secret,
            i.description,
            i.created,
            json(&i.metadata),
            Status(i.status),
            i.received,
        ])?;
        Ok(())
    }

    /// Writes what can change.
    pub fn put_intent(&self, i: &Intent) -> Result<(), rusqlite::Error> {
        let sql = "UPDATE intents SET metadata = ?2, status = ?3, due_ms = ?4, received = ?5,
                       canceled = ?6, reason = ?7, error = ?8, action = ?9, charge = ?10
                   WHERE id = ?1";
        self.prepared(sql)?.execute(params![
            i.id,
            json(&i.metadata),
            Status(i.status),
            i.due_ms,
            i.received,
            i.canceled,
            i.reason,
            i.error.as_ref().map(Value::to_string),
            i.action.as_ref().map(Value::to_string),
            i.charge,
        ])?;
        Ok(())
    }

    /// The newest charge of an intent.
    pub fn charge_of(&self, intent: &Intent) -> Result<Option<Charge>, rusqlite::Error> {
        let Some(id) = &intent.charge else { return Ok(None) };
        let sql = "SELECT id, intent, amount, currency, captured, refunded, paid, taken, disputed,
                       created
                   FROM charges WHERE id = ?1";
        let of = |row: &Row<'_>| {
            Ok(Charge {
                id: row.get(0)?,
                intent: row.get(1)?,
                amount: row.get(2)?,
                currency: row.get(3)?,
                captured: row.get(4)?,
                refunded: row.get(5)?,
                paid: row.get(6)?,
                taken: row.get(7)?,
                disputed: row.get(8)?,
                created: row.get(9)?,
            })
        };
        self.prepared(sql)?.query_row([id], of).optional()
    }

    /// Writes a charge, new or known.
    pub fn put_charge(&self, c: &Charge) -> Result<(), rusqlite::Error> {
        let sql = "INSERT OR REPLACE INTO charges
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        self.prepared(sql)?.execute(params![
            c.id, c.intent, c.amount, c.currency, c.captured, c.refunded, c.paid, c.taken,
            c.disputed, c.created
        ])?;
        Ok(())
    }

    pub fn add_refund(&self, r: &Refund) -> Result<(), rusqlite::Error> {
        let sql = "INSERT INTO refunds (id, intent, charge, amount, currency, status, reason,
                       metadata, release, created, balance, failure, due_ms)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        self.prepared(sql)?.execute(params![
            r.id,
            r.intent,
            r.charge,
            r.amount,
            r.currency,
            r.status,
            r.reason,
            json(&r.metadata),
            r.release,
            r.created,
            r.balance,
            r.failure,
            r.due_ms
        ])?;
        Ok(())
    }

    /// One refund.
    pub fn refund(&self, id: &str) -> Result<Option<Refund>, rusqlite::Error> {
        self.prepared(&format!("SELECT {REFUND} FROM refunds WHERE id = ?1"))?
            .query_row([id], Refund::of)
            .optional()
    }

    /// Writes what can change of a refund.
    pub fn put_refund(&self, r: &Refund) -> Result<(), rusqlite::Error> {
        let sql = "UPDATE refunds SET status = ?2, failure = ?3, due_ms = ?4 WHERE id = ?1";
        self.prepared(sql)?.execute(params![r.id, r.status, r.failure, r.due_ms])?;
        Ok(())
    }

    /// How much of what was set aside for a payment was released as a refund object.
    pub fn released(&self, intent: &str) -> Result<i64, rusqlite::Error> {
        let sql = "SELECT coalesce(sum(amount), 0) FROM refunds WHERE intent = ?1 AND release";
        self.prepared(sql)?.query_row([intent], |row| row.get(0))
    }

    /// The pending refunds whose time has come.
    pub fn due_refunds(&self) -> Result<Vec<Refund>, rusqlite::Error> {
        let sql = format!("SELECT {REFUND} FROM refunds WHERE due_ms <= ?1 ORDER BY n");
        self.prepared(&sql)?.query_map([self.now_ms], Refund::of)?.collect()
    }

    /// Uses a token up; false if it was used before.
    pub fn use_up(&self, token: &str) -> Result<bool, rusqlite::Error> {
        let sql = "INSERT OR IGNORE INTO tokens VALUES (?1, ?2)";
        Ok(self.prepared(sql)?.execute(params![token, self.now_ms])? == 1)
    }

    /// Tells the world that something has changed.
    pub fn tell(
        &mut self,
        kind: &str,
        object: &impl serde::Serialize,
    ) -> Result<(), rusqlite::Error> {
        if !self.rings {
            return Ok(());
        }
        let id = self.id("evt_");
        let sql = "INSERT INTO events (id, kind, at_ms, object) VALUES (?1, ?2, ?3, ?4)";
        self.prepared(sql)?.execute(params![id, kind, self.now_ms, json(object)])?;
        Ok(())
    }

    /// The same about an intent.
    pub fn tell_intent(&mut self, kind: &str, intent: &Intent) -> Result<(), rusqlite::Error> {
        self.tell(kind, &objects::intent(intent, None))
    }
}

impl Tx<'_> {
    /// Money moved: into the ledger, from which no state is worked out.
    pub fn moved(&self, intent: &Intent, kind: &str, amount: i64) -> Result<(), rusqlite::Error> {
        let sql = "INSERT INTO moves (intent, order_id, kind, amount, at_ms)
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let order = intent.order.map(|order| order.0.to_be_bytes());
        self.prepared(sql)?.execute(params![intent.id, order, kind, amount, self.now_ms])?;
        Ok(())
    }
}
