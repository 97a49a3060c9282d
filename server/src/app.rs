//! What everything in the server shares, and how the parts are started.

use crate::actor::Actor;
use crate::admission::Admission;
use crate::admission::client::Client;
use crate::admission::connections::Shares;
use crate::admission::unpaid::Wish;
use crate::catalogue::{Catalogue, Watchers};
use crate::clock::DatabaseClock;
use crate::config::Config;
use crate::http::legacy::Reservations;
use crate::http::shown::Shown;
use crate::identity::buyer_key;
use crate::ids::{Ids, Secrets, digest};
use crate::lag::Lag;
use crate::metrics::Metrics;
use crate::outbox::{Doorbell, Line, Stuck};
use crate::payments::class::PaymentClass;
use crate::payments::double::Double;
use crate::payments::stripe::{Stripe, is_token};
use crate::reads::Reads;
use crate::store::{Fault, Pulse, Reader, RequestKey};
use crate::writer::{Answer, Committed, NoReply, Queue, Replied, Request};
use boxoffice::{Command, Event, Order, OrderId, OrderState, TimeMs};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{Duration, Instant, sleep};

/// How long what another process may just have committed is waited for.
const FRESH: Duration = Duration::from_secs(2);
/// A difference between the own clock and the database's that is told, in milliseconds.
const SKEW_MS: i64 = 1_000;

/// How often unpaid orders of which nothing was heard are looked at, and how many of them at a time.
const RECOUNT: Duration = Duration::from_secs(5);
const MOST_RECOUNTED: usize = 500;

/// The parts, and what was configured.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The time of the database.
    pub clock: DatabaseClock,
    /// Makes ids.
    pub ids: Arc<Ids>,
    /// Makes what only we can make.
    pub secrets: Secrets,
    /// The digest of the organiser's key.
    pub organiser_key: u128,
    /// The way to the writer.
    pub queue: Queue,
    /// How far we are behind.
    pub lag: Lag,
    /// What each client may do.
    pub admission: Admission,
    /// The way to the database for questions.
    pub reads: Reads,
    /// What is for sale.
    pub catalogue: Catalogue,
    /// What of it many look at.
    pub shown: Shown,
    /// What was reserved by name over the old routes.
    pub reservations: Reservations,
    /// A permit for each who may listen to live counts.
    pub listeners: Arc<Semaphore>,
    /// How many of them each client has.
    pub listener_shares: Arc<Shares>,
    /// A permit for each who may keep a connection until a payment is decided.
    pub waiters: Semaphore,
    /// A permit for each large notification that is being received.
    pub large_webhooks: Semaphore,
    /// Who waits for news of which order.
    pub watchers: Arc<Watchers>,
    /// Who moves the money.
    pub stripe: Stripe,
    /// Who answers instead of Stripe while no key is set: the sandbox.
    pub sandbox: Option<Arc<Double>>,
    /// Who owes something to the provider.
    pub line: Line,
    /// Which orders cannot move on.
    pub stuck: Stuck,
    /// Where news of payments is rung in.
    pub doorbell: Doorbell,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The keyed requests that are being answered and take more than one commit.
    pub running: Running,
    /// Raised when the server is asked to stop: then it is no longer ready, and goes on.
    pub draining: Stop,
    /// Raised when it stops.
    pub stop: Stop,
}

/// Of so many connections, how many may listen to live counts.
pub fn most_listeners(connections: u32) -> usize {
    (connections / 2) as usize
}

/// Of so many connections, how many may be kept until a payment is decided.
pub fn most_waiters(connections: u32) -> usize {
    connections.div_ceil(3) as usize
}

/// Keys of requests that are being answered.
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

/// A flag that is raised once.
#[derive(Default)]
pub struct Stop {
    raised: AtomicBool,
    notify: Notify,
}

impl Stop {
    /// Raises it.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
        self.notify.notify_waiters();
    }

    /// Whether it is raised.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    /// Waits until it is raised.
    pub async fn raised(&self) {
        let notified = self.notify.notified();
        let mut notified = std::pin::pin!(notified);
        // Enlisted before the look at the flag, so that nothing falls in between.
        notified.as_mut().enable();
        if !self.is_raised() {
            notified.await;
        }
    }
}

impl App {
    /// Whether a wish for places is refused because too much is waiting: then it may be tried again
    /// after so many seconds.
    pub fn overrun(&self) -> Option<u32> {
        self.lag.refuses().inspect(|_| _ = self.metrics.busy.inc())
    }

    /// Whether who comes to look at an event is to come again after so many seconds, because the server
    /// is behind.
    pub fn comes_too_early(&self) -> Option<u32> {
        self.lag.refuses_newcomer().inspect(|_| _ = self.metrics.busy.inc())
    }

    /// Asks the writer, as who usually asks for this.
    pub async fn ask(&self, command: Command, request: Option<Request>) -> Answer {
        self.queue.ask(command, request).await
    }

    /// The same as somebody who is named.
    pub async fn ask_as(&self, actor: Actor, command: Command, request: Option<Request>) -> Answer {
        self.queue.ask_as(actor, command, request).await
    }

    /// Who has shown the organiser's key.
    pub fn organiser(&self) -> Actor {
        // A part of a digest of its digest: tells it from other keys, and opens nothing.
        Actor::ApiKey(digest(&[b"key id", &self.organiser_key.to_be_bytes()]) >> 96)
    }

    /// Asks the writer for a hold, if the client's budget and the buyer's allow it.
    pub async fn hold(
        &self,
        client: Client,
        event: &Event,
        mut command: Command,
        request: Option<Request>,
    ) -> Answer {
        if client == Client::Unlimited {
            return self.ask(command, request).await;
        }
        let Command::Hold { order, buyer, lines, most_ms, .. } = &mut command else {
            unreachable!("a hold is asked for");
        };
        self.admission.may_hold(client).map_err(NoReply::OverBudget)?;
        let mut wish = Wish::of(event, *order, lines, buyer.key.0);
        wish.request = request.map(|request| request.key.0);
        let mut reserved = self.admission.reserve(client, &wish, self.clock.now_ms());
        if reserved.is_err() && self.look_again(client, &wish).await {
            reserved = self.admission.reserve(client, &wish, self.clock.now_ms());
        }
        let reserved = reserved.map_err(|refused| {
            self.admission.held_nothing(client);
            NoReply::OverBudget(refused)
        })?;
        *most_ms = reserved.most_ms;
        let answer = self.ask(command, request).await;
        if nothing_came_of_it(&answer) {
            self.admission.held_nothing(client);
            reserved.forget();
        }
        answer
    }

    /// Asks the writer for an attempt to pay, if the client's budget and the buyer's allow it.
    pub async fn pay(&self, client: Client, command: Command, request: Option<Request>) -> Answer {
        let Command::Pay { order, .. } = &command else { unreachable!("somebody pays") };
        let reserved = self.admission.pay(client, *order);
        let reserved = reserved.map_err(NoReply::OverBudget)?;
        let answer = self.ask(command, request).await;
        if nothing_came_of_it(&answer) {
            reserved.forget();
        }
        answer
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

    fn count_unpaid<'a>(&self, orders: impl IntoIterator<Item = &'a Order>, now: TimeMs) {
        let identity = |o: &Order| buyer_key(&o.buyer.name, &o.buyer.email).0;
        self.admission.told(orders, now, !self.catalogue.is_shared(), identity);
    }

    /// The path of an order's page: whoever has it may see and pay the order.
    pub fn order_path(&self, order: OrderId) -> String {
        format!("/orders/{}/{}", uuid::Uuid::from_u128(order.0), self.secrets.order(order))
    }

    /// The address of an order's page.
    pub fn order_url(&self, order: OrderId) -> String {
        format!("{}{}", self.config.public_url(), self.order_path(order))
    }

    /// The path of an order's payment page: whoever has it may pay the order, and nothing else.
    pub fn pay_path(&self, order: OrderId) -> String {
        format!("/pay/{}/{}", uuid::Uuid::from_u128(order.0), self.secrets.pay(order))
    }

    /// The address of an order's payment page, which others than the buyer get to know.
    pub fn pay_url(&self, order: OrderId) -> String {
        format!("{}{}", self.config.public_url(), self.pay_path(order))
    }

    /// From the payment page to where the order is told of.
    pub fn way_back(&self, order: OrderId) -> String {
        format!("{}/order", self.pay_path(order))
    }

    /// The event with this slug. One that another process has just made is waited for.
    pub async fn event_named(&self, slug: &str) -> Option<Arc<Event>> {
        self.find(|catalogue| catalogue.event(slug)).await
    }

    /// The event of an order, with all ticket types that the order names.
    pub async fn event_of(&self, order: &Order) -> Option<Arc<Event>> {
        self.find(|catalogue| {
            let event = catalogue.event_by_id(order.event)?;
            let known = |l: &boxoffice::Line| usize::from(l.ticket_type) < event.ticket_types.len();
            order.lines.iter().all(known).then(|| Arc::clone(&event))
        })
        .await
    }

    /// What is found in the catalogue, if need be after a fresh look at what other processes did.
    async fn find(&self, find: impl Fn(&Catalogue) -> Option<Arc<Event>>) -> Option<Arc<Event>> {
        match find(&self.catalogue) {
            Some(event) => Some(event),
            None => {
                // Boxed: what hardly ever happens makes no room in what always happens.
                Box::pin(self.catalogue.fresh(FRESH)).await;
                find(&self.catalogue)
            }
        }
    }

    /// The class in which an order is settled. Whatever is not an attempt to pay is of the first.
    pub fn payment_class(&self, order: &Order) -> PaymentClass {
        let attempts = order.payment.as_ref().map_or(0, |payment| payment.attempts.len());
        match (order.state, attempts) {
            (OrderState::Paying, 2..) => PaymentClass::AfterDecline,
            (OrderState::Paying, _) if self.admission.is_second(order.id) => {
                PaymentClass::SecondOrder
            }
            _ => PaymentClass::First,
        }
    }

    /// Whether others who come later may be settled before this order.
    pub fn waits_behind_others(&self, order: &Order) -> bool {
        self.payment_class(order) != PaymentClass::First
    }

    /// Whether a text has the form of what the payment provider gives for a card.
    pub fn may_be_a_token(&self, text: &str) -> bool {
        is_token(text)
    }

    /// About how many seconds it takes until it is an order's turn to be paid; 0 if there is no line.
    /// Who is of a lower class waits longer if others of a higher one come meanwhile.
    pub fn line_seconds(&self, order: OrderId) -> u64 {
        let governor = self.stripe.governor();
        match governor.rate() {
            Some(rate) => {
                let class = self.line.class(order).unwrap_or(PaymentClass::First);
                let ahead = governor.waiting_up_to(class);
                let before = ahead + self.line.before(order);
                // The lower classes have their share meanwhile.
                let before = if governor.waiting() > ahead { before * 11 / 9 } else { before };
                (before as u64).div_ceil(u64::from(rate))
            }
            None => self.line.seconds(order).map_or(0, |seconds| seconds.ceil() as u64),
        }
    }

    /// Tells the world what a batch has changed: pages, the outbox and those who watch an order, then
    /// callers.
    pub fn tell(&self, committed: Committed) {
        if let Some(now_ms) = committed.now_ms.filter(|_| self.catalogue.is_shared()) {
            self.clock.saw(now_ms);
        }
        for alarm in &committed.alarms {
            let order = uuid::Uuid::from_u128(alarm.order.0);
            tracing::error!(%order, text = alarm.text, "ALARM: a person should look at this order");
            self.metrics.alarms.inc();
        }
        self.catalogue.doubt(committed.doubt);
        if committed.doubt.is_some() {
            self.line.doubt();
        }
        if !committed.events.is_empty() {
            self.catalogue.publish(committed.events, committed.batch);
        }
        self.count_unpaid(committed.orders.values().map(|order| &**order), self.clock.now_ms());
        self.stuck.tell(&committed.orders);
        let keep = !self.catalogue.is_shared();
        let class = |order: &Order| self.payment_class(order);
        self.line.tell(&committed.orders, &committed.effects, keep, class);
        self.watchers.changed(committed.orders);
        for (caller, answer) in committed.answers {
            // Who has gone does not hear it; what was recorded stays.
            _ = caller.send(answer);
        }
    }
}

/// Whether what was reserved for a command is free again: it changed nothing, or had been done before.
/// Nobody knows that of one whose outcome is in doubt.
fn nothing_came_of_it(answer: &Answer) -> bool {
    match answer {
        Ok(Replied { again, .. }) => *again,
        Err(NoReply::InDoubt) => false,
        Err(_) => true,
    }
}

/// Looks at unpaid orders of which nothing was heard: that another process settled, whose commit was
/// in doubt, or whose caller had gone. Until the process ends.
pub async fn recount(app: Arc<App>) {
    loop {
        sleep(RECOUNT).await;
        app.admission.refresh();
        let overdue = app.admission.overdue(MOST_RECOUNTED);
        app.look_at(&overdue).await;
    }
}

/// Reads what others have committed, and corrects the clock by the database's time of that reading.
/// `None` where no other process commits; the clock is then left as it is.
pub fn read_pulse(reader: &mut dyn Reader, clock: &DatabaseClock) -> Result<Option<Pulse>, Fault> {
    let asked_ms = clock.own_ms();
    let pulse = reader.pulse()?;
    if let Some(pulse) = &pulse {
        clock.saw_between(pulse.at_ms, asked_ms, clock.own_ms());
    }
    Ok(pulse)
}

/// Learns what other processes have committed and what time it is at the database, until the process
/// ends. Looks once in every `every`, and less often where reading the events takes long, so that it
/// costs a tenth of the time at most.
pub async fn follow(app: Arc<App>, every: Duration) {
    let mut mark = Vec::new();
    let mut faults = 0u32;
    let mut skewed = false;
    loop {
        let mut wait = every;
        let last = mark.clone();
        let asking = Arc::clone(&app);
        let read = move |reader: &mut dyn Reader| {
            let Some(pulse) = read_pulse(reader, &asking.clock)? else { return Ok(None) };
            let begun = Instant::now();
            let events = if pulse.mark == last { Vec::new() } else { reader.events()? };
            Ok(Some((pulse, events, begun.elapsed())))
        };
        match app.reads.ask(read).await {
            Ok(Some((pulse, events, took))) => {
                wait = wait.max(took * 9);
                tell_skew(&app, &mut skewed);
                app.catalogue.refresh(events, &pulse.mark, pulse.at_ms);
                mark = pulse.mark;
                if std::mem::take(&mut faults) > 0 {
                    tracing::info!("other processes' commits can be read again");
                }
            }
            Ok(None) => return,
            Err(fault) => {
                if faults == 0 {
                    tracing::error!(%fault, "cannot read what other processes have committed");
                }
                faults = faults.saturating_add(1);
            }
        }
        sleep(wait).await;
    }
}

/// Says how far the own clock is off, when that begins to matter to people who read the logs and when
/// it ends. Nothing of the sale depends on it.
fn tell_skew(app: &App, skewed: &mut bool) {
    let ahead_ms = app.clock.ahead_ms();
    app.metrics.database_clock_ahead.set(ahead_ms as f64 / 1e3);
    let now = ahead_ms.abs() > SKEW_MS;
    if now && !*skewed {
        let way = if ahead_ms > 0 { "behind" } else { "ahead of" };
        tracing::warn!(
            ahead_ms,
            "the clock of this machine is {way} the database's by {:.1} s; the database's is used. \
             Let all machines set their clocks by the same server (chrony, systemd-timesyncd)",
            ahead_ms.abs() as f64 / 1e3
        );
    } else if *skewed && !now {
        tracing::info!(ahead_ms, "the clock of this machine agrees with the database's again");
    }
    *skewed = now;
}

/// Passes on what the writer has to tell, until it is gone.
pub async fn tell_all(app: Arc<App>, mut told: mpsc::UnboundedReceiver<Committed>) {
    while let Some(committed) = told.recv().await {
        app.tell(committed);
        app.metrics.queue.set(app.queue.depth() as i64);
    }
}
