//! People who are careless with idempotency keys: the same key once more, with another body, for
//! another order, at another route, by another buyer; at once, after a crash, at another process.
//!
//! What was accepted under a key is answered alike to the same request, and changes nothing again.
//! Another request under that key is refused, or answered as new where the key of a hold is chosen by
//! people who do not know of each other.

use crate::plan::Fault;
use crate::rng::Rng;
use crate::trace::Promise;
use crate::world::{Answer, Ask, ORGANISER, World};
use boxoffice::{OrderId, OrderState};
use nts_api::ProblemCode;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How often they look whether they do something.
const LOOK: Duration = Duration::from_secs(10);
/// The stream of randomness; each of them adds its number.
const STREAM: u64 = 7_200;
/// So many such buyers there are.
pub const PEOPLE: u64 = 2;
/// How often somebody asks again who got no answer.
const TIMES: u32 = 4;

/// An order that was told.
struct Mine {
    order: OrderId,
    id: String,
    secret: String,
    total: i64,
    until: Value,
}

/// Somebody who uses a key more than once.
struct Careless {
    world: Arc<World>,
    name: String,
    rng: Rng,
}

/// Buyer number `n`.
pub async fn careless(world: Arc<World>, n: u64) {
    let rng = Rng::new(world.plan.seed, STREAM + n);
    let mut one = Careless { world: Arc::clone(&world), name: format!("careless {n}"), rng };
    let mut round = 0;
    while !world.chaos.is_calm() && !world.is_broken() {
        sleep(LOOK).await;
        if world.chaos.strikes(Fault::KeyReused) {
            round += 1;
            one.buys(round).await;
        }
    }
}

/// An organiser.
pub async fn organiser(world: Arc<World>) {
    let rng = Rng::new(world.plan.seed, STREAM + PEOPLE);
    let name = "careless organiser".into();
    let mut one = Careless { world: Arc::clone(&world), name, rng };
    while !world.chaos.is_calm() && !world.is_broken() {
        sleep(LOOK).await;
        if world.chaos.strikes(Fault::KeyReused) {
            one.refunds().await;
        }
    }
}

/// Whether an answer says only that it cannot be told now.
fn is_of_the_moment(answer: &Answer) -> bool {
    matches!(answer.status, 429 | 503) || answer.code() == Some(ProblemCode::RequestRunning)
}

fn order_of(value: &Value) -> Option<OrderId> {
    uuid::Uuid::try_parse(value.as_str()?).ok().map(|id| OrderId(id.as_u128()))
}

impl Careless {
    fn key(&mut self) -> String {
        format!("{:032x}", u128::from(self.rng.below(u64::MAX)) << 64 | 0x5eed)
    }

    /// Asks until there is an answer that says more than that it cannot be told now.
    async fn insists(&mut self, ask: &Ask) -> Option<Answer> {
        for _ in 0..TIMES {
            let answer = self.world.ask(&mut self.rng, &self.name, ask.clone()).await;
            if let Some(answer) = answer.filter(|answer| !is_of_the_moment(answer)) {
                return Some(answer);
            }
            self.waits(100, 3_000).await;
        }
        None
    }

    async fn waits(&mut self, low: i64, high: i64) {
        sleep(Duration::from_millis(self.rng.between(low, high).unsigned_abs())).await;
    }

    fn broken(&self, order: OrderId, text: impl Into<String>) {
        let text = format!("{}: {}", self.name, text.into());
        self.world.broken(Promise::NoFalseAnswer, Some(order), text);
    }

    /// Asks for places; `who` is another buyer each time.
    fn wish(&self, who: &str, quantity: u64) -> Value {
        json!({
            "buyer": {"name": who, "email": format!("{}@example.org", who.replace(' ', "-"))},
            "lines": [{"ticket_type": "t", "quantity": quantity}],
        })
    }

    /// Holds under a key. One order at most is under this key and body.
    async fn holds(&mut self, key: &str, who: &str, quantity: u64) -> Option<Mine> {
        let body = self.wish(who, quantity);
        self.world.audit(|a, _, _| a.may_have(who, 1));
        let answer = self.insists(&hold(key, &body)).await?;
        if answer.code() == Some(ProblemCode::KeyReused) {
            let text = format!("{who} was told that the key is used, which nobody used for that");
            self.world.broken(Promise::NoFalseAnswer, None, text);
        }
        self.told(key, &body, &answer)
    }

    fn told(&self, key: &str, body: &Value, answer: &Answer) -> Option<Mine> {
        if answer.status != 201 {
            return None;
        }
        let (id, until) = (answer.body["id"].as_str()?.to_owned(), &answer.body["held_until"]);
        let order = order_of(&answer.body["id"])?;
        let until_ms = nts_server::when::parse(until.as_str()?).ok()?;
        let under = format!("{key} {body}");
        self.world.audit(|a, s, at| a.held(s, at, Some(&under), order, until_ms));
        let bought = self.world.audit(|a, _, _| {
            a.order(order)
                .map(|o| (a.owner(o).name.clone(), o.lines.iter().map(|l| l.quantity).sum::<u32>()))
        });
        let wanted = (body["buyer"]["name"].as_str(), body["lines"][0]["quantity"].as_u64());
        if let Some((name, quantity)) = bought
            && (Some(&*name), Some(u64::from(quantity))) != wanted
        {
            self.broken(order, format!("{wanted:?} was asked for, and the order of {name} told"));
        }
        Some(Mine {
            order,
            id,
            secret: answer.body["secret"].as_str()?.to_owned(),
            total: answer.body["total"]["amount"].as_i64()?,
            until: until.clone(),
        })
    }

    async fn buys(&mut self, round: u32) {
        let key = self.key();
        let who = format!("{} {round}", self.name);
        let Some(mine) = self.holds(&key, &who, 1).await else { return };
        if self.rng.below(2) == 0 {
            self.holds_again(&key, &who, &mine).await;
        }
        // Under the same key, for somebody else, or for more.
        let other = format!("{who} and another");
        let (name, quantity) = if self.rng.below(2) == 0 { (&other, 1) } else { (&who, 2) };
        // What costs nothing is paid by nobody.
        let second = self.holds(&key, name, quantity).await.filter(|second| second.total > 0);
        if mine.total > 0 {
            self.pays(&mine, second.as_ref()).await;
        }
        self.holds_again(&key, &who, &mine).await;
    }

    /// The same once more, perhaps much later, and after a restart.
    async fn holds_again(&mut self, key: &str, who: &str, mine: &Mine) {
        let long = if self.rng.below(3) == 0 { 60_000 } else { 2_000 };
        self.waits(0, long).await;
        let body = self.wish(who, 1);
        let Some(answer) = self.insists(&hold(key, &body)).await else { return };
        let again = self.told(key, &body, &answer);
        match again {
            Some(again) if again.order != mine.order || again.secret != mine.secret => {
                self.broken(mine.order, format!("{} was told under the same key", again.id));
            }
            Some(again) if (again.total, &again.until) != (mine.total, &mine.until) => {
                self.broken(mine.order, "the same request was answered in another way");
            }
            Some(_) => {}
            None => {
                let said = format!("{} {}", answer.status, answer.code_text());
                self.broken(mine.order, format!("the same request was answered with {said}"));
            }
        }
    }

    /// Pays under a key that is used for other things as well.
    async fn pays(&mut self, mine: &Mine, second: Option<&Mine>) {
        let key = self.key();
        let refused = json!({"token": "ctoken_declined"});
        let Some(answer) = self.tries(mine, &key, &refused).await else { return };
        self.is_fresh(mine, &answer, "a payment");
        // That it is paid is told to everybody who pays, and a no is not kept.
        if answer.status != 402 {
            return;
        }
        if self.rng.below(2) == 0
            && let Some(answer) = self.tries(mine, &key, &refused).await
        {
            self.is_fresh(mine, &answer, "the same payment");
        }
        let token = format!("ctoken_ok_{:x}", self.rng.below(u64::MAX));
        let other = json!({ "token": token });
        if let Some(answer) = self.tries(mine, &key, &other).await
            && matches!(answer.status, 200 | 202 | 402)
        {
            let text = format!("another card under the same key was answered {}", answer.status);
            self.broken(mine.order, text);
        }
        if let Some(second) = second {
            // The same for another order.
            if let Some(answer) = self.tries(second, &key, &refused).await {
                self.is_fresh(second, &answer, "a payment of another order");
                let attempts = self.world.audit(|a, _, _| {
                    a.order(second.order).and_then(|o| o.payment.as_ref()).map(|p| p.attempts.len())
                });
                if matches!(answer.status, 200 | 202 | 402) && attempts.unwrap_or(0) == 0 {
                    self.broken(second.order, "a payment was answered that was never tried");
                }
            }
        }
        if self.rng.below(2) == 0 {
            self.world.audit(|a, _, _| a.may_pay(mine.order, 1));
            let key = self.key();
            self.tries(mine, &key, &other).await;
        } else {
            // At another route.
            self.world.audit(|a, _, _| a.cancel_asked(mine.order));
            let path = format!("/api/v1/orders/{}/cancel", mine.id);
            let ask = Ask::post(path, &json!({})).bearer(&mine.secret).key(Some(&key));
            if let Some(answer) = self.insists(&ask).await {
                self.is_fresh(mine, &answer, "a cancellation");
            }
        }
    }

    async fn tries(&mut self, mine: &Mine, key: &str, body: &Value) -> Option<Answer> {
        let path = format!("/api/v1/orders/{}/pay", mine.id);
        let ask = Ask::post(path, body).bearer(&mine.secret).key(Some(key));
        self.insists(&ask).await
    }

    /// A key that was not used for anything else there is not said to be, and the answer is about the
    /// order that it was asked for.
    fn is_fresh(&self, mine: &Mine, answer: &Answer, what: &str) {
        if answer.code() == Some(ProblemCode::KeyReused) {
            let text = format!("the key of {what} is said to be used, which it was not for that");
            self.broken(mine.order, text);
        }
        if matches!(answer.status, 200 | 202) && answer.body["id"].as_str() != Some(&mine.id) {
            self.broken(mine.order, format!("{what} was answered with another order"));
        }
    }

    /// Refunds under one key: the same again, something else, and another order.
    async fn refunds(&mut self) {
        let paid: Vec<OrderId> = self.world.audit(|a, _, _| {
            a.orders().filter(|o| o.state == OrderState::Paid).map(|o| o.id).collect()
        });
        if paid.is_empty() {
            return;
        }
        let (one, two) = (self.rng.pick(&paid), self.rng.pick(&paid));
        let key = self.key();
        let part = json!({"lines": [{"ticket_type": "t", "quantity": 1}], "restock": true});
        let Some(first) = self.refund(one, &key, &part).await else { return };
        if first.code() == Some(ProblemCode::KeyReused) {
            self.broken(one, "a new key of a refund is said to be used");
        }
        // A no is not kept.
        if first.status != 200 {
            return;
        }
        let made = first.body["refund"]["id"].clone();
        self.waits(0, 5_000).await;
        if let Some(again) = self.refund(one, &key, &part).await
            && again.body["refund"]["id"] != made
        {
            let said = format!("{} {}", again.status, again.code_text());
            self.broken(one, format!("the same refund was answered with {said}"));
        }
        let all = json!({"all": true, "restock": false});
        if let Some(other) = self.refund(one, &key, &all).await
            && other.status == 200
        {
            self.broken(one, "another refund under the same key was answered as if it were made");
        }
        if two != one
            && let Some(other) = self.refund(two, &key, &part).await
        {
            let id = uuid::Uuid::from_u128(two.0).to_string();
            if other.code() == Some(ProblemCode::KeyReused) {
                self.broken(two, "the key is said to be used, which it was for another order");
            }
            if other.status == 200
                && (other.body["order"]["id"].as_str() != Some(&id)
                    || other.body["refund"]["id"] == made)
            {
                self.broken(two, "a refund of another order was answered");
            }
        }
    }

    async fn refund(&mut self, order: OrderId, key: &str, body: &Value) -> Option<Answer> {
        let path = format!("/api/v1/orders/{}/refunds", uuid::Uuid::from_u128(order.0));
        let ask = Ask::post(path, body).bearer(ORGANISER).key(Some(key));
        self.insists(&ask).await
    }
}

fn hold(key: &str, body: &Value) -> Ask {
    Ask::post("/api/v1/events/show/orders", body).key(Some(key))
}
