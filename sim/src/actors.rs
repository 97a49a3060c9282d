//! Everybody else: the organiser, people at the provider's desk, the provider's webhooks, and
//! whoever pulls the plugs.

use crate::auditor::{Question, Refused, Whose, Wish};
use crate::buyers::payment_of;
use crate::disk::{Call, Disk, FailedSync};
use crate::goods::{CHANGES, Show};
use crate::machine::Backend;
use crate::plan::Fault;
use crate::provider::acted;
use crate::rng::Rng;
use crate::trace::Promise;
use crate::world::{Answer, Ask, EPOCH_MS, ORGANISER, WEBHOOK_SECRET, World};
use boxoffice::{OrderId, OrderState};
use nts_server::payments::fake::{FakeStripe, Given};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How often each of them looks whether there is something to do.
const LOOK: Duration = Duration::from_secs(5);
/// How often the provider rings with what is new.
const RINGS: Duration = Duration::from_secs(1);

/// Makes the event, or changes it. False: it cannot be so.
pub async fn put_event(world: &Arc<World>, rng: &mut Rng, show: &Show) -> bool {
    let event = show.body(&world.plan);
    let asked = world.audit(|auditor, _, at| auditor.question(at));
    let ask = Ask { method: "PUT", ..Ask::post("/api/v1/events/show", &event) };
    let answer = world.retry_until_answered(rng, "organiser", ask.bearer(ORGANISER)).await;
    if answer.status < 300 {
        world.audit(|auditor, trace, at| auditor.put_told(trace, at, asked, &event));
        return true;
    }
    hears_no(world, asked, &Wish::Put(event), None, &answer);
    false
}

/// The organiser was told no: that must be right.
fn hears_no(world: &World, asked: Question, wish: &Wish, key: Option<&str>, answer: &Answer) {
    let no = Refused { status: answer.status, code: answer.code(), body: &answer.body, key };
    world.audit(|auditor, trace, at| auditor.told_no(trace, at, asked, wish, no));
}

fn some_order(world: &World, rng: &mut Rng, states: &[OrderState]) -> Option<OrderId> {
    let orders: Vec<OrderId> = world.audit(|auditor, _, _| {
        auditor.orders().filter(|o| states.contains(&o.state)).map(|o| o.id).collect()
    });
    if orders.is_empty() { None } else { Some(rng.pick(&orders)) }
}

/// The organiser: more places, fewer places, another limit, a pause, refunds.
pub async fn organiser(world: Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, 3);
    let mut changes = Rng::new(world.plan.seed, CHANGES);
    let mut show = Show::of(&world.plan);
    loop {
        sleep(LOOK).await;
        if world.chaos.is_calm() {
            return;
        }
        let before = show.clone();
        if world.chaos.strikes(Fault::Resize) {
            let pool = changes.below(show.pools.len() as u64) as usize;
            show.resize(&world.plan, &mut rng, pool);
            show.ration(&changes);
        }
        if world.chaos.strikes(Fault::Relimit) {
            show.limit_per_buyer = match world.chaos.between(Fault::Relimit, 0, 4) {
                0 => None,
                limit => Some(limit.unsigned_abs() as u32),
            };
        }
        if world.chaos.strikes(Fault::Reprice) {
            show.reprice(&world.plan, &mut changes);
        }
        if world.chaos.strikes(Fault::Rename) {
            show.rename(&mut changes);
        }
        if world.chaos.strikes(Fault::Retire) {
            show.restock(&world.plan, &mut changes);
        }
        if show != before && !put_event(&world, &mut rng, &show).await {
            show = before;
        }
        if world.chaos.strikes(Fault::Pause) {
            show.close();
            put_event(&world, &mut rng, &show).await;
            sleep(Duration::from_secs(5)).await;
            show.open();
            put_event(&world, &mut rng, &show).await;
        }
        if world.chaos.strikes(Fault::Window) {
            let now = EPOCH_MS + world.at_ms() + world.plan.base_ahead_ms;
            let (opens, closes) = (changes.between(-20_000, 40_000), changes.between(1, 60_000));
            let opens = (changes.below(3) > 0).then_some(now + opens);
            show.closes = (changes.below(3) > 0).then_some(opens.unwrap_or(now) + closes);
            show.opens = opens;
            put_event(&world, &mut rng, &show).await;
            let open_for = changes.between(5_000, 60_000).unsigned_abs();
            sleep(Duration::from_millis(open_for)).await;
            show.open();
            put_event(&world, &mut rng, &show).await;
        }
        if world.chaos.strikes(Fault::OddRefund)
            && let Some(order) = some_order(&world, &mut changes, &OrderState::ALL)
        {
            odd_refund(&world, &mut changes, order).await;
        }
        if world.chaos.strikes(Fault::Refund)
            && let Some(order) =
                some_order(&world, &mut rng, &[OrderState::Paid, OrderState::Refunding])
        {
            refund_order(&world, &mut rng, order).await;
        }
        // What a bank sent back is sent once more, with the strength of refunds.
        if world.chaos.would(Fault::RefundFailsLater) {
            let owed = world.audit(|auditor, _, _| {
                auditor.orders().find(|o| o.owed_back().minor > 0).map(|o| o.id)
            });
            if let Some(order) = owed {
                let wish = Wish::Refund { order, lines: None, failed: true, amount: None };
                ask_refund(&world, &mut rng, ("organiser", None), &wish, false).await;
            }
        }
    }
}

/// The ticket types of an order, with what is left of them.
fn lines_of(world: &World, order: OrderId) -> Vec<(String, i64)> {
    world.audit(|auditor, _, _| auditor.lines_of(order))
}

/// The organiser refunds an order, or a part of it; often twice at once.
pub async fn refund_order(world: &Arc<World>, rng: &mut Rng, order: OrderId) {
    let restock = rng.below(2) == 0;
    let lines = if rng.below(2) == 0 {
        None
    } else {
        let of = lines_of(world, order);
        let n = (order.0 % of.len().max(1) as u128) as usize;
        Some(vec![(of.get(n).map_or("t".into(), |line| line.0.clone()), 1)])
    };
    let key = (rng.below(2) == 0).then(|| format!("{:016x}", rng.below(u64::MAX)));
    let amount = if lines.is_none() { part_of(world, order) } else { None };
    // An amount is never refunded without one.
    let made = amount.map(|_| format!("{:016x}", rng.below(u64::MAX)));
    let key = key.or(made);
    let wish = Wish::Refund { order, lines, failed: false, amount };
    if rng.below(3) == 0 {
        // Two organisers at the same time.
        let mut other = Rng::new(rng.below(u64::MAX), 1);
        tokio::join!(
            ask_refund(world, rng, ("organiser", key.as_deref()), &wish, restock),
            ask_refund(world, &mut other, ("other organiser", key.as_deref()), &wish, restock)
        );
    } else {
        ask_refund(world, rng, ("organiser", key.as_deref()), &wish, restock).await;
    }
}

/// A part of what is kept of an order's payment, for some of the orders, in minor units.
fn part_of(world: &World, order: OrderId) -> Option<i64> {
    let (kept, step) = world.audit(|auditor, _, _| auditor.kept_of(order))?;
    let steps = u128::try_from(kept / step).ok().filter(|steps| *steps > 0)?;
    order.0.is_multiple_of(3).then(|| step * (1 + (order.0 / 3 % steps) as i64))
}

/// A refund that may not be possible: too much, of what is not in the order, or of an order in any state.
async fn odd_refund(world: &Arc<World>, rng: &mut Rng, order: OrderId) {
    let of = lines_of(world, order);
    let first = of.first().map_or("t".to_owned(), |line| line.0.clone());
    let odd = rng.below(7);
    let (kept, step) = world.audit(|auditor, _, _| auditor.kept_of(order)).unwrap_or((0, 1));
    let amount = match odd {
        5 => Some(kept.max(0) + step),
        6 => Some(i64::try_from(rng.below(3)).unwrap_or(0) - 1),
        _ => None,
    };
    let lines = match odd {
        0 | 5 | 6 => None,
        1 => Some(vec![("nothing".to_owned(), 1)]),
        2 => Some(vec![(first, 0)]),
        3 => Some(of.iter().map(|(kind, left)| (kind.clone(), left.max(&1) + 1)).collect()),
        _ => Some(of.iter().map(|(kind, left)| (kind.clone(), *left.max(&1))).collect()),
    };
    let failed = lines.is_none() && amount.is_none() && rng.below(2) == 0;
    let restock = rng.below(2) == 0;
    let key = amount.map(|_| format!("{:016x}", rng.below(u64::MAX)));
    let wish = Wish::Refund { order, lines, failed, amount };
    ask_refund(world, rng, ("organiser", key.as_deref()), &wish, restock).await;
}

async fn ask_refund(
    world: &Arc<World>,
    rng: &mut Rng,
    (who, key): (&str, Option<&str>),
    wish: &Wish,
    restock: bool,
) {
    let Wish::Refund { order, lines, failed, amount } = wish else { return };
    let body = match lines {
        _ if amount.is_some() => {
            let currency = world.plan.currency;
            json!({"amount": {"amount": amount, "currency": currency}, "restock": restock})
        }
        _ if *failed => json!({"failed": true, "restock": restock}),
        None => json!({"all": true, "restock": restock}),
        Some(lines) => {
            let lines = lines.iter().map(|(kind, n)| json!({"ticket_type": kind, "quantity": n}));
            json!({"lines": lines.collect::<Value>(), "restock": restock})
        }
    };
    let path = format!("/api/v1/orders/{}/refunds", uuid::Uuid::from_u128(order.0));
    let asked = world.audit(|auditor, _, at| auditor.question(at));
    let ask = Ask::post(path, &body).bearer(ORGANISER).key(key);
    let Some(answer) = world.ask(rng, who, ask).await else { return };
    if answer.status != 200 {
        return hears_no(world, asked, wish, key, &answer);
    }
    let whose = Whose { order: *order, buyer: None, secret: None };
    let refunded = (&answer.body["order"], &answer.body["refund"]);
    world.audit(|auditor, trace, at| {
        auditor.refund_told(trace, at, asked, whose, refunded, (lines.as_deref(), restock));
        if let Some(amount) = amount {
            auditor.amount_told(trace, at, asked, *order, &answer.body["refund"], *amount);
        }
    });
}

/// People at the provider's own desk.
pub async fn hands(world: Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, 4);
    let mut own = Rng::new(world.plan.seed, 9);
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
            let Some(order) = some_order(&world, &mut rng, states) else { continue };
            let Some(intent) = payment_of(&world, order, states) else { continue };
            world.audit(|auditor, _, _| auditor.by_hand(order));
            // Stripe takes three-decimal currencies in steps of ten.
            let step = if world.plan.currency == "KWD" { 10 } else { 1 };
            let amount = rng.between(1, (world.plan.price / step).max(1)) * step;
            let fake = &world.fake;
            let done = match fault {
                Fault::Voided => fake.void(&intent),
                Fault::CapturedByHand => {
                    let whole = rng.below(2) == 0;
                    fake.capture_by_hand(&intent, (!whole).then_some(amount))
                }
                Fault::RefundedByHand => fake.refund_by_hand(&intent, amount).map(drop),
                _ => fake.dispute(&intent, amount).map(|id| disputes.push(id)),
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
fn banks(world: &Arc<World>, rng: &mut Rng, disputes: &[String]) {
    let chaos = &world.chaos;
    if chaos.would(Fault::RefundFailsLater) {
        let refunds = world.fake.refunds().unwrap_or_default();
        // Banks send money back within a month (https://docs.stripe.com/refunds#failed-refunds).
        let now_s = (EPOCH_MS + world.at_ms()) / 1_000;
        let recent = |r: &Given| now_s - r.created_s < 30 * 24 * 3_600;
        let given: Vec<_> =
            refunds.iter().filter(|r| !r.release && !r.failed && !r.pending && recent(r)).collect();
        if !given.is_empty() {
            let refund = given[rng.below(given.len() as u64) as usize];
            if world.fake.fail_refund(&refund.id).is_ok() {
                chaos.note(Fault::RefundFailsLater);
                world.tell(refund.order, format!("the bank sends {} back", refund.id));
                acted(world);
            }
        }
    }
    if !disputes.is_empty() && chaos.would(Fault::DisputeMoves) {
        let id = &disputes[rng.below(disputes.len() as u64) as usize];
        let status = rng.pick(&["under_review", "won", "lost"]);
        if world.fake.move_dispute(id, status).is_ok() {
            chaos.note(Fault::DisputeMoves);
            world.tell(None, format!("dispute {id} is {status}"));
        }
    }
}

/// The provider rings.
pub async fn webhooks(world: Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, 5);
    let mut last = 0;
    loop {
        sleep(RINGS).await;
        let Ok(events) = world.fake.events_since(last) else { continue };
        for (n, body) in events {
            last = last.max(n);
            if world.chaos.strikes(Fault::WebhookLost) {
                continue;
            }
            let mut late = rng.between(0, 2_000);
            if world.chaos.strikes(Fault::WebhookLate) {
                late = world.chaos.between(Fault::WebhookLate, 5_000, 250_000);
            }
            let times = if world.chaos.strikes(Fault::WebhookTwice) { 2 } else { 1 };
            for _ in 0..times {
                let (at, body) = (Arc::clone(&world), body.clone());
                let mut rng = Rng::new(rng.below(u64::MAX), 0);
                world.elsewhere(async move {
                    sleep(Duration::from_millis(late.unsigned_abs())).await;
                    ring(&at, &mut rng, WEBHOOK_SECRET, body).await;
                });
            }
        }
        if world.chaos.strikes(Fault::WebhookForged)
            && let Some(order) = some_order(&world, &mut rng, &OrderState::ALL)
        {
            let known = payment_of(&world, order, &OrderState::ALL).filter(|_| rng.below(2) == 0);
            let id = known.unwrap_or_else(|| "pi_forged".into());
            let body = json!({"id": "evt_forged", "object": "event", "type": "payment_intent.succeeded",
                "data": {"object": {"object": "payment_intent", "id": id, "status": "succeeded",
                "metadata": {"nts_order": uuid::Uuid::from_u128(order.0).to_string()}}}});
            // Where the secret is known to others they can sign what they like: nothing is believed.
            let secret = if world.plan.signed { "whsec_wrong" } else { WEBHOOK_SECRET };
            ring(&world, &mut rng, secret, body.to_string()).await;
        }
    }
}

/// The provider, or somebody else, sends a webhook that is signed with this secret.
pub async fn ring(world: &Arc<World>, rng: &mut Rng, secret: &str, body: String) {
    let seconds = (EPOCH_MS + world.at_ms()) / 1000;
    let signature = FakeStripe::signature(secret, seconds, &body);
    let ask =
        Ask { body, header: Some(("stripe-signature", signature)), ..Ask::get("/stripe/webhook") };
    let genuine = secret == WEBHOOK_SECRET;
    let answer = world.ask(rng, "provider", Ask { method: "POST", ..ask }).await;
    if !genuine && answer.is_some_and(|a| a.status == 200) {
        let text = "a forged webhook was taken for genuine";
        world.broken(crate::trace::Promise::NoFalseAnswer, None, text);
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
    let mut rng = Rng::new(world.plan.seed, 50 + n as u64);
    let mut away = Rng::new(world.plan.seed, 60 + n as u64);
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
            sleep(Duration::from_millis(rng.between(200, 5_000).unsigned_abs())).await;
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
            if let Backend::File(base) = &world.backend {
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
        world.trace().strike(at, what);
        world.trace().count("restarts");
        if what == "is stopped" {
            machine.stop(&world).await;
        } else {
            // A machine may lose its power in the middle of a commit, too.
            let power_loss = what == "loses its power" || what == "died" && rng.below(2) == 0;
            machine.kill(&world, power_loss).await;
            crate::dashboard::while_away(&world, &mut away);
        }
        sleep(Duration::from_millis(rng.between(10, 20_000).unsigned_abs())).await;
    }
}
