//! Webhooks: programs of others that are told what happens, by Standard Webhooks 1.0
//! (<https://www.standardwebhooks.com>). What is owed to them is a row of the outbox, written in the commit of what it
//! tells of (`writer/webhooks.rs`); here it is delivered, and here are the use cases of those who manage webhooks.
//!
//! - A message arrives at least once, unless its receiver takes none for days. Whoever gets it twice tells it by its
//!   id. Messages need not arrive in the order in which they were owed.
//! - A secret is derived from the key of the server, so it is not stored. It is shown when it is made.
//! - Each process has the list of webhooks in memory, because the writer looks at it with each decision. It reads the
//!   list again every few seconds, so a process owes to a webhook that another has made after that.
//!
//! It must not know: HTTP routes, SQL, or how anything is decided.

pub mod address;
pub mod deliver;
pub mod send;
mod sign;
#[cfg(test)]
mod tests;

use crate::access::{ShopPermit, may};
use crate::actor::Actor;
use crate::clock::DatabaseClock;
use crate::ids::{Ids, Secrets};
use crate::metrics::{ByState, Metrics};
use crate::reads::Reads;
use crate::store::records::audit_log::{Action, AuditLine};
use crate::store::records::outbox_rows::Message;
use crate::store::records::webhooks::{
    HookKinds, HookTry, MOST_WEBHOOKS, TEST, Tried, WEBHOOK, Webhook, address_changed, again, all,
    all_waiting, destination, due_of, event_changed, kinds_changed, last_of, message, portion,
    renewed, switched,
};
use crate::store::records::{Field, RecordChange, get};
use crate::store::{Fault, Reader};
use crate::when;
use crate::writer::{CommandError, HookList, Queue};
use address::Guard;
use boxoffice::{EventId, TimeMs};
use deliver::{Memory, host_of};
use nts_api::{WebhookData, WebhookMessage};
use std::sync::Arc;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Duration, sleep};

pub use sign::id as message_name;

/// How often the list is read, if nobody says that it has changed.
const FOLLOW: Duration = Duration::from_secs(5);
/// How often it is counted what waits: with each so manieth reading of the list.
const COUNT: u32 = 3;
/// How often old messages are removed.
const TIDY: Duration = Duration::from_secs(3_600);
/// After each portion that is removed others have the database for so long.
const BETWEEN: Duration = Duration::from_millis(20);
/// Messages are kept for so long, whatever became of them, in milliseconds.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// For so long the old secret signs as well after there is a new one, in milliseconds.
const OLD_SECRET_MS: i64 = 24 * 3_600_000;

/// The use cases.
pub struct Webhooks {
    /// The database's time.
    pub clock: Arc<DatabaseClock>,
    /// Makes ids.
    pub ids: Arc<Ids>,
    /// Makes the secrets that sign.
    pub secrets: Secrets,
    /// The way to the database for questions.
    pub reads: Reads,
    /// The way to the writer.
    pub queue: Queue,
    /// The list that the writer looks at.
    pub list: Arc<HookList>,
    /// Which addresses are allowed.
    pub guard: Guard,
    /// Rung when there is something to deliver.
    pub news: Arc<Notify>,
    /// Rung when the list has to be read again.
    pub changed: Arc<Notify>,
    /// Rung when a webhook was removed, and its messages are to go.
    pub removed: Notify,
    /// What is remembered of tries.
    pub memory: Arc<Memory>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Webhooks are changed one after the other.
    pub turn: Mutex<()>,
    /// The list is read by one at a time, so that nobody puts an older one over it.
    pub reading: Mutex<()>,
}

/// Why something was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotDone {
    /// The address is not allowed; a sentence says why.
    Address(String),
    /// There is no such webhook, or no such message of it.
    Gone,
    /// There are as many as there may be.
    TooMany,
    /// It could not be recorded.
    Failed(CommandError),
}

impl From<CommandError> for NotDone {
    fn from(no: CommandError) -> NotDone {
        NotDone::Failed(no)
    }
}

impl From<Fault> for NotDone {
    fn from(fault: Fault) -> NotDone {
        NotDone::Failed(fault.into())
    }
}

/// What of a webhook changes; what is absent stays.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Change {
    /// Where messages go.
    pub address: Option<String>,
    /// What it is told of.
    pub kinds: Option<HookKinds>,
    /// Of which event; inside `None`: of all.
    pub event: Option<Option<EventId>>,
    /// Whether it is told anything.
    pub is_on: Option<bool>,
}

impl Webhooks {
    /// All of them, the oldest first.
    pub async fn all(&self, _: &ShopPermit<may::ManageShop>) -> Result<Vec<Webhook>, CommandError> {
        Ok(self.reads.ask(|reader| all(reader.tables())).await?)
    }

    /// One of them.
    pub async fn one(&self, _: &ShopPermit<may::ManageShop>, id: u128) -> Result<Webhook, NotDone> {
        self.find(id).await
    }

    /// The secret that signs now, as it is shown to whoever has just made it.
    pub fn secret(&self, _: &ShopPermit<may::ManageShop>, webhook: &Webhook) -> String {
        sign::shown(&self.secrets.webhook(webhook.id, webhook.secret))
    }

    /// Makes a webhook. It is owed what is committed from now on, also after this process has ended.
    pub async fn make(
        &self,
        permit: &ShopPermit<may::ManageShop>,
        address: &str,
        kinds: HookKinds,
        event: Option<EventId>,
    ) -> Result<Webhook, NotDone> {
        self.guard.target(address).map_err(NotDone::Address)?;
        let _turn = self.turn.lock().await;
        if self.reads.ask(|reader| all(reader.tables())).await?.len() >= MOST_WEBHOOKS {
            return Err(NotDone::TooMany);
        }
        let now = self.clock.now_ms();
        let webhook = Webhook {
            id: self.ids.message(now),
            address: address.to_owned(),
            kinds,
            event,
            is_on: true,
            off_because: None,
            failing_ms: None,
            secret: 0,
            old_until_ms: None,
            made_by: permit.actor(),
            made_ms: now,
        };
        let line = self.line(permit.actor(), webhook.id, address, "made");
        self.queue.write(vec![RecordChange::put(&webhook), line]).await?;
        self.read_again().await;
        Ok(webhook)
    }

    /// Changes a webhook. Whoever switches one on, or gives it another address, begins anew: it is no longer failing.
    pub async fn change(
        &self,
        permit: &ShopPermit<may::ManageShop>,
        id: u128,
        change: Change,
    ) -> Result<Webhook, NotDone> {
        if let Some(address) = &change.address {
            self.guard.target(address).map_err(NotDone::Address)?;
        }
        let _turn = self.turn.lock().await;
        let before = self.find(id).await?;
        let Change { address, kinds, event, is_on } = change;
        let mut changes = Vec::new();
        let address = address.filter(|address| *address != before.address);
        if let Some(address) = &address {
            changes.push(address_changed(id, address));
        }
        if let Some(kinds) = kinds.filter(|kinds| *kinds != before.kinds) {
            changes.push(kinds_changed(id, &kinds));
        }
        if let Some(event) = event.filter(|event| *event != before.event) {
            changes.push(event_changed(id, event));
        }
        let turns = is_on.is_some_and(|is_on| is_on != before.is_on);
        if let Some(is_on) = is_on.filter(|_| turns || before.off_because.is_some()) {
            changes.push(switched(id, is_on));
        }
        if changes.is_empty() {
            return Ok(before);
        }
        let what = match turns {
            true if before.is_on => "switched off",
            true => "switched on",
            false => "changed",
        };
        let to = address.as_deref().unwrap_or(&before.address);
        changes.push(self.line(permit.actor(), id, to, what));
        self.queue.write(changes).await?;
        self.read_again().await;
        if address.is_some() || turns {
            self.memory.begin_anew(id, self.clock.now_ms());
        }
        self.news.notify_one();
        self.find(id).await
    }

    /// Removes a webhook. What was to be sent to it is not sent, and goes soon afterwards, portion by portion.
    pub async fn remove(
        &self,
        permit: &ShopPermit<may::ManageShop>,
        id: u128,
    ) -> Result<(), NotDone> {
        let _turn = self.turn.lock().await;
        let webhook = self.find(id).await?;
        let line = self.line(permit.actor(), id, &webhook.address, "removed");
        let removed = RecordChange::delete::<Webhook>(vec![id.value()]);
        self.queue.write(vec![removed, line]).await?;
        self.read_again().await;
        self.memory.forget(id);
        self.removed.notify_one();
        Ok(())
    }

    /// Gives a webhook another secret. Messages are signed with both for a day, and within that day it gets no third:
    /// whoever asks again, because the answer was lost say, gets the same one. `at_once`: the secrets before sign no
    /// more, and it gets another one in any case.
    pub async fn renew_secret(
        &self,
        permit: &ShopPermit<may::ManageShop>,
        id: u128,
        at_once: bool,
    ) -> Result<Webhook, NotDone> {
        let _turn = self.turn.lock().await;
        let webhook = self.find(id).await?;
        let now = self.clock.now_ms();
        if webhook.old_until_ms.is_some_and(|until| now < until) && !at_once {
            return Ok(webhook);
        }
        let until_ms = (!at_once).then_some(now + OLD_SECRET_MS);
        let what = if at_once { "another secret, at once" } else { "another secret" };
        let line = self.line(permit.actor(), id, &webhook.address, what);
        self.queue.write(vec![renewed(&webhook, until_ms), line]).await?;
        self.read_again().await;
        self.find(id).await
    }

    /// The time from which on a message is due that goes before all others to a webhook.
    async fn before_all(&self, id: u128, now: TimeMs) -> Result<TimeMs, Fault> {
        let find =
            move |reader: &mut dyn Reader| due_of(reader.tables(), &destination(id), now, false, 1);
        let first = self.reads.ask(find).await?;
        Ok(first.first().map_or(now, |first| first.due_ms - 1))
    }

    /// Owes a message to a webhook that only tries the way. It waits while the webhook is off.
    pub async fn test(&self, _: &ShopPermit<may::ManageShop>, id: u128) -> Result<Tried, NotDone> {
        self.find(id).await?;
        let now = self.clock.now_ms();
        let name = uuid::Uuid::from_u128(id).to_string();
        let told = WebhookMessage {
            data: WebhookData { webhook: Some(name.into()), ..WebhookData::default() },
            live: self.list.live(),
            timestamp: when::rfc3339(now).into(),
            kind: TEST.into(),
        };
        let payload = serde_json::to_string(&told).expect("a message is JSON");
        // An id of this form begins with the time, as those of the writer do.
        let mut message = message(self.ids.message(now), id, TEST, payload, None, now);
        message.due_ms = self.before_all(id, now).await?;
        self.queue.write(vec![RecordChange::put(&message)]).await?;
        self.memory.wake(id, now);
        self.news.notify_one();
        Ok(Tried { message, last: None })
    }

    /// The messages to a webhook before one of this id, the newest first, at most so many.
    pub async fn deliveries(
        &self,
        _: &ShopPermit<may::ManageShop>,
        id: u128,
        before: Option<u128>,
        limit: usize,
    ) -> Result<Vec<Tried>, NotDone> {
        self.find(id).await?;
        Ok(self.reads.ask(move |reader| last_of(reader.tables(), id, before, limit)).await?)
    }

    /// Sends a message again, or one that waits at once, under its own id, before all others to the webhook. It waits
    /// while the webhook is off.
    pub async fn replay(
        &self,
        _: &ShopPermit<may::ManageShop>,
        id: u128,
        message: u128,
    ) -> Result<Tried, NotDone> {
        self.find(id).await?;
        self.message(id, message).await?;
        let now = self.clock.now_ms();
        self.queue.write(vec![again(message, self.before_all(id, now).await?)]).await?;
        self.memory.wake(id, now);
        self.news.notify_one();
        self.message(id, message).await
    }

    async fn find(&self, id: u128) -> Result<Webhook, NotDone> {
        let key = [id.value()];
        let found = self.reads.ask(move |reader| get::<Webhook>(reader.tables(), &key)).await?;
        found.ok_or(NotDone::Gone)
    }

    async fn message(&self, id: u128, message: u128) -> Result<Tried, NotDone> {
        let key = [message.value()];
        let ask = move |reader: &mut dyn Reader| {
            Ok((get::<Message>(reader.tables(), &key)?, get::<HookTry>(reader.tables(), &key)?))
        };
        let (found, last) = self.reads.ask(ask).await?;
        let is_its = |m: &Message| m.kind == WEBHOOK && m.destination == destination(id);
        let message = found.filter(is_its).ok_or(NotDone::Gone)?;
        Ok(Tried { message, last })
    }

    fn line(&self, actor: Actor, id: u128, address: &str, what: &str) -> RecordChange {
        let now = self.clock.now_ms();
        let (id, host) = (uuid::Uuid::from_u128(id), host_of(address));
        let detail = format!("{id} to {host}: {what}");
        let id = self.ids.message(now);
        let line = AuditLine::of_office(id, now, actor, Action::WebhookChanged, detail);
        RecordChange::put(&line)
    }

    /// Reads the list after a change that is committed. If it cannot be read now, [`follow`] reads it.
    async fn read_again(&self) {
        if let Err(fault) = self.refresh().await {
            tracing::warn!(%fault, "the webhooks cannot be read; it is tried again");
            self.changed.notify_one();
        }
    }

    /// Reads the list from the database.
    pub async fn refresh(&self) -> Result<(), Fault> {
        let _alone = self.reading.lock().await;
        let read = self.reads.ask(|reader| all(reader.tables())).await?;
        let known = self.list.known();
        for webhook in &read {
            let before = known.iter().find(|known| known.id == webhook.id);
            if let Some(why) = &webhook.off_because
                && before.is_none_or(|before| before.off_because.is_none())
            {
                let (id, host) = (uuid::Uuid::from_u128(webhook.id), host_of(&webhook.address));
                tracing::error!(%id, host, why, "a webhook is switched off");
            }
        }
        let count = |is: fn(&Webhook) -> bool| read.iter().filter(|webhook| is(webhook)).count();
        let off = count(|webhook| webhook.off_because.is_some());
        let failing = count(|webhook| webhook.is_on && webhook.failing_ms.is_some());
        for (state, count) in [("switched_off", off), ("failing", failing)] {
            self.metrics.hooks_in_trouble.get_or_create(&ByState { state }).set(count as i64);
        }
        if *known != read {
            self.list.set(read);
        }
        Ok(())
    }

    async fn count(&self) {
        if let Ok(waiting) = self.reads.ask(|reader| all_waiting(reader.tables())).await {
            self.metrics.hooks_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        }
    }

    /// Removes what is old, and the messages to webhooks that are no more, portion by portion: others write between
    /// them. Gives how many portions there were. What is in trouble is tried again an hour later.
    async fn tidy(&self) -> Result<usize, CommandError> {
        let mut portions = 0;
        loop {
            let before_ms: TimeMs = self.clock.now_ms() - KEPT_MS;
            let next = self.reads.ask(move |reader| portion(reader.tables(), before_ms)).await?;
            if next.is_empty() {
                return Ok(portions);
            }
            self.queue.write(next).await?;
            portions += 1;
            sleep(BETWEEN).await;
        }
    }
}

/// Reads the list again and again until the process ends, and counts what waits. Also where no other process changes
/// it: a request that is cut off may have changed it.
pub async fn follow(webhooks: Arc<Webhooks>) {
    for looks in 0_u32.. {
        tokio::select! {
            biased;
            () = sleep(FOLLOW) => {}
            // What is recorded at this moment is there a moment later.
            () = webhooks.changed.notified() => sleep(Duration::from_millis(100)).await,
        }
        if let Err(fault) = webhooks.refresh().await {
            tracing::warn!(%fault, "the webhooks cannot be read; it is tried again");
        }
        if looks.is_multiple_of(COUNT) {
            webhooks.count().await;
        }
    }
}

/// Removes what is not needed any more, each hour and when a webhook was removed, until the process ends.
pub async fn clean(webhooks: Arc<Webhooks>) {
    loop {
        tokio::select! {
            biased;
            () = sleep(TIDY) => {}
            () = webhooks.removed.notified() => {}
        }
        if let Err(no) = webhooks.tidy().await {
            tracing::warn!(?no, "old messages to webhooks cannot be removed; it is tried again");
        }
    }
}
