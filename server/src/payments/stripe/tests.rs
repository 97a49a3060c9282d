//! What each answer means, and what is asked. The whole way to the fake Stripe and back is tested
//! elsewhere; here are the answers that a fake would hardly give.

mod asked;
mod fuzz;
mod genuine;
mod lists;

use super::*;
use crate::clock::Clock;
use crate::payments::governor::Governor;
use crate::payments::wire::Exchange;
use boxoffice::{AttemptState, IntentStatus, OrderId, OrderState, PaymentId};
use bytes::Bytes;
use nts_testkit::fixtures;
use std::collections::VecDeque;
use std::sync::Mutex;

/// Gives prepared answers and remembers what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<WireResponse, Lost>>>,
    asked: Mutex<Vec<WireRequest>>,
}

impl Wire for Script {
    fn exchange(&self, request: WireRequest) -> Exchange<'_> {
        self.asked.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front().expect("an answer is prepared");
        Box::pin(async { answer })
    }
}

fn response(status: u16, body: &str) -> WireResponse {
    let body = Bytes::copy_from_slice(body.as_bytes());
    WireResponse { status, request_id: None, should_retry: None, retry_after_ms: None, body }
}

/// The machine's own.
fn clock() -> Arc<DatabaseClock> {
    Arc::new(DatabaseClock::new(Clock::System))
}

fn client(answers: Vec<Result<WireResponse, Lost>>) -> (Stripe, Arc<Script>) {
    client_at(clock(), answers)
}

fn client_at(
    clock: Arc<DatabaseClock>,
    answers: Vec<Result<WireResponse, Lost>>,
) -> (Stripe, Arc<Script>) {
    let script = Arc::new(Script { answers: Mutex::new(answers.into()), ..Script::default() });
    let ids = Arc::new(Ids::new([1; 32], 0));
    let wire = Box::new(Arc::clone(&script));
    let shop = "SHOP".to_owned();
    (Stripe::new(wire, Governor::unlimited(), ids, clock, false, shop), script)
}

fn order() -> Order {
    let payment = fixtures::payment(&[]);
    Order {
        lines: vec![fixtures::line(2, 999)],
        payment: Some(payment),
        ..fixtures::order(OrderState::Paying)
    }
}

async fn capture(answer: Result<WireResponse, Lost>) -> Result<Intent, CallError> {
    let (stripe, _) = client(vec![answer]);
    let turn = stripe.governor().turn(Endpoint::Capture).await;
    let order = order();
    stripe.capture(turn, &order, order.payment.as_ref().unwrap()).await
}

const SUCCEEDED: &str = r#"{"id":"pi_1","object":"payment_intent","status":"succeeded","amount":1998,
    "amount_received":1998,"currency":"gbp","livemode":false,"created":1,"client_secret":"pi_1_secret_x",
    "metadata":{"nts_order":"00000000-0000-0000-0000-000000000007"},"next_action":null,
    "last_payment_error":null,"latest_charge":"ch_1","something_new":{"a":[1]}}"#;

#[tokio::test]
async fn every_answer_has_one_meaning() {
    let error = |kind: &str, code: &str| {
        format!(r#"{{"error":{{"type":"{kind}","code":"{code}","message":"Words."}}}}"#)
    };
    let card = error("card_error", "card_declined");
    let request = error("invalid_request_error", "parameter_unknown");
    let api = error("api_error", "");
    let cases: Vec<(u16, &str, Option<bool>, &str)> = vec![
        (200, SUCCEEDED, None, "ok"),
        (402, &card, None, "declined"),
        (402, &request, None, "refused"),
        (400, &request, None, "refused"),
        (404, &request, None, "refused"),
        (400, &error("idempotency_error", "idempotency_error"), None, "key"),
        (400, &request, Some(true), "unknown"),
        (401, &request, None, "key refused"),
        (403, &request, None, "not allowed"),
        (424, &api, None, "unknown"),
        (424, &request, None, "unknown"),
        (429, &error("invalid_request_error", "lock_timeout"), None, "not done"),
        (429, &request, None, "not done"),
        (429, "<html>busy</html>", None, "not done"),
        (409, &request, None, "unknown"),
        (500, &api, None, "unknown"),
        (500, &api, Some(false), "unknown"),
        (503, "", None, "unknown"),
        (502, "<html>Bad gateway</html>", None, "unknown"),
        (404, "<html>some proxy</html>", None, "unknown"),
        (302, "", None, "unknown"),
        (200, "<html>Welcome to the hotel's network</html>", None, "unknown"),
        (200, &SUCCEEDED[..100], None, "unknown"),
        (200, &SUCCEEDED.replace("succeeded", "on_the_moon"), None, "unknown"),
        (200, &SUCCEEDED.replace("\"gbp\"", "\"??\""), None, "unknown"),
        (200, "{}", None, "unknown"),
        (200, "", None, "unknown"),
    ]
    .into_iter()
    .map(|(status, body, retry, told)| (status, body.to_owned().leak() as &str, retry, told))
    .collect();
    for (status, body, should_retry, expected) in cases {
        let answer = WireResponse { should_retry, ..response(status, body) };
        let told = match capture(Ok(answer)).await {
            Ok(_) => "ok",
            Err(CallError::Declined(why)) => {
                assert_eq!(why, "Words.");
                "declined"
            }
            Err(CallError::Refused(_)) => "refused",
            Err(CallError::NotDone(..)) => "not done",
            Err(CallError::KeyReuse(_)) => "key",
            Err(CallError::KeyRefused(_)) => "key refused",
            Err(CallError::NotAllowed(_)) => "not allowed",
            Err(CallError::Unknown(_)) => "unknown",
        };
        assert_eq!(told, expected, "{status} {body}");
    }
    let lost = capture(Err(Lost::Unknown("reset".into()))).await;
    assert!(matches!(lost, Err(CallError::Unknown(_))));
    let never = capture(Err(Lost::NotSent("refused".into()))).await;
    assert!(matches!(never, Err(CallError::NotDone(_, None))));
    let slow = WireResponse { retry_after_ms: Some(2_000), ..response(429, &request) };
    assert!(matches!(capture(Ok(slow)).await, Err(CallError::NotDone(_, Some(2_000)))));
}

#[tokio::test]
async fn what_is_read_is_what_stripe_said() {
    let intent = capture(Ok(response(200, SUCCEEDED))).await.unwrap();
    assert_eq!((intent.status, intent.received_minor), (IntentStatus::Succeeded, 1998));
    assert_eq!((intent.order, intent.payment, intent.live), (Some(OrderId(7)), None, false));
    assert_eq!(intent.action, None, "a secret is only handed out when the bank asks");
    let asks = SUCCEEDED.replace("succeeded", "requires_action");
    let intent = capture(Ok(response(200, &asks))).await.unwrap();
    assert_eq!(intent.action.as_deref(), Some("pi_1_secret_x"));
    let url = r#"{"type":"redirect_to_url","redirect_to_url":{"url":"https://bank/x"}}"#;
    let asks = asks.replace(r#""next_action":null"#, &format!(r#""next_action":{url}"#));
    let intent = capture(Ok(response(200, &asks))).await.unwrap();
    assert_eq!(intent.action.as_deref(), Some("https://bank/x"));
}

#[tokio::test]
async fn what_is_asked_carries_its_key_and_never_confirms_by_the_way() {
    let charge = r#""latest_charge":{"id":"ch_1","amount_refunded":0,"disputed":false}"#;
    let whole = SUCCEEDED.replace(r#""latest_charge":"ch_1""#, charge);
    let ok = || Ok(response(200, &whole));
    let (stripe, script) = client((0..5).map(|_| ok()).collect());
    let mut order = order();
    let payment = order.payment.clone().unwrap();
    let turn = || Turn { endpoint: Endpoint::Create, waited: false };
    let attempt =
        Attempt { number: 2, token: "ctoken_1".into(), state: AttemptState::Pending, begun_ms: 0 };
    stripe.create(turn(), &order, &payment).await.unwrap();
    stripe.confirm(turn(), &order, &payment, &attempt, "https://here/").await.unwrap();
    stripe.read(turn(), &order, &payment).await.unwrap();
    order.tries = 4;
    stripe.create(turn(), &order, &payment).await.unwrap();
    stripe.capture(turn(), &order, &payment).await.unwrap();
    let asked = script.asked.lock().unwrap();
    let shown: Vec<String> = asked
        .iter()
        .map(|r| {
            let form: Vec<String> = r.form.iter().map(|(n, v)| format!("{n}={v}")).collect();
            format!("{} {} {}", r.method, r.path, form.join("&"))
        })
        .collect();
    assert_eq!(
        shown[0],
        "POST /v1/payment_intents amount=1998&currency=gbp&capture_method=manual\
         &allowed_payment_method_types[0]=card\
         &metadata[nts_order]=00000000-0000-0000-0000-000000000007\
         &metadata[nts_payment]=00000000-0000-0000-0000-000000000008&metadata[nts_shop]=SHOP\
         &description=Order 00000000-0000-0000-0000-000000000007"
    );
    assert_eq!(
        shown[1],
        "POST /v1/payment_intents/pi_1/confirm return_url=https://here/&confirmation_token=ctoken_1"
    );
    assert_eq!(shown[2], "GET /v1/payment_intents/pi_1?expand[]=latest_charge ");
    assert_eq!(shown[4], "POST /v1/payment_intents/pi_1/capture amount_to_capture=1998");
    let keys: Vec<Option<&str>> = asked.iter().map(|r| r.key.as_deref()).collect();
    let id = "nts-00000000000000000000000000000008";
    assert_eq!(keys[0], Some(format!("{id}-create-0").as_str()));
    assert_eq!(keys[1], Some(format!("{id}-confirm-2-0").as_str()));
    assert_eq!(keys[2], None);
    assert_eq!(keys[3], Some(format!("{id}-create-1").as_str()), "not stuck behind a replayed 500");
}

#[tokio::test]
async fn who_is_out_of_reach_is_known_until_it_answers() {
    let no = || Err(Lost::NotSent("no".into()));
    let (stripe, _) = client(vec![no(), no(), no(), no(), no(), Ok(response(404, "{}"))]);
    for n in 0..5 {
        assert!(!stripe.out_of_reach(), "after {n}");
        _ = stripe.list(0, None).await;
    }
    assert!(stripe.out_of_reach());
    _ = stripe.list(0, None).await;
    assert!(!stripe.out_of_reach());
}

#[tokio::test]
async fn an_id_from_outside_cannot_lead_elsewhere() {
    let (stripe, script) = client(vec![]);
    for id in ["", "pi_1/cancel", "../refunds", "pi_1?x=1", "pi 1", "é", &"a".repeat(256)] {
        let turn = stripe.governor().turn(Endpoint::Read).await;
        assert!(matches!(stripe.read_id(turn, id, true).await, Err(CallError::Refused(_))), "{id}");
    }
    assert!(script.asked.lock().unwrap().is_empty());
}

#[test]
fn what_is_quoted_back_at_us_is_blotted_out() {
    for (text, clean) in [
        ("No such confirmation token: 'ctoken_1abc'", "No such confirmation token: '(not shown)'"),
        ("Invalid API Key provided: sk_test_****1234.", "Invalid API Key provided: (not shown)."),
        ("pi_1_secret_x and whsec_1, tok_visa", "(not shown) and (not shown), (not shown)"),
        ("No such payment_intent: 'pi_1'; é", "No such payment_intent: 'pi_1'; é"),
        ("The card-sk_test_1 of *tok_visa", "The (not shown) of (not shown)"),
        ("invalid ask_ and desk_top", "invalid ask_ and desk_top"),
    ] {
        assert_eq!(redact(text), clean);
    }
}

#[test]
fn only_what_stripe_gives_for_a_card_is_a_token() {
    let long = "a".repeat(250);
    for token in ["ctoken_ok", "ctoken_3ds_sdk_1", "tok_visa", "tok_1NxY2z", &format!("tok_{long}")]
    {
        assert!(is_token(token), "{token}");
    }
    let longer = format!("ctoken_{long}a");
    for junk in [
        "",
        "x",
        "ctoken_",
        "tok_",
        "pm_card_visa",
        "ctoken_a b",
        "ctoken_ü",
        "CTOKEN_ok",
        " tok_visa",
        "tok_a\n",
        "tok_a-b",
        "xtok_visa",
        &longer,
    ] {
        assert!(!is_token(junk), "{junk:?}");
    }
}

#[test]
fn buyers_read_what_stripe_writes_for_cardholders_and_nothing_else() {
    let said = |kind: &str, code: Option<&str>, message: &str| {
        let error = serde_json::json!({"type": kind, "code": code, "message": message});
        let error: objects::ErrorObject = serde_json::from_value(error).unwrap();
        error.for_the_buyer()
    };
    let declined = "Your card was declined.";
    assert_eq!(said("card_error", Some("card_declined"), declined), declined);
    let failed = Some("payment_intent_authentication_failure");
    for kind in ["invalid_request_error", "card_error"] {
        let told = said(kind, failed, "The provided PaymentMethod has failed authentication.");
        assert_eq!(told, "Your bank did not confirm that it is you (3-D Secure).");
    }
    let account = ("invalid_request_error", "Your account acct_1 cannot.");
    for (kind, message) in [account, ("card_error", ""), ("api_error", "x")] {
        assert_eq!(said(kind, None, message), "The bank did not accept the card.");
    }
}

/// Every way in which one field of a JSON object, however deep, can be null or absent, each with the
/// path of that field.
fn bare(value: &serde_json::Value) -> Vec<(String, bool, serde_json::Value)> {
    use serde_json::Value;
    let mut all = Vec::new();
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let mut null = fields.clone();
                null.insert(name.clone(), Value::Null);
                all.push((name.clone(), true, null.into()));
                let mut absent = fields.clone();
                absent.remove(name);
                all.push((name.clone(), false, absent.into()));
                for (path, is_null, inner) in bare(inner) {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), inner);
                    all.push((format!("{name}.{path}"), is_null, fields.into()));
                }
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                for (path, is_null, item) in bare(item) {
                    let mut items = items.clone();
                    items[n] = item;
                    all.push((format!("{n}.{path}"), is_null, items.into()));
                }
            }
        }
        _ => {}
    }
    all
}

/// The objects of the fake, recorded, with every field of Stripe's schema that we look at.
const WHOLE: &str = r#"{"id":"pi_1","object":"payment_intent","status":"STATUS","amount":1998,
    "amount_capturable":0,"amount_received":1998,"canceled_at":null,"cancellation_reason":null,
    "capture_method":"manual","client_secret":"pi_1_secret_x","currency":"gbp","created":1,
    "description":"Order","livemode":false,
    "metadata":{"nts_order":"00000000-0000-0000-0000-000000000007",
                "nts_payment":"00000000-0000-0000-0000-000000000008","nts_shop":"SHOP"},
    "next_action":{"type":"redirect_to_url","redirect_to_url":{"url":"https://bank/x","return_url":null}},
    "last_payment_error":{"type":"card_error","code":"card_declined","message":"No.","decline_code":"x"},
    "latest_charge":{"id":"ch_1","object":"charge","amount":1998,"amount_captured":1998,
        "amount_refunded":700,"captured":true,"disputed":true,"paid":true,"refunded":false}}"#;
const REFUNDS: &str = r#"{"object":"list","url":"/v1/refunds","has_more":false,"data":[
    {"id":"re_2","object":"refund","amount":500,"balance_transaction":"txn_2","charge":"ch_1","created":3,
     "currency":"gbp","metadata":{},"payment_intent":"pi_1","reason":null,"status":"succeeded"},
    {"id":"re_1","object":"refund","amount":200,"balance_transaction":"txn_1","charge":"ch_1","created":2,
     "currency":"gbp","metadata":{"nts_refund":"00000000-0000-0000-0000-000000000009",
     "nts_order":"00000000-0000-0000-0000-000000000007"},"payment_intent":"pi_1",
     "reason":"requested_by_customer","failure_reason":"unknown","status":"failed"}]}"#;
const DISPUTES: &str = r#"{"object":"list","url":"/v1/disputes","has_more":false,"data":[
    {"id":"du_1","object":"dispute","amount":1998,"charge":"ch_1","created":4,"currency":"gbp",
     "livemode":false,"payment_intent":"pi_1","reason":"fraudulent","status":"under_review"}]}"#;

/// What Stripe's own schema calls nullable or optional (github.com/stripe/openapi), of what we look at.
fn may_be_bare(what: &str, path: &str, is_null: bool) -> bool {
    let leaf = path.rsplit('.').next().unwrap_or_default();
    let nullable = [
        "canceled_at",
        "cancellation_reason",
        "client_secret",
        "description",
        "next_action",
        "redirect_to_url",
        "last_payment_error",
        "latest_charge",
        "balance_transaction",
        "charge",
        "payment_intent",
        "reason",
        "status",
        "metadata",
        "code",
        "message",
        "decline_code",
        "failure_reason",
        "url",
        "return_url",
    ];
    let optional = ["code", "message", "decline_code", "failure_reason"];
    match path.split('.').next() {
        // What is nullable of a refund is promised of a payment and of a dispute.
        Some("status" | "metadata" | "amount" | "currency") => path.starts_with("metadata."),
        _ if path.starts_with("metadata.") => true,
        _ if path.contains(".metadata.") => true,
        _ if leaf == "status" => is_null && what == "refunds",
        _ => (is_null && nullable.contains(&leaf)) || optional.contains(&leaf),
    }
}

async fn read_of(intent: String, refunds: String, disputes: String) -> Result<Intent, CallError> {
    let (stripe, _) = client(vec![
        Ok(response(200, &intent)),
        Ok(response(200, &refunds)),
        Ok(response(200, &disputes)),
    ]);
    let turn = stripe.governor().turn(Endpoint::Read).await;
    let order = order();
    stripe.read(turn, &order, order.payment.as_ref().unwrap()).await
}

/// Ids of refunds that somebody else made are dated like everything that is recorded: other ids of the process follow them,
/// and their time is compared with others.
#[tokio::test]
async fn a_refund_that_is_found_is_dated_by_the_clock_of_the_database() {
    let clock = clock();
    let (now, asked) = (clock.own_ms() - 3_600_000, clock.steady_ms());
    clock.saw_between(now, asked, asked);
    let whole = WHOLE.replace("STATUS", "succeeded");
    let (stripe, _) = client_at(
        Arc::clone(&clock),
        vec![Ok(response(200, &whole)), Ok(response(200, REFUNDS)), Ok(response(200, DISPUTES))],
    );
    let turn = stripe.governor().turn(Endpoint::Read).await;
    let order = order();
    let read = stripe.read(turn, &order, order.payment.as_ref().unwrap()).await.unwrap();
    assert_eq!(read.refunds.len(), 2);
    for refund in read.refunds {
        let dated = (refund.fresh.0 >> 80) as i64;
        assert!((now..now + 60_000).contains(&dated), "{dated} at {now}");
    }
}

/// Whatever field is null or missing: what is documented as nullable is read, nothing panics, and what is
/// read never says another sum, another state, or another refund than there is.
#[tokio::test]
async fn a_null_or_a_missing_field_never_makes_another_statement() {
    let whole = WHOLE.replace("STATUS", "succeeded");
    let (intent, refunds, disputes): (serde_json::Value, serde_json::Value, serde_json::Value) = (
        serde_json::from_str(&whole).unwrap(),
        serde_json::from_str(REFUNDS).unwrap(),
        serde_json::from_str(DISPUTES).unwrap(),
    );
    let good = read_of(whole.clone(), REFUNDS.into(), DISPUTES.into()).await.unwrap();
    assert_eq!((good.refunds.len(), good.dispute.is_some()), (2, true));
    let mut read = 0;
    let mut check =
        async |what: &str, path: &str, null: bool, answer: Result<Intent, CallError>| {
            let told = format!("{what}: {path} {}", if null { "null" } else { "missing" });
            match answer {
                Err(CallError::Unknown(_)) => {
                    assert!(!may_be_bare(what, path, null), "{told} is documented, and unreadable");
                }
                Err(other) => panic!("{told}: {other}"),
                Ok(got) => {
                    read += 1;
                    let (is, was) = (
                        (&got.id, got.status, got.amount, got.received_minor, got.live),
                        (&good.id, good.status, good.amount, good.received_minor, good.live),
                    );
                    assert_eq!(is, was, "{told}");
                    assert!(got.order.is_none() || got.order == good.order, "{told}");
                    assert!(got.payment.is_none() || got.payment == good.payment, "{told}");
                    assert_eq!(got.dispute, good.dispute, "{told}");
                    for (now, then) in got.refunds.iter().zip(&good.refunds) {
                        assert_eq!(
                            (&now.provider_id, now.amount_minor),
                            (&then.provider_id, then.amount_minor)
                        );
                        // Without its status it is under way, never done or failed.
                        assert!(!now.done || then.done, "{told}");
                        assert!(!now.failed || then.failed, "{told}");
                    }
                    assert_eq!(got.refunds.len(), good.refunds.len(), "{told}");
                }
            }
        };
    for (path, null, bare) in bare(&intent) {
        let answer = read_of(bare.to_string(), REFUNDS.into(), DISPUTES.into()).await;
        check("intent", &path, null, answer).await;
    }
    for (path, null, bare) in bare(&refunds) {
        let answer = read_of(whole.clone(), bare.to_string(), DISPUTES.into()).await;
        check("refunds", &path, null, answer).await;
    }
    for (path, null, bare) in bare(&disputes) {
        let answer = read_of(whole.clone(), REFUNDS.into(), bare.to_string()).await;
        check("disputes", &path, null, answer).await;
    }
    assert!(read > 50, "{read}");
}

/// An answer that is about something else, or about nothing, says nothing of what was asked.
#[tokio::test]
async fn an_answer_about_something_else_is_no_answer() {
    for (from, to) in [
        (r#""id":"pi_1""#, r#""id":"pi_2""#),
        (r#""id":"pi_1""#, r#""id":"""#),
        (r#""amount":1998"#, r#""amount":-1998"#),
        (r#""amount_received":1998"#, r#""amount_received":-1"#),
        (r#""amount_received":1998"#, r#""amount_received":9223372036854775807"#),
    ] {
        let answer = SUCCEEDED.replace(from, to);
        assert_ne!(answer, SUCCEEDED);
        let got = capture(Ok(response(200, &answer))).await;
        assert!(matches!(got, Err(CallError::Unknown(_))), "{to}: {got:?}");
    }
    // A payment whose id cannot be asked for could never be settled.
    for id in ["", "pi_1/capture", "pi 1", "é"] {
        let answer = SUCCEEDED.replace(r#""id":"pi_1""#, &format!(r#""id":"{id}""#));
        let (stripe, _) = client(vec![Ok(response(200, &answer))]);
        let turn = stripe.governor().turn(Endpoint::Create).await;
        let order = order();
        let made = stripe.create(turn, &order, order.payment.as_ref().unwrap()).await;
        assert!(matches!(made, Err(CallError::Unknown(_))), "{id:?}: {made:?}");
    }
    for (from, to) in [
        (r#""amount":500"#, r#""amount":499"#),
        (r#""payment_intent":"pi_1""#, r#""payment_intent":"pi_2""#),
        (r#""id":"re_1""#, r#""id":"""#),
        ("000000000009", "00000000000a"),
    ] {
        let answer = REFUNDED.replace(from, to);
        assert_ne!(answer, REFUNDED);
        let got = give_back(vec![Ok(response(200, &answer))]).await;
        assert!(matches!(got, Err(CallError::Unknown(_))), "{to}: {got:?}");
    }
    let made = give_back(vec![Ok(response(200, REFUNDED))]).await;
    assert_eq!(made, Ok(RefundOutcome::Succeeded("re_1".into())));
}

const REFUNDED: &str = r#"{"id":"re_1","object":"refund","amount":500,"currency":"gbp","payment_intent":"pi_1",
    "metadata":{"nts_refund":"00000000-0000-0000-0000-000000000009"},"status":"succeeded"}"#;

async fn give_back(answers: Vec<Result<WireResponse, Lost>>) -> Done<RefundOutcome> {
    let (stripe, _) = client(answers);
    let (order, refund) = (order(), refund());
    let turn = stripe.governor().turn(Endpoint::Refund).await;
    stripe.refund(turn, &order, order.payment.as_ref().unwrap(), &refund).await
}

fn refund() -> Refund {
    Refund {
        id: boxoffice::RefundId(9),
        amount_minor: 500,
        quantities: vec![1],
        restock: false,
        state: boxoffice::RefundState::Pending,
        by_hand: false,
        of_amount: false,
    }
}

/// A list whose next page is the same page once more has no end.
#[tokio::test]
async fn a_list_that_does_not_go_on_is_given_up() {
    let page = REFUNDS.replace(r#""has_more":false"#, r#""has_more":true"#);
    let (stripe, script) = client((0..9).map(|_| Ok(response(200, &page))).collect());
    let turn = stripe.governor().turn(Endpoint::Refunds).await;
    let order = order();
    let found = stripe.find_refund(turn, order.payment.as_ref().unwrap(), &refund()).await;
    assert!(matches!(found, Err(CallError::Unknown(_))), "{found:?}");
    assert_eq!(script.asked.lock().unwrap().len(), 2);
}

/// A sum is received only if Stripe says so.
#[tokio::test]
async fn a_payment_that_does_not_say_what_was_received_is_waited_for() {
    for bare in ["", r#""amount_received":null,"#] {
        let body = SUCCEEDED.replace(r#""amount_received":1998,"#, bare);
        assert_ne!(body, SUCCEEDED);
        assert!(matches!(capture(Ok(response(200, &body))).await, Err(CallError::Unknown(_))));
    }
    let error = r#"{"error":{"type":"card_error","code":null,"message":null}}"#;
    let declined = capture(Ok(response(402, error))).await;
    assert!(matches!(declined, Err(CallError::Declined(why)) if !why.is_empty()));
    for error in [r#"{"error":{}}"#, r#"{"error":{"type":null,"message":null}}"#] {
        let refused = capture(Ok(response(400, error))).await;
        assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
    }
}
