//! Stories of paying.

use crate::shop::{HOUR, Setup, Shop, shop};
use boxoffice::{AttemptState, OrderState};
use nts_server::metrics::{Metrics, ProviderCall};
use nts_server::payments::fake::{InjectedFault, Operation};
use nts_server::payments::governor::Governor;
use nts_server::payments::stripe::Stripe;
use nts_server::payments::stripe::net::Net;
use nts_server::settlement::{Notices, Settlement, SettlementQueue, Stuck, run};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

#[tokio::test]
async fn a_sale_costs_three_calls_and_no_more() {
    // Patient, for a call that is thought lost on a busy machine is followed by a reading.
    let setup = Setup { timeout_ms: 20_000, ..Setup::default() };
    let shop = Shop::start("three", setup).await;
    // What is asked at the start, whoever sells or not, comes first; the disputes are its last.
    shop.called(Operation::Disputes, 1).await;
    let before = shop.fake.calls();
    for n in 0..20 {
        let held = shop.hold(&format!("b{n}"), 2).await;
        let (status, told) = shop.pay(&held, &format!("ctoken_ok_{n}")).await;
        assert_eq!((status, told["state"].as_str()), (200, Some("paid")), "{told}");
        assert_eq!(shop.moved(&held), (2_000, 0));
    }
    let calls = shop.fake.calls();
    let made = |o| calls.get(&o).copied().unwrap_or(0) - before.get(&o).copied().unwrap_or(0);
    for operation in [Operation::Create, Operation::Confirm, Operation::Capture] {
        assert_eq!(made(operation), 20, "{operation:?}");
    }
    for operation in [Operation::Read, Operation::Cancel, Operation::Refund, Operation::FindRefund]
    {
        assert_eq!(made(operation), 0, "{operation:?}");
    }
    shop.close().await;
}

#[tokio::test]
async fn a_double_click_and_a_second_tab_pay_once() {
    let shop = shop("tabs").await;
    let held = shop.hold("ann", 1).await;
    let clicks = (0..10).map(|n| {
        let token = format!("ctoken_ok_tab{}", n / 2);
        let (shop, held) = (&shop, &held);
        async move { shop.pay(held, &token).await }
    });
    for (status, told) in futures(clicks).await {
        match status {
            200 => assert_eq!(told["state"], "paid", "{told}"),
            202 => assert_eq!(told["state"], "paying", "{told}"),
            409 => assert_eq!(told["code"], "payment_under_way", "{told}"),
            _ => panic!("{status} {told}"),
        }
    }
    let order = shop.state(&held, OrderState::Paid).await;
    assert_eq!((shop.moved(&held), order.tickets.len()), ((1_000, 0), 1));
    assert_eq!(order.payment.unwrap().attempts.len(), 1);
    // And once more, later.
    assert_eq!(shop.pay(&held, "ctoken_ok_late").await.0, 200);
    assert_eq!(shop.moved(&held), (1_000, 0));
    shop.close().await;
}

/// Runs them all at the same time.
pub async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.map(|f| (Box::pin(f), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, result) in &mut waiting {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    waiting.into_iter().map(|(_, result)| result.unwrap()).collect()
}

#[tokio::test]
async fn declined_and_then_paid_within_the_hold() {
    let shop = shop("declined").await;
    let held = shop.hold("ann", 1).await;
    for n in 0..3 {
        let (status, told) = shop.pay(&held, &format!("ctoken_declined_{n}")).await;
        assert_eq!((status, told["money_moved"].as_str()), (402, Some("no")), "{told}");
    }
    let (status, told) = shop.pay(&held, "ctoken_nonsense").await;
    assert_eq!(status, 402, "a token that is none is like a card that is none: {told}");
    assert_eq!(shop.pay(&held, "ctoken_ok_1").await.0, 200);
    let order = shop.state(&held, OrderState::Paid).await;
    assert_eq!(order.payment.unwrap().attempts.len(), 5);
    assert_eq!(shop.moved(&held), (1_000, 0));
    // A token that another order used already is refused, and that is no charge.
    let other = shop.hold("bob", 1).await;
    assert_eq!(shop.pay(&other, "ctoken_ok_1").await.0, 402);
    assert_eq!(shop.pay(&other, "tok_visa").await.0, 200, "the old route's token of a card");
    shop.close().await;
}

#[tokio::test]
async fn three_d_secure_finished_abandoned_and_finished_too_late() {
    let shop = shop("3ds").await;
    let held = [shop.hold("ann", 1).await, shop.hold("bob", 1).await, shop.hold("cat", 1).await];
    let [finished, abandoned, too_late] = &held;
    for held in &held {
        let (status, told) = shop.pay(held, "ctoken_3ds_sdk").await;
        assert_eq!((status, told["state"].as_str()), (200, Some("paying")), "{told}");
        assert_eq!(told["action"]["type"], "client_secret");
        assert!(told["action"]["client_secret"].as_str().unwrap().contains("_secret_"));
    }
    // The bank says no once, and then yes to the next attempt.
    let intent = shop.intent(finished).await;
    shop.fake.authenticate(&intent, false).unwrap();
    shop.page(finished).await;
    let order = shop.order(finished).await;
    let attempts = order.payment.unwrap().attempts;
    assert!(matches!(attempts[0].state, AttemptState::Declined(_)), "{attempts:?}");
    assert_eq!(shop.pay(finished, "ctoken_3ds").await.1["action"]["type"], "redirect");
    shop.fake.authenticate(&intent, true).unwrap();
    shop.page(finished).await;
    shop.state(finished, OrderState::Paid).await;

    // The one who walks away loses the places at the deadline, and nothing is charged.
    shop.time.jump(301_000);
    shop.state(abandoned, OrderState::Released).await;
    shop.state(too_late, OrderState::Released).await;
    let intent = shop.intent(too_late).await;
    shop.fake.authenticate(&intent, true).unwrap();
    shop.page(too_late).await;
    assert_eq!(shop.moved(too_late), (0, 0), "the bank's yes came after the payment was dead");
    shop.close().await;
}

#[tokio::test]
async fn the_banks_yes_between_the_deadline_and_the_cancel_takes_no_money() {
    let shop = shop("race").await;
    let held = shop.hold("ann", 1).await;
    shop.pay(&held, "ctoken_3ds").await;
    let intent = shop.intent(&held).await;
    // Cancelling is asked for, but does not get through.
    shop.fake.misbehave(|o| (o == Operation::Cancel).then_some(InjectedFault::LostBefore));
    shop.time.jump(301_000);
    shop.state(&held, OrderState::Canceling).await;
    shop.fake.authenticate(&intent, true).unwrap();
    assert_eq!(shop.order(&held).await.state, OrderState::Canceling, "the places are still held");
    shop.fake.behave();
    shop.state(&held, OrderState::Released).await;
    assert_eq!(shop.moved(&held), (0, 0));
    shop.close().await;
}

#[tokio::test]
async fn a_hold_that_runs_out_while_the_bank_is_slow_is_still_paid() {
    let setup = Setup { hold_seconds: 1, timeout_ms: 10_000, ..Setup::default() };
    let shop = Shop::start("slow", setup).await;
    let held = shop.hold("ann", 1).await;
    let (status, told) = shop.pay(&held, "ctoken_slow").await;
    assert_eq!((status, told["state"].as_str()), (200, Some("paid")), "{told}");
    let processing = shop.hold("bob", 1).await;
    shop.pay(&processing, "ctoken_processing").await;
    shop.state(&processing, OrderState::Paid).await;
    shop.close().await;
}

#[tokio::test]
async fn an_authorisation_that_expires_or_is_voided_leaves_nothing() {
    let shop = shop("void").await;
    let expires = shop.hold("ann", 2).await;
    let voided = shop.hold("bob", 2).await;
    shop.fake.misbehave(|o| (o == Operation::Capture).then_some(InjectedFault::TooMany));
    futures([&expires, &voided].map(|held| shop.pay(held, "ctoken_ok")).into_iter()).await;
    for held in [&expires, &voided] {
        shop.state(held, OrderState::Committed).await;
    }
    let intent = shop.intent(&voided).await;
    shop.fake.void(&intent).unwrap();
    shop.stripe_time.jump(8 * 24 * HOUR);
    shop.fake.behave();
    for held in [&expires, &voided] {
        let order = shop.settled(held).await;
        assert_eq!((order.state, order.tickets.len()), (OrderState::Void, 0));
        assert_eq!(shop.moved(held), (0, 0));
    }
    shop.close().await;
}

/// Settles the orders of a shop beside its server, as another process on its database would.
fn another_worker(shop: &Shop) -> (JoinHandle<()>, Arc<Metrics>) {
    let (app, patience) = (shop.app(), Duration::from_millis(300));
    let metrics = Arc::<Metrics>::default();
    let base = format!("http://{}", shop.fake_at);
    let wire = Box::new(Net::new(&base, "sk_test_secretkey", patience).unwrap());
    let (ids, clock) = (Arc::clone(&app.ids), Arc::clone(&app.clock));
    let other = Settlement {
        stripe: Stripe::new(wire, Governor::unlimited(), ids, clock, false, app.secrets.shop()),
        queue: SettlementQueue::default(),
        stuck: Stuck::default(),
        notices: Notices::new().0,
        clock: Arc::clone(&app.clock),
        reads: app.settlement.reads.clone(),
        writer: app.settlement.writer.clone(),
        admission: Arc::clone(&app.admission),
        links: Arc::clone(&app.links),
        metrics: Arc::clone(&metrics),
        shared: true,
        keep_released_days: 0,
    };
    (tokio::spawn(run(Arc::new(other), Duration::from_millis(2), 100)), metrics)
}

/// Several workers on one order, as several processes on one database are.
#[tokio::test]
async fn several_workers_on_one_order_charge_it_once() {
    let shop = shop("workers").await;
    let others: Vec<_> = (0..4).map(|_| another_worker(&shop)).collect();
    for n in 0..10 {
        let held = shop.hold(&format!("b{n}"), 1).await;
        shop.pay(&held, &format!("ctoken_ok_w{n}")).await;
        let order = shop.settled(&held).await;
        assert_eq!((order.state, shop.moved(&held)), (OrderState::Paid, (1_000, 0)));
        assert_eq!(order.payment.unwrap().attempts.len(), 1);
    }
    let mut calls = 0;
    for (other, metrics) in others {
        other.abort();
        assert!(other.await.unwrap_err().is_cancelled(), "another worker has failed");
        calls += ["create", "confirm", "capture"]
            .map(|operation| ProviderCall { operation, outcome: "ok" })
            .map(|call| metrics.provider.get_or_create(&call).get())
            .iter()
            .sum::<u64>();
    }
    assert!(calls > 0, "the other workers have called the provider as well");
    shop.close().await;
}

#[tokio::test]
async fn the_least_pounds_yen_dinars_and_nothing_at_all() {
    for (currency, amount) in
        [("GBP", 30), ("JPY", 50), ("JPY", 5_000), ("KWD", 12_500), ("GBP", 0)]
    {
        let price = amount;
        let setup = Setup { currency, price, ..Setup::default() };
        let shop = Shop::start(&format!("currency-{currency}-{price}"), setup).await;
        let held = shop.hold("ann", 1).await;
        let (status, told) = shop.pay(&held, "ctoken_ok").await;
        assert_eq!((status, told["state"].as_str()), (200, Some("paid")), "{told}");
        assert_eq!(shop.moved(&held), (amount, 0));
        let (status, told) =
            shop.refund(&held, serde_json::json!({"all": true, "restock": true})).await;
        assert_eq!(status, 200, "{told}");
        assert_eq!(shop.settled(&held).await.state, OrderState::Refunded);
        assert_eq!(shop.moved(&held), (amount, amount));
        // One was made at the start, to try the key.
        let made = shop.fake.calls()[&Operation::Create];
        assert_eq!(made, 1 + u64::from(price > 0), "a free order needs no provider");
        shop.close().await;
    }
}
