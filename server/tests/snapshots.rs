//! Each page and each kind of API answer, whole, compared with what was accepted before.
//!
//! The server runs in this process on an empty database with the sandbox; its clock stands still, and what is
//! random (ids, secrets, keys) is replaced by names. How to accept a difference: CONTRIBUTING.md.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "pages/by_name.rs"]
mod by_name;
#[path = "pages/event_form.rs"]
mod event_form;
#[path = "pages/languages.rs"]
mod languages;
#[path = "pages/openapi.rs"]
mod openapi;
#[path = "pages/own_orders.rs"]
mod own_orders;
#[path = "pages/programs.rs"]
mod programs;
mod sandbox;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use insta::assert_snapshot;
use nts_api::ProblemCode;
use nts_server::app::App;
use nts_server::clock::Clock;
use nts_server::config::Config;
use nts_server::http;
use nts_server::ids::{Ids, Secrets, digest};
use nts_server::mail::{Composed, Relay, Sent};
use nts_server::reads::Reads;
use nts_server::run::{Assembled, MailParts, Parts, assemble};
use nts_server::store::Database;
use nts_server::webhooks::send::{Carry, Post, Sending};
use nts_server::writer::Writer;
use sandbox::in_memory;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::JoinSet;
use tower::ServiceExt;

const KEY: &str = "a-key-for-the-tests";

/// 2030-01-01 12:00 UTC, in milliseconds.
const NOW_MS: i64 = 1_893_499_200_000;

/// No receiver of webhooks can be reached.
struct Nowhere;

impl Carry for Nowhere {
    fn carry(&self, _: Post) -> Sending<'_> {
        Box::pin(async { Err("There is no network.".into()) })
    }
}

/// A relay that takes every mail.
struct Taking;

impl Relay for Taking {
    async fn send(&self, _: u128, _: &str, _: &Composed) -> Sent {
        Sent::Accepted
    }
}

/// How a server differs from the usual one of these tests.
#[derive(Default)]
struct Setup {
    /// Flags beside the usual ones.
    flags: &'static [&'static str],
    /// The event that the old routes sell.
    show: &'static str,
    /// It has keys of Stripe. The provider is the same fake, but the server does not know that.
    stripe: bool,
    /// It has a relay for mails.
    relay: bool,
}

/// The keys of Stripe.
const STRIPE: &[&str] =
    &["--stripe-secret-key=sk_test_secretkey", "--stripe-publishable-key=pk_test_publishable"];

/// An answer.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The cookies that it sets, as a browser sends them.
    fn cookies(&self) -> String {
        let all = self.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap());
        all.map(|one| one.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
    }
}

/// A body that comes in parts, and does not say before how long it is.
struct InParts(VecDeque<Vec<u8>>);

impl http_body::Body for InParts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(part.into()))))
    }
}

/// A browser that goes from page to page, with its cookies.
#[derive(Clone, Default)]
struct Browser(BTreeMap<String, String>);

impl Browser {
    async fn ask(&mut self, shop: &Shop, method: &str, path: &str, form: &str) -> Got {
        let cookies: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let cookies = cookies.join("; ");
        let headers = [
            ("cookie", &*cookies),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        let got = shop.got(method, path, &headers, form).await;
        for one in got.cookies().split("; ") {
            let Some((name, value)) = one.split_once('=') else { continue };
            self.0.insert(name.into(), value.into());
        }
        got
    }

    async fn get(&mut self, shop: &Shop, path: &str) -> Got {
        self.ask(shop, "GET", path, "").await
    }

    async fn post(&mut self, shop: &Shop, path: &str, form: &str) -> Got {
        self.ask(shop, "POST", path, form).await
    }
}

/// What the field of a form has as its value, if there is such a field.
fn field<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let tag = page.split('<').find(|tag| tag.contains(&format!(" name=\"{name}\"")))?;
    tag.split_once(" value=\"")?.1.split('"').next()
}

/// A server without a socket.
struct Shop {
    router: Router,
    app: Arc<App>,
    time: Arc<AtomicI64>,
    dir: PathBuf,
    /// What is replaced, by what.
    names: Vec<(String, String)>,
    _tasks: JoinSet<()>,
}

/// An order, and the secret that shows it.
struct Order {
    id: String,
    secret: String,
}

impl Order {
    fn page(&self) -> String {
        format!("/orders/{}/{}", self.id, self.secret)
    }

    fn api(&self) -> String {
        format!("/api/v1/orders/{}", self.id)
    }
}

impl Shop {
    /// With the events `rock`, of 10 tickets, and `jazz`, of one.
    async fn start(name: &str) -> Shop {
        Shop::start_as(name, Setup::default()).await
    }

    /// The same, set up in another way.
    async fn start_as(name: &str, setup: Setup) -> Shop {
        let dir = std::env::temp_dir().join(format!("nts-snapshots-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let time = Arc::new(AtomicI64::new(NOW_MS));
        let clock = Clock::Manual(Arc::clone(&time));
        let database = dir.join("nts.db").display().to_string();
        let show = format!("--show={}", setup.show);
        let flags =
            ["--overload-lag-ms=0", "--address=127.0.0.1:8080", &show, "--database", &database];
        let keys = if setup.stripe { STRIPE } else { &[] };
        let flags = flags.iter().chain(setup.flags).chain(keys);
        let config = Config::from_flags(flags.copied()).unwrap();
        let database = Database::parse(&database).unwrap();
        let opened = database.open(clock.clone()).unwrap();
        let ids = Arc::new(Ids::new([1; 32], opened.last_high));
        let secrets = Secrets::new([2; 32]);
        let (sandbox, stripe, of_database) = in_memory(&clock, &ids, secrets.shop());
        let Assembled { app, jobs, told, tasks } = assemble(Parts {
            config,
            clock: of_database,
            ids,
            secrets,
            ticket_keys: vec![],
            organiser_key: digest(&[b"organiser", KEY.as_bytes()]),
            events: vec![],
            reads: Reads::inline(database.reader(&clock).unwrap()),
            stripe,
            sandbox: (!setup.stripe).then_some(sandbox),
            mail: setup.relay.then(|| MailParts {
                compose: None,
                relay: Arc::new(Taking),
                per_second: 100,
            }),
            webhooks: vec![],
            carry: Arc::new(Nowhere),
            mail_look: if setup.relay {
                Duration::from_millis(20)
            } else {
                Duration::from_secs(3_600)
            },
            process: 1,
            // Nothing happens but what is asked for.
            look: Duration::from_secs(3_600),
            due_at_once: 100,
            retention: Duration::from_secs(3_600),
            pulse: None,
            follow: Duration::from_secs(1),
        });
        let writer = Writer::new(opened.store, Arc::clone(&app.metrics))
            .telling(Arc::clone(&app.webhooks.list));
        std::thread::spawn(move || writer.run(jobs, &told));
        let mut running = JoinSet::new();
        for task in tasks {
            running.spawn(task);
        }
        let router = http::router(Arc::clone(&app));
        let shop = Shop { router, app, time, dir, names: vec![], _tasks: running };
        for (slug, capacity) in [("rock", 10), ("jazz", 1)] {
            let (status, answer) = shop.put_event(slug, event(slug, capacity)).await;
            assert_eq!(status, 201, "{answer}");
        }
        shop
    }

    async fn answer(&self, request: Request<Body>) -> Got {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap_or_else(|n| match n {});
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status.as_u16(), parts.headers);
        let body = body.collect().await.unwrap().to_bytes();
        nts_testkit::contract::check(&method, &path, status, &body);
        Got { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    async fn ask(&self, request: Request<Body>) -> (u16, String) {
        let got = self.answer(request).await;
        (got.status, got.body)
    }

    /// What a browser gets, which sends a form if it posts.
    async fn got(&self, method: &str, path: &str, headers: &[(&str, &str)], form: &str) -> Got {
        let mut request = Request::builder().method(method).uri(path).header("accept", "text/html");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if method == "POST" {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        self.answer(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    async fn json(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !body.is_null() {
            request = request.header("content-type", "application/json");
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(request.body(Body::from(body)).unwrap()).await
    }

    async fn put_event(&self, slug: &str, body: Value) -> (u16, String) {
        self.json("PUT", &format!("/api/v1/events/{slug}"), KEY, &body).await
    }

    async fn hold(&mut self, event: &str, quantity: u32) -> Order {
        let path = format!("/api/v1/events/{event}/orders");
        let (status, answer) = self.json("POST", &path, "", &wanted("adult", quantity)).await;
        assert_eq!(status, 201, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let order = Order { id: text("id"), secret: text("secret") };
        let (_, pay) = self.pay_path(&order).rsplit_once('/').map(own).unwrap();
        self.names.push((order.id.clone(), "ORDER".into()));
        self.names.push((order.secret.clone(), "SECRET".into()));
        self.names.push((pay, "PAY-SECRET".into()));
        order
    }

    /// How many tickets of an event are held, and how many are sold.
    async fn taken(&self, event: &str) -> (u64, u64) {
        let path = format!("/api/v1/events/{event}");
        let (_, told) = self.json("GET", &path, "", &Value::Null).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        let of = |name: &str| told["pools"][0][name].as_u64().unwrap();
        (of("held"), of("sold"))
    }

    fn pass_s(&self, seconds: i64) {
        self.time.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    /// The path of an order's payment page.
    fn pay_path(&self, order: &Order) -> String {
        let id = boxoffice::OrderId(uuid::Uuid::parse_str(&order.id).unwrap().as_u128());
        self.app.links.pay_path(id)
    }

    async fn pay(&self, order: &Order, token: &str) -> (u16, String) {
        let path = format!("{}/pay", order.api());
        self.json("POST", &path, &order.secret, &json!({"token": token})).await
    }

    async fn cancel(&self, order: &Order) -> (u16, String) {
        let path = format!("{}/cancel", order.api());
        self.json("POST", &path, &order.secret, &json!({})).await
    }

    async fn refund(&self, order: &Order, body: Value) -> (u16, String) {
        self.json("POST", &format!("{}/refunds", order.api()), KEY, &body).await
    }

    /// The page at this path, with its status.
    async fn page(&self, path: &str) -> String {
        let (status, page) = self.json("GET", path, "", &Value::Null).await;
        format!("{status}\n{}", self.redacted(page))
    }

    /// The page of the office at this path, with its status.
    async fn office(&self, path: &str) -> String {
        let (status, page) = self.json("GET", path, KEY, &Value::Null).await;
        format!("{status}\n{}", self.redacted(page))
    }

    /// What the office answers to a form.
    async fn sent_to_office(&self, path: &str, form: &str) -> String {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let (status, page) = self.ask(request).await;
        format!("{status}\n{}", self.redacted(page))
    }

    /// An order as the API shows it.
    async fn shown(&self, order: &Order) -> String {
        let answer = self.json("GET", &order.api(), &order.secret, &Value::Null).await;
        self.pretty(answer)
    }

    /// An answer of the API, with its status.
    fn pretty(&self, (status, answer): (u16, String)) -> String {
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let answer = serde_json::to_string_pretty(&answer).unwrap();
        format!("{status}\n{}", self.redacted(answer))
    }

    /// With names for what is random.
    fn redacted(&self, mut text: String) -> String {
        for (value, name) in &self.names {
            text = text.replace(value, name);
        }
        // The signed code of a ticket.
        for code in text.clone().split(|c: char| !c.is_ascii_alphanumeric()) {
            if code.len() == nts_server::ticket_code::LETTERS {
                text = text.replace(code, "TICKET");
            }
        }
        for (before, name, end) in [
            ("name=\"key\" value=\"", "KEY", "\""),
            ("/authenticate/pi_", "INTENT", "\""),
            ("\"code\": \"", "CODE", "\""),
            ("<code>", "CODE", "</code>"),
            ("<span class=\"fine\">", "CODE", "</span>"),
            ("aria-label=\"QR code ", "CODE", "</svg>"),
        ] {
            let mut done = String::new();
            while let Some((head, rest)) = text.split_once(before) {
                let (value, _) = rest.split_once(end).unwrap();
                // Problem codes are words, ticket codes are not.
                let random = before != "\"code\": \"" || ProblemCode::parse(value).is_none();
                done = done + head + before + if random { name } else { value };
                text = rest[value.len()..].to_owned();
            }
            text = done + &text;
        }
        text
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn own((a, b): (&str, &str)) -> (String, String) {
    (a.into(), b.into())
}

fn event(slug: &str, capacity: u32) -> Value {
    json!({
        "name": format!("A night of {slug}"), "place": "Hall", "zone": "Europe/London",
        "starts_at": "2030-06-01T20:00:00+01:00", "currency": "GBP", "hold_seconds": 300,
        "pools": [{"id": "floor", "capacity": capacity}],
        "ticket_types": [
            {"id": "adult", "name": "Adult", "pool": "floor",
             "price": {"amount": 2500, "currency": "GBP"}},
            {"id": "child", "name": "Child", "pool": "floor",
             "price": {"amount": 0, "currency": "GBP"}},
        ],
    })
}

/// An event that asks something.
fn quiz() -> Value {
    let mut body = event("pools", 10);
    body["questions"] = json!([
        {"id": "which", "text": "Which one?", "kind": "choice", "choices": ["This", "That"],
         "required": true},
        {"id": "sure", "text": "Shall we?", "kind": "yes_no", "required": true, "per": "ticket",
         "ticket_types": ["adult"]},
        {"id": "more", "text": "Say more.", "kind": "long_text"},
        {"id": "less", "text": "Or less.", "kind": "text"},
    ]);
    body
}

fn wanted(ticket_type: &str, quantity: u32) -> Value {
    json!({"buyer": {"name": "Ann", "email": "ann@example.org"},
           "lines": [{"ticket_type": ticket_type, "quantity": quantity}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pages_of_events() {
    let mut shop = Shop::start("events").await;
    shop.hold("rock", 2).await;
    shop.hold("jazz", 1).await;
    assert_snapshot!("page_front", shop.page("/").await);
    assert_snapshot!("page_event", shop.page("/events/rock").await);
    assert_snapshot!("page_event_sold_out", shop.page("/events/jazz").await);
    assert_snapshot!("page_problem", shop.page("/events/blues").await);
    let answer = shop.json("GET", "/api/v1/events/rock", "", &Value::Null).await;
    assert_snapshot!("api_event", shop.pretty(answer));
    let answer = shop.json("GET", "/api/v1/events", "", &Value::Null).await;
    assert_snapshot!("api_events", shop.pretty(answer));
}

/// The page and the API's answer of an order in each state.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn orders_in_each_state() {
    let mut shop = Shop::start("orders").await;

    let held = shop.hold("rock", 2).await;
    assert_snapshot!("page_order_held", shop.page(&held.page()).await);
    assert_snapshot!("api_order_held", shop.shown(&held).await);
    let pay_path = shop.pay_path(&held);
    assert_snapshot!("page_pay", shop.page(&pay_path).await);

    assert_eq!(shop.pay(&held, "ctoken_declined").await.0, 402);
    assert_snapshot!("page_order_declined", shop.page(&held.page()).await);
    assert_snapshot!("api_order_declined", shop.shown(&held).await);

    assert_eq!(shop.pay(&held, "ctoken_3ds").await.0, 200);
    assert_snapshot!("page_order_paying", shop.page(&held.page()).await);
    assert_snapshot!("api_order_paying", shop.shown(&held).await);

    let paid = shop.hold("rock", 2).await;
    assert_eq!(shop.pay(&paid, "ctoken_ok").await.0, 200);
    assert_snapshot!("page_order_paid", shop.page(&paid.page()).await);
    assert_snapshot!("api_order_paid", shop.shown(&paid).await);

    let part = json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": false});
    assert_eq!(shop.refund(&paid, part).await.0, 200);
    assert_snapshot!("page_order_refunded_in_part", shop.page(&paid.page()).await);
    assert_eq!(shop.refund(&paid, json!({"all": true, "restock": true})).await.0, 200);
    assert_snapshot!("page_order_refunded", shop.page(&paid.page()).await);
    assert_snapshot!("api_order_refunded", shop.shown(&paid).await);

    let released = shop.hold("rock", 1).await;
    assert_eq!(shop.cancel(&released).await.0, 200);
    assert_snapshot!("page_order_released", shop.page(&released.page()).await);
    assert_snapshot!("api_order_released", shop.shown(&released).await);
}

/// The office's pages of orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn orders_in_the_office() {
    let mut shop = Shop::start("office-orders").await;
    assert_snapshot!("office_orders_none", shop.office("/office/orders").await);
    let paid = shop.hold("rock", 2).await;
    assert_eq!(shop.pay(&paid, "ctoken_ok").await.0, 200);
    let held = shop.hold("jazz", 1).await;
    assert_eq!(shop.pay(&held, "ctoken_declined").await.0, 402);
    assert_snapshot!("office_orders", shop.office("/office/orders?q=ann").await);
    let path = "/office/events/rock/orders?state=held&since=x";
    assert_snapshot!("office_orders_of_event", shop.office(path).await);
    let page = |order: &Order, rest: &str| format!("/office/orders/{}{rest}", order.id);
    assert_snapshot!("office_order_declined", shop.office(&page(&held, "")).await);
    assert_snapshot!("office_order_cancel", shop.office(&page(&held, "/cancel")).await);
    assert_snapshot!("office_order_address", shop.office(&page(&paid, "/address")).await);
    assert_snapshot!("office_order_guest", shop.office(&page(&paid, "/tickets/1")).await);
    assert_snapshot!("office_order_refund", shop.office(&page(&paid, "/refund")).await);
    let key = "key=6f1f6f4e-8b5b-4c36-9d5c-0d5a8f0c2f11";
    let wrong = shop.sent_to_office(&page(&paid, "/refund"), &format!("{key}&what=some")).await;
    assert_snapshot!("office_order_refund_wrong", wrong);
    let some = format!("{key}&what=some&n0=1&reason=ill&restock=yes");
    let asked = shop.sent_to_office(&page(&paid, "/refund"), &some).await;
    assert_snapshot!("office_order_refund_confirm", asked);
    let confirmed = format!("{some}&confirmed=yes");
    let sent = shop.sent_to_office(&page(&paid, "/refund"), &confirmed).await;
    assert!(sent.starts_with("303"), "{sent}");
    assert_snapshot!("office_order_refunded", shop.office(&page(&paid, "")).await);
    assert_snapshot!("office_log", shop.office("/office/events/rock/log").await);
    assert_snapshot!("office_accounts", shop.office("/office/events/rock/accounts").await);
    assert_snapshot!("office_export", shop.office("/office/events/rock/export").await);
}

/// An order whose buyer was erased, and the answer to the erasure.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_erased_buyer() {
    let mut shop = Shop::start("erased").await;
    let paid = shop.hold("rock", 1).await;
    assert_eq!(shop.pay(&paid, "ctoken_ok").await.0, 200);
    shop.hold("rock", 1).await;
    let wanted = json!({"email": "ann@example.org"});
    let answer = shop.json("POST", "/api/v1/erasures", KEY, &wanted).await;
    assert_snapshot!("api_erasure", shop.pretty(answer));
    assert_snapshot!("page_order_erased", shop.page(&paid.page()).await);
    assert_snapshot!("api_order_erased", shop.shown(&paid).await);
}

/// The page of a ticket in each state, and names on the tickets of an order.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tickets_and_their_guests() {
    let mut shop = Shop::start("tickets").await;
    let paid = shop.hold("rock", 2).await;
    assert_eq!(shop.pay(&paid, "ctoken_ok").await.0, 200);
    let path = |answer: &str, number: usize| {
        let order: Value = serde_json::from_str(answer).unwrap();
        let url = order["tickets"][number - 1]["url"].as_str().unwrap().to_owned();
        url[url.find("/T/").unwrap()..].to_owned()
    };
    let first = shop.json("GET", &paid.api(), &paid.secret, &Value::Null).await.1;
    assert_snapshot!("page_ticket", shop.page(&path(&first, 1)).await);
    let name = format!("{}/tickets/2", paid.api());
    let named = shop.json("POST", &name, &paid.secret, &json!({"name": "Bob"})).await;
    assert_snapshot!("page_ticket_of_a_guest", shop.page(&path(&named.1, 2)).await);
    assert_snapshot!("page_ticket_passed_on", shop.page(&path(&first, 2)).await);
    let lower = path(&named.1, 2).to_lowercase();
    assert_eq!(shop.page(&lower).await, shop.page(&path(&named.1, 2)).await);
    assert_snapshot!("api_order_named", shop.pretty(named.clone()));
    assert_snapshot!("page_order_named", shop.page(&paid.page()).await);
    let found = format!("/api/v1/tickets/{}", &path(&first, 2)[3..]);
    let found = shop.json("GET", &found, KEY, &Value::Null).await;
    assert_snapshot!("api_ticket_passed_on", shop.pretty(found));
    let form = Request::builder()
        .method("POST")
        .uri(format!("{}/tickets/1", paid.page()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("name=+"))
        .unwrap();
    let (status, page) = shop.ask(form).await;
    let error = shop.redacted(page);
    assert_snapshot!("page_order_name_missing", format!("{status}\n{error}"));
    let part = json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": false});
    assert_eq!(shop.refund(&paid, part).await.0, 200);
    assert_snapshot!("page_ticket_refunded", shop.page(&path(&named.1, 2)).await);
    let forged = path(&first, 1).replace('B', "C");
    assert_snapshot!("page_ticket_unknown", shop.page(&forged).await);
    let unknown = shop.page("/t/nothing").await;
    assert_eq!(shop.page(&forged).await, unknown, "forged and unknown are alike");
}

/// What is asked between the hold and the payment, in each state of the order.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn questions_and_their_answers() {
    let mut shop = Shop::start("questions").await;
    let (status, answer) = shop.put_event("quiz", quiz()).await;
    assert_eq!(status, 201, "{answer}");
    let answer = shop.json("GET", "/api/v1/events/quiz", "", &Value::Null).await;
    assert_snapshot!("api_event_questions", shop.pretty(answer));
    let order = shop.hold("quiz", 2).await;
    assert_snapshot!("page_order_unanswered", shop.page(&order.page()).await);
    assert_snapshot!("page_answers", shop.page(&format!("{}/answers", order.page())).await);
    let pay_path = shop.pay_path(&order);
    assert_snapshot!("page_pay_unanswered", shop.page(&pay_path).await);
    let unpaid = shop.pay(&order, "ctoken_ok").await;
    assert_eq!(unpaid.0, 409);
    assert_snapshot!("api_answers_missing", shop.pretty(unpaid));
    let form = |body: &str| {
        Request::builder()
            .method("POST")
            .uri(format!("{}/answers", order.page()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    let (status, page) = shop.ask(form("a.which=Else&a.sure.2=yes&a.more=One%0D%0Atwo.")).await;
    let page = shop.redacted(page);
    assert_snapshot!("page_answers_wrong", format!("{status}\n{page}"));
    let path = format!("{}/answers", order.api());
    let put = |answers: Value| json!({"answers": answers});
    let wrong = put(json!([{"question": "sure", "ticket": 3, "answer": "yes"}]));
    let wrong = shop.json("PUT", &path, &order.secret, &wrong).await;
    assert_snapshot!("api_answer_invalid", shop.pretty(wrong));
    let all = put(json!([
        {"question": "which", "answer": "That"},
        {"question": "sure", "ticket": 1, "answer": "yes"},
        {"question": "sure", "ticket": 2, "answer": "no"},
        {"question": "more", "answer": "One\ntwo <b>."},
    ]));
    let answered = shop.json("PUT", &path, &order.secret, &all).await;
    assert_snapshot!("api_order_answered", shop.pretty(answered));
    assert_snapshot!("page_order_answered", shop.page(&order.page()).await);
    let saved = shop.ask(form("a.which=This&a.sure.1=yes&a.sure.2=no")).await;
    assert_eq!(saved.0, 303, "{}", saved.1);
    assert_eq!(shop.pay(&order, "ctoken_ok").await.0, 200);
    assert_snapshot!("page_order_answered_paid", shop.page(&order.page()).await);
    // Nothing of it is public, nor on the pages that others see.
    for path in ["/events/quiz", "/api/v1/events/quiz", "/api/v1/events", &pay_path] {
        let (_, shown) = shop.json("GET", path, "", &Value::Null).await;
        assert!(!shown.contains("One"), "{path}: {shown}");
    }
    // Too late for the buyer, and never for the organiser.
    shop.time.store(1_907_000_000_000, Ordering::SeqCst);
    let late = shop.json("PUT", &path, &order.secret, &all).await;
    assert_snapshot!("api_answers_fixed", shop.pretty(late));
    assert_eq!(shop.json("PUT", &path, KEY, &all).await.0, 200);
}

/// What the organiser gives away and sells.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_organiser_sells() {
    let mut shop = Shop::start("sales").await;
    let sale = |tender: &str| {
        json!({"buyer": {"name": "Ann", "email": "ann@example.org"}, "tender": tender,
               "reference": "R-77", "lines": [{"ticket_type": "adult", "quantity": 2}]})
    };
    for tender in ["free", "cash", "terminal"] {
        let (status, sold) =
            shop.json("POST", "/api/v1/events/rock/sales", KEY, &sale(tender)).await;
        assert_eq!(status, 201, "{sold}");
        let told: Value = serde_json::from_str(&sold).unwrap();
        let id = told["id"].as_str().unwrap().to_owned();
        let secret = told["url"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
        shop.names.push((id.clone(), "ORDER".into()));
        shop.names.push((secret.clone(), "SECRET".into()));
        let order = Order { id, secret };
        assert_snapshot!(format!("api_sale_{tender}"), shop.pretty((status, sold)));
        if tender == "terminal" {
            continue;
        }
        assert_snapshot!(format!("page_sale_{tender}"), shop.page(&order.page()).await);
        let (status, seen) = shop.json("GET", &order.api(), &order.secret, &Value::Null).await;
        assert!(status == 200 && !seen.contains("R-77"), "a note of the organiser's: {seen}");
        let back = shop.refund(&order, json!({"all": true, "restock": true})).await;
        assert_snapshot!(format!("api_sale_{tender}_refunded"), shop.pretty(back));
    }
    let renamed = shop.hold("rock", 1).await;
    assert_eq!(shop.pay(&renamed, "ctoken_ok").await.0, 200);
    let path = format!("{}/name", renamed.api());
    let (status, told) = shop.json("PUT", &path, KEY, &json!({"name": "Anne"})).await;
    assert!(status == 200 && told.contains("\"name\":\"Anne\""), "{told}");
    let mut answers = Vec::new();
    let mut twice = sale("cash");
    twice["lines"] = json!([{"ticket_type": "adult", "quantity": 1001}]);
    let mut many = sale("cash");
    many["lines"][0]["quantity"] = json!(11);
    for (path, body) in [
        ("/api/v1/events/rock/sales", sale("online")),
        ("/api/v1/events/rock/sales", twice),
        ("/api/v1/events/rock/sales", many),
        ("/api/v1/events/blues/sales", sale("cash")),
    ] {
        answers.push(shop.json("POST", path, KEY, &body).await);
    }
    answers.push(shop.json("PUT", &path, KEY, &json!({"name": " "})).await);
    let held = shop.hold("rock", 1).await;
    let path = format!("{}/name", held.api());
    answers.push(shop.json("PUT", &path, KEY, &json!({"name": "Anne"})).await);
    assert!(answers.iter().all(|(status, _)| *status >= 400));
    let answers: Vec<String> = answers.into_iter().map(|answer| shop.pretty(answer)).collect();
    assert_snapshot!("problems_of_sales", answers.join("\n\n"));
}

/// Guests from a CSV file: each row once, however often the file is imported.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn guests_of_a_file() {
    let shop = Shop::start("guests").await;
    let import = async |dry_run: bool, file: &str| {
        let path = format!("/api/v1/events/rock/guests?dry_run={dry_run}");
        let request = Request::post(path).header("authorization", format!("Bearer {KEY}"));
        let request = request.header("content-type", "text/csv");
        let (status, told) = shop.ask(request.body(Body::from(file.to_owned())).unwrap()).await;
        (status, shop.pretty((status, told)))
    };
    let good =
        "name,email,ticket type,quantity\nAnn,ann@example.org,adult,2\n\"Bea, B.\",,Adult,1\n";
    let bad = "name,email,ticket type,quantity\nAnn,ann,adult,2\n,bea@example.org,dog,0\n";
    let mut told = Vec::new();
    let taken = async |told: &[String]| {
        let (_, event) = shop.json("GET", "/api/v1/events/rock", "", &Value::Null).await;
        let event: Value = serde_json::from_str(&event).unwrap();
        (told.len(), event["pools"][0]["sold"].clone())
    };
    for (dry_run, file, sold) in
        [(true, good, 0), (false, bad, 0), (false, good, 3), (false, good, 3), (true, good, 3)]
    {
        let (status, answer) = import(dry_run, file).await;
        assert_eq!(status, 200, "{answer}");
        told.push(answer);
        assert_eq!(taken(&told).await, (told.len(), json!(sold)));
    }
    assert_snapshot!("guests_of_a_file", told.join("\n\n"));
}

/// All codes with their statuses and titles.
#[test]
fn problem_codes() {
    let mut all = ProblemCode::ALL.to_vec();
    all.sort_unstable_by_key(|code| code.as_str());
    let lines = all.iter().map(|c| format!("{c} {:?}: {}\n", c.statuses(), c.title()));
    assert_snapshot!("problem_codes", lines.collect::<String>());
}

/// The answers of the API with problems, each whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn problems() {
    let mut shop = Shop::start("problems").await;
    let paid = shop.hold("rock", 2).await;
    assert_eq!(shop.pay(&paid, "ctoken_ok").await.0, 200);
    let over = shop.hold("jazz", 1).await;
    let asked = shop.hold("rock", 1).await;
    assert_eq!(shop.pay(&asked, "ctoken_processing").await.0, 202);
    let released = shop.hold("rock", 1).await;
    assert_eq!(shop.cancel(&released).await.0, 200);
    let refunded = shop.hold("rock", 1).await;
    assert_eq!(shop.pay(&refunded, "ctoken_ok").await.0, 200);
    assert_eq!(shop.refund(&refunded, json!({"all": true, "restock": true})).await.0, 200);
    let mut later = event("later", 10);
    later["sale_opens"] = json!("2030-02-01T12:00:00Z");
    assert_eq!(shop.put_event("later", later).await.0, 201);
    let (orders, none) = ("/api/v1/events/rock/orders", Value::Null);
    let mut cheap = event("rock", 10);
    cheap["currency"] = json!("EUR");
    for t in cheap["ticket_types"].as_array_mut().unwrap() {
        t["price"]["currency"] = json!("EUR");
    }
    let mut moved = event("rock", 10);
    moved["pools"].as_array_mut().unwrap().push(json!({"id": "balcony", "capacity": 5}));
    moved["ticket_types"][0]["pool"] = json!("balcony");
    let one = json!({"lines": [{"ticket_type": "adult", "quantity": 9}], "restock": false});
    let mut answers = vec![
        shop.json("GET", "/api/v1/nothing", "", &none).await,
        shop.json("DELETE", "/api/v1/events/rock", "", &none).await,
        shop.json("GET", "/api/v1/events/blues", "", &none).await,
        shop.json("GET", orders, "", &none).await,
        shop.json("GET", &paid.api(), &over.secret, &none).await,
        shop.json("POST", orders, "", &json!({"lines": 1})).await,
        shop.json("POST", orders, "", &wanted("senior", 1)).await,
        shop.json("POST", orders, "", &wanted("adult", 8)).await,
        shop.json("POST", orders, "", &wanted("adult", 11)).await,
        shop.put_event("rock", event("rock", 1)).await,
        shop.put_event("rock", cheap).await,
        shop.put_event("rock", moved).await,
        shop.cancel(&paid).await,
        shop.pay(&released, "ctoken_ok").await,
        shop.pay(&asked, "ctoken_ok").await,
        shop.pay(&over, "ctoken_declined").await,
        shop.refund(&over, json!({"all": true, "restock": true})).await,
        shop.refund(&refunded, json!({"all": true, "restock": true})).await,
        shop.json("POST", "/api/v1/events/later/orders", "", &wanted("adult", 1)).await,
        shop.refund(&paid, one).await,
    ];
    shop.time.fetch_add(301_000, Ordering::SeqCst);
    answers.push(shop.pay(&over, "ctoken_ok").await);
    assert!(answers.iter().all(|(status, _)| *status >= 400));
    let answers: Vec<String> = answers.into_iter().map(|answer| shop.pretty(answer)).collect();
    assert_snapshot!("problems", answers.join("\n\n"));
}
