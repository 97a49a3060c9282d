//! The page that checks people in, as it works without a script.

use crate::browser::accessible;
use crate::doors::{codes, give, overview};
use crate::forms::PageForm;
use crate::harness::*;
use crate::staff::{self, Visitor, cookies};
use crate::webdriver::{Browser, ENTER, PHONE};
use base64::Engine as _;
use serde_json::{Value, json};

const DOOR: &str = "/door/rock";

fn put_door(server: &Server, door: &Value) {
    let put = Request::new("PUT", "/api/v1/events/rock/door").bearer(KEY).json(door);
    assert_eq!(server.send(put).status, 200);
}

fn gates() -> Value {
    json!([{"id": "north", "name": "North", "ticket_types": []},
           {"id": "south", "name": "South", "ticket_types": ["child"]}])
}

/// An event with two ticket types.
fn start(name: &str) -> (Dir, Server) {
    let dir = Dir::new(name);
    let server = Server::start(&dir);
    let mut event = event_json(20, 300);
    let price = json!({"amount": 900, "currency": "GBP"});
    let types = event["ticket_types"].as_array_mut().unwrap();
    types.push(json!({"id": "child", "name": "Child", "pool": "floor", "price": price}));
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 201);
    (dir, server)
}

/// Somebody of the door of this event, signed in.
fn person(server: &Server, owner: &mut Visitor, mail: &str, event: &str) -> Visitor {
    let link = staff::invite(server, owner, mail, "door", event);
    staff::accept(server, &link, "")
}

fn contains(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part} in {page}");
    }
}

/// Sends the form of a page with this code.
fn check(server: &Server, who: &mut Visitor, page: &str, more: &[(&str, &str)]) -> Answer {
    let form = PageForm::of(page, DOOR).unwrap_or_else(|| panic!("{page}"));
    let form = PageForm {
        fields: form.fields.into_iter().filter(|(n, _)| n == "nonce").collect(),
        ..form
    };
    who.send(server, form.with(more))
}

/// Opens the page, and sends its form with this code.
fn scan(server: &Server, who: &mut Visitor, code: &str) -> String {
    let page = who.get(server, DOOR).text();
    let answer = check(server, who, &page, &[("code", code)]);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text()
}

#[test]
fn a_person_of_the_door_is_led_to_the_page_and_checks_tickets_in() {
    let (_dir, server) = start("door-page");
    let mut owner = staff::owner(&server);
    let mut ann = person(&server, &mut owner, "ann@example.org", "rock");
    let home = ann.get(&server, "/office").text();
    contains(&home, &["Check people in", "<a href=\"/door/rock\">"]);
    contains(&owner.get(&server, "/office/events/rock").text(), &["href=\"/door/rock\""]);
    let tickets = give(&server, "O'Hara", 3);

    let first = ann.get(&server, DOOR);
    assert_eq!(first.status, 200);
    contains(
        &first.text(),
        &[
            "<strong>0</strong> of 3 in",
            "Scan the ticket, or type its code.",
            "autofocus",
            "None yet.",
        ],
    );
    assert!(!first.text().contains("name=\"direction\""), "nobody comes in again");
    let set = cookies(&first);
    let device = set.iter().find(|c| c.starts_with("nts-door=")).expect("the device is named");
    contains(device, &["Path=/door/;", "HttpOnly", "SameSite=Lax"]);
    assert!(first.header("permissions-policy") == Some("camera=(self)"), "{first:?}");
    contains(first.header("content-security-policy").unwrap(), &["worker-src 'self'", "blob:"]);

    // As a hand scanner types it, and once more: the same form is the same scan, and its answer is not for the next guest.
    let page = first.text();
    let green = ["class=\"door go\"", "<h1>Come in</h1>", "<title>Come in: O&#39;Hara"];
    let again = [
        "class=\"door wait\"",
        "<h1>Answered before</h1>",
        "The answer was given at ",
        ": Come in.",
        "For another guest, scan their ticket.",
    ];
    for said in [&green[..], &again, &again] {
        let done = check(&server, &mut ann, &page, &[("code", &format!(" {} ", tickets[0][0]))]);
        assert_eq!(done.status, 200);
        assert!(cookies(&done).is_empty(), "{done:?}");
        contains(&done.text(), said);
        contains(&done.text(), &["O&#39;Hara", "Adult", "<strong>1</strong> of 3 in"]);
    }
    assert_eq!(overview(&server)["scans"].as_array().unwrap().len(), 1);
    // The form of a page is for one ticket.
    let used = check(&server, &mut ann, &page, &[("code", &tickets[1][1])]).text();
    contains(&used, &["door wait", "<h1>Scan again</h1>", "nothing was recorded"]);
    // The short code of the ticket that is in, on another device.
    let mut bob = person(&server, &mut owner, "bob@example.org", "");
    let again = scan(&server, &mut bob, &tickets[0][1].to_lowercase());
    contains(&again, &["door stop", "<h1>Already in</h1>", "Already in at ", "None yet."]);
    let unknown = scan(&server, &mut bob, "AAAA-BBBB-CCCC");
    contains(&unknown, &["door stop", "<h1>Not a ticket</h1>", "as it is printed"]);
    // What is sent without a code, or not whole.
    let page = bob.get(&server, DOOR).text();
    let empty = check(&server, &mut bob, &page, &[("code", " ")]);
    assert_eq!(empty.status, 422);
    contains(&empty.text(), &["<a href=\"#code\">Scan a ticket, or type its code.</a>"]);
    assert_eq!(bob.post(&server, DOOR, &[("code", &tickets[1][1])]).status, 400);

    // Undone on the device that made it, and scanned again.
    let page = ann.get(&server, DOOR).text();
    let form = PageForm::of(&page, "/door/rock/undo").expect("it can be undone");
    let other = bob.send(&server, form.with(&[]));
    let said = ["Not undone", "This device has made no such scan.", "<strong>1</strong> of 3 in"];
    contains(&other.text(), &said);
    let undone = ann.send(&server, form.with(&[])).text();
    contains(&undone, &["<h1>Undone</h1>", "· undone", "<strong>0</strong> of 3 in"]);
    contains(&scan(&server, &mut ann, &tickets[0][0]), &["<h1>Come in</h1>"]);
    // A device that was told to come in by a scan that was undone.
    let page = ann.get(&server, DOOR).text();
    check(&server, &mut ann, &page, &[("code", &tickets[1][0])]);
    let now = ann.get(&server, DOOR).text();
    ann.send(&server, PageForm::of(&now, "/door/rock/undo").unwrap().with(&[]));
    let late = check(&server, &mut ann, &page, &[("code", &tickets[1][0])]).text();
    contains(&late, &["door wait", "<h1>Undone</h1>", "Scan the ticket again"]);
}

#[test]
fn a_device_keeps_its_gate_and_tells_where_a_ticket_belongs() {
    let (_dir, server) = start("door-page-gates");
    let mut owner = staff::owner(&server);
    let mut ann = person(&server, &mut owner, "ann@example.org", "rock");
    put_door(&server, &json!({"gates": gates(), "admission": "come_back"}));
    let tickets = give(&server, "Bea", 2);
    // The gate is asked for, and what was typed stays.
    let page = ann.get(&server, DOOR).text();
    contains(
        &page,
        &["<label for=\"gate\">Your gate</label>", "name=\"direction\" value=\"in\" checked"],
    );
    let asked = check(&server, &mut ann, &page, &[("code", &tickets[0][1])]);
    assert_eq!(asked.status, 422);
    let code = format!("value=\"{}\"", tickets[0][1]);
    contains(&asked.text(), &["<a href=\"#gate\">Choose your gate, then press Check.</a>", &code]);
    let wrong =
        check(&server, &mut ann, &asked.text(), &[("code", &tickets[0][1]), ("gate", "south")]);
    contains(
        &wrong.text(),
        &["door wait", "<h1>Other gate</h1>", "Send the guest to North.", "Gate: South"],
    );
    let set = cookies(&wrong);
    let gate = set.iter().find(|c| c.starts_with("nts-gate=south")).expect("the gate is kept");
    contains(gate, &["Path=/door/rock;", "HttpOnly"]);
    contains(&ann.get(&server, DOOR).text(), &["Gate: South"]);
    contains(&ann.get(&server, "/door/rock?gate=north").text(), &["Gate: North"]);
    contains(&ann.get(&server, "/door/rock?gate=west").text(), &["Gate: North"]);
    contains(&scan(&server, &mut ann, &tickets[0][1]), &["door go", "<h1>Come in</h1>"]);
    contains(&scan(&server, &mut ann, &tickets[0][1]), &["Already in at ", " at North."]);
    // Out, and in again.
    let page = ann.get(&server, DOOR).text();
    let out = [("code", &*tickets[0][1]), ("direction", "out")];
    let left = check(&server, &mut ann, &page, &out).text();
    contains(&left, &["door go", "<h1>Goes out</h1>", "value=\"out\" checked", "0</strong> of 2"]);
    let page = ann.get(&server, DOOR).text();
    let twice = check(&server, &mut ann, &page, &out).text();
    contains(&twice, &["door stop", "<h1>Not in</h1>", "The last one went out at ", " at North."]);
    contains(&scan(&server, &mut ann, &tickets[0][1]), &["<h1>Come in</h1>"]);
    // The gates change while somebody is at one of them.
    put_door(&server, &json!({"gates": [{"id": "west", "name": "West", "ticket_types": []}]}));
    contains(&ann.get(&server, DOOR).text(), &["Gate: West"]);
    put_door(&server, &json!({"opens_at": "2031-05-01T18:00:00Z"}));
    let early = scan(&server, &mut ann, &tickets[1][1]);
    contains(&early, &["door wait", "<h1>Not open yet</h1>", "The doors open on Thu 1 May 2031"]);
}

#[test]
fn a_ticket_that_is_not_good_is_told_with_what_to_do() {
    let (_dir, server) = start("door-page-reasons");
    let mut owner = staff::owner(&server);
    let mut ann = person(&server, &mut owner, "ann@example.org", "");
    let jazz = json!({"name": "Night of Jazz"});
    let mut event = event_json(10, 300);
    event["name"] = jazz["name"].clone();
    let put = Request::new("PUT", "/api/v1/events/jazz").bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 201);
    let sale = json!({"buyer": {"name": "Jo", "email": "jo@example.org"}, "tender": "free",
                      "lines": [{"ticket_type": "adult", "quantity": 1}]});
    let path = "/api/v1/events/jazz/sales";
    let made = server.send(Request::new("POST", path).bearer(KEY).json(&sale)).json();
    let other = scan(&server, &mut ann, &codes(&made)[0][1]);
    contains(&other, &["<h1>Other event</h1>", "This ticket is for Night of Jazz."]);
    assert!(!other.contains("Jo<"), "{other}");

    let order = server.send(hold("ben", 2)).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).json()["state"], "paid");
    let paid = server.send(look(&order)).json();
    let [one, two] = &codes(&paid)[..] else { panic!("{paid}") };
    let name = Request::new("POST", &format!("/api/v1/orders/{}/tickets/2", text(&order, "id")));
    let named = server.send(name.bearer(&text(&order, "secret")).json(&json!({"name": "Cyd"})));
    assert_eq!(named.status, 200, "{named:?}");
    contains(&scan(&server, &mut ann, &two[0]), &["<h1>Old code</h1>", "newest mail"]);
    let refund = Request::new("POST", &format!("/api/v1/orders/{}/refunds", text(&order, "id")));
    let refunded = server.send(refund.bearer(KEY).json(&json!({"all": true, "restock": true})));
    assert_eq!(refunded.status, 200, "{refunded:?}");
    contains(&scan(&server, &mut ann, &one[1]), &["<h1>Refunded</h1>", "to the box office"]);
    let cancel = Request::new("POST", "/api/v1/events/rock/cancel").bearer(KEY);
    assert_eq!(server.send(cancel).status, 202);
    contains(&scan(&server, &mut ann, &one[1]), &["<h1>Cancelled</h1>"]);
}

#[test]
fn the_page_of_a_ticket_admits_for_whoever_works_at_the_door() {
    let (_dir, server) = start("door-page-ticket");
    let mut owner = staff::owner(&server);
    let mut ann = person(&server, &mut owner, "ann@example.org", "rock");
    assert_eq!(server.send(put_event("jazz", 5, 300)).status, 201);
    let mut elsewhere = person(&server, &mut owner, "jo@example.org", "jazz");
    let url = give(&server, "Bea", 1)[0][0].clone();
    let path = url[url.find("/T/").unwrap()..].to_owned();
    let admits = |page: &Answer| page.text().contains(">Admit</button>");
    assert!(!admits(&server.get(&path)) && !admits(&elsewhere.get(&server, &path)));
    let page = ann.get(&server, &path);
    assert!(admits(&page), "{}", page.text());
    // The device has no cookie yet, and the button is pressed twice: it is one scan.
    let form = PageForm::of(&page.text(), DOOR).expect("a form");
    let mut again = ann.clone();
    for (who, title) in [(&mut ann, "Come in"), (&mut again, "Answered before")] {
        let done = who.send(&server, form.with(&[]));
        assert_eq!(done.status, 200, "{done:?}");
        contains(&done.text(), &[&format!("<h1>{title}</h1>"), "Bea", "Come in"]);
        assert!(cookies(&done).iter().any(|cookie| cookie.starts_with("nts-door=")), "{done:?}");
    }
    let page = ann.get(&server, &path).text();
    let second = ann.send(&server, PageForm::of(&page, DOOR).unwrap().with(&[])).text();
    contains(&second, &["<h1>Already in</h1>"]);
}

#[test]
fn nobody_else_checks_in_and_no_other_site_does() {
    let (_dir, server) = start("door-page-others");
    let mut owner = staff::owner(&server);
    let mut ann = person(&server, &mut owner, "ann@example.org", "rock");
    let code = give(&server, "Bea", 1)[0][1].clone();
    // Whoever is not signed in is led to where they can, and back to the page.
    let mut nobody = Visitor::default();
    let led = nobody.get(&server, "/door/rock?gate=north");
    assert_eq!(led.status, 303);
    assert_eq!(led.header("location"), Some("/office/sign-in?next=%2Fdoor%2Frock%3Fgate%3Dnorth"));
    // A script is told so.
    let body = json!({"code": code, "gate": "door", "device": "00000000-0000-7000-8000-000000000001",
                      "nonce": "00000000-0000-7000-8000-000000000002"});
    let told = nobody.send(&server, Request::new("POST", "/door/rock/check-ins").json(&body));
    assert_eq!((told.status, told.header("location")), (401, None), "{told:?}");
    assert_eq!(told.json()["code"], "unauthorized");
    let page = ann.get(&server, DOOR).text();
    let form = PageForm::of(&page, DOOR).unwrap();
    let forms = [
        form.with(&[("code", &code)]),
        PageForm { action: "/door/rock/undo".into(), ..form }.with(&[]),
    ];
    let json = Request::new("POST", "/door/rock/check-ins").json(&body);
    for request in forms.into_iter().chain([json.clone()]) {
        let sent = ann.dress(request).header("sec-fetch-site", "cross-site");
        assert_eq!(server.send(sent).status, 403);
    }
    assert_eq!(overview(&server)["inside"], 0);
    // Of the API a session opens nothing; of the page the script may ask the same.
    let api = Request::new("POST", "/api/v1/events/rock/check-ins").json(&body);
    assert_eq!(ann.send(&server, api).status, 401);
    assert_eq!(ann.send(&server, json).json()["result"], "admitted");
    // Another event is not theirs, and a draft is not there.
    assert_eq!(server.send(put_event("jazz", 5, 300)).status, 201);
    assert_eq!(ann.get(&server, "/door/jazz").status, 403);
    let mut draft = event_json(5, 300);
    draft["hidden"] = true.into();
    let put = Request::new("PUT", "/api/v1/events/jazz").bearer(KEY).json(&draft);
    assert_eq!(server.send(put).status, 200);
    for path in ["/door/jazz", "/door/none"] {
        assert_eq!(ann.get(&server, path).status, 404, "{path}");
    }
}

#[test]
fn of_a_ticket_of_another_event_no_name_is_shown() {
    let (_dir, server) = start("door-page-names");
    let mut owner = staff::owner(&server);
    let mut ann = person(&server, &mut owner, "ann@example.org", "rock");
    assert_eq!(server.send(put_event("jazz", 5, 300)).status, 201);
    let sale = json!({"buyer": {"name": "Jo Secret", "email": "jo@example.org"}, "tender": "free",
                      "lines": [{"ticket_type": "adult", "quantity": 1}]});
    let path = "/api/v1/events/jazz/sales";
    let made = server.send(Request::new("POST", path).bearer(KEY).json(&sale)).json();
    let page = ann.get(&server, DOOR).text();
    let nonce = PageForm::of(&page, DOOR).unwrap().field("nonce").unwrap().to_owned();
    let device = ann.0["nts-door"].clone();
    let body = json!({"code": codes(&made)[0][0], "gate": "door", "device": device, "nonce": nonce, "late": true});
    let told = ann.send(&server, Request::new("POST", "/door/rock/check-ins").json(&body));
    let said = told.json();
    assert_eq!((&said["result"], &said["objection"]), (&json!("recorded"), &json!("other_event")));
    let page = ann.get(&server, DOOR).text();
    contains(&page, &["Unknown ticket"]);
    assert!(!page.contains("Secret") && !told.text().contains("Secret"), "{page}");
    // A script undoes it where it has told it.
    let undo = |who: &mut Visitor| {
        let path = format!("/door/rock/check-ins/{device}/{nonce}");
        who.send(&server, Request::new("DELETE", &path))
    };
    let nobody = undo(&mut Visitor::default());
    assert_eq!((nobody.status, nobody.header("location")), (401, None), "{nobody:?}");
    assert_eq!(undo(&mut ann).json()["result"], "undone");
}

/// Every state of the page by itself, with and without a script.
#[test]
fn the_page_of_the_door_keeps_nobody_out() {
    let (_dir, server) = start("door-page-axe");
    put_door(&server, &json!({"gates": gates(), "admission": "come_back"}));
    let url = format!("http://{}{DOOR}", server.address);
    for (at, (width, height, dark, script)) in [
        (320, 640, false, true),
        (320, 640, true, true),
        (390, 844, false, false),
        (390, 844, true, false),
        (390, 844, false, true),
        (1280, 900, false, true),
        (1280, 900, true, true),
    ]
    .into_iter()
    .enumerate()
    {
        let Some(browser) = Browser::start(script, (width, height), dark) else { return };
        browser.send_header("authorization", &format!("Bearer {KEY}"));
        let scheme = if dark { "dark" } else { "light" };
        let with = if script { "js" } else { "plain" };
        let look = |name: &str| {
            // Where scripts are off, axe-core cannot run.
            if script {
                accessible(&browser);
            }
            browser.picture(&format!("door-{width}-{scheme}-{with}-{name}"));
        };
        let name = ["Ann", "Bea", "Cyd", "Dan", "Eve", "Fay", "Gil"][at];
        let code = give(&server, &format!("{name}-Example"), 1)[0][1].clone();
        let enter = |code: &str| {
            if script {
                // As a hand scanner does, wherever the focus is.
                browser.keys(&format!("{code}{ENTER}"));
            } else {
                browser.fill("#code", code);
                browser.click(".scan button");
            }
        };
        // As a browser sends a form whose page has no script.
        let send = |code: &str| {
            browser.fill("#code", code);
            browser.run("HTMLFormElement.prototype.submit.call(document.querySelector('.scan'))");
        };
        browser.goto(&url);
        browser.shows("Your gate");
        look("choose-gate");
        send(&code);
        browser.shows("Choose your gate, then press Check.</a>");
        look("mistake");
        browser.goto(&format!("{url}?gate=north"));
        browser.shows("Gate: North");
        look("ready");
        enter(&code);
        browser.shows("Come in</h");
        look("go");
        enter(&code);
        browser.shows("Already in at ");
        look("stop");
        browser.goto(&format!("{url}?gate=south"));
        browser.shows("Gate: South");
        let zoe = &give(&server, "Zoe", 1)[0][1];
        enter(zoe);
        browser.shows("Send the guest to North.");
        look("wait");
        send(zoe);
        browser.shows("Send the guest to North.");
        look("wait-sent");
        browser.goto(&format!("{url}?gate=north"));
        send(&code);
        browser.shows("Already in at ");
        look("stop-sent");
        browser.goto(&url);
        browser.shows("Undo");
        browser.whole_picture(&format!("door-{width}-{scheme}-{with}-whole"));
        browser.click(".last button");
        browser.shows("The scan does not count any more.</p>");
        look("undone");
        browser.goto(&url);
        send(&code);
        browser.shows("Come in</h1>");
        look("go-sent");
    }
}

/// The camera shows a ticket: the picture is drawn by the test.
#[test]
fn the_camera_reads_a_ticket_once_and_asks_for_it() {
    let (_dir, server) = start("door-page-camera");
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    browser.send_header("authorization", &format!("Bearer {KEY}"));
    let tickets = give(&server, "Bea", 2);
    let picture = |url: &str| {
        let page = server.get(&url[url.find("/T/").unwrap()..]).text();
        let svg = &page[page.find("<svg").unwrap()..page.find("</svg>").unwrap() + 6];
        base64::engine::general_purpose::STANDARD.encode(svg)
    };
    browser.goto(&format!("http://{}{DOOR}", server.address));
    browser.shows("Scan with the camera");
    browser.run(
        "const canvas = document.createElement('canvas');
         [canvas.width, canvas.height] = [960, 720];
         const context = canvas.getContext('2d');
         let code = null;
         setInterval(() => {
           context.fillStyle = '#aaa';
           context.fillRect(0, 0, 960, 720);
           if (code) { context.fillStyle = '#fff'; context.fillRect(240, 120, 480, 480); context.drawImage(code, 260, 140, 440, 440); }
         }, 60);
         window.holdUp = (svg) => {
           const image = new Image();
           image.onload = () => { code = image; };
           code = null;
           if (svg) image.src = 'data:image/svg+xml;base64,' + svg;
         };
         navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(15);",
    );
    browser.click(".camera button");
    let hold_up = |url: &str| {
        browser.run(&format!("holdUp('{}')", picture(url).replace('\n', "")));
    };
    hold_up(&tickets[0][0]);
    browser.shows("Come in</h2>");
    assert_eq!(overview(&server)["inside"], 1);
    // It stays in the picture, and is asked for once. Green does not stay: the next guest must not pass by it.
    eventually("green has gone", || !browser.has(".answer"));
    browser.shows("Last answer, at ");
    browser.picture("door-camera-last");
    accessible(&browser);
    let asked = "return performance.getEntriesByType('resource').filter((e) => e.name.endsWith('/check-ins')).length";
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(browser.run(asked), json!(1));
    // Somebody else comes at once with a copy: the ticket was out of the picture between them, if for a moment only.
    browser.run("holdUp('')");
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    hold_up(&tickets[0][0]);
    browser.shows("Already in at ");
    browser.shows(" ago. If this is another guest, it is a copy");
    browser.picture("door-camera-copy");
    assert_eq!(overview(&server)["inside"], 1);
    hold_up(&tickets[1][0]);
    eventually("the next one is in", || overview(&server)["inside"] == 2);
    browser.shows("<strong>2</strong> of 2 in");
    eventually("green has gone", || !browser.has(".answer"));
    browser.picture("door-camera");
    accessible(&browser);
    // The first one once more.
    hold_up(&tickets[0][0]);
    browser.shows("Already in at ");
    assert_eq!(overview(&server)["scans"].as_array().unwrap().len(), 2);
    // Whoever is signed out meanwhile is told, and nobody is let in by the device alone.
    browser.send_header("authorization", "Bearer wrong");
    browser.keys(&format!("{}{ENTER}", give(&server, "Cyd", 1)[0][0]));
    browser.shows("Signed out</h2>");
    browser.shows("/office/sign-in?next=%2Fdoor%2Frock");
    assert_eq!(overview(&server)["inside"], 2);
}

/// Without a network a ticket that is real is let in once here, also after the page was loaded again, and the box
/// office is told when the network is back.
#[test]
fn without_a_network_real_tickets_are_let_in_once_and_told_later() {
    let (_dir, server) = start("door-page-offline");
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    browser.send_header("authorization", &format!("Bearer {KEY}"));
    let tickets = give(&server, "Bea", 3);
    assert_eq!(server.send(put_event("jazz", 5, 300)).status, 201);
    let sale = json!({"buyer": {"name": "Jo", "email": "jo@example.org"}, "tender": "free",
                      "lines": [{"ticket_type": "adult", "quantity": 1}]});
    let path = "/api/v1/events/jazz/sales";
    let made = server.send(Request::new("POST", path).bearer(KEY).json(&sale)).json();
    let elsewhere = codes(&made)[0][0].clone();
    let url = format!("http://{}{DOOR}", server.address);
    browser.goto(&url);
    browser.shows("of 3 in");
    let enter = |code: &str| browser.keys(&format!("{code}{ENTER}"));
    // The page is kept once the worker has it.
    let kept = "const done = arguments[arguments.length - 1];
        caches.match('/door/rock').then(async (page) => {
          const file = await caches.match('/assets/door.js');
          done(Boolean(page && file && navigator.serviceWorker.controller));
        });";
    eventually("the page is kept", || browser.run_async(kept) == json!(true));
    enter(&tickets[0][1]);
    browser.shows("Come in</h2>");

    browser.network(false);
    enter(&tickets[1][0]);
    browser.shows("Valid, offline</h2>");
    browser.picture("door-offline");
    accessible_offline(&browser);
    browser.shows("1 not sent.");
    // What was scanned here is red, whether the box office has heard of it or not.
    enter(&tickets[1][0]);
    browser.shows("Already in at ");
    enter(&tickets[2][1]);
    browser.shows("only the QR code of a ticket can be checked.");
    enter(&tickets[0][0]);
    browser.shows("Already in at ");
    enter(&elsewhere);
    browser.shows("Other event</h2>");
    // A letter that becomes another one as a capital: the box office would not know the code.
    let (base, code) = tickets[2][0].rsplit_once('/').unwrap();
    let letter = if code.contains('S') { 'S' } else { 'A' };
    enter(&format!("{base}/{}", code.replacen(letter, "\u{17f}", 1)));
    browser.shows("only the QR code of a ticket can be checked.");
    let mut forged = tickets[2][0].clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    enter(&forged);
    browser.shows("Not a ticket</h2>");
    // Closing the page warns.
    let warns = "const event = new Event('beforeunload', { cancelable: true }); return !dispatchEvent(event);";
    assert_eq!(browser.run(warns), json!(true));
    // Somebody else comes in with the same ticket at another door.
    let mut other = crate::doors::Device::new(9, "south");
    assert_eq!(other.scans(&server, &tickets[1][1])["result"], "admitted");
    assert_eq!(overview(&server)["inside"], 2);
    // A scan that was a mistake is taken back before it is sent.
    enter(&tickets[2][0]);
    browser.shows("Valid, offline</h2>");
    browser.shows("2 not sent.");
    browser.click(".answer");
    browser.whole_picture("door-offline-list");
    browser.click(".last li button");
    browser.shows("The scan was not sent, and does not count.");
    browser.shows("1 not sent.");

    browser.network(true);
    browser.run("dispatchEvent(new Event('online'))");
    browser.shows("Let through without a network, but not right");
    browser.shows("Bea, Adult: Already in at ");
    browser.picture("door-offline-sent");
    eventually("both are in the records", || overview(&server)["inside"] == 3);
    let conflicts = overview(&server)["conflicts"].clone();
    assert_eq!((conflicts.as_array().unwrap().len(), &conflicts[0]["late"]), (1, &json!(true)));
    assert_eq!(browser.run(warns), json!(false));
    browser.complaints();
    accessible(&browser);

    // The page is there without the box office, and so is what this device knows.
    let list = "const done = arguments[arguments.length - 1];
        (async () => { while (syncing) await pause(50); await readList(); })().then(() => done(true), () => done(false));";
    assert_eq!(browser.run_async(list), json!(true));
    drop(server);
    browser.goto(&url);
    browser.shows("No network: the counts may be old.");
    assert!(!browser.source().contains("Bea"), "names are not kept");
    enter(&tickets[1][0]);
    browser.shows("Already in at ");
    enter(&tickets[2][0]);
    browser.shows("Valid, offline</h2>");
}

/// The same without what the browser says about its network.
fn accessible_offline(browser: &Browser) {
    browser.complaints();
    accessible(browser);
}

/// A person of the door signs in with a phone, and its own camera opens the ticket's page.
#[test]
fn the_camera_of_a_phone_leads_to_the_ticket_and_admits_it() {
    let (_dir, server) = start("door-page-phone");
    let mut owner = staff::owner(&server);
    person(&server, &mut owner, "ann@example.org", "rock");
    let url = give(&server, "Bea", 1)[0][0].clone();
    let path = &url[url.find("/T/").unwrap()..];
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    let at = |path: &str| format!("http://{}{path}", server.address);
    browser.goto(&at(DOOR));
    browser.fill("#email", "ann@example.org");
    browser.fill("#password", staff::PASSWORD);
    browser.click("main button");
    browser.shows("Check people in</h1>");
    browser.goto(&at("/office"));
    browser.shows("Check people in</h2>");
    accessible(&browser);
    browser.picture("door-phone-home");
    browser.goto(&at(path));
    browser.shows(">Admit</button>");
    accessible(&browser);
    browser.picture("door-phone-ticket");
    browser.click("form[action='/door/rock'] button");
    browser.shows("Come in</h1>");
    accessible(&browser);
    browser.picture("door-phone-in");
    assert_eq!(overview(&server)["inside"], 1);
}
