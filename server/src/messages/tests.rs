//! With paused time: the runtime's clock moves when nothing else can.

use super::*;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::records::page;
use crate::store::sqlite::SqliteStore;
use crate::writer::{Job, Writer};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::mpsc;
use tokio::time::Instant;

const BEGUN_MS: i64 = 1_800_000_000_000;

/// How a destination behaves, and what came there and when, in seconds since the beginning.
struct Post {
    begun: Instant,
    came: Mutex<Vec<(String, u64)>>,
}

impl Post {
    fn came_to(&self, destination: &str) -> Vec<u64> {
        let came = self.came.lock().unwrap();
        came.iter().filter(|(to, _)| to == destination).map(|(_, at)| *at).collect()
    }
}

impl Deliver for Post {
    const KIND: &'static str = "test";

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
            "gone" => return Delivery::GiveUp("no such address".into()),
            "bug" if message.tries == 0 => panic!("a bug in the delivery"),
            _ => {}
        }
        Delivery::Delivered
    }
}

struct World {
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
        let dir = std::env::temp_dir().join(format!("nts-messages-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let begun = Instant::now();
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let clock = Clock::Virtual { begun, begun_ms: BEGUN_MS, ahead_ms };
        World { dir, clock, post: Arc::new(Post { begun, came: Mutex::default() }) }
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
            due_ms: self.outbox.clock.now_ms(),
            tries: 0,
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
    seconds(110).await;
    assert_eq!(post.came_to("slow"), [0, 50, 100]);
    process.send(&["quick"]).await;
    seconds(1).await;
    assert_eq!(post.came_to("quick"), [0, 0, 112], "no second is lost");
    // What takes too long is tried again.
    assert_eq!(post.came_to("stuck").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_after_growing_pauses_and_given_up_with_the_reason() {
    let world = World::new("retry");
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
    assert_eq!(gone.state, MessageState::GivenUp);
    assert_eq!((gone.tries, gone.last_error.as_deref()), (1, Some("no such address")));
    seconds(3_600).await;
    assert_eq!(world.post.came_to("later").len(), 2, "not before it was asked to");
    assert!(world.post.came_to("later")[1] >= 3_600);
    seconds(4 * 24 * 3_600).await;
    assert_eq!(world.post.came_to("away").len(), MOST_TRIES as usize);
    assert_eq!(world.post.came_to("gone").len(), 1);
    let left = process.left().await;
    assert!(left.iter().all(|m| m.state == MessageState::GivenUp) && left.len() == 2, "{left:?}");
    let away = left.iter().find(|m| m.destination == "away").unwrap();
    let why = away.last_error.as_deref().unwrap();
    assert!(why.contains("20 times") && why.contains("nobody answers"), "{why}");
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
    let changes = vec![late.delivered(), late.put_off(1, MessageState::GivenUp, "late")];
    process.outbox.queue.write(changes).await.unwrap();
    assert!(process.left().await.contains(&taken));
}
