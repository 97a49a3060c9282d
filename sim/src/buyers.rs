//! Buyers: eager, slow, clicking twice, with two tabs, walking away, coming back too late, trying
//! again with the same key and with a new one; bots that hold and never pay; and a script at one
//! address, under ever new names, that takes what it can get.

mod again;
pub mod pairs;

use crate::auditor::{Question, Refused, Whose, Wish};
use crate::goods::MEALS;
use crate::plan::{Fault, StorageKind};
use crate::rng::Rng;
use crate::world::{Answer, Ask, EPOCH_MS, World};
use boxoffice::{OrderId, OrderState, TimeMs};
use nts_api::ProblemCode;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// A hold that a buyer knows of.
#[derive(Clone)]
struct Mine {
    order: OrderId,
    id: String,
    secret: String,
    total: i64,
}

/// Whether a payment was taken: it is decided, or goes on.
fn is_taken(answer: &Answer) -> bool {
    matches!(answer.status, 200 | 202)
}

impl Mine {
    fn whose<'a>(&'a self, buyer: &'a str) -> Whose<'a> {
        Whose { order: self.order, buyer: Some(buyer), secret: Some(&self.secret) }
    }
}

/// Who a buyer is.
struct Buyer {
    world: Arc<World>,
    name: String,
    /// The address that their requests come from.
    network: IpAddr,
    email: String,
    rng: Rng,
    /// What they want, where there is more than one ticket type.
    taste: Rng,
    /// They try one card after the other, and each is declined.
    tries_cards: bool,
}

/// So many requests the script has under way at a time.
pub const LANES: u64 = 3;
/// So many orders each of them asks for.
const GREED: u64 = 30;

/// The script.
pub async fn script(world: Arc<World>, lane: u64) {
    let mut rng = Rng::new(world.plan.seed, 90_000 + lane);
    let network = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
    for n in 1..=GREED {
        let name = format!("script {lane}-{n}");
        let email = format!("{}@example.org", name.replace(' ', "-"));
        let dice_of = Rng::new(rng.below(u64::MAX), n);
        let mut one = Buyer::new(&world, name, email, network, dice_of);
        let quantity = 1 + rng.below(10) as u32;
        let wanted = one.wants(quantity);
        if let Some(mine) = one.holds(wanted).await {
            match rng.below(8) {
                0 => _ = one.pays(&mine).await,
                1 => one.cancels(&mine).await,
                _ => {}
            }
        }
        one.waits(100, world.plan.storm_ms / i64::try_from(GREED).unwrap_or(1)).await;
        if world.chaos.is_calm() {
            return;
        }
    }
}

/// The address of a buyer: of their own, or that of some who share it.
fn network_of(n: u64) -> IpAddr {
    let shares = n.is_multiple_of(3);
    let number = if shares { n / 9 } else { n };
    let [high, low] = [number >> 8, number & 255].map(|part| part as u8);
    IpAddr::V4(Ipv4Addr::new(198, if shares { 18 } else { 19 }, high, low))
}

/// Buyer number `n`, from coming to going.
pub async fn buyer(world: Arc<World>, n: u64) {
    let mut rng = Rng::new(world.plan.seed, 100_000 + n);
    let rush = world.plan.buyers > 60;
    let within = if rush { world.plan.storm_ms / 10 } else { world.plan.storm_ms };
    let comes = rng.between(0, within);
    sleep(Duration::from_millis(comes.unsigned_abs())).await;
    let email = match world.plan.people {
        None => format!("buyer-{n}@example.org"),
        // People do not write their address in the same way each time.
        Some(people) => match n % 3 {
            0 => format!("person-{}@müller.example", n % people),
            1 => format!("Person-{}@xn--mller-kva.example", n % people),
            _ => format!(" PERSON-{}@MU\u{308}LLER.example ", n % people),
        },
    };
    let mut buyer = Buyer::new(&world, format!("buyer {n}"), email, network_of(n), rng);
    buyer.taste = Rng::new(world.plan.seed, 200_000 + n);
    buyer.tries_cards = buyer.taste.below(30) == 0;
    if world.chaos.strikes(Fault::OldRoute) {
        buyer.by_the_old_routes().await;
    }
    match buyer.rng.below(10) {
        0 => buyer.bot().await,
        1 => buyer.two_tabs().await,
        2 => buyer.comes_back_late().await,
        3 => buyer.gives_back().await,
        _ => buyer.buys().await,
    }
    buyer.comes_again().await;
}

fn pause(rng: &mut Rng, low: i64, high: i64) -> Duration {
    Duration::from_millis(rng.between(low, high).unsigned_abs())
}

/// What is shown may be so old, in milliseconds.
const A_MOMENT_MS: i64 = 10;

impl Buyer {
    fn new(world: &Arc<World>, name: String, email: String, network: IpAddr, rng: Rng) -> Buyer {
        world.audit(|a, _, _| a.comes_from(&name, &email, network));
        let taste = Rng::new(rng.clone().below(u64::MAX), 7);
        Buyer { world: Arc::clone(world), name, email, network, rng, taste, tries_cards: false }
    }

    async fn ask(&mut self, ask: Ask) -> Option<Answer> {
        let ask = ask.from(self.network);
        self.world.ask(&mut self.rng, &self.name, ask).await
    }

    async fn waits(&mut self, low: i64, high: i64) {
        sleep(pause(&mut self.rng, low, high)).await;
    }

    /// Looks at the event.
    async fn looks(&mut self) {
        let asked_ms = self.world.at_ms();
        let Some(answer) = self.ask(Ask::get("/api/v1/events/show")).await else { return };
        if answer.status != 200 {
            return;
        }
        // The counts are as of a moment that the answer names, or of a moment before: a commit is
        // told a few milliseconds after it is done. That moment is by the clock of the process, or by
        // that of the database where processes share one.
        let as_of = until(&answer.body["as_of"]);
        let plan = &self.world.plan;
        let now = match plan.place {
            StorageKind::File => answer.clock_ms,
            StorageKind::Shared => EPOCH_MS + answer.at_ms + self.world.base_ahead_ms(),
        };
        let age = (now - as_of).max(0);
        let since = asked_ms - age - A_MOMENT_MS;
        let jumps = self.world.chaos.has(Fault::ClockJump) && plan.place == StorageKind::Shared;
        let clock = (!jumps).then_some(now);
        self.world.audit(|a, s, at| a.event_shown(s, at, since, &answer.body, clock));
    }

    /// So many places, of one ticket type or of several.
    fn wants(&mut self, quantity: u32) -> Vec<(String, i64)> {
        let plan = Arc::clone(&self.world);
        let kinds = &plan.plan.goods.kinds;
        let quantity = i64::from(quantity);
        if kinds.len() == 1 && !plan.chaos.has(Fault::Retire) {
            return vec![(kinds[0].id.clone(), quantity)];
        }
        let mut wanted: Vec<(String, i64)> = Vec::new();
        let lines = 1 + self.taste.below(3) as i64;
        for line in 0..lines.min(quantity) {
            // Some ask for what is not there yet, or never.
            let known = kinds.len() as u64 + u64::from(self.taste.below(6) == 0);
            let id = match self.taste.below(known) {
                0 => kinds[0].id.clone(),
                n => format!("t{n}"),
            };
            let part = if line + 1 == lines.min(quantity) { quantity - line } else { 1 };
            match wanted.iter_mut().find(|(known, _)| *known == id) {
                Some((_, known)) => *known += part,
                None => wanted.push((id, part)),
            }
        }
        match self.taste.below(60) {
            0 => wanted[0].1 += 10,
            1 => wanted[0].1 = 0,
            _ => {}
        }
        wanted
    }

    /// Remembers that the answer was no: it must be right.
    fn hears_no(&self, asked: Question, wish: &Wish, key: Option<&str>, answer: &Answer) {
        let (status, code, body) = (answer.status, answer.code(), &answer.body);
        let no = Refused { status, code, body, key };
        self.world.audit(|a, s, at| a.told_no(s, at, asked, wish, no));
    }

    /// Asks for places, and again if no answer comes. Most buyers' browsers do that under the same
    /// key, some people begin anew.
    async fn holds(&mut self, wanted: Vec<(String, i64)>) -> Option<Mine> {
        let quantity = wanted.iter().map(|line| line.1).sum::<i64>() as u32;
        let lines: Vec<Value> = wanted
            .iter()
            .map(|(kind, quantity)| json!({"ticket_type": kind, "quantity": quantity}))
            .collect();
        let mut key = Some(format!("{:016x}", self.rng.below(u64::MAX)));
        if self.rng.below(6) == 0 {
            key = None;
        }
        let mut body = json!({
            "buyer": {"name": self.name, "email": self.email},
            "lines": lines,
        });
        if let Some((key, value)) = self.metadata() {
            body["metadata"] = json!({ key: value });
        }
        if self.world.plan.goods.rules.code.is_some() && self.taste.below(2) == 0 {
            body["code"] = "half-price".into();
        }
        let mut counted: Option<String> = None;
        for _ in 0..5 {
            // Under one key there is one order at most.
            if key.is_none() || counted != key {
                self.world.audit(|a, _, _| a.may_have(&self.name, 1));
                counted.clone_from(&key);
            }
            let asked = self.world.audit(|a, _, at| {
                // Each may arrive twice, and may be asked for twice at once.
                a.asks_for(self.network, 4 * quantity);
                a.question(at)
            });
            let ask = Ask::post("/api/v1/events/show/orders", &body).key(key.as_deref());
            let answer = if self.rng.below(8) == 0 {
                // A double click: the same request twice at once.
                if key.is_none() {
                    self.world.audit(|a, _, _| a.may_have(&self.name, 1));
                }
                let (mut one, mut two) = (self.clone_with(1), self.clone_with(2));
                let (one, two) = tokio::join!(one.ask(ask.clone()), two.ask(ask));
                for answer in [&one, &two].into_iter().flatten() {
                    self.told_of_hold(answer, key.as_deref(), asked, &wanted);
                }
                one.or(two)
            } else {
                self.ask(ask).await
            };
            match answer {
                Some(answer) if answer.status == 201 => {
                    return self.told_of_hold(&answer, key.as_deref(), asked, &wanted);
                }
                Some(answer) if answer.status == 503 => {
                    self.told_of_hold(&answer, key.as_deref(), asked, &wanted);
                    // What says that nothing was done must be true.
                    if key.is_none()
                        && matches!(
                            answer.code(),
                            Some(ProblemCode::Unavailable | ProblemCode::Busy)
                        )
                    {
                        self.world.audit(|a, _, _| a.may_have(&self.name, -1));
                    }
                    self.waits(200, 4_000).await;
                }
                Some(answer) => {
                    if key.is_none() && answer.status == 429 {
                        self.world.audit(|a, _, _| a.may_have(&self.name, -1));
                    }
                    self.told_of_hold(&answer, key.as_deref(), asked, &wanted);
                    return None;
                }
                None if self.rng.below(4) == 0 => {
                    key = Some(format!("{:016x}", self.rng.below(u64::MAX)));
                }
                None => {}
            }
        }
        None
    }

    fn clone_with(&mut self, stream: u64) -> Buyer {
        let rng = Rng::new(self.rng.below(u64::MAX), stream);
        let taste = Rng::new(self.taste.clone().below(u64::MAX), stream);
        Buyer {
            taste,
            tries_cards: self.tries_cards,
            world: Arc::clone(&self.world),
            name: self.name.clone(),
            email: self.email.clone(),
            network: self.network,
            rng,
        }
    }

    /// What comes with the holds of a third of the buyers, always the same.
    fn metadata(&self) -> Option<(&str, &str)> {
        let some = self.name.bytes().map(u32::from).sum::<u32>().is_multiple_of(3);
        some.then_some(("of", &self.name))
    }

    /// Remembers what was said.
    fn told_of_hold(
        &self,
        answer: &Answer,
        key: Option<&str>,
        asked: Question,
        wanted: &[(String, i64)],
    ) -> Option<Mine> {
        let world = &self.world;
        match (answer.status, answer.code()) {
            (201, _) => {
                let id = answer.body["id"].as_str()?.to_owned();
                let secret = answer.body["secret"].as_str()?.to_owned();
                let order = OrderId(uuid::Uuid::try_parse(&id).ok()?.as_u128());
                let until = until(&answer.body["held_until"]);
                let mine =
                    Mine { order, id, secret, total: answer.body["total"]["amount"].as_i64()? };
                world.audit(|a, s, at| {
                    a.held(s, at, key, order, until);
                    a.came_with(s, at, order, self.metadata());
                    a.hold_shown(s, at, mine.whose(&self.name), wanted, &answer.body);
                });
                world.trace().count("holds told");
                return Some(mine);
            }
            (_, Some(ProblemCode::SoldOut)) => world.trace().count("sold out told"),
            (_, Some(ProblemCode::TooManyRequests)) => world.trace().count("holds over budget"),
            (_, Some(ProblemCode::LimitReached)) => world.trace().count("limit told"),
            _ => {}
        }
        let buyer = (self.name.clone(), self.email.clone());
        let wish = Wish::Hold { lines: wanted.to_vec(), buyer, network: self.network };
        self.hears_no(asked, &wish, key, answer);
        None
    }

    /// Looks at an order. Gives its state.
    async fn sees(&mut self, mine: &Mine) -> Option<String> {
        let asked = self.world.audit(|a, _, at| a.question(at));
        let ask = Ask::get(format!("/api/v1/orders/{}", mine.id)).bearer(&mine.secret);
        let answer = self.ask(ask).await?;
        if answer.status == 404 {
            self.world.broken(
                crate::trace::Promise::NothingLost,
                Some(mine.order),
                "its buyer is told that there is no such order",
            );
        }
        if answer.status != 200 {
            self.hears_no(asked, &Wish::See(mine.order), None, &answer);
        }
        self.shown(mine, &answer, asked)
    }

    fn shown(&self, mine: &Mine, answer: &Answer, asked: Question) -> Option<String> {
        if answer.status != 200 {
            return None;
        }
        let state = answer.body["state"].as_str()?.to_owned();
        let tickets: Vec<(String, bool)> = answer.body["tickets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|t| Some((t["number"].as_u64()?.to_string(), t["valid"].as_bool()?)))
            .collect();
        self.world.audit(|a, s, at| {
            a.shown(s, at, asked, mine.order, &state, &tickets);
            a.order_shown(s, at, asked, mine.whose(&self.name), &answer.body);
        });
        Some(state)
    }

    /// Pays with some card. True: it is decided, one way or the other.
    async fn pays(&mut self, mine: &Mine) -> bool {
        let suffix = self.rng.below(u64::MAX);
        let token = match self.rng.below(12) {
            _ if self.tries_cards => "ctoken_declined".to_owned(),
            6..9 if self.world.plan.bank_asks => "ctoken_3ds".to_owned(),
            9..12 if self.world.plan.bank_asks => "ctoken_3ds_sdk".to_owned(),
            0 | 1 => "ctoken_declined".to_owned(),
            2 => "ctoken_3ds".to_owned(),
            3 => "ctoken_3ds_sdk".to_owned(),
            4 => "ctoken_slow".to_owned(),
            5 => "ctoken_processing".to_owned(),
            _ => format!("ctoken_ok_{suffix:x}"),
        };
        self.pays_by(mine, token, suffix).await
    }

    /// Pays with this card, under a key that is made of `suffix` or under none.
    async fn pays_by(&mut self, mine: &Mine, token: String, suffix: u64) -> bool {
        if self.world.plan.asks() && self.taste.below(8) > 0 {
            self.answers(mine).await;
        }
        let key = (self.rng.below(3) > 0).then(|| format!("{suffix:016x}"));
        let body = json!({ "token": token });
        let ask = Ask::post(format!("/api/v1/orders/{}/pay", mine.id), &body)
            .bearer(&mine.secret)
            .key(key.as_deref());
        let asked = self.world.audit(|a, _, at| {
            a.may_pay(mine.order, 1);
            a.question(at)
        });
        let wish = Wish::Pay { order: mine.order, network: self.network };
        let answer = if self.rng.below(8) == 0 {
            if key.is_none() {
                self.world.audit(|a, _, _| a.may_pay(mine.order, 1));
            }
            let (mut one, mut two) = (self.clone_with(1), self.clone_with(2));
            let (one, two) = tokio::join!(one.ask(ask.clone()), two.ask(ask));
            let refused = |two: &&Answer| one.is_some() && !is_taken(two);
            if let Some(two) = two.as_ref().filter(refused) {
                self.hears_no(asked, &wish, key.as_deref(), two);
            }
            one.or(two)
        } else {
            self.ask(ask).await
        };
        let Some(answer) = answer else { return false };
        if !is_taken(&answer) {
            self.hears_no(asked, &wish, key.as_deref(), &answer);
        }
        match answer.status {
            200 | 202 => {}
            402 => {
                self.world.trace().count("declines told");
                self.world.audit(|a, _, _| a.may_pay(mine.order, -1));
                return false;
            }
            _ => return false,
        }
        self.world.audit(|a, s, at| a.payment_taken(s, at, asked, mine.order));
        let state = self.shown(mine, &answer, asked).unwrap_or_default();
        if state == "paid" {
            self.world.trace().count("sales told");
            return true;
        }
        if answer.body["action"].is_object() {
            if self.rng.below(4) == 0 {
                self.leaves_the_bank(mine);
            } else {
                self.answers_the_bank(mine).await;
            }
        }
        false
    }

    /// Answers what the organiser asks.
    async fn answers(&mut self, mine: &Mine) {
        let meal = self.taste.pick(&MEALS);
        let mut answers = vec![json!({"question": "meal", "answer": meal})];
        if self.taste.below(2) == 0 {
            let size = self.taste.below(100).to_string();
            answers.push(json!({"question": "size", "ticket": 1, "answer": size}));
        }
        let path = format!("/api/v1/orders/{}/answers", mine.id);
        let ask = Ask { method: "PUT", ..Ask::post(path, &json!({ "answers": answers })) };
        let asked = self.world.audit(|a, _, at| a.question(at));
        let Some(answer) = self.ask(ask.bearer(&mine.secret)).await else { return };
        if answer.status == 200 {
            self.world.mark("a question was answered");
            self.shown(mine, &answer, asked);
        } else {
            self.hears_no(asked, &Wish::Answer(mine.order), None, &answer);
        }
    }

    /// The bank asks: yes, no, never, or too late.
    async fn answers_the_bank(&mut self, mine: &Mine) {
        let world = Arc::clone(&self.world);
        let intent = world.audit(|a, _, _| {
            a.order(mine.order).and_then(|o| o.payment.as_ref()).and_then(|p| p.intent.clone())
        });
        let Some(intent) = intent else { return };
        let hold_ms = self.world.plan.hold_seconds * 1_000;
        match self.rng.below(8) {
            0 => return,
            5.. if world.plan.bank_asks => self.waits(hold_ms / 2, hold_ms * 2).await,
            1 => self.waits(60_000, 400_000).await,
            _ => self.waits(2_000, 30_000).await,
        }
        let yes = self.rng.below(5) > 0;
        world.tell(Some(mine.order), format!("{} answers the bank: {yes}", self.name));
        if !yes {
            world.audit(|a, _, _| a.provider_declined(&intent));
        }
        if let Err(error) = world.fake.authenticate(&intent, yes) {
            world.tell(Some(mine.order), format!("the bank does not want to hear it: {error:?}"));
        }
        self.sees(mine).await;
    }

    /// Leaves the bank's page open and takes another card; the page may be finished after all.
    fn leaves_the_bank(&mut self, mine: &Mine) {
        let world = Arc::clone(&self.world);
        let intent = world.audit(|a, _, _| {
            a.order(mine.order).and_then(|o| o.payment.as_ref()).and_then(|p| p.intent.clone())
        });
        let Some(intent) = intent.filter(|_| self.rng.below(3) > 0) else { return };
        let (after, yes) = (pause(&mut self.rng, 0, 60_000), self.rng.below(4) > 0);
        let (there, order, name) = (Arc::clone(&world), mine.order, self.name.clone());
        world.elsewhere(async move {
            sleep(after).await;
            there.tell(Some(order), format!("{name} answers a bank's page of before: {yes}"));
            if !yes {
                there.audit(|a, _, _| a.provider_declined(&intent));
            }
            _ = there.fake.authenticate(&intent, yes);
        });
    }

    async fn cancels(&mut self, mine: &Mine) {
        let asked = self.world.audit(|a, _, at| {
            a.cancel_asked(mine.order);
            a.question(at)
        });
        let ask = Ask::post(format!("/api/v1/orders/{}/cancel", mine.id), &json!({}));
        let Some(answer) = self.ask(ask.bearer(&mine.secret)).await else { return };
        if answer.status == 200 {
            self.shown(mine, &answer, asked);
        } else {
            self.hears_no(asked, &Wish::Cancel(mine.order), None, &answer);
        }
    }

    /// Tries to pay until it is decided, as far as patience goes.
    async fn pays_somehow(&mut self, mine: &Mine) {
        for _ in 0..if self.tries_cards { 8 } else { 4 } {
            if mine.total > 0 && self.rng.below(10) == 0 {
                // Two tabs on Pay at the same time, with two cards.
                let (mut one, mut two) = (self.clone_with(1), self.clone_with(2));
                let (one, two) = tokio::join!(one.pays(mine), two.pays(mine));
                if one || two {
                    break;
                }
            } else if self.pays(mine).await {
                break;
            }
            self.waits(500, 8_000).await;
            match self.sees(mine).await.as_deref() {
                None | Some("held" | "paying") => {}
                Some(_) => break,
            }
        }
        self.waits(1_000, 60_000).await;
        self.sees(mine).await;
    }

    async fn buys(&mut self) {
        self.looks().await;
        self.waits(100, 5_000).await;
        let quantity = 1 + self.rng.below(3) as u32;
        let wanted = self.wants(quantity);
        let Some(mine) = self.holds(wanted).await else { return };
        match self.rng.below(10) {
            // Walks away.
            0 => return,
            // Slow: half of the hold is over.
            1 => self.waits(5_000, self.world.plan.hold_seconds * 900).await,
            _ => self.waits(500, 9_000).await,
        }
        self.pays_somehow(&mine).await;
    }

    async fn bot(&mut self) {
        for _ in 0..4 {
            let quantity = 1 + self.rng.below(4) as u32;
            let wanted = self.wants(quantity);
            self.holds(wanted).await;
            self.waits(10, 500).await;
        }
    }

    async fn two_tabs(&mut self) {
        let (mut one, mut two) = (self.clone_with(3), self.clone_with(4));
        tokio::join!(Box::pin(one.buys()), Box::pin(two.buys()));
    }

    async fn comes_back_late(&mut self) {
        let wanted = self.wants(1);
        let Some(mine) = self.holds(wanted).await else { return };
        let hold = self.world.plan.hold_seconds * 1000;
        self.waits(hold - 2_000, hold + 30_000).await;
        self.pays_somehow(&mine).await;
    }

    async fn gives_back(&mut self) {
        let wanted = self.wants(2);
        let Some(mine) = self.holds(wanted).await else { return };
        self.waits(100, 9_000).await;
        if self.rng.below(2) == 0 {
            // In the middle of paying.
            let (mut pays, mut cancels) = (self.clone_with(5), self.clone_with(6));
            tokio::join!(
                async {
                    pays.pays(&mine).await;
                },
                async {
                    cancels.waits(0, 3_000).await;
                    cancels.cancels(&mine).await;
                }
            );
        } else {
            self.cancels(&mine).await;
            if self.taste.below(3) == 0 {
                // Another tab still shows the form.
                self.waits(100, 5_000).await;
                self.pays(&mine).await;
            }
        }
        self.sees(&mine).await;
    }
}

/// A time as the API writes it.
fn until(value: &Value) -> TimeMs {
    value.as_str().and_then(|text| nts_server::when::parse(text).ok()).unwrap_or(TimeMs::MAX)
}

/// Whether an order's payment may be touched by somebody at the provider's desk.
pub fn payment_of(world: &World, order: OrderId, states: &[OrderState]) -> Option<String> {
    world.audit(|auditor, _, _| {
        let order = auditor.order(order).filter(|o| states.contains(&o.state))?;
        order.payment.as_ref()?.intent.clone()
    })
}
