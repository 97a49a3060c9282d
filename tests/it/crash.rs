//! kill -9 in the middle of a crowd, again and again: nothing that anyone was told of is lost.

use crate::harness::*;
use nts_testkit::tickets;
use serde_json::Value;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

const KILLS: u32 = 20;
const CAPACITY: u32 = 400;

/// What buyers were told.
#[derive(Default)]
struct Told {
    held: Vec<Value>,
    paid: Vec<(Value, Value)>,
    /// Whether somebody was told that nothing is left.
    sold_out: bool,
}

#[test]
fn after_twenty_kills_all_that_was_acknowledged_is_there_and_nothing_is_oversold() {
    let dir = Dir::new("crash");
    let server = Server::start(&dir);
    server.make_event(CAPACITY, 3600);
    server.stop();

    let told = Mutex::new(Told::default());
    let buyers = AtomicU32::new(0);
    let enough = || {
        let told = told.lock().unwrap();
        told.held.len() > 100 && told.paid.len() > 20
    };
    // A machine that does other things as well hears fewer answers in each life.
    for life in (0..3 * KILLS).take_while(|life| *life < KILLS || !enough()) {
        let server = Server::start(&dir);
        let address = server.address.clone();
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| crowd(&address, &buyers, &told));
            }
            // At another moment in each life; after some answers, not after all.
            let goal = told.lock().unwrap().paid.len() + 1 + life as usize % 3;
            eventually("some have paid", || {
                let told = told.lock().unwrap();
                told.paid.len() >= goal || told.sold_out
            });
            server.kill();
        });
        check(&dir, &told);
    }
    assert!(enough(), "the crowd was too small to prove much");
    let told = told.into_inner().unwrap();
    println!(
        "{} holds and {} sales were acknowledged between the kills",
        told.held.len(),
        told.paid.len()
    );
}

/// One of a crowd: buys until the server is gone.
fn crowd(address: &str, buyers: &AtomicU32, told: &Mutex<Told>) {
    loop {
        let n = buyers.fetch_add(1, Ordering::SeqCst);
        let Ok(answer) =
            hold(&format!("buyer{n}"), 1).key(&format!("the-hold-of-buyer-{n}")).send(address)
        else {
            return;
        };
        if answer.status != 201 {
            assert_eq!(answer.code(), Some(ProblemCode::SoldOut), "{answer:?}");
            told.lock().unwrap().sold_out = true;
            return;
        }
        let order = answer.json();
        told.lock().unwrap().held.push(order.clone());
        // Two in three pay; one of them at a bank that asks, and walks away from it.
        let token = match n % 3 {
            0 => continue,
            1 => "ctoken_ok",
            _ if n % 9 == 2 => "ctoken_3ds",
            _ => "ctoken_ok",
        };
        let Ok(answer) = pay(&order, token).key(&format!("p{n}")).send(address) else { return };
        if answer.status == 200 && answer.json()["state"] == "paid" {
            told.lock().unwrap().paid.push((order, answer.json()));
        }
    }
}

/// Starts again, lets everything settle, and looks whether every promise was kept.
fn check(dir: &Dir, told: &Mutex<Told>) {
    let server = Server::start(dir);
    // What was under way at the kill settles by itself. Who walked away from the bank still has
    // time, so PAYING with an open question is the one state that may stay.
    let mut orders = Vec::new();
    eventually("all payments settle", || {
        orders = server.orders();
        orders.iter().all(|o| match o["state"].as_str().unwrap() {
            "paying" => o["payment"]["attempts"][0]["state"] == "action",
            state => matches!(state, "held" | "paid"),
        })
    });
    let told = told.lock().unwrap();
    for order in &told.held {
        let now = server.send(look(order));
        assert_eq!(now.status, 200, "an acknowledged hold is gone: {order}");
        assert_eq!(now.json()["total"], order["total"]);
    }
    for (order, paid) in &told.paid {
        let now = server.send(look(order)).json();
        assert_eq!(now["state"], "paid", "an acknowledged sale is gone: {order}");
        assert_eq!(tickets(&now), tickets(paid));
    }
    let (held, sold, left) = server.counts();
    assert_eq!(held + sold + left, u64::from(CAPACITY));
    let count = |states: &[&str]| {
        orders.iter().filter(|o| states.contains(&o["state"].as_str().unwrap())).count() as u64
    };
    assert_eq!(held, count(&["held", "paying"]), "the counters are the sums");
    assert_eq!(sold, count(&["paid"]));
    let mut codes: Vec<&str> = Vec::new();
    for order in &orders {
        let tickets = order["tickets"].as_array().unwrap();
        assert_eq!(tickets.len(), usize::from(order["state"] == "paid"), "{order}");
        codes.extend(tickets.iter().map(|t| t["code"].as_str().unwrap()));
    }
    let all = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all, "no ticket twice");
    // The same key gives the same order after the crash.
    for order in told.held.iter().rev().take(3) {
        let page = server.get(&page_of(order));
        assert_eq!(page.status, 200);
    }
    server.stop();
}

#[test]
fn a_key_gives_the_same_order_on_both_sides_of_a_kill() {
    let dir = Dir::new("same-key");
    let server = Server::start(&dir);
    server.make_event(5, 3600);
    let first = server.send(hold("ann", 2).key("only-once-whatever-happens")).json();
    server.kill();
    let server = Server::start(&dir);
    let again = server.send(hold("ann", 2).key("only-once-whatever-happens")).json();
    for same in ["id", "secret", "held_until", "total", "lines"] {
        assert_eq!(first[same], again[same]);
    }
    assert_eq!(server.counts(), (2, 0, 3));
}
