//! Sales: what buyers do with orders. Pages, the JSON API and the old routes are adapters of it.
//!
//! A use case submits commands to the writer, waits for what they lead to, and answers with the order
//! or with a [`SaleError`]. It must not know: HTTP, SQL, or a provider's API.

use crate::actor::Actor;
use crate::admission::Admission;
use crate::admission::client::Client;
use crate::admission::unpaid::Wish;
use crate::catalogue::{Catalogue, Watch, Watchers};
use crate::clock::{DatabaseClock, UnderWay};
use crate::identity::{buyer_key, untagged_key};
use crate::ids::Ids;
use crate::payments::stripe::is_token;
use crate::reads::Reads;
use crate::settlement::{self, Settlement};
use crate::stop::Stop;
use crate::store::RequestKey;
use crate::writer::{Answer, CommandError, CommandOutcome, IdempotencyKey, Queue};
use boxoffice::{
    AnswerWish, AttemptState, CodeSpec, Command, Event, Metadata, Order, OrderId, OrderState,
    Refusal, Reply, TimeMs,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{Duration, Instant, sleep, timeout_at};

/// Why a use case did not do what was asked. Nothing was done, except for `InDoubt`.
pub type SaleError = CommandError;

/// How long an answer waits for the provider before it says "still paying": less than anybody's
/// patience.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// How often an order that is waited for is read again where other processes may change it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long what another process may just have committed is waited for.
const FRESH: Duration = Duration::from_secs(2);
/// How often unpaid orders of which nothing was heard are looked at, and how many of them at a time.
const RECOUNT: Duration = Duration::from_secs(5);
const MOST_RECOUNTED: usize = 500;

/// The use cases of buyers, and what they need.
pub struct Sales {
    /// The time of the database.
    pub clock: Arc<DatabaseClock>,
    /// Makes ids.
    pub ids: Arc<Ids>,
    /// Takes commands.
    pub writer: Queue,
    /// Reads orders.
    pub reads: Reads,
    /// The events as of the last commit.
    pub catalogue: Arc<Catalogue>,
    /// Tells news of orders to those who wait for them.
    pub watchers: Arc<Watchers>,
    /// The budgets of clients.
    pub admission: Arc<Admission>,
    /// Settles payments.
    pub settlement: Arc<Settlement>,
    /// The keyed requests that are being answered and take more than one commit.
    pub running: Running,
    /// Since when a batch of this process is under way.
    pub under_way: Arc<UnderWay>,
    /// Raised when the server stops: then nothing is waited for.
    pub stop: Arc<Stop>,
}

/// Idempotency keys of requests that are being answered.
#[derive(Default)]
pub struct Running(Mutex<BTreeSet<RequestKey>>);

impl Running {
    /// Enters a key until the guard is dropped; `None` if it is in already.
    pub fn enter(&self, key: RequestKey) -> Option<RunningGuard<'_>> {
        let new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        // A guard that is made must be dropped, so none is made for a key that is in already.
        new.then(|| RunningGuard { running: self, key })
    }
}

/// Takes its key out again when it is dropped.
pub struct RunningGuard<'a> {
    running: &'a Running,
    key: RequestKey,
}

impl Drop for RunningGuard<'_> {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// What is read after a command was accepted. That it cannot be read does not mean that nothing was done.
pub fn after_the_command<T>(read: Result<T, SaleError>) -> Result<T, SaleError> {
    read.map_err(|error| match error {
        CommandError::Unavailable => CommandError::InDoubt,
        other => other,
    })
}

impl Sales {
    /// Submits a command to the writer.
    pub async fn submit(&self, command: Command, request: Option<IdempotencyKey>) -> Answer {
        self.writer.ask(command, request).await
    }

    /// Holds tickets, if the client's budget and the buyer's allow it.
    pub async fn hold(
        &self,
        client: Client,
        event: &Event,
        mut command: Command,
        request: Option<IdempotencyKey>,
    ) -> Answer {
        if client == Client::Unlimited {
            return self.submit(command, request).await;
        }
        let Command::Hold { order, buyer, lines, terms, most_ms, .. } = &mut command else {
            unreachable!("a hold is asked for");
        };
        let has_code = terms.code.is_some();
        if has_code {
            self.admission.may_try_code(client).map_err(CommandError::OverBudget)?;
        }
        self.admission.may_hold(client).map_err(CommandError::OverBudget)?;
        let mut wish = Wish::of(event, *order, lines, buyer.key.0);
        wish.request = request.map(|request| request.key.0);
        let mut reserved = self.admission.reserve(client, &wish, self.clock.now_ms());
        if reserved.is_err() && self.look_again(client, &wish).await {
            reserved = self.admission.reserve(client, &wish, self.clock.now_ms());
        }
        let reserved = reserved.map_err(|refused| {
            self.admission.held_nothing(client);
            CommandError::OverBudget(refused)
        })?;
        *most_ms = reserved.most_ms;
        let answer = self.submit(command, request).await;
        if has_code && matches!(answer, Err(CommandError::Refused(Refusal::UnknownCode))) {
            self.admission.tried_wrong_code(client);
        }
        if changed_nothing(&answer) {
            self.admission.held_nothing(client);
            reserved.forget();
        }
        answer
    }

    /// The code that a client looks at an event with, if its budget allows it.
    pub fn code<'e>(
        &self,
        client: Client,
        event: &'e Event,
        typed: &str,
    ) -> Result<&'e CodeSpec, SaleError> {
        self.admission.may_try_code(client).map_err(CommandError::OverBudget)?;
        event.code(typed, self.clock.now_ms()).map_err(|refusal| {
            if refusal == Refusal::UnknownCode {
                self.admission.tried_wrong_code(client);
            }
            CommandError::Refused(refusal)
        })
    }

    /// Begins an attempt to pay, if the client's budget and the buyer's allow it.
    async fn begin_payment(
        &self,
        actor: Actor,
        client: Client,
        command: Command,
        request: Option<IdempotencyKey>,
    ) -> Answer {
        let Command::Pay { order, .. } = &command else { unreachable!("somebody pays") };
        let reserved = self.admission.pay(client, *order);
        let reserved = reserved.map_err(CommandError::OverBudget)?;
        let answer = self.writer.ask_as(actor, command, request).await;
        if changed_nothing(&answer) {
            reserved.forget();
        }
        answer
    }

    /// Begins an attempt to pay and waits until it is decided, or until [`PATIENCE`] ends; not at all if
    /// the queue is longer than that, or if a third of the connections is kept by others who wait.
    /// Gives the order and the attempt's number; 0 if none was needed.
    pub async fn pay(
        &self,
        actor: Actor,
        client: Client,
        id: OrderId,
        token: String,
        request: Option<IdempotencyKey>,
    ) -> Result<(Arc<Order>, u16), SaleError> {
        let _running = match request {
            Some(request) => Some(self.running.enter(request.key).ok_or(CommandError::Running)?),
            None => None,
        };
        let token = self.checked_token(id, token).await?;
        let watch = self.watchers.watch(id);
        let payment = self.ids.payment(self.clock.now_ms());
        let live = self.settlement.stripe.live();
        let command = Command::Pay { order: id, payment, live, token };
        let replied = self.begin_payment(actor, client, command, request).await?;
        let attempt = match replied.reply {
            Reply::Paying { attempt, .. } => attempt,
            _ => 0,
        };
        let decided = |order: &Order| match order.state {
            OrderState::Paying => {
                !matches!(outcome(order, attempt), Some(AttemptState::Pending) | None)
            }
            OrderState::Committed | OrderState::Canceling => false,
            _ => true,
        };
        let waiting = self.admission.slots.waiters.try_acquire();
        let skip = waiting.is_err() || self.settlement.queue_seconds(id) > PATIENCE.as_secs();
        let order = self.wait_for(id, &watch, |order| skip || decided(order)).await?;
        Ok((order, attempt))
    }

    /// A token as the payment provider gives it, or none where nothing is to be paid. Anything else is
    /// refused before it is recorded or takes a place in the queue.
    async fn checked_token(&self, id: OrderId, token: String) -> Result<String, SaleError> {
        if token.is_empty() || is_token(&token) {
            return Ok(token);
        }
        let order = self.stored(id).await?;
        if order.is_some_and(|order| order.total().minor == 0) {
            return Ok(String::new());
        }
        let what =
            "the payment token is not one: it begins with ctoken_ or tok_; nothing was tried";
        Err(CommandError::Refused(Refusal::Invalid(what.into())))
    }

    /// Cancels, and waits until the payment is known to be dead, or until [`PATIENCE`] ends.
    pub async fn cancel(
        &self,
        actor: Actor,
        id: OrderId,
        request: Option<IdempotencyKey>,
    ) -> Result<Arc<Order>, SaleError> {
        let watch = self.watchers.watch(id);
        let replied = self.writer.ask_as(actor, Command::Cancel { order: id }, request).await?;
        let nothing_made = |o: &Order| o.payment.as_ref().is_none_or(|p| p.intent.is_none());
        if replied.order.is_some_and(|o| o.state == OrderState::Canceling && nothing_made(&o)) {
            // Nothing was created that could take money: no need to queue for the provider.
            _ = self.submit(Command::Expire { order: id }, None).await;
        }
        self.wait_for(id, &watch, |order| order.state != OrderState::Canceling).await
    }

    /// Gives an order that has tickets another e-mail address, because its holder asks for it. The old address
    /// is told, and the new one gets the tickets.
    pub async fn change_address(
        &self,
        actor: Actor,
        id: OrderId,
        email: &str,
        request: Option<IdempotencyKey>,
    ) -> Result<Arc<Order>, SaleError> {
        let order = self.stored(id).await?;
        let order = order.ok_or(CommandError::Refused(Refusal::UnknownOrder))?;
        let email = email.trim().to_owned();
        let (key, untagged) = (buyer_key("", &email), untagged_key(&email));
        let command =
            Command::ChangeAddress { order: id, event: order.event, email, key, untagged };
        let replied = self.writer.ask_as(actor, command, request).await?;
        match replied.order {
            Some(order) => Ok(order),
            None => after_the_command(self.find(id).await),
        }
    }

    /// Answers what the event of an order asks. What is not among the answers is taken back. Staff may answer at
    /// any time. Gives the order as it is then.
    pub async fn answer(
        &self,
        actor: Actor,
        id: OrderId,
        answers: Vec<AnswerWish>,
    ) -> Result<Arc<Order>, SaleError> {
        let staff = !matches!(actor, Actor::Buyer);
        let tidy = |wish: AnswerWish| AnswerWish {
            // Forms send the line breaks of Windows.
            value: wish.value.replace("\r\n", "\n").trim().into(),
            ..wish
        };
        let answers = answers.into_iter().map(tidy).collect();
        let command = Command::Answer { order: id, answers, staff };
        let replied = self.writer.ask_as(actor, command, None).await?;
        match replied.order {
            Some(order) => Ok(order),
            None => after_the_command(self.find(id).await),
        }
    }

    /// Keeps this metadata with an order, and none of what was kept before. Gives the order as it is then.
    pub async fn put_metadata(
        &self,
        actor: Actor,
        id: OrderId,
        metadata: Metadata,
    ) -> Result<Arc<Order>, SaleError> {
        let command = Command::PutMetadata { order: id, metadata };
        let replied = self.writer.ask_as(actor, command, None).await?;
        match replied.order {
            Some(order) => Ok(order),
            None => after_the_command(self.find(id).await),
        }
    }

    /// Waits until an order is as wanted, or until [`PATIENCE`] ends; gives the order as it is then.
    /// What our own writer commits is told to the watch before the command is answered, so what was
    /// asked for under the watch has been done in what is looked at here.
    pub async fn wait_for(
        &self,
        id: OrderId,
        watch: &Watch,
        wanted: impl Fn(&Order) -> bool,
    ) -> Result<Arc<Order>, SaleError> {
        let end = Instant::now() + PATIENCE;
        let mut told = true;
        loop {
            let mut news = std::pin::pin!(watch.news());
            news.as_mut().enable();
            let order = match watch.latest().filter(|_| told) {
                Some(order) => order,
                None => {
                    let order = self.reads.ask(move |r| r.order(id)).await;
                    let order = order.map_err(|_| CommandError::InDoubt)?;
                    Arc::new(order.ok_or(CommandError::Refused(Refusal::UnknownOrder))?)
                }
            };
            if wanted(&order) || self.stop.is_raised() {
                return Ok(order);
            }
            // Another process may be at it, whose news are not told here.
            let look = if self.catalogue.is_shared() { Instant::now() + LOOK_AGAIN } else { end };
            told = timeout_at(end.min(look), news).await.is_ok();
            if !told && Instant::now() >= end {
                return Ok(order);
            }
        }
    }

    /// An order as it is. One that is queued for the provider is asked for again and again: it comes
    /// from memory.
    pub async fn find(&self, id: OrderId) -> Result<Arc<Order>, SaleError> {
        if let Some(known) = self.settlement.queue.known(id) {
            return Ok(known);
        }
        self.stored(id).await?.map(Arc::new).ok_or(CommandError::Refused(Refusal::UnknownOrder))
    }

    /// An order as it is stored.
    pub async fn stored(&self, id: OrderId) -> Result<Option<Order>, SaleError> {
        Ok(self.reads.ask(move |r| r.order(id)).await?)
    }

    /// When an order was placed or changed for the last time.
    pub async fn changed_ms(&self, id: OrderId) -> Result<Option<TimeMs>, SaleError> {
        Ok(self.reads.ask(move |r| r.changed_ms(id)).await?)
    }

    /// The estimated seconds until an order is settled; 0 if no queue has formed.
    pub fn queue_seconds(&self, order: OrderId) -> u64 {
        self.settlement.queue_seconds(order)
    }

    /// Whether orders that come later may be settled before this one.
    pub fn waits_behind_others(&self, order: &Order) -> bool {
        self.settlement.waits_behind_others(order)
    }

    /// Whether real money moves.
    pub fn is_live(&self) -> bool {
        self.settlement.stripe.live()
    }

    /// Whether the payment provider has not been reached for a while.
    pub fn provider_is_out_of_reach(&self) -> bool {
        self.settlement.stripe.out_of_reach()
    }

    /// Reads the payment of an order at the provider now, because its buyer is back or looks at its
    /// page; unless the order waits behind others. Gives the order as it is then.
    pub async fn refresh(&self, order: &Order) -> Option<Answer> {
        settlement::reconcile(&self.settlement, order).await
    }

    /// The event with this slug. One that another process has just made is waited for; while nobody can
    /// tell whether there is such an event, the error is `Unavailable`.
    pub async fn event_named(&self, slug: &str) -> Result<Arc<Event>, SaleError> {
        self.find_event(|catalogue| catalogue.event(slug)).await
    }

    /// The event of an order, with all ticket types that the order names.
    pub async fn event_of(&self, order: &Order) -> Result<Arc<Event>, SaleError> {
        self.find_event(|catalogue| {
            let event = catalogue.event_by_id(order.event)?;
            let known = |l: &boxoffice::Line| usize::from(l.ticket_type) < event.ticket_types.len();
            order.lines.iter().all(known).then(|| Arc::clone(&event))
        })
        .await
    }

    /// What is found in the catalogue, if need be after a fresh look at what other processes did.
    async fn find_event(
        &self,
        find: impl Fn(&Catalogue) -> Option<Arc<Event>>,
    ) -> Result<Arc<Event>, SaleError> {
        if let Some(event) = find(&self.catalogue) {
            return Ok(event);
        }
        // Boxed: what hardly ever happens makes no room in what always happens.
        let certain = Box::pin(self.catalogue.fresh(FRESH)).await;
        find(&self.catalogue).ok_or(if certain {
            CommandError::Refused(Refusal::UnknownEvent)
        } else {
            CommandError::Unavailable
        })
    }

    /// Looks at what became of a client's orders, where that was not told to this process. Gives
    /// whether there was anything to look at.
    async fn look_again(&self, client: Client, wish: &Wish) -> bool {
        let doubtful = self.admission.doubtful(client, wish);
        self.look_at(&doubtful).await && !doubtful.is_empty()
    }

    /// Tells admission of these orders as they are in the database.
    async fn look_at(&self, orders: &[OrderId]) -> bool {
        for id in orders.iter().copied() {
            let now = self.clock.now_ms();
            match self.reads.ask(move |r| r.order(id)).await {
                Ok(Some(order)) => self.count_unpaid([&order], now),
                Ok(None) => self.admission.missing(id),
                Err(_) => return false,
            }
        }
        true
    }

    /// Tells admission which of these orders are unpaid at `now`.
    pub fn count_unpaid<'a>(&self, orders: impl IntoIterator<Item = &'a Order>, now: TimeMs) {
        let identity = |o: &Order| buyer_key(&o.buyer.name, &o.buyer.email).0;
        self.admission.told(orders, now, !self.catalogue.is_shared(), identity);
    }

    /// Looks at unpaid orders of which nothing was heard: that another process settled, whose commit
    /// was in doubt, or whose caller had gone. Until the process ends.
    pub async fn recount(self: Arc<Sales>) {
        loop {
            sleep(RECOUNT).await;
            self.admission.refresh();
            let overdue = self.admission.overdue(MOST_RECOUNTED);
            self.look_at(&overdue).await;
        }
    }
}

/// What became of an attempt.
pub fn outcome(order: &Order, attempt: u16) -> Option<&AttemptState> {
    let attempts = &order.payment.as_ref()?.attempts;
    attempts.iter().find(|a| a.number == attempt).map(|a| &a.state)
}

/// Whether what was reserved for a command is free again: it changed nothing, or had been done before.
/// Nobody knows that of one whose outcome is unknown.
fn changed_nothing(answer: &Answer) -> bool {
    match answer {
        Ok(CommandOutcome { again, .. }) => *again,
        Err(CommandError::InDoubt) => false,
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_after_a_command_was_done_all_the_same() {
        let read = |error| after_the_command::<()>(Err(error)).unwrap_err();
        assert!(matches!(read(CommandError::Unavailable), CommandError::InDoubt));
        let gone = CommandError::Refused(Refusal::UnknownOrder);
        assert!(matches!(read(gone), CommandError::Refused(Refusal::UnknownOrder)));
    }
}
