//! The whole way of a sale, and a crowd.

use crate::harness::*;
use serde_json::{Value, json};
use std::io::Read;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn a_sale_from_the_hold_to_the_refund_is_still_there_after_a_restart() {
    let dir = Dir::new("sale");
    let server = Server::start(&dir);
    server.make_event(10, 300);

    let held = server.send(hold("ann", 3).key("one-key-of-ann-s"));
    assert_eq!(held.status, 201, "{held:?}");
    let order = held.json();
    assert_eq!(order["state"], "held");
    assert_eq!(order["total"], json!({"amount": 7500, "currency": "GBP"}));
    assert_eq!(server.counts(), (3, 0, 7));

    // The same key and body: the same answer. Who asks for something else under it is somebody else.
    assert_eq!(server.send(hold("ann", 3).key("one-key-of-ann-s")).body, held.body);
    let other = server.send(hold("ann", 2).key("one-key-of-ann-s"));
    assert_eq!((other.status, server.counts()), (201, (5, 0, 5)), "{other:?}");
    let other = other.json();
    assert!(other["id"] != order["id"] && other["secret"] != order["secret"]);
    let cancel = format!("/api/v1/orders/{}/cancel", text(&other, "id"));
    let cancel = Request::new("POST", &cancel).bearer(&text(&other, "secret"));
    assert_eq!(server.send(cancel).json()["state"], "released");
    assert_eq!(server.counts(), (3, 0, 7));

    let declined = server.send(pay(&order, "ctoken_declined").key("p1"));
    assert_eq!((declined.status, declined.code()), (402, Some(ProblemCode::Declined)));
    assert_eq!(server.send(pay(&order, "ctoken_declined").key("p1")).body, declined.body);
    let paid = server.send(pay(&order, "ctoken_ok").key("p2"));
    assert_eq!(paid.status, 200, "{paid:?}");
    let paid = paid.json();
    assert_eq!(paid["state"], "paid");
    let tickets = paid["tickets"].as_array().unwrap();
    assert_eq!(tickets.len(), 3);
    assert_eq!(server.counts(), (0, 3, 7));
    // Paying again charges nothing.
    assert_eq!(server.send(pay(&order, "ctoken_ok").key("p3")).json()["tickets"], paid["tickets"]);

    server.stop();
    let server = Server::start(&dir);
    assert_eq!(server.counts(), (0, 3, 7));
    assert_eq!(
        nts_testkit::tickets(&server.send(look(&order)).json()),
        nts_testkit::tickets(&paid)
    );
    let again = server.send(hold("ann", 3).key("one-key-of-ann-s")).json();
    for same in ["id", "secret", "held_until", "total", "lines"] {
        assert_eq!(again[same], order[same], "the same key, the same answer");
    }

    let refunds = format!("/api/v1/orders/{}/refunds", text(&order, "id"));
    let refund = |body: Value| Request::new("POST", &refunds).bearer(KEY).json(&body);
    let part = json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": true});
    let back = server.send(refund(part.clone()).key("r1")).json();
    assert_eq!(back["refund"]["state"], "succeeded", "{back}");
    assert_eq!(back["refund"]["amount"], json!({"amount": 2500, "currency": "GBP"}));
    assert_eq!(server.counts(), (0, 2, 8));
    let again = server.send(refund(part).key("r1")).json();
    assert_eq!(again["refund"]["id"], back["refund"]["id"], "one refund for one key");
    assert_eq!(server.counts(), (0, 2, 8));
    let rest = server.send(refund(json!({"all": true, "restock": false}))).json();
    assert_eq!(rest["order"]["state"], "refunded", "{rest}");
    assert_eq!(server.counts(), (0, 2, 8), "not put back on sale");
    let valid = rest["order"]["tickets"].as_array().unwrap().iter().any(|t| t["valid"] == true);
    assert!(!valid);
    let nothing = server.send(refund(json!({"all": true, "restock": true})));
    assert_eq!((nothing.status, nothing.code()), (409, Some(ProblemCode::NothingToRefund)));
}

#[test]
fn two_hundred_buyers_at_once_get_the_fifty_places_and_no_more() {
    let dir = Dir::new("crowd");
    let server = Server::start(&dir);
    server.make_event(50, 300);
    let (paid, sold_out, other) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for i in 0..200 {
            let (server, paid, sold_out, other) = (&server, &paid, &sold_out, &other);
            scope.spawn(move || {
                let held = server
                    .send(hold(&format!("buyer{i}"), 1).key(&format!("the-hold-of-buyer-{i}")));
                let counter = match (held.status, held.code()) {
                    (201, _) => {
                        let answer = server.send(pay(&held.json(), "ctoken_ok"));
                        if answer.json()["state"] == "paid" { paid } else { other }
                    }
                    (409, Some(ProblemCode::SoldOut)) => sold_out,
                    _ => other,
                };
                counter.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    let counted = [paid, sold_out, other].map(|c| c.load(Ordering::SeqCst));
    assert_eq!(counted, [50, 150, 0], "paid, sold out, anything else");
    assert_eq!(server.counts(), (0, 50, 0));
    let orders = server.orders();
    assert_eq!(orders.len(), 50);
    let mut codes: Vec<String> = orders.iter().map(|o| text(&o["tickets"][0], "code")).collect();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), 50, "every ticket is another one");
}

#[test]
fn a_hold_runs_out_and_a_payment_that_began_in_time_does_not() {
    let dir = Dir::new("expiry");
    let server = Server::start(&dir);
    server.make_event(2, 1);
    let lazy = server.send(hold("lazy", 1)).json();
    let late = server.send(hold("late", 1)).json();
    // Its bank takes three seconds, longer than the hold lives; the hold is frozen meanwhile.
    let paid = server.send(pay(&late, "ctoken_slow"));
    assert_eq!(paid.json()["state"], "paid", "{paid:?}");
    eventually("the lazy hold is released", || {
        server.send(look(&lazy)).json()["state"] == "released"
    });
    assert_eq!(server.counts(), (0, 1, 1));
    let gone = server.send(pay(&lazy, "ctoken_ok"));
    assert_eq!((gone.status, gone.code()), (410, Some(ProblemCode::HoldExpired)), "{gone:?}");
    assert_eq!(gone.json()["money_moved"], "no");
}

#[test]
fn the_bank_asks_first_and_yes_no_or_walking_away_are_all_answers() {
    let dir = Dir::new("bank");
    let server = Server::start(&dir);
    server.make_event(5, 300);
    let ask = |name: &str| {
        let order = server.send(hold(name, 1)).json();
        let answer = server.send(pay(&order, "ctoken_3ds")).json();
        assert_eq!(answer["state"], "paying", "{answer}");
        let url = text(&answer["action"], "url");
        let path = url[url.find("/sandbox").expect("a page of the sandbox")..].to_owned();
        (order, path)
    };
    let (yes, path) = ask("yes");
    assert!(server.get(&path).text().contains("£25.00"));
    assert_eq!(server.send(Request::form(&path, &[("answer", "yes")])).status, 303);
    // The buyer comes back: the page reads what the bank said. No webhook was needed.
    server.get(&page_of(&yes));
    eventually("it is paid", || server.send(look(&yes)).json()["state"] == "paid");

    let (no, path) = ask("no");
    server.send(Request::form(&path, &[("answer", "no")]));
    let page = server.get(&page_of(&no)).text();
    assert!(page.contains("The payment was declined"), "{page}");
    assert_eq!(server.send(pay(&no, "ctoken_ok")).json()["state"], "paid", "tried again");

    let (away, _) = ask("away");
    let cancel = format!("/api/v1/orders/{}/cancel", text(&away, "id"));
    let cancel = Request::new("POST", &cancel).bearer(&text(&away, "secret"));
    assert_eq!(server.send(cancel).json()["state"], "released");
    assert_eq!(server.counts(), (0, 2, 3));
}

#[test]
fn payments_that_are_waited_for_keep_a_third_of_the_connections_at_most() {
    let dir = Dir::new("waiters");
    let server = Server::start_with(&dir, &[("NTS_CONNECTIONS", "6")]);
    server.make_event(5, 300);
    let orders: Vec<_> = ["ann", "bob", "cleo"].map(|who| server.send(hold(who, 1)).json()).into();
    let paying = |order| server.send(look(order)).json()["state"] == "paying";
    std::thread::scope(|scope| {
        let server = &server;
        let slow = |order| scope.spawn(move || server.send(pay(order, "ctoken_slow")).json());
        let waits = [slow(&orders[0]), slow(&orders[1])];
        eventually("both are paying", || paying(&orders[0]) && paying(&orders[1]));
        // Two of six are kept. The third hears at once how it stands, and when to look again.
        let third = server.send(pay(&orders[2], "ctoken_slow"));
        assert_eq!((third.status, third.header("retry-after")), (202, Some("1")), "{third:?}");
        let place = third.header("location").expect("where to look");
        assert!(place.ends_with(look(&orders[2]).path()), "{place}");
        assert_eq!(third.json()["state"], "paying");
        assert!(waits.map(|wait| wait.join().unwrap()["state"] == "paid") == [true; 2]);
    });
    eventually("the third is paid", || server.send(look(&orders[2])).json()["state"] == "paid");
    // And there is room to wait again.
    let last = server.send(hold("dan", 1)).json();
    assert_eq!(server.send(pay(&last, "ctoken_slow")).json()["state"], "paid");
}

#[test]
fn a_key_that_is_being_answered_says_so_and_then_tells_the_outcome() {
    let dir = Dir::new("running");
    let server = Server::start(&dir);
    server.make_event(5, 300);
    let order = server.send(hold("ann", 1)).json();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| server.send(pay(&order, "ctoken_slow").key("slow")));
        eventually("it is paying", || server.send(look(&order)).json()["state"] == "paying");
        // Nobody else pays, so there is no line, and there may be news in a second.
        let paying = server.send(look(&order));
        assert_eq!(paying.header("retry-after"), Some("1"));
        let message = paying.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("We are waiting for the answer"), "{message}");
        let running = server.send(pay(&order, "ctoken_slow").key("slow"));
        assert_eq!((running.status, running.code()), (409, Some(ProblemCode::RequestRunning)));
        // A second tab, without the key: no second attempt is made.
        let other = server.send(pay(&order, "ctoken_ok"));
        assert_eq!((other.status, other.code()), (409, Some(ProblemCode::PaymentUnderWay)));
        let first = first.join().unwrap().json();
        assert_eq!(first["state"], "paid");
        assert_eq!(server.send(look(&order)).header("retry-after"), None, "nothing is awaited");
        let again = server.send(pay(&order, "ctoken_slow").key("slow")).json();
        assert_eq!(again["tickets"], first["tickets"]);
        assert_eq!(again["payment"]["attempts"].as_array().unwrap().len(), 1);
    });
    let metrics = server.get("/metrics").text();
    for state in ["paying", "committed", "paid"] {
        let line = format!("nts_orders_total{{state=\"{state}\"}} 1");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}

#[test]
fn what_costs_nothing_asks_nobody_for_money() {
    let dir = Dir::new("free");
    let server = Server::start(&dir);
    let mut event = event_json(5, 300);
    event["ticket_types"][0]["price"]["amount"] = 0.into();
    event["limit_per_buyer"] = 2.into();
    server.send(Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event));
    let order = server.send(hold("ann", 2)).json();
    let more = server.send(hold("ANN", 1));
    assert_eq!(
        (more.status, more.code()),
        (409, Some(ProblemCode::LimitReached)),
        "one buyer, one limit"
    );
    let path = page_of(&order);
    assert_eq!(server.send(Request::form(&format!("{path}/pay"), &[])).status, 303);
    let paid = server.send(look(&order)).json();
    assert_eq!(paid["state"], "paid");
    assert_eq!(paid["tickets"].as_array().unwrap().len(), 2);
    assert_eq!(paid["payment"], serde_json::Value::Null, "no payment was made");
    assert!(!server.get("/metrics").text().contains("nts_provider_calls_total{"));
}

#[test]
fn what_would_break_a_promise_is_refused_to_the_organiser() {
    let dir = Dir::new("organiser");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    server.send(hold("ann", 4));
    let smaller = server.send(put_event("rock", 3, 300));
    assert_eq!((smaller.status, smaller.code()), (409, Some(ProblemCode::CapacityBelowTaken)));
    assert_eq!(server.counts(), (4, 0, 6), "nothing was changed");
    assert_eq!(server.send(put_event("rock", 4, 300)).status, 200);
    assert_eq!(server.counts(), (4, 0, 0));
    let mut other = event_json(10, 300);
    other["currency"] = "EUR".into();
    other["ticket_types"][0]["price"]["currency"] = "EUR".into();
    let other = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&other);
    assert_eq!(server.send(other).code(), Some(ProblemCode::CurrencyFixed));
    let stranger = Request::new("PUT", "/api/v1/events/rock")
        .bearer("a-key-of-somebody")
        .json(&event_json(9, 300));
    assert_eq!(server.send(stranger).status, 401);
    assert_eq!(server.get("/api/v1/events/rock/orders").status, 401);
}

#[test]
fn everybody_sees_the_same_page_compressed_or_not_with_true_counts_and_a_key_of_their_own() {
    let dir = Dir::new("shown");
    let server = Server::start(&dir);
    server.make_event(50, 300);
    let plain = |server: &Server| server.get("/events/rock").text();
    let packed = |server: &Server| {
        let answer =
            server.send(Request::get("/events/rock").header("accept-encoding", "br, gzip"));
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert_eq!(answer.header("vary"), Some("accept-encoding, accept-language, cookie"));
        let mut text = String::new();
        flate2::bufread::GzDecoder::new(&*answer.body).read_to_string(&mut text).unwrap();
        text
    };
    let key = |page: &str| {
        let (_, rest) = page.split_once("name=\"key\" value=\"").unwrap();
        rest[..32].to_owned()
    };
    // But for the key and the time it is the same page.
    let same = |page: &str| {
        let (before, rest) = page.split_once("data-as-of>").unwrap();
        let (_, after) = rest.split_once('<').unwrap();
        format!("{before}{after}").replace(&key(page), "")
    };
    let mut keys = std::collections::BTreeSet::new();
    for left in [50, 48, 46] {
        let (one, two) = (plain(&server), packed(&server));
        assert!(one.contains(&format!("{left} left")), "{one}");
        assert_eq!(same(&one), same(&two));
        assert!(keys.insert(key(&one)) && keys.insert(key(&two)), "a key of their own");
        let held = server.send(hold(&format!("b{left}"), 2));
        assert_eq!(held.status, 201);
        assert_eq!(server.event()["pools"][0]["left"], left - 2, "{}", server.event());
    }
    let none = server.send(Request::get("/events/rock").header("accept-encoding", "gzip;q=0"));
    assert_eq!(none.header("content-encoding"), None);
    server.stop();
}
