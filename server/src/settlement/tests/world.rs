//! A settlement by itself: a database, its writer, and the fake Stripe in the same process. Time passes only
//! when nobody has anything to do.

use crate::admission::Admission;
use crate::admission::overload::Overload;
use crate::admission::slots::Slots;
use crate::clock::{Clock, DatabaseClock};
use crate::config::Config;
use crate::ids::{Ids, Secrets};
use crate::links::Links;
use crate::metrics::Metrics;
use crate::payments::fake::{FakeStripe, InjectedFault, Operation};
use crate::payments::governor::{Budget, Governor};
use crate::payments::stripe::Stripe;
use crate::payments::wire::{Exchange, Wire, WireRequest, WireResponse};
use crate::reads::Reads;
use crate::settlement::{Notice, Notices, Settlement, SettlementQueue, Stuck, run};
use crate::store::sqlite::SqliteStore;
use crate::writer::{Job, Queue, Writer};
use boxoffice::{
    Buyer, Command, EventId, LineWish, Order, OrderId, OrderState, RefundId, RefundWish, Reply,
};
use nts_testkit::fixtures;
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

/// When a world begins, in milliseconds since 1970.
pub const BEGUN_MS: i64 = 1_800_000_000_000;
/// What is waited for happens within this time, or never.
const LIMIT: Duration = Duration::from_secs(1_200);

/// How a world is made.
pub struct Setup {
    /// How often Stripe may be called; `None`: as often as wanted.
    pub budget: Option<Budget>,
    /// Whether other processes change the same orders.
    pub shared: bool,
    /// Whether the database can be read.
    pub readable: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup { budget: None, shared: false, readable: true }
    }
}

/// The way to the fake. It remembers what was asked, and when.
struct Line {
    fake: Arc<FakeStripe>,
    /// A request that begins so is refused, with this code.
    refused: Mutex<Option<(&'static str, &'static str)>>,
    begun: Instant,
    asked: Mutex<Vec<(u64, String)>>,
}

impl Wire for Line {
    fn exchange(&self, request: WireRequest) -> Exchange<'_> {
        let at_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap();
        let told = format!("{} {}", request.method, request.path);
        let refused = *self.refused.lock().unwrap();
        let refused = refused.filter(|(begin, _)| told.starts_with(begin));
        self.asked.lock().unwrap().push((at_ms, told));
        let Some((_, code)) = refused else { return self.fake.exchange(request) };
        let error = json!({"type": "invalid_request_error", "code": code, "message": "Words."});
        let body = json!({"error": error}).to_string().into();
        let (request_id, should_retry, retry_after_ms) = (None, None, None);
        let answer = WireResponse { status: 400, request_id, should_retry, retry_after_ms, body };
        Box::pin(async { Ok(answer) })
    }
}

/// A box office with one event of a thousand places, whose holds last five minutes, that keeps released
/// orders for 30 days. Nothing is settled before [`World::run`].
pub struct World {
    dir: PathBuf,
    pub fake: Arc<FakeStripe>,
    pub settlement: Arc<Settlement>,
    /// The notices that came, until somebody handles them.
    pub received: Option<mpsc::Receiver<Notice>>,
    /// How many milliseconds the writer takes for a batch.
    pub writing_ms: Arc<AtomicU64>,
    line: Arc<Line>,
    ids: Arc<Ids>,
    event: EventId,
    tasks: JoinSet<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Writes, and tells what a process tells after each commit.
async fn write(
    settlement: Arc<Settlement>,
    mut writer: Writer,
    mut jobs: mpsc::Receiver<Job>,
    writing_ms: Arc<AtomicU64>,
) {
    let mut batch = Vec::new();
    while jobs.recv_many(&mut batch, 1_000).await > 0 {
        let takes_ms = writing_ms.load(Ordering::SeqCst);
        if takes_ms > 0 {
            sleep(Duration::from_millis(takes_ms)).await;
        }
        let committed = writer.step(std::mem::take(&mut batch));
        settlement.metrics.alarms.inc_by(committed.alarms.len() as u64);
        settlement.committed(&committed.orders, &committed.effects);
        for (caller, answer) in committed.answers {
            _ = caller.send(answer);
        }
    }
}

impl World {
    pub async fn new(name: &str) -> World {
        World::with(name, Setup::default()).await
    }

    pub async fn with(name: &str, setup: Setup) -> World {
        let dir =
            std::env::temp_dir().join(format!("nts-settlement-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let begun = Instant::now();
        let own = Clock::Virtual { begun, begun_ms: BEGUN_MS, ahead_ms: Arc::default() };
        let store = SqliteStore::open(&dir.join("nts.db"), own.clone()).unwrap().store;
        let reads = match setup.readable {
            true => Reads::inline(Box::new(store.own_reader().unwrap())),
            false => Reads::threads(Vec::new()).unwrap(),
        };
        let fake = Arc::new(FakeStripe::in_memory(own.clone(), [3; 32]).unwrap());
        let (refused, asked) = (Mutex::default(), Mutex::default());
        let line = Arc::new(Line { fake: Arc::clone(&fake), refused, begun, asked });
        let (clock, ids) = (Arc::new(DatabaseClock::new(own)), Arc::new(Ids::new([7; 32], 0)));
        let mut tasks = JoinSet::new();
        let governor = match setup.budget.map(Governor::new) {
            Some((governor, task)) => {
                tasks.spawn(task);
                governor
            }
            None => Governor::unlimited(),
        };
        let (wire, secrets) = (Box::new(Arc::clone(&line)), Secrets::new([2; 32]));
        let (same_ids, same_clock) = (Arc::clone(&ids), Arc::clone(&clock));
        let metrics = Arc::new(Metrics::default());
        let (queue, jobs) = Queue::new(5_000, Duration::from_secs(5), Arc::clone(&metrics));
        let config = Config::from_flags([]).unwrap();
        let (overload, slots) = (Overload::new(0), Slots::new(64, 8));
        let admission = Admission::new(config.limits(), 7, Arc::clone(&metrics), overload, slots);
        let (notices, received) = Notices::new();
        let settlement = Arc::new(Settlement {
            stripe: Stripe::new(wire, governor, same_ids, same_clock, false, secrets.shop()),
            queue: SettlementQueue::default(),
            stuck: Stuck::default(),
            notices,
            clock,
            reads,
            writer: queue,
            admission: Arc::new(admission),
            links: Arc::new(Links::new("https://example.org".into(), secrets)),
            metrics: Arc::clone(&metrics),
            shared: setup.shared,
            keep_released_days: 30,
        });
        let (writer, writing_ms) = (Writer::new(Box::new(store), metrics), Arc::default());
        let same = Arc::clone(&settlement);
        tasks.spawn(write(same, writer, jobs, Arc::clone(&writing_ms)));
        let event = ids.event(BEGUN_MS);
        let received = Some(received);
        let world = World { dir, fake, settlement, received, writing_ms, line, ids, event, tasks };
        let spec = fixtures::event_spec("rock", 1_000);
        world.ask(Command::PutEvent { id: event, spec }).await;
        world
    }

    /// From now on this goes on beside the test.
    pub fn begin(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// From now on orders are settled. The list of what is owed is read every second.
    pub fn run(&mut self) {
        self.begin(run(Arc::clone(&self.settlement), Duration::from_secs(1), 100));
    }

    pub async fn ask(&self, command: Command) -> Reply {
        let answer = self.settlement.writer.ask(command, None).await;
        answer.unwrap_or_else(|no| panic!("{no:?}")).reply
    }

    /// Holds a ticket.
    pub async fn hold(&self) -> OrderId {
        let order = self.ids.order(self.settlement.clock.now_ms());
        let email = format!("{:x}@example.com", order.0);
        let key = crate::identity::buyer_key("Ann", &email);
        let (name, language) = ("Ann".into(), boxoffice::Language::EN);
        self.ask(Command::Hold {
            order,
            event: self.event,
            buyer: Buyer { name, email, key, language },
            untagged: None,
            lines: vec![LineWish { ticket_type: "t".into(), quantity: 1 }],
            terms: boxoffice::Terms::default(),
            metadata: boxoffice::Metadata::default(),
            most_ms: None,
        })
        .await;
        order
    }

    pub async fn pay(&self, order: OrderId, token: &str) {
        let payment = self.ids.payment(self.settlement.clock.now_ms());
        self.ask(Command::Pay { order, payment, live: false, token: token.into() }).await;
    }

    /// A ticket that is paid.
    pub async fn paid(&self) -> OrderId {
        let order = self.hold().await;
        self.pay(order, "ctoken_ok").await;
        self.until("it is paid", order, |o| o.state == OrderState::Paid).await;
        order
    }

    /// The organiser gives all of it back.
    pub async fn refund(&self, order: OrderId) -> RefundId {
        let refund = self.ids.refund(self.settlement.clock.now_ms());
        let wish = RefundWish::All;
        self.ask(Command::Refund { order, refund, wish, restock: true }).await;
        refund
    }

    pub async fn order(&self, id: OrderId) -> Order {
        self.settlement.reads.ask(move |r| r.order(id)).await.unwrap().unwrap()
    }

    /// The id of its PaymentIntent.
    pub async fn intent(&self, id: OrderId) -> String {
        self.order(id).await.payment.unwrap().intent.unwrap()
    }

    /// Waits until an order is so.
    pub async fn until(&self, what: &str, id: OrderId, is: impl Fn(&Order) -> bool) -> Order {
        let begun = Instant::now();
        loop {
            let order = self.order(id).await;
            if is(&order) {
                return order;
            }
            assert!(begun.elapsed() < LIMIT, "never: {what}: {order:#?}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// How often Stripe was called in this way, but for what was refused.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.fake.calls().get(&operation).copied().unwrap_or(0)
    }

    /// The first calls of this kind go wrong like this.
    pub fn fail(&self, operation: Operation, how: InjectedFault, times: u32) {
        let mut left = times;
        self.fake.misbehave(move |o| {
            let strikes = o == operation && left > 0;
            left -= u32::from(strikes);
            strikes.then_some(how)
        });
    }

    /// From now on a request that begins so is refused, with this code.
    pub fn refuse(&self, begin: &'static str, code: &'static str) {
        *self.line.refused.lock().unwrap() = Some((begin, code));
    }

    /// What Stripe was asked since the world began, of requests that begin so: when, in milliseconds, and the
    /// rest of the request.
    pub fn asked(&self, begin: &str) -> Vec<(u64, String)> {
        let asked = self.line.asked.lock().unwrap();
        let of = |(at_ms, told): &(u64, String)| Some((*at_ms, told.strip_prefix(begin)?.into()));
        asked.iter().filter_map(of).collect()
    }

    /// What was taken and given back of an order, in pence.
    pub fn moved(&self, order: OrderId) -> (i64, i64) {
        let moved = self.fake.ledger(order).unwrap();
        (moved.captured, moved.refunded)
    }

    pub fn alarms(&self) -> u64 {
        self.settlement.metrics.alarms.get()
    }
}
