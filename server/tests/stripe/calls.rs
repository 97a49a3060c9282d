//! Every call lost, refused, delayed or answered with nonsense, in every way.

use crate::pay::futures;
use crate::shop::{Setup, Shop, WAYS};
use boxoffice::OrderState;
use nts_server::payments::fake::{InjectedFault, Operation};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The call goes wrong this way so many times in a row, then all is well.
async fn goes_wrong(operation: Operation, times: u32) {
    let name = format!("calls-{operation:?}-{times}");
    let shop = Shop::start(&name, Setup::default()).await;
    for (n, way) in WAYS.into_iter().enumerate() {
        let struck = Arc::new(AtomicU32::new(0));
        let strikes = Arc::clone(&struck);
        let told = format!("{operation:?} {way:?} {times} times");
        let held = shop.hold(&format!("b{n}"), 2).await;
        shop.fake.misbehave(move |o| {
            let strikes_now = o == operation && strikes.load(Ordering::SeqCst) < times;
            strikes.fetch_add(u32::from(strikes_now), Ordering::SeqCst);
            strikes_now.then_some(way)
        });
        if matches!(operation, Operation::Cancel | Operation::Read) {
            shop.pay(&held, "ctoken_3ds").await;
            if operation == Operation::Cancel {
                shop.cancel(&held).await;
                assert_eq!(shop.settled(&held).await.state, OrderState::Released, "{told}");
                assert_eq!(shop.moved(&held), (0, 0), "{told}");
                assert!(struck.load(Ordering::SeqCst) > 0, "{told}: it did not strike");
                continue;
            }
            let intent = shop.intent(&held).await;
            shop.fake.authenticate(&intent, true).unwrap();
        } else {
            shop.pay(&held, &format!("ctoken_ok_{n}")).await;
        }
        assert_eq!(shop.settled(&held).await.state, OrderState::Paid, "{told}");
        assert_eq!(shop.moved(&held), (2_000, 0), "{told}");
        let part = json!({"lines": [{"ticket_type": "t", "quantity": 1}], "restock": true});
        // A 500 that is repeated under a refund's key is waited out: minutes, here by the clock.
        let waiting = async {
            let repeated =
                matches!(way, InjectedFault::ErrorBefore | InjectedFault::DependencyBefore);
            while operation == Operation::Refund && repeated && shop.moved(&held).1 == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                shop.time.jump(61_000);
            }
        };
        let ((status, answer), ()) = tokio::join!(shop.refund(&held, part), waiting);
        assert_eq!(status, 200, "{told}: {answer}");
        assert_eq!(shop.settled(&held).await.state, OrderState::Paid, "{told}");
        assert_eq!(shop.moved(&held), (2_000, 1_000), "{told}");
        assert!(struck.load(Ordering::SeqCst) > 0, "{told}: it did not strike");
    }
    shop.fake.behave();
    shop.close().await;
}

#[tokio::test]
async fn each_call_may_go_wrong_once_in_each_way() {
    let operations = [
        Operation::Create,
        Operation::Confirm,
        Operation::Read,
        Operation::Capture,
        Operation::Cancel,
        Operation::FindRefund,
        Operation::Refund,
    ];
    futures(operations.into_iter().map(|operation| goes_wrong(operation, 1))).await;
}

/// Four times, so that an answer which says nothing is repeated under its key, and a new one is used.
#[tokio::test]
async fn each_call_may_go_wrong_again_and_again() {
    let operations = [Operation::Create, Operation::Confirm, Operation::Capture, Operation::Cancel];
    futures(operations.into_iter().map(|operation| goes_wrong(operation, 4))).await;
}
