//! The page of the door where something around it fails: the storage of the device, its clock, its session, its network.

use crate::browser::accessible;
use crate::doors::{give, overview};
use crate::harness::*;
use crate::staff;
use crate::webdriver::{Browser, ENTER, PHONE};
use serde_json::json;

/// A box office with an event, and a phone whose page has not been opened yet.
struct Door {
    browser: Browser,
    server: Server,
    url: String,
    _dir: Dir,
}

impl Door {
    fn new(name: &str, dark: bool) -> Option<Door> {
        let dir = Dir::new(name);
        let server = Server::start(&dir);
        server.make_event(20, 300);
        let browser = Browser::start(true, PHONE, dark)?;
        browser.send_header("authorization", &format!("Bearer {KEY}"));
        let url = format!("http://{}/door/rock", server.address);
        Some(Door { browser, server, url, _dir: dir })
    }

    /// Opens the page, and waits until it is there without a network, too.
    fn open(&self) {
        self.browser.goto(&self.url);
        self.is_kept();
    }

    fn is_kept(&self) {
        let kept = "const done = arguments[arguments.length - 1];
            caches.match('/door/rock').then(async (page) => {
              const file = await caches.match('/assets/door.js');
              done(Boolean(page && file && navigator.serviceWorker.controller));
            });";
        eventually("the page is kept", || self.browser.run_async(kept) == json!(true));
    }

    fn enter(&self, code: &str) {
        self.browser.keys(&format!("{code}{ENTER}"));
    }
}

#[test]
fn a_storage_that_never_answers_lets_nobody_in_unrecorded() {
    let Some(door) = Door::new("door-faults-storage", false) else { return };
    let (browser, tickets) = (&door.browser, give(&door.server, "Bea", 2));
    browser.before_pages("IDBFactory.prototype.open = () => ({});");
    door.open();
    door.enter(&tickets[0][0]);
    browser.shows("Come in</h2>");
    browser.network(false);
    door.enter(&tickets[1][0]);
    browser.shows("the scan is not recorded on this device.");
    browser.shows("This device cannot keep scans: without a network it lets nobody in.");
    browser.picture("door-faults-storage");
    _ = browser.complaints();
    accessible(browser);
    browser.network(true);
    door.enter(&tickets[1][0]);
    browser.shows("Come in</h2>");
    assert_eq!(overview(&door.server)["inside"], 2);
}

/// Another tab has the storage for itself. What was told as not recorded is not recorded, also if the storage could not
/// be stopped from writing it later.
#[test]
fn a_storage_that_answers_too_late_records_nobody() {
    let Some(door) = Door::new("door-faults-late", true) else { return };
    let (browser, tickets) = (&door.browser, give(&door.server, "Bea", 2));
    door.open();
    let occupy = "
        const done = arguments[arguments.length - 1];
        indexedDB.open('nts-door').onsuccess = ({ target: { result: other } }) => {
          window.occupied = true;
          const together = other.transaction(['scans', 'tickets'], 'readwrite');
          const again = () => { if (window.occupied) together.objectStore('scans').count().onsuccess = again; };
          again();
          done(true);
        };";
    let rows = "const done = arguments[arguments.length - 1];
        disk('readonly', (scans) => scans.getAll())
          .then((rows) => done(rows.map((row) => Boolean(row.undone))), () => done(null));";
    browser.network(false);
    for (ticket, left) in tickets.iter().zip([json!([]), json!([true])]) {
        browser.run_async(occupy);
        door.enter(&ticket[0]);
        browser.shows("the scan is not recorded on this device.");
        browser.picture("door-faults-late");
        browser.run("window.occupied = false; hide();");
        eventually("the storage answers", || browser.run_async(rows) == left);
        door.enter(&ticket[0]);
        browser.shows("Valid, offline</h2>");
        browser.network(true);
        eventually("it is sent", || browser.run("return unsent.length") == json!(0));
        browser.network(false);
        // The second time the transaction cannot be stopped.
        browser
            .run("IDBTransaction.prototype.abort = () => { throw new Error('it is written'); };");
    }
    assert_eq!(overview(&door.server)["inside"], 2);
    let scans = overview(&door.server)["scans"].as_array().unwrap().clone();
    let undone = scans.iter().filter(|scan| scan["undone_at"].is_string()).count();
    assert_eq!((scans.len(), undone), (3, 1), "{scans:?}");
}

#[test]
fn the_gate_of_an_address_counts_without_a_network() {
    let Some(door) = Door::new("door-faults-gate", false) else { return };
    let (browser, tickets) = (&door.browser, give(&door.server, "Bea", 1));
    let gates = json!([{"id": "north", "name": "North", "ticket_types": []},
                       {"id": "south", "name": "South", "ticket_types": []}]);
    let put = Request::new("PUT", "/api/v1/events/rock/door").bearer(KEY);
    assert_eq!(door.server.send(put.json(&json!({"gates": gates}))).status, 200);
    // The page is kept while no gate is chosen.
    door.open();
    browser.shows("Your gate");
    let Door { browser, server, url, _dir } = door;
    drop(server);
    browser.goto(&format!("{url}?gate=south"));
    browser.shows("Gate: South");
    assert!(!browser.source().contains("Your gate"));
    browser.shows("No network");
    browser.picture("door-faults-gate");
    browser.keys(&format!("{}{ENTER}", tickets[0][0]));
    browser.shows("Valid, offline</h2>");
    browser.goto(&format!("{url}?gate=north"));
    browser.shows("Gate: North");
    browser.keys(&format!("{}{ENTER}", tickets[0][0]));
    browser.shows(" at South.");
    // A gate that is none.
    browser.goto(&format!("{url}?gate=west"));
    browser.shows("Your gate");
}

#[test]
fn whoever_is_signed_out_is_told_and_loses_no_scan() {
    let dir = Dir::new("door-faults-session");
    let server = Server::start(&dir);
    server.make_event(20, 300);
    let mut owner = staff::owner(&server);
    let link = staff::invite(&server, &mut owner, "ann@example.org", "door", "rock");
    staff::accept(&server, &link, "");
    let tickets = give(&server, "Bea", 1);
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    let url = format!("http://{}/door/rock", server.address);
    let sign_in = || {
        browser.fill("#email", "ann@example.org");
        browser.fill("#password", staff::PASSWORD);
        browser.click("main button");
        browser.shows("Check people in</h1>");
    };
    browser.goto(&url);
    sign_in();
    browser.network(false);
    browser.keys(&format!("{}{ENTER}", tickets[0][0]));
    browser.shows("Valid, offline</h2>");
    browser.shows("1 not sent.");
    browser.run("hide()");
    browser.forget_cookie("nts-office");
    browser.network(true);
    browser.run_async("news().then(arguments[arguments.length - 1])");
    browser.shows("Signed out: tickets cannot be checked. 1 not sent.");
    assert!(!browser.source().contains("No network"));
    _ = browser.complaints();
    accessible(&browser);
    browser.picture("door-faults-session");
    browser.click(".door-line a");
    browser.shows("Password");
    sign_in();
    eventually("it is sent", || overview(&server)["inside"] == 1);

    // A page that nobody uses asks nothing, so that its session ends.
    let asks = "newsIfUsed().then(arguments[arguments.length - 1])";
    assert_eq!(browser.run_async(asks), json!(true));
    browser.run("used = performance.now() - USED_MS - 1;");
    assert_eq!(browser.run_async(asks), json!(false));
    browser.keys("A");
    assert_eq!(browser.run_async(asks), json!(true));
}

/// Whoever has the link of a gate cannot sign in: they need another link, and it sends what the phone has kept.
#[test]
fn whoever_has_a_link_that_ended_is_told_and_loses_no_scan() {
    let dir = Dir::new("door-faults-link");
    let server = Server::start(&dir);
    server.make_event(20, 300);
    let tickets = give(&server, "Bea", 1);
    let api = "/api/v1/events/rock/door/links";
    let link = || {
        let body = json!({"name": "Ann", "valid_from": "2020-01-01T00:00:00Z"});
        let made = server.send(Request::new("POST", api).bearer(KEY).json(&body));
        assert_eq!(made.status, 201, "{made:?}");
        made.json()
    };
    let end = |link: &serde_json::Value| {
        let path = format!("{api}/{}", link["id"].as_str().unwrap());
        assert_eq!(server.send(Request::new("DELETE", &path).bearer(KEY)).status, 204);
    };
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    let open = |link: &serde_json::Value| {
        browser.goto(link["url"].as_str().unwrap());
        browser.shows("Check people in</h1>");
        browser.shows("Stop checking in on this phone");
    };
    let first = link();
    open(&first);
    browser.network(false);
    browser.keys(&format!("{}{ENTER}", tickets[0][0]));
    browser.shows("Valid, offline</h2>");
    browser.run("hide()");
    end(&first);
    browser.network(true);
    browser.run_async("send().finally(arguments[arguments.length - 1]).catch(() => {})");
    browser.shows("The link of this phone has ended: ask for a new one. 1 not sent.");
    browser.keys(&format!("{}{ENTER}", tickets[0][0]));
    browser.shows("This link has ended</p>");
    assert!(!browser.source().contains("Sign in again"));
    browser.picture("door-faults-link");
    // A browser forgets the cookie when the time of the link is over.
    browser.forget_cookie("nts-gate-link");
    browser.run("hide()");
    browser.run_async("news().then(arguments[arguments.length - 1])");
    browser.keys(&format!("{}{ENTER}", tickets[0][0]));
    browser.shows("Ask whoever gave you the link for a new one.");
    assert!(!browser.source().contains("Sign in again"));
    _ = browser.complaints();
    accessible(&browser);
    let second = link();
    browser.run("signsIn = true");
    open(&second);
    eventually("it is sent", || overview(&server)["inside"] == 1);
}

/// A device that has heard that the event does not take place lets nobody in without a network either.
#[test]
fn nobody_comes_in_to_a_cancelled_event_without_a_network() {
    let Some(door) = Door::new("door-faults-cancelled", true) else { return };
    let (browser, tickets) = (&door.browser, give(&door.server, "Bea", 1));
    door.open();
    let cancel = Request::new("POST", "/api/v1/events/rock/cancel").bearer(KEY);
    assert_eq!(door.server.send(cancel).status, 202);
    browser.run_async("news().then(arguments[arguments.length - 1])");
    browser.network(false);
    door.enter(&tickets[0][0]);
    browser.shows("Cancelled</h2>");
    browser.picture("door-faults-cancelled");
    assert_eq!(browser.run("return unsent.length"), json!(0));
}

/// A page that has answered a form shows green until its camera is there for the next guest.
#[test]
fn the_camera_ends_the_green_of_a_form() {
    let Some(door) = Door::new("door-faults-form", false) else { return };
    let browser = &door.browser;
    browser.before_pages(
        "navigator.mediaDevices.getUserMedia = async () => {
           const canvas = document.createElement('canvas');
           const context = canvas.getContext('2d');
           setInterval(() => context.fillRect(0, 0, 9, 9), 50);
           return canvas.captureStream(10);
         };",
    );
    browser.goto(&door.url);
    browser.fill("#code", &give(&door.server, "Bea", 1)[0][1]);
    browser.run("HTMLFormElement.prototype.submit.call(document.querySelector('.scan'))");
    browser.shows("Come in</h1>");
    browser.click(".camera button");
    browser.shows("<h1 class=\"unseen\">Check people in</h1>");
    assert_eq!(browser.run("return document.body.className"), json!("door"));
}

/// The clock of the device is more than a day fast.
#[test]
fn times_are_those_of_the_box_office() {
    let Some(door) = Door::new("door-faults-clock", false) else { return };
    let (browser, tickets) = (&door.browser, give(&door.server, "Bea", 2));
    browser.before_pages(
        "const Real = Date;
         const ahead = 26 * 3_600_000;
         globalThis.Date = class extends Real {
           constructor(...of) { super(...of.length ? of : [Real.now() + ahead]); }
           static now() { return Real.now() + ahead; }
         };",
    );
    door.open();
    for _ in 0..2 {
        door.enter(&tickets[0][0]);
        browser.shows("</h2>");
    }
    browser.shows("Already in at ");
    browser.network(false);
    door.enter(&tickets[1][0]);
    browser.shows("Valid, offline</h2>");
    let right =
        "return unsent.every((row) => Math.abs(row.at - Real.now()) < 10_000) && unsent.length";
    assert_eq!(browser.run(right), json!(1));
    // Also when the page is opened anew without a network.
    browser.run("sessionStorage.clear();");
    let Door { browser, server, url, _dir: dir } = door;
    let database = dir.path("nts.db");
    drop(server);
    browser.network(true);
    browser.goto(&url);
    browser.shows("1 not sent.");
    browser.keys(&format!("{}{ENTER}", tickets[1][0]));
    browser.shows("Already in at ");
    assert!(database.exists());
}

#[test]
fn tickets_of_events_that_are_over_are_forgotten() {
    let Some(door) = Door::new("door-faults-over", false) else { return };
    let browser = &door.browser;
    door.open();
    browser.run_async(
        "const done = arguments[arguments.length - 1];
         const day = 24 * 3_600_000;
         const ticket = (event, until) => ({ event, ticket: '0:1', gate: 'door', at: until - day, until, way: 'in', nonce: '' });
         disk('readwrite', (scans, tickets) => {
           tickets.put(ticket('last-month', Date.now() - 30 * day));
           tickets.put(ticket('yesterday', Date.now() - day));
           // Its end was changed.
           tickets.put(ticket('rock', Date.now() - 30 * day));
           scans.put({ nonce: 'n', event: 'last-month', at: Date.now() - 31 * day, type: 'Adult', scan: { code: 'c', direction: 'in' } });
         }).then(done);",
    );
    browser.goto(&door.url);
    let known = "const done = arguments[arguments.length - 1];
        disk('readonly', (_, tickets) => tickets.getAll()).then((all) => done(all.map(({ event }) => event)));";
    eventually("it is forgotten", || browser.run_async(known) == json!(["rock", "yesterday"]));
    let scans = "const done = arguments[arguments.length - 1];
        disk('readonly', (scans) => scans.getAll()).then((all) => done(all.map(({ event }) => event)));";
    assert_eq!(browser.run_async(scans), json!(["last-month"]));
}
