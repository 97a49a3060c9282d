//! What each answer means, and what is asked. The whole way to Stripe's double and back is tested
//! elsewhere; here are the answers that a double would hardly give.

use super::*;
use crate::payments::governor::Governor;
use crate::payments::wire::Exchange;
use boxoffice::{
    AttemptState, Buyer, BuyerKey, Currency, EventId, IntentStatus, Line, OrderId, OrderState,
    PaymentId,
};
use bytes::Bytes;
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

fn client(answers: Vec<Result<WireResponse, Lost>>) -> (Stripe, Arc<Script>) {
    let script = Arc::new(Script { answers: Mutex::new(answers.into()), ..Script::default() });
    let ids = Arc::new(Ids::new([1; 32], 0));
    let wire = Box::new(Arc::clone(&script));
    let shop = "SHOP".to_owned();
    (Stripe::new(wire, Governor::unlimited(), ids, Clock::System, false, shop), script)
}

fn order() -> Order {
    let line =
        Line { ticket_type: 0, pool: 0, quantity: 2, unit_minor: 999, refunded: 0, restocked: 0 };
    let payment = Payment {
        id: PaymentId(8),
        intent: Some("pi_1".into()),
        live: false,
        action: None,
        attempts: vec![],
        dispute: None,
    };
    Order {
        id: OrderId(7),
        event: EventId(1),
        buyer: Buyer { name: "Ann".into(), email: String::new(), key: BuyerKey(0) },
        lines: vec![line],
        currency: Currency::parse("GBP").unwrap(),
        state: OrderState::Paying,
        placed_ms: 0,
        until_ms: 0,
        due_ms: None,
        tries: 0,
        trouble: None,
        payment: Some(payment),
        refunds: vec![],
        tickets: vec![],
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
    let ok = || Ok(response(200, SUCCEEDED));
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
    ] {
        assert_eq!(redact(text), clean);
    }
}
