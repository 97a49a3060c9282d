//! Stripe's client: the calls of the payment protocol, and the ways in which each can end.
//!
//! Written by hand on the HTTP client that is in the tree anyway: nine calls, each with its
//! idempotency key, no retries behind our back. What lives here knows Stripe's words and no rule
//! of the box office. Who carries the bytes is handed in ([`Wire`]): the network, or the sandbox's
//! fake in the same process.

pub mod net;
mod objects;
mod permissions;
mod sweep;
#[cfg(test)]
mod tests;

use super::governor::{Endpoint, Governor, Turn};
use super::wire::{Lost, Wire, WireRequest, WireResponse};
use super::{CallError, key};
use crate::clock::DatabaseClock;
use crate::ids::Ids;
use crate::text::{begin, cut};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{
    Attempt, Dispute, Intent, IntentStatus, Order, Payment, Refund, RefundOutcome, RefundSeen,
};
use objects::{DisputeObject, ErrorBody, List, PaymentIntent};
use permissions::{Missing, Probe};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub use permissions::Permission;
pub use sweep::{Seen, Sign, Since};

/// After so many calls in a row without an answer the provider counts as out of reach.
const OUT_OF_REACH: u32 = 5;
/// Rows of a list at a time: the most that Stripe gives.
const PAGE: usize = 100;

/// The payment provider. Every call that changes something carries an idempotency key that is made
/// from the id of the row that was committed before it, so it may be repeated for ever.
pub struct Stripe {
    wire: Box<dyn Wire>,
    governor: Governor,
    ids: Arc<Ids>,
    clock: Arc<DatabaseClock>,
    live: bool,
    /// Tells our payments from those of other box offices on the same account.
    shop: String,
    /// Calls in a row that were not answered.
    unanswered: AtomicU32,
    /// What the key may not do, as far as was seen.
    missing: Missing,
    /// The payment that is made to try the key.
    probe: Probe,
}

/// A payment as a list gives it.
pub struct Listed {
    /// What was read of it; its refunds and disputes are not looked up.
    pub intent: Intent,
    /// When it was created, in seconds since 1970.
    pub created_s: i64,
    /// What was given back so far, in minor units, without what was only released.
    pub refunded_minor: i64,
    /// Whether the cardholder disputes it.
    pub disputed: bool,
}

/// How a list is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pace {
    /// As fast as turns come.
    Usual,
    /// Only with turns that nobody else wants.
    Gentle,
}

/// How long a gentle reader waits for a turn that nobody wants, until it asks for one like others do.
const GENTLE_S: u32 = 60;
/// And between two pages.
const BETWEEN_PAGES: tokio::time::Duration = tokio::time::Duration::from_millis(250);

type Done<T> = Result<T, CallError>;

impl Stripe {
    /// `live`: whether real money moves. `shop`: see `metadata[nts_shop]`.
    pub fn new(
        wire: Box<dyn Wire>,
        governor: Governor,
        ids: Arc<Ids>,
        clock: Arc<DatabaseClock>,
        live: bool,
        shop: String,
    ) -> Stripe {
        let (unanswered, missing) = (AtomicU32::new(0), Missing::default());
        let probe = Probe::new(ids.random());
        Stripe { wire, governor, ids, clock, live, shop, unanswered, missing, probe }
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
        intent(self.post(turn, path, &form, key::create(order, payment)).await?, None)
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
        let id = id_of(payment)?;
        let path = format!("/v1/payment_intents/{id}/confirm");
        intent(self.post(turn, path, &form, key::confirm(order, payment, attempt)).await?, Some(id))
    }

    /// Reads it, with all its refunds and its newest dispute if it has any
    /// (<https://docs.stripe.com/api/payment_intents/retrieve>).
    pub async fn read(&self, turn: Turn, order: &Order, payment: &Payment) -> Done<Intent> {
        let refunded = !order.refunds.is_empty();
        self.read_whole(turn, id_of(payment)?, refunded, payment.dispute.is_some()).await
    }

    /// The same by the provider's id of it. `whole`: its lists are read whatever the charge says.
    pub async fn read_id(&self, turn: Turn, id: &str, whole: bool) -> Done<Intent> {
        self.read_whole(turn, id, whole, whole).await
    }

    /// `refunded`, `disputed`: our books have a refund or a dispute of it, so that is looked at whatever
    /// the charge says: one that fails may be taken off the charge again.
    async fn read_whole(
        &self,
        turn: Turn,
        id: &str,
        refunded: bool,
        disputed: bool,
    ) -> Done<Intent> {
        let path = format!("/v1/payment_intents/{}?expand[]=latest_charge", checked(id)?);
        let read: PaymentIntent = self.get(turn, path).await?;
        let signs = read.signs();
        let mut intent = intent(read, Some(id))?;
        // Nothing goes back of what was not taken.
        if intent.status == IntentStatus::Succeeded || on(Mutant::ReleaseIsRefund) {
            if refunded || signs.refunded_minor != Some(0) {
                intent.refunds = self.refunds(&intent).await?;
            }
            if disputed || signs.disputed != Some(false) {
                intent.dispute = match self.dispute(id).await {
                    // What the key may not read changes nothing; all else that was read counts.
                    Err(CallError::NotAllowed(_)) => None,
                    dispute => dispute?,
                };
            }
        }
        Ok(intent)
    }

    /// Takes the money that was set aside (<https://docs.stripe.com/api/payment_intents/capture>).
    pub async fn capture(&self, turn: Turn, order: &Order, payment: &Payment) -> Done<Intent> {
        let id = id_of(payment)?;
        let path = format!("/v1/payment_intents/{id}/capture");
        let form = [("amount_to_capture", order.total().minor.to_string())];
        intent(self.post(turn, path, &form, key::capture(order, payment)).await?, Some(id))
    }

    /// Makes sure that it can never take money
    /// (<https://docs.stripe.com/api/payment_intents/cancel>).
    pub async fn cancel(&self, turn: Turn, order: &Order, payment: &Payment) -> Done<Intent> {
        let id = id_of(payment)?;
        let path = format!("/v1/payment_intents/{id}/cancel");
        let form = [("cancellation_reason", "abandoned".to_owned())];
        intent(self.post(turn, path, &form, key::cancel(order, payment)).await?, Some(id))
    }

    /// Looks for a refund by our id of it; `None` if there is none.
    pub async fn find_refund(
        &self,
        turn: Turn,
        payment: &Payment,
        refund: &Refund,
    ) -> Done<Option<RefundOutcome>> {
        let of = id_of(payment)?;
        let found = self.refund_objects(Some(turn), of).await?;
        let found = found.iter().find(|r| r.ours() == Some(refund.id));
        found.map(|r| r.answer(of, refund).map_err(unreadable)).transpose()
    }

    /// Gives money back (<https://docs.stripe.com/api/refunds/create>).
    pub async fn refund(
        &self,
        turn: Turn,
        order: &Order,
        payment: &Payment,
        refund: &Refund,
    ) -> Done<RefundOutcome> {
        let of = id_of(payment)?;
        let form = [
            ("payment_intent", of.to_owned()),
            ("amount", refund.amount_minor.to_string()),
            ("metadata[nts_refund]", uuid(refund.id.0)),
            // So that a list of refunds tells whose each is.
            ("metadata[nts_order]", uuid(order.id.0)),
            ("reason", "requested_by_customer".into()),
        ];
        let key = key::refund(order, refund);
        let made: objects::Refund = self.post(turn, "/v1/refunds".into(), &form, key).await?;
        made.answer(of, refund).map_err(unreadable)
    }

    /// All refunds of a payment that gave money back, whoever made them
    /// (<https://docs.stripe.com/api/refunds/list>).
    async fn refunds(&self, intent: &Intent) -> Done<Vec<RefundSeen>> {
        let refunds = self.refund_objects(None, &intent.id).await?;
        let seen = objects::given_back(intent, refunds).into_iter().rev();
        Ok(seen.map(|r| r.seen(self.ids.refund(self.clock.now_ms()))).collect())
    }

    async fn refund_objects(&self, turn: Option<Turn>, intent: &str) -> Done<Vec<objects::Refund>> {
        let path = format!("/v1/refunds?payment_intent={}", checked(intent)?);
        let id = |r: &objects::Refund| r.id.clone();
        self.all(turn, Pace::Usual, Endpoint::Refunds, path, id).await
    }

    /// The newest dispute of a payment (<https://docs.stripe.com/api/disputes/list>).
    async fn dispute(&self, intent: &str) -> Done<Option<Dispute>> {
        let turn = self.governor.turn(Endpoint::Disputes).await;
        let path = format!("/v1/disputes?payment_intent={}&limit=1", checked(intent)?);
        let list: List<DisputeObject> = self.get(turn, path).await?;
        Ok(list.data.into_iter().next().map(DisputeObject::dispute))
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
            let intent = intent(object, None)?;
            let partly = intent.received_minor < intent.amount.minor;
            let refunded_minor = match signs.refunded_minor {
                _ if intent.received_minor <= 0 && !on(Mutant::ReleaseIsRefund) => 0,
                Some(minor) if minor == 0 || !partly => minor,
                // The charge may count what was released, too.
                _ => {
                    let refunds = self.refunds(&intent).await?;
                    refunds.iter().filter(|r| !r.failed).map(|r| r.amount_minor).sum()
                }
            };
            let disputed = signs.disputed == Some(true);
            listed.push(Listed { intent, created_s, refunded_minor, disputed });
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
        pace: Pace,
        endpoint: Endpoint,
        path: String,
        id: impl Fn(&T) -> String,
    ) -> Done<Vec<T>> {
        let mut all: Vec<T> = Vec::new();
        loop {
            let mine = match turn.take() {
                Some(turn) => turn,
                None if pace == Pace::Gentle => self.gentle_turn(endpoint).await,
                None => self.governor.turn(endpoint).await,
            };
            let mut page_path = format!("{path}&limit={PAGE}");
            if let Some(last) = all.last() {
                page_path += &format!("&starting_after={}", checked(&id(last))?);
            }
            let page: List<T> = self.get(mine, page_path).await?;
            let last = !page.has_more || page.data.is_empty();
            // A page that ends where the one before did would be read for ever.
            let end = |rows: &[T]| rows.last().map(&id);
            if !page.data.is_empty() && end(&page.data) == end(&all) {
                return Err(unreadable("the next page of a list is the same page".into()));
            }
            all.extend(page.data);
            if last {
                return Ok(all);
            }
            if pace == Pace::Gentle {
                tokio::time::sleep(BETWEEN_PAGES).await;
            }
        }
    }

    /// A turn that nobody else wants; after a while one like everybody's, so that it comes at all.
    pub async fn gentle_turn(&self, endpoint: Endpoint) -> Turn {
        for _ in 0..GENTLE_S {
            if let Some(turn) = self.governor.turn_now(endpoint).await {
                return turn;
            }
            tokio::time::sleep(tokio::time::Duration::from_secs(1)).await;
        }
        self.governor.turn(endpoint).await
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
        self.missing.note(endpoint, &result);
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
        400 if error.is("idempotency_error") => CallError::KeyReuse(why),
        401 => CallError::KeyRefused(why),
        403 => CallError::NotAllowed(why),
        429 => CallError::NotDone(why, response.retry_after_ms),
        // 424: something outside of Stripe failed, before or after it was done.
        409 | 424 => CallError::Unknown(why),
        400..500 if response.should_retry == Some(true) => CallError::Unknown(why),
        402 if error.is("card_error") => CallError::Declined(redact(&error.for_the_buyer())),
        400..500 => CallError::Refused(why),
        _ => CallError::Unknown(why),
    })
}

/// What an answer says of the PaymentIntent that was asked about. One about another says nothing of it:
/// then it is asked again, later each time, and in the end a person is told.
fn intent(object: PaymentIntent, asked: Option<&str>) -> Done<Intent> {
    if asked.is_some_and(|asked| asked != object.id) {
        return Err(unreadable(
            "this is another PaymentIntent than the one that was asked for".into(),
        ));
    }
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

/// Whether a text has the form of a token that stands for a card: a ConfirmationToken
/// (<https://docs.stripe.com/api/confirmation_tokens>) or one of the old kind
/// (<https://docs.stripe.com/api/tokens>).
pub fn is_token(text: &str) -> bool {
    const MOST: usize = 250;
    let rest = text.strip_prefix("ctoken_").or_else(|| text.strip_prefix("tok_"));
    rest.is_some_and(|rest| {
        (1..=MOST).contains(&rest.len())
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// Whether this has the form of an id, and may stand in a path.
fn is_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !id.is_empty() && id.len() <= 255 && id.bytes().all(plain)
}

/// An id that may stand in a path. Ids come back from the provider, or from outside with a webhook.
fn checked(id: &str) -> Done<&str> {
    is_id(id).then_some(id).ok_or_else(|| CallError::Refused("this is no id of a payment".into()))
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
        // Also behind a hyphen, say: what is quoted need not stand alone.
        let begins = |at: usize| !bare[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let has = |secret: &&str| bare.match_indices(secret).any(|(at, _)| begins(at));
        if SECRET.iter().any(has) || bare.contains("_secret_") {
            clean.push_str("(not shown)");
            clean.push_str(&word[bare.len()..]);
        } else {
            clean.push_str(word);
        }
    }
    clean
}
