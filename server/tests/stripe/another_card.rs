//! Another card after 3-D Secure was left or failed, cards that are none, and how many may be tried.

use crate::shop::{Held, Shop, shop};
use boxoffice::{AttemptState, OrderState};
use nts_server::payments::fake::{InjectedFault, Operation};
use nts_testkit::eventually_async;

async fn attempts(shop: &Shop, held: &Held) -> String {
    let payment = shop.order(held).await.payment;
    let letter = |state: &AttemptState| match state {
        AttemptState::Pending => '?',
        AttemptState::Action => '!',
        AttemptState::Declined(_) => 'n',
        AttemptState::Authorised => 'y',
        AttemptState::Abandoned => 'x',
    };
    payment.map_or(String::new(), |p| p.attempts.iter().map(|a| letter(&a.state)).collect())
}

/// Waits until the attempts are in these states.
async fn attempts_are(shop: &Shop, held: &Held, expected: &str) {
    eventually_async("the attempts change", async || {
        let found = attempts(shop, held).await;
        if found == expected { Ok(()) } else { Err(found) }
    })
    .await
}

#[tokio::test]
async fn a_bank_page_that_was_left_does_not_cost_the_places() {
    let shop = shop("another").await;
    for (n, bank) in ["ctoken_3ds", "ctoken_3ds_sdk"].iter().enumerate() {
        let held = shop.hold(&format!("ann{n}"), 1).await;
        let (status, told) = shop.pay(&held, bank).await;
        assert_eq!((status, told["state"].as_str()), (200, Some("paying")), "{told}");
        let path = format!("/orders/{}/{}", held.id, held.secret);
        let page = shop.page(&held).await;
        assert!(page.contains(&format!("href=\"{path}/pay?another\"")), "{page}");
        let head = shop.head(&format!("{path}/pay?another")).await;
        let (_, to) = head.split_once("location: ").expect("a redirect to the payment page");
        let (status, form) = shop.http("GET", to.lines().next().unwrap(), &[], "").await;
        assert_eq!(status, 200, "{form}");
        assert!(form.contains("id=\"card\"") && !form.contains("data-secret"), "{form}");
        // The same form sent twice is no other card.
        let (status, told) = shop.pay(&held, bank).await;
        assert_eq!((status, told["code"].as_str()), (409, Some("payment_under_way")), "{told}");
        // One that is declined, one whose bank asks, and one that pays.
        let (status, told) = shop.pay(&held, "ctoken_declined").await;
        assert_eq!((status, told["money_moved"].as_str()), (402, Some("unknown")), "{told}");
        assert!(!told["detail"].as_str().unwrap().contains("Nothing was charged"), "{told}");
        let (_, told) = shop.pay(&held, "ctoken_3ds").await;
        assert_eq!(told["action"]["type"], "redirect", "{told}");
        let (status, told) = shop.pay(&held, "ctoken_ok").await;
        assert_eq!((status, told["state"].as_str()), (200, Some("paid")), "{told}");
        assert_eq!(attempts(&shop, &held).await, "xnxy");
        assert_eq!(shop.moved(&held), (1_000, 0));
        // The old bank's page is finished after all: it takes nothing more.
        let intent = shop.intent(&held).await;
        shop.fake.authenticate(&intent, true).unwrap();
        shop.page(&held).await;
        assert_eq!(shop.moved(&held), (1_000, 0));
    }
    shop.close().await;
}

#[tokio::test]
async fn the_old_bank_page_pays_while_the_new_card_is_on_its_way() {
    let shop = shop("late-page").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds_sdk").await;
    let intent = shop.intent(&held).await;
    shop.fake.misbehave(|o| (o == Operation::Confirm).then_some(InjectedFault::LostBefore));
    let path = format!("/api/v1/orders/{}/pay", held.id);
    let bearer = format!("Bearer {}", held.secret);
    let body = "{\"token\": \"ctoken_ok\"}";
    let headers = [("authorization", bearer.as_str())];
    let (paying, ()) = tokio::join!(shop.http("POST", &path, &headers, body), async {
        attempts_are(&shop, &held, "x?").await;
        shop.fake.authenticate(&intent, true).unwrap();
        shop.fake.behave();
    });
    assert_eq!(paying.0, 200, "{}", paying.1);
    shop.state(&held, OrderState::Paid).await;
    assert_eq!(shop.moved(&held), (1_000, 0), "one payment, whichever card it was");
    shop.close().await;
}

#[tokio::test]
async fn what_is_lost_on_the_way_does_not_bring_the_old_bank_page_back() {
    for misstep in [InjectedFault::LostBefore, InjectedFault::LostAfter] {
        let shop = shop(&format!("lost-{misstep:?}")).await;
        let held = shop.hold("ann", 1).await;
        let (_, told) = shop.pay(&held, "ctoken_3ds_sdk").await;
        assert_eq!(told["action"]["type"], "client_secret", "{told}");
        // The first confirmation of the other card gets lost, or its answer does.
        let mut left = 1;
        shop.fake.misbehave(move |o| {
            let strikes = o == Operation::Confirm && left > 0;
            left -= i32::from(strikes);
            strikes.then_some(misstep)
        });
        let (_, told) = shop.pay(&held, "ctoken_3ds").await;
        assert_eq!(told["action"]["type"], "redirect", "the other card's own page: {told}");
        assert_eq!(attempts(&shop, &held).await, "x!");
        shop.fake.behave();
        let intent = shop.intent(&held).await;
        shop.fake.authenticate(&intent, true).unwrap();
        shop.page(&held).await;
        shop.state(&held, OrderState::Paid).await;
        assert_eq!(shop.moved(&held), (1_000, 0));
        shop.close().await;
    }
}

#[tokio::test]
async fn what_the_card_network_has_is_not_replaced() {
    let shop = shop("network").await;
    let held = shop.hold("ann", 1).await;
    let (pay, other) = tokio::join!(shop.pay(&held, "ctoken_processing"), async {
        attempts_are(&shop, &held, "!").await;
        let page = shop.page(&held).await;
        assert!(!page.contains("another"), "{page}");
        shop.pay(&held, "ctoken_ok").await
    });
    assert_eq!((other.0, other.1["code"].as_str()), (409, Some("payment_under_way")));
    assert_eq!(pay.0, 202, "{}", pay.1);
    shop.stripe_time.jump(3_000);
    shop.state(&held, OrderState::Paid).await;
    assert_eq!((attempts(&shop, &held).await.as_str(), shop.moved(&held)), ("y", (1_000, 0)));
    shop.close().await;
}

#[tokio::test]
async fn a_failed_bank_page_is_told_in_our_own_words() {
    let shop = shop("failed-page").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds_sdk").await;
    let intent = shop.intent(&held).await;
    shop.fake.authenticate(&intent, false).unwrap();
    let page = shop.page(&held).await;
    assert!(page.contains("Your bank did not confirm that it is you (3-D Secure)."), "{page}");
    assert!(!page.contains("payment_method_data"), "{page}");
    shop.pay(&held, "ctoken_ok").await;
    shop.state(&held, OrderState::Paid).await;
    shop.close().await;
}

#[tokio::test]
async fn what_is_no_card_is_refused_before_anything_is_recorded() {
    let shop = shop("junk").await;
    let held = shop.hold("ann", 1).await;
    let asked = shop.fake.calls().values().sum::<u64>();
    let long = format!("tok_{}", "a".repeat(251));
    for junk in ["x", "", "pm_card_visa", "ctoken_", "ctoken_a-b", "tok_\u{fc}", &long] {
        let (status, told) = shop.pay(&held, junk).await;
        assert_eq!((status, told["code"].as_str()), (400, Some("invalid")), "{junk}: {told}");
        assert_eq!(shop.order(&held).await.state, OrderState::Held, "{junk}");
    }
    assert_eq!(shop.fake.calls().values().sum::<u64>(), asked);
    // Well formed, and Stripe does not know it.
    let (status, told) = shop.pay(&held, "ctoken_nobodys").await;
    assert_eq!((status, told["code"].as_str()), (402, Some("declined")), "{told}");
    let detail = told["detail"].as_str().unwrap();
    assert!(detail.starts_with("The card details could not be used"), "{detail}");
    assert!(!detail.contains("resource_missing") && !detail.contains("No such"), "{detail}");
    shop.pay(&held, "ctoken_ok").await;
    shop.state(&held, OrderState::Paid).await;
    shop.close().await;
}

#[tokio::test]
async fn five_cards_and_no_more_and_the_places_can_be_given_back() {
    let shop = shop("five").await;
    let held = shop.hold("ann", 1).await;
    for n in 1..=5 {
        let (status, told) = shop.pay(&held, "ctoken_declined").await;
        let detail = told["detail"].as_str().unwrap();
        assert_eq!((status, detail.contains("you can try again")), (402, n < 5), "{told}");
    }
    let page = shop.page(&held).await;
    assert!(
        page.contains("it takes no more") && page.contains("Cancel this reservation"),
        "{page}"
    );
    assert!(!page.contains("/pay\""), "{page}");
    let (status, told) = shop.pay(&held, "ctoken_ok").await;
    assert_eq!((status, told["code"].as_str()), (409, Some("too_many_attempts")), "{told}");
    let (_, metrics) = shop.http("GET", "/metrics", &[], "").await;
    assert!(metrics.contains("nts_refusals_total{reason=\"too_many_attempts\"} 1"), "{metrics}");
    assert_eq!(shop.cancel(&held).await.0, 200);
    shop.state(&held, OrderState::Released).await;
    assert_eq!(shop.moved(&held), (0, 0));
    shop.close().await;
}

#[tokio::test]
async fn wallets_may_open_windows_from_the_payment_page_and_from_no_other() {
    let shop = shop("opener").await;
    let held = shop.hold("ann", 1).await;
    let path = format!("/orders/{}/{}", held.id, held.secret);
    let pay = shop.app().links.pay_path(held.order);
    for (path, value) in [(pay, "same-origin-allow-popups"), (path, "same-origin")] {
        let head = shop.head(&path).await.to_ascii_lowercase();
        assert!(head.contains(&format!("cross-origin-opener-policy: {value}\r\n")), "{head}");
    }
    shop.cancel(&held).await;
    shop.close().await;
}
