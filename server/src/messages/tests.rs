//! With paused time: the runtime's clock moves when nothing else can.

use super::*;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::records::page;
use crate::store::sqlite::SqliteStore;
use crate::writer::{Job, Writer};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use tokio::sync::mpsc;
use tokio::time::Instant;

const BEGUN_MS: i64 = 1_800_000_000_000;

/// How a destination behaves, and what came there and when, in seconds since the beginning.
struct Post {
    per_second: u32,
    keeps: bool,
    /// For how long what fails is tried, and how old what was not tried may become, in milliseconds.
    tried_for_ms: AtomicI64,
    most_age_ms: AtomicI64,
    /// Whether nothing is taken at all.
    away: AtomicBool,
    begun: Instant,
    came: Mutex<Vec<(String, u64)>>,
}

impl Post {
    fn came_to(&self, destination: &str) -> Vec<u64> {
        let came = self.came.lock().unwrap();
        came.iter().filter(|(to, _)| to == destination).map(|(_, at)| *at).collect()
    }
}

const HOUR_MS: i64 = 3_600_000;
const FOR_HOURS: i64 = 2 * 24 * HOUR_MS;

impl Deliver for Post {
    const KIND: &'static str = "test";

    fn policy(&self) -> Policy {
        Policy {
            per_second: self.per_second,
            at_once: 16,
            first_pause_ms: 5_000,
            most_pause_ms: 4 * 3_600_000,
            tried_for_ms: self.tried_for_ms.load(Ordering::SeqCst),
            most_age_ms: self.most_age_ms.load(Ordering::SeqCst),
            keeps: self.keeps,
            one_way: true,
        }
    }

    async fn deliver(&self, message: &Message) -> Delivery {
        let at = self.begun.elapsed().as_secs();
        self.came.lock().unwrap().push((message.destination.clone(), at));
        match message.destination.as_str() {
            "slow" => sleep(Duration::from_secs(50)).await,
            "stuck" => std::future::pending().await,
            "away" => return Delivery::Retry { after_ms: 0, why: "nobody answers".into() },
            "later" if message.tries == 0 => {
                return Delivery::Retry { after_ms: 3_600_000, why: "come later".into() };
            }
            "gone" => return Delivery::Refused("no such address".into()),
            "mute" => return Delivery::Unanswered("no reply".into()),
            _ if self.away.load(Ordering::SeqCst) => {
                return Delivery::Retry { after_ms: 0, why: "no connection".into() };
            }
            name if name.starts_with("broken") => return Delivery::Failed("unreadable".into()),
            name if name.starts_with("poison") => panic!("a bug in the delivery"),
            "bug" if message.tries == 0 => panic!("a bug in the delivery"),
            _ => {}
        }
        Delivery::Delivered
    }
}

struct World {
    look: Duration,
    dir: PathBuf,
    clock: Clock,
    post: Arc<Post>,
}

impl Drop for World {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A process that serves this database. It ends when it is dropped.
struct Process {
    outbox: Outbox,
    tasks: JoinSet<()>,
}

async fn write(mut writer: Writer, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    while jobs.recv_many(&mut batch, 100).await > 0 {
        for (caller, answer) in writer.step(std::mem::take(&mut batch)).answers {
            _ = caller.send(answer);
        }
    }
}

impl World {
    fn new(name: &str) -> World {
        World::with(name, 1_000, false)
    }

    fn with(name: &str, per_second: u32, keeps: bool) -> World {
        let dir = std::env::temp_dir().join(format!("nts-messages-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let begun = Instant::now();
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let clock = Clock::Virtual { begun, begun_ms: BEGUN_MS, ahead_ms };
        let (away, came) = (AtomicBool::new(false), Mutex::default());
        let (tried_for_ms, most_age_ms) = (FOR_HOURS.into(), (7 * 24 * HOUR_MS).into());
        let post =
            Arc::new(Post { per_second, keeps, tried_for_ms, most_age_ms, away, begun, came });
        World { look: Duration::from_secs(1), dir, clock, post }
    }

    fn start(&self) -> Process {
        static OWNERS: AtomicI64 = AtomicI64::new(1);
        let path = self.dir.join("nts.db");
        let store = SqliteStore::open(&path, self.clock.clone()).unwrap().store;
        let reader = store.own_reader().unwrap();
        let metrics = Arc::new(Metrics::default());
        let (queue, jobs) = Queue::new(100, Duration::from_secs(5), Arc::clone(&metrics));
        let mut tasks = JoinSet::new();
        tasks.spawn(write(Writer::new(Box::new(store), metrics), jobs));
        let outbox = Outbox {
            queue,
            reads: Reads::inline(Box::new(reader)),
            clock: Arc::new(DatabaseClock::new(self.clock.clone())),
            news: Arc::default(),
            look: self.look,
            owner: OWNERS.fetch_add(1, Ordering::SeqCst),
        };
        tasks.spawn(work(outbox.clone(), Arc::clone(&self.post)));
        Process { outbox, tasks }
    }
}

impl Process {
    /// Messages to these destinations, in this order.
    async fn send(&self, destinations: &[&str]) {
        static IDS: AtomicI64 = AtomicI64::new(1);
        let message = |destination: &&str| Message {
            id: IDS.fetch_add(1, Ordering::SeqCst) as u128,
            kind: Post::KIND.into(),
            destination: (*destination).into(),
            subject: format!("to {destination}"),
            payload: "{}".into(),
            lane: u32::from(destination.starts_with("news")),
            order_id: None,
            event: None,
            made_ms: self.outbox.clock.now_ms(),
            due_ms: self.outbox.clock.now_ms(),
            tried_ms: None,
            tries: 0,
            unanswered: 0,
            ended_ms: None,
            last_error: None,
            state: MessageState::Queued,
            owner: 0,
        };
        let puts = destinations.iter().map(message).map(|m| RecordChange::put(&m)).collect();
        self.outbox.queue.write(puts).await.unwrap();
        self.outbox.news.notify_one();
    }

    /// What is in the table.
    async fn left(&self) -> Vec<Message> {
        self.outbox.reads.ask(|reader| page(reader.tables(), None, 1_000)).await.unwrap()
    }

    async fn dies(mut self) {
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_destination_delays_only_itself() {
    let world = World::new("fair");
    let process = world.start();
    let slow = ["slow"; 100];
    process.send(&slow).await;
    process.send(&["stuck", "quick", "quick", "other"]).await;
    seconds(2).await;
    let post = &world.post;
    assert_eq!(post.came_to("slow"), [0], "one at a time");
    assert_eq!(post.came_to("quick"), [0, 0]);
    assert_eq!(post.came_to("other"), [0]);
    seconds(120).await;
    assert_eq!(post.came_to("slow"), [0, 50, 100]);
    process.send(&["quick"]).await;
    seconds(1).await;
    assert_eq!(post.came_to("quick"), [0, 0, 122], "no second is lost");
    // What takes too long is tried again.
    assert_eq!(post.came_to("stuck").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_after_growing_pauses_and_given_up_with_the_reason() {
    let mut world = World::new("retry");
    let process = world.start();
    process.send(&["away", "later", "gone", "bug"]).await;
    seconds(40).await;
    let came = world.post.came_to("away");
    assert_eq!(came.len(), 4, "{came:?}");
    for (nth, pause) in [5, 10, 20].into_iter().enumerate() {
        let waited = came[nth + 1] - came[nth];
        assert!((pause..=pause + 2).contains(&waited), "{came:?}");
    }
    assert_eq!(world.post.came_to("bug").len(), 2, "a bug in one is no end of the worker");
    let gone = process.left().await.into_iter().find(|m| m.destination == "gone").unwrap();
    assert_eq!(gone.state, MessageState::Refused);
    assert_eq!((gone.tries, gone.last_error.as_deref()), (0, Some("no such address")));
    assert!(gone.ended_ms.is_some());
    seconds(3_600).await;
    assert_eq!(world.post.came_to("later").len(), 2, "not before it was asked to");
    assert!(world.post.came_to("later")[1] >= 3_600);
    process.dies().await;
    world.look = Duration::from_secs(60);
    let process = world.start();
    seconds(4 * 24 * 3_600).await;
    assert_eq!(world.post.came_to("gone").len(), 1);
    let left = process.left().await;
    assert_eq!(left.len(), 2, "{left:?}");
    let away = left.iter().find(|m| m.destination == "away").unwrap();
    assert_eq!(away.state, MessageState::GivenUp);
    assert_eq!(away.last_error.as_deref(), Some("nobody answers"));
    let tried_for = away.ended_ms.unwrap() - away.tried_ms.unwrap();
    assert!((FOR_HOURS..FOR_HOURS + 5 * 3_600_000).contains(&tried_for), "{tried_for}");
    assert_eq!(world.post.came_to("away").len(), away.tries as usize);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_delivered_at_least_once_whatever_dies() {
    let world = World::new("restart");
    let process = world.start();
    process.send(&["slow", "quick"]).await;
    seconds(10).await;
    // In the middle of a delivery.
    process.dies().await;
    let process = world.start();
    seconds(30).await;
    assert_eq!(world.post.came_to("quick"), [0], "what was delivered is not delivered again");
    assert_eq!(world.post.came_to("slow"), [0], "somebody may still be at it");
    seconds(200).await;
    let came = world.post.came_to("slow");
    assert_eq!(came.len(), 2, "{came:?}");
    assert_eq!(process.left().await, []);
}

/// Two processes look at the same moment.
#[tokio::test(start_paused = true)]
async fn only_one_of_two_takes_a_message() {
    let world = World::new("two");
    let process = world.start();
    let (a, b) = (process.outbox.clone(), Outbox { owner: 99, ..process.outbox.clone() });
    process.send(&["slow"]).await;
    seconds(1).await;
    process.send(&["stuck"]).await;
    let message = process.left().await.into_iter().find(|m| m.destination == "stuck").unwrap();
    for outbox in [&a, &b] {
        // Only the first of them finds it as it was.
        outbox.queue.write(vec![message.claim(outbox.owner, 7)]).await.unwrap();
    }
    let taken = process.left().await.into_iter().find(|m| m.destination == "stuck").unwrap();
    assert_ne!(taken.owner, 99);
    // And who was too slow changes nothing any more.
    let late = Message { owner: 99, ..taken.clone() };
    let ended = Ended {
        state: MessageState::Refused,
        due_ms: 1,
        in_vain: true,
        unanswered: false,
        why: Some("late".into()),
        erase: false,
    };
    let changes = vec![late.remove(), late.end(1, ended)];
    process.outbox.queue.write(changes).await.unwrap();
    assert!(process.left().await.contains(&taken));
}

/// A relay that is away for days: nothing is given up, little is written, and the rest goes out in order.
#[tokio::test(start_paused = true)]
async fn while_nothing_is_taken_the_rest_waits_untouched() {
    let mut world = World::with("away", 20, true);
    world.look = Duration::from_secs(20);
    let process = world.start();
    world.post.away.store(true, Ordering::SeqCst);
    // Less than the time for which nothing is taken; all in hours instead of days, which are many looks at a database.
    world.post.tried_for_ms.store(2 * HOUR_MS, Ordering::SeqCst);
    let many: Vec<String> = (0..300).map(|n| format!("p{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    process.send(&many).await;
    seconds(4 * 3_600).await;
    let left = process.left().await;
    assert!(left.iter().all(|message| message.state == MessageState::Queued));
    let tried = world.post.came.lock().unwrap().len();
    assert!(tried < 4 * 60 + 100, "one a minute, not {tried}");
    assert!(left.iter().filter(|message| message.tries > 0).count() < 20);
    world.post.came.lock().unwrap().clear();
    world.post.away.store(false, Ordering::SeqCst);
    seconds(200).await;
    let left = process.left().await;
    assert!(left.iter().all(|message| message.state == MessageState::Delivered), "{left:?}");
    assert_eq!(world.post.came.lock().unwrap().len(), 300);
}

/// Tickets before news, at the rate that was asked for.
#[tokio::test(start_paused = true)]
async fn what_is_urgent_goes_first_and_all_of_it_keeps_to_the_rate() {
    let world = World::with("rate", 5, true);
    let process = world.start();
    let news: Vec<String> = (0..100).map(|n| format!("news{n}")).collect();
    process.send(&news.iter().map(String::as_str).collect::<Vec<_>>()).await;
    seconds(10).await;
    process.send(&["ticket1", "ticket2", "ticket3"]).await;
    seconds(5).await;
    let came = world.post.came.lock().unwrap().clone();
    let last = came.iter().filter(|(to, _)| to.starts_with("ticket")).map(|(_, at)| *at).max();
    assert!(last <= Some(12), "{last:?}");
    assert!((60..=82).contains(&came.len()), "{} in 15 seconds", came.len());
    for second in 1..15 {
        let then = came.iter().filter(|(_, at)| *at == second).count();
        assert!(then <= 10, "{then} in second {second}");
    }
}

/// One that gets no answer is sent once more under its id, and not a third time.
#[tokio::test(start_paused = true)]
async fn what_gets_no_answer_is_sent_once_more() {
    let mut world = World::with("mute", 5, true);
    world.look = Duration::from_secs(20);
    let process = world.start();
    process.send(&["mute", "quick"]).await;
    seconds(24 * 3_600).await;
    assert_eq!(world.post.came_to("mute").len(), 2);
    let left = process.left().await;
    let mute = left.iter().find(|message| message.destination == "mute").unwrap();
    assert_eq!((mute.state, mute.unanswered), (MessageState::Unanswered, 2));
    let quick = left.iter().find(|message| message.destination == "quick").unwrap();
    assert_eq!((quick.state, quick.last_error.as_ref()), (MessageState::Delivered, None));
}

/// What was owed for too long, because there was nobody to take it, is not sent.
#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_not_sent() {
    let mut world = World::with("old", 5, true);
    world.look = Duration::from_secs(20);
    let process = world.start();
    world.post.away.store(true, Ordering::SeqCst);
    world.post.most_age_ms.store(7 * HOUR_MS, Ordering::SeqCst);
    process.send(&["a", "b", "c", "d", "e"]).await;
    seconds(7 * 3_600 - 120).await;
    let left = process.left().await;
    assert!(left.iter().all(|m| m.state == MessageState::Queued), "{left:?}");
    seconds(240).await;
    let left = process.left().await;
    assert!(left.iter().all(|m| m.state == MessageState::TooOld), "{left:?}");
    assert!(left.iter().all(|m| m.last_error.is_some() && m.ended_ms.is_some()));
}

/// What cannot be made or ends in a bug tells nothing of the relay: however much of it there is, the others go.
#[tokio::test(start_paused = true)]
async fn what_is_broken_keeps_nobody_else_waiting() {
    for name in ["broken", "poison"] {
        let world = World::with(name, 1_000, true);
        let process = world.start();
        let all: Vec<String> = (0..300).map(|n| format!("{name}{n}")).collect();
        process.send(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
        sleep(Duration::from_secs(2)).await;
        process.send(&["fine", "well"]).await;
        sleep(Duration::from_secs(3)).await;
        for destination in ["fine", "well"] {
            assert_eq!(world.post.came_to(destination).len(), 1, "{name}");
        }
        // Each was tried, and its time runs.
        let rows: Vec<Message> =
            process.outbox.reads.ask(|reader| page(reader.tables(), None, 1_000)).await.unwrap();
        let in_vain = |m: &&Message| m.state == MessageState::Queued && m.tried_ms.is_some();
        assert_eq!(rows.iter().filter(in_vain).count(), 300, "{name}");
    }
}
