//! The office's pages of an event: making, changing, copying, pausing, cancelling and deleting it.

use crate::forms::PageForm;
use crate::harness::*;
use serde_json::{Value, json};

/// What a newcomer types.
const LEAST: [(&str, &str); 7] = [
    ("name", "Jazz im Hof"),
    ("starts", "2030-06-01T20:00"),
    ("zone", "Europe/Vienna"),
    ("currency", "EUR"),
    ("pool-0-places", "80"),
    ("type-0-name", "Ticket"),
    ("type-0-price", "12,50"),
];

fn page(server: &Server, path: &str) -> String {
    let answer = server.send(Request::get(path).bearer(KEY));
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.text()
}

/// Sends a form of the page with what is typed into it in the place of what stands there.
fn send(server: &Server, page: &str, action: &str, typed: &[(&str, &str)]) -> Answer {
    let mut form = PageForm::of(page, action).unwrap_or_else(|| panic!("{action} in {page}"));
    form.fields.retain(|(name, _)| typed.iter().all(|(n, _)| n != name));
    // What is not ticked is not sent.
    form.fields.retain(|(name, _)| !["tags", "pdf", "sure"].contains(&name.as_str()));
    form.fields.retain(|(name, _)| !name.ends_with("-gone") && !name.ends_with("-hidden"));
    server.send(form.with(typed).bearer(KEY))
}

fn event(server: &Server, slug: &str) -> Value {
    server.get(&format!("/api/v1/events/{slug}")).json()
}

fn make(server: &Server, more: &[(&str, &str)]) -> Answer {
    let new = page(server, "/office/events/new");
    let rest = LEAST.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    let typed: Vec<_> = rest.chain(more).copied().collect();
    send(server, &new, "/office/events/new", &typed)
}

#[test]
fn a_name_a_start_a_price_and_a_count_make_an_event_that_is_sold() {
    let dir = Dir::new("office-make");
    let server = Server::start(&dir);
    let answer = make(&server, &[]);
    let to = "/office/events/jazz-im-hof/edit?done=made";
    assert_eq!((answer.status, answer.header("location")), (303, Some(to)), "{answer:?}");
    let edit = page(&server, to);
    assert!(edit.contains("The event was made and is published."), "{edit}");
    let made = event(&server, "jazz-im-hof");
    assert_eq!(made["on_sale"], true);
    assert_eq!(made["starts_at"], "2030-06-01T18:00:00Z");
    assert_eq!(made["ticket_types"][0]["price"], json!({"amount": 1250, "currency": "EUR"}));
    assert_eq!(made["pools"][0]["capacity"], 80);
    let shop = server.get("/events/jazz-im-hof").text();
    assert!(shop.contains("Jazz im Hof") && shop.contains("€12.50"), "{shop}");
    // Another one of the same name has an address of its own.
    let again = make(&server, &[]);
    assert_eq!(again.header("location"), Some("/office/events/jazz-im-hof-2/edit?done=made"));
    // What is typed as the address is not changed behind one's back.
    let taken = make(&server, &[("slug", "jazz-im-hof")]);
    assert_eq!(taken.status, 422);
    assert!(taken.text().contains("There is an event at this address already."), "{taken:?}");
    // A draft is in no list, and its page is there: the preview.
    let draft = make(&server, &[("slug", "draft"), ("do", "draft")]);
    assert_eq!(draft.header("location"), Some("/office/events/draft/edit?done=draft"));
    assert!(!server.get("/").text().contains("/events/draft\""));
    assert!(server.get("/events/draft").text().contains("Draft."));
}

#[test]
fn a_mistake_is_told_at_its_field_and_what_was_typed_stays() {
    let dir = Dir::new("office-mistakes");
    let server = Server::start(&dir);
    let answer = make(&server, &[("type-0-price", "0.10"), ("starts", "soon")]);
    assert_eq!(answer.status, 422);
    let shown = answer.text();
    for part in [
        "id=\"faults\"",
        "<a href=\"#starts\">",
        "id=\"e-type-0-price\"",
        "aria-describedby=\"e-type-0-price h-type-0-price\" aria-invalid=\"true\"",
        "value=\"Jazz im Hof\"",
        "value=\"0.10\"",
        "value=\"soon\"",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert_eq!(server.get("/api/v1/events/jazz-im-hof").status, 404);
}

#[test]
fn pools_and_types_are_added_without_javascript() {
    let dir = Dir::new("office-rows");
    let server = Server::start(&dir);
    let new = page(&server, "/office/events/new");
    let typed = [&LEAST[..], &[("do", "add-pool")]].concat();
    let two_pools = send(&server, &new, "/office/events/new", &typed);
    assert_eq!(two_pools.status, 200);
    let typed = [
        ("pool-0-name", "Stalls"),
        ("pool-1-name", "Balcony"),
        ("pool-1-places", "20"),
        ("type-0-pool", "Stalls"),
        ("do", "add-type"),
    ];
    let two_types = send(&server, &two_pools.text(), "/office/events/new", &typed).text();
    assert!(two_types.contains("<option value=\"Balcony\">"), "{two_types}");
    let typed = [
        ("type-0-pool", "Stalls"),
        ("type-1-name", "High"),
        ("type-1-price", "9"),
        ("type-1-pool", "Balcony"),
        ("do", "publish"),
    ];
    let made = send(&server, &two_types, "/office/events/new", &typed);
    assert_eq!(made.status, 303, "{made:?}");
    let made = event(&server, "jazz-im-hof");
    let types: Vec<_> =
        made["ticket_types"].as_array().unwrap().iter().map(|t| &t["pool"]).collect();
    assert_eq!(types, ["Stalls", "Balcony"]);
    // A type that is left out is sold no more.
    let edit = page(&server, "/office/events/jazz-im-hof/edit");
    let typed = [("type-0-pool", "Stalls"), ("type-1-pool", "Balcony"), ("type-0-gone", "yes")];
    let action = "/office/events/jazz-im-hof/edit";
    assert_eq!(send(&server, &edit, action, &typed).status, 303);
    let now = event(&server, "jazz-im-hof");
    assert_eq!(now["ticket_types"].as_array().unwrap().len(), 1);
    assert_eq!(now["ticket_types"][0]["id"], "high");
}

#[test]
fn the_second_of_two_people_at_one_event_is_told_what_the_first_has_changed() {
    let dir = Dir::new("office-two");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let action = "/office/events/rock/edit";
    let (first, second) = (page(&server, action), page(&server, action));
    let saved = send(&server, &first, action, &[("place", "Cellar"), ("name", "Rock night")]);
    let to = "/office/events/rock/edit?done=saved";
    assert_eq!((saved.status, saved.header("location")), (303, Some(to)), "{saved:?}");
    let told = send(&server, &second, action, &[("name", "Rock!"), ("pool-0-places", "12")]);
    assert_eq!(told.status, 409);
    let shown = told.text();
    for part in [
        "Somebody else has changed this event meanwhile.",
        "<th scope=\"row\">Place</th><td data-label=\"Was\">Hall</td>\
         <td data-label=\"Is now\">Cellar</td>",
        "value=\"Rock!\"",
        "value=\"12\"",
        "value=\"Cellar\"",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let unchanged = event(&server, "rock");
    assert_eq!(
        (&unchanged["name"], &unchanged["pools"][0]["capacity"]),
        (&json!("Rock night"), &json!(10))
    );
    // Now that it is known, it can be saved.
    assert_eq!(send(&server, &shown, action, &[]).status, 303);
    let now = event(&server, "rock");
    let parts = (&now["name"], &now["place"], &now["pools"][0]["capacity"]);
    assert_eq!(parts, (&json!("Rock!"), &json!("Cellar"), &json!(12)));
    // A form that says nothing of what it was made from overwrites nothing.
    let form = PageForm::of(&shown, action).unwrap();
    let blind: Vec<_> = form.fields.iter().filter(|(n, _)| n != "seen").cloned().collect();
    let blind: Vec<_> = blind.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(server.send(Request::form(action, &blind).bearer(KEY)).status, 409);
}

#[test]
fn programs_change_an_event_only_as_they_have_seen_it() {
    let dir = Dir::new("office-etag");
    let server = Server::start(&dir);
    let put = |name: &str, header: Option<(&str, &str)>| {
        let mut body = event_json(10, 300);
        body["name"] = name.into();
        let request = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&body);
        let request = header.into_iter().fold(request, |r, (name, value)| r.header(name, value));
        server.send(request)
    };
    let code = |answer: &Answer| answer.json()["code"].as_str().map(str::to_owned);
    let gone = put("Rock", Some(("if-match", "*")));
    assert_eq!((gone.status, code(&gone)), (412, Some("event_changed".into())));
    let made = put("Rock", Some(("if-none-match", "*")));
    assert_eq!(made.status, 201);
    let there = put("Rock", Some(("if-none-match", "*")));
    assert_eq!((there.status, code(&there)), (412, Some("event_exists".into())));
    let tag = server.get("/api/v1/events/rock").header("etag").unwrap().to_owned();
    assert_eq!(made.header("etag"), Some(tag.as_str()));
    // What is sold is shown, and is no change of what the organiser says.
    assert_eq!(server.send(hold("Ann", 1)).status, 201);
    let sold = server.get("/api/v1/events/rock").header("etag").unwrap().to_owned();
    assert_ne!(sold, tag);
    assert_eq!(sold.split('.').next(), tag.split('.').next());
    let changed = put("Rock 2", Some(("if-match", &format!("\"other\", {tag}"))));
    assert_eq!(changed.status, 200, "{changed:?}");
    let late = put("Rock 3", Some(("if-match", &tag)));
    assert_eq!((late.status, code(&late)), (412, Some("event_changed".into())));
    assert_eq!(server.event()["name"], "Rock 2");
    assert_eq!(put("Rock 4", Some(("if-match", "*"))).status, 200);
    assert_eq!(put("Rock 5", Some(("if-none-match", &tag))).status, 400);
    assert_eq!(put("Rock 6", None).status, 200, "without a condition as before");
}

#[test]
fn a_copy_is_an_event_of_its_own() {
    let dir = Dir::new("office-copy");
    let server = Server::start(&dir);
    assert_eq!(make(&server, &[("description", "One.\n\nTwo."), ("per_buyer", "4")]).status, 303);
    let copy = page(&server, "/office/events/new?copy=jazz-im-hof");
    assert!(copy.contains("This is a copy of Jazz im Hof."), "{copy}");
    let typed = [("starts", "2030-06-08T20:00"), ("description", "One.\n\nTwo."), ("do", "draft")];
    let made = send(&server, &copy, "/office/events/new", &typed);
    assert_eq!(made.header("location"), Some("/office/events/jazz-im-hof-2/edit?done=draft"));
    let (one, two) = (event(&server, "jazz-im-hof"), event(&server, "jazz-im-hof-2"));
    assert_eq!(two["starts_at"], "2030-06-08T18:00:00Z");
    for same in ["name", "description", "limit_per_buyer", "zone", "pools", "ticket_types"] {
        assert_eq!(one[same], two[same], "{same}");
    }
}

#[test]
fn a_sale_is_paused_and_resumed_and_an_event_hidden_and_published() {
    let dir = Dir::new("office-pause");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let ann = server.send(hold("Ann", 1)).json();
    let press = |what: &str| {
        let edit = page(&server, "/office/events/rock/edit");
        assert!(edit.contains(&format!("value=\"{what}\"")), "{what} in {edit}");
        let to = Request::form("/office/events/rock/sale", &[("do", what)]).bearer(KEY);
        let answer = server.send(to);
        assert_eq!(answer.status, 303, "{answer:?}");
        page(&server, answer.header("location").unwrap())
    };
    assert!(press("pause").contains("The sale is paused: nobody can reserve"));
    let (told, refused) = (server.event(), server.send(hold("Bob", 1)));
    assert_eq!((&told["paused"], &told["on_sale"]), (&json!(true), &json!(false)));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("sale_paused")));
    for (lang, words) in [
        ("en", "The sale is paused at the moment."),
        ("de", "Der Verkauf ist im Moment unterbrochen."),
        ("fr", "La vente est suspendue pour le moment."),
        ("es", "La venta está en pausa en este momento."),
    ] {
        let shop = server.get(&format!("/events/rock?lang={lang}")).text();
        assert!(shop.contains(words), "{words} in {shop}");
    }
    // Who has reserved can pay, and a file that is applied again resumes nothing.
    assert_eq!(server.send(pay(&ann, "ctoken_ok")).status, 200);
    server.make_event(11, 300);
    assert_eq!(server.send(hold("Bob", 1)).status, 409);
    assert!(press("resume").contains("The sale goes on."));
    assert_eq!(server.send(hold("Bob", 1)).status, 201);
    assert!(press("hide").contains("The event is a draft now"));
    assert!(!server.get("/").text().contains("/events/rock\""));
    assert!(press("publish").contains("The event is published."));
    assert!(server.get("/").text().contains("/events/rock\""));
    let api = |what: &str| {
        server.send(Request::new("POST", &format!("/api/v1/events/rock/{what}")).bearer(KEY))
    };
    assert_eq!(api("pause").json()["paused"], true);
    assert_eq!(api("resume").json()["paused"], false);
}

#[test]
fn an_event_is_deleted_while_nobody_has_ordered() {
    let dir = Dir::new("office-delete");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let action = "/office/events/rock/delete";
    let delete = || server.send(Request::form(action, &[]).bearer(KEY));
    assert!(page(&server, "/office/events/rock/edit").contains(action));
    server.send(hold("Ann", 1));
    assert!(!page(&server, "/office/events/rock/edit").contains(action));
    assert_eq!(delete().status, 409);
    assert_eq!(server.send(put_event("folk", 5, 300)).status, 201);
    let gone = server.send(Request::form("/office/events/folk/delete", &[]).bearer(KEY));
    assert_eq!((gone.status, gone.header("location")), (303, Some("/office")));
    assert_eq!(server.get("/api/v1/events/folk").status, 404);
}

fn cancellation(server: &Server) -> Value {
    server.send(Request::get("/api/v1/events/rock/cancellation").bearer(KEY)).json()
}

#[test]
fn who_cancels_an_event_says_that_it_is_meant_and_everybody_gets_the_money_back() {
    let dir = Dir::new("office-cancel");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let order = |name: &str, paid: bool| {
        let order = server.send(hold(name, 2)).json();
        if paid {
            assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
        }
        order
    };
    let (ann, bob, cat) = (order("Ann", true), order("Bob", true), order("Cat", false));
    // What was refunded before is of no cancellation: an order as a whole, and a part of one.
    let refund = |order: &Value, body: Value| {
        let path = format!("/api/v1/orders/{}/refunds", text(order, "id"));
        let made = server.send(Request::new("POST", &path).bearer(KEY).key("before").json(&body));
        assert_eq!(made.status, 200, "{made:?}");
        eventually("it went back", || {
            let state = text(&server.send(look(order)).json(), "state");
            state == "paid" || state == "refunded"
        });
    };
    let eve = order("Eve", true);
    refund(&eve, json!({"all": true, "restock": true}));
    refund(&bob, json!({"amount": {"amount": 1_500, "currency": "GBP"}}));
    let ask = page(&server, "/office/events/rock/cancel");
    assert!(ask.contains("4 sold places are refunded in full"), "{ask}");
    assert!(ask.contains("2 reserved places are released"), "{ask}");
    let unsure = server.send(Request::form("/office/events/rock/cancel", &[]).bearer(KEY));
    assert_eq!(unsure.status, 422);
    assert_eq!(server.counts(), (2, 4, 4), "nothing was done");
    let missing = server.send(Request::get("/api/v1/events/rock/cancellation").bearer(KEY));
    assert_eq!(missing.status, 404);
    let sure = Request::form("/office/events/rock/cancel", &[("sure", "yes")]).bearer(KEY);
    assert_eq!(server.send(sure.clone()).status, 303);
    let refused = server.send(hold("Dan", 1));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("event_canceled")));
    eventually("all orders are at rest", || cancellation(&server)["done_at"].is_string());
    for (order, state) in [(&ann, "refunded"), (&bob, "refunded"), (&cat, "released")] {
        let now = server.send(look(order)).json();
        assert_eq!(now["state"], state, "{now}");
    }
    let done = cancellation(&server);
    let counts = ["places", "places_left", "released", "refunded", "failed"].map(|n| &done[n]);
    assert_eq!(counts, [6, 0, 1, 2, 0], "{done}");
    assert_eq!(done["amount"], json!({"amount": 8_500, "currency": "GBP"}));
    let mails = |order: &Value| {
        let path = format!("/api/v1/orders/{}", text(order, "id"));
        let order = server.send(Request::get(&path).bearer(KEY)).json();
        let mails = order["mails"].as_array().unwrap().clone();
        mails.iter().map(|mail| text(mail, "kind")).collect::<Vec<_>>()
    };
    for order in [&ann, &bob] {
        let told = mails(order);
        assert_eq!(told.iter().filter(|kind| *kind == "event_canceled").count(), 1, "{told:?}");
    }
    let shown = page(&server, "/office/events/rock/cancel");
    assert!(
        shown.contains("Every order is cancelled or refunded") && shown.contains("£85.00"),
        "{shown}"
    );
    // Cancelled is cancelled, and nothing is done twice.
    assert_eq!(server.send(sure).status, 303);
    let again = server.send(Request::new("POST", "/api/v1/events/rock/cancel").bearer(KEY));
    assert_eq!(again.status, 202);
    assert_eq!(cancellation(&server), done);
    let resume = Request::new("POST", "/api/v1/events/rock/resume").bearer(KEY);
    assert_eq!(server.send(resume).status, 409);
    assert!(server.get("/events/rock").text().contains("This event was cancelled"));
}

/// The server is killed again and again while it works on a cancelled event: in the end all is as if it never
/// was, and nobody is refunded or told twice.
#[test]
fn a_cancelled_event_is_settled_through_any_number_of_crashes() {
    let dir = Dir::new("office-cancel-crash");
    let mut server = Server::start(&dir);
    server.make_event(2_000, 3_000);
    let orders: Vec<Value> = (0..260)
        .map(|n| {
            let order = server.send(hold(&format!("buyer{n}"), 1)).json();
            if n % 4 != 0 {
                let paid = server.send(pay(&order, "ctoken_ok"));
                assert_eq!(paid.status, 200, "{paid:?}");
            }
            order
        })
        .collect();
    let cancel = Request::new("POST", "/api/v1/events/rock/cancel").bearer(KEY);
    assert_eq!(server.send(cancel).status, 202);
    let mut left = cancellation(&server)["places_left"].as_u64().unwrap();
    let mut kills = 0;
    while cancellation(&server)["done_at"].is_null() && kills < 12 {
        // As soon as something more is done, at whatever moment of the work that is.
        eventually("it goes on", || {
            let now = cancellation(&server);
            now["places_left"].as_u64().unwrap() < left || now["done_at"].is_string()
        });
        left = cancellation(&server)["places_left"].as_u64().unwrap();
        server.kill();
        server = Server::start(&dir);
        kills += 1;
    }
    assert!(kills > 0, "it was interrupted");
    eventually("all orders are at rest", || cancellation(&server)["done_at"].is_string());
    let done = cancellation(&server);
    let counts = ["places", "places_left", "released", "refunded", "failed"].map(|n| &done[n]);
    assert_eq!(counts, [260, 0, 65, 195, 0], "{done}");
    assert_eq!(done["amount"]["amount"], 195 * 2_500);
    for (n, order) in orders.iter().enumerate() {
        let path = format!("/api/v1/orders/{}", text(order, "id"));
        let now = server.send(Request::get(&path).bearer(KEY)).json();
        let told =
            now["mails"].as_array().unwrap().iter().filter(|m| m["kind"] == "event_canceled");
        let (state, refunds, mails) =
            if n % 4 != 0 { ("refunded", 1, 1) } else { ("released", 0, 0) };
        assert_eq!(now["state"], state, "{now}");
        assert_eq!(now["refunds"].as_array().unwrap().len(), refunds, "{now}");
        assert_eq!(told.count(), mails, "{now}");
    }
}
