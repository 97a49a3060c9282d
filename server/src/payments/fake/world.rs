//! What happens without us: the dashboard, the bank, the cardholder, and who asks the fake itself.

use super::answer::Fault;
use super::tables::{DISPUTE, Dispute, Done, Intent, Tx};
use super::{FakeStripe, endpoints, lock, objects};
use boxoffice::{Currency, IntentStatus, Money, OrderId};
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::params;
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;

/// What money moved for an order, in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// Taken.
    pub captured: i64,
    /// Given back, without what came back again.
    pub refunded: i64,
    /// Given back, and came back, for the refund failed after all.
    pub failed: i64,
}

/// A payment as the bank's page shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// Where it stands.
    pub status: IntentStatus,
    /// How much it is about.
    pub amount: Money,
    /// The order that it names.
    pub order: Option<OrderId>,
}

/// A refund as the fake has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// Its id.
    pub id: String,
    /// The order of its payment.
    pub order: Option<OrderId>,
    /// How much.
    pub amount: i64,
    /// Whether it failed, at once or later.
    pub failed: bool,
    /// Whether it is pending.
    pub pending: bool,
    /// Whether it only set free what was never taken.
    pub release: bool,
    /// When it was made, in seconds since 1970.
    pub created_s: i64,
}

/// Why the fake could not do it: no such payment, not in this state, or its database failed.
pub type Trouble = String;

type Told<T> = Result<T, Trouble>;

impl FakeStripe {
    /// Does something within one transaction.
    fn within<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Done<T>) -> Told<T> {
        let state = &mut *lock(&self.state);
        state.record();
        let done = || -> Result<Result<T, Fault>, rusqlite::Error> {
            let sql = state.db.transaction()?;
            let now_ms = self.clock.now_ms();
            let (rings, releases, pending) = (state.rings, state.releases, None);
            let random = &mut state.random;
            let mut tx = Tx { sql: &sql, random, now_ms, rings, releases, pending };
            endpoints::mature(&mut tx)?;
            let result = work(&mut tx)?;
            sql.commit()?;
            Ok(result)
        };
        done().map_err(|e| e.to_string())?.map_err(|fault| fault.json())
    }

    /// Does something with a payment in one of some states.
    fn with<T>(
        &self,
        id: &str,
        states: &[IntentStatus],
        work: impl FnOnce(&mut Tx<'_>, &mut Intent) -> Done<T>,
    ) -> Told<T> {
        self.within(|tx| {
            let mut intent = match endpoints::find(tx, id)? {
                Ok(intent) => intent,
                Err(fault) => return Ok(Err(fault)),
            };
            if !states.is_empty() && !states.contains(&intent.status) {
                return Ok(Err(Fault::plain(format!("it is {:?}", intent.status))));
            }
            work(tx, &mut intent)
        })
    }

    /// A payment as it is; `None` if there is none of this id.
    pub fn look(&self, id: &str) -> Told<Option<Look>> {
        let look = self.within(|tx| {
            if tx.intent(id)?.is_none() {
                return Ok(Ok(None));
            }
            Ok(endpoints::find(tx, id)?.map(Some))
        })?;
        Ok(look.map(|intent| Look {
            status: intent.status,
            amount: Money {
                minor: intent.amount,
                currency: Currency::parse(&intent.currency).expect("checked when it was created"),
            },
            order: intent.order,
        }))
    }

    /// The buyer's answer to the bank. Gives the order it was for; `None` if there is no such
    /// payment. A second answer changes nothing.
    pub fn authenticate(&self, id: &str, approve: bool) -> Told<Option<OrderId>> {
        let Some(look) = self.look(id)? else { return Ok(None) };
        if look.status == IntentStatus::RequiresAction {
            self.with(id, &[IntentStatus::RequiresAction], |tx, intent| {
                if approve {
                    endpoints::authorise(tx, intent)?;
                } else {
                    // Stripe says this to developers, not to cardholders
                    // (https://docs.stripe.com/error-codes#payment-intent-authentication-failure).
                    let why = "The PaymentMethod failed authentication: give payment_method_data or \
                               another PaymentMethod to try this PaymentIntent again.";
                    endpoints::decline(tx, intent, why)?;
                    let code = "payment_intent_authentication_failure";
                    intent.error = Some(Fault::invalid(code, why).value());
                    tx.put_intent(intent)?;
                }
                Ok(Ok(()))
            })?;
        }
        Ok(look.order)
    }

    /// Cancelled by hand.
    pub fn void(&self, id: &str) -> Told<()> {
        let states = [
            IntentStatus::RequiresPaymentMethod,
            IntentStatus::RequiresAction,
            IntentStatus::RequiresCapture,
        ];
        self.with(id, &states, |tx, intent| {
            endpoints::end(tx, intent, "requested_by_customer").map(Ok)
        })
    }

    /// Captured by hand, all of it or a part.
    pub fn capture_by_hand(&self, id: &str, amount: Option<i64>) -> Told<()> {
        self.with(id, &[IntentStatus::RequiresCapture], |tx, intent| {
            let amount = amount.unwrap_or(intent.amount).min(intent.amount);
            endpoints::take(tx, intent, amount).map(Ok)
        })
    }

    /// Refunded by hand; gives the refund's id.
    pub fn refund_by_hand(&self, id: &str, amount: i64) -> Told<String> {
        self.with(id, &[], |tx, intent| {
            let made = endpoints::give_back(tx, intent, Some(amount), BTreeMap::new(), None)?;
            Ok(made.map(|refund| refund.id))
        })
    }

    /// The cardholder objects; the bank takes the money back meanwhile.
    pub fn dispute(&self, id: &str, amount: i64) -> Told<String> {
        self.with(id, &[IntentStatus::Succeeded], |tx, intent| {
            let Some(mut charge) = tx.charge_of(intent)? else {
                return Ok(Err(Fault::plain("it has no charge")));
            };
            charge.disputed = true;
            tx.put_charge(&charge)?;
            let dispute = Dispute {
                id: tx.id("du_"),
                intent: intent.id.clone(),
                charge: charge.id,
                amount,
                currency: intent.currency.clone(),
                status: "needs_response".into(),
                reason: "fraudulent".into(),
                created: tx.now(),
            };
            let sql = "INSERT INTO disputes (id, intent, charge, amount, currency, status, reason,
                           created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            tx.sql.prepare_cached(sql)?.execute(params![
                dispute.id,
                dispute.intent,
                dispute.charge,
                dispute.amount,
                dispute.currency,
                dispute.status,
                dispute.reason,
                dispute.created
            ])?;
            tx.moved(intent, "disputed", amount)?;
            tx.tell("charge.dispute.created", &objects::dispute(&dispute))?;
            Ok(Ok(dispute.id))
        })
    }

    /// The bank sends back a refund that had succeeded.
    pub fn fail_refund(&self, id: &str) -> Told<()> {
        self.within(|tx| {
            let Some(refund) = tx.refund(id)? else {
                return Ok(Err(Fault::plain("there is no such refund")));
            };
            if refund.status == "failed" || refund.release {
                return Ok(Err(Fault::plain("it cannot fail")));
            }
            endpoints::fail(tx, refund, "expired_or_canceled_card").map(Ok)
        })
    }

    /// The refunds of a payment that gave money back, oldest first: their ids.
    pub fn refunds_of(&self, intent: &str) -> Told<Vec<String>> {
        self.within(|tx| {
            let sql = "SELECT id FROM refunds WHERE intent = ?1 AND NOT release
                       AND status = 'succeeded' ORDER BY n";
            let mut find = tx.sql.prepare_cached(sql)?;
            let ids = find.query_map([intent], |row| row.get(0))?;
            Ok(Ok(ids.collect::<Result<_, _>>()?))
        })
    }

    /// A dispute gets elsewhere: `under_review`, `won`, `lost` …
    pub fn move_dispute(&self, id: &str, status: &str) -> Told<()> {
        self.within(|tx| {
            let sql = "UPDATE disputes SET status = ?2 WHERE id = ?1";
            if tx.sql.prepare_cached(sql)?.execute(params![id, status])? == 0 {
                return Ok(Err(Fault::plain("there is no such dispute")));
            }
            let sql = format!("SELECT {DISPUTE} FROM disputes WHERE id = ?1");
            let dispute = tx.sql.prepare_cached(&sql)?.query_row([id], Dispute::of)?;
            tx.tell("charge.dispute.updated", &objects::dispute(&dispute)).map(Ok)
        })
    }

    /// Written into the metadata by hand.
    pub fn set_metadata(&self, id: &str, name: &str, text: &str) -> Told<()> {
        self.with(id, &[], |tx, intent| {
            intent.metadata.insert(name.into(), text.into());
            tx.put_intent(intent).map(Ok)
        })
    }

    /// What money moved for an order, by the fake's own ledger.
    pub fn ledger(&self, order: OrderId) -> Told<Moved> {
        Ok(self.ledger_all()?.remove(&order).unwrap_or_default())
    }

    /// What money moved for all orders.
    pub fn ledger_all(&self) -> Told<BTreeMap<OrderId, Moved>> {
        self.within(|tx| {
            let mut all: BTreeMap<OrderId, Moved> = BTreeMap::new();
            let sql = "SELECT order_id, kind, sum(amount) FROM moves
                       WHERE order_id IS NOT NULL GROUP BY order_id, kind";
            let mut find = tx.sql.prepare_cached(sql)?;
            let mut rows = find.query([])?;
            while let Some(row) = rows.next()? {
                let order = OrderId(u128::from_be_bytes(row.get(0)?));
                let (kind, amount): (String, i64) = (row.get(1)?, row.get(2)?);
                let moved = all.entry(order).or_default();
                match kind.as_str() {
                    "captured" => moved.captured += amount,
                    "refunded" => moved.refunded += amount,
                    "refund_failed" => {
                        moved.refunded -= amount;
                        moved.failed += amount;
                    }
                    _ => {}
                }
            }
            Ok(Ok(all))
        })
    }

    /// All refunds, oldest first.
    pub fn refunds(&self) -> Told<Vec<Given>> {
        self.within(|tx| {
            let sql = "SELECT r.id, i.order_id, r.amount, r.status, r.release, r.created
                       FROM refunds r JOIN intents i ON i.id = r.intent ORDER BY r.n";
            let mut find = tx.sql.prepare_cached(sql)?;
            let refunds = find.query_map([], |row| {
                let order: Option<[u8; 16]> = row.get(1)?;
                let status: String = row.get(3)?;
                Ok(Given {
                    id: row.get(0)?,
                    order: order.map(|bytes| OrderId(u128::from_be_bytes(bytes))),
                    amount: row.get(2)?,
                    failed: status == "failed",
                    pending: status == "pending",
                    release: row.get(4)?,
                    created_s: row.get(5)?,
                })
            })?;
            Ok(Ok(refunds.collect::<Result<_, _>>()?))
        })
    }

    /// The payments that still have money set aside.
    pub fn authorised(&self) -> Told<Vec<String>> {
        self.within(|tx| {
            let sql = "SELECT id FROM intents WHERE status = 'requires_capture' AND due_ms > ?1";
            let mut find = tx.sql.prepare_cached(sql)?;
            let ids = find.query_map([tx.now_ms], |row| row.get(0))?;
            Ok(Ok(ids.collect::<Result<_, _>>()?))
        })
    }

    /// What Stripe would ring with, after event number `n`: each with its number, as a webhook's
    /// body (<https://docs.stripe.com/api/events/object>).
    pub fn events_since(&self, n: i64) -> Told<Vec<(i64, String)>> {
        self.within(|tx| {
            let sql = "SELECT n, id, kind, at_ms, object FROM events WHERE n > ?1 ORDER BY n";
            let mut find = tx.sql.prepare_cached(sql)?;
            let events = find.query_map([n], |row| {
                let object: String = row.get(4)?;
                let object: Value = serde_json::from_str(&object).unwrap_or_default();
                let (id, kind): (String, String) = (row.get(1)?, row.get(2)?);
                let body = json!({
                    "id": id, "object": "event", "type": kind, "livemode": false,
                    "api_version": "2026-09-30.endive", "pending_webhooks": 1,
                    "created": row.get::<_, i64>(3)?.div_euclid(1000), "data": {"object": object},
                });
                Ok((row.get(0)?, body.to_string()))
            })?;
            Ok(Ok(events.collect::<Result<_, _>>()?))
        })
    }

    /// The header with which Stripe signs a webhook
    /// (<https://docs.stripe.com/webhooks#verify-manually>).
    pub fn signature(secret: &str, seconds: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
        mac.update(format!("{seconds}.{body}").as_bytes());
        let bytes = mac.finalize().into_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={seconds},v1={hex}")
    }
}
