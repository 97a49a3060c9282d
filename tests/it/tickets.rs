//! A ticket's code is one buyer's, also where the database has forgotten what it sold.

use crate::harness::*;
use nts_testkit::Postgres;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Sells one ticket to each, and gives the codes.
fn sell(server: &Server, names: [&str; 3]) -> Vec<String> {
    let codes = names.map(|name| {
        let order = server.send(hold(name, 1)).json();
        let paid = server.send(pay(&order, "ctoken_ok")).json();
        text(&paid["tickets"][0], "code")
    });
    codes.to_vec()
}

/// Both histories of one database begin with the same copy, so both count the same serials.
fn six_codes(first: Vec<String>, second: Vec<String>) {
    let all: BTreeSet<&String> = first.iter().chain(&second).collect();
    assert_eq!(all.len(), 6, "two people have the same code: {first:?} {second:?}");
}

#[test]
fn what_a_restored_database_issues_has_no_code_that_somebody_has() {
    if let Some(server) = crate::ON_POSTGRES.then(Postgres::shared).flatten() {
        return on_a_server(server);
    }
    let dir = Dir::new("tickets");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let backup = nts(&dir).args(["backup", "copy.db"]).output().unwrap();
    assert!(backup.status.success(), "{backup:?}");
    let forgotten = sell(&server, ["ann", "bob", "cat"]);
    server.stop();
    std::fs::rename(dir.path("copy.db"), dir.path("nts.db")).unwrap();
    let server = Server::start(&dir);
    settle(&dir);
    let others = sell(&server, ["dan", "eve", "fay"]);
    six_codes(forgotten, others);
    assert_eq!(server.counts(), (0, 3, 7));
}

/// Gives back what the books have forgotten.
fn settle(dir: &Dir) {
    let settled = nts(dir).args(["audit", "--settle"]).output().unwrap();
    let said = String::from_utf8_lossy(&settled.stdout).into_owned();
    assert!(settled.status.success() && said.contains("The books balance."), "{said}");
}

/// An old copy of the server's database goes on beside it, as a standby that was behind would.
fn on_a_server(postgres: &Postgres) {
    let name = postgres.database();
    let dir = Dir::on("tickets", postgres.url(&name));
    let server = Server::start(&dir);
    server.make_event(10, 300);
    server.stop();
    let copy = postgres.url(&format!("{name}_copy"));
    postgres.sql("postgres", &format!("CREATE DATABASE {name}_copy TEMPLATE {name}"));
    let server = Server::start(&dir);
    let forgotten = sell(&server, ["ann", "bob", "cat"]);
    server.stop();
    let server = Server::start_with(&dir, &[("NTS_DATABASE", &copy)]);
    let others = sell(&server, ["dan", "eve", "fay"]);
    six_codes(forgotten, others);
}

/// An order of two tickets that is paid.
fn paid(server: &Server, name: &str) -> Value {
    let order = server.send(hold(name, 2)).json();
    let paid = server.send(pay(&order, "ctoken_ok"));
    assert_eq!(paid.status, 200, "{paid:?}");
    let mut paid = paid.json();
    paid["secret"] = order["secret"].clone();
    paid
}

fn named(server: &Server, order: &Value, number: u16, name: &str) -> Answer {
    let path = format!("/api/v1/orders/{}/tickets/{number}", text(order, "id"));
    let request = Request::new("POST", &path).bearer(&text(order, "secret"));
    server.send(request.json(&json!({ "name": name })))
}

/// The path of the page that a QR code leads to.
fn page(ticket: &Value) -> String {
    let url = text(ticket, "url");
    url[url.find("/T/").unwrap()..].to_owned()
}

/// What the organiser is told of a code.
fn told(server: &Server, code: &str) -> (u16, String) {
    let code: String = code.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = server.send(Request::get(&format!("/api/v1/tickets/{code}")).bearer(KEY));
    let word = if answer.status == 200 { "state" } else { "code" };
    (answer.status, text(&answer.json(), word))
}

#[test]
fn a_ticket_that_is_handed_on_has_one_code_that_counts() {
    let dir = Dir::new("handed-on");
    let server = Server::start(&dir);
    server.make_event(20, 300);
    // Another event, whose tickets have the same serials.
    let put = Request::new("PUT", "/api/v1/events/folk").bearer(KEY).json(&event_json(20, 300));
    assert_eq!(server.send(put).status, 201);
    let other = server.send(hold("eve", 2).to("/api/v1/events/folk/orders")).json();
    assert_eq!(server.send(pay(&other, "ctoken_ok")).status, 200);
    let order = paid(&server, "Ann-Buyer");
    let before = order["tickets"][1].clone();
    let after = named(&server, &order, 2, "  Bob Guest ").json()["tickets"][1].clone();
    assert_eq!((&after["guest"], &after["revision"]), (&json!("Bob Guest"), &json!(1)));
    assert_eq!(named(&server, &order, 2, "Bob Guest").json()["tickets"][1], after, "no change");
    let first = &order["tickets"][0];
    let valid = (200, "valid".to_owned());
    for (ticket, state) in [(first, "valid"), (&before, "replaced"), (&after, "valid")] {
        let (url, code) = (text(ticket, "url"), text(ticket, "code"));
        let signed = url.rsplit('/').next().unwrap().to_owned();
        let typed = code.to_lowercase().replace('-', " ");
        for code in [&url, &signed, &signed.to_lowercase(), &code, &typed] {
            assert_eq!(told(&server, code), (200, state.to_owned()), "{code}");
        }
        let in_event = |event: &str| {
            let path = format!("/api/v1/tickets/{code}?event={event}");
            server.send(Request::get(&path).bearer(KEY)).status
        };
        assert_eq!((in_event("rock"), in_event("folk")), (200, 404));
        let shown = server.get(&page(ticket));
        assert_eq!(shown.status, if state == "valid" { 200 } else { 410 });
        assert!(shown.header("x-robots-tag").is_some_and(|v| v.contains("noindex")));
        assert_eq!(shown.header("cache-control"), Some("no-store"));
        assert_eq!(shown.header("referrer-policy"), Some("same-origin"));
        // Nothing of the order, and nothing of the other ticket.
        let all = shown.text()
            + &server.get(&format!("{}/event.ics", page(ticket).to_lowercase())).text();
        let another = if ticket == first { &after } else { first };
        let hidden = ["Ann-Buyer", "ann-buyer@", "example.org", "/orders/", "9.99", "£"];
        let ids = [text(&order, "id"), text(&order, "secret"), text(another, "code")];
        for word in hidden.into_iter().chain(ids.iter().map(String::as_str)) {
            assert!(!all.contains(word), "{word} in {all}");
        }
        assert_eq!(all.contains("Bob Guest"), ticket == &after);
    }
    // Codes are made anew by each process, and are the same.
    server.stop();
    let server = Server::start(&dir);
    let again = server.send(look(&order)).json();
    // It listens elsewhere by now.
    let now = |name: &str| again["tickets"][1][name].clone();
    assert_eq!((now("code"), now("guest")), (after["code"].clone(), after["guest"].clone()));
    assert_eq!(page(&again["tickets"][1]), page(&after));
    // The page of the order says what is wrong at the field.
    let path = format!("{}/tickets/1", page_of(&order));
    let long = "x".repeat(201);
    for name in [" ", &long, "a\u{202e}b"] {
        let wrong = server.send(Request::form(&path, &[("name", name)]));
        assert_eq!(wrong.status, 422, "{wrong:?}");
        assert!(wrong.text().contains("aria-describedby=\"e-guest1\""), "{wrong:?}");
    }
    let led = server.send(Request::form(&path, &[("name", "Cid")]));
    assert_eq!(
        (led.status, led.header("location")),
        (303, Some(&*format!("{}?named=1#t1", page_of(&order))))
    );
    let said = server.get(&format!("{}?named=1", page_of(&order))).text();
    assert!(said.contains("this ticket is for Cid and has a new code"), "{said}");
    let said = server.get(&format!("{}?named=99", page_of(&order))).text();
    assert!(!said.contains("has a new code."), "{said}");
    assert_eq!(named(&server, &order, 3, "Dan").json()["code"], "unknown_ticket");
    // Another key signs, and the tickets of before count until theirs is revoked.
    let now = |server: &Server| server.send(look(&order)).json()["tickets"][1].clone();
    let made = server.send(Request::new("POST", "/api/v1/door/keys").bearer(KEY));
    assert_eq!(made.status, 201, "{made:?}");
    let renewed = now(&server);
    assert_ne!(renewed["url"], after["url"]);
    assert_eq!(renewed["code"], after["code"], "people type the same");
    for code in [&after, &renewed] {
        assert_eq!(told(&server, &text(code, "url")), valid);
    }
    let revoke = |id: &Value| {
        server.send(Request::new("DELETE", &format!("/api/v1/door/keys/{id}")).bearer(KEY)).status
    };
    assert_eq!((revoke(&json!(1)), revoke(&json!(1))), (204, 204));
    assert_eq!(revoke(&made.json()["id"]), 400, "the last one stays");
    assert_eq!(told(&server, &text(&after, "url")).0, 404);
    assert_eq!(told(&server, &text(&renewed, "url")), valid);
    let keys = server.send(Request::get("/api/v1/door/keys").bearer(KEY)).json();
    let ids: Vec<&Value> = keys["keys"].as_array().unwrap().iter().map(|key| &key["id"]).collect();
    assert_eq!(ids, [&json!(1), &made.json()["id"]]);
    assert!(keys["keys"][0]["revoked_at"].is_string() && keys["keys"][1]["since"].is_string());
    // A refund, and a ticket of before it.
    let refund = Request::new("POST", &format!("/api/v1/orders/{}/refunds", text(&order, "id")));
    let refund = refund.bearer(KEY).json(&json!({"all": true, "restock": true}));
    assert_eq!(server.send(refund).status, 200);
    assert_eq!(told(&server, &text(&renewed, "url")), (200, "revoked".into()));
    assert_eq!(told(&server, &text(&after, "code")), (200, "revoked".into()));
    assert_eq!(server.get(&page(&renewed)).status, 410);
    assert_eq!(named(&server, &order, 1, "Eve").json()["code"], "ticket_revoked");
}
