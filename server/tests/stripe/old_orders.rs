//! Orders that came to nothing are removed after some days; all others stay, and the books balance.

use crate::shop::{HOUR, shop};
use boxoffice::OrderState;
use nts_server::settlement::forget_before;
use serde_json::json;

#[tokio::test]
async fn what_came_to_nothing_is_removed_and_the_audit_finds_nothing() {
    let shop = shop("old").await;
    let canceled = shop.hold("ann", 1).await;
    assert_eq!(shop.cancel(&canceled).await.0, 200);
    // One whose card was declined: its PaymentIntent is cancelled at the provider, and stays in its list.
    let declined = shop.hold("bob", 1).await;
    assert_eq!(shop.pay(&declined, "ctoken_declined").await.0, 402);
    assert_eq!(shop.cancel(&declined).await.0, 200);
    shop.state(&declined, OrderState::Released).await;
    let paid = shop.hold("cid", 1).await;
    shop.pay(&paid, "ctoken_ok_1").await;
    let refunded = shop.hold("dan", 1).await;
    shop.pay(&refunded, "ctoken_ok_2").await;
    shop.state(&paid, OrderState::Paid).await;
    shop.state(&refunded, OrderState::Paid).await;
    assert_eq!(shop.refund(&refunded, json!({"all": true, "restock": true})).await.0, 200);
    shop.state(&refunded, OrderState::Refunded).await;

    let app = shop.app();
    let day_ms = 24 * HOUR;
    let keep = |days: i64| app.clock.now_ms() - days * day_ms;
    assert_eq!(
        forget_before(&app.settlement, &mut None, keep(30)).await,
        0,
        "they are not old enough"
    );
    shop.time.jump(31 * day_ms);
    let fresh = shop.hold("eve", 1).await;
    assert_eq!(shop.cancel(&fresh).await.0, 200);
    let mut after = None;
    assert_eq!(forget_before(&app.settlement, &mut after, keep(30)).await, 2);
    assert_eq!(
        forget_before(&app.settlement, &mut after, keep(30)).await,
        0,
        "it goes on where it was"
    );
    assert_eq!(forget_before(&app.settlement, &mut None, keep(30)).await, 0, "nothing is left");

    for gone in [&canceled, &declined] {
        assert_eq!(shop.cancel(gone).await.0, 404);
    }
    for (kept, state) in [
        (&paid, OrderState::Paid),
        (&refunded, OrderState::Refunded),
        (&fresh, OrderState::Released),
    ] {
        assert_eq!(shop.order(kept).await.state, state);
    }
    let report = shop.report(false).await;
    assert!(report.balanced() && report.findings.is_empty(), "{report}");
    shop.close().await;
}

/// More orders that stay than are read at once stand before one that goes.
#[tokio::test]
async fn what_came_to_nothing_is_found_behind_many_that_stay() {
    let shop = shop("old-many").await;
    for n in 0..130 {
        let paid = shop.hold(&format!("ann{n}"), 1).await;
        shop.pay(&paid, &format!("ctoken_ok_{n}")).await;
        shop.state(&paid, OrderState::Paid).await;
    }
    let canceled = shop.hold("bob", 1).await;
    assert_eq!(shop.cancel(&canceled).await.0, 200);
    shop.time.jump(31 * 24 * HOUR);
    let before_ms = shop.app().clock.now_ms() - 30 * 24 * HOUR;
    let mut after = None;
    assert_eq!(forget_before(&shop.app().settlement, &mut after, before_ms).await, 1);
    assert_eq!(after, Some(canceled.order), "it has come to the end");
    assert_eq!(shop.cancel(&canceled).await.0, 404);
    shop.close().await;
}
