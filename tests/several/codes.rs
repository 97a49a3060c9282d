//! A code and a price phase under a crowd at three processes: neither is ever exceeded, and their counters are
//! what the orders make of them.

use crate::coded_sale::*;
use crate::harness::*;
use crate::shops::Shops;
use nts_testkit::Postgres;
use serde_json::{Value, json};
use std::sync::Mutex;

#[test]
fn five_thousand_buyers_at_three_processes_get_a_hundred_uses_and_fifty_early_tickets() {
    let Some(postgres) = Postgres::shared() else { return };
    let shops = Shops::start(postgres, "codes", 3, &[]);
    assert_eq!(shops.at(0).send(rock(10_000, 3_600)).status, 201);
    let addresses = &shops.addresses();
    let (held, used_up) = (&Mutex::new(Vec::new()), &Mutex::new(0));
    std::thread::scope(|scope| {
        for worker in 0..125usize {
            scope.spawn(move || {
                for n in 0..40usize {
                    let with_code = n % 4 > 0;
                    let wanted = wants(&format!("b{worker}x{n}"), with_code);
                    let answer = wanted.send(&addresses[(worker + n) % 3]).unwrap();
                    match (answer.status, answer.code()) {
                        (201, _) => held.lock().unwrap().push(answer.json()),
                        (409, Some(ProblemCode::CodeUsedUp)) => *used_up.lock().unwrap() += 1,
                        other => panic!("{other:?}: {answer:?}"),
                    }
                }
            });
        }
    });
    let held = held.lock().unwrap();
    assert_eq!((held.len(), *used_up.lock().unwrap()), (1_250 + 100, 3_750 - 100));
    assert_eq!(sold_so(&held), (50, 100));
    for nth in 0..3 {
        eventually("all three know", || uses(shops.at(nth)) == (100, 0, 0));
    }
    // Half of the code's orders are given back, some are paid, and some of these refunded.
    let with_code = held.iter().filter(|order| order["lines"][0].get("discount").is_some());
    let with_code: Vec<&Value> = with_code.collect();
    for (n, order) in with_code.iter().enumerate().take(80) {
        let at = shops.at(n % 3);
        if n < 50 {
            let cancel =
                Request::new("POST", &format!("/api/v1/orders/{}/cancel", text(order, "id")));
            let cancel = cancel.bearer(&text(order, "secret")).json(&json!({}));
            assert_eq!(at.send(cancel).json()["state"], "released");
            continue;
        }
        assert_eq!(at.send(pay(order, "ctoken_ok")).json()["state"], "paid");
        if n >= 70 {
            let refund =
                Request::new("POST", &format!("/api/v1/orders/{}/refunds", text(order, "id")));
            let refund = refund.bearer(KEY).json(&json!({"all": true, "restock": true}));
            assert_eq!(at.send(refund).json()["refund"]["state"], "succeeded");
        }
    }
    eventually("what came back can be used again", || uses(shops.at(1)) == (20, 20, 60));
    assert_eq!(shops.at(2).send(wants("again", true)).status, 201);
    shops.balanced(&[]);
}
