//! Tickets bought in a real browser, with JavaScript and without, at a phone's width.

use crate::harness::*;
use crate::webdriver::{Browser, DESK, PHONE};
use serde_json::json;

fn shop(name: &str) -> (Dir, Server, String) {
    let dir = Dir::new(name);
    let server = Server::start_with(&dir, &[("NTS_DEMO_CARD", "1")]);
    let mut event = event_json(40, 300);
    event["name"] = "Harbour Night: an evening of songs from all the ports of the world".into();
    event["pools"] = json!([{"id": "floor", "capacity": 40}, {"id": "box", "capacity": 0}]);
    event["ticket_types"] = json!([
        {"id": "adult", "name": "Standing", "pool": "floor", "price": {"amount": 2500, "currency": "GBP"}},
        {"id": "child", "name": "Standing, under 16 and with somebody who is not", "pool": "floor", "price": {"amount": 0, "currency": "GBP"}},
        {"id": "box", "name": "Box", "pool": "box", "price": {"amount": 99900, "currency": "GBP"}},
    ]);
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 201);
    let url = format!("http://{}", server.address);
    (dir, server, url)
}

/// What holds of every page: a person with any device and any reader can use it.
pub fn accessible(browser: &Browser) {
    accessible_in(browser, "en");
}

/// The same of a page in this language.
pub fn accessible_in(browser: &Browser, lang: &str) {
    assert_eq!(
        browser.run("return document.documentElement.lang"),
        json!(lang),
        "{}",
        browser.url()
    );
    let faults = browser.run(
        "const faults = [];
         const say = (bad, what) => { if (bad) faults.push(what); };
         say(document.querySelectorAll('h1').length !== 1, 'not one h1');
         say(!document.title, 'no title');
         say(document.documentElement.scrollWidth > document.documentElement.clientWidth, 'scrolls sideways');
         for (const f of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
           say(!f.labels || !f.labels.length, 'a field without a label: ' + f.name);
         for (const b of document.querySelectorAll('button, .button, input:not([type=hidden])'))
         {
           // What is ticked is ticked by its label, too.
           const label = b.matches('[type=checkbox], [type=radio]') && b.labels?.[0];
           const high = Math.max(...[b, label].filter(Boolean).map((e) => e.getBoundingClientRect().height));
           say(high < 44, 'a small target: ' + (b.textContent || b.name));
         }
         let last = 0;
         for (const h of document.querySelectorAll('h1, h2, h3, h4')) {
           const level = Number(h.tagName[1]);
           say(level > last + 1, 'a heading that skips a level: ' + h.textContent);
           last = level;
         }
         for (const s of document.querySelectorAll('svg')) say(!s.getAttribute('aria-label'), 'a picture without words');
         const lum = (c) => { const v = c.match(/[\\d.]+/g).slice(0, 3).map((x) => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; }); return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
         const back = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/rgba\\(.*, 0\\)/.test(c) && c !== 'transparent') return c; } return 'rgb(255, 255, 255)'; };
         for (const e of document.querySelectorAll('body *')) {
           if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || e.closest('svg, .skip')) continue;
           const [a, b] = [lum(getComputedStyle(e).color), lum(back(e))];
           const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
           say(ratio < 4.5, 'contrast ' + ratio.toFixed(2) + ': ' + e.textContent.trim().slice(0, 40));
         }
         return faults;",
    );
    assert_eq!(faults, json!([]), "{}", browser.url());
    crate::axe::finds_nothing(browser);
    let complaints: Vec<String> = browser.complaints();
    // A page that says no has that status, and the browser notes it; so it does where a test has taken its network.
    let noted = ["status of 4", "net::ERR_INTERNET_DISCONNECTED"];
    let complaints: Vec<_> =
        complaints.iter().filter(|c| !noted.iter().any(|noted| c.contains(noted))).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn a_ticket_is_bought_on_a_phone_with_javascript() {
    let (_dir, server, url) = shop("browser-js");
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    browser.goto(&url);
    accessible(&browser);
    browser.picture("phone-1-front");
    browser.click("a[href='/events/rock']");
    browser.shows("Updated just now");
    assert!(browser.source().contains("40 left"));
    // Somebody else holds two places: the page counts along by itself.
    server.send(hold("eve", 2));
    browser.shows("38 left");
    accessible(&browser);
    browser.picture("phone-2-event");
    browser.fill("input[name='quantity:adult']", "2");
    browser.fill("#name", "Ann Example");
    browser.fill("#email", "ann@example.org");
    browser.shows("£50.00");
    browser.picture("phone-2-filled");
    browser.click("button[type=submit]");
    browser.shows("Choose a card");
    accessible(&browser);
    let countdown = "return document.querySelector('[data-until]').textContent";
    let before = browser.run(countdown).as_str().unwrap().to_owned();
    assert!(before.contains(':'), "{before}");
    eventually("the countdown counts", || browser.run(countdown) != before.as_str());
    browser.picture("phone-4-pay");
    // The way back: on the event's page, and on the front page.
    for page in ["/events/rock", "/"] {
        browser.goto(&format!("{url}{page}"));
        browser.shows("You have an open reservation: 2 × Standing");
        accessible(&browser);
    }
    browser.click("a[href^='/pay/']");
    browser.shows("Choose a card");
    browser.click("a[href$='/order']");
    browser.shows("Reserved for you");
    accessible(&browser);
    browser.picture("phone-3-held");
    browser.click("a.button[href$='/pay']");
    browser.shows("Choose a card");
    browser.click("button[value=ctoken_declined]");
    browser.shows("Your card was declined");
    accessible(&browser);
    browser.picture("phone-5-declined");
    browser.click("a.button[href$='/pay']");
    browser.click("button[value=ctoken_ok]");
    browser.shows("Add to calendar");
    accessible(&browser);
    browser.picture("phone-6-yours");
    let order = browser.url();
    let shown = "return [document.querySelectorAll('.ticket svg').length, document.querySelectorAll('.ticket code').length]";
    assert_eq!(browser.run(shown), json!([2, 2]));

    // Reload, the back button and a second payment page all tell the same truth.
    browser.reload();
    browser.shows("Paid. The tickets are yours.");
    browser.goto(&format!("{order}/pay"));
    assert_eq!(browser.url(), order, "nothing is left to pay");
    assert_eq!(server.counts(), (2, 2, 36));
    let id = order.split('/').nth(4).unwrap().to_owned();
    let refunds = Request::new("POST", &format!("/api/v1/orders/{id}/refunds")).bearer(KEY);
    let part = json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": true});
    assert_eq!(server.send(refunds.json(&part)).status, 200);
    browser.reload();
    browser.shows("no longer valid");
    accessible(&browser);
    browser.picture("phone-7-partly-refunded");

    browser.goto(&format!("{url}/events/none"));
    browser.shows("There is no such event");
    accessible(&browser);
    browser.picture("phone-8-problem");
}

#[test]
fn a_ticket_is_bought_on_a_phone_without_javascript() {
    let (_dir, server, url) = shop("browser-nojs");
    let Some(browser) = Browser::start(false, PHONE, false) else { return };
    browser.goto(&url);
    browser.click("a[href='/events/rock']");
    browser.shows("Updated at");
    assert!(!browser.source().contains("just now"), "JavaScript is off");
    browser.fill("input[name='quantity:adult']", "1");
    browser.fill("#name", "Ben Example");
    browser.fill("#email", "ben@example.org");
    browser.click("button[type=submit]");
    browser.shows("Choose a card");
    browser.picture("nojs-1-pay");
    // Back and send the same form once more: the same order, not a second one.
    let pay = browser.url();
    browser.back();
    browser.shows("Name on the tickets");
    browser.click("button[type=submit]");
    browser.shows("Choose a card");
    assert_eq!(browser.url(), pay);
    assert_eq!(server.counts(), (1, 0, 39));
    browser.click("a[href$='/order']");
    browser.shows("Reserved for you");
    let order = browser.url();
    // Away from the bank's page, and back to the order.
    browser.click("a.button[href$='/pay']");
    browser.click("button[value=ctoken_3ds]");
    browser.shows("The sandbox&#39;s bank".replace("&#39;", "'").as_str());
    browser.picture("nojs-2-bank");
    browser.back();
    browser.goto(&order);
    browser.shows("Your bank needs to confirm this payment");
    browser.picture("nojs-3-asked");
    browser.click("a.button[href^='/sandbox/']");
    browser.click("button[value=yes]");
    browser.shows("Add to calendar");
    browser.picture("nojs-4-yours");
    assert_eq!(browser.url(), order);
    assert_eq!(server.counts(), (0, 1, 39));

    // Walking away gives the place back.
    browser.goto(&format!("{url}/events/rock"));
    browser.fill("input[name='quantity:child']", "1");
    browser.fill("#name", "Cyd");
    browser.fill("#email", "cyd@example.org");
    browser.click("button[type=submit]");
    // What is free needs no payment.
    browser.shows("Add to calendar");
    assert_eq!(server.counts(), (0, 2, 38));
    browser.goto(&format!("{url}/events/rock"));
    browser.fill("input[name='quantity:adult']", "1");
    browser.fill("#name", "Cyd");
    browser.fill("#email", "cyd@example.org");
    browser.click("button[type=submit]");
    browser.click("a[href$='/order']");
    browser.click("form[action$='/cancel'] button");
    browser.shows("This reservation was cancelled");
    browser.picture("nojs-5-released");
    assert_eq!(server.counts(), (0, 2, 38));
}

#[test]
fn the_old_show_is_reserved_by_name_without_javascript() {
    let dir = Dir::new("browser-old");
    let server = Server::start(&dir);
    let url = format!("http://{}", server.address);
    let Some(browser) = Browser::start(false, PHONE, false) else { return };
    browser.goto(&url);
    browser.picture("nojs-6-front");
    browser.fill("#fullname", "Dan");
    browser.click("form[action='/nts/v1/reserve'] button");
    browser.shows("thank you Dan");
    browser.picture("nojs-7-old-reserved");
    browser.click("button[value=tok_visa]");
    browser.shows("your payment is complete");
    browser.picture("nojs-8-old-charged");
}

#[test]
fn pages_hold_at_a_desk_in_the_dark_and_on_the_narrowest_screen() {
    let (_dir, server, url) = shop("browser-desk");
    let held = server.send(hold("ann", 3)).json();
    let paid = server.send(hold("bob", 2)).json();
    assert_eq!(server.send(pay(&paid, "ctoken_ok")).status, 200);
    let pages = [
        ("front", url.clone()),
        ("event", format!("{url}/events/rock")),
        ("held", format!("{url}{}", page_of(&held))),
        ("pay", format!("{url}{}/pay", page_of(&held))),
        ("yours", format!("{url}{}", page_of(&paid))),
    ];
    for (name, size, dark) in
        [("desk", DESK, false), ("dark", DESK, true), ("narrow", (320, 640), false)]
    {
        let Some(browser) = Browser::start(true, size, dark) else { return };
        for (page, address) in &pages {
            browser.goto(address);
            accessible(&browser);
            browser.picture(&format!("{name}-{page}"));
        }
    }
}

/// Serves one page of another site, again and again.
fn other_site(html: String) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let html = html.clone();
            // A browser opens connections on which it asks nothing yet.
            std::thread::spawn(move || {
                use std::io::{Read, Write};
                _ = stream.read(&mut [0; 4096]);
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n";
                _ = write!(stream, "{head}content-length: {}\r\n\r\n{html}", html.len());
            });
        }
    });
    format!("localhost:{port}")
}

#[test]
fn another_sites_page_is_refused_and_a_reset_asks_first() {
    let (_dir, server, url) = shop("browser-sites");
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    let reserved = server.send(Request::form("/nts/v1/reserve", &[("fullname", "Dan")]));
    assert_eq!(reserved.status, 200);
    // What a page elsewhere sends by itself, in the visitor's name.
    let form = |action: &str, fields: &str| {
        other_site(format!(
            "<form method=post action='{url}{action}'>{fields}</form><script>document.forms[0].submit()</script>"
        ))
    };
    let hold = "<input name=name value=Eve><input name=email value=eve@example.org>\
                <input name='quantity:adult' value=1>";
    let hold = form("/events/rock/orders", hold);
    let reset = form("/nts/v1/debug/reset", "<input name=confirm value=yes>");
    // Another site, and another port of the same one.
    for address in [&hold, &reset, &hold.replace("localhost", "127.0.0.1")] {
        browser.goto(&format!("http://{address}"));
        browser.shows("This came from another site");
        accessible(&browser);
    }
    browser.picture("phone-9-other-site");
    assert_eq!(server.counts(), (0, 0, 40));
    assert!(server.get("/").text().contains("only 4 left"), "the reservation is still there");

    browser.goto(&url);
    browser.click("summary");
    browser.click("form[action='/nts/v1/debug/reset'] button");
    browser.shows("Reset The best ever show?");
    accessible(&browser);
    browser.picture("phone-10-reset");
    browser.click("form[action='/nts/v1/debug/reset'] button");
    browser.shows("only 5 left</strong>");
}

#[test]
fn who_has_the_payment_address_alone_can_pay_and_sees_no_ticket() {
    let (_dir, server, url) = shop("browser-payer");
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    let order = server.send(hold("ann", 1)).json();
    let lead = server.get(&format!("{}/pay", page_of(&order)));
    let address = format!("{url}{}", lead.header("location").unwrap());
    browser.goto(&address);
    browser.shows("Choose a card");
    browser.click("button[value=ctoken_declined]");
    browser.shows("Your card was declined");
    accessible(&browser);
    browser.picture("phone-11-payer-declined");
    browser.click("a.button[href^='/pay/']");
    browser.click("button[value=ctoken_3ds]");
    browser.shows("Do you want to pay");
    browser.click("button[value=yes]");
    browser.shows("Your tickets are on the page of your order");
    accessible(&browser);
    browser.picture("phone-12-payer-paid");
    assert!(!browser.source().contains("<code>"), "no ticket is shown");
    // From the order's page the same address leads back to it.
    browser.goto(&format!("{url}{}/pay", page_of(&order)));
    browser.shows("Add to calendar");
    assert_eq!(browser.url(), format!("{url}{}", page_of(&order)));
    browser.goto(&address);
    browser.shows("Add to calendar");
    assert_eq!(browser.url(), format!("{url}{}", page_of(&order)));
}

#[test]
fn a_camera_reads_the_address_of_the_ticket_from_its_page() {
    let dir = Dir::new("camera");
    let server = Server::start(&dir);
    server.make_event(20, 300);
    let order = server.send(hold("Ann-Buyer", 2)).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
    let name = format!("/api/v1/orders/{}/tickets/2", text(&order, "id"));
    let name = Request::new("POST", &name).bearer(KEY).json(&json!({"name": "Bob Guest"}));
    let url = text(&server.send(name).json()["tickets"][1], "url");
    let pictures = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    let zbar = |file: String| {
        let mut zbar = std::process::Command::new("zbarimg");
        zbar.args(["-q", "--raw"]).arg(pictures.join(file)).output().ok()
    };
    for dark in [false, true] {
        let Some(browser) = Browser::start(true, PHONE, dark) else { return };
        browser.goto(&format!("http://{}{}", server.address, &url[url.find("/T/").unwrap()..]));
        browser.shows("Bob Guest");
        let name = if dark { "ticket-dark" } else { "ticket-light" };
        browser.photograph(name);
        let Some(read) = zbar(format!("{name}.png")) else {
            assert!(std::env::var_os("NTS_TEST_ALL").is_none(), "zbarimg is not installed");
            println!(
                "left out: zbarimg (package zbar-tools) is not installed; ./check installs it"
            );
            return;
        };
        assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), url);
    }
}
