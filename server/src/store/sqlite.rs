//! The embedded database: SQLite in a file, one process, one connection that writes.
//!
//! A batch is one transaction, flushed to the disk before anybody hears of it. What keeps a hold
//! cheap: events and pools are kept in memory as of the last commit, so that a hold reads nothing,
//! nor, mostly, does an order that is being paid (see `kept.rs`);
//! rows lie in the order in which they were made; and what has a random key is in memory instead of
//! an index: the keys of recent requests (see `recent.rs`), and what buyers have of events with a
//! limit per buyer (see `buyers.rs`).
//!
//! What must hold: memory never knows more than the disk. Everything that is kept changes only
//! after COMMIT has said yes, and after a fault of unknown outcome the connection is thrown away
//! and everything is read anew.

mod backup;
mod buyers;
mod file;
mod kept;
mod reader;
mod recent;
mod records;
mod rows;
#[cfg(test)]
mod tests;
mod transfer;
mod write;

pub use backup::{backup, backup_mark};
pub use file::OpenError;
pub use reader::SqliteReader;
pub use recent::REMEMBERED_MS;
pub(super) use records::{execute, plan_once, query};
pub(super) use transfer::{Export, Import};

use crate::clock::Clock;
use crate::private_file;
use crate::store::codec;
use crate::store::records::door;
use crate::store::{Batch, Fault, Loaded, Recorded, RequestKey, Store};
use boxoffice::door::{DoorKeys, DoorState};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{Change, Event, EventId, Keys, State};
use buyers::Buyers;
use file::DatabaseFile;
use kept::PendingOrders;
use recent::{IdempotencyIndex, Noted};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use write::{EventNews, Outcome, Trouble, Writing};

/// An opened database.
pub struct Opened {
    /// For the writer.
    pub store: SqliteStore,
    /// The highest of the high 64 bits of all order, payment, refund and event ids ever used.
    pub last_high: u64,
    /// The server's own secret, made with the database.
    pub secret: [u8; 32],
    /// Whether the database was made just now.
    pub fresh: bool,
}

/// The writer's side of the embedded database.
pub struct SqliteStore {
    place: DatabaseFile,
    clock: Clock,
    /// None after a fault whose outcome is unknown, until [`Store::recover`].
    conn: Option<Connection>,
    /// All events, as of the last commit.
    events: BTreeMap<EventId, Event>,
    slugs: BTreeMap<String, EventId>,
    orders: PendingOrders,
    recent: IdempotencyIndex,
    buyers: Buyers,
    /// No row that is recorded has a higher key than this.
    last_high: u64,
    /// The number of the last batch that is recorded.
    batch: i64,
    /// The number of the last batch that was tried.
    tried: Option<i64>,
    /// Held for as long as we live.
    _lock: Option<File>,
}

/// What a transaction would change in memory.
struct Written {
    outcome: Outcome,
    noted: Noted,
}

impl Drop for SqliteStore {
    /// After a clean stop everything is in the one file, so that it alone may be copied.
    fn drop(&mut self) {
        if let Some(conn) = &self.conn {
            let moved = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            if let Err(error) = moved {
                tracing::warn!(%error, "the log could not be moved into the database; keep both");
            }
        }
    }
}

impl SqliteStore {
    /// Opens the database at `path`, or makes one if there is none. On an error nothing was
    /// changed.
    pub fn open(path: &Path, clock: Clock) -> Result<Opened, OpenError> {
        let place = DatabaseFile::on_disk(path);
        let lock = place.lock()?;
        place.inspect()?;
        let had_wal = place.has_wal();
        let opened = SqliteStore::open_at(place.clone(), clock, Some(lock));
        match &opened {
            Ok(_) => private_file::close_database(path),
            Err(_) => place.tidy(had_wal),
        }
        opened
    }

    /// Opens or makes a database in a file system that is registered with SQLite under the name
    /// `vfs`: for simulations, so a database that must be made gets this secret. The file system
    /// keeps other processes away by itself: it is busy when one of them asks to write.
    pub fn open_in(
        vfs: &str,
        path: &Path,
        secret: [u8; 32],
        clock: Clock,
    ) -> Result<Opened, OpenError> {
        let place = DatabaseFile { path: path.into(), vfs: Some(vfs.into()), secret: Some(secret) };
        SqliteStore::open_at(place, clock, None)
    }

    fn open_at(place: DatabaseFile, clock: Clock, lock: Option<File>) -> Result<Opened, OpenError> {
        let (conn, fresh) = place.open()?;
        let begin = |conn: &Connection| {
            let secret: [u8; 32] =
                conn.query_row("SELECT value FROM meta WHERE key = 'secret'", [], |r| r.get(0))?;
            let mut recent = IdempotencyIndex::new(&secret);
            barrier(conn)?;
            recent.read(conn)?;
            let events: BTreeMap<EventId, Event> =
                read_events(conn)?.into_iter().map(|e| (e.id, e)).collect();
            let mut buyers = Buyers::new(&secret);
            buyers.begin(conn, &events, clock.now_ms())?;
            Ok((secret, recent, buyers, last_high(conn)?, batch_number(conn)?, events))
        };
        let (secret, recent, buyers, last_high, batch, events) =
            begin(&conn).map_err(|error: rusqlite::Error| OpenError::Failed {
                path: place.path.clone(),
                why: error.to_string(),
            })?;
        let mut store = SqliteStore {
            place,
            clock,
            conn: Some(conn),
            events: BTreeMap::new(),
            slugs: BTreeMap::new(),
            orders: PendingOrders::default(),
            recent,
            buyers,
            last_high,
            batch,
            tried: None,
            _lock: lock,
        };
        store.keep(events.into_values().collect());
        Ok(Opened { store, last_high, secret, fresh })
    }

    /// A connection for reading, which never waits for the writer.
    pub fn reader(path: &Path) -> Result<SqliteReader, Fault> {
        SqliteReader::open(&DatabaseFile::on_disk(path))
    }

    /// The same for a database in a file system that is registered with SQLite.
    pub fn reader_in(vfs: &str, path: &Path) -> Result<SqliteReader, Fault> {
        SqliteReader::open(&DatabaseFile { path: path.into(), vfs: Some(vfs.into()), secret: None })
    }

    /// A connection for reading to this very database.
    pub fn own_reader(&self) -> Result<SqliteReader, Fault> {
        SqliteReader::open(&self.place)
    }

    /// A text that was put under this key.
    pub fn meta_get(&self, key: &str) -> Result<Option<String>, Fault> {
        self.conn()?
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(not_done)
    }

    /// Puts a text under a key, durably. For the start, before anything is served.
    pub fn meta_put(&mut self, key: &str, text: &str) -> Result<(), Fault> {
        assert_ne!(key, "secret", "the secret is made once");
        let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2)
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.conn()?.execute(sql, params![key, text]).map(drop).map_err(not_done)
    }

    /// Forgets what was put under a key, durably. As [`SqliteStore::meta_put`].
    pub fn meta_forget(&mut self, key: &str) -> Result<(), Fault> {
        assert_ne!(key, "secret", "the secret is made once");
        let sql = "DELETE FROM meta WHERE key = ?1";
        self.conn()?.execute(sql, [key]).map(drop).map_err(not_done)
    }

    fn conn(&self) -> Result<&Connection, Fault> {
        self.conn.as_ref().ok_or_else(recover_first)
    }

    fn keep(&mut self, events: Vec<Event>) {
        self.slugs = events.iter().map(|e| (e.spec.slug.clone(), e.id)).collect();
        self.events = events.into_iter().map(|e| (e.id, e)).collect();
    }

    fn load_state(&self, conn: &Connection, keys: &Keys) -> rusqlite::Result<State> {
        let mut state = State::default();
        for id in &keys.events {
            self.add_event(&mut state, *id);
        }
        for slug in &keys.slugs {
            if let Some(id) = self.slugs.get(slug) {
                self.add_event(&mut state, *id);
            }
        }
        for id in keys.ordered.iter().filter_map(|slug| self.slugs.get(slug)) {
            if rows::has_orders(conn, *id)? {
                state.ordered.insert(*id);
            }
        }
        let mut buyers: BTreeSet<_> = keys.buyers.iter().copied().collect();
        for id in &keys.orders {
            if state.orders.contains_key(id) {
                continue;
            }
            // A hold asks whether its own new order is there: one that is newer than all rows is
            // not, and a read for each hold would cost a fifth of it.
            let newer = (id.0 >> 64) as u64 > self.last_high;
            let order = match self.orders.get(*id) {
                None if !newer => rows::order(conn, *id)?,
                kept => kept.cloned(),
            };
            if let Some(order) = order {
                self.add_event(&mut state, order.event);
                buyers.insert((order.event, order.buyer.key));
                state.orders.insert(*id, order);
            }
        }
        for (event, key) in buyers {
            if let Some(record) = self.buyers.get(conn, event, key, &state.orders)? {
                state.buyers.insert((event, key), record);
            }
        }
        Ok(state)
    }

    fn add_event(&self, state: &mut State, id: EventId) {
        if !state.events.contains_key(&id)
            && let Some(event) = self.events.get(&id)
        {
            state.slugs.insert(event.spec.slug.clone(), id);
            state.events.insert(id, event.clone());
        }
    }

    /// Everything of a batch but its COMMIT.
    fn write(&self, conn: &Connection, batch: &Batch<'_>) -> Result<Written, Trouble> {
        self.refuse_twice(batch.recorded)?;
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let outcome = Writing::new(conn, batch.now_ms)?.all(batch.changes)?;
        let noted = self.recent.write(conn, batch.recorded, batch.now_ms)?;
        records::write(conn, batch.records)?;
        let bumped = conn
            .prepare_cached(
                "UPDATE progress SET batch = ?1 + 1, last_high = max(last_high, ?2)
                 WHERE batch = ?1",
            )?
            .execute(params![self.batch, outcome.last_high as i64])?;
        if bumped != 1 {
            return Err(Trouble::Broken("somebody else has written to this database".into()));
        }
        Ok(Written { outcome, noted })
    }

    /// One answer for each request. There is no index that could say so.
    fn refuse_twice(&self, recorded: &[Recorded]) -> Result<(), Trouble> {
        let mut keys: Vec<RequestKey> = recorded.iter().map(|r| r.key).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|w| w[0] == w[1]) || keys.iter().any(|key| self.recent.knows(*key)) {
            return Err(Trouble::Broken("a request is answered once".into()));
        }
        Ok(())
    }

    /// Brings memory to what was committed.
    fn committed(&mut self, batch: &Batch<'_>, written: Written) {
        self.batch += 1;
        self.last_high = self.last_high.max(written.outcome.last_high);
        self.recent.committed(batch.recorded, &written.noted);
        self.buyers.committed(batch.changes);
        batch.changes.iter().filter_map(Change::order).for_each(|id| self.orders.forget(id));
        batch.orders.values().for_each(|order| self.orders.keep(order));
        for news in written.outcome.events {
            match news {
                EventNews::Put(mut event) => {
                    let serials = self.events.get(&event.id).map_or(0, |known| known.serials);
                    event.serials = event.serials.max(serials);
                    self.slugs.insert(event.spec.slug.clone(), event.id);
                    self.events.insert(event.id, *event);
                }
                EventNews::Deleted(id) => {
                    if let Some(event) = self.events.remove(&id) {
                        self.slugs.remove(&event.spec.slug);
                    }
                }
                EventNews::Stock(id, pool, held, sold) => {
                    let event = self.events.get_mut(&id).expect("the schema knows its event");
                    event.stock_mut(pool).shift(held, sold);
                }
                EventNews::Serials(id, serial) => {
                    let event = self.events.get_mut(&id).expect("the schema knows its event");
                    event.serials = event.serials.max(serial);
                }
            }
        }
    }
}

impl Store for SqliteStore {
    fn load(&mut self, keys: &Keys, requests: &[RequestKey]) -> Result<Loaded, Fault> {
        if !keys.buyers.is_empty() {
            let ids: BTreeSet<EventId> = keys.buyers.iter().map(|(event, _)| *event).collect();
            let events = ids.iter().filter_map(|id| self.events.get(id));
            let conn = self.conn.as_ref().ok_or_else(recover_first)?;
            self.buyers.ask(conn, events, self.clock.now_ms()).map_err(not_done)?;
        }
        let conn = self.conn()?;
        let state = reading(conn, || self.load_state(conn, keys)).map_err(not_done)?;
        let mut recorded = BTreeMap::new();
        for key in requests {
            if let Some(fact) = self.recent.find(conn, *key).map_err(not_done)? {
                recorded.insert(*key, fact);
            }
        }
        Ok(Loaded { state, recorded, now_ms: self.clock.now_ms() })
    }

    fn load_door(&mut self, keys: &DoorKeys) -> Result<DoorState, Fault> {
        let conn = self.conn()?;
        // A second process does not write here, so this needs no transaction together with the load.
        let mut loaded = Ok(DoorState::default());
        reading(conn, || {
            loaded = door::load(&mut records::Within(conn), keys);
            Ok(())
        })
        .map_err(not_done)?;
        loaded
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let conn = self.conn()?;
        let written = self.write(conn, batch);
        let tried = self.batch + 1;
        let written = match written {
            Ok(written) => written,
            Err(trouble) => {
                let back = roll_back(conn);
                self.tried = Some(tried);
                if back.is_err() {
                    self.conn = None;
                }
                self.buyers.failed(batch.changes);
                return Err(trouble.into());
            }
        };
        let done = conn.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        let Err(error) = done else {
            self.tried = Some(tried);
            self.committed(batch, written);
            return Ok(());
        };
        // Still within the transaction: it was refused (busy, say) before anything was written.
        // A full disk: the last frame of the transaction, the one that counts, was not written.
        // Anything else may have struck after it was.
        let refused = !conn.is_autocommit() && roll_back(conn).is_ok();
        let full = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull);
        self.tried = Some(tried);
        if on(Mutant::StaleMemory) {
            self.committed(batch, written);
            self.batch -= 1;
        }
        self.buyers.failed(batch.changes);
        if refused || full {
            return Err(not_done(error));
        }
        self.conn = None;
        Err(Fault::Unknown(error.to_string()))
    }

    fn next_batch(&self) -> (i64, i64) {
        (0, self.batch + 1)
    }

    fn prove(&mut self) -> Result<(), Fault> {
        // As much as a few orders need.
        self.meta_put("proof", &"proof ".repeat(10_000))?;
        self.meta_forget("proof")
    }

    fn recover(&mut self) -> Result<bool, Fault> {
        self.conn = None;
        let mut again = || {
            let conn = self.place.connect(true)?;
            file::prepare(&conn)?;
            // Before the barrier this may be read and still be lost, but it says the same as
            // after it: the barrier makes safe whatever is here.
            barrier(&conn)?;
            let (batch, events) = (batch_number(&conn)?, read_events(&conn)?);
            self.last_high = last_high(&conn)?;
            self.recent.read(&conn)?;
            Ok((conn, batch, events))
        };
        let (conn, batch, events) = again().map_err(not_done)?;
        if batch != self.batch && self.tried != Some(batch) {
            return Err(Fault::NotDone("somebody else has written to this database".into()));
        }
        self.conn = Some(conn);
        self.batch = batch;
        self.buyers.recovered(self.tried == Some(batch));
        if !on(Mutant::StaleMemory) {
            self.keep(events);
            self.orders = PendingOrders::default();
        }
        Ok(self.tried == Some(batch))
    }
}

fn recover_first() -> Fault {
    Fault::NotDone("recover the database first".into())
}

fn roll_back(conn: &Connection) -> rusqlite::Result<()> {
    // Some errors roll back by themselves.
    if conn.is_autocommit() { Ok(()) } else { conn.execute_batch("ROLLBACK") }
}

/// Reads in one transaction: with one for each statement, each takes the file's locks and gives them
/// back. One in which nothing is read takes none.
fn reading<T>(
    conn: &Connection,
    read: impl FnOnce() -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    let read = read().and_then(|read| {
        conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(read)
    });
    if read.is_err() {
        // Nothing was changed. If it cannot be ended, the next batch cannot begin, and says so.
        _ = roll_back(conn);
    }
    read
}

fn not_done(error: rusqlite::Error) -> Fault {
    Fault::NotDone(error.to_string())
}

/// One durable commit of our own: what can be read now is on the disk then. It has a counter of its
/// own, so that the number of the last batch goes on telling what became of that batch.
fn barrier(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute("UPDATE progress SET barrier = barrier + 1", [])?;
    // After a flush that failed, a disk may report the next one as done although the pages of the
    // first are lost. So they are copied into the database as well, as far as readers allow.
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

fn last_high(conn: &Connection) -> rusqlite::Result<u64> {
    conn.query_row("SELECT last_high FROM progress", [], |row| row.get::<_, i64>(0))
        .map(|high| high as u64)
}

fn batch_number(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("SELECT batch FROM progress", [], |row| row.get(0))
}

fn read_events(conn: &Connection) -> rusqlite::Result<Vec<Event>> {
    rows::events(conn, "", [])
}
