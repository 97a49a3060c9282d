//! The keys that sign tickets where several processes sell: what one of them revokes counts nowhere.

use crate::harness::*;
use crate::shops::Shops;
use nts_testkit::Postgres;
use std::time::{Duration, Instant};

/// What the process says of a code: the state, or the code of the problem.
fn told(server: &Server, url: &str) -> String {
    let code = &url[url.rfind('/').unwrap() + 1..];
    let answer = server.send(Request::get(&format!("/api/v1/tickets/{code}")).bearer(KEY));
    let word = if answer.status == 200 { "state" } else { "code" };
    text(&answer.json(), word)
}

#[test]
fn a_key_that_one_process_has_revoked_counts_nowhere_within_seconds() {
    let Some(postgres) = Postgres::shared() else { return };
    let shops = Shops::start(postgres, "keys", 2, &[]);
    let (one, other) = (shops.at(0), shops.at(1));
    one.make_event(10, 300);
    eventually("the other process knows the event", || other.get("/events/rock").status == 200);
    let order = other.send(hold("ann", 1)).json();
    let paid = other.send(pay(&order, "ctoken_ok")).json();
    let url = text(&paid["tickets"][0], "url");
    let page = url[url.find("/T/").unwrap()..].to_owned();
    assert_eq!((told(one, &url), told(other, &url)), ("valid".into(), "valid".into()));
    let made = one.send(Request::new("POST", "/api/v1/door/keys").bearer(KEY));
    assert_eq!(made.status, 201, "{made:?}");
    let gone = one.send(Request::new("DELETE", "/api/v1/door/keys/1").bearer(KEY));
    assert_eq!(gone.status, 204, "{gone:?}");
    let since = Instant::now();
    assert_eq!(told(one, &url), "unknown_ticket");
    eventually("the other process has heard of it", || told(other, &url) == "unknown_ticket");
    println!("it took {:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(10));
    assert_eq!(other.get(&page).status, 404);
    // And it signs with the other key: what it shows is valid in both.
    let anew = || text(&other.send(look(&order)).json()["tickets"][0], "url");
    eventually("it signs with the new key", || anew() != url);
    assert_eq!((told(one, &anew()), told(other, &anew())), ("valid".into(), "valid".into()));
    // A name that was put on it here revokes its code there, at once.
    let before = anew();
    let path = format!("/api/v1/orders/{}/tickets/1", text(&order, "id"));
    let name = Request::new("POST", &path).bearer(&text(&order, "secret"));
    assert_eq!(one.send(name.json(&serde_json::json!({"name": "Bob"}))).status, 200);
    assert_eq!((told(one, &before), told(other, &before)), ("replaced".into(), "replaced".into()));
    assert_eq!(other.get(&before[before.find("/T/").unwrap()..]).status, 410);
    shops.balanced(&[]);
}
