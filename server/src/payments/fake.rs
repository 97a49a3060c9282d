//! A fake Stripe: honest, strict, with a memory. It is the sandbox that serves when no key is
//! set, and the Stripe that the tests speak with.
//!
//! It speaks Stripe's wire protocol, in process ([`Wire`]) and over HTTP ([`http`]); keeps
//! PaymentIntents, refunds, disputes and idempotency keys as Stripe does; refuses a parameter that
//! Stripe does not know; and keeps a ledger of its own of what money moved, from which no state is
//! worked out. It can be told to misbehave ([`InjectedFault`]).
//!
//! Its memory lies in a file beside the database, for it plays somebody else's. The file is written
//! without waiting for the disk: it survives the end of the process, kill -9 included, but not a
//! power loss. For money that does not exist that is enough.

mod amounts;
mod answer;
mod cards;
mod endpoints;
mod faults;
mod group;
pub mod http;
mod objects;
mod params;
mod tables;
#[cfg(test)]
mod tests;
mod world;

pub use faults::{Breakpoint, InjectedFault, Operation, Stop};
pub use world::{Given, Look, Moved};

use super::wire::{Exchange, Lost, Wire, WireRequest, WireResponse};
use crate::clock::Clock;
use crate::ids::digest;
use answer::{Answer, Fault};
use boxoffice::OrderId;
use faults::{Faults, Plan};
use group::{Closing, Group, Open};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tables::{Random, Tx};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

/// How long idempotency keys are remembered: a day
/// (<https://docs.stripe.com/api/idempotent_requests>).
const KEYS_MS: i64 = 24 * 3_600_000;
/// Old keys are forgotten once in so many calls, and so many times four of them.
const FORGET_EVERY: u32 = 64;
/// How long the bank of `ctoken_slow` takes.
const SLOW: Duration = Duration::from_secs(3);
/// How long a call that hangs takes; every client has given up by then.
const HANG: Duration = Duration::from_secs(60);

/// The fake.
pub struct FakeStripe {
    state: Mutex<State>,
    clock: Clock,
    faults: Faults,
    /// Keys under which a call is running.
    running: Mutex<BTreeSet<String>>,
    log: Mutex<Log>,
}

struct State {
    db: Connection,
    random: Random,
    /// Whether it keeps what it would ring with.
    rings: bool,
    /// Whether what is released becomes a refund object: the account is of an older version.
    releases: bool,
    /// Calls with a key, since it was opened.
    calls: u32,
    open: Open,
}

/// What was asked, for who wants to count.
struct Log {
    begun: Option<Instant>,
    counts: BTreeMap<Operation, u64>,
    /// The last calls and when they came, in milliseconds since the first.
    times: Vec<(Operation, u64)>,
}

/// How many calls are remembered with their times.
const MOST_TIMES: usize = 100_000;

/// What becomes of a request.
enum Outcome {
    /// An answer.
    Answer(Answer),
    /// The connection is cut.
    Cut,
    /// There never was a connection.
    NoConnection,
}

impl FakeStripe {
    /// The sandbox: opens its file, or makes it. It rings nowhere: who pays is told in process.
    pub fn open(path: &Path, clock: Clock, seed: [u8; 32]) -> Result<FakeStripe, rusqlite::Error> {
        FakeStripe::new(Some(path), clock, seed)
    }

    /// Copies the file of a sandbox, which may be in use, to a file that does not exist yet.
    pub fn copy_file(path: &Path, target: &Path) -> Result<(), rusqlite::Error> {
        tables::copy(path, target)
    }

    /// A Stripe for tests, kept in memory, that knows what it would ring with.
    pub fn in_memory(clock: Clock, seed: [u8; 32]) -> Result<FakeStripe, rusqlite::Error> {
        FakeStripe::new(None, clock, seed)
    }

    fn new(
        path: Option<&Path>,
        clock: Clock,
        seed: [u8; 32],
    ) -> Result<FakeStripe, rusqlite::Error> {
        let (db, opened) = tables::open(path)?;
        let (random, rings) = (Random::new(seed, opened), path.is_none());
        Ok(FakeStripe {
            state: Mutex::new(State {
                db,
                random,
                rings,
                releases: false,
                calls: 0,
                open: Open::default(),
            }),
            clock,
            faults: Faults::default(),
            running: Mutex::default(),
            log: Mutex::new(Log { begun: None, counts: BTreeMap::new(), times: Vec::new() }),
        })
    }

    /// Misbehave from now on as the plan says, which is asked at each call.
    pub fn misbehave(&self, plan: impl FnMut(Operation) -> Option<InjectedFault> + Send + 'static) {
        let plan: Plan = Box::new(plan);
        self.faults.plan(Some(plan));
    }

    /// Misbehave no more.
    pub fn behave(&self) {
        self.faults.plan(None);
    }

    /// From now on what is released becomes a refund object, or no more: so it is where the account's own
    /// version of the API is older than 2025-03-31.basil.
    pub fn release_as_refunds(&self, yes: bool) {
        lock(&self.state).releases = yes;
    }

    /// Holds the next call of this kind, before or after it takes effect, until the handle lets it
    /// go or cuts it off.
    pub fn pause(&self, operation: Operation, stop: Stop) -> Breakpoint {
        self.faults.pause(operation, stop, None)
    }

    /// Like [`pause`](FakeStripe::pause), for the next call of this kind about this order: calls about other
    /// orders, which may still be under way, go by.
    pub fn pause_of(&self, order: OrderId, operation: Operation, stop: Stop) -> Breakpoint {
        self.faults.pause(operation, stop, Some(order))
    }

    /// How many requests came, by what they asked for.
    pub fn calls(&self) -> BTreeMap<Operation, u64> {
        lock(&self.log).counts.clone()
    }

    /// What came when, in milliseconds since the first request.
    pub fn log(&self) -> Vec<(Operation, u64)> {
        lock(&self.log).times.clone()
    }

    fn note(&self, operation: Operation) {
        let mut log = lock(&self.log);
        let now = Instant::now();
        let begun = *log.begun.get_or_insert(now);
        *log.counts.entry(operation).or_default() += 1;
        if log.times.len() < MOST_TIMES {
            let at = u64::try_from((now - begun).as_millis()).unwrap_or(u64::MAX);
            log.times.push((operation, at));
        }
    }

    /// One request, with everything that may go wrong with it.
    async fn answer(&self, request: WireRequest) -> Outcome {
        let operation = faults::operation(&request);
        self.note(operation);
        let misstep = self.faults.next(operation);
        match misstep {
            Some(InjectedFault::LostBefore) => return Outcome::Cut,
            Some(InjectedFault::NoConnection) => return Outcome::NoConnection,
            Some(InjectedFault::TooMany) => return self.fault(&Fault::too_many()),
            Some(InjectedFault::LockTimeout) => return self.fault(&Fault::locked()),
            Some(InjectedFault::Forbidden) => return self.fault(&Fault::forbidden()),
            Some(InjectedFault::Conflict) => return self.fault(&Fault::key_in_use()),
            Some(InjectedFault::Html) => return Outcome::Answer(Answer::html(502, String::new())),
            Some(InjectedFault::HangBefore) => {
                sleep(HANG).await;
                return Outcome::Cut;
            }
            Some(InjectedFault::Slow(ms)) => sleep(Duration::from_millis(ms)).await,
            _ => {}
        }
        if !self.faults.stop(operation, Stop::Before, || self.order_of(&request)).await {
            return Outcome::Cut;
        }
        let answer = self.keyed(&request, misstep).await;
        if !self.faults.stop(operation, Stop::After, || self.order_of(&request)).await {
            return Outcome::Cut;
        }
        Outcome::Answer(match misstep {
            Some(InjectedFault::LostAfter) => return Outcome::Cut,
            Some(InjectedFault::HangAfter) => {
                sleep(HANG).await;
                return Outcome::Cut;
            }
            Some(InjectedFault::HtmlOk) => Answer::html(200, answer.request_id),
            Some(InjectedFault::Garbled) => answer.garbled(),
            Some(InjectedFault::Nulls) => answer.with_nulls(),
            _ => answer,
        })
    }

    /// Which order a request is about, by its metadata or by the PaymentIntent that it names.
    fn order_of(&self, request: &WireRequest) -> Option<OrderId> {
        let field = |name: &str| request.form.iter().find(|(n, _)| n == name).map(|(_, v)| &**v);
        if let Some(id) = field("metadata[nts_order]") {
            return uuid::Uuid::try_parse(id).ok().map(|id| OrderId(id.as_u128()));
        }
        let intent = request.path.split(['/', '?', '&', '=']).find(|part| part.starts_with("pi_"));
        let intent = field("payment_intent").or(intent)?;
        self.look(intent).ok()??.order
    }

    /// The request under its key: done once, and answered the same each time that it is asked.
    async fn keyed(&self, request: &WireRequest, misstep: Option<InjectedFault>) -> Answer {
        let Some(key) = request.key.clone().filter(|_| request.method == "POST") else {
            return self.work(request, None, misstep).await;
        };
        if !lock(&self.running).insert(key.clone()) {
            return Answer::fault(&Fault::key_in_use(), self.request_id());
        }
        let _running = Running { fake: self, key: key.clone() };
        if endpoints::is_slow(request) {
            sleep(SLOW).await;
        }
        self.work(request, Some(&key), misstep).await
    }

    async fn work(
        &self,
        request: &WireRequest,
        key: Option<&str>,
        misstep: Option<InjectedFault>,
    ) -> Answer {
        let request_id = self.request_id();
        let failed = || Answer::fault(&Fault::internal(), request_id.clone());
        let joined = self.join(request, key, misstep, &request_id);
        let (answer, group, closing) = match joined {
            Ok(joined) => joined,
            Err(error) => {
                tracing::error!(%error, "the sandbox's own database failed");
                return failed();
            }
        };
        if closing.is_some() && request.method != "GET" {
            yield_now().await;
        }
        drop(closing);
        if group.is_recorded().await { answer } else { failed() }
    }

    /// Does a call within a group. Whoever opened that gets what ends it.
    fn join(
        &self,
        request: &WireRequest,
        key: Option<&str>,
        misstep: Option<InjectedFault>,
        request_id: &str,
    ) -> Result<(Answer, Arc<Group>, Option<Closing<'_>>), rusqlite::Error> {
        let now_ms = self.clock.now_ms();
        // Outlives the lock, also in a panic: it takes it by itself.
        let mut closing = None;
        let state = &mut *lock(&self.state);
        if request.method == "GET" {
            state.record();
        }
        let (group, opened) = state.join()?;
        if opened {
            closing = Some(Closing { fake: self, group: Arc::clone(&group) });
        }
        match one_call(state, now_ms, request, key, misstep, request_id) {
            Ok(answer) => {
                if state.is_full() {
                    state.record();
                }
                Ok((answer, group, closing))
            }
            Err(error) => {
                // A half of it may be written.
                state.undo();
                Err(error)
            }
        }
    }

    fn request_id(&self) -> String {
        lock(&self.state).random.id("req_", self.clock.now_ms())
    }

    fn fault(&self, fault: &Fault) -> Outcome {
        Outcome::Answer(Answer::fault(fault, self.request_id()))
    }
}

/// Takes its key out again when the call ends, or is cut off.
struct Running<'a> {
    fake: &'a FakeStripe,
    key: String,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        lock(&self.fake.running).remove(&self.key);
    }
}

/// Within a transaction: the remembered answer, or the effect and its answer.
fn one_call(
    state: &mut State,
    now_ms: i64,
    request: &WireRequest,
    key: Option<&str>,
    misstep: Option<InjectedFault>,
    request_id: &str,
) -> Result<Answer, rusqlite::Error> {
    let sql = &state.db;
    let form = request.form.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    let asked = digest(&form.collect::<Vec<_>>()).to_be_bytes();
    if let Some(key) = key {
        state.calls += 1;
        if state.calls.is_multiple_of(FORGET_EVERY) {
            sql.prepare_cached(
                "DELETE FROM keys WHERE n < (SELECT min(n) FROM keys) + ?2 AND at_ms < ?1",
            )?
            .execute(params![now_ms - KEYS_MS, FORGET_EVERY * 4])?;
        }
        let known = sql
            .prepare_cached(
                "SELECT path, asked, status, body, request FROM keys WHERE key = ?1 AND at_ms >= ?2",
            )?
            .query_row(params![key, now_ms - KEYS_MS], |row| {
                let asked: [u8; 16] = row.get(1)?;
                let (path, body): (String, String) = (row.get(0)?, row.get(3)?);
                Ok((path, asked, row.get::<_, u16>(2)?, body, row.get::<_, String>(4)?))
            })
            .optional()?;
        if let Some((path, known, status, body, original)) = known {
            if path != request.path || known != asked {
                let message = "This Idempotency-Key was used with other parameters.".to_owned();
                return Ok(Answer::fault(&Fault::key_reuse(message), request_id.to_owned()));
            }
            let answer = Answer::new(status, body, request_id.to_owned());
            return Ok(Answer { original: Some(original), ..answer });
        }
    }
    let before = match misstep {
        Some(InjectedFault::ErrorBefore) => Some(Fault::internal()),
        Some(InjectedFault::DependencyBefore) => Some(Fault::dependency()),
        Some(InjectedFault::TokenExpired) if request.path.ends_with("/confirm") => {
            let message = "This ConfirmationToken has expired.";
            Some(Fault::plain(message).about("confirmation_token"))
        }
        _ => None,
    };
    let mut remembered = true;
    let mut answer = if let Some(fault) = before {
        Answer::fault(&fault, request_id.to_owned())
    } else {
        let pending = match misstep {
            Some(InjectedFault::RefundPends) => Some(false),
            Some(InjectedFault::RefundFails) => Some(true),
            _ => None,
        };
        let State { rings, releases, .. } = *state;
        let random = &mut state.random;
        let mut tx = Tx { sql, random, now_ms, rings, releases, pending };
        match endpoints::answer(&mut tx, request)? {
            Ok(body) => Answer::new(200, body, request_id.to_owned()),
            Err(refused) => {
                // What fails validation never began, and is not remembered.
                remembered = refused.began;
                Answer::fault(&refused.fault, request_id.to_owned())
            }
        }
    };
    let after = match misstep {
        Some(InjectedFault::ErrorAfter) => Some(Fault::internal()),
        Some(InjectedFault::DependencyAfter) => Some(Fault::dependency()),
        _ => None,
    };
    if let Some(fault) = after {
        answer = Answer::fault(&fault, request_id.to_owned());
        remembered = true;
    }
    if let Some(key) = key.filter(|_| remembered) {
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        sql.prepare_cached(
            "INSERT OR REPLACE INTO keys (key, path, asked, status, body, request, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            key,
            request.path,
            asked,
            answer.status,
            body,
            request_id,
            now_ms
        ])?;
    }
    Ok(answer)
}

impl Wire for FakeStripe {
    fn exchange(&self, request: WireRequest) -> Exchange<'_> {
        Box::pin(async move {
            match self.answer(request).await {
                Outcome::Cut => Err(Lost::Unknown("the connection ended".into())),
                Outcome::NoConnection => Err(Lost::NotSent("no connection".into())),
                Outcome::Answer(answer) => Ok(WireResponse {
                    status: answer.status,
                    request_id: Some(answer.request_id),
                    should_retry: answer.should_retry,
                    retry_after_ms: None,
                    body: answer.body,
                }),
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
