//! Delivers the messages of the outbox: one worker for each kind.
//!
//! - A message is delivered at least once. A process that dies, or a commit whose answer is lost, lets it be
//!   delivered again: whoever takes it tells it by its id. One that was handed over without an answer is handed
//!   over once more, and not a third time.
//! - It is fair: at most one message of a destination is under way in a process, or as many as its kind says, so a
//!   destination that is slow or away delays its own messages and no others. What is of a lower priority class goes
//!   first.
//! - It keeps to a rate, each process for itself.
//! - What fails is tried again after a growing pause, and given up after a time that its kind states, with the
//!   reason in its row and in the log. Where all messages go one way (a mail relay) and nothing is taken at all,
//!   whatever it is, one message is tried now and then, the rest wait untouched, and nobody's time runs.
//! - Where several processes share a database, a process takes a message before it delivers it, for as long as
//!   a delivery may take at most.
//!
//! What it does not know: what the messages mean, and the orders that they tell of.

#[cfg(test)]
mod tests;

use crate::clock::DatabaseClock;
use crate::reads::Reads;
use crate::store::records::outbox_rows::{Ended, Message, MessageState, due};
use crate::store::records::webhooks::due_of;
use crate::store::records::{Record, RecordChange, get};
use crate::store::{Fault, Reader};
use crate::writer::Queue;
use boxoffice::TimeMs;
use boxoffice::mutant::{Mutant, on};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};

/// How long a delivery may take. Then nobody knows whether it was taken.
pub const MOST_DELIVERY: Duration = Duration::from_secs(110);
/// For how long a message is taken: longer than a delivery and the commit after it, in milliseconds.
pub const TAKEN_MS: i64 = 130_000;
/// So many messages of one kind are read from the list of what is due at a time, and so many times at most for
/// one look, where one destination has very many.
const PAGE: usize = 128;
const MOST_PAGES: usize = 8;
/// After so many messages that failed one after the other, nothing is taken at the moment.
const AWAY_AFTER: usize = 3;
/// How long the pauses are while nothing is taken: they double.
const FIRST_AWAY: Duration = Duration::from_secs(5);
const MOST_AWAY: Duration = Duration::from_secs(60);
/// How long it waits where what came of a delivery cannot be written.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// How messages of a kind are delivered.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// So many deliveries begin in a second at most, in this process.
    pub per_second: u32,
    /// So many are under way at once.
    pub at_once: usize,
    /// The first pause after a delivery in vain, in milliseconds. It doubles each time.
    pub first_pause_ms: i64,
    /// The longest pause, in milliseconds.
    pub most_pause_ms: i64,
    /// For how long a message is tried, from the first time in vain on, in milliseconds.
    pub tried_for_ms: i64,
    /// After so long it is of no use any more, in milliseconds since it was owed.
    pub most_age_ms: i64,
    /// Whether one that was delivered stays in its table.
    pub keeps: bool,
    /// Whether all of them go one way, through a relay say: then, while nothing is taken, all wait.
    pub one_way: bool,
}

/// What came of trying to deliver a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// It was delivered.
    Delivered,
    /// It was handed over, and no answer came: perhaps it was delivered.
    Unanswered(String),
    /// Not this time.
    Retry {
        /// Not before this many milliseconds; longer if it was in vain often.
        after_ms: i64,
        /// Why not.
        why: String,
    },
    /// Not this time, for a reason of its own: it cannot be read or made. That tells nothing of the others.
    Failed(String),
    /// Whoever it is for will never take it.
    Refused(String),
    /// There is nothing to tell any more.
    Needless(String),
    /// It is of no use any more.
    TooOld(String),
}

/// A destination to which something may be delivered at the moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    /// Which.
    pub destination: String,
    /// So many messages may be under way at once.
    pub at_once: usize,
    /// Whether what is due last goes first, of what was never tried in vain; the others only if there is none of that.
    pub latest: bool,
}

/// Delivers messages of one kind.
pub trait Deliver: Send + Sync + 'static {
    /// Which kind: [`Message::kind`].
    const KIND: &'static str;
    /// How.
    fn policy(&self) -> Policy;
    /// How long a message waits that was in vain once more than [`Message::tries`] says, in milliseconds.
    fn pause_ms(&self, message: &Message) -> i64 {
        pause_ms(&self.policy(), message.tries)
    }
    /// To which destinations anything is delivered at the moment. Each is looked at by itself, so that one for which
    /// very much waits hides no other. `None`: to all, one message at a time.
    fn destinations(&self) -> Option<Vec<Open>> {
        None
    }
    /// Tries to deliver a message. It may be dropped before its end, and tried again.
    fn deliver(&self, message: &Message) -> impl Future<Output = Delivery> + Send;
    /// What is to be counted or told of a try that is recorded now.
    fn ended(&self, _message: &Message, _delivery: &Delivery, _state: MessageState) {}
    /// What is recorded beside a try that ended at `now`, in the same commit.
    fn also(
        &self,
        _message: &Message,
        _delivery: &Delivery,
        _now: TimeMs,
    ) -> impl Future<Output = Vec<RecordChange>> + Send {
        std::future::ready(Vec::new())
    }
    /// Whether the destination is erased from a message as soon as it is not tried any more.
    fn forgets(&self, _message: &Message) -> bool {
        false
    }
}

/// What a worker needs.
#[derive(Clone)]
pub struct Outbox {
    /// The way to the writer.
    pub queue: Queue,
    /// The way to the database for questions.
    pub reads: Reads,
    /// The database's time.
    pub clock: Arc<DatabaseClock>,
    /// Rung when there may be something to deliver. A worker looks from time to time anyway.
    pub news: Arc<Notify>,
    /// How often the database is asked for what is due.
    pub look: Duration,
    /// Tells this process from all others, and from itself before it was started again.
    pub owner: i64,
}

/// What a worker knows beside what is in the table.
struct Work {
    policy: Policy,
    /// How many deliveries may begin, and as of when.
    begins: f64,
    counted: Instant,
    /// What failed since something was taken the last time.
    failed: BTreeSet<u128>,
    /// While nothing is taken: how long the pause is, and when it ends.
    away: Duration,
    until: Instant,
}

impl Work {
    fn new(policy: Policy) -> Work {
        let (failed, away, until) = (BTreeSet::new(), FIRST_AWAY, Instant::now());
        Work { policy, begins: 1.0, counted: until, failed, away, until }
    }

    /// Whether nothing is taken at the moment.
    fn is_away(&self) -> bool {
        self.failed.len() >= AWAY_AFTER
    }

    /// How many deliveries may begin now while so many are under way.
    fn may_begin(&mut self, under_way: usize) -> usize {
        let (now, rate) = (Instant::now(), f64::from(self.policy.per_second.max(1)));
        let most = rate.min(self.policy.at_once as f64);
        self.begins = (self.begins + (now - self.counted).as_secs_f64() * rate).min(most);
        self.counted = now;
        let at_once = if self.is_away() { 1 } else { self.policy.at_once };
        if now < self.until {
            return 0;
        }
        at_once.saturating_sub(under_way).min(self.begins as usize)
    }

    /// When the next may begin while so many are under way.
    fn next(&self, under_way: usize) -> Instant {
        if under_way >= if self.is_away() { 1 } else { self.policy.at_once } {
            // Not before one of them has ended.
            return Instant::now() + MOST_DELIVERY;
        }
        let rate = f64::from(self.policy.per_second.max(1));
        let wait = ((1.0 - self.begins) / rate).max(0.001);
        (self.counted + Duration::from_secs_f64(wait)).max(self.until)
    }

    /// Notes how a delivery ended.
    fn note(&mut self, message: &Message, delivery: &Delivery) {
        if !self.policy.one_way {
            return;
        }
        match delivery {
            Delivery::Retry { .. } => {
                self.failed.insert(message.id);
                // Those that were under way at the same moment tell nothing more.
                if self.is_away() && self.until <= Instant::now() {
                    self.until = Instant::now() + self.away;
                    self.away = (self.away * 2).min(MOST_AWAY);
                }
            }
            // These say nothing of whether anything is taken.
            Delivery::Needless(_)
            | Delivery::TooOld(_)
            | Delivery::Unanswered(_)
            | Delivery::Failed(_) => {}
            Delivery::Delivered | Delivery::Refused(_) => {
                self.failed.clear();
                (self.away, self.until) = (FIRST_AWAY, Instant::now());
            }
        }
    }
}

/// Delivers messages of one kind until the process ends.
pub async fn work<D: Deliver>(outbox: Outbox, deliver: Arc<D>) {
    let mut under_way: JoinSet<Delivery> = JoinSet::new();
    // Which message each of them delivers: a task that panics cannot say.
    let mut taken: Vec<(Id, Message)> = Vec::new();
    let mut work = Work::new(deliver.policy());
    let mut look = Instant::now();
    loop {
        let most = work.may_begin(taken.len());
        if most > 0 && look <= Instant::now() {
            let mut busy: BTreeMap<String, usize> = BTreeMap::new();
            for (_, message) in &taken {
                *busy.entry(message.destination.clone()).or_default() += 1;
            }
            let found = take::<D>(&outbox, &deliver, &busy, most).await;
            let full = found.as_ref().is_ok_and(|found| found.len() == most);
            // There may be more of them: they are looked for as soon as they may begin.
            look = if full { Instant::now() } else { Instant::now() + outbox.look };
            match found {
                Ok(more) => taken.extend(more.into_iter().map(|message| {
                    work.begins -= 1.0;
                    let (deliver, copy) = (Arc::clone(&deliver), message.clone());
                    let task = under_way.spawn(async move {
                        let done = timeout(MOST_DELIVERY, deliver.deliver(&copy)).await;
                        let late = |_| Delivery::Unanswered("it took too long".into());
                        done.unwrap_or_else(late)
                    });
                    (task.id(), message)
                })),
                Err(why) => tracing::warn!(why, kind = D::KIND, "the outbox cannot be looked at"),
            }
        }
        tokio::select! {
            biased;
            Some(done) = under_way.join_next_with_id() => {
                let mut ended = vec![done];
                ended.extend(std::iter::from_fn(|| under_way.try_join_next_with_id()));
                let mut all = Vec::new();
                for done in ended {
                    let (id, delivery) = done.unwrap_or_else(|error| {
                        let why = "a bug ended the delivery".into();
                        (error.id(), Delivery::Failed(why))
                    });
                    if let Some(at) = taken.iter().position(|(task, _)| *task == id) {
                        all.push((taken.swap_remove(at).1, delivery));
                    }
                }
                conclude(&outbox, &*deliver, &mut work, all).await;
                // A destination is free again.
                look = Instant::now();
            }
            () = outbox.news.notified() => look = Instant::now(),
            () = sleep_until(look.max(work.next(taken.len()))) => {}
        }
    }
}

/// What is found to be due: what is to be delivered, and what is of no use any more.
type Found = (Vec<Message>, Vec<Message>);

/// Looks for what is due at `now`, at most one message of each destination that is not busy, and at most so many.
fn look_at_all(
    reader: &mut dyn Reader,
    kind: &str,
    (now, oldest_ms): (TimeMs, TimeMs),
    mut busy: BTreeSet<String>,
    most: usize,
) -> Result<Found, Fault> {
    let (mut found, mut old, mut after) = (Vec::new(), Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let page = due(reader.tables(), kind, now, after, PAGE)?;
        let full = page.len() == PAGE;
        after = page.last().map(Message::place);
        for message in page {
            if message.made_ms < oldest_ms {
                old.push(message);
            } else if found.len() < most && busy.insert(message.destination.clone()) {
                found.push(message);
            }
        }
        if !full || found.len() == most {
            break;
        }
    }
    Ok((found, old))
}

/// The same destination by destination: of each as many as may be under way beside those that are.
fn look_at_each(
    reader: &mut dyn Reader,
    now: TimeMs,
    busy: &BTreeMap<String, usize>,
    destinations: Vec<Open>,
    most: usize,
) -> Result<Found, Fault> {
    let mut found = Vec::new();
    let mut each: Vec<(usize, Vec<Message>)> = Vec::new();
    for Open { destination, at_once, latest } in destinations {
        let under_way = busy.get(&destination).copied().unwrap_or_default();
        let free = at_once.saturating_sub(under_way);
        if free > 0 {
            let mut due = due_of(reader.tables(), &destination, now, latest, free)?;
            if due.is_empty() && latest {
                due = due_of(reader.tables(), &destination, now, false, free)?;
            }
            each.push((under_way, due));
        }
    }
    // Of whoever has least under way first, in turns.
    each.sort_by_key(|(under_way, _)| *under_way);
    let turns = each.iter().map(|(_, messages)| messages.len()).max().unwrap_or_default();
    for turn in 0..turns {
        found.extend(each.iter().filter_map(|(_, messages)| messages.get(turn).cloned()));
    }
    found.truncate(most);
    Ok((found, Vec::new()))
}

/// Takes what is due, of destinations to which no more is under way than may be; at most so many.
async fn take<D: Deliver>(
    outbox: &Outbox,
    deliver: &Arc<D>,
    busy: &BTreeMap<String, usize>,
    most: usize,
) -> Result<Vec<Message>, String> {
    let now = outbox.clock.now_ms();
    let oldest_ms = now.saturating_sub(deliver.policy().most_age_ms);
    let (busy, destinations) = (busy.clone(), deliver.destinations());
    if destinations.as_ref().is_some_and(|all| all.iter().all(|open| open.at_once == 0)) {
        return Ok(Vec::new());
    }
    let look = move |reader: &mut dyn Reader| match destinations {
        Some(destinations) => look_at_each(reader, now, &busy, destinations, most),
        None => {
            let busy = busy.into_keys().collect();
            look_at_all(reader, D::KIND, (now, oldest_ms), busy, most)
        }
    };
    let (mut found, old) = outbox.reads.ask(look).await.map_err(|fault| fault.to_string())?;
    if found.is_empty() && old.is_empty() {
        return Ok(found);
    }
    // In one order in all processes, so that two who want the same do not wait for each other.
    found.sort_by_key(|message| message.id);
    let (owner, until_ms) = (outbox.owner, now + TAKEN_MS);
    let mut changes: Vec<RecordChange> = found.iter().map(|m| m.claim(owner, until_ms)).collect();
    for message in &old {
        let delivery = Delivery::TooOld("it was owed for too long".into());
        let ended = ended(&**deliver, message, &delivery, now, false);
        deliver.ended(message, &delivery, ended.state);
        changes.push(message.end(now, ended));
    }
    // Whether that was recorded is seen in what is read now; a commit in doubt may have been.
    let written = outbox.queue.write(changes).await;
    // Another process may have taken some of them, and some may have been stopped.
    let read = move |reader: &mut dyn Reader| -> Result<Vec<Message>, Fault> {
        let mut mine = Vec::new();
        if on(Mutant::MailTakenByTwo) {
            let taken = |m: &Message| Message { owner, due_ms: until_ms, ..m.clone() };
            return Ok(found.iter().map(taken).collect());
        }
        for message in &found {
            let now: Option<Message> = get(reader.tables(), &message.key())?;
            let is_mine = |m: &Message| {
                let taken = (m.owner, m.due_ms) == (owner, until_ms);
                taken && m.state == MessageState::Queued
            };
            mine.extend(now.filter(is_mine));
        }
        mine.sort_by_key(Message::place);
        mine.sort_by_key(|message| message.lane);
        Ok(mine)
    };
    let mine = outbox.reads.ask(read).await.map_err(|fault| fault.to_string())?;
    match written {
        Err(no) if mine.is_empty() => Err(format!("{no:?}")),
        _ => Ok(mine),
    }
}

/// How long a message waits that was tried so often in vain, in milliseconds.
fn pause_ms(policy: &Policy, tries: u32) -> i64 {
    policy.first_pause_ms.saturating_mul(1 << tries.min(30)).min(policy.most_pause_ms)
}

/// How a message stands after a try. `away`: nothing is taken at all at the moment, so its time does not run.
fn ended<D: Deliver>(
    deliver: &D,
    message: &Message,
    delivery: &Delivery,
    now: i64,
    away: bool,
) -> Ended {
    let policy = deliver.policy();
    let erase = deliver.forgets(message);
    let ends = |state, why: Option<&String>| Ended {
        state,
        due_ms: message.due_ms,
        in_vain: false,
        unanswered: false,
        why: why.cloned(),
        erase,
    };
    match delivery {
        Delivery::Delivered => ends(MessageState::Delivered, None),
        Delivery::Refused(why) => ends(MessageState::Refused, Some(why)),
        Delivery::Needless(why) => ends(MessageState::Needless, Some(why)),
        Delivery::TooOld(why) => ends(MessageState::TooOld, Some(why)),
        Delivery::Unanswered(why) => {
            let again = message.unanswered == 0 || on(Mutant::MailUnansweredForEver);
            let state = if again { MessageState::Queued } else { MessageState::Unanswered };
            let due_ms = now.saturating_add(policy.first_pause_ms);
            Ended { due_ms, unanswered: true, ..ends(state, Some(why)) }
        }
        Delivery::Retry { why, .. } if away => {
            let due_ms = now.saturating_add(policy.first_pause_ms);
            Ended { due_ms, ..ends(MessageState::Queued, Some(why)) }
        }
        Delivery::Retry { .. } | Delivery::Failed(_) => {
            let (after_ms, why) = match delivery {
                Delivery::Retry { after_ms, why } => (*after_ms, why),
                Delivery::Failed(why) => (0, why),
                _ => unreachable!("one of these two"),
            };
            let first_ms = message.tried_ms.unwrap_or(now);
            if now - first_ms >= policy.tried_for_ms || on(Mutant::MailGivenUpAtOnce) {
                return Ended { in_vain: true, ..ends(MessageState::GivenUp, Some(why)) };
            }
            let wait = after_ms.max(deliver.pause_ms(message));
            let due_ms = now.saturating_add(wait);
            Ended { due_ms, in_vain: true, ..ends(MessageState::Queued, Some(why)) }
        }
    }
}

/// Writes down what came of some deliveries. Until that is written nothing else is delivered: what was
/// delivered must not be delivered again.
async fn conclude<D: Deliver>(
    outbox: &Outbox,
    deliver: &D,
    work: &mut Work,
    mut all: Vec<(Message, Delivery)>,
) {
    let now = outbox.clock.now_ms();
    // In one order in all processes: what is recorded beside a try locks what belongs to its destination.
    all.sort_by(|(a, _), (b, _)| (&a.destination, a.id).cmp(&(&b.destination, b.id)));
    let mut changes = Vec::new();
    for (message, delivery) in &all {
        work.note(message, delivery);
        let ended = ended(deliver, message, delivery, now, work.is_away());
        if ended.state == MessageState::GivenUp {
            let (id, subject) = (uuid::Uuid::from_u128(message.id), &message.subject);
            tracing::error!(kind = message.kind, %id, subject, "a message is given up");
        }
        deliver.ended(message, delivery, ended.state);
        changes.extend(deliver.also(message, delivery, now).await);
        let keeps = work.policy.keeps || *delivery != Delivery::Delivered;
        changes.push(if keeps { message.end(now, ended) } else { message.remove() });
    }
    while let Err(no) = outbox.queue.write(changes.clone()).await {
        tracing::warn!(?no, kind = D::KIND, "what came of a message could not be written");
        sleep(WRITE_AGAIN).await;
    }
}
