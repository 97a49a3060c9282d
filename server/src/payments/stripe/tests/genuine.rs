//! Answers that are seldom, but right: none of them may be taken for one about something else, for what
//! cannot be read is asked again for ever.

use super::*;
use boxoffice::RefundOutcome;

fn turn() -> Turn {
    Turn { endpoint: Endpoint::Read, waited: false }
}

#[tokio::test]
async fn payments_of_every_currency_and_size_are_read() {
    for (currency, minor) in [
        ("gbp", 0),
        ("jpy", 5),
        ("kwd", 1_250),
        ("ugx", 500_000),
        ("idr", 999_999_999_999),
        ("GBP", 99_999_999),
    ] {
        let answer = SUCCEEDED
            .replace("\"gbp\"", &format!("\"{currency}\""))
            .replace(":1998,", &format!(":{minor},"));
        let read = capture(Ok(response(200, &answer))).await.unwrap();
        let amount = (read.amount.minor, read.amount.currency.code());
        assert_eq!(amount, (minor, currency.to_ascii_uppercase().as_str()));
        assert_eq!(read.received_minor, minor);
    }
    // More was taken than was set aside first, and the charge says nothing of itself.
    for (from, to) in [
        (r#""amount_received":1998"#, r#""amount_received":2500"#),
        (r#""latest_charge":"ch_1""#, r#""latest_charge":null"#),
        (r#""latest_charge":"ch_1""#, r#""latest_charge":{"id":"py_1","amount_refunded":null}"#),
        (r#""metadata":{"nts_order":"00000000-0000-0000-0000-000000000007"}"#, r#""metadata":{}"#),
    ] {
        let answer = SUCCEEDED.replace(from, to);
        assert_ne!(answer, SUCCEEDED);
        let read = capture(Ok(response(200, &answer))).await;
        assert!(read.is_ok_and(|i| i.status == IntentStatus::Succeeded), "{to}");
    }
}

#[tokio::test]
async fn refunds_that_say_little_are_ours_all_the_same() {
    let succeeded = |id: &str| Ok(RefundOutcome::Succeeded(id.into()));
    for (from, to, told) in [
        (r#""payment_intent":"pi_1""#, r#""payment_intent":null"#, succeeded("re_1")),
        (r#""payment_intent":"pi_1","#, "", succeeded("re_1")),
        (r#"{"nts_refund":"00000000-0000-0000-0000-000000000009"}"#, "{}", succeeded("re_1")),
        (r#"{"nts_refund":"00000000-0000-0000-0000-000000000009"}"#, "null", succeeded("re_1")),
        (r#""re_1""#, r#""pyr_1NxY2z""#, succeeded("pyr_1NxY2z")),
        (r#""status":"succeeded""#, r#""status":null"#, Ok(RefundOutcome::Pending)),
        (r#""currency":"gbp""#, r#""currency":"jpy","charge":null"#, succeeded("re_1")),
    ] {
        let answer = REFUNDED.replace(from, to);
        assert_ne!(answer, REFUNDED);
        assert_eq!(give_back(vec![Ok(response(200, &answer))]).await, told, "{to}");
    }
}

/// However few rows a page has, it is another page as long as it ends elsewhere.
#[tokio::test]
async fn pages_of_one_row_are_read_to_the_end() {
    let page = |id: &str, metadata: &str, has_more: bool| {
        let row = REFUNDED.replace("re_1", id).replace("000000000009", metadata);
        format!(r#"{{"object":"list","has_more":{has_more},"data":[{row}]}}"#)
    };
    let pages = [
        page("re_3", "000000000007", true),
        page("re_2", "000000000008", true),
        page("re_1", "000000000009", false),
    ];
    let (stripe, script) = client(pages.iter().map(|p| Ok(response(200, p))).collect());
    let payment = order().payment.unwrap();
    let found = stripe.find_refund(turn(), &payment, &refund()).await;
    assert_eq!(found, Ok(Some(RefundOutcome::Succeeded("re_1".into()))));
    assert_eq!(script.asked.lock().unwrap().len(), 3);
}
