//! People at the door, as its tests make them. Shared with the tests of several processes.
#![allow(dead_code, reason = "not every test target has all of them")]

use crate::harness::*;
use serde_json::{Value, json};

/// The codes of so many new tickets of `rock`, given away: the signed one in an address and the short one of each.
pub fn give(server: &Server, name: &str, quantity: usize) -> Vec<[String; 2]> {
    give_of(server, name, quantity, "adult")
}

/// The same of another ticket type.
pub fn give_of(
    server: &Server,
    name: &str,
    quantity: usize,
    ticket_type: &str,
) -> Vec<[String; 2]> {
    let sale = json!({
        "buyer": {"name": name, "email": format!("{name}@example.org")},
        "lines": [{"ticket_type": ticket_type, "quantity": quantity}],
        "tender": "free",
    });
    let path = "/api/v1/events/rock/sales";
    let made = server.send(Request::new("POST", path).bearer(KEY).json(&sale));
    assert_eq!(made.status, 201, "{made:?}");
    codes(&made.json())
}

/// The codes of an order's tickets.
pub fn codes(order: &Value) -> Vec<[String; 2]> {
    let tickets = order["tickets"].as_array().unwrap();
    tickets.iter().map(|ticket| [text(ticket, "url"), text(ticket, "code")]).collect()
}

/// `rock` with a second ticket type, which stands before the first one.
pub fn event_with_vip(capacity: u32) -> Request {
    let mut event = event_json(capacity, 300);
    let vip = json!({"id": "vip", "name": "VIP Lounge", "pool": "floor",
                     "price": {"amount": 9900, "currency": "GBP"}});
    event["ticket_types"].as_array_mut().unwrap().insert(0, vip);
    Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event)
}

/// A device at a gate, which numbers its scans.
#[derive(Clone, Debug)]
pub struct Device {
    pub id: String,
    pub gate: &'static str,
    scans: u64,
}

impl Device {
    pub fn new(n: u64, gate: &'static str) -> Device {
        Device { id: format!("00000000-0000-7000-8000-{n:012x}"), gate, scans: 0 }
    }

    /// The nonce of its scan number `n`, from 1.
    pub fn nonce(&self, n: u64) -> String {
        format!("{}-{n:012x}", &self.id[..23])
    }

    /// The body of its next scan.
    pub fn next(&mut self, code: &str) -> Value {
        self.scans += 1;
        json!({"code": code, "gate": self.gate, "device": self.id, "nonce": self.nonce(self.scans)})
    }

    /// Scans a ticket, and gives what the door is told.
    pub fn scans(&mut self, server: &Server, code: &str) -> Value {
        let body = self.next(code);
        told(server, &body)
    }

    /// The same for somebody who has passed already.
    pub fn reports(&mut self, server: &Server, code: &str, at: &str) -> Value {
        let mut body = self.next(code);
        body["late"] = true.into();
        body["at"] = at.into();
        told(server, &body)
    }
}

pub fn check_in(body: &Value) -> Request {
    Request::new("POST", "/api/v1/events/rock/check-ins").bearer(KEY).json(body)
}

/// What comes of a scan.
pub fn told(server: &Server, body: &Value) -> Value {
    let answer = server.send(check_in(body));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// What the door of `rock` has counted.
pub fn overview(server: &Server) -> Value {
    server.send(Request::get("/api/v1/events/rock/check-ins?limit=500").bearer(KEY)).json()
}
