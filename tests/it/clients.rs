//! Limits per client and per e-mail address: what a script hears, and that others do not notice it.
//! A proxy on this machine is trusted, so that each test speaks for many clients.

use crate::harness::*;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SCRIPT: &str = "203.0.113.7";

fn server(dir: &Dir, settings: &[(&str, &str)]) -> Server {
    let mut all = vec![("NTS_TRUSTED_PROXIES", "127.0.0.1")];
    all.extend(settings);
    Server::start_with(dir, &all)
}

fn assert_limited(answer: &Answer, about: &str) {
    assert_eq!(
        (answer.status, answer.code()),
        (429, Some(ProblemCode::TooManyRequests)),
        "{answer:?}"
    );
    let problem = answer.json();
    assert!(problem["title"].as_str().unwrap().contains(about), "{problem}");
    assert_eq!(problem["money_moved"], "no");
    let again: u32 = answer.header("retry-after").expect("when to try again").parse().unwrap();
    assert!((1..=3600).contains(&again), "{answer:?}");
}

/// How often requests were refused for this reason.
fn limited(server: &Server, reason: &str) -> u64 {
    let line = format!("nts_limited_total{{reason=\"{reason}\"}} ");
    let metrics = server.get("/metrics").text();
    metrics.lines().find_map(|l| l.strip_prefix(&line)).map_or(0, |n| n.parse().unwrap())
}

/// Holds as this client until it is refused. Gives the orders.
fn take_all(server: &Server, client: &str, each: i64) -> (Vec<Value>, Answer) {
    let mut held = Vec::new();
    for n in 0..200 {
        let answer = server.send(hold(&format!("script-{client}-{n}"), each).forwarded_for(client));
        match answer.status {
            201 => held.push(answer.json()),
            _ => return (held, answer),
        }
    }
    panic!("nobody stops it")
}

#[test]
fn a_script_keeps_one_twentieth_of_the_places_and_others_buy() {
    let dir = Dir::new("clients-share");
    let server = server(&dir, &[]);
    server.make_event(1_000, 300);
    let (held, refused) = take_all(&server, SCRIPT, 10);
    assert_eq!(server.counts().0, 50, "5 % of the pool");
    assert_limited(&refused, "network holds too many unpaid places");
    assert!(refused.json()["detail"].as_str().unwrap().contains("At most 50 places"));
    assert_eq!(limited(&server, "places"), 1);
    // A smaller wish does not fit either, and the page says the same.
    let refused = server.send(hold("one-more", 1).forwarded_for(SCRIPT));
    assert_limited(&refused, "unpaid places");
    // Its holds last for minutes, but it may pay or give back one at any moment.
    let again: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((5..=10).contains(&again), "{again}");
    let fields = [("name", "Eve"), ("email", "eve@example.org"), ("quantity:adult", "1")];
    let form = Request::form("/events/rock/orders", &fields);
    let page = server.send(form.clone().forwarded_for(SCRIPT));
    assert_eq!(page.status, 429, "{page:?}");
    assert!(page.text().contains("share it") && page.text().contains("value=\"eve@example.org\""));
    assert!(
        page.header("retry-after").is_some()
            && page.header("content-type").unwrap().contains("html")
    );
    // Others are not concerned, and nobody becomes another client by writing the header itself.
    assert_eq!(server.send(form.forwarded_for("198.51.100.1")).status, 303);
    assert_eq!(server.send(hold("bob", 10).forwarded_for("198.51.100.2")).status, 201);
    assert_limited(
        &server.send(hold("eve", 1).forwarded_for("198.51.100.3, 203.0.113.7")),
        "unpaid places",
    );
    // What is paid or given back is no longer unpaid.
    assert_eq!(
        server.send(pay(&held[0], "ctoken_ok").forwarded_for(SCRIPT)).json()["state"],
        "paid"
    );
    let cancel = format!("/api/v1/orders/{}/cancel", text(&held[1], "id"));
    let cancel = Request::new("POST", &cancel).bearer(&text(&held[1], "secret")).json(&json!({}));
    assert_eq!(server.send(cancel.forwarded_for(SCRIPT)).status, 200);
    let (more, _) = take_all(&server, SCRIPT, 5);
    assert_eq!(more.len(), 4);
    // An attempt that is declined leaves the places unpaid.
    assert_eq!(server.send(pay(&more[0], "ctoken_declined").forwarded_for(SCRIPT)).status, 402);
    assert_limited(&server.send(hold("again", 1).forwarded_for(SCRIPT)), "unpaid places");
    // From this machine itself there is no limit, as the start says.
    for n in 0..6 {
        assert_eq!(server.send(hold(&format!("here-{n}"), 10)).status, 201);
    }
}

#[test]
fn no_byte_that_a_client_writes_frees_it_from_limits() {
    let dir = Dir::new("clients-bytes");
    let server = server(&dir, &[("NTS_CLIENT_HOLDS", "3")]);
    server.make_event(100, 300);
    let status = |forwarded_for: &[u8]| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let body = r#"{"buyer":{"name":"Eve","email":"eve@example.org"},"lines":[{"ticket_type":"adult","quantity":1}]}"#;
        let head = format!(
            "POST /api/v1/events/rock/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nX-Forwarded-For: ",
            body.len()
        );
        let all = [head.as_bytes(), forwarded_for, b"\r\n\r\n", body.as_bytes()].concat();
        stream.write_all(&all).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        String::from_utf8_lossy(&status[9..]).parse::<u16>().unwrap()
    };
    // The proxy appends the client's address to the line that the client sent.
    for _ in 0..3 {
        assert_eq!(status(b"203.0.113.7"), 201);
    }
    let written: [&[u8]; 6] =
        [b"\xe9", b"\xff\xfe, 192.0.2.1", b"\xc3", b"", b"unknown", b"127.0.0.1"];
    for own in written {
        assert_eq!(status(&[own, b", 203.0.113.7"].concat()), 429, "{own:?}");
    }
    // What ends with no address counts for the proxy, together.
    let garbage: [&[u8]; 6] = [b"\xe9", b"x", b"", b"198.51.100.1,", b"198.51.100.1, \xe9", b","];
    let told: Vec<u16> = garbage.iter().map(|own| status(own)).collect();
    assert_eq!(told, [201, 201, 201, 429, 429, 429]);
    assert_eq!(status(b"\xe9, 198.51.100.1"), 201, "another client");
}

#[test]
fn holds_that_run_out_make_room_again() {
    let dir = Dir::new("clients-expiry");
    let server = server(&dir, &[("NTS_LEAST_HOLD_MS", "0")]);
    server.make_event(200, 2);
    let (held, refused) = take_all(&server, SCRIPT, 1);
    assert_eq!(held.len(), 10, "one full order at least");
    let again: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(again <= 5, "told when the first of its holds ends: {again}");
    eventually("the holds run out", || server.counts().0 == 0);
    assert_eq!(take_all(&server, SCRIPT, 1).0.len(), 10);
}

#[test]
fn a_school_class_buys_at_one_address() {
    let dir = Dir::new("clients-class");
    let server = server(&dir, &[]);
    server.make_event(1_000, 300);
    let school = "198.51.100.77";
    let mut orders = Vec::new();
    for pupil in 0..30 {
        let name = format!("pupil-{pupil}");
        let held = server.send(hold(&name, 1 + pupil % 2).forwarded_for(school));
        assert_eq!(held.status, 201, "{pupil}: {held:?}");
        orders.push(held.json());
    }
    for order in &orders {
        assert_eq!(server.send(look(order).forwarded_for(school)).status, 200);
        let paid = server.send(pay(order, "ctoken_ok").forwarded_for(school));
        assert_eq!(paid.json()["state"], "paid", "{paid:?}");
    }
    assert_eq!(server.counts(), (0, 45, 955));
}

#[test]
fn a_tiny_pool_is_sold_to_one_client() {
    let dir = Dir::new("clients-tiny");
    let server = server(&dir, &[]);
    server.make_event(3, 300);
    assert_eq!(server.send(hold("ann", 3).forwarded_for(SCRIPT)).status, 201);
    assert_eq!(
        server.send(hold("bob", 1).forwarded_for(SCRIPT)).code(),
        Some(ProblemCode::SoldOut)
    );
}

#[test]
fn a_request_counts_once_however_often_it_is_sent_and_a_refused_one_not_at_all() {
    let dir = Dir::new("clients-once");
    let server = server(&dir, &[]);
    server.make_event(1_000, 300);
    // The same key again and again: one order.
    let key = |n: u32| format!("a-key-of-sixteen-{n}");
    let first = server.send(hold("ann", 10).key(&key(1)).forwarded_for(SCRIPT));
    for _ in 0..10 {
        assert_eq!(
            server.send(hold("ann", 10).key(&key(1)).forwarded_for(SCRIPT)).body,
            first.body
        );
    }
    // What the box office refuses is not held: too many, an unknown ticket, nobody's name.
    for n in 0..10 {
        assert_eq!(
            server.send(hold("ann", 11).forwarded_for(SCRIPT)).code(),
            Some(ProblemCode::LimitReached)
        );
        assert_eq!(server.send(hold("", 9).forwarded_for(SCRIPT)).status, 400, "{n}");
    }
    for n in 2..=5 {
        assert_eq!(
            server.send(hold(&format!("b{n}"), 10).key(&key(n)).forwarded_for(SCRIPT)).status,
            201
        );
    }
    assert_eq!(server.counts().0, 50);
    assert_limited(&server.send(hold("c", 1).key(&key(6)).forwarded_for(SCRIPT)), "unpaid places");
    // Who asks again what was answered gets that answer, also when the budget is used up.
    assert_eq!(server.send(hold("ann", 10).key(&key(1)).forwarded_for(SCRIPT)).body, first.body);
    assert_eq!(server.counts().0, 50);
}

#[test]
fn an_email_address_has_a_budget_for_each_client() {
    let dir = Dir::new("clients-email");
    let server = server(&dir, &[]);
    server.make_event(1_000, 300);
    for _ in 0..2 {
        assert_eq!(server.send(hold("ann", 10).forwarded_for(SCRIPT)).status, 201);
    }
    let refused = server.send(hold("ANN", 1).forwarded_for(SCRIPT));
    assert_limited(&refused, "This e-mail address holds too many unpaid places");
    assert_eq!(limited(&server, "email_places"), 1);
    assert_eq!(server.send(hold("bob", 1).forwarded_for(SCRIPT)).status, 201);
}

#[test]
fn who_uses_the_email_address_of_somebody_else_keeps_that_person_from_nothing() {
    let dir = Dir::new("clients-stranger");
    let server = server(&dir, &[("NTS_EMAIL_DECLINES", "2"), ("NTS_CLIENT_DECLINES", "0")]);
    server.make_event(1_000, 4);
    let home = "198.51.100.1";
    // Strangers at several places hold what they can under her address, and do not pay.
    let mut strange = Vec::new();
    for n in 0..4 {
        for _ in 0..2 {
            let held = server.send(hold("ann", 10).forwarded_for(&format!("203.0.113.{n}")));
            assert_eq!(held.status, 201, "{held:?}");
            strange.push(held.json());
        }
    }
    let own = server.send(hold("ann", 10).forwarded_for(home));
    assert_eq!(own.status, 201, "{own:?}");
    let released = |order: &Value| server.send(look(order)).json()["state"] == "released";
    eventually("all run out", || strange.iter().all(released) && released(&own.json()));
    // What ran out under her address elsewhere does not shorten what she holds; her own does.
    let elsewhere = server.send(hold("ann", 1).forwarded_for("198.51.100.2")).json();
    assert!((lasts(&server, &elsewhere) - 4.0).abs() < 0.01, "{}", lasts(&server, &elsewhere));

    server.make_event(1_000, 300);
    let strange: Vec<Value> =
        (0..3).map(|_| server.send(hold("ann", 1).forwarded_for(SCRIPT)).json()).collect();
    for order in &strange[..2] {
        assert_eq!(server.send(pay(order, "ctoken_declined").forwarded_for(SCRIPT)).status, 402);
    }
    let again = server.send(pay(&strange[0], "ctoken_ok").forwarded_for(SCRIPT));
    assert_limited(&again, "payments of this buyer were declined");
    assert_eq!(limited(&server, "email_declines"), 1);
    let own = server.send(hold("ann", 10).forwarded_for(home)).json();
    let paid = server.send(pay(&own, "ctoken_ok").forwarded_for(home));
    assert_eq!(paid.json()["state"], "paid", "{paid:?}");
}

/// How many seconds a hold lasts.
fn lasts(server: &Server, order: &Value) -> f64 {
    let time = |text: &str| {
        let clock = &text[text.find('T').unwrap() + 1..text.find('Z').unwrap()];
        let parts: Vec<f64> = clock.split(':').map(|p| p.parse().unwrap()).collect();
        parts[0] * 3_600.0 + parts[1] * 60.0 + parts[2]
    };
    let seen = server.send(look(order)).json();
    let lasts = time(&text(order, "held_until")) - time(&text(&seen, "placed_at"));
    lasts.rem_euclid(86_400.0)
}

#[test]
fn rates_are_limited_per_client() {
    let dir = Dir::new("clients-rates");
    let settings = [
        ("NTS_CLIENT_HOLDS", "5"),
        ("NTS_CLIENT_PAYMENTS", "4"),
        ("NTS_CLIENT_LOOKUPS", "200"),
        ("NTS_CLIENT_DECLINES", "0"),
    ];
    let server = server(&dir, &settings);
    server.make_event(100, 300);
    // Requests that hold count whatever becomes of them.
    let order = server.send(hold("ann", 1).forwarded_for(SCRIPT)).json();
    for _ in 1..5 {
        assert_eq!(
            server.send(hold("ann", 99).forwarded_for(SCRIPT)).code(),
            Some(ProblemCode::LimitReached)
        );
    }
    assert_limited(&server.send(hold("ann", 1).forwarded_for(SCRIPT)), "requests for places");
    assert_eq!(server.send(hold("bob", 1).forwarded_for("198.51.100.1")).status, 201);
    for _ in 0..4 {
        assert_eq!(server.send(pay(&order, "ctoken_declined").forwarded_for(SCRIPT)).status, 402);
    }
    assert_limited(&server.send(pay(&order, "ctoken_ok").forwarded_for(SCRIPT)), "attempts to pay");
    assert_eq!(server.send(look(&order).forwarded_for(SCRIPT)).json()["state"], "paying");
    // A wrong secret counts as thirty looks, on pages as well.
    for _ in 0..3 {
        let wrong = Request::get(&format!("/api/v1/orders/{}", text(&order, "id"))).bearer("wrong");
        assert_eq!(server.send(wrong.forwarded_for(SCRIPT)).status, 404);
        let wrong = Request::get(&format!("/orders/{}/WRONG", text(&order, "id")));
        assert_eq!(server.send(wrong.forwarded_for(SCRIPT)).status, 404);
    }
    let mut answer = server.send(look(&order).forwarded_for(SCRIPT));
    for _ in 0..40 {
        answer = server.send(look(&order).forwarded_for(SCRIPT));
    }
    assert_limited(&answer, "requests from your network");
    assert_eq!(server.send(Request::get(&page_of(&order)).forwarded_for(SCRIPT)).status, 429);
    assert_eq!(server.send(look(&order).forwarded_for("198.51.100.1")).status, 200);
    for reason in ["holds", "payments", "lookups"] {
        assert!(limited(&server, reason) > 0, "{reason}");
    }
}

#[test]
fn a_network_whose_cards_are_declined_must_stop() {
    let dir = Dir::new("clients-declines");
    let server = server(&dir, &[("NTS_CLIENT_DECLINES", "6")]);
    server.make_event(1_000, 300);
    let mut declined = 0;
    let refused = 'testing: loop {
        let order =
            server.send(hold(&format!("tester-{declined}"), 1).forwarded_for(SCRIPT)).json();
        for _ in 0..3 {
            let answer = server.send(pay(&order, "ctoken_declined").forwarded_for(SCRIPT));
            match answer.status {
                402 => declined += 1,
                _ => break 'testing answer,
            }
        }
    };
    assert_eq!(declined, 6, "on several orders together");
    assert_limited(&refused, "payments from your network were declined");
    let order = server.send(hold("bob", 1).forwarded_for("198.51.100.1")).json();
    assert_eq!(
        server.send(pay(&order, "ctoken_ok").forwarded_for("198.51.100.1")).json()["state"],
        "paid"
    );
}

#[test]
fn while_many_attempts_are_declined_only_who_was_declined_waits() {
    let dir = Dir::new("clients-breaker");
    let server = server(&dir, &[("NTS_CLIENT_SHARE", "0")]);
    server.make_event(1_000, 300);
    let from = |n: u32| format!("198.51.100.{}", n % 6);
    let mut orders = Vec::new();
    for n in 0..30 {
        let order = server.send(hold(&format!("b{n}"), 1).forwarded_for(&from(n))).json();
        assert_eq!(server.send(pay(&order, "ctoken_declined").forwarded_for(&from(n))).status, 402);
        orders.push(order);
    }
    let gauge = || server.get("/metrics").text().contains("nts_declines_high 1\n");
    assert!(gauge(), "there is an alarm");
    let log = std::fs::read_to_string(dir.path("log")).unwrap();
    assert_eq!(log.matches("ALARM: more than 40 %").count(), 1, "{log}");
    // One attempt, and then a pause.
    assert_eq!(server.send(pay(&orders[0], "ctoken_declined").forwarded_for(&from(0))).status, 402);
    let refused = server.send(pay(&orders[0], "ctoken_ok").forwarded_for(&from(0)));
    assert_limited(&refused, "Please wait before you try to pay again");
    let again: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(again <= 30, "{again}");
    // Who was never declined does not wait.
    for n in 0..5 {
        let order = server.send(hold(&format!("c{n}"), 1).forwarded_for("192.0.2.9")).json();
        assert_eq!(
            server.send(pay(&order, "ctoken_ok").forwarded_for("192.0.2.9")).json()["state"],
            "paid"
        );
    }
    // When most are paid again, it is over.
    for n in 0..80 {
        let client = format!("192.0.2.{}", 10 + n);
        let order = server.send(hold(&format!("d{n}"), 1).forwarded_for(&client)).json();
        assert_eq!(
            server.send(pay(&order, "ctoken_ok").forwarded_for(&client)).json()["state"],
            "paid"
        );
    }
    assert!(!gauge(), "the alarm is over");
    assert_eq!(
        server.send(pay(&orders[0], "ctoken_ok").forwarded_for(&from(0))).json()["state"],
        "paid"
    );
}

#[test]
fn the_hold_after_one_that_ran_out_is_shorter() {
    let dir = Dir::new("clients-shorter");
    let server = server(&dir, &[("NTS_LEAST_HOLD_MS", "1500")]);
    server.make_event(1_000, 4);
    let lasts = |order: &Value| lasts(&server, order);
    let take = |name: &str, client: &str| {
        let held = server.send(hold(name, 1).forwarded_for(client));
        assert_eq!(held.status, 201, "{held:?}");
        held.json()
    };
    let gone = |order: &Value| {
        eventually("it runs out", || server.send(look(order)).json()["state"] == "released");
    };
    let first = take("ann", "198.51.100.1");
    assert!((lasts(&first) - 4.0).abs() < 0.01, "{}", lasts(&first));
    gone(&first);
    // Half as long for the same address at the same client; down to the least.
    let second = take("ann", "198.51.100.1");
    assert!((lasts(&second) - 2.0).abs() < 0.01, "{}", lasts(&second));
    gone(&second);
    let third = take("ann", "198.51.100.1");
    assert!((lasts(&third) - 1.5).abs() < 0.01, "{}", lasts(&third));
    // Others of the same network are not concerned by one or two, but by five.
    let many: Vec<Value> = (0..5).map(|n| take(&format!("b{n}"), SCRIPT)).collect();
    many.iter().for_each(gone);
    assert!((lasts(&take("c", SCRIPT)) - 2.0).abs() < 0.01);
    assert!((lasts(&take("c2", "198.51.100.1")) - 4.0).abs() < 0.01);
}

#[test]
fn the_old_routes_and_larger_networks_are_limited_too() {
    let dir = Dir::new("clients-old");
    let server = server(&dir, &[("NTS_DEMO_TICKETS", "500"), ("NTS_CLIENT_HOLDS", "60")]);
    let reserve = |name: &str, client: &str| {
        server.send(Request::form("/nts/v1/reserve", &[("fullname", name)]).forwarded_for(client))
    };
    for n in 0..25 {
        let page = reserve(&format!("Guest {n}"), SCRIPT);
        assert_eq!(page.status, 200, "{n}: {page:?}");
    }
    let refused = reserve("Guest 25", SCRIPT);
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.text().contains("share it") && refused.header("retry-after").is_some());
    assert_eq!(reserve("Ann", "198.51.100.1").status, 200);
    // One who owns an IPv6 /48 has eight budgets, not 65,536.
    let mut held = 0;
    for n in 0..20 {
        for m in 0..25 {
            let client = format!("2001:db8:7:{n:x}00::{m:x}");
            held += u32::from(reserve(&format!("Guest {n}-{m}"), &client).status == 200);
        }
    }
    assert_eq!(held, 8 * 25);
    assert_eq!(reserve("Bob", "2001:db9::1").status, 200);
}

#[test]
fn requests_that_hold_nothing_take_nothing_from_the_neighbours() {
    let dir = Dir::new("clients-neighbours");
    let server = server(&dir, &[("NTS_CLIENT_HOLDS", "4")]);
    server.make_event(1_000, 300);
    let order = |name: &str, kind: &str, quantity: i64| {
        Request::new("POST", "/api/v1/events/rock/orders").json(&json!({
            "buyer": {"name": name, "email": "eve@example.org"},
            "lines": [{"ticket_type": kind, "quantity": quantity}],
        }))
    };
    // An unknown ticket type, nobody's name, and more than one order may have.
    let nothing = [order("Eve", "none", 1), order("", "adult", 1), order("Eve", "adult", 99)];
    for n in 0..64 {
        let client = format!("2001:db8:0:{n:x}00::1");
        for request in &nothing {
            assert!(server.send(request.clone().forwarded_for(&client)).status < 429, "{n}");
        }
    }
    let neighbour = "2001:db8:0:ff01::1";
    for n in 0..4 {
        assert_eq!(
            server.send(hold(&format!("ann{n}"), 1).forwarded_for(neighbour)).status,
            201,
            "{n}"
        );
    }
    assert_limited(&server.send(hold("bob", 1).forwarded_for(neighbour)), "requests for places");
}

#[test]
fn each_limit_can_be_switched_off() {
    let dir = Dir::new("clients-off");
    let off = [
        "NTS_CLIENT_HOLDS",
        "NTS_CLIENT_PLACES",
        "NTS_EMAIL_PLACES",
        "NTS_CLIENT_PAYMENTS",
        "NTS_CLIENT_DECLINES",
        "NTS_EMAIL_DECLINES",
        "NTS_CLIENT_LOOKUPS",
        "NTS_LEAST_HOLD_MS",
        "NTS_DECLINED_PERCENT",
    ];
    let server = server(&dir, &off.map(|name| (name, "0")));
    server.make_event(5_000, 300);
    for n in 0..130 {
        assert_eq!(server.send(hold("ann", 10).forwarded_for(SCRIPT)).status, 201, "{n}");
    }
    for n in 0..70 {
        let order = server.send(hold("ann", 10).forwarded_for(SCRIPT)).json();
        assert_eq!(
            server.send(pay(&order, "ctoken_declined").forwarded_for(SCRIPT)).status,
            402,
            "{n}"
        );
    }
}

#[test]
fn the_start_says_for_whom_limits_hold() {
    let dir = Dir::new("clients-start");
    let mut child = nts(&dir)
        .env("NTS_ADDRESS", "127.0.0.1:0")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut lines = std::io::BufRead::lines(out).map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("Limits per client:"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.unwrap().contains("NTS_TRUSTED_PROXIES=127.0.0.1"));
}
