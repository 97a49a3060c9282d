//! Lists of the API: pages, cursors, filters, and a copy that a program keeps up to date.

use crate::harness::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

fn get(server: &Server, path: &str) -> Answer {
    server.send(Request::get(path).bearer(KEY))
}

/// The address of the next page, as the header says it.
fn next_page(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let address = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    Some(address[address.find("/api/").expect("an address of the API")..].to_owned())
}

fn refused(server: &Server, path: &str, words: &str) {
    let answer = get(server, path);
    assert_eq!(answer.code(), Some(ProblemCode::Invalid), "{path}: {answer:?}");
    assert!(answer.text().contains(words), "{path}: {}", answer.text());
}

#[test]
fn a_page_says_its_limit_and_where_the_next_one_is() {
    let dir = Dir::new("pages");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    for n in 0..5 {
        assert_eq!(server.send(hold(&format!("Ann{n}"), 1)).status, 201);
    }
    let whole = get(&server, "/api/v1/orders").json();
    assert_eq!((&whole["limit"], &whole["next"]), (&json!(100), &Value::Null));
    // By the header, and by the member.
    let (mut by_header, mut by_member) = (Vec::new(), Vec::new());
    let mut path = "/api/v1/events/rock/orders?limit=2&state=held".to_owned();
    let mut as_of = None;
    loop {
        let page = get(&server, &path);
        let list = page.json();
        assert_eq!(list["limit"], 2);
        assert_eq!(text(&list, "as_of"), *as_of.get_or_insert(text(&list, "as_of")));
        by_header.extend(list["orders"].as_array().unwrap().iter().map(|o| text(o, "id")));
        let Some(next) = next_page(&page) else {
            assert_eq!(list["next"], Value::Null);
            break;
        };
        assert!(next.contains("limit=2") && next.contains("state=held"), "{next}");
        assert!(next.ends_with(list["next"].as_str().unwrap()), "{next}");
        path = next;
    }
    let mut after = String::new();
    loop {
        let path = format!("/api/v1/events/rock/orders?state=held&limit=3{after}");
        let list = get(&server, &path).json();
        by_member.extend(list["orders"].as_array().unwrap().iter().map(|o| text(o, "id")));
        let Some(next) = list["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let all: Vec<String> =
        whole["orders"].as_array().unwrap().iter().map(|o| text(o, "id")).collect();
    assert_eq!((&by_header, &by_member), (&all, &all));
    for limit in ["0", "501", "99999", "-1", "ten", "1.5"] {
        refused(&server, &format!("/api/v1/orders?limit={limit}"), "1 to 500");
    }
}

#[test]
fn a_cursor_is_read_by_the_list_alone_that_it_is_of() {
    let dir = Dir::new("cursors");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    assert!(server.send(put_event("jazz", 50, 300)).status < 300);
    let ids: Vec<String> =
        (0..3).map(|n| text(&server.send(hold(&format!("Ann{n}"), 1)).json(), "id")).collect();
    let list = get(&server, "/api/v1/orders?limit=1").json();
    let cursor = text(&list, "next");
    // Nothing of the order can be read in it.
    assert!(!cursor.contains(&ids[0].replace('-', "")) && !cursor.contains(&ids[0]), "{cursor}");
    let works = |path: &str| get(&server, path).status;
    assert_eq!(works(&format!("/api/v1/orders?limit=2&after={cursor}")), 200, "another limit");
    let other = if cursor.ends_with('0') { "1" } else { "0" };
    let forged = format!("{}{other}", &cursor[..cursor.len() - 1]);
    for (path, what) in [
        (format!("/api/v1/orders?after={forged}"), "forged"),
        (format!("/api/v1/orders?after={}", &cursor[2..]), "cut"),
        (format!("/api/v1/orders?after={}", ids[0]), "an order's id"),
        ("/api/v1/orders?after=x".to_owned(), "no cursor"),
        ("/api/v1/orders?after=%F0%9F%98%80".to_owned(), "no cursor"),
        (format!("/api/v1/orders?state=held&after={cursor}"), "of other filters"),
        (format!("/api/v1/orders?q=ann&after={cursor}"), "of other filters"),
        (format!("/api/v1/events/rock/orders?after={cursor}"), "of another list"),
        (format!("/api/v1/events/jazz/orders?after={cursor}"), "of another list"),
    ] {
        let answer = get(&server, &path);
        assert_eq!(answer.code(), Some(ProblemCode::Invalid), "{what}: {answer:?}");
        assert!(answer.text().contains("is no next of this list"), "{what}: {}", answer.text());
    }
    // Another box office has other secrets.
    let strange = Dir::new("cursors-elsewhere");
    let elsewhere = Server::start(&strange);
    refused(&elsewhere, &format!("/api/v1/orders?after={cursor}"), "no next of this list");
    // It is the same after a restart.
    server.stop();
    let server = Server::start(&dir);
    assert_eq!(get(&server, &format!("/api/v1/orders?limit=1&after={cursor}")).status, 200);
}

#[test]
fn orders_are_listed_by_the_code_that_they_were_bought_with() {
    let dir = Dir::new("by-code");
    let server = Server::start(&dir);
    let mut event = event_json(100, 300);
    event["codes"] = json!([{"code": "FRIENDS", "uses": 10, "percent_off": 20}]);
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 201);
    let with_code = json!({
        "buyer": {"name": "Ann", "email": "ann@example.org"}, "code": "friends",
        "lines": [{"ticket_type": "adult", "quantity": 1}],
    });
    let held = Request::new("POST", "/api/v1/events/rock/orders").json(&with_code);
    assert_eq!(server.send(held).status, 201);
    assert_eq!(server.send(hold("Bob", 1)).status, 201);
    let names = |query: &str| -> Vec<String> {
        let list = get(&server, &format!("/api/v1/orders?{query}")).json();
        let orders = list["orders"].as_array().unwrap().clone();
        orders.iter().map(|order| text(&order["buyer"], "name")).collect()
    };
    assert_eq!(names("code=FRIENDS"), ["Ann"]);
    assert_eq!(names("code=%20friends&ticket_type=adult"), ["Ann"]);
    assert!(names("code=FOES").is_empty());
    assert_eq!(names(""), ["Ann", "Bob"]);
}

/// How a program learns from which time on it must ask the next time.
#[derive(Clone, Copy, Debug)]
enum Goes {
    /// `as_of` of the list.
    AsOf,
    /// The greatest `updated_at` that it saw.
    Greatest,
}

/// Takes all pages of what has changed since then into a copy. Gives since when to ask the next time.
fn follow(
    server: &Server,
    since: &str,
    goes: Goes,
    copy: &mut BTreeMap<String, (String, String)>,
) -> String {
    let mut path = format!("/api/v1/orders?limit=3&changed_since={since}");
    let mut greatest = since.to_owned();
    loop {
        let page = get(server, &path);
        assert_eq!(page.status, 200, "{page:?}");
        let list = page.json();
        for order in list["orders"].as_array().unwrap() {
            let updated = text(order, "updated_at");
            assert!(ms(&updated) < ms(list["as_of"].as_str().unwrap()), "{list}");
            assert!(ms(&updated) >= ms(since), "{since}: {order}");
            if ms(&updated) > ms(&greatest) {
                greatest = updated.clone();
            }
            copy.insert(text(order, "id"), (text(order, "state"), updated));
        }
        match next_page(&page) {
            Some(next) => path = next,
            None => {
                return match goes {
                    Goes::AsOf => text(&list, "as_of"),
                    Goes::Greatest => greatest,
                };
            }
        }
    }
}

/// A time of the API in milliseconds: their texts differ in length.
fn ms(time: &str) -> i64 {
    nts_server::when::parse(time).expect("a time")
}

/// Programs keep copies while buyers hold, pay and cancel: nothing is missed, whichever of the two ways they go on.
fn a_copy_misses_nothing(servers: &[&Server]) {
    let begun = "2020-01-01T00:00:00Z";
    let done = AtomicBool::new(false);
    let ways = [Goes::AsOf, Goes::Greatest];
    std::thread::scope(|scope| {
        let copies = ways.map(|goes| {
            let done = &done;
            scope.spawn(move || {
                let (mut copy, mut since, mut rounds) = (BTreeMap::new(), begun.to_owned(), 0);
                while !done.load(Ordering::SeqCst) {
                    since = follow(servers[rounds % servers.len()], &since, goes, &mut copy);
                    rounds += 1;
                }
                assert!(rounds > 3, "it was read while it changed: {rounds}");
                (copy, since)
            })
        });
        let buyers: Vec<_> = (0..3)
            .map(|n| {
                let server = servers[n % servers.len()];
                scope.spawn(move || {
                    for round in 0..12 {
                        let order = server.send(hold(&format!("B{n}-{round}"), 1)).json();
                        let answer = match round % 3 {
                            0 => server.send(pay(&order, "ctoken_ok")),
                            1 => {
                                let path = format!("/api/v1/orders/{}/cancel", text(&order, "id"));
                                let cancel = Request::new("POST", &path);
                                server.send(cancel.bearer(&text(&order, "secret")))
                            }
                            _ => continue,
                        };
                        assert!(matches!(answer.status, 200 | 202), "{answer:?}");
                    }
                })
            })
            .collect();
        buyers.into_iter().for_each(|buyer| buyer.join().unwrap());
        done.store(true, Ordering::SeqCst);
        let copies = copies.map(|copy| copy.join().unwrap());
        for (goes, (mut copy, mut since)) in ways.into_iter().zip(copies) {
            let mut all = BTreeMap::new();
            eventually("the copy is whole", || {
                since = follow(servers[0], &since, goes, &mut copy);
                let list = get(servers[0], "/api/v1/orders?limit=500").json();
                all = BTreeMap::new();
                for order in list["orders"].as_array().unwrap() {
                    let told = (text(order, "state"), text(order, "updated_at"));
                    all.insert(text(order, "id"), told);
                }
                copy == all
            });
            assert_eq!(all.len(), 36, "{goes:?}");
        }
    });
}

#[test]
fn a_program_that_follows_what_changes_misses_nothing() {
    let dir = Dir::new("follow");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    a_copy_misses_nothing(&[&server]);
}

#[test]
fn a_program_that_follows_two_processes_misses_nothing() {
    let Some(postgres) = nts_testkit::Postgres::shared() else { return };
    let database = postgres.url(&postgres.database());
    let dirs = ["follow-a", "follow-b"].map(|name| Dir::on(name, database.clone()));
    let sandbox = dirs[0].path("sandbox");
    let sandbox = [("NTS_SANDBOX", sandbox.to_str().unwrap())];
    let servers = dirs.each_ref().map(|dir| Server::start_with(dir, &sandbox));
    servers[0].make_event(100, 300);
    eventually("the other process knows it", || {
        servers[1].get("/api/v1/events/rock").status == 200
    });
    a_copy_misses_nothing(&[&servers[0], &servers[1]]);
}

#[test]
fn an_order_says_when_it_changed() {
    let dir = Dir::new("updated");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    let order = server.send(hold("Ann", 1)).json();
    let held = server.send(look(&order)).json();
    assert_eq!(held["updated_at"], held["placed_at"]);
    assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
    let paid = server.send(look(&order)).json();
    assert!(ms(&text(&paid, "updated_at")) > ms(&text(&paid, "placed_at")), "{paid}");
    let listed = get(&server, "/api/v1/orders").json();
    assert_eq!(listed["orders"][0]["updated_at"], paid["updated_at"]);
}
