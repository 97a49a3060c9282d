//! Every page of the office in a real browser: pictures for a person to look at, and axe-core.

use crate::browser::accessible;
use crate::harness::*;
use crate::webdriver::{Browser, ENTER, PHONE};
use nts_testkit::smtp::{Does, Relay, Step};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

fn put(server: &Server, id: &str, change: impl FnOnce(&mut Value)) {
    let mut event = event_json(40, 300);
    event["name"] = format!("The night of {id}").into();
    change(&mut event);
    let path = format!("/api/v1/events/{id}");
    let made = server.send(Request::new("PUT", &path).bearer(KEY).json(&event));
    assert!([200, 201].contains(&made.status), "{made:?}");
}

/// A shop in the middle of a sale, with something to look at.
pub struct Busy {
    pub server: Server,
    _relay: Relay,
    _dir: Dir,
}

impl Busy {
    pub fn start(name: &str) -> Busy {
        let dir = Dir::new(name);
        let relay = Relay::with(&["8BITMIME"], |step, line| match step {
            Step::Recipient if line.contains("bob") => Does::says("550 5.1.1 no such mailbox"),
            _ => Does::Usual,
        });
        let url = format!("smtp://{}", relay.address);
        let settings =
            [("NTS_SMTP", &*url), ("NTS_MAIL_FROM", "box@example.org"), ("NTS_DEMO", "0")];
        let server = Server::start_with(&dir, &settings);
        put(&server, "rock", |event| {
            event["name"] =
                "Harbour Night: an evening of songs from all the ports of the world".into();
            event["pools"].as_array_mut().unwrap().push(json!({"id": "balcony", "capacity": 12}));
            event["questions"] = json!([
                {"id": "note", "text": "Is there anything that we should know before you come?", "kind": "long_text"},
                {"id": "food", "text": "What do you eat?", "kind": "choice", "per": "ticket",
                 "choices": ["Everything", "Vegan"]},
            ]);
            let price = |amount: i64| json!({"amount": amount, "currency": "GBP"});
            event["ticket_types"].as_array_mut().unwrap().extend([
                json!({"id": "child", "name": "Under 16, with somebody who is not", "pool": "floor", "price": price(0)}),
                json!({"id": "balcony", "name": "Balcony", "pool": "balcony", "price": price(123_450)}),
            ]);
        });
        put(&server, "early", |event| event["sale_opens"] = "2029-01-01T00:00:00Z".into());
        put(&server, "draft", |event| event["hidden"] = true.into());
        put(&server, "over", |event| event["starts_at"] = "2020-06-01T20:00:00+01:00".into());
        let order = |who: &str, ticket_type: &str, quantity: u32| {
            let body = json!({
                "buyer": {"name": who, "email": format!("{who}@example.org")},
                "lines": [{"ticket_type": ticket_type, "quantity": quantity}],
            });
            let held = server.send(Request::new("POST", "/api/v1/events/rock/orders").json(&body));
            assert_eq!(held.status, 201, "{held:?}");
            held.json()
        };
        for (who, ticket_type, quantity) in
            [("ann", "adult", 4), ("bob", "balcony", 2), ("cat", "child", 3)]
        {
            let order = order(who, ticket_type, quantity);
            if who == "ann" {
                assert_eq!(server.send(pay(&order, "ctoken_declined")).status, 402);
            }
            assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
            if who == "bob" {
                let path = format!("/api/v1/orders/{}/refunds", text(&order, "id"));
                let body =
                    json!({"lines": [{"ticket_type": "balcony", "quantity": 1}], "restock": true});
                let refunded = server.send(Request::new("POST", &path).bearer(KEY).json(&body));
                assert_eq!(refunded.status, 200, "{refunded:?}");
            }
        }
        order("dan", "adult", 2);
        eventually("a mail was refused", || {
            let page = server.send(Request::get("/office").bearer(KEY)).text();
            page.contains("attention</a>")
        });
        Busy { server, _relay: relay, _dir: dir }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }
}

const PASSWORD: &str = "four words make a password";

/// A page: what it is called, its address, and what leads from there to what is looked at.
type Page = (&'static str, String, Option<fn(&Browser)>);

/// Sends the form of the page as it is: what the browser would ask for first is asked for by the server.
fn send_as_it_is(browser: &Browser) {
    browser.run("for (const form of document.forms) form.noValidate = true");
    let main = "main form button[type=submit]:is([value=publish], :not([name])):not(.first-button)";
    browser.click(main);
    let there = "return Boolean(document.querySelector('#faults'))";
    eventually("the fault is told", || browser.run(there) == json!(true));
}

/// Puts this into a field, also what a person could not type there.
fn put_into(browser: &Browser, name: &str, value: &str) {
    let script =
        format!("document.querySelector({:?}).value = {value:?}", format!("[name='{name}']"));
    browser.run(&script);
}

fn without_a_name(browser: &Browser) {
    put_into(browser, "name", "");
    send_as_it_is(browser);
}

fn answer_too_long(browser: &Browser) {
    put_into(browser, "a.note", &"so ".repeat(900));
    send_as_it_is(browser);
}

fn check_a_sale(browser: &Browser) {
    browser.fill("[name='quantity:adult']", "2");
    browser.fill("[name='quantity:balcony']", "1");
    browser.fill("#name", "Ann Example");
    browser.click("#tender");
    browser.click("main form button[type=submit]");
    browser.shows("What will happen");
}

/// A list with a line that is left out, and such and such lines.
fn list(lines: &str) -> String {
    let all = "name,email,ticket type,quantity,status,seat\n\
        Ann Example,ann@example.org,Balcony,1,paid,4\n\
        Left Out,,Balcony,1,canceled,5\n";
    format!("{all}{lines}")
}

fn list_with_mistakes(browser: &Browser) {
    let lines = "Bob Example,bob at example.org,adult,2,paid,\n,,adult,1,,\nCid,,child of somebody,0,paid,\n";
    put_into(browser, "list", &list(lines));
    send_as_it_is(browser);
}

fn check_a_list(browser: &Browser) {
    // A list that was not made before, in any look.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let line = format!("Robert Example the Younger,robert+{n}@example.org,adult,2,paid,\n");
    put_into(browser, "list", &list(&line));
    browser.click("main form button[type=submit]");
    browser.shows("Line by line");
    open_all(browser);
}

fn make_a_list(browser: &Browser) {
    check_a_list(browser);
    browser.click("main form button[type=submit]");
    browser.shows("Guests of the list");
}

fn open_all(browser: &Browser) {
    browser.run("for (const details of document.querySelectorAll('details')) details.open = true");
}

impl Busy {
    /// Makes the owner's account, by the link of the first start.
    fn make_owner(&self) {
        let link = self.server.said.iter().find_map(|line| line.split_once("/office/welcome/"));
        let path = format!("/office/welcome/{}", link.expect("the link").1);
        let account =
            [("email", "ann@example.org"), ("name", "Ann Example"), ("password", PASSWORD)];
        let made = self.server.send(Request::form(&path, &account));
        assert_eq!(made.status, 303, "{made:?}");
    }

    fn sign_in(&self, browser: &Browser) {
        browser.goto(&self.url("/office"));
        browser.fill("#email", "ann@example.org");
        browser.fill("#password", PASSWORD);
        browser.click("main form button[type=submit]");
        browser.shows("See the shop as buyers see it");
    }

    /// The page of an order that was sold for cash just now.
    fn sold(&self) -> String {
        let sale = json!({
            "buyer": {"name": "Box office"}, "tender": "cash", "reference": "Receipt 77",
            "lines": [{"ticket_type": "adult", "quantity": 1}],
        });
        let path = "/api/v1/events/rock/sales";
        let sold = self.server.send(Request::new("POST", path).bearer(KEY).json(&sale));
        assert_eq!(sold.status, 201, "{sold:?}");
        format!("/office/orders/{}?done=sold", text(&sold.json(), "id"))
    }

    /// The page of a webhook to which nothing arrives, once a message was tried.
    fn webhook(&self) -> String {
        let ask = |method, path: &str, body: Value| {
            let request = Request::new(method, &format!("/api/v1/webhooks{path}")).bearer(KEY);
            let request = if body.is_null() { request } else { request.json(&body) };
            self.server.send(request).json()
        };
        // Nothing is served at port 9 of this machine.
        let id = text(&ask("POST", "", json!({"url": "http://127.0.0.1:9/hook"})), "id");
        ask("POST", &format!("/{id}/test"), Value::Null);
        eventually("it was tried", || {
            let found = ask("GET", &format!("/{id}/deliveries"), Value::Null);
            found["deliveries"][0]["last"].is_object()
        });
        format!("/office/webhooks/{id}")
    }

    /// Every page of the office, some of them with a mistake.
    fn pages(&self) -> Vec<Page> {
        let paid = "/api/v1/events/rock/orders?state=paid";
        let orders = self.server.send(Request::get(paid).bearer(KEY)).json();
        let order = format!("/office/orders/{}", text(&orders["orders"][0], "id"));
        vec![
            ("home", "/office".into(), None),
            ("sale", "/office/events/rock".into(), None),
            ("sale-numbers", "/office/events/rock".into(), Some(open_all)),
            ("event-new", "/office/events/new".into(), None),
            ("event-new-all", "/office/events/new".into(), Some(open_all)),
            ("event-new-mistake", "/office/events/new".into(), Some(send_as_it_is)),
            ("event-edit", "/office/events/rock/edit".into(), None),
            ("event-picture", "/office/events/rock/picture".into(), None),
            ("event-cancel", "/office/events/early/cancel".into(), None),
            ("event-accounts", "/office/events/rock/accounts".into(), None),
            ("event-export", "/office/events/rock/export".into(), None),
            ("event-log", "/office/events/rock/log".into(), None),
            ("orders", "/office/orders".into(), None),
            ("orders-filters", "/office/orders".into(), Some(open_all)),
            ("orders-none", "/office/orders?q=nobody-of-this-name".into(), None),
            ("orders-of-event", "/office/events/rock/orders".into(), None),
            ("order", order.clone(), None),
            ("order-refund", format!("{order}/refund"), None),
            ("order-refund-mistake", format!("{order}/refund"), Some(send_as_it_is)),
            ("order-resend", format!("{order}/resend"), None),
            ("order-address", format!("{order}/address"), None),
            ("order-guest", format!("{order}/tickets/1"), None),
            ("order-name", format!("{order}/name"), None),
            ("order-name-mistake", format!("{order}/name"), Some(without_a_name)),
            ("order-answers", format!("{order}/answers"), None),
            ("order-answers-mistake", format!("{order}/answers"), Some(answer_too_long)),
            ("sell", "/office/events/rock/sell".into(), None),
            ("sell-mistake", "/office/events/rock/sell".into(), Some(send_as_it_is)),
            ("sell-check", "/office/events/rock/sell".into(), Some(check_a_sale)),
            ("sell-over", "/office/events/over/sell".into(), None),
            ("give", "/office/events/rock/give".into(), None),
            ("give-mistake", "/office/events/rock/give".into(), Some(send_as_it_is)),
            ("guests", "/office/events/rock/guests".into(), None),
            ("guests-none", "/office/events/rock/guests".into(), Some(send_as_it_is)),
            ("guests-mistake", "/office/events/rock/guests".into(), Some(list_with_mistakes)),
            ("guests-check", "/office/events/rock/guests".into(), Some(check_a_list)),
            ("guests-made", "/office/events/rock/guests".into(), Some(make_a_list)),
            ("order-sold", self.sold(), None),
            ("people", "/office/people".into(), Some(open_all)),
            ("people-mistake", "/office/people".into(), Some(send_as_it_is)),
            ("keys", "/office/keys".into(), None),
            ("keys-mistake", "/office/keys".into(), Some(send_as_it_is)),
            ("webhooks", "/office/webhooks".into(), Some(open_all)),
            ("webhooks-mistake", "/office/webhooks".into(), Some(send_as_it_is)),
            ("webhook", self.webhook(), Some(open_all)),
            ("shop", "/office/shop".into(), None),
            ("account", "/office/account".into(), None),
            ("authenticator", "/office/account/authenticator".into(), None),
            ("problem", "/office/events/none".into(), None),
        ]
    }
}

#[test]
fn every_page_of_the_office_keeps_nobody_out() {
    let busy = Busy::start("office-pages");
    busy.make_owner();
    let empty_dir = Dir::new("office-empty");
    let empty = Server::start_with(&empty_dir, &[("NTS_DEMO", "0")]);
    for (width, height, dark) in [
        (320, 640, false),
        (320, 640, true),
        (390, 844, false),
        (390, 844, true),
        (1280, 900, false),
        (1280, 900, true),
    ] {
        let Some(browser) = Browser::start(true, (width, height), dark) else { return };
        let scheme = if dark { "dark" } else { "light" };
        let look = |name: &str| {
            accessible(&browser);
            browser.whole_picture(&format!("office-{width}-{scheme}-{name}"));
        };
        browser.goto(&busy.url("/office"));
        look("sign-in");
        busy.sign_in(&browser);
        // All of them are looked at before one is complained of.
        let mut bad = Vec::new();
        for (name, path, lead) in busy.pages() {
            let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                browser.goto(&busy.url(&path));
                if let Some(lead) = lead {
                    lead(&browser);
                }
                look(name);
            }));
            bad.extend(seen.is_err().then_some(name));
        }
        assert!(bad.is_empty(), "{width} {scheme}: {bad:?}");
        browser.send_header("Authorization", &format!("Bearer {KEY}"));
        browser.goto(&format!("http://{}/office", empty.address));
        look("home-empty");
    }
}

#[test]
fn the_page_of_a_sale_counts_by_itself_and_keeps_what_is_open() {
    let busy = Busy::start("office-live");
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    browser.send_header("Authorization", &format!("Bearer {KEY}"));
    browser.goto(&busy.url("/office/events/rock"));
    browser.click("#hours-table summary");
    let sold = "return document.querySelector('[data-summary]').textContent";
    assert_eq!(browser.run(sold), json!("8 of 52 sold, 42 left"));
    busy.server.send(hold("eve", 2));
    eventually("it counts along", || browser.run(sold) == json!("8 of 52 sold, 40 left"));
    let open = browser
        .run("return [...document.querySelectorAll('[data-live] details[open]')].map((e) => e.id)");
    assert_eq!(open, json!(["hours-table"]));
    accessible(&browser);
}

#[test]
fn the_page_of_a_sale_prints_what_it_tells() {
    let busy = Busy::start("office-print");
    let Some(browser) = Browser::start(true, (1280, 900), true) else { return };
    browser.send_header("Authorization", &format!("Bearer {KEY}"));
    browser.goto(&busy.url("/office/events/rock"));
    browser.shows("Print this page");
    keep("office-sale.pdf", &browser.printed());
    browser.print_media();
    let seen = browser.run(
        "const shown = (css) => [...document.querySelectorAll(css)].filter((e) => e.checkVisibility()).length;
         return [shown('.tile'), shown('table'), shown('svg.chart'), shown('.event-name'),
                 shown('nav, button, header, .screen, .crumb')];",
    );
    assert_eq!(seen, json!([5, 3, 2, 1, 0]), "what is printed");
    browser.whole_picture("office-sale-print");
}

#[test]
fn the_office_is_reached_by_the_keyboard_alone() {
    let busy = Busy::start("office-keyboard");
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    browser.send_header("Authorization", &format!("Bearer {KEY}"));
    browser.goto(&busy.url("/office"));
    browser.tab_to("a[href='/office/events/rock']");
    browser.keys(ENTER);
    browser.shows("By ticket type");
    browser.tab_to("#hours-table summary");
    browser.keys(ENTER);
    let open = browser.run("return document.querySelector('#hours-table').open");
    assert_eq!(open, json!(true));
}

#[test]
fn without_javascript_the_page_of_a_sale_refreshes_itself() {
    let busy = Busy::start("office-plain");
    let Some(browser) = Browser::start(false, PHONE, false) else { return };
    browser.send_header("Authorization", &format!("Bearer {KEY}"));
    browser.goto(&busy.url("/office"));
    browser.click("a[href='/office/events/rock']");
    browser.shows("By ticket type");
    assert!(
        browser.has("noscript meta[http-equiv=refresh]")
            || browser.source().contains("http-equiv=\"refresh\"")
    );
    browser.click("#refresh");
    browser.shows("Sales over time");
}

#[test]
fn tickets_are_sold_by_the_keyboard_alone() {
    let busy = Busy::start("office-sell-keys");
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    browser.send_header("Authorization", &format!("Bearer {KEY}"));
    browser.goto(&busy.url("/office/events/rock/sell"));
    browser.tab_to("[name='quantity:adult']");
    browser.keys("2");
    browser.tab_to("#tender");
    browser.keys(" ");
    browser.tab_to("main form button[type=submit]");
    browser.keys(ENTER);
    browser.shows("What will happen");
    browser.tab_to("button[value=record]");
    browser.keys(ENTER);
    browser.shows("The sale is recorded: £50.00, paid in cash.");
}

#[test]
fn without_javascript_tickets_are_given_away_and_guests_are_made() {
    let busy = Busy::start("office-give-plain");
    let Some(browser) = Browser::start(false, PHONE, false) else { return };
    browser.send_header("Authorization", &format!("Bearer {KEY}"));
    browser.goto(&busy.url("/office/events/rock"));
    browser.click("nav a[href='/office/events/rock/sell']");
    browser.click("nav a[href='/office/events/rock/give']");
    browser.fill("[name='quantity:adult']", "1");
    // The browser asks for a name, and is content with a blank.
    browser.fill("#name", " ");
    browser.click("main form button[type=submit]");
    browser.shows("Type the name of the guest.");
    browser.fill("#name", "Ann Example");
    browser.click("main form button[type=submit]");
    browser.shows("Check the gift");
    browser.click("button[value=change]");
    browser.shows("Give tickets away");
    browser.click("main form button[type=submit]");
    browser.click("button[value=record]");
    browser.shows("The tickets are given away. 1 ticket is valid now.");
    browser.click("#done a");
    browser.click("nav a[href='/office/events/rock/guests']");
    browser.fill("#list", "name,ticket type\nBea,adult\nCid,adult\n");
    browser.click("main form button[type=submit]");
    browser.shows("Line by line");
    browser.click("button[value=make]");
    browser.shows("2 guests of the list got 2 tickets.");
    // Reloaded, as a person does who is not sure.
    browser.reload();
    browser.shows("2 guests had the tickets of this list before.");
}
