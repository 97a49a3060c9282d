//! Attempts that get stuck: answers that are lost, keys that may not do everything, cards and banks that
//! do not answer. Nobody hears "nothing was charged" who may be charged, no clock stands still for ever,
//! and a person is told.

use crate::shop::{HOUR, Held, Shop, shop};
use boxoffice::{AttemptState, Effect, Order, OrderState};
use nts_server::payments::class::PaymentClass;
use nts_server::payments::fake::{InjectedFault, Operation, Stop};
use nts_testkit::eventually_async;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// A buyer who asks and does not wait for the answer.
async fn pays_and_leaves(shop: &Shop, held: &Held, token: &str) {
    _ = tokio::time::timeout(Duration::from_millis(500), shop.pay(held, token)).await;
}

fn is_closed(order: &Order) -> bool {
    order.payment.as_ref().is_some_and(|payment| payment.open_attempt().is_none())
}

/// What the order's own route says: the state, the message and all else, as text.
async fn told(shop: &Shop, held: &Held) -> String {
    let path = format!("/api/v1/orders/{}", held.id);
    let bearer = format!("Bearer {}", held.secret);
    shop.http("GET", &path, &[("authorization", &bearer)], "").await.1
}

/// The first confirmation is still under way when a later one, under another key, is refused. News that
/// comes in the meantime does not end the wait for the first.
#[tokio::test]
async fn no_news_cuts_the_wait_for_an_earlier_call_short() {
    let shop = shop("news-short").await;
    let held = shop.hold("ann", 1).await;
    let pause = shop.fake.pause(Operation::Confirm, Stop::Before);
    let mut confirms = 0;
    shop.fake.misbehave(move |o| {
        confirms += u32::from(o == Operation::Confirm);
        match (o, confirms) {
            (Operation::Confirm, 2 | 3) => Some(InjectedFault::LostBefore),
            (Operation::Confirm, 4..) => Some(InjectedFault::TokenExpired),
            _ => None,
        }
    });
    let waits = |o: &Order| o.trouble.as_ref().is_some_and(|t| t.contains("the card was refused"));
    let buyer = pays_and_leaves(&shop, &held, "ctoken_ok");
    let ((), before) = tokio::join!(buyer, shop.until("it waits", &held, waits));
    let left_ms = before.due_ms.unwrap() - shop.time.clock().now_ms();
    assert!(left_ms > 60_000, "{left_ms}");
    // A page that is loaded, and webhooks as Stripe sends them.
    let intent = before.payment.as_ref().unwrap().intent.clone().unwrap();
    let reads = shop.fake.calls()[&Operation::Read];
    for n in 0..4 {
        let object = json!({"id": intent, "object": "payment_intent",
                            "metadata": {"nts_order": held.id}});
        let body = json!({"id": format!("evt_{n}"), "object": "event",
                          "type": "payment_intent.created", "data": {"object": object}});
        assert_eq!(shop.webhook(&body.to_string()).await.0, 200);
        nts_server::settlement::reconcile(&shop.app().settlement, &before).await.unwrap().unwrap();
    }
    shop.called(Operation::Read, reads + 5).await;
    shop.notices_handled(&held).await;
    let after = shop.order(&held).await;
    assert_eq!((after.due_ms, after.tries), (before.due_ms, before.tries));
    assert!(waits(&after) && !is_closed(&after), "{after:?}");
    // The first one arrives after all, and that is found.
    shop.fake.behave();
    pause.resume();
    eventually_async("the money is set aside", async || {
        let authorised = shop.fake.authorised().unwrap();
        if authorised.is_empty() { Err(authorised) } else { Ok(()) }
    })
    .await;
    shop.time.jump(left_ms);
    shop.state(&held, OrderState::Paid).await;
    assert_eq!(shop.moved(&held), (1_000, 0));
    shop.close().await;
}

/// A confirmation went through, its answer is lost, and from then on our key may neither confirm nor read.
#[tokio::test]
async fn a_decline_for_our_key_does_not_forget_an_earlier_call_that_went_through() {
    for may_read in [false, true] {
        let shop = shop(&format!("key-lost-{may_read}")).await;
        let held = shop.hold("ann", 1).await;
        let (mut first, mut reads) = (true, 0);
        shop.fake.misbehave(move |o| match o {
            Operation::Confirm if std::mem::take(&mut first) => Some(InjectedFault::LostAfter),
            Operation::Confirm => Some(InjectedFault::Forbidden),
            Operation::Read => {
                reads += 1;
                (!may_read || reads < 2).then_some(InjectedFault::Forbidden)
            }
            _ => None,
        });
        let ((), (order, took_ms)) =
            tokio::join!(pays_and_leaves(&shop, &held, "ctoken_ok"), async {
                shop.state(&held, OrderState::Paying).await;
                shop.as_time_goes_by(&held, is_closed).await
            });
        let payment = order.payment.as_ref().unwrap();
        let last = &payment.attempts.last().unwrap().state;
        assert!(!matches!(last, AttemptState::Declined(_)), "may read: {may_read}: {order:?}");
        assert!(took_ms < 10 * 60_000, "{took_ms}");
        // Found by reading, it is paid; found by cancelling, nothing was charged.
        let end = if may_read { OrderState::Paid } else { OrderState::Released };
        let order = shop.settled(&held).await;
        assert_eq!(order.state, end, "{order:?}");
        let taken = if may_read { 1_000 } else { 0 };
        assert_eq!(shop.moved(&held), (taken, 0));
        assert_eq!(shop.fake.authorised().unwrap(), Vec::<String>::new());
        assert_eq!(told(&shop, &held).await.contains("nothing was charged"), !may_read);
        shop.close().await;
    }
}

/// The card is refused, and what became of the payment may not be read.
#[tokio::test]
async fn an_attempt_that_is_refused_and_cannot_be_read_does_not_stop_the_clock_for_ever() {
    let shop = shop("unreadable").await;
    let held = shop.hold("ann", 1).await;
    shop.fake.misbehave(|o| match o {
        Operation::Read => Some(InjectedFault::Forbidden),
        Operation::Confirm => Some(InjectedFault::TokenExpired),
        _ => None,
    });
    let ((), (order, took_ms)) = tokio::join!(pays_and_leaves(&shop, &held, "ctoken_ok"), async {
        shop.state(&held, OrderState::Paying).await;
        shop.as_time_goes_by(&held, |o| is_closed(o) || o.tries > 20).await
    });
    assert!(is_closed(&order) && took_ms < 10 * 60_000, "{took_ms} {order:?}");
    assert_eq!(shop.settled(&held).await.state, OrderState::Released);
    assert_eq!(shop.moved(&held), (0, 0));
    shop.fake.behave();
    shop.close().await;
}

/// Another card has taken the place of one whose bank asked, and its confirmation gets no answer; what is
/// read tells of the first card's page.
#[tokio::test]
async fn a_replaced_card_that_cannot_be_confirmed_is_told_to_a_person() {
    let shop = shop("replaced").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds_sdk").await;
    shop.fake.misbehave(|o| (o == Operation::Confirm).then_some(InjectedFault::LostBefore));
    let alarms = shop.app().metrics.alarms.get();
    let second = |o: &Order| o.payment.as_ref().is_some_and(|p| p.attempts.len() == 2);
    let ((), (order, took_ms)) = tokio::join!(pays_and_leaves(&shop, &held, "ctoken_ok"), async {
        shop.until("the second attempt", &held, second).await;
        shop.as_time_goes_by(&held, |o| o.is_stuck() || o.tries > 20).await
    });
    assert!(order.is_stuck() && took_ms < 10 * 60_000, "{took_ms} {order:?}");
    assert_eq!(shop.app().metrics.alarms.get() - alarms, 1);
    shop.fake.behave();
    shop.as_time_goes_by(&held, |o| o.state == OrderState::Paid).await;
    assert_eq!(shop.moved(&held), (1_000, 0));
    shop.close().await;
}

#[tokio::test]
async fn a_card_network_that_does_not_answer_is_told_to_a_person() {
    let shop = shop("no-network").await;
    let held = shop.hold("ann", 1).await;
    let alarms = shop.app().metrics.alarms.get();
    let ((), (order, took_ms)) =
        tokio::join!(pays_and_leaves(&shop, &held, "ctoken_processing"), async {
            let has_it = |o: &Order| {
                let last = o.payment.as_ref().and_then(|p| p.attempts.last());
                last.is_some_and(|attempt| attempt.state == AttemptState::Action)
            };
            shop.until("the network has it", &held, has_it).await;
            // By Stripe's clock the network answers only in an hour.
            shop.stripe_time.jump(-HOUR);
            shop.as_time_goes_by(&held, |o| o.is_stuck() || o.tries > 20).await
        });
    assert!(order.is_stuck() && took_ms < 10 * 60_000, "{took_ms} {order:?}");
    assert_eq!(shop.app().metrics.alarms.get() - alarms, 1);
    shop.stripe_time.jump(HOUR + 3_000);
    shop.as_time_goes_by(&held, |o| o.state == OrderState::Paid).await;
    assert!(!shop.order(&held).await.is_stuck());
    shop.close().await;
}

/// The new card could not be used, and the buyer finishes the first bank's page after all: the pages that the
/// buyer comes back to read it at once.
#[tokio::test]
async fn a_buyer_who_is_back_from_the_replaced_bank_page_sees_what_it_said() {
    let shop = shop("back").await;
    for (n, by_pay_page) in [false, true].into_iter().enumerate() {
        let held = shop.hold(&format!("ann{n}"), 1).await;
        shop.pay(&held, "ctoken_3ds").await;
        let intent = shop.intent(&held).await;
        // The token of the other card is too old, so the bank's page stays as it is.
        let (status, told) = shop.pay(&held, "ctoken_expired").await;
        assert_eq!((status, told["money_moved"].as_str()), (402, Some("unknown")), "{told}");
        let rests = shop.order(&held).await.due_ms.unwrap() - shop.time.clock().now_ms();
        assert!(rests > 60_000, "nothing else looks at it soon: {rests}");
        shop.fake.authenticate(&intent, true).unwrap();
        if by_pay_page {
            let path = shop.app().links.pay_path(held.order);
            shop.http("GET", &format!("{path}/order"), &[], "").await;
        } else {
            let page = shop.page(&held).await;
            assert!(!page.contains("Declined"), "{page}");
        }
        assert!(shop.order(&held).await.state.sells(), "it was read");
        shop.state(&held, OrderState::Paid).await;
        assert_eq!(shop.moved(&held), (1_000, 0));
    }
    shop.close().await;
}

/// The timer and the news come to an order that was looked at a moment ago: nobody is asked again before it
/// is due.
#[tokio::test]
async fn the_provider_is_not_asked_about_an_order_that_is_not_due() {
    let shop = shop("not-due").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds").await;
    let rests = |o: &Order| o.due_ms.is_some_and(|due| due > shop.time.clock().now_ms() + 1_500);
    loop {
        let before = shop.until("the timer waits", &held, rests).await;
        let reads = shop.fake.calls()[&Operation::Read];
        // As a commit tells of it.
        let line = &shop.app().settlement.queue;
        let owes = [Effect::Settle(held.order)];
        line.tell(&BTreeMap::new(), &owes, false, |_| PaymentClass::First);
        eventually_async("it was looked at", async || line.class(held.order).map_or(Ok(()), Err))
            .await;
        let (reads_now, after) = (shop.fake.calls()[&Operation::Read], shop.order(&held).await);
        // On a machine that is busy with others it may be due by now.
        if before.due_ms.is_some_and(|due| due > shop.time.clock().now_ms()) {
            assert_eq!((reads_now, after), (reads, before));
            break;
        }
    }
    shop.close().await;
}

/// The buyer is at the bank's page, and our key may not read any more: the places are kept until the time
/// is over, and then the payment is cancelled.
#[tokio::test]
async fn a_bank_page_that_cannot_be_read_any_more_is_given_up_when_its_time_is_over() {
    let shop = shop("page-unreadable").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds").await;
    let asks = |o: &Order| {
        let last = o.payment.as_ref().and_then(|p| p.attempts.last());
        last.is_some_and(|attempt| attempt.state == AttemptState::Action)
    };
    let until_ms = shop.until("the bank asks", &held, asks).await.until_ms;
    shop.fake.misbehave(|o| (o == Operation::Read).then_some(InjectedFault::Forbidden));
    let left = |o: &Order| o.state != OrderState::Paying || o.tries > 40;
    let (order, _) = shop.as_time_goes_by(&held, left).await;
    let now_ms = shop.time.clock().now_ms();
    assert!(order.state != OrderState::Paying, "never given up: {order:?}");
    assert!((until_ms..until_ms + 10 * 60_000).contains(&now_ms), "{until_ms} {now_ms}");
    assert_eq!(shop.settled(&held).await.state, OrderState::Released);
    assert_eq!(shop.moved(&held), (0, 0));
    shop.fake.behave();
    shop.close().await;
}
