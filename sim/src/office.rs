//! The organiser gives tickets away, and sells some in cash or by a card terminal. No provider is asked about them.

use crate::auditor::{Refused, Whose, Wish};
use crate::rng::Rng;
use crate::trace::Promise;
use crate::world::{Ask, ORGANISER, World};
use boxoffice::OrderId;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How often somebody comes to the box office, at most.
const LOOK: Duration = Duration::from_secs(15);
/// The stream of randomness.
const STREAM: u64 = 7_350;
/// Where the organiser sits.
const OFFICE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));

/// Sells and gives away for as long as the storm lasts, in half of the runs.
pub async fn sells(world: Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, STREAM);
    if rng.below(2) == 0 {
        return;
    }
    let mut sold = 0;
    loop {
        sleep(LOOK).await;
        if world.chaos.is_calm() {
            return;
        }
        if rng.below(3) == 0 {
            sold += 1;
            sell(&world, &mut rng, sold).await;
        }
    }
}

async fn sell(world: &Arc<World>, rng: &mut Rng, number: u32) {
    let name = format!("gift {number}");
    let email = match rng.below(4) {
        0 => String::new(),
        _ => format!("gift-{number}@example.org"),
    };
    let tender = rng.pick(&["free", "cash", "terminal"]);
    let kinds = &world.plan.goods.kinds;
    let kind = kinds[rng.below(kinds.len() as u64) as usize].id.clone();
    let quantity = rng.between(1, 2);
    let body = json!({
        "buyer": {"name": name, "email": email},
        "lines": [{"ticket_type": kind, "quantity": quantity}],
        "tender": tender,
        "reference": format!("R-{number}"),
    });
    let key = format!("{:016x}", rng.below(u64::MAX));
    // Under one key there is one order at most.
    world.audit(|a, _, _| {
        a.comes_from(&name, &email, OFFICE);
        a.may_have(&name, 1);
    });
    let wish = Wish::Sell { lines: vec![(kind, quantity)], name: name.clone() };
    for _ in 0..5 {
        let asked = world.audit(|a, _, at| a.question(at));
        let ask = Ask::post("/api/v1/events/show/sales", &body).bearer(ORGANISER).key(Some(&key));
        let Some(answer) = world.ask(rng, "organiser", ask).await else { continue };
        if answer.status != 201 {
            let (status, code, body) = (answer.status, answer.code(), &answer.body);
            let no = Refused { status, code, body, key: Some(&key) };
            world.audit(|a, s, at| a.told_no(s, at, asked, &wish, no));
            if status != 503 {
                return;
            }
            sleep(Duration::from_secs(2)).await;
            continue;
        }
        let id = answer.body["id"].as_str().and_then(|id| uuid::Uuid::try_parse(id).ok());
        let Some(id) = id.map(|id| OrderId(id.as_u128())) else {
            return world.broken(Promise::NoFalseAnswer, None, "a sale was told without its order");
        };
        world.mark(if tender == "free" { "tickets were given away" } else { "a box-office sale" });
        let whose = Whose { order: id, buyer: Some(&name), secret: None };
        let state = answer.body["state"].as_str().unwrap_or_default();
        let tickets: Vec<(String, bool)> = answer.body["tickets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|t| Some((t["number"].as_u64()?.to_string(), t["valid"].as_bool()?)))
            .collect();
        world.audit(|a, s, at| {
            a.shown(s, at, asked, id, state, &tickets);
            a.order_shown(s, at, asked, whose, &answer.body);
        });
        return;
    }
}
