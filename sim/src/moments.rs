//! What happens in the middle of a step of the writer: another process commits, time passes, who
//! asked hangs up. A step runs through without a pause of the runtime, so all of this is done from
//! within its store.
//!
//! It also looks at what the writer does with its store and its callers: a batch is decided as of
//! its last load, nobody is answered with what became of another order, and nothing is held for who
//! had gone before it was decided.

use crate::auditor::Asked;
use crate::chaos::Chaos;
use crate::machine::{Backend, Machine, look};
use crate::plan::Fault as Strike;
use crate::trace::Promise;
use crate::world::World;
use boxoffice::door::{DoorKeys, DoorState};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{Change, Command, EventSpec, Keys, OrderId, Reply, TimeMs};
use nts_server::store::{Batch, Fault, Loaded, RequestKey, Store};
use nts_server::writer::{self, Answer, CommandOutcome, Committed, Job, Writer};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::oneshot::{self, Receiver, Sender};

/// The longest time that passes in the middle of a step so that a deadline lies in it, in
/// milliseconds.
const DEADLINE_MS: i64 = 10_000;

/// What a process has in hand while its commit takes its time. Another process's step may do it
/// meanwhile.
pub struct InHand {
    /// The writer of the process.
    pub writer: Writer,
    /// What it will do next.
    pub jobs: Vec<Job>,
    /// What came of it, if it was done.
    pub done: Option<Committed>,
    /// Whether it was not known what became of its last step.
    pub doubtful: bool,
}

/// Who asked for something.
struct Caller {
    answer: Sender<Answer>,
    /// `None`: it has hung up.
    hears: Option<Receiver<Answer>>,
    /// The order that it asked about.
    order: Option<OrderId>,
    /// Whether somebody outside asked, who may hang up.
    outside: bool,
    /// After which load of the step it has hung up.
    left_at: Option<u32>,
}

/// The step that a writer is in.
#[derive(Clone, Default)]
pub struct Step(Arc<Mutex<Now>>);

#[derive(Default)]
struct Now {
    callers: Vec<Caller>,
    /// How often the step has loaded.
    loads: u32,
    /// The time of the last load.
    now_ms: Option<TimeMs>,
    /// What events were to become by what was handed to the store, until it is known what came of it.
    puts: Vec<EventSpec>,
}

/// The order that a command is about, and whether somebody outside asks it.
fn about(command: &Command) -> (Option<OrderId>, bool) {
    match command {
        Command::PutEvent { .. }
        | Command::PutEventIf { .. }
        | Command::PutEventParts { .. }
        | Command::SetSale { .. }
        | Command::DeleteEvent { .. }
        | Command::FindOrder { .. }
        | Command::Erase { .. } => (None, true),
        Command::Hold { order, .. }
        | Command::Renew { order, .. }
        | Command::Pay { order, .. }
        | Command::Cancel { order }
        | Command::ChangeAddress { order, .. }
        | Command::NameTicket { order, .. }
        | Command::Answer { order, .. }
        | Command::PutMetadata { order, .. }
        | Command::Sell { order, .. }
        | Command::CorrectName { order, .. }
        | Command::Refund { order, .. } => (Some(*order), true),
        Command::IntentCreated { order, .. }
        | Command::AttemptDeclined { order, .. }
        | Command::Reconcile { order, .. }
        | Command::Expire { order }
        | Command::GiveUp { order, .. }
        | Command::Forget { order, .. }
        | Command::Defer { order, .. }
        | Command::RefundAnswered { order, .. } => (Some(*order), false),
    }
}

/// The order that a reply is about.
fn named(reply: &Reply) -> Option<OrderId> {
    match reply {
        Reply::Event { .. } | Reply::EventDeleted { .. } | Reply::Erased { .. } => None,
        Reply::Held { order, .. }
        | Reply::Paying { order, .. }
        | Reply::Order { order, .. }
        | Reply::Refunding { order, .. }
        | Reply::Found { order } => Some(*order),
    }
}

impl Step {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step begins: stands between the writer and its callers.
    fn begin(&self, jobs: &mut [Job]) {
        let callers = jobs.iter_mut().filter_map(|job| {
            let (order, outside) = about(job.asked.command()?);
            let writer::Caller::Command(waits) = &mut job.answer else { return None };
            let (answer, hears) = oneshot::channel();
            let answer = std::mem::replace(waits, answer);
            let hears = Some(hears).filter(|_| !answer.is_closed());
            Some(Caller { answer, hears, order, outside, left_at: None })
        });
        let (callers, now) = (callers.collect(), &mut *self.now());
        *now = Now { callers, loads: 0, now_ms: None, puts: std::mem::take(&mut now.puts) };
    }

    /// It has ended: its answers go to their callers.
    fn end(&self, world: &World, committed: &mut Committed) {
        for (caller, answer) in committed.answers.drain(..) {
            _ = caller.send(answer);
        }
        for caller in std::mem::take(&mut self.now().callers) {
            // Who hung up learns nothing, and takes it as unknown.
            let Some(mut hears) = caller.hears else { continue };
            let Ok(answer) = hears.try_recv() else {
                let text = "the writer has not answered somebody who waits";
                world.broken(Promise::NoFalseAnswer, caller.order, text);
                continue;
            };
            if let Ok(CommandOutcome { reply, again: false, order }) = &answer {
                let mut told = named(reply).into_iter().chain(order.as_ref().map(|o| o.id));
                if let Some(asked) = caller.order
                    && told.any(|told| told != asked)
                {
                    let text = "the writer answered with what became of another order";
                    world.broken(Promise::NoFalseAnswer, Some(asked), text);
                }
            }
            committed.answers.push((caller.answer, answer));
        }
    }

    /// Some of the callers hang up, or none. `retried`: the step will be tried again.
    fn leave(&self, chaos: &Chaos, retried: bool) {
        let fault = Strike::CallerLeaves;
        if !chaos.has(fault) || chaos.is_calm() {
            return;
        }
        let now = &mut *self.now();
        for caller in now.callers.iter_mut().filter(|c| c.outside && c.hears.is_some()) {
            if chaos.would(fault) || retried && chaos.between(fault, 0, 2) == 0 {
                chaos.note(fault);
                caller.hears = None;
                caller.left_at = Some(now.loads);
            }
        }
    }

    /// What is about to be committed must be decided as of the last load, and hold nothing for who
    /// had gone before that.
    fn look_at(&self, world: &World, batch: &Batch<'_>) {
        let now = &mut *self.now();
        if now.now_ms != Some(batch.now_ms) {
            let text = "a batch is committed that was not decided as of its last load";
            world.broken(Promise::NothingLost, None, text);
        }
        for change in batch.changes {
            if let Change::EventPut(event) = change {
                now.puts.push(event.spec.clone());
            }
            let Change::OrderPlaced(order) = change else { continue };
            let gone = |c: &Caller| c.left_at.is_some_and(|left_at| left_at < now.loads);
            if now.callers.iter().any(|c| c.order == Some(order.id) && gone(c)) {
                let text = "places are held for somebody who had gone before it was decided";
                world.broken(Promise::NoFalseAnswer, Some(order.id), text);
            }
        }
    }
}

/// One step of a writer. Gives whether it came to its end.
pub fn step(world: &Arc<World>, machine: &Machine, hand: &mut InHand) -> bool {
    // While time passes within a step, its decisions are of some time before.
    let exact = !hand.doubtful && !world.chaos.has(Strike::ClockInStep);
    let mut asked = Asked { exact, ..Asked::default() };
    for job in &hand.jobs {
        if let Some(Command::PutEvent { spec, .. } | Command::PutEventIf { spec, .. }) =
            job.asked.command()
        {
            asked.put(spec);
        }
    }
    let mut jobs = std::mem::take(&mut hand.jobs);
    machine.step.begin(&mut jobs);
    let step = std::panic::catch_unwind(AssertUnwindSafe(|| hand.writer.step(jobs)));
    let Ok(mut committed) = step else {
        world.panicked();
        return false;
    };
    machine.step.end(world, &mut committed);
    // What is known of a batch in doubt only now was decided before. What it was to put may become known later.
    let is_known = committed.uncertain_since.is_none();
    asked.exact &= is_known;
    let puts = &mut machine.step.now().puts;
    asked.puts.extend(puts.iter().cloned());
    if is_known {
        puts.clear();
    }
    look(world, machine, &committed, &asked);
    hand.done = Some(committed);
    true
}

/// Another process does what it has in hand, in the middle of a step of machine `n`.
fn others_commit(world: &Arc<World>, n: usize) {
    let many = world.machines.len();
    for other in (n + 1..n + many).map(|m| &world.machines[m % many]) {
        let hand = other.in_hand().take_if(|hand| hand.done.is_none() && !hand.jobs.is_empty());
        let Some(mut hand) = hand else { continue };
        world.mark("another process committed in the middle of a step");
        if step(world, other, &mut hand) {
            *other.in_hand() = Some(hand);
            other.done_early.notify_one();
        }
        return;
    }
}

/// A writer's store, in which the world goes on while it works.
pub struct Moments {
    inner: Box<dyn Store>,
    step: Step,
    world: Weak<World>,
    n: usize,
    /// Whether the last commit failed.
    failed: bool,
}

impl Moments {
    /// The store of the process on machine `n`.
    pub fn new(inner: Box<dyn Store>, step: Step, world: Weak<World>, n: usize) -> Moments {
        Moments { inner, step, world, n, failed: false }
    }

    /// Time passes: a little, or until the end of something that is being committed.
    fn time_passes(&self, world: &World, batch: &Batch<'_>) {
        let fault = Strike::ClockInStep;
        let ends = batch.orders.values().map(|order| order.until_ms - batch.now_ms);
        let end = ends.filter(|left| (1..=DEADLINE_MS).contains(left)).min();
        let by = match end {
            Some(left) => left + world.chaos.between(fault, -1, 1),
            None => world.chaos.between(fault, 1, 2_000),
        };
        match &world.backend {
            Backend::Shared(server, _) => {
                server.put_forward(by);
                world.audit(|auditor, _, at| auditor.clock_is_ahead(at, world.base_ahead_ms()));
            }
            Backend::File(_) => world.jump(self.n, by),
        }
    }
}

impl Store for Moments {
    fn load(&mut self, keys: &Keys, requests: &[RequestKey]) -> Result<Loaded, Fault> {
        self.step.now().loads += 1;
        let loaded = self.inner.load(keys, requests)?;
        self.step.now().now_ms = Some(loaded.now_ms);
        Ok(loaded)
    }

    fn load_door(&mut self, keys: &DoorKeys) -> Result<DoorState, Fault> {
        self.inner.load_door(keys)
    }

    fn lock_early(&mut self, keys: &Keys) {
        self.inner.lock_early(keys);
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Fault> {
        let Some(world) = self.world.upgrade() else { return self.inner.commit(batch) };
        self.step.look_at(&world, batch);
        let chaos = &world.chaos;
        let unlogged = Batch { records: &[], ..*batch };
        let batch = if on(Mutant::AuditLogNotRetried) && self.failed { &unlogged } else { batch };
        if chaos.strikes(Strike::ClockInStep) {
            self.time_passes(&world, batch);
        }
        let shared = matches!(world.backend, Backend::Shared(..));
        let mut done = if shared && chaos.strikes(Strike::CommitBetween) {
            // The database gives way to the other, and this one's locks are gone.
            self.inner.release();
            others_commit(&world, self.n);
            Err(Fault::Conflict("deadlock detected (40P01)".into()))
        } else {
            self.inner.commit(batch)
        };
        if on(Mutant::RetriedStale) && matches!(done, Err(Fault::Conflict(_))) {
            done = self.inner.commit(batch);
        }
        let unknown = matches!(done, Err(Fault::Unknown(_)));
        if unknown && shared && !chaos.is_calm() && chaos.has(Strike::CommitBetween) {
            others_commit(&world, self.n);
        }
        self.failed = done.is_err();
        self.step.leave(chaos, done.is_err());
        done
    }

    fn release(&mut self) {
        self.inner.release();
    }

    fn prove(&mut self) -> Result<(), Fault> {
        self.inner.prove()
    }

    fn last_version(&self) -> Option<(i64, i64)> {
        self.inner.last_version()
    }

    fn next_batch(&self) -> (i64, i64) {
        self.inner.next_batch()
    }

    fn recover(&mut self) -> Result<bool, Fault> {
        self.inner.recover()
    }
}
