//! Versions of what the API tells, and changes of an event that nobody overwrites.

use crate::harness::*;
use serde_json::{Value, json};
use std::sync::Barrier;

const EVENT: &str = "/api/v1/events/rock";

fn tag(answer: &Answer) -> String {
    answer.header("etag").unwrap_or_else(|| panic!("no tag: {answer:?}")).to_owned()
}

/// Asks again for what has this tag.
fn again(server: &Server, request: Request, tag: &str) -> Answer {
    server.send(request.header("if-none-match", tag))
}

fn patch(server: &Server, patch: &Value, header: Option<(&str, &str)>) -> Answer {
    let request = Request::new("PATCH", EVENT)
        .bearer(KEY)
        .header("content-type", "application/merge-patch+json")
        .body(patch.to_string().into_bytes());
    server.send(header.into_iter().fold(request, |r, (name, value)| r.header(name, value)))
}

fn told(server: &Server) -> Value {
    server.send(Request::get(EVENT).bearer(KEY)).json()
}

#[test]
fn whoever_has_read_it_hears_whether_it_changed() {
    let dir = Dir::new("versions");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    let order = server.send(hold("Ann", 1)).json();
    let held = tag(&server.send(look(&order)));
    // Others may sell or look meanwhile, but here nothing changes by itself.
    for request in [
        Request::get(EVENT),
        Request::get(EVENT).bearer(KEY),
        Request::get("/api/v1/events"),
        Request::get("/api/v1/events").bearer(KEY),
        look(&order),
    ] {
        let read = server.send(request.clone());
        assert_eq!(read.status, 200);
        let tag = tag(&read);
        let known = again(&server, request.clone(), &tag);
        assert_eq!((known.status, known.text()), (304, String::new()), "{}", request.path());
        assert_eq!(known.header("etag"), Some(tag.as_str()));
        let weak = again(&server, request.clone(), &format!("\"other\", W/{tag}"));
        assert_eq!(weak.status, 304, "{}", request.path());
        assert_eq!(again(&server, request.clone(), "\"other\"").status, 200);
        // What is sold is told.
        assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
        assert_eq!(server.send(hold("Bob", 1)).status, 201);
        if !request.path().contains("/orders/") {
            let now = again(&server, request.clone(), &tag);
            assert_eq!(now.status, 200, "{}: {now:?}", request.path());
            assert_ne!(self::tag(&now), tag);
        }
    }
    // The tag of what one may not see is of no use.
    let order_tag = tag(&server.send(look(&order)));
    assert_ne!(order_tag, held, "it is paid");
    let path = format!("/api/v1/orders/{}", text(&order, "id"));
    let stranger = again(&server, Request::get(&path), &order_tag);
    assert_eq!(stranger.status, 401, "{stranger:?}");
    let wrong = again(&server, Request::get(&path).bearer("WRONG"), &order_tag);
    assert_eq!(wrong.status, 404, "{wrong:?}");
    assert_eq!(again(&server, Request::get(&path).bearer("WRONG"), "*").status, 404);
}

#[test]
fn everything_that_changes_an_event_can_name_its_version() {
    let dir = Dir::new("if-match");
    let server = Server::start(&dir);
    server.make_event(100, 300);
    let old = tag(&server.get(EVENT));
    assert_eq!(patch(&server, &json!({"place": "Barn"}), None).status, 200);
    let now = tag(&server.get(EVENT));
    for (method, end) in
        [("POST", "/pause"), ("POST", "/resume"), ("POST", "/cancel"), ("DELETE", "")]
    {
        let ask = |tag: &str| {
            let request = Request::new(method, &format!("{EVENT}{end}")).bearer(KEY);
            server.send(request.header("if-match", tag))
        };
        let late = ask(&old);
        assert_eq!(late.status, 412, "{method} {end}: {late:?}");
        assert_eq!(late.code(), Some(ProblemCode::EventChanged));
        let is_paused = told(&server)["paused"] == json!(end == "/resume");
        assert!(is_paused, "nothing was done: {method} {end}");
        if end != "/cancel" && method != "DELETE" {
            // By a sale or a pause the version is no other.
            assert!(server.send(hold("Ann", 1)).status < 500);
            let done = ask(&now);
            assert_eq!(done.status, 200, "{method} {end}: {done:?}");
        }
    }
    let new = Request::new("POST", &format!("{EVENT}/pause")).bearer(KEY);
    assert_eq!(server.send(new.header("if-none-match", "*")).status, 400);
    assert_eq!(told(&server)["canceled"], false);
}

/// Of people who have seen the same event and change it at one moment, one is done and all others hear of it.
#[test]
fn of_two_who_edit_at_once_one_is_told() {
    let dir = Dir::new("edit-at-once");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    for round in 0..15 {
        let seen = tag(&server.get(EVENT));
        let barrier = Barrier::new(4);
        let answers: Vec<(String, Answer)> = std::thread::scope(|scope| {
            let editors: Vec<_> = (0..4)
                .map(|n| {
                    let (server, seen, barrier) = (&server, &seen, &barrier);
                    scope.spawn(move || {
                        let place = format!("Hall {round}.{n}");
                        barrier.wait();
                        let answer = match n % 2 {
                            0 => patch(server, &json!({"place": place}), Some(("if-match", seen))),
                            _ => {
                                let mut event = event_json(10, 300);
                                event["place"] = place.clone().into();
                                let put = Request::new("PUT", EVENT).bearer(KEY).json(&event);
                                server.send(put.header("if-match", seen))
                            }
                        };
                        (place, answer)
                    })
                })
                .collect();
            editors.into_iter().map(|editor| editor.join().unwrap()).collect()
        });
        let done: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 200).collect();
        assert_eq!(done.len(), 1, "{answers:?}");
        assert_eq!(told(&server)["place"], *done[0].0);
        for (_, answer) in answers.iter().filter(|(_, answer)| answer.status != 200) {
            assert_eq!(answer.code(), Some(ProblemCode::EventChanged), "{answer:?}");
        }
    }
}

/// A patch without a condition takes away nothing that others change at the same time.
#[test]
fn patches_at_the_same_time_are_all_done() {
    let dir = Dir::new("patch-races");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let said = [
        ("description", json!("Loud.")),
        ("place", json!("Barn")),
        ("limit_per_order", json!(7)),
        ("hidden", json!(true)),
        ("contact", json!("us@example.org")),
    ];
    std::thread::scope(|scope| {
        for (name, value) in &said {
            let server = &server;
            scope.spawn(move || {
                for round in 0..8 {
                    let other = if round % 2 == 0 { Value::Null } else { value.clone() };
                    let answer = patch(server, &json!({*name: other}), None);
                    assert_eq!(answer.status, 200, "{name}: {answer:?}");
                }
            });
        }
    });
    let event = told(&server);
    for (name, value) in said {
        assert_eq!(event[name], value, "{name}");
    }
}

#[test]
fn a_patch_changes_what_it_says_and_nothing_else() {
    let dir = Dir::new("patch");
    let server = Server::start(&dir);
    let mut event = event_json(10, 300);
    event["description"] = "Loud.".into();
    event["keep_buyers_days"] = 30.into();
    event["codes"] = json!([{"code": "FRIENDS", "uses": 10, "percent_off": 20}]);
    event["ticket_types"][0]["capacity"] = 5.into();
    let put = Request::new("PUT", EVENT).bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 201);
    let mut before = told(&server);
    let mut expect = |change: &Value, expected: &[(&str, Value)]| {
        let answer = patch(&server, change, None);
        assert_eq!(answer.status, 200, "{change}: {answer:?}");
        let now = told(&server);
        for (name, value) in expected {
            before[*name] = value.clone();
        }
        before["as_of"] = now["as_of"].clone();
        assert_eq!(now, before, "{change}");
        let mut answered = answer.json();
        answered.as_object_mut().unwrap().remove("warnings");
        before["as_of"] = answered["as_of"].clone();
        assert_eq!(answered, before, "the answer is the event");
        assert_eq!(tag(&answer), tag(&server.send(Request::get(EVENT).bearer(KEY))));
    };
    expect(&json!({}), &[]);
    expect(&json!({"place": "Barn"}), &[("place", json!("Barn"))]);
    expect(&json!({"description": null}), &[("description", json!(""))]);
    expect(&json!({"keep_buyers_days": null}), &[("keep_buyers_days", Value::Null)]);
    expect(
        &json!({"starts_at": "2030-06-02T20:00:00+01:00", "limit_per_buyer": 4}),
        &[("starts_at", json!("2030-06-02T19:00:00Z")), ("limit_per_buyer", json!(4))],
    );
    // A list is a list: what it does not have is gone. A ticket type that says no rule keeps its own.
    let mut types = told(&server)["ticket_types"].clone();
    types[0]["name"] = "Grown-up".into();
    expect(&json!({"ticket_types": types}), &[("ticket_types", types.clone())]);
    let bare = json!([{"id": "adult", "name": "Adult", "pool": "floor",
                       "price": {"amount": 2500, "currency": "GBP"}}]);
    types[0]["name"] = "Adult".into();
    expect(&json!({"ticket_types": bare}), &[("ticket_types", types)]);
    // The counts of parts are passed over, as with PUT.
    let mut pools = told(&server)["pools"].clone();
    pools[0]["sold"] = 7.into();
    expect(&json!({"pools": pools, "id": "rock"}), &[]);
    let answer = patch(&server, &json!({"codes": null}), None);
    assert!(answer.status == 200 && answer.json().get("codes").is_none(), "{answer:?}");

    for (change, words) in [
        (json!([]), "A patch is an object"),
        (json!("x"), "A patch is an object"),
        (json!({"paused": true}), "paused changes by itself"),
        (json!({"as_of": "x"}), "as_of changes by itself"),
        (json!({"id": "jazz"}), "id cannot be set"),
        (json!({"colour": "red"}), "colour"),
        (json!({"name": null}), "name"),
        (json!({"name": 5}), "string"),
        (json!({"ticket_types": null}), "ticket_types"),
        (json!({"currency": "EUR"}), "currency"),
    ] {
        let answer = patch(&server, &change, None);
        assert_eq!(answer.code(), Some(ProblemCode::Invalid), "{change}: {answer:?}");
        assert!(answer.text().contains(words), "{change}: {}", answer.text());
    }
    let request = || Request::new("PATCH", EVENT).bearer(KEY);
    let wrong_type = server.send(request().json(&json!({"place": "Tent"})));
    assert_eq!(wrong_type.code(), Some(ProblemCode::WrongType));
    let broken = request().header("content-type", "application/merge-patch+json");
    assert_eq!(server.send(broken.body(b"{\"place\":".to_vec())).status, 400);
    let none = Request::new("PATCH", "/api/v1/events/none").bearer(KEY);
    let none = none.header("content-type", "application/merge-patch+json").body(b"{}".to_vec());
    assert_eq!(server.send(none).code(), Some(ProblemCode::UnknownEvent));
    assert_eq!(told(&server)["place"], "Barn");
}
