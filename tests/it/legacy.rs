//! A script written for the Go demo finds what it expects, with the demo's mistakes mended.

use crate::forms::PageForm;
use crate::harness::*;
use serde_json::json;

fn reserve(server: &Server, name: &str) -> Answer {
    server.send(Request::form("/nts/v1/reserve", &[("fullname", name)]))
}

fn charge(server: &Server, name: &str, token: &str) -> Answer {
    let fields = [("fullname", name), ("stripeToken", token), ("stripeEmail", "a@b")];
    server.send(Request::form("/nts/v1/charge", &fields))
}

fn left(server: &Server) -> u32 {
    let page = server.get("/").text();
    let at = page.find("only ").expect("the old words") + 5;
    page[at..].split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_old_script_still_works() {
    let dir = Dir::new("legacy");
    let server = Server::start(&dir);
    assert_eq!(left(&server), 5);
    let page = reserve(&server, "Ann").text();
    let form = PageForm::of(&page, "/nts/v1/charge").expect("a form that pays");
    assert!(page.contains("thank you Ann") && page.contains("reserved for ~5 minutes"), "{page}");
    assert_eq!(left(&server), 4);
    // One for each name: again is a renewal and takes no second place.
    assert_eq!(reserve(&server, "Ann").status, 200);
    assert_eq!(left(&server), 4);
    for _ in 0..101 {
        assert_eq!(left(&server), 4, "looking changes nothing");
    }

    let declined = charge(&server, "Ann", "tok_chargeDeclined");
    assert_eq!(declined.status, 402, "a declined card is not a sale");
    assert!(!server.get("/nts/v1/list-guests").text().contains("Ann"));
    // A name alone has one attempt; the form that was answered has more.
    assert_eq!(charge(&server, "Ann", "tok_visa").status, 403);
    let done = server.send(form.with(&[("stripeToken", "tok_visa"), ("stripeEmail", "a@b")]));
    assert!(done.text().contains("congratulations Ann your payment is complete"), "{done:?}");
    // Charging again answers the same page and charges nothing.
    assert!(charge(&server, "Ann", "tok_visa").text().contains("your payment is complete"));
    assert!(reserve(&server, "Ann").text().contains("your payment is complete"));
    assert!(server.get("/nts/v1/list-guests").text().contains("Ann<br>"));

    for name in ["Bob", "Cyd", "Dan", "Eve"] {
        assert_eq!(reserve(&server, name).status, 200);
    }
    assert_eq!(left(&server), 0);
    let sold_out = reserve(&server, "Fay");
    assert_eq!(sold_out.status, 409);
    assert!(sold_out.text().contains("Sold out"));
    assert_eq!(charge(&server, "Fay", "tok_visa").status, 404);
    assert_eq!(reserve(&server, "").status, 400);
    assert_eq!(reserve(&server, &"x".repeat(5_000)).status, 400);
    assert_eq!(charge(&server, "Bob", "").status, 400);

    // The form of the page asks first; a script does not.
    let form = PageForm::of(&server.get("/").text(), "/nts/v1/debug/reset").unwrap();
    let asked = server.send(form.with(&[]));
    assert!(asked.status == 200 && asked.text().contains("Reset The best ever show?"));
    assert_eq!(left(&server), 0, "nothing is reset yet");
    let reset = server.send(Request::form("/nts/v1/debug/reset", &[]));
    assert_eq!((reset.status, reset.header("location")), (303, Some("/")));
    assert_eq!(left(&server), 5);
    assert!(!server.get("/nts/v1/list-guests").text().contains("Ann"));
    assert_eq!(reserve(&server, "Ann").status, 200);
}

#[test]
fn an_expired_name_can_reserve_again_and_takes_its_place_again() {
    let dir = Dir::new("legacy-expiry");
    let settings = [("NTS_SHOW", "rock")];
    let server = Server::start_with(&dir, &settings);
    let mut event = event_json(2, 1);
    event["limit_per_buyer"] = 1.into();
    server.send(Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event));
    assert_eq!(reserve(&server, "Ann").status, 200);
    eventually("the hold runs out", || left(&server) == 2);
    assert_eq!(charge(&server, "Ann", "tok_visa").status, 410, "too late, and nothing is charged");
    assert_eq!(reserve(&server, "Ann").status, 200);
    assert_eq!(left(&server), 1);
    for _ in 0..10 {
        charge(&server, "Bob", "tok_visa");
    }
    assert_eq!(left(&server), 1, "charging nobody adds no places");
    assert_eq!(charge(&server, "Ann", "tok_visa").status, 200);
    assert_eq!(left(&server), 1);
}

#[test]
fn the_demo_show_sells_four_to_a_person_and_one_to_a_name() {
    let dir = Dir::new("legacy-four");
    let server = Server::start_with(&dir, &[("NTS_DEMO_TICKETS", "9")]);
    let order = |quantity: &str, email: &str| {
        let fields = [("quantity:ticket", quantity), ("name", "Ann"), ("email", email)];
        server.send(Request::form("/events/best-show-ever/orders", &fields)).status
    };
    assert_eq!(order("4", "ann@example.org"), 303);
    assert_eq!(order("1", "ann@example.org"), 409, "she has four");
    assert_eq!(left(&server), 5);
    // By name it is one, however many ask for it at once.
    std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..8).map(|_| scope.spawn(|| reserve(&server, "Bob").status)).collect();
        for one in asked {
            assert_eq!(one.join().unwrap(), 200);
        }
    });
    assert_eq!(left(&server), 4);
    assert_eq!(charge(&server, "Bob", "tok_visa").status, 200);
    assert!(reserve(&server, "Bob").text().contains("your payment is complete"));
    assert_eq!(left(&server), 4);
}

#[test]
fn a_name_is_one_however_its_spaces_are_written() {
    let dir = Dir::new("legacy-spaces");
    let server = Server::start(&dir);
    for name in ["Ann Lee", "Ann  Lee", "ann\u{a0}lee", " Ann\u{2003}Lee "] {
        assert_eq!(reserve(&server, name).status, 200, "{name:?}");
        assert_eq!(left(&server), 4, "{name:?}");
    }
    assert_eq!(charge(&server, "Ann \u{a0} Lee", "tok_visa").status, 200);
    assert!(reserve(&server, "ANN LEE").text().contains("your payment is complete"));
    assert_eq!(left(&server), 4);
}

#[test]
fn the_form_of_the_old_show_steps_back_for_the_events_of_an_organiser() {
    let dir = Dir::new("legacy-card");
    let server = Server::start(&dir);
    let shows = |server: &Server| server.get("/").text().contains("/nts/v1/reserve");
    let put = |id: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let mut event = event_json(9, 300);
        change(&mut event);
        let path = format!("/api/v1/events/{id}");
        let put = Request::new("PUT", &path).bearer(KEY).json(&event);
        assert!([200, 201].contains(&server.send(put).status));
    };
    assert!(shows(&server));
    // Neither a draft nor what is not sold any more counts.
    put("draft", &|event| event["hidden"] = true.into());
    put("closed", &|event| event["sale_closes"] = "2026-01-01T00:00:00Z".into());
    assert!(shows(&server));
    put("rock", &|_| {});
    assert!(!shows(&server));
    assert_eq!(reserve(&server, "Ann").status, 200, "its routes stay");
    server.stop();
    for (choice, shown) in [("1", true), ("0", false), ("", false)] {
        let server = Server::start_with(&dir, &[("NTS_DEMO_CARD", choice)]);
        assert_eq!(shows(&server), shown, "{choice:?}");
        server.stop();
    }
}

/// A person at the card of the front page: a mistake or a declined card gives the form again, and the payment
/// leads to the ticket.
#[test]
fn the_card_of_the_front_page_is_no_dead_end() {
    let dir = Dir::new("legacy-person");
    let server = Server::start(&dir);
    let no_iso = |answer: &Answer| {
        let page = answer.text();
        let iso = page.split(['>', '<', ' ']).find(|word| {
            word.len() > 15 && word.contains("T0") | word.contains("T1") | word.contains("T2")
        });
        assert!(iso.is_none_or(|word| word.starts_with("datetime=")), "{iso:?} in {page}");
    };
    for name in ["", "   ", "a\u{0}b"] {
        let mistake = reserve(&server, name);
        assert_eq!(mistake.status, 400, "{mistake:?}");
        let form = PageForm::of(&mistake.text(), "/nts/v1/reserve").expect("the form again");
        assert!(form.field("fullname").is_some(), "{mistake:?}");
    }
    let reserved = reserve(&server, "Ann");
    let cookies = way_back(&reserved);
    let form = PageForm::of(&reserved.text(), "/nts/v1/charge").unwrap();
    let declined = server.send(form.with(&[("stripeToken", "tok_chargeDeclined")]));
    assert_eq!(declined.status, 402, "{declined:?}");
    assert!(declined.text().contains("declined") && !declined.text().contains("by this request"));
    no_iso(&declined);
    // The same name again: whoever has the cookie goes on; others are told when it ends, in words.
    let again = Request::form("/nts/v1/reserve", &[("fullname", "Ann")]);
    let own = server.send(again.clone().header("cookie", &cookies));
    assert!(
        PageForm::of(&own.text(), "/nts/v1/charge").is_some_and(|f| f.field("secret").is_some())
    );
    let stranger = server.send(again.clone());
    assert_eq!(stranger.status, 409, "{stranger:?}");
    no_iso(&stranger);
    let script = again.header("cookie", &cookies).header("sec-fetch-mode", "cors");
    assert_eq!(server.send(script).status, 409, "a script is no browser that goes to a page");
    // Another card, from the page that came back.
    let form = PageForm::of(&declined.text(), "/nts/v1/charge").expect("the cards again");
    let paid = server.send(form.with(&[("stripeToken", "tok_visa")]));
    assert!(paid.text().contains("congratulations Ann your payment is complete"), "{paid:?}");
    let page = paid.text();
    let link = page.split("href=\"").find(|rest| rest.starts_with("/orders/")).expect("the ticket");
    let ticket = server.get(link.split('"').next().unwrap());
    assert!(ticket.text().contains("svg role=\"img\""), "{ticket:?}");
    // By the name alone nobody is led there.
    for answer in [reserve(&server, "Ann"), charge(&server, "Ann", "tok_visa")] {
        assert!(!answer.text().contains("/orders/") && !answer.text().contains("/pay/"));
    }
}

/// The price of an order is the one at which it was made, whatever the event says by now.
#[test]
fn a_reservation_is_paid_at_the_price_that_its_page_says() {
    let dir = Dir::new("legacy-price");
    let server = Server::start(&dir);
    let reserved = reserve(&server, "Ann").text();
    let event = server.get("/api/v1/events/best-show-ever").json();
    let before = event["ticket_types"][0]["price"]["amount"].as_i64().unwrap();
    let said = reserved.split("Pay ").nth(1).unwrap().split(" with").next().unwrap().to_owned();
    let (kind, pool) = (&event["ticket_types"][0], &event["pools"][0]["id"]);
    let price = json!({"amount": before * 2, "currency": kind["price"]["currency"]});
    let made = json!({
        "name": "Other", "starts_at": "2030-06-01T19:00:00Z", "zone": "UTC", "currency": price["currency"],
        "limit_per_buyer": 4, "pools": [{"id": pool, "capacity": 5}],
        "ticket_types": [{"id": kind["id"], "name": "Other", "pool": pool, "price": price}],
    });
    let put = Request::new("PUT", "/api/v1/events/best-show-ever").bearer(KEY).json(&made);
    let put = server.send(put);
    assert_eq!(put.status, 200, "{put:?}");
    let form = PageForm::of(&reserved, "/nts/v1/charge").unwrap();
    let secret = form.field("secret").unwrap().to_owned();
    let again = Request::form("/nts/v1/reserve", &[("fullname", "Ann"), ("secret", &secret)]);
    let again = server.send(again);
    assert!(again.text().contains(&format!("Pay {said} with")), "{said}: {again:?}");
}
