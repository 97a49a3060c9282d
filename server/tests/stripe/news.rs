//! Webhooks: before the browser is back, never, twice, late, out of order, forged, from last week.

use crate::shop::{HOUR, Setup, Shop, WEBHOOK, shop};
use boxoffice::OrderState;
use nts_server::payments::double::Double;
use std::time::Duration;

#[tokio::test]
async fn a_ring_before_the_browser_is_back_settles_the_order() {
    let shop = shop("ring").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds").await;
    // So far that the timer will not look again for long.
    shop.until("the timer waits", &held, |o| o.tries >= 3).await;
    let intent = shop.intent(&held).await;
    let seen = shop.double.events_since(0).unwrap().len() as i64;
    shop.double.authenticate(&intent, true).unwrap();
    let since = std::time::Instant::now();
    let last = shop.double.events_since(seen - 1).unwrap();
    assert!(!last.is_empty());
    shop.ring(0).await;
    shop.state(&held, OrderState::Paid).await;
    assert!(since.elapsed() < Duration::from_secs(2));
    // Twice, and backwards: nothing changes.
    let before = shop.order(&held).await;
    for _ in 0..2 {
        shop.ring(0).await;
        for (_, body) in shop.double.events_since(0).unwrap().into_iter().rev() {
            assert_eq!(shop.webhook(&body).await.0, 200);
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(shop.order(&held).await, before);
    shop.close().await;
}

#[tokio::test]
async fn with_no_ring_at_all_everything_settles() {
    let shop = shop("silence").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds").await;
    let intent = shop.intent(&held).await;
    shop.double.authenticate(&intent, true).unwrap();
    shop.state(&held, OrderState::Paid).await;
    shop.close().await;
}

#[tokio::test]
async fn forged_and_old_rings_are_refused_and_a_resent_one_does_no_harm() {
    let shop = shop("forged").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_ok").await;
    let before = shop.order(&held).await;
    let (_, body) = shop.double.events_since(0).unwrap().pop().unwrap();
    let seconds = shop.time.clock().now_ms() / 1000;
    let genuine = Double::signature(WEBHOOK, seconds, &body);
    let forged = body.replace("succeeded", "canceled");
    for (body, signature) in [
        (&body, "".to_owned()),
        (&body, "t=1,v1=00".to_owned()),
        (&forged, genuine.clone()),
        (&body, Double::signature("whsec_other", seconds, &body)),
        (&body, Double::signature(WEBHOOK, seconds - 7 * 24 * 3600, &body)),
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
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(shop.order(&held).await, before);
    shop.close().await;
}

/// Without a secret anybody may ring, and it only makes an order be read that waits anyway.
#[tokio::test]
async fn without_a_secret_a_ring_is_a_hint_for_orders_that_wait() {
    let setup = Setup { webhook_secret: "", ..Setup::default() };
    let shop = Shop::start("unsigned", setup).await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds").await;
    shop.until("the timer waits", &held, |o| o.tries >= 3).await;
    let intent = shop.intent(&held).await;
    shop.double.authenticate(&intent, true).unwrap();
    for (_, body) in shop.double.events_since(0).unwrap() {
        let (status, _) = shop.http("POST", "/stripe/webhook", &[], &body).await;
        assert_eq!(status, 200);
    }
    shop.state(&held, OrderState::Paid).await;
    let calls = shop.double.calls();
    for (_, body) in shop.double.events_since(0).unwrap() {
        shop.http("POST", "/stripe/webhook", &[], &body).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(shop.double.calls(), calls, "a paid order is not read for somebody unknown");
    shop.close().await;
}
