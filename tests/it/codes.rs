//! What is sold, over HTTP: codes, price phases, ticket types with times and capacities of their own.

use crate::coded_sale::*;
use crate::harness::*;
use serde_json::{Value, json};
use std::sync::Mutex;

fn put(event: &Value) -> Request {
    Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(event)
}

fn form(fields: &[(&str, &str)]) -> Request {
    let buyer = [("name", "Ann"), ("email", "ann@example.org")];
    Request::form("/events/rock/orders", &[&buyer[..], fields].concat())
}

#[test]
fn a_crowd_gets_a_hundred_uses_of_a_code_and_fifty_early_tickets() {
    let dir = Dir::new("code-crowd");
    let server = Server::start(&dir);
    assert_eq!(server.send(rock(5_000, 3_600)).status, 201);
    let held = &Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for worker in 0..50usize {
            let server = &server;
            scope.spawn(move || {
                for n in 0..20usize {
                    let answer = server.send(wants(&format!("b{worker}x{n}"), n % 4 > 0));
                    match (answer.status, answer.code()) {
                        (201, _) => held.lock().unwrap().push(answer.json()),
                        (409, Some(ProblemCode::CodeUsedUp)) => {}
                        other => panic!("{other:?}: {answer:?}"),
                    }
                }
            });
        }
    });
    let held = held.lock().unwrap();
    assert_eq!(held.len(), 250 + 100);
    assert_eq!(sold_so(&held), (50, 100));
    assert_eq!(uses(&server), (100, 0, 0));
    server.stop();
    let audit = nts(&dir).arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", said(&audit));
}

#[test]
fn nobody_but_the_organiser_is_told_of_codes_and_hidden_ticket_types() {
    let dir = Dir::new("codes");
    let server = Server::start(&dir);
    let mut event = event_json(20, 300);
    let crew = json!({"id": "crew", "name": "Crew member", "pool": "floor", "hidden": true,
                      "price": {"amount": 0, "currency": "GBP"}});
    event["ticket_types"].as_array_mut().unwrap().insert(0, crew);
    event["codes"] = json!([
        {"code": "backdoor", "uses": 3, "opens": ["crew"]},
        {"code": "HALF", "uses": 5, "percent_off": 50, "ticket_types": ["adult"]},
    ]);
    let made = server.send(put(&event));
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["codes"][0]["code"], "BACKDOOR");
    let public = server.get("/api/v1/events/rock");
    let list = server.get("/api/v1/events");
    let page = server.get("/events/rock");
    for answer in [&public, &list, &page] {
        let text = answer.text().to_lowercase();
        assert!(!text.contains("crew") && !text.contains("backdoor"), "{text}");
    }
    assert!(page.text().contains("name=\"code\""), "there is a field for a code");
    let seen = server.get("/api/v1/events/rock?code=BackDoor").json();
    assert_eq!(seen["ticket_types"][0]["id"], "crew");
    assert!(seen.get("codes").is_none(), "{seen}");
    assert!(server.get("/events/rock?code=backdoor").text().contains("Crew member"));
    let half = server.get("/api/v1/events/rock?code=half").json();
    let adult = &half["ticket_types"][0];
    assert_eq!(
        (adult["price_now"]["amount"].as_i64(), adult["price"]["amount"].as_i64()),
        (Some(1250), Some(2500))
    );
    assert_eq!(adult["discount"]["amount"], 1250);

    // What the organiser reads can be put back, and a body without codes leaves them.
    let told = server.send(Request::get("/api/v1/events/rock").bearer(KEY));
    assert_eq!(told.json()["codes"][1]["left"], 5);
    let again = server.send(put(&told.json()));
    assert_eq!(again.status, 200, "{again:?}");
    let mut without = event.clone();
    without.as_object_mut().unwrap().remove("codes");
    assert_eq!(server.send(put(&without)).json()["codes"], told.json()["codes"]);

    // The order tells what the code took, and the page leads to it.
    let order =
        server.send(form(&[("quantity:adult", "2"), ("price:adult", "1250"), ("code", "half")]));
    assert_eq!(order.status, 303, "{order:?}");
    let orders = server.orders();
    assert_eq!(orders[0]["total"]["amount"], 2500);
    assert_eq!(orders[0]["lines"][0]["discount"]["amount"], 1250);
    // Not at a higher price than was shown, and not without a word.
    let dearer = server.send(form(&[("quantity:adult", "1"), ("price:adult", "1250")]));
    assert_eq!(dearer.status, 409);
    assert!(dearer.text().contains("The price was £12.50 and is £25.00 now."), "{dearer:?}");
    assert!(dearer.text().contains("name=\"price:adult\" value=\"2500\""), "{dearer:?}");
    let short =
        server.send(form(&[("quantity:adult", "4"), ("price:adult", "1250"), ("code", "half")]));
    assert_eq!(short.status, 409);
    assert!(short.text().contains("The code is good for 3 more tickets."), "{short:?}");
    let mut api = json!({"buyer": {"name": "Bob", "email": "bob@example.org"}, "code": "half",
        "lines": [{"ticket_type": "adult", "quantity": 1, "price": {"amount": 1249, "currency": "GBP"}}]});
    let post =
        |body: &Value| server.send(Request::new("POST", "/api/v1/events/rock/orders").json(body));
    let changed = post(&api);
    assert_eq!((changed.status, changed.code()), (409, Some(ProblemCode::PriceChanged)));
    assert!(changed.text().contains("£12.50"), "{changed:?}");
    api["lines"][0]["price"]["amount"] = 1250.into();
    assert_eq!(post(&api).status, 201);
}

#[test]
fn who_tries_codes_is_stopped_and_can_order_without_one() {
    let dir = Dir::new("code-guesses");
    let server = Server::start_with(&dir, &[("NTS_TRUSTED_PROXIES", "127.0.0.1")]);
    assert_eq!(server.send(rock(100, 300)).status, 201);
    let from = |client: &str, code: &str| {
        let look = Request::get(&format!("/api/v1/events/rock?code={code}"));
        server.send(look.forwarded_for(client))
    };
    for n in 0..20 {
        let wrong = from("203.0.113.5", &format!("guess{n}"));
        assert_eq!((wrong.status, wrong.code()), (409, Some(ProblemCode::CodeInvalid)), "{n}");
    }
    // From now on nothing is said of any code, the right one among them, by whichever way.
    let stopped = from("203.0.113.5", "crowd");
    assert_eq!((stopped.status, stopped.code()), (429, Some(ProblemCode::TooManyRequests)));
    let hold = wants("ann", true).forwarded_for("203.0.113.5");
    assert_eq!(server.send(hold).status, 429);
    let page = Request::get("/events/rock?code=crowd").forwarded_for("203.0.113.5");
    let page = server.send(page);
    assert!(page.text().contains("Too many wrong codes"), "{page:?}");
    assert_eq!(server.send(wants("ann", false).forwarded_for("203.0.113.5")).status, 201);
    // Others are not stopped by it.
    assert_eq!(from("198.51.100.7", "crowd").status, 200);
    let hold = wants("bob", true).forwarded_for("198.51.100.7");
    assert_eq!(server.send(hold).status, 201);
}

#[test]
fn a_page_says_what_holds_now_and_what_comes_then() {
    let dir = Dir::new("phases");
    let server = Server::start(&dir);
    let mut event = event_json(100, 300);
    let types = event["ticket_types"].as_array_mut().unwrap();
    types[0]["phases"] = json!([{"name": "Early bird", "price": {"amount": 2000, "currency": "GBP"},
                                 "until": "2030-05-03T12:00:00+01:00", "capacity": 3}]);
    let later = json!({"id": "late", "name": "Late", "pool": "floor", "capacity": 7,
                       "sale_opens": "2030-05-30T10:00:00+01:00",
                       "price": {"amount": 3000, "currency": "GBP"}});
    types.push(later);
    assert_eq!(server.send(put(&event)).status, 201);
    let told = server.event();
    let adult = &told["ticket_types"][0];
    assert_eq!(adult["price_now"]["amount"], 2000);
    assert_eq!(adult["price_left"], 3);
    assert_eq!(adult["next_price"]["amount"], 2500);
    assert_eq!(told["ticket_types"][1]["on_sale"], false);
    let page = server.get("/events/rock").text();
    for words in
        ["£20.00", "Early bird: until", "are left at this price, then £25.00", "On sale from"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let early = Request::new("POST", "/api/v1/events/rock/orders").json(&json!({
        "buyer": {"name": "Ann", "email": "ann@example.org"},
        "lines": [{"ticket_type": "late", "quantity": 1}]}));
    assert_eq!(server.send(early).code(), Some(ProblemCode::NotOnSale));
    // More than the phase has: first it is told, then it is sold at two prices.
    let asked = [("quantity:adult", "4"), ("price:adult", "2000")];
    let told = server.send(form(&asked));
    assert_eq!(told.status, 409);
    assert!(told.text().contains("Now it is 3 at £20.00, 1 at £25.00."), "{told:?}");
    assert!(told.text().contains("name=\"price:adult\" value=\"2500\""), "{told:?}");
    let agreed = server.send(form(&[("quantity:adult", "4"), ("price:adult", "2500")]));
    assert_eq!(agreed.status, 303, "{agreed:?}");
    let order = server.orders().remove(0);
    assert_eq!(order["total"]["amount"], 8500);
    assert_eq!(order["lines"].as_array().map(Vec::len), Some(2));
    assert_eq!(server.event()["ticket_types"][0].get("price_now"), None);
}
