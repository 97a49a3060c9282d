//! Webhooks: before the browser is back, never, twice, late, out of order, forged, from last week.

use crate::shop::{HOUR, Setup, Shop, WEBHOOK, shop};
use boxoffice::OrderState;
use nts_server::payments::fake::FakeStripe;
use nts_server::settlement::{Notice, Notices};
use serde_json::json;

#[tokio::test]
async fn a_ring_before_the_browser_is_back_settles_the_order() {
    let shop = shop("ring").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds").await;
    // So far that the timer will not look again for long.
    shop.until("the timer waits", &held, |o| o.tries >= 3).await;
    // And while our clock stands still it does not look at all.
    shop.time.stop();
    let intent = shop.intent(&held).await;
    let seen = shop.fake.events_since(0).unwrap().len() as i64;
    shop.fake.authenticate(&intent, true).unwrap();
    let last = shop.fake.events_since(seen - 1).unwrap();
    assert!(!last.is_empty());
    shop.ring(0).await;
    shop.state(&held, OrderState::Paid).await;
    // Twice, and backwards: nothing changes.
    let before = shop.order(&held).await;
    for _ in 0..2 {
        shop.ring(0).await;
        for (_, body) in shop.fake.events_since(0).unwrap().into_iter().rev() {
            assert_eq!(shop.webhook(&body).await.0, 200);
        }
    }
    shop.notices_handled(&held).await;
    assert_eq!(shop.order(&held).await, before);
    shop.close().await;
}

#[tokio::test]
async fn with_no_ring_at_all_everything_settles() {
    let shop = shop("silence").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds").await;
    let intent = shop.intent(&held).await;
    shop.fake.authenticate(&intent, true).unwrap();
    shop.state(&held, OrderState::Paid).await;
    shop.close().await;
}

#[tokio::test]
async fn forged_and_old_rings_are_refused_and_a_resent_one_does_no_harm() {
    let shop = shop("forged").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_ok").await;
    let before = shop.order(&held).await;
    let (_, body) = shop.fake.events_since(0).unwrap().pop().unwrap();
    let seconds = shop.time.clock().now_ms() / 1000;
    let genuine = FakeStripe::signature(WEBHOOK, seconds, &body);
    let forged = body.replace("succeeded", "canceled");
    for (body, signature) in [
        (&body, "".to_owned()),
        (&body, "t=1,v1=00".to_owned()),
        (&forged, genuine.clone()),
        (&body, FakeStripe::signature("whsec_other", seconds, &body)),
        (&body, FakeStripe::signature(WEBHOOK, seconds - 7 * 24 * 3600, &body)),
    ] {
        let (status, told) = shop.webhook_signed(body, &signature).await;
        assert_eq!(status, 400, "{told}");
        assert!(told.contains("bad_signature"), "{told}");
    }
    assert_eq!(shop.webhook_signed(&body, &genuine).await.0, 200);
    // A week later the same signature is too old; sent again by Stripe, it is a ring like another.
    shop.time.jump(7 * 24 * HOUR);
    assert_eq!(shop.webhook_signed(&body, &genuine).await.0, 400);
    assert_eq!(shop.webhook(&body).await.0, 200);
    // Signed, but a lie or nonsense: what is read decides.
    for lie in [
        forged.as_str(),
        r#"{"type":"x","data":{"object":{"object":"payment_intent","id":"pi_nowhere"}}}"#,
        r#"{"type":"x","data":{"object":{"object":"payment_intent","id":"../../v1/refunds"}}}"#,
        r#"{"type":"x","data":{"object":{"object":"customer","id":"cus_1"}}}"#,
    ] {
        assert_eq!(shop.webhook(lie).await.0, 200, "{lie}");
    }
    for nonsense in ["", "{}", "[]", "null", r#"{"type":"x","data":{}}"#] {
        assert_eq!(shop.webhook(nonsense).await.0, 400, "{nonsense}");
    }
    shop.notices_handled(&held).await;
    assert_eq!(shop.order(&held).await, before);
    shop.close().await;
}

#[tokio::test]
async fn without_a_secret_no_notification_is_taken() {
    let setup = Setup { webhook_secret: "", ..Setup::default() };
    let shop = Shop::start("unsigned", setup).await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds").await;
    shop.until("the timer waits", &held, |o| o.tries >= 3).await;
    for (_, body) in shop.fake.events_since(0).unwrap() {
        let (status, told) = shop.http("POST", "/stripe/webhook", &[], &body).await;
        assert_eq!(status, 404, "{told}");
        assert!(told.contains("NTS_STRIPE_WEBHOOK_SECRET"), "{told}");
        // Whatever signature it brings.
        let seconds = shop.time.clock().now_ms() / 1000;
        for secret in ["", WEBHOOK] {
            let signature = FakeStripe::signature(secret, seconds, &body);
            assert_eq!(shop.webhook_signed(&body, &signature).await.0, 404);
        }
    }
    assert!(shop.app().settlement.notices.is_empty());
    let intent = shop.intent(&held).await;
    shop.fake.authenticate(&intent, true).unwrap();
    shop.state(&held, OrderState::Paid).await;
    shop.close().await;
}

fn event(intent: &str, order: Option<&str>) -> String {
    let metadata = order.map_or(json!({}), |id| json!({"nts_order": id}));
    let object = json!({"object": "payment_intent", "id": intent, "metadata": metadata});
    json!({"type": "payment_intent.processing", "data": {"object": object}}).to_string()
}

#[tokio::test]
async fn only_what_names_a_payment_is_read_and_each_payment_once() {
    let shop = shop("names").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_ok").await;
    shop.state(&held, OrderState::Paid).await;
    let before = shop.fake.calls();
    // No shape of a payment's id, and another payment than the order's.
    let long = format!("pi_{}", "x".repeat(253));
    for intent in ["", "pi_", "pi_é", "pi_a b", "pi_a/b", "../refunds", "ch_1", "PI_1", &long] {
        assert_eq!(shop.webhook(&event(intent, None)).await.0, 200, "{intent}");
    }
    for n in 0..50 {
        let told = shop.webhook(&event(&format!("pi_other{n}"), Some(&held.id))).await;
        assert_eq!(told.0, 200);
    }
    shop.notices_handled(&held).await;
    assert_eq!(shop.fake.calls(), before, "nothing is read for them");
    shop.close().await;
}

#[tokio::test]
async fn a_payment_waits_once_however_often_it_is_named() {
    let (doorbell, _keep) = Notices::new();
    for _ in 0..3 {
        for n in 0..10_000 {
            doorbell.add(Notice { intent: format!("pi_{}", n % 7), order: None });
        }
    }
    assert_eq!(doorbell.len(), 7);
    for n in 0..10_000 {
        doorbell.add(Notice { intent: format!("pi_{n}"), order: None });
    }
    assert_eq!(doorbell.len(), 4_096, "it is bounded");
}
