//! Check-in at the door, over HTTP.

use crate::doors::*;
use crate::harness::*;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn put_door(server: &Server, door: &Value) -> Answer {
    server.send(Request::new("PUT", "/api/v1/events/rock/door").bearer(KEY).json(door))
}

fn undo(server: &Server, key: &str, device: &str, nonce: &str) -> Value {
    let path = format!("/api/v1/events/rock/check-ins/{device}/{nonce}");
    let answer = server.send(Request::new("DELETE", &path).bearer(key));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["result"].clone()
}

#[test]
fn a_ticket_admits_once_whichever_of_its_codes_is_scanned() {
    let dir = Dir::new("door-once");
    let server = Server::start(&dir);
    server.make_event(20, 300);
    let tickets = give(&server, "Ann", 2);
    let (mut north, mut south) = (Device::new(1, "north"), Device::new(2, "south"));
    let first = north.scans(&server, &tickets[0][0]);
    assert_eq!((&first["result"], &first["visit"]), (&json!("admitted"), &json!(1)), "{first}");
    assert_eq!(
        (&first["ticket"]["name"], &first["ticket"]["ticket_type"]),
        (&json!("Ann"), &json!("Adult"))
    );
    for code in &tickets[0] {
        let again = south.scans(&server, code);
        assert_eq!(again["result"], "already_in", "{again}");
        assert_eq!(again["first"], json!({"at": first["at"], "gate": "north"}));
    }
    // The same request again is the same scan.
    let body = json!({"code": tickets[0][1], "gate": "north", "device": north.id, "nonce": north.nonce(1)});
    assert_eq!(told(&server, &body), first);
    // The nonce belongs to it.
    let body = json!({"code": tickets[1][1], "gate": "north", "device": north.id, "nonce": north.nonce(1)});
    assert_eq!(told(&server, &body)["result"], "nonce_used");
    let second = south.scans(&server, &format!(" {} ", tickets[1][1].to_lowercase()));
    assert_eq!(second["result"], "admitted", "as people type it: {second}");

    let seen = overview(&server);
    assert_eq!((&seen["inside"], &seen["tickets"]), (&json!(2), &json!(2)), "{seen}");
    let gates: Vec<(&Value, &Value)> =
        seen["gates"].as_array().unwrap().iter().map(|g| (&g["gate"], &g["entered"])).collect();
    assert_eq!(gates, [(&json!("north"), &json!(1)), (&json!("south"), &json!(1))]);
    assert_eq!(seen["scans"].as_array().unwrap().len(), 2, "what was refused is not recorded");
}

#[test]
fn each_ticket_that_is_not_good_is_told_apart() {
    let dir = Dir::new("door-reasons");
    let server = Server::start(&dir);
    server.make_event(50, 300);
    let other = put_event("jazz", 10, 300);
    assert_eq!(server.send(other).status, 201);
    let mut device = Device::new(1, "north");
    let mut says = |code: &str| device.scans(&server, code);

    let unknown = says("AAAA-BBBB-CCCC");
    assert_eq!((unknown["result"].as_str(), unknown.get("ticket")), (Some("unknown_ticket"), None));
    let [mut forged, _] = give(&server, "Ann", 1).remove(0);
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    assert_eq!(says(&forged)["result"], "unknown_ticket");

    let sale = json!({"buyer": {"name": "Jo", "email": "jo@example.org"}, "tender": "free",
                      "lines": [{"ticket_type": "adult", "quantity": 1}]});
    let path = "/api/v1/events/jazz/sales";
    let made = server.send(Request::new("POST", path).bearer(KEY).json(&sale)).json();
    for code in &codes(&made)[0] {
        let told = says(code);
        assert_eq!((&told["result"], &told["event"]), (&json!("other_event"), &json!("jazz")));
        assert!(!told.to_string().contains("Jo"), "whose ticket that is, is not told: {told}");
    }

    let order = server.send(hold("ben", 2)).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).json()["state"], "paid");
    let paid = server.send(look(&order)).json();
    let [one, two] = &codes(&paid)[..] else { panic!("{paid}") };
    let name = Request::new("POST", &format!("/api/v1/orders/{}/tickets/2", text(&order, "id")));
    let named = server.send(name.bearer(&text(&order, "secret")).json(&json!({"name": "Cyd"})));
    assert_eq!(named.status, 200, "{named:?}");
    assert_eq!(says(&two[0])["result"], "replaced");
    let new = &codes(&named.json())[1];
    let told = says(&new[1]);
    assert_eq!((&told["result"], &told["ticket"]["name"]), (&json!("admitted"), &json!("Cyd")));
    let refund = Request::new("POST", &format!("/api/v1/orders/{}/refunds", text(&order, "id")));
    let refunded = server.send(refund.bearer(KEY).json(&json!({"all": true, "restock": true})));
    assert_eq!(refunded.status, 200, "{refunded:?}");
    assert_eq!(says(&one[1])["result"], "revoked");

    // Gates for some ticket types, and doors that open later.
    let gates = json!({"gates": [
        {"id": "north", "name": "North", "ticket_types": []},
        {"id": "vip", "name": "VIP", "ticket_types": ["adult"]},
    ]});
    assert_eq!(put_door(&server, &gates).status, 200);
    let code = &give(&server, "Dan", 1)[0][1];
    let mut nowhere = Device::new(2, "west");
    assert_eq!(nowhere.scans(&server, code)["result"], "unknown_gate");
    let mut closed = gates.clone();
    closed["opens_at"] = "2031-05-01T18:00:00Z".into();
    assert_eq!(put_door(&server, &closed).status, 200);
    let told = Device::new(3, "vip").scans(&server, code);
    assert_eq!(
        (&told["result"], &told["opens_at"]),
        (&json!("not_open"), &json!("2031-05-01T18:00:00Z"))
    );
    assert_eq!(put_door(&server, &json!({})).status, 200);
    let cancel = Request::new("POST", "/api/v1/events/rock/cancel").bearer(KEY);
    assert_eq!(server.send(cancel).status, 202);
    let told = Device::new(4, "vip").scans(&server, code);
    assert!(["event_canceled", "revoked"].contains(&told["result"].as_str().unwrap()), "{told}");
}

#[test]
fn what_happened_without_a_network_is_recorded_with_what_contradicts_it() {
    let dir = Dir::new("door-late");
    let server = Server::start(&dir);
    server.make_event(20, 300);
    let codes = give(&server, "Ann", 3);
    let (mut north, mut south) = (Device::new(1, "north"), Device::new(2, "south"));
    let first = north.reports(&server, &codes[0][0], "2026-06-01T19:42:07+02:00");
    assert_eq!(first["result"], "admitted", "{first}");
    // The other door has let somebody in with the same ticket before.
    let second = south.reports(&server, &codes[0][0], "2026-06-01T19:40:00+02:00");
    assert_eq!(
        (&second["result"], &second["objection"], second.get("visit")),
        (&json!("recorded"), &json!("already_in"), None),
        "{second}"
    );
    assert_eq!(second["first"], json!({"at": "2026-06-01T17:42:07Z", "gate": "north"}));
    let seen = overview(&server);
    assert_eq!(seen["inside"], 2);
    assert_eq!(seen["conflicts"].as_array().unwrap().len(), 1);
    assert_eq!(seen["conflicts"][0]["gate"], "south");
    let log = nts(&dir).args(["audit-log"]).output().unwrap();
    assert!(said(&log).contains("ticket 1 in at south, reported later"), "{}", said(&log));

    // Many in one request, each with a result of its own; the whole request again changes nothing.
    let mut scans: Vec<Value> =
        [&codes[1][1], &codes[1][0], &codes[2][0]].map(|code| north.next(code)).into();
    scans.iter_mut().for_each(|scan| scan["late"] = true.into());
    scans.push(south.next("AAAA-BBBB-CCCC"));
    scans[0]["age_ms"] = 60_000.into();
    let results = |body: &Value| told(&server, body)["results"].clone();
    let body = json!({ "scans": scans });
    let once = results(&body);
    let words: Vec<&Value> = once.as_array().unwrap().iter().map(|r| &r["result"]).collect();
    assert_eq!(words, ["admitted", "recorded", "admitted", "unknown_ticket"]);
    let before = overview(&server);
    assert_eq!(results(&body), once);
    assert_eq!(overview(&server), before);

    // What is wrong with some keeps nobody else back.
    let good = north.next(&give(&server, "Eve", 1)[0][0]);
    let bad = |name: &str, value: Value| {
        let mut bad = good.clone();
        bad[name] = value;
        bad
    };
    let bads = [
        bad("nonce", "no".into()),
        bad("gate", "Tor 1".into()),
        bad("at", "yesterday".into()),
        bad("age_ms", (-5).into()),
        bad("colour", "red".into()),
        json!(7),
        good.clone(),
    ];
    let told_of = results(&json!({ "scans": bads }));
    let (last, wrong) = told_of.as_array().unwrap().split_last().unwrap();
    assert!(wrong.iter().all(|r| r["result"] == "invalid" && r["detail"].is_string()), "{told_of}");
    assert_eq!(last["result"], "admitted");
    let refused = server.send(check_in(&json!({"scans": vec![scans[0].clone(); 101]})));
    assert_eq!(refused.status, 400);
    let mut odd = north.next(&codes[0][0]);
    odd["gate"] = "Tor 1".into();
    let refused = server.send(check_in(&odd));
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.text().contains("1 to 64 of a-z"), "{refused:?}");
}

#[test]
fn a_scan_is_undone_by_its_device_for_a_while_and_by_a_manager() {
    let dir = Dir::new("door-undo");
    let server = Server::start(&dir);
    server.make_event(20, 300);
    let mut owner = crate::staff::owner(&server);
    let door = crate::staff::key(&server, &mut owner, "door", "rock");
    let codes = give(&server, "Ann", 2);
    let mut north = Device::new(1, "north");
    let by_door = |body: &Value| {
        let answer = server.send(check_in(body).bearer(&door));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["result"].clone()
    };
    assert_eq!(by_door(&north.next(&codes[0][0])), "admitted");
    assert_eq!(undo(&server, &door, &Device::new(9, "north").id, &north.nonce(1)), "unknown_scan");
    assert_eq!(undo(&server, &door, &north.id, &north.nonce(1)), "undone");
    assert_eq!(undo(&server, &door, &north.id, &north.nonce(1)), "undone");
    // The request that was undone lets nobody in, however often it is sent again.
    let again =
        json!({"code": codes[0][0], "gate": "north", "device": north.id, "nonce": north.nonce(1)});
    assert_eq!(by_door(&again), "undone");
    assert_eq!(overview(&server)["inside"], 0);
    assert_eq!(by_door(&north.next(&codes[0][1])), "admitted");
    assert_eq!(undo(&server, KEY, &north.id, &north.nonce(2)), "undone");
    assert_eq!(by_door(&north.next(&codes[0][1])), "admitted");

    // Out and in again, where the organiser lets them; a scan with a later one after it stays.
    assert_eq!(put_door(&server, &json!({"admission": "come_back"})).status, 200);
    let mut out = north.next(&codes[0][1]);
    out["direction"] = "out".into();
    assert_eq!(by_door(&out), "left");
    let mut out = north.next(&codes[1][1]);
    out["direction"] = "out".into();
    assert_eq!(by_door(&out), "not_in");
    assert_eq!(by_door(&north.next(&codes[0][1])), "admitted");
    assert_eq!(undo(&server, &door, &north.id, &north.nonce(3)), "scanned_since");
    assert_eq!(overview(&server)["inside"], 1);

    // Whoever may not change the event is not told what others could undo.
    let seen = |key: &str| {
        let path = "/api/v1/events/rock/check-ins";
        server.send(Request::get(path).bearer(key)).json()["scans"][0].clone()
    };
    assert_eq!(seen(KEY)["nonce"], north.nonce(6));
    assert!(seen(&door).get("nonce").is_none() && seen(&door).get("device").is_none());

    // Who checks people in does not change how the door works.
    let put = Request::new("PUT", "/api/v1/events/rock/door").bearer(&door).json(&json!({}));
    assert_eq!(server.send(put).code(), Some(ProblemCode::NotAllowed));
    let get = Request::get("/api/v1/events/rock/door").bearer(&door);
    assert_eq!(server.send(get).json(), json!({"admission": "come_back", "gates": []}));
    let wrong = json!({"gates": [{"id": "a", "name": "A", "ticket_types": ["nosuch"]}]});
    assert_eq!(put_door(&server, &wrong).code(), Some(ProblemCode::UnknownTicketType));
    let wrong = json!({"gates": [{"id": "A", "name": "A"}]});
    assert_eq!(put_door(&server, &wrong).status, 400);
}

#[test]
fn whoever_saw_green_is_recorded_after_twenty_kills() {
    let dir = Dir::new("door-crash");
    let server = Server::start(&dir);
    server.make_event(2_000, 300);
    let codes: Vec<String> = (0..40)
        .flat_map(|n| give(&server, &format!("a{n}"), 20))
        .map(|[signed, _]| signed)
        .collect();
    server.stop();
    let green: Mutex<Vec<(String, Value)>> = Mutex::default();
    let next = AtomicUsize::new(0);
    for life in 0..20 {
        let server = Server::start(&dir);
        let address = &server.address.clone();
        let goal = green.lock().unwrap().len() + 5 + life % 4;
        std::thread::scope(|scope| {
            for n in 0..6 {
                let (codes, green, next) = (&codes, &green, &next);
                scope.spawn(move || {
                    let mut device = Device::new(life as u64 * 100 + n, "north");
                    loop {
                        // Two doors see each ticket.
                        let at = next.fetch_add(1, Ordering::SeqCst) / 2;
                        let Some(code) = codes.get(at) else { return };
                        let body = device.next(code);
                        let Ok(answer) = check_in(&body).send(address) else { return };
                        if answer.status == 200 && answer.json()["result"] == "admitted" {
                            green.lock().unwrap().push((code.clone(), body));
                        }
                    }
                });
            }
            eventually("some are in", || {
                green.lock().unwrap().len() >= goal
                    || next.load(Ordering::SeqCst) >= 2 * codes.len()
            });
            server.kill();
        });
    }
    let green = green.into_inner().unwrap();
    assert!(green.len() > 100, "{}", green.len());
    let mut once: Vec<&String> = green.iter().map(|(code, _)| code).collect();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), green.len(), "a ticket was green twice");
    let server = Server::start(&dir);
    for (code, body) in &green {
        assert_eq!(told(&server, body)["result"], "admitted", "the same scan, the same answer");
        let another = Device::new(7_777, "south").scans(&server, code);
        assert_eq!(another["result"], "already_in");
    }
    server.stop();
    let audit = nts(&dir).arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", said(&audit));
}

#[test]
fn twenty_devices_and_two_doors_for_each_ticket_let_it_in_once() {
    let dir = Dir::new("door-crowd");
    let server = Server::start(&dir);
    server.make_event(2_000, 300);
    let codes: Vec<[String; 2]> =
        (0..20).flat_map(|n| give(&server, &format!("a{n}"), 20)).collect();
    let admitted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for n in 0..20 {
            let (server, codes, admitted) = (&server, &codes, &admitted);
            scope.spawn(move || {
                let mut device = Device::new(n, if n % 2 == 0 { "north" } else { "south" });
                // Each ticket is tried at two devices at about the same time.
                for code in codes.iter().skip(n as usize / 2 * 40).take(40) {
                    let result = device.scans(server, &code[n as usize % 2])["result"].clone();
                    match result.as_str() {
                        Some("admitted") => _ = admitted.fetch_add(1, Ordering::SeqCst),
                        other => assert_eq!(other, Some("already_in")),
                    }
                }
            });
        }
    });
    assert_eq!(admitted.load(Ordering::SeqCst), codes.len());
    let seen = overview(&server);
    assert_eq!(seen["inside"], codes.len());
    let entered = |gate: &Value| gate["entered"].as_u64().unwrap();
    let all: u64 = seen["gates"].as_array().unwrap().iter().map(entered).sum();
    assert_eq!(all, codes.len() as u64);
}

#[test]
fn a_code_whose_key_was_revoked_is_recorded_of_who_has_passed_and_lets_nobody_in() {
    let dir = Dir::new("door-key");
    let server = Server::start(&dir);
    server.make_event(20, 300);
    let tickets = give(&server, "Ann", 3);
    let (mut north, mut south) = (Device::new(1, "north"), Device::new(2, "south"));
    let green = north.next(&tickets[0][0]);
    let first = told(&server, &green);
    assert_eq!(first["result"], "admitted");
    let keys = Request::new("POST", "/api/v1/door/keys").bearer(KEY);
    assert_eq!(server.send(keys).status, 201);
    let revoke = Request::new("DELETE", "/api/v1/door/keys/1").bearer(KEY);
    assert_eq!(server.send(revoke).status, 204);
    assert_eq!(south.scans(&server, &tickets[1][0])["result"], "unknown_ticket");
    // The answer of before stays.
    assert_eq!(told(&server, &green), first);
    // Somebody has passed with it.
    let late = north.reports(&server, &tickets[1][0], "2026-06-01T19:42:07+02:00");
    assert_eq!((&late["result"], &late["objection"]), (&json!("recorded"), &json!("replaced")));
    assert_eq!(south.scans(&server, &tickets[1][1])["result"], "already_in");
    assert_eq!(south.scans(&server, &tickets[2][1])["result"], "admitted");
    let audit = nts(&dir).arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", said(&audit));
}

#[test]
fn where_a_ticket_admits_once_a_day_no_clock_of_a_device_makes_days() {
    let dir = Dir::new("door-days");
    let server = Server::start(&dir);
    server.make_event(20, 300);
    assert_eq!(put_door(&server, &json!({"admission": "once_a_day"})).status, 200);
    let code = &give(&server, "Ann", 1)[0][0];
    let mut north = Device::new(1, "north");
    let first = north.reports(&server, code, "1970-01-01T12:00:00Z");
    assert_eq!(first["result"], "admitted", "it counts for today: {first}");
    for at in ["1970-01-02T12:00:00Z", "9999-01-01T00:00:00Z", "2001-05-05T05:05:05Z"] {
        let again = north.reports(&server, code, at);
        assert_eq!(again["objection"], "already_in", "{at}: {again}");
    }
    assert_eq!(Device::new(2, "south").scans(&server, code)["result"], "already_in");
    let days = overview(&server)["gates"].as_array().unwrap().len();
    assert_eq!(days, 1, "one gate on one day");
}

#[test]
fn a_ticket_type_that_was_added_while_the_server_runs_is_told_by_its_name() {
    let dir = Dir::new("door-type");
    let server = Server::start(&dir);
    server.make_event(20, 300);
    let before = give(&server, "Ann", 1);
    assert_eq!(server.send(event_with_vip(20)).status, 200);
    let vip = give_of(&server, "Bob", 1, "vip");
    let after = give(&server, "Cid", 1);
    let mut north = Device::new(1, "north");
    for (codes, name, ticket_type) in
        [(before, "Ann", "Adult"), (vip, "Bob", "VIP Lounge"), (after, "Cid", "Adult")]
    {
        // Green, and red for the second one.
        for (at, result) in ["admitted", "already_in"].into_iter().enumerate() {
            let told = north.scans(&server, &codes[0][at]);
            assert_eq!(told["result"], result, "{told}");
            assert_eq!(
                (&told["ticket"]["name"], &told["ticket"]["ticket_type"]),
                (&json!(name), &json!(ticket_type))
            );
        }
    }
    // A gate for it alone.
    let gates = json!({"gates": [{"id": "lounge", "name": "Lounge", "ticket_types": ["vip"]}]});
    assert_eq!(put_door(&server, &gates).status, 200);
    let (vip, adult) = (give_of(&server, "Dan", 1, "vip"), give(&server, "Eve", 1));
    let mut lounge = Device::new(2, "lounge");
    assert_eq!(lounge.scans(&server, &adult[0][0])["result"], "wrong_gate");
    assert_eq!(lounge.scans(&server, &vip[0][0])["result"], "admitted");
}

#[test]
fn devices_name_200_gates_at_most_and_whoever_has_passed_is_counted_at_another() {
    let dir = Dir::new("door-gates");
    let server = Server::start(&dir);
    server.make_event(20, 300);
    let codes = give(&server, "Ann", 2);
    let mut device = Device::new(1, "north");
    let mut at = |code: &str, gate: &str, late: bool| {
        let mut body = device.next(code);
        body["gate"] = gate.into();
        body["late"] = late.into();
        body
    };
    for hundred in 0..2 {
        let scans: Vec<Value> =
            (0..100).map(|n| at(&codes[0][0], &format!("g{}", hundred * 100 + n), true)).collect();
        let results = told(&server, &json!({ "scans": scans }))["results"].clone();
        let recorded =
            |result: &Value| ["admitted", "recorded"].contains(&result["result"].as_str().unwrap());
        assert!(results.as_array().unwrap().iter().all(recorded), "{results}");
    }
    let one_more = at(&codes[1][0], "g200", false);
    let refused = server.send(check_in(&one_more));
    assert_eq!((refused.status, refused.code()), (400, Some(ProblemCode::Invalid)));
    assert!(refused.text().contains("200 gates of this event, and g200 is none"), "{refused:?}");
    let many = json!({"scans": [at(&codes[1][0], "g200", false), at(&codes[0][0], "g200", true)]});
    let results = told(&server, &many)["results"].clone();
    assert_eq!(
        (&results[0]["result"], &results[1]["result"]),
        (&json!("invalid"), &json!("recorded"))
    );
    assert!(results[0]["detail"].as_str().unwrap().contains("200 gates"), "{results}");
    assert_eq!(told(&server, &at(&codes[1][0], "g7", false))["result"], "admitted");
    let seen = overview(&server);
    let gates: Vec<&str> = seen["gates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gate| gate["gate"].as_str().unwrap())
        .collect();
    assert_eq!(
        (gates.len(), gates.contains(&"other"), gates.contains(&"g200")),
        (201, true, false)
    );
    assert_eq!(seen["inside"], 202);
    server.stop();
    let audit = nts(&dir).arg("audit").output().unwrap();
    assert!(audit.status.success(), "{}", said(&audit));
}
