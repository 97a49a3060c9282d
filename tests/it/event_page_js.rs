//! What the event's page does by itself where scripts run, and the print-out of tickets.

use crate::browser::accessible;
use crate::harness::*;
use crate::webdriver::{Browser, PHONE};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn put(server: &Server, id: &str, event: &Value) {
    let put = Request::new("PUT", &format!("/api/v1/events/{id}")).bearer(KEY).json(event);
    let made = server.send(put);
    assert!([200, 201].contains(&made.status), "{made:?}");
}

/// A time from now in RFC 3339. Days of a month do not change within a test that makes them from UTC.
fn in_seconds(seconds: u64) -> String {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(seconds);
    nts_server::when::rfc3339(i64::try_from(at.as_millis()).unwrap())
}

fn total(browser: &Browser) -> String {
    let total = "const total = document.querySelector('[data-total]');
                 return total.hidden ? '' : total.querySelector('output').textContent";
    browser.run(total).as_str().unwrap().to_owned()
}

#[test]
fn the_page_opens_by_itself_when_the_sale_opens() {
    let dir = Dir::new("js-opens");
    let server = Server::start(&dir);
    let mut event = event_json(9, 300);
    event["sale_opens"] = in_seconds(20).into();
    put(&server, "rock", &event);
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    browser.goto(&format!("http://{}/events/rock", server.address));
    browser.shows("The sale opens on");
    assert!(!browser.has("button[type=submit]") && !browser.has("input[type=text]"));
    accessible(&browser);
    browser.picture("page-1-before-the-opening");
    eventually("it opens by itself", || browser.has("button[type=submit]"));
    assert!(!browser.source().contains("The sale opens on"));
    // The organiser closes it, and opens it again.
    event["sale_opens"] = json!(null);
    event["sale_closes"] = "2026-01-01T00:00:00Z".into();
    put(&server, "rock", &event);
    browser.shows("The sale closed on");
    assert!(!browser.has("button[type=submit]"));
    event["sale_closes"] = json!(null);
    put(&server, "rock", &event);
    eventually("it opens again", || browser.has("button[type=submit]"));
}

#[test]
fn the_total_runs_along_in_the_currency_of_the_event() {
    let dir = Dir::new("js-total");
    let server = Server::start(&dir);
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    for (currency, minor, quantity, text) in [
        ("GBP", 999, "3", "£29.97"),
        ("EUR", 123_456, "2", "€2,469.12"),
        ("JPY", 1_500, "1", "¥1,500"),
        ("KWD", 1_250, "2", "KWD\u{a0}2.500"),
        ("HUF", 100_000, "4", "HUF\u{a0}4,000"),
        ("CHF", 105, "1", "CHF\u{a0}1.05"),
        ("ISK", 150_000, "3", "ISK\u{a0}4,500"),
        ("USD", 50, "10", "$5.00"),
        ("EUR", 0, "2", "Free"),
    ] {
        let mut event = event_json(40, 300);
        event["currency"] = currency.into();
        event["ticket_types"][0]["price"] = json!({"amount": minor, "currency": currency});
        let id = format!("{}-{minor}", currency.to_lowercase());
        put(&server, &id, &event);
        browser.goto(&format!("http://{}/events/{id}", server.address));
        browser.fill("#q1", quantity);
        assert_eq!(total(&browser), text, "{quantity} for {minor} {currency}");
        browser.fill("#q1", "x");
        assert_eq!(total(&browser), "", "nothing is chosen");
        if minor > 50 {
            // What is to be paid is written in the same way.
            browser.fill("#q1", quantity);
            browser.fill("#name", "Ann");
            browser.fill("#email", "ann@example.org");
            browser.click("button[type=submit]");
            browser.shows("Choose a card");
            let pays = browser.run("return document.querySelector('h1').textContent");
            assert_eq!(pays, format!("Pay {text}"));
        }
    }
}

#[test]
fn a_changed_price_is_told_and_what_was_typed_stays() {
    let dir = Dir::new("js-price");
    let server = Server::start(&dir);
    let mut event = event_json(9, 300);
    put(&server, "rock", &event);
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    browser.goto(&format!("http://{}/events/rock", server.address));
    browser.shows("Updated just now");
    browser.fill("#q1", "2");
    browser.fill("#name", "Ann Example");
    browser.fill("#email", "ann@example.org");
    event["ticket_types"][0]["price"]["amount"] = 3000.into();
    put(&server, "rock", &event);
    browser.shows("“Adult” costs £30.00 now; it was £25.00.");
    assert_eq!(total(&browser), "£60.00");
    accessible(&browser);
    browser.picture("page-2-changed-price");
    // Another ticket type: the page offers to load again, and keeps what was typed.
    event["ticket_types"].as_array_mut().unwrap().push(json!(
        {"id": "child", "name": "Child", "pool": "floor", "price": {"amount": 500, "currency": "GBP"}}
    ));
    put(&server, "rock", &event);
    browser.shows("Other tickets are on offer now.");
    browser.click("[data-news] a");
    browser.shows("Child");
    let typed = "return [...document.querySelectorAll('input[type=text]')].map((i) => i.value)";
    assert_eq!(browser.run(typed), json!(["2", "", "Ann Example", "ann@example.org"]));
    browser.click("button[type=submit]");
    browser.shows("Pay £60.00");
}

#[test]
fn what_is_gone_is_told_as_it_goes_and_comes_back() {
    let dir = Dir::new("js-gone");
    let server = Server::start(&dir);
    server.make_event(2, 300);
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    let url = format!("http://{}/events/rock", server.address);
    browser.goto(&url);
    browser.shows("2 left");
    let order = server.send(hold("ann", 2)).json();
    browser.shows("All reserved at the moment. Some may come back until");
    browser.goto(&url);
    assert!(!browser.has("button[type=submit]"));
    // Given back: there are some again. Sold: there are none, and no hope.
    let cancel = Request::form(&format!("{}/cancel", page_of(&order)), &[]);
    assert_eq!(server.send(cancel).status, 303);
    browser.shows("There are tickets again.");
    let order = server.send(hold("bob", 2)).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
    eventually("it is sold out", || {
        let gone = browser.run("return document.querySelector('[data-gone]').textContent");
        gone == "Sold out" && !browser.source().contains("come back")
    });
    accessible(&browser);
}

#[test]
fn the_print_out_says_of_each_ticket_what_when_and_where() {
    let dir = Dir::new("js-print");
    let server = Server::start(&dir);
    server.make_event(9, 300);
    let order = server.send(hold("ann", 6)).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
    let Some(browser) = Browser::start(true, (1280, 900), true) else { return };
    browser.goto(&format!("http://{}{}", server.address, page_of(&order)));
    browser.shows("Print the tickets");
    keep("ticket.pdf", &browser.printed());
    browser.print_media();
    let seen = browser.run(
        "return [...document.querySelectorAll('.ticket')].map((ticket) => {
           const style = getComputedStyle(ticket);
           const hidden = [...ticket.querySelectorAll('*')]
             .filter((e) => !e.closest('.screen') && getComputedStyle(e).display === 'none');
           return [ticket.innerText, style.breakInside, hidden.length, ticket.offsetHeight > 100];
         })",
    );
    let seen = seen.as_array().unwrap();
    assert_eq!(seen.len(), 6);
    for ticket in seen {
        let text = ticket[0].as_str().unwrap();
        for part in ["Rock", "Saturday 1 June 2030, 20:00 in London", "Hall", "Adult", "ann", "-"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(
            (&ticket[1], &ticket[2], &ticket[3]),
            (&json!("avoid"), &json!(0), &json!(true))
        );
    }
    let shown = browser.run(
        "return [...document.querySelectorAll('button, .button, form, footer, header')]
           .filter((e) => getComputedStyle(e).display !== 'none').length",
    );
    assert_eq!(shown, 0, "nothing that can only be pressed is printed");
    browser.whole_picture("page-3-print");
}

#[test]
fn the_page_closes_on_time_and_the_way_back_shows_what_is_true() {
    let dir = Dir::new("js-closes");
    let server = Server::start(&dir);
    let mut event = event_json(1, 300);
    event["sale_closes"] = in_seconds(25).into();
    put(&server, "rock", &event);
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    let url = format!("http://{}/events/rock", server.address);
    browser.goto(&url);
    browser.shows("Updated just now");
    // Somebody else takes the last one: what cannot be had is not offered, and comes back in place.
    let enabled = "return !document.querySelector('.bar button').disabled";
    assert_eq!(browser.run(enabled), json!(true));
    let other = server.send(hold("eve", 1)).json();
    browser.shows("All reserved at the moment");
    eventually("nothing is sent", || browser.run(enabled) == json!(false));
    accessible(&browser);
    browser.picture("page-4-all-reserved-live");
    let cancel = Request::form(&format!("{}/cancel", page_of(&other)), &[]);
    assert_eq!(server.send(cancel).status, 303);
    eventually("it can be had again", || browser.run(enabled) == json!(true));
    browser.fill("input[name='quantity:adult']", "1");
    browser.fill("#name", "Ann");
    browser.fill("#email", "ann@example.org");
    browser.click("button[type=submit]");
    browser.shows("Choose a card");
    browser.click("button[value=ctoken_ok]");
    browser.shows("Add to calendar");
    let tickets = browser.url();
    browser.back();
    // The payment page of before would say that there is something to pay.
    eventually("it leads to the tickets", || browser.url() == tickets);
    browser.goto(&url);
    browser.shows("You have tickets: 1 × Adult");
    accessible(&browser);
    browser.picture("page-5-your-tickets");
    eventually("it closes by itself", || browser.source().contains("The sale closed on"));
}
