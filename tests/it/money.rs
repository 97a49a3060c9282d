//! kill -9 in the middle of every call to Stripe, before and after it took effect: after the
//! restart everything settles, and the fake's ledger and our books agree to the penny.

use crate::harness::*;
use boxoffice::OrderId;
use nts_server::clock::Clock;
use nts_server::payments::fake::{Breakpoint, FakeStripe, Operation, Stop, http};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The fake Stripe, served by a thread of its own; it lives on when the server is killed.
pub struct Stripe {
    pub fake: Arc<FakeStripe>,
    runtime: tokio::runtime::Runtime,
    base: String,
}

impl Stripe {
    pub fn start() -> Stripe {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let fake = Arc::new(FakeStripe::in_memory(Clock::System, [9; 32]).unwrap());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(http::serve(Arc::clone(&fake), listener));
        Stripe { fake, runtime, base }
    }

    pub fn settings(&self) -> [(&str, &str); 6] {
        [
            ("NTS_STRIPE_SECRET_KEY", "sk_test_verysecret"),
            ("NTS_STRIPE_PUBLISHABLE_KEY", "pk_test_quitepublic"),
            ("NTS_STRIPE_WEBHOOK_SECRET", "whsec_verysecret"),
            ("NTS_STRIPE_API_BASE", &self.base),
            ("NTS_STRIPE_TIMEOUT_MS", "2000"),
            ("NTS_LOG", "trace"),
        ]
    }

    fn arrived(&self, pause: &Breakpoint) {
        let arrived =
            async { tokio::time::timeout(Duration::from_secs(20), pause.arrived()).await };
        self.runtime.block_on(arrived).expect("the call comes");
    }

    pub fn moved(&self, order: &Value) -> (i64, i64) {
        let moved = self.fake.ledger(order_id(order)).unwrap();
        (moved.captured, moved.refunded)
    }
}

fn order_id(order: &Value) -> OrderId {
    OrderId(uuid::Uuid::try_parse(&text(order, "id")).unwrap().as_u128())
}

fn refund(order: &Value) -> Request {
    Request::new("POST", &format!("/api/v1/orders/{}/refunds", text(order, "id")))
        .bearer(KEY)
        .json(&json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": true}))
}

fn cancel(order: &Value) -> Request {
    Request::new("POST", &format!("/api/v1/orders/{}/cancel", text(order, "id")))
        .bearer(&text(order, "secret"))
        .json(&json!({}))
}

fn audit(dir: &Dir, stripe: &Stripe, flags: &[&str]) -> (i32, String) {
    let mut command = nts(dir);
    command.envs(stripe.settings()).arg("audit").args(flags);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), said + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn killed_between_every_two_commits_it_settles_to_the_penny() {
    let dir = Dir::new("killed");
    let stripe = Stripe::start();
    let mut server = Server::start_with(&dir, &stripe.settings());
    server.make_event(1_000, 300);
    let mut orders = Vec::new();
    let calls = [
        Operation::Create,
        Operation::Confirm,
        Operation::Capture,
        Operation::Cancel,
        Operation::FindRefund,
        Operation::Refund,
    ];
    for (n, operation) in calls.into_iter().enumerate() {
        for stop in [Stop::Before, Stop::After] {
            let told = format!("{operation:?} {stop:?}");
            let order = server.send(hold(&format!("b{n}{stop:?}"), 2)).json();
            let pays = operation < Operation::Cancel && operation != Operation::Read;
            if !pays {
                let token = if operation == Operation::Cancel { "ctoken_3ds" } else { "ctoken_ok" };
                assert_eq!(server.send(pay(&order, token)).status, 200, "{told}");
            }
            // Of this order: the call of an earlier one may still be under way though that order is settled.
            let pause = stripe.fake.pause_of(order_id(&order), operation, stop);
            let asking = match operation {
                Operation::Cancel => cancel(&order),
                Operation::FindRefund | Operation::Refund => refund(&order),
                _ => pay(&order, "ctoken_ok"),
            };
            let address = server.address.clone();
            let asked = std::thread::spawn(move || asking.send(&address));
            stripe.arrived(&pause);
            server.kill();
            _ = asked.join().unwrap();
            // What had reached Stripe goes on there.
            pause.resume();
            server = Server::start_with(&dir, &stripe.settings());
            let (state, moved) = match operation {
                Operation::Cancel => ("released", (0, 0)),
                Operation::FindRefund | Operation::Refund => ("paid", (5_000, 2_500)),
                _ => ("paid", (5_000, 0)),
            };
            eventually(&told, || {
                let now = server.send(look(&order)).json();
                let refunded = &now["refunds"][0]["state"];
                now["state"] == state && (moved.1 == 0 || refunded == "succeeded")
            });
            assert_eq!(stripe.moved(&order), moved, "{told}");
            orders.push((order, state));
        }
    }
    for (order, state) in &orders {
        let now = server.send(look(order)).json();
        let valid = now["tickets"].as_array().unwrap().iter().filter(|t| t["valid"] == true);
        let (taken, back) = stripe.moved(order);
        assert_eq!((taken - back) / 2_500, valid.count() as i64, "{now}");
        assert_eq!(&now["state"], state);
    }
    assert_eq!(stripe.fake.authorised().unwrap(), Vec::<String>::new());
    let (status, said) = audit(&dir, &stripe, &[]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("The books balance.") && said.contains("by the provider"), "{said}");
    let (status, said) = audit(&dir, &stripe, &["--json"]);
    let report: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!((status, &report["balanced"]), (0, &json!(true)));

    // By hand and while nobody looks: the audit finds it, and says so with its exit status.
    let paid = orders.iter().find(|(_, state)| *state == "paid").unwrap();
    server.stop();
    let listed = stripe.fake.events_since(0).unwrap();
    let id = text(&paid.0, "id");
    let of_order = listed.iter().find(|(_, body)| body.contains(&id)).unwrap();
    let event: Value = serde_json::from_str(&of_order.1).unwrap();
    let intent = text(&event["data"]["object"], "id");
    stripe.fake.refund_by_hand(&intent, 1).unwrap();
    let (status, said) = audit(&dir, &stripe, &[]);
    assert!(status == 1 && said.contains("do NOT balance"), "{said}");
    let (status, said) = audit(&dir, &stripe, &["--books-only"]);
    assert!(status == 0 && said.contains("The provider was not asked"), "{said}");

    // Not even at the finest level does the log hold a secret.
    let log = std::fs::read_to_string(dir.path("log")).unwrap();
    assert!(log.contains("provider"), "the log has something to say");
    for secret in ["verysecret", "_secret_", "ctoken_", &text(&paid.0, "secret")] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

#[test]
fn keys_that_cannot_work_are_refused_at_the_start() {
    for (settings, told) in [
        (vec![("NTS_STRIPE_SECRET_KEY", "sk_test_1")], "only one of Stripe's two keys"),
        (
            vec![
                ("NTS_STRIPE_SECRET_KEY", "sk_test_1"),
                ("NTS_STRIPE_PUBLISHABLE_KEY", "pk_live_1"),
            ],
            "one of Stripe's keys is live",
        ),
        (
            vec![
                ("NTS_STRIPE_SECRET_KEY", "sk_live_1"),
                ("NTS_STRIPE_PUBLISHABLE_KEY", "pk_live_1"),
                ("NTS_STRIPE_API_BASE", "http://127.0.0.1:1"),
            ],
            "A live key is sent to Stripe and to nobody else",
        ),
        (
            vec![
                ("NTS_STRIPE_SECRET_KEY", "sk_live_1"),
                ("NTS_STRIPE_PUBLISHABLE_KEY", "pk_live_1"),
                ("NTS_PUBLIC_URL", "http://tickets.example.org"),
            ],
            "NTS_PUBLIC_URL is not an address that begins with https://",
        ),
    ] {
        let dir = Dir::new("keys");
        let mut command = nts(&dir);
        let output = command.env("NTS_ADDRESS", "127.0.0.1:0").envs(settings).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(told), "{said}");
        assert!(!dir.path("nts.db").exists(), "nothing was made");
    }
}
