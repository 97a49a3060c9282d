//! Three processes and a crowd: on one hot pool, with one of them killed again and again, and with
//! each of them stopped in turn.

use crate::harness::*;
use crate::shops::*;
use nts_server::clock::Clock;
use nts_server::payments::fake::{FakeStripe, Operation, http};
use nts_testkit::Postgres;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[test]
fn three_thousand_buyers_at_three_processes_get_the_five_hundred_places_and_no_more() {
    let Some(postgres) = Postgres::shared() else { return };
    let shops = Shops::start(postgres, "hot", 3, &[]);
    shops.at(0).make_event(500, 3600);
    let addresses = &shops.addresses();
    // When each yes was asked for, and when each no was heard.
    let (yes, no) = (&Mutex::new(Vec::new()), &Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for worker in 0..150usize {
            scope.spawn(move || {
                for n in 0..20usize {
                    let asked = Instant::now();
                    let wanted = hold(&format!("b{worker}x{n}"), 1);
                    let answer = wanted.send(&addresses[(worker + n) % 3]).unwrap();
                    match (answer.status, answer.code()) {
                        (201, _) => yes.lock().unwrap().push(asked),
                        (409, Some(ProblemCode::SoldOut)) => {
                            no.lock().unwrap().push(Instant::now())
                        }
                        other => panic!("{other:?}: {answer:?}"),
                    }
                }
            });
        }
    });
    let (yes, no) = (yes.lock().unwrap(), no.lock().unwrap());
    assert_eq!((yes.len(), no.len()), (500, 2500));
    // Nobody gives a place back here: who asked after somebody had heard "sold out" and got one
    // proves that it was not true.
    let (last_yes, first_no) = (yes.iter().max().unwrap(), no.iter().min().unwrap());
    assert!(last_yes < first_no, "sold out was said {:?} too early", *last_yes - *first_no);
    for nth in 0..3 {
        eventually("all three know", || shops.at(nth).counts() == (500, 0, 0));
    }
    println!("500 of 3,000 through three processes, and no false word");
    shops.balanced(&[]);
}

#[test]
fn each_process_knows_in_a_moment_what_another_has_committed() {
    let Some(postgres) = Postgres::shared() else { return };
    let shops = Shops::start(postgres, "news", 2, &[]);
    shops.at(0).make_event(100, 3600);
    // An event that the other has just made is known at once, for it is waited for.
    assert_eq!(shops.at(1).send(hold("ann", 1)).status, 201);
    let mut slowest = Duration::ZERO;
    for n in 0..10u64 {
        let (seller, other) = (shops.at(n as usize % 2), shops.at(1 - n as usize % 2));
        assert_eq!(seller.send(hold("bob", 2)).status, 201);
        let begun = Instant::now();
        assert_eq!(seller.counts().0, 3 + 2 * n, "who sold it knows it at once");
        eventually("the other knows", || other.counts().0 == 3 + 2 * n);
        slowest = slowest.max(begun.elapsed());
    }
    println!("known at the other process after {slowest:?} at most");
    // What changes in an event itself as well, and an order that names what is new is shown.
    let mut event = event_json(100, 3600);
    let new = serde_json::json!({"id": "child", "name": "Child", "pool": "floor",
                                 "price": {"amount": 100, "currency": "GBP"}});
    event["ticket_types"].as_array_mut().unwrap().push(new);
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    assert_eq!(shops.at(0).send(put).status, 200);
    let order = Request::new("POST", "/api/v1/events/rock/orders").json(&serde_json::json!({
        "buyer": {"name": "Eve", "email": "eve@example.org"}, "lines": [{"ticket_type": "child", "quantity": 1}]}));
    let order = shops.at(0).send(order).json();
    let seen = shops.at(1).send(look(&order));
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(seen.json()["lines"][0]["name"], "Child");
    // An order of one process is paid at the other.
    let paid = shops.at(1).send(pay(&order, "ctoken_ok"));
    assert_eq!(paid.json()["state"], "paid", "{paid:?}");
    shops.balanced(&[]);
}

#[test]
fn what_a_dead_process_began_the_others_finish() {
    let Some(postgres) = Postgres::shared() else { return };
    let mut shops = Shops::start(postgres, "taken-over", 2, &[]);
    shops.at(0).make_event(10, 2);
    let held = shops.at(0).send(hold("ann", 2)).json();
    let paying = shops.at(0).send(hold("bob", 3)).json();
    let asks = shops.at(0).send(pay(&paying, "ctoken_3ds"));
    assert_eq!(asks.json()["state"], "paying", "{asks:?}");
    shops.kill(0);
    // The hold runs out; the payment is settled after the buyer has answered, by who is left.
    let action = asks.json()["action"].clone();
    let path = action["url"].as_str().or(action["redirect"].as_str()).unwrap_or_default();
    let path = path.split_once("/sandbox").map(|(_, rest)| format!("/sandbox{rest}"));
    let yes = Request::form(&path.unwrap_or_else(|| panic!("{action}")), &[("answer", "yes")]);
    assert!(shops.at(1).send(yes).status < 400);
    let begun = Instant::now();
    eventually("the hold is over", || shops.at(1).send(look(&held)).json()["state"] == "released");
    eventually("the payment is settled", || {
        shops.at(1).send(look(&paying)).json()["state"] == "paid"
    });
    println!("taken over within {:?}", begun.elapsed());
    eventually("the places are free", || shops.at(1).counts() == (0, 3, 7));
    shops.balanced(&[]);
}

#[test]
fn processes_share_the_work_and_call_the_provider_once_for_each_step() {
    let Some(postgres) = Postgres::shared() else { return };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    let fake = Arc::new(FakeStripe::in_memory(Clock::System, [7; 32]).unwrap());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(http::serve(Arc::clone(&fake), listener));
    let settings = [
        ("NTS_STRIPE_SECRET_KEY", "sk_test_verysecret"),
        ("NTS_STRIPE_PUBLISHABLE_KEY", "pk_test_quitepublic"),
        ("NTS_STRIPE_API_BASE", &base),
        ("NTS_STRIPE_ENDPOINT_CALLS", "1000"),
        ("NTS_STRIPE_CALLS", "4000"),
    ];
    let shops = Shops::start(postgres, "shared-work", 3, &settings);
    shops.at(0).make_event(1_000, 1);
    let shops = &shops;
    // Each process has tried at its start what its key may do.
    let tried = [
        Operation::Create,
        Operation::Confirm,
        Operation::Read,
        Operation::Capture,
        Operation::Refund,
        Operation::Cancel,
    ];
    eventually("the keys are tried", || {
        let calls = fake.calls();
        tried.iter().all(|step| calls.get(step) == Some(&3))
    });
    std::thread::scope(|scope| {
        for worker in 0..6usize {
            scope.spawn(move || {
                for n in 0..10usize {
                    // Held at one, paid at another, looked at at the third.
                    let at = |step: usize| shops.at((worker + n + step) % 3);
                    let order = at(0).send(hold(&format!("b{worker}x{n}"), 1)).json();
                    let paid = at(1).send(pay(&order, "ctoken_ok")).json();
                    assert_eq!(paid["state"], "paid", "{paid}");
                    assert_eq!(at(2).send(look(&order)).json()["state"], "paid");
                    // This one runs out, and is let go once.
                    assert_eq!(at(0).send(hold(&format!("w{worker}x{n}"), 1)).status, 201);
                }
            });
        }
    });
    eventually("holds run out", || shops.at(1).counts() == (0, 60, 940));
    let calls = fake.calls();
    println!("{calls:?}");
    for step in [Operation::Create, Operation::Confirm, Operation::Capture] {
        assert_eq!(calls.get(&step), Some(&(3 + 60)), "{step:?}: {calls:?}");
    }
    assert_eq!(calls.get(&Operation::Read), Some(&3), "{calls:?}");
    shops.balanced(&[]);
}

#[test]
fn one_of_three_is_killed_again_and_again_and_everything_settles() {
    let Some(postgres) = Postgres::shared() else { return };
    let mut shops = Shops::start(postgres, "killed", 3, &[]);
    shops.at(0).make_event(100_000, 3600);
    let told = Told::default();
    let done = AtomicBool::new(false);
    let next = AtomicU32::new(0);
    for round in 0..8usize {
        let addresses = shops.addresses();
        done.store(false, Ordering::SeqCst);
        std::thread::scope(|scope| {
            for worker in 0..12usize {
                let (addresses, told, done, next) = (&addresses, &told, &done, &next);
                scope.spawn(move || {
                    while !done.load(Ordering::SeqCst) {
                        buy(addresses, worker, next, told, Trouble::Expected);
                    }
                });
            }
            // At another moment in each round.
            told.more_pay(9 + round);
            shops.kill(round % 3);
            told.more_pay(5);
            done.store(true, Ordering::SeqCst);
        });
        shops.start_one(round % 3);
    }
    assert!(told.paid() > 100, "too few bought to prove much");
    told.check(&shops);
    shops.balanced(&[]);
}

#[test]
fn a_rolling_restart_fails_no_purchase() {
    let Some(postgres) = Postgres::shared() else { return };
    let mut shops = Shops::start(postgres, "rolling", 3, &[("NTS_DRAIN_MS", "700")]);
    shops.at(0).make_event(100_000, 3600);
    let told = Told::default();
    let next = AtomicU32::new(0);
    let done = AtomicBool::new(false);
    let balancer = Balancer::new(shops.addresses());
    std::thread::scope(|scope| {
        for worker in 0..8usize {
            let (balancer, told, done, next) = (&balancer, &told, &done, &next);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    buy(&balancer.healthy(), worker, next, told, Trouble::Never);
                }
            });
        }
        let watching = scope.spawn(|| balancer.watch(&done));
        told.more_pay(15);
        for nth in 0..3 {
            shops.stop(nth);
            shops.start_one(nth);
            balancer.moved(nth, shops.at(nth).address.clone());
            told.more_pay(15);
        }
        done.store(true, Ordering::SeqCst);
        watching.join().unwrap();
    });
    assert!(told.paid() > 50, "too few bought to prove much: {}", told.paid());
    println!("{} bought during a rolling restart, none in vain", told.paid());
    told.check(&shops);
    shops.balanced(&[]);
}
