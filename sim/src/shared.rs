//! A simulated transactional database server, and the store of a process that uses it.
//!
//! It keeps the promises of a database that is used with row locks and a synchronous standby: a
//! commit that was acknowledged is never lost; one whose connection broke was done, was not done,
//! or is decided later, and until then whoever touches the same rows waits for the decision. All
//! processes read its clock.
//!
//! Where it is told to ([`Server::forgetful`]), it breaks that promise as an asynchronous standby does: it goes back
//! to an earlier state. And it can be silent: then nobody hears whether a commit was done.

use crate::auditor::Asked;
use crate::chaos::Chaos;
use crate::plan::Fault as Strike;
use boxoffice::door::{DoorKeys, DoorState};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{
    BuyerKey, BuyerRecord, Change, Event, EventId, Keys, Order, OrderId, State, Ticket, TimeMs,
};
use nts_server::clock::Clock;
use nts_server::store::history::{self, Course, History, HistoryId, Stop};
use nts_server::store::records::{MemoryTables, RecordChange, Row, Tables, Value, door};
use nts_server::store::{
    Batch, Fault, Lane, Listing, Loaded, NamedTicket, OrderPage, Owner, OwnerPage, Reader,
    Recorded, RequestKey, Store, VersionVector,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The database server.
#[derive(Clone)]
pub struct Server {
    db: Arc<Mutex<Db>>,
    clock: Clock,
    chaos: Arc<Chaos>,
    /// How far its clock was put forward since the beginning, in milliseconds.
    forward_ms: Arc<AtomicI64>,
}

/// The most that its clock is put forward in all, in milliseconds.
const MOST_FORWARD_MS: i64 = 60_000;

#[derive(Default)]
struct Db {
    state: State,
    recorded: BTreeMap<RequestKey, Recorded>,
    /// Transactions whose connection broke at COMMIT and which are not decided yet.
    undecided: Vec<Undecided>,
    /// The last transaction of each connection, and whether it was done.
    last: BTreeMap<u64, (u64, bool)>,
    /// The last transaction of each connection that was done.
    done: BTreeMap<u64, u64>,
    connections: u64,
    /// How often each event has changed, with all that belongs to it: it is locked as a whole.
    versions: BTreeMap<EventId, u64>,
    /// When orders changed the last time, but for those that were only placed.
    changed: BTreeMap<OrderId, TimeMs>,
    /// What was committed since somebody asked, one by one.
    news: Vec<News>,
    /// The cold tables; made when they are needed.
    tables: Option<MemoryTables>,
    /// Every commit, if it may go back.
    journal: Option<Vec<Entry>>,
    /// How often it went back: connections of before are gone.
    era: u64,
    /// Which history it has, and why nobody may record anything.
    history: HistoryId,
    went_back: Option<Stop>,
    silence: Option<Silence>,
}

/// It says nothing.
#[derive(Clone, Copy)]
struct Silence {
    /// Whether the next commit is made all the same.
    does: bool,
    /// Whether it was tried: until then it answers.
    begun: bool,
}

/// A commit, to be made again.
#[derive(Clone)]
struct Entry {
    changes: Vec<Change>,
    recorded: Vec<Recorded>,
    records: Vec<RecordChange>,
    now_ms: TimeMs,
    connection: u64,
    number: u64,
    /// The history at that time.
    history: HistoryId,
}

/// What a commit has changed.
pub struct News {
    /// The orders, as they were then.
    pub orders: Vec<Order>,
    /// All events, as they were then.
    pub events: Vec<Event>,
    /// What events were put.
    pub asked: Asked,
    /// When it was decided.
    pub now_ms: TimeMs,
}

struct Undecided {
    /// When it was tried.
    tried_ms: TimeMs,
    /// Whether that is when it was decided upon.
    exact: bool,
    connection: u64,
    number: u64,
    changes: Vec<Change>,
    recorded: Vec<Recorded>,
    records: Vec<RecordChange>,
    orders: BTreeSet<OrderId>,
    events: BTreeSet<EventId>,
    will_be_done: bool,
    at_ms: TimeMs,
}

impl Db {
    fn tables(&mut self) -> Result<&mut MemoryTables, Fault> {
        if self.tables.is_none() {
            self.tables = Some(MemoryTables::new()?);
        }
        Ok(self.tables.as_mut().expect("they were just made"))
    }

    /// Writes to the cold tables what is committed with the rest.
    fn write(&mut self, records: &[RecordChange]) {
        if !records.is_empty() {
            let written = self.tables().and_then(|tables| tables.commit(records));
            written.expect("a record fits its table");
        }
    }

    /// Makes a commit. `exact`: see [`Db::apply`].
    fn record(&mut self, entry: Entry, exact: bool) {
        self.apply(&entry.changes, &entry.recorded, entry.now_ms, exact);
        self.write(&entry.records);
        self.last.insert(entry.connection, (entry.number, true));
        self.done.insert(entry.connection, entry.number);
        if let Some(journal) = &mut self.journal {
            journal.push(entry);
        }
    }

    /// Whether it says anything.
    fn answers(&self) -> Result<(), Fault> {
        match self.silence {
            Some(Silence { begun: true, .. }) => {
                Err(Fault::Away("the database did not answer in time".into()))
            }
            _ => Ok(()),
        }
    }

    /// Somebody who knew this history of it has noticed that it went back.
    fn stop(&mut self, known: u64, at_ms: TimeMs, why: String) {
        if !on(Mutant::HistoryNotCompared) {
            self.went_back.get_or_insert(Stop { known, at_ms, why });
            // No connection of before records anything more.
            self.era += 1;
        }
    }

    /// `exact`: `now_ms` is when it was decided upon.
    fn apply(&mut self, changes: &[Change], recorded: &[Recorded], now_ms: TimeMs, exact: bool) {
        let mut asked = Asked { exact, ..Asked::default() };
        let (orders, events) = self.touched(changes);
        for event in events {
            *self.versions.entry(event).or_default() += 1;
        }
        for change in changes {
            self.state.apply(change);
            if let Some(order) = change.order()
                && !matches!(change, Change::OrderPlaced(_))
            {
                self.changed.insert(order, now_ms);
            }
            if let Change::EventPut(event) = change {
                asked.put(&event.spec);
            }
        }
        for fact in recorded {
            let twice = self.recorded.insert(fact.key, *fact);
            assert!(twice.is_none(), "a request is answered once");
        }
        let orders = orders.iter().filter_map(|id| self.state.orders.get(id).cloned()).collect();
        let events = self.state.events.values().cloned().collect();
        self.news.push(News { orders, events, asked, now_ms });
    }

    fn version(&self, event: EventId) -> u64 {
        self.versions.get(&event).copied().unwrap_or(0)
    }

    /// The orders and the events that are touched: those of the orders, too, for they are locked.
    fn touched(&self, changes: &[Change]) -> (BTreeSet<OrderId>, BTreeSet<EventId>) {
        let (orders, mut events) = touched(changes);
        events.extend(orders.iter().filter_map(|id| Some(self.state.orders.get(id)?.event)));
        (orders, events)
    }

    /// Whether rows that must not be there twice are there already.
    fn is_twice(&self, batch: &Batch<'_>) -> bool {
        let slug_taken = |change: &Change| match change {
            Change::EventPut(event) => {
                self.state.slugs.get(&event.spec.slug).is_some_and(|id| *id != event.id)
            }
            _ => false,
        };
        batch.recorded.iter().any(|fact| self.recorded.contains_key(&fact.key))
            || batch.changes.iter().any(slug_taken)
    }

    fn decide(&mut self, waits: Undecided) {
        if waits.will_be_done {
            let entry = Entry {
                changes: waits.changes,
                recorded: waits.recorded,
                records: waits.records,
                now_ms: waits.tried_ms,
                connection: waits.connection,
                number: waits.number,
                history: self.history,
            };
            self.record(entry, waits.exact);
        } else {
            self.last.insert(waits.connection, (waits.number, false));
        }
    }

    /// Decides what is due, and what stands in the way of somebody.
    fn decide_if(&mut self, now: TimeMs, in_the_way: impl Fn(&Undecided) -> bool) {
        while let Some(at) = self.undecided.iter().position(|u| u.at_ms <= now || in_the_way(u)) {
            let waits = self.undecided.remove(at);
            self.decide(waits);
        }
    }
}

fn touched(changes: &[Change]) -> (BTreeSet<OrderId>, BTreeSet<EventId>) {
    let (mut orders, mut events) = (BTreeSet::new(), BTreeSet::new());
    for change in changes {
        match change {
            Change::EventPut(event) => _ = events.insert(event.id),
            Change::EventDeleted { event }
            | Change::Stock { event, .. }
            | Change::BuyerPut { event, .. } => {
                _ = events.insert(*event);
            }
            Change::OrderPlaced(order) => {
                _ = orders.insert(order.id);
                _ = events.insert(order.event);
            }
            Change::TicketPut { order, event, .. }
            | Change::EmailPut { order, event, .. }
            | Change::NamePut { order, event, .. }
            | Change::AnswersPut { order, event, .. }
            | Change::MetadataPut { order, event, .. }
            | Change::BuyerErased { order, event }
            | Change::OrderForgotten { order, event, .. } => {
                _ = orders.insert(*order);
                _ = events.insert(*event);
            }
            Change::OrderMoved { order, .. }
            | Change::LinesPut { order, .. }
            | Change::PaymentPut { order, .. }
            | Change::AttemptPut { order, .. }
            | Change::RefundPut { order, .. } => _ = orders.insert(*order),
        }
    }
    (orders, events)
}

impl Entry {
    fn of(
        batch: &Batch<'_>,
        now_ms: TimeMs,
        connection: u64,
        number: u64,
        history: HistoryId,
    ) -> Entry {
        Entry {
            changes: batch.changes.to_vec(),
            recorded: batch.recorded.to_vec(),
            records: batch.records.to_vec(),
            now_ms,
            connection,
            number,
            history,
        }
    }
}

impl Server {
    /// An empty database.
    pub fn new(clock: Clock, chaos: Arc<Chaos>) -> Server {
        Server { db: Arc::default(), clock, chaos, forward_ms: Arc::default() }
    }

    fn db(&self) -> MutexGuard<'_, Db> {
        let mut db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now_ms();
        db.decide_if(now, |_| false);
        db
    }

    /// It may go back from now on.
    pub fn forgetful(self) -> Server {
        self.db().journal = Some(Vec::new());
        self
    }

    /// Goes back by so many commits, at most to its first one. All connections are gone. Tells how many commits
    /// are lost.
    pub fn go_back(&self, commits: usize) -> usize {
        let mut db = self.db();
        let mut journal = db.journal.take().expect("it may go back");
        let kept = journal.len().saturating_sub(commits).max(1).min(journal.len());
        let lost = journal.len() - kept;
        journal.truncate(kept);
        let (connections, era) = (db.connections, db.era + 1);
        *db = Db { connections, era, journal: Some(Vec::new()), ..Db::default() };
        for entry in journal {
            db.history = entry.history;
            db.record(entry, true);
        }
        db.news.clear();
        lost
    }

    /// From the next commit on it says nothing; that one it makes or not.
    pub fn be_silent(&self, does: bool) {
        self.db().silence = Some(Silence { does, begun: false });
    }

    /// It answers again.
    pub fn answer_again(&self) {
        self.db().silence = None;
    }

    /// Why nobody may record anything.
    pub fn went_back(&self) -> Option<String> {
        self.db().went_back.as_ref().map(|stop| stop.why.clone())
    }

    /// A person accepts it as it is.
    pub fn accept_history(&self) {
        let now_ms = self.now_ms();
        let mut db = self.db();
        if let Some(stop) = db.went_back.take() {
            db.history = stop.accepted(db.history, now_ms);
            db.era += 1;
        }
    }

    /// A process connects, whose own clock is `clock`.
    pub fn connect(&self, clock: Clock) -> SharedStore {
        let mut db = self.db();
        db.connections += 1;
        let connection = db.connections;
        let (tried, broken, loaded) = (0, false, None);
        let (history, era) = (History::default(), db.era);
        history.learn_all(db.history, &[], 0);
        let server = self.clone();
        SharedStore { server, clock, connection, tried, broken, loaded, history, era }
    }

    /// A connection for reading that is never in trouble.
    pub fn truth(&self) -> SharedReader {
        SharedReader { server: self.clone(), trouble: false, history: None }
    }

    /// What was committed since this was asked the last time, commit by commit.
    pub fn news(&self) -> Vec<News> {
        std::mem::take(&mut self.db().news)
    }

    /// Time passes here while it stands still elsewhere. All that together within bounds.
    pub fn put_forward(&self, by_ms: i64) {
        let Clock::Virtual { ahead_ms, .. } = &self.clock else { return };
        let left = MOST_FORWARD_MS - self.forward_ms.load(Ordering::SeqCst);
        let by_ms = by_ms.clamp(0, left);
        self.forward_ms.fetch_add(by_ms, Ordering::SeqCst);
        ahead_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// How far its clock was put forward since the beginning, in milliseconds.
    pub fn forward_ms(&self) -> i64 {
        self.forward_ms.load(Ordering::SeqCst)
    }

    /// Its clock.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// What its clock says.
    pub fn now_ms(&self) -> TimeMs {
        self.clock.now_ms()
    }

    /// Whether nothing waits for a decision.
    pub fn decided(&self) -> bool {
        self.db().undecided.is_empty()
    }
}

/// A process's side of the database.
pub struct SharedStore {
    server: Server,
    clock: Clock,
    connection: u64,
    tried: u64,
    broken: bool,
    /// What is locked for the next batch: the events, as they were then.
    loaded: Option<BTreeMap<EventId, u64>>,
    /// What the process remembers.
    history: History,
    /// See [`Db::era`].
    era: u64,
}

impl Db {
    /// A batch may only change what was loaded for it and is locked since: a database would wait for
    /// other locks, and silently write what was decided on old rows.
    fn check(&self, loaded: Option<BTreeMap<EventId, u64>>, batch: &Batch<'_>) {
        let loaded = loaded.expect("a batch is committed on rows that were not loaded for it");
        let (orders, events) = self.touched(batch.changes);
        for event in events {
            match loaded.get(&event) {
                Some(version) => {
                    assert_eq!(*version, self.version(event), "a batch is committed on old rows");
                }
                None => assert_eq!(
                    self.version(event),
                    0,
                    "a batch changes an event that was not loaded for it: {orders:?}"
                ),
            }
        }
    }
}

impl SharedStore {
    /// A connection for reading.
    pub fn reader(&self) -> SharedReader {
        SharedReader {
            server: self.server.clone(),
            trouble: true,
            history: Some(self.history.clone()),
        }
    }
}

/// What a buyer has of an event, by the orders.
fn record(state: &State, event: EventId, key: BuyerKey) -> Option<BuyerRecord> {
    let mine = state.orders.values().filter(|o| o.event == event && o.buyer.key == key);
    let mine = mine.filter(|order| order.counted() > 0);
    let order = mine.clone().map(|order| order.id).max()?;
    Some(BuyerRecord { places: mine.map(Order::counted).sum(), order })
}

impl Store for SharedStore {
    fn load(&mut self, keys: &Keys, requests: &[RequestKey]) -> Result<Loaded, Fault> {
        self.loaded = None;
        if self.broken || self.era != self.server.db().era {
            return Err(Fault::NotDone("the connection is gone".into()));
        }
        self.server.db().answers()?;
        if let Some(kept) = self.server.went_back() {
            return Err(Fault::Stopped(history::told(&kept)));
        }
        if self.server.chaos.strikes(Strike::ReadFails) {
            return Err(Fault::NotDone("the database does not answer".into()));
        }
        let now_ms = self.server.clock.now_ms();
        let mut db = self.server.db();
        let by_slug: BTreeSet<EventId> =
            keys.slugs.iter().filter_map(|slug| db.state.slugs.get(slug).copied()).collect();
        let events_of_orders: BTreeSet<EventId> =
            keys.orders.iter().filter_map(|id| db.state.orders.get(id).map(|o| o.event)).collect();
        db.decide_if(now_ms, |u| {
            keys.orders.iter().any(|id| u.orders.contains(id))
                || keys.events.iter().any(|id| u.events.contains(id))
                || by_slug.iter().chain(&events_of_orders).any(|id| u.events.contains(id))
                || u.recorded.iter().any(|r| requests.contains(&r.key))
                || u.changes.iter().any(|change| match change {
                    Change::EventPut(event) => keys.slugs.contains(&event.spec.slug),
                    _ => false,
                })
        });
        let mut state = State::default();
        let add = |state: &mut State, id: EventId| {
            if let Some(event) = db.state.events.get(&id) {
                state.slugs.insert(event.spec.slug.clone(), id);
                state.events.insert(id, event.clone());
            }
        };
        for id in keys.events.iter().chain(&by_slug) {
            add(&mut state, *id);
        }
        for id in keys.ordered.iter().filter_map(|slug| db.state.slugs.get(slug)) {
            if db.state.orders.values().any(|order| order.event == *id) {
                state.ordered.insert(*id);
            }
        }
        let mut buyers: BTreeSet<(EventId, BuyerKey)> = keys.buyers.iter().copied().collect();
        for id in &keys.orders {
            if let Some(order) = db.state.orders.get(id) {
                add(&mut state, order.event);
                buyers.insert((order.event, order.buyer.key));
                state.orders.insert(*id, order.clone());
            }
        }
        for (event, key) in buyers {
            let limited =
                state.events.get(&event).is_some_and(|e| e.spec.limit_per_buyer.is_some());
            if limited && let Some(record) = record(&db.state, event, key) {
                state.buyers.insert((event, key), record);
            }
        }
        let now_ms = if on(Mutant::LocalClock) { self.clock.now_ms() } else { now_ms };
        let known = requests.iter().filter_map(|key| Some((*key, *db.recorded.get(key)?)));
        let locked = state.events.keys().chain(&keys.events);
        self.loaded = Some(locked.map(|id| (*id, db.version(*id))).collect());
        Ok(Loaded { state, recorded: known.collect(), now_ms })
    }

    fn load_door(&mut self, keys: &DoorKeys) -> Result<DoorState, Fault> {
        let loaded = self.loaded.as_ref().expect("what a door needs is loaded after its events");
        let locked =
            |event: &EventId| assert!(loaded.contains_key(event), "an event is not locked");
        keys.tickets.iter().for_each(|(event, _)| locked(event));
        keys.scans.iter().for_each(|scan| locked(&scan.event));
        door::load(self.server.db().tables()?, keys)
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let chaos = Arc::clone(&self.server.chaos);
        self.tried += 1;
        let loaded = self.loaded.take();
        // Their locks are held until it is decided.
        let locked: Vec<EventId> = loaded.iter().flat_map(BTreeMap::keys).copied().collect();
        let db = self.server.db();
        db.check(loaded, batch);
        if db.is_twice(batch) {
            return Err(Fault::Conflict("duplicate key value (23505)".into()));
        }
        drop(db);
        if chaos.strikes(Strike::CommitRefused) {
            let why = "could not serialize access (40001)".to_owned();
            let gives_up = chaos.between(Strike::CommitRefused, 0, 3) == 0;
            return Err(if gives_up { Fault::NotDone(why) } else { Fault::Conflict(why) });
        }
        let (number, connection) = (self.tried, self.connection);
        let lost = || Fault::Unknown("the connection broke at COMMIT".into());
        let silence = self.server.db().silence;
        if let Some(Silence { does, .. }) = silence {
            self.broken = true;
            let mut db = self.server.db();
            db.silence = Some(Silence { does, begun: true });
            if does {
                let now_ms = self.server.clock.now_ms();
                let entry = Entry::of(batch, now_ms, connection, number, db.history);
                db.record(entry, true);
            } else {
                db.last.insert(connection, (number, false));
            }
            return Err(if on(Mutant::SilenceIsFailed) {
                Fault::NotDone("no answer".into())
            } else {
                Fault::Unknown("the database did not answer in time".into())
            });
        }
        if chaos.strikes(Strike::CommitLost) {
            self.broken = true;
            self.server.db().last.insert(connection, (number, false));
            return Err(lost());
        }
        // Time may have passed since it was decided.
        let exact = !chaos.has(Strike::ClockInStep);
        if chaos.strikes(Strike::CommitLate) {
            self.broken = true;
            let (orders, mut events) = self.server.db().touched(batch.changes);
            events.extend(locked);
            let undecided = Undecided {
                tried_ms: self.server.clock.now_ms(),
                exact,
                connection,
                number,
                changes: batch.changes.to_vec(),
                recorded: batch.recorded.to_vec(),
                records: batch.records.to_vec(),
                orders,
                events,
                will_be_done: chaos.between(Strike::CommitLate, 0, 2) > 0,
                at_ms: batch.now_ms + chaos.between(Strike::CommitLate, 1, 60_000),
            };
            self.server.db().undecided.push(undecided);
            return Err(lost());
        }
        let now_ms = self.server.clock.now_ms();
        let mut db = self.server.db();
        let entry = Entry::of(batch, now_ms, connection, number, db.history);
        db.record(entry, exact);
        let history = db.history.number;
        drop(db);
        if chaos.strikes(Strike::CommitAnswerLost) {
            self.broken = true;
            return Err(lost());
        }
        self.history.learn(history, connection as i64, number as i64, now_ms);
        Ok(())
    }

    fn release(&mut self) {
        self.loaded = None;
    }

    fn last_version(&self) -> Option<(i64, i64)> {
        let done = self.server.db().done.get(&self.connection).copied().unwrap_or(0);
        Some((self.connection as i64, done as i64))
    }

    fn next_batch(&self) -> (i64, i64) {
        (self.connection as i64, self.tried as i64 + 1)
    }

    fn recover(&mut self) -> Result<bool, Fault> {
        if self.server.chaos.strikes(Strike::ReadFails) {
            return Err(Fault::NotDone("the database cannot be reached".into()));
        }
        let now = self.server.clock.now_ms();
        let (connection, tried) = (self.connection, self.tried);
        let mut db = self.server.db();
        db.answers()?;
        // Writing the same key again waits until the first is decided.
        db.decide_if(now, |u| u.connection == connection);
        let recorded = db.last.get(&connection) == Some(&(tried, true));
        let known = self.history.remembered();
        let mark: Vec<(i64, i64)> = db.done.iter().map(|(c, n)| (*c as i64, *n as i64)).collect();
        match known.compare(db.history, &mark) {
            Course::Accepted => {
                self.history.learn_all(db.history, &[], now);
                db.connections += 1;
                (self.connection, self.tried) = (db.connections, 0);
            }
            Course::WentBack(why) => db.stop(known.number(), now, why),
            Course::Same => self.history.learn_all(db.history, &mark, now),
        }
        self.era = db.era;
        drop(db);
        self.broken = false;
        Ok(recorded)
    }
}

/// Reads what is committed.
pub struct SharedReader {
    server: Server,
    trouble: bool,
    /// What its process remembers, if it is one's.
    history: Option<History>,
}

impl SharedReader {
    fn db(&self) -> Result<MutexGuard<'_, Db>, Fault> {
        if self.trouble && self.server.chaos.strikes(Strike::ReadFails) {
            return Err(Fault::NotDone("the database does not answer".into()));
        }
        let db = self.server.db();
        if self.trouble {
            db.answers()?;
        }
        Ok(db)
    }
}

fn page(orders: Vec<Order>, limit: usize) -> OrderPage {
    let next = if orders.len() == limit { orders.last().map(|o| o.id) } else { None };
    OrderPage { orders, changed_ms: Vec::new(), next }
}

impl Tables for SharedReader {
    fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        self.db()?.tables()?.query(sql, values)
    }

    /// Refused, as a connection that may only read refuses it.
    fn execute(&mut self, _: &'static str, _: &[Value]) -> Result<(), Fault> {
        Err(Fault::NotDone("cannot write in a transaction that only reads (25006)".into()))
    }
}

impl Reader for SharedReader {
    fn tables(&mut self) -> &mut dyn Tables {
        self
    }

    fn versions(&mut self) -> Result<Option<VersionVector>, Fault> {
        let at_ms = self.server.now_ms();
        let known = self.history.as_ref().map(History::remembered).unwrap_or_default();
        let mut db = self.db()?;
        let mark: Vec<(i64, i64)> =
            db.done.iter().map(|(connection, n)| (*connection as i64, *n as i64)).collect();
        let course = known.compare(db.history, &mark);
        match &course {
            Course::WentBack(why) => db.stop(known.number(), at_ms, why.clone()),
            _ => {
                if let Some(history) = &self.history {
                    history.learn_all(db.history, &mark, at_ms);
                }
            }
        }
        let stopped = db.went_back.as_ref().map(|stop| history::told(&stop.why));
        let went_back = matches!(course, Course::WentBack(_));
        let history = db.history.number;
        let (on_standby, is_standby) = (None, false);
        Ok(Some(VersionVector { at_ms, mark, history, went_back, stopped, on_standby, is_standby }))
    }

    /// Nobody asks: the auditor looks at everything after each step.
    fn verify(&mut self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }

    fn events(&mut self) -> Result<Vec<Event>, Fault> {
        Ok(self.db()?.state.events.values().cloned().collect())
    }

    fn order(&mut self, id: OrderId) -> Result<Option<Order>, Fault> {
        Ok(self.db()?.state.orders.get(&id).cloned())
    }

    fn orders(
        &mut self,
        event: EventId,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<OrderPage, Fault> {
        let db = self.db()?;
        let orders = db.state.orders.values().filter(|o| o.event == event);
        Ok(page(orders.filter(|o| Some(o.id) > after).take(limit).cloned().collect(), limit))
    }

    fn all_orders(&mut self, after: Option<OrderId>, limit: usize) -> Result<OrderPage, Fault> {
        let db = self.db()?;
        let orders = db.state.orders.values().filter(|o| Some(o.id) > after);
        Ok(page(orders.take(limit).cloned().collect(), limit))
    }

    fn listed(
        &mut self,
        listing: &Listing,
        fits: &dyn Fn(&Order) -> bool,
    ) -> Result<OrderPage, Fault> {
        let db = self.db()?;
        let changed = |o: &Order| db.changed.get(&o.id).copied().unwrap_or(0);
        let asked = |o: &&Order| listing.fits(o, changed(o)) && fits(o);
        let orders: Vec<Order> = match listing.newest_first {
            true => {
                db.state.orders.values().rev().filter(asked).take(listing.limit).cloned().collect()
            }
            false => db.state.orders.values().filter(asked).take(listing.limit).cloned().collect(),
        };
        let last_ms = |o: &Order| changed(o).max(o.placed_ms);
        let changed_ms = orders.iter().map(last_ms).collect();
        Ok(OrderPage { changed_ms, ..page(orders, listing.limit) })
    }

    fn owners(&mut self, after: Option<OrderId>, limit: usize) -> Result<OwnerPage, Fault> {
        let db = self.db()?;
        let orders = db.state.orders.values().filter(|o| Some(o.id) > after).take(limit);
        let owner = |o: &Order| Owner { order: o.id, event: o.event, buyer: o.buyer.key };
        let owners: Vec<Owner> = orders.map(owner).collect();
        let next = owners.last().map(|o| o.order).filter(|_| owners.len() == limit);
        Ok(OwnerPage { owners, next })
    }

    /// By its own clock, whatever the process believes.
    fn due(&mut self, _: TimeMs, lane: Lane, limit: usize) -> Result<Vec<OrderId>, Fault> {
        let now = self.server.now_ms();
        let db = self.db()?;
        let of_lane =
            |o: &&Order| (lane == Lane::Holds) == (o.state == boxoffice::OrderState::Held);
        let due = db.state.orders.values().filter(of_lane);
        let mut due: Vec<_> =
            due.filter_map(|o| Some((o.due_ms.filter(|due| *due <= now)?, o.id))).collect();
        due.sort_unstable();
        Ok(due.into_iter().take(limit).map(|(_, id)| id).collect())
    }

    fn tickets(
        &mut self,
        event: EventId,
        after: u32,
        limit: usize,
    ) -> Result<Vec<NamedTicket>, Fault> {
        let db = self.db()?;
        let orders = db.state.orders.values().filter(|o| o.event == event);
        let tickets = orders.flat_map(|o| {
            let name = |t: &Ticket| t.guest.clone().unwrap_or_else(|| o.buyer.name.clone());
            let first = o.tickets.iter().map(|t| t.serial).min().unwrap_or(0);
            let named =
                move |t: &Ticket| NamedTicket::of(t.clone(), name(t), first, o.answers.clone());
            o.tickets.iter().map(named)
        });
        let mut tickets: Vec<_> = tickets.filter(|t| t.ticket.serial > after).collect();
        tickets.sort_unstable_by_key(|t| t.ticket.serial);
        tickets.truncate(limit);
        Ok(tickets)
    }

    fn references(&mut self, event: EventId, prefix: &str) -> Result<Vec<String>, Fault> {
        let db = self.db()?;
        let noted = db.state.orders.values().filter(|o| o.event == event).map(|o| &o.reference);
        Ok(noted.filter(|r| !r.is_empty() && r.starts_with(prefix)).cloned().collect())
    }

    fn order_of_ticket(&mut self, event: EventId, serial: u32) -> Result<Option<OrderId>, Fault> {
        let db = self.db()?;
        let mut orders = db.state.orders.values().filter(|o| o.event == event);
        let has = |o: &&Order| o.tickets.iter().any(|t| t.serial == serial);
        Ok(orders.find(has).map(|o| o.id))
    }
}
