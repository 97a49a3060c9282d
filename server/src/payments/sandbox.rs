//! The provider that serves when no key is set: no real money moves.
//!
//! It is an honest double of Stripe's PaymentIntents with manual capture: it keeps state, refuses
//! what the state does not allow, remembers idempotency keys for 24 hours and replays what it
//! answered under them, errors too (<https://docs.stripe.com/api/idempotent_requests>), and keeps a
//! ledger of its own of what money moved. It can be told to misbehave ([`Misstep`]).
//!
//! Its state lives in a file beside the database, for it plays somebody else's memory. It is
//! written without waiting for the disk: it survives the end of the process, kill -9 included, but
//! not a power loss. For money that does not exist that is enough.

#[cfg(test)]
mod tests;

use super::{Call, CallError, Provider, key};
use crate::clock::Clock;
use crate::ids::base32;
use boxoffice::{
    Attempt, Currency, Intent, IntentStatus, Money, Order, OrderId, Payment, PaymentId, Refund,
    RefundOutcome,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long idempotency keys are remembered: a day, as Stripe's are.
const KEYS_MS: i64 = 24 * 3_600_000;
/// How long the bank of `ctoken_slow` takes.
const SLOW: Duration = Duration::from_secs(3);
/// How long a call that hangs takes until we give it up.
const HANG: Duration = Duration::from_secs(60);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS intents (
    id TEXT PRIMARY KEY, order_id BLOB NOT NULL, payment_id BLOB NOT NULL,
    amount INTEGER NOT NULL, currency TEXT NOT NULL, status INTEGER NOT NULL, last_error TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refunds (
    refund_id BLOB PRIMARY KEY, intent TEXT NOT NULL, amount INTEGER NOT NULL, id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS refunds_of ON refunds (intent);
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY, asked TEXT NOT NULL, answer TEXT NOT NULL, at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS calls_at ON calls (at_ms);
";

/// The calls, as they can be told to misbehave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// [`Provider::create`]
    Create,
    /// [`Provider::confirm`]
    Confirm,
    /// [`Provider::read`]
    Read,
    /// [`Provider::capture`]
    Capture,
    /// [`Provider::cancel`]
    Cancel,
    /// [`Provider::find_refund`]
    FindRefund,
    /// [`Provider::refund`]
    Refund,
}

/// How a call goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misstep {
    /// The request is lost: nothing happens, nobody knows.
    LostBefore,
    /// The answer is lost, or cannot be read, or is a 500: it happened, nobody knows.
    LostAfter,
    /// No connection: nothing happens, and that is known.
    NoConnection,
    /// 429: nothing happens; ask again later.
    TooMany,
    /// 409: another call under this key is running.
    Conflict,
    /// No answer for a minute; it happened.
    Hang,
}

type Plan = Box<dyn FnMut(Operation) -> Option<Misstep> + Send>;

/// What money moved for an order, in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// Taken.
    pub captured: i64,
    /// Given back.
    pub refunded: i64,
}

/// The provider.
pub struct Sandbox {
    state: Mutex<State>,
    plan: Mutex<Option<Plan>>,
    clock: Clock,
}

struct State {
    db: Connection,
    rng: ChaCha8Rng,
}

/// An answer as it is remembered under its key.
#[allow(clippy::large_enum_variant, reason = "lives for a moment")]
enum Answer {
    Intent(Intent),
    Refund(String),
}

type Done<T> = Result<Result<T, CallError>, rusqlite::Error>;

impl Sandbox {
    /// Opens the file, or makes it; without one everything is kept in memory.
    pub fn open(
        path: Option<&Path>,
        clock: Clock,
        seed: [u8; 32],
    ) -> Result<Sandbox, rusqlite::Error> {
        let db = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "OFF")?;
        db.execute_batch(SCHEMA)?;
        db.set_prepared_statement_cache_capacity(32);
        let state = Mutex::new(State { db, rng: ChaCha8Rng::from_seed(seed) });
        Ok(Sandbox { state, plan: Mutex::new(None), clock })
    }

    /// Misbehave from now on as the plan says, which is asked at each call.
    pub fn misbehave(&self, plan: impl FnMut(Operation) -> Option<Misstep> + Send + 'static) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(plan));
    }

    /// Misbehave no more.
    pub fn behave(&self) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What money moved for an order, by the sandbox's own books.
    pub fn ledger(&self, order: OrderId) -> Result<Moved, rusqlite::Error> {
        let state = self.state();
        let captured = state.db.query_row(
            "SELECT coalesce(sum(amount), 0) FROM intents WHERE order_id = ?1 AND status = ?2",
            params![order.0.to_be_bytes(), code(IntentStatus::Succeeded)],
            |row| row.get(0),
        )?;
        let refunded = state.db.query_row(
            "SELECT coalesce(sum(r.amount), 0) FROM refunds r JOIN intents i ON i.id = r.intent
             WHERE i.order_id = ?1",
            params![order.0.to_be_bytes()],
            |row| row.get(0),
        )?;
        Ok(Moved { captured, refunded })
    }

    /// A PaymentIntent as it is, for the bank's page.
    pub fn look(&self, intent: &str) -> Result<Option<Intent>, rusqlite::Error> {
        find(&self.state().db, intent)
    }

    /// The buyer's answer to the bank. Gives the order it was for; `None` if there is no such
    /// intent. A second answer changes nothing.
    pub fn authenticate(
        &self,
        intent: &str,
        approve: bool,
    ) -> Result<Option<OrderId>, rusqlite::Error> {
        let state = self.state();
        let Some(found) = find(&state.db, intent)? else { return Ok(None) };
        if found.status == IntentStatus::RequiresAction {
            let refused = "The bank did not confirm that it is you.";
            if approve {
                put(&state.db, intent, IntentStatus::RequiresCapture, None)?;
            } else {
                put(&state.db, intent, IntentStatus::RequiresPaymentMethod, Some(refused))?;
            }
        }
        Ok(found.order)
    }

    /// What a person can do in a provider's dashboard, and what time does: the authorisation ends.
    pub fn void(&self, intent: &str) -> Result<(), rusqlite::Error> {
        put(&self.state().db, intent, IntentStatus::Canceled, None)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn misstep(&self, operation: Operation) -> Option<Misstep> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.as_mut().and_then(|plan| plan(operation))
    }

    /// Lets `work` happen, or not, or its answer be lost, as the plan says.
    async fn perhaps<T>(
        &self,
        operation: Operation,
        work: impl FnOnce() -> Done<T>,
    ) -> Result<T, CallError> {
        let misstep = self.misstep(operation);
        match misstep {
            Some(Misstep::LostBefore) => return Err(CallError::Unknown("no answer".into())),
            Some(Misstep::NoConnection) => {
                return Err(CallError::NotDone("no connection".into(), None));
            }
            Some(Misstep::TooMany) => {
                return Err(CallError::NotDone("too many requests".into(), Some(1_000)));
            }
            Some(Misstep::Conflict) => {
                return Err(CallError::Unknown("another call under this key is running".into()));
            }
            Some(Misstep::LostAfter | Misstep::Hang) | None => {}
        }
        let result = work();
        match misstep {
            Some(Misstep::Hang) => tokio::time::sleep(HANG).await,
            Some(_) => {}
            None => {
                return result.unwrap_or_else(|error| {
                    Err(CallError::Unknown(format!("the sandbox's own database: {error}")))
                });
            }
        }
        Err(CallError::Unknown("no answer".into()))
    }

    /// Does `effect` once for `key`, and answers the same each time that it is asked again.
    fn once(
        &self,
        key: &str,
        asked: &str,
        effect: impl FnOnce(&Transaction<'_>, &mut ChaCha8Rng) -> Done<Answer>,
    ) -> Done<Answer> {
        let now = self.clock.now_ms();
        let state = &mut *self.state();
        let sql = state.db.transaction()?;
        sql.prepare_cached(
            "DELETE FROM calls WHERE key IN (SELECT key FROM calls WHERE at_ms < ?1 LIMIT 4)",
        )?
        .execute([now - KEYS_MS])?;
        let known: Option<(String, String)> = sql
            .prepare_cached("SELECT asked, answer FROM calls WHERE key = ?1 AND at_ms >= ?2")?
            .query_row(params![key, now - KEYS_MS], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let answer = match known {
            Some((known, _)) if known != asked => {
                Err(CallError::KeyReuse("this key was used with other parameters".into()))
            }
            Some((_, answer)) => recall(&answer),
            None => {
                let answer = effect(&sql, &mut state.rng)?;
                sql.prepare_cached("INSERT OR REPLACE INTO calls VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![key, asked, remember(&answer), now])?;
                answer
            }
        };
        sql.commit()?;
        Ok(answer)
    }

    fn once_intent(
        &self,
        key: &str,
        asked: &str,
        effect: impl FnOnce(&Transaction<'_>, &mut ChaCha8Rng) -> Done<Intent>,
    ) -> Done<Intent> {
        let answer = self.once(key, asked, |sql, rng| Ok(effect(sql, rng)?.map(Answer::Intent)))?;
        Ok(answer.and_then(|answer| match answer {
            Answer::Intent(intent) => Ok(intent),
            Answer::Refund(_) => Err(CallError::KeyReuse("the key of a refund".into())),
        }))
    }
}

/// The id that the order's row knows; every call but the first has one.
fn intent_id(payment: &Payment) -> Result<&str, CallError> {
    payment.intent.as_deref().ok_or_else(|| CallError::Refused("no PaymentIntent yet".into()))
}

impl Provider for Sandbox {
    fn live(&self) -> bool {
        false
    }

    fn create<'a>(&'a self, order: &'a Order, payment: &'a Payment) -> Call<'a, Intent> {
        Box::pin(self.perhaps(Operation::Create, move || {
            let total = order.total();
            let asked = format!("{} {:032x} {:032x}", total, order.id.0, payment.id.0);
            self.once_intent(&key::create(payment), &asked, |sql, rng| {
                let id = format!("pi_sandbox_{}", random(rng));
                sql.prepare_cached("INSERT INTO intents VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)")?
                    .execute(params![
                        id,
                        order.id.0.to_be_bytes(),
                        payment.id.0.to_be_bytes(),
                        total.minor,
                        total.currency.code(),
                        code(IntentStatus::RequiresPaymentMethod)
                    ])?;
                found(sql, &id)
            })
        }))
    }

    fn confirm<'a>(
        &'a self,
        payment: &'a Payment,
        attempt: &'a Attempt,
        _return_url: &'a str,
    ) -> Call<'a, Intent> {
        Box::pin(async move {
            let id = intent_id(payment)?;
            if attempt.token == "ctoken_slow" {
                tokio::time::sleep(SLOW).await;
            }
            self.perhaps(Operation::Confirm, || {
                let asked = format!("{id} {}", attempt.token);
                self.once_intent(&key::confirm(payment, attempt), &asked, |sql, _| {
                    confirm(sql, id, &attempt.token)
                })
            })
            .await
        })
    }

    fn read<'a>(&'a self, payment: &'a Payment) -> Call<'a, Intent> {
        Box::pin(async move {
            let id = intent_id(payment)?;
            self.perhaps(Operation::Read, || found(&self.state().db, id)).await
        })
    }

    fn capture<'a>(&'a self, order: &'a Order, payment: &'a Payment) -> Call<'a, Intent> {
        Box::pin(async move {
            let id = intent_id(payment)?;
            let total = order.total();
            self.perhaps(Operation::Capture, || {
                self.once_intent(
                    &key::capture(order, payment),
                    &format!("{id} {total}"),
                    |sql, _| {
                        let intent = match found(sql, id)? {
                            Ok(intent) => intent,
                            Err(error) => return Ok(Err(error)),
                        };
                        if intent.status != IntentStatus::RequiresCapture || intent.amount != total
                        {
                            return Ok(Err(unexpected(&intent)));
                        }
                        put(sql, id, IntentStatus::Succeeded, None)?;
                        found(sql, id)
                    },
                )
            })
            .await
        })
    }

    fn cancel<'a>(&'a self, order: &'a Order, payment: &'a Payment) -> Call<'a, Intent> {
        Box::pin(async move {
            let id = intent_id(payment)?;
            self.perhaps(Operation::Cancel, || {
                self.once_intent(&key::cancel(order, payment), id, |sql, _| {
                    let intent = match found(sql, id)? {
                        Ok(intent) => intent,
                        Err(error) => return Ok(Err(error)),
                    };
                    if matches!(intent.status, IntentStatus::Succeeded | IntentStatus::Canceled) {
                        return Ok(Err(unexpected(&intent)));
                    }
                    put(sql, id, IntentStatus::Canceled, None)?;
                    found(sql, id)
                })
            })
            .await
        })
    }

    fn find_refund<'a>(
        &'a self,
        _payment: &'a Payment,
        refund: &'a Refund,
    ) -> Call<'a, Option<RefundOutcome>> {
        Box::pin(self.perhaps(Operation::FindRefund, move || {
            let id = self
                .state()
                .db
                .prepare_cached("SELECT id FROM refunds WHERE refund_id = ?1")?
                .query_row([refund.id.0.to_be_bytes()], |row| row.get(0))
                .optional()?;
            Ok(Ok(id.map(RefundOutcome::Succeeded)))
        }))
    }

    fn refund<'a>(&'a self, payment: &'a Payment, refund: &'a Refund) -> Call<'a, RefundOutcome> {
        Box::pin(async move {
            let id = intent_id(payment)?;
            self.perhaps(Operation::Refund, || {
                let asked = format!("{id} {} {:032x}", refund.amount_minor, refund.id.0);
                let answer = self.once(&key::refund(refund), &asked, |sql, rng| {
                    Ok(give_back(sql, rng, id, refund)?.map(Answer::Refund))
                })?;
                Ok(answer.and_then(|answer| match answer {
                    Answer::Refund(id) => Ok(RefundOutcome::Succeeded(id)),
                    Answer::Intent(_) => Err(CallError::KeyReuse("not a refund's key".into())),
                }))
            })
            .await
        })
    }
}

fn confirm(sql: &Transaction<'_>, id: &str, token: &str) -> Done<Intent> {
    let intent = match found(sql, id)? {
        Ok(intent) => intent,
        Err(error) => return Ok(Err(error)),
    };
    if !matches!(
        intent.status,
        IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresConfirmation
    ) {
        return Ok(Err(unexpected(&intent)));
    }
    match token {
        "ctoken_ok" | "ctoken_slow" | "tok_visa" => {
            put(sql, id, IntentStatus::RequiresCapture, None)?;
        }
        "ctoken_3ds" => put(sql, id, IntentStatus::RequiresAction, None)?,
        "ctoken_declined" | "tok_chargeDeclined" => {
            let reason = "Your card was declined.";
            put(sql, id, IntentStatus::RequiresPaymentMethod, Some(reason))?;
            return Ok(Err(CallError::Declined(reason.into())));
        }
        other => {
            let short: String = other.chars().take(20).collect();
            return Ok(Err(CallError::Refused(format!("The sandbox has no card “{short}”."))));
        }
    }
    found(sql, id)
}

fn give_back(
    sql: &Transaction<'_>,
    rng: &mut ChaCha8Rng,
    id: &str,
    refund: &Refund,
) -> Done<String> {
    let intent = match found(sql, id)? {
        Ok(intent) => intent,
        Err(error) => return Ok(Err(error)),
    };
    if intent.status != IntentStatus::Succeeded {
        return Ok(Err(CallError::Refused("this charge has not succeeded".into())));
    }
    let back: i64 = sql
        .prepare_cached("SELECT coalesce(sum(amount), 0) FROM refunds WHERE intent = ?1")?
        .query_row([id], |row| row.get(0))?;
    if back + refund.amount_minor > intent.amount.minor {
        return Ok(Err(CallError::Refused("more than was charged".into())));
    }
    let refund_id = format!("re_sandbox_{}", random(rng));
    sql.prepare_cached("INSERT INTO refunds VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        refund.id.0.to_be_bytes(),
        id,
        refund.amount_minor,
        refund_id
    ])?;
    Ok(Ok(refund_id))
}

/// 130 random bits as letters.
fn random(rng: &mut ChaCha8Rng) -> String {
    base32((u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64()), 26)
}

fn unexpected(intent: &Intent) -> CallError {
    CallError::Refused(format!("payment_intent_unexpected_state: it is {:?}", intent.status))
}

fn put(
    db: &Connection,
    id: &str,
    status: IntentStatus,
    last_error: Option<&str>,
) -> Result<(), rusqlite::Error> {
    db.prepare_cached("UPDATE intents SET status = ?2, last_error = ?3 WHERE id = ?1")?
        .execute(params![id, code(status), last_error])?;
    Ok(())
}

fn found(db: &Connection, id: &str) -> Done<Intent> {
    Ok(find(db, id)?.ok_or_else(|| CallError::Refused("resource_missing: no such intent".into())))
}

fn find(db: &Connection, id: &str) -> Result<Option<Intent>, rusqlite::Error> {
    let sql = "SELECT id, order_id, payment_id, amount, currency, status, last_error
               FROM intents WHERE id = ?1";
    db.prepare_cached(sql)?.query_row([id], intent).optional()
}

fn intent(row: &Row<'_>) -> Result<Intent, rusqlite::Error> {
    let id: String = row.get(0)?;
    let currency: String = row.get(4)?;
    let status = STATUSES[usize::from(row.get::<_, u8>(5)?)];
    Ok(Intent {
        status,
        amount: Money { minor: row.get(3)?, currency: currency_of(&currency) },
        live: false,
        order: Some(OrderId(u128::from_be_bytes(row.get(1)?))),
        payment: Some(PaymentId(u128::from_be_bytes(row.get(2)?))),
        action: action(&id, status),
        last_error: row.get(6)?,
        received_minor: if status == IntentStatus::Succeeded { row.get(3)? } else { 0 },
        refunds: vec![],
        dispute: None,
        id,
    })
}

/// Where the buyer answers the bank: a page of ours.
fn action(id: &str, status: IntentStatus) -> Option<String> {
    (status == IntentStatus::RequiresAction).then(|| format!("/sandbox/authenticate/{id}"))
}

fn currency_of(code: &str) -> Currency {
    Currency::parse(code).expect("written by ourselves from a currency")
}

/// In the order in which they are stored as numbers.
const STATUSES: [IntentStatus; 7] = [
    IntentStatus::RequiresPaymentMethod,
    IntentStatus::RequiresConfirmation,
    IntentStatus::RequiresAction,
    IntentStatus::Processing,
    IntentStatus::RequiresCapture,
    IntentStatus::Succeeded,
    IntentStatus::Canceled,
];

fn code(status: IntentStatus) -> u8 {
    STATUSES.iter().position(|s| *s == status).expect("all of them are listed") as u8
}

/// An answer as text, to be given again under its key.
fn remember(answer: &Result<Answer, CallError>) -> String {
    let value = match answer {
        Ok(Answer::Refund(id)) => json!({"refund": id}),
        Ok(Answer::Intent(i)) => json!({
            "intent": i.id, "status": code(i.status), "amount": i.amount.minor,
            "currency": i.amount.currency.code(), "error": i.last_error,
            "order": i.order.map(|o| format!("{:x}", o.0)),
            "payment": i.payment.map(|p| format!("{:x}", p.0)),
        }),
        Err(CallError::Declined(why)) => json!({"declined": why}),
        Err(error) => match error {
            CallError::Refused(why) | CallError::KeyReuse(why) | CallError::Unknown(why) => {
                json!({"refused": why})
            }
            other => json!({"refused": format!("{other:?}")}),
        },
    };
    value.to_string()
}

fn recall(text: &str) -> Result<Answer, CallError> {
    let value: Value = serde_json::from_str(text).expect("written by ourselves");
    let string = |name: &str| value[name].as_str().map(str::to_owned);
    let number = |name: &str| {
        let digits = value[name].as_str()?;
        u128::from_str_radix(digits, 16).ok()
    };
    if let Some(id) = string("refund") {
        return Ok(Answer::Refund(id));
    }
    if let Some(why) = string("declined") {
        return Err(CallError::Declined(why));
    }
    if let Some(why) = string("refused") {
        return Err(CallError::Refused(why));
    }
    let id = string("intent").expect("an answer is one of these");
    let status = STATUSES[value["status"].as_u64().expect("a number") as usize];
    let minor = value["amount"].as_i64().expect("a number");
    Ok(Answer::Intent(Intent {
        status,
        amount: Money { minor, currency: currency_of(&string("currency").expect("a currency")) },
        live: false,
        order: number("order").map(OrderId),
        payment: number("payment").map(PaymentId),
        action: action(&id, status),
        last_error: string("error"),
        received_minor: if status == IntentStatus::Succeeded { minor } else { 0 },
        refunds: vec![],
        dispute: None,
        id,
    }))
}
