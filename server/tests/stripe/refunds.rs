//! Stories of giving back.

use crate::pay::futures;
use crate::shop::{HOUR, shop};
use boxoffice::{OrderState, RefundState};
use nts_server::payments::fake::{InjectedFault, Operation};
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
