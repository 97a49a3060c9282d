//! From the command to the relay, with paused time.

use super::*;
use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::mail::{Compose, Composed, NotComposed, Relay, Sent};
use crate::messages::{Outbox, work};
use crate::metrics::Metrics;
use crate::store::records::mail_jobs::MailJob;
use crate::store::records::{RecordChange, page};
use crate::store::sqlite::SqliteStore;
use crate::writer::{Job, Writer};
use boxoffice::{
    Buyer, BuyerKey, Command, Erasure, EventSpec, Intent, IntentStatus, LineWish, Money, PaymentId,
    RefundId, RefundOutcome, RefundSeen, RefundWish, Reply, SeenVersion,
};
use nts_testkit::fixtures::event_spec;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

const BEGUN_MS: i64 = 1_800_000_000_000;

/// Takes mails, or says what it was told to say of an address.
#[derive(Default)]
struct Post {
    /// To whom, and what.
    came: Mutex<Vec<(String, String)>>,
    says: Mutex<Vec<(String, Sent)>>,
}

impl Post {
    /// What came to an address, in order.
    fn to(&self, address: &str) -> Vec<String> {
        let came = self.came.lock().unwrap();
        came.iter().filter(|(to, _)| to == address).map(|(_, what)| what.clone()).collect()
    }

    fn all(&self) -> usize {
        self.came.lock().unwrap().len()
    }
}

struct Plain;

impl Compose for Plain {
    async fn compose(&self, letter: &Letter, _: &str) -> Result<Composed, NotComposed> {
        Ok(Composed {
            subject: letter.subject().into(),
            text: String::new(),
            html: String::new(),
            reply_to: None,
            inline: vec![],
            attachments: vec![],
        })
    }
}

struct Way(Arc<Post>);

impl Relay for Way {
    async fn send(&self, _: u128, to: &str, mail: &Composed) -> Sent {
        let says = self.0.says.lock().unwrap();
        if let Some((_, sent)) = says.iter().find(|(whom, _)| whom == to) {
            return sent.clone();
        }
        self.0.came.lock().unwrap().push((to.into(), mail.subject.clone()));
        Sent::Accepted
    }
}

/// A box office with one event.
struct World {
    dir: PathBuf,
    queue: Queue,
    outbox: Outbox,
    mailing: Mailing,
    post: Arc<Post>,
    metrics: Arc<Metrics>,
    catalogue: Arc<Catalogue>,
    event: EventId,
    /// How far the clock is ahead.
    ahead_ms: Arc<AtomicI64>,
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

fn spec(price_minor: i64) -> EventSpec {
    let mut spec = event_spec("show", 1_000);
    spec.ticket_types[0].price_minor = price_minor;
    spec.place = "Hall 1".into();
    spec.limit_per_order = 10;
    spec
}

impl World {
    async fn new(name: &str, price_minor: i64) -> World {
        World::looking(name, price_minor, 1).await
    }

    /// One that looks at its outbox every so many seconds: for stories of days.
    async fn looking(name: &str, price_minor: i64, look: u64) -> World {
        let dir = std::env::temp_dir().join(format!("nts-mailing-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let (begun, ahead) = (Instant::now(), Arc::clone(&ahead_ms));
        let clock = Clock::Virtual { begun, begun_ms: BEGUN_MS, ahead_ms: ahead };
        let store = SqliteStore::open(&dir.join("nts.db"), clock.clone()).unwrap().store;
        let reads = Reads::inline(Box::new(store.own_reader().unwrap()));
        let metrics = Arc::new(Metrics::default());
        let (queue, jobs) = Queue::new(5_000, Duration::from_secs(5), Arc::clone(&metrics));
        let mut tasks = JoinSet::new();
        tasks.spawn(write(Writer::new(Box::new(store), Arc::clone(&metrics)), jobs));
        let (clock, ids) = (Arc::new(DatabaseClock::new(clock)), Arc::new(Ids::new([7; 32], 0)));
        let outbox = Outbox {
            queue: queue.clone(),
            reads: reads.clone(),
            clock: Arc::clone(&clock),
            news: Arc::default(),
            look: Duration::from_secs(look),
            owner: 1,
        };
        let mailing = Mailing {
            queue: queue.clone(),
            reads,
            clock: Arc::clone(&clock),
            ids,
            has_relay: false,
            turns: Turns::default(),
        };
        let event = mailing.ids.event(BEGUN_MS);
        let catalogue = Arc::new(Catalogue::new(vec![]));
        let (post, catalogue) = (Arc::new(Post::default()), catalogue);
        let mut world =
            World { dir, queue, outbox, mailing, post, metrics, catalogue, event, ahead_ms, tasks };
        world.put(spec(price_minor)).await;
        world.tasks.spawn(fan_out(world.outbox.clone()));
        world
    }

    /// From now on there is a relay.
    fn relay(&mut self) {
        let mailer = Mailer {
            compose: Arc::new(Plain),
            relay: Arc::new(Way(Arc::clone(&self.post))),
            per_second: 50,
            reads: self.outbox.reads.clone(),
            catalogue: Arc::clone(&self.catalogue),
            clock: Arc::clone(&self.outbox.clock),
            metrics: Arc::clone(&self.metrics),
        };
        self.mailing.has_relay = true;
        self.tasks.spawn(work(self.outbox.clone(), Arc::new(mailer)));
    }

    async fn ask(&self, command: Command) -> Reply {
        let answer = self.queue.ask(command, None).await;
        answer.unwrap_or_else(|no| panic!("{no:?}")).reply
    }

    async fn put(&self, spec: EventSpec) {
        self.ask(Command::PutEvent { id: self.event, spec }).await;
        let events = self.mailing.reads.ask(|reader| reader.events()).await.unwrap();
        self.catalogue.publish(events, None);
    }

    async fn hold(&self, email: &str) -> OrderId {
        let order = self.mailing.ids.order(self.outbox.clock.now_ms());
        let key = crate::identity::buyer_key("Ann", email);
        let buyer = Buyer {
            name: "Ann".into(),
            email: email.into(),
            key,
            language: boxoffice::Language::EN,
        };
        let lines = vec![LineWish { ticket_type: "t".into(), quantity: 2 }];
        let event = self.event;
        self.ask(Command::Hold {
            order,
            event,
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

    /// An order of this address that is paid: two tickets.
    async fn paid(&self, email: &str) -> OrderId {
        let order = self.hold(email).await;
        let payment = PaymentId(order.0 + 1);
        let token = "ctoken_ok".to_owned();
        let pay = Command::Pay { order, payment, live: false, token };
        if matches!(self.ask(pay).await, Reply::Paying { .. }) {
            let intent = format!("pi_{}", order.0);
            self.ask(Command::IntentCreated { order, intent }).await;
            self.read(order, IntentStatus::RequiresCapture, 0, vec![]).await;
            self.read(order, IntentStatus::Succeeded, 200, vec![]).await;
        }
        order
    }

    async fn read(
        &self,
        id: OrderId,
        status: IntentStatus,
        received: i64,
        refunds: Vec<RefundSeen>,
    ) {
        let order = self.order(id).await;
        let payment = order.payment.as_ref().unwrap();
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
            refunds,
            dispute: None,
        };
        let known = SeenVersion::confirming(&order);
        self.ask(Command::Reconcile { order: id, intent, known }).await;
    }

    async fn order(&self, id: OrderId) -> Order {
        self.mailing.reads.ask(move |reader| reader.order(id)).await.unwrap().unwrap()
    }

    async fn rows(&self) -> Vec<Message> {
        self.mailing.reads.ask(|reader| page(reader.tables(), None, 10_000)).await.unwrap()
    }

    /// What is owed about an order, the oldest first.
    async fn owed(&self, order: OrderId) -> Vec<String> {
        let of = |message: &Message| message.order_id == Some(order);
        let rows = self.rows().await;
        rows.into_iter().filter(of).map(|message| message.subject).collect()
    }

    async fn readdress(&self, order: OrderId, email: &str) {
        let key: BuyerKey = crate::identity::buyer_key("", email);
        let (event, email) = (self.event, email.to_owned());
        self.ask(Command::ChangeAddress { order, event, email, key, untagged: None }).await;
    }

    async fn refund(&self, order: OrderId, quantity: i64, refund: u128) {
        let wish = RefundWish::Lines(vec![LineWish { ticket_type: "t".into(), quantity }]);
        let refund = RefundId(refund);
        self.ask(Command::Refund { order, refund, wish, restock: false }).await;
        let outcome = RefundOutcome::Succeeded(format!("re_{}", refund.0));
        self.queue.ask(Command::RefundAnswered { order, refund, outcome }, None).await.unwrap();
    }
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn each_change_owes_its_mail_in_the_same_commit() {
    let world = World::new("owes", 100).await;
    let order = world.paid("ann@example.com").await;
    assert_eq!(world.owed(order).await, ["tickets"]);
    let row = world.rows().await.remove(0);
    assert_eq!((row.lane, row.event, &*row.destination), (0, Some(world.event), "ann@example.com"));
    let of = Of { order: order.0, event: world.event.0 };
    assert_eq!(serde_json::from_str::<Letter>(&row.payload).unwrap(), Letter::Tickets(of));
    // Nothing is owed before, or to nobody.
    let held = world.hold("bob@example.com").await;
    let nobody = world.paid("").await;
    assert_eq!(world.owed(held).await, [""; 0]);
    assert_eq!(world.owed(nobody).await, [""; 0]);
    // A refund is told once it is made, whoever made it, and a ticket is not sent twice for it.
    let wish = RefundWish::Lines(vec![LineWish { ticket_type: "t".into(), quantity: 1 }]);
    world.ask(Command::Refund { order, refund: RefundId(5), wish, restock: true }).await;
    assert_eq!(world.owed(order).await, ["tickets"]);
    let outcome = RefundOutcome::Succeeded("re_5".into());
    world.ask(Command::RefundAnswered { order, refund: RefundId(5), outcome }).await;
    assert_eq!(world.owed(order).await, ["tickets", "refunded"]);
    let external = |id: &str, fresh: u128| RefundSeen {
        provider_id: id.into(),
        ours: None,
        fresh: RefundId(fresh),
        amount_minor: 100,
        failed: false,
        done: true,
    };
    world.read(order, IntentStatus::Succeeded, 200, vec![external("re_x", 77)]).await;
    assert_eq!(world.owed(order).await, ["tickets", "refunded", "refunded"]);
    world.read(order, IntentStatus::Succeeded, 200, vec![external("re_x", 78)]).await;
    assert_eq!(world.owed(order).await.len(), 3, "it was told");
    let refunds: Vec<Option<RefundId>> = world
        .rows()
        .await
        .iter()
        .filter(|row| row.order_id == Some(order))
        .map(|row| serde_json::from_str::<Letter>(&row.payload).unwrap().refund())
        .collect();
    assert_eq!(refunds, [None, Some(RefundId(5)), Some(RefundId(77))]);
    // One that could not be made gives the tickets back, which may not have been sent yet.
    let other = world.paid("dan@example.com").await;
    world
        .ask(Command::Refund {
            order: other,
            refund: RefundId(6),
            wish: RefundWish::All,
            restock: true,
        })
        .await;
    let outcome = RefundOutcome::Failed("no money".into());
    world.ask(Command::RefundAnswered { order: other, refund: RefundId(6), outcome }).await;
    assert_eq!(world.owed(other).await, ["tickets", "again"]);
    // A payment that dies after the places were promised, and one that comes too late.
    for late in [false, true] {
        let order = world.hold("cat@example.com").await;
        let payment = PaymentId(order.0 + 1);
        let token = "ctoken_ok".to_owned();
        world.ask(Command::Pay { order, payment, live: false, token }).await;
        world.ask(Command::IntentCreated { order, intent: format!("pi_{late}") }).await;
        if late {
            world.ask(Command::Cancel { order }).await;
            world.read(order, IntentStatus::Canceled, 0, vec![]).await;
            assert_eq!(world.owed(order).await, [""; 0]);
            world.read(order, IntentStatus::Succeeded, 200, vec![]).await;
        } else {
            world.read(order, IntentStatus::RequiresCapture, 0, vec![]).await;
            world.read(order, IntentStatus::Canceled, 0, vec![]).await;
        }
        assert_eq!(world.owed(order).await, ["void"]);
    }
    assert!(world.rows().await.iter().all(|row| row.state == MessageState::Queued));
}

#[tokio::test(start_paused = true)]
async fn without_a_relay_all_waits_and_then_goes_out_as_far_as_it_is_of_use() {
    let mut world = World::looking("relay", 0, 600).await;
    let old = world.paid("old@example.com").await;
    seconds(6 * 24 * 3_600).await;
    let order = world.paid("ann@example.com").await;
    let gone = world.paid("gone@example.com").await;
    world.refund(gone, 2, 9).await;
    let states = world.mailing.of_order(order).await.unwrap();
    assert_eq!(states.len(), 1);
    assert_eq!((states[0].standing, &*states[0].to), (MailStanding::NoRelay, "ann@example.com"));
    seconds(24 * 3_600 + 60).await;
    world.relay();
    seconds(1_205).await;
    assert_eq!(world.post.to("ann@example.com"), ["tickets"]);
    assert_eq!(world.post.to("gone@example.com"), ["refunded"], "no tickets that are revoked");
    assert_eq!(world.post.to("old@example.com"), [""; 0]);
    let state = |order| {
        let asked = world.mailing.of_order(order);
        async { asked.await.unwrap().pop().unwrap() }
    };
    assert_eq!(state(order).await.standing, MailStanding::Sent);
    assert_eq!(state(old).await.standing, MailStanding::TooOld);
    assert_eq!(state(gone).await.standing, MailStanding::Needless);
    // Of an event that is over nobody needs tickets.
    let late = world.paid("late@example.com").await;
    world.put(EventSpec { starts_ms: BEGUN_MS, ends_ms: Some(BEGUN_MS + 1), ..spec(0) }).await;
    seconds(1_205).await;
    assert_eq!(state(late).await.standing, MailStanding::TooOld);
    assert_eq!(world.post.to("late@example.com"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn who_has_another_address_gets_what_waits_and_the_old_one_is_told() {
    let mut world = World::new("address", 0).await;
    let order = world.paid("anm@example.com").await;
    world.refund(order, 1, 3).await;
    world.readdress(order, "ann@example.com").await;
    let states = world.mailing.of_order(order).await.unwrap();
    assert!(states.iter().all(|state| state.to != "anm@example.com"), "{states:?}");
    world.relay();
    seconds(3).await;
    assert_eq!(world.post.to("anm@example.com"), ["address_changed"]);
    let mut came = world.post.to("ann@example.com");
    came.sort();
    assert_eq!(came, ["again", "refunded"]);
    assert!(world.rows().await.iter().all(|row| row.destination != "anm@example.com"));
    // What is sent meanwhile to the old one is nobody's any more.
    world.readdress(order, "bob@example.com").await;
    seconds(3).await;
    assert_eq!(world.post.to("ann@example.com").last().unwrap(), "address_changed");
    assert_eq!(world.post.to("bob@example.com"), ["again"]);
    // Who is erased is in no row, and gets nothing any more.
    world.readdress(order, "cat@example.com").await;
    let orders = vec![order];
    let because = Erasure::Asked;
    world.ask(Command::Erase { event: world.event, orders, because }).await;
    seconds(3).await;
    assert_eq!(world.post.to("cat@example.com"), [""; 0]);
    assert!(world.rows().await.iter().all(|row| row.destination.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_sent_but_not_too_often() {
    let mut world = World::looking("again", 0, 60).await;
    let id = world.paid("ann@example.com").await;
    let order = world.order(id).await;
    let wait = world.mailing.resend(&order).await.unwrap();
    assert!(matches!(wait, Asked::NotBefore(_)), "it is on its way: {wait:?}");
    world.relay();
    let mut sent = 1;
    for _ in 0..100 {
        seconds(200).await;
        if world.mailing.resend(&order).await.unwrap() == Asked::Owed {
            sent += 1;
        }
    }
    seconds(125).await;
    assert_eq!(sent, AGAIN_A_DAY, "so often a day, with the first");
    assert_eq!(world.post.to("ann@example.com").len(), sent);
    seconds(24 * 3_600).await;
    assert_eq!(world.mailing.resend(&order).await.unwrap(), Asked::Owed);
    world.refund(id, 2, 8).await;
    let order = world.order(id).await;
    assert_eq!(world.mailing.resend(&order).await.unwrap(), Asked::Nothing);
    // The list of an address's orders, whether there are any or not.
    for address in ["ann@example.com", "nobody@example.com"] {
        assert_eq!(world.mailing.lost(address).await.unwrap(), Asked::Owed);
        let again = world.mailing.lost(&format!(" {address} ")).await.unwrap();
        assert!(matches!(again, Asked::NotBefore(_)));
        seconds(u64::try_from(LOST_AFTER_MS / 1_000).unwrap() + 1).await;
        assert_eq!(world.mailing.lost(address).await.unwrap(), Asked::Owed);
        seconds(125).await;
        assert_eq!(world.post.to(address).iter().filter(|what| *what == "lost").count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_with_tickets_is_told_once_that_the_event_moves() {
    let mut world = World::new("moves", 0).await;
    let mut paid = Vec::new();
    for n in 0..450 {
        paid.push(world.paid(&format!("p{n}@example.com")).await);
    }
    let nobody = world.paid("").await;
    let held = world.hold("held@example.com").await;
    world.refund(paid[0], 2, 1).await;
    world.refund(paid[1], 1, 2).await;
    // Names are no place.
    world.put(EventSpec { name: "Another".into(), ..spec(0) }).await;
    seconds(2).await;
    let moved = |rows: &[Message]| rows.iter().filter(|m| m.subject == "moved").count();
    assert_eq!(moved(&world.rows().await), 0);
    world.put(EventSpec { place: "Hall 2".into(), ..spec(0) }).await;
    // Another process is at it as well.
    let other = world.outbox.clone();
    world.tasks.spawn(fan_out(other));
    seconds(10).await;
    let rows = world.rows().await;
    assert_eq!(moved(&rows), 449, "not to who has no tickets any more");
    for order in [nobody, held, paid[0]] {
        assert!(!world.owed(order).await.contains(&"moved".to_owned()));
    }
    let later = world.paid("later@example.com").await;
    let jobs = world.mailing.reads.ask(|reader| page::<MailJob>(reader.tables(), None, 9));
    assert_eq!(jobs.await.unwrap(), []);
    world.relay();
    seconds(60).await;
    assert_eq!(world.owed(later).await, ["tickets"]);
    // Tickets before news: 452 of them.
    let came = world.post.came.lock().unwrap().clone();
    let first = came.iter().position(|(_, what)| what == "moved").unwrap();
    assert!(came[first..].iter().all(|(_, what)| what != "tickets"));
    assert_eq!(world.post.to("p7@example.com"), ["tickets", "moved"]);
    // There and back again is no news.
    let all = world.post.all();
    world.put(EventSpec { place: "Hall 3".into(), ..spec(0) }).await;
    world.put(EventSpec { place: "Hall 2".into(), ..spec(0) }).await;
    seconds(60).await;
    let told = world.post.came.lock().unwrap()[all..].to_vec();
    assert!(told.iter().filter(|(to, _)| to == "p7@example.com").count() <= 1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn who_ordered_before_a_move_is_told_though_the_clock_was_set_back_meanwhile() {
    let world = World::new("set-back", 0).await;
    world.ahead_ms.store(3_600_000, Ordering::SeqCst);
    let order = world.paid("ann@example.com").await;
    world.ahead_ms.store(0, Ordering::SeqCst);
    world.put(EventSpec { place: "Hall 2".into(), ..spec(0) }).await;
    let job = world.mailing.reads.ask(|reader| page::<MailJob>(reader.tables(), None, 9));
    assert_eq!(job.await.unwrap().len(), 1, "it is not worked on yet");
    world.ahead_ms.store(10, Ordering::SeqCst);
    let later = world.paid("later@example.com").await;
    seconds(10).await;
    assert!(world.owed(order).await.contains(&"moved".to_owned()));
    assert_eq!(world.owed(later).await, ["tickets"]);
    let rows = world.rows().await;
    assert!(rows.iter().all(|row| !row.payload.contains("issued")), "only the job needs it");
}

#[tokio::test(start_paused = true)]
async fn a_job_of_a_newer_version_keeps_no_other_waiting() {
    let world = World::new("newer", 0).await;
    let order = world.paid("ann@example.com").await;
    let newer = MailJob {
        id: 1,
        at_ms: BEGUN_MS,
        event: world.event,
        letter: r#"{"a letter":"that is not known"}"#.into(),
        done: OrderId(0),
    };
    world.outbox.queue.write(vec![RecordChange::put(&newer)]).await.unwrap();
    world.put(EventSpec { place: "Hall 2".into(), ..spec(0) }).await;
    seconds(10).await;
    assert!(world.owed(order).await.contains(&"moved".to_owned()));
    let jobs = world.mailing.reads.ask(|reader| page::<MailJob>(reader.tables(), None, 9));
    assert_eq!(jobs.await.unwrap(), [newer], "the newer version makes its mails");
}

#[tokio::test(start_paused = true)]
async fn no_mail_is_stopped_for_ever_by_an_event_as_it_was_before_another_process_changed_it() {
    let mut world = World::new("stale", 0).await;
    let order = world.paid("ann@example.com").await;
    // Another process moves the event, and this one looks seldom, as where there are very many events.
    world.catalogue.refresh(None, &[], BEGUN_MS - 1);
    let command = Command::PutEvent {
        id: world.event,
        spec: EventSpec { place: "Hall 2".into(), ..spec(0) },
    };
    world.ask(command).await;
    world.relay();
    seconds(10).await;
    assert_eq!(world.owed(order).await, ["tickets", "moved"]);
    assert_eq!(world.post.to("ann@example.com"), [""; 0], "as of before, it says the old place");
    let look = async |world: &World| {
        let events = world.mailing.reads.ask(|reader| reader.events()).await.unwrap();
        world.catalogue.refresh(Some(events), &[], world.outbox.clock.now_ms());
    };
    look(&world).await;
    seconds(3).await;
    assert_eq!(world.post.to("ann@example.com"), ["tickets", "moved"]);
    // It was moved back, as far as is known here, and has been moved once more since.
    let put = |place: &str| Command::PutEvent {
        id: world.event,
        spec: EventSpec { place: place.into(), ..spec(0) },
    };
    world.ask(put("Hall 3")).await;
    seconds(1).await;
    world.ask(put("Hall 2")).await;
    let stale = world.mailing.reads.ask(|reader| reader.events()).await.unwrap();
    world.catalogue.refresh(Some(stale), &[], world.outbox.clock.now_ms() + 60_000);
    world.ask(put("Hall 4")).await;
    seconds(3).await;
    let told = |world: &World| world.post.to("ann@example.com").len();
    assert_eq!(told(&world), 2, "it waits to know");
    look(&world).await;
    seconds(1).await;
    look(&world).await;
    seconds(3).await;
    let came = world.post.to("ann@example.com");
    assert_eq!(came[2..], ["moved", "moved", "moved"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_shown_and_not_tried_again() {
    let mut world = World::new("refused", 0).await;
    let words = "550 5.1.1 <ann@example.com>: no such user";
    let says = ("ann@example.com".to_owned(), Sent::Refused(words.into()));
    world.post.says.lock().unwrap().push(says);
    let order = world.paid("ann@example.com").await;
    world.relay();
    seconds(3_600).await;
    let state = world.mailing.of_order(order).await.unwrap().remove(0);
    assert_eq!((state.standing, state.why.as_deref()), (MailStanding::Refused, Some(words)));
    assert!(state.ended_ms.is_some());
    let troubled = world.mailing.troubled(world.event, 10).await.unwrap();
    assert_eq!(troubled, [state]);
    let text = world.metrics.text();
    assert!(text.contains(r#"nts_mails_total{kind="tickets",outcome="refused"} 1"#), "{text}");
    // The holder may try at once, at another address most likely.
    let order = world.order(order).await;
    assert_eq!(world.mailing.resend(&order).await.unwrap(), Asked::Owed);
    assert_eq!(Money { minor: 0, currency: order.currency }, order.total());
}

/// However many ask at one moment, and however they write the address.
#[tokio::test(start_paused = true)]
async fn the_limits_hold_for_those_who_ask_at_once() {
    let mut world = World::looking("at-once", 0, 60).await;
    let id = world.paid("ann@example.com").await;
    world.relay();
    seconds(3_600).await;
    let (order, mailing) = (world.order(id).await, Arc::new(&world.mailing));
    let resend = (0..20).map(|_| mailing.resend(&order));
    let owed = |asked: &Result<Asked, CommandError>| matches!(asked, Ok(Asked::Owed));
    let asked = futures_of(resend).await;
    assert_eq!(asked.iter().filter(|asked| owed(asked)).count(), 1, "{asked:?}");
    let ways = ["ann@example.com", "Ann@example.com", "ANN@EXAMPLE.COM", " aNN@Example.com "];
    let lost = (0..20).map(|n| mailing.lost(ways[n % ways.len()]));
    let asked = futures_of(lost).await;
    assert_eq!(asked.iter().filter(|asked| owed(asked)).count(), 1, "{asked:?}");
    // And the erasure of its buyer leaves nothing of it, however it was typed.
    let (event, because) = (world.event, Erasure::Asked);
    world.ask(Command::Erase { event, orders: vec![id], because }).await;
    assert!(world.rows().await.iter().all(|row| row.destination.is_empty()));
}

/// All of them at once.
async fn futures_of<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, done) in all.iter_mut().filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(output) = one.as_mut().poll(context) {
                *done = Some(output);
            }
        }
        match all.iter().all(|(_, done)| done.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    all.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test(start_paused = true)]
async fn an_order_has_not_many_addresses_a_day() {
    let world = World::looking("addresses", 0, 600).await;
    let order = world.paid("a0@example.com").await;
    for n in 1..=ADDRESSES_A_DAY {
        assert_eq!(world.mailing.address_not_before(order).await.unwrap(), None);
        world.readdress(order, &format!("a{n}@example.com")).await;
        seconds(60).await;
    }
    let at = world.mailing.address_not_before(order).await.unwrap();
    assert_eq!(at, Some(BEGUN_MS + DAY_MS));
    seconds(24 * 3_600).await;
    assert_eq!(world.mailing.address_not_before(order).await.unwrap(), None);
}
