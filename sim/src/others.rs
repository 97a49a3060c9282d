//! Everybody else: the organiser, people at the provider's desk, the provider's webhooks, and
//! whoever pulls the plugs.

use crate::buyers::payment_of;
use crate::dice::Dice;
use crate::disk::{Call, Disk, FailedSync};
use crate::machine::Base;
use crate::plan::Fault;
use crate::provider::acted;
use crate::story::Promise;
use crate::world::{Ask, EPOCH_MS, ORGANISER, WEBHOOK_SECRET, World};
use boxoffice::{OrderId, OrderState};
use nts_server::payments::double::Double;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How often each of them looks whether there is something to do.
const LOOK: Duration = Duration::from_secs(5);
/// How often the provider rings with what is new.
const RINGS: Duration = Duration::from_secs(1);

/// The event, as the organiser wants it.
pub fn event(world: &World, places: u32, limit: Option<u32>, closed: bool) -> Value {
    let plan = &world.plan;
    let mut event = json!({
        "name": "The Show", "starts_at": "2030-06-01T20:00:00Z", "zone": "UTC",
        "currency": plan.currency, "hold_seconds": plan.hold_seconds,
        "pools": [{"id": "all", "capacity": places}],
        "ticket_types": [{"id": "t", "name": "Ticket", "pool": "all",
                          "price": {"amount": plan.price, "currency": plan.currency}}],
    });
    if let Some(limit) = limit {
        event["limit_per_buyer"] = limit.into();
    }
    if closed {
        event["sale_closes"] = "2026-01-01T00:00:00Z".into();
    }
    event
}

/// Makes the event, or changes it.
pub async fn put_event(world: &Arc<World>, dice: &mut Dice, event: &Value) {
    let ask = Ask { method: "PUT", ..Ask::post("/api/v1/events/show", event) };
    world.insist(dice, "organiser", ask.bearer(ORGANISER)).await;
}

fn some_order(world: &World, dice: &mut Dice, states: &[OrderState]) -> Option<OrderId> {
    let orders: Vec<OrderId> = world.audit(|auditor, _, _| {
        auditor.orders().filter(|o| states.contains(&o.state)).map(|o| o.id).collect()
    });
    if orders.is_empty() { None } else { Some(dice.pick(&orders)) }
}

/// The organiser: more places, fewer places, another limit, a pause, refunds.
pub async fn organiser(world: Arc<World>) {
    let mut dice = Dice::new(world.plan.seed, 3);
    let mut places = world.plan.places;
    let mut limit = world.plan.limit_per_buyer;
    loop {
        sleep(LOOK).await;
        if world.chaos.is_calm() {
            return;
        }
        if world.chaos.strikes(Fault::Resize) {
            places = dice.between(1, i64::from(world.plan.places) * 2).unsigned_abs() as u32;
            put_event(&world, &mut dice, &event(&world, places, limit, false)).await;
        }
        if world.chaos.strikes(Fault::Pause) {
            put_event(&world, &mut dice, &event(&world, places, limit, true)).await;
            sleep(Duration::from_secs(5)).await;
            put_event(&world, &mut dice, &event(&world, places, limit, false)).await;
        }
        if world.chaos.strikes(Fault::Relimit) {
            limit = match world.chaos.between(Fault::Relimit, 0, 4) {
                0 => None,
                limit => Some(limit.unsigned_abs() as u32),
            };
            put_event(&world, &mut dice, &event(&world, places, limit, false)).await;
        }
        if world.chaos.strikes(Fault::Refund)
            && let Some(order) =
                some_order(&world, &mut dice, &[OrderState::Paid, OrderState::Refunding])
        {
            refund(&world, &mut dice, order).await;
        }
        // What a bank sent back is sent once more, with the strength of refunds.
        if world.chaos.would(Fault::RefundFailsLater) {
            let owed = world.audit(|auditor, _, _| {
                auditor.orders().find(|o| o.owed_back().minor > 0).map(|o| o.id)
            });
            if let Some(order) = owed {
                let path = format!("/api/v1/orders/{}/refunds", uuid::Uuid::from_u128(order.0));
                let body = json!({"failed": true, "restock": false});
                world.ask(&mut dice, "organiser", Ask::post(path, &body).bearer(ORGANISER)).await;
            }
        }
    }
}

async fn refund(world: &Arc<World>, dice: &mut Dice, order: OrderId) {
    let restock = dice.below(2) == 0;
    let body = if dice.below(2) == 0 {
        json!({"all": true, "restock": restock})
    } else {
        json!({"lines": [{"ticket_type": "t", "quantity": 1}], "restock": restock})
    };
    let path = format!("/api/v1/orders/{}/refunds", uuid::Uuid::from_u128(order.0));
    let key = (dice.below(2) == 0).then(|| format!("{:016x}", dice.below(u64::MAX)));
    let ask = Ask::post(path, &body).bearer(ORGANISER).key(key.as_deref());
    if dice.below(3) == 0 {
        // Two organisers at the same time.
        let mut other = Dice::new(dice.below(u64::MAX), 1);
        tokio::join!(
            world.ask(dice, "organiser", ask.clone()),
            world.ask(&mut other, "other organiser", ask)
        );
    } else {
        world.ask(dice, "organiser", ask).await;
    }
}

/// People at the provider's own desk.
pub async fn hands(world: Arc<World>) {
    let mut dice = Dice::new(world.plan.seed, 4);
    let mut own = Dice::new(world.plan.seed, 9);
    let mut disputes = Vec::new();
    let alive = [OrderState::Paying, OrderState::Canceling, OrderState::Committed];
    let paid = [OrderState::Paid];
    loop {
        sleep(LOOK).await;
        if world.chaos.is_calm() {
            return;
        }
        for (fault, states) in [
            (Fault::Voided, &alive[..]),
            (Fault::CapturedByHand, &alive),
            (Fault::RefundedByHand, &paid),
            (Fault::Disputed, &paid),
        ] {
            if !world.chaos.would(fault) {
                continue;
            }
            let Some(order) = some_order(&world, &mut dice, states) else { continue };
            let Some(intent) = payment_of(&world, order, states) else { continue };
            world.audit(|auditor, _, _| auditor.by_hand(order));
            // Stripe takes three-decimal currencies in steps of ten.
            let step = if world.plan.currency == "KWD" { 10 } else { 1 };
            let amount = dice.between(1, (world.plan.price / step).max(1)) * step;
            let double = &world.double;
            let done = match fault {
                Fault::Voided => double.void(&intent),
                Fault::CapturedByHand => {
                    let whole = dice.below(2) == 0;
                    double.capture_by_hand(&intent, (!whole).then_some(amount))
                }
                Fault::RefundedByHand => double.refund_by_hand(&intent, amount).map(drop),
                _ => double.dispute(&intent, amount).map(|id| disputes.push(id)),
            };
            if done.is_ok() {
                world.chaos.note(fault);
            }
            let done = if done.is_ok() { "done" } else { "it cannot be done" };
            world.tell(
                Some(order),
                format!("somebody at the provider: {} ({done})", fault.what().1),
            );
            acted(&world);
        }
        banks(&world, &mut own, &disputes);
    }
}

/// What banks do with refunds and disputes, days later as it were.
fn banks(world: &Arc<World>, dice: &mut Dice, disputes: &[String]) {
    let chaos = &world.chaos;
    if chaos.would(Fault::RefundFailsLater) {
        let refunds = world.double.refunds().unwrap_or_default();
        let given: Vec<_> =
            refunds.iter().filter(|r| !r.release && !r.failed && !r.pending).collect();
        if !given.is_empty() {
            let refund = given[dice.below(given.len() as u64) as usize];
            if world.double.fail_refund(&refund.id).is_ok() {
                chaos.note(Fault::RefundFailsLater);
                world.tell(refund.order, format!("the bank sends {} back", refund.id));
                acted(world);
            }
        }
    }
    if !disputes.is_empty() && chaos.would(Fault::DisputeMoves) {
        let id = &disputes[dice.below(disputes.len() as u64) as usize];
        let status = dice.pick(&["under_review", "won", "lost"]);
        if world.double.move_dispute(id, status).is_ok() {
            chaos.note(Fault::DisputeMoves);
            world.tell(None, format!("dispute {id} is {status}"));
        }
    }
}

/// The provider rings.
pub async fn webhooks(world: Arc<World>) {
    let mut dice = Dice::new(world.plan.seed, 5);
    let mut last = 0;
    loop {
        sleep(RINGS).await;
        let Ok(events) = world.double.events_since(last) else { continue };
        for (n, body) in events {
            last = last.max(n);
            if world.chaos.strikes(Fault::WebhookLost) {
                continue;
            }
            let mut late = dice.between(0, 2_000);
            if world.chaos.strikes(Fault::WebhookLate) {
                late = world.chaos.between(Fault::WebhookLate, 5_000, 250_000);
            }
            let times = if world.chaos.strikes(Fault::WebhookTwice) { 2 } else { 1 };
            for _ in 0..times {
                let (at, body) = (Arc::clone(&world), body.clone());
                let mut dice = Dice::new(dice.below(u64::MAX), 0);
                world.elsewhere(async move {
                    sleep(Duration::from_millis(late.unsigned_abs())).await;
                    ring(&at, &mut dice, WEBHOOK_SECRET, body).await;
                });
            }
        }
        if world.chaos.strikes(Fault::WebhookForged)
            && let Some(order) = some_order(&world, &mut dice, &OrderState::ALL)
        {
            let known = payment_of(&world, order, &OrderState::ALL).filter(|_| dice.below(2) == 0);
            let id = known.unwrap_or_else(|| "pi_forged".into());
            let body = json!({"id": "evt_forged", "object": "event", "type": "payment_intent.succeeded",
                "data": {"object": {"object": "payment_intent", "id": id, "status": "succeeded",
                "metadata": {"nts_order": uuid::Uuid::from_u128(order.0).to_string()}}}});
            // Where the secret is known to others they can sign what they like: nothing is believed.
            let secret = if world.plan.signed { "whsec_wrong" } else { WEBHOOK_SECRET };
            ring(&world, &mut dice, secret, body.to_string()).await;
        }
    }
}

async fn ring(world: &Arc<World>, dice: &mut Dice, secret: &str, body: String) {
    let seconds = (EPOCH_MS + world.at_ms()) / 1000;
    let signature = Double::signature(secret, seconds, &body);
    let ask =
        Ask { body, header: Some(("stripe-signature", signature)), ..Ask::get("/stripe/webhook") };
    let genuine = secret == WEBHOOK_SECRET;
    let answer = world.ask(dice, "provider", Ask { method: "POST", ..ask }).await;
    if !genuine && answer.is_some_and(|a| a.status == 200) {
        let text = "a forged webhook was taken for genuine";
        world.broken(crate::story::Promise::NoFalseAnswer, None, text);
    }
}

/// The disk fails for a while, or is full.
fn disk_trouble(world: &Arc<World>, disk: &Disk) {
    let chaos = &world.chaos;
    let seconds = |fault, most| Duration::from_secs(chaos.between(fault, 1, most).unsigned_abs());
    if chaos.strikes(Fault::DiskError) {
        let pick = |below: i64| chaos.between(Fault::DiskError, 0, below - 1);
        let (call, what) = match pick(4) {
            0 => (Call::Read, "reads"),
            1 => (Call::Write, "writes"),
            _ => (Call::Sync, "syncs"),
        };
        let (how, then) = match pick(3) {
            0 => (FailedSync::Nothing, "wait for the next one"),
            1 => (FailedSync::Everything, "are on the disk all the same"),
            _ => (FailedSync::Forgotten, "are forgotten"),
        };
        let (after, times) = (pick(60), if pick(2) == 0 { 1 } else { 1 + pick(60) });
        let then = if call == Call::Sync {
            format!("; what was written: they {then}")
        } else {
            String::new()
        };
        world.tell(None, format!("the disk fails: {times} {what} after {after}{then}"));
        disk.set_failed_sync(how);
        disk.fail(call, after.unsigned_abs(), times.unsigned_abs());
        let (disk, long) = (disk.clone(), seconds(Fault::DiskError, 30));
        world.elsewhere(async move {
            sleep(long).await;
            disk.mend(call);
        });
    }
    if chaos.strikes(Fault::DiskFull) {
        let bytes = chaos.between(Fault::DiskFull, 0, 60_000).unsigned_abs();
        world.tell(None, format!("the disk has room for {bytes} bytes"));
        disk.leave_space(Some(bytes));
        let (disk, long) = (disk.clone(), seconds(Fault::DiskFull, 60));
        world.elsewhere(async move {
            sleep(long).await;
            disk.leave_space(None);
        });
    }
}

/// Starts the process of a machine, kills it, and starts it again.
pub async fn supervisor(world: Arc<World>, n: usize) {
    let mut dice = Dice::new(world.plan.seed, 50 + n as u64);
    let mut away = Dice::new(world.plan.seed, 60 + n as u64);
    let machine = &world.machines[n];
    let mut driving = machine.driving.lock().await;
    loop {
        // Somebody else may have started it already.
        while machine.life().is_none()
            && let Err(why) = machine.start(&world)
        {
            world.tell(None, format!("machine {n}: the server does not start: {why}"));
            if why.contains("is damaged") {
                world.broken(Promise::NothingLost, None, why);
                return;
            }
            sleep(Duration::from_millis(dice.between(200, 5_000).unsigned_abs())).await;
        }
        drop(driving);
        let what = loop {
            tokio::select! {
                biased;
                () = machine.died() => break "died",
                () = sleep(LOOK) => {}
            }
            let chaos = &world.chaos;
            if chaos.strikes(Fault::ClockJump) {
                let by = chaos.between(Fault::ClockJump, -120_000, 120_000);
                world.tell(None, format!("machine {n}: its clock jumps by {by} ms"));
                world.jump(n, by);
            }
            if let Base::File(base) = &world.base {
                disk_trouble(&world, &base.disk);
            }
            if chaos.strikes(Fault::Crash) {
                break "is killed";
            }
            if chaos.strikes(Fault::PowerLoss) {
                break "loses its power";
            }
            if chaos.strikes(Fault::CleanStop) {
                break "is stopped";
            }
        };
        driving = machine.driving.lock().await;
        world.tell(None, format!("machine {n}: {what}"));
        let at = world.at_ms();
        world.story().strike(at, what);
        world.story().count("restarts");
        if what == "is stopped" {
            machine.stop(&world).await;
        } else {
            // A machine may lose its power in the middle of a commit, too.
            let power_loss = what == "loses its power" || what == "died" && dice.below(2) == 0;
            machine.kill(&world, power_loss).await;
            crate::hands::while_away(&world, &mut away);
        }
        sleep(Duration::from_millis(dice.between(10, 20_000).unsigned_abs())).await;
    }
}
