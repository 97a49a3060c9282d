//! The API as programs use it: what a hold may say of prices, what staff see of orders, live counts, check-in, changes
//! at one moment, and what Stripe sends.

use super::sandbox::join_all;
use super::{Got, InParts, KEY, NOW_MS, Setup, Shop, wanted};
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use nts_server::payments::fake::FakeStripe;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tower::ServiceExt;

/// An answer and its body.
struct Told {
    got: Got,
    json: Value,
}

impl Shop {
    async fn told(&self, method: Method, path: &str, token: &str, body: &Value) -> Told {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("content-type", "application/json");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let got = self.answer(request.body(Body::from(body)).unwrap()).await;
        let json = serde_json::from_str(&got.body).unwrap_or_default();
        Told { got, json }
    }

    /// A key of this role, for these events; an empty one: for all.
    async fn key(&self, role: &str, events: &[&str]) -> String {
        let events: String = events.iter().map(|event| format!("&event={event}")).collect();
        let form = format!("name=A+program&role={role}{events}");
        let request = Request::post("/office/keys")
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/x-www-form-urlencoded");
        let (status, page) = self.ask(request.body(Body::from(form)).unwrap()).await;
        assert_eq!(status, 200, "{page}");
        let (_, rest) = page.split_once("id=\"key\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

/// The code and the detail of a problem.
fn problem(told: &Told) -> (u16, &str, &str) {
    let text = |name: &str| told.json[name].as_str().unwrap_or_default();
    (told.got.status, text("code"), text("detail"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_hold_may_say_which_prices_were_shown() {
    let shop = Shop::start("program-prices").await;
    let hold = async |price: Value, code: Value| {
        let mut body = wanted("adult", 1);
        body["lines"][0]["price"] = price;
        body["code"] = code;
        shop.told(Method::POST, "/api/v1/events/rock/orders", "", &body).await
    };
    let price = |amount: i64, currency: &str| json!({"amount": amount, "currency": currency});
    for (shown, status) in [(2_500, 201), (2_501, 201), (2_499, 409), (0, 409)] {
        let told = hold(price(shown, "GBP"), Value::Null).await;
        assert_eq!(told.got.status, status, "{shown}: {}", told.got.body);
    }
    assert_eq!(problem(&hold(price(2_499, "GBP"), Value::Null).await).1, "price_changed");
    for other in ["EUR", "XXX", ""] {
        let told = hold(price(2_500, other), Value::Null).await;
        let (status, code, detail) = problem(&told);
        assert_eq!((status, code), (400, "invalid"), "{other}");
        assert!(detail.contains("in the event's currency, GBP"), "{other}: {detail}");
    }
    // A code of nothing is none.
    for (code, status) in [("", 201), (" ", 201), ("x", 409)] {
        assert_eq!(hold(Value::Null, json!(code)).await.got.status, status, "{code:?}");
    }
    assert_eq!(shop.taken("rock").await, (4, 0));
}

/// Whoever may change orders gets what buyers get; whoever may look at them gets no link that changes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn staff_see_of_orders_what_their_role_says() {
    let mut shop = Shop::start("program-roles").await;
    let (rock, jazz) = (shop.hold("rock", 1).await, shop.hold("jazz", 1).await);
    let read_only = shop.key("read_only", &[""]).await;
    let box_office = shop.key("box_office", &["rock"]).await;
    let door = shop.key("door", &[""]).await;
    let one = async |token: &str, order: &super::Order| {
        let told = shop.told(Method::GET, &order.api(), token, &Value::Null).await;
        (told.got.status, told.json["url"].as_str().unwrap_or_default().to_owned())
    };
    let base = shop.app.links.base();
    let (link, look) =
        (format!("{base}{}", rock.page()), format!("{base}/office/orders/{}", rock.id));
    for (token, is) in [
        (&*rock.secret, (200, &*link)),
        (KEY, (200, &link)),
        (&box_office, (200, &link)),
        (&read_only, (200, &look)),
        (&door, (403, "")),
        ("nts_sk_x", (404, "")),
    ] {
        let (status, url) = one(token, &rock).await;
        assert_eq!((status, &*url), is, "{token}");
    }
    assert_eq!(one(&box_office, &jazz).await.0, 403, "of another event");
    let list = async |token: &str, path: &str| {
        let told = shop.told(Method::GET, path, token, &Value::Null).await;
        let orders = told.json["orders"].as_array().cloned().unwrap_or_default();
        let text = |order: &Value, name: &str| order[name].as_str().unwrap().to_owned();
        let all = orders.iter().map(|o| (text(o, "event"), text(o, "url"))).collect::<Vec<_>>();
        (told.got.status, all)
    };
    let of = |order: &super::Order, event: &str, looks: bool| {
        let path = if looks { format!("/office/orders/{}", order.id) } else { order.page() };
        (event.to_owned(), format!("{base}{path}"))
    };
    for (path, all) in [("/api/v1/orders", true), ("/api/v1/events/rock/orders", false)] {
        let both = |looks: bool| {
            let mut both = vec![of(&rock, "rock", looks)];
            both.extend(all.then(|| of(&jazz, "jazz", looks)));
            both
        };
        assert_eq!(list(KEY, path).await, (200, both(false)));
        assert_eq!(list(&read_only, path).await, (200, both(true)));
        assert_eq!(list(&box_office, path).await, (200, vec![of(&rock, "rock", false)]));
        assert_eq!(list(&door, path).await, (403, vec![]), "{path}");
        assert_eq!(list("", path).await, (401, vec![]));
    }
    assert_eq!(list(&box_office, "/api/v1/events/jazz/orders").await.0, 403);
}

/// Where a bank asks, a program is told where its buyer goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_program_is_told_what_the_bank_wants() {
    let mut shop = Shop::start("program-bank").await;
    let order = shop.hold("rock", 1).await;
    let pay = async |token: &str| {
        let path = format!("{}/pay", order.api());
        shop.told(Method::POST, &path, &order.secret, &json!({"token": token})).await
    };
    let told = pay("ctoken_3ds").await;
    assert_eq!((told.got.status, told.got.header("location")), (200, ""), "{}", told.got.body);
    let action = &told.json["action"];
    assert_eq!((&action["type"], &action["client_secret"]), (&json!("redirect"), &Value::Null));
    let begin = format!("{}/sandbox/authenticate/pi_", shop.app.links.base());
    assert!(action["url"].as_str().is_some_and(|url| url.starts_with(&begin)), "{action}");
    let told = pay("ctoken_3ds_sdk").await;
    let action = &told.json["action"];
    assert_eq!((&action["type"], &action["url"]), (&json!("client_secret"), &Value::Null));
    assert!(action["client_secret"].as_str().is_some_and(|s| s.starts_with("pi_")), "{action}");
    let told = pay("ctoken_declined").await;
    assert_eq!(problem(&told).0, 402, "{}", told.got.body);
    let told = pay("ctoken_ok").await;
    assert_eq!((told.got.status, &told.json["action"]), (200, &Value::Null));
    assert_eq!(told.json["state"], "paid");
    // Nothing is charged twice.
    assert_eq!(pay("ctoken_ok").await.json["state"], "paid");
}

/// The next state of a stream.
async fn next(body: &mut Body) -> Option<Value> {
    let frame = tokio::time::timeout(Duration::from_secs(20), body.frame());
    let frame = frame.await.expect("a state, or the end")?.unwrap().into_data().unwrap();
    let text = std::str::from_utf8(&frame).unwrap().strip_prefix("data: ").unwrap();
    Some(serde_json::from_str(text.trim_end()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn live_counts_follow_each_change_until_the_server_stops() {
    let mut shop = Shop::start("program-live").await;
    let request = Request::get("/api/v1/events/rock/live").body(Body::empty()).unwrap();
    let response = shop.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut live = response.into_body();
    let held = |state: Option<Value>| state.unwrap()["pools"][0]["held"].clone();
    assert_eq!(held(next(&mut live).await), 0);
    shop.hold("jazz", 1).await;
    shop.hold("rock", 2).await;
    assert_eq!(held(next(&mut live).await), 2);
    shop.hold("rock", 1).await;
    assert_eq!(held(next(&mut live).await), 3);
    shop.app.stop.raise();
    assert_eq!(next(&mut live).await, None);
}

fn id(n: u64) -> String {
    format!("00000000-0000-7000-8000-{n:012x}")
}

/// Sells tickets for cash. Gives the order's id, and the codes.
async fn sold(shop: &Shop, quantity: u32) -> (String, Vec<String>) {
    let mut sale = wanted("adult", quantity);
    sale["tender"] = json!("cash");
    let told = shop.told(Method::POST, "/api/v1/events/rock/sales", KEY, &sale).await;
    assert_eq!(told.got.status, 201, "{}", told.got.body);
    let tickets = told.json["tickets"].as_array().unwrap().iter();
    let codes = tickets.map(|ticket| ticket["code"].as_str().unwrap().to_owned());
    (told.json["id"].as_str().unwrap().to_owned(), codes.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_scan_names_a_ticket_by_its_code_or_by_its_order() {
    let shop = Shop::start("program-scans").await;
    let (order, codes) = sold(&shop, 2).await;
    let path = "/api/v1/events/rock/check-ins";
    let by_code = |code: &str, nonce: u64| json!({"code": code, "gate": "north", "device": id(1), "nonce": id(nonce)});
    let named = |number: u32, nonce: u64| {
        let mut scan = by_code("", nonce);
        scan["ticket"] = json!({"order": order, "number": number});
        scan
    };
    let scan = async |body: Value| {
        let told = shop.told(Method::POST, path, KEY, &body).await;
        let result =
            told.json["result"].as_str().or(told.json["code"].as_str()).unwrap_or_default();
        (told.got.status, result.to_owned(), told.json["ticket"]["number"].clone())
    };
    let is = |status: u16, result: &str, number: Value| (status, result.to_owned(), number);
    assert_eq!(scan(by_code(&codes[0], 1)).await, is(200, "admitted", json!(1)));
    assert_eq!(scan(named(2, 2)).await, is(200, "admitted", json!(2)));
    assert_eq!(scan(named(2, 3)).await, is(200, "already_in", json!(2)));
    assert_eq!(scan(named(3, 4)).await.1, "unknown_ticket");
    let mut both = named(1, 5);
    both["code"] = json!(codes[0]);
    for (body, detail) in [
        (both, "a code or a ticket, not both"),
        (by_code(" ", 6), "a code, or the ticket"),
        (
            json!({"gate": "north", "device": id(1), "nonce": id(7),
                "ticket": {"order": "x", "number": 1}}),
            "order of the ticket is a UUID",
        ),
        (
            json!({"code": codes[0], "gate": "north", "device": "x", "nonce": id(8)}),
            "device is a UUID",
        ),
        (
            json!({"code": codes[0], "gate": "north", "device": id(1), "nonce": "x"}),
            "nonce is a UUID",
        ),
        (json!({"code": codes[0], "gate": "No gate", "device": id(1), "nonce": id(9)}), "gate"),
    ] {
        let told = shop.told(Method::POST, path, KEY, &body).await;
        let (status, code, said) = problem(&told);
        assert_eq!((status, code), (400, "invalid"), "{body}");
        assert!(said.contains(detail), "{detail}: {said}");
    }
    // Up to a hundred at once, in their order; what is wrong with one keeps none of the others back.
    let scans = |count: u64| (0..count).map(|n| by_code(&codes[0], 100 + n)).collect::<Vec<_>>();
    let many = async |scans: Vec<Value>| {
        let told = shop.told(Method::POST, path, KEY, &json!({"scans": scans})).await;
        let results = told.json["results"].as_array().cloned().unwrap_or_default();
        let words = results.iter().map(|one| one["result"].as_str().unwrap().to_owned());
        (told.got.status, words.collect::<Vec<_>>())
    };
    assert_eq!(many(scans(101)).await, (400, vec![]));
    assert_eq!(many(scans(100)).await, (200, vec!["already_in".to_owned(); 100]));
    assert_eq!(many(vec![]).await, (200, vec![]));
    let mixed = vec![json!({}), by_code("x", 300), by_code(&codes[1], 301)];
    assert_eq!(many(mixed).await.1, ["invalid", "unknown_ticket", "already_in"]);
}

/// What a device at the door tells of itself, and the list that it reads for use without a network.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_device_at_the_door_is_heard_and_reads_its_list() {
    let shop = Shop::start("program-door").await;
    sold(&shop, 2).await;
    let devices = "/api/v1/events/rock/door/devices";
    let tell = async |body: Value| shop.told(Method::POST, devices, KEY, &body).await;
    for (body, status) in [
        (json!({"device": id(1)}), 204),
        (json!({"device": id(1), "gate": "", "unsent": 1_000_000}), 204),
        (json!({"device": id(2), "gate": "north"}), 204),
        (json!({"device": id(2), "gate": "No gate"}), 400),
        (json!({"device": id(2), "unsent": 1_000_001}), 400),
        (json!({"device": "x"}), 400),
    ] {
        let told = tell(body.clone()).await;
        assert_eq!(told.got.status, status, "{body}: {}", told.got.body);
    }
    let told = shop.told(Method::GET, devices, KEY, &Value::Null).await.json;
    let all = told["devices"].as_array().unwrap().iter();
    let all: Vec<_> = all.map(|d| (&d["device"], &d["gate"], &d["unsent"])).collect();
    assert_eq!(
        all,
        [
            (&json!(id(1)), &json!(""), &json!(1_000_000)),
            (&json!(id(2)), &json!("north"), &json!(0))
        ]
    );

    let list = async |query: &str, tag: &str| {
        let request = Request::get(format!("/api/v1/events/rock/door/list{query}"))
            .header("authorization", format!("Bearer {KEY}"))
            .header("if-none-match", tag);
        let got = shop.answer(request.body(Body::empty()).unwrap()).await;
        let json: Value = serde_json::from_str(&got.body).unwrap_or_default();
        (got, json)
    };
    let (first, all) = list("", "\"other\"").await;
    assert_eq!((first.status, all["tickets"].as_array().unwrap().len()), (200, 2));
    let since = all["since"].as_str().unwrap();
    let tag = first.header("etag");
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(list("", tag).await.0.status, 304);
    let (zero, same) = list("?since=0", "\"other\"").await;
    assert_eq!((zero.status, &same["tickets"]), (200, &all["tickets"]));
    assert_eq!(zero.header("etag"), tag);
    for query in ["?since=-1", "?since=x", "?page=x"] {
        let (got, told) = list(query, "\"other\"").await;
        assert_eq!((got.status, &told["code"]), (400, &json!("invalid")), "{query}: {}", got.body);
    }
    shop.pass_s(3_600);
    let later = (since.parse::<i64>().unwrap() + 3_600_000).to_string();
    let (got, told) = list(&format!("?since={later}"), tag).await;
    assert_eq!((got.status, &told["tickets"]), (200, &json!([])), "{}", got.body);
    let none = got.header("etag").to_owned();
    assert_ne!(none, tag);
    // The tag is of the tickets: that time has passed changes nothing.
    shop.pass_s(60);
    assert_eq!(list(&format!("?since={later}"), &none).await.0.status, 304);
}

/// A link of a gate works for the day of the event, unless it is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_link_of_a_gate_works_on_the_day_of_the_event() {
    let shop = Shop::start("program-links").await;
    let links = "/api/v1/events/rock/door/links";
    let make = async |body: Value| shop.told(Method::POST, links, KEY, &body).await;
    let usual = make(json!({"name": "Team"})).await;
    assert_eq!(usual.got.status, 201, "{}", usual.got.body);
    let times = |told: &Told| {
        let text = |name: &str| told.json[name].as_str().unwrap().to_owned();
        (text("valid_from"), text("valid_until"))
    };
    let day = ("2030-05-31T23:00:00Z".to_owned(), "2030-06-03T11:00:00Z".to_owned());
    assert_eq!(times(&usual), day);
    let said = json!({"name": "Team", "valid_from": "2030-06-01T10:00:00Z", "valid_until": "2030-06-01T12:00:00+01:00"});
    let said = make(said).await;
    assert_eq!(times(&said), ("2030-06-01T10:00:00Z".into(), "2030-06-01T11:00:00Z".into()));
    for wrong in [
        json!({"name": "Team", "valid_from": "tomorrow"}),
        json!({"name": "Team", "valid_until": "2030-06-01"}),
        json!({"name": "Team", "gate": "No gate"}),
        json!({"name": ""}),
    ] {
        assert_eq!(make(wrong.clone()).await.got.status, 400, "{wrong}");
    }
    let door = json!({"admission": "once", "opens_at": "2030-05-31T20:00:00Z",
                      "gates": [{"id": "north", "name": "North", "ticket_types": []}]});
    let put = shop.told(Method::PUT, "/api/v1/events/rock/door", KEY, &door).await;
    assert_eq!(put.got.status, 200, "{}", put.got.body);
    assert_eq!(make(json!({"name": "Team", "gate": "south"})).await.got.status, 400);
    let north = make(json!({"name": "Team", "gate": "north"})).await;
    assert_eq!(times(&north), ("2030-05-31T20:00:00Z".into(), day.1));
    let list = shop.told(Method::GET, links, KEY, &Value::Null).await.json;
    assert_eq!(list["links"].as_array().unwrap().len(), 3, "{list}");
    let id = north.json["id"].as_str().unwrap();
    let end = format!("{links}/{id}");
    assert_eq!(shop.told(Method::DELETE, &end, KEY, &Value::Null).await.got.status, 204);
    let list = shop.told(Method::GET, links, KEY, &Value::Null).await.json;
    let ended = list["links"].as_array().unwrap().iter().filter(|link| !link["ended_at"].is_null());
    assert_eq!(ended.map(|link| &link["id"]).collect::<Vec<_>>(), [id]);
}

/// Changes at one moment: each is made, or its sender is told that it was not. Which of them were faster is known to
/// nobody, so whoever has named a version is told at once, and whoever has named none after some tries.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_changes_at_one_moment_none_is_lost() {
    let shop = Arc::new(Shop::start("program-changes").await);
    let patch = |key: String, tag: Option<String>| {
        let mut request = Request::patch("/api/v1/events/rock")
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/merge-patch+json");
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        let body = json!({"pools": [{"id": "floor", "capacity": 10}], "description": key});
        request.body(Body::from(body.to_string())).unwrap()
    };
    let at_once = async |requests: Vec<Request<Body>>| {
        // One task, so that all are sent before one of them is answered.
        let shop = Arc::clone(&shop);
        let mut all = JoinSet::new();
        all.spawn(async move {
            let sent =
                requests.into_iter().map(|request| async { shop.answer(request).await.status });
            join_all(sent.collect()).await
        });
        all.join_next().await.unwrap().unwrap()
    };
    let few = (0..8).map(|n| patch(format!("Change {n}"), None)).collect();
    assert_eq!(at_once(few).await, [200; 8]);
    let many = at_once((0..40).map(|n| patch(format!("Many {n}"), None)).collect()).await;
    let (made, told) =
        (many.iter().filter(|s| **s == 200).count(), many.iter().filter(|s| **s == 412).count());
    assert_eq!(made + told, 40, "{many:?}");
    assert!(made >= 20 && told > 0, "who loses twenty times is told so: {many:?}");
    let seen = shop.told(Method::GET, "/api/v1/events/rock", KEY, &Value::Null).await;
    let tag = seen.got.header("etag").to_owned();
    let seen = (0..3).map(|n| patch(format!("Seen {n}"), Some(tag.clone()))).collect();
    let mut seen = at_once(seen).await;
    seen.sort_unstable();
    assert_eq!(seen, [200, 412, 412]);
}

/// Stripe's messages may be larger than what anybody may send, and a few of them at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_message_of_stripe_may_be_large() {
    const SECRET: &str = "whsec_of_the_tests";
    let flags = &["--stripe-webhook-secret=whsec_of_the_tests", "--body-bytes=100000"];
    let shop =
        Shop::start_as("program-webhook", Setup { flags, stripe: true, ..Setup::default() }).await;
    let message = |bytes: usize| {
        let begin =
            r#"{"type": "charge.updated", "data": {"object": {"object": "charge"}}, "more": ""#;
        format!("{begin}{}\"}}", "x".repeat(bytes - begin.len() - 2))
    };
    let send = async |bytes: usize, in_parts: bool| {
        let message = message(bytes);
        let signature = FakeStripe::signature(SECRET, NOW_MS / 1_000, &message);
        let body = match in_parts {
            true => {
                let parts = message.as_bytes().chunks(10_000).map(<[u8]>::to_vec);
                Body::new(InParts(parts.collect()))
            }
            false => Body::from(message),
        };
        let request = Request::post("/stripe/webhook").header("stripe-signature", signature);
        shop.ask(request.body(body).unwrap()).await.0
    };
    let small = 16 * 1024;
    for bytes in [1_000, small, small + 1, 100_000] {
        assert_eq!(send(bytes, false).await, 200, "{bytes}");
        assert_eq!(send(bytes, true).await, 200, "{bytes} in parts");
    }
    assert_eq!((send(100_001, false).await, send(100_001, true).await), (413, 413));
    // So many large ones are being received; small ones need no slot.
    let slots = &shop.app.admission.slots.large_webhooks;
    let taken = slots.try_acquire_many(u32::try_from(slots.available_permits()).unwrap()).unwrap();
    assert_eq!(send(small + 1, false).await, 503);
    assert_eq!(send(1_000, true).await, 503, "it may become large");
    assert_eq!(send(small, false).await, 200);
    drop(taken);
    assert_eq!(send(small + 1, false).await, 200);
    let request = Request::post("/stripe/webhook").header("stripe-signature", "t=1,v1=00");
    assert_eq!(shop.ask(request.body(Body::from("{}")).unwrap()).await.0, 400);
}

/// The office leads whoever is not signed in to the page that asks, and a program gets its problem.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn whoever_is_not_signed_in_is_led_to_where_they_can() {
    let shop = Shop::start("program-office").await;
    for (method, path, to) in [
        ("GET", "/office", "/office/sign-in"),
        ("GET", "/office/orders?q=a", "/office/sign-in?next=%2Foffice%2Forders%3Fq%3Da"),
        ("POST", "/office/shop", "/office/sign-in?lost=1"),
    ] {
        let got = shop.got(method, path, &[], "").await;
        assert_eq!((got.status, got.header("location")), (303, to), "{path}: {}", got.body);
    }
    let key = [("authorization", "Bearer nts_sk_x")];
    assert_eq!(shop.got("GET", "/office", &key, "").await.status, 401);
    let told = shop.told(Method::GET, "/api/v1/orders", "", &Value::Null).await;
    assert_eq!((told.got.status, told.got.header("www-authenticate")), (401, "Bearer"));
}
