//! What the trial of the key says, and the lists of refunds and disputes.

use super::*;
use boxoffice::{Currency, Money, RefundId};
use serde_json::{Value, json};

fn partly(amount: i64, received_minor: i64) -> Intent {
    Intent {
        id: "pi_1".into(),
        status: IntentStatus::Succeeded,
        amount: Money { minor: amount, currency: Currency::parse("GBP").unwrap() },
        received_minor,
        live: false,
        order: None,
        payment: None,
        action: None,
        last_error: None,
        refunds: vec![],
        dispute: None,
    }
}

/// The ids of those that gave money back.
fn kept(amount: i64, received: i64, refunds: &[Value]) -> Vec<String> {
    let refunds = refunds.iter().map(|r| serde_json::from_value(r.clone()).unwrap()).collect();
    let kept = objects::given_back(&partly(amount, received), refunds);
    kept.into_iter().map(|r| r.id).collect()
}

fn refund(id: &str, amount: i64, reason: Option<&str>) -> Value {
    json!({"id": id, "amount": amount, "status": "succeeded", "payment_intent": "pi_1",
           "metadata": {}, "reason": reason, "failure_reason": null})
}

#[test]
fn what_was_only_released_was_not_given_back() {
    let one = |amount, reason| refund("re_1", amount, reason);
    // Of a payment of 1000, so much was received, and there is this refund.
    for (received, refund, counts) in [
        (0, one(1_000, None), false),
        (0, one(300, Some("requested_by_customer")), false),
        (1, one(1, Some("requested_by_customer")), true),
        (600, one(400, None), false),
        (999, one(1, None), false),
        (600, one(300, None), true),
        (600, one(1_600, None), true),
        (600, one(400, Some("duplicate")), true),
        (600, one(400, Some("fraudulent")), true),
        (600, one(400, Some("requested_by_customer")), true),
        (600, one(300, Some("expired_uncaptured_charge")), false),
        (1_000, one(300, Some("expired_uncaptured_charge")), false),
        (1_000, one(1_000, None), true),
        (1_000, one(0, None), true),
    ] {
        let expected: &[&str] = if counts { &["re_1"] } else { &[] };
        assert_eq!(
            kept(1_000, received, std::slice::from_ref(&refund)),
            expected,
            "{received} {refund}"
        );
    }
    let mut failed = one(400, None);
    failed["status"] = "failed".into();
    let mut ours = one(400, None);
    ours["metadata"]["nts_refund"] = "00000000-0000-0000-0000-000000000009".into();
    for refund in [failed, ours] {
        assert_eq!(kept(1_000, 600, std::slice::from_ref(&refund)), ["re_1"], "{refund}");
    }
    // The newest comes first, and the release was made first.
    let two = [refund("re_2", 400, None), refund("re_1", 400, None)];
    assert_eq!(kept(1_000, 600, &two), ["re_2"]);
}

#[tokio::test]
async fn each_status_of_a_payment_is_read() {
    for (word, status) in [
        ("requires_payment_method", IntentStatus::RequiresPaymentMethod),
        ("requires_confirmation", IntentStatus::RequiresConfirmation),
        ("requires_action", IntentStatus::RequiresAction),
        ("processing", IntentStatus::Processing),
        ("requires_capture", IntentStatus::RequiresCapture),
        ("succeeded", IntentStatus::Succeeded),
        ("canceled", IntentStatus::Canceled),
    ] {
        let body = SUCCEEDED.replace("\"succeeded\"", &format!("\"{word}\""));
        assert_eq!(capture(Ok(response(200, &body))).await.unwrap().status, status);
    }
    let mut bare: Value = serde_json::from_str(SUCCEEDED).unwrap();
    bare["metadata"] = Value::Null;
    let read = capture(Ok(response(200, &bare.to_string()))).await;
    assert!(matches!(read, Err(CallError::Unknown(_))), "{read:?}");
}

#[tokio::test]
async fn a_refusal_is_logged_with_the_name_and_the_words_of_it() {
    for (error, expected) in [
        (json!({"type": "t", "code": "c", "message": "Words."}), "c: Words."),
        (json!({"type": "t", "code": null, "message": "Words."}), "t: Words."),
        (json!({"type": null, "code": null, "message": null}), "error: (no message)"),
    ] {
        let body = json!({"error": error}).to_string();
        let refused = capture(Ok(response(400, &body))).await;
        assert_eq!(refused, Err(CallError::Refused(expected.into())));
    }
}

#[test]
fn what_the_key_may_not_do_is_told_once_until_it_may_again() {
    let (stripe, _) = client(vec![]);
    let note = |endpoint, result: Done<()>| stripe.missing.note(endpoint, &result);
    let told = || stripe.missing_permissions().iter().map(|p| p.name).collect::<Vec<_>>();
    let no = || Err(CallError::NotAllowed("no".into()));
    note(Endpoint::Refund, Err(CallError::Unknown("lost".into())));
    assert!(told().is_empty());
    note(Endpoint::Refund, no());
    note(Endpoint::Disputes, no());
    assert_eq!(told(), ["Charges and Refunds: Write", "Disputes: Read"]);
    note(Endpoint::Refund, no());
    note(Endpoint::Read, Ok(()));
    note(Endpoint::Refund, Ok(()));
    note(Endpoint::Disputes, Err(CallError::Unknown("lost".into())));
    note(Endpoint::Disputes, no());
    assert!(told().is_empty());
    note(Endpoint::Refund, no());
    assert_eq!(told(), ["Charges and Refunds: Write"]);
}

fn ok(body: &str) -> Result<WireResponse, Lost> {
    Ok(response(200, body))
}

fn no(status: u16) -> Result<WireResponse, Lost> {
    Ok(response(status, r#"{"error":{"type":"invalid_request_error","message":"No."}}"#))
}

fn lost() -> Result<WireResponse, Lost> {
    Err(Lost::Unknown("reset".into()))
}

const EMPTY: &str = r#"{"data":[],"has_more":false}"#;

/// The answers to a trial before the payment is cancelled: of what was created, all is refused.
fn trial() -> Vec<Result<WireResponse, Lost>> {
    let lists = || [ok(EMPTY), ok(EMPTY), ok(EMPTY)];
    let calls = [ok(SUCCEEDED), ok(SUCCEEDED), no(400), no(400), no(400)];
    lists().into_iter().chain(calls).collect()
}

#[tokio::test]
async fn the_trial_asks_for_all_that_the_sale_needs_and_leaves_nothing_behind() {
    let mut answers = trial();
    answers.push(ok(SUCCEEDED));
    // The next time the list of disputes and creating are not allowed, and the rest is asked of none.
    let next = [ok(EMPTY), ok(EMPTY), no(403), no(403)];
    answers.extend(next.into_iter().chain((0..5).map(|_| no(404))));
    let (stripe, script) = client(answers);
    assert_eq!(stripe.try_permissions().await, Ok(()));
    assert!(stripe.missing_permissions().is_empty());
    assert_eq!(stripe.try_permissions().await, Ok(()));
    let missing: Vec<_> = stripe.missing_permissions().iter().map(|p| p.what).collect();
    assert_eq!(missing, ["begin a payment", "list disputes"]);
    let asked = script.asked.lock().unwrap();
    let asked: Vec<_> = asked.iter().map(|r| format!("{} {}", r.method, r.path)).collect();
    let sale = |id: &str| {
        [
            "GET /v1/payment_intents?limit=1&expand[]=data.latest_charge".to_owned(),
            "GET /v1/refunds?limit=1".to_owned(),
            "GET /v1/disputes?limit=1".to_owned(),
            "POST /v1/payment_intents".to_owned(),
            format!("GET /v1/payment_intents/{id}?expand[]=latest_charge"),
            format!("POST /v1/payment_intents/{id}/confirm"),
            format!("POST /v1/payment_intents/{id}/capture"),
            "POST /v1/refunds".to_owned(),
            format!("POST /v1/payment_intents/{id}/cancel"),
        ]
    };
    assert_eq!(asked, [sale("pi_1"), sale("pi_nts_probe")].concat());
}

/// The last part of the keys under which the payment of the trial was asked for.
fn created(script: &Script) -> Vec<String> {
    let asked = script.asked.lock().unwrap();
    let keys = asked.iter().filter_map(|r| r.key.as_deref()?.split_once("-create-"));
    keys.map(|(_, end)| end.to_owned()).collect()
}

#[tokio::test]
async fn a_trial_whose_end_is_not_known_is_asked_for_under_the_same_key() {
    let mut answers = trial();
    answers.extend((0..6).map(|_| lost()));
    answers.extend(trial());
    answers.extend([lost(), lost(), ok(SUCCEEDED)]);
    answers.extend(trial());
    answers.push(no(404));
    answers.extend(trial());
    answers.push(ok(SUCCEEDED));
    let (stripe, script) = client(answers);
    assert!(matches!(stripe.try_permissions().await, Err(CallError::Unknown(_))));
    for _ in 0..3 {
        assert_eq!(stripe.try_permissions().await, Ok(()));
    }
    assert_eq!(created(&script), ["0-0", "0-0", "1-0", "2-0"]);
    let asked = script.asked.lock().unwrap();
    let cancels = asked.iter().filter(|r| r.path.ends_with("/cancel"));
    let tries = cancels.filter_map(|r| r.key.as_deref()?.rsplit('-').next());
    assert_eq!(tries.collect::<String>(), "012345".to_owned() + "012" + "0" + "0");
}

#[tokio::test]
async fn after_ten_creations_that_are_not_known_another_key_is_used() {
    let lists = || [ok(EMPTY), ok(EMPTY), ok(EMPTY)];
    let answers = (0..21).flat_map(|_| lists().into_iter().chain([lost()])).collect();
    let (stripe, script) = client(answers);
    for _ in 0..21 {
        assert!(stripe.try_permissions().await.is_err());
    }
    let keys = created(&script);
    assert_eq!((&*keys[9], &*keys[10], &*keys[19], &*keys[20]), ("0-0", "0-1", "0-1", "0-2"));
}

#[tokio::test]
async fn a_trial_that_nobody_answers_says_nothing_of_permissions() {
    for n in 0..3 {
        let mut answers: Vec<_> = (0..n).map(|_| ok(EMPTY)).collect();
        answers.push(no(401));
        let (stripe, _) = client(answers);
        assert!(matches!(stripe.try_permissions().await, Err(CallError::KeyRefused(_))), "{n}");
    }
    // The payment that was created is cancelled all the same.
    for n in 4..8 {
        let mut answers = trial();
        answers.truncate(n);
        answers.extend([lost(), ok(SUCCEEDED)]);
        let (stripe, script) = client(answers);
        assert!(matches!(stripe.try_permissions().await, Err(CallError::Unknown(_))), "{n}");
        assert_eq!(script.answers.lock().unwrap().len(), 0, "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_lists_say_what_was_done_by_others_and_what_was_seen_is_known_until_it_changes() {
    let expired = r#"{"id":"re_3","amount":5,"status":"succeeded","metadata":{},"payment_intent":"pi_2",
                      "reason":"expired_uncaptured_charge","failure_reason":null}"#;
    let refunds = REFUNDS.replace("\"data\":[", &format!("\"data\":[{expired},"));
    let first = refunds.replace("\"has_more\":false", "\"has_more\":true");
    let changed = DISPUTES.replace("under_review", "won");
    let answers = vec![ok(&first), ok(EMPTY), ok(DISPUTES), ok(&refunds), ok(&changed)];
    let (stripe, script) = client(answers);
    let since = Since { refunds_s: 5, disputes_s: 6 };
    let begun = tokio::time::Instant::now();
    let [of_refunds, of_disputes] = stripe.signs(since).await;
    let (of_refunds, of_disputes) = (of_refunds.unwrap(), of_disputes.unwrap());
    assert!(begun.elapsed() >= BETWEEN_PAGES, "the sale goes first");
    assert_eq!(of_refunds.len(), 2, "what expired is no refund");
    assert_eq!((of_refunds[0].intent.as_deref(), &of_refunds[0].ours), (Some("pi_1"), &None));
    let failed = RefundOutcome::Failed("unknown".into());
    let ours = (RefundId(9), Some(OrderId(7)), Some(failed));
    assert_eq!(of_refunds[1].ours, Some(ours));
    assert_eq!((of_disputes[0].intent.as_deref(), &of_disputes[0].ours), (Some("pi_1"), &None));
    let mut seen = Seen::default();
    for sign in of_refunds.iter().chain(&of_disputes) {
        assert!(!seen.has(sign));
        seen.add(sign);
        assert!(seen.has(sign));
    }
    let [of_refunds, of_disputes] = stripe.signs(since).await;
    assert!(of_refunds.unwrap().iter().all(|sign| seen.has(sign)));
    assert!(!of_disputes.unwrap().iter().any(|sign| seen.has(sign)));
    let asked = script.asked.lock().unwrap();
    assert_eq!(asked[0].path, "/v1/refunds?created[gte]=5&limit=100");
    assert_eq!(asked[1].path, "/v1/refunds?created[gte]=5&limit=100&starting_after=re_1");
    assert_eq!(asked[2].path, "/v1/disputes?created[gte]=6&limit=100");
}

#[tokio::test(start_paused = true)]
async fn what_an_order_waits_for_is_read_without_a_pause() {
    let page = REFUNDS.replace("\"has_more\":false", "\"has_more\":true");
    let (stripe, _) = client(vec![ok(&page), ok(EMPTY)]);
    let turn = stripe.governor().turn(Endpoint::Refunds).await;
    let order = order();
    let refund = boxoffice::Refund {
        id: RefundId(9),
        amount_minor: 200,
        quantities: vec![],
        restock: false,
        state: boxoffice::RefundState::Pending,
        by_hand: false,
        of_amount: false,
    };
    let begun = tokio::time::Instant::now();
    let found = stripe.find_refund(turn, order.payment.as_ref().unwrap(), &refund).await;
    assert_eq!(found, Ok(Some(RefundOutcome::Failed("unknown".into()))));
    assert!(begun.elapsed() < BETWEEN_PAGES);
}
