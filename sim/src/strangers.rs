//! People who act on what is another's: with the secret of another order or with none, without the
//! organiser's key or with a wrong one. Some of them have an order of their own, some have not.
//!
//! An answer that is no refusal is a broken promise, and so is an effect whose answer was lost: that is
//! seen by the auditor, who knows what was asked for by everybody but strangers.

use crate::goods::Show;
use crate::plan::Fault;
use crate::rng::Rng;
use crate::trace::Promise;
use crate::world::{Answer, Ask, ORGANISER, World};
use boxoffice::OrderId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How often they look whether they try something.
const LOOK: Duration = Duration::from_secs(3);
/// So many things are tried at a time.
const AT_A_TIME: u64 = 3;
/// The stream of randomness; each of them adds its number.
const STREAM: u64 = 7_100;
/// So many of them there are.
pub const PEOPLE: u64 = 2;

/// What its buyer was told of an order.
#[derive(Clone, Debug)]
pub struct Own {
    /// The order's own secret.
    pub secret: String,
    /// The address that the buyer comes from, if any.
    pub peer: Option<IpAddr>,
}

/// The secrets that buyers were told, by order.
pub type Told = BTreeMap<OrderId, Own>;

/// Remembers the secret in an answer that told a buyer of an order.
pub fn heard(told: &mut Told, ask: &Ask, answer: &Answer) {
    let word = |name: &str| answer.body[name].as_str();
    if answer.status == 201
        && let (Some(id), Some(secret)) = (word("id"), word("secret"))
        && let Ok(id) = uuid::Uuid::try_parse(id)
    {
        let own = Own { secret: secret.to_owned(), peer: ask.peer };
        told.insert(OrderId(id.as_u128()), own);
    }
}

/// Something that is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Try {
    See,
    Pay,
    Cancel,
    Page,
    LeadToPay,
    PayOnPage,
    CancelOnPage,
    PaymentPage,
    PayOnPaymentPage,
    WayBack,
    Charge,
    Refund,
    RefundFailed,
    Put,
    List,
    Guests,
}

/// All of them. What changes something stands twice.
const TRIES: [Try; 22] = [
    Try::See,
    Try::Pay,
    Try::Cancel,
    Try::Page,
    Try::LeadToPay,
    Try::PayOnPage,
    Try::CancelOnPage,
    Try::PaymentPage,
    Try::PayOnPaymentPage,
    Try::WayBack,
    Try::Charge,
    Try::Refund,
    Try::RefundFailed,
    Try::Put,
    Try::List,
    Try::Guests,
    Try::See,
    Try::Pay,
    Try::Cancel,
    Try::CancelOnPage,
    Try::Refund,
    Try::Put,
];

/// Stranger number `n`.
pub async fn stranger(world: Arc<World>, n: u64) {
    let mut rng = Rng::new(world.plan.seed, STREAM + n);
    while !world.chaos.is_calm() && !world.is_broken() {
        sleep(LOOK).await;
        // As likely as one of ten buyers does something.
        if !world.chaos.strikes(Fault::Stranger) {
            continue;
        }
        for _ in 0..AT_A_TIME {
            let what = rng.pick(&TRIES);
            let Some(order) = any_order(&world, &mut rng) else { break };
            tries(&world, &mut rng, what, order).await;
            sleep(Duration::from_millis(rng.below(1_500))).await;
        }
    }
}

fn any_order(world: &World, rng: &mut Rng) -> Option<OrderId> {
    let orders: Vec<OrderId> = world.audit(|a, _, _| a.orders().map(|o| o.id).collect());
    (!orders.is_empty()).then(|| rng.pick(&orders))
}

/// Who asks: with which secret, and from where.
struct Asker {
    name: String,
    secret: Option<String>,
    peer: Option<IpAddr>,
}

/// A buyer with an order of their own, if there is one, or somebody who has none.
fn asker(world: &World, rng: &mut Rng, victim: OrderId) -> Asker {
    let told = world.told();
    let others: Vec<&Own> = told.iter().filter(|(id, _)| **id != victim).map(|(_, o)| o).collect();
    let (name, peer) = ("a stranger".to_owned(), None);
    match rng.below(8) {
        0 => Asker { name, secret: None, peer },
        1 => Asker { name, secret: Some(String::new()), peer },
        2 => Asker { name, secret: Some("0".repeat(26)), peer },
        // The order's own secret, but for a letter.
        3 => {
            let secret = told.get(&victim).map(|own| own.secret[..25].to_owned() + "!");
            Asker { name, secret, peer }
        }
        n if !others.is_empty() => {
            let other = others[rng.below(others.len() as u64) as usize];
            // The server counts who looks in vain: most come from where nothing is counted.
            let peer = other.peer.filter(|_| n == 7);
            Asker { name: "another buyer".into(), secret: Some(other.secret.clone()), peer }
        }
        _ => Asker { name, secret: None, peer },
    }
}

/// What stands where the organiser's key belongs.
fn wrong_key(world: &World, rng: &mut Rng, victim: OrderId) -> Option<String> {
    match rng.below(6) {
        0 => None,
        1 => Some(String::new()),
        2 => Some(ORGANISER.to_uppercase()),
        3 => Some(ORGANISER[..ORGANISER.len() - 1].to_owned()),
        4 => Some(format!("{ORGANISER}s")),
        // Whoever bought the order is not the organiser.
        _ => world.told().get(&victim).map(|own| own.secret.clone()),
    }
}

async fn tries(world: &Arc<World>, rng: &mut Rng, what: Try, victim: OrderId) {
    let who = asker(world, rng, victim);
    let ask = ask_for(world, rng, what, victim, &who);
    let buyer = world.audit(|a, _, _| a.order(victim).map(|o| o.buyer.clone()));
    world.trace().count("strangers asked");
    let path = ask.path.clone();
    let Some(answer) = world.ask(rng, &who.name, ask.as_stranger()).await else { return };
    let broken = |why: String| {
        let text = format!("{}: {what:?} at {path} {why}", who.name);
        world.broken(Promise::OnlyTheirs, Some(victim), text);
    };
    if !is_refusal(what, answer.status) {
        broken(format!("was answered with {} {}", answer.status, answer.code_text()));
    }
    let said = answer.body.to_string();
    if let Some(buyer) = buyer
        && !buyer.email.is_empty()
        && said.contains(buyer.email.trim())
    {
        broken("told the buyer's address".into());
    }
}

/// Whether an answer says no to who asks, and nothing of the order. Too many looks and a server in
/// trouble are answered without a look at the secret.
fn is_refusal(what: Try, status: u16) -> bool {
    // The old routes are for shows with one ticket for each name: that is looked at first.
    let not_by_name = matches!(what, Try::Charge | Try::Guests) && status == 409;
    matches!(status, 401 | 403 | 404 | 429 | 503) || not_by_name
}

fn ask_for(world: &World, rng: &mut Rng, what: Try, victim: OrderId, who: &Asker) -> Ask {
    let id = uuid::Uuid::from_u128(victim.0);
    let secret = who.secret.clone().unwrap_or_default();
    // An empty part of a path would be another path.
    let part = if secret.is_empty() { "0" } else { &secret };
    let token = format!("ctoken_ok_{:x}", rng.below(u64::MAX));
    let form = |path: String, fields: String| {
        let kind = "application/x-www-form-urlencoded".to_owned();
        Ask { body: fields, header: Some(("content-type", kind)), ..Ask::post(path, &Value::Null) }
    };
    let pays = format!("token={token}");
    let mut ask = match what {
        Try::See => Ask::get(format!("/api/v1/orders/{id}")),
        Try::Pay => Ask::post(format!("/api/v1/orders/{id}/pay"), &json!({"token": token})),
        Try::Cancel => Ask::post(format!("/api/v1/orders/{id}/cancel"), &json!({})),
        Try::Page => Ask::get(format!("/orders/{id}/{part}")),
        Try::LeadToPay => Ask::get(format!("/orders/{id}/{part}/pay")),
        Try::PayOnPage => form(format!("/orders/{id}/{part}/pay"), pays),
        Try::CancelOnPage => form(format!("/orders/{id}/{part}/cancel"), String::new()),
        Try::PaymentPage => Ask::get(format!("/pay/{id}/{part}")),
        Try::PayOnPaymentPage => form(format!("/pay/{id}/{part}"), pays),
        Try::WayBack => Ask::get(format!("/pay/{id}/{part}/order")),
        Try::Charge => {
            let name = world.audit(|a, _, _| a.order(victim).map(|o| o.buyer.name.clone()));
            let name = name.unwrap_or_default().replace(' ', "+");
            let fields = format!("fullname={name}&secret={secret}&stripeToken={token}");
            form("/nts/v1/charge".into(), fields)
        }
        Try::Refund => {
            let body = json!({"all": true, "restock": rng.below(2) == 0});
            Ask::post(format!("/api/v1/orders/{id}/refunds"), &body)
        }
        Try::RefundFailed => {
            let body = json!({"failed": true, "restock": false});
            Ask::post(format!("/api/v1/orders/{id}/refunds"), &body)
        }
        Try::Put => {
            let mut show = Show::of(&world.plan);
            show.resize(&world.plan, rng, 0);
            if rng.below(2) == 0 {
                show.close();
            }
            let mut stolen = show.body(&world.plan);
            stolen["name"] = "Not The Show".into();
            Ask { method: "PUT", ..Ask::post("/api/v1/events/show", &stolen) }
        }
        Try::List => Ask::get("/api/v1/events/show/orders"),
        Try::Guests => Ask::get("/nts/v1/list-guests"),
    };
    ask.bearer = match what {
        Try::Refund | Try::RefundFailed | Try::Put | Try::List | Try::Guests => {
            wrong_key(world, rng, victim)
        }
        Try::See | Try::Pay | Try::Cancel => who.secret.clone(),
        _ => None,
    };
    let key = (rng.below(4) == 0).then(|| format!("{:016x}", rng.below(u64::MAX)));
    ask.peer = who.peer;
    ask.key(key.as_deref())
}
