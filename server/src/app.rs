//! What everything in the server shares, and how the parts are started.

use crate::catalogue::{Catalogue, Watchers};
use crate::clock::Clock;
use crate::config::Config;
use crate::http::legacy::Reserved;
use crate::http::shown::Shown;
use crate::ids::{Ids, Secrets};
use crate::lag::Lag;
use crate::metrics::Metrics;
use crate::outbox::{Line, Ring};
use crate::payments::double::Double;
use crate::payments::stripe::Stripe;
use crate::reads::Reads;
use crate::store::{Reader, RequestKey};
use crate::writer::{Answer, Committed, Queue, Request};
use boxoffice::{Command, Event, Order, OrderId};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{Duration, Instant, sleep};

/// How long what another process may just have committed is waited for.
const FRESH: Duration = Duration::from_secs(2);

/// The parts, and what was configured.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The time.
    pub clock: Clock,
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
    /// The way to the database for questions.
    pub reads: Reads,
    /// What is for sale.
    pub catalogue: Catalogue,
    /// What of it many look at.
    pub shown: Shown,
    /// What was reserved by name over the old routes.
    pub reserved: Reserved,
    /// A permit for each who may listen to live counts.
    pub listeners: Arc<Semaphore>,
    /// A permit for each who may keep a connection until a payment is decided.
    pub waiters: Semaphore,
    /// Who waits for news of which order.
    pub watchers: Arc<Watchers>,
    /// Who moves the money.
    pub stripe: Stripe,
    /// Who answers instead of Stripe while no key is set: the sandbox.
    pub sandbox: Option<Arc<Double>>,
    /// Who owes something to the provider.
    pub line: Line,
    /// Where news of payments is rung in.
    pub doorbell: mpsc::Sender<Ring>,
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

    /// Asks the writer.
    pub async fn ask(&self, command: Command, request: Option<Request>) -> Answer {
        self.queue.ask(command, request).await
    }

    /// The path of an order's page: whoever has it may see and pay the order.
    pub fn order_path(&self, order: OrderId) -> String {
        format!("/orders/{}/{}", uuid::Uuid::from_u128(order.0), self.secrets.order(order))
    }

    /// The address of an order's page.
    pub fn order_url(&self, order: OrderId) -> String {
        format!("{}{}", self.config.public_url(), self.order_path(order))
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

    /// About how many seconds it takes until it is an order's turn to be paid; 0 if there is no line.
    pub fn line_seconds(&self, order: OrderId) -> u64 {
        let governor = self.stripe.governor();
        match governor.rate() {
            Some(rate) => {
                let before = governor.waiting() + self.line.before(order);
                (before as u64).div_ceil(u64::from(rate))
            }
            None => self.line.seconds(order).map_or(0, |seconds| seconds.ceil() as u64),
        }
    }

    /// Tells the world what a batch has changed: pages, the outbox and those who watch an order, then
    /// callers.
    pub fn tell(&self, committed: Committed) {
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
        let keep = !self.catalogue.is_shared();
        self.line.tell(&committed.orders, &committed.effects, keep);
        self.watchers.changed(committed.orders);
        for (caller, answer) in committed.answers {
            // Who has gone does not hear it; what was recorded stays.
            _ = caller.send(answer);
        }
    }
}

/// Learns what other processes have committed, until the process ends. Looks once in every `every`,
/// and less often where reading takes long, so that it costs a tenth of the time at most.
pub async fn follow(app: Arc<App>, every: Duration) {
    let mut mark = Vec::new();
    let mut faults = 0u32;
    loop {
        let begun = Instant::now();
        let last = mark.clone();
        let read = move |reader: &mut dyn Reader| {
            let Some(pulse) = reader.pulse()? else { return Ok(None) };
            let events = if pulse.mark == last { Vec::new() } else { reader.events()? };
            Ok(Some((pulse, events)))
        };
        match app.reads.ask(read).await {
            Ok(Some((pulse, events))) => {
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
        sleep(every.max(begun.elapsed() * 9)).await;
    }
}

/// Passes on what the writer has to tell, until it is gone.
pub async fn tell_all(app: Arc<App>, mut told: mpsc::UnboundedReceiver<Committed>) {
    while let Some(committed) = told.recv().await {
        app.tell(committed);
        app.metrics.queue.set(app.queue.depth() as i64);
    }
}
