//! The organiser cancels the event when the storm is over: everybody gets the money back, through any number of
//! crashes.

use crate::rng::Rng;
use crate::trace::Promise;
use crate::world::{Ask, ORGANISER, World};
use serde_json::json;
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// In one of so many runs.
const ONE_OF: u64 = 3;
/// How often a process is killed meanwhile, at most.
const KILLS: u64 = 4;
/// So long it may take, in milliseconds: what a bank has sent back is not waited for.
const SETTLED_MS: i64 = 2 * 3_600_000;

/// Cancels the event, and waits until all of its orders are at rest.
pub async fn cancels(world: &Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, 80);
    if rng.below(ONE_OF) > 0 {
        return;
    }
    world.trace().count("events cancelled");
    let ask = Ask::post("/api/v1/events/show/cancel", &json!({})).bearer(ORGANISER);
    let answer = world.retry_until_answered(&mut rng, "organiser", ask).await;
    if answer.status != 202 {
        let text = format!("an event cannot be cancelled: {} {}", answer.status, answer.body);
        return world.broken(Promise::AllSettles, None, text);
    }
    let (begun, mut kills) = (world.at_ms(), rng.below(KILLS + 1));
    loop {
        sleep(Duration::from_millis(rng.between(20, 3_000).unsigned_abs())).await;
        let ask = Ask::get("/api/v1/events/show/cancellation").bearer(ORGANISER);
        let now = world.retry_until_answered(&mut rng, "organiser", ask).await;
        if now.body["done_at"].is_string() {
            break;
        }
        if world.at_ms() - begun > SETTLED_MS {
            let text = format!("orders of a cancelled event are not at rest: {}", now.body);
            return world.broken(Promise::AllSettles, None, text);
        }
        if kills > 0 {
            kills -= 1;
            kill(world, &mut rng).await;
        }
        if world.is_broken() {
            return;
        }
    }
    let Ok(ledger) = world.fake.ledger_all() else {
        return world.broken(Promise::NoPanic, None, "the fake's ledger cannot be read");
    };
    world.audit(|auditor, trace, at| auditor.all_went_back(trace, at, &ledger));
}

/// Kills a process and starts it again.
async fn kill(world: &Arc<World>, rng: &mut Rng) {
    let machine = &world.machines[rng.below(world.machines.len() as u64) as usize];
    let _driving = machine.driving.lock().await;
    let power_loss = rng.below(2) == 0;
    machine.kill(world, power_loss).await;
    while let Err(why) = machine.start(world) {
        if why.contains("is damaged") {
            return world.broken(Promise::NothingLost, None, why);
        }
        sleep(Duration::from_millis(500)).await;
    }
}
