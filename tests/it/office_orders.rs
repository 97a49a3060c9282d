//! The office's pages of orders: finding one, doing something with it, and taking all of them away as files.

use crate::forms::PageForm;
use crate::harness::*;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// A page of the office.
fn page(server: &Server, path: &str) -> String {
    let answer = server.send(Request::get(path).bearer(KEY));
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.text()
}

/// The names of the orders in a list of the office.
fn names(page: &str) -> Vec<String> {
    let links = page.split("<a href=\"/office/orders/").skip(1);
    links
        .map(|rest| rest.split_once('>').unwrap().1.split('<').next().unwrap().to_owned())
        .collect()
}

fn found(server: &Server, query: &str) -> Vec<String> {
    names(&page(server, &format!("/office/orders?{query}")))
}

/// The names of the orders in a list of the API.
fn listed(server: &Server, path: &str) -> Vec<String> {
    let answer = server.send(Request::get(path).bearer(KEY));
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let list = answer.json();
    let orders = list["orders"].as_array().unwrap();
    orders.iter().map(|order| text(&order["buyer"], "name")).collect()
}

fn paid(server: &Server, name: &str, quantity: i64) -> Value {
    let order = server.send(hold(name, quantity)).json();
    let paid = server.send(pay(&order, "ctoken_ok"));
    assert_eq!(paid.status, 200, "{}", paid.text());
    let mut told = server.send(look(&order)).json();
    told["secret"] = order["secret"].clone();
    told
}

fn office(order: &Value, rest: &str) -> String {
    format!("/office/orders/{}{rest}", text(order, "id"))
}

/// Sends a form of the office, with its own key and these fields.
fn submit(server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    let form = page(server, path);
    let form = PageForm::of(&form, path).unwrap_or_else(|| panic!("{path}: {form}"));
    let key = form.field("key").expect("a key").to_owned();
    post(server, path, &key, fields)
}

fn post(server: &Server, path: &str, key: &str, fields: &[(&str, &str)]) -> Answer {
    let all: Vec<(&str, &str)> = [("key", key)].into_iter().chain(fields.iter().copied()).collect();
    server.send(Request::form(path, &all).bearer(KEY))
}

/// The page to which a form that was taken leads.
fn led(server: &Server, answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let path = answer.header("location").unwrap().to_owned();
    page(server, path.split('#').next().unwrap())
}

#[test]
fn an_order_is_found_by_whatever_its_buyer_says() {
    let dir = Dir::new("office-find");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    assert!(page(&server, "/office/orders").contains("There are no orders yet"));
    let ada = paid(&server, "Ada-Lovelace", 2);
    let grace = server.send(hold("Grace-Hopper", 1)).json();
    let ticket = &ada["tickets"][0];
    let id = text(&ada, "id");
    let url = text(ticket, "url");
    for query in [
        "q=ada",
        "q=LOVELACE",
        "q=lovelace+ada",
        "q=ada-lovelace%40example.org",
        &format!("q={}", text(ticket, "code")),
        &format!("q={}", text(ticket, "code").to_lowercase().replace('-', "")),
        &format!("q={url}"),
        &format!("q={}", url.rsplit('/').next().unwrap()),
        &format!("q={id}"),
        &format!("q={}", id.replace('-', "")),
        &format!("q=http://localhost/orders/{id}/x"),
        "state=paid",
        "q=ada&state=paid",
    ] {
        assert_eq!(found(&server, query), ["Ada-Lovelace"], "{query}");
        let of_event = page(&server, &format!("/office/events/rock/orders?{query}"));
        assert_eq!(names(&of_event), ["Ada-Lovelace"], "{query}");
    }
    for query in ["", "state=", "ticket_type=adult", &format!("q={}", &id[..9])] {
        assert_eq!(found(&server, query), ["Grace-Hopper", "Ada-Lovelace"], "{query}");
    }
    for query in ["q=nobody", "q=ada&state=held", "q=ovelace", "since=2999-01-01"] {
        assert!(found(&server, query).is_empty(), "{query}");
    }
    let wrong = page(&server, "/office/orders?since=yesterday");
    assert!(wrong.contains("is a day, such as") && wrong.contains("value=\"yesterday\""));
    // A guest's name.
    let named = json!({"name": "Charles Babbage"});
    let path = format!("/api/v1/orders/{id}/tickets/2");
    let name = Request::new("POST", &path).bearer(&text(&ada, "secret")).json(&named);
    assert_eq!(server.send(name).status, 200);
    assert_eq!(found(&server, "q=babbage"), ["Ada-Lovelace"]);
    assert!(page(&server, &office(&grace, "")).contains("Reserved"));
}

#[test]
fn programs_ask_for_orders_with_filters() {
    let dir = Dir::new("office-api");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    let jazz = put_event("jazz", 50, 300);
    assert!(server.send(jazz).status < 300);
    let ada = paid(&server, "Ada", 1);
    server.send(hold("Grace", 1));
    let body = json!({
        "buyer": {"name": "Ada Two", "email": "ADA@example.org"},
        "lines": [{"ticket_type": "adult", "quantity": 1}],
    });
    let other = Request::new("POST", "/api/v1/events/jazz/orders").json(&body);
    assert_eq!(server.send(other).status, 201);
    let placed = text(&ada, "placed_at");
    for (query, names) in [
        ("", &["Ada", "Grace", "Ada Two"][..]),
        ("email=ada@example.org", &["Ada Two", "Ada"]),
        ("email=Ada%40EXAMPLE.org&state=held", &["Ada Two"]),
        ("email=ada%40example.or", &[]),
        ("q=ada&state=paid", &["Ada"]),
        ("state=held", &["Grace", "Ada Two"]),
        ("ticket_type=adult&state=paid", &["Ada"]),
        (&*format!("changed_since={placed}"), &["Ada", "Grace", "Ada Two"]),
        ("changed_since=2999-01-01T00:00:00Z", &[]),
    ] {
        let mut told = listed(&server, &format!("/api/v1/orders?{query}"));
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        if query.contains("email") {
            told.sort();
            names.sort();
        }
        assert_eq!(told, names, "{query}");
        names.retain(|name| name != "Ada Two");
        assert_eq!(
            listed(&server, &format!("/api/v1/events/rock/orders?{query}")),
            names,
            "{query}"
        );
    }
    for (query, words) in [
        ("states=paid", "no query parameter"),
        ("state=sold", "state in the query is one of held"),
        ("changed_since=today", "a time of RFC 3339"),
        ("ticket_type=child", "is no ticket type"),
        ("q=ada&email=ada%40example.org", "not by both"),
        ("after=x", "after in the query"),
        ("after=n.1.2", "after in the query"),
        ("limit=0", "1 to 500"),
    ] {
        for path in ["/api/v1/orders", "/api/v1/events/rock/orders"] {
            let refused = server.send(Request::get(&format!("{path}?{query}")).bearer(KEY));
            assert_eq!(refused.code(), Some(ProblemCode::Invalid), "{query}");
            assert!(refused.text().contains(words), "{query}: {}", refused.text());
        }
    }
    // Page by page, while others come.
    let (mut after, mut all) = (String::new(), Vec::new());
    loop {
        let path = format!("/api/v1/orders?limit=1{after}");
        let list = server.send(Request::get(&path).bearer(KEY)).json();
        all.extend(list["orders"].as_array().unwrap().iter().map(|o| text(&o["buyer"], "name")));
        let Some(next) = list["next"].as_str() else { break };
        after = format!("&after={next}");
        if all.len() == 2 {
            server.send(hold("Late", 1));
        }
    }
    assert_eq!(all, ["Ada", "Grace", "Ada Two", "Late"]);
}

#[test]
fn a_refund_says_what_it_will_do_and_does_it_once() {
    let dir = Dir::new("office-refund");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    let order = paid(&server, "Ada", 3);
    let path = office(&order, "/refund");
    let shown = page(&server, &path);
    assert!(shown.contains("All that is left: £75.00") && shown.contains("3 left"), "{shown}");
    for (fields, words) in [
        (&[("reason", "ill")][..], "choose what to refund"),
        (&[("what", "all")], "say why"),
        (&[("what", "some"), ("reason", "ill")], "how many tickets"),
        (&[("what", "some"), ("n0", "4"), ("reason", "ill")], "0 to 3"),
        (&[("what", "some"), ("n0", "-1"), ("reason", "ill")], "0 to 3"),
        (&[("what", "failed"), ("reason", "ill")], ""),
    ] {
        let refused = submit(&server, &path, fields);
        assert_eq!(refused.status, 422, "{fields:?}");
        let told = refused.text();
        assert!(told.contains(words) && told.contains("No money moved"), "{told}");
    }
    let two = [("what", "some"), ("n0", "2"), ("reason", "two are ill"), ("restock", "yes")];
    let asked = submit(&server, &path, &two);
    assert_eq!(asked.status, 200);
    let confirm = asked.text();
    for words in [
        "£50.00 goes back to the card that paid.",
        "2 tickets stop being valid at once",
        "go back on sale once the money is back",
        "Refund £50.00",
        "two are ill",
    ] {
        assert!(confirm.contains(words), "{words}: {confirm}");
    }
    assert_eq!(server.counts(), (0, 3, 97), "nothing was done yet");
    let form = PageForm::of(&confirm, &path).unwrap();
    let send = || server.send(form.with(&[]).bearer(KEY));
    let first = send();
    let after = led(&server, &first);
    assert!(
        after.contains("£50.00 went back") || after.contains("£50.00 is on its way"),
        "{after}"
    );
    // The same form twice, as a double click sends it.
    let second = send();
    assert_eq!(second.header("location"), first.header("location"));
    eventually("the places are back", || server.counts() == (0, 1, 99));
    let told = server.send(look(&order)).json();
    assert_eq!(told["refunds"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["refunded"]["amount"], 5000);
    // The story and the log have the reason.
    let shown = page(&server, &office(&order, ""));
    for words in ["Refund asked for", "two are ill", "£50.00 for 2 × Adult", "API key"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let log = page(&server, "/office/events/rock/log");
    assert!(log.contains("two are ill") && log.contains("Event made"), "{log}");
    // Another form under the same key is refused, and one without a key.
    let key = form.field("key").unwrap();
    let all = [("what", "all"), ("reason", "x"), ("confirmed", "yes")];
    let reused = post(&server, &path, key, &all);
    assert!(reused.status == 422, "{}", reused.text());
    let none = post(&server, &path, "", &all);
    assert!(none.status >= 400 && none.text().contains("not whole"), "{}", none.text());
    assert_eq!(server.send(look(&order)).json()["refunds"].as_array().unwrap().len(), 1);
    // The rest.
    let rest = submit(&server, &path, &all);
    assert!(led(&server, &rest).contains("£25.00"));
    eventually("all is back", || server.send(look(&order)).json()["state"] == "refunded");
    let none = submit(&server, &path, &[("what", "all"), ("reason", "x")]);
    assert_eq!(none.status, 422, "{}", none.text());
}

#[test]
fn staff_corrects_sends_again_and_cancels() {
    let dir = Dir::new("office-actions");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    let order = paid(&server, "Ada", 2);
    let told = || server.send(look(&order)).json();
    // The address.
    let path = office(&order, "/address");
    for (typed, words) in [("", "type an e-mail address"), ("nobody", "e-mail address")] {
        let wrong = submit(&server, &path, &[("email", typed)]);
        assert_eq!(wrong.status, 422);
        let shown = wrong.text();
        assert!(shown.contains(words) && shown.contains("aria-invalid"), "{shown}");
    }
    let right = submit(&server, &path, &[("email", "lovelace@example.org")]);
    assert!(led(&server, &right).contains("The address is changed"));
    assert_eq!(told()["buyer"]["email"], "lovelace@example.org");
    assert_eq!(found(&server, "q=lovelace%40example.org"), ["Ada"]);
    // A guest.
    let path = office(&order, "/tickets/1");
    let before = text(&told()["tickets"][0], "code");
    assert_eq!(submit(&server, &path, &[("name", "  ")]).status, 422);
    let named = submit(&server, &path, &[("name", "Charles <Babbage>")]);
    let shown = led(&server, &named);
    assert!(
        shown.contains("The name is on the ticket") && shown.contains("Charles &#60;Babbage&#62;")
    );
    assert_eq!(told()["tickets"][0]["guest"], "Charles <Babbage>");
    assert_ne!(text(&told()["tickets"][0], "code"), before);
    let third = server.send(Request::get(&office(&order, "/tickets/3")).bearer(KEY));
    assert_eq!(third.status, 400, "there is no third ticket");
    // The tickets again: of two at once, one.
    let path = office(&order, "/resend");
    let again = submit(&server, &path, &[]);
    let first = led(&server, &again);
    let second = led(&server, &submit(&server, &path, &[]));
    assert!(first.contains("once more") || first.contains("on their way already"), "{first}");
    assert!(second.contains("on their way already"), "{second}");
    // A hold.
    let held = server.send(hold("Grace", 4)).json();
    assert_eq!(server.counts(), (4, 2, 94));
    let path = office(&held, "/cancel");
    let form = page(&server, &path);
    assert!(form.contains("4 places go back on sale") && form.contains("No money has moved"));
    let key = PageForm::of(&form, &path).unwrap().field("key").unwrap().to_owned();
    for _ in 0..2 {
        let canceled = post(&server, &path, &key, &[]);
        assert!(led(&server, &canceled).contains("The reservation is canceled"));
    }
    assert_eq!(server.counts(), (0, 2, 98));
    let paid = office(&order, "/cancel");
    let refused = post(&server, &paid, &key, &[]);
    assert!(refused.status == 422, "{}", refused.text());
    assert_eq!(told()["state"], "paid");
    // Who did it is in the log.
    let log = page(&server, "/office/events/rock/log");
    for words in ["e-mail address", "name on ticket 1", "Order canceled"] {
        assert!(log.contains(words), "{words}: {log}");
    }
}

/// A body without the lengths of its chunks.
fn whole(chunked: &[u8]) -> Vec<u8> {
    let (mut rest, mut body) = (chunked, Vec::new());
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("a length");
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 2 + length + 2..];
    }
}

fn csv(server: &Server, file: &str) -> Vec<Vec<String>> {
    let path = format!("/api/v1/events/rock/export/{file}");
    let answer = server.send(Request::get(&path).bearer(KEY));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("content-type").unwrap().starts_with("text/csv"));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"), "it is not held in memory");
    let text = String::from_utf8(whole(&answer.body)).unwrap();
    let text = text.strip_prefix('\u{feff}').expect("a mark");
    let rows = text.lines().map(|line| line.split(',').map(String::from).collect());
    rows.collect()
}

#[test]
fn files_have_what_the_orders_have_and_no_formulas() {
    let dir = Dir::new("office-export");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    let order = paid(&server, "=SUM", 2);
    server.send(hold("Grace", 1));
    let refund = json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": false,
                        "reason": "ill"});
    let path = format!("/api/v1/orders/{}/refunds", text(&order, "id"));
    assert_eq!(server.send(Request::new("POST", &path).bearer(KEY).json(&refund)).status, 200);
    eventually("it is paid again", || server.send(look(&order)).json()["state"] == "paid");

    let orders = csv(&server, "orders.csv");
    assert_eq!(orders.len(), 3, "{orders:?}");
    let column = |name: &str| orders[0].iter().position(|head| head == name).unwrap();
    let cell = |row: usize, name: &str| orders[row][column(name)].as_str();
    assert_eq!(cell(1, "name"), "'=SUM");
    assert_eq!((cell(1, "total"), cell(1, "given_back")), ("50.00", "25.00"));
    assert_eq!((cell(2, "name"), cell(2, "state")), ("Grace", "held"));

    let tickets = csv(&server, "tickets.csv");
    let codes: Vec<String> =
        order["tickets"].as_array().unwrap().iter().map(|ticket| text(ticket, "code")).collect();
    let told: Vec<&str> = tickets[1..].iter().map(|row| row[1].as_str()).collect();
    assert_eq!(told, codes);
    let valid: Vec<&str> = tickets[1..].iter().map(|row| row[4].as_str()).collect();
    assert_eq!(valid.iter().filter(|valid| **valid == "yes").count(), 1);

    let payments = csv(&server, "payments.csv");
    let moved: Vec<[&str; 3]> =
        payments[1..].iter().map(|row| [row[2].as_str(), &row[3], &row[4]]).collect();
    assert_eq!(moved, [["payment", "50.00", "0.00"], ["refund", "0.00", "25.00"]]);
    let days = csv(&server, "days.csv");
    assert_eq!(days[1][1..], ["2", "1", "50.00", "25.00", "0.00", "25.00", "GBP", "online"]);

    let accounts = page(&server, "/office/events/rock/accounts");
    for words in ["£50.00", "£25.00", "Adult (£25.00)", "By day"] {
        assert!(accounts.contains(words), "{words}: {accounts}");
    }
    let audit = nts(&dir).args(["audit", "--books-only"]).output().unwrap();
    let audit = said(&audit);
    assert!(audit.contains("50.00 GBP taken, 25.00 GBP given back"), "{audit}");
    let list = page(&server, "/office/events/rock/export");
    for file in ["orders.csv", "tickets.csv", "payments.csv", "days.csv"] {
        let path = format!("/office/events/rock/export/{file}");
        assert!(list.contains(&path), "{list}");
        let saved = server.send(Request::get(&path).bearer(KEY));
        let name = saved.header("content-disposition").unwrap();
        assert_eq!(name, format!("attachment; filename=\"rock-{file}\""));
    }
    let none = server.send(Request::get("/api/v1/events/rock/export/x.csv").bearer(KEY));
    assert_eq!(none.status, 404);
}

/// Asks for a refund under a key of its own.
fn refund(server: &Server, order: &Value, body: &Value) -> Answer {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let path = format!("/api/v1/orders/{}/refunds", text(order, "id"));
    let key = format!("refund {}", ASKED.fetch_add(1, Ordering::Relaxed));
    server.send(Request::new("POST", &path).bearer(KEY).key(&key).json(body))
}

#[test]
fn an_amount_is_refunded_and_the_tickets_stay_valid() {
    let dir = Dir::new("refund-amount");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    let order = paid(&server, "Ada", 2);
    let told = || server.send(look(&order)).json();
    let pounds = |amount: i64| json!({"amount": {"amount": amount, "currency": "GBP"}, "reason": "late start"});
    for (body, code, words) in [
        (pounds(0), "invalid", "more than 0"),
        (pounds(-5), "invalid", "more than 0"),
        (pounds(5_001), "refund_too_large", "At most £50.00 can be refunded"),
        (json!({"amount": {"amount": 500, "currency": "EUR"}}), "invalid", "paid in GBP"),
        (json!({"amount": {"amount": 500, "currency": "GBP"}, "all": true}), "invalid", "one of"),
        (json!({"all": true}), "invalid", "restock"),
        (json!({"amount": 5.5}), "invalid", ""),
    ] {
        let refused = refund(&server, &order, &body);
        assert!(refused.status >= 400, "{body}: {refused:?}");
        let told = refused.json();
        assert_eq!(told["code"], code, "{body}: {told}");
        assert!(refused.text().contains(words), "{body}: {}", refused.text());
    }
    // Who asks again after a lost answer must not pay twice, so the request says which one it is.
    let path = format!("/api/v1/orders/{}/refunds", text(&order, "id"));
    let keyless = Request::new("POST", &path).bearer(KEY).json(&pounds(1_250));
    let refused = server.send(keyless.clone());
    assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("invalid")), "{refused:?}");
    for words in ["needs an Idempotency-Key", "No money moved"] {
        assert!(refused.text().contains(words), "{}", refused.text());
    }
    assert_eq!(told()["refunded"]["amount"], 0);
    let made = server.send(keyless.clone().key("late start"));
    assert_eq!(made.status, 200, "{made:?}");
    let again = server.send(keyless.key("late start"));
    assert_eq!(again.json()["refund"]["id"], made.json()["refund"]["id"], "twice is once");
    assert_eq!(made.json()["refund"]["amount"]["amount"], 1_250);
    eventually("it is paid again", || told()["state"] == "paid");
    let now = told();
    assert_eq!(now["refunded"]["amount"], 1_250, "{now}");
    assert!(
        now["tickets"].as_array().unwrap().iter().all(|ticket| ticket["valid"] == true),
        "{now}"
    );
    assert_eq!(server.counts(), (0, 2, 98));
    assert!(server.get(&page_of(&order)).text().contains("partly refunded"));

    // In the office, as people write it, with a page that says what will happen.
    let path = office(&order, "/refund");
    let form = page(&server, &path);
    assert!(form.contains("Amount in GBP") && form.contains("At most £37.50"), "{form}");
    for typed in ["", "0", "-1", "1.234", "ten"] {
        let refused =
            submit(&server, &path, &[("what", "amount"), ("amount", typed), ("reason", "x")]);
        assert_eq!(refused.status, 422, "{typed}");
        assert!(
            refused.text().contains("write the amount in GBP such as 12.50"),
            "{}",
            refused.text()
        );
    }
    let much = submit(&server, &path, &[("what", "amount"), ("amount", "37.51"), ("reason", "x")]);
    assert!(much.status == 422 && much.text().contains("At most £37.50"), "{}", much.text());
    let asked =
        submit(&server, &path, &[("what", "amount"), ("amount", "7,50"), ("reason", "late start")]);
    let confirm = asked.text();
    for words in
        ["£7.50 goes back to the card that paid.", "that are valid stay valid", "Refund £7.50"]
    {
        assert!(confirm.contains(words), "{words}: {confirm}");
    }
    let send = || server.send(PageForm::of(&confirm, &path).unwrap().with(&[]).bearer(KEY));
    let first = send();
    let after = led(&server, &first);
    assert!(after.contains("£7.50"), "{after}");
    assert_eq!(send().header("location"), first.header("location"), "twice is once");
    eventually("it is paid again", || told()["state"] == "paid");
    assert_eq!(told()["refunded"]["amount"], 2_000);
    assert!(page(&server, &office(&order, "")).contains("£7.50 as an amount"));

    // A ticket then gives back what it cost; all that is left takes the last ticket.
    let one = json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": true});
    assert_eq!(refund(&server, &order, &one).json()["refund"]["amount"]["amount"], 2_500);
    eventually("it is paid again", || told()["state"] == "paid");
    let rest = refund(&server, &order, &pounds(500)).json();
    assert_eq!(rest["refund"]["amount"]["amount"], 500, "{rest}");
    eventually("all is back", || told()["state"] == "refunded");
    assert!(told()["tickets"].as_array().unwrap().iter().all(|ticket| ticket["valid"] == false));
    let none = refund(&server, &order, &pounds(1));
    assert_eq!(none.json()["code"], "nothing_to_refund", "{none:?}");

    let days = csv(&server, "days.csv");
    assert_eq!(days[1][1..], ["2", "2", "50.00", "50.00", "0.00", "0.00", "GBP", "online"]);
    let audit = said(&nts(&dir).args(["audit", "--books-only"]).output().unwrap());
    assert!(audit.contains("50.00 GBP taken, 50.00 GBP given back"), "{audit}");
    assert!(audit.contains("The books balance") && !audit.contains("to know"), "{audit}");
}

#[test]
fn the_accounts_tell_cash_from_cards_as_the_audit_does() {
    let dir = Dir::new("office-tenders");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    paid(&server, "Ada", 1);
    let sell = |tender: &str, quantity: i64| {
        let sale = json!({"buyer": {"name": "Bob"}, "tender": tender, "reference": "R-7",
                          "lines": [{"ticket_type": "adult", "quantity": quantity}]});
        let sold =
            server.send(Request::new("POST", "/api/v1/events/rock/sales").bearer(KEY).json(&sale));
        assert_eq!(sold.status, 201, "{sold:?}");
        sold.json()
    };
    let (cash, terminal) = (sell("cash", 3), sell("terminal", 2));
    sell("free", 4);
    let amount = json!({"amount": {"amount": 333, "currency": "GBP"}});
    let given = refund(&server, &cash, &amount).json();
    assert_eq!(
        (&given["refund"]["state"], &given["order"]["state"]),
        (&json!("succeeded"), &json!("paid"))
    );
    let one = json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": true});
    assert_eq!(refund(&server, &cash, &one).status, 200);
    assert_eq!(refund(&server, &terminal, &json!({"all": true, "restock": false})).status, 200);

    let days = csv(&server, "days.csv");
    let of = |tender: &str| {
        let row = days[1..].iter().find(|row| row.last().unwrap() == tender).unwrap();
        row[1..7].to_vec()
    };
    assert_eq!(of("online"), ["1", "0", "25.00", "0.00", "0.00", "25.00"]);
    assert_eq!(of("cash"), ["3", "1", "75.00", "28.33", "0.00", "46.67"]);
    assert_eq!(of("terminal"), ["2", "2", "50.00", "50.00", "0.00", "0.00"]);
    assert_eq!(of("free"), ["4", "0", "0.00", "0.00", "0.00", "0.00"]);
    let audit = said(&nts(&dir).args(["audit", "--books-only"]).output().unwrap());
    for words in [
        "25.00 GBP taken, 0.00 GBP given back",
        "75.00 GBP taken, 28.33 GBP given back",
        "50.00 GBP taken, 50.00 GBP given back",
        "The books balance",
    ] {
        assert!(audit.contains(words), "{words}: {audit}");
    }
    let accounts = page(&server, "/office/events/rock/accounts");
    for words in ["By payment", "Cash", "Card terminal", "Given away", "£28.33", "£46.67"] {
        assert!(accounts.contains(words), "{words}: {accounts}");
    }
    let orders = csv(&server, "orders.csv");
    let last = |row: &Vec<String>| row[row.len() - 2..].to_vec();
    assert_eq!(last(&orders[0]), ["tender", "reference"]);
    assert!(orders[1..].iter().any(|row| last(row) == ["cash", "R-7"]), "{orders:?}");
    let payments = csv(&server, "payments.csv");
    assert!(
        payments[1..].iter().any(|row| row.last().unwrap() == "cash" && row[4] == "3.33"),
        "{payments:?}"
    );
}
