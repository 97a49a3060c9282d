//! The pages about mails: what became of an order's mails, sending them again, another address, lost tickets,
//! and each mail as a page in the sandbox.

use crate::harness::*;
use serde_json::{Value, json};

/// A paid order of two tickets.
fn paid(server: &Server, name: &str) -> Value {
    let order = server.send(hold(name, 2)).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).json()["state"], "paid");
    order
}

fn post(server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    server.send(Request::form(path, fields))
}

/// The order as its holder sees it.
fn seen(server: &Server, order: &Value) -> Value {
    server.send(look(order)).json()
}

#[test]
fn in_test_mode_each_mail_is_a_page_for_the_holder_of_the_order() {
    let dir = Dir::new("letters-pages");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let order = Request::new("POST", "/api/v1/events/rock/orders").json(&json!({
        "buyer": {"name": "<b>Ann</b> \"co\"", "email": "ann@example.org"},
        "lines": [{"ticket_type": "adult", "quantity": 2}],
    }));
    let order = server.send(order).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).json()["state"], "paid");
    let page = page_of(&order);
    let shown = server.get(&page).text();
    assert!(shown.contains("In test mode no mail is sent."), "{shown}");
    let link = format!("{page}/mails/1");
    assert!(shown.contains(&format!("href=\"{link}\"")), "{shown}");
    let mail = server.get(&link);
    let html = mail.text();
    assert_eq!(mail.status, 200);
    assert!(html.contains("<iframe") && html.contains("sandbox srcdoc="), "{html}");
    assert_eq!(html.matches("data:image/png;base64,").count(), 2, "a code for each ticket");
    // A name is text in the mail, and the mail is text in the page.
    assert!(html.contains("&#38;#60;b&#38;#62;Ann") && !html.contains("<b>"), "{html}");
    let policy = mail.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'none'") && policy.contains("img-src 'self' data:"));
    // Nothing else is there, and nobody else sees it.
    for n in ["0", "2", "99999999999999999999", "x"] {
        assert_eq!(server.get(&format!("{page}/mails/{n}")).status, 404, "{n}");
    }
    let other = paid(&server, "bob");
    let (id, secret) = (text(&order, "id"), text(&other, "secret"));
    assert_eq!(server.get(&format!("/orders/{id}/{secret}/mails/1")).status, 404);
    let mails = &seen(&server, &order)["mails"];
    assert_eq!((&mails[0]["kind"], &mails[0]["state"]), (&json!("tickets"), &json!("no_relay")));
}

#[test]
fn who_has_lost_tickets_hears_the_same_whether_there_are_any() {
    let dir = Dir::new("letters-lost");
    let server = Server::start_with(&dir, &[("NTS_TRUSTED_PROXIES", "127.0.0.1")]);
    server.make_event(10, 300);
    paid(&server, "ann");
    let ask = |address: &str| {
        server.send(Request::form("/tickets", &[("email", address)]).forwarded_for("192.0.2.1"))
    };
    let told = |answer: &Answer, address: &str| {
        let headers: Vec<&str> =
            answer.headers.lines().filter(|line| !line.starts_with("date:")).collect();
        (answer.status, headers.join("\n"), answer.text().replace(address, "ADDRESS"))
    };
    let (known, unknown) = ("ann@example.org", "eve@example.org");
    let (first, second) = (ask(known), ask(unknown));
    assert_eq!(first.status, 200);
    assert_eq!(told(&first, known), told(&second, unknown));
    // And once more, when no other mail is sent.
    assert_eq!(told(&ask(known), known), told(&ask(unknown), unknown));
    for wrong in ["", "ann", "a@b@c", "ann@example.org\r\nBcc: x@y.z"] {
        let answer = ask(wrong);
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(answer.text().contains("id=\"e-email\""), "{}", answer.text());
    }
    for _ in 0..20 {
        ask(known);
    }
    let refused = ask(known);
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some() && refused.text().contains("often"));
    let from = |client| {
        let form = Request::form("/tickets", &[("email", known)]);
        server.send(form.forwarded_for(client)).status
    };
    assert_eq!((from("192.0.2.1"), from("198.51.100.7")), (429, 200), "others can ask");
}

#[test]
fn the_tickets_are_sent_again_and_not_too_often() {
    let dir = Dir::new("letters-again");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let order = paid(&server, "ann");
    let page = page_of(&order);
    // One waits already, and nothing more is owed.
    let answer = post(&server, &format!("{page}/mails"), &[]);
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some(&*format!("{page}?lately#mail")))
    );
    let said = server.get(&format!("{page}?lately")).text();
    assert!(
        said.contains("Your tickets were sent a short while ago, or are on the way already."),
        "{said}"
    );
    assert_eq!(seen(&server, &order)["mails"].as_array().unwrap().len(), 1);
    let held = server.send(hold("bob", 1)).json();
    let api = |order: &Value| {
        let path = format!("/api/v1/orders/{}/mails", text(order, "id"));
        server.send(Request::new("POST", &path).bearer(&text(order, "secret")))
    };
    assert_eq!(api(&order).status, 200);
    assert_eq!((api(&held).status, api(&held).code()), (409, Some(ProblemCode::NothingToSend)));
}

#[test]
fn a_mistyped_address_is_changed_and_the_former_one_is_told() {
    let dir = Dir::new("letters-address");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let order = paid(&server, "ann");
    let page = page_of(&order);
    let change = |address: &str| post(&server, &format!("{page}/email"), &[("email", address)]);
    for wrong in ["", "no address", "a@b, c@d"] {
        let answer = change(wrong);
        assert_eq!(answer.status, 400, "{wrong}");
        let said = answer.text();
        assert!(
            said.contains("aria-invalid=\"true\"") && said.contains("<details open>"),
            "{said}"
        );
    }
    let answer = change("ann.smith@example.com");
    let back = format!("{page}?address#mail");
    assert_eq!((answer.status, answer.header("location")), (303, Some(&*back)));
    let said = server.get(&format!("{page}?address")).text();
    assert!(said.contains("The address is now ann.smith@example.com."), "{said}");
    let now = seen(&server, &order);
    assert_eq!(now["buyer"]["email"], "ann.smith@example.com");
    let kinds: Vec<&str> =
        now["mails"].as_array().unwrap().iter().map(|m| m["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"address_changed"), "{kinds:?}");
    let nth = kinds.len() - kinds.iter().position(|kind| *kind == "address_changed").unwrap();
    let told = server.get(&format!("{page}/mails/{nth}")).text();
    assert!(told.contains("a•••@example.com"), "{told}");
    let text_of_it = told.split("<pre").nth(1).unwrap();
    assert!(!text_of_it.contains("ann.smith") && !text_of_it.contains("/orders/00"), "{told}");
    // By the API, also for the organiser, with what is wrong.
    let put = |token: &str, address: &str| {
        let path = format!("/api/v1/orders/{}/email", text(&order, "id"));
        server.send(Request::new("PUT", &path).bearer(token).json(&json!({"email": address})))
    };
    assert_eq!(put(KEY, "ann@example.net").json()["buyer"]["email"], "ann@example.net");
    assert_eq!(put(&text(&order, "secret"), "nobody").code(), Some(ProblemCode::Invalid));
    // Not again and again by its holder: each time somebody else is sent a mail.
    assert_eq!(change("ann@example.com").status, 303);
    let again = change("bob@example.com");
    assert_eq!(again.status, 429);
    assert!(again.text().contains("several times today"), "{}", again.text());
    let refused = put(&text(&order, "secret"), "bob@example.com");
    assert_eq!(refused.code(), Some(ProblemCode::MailedLately));
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    // The same once more is no change, and the organiser may.
    assert_eq!(put(&text(&order, "secret"), "ann@example.com").status, 200);
    assert_eq!(put(KEY, "ann.lee@example.com").status, 200);
    let held = server.send(hold("bob", 1)).json();
    let path = format!("/api/v1/orders/{}/email", text(&held, "id"));
    let early = Request::new("PUT", &path).bearer(&text(&held, "secret"));
    let early = server.send(early.json(&json!({"email": "bob@example.net"})));
    assert_eq!((early.status, early.code()), (409, Some(ProblemCode::AddressFixed)));
}
