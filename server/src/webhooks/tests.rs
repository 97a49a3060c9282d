//! From a change to the receiver, with paused time.

use super::deliver::Sender;
use super::send::{Answered, Carry, Post, Sending};
use super::*;
use crate::access::{Caller, Role};
use crate::clock::Clock;
use crate::messages::{Outbox, work};
use crate::metrics::Metrics;
use crate::store::records::accounts::{ALL_EVENTS, Account, GrantRow};
use crate::store::records::audit_log::{AuditLine, Filter, last};
use crate::store::records::outbox_rows::MessageState;
use crate::store::records::page;
use crate::store::records::webhooks::HookKind;
use crate::store::sqlite::SqliteStore;
use crate::writer::{Job, Writer};
use boxoffice::{
    Buyer, Command, EventSpec, Intent, IntentStatus, LineWish, Order, OrderId, PaymentId, RefundId,
    RefundOutcome, RefundWish, Reply, SeenVersion,
};
use nts_testkit::fixtures::event_spec;
use std::path::PathBuf;
use std::sync::Mutex as Lock;
use std::sync::atomic::AtomicI64;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

const BEGUN_MS: i64 = 1_800_000_000_000;
const HOUR: u64 = 3_600;
const ONE: &str = "https://one.example/hook";
const OTHER: &str = "https://other.example/hook";

/// What a receiver does.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Does {
    Answers(u16),
    AsksToWait(&'static str),
    /// It takes all messages but those of this type.
    Refuses(&'static str),
    /// It answers after so many seconds.
    Late(u64, u16),
    Hangs,
    Closes,
}

/// The receivers, by their addresses: those that are not named take everything.
#[derive(Default)]
struct Receivers {
    does: Lock<Vec<(String, Does)>>,
    /// What arrived, and when, in milliseconds since the beginning.
    came: Lock<Vec<(i64, Post)>>,
    begun: std::sync::OnceLock<Instant>,
}

impl Receivers {
    fn now_do(&self, address: &str, does: Does) {
        let mut all = self.does.lock().unwrap();
        all.retain(|(known, _)| known != address);
        all.push((address.into(), does));
    }

    fn tries(&self, address: &str) -> Vec<(i64, Post)> {
        let came = self.came.lock().unwrap();
        came.iter().filter(|(_, post)| post.address == address).cloned().collect()
    }

    /// The types of what came to an address.
    fn types(&self, address: &str) -> Vec<String> {
        let came = self.tries(address);
        came.iter().map(|(_, post)| json(&post.body)["type"].as_str().unwrap().into()).collect()
    }
}

impl Carry for Receivers {
    fn carry(&self, post: Post) -> Sending<'_> {
        let does = self.does.lock().unwrap();
        let does =
            does.iter().find(|(known, _)| *known == post.address).map(|(_, does)| does.clone());
        let at_ms = self.begun.get_or_init(Instant::now).elapsed().as_millis() as i64;
        let kind = json(&post.body)["type"].as_str().unwrap().to_owned();
        self.came.lock().unwrap().push((at_ms, post));
        Box::pin(async move {
            let answered = |status, retry_after: Option<&str>| {
                Ok(Answered {
                    status,
                    retry_after: retry_after.map(Into::into),
                    body: "words".into(),
                })
            };
            sleep(Duration::from_millis(50)).await;
            match does.unwrap_or(Does::Answers(204)) {
                Does::Answers(status) => answered(status, None),
                Does::AsksToWait(text) => answered(503, Some(text)),
                Does::Refuses(one) => answered(if kind == one { 422 } else { 204 }, None),
                Does::Late(seconds, status) => {
                    sleep(Duration::from_secs(seconds)).await;
                    answered(status, None)
                }
                Does::Hangs => {
                    sleep(send::PATIENCE).await;
                    Err("There was no answer in time.".into())
                }
                Does::Closes => Err("The connection ended.".into()),
            }
        })
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// A box office with one event.
struct World {
    dir: PathBuf,
    webhooks: Arc<Webhooks>,
    outbox: Outbox,
    receivers: Arc<Receivers>,
    event: EventId,
    tasks: JoinSet<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.dir);
    }
}

async fn write(mut writer: Writer, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    while jobs.recv_many(&mut batch, 100).await > 0 {
        for (caller, answer) in writer.step(std::mem::take(&mut batch)).answers {
            _ = caller.send(answer);
        }
    }
}

fn owner() -> ShopPermit<may::ManageShop> {
    Caller::system().shop_permit().unwrap()
}

impl World {
    /// One with this many places, that looks at its outbox every so many seconds.
    async fn new(name: &str, places: u32, look: u64) -> World {
        let dir = std::env::temp_dir().join(format!("nts-webhooks-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let clock = Clock::Virtual { begun: Instant::now(), begun_ms: BEGUN_MS, ahead_ms };
        let store = SqliteStore::open(&dir.join("nts.db"), clock.clone()).unwrap().store;
        let reads = Reads::inline(Box::new(store.own_reader().unwrap()));
        let metrics = Arc::new(Metrics::default());
        let (queue, jobs) = Queue::new(5_000, Duration::from_secs(5), Arc::clone(&metrics));
        let list = Arc::new(HookList::default());
        let mut tasks = JoinSet::new();
        let writer = Writer::new(Box::new(store), Arc::clone(&metrics));
        tasks.spawn(write(writer.telling(Arc::clone(&list)), jobs));
        let (clock, ids) = (Arc::new(DatabaseClock::new(clock)), Arc::new(Ids::new([7; 32], 0)));
        let outbox = Outbox {
            queue: queue.clone(),
            reads: reads.clone(),
            clock: Arc::clone(&clock),
            news: Arc::default(),
            look: Duration::from_secs(look),
            owner: 1,
        };
        let webhooks = Arc::new(Webhooks {
            clock,
            ids,
            secrets: Secrets::new([3; 32]),
            reads,
            queue,
            list,
            guard: Guard::default(),
            news: Arc::clone(&outbox.news),
            changed: Arc::default(),
            removed: Notify::new(),
            memory: Arc::default(),
            metrics,
            turn: Mutex::default(),
            reading: Mutex::default(),
        });
        let event = webhooks.ids.event(BEGUN_MS);
        let receivers = Arc::new(Receivers::default());
        _ = receivers.begun.set(Instant::now());
        let world = World { dir, webhooks, outbox, receivers, event, tasks };
        world.put(spec(places)).await;
        world
    }

    /// From now on messages are delivered, and the list is read again.
    fn deliver(&mut self) {
        self.deliver_as(1);
        self.tasks.spawn(follow(Arc::clone(&self.webhooks)));
        self.tasks.spawn(clean(Arc::clone(&self.webhooks)));
    }

    fn deliver_as(&mut self, owner: i64) {
        let sender = Sender {
            carry: Arc::clone(&self.receivers) as Arc<dyn Carry>,
            list: Arc::clone(&self.webhooks.list),
            secrets: self.webhooks.secrets.clone(),
            ids: Arc::clone(&self.webhooks.ids),
            clock: Arc::clone(&self.webhooks.clock),
            metrics: Arc::clone(&self.webhooks.metrics),
            reads: self.webhooks.reads.clone(),
            changed: Arc::clone(&self.webhooks.changed),
            memory: Arc::clone(&self.webhooks.memory),
        };
        let outbox = Outbox { owner, ..self.outbox.clone() };
        self.tasks.spawn(work(outbox, Arc::new(sender)));
    }

    /// The use cases of another process.
    fn other_process(&self) -> Webhooks {
        Webhooks {
            clock: Arc::clone(&self.webhooks.clock),
            ids: Arc::new(Ids::new([8; 32], 0)),
            secrets: self.webhooks.secrets.clone(),
            reads: self.webhooks.reads.clone(),
            queue: self.webhooks.queue.clone(),
            list: Arc::default(),
            guard: Guard::default(),
            news: Arc::default(),
            changed: Arc::default(),
            removed: Notify::new(),
            memory: Arc::default(),
            metrics: Arc::default(),
            turn: Mutex::default(),
            reading: Mutex::default(),
        }
    }

    async fn webhook(&self, address: &str) -> Webhook {
        self.webhooks.make(&owner(), address, HookKinds::EVERY, None).await.unwrap()
    }

    async fn ask(&self, command: Command) -> Reply {
        let answer = self.webhooks.queue.ask(command, None).await;
        answer.unwrap_or_else(|no| panic!("{no:?}")).reply
    }

    async fn put(&self, spec: EventSpec) {
        self.ask(Command::PutEvent { id: self.event, spec }).await;
    }

    async fn hold(&self, quantity: u32) -> OrderId {
        let order = self.webhooks.ids.order(self.webhooks.clock.now_ms());
        let email = "ann@example.com";
        let buyer = Buyer {
            name: "Ann".into(),
            email: email.into(),
            key: crate::identity::buyer_key("Ann", email),
            language: boxoffice::Language::EN,
        };
        let lines = vec![LineWish { ticket_type: "t".into(), quantity: quantity.into() }];
        self.ask(Command::Hold {
            order,
            event: self.event,
            buyer,
            untagged: None,
            lines,
            terms: boxoffice::Terms::default(),
            metadata: boxoffice::Metadata::default(),
            most_ms: None,
        })
        .await;
        order
    }

    /// Somebody begins to pay an order.
    async fn pay(&self, order: OrderId) {
        let payment = PaymentId(order.0 + 1);
        self.ask(Command::Pay { order, payment, live: false, token: "ctoken_ok".into() }).await;
        self.ask(Command::IntentCreated { order, intent: format!("pi_{}", order.0) }).await;
    }

    async fn paid(&self, quantity: u32) -> OrderId {
        let order = self.hold(quantity).await;
        self.pay(order).await;
        self.read(order, IntentStatus::RequiresCapture).await;
        self.read(order, IntentStatus::Succeeded).await;
        order
    }

    async fn read(&self, id: OrderId, status: IntentStatus) {
        let order: Order =
            self.webhooks.reads.ask(move |reader| reader.order(id)).await.unwrap().unwrap();
        let payment = order.payment.as_ref().unwrap();
        let received = if status == IntentStatus::Succeeded { order.total().minor } else { 0 };
        let intent = Intent {
            id: payment.intent.clone().unwrap(),
            status,
            amount: order.total(),
            received_minor: received,
            live: false,
            order: Some(id),
            payment: Some(payment.id),
            action: None,
            last_error: None,
            refunds: vec![],
            dispute: None,
        };
        let known = SeenVersion::confirming(&order);
        self.ask(Command::Reconcile { order: id, intent, known }).await;
    }

    async fn refund(&self, order: OrderId, refund: u128, wish: RefundWish, outcome: RefundOutcome) {
        let refund = RefundId(refund);
        self.ask(Command::Refund { order, refund, wish, restock: true }).await;
        self.webhooks
            .queue
            .ask(Command::RefundAnswered { order, refund, outcome }, None)
            .await
            .unwrap();
    }

    /// All that is owed to anybody, the oldest first.
    async fn rows(&self) -> Vec<Message> {
        let rows: Vec<Message> =
            self.webhooks.reads.ask(|reader| page(reader.tables(), None, 10_000)).await.unwrap();
        rows.into_iter().filter(|row| row.kind == WEBHOOK).collect()
    }

    /// The types of what is owed to a webhook since the last `seen` of it.
    async fn owed(&self, webhook: &Webhook, seen: &mut usize) -> Vec<String> {
        let to = destination(webhook.id);
        let rows = self.rows().await.into_iter().filter(|row| row.destination == to);
        let new: Vec<String> = rows.skip(*seen).map(|row| row.subject).collect();
        *seen += new.len();
        new
    }

    async fn now(&self, id: u128) -> Webhook {
        self.webhooks.one(&owner(), id).await.unwrap()
    }

    async fn audit(&self) -> Vec<AuditLine> {
        let filter = Filter { limit: 100, ..Filter::default() };
        let lines = self.webhooks.reads.ask(move |reader| last(reader.tables(), &filter));
        lines.await.unwrap()
    }
}

fn spec(places: u32) -> EventSpec {
    let mut spec = event_spec("show", places);
    spec.limit_per_order = 10;
    spec
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn each_change_owes_its_messages_in_the_same_commit() {
    let world = World::new("owes", 4, 1).await;
    let hook = world.webhook(ONE).await;
    let mut seen = 0;
    assert_eq!(world.owed(&hook, &mut seen).await, [""; 0], "nothing of what was before");
    let order = world.hold(2).await;
    assert_eq!(world.owed(&hook, &mut seen).await, ["order.held"]);
    world.pay(order).await;
    assert_eq!(world.owed(&hook, &mut seen).await, [""; 0]);
    world.read(order, IntentStatus::RequiresCapture).await;
    world.read(order, IntentStatus::Succeeded).await;
    assert_eq!(world.owed(&hook, &mut seen).await, ["order.paid"]);
    // Again the same: nothing is told twice.
    world.read(order, IntentStatus::Succeeded).await;
    assert_eq!(world.owed(&hook, &mut seen).await, [""; 0]);
    let last = world.paid(2).await;
    assert_eq!(
        world.owed(&hook, &mut seen).await,
        ["order.held", "event.sold_out", "order.paid"],
        "the last places are sold when the payment is approved, and the order is paid when the money is there"
    );
    let one = RefundWish::Lines(vec![LineWish { ticket_type: "t".into(), quantity: 1 }]);
    world.refund(order, 5, one, RefundOutcome::Succeeded("re_5".into())).await;
    assert_eq!(
        world.owed(&hook, &mut seen).await,
        ["ticket.revoked", "order.refunded", "event.on_sale_again"]
    );
    world.refund(last, 6, RefundWish::All, RefundOutcome::Failed("no money".into())).await;
    assert_eq!(world.owed(&hook, &mut seen).await, ["ticket.revoked", "ticket.valid_again"]);
    // Ended by the buyer, by its time, and by the bank after the places were promised.
    let canceled = world.hold(1).await;
    world.ask(Command::Cancel { order: canceled }).await;
    let expired = world.hold(1).await;
    seconds(HOUR).await;
    world.ask(Command::Expire { order: expired }).await;
    let void = world.hold(1).await;
    world.pay(void).await;
    world.read(void, IntentStatus::RequiresCapture).await;
    world.read(void, IntentStatus::Canceled).await;
    assert_eq!(
        world.owed(&hook, &mut seen).await,
        [
            "order.held",
            "order.canceled",
            "order.held",
            "order.expired",
            "order.held",
            "event.sold_out",
            "order.void",
            "event.on_sale_again"
        ]
    );
    let mut other = spec(4);
    world.put(other.clone()).await;
    assert_eq!(world.owed(&hook, &mut seen).await, [""; 0], "it says what it said");
    other.name = "Another name".into();
    world.put(other).await;
    let paused = Command::SetSale { event: world.event, to: boxoffice::Sale::Paused, seen: None };
    world.ask(paused).await;
    assert_eq!(world.owed(&hook, &mut seen).await, ["event.changed", "event.changed"]);
}

#[tokio::test(start_paused = true)]
async fn messages_have_ids_and_a_sequence_and_nothing_of_a_buyer() {
    let world = World::new("thin", 10, 1).await;
    world.webhook(ONE).await;
    let order = world.paid(2).await;
    let one = RefundWish::Lines(vec![LineWish { ticket_type: "t".into(), quantity: 1 }]);
    world.refund(order, 5, one, RefundOutcome::Succeeded("re_5".into())).await;
    let rows = world.rows().await;
    let bodies: Vec<_> = rows.iter().map(|row| json(&row.payload)).collect();
    let id = uuid::Uuid::from_u128(order.0).to_string();
    let sequences: Vec<_> =
        bodies.iter().map(|b| b["data"]["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted() && sequences[0] < sequences[1], "{sequences:?}");
    assert!(sequences[2] < sequences[3], "{sequences:?}");
    for body in &bodies {
        assert_eq!(body["data"]["order"], id);
        assert_eq!(body["data"]["event"], "show");
        assert_eq!(body["live"], false, "no real money moves here");
        assert_eq!(body["timestamp"], when::rfc3339(BEGUN_MS));
    }
    assert_eq!(bodies[1]["data"]["state"], "paid");
    assert_eq!(bodies[2]["type"], "ticket.revoked");
    assert_eq!(bodies[2]["data"]["tickets"], serde_json::json!([2]));
    assert_eq!(bodies[3]["data"]["refund"]["amount"]["amount"], 100);
    assert_eq!(bodies[3]["data"]["refund"]["id"], uuid::Uuid::from_u128(5).to_string());
    let secret = world.webhooks.secrets.order(order);
    for row in rows {
        let named = ["Ann", "ann@example.com", secret.as_str()].map(|t| row.payload.contains(t));
        assert_eq!(named, [false; 3], "{}", row.payload);
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_told_of_what_it_wants_and_none_costs_nothing() {
    let world = World::new("wants", 10, 1).await;
    world.paid(1).await;
    assert_eq!(world.rows().await, []);
    let kinds = HookKinds::some(vec![HookKind::OrderPaid]);
    let some = world.webhooks.make(&owner(), ONE, kinds, Some(world.event)).await.unwrap();
    let elsewhere = Some(EventId(world.event.0 + 1));
    world.webhooks.make(&owner(), OTHER, HookKinds::EVERY, elsewhere).await.unwrap();
    world.paid(1).await;
    let rows = world.rows().await;
    assert_eq!(rows.iter().map(|row| row.subject.as_str()).collect::<Vec<_>>(), ["order.paid"]);
    assert_eq!(rows[0].destination, destination(some.id));
    let off = Change { is_on: Some(false), ..Change::default() };
    world.webhooks.change(&owner(), some.id, off).await.unwrap();
    world.paid(1).await;
    assert_eq!(world.rows().await.len(), 1, "while it is off nothing more is owed");
}

#[tokio::test(start_paused = true)]
async fn what_was_owed_before_a_process_died_is_delivered_by_the_next() {
    let mut world = World::new("dies", 10, 1).await;
    let hook = world.webhook(ONE).await;
    let order = world.paid(1).await;
    seconds(60).await;
    assert_eq!(world.receivers.types(ONE), [""; 0]);
    world.deliver();
    seconds(5).await;
    let mut types = world.receivers.types(ONE);
    types.sort();
    assert_eq!(types, ["order.held", "order.paid"]);
    let (_, post) = &world.receivers.tries(ONE)[0];
    assert!(post.id.starts_with("msg_"));
    let found = world.webhooks.deliveries(&owner(), hook.id, None, 10).await.unwrap();
    assert_eq!(found.len(), 2);
    assert!(
        json(&found[0].message.payload)["data"]["order"]
            == uuid::Uuid::from_u128(order.0).to_string()
    );
    let last = found[0].last.as_ref().unwrap();
    assert_eq!((last.status, last.took_ms, last.answer.as_str()), (Some(204), 50, "words"));
    let before = world.webhooks.deliveries(&owner(), hook.id, Some(found[0].message.id), 10).await;
    assert_eq!(before.unwrap(), found[1..]);
}

#[tokio::test(start_paused = true)]
async fn two_processes_deliver_each_message_once() {
    let mut world = World::new("two", 1_000, 1).await;
    world.webhook(ONE).await;
    world.deliver_as(1);
    world.deliver_as(3);
    for _ in 0..20 {
        world.paid(1).await;
    }
    seconds(30).await;
    let mut ids: Vec<_> = world.receivers.tries(ONE).into_iter().map(|(_, post)| post.id).collect();
    assert_eq!(ids.len(), 40);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
    let rows = world.rows().await;
    assert!(rows.iter().all(|row| row.state == MessageState::Delivered));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_is_tried_for_three_days_with_growing_pauses() {
    let mut world = World::new("fails", 10, 600).await;
    let hook = world.webhook(ONE).await;
    world.receivers.now_do(ONE, Does::Answers(500));
    world.hold(1).await;
    world.deliver();
    seconds(200 * HOUR).await;
    let tries = world.receivers.tries(ONE);
    assert_eq!(tries.len(), 10, "{tries:?}");
    let ids: Vec<_> = tries.iter().map(|(_, post)| &post.id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "it keeps its id");
    let pauses: Vec<i64> = tries.windows(2).map(|two| (two[1].0 - two[0].0) / 1_000).collect();
    // The outbox is looked at every ten minutes here, so the first pauses are longer.
    let nominal: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    for (pause, nominal) in pauses.iter().zip(nominal) {
        assert!((nominal * 9 / 10..=nominal * 11 / 10 + 601).contains(pause), "{pauses:?}");
    }
    let hook = world.now(hook.id).await;
    assert!(!hook.is_on, "nothing has arrived for three days");
    let because = hook.off_because.unwrap();
    assert!(because.contains("three days") && because.contains("500"), "{because}");
    let lines = world.audit().await;
    let off: Vec<_> = lines.iter().filter(|line| line.action == Action::WebhookOff).collect();
    assert_eq!(off.len(), 1);
    assert!(off[0].detail.contains("one.example") && !off[0].detail.contains("/hook"));
    // Nothing more is owed to it, and what waits is sent when it is on again.
    let row = world.rows().await.remove(0);
    assert_eq!((row.state, row.tries), (MessageState::GivenUp, 10));
    world.receivers.now_do(ONE, Does::Answers(200));
    let on = Change { is_on: Some(true), ..Change::default() };
    let hook = world.webhooks.change(&owner(), hook.id, on).await.unwrap();
    assert_eq!((hook.is_on, hook.off_because, hook.failing_ms), (true, None, None));
    let again = world.webhooks.replay(&owner(), hook.id, row.id).await.unwrap();
    assert_eq!(again.message.state, MessageState::Queued);
    seconds(1_300).await;
    let row = world.rows().await.remove(0);
    assert_eq!(row.state, MessageState::Delivered);
    assert_eq!(world.receivers.tries(ONE).last().unwrap().1.id, *ids[0], "under the same id");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_comes_back_gets_all_and_is_not_switched_off() {
    let mut world = World::new("back", 10, 60).await;
    let hook = world.webhook(ONE).await;
    world.receivers.now_do(ONE, Does::Closes);
    world.deliver();
    world.paid(1).await;
    seconds(20 * HOUR).await;
    assert!(world.now(hook.id).await.failing_ms.is_some());
    world.receivers.now_do(ONE, Does::Answers(200));
    seconds(20 * HOUR).await;
    let rows = world.rows().await;
    assert!(rows.iter().all(|row| row.state == MessageState::Delivered), "{rows:?}");
    let hook = world.now(hook.id).await;
    assert_eq!((hook.is_on, hook.failing_ms), (true, None));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_ends_it() {
    let mut world = World::new("gone", 10, 1).await;
    let hook = world.webhook(ONE).await;
    world.receivers.now_do(ONE, Does::Answers(410));
    world.deliver();
    world.hold(1).await;
    seconds(5).await;
    let hook = world.now(hook.id).await;
    assert!(!hook.is_on && hook.off_because.unwrap().contains("410"));
    assert_eq!(world.receivers.tries(ONE).len(), 1);
    world.hold(1).await;
    seconds(HOUR).await;
    assert_eq!(world.rows().await.len(), 1, "nothing more is owed to it");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_says_how_long_to_wait() {
    let mut world = World::new("waits", 10, 1).await;
    world.webhook(ONE).await;
    world.receivers.now_do(ONE, Does::AsksToWait("120"));
    world.deliver();
    world.hold(1).await;
    seconds(119).await;
    assert_eq!(world.receivers.tries(ONE).len(), 1);
    seconds(10).await;
    assert_eq!(world.receivers.tries(ONE).len(), 2);
}

/// One that hangs, one that answers 500, one that redirects, one that closes, and one that works.
#[tokio::test(start_paused = true)]
async fn those_that_fail_delay_nobody_else() {
    let mut world = World::new("fair", 10_000, 1).await;
    let ill = [
        ("https://hangs.example/", Does::Hangs),
        ("https://fails.example/", Does::Answers(500)),
        ("https://moved.example/", Does::Answers(302)),
        ("https://closes.example/", Does::Closes),
    ];
    for (address, does) in &ill {
        world.webhook(address).await;
        world.receivers.now_do(address, does.clone());
    }
    let works = world.webhook(OTHER).await;
    // Very much waits for those that are ill.
    for _ in 0..400 {
        world.hold(1).await;
    }
    world.deliver();
    seconds(120).await;
    let mut latest = 0;
    let mut found = 0;
    for _ in 0..30 {
        let before = world.receivers.tries(OTHER).len();
        let (owed, begun) = (world.paid(1).await, Instant::now());
        while world.receivers.tries(OTHER).len() < before + 2 {
            sleep(Duration::from_millis(10)).await;
        }
        latest = latest.max(begun.elapsed().as_millis());
        found += usize::from(owed.0 > 0);
        seconds(1).await;
    }
    assert_eq!(found, 30);
    assert!(latest <= 1_200, "no later than the next look, a second: {latest} ms");
    let to = destination(works.id);
    let rows = world.rows().await;
    assert!(
        rows.iter().filter(|r| r.destination == to).all(|r| r.state == MessageState::Delivered)
    );
    // And an ill one is not asked without end.
    for (address, _) in &ill {
        let tries = world.receivers.tries(address).len();
        assert!((1..=30).contains(&tries), "{address}: {tries}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_secret_changes_both_sign() {
    let mut world = World::new("secret", 10, 1).await;
    let hook = world.webhook(ONE).await;
    let old = world.webhooks.secret(&owner(), &hook);
    world.deliver();
    world.hold(1).await;
    seconds(2).await;
    let new = world.webhooks.renew_secret(&owner(), hook.id, false).await.unwrap();
    let shown = world.webhooks.secret(&owner(), &new);
    assert!(shown.starts_with("whsec_") && shown != old);
    world.hold(1).await;
    seconds(25 * HOUR).await;
    world.hold(1).await;
    seconds(2).await;
    let tries = world.receivers.tries(ONE);
    let signed = |at: usize, number: u32| {
        let post = &tries[at].1;
        let secret = [world.webhooks.secrets.webhook(hook.id, number)];
        let one = sign::signatures(&secret, &post.id, &post.timestamp, &post.body);
        post.signature.split(' ').any(|signature| signature == one)
    };
    let table: Vec<_> = (0..3).map(|at| (signed(at, 0), signed(at, 1))).collect();
    assert_eq!(table, [(true, false), (true, true), (false, true)]);
}

#[tokio::test(start_paused = true)]
async fn a_test_message_is_sent_and_a_webhook_that_is_removed_leaves_nothing() {
    let mut world = World::new("test", 10, 1).await;
    let hook = world.webhook(ONE).await;
    world.deliver();
    let tried = world.webhooks.test(&owner(), hook.id).await.unwrap();
    seconds(2).await;
    assert_eq!(world.receivers.types(ONE), [TEST]);
    let found = world.webhooks.deliveries(&owner(), hook.id, None, 10).await.unwrap();
    assert_eq!(found[0].message.id, tried.message.id);
    assert_eq!(found[0].last.as_ref().unwrap().status, Some(204));
    let other = world.webhook(OTHER).await;
    let not_its = world.webhooks.replay(&owner(), other.id, tried.message.id).await;
    assert_eq!(not_its, Err(NotDone::Gone));
    world.webhooks.remove(&owner(), hook.id).await.unwrap();
    seconds(2).await;
    assert_eq!(world.rows().await, []);
    assert_eq!(world.webhooks.one(&owner(), hook.id).await, Err(NotDone::Gone));
    let lines = world.audit().await;
    assert!(lines.iter().all(|line| !line.detail.contains("/hook")), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn old_messages_are_removed() {
    let mut world = World::new("old", 10, 600).await;
    let hook = world.webhook(ONE).await;
    let owed_ms = world.webhooks.clock.now_ms() - KEPT_MS + 60_000;
    let id = (owed_ms as u128) << 80;
    let body = r#"{"type":"webhook.test"}"#.to_owned();
    let old = message(id, hook.id, TEST, body, None, owed_ms);
    world.webhooks.queue.write(vec![RecordChange::put(&old)]).await.unwrap();
    world.deliver();
    seconds(2 * HOUR).await;
    assert_eq!(world.receivers.tries(ONE).len(), 1);
    assert_eq!(world.rows().await, []);
    let tries: Vec<HookTry> =
        world.webhooks.reads.ask(|reader| page(reader.tables(), None, 100)).await.unwrap();
    assert_eq!(tries, []);
    assert!(world.now(hook.id).await.is_on);
}

#[tokio::test(start_paused = true)]
async fn addresses_are_checked_when_they_are_named() {
    let world = World::new("address", 10, 1).await;
    let no = world.webhooks.make(&owner(), "https://10.0.0.1/", HookKinds::EVERY, None).await;
    assert!(matches!(no, Err(NotDone::Address(_))), "{no:?}");
    let hook = world.webhook(ONE).await;
    let change = Change { address: Some("http://one.example/".into()), ..Change::default() };
    let no = world.webhooks.change(&owner(), hook.id, change).await;
    assert!(matches!(no, Err(NotDone::Address(_))), "{no:?}");
    for n in 1..MOST_WEBHOOKS {
        world.webhook(&format!("https://h{n}.example/")).await;
    }
    let no = world.webhooks.make(&owner(), ONE, HookKinds::EVERY, None).await;
    assert_eq!(no, Err(NotDone::TooMany));
}

#[tokio::test(start_paused = true)]
async fn a_type_that_a_receiver_refuses_delays_no_other() {
    let mut world = World::new("refuses", 10_000, 1).await;
    let hook = world.webhook(ONE).await;
    world.receivers.now_do(ONE, Does::Refuses("order.held"));
    world.deliver();
    // A burst that begins with what is refused.
    let mut orders = Vec::new();
    for _ in 0..60 {
        orders.push(world.hold(1).await);
    }
    for order in orders {
        world.pay(order).await;
        world.read(order, IntentStatus::RequiresCapture).await;
        world.read(order, IntentStatus::Succeeded).await;
    }
    seconds(400).await;
    let paid = |world: &World| {
        world.receivers.types(ONE).iter().filter(|kind| *kind == "order.paid").count()
    };
    assert_eq!(paid(&world), 60, "within some minutes all came that it takes");
    // After a pause it takes a while until one is tried that it takes, and from then on each comes at once.
    for _ in 0..8 {
        world.paid(1).await;
        seconds(20).await;
    }
    assert_eq!(paid(&world), 68);
    let mut latest = Duration::ZERO;
    for n in 8..30 {
        world.paid(1).await;
        let begun = Instant::now();
        while paid(&world) <= 60 + n {
            sleep(Duration::from_millis(50)).await;
        }
        latest = latest.max(begun.elapsed());
        seconds(20).await;
    }
    assert!(latest <= Duration::from_secs(2), "{latest:?}");
    assert!(world.now(hook.id).await.is_on);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_of_the_old_address_tells_nothing_of_the_new_one() {
    for (name, status) in [("late-gone", 410), ("late-failed", 500)] {
        let mut world = World::new(name, 10, 1).await;
        let hook = world.webhook(ONE).await;
        world.receivers.now_do(ONE, Does::Late(3, status));
        world.deliver();
        world.hold(1).await;
        seconds(2).await;
        assert_eq!(world.receivers.tries(ONE).len(), 1);
        let change = Change { address: Some(OTHER.into()), ..Change::default() };
        world.webhooks.change(&owner(), hook.id, change).await.unwrap();
        seconds(5).await;
        let hook = world.now(hook.id).await;
        assert_eq!((hook.is_on, hook.off_because, hook.failing_ms), (true, None, None), "{name}");
        world.hold(1).await;
        seconds(2).await;
        assert!(!world.receivers.tries(OTHER).is_empty(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_change_of_the_secret_by_accident_changes_nothing() {
    let world = World::new("twice", 10, 1).await;
    let hook = world.webhook(ONE).await;
    let first = world.webhooks.renew_secret(&owner(), hook.id, false).await.unwrap();
    seconds(10).await;
    let second = world.webhooks.renew_secret(&owner(), hook.id, false).await.unwrap();
    assert_eq!(second, first, "the answer to the first may have been lost");
    let third = world.webhooks.renew_secret(&owner(), hook.id, true).await.unwrap();
    assert_eq!((third.secret, third.old_until_ms), (first.secret + 1, None), "at once");
    let first = world.webhooks.renew_secret(&owner(), hook.id, false).await.unwrap();
    assert_eq!(first.secret, third.secret + 1);
    seconds(25 * HOUR).await;
    let later = world.webhooks.renew_secret(&owner(), hook.id, false).await.unwrap();
    assert_eq!(later.secret, first.secret + 1);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_whose_request_was_cut_off_is_told_all_the_same() {
    let mut world = World::new("cut-off", 10, 1).await;
    world.deliver();
    let permit = owner();
    {
        let mut make = std::pin::pin!(world.webhooks.make(&permit, ONE, HookKinds::EVERY, None));
        tokio::select! {
            biased;
            _ = &mut make => panic!("too soon"),
            () = std::future::ready(()) => {}
        }
        // It is committed, and whoever asked has gone before the list was read.
        seconds(1).await;
    }
    seconds(6).await;
    assert_eq!(world.webhooks.all(&owner()).await.unwrap().len(), 1, "it was made");
    world.hold(1).await;
    seconds(2).await;
    assert_eq!(world.receivers.types(ONE), ["order.held"]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_asks_for_is_sent_before_what_waits() {
    let mut world = World::new("first", 1_000, 1).await;
    let hook = world.webhook(ONE).await;
    for _ in 0..40 {
        world.hold(1).await;
        seconds(1).await;
    }
    let last = world.rows().await.pop().unwrap();
    world.webhooks.replay(&owner(), hook.id, last.id).await.unwrap();
    world.webhooks.test(&owner(), hook.id).await.unwrap();
    world.deliver();
    seconds(5).await;
    let came = world.receivers.tries(ONE);
    let first: Vec<String> = came[..8].iter().map(|(_, post)| post.id.clone()).collect();
    assert!(first.contains(&message_name(last.id)), "{first:?}");
    assert!(world.receivers.types(ONE)[..8].contains(&TEST.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_to_wait_for_a_day_can_be_asked_at_once() {
    let mut world = World::new("day", 1_000, 1).await;
    let hook = world.webhook(ONE).await;
    world.receivers.now_do(ONE, Does::AsksToWait("86400"));
    world.deliver();
    world.hold(1).await;
    seconds(10).await;
    world.receivers.now_do(ONE, Does::Answers(204));
    // What it asked for is about that one message.
    world.hold(1).await;
    seconds(61).await;
    assert_eq!(world.receivers.tries(ONE).len(), 2);
    for act in ["test", "replay", "switch on"] {
        world.receivers.now_do(ONE, Does::Answers(500));
        world.hold(1).await;
        seconds(100).await;
        world.receivers.now_do(ONE, Does::Answers(204));
        let before = world.receivers.tries(ONE).len();
        match act {
            "test" => _ = world.webhooks.test(&owner(), hook.id).await.unwrap(),
            "replay" => {
                let last = world.rows().await.pop().unwrap();
                _ = world.webhooks.replay(&owner(), hook.id, last.id).await.unwrap();
            }
            _ => {
                for is_on in [false, true] {
                    let change = Change { is_on: Some(is_on), ..Change::default() };
                    world.webhooks.change(&owner(), hook.id, change).await.unwrap();
                }
                world.hold(1).await;
            }
        }
        seconds(2).await;
        assert!(world.receivers.tries(ONE).len() > before, "{act}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_webhook_is_not_told_of_any_more_is_not_sent() {
    let mut world = World::new("narrow", 10, 1).await;
    let hook = world.webhook(ONE).await;
    world.paid(1).await;
    let kinds = Some(HookKinds::some(vec![HookKind::OrderPaid]));
    world.webhooks.change(&owner(), hook.id, Change { kinds, ..Change::default() }).await.unwrap();
    world.webhooks.test(&owner(), hook.id).await.unwrap();
    world.deliver();
    seconds(5).await;
    let mut types = world.receivers.types(ONE);
    types.sort();
    assert_eq!(types, ["order.paid", TEST]);
    // The same of events, and of a message that is sent again.
    let elsewhere = Some(Some(EventId(world.event.0 + 1)));
    let change = Change { event: elsewhere, ..Change::default() };
    world.webhooks.change(&owner(), hook.id, change).await.unwrap();
    let paid = world.rows().await.into_iter().find(|row| row.subject == "order.paid").unwrap();
    world.webhooks.replay(&owner(), hook.id, paid.id).await.unwrap();
    seconds(5).await;
    assert_eq!(world.receivers.tries(ONE).len(), 2);
    let states: Vec<_> = world.rows().await.into_iter().map(|r| (r.subject, r.state)).collect();
    assert_eq!(states[0], ("order.held".into(), MessageState::Needless));
    assert_eq!(states[1], ("order.paid".into(), MessageState::Needless));
}

#[tokio::test(start_paused = true)]
async fn one_line_tells_that_a_webhook_is_off() {
    let mut world = World::new("one-line", 100, 1).await;
    world.webhook(ONE).await;
    for _ in 0..20 {
        world.hold(1).await;
    }
    world.receivers.now_do(ONE, Does::Answers(410));
    world.deliver();
    seconds(10).await;
    let lines = world.audit().await;
    let off = lines.iter().filter(|line| line.action == Action::WebhookOff).count();
    assert_eq!(off, 1, "of {} tries", world.receivers.tries(ONE).len());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_owed_after_its_webhook_was_removed_goes_as_well() {
    let mut world = World::new("left", 100, 600).await;
    let hook = world.webhook(ONE).await;
    world.deliver();
    world.webhooks.remove(&owner(), hook.id).await.unwrap();
    let now = world.webhooks.clock.now_ms();
    let late = message(world.webhooks.ids.message(now), hook.id, TEST, "{}".into(), None, now);
    let tried = HookTry {
        message: 1 << 80,
        webhook: hook.id,
        at_ms: now,
        took_ms: 1,
        status: None,
        answer: String::new(),
    };
    let changes = vec![RecordChange::put(&late), RecordChange::put(&tried)];
    world.webhooks.queue.write(changes).await.unwrap();
    seconds(2 * HOUR).await;
    assert_eq!(world.rows().await, []);
    let tries: Vec<HookTry> =
        world.webhooks.reads.ask(|reader| page(reader.tables(), None, 100)).await.unwrap();
    assert_eq!(tries, []);
}

#[tokio::test(start_paused = true)]
async fn two_processes_change_different_things_at_one_moment() {
    let world = World::new("both", 10, 1).await;
    let hook = world.webhook(ONE).await;
    let other = world.other_process();
    let permit = owner();
    let address = Change { address: Some(OTHER.into()), ..Change::default() };
    let kinds = HookKinds::some(vec![HookKind::OrderPaid]);
    let only = Change { kinds: Some(kinds.clone()), ..Change::default() };
    let (one, two) = tokio::join!(
        world.webhooks.change(&permit, hook.id, address),
        other.change(&permit, hook.id, only)
    );
    assert!(one.is_ok() && two.is_ok());
    let hook = world.now(hook.id).await;
    assert_eq!((hook.address.as_str(), hook.kinds), (OTHER, kinds));
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_goes_in_portions() {
    let world = World::new("portions", 10, 600).await;
    let hook = world.webhook(ONE).await;
    let now = world.webhooks.clock.now_ms();
    let row = |n: u128, webhook: u128, at_ms: TimeMs| {
        let id = (at_ms as u128) << 80 | n;
        RecordChange::put(&message(id, webhook, TEST, "{}".into(), None, at_ms))
    };
    let old_ms = now - KEPT_MS - 1;
    let mut changes = Vec::new();
    for n in 0..1_200 {
        changes.push(row(n, hook.id, old_ms));
        let message = (old_ms as u128) << 80 | n;
        let (status, answer) = (Some(204), String::new());
        let tried =
            HookTry { message, webhook: hook.id, at_ms: old_ms, took_ms: 1, status, answer };
        changes.push(RecordChange::put(&tried));
    }
    // Of one that was removed a moment ago.
    changes.extend((0..700).map(|n| row(n, hook.id + 1, now)));
    changes.extend((0..3).map(|n| row(1_000 + n, hook.id, now)));
    world.webhooks.queue.write(changes).await.unwrap();
    assert_eq!(world.webhooks.tidy().await, Ok(3 + 2 + 3), "of at most 500 rows");
    let rows = world.rows().await;
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.destination == destination(hook.id)));
    assert_eq!(world.webhooks.tidy().await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn owners_get_one_mail_about_a_webhook_that_was_switched_off() {
    for (name, does, waits) in [("mail-gone", 410, 10), ("mail-fails", 500, 90 * HOUR)] {
        let mut world = World::new(name, 100, 60).await;
        let hook = world.webhook(ONE).await;
        let mut people = Vec::new();
        for (id, email, role) in
            [(1, "owner@example.com", Role::Owner), (2, "manager@example.com", Role::Manager)]
        {
            people.push(RecordChange::put(&Account {
                id,
                email: email.into(),
                name: "Ann".into(),
                password: None,
                totp: None,
                totp_step: 0,
                claim: None,
                made_ms: 0,
                removed_ms: None,
                browsers: 0,
            }));
            let (event, made_by) = (ALL_EVENTS, Actor::System);
            people.push(RecordChange::put(&GrantRow {
                holder: id,
                event,
                role,
                made_by,
                at_ms: 0,
            }));
        }
        world.webhooks.queue.write(people).await.unwrap();
        for _ in 0..20 {
            world.hold(1).await;
        }
        world.receivers.now_do(ONE, Does::Answers(does));
        world.deliver();
        seconds(waits).await;
        assert!(!world.now(hook.id).await.is_on, "{name}");
        let rows: Vec<Message> =
            world.webhooks.reads.ask(|reader| page(reader.tables(), None, 10_000)).await.unwrap();
        let mails: Vec<_> = rows
            .iter()
            .filter(|row| row.kind == "mail")
            .map(|row| (row.destination.as_str(), row.subject.as_str()))
            .collect();
        assert_eq!(mails, [("owner@example.com", "webhook_off")], "{name}");
        let lines = world.audit().await;
        assert_eq!(lines.iter().filter(|line| line.action == Action::WebhookOff).count(), 1);
        let text = world.webhooks.metrics.text();
        assert!(text.contains(r#"nts_webhooks_in_trouble{state="switched_off"} 1"#), "{text}");
    }
}
