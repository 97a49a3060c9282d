//! Events over HTTP and from a file: what is over, hidden, deleted, wrong or odd.

use crate::harness::*;
use serde_json::{Value, json};
use std::process::Output;

/// A time so many hours from now, as the API takes it.
fn in_hours(hours: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    nts_server::when::rfc3339((now.as_secs() as i64 + hours * 3_600) * 1_000)
}

fn put(server: &Server, slug: &str, changes: &Value) -> Answer {
    let mut event = event_json(10, 300);
    for (field, value) in changes.as_object().unwrap() {
        event[field] = value.clone();
    }
    let path = format!("/api/v1/events/{slug}");
    server.send(Request::new("PUT", &path).bearer(KEY).json(&event))
}

fn delete(server: &Server, slug: &str) -> Answer {
    server.send(Request::new("DELETE", &format!("/api/v1/events/{slug}")).bearer(KEY))
}

/// The ids in a list of events.
fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["events"].as_array().unwrap().iter().map(|event| text(event, "id")).collect()
}

#[test]
fn what_is_over_is_not_sold_and_leaves_the_lists() {
    let dir = Dir::new("over");
    let server = Server::start(&dir);
    let past = json!({"starts_at": in_hours(-28 * 24)});
    let made = put(&server, "rock", &past);
    assert_eq!(made.status, 201);
    assert!(made.json()["warnings"][0].as_str().unwrap().starts_with("The event is over"));
    let event = server.event();
    assert_eq!((&event["on_sale"], &event["over"]), (&json!(false), &json!(true)));
    let refused = server.send(hold("ann", 1));
    assert_eq!((refused.status, refused.code()), (409, Some(ProblemCode::NotOnSale)));
    assert!(refused.text().contains("The event is over"), "{refused:?}");
    let form = [("name", "Ann"), ("email", "ann@example.org"), ("quantity:adult", "1")];
    let refused = server.send(Request::form("/events/rock/orders", &form));
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("The event is over"));
    let page = server.get("/events/rock");
    assert!(page.status == 200 && page.text().contains("This event is over"));
    assert!(!server.get("/").text().contains("/events/rock"));
    let public = || ids(&server.get("/api/v1/events"));
    assert!(!public().contains(&"rock".into()));
    let rock = "rock".to_owned();
    assert!(ids(&server.get("/api/v1/events?over=true")).contains(&rock));
    assert!(ids(&server.send(Request::get("/api/v1/events").bearer(KEY))).contains(&rock));

    // A festival of three days still sells on the second.
    for later in [
        json!({"starts_at": in_hours(-24), "ends_at": in_hours(48)}),
        json!({"starts_at": in_hours(-24), "sale_closes": in_hours(1)}),
        json!({"starts_at": in_hours(-1)}),
    ] {
        assert_eq!(put(&server, "rock", &later).status, 200);
        assert_eq!(server.event()["on_sale"], true, "{later}");
        assert!(public().contains(&rock) && server.get("/").text().contains("/events/rock"));
        assert_eq!(server.send(hold("ann", 1)).status, 201);
    }
}

#[test]
fn a_draft_is_seen_by_its_link_and_by_the_organiser() {
    let dir = Dir::new("draft");
    let server = Server::start(&dir);
    assert_eq!(put(&server, "rock", &json!({"hidden": true})).status, 201);
    let rock = "rock".to_owned();
    for path in ["/api/v1/events", "/api/v1/events?over=true"] {
        assert!(!ids(&server.get(path)).contains(&rock));
        let wrong = server.send(Request::get(path).bearer("wrong"));
        assert_eq!((wrong.status, wrong.code()), (401, Some(ProblemCode::Unauthorized)));
        assert!(wrong.text().contains("is wrong") && !wrong.text().contains("rock"), "{wrong:?}");
        assert!(ids(&server.send(Request::get(path).bearer(KEY))).contains(&rock));
    }
    assert!(!server.get("/").text().contains("/events/rock"));
    assert_eq!(
        (server.get("/events/rock").status, server.event()["hidden"].clone()),
        (200, json!(true))
    );
    assert_eq!(server.send(hold("ann", 1)).status, 201);
    // Who says nothing of it publishes nothing.
    assert_eq!(put(&server, "rock", &json!({})).status, 200);
    assert!(!ids(&server.get("/api/v1/events")).contains(&rock));
    assert_eq!(put(&server, "rock", &json!({"hidden": false})).status, 200);
    assert!(ids(&server.get("/api/v1/events")).contains(&rock));
}

#[test]
fn an_event_is_deleted_as_long_as_nobody_ordered() {
    let dir = Dir::new("delete");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let no_key = server.send(Request::new("DELETE", "/api/v1/events/rock"));
    assert_eq!(no_key.status, 401);
    assert_eq!(delete(&server, "rock").status, 204);
    assert_eq!(server.get("/api/v1/events/rock").status, 404);
    assert_eq!(server.get("/events/rock").status, 404);
    assert_eq!(delete(&server, "rock").code(), Some(ProblemCode::UnknownEvent));
    assert_eq!(server.send(hold("ann", 1)).code(), Some(ProblemCode::UnknownEvent));
    server.make_event(10, 300);
    let order = server.send(hold("ann", 1)).json();
    let refused = delete(&server, "rock");
    assert_eq!((refused.status, refused.code()), (409, Some(ProblemCode::EventOrdered)));
    let cancel = format!("/api/v1/orders/{}/cancel", text(&order, "id"));
    let cancel = Request::new("POST", &cancel).bearer(&text(&order, "secret"));
    assert_eq!(server.send(cancel).status, 200);
    assert_eq!(delete(&server, "rock").code(), Some(ProblemCode::EventOrdered), "it was ordered");
    server.kill();

    let server = Server::start(&dir);
    assert_eq!(server.get("/api/v1/events/rock").status, 200);
    assert_eq!(put(&server, "jazz", &json!({})).status, 201);
    let command = |args: &[&str]| {
        let url = format!("http://{}", server.address);
        nts(&dir).args(["event"]).args(args).args(["--url", &url]).output().unwrap()
    };
    let gone = command(&["delete", "jazz"]);
    assert!(gone.status.success() && said(&gone).contains("jazz is deleted"), "{}", said(&gone));
    assert_eq!(server.get("/api/v1/events/jazz").status, 404);
    let kept = command(&["delete", "rock"]);
    assert!(!kept.status.success() && said(&kept).contains("There are orders"), "{}", said(&kept));
    if !crate::ON_POSTGRES {
        server.stop();
        let log = nts(&dir).args(["audit-log", "--json"]).output().unwrap();
        let deleted = said(&log).matches("event_deleted").count();
        assert_eq!(deleted, 2, "{}", said(&log));
    }
}

#[test]
fn what_was_sold_stays_as_it_was_sold() {
    let dir = Dir::new("as-sold");
    let server = Server::start(&dir);
    let named = |name: &str, amount: u32| {
        let types = json!([{"id": "adult", "name": name, "pool": "floor",
                            "price": {"amount": amount, "currency": "GBP"}}]);
        put(&server, "rock", &json!({"ticket_types": types}))
    };
    assert_eq!(named("Standing", 2_500).status, 201);
    let ask = hold("ann", 1).key("key-of-ann-0123456789");
    let first = server.send(ask.clone());
    assert_eq!((first.status, &first.json()["lines"][0]["name"]), (201, &json!("Standing")));
    assert_eq!(named("Seat in row 20, restricted view", 3_000).status, 200);
    let again = server.send(ask);
    assert_eq!((again.status, again.json()), (201, first.json()), "the same answer");
    let order = first.json();
    let paid = server.send(pay(&order, "ctoken_ok")).json();
    assert_eq!(paid["tickets"][0]["name"], "Standing");
    assert_eq!(paid["lines"][0]["price"]["amount"], 2_500);
    // Neither the name of today nor that there is no such type any more changes it.
    let other = json!([{"id": "child", "name": "Child", "pool": "floor",
                        "price": {"amount": 100, "currency": "GBP"}}]);
    assert_eq!(put(&server, "rock", &json!({"ticket_types": other})).status, 200);
    let seen = server.send(look(&order)).json();
    assert_eq!(
        (&seen["tickets"][0]["name"], &seen["lines"][0]["name"]),
        (&json!("Standing"), &json!("Standing"))
    );
    let page = server.get(&page_of(&order)).text();
    assert!(page.contains("Standing") && !page.contains("restricted view"), "{page}");
    assert_eq!(named("Seat in row 20, restricted view", 3_000).status, 200);
    let next = server.send(hold("bob", 1)).json();
    assert_eq!(next["lines"][0]["name"], "Seat in row 20, restricted view");
    let refund = Request::new("POST", &format!("/api/v1/orders/{}/refunds", text(&order, "id")));
    let lines = json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": true});
    assert!(server.send(refund.bearer(KEY).json(&lines)).status < 300);
}

/// Applies a file with this text.
fn apply(dir: &Dir, url: &str, text: &str) -> Output {
    std::fs::write(dir.path("show.toml"), text).unwrap();
    nts(dir).args(["event", "apply", "show.toml", "--url", url]).output().unwrap()
}

#[test]
fn no_wrong_id_gets_into_an_address() {
    let dir = Dir::new("ids");
    let server = Server::start(&dir);
    let url = format!("http://{}", server.address);
    let show = include_str!("../../show.toml");
    let apply = |text: &str| apply(&dir, &url, text);
    assert!(apply(show).status.success());
    let before = server.get("/api/v1/events/harbour-night").json();
    let long = "x".repeat(65);
    for wrong in [
        "harbour-night#2",
        "harbour-night?v=2",
        "2030/harbour-night",
        "",
        " ",
        "Harbour Night",
        "Harbour-Night",
        "..",
        ".",
        "../orders",
        "harbour%2fnight",
        "harbour-night/",
        "ü",
        "a_b",
        "harbour-night;x",
        "harbour-night&x",
        &long,
    ] {
        let text = show.replace("\"harbour-night\"", &format!("{wrong:?}"));
        let text = text.replace("Harbour Night", "Second Night").replace("400", "100");
        for output in [
            apply(&text),
            nts(&dir).args(["event", "delete", "--url", &url, "--", wrong]).output().unwrap(),
        ] {
            let told = said(&output);
            assert!(!output.status.success(), "{wrong}");
            assert!(told.contains("an event's id is 1 to 64 of a-z, 0-9 and -"), "{wrong}: {told}");
            assert!(told.to_lowercase().contains("nothing was sent"), "{wrong}: {told}");
        }
    }
    let after = server.get("/api/v1/events/harbour-night").json();
    assert_eq!((&before["name"], &before["pools"]), (&after["name"], &after["pools"]));
    for url in
        ["localhost:9000", "http://", "http://localhost:1/?x", "ftp://localhost", "http://h#x"]
    {
        let output =
            nts(&dir).args(["event", "apply", "show.toml", "--url", url]).output().unwrap();
        // The file is still wrong: it is read first.
        assert!(!output.status.success());
        std::fs::write(dir.path("right.toml"), show).unwrap();
        let output =
            nts(&dir).args(["event", "apply", "right.toml", "--url", url]).output().unwrap();
        assert!(said(&output).contains("is no address of a server"), "{url}: {}", said(&output));
    }
}

#[test]
fn a_file_with_mistakes_is_told_all_of_them_and_an_odd_one_its_warnings() {
    let dir = Dir::new("mistakes");
    let server = Server::start(&dir);
    let url = format!("http://{}", server.address);
    let show = include_str!("../../show.toml");
    let apply = |text: &str| apply(&dir, &url, text);
    let text = show.replace("capacity = 400", "capacity = \"400\"").replace("4000,", "40.00,");
    let wrong = apply(&(text + "keep_buyers_days = 90\n"));
    let told = said(&wrong);
    assert!(
        !wrong.status.success() && told.contains("has 3 mistakes, and nothing was sent"),
        "{told}"
    );
    for words in ["write capacity = 400", "write amount = 4000 for 40.00 GBP", "belongs above"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(server.get("/api/v1/events/harbour-night").status, 404);

    let closes = "sale_closes = \"2030-07-05T17:00:00Z\"";
    let text = show.replace("# sale_closes = \"2030-07-05T18:00:00Z\"", closes);
    let made = apply(&text);
    assert!(made.status.success() && !said(&made).contains("Warning"), "{}", said(&made));
    let moved = text.replace("2030-07-05T20:00:00+01:00", "2030-06-05T20:00:00+01:00");
    let moved = apply(&moved.replace("2030-07-06T00:30:00+01:00", "2030-06-06T00:30:00+01:00"));
    let told = said(&moved);
    assert!(moved.status.success(), "{told}");
    assert!(told.contains("Warning: The sale closes on Friday 5 July 2030, 18:00"), "{told}");
}

#[test]
fn what_get_has_told_can_be_put_back() {
    let dir = Dir::new("put-back");
    let server = Server::start(&dir);
    let changes = json!({
        "description": "One.\n\nTwo.", "ends_at": "2030-06-02T01:00:00+01:00",
        "sale_opens": "2020-01-01T00:00:00Z", "limit_per_buyer": 6, "keep_buyers_days": 30,
        "names_until": "2030-05-31T12:00:00Z",
        "pools": [{"id": "floor", "capacity": 10}, {"id": "none", "capacity": 0}],
    });
    assert_eq!(put(&server, "rock", &changes).status, 201);
    assert_eq!(server.send(hold("ann", 2)).status, 201);
    let event = server.event();
    let back = |event: &Value| {
        server.send(Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(event))
    };
    let answer = back(&event);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(back(&answer.json()).status, 200, "also what PUT has told");
    let mut again = server.event();
    again["as_of"] = event["as_of"].clone();
    assert_eq!(again, event);
    // Somebody orders meanwhile.
    assert_eq!(server.send(hold("bob", 1)).status, 201);
    let mut renamed = event.clone();
    renamed["name"] = "Else".into();
    renamed["place"] = Value::Null;
    let answer = back(&renamed);
    assert_eq!((answer.status, &answer.json()["pools"][0]["held"]), (200, &json!(3)), "{answer:?}");
    for (path, value, status) in
        [("/id", json!("jazz"), 400), ("/currency", json!("EUR"), 400), ("/zone", Value::Null, 400)]
    {
        let mut changed = event.clone();
        *changed.pointer_mut(path).unwrap() = value;
        let refused = back(&changed);
        assert_eq!(refused.status, status, "{refused:?}");
        let words = if path == "/zone" { "null" } else { &path[1..] };
        assert!(refused.text().contains(words), "{path}: {refused:?}");
    }
}

#[test]
fn a_query_filters_or_is_refused() {
    let dir = Dir::new("query");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let order = server.send(hold("ann", 1)).json();
    let orders = |query: &str| {
        server.send(Request::get(&format!("/api/v1/events/rock/orders{query}")).bearer(KEY))
    };
    for (method, path) in [
        ("GET", "/api/v1/events/nope/orders"),
        ("GET", "/api/v1/events/nope"),
        ("GET", "/api/v1/events/nope/live"),
        ("DELETE", "/api/v1/events/nope"),
    ] {
        let unknown = server.send(Request::new(method, path).bearer(KEY));
        assert_eq!((unknown.status, unknown.code()), (404, Some(ProblemCode::UnknownEvent)));
    }
    let nobody = "/api/v1/orders/01939b8e-0000-7000-8000-000000000000";
    for (method, path) in [
        ("GET", "/api/v1/orders/x".to_owned()),
        ("GET", nobody.to_owned()),
        ("POST", format!("{nobody}/cancel")),
        ("POST", format!("{nobody}/refunds")),
    ] {
        let request = Request::new(method, &path).bearer(KEY);
        let request = if path.ends_with("refunds") {
            request.json(&json!({"all": true, "restock": true}))
        } else {
            request
        };
        let unknown = server.send(request);
        assert_eq!(
            (unknown.status, unknown.code()),
            (404, Some(ProblemCode::UnknownOrder)),
            "{path}: {unknown:?}"
        );
        assert!(unknown.text().contains("No order has this id"), "{path}: {unknown:?}");
    }
    for path in ["/healthz?x=1", "/readyz?x=1", "/metrics?x=1"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    for fine in ["", "?", "?after=", "?after=&limit=500", "?limit=1"] {
        let answer = orders(fine);
        assert_eq!(answer.json()["orders"].as_array().map(Vec::len), Some(1), "{fine}: {answer:?}");
    }
    let of_order = format!("/api/v1/orders/{}", text(&order, "id"));
    let wrong = [
        (orders("?buyer=nobody@example.org"), "buyer"),
        (orders("?state=payed"), "state"),
        (orders("?limit=0"), "limit"),
        (orders("?limit=501"), "limit"),
        (orders("?limit=x"), "limit"),
        (orders("?limit=1&limit=2"), "limit"),
        (orders("?after=x"), "after"),
        (server.get("/api/v1/events?q=rock"), "q"),
        (server.get("/api/v1/events?over=yes"), "over"),
        (server.get("/api/v1/events/rock?limit=1"), "limit"),
        (server.send(Request::get(&(of_order + "?x=1")).bearer(&text(&order, "secret"))), "x"),
    ];
    for (answer, name) in wrong {
        assert_eq!((answer.status, answer.code()), (400, Some(ProblemCode::Invalid)), "{answer:?}");
        assert!(answer.text().contains(name), "{name}: {answer:?}");
    }
    assert_eq!(server.get("/events/rock?utm_source=mail&fbclid=x").status, 200, "a shared link");
}

#[test]
fn a_wrong_key_is_told_from_a_missing_one_and_nothing_is_paid_without_a_token() {
    let dir = Dir::new("wrong-key");
    let server = Server::start(&dir);
    let free = json!({"ticket_types": [{"id": "adult", "name": "Adult", "pool": "floor",
                                        "price": {"amount": 0, "currency": "GBP"}}]});
    assert_eq!(put(&server, "rock", &free).status, 201);
    let list = "/api/v1/events/rock/orders";
    let missing = server.get(list);
    let wrong = server.send(Request::get(list).bearer("wrong"));
    assert_eq!((missing.status, wrong.status), (401, 401));
    assert_eq!(wrong.code(), Some(ProblemCode::Unauthorized));
    assert!(wrong.text().contains("is wrong") && !missing.text().contains("is wrong"));
    for body in [Some(json!({})), None, Some(json!({"token": ""}))] {
        let order = server.send(hold("ann", 1)).json();
        let pay = format!("/api/v1/orders/{}/pay", text(&order, "id"));
        let pay = Request::new("POST", &pay).bearer(&text(&order, "secret"));
        let paid = server.send(match &body {
            Some(body) => pay.json(body),
            None => pay,
        });
        assert_eq!(
            (paid.status, &paid.json()["state"]),
            (200, &json!("paid")),
            "{body:?}: {paid:?}"
        );
    }
    // Where something is to be paid, a token is missed.
    server.make_event(10, 300);
    let order = server.send(hold("bob", 1)).json();
    let pay = Request::new("POST", &format!("/api/v1/orders/{}/pay", text(&order, "id")));
    let refused = server.send(pay.bearer(&text(&order, "secret")).json(&json!({})));
    assert_eq!((refused.status, refused.code()), (400, Some(ProblemCode::Invalid)), "{refused:?}");
}

/// What a client that knows an event by halves leaves out stays as it is: codes, questions and the rest.
#[test]
fn a_put_keeps_what_its_body_does_not_say() {
    let dir = Dir::new("put-keeps");
    let server = Server::start(&dir);
    let types = json!([{"id": "adult", "name": "Adult", "pool": "floor", "capacity": 7,
                        "vat_percent": "19", "hidden": true,
                        "price": {"amount": 2500, "currency": "GBP"}}]);
    let all = json!({
        "codes": [{"code": "FRIENDS", "uses": 5, "opens": ["adult"]}],
        "questions": [{"id": "diet", "text": "What do you eat?", "kind": "text"}],
        "description": "Loud.", "hidden": true, "contact": "ask@example.org", "attach_pdf": true,
        "keep_buyers_days": 30, "ticket_types": types,
    });
    let made = put(&server, "rock", &all);
    assert_eq!(made.status, 201, "{made:?}");
    let told = || {
        let event = server.send(Request::get("/api/v1/events/rock").bearer(KEY)).json();
        [
            "codes",
            "questions",
            "description",
            "hidden",
            "contact",
            "attach_pdf",
            "keep_buyers_days",
            "ticket_types",
        ]
        .map(|name| event[name].clone())
    };
    let before = told();
    assert_eq!(before[0][0]["code"], "FRIENDS");
    // Nothing of it is said, or null is, which says nothing.
    for changes in [
        json!({"name": "Rock II"}),
        json!({"codes": null, "questions": null, "description": null, "hidden": null, "contact": null,
               "attach_pdf": null}),
    ] {
        let changed = put(&server, "rock", &changes);
        assert_eq!(changed.status, 200, "{changed:?}");
        assert_eq!(told(), before);
    }
    // The same with a condition, and from a file.
    let tag = server
        .send(Request::get("/api/v1/events/rock").bearer(KEY))
        .header("etag")
        .unwrap()
        .to_owned();
    let event = event_json(10, 300);
    let seen = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    let seen = server.send(seen.header("If-Match", &tag));
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(told(), before);
    // An empty list is said, and so is false.
    let changed = put(&server, "rock", &json!({"codes": [], "questions": [], "hidden": false}));
    assert_eq!(changed.status, 200, "{changed:?}");
    let now = told();
    assert_eq!((&now[0], &now[1], &now[3]), (&Value::Null, &Value::Null, &json!(false)));
    assert_eq!((&now[2], &now[6]), (&before[2], &before[6]));
    // One rule says all: what is left out of the others has its default.
    let types = json!([{"id": "adult", "name": "Adult", "pool": "floor", "hidden": false,
                        "price": {"amount": 2500, "currency": "GBP"}}]);
    let changed = put(&server, "rock", &json!({"ticket_types": types, "keep_buyers_days": null}));
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(told()[6], Value::Null);
    let adult = &told()[7][0];
    assert!(adult.get("capacity").is_none() && adult.get("vat_percent").is_none(), "{adult}");
}

/// What is kept is decided with the change: of several who change an event by halves at the same time nobody
/// takes back what another was told is done.
#[test]
fn puts_at_the_same_time_lose_nothing_of_each_other() {
    let dir = Dir::new("put-races");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..3)
            .map(|n| {
                let server = &server;
                scope.spawn(move || {
                    for round in 0..40 {
                        let name = format!("Rock {n} {round}");
                        assert_eq!(put(server, "rock", &json!({"name": name})).status, 200);
                    }
                })
            })
            .collect();
        let mut round = 0;
        while others.iter().any(|other| !other.is_finished()) {
            round += 1;
            let codes =
                json!({"codes": [{"code": format!("N{round}"), "uses": 5, "percent_off": 10}]});
            assert_eq!(put(&server, "rock", &codes).status, 200);
            let event = server.send(Request::get("/api/v1/events/rock").bearer(KEY)).json();
            assert_eq!(event["codes"][0]["code"], format!("N{round}"));
        }
        assert!(round > 3, "{round}");
    });
}
