//! More buyers than Stripe takes calls, and Stripe gone and back.

use crate::pay::futures;
use crate::shop::{Held, Setup, Shop};
use boxoffice::OrderState;
use nts_server::payments::fake::Operation;
use nts_testkit::eventually_async;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Ten times the budget: the budget is kept, first come is first served, nobody loses a place
/// though their holds would have run out long ago, and everybody pays.
#[tokio::test]
async fn ten_times_the_budget_is_served_in_order_and_nobody_loses_a_place() {
    const BUYERS: u32 = 150;
    let setup = Setup {
        // Less than the queue takes, and more than a busy machine needs from a hold to its payment.
        hold_seconds: 5,
        // Patient: a call that is thought lost is made again, behind all others.
        timeout_ms: 20_000,
        endpoint_calls: 15,
        calls: 60,
        places: BUYERS,
        ..Setup::default()
    };
    let shop = Shop::start("line", setup).await;
    let begun = Instant::now();
    let told_only = AtomicU32::new(0);
    let holding = AtomicU32::new(0);
    let buyers = (0..BUYERS).map(|n| {
        let (shop, told_only, holding) = (&shop, &told_only, &holding);
        async move {
            // One after the other within a second: ten times the budget of an endpoint.
            tokio::time::sleep(Duration::from_micros(6_667 * u64::from(n))).await;
            let held = shop.hold(&format!("b{n}"), 1).await;
            holding.fetch_add(1, Ordering::SeqCst);
            let (status, told) = shop.pay(&held, &format!("ctoken_ok_{n}")).await;
            assert_eq!(status, if told["state"] == "paying" { 202 } else { 200 }, "{told}");
            // Where the line is longer than an answer may wait, it only tells how long it is.
            let message = told["message"].as_str().unwrap();
            if message.contains("You are in line, for about ") {
                told_only.fetch_add(1, Ordering::SeqCst);
            }
            shop.settled(&held).await;
            (held, begun.elapsed())
        }
    });
    let watching = async {
        // Whoever looks at the page while waiting is told so. The clocks run on, five minutes: the
        // hold of who waits does not.
        eventually_async("all have come", async || {
            let come = holding.load(Ordering::SeqCst);
            if come < BUYERS { Err(come) } else { Ok(()) }
        })
        .await;
        let page = eventually_async("all of them pay", async || {
            let page = shop.app().sales.reads.ask(|r| r.all_orders(None, 1_000)).await.unwrap();
            let held = page.orders.iter().filter(|o| o.state == OrderState::Held).count();
            if held > 0 { Err(held) } else { Ok(page) }
        })
        .await;
        let waits = page.orders.iter().rev().find(|o| o.state == OrderState::Paying);
        let waits = waits.expect("the queue is longer than the buyers take to come").id;
        let id = uuid::Uuid::from_u128(waits.0).to_string();
        let held = Held { order: waits, id, secret: shop.app().secrets.order(waits) };
        let page = shop.page(&held).await;
        assert!(page.contains("You are in line"), "{page}");
        assert!(page.contains("Your tickets are safe"), "{page}");
        shop.time.jump(301_000);
    };
    let (served, ()) = tokio::join!(futures(buyers), watching);
    // The line is ten seconds long.
    let told_only = told_only.into_inner();
    assert!((1..BUYERS / 2).contains(&told_only), "{told_only}");
    let mut waits: Vec<f64> = Vec::new();
    for (n, (held, at)) in served.iter().enumerate() {
        assert_eq!(shop.order(held).await.state, OrderState::Paid);
        waits.push(at.as_secs_f64() - 0.006_667 * n as f64);
    }
    // The order of service is the order of arrival, but for what lies within a moment.
    let mut by_time: Vec<(usize, Duration)> = served.iter().map(|s| s.1).enumerate().collect();
    by_time.sort_by_key(|(_, at)| *at);
    let worst = by_time.iter().enumerate().map(|(place, (n, _))| place.abs_diff(*n)).max();
    assert!(worst.unwrap() <= 20, "somebody was overtaken by {worst:?}");
    // The fake saw the budget kept, for each endpoint and in all. On a busy machine calls are late, and come together: so
    // three seconds are looked at.
    let log = shop.fake.log();
    let most_in_three_seconds = |of: &dyn Fn(Operation) -> bool| {
        let times: Vec<u64> = log.iter().filter(|(o, _)| of(*o)).map(|(_, ms)| *ms).collect();
        times
            .iter()
            .map(|t| times.iter().filter(|u| **u >= *t && **u < *t + 3_000).count())
            .max()
            .unwrap_or(0)
    };
    let one = most_in_three_seconds(&|o| o == Operation::Create);
    let all = most_in_three_seconds(&|_| true);
    assert!(one <= 3 * 15 + 4, "{one} creates in three seconds");
    assert!(all <= 3 * 60 + 12, "{all} calls in three seconds");
    waits.sort_by(f64::total_cmp);
    println!(
        "{BUYERS} buyers at ten times a budget of 15/s: waited {:.1} s at the median, {:.1} s at \
         most; overtaken by at most {}; {one} creates and {all} calls in the busiest three seconds",
        waits[waits.len() / 2],
        waits[waits.len() - 1],
        worst.unwrap()
    );
    shop.close().await;
}

/// Stripe is gone: holds keep, nobody is charged, the page says so; it comes back and all is paid.
#[tokio::test]
async fn stripe_gone_and_back() {
    let setup = Setup { hold_seconds: 2, ..Setup::default() };
    let mut shop = Shop::start("gone", setup).await;
    shop.unplug().await;
    let mut held = Vec::new();
    for n in 0..30 {
        let one = shop.hold(&format!("b{n}"), 1).await;
        held.push(one);
    }
    let impatient = shop.hold("impatient", 1).await;
    let paying = held.iter().chain([&impatient]).enumerate().map(|(n, held)| {
        let (shop, token) = (&shop, format!("ctoken_ok_{n}"));
        async move {
            _ = tokio::time::timeout(Duration::from_millis(1_500), shop.pay(held, &token)).await;
        }
    });
    futures(paying).await;
    let page = shop.page(&held[0]).await;
    assert!(page.contains("The payment provider does not answer"), "{page}");
    assert!(page.contains("Nothing has been charged"), "{page}");
    let mut tries = Vec::new();
    for one in &held {
        tries.push(shop.order(one).await.tries);
    }
    shop.time.jump(3_600_000);
    for (one, tries) in held.iter().zip(tries) {
        let order = shop.until("it is tried in vain", one, |o| o.tries > tries).await;
        assert_eq!((order.state, shop.moved(one)), (OrderState::Paying, (0, 0)));
    }
    // Nothing was made at Stripe, so who gives up gets an answer at once.
    let (status, told) = shop.cancel(&impatient).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(shop.order(&impatient).await.state, OrderState::Released);
    shop.plug_in().await;
    for one in &held {
        assert_eq!(shop.settled(one).await.state, OrderState::Paid);
        assert_eq!(shop.moved(one), (1_000, 0));
    }
    shop.close().await;
}
