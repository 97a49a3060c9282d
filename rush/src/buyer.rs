//! What one buyer does.

use crate::books::{Entry, Kind, Told, code};
use crate::client::{Answer, Request, Silence};
use crate::crowd::{Crowd, look};
use crate::order::Found;
use nts_api::{
    BuyerBody, HeldOrder, HoldLine, OrderBody, OrderState, PayBody, Problem, ProblemCode,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a buyer watches a payment that is under way.
const WATCH: Duration = Duration::from_secs(180);
/// A payment under way is looked at again after this, if it is not told when.
const LOOK: Duration = Duration::from_millis(500);
/// A server that says "not now" without saying until when is asked again after this.
const PAUSE: Duration = Duration::from_secs(1);
/// Who stays looks at the counts again after so long at least, and three times as long on average.
const LOOK_AT_COUNTS: Duration = Duration::from_secs(1);
/// How much longer than a hold lasts who stays does so while nobody at all hears of tickets. Who began
/// to pay has some minutes.
const STAY: Duration = Duration::from_secs(600);

/// One who wants tickets.
pub(crate) struct Buyer {
    crowd: Arc<Crowd>,
    n: u64,
    rng: ChaCha8Rng,
}

/// Where a buyer's order stands in the books.
struct Mine {
    at: usize,
    path: String,
    secret: String,
    /// How long the places were waited for.
    waited: Duration,
}

/// Whether places are there.
enum Wish {
    Held(Mine),
    SoldOut,
    /// The end of this buyer, in words.
    Ends(&'static str),
}

impl Buyer {
    pub(crate) fn new(crowd: Arc<Crowd>, n: u64) -> Buyer {
        let mut rng = ChaCha8Rng::seed_from_u64(crowd.plan.seed);
        rng.set_stream(n);
        Buyer { crowd, n, rng }
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        self.rng.next_u64() % 1000 < u64::from(per_mille)
    }

    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Everything, from the moment at which the buyer comes.
    pub(crate) async fn comes(mut self, due: Instant) {
        let end = self.story(due).await;
        self.crowd.books().ends(end);
    }

    async fn story(&mut self, due: Instant) -> &'static str {
        let crowd = Arc::clone(&self.crowd);
        let mut wanted = due;
        if self.chance(crowd.plan.look) {
            let page = Request::look(&format!("/events/{}", crowd.target.slug));
            match self.ask(Kind::Page, &page, wanted).await {
                Some(answer) if answer.status == 200 => {}
                Some(_) | None => return "gave up before a page was there",
            }
            wanted = Instant::now();
        }
        // Most want two.
        let most = crowd.plan.most.clamp(1, crowd.target.limit.max(1));
        let mut places = match self.rng.next_u64() % 10 {
            0..3 => 1,
            3..8 => 2,
            8 => 3,
            _ => 4,
        }
        .min(most);
        let (mut back, mut stays) = (0, None);
        let mine = loop {
            match self.holds(wanted, places, back).await {
                Wish::Held(mine) => break mine,
                Wish::Ends(how) => return how,
                // Perhaps there is one left.
                Wish::SoldOut if places > 1 => places = 1,
                Wish::SoldOut if back < 3 && self.chance(crowd.plan.come_back) => {
                    sleep(Duration::from_secs(1).mul_f64(1.0 + 3.0 * self.part())).await;
                }
                Wish::SoldOut => {
                    stays = stays.or_else(|| crowd.staying.try_acquire().ok());
                    if stays.is_none() || !self.sees_places_come_back().await {
                        return "heard that it is sold out";
                    }
                }
            }
            back += 1;
            wanted = Instant::now();
        };
        if self.chance(crowd.plan.walk_away) && stays.is_none() {
            return "held places and walked away";
        }
        // Exponentially distributed, and not for ever.
        let think = -(1.0 - self.part()).ln();
        sleep(crowd.plan.think.mul_f64(think.min(5.0))).await;
        let mut others = 0;
        if self.chance(crowd.plan.declined) {
            others = 1;
            let (wanted, token) = (Instant::now(), format!("ctoken_declined_{:x}", self.n));
            match self.pays(&mine, wanted, &token, 0).await {
                Ok(()) => self.wrong("was told that a card was taken which the bank declines"),
                Err("was declined") => {}
                Err(end) => return end,
            }
            sleep(crowd.plan.think.mul_f64(0.5)).await;
        }
        let wanted = Instant::now();
        let token = format!("ctoken_ok_{:x}_{:x}", crowd.plan.seed, self.n);
        match self.pays(&mine, wanted, &token, others).await {
            Ok(()) => {
                crowd.books().sales.add(mine.waited + wanted.elapsed());
                "has tickets"
            }
            Err(end) => end,
        }
    }

    /// Watches the counts while others hold places that they may not pay; whether some came back.
    async fn sees_places_come_back(&mut self) -> bool {
        let crowd = Arc::clone(&self.crowd);
        let (begun, most) = (Instant::now(), Duration::from_secs(crowd.target.hold_s) + STAY);
        while crowd.silence_since(begun) < most {
            sleep(LOOK_AT_COUNTS.mul_f64(1.0 + 4.0 * self.part())).await;
            crowd.books().requests += 1;
            match look(&crowd.client, &crowd.target, crowd.plan.patience).await {
                Some(counts) if counts.left() > 0 => return true,
                Some(counts) if counts.held == 0 => return false,
                // Still held, or not known.
                Some(_) | None => {}
            }
        }
        false
    }

    fn wrong(&self, what: &str) {
        self.crowd.books().wrong(format!("buyer {} {what}", self.n));
    }

    /// Asks, and asks again if there is no answer or "not now"; `None`: gave up.
    async fn ask(&mut self, kind: Kind, request: &Request, wanted: Instant) -> Option<Answer> {
        let crowd = Arc::clone(&self.crowd);
        let mut wanted = wanted;
        for _ in 0..crowd.plan.tries.max(1) {
            let (end, comes) = (wanted + crowd.plan.patience, kind != Kind::Pay);
            let (sent, answer) = crowd.client.ask(request, end, comes).await;
            let status = answer.as_ref().map_or(0, |a| a.status);
            let not_now = matches!(status, 429 | 503);
            {
                let mut books = crowd.books();
                books.requests += 1;
                *books.statuses.entry((kind, status)).or_default() += 1;
                books.second.not_now += u64::from(not_now);
                books.too_late += u64::from(answer == Err(Silence::TooLate));
                books.waited(kind, wanted.elapsed(), sent.map(|sent| sent.elapsed()));
            }
            let pause = match answer {
                Ok(answer) if not_now => answer.retry_after.unwrap_or(PAUSE),
                Ok(answer) => return Some(answer),
                Err(_) => PAUSE,
            };
            sleep(pause.mul_f64(0.5 + self.part())).await;
            wanted = Instant::now();
        }
        None
    }

    async fn holds(&mut self, wanted: Instant, places: u32, wish: u32) -> Wish {
        let crowd = Arc::clone(&self.crowd);
        let (n, target) = (self.n, &crowd.target);
        let body = OrderBody {
            buyer: BuyerBody {
                language: None,
                name: format!("Buyer {n}"),
                email: format!("b{n}.{}@example.org", crowd.run),
            },
            code: None,
            metadata: std::collections::BTreeMap::new(),
            lines: vec![HoldLine {
                price: None,
                ticket_type: target.ticket_type.clone(),
                quantity: i64::from(places),
            }],
        };
        let key = format!("{:016x}-{n:x}-h{wish}-{}", crowd.plan.seed, crowd.run);
        let path = format!("/api/v1/events/{}/orders", target.slug);
        let asked_ms = u32::try_from(crowd.begun.elapsed().as_millis()).unwrap_or(u32::MAX);
        let request = Request::post(&path, &key, None, &json(&body));
        let Some(answer) = self.ask(Kind::Hold, &request, wanted).await else {
            return Wish::Ends("gave up before places were held");
        };
        match answer.status {
            201 => {}
            409 | 410 => {
                return match problem(&answer) {
                    Some(ProblemCode::SoldOut) => {
                        let mut books = crowd.books();
                        let least = match books.refused_places {
                            0 => u32::from(u8::MAX),
                            n => u32::from(n),
                        };
                        books.refused_places = places.min(least) as u8;
                        Wish::SoldOut
                    }
                    Some(ProblemCode::LimitReached) => Wish::Ends("wanted too many"),
                    _ => Wish::Ends("was refused places"),
                };
            }
            other => {
                self.wrong(&format!("wanted places and heard {other}"));
                return Wish::Ends("heard something else");
            }
        }
        let held = serde_json::from_slice::<HeldOrder<'_>>(&answer.body).ok();
        let held = held.and_then(|held| {
            let id = uuid::Uuid::try_parse(&held.id).ok()?.as_u128();
            let secret: [u8; 26] = held.secret.as_bytes().try_into().ok()?;
            Some((id, secret, held))
        });
        let Some((id, secret, view)) = held else {
            self.wrong("was told of an order that cannot be read");
            return Wish::Ends("heard something else");
        };
        let mine = Mine {
            at: 0,
            path: format!("/api/v1/orders/{}", view.id),
            secret: view.secret.into_owned(),
            waited: wanted.elapsed(),
        };
        let entry = Entry { id, secret, places: places as u8, asked_ms, told: Told::Held };
        let mut books = crowd.books();
        books.second.holds += 1;
        books.entries.push(entry);
        Wish::Held(Mine { at: books.entries.len() - 1, ..mine })
    }

    /// Tries to pay, after so many other tries. The error is how it ended, in words.
    async fn pays(
        &mut self,
        mine: &Mine,
        wanted: Instant,
        token: &str,
        others: usize,
    ) -> Result<(), &'static str> {
        let crowd = Arc::clone(&self.crowd);
        crowd.books().entries[mine.at].told = Told::Asked;
        let key = format!("{:016x}-{:x}-p{others}-{}", crowd.plan.seed, self.n, crowd.run);
        let body = json(&PayBody { token: token.to_owned() });
        let request = Request::post(&format!("{}/pay", mine.path), &key, Some(&mine.secret), &body);
        let Some(mut answer) = self.ask(Kind::Pay, &request, wanted).await else {
            return Err("gave up while it was being paid");
        };
        let begun = Instant::now();
        loop {
            match answer.status {
                200 | 202 => {}
                402 => {
                    crowd.books().entries[mine.at].told = Told::Held;
                    return Err("was declined");
                }
                409 if problem(&answer) == Some(ProblemCode::RequestRunning) => {}
                409 | 410 => return Err("was refused when it was paid"),
                other => {
                    self.wrong(&format!("paid and heard {other}"));
                    return Err("heard something else");
                }
            }
            if matches!(answer.status, 200 | 202) {
                let Ok(order) = Found::read(&answer.body) else {
                    self.wrong("was told of an order that cannot be read");
                    return Err("heard something else");
                };
                match order.state {
                    OrderState::Paid => return self.has_paid(mine, &order),
                    OrderState::Paying if order.is_declined(others) => {
                        crowd.books().entries[mine.at].told = Told::Held;
                        return Err("was declined");
                    }
                    OrderState::Held | OrderState::Paying | OrderState::Committed => {}
                    _ => return Err("was released while it was paid"),
                }
            }
            if crowd.silence_since(begun) > WATCH {
                return Err("gave up while it was being paid");
            }
            // It is under way: the order's page tells.
            let told = answer.retry_after.unwrap_or(LOOK);
            sleep(told + LOOK.mul_f64(self.part())).await;
            let look = Request::get_with(&mine.path, &mine.secret);
            match self.ask(Kind::Pay, &look, Instant::now()).await {
                Some(next) => answer = next,
                None => return Err("gave up while it was being paid"),
            }
        }
    }

    fn has_paid(&self, mine: &Mine, order: &Found) -> Result<(), &'static str> {
        let codes: Vec<Option<u64>> = order.codes.iter().map(|text| code(text)).collect();
        let mut books = self.crowd.books();
        let places = books.entries[mine.at].places;
        books.entries[mine.at].told = Told::Paid;
        books.second.sold += u64::from(places);
        books.last_sale = Some(Instant::now());
        if codes.len() != usize::from(places) || codes.contains(&None) {
            books.wrong(format!(
                "buyer {} paid for {places} places and got {} valid tickets",
                self.n,
                codes.len()
            ));
        }
        books.codes.extend(codes.into_iter().flatten());
        Ok(())
    }
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("a body is JSON")
}

/// Why an answer says no, if it is a problem as the API tells it.
fn problem(answer: &Answer) -> Option<ProblemCode> {
    serde_json::from_slice::<Problem<'_>>(&answer.body).ok().map(|problem| problem.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counts, Plan, Target};
    use nts_api::MoneyMoved;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    /// Gives these answers, one after another, to whatever is asked.
    async fn answer(server: TcpListener, answers: Vec<(u16, String)>) {
        let (mut stream, _) = server.accept().await.expect("a connection");
        for (status, body) in answers {
            let mut asked = [0; 4096];
            assert_ne!(stream.read(&mut asked).await.expect("a request"), 0);
            let head = format!("HTTP/1.1 {status} As Told\r\ncontent-length: {}\r\n", body.len());
            let text = format!("{head}retry-after: 0\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await.expect("it is read");
        }
    }

    /// How a payment of one place ends for a buyer who gets these answers.
    async fn pays(answers: Vec<(u16, String)>) -> Result<(), &'static str> {
        let server = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let target = Target {
            address: server.local_addr().expect("an address"),
            slug: "rock".into(),
            ticket_type: "adult".into(),
            limit: 1,
            hold_s: 60,
            before: Counts::default(),
        };
        let crowd = Arc::new(Crowd::new(&Plan::default(), &target, "test"));
        let entry = Entry { id: 1, secret: [b'A'; 26], places: 1, asked_ms: 0, told: Told::Held };
        crowd.books().entries.push(entry);
        let path = "/api/v1/orders/1".to_owned();
        let mine = Mine { at: 0, path, secret: "A".repeat(26), waited: Duration::ZERO };
        let mut buyer = Buyer::new(crowd, 1);
        // Ends with this function, though not all of its answers may have been asked for.
        let mut answering = JoinSet::new();
        answering.spawn(answer(server, answers));
        buyer.pays(&mine, Instant::now(), "ctoken_ok", 0).await
    }

    fn no(code: ProblemCode) -> (u16, String) {
        let problem = Problem {
            code,
            detail: "-".into(),
            money_moved: MoneyMoved::Unknown,
            status: code.status(),
            title: "-".into(),
            kind: "-".into(),
        };
        (code.status(), json(&problem))
    }

    #[tokio::test]
    async fn whose_first_request_still_runs_goes_on_until_it_is_paid() {
        let paid = r#"{"buyer":{"email":"","language":"en","name":""},"event":"","id":"","lines":[],"message":"",
            "placed_at":"","refunded":{"amount":0,"currency":"EUR"},"refunds":[],"state":"paid","tender":"online",
            "tickets":[{"code":"AAAA-AAAA-AAAA","name":"","number":1,"revision":0,"ticket_type":"adult","url":"","valid":true}],
            "total":{"amount":0,"currency":"EUR"},"url":""}"#
            .to_owned();
        assert_eq!(pays(vec![no(ProblemCode::RequestRunning), (200, paid)]).await, Ok(()));
        let refused = Err("was refused when it was paid");
        assert_eq!(pays(vec![no(ProblemCode::HoldExpired)]).await, refused);
        assert_eq!(pays(vec![no(ProblemCode::PaymentUnderWay)]).await, refused);
    }
}
