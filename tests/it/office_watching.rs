//! The office: how a sale goes, by pages and by the stream, exact to the penny.

use crate::harness::*;
use nts_testkit::smtp::{Does, Relay, Step};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

fn see(server: &Server, path: &str) -> Answer {
    server.send(Request::get(path).bearer(KEY))
}

/// The text of a page without its tags, in single spaces.
fn words(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn two_pools() -> Value {
    let mut event = event_json(10, 300);
    event["pools"].as_array_mut().unwrap().push(json!({"id": "box", "capacity": 4}));
    event["ticket_types"].as_array_mut().unwrap().push(json!({
        "id": "box", "name": "Box <seat>", "pool": "box", "price": {"amount": 1010, "currency": "GBP"},
    }));
    event
}

fn order_of(server: &Server, who: &str, lines: Value) -> Value {
    let body =
        json!({"buyer": {"name": who, "email": format!("{who}@example.org")}, "lines": lines});
    let held = server.send(Request::new("POST", "/api/v1/events/rock/orders").json(&body));
    assert_eq!(held.status, 201, "{held:?}");
    held.json()
}

fn line(ticket_type: &str, quantity: u32) -> Value {
    json!({"ticket_type": ticket_type, "quantity": quantity})
}

fn refund(server: &Server, order: &Value, body: Value) {
    let path = format!("/api/v1/orders/{}/refunds", text(order, "id"));
    let refunded = server.send(Request::new("POST", &path).bearer(KEY).json(&body));
    assert_eq!(refunded.status, 200, "{refunded:?}");
}

#[test]
fn the_page_of_a_sale_agrees_with_the_audit_to_the_penny() {
    let dir = Dir::new("watching");
    let server = Server::start_with(&dir, &[("NTS_DEMO", "0")]);
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&two_pools());
    assert_eq!(server.send(put).status, 201);
    let empty = words(&see(&server, "/office/events/rock").text());
    for part in [
        "Sold 0 of 14",
        "Revenue £0.00",
        "Nothing has been sold yet",
        "Nobody has tried to pay yet",
    ] {
        assert!(empty.contains(part), "{part} in {empty}");
    }

    let paid = order_of(&server, "ann", json!([line("adult", 3), line("box", 1)]));
    assert_eq!(server.send(pay(&paid, "ctoken_ok")).status, 200);
    let part = order_of(&server, "bob", json!([line("adult", 2)]));
    assert_eq!(server.send(pay(&part, "ctoken_declined")).status, 402);
    assert_eq!(server.send(pay(&part, "ctoken_ok")).status, 200);
    let back = order_of(&server, "cat", json!([line("box", 2)]));
    assert_eq!(server.send(pay(&back, "ctoken_ok")).status, 200);
    order_of(&server, "dan", json!([line("adult", 1)]));
    refund(&server, &part, json!({"lines": [line("adult", 1)], "restock": true}));
    refund(&server, &back, json!({"lines": [line("box", 1)], "restock": false}));

    // Three and two, without one: 4 x £25.00 and 3 x £10.10, of which one is not on sale again.
    eventually("the page tells it", || {
        let page = see(&server, "/office/events/rock");
        assert_eq!(page.status, 200, "{page:?}");
        let told = words(&page.text());
        [
            "Sold 7 of 14 sold, 6 left 50 %",
            "Revenue £120.20 £155.30 taken, £35.10 refunded",
            "Last hour 8 sold",
            "Held now 1 ",
            "Left 6 ",
            "Adult floor £25.00 4 1 £125.00 £25.00 £100.00",
            "Box &#60;seat&#62; box £10.10 3 1 £30.30 £10.10 £20.20",
            "All 7 2 £155.30 £35.10 £120.20",
            "floor 4 (40 %) 1 5 10 £100.00",
            "box 3 (75 %) 0 1 4 £20.20",
            "1 of 4 attempts to pay were declined (25.0 %); in the last 24 hours 1 of 4 (25.0 %).",
            "Your card was declined.",
            "Nothing. Payments that do not get on",
        ]
        .iter()
        .all(|part| {
            let there = told.contains(part);
            if !there {
                println!("not yet: {part} in {told}");
            }
            there
        })
    });
    // What is not sold by anybody else's count: the audit reads the orders.
    let audit = nts(&dir).args(["audit", "--json"]).output().unwrap();
    let report: Value =
        serde_json::from_slice(&audit.stdout).unwrap_or_else(|_| panic!("{}", said(&audit)));
    let money = &report["money"][0]["books"];
    assert_eq!(
        (&money["taken"], &money["given_back"]),
        (&json!(15_530), &json!(3_510)),
        "{report}"
    );
    assert_eq!(report["pools"], json!({"capacity": 14, "held": 1, "sold": 7}));
    assert_eq!(report["findings"], json!([]), "{report}");
    // And so after the next start.
    server.stop();
    let server = Server::start_with(&dir, &[("NTS_DEMO", "0")]);
    let told = words(&see(&server, "/office/events/rock").text());
    assert!(told.contains("Revenue £120.20 £155.30 taken, £35.10 refunded"), "{told}");
    let list = words(&see(&server, "/office").text());
    assert!(list.contains("7 of 14 sold · £120.20"), "{list}");
}

#[test]
fn a_sale_is_told_as_it_happens() {
    let dir = Dir::new("watching-live");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let mut stream = Stream::open(&server, "/office/events/rock/live");
    assert!(words(&stream.next()).contains("Sold 0 of 10"));
    let order = server.send(hold("ann", 2)).json();
    stream.until(|html| words(html).contains("Held now 2"));
    assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
    stream.until(|html| {
        let told = words(html);
        told.contains("Sold 2 of 10")
            && told.contains("Revenue £50.00")
            && told.contains("Held now 0")
    });
    // A refund that puts nothing back on sale moves no count, and is told all the same.
    refund(&server, &order, json!({"lines": [line("adult", 1)], "restock": false}));
    stream.until(|html| words(html).contains("£50.00 taken, £25.00 refunded"));
}

#[test]
fn what_needs_attention_is_listed_with_the_event() {
    let dir = Dir::new("watching-trouble");
    let relay = Relay::with(&["8BITMIME"], |step, _| match step {
        Step::Recipient => Does::says("550 5.1.1 no such mailbox"),
        _ => Does::Usual,
    });
    let url = format!("smtp://{}", relay.address);
    let settings = [("NTS_SMTP", &*url), ("NTS_MAIL_FROM", "box@example.org"), ("NTS_DEMO", "0")];
    let server = Server::start_with(&dir, &settings);
    server.make_event(10, 300);
    let order = server.send(hold("ann", 1)).json();
    let list = see(&server, "/office").text();
    assert!(list.contains("On sale") && !list.contains("attention"), "{list}");
    assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
    eventually("it is listed", || {
        let told = words(&see(&server, "/office/events/rock").text());
        told.contains("Needs attention (1) Mail refused to ann@example.org: ")
            && told.contains("550 5.1.1 no such mailbox")
            && told.contains(&format!("Order {} ", text(&order, "id")))
    });
    let list = words(&see(&server, "/office").text());
    assert!(list.contains("1 thing needs attention"), "{list}");
}

#[test]
fn events_are_grouped_by_what_they_need() {
    let dir = Dir::new("watching-groups");
    let server = Server::start_with(&dir, &[("NTS_DEMO", "0")]);
    let empty = words(&see(&server, "/office").text());
    assert!(empty.contains("There are no events yet"), "{empty}");
    let put = |id: &str, change: &dyn Fn(&mut Value)| {
        let mut event = event_json(4, 300);
        event["name"] = format!("The night of {id}").into();
        change(&mut event);
        let path = format!("/api/v1/events/{id}");
        let made = server.send(Request::new("PUT", &path).bearer(KEY).json(&event));
        assert_eq!(made.status, 201, "{made:?}");
    };
    put("now", &|_| {});
    put("draft", &|event| event["hidden"] = true.into());
    put("early", &|event| event["sale_opens"] = "2029-01-01T00:00:00Z".into());
    put("over", &|event| event["starts_at"] = "2020-06-01T20:00:00+01:00".into());
    put("closed", &|event| event["sale_closes"] = "2026-01-01T00:00:00Z".into());
    let list = words(&see(&server, "/office").text());
    let at = |part: &str| list.find(part).unwrap_or_else(|| panic!("{part} in {list}"));
    let order = [
        "On sale The night of",
        "Sale closed",
        "Coming The night of early",
        "Not on sale yet",
        "Over The night of over",
        "Drafts The night of draft",
    ];
    assert!(order.map(at).is_sorted(), "{list}");
    let missing = see(&server, "/office/events/none");
    assert_eq!(missing.status, 404, "{missing:?}");
}

/// Server-sent events as they come.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(server: &Server, path: &str) -> Stream {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut stream = Stream(BufReader::new(stream));
        assert_eq!(stream.line(), "HTTP/1.1 200 OK");
        stream
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the stream goes on");
        line.trim_end().to_owned()
    }

    /// The next event. What is between two of them says how long the next one is.
    fn next(&mut self) -> String {
        let mut html = String::new();
        loop {
            let line = self.line();
            match line.strip_prefix("data:") {
                Some(data) => html = html + data.trim_start() + "\n",
                None if html.is_empty() => {}
                None => return html,
            }
        }
    }

    /// Reads until an event says so.
    fn until(&mut self, says: impl Fn(&str) -> bool) {
        for _ in 0..30 {
            if says(&self.next()) {
                return;
            }
        }
        panic!("it was not said");
    }
}
