//! What is asked of Stripe: each call by its path, its form and its key; and lists of several pages.

use super::*;
use crate::payments::key;
use boxoffice::{RefundId, RefundOutcome, RefundState};

fn turn() -> Turn {
    Turn { endpoint: Endpoint::Read, waited: false }
}

/// What was asked: method, path and form; and under which key.
fn asked(script: &Script) -> Vec<(String, Option<String>)> {
    let asked = std::mem::take(&mut *script.asked.lock().unwrap());
    let form =
        |r: &WireRequest| r.form.iter().map(|(n, v)| format!(" {n}={v}")).collect::<String>();
    asked.iter().map(|r| (format!("{} {}{}", r.method, r.path, form(r)), r.key.clone())).collect()
}

fn refund() -> Refund {
    Refund {
        id: RefundId(9),
        amount_minor: 200,
        quantities: vec![1],
        restock: false,
        state: RefundState::Pending,
        by_hand: false,
        of_amount: false,
    }
}

const REFUND: &str = r#"{"id":"re_1","object":"refund","amount":200,"created":2,"currency":"gbp",
    "metadata":{},"payment_intent":"pi_1","status":"succeeded"}"#;

/// The first `so_many` of a list of refunds that goes on or not.
fn page(ids: &[&str], has_more: bool) -> String {
    let data: Vec<String> = ids.iter().map(|id| REFUND.replace("re_1", id)).collect();
    format!(r#"{{"object":"list","has_more":{has_more},"data":[{}]}}"#, data.join(","))
}

#[tokio::test]
async fn each_call_says_what_it_is_about_under_a_key_of_its_own() {
    let answers = [SUCCEEDED, SUCCEEDED, REFUND, SUCCEEDED, SUCCEEDED, REFUND];
    let (stripe, script) = client(answers.map(|body| Ok(response(200, body))).into());
    let mut order = order();
    let payment = order.payment.clone().unwrap();
    let (token, state) = ("tok_visa".into(), AttemptState::Pending);
    let attempt = Attempt { number: 1, token, state, begun_ms: 0 };
    stripe.confirm(turn(), &order, &payment, &attempt, "https://here/").await.unwrap();
    stripe.cancel(turn(), &order, &payment).await.unwrap();
    let made = stripe.refund(turn(), &order, &payment, &refund()).await.unwrap();
    assert_eq!(made, RefundOutcome::Succeeded("re_1".into()));
    order.tries = 6;
    stripe.cancel(turn(), &order, &payment).await.unwrap();
    stripe.cancel_forgotten("pi_3").await.unwrap();
    stripe.refund_forgotten("pi_3", 700, 50).await.unwrap();
    let key = |text: &str| Some(text.to_owned());
    let id = "00000000000000000000000000000008";
    assert_eq!(
        asked(&script),
        [
            (
                "POST /v1/payment_intents/pi_1/confirm return_url=https://here/ \
                 payment_method_data[type]=card payment_method_data[card][token]=tok_visa"
                    .into(),
                key(&format!("nts-{id}-confirm-1-0"))
            ),
            (
                "POST /v1/payment_intents/pi_1/cancel cancellation_reason=abandoned".into(),
                key(&format!("nts-{id}-cancel-0"))
            ),
            (
                "POST /v1/refunds payment_intent=pi_1 amount=200 \
                 metadata[nts_refund]=00000000-0000-0000-0000-000000000009 \
                 metadata[nts_order]=00000000-0000-0000-0000-000000000007 \
                 reason=requested_by_customer"
                    .into(),
                key("nts-00000000000000000000000000000009-refund-0")
            ),
            (
                "POST /v1/payment_intents/pi_1/cancel cancellation_reason=abandoned".into(),
                key(&format!("nts-{id}-cancel-6"))
            ),
            (
                "POST /v1/payment_intents/pi_3/cancel cancellation_reason=abandoned".into(),
                key("nts-forgotten-pi_3-cancel")
            ),
            (
                "POST /v1/refunds payment_intent=pi_3 amount=700 metadata[nts_forgotten]=yes \
                 reason=requested_by_customer"
                    .into(),
                key("nts-forgotten-pi_3-refund-50")
            ),
        ]
    );
}

#[test]
fn a_key_changes_when_it_was_tried_often_enough() {
    let (mut order, refund) = (order(), refund());
    let payment = order.payment.clone().unwrap();
    let mut at = |tries| {
        order.tries = tries;
        let rotated = key::confirm_rotated(&order);
        (key::create(&order, &payment), key::refund(&order, &refund), rotated)
    };
    let (first, third, fifth, sixth) = (at(0), at(2), at(5), at(6));
    assert_eq!(first, third);
    assert!(fifth.2 && at(3).2 && fifth.0 != first.0 && fifth.1 == first.1);
    assert!(sixth.1 != first.1 && sixth.0 != fifth.0);
    order.tries = 0;
    let mut keys = vec![key::create(&order, &payment), key::refund(&order, &refund)];
    for tries in 0..9 {
        order.tries = tries;
        keys.extend([key::capture(&order, &payment), key::cancel(&order, &payment)]);
    }
    let other = Payment { id: PaymentId(99), ..payment };
    keys.extend([key::capture(&order, &other), key::cancel(&order, &other)]);
    let different: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len(), "{keys:?}");
}

/// A refund that is looked for may be on any page, and each page begins behind the last of the one before.
#[tokio::test]
async fn lists_are_read_to_their_end() {
    let ours = REFUND.replace(
        r#""metadata":{}"#,
        r#""metadata":{"nts_refund":"00000000-0000-0000-0000-000000000009"}"#,
    );
    let last = format!(r#"{{"object":"list","has_more":false,"data":[{ours}]}}"#);
    let pages = [page(&["re_5", "re_4"], true), page(&["re_3", "re_2"], true), last];
    let (stripe, script) = client(pages.iter().map(|p| Ok(response(200, p))).collect());
    let payment = order().payment.unwrap();
    let found = stripe.find_refund(turn(), &payment, &refund()).await.unwrap();
    assert_eq!(found, Some(RefundOutcome::Succeeded("re_1".into())));
    let first = format!("GET /v1/refunds?payment_intent=pi_1&limit={PAGE}");
    let paths: Vec<String> = asked(&script).into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        paths,
        [
            first.clone(),
            format!("{first}&starting_after=re_4"),
            format!("{first}&starting_after=re_2")
        ]
    );
    // One that is of another id of ours is not it, and a page without anything is the last.
    let pages = [page(&["re_5"], true), page(&[], true)];
    let (stripe, _) = client(pages.iter().map(|p| Ok(response(200, p))).collect());
    assert_eq!(stripe.find_refund(turn(), &payment, &refund()).await.unwrap(), None);
}

/// The list of payments that the audit reads: what was given back of each is what its charge says, but
/// for what the charge cannot tell from what was only released.
#[tokio::test]
async fn a_page_of_payments_tells_what_was_taken_and_given_back() {
    let whole = WHOLE.replace("STATUS", "succeeded");
    let of = |id: &str, received: i64, refunded: i64| {
        whole
            .replace("\"pi_1\"", &format!("\"{id}\""))
            .replace("\"amount_received\":1998", &format!("\"amount_received\":{received}"))
            .replace("\"amount_refunded\":700", &format!("\"amount_refunded\":{refunded}"))
    };
    let strange = of("pi_9", 1998, 0).replace("SHOP", "OTHER");
    let quiet = of("pi_5", 1998, 0).replace("\"disputed\":true", "\"disputed\":false");
    let all =
        [of("pi_1", 1998, 700), of("pi_2", 500, 1998), of("pi_3", 0, 1998), of("pi_4", 500, 0)];
    let data = [all.join(","), quiet, strange].join(",");
    let list = format!(r#"{{"object":"list","has_more":true,"data":[{data}]}}"#);
    let refunds = REFUNDS.replace("\"pi_1\"", "\"pi_2\"");
    let (stripe, script) = client(vec![Ok(response(200, &list)), Ok(response(200, &refunds))]);
    let (listed, next) = stripe.list(5, Some("pi_0")).await.unwrap();
    let told: Vec<_> = listed
        .iter()
        .map(|l| (l.intent.id.as_str(), l.intent.received_minor, l.refunded_minor, l.disputed))
        .collect();
    assert_eq!(
        told,
        [
            ("pi_1", 1998, 700, true),
            ("pi_2", 500, 500, true),
            ("pi_3", 0, 0, true),
            ("pi_4", 500, 0, true),
            ("pi_5", 1998, 0, false),
        ]
    );
    assert!(listed.iter().all(|l| l.created_s == 1));
    assert_eq!(next.as_deref(), Some("pi_9"), "of another shop, and yet where the page ends");
    let paths: Vec<String> = asked(&script).into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        paths,
        [
            format!(
                "GET /v1/payment_intents?created[gte]=5&limit={PAGE}&expand[]=data.latest_charge\
                 &starting_after=pi_0"
            ),
            format!("GET /v1/refunds?payment_intent=pi_2&limit={PAGE}"),
        ]
    );
    let end = page(&[], false);
    let (stripe, _) = client(vec![Ok(response(200, &end))]);
    let (listed, next) = stripe.list(5, None).await.unwrap();
    assert!(listed.is_empty() && next.is_none());
}

#[tokio::test]
async fn disputes_that_the_key_may_not_read_change_nothing() {
    let whole = WHOLE.replace("STATUS", "succeeded");
    let error = r#"{"error":{"type":"invalid_request_error","message":"No."}}"#;
    let (ok, no) = (Ok(response(200, &whole)), Ok(response(403, error)));
    let (stripe, _) = client(vec![ok, Ok(response(200, REFUNDS)), no]);
    let order = order();
    let read = stripe.read(turn(), &order, order.payment.as_ref().unwrap()).await.unwrap();
    assert_eq!((read.refunds.len(), read.dispute), (2, None));
    // What was not taken cannot have been given back: nothing more is asked.
    let waits = whole.replace("succeeded", "requires_capture");
    let (stripe, script) = client(vec![Ok(response(200, &waits))]);
    let read = stripe.read(turn(), &order, order.payment.as_ref().unwrap()).await.unwrap();
    assert_eq!((read.refunds.len(), asked(&script).len()), (0, 1));
}

#[tokio::test]
async fn a_server_error_is_no_answer_and_a_refusal_is_one() {
    let error = r#"{"error":{"type":"api_error","message":"No."}}"#;
    let answers = [500, 500, 499, 500, 500, 500, 500, 500].map(|s| Ok(response(s, error)));
    let (stripe, _) = client(answers.into());
    for n in 0..7 {
        _ = stripe.list(0, None).await;
        assert!(!stripe.out_of_reach(), "after {n}");
    }
    _ = stripe.list(0, None).await;
    assert!(stripe.out_of_reach());
}

#[tokio::test]
async fn the_longest_id_and_the_shortest_token_are_taken() {
    let (stripe, script) = client(vec![Ok(response(404, "{}")), Ok(response(404, "{}"))]);
    for id in ["a".repeat(255), "a".into()] {
        _ = stripe.read_id(turn(), &id, true).await;
    }
    assert_eq!(asked(&script).len(), 2);
    assert!(is_token("tok_a") && is_token("ctoken_a"));
}
