//! The endpoints: what each takes, refuses and does.

use super::amounts;
use super::answer::{Fault, json, value};
use super::cards::{Bank, Token};
use super::objects::{self, List};
use super::params::{Params, required};
use super::tables::{Charge, DISPUTE, Dispute, Done, INTENT, Intent, REFUND, Refund, Tx};
use crate::payments::wire::WireRequest;
use boxoffice::{IntentStatus, OrderId};
use rusqlite::params;
use serde_json::{Value, json as object};

/// How long an authorisation lives: seven days
/// (<https://docs.stripe.com/payments/place-a-hold-on-a-payment-method>).
const AUTHORISED_MS: i64 = 7 * 24 * 3_600_000;
/// How long a refund is pending that takes its time.
const PENDING_MS: i64 = 60_000;
/// How long the network of `ctoken_processing` takes.
const PROCESSING_MS: i64 = 2_000;
/// The reasons that Stripe knows for a cancellation and for a refund.
const CANCEL_REASONS: [&str; 4] = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];
const REFUND_REASONS: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];

/// A request that was refused.
pub(super) struct Refused {
    pub fault: Fault,
    /// Whether the endpoint had begun: then the answer is remembered under the key.
    pub began: bool,
}

impl From<Fault> for Refused {
    /// What is found wrong while the parameters are read never began.
    fn from(fault: Fault) -> Refused {
        Refused { fault, began: false }
    }
}

type Answered = Result<Result<String, Refused>, rusqlite::Error>;

/// Takes something out of a result, or ends with its refusal.
macro_rules! read {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(fault) => return Ok(Err(Refused::from(fault))),
        }
    };
}

/// Whether the bank of this request takes its time.
pub(super) fn is_slow(request: &WireRequest) -> bool {
    let token = request.form.iter().find(|(name, _)| name == "confirmation_token");
    token.is_some_and(|(_, token)| {
        Token::confirmation(token.clone()).is_ok_and(|token| token.bank == Bank::Slow)
    })
}

/// Answers a request.
pub(super) fn answer(tx: &mut Tx<'_>, request: &WireRequest) -> Answered {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let pairs = if request.method == "POST" {
        request.form.clone()
    } else {
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    };
    let params = Params::new(pairs);
    // Only tests make refunds that take their time.
    if tx.rings {
        mature(tx)?;
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (request.method, &parts[..]) {
        ("POST", ["v1", "payment_intents"]) => create(tx, params),
        ("GET", ["v1", "payment_intents"]) => list_intents(tx, params),
        ("GET", ["v1", "payment_intents", id]) => retrieve(tx, id, params),
        ("POST", ["v1", "payment_intents", id, "confirm"]) => confirm(tx, id, params),
        ("POST", ["v1", "payment_intents", id, "capture"]) => capture(tx, id, params),
        ("POST", ["v1", "payment_intents", id, "cancel"]) => cancel(tx, id, params),
        ("POST", ["v1", "refunds"]) => refund(tx, params),
        ("GET", ["v1", "refunds"]) => list_refunds(tx, params),
        ("GET", ["v1", "disputes"]) => list_disputes(tx, params),
        (method, _) => {
            let message = format!("There is no such address: {method} {path}.");
            Ok(Err(Fault::plain(message).with_status(404).into()))
        }
    }
}

fn began(fault: Fault) -> Answered {
    Ok(Err(Refused { fault, began: true }))
}

/// Does what time has done since: an authorisation ends, a network answers.
pub(super) fn find(tx: &mut Tx<'_>, id: &str) -> Done<Intent> {
    let Some(mut intent) = tx.intent(id)? else {
        return Ok(Err(Fault::missing("payment_intent", id, "intent")));
    };
    if intent.due_ms.is_some_and(|due| due <= tx.now_ms) {
        match intent.status {
            IntentStatus::RequiresCapture => {
                // Before 2025-03-31.basil the word was "automatic".
                let reason = if tx.releases { "automatic" } else { "expired" };
                end(tx, &mut intent, reason)?;
            }
            IntentStatus::Processing => authorise(tx, &mut intent)?,
            _ => {}
        }
    }
    Ok(Ok(intent))
}

/// Decides the pending refunds whose time has come.
pub(super) fn mature(tx: &mut Tx<'_>) -> Result<(), rusqlite::Error> {
    for mut refund in tx.due_refunds()? {
        refund.due_ms = None;
        match refund.failure.clone() {
            Some(why) => fail(tx, refund, &why)?,
            None => {
                refund.status = "succeeded".into();
                tx.put_refund(&refund)?;
                tx.tell("refund.updated", &objects::refund(&refund))?;
            }
        }
    }
    Ok(())
}

/// A refund fails, perhaps long after it had succeeded: the money is back on the account.
pub(super) fn fail(tx: &mut Tx<'_>, mut refund: Refund, why: &str) -> Result<(), rusqlite::Error> {
    refund.status = "failed".into();
    refund.failure = Some(why.to_owned());
    refund.due_ms = None;
    tx.put_refund(&refund)?;
    let Some(intent) = tx.intent(&refund.intent)? else { return Ok(()) };
    if let Some(mut charge) = tx.charge_of(&intent)? {
        charge.refunded -= refund.amount;
        tx.put_charge(&charge)?;
    }
    tx.moved(&intent, "refund_failed", refund.amount)?;
    tx.tell("refund.failed", &objects::refund(&refund))
}

fn show(tx: &Tx<'_>, intent: &Intent, whole: bool) -> Result<String, rusqlite::Error> {
    let charge = if whole { tx.charge_of(intent)? } else { None };
    Ok(json(&objects::intent(intent, charge.as_ref())))
}

/// <https://docs.stripe.com/api/payment_intents/create>
fn create(tx: &mut Tx<'_>, mut params: Params) -> Answered {
    let amount = read!(params.integer_in("amount", 1, i64::MAX));
    let currency = read!(params.text("currency"));
    let capture = read!(params.one_of("capture_method", &["automatic_async", "manual"]));
    let methods = params.list("allowed_payment_method_types");
    let metadata = read!(params.metadata());
    let description = read!(params.short_text("description", 1_000));
    if read!(params.text("confirm")).is_some() {
        let message = "Stripe knows confirm here, and we have a rule against it: no money moves \
                       before the id of what will hold it is durable.";
        return Ok(Err(Fault::plain(message).about("confirm").into()));
    }
    read!(params.end());
    let amount = read!(required(amount, "amount"));
    let currency = read!(required(currency, "currency"));
    if !amounts::known(&currency) {
        let message = format!("Unknown currency: {currency}.");
        return Ok(Err(Fault::plain(message).about("currency").into()));
    }
    if methods.iter().any(|method| method != "card") {
        let message = "Only card is known here.";
        return Ok(Err(Fault::plain(message).about("allowed_payment_method_types").into()));
    }
    if let Err(fault) = amounts::check(amount, &currency) {
        return began(fault);
    }
    let id = tx.id("pi_");
    let order = metadata.get("nts_order").and_then(|id| uuid::Uuid::try_parse(id).ok());
    let intent = Intent {
        secret: tx.id(&format!("{id}_secret_")),
        id,
        order: order.map(|id| OrderId(id.as_u128())),
        amount,
        currency,
        manual: capture.as_deref() == Some("manual"),
        description,
        created: tx.now(),
        metadata,
        status: IntentStatus::RequiresPaymentMethod,
        due_ms: None,
        received: 0,
        canceled: None,
        reason: None,
        error: None,
        action: None,
        charge: None,
    };
    tx.add_intent(&intent)?;
    tx.tell_intent("payment_intent.created", &intent)?;
    Ok(Ok(show(tx, &intent, false)?))
}

/// <https://docs.stripe.com/api/payment_intents/retrieve>
fn retrieve(tx: &mut Tx<'_>, id: &str, mut params: Params) -> Answered {
    let whole = read!(params.expand(Some("latest_charge")));
    read!(params.end());
    let intent = read!(find(tx, id)?);
    Ok(Ok(show(tx, &intent, whole)?))
}

fn unexpected(tx: &Tx<'_>, intent: &Intent) -> Result<Answered, rusqlite::Error> {
    let shown = value(&objects::intent(intent, tx.charge_of(intent)?.as_ref()));
    let status = super::tables::Status(intent.status).name();
    let message = format!("This PaymentIntent is {status}, which does not allow that.");
    Ok(began(Fault::invalid("payment_intent_unexpected_state", message).showing(shown)))
}

/// <https://docs.stripe.com/api/payment_intents/confirm>
fn confirm(tx: &mut Tx<'_>, id: &str, mut params: Params) -> Answered {
    let return_url = read!(params.text("return_url"));
    let confirmation = read!(params.text("confirmation_token"));
    let kind = read!(params.one_of("payment_method_data[type]", &["card"]));
    let card = read!(params.text("payment_method_data[card][token]"));
    read!(params.end());
    read!(required(return_url, "return_url"));
    let token = match (confirmation, kind, card) {
        (Some(text), None, None) => Token::confirmation(text),
        (None, Some(_), Some(text)) => Token::card(&text),
        _ => Err(Fault::invalid("parameter_missing", "Exactly one card must be given.")
            .about("confirmation_token")),
    };
    let mut intent = read!(find(tx, id)?);
    let token = match token {
        Ok(token) => token,
        Err(fault) => return began(fault),
    };
    if !matches!(
        intent.status,
        IntentStatus::RequiresPaymentMethod
            | IntentStatus::RequiresConfirmation
            | IntentStatus::RequiresAction
    ) {
        return unexpected(tx, &intent)?;
    }
    if token.bank == Bank::Expired {
        let message = "This ConfirmationToken has expired.";
        return began(Fault::plain(message).about("confirmation_token"));
    }
    if let Some(once) = &token.once
        && !tx.use_up(once)?
    {
        let message = "This ConfirmationToken was used before.";
        return began(Fault::plain(message).about("confirmation_token"));
    }
    intent.action = None;
    match token.bank {
        Bank::Approves | Bank::Slow | Bank::Expired => authorise(tx, &mut intent)?,
        Bank::Declines => {
            let fault = decline(tx, &mut intent, "Your card was declined.")?;
            return began(fault);
        }
        Bank::AsksByRedirect => {
            let url = format!("/sandbox/authenticate/{}", intent.id);
            let action = object!({"type": "redirect_to_url",
                                  "redirect_to_url": {"url": url, "return_url": null}});
            ask(tx, &mut intent, action)?;
        }
        Bank::AsksBySdk => {
            let action = object!({"type": "use_stripe_sdk",
                                  "use_stripe_sdk": {"type": "three_d_secure_redirect"}});
            ask(tx, &mut intent, action)?;
        }
        Bank::Processing => {
            intent.status = IntentStatus::Processing;
            intent.due_ms = Some(tx.now_ms + PROCESSING_MS);
            tx.put_intent(&intent)?;
            tx.tell_intent("payment_intent.processing", &intent)?;
        }
    }
    Ok(Ok(show(tx, &intent, false)?))
}

fn ask(tx: &mut Tx<'_>, intent: &mut Intent, action: Value) -> Result<(), rusqlite::Error> {
    intent.status = IntentStatus::RequiresAction;
    intent.action = Some(action);
    tx.put_intent(intent)?;
    tx.tell_intent("payment_intent.requires_action", intent)
}

/// The bank says yes: the money is set aside, or taken if nobody asked for a capture of its own.
pub(super) fn authorise(tx: &mut Tx<'_>, intent: &mut Intent) -> Result<(), rusqlite::Error> {
    let charge = new_charge(tx, intent, true);
    intent.charge = Some(charge.id.clone());
    intent.status = IntentStatus::RequiresCapture;
    intent.due_ms = Some(tx.now_ms + AUTHORISED_MS);
    intent.action = None;
    intent.error = None;
    tx.put_charge(&charge)?;
    if !intent.manual {
        return take(tx, intent, intent.amount);
    }
    tx.put_intent(intent)?;
    tx.tell_intent("payment_intent.amount_capturable_updated", intent)
}

fn new_charge(tx: &mut Tx<'_>, intent: &Intent, paid: bool) -> Charge {
    Charge {
        id: tx.id("ch_"),
        intent: intent.id.clone(),
        amount: intent.amount,
        currency: intent.currency.clone(),
        captured: 0,
        refunded: 0,
        paid,
        taken: false,
        disputed: false,
        created: tx.now(),
    }
}

/// The bank says no.
pub(super) fn decline(
    tx: &mut Tx<'_>,
    intent: &mut Intent,
    why: &str,
) -> Result<Fault, rusqlite::Error> {
    let charge = new_charge(tx, intent, false);
    tx.put_charge(&charge)?;
    let fault = Fault::declined(why, "generic_decline", Some(charge.id.clone()));
    intent.status = IntentStatus::RequiresPaymentMethod;
    intent.charge = Some(charge.id);
    intent.error = Some(fault.value());
    intent.action = None;
    intent.due_ms = None;
    tx.put_intent(intent)?;
    tx.tell_intent("payment_intent.payment_failed", intent)?;
    Ok(fault.showing(value(&objects::intent(intent, None))))
}

/// <https://docs.stripe.com/api/payment_intents/capture>
fn capture(tx: &mut Tx<'_>, id: &str, mut params: Params) -> Answered {
    let amount = read!(params.integer_in("amount_to_capture", 1, i64::MAX));
    read!(params.end());
    let mut intent = read!(find(tx, id)?);
    if intent.status != IntentStatus::RequiresCapture {
        return unexpected(tx, &intent)?;
    }
    let amount = amount.unwrap_or(intent.amount);
    if amount > intent.amount {
        let message = "More than was set aside.";
        return began(Fault::invalid("amount_too_large", message).about("amount_to_capture"));
    }
    if let Err(fault) = amounts::check_step(amount, &intent.currency, "amount_to_capture") {
        return began(fault);
    }
    take(tx, &mut intent, amount)?;
    Ok(Ok(show(tx, &intent, false)?))
}

/// The money is taken; what is left of what was set aside is free again.
pub(super) fn take(
    tx: &mut Tx<'_>,
    intent: &mut Intent,
    amount: i64,
) -> Result<(), rusqlite::Error> {
    intent.status = IntentStatus::Succeeded;
    intent.received = amount;
    intent.due_ms = None;
    if let Some(mut charge) = tx.charge_of(intent)? {
        charge.captured = amount;
        charge.taken = true;
        // A partial capture booked the whole charge, and then the rest of it back.
        release(tx, intent, &mut charge, intent.amount - amount, None, true)?;
        tx.put_charge(&charge)?;
    }
    tx.put_intent(intent)?;
    tx.moved(intent, "captured", amount)?;
    tx.tell_intent("payment_intent.succeeded", intent)
}

/// <https://docs.stripe.com/api/payment_intents/cancel>
fn cancel(tx: &mut Tx<'_>, id: &str, mut params: Params) -> Answered {
    let reason = read!(params.one_of("cancellation_reason", &CANCEL_REASONS));
    read!(params.end());
    let mut intent = read!(find(tx, id)?);
    // One that is processing can be cancelled only in rare cases
    // (https://docs.stripe.com/api/payment_intents/cancel): here it cannot.
    if matches!(
        intent.status,
        IntentStatus::Succeeded | IntentStatus::Canceled | IntentStatus::Processing
    ) {
        return unexpected(tx, &intent)?;
    }
    end(tx, &mut intent, reason.as_deref().unwrap_or("requested_by_customer"))?;
    Ok(Ok(show(tx, &intent, false)?))
}

/// Dead: it can never take money.
pub(super) fn end(
    tx: &mut Tx<'_>,
    intent: &mut Intent,
    reason: &str,
) -> Result<(), rusqlite::Error> {
    if intent.status == IntentStatus::RequiresCapture
        && let Some(mut charge) = tx.charge_of(intent)?
    {
        let why = (reason == "automatic").then_some("expired_uncaptured_charge");
        let amount = charge.amount;
        release(tx, intent, &mut charge, amount, why, false)?;
        tx.put_charge(&charge)?;
    }
    intent.status = IntentStatus::Canceled;
    intent.canceled = Some(tx.now());
    intent.reason = Some(reason.to_owned());
    intent.due_ms = None;
    intent.action = None;
    tx.put_intent(intent)?;
    tx.tell_intent("payment_intent.canceled", intent)
}

/// What was set aside is set free again. Before 2025-03-31.basil that made a refund object, which counts
/// as refunded of its charge; an account of an older version still has it where not we but somebody in
/// its dashboard, or time, releases it
/// (<https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow>).
/// No money moved, so the ledger does not have it.
fn release(
    tx: &mut Tx<'_>,
    intent: &Intent,
    charge: &mut Charge,
    amount: i64,
    reason: Option<&str>,
    booked: bool,
) -> Result<(), rusqlite::Error> {
    if !tx.releases || amount <= 0 {
        return Ok(());
    }
    let balance = if booked { Some(tx.id("txn_")) } else { None };
    let refund = Refund {
        id: tx.id("re_"),
        intent: intent.id.clone(),
        charge: charge.id.clone(),
        amount,
        currency: intent.currency.clone(),
        status: "succeeded".into(),
        reason: reason.map(str::to_owned),
        metadata: std::collections::BTreeMap::new(),
        release: true,
        created: tx.now(),
        balance,
        failure: None,
        due_ms: None,
    };
    charge.refunded += amount;
    tx.add_refund(&refund)?;
    tx.tell("charge.refunded", &objects::charge(charge))
}

/// <https://docs.stripe.com/api/refunds/create>
fn refund(tx: &mut Tx<'_>, mut params: Params) -> Answered {
    let intent = read!(params.text("payment_intent"));
    let amount = read!(params.integer_in("amount", 1, i64::MAX));
    let metadata = read!(params.metadata());
    let reason = read!(params.one_of("reason", &REFUND_REASONS));
    read!(params.end());
    let intent = read!(required(intent, "payment_intent"));
    let intent = read!(find(tx, &intent)?);
    match give_back(tx, &intent, amount, metadata, reason)? {
        Ok(refund) => Ok(Ok(json(&objects::refund(&refund)))),
        Err(fault) => began(fault),
    }
}

/// Gives back a part, or what is left.
pub(super) fn give_back(
    tx: &mut Tx<'_>,
    intent: &Intent,
    amount: Option<i64>,
    metadata: std::collections::BTreeMap<String, String>,
    reason: Option<String>,
) -> Done<Refund> {
    let charge = tx.charge_of(intent)?.filter(|charge| charge.taken);
    let Some(mut charge) = charge.filter(|_| intent.status == IntentStatus::Succeeded) else {
        return Ok(Err(Fault::plain("This PaymentIntent has no successful charge to refund.")));
    };
    if charge.disputed {
        let message = "This charge is disputed; the cardholder's bank has the money.";
        return Ok(Err(Fault::invalid("charge_disputed", message)));
    }
    let left = charge.captured - (charge.refunded - tx.released(&intent.id)?);
    if left == 0 {
        let message = "All of this charge was refunded before.";
        return Ok(Err(Fault::invalid("charge_already_refunded", message)));
    }
    let amount = amount.unwrap_or(left);
    if amount > left {
        let message = format!("The refund ({amount}) is more than what is left ({left}).");
        return Ok(Err(Fault::plain(message).about("amount")));
    }
    if let Err(fault) = amounts::check_step(amount, &intent.currency, "amount") {
        return Ok(Err(fault));
    }
    let pending = tx.pending;
    let refund = Refund {
        id: tx.id("re_"),
        intent: intent.id.clone(),
        charge: charge.id.clone(),
        amount,
        currency: intent.currency.clone(),
        status: if pending.is_some() { "pending" } else { "succeeded" }.into(),
        reason,
        metadata,
        release: false,
        created: tx.now(),
        balance: Some(tx.id("txn_")),
        failure: (pending == Some(true)).then(|| "insufficient_funds".into()),
        due_ms: pending.map(|_| tx.now_ms + PENDING_MS),
    };
    charge.refunded += amount;
    tx.add_refund(&refund)?;
    tx.put_charge(&charge)?;
    tx.moved(intent, "refunded", amount)?;
    tx.tell("charge.refunded", &objects::charge(&charge))?;
    Ok(Ok(refund))
}

/// The page of a list: newest first, after the row `starting_after`.
struct Page {
    from: i64,
    to: i64,
    limit: i64,
    after: Option<String>,
}

fn page(params: &mut Params) -> Result<Page, Fault> {
    let (from, to) = params.created()?;
    let limit = params.integer_in("limit", 1, 100)?.unwrap_or(10);
    Ok(Page { from, to, limit, after: params.text("starting_after")? })
}

/// The rows of a page, newest first, from where it begins: a range of the index over `created`, read
/// backwards, so that the last page of a long list costs what the first one does.
pub(super) fn rows(columns: &str, table: &str, and: &str) -> String {
    format!(
        "SELECT {columns} FROM {table} WHERE created >= ?1 AND (created, n) < (?2, ?3) {and}
         ORDER BY created DESC, n DESC LIMIT ?4"
    )
}

/// Where a page begins: below the row of `starting_after`, as `created` and `n`.
fn below(tx: &Tx<'_>, table: &str, page: &Page) -> Done<(i64, i64)> {
    let newest = (page.to, i64::MAX);
    let Some(after) = &page.after else { return Ok(Ok(newest)) };
    let sql = format!("SELECT created, n FROM {table} WHERE id = ?1");
    let mut find = tx.sql.prepare_cached(&sql)?;
    let mut rows = find.query([after])?;
    match rows.next()? {
        Some(row) => Ok(Ok(newest.min((row.get(0)?, row.get(1)?)))),
        None => Ok(Err(Fault::missing("object", after, "starting_after").with_status(400))),
    }
}

/// Only those of one PaymentIntent, by their index, or all.
pub(super) fn of_intent(intent: Option<&str>) -> &'static str {
    if intent.is_some() { "AND intent = ?5" } else { "AND ?5 IS NULL" }
}

fn list<T>(mut rows: Vec<T>, url: &'static str, limit: i64) -> List<T> {
    let has_more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    List { object: "list", url, has_more, data: rows }
}

/// <https://docs.stripe.com/api/payment_intents/list>
fn list_intents(tx: &mut Tx<'_>, mut params: Params) -> Answered {
    let whole = read!(params.expand(Some("data.latest_charge")));
    let page = read!(page(&mut params));
    read!(params.end());
    let below = read!(below(tx, "intents", &page)?);
    let sql = rows(INTENT, "intents", "");
    let ids: Vec<String> = {
        let mut find = tx.sql.prepare_cached(&sql)?;
        let rows = find.query_map(params![page.from, below.0, below.1, page.limit + 1], |row| {
            Ok(Intent::of(row)?.id)
        })?;
        rows.collect::<Result<_, _>>()?
    };
    let mut shown = Vec::new();
    for id in ids {
        let intent = read!(find(tx, &id)?);
        let charge = if whole { tx.charge_of(&intent)? } else { None };
        shown.push(value(&objects::intent(&intent, charge.as_ref())));
    }
    Ok(Ok(json(&list(shown, "/v1/payment_intents", page.limit))))
}

/// <https://docs.stripe.com/api/refunds/list>
fn list_refunds(tx: &mut Tx<'_>, mut params: Params) -> Answered {
    let intent = read!(params.text("payment_intent"));
    let page = read!(page(&mut params));
    read!(params.end());
    if let Some(id) = &intent {
        read!(find(tx, id)?);
    }
    let below = read!(below(tx, "refunds", &page)?);
    let sql = rows(REFUND, "refunds", of_intent(intent.as_deref()));
    let mut find = tx.sql.prepare_cached(&sql)?;
    let rows: Vec<Refund> = find
        .query_map(params![page.from, below.0, below.1, page.limit + 1, intent], Refund::of)?
        .collect::<Result<_, _>>()?;
    let shown: Vec<_> = rows.iter().map(objects::refund).collect();
    Ok(Ok(json(&list(shown, "/v1/refunds", page.limit))))
}

/// <https://docs.stripe.com/api/disputes/list>
fn list_disputes(tx: &mut Tx<'_>, mut params: Params) -> Answered {
    let intent = read!(params.text("payment_intent"));
    let page = read!(page(&mut params));
    read!(params.end());
    let below = read!(below(tx, "disputes", &page)?);
    let sql = rows(DISPUTE, "disputes", of_intent(intent.as_deref()));
    let mut find = tx.sql.prepare_cached(&sql)?;
    let rows: Vec<Dispute> = find
        .query_map(params![page.from, below.0, below.1, page.limit + 1, intent], Dispute::of)?
        .collect::<Result<_, _>>()?;
    let shown: Vec<_> = rows.iter().map(objects::dispute).collect();
    Ok(Ok(json(&list(shown, "/v1/disputes", page.limit))))
}
