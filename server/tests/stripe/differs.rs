//! Where Stripe differs from what one would think: what is released, refunds that fail days later,
//! disputes that move on, keys that may not do everything, tokens that expire, nulls.

use crate::pay::futures;
use crate::shop::{HOUR, Held, Setup, Shop, exchange, shop};
use boxoffice::{Order, OrderState, RefundState, TicketState};
use nts_server::audit::Weight;
use nts_server::payments::fake::{InjectedFault, Operation};
use nts_server::payments::stripe::net::VERSION;
use nts_server::payments::stripe::{Seen, Since};
use nts_server::settlement::read_external_changes;
use nts_testkit::eventually_async;
use serde_json::{Value, json};
use std::time::Duration;

const DAY: i64 = 24 * HOUR;

/// Reads the lists once, as happens every five minutes.
async fn look(shop: &Shop, seen: &mut Seen) {
    let from_s = shop.time.clock().now_ms() / 1000 - 60 * 24 * 3_600;
    let since = Since { refunds_s: from_s, disputes_s: from_s };
    assert!(read_external_changes(&shop.app().settlement, since, seen).await);
}

/// An order that is committed, and whose capture does not get through.
async fn committed(shop: &Shop, buyer: &str) -> (Held, String) {
    shop.fake.misbehave(|o| (o == Operation::Capture).then_some(InjectedFault::TooMany));
    let held = shop.hold(buyer, 1).await;
    let paying = shop.pay(&held, "ctoken_ok");
    let (_, order) = tokio::join!(
        async { tokio::time::timeout(Duration::from_millis(300), paying).await },
        shop.state(&held, OrderState::Committed)
    );
    (held, order.payment.unwrap().intent.unwrap())
}

/// The sums of an audit: what was taken and given back, by the books and by Stripe's list.
async fn sums(shop: &Shop) -> [i64; 4] {
    let report = shop.report(false).await;
    assert!(report.balanced(), "{report}");
    let money = report.json()["money"][0].clone();
    let sum = |who: &str, what: &str| money[who][what].as_i64().unwrap();
    [
        sum("books", "taken"),
        sum("books", "given_back"),
        sum("provider", "taken"),
        sum("provider", "given_back"),
    ]
}

/// Whether or not what is released becomes a refund object, and however much was captured by hand: just
/// that goes back. What was cancelled, voided or has expired was never money.
#[tokio::test]
async fn a_release_is_not_money() {
    for as_refunds in [true, false] {
        let setup = Setup { price: 999, ..Setup::default() };
        let shop = Shop::start(&format!("release-{as_refunds}"), setup).await;
        shop.fake.release_as_refunds(as_refunds);
        let mut taken = 0;
        for part in [1, 300, 499, 500, 998] {
            let (held, intent) = committed(&shop, &format!("part-{part}")).await;
            shop.fake.capture_by_hand(&intent, Some(part)).unwrap();
            shop.fake.behave();
            let order = shop.settled(&held).await;
            assert_eq!((order.state, shop.moved(&held)), (OrderState::Void, (part, part)));
            taken += part;
        }
        // Before we had committed, and from an order that was given up: the same sum.
        let early = shop.hold("early", 1).await;
        shop.pay(&early, "ctoken_3ds").await;
        let intent = shop.intent(&early).await;
        shop.fake.misbehave(|o| (o == Operation::Read).then_some(InjectedFault::LostBefore));
        shop.fake.authenticate(&intent, true).unwrap();
        shop.fake.capture_by_hand(&intent, Some(500)).unwrap();
        shop.fake.behave();
        assert_eq!(shop.settled(&early).await.state, OrderState::Released);
        assert_eq!(shop.moved(&early), (500, 500));
        // Somebody gives a part back by hand before we look: we give the rest.
        let (both, intent) = committed(&shop, "both").await;
        shop.fake.capture_by_hand(&intent, Some(400)).unwrap();
        shop.fake.refund_by_hand(&intent, 100).unwrap();
        shop.fake.behave();
        shop.settled(&both).await;
        assert_eq!(shop.moved(&both), (400, 400));
        // Cancelled by us while it was authorised, voided by hand, expired.
        let cancelled = shop.hold("cancelled", 1).await;
        shop.pay(&cancelled, "ctoken_3ds").await;
        let intent = shop.intent(&cancelled).await;
        shop.fake.misbehave(|o| (o == Operation::Read).then_some(InjectedFault::LostBefore));
        shop.fake.authenticate(&intent, true).unwrap();
        shop.cancel(&cancelled).await;
        shop.fake.behave();
        assert_eq!(shop.settled(&cancelled).await.state, OrderState::Released);
        let (voided, intent) = committed(&shop, "voided").await;
        shop.fake.void(&intent).unwrap();
        shop.fake.behave();
        assert_eq!(shop.settled(&voided).await.state, OrderState::Void);
        let (expired, _) = committed(&shop, "expired").await;
        shop.stripe_time.jump(8 * DAY);
        shop.fake.behave();
        assert_eq!(shop.settled(&expired).await.state, OrderState::Void);
        taken += 500 + 400;
        assert_eq!(sums(&shop).await, [taken; 4], "releases as refunds: {as_refunds}");
        // A look at the lists finds nothing that is not known.
        let before: Vec<Order> = shop.orders().await;
        look(&shop, &mut Seen::default()).await;
        assert_eq!(shop.orders().await, before);
        shop.close().await;
    }
}

/// A refund succeeds, and days later the bank sends it back.
#[tokio::test]
async fn a_refund_that_fails_days_later_is_found_told_and_made_again() {
    let shop = shop("late-failure").await;
    let mut seen = Seen::default();
    let whole = shop.hold("whole", 1).await;
    let part = shop.hold("part", 2).await;
    let hand = shop.hold("hand", 1).await;
    for held in [&whole, &part, &hand] {
        assert_eq!(shop.pay(held, "ctoken_ok").await.0, 200);
    }
    assert_eq!(shop.refund(&whole, json!({"all": true, "restock": true})).await.0, 200);
    let one = json!({"lines": [{"ticket_type": "t", "quantity": 1}], "restock": false});
    assert_eq!(shop.refund(&part, one).await.0, 200);
    shop.fake.refund_by_hand(&shop.intent(&hand).await, 1_000).unwrap();
    look(&shop, &mut seen).await;
    let alarms = shop.app().metrics.alarms.get();
    let told = |shop: &Shop| shop.app().metrics.alarms.get() - alarms;

    for clock in [&shop.time, &shop.stripe_time] {
        clock.jump(9 * DAY);
    }
    for held in [&whole, &part, &hand] {
        let intent = shop.intent(held).await;
        let refund = shop.fake.refunds_of(&intent).unwrap().remove(0);
        shop.fake.fail_refund(&refund).unwrap();
    }
    for _ in 0..3 {
        look(&shop, &mut seen).await;
    }
    assert_eq!(told(&shop), 3, "each is told once");
    // A process that starts anew looks at all of it, and tells nothing again.
    look(&shop, &mut Seen::default()).await;
    assert_eq!(told(&shop), 3);
    for (held, state) in
        [(&whole, OrderState::Refunded), (&part, OrderState::Paid), (&hand, OrderState::Refunded)]
    {
        let order = shop.order(held).await;
        assert_eq!(order.state, state);
        assert!(matches!(order.refunds[0].state, RefundState::Failed(_)), "{order:?}");
        assert_eq!(order.owed_back().minor, 1_000);
        let page = shop.page(held).await;
        assert!(page.contains("£10.00") && page.contains("did not arrive"), "{page}");
    }
    assert_eq!(shop.moved(&part), (2_000, 0));
    let report = shop.report(false).await;
    assert!(report.balanced(), "{report}");
    let notes = report.findings.iter().filter(|f| f.text.contains("could not be given back"));
    assert_eq!(notes.count(), 3, "{report}");

    // The organiser refunds them again: what failed, or all that is left.
    let failed = json!({"failed": true, "restock": false});
    let all = json!({"all": true, "restock": true});
    for (held, body, moved) in [
        (&whole, &failed, (1_000, 1_000)),
        (&part, &failed, (2_000, 1_000)),
        (&hand, &all, (1_000, 1_000)),
    ] {
        let (status, answer) = shop.refund(held, body.clone()).await;
        assert_eq!(
            (status, answer["refund"]["state"].as_str()),
            (200, Some("succeeded")),
            "{answer}"
        );
        shop.settled(held).await;
        assert_eq!(shop.moved(held), moved);
        let (status, answer) = shop.refund(held, failed.clone()).await;
        assert_eq!((status, answer["code"].as_str()), (409, Some("nothing_to_refund")), "{answer}");
        assert!(!shop.page(held).await.contains("did not arrive"));
    }
    let valid = shop.order(&part).await.tickets;
    assert_eq!(valid.iter().filter(|t| t.state == TicketState::Valid).count(), 1);
    look(&shop, &mut seen).await;
    shop.close().await;
}

/// A part that went back from an order without places fails later as well.
#[tokio::test]
async fn money_of_a_void_order_whose_refund_fails_later_is_made_again() {
    let shop = shop("late-void").await;
    let (held, intent) = committed(&shop, "ann").await;
    shop.fake.capture_by_hand(&intent, Some(500)).unwrap();
    shop.fake.behave();
    shop.settled(&held).await;
    let refund = shop.fake.refunds_of(&intent).unwrap().remove(0);
    shop.fake.fail_refund(&refund).unwrap();
    look(&shop, &mut Seen::default()).await;
    assert_eq!((shop.order(&held).await.owed_back().minor, shop.moved(&held)), (500, (500, 0)));
    assert!(shop.page(&held).await.contains("did not arrive"));
    assert!(shop.report(false).await.balanced());
    let (status, answer) = shop.refund(&held, json!({"failed": true, "restock": false})).await;
    assert_eq!(status, 200, "{answer}");
    shop.settled(&held).await;
    assert_eq!(shop.moved(&held), (500, 500));
    shop.close().await;
}

/// One that is pending for a while ends well, or fails.
#[tokio::test]
async fn a_refund_that_is_pending_ends_in_the_end() {
    let shop = shop("pending").await;
    for (buyer, how, state, moved) in [
        ("ann", InjectedFault::RefundPends, OrderState::Refunded, (1_000, 1_000)),
        ("bob", InjectedFault::RefundFails, OrderState::Paid, (1_000, 0)),
    ] {
        let held = shop.hold(buyer, 1).await;
        shop.pay(&held, "ctoken_ok").await;
        shop.fake.misbehave(move |o| (o == Operation::Refund).then_some(how));
        let asking = shop.refund(&held, json!({"all": true, "restock": true}));
        let waiting = async {
            shop.until("it is pending", &held, |o| o.tries >= 2).await;
            shop.fake.behave();
            for clock in [&shop.time, &shop.stripe_time] {
                clock.jump(2 * 60_000);
            }
            shop.settled(&held).await
        };
        let (_, order) = tokio::join!(asking, waiting);
        assert_eq!((order.state, shop.moved(&held)), (state, moved), "{order:?}");
    }
    shop.close().await;
}

/// Without webhooks, for as long as it can move.
#[tokio::test]
async fn a_dispute_is_followed_until_it_is_decided() {
    let shop = shop("dispute").await;
    let mut seen = Seen::default();
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_ok").await;
    let intent = shop.intent(&held).await;
    let dispute = shop.fake.dispute(&intent, 1_000).unwrap();
    look(&shop, &mut seen).await;
    assert!(shop.page(&held).await.contains("needs response"));
    for status in ["under_review", "lost", "won"] {
        for clock in [&shop.time, &shop.stripe_time] {
            clock.jump(10 * DAY);
        }
        shop.fake.move_dispute(&dispute, status).unwrap();
        look(&shop, &mut seen).await;
        let order = shop.order(&held).await;
        assert_eq!(order.payment.unwrap().dispute.unwrap().status, status);
    }
    // It is over, and the buyer need not read of it any more.
    assert!(!shop.page(&held).await.contains("disputed"));
    let other = shop.fake.dispute(&intent, 500).unwrap();
    look(&shop, &mut seen).await;
    let order = shop.order(&held).await;
    assert_eq!(order.payment.unwrap().dispute.unwrap().id, other);
    shop.close().await;
}

#[tokio::test]
async fn what_was_done_by_hand_during_three_weeks_of_downtime_is_found() {
    let mut shop = shop("downtime").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_ok").await;
    let intent = shop.intent(&held).await;
    shop.stop().await;
    shop.fake.refund_by_hand(&intent, 1_000).unwrap();
    for clock in [&shop.time, &shop.stripe_time] {
        clock.jump(21 * DAY);
    }
    shop.start_again().await;
    shop.state(&held, OrderState::Refunded).await;
    shop.close().await;
}

/// Restarts with a key that may not do some things, and waits until that was told.
async fn restart_without(shop: &mut Shop, forbidden: &'static [Operation]) {
    shop.stop().await;
    shop.fake.misbehave(move |o| forbidden.contains(&o).then_some(InjectedFault::Forbidden));
    shop.start_again().await;
    let app = shop.app().clone();
    eventually_async("it is told at the start", async || {
        let alarms = app.metrics.alarms.get() as usize;
        if alarms < forbidden.len() { Err(alarms) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn each_permission_that_is_missing_is_told_at_the_start_and_nothing_is_left_behind() {
    let mut shop = shop("permissions").await;
    for forbidden in [
        &[Operation::Create][..],
        &[Operation::Confirm],
        &[Operation::Read],
        &[Operation::Capture],
        &[Operation::Refund],
        &[Operation::FindRefund],
        &[Operation::List],
        &[Operation::Disputes],
        &[Operation::Confirm, Operation::Refund, Operation::Disputes],
    ] {
        restart_without(&mut shop, forbidden).await;
    }
    // With all of them: the payment that was made to try the key is cancelled, and no audit sees it.
    shop.stop().await;
    shop.fake.behave();
    let before = shop.fake.calls().get(&Operation::Cancel).copied().unwrap_or_default();
    shop.start_again().await;
    shop.called(Operation::Cancel, before + 1).await;
    assert_eq!(shop.app().metrics.alarms.get(), 0);
    let report = shop.report(false).await;
    assert!(report.findings.is_empty() && report.json()["payments_at_provider"] == 0, "{report}");
    assert_eq!(shop.orders().await, []);
    // And it may sell.
    let held = shop.hold("ann", 1).await;
    assert_eq!(shop.pay(&held, "ctoken_ok").await.0, 200);
    shop.close().await;
}

/// Where a list or a dispute may not be read, what the others tell is taken in all the same.
#[tokio::test]
async fn a_key_that_may_not_see_disputes_or_refunds_still_sees_the_other() {
    let from_s = |shop: &Shop| shop.time.clock().now_ms() / 1000 - 60 * 24 * 3_600;
    let since = |shop: &Shop| Since { refunds_s: from_s(shop), disputes_s: from_s(shop) };
    let shop = shop("one-list").await;
    // Disputed, and some money was given back by hand.
    let both = shop.hold("both", 1).await;
    shop.pay(&both, "ctoken_ok").await;
    shop.fake.refund_by_hand(&shop.intent(&both).await, 100).unwrap();
    shop.fake.dispute(&shop.intent(&both).await, 300).unwrap();
    let late = shop.hold("late", 1).await;
    shop.pay(&late, "ctoken_ok").await;
    assert_eq!(shop.refund(&late, json!({"all": true, "restock": true})).await.0, 200);
    let refund = shop.fake.refunds_of(&shop.intent(&late).await).unwrap().remove(0);
    shop.fake.fail_refund(&refund).unwrap();
    shop.fake.misbehave(|o| (o == Operation::Disputes).then_some(InjectedFault::Forbidden));
    assert!(
        !read_external_changes(&shop.app().settlement, since(&shop), &mut Seen::default()).await
    );
    assert_eq!(shop.order(&both).await.refunded().minor, 100);
    assert_eq!(shop.order(&late).await.owed_back().minor, 1_000);
    assert!(shop.order(&both).await.payment.unwrap().dispute.is_none());
    // And the other way round, once the first is mended.
    let disputed = shop.hold("disputed", 1).await;
    shop.pay(&disputed, "ctoken_ok").await;
    shop.fake.dispute(&shop.intent(&disputed).await, 300).unwrap();
    let mut lists = 0;
    shop.fake.misbehave(move |o| {
        // The whole list is read first; those of single payments may be read.
        lists += u32::from(o == Operation::FindRefund);
        (o == Operation::FindRefund && lists == 1).then_some(InjectedFault::Forbidden)
    });
    assert!(
        !read_external_changes(&shop.app().settlement, since(&shop), &mut Seen::default()).await
    );
    for held in [&both, &disputed] {
        assert!(shop.order(held).await.payment.unwrap().dispute.is_some());
    }
    shop.fake.behave();
    look(&shop, &mut Seen::default()).await;
    shop.close().await;
}

/// Nobody knows whether the payment was made that tries the key; it is found again, and cancelled.
#[tokio::test]
async fn trying_the_key_leaves_no_payment_behind_whose_creation_was_not_answered() {
    let shop = shop("probe").await;
    let stripe = &shop.app().settlement.stripe;
    for lost in [InjectedFault::LostAfter, InjectedFault::Garbled, InjectedFault::HangAfter] {
        shop.fake.misbehave(move |o| (o == Operation::Create).then_some(lost));
        for _ in 0..3 {
            assert!(stripe.try_permissions().await.is_err(), "{lost:?}");
        }
    }
    shop.fake.behave();
    stripe.try_permissions().await.unwrap();
    let headers = [("authorization", "Bearer sk_test_secretkey"), ("stripe-version", VERSION)];
    let path = "/v1/payment_intents?limit=100";
    let (status, list) = exchange(shop.fake_at, "GET", path, &headers, "").await;
    assert_eq!(status, 200, "{list}");
    let list: Value = serde_json::from_str(&list).unwrap();
    let made = list["data"].as_array().unwrap();
    assert!(made.len() >= 2, "one at the start, and one now: {list}");
    assert!(made.iter().all(|intent| intent["status"] == "canceled"), "left behind: {list}");
    shop.close().await;
}

/// Nothing was charged, and whoever holds places must not keep them for ever.
#[tokio::test]
async fn a_key_that_may_not_begin_or_confirm_declines_and_the_places_come_back() {
    for forbidden in [Operation::Create, Operation::Confirm] {
        let shop = shop(&format!("not-allowed-{forbidden:?}")).await;
        shop.fake.misbehave(move |o| (o == forbidden).then_some(InjectedFault::Forbidden));
        let held = shop.hold("ann", 1).await;
        let (answer, (order, took_ms)) = tokio::join!(
            shop.pay(&held, "ctoken_ok"),
            shop.as_time_goes_by(&held, |o| {
                o.payment.as_ref().is_some_and(|p| p.open_attempt().is_none())
            })
        );
        assert!(took_ms < 10 * 60_000, "{took_ms}");
        assert!(shop.app().metrics.alarms.get() >= 1);
        assert!(order.until_ms > shop.time.clock().now_ms(), "the clock stood still meanwhile");
        if answer.0 == 402 {
            let told = answer.1.to_string();
            assert!(told.contains("Nothing was charged") && !told.contains("permission"), "{told}");
        }
        shop.time.jump(10 * 60_000);
        assert_eq!(shop.settled(&held).await.state, OrderState::Released);
        shop.fake.behave();
        let held = shop.hold("bob", 1).await;
        assert_eq!(shop.pay(&held, "ctoken_ok").await.0, 200, "mended without a restart");
        shop.close().await;
    }
}

/// Whatever the cause: within ten minutes of our clock a person is told, once, and the audit and the
/// metrics show it.
#[tokio::test]
async fn what_cannot_move_on_is_told_within_ten_minutes_once() {
    let cases = [
        (Operation::Create, InjectedFault::ErrorBefore),
        (Operation::Confirm, InjectedFault::LostBefore),
        (Operation::Capture, InjectedFault::Forbidden),
        (Operation::Capture, InjectedFault::DependencyBefore),
        (Operation::Cancel, InjectedFault::Forbidden),
        (Operation::Refund, InjectedFault::Forbidden),
        (Operation::Refund, InjectedFault::TooMany),
    ];
    futures(cases.into_iter().map(|(operation, how)| cannot_move_on(operation, how))).await;
}

async fn cannot_move_on(operation: Operation, how: InjectedFault) {
    let told = format!("{operation:?} {how:?}");
    let shop = shop(&format!("stuck-{operation:?}-{how:?}")).await;
    let held = shop.hold("ann", 1).await;
    let stuck_in = match operation {
        Operation::Cancel => OrderState::Canceling,
        Operation::Capture => OrderState::Committed,
        Operation::Refund => OrderState::Refunding,
        _ => OrderState::Paying,
    };
    let tokens = if operation == Operation::Cancel { "ctoken_3ds" } else { "ctoken_ok" };
    if matches!(operation, Operation::Cancel | Operation::Refund) {
        shop.pay(&held, tokens).await;
    }
    shop.fake.misbehave(move |o| (o == operation).then_some(how));
    let acting = async {
        match operation {
            Operation::Cancel => _ = shop.cancel(&held).await,
            Operation::Refund => {
                _ = shop.refund(&held, json!({"all": true, "restock": true})).await;
            }
            _ => _ = shop.pay(&held, tokens).await,
        }
    };
    let watching = async {
        shop.state(&held, stuck_in).await;
        shop.as_time_goes_by(&held, Order::is_stuck).await
    };
    let (_, (order, took_ms)) = tokio::join!(
        async { tokio::time::timeout(Duration::from_secs(60), acting).await },
        watching
    );
    assert_eq!(order.state, stuck_in, "{told}");
    assert!(took_ms <= 10 * 60_000, "{told}: {took_ms}");
    let of_order = |alarms: u64| alarms - u64::from(how == InjectedFault::Forbidden);
    assert_eq!(of_order(shop.app().metrics.alarms.get()), 1, "{told}");
    let report = shop.report(false).await;
    let notes = report.findings.iter().filter(|f| f.text.contains("tried"));
    assert_eq!(notes.count(), 1, "{told}: {report}");
    let gauge = format!("nts_orders_stuck{{state=\"{}\"}} 1", stuck_in.word());
    shop.metrics("it counts as stuck", |text| text.contains(&gauge)).await;
    // It is told once.
    let tries = order.tries;
    shop.as_time_goes_by(&held, |o| o.tries > tries + 2).await;
    assert_eq!(of_order(shop.app().metrics.alarms.get()), 1, "{told}");
    shop.fake.behave();
    shop.as_time_goes_by(&held, |o| o.due_ms.is_none()).await;
    shop.metrics("it does not count as stuck any more", |text| !text.contains(&gauge)).await;
    shop.close().await;
}

#[tokio::test]
async fn a_token_that_has_expired_is_declined_with_what_to_do() {
    let shop = shop("expired").await;
    let held = shop.hold("ann", 1).await;
    for token in ["ctoken_expired", "ctoken_expired_abc", "ctoken_nobody"] {
        let (status, answer) = shop.pay(&held, token).await;
        assert_eq!(status, 402, "{answer}");
        let reason = reason(&answer);
        assert!(reason.contains("enter the card again"), "{answer}");
        assert!(reason.contains("Nothing was charged"), "{answer}");
    }
    assert_eq!(shop.pay(&held, "ctoken_ok").await.0, 200);
    shop.close().await;
}

fn reason(answer: &Value) -> String {
    answer["detail"].as_str().unwrap_or_default().to_owned()
}

/// Every answer as bare as Stripe's schema allows it.
#[tokio::test]
async fn nulls_wherever_they_may_be_change_nothing() {
    let shop = shop("nulls").await;
    shop.fake.release_as_refunds(true);
    shop.fake.misbehave(|_| Some(InjectedFault::Nulls));
    let sold = shop.hold("ann", 2).await;
    assert_eq!(shop.pay(&sold, "ctoken_declined").await.0, 402);
    assert_eq!(shop.pay(&sold, "ctoken_ok").await.0, 200);
    let hand = shop.hold("bob", 1).await;
    assert_eq!(shop.pay(&hand, "ctoken_ok").await.0, 200);
    shop.fake.refund_by_hand(&shop.intent(&hand).await, 300).unwrap();
    shop.ring(0).await;
    shop.until("the refund is taken in", &hand, |o| !o.refunds.is_empty()).await;
    let cancelled = shop.hold("cat", 1).await;
    shop.pay(&cancelled, "ctoken_3ds").await;
    shop.cancel(&cancelled).await;
    assert_eq!(shop.settled(&cancelled).await.state, OrderState::Released);
    // A refund whose status is not told is looked at again.
    let asking = shop.refund(&sold, json!({"all": true, "restock": true}));
    let waiting = async {
        shop.until("it is asked for", &sold, |o| o.tries >= 3).await;
        assert_eq!(shop.moved(&sold), (2_000, 2_000));
        shop.fake.behave();
    };
    let (answer, ()) = tokio::join!(asking, waiting);
    assert_eq!(answer.0, 200, "{}", answer.1);
    let report = shop.report(false).await;
    assert!(report.findings.iter().all(|f| f.weight == Weight::Note), "{report}");
    shop.close().await;
}
