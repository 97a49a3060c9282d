//! Who only reads: organisers with their lists, guests at the door, browsers with pages, screens that show
//! live counts, and whoever watches over the processes.
//!
//! During the storm they read now and then, and no answer may be a 500. In the calm every list is read
//! page by page, and must be what the auditor knows from the store: each order once with all that is told
//! of it, each valid ticket once, every count.

use crate::actors;
use crate::auditor::{Question, Whose};
use crate::goods::Show;
use crate::page;
use crate::plan::Fault;
use crate::rng::Rng;
use crate::trace::Promise;
use crate::world::{Answer, Ask, ORGANISER, World};
use boxoffice::{AttemptState, Event, Order, OrderState, RefundState, TicketState};
use nts_server::language::Lang;
use nts_server::store::records::door;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::time::{Duration, sleep, timeout};

/// The stream of randomness of all of them.
const STREAM: u64 = 32;
/// How many rows a page of a list has here, so that there are several.
const PAGE: usize = 3;
/// So many orders are looked at as pages in the calm.
const PAGES: usize = 4;
/// How long a screen waits for the news of the last change, in seconds.
const LIVE_S: u64 = 2;

/// A screen that shows live counts for the whole run.
pub type Screen = Arc<Mutex<Option<watch::Receiver<String>>>>;

/// Asks a machine straight, over a network on which nothing goes wrong; `None` if no answer came.
async fn ask(world: &Arc<World>, n: usize, ask: Ask) -> Option<Answer> {
    let asked = world.audit(|auditor, _, at| auditor.question(at));
    let answer = world.deliver(n, &ask)?.await.ok()?;
    world.audit(|auditor, story, at| {
        auditor.answer_given(story, at, asked, &ask.path, &answer.text);
    });
    if answer.status == 500 {
        world.broken(Promise::NoPanic, None, format!("{} was answered with 500", ask.path));
    }
    if answer.text.starts_with("<!doctype html>")
        && let Err(why) = page::well_formed(&answer.text)
    {
        false_answer(world, None, format!("{} is no page: {why}", ask.path));
    }
    Some(answer)
}

fn false_answer(world: &World, order: Option<boxoffice::OrderId>, text: String) {
    world.broken(Promise::NoFalseAnswer, order, text);
}

fn list(after: Option<&str>) -> Ask {
    let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
    Ask::get(format!("/api/v1/events/show/orders?limit={PAGE}{after}")).bearer(ORGANISER)
}

fn uuid(order: &Order) -> String {
    uuid::Uuid::from_u128(order.id.0).to_string()
}

/// Reads something now and then, for as long as the storm lasts.
pub async fn readers(world: Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, STREAM);
    let mut after: Option<String> = None;
    loop {
        sleep(Duration::from_millis(rng.between(3_000, 40_000).unsigned_abs())).await;
        if world.chaos.is_calm() {
            return;
        }
        let n = rng.below(world.machines.len() as u64) as usize;
        let wish = match rng.below(8) {
            0 => Ask::get("/"),
            1 => Ask::get("/events/show"),
            2 => Ask::get("/metrics"),
            3 => Ask::get("/readyz"),
            4 => Ask::get("/nts/v1/list-guests").bearer(ORGANISER),
            5 => Ask::get("/api/v1/events"),
            _ => list(after.take().as_deref()),
        };
        let is_list = wish.path.contains("/orders?");
        let asked_at = world.audit(|auditor, _, at| auditor.question(at));
        let Some(answer) = ask(&world, n, wish).await else { continue };
        if is_list && answer.status == 200 {
            after = answer.body["next"].as_str().map(str::to_owned);
            for order in answer.body["orders"].as_array().into_iter().flatten() {
                was_so(&world, order, asked_at);
            }
        }
    }
}

/// What a list says of an order was so at some moment since the question.
fn was_so(world: &World, shown: &Value, asked_at: Question) {
    let id = shown["id"].as_str().and_then(|id| uuid::Uuid::try_parse(id).ok());
    let Some(id) = id else {
        return false_answer(world, None, format!("a list has an order without an id: {shown}"));
    };
    let id = boxoffice::OrderId(id.as_u128());
    let whose = Whose { order: id, buyer: None, secret: None };
    world.audit(|auditor, trace, at| auditor.order_shown(trace, at, asked_at, whose, shown));
}

/// Shows live counts, from whichever machine, until the run ends.
pub async fn screen(world: Arc<World>, screen: Screen) {
    let mut rng = Rng::new(world.plan.seed, STREAM + 1);
    loop {
        let n = rng.below(world.machines.len() as u64) as usize;
        let live = Ask::get("/api/v1/events/show/live");
        if let Some(mut frames) = world.machines[n].listen(&world, live.request()) {
            *screen.lock().unwrap_or_else(PoisonError::into_inner) = Some(frames.clone());
            while frames.changed().await.is_ok() {}
        }
        *screen.lock().unwrap_or_else(PoisonError::into_inner) = None;
        sleep(Duration::from_millis(rng.between(500, 5_000).unsigned_abs())).await;
    }
}

/// Everything is settled: every list, page and count must be what the store holds.
pub async fn all_is_told(world: &Arc<World>, screen: &Screen) {
    let mut rng = Rng::new(world.plan.seed, STREAM + 2);
    let n = rng.below(world.machines.len() as u64) as usize;
    let urls = orders(world, n).await;
    pages(world, &mut rng, n, &urls).await;
    crate::guests::one_code_admits(world).await;
    guests(world, &mut rng, n).await;
    sleep(Duration::from_secs(LIVE_S)).await;
    for n in 0..world.machines.len() {
        counts(world, n).await;
    }
    let last = screen.lock().unwrap_or_else(PoisonError::into_inner);
    let last = last.as_ref().map(|frames| frames.borrow().clone()).filter(|f| !f.is_empty());
    if let Some(frame) = last {
        compare_counts(world, "the live counts say", &frame_of(&frame));
    }
}

/// Everything is settled: what the doors were told is recorded, and nothing else.
pub fn doors_are_recorded(world: &World) {
    let Some(event) = the_event(world) else { return };
    let found = world.backend.read(|reader| {
        let from = reader.tables();
        Ok((
            door::recorded_since(from, event.id, i64::MIN, usize::MAX)?,
            door::counts(from, event.id)?,
        ))
    });
    if let Some((rows, counts)) = found {
        world.audit(|auditor, trace, at| auditor.doors_in_the_end(trace, at, &rows, &counts));
    }
}

fn frame_of(frame: &str) -> Value {
    let data = frame.trim().strip_prefix("data: ").unwrap_or_default();
    serde_json::from_str(data).unwrap_or_default()
}

fn the_event(world: &World) -> Option<Event> {
    world.audit(|auditor, _, _| auditor.events().find(|e| e.spec.slug == "show").cloned())
}

/// An event's counts as they are told are those of the store.
fn compare_counts(world: &World, who: &str, told: &Value) {
    let Some(event) = the_event(world) else { return };
    let pools = event.pools.iter().filter(|p| p.capacity > 0 || p.held + p.sold > 0).map(|p| {
        let left = p.capacity - p.held - p.sold;
        json!({"id": p.name, "capacity": p.capacity, "held": p.held, "sold": p.sold, "left": left})
    });
    let pools = Value::Array(pools.collect());
    if told["pools"] != pools {
        false_answer(world, None, format!("{who} {}, it is {pools}", told["pools"]));
    }
}

async fn counts(world: &Arc<World>, n: usize) {
    if let Some(answer) = ask(world, n, Ask::get("/api/v1/events/show")).await {
        compare_counts(world, &format!("machine {n} says"), &answer.body);
    }
    let live = Ask::get("/api/v1/events/show/live");
    if let Some(mut frames) = world.machines[n].listen(world, live.request())
        && let Ok(Ok(())) = timeout(Duration::from_secs(LIVE_S), frames.changed()).await
    {
        let frame = frames.borrow().clone();
        compare_counts(world, &format!("machine {n} shows live"), &frame_of(&frame));
    }
    if let Some(answer) = ask(world, n, Ask::get("/readyz")).await
        && answer.status != 200
    {
        let text = format!("machine {n} says that it is not ready: {}", answer.status);
        world.broken(Promise::AllSettles, None, text);
    }
    if let (Some(event), Some(answer)) = (the_event(world), ask(world, n, Ask::get("/")).await) {
        // What nobody can buy, because all its ticket types are retired, is not for sale.
        let offered = |n: usize| {
            let types = event.ticket_types.iter();
            types.filter(|t| !t.retired).any(|t| usize::from(t.pool) == n)
        };
        let pools = event.pools.iter().enumerate().filter(|(n, _)| offered(*n));
        let left: u32 = pools.map(|(_, p)| p.capacity - p.held - p.sold).sum();
        let closed = event.spec.sale_closes_ms.or(event.spec.ends_ms).is_some();
        let said = format!(
            ">{} ticket{} left<",
            Lang::En.number(left.into()),
            if left == 1 { "" } else { "s" }
        );
        // One with a capacity of its own may have fewer than its pool.
        let ruled = event.spec.ticket_types.iter().any(|t| t.rules.capacity.is_some());
        if left > 0 && !closed && !ruled && !answer.text.contains(&said) {
            false_answer(world, None, format!("the front page does not say {said}"));
        }
    }
}

/// Reads the whole list of orders, page by page. Gives the path of each order's page.
async fn orders(world: &Arc<World>, n: usize) -> Vec<(Order, String)> {
    let known: Vec<Order> = world.audit(|auditor, _, _| auditor.orders().cloned().collect());
    let mut told: Vec<Value> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let Some(answer) = ask(world, n, list(after.as_deref())).await else { return Vec::new() };
        let page = answer.body["orders"].as_array().cloned().unwrap_or_default();
        if answer.status != 200 || page.len() > PAGE {
            let text = format!("a page of orders: {} with {} rows", answer.status, page.len());
            false_answer(world, None, text);
            return Vec::new();
        }
        told.extend(page);
        after = answer.body["next"].as_str().map(str::to_owned);
        if after.is_none() || told.len() > known.len() {
            break;
        }
    }
    let ids = |orders: &mut dyn Iterator<Item = String>| orders.collect::<Vec<_>>();
    let mut listed = told.iter().map(|o| o["id"].as_str().unwrap_or_default().to_owned());
    let (listed, wanted) = (ids(&mut listed), ids(&mut known.iter().map(uuid)));
    if listed != wanted {
        let missing = wanted.iter().filter(|id| !listed.contains(id)).count();
        let text = format!(
            "the list has {} orders of {}, {missing} are missing",
            listed.len(),
            wanted.len()
        );
        false_answer(world, None, text);
        return Vec::new();
    }
    let event = the_event(world);
    let mut urls = Vec::new();
    for (order, told) in known.into_iter().zip(told) {
        let types = event.as_ref().map(|e| e.ticket_types.as_slice()).unwrap_or_default();
        let name = |index: u16| types.get(usize::from(index)).map(|t| t.id.as_str());
        let wanted = as_told(&order, &name);
        for (field, wanted) in wanted.as_object().into_iter().flatten() {
            let told = pruned(&told[field], wanted);
            if told != *wanted {
                let text = format!("the list says that its {field} is {told}, it is {wanted}");
                false_answer(world, Some(order.id), text);
            }
        }
        world.audit(|a, s, at| a.tickets_shown(s, at, order.id, &told["tickets"]));
        let url = told["url"].as_str().unwrap_or_default();
        urls.push((order, url.strip_prefix("http://box.example").unwrap_or_default().to_owned()));
    }
    urls
}

/// What is told, without what is not compared: the fields that `wanted` has not.
fn pruned(told: &Value, wanted: &Value) -> Value {
    match (told, wanted) {
        (Value::Object(told), Value::Object(wanted)) => {
            let fields = told
                .iter()
                .filter_map(|(name, told)| Some((name.clone(), pruned(told, wanted.get(name)?))));
            Value::Object(fields.collect())
        }
        (Value::Array(told), Value::Array(wanted)) if told.len() == wanted.len() => {
            Value::Array(told.iter().zip(wanted).map(|(t, w)| pruned(t, w)).collect())
        }
        _ => told.clone(),
    }
}

/// What a list must say of an order.
fn as_told<'a>(order: &Order, name: &dyn Fn(u16) -> Option<&'a str>) -> Value {
    let money = |minor: i64| json!({"amount": minor, "currency": order.currency.code()});
    let lines = order.lines.iter().map(|l| {
        json!({"ticket_type": name(l.ticket_type), "quantity": l.quantity,
               "refunded": l.refunded, "price": money(l.unit_minor)})
    });
    let tickets = order.tickets.iter().map(|t| {
        let line = &order.lines[usize::from(t.line)];
        json!({"ticket_type": name(line.ticket_type), "valid": t.state == TicketState::Valid})
    });
    let refunds = order.refunds.iter().map(|r| {
        let (state, reason) = match &r.state {
            RefundState::Pending => ("pending", None),
            RefundState::Succeeded(_) => ("succeeded", None),
            RefundState::Failed(reason) => ("failed", Some(reason)),
        };
        json!({"id": uuid::Uuid::from_u128(r.id.0).to_string(), "state": state,
               "amount": money(r.amount_minor), "by_hand": r.by_hand, "reason": reason,
               "restock": r.restock})
    });
    let total: i64 = order.lines.iter().map(|l| i64::from(l.quantity) * l.unit_minor).sum();
    let given = order.refunds.iter().filter(|r| !matches!(r.state, RefundState::Failed(_)));
    let refunded: i64 = given.map(|r| r.amount_minor).sum();
    let mut told = json!({
        "id": uuid(order), "event": "show", "state": order.state.word(),
        "buyer": {"name": order.buyer.name, "email": order.buyer.email},
        "total": money(total), "refunded": money(refunded),
        "lines": lines.collect::<Vec<_>>(), "tickets": tickets.collect::<Vec<_>>(),
        "refunds": refunds.collect::<Vec<_>>(),
    });
    if let Some(payment) = &order.payment {
        let attempts = payment.attempts.iter().map(|a| {
            let state = match &a.state {
                AttemptState::Pending => "pending",
                AttemptState::Action => "action",
                AttemptState::Declined(_) => "declined",
                AttemptState::Authorised => "authorised",
                AttemptState::Abandoned => "abandoned",
            };
            json!({"number": a.number, "state": state})
        });
        let dispute = payment.dispute.as_ref();
        let dispute = dispute.map(|d| json!({"status": d.status, "amount": money(d.amount_minor)}));
        told["payment"] = json!({"live": payment.live, "dispute": dispute,
                                 "attempts": attempts.collect::<Vec<_>>()});
    }
    told
}

/// Looks at some orders as their buyers do, in a browser.
async fn pages(world: &Arc<World>, rng: &mut Rng, n: usize, urls: &[(Order, String)]) {
    if urls.is_empty() {
        return;
    }
    let mut states = BTreeSet::new();
    for _ in 0..PAGES * 3 {
        let (order, url) = &urls[rng.below(urls.len() as u64) as usize];
        // One of each state is enough.
        if states.len() >= PAGES || !states.insert(order.state.word()) {
            continue;
        }
        let Some(answer) = ask(world, n, Ask::get(url.clone())).await else { return };
        if let Err(why) = page::is_of(&answer.text, order, urls) {
            false_answer(world, Some(order.id), format!("its page {why}"));
        }
        let wrong = format!("{}x", url.get(..url.len() - 1).unwrap_or_default());
        let Some(answer) = ask(world, n, Ask::get(wrong)).await else { return };
        if answer.status != 404 || answer.text.contains(&order.buyer.name) {
            let text = format!("who has not its secret is shown it: {}", answer.status);
            false_answer(world, Some(order.id), text);
        }
        let pays = Ask::get(format!("{url}/pay"));
        let Some(answer) = ask(world, n, pays).await else { return };
        let others = page::others(&answer.text, order, urls);
        if !others.is_empty() {
            let text = format!("the page that pays it tells of others: {others:?}");
            false_answer(world, Some(order.id), text);
        }
    }
}

/// The guest list of the old routes, which work for a show with one ticket for each buyer.
async fn guests(world: &Arc<World>, rng: &mut Rng, n: usize) {
    if rng.below(3) > 0 {
        return;
    }
    let Some(known) = the_event(world) else { return };
    let [pool] = &known.pools[..] else { return };
    if known.spec.ticket_types.len() > 1 {
        return;
    }
    let mut show = Show::of(&world.plan);
    (show.pools, show.limit_per_buyer) = (vec![pool.capacity], Some(1));
    actors::put_event(world, rng, &show).await;
    // The other processes hear of it within a look or two.
    sleep(Duration::from_millis(world.plan.look_ms * 3 + 1_000)).await;
    let wanted: Vec<(u32, String)> = world.audit(|auditor, _, _| {
        let tickets = auditor.orders().flat_map(|o| o.tickets.iter().map(move |t| (t, o)));
        let valid = tickets.filter(|(t, _)| t.state == TicketState::Valid);
        let name = |t: &boxoffice::Ticket, o: &Order| {
            t.guest.clone().unwrap_or_else(|| o.buyer.name.clone())
        };
        valid.map(|(t, o)| (t.serial, name(t, o))).collect()
    });
    let wanted: Vec<String> = {
        let mut wanted = wanted;
        wanted.sort();
        wanted.into_iter().map(|(_, name)| name).collect()
    };
    let list = Ask::get("/nts/v1/list-guests").bearer(ORGANISER);
    let Some(answer) = ask(world, n, list).await else { return };
    let names: Vec<String> =
        answer.text.lines().filter_map(|l| l.strip_suffix("<br>")).map(str::to_owned).collect();
    let status = answer.status;
    if status != 200 || names != wanted {
        let (names, wanted) = (names.len(), wanted.len());
        let text = format!("the guest list has {names} names of {wanted} ({status})");
        false_answer(world, None, text);
    }
}

/// Whether this run is one of those in which the books are audited and settled at once after the storm.
pub fn settles_at_once(world: &World) -> bool {
    Rng::new(world.plan.seed, STREAM + 3).below(10) == 0
        && !world.chaos.has(Fault::ReleaseRefunds)
        && world.audit(|auditor, _, _| auditor.orders().any(|o| o.state == OrderState::Paid))
}
