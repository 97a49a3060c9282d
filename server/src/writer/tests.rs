//! Stories of the writer on a store that fails: what callers hear, and what is true then.

mod told;

use super::*;
use crate::clock::Clock;
use crate::store::sqlite::SqliteStore;
use crate::store::{Loaded, Reader};
use boxoffice::{Buyer, BuyerKey, EventSpec, LineWish, OrderState};
use nts_testkit::fixtures::event_spec;
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
    /// Another process was faster.
    Conflict,
}

/// Something that happens while a commit is tried.
type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// The real store, whose commits go wrong by plan.
struct Failing {
    store: SqliteStore,
    plan: Arc<Mutex<VecDeque<Option<Trouble>>>>,
    /// What became of the last commit, if the store itself was not asked.
    recorded: Option<bool>,
    recoveries: Arc<Mutex<VecDeque<bool>>>,
    /// No batch with this order is recorded.
    poison: Arc<Mutex<Option<OrderId>>>,
    /// Happens at the next commit, once.
    meanwhile: Meanwhile,
    /// How often it was told that nothing of what was loaded changes.
    released: Arc<Mutex<u32>>,
}

impl Store for Failing {
    fn load(&mut self, keys: &Keys, requests: &[RequestKey]) -> Result<Loaded, Fault> {
        self.store.load(keys, requests)
    }

    fn load_door(&mut self, keys: &DoorKeys) -> Result<DoorState, Fault> {
        self.store.load_door(keys)
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        if let Some(happens) = self.meanwhile.lock().unwrap().take() {
            happens();
        }
        let trouble = self.plan.lock().unwrap().pop_front().flatten();
        self.recorded = None;
        let poison = *self.poison.lock().unwrap();
        if poison.is_some_and(|order| batch.orders.contains_key(&order)) {
            return Err(Fault::NotDone("a rule of the schema forbids it".into()));
        }
        match trouble {
            None => self.store.commit(batch),
            Some(Trouble::Conflict) => Err(Fault::Conflict("another was faster (40001)".into())),
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

    fn release(&mut self) {
        *self.released.lock().unwrap() += 1;
    }

    fn last_version(&self) -> Option<(i64, i64)> {
        Some((7, 1))
    }

    fn next_batch(&self) -> (i64, i64) {
        self.store.next_batch()
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
    poison: Arc<Mutex<Option<OrderId>>>,
    meanwhile: Meanwhile,
    released: Arc<Mutex<u32>>,
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
    world_of(name, 3)
}

fn world_of(name: &str, capacity: u32) -> World {
    let dir = std::env::temp_dir().join(format!("nts-writer-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("nts.db");
    let store = SqliteStore::open(&path, Clock::System).unwrap().store;
    let reader = Box::new(SqliteStore::reader(&path).unwrap());
    let (plan, recoveries, poison) = (Arc::default(), Arc::default(), Arc::default());
    let (meanwhile, released) = (Meanwhile::default(), Arc::default());
    let failing = Failing {
        store,
        plan: Arc::clone(&plan),
        recorded: None,
        recoveries: Arc::clone(&recoveries),
        poison: Arc::clone(&poison),
        meanwhile: Arc::clone(&meanwhile),
        released: Arc::clone(&released),
    };
    let mut writer = Writer::new(Box::new(failing), Arc::new(Metrics::default()));
    let event = EventId(1);
    let spec = event_spec("rock", capacity);
    let made = ask(&mut writer, vec![(Command::PutEvent { id: event, spec }, None)]);
    assert!(made[0].is_ok());
    World { writer, plan, recoveries, poison, meanwhile, released, reader, dir, event }
}

fn ask(writer: &mut Writer, commands: Vec<(Command, Option<IdempotencyKey>)>) -> Vec<Answer> {
    step(writer, commands).0
}

/// What each command is answered, in their order, and what else the batch tells.
fn step(
    writer: &mut Writer,
    commands: Vec<(Command, Option<IdempotencyKey>)>,
) -> (Vec<Answer>, Committed) {
    let (jobs, answers): (Vec<Job>, Vec<_>) = commands
        .into_iter()
        .map(|(command, request)| Job::new(command, request, Duration::from_secs(60)))
        .unzip();
    let mut committed = writer.step(jobs);
    for (caller, answer) in committed.answers.drain(..) {
        caller.send(answer).unwrap();
    }
    let answers = answers.into_iter().map(|mut answer| answer.try_recv().unwrap());
    (answers.collect(), committed)
}

impl World {
    fn hold(&self, n: u128) -> Command {
        let buyer = Buyer {
            name: format!("b{n}"),
            email: String::new(),
            key: BuyerKey(n),
            language: boxoffice::Language::EN,
        };
        let lines = vec![LineWish { ticket_type: "t".into(), quantity: 1 }];
        Command::Hold {
            order: id(n),
            event: self.event,
            buyer,
            untagged: None,
            lines,
            terms: boxoffice::Terms::default(),
            metadata: boxoffice::Metadata::default(),
            most_ms: None,
        }
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

fn request(n: u128) -> IdempotencyKey {
    IdempotencyKey { key: RequestKey(n), fingerprint: n as u64 }
}

#[test]
fn a_batch_is_decided_one_by_one_and_the_last_place_goes_once() {
    let mut w = world("batch");
    let answers = w.ask(&[1, 2, 3, 4, 1]);
    assert!(answers[..3].iter().all(Result::is_ok));
    assert!(matches!(answers[3], Err(CommandError::Refused(Refusal::SoldOut { left: 0, .. }))));
    let again = answers[4].as_ref().unwrap();
    assert!(again.again, "the same key in the same batch is the same order");
    assert_eq!(w.held(), (3, 3));
    let reused = IdempotencyKey { fingerprint: 99, ..request(1) };
    let other = w.hold(9);
    let answers = ask(&mut w.writer, vec![(other, Some(reused))]);
    assert_eq!(answers[0], Err(CommandError::KeyReused));
}

#[test]
fn a_commit_that_is_refused_leaves_nothing_and_is_said() {
    let mut w = world("full");
    // Both together, and each by itself.
    w.plan.lock().unwrap().extend([Some(Trouble::NotDone); 3]);
    assert_eq!(
        w.ask(&[1, 2]),
        vec![Err(CommandError::Unavailable), Err(CommandError::Unavailable)]
    );
    assert_eq!(w.held(), (0, 0));
    assert!(w.ask(&[1])[0].as_ref().is_ok_and(|r| !r.again), "the same key may be tried again");
    assert_eq!(w.held(), (1, 1));
}

/// Where the store refuses everything, it is asked for each half once, and no further.
#[test]
fn a_store_that_refuses_all_is_not_asked_for_each_command() {
    let mut w = world("refuses-all");
    w.plan.lock().unwrap().extend([Some(Trouble::NotDone); 9]);
    assert_eq!(w.ask(&[1, 2, 3, 4, 5, 6, 7, 8]), vec![Err(CommandError::Unavailable); 8]);
    assert_eq!(w.plan.lock().unwrap().len(), 6);
}

#[test]
fn a_disk_that_is_full_raises_one_alarm_until_it_is_well_again() {
    let mut w = world("alarm");
    let counted =
        |w: &World| (w.writer.metrics.failed_batches.get(), w.writer.metrics.alarms.get());
    for failed in 1..=3 {
        w.plan.lock().unwrap().extend([Some(Trouble::NotDone)]);
        assert_eq!(w.ask(&[1]), [Err(CommandError::Unavailable)]);
        assert_eq!(counted(&w), (failed, 1));
    }
    assert!(w.ask(&[1])[0].is_ok());
    assert_eq!(counted(&w), (3, 1));
    w.plan.lock().unwrap().extend([Some(Trouble::NotDone)]);
    assert_eq!(w.ask(&[2]), [Err(CommandError::Unavailable)]);
    assert_eq!(counted(&w), (4, 2), "it fails again, which is another alarm");
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
    assert_eq!(w.ask(&[1]), vec![Err(CommandError::InDoubt)]);
    assert!(!w.writer.healthy());
    // It is still away: even a refusal is not said, for it would be read from what is in doubt.
    w.recoveries.lock().unwrap().push_back(false);
    assert_eq!(w.ask(&[2, 2]), vec![Err(CommandError::Unavailable); 2]);
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
    let job = |w: &World, n| Job::new(w.hold(n), Some(request(n)), Duration::from_secs(60));
    let (first, _hear) = job(&w, 1);
    let committed = w.writer.step(vec![first]);
    assert!(committed.uncertain_since.is_some() && committed.events.is_empty());
    // Whatever is asked next, a refusal even, the event's counts are told with it.
    let (again, _hear) = job(&w, 1);
    let committed = w.writer.step(vec![again]);
    assert!(committed.uncertain_since.is_none());
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
        actor: Actor::Buyer,
        asked: w.hold(n).into(),
        request: None,
        reason: None,
        deadline,
        queued: now,
        answer: Caller::Command(answer),
    };
    let jobs = vec![job(1, deadline, gone), job(2, now, late)];
    let committed = w.writer.step(jobs);
    let answers: Vec<Answer> = committed.answers.into_iter().map(|(_, a)| a).collect();
    assert_eq!(answers, vec![Err(CommandError::Late)]);
    assert_eq!(w.held(), (0, 0), "no ghost");
}

/// A batch is tried in parts: its halves if it was refused, and what stands behind a change of an event.
#[test]
fn who_leaves_while_another_part_of_the_batch_is_tried_is_left_out() {
    for behind_an_event in [false, true] {
        let mut w = world(&format!("left-{behind_an_event}"));
        let job = |command| Job::new(command, None, Duration::from_secs(60));
        let first = if behind_an_event {
            let event = w.reader.events().unwrap().remove(0);
            let spec = EventSpec { name: "Rock again".into(), ..event.spec };
            Command::PutEvent { id: event.id, spec }
        } else {
            // It cannot be recorded, so each half is tried by itself.
            *w.poison.lock().unwrap() = Some(id(1));
            w.hold(1)
        };
        let (first, _hear) = job(first);
        let (stays, mut hear_stays) = job(w.hold(2));
        let (leaves, hear_leaves) = job(w.hold(3));
        *w.meanwhile.lock().unwrap() = Some(Box::new(move || drop(hear_leaves)));
        let committed = w.writer.step(vec![first, stays, leaves]);
        for (caller, answer) in committed.answers {
            _ = caller.send(answer);
        }
        assert!(hear_stays.try_recv().unwrap().is_ok());
        assert_eq!(w.held(), (1, 1), "no ghost; behind an event: {behind_an_event}");
    }
}

/// Three ask, and some of them leave while the commit is tried that decides for all: who stays is
/// answered with what became of their own order, and nothing is held for who has gone, unless that
/// commit was done.
#[test]
fn who_leaves_while_a_commit_is_tried_again_changes_nothing_for_the_others() {
    let troubles =
        [Trouble::Conflict, Trouble::NotDoneUnknown, Trouble::DoneUnknown, Trouble::NotDone];
    let cases = troubles.into_iter().flat_map(|trouble| (0..8u32).map(move |who| (trouble, who)));
    for (trouble, who) in cases {
        let leaves = |n: usize| who & 1 << n != 0;
        let mut w = world_of(&format!("leaves-{trouble:?}-{who}"), 50);
        let (mut stay, mut leave, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..3usize {
            let (job, hear) = Job::new(w.hold(n as u128 + 1), None, Duration::from_secs(60));
            jobs.push(job);
            if leaves(n) { leave.push(hear) } else { stay.push((n as u128 + 1, hear)) }
        }
        w.plan.lock().unwrap().push_back(Some(trouble));
        *w.meanwhile.lock().unwrap() = Some(Box::new(move || drop(leave)));
        let committed = w.writer.step(jobs);
        assert_eq!(committed.answers.len(), 3, "{trouble:?} {who}");
        for (caller, answer) in committed.answers {
            _ = caller.send(answer);
        }
        let staying = stay.len();
        for (n, mut hear) in stay {
            let replied = hear.try_recv().unwrap().unwrap();
            assert!(matches!(replied.reply, Reply::Held { order, .. } if order == id(n)));
            assert_eq!(replied.order.unwrap().id, id(n), "{trouble:?} {who}");
        }
        let held = if matches!(trouble, Trouble::DoneUnknown) { 3 } else { staying };
        assert_eq!(w.held(), (held as u32, held), "{trouble:?} {who}");
    }
}

#[test]
fn a_yes_that_changed_nothing_is_not_kept() {
    let mut w = world("nothing");
    w.ask(&[1]);
    let cancel = |n| (Command::Cancel { order: id(1) }, Some(request(n)));
    let answers = ask(&mut w.writer, (10..30).map(cancel).collect());
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(w.held(), (0, 0));
    let commits = w.writer.metrics.commits.get();
    for n in 30..50 {
        assert!(ask(&mut w.writer, vec![cancel(n)])[0].is_ok());
    }
    assert_eq!(w.writer.metrics.commits.get(), commits, "nothing was written");
    let keys: Vec<RequestKey> = (1..50).map(RequestKey).collect();
    let kept = w.writer.store.load(&Keys::default(), &keys).unwrap().recorded;
    assert_eq!(kept.into_keys().collect::<Vec<_>>(), [RequestKey(1), RequestKey(10)]);
    // The one that did something is answered as it was, and its key is taken.
    assert!(ask(&mut w.writer, vec![cancel(10)])[0].as_ref().unwrap().again);
    let other = (w.hold(2), Some(IdempotencyKey { fingerprint: 9, ..request(10) }));
    assert_eq!(ask(&mut w.writer, vec![other])[0], Err(CommandError::KeyReused));
    // What an organiser asked for is kept: a delayed copy must not undo what came after it.
    let event = w.reader.events().unwrap().remove(0);
    let put = Command::PutEvent { id: event.id, spec: event.spec };
    assert!(ask(&mut w.writer, vec![(put, Some(request(60)))])[0].is_ok());
    let kept = w.writer.store.load(&Keys::default(), &[RequestKey(60)]).unwrap().recorded;
    assert_eq!(kept.len(), 1);
}

#[tokio::test]
async fn a_flood_of_wishes_leaves_room_for_what_the_provider_has_answered() {
    let metrics = Arc::new(Metrics::default());
    let (queue, mut jobs) = Queue::new(3, Duration::from_millis(50), Arc::clone(&metrics));
    let wish = || Command::Cancel { order: id(1) };
    let step = || Command::Defer { order: id(1), trouble: "no answer".into(), wait_ms: None };
    let ask = |command| {
        let queue = queue.clone();
        crate::tasks::spawn(async move { _ = queue.ask(command, None).await })
    };
    let waiting: Vec<_> = (0..3).map(|_| ask(wish())).collect();
    while queue.depth() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(queue.ask(wish(), None).await, Err(CommandError::Busy));
    let steps: Vec<_> = (0..2_000).map(|_| ask(step())).collect();
    while queue.depth() < 2_003 {
        tokio::task::yield_now().await;
    }
    assert_eq!(queue.ask(wish(), None).await, Err(CommandError::Busy));
    // A step waits for longer than any caller would.
    let mut batch = Vec::new();
    jobs.recv_many(&mut batch, 2_003).await;
    let (wishes, own): (Vec<_>, Vec<_>) =
        batch.iter().partition(|job| !job.asked.command().is_some_and(is_own));
    assert_eq!((wishes.len(), own.len()), (3, 2_000));
    assert!(wishes.iter().all(|job| job.deadline == job.queued + Duration::from_millis(50)));
    assert!(own.iter().all(|job| job.deadline == job.queued + OWN_PATIENCE));
    drop((batch, waiting, steps));
    assert_eq!(metrics.requests_shed.get(), 2);
}

#[test]
fn one_command_that_cannot_be_recorded_does_not_fail_the_others() {
    let mut world = world_of("poison", 50);
    for poison in [1, 13, 20] {
        *world.poison.lock().unwrap() = Some(id(100 * poison + 7));
        let holds: Vec<u128> = (0..16).map(|n| 100 * poison + n).collect();
        let commands = holds.iter().map(|n| (world.hold(*n), Some(request(*n)))).collect();
        let (answers, told) = step(&mut world.writer, commands);
        // Whatever was tried in which order, the last that is told is how it is.
        assert_eq!(told.events.last(), world.reader.events().unwrap().last());
        for (n, answer) in holds.iter().zip(&answers) {
            match n % 100 {
                7 => assert_eq!(*answer, Err(CommandError::Unavailable)),
                _ => assert!(answer.is_ok(), "{n}: {answer:?}"),
            }
        }
    }
    assert_eq!(world.held(), (45, 45));
    // A full disk is nobody's fault: two more tries, and all hear it.
    let tries = [Some(Trouble::NotDone); 3].into_iter().chain([None; 10]);
    world.plan.lock().unwrap().extend(tries);
    *world.poison.lock().unwrap() = None;
    let answers = world.ask(&[1, 2, 3, 4]);
    assert_eq!(answers, vec![Err(CommandError::Unavailable); 4]);
    assert_eq!(world.plan.lock().unwrap().len(), 10, "nothing more was tried");
    assert_eq!(world.held(), (45, 45));
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
        Err(CommandError::Refused(Refusal::LimitPerBuyer { limit: 1, has: 1, .. }))
    ));
    assert_eq!(w.held(), (2, 2));
}
