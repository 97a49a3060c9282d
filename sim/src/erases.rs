//! The organiser erases buyers: by an address, or by an order.

use crate::auditor::Whom;
use crate::plan::Fault;
use crate::rng::Rng;
use crate::trace::Promise;
use crate::world::{Ask, ORGANISER, World};
use boxoffice::OrderId;
use nts_api::ProblemCode;
use serde_json::json;
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How often there may be something to erase.
const LOOK: Duration = Duration::from_secs(5);

/// Erases buyers for as long as the storm lasts.
pub async fn erases(world: Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, 7_200);
    loop {
        sleep(LOOK).await;
        if world.chaos.is_calm() {
            return;
        }
        if !world.chaos.strikes(Fault::Erase) {
            continue;
        }
        let orders: Vec<OrderId> = world.audit(|a, _, _| a.orders().map(|o| o.id).collect());
        if orders.is_empty() {
            continue;
        }
        let order = rng.pick(&orders);
        let owner = world.audit(|a, _, _| a.order(order).map(|o| a.owner(o).clone()));
        let email = owner.map(|owner| owner.email).filter(|email| !email.is_empty());
        let whom = match email {
            Some(email) if rng.below(4) > 0 => Whom::Email(email),
            _ => Whom::Order(order),
        };
        erase(&world, &mut rng, &whom).await;
    }
}

async fn erase(world: &Arc<World>, rng: &mut Rng, whom: &Whom) {
    let dry_run = rng.below(6) == 0;
    let body = match whom {
        Whom::Email(email) => json!({"email": email, "dry_run": dry_run}),
        Whom::Order(id) => {
            json!({"order": uuid::Uuid::from_u128(id.0).to_string(), "dry_run": dry_run})
        }
    };
    let dry = if dry_run { ", but only to see" } else { "" };
    world.tell(None, format!("organiser: erases {whom:?}{dry}"));
    let asked = world.audit(|a, _, at| {
        if !dry_run {
            a.erase_asked(at, whom);
        }
        a.question(at)
    });
    let ask = Ask::post("/api/v1/erasures", &body).bearer(ORGANISER);
    let Some(answer) = world.ask(rng, "organiser", ask).await else { return };
    match (answer.status, answer.code()) {
        (200, _) => {
            if !dry_run && answer.body["erased"].as_u64() > Some(0) {
                world.mark("a buyer was erased");
            }
            world.audit(|a, s, at| a.erase_told(s, at, asked, whom, &answer.body));
        }
        (503, Some(ProblemCode::Unavailable | ProblemCode::InDoubt | ProblemCode::Busy)) => {}
        (status, _) => {
            let text = format!("an erasure was answered with {status} {}", answer.code_text());
            world.broken(Promise::NoFalseAnswer, None, text);
        }
    }
}
