//! Devices at the door of an event, while a crowd wants tickets of another one.
//!
//! A closed loop: each device has a connection of its own, sends a scan, waits for its answer, and then sends the next
//! one. A scan without an answer is sent again under the same nonce. Some tickets are scanned twice, by whichever
//! devices, and each must be let in once.

use crate::books::Waits;
use crate::client::{Answer, Client, Request};
use nts_api::{
    CheckIn, CheckInBody, CheckIns, Direction, LineBody, Order, SaleBody, SaleBuyerBody, ScanResult,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// One ticket in so many is scanned twice.
const COPIED: usize = 20;
/// So many tickets an order has.
const IN_ORDER: usize = 4;
/// So many orders are made at a time.
const AT_ONCE: usize = 16;
/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the same request is sent until there is an answer.
const TRIES: usize = 20;
/// The pause before a request is sent again, if no answer says how long.
const PAUSE: Duration = Duration::from_millis(200);
/// At most so many answers that are wrong are told.
const TOLD: usize = 20;
/// The stream of randomness of the door: buyers have those from 0 on.
const STREAM: u64 = u64::MAX - 1;

/// The door of an event, and who scans there.
#[derive(Clone, Debug)]
pub struct Door {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The event, by its slug.
    pub slug: String,
    /// An API key with the right to check in there.
    pub key: String,
    /// The codes of its tickets. None of them was scanned yet.
    pub codes: Vec<String>,
    /// How many devices, one at least.
    pub devices: usize,
    /// The least time between the beginnings of two scans of a device; zero: the next one as soon as the answer is there.
    pub every: Duration,
    /// The same seed makes the same order of scans.
    pub seed: u64,
}

/// What came of the scans.
#[derive(Clone, Default)]
pub struct Scans {
    /// How many devices.
    pub devices: usize,
    /// How many tickets.
    pub tickets: usize,
    /// How many of them were scanned twice.
    pub copies: usize,
    /// From the first scan to the last answer.
    pub took: Duration,
    /// From when a scan was sent until its answer was there, with what was sent again meanwhile.
    pub waits: Waits,
    /// Answers of "not now", and requests without an answer.
    pub again: u64,
    /// Scans that let somebody in.
    pub admitted: u64,
    /// Scans of a ticket that was in already.
    pub already_in: u64,
    /// What is not as it must be; the first of it.
    pub wrong: Vec<String>,
}

impl Scans {
    /// Check-ins that were answered in a second.
    pub fn a_second(&self) -> f64 {
        self.waits.count() as f64 / self.took.as_secs_f64().max(0.001)
    }

    fn wrong(&mut self, what: String) {
        if self.wrong.len() < TOLD {
            self.wrong.push(what);
        }
    }
}

/// What one device has heard.
#[derive(Default)]
struct Heard {
    waits: Waits,
    again: u64,
    /// The ticket of each scan, and what it was answered.
    answers: Vec<(usize, Result<ScanResult, String>)>,
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("a body is JSON")
}

fn uuid(n: u128) -> String {
    uuid::Uuid::from_u128(n).to_string()
}

/// Sends a request until there is an answer that is not "not now". Also tells how often it was sent again.
async fn ask(client: &Client, request: &Request) -> (u64, Result<Answer, String>) {
    let mut why = String::new();
    for tried in 0..TRIES {
        let pause = match client.once(request, PATIENCE).await {
            Ok(answer) if !matches!(answer.status, 429 | 503) => return (tried as u64, Ok(answer)),
            Ok(answer) => {
                why = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
                answer.retry_after.unwrap_or(PAUSE)
            }
            Err(silence) => {
                why = silence.to_string();
                PAUSE
            }
        };
        sleep(pause).await;
    }
    (TRIES as u64, Err(why))
}

/// Gives away so many tickets of an event, a few to an order, and tells their codes as QR codes hold them. `run` tells the
/// keys of this run from those of all others.
///
/// # Errors
/// A sentence: an order was refused, or no answer came.
pub async fn give_away(
    address: SocketAddr,
    slug: &str,
    key: &str,
    (tickets, ticket_type, run): (usize, &str, &str),
) -> Result<Vec<String>, String> {
    let client = Arc::new(Client::new(address, AT_ONCE));
    let path = format!("/api/v1/events/{slug}/sales");
    let mut orders = JoinSet::new();
    let mut codes = Vec::with_capacity(tickets);
    let mut given = 0;
    while given < tickets || !orders.is_empty() {
        while given < tickets && orders.len() < AT_ONCE {
            let quantity = IN_ORDER.min(tickets - given);
            let line = LineBody { ticket_type: ticket_type.into(), quantity: quantity as i64 };
            let sale = SaleBody {
                buyer: SaleBuyerBody { name: format!("Guest {given}"), email: String::new() },
                lines: vec![line],
                tender: "free".into(),
                reference: String::new(),
                language: None,
                metadata: std::collections::BTreeMap::new(),
            };
            let request =
                Request::post(&path, &format!("given-{given}-{run}"), Some(key), &json(&sale));
            let client = Arc::clone(&client);
            orders.spawn(async move { ask(&client, &request).await.1 });
            given += quantity;
        }
        let Some(Ok(answer)) = orders.join_next().await else { continue };
        let answer = answer.map_err(|why| format!("tickets could not be given away: {why}"))?;
        if answer.status != 201 {
            let said = String::from_utf8_lossy(&answer.body);
            return Err(format!("tickets could not be given away: {} {said}", answer.status));
        }
        let order: Order<'_> = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("what was given away is no order: {error}"))?;
        codes.extend(order.tickets.into_iter().map(|ticket| ticket.url.into_owned()));
    }
    if codes.len() != tickets {
        return Err(format!("{} tickets were given away and not {tickets}", codes.len()));
    }
    Ok(codes)
}

/// Makes an API key that checks people in at one event, as its organiser does in the office.
///
/// # Errors
/// A sentence: it was refused, or no answer came.
pub async fn door_key(address: SocketAddr, slug: &str, organiser: &str) -> Result<String, String> {
    let client = Client::new(address, 1);
    let form = format!("name=A+load+test&role=door&event={slug}");
    let request = Request::form("/office/keys", organiser, &form);
    let answer = ask(&client, &request).await.1?;
    let page = String::from_utf8_lossy(&answer.body);
    let shown = page.split_once("id=\"key\" value=\"").and_then(|(_, rest)| rest.split_once('"'));
    match shown {
        Some((key, _)) if answer.status == 200 => Ok(key.to_owned()),
        _ => Err(format!("no key for the door could be made: {}", answer.status)),
    }
}

/// The tickets in the order in which they are scanned, by their places among the codes.
fn queue(tickets: usize, seed: u64) -> Vec<usize> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream(STREAM);
    let mut queue: Vec<usize> = (0..tickets).chain((0..tickets).step_by(COPIED)).collect();
    for at in (1..queue.len()).rev() {
        queue.swap(at, (dice.next_u64() % (at as u64 + 1)) as usize);
    }
    queue
}

/// Lets the devices scan all tickets. Runs in the thread that calls it.
///
/// # Errors
/// A sentence: the thread could not be made ready.
pub fn scan(door: &Door) -> Result<Scans, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    Ok(runtime.block_on(all(door)))
}

async fn all(door: &Door) -> Scans {
    let queue = Arc::new(queue(door.codes.len(), door.seed));
    let (next, begun) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let shared = Arc::new(door.clone());
    let mut devices = JoinSet::new();
    for n in 0..door.devices.max(1) {
        devices.spawn(device(Arc::clone(&shared), n, Arc::clone(&queue), Arc::clone(&next)));
    }
    let mut scans = Scans {
        devices: door.devices.max(1),
        tickets: door.codes.len(),
        copies: queue.len() - door.codes.len(),
        ..Scans::default()
    };
    let mut answers = Vec::with_capacity(queue.len());
    while let Some(heard) = devices.join_next().await {
        let heard = heard.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        scans.waits.add_all(&heard.waits);
        scans.again += heard.again;
        answers.extend(heard.answers);
    }
    scans.took = begun.elapsed();
    judge(&mut scans, &queue, answers);
    match inside(door).await {
        Ok(inside) if inside == scans.tickets as i64 => {}
        Ok(inside) => scans.wrong(format!("the door counts {inside} people who are in")),
        Err(why) => scans.wrong(format!("the door does not tell who is in: {why}")),
    }
    scans
}

/// Compares what was answered with what must be: each ticket is let in once, and is in already at every other scan.
fn judge(scans: &mut Scans, queue: &[usize], answers: Vec<(usize, Result<ScanResult, String>)>) {
    let mut asked = vec![0u32; scans.tickets];
    queue.iter().for_each(|ticket| asked[*ticket] += 1);
    let mut admitted = vec![0u32; scans.tickets];
    for (ticket, answer) in answers {
        asked[ticket] -= 1;
        match answer {
            Ok(ScanResult::Admitted) => {
                admitted[ticket] += 1;
                scans.admitted += 1;
            }
            Ok(ScanResult::AlreadyIn) => scans.already_in += 1,
            Ok(other) => scans.wrong(format!("ticket {ticket} was answered {}", other.word())),
            Err(why) => scans.wrong(format!("ticket {ticket} was not answered: {why}")),
        }
    }
    for (ticket, times) in admitted.iter().enumerate().filter(|(_, times)| **times != 1) {
        scans.wrong(format!("ticket {ticket} was let in {times} times"));
    }
    for (ticket, left) in asked.iter().enumerate().filter(|(_, left)| **left != 0) {
        scans.wrong(format!("{left} scans of ticket {ticket} were never sent"));
    }
}

/// One device, until all is scanned.
async fn device(
    door: Arc<Door>,
    nth: usize,
    queue: Arc<Vec<usize>>,
    next: Arc<AtomicUsize>,
) -> Heard {
    let client = Client::new(door.address, 1);
    let path = format!("/api/v1/events/{}/check-ins", door.slug);
    let gate = ["north", "south", "east", "west"][nth % 4];
    let mut heard = Heard::default();
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(ticket) = queue.get(at).copied() else { return heard };
        let body = CheckInBody {
            ticket: None,
            code: door.codes[ticket].clone(),
            gate: gate.into(),
            device: uuid(nth as u128 + 1),
            nonce: uuid((u128::from(door.seed) << 64) + at as u128 + 1),
            at: None,
            age_ms: None,
            direction: Direction::In,
            late: false,
        };
        let request = Request::post_as(&path, &door.key, &json(&body));
        let sent = Instant::now();
        let (again, answer) = ask(&client, &request).await;
        heard.waits.add(sent.elapsed());
        heard.again += again;
        let result = answer.and_then(|answer| match answer.status {
            200 => serde_json::from_slice::<CheckIn<'_>>(&answer.body)
                .map(|told| told.result)
                .map_err(|error| format!("its answer cannot be read: {error}")),
            other => Err(format!("{other} {}", String::from_utf8_lossy(&answer.body))),
        });
        heard.answers.push((ticket, result));
        if !door.every.is_zero() {
            sleep_until(sent + door.every).await;
        }
    }
}

/// How many people are in, as the server counts them.
async fn inside(door: &Door) -> Result<i64, String> {
    let client = Client::new(door.address, 1);
    let path = format!("/api/v1/events/{}/check-ins?limit=1", door.slug);
    let answer = ask(&client, &Request::get_with(&path, &door.key)).await.1?;
    let counted: CheckIns<'_> = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("{}: {error}", answer.status))?;
    Ok(counted.inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ticket_in_twenty_is_scanned_twice() {
        let one = queue(100, 1);
        let mut sorted = one.clone();
        sorted.sort_unstable();
        let expected: Vec<usize> =
            (0..100).flat_map(|n| vec![n; if n % 20 == 0 { 2 } else { 1 }]).collect();
        assert_eq!(sorted, expected);
        assert_eq!((queue(100, 1) == one, queue(100, 2) == one), (true, false));
    }

    fn judged(answers: &[(usize, ScanResult)]) -> Vec<String> {
        let mut scans = Scans { tickets: 2, copies: 1, ..Scans::default() };
        let answers = answers.iter().map(|(ticket, result)| (*ticket, Ok(*result)));
        judge(&mut scans, &[0, 1, 0], answers.collect());
        scans.wrong
    }

    #[test]
    fn a_ticket_that_is_let_in_twice_or_never_is_noticed() {
        use ScanResult::{Admitted, AlreadyIn, Revoked};
        assert_eq!(judged(&[(1, Admitted), (0, AlreadyIn), (0, Admitted)]), Vec::<String>::new());
        for (answers, wrong) in [
            ([(1, Admitted), (0, Admitted), (0, Admitted)], "ticket 0 was let in 2 times"),
            ([(1, Admitted), (0, AlreadyIn), (0, AlreadyIn)], "ticket 0 was let in 0 times"),
            ([(1, Revoked), (0, Admitted), (0, AlreadyIn)], "ticket 1 was answered revoked"),
        ] {
            assert_eq!(judged(&answers)[0], wrong);
        }
        assert_eq!(
            judged(&[(1, Admitted), (0, Admitted)]),
            ["1 scans of ticket 0 were never sent"]
        );
    }
}
