//! A limit per buyer over HTTP: who is one buyer, and which orders count.

use crate::harness::*;
use serde_json::{Value, json};

fn put(server: &Server, change: &[(&str, Value)]) -> Answer {
    let mut event = event_json(100, 300);
    for (field, value) in change {
        event[*field] = value.clone();
    }
    server.send(Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event))
}

fn hold_by(server: &Server, email: &str, quantity: i64) -> Answer {
    server.send(Request::new("POST", "/api/v1/events/rock/orders").json(&json!({
        "buyer": {"name": "Ann", "email": email},
        "lines": [{"ticket_type": "adult", "quantity": quantity}],
    })))
}

/// The same order by the page's form.
fn hold_on_page(server: &Server, email: &str, quantity: i64) -> Answer {
    let quantity = quantity.to_string();
    let fields = [("name", "Ann"), ("email", email), ("quantity:adult", quantity.as_str())];
    server.send(Request::form("/events/rock/orders", &fields))
}

#[test]
fn a_limit_that_comes_late_or_is_lowered_counts_earlier_orders() {
    let dir = Dir::new("late-limit");
    let server = Server::start(&dir);
    assert_eq!(put(&server, &[]).status, 201);
    let order = hold_by(&server, "ann@example.org", 4).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
    assert_eq!(hold_by(&server, "ben@example.org", 1).status, 201);
    let limit = |limit: u32| put(&server, &[("limit_per_buyer", limit.into())]);
    assert_eq!(limit(2).json()["limit_per_buyer"], 2);
    let refused = hold_by(&server, "ANN@example.org", 1);
    assert_eq!((refused.status, refused.code()), (409, Some(ProblemCode::LimitReached)));
    assert_eq!(hold_by(&server, "ben@example.org", 2).code(), Some(ProblemCode::LimitReached));
    assert_eq!(hold_by(&server, "ben@example.org", 1).status, 201);
    assert_eq!(limit(6).status, 200);
    assert_eq!(hold_by(&server, "ann@example.org", 2).status, 201);
    assert_eq!(hold_by(&server, "ann@example.org", 1).code(), Some(ProblemCode::LimitReached));
    assert_eq!(limit(3).status, 200);
    assert_eq!(hold_by(&server, "ann@example.org", 1).code(), Some(ProblemCode::LimitReached));
    server.kill();

    // After a crash the same holds, and what is given back may be taken again.
    let server = Server::start(&dir);
    assert_eq!(hold_by(&server, "ann@example.org", 1).code(), Some(ProblemCode::LimitReached));
    assert_eq!(hold_by(&server, "ben@example.org", 2).code(), Some(ProblemCode::LimitReached));
    assert_eq!(hold_by(&server, "ben@example.org", 1).status, 201);
    assert_eq!(hold_by(&server, "cyd@example.org", 3).status, 201);
    let refund = Request::new("POST", &format!("/api/v1/orders/{}/refunds", text(&order, "id")))
        .bearer(KEY)
        .json(&json!({"all": true, "restock": true}));
    assert!(server.send(refund).status < 300);
    eventually("the money is back", || server.counts().1 == 0);
    assert_eq!(hold_by(&server, "ann@example.org", 1).status, 201);
    assert_eq!(hold_by(&server, "ann@example.org", 1).code(), Some(ProblemCode::LimitReached));
}

#[test]
fn a_limit_from_a_file_counts_earlier_orders_too() {
    let dir = Dir::new("apply-limit");
    let server = Server::start(&dir);
    let url = format!("http://{}", server.address);
    let show = include_str!("../../show.toml").replace("harbour-night", "rock");
    let apply = |text: &str| {
        std::fs::write(dir.path("show.toml"), text).unwrap();
        let mut apply = nts(&dir);
        apply.args(["event", "apply", "show.toml", "--url", &url]).output().unwrap()
    };
    assert!(apply(&show).status.success());
    assert_eq!(hold_by(&server, "ann@example.org", 4).status, 201);
    let limited = show.replace("# limit_per_buyer = 8", "limit_per_buyer = 4");
    assert!(apply(&limited).status.success());
    assert_eq!(hold_by(&server, "ann@example.org", 1).code(), Some(ProblemCode::LimitReached));
    assert_eq!(hold_by(&server, "ann+x@example.org", 1).status, 201, "another address");

    // What counts as one buyer is said before the sale.
    let tags = limited.replace("# ignore_email_tags = true", "ignore_email_tags = true");
    let refused = apply(&tags);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("ignore_email_tags"), "{said}");
    assert_eq!(server.event()["ignore_email_tags"], false);
}

#[test]
fn one_address_is_one_buyer_however_it_is_written_and_sent() {
    let dir = Dir::new("identity");
    let server = Server::start(&dir);
    put(&server, &[("limit_per_buyer", 1.into())]);
    for ways in [
        ["ann@müller.example", "ann@xn--mller-kva.example", "ANN@MU\u{308}LLER.example"],
        ["jürgen@example.org", "ju\u{308}rgen@example.org", "JÜRGEN@EXAMPLE.ORG"],
        ["ben@example.org", " Ben@example.org ", "BEN@EXAMPLE.ORG"],
    ] {
        assert_eq!(hold_by(&server, ways[0], 1).status, 201, "{ways:?}");
        for way in ways {
            assert_eq!(hold_by(&server, way, 1).code(), Some(ProblemCode::LimitReached), "{way}");
            let page = hold_on_page(&server, way, 1);
            assert_eq!(page.status, 409, "{way}: {page:?}");
        }
    }
    // The other way round: first on the page, which takes the same addresses.
    assert_eq!(hold_on_page(&server, "cyd@bücher.example", 1).status, 303);
    assert_eq!(
        hold_by(&server, "cyd@xn--bcher-kva.example", 1).code(),
        Some(ProblemCode::LimitReached)
    );
    assert!(!server.get("/events/rock").text().contains("type=\"email\""));
    assert_eq!(server.counts().0, 4);
}

#[test]
fn one_name_is_one_reservation_however_it_is_written() {
    let dir = Dir::new("names");
    let server = Server::start(&dir);
    let reserve =
        |name: &str| server.send(Request::form("/nts/v1/reserve", &[("fullname", name)])).status;
    let left = || {
        let page = server.get("/").text();
        let at = page.find("only ").unwrap() + 5;
        page[at..].split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    for name in ["José", "Jose\u{301}", "JOSE\u{301}", "  josé "] {
        assert_eq!(reserve(name), 200, "{name}");
        assert_eq!(left(), 4, "{name}");
    }
    assert_eq!((reserve("Jose"), left()), (200, 3), "another name");
}

#[test]
fn tags_count_unless_the_event_ignores_them() {
    let dir = Dir::new("tags");
    let server = Server::start(&dir);
    let event = put(&server, &[("limit_per_buyer", 2.into())]).json();
    assert_eq!(event["ignore_email_tags"], false);
    let first = hold_by(&server, "ann@example.org", 2).json();
    assert_eq!(hold_by(&server, "ann+b@example.org", 2).status, 201);
    let ignore = [("limit_per_buyer", 2.into()), ("ignore_email_tags", true.into())];
    let refused = put(&server, &ignore);
    assert_eq!((refused.status, refused.code()), (409, Some(ProblemCode::TagsFixed)));
    assert!(refused.text().contains("ignore_email_tags"));
    assert!(first["id"].is_string());
    server.stop();

    let dir = Dir::new("tags-ignored");
    let server = Server::start(&dir);
    assert_eq!(put(&server, &ignore).json()["ignore_email_tags"], true);
    assert_eq!(hold_by(&server, "Ann+a@example.org", 1).status, 201);
    assert_eq!(hold_by(&server, "ann@example.org", 1).status, 201);
    assert_eq!(hold_by(&server, "ann+c+d@Example.org", 1).code(), Some(ProblemCode::LimitReached));
    server.kill();
    let server = Server::start(&dir);
    assert_eq!(server.event()["ignore_email_tags"], true);
    assert_eq!(hold_by(&server, "ann+e@example.org", 1).code(), Some(ProblemCode::LimitReached));
    assert_eq!(hold_by(&server, "ben+e@example.org", 2).status, 201);
}
