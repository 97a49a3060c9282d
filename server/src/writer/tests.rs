//! Stories of the writer on a store that fails: what callers hear, and what is true then.

use super::*;
use crate::clock::Clock;
use crate::store::sqlite::SqliteStore;
use crate::store::{Loaded, Reader};
use boxoffice::{
    Buyer, BuyerKey, Currency, EventSpec, LineWish, OrderState, PoolSpec, TicketTypeSpec,
};
use std::collections::VecDeque;
use std::sync::Mutex;

/// What goes wrong at a commit.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// It is refused: a full disk.
    NotDone,
    /// It happened, and nobody was told.
    DoneUnknown,
    /// It did not happen, and nobody was told.
    NotDoneUnknown,
}

/// The real store, whose commits go wrong by plan.
struct Failing {
    store: SqliteStore,
    plan: Arc<Mutex<VecDeque<Option<Trouble>>>>,
    /// What became of the last commit, if the store itself was not asked.
    recorded: Option<bool>,
    recoveries: Arc<Mutex<VecDeque<bool>>>,
}

impl Store for Failing {
    fn load(&mut self, keys: &Keys, requests: &[RequestKey]) -> Result<Loaded, Fault> {
        self.store.load(keys, requests)
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let trouble = self.plan.lock().unwrap().pop_front().flatten();
        self.recorded = None;
        match trouble {
            None => self.store.commit(batch),
            Some(Trouble::NotDone) => Err(Fault::NotDone("the disk is full".into())),
            Some(Trouble::DoneUnknown) => {
                self.store.commit(batch)?;
                self.recorded = Some(true);
                Err(Fault::Unknown("the answer is lost".into()))
            }
            Some(Trouble::NotDoneUnknown) => {
                self.recorded = Some(false);
                Err(Fault::Unknown("the answer is lost".into()))
            }
        }
    }

    fn recover(&mut self) -> Result<bool, Fault> {
        if self.recoveries.lock().unwrap().pop_front() == Some(false) {
            return Err(Fault::NotDone("the disk is still away".into()));
        }
        let recorded = self.store.recover()?;
        Ok(self.recorded.take().unwrap_or(recorded))
    }
}

struct World {
    writer: Writer,
    plan: Arc<Mutex<VecDeque<Option<Trouble>>>>,
    recoveries: Arc<Mutex<VecDeque<bool>>>,
    reader: Box<dyn Reader>,
    dir: std::path::PathBuf,
    event: EventId,
}

impl Drop for World {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn world(name: &str) -> World {
    let dir = std::env::temp_dir().join(format!("nts-writer-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("nts.db");
    let store = SqliteStore::open(&path, Clock::System).unwrap().store;
    let reader = Box::new(SqliteStore::reader(&path).unwrap());
    let (plan, recoveries) = (Arc::default(), Arc::default());
    let failing = Failing {
        store,
        plan: Arc::clone(&plan),
        recorded: None,
        recoveries: Arc::clone(&recoveries),
    };
    let mut writer = Writer::new(Box::new(failing), Arc::new(Metrics::default()));
    let event = EventId(1);
    let spec = EventSpec {
        slug: "rock".into(),
        name: "Rock".into(),
        place: String::new(),
        starts_ms: 0,
        zone: "UTC".into(),
        currency: Currency::parse("GBP").unwrap(),
        limit_per_order: 10,
        limit_per_buyer: None,
        ignore_email_tags: false,
        hold_ms: 300_000,
        sale_opens_ms: None,
        sale_closes_ms: None,
        pools: vec![PoolSpec { name: "all".into(), capacity: 3 }],
        ticket_types: vec![TicketTypeSpec {
            id: "t".into(),
            name: "T".into(),
            pool: "all".into(),
            price_minor: 100,
        }],
    };
    let made = ask(&mut writer, vec![(Command::PutEvent { id: event, spec }, None)]);
    assert!(made[0].is_ok());
    World { writer, plan, recoveries, reader, dir, event }
}

fn ask(writer: &mut Writer, commands: Vec<(Command, Option<Request>)>) -> Vec<Answer> {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(60);
    let (jobs, _kept): (Vec<Job>, Vec<_>) = commands
        .into_iter()
        .map(|(command, request)| {
            let (answer, hear) = oneshot::channel();
            (Job { command, request, deadline, queued: now, answer }, hear)
        })
        .unzip();
    writer.step(jobs).answers.into_iter().map(|(_, answer)| answer).collect()
}

impl World {
    fn hold(&self, n: u128) -> Command {
        let buyer = Buyer { name: format!("b{n}"), email: String::new(), key: BuyerKey(n) };
        let lines = vec![LineWish { ticket_type: "t".into(), quantity: 1 }];
        Command::Hold { order: id(n), event: self.event, buyer, untagged: None, lines }
    }

    fn ask(&mut self, holds: &[u128]) -> Vec<Answer> {
        let commands = holds.iter().map(|n| (self.hold(*n), Some(request(*n)))).collect();
        ask(&mut self.writer, commands)
    }

    /// The held places by the counter and by the orders.
    fn held(&mut self) -> (u32, usize) {
        let event = self.reader.events().unwrap().remove(0);
        let orders = self.reader.orders(self.event, None, 100).unwrap().orders;
        let held = orders.iter().filter(|o| o.state == OrderState::Held).count();
        (event.pools[0].held, held)
    }
}

fn id(n: u128) -> OrderId {
    OrderId((n + 5) << 64 | n)
}

fn request(n: u128) -> Request {
    Request { key: RequestKey(n), fingerprint: n as u64 }
}

#[test]
fn a_batch_is_decided_one_by_one_and_the_last_place_goes_once() {
    let mut w = world("batch");
    let answers = w.ask(&[1, 2, 3, 4, 1]);
    assert!(answers[..3].iter().all(Result::is_ok));
    assert!(matches!(answers[3], Err(NoReply::Refused(Refusal::SoldOut { left: 0, .. }))));
    let again = answers[4].as_ref().unwrap();
    assert!(again.again, "the same key in the same batch is the same order");
    assert_eq!(w.held(), (3, 3));
    let reused = Request { fingerprint: 99, ..request(1) };
    let other = w.hold(9);
    let answers = ask(&mut w.writer, vec![(other, Some(reused))]);
    assert_eq!(answers[0], Err(NoReply::KeyReused));
}

#[test]
fn a_commit_that_is_refused_leaves_nothing_and_is_said() {
    let mut w = world("full");
    w.plan.lock().unwrap().push_back(Some(Trouble::NotDone));
    assert_eq!(w.ask(&[1, 2]), vec![Err(NoReply::Unavailable), Err(NoReply::Unavailable)]);
    assert_eq!(w.held(), (0, 0));
    assert!(w.ask(&[1])[0].as_ref().is_ok_and(|r| !r.again), "the same key may be tried again");
    assert_eq!(w.held(), (1, 1));
}

#[test]
fn an_unknown_commit_is_found_out_and_done_once() {
    for trouble in [Trouble::DoneUnknown, Trouble::NotDoneUnknown] {
        let mut w = world(&format!("{trouble:?}"));
        w.plan.lock().unwrap().push_back(Some(trouble));
        let answers = w.ask(&[1, 2, 3, 4]);
        assert!(answers[..3].iter().all(Result::is_ok), "{trouble:?}: {answers:?}");
        assert!(answers[3].is_err());
        assert_eq!(w.held(), (3, 3), "{trouble:?}");
    }
}

#[test]
fn while_it_cannot_be_found_out_nobody_hears_yes_or_no_of_it() {
    let mut w = world("doubt");
    w.plan.lock().unwrap().push_back(Some(Trouble::DoneUnknown));
    w.recoveries.lock().unwrap().extend([false, false, false, false]);
    assert_eq!(w.ask(&[1]), vec![Err(NoReply::InDoubt)]);
    assert!(!w.writer.healthy());
    // It is still away: even a refusal is not said, for it would be read from what is in doubt.
    w.recoveries.lock().unwrap().push_back(false);
    assert_eq!(w.ask(&[2, 2]), vec![Err(NoReply::Unavailable); 2]);
    w.recoveries.lock().unwrap().clear();
    // It is back: the same key gets the answer that was recorded.
    let answer = w.ask(&[1]).remove(0).unwrap();
    assert!(answer.again && w.writer.healthy());
    assert_eq!(w.held(), (1, 1));
}

/// Found by the simulation: the counts stayed as they were before a batch of unknown outcome until
/// the next batch that happened to change the same event.
#[test]
fn counts_are_in_doubt_with_their_batch_and_told_anew_after_it() {
    let mut w = world("counts");
    w.plan.lock().unwrap().push_back(Some(Trouble::DoneUnknown));
    w.recoveries.lock().unwrap().extend([false, false, false]);
    let job = |w: &World, n| {
        let (answer, hear) = oneshot::channel();
        let now = Instant::now();
        let deadline = now + Duration::from_secs(60);
        (Job { command: w.hold(n), request: Some(request(n)), deadline, queued: now, answer }, hear)
    };
    let (first, _hear) = job(&w, 1);
    let committed = w.writer.step(vec![first]);
    assert!(committed.doubt.is_some() && committed.events.is_empty());
    // Whatever is asked next, a refusal even, the event's counts are told with it.
    let (again, _hear) = job(&w, 1);
    let committed = w.writer.step(vec![again]);
    assert!(committed.doubt.is_none());
    assert_eq!(committed.events.len(), 1);
    assert_eq!(committed.events[0].pools[0].held, 1);
    let (again, _hear) = job(&w, 1);
    assert!(w.writer.step(vec![again]).events.is_empty(), "and once");
}

#[test]
fn who_has_gone_or_is_late_is_dropped_before_anything_is_decided() {
    let mut w = world("ghost");
    let now = Instant::now();
    let (gone, hear_gone) = oneshot::channel();
    let (late, _hear) = oneshot::channel();
    drop(hear_gone);
    let deadline = now + Duration::from_secs(60);
    let job = |n, deadline, answer| Job {
        command: w.hold(n),
        request: None,
        deadline,
        queued: now,
        answer,
    };
    let jobs = vec![job(1, deadline, gone), job(2, now, late)];
    let committed = w.writer.step(jobs);
    let answers: Vec<Answer> = committed.answers.into_iter().map(|(_, a)| a).collect();
    assert_eq!(answers, vec![Err(NoReply::Late)]);
    assert_eq!(w.held(), (0, 0), "no ghost");
}

/// What is loaded for a hold depends on its event as it is, so what stands behind a change of the event
/// in the queue is loaded after it.
#[test]
fn what_stands_behind_a_limit_in_the_queue_is_counted_by_it() {
    let mut w = world("behind");
    let event = w.reader.events().unwrap().remove(0);
    let by = |w: &World, n: u128, buyer: u128| {
        let mut hold = w.hold(n);
        if let Command::Hold { buyer: who, .. } = &mut hold {
            who.key = BuyerKey(buyer);
        }
        (hold, None)
    };
    let limit = |limit_per_buyer| {
        let spec = EventSpec { limit_per_buyer, ..event.spec.clone() };
        (Command::PutEvent { id: EventId(9), spec }, None)
    };
    let batch = vec![by(&w, 1, 7), limit(Some(1)), by(&w, 2, 7), limit(None), by(&w, 3, 7)];
    let answers = ask(&mut w.writer, batch);
    let ok: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(ok, [true, true, false, true, true], "{answers:?}");
    assert!(matches!(
        answers[2],
        Err(NoReply::Refused(Refusal::LimitPerBuyer { limit: 1, has: 1, .. }))
    ));
    assert_eq!(w.held(), (2, 2));
}
