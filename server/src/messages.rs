//! Delivers the messages of the outbox: one worker for each kind.
//!
//! - A message is delivered at least once. A process that dies, or a commit whose answer is lost, lets it be
//!   delivered again: whoever takes it tells it by its id.
//! - It is fair: at most one message of a destination is under way in a process, so a destination that is
//!   slow or away delays its own messages and no others.
//! - What fails is tried again after a growing pause, and given up after [`MOST_TRIES`], with the reason in
//!   its row and in the log.
//! - Where several processes share a database, a process takes a message before it delivers it, for as long as
//!   a delivery may take at most.
//!
//! What it does not know: what the messages mean, and the orders that they tell of.

#[cfg(test)]
mod tests;

use crate::clock::DatabaseClock;
use crate::reads::Reads;
use crate::store::records::outbox_rows::{Message, MessageState, due};
use crate::store::records::{Record, RecordChange, get};
use crate::store::{Fault, Reader};
use crate::writer::Queue;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio::time::{Duration, sleep, timeout};

/// How long a delivery may take. Then it is tried again.
pub const MOST_DELIVERY: Duration = Duration::from_secs(60);
/// For how long a message is taken: longer than a delivery and the commit after it, in milliseconds.
const TAKEN_MS: i64 = 120_000;
/// So many deliveries in vain, and it is given up: about two days.
pub const MOST_TRIES: u32 = 20;
/// The first pause after a delivery in vain, in milliseconds. It doubles each time.
const FIRST_PAUSE_MS: i64 = 5_000;
/// The longest pause, in milliseconds.
const MOST_PAUSE_MS: i64 = 4 * 60 * 60 * 1000;
/// How often the database is asked for what is due.
const LOOK: Duration = Duration::from_secs(1);
/// So many deliveries of one kind are under way at once.
const AT_ONCE: usize = 16;

/// What came of trying to deliver a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// It was delivered.
    Delivered,
    /// Not this time.
    Retry {
        /// Not before this many milliseconds; longer if it was in vain often.
        after_ms: i64,
        /// Why not.
        why: String,
    },
    /// Never.
    GiveUp(String),
}

/// Delivers messages of one kind.
pub trait Deliver: Send + Sync + 'static {
    /// Which kind: [`Message::kind`].
    const KIND: &'static str;
    /// Tries to deliver a message. It may be dropped before its end, and tried again.
    fn deliver(&self, message: &Message) -> impl Future<Output = Delivery> + Send;
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
    /// Rung when there may be something to deliver. A worker looks once a second anyway.
    pub news: Arc<Notify>,
    /// Tells this process from all others, and from itself before it was started again.
    pub owner: i64,
}

/// Delivers messages of one kind until the process ends.
pub async fn work<D: Deliver>(outbox: Outbox, deliver: Arc<D>) {
    let mut under_way: JoinSet<Delivery> = JoinSet::new();
    // Which message each of them delivers: a task that panics cannot say.
    let mut taken: Vec<(Id, Message)> = Vec::new();
    loop {
        let busy = taken.iter().map(|(_, message)| message.destination.clone()).collect();
        match take::<D>(&outbox, &busy).await {
            Ok(more) => taken.extend(more.into_iter().map(|message| {
                let (deliver, copy) = (Arc::clone(&deliver), message.clone());
                let task = under_way.spawn(async move {
                    let done = timeout(MOST_DELIVERY, deliver.deliver(&copy)).await;
                    let late = |_| Delivery::Retry { after_ms: 0, why: "it took too long".into() };
                    done.unwrap_or_else(late)
                });
                (task.id(), message)
            })),
            Err(why) => tracing::warn!(why, kind = D::KIND, "the outbox cannot be looked at"),
        }
        tokio::select! {
            biased;
            Some(done) = under_way.join_next_with_id() => {
                let (id, delivery) = done.unwrap_or_else(|error| {
                    let why = "a bug ended the delivery".into();
                    (error.id(), Delivery::Retry { after_ms: 0, why })
                });
                if let Some(at) = taken.iter().position(|(task, _)| *task == id) {
                    conclude(&outbox, &taken.swap_remove(at).1, delivery).await;
                }
            }
            () = outbox.news.notified() => {}
            () = sleep(LOOK) => {}
        }
    }
}

/// Takes what is due, of destinations to which nothing is under way.
async fn take<D: Deliver>(
    outbox: &Outbox,
    busy: &BTreeSet<String>,
) -> Result<Vec<Message>, String> {
    let free = AT_ONCE.saturating_sub(busy.len());
    if free == 0 {
        return Ok(Vec::new());
    }
    let (now, most) = (outbox.clock.now_ms(), AT_ONCE + busy.len());
    let look = move |reader: &mut dyn Reader| due(reader.tables(), D::KIND, now, most);
    let mut found = outbox.reads.ask(look).await.map_err(|fault| fault.to_string())?;
    found.retain(|message| !busy.contains(&message.destination));
    found.truncate(free);
    if found.is_empty() {
        return Ok(found);
    }
    let (owner, until_ms) = (outbox.owner, now + TAKEN_MS);
    let claims: Vec<RecordChange> = found.iter().map(|m| m.claim(owner, until_ms)).collect();
    outbox.queue.write(claims).await.map_err(|no| format!("{no:?}"))?;
    // Another process may have taken some of them.
    let read = move |reader: &mut dyn Reader| -> Result<Vec<Message>, Fault> {
        let mut mine = Vec::new();
        for message in &found {
            let now: Option<Message> = get(reader.tables(), &message.key())?;
            mine.extend(now.filter(|m| (m.owner, m.due_ms) == (owner, until_ms)));
        }
        Ok(mine)
    };
    outbox.reads.ask(read).await.map_err(|fault| fault.to_string())
}

/// How long a message waits that was tried so often in vain, in milliseconds.
fn pause_ms(tries: u32) -> i64 {
    FIRST_PAUSE_MS.saturating_mul(1 << tries.min(30)).min(MOST_PAUSE_MS)
}

/// Writes down what came of a delivery. If that cannot be written, it is delivered once more later.
async fn conclude(outbox: &Outbox, message: &Message, delivery: Delivery) {
    let give_up = |why: &str| {
        let (id, subject) = (uuid::Uuid::from_u128(message.id), &message.subject);
        tracing::error!(kind = message.kind, %id, subject, why, "a message is given up");
        message.put_off(message.due_ms, MessageState::GivenUp, why)
    };
    let change = match delivery {
        Delivery::Delivered => message.delivered(),
        Delivery::GiveUp(why) => give_up(&why),
        Delivery::Retry { why, .. } if message.tries + 1 >= MOST_TRIES => {
            give_up(&format!("tried {MOST_TRIES} times, the last time in vain because: {why}"))
        }
        Delivery::Retry { after_ms, why } => {
            let wait = after_ms.max(pause_ms(message.tries));
            let due_ms = outbox.clock.now_ms().saturating_add(wait);
            message.put_off(due_ms, MessageState::Queued, &why)
        }
    };
    if let Err(no) = outbox.queue.write(vec![change]).await {
        tracing::warn!(?no, kind = message.kind, "what came of a message could not be written");
    }
}
