//! Buyers pass tickets on, and somebody at the door tries every code that was ever seen: the one of a valid
//! ticket admits, and one of an earlier revision, of a refunded ticket or a forged one never does.

use crate::auditor::Whose;
use crate::rng::Rng;
use crate::trace::Promise;
use crate::world::{Ask, ORGANISER, World};
use boxoffice::OrderId;
use nts_api::ProblemCode;
use serde_json::json;
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How often somebody looks for a ticket to pass on.
const LOOK: Duration = Duration::from_secs(4);
/// The stream of randomness; the door has the next one.
const STREAM: u64 = 7_300;
/// So many tickets are tried at the door in the calm.
const AT_THE_END: usize = 12;

/// Passes tickets on for as long as the storm lasts, in two of three runs.
pub async fn guests(world: Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, STREAM);
    if rng.below(3) == 0 {
        return;
    }
    let mut named = 0;
    loop {
        sleep(LOOK).await;
        if world.chaos.is_calm() {
            return;
        }
        let tickets = world.audit(|a, _, _| a.tickets_seen());
        if tickets.is_empty() {
            continue;
        }
        let (order, number) = rng.pick(&tickets);
        let Some(own) = world.told().get(&order).cloned() else { continue };
        // Some change their mind, and some send the same name again.
        named += u64::from(rng.below(4) > 0);
        let name = format!("guest {named}");
        passes_on(&world, &mut rng, (order, number), &name, &own.secret).await;
    }
}

async fn passes_on(
    world: &Arc<World>,
    rng: &mut Rng,
    (order, number): (OrderId, u16),
    name: &str,
    secret: &str,
) {
    let id = uuid::Uuid::from_u128(order.0);
    let path = format!("/api/v1/orders/{id}/tickets/{number}");
    let asked = world.audit(|a, _, at| a.question(at));
    let ask = Ask::post(path, &json!({ "name": name })).bearer(secret);
    let Some(answer) = world.ask(rng, "a buyer", ask).await else { return };
    let whose = Whose { order, buyer: None, secret: Some(secret) };
    match (answer.status, answer.code()) {
        (200, _) => {
            world.mark("a ticket was passed on");
            world.audit(|a, s, at| {
                a.order_shown(s, at, asked, whose, &answer.body);
                a.ticket_named(s, at, order, number, name, &answer.body);
            });
        }
        (409, Some(ProblemCode::TicketRevoked)) => world.mark("a refunded ticket took no name"),
        (
            409,
            Some(ProblemCode::TooManyNames | ProblemCode::BuyerErased | ProblemCode::NamesFixed),
        ) => {}
        (503, Some(ProblemCode::Unavailable | ProblemCode::InDoubt | ProblemCode::Busy)) => {}
        (429, _) => {}
        (status, _) => {
            let text = format!("a name was answered with {status} {}", answer.code_text());
            world.broken(Promise::NoFalseAnswer, Some(order), text);
        }
    }
}

/// Somebody at the door, for as long as the storm lasts.
pub async fn door(world: Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, STREAM + 1);
    loop {
        sleep(LOOK).await;
        if world.chaos.is_calm() {
            return;
        }
        let codes = world.audit(|a, _, _| a.codes_seen());
        if codes.is_empty() {
            continue;
        }
        let code = codes[rng.below(codes.len() as u64) as usize].clone();
        scans(&world, &mut rng, &code, false).await;
    }
}

/// Scans a code. In the calm nothing is under way, so that the answer must be what was told last.
async fn scans(world: &Arc<World>, rng: &mut Rng, code: &str, calm: bool) {
    let forged = rng.below(4) == 0;
    // Any part of a code may be another one.
    let sent = if forged { forge(rng, code) } else { code.to_owned() };
    let before = world.audit(|a, _, _| a.standing_of(code));
    let path = format!("/api/v1/tickets/{}", sent.replace('/', "%2F").replace(':', "%3A"));
    let ask = Ask::get(path).bearer(ORGANISER);
    let Some(answer) = world.ask(rng, "the door", ask).await else { return };
    world.audit(|a, s, at| {
        a.scanned(s, at, code, (forged, calm), before, (answer.status, &answer.body));
    });
}

/// The code with one letter of what is read of it changed.
fn forge(rng: &mut Rng, code: &str) -> String {
    let from = code.rfind('/').map_or(0, |at| at + 1);
    let letters: Vec<usize> =
        (from..code.len()).filter(|at| code.as_bytes()[*at] != b'-').collect();
    let at = rng.pick(&letters);
    let other = if code.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &code[..at], &code[at + 1..])
}

/// Everything is settled: of all codes that a ticket ever had, one admits if the ticket is valid, and none if
/// it is not.
pub async fn one_code_admits(world: &Arc<World>) {
    let mut rng = Rng::new(world.plan.seed, STREAM + 2);
    let tickets = world.audit(|a, _, _| a.most_passed_on(AT_THE_END));
    for codes in tickets {
        for code in codes {
            scans(world, &mut rng, &code, true).await;
        }
    }
}
