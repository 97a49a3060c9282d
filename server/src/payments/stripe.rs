//! Stripe's client: the calls of the payment protocol, and the ways in which each can end.
//!
//! Written by hand on the HTTP client that is in the tree anyway: nine calls, each with its
//! idempotency key, no retries behind our back. What lives here knows Stripe's words and no rule
//! of the box office. Who carries the bytes is handed in ([`Wire`]): the network, or the sandbox's
//! double in the same process.

pub mod net;
mod objects;
#[cfg(test)]
mod tests;

use super::governor::{Endpoint, Governor, Turn};
use super::wire::{Lost, Wire, WireRequest, WireResponse};
use super::{CallError, key};
use crate::clock::Clock;
use crate::ids::Ids;
use crate::text::{begin, cut};
use boxoffice::{Attempt, Dispute, Intent, Order, Payment, Refund, RefundOutcome, RefundSeen};
use objects::{DisputeObject, ErrorBody, List, PaymentIntent};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// After so many calls in a row without an answer the provider counts as out of reach.
const OUT_OF_REACH: u32 = 5;
/// How long to wait when the provider does not accept our key.
const KEY_REFUSED_MS: i64 = 60_000;
/// Rows of a list at a time: the most that Stripe gives.
const PAGE: usize = 100;

/// How far two looks at a list overlap, in seconds: lists may lag.
const OVERLAP_S: i64 = 900;

/// From when on lists are read, in seconds since 1970 by Stripe's clock: ours may be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Since {
    /// The list of refunds.
    pub refunds_s: i64,
    /// The list of disputes.
    pub disputes_s: i64,
}

/// The payment provider. Every call that changes something carries an idempotency key that is made
/// from the id of the row that was committed before it, so it may be repeated for ever.
pub struct Stripe {
    wire: Box<dyn Wire>,
    governor: Governor,
    ids: Arc<Ids>,
    clock: Clock,
    live: bool,
    /// Tells our payments from those of other box offices on the same account.
    shop: String,
    /// Calls in a row that were not answered.
    unanswered: AtomicU32,
}

/// A payment as a list gives it.
pub struct Listed {
    /// What was read of it; its refunds and disputes are not looked up.
    pub intent: Intent,
    /// When it was created, in seconds since 1970.
    pub created_s: i64,
    /// What was given back so far, in minor units.
    pub refunded_minor: i64,
    /// Whether the cardholder disputes it.
    pub disputed: bool,
}

type Done<T> = Result<T, CallError>;

impl Stripe {
    /// `live`: whether real money moves. `shop`: see `metadata[nts_shop]`.
    pub fn new(
        wire: Box<dyn Wire>,
        governor: Governor,
        ids: Arc<Ids>,
        clock: Clock,
        live: bool,
        shop: String,
    ) -> Stripe {
        let unanswered = AtomicU32::new(0);
        Stripe { wire, governor, ids, clock, live, shop, unanswered }
    }

    /// Whether real money moves.
    pub fn live(&self) -> bool {
        self.live
    }

    /// Who may call when.
    pub fn governor(&self) -> &Governor {
        &self.governor
    }

    /// Whether the last calls went without an answer.
    pub fn out_of_reach(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) >= OUT_OF_REACH
    }

    /// Creates the order's PaymentIntent, unconfirmed
    /// (<https://docs.stripe.com/api/payment_intents/create>).
    pub async fn create(&self, turn: Turn, order: &Order, payment: &Payment) -> Done<Intent> {
        let total = order.total();
        let id = uuid(order.id.0);
        let form = [
            ("amount", total.minor.to_string()),
            ("currency", total.currency.code().to_ascii_lowercase()),
            ("capture_method", "manual".into()),
            ("allowed_payment_method_types[0]", "card".into()),
            ("metadata[nts_order]", id.clone()),
            ("metadata[nts_payment]", uuid(payment.id.0)),
            ("metadata[nts_shop]", self.shop.clone()),
            ("description", format!("Order {id}")),
        ];
        let path = "/v1/payment_intents".into();
        intent(self.post(turn, path, &form, key::create(order, payment)).await?)
    }

    /// Confirms it with the attempt's token (<https://docs.stripe.com/api/payment_intents/confirm>).
    /// `return_url`: where the buyer comes back to from the bank.
    pub async fn confirm(
        &self,
        turn: Turn,
        order: &Order,
        payment: &Payment,
        attempt: &Attempt,
        return_url: &str,
    ) -> Done<Intent> {
        let mut form = vec![("return_url", return_url.to_owned())];
        if attempt.token.starts_with("tok_") {
            // The old route's token of a card.
            form.push(("payment_method_data[type]", "card".into()));
            form.push(("payment_method_data[card][token]", attempt.token.clone()));
        } else {
            form.push(("confirmation_token", attempt.token.clone()));
        }
        let path = format!("/v1/payment_intents/{}/confirm", id_of(payment)?);
        intent(self.post(turn, path, &form, key::confirm(order, payment, attempt)).await?)
    }

    /// Reads it, with all its refunds and its newest dispute if it has any
    /// (<https://docs.stripe.com/api/payment_intents/retrieve>).
    pub async fn read(&self, turn: Turn, payment: &Payment) -> Done<Intent> {
        self.read_id(turn, id_of(payment)?).await
    }

    /// The same by the provider's id of it.
    pub async fn read_id(&self, turn: Turn, id: &str) -> Done<Intent> {
        let path = format!("/v1/payment_intents/{}?expand[]=latest_charge", checked(id)?);
        let read: PaymentIntent = self.get(turn, path).await?;
        let signs = read.signs();
        let mut intent = intent(read)?;
        if signs.refunded_minor > 0 {
            intent.refunds = self.refunds(id).await?;
        }
        if signs.disputed {
            intent.dispute = self.dispute(id).await?;
        }
        Ok(intent)
    }

    /// Takes the money that was set aside (<https://docs.stripe.com/api/payment_intents/capture>).
    pub async fn capture(&self, turn: Turn, order: &Order, payment: &Payment) -> Done<Intent> {
        let path = format!("/v1/payment_intents/{}/capture", id_of(payment)?);
        let form = [("amount_to_capture", order.total().minor.to_string())];
        intent(self.post(turn, path, &form, key::capture(order, payment)).await?)
    }

    /// Makes sure that it can never take money
    /// (<https://docs.stripe.com/api/payment_intents/cancel>).
    pub async fn cancel(&self, turn: Turn, order: &Order, payment: &Payment) -> Done<Intent> {
        let path = format!("/v1/payment_intents/{}/cancel", id_of(payment)?);
        let form = [("cancellation_reason", "abandoned".to_owned())];
        intent(self.post(turn, path, &form, key::cancel(order, payment)).await?)
    }

    /// Looks for a refund by our id of it; `None` if there is none.
    pub async fn find_refund(
        &self,
        turn: Turn,
        payment: &Payment,
        refund: &Refund,
    ) -> Done<Option<RefundOutcome>> {
        let found = self.refund_objects(Some(turn), id_of(payment)?).await?;
        let found = found.iter().find(|r| r.ours() == Some(refund.id));
        found.map(|r| r.outcome().map_err(unreadable)).transpose()
    }

    /// Gives money back (<https://docs.stripe.com/api/refunds/create>).
    pub async fn refund(
        &self,
        turn: Turn,
        order: &Order,
        payment: &Payment,
        refund: &Refund,
    ) -> Done<RefundOutcome> {
        let form = [
            ("payment_intent", id_of(payment)?.to_owned()),
            ("amount", refund.amount_minor.to_string()),
            ("metadata[nts_refund]", uuid(refund.id.0)),
            ("reason", "requested_by_customer".into()),
        ];
        let key = key::refund(order, refund);
        let made: objects::Refund = self.post(turn, "/v1/refunds".into(), &form, key).await?;
        made.outcome().map_err(unreadable)
    }

    /// All refunds of a payment, whoever made them (<https://docs.stripe.com/api/refunds/list>).
    async fn refunds(&self, intent: &str) -> Done<Vec<RefundSeen>> {
        let refunds = self.refund_objects(None, intent).await?;
        let seen = refunds.into_iter().rev();
        Ok(seen.map(|r| r.seen(self.ids.refund(self.clock.now_ms()))).collect())
    }

    async fn refund_objects(&self, turn: Option<Turn>, intent: &str) -> Done<Vec<objects::Refund>> {
        let path = format!("/v1/refunds?payment_intent={}", checked(intent)?);
        self.all(turn, Endpoint::Refunds, path, |r: &objects::Refund| r.id.clone()).await
    }

    /// The newest dispute of a payment (<https://docs.stripe.com/api/disputes/list>).
    async fn dispute(&self, intent: &str) -> Done<Option<Dispute>> {
        let turn = self.governor.turn(Endpoint::Disputes).await;
        let path = format!("/v1/disputes?payment_intent={}&limit=1", checked(intent)?);
        let list: List<DisputeObject> = self.get(turn, path).await?;
        Ok(list.data.into_iter().next().map(DisputeObject::dispute))
    }

    /// The payments that money was given back from, or that were disputed, since some moments: what
    /// somebody may have done by hand. Also tells from when on to ask the next time.
    pub async fn touched_by_hand(&self, since: Since) -> Done<(Vec<String>, Since)> {
        let path = format!("/v1/refunds?created[gte]={}", since.refunds_s);
        let id = |r: &objects::Refund| r.id.clone();
        let refunds = self.all(None, Endpoint::Refunds, path, id).await?;
        let path = format!("/v1/disputes?created[gte]={}", since.disputes_s);
        let id = |d: &DisputeObject| d.id().to_owned();
        let disputes = self.all(None, Endpoint::Disputes, path, id).await?;
        let newest = |created: Option<i64>, since_s: i64| {
            created.map_or(since_s, |created| since_s.max(created - OVERLAP_S))
        };
        let next = Since {
            refunds_s: newest(refunds.iter().map(|r| r.created).max(), since.refunds_s),
            disputes_s: newest(disputes.iter().map(|d| d.created).max(), since.disputes_s),
        };
        // What we asked for ourselves we know.
        let by_hand = refunds.into_iter().filter(|r| r.ours().is_none());
        let mut touched: Vec<String> = by_hand.filter_map(|r| r.payment_intent).collect();
        touched.extend(disputes.into_iter().filter_map(|d| d.payment_intent));
        touched.sort();
        touched.dedup();
        Ok((touched, next))
    }

    /// A page of this shop's payments, newest first, created at or after a moment (seconds since
    /// 1970; <https://docs.stripe.com/api/payment_intents/list>). `after`: the last id of the page
    /// before. Gives the page and where the next one begins, if there is one.
    pub async fn list(
        &self,
        since_s: i64,
        after: Option<&str>,
    ) -> Done<(Vec<Listed>, Option<String>)> {
        let turn = self.governor.turn(Endpoint::Intents).await;
        let mut path = format!(
            "/v1/payment_intents?created[gte]={since_s}&limit={PAGE}&expand[]=data.latest_charge"
        );
        if let Some(after) = after {
            path += &format!("&starting_after={}", checked(after)?);
        }
        let page: List<PaymentIntent> = self.get(turn, path).await?;
        let next = page.data.last().map(|i| i.id.clone()).filter(|_| page.has_more);
        let mut listed = Vec::new();
        for object in page.data.into_iter().filter(|i| i.is_of(&self.shop)) {
            let (signs, created_s) = (object.signs(), object.created);
            let (refunded_minor, disputed) = (signs.refunded_minor, signs.disputed);
            listed.push(Listed { intent: intent(object)?, created_s, refunded_minor, disputed });
        }
        Ok((listed, next))
    }

    /// Cancels a payment that our books have forgotten, so that it can never take money.
    pub async fn cancel_forgotten(&self, id: &str) -> Done<()> {
        let turn = self.governor.turn(Endpoint::Cancel).await;
        let path = format!("/v1/payment_intents/{}/cancel", checked(id)?);
        let form = [("cancellation_reason", "abandoned".to_owned())];
        let made: Done<PaymentIntent> =
            self.post(turn, path, &form, format!("nts-forgotten-{id}-cancel")).await;
        made.map(drop)
    }

    /// Gives back what a payment that our books have forgotten took. `refunded_minor`: what was
    /// given back of it before, as it was read; it is in the key, so that the same question asked
    /// twice gives the money back once.
    pub async fn refund_forgotten(
        &self,
        id: &str,
        amount_minor: i64,
        refunded_minor: i64,
    ) -> Done<()> {
        let turn = self.governor.turn(Endpoint::Refund).await;
        let form = [
            ("payment_intent", checked(id)?.to_owned()),
            ("amount", amount_minor.to_string()),
            ("metadata[nts_forgotten]", "yes".to_owned()),
            ("reason", "requested_by_customer".into()),
        ];
        let key = format!("nts-forgotten-{id}-refund-{refunded_minor}");
        let made: Done<objects::Refund> = self.post(turn, "/v1/refunds".into(), &form, key).await;
        made.map(drop)
    }

    /// Everything of a list, page by page.
    async fn all<T: DeserializeOwned>(
        &self,
        mut turn: Option<Turn>,
        endpoint: Endpoint,
        path: String,
        id: impl Fn(&T) -> String,
    ) -> Done<Vec<T>> {
        let mut all: Vec<T> = Vec::new();
        loop {
            let mine = match turn.take() {
                Some(turn) => turn,
                None => self.governor.turn(endpoint).await,
            };
            let mut page_path = format!("{path}&limit={PAGE}");
            if let Some(last) = all.last() {
                page_path += &format!("&starting_after={}", checked(&id(last))?);
            }
            let page: List<T> = self.get(mine, page_path).await?;
            let last = !page.has_more || page.data.is_empty();
            all.extend(page.data);
            if last {
                return Ok(all);
            }
        }
    }

    /// Whether Stripe accepts our key, by a question that every shop may ask.
    pub async fn check_key(&self) -> Done<()> {
        let turn = self.governor.turn(Endpoint::Intents).await;
        let path = "/v1/payment_intents?limit=1".into();
        self.get::<List<PaymentIntent>>(turn, path).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, turn: Turn, path: String) -> Done<T> {
        self.call(turn, WireRequest { method: "GET", path, form: Vec::new(), key: None }).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        turn: Turn,
        path: String,
        form: &[(&str, String)],
        key: String,
    ) -> Done<T> {
        let form = form.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        self.call(turn, WireRequest { method: "POST", path, form, key: Some(key) }).await
    }

    async fn call<T: DeserializeOwned>(&self, turn: Turn, request: WireRequest) -> Done<T> {
        let endpoint = turn.endpoint;
        let begun = tokio::time::Instant::now();
        let answer = self.wire.exchange(request).await;
        let seconds = begun.elapsed().as_secs_f64();
        let answered = answer.as_ref().is_ok_and(|response| response.status < 500);
        if answered {
            self.unanswered.store(0, Ordering::Relaxed);
        } else {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
        }
        let (status, request_id) = match &answer {
            Ok(response) => {
                (response.status, cut(response.request_id.as_deref().unwrap_or("")).to_owned())
            }
            Err(_) => (0, String::new()),
        };
        let result = understand(answer);
        match &result {
            Ok(_) => tracing::debug!(?endpoint, status, request_id, seconds, "provider"),
            Err(CallError::Declined(_)) => {
                tracing::info!(?endpoint, status, request_id, seconds, "declined");
            }
            Err(error) => {
                tracing::warn!(?endpoint, status, request_id, seconds, %error, "provider");
            }
        }
        result
    }
}

/// The four outcomes of a call that did not do what was asked, from what came back
/// (<https://docs.stripe.com/error-low-level>).
fn understand<T: DeserializeOwned>(answer: Result<WireResponse, Lost>) -> Done<T> {
    let response = match answer {
        Ok(response) => response,
        Err(Lost::NotSent(why)) => return Err(CallError::NotDone(redact(&why), None)),
        Err(Lost::Unknown(why)) => return Err(CallError::Unknown(redact(&why))),
    };
    let status = response.status;
    if (200..300).contains(&status) {
        // A yes that cannot be read says only that something happened.
        return serde_json::from_slice(&response.body)
            .map_err(|error| unreadable(format!("the body of a {status}: {error}")));
    }
    let Ok(ErrorBody { error }) = serde_json::from_slice::<ErrorBody>(&response.body) else {
        // Not Stripe speaks here but somebody on the way to it.
        return Err(match status {
            429 => CallError::NotDone(format!("status {status}"), response.retry_after_ms),
            _ => CallError::Unknown(format!("status {status} without an error of Stripe's")),
        });
    };
    let why = redact(&error.for_us());
    Err(match status {
        400 if error.kind == "idempotency_error" => CallError::KeyReuse(why),
        401 | 403 => CallError::NotDone(why, Some(KEY_REFUSED_MS)),
        429 => CallError::NotDone(why, response.retry_after_ms),
        409 => CallError::Unknown(why),
        400..500 if response.should_retry == Some(true) => CallError::Unknown(why),
        402 if error.kind == "card_error" => CallError::Declined(redact(&error.for_the_buyer())),
        400..500 => CallError::Refused(why),
        _ => CallError::Unknown(why),
    })
}

fn intent(object: PaymentIntent) -> Done<Intent> {
    object.intent().map_err(unreadable)
}

fn unreadable(what: String) -> CallError {
    CallError::Unknown(redact(&format!("cannot be read: {what}")))
}

fn uuid(id: u128) -> String {
    uuid::Uuid::from_u128(id).to_string()
}

/// The provider's id that the order's row knows; every call but the first has one.
fn id_of(payment: &Payment) -> Done<&str> {
    let id = payment.intent.as_deref();
    checked(id.ok_or_else(|| CallError::Refused("no PaymentIntent yet".into()))?)
}

/// An id that may stand in a path. Ids come back from the provider, or from outside with a webhook.
fn checked(id: &str) -> Done<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !id.is_empty() && id.len() <= 255 && id.chars().all(plain) {
        Ok(id)
    } else {
        Err(CallError::Refused("this is no id of a payment".into()))
    }
}

/// How many bytes are kept of what a provider says of an error: it may quote a client.
const QUOTED: usize = 500;

/// Blots out what must not stand in a log, should the provider quote it back at us.
pub fn redact(text: &str) -> String {
    let text = begin(text, QUOTED);
    const SECRET: [&str; 7] = ["sk_", "rk_", "whsec_", "ctoken_", "tok_", "pm_", "seti_"];
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*');
    let mut clean = String::with_capacity(text.len());
    for word in text.split_inclusive(|c| !is_word(c)) {
        let bare = word.trim_end_matches(|c| !is_word(c));
        if SECRET.iter().any(|s| bare.starts_with(s)) || bare.contains("_secret_") {
            clean.push_str("(not shown)");
            clean.push_str(&word[bare.len()..]);
        } else {
            clean.push_str(word);
        }
    }
    clean
}
