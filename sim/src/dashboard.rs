//! What others do at the provider without asking in which state an order is, when nobody looks; and
//! who sends again what the provider has signed.

use crate::buyers::payment_of;
use crate::machine::Backend;
use crate::plan::Fault;
use crate::provider::acted;
use crate::rng::Rng;
use crate::trace::Promise;
use crate::world::{Ask, EPOCH_MS, WEBHOOK_SECRET, World};
use boxoffice::{IntentStatus, OrderId, OrderState};
use nts_server::payments::fake::FakeStripe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::{Duration, sleep};

/// How often each of them looks whether there is something to do.
const LOOK: Duration = Duration::from_secs(5);
/// How far the time of a signature may be from the server's clock, in seconds.
const TOLERANCE_S: i64 = 300;
const DAY_MS: i64 = 24 * 3_600_000;

/// An order whose money was taken, whatever its state, and its payment.
fn taken(world: &World, rng: &mut Rng) -> Option<(OrderId, String)> {
    let orders: Vec<OrderId> = world.audit(|auditor, _, _| {
        let paid = auditor.orders().filter(|o| o.state != OrderState::Held && o.payment.is_some());
        paid.map(|o| o.id).collect()
    });
    let order = *orders.get(rng.below(orders.len().max(1) as u64) as usize)?;
    let intent = payment_of(world, order, &OrderState::ALL)?;
    let look = world.fake.look(&intent).ok()??;
    (look.status == IntentStatus::Succeeded).then_some((order, intent))
}

fn give_back(world: &World, rng: &mut Rng, order: OrderId, intent: &str) -> bool {
    // Stripe takes three-decimal currencies in steps of ten.
    let step = if world.plan.currency == "KWD" { 10 } else { 1 };
    let amount = rng.between(1, (world.plan.price / step).max(1)) * step;
    world.audit(|auditor, _, _| auditor.by_hand(order));
    let done = world.fake.refund_by_hand(intent, amount).is_ok();
    if done {
        world.tell(Some(order), format!("somebody gives {amount} back by hand"));
        acted(world);
    }
    done
}

/// People at the provider's desk who do not look at the order: money is given back by hand, several
/// refunds within a second, or the cardholder disputes.
pub async fn anywhere(world: Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, 22);
    let fault = Fault::HandsAnywhere;
    loop {
        sleep(LOOK).await;
        if world.chaos.is_calm() {
            return;
        }
        if !world.chaos.would(fault) {
            continue;
        }
        let several = if rng.below(3) == 0 { 2 + rng.below(8) } else { 1 };
        for _ in 0..several {
            let Some((order, intent)) = taken(&world, &mut rng) else { continue };
            let state = world.audit(|auditor, _, _| auditor.order(order).map(|o| o.state));
            // Of what has no places any more all the money must go back, which a dispute forbids.
            let whole = matches!(state, Some(OrderState::Released | OrderState::Void));
            let done = if rng.below(4) == 0 && !whole {
                world.audit(|auditor, _, _| auditor.by_hand(order));
                world.tell(Some(order), "the cardholder disputes it");
                world.fake.dispute(&intent, 1 + rng.between(0, 9)).is_ok()
            } else {
                give_back(&world, &mut rng, order, &intent)
            };
            if done {
                world.chaos.note(fault);
                if state != Some(OrderState::Paid) {
                    world.mark("somebody acted by hand on an order that was not paid");
                }
            }
        }
    }
}

/// While no process runs on a machine: what somebody did by hand weeks ago, when it was away, too.
pub fn while_away(world: &World, rng: &mut Rng) {
    if !world.chaos.would(Fault::AwayForWeeks) {
        return;
    }
    let Some((order, intent)) = taken(world, rng) else { return };
    // What is older than a month is not looked for at a start.
    let ago = rng.between(1, 32) * DAY_MS;
    world.double_ahead_ms.fetch_sub(ago, Ordering::SeqCst);
    let done = give_back(world, rng, order, &intent);
    world.double_ahead_ms.fetch_add(ago, Ordering::SeqCst);
    if done {
        world.chaos.note(Fault::AwayForWeeks);
    }
}

/// Sends again what the provider has sent, minutes or hours later or before its time.
pub async fn replays(world: Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, 23);
    let mut last = 0;
    let mut bodies = Vec::new();
    loop {
        sleep(LOOK).await;
        if world.chaos.is_calm() {
            return;
        }
        if !world.chaos.would(Fault::WebhookReplayed) {
            continue;
        }
        for (n, body) in world.fake.events_since(last).unwrap_or_default() {
            last = last.max(n);
            bodies.push(body);
        }
        if bodies.is_empty() {
            continue;
        }
        world.chaos.note(Fault::WebhookReplayed);
        let body = bodies[rng.below(bodies.len() as u64) as usize].clone();
        let age = match rng.below(5) {
            0 => rng.between(-4_000, -TOLERANCE_S),
            1 => rng.between(0, TOLERANCE_S),
            2 => rng.between(TOLERANCE_S, TOLERANCE_S + 60),
            _ => rng.between(TOLERANCE_S, 100_000),
        };
        replay(&world, &mut rng, body, age).await;
    }
}

async fn replay(world: &Arc<World>, rng: &mut Rng, body: String, age_s: i64) {
    let now_s = (EPOCH_MS + world.at_ms()) / 1000;
    let signed_s = now_s - age_s;
    let mut signature = FakeStripe::signature(WEBHOOK_SECRET, signed_s, &body);
    // Somebody writes another time beside an old signature.
    let changed = rng.below(4) == 0 && age_s > 0;
    if changed {
        signature = signature.replace(&format!("t={signed_s}"), &format!("t={now_s}"));
    }
    let ask =
        Ask { body, header: Some(("stripe-signature", signature)), ..Ask::get("/stripe/webhook") };
    let Some(answer) = world.ask(rng, "somebody", Ask { method: "POST", ..ask }).await else {
        return;
    };
    // By the clock of the process; of the database's it may know a little less.
    let (clocks, unsure_s) = match &world.backend {
        Backend::File(_) => (vec![answer.clock_ms], 2),
        Backend::Shared(server, _) => (vec![answer.clock_ms, server.now_ms()], 400),
    };
    let ages = clocks.iter().map(|clock_ms| (clock_ms / 1000).abs_diff(signed_s) as i64);
    let (least, most) = (ages.clone().min().unwrap_or(0), ages.max().unwrap_or(0));
    let heard = answer.status == 200;
    let wrong = if changed {
        heard.then_some("a signature with another time beside it")
    } else if least > TOLERANCE_S + unsure_s {
        heard.then_some("a signature that is too old, or from the future")
    } else if most < TOLERANCE_S - unsure_s {
        (answer.status == 400).then_some("the provider's own signature, not old yet")
    } else {
        None
    };
    if let Some(what) = wrong {
        let text = format!("{what}, was answered with {}", answer.status);
        world.broken(Promise::NoFalseAnswer, None, text);
    }
}
