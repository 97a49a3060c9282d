//! A storm of everything at once, then calm: all settles, and the audit finds nothing.

use crate::shop::{Held, Setup, Shop, WAYS};
use boxoffice::{OrderState, RefundState};
use nts_server::payments::fake::{InjectedFault, Operation};
use nts_server::payments::stripe::{Seen, Since};
use nts_server::settlement::read_external_changes;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Random sales in one run.
const SALES: u64 = 2_000;
/// Buyers at the same time.
const AT_ONCE: u64 = 64;

/// A small generator of one's own, so that a seed says all (Knuth's MMIX constants).
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What else happens in a storm.
const MORE: [InjectedFault; 4] = [
    InjectedFault::Slow(40),
    InjectedFault::Forbidden,
    InjectedFault::RefundPends,
    InjectedFault::RefundFails,
];

async fn storm(seed: u64) {
    let setup = Setup {
        places: 10_000,
        // Long for a machine that is busy with many storms; the clock is turned in the end.
        hold_seconds: 60,
        timeout_ms: 200,
        ..Setup::default()
    };
    let shop = Arc::new(Shop::start(&format!("storm-{seed}"), setup).await);
    let mut faults = Dice(seed);
    // Each kind of fault is off in a third of the seeds, so that none hides another.
    let on: Vec<InjectedFault> =
        WAYS.into_iter().chain(MORE).filter(|_| faults.roll(3) > 0).collect();
    let rate = 5 + faults.roll(30);
    // In half of the seeds the account is of an older version.
    shop.fake.release_as_refunds(seed.is_multiple_of(2));
    shop.fake.misbehave(move |o| {
        let way = on.get(faults.roll(on.len().max(1) as u64) as usize).copied();
        // A request that hangs holds up a buyer, not the storm: fewer of them.
        let hangs = matches!(way, Some(InjectedFault::HangBefore | InjectedFault::HangAfter));
        let rate = if hangs { rate / 4 } else { rate };
        if o == Operation::Confirm && faults.roll(50) == 0 {
            return Some(InjectedFault::TokenExpired);
        }
        (faults.roll(100) < rate && o != Operation::List).then_some(way).flatten()
    });
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let shop = Arc::clone(&shop);
        tasks.spawn(async move {
            let mut all = Vec::new();
            for n in 0..SALES / AT_ONCE + 1 {
                let mut dice = Dice(seed ^ (worker << 32) ^ (n << 8) ^ 0x5eed);
                all.push(sale(&shop, &format!("w{worker}n{n}"), &mut dice).await);
            }
            all
        });
    }
    let all: Vec<Held> = tasks.join_all().await.into_iter().flatten().collect();
    assert!(all.len() as u64 >= SALES);
    // The calm: whoever walked away runs out of time.
    shop.fake.behave();
    shop.time.jump(400_000);
    let mut outcomes: BTreeMap<&str, u32> = BTreeMap::new();
    // What waits (a 500 that is repeated under a refund's key, say) waits by this clock, and a refund that
    // is pending by Stripe's.
    let (time, stripe_time) = (shop.time.clone(), shop.stripe_time.clone());
    let waiting = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            time.jump(61_000);
            stripe_time.jump(61_000);
        }
    });
    for held in &all {
        let order = shop.settled(held).await;
        *outcomes.entry(order.state.word()).or_default() += 1;
        assert!(
            matches!(
                order.state,
                OrderState::Paid | OrderState::Released | OrderState::Refunded | OrderState::Void
            ),
            "{order:?}"
        );
    }
    waiting.abort();
    // Days later banks send refunds back, and decide disputes; nobody rings for that. A process that was
    // killed has seen nothing of it before.
    let from_s = shop.time.clock().now_ms() / 1000 - 30 * 24 * 3_600;
    let since = Since { refunds_s: from_s, disputes_s: from_s };
    while !read_external_changes(&shop.app().settlement, since, &mut Seen::default()).await {}
    let mut failed = 0;
    for given in shop.fake.refunds().unwrap() {
        if !given.release && !given.failed && failed < 40 && given.amount % 3 == 0 {
            shop.fake.fail_refund(&given.id).unwrap();
            failed += 1;
        }
    }
    while !read_external_changes(&shop.app().settlement, since, &mut Seen::default()).await {}
    let (mut in_books, mut again) = (0, 0);
    for held in &all {
        let order = shop.order(held).await;
        in_books += order.refunds.iter().filter(|r| r.failed_later()).count();
        if order.owed_back().minor > 0 && again < 10 {
            let failed = json!({"failed": true, "restock": false});
            assert_eq!(shop.refund(held, failed).await.0, 200);
            assert_eq!(shop.settled(held).await.owed_back().minor, 0);
            again += 1;
        }
    }
    assert_eq!(in_books, failed, "each late failure is in the books, once");
    // Stripe rings for everything that it ever did, as fast as it is heard.
    for (_, body) in shop.fake.events_since(0).unwrap() {
        assert_eq!(shop.webhook(&body).await.0, 200);
    }
    shop.notices_handled(&all[0]).await;
    assert!(outcomes["paid"] > 500, "the storm left too little to look at: {outcomes:?}");
    let calls = shop.fake.calls();
    let Ok(shop) = Arc::try_unwrap(shop) else { panic!("everybody is done") };
    let report = shop.report(false).await;
    assert!(report.balanced(), "seed {seed}: {report}");
    // To the penny: the books have the refunds that gave money back at Stripe, one by one, and no other.
    let mut given: Vec<(String, i64)> = (shop.fake.refunds().unwrap().into_iter())
        .filter(|g| !g.failed && !g.release)
        .map(|g| (g.id, g.amount))
        .collect();
    let mut booked = Vec::new();
    for held in &all {
        for refund in shop.order(held).await.refunds {
            if let RefundState::Succeeded(id) = refund.state
                && refund.amount_minor > 0
            {
                booked.push((id, refund.amount_minor));
            }
        }
    }
    given.sort();
    booked.sort();
    assert_eq!(given, booked, "seed {seed}");
    println!(
        "seed {seed}: {} sales in {:.1} s: {outcomes:?}, calls {calls:?}",
        all.len(),
        begun.elapsed().as_secs_f64()
    );
    shop.close().await;
}

/// One buyer, who does one of the many things that buyers do.
async fn sale(shop: &Shop, name: &str, dice: &mut Dice) -> Held {
    let held = shop.hold(name, 1 + dice.roll(3) as u32).await;
    let token = match dice.roll(12) {
        0 => return held,
        1 => {
            if shop.pay(&held, "ctoken_declined").await.0 == 402 && dice.roll(2) == 0 {
                return held;
            }
            format!("ctoken_ok_{name}")
        }
        2 | 3 => "ctoken_3ds".into(),
        4 => "ctoken_processing".into(),
        5 => "tok_visa".into(),
        _ => format!("ctoken_ok_{name}"),
    };
    let late = Duration::from_millis(30 + dice.roll(200));
    // Impatient buyers go away before they hear the answer, or click twice, or cancel.
    let what = dice.roll(8);
    match what {
        0 => _ = tokio::time::timeout(late, shop.pay(&held, &token)).await,
        1 => {
            let again = format!("ctoken_ok_{name}_again");
            _ = tokio::join!(
                tokio::time::timeout(late * 3, shop.pay(&held, &token)),
                tokio::time::timeout(late * 3, shop.pay(&held, &again))
            );
        }
        2 => {
            _ = tokio::join!(tokio::time::timeout(late * 3, shop.pay(&held, &token)), async {
                tokio::time::sleep(late).await;
                _ = tokio::time::timeout(late * 3, shop.cancel(&held)).await;
            });
        }
        _ => _ = tokio::time::timeout(Duration::from_secs(2), shop.pay(&held, &token)).await,
    }
    let order = shop.order(&held).await;
    let intent = order.payment.as_ref().and_then(|p| p.intent.clone());
    if let Some(intent) = intent {
        match dice.roll(12) {
            0..=5 if token == "ctoken_3ds" => {
                _ = shop.fake.authenticate(&intent, dice.roll(4) > 0);
                if dice.roll(2) == 0 {
                    shop.page(&held).await;
                }
            }
            6 => _ = shop.fake.void(&intent),
            7 => _ = shop.fake.capture_by_hand(&intent, None),
            8 => _ = shop.fake.capture_by_hand(&intent, Some(1 + dice.roll(999) as i64)),
            9 => _ = shop.fake.refund_by_hand(&intent, 1 + dice.roll(1_500) as i64),
            _ => {}
        }
    }
    if order.state == OrderState::Paid && dice.roll(4) == 0 {
        let lines =
            json!({"lines": [{"ticket_type": "t", "quantity": 1}], "restock": dice.roll(2) == 0});
        let all = json!({"all": true, "restock": dice.roll(2) == 0});
        let body = if dice.roll(2) == 0 { all } else { lines };
        let (one, two) = (shop.refund(&held, body.clone()), shop.refund(&held, body));
        _ = tokio::join!(tokio::time::timeout(late, one), tokio::time::timeout(late, two));
    }
    held
}

#[tokio::test]
async fn after_the_storm_the_books_balance() {
    // There the storm takes its time, for each look at an order goes over the network.
    let seeds: &[u64] = if crate::ON_POSTGRES { &[2] } else { &[1, 2, 3] };
    for seed in seeds {
        storm(*seed).await;
    }
}
