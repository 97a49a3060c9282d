//! PostgreSQL, or an engine that speaks its language: any number of processes on one database.
//!
//! A batch is one transaction of two round trips. The first begins it, locks the events that the
//! batch touches, in the order of their ids, and reads what it needs; the second writes the
//! changes, one statement for each kind of row, and commits. All that belongs to an event (its
//! pools, orders, buyers' records, tickets) is changed under the lock of its row, so batches of
//! several processes on one event take turns, and each decides on what is true. The time is the
//! database's, read after the locks.
//!
//! What must hold: a COMMIT is sent once and never cancelled. Whether one was recorded whose answer
//! is lost is not found out by looking, for the old connection's server process may still be at
//! it: `PgStore::fence` changes the row of this writer that every one of its batches changes,
//! which waits for that, and draws a new epoch, without which an older connection can no longer
//! commit anything.
//!
//! It relies on READ COMMITTED, row locks and unique keys. Where the database is set to
//! SERIALIZABLE, it refuses a batch that waited for another (40001), which is then decided anew.

mod buyers;
mod connect;
mod figures;
mod link;
mod reader;
mod records;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod tls;
mod transfer;
mod verify;
mod write;

pub use link::Target;
pub use reader::PgReader;
pub use schema::OpenError;
pub(super) use transfer::{Export, Import};

use crate::clock::Clock;
use crate::ids::{NODES, Node};
use crate::store::event_row::event_columns;
use crate::store::history::{self, Course};
use crate::store::records::door;
use crate::store::test_orders::{NO_PROVIDER, PROVIDER};
use crate::store::transfer::MOVED_TO;
use crate::store::{Batch, Fault, Loaded, RequestKey, Store};
use boxoffice::door::{DoorKeys, DoorState};
use boxoffice::{BuyerKey, EventId, Keys, OrderId, State, TimeMs};
use connect::Use;
use link::{Ask, Link, Trouble, ask, draw};
use rows::{Orders, one};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use uuid::Uuid;
use write::{Writing, same_but_for_counters};

/// How long an answer is kept, in milliseconds. After that, the same key is a new request.
pub const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1000;
/// So many old answers are removed with a commit, and twice as many as it adds.
const PRUNED_AT_ONCE: i64 = 64;
/// How often somebody looks whether there are old answers, in milliseconds.
const PRUNE_EVERY_MS: i64 = 60_000;
/// How long the row of a writer that is gone is kept, in milliseconds.
const WRITERS_KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Locks and reads these events: by id, by slug, and those of these orders.
const LOCK: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE id IN (SELECT unnest($1::bigint[])
                               UNION SELECT id FROM events WHERE slug = ANY($2::text[])
                               UNION SELECT event FROM orders WHERE id = ANY($3::uuid[]))
      ORDER BY id FOR UPDATE"
);
/// The same for who holds some of them already: without waiting, or two who each hold what the other
/// wants would wait for ever.
const LOCK_NOW: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE id IN (SELECT unnest($1::bigint[])
                               UNION SELECT id FROM events WHERE slug = ANY($2::text[])
                               UNION SELECT event FROM orders WHERE id = ANY($3::uuid[]))
      ORDER BY id FOR UPDATE NOWAIT"
);
/// Of an event of which more places are taken than this the buyers are not counted any more when a
/// limit per buyer comes late: its row is locked meanwhile, and the count is written, which takes
/// about a second.
const MOST_COUNTED: u32 = 100_000;
/// A server at which the locks could not be had so often in a row, each time for as long as one waits for them, is
/// left: a process that hangs in a batch would have been ended by then.
const MOST_BLOCKED: u32 = 2;
/// Who waits this long for the locks has others in the way.
const IN_THE_WAY: Duration = Duration::from_millis(2);
/// Begins or takes over the row of a writer: its number, a new epoch, and its last batch if it has
/// no row any more. Waits for whoever is changing it. A number that is smaller than one that was acknowledged
/// tells that the database went back.
const BEGIN_WRITER: &str = "INSERT INTO writers (id, epoch, batch, seen_ms)
    VALUES ($1, $2, $3, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, seen_ms = excluded.seen_ms
    RETURNING batch";
/// Counts a batch, unless a newer connection of the same writer has drawn another epoch.
const COUNT_BATCH: &str = "WITH counted AS (
    UPDATE writers SET batch = batch + 1,
        seen_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
    WHERE id = $1 AND epoch = $2 AND batch = $3
    RETURNING 1)
    SELECT 1 / count(*) FROM counted";
/// Removes what readers have left behind. Of a writer that has recorded something the number stays for ever: one that is
/// missing tells that the database went back.
const FORGET_WRITERS: &str = "DELETE FROM writers
    WHERE batch = 0 AND seen_ms < (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $1::bigint";
/// Removes answers that are too old, or from a future that will not come.
const PRUNE: &str = "WITH old AS (
        SELECT key FROM requests WHERE at_ms < $1::bigint ORDER BY at_ms LIMIT $3
        FOR UPDATE SKIP LOCKED),
    wrong AS (
        SELECT key FROM requests WHERE at_ms > $2::bigint ORDER BY at_ms LIMIT $3
        FOR UPDATE SKIP LOCKED),
    gone AS (
        DELETE FROM requests WHERE key IN (SELECT key FROM old UNION SELECT key FROM wrong)
        RETURNING 1)
    SELECT count(*) FROM gone";
const LAST_ID: &str = "SELECT id FROM orders ORDER BY id DESC LIMIT 1";
/// Takes the number of a node, if nobody has it: a lock that ends with the connection
/// (<https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS>).
const TAKE_NODE: &str = "SELECT pg_try_advisory_lock($1, $2)";
/// These locks are ours: `nts1`.
const NODE_LOCKS: i32 = 0x6e74_7331;
/// Other processes that serve: see [`TAKE_NODE`].
const OTHER_NODES: &str = "SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND classid = $1::bigint AND pid <> pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
/// What is written to prove that something can be written, in bytes: as much as a few orders.
const PROOF_BYTES: usize = 64 * 1024;
const BEGIN: &str = "BEGIN";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// An opened database.
pub struct Opened {
    /// For the writer.
    pub store: PgStore,
    /// The high 64 bits of the newest order's id.
    pub last_high: u64,
    /// Which of the processes on this database this is, as long as the store lives.
    pub node: Node,
    /// The box office's own secret, made with the database and shared by all processes.
    pub secret: [u8; 32],
    /// Whether the database was made just now, by this process.
    pub fresh: bool,
}

/// The writer's side of the database.
pub struct PgStore {
    link: Link,
    clock: Clock,
    /// Tells this writer from all others.
    writer: i64,
    node: Node,
    epoch: i64,
    /// The number of the last batch that is recorded.
    batch: i64,
    /// The number of the history, as of the last fence.
    history: Option<u64>,
    /// The database's clock when it was read last, in milliseconds since 1970.
    read_ms: TimeMs,
    /// The number of the last batch that was tried.
    tried: Option<i64>,
    /// Whether a transaction is open.
    open: bool,
    /// Whether it has locked what the next batch begins with.
    turn: bool,
    /// Whether others were in the way the last time.
    contended: bool,
    /// How often in a row others were in the way.
    overtaken: u32,
    /// How often in a row the locks could not be had in time.
    blocked: u32,
    /// Events that are known to have had no limit per buyer: a guess that saves a question.
    unlimited: BTreeSet<EventId>,
    /// The events that were loaded for the next batch and have no limit per buyer.
    loaded_unlimited: BTreeSet<EventId>,
    prune_at_ms: TimeMs,
    /// Why nothing may be recorded here any more, as of the last fence.
    retired: Option<String>,
    /// Why nothing may be recorded until a person has looked, as of the last fence.
    stopped: Option<String>,
    /// With which provider this process serves, once it has said so.
    provider: Option<String>,
}

impl PgStore {
    /// Opens the database, and makes it ready if it is empty. On an error nothing was changed.
    ///
    /// With [`Clock::System`] the time is the database's; any other clock is used as it is.
    pub fn open(target: &Target, clock: Clock) -> Result<Opened, OpenError> {
        let failed = |trouble: &Trouble| schema::failed(target, trouble);
        let mut link = Link::new(target.clone(), Use::Serving)
            .map_err(|error| failed(&Trouble::Unreadable(error.to_string())))?;
        link.connect().and_then(|()| link.refuse_pooler()).map_err(|trouble| failed(&trouble))?;
        let fresh = schema::prepare(&mut link)?;
        let mut store = PgStore {
            link,
            clock,
            writer: draw(),
            node: Node::default(),
            epoch: 0,
            batch: 0,
            history: None,
            read_ms: 0,
            tried: None,
            open: false,
            turn: false,
            contended: false,
            overtaken: 0,
            blocked: 0,
            unlimited: BTreeSet::new(),
            loaded_unlimited: BTreeSet::new(),
            prune_at_ms: 0,
            retired: None,
            stopped: None,
            provider: None,
        };
        let mut begin = || {
            store.fence()?;
            store.link.retry_until_ok(|| ask!(FORGET_WRITERS, WRITERS_KEPT_MS))?;
            let last = store.link.ask(&[ask!(LAST_ID)])?;
            let last = last[0].first().map(rows::id).transpose()?;
            Ok((schema::secret(&mut store.link)?, last.map_or(0, |id| (id.0 >> 64) as u64)))
        };
        let (secret, last_high) = begin().map_err(|trouble: Trouble| failed(&trouble))?;
        let node = store.node.clone();
        Ok(Opened { store, last_high, node, secret, fresh })
    }

    /// Keeps a text under a key, durably, unless there is one: the one that is kept. For the start,
    /// before anything is served.
    pub fn meta_keep(&mut self, key: &str, text: &str) -> Result<String, Fault> {
        assert!(!["application", "schema", "secret"].contains(&key), "these are made once");
        self.link.retry_until_ok(|| ask!(schema::KEEP, key, text))?;
        let kept = schema::get(&mut self.link, key)?;
        kept.ok_or_else(|| Fault::NotDone(format!("what was kept under {key} is gone")))
    }

    /// Accepts the history of the database as it is: why nobody recorded anything, if so. The error is a sentence.
    pub fn accept_history(target: &Target) -> Result<Option<String>, OpenError> {
        let failed = |trouble: Trouble| schema::failed(target, &trouble);
        let mut link = Link::new(target.named("nts accept-history"), Use::Serving)
            .map_err(|error| failed(Trouble::Unreadable(error.to_string())))?;
        link.connect().map_err(failed)?;
        if !schema::readable(&mut link).map_err(failed)? {
            let what = "it is none of this version".to_owned();
            return Err(OpenError::NotOurs { database: target.name.clone(), what });
        }
        schema::accept(&mut link).map_err(failed)
    }

    /// A text that was kept under this key.
    pub fn meta_get(&mut self, key: &str) -> Result<Option<String>, Fault> {
        Ok(schema::get(&mut self.link, key)?)
    }

    /// Forgets what was kept under a key, durably. As [`PgStore::meta_keep`].
    pub fn meta_forget(&mut self, key: &str) -> Result<(), Fault> {
        assert!(!["application", "schema", "secret"].contains(&key), "these are made once");
        self.link.retry_until_ok(|| ask!(schema::FORGET, key))?;
        Ok(())
    }

    /// Connects anew, waits until everything older of this writer is decided and makes sure that
    /// nothing older of it can be recorded any more. It is a durable commit of our own.
    ///
    /// Tells the number of the last batch that is recorded. If it is smaller than that of a batch which was
    /// acknowledged, the database went back: that is written down there, and nobody records anything.
    fn fence(&mut self) -> Result<i64, Trouble> {
        self.open = false;
        self.link.connect()?;
        self.take_node()?;
        let mut tries = 0;
        let (mut writer, mut last) = (self.writer, None);
        loop {
            let epoch = draw();
            let fenced = self.link.ask(&[ask!(BEGIN_WRITER, writer, epoch, 0i64)]);
            match fenced {
                // A warning: the commit may be here alone and not on the standby.
                Ok(_) if self.link.warned() => {
                    self.link.leave();
                    return Err(Trouble::Lost("the barrier was not replicated".into()));
                }
                Ok(rows) => {
                    self.link.settle();
                    let found = one(&rows[0])?;
                    let last = *last.get_or_insert(found);
                    // What was recorded in another history is forgotten, and no number of it is used again. Whether
                    // nothing may be recorded is asked once more, for the new row is refused from now on only.
                    let here = self.follow_history()?;
                    if self.history.is_some_and(|before| before != here) && writer == self.writer {
                        tracing::warn!(
                            history = here,
                            "a person has accepted the history of the database"
                        );
                        writer = draw();
                        continue;
                    }
                    (self.writer, self.epoch, self.batch) = (writer, epoch, found);
                    self.history = Some(here);
                    // Who retires a database does it after this epoch, or before this question.
                    self.retired = self.why_retired()?;
                    schema::tell_promise(&mut self.link);
                    return Ok(last);
                }
                Err(Trouble::Sql { code, .. })
                    if code == SqlState::T_R_SERIALIZATION_FAILURE && tries < 3 =>
                {
                    tries += 1;
                }
                // Its commits wait for a standby that is not there, say.
                Err(Trouble::Late) => {
                    self.link.leave();
                    return Err(Trouble::Late);
                }
                Err(trouble) => {
                    self.link.close();
                    return Err(trouble);
                }
            }
        }
    }

    /// Looks whether the database is what it was. Tells the number of its history; that of the last fence if it went back.
    fn follow_history(&mut self) -> Result<u64, Trouble> {
        let history = self.link.target().history.clone();
        // Of what the readers of this process learn from now on the answer may know nothing yet.
        let known = history.remembered();
        let asks = [ask!(schema::STATE), ask!(reader::BATCHES), ask!(rows::CLOCK)];
        let answers = self.link.ask(&asks)?;
        let told = schema::Told::read(&answers[0])?;
        let mark: Vec<(i64, i64)> = answers[1].iter().map(rows::pair).collect::<Result<_, _>>()?;
        self.read_ms = one(&answers[2])?;
        let here = told.history;
        if let Course::WentBack(why) = known.compare(here, &mark) {
            if told.stopped.is_none() {
                schema::stop(&mut self.link, known.number(), here, &why)?;
                tracing::error!("ALARM: {}", history::told(&why));
            }
            self.stopped = told.stopped.or_else(|| Some(history::told(&why)));
            return Ok(self.history.unwrap_or(here.number));
        }
        self.stopped = told.stopped;
        history.learn_all(here, &mark, self.read_ms);
        Ok(here.number)
    }

    /// Why this process may record nothing here any more.
    fn why_retired(&mut self) -> Result<Option<String>, Trouble> {
        if let Some(to) = schema::get(&mut self.link, MOVED_TO)? {
            return Ok(Some(format!("everything was moved to {to}: stop this process")));
        }
        let Some(provider) = &self.provider else { return Ok(None) };
        let kept = schema::get(&mut self.link, PROVIDER)?.unwrap_or_default();
        Ok((kept != *provider).then(|| {
            "since this process began, the database has been taken for another payment provider: stop this \
             process"
                .to_owned()
        }))
    }

    /// See [`crate::store::database::MetaStore::claim_provider`].
    ///
    /// A process holds the lock of its number before it reads with which provider the database is served. So
    /// either it reads what is written here, or it is seen here: two never serve with two providers.
    pub fn claim_provider(&mut self, kept: Option<&str>, word: &str) -> Result<bool, Fault> {
        // Where none is written down nobody serves: whoever comes first writes it.
        let named = kept.filter(|kept| *kept != NO_PROVIDER);
        if kept != Some(word) {
            if named.is_some() && self.others_serve()? {
                return Ok(false);
            }
            self.link.ask(&[match kept {
                None => ask!(schema::KEEP, PROVIDER, word),
                Some(kept) => ask!(schema::CHANGE, PROVIDER, kept, word),
            }])?;
            if self.meta_get(PROVIDER)?.as_deref() != Some(word) {
                return Ok(false);
            }
            // One that began in between may have read what was there before.
            if let Some(named) = named
                && self.others_serve()?
            {
                self.link.ask(&[ask!(schema::CHANGE, PROVIDER, word, named)])?;
                return Ok(false);
            }
        }
        self.provider = Some(word.to_owned());
        Ok(true)
    }

    /// Whether another process serves this database.
    fn others_serve(&mut self) -> Result<bool, Fault> {
        let held = self.link.ask(&[ask!(OTHER_NODES, i64::from(NODE_LOCKS))])?;
        Ok(one::<i64>(&held[0])? > 0)
    }

    /// Takes the number that this process had, or else one that is free. Where there is none, or
    /// the engine knows no such locks, it is drawn: two processes may then make ids of one high
    /// half, which this database does not mind and a file would.
    fn take_node(&mut self) -> Result<(), Trouble> {
        let had = self.node.number();
        for number in (had..NODES).chain(0..had) {
            match self.link.ask(&[ask!(TAKE_NODE, NODE_LOCKS, number as i32)]) {
                Ok(rows) if one(&rows[0])? => {
                    self.node.set(number);
                    return Ok(());
                }
                Ok(_) => {}
                Err(Trouble::Sql { text, .. }) => {
                    tracing::debug!(text, "no numbers for nodes here");
                    break;
                }
                Err(trouble) => return Err(trouble),
            }
        }
        let drawn = draw() as u64 % NODES;
        tracing::warn!(drawn, "more than {NODES} processes: they cannot move into a file later");
        self.node.set(drawn);
        Ok(())
    }

    /// Ends what is open, so that others can go on.
    fn roll_back(&mut self) {
        if std::mem::take(&mut self.open) && self.link.ask(&[ask!(ROLLBACK)]).is_err() {
            self.link.close();
        }
    }

    /// What a trouble means for the connection, and for who asked. Nothing is recorded.
    fn not_done(&mut self, trouble: Trouble) -> Fault {
        if let Trouble::Sql { code, .. } = &trouble
            && *code == SqlState::LOCK_NOT_AVAILABLE
        {
            self.blocked += 1;
            if self.blocked >= MOST_BLOCKED {
                // Whoever holds them can neither commit nor be ended: a commit waits for a standby that is gone.
                self.blocked = 0;
                self.open = false;
                self.link.leave();
                return Fault::Away(format!("others hold the locks and do not end ({trouble})"));
            }
        }
        let again = trouble.overtaken() || matches!(trouble, Trouble::Lost(_));
        match &trouble {
            Trouble::Late => {
                self.open = false;
                self.link.leave();
            }
            Trouble::Lost(_) => {
                self.open = false;
                self.link.close();
            }
            // Another one may be the primary by now.
            Trouble::Sql { code, .. } if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
                self.open = false;
                self.link.close();
            }
            Trouble::Pooled => {
                self.open = false;
                self.link.close();
            }
            Trouble::Sql { .. } | Trouble::Unreadable(_) => self.roll_back(),
        }
        if again {
            self.overtaken += 1;
            return Fault::Conflict(trouble.to_string());
        }
        Fault::NotDone(match &trouble {
            Trouble::Sql { code, .. } if *code == SqlState::DIVISION_BY_ZERO => {
                format!("refused by the schema: a row is not there, or is another's ({trouble})")
            }
            // The text names the constraint.
            Trouble::Sql { constraint: Some(_), .. } => format!("refused by the schema: {trouble}"),
            _ => return trouble.into(),
        })
    }

    /// Makes way for others for a moment, a little longer each time.
    fn make_way(&self) {
        if self.overtaken > 0 {
            let most_us = 1_000u64 << self.overtaken.min(6);
            self.link.pause(Duration::from_micros(draw() as u64 % most_us));
        }
    }

    /// The events, as they were locked; none of them has its parts yet.
    fn begin(&self, keys: &Keys, lock: &'static str) -> Ask<'static> {
        ask!(lock, event_ids(keys), slugs(&keys.slugs), order_ids(&keys.orders))
    }

    fn try_load(&mut self, keys: &Keys, requests: &[RequestKey]) -> Result<Loaded, Trouble> {
        loop {
            if let Some(loaded) = self.try_load_once(keys, requests)? {
                return Ok(loaded);
            }
            self.roll_back();
        }
    }

    /// `None` if an order appeared between the locks and the look at it, or if the turn that was
    /// taken was not enough: once more.
    fn try_load_once(
        &mut self,
        keys: &Keys,
        requests: &[RequestKey],
    ) -> Result<Option<Loaded>, Trouble> {
        let guessed = |(event, _): &&(EventId, BuyerKey)| !self.unlimited.contains(event);
        let buyers: BTreeSet<(EventId, BuyerKey)> =
            keys.buyers.iter().filter(guessed).copied().collect();
        let mut asks = Vec::with_capacity(10);
        let turn = std::mem::take(&mut self.turn) && self.open;
        if !turn {
            if self.open {
                asks.push(ask!(ROLLBACK));
            }
            asks.push(ask!(BEGIN));
        }
        let first = asks.len();
        asks.push(self.begin(keys, if turn { LOCK_NOW } else { LOCK }));
        asks.push(ask!(rows::SOME_POOLS, event_ids(keys)));
        asks.push(ask!(rows::SOME_TICKET_TYPES, event_ids(keys)));
        asks.push(ask!(rows::SOME_ORDERS, order_ids(&keys.orders)));
        asks.push(ask_buyers(&buyers));
        asks.push(ask!(
            rows::REQUESTS,
            requests.iter().map(|key| Uuid::from_u128(key.0)).collect::<Vec<_>>()
        ));
        asks.push(ask!(rows::CLOCK));
        if !keys.ordered.is_empty() {
            asks.push(ask!(rows::ORDERED, slugs(&keys.ordered)));
        }
        self.open = true;
        let begun = Instant::now();
        let answers = match self.link.ask(&asks) {
            Err(Trouble::Sql { code, .. }) if turn && code == SqlState::LOCK_NOT_AVAILABLE => {
                return Ok(None);
            }
            answers => answers?,
        };
        if !turn {
            self.contended = begun.elapsed() >= IN_THE_WAY;
        }
        let mut answers = answers.into_iter().skip(first);
        let mut next = || answers.next().expect("an answer to each question");
        let (locked, pools, types, orders) = (next(), next(), next(), next());
        let (found_buyers, recorded, clock) = (next(), next(), next());
        self.link.is_ours(&clock)?;
        self.read_ms = one(&clock)?;
        let ordered = if keys.ordered.is_empty() { Vec::new() } else { next() };

        let mut events = BTreeMap::new();
        for row in &locked {
            let event = rows::event(row)?;
            events.insert(event.id.0 as i64, event);
        }
        rows::add_parts(&mut events, &pools, &types)?;
        let mut orders = Orders::of(&orders)?;
        if orders.0.values().any(|(o, _)| !events.contains_key(&(o.event.0 as i64))) {
            return Ok(None);
        }
        let mut state = State { most_counted: Some(MOST_COUNTED), ..State::default() };
        for row in &ordered {
            state.ordered.insert(EventId(one::<i64>(std::slice::from_ref(row))? as u64));
        }
        let limited = |id: EventId| {
            events.get(&(id.0 as i64)).is_some_and(|e| e.spec.limit_per_buyer.is_some())
        };
        let ids = events.values().map(|event| event.id);
        self.loaded_unlimited = ids.filter(|id| !limited(*id)).collect();
        let mut missing: BTreeSet<(EventId, BuyerKey)> = BTreeSet::new();
        for (event, key) in &keys.buyers {
            let limited = events.get(&(event.0 as i64)).map(|e| e.spec.limit_per_buyer.is_some());
            match limited {
                Some(false) => _ = self.unlimited.insert(*event),
                Some(true) => {
                    self.unlimited.remove(event);
                    missing.insert((*event, *key));
                }
                None => {}
            }
        }
        let counted = orders.0.values().map(|(o, _)| (o.event, o.buyer.key));
        missing.extend(counted.filter(|(event, _)| limited(*event)));
        for row in &found_buyers {
            let (key, record) = rows::buyer(row)?;
            if missing.contains(&key) {
                state.buyers.insert(key, record);
            }
        }
        missing.retain(|key| !buyers.contains(key));

        let now_ms = self.complete(&mut events, &mut orders, &missing, &mut state, &clock)?;
        for event in events.into_values() {
            state.slugs.insert(event.spec.slug.clone(), event.id);
            state.events.insert(event.id, event);
        }
        state.orders = orders.into_orders().map(|order| (order.id, order)).collect();
        let recorded = recorded.iter().map(|row| {
            let fact = rows::recorded(row)?;
            Ok((fact.key, fact))
        });
        let recorded = recorded.collect::<Result<_, Trouble>>()?;
        Ok(Some(Loaded { state, recorded, now_ms }))
    }

    /// Reads what only the first answers could tell to be missing, if anything is. Tells the time.
    fn complete(
        &mut self,
        events: &mut BTreeMap<i64, boxoffice::Event>,
        orders: &mut Orders,
        buyers: &BTreeSet<(EventId, BuyerKey)>,
        state: &mut State,
        clock: &[Row],
    ) -> Result<TimeMs, Trouble> {
        let bare: Vec<i64> =
            events.iter().filter(|(_, e)| e.pools.is_empty()).map(|(id, _)| *id).collect();
        let mut asks = orders.ask_children();
        let children = asks.len();
        if !bare.is_empty() {
            asks.push(ask!(rows::SOME_POOLS, bare.clone()));
            asks.push(ask!(rows::SOME_TICKET_TYPES, bare.clone()));
        }
        if !buyers.is_empty() {
            asks.push(ask_buyers(buyers));
        }
        let mut told = one(clock)?;
        if !asks.is_empty() {
            asks.push(ask!(rows::CLOCK));
            let mut answers = self.link.ask(&asks)?;
            told = one(&answers.pop().expect("the clock was asked"))?;
            if !buyers.is_empty() {
                for row in answers.pop().expect("buyers were asked for") {
                    let (key, record) = rows::buyer(&row)?;
                    state.buyers.insert(key, record);
                }
            }
            if !bare.is_empty() {
                let mut of_bare: BTreeMap<_, _> =
                    bare.iter().filter_map(|id| events.remove_entry(id)).collect();
                rows::add_parts(&mut of_bare, &answers[children], &answers[children + 1])?;
                events.append(&mut of_bare);
            }
            answers.truncate(children);
            orders.add_children(&answers)?;
        }
        Ok(if let Clock::Manual(_) = self.clock { self.clock.now_ms() } else { told })
    }

    /// Writes and commits. The fault says what became of it.
    fn try_commit(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let writing = match Writing::of(batch) {
            Ok(writing) => writing,
            Err(rule) => {
                self.roll_back();
                return Err(Fault::NotDone(rule));
            }
        };
        let put: BTreeMap<EventId, &boxoffice::Event> = writing.events.clone();
        let mut asks = Vec::new();
        if !self.open {
            asks.push(ask!(BEGIN));
        }
        asks.extend(writing.statements(self.link.target().process));
        let most = PRUNED_AT_ONCE + 2 * batch.recorded.len() as i64;
        let prunes = batch.now_ms >= self.prune_at_ms && put.is_empty();
        if prunes {
            let (old, wrong) = (batch.now_ms - REMEMBERED_MS, batch.now_ms + REMEMBERED_MS);
            asks.push(ask!(PRUNE, old, wrong, most));
        }
        let pruning = asks.len().saturating_sub(1);
        asks.push(ask!(COUNT_BATCH, self.writer, self.epoch, self.batch));
        self.open = true;
        if !put.is_empty() {
            // What an organiser said and what came of it share their columns: make sure that
            // nothing was lost by it, before it is committed. This is rare enough for that.
            let written = self
                .link
                .ask(&asks)
                .and_then(|_| self.count_buyers(&put))
                .and_then(|()| self.check_events(&put));
            if let Err(trouble) = written {
                return Err(self.not_done(trouble));
            }
            asks.clear();
        }
        asks.push(ask!(COMMIT));
        _ = self.link.warned();
        let mut answers = match self.link.answers(&asks) {
            Ok(answers) => answers,
            // Nothing was sent, unless it is late: preparing comes first.
            Err(Trouble::Late) => {
                self.open = false;
                self.link.leave();
                return Err(Fault::Unknown(Trouble::Late.to_string()));
            }
            Err(trouble) => return Err(self.not_done(trouble)),
        };
        let committed = answers.pop().expect("COMMIT was asked for");
        self.open = false;
        let mut pruned = most;
        for (at, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(rows) if prunes && at == pruning => pruned = one(&rows).unwrap_or(most),
                Ok(_) => {}
                // A connection that is lost before its COMMIT was answered tells nothing; but if
                // the database refused a statement, the COMMIT behind it was none.
                Err(Trouble::Lost(_)) => break,
                Err(trouble) => return Err(self.not_done(trouble)),
            }
        }
        match committed {
            Ok(_) if self.link.warned() => {
                self.link.leave();
                Err(Fault::Unknown("the commit may not be on the standby".into()))
            }
            Ok(_) => {
                if prunes && pruned < most {
                    self.prune_at_ms = batch.now_ms + PRUNE_EVERY_MS;
                }
                Ok(())
            }
            Err(trouble) if refused_at_commit(&trouble) => Err(self.not_done(trouble)),
            Err(trouble) => {
                self.link.close();
                Err(Fault::Unknown(trouble.to_string()))
            }
        }
    }

    /// A limit per buyer that comes late counts the orders that are there.
    fn count_buyers(&mut self, put: &BTreeMap<EventId, &boxoffice::Event>) -> Result<(), Trouble> {
        for event in put.values().filter(|event| event.spec.limit_per_buyer.is_some()) {
            if self.loaded_unlimited.contains(&event.id) {
                buyers::count_anew(&mut self.link, event.id)?;
            }
        }
        Ok(())
    }

    fn check_events(&mut self, put: &BTreeMap<EventId, &boxoffice::Event>) -> Result<(), Trouble> {
        let ids: Vec<i64> = put.keys().map(|id| id.0 as i64).collect();
        let found = self.link.ask(&[
            ask!(rows::SOME_EVENTS, ids.clone()),
            ask!(rows::SOME_POOLS, ids.clone()),
            ask!(rows::SOME_TICKET_TYPES, ids),
        ])?;
        let written = rows::events(&found[0], &found[1], &found[2])?;
        let same = |(written, event): (&boxoffice::Event, &&boxoffice::Event)| {
            same_but_for_counters(written, event)
        };
        if written.len() == put.len() && written.iter().zip(put.values()).all(same) {
            return Ok(());
        }
        Err(Trouble::Unreadable("an event cannot be stored as it is".into()))
    }
}

/// Whether the database said of a COMMIT that it did not happen.
fn refused_at_commit(trouble: &Trouble) -> bool {
    let Trouble::Sql { code, .. } = trouble else { return false };
    let code = code.code();
    code == "40001" || code == "40P01" || code.starts_with("23")
}

fn event_ids(keys: &Keys) -> Vec<i64> {
    let ids: BTreeSet<i64> = keys.events.iter().map(|id| id.0 as i64).collect();
    ids.into_iter().collect()
}

/// No slug has a zero in it, and the database takes no such text.
fn slugs(asked: &[String]) -> Vec<String> {
    asked.iter().filter(|slug| !slug.contains('\0')).cloned().collect()
}

fn order_ids(orders: &[OrderId]) -> Vec<Uuid> {
    orders.iter().map(|id| Uuid::from_u128(id.0)).collect()
}

fn ask_buyers(buyers: &BTreeSet<(EventId, BuyerKey)>) -> Ask<'static> {
    ask!(
        rows::BUYERS,
        buyers.iter().map(|(event, _)| event.0 as i64).collect::<Vec<_>>(),
        buyers.iter().map(|(_, key)| Uuid::from_u128(key.0)).collect::<Vec<_>>(),
    )
}

impl Store for PgStore {
    fn load(&mut self, keys: &Keys, requests: &[RequestKey]) -> Result<Loaded, Fault> {
        self.make_way();
        if self.link.is_elsewhere() {
            self.open = false;
            self.turn = false;
            self.link.close();
        }
        if !self.link.is_open()
            && let Err(trouble) = self.fence()
        {
            // Not to be reached, for as long as it was tried: nobody is in our way there.
            let away = matches!(trouble, Trouble::Lost(_) | Trouble::Late);
            return Err(if away { trouble.into() } else { self.not_done(trouble) });
        }
        if let Some(why) = &self.retired {
            return Err(Fault::NotDone(why.clone()));
        }
        if let Some(why) = &self.stopped {
            return Err(Fault::Stopped(why.clone()));
        }
        self.try_load(keys, requests).map_err(|trouble| self.not_done(trouble))
    }

    fn load_door(&mut self, keys: &DoorKeys) -> Result<DoorState, Fault> {
        let mut within = records::Within::new(&mut self.link);
        let loaded = door::load(&mut within, keys);
        let trouble = within.trouble.take();
        loaded.map_err(|fault| trouble.map_or(fault, |trouble| self.not_done(trouble)))
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        if !self.link.is_open() {
            self.open = false;
            return Err(Fault::NotDone("recover the database first".into()));
        }
        let number = self.batch + 1;
        self.tried = Some(number);
        let done = self.try_commit(batch);
        if done.is_ok() {
            self.batch = number;
            (self.overtaken, self.blocked) = (0, 0);
            let history = self.history.unwrap_or_default();
            self.link.target().history.learn(history, self.writer, number, self.read_ms);
        }
        done
    }

    /// Its own locks are all that one more round trip is spent for, so it is only spent where others
    /// were in the way before.
    fn lock_early(&mut self, keys: &Keys) {
        if !self.contended || self.overtaken > 0 || !self.link.is_open() {
            return;
        }
        self.roll_back();
        let begun = Instant::now();
        self.open = true;
        match self.link.ask(&[ask!(BEGIN), self.begin(keys, LOCK)]) {
            Ok(_) => {
                self.turn = true;
                self.contended = begun.elapsed() >= IN_THE_WAY;
            }
            // The load that follows meets it again, and says so.
            Err(Trouble::Sql { .. } | Trouble::Unreadable(_) | Trouble::Pooled) => self.roll_back(),
            Err(Trouble::Late) => {
                self.open = false;
                self.link.leave();
            }
            Err(Trouble::Lost(_)) => {
                self.open = false;
                self.link.close();
            }
        }
    }

    fn release(&mut self) {
        (self.overtaken, self.blocked) = (0, 0);
        self.roll_back();
    }

    fn prove(&mut self) -> Result<(), Fault> {
        self.release();
        let mut drawn = vec![0u8; PROOF_BYTES / 2];
        getrandom::fill(&mut drawn).map_err(|error| Fault::NotDone(error.to_string()))?;
        let filling: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!("proof {}", self.writer);
        self.open = true;
        let (put, forget) = (ask!(schema::PUT, key.clone(), filling), ask!(schema::FORGET, key));
        let proved = self.link.ask(&[ask!(BEGIN), put, forget, ask!(COMMIT)]);
        match proved {
            Ok(_) if self.link.warned() => {
                self.open = false;
                self.link.leave();
                Err(Fault::Away("a commit was not replicated".into()))
            }
            Ok(_) => {
                self.open = false;
                Ok(())
            }
            Err(trouble) => Err(match self.not_done(trouble) {
                // Nobody was in the way of it.
                Fault::Conflict(why) => Fault::Away(why),
                fault => fault,
            }),
        }
    }

    fn last_version(&self) -> Option<(i64, i64)> {
        Some((self.writer, self.batch))
    }

    fn next_batch(&self) -> (i64, i64) {
        (self.writer, self.batch + 1)
    }

    fn recover(&mut self) -> Result<bool, Fault> {
        let found = self.fence()?;
        Ok(self.tried == Some(found))
    }
}
