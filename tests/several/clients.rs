//! Limits per client where several processes sell: each counts what was held through it, and hears of
//! what others settled before it refuses.

use crate::harness::*;
use crate::shops::Shops;
use nts_testkit::Postgres;

const CLIENT: &str = "203.0.113.7";

fn holds(server: &Server, name: &str, quantity: i64) -> Answer {
    server.send(hold(name, quantity).header("x-forwarded-for", CLIENT))
}

#[test]
fn what_another_process_was_paid_is_no_longer_unpaid_here() {
    let Some(postgres) = Postgres::shared() else { return };
    let settings = [("NTS_TRUSTED_PROXIES", "127.0.0.1")];
    let shops = Shops::start(postgres, "clients", 2, &settings);
    let (one, other) = (shops.at(0), shops.at(1));
    one.make_event(1_000, 300);
    eventually("the other process knows the event", || other.get("/events/rock").status == 200);
    let mut orders = Vec::new();
    for n in 0..5 {
        let held = holds(one, &format!("ann-{n}"), 10);
        assert_eq!(held.status, 201, "{held:?}");
        orders.push(held.json());
    }
    assert_eq!(holds(one, "bob", 1).code(), Some(ProblemCode::TooManyRequests));
    for order in &orders {
        let paid = other.send(pay(order, "ctoken_ok").header("x-forwarded-for", CLIENT));
        assert_eq!(paid.json()["state"], "paid", "{paid:?}");
    }
    // It looks again before it refuses, though not at each request.
    eventually("there is room again", || holds(one, "cid", 10).status == 201);
}
