//! A sale with a code and a price phase, as its tests make it. Shared with the tests of several processes.

use crate::harness::*;
use serde_json::{Value, json};

/// An event with a code of 100 uses and a price phase of 50.
pub fn rock(capacity: u32, hold_seconds: u32) -> Request {
    let mut event = event_json(capacity, hold_seconds);
    event["ticket_types"][0]["phases"] = json!([
        {"name": "Early", "price": {"amount": 1000, "currency": "GBP"}, "capacity": 50},
    ]);
    event["codes"] = json!([{"code": "CROWD", "uses": 100, "percent_off": 50}]);
    Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event)
}

/// A hold of one ticket, with the code or without.
pub fn wants(name: &str, code: bool) -> Request {
    let mut body = json!({
        "buyer": {"name": name, "email": format!("{name}@example.org")},
        "lines": [{"ticket_type": "adult", "quantity": 1}],
    });
    if code {
        body["code"] = "crowd".into();
    }
    Request::new("POST", "/api/v1/events/rock/orders").json(&body)
}

/// The code as its organiser sees it: held, sold and left.
pub fn uses(server: &Server) -> (u64, u64, u64) {
    let event = server.send(Request::get("/api/v1/events/rock").bearer(KEY)).json();
    let count = |name: &str| event["codes"][0][name].as_u64().unwrap();
    (count("held"), count("sold"), count("left"))
}

/// So many orders of these were sold in the phase, and so many with the code.
pub fn sold_so(orders: &[Value]) -> (usize, usize) {
    let line = |order: &&Value| order["lines"][0].clone();
    let full = |line: &Value| {
        let amount = |value: &Value| value["amount"].as_i64().unwrap_or(0);
        amount(&line["price"]) + amount(&line["discount"])
    };
    let early = orders.iter().filter(|order| full(&line(order)) == 1000).count();
    (early, orders.iter().filter(|order| line(order).get("discount").is_some()).count())
}
