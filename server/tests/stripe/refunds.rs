//! Stories of giving back.

use crate::pay::futures;
use crate::shop::{HOUR, Shop, shop};
use boxoffice::{OrderState, RefundState};
use nts_server::payments::fake::{InjectedFault, Operation, Stop};
use nts_testkit::eventually_async;
use serde_json::json;

#[tokio::test]
async fn two_organisers_refund_at_once_and_it_is_given_back_once() {
    let shop = shop("two-organisers").await;
    let held = shop.hold("ann", 3).await;
    shop.pay(&held, "ctoken_ok").await;
    let both = (0..2).map(|_| shop.refund(&held, json!({"all": true, "restock": true})));
    let answers = futures(both).await;
    let done = answers.iter().filter(|(status, _)| *status == 200).count();
    assert_eq!(done, 1, "{answers:?}");
    let refused = &answers.iter().find(|(status, _)| *status != 200).unwrap().1;
    let code = refused["code"].as_str().unwrap();
    assert!(matches!(code, "refund_under_way" | "nothing_to_refund"), "{refused}");
    let order = shop.settled(&held).await;
    assert_eq!((order.state, shop.moved(&held)), (OrderState::Refunded, (3_000, 3_000)));
    let pool = shop.app().catalogue.event("rock").unwrap().pools[0].clone();
    assert_eq!((pool.held, pool.sold), (0, 0), "put back on sale");
    shop.close().await;
}

#[tokio::test]
async fn a_part_whose_answer_is_lost_is_given_back_once_though_asked_again_after_a_day() {
    let shop = shop("lost-part").await;
    let held = shop.hold("ann", 4).await;
    shop.pay(&held, "ctoken_ok").await;
    shop.fake.misbehave(|o| (o == Operation::Refund).then_some(InjectedFault::LostAfter));
    // The first look finds nothing; the refund happens, its answer is lost; then nobody answers.
    let body = json!({"lines": [{"ticket_type": "t", "quantity": 1}], "restock": false});
    let asking = shop.refund(&held, body);
    let meanwhile = async {
        eventually_async("the money is back", async || {
            let moved = shop.moved(&held);
            if moved == (4_000, 1_000) { Ok(()) } else { Err(moved) }
        })
        .await;
        shop.fake.misbehave(|_| Some(InjectedFault::LostBefore));
        let tries = shop.order(&held).await.tries;
        let order = shop.until("it is tried in vain", &held, |o| o.tries >= tries + 2).await;
        assert_eq!((order.state, order.refunds.len()), (OrderState::Refunding, 1));
        assert_eq!(order.refunds[0].state, RefundState::Pending);
        let valid =
            order.tickets.iter().filter(|t| t.state == boxoffice::TicketState::Valid).count();
        assert_eq!(valid, 3, "revoked before the money goes back");
        shop.stripe_time.jump(25 * HOUR);
        shop.time.jump(25 * HOUR);
        shop.fake.behave();
    };
    let ((status, answer), ()) = tokio::join!(asking, meanwhile);
    assert_eq!(status, 200, "{answer}");
    let order = shop.settled(&held).await;
    assert_eq!((order.state, shop.moved(&held)), (OrderState::Paid, (4_000, 1_000)));
    // Again a part, and then the rest.
    let part = json!({"lines": [{"ticket_type": "t", "quantity": 2}], "restock": true});
    assert_eq!(shop.refund(&held, part).await.0, 200);
    assert_eq!(shop.refund(&held, json!({"all": true, "restock": true})).await.0, 200);
    let order = shop.settled(&held).await;
    assert_eq!((order.state, shop.moved(&held)), (OrderState::Refunded, (4_000, 4_000)));
    shop.close().await;
}

/// A machine that was suspended between the two calls of a refund: what it has looked up is old by then, and
/// others may have refunded under another key.
#[tokio::test]
async fn a_refund_is_not_requested_on_a_look_that_is_old() {
    let shop = shop("old-look").await;
    let held = shop.hold("ann", 2).await;
    shop.pay(&held, "ctoken_ok").await;
    let requested = |shop: &Shop| shop.fake.calls()[&Operation::Refund];
    let before = requested(&shop);
    let looks = shop.fake.pause(Operation::FindRefund, Stop::After);
    let part = json!({"lines": [{"ticket_type": "t", "quantity": 1}], "restock": false});
    let asking = shop.refund(&held, part);
    let meanwhile = async {
        looks.arrived().await;
        shop.fake.misbehave(|o| (o == Operation::FindRefund).then_some(InjectedFault::LostBefore));
        shop.time.jump(120_000);
        looks.resume();
        let order = shop.until("it is put off", &held, |o| o.tries > 0).await;
        assert_eq!(order.refunds[0].state, RefundState::Pending);
        assert_eq!(requested(&shop), before, "nothing was requested");
        shop.fake.behave();
    };
    let ((status, answer), ()) = tokio::join!(asking, meanwhile);
    assert_eq!(status, 200, "{answer}");
    let order = shop.settled(&held).await;
    assert_eq!((order.state, shop.moved(&held)), (OrderState::Paid, (2_000, 1_000)));
    shop.close().await;
}

#[tokio::test]
async fn an_amount_whose_answer_is_lost_is_given_back_once_and_once_more_if_the_bank_sends_it_back()
{
    let shop = shop("lost-amount").await;
    let held = shop.hold("ann", 2).await;
    shop.pay(&held, "ctoken_ok").await;
    shop.fake.misbehave(|o| (o == Operation::Refund).then_some(InjectedFault::LostAfter));
    let amount = json!({"amount": {"amount": 700, "currency": "GBP"}, "reason": "late start"});
    let asking = shop.refund(&held, amount);
    let meanwhile = async {
        eventually_async("the money is back", async || {
            let moved = shop.moved(&held);
            if moved == (2_000, 700) { Ok(()) } else { Err(moved) }
        })
        .await;
        shop.fake.misbehave(|_| Some(InjectedFault::LostBefore));
        let tries = shop.order(&held).await.tries;
        let order = shop.until("it is tried in vain", &held, |o| o.tries >= tries + 2).await;
        assert_eq!(order.refunds[0].state, RefundState::Pending);
        let page = shop.page(&held).await;
        assert!(page.contains("A part of the money is on its way back"), "{page}");
        shop.stripe_time.jump(25 * HOUR);
        shop.time.jump(25 * HOUR);
        shop.fake.behave();
    };
    let ((status, answer), ()) = tokio::join!(asking, meanwhile);
    assert_eq!(status, 200, "{answer}");
    let valid = |order: &boxoffice::Order| {
        order.tickets.iter().filter(|t| t.state == boxoffice::TicketState::Valid).count()
    };
    let order = shop.settled(&held).await;
    assert_eq!(
        (order.state, shop.moved(&held), valid(&order)),
        (OrderState::Paid, (2_000, 700), 2)
    );
    shop.balanced().await;

    // Days later the bank sends it back: it is owed, and is given once more.
    let refund = shop.fake.refunds_of(&shop.intent(&held).await).unwrap().remove(0);
    shop.fake.fail_refund(&refund).unwrap();
    shop.ring(0).await;
    let order = shop.until("it is known", &held, |o| o.owed_back().minor == 700).await;
    assert_eq!((order.state, valid(&order)), (OrderState::Paid, 2));
    let again = shop.refund(&held, json!({"failed": true, "restock": false})).await;
    assert_eq!(again.0, 200, "{}", again.1);
    let order = shop.settled(&held).await;
    assert_eq!((order.owed_back().minor, valid(&order)), (0, 2));
    // Then all that is left.
    assert_eq!(shop.refund(&held, json!({"all": true, "restock": true})).await.0, 200);
    let order = shop.settled(&held).await;
    assert_eq!((order.state, valid(&order)), (OrderState::Refunded, 0));
    assert_eq!(shop.moved(&held).0, shop.moved(&held).1);
    shop.close().await;
}
