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
use crate::reads::Reads;
use crate::store::records::audit_log::{Action, AuditLine};
use crate::store::records::outbox_rows::Message;
use crate::store::records::webhooks::{
    HookKinds, HookTry, MOST_WEBHOOKS, TEST, Tried, WEBHOOK, Webhook, again, all, destination,
    last_of, message, remove, renewed, settings_changed, tidy,
};
use crate::store::records::{Field, RecordChange, get};
use crate::store::{Fault, Reader};
use crate::when;
use crate::writer::{CommandError, HookList, Queue};
use address::Guard;
use boxoffice::{EventId, TimeMs};
use deliver::host_of;
use nts_api::{WebhookData, WebhookMessage};
use std::sync::Arc;
use tokio::sync::{Mutex, Notify};
use tokio::time::{Duration, Instant, sleep};

pub use sign::id as message_name;

/// How often the list is read, if nobody says that it has changed.
const FOLLOW: Duration = Duration::from_secs(5);
/// How often old messages are removed.
const TIDY: Duration = Duration::from_secs(3_600);
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
    /// Webhooks are changed one after the other.
    pub turn: Mutex<()>,
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
        let line = self.line(permit.actor(), &webhook, "made");
        self.queue.write(vec![RecordChange::put(&webhook), line]).await?;
        self.refresh().await?;
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
        let mut after = Webhook {
            address: address.unwrap_or_else(|| before.address.clone()),
            kinds: kinds.unwrap_or_else(|| before.kinds.clone()),
            event: event.unwrap_or(before.event),
            is_on: is_on.unwrap_or(before.is_on),
            ..before.clone()
        };
        if is_on.is_some() {
            after.off_because = None;
        }
        if after.address != before.address || after.is_on && !before.is_on {
            after.failing_ms = None;
        }
        if after == before {
            return Ok(after);
        }
        let what = match (before.is_on, after.is_on) {
            (true, false) => "switched off",
            (false, true) => "switched on",
            _ => "changed",
        };
        let line = self.line(permit.actor(), &after, what);
        self.queue.write(vec![settings_changed(&after), line]).await?;
        self.refresh().await?;
        self.news.notify_one();
        self.find(id).await
    }

    /// Removes a webhook, and what was to be sent to it.
    pub async fn remove(
        &self,
        permit: &ShopPermit<may::ManageShop>,
        id: u128,
    ) -> Result<(), NotDone> {
        let _turn = self.turn.lock().await;
        let webhook = self.find(id).await?;
        let mut changes = remove(id);
        changes.push(self.line(permit.actor(), &webhook, "removed"));
        self.queue.write(changes).await?;
        self.refresh().await?;
        Ok(())
    }

    /// Gives a webhook another secret. Messages are signed with both for a day.
    pub async fn renew_secret(
        &self,
        permit: &ShopPermit<may::ManageShop>,
        id: u128,
    ) -> Result<Webhook, NotDone> {
        let _turn = self.turn.lock().await;
        let webhook = self.find(id).await?;
        let until_ms = self.clock.now_ms() + OLD_SECRET_MS;
        let line = self.line(permit.actor(), &webhook, "another secret");
        self.queue.write(vec![renewed(&webhook, until_ms), line]).await?;
        self.refresh().await?;
        self.find(id).await
    }

    /// Owes a message to a webhook that only tries the way. It waits while the webhook is off.
    pub async fn test(&self, _: &ShopPermit<may::ManageShop>, id: u128) -> Result<Tried, NotDone> {
        self.find(id).await?;
        let now = self.clock.now_ms();
        let name = uuid::Uuid::from_u128(id).to_string();
        let told = WebhookMessage {
            data: WebhookData { webhook: Some(name.into()), ..WebhookData::default() },
            timestamp: when::rfc3339(now).into(),
            kind: TEST.into(),
        };
        let payload = serde_json::to_string(&told).expect("a message is JSON");
        // An id of this form begins with the time, as those of the writer do.
        let message = message(self.ids.message(now), id, TEST, payload, None, now);
        self.queue.write(vec![RecordChange::put(&message)]).await?;
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

    /// Sends a message again, or one that waits at once, under its own id. It waits while the webhook is off.
    pub async fn replay(
        &self,
        _: &ShopPermit<may::ManageShop>,
        id: u128,
        message: u128,
    ) -> Result<Tried, NotDone> {
        self.find(id).await?;
        self.message(id, message).await?;
        self.queue.write(vec![again(message, self.clock.now_ms())]).await?;
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

    fn line(&self, actor: Actor, webhook: &Webhook, what: &str) -> RecordChange {
        let now = self.clock.now_ms();
        let (id, host) = (uuid::Uuid::from_u128(webhook.id), host_of(&webhook.address));
        let detail = format!("{id} to {host}: {what}");
        let id = self.ids.message(now);
        let line = AuditLine::of_office(id, now, actor, Action::WebhookChanged, detail);
        RecordChange::put(&line)
    }

    /// Reads the list from the database.
    pub async fn refresh(&self) -> Result<(), Fault> {
        let read = self.reads.ask(|reader| all(reader.tables())).await?;
        if *self.list.known() != read {
            self.list.set(read);
        }
        Ok(())
    }
}

/// Reads the list again and again, and removes old messages, until the process ends. `shared`: other processes change
/// the list as well; else it is read again only while there is a webhook.
pub async fn follow(webhooks: Arc<Webhooks>, shared: bool) {
    let mut tidied = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = sleep(FOLLOW) => {}
            // What is recorded at this moment is there a moment later.
            () = webhooks.changed.notified() => sleep(Duration::from_millis(100)).await,
        }
        if !shared && webhooks.list.known().is_empty() {
            continue;
        }
        if let Err(fault) = webhooks.refresh().await {
            tracing::warn!(%fault, "the webhooks cannot be read; it is tried again");
        }
        if tidied.elapsed() >= TIDY {
            tidied = Instant::now();
            let before_ms: TimeMs = webhooks.clock.now_ms() - KEPT_MS;
            // What is in trouble is tried again an hour later.
            _ = webhooks.queue.write(tidy(before_ms).into()).await;
        }
    }
}
