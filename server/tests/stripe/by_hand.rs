//! What people do in Stripe's dashboard, and what cardholders do at their banks.

use crate::shop::{HOUR, Held, Shop, shop};
use boxoffice::{OrderState, TicketState};
use nts_server::payments::fake::{InjectedFault, Operation};
use nts_server::payments::stripe::{Seen, Since};
use nts_server::settlement::read_external_changes;
use serde_json::json;

/// An order that is committed, and whose capture does not get through.
async fn committed(shop: &Shop, buyer: &str) -> (Held, String) {
    shop.fake.misbehave(|o| (o == Operation::Capture).then_some(InjectedFault::TooMany));
    let held = shop.hold(buyer, 2).await;
    let paying = shop.pay(&held, "ctoken_ok");
    let (_, order) = tokio::join!(
        async { tokio::time::timeout(std::time::Duration::from_millis(300), paying).await },
        shop.state(&held, OrderState::Committed)
    );
    (held, order.payment.unwrap().intent.unwrap())
}

#[tokio::test]
async fn captured_by_hand_is_paid_and_captured_in_part_goes_back() {
    let shop = shop("hand-capture").await;
    let (whole, intent) = committed(&shop, "ann").await;
    shop.fake.capture_by_hand(&intent, None).unwrap();
    let (part, intent) = committed(&shop, "bob").await;
    shop.fake.capture_by_hand(&intent, Some(500)).unwrap();
    // And before we committed: the bank has just said yes, and somebody was faster than we.
    let early = shop.hold("cat", 2).await;
    shop.pay(&early, "ctoken_3ds").await;
    let intent = shop.intent(&early).await;
    shop.fake.misbehave(|o| (o == Operation::Read).then_some(InjectedFault::LostBefore));
    shop.fake.authenticate(&intent, true).unwrap();
    shop.fake.capture_by_hand(&intent, None).unwrap();
    shop.fake.behave();
    for (held, state, moved) in [
        (&whole, OrderState::Paid, (2_000, 0)),
        (&part, OrderState::Void, (500, 500)),
        (&early, OrderState::Paid, (2_000, 0)),
    ] {
        let order = shop.settled(held).await;
        assert_eq!((order.state, shop.moved(held)), (state, moved), "{order:?}");
        assert_eq!(order.tickets.len(), if state == OrderState::Paid { 2 } else { 0 });
    }
    shop.close().await;
}

#[tokio::test]
async fn refunds_and_disputes_made_by_hand_are_taken_in_and_shown() {
    let shop = shop("hand-refund").await;
    let mut rung = 0;
    let mut sold = Vec::new();
    for name in ["ann", "bob", "cat"] {
        let held = shop.hold(name, 2).await;
        assert_eq!(shop.pay(&held, "ctoken_ok").await.0, 200);
        sold.push((shop.intent(&held).await, held));
    }
    rung = shop.ring(rung).await;
    let [(all, ann), (part, bob), (disputed, cat)] = &sold[..] else { panic!() };

    // All of it: the tickets are worth nothing any more.
    shop.fake.refund_by_hand(all, 2_000).unwrap();
    rung = shop.ring(rung).await;
    let order = shop.state(ann, OrderState::Refunded).await;
    assert!(order.tickets.iter().all(|t| t.state == TicketState::Revoked));
    assert!(shop.page(ann).await.contains("Refunded"));
    let (status, told) = shop.refund(ann, json!({"all": true, "restock": true})).await;
    assert_eq!((status, told["code"].as_str()), (409, Some("nothing_to_refund")), "{told}");

    // A part of it: nobody said for which ticket.
    shop.fake.refund_by_hand(part, 700).unwrap();
    rung = shop.ring(rung).await;
    let order = shop.until("the refund is taken in", bob, |o| !o.refunds.is_empty()).await;
    assert!(order.state == OrderState::Paid && order.refunds[0].by_hand, "{order:?}");
    assert!(order.tickets.iter().all(|t| t.state == TicketState::Valid));
    assert!(shop.page(bob).await.contains("partly refunded"));
    // Rung again, out of order and twice: nothing changes.
    shop.ring(0).await;
    for (_, body) in shop.fake.events_since(0).unwrap().into_iter().rev() {
        assert_eq!(shop.webhook(&body).await.0, 200);
    }
    // What is left, and no more than that, goes back when the organiser refunds the rest.
    let (status, told) = shop.refund(bob, json!({"all": true, "restock": true})).await;
    assert_eq!((status, told["refund"]["amount"]["amount"].as_i64()), (200, Some(1_300)), "{told}");
    assert_eq!(shop.settled(bob).await.state, OrderState::Refunded);
    assert_eq!(shop.moved(bob), (2_000, 2_000));

    shop.fake.dispute(disputed, 2_000).unwrap();
    shop.ring(rung).await;
    let is = |o: &boxoffice::Order| o.payment.as_ref().is_some_and(|p| p.dispute.is_some());
    shop.until("the dispute is taken in", cat, is).await;
    assert!(shop.page(cat).await.contains("disputed"));
    assert_eq!(shop.order(ann).await.refunds.len(), 1);
    shop.close().await;
}

/// Nobody rings: the lists tell.
#[tokio::test]
async fn without_webhooks_the_lists_tell() {
    let mut shop = shop("hand-lists").await;
    let held = shop.hold("ann", 2).await;
    shop.pay(&held, "ctoken_ok").await;
    let intent = shop.intent(&held).await;
    shop.fake.refund_by_hand(&intent, 2_000).unwrap();
    assert!(!shop.report(false).await.balanced(), "the audit sees it first");
    // The lists are read at the start, and every five minutes from then on.
    shop.stop().await;
    shop.start_again().await;
    shop.state(&held, OrderState::Refunded).await;
    shop.close().await;
}

/// Found by the simulation: the next list was asked for from a moment of our own clock on, so a
/// machine whose clock is ahead never heard of what was done by hand. And what could not be taken in
/// was not asked for again.
#[tokio::test]
async fn the_lists_tell_though_our_clock_is_wrong_and_though_the_first_try_fails() {
    let shop = shop("hand-clock").await;
    shop.time.jump(24 * HOUR);
    let held = shop.hold("ann", 2).await;
    shop.pay(&held, "ctoken_ok").await;
    let intent = shop.intent(&held).await;
    shop.settled(&held).await;
    let begin_s = shop.time.clock().now_ms() / 1000 - 3 * 24 * 3_600;
    let since = Since { refunds_s: begin_s, disputes_s: begin_s };
    let mut seen = Seen::default();
    assert!(
        read_external_changes(&shop.app().settlement, since, &mut seen).await,
        "nothing is there yet"
    );
    shop.fake.refund_by_hand(&intent, 2_000).unwrap();
    shop.fake.misbehave(|o| (o == Operation::Read).then_some(InjectedFault::TooMany));
    assert!(!read_external_changes(&shop.app().settlement, since, &mut seen).await);
    assert_eq!(shop.order(&held).await.state, OrderState::Paid);
    shop.fake.behave();
    assert!(read_external_changes(&shop.app().settlement, since, &mut seen).await);
    assert_eq!(shop.order(&held).await.state, OrderState::Refunded);
    shop.close().await;
}

/// Somebody gave a part back by hand and nobody rang; then the organiser refunds all of it here. Stripe
/// refuses that, and what was done by hand is taken in at once.
#[tokio::test]
async fn a_refund_that_is_refused_takes_in_what_was_given_back_by_hand() {
    let shop = shop("hand-refused").await;
    let held = shop.hold("ann", 2).await;
    assert_eq!(shop.pay(&held, "ctoken_ok").await.0, 200);
    shop.settled(&held).await;
    shop.fake.refund_by_hand(&shop.intent(&held).await, 700).unwrap();
    shop.refund(&held, json!({"all": true, "restock": true})).await;
    let order = shop.settled(&held).await;
    assert_eq!((order.state, shop.moved(&held)), (OrderState::Paid, (2_000, 700)));
    let by_hand = order.refunds.iter().filter(|r| r.by_hand).map(|r| r.amount_minor);
    assert_eq!(by_hand.collect::<Vec<_>>(), [700], "{order:?}");
    shop.close().await;
}
