//! A program of the organiser's that is told what happens: the receiver of a webhook, and the network to it.

use crate::plan::Fault;
use crate::rng::Rng;
use crate::world::{Ask, ORGANISER, World};
use boxoffice::OrderId;
use nts_server::webhooks::send::{Answered, Carry, Outcome, Post, Sending};
use serde_json::Value;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::time::{Duration, sleep};

/// How long a process waits for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The organiser makes a webhook, before anything is sold. If it is not known whether it was made, another one is.
pub async fn make(world: &Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, 9_201);
    let body = serde_json::json!({"url": "https://receiver.example/nts"});
    loop {
        let ask = Ask::post("/api/v1/webhooks", &body).bearer(ORGANISER);
        let answer = world.retry_until_answered(&mut rng, "organiser", ask).await;
        if answer.status == 201 {
            return world.tell(None, "there is a webhook");
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// The way from a process to the receiver.
pub struct SimReceiver {
    world: Weak<World>,
    machine: usize,
    /// Until when nobody answers, in milliseconds since the beginning.
    away_until: AtomicI64,
    rng: Mutex<Rng>,
}

impl SimReceiver {
    /// The way from the process that is the `life`th of its machine.
    pub fn new(world: &Arc<World>, machine: usize, life: u32) -> SimReceiver {
        let stream = 20_000 + 100 * u64::from(life) + machine as u64;
        let rng = Mutex::new(Rng::new(world.plan.seed, stream));
        let (away_until, world) = (AtomicI64::new(0), Arc::downgrade(world));
        SimReceiver { world, machine, away_until, rng }
    }

    /// Some milliseconds.
    fn takes(&self, low: i64, high: i64) -> Duration {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_millis(rng.between(low, high).unsigned_abs())
    }

    async fn arrives(&self, post: Post) -> Outcome {
        let Some(world) = self.world.upgrade() else { return std::future::pending().await };
        let chaos = &world.chaos;
        let told: Value = serde_json::from_str(&post.body).unwrap_or_default();
        let kind = told["type"].as_str().unwrap_or_default().to_owned();
        let order = told["data"]["order"].as_str().and_then(|id| uuid::Uuid::parse_str(id).ok());
        let order = order.map(|id| OrderId(id.as_u128()));
        let what = format!("machine {}: {} to the webhook", self.machine, kind);
        let answered = |status| Ok(Answered { status, retry_after: None, body: String::new() });
        if chaos.strikes(Fault::HookAway) {
            let long = chaos.between(Fault::HookAway, 1_000, 3_600_000);
            self.away_until.store(world.at_ms() + long, Ordering::SeqCst);
            let text = format!("machine {}: the receiver is away for {long} ms", self.machine);
            world.tell(None, text);
        }
        if !chaos.is_calm() && world.at_ms() < self.away_until.load(Ordering::SeqCst) {
            sleep(self.takes(1, 100)).await;
            return Err("There is no connection.".into());
        }
        sleep(self.takes(5, 80)).await;
        if chaos.strikes(Fault::HookFails) {
            world.tell(order, format!("{what}: 500"));
            return answered(500);
        }
        if chaos.strikes(Fault::HookHangs) {
            world.tell(order, format!("{what}: nobody answers"));
            sleep(PATIENCE).await;
            return Err("There was no answer in time.".into());
        }
        world.tell(order, format!("{what}: taken"));
        world.trace().count("messages to webhooks taken");
        let state = told["data"]["state"].as_str().map(str::to_owned);
        world.audit(|auditor, story, at| {
            auditor.hook_told(story, at, &kind, order, state.as_deref());
        });
        if chaos.strikes(Fault::HookAnswerLost) {
            world.tell(order, format!("{what}: its answer is lost"));
            sleep(PATIENCE).await;
            return Err("There was no answer in time.".into());
        }
        sleep(self.takes(5, 80)).await;
        answered(204)
    }
}

impl Carry for SimReceiver {
    fn carry(&self, post: Post) -> Sending<'_> {
        Box::pin(self.arrives(post))
    }
}
