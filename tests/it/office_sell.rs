//! The office's pages on which an organiser makes orders: sales at the box office, gifts, guests from a file; and those
//! that correct names and answers.

use crate::forms::PageForm;
use crate::harness::*;
use serde_json::{Value, json};

const SELL: &str = "/office/events/rock/sell";
const GIVE: &str = "/office/events/rock/give";
const GUESTS: &str = "/office/events/rock/guests";

fn page(server: &Server, path: &str) -> String {
    let answer = server.send(Request::get(path).bearer(KEY));
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text()
}

/// An event with two ticket types, of which one is cheaper for the first ticket.
fn start(name: &str) -> (Dir, Server) {
    let dir = Dir::new(name);
    let server = Server::start(&dir);
    let mut event = event_json(12, 300);
    let price = |amount: i64| json!({"amount": amount, "currency": "GBP"});
    event["ticket_types"] = json!([
        {"id": "adult", "name": "Adult", "pool": "floor", "price": price(2500)},
        {"id": "early", "name": "Bird", "pool": "floor", "price": price(900),
         "phases": [{"name": "First", "price": price(500), "capacity": 1}]},
        {"id": "crew", "name": "Crew", "pool": "floor", "price": price(100), "hidden": true},
    ]);
    event["questions"] = json!([
        {"id": "note", "text": "Anything else?", "kind": "long_text"},
        {"id": "food", "text": "What do you eat?", "kind": "choice", "choices": ["all", "vegan"],
         "per": "ticket", "required": true},
    ]);
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 201);
    (dir, server)
}

fn key_of(page: &str, path: &str) -> String {
    let form = PageForm::of(page, path).unwrap_or_else(|| panic!("{path}: {page}"));
    form.field("key").expect("a key").to_owned()
}

/// Sends the form with a new key and these fields.
fn send(server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    let key = key_of(&page(server, path), path);
    let all: Vec<_> = [("key", &*key)].into_iter().chain(fields.iter().copied()).collect();
    server.send(Request::form(path, &all).bearer(KEY))
}

/// Sends the form of the page that asks whether it is meant.
fn confirm(server: &Server, check: &Answer, path: &str, does: &str) -> Answer {
    assert_eq!(check.status, 200, "{}", check.text());
    let form = PageForm::of(&check.text(), path).expect("a form");
    server.send(form.with(&[("do", does)]).bearer(KEY))
}

fn led(server: &Server, answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    page(server, answer.header("location").unwrap().split('#').next().unwrap())
}

fn contains(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[test]
fn a_sale_at_the_box_office_is_told_before_it_is_recorded_once() {
    let (_dir, server) = start("office-sell");
    contains(&page(&server, "/office/events/rock"), &["href=\"/office/events/rock/sell\">Sell<"]);
    let form = page(&server, SELL);
    contains(&form, &["£25.00", "£5.00 for 1, then £9.00", "12 left", ">Hidden<", "In cash"]);
    let sale = [
        ("quantity:adult", "2"),
        ("quantity:early", "2"),
        ("tender", "cash"),
        ("email", "ann@example.org"),
        ("note", "Receipt 77"),
    ];
    let check = send(&server, SELL, &sale);
    let shown = check.text();
    contains(
        &shown,
        &[
            "Check the sale",
            "£64.00",
            "4 tickets are valid at once.",
            "You take £64.00 in cash: nts moves no money.",
            "Record £64.00 in cash",
            "<dd>Box office</dd>",
            "<dd>Receipt 77</dd>",
            "The tickets are mailed to ann@example.org.",
        ],
    );
    assert_eq!(server.counts(), (0, 0, 12), "nothing is recorded yet");
    // Whoever wants to change it finds everything as it was.
    let change = confirm(&server, &check, SELL, "change");
    assert_eq!(change.status, 200);
    contains(
        &change.text(),
        &[
            "name=\"quantity:adult\" value=\"2\"",
            "value=\"cash\" required checked",
            "value=\"ann@example.org\"",
            "value=\"Receipt 77\"",
        ],
    );
    let first = confirm(&server, &check, SELL, "record");
    let order = led(&server, &first);
    contains(
        &order,
        &[
            "The sale is recorded: £64.00, paid in cash. 4 tickets are valid now.",
            "They are on their way to ann@example.org.",
            "It was paid in cash, and the tickets are valid.",
            "£64.00 was paid to you in cash. nts moved no money.",
            "<dt>Note</dt><dd>Receipt 77</dd>",
            "Sold at the box office, or given away",
            "4 tickets for 64.00 GBP: cash",
            "/tickets.pdf\">Print the tickets (PDF)</a>",
            "href=\"/office/events/rock/sell\">Go on with the next one</a>",
        ],
    );
    assert!(!order.contains("No money has moved") && !order.contains("Order placed"), "{order}");
    // As a double click sends it, and once more after others have bought: it is the same order.
    let second = confirm(&server, &check, SELL, "record");
    assert_eq!(second.header("location"), first.header("location"));
    assert_eq!(server.counts(), (0, 4, 8));
    assert_eq!(server.orders().len(), 1);
    let path = first.header("location").unwrap().split('?').next().unwrap();
    eventually("the mail is owed", || page(&server, path).contains(" to ann@example.org"));
    // The same form with other entries made an order already; what was typed is not lost.
    let form = PageForm::of(&shown, SELL).unwrap();
    let key = form.field("key").unwrap().to_owned();
    let other = [
        ("key", &*key),
        ("quantity:adult", "1"),
        ("tender", "terminal"),
        ("do", "record"),
        ("total", "2500"),
    ];
    let reused = server.send(Request::form(SELL, &other).bearer(KEY));
    assert_eq!(reused.status, 409);
    contains(&reused.text(), &["Nothing was recorded now", "name=\"quantity:adult\" value=\"1\""]);
    assert_ne!(key_of(&reused.text(), SELL), key, "it can be sent again");
    let none = server.send(Request::form(SELL, &other[1..]).bearer(KEY));
    assert!(none.status == 400 && none.text().contains("not whole"), "{}", none.text());
    // Somebody without an address, at the terminal.
    let check =
        send(&server, SELL, &[("quantity:crew", "1"), ("tender", "terminal"), ("name", "Cid")]);
    contains(&check.text(), &["Nothing is mailed", "Record £1.00 by card"]);
    let order = led(&server, &confirm(&server, &check, SELL, "record"));
    contains(&order, &["paid by card, at your terminal", "print the tickets", "Cid"]);
    assert_eq!(server.counts(), (0, 5, 7));
}

#[test]
fn what_cannot_be_sold_is_told_at_its_field_and_nothing_typed_is_lost() {
    let (_dir, server) = start("office-sell-wrong");
    let long = "x".repeat(101);
    let wrong = send(
        &server,
        SELL,
        &[
            ("quantity:adult", "two"),
            ("quantity:early", "1001"),
            ("name", "An\u{200b}n"),
            ("email", "nobody"),
            ("note", &long),
            ("language", "de"),
        ],
    );
    assert_eq!(wrong.status, 422);
    contains(
        &wrong.text(),
        &[
            "Please check the marked fields",
            "<a href=\"#quantity:adult\">Adult: type a number from 0 to 1,000.</a>",
            "<a href=\"#quantity:early\">Bird: type a number from 0 to 1,000.</a>",
            "<a href=\"#tender\">Choose how it is paid.</a>",
            "<a href=\"#name\">",
            "<a href=\"#email\">",
            "<a href=\"#note\">",
            "value=\"two\"",
            "value=\"nobody\"",
            &long,
            "<option value=\"de\" selected>German</option>",
        ],
    );
    for (fields, words) in [
        (&[("tender", "cash")][..], "Type how many tickets"),
        (&[("tender", "online"), ("quantity:adult", "1")], "Choose how it is paid."),
        (
            &[("tender", "cash"), ("quantity:adult", "1"), ("quantity:gone", "1")],
            "not sold any more",
        ),
        (
            &[("tender", "cash"), ("quantity:adult", "13")],
            "Adult: only 12 left. Nothing was recorded.",
        ),
        (
            &[("tender", "cash"), ("quantity:adult", "900"), ("quantity:early", "900")],
            "at most 1,000 tickets",
        ),
    ] {
        let refused = send(&server, SELL, fields);
        assert_eq!(refused.status, 422, "{fields:?}");
        contains(&refused.text(), &[words]);
    }
    let gift = send(&server, GIVE, &[("quantity:adult", "1")]);
    assert_eq!(gift.status, 422);
    contains(&gift.text(), &["<a href=\"#name\">Type the name of the guest.</a>"]);
    // Between the page that told the total and the button, somebody else got the last cheap ticket.
    let sale = [("quantity:early", "1"), ("tender", "cash"), ("name", "Ann")];
    let check = send(&server, SELL, &sale);
    contains(&check.text(), &["Record £5.00 in cash"]);
    let other = led(&server, &confirm(&server, &send(&server, SELL, &sale), SELL, "record"));
    contains(&other, &["£5.00, paid in cash"]);
    let changed = confirm(&server, &check, SELL, "record");
    assert_eq!(changed.status, 409);
    contains(
        &changed.text(),
        &["The price has changed", "Nothing was recorded yet", "Record £9.00 in cash"],
    );
    assert_eq!(server.counts(), (0, 1, 11));
    let form = PageForm::of(&changed.text(), SELL).unwrap();
    let done = server.send(form.with(&[("do", "record")]).bearer(KEY));
    contains(&led(&server, &done), &["£9.00, paid in cash"]);
    // The last places go while somebody looks at the page.
    let check =
        send(&server, SELL, &[("quantity:adult", "10"), ("tender", "cash"), ("name", "Bea")]);
    assert_eq!(server.send(hold("eve", 1)).status, 201);
    let refused = confirm(&server, &check, SELL, "record");
    assert_eq!(refused.status, 422);
    contains(
        &refused.text(),
        &["Adult: only 9 left", "1 is not paid yet, and may come back.", "value=\"Bea\""],
    );
    // Where there is nothing to sell, there is no form.
    let mut over = event_json(5, 300);
    over["starts_at"] = "2020-06-01T20:00:00+01:00".into();
    let put = Request::new("PUT", "/api/v1/events/over").bearer(KEY).json(&over);
    assert_eq!(server.send(put).status, 201);
    for part in ["sell", "give", "guests"] {
        let shown = page(&server, &format!("/office/events/over/{part}"));
        assert!(shown.contains("The event is over") && !shown.contains("<form action"), "{shown}");
    }
}

#[test]
fn tickets_that_are_given_away_are_counted_and_mailed() {
    let (_dir, server) = start("office-give");
    let gift = [
        ("quantity:adult", "2"),
        ("name", "Ann <b>"),
        ("email", "ann@example.org"),
        ("language", "de"),
        ("note", "Press"),
    ];
    let check = send(&server, GIVE, &gift);
    contains(
        &check.text(),
        &["Check the gift", "£0.00", "No money moves.", "Give 2 tickets away", "Ann &#60;b&#62;"],
    );
    let order = led(&server, &confirm(&server, &check, GIVE, "record"));
    contains(
        &order,
        &[
            "The tickets are given away. 2 tickets are valid now.",
            "It was given away, and the tickets are valid.",
            "nothing was paid",
            "<dt>Language</dt><dd>German</dd>",
            "<dt>Note</dt><dd>Press</dd>",
        ],
    );
    assert_eq!(server.counts(), (0, 2, 10));
    let told = &server.orders()[0];
    assert_eq!((&told["tender"], &told["reference"]), (&json!("free"), &json!("Press")));
    eventually("it is mailed", || {
        let orders = server.orders();
        let path = format!("/office/orders/{}", text(&orders[0], "id"));
        page(&server, &path).contains(" to ann@example.org")
    });
}

#[test]
fn the_office_is_in_english_and_writes_to_guests_as_the_browser_prefers() {
    let (_dir, server) = start("office-speaks");
    let german = |path: &str| {
        let request = Request::get(path).bearer(KEY).header("accept-language", "de-AT, en;q=0.5");
        server.send(request)
    };
    let form = german(GIVE);
    assert_eq!(form.header("content-language"), Some("en"));
    contains(&form.text(), &["Give tickets away", "<option value=\"de\" selected>German</option>"]);
    let unknown = german("/office/events/none/sell");
    assert_eq!((unknown.status, unknown.header("content-language")), (404, Some("en")));
    let path = format!("{SELL}?lang=de");
    assert!(
        german(&path).header("set-cookie").is_none(),
        "the office chooses no language of the shop"
    );
    // So are the reasons of refusals.
    let held = server.send(hold("ann", 1)).json();
    let path = format!("/office/orders/{}/name", text(&held, "id"));
    let key = key_of(&page(&server, &path), &path);
    let named = Request::form(&path, &[("key", &*key), ("name", "Anne")]).bearer(KEY);
    let refused = server.send(named.header("accept-language", "de"));
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("tickets"), "{}", refused.text());
    assert!(!refused.text().contains(" nicht "), "{}", refused.text());
}

/// A form with a file, as browsers send it.
fn upload(texts: &[(&str, &str)], file: Option<&str>) -> Request {
    let mut body = String::new();
    for (name, value) in texts {
        let value = value.replace("\r\n", "\n").replace('\n', "\r\n");
        body +=
            &format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    let name = if file.is_some() { "guests.csv" } else { "" };
    body += &format!(
        "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: text/csv\r\n\r\n{}\r\n--xx--\r\n",
        file.unwrap_or_default()
    );
    Request::new("POST", GUESTS)
        .bearer(KEY)
        .header("content-type", "multipart/form-data; boundary=xx")
        .body(body.into_bytes())
}

/// What the page that asks whether it is meant carries.
fn carried(page: &str) -> Vec<(String, String)> {
    let form = PageForm::of(page, GUESTS).unwrap_or_else(|| panic!("{page}"));
    form.fields
}

fn send_on(server: &Server, page: &str, does: &str) -> Answer {
    let fields = carried(page);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    server.send(upload(&[&fields[..], &[("do", does)]].concat(), None))
}

#[test]
fn guests_of_a_file_are_shown_line_by_line_and_made_once() {
    let (_dir, server) = start("office-guests");
    let file = "\u{feff}name;e-mail;ticket type;quantity;seat;status\n\
        Ann \"A\" Smith;ann@example.org;Adult;2;4;paid\n\
        Bob <b>;;early;1;5;\n\
        Eve;eve@example.org;Adult;1;6;canceled\n";
    let check = server.send(upload(&[("language", "de")], Some(file)));
    assert_eq!(check.status, 200, "{}", check.text());
    let shown = check.text();
    contains(
        &shown,
        &[
            "Check the list",
            "<tr><th scope=\"row\">e-mail</th><td>e-mail address</td></tr>",
            "<tr><th scope=\"row\">seat</th><td><span class=\"fine\">not read</span></td></tr>",
            "<tr><th scope=\"row\">Adult</th><td class=\"num\" data-label=\"Guests\">1</td><td class=\"num\" data-label=\"Tickets\">2</td>",
            "Bob &#60;b&#62;",
            "gets them by mail",
            "gets them, without a mail",
            "Line 4: Left out, for its status is “canceled”.",
            "Give 3 tickets away",
        ],
    );
    assert_eq!(server.counts(), (0, 0, 12), "nothing is made yet");
    let made = send_on(&server, &shown, "make");
    assert_eq!(made.status, 200, "{}", made.text());
    contains(&made.text(), &["2 guests of the list got 3 tickets.", "Lines that are left out: 1"]);
    assert_eq!(server.counts(), (0, 3, 9));
    let orders = server.orders();
    let named = |name: &str| orders.iter().find(|o| o["buyer"]["name"] == name).expect(name);
    assert_eq!(named("Ann \"A\" Smith")["buyer"]["language"], "de");
    assert_eq!(named("Bob <b>")["tender"], "free");
    // Once more: from the same page, from the file, pasted, and by a program.
    let again = send_on(&server, &shown, "make");
    contains(
        &again.text(),
        &["No tickets were given away now.", "2 guests had the tickets of this list before."],
    );
    let known = server.send(upload(&[], Some(&file.replace('\n', "\r\n")))).text();
    contains(&known, &["There is nothing to do", "has them already"]);
    assert!(!known.contains("value=\"make\""), "{known}");
    let pasted = server.send(upload(&[("list", &file.replace('\u{feff}', ""))], None)).text();
    contains(&pasted, &["There is nothing to do"]);
    let program = Request::new("POST", "/api/v1/events/rock/guests?language=fr").bearer(KEY);
    let program = program.header("content-type", "text/csv").body(file.as_bytes().to_vec());
    let told = server.send(program).json();
    assert_eq!((&told["given"], &told["given_before"]), (&json!(0), &json!(2)), "{told}");
    assert_eq!(server.orders().len(), 2);
    // More guests than places.
    let many = "name,ticket type,quantity\nCid,Adult,8\nDan,Adult,2\n";
    let full = server.send(upload(&[("list", many)], None));
    assert_eq!(full.status, 422);
    contains(&full.text(), &["Line 3", "pool “floor” has 9 left"]);
    // They go between the two pages: what was made stays, and the rest is told.
    let most = "name,ticket type,quantity\nCid,Adult,5\nDan,Adult,4\n";
    let check = server.send(upload(&[("list", most)], None));
    assert_eq!(check.status, 200, "{}", check.text());
    assert_eq!(server.send(hold("fay", 1)).status, 201);
    let refused = send_on(&server, &check.text(), "make");
    assert_eq!(refused.status, 422, "{}", refused.text());
    contains(&refused.text(), &["Nothing was made", "pool “floor” has 8 left", "Cid,Adult,5"]);
    assert_eq!(server.orders().iter().filter(|o| o["state"] == "paid").count(), 2);
}

#[test]
fn each_line_with_a_mistake_is_told_and_can_be_corrected_in_the_form() {
    let (_dir, server) = start("office-guests-wrong");
    let none = server.send(upload(&[("language", "fr")], None));
    assert_eq!(none.status, 422);
    contains(
        &none.text(),
        &[
            "<a href=\"#file\">Choose a file, or paste the list below.</a>",
            "<option value=\"fr\" selected>",
        ],
    );
    let both = server.send(upload(&[("list", "name\nAnn\n")], Some("name\nBob\n")));
    assert_eq!(both.status, 422);
    contains(&both.text(), &["not both", "Ann"]);
    let file = "name,email,ticket type\nAnn,nobody,Adult\nBob,,Senior\nCid,,Adult\n";
    let wrong = server.send(upload(&[], Some(file)));
    assert_eq!(wrong.status, 422);
    let shown = wrong.text();
    contains(
        &shown,
        &[
            "<a href=\"#list\">The list has 2 mistakes, told below. Nothing was made.",
            "Line 2</th>",
            "The event has no ticket type “Senior”.",
            "<tr><th scope=\"row\">ticket type</th><td>ticket type</td></tr>",
            "Ann,nobody,Adult",
        ],
    );
    // Somebody may send such a list as one that was checked.
    let forced = server.send(upload(&[("list", file), ("do", "make")], None));
    assert_eq!(forced.status, 422);
    assert!(server.orders().is_empty());
    let right = file.replace("nobody", "ann@example.org").replace("Senior", "Bird");
    let check = server.send(upload(&[("list", &right)], None));
    assert_eq!(check.status, 200, "{}", check.text());
    let change = send_on(&server, &check.text(), "change");
    contains(&change.text(), &["ann@example.org,Adult"]);
    assert_eq!(send_on(&server, &check.text(), "make").status, 200);
    assert_eq!(server.counts(), (0, 3, 9));
    for (file, words) in [
        ("email\nann@example.org\n", "There is no column with names"),
        ("name\nAnn\n", "There is no column “ticket type”"),
        ("name,ticket type\n", "The file has no rows"),
    ] {
        let wrong = server.send(upload(&[], Some(file)));
        assert_eq!(wrong.status, 422, "{file}");
        contains(&wrong.text(), &[words]);
    }
}

#[test]
fn a_long_list_is_made_whole() {
    let (_dir, server) = start("office-guests-long");
    let mut event = event_json(2_000, 300);
    event["ticket_types"][0]["price"]["amount"] = 0.into();
    let put = Request::new("PUT", "/api/v1/events/long").bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 201);
    let list = (1..=450).map(|n| format!("Guest {n}\n")).collect::<String>();
    let to = |request: Request| request.to("/office/events/long/guests");
    let list = format!("name\n{list}");
    let check = server.send(to(upload(&[("list", &list)], None)));
    contains(&check.text(), &["Give 450 tickets away"]);
    // More than are made at once: the button makes all, or says that there are more.
    let mut left = 10;
    loop {
        let made = server.send(to(upload(&[("list", &list), ("do", "make")], None)));
        assert_eq!(made.status, 200, "{}", made.text());
        if !made.text().contains("Go on with the rest") {
            break;
        }
        left -= 1;
        assert!(left > 0, "it does not end");
    }
    let event = server.get("/api/v1/events/long").json();
    assert_eq!(event["pools"][0]["sold"], 450);
}

#[test]
fn who_changes_a_list_of_which_some_was_made_is_told_to_take_that_out() {
    let (_dir, server) = start("office-guests-changed");
    let mut event = event_json(2_000, 300);
    event["ticket_types"][0]["price"]["amount"] = 0.into();
    let put = Request::new("PUT", "/api/v1/events/long").bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 201);
    let to = |fields: &[(&str, &str)]| {
        let answer = server.send(upload(fields, None).to("/office/events/long/guests"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    };
    let list = (1..=201).map(|n| format!("Guest {n}\n")).collect::<String>();
    let list = format!("name\n{list}");
    assert!(!to(&[("list", &list)]).contains("some_made"), "nothing was made");
    // One request of a program makes 200 of the 201.
    let part = Request::new("POST", "/api/v1/events/long/guests").bearer(KEY);
    let part = part.header("content-type", "text/csv").body(list.clone().into_bytes());
    assert_eq!(server.send(part).json()["left"], 1);
    let if_changed = "If you change the list, take out the lines that have their tickets";
    contains(&to(&[("list", &list)]), &["Give 1 ticket away", if_changed]);
    // So says the form of the change, and the page that checks the changed list.
    let some = ("some_made", "yes");
    let change = to(&[("list", &list), some, ("do", "change")]);
    contains(
        &change,
        &["Lines of this list have their tickets. Take them out", "name=\"some_made\""],
    );
    let changed = format!("{list}Guest 202\n");
    let check = to(&[("list", &changed), some]);
    contains(&check, &["Give 202 tickets away", "whoever is on it gets tickets again"]);
}

fn answers_of(server: &Server, order: &Value) -> Value {
    server.send(look(order)).json()["answers"].clone()
}

#[test]
fn names_and_answers_of_an_order_are_corrected() {
    let (_dir, server) = start("office-answers");
    let held = server.send(hold("Ada", 2)).json();
    let path = format!("/office/orders/{}", text(&held, "id"));
    let shown = page(&server, &path);
    contains(&shown, &["Anything else?", "Adult", "not answered, but it must be before a payment"]);
    // Staff may leave out what buyers must answer.
    let to = format!("{path}/answers");
    let first = page(&server, &to);
    contains(
        &first,
        &["<legend>For the order</legend>", "name=\"a.food.2\"", "Buyers must answer it"],
    );
    let seen = |page: &str| PageForm::of(page, &to).unwrap().field("seen").unwrap().to_owned();
    let save = |seen: &str, fields: &[(&str, &str)]| {
        let all: Vec<_> = [("seen", seen)].into_iter().chain(fields.iter().copied()).collect();
        server.send(Request::form(&to, &all).bearer(KEY))
    };
    let both = [("a.note", "Two\r\nlines"), ("a.food.1", "vegan"), ("a.food.2", "")];
    let saved = save(&seen(&first), &both);
    contains(
        &led(&server, &saved),
        &["The answers are saved.", "Two<br>lines", "vegan", "Answers changed"],
    );
    // The same form once more changes nothing.
    assert_eq!(save(&seen(&first), &both).status, 303);
    let answers = answers_of(&server, &held);
    assert_eq!(answers.as_array().unwrap().len(), 2, "{answers}");
    // Another one that was opened before is told that somebody was faster, and can be saved then.
    let late = save(&seen(&first), &[("a.note", "Mine"), ("a.food.1", "all")]);
    assert_eq!(late.status, 409);
    contains(&late.text(), &["Somebody has changed the answers meanwhile", "Mine"]);
    assert_eq!(answers_of(&server, &held), answers);
    let saved = save(&seen(&late.text()), &[("a.note", "Mine"), ("a.food.1", "all")]);
    contains(&led(&server, &saved), &["Mine"]);
    // Mistakes are told at their fields.
    let now = seen(&page(&server, &to));
    let long = "x".repeat(2_001);
    let wrong = save(&now, &[("a.note", &long), ("a.food.1", "meat")]);
    assert_eq!(wrong.status, 422);
    contains(
        &wrong.text(),
        &[
            "<a href=\"#a.note\">Anything else: ",
            "<a href=\"#a.food.1\">What do you eat: ",
            &long,
            "meat (not a choice any more)",
        ],
    );
    // The name: only once there are tickets.
    assert!(!page(&server, &path).contains(&format!("{path}/name")));
    let full = [("a.food.1", "all"), ("a.food.2", "vegan")];
    assert_eq!(save(&now, &full).status, 303);
    assert_eq!(server.send(pay(&held, "ctoken_ok")).status, 200);
    contains(&page(&server, &path), &[&format!("{path}/name"), &format!("{path}/answers")]);
    let to_name = format!("{path}/name");
    let empty = send(&server, &to_name, &[("name", " ")]);
    assert_eq!(empty.status, 422);
    contains(&empty.text(), &["The name is empty.", "aria-invalid"]);
    let named = send(&server, &to_name, &[("name", "Ada <Lovelace>")]);
    contains(
        &led(&server, &named),
        &["The name of the buyer is corrected.", "Ada &#60;Lovelace&#62;", "Name corrected"],
    );
    assert_eq!(server.send(look(&held)).json()["buyer"]["name"], "Ada <Lovelace>");
    // Long after the buyer could.
    let now = seen(&page(&server, &to));
    assert_eq!(save(&now, &[("a.food.1", "vegan"), ("a.food.2", "all")]).status, 303);
    // The log of the event says that, and no answer.
    let log = page(&server, "/office/events/rock/log");
    assert!(log.contains("Answers changed") && !log.contains("vegan"), "{log}");
}

#[test]
fn an_order_without_questions_has_no_answers_to_correct() {
    let dir = Dir::new("office-no-questions");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let held = server.send(hold("Ada", 1)).json();
    let path = format!("/office/orders/{}", text(&held, "id"));
    assert!(!page(&server, &path).contains("Answers"));
    let to = format!("{path}/answers");
    assert_eq!(server.send(Request::get(&to).bearer(KEY)).status, 400);
    let sent = server.send(Request::form(&to, &[("a.note", "x")]).bearer(KEY));
    assert_eq!(sent.status, 400, "{}", sent.text());
}
