//! The only way in which anything is written.
//!
//! ```text
//! queue ─► batch: whatever waited while the last commit ran ─► load ─► decide ─► commit ─► answer
//! ```
//!
//! There is no timer: an idle server answers after one flush of the disk, a busy one puts hundreds
//! of commands into a flush. Nobody hears yes before the commit, and nobody hears no of what was
//! merely read while a commit was in doubt.
//!
//! [`Writer::step`] is one turn, plain and blocking; [`Writer::run`] is the loop around it, in a
//! thread of its own. What it does not know: HTTP, payments, a clock (the store brings the time).

mod audit;
mod cancel;
mod door;
mod figures;
mod mails;
mod news;
mod search;
#[cfg(test)]
mod tests;
mod webhooks;

pub use door::{DoorAnswer, DoorError};
pub use mails::{MAIL, message as mail_message};
pub use news::{News, Step};
pub use webhooks::HookList;

use crate::actor::Actor;
use crate::admission::Refused;
use crate::clock::{DatabaseClock, UnderWay};
use crate::metrics::{ByReason, ByState, Metrics};
use crate::problem_code;
use crate::store::records::RecordChange;
use crate::store::{Batch, Fault, Recorded, RequestKey, Store};
use audit::Log;
use boxoffice::door::{DoorCommand, DoorKeys, DoorState};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{
    Alarm, Change, Command, Effect, Event, EventId, Keys, Order, OrderId, OrderState, Refusal,
    Reply, TimeMs, decide,
};
use door::Doors;
use figures::Figures;
use mails::Mails;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant};
use webhooks::Webhooks;

/// The most commands in one batch: bounds how long a commit takes, and so how long the last
/// command of it waits.
const MOST_IN_BATCH: usize = 2048;
/// So many places of the queue are kept for our own steps: what the provider has answered is never
/// thrown away because many want places. More than are ever under way at once.
const RESERVED: usize = 4_096;
/// How long such a step waits in the queue at most. Whoever asked for it does not give up.
const OWN_PATIENCE: Duration = Duration::from_secs(60);
/// How often a batch is tried again after a fault before its callers are told.
const MOST_TRIES: u32 = 3;
/// How long a store that does not recover is waited for where nothing is in doubt: then the callers
/// are told, and the next batch tries again.
const RECOVERY: Duration = Duration::from_secs(2);
/// How often a batch makes way for other processes before its callers are told.
const MOST_OVERTAKEN: u32 = 50;

/// An idempotency key and what was asked under it.
#[derive(Clone, Copy, Debug)]
pub struct IdempotencyKey {
    /// Who asks for what under which key, digested.
    pub key: RequestKey,
    /// What exactly was asked, digested.
    pub fingerprint: u64,
}

/// Why there is no reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommandError {
    /// The core said no.
    Refused(Refusal),
    /// The idempotency key was used for another request. Nothing was done.
    KeyReused,
    /// It is over the budget of its client or e-mail address. Nothing was done.
    OverBudget(Refused),
    /// Too much is waiting. Nothing was done.
    Busy,
    /// The same request is being answered at this moment.
    Running,
    /// It waited too long in the queue and was dropped. Nothing was done.
    Late,
    /// The store is in trouble and nothing was recorded.
    Unavailable,
    /// It waited in the queue while the store did not answer, and was dropped. Nothing was done.
    NoAnswer,
    /// Nothing is recorded until a person has looked at the database, which went back to an earlier state.
    Stopped,
    /// The store is in trouble and it is not known whether this was recorded. Asking again under
    /// the same idempotency key finds out.
    InDoubt,
}

/// A question to the database failed: nothing was done by it.
impl From<Fault> for CommandError {
    fn from(fault: Fault) -> CommandError {
        tracing::error!(%fault, "a question to the database failed");
        CommandError::Unavailable
    }
}

/// A reply, and whether it had been given before under the same key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandOutcome {
    /// What was said.
    pub reply: Reply,
    /// Whether this request was answered before.
    pub again: bool,
    /// The order as it is after the commit; none if the request was answered before.
    pub order: Option<Arc<Order>>,
}

/// What the writer answers.
pub type Answer = Result<CommandOutcome, CommandError>;

/// Where the answer to a command of the sale or of the door, or to a write of records, goes.
pub enum Caller {
    /// To whoever asks for something.
    Command(oneshot::Sender<Answer>),
    /// To whoever asks for something at the door.
    Door(oneshot::Sender<DoorAnswer>),
    /// To whoever writes records that belong to no command.
    Records(oneshot::Sender<Result<(), CommandError>>),
}

impl Caller {
    /// Whether nobody waits for the answer any more.
    pub fn is_closed(&self) -> bool {
        match self {
            Caller::Command(answer) => answer.is_closed(),
            Caller::Door(answer) => answer.is_closed(),
            Caller::Records(answer) => answer.is_closed(),
        }
    }
}

impl From<oneshot::Sender<Answer>> for Caller {
    fn from(answer: oneshot::Sender<Answer>) -> Caller {
        Caller::Command(answer)
    }
}

/// What the writer is asked for.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are commands; a box would cost an allocation for each hold"
)]
pub enum Asked {
    /// To decide something.
    Command(Command),
    /// To decide something at the door.
    Door(Box<DoorCommand>),
    /// To write these changes of cold tables, which belong to no command.
    Records(Vec<RecordChange>),
}

impl Asked {
    /// The command of the sale, if it is one.
    pub fn command(&self) -> Option<&Command> {
        match self {
            Asked::Command(command) => Some(command),
            Asked::Door(_) | Asked::Records(_) => None,
        }
    }

    /// Adds what must be loaded to decide it.
    fn add_keys(&self, sale: &mut Keys, door: &mut DoorKeys) {
        match self {
            Asked::Command(command) => command.add_keys(sale),
            Asked::Door(command) => command.add_keys(sale, door),
            Asked::Records(_) => {}
        }
    }
}

impl From<Command> for Asked {
    fn from(command: Command) -> Asked {
        Asked::Command(command)
    }
}

/// A command on its way to the writer, or records.
pub struct Job {
    /// Who asks.
    pub actor: Actor,
    /// What is asked.
    pub asked: Asked,
    /// Under which key.
    pub request: Option<IdempotencyKey>,
    /// Why, in the words of whoever asks: for the audit log.
    pub reason: Option<String>,
    /// After this it is dropped from the queue: its caller has given up, and a retry of it must
    /// not be followed by its ghost.
    pub deadline: Instant,
    /// When it joined the queue.
    pub queued: Instant,
    /// Where the answer goes.
    pub answer: Caller,
}

impl Job {
    /// A command of its [usual actor](usual_actor), which joins the queue now and is dropped if it still
    /// waits there after `patience`; and where its answer comes.
    pub fn new(
        command: Command,
        request: Option<IdempotencyKey>,
        patience: Duration,
    ) -> (Job, oneshot::Receiver<Answer>) {
        let (answer, answered) = oneshot::channel();
        let (actor, queued) = (usual_actor(&command), Instant::now());
        let (asked, deadline) = (command.into(), queued + patience);
        (
            Job { actor, asked, request, reason: None, deadline, queued, answer: answer.into() },
            answered,
        )
    }
}

/// What came of a batch, to be told to the world outside of the writer's thread.
#[derive(Default)]
pub struct Committed {
    /// To be sent, in this order.
    pub answers: Vec<(oneshot::Sender<Answer>, Answer)>,
    /// Orders that changed, as they are now.
    pub orders: BTreeMap<OrderId, Arc<Order>>,
    /// What is owed to the outside.
    pub effects: Vec<Effect>,
    /// Events that changed, as they are now.
    pub events: Vec<Event>,
    /// Events that are no more.
    pub deleted: Vec<EventId>,
    /// The writer's last commit, where several processes write: see [`Store::last_version`].
    pub batch: Option<(i64, i64)>,
    /// What a person must look at.
    pub alarms: Vec<Alarm>,
    /// What is told in the log.
    pub news: Vec<News>,
    /// Since when it is not known what is recorded of some events, if it is not.
    pub uncertain_since: Option<Instant>,
    /// When the batch was decided, by the clock of the database.
    pub now_ms: Option<TimeMs>,
}

impl Committed {
    fn tell_no(&mut self, caller: Caller, no: CommandError) {
        match caller {
            Caller::Command(caller) => self.answers.push((caller, Err(no))),
            Caller::Door(caller) => _ = caller.send(Err(DoorError::Failed(no))),
            Caller::Records(caller) => _ = caller.send(Err(no)),
        }
    }
}

/// The sending end of the writer's queue. Bounded: what does not fit is refused at once.
#[derive(Clone)]
pub struct Queue {
    jobs: mpsc::Sender<Job>,
    patience: Duration,
    metrics: Arc<Metrics>,
}

impl Queue {
    /// A queue of `capacity` commands of others, each of which waits at most `patience`; our own steps
    /// have `RESERVED` places more.
    pub fn new(
        capacity: usize,
        patience: Duration,
        metrics: Arc<Metrics>,
    ) -> (Queue, mpsc::Receiver<Job>) {
        let (jobs, receiver) = mpsc::channel(capacity + RESERVED);
        (Queue { jobs, patience, metrics }, receiver)
    }

    /// Asks as who usually asks for this: see [`usual_actor`].
    pub async fn ask(&self, command: Command, request: Option<IdempotencyKey>) -> Answer {
        self.ask_as(usual_actor(&command), command, request).await
    }

    /// Asks, and waits for the answer. Dropping the future withdraws the command if it is still
    /// queued.
    pub async fn ask_as(
        &self,
        actor: Actor,
        command: Command,
        request: Option<IdempotencyKey>,
    ) -> Answer {
        self.ask_because(actor, command, request, None).await
    }

    /// The same with a reason for the audit log.
    pub async fn ask_because(
        &self,
        actor: Actor,
        command: Command,
        request: Option<IdempotencyKey>,
        reason: Option<String>,
    ) -> Answer {
        let own = is_own(&command);
        let patience = if own { self.patience.max(OWN_PATIENCE) } else { self.patience };
        let (job, answered) = Job::new(command, request, patience);
        self.send(Job { actor, reason, ..job }, own)?;
        // The writer dropped it without a word only if it is gone.
        answered.await.unwrap_or(Err(CommandError::InDoubt)).map_err(|no| self.why(no))
    }

    /// Who waited too long did not wait for other buyers if the database did not answer.
    fn why(&self, no: CommandError) -> CommandError {
        let health = &self.metrics.health;
        match no {
            CommandError::Busy | CommandError::Late if health.is_stopped() => CommandError::Stopped,
            CommandError::Busy | CommandError::Late if health.database_hangs() => {
                CommandError::NoAnswer
            }
            no => no,
        }
    }

    /// Writes records that belong to no command, and waits until they are recorded. They may be recorded
    /// twice if a commit was in doubt. They wait in the queue as our own steps do.
    pub async fn write(&self, records: Vec<RecordChange>) -> Result<(), CommandError> {
        let (answer, answered) = oneshot::channel();
        let queued = Instant::now();
        let (asked, deadline) = (Asked::Records(records), queued + OWN_PATIENCE);
        let (actor, answer) = (Actor::System, Caller::Records(answer));
        let (request, reason) = (None, None);
        self.send(Job { actor, asked, request, reason, deadline, queued, answer }, true)?;
        answered.await.unwrap_or(Err(CommandError::InDoubt)).map_err(|no| self.why(no))
    }

    /// Asks for something at the door, and waits for the answer. Dropping the future withdraws it if it is still
    /// queued.
    pub async fn ask_door(&self, actor: Actor, command: DoorCommand) -> DoorAnswer {
        let (answer, answered) = oneshot::channel();
        let queued = Instant::now();
        let (asked, deadline) = (Asked::Door(Box::new(command)), queued + self.patience);
        let (request, reason, answer) = (None, None, Caller::Door(answer));
        let job = Job { actor, asked, request, reason, deadline, queued, answer };
        self.send(job, false).map_err(DoorError::Failed)?;
        let answer = answered.await.unwrap_or(Err(DoorError::Failed(CommandError::InDoubt)));
        answer.map_err(|error| match error {
            DoorError::Failed(no) => DoorError::Failed(self.why(no)),
            error => error,
        })
    }

    fn send(&self, job: Job, own: bool) -> Result<(), CommandError> {
        // Between the look and the sending others may come as well: what is reserved is far more.
        let full = !own && self.jobs.capacity() <= RESERVED;
        if full || self.jobs.try_send(job).is_err() {
            self.metrics.requests_shed.inc();
            return Err(self.why(CommandError::Busy));
        }
        Ok(())
    }

    /// How many commands wait.
    pub fn depth(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }
}

/// Whether a command is a step of ours: what a timer or the payment provider has told.
fn is_own(command: &Command) -> bool {
    match command {
        Command::Expire { .. }
        | Command::IntentCreated { .. }
        | Command::AttemptDeclined { .. }
        | Command::GiveUp { .. }
        | Command::Reconcile { .. }
        | Command::Defer { .. }
        | Command::RefundAnswered { .. } => true,
        Command::PutEvent { .. }
        | Command::PutEventIf { .. }
        | Command::PutEventParts { .. }
        | Command::SetSale { .. }
        | Command::DeleteEvent { .. }
        | Command::Hold { .. }
        | Command::FindOrder { .. }
        | Command::Renew { .. }
        | Command::Cancel { .. }
        | Command::Pay { .. }
        | Command::NameTicket { .. }
        | Command::Answer { .. }
        | Command::PutMetadata { .. }
        | Command::Sell { .. }
        | Command::CorrectName { .. }
        | Command::Refund { .. }
        | Command::ChangeAddress { .. }
        // Nobody waits for old orders to be removed, or for their buyers to be erased.
        | Command::Erase { .. }
        | Command::Forget { .. } => false,
    }
}

/// Who asks for something where nobody says who. Where organisers act, they are named.
pub fn usual_actor(command: &Command) -> Actor {
    match command {
        Command::PutEvent { .. }
        | Command::PutEventIf { .. }
        | Command::PutEventParts { .. }
        | Command::SetSale { .. }
        | Command::DeleteEvent { .. }
        | Command::Sell { .. }
        | Command::CorrectName { .. }
        | Command::Forget { .. }
        | Command::Erase { .. } => Actor::System,
        command if is_own(command) => Actor::System,
        _ => Actor::Buyer,
    }
}

/// Decides and commits, one batch at a time.
pub struct Writer {
    store: Box<dyn Store>,
    metrics: Arc<Metrics>,
    /// Who is told what happens.
    webhooks: Arc<HookList>,
    /// Where it is told since when a batch is under way, and by which clock.
    dating: Option<(Arc<DatabaseClock>, Arc<UnderWay>)>,
    /// After a fault nothing that is read is believed until the store has recovered.
    faulted: bool,
    /// Whether the last batch could not be recorded: an alarm was raised.
    failing: bool,
    /// Events in batches that nobody could find out about: as soon as the store answers again,
    /// their counts are told anew.
    unsure: BTreeSet<EventId>,
    /// When the first of those batches was begun.
    uncertain_since: Option<Instant>,
}

/// What is answered to a job.
enum Told {
    /// A command of the sale.
    Command(Answer),
    /// One of the door.
    Door(DoorAnswer),
    /// Its records are written.
    Records,
}

impl Told {
    /// That a job was not decided.
    fn no(job: &Job, why: CommandError) -> Told {
        match &job.answer {
            Caller::Door(_) => Told::Door(Err(DoorError::Failed(why))),
            Caller::Command(_) | Caller::Records(_) => Told::Command(Err(why)),
        }
    }
}

/// One try at a batch.
struct Try {
    /// One for each job.
    answers: Vec<Told>,
    orders: BTreeMap<OrderId, Arc<Order>>,
    effects: Vec<Effect>,
    events: BTreeSet<EventId>,
    changed: Vec<Event>,
    deleted: Vec<EventId>,
    alarms: Vec<Alarm>,
    /// The states that orders reached.
    reached: Vec<OrderState>,
    news: Vec<News>,
    now_ms: TimeMs,
}

/// A batch that came to nothing, as far as is known.
struct NotDone {
    /// What its callers hear.
    told: CommandError,
    /// Whether the store is sound and would not record it.
    refused: bool,
}

impl NotDone {
    fn because(told: CommandError) -> NotDone {
        NotDone { told, refused: false }
    }
}

/// A try that failed, and what it would have said if the commit was tried.
struct Failed {
    done: Option<Try>,
    fault: Fault,
}

impl Writer {
    /// A writer on an opened store.
    pub fn new(store: Box<dyn Store>, metrics: Arc<Metrics>) -> Writer {
        let (unsure, uncertain_since) = (BTreeSet::new(), None);
        let webhooks = Arc::default();
        let (faulted, failing, dating) = (false, false, None);
        Writer { store, metrics, webhooks, dating, faulted, failing, unsure, uncertain_since }
    }

    /// The same, and it tells by this clock since when a batch is under way.
    pub fn dating(self, clock: Arc<DatabaseClock>, under_way: Arc<UnderWay>) -> Writer {
        Writer { dating: Some((clock, under_way)), ..self }
    }

    /// The same, and it owes messages to these webhooks.
    pub fn telling(self, webhooks: Arc<HookList>) -> Writer {
        Writer { webhooks, ..self }
    }

    /// The loop, for a thread of its own. Ends when all senders of the queue are gone and all that
    /// was accepted is answered.
    pub fn run(mut self, mut jobs: mpsc::Receiver<Job>, told: &mpsc::UnboundedSender<Committed>) {
        loop {
            let mut batch = Vec::new();
            if jobs.blocking_recv_many(&mut batch, MOST_IN_BATCH) == 0 {
                return;
            }
            if !self.faulted {
                let mut keys = Keys::default();
                batch[0].asked.add_keys(&mut keys, &mut DoorKeys::default());
                // The database may hang here as well.
                self.metrics.health.begins_batch();
                self.store.lock_early(&keys);
                self.metrics.health.ends_batch();
                while batch.len() < MOST_IN_BATCH
                    && let Ok(job) = jobs.try_recv()
                {
                    batch.push(job);
                }
            }
            if told.send(self.step(batch)).is_err() {
                return;
            }
        }
    }

    /// Decides a batch, commits it, and says what to tell whom.
    pub fn step(&mut self, mut jobs: Vec<Job>) -> Committed {
        let begun = Instant::now();
        jobs.retain(|job| !job.answer.is_closed());
        let (jobs, late): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|j| j.deadline > begun);
        let mut committed = Committed::default();
        late.into_iter().for_each(|job| committed.tell_no(job.answer, CommandError::Late));
        if jobs.is_empty() {
            self.metrics.health.begins_batch();
            self.store.release();
            self.metrics.health.ends_batch();
            return committed;
        }
        for job in &jobs {
            self.metrics.waited.observe((begun - job.queued).as_secs_f64());
        }
        if let Some((clock, under_way)) = &self.dating {
            under_way.begin(clock.now_ms());
        }
        let mut rest = jobs;
        // What comes after the first part has waited for it meanwhile.
        let mut again = false;
        while !rest.is_empty() {
            // What must be loaded for a command depends on its event as it is (whether it has a
            // limit per buyer): what stands behind a change of an event is loaded after it.
            let changes_event = |job: &Job| {
                let command = job.asked.command();
                matches!(
                    command,
                    Some(
                        Command::PutEvent { .. }
                            | Command::PutEventIf { .. }
                            | Command::PutEventParts { .. }
                            | Command::SetSale { .. }
                            | Command::DeleteEvent { .. }
                    )
                )
            };
            let changed = rest.iter().position(changes_event);
            let behind = rest.split_off(changed.map_or(rest.len(), |at| at + 1));
            let batch = std::mem::replace(&mut rest, behind);
            let outcome = self.persist(&batch, again);
            self.conclude(batch, outcome, &mut committed);
            again = true;
        }
        // After a fault a commit may be in doubt, until the store has recovered.
        if let Some((_, under_way)) = self.dating.as_ref().filter(|_| !self.faulted) {
            under_way.end();
        }
        committed.batch = self.store.last_version();
        if self.unsure.is_empty() {
            self.uncertain_since = None;
        } else {
            committed.uncertain_since = Some(*self.uncertain_since.get_or_insert(begun));
        }
        committed
    }

    /// Notes what came of a batch. If the store is sound and would not record it, each half is tried by
    /// itself, for the fault of one command is not that of the others; where both are refused it is not
    /// one command that is to blame (the disk is full, say).
    fn conclude(&mut self, mut jobs: Vec<Job>, outcome: Result<Try, NotDone>, to: &mut Committed) {
        let done = match outcome {
            Ok(done) => done,
            Err(NotDone { refused: true, .. }) if jobs.len() > 1 => {
                let second = jobs.split_off(jobs.len() / 2);
                let halves = [self.persist(&jobs, true), self.persist(&second, true)];
                let one_is_done = halves.iter().any(Result::is_ok);
                let mut parts: Vec<_> = [jobs, second].into_iter().zip(halves).collect();
                // What is committed already is told before what is still to be tried, so that of an
                // order or an event in both the later version is told last.
                parts.sort_by_key(|(_, outcome)| outcome.is_err());
                for (jobs, outcome) in parts {
                    let outcome = outcome
                        .map_err(|not| NotDone { refused: not.refused && one_is_done, ..not });
                    self.conclude(jobs, outcome, to);
                }
                return;
            }
            Err(NotDone { told, .. }) => {
                self.metrics.failed_batches.inc();
                self.metrics.health.recorded(false);
                if !std::mem::replace(&mut self.failing, true) {
                    // The reason is in the log.
                    self.metrics.alarms.inc();
                }
                jobs.into_iter().for_each(|job| to.tell_no(job.answer, told.clone()));
                return;
            }
        };
        self.failing = false;
        self.metrics.health.recorded(true);
        for told in &done.answers {
            if let Told::Command(answer) = told {
                count(&self.metrics, answer);
            }
        }
        for state in done.reached {
            self.metrics.orders.get_or_create(&ByState { state: state.word() }).inc();
        }
        for (job, answer) in jobs.into_iter().zip(done.answers) {
            match (job.answer, answer) {
                (Caller::Command(caller), Told::Command(answer)) => {
                    to.answers.push((caller, answer))
                }
                // Nobody is told of these but who asked, so they need not wait for the rest.
                (Caller::Records(caller), Told::Records) => _ = caller.send(Ok(())),
                (Caller::Door(caller), Told::Door(answer)) => _ = caller.send(answer),
                (caller, _) => to.tell_no(caller, CommandError::Late),
            }
        }
        to.orders.extend(done.orders);
        to.effects.extend(done.effects);
        to.events.extend(done.changed);
        to.deleted.extend(done.deleted);
        to.alarms.extend(done.alarms);
        to.news.extend(done.news);
        to.now_ms = Some(done.now_ms);
    }

    /// Whether the store answered the last time that it was asked.
    pub fn healthy(&self) -> bool {
        !self.faulted
    }

    /// Tries a batch until its outcome is known, but not for ever. `again`: its commands have waited for
    /// another try since they were taken from the queue.
    fn persist(&mut self, jobs: &[Job], again: bool) -> Result<Try, NotDone> {
        self.metrics.health.begins_batch();
        let outcome = self.persist_or_give_up(jobs, again);
        self.metrics.health.ends_batch();
        // Whoever stops all processes also keeps what a batch would record from being recorded.
        let is_stopped = self.metrics.health.is_stopped();
        outcome.map_err(|not| match not.told {
            CommandError::Unavailable if is_stopped => NotDone::because(CommandError::Stopped),
            _ => not,
        })
    }

    fn persist_or_give_up(&mut self, jobs: &[Job], again: bool) -> Result<Try, NotDone> {
        let begun = Instant::now();
        let mut in_doubt: Option<Try> = None;
        let (mut tries, mut overtaken) = (0, 0);
        while tries < MOST_TRIES {
            tries += 1;
            if self.faulted {
                match self.store.recover() {
                    Ok(recorded) => {
                        self.faulted = false;
                        tracing::warn!(recorded, "the store has recovered");
                        if let Some(done) = in_doubt.take().filter(|_| recorded) {
                            return Ok(done);
                        }
                    }
                    Err(fault) => {
                        self.fault(&fault);
                        if in_doubt.is_none() && begun.elapsed() >= RECOVERY {
                            return Err(NotDone::because(CommandError::Unavailable));
                        }
                        continue;
                    }
                }
            }
            let Failed { done, fault } = match self.attempt(jobs, again || tries + overtaken > 1) {
                Ok(done) => return Ok(done),
                Err(failed) => *failed,
            };
            if let Fault::Conflict(why) = &fault
                && overtaken < MOST_OVERTAKEN
            {
                // The store is sound, and takes its time before it loads again.
                tracing::debug!(why, "overtaken by another process");
                self.metrics.overtaken.inc();
                (tries, overtaken) = (tries - 1, overtaken + 1);
                continue;
            }
            self.fault(&fault);
            if on(Mutant::FailureIsSuccess)
                && let Some(done) = done
            {
                return Ok(done);
            }
            let fault = match fault {
                Fault::Unknown(why) if on(Mutant::UnknownIsFailed) => {
                    self.faulted = false;
                    _ = self.store.recover();
                    Fault::NotDone(why)
                }
                Fault::Unknown(_) if on(Mutant::UnknownIsDone) => {
                    _ = self.store.recover();
                    return done.ok_or(NotDone::because(CommandError::Unavailable));
                }
                fault => fault,
            };
            match fault {
                // A store that says NotDone is sound (a full disk, say): no use in asking again.
                Fault::Stopped(_) if in_doubt.is_none() => {
                    return Err(NotDone::because(CommandError::Stopped));
                }
                Fault::NotDone(_) | Fault::Away(_) | Fault::Conflict(_) if in_doubt.is_none() => {
                    // Only what was decided can have been refused.
                    let refused = done.is_some();
                    return Err(NotDone { told: CommandError::Unavailable, refused });
                }
                Fault::NotDone(_) | Fault::Away(_) | Fault::Stopped(_) | Fault::Conflict(_) => {}
                Fault::Unknown(_) => {
                    in_doubt = done;
                }
            }
        }
        let Some(done) = in_doubt else { return Err(NotDone::because(CommandError::Unavailable)) };
        self.unsure.extend(done.events);
        Err(NotDone::because(CommandError::InDoubt))
    }

    fn fault(&mut self, fault: &Fault) {
        self.faulted = true;
        // Each batch meets it, until a person has looked: once is enough.
        if let Fault::Stopped(why) = fault
            && !self.metrics.health.stop(Some(why))
        {
            return;
        }
        tracing::error!(%fault, "the store failed");
        self.metrics.store_faults.inc();
    }

    /// Load, decide, commit. If it is done again, who has given up meanwhile is left out, as from
    /// the queue.
    fn attempt(&mut self, jobs: &[Job], again: bool) -> Result<Try, Box<Failed>> {
        let begun = Instant::now();
        let (mut keys, mut door_keys) = (Keys::default(), DoorKeys::default());
        jobs.iter().for_each(|job| job.asked.add_keys(&mut keys, &mut door_keys));
        keys.events.extend(&self.unsure);
        let requests: Vec<RequestKey> =
            jobs.iter().filter_map(|j| j.request.map(|r| r.key)).collect();
        let loaded = self.store.load(&keys, &requests);
        let mut loaded = loaded.map_err(|fault| Box::new(Failed { done: None, fault }))?;
        let door = match door_keys == DoorKeys::default() {
            true => Ok(DoorState::default()),
            false => self.store.load_door(&door_keys),
        };
        let door = door.map_err(|fault| Box::new(Failed { done: None, fault }))?;

        let mut done = Try {
            answers: Vec::with_capacity(jobs.len()),
            orders: BTreeMap::new(),
            effects: Vec::new(),
            events: self.unsure.clone(),
            changed: Vec::new(),
            deleted: Vec::new(),
            alarms: Vec::new(),
            reached: Vec::new(),
            news: Vec::new(),
            now_ms: loaded.now_ms,
        };
        let mut changes: Vec<Change> = Vec::with_capacity(jobs.len() * 2);
        let mut recorded: Vec<Recorded> = Vec::new();
        let mut log = Log::new(loaded.now_ms, self.store.next_batch());
        let mut mails = Mails::new(loaded.now_ms, self.store.next_batch());
        let mut figures = Figures::new(loaded.now_ms);
        let mut doors = Doors::new(door);
        let mut webhooks = Webhooks::new(&self.webhooks, loaded.now_ms, self.store.next_batch());
        for job in jobs {
            let gone = job.answer.is_closed() || job.deadline <= begun;
            let too_late = again && gone && !on(Mutant::GhostInRetry);
            let command = match &job.asked {
                Asked::Command(command) => command,
                Asked::Door(_) if too_late => {
                    done.answers.push(Told::no(job, CommandError::Late));
                    continue;
                }
                Asked::Door(command) => {
                    let (state, now) = (&loaded.state, loaded.now_ms);
                    let (log, hooks) = (&mut log, &mut webhooks);
                    let answer = doors.decide(job.actor, command, state, now, log, hooks);
                    done.answers.push(Told::Door(answer));
                    continue;
                }
                Asked::Records(records) => {
                    log.records.extend(records.iter().cloned());
                    done.answers.push(Told::Records);
                    continue;
                }
            };
            if let Some(request) = job.request
                && let Some(known) = loaded.recorded.get(&request.key)
            {
                done.answers.push(Told::Command(if known.fingerprint == request.fingerprint {
                    Ok(CommandOutcome { reply: known.reply, again: true, order: None })
                } else {
                    Err(CommandError::KeyReused)
                }));
                continue;
            }
            if too_late {
                if !on(Mutant::AnswersShift) {
                    done.answers.push(Told::no(job, CommandError::Late));
                }
                continue;
            }
            let decision = match decide(&loaded.state, command, loaded.now_ms) {
                Ok(decision) => decision,
                Err(refusal) => {
                    done.answers.push(Told::Command(Err(CommandError::Refused(refusal))));
                    continue;
                }
            };
            let because = (job.actor, job.reason.as_deref());
            log.tell(because, command, &decision, &loaded.state);
            mails.owe(&decision, &loaded.state, &mut log.records);
            let canceled = cancel::owed(job.actor, &decision, &loaded.state, loaded.now_ms);
            log.records.extend(canceled);
            news::gather(job.actor, &decision, &loaded.state, &mut done.news);
            let before = figures.before(&decision.changes, &loaded.state);
            let found_by = search::before(&decision.changes, &loaded.state);
            let told = webhooks.before(&decision.changes, &loaded.state);
            let mut moved = None;
            for change in &decision.changes {
                if let Change::OrderMoved { order, to } = change
                    && loaded.state.orders.get(order).is_some_and(|o| o.state != to.state)
                {
                    done.reached.push(to.state);
                }
                loaded.state.apply(change);
                // A command that changes an order replies with it.
                moved = change.order().or(moved);
                done.events.extend(change.event());
            }
            figures.after(before, &loaded.state);
            search::after(found_by, &loaded.state, &mut log.records);
            webhooks.after(told, &loaded.state, &mut log.records);
            let is_answer_kept = is_answer_kept(command, &decision.changes);
            let erased = decision.changes.iter().filter_map(erased_order);
            let erased =
                erased.filter_map(|id| Some((id, Arc::new(loaded.state.orders.get(&id)?.clone()))));
            done.orders.extend(erased);
            changes.extend(decision.changes);
            done.effects.extend(decision.effects);
            done.alarms.extend(decision.alarms);
            if let Some(IdempotencyKey { key, fingerprint }) = job.request
                && is_answer_kept
                && !on(Mutant::KeysForgotten)
            {
                let fact = Recorded { key, fingerprint, reply: decision.reply };
                loaded.recorded.insert(key, fact);
                recorded.push(fact);
            }
            let order = match decision.reply {
                Reply::Held { order, .. }
                | Reply::Paying { order, .. }
                | Reply::Order { order, .. }
                | Reply::Refunding { order, .. }
                | Reply::Found { order } => loaded.state.orders.get(&order),
                Reply::Event { .. } | Reply::EventDeleted { .. } | Reply::Erased { .. } => None,
            };
            let order = order.cloned().map(Arc::new);
            let forgotten = matches!(command, Command::Forget { .. });
            let erases = matches!(command, Command::Erase { .. });
            assert!(
                forgotten || erases || moved.is_none() || order.as_ref().map(|o| o.id) == moved
            );
            if let Some(order) = moved.filter(|_| forgotten) {
                done.orders.remove(&order);
            }
            if let Some(order) = order.as_ref().filter(|_| moved.is_some()) {
                done.orders.insert(order.id, Arc::clone(order));
            }
            done.answers.push(Told::Command(Ok(CommandOutcome {
                reply: decision.reply,
                again: false,
                order,
            })));
        }
        figures.write(&mut log.records);
        doors.write(&mut log);
        assert_eq!(done.answers.len(), jobs.len(), "each job gets its own answer");
        let mut events: BTreeMap<EventId, Event> = loaded.state.events;
        for id in &done.events {
            match events.remove(id) {
                Some(event) => done.changed.push(event),
                None => done.deleted.push(*id),
            }
        }
        self.metrics.decide_seconds.observe(begun.elapsed().as_secs_f64());

        if !changes.is_empty() || !recorded.is_empty() || !log.records.is_empty() {
            let begun = Instant::now();
            let batch = Batch {
                changes: &changes,
                orders: &done.orders,
                recorded: &recorded,
                records: &log.records,
                now_ms: loaded.now_ms,
            };
            if let Err(fault) = self.store.commit(&batch) {
                return Err(Box::new(Failed { done: Some(done), fault }));
            }
            self.metrics.commits.inc();
            self.metrics.batch_size.observe(jobs.len() as f64);
            self.metrics.commit_seconds.observe(begun.elapsed().as_secs_f64());
        } else if self.metrics.health.is_failing() {
            // Nothing is to be recorded here, but something could not be before.
            let proved = self.store.prove();
            proved.map_err(|fault| Box::new(Failed { done: None, fault }))?;
        } else {
            self.store.release();
        }
        self.unsure.clear();
        Ok(done)
    }
}

/// The order whose buyer a change erases.
fn erased_order(change: &Change) -> Option<OrderId> {
    match change {
        Change::BuyerErased { order, .. } => Some(*order),
        _ => None,
    }
}

/// Whether a yes is kept under the key of its request. One that changed nothing needs not be: asked again,
/// the same is found. And buyers could fill the disk by asking for it under ever new keys. An organiser's
/// is kept, for what changes nothing now may change something later: a delayed copy of a request to put an
/// event must not put it again after somebody else has changed it.
fn is_answer_kept(command: &Command, changes: &[Change]) -> bool {
    !changes.is_empty()
        || matches!(
            command,
            Command::PutEvent { .. } | Command::PutEventParts { .. } | Command::Refund { .. }
        )
}

/// Counts an answer.
fn count(metrics: &Metrics, answer: &Answer) {
    match answer {
        Ok(CommandOutcome { reply: Reply::Held { .. }, again: false, .. }) => {
            _ = metrics.holds.inc()
        }
        Ok(_) => {}
        Err(CommandError::Refused(Refusal::NotDue)) => {}
        Err(CommandError::Refused(refusal)) => {
            metrics
                .refusals
                .get_or_create(&ByReason { reason: problem_code::of(refusal).as_str() })
                .inc();
        }
        Err(_) => {}
    }
}
