//! Bad input: each gets a clear answer, and the server goes on unharmed.

use crate::harness::*;
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn direction_marks_that_a_keyboard_inserts_are_left_out_of_a_name() {
    let dir = Dir::new("marks");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let held = server.send(hold("ann", 1).json(&json!({
        "buyer": {"name": "\u{200f}\u{5d0}\u{5e0}\u{5d4}\u{200e}", "email": "ann@example.org"},
        "lines": [{"ticket_type": "adult", "quantity": 1}],
    })));
    assert_eq!(held.status, 201, "{held:?}");
    assert_eq!(server.orders()[0]["buyer"]["name"], "\u{5d0}\u{5e0}\u{5d4}");
    let name_alone = hold("ann", 1).json(&json!({
        "buyer": {"name": "\u{200f}", "email": "ann@example.org"},
        "lines": [{"ticket_type": "adult", "quantity": 1}],
    }));
    assert_eq!(server.send(name_alone).status, 400, "nothing is left of it");
}

#[test]
fn every_bad_request_gets_a_clear_no_and_changes_nothing() {
    let dir = Dir::new("bad");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let order = |name: &str, email: &str, quantity: Value| {
        Request::new("POST", "/api/v1/events/rock/orders").json(&json!({
            "buyer": {"name": name, "email": email},
            "lines": [{"ticket_type": "adult", "quantity": quantity}],
        }))
    };
    let of = |quantity: Value| order("Ann", "ann@example.org", quantity);
    let long = "x".repeat(10_000);
    let raw = |kind: &str, body: &[u8]| {
        Request::new("POST", "/api/v1/events/rock/orders")
            .header("content-type", kind)
            .body(body.to_vec())
    };
    let unknown_event = Request::new("POST", "/api/v1/events/jazz/orders");
    let deep = "[".repeat(10_000);
    for (what, request, status, code) in [
        ("unknown event", unknown_event.json(&json!({})), 404, ProblemCode::UnknownEvent),
        ("quantity 0", of(json!(0)), 400, ProblemCode::Invalid),
        ("quantity -1", of(json!(-1)), 400, ProblemCode::Invalid),
        ("quantity 10^9", of(json!(1_000_000_000)), 409, ProblemCode::LimitReached),
        ("quantity 10^30", of(json!(1e30)), 400, ProblemCode::Invalid),
        ("quantity 1.5", of(json!(1.5)), 400, ProblemCode::Invalid),
        ("quantity as text", of(json!("2")), 400, ProblemCode::Invalid),
        ("a name of 10 kB", order(&long, "ann@example.org", json!(1)), 400, ProblemCode::Invalid),
        ("no name", order("  ", "ann@example.org", json!(1)), 400, ProblemCode::Invalid),
        ("a name with a line break", order("a\nb", "a@b", json!(1)), 400, ProblemCode::Invalid),
        ("no e-mail address", order("Ann", "", json!(1)), 400, ProblemCode::Invalid),
        (
            "a name that reads backwards",
            order("\u{202e}nnA", "a@b", json!(1)),
            400,
            ProblemCode::Invalid,
        ),
        ("two e-mail addresses", order("Ann", "a@b,c@d", json!(1)), 400, ProblemCode::Invalid),
        (
            "an e-mail address that is none",
            order("Ann", "ann", json!(1)),
            400,
            ProblemCode::Invalid,
        ),
        ("broken JSON", raw("application/json", b"{\"buyer\":"), 400, ProblemCode::Invalid),
        ("deep JSON", raw("application/json", deep.as_bytes()), 400, ProblemCode::Invalid),
        ("no UTF-8", raw("application/json", b"\xff\xfe"), 400, ProblemCode::Invalid),
        ("an empty body", raw("application/json", b""), 400, ProblemCode::Invalid),
        ("another content type", raw("text/plain", b"{}"), 415, ProblemCode::WrongType),
        (
            "a key that can be guessed",
            of(json!(1)).key("order-of-ann-15"),
            400,
            ProblemCode::Invalid,
        ),
        (
            "two keys",
            of(json!(1)).key("a-key-of-sixteen-1").key("a-key-of-sixteen-2"),
            400,
            ProblemCode::Invalid,
        ),
        (
            "the same key twice",
            of(json!(1)).key("a-key-of-sixteen-1").key("a-key-of-sixteen-1"),
            400,
            ProblemCode::Invalid,
        ),
        ("a key that is too long", of(json!(1)).key(&"k".repeat(256)), 400, ProblemCode::Invalid),
        ("a place that is none", Request::get("/api/v1/nowhere"), 404, ProblemCode::NotFound),
        (
            "a method that is none",
            Request::new("DELETE", "/api/v1/events"),
            405,
            ProblemCode::WrongMethod,
        ),
        (
            "an address that is no text",
            Request::get("/api/v1/events/%ff"),
            400,
            ProblemCode::Invalid,
        ),
        (
            "no order id",
            Request::get("/api/v1/orders/1").bearer("x"),
            404,
            ProblemCode::UnknownOrder,
        ),
        ("17 kB", raw("application/json", &vec![b' '; 17_000]), 413, ProblemCode::TooLarge),
        ("100 MB", raw("application/json", &vec![b' '; 100_000_000]), 413, ProblemCode::TooLarge),
    ] {
        let answer = server.send(request);
        assert_eq!((answer.status, answer.code()), (status, Some(code)), "{what}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
        let problem = answer.json();
        assert_eq!(problem["money_moved"], "no", "{what}");
        assert_eq!(problem["type"], format!("/problems/{code}"), "{what}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.len() > 10 && detail.len() < 400, "{what}: {detail}");
    }
    assert_eq!(server.counts(), (0, 0, 10), "nothing of it held a place");
    let emoji = "🎟️".repeat(50);
    let fine = server.send(order(&emoji, "ann@example.org", json!(1)));
    assert_eq!(fine.status, 201, "emoji are a name like any other: {fine:?}");
    assert_eq!(server.send(look(&fine.json())).json()["buyer"]["name"], emoji.as_str());
}

#[test]
fn names_and_addresses_are_judged_alike_on_every_way_in() {
    let dir = Dir::new("texts");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    for (name, email, reason) in [
        ("Ann", "ann@example.org,bob@example.org", "more than one @"),
        ("Ann", "ann@@example.org", "more than one @"),
        ("Ann", "<ann@example.org>", "“&#60;”"),
        ("Ann", "an\u{200b}n@example.org", "an invisible character"),
        ("An\u{200b}n", "ann@example.org", "an invisible character"),
        ("\u{202e}nnA", "ann@example.org", "an invisible character"),
    ] {
        let by_api = server.send(hold("x", 1).json(&json!({
            "buyer": {"name": name, "email": email},
            "lines": [{"ticket_type": "adult", "quantity": 1}],
        })));
        assert_eq!((by_api.status, by_api.code()), (400, Some(ProblemCode::Invalid)), "{by_api:?}");
        let detail = by_api.json()["detail"].as_str().unwrap().replace('<', "&#60;");
        assert!(detail.contains(reason), "{detail}");
        let fields = [("name", name), ("email", email), ("quantity:adult", "1")];
        let by_page = server.send(Request::form("/events/rock/orders", &fields));
        assert_eq!(by_page.status, 400);
        assert!(by_page.text().contains(&detail), "{detail} in {}", by_page.text());
        if name != "Ann" {
            let old = server.send(Request::form("/nts/v1/reserve", &[("fullname", name)]));
            assert!(old.status == 400 && old.text().contains(&detail), "{old:?}");
        }
    }
    assert_eq!(server.counts(), (0, 0, 10), "nothing of it held a place");
    for email in
        ["ann+x@example.org", "o'brien@example.org", "jürgen@example.org", "ann@müller.example"]
    {
        let fields = [("name", "Ann"), ("email", email), ("quantity:adult", "1")];
        assert_eq!(
            server.send(Request::form("/events/rock/orders", &fields)).status,
            303,
            "{email}"
        );
    }
}

#[test]
fn broken_forms_get_a_page_that_says_what_to_do() {
    let dir = Dir::new("forms");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let fields = [("name", "Ann"), ("email", "ann@example.org"), ("key", "k")];
    let form = |more: &[(&str, &str)]| {
        let all: Vec<(&str, &str)> = fields.iter().chain(more).copied().collect();
        Request::form("/events/rock/orders", &all)
    };
    let broken = Request::new("POST", "/events/rock/orders")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(b"%%%&&&=%zz&\xff=\xfe".to_vec());
    for (what, request, status) in [
        ("nothing chosen", form(&[("quantity:adult", "")]), 400),
        ("no number", form(&[("quantity:adult", "two")]), 400),
        ("less than nothing", form(&[("quantity:adult", "-1")]), 400),
        ("too many", form(&[("quantity:adult", "1000000000")]), 409),
        ("more than a number holds", form(&[("quantity:adult", "99999999999999999999")]), 400),
        ("no such ticket", form(&[("quantity:vip", "1")]), 404),
        ("a broken form", broken, 400),
        ("JSON instead", hold("x", 1).header("x", "y").to("/events/rock/orders"), 415),
        ("no such event", Request::get("/events/jazz"), 404),
        ("no such page", Request::get("/nowhere"), 404),
    ] {
        let answer = server.send(request);
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        let page = answer.text();
        assert!(page.contains("<h1>") && !page.contains("No money was moved"), "{what}: {page}");
    }
    assert_eq!(server.counts(), (0, 0, 10));

    // A double click on the form is one order; so is a reload of what was sent.
    let twice = form(&[("quantity:adult", "2")]);
    let (one, two) = (server.send(twice.clone()), server.send(twice));
    assert_eq!((one.status, two.status), (303, 303));
    assert_eq!(one.header("location"), two.header("location"));
    assert_eq!(server.counts(), (2, 0, 8));

    // A name is shown, never run.
    let nasty = "<script>alert(1)</script>";
    let held = server.send(Request::form(
        "/events/rock/orders",
        &[("name", nasty), ("email", "a@b"), ("quantity:adult", "1")],
    ));
    let (home, cookie) = (held.header("location").unwrap().to_owned(), way_back(&held));
    let goes = server.send(Request::get(&home).header("cookie", &cookie));
    let path = goes.header("location").unwrap().to_owned();
    server.send(Request::form(&path, &[("token", "ctoken_ok")]));
    let led = server.send(Request::get(&path).header("cookie", &cookie));
    let page = server.get(led.header("location").unwrap()).text();
    assert!(page.contains("&#60;script&#62;") && !page.contains(nasty), "{page}");
}

#[test]
fn an_order_is_seen_and_paid_with_its_own_secret_only() {
    let dir = Dir::new("secret");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let (mine, yours) = (server.send(hold("ann", 1)).json(), server.send(hold("bob", 1)).json());
    let mixed = json!({"id": mine["id"], "secret": yours["secret"]});
    assert_eq!(server.send(look(&mixed)).status, 404);
    assert_eq!(server.send(pay(&mixed, "ctoken_ok")).status, 404);
    assert_eq!(server.get(&page_of(&mixed)).status, 404);
    let path = format!("{}/cancel", page_of(&mixed));
    assert_eq!(server.send(Request::form(&path, &[])).status, 404);
    let nobody = Request::get(&format!("/api/v1/orders/{}", text(&mine, "id")));
    assert_eq!(server.send(nobody).status, 401);
    assert_eq!(server.counts(), (2, 0, 8));
    let log = std::fs::read_to_string(dir.path("log")).unwrap();
    assert!(!log.contains(&text(&mine, "secret")), "secrets are not logged");
}

#[test]
fn slow_clients_are_let_go_and_nobody_else_notices() {
    let dir = Dir::new("slow");
    let settings = [
        ("NTS_SLOW_CLIENT_MS", "3000"),
        ("NTS_CONNECTIONS", "40"),
        ("NTS_QUEUE_TIMEOUT_MS", "300"),
    ];
    let server = Server::start_with(&dir, &settings);
    server.make_event(10, 300);
    let connect = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(bytes).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    };
    let head = b"POST /api/v1/events/rock/orders HTTP/1.1\r\nhost: x\r\n\
                 content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let mut slow: Vec<TcpStream> = (0..40).map(|_| connect(head)).collect();
    // Every slot is in use, and a body may take a second: one more is told so soon instead of being
    // kept waiting.
    let turned_away = server.get("/healthz");
    assert_eq!((turned_away.status, turned_away.header("retry-after")), (503, Some("1")));
    for stream in &mut slow {
        stream.set_nonblocking(true).unwrap();
        let waits = stream.peek(&mut [0]).map_err(|error| error.kind());
        assert_eq!(waits, Err(ErrorKind::WouldBlock), "not only when slots came free");
        stream.set_nonblocking(false).unwrap();
    }
    for stream in &mut slow {
        let mut answer = Vec::new();
        _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains(" 408 ") || answer.contains(" 503 "), "{answer}");
    }
    assert_eq!(server.send(hold("ann", 1)).status, 201);
}

/// Asks on a connection that stays open, and reads the head and the length of the answer.
fn ask_on(stream: &mut TcpStream, path: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        answer.extend(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        let end = text.find("\r\n\r\n").map(|end| end + 4);
        let length = text.split("content-length: ").nth(1).and_then(|t| t.lines().next());
        let length = length.map_or(0, |n| n.parse::<usize>().unwrap());
        if read == 0 || end.is_some_and(|end| answer.len() >= end + length) {
            return text;
        }
    }
}

#[test]
fn who_asks_nothing_makes_room_the_longest_idle_first() {
    let dir = Dir::new("room");
    let settings = [("NTS_CONNECTIONS", "4"), ("NTS_SLOW_CLIENT_MS", "60000")];
    let server = Server::start_with(&dir, &settings);
    let connect = || {
        let stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    };
    let mut kept: Vec<TcpStream> = (0..4).map(|_| connect()).collect();
    for n in [2, 0, 3, 1] {
        assert!(ask_on(&mut kept[n], "/healthz").starts_with("http/1.1 200"));
    }
    // Nobody's patience ends before these stop to wait.
    let mut two_more = [connect(), connect()];
    for stream in &mut two_more {
        assert!(ask_on(stream, "/healthz").starts_with("http/1.1 200"));
    }
    for n in [2, 0] {
        assert_eq!(kept[n].read(&mut [0; 64]).unwrap(), 0, "idle longest");
    }
    for n in [3, 1] {
        assert!(ask_on(&mut kept[n], "/healthz").starts_with("http/1.1 200"), "still there");
    }
}

#[test]
fn who_listens_leaves_half_of_the_places_to_those_who_buy() {
    let dir = Dir::new("listen");
    let server = Server::start_with(&dir, &[("NTS_CONNECTIONS", "4")]);
    server.make_event(10, 300);
    let mut all = Vec::new();
    for n in 0..6 {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let answer = ask_on(&mut stream, "/api/v1/events/rock/live");
        if n < 2 {
            assert!(answer.starts_with("http/1.1 200"), "{answer}");
        } else {
            assert!(answer.starts_with("http/1.1 503"), "{answer}");
            assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
        }
        all.push(stream);
    }
    assert_eq!(server.send(hold("ann", 1)).status, 201);
}

#[test]
fn what_was_sent_is_repeated_in_short_only() {
    let dir = Dir::new("echo");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let long = "x".repeat(200_000);
    let json = |body: String| {
        Request::new("POST", "/api/v1/events/rock/orders")
            .header("content-type", "application/json")
            .body(body.into_bytes())
    };
    let line = |id: &str| {
        json!({"buyer": {"name": "A", "email": "a@example.org"}, "lines": [{"ticket_type": id, "quantity": 1}]}).to_string()
    };
    let form = |fields: &[(&str, &str)]| Request::form("/events/rock/orders", fields);
    let put = json!({long.as_str(): 1}).to_string();
    for (what, request) in [
        ("a field's name", json(format!("{{\"{long}\":1}}"))),
        (
            "a field's name of many bytes a letter",
            json(format!("{{\"{}\":1}}", "é".repeat(90_000))),
        ),
        ("a value of another kind", json(format!("{{\"buyer\":\"{long}\"}}"))),
        ("a ticket type", json(line(&long))),
        ("a field of a form", form(&[(&long, "1")])),
        (
            "a quantity",
            form(&[("name", "A"), ("email", "a@example.org"), ("quantity_adult", &long)]),
        ),
        (
            "a slug",
            Request::new("PUT", &format!("/api/v1/events/{}", &long[..12_000]))
                .bearer(KEY)
                .json(&event_json(1, 300)),
        ),
        (
            "an event",
            Request::new("PUT", "/api/v1/events/folk")
                .bearer(KEY)
                .header("content-type", "application/json")
                .body(put.into_bytes()),
        ),
        (
            "a query",
            Request::get(&format!("/api/v1/events/rock/orders?limit={}", &long[..12_000]))
                .bearer(KEY),
        ),
    ] {
        let answer = server.send(request);
        assert!((400..500).contains(&answer.status), "{what}: {}", answer.status);
        assert!(answer.body.len() < 6_000, "{what}: {} bytes", answer.body.len());
    }
    let named = server.send(json("{\"buyr\":1}".into()));
    assert!(named.text().contains("buyr") && named.text().contains("line 1"), "{}", named.text());
    let log = std::fs::metadata(dir.path("log")).unwrap().len();
    assert!(log < 20_000, "{log} bytes of log");
}

#[test]
fn a_path_that_is_no_text_is_a_problem_like_others() {
    let dir = Dir::new("path");
    let server = Server::start(&dir);
    for path in ["/api/v1/events/%ff", "/api/v1/orders/%c3%28", "/api/%ff"] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.code()), (400, Some(ProblemCode::Invalid)), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let page = server.get("/events/%ff");
    assert_eq!((page.status, page.header("content-type")), (400, Some("text/html; charset=utf-8")));
    assert_eq!(server.get("/api/v1/events/%C3%A9").status, 404, "it is text, and no event");
}

#[test]
fn browsers_are_told_to_keep_to_https_where_buyers_come_by_it() {
    let dir = Dir::new("https");
    let server = Server::start(&dir);
    let page = server.get("/");
    assert_eq!(page.header("strict-transport-security"), None);
    assert_eq!(page.header("cross-origin-resource-policy"), Some("same-origin"));
    let address = server.address.clone();
    server.stop();
    let settings = [("NTS_ADDRESS", address.as_str()), ("NTS_PUBLIC_URL", "https://box.example")];
    let mut child = nts(&dir).envs(settings).spawn().unwrap();
    let ask = Request::get("/");
    eventually("it serves", || ask.clone().send(&address).is_ok());
    let page = ask.send(&address).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(page.header("strict-transport-security"), Some("max-age=31536000"));
}

#[test]
fn the_type_of_a_problem_leads_to_a_page_that_tells_what_it_means() {
    let dir = Dir::new("problems");
    let server = Server::start(&dir);
    for code in ProblemCode::ALL {
        let page = server.get(&format!("/problems/{code}"));
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{code}"
        );
        let title = code.title().replace('\'', "&#39;");
        assert!(page.text().contains(&format!("<h1>{title}</h1>")), "{code}");
        let text = page.text();
        let (main, _) = text.split_once("<footer>").expect("a footer");
        assert_eq!(main.matches("<li>").count(), ProblemCode::ALL.len(), "{code}");
    }
    assert_eq!(server.get("/problems/running").status, 404);
}
