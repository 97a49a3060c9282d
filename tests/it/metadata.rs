//! Metadata: the strings that a program keeps with an order.

use crate::harness::*;
use serde_json::{Value, json};

const HOLD: &str = "/api/v1/events/rock/orders";
const SELL: &str = "/api/v1/events/rock/sales";

fn start(name: &str) -> (Dir, Server) {
    let dir = Dir::new(name);
    let server = Server::start(&dir);
    server.make_event(20, 300);
    (dir, server)
}

fn body(name: &str, metadata: &Value) -> Value {
    json!({
        "buyer": {"name": name, "email": format!("{name}@example.org")},
        "lines": [{"ticket_type": "adult", "quantity": 1}],
        "metadata": metadata,
    })
}

fn hold_with(name: &str, metadata: &Value) -> Request {
    Request::new("POST", HOLD).json(&body(name, metadata))
}

fn sale_with(name: &str, metadata: &Value) -> Request {
    let mut sale = body(name, metadata);
    sale["tender"] = "cash".into();
    Request::new("POST", SELL).bearer(KEY).json(&sale)
}

/// Puts metadata with the secret of the order, or with this token.
fn put(order: &Value, metadata: &Value, token: Option<&str>) -> Request {
    let path = format!("/api/v1/orders/{}/metadata", text(order, "id"));
    let secret = order["secret"].as_str();
    let token = token.or(secret).expect("a token");
    Request::new("PUT", &path).bearer(token).json(&json!({"metadata": metadata}))
}

/// An order as the organiser reads it.
fn told(server: &Server, order: &Value) -> Value {
    let path = format!("/api/v1/orders/{}", text(order, "id"));
    server.send(Request::get(&path).bearer(KEY)).json()
}

fn listed(server: &Server, path: &str, order: &Value) -> Option<Value> {
    let list = server.send(Request::get(path).bearer(KEY)).json();
    let orders = list["orders"].as_array().unwrap_or_else(|| panic!("{path}: {list}"));
    orders.iter().find(|found| found["id"] == order["id"]).cloned()
}

#[test]
fn what_comes_with_a_hold_or_a_sale_is_shown_with_the_order() {
    let (dir, server) = start("metadata");
    let metadata = json!({"source": "news letter", "cart.id": "ü-7 \"<b>\" \\", "A_b-9": "x"});
    let held = server.send(hold_with("ann", &metadata).key("the-key-of-ann-s-hold"));
    assert_eq!(held.status, 201, "{held:?}");
    // The same key and body: the same answer, also when it is another by now.
    let order = held.json();
    assert_eq!(order.get("metadata"), None, "the short answer has none");
    assert_eq!(server.send(put(&order, &json!({"a": "1"}), None)).status, 200);
    let again = server.send(hold_with("ann", &metadata).key("the-key-of-ann-s-hold"));
    assert_eq!((again.status, &again.body), (201, &held.body));
    assert_eq!(server.send(look(&order)).json()["metadata"], json!({"a": "1"}));
    assert_eq!(server.send(put(&order, &metadata, None)).json()["metadata"], metadata);
    // Under the same key with other metadata it is another order.
    let other = server.send(hold_with("ann", &json!({"a": "1"})).key("the-key-of-ann-s-hold"));
    assert_ne!(other.json()["id"], order["id"]);

    let bare = server.send(hold("bob", 1)).json();
    let sold = server.send(sale_with("cid", &metadata).key("sale-1"));
    assert_eq!((sold.status, &sold.json()["metadata"]), (201, &metadata));
    assert_eq!(
        server.send(sale_with("cid", &metadata).key("sale-1")).json()["id"],
        sold.json()["id"]
    );
    let reused = server.send(sale_with("cid", &json!({})).key("sale-1"));
    assert_eq!(reused.code(), Some(ProblemCode::KeyReused), "{reused:?}");
    let paid = server.send(pay(&order, "ctoken_ok"));
    assert_eq!((paid.status, &paid.json()["metadata"]), (200, &metadata));

    server.stop();
    let server = Server::start(&dir);
    for order in [&order, &sold.json()] {
        assert_eq!(told(&server, order)["metadata"], metadata);
        for path in ["/api/v1/events/rock/orders", "/api/v1/orders", "/api/v1/orders?q=ann"] {
            if let Some(listed) = listed(&server, path, order) {
                assert_eq!(listed["metadata"], metadata, "{path}");
            } else {
                assert!(path.ends_with("ann"), "{path}");
            }
        }
    }
    assert_eq!(server.send(look(&order)).json()["metadata"], metadata);
    assert_eq!(server.send(look(&bare)).json().get("metadata"), None);
    assert_eq!(told(&server, &bare).get("metadata"), None);

    // Staff sees it in the office, as text; the buyer's page and the files have nothing of it.
    let id = text(&order, "id");
    let office = server.send(Request::get(&format!("/office/orders/{id}")).bearer(KEY)).text();
    for shown in ["<caption>Metadata</caption>", "cart.id", "ü-7 &#34;&#60;b&#62;&#34; \\"] {
        assert!(office.contains(shown), "{shown}: {office}");
    }
    let bare =
        server.send(Request::get(&format!("/office/orders/{}", text(&bare, "id"))).bearer(KEY));
    assert!(bare.status == 200 && !bare.text().contains("Metadata"), "{}", bare.text());
    let page = server.get(&page_of(&order));
    assert!(page.status == 200 && !page.text().contains("news letter"), "{}", page.text());
    for file in ["orders.csv", "tickets.csv"] {
        let path = format!("/api/v1/events/rock/export/{file}");
        let file = server.send(Request::get(&path).bearer(KEY));
        assert!(file.status == 200 && !file.text().contains("news letter"), "{}", file.text());
    }
}

#[test]
fn all_of_it_is_replaced_by_whoever_may_change_the_order() {
    let (_dir, server) = start("metadata-put");
    let order = server.send(hold_with("ann", &json!({"a": "1", "b": "2"}))).json();
    let stranger = server.send(hold_with("bob", &json!({"mine": "bob's"}))).json();
    let tag = |server: &Server| {
        let read = server.send(look(&order));
        (read.header("etag").unwrap().to_owned(), read.json())
    };
    let (before, read) = tag(&server);
    let mut since = String::new();
    eventually("it is not in what is new", || {
        let list = server.send(Request::get("/api/v1/orders").bearer(KEY)).json();
        since = format!("/api/v1/orders?changed_since={}", text(&list, "as_of"));
        listed(&server, &since, &order).is_none()
    });
    // The same once more is no change.
    let same = server.send(put(&order, &json!({"b": "2", "a": "1"}), None));
    assert_eq!((same.status, &same.json()["metadata"]), (200, &read["metadata"]), "{same:?}");
    assert_eq!(tag(&server).0, before);
    assert!(listed(&server, &since, &order).is_none());
    // A change is one of the order.
    let put_now = server.send(put(&order, &json!({"b": "3"}), None));
    assert_eq!((put_now.status, &put_now.json()["metadata"]), (200, &json!({"b": "3"})));
    let (after, now) = tag(&server);
    assert_ne!(after, before);
    assert_eq!(now["metadata"], json!({"b": "3"}));
    assert_ne!(now["updated_at"], read["updated_at"]);
    eventually("it is in what is new", || listed(&server, &since, &order).is_some());
    // The organiser may, too; all can be taken away.
    let by_staff = server.send(put(&order, &json!({"desk": "7"}), Some(KEY)));
    assert_eq!((by_staff.status, &by_staff.json()["metadata"]), (200, &json!({"desk": "7"})));
    let none = server.send(put(&order, &json!({}), None));
    assert_eq!((none.status, none.json().get("metadata")), (200, None), "{none:?}");
    assert_eq!(server.send(look(&order)).json().get("metadata"), None);
    let id = text(&order, "id");
    let log = server.send(Request::get(&format!("/office/orders/{id}")).bearer(KEY)).text();
    assert!(log.contains("metadata") && !log.contains("desk"), "the log has no value: {log}");

    // Nobody else.
    let secret = text(&stranger, "secret");
    for (token, status) in [(&*secret, 404), ("WRONG", 404)] {
        let answer = server.send(put(&order, &json!({"a": "evil"}), Some(token)));
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let path = format!("/api/v1/orders/{id}/metadata");
    let nobody = Request::new("PUT", &path).json(&json!({"metadata": {"a": "evil"}}));
    assert_eq!(server.send(nobody).status, 401);
    let unknown = json!({"id": "00000000-0000-0000-0000-000000000000"});
    assert_eq!(server.send(put(&unknown, &json!({}), Some(KEY))).status, 404);
    assert_eq!(server.send(look(&order)).json().get("metadata"), None);
    assert_eq!(server.send(look(&stranger)).json()["metadata"], json!({"mine": "bob's"}));
}

#[test]
fn it_may_change_in_every_state_until_the_buyer_is_erased() {
    let (_dir, server) = start("metadata-states");
    let order = server.send(hold_with("ann", &json!({"a": "secret-1"}))).json();
    let released = server.send(hold_with("bob", &json!({"a": "1"}))).json();
    let change = |order: &Value, value: &str| {
        let answer = server.send(put(order, &json!({"a": value}), None));
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        assert_eq!(answer["metadata"]["a"], value);
        (text(&answer, "state"), answer)
    };
    assert_eq!(server.send(pay(&order, "ctoken_ok")).json()["state"], "paid");
    let (state, paid) = change(&order, "secret-2");
    assert_eq!((state.as_str(), paid["tickets"].as_array().unwrap().len()), ("paid", 1));
    let refund = Request::new("POST", &format!("/api/v1/orders/{}/refunds", text(&order, "id")));
    let refund = refund.bearer(KEY).json(&json!({"all": true, "restock": false}));
    assert_eq!(server.send(refund).json()["order"]["metadata"], json!({"a": "secret-2"}));
    eventually("it is refunded", || told(&server, &order)["state"] == "refunded");
    assert_eq!(change(&order, "secret-3").0, "refunded");
    let cancel = format!("/api/v1/orders/{}/cancel", text(&released, "id"));
    let cancel = Request::new("POST", &cancel).bearer(&text(&released, "secret"));
    assert_eq!(server.send(cancel).json()["metadata"], json!({"a": "1"}));
    assert_eq!(change(&released, "2").0, "released");

    let erase = Request::new("POST", "/api/v1/erasures").bearer(KEY);
    let erased = server.send(erase.json(&json!({"email": "ann@example.org"})));
    assert_eq!(erased.status, 200, "{erased:?}");
    let now = told(&server, &order);
    assert_eq!((&now["buyer"]["erased"], now.get("metadata")), (&json!(true), None), "{now}");
    for token in [None, Some(KEY)] {
        for metadata in [json!({"a": "secret-4"}), json!({})] {
            let answer = server.send(put(&order, &metadata, token));
            assert_eq!((answer.status, answer.code()), (409, Some(ProblemCode::BuyerErased)));
            assert!(answer.text().contains("its metadata as well"), "{}", answer.text());
        }
    }
    assert_eq!(told(&server, &order).get("metadata"), None);
    let list = server.send(Request::get("/api/v1/orders").bearer(KEY)).text();
    assert!(!list.contains("secret-") && list.contains("\"a\":\"2\""), "{list}");
}

#[test]
fn what_is_beyond_a_limit_is_refused_and_nothing_is_done() {
    let (_dir, server) = start("metadata-limits");
    let order = server.send(hold_with("ann", &json!({"a": "1"}))).json();
    let many = |count: usize| {
        Value::Object((0..count).map(|n| (format!("key-{n}"), "x".into())).collect())
    };
    let of = |key: &str, value: &str| json!({key: value});
    let counts = server.counts();
    for (metadata, why) in [
        (many(11), "Metadata has more than 10 keys"),
        (
            of("", "x"),
            "“” is no key of metadata: a key is 1 to 40 letters from A to Z or a to z, digits, ",
        ),
        (of(&"k".repeat(41), "x"), "k…” is no key of metadata"),
        (of("a key", "x"), "“a key” is no key of metadata"),
        (of("clé", "x"), "“clé” is no key of metadata"),
        (of("a", ""), "The value of “a” in metadata is empty; leave the key out"),
        (of("a", &"ü".repeat(201)), "The value of “a” in metadata is longer than 200 characters"),
        (of("a", "1\n2"), "The value of “a” in metadata has a line break or a control character"),
        (of("a", "\u{7f}"), "The value of “a” in metadata has a line break or a control character"),
    ] {
        for (request, then) in [
            (hold_with("bob", &metadata), "Nothing was reserved."),
            (sale_with("bob", &metadata), "Nothing was sold."),
            (put(&order, &metadata, None), "Nothing was changed."),
            (put(&order, &metadata, Some(KEY)), "Nothing was changed."),
        ] {
            let path = request.path().to_owned();
            let answer = server.send(request);
            assert_eq!((answer.status, answer.code()), (400, Some(ProblemCode::Invalid)), "{path}");
            let detail = text(&answer.json(), "detail");
            assert!(detail.contains(why) && detail.ends_with(then), "{path}: {detail}");
        }
    }
    // What is no object of strings, and a key that stands there twice.
    for (metadata, why) in [
        ("null", "expected an object of strings"),
        ("[]", "expected an object of strings"),
        (r#"{"a":1}"#, "expected a string"),
        (r#"{"a":{"b":"c"}}"#, "expected a string"),
        (r#"{"a":null}"#, "expected a string"),
        (r#"{"a":"1","b":"2","a":"1"}"#, "the key \"a\" stands there twice"),
    ] {
        let with = |request: Request, body: &Value| {
            let marked = body.to_string();
            let raw = marked.replace("\"HERE\"", metadata);
            assert_ne!(raw, marked);
            request.header("content-type", "application/json").body(raw.into_bytes())
        };
        let here = Value::from("HERE");
        let mut sale = body("bob", &here);
        sale["tender"] = "free".into();
        let path = format!("/api/v1/orders/{}/metadata", text(&order, "id"));
        let change = Request::new("PUT", &path).bearer(KEY);
        for request in [
            with(Request::new("POST", HOLD), &body("bob", &here)),
            with(Request::new("POST", SELL).bearer(KEY), &sale),
            with(change, &json!({"metadata": here})),
        ] {
            let path = request.path().to_owned();
            let answer = server.send(request);
            assert_eq!((answer.status, answer.code()), (400, Some(ProblemCode::Invalid)), "{path}");
            let detail = text(&answer.json(), "detail");
            assert!(detail.contains(why), "{path}: {detail}");
        }
    }
    assert_eq!(server.counts(), counts, "nothing was held or sold");
    assert_eq!(server.send(look(&order)).json()["metadata"], json!({"a": "1"}));
    // As much as there can be, also where a program writes each character as two escapes.
    let most: Value = (0..10)
        .map(|n| (format!("{n}{}", "k".repeat(39)), Value::from("🎟".repeat(200))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let raw = json!({"metadata": most}).to_string().replace('🎟', "\\ud83c\\udf9f");
    assert!(raw.len() > 24_000);
    let path = format!("/api/v1/orders/{}/metadata", text(&order, "id"));
    let change = Request::new("PUT", &path).bearer(&text(&order, "secret"));
    let done =
        server.send(change.header("content-type", "application/json").body(raw.into_bytes()));
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(done.json()["metadata"], most);
    let held = server.send(hold_with("bob", &most));
    assert_eq!(held.status, 201, "{held:?}");
    assert_eq!(server.send(look(&held.json())).json()["metadata"], most);
}
