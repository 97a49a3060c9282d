//! What the people of a door need beside a scanner: links for gates, the devices that are there, guests by their names,
//! the list for when there is no network, and how people arrive.

use crate::browser::accessible;
use crate::doors::{Device, codes, give, overview};
use crate::harness::*;
use crate::staff::{self, Visitor, cookies};
use crate::webdriver::{Browser, DESK, ENTER, PHONE};
use serde_json::{Value, json};

const DOOR: &str = "/door/rock";
const API: &str = "/api/v1/events/rock/door";

fn put_door(server: &Server, door: &Value) {
    let put = Request::new("PUT", API).bearer(KEY).json(door);
    assert_eq!(server.send(put).status, 200);
}

fn gates() -> Value {
    json!({"gates": [{"id": "north", "name": "North", "ticket_types": []},
                     {"id": "south", "name": "South", "ticket_types": []}]})
}

fn start(name: &str) -> (Dir, Server) {
    let dir = Dir::new(name);
    let server = Server::start(&dir);
    server.make_event(50, 300);
    (dir, server)
}

fn contains(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part} in {page}");
    }
}

fn get(server: &Server, path: &str) -> Answer {
    server.send(Request::get(path).bearer(KEY))
}

/// Makes a link that works now, and gives it as the API tells it.
fn link(server: &Server, key: &str, more: &[(&str, &str)]) -> Answer {
    let mut body = json!({"name": "Team North", "valid_from": "2020-01-01T00:00:00Z"});
    more.iter().for_each(|(name, value)| body[*name] = (*value).into());
    server.send(Request::new("POST", &format!("{API}/links")).bearer(key).json(&body))
}

/// Gives so many tickets of an event away, and gives the order.
fn sell(server: &Server, event: &str, name: &str, quantity: usize) -> Value {
    let sale = json!({"buyer": {"name": name, "email": "ann@example.org"}, "tender": "free",
                      "lines": [{"ticket_type": "adult", "quantity": quantity}]});
    let path = format!("/api/v1/events/{event}/sales");
    let made = server.send(Request::new("POST", &path).bearer(KEY).json(&sale));
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

/// A phone that opens a link.
fn opens(server: &Server, url: &str) -> (Visitor, Answer) {
    let path = url.split_once("/door/").map(|(_, rest)| format!("/door/{rest}")).unwrap();
    let mut phone = Visitor::default();
    let answer = phone.get(server, &path);
    (phone, answer)
}

#[test]
fn a_link_lets_a_phone_check_people_in_until_it_is_ended() {
    let (_dir, server) = start("gates-link");
    put_door(&server, &gates());
    let tickets = give(&server, "Ann", 3);
    assert_eq!(server.send(put_event("jazz", 5, 300)).status, 201);
    let made = link(&server, KEY, &[("gate", "north")]);
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    assert_eq!((&made["gate"], &made["name"]), (&json!("north"), &json!("Team North")));
    // It ends at noon of the day after the event, in the zone of the event.
    assert!(text(&made, "valid_until").ends_with("T11:00:00Z"), "{made}");

    let (mut phone, led) = opens(&server, &text(&made, "url"));
    assert_eq!((led.status, led.header("location")), (303, Some("/door/rock?gate=north")));
    let cookie = cookies(&led).concat();
    contains(&cookie, &["nts-gate-link=", "HttpOnly", "SameSite=Lax", "Path=/"]);
    let page = phone.get(&server, "/door/rock?gate=north").text();
    contains(&page, &["Gate: North", "Stop checking in on this phone"]);
    assert!(!page.contains("/office"), "there is nothing for it in the office: {page}");
    let scan = |code: &str, n: u32| {
        let nonce = format!("00000000-0000-4000-8000-{n:012}");
        json!({"code": code, "gate": "north", "device": nonce, "nonce": nonce})
    };
    let sends = |phone: &Visitor, event: &str, code: &str, n: u32| {
        let path = format!("/door/{event}/check-ins");
        server.send(phone.dress(Request::new("POST", &path)).json(&scan(code, n)))
    };
    assert_eq!(sends(&phone, "rock", &tickets[0][0], 1).json()["result"], "admitted");
    // For this event and its door alone, and not for programs.
    assert_eq!(sends(&phone, "jazz", &tickets[0][0], 2).status, 403);
    let api = Request::new("POST", "/api/v1/events/rock/check-ins").json(&scan(&tickets[1][0], 3));
    assert_eq!(server.send(phone.dress(api)).status, 401);
    for path in ["/office", "/office/events/rock", "/office/events/rock/door", "/office/orders"] {
        let answer = phone.get(&server, path);
        assert!(answer.header("location").is_some_and(|to| to.contains("sign-in")), "{path}");
    }
    // The camera of the phone leads to the page of a ticket, which admits.
    let ticket = tickets[1][0].split_once("/T/").map(|(_, code)| format!("/T/{code}")).unwrap();
    contains(&phone.get(&server, &ticket).text(), &[">Admit</button>"]);
    // The log tells who it was.
    let by_link = |page: &str| page.contains("a phone with link");
    let mut owner = staff::owner(&server);
    assert!(!by_link(&owner.get(&server, "/office/events/rock/log").text()));

    let all = get(&server, &format!("{API}/links")).json();
    assert_eq!(all["links"][0], made);
    let ended = format!("{API}/links/{}", text(&made, "id"));
    let end = || server.send(Request::new("DELETE", &ended).bearer(KEY));
    assert_eq!((end().status, end().status), (204, 204));
    let refused = sends(&phone, "rock", &tickets[1][0], 4);
    assert_eq!((refused.status, &refused.json()["title"]), (403, &json!("This link has ended")));
    let page = phone.get(&server, DOOR);
    assert_eq!(page.status, 403);
    contains(
        &page.text(),
        &["This link has ended", "Ask whoever gave you the link for a new one."],
    );
    assert!(!phone.get(&server, &ticket).text().contains(">Admit</button>"));
    assert_eq!(opens(&server, &text(&made, "url")).1.status, 403);
    assert!(get(&server, &format!("{API}/links")).json()["links"][0]["ended_at"].is_string());

    // Before its time, after it, and what is no link.
    let early = link(&server, KEY, &[("valid_from", "2030-05-31T18:00:00Z")]).json();
    let (_, answer) = opens(&server, &text(&early, "url"));
    assert_eq!(answer.status, 403);
    contains(&answer.text(), &["This link does not work yet", "It works from "]);
    let over = link(&server, KEY, &[("valid_until", "2021-01-01T00:00:00Z")]);
    assert_eq!(over.status, 400);
    contains(&over.text(), &["Please choose a later end."]);
    let nowhere = link(&server, KEY, &[("gate", "west")]);
    assert_eq!(nowhere.status, 400, "{nowhere:?}");
    let odd = text(&early, "url").replace("/door/rock/", "/door/jazz/");
    assert_eq!(opens(&server, &odd).1.status, 404, "a link is of one event");
    assert_eq!(phone.get(&server, &format!("/door/rock/link/{}", "0".repeat(52))).status, 404);
}

#[test]
fn a_link_ends_with_whoever_has_made_it() {
    let (_dir, server) = start("gates-maker");
    let mut owner = staff::owner(&server);
    let key = staff::key(&server, &mut owner, "manager", "rock");
    let made = link(&server, &key, &[]).json();
    let (mut phone, led) = opens(&server, &text(&made, "url"));
    assert_eq!(led.status, 303);
    assert_eq!(phone.get(&server, DOOR).status, 200);
    // Whoever may change the event and checks nobody in, or the other way round, makes none.
    let door = staff::key(&server, &mut owner, "door", "rock");
    assert_eq!(link(&server, &door, &[]).status, 403);

    let keys = owner.get(&server, "/office/keys").text();
    let form = keys.split("action=\"").filter(|part| part.starts_with("/office/keys/"));
    let ends: Vec<String> = form.map(|part| part.split('"').next().unwrap().into()).collect();
    assert_eq!(ends.len(), 2);
    for path in &ends {
        assert_eq!(owner.post(&server, path, &[]).status, 303);
    }
    let answer = phone.get(&server, DOOR);
    assert_eq!(answer.status, 403, "its maker is gone");
    contains(&answer.text(), &["This link has ended"]);
    // The page itself leaves.
    let made = link(&server, KEY, &[]).json();
    let (mut phone, _) = opens(&server, &text(&made, "url"));
    let left = phone.post(&server, "/door/rock/leave", &[]);
    assert_eq!(left.status, 303);
    let led = phone.get(&server, DOOR);
    assert_eq!((led.status, led.header("location").is_some()), (303, true));
}

#[test]
fn devices_are_listed_with_what_they_have_not_sent() {
    let (_dir, server) = start("gates-devices");
    put_door(&server, &gates());
    let made = link(&server, KEY, &[]).json();
    let (phone, _) = opens(&server, &text(&made, "url"));
    let tells = |body: &Value| {
        let post = Request::new("POST", "/door/rock/devices").json(body);
        server.send(phone.dress(post)).status
    };
    let id = "0197a000-0000-7000-8000-00000000abcd";
    assert_eq!(tells(&json!({"device": id, "gate": "north", "unsent": 3})), 204);
    assert_eq!(tells(&json!({"device": "x", "gate": "north"})), 400);
    assert_eq!(tells(&json!({"device": id, "gate": "No gate"})), 400);
    let devices = get(&server, &format!("{API}/devices")).json();
    let one = &devices["devices"][0];
    assert_eq!(
        (&one["device"], &one["gate"], &one["unsent"]),
        (&json!(id), &json!("north"), &json!(3))
    );
    let mut owner = staff::owner(&server);
    let page = owner.get(&server, "/office/events/rock/door").text();
    contains(&page, &["ABCD", "North", "Team North", "3 scans were not sent yet"]);
    assert_eq!(tells(&json!({"device": id, "gate": "south"})), 204);
    let devices = get(&server, &format!("{API}/devices")).json();
    assert_eq!(devices["devices"].as_array().unwrap().len(), 1);
    assert_eq!(devices["devices"][0]["unsent"], 0);
}

#[test]
fn a_guest_is_found_by_name_and_let_in() {
    let (_dir, server) = start("gates-find");
    put_door(&server, &gates());
    sell(&server, "rock", "Ann Smith", 2);
    give(&server, "Bob", 1);
    assert_eq!(server.send(put_event("jazz", 5, 300)).status, 201);
    let other = sell(&server, "jazz", "Ann Other", 1);
    let found = |q: &str| get(&server, &format!("{API}/tickets?q={q}"));
    let ann = found("smith").json();
    let names: Vec<&Value> =
        ann["tickets"].as_array().unwrap().iter().map(|t| &t["name"]).collect();
    assert_eq!(names, [&json!("Ann Smith"), &json!("Ann Smith")]);
    assert_eq!(found("other").json()["tickets"], json!([]), "of another event");
    assert_eq!((found("a").status, found("").status), (400, 400));
    assert!(!ann.to_string().contains("example.org") && !ann.to_string().contains("code"));

    // By the ticket that was found, once.
    let named = json!({"order": ann["tickets"][0]["order"], "number": ann["tickets"][0]["number"]});
    let scan = |n: u32, more: &[(&str, Value)]| {
        let id = format!("00000000-0000-4000-8000-{n:012}");
        let mut body = json!({"ticket": named, "gate": "north", "device": id, "nonce": id});
        more.iter().for_each(|(name, value)| body[*name] = value.clone());
        server.send(Request::new("POST", "/api/v1/events/rock/check-ins").bearer(KEY).json(&body))
    };
    assert_eq!(scan(1, &[]).json()["result"], "admitted");
    assert_eq!(scan(2, &[]).json()["result"], "already_in");
    assert_eq!(scan(3, &[("code", "AAAA-BBBB-CCCC".into())]).status, 400);
    let of_jazz = json!({"order": text(&other, "id"), "number": 1});
    assert_eq!(scan(4, &[("ticket", of_jazz)]).json()["result"], "unknown_ticket");
    let last = &found("smith").json()["tickets"][0]["last"];
    assert_eq!((&last["gate"], &last["direction"]), (&json!("north"), &json!("in")));

    // On the page, without a script.
    let mut owner = staff::owner(&server);
    let page = owner.get(&server, "/door/rock?gate=north&q=ann").text();
    contains(&page, &["Ann Smith", "Came in at ", "at North", "Not in yet", "value=\"ann\""]);
    assert_eq!(page.matches(">Let in<").count(), 1, "{page}");
    let hidden = |name: &str| {
        let at = page.find(&format!("name=\"{name}\" value=\"")).map(|at| &page[at..]).unwrap();
        at.split('"').nth(3).unwrap().to_owned()
    };
    let own = page.split("id=\"found\"").nth(1).unwrap();
    let nonce = staff::between(own, "name=\"nonce\" value=\"", "\"").to_owned();
    let fields = [("nonce", &*nonce), ("order", &hidden("order")), ("number", &hidden("number"))];
    let done = owner.post(&server, DOOR, &fields).text();
    contains(&done, &["<h1>Come in</h1>", "Ann Smith"]);
    assert_eq!(overview(&server)["inside"], 2);
    let short = owner.get(&server, "/door/rock?q=a");
    assert_eq!(short.status, 422);
    contains(&short.text(), &["Write at least two letters", "aria-invalid=\"true\""]);
    contains(&owner.get(&server, "/door/rock?q=zoe").text(), &["Nobody of this name"]);
}

/// The list of tickets, all of its pages, by what signed codes name; and what to ask for the next time.
fn list(server: &Server, query: &str) -> (Vec<Value>, String) {
    let (mut all, mut query) = (Vec::new(), query.to_owned());
    loop {
        let page = get(server, &format!("{API}/list?{query}"));
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        all.extend(page["tickets"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => query = format!("page={next}"),
            None => return (all, text(&page, "since")),
        }
    }
}

#[test]
fn the_list_tells_what_changed_and_no_names() {
    let (_dir, server) = start("gates-list");
    let first = give(&server, "Secretname", 2);
    let (all, since) = list(&server, "");
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|t| t["valid"] == true && t["revision"] == 0 && t["last"].is_null()));
    assert!(all.iter().all(|ticket| ticket["names"]["1"].is_string()), "{all:?}");
    let told = serde_json::to_string(&all).unwrap();
    assert!(!told.to_lowercase().contains("secretname") && !told.contains("Adult"), "{told}");

    // What is not paid has no tickets. What is sold, scanned, undone, passed on and refunded is told.
    let held = server.send(hold("ben", 2)).json();
    assert_eq!(list(&server, "").0.len(), 2);
    assert_eq!(server.send(pay(&held, "ctoken_ok")).json()["state"], "paid");
    let mut device = Device::new(1, "north");
    assert_eq!(device.scans(&server, &first[0][0])["result"], "admitted");
    let name = Request::new("POST", &format!("/api/v1/orders/{}/tickets/2", text(&held, "id")));
    let named = server.send(name.bearer(&text(&held, "secret")).json(&json!({"name": "Cyd"})));
    assert_eq!(named.status, 200);
    let (changed, later) = list(&server, &format!("since={since}"));
    let by = |all: &[Value], order: &str, number: u32| {
        let part = format!("{}:{number}", &order.replace('-', "")[..24]);
        all.iter().rfind(|ticket| ticket["ticket"] == part).cloned().unwrap_or(Value::Null)
    };
    let given = text(&overview(&server)["scans"][0], "order");
    let came = by(&changed, &given, 1);
    assert_eq!(
        (&came["last"]["gate"], &came["last"]["direction"]),
        (&json!("north"), &json!("in"))
    );
    let paid = text(&held, "id");
    assert_eq!(by(&changed, &paid, 1)["revision"], 0);
    assert_eq!(by(&changed, &paid, 2)["revision"], 1, "it was passed on");
    let refund = Request::new("POST", &format!("/api/v1/orders/{paid}/refunds")).bearer(KEY);
    assert_eq!(server.send(refund.json(&json!({"all": true, "restock": true}))).status, 200);
    let undo = format!("/api/v1/events/rock/check-ins/{}/{}", device.id, device.nonce(1));
    assert_eq!(server.send(Request::new("DELETE", &undo).bearer(KEY)).status, 200);
    let (changed, _) = list(&server, &format!("since={later}"));
    assert!(by(&changed, &given, 1)["last"].is_null(), "it was undone: {changed:?}");
    let refunded = by(&changed, &paid, 1);
    assert_eq!((&refunded["valid"], refunded.get("names")), (&json!(false), None), "{refunded}");

    // Whoever has it already is told so.
    let query = format!("{API}/list?since={later}");
    let answer = get(&server, &query);
    let tag = answer.header("etag").unwrap().to_owned();
    let again = Request::get(&query).bearer(KEY).header("if-none-match", &tag);
    assert_eq!(server.send(again).status, 304);
    give(&server, "Dan", 1);
    let again = Request::get(&query).bearer(KEY).header("if-none-match", &tag);
    assert_eq!(server.send(again).status, 200);
    for odd in ["since=x", "since=-1", "page=1.2.x.3", "page="] {
        let status = get(&server, &format!("{API}/list?{odd}")).status;
        assert_eq!(status, if odd == "page=" { 200 } else { 400 }, "{odd}");
    }
}

#[test]
fn a_list_of_many_orders_has_pages_and_misses_none() {
    let (_dir, server) = start("gates-pages");
    let mut event = event_json(600, 300);
    event["name"] = "Many".into();
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    assert!(server.send(put).status < 300);
    let guests: String = (0..450).map(|n| format!("Guest {n},g{n}@example.org\n")).collect();
    let import = Request::new("POST", "/api/v1/events/rock/guests").bearer(KEY);
    let import = import.header("content-type", "text/csv");
    let import = import.body(format!("name,email\n{guests}").into_bytes());
    // One request makes some of them, and says how many are left.
    loop {
        let made = server.send(import.clone());
        assert!(made.status < 300, "{made:?}");
        if made.json()["left"] == 0 {
            break;
        }
    }
    let (all, since) = list(&server, "");
    let different: std::collections::BTreeSet<String> =
        all.iter().map(|ticket| text(ticket, "ticket")).collect();
    assert_eq!((all.len(), different.len()), (450, 450));
    // Scans of more tickets than a page has.
    let codes: Vec<String> = {
        let orders = get(&server, "/api/v1/events/rock/orders?limit=500").json();
        let orders = orders["orders"].as_array().unwrap().clone();
        orders.iter().map(|order| codes(order)[0][1].clone()).collect()
    };
    let mut device = Device::new(1, "north");
    for codes in codes.chunks(100) {
        let scans: Vec<Value> = codes.iter().map(|code| device.next(code)).collect();
        let post = Request::new("POST", "/api/v1/events/rock/check-ins").bearer(KEY);
        assert_eq!(server.send(post.json(&json!({"scans": scans}))).status, 200);
    }
    let (changed, _) = list(&server, &format!("since={since}"));
    let came: std::collections::BTreeSet<String> = changed
        .iter()
        .filter(|ticket| ticket["last"].is_object())
        .map(|ticket| text(ticket, "ticket"))
        .collect();
    assert_eq!(came.len(), codes.len());
}

#[test]
fn arrivals_are_told_by_gate_and_time() {
    let (_dir, server) = start("gates-arrivals");
    put_door(&server, &gates());
    let tickets = give(&server, "Ann", 5);
    let (mut north, mut south) = (Device::new(1, "north"), Device::new(2, "south"));
    north.scans(&server, &tickets[0][0]);
    north.scans(&server, &tickets[1][0]);
    south.reports(&server, &tickets[2][0], "2026-01-01T10:07:00Z");
    south.reports(&server, &tickets[0][0], "2026-01-01T10:20:00Z");
    let arrivals = get(&server, &format!("{API}/arrivals")).json();
    assert_eq!((&arrivals["arrived"], &arrivals["not_arrived"]), (&json!(3), &json!(2)));
    let of_south: Vec<(&Value, &Value)> = arrivals["passed"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|passed| passed["gate"] == "south")
        .map(|passed| (&passed["at"], &passed["entered"]))
        .collect();
    let quarters = [json!("2026-01-01T10:00:00Z"), json!("2026-01-01T10:15:00Z")];
    assert_eq!(of_south, [(&quarters[0], &json!(1)), (&quarters[1], &json!(1))]);

    let csv = get(&server, "/api/v1/events/rock/export/arrivals.csv").text();
    let lines: Vec<&str> = csv.lines().filter(|line| line.contains(",Adult,")).collect();
    assert_eq!(lines.len(), 5, "{csv}");
    let head = "ticket,ticket_type,guest,buyer,valid,came,first_in,gate,last,last_at,order";
    assert!(csv.contains(head), "{csv}");
    assert_eq!(lines.iter().filter(|line| line.contains(",yes,yes,")).count(), 3);
    assert_eq!(lines.iter().filter(|line| line.contains(",yes,no,,,,,")).count(), 2, "{csv}");
    let metrics = server.send(Request::get("/metrics")).text();
    contains(
        &metrics,
        &["nts_event_entries{event=\"rock\"} 4", "nts_event_inside{event=\"rock\"} 4"],
    );

    // The people at both doors are told of the two that came in with one ticket.
    let mut owner = staff::owner(&server);
    let page = owner.get(&server, "/office/events/rock/door").text();
    contains(
        &page,
        &[
            "Let in although the records say no",
            "Already in",
            "Not come yet",
            "<svg class=\"chart\"",
        ],
    );
    let cookie = format!("nts-door={}", north.id);
    let page = server.send(
        owner
            .dress(Request::get("/door/rock?gate=north"))
            .header("cookie", &format!("{}; {cookie}", owner.session())),
    );
    contains(&page.text(), &["Two people with one ticket", "Ann, Adult", "at South"]);
    let page = owner.get(&server, "/door/rock?gate=south").text();
    assert!(!page.contains("Two people with one ticket"), "another device");
}

#[test]
fn the_office_sets_how_the_door_works() {
    let (_dir, server) = start("gates-office");
    let mut owner = staff::owner(&server);
    let page = "/office/events/rock/door";
    contains(
        &owner.get(&server, page).text(),
        &["New gate", "Make a link", "Nobody was scanned yet."],
    );
    // The form names the settings that it was made of.
    let version = |owner: &mut Visitor| {
        let html = owner.get(&server, page).text();
        staff::between(&html, "name=\"version\" value=\"", "\"").to_owned()
    };
    let first = version(&mut owner);
    let fields = [
        ("version", &*first),
        ("admission", "come_back"),
        ("opens", "2030-06-01T18:00"),
        ("gate.0.name", "North"),
        ("gate.1.name", "North"),
        ("gate.1.type", "adult"),
    ];
    assert_eq!(owner.post(&server, page, &fields).status, 303);
    // Somebody who has the page of before overwrites nothing.
    let late = owner.post(&server, page, &[("version", &*first), ("admission", "once")]);
    assert_eq!(late.status, 422);
    contains(&late.text(), &["Somebody else has changed the door meanwhile"]);
    let door = get(&server, API).json();
    assert_eq!(door["admission"], "come_back");
    assert_eq!(door["opens_at"], "2030-06-01T17:00:00Z");
    let ids: Vec<&Value> =
        door["gates"].as_array().unwrap().iter().map(|gate| &gate["id"]).collect();
    assert_eq!(ids, [&json!("north"), &json!("north-2")]);
    assert_eq!(door["gates"][1]["ticket_types"], json!(["adult"]));
    contains(
        &owner.get(&server, page).text(),
        &["value=\"north-2\"", "value=\"2030-06-01T18:00\""],
    );
    let now = version(&mut owner);
    let wrong = [("version", &*now), ("opens", "tomorrow"), ("gate.0.name", "East")];
    let wrong = owner.post(&server, page, &wrong);
    assert_eq!(wrong.status, 422);
    contains(&wrong.text(), &["value=\"tomorrow\"", "value=\"East\"", "aria-invalid=\"true\""]);
    assert_eq!(get(&server, API).json(), door, "nothing was changed");

    let made = owner.post(
        &server,
        &format!("{page}/links"),
        &[("name", "Ann"), ("gate", "north"), ("from", "now")],
    );
    assert_eq!(made.status, 303);
    let shown = owner.get(&server, made.header("location").unwrap()).text();
    contains(&shown, &["Link for Ann", "<svg role=\"img\"", "/door/rock/link/"]);
    let nobody = owner.post(&server, &format!("{page}/links"), &[("name", " "), ("from", "now")]);
    assert_eq!(nobody.status, 422);
    contains(&nobody.text(), &["Please say for whom the link is"]);
    let west = [("name", "Bob"), ("gate", "west"), ("from", "now")];
    let gone = owner.post(&server, &format!("{page}/links"), &west);
    assert_eq!(gone.status, 422);
    let told = "id=\"e-gate\">The gates have changed. Please choose the gate again.";
    contains(&gone.text(), &[told, "value=\"Bob\""]);
    let id = made.header("location").unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(owner.post(&server, &format!("{page}/links/{id}/end"), &[]).status, 303);
    contains(&owner.get(&server, page).text(), &["Ended "]);
    contains(
        &owner.get(&server, "/office/events/rock/log").text(),
        &["A link for a gate was made"],
    );
}

/// A gate of a ticket type that is not sold any more stays one: its tickets are valid all the same.
#[test]
fn the_form_keeps_ticket_types_that_are_not_sold_any_more() {
    let (_dir, server) = start("gates-retired");
    let mut owner = staff::owner(&server);
    let mut event = event_json(50, 300);
    let price = json!({"amount": 900, "currency": "GBP"});
    let child = json!({"id": "child", "name": "Child", "pool": "floor", "price": price});
    event["ticket_types"].as_array_mut().unwrap().push(child);
    let put = |event: &Value| {
        let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(event);
        assert!(server.send(put).status < 300);
    };
    put(&event);
    put_door(
        &server,
        &json!({"gates": [{"id": "side", "name": "Side", "ticket_types": ["child"]}]}),
    );
    event["ticket_types"].as_array_mut().unwrap().pop();
    put(&event);
    let page = owner.get(&server, "/office/events/rock/door").text();
    contains(&page, &["value=\"child\" checked"]);
    // As a browser sends it again.
    let version = staff::between(&page, "name=\"version\" value=\"", "\"").to_owned();
    let fields = [
        ("version", &*version),
        ("admission", "once_a_day"),
        ("gate.0.id", "side"),
        ("gate.0.name", "Side"),
        ("gate.0.type", "child"),
    ];
    assert_eq!(owner.post(&server, "/office/events/rock/door", &fields).status, 303);
    let door = get(&server, API).json();
    assert_eq!(
        (&door["admission"], &door["gates"][0]["ticket_types"]),
        (&json!("once_a_day"), &json!(["child"]))
    );
}

/// The list tells the scan that decides, whatever was recorded last.
#[test]
fn the_list_tells_who_is_in_by_the_rule() {
    let (_dir, server) = start("gates-rule");
    put_door(&server, &json!({"admission": "come_back"}));
    let ticket = give(&server, "Ann", 1)[0][0].clone();
    let last = || list(&server, "").0[0]["last"].clone();
    let (mut north, mut south) = (Device::new(1, "north"), Device::new(2, "south"));
    assert_eq!(north.scans(&server, &ticket)["result"], "admitted");
    // A copy came in elsewhere, and one of the two goes out: one is in.
    assert_eq!(south.reports(&server, &ticket, "2026-01-01T10:00:00Z")["objection"], "already_in");
    let mut out = north.next(&ticket);
    out["direction"] = "out".into();
    assert_eq!(crate::doors::told(&server, &out)["result"], "left");
    assert_eq!(south.scans(&server, &ticket)["result"], "already_in");
    assert_eq!(last()["direction"], "in");
    let mut out = south.next(&ticket);
    out["direction"] = "out".into();
    assert_eq!(crate::doors::told(&server, &out)["result"], "left");
    assert_eq!(last()["direction"], "out");
    // Where it admits once, an exit that nobody has seen come in decides nothing.
    put_door(&server, &json!({"admission": "once"}));
    assert_eq!(last()["direction"], "in");
    let other = give(&server, "Bob", 1)[0][0].clone();
    let mut out = north.next(&other);
    (out["direction"], out["late"]) = ("out".into(), true.into());
    crate::doors::told(&server, &out);
    let all = list(&server, "").0;
    assert_eq!(all.iter().filter(|ticket| ticket["last"].is_null()).count(), 1, "{all:?}");
}

/// A phone that has the list knows without a network whose a ticket is, and what happened at other doors.
#[test]
fn with_the_list_a_phone_knows_names_refunds_and_other_doors_without_a_network() {
    let (_dir, server) = start("gates-offline");
    put_door(&server, &gates());
    let Some(browser) = Browser::start(true, PHONE, false) else { return };
    let tickets = give(&server, "Bea", 3);
    let held = server.send(hold("ben", 2)).json();
    assert_eq!(server.send(pay(&held, "ctoken_ok")).json()["state"], "paid");
    let paid = codes(&server.send(look(&held)).json());
    let name = Request::new("POST", &format!("/api/v1/orders/{}/tickets/2", text(&held, "id")));
    let named = server.send(name.bearer(&text(&held, "secret")).json(&json!({"name": "Cyd"})));
    let passed_on = codes(&named.json())[1][0].clone();
    let refund = Request::new("POST", &format!("/api/v1/orders/{}/refunds", text(&held, "id")));
    let some = json!({"lines": [{"ticket_type": "adult", "quantity": 1}], "restock": true});
    assert_eq!(server.send(refund.bearer(KEY).json(&some)).status, 200);
    let order = server.send(look(&held)).json();
    let valid = |n: usize| order["tickets"][n]["valid"] == true;
    assert!(valid(0) != valid(1), "one of two is refunded: {order}");
    let refunded = if valid(0) { &passed_on } else { &paid[0][0] };
    Device::new(7, "south").scans(&server, &tickets[1][0]);

    let made = link(&server, KEY, &[("gate", "north")]).json();
    let link = text(&made, "url");
    let path = link.split_once("/door/").unwrap().1;
    browser.goto(&format!("http://{}/door/{path}", server.address));
    browser.shows("Gate: North");
    let ready = "const done = arguments[arguments.length - 1];
        (async () => {
          const page = await caches.match('/door/rock');
          const open = await lists;
          const asked = open.transaction('lists').objectStore('lists').get('rock');
          asked.onsuccess = () => done(Boolean(page && asked.result && navigator.serviceWorker.controller));
        })();";
    eventually("the list is there", || browser.run_async(ready) == json!(true));
    let stored = "const done = arguments[arguments.length - 1];
        lists.then((open) => {
          const asked = open.transaction('tickets').objectStore('tickets').getAll();
          asked.onsuccess = () => done(JSON.stringify(asked.result));
        });";
    let stored = browser.run_async(stored).as_str().unwrap().to_owned();
    assert!(
        stored.contains("rock") && !stored.contains("Bea") && !stored.contains("Cyd"),
        "{stored}"
    );
    let devices = get(&server, &format!("{API}/devices")).json();
    assert_eq!(devices["devices"][0]["gate"], "north", "{devices}");
    accessible(&browser);

    let enter = |code: &str| browser.keys(&format!("{code}{ENTER}"));
    // Passed on since the list was read: what the box office has said of the old code is kept.
    let third = give(&server, "Dee", 1)[0][0].clone();
    let order = text(&get(&server, "/api/v1/events/rock/orders?q=dee").json()["orders"][0], "id");
    let name = Request::new("POST", &format!("/api/v1/orders/{order}/tickets/1")).bearer(KEY);
    assert_eq!(server.send(name.json(&json!({"name": "Fay"}))).status, 200);
    enter(&third);
    browser.shows("Old code</h2>");

    browser.network(false);
    enter(&third);
    browser.shows("Old code</h2>");
    enter(&tickets[0][0]);
    browser.shows("Valid, offline</h2>");
    browser.shows("Bea");
    browser.shows("On the list, and not in as of ");
    browser.picture("door-list-valid");
    enter(&tickets[1][0]);
    browser.shows("Already in</h2>");
    browser.shows("at South");
    browser.picture("door-list-in");
    enter(refunded);
    browser.shows("Refunded</h2>");
    enter(&paid[1][0]);
    if valid(1) {
        browser.shows("Old code</h2>");
    }
    // A ticket that is newer than the list, and whose signature is right.
    enter(&give(&server, "Eve", 1)[0][0]);
    browser.shows("The ticket is real, and new to this device.");
    browser.network(true);
    browser.run("dispatchEvent(new Event('online'))");
    eventually("both are in the records", || overview(&server)["inside"] == 3);
    browser.complaints();
}

/// The pages of the office around the door, looked at with arrivals, a contradiction, devices, links and an error.
#[test]
fn the_pages_of_the_office_around_the_door_keep_nobody_out() {
    let (_dir, server) = start("gates-look");
    put_door(&server, &gates());
    let tickets = give(&server, "Ann", 9);
    let (mut north, mut south) = (Device::new(1, "north"), Device::new(2, "south"));
    for (n, ticket) in tickets.iter().take(7).enumerate() {
        let at = format!("2026-01-01T{}:{}7:00Z", 18 + n / 4, n % 4);
        if n % 3 == 0 { &mut south } else { &mut north }.reports(&server, &ticket[0], &at);
    }
    south.reports(&server, &tickets[1][0], "2026-01-01T19:20:00Z");
    let made = link(&server, KEY, &[("gate", "north")]).json();
    let tells = json!({"device": north.id, "gate": "north", "unsent": 2});
    let post = Request::new("POST", &format!("{API}/devices")).bearer(KEY).json(&tells);
    assert_eq!(server.send(post).status, 204);
    for (dark, size) in [(false, PHONE), (true, PHONE), (false, DESK), (true, DESK)] {
        let Some(browser) = Browser::start(true, size, dark) else { return };
        browser.send_header("authorization", &format!("Bearer {KEY}"));
        let name = |what: &str| {
            format!("door-office-{what}-{}-{}", size.0, if dark { "dark" } else { "light" })
        };
        let at = |path: &str| format!("http://{}{path}", server.address);
        browser.goto(&at("/office/events/rock/door"));
        browser.shows("Let in although the records say no");
        accessible(&browser);
        browser.whole_picture(&name("all"));
        browser.fill("#name", " ");
        browser.run("document.querySelector('form[action$=links]').noValidate = true");
        browser.click("form[action$=links] button[type=submit]");
        browser.shows("Please say for whom the link is");
        accessible(&browser);
        browser.picture(&name("wrong"));
        browser.goto(&at(&format!("/office/events/rock/door/links/{}", text(&made, "id"))));
        browser.shows("Link for Team North");
        accessible(&browser);
        browser.picture(&name("link"));
        browser.goto(&at("/door/rock?gate=north&q=ann"));
        browser.shows("Came in");
        accessible(&browser);
        browser.whole_picture(&name("found"));
    }
}
