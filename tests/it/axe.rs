//! Every page in every state, judged by axe-core (<https://github.com/dequelabs/axe-core>) by the rules of
//! WCAG 2.2 A and AA: on the narrowest screen and at a desk, light and dark. `tools/axe` gets axe-core.

use crate::browser::{accessible, accessible_in};
use crate::harness::*;
use crate::webdriver::Browser;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::OnceLock;

/// The script, if it is there.
fn script() -> Option<&'static str> {
    static SCRIPT: OnceLock<Option<String>> = OnceLock::new();
    let script = SCRIPT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let script = std::fs::read_to_string(target.join("axe-core/axe.min.js")).ok();
        if script.is_none() {
            let why = "axe-core is not in target/axe-core: run tools/axe";
            assert!(std::env::var_os("NTS_TEST_ALL").is_none(), "{why}");
            println!("left out: what axe-core finds. {why}; ./check does");
        }
        script
    });
    script.as_deref()
}

/// Fails if axe-core finds a violation on the page that the browser shows.
pub fn finds_nothing(browser: &Browser) {
    let Some(found) = found(browser) else { return };
    assert_eq!(found["violations"], json!([]), "{}", browser.url());
    // It has looked at something.
    assert!(found["passes"].as_u64().unwrap() > 5, "{found}");
}

/// What axe-core finds there, if it is there itself.
fn found(browser: &Browser) -> Option<Value> {
    let script = script()?;
    browser.run(script);
    Some(browser.run_async(
        "const done = arguments[arguments.length - 1];
         const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
         axe.run(document, { runOnly: tags, resultTypes: ['violations'], iframes: false, preload: false })
           .then(({ violations, passes }) => done({
             passes: passes.length,
             violations: violations.map(({ id, help, nodes }) =>
               `${id}: ${help}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`),
           }))
           .catch((error) => done({ passes: 0, violations: [String(error)] }));",
    ))
}

#[test]
fn what_keeps_people_out_is_found() {
    let Some(browser) = Browser::start(true, (390, 844), false) else { return };
    browser.goto(
        "data:text/html,<title>x</title><h1>x</h1><img src=x><input><p style='color:%23aaa'>pale",
    );
    browser.run("console.error('a script that complains')");
    let complaints = browser.complaints();
    assert!(complaints.iter().any(|c| c.contains("a script that complains")), "{complaints:?}");
    let Some(found) = found(&browser) else { return };
    let found = found["violations"].to_string();
    for rule in ["html-has-lang", "image-alt", "label", "color-contrast"] {
        assert!(found.contains(rule), "{rule} in {found}");
    }
}

/// Makes an event from this, with changes.
fn put(server: &Server, id: &str, capacity: u32, change: impl FnOnce(&mut Value)) {
    let mut event = event_json(capacity, 300);
    event["name"] = format!("The night of {id}").into();
    change(&mut event);
    let path = format!("/api/v1/events/{id}");
    let made = server.send(Request::new("PUT", &path).bearer(KEY).json(&event));
    assert!([200, 201].contains(&made.status), "{made:?}");
}

fn hold_of(server: &Server, event: &str, who: &str, quantity: i64) -> Value {
    let path = format!("/api/v1/events/{event}/orders");
    let held = server.send(hold(who, quantity).to(&path));
    assert_eq!(held.status, 201, "{held:?}");
    held.json()
}

/// A page: what it is called, its address, and what leads from there to what is looked at.
type Page = (&'static str, String, Option<fn(&Browser)>);

fn fill_in_wrongly(browser: &Browser) {
    browser.fill("input[name='quantity:adult']", "99");
    browser.fill("#name", "Ann Example");
    browser.fill("#email", "ann at example.org");
    browser.click("button[type=submit]");
    browser.shows("Please check the marked fields");
}

fn name_wrongly(browser: &Browser) {
    browser.click("#t1 summary");
    browser.fill("#guest1", "\u{202e}");
    browser.click("#t1 form button");
    browser.shows("has characters that cannot be seen");
}

/// A shop with something in every state, and the addresses of its pages.
fn pages_of(server: &Server) -> Vec<Page> {
    server.make_event(40, 300);
    put(server, "several", 40, |event| {
        event["description"] = "An evening of songs.\nDoors at 19:00.\n\nNo seats.".into();
        event["ends_at"] = "2030-06-01T23:00:00+01:00".into();
        let price = |amount: i64| json!({"amount": amount, "currency": "GBP"});
        event["pools"].as_array_mut().unwrap().push(json!({"id": "box", "capacity": 0}));
        event["ticket_types"].as_array_mut().unwrap().extend([
            json!({"id": "child", "name": "Child", "pool": "floor", "price": price(0)}),
            json!({"id": "box", "name": "Box", "pool": "box", "price": price(99_900)}),
        ]);
    });
    put(server, "long", 9, |event| {
        event["description"] = "A long evening of many songs. ".repeat(80).into();
    });
    put(server, "sold-out", 1, |_| {});
    let sold = hold_of(server, "sold-out", "ann", 1);
    assert_eq!(server.send(pay(&sold, "ctoken_ok")).status, 200);
    put(server, "reserved", 1, |_| {});
    hold_of(server, "reserved", "ann", 1);
    put(server, "early", 9, |event| event["sale_opens"] = "2029-01-01T00:00:00Z".into());
    put(server, "closed", 9, |event| event["sale_closes"] = "2026-01-01T00:00:00Z".into());
    put(server, "draft", 9, |event| event["hidden"] = true.into());
    let order = |who: &str, quantity| server.send(hold(who, quantity)).json();
    let held = order("held", 2);
    let declined = order("declined", 1);
    assert_eq!(server.send(pay(&declined, "ctoken_declined")).status, 402);
    let paying = order("paying", 1);
    assert_eq!(server.send(pay(&paying, "ctoken_processing")).status, 202);
    let asked = order("asked", 1);
    let action = server.send(pay(&asked, "ctoken_3ds")).json();
    let bank = text(&action["action"], "url");
    let bank = bank[bank.find("/sandbox").unwrap()..].to_owned();
    let released = order("released", 1);
    server.send(Request::form(&format!("{}/cancel", page_of(&released)), &[]));
    let paid = order("paid", 2);
    let part = order("part", 2);
    let refunded = order("refunded", 1);
    for order in [&paid, &part, &refunded] {
        assert_eq!(server.send(pay(order, "ctoken_ok")).status, 200);
    }
    let name = format!("/api/v1/orders/{}/tickets/2", text(&paid, "id"));
    let name = Request::new("POST", &name).bearer(KEY).json(&json!({"name": "Guest of Ann"}));
    let ticket = |order: &Value, at: usize| {
        let url = text(&order["tickets"][at], "url");
        url[url.find("/T/").unwrap()..].to_owned()
    };
    let old = server.send(look(&paid)).json();
    let named = server.send(name).json();
    let refund = |order: &Value, body: Value| {
        let path = format!("/api/v1/orders/{}/refunds", text(order, "id"));
        assert_eq!(server.send(Request::new("POST", &path).bearer(KEY).json(&body)).status, 200);
    };
    let one = json!([{"ticket_type": "adult", "quantity": 1}]);
    refund(&part, json!({"lines": one, "restock": true}));
    refund(&refunded, json!({"all": true, "restock": true}));
    let pays = |order: &Value| {
        let lead = server.get(&format!("{}/pay", page_of(order)));
        lead.header("location").unwrap().to_owned()
    };
    let state = |order: &Value| format!("{}/order", pays(order));
    vec![
        ("front", "/".into(), None),
        ("event", "/events/rock".into(), None),
        ("event-several", "/events/several".into(), None),
        ("event-mistake", "/events/rock".into(), Some(fill_in_wrongly)),
        ("event-sold-out", "/events/sold-out".into(), None),
        ("event-reserved", "/events/reserved".into(), None),
        ("event-early", "/events/early".into(), None),
        ("event-closed", "/events/closed".into(), None),
        ("event-draft", "/events/draft".into(), None),
        ("pay", pays(&held), None),
        ("pay-declined", pays(&declined), None),
        ("pay-state-paying", state(&paying), None),
        ("pay-state-paid", state(&paid), None),
        ("bank", bank, None),
        ("order-held", page_of(&held), None),
        ("order-keep", format!("{}?new", page_of(&held)), None),
        ("event-long", "/events/long".into(), None),
        ("order-declined", page_of(&declined), None),
        ("order-paying", page_of(&paying), None),
        ("order-asked", page_of(&asked), None),
        ("order-released", page_of(&released), None),
        ("order-paid", page_of(&paid), None),
        ("order-part", page_of(&part), None),
        ("order-refunded", page_of(&refunded), None),
        ("order-name-mistake", page_of(&paid), Some(name_wrongly)),
        ("ticket", ticket(&named, 0), None),
        ("ticket-named", ticket(&named, 1), None),
        ("ticket-passed-on", ticket(&old, 1), None),
        ("ticket-unknown", "/t/none".into(), None),
        ("problem", "/nowhere".into(), None),
        ("problem-event", "/events/none".into(), None),
        ("problem-codes", "/problems/sold_out".into(), None),
        ("guests", "/nts/v1/list-guests".into(), None),
    ]
}

/// The pages of the show by name.
fn by_name(browser: &Browser, url: &str, name: &str, look: &dyn Fn(&str)) {
    browser.goto(url);
    look("fresh");
    browser.fill("#fullname", name);
    browser.click("form[action='/nts/v1/reserve'] button");
    browser.shows("thank you");
    look("reserved");
    browser.click("button[value=tok_chargeDeclined]");
    browser.shows("The payment was declined");
    look("card-declined");
    browser.click("button[value=tok_visa]");
    browser.shows("your payment is complete");
    look("charged");
    browser.goto(url);
    browser.click("summary");
    look("tools");
    browser.click("form[action='/nts/v1/debug/reset'] button");
    browser.shows("Reset The best ever show?");
    look("reset");
}

/// It is in English only, and too long for one picture.
#[test]
fn the_description_of_the_api_keeps_nobody_out() {
    let dir = Dir::new("axe-api");
    let server = Server::start(&dir);
    for (width, height, dark) in [(320, 640, false), (390, 844, true), (1280, 900, true)] {
        let Some(browser) = Browser::start(true, (width, height), dark) else { return };
        browser.goto(&format!("http://{}/docs/api", server.address));
        accessible(&browser);
        browser.picture(&format!("api-{width}"));
    }
}

#[test]
fn every_page_in_every_state_keeps_nobody_out() {
    let (dir, fresh_dir, empty_dir) = (Dir::new("axe"), Dir::new("axe-fresh"), Dir::new("axe-no"));
    let server = Server::start(&dir);
    let fresh = Server::start(&fresh_dir);
    let empty = Server::start_with(&empty_dir, &[("NTS_DEMO", "0")]);
    let pages = pages_of(&server);
    for (width, height, dark) in [
        (320, 640, false),
        (320, 640, true),
        (390, 844, false),
        (1280, 900, false),
        (1280, 900, true),
    ] {
        let Some(browser) = Browser::start(true, (width, height), dark) else { return };
        let scheme = if dark { "dark" } else { "light" };
        let look = |name: &str| {
            accessible(&browser);
            browser.whole_picture(&format!("all-{width}-{scheme}-{name}"));
        };
        for (name, path, lead) in &pages {
            browser.goto(&format!("http://{}{path}", server.address));
            if let Some(lead) = lead {
                lead(&browser);
            }
            look(name);
        }
        browser.goto(&format!("http://{}/", empty.address));
        look("empty");
        // A payment on its way: the page looks for news by itself.
        let waits = server.send(hold("waits", 1)).json();
        std::thread::scope(|scope| {
            scope.spawn(|| server.send(pay(&waits, "ctoken_slow")));
            let state = || text(&server.send(crate::harness::look(&waits)).json(), "state");
            eventually("it is paying", || state() == "paying");
            browser.goto(&format!("http://{}{}", server.address, page_of(&waits)));
            browser.shows("Your payment is being made");
            look("order-waiting");
            browser.shows("Add to calendar");
        });
        let name = format!("Guest {width} {scheme}");
        by_name(&browser, &format!("http://{}/", fresh.address), &name, &look);
    }
}

/// Longer words than English has, and the words that scripts write.
#[test]
fn every_page_in_german_keeps_nobody_out() {
    let dir = Dir::new("axe-german");
    let server = Server::start(&dir);
    let pages = pages_of(&server);
    for width in [320, 390, 1280] {
        let Some(browser) = Browser::start(true, (width, 844), false) else { return };
        let url = |path: &str| format!("http://{}{path}", server.address);
        let from_old_demo = |path: &str| path.starts_with("/nts/");
        for (name, path, _) in pages.iter().filter(|(_, path, _)| !from_old_demo(path)) {
            let mark = if path.contains('?') { '&' } else { '?' };
            browser.goto(&url(&format!("{path}{mark}lang=de")));
            accessible_in(&browser, "de");
            browser.whole_picture(&format!("german-{width}-{name}"));
        }
        // The browser remembers it.
        browser.goto(&url("/events/rock"));
        browser.shows("Gerade aktualisiert.");
        browser.fill("input[name='quantity:adult']", "99");
        browser.fill("#name", "Ann Example");
        browser.fill("#email", "ann at example.org");
        browser.click("button[type=submit]");
        browser.shows("Bitte prüfen Sie die markierten Felder");
        accessible_in(&browser, "de");
        browser.whole_picture(&format!("german-{width}-event-mistake"));
        // Where a form came back, the links lead to the page.
        browser.click("a[hreflang=es]");
        browser.shows("Continuar al pago");
        assert_eq!(browser.url(), url("/events/rock?lang=es"));
    }
}
