//! The event's page as a buyer uses it: every refusal comes back on the form, addresses lead where they were
//! meant to lead, and an open order is found again.

use crate::forms::PageForm;
use crate::harness::*;
use serde_json::json;

const ORDERS: &str = "/events/rock/orders";

/// The event with at most three in an order, and a buyer's limit if there is one.
fn shop(name: &str, capacity: u32, per_buyer: Option<u32>) -> (Dir, Server) {
    let dir = Dir::new(name);
    let server = Server::start(&dir);
    let mut event = event_json(capacity, 300);
    event["limit_per_order"] = 3.into();
    event["limit_per_buyer"] = per_buyer.map_or(json!(null), Into::into);
    put(&server, &event);
    (dir, server)
}

fn put(server: &Server, event: &serde_json::Value) {
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(event);
    assert!([200, 201].contains(&server.send(put).status));
}

fn filled(quantity: &str, name: &str, email: &str) -> Request {
    let fields = [("quantity:adult", quantity), ("name", name), ("email", email), ("key", "k")];
    Request::form(ORDERS, &fields)
}

/// The form is there again with what was typed, and says why.
fn comes_back(answer: &Answer, status: u16, typed: [&str; 3], reason: &str) {
    assert_eq!(answer.status, status, "{reason}: {answer:?}");
    let page = answer.text();
    let form = PageForm::of(&page, ORDERS).unwrap_or_else(|| panic!("no form: {page}"));
    for (field, value) in ["quantity:adult", "name", "email"].into_iter().zip(typed) {
        assert_eq!(form.field(field), Some(value), "{field} in {page}");
    }
    assert!(page.contains(reason), "{reason} in {page}");
    assert!(page.contains("id=\"faults\""), "a summary: {page}");
    assert!(!page.contains("No money was moved") && !page.contains("cannot be understood"));
}

/// The reason stands at the field, and the summary leads there.
fn marked(page: &str, field: &str) {
    assert!(page.contains(&format!("<li><a href=\"#{field}\">")), "a link to {field}: {page}");
    let input = page.split('<').find(|tag| tag.contains(&format!(" id=\"{field}\""))).unwrap();
    assert!(input.contains("aria-invalid=\"true\""), "{input}");
    let described = input.split("aria-describedby=\"").nth(1).unwrap().split('"').next().unwrap();
    for id in described.split(' ') {
        assert!(page.contains(&format!(" id=\"{id}\"")), "{id} in {page}");
    }
}

#[test]
fn each_mistake_comes_back_on_the_form() {
    let (_dir, server) = shop("page-mistakes", 5, None);
    let email = "ann@example.org";
    for (typed, status, field, reason) in [
        (["9", "Ann", email], 409, "q1", "At most 3 tickets in one order."),
        (["x", "Ann", email], 400, "q1", "Enter a whole number"),
        (["-1", "Ann", email], 400, "q1", "Enter a whole number"),
        (["1.5", "Ann", email], 400, "q1", "Enter a whole number"),
        (["0", "Ann", email], 400, "q1", "Choose how many tickets you want."),
        (["", "Ann", email], 400, "q1", "Choose how many tickets you want."),
        (["2", "Ann", "ann"], 400, "email", "The e-mail address is not one"),
        (["2", "Ann", ""], 400, "email", "Enter your e-mail address."),
        (["2", "", email], 400, "name", "Enter the name for the tickets."),
        (["2", "<b>Ann</b>", "ann@@x"], 400, "email", "more than one @"),
    ] {
        let answer = server.send(filled(typed[0], typed[1], typed[2]));
        comes_back(&answer, status, typed, reason);
        let page = answer.text();
        marked(&page, field);
        assert!(page.contains("<title>Please check the marked fields"), "{page}");
        assert!(!page.contains("<b>Ann"), "{page}");
    }
    // Everything that is wrong is told at once.
    let page = server.send(filled("x", "", "ann")).text();
    for field in ["q1", "name", "email"] {
        marked(&page, field);
    }
    assert_eq!(server.counts(), (0, 0, 5));
    // Sent again as it came back, with the mistake mended, it is taken.
    let page = server.send(filled("9", "Ann", email)).text();
    let mut form = PageForm::of(&page, ORDERS).unwrap();
    for (name, value) in &mut form.fields {
        if name == "quantity:adult" {
            *value = "2".into();
        }
    }
    let held = server.send(form.with(&[]));
    assert_eq!(held.status, 303, "{held:?}");
    assert!(held.header("location").unwrap().ends_with("?new"), "{held:?}");
    assert_eq!(server.counts(), (2, 0, 3));
}

#[test]
fn what_happened_meanwhile_comes_back_on_the_form() {
    let (_dir, server) = shop("page-meanwhile", 3, None);
    let (typed, email) = (["2", "Ann", "ann@example.org"], "ann@example.org");
    let ask = || server.send(filled("2", "Ann", email));
    // All held by others: some may come back. All sold: none does.
    let other = server.send(hold("bob", 2)).json();
    comes_back(&ask(), 409, typed, "Only 1 left of “Adult”. More may come back until");
    let last = server.send(hold("cyd", 1)).json();
    comes_back(&ask(), 409, typed, "All of “Adult” are reserved at the moment. Some may come back");
    marked(&ask().text(), "q1");
    let page = server.get("/events/rock").text();
    assert!(page.contains("All reserved at the moment. Some may come back until"), "{page}");
    assert!(!page.contains("<button"), "{page}");
    for order in [&other, &last] {
        assert_eq!(server.send(pay(order, "ctoken_ok")).status, 200);
    }
    comes_back(&ask(), 409, typed, "“Adult” is sold out.");
    for page in [ask().text(), server.get("/events/rock").text(), server.get("/").text()] {
        assert!(page.contains("Sold out") && !page.contains("come back"), "{page}");
        assert!(!page.contains(">Continue to payment<"), "{page}");
    }
    let api = server.send(hold("dan", 1)).json();
    assert!(!api["detail"].as_str().unwrap().contains("come back"), "{api}");

    // More places, and another price than the page has shown.
    let mut event = event_json(9, 300);
    event["limit_per_order"] = 3.into();
    put(&server, &event);
    let shown = server.get("/events/rock").text();
    let form = PageForm::of(&shown, ORDERS).unwrap();
    let fill = |form: &PageForm| {
        let mut form = PageForm { action: form.action.clone(), fields: form.fields.clone() };
        for (name, value) in &mut form.fields {
            match &**name {
                "quantity:adult" => *value = "2".into(),
                "name" => *value = "Ann".into(),
                "email" => *value = email.into(),
                _ => {}
            }
        }
        form.with(&[])
    };
    event["ticket_types"][0]["price"]["amount"] = 3000.into();
    put(&server, &event);
    let changed = server.send(fill(&form));
    comes_back(&changed, 409, typed, "The price was £25.00 and is £30.00 now.");
    marked(&changed.text(), "q1");
    assert_eq!(server.counts(), (0, 3, 6), "nothing is held at a price that was not shown");
    // Who sends the form that came back has seen the new price.
    let agreed = server.send(fill(&PageForm::of(&changed.text(), ORDERS).unwrap()));
    assert_eq!(agreed.status, 303, "{agreed:?}");

    // The sale closes, and another one has not opened yet.
    event["sale_closes"] = "2026-01-01T00:00:00Z".into();
    put(&server, &event);
    let closed = ask();
    assert_eq!(closed.status, 409);
    assert!(closed.text().contains("The sale closed on"), "{closed:?}");
    assert!(closed.text().contains("value=\"ann@example.org\""), "{closed:?}");
    event["sale_closes"] = json!(null);
    event["sale_opens"] = "2029-01-01T00:00:00Z".into();
    put(&server, &event);
    let early = ask();
    assert_eq!(early.status, 409);
    assert!(early.text().contains("The sale opens on Mon 1 January 2029, 00:00"), "{early:?}");
    // A type that is gone.
    let mut other = event_json(9, 300);
    other["ticket_types"][0]["id"] = "seat".into();
    put(&server, &other);
    let gone = ask();
    assert_eq!(gone.status, 404, "{gone:?}");
    assert!(gone.text().contains("not on offer any more") && gone.text().contains("quantity:seat"));
}

#[test]
fn an_open_order_is_found_again() {
    let (_dir, server) = shop("page-open", 9, Some(2));
    let first = server.send(filled("2", "Ann", "ann@example.org"));
    let home = first.header("location").unwrap().to_owned();
    let cookies = way_back(&first);
    assert!(cookies.contains("nts_orders="), "{first:?}");
    let line = first.headers.lines().find(|line| line.contains("nts_orders=")).unwrap();
    for part in ["Path=/;", "HttpOnly", "SameSite=Lax", "Max-Age="] {
        assert!(line.contains(part), "{line}");
    }
    let with = |request: Request| server.send(request.header("cookie", &cookies));
    let at = with(Request::get(&home)).header("location").unwrap().to_owned();
    assert!(at.starts_with("/pay/"), "{at}");
    for path in ["/events/rock", "/"] {
        let page = with(Request::get(path));
        assert!(page.text().contains("You have an open reservation: 2 × Adult"), "{page:?}");
        assert!(page.text().contains(&format!("href=\"{at}\"")), "{page:?}");
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert!(page.header("vary").unwrap().contains("cookie"), "{page:?}");
        // Nobody else is told of it, nor a script.
        assert!(!server.get(path).text().contains("open reservation"));
        let script = with(Request::get(path).header("sec-fetch-mode", "cors"));
        assert!(!script.text().contains("open reservation"), "{script:?}");
        // Nor who knows the payment page's address, as Stripe and the bank do.
        let mut parts = at.trim_start_matches("/pay/").split('/');
        let (id, pays) = (parts.next().unwrap(), parts.next().unwrap());
        for name in ["nts_orders", "nts_open"] {
            let made_up = Request::get(path).header("cookie", &format!("{name}={id}:{pays}"));
            assert!(!server.send(made_up).text().contains("open reservation"), "{name}");
        }
    }
    // The limit leads there, for who has the cookie.
    let second = Request::form(
        ORDERS,
        &[("quantity:adult", "1"), ("name", "Ann"), ("email", "ann@example.org")],
    );
    let refused = with(second.clone());
    comes_back(&refused, 409, ["1", "Ann", "ann@example.org"], "you have 2 already");
    assert!(refused.text().contains(&format!("href=\"{at}/order\"")), "{refused:?}");
    let stranger = server.send(second);
    assert!(!stranger.text().contains("/pay/"), "{stranger:?}");
    // A cookie that somebody made up.
    let made_up = Request::get("/").header("cookie", "nts_orders=x.y:z.:.;nts_orders=");
    assert_eq!(server.send(made_up).status, 200);
    // A second order is remembered beside the first.
    let other = with(filled("1", "Bob", "bob@example.org"));
    let both = way_back(&other);
    let page = server.send(Request::get("/").header("cookie", &both)).text();
    assert_eq!(page.matches("You have an open reservation").count(), 2, "{page}");
    // The same form once more is the same order; another one is not.
    let again = with(filled("2", "Ann", "ann@example.org"));
    assert_eq!(again.header("location"), Some(&*home), "{again:?}");
    assert_eq!(server.counts(), (3, 0, 6));
    // Once it is paid there is nothing to go on with.
    assert_eq!(server.send(Request::form(&at, &[("token", "ctoken_ok")])).status, 303);
    assert!(!with(Request::get("/events/rock")).text().contains("open reservation"));
    // The tickets are, from both pages.
    for path in ["/events/rock", "/"] {
        let page = with(Request::get(path)).text();
        assert!(page.contains("You have tickets: 2 × Adult"), "{page}");
        assert!(page.contains(&format!("href=\"{at}/order\"")), "{page}");
        assert!(!server.get(path).text().contains("You have tickets"));
    }
    let led = with(Request::get(&format!("{at}/order")));
    assert_eq!(led.header("location"), home.strip_suffix("?new"), "{led:?}");
    // What was given back is forgotten with the next order.
    let third = with(filled("1", "Cyd", "cyd@example.org"));
    let all = |answer: &Answer| answer.header("set-cookie").map(|_| way_back(answer)).unwrap();
    assert_eq!(all(&third).matches(':').count(), 2, "{third:?}");
    let page = third.header("location").unwrap().trim_end_matches("?new").to_owned();
    assert_eq!(server.send(Request::form(&format!("{page}/cancel"), &[])).status, 303);
    let form = filled("1", "Dan", "dan@example.org").header("cookie", &all(&third));
    let fourth = all(&server.send(form));
    assert_eq!(fourth.matches(':').count(), 2, "{fourth}");
    let gone = page.split('/').nth(2).unwrap();
    assert!(!fourth.contains(gone), "{fourth}");
}

/// Without cookies the buyer sees the order's own address before anything is paid; with them the hold goes
/// straight to the payment page, and every way back from there ends at the tickets.
#[test]
fn a_paid_order_can_be_reached_with_and_without_cookies() {
    let (_dir, server) = shop("page-reach", 9, None);
    let held = server.send(filled("2", "Ann", "ann@example.org"));
    let (home, cookies) = (held.header("location").unwrap().to_owned(), way_back(&held));
    let bare = home.strip_suffix("?new").unwrap();
    // No cookie: the order's own page, with the way to pay.
    let page = server.get(&home);
    assert_eq!(page.status, 200, "{page:?}");
    for told in ["Keep the address of this page before you pay", &format!("{bare}/pay")] {
        assert!(page.text().contains(told), "{told}: {page:?}");
    }
    assert!(!server.get(bare).text().contains("Keep the address of this page before you pay"));
    // A cookie, as a browser sends those for this path: only the one of all orders.
    let all = cookies.split("; ").find(|cookie| cookie.starts_with("nts_orders=")).unwrap();
    let led = server.send(Request::get(&home).header("cookie", all));
    assert_eq!(led.status, 303, "{led:?}");
    let at = led.header("location").unwrap().to_owned();
    assert!(at.starts_with("/pay/"), "{led:?}");
    assert_eq!(server.send(Request::form(&at, &[("token", "ctoken_ok")])).status, 303);
    let secret = bare.rsplit('/').next().unwrap();
    let mut parts = at.trim_start_matches("/pay/").split('/');
    let (id, pays) = (parts.next().unwrap(), parts.next().unwrap());
    let own = cookies.split("; ").find(|cookie| cookie.starts_with("nts_order=")).unwrap();
    for path in [at.clone(), format!("{at}/order"), format!("{at}?redirect_status=succeeded")] {
        for cookie in [all, own] {
            let led = server.send(Request::get(&path).header("cookie", cookie));
            assert_eq!((led.status, led.header("location")), (303, Some(bare)), "{cookie}");
        }
        // Who has the address of the payment alone gets no further, whatever they make up.
        for cookie in [
            String::new(),
            format!("nts_order={pays}"),
            format!("nts_orders={id}:{pays}"),
            format!("nts_orders={id}:{pays}.{id}:; nts_order="),
            format!("nts_orders={id}"),
            format!("nts_open={id}:{pays}"),
        ] {
            let page = server.send(Request::get(&path).header("cookie", &cookie));
            assert_eq!(page.status, 200, "{cookie}: {page:?}");
            let told = format!("{}\n{}", page.headers, page.text());
            for hidden in [secret, "Ann", "ann@", "svg role", "set-cookie"] {
                assert!(!told.contains(hidden), "{cookie}: {hidden} in {told}");
            }
            assert!(told.contains("go back to the browser in which you ordered"), "{told}");
        }
    }
    assert!(server.get(bare).text().contains("svg role=\"img\""));
}

#[test]
fn free_tickets_need_no_payment_page() {
    let dir = Dir::new("page-free");
    let server = Server::start(&dir);
    let mut event = event_json(9, 300);
    event["ticket_types"][0]["price"]["amount"] = 0.into();
    put(&server, &event);
    assert!(server.get("/events/rock").text().contains("Get my tickets"));
    let got = server.send(filled("2", "Ann", "ann@example.org"));
    let at = got.header("location").unwrap().to_owned();
    assert!(at.starts_with("/orders/"), "{got:?}");
    assert!(server.get(&at).text().contains("Your tickets"));
    assert_eq!(server.counts(), (0, 2, 7));
    // A double click shows the same tickets.
    let again = server.send(filled("2", "Ann", "ann@example.org"));
    assert_eq!(again.header("location"), Some(&*at));
    assert_eq!(server.counts(), (0, 2, 7));
}

#[test]
fn addresses_lead_where_they_were_meant_to_lead() {
    let dir = Dir::new("page-addresses");
    let server = Server::start(&dir);
    let made = put_event("harbour-night", 9, 300);
    assert_eq!(server.send(made).status, 201);
    server.make_event(9, 300);
    let order = server.send(hold("ann", 1)).json();
    let (page, id, secret) = (page_of(&order), text(&order, "id"), text(&order, "secret"));
    let event = "/events/harbour-night";
    let leads = |path: &str, to: &str| {
        let answer = server.send(Request::get(path));
        assert_eq!(answer.status, 308, "{path}: {answer:?}");
        assert_eq!(answer.header("location"), Some(to), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(server.get(to).status, 200, "{to}");
    };
    for path in [
        "/events/harbour-night/",
        "/events/Harbour-Night",
        "/EVENTS/HARBOUR-NIGHT",
        "/events/harbour-night.",
        "/events/harbour-night),",
        "/events/harbour-night%29",
        "/events/harbour-night%E2%80%9D",
        "/events/harbour-night%20",
        "/events//harbour-night",
        "//events/harbour-night//",
        "/events/(harbour-night)",
        "/events/harbour-night---",
        "/events/harbour-night!",
        "/%65vents/harbour%2Dnight/",
    ] {
        leads(path, event);
    }
    leads("/events/harbour-night/?utm_source=chat", "/events/harbour-night?utm_source=chat");
    leads("/events/harbour-night/orders", event);
    leads(&format!("{page}/cancel"), &page);
    leads("/events/", "/");
    leads("/events", "/");
    for path in [
        format!("{page}/"),
        format!("{page}."),
        format!("{page}),"),
        format!("{page}%20"),
        format!("/orders/{}/{secret}", id.to_uppercase()) + "/",
        format!("/Orders/{id}//{secret}"),
    ] {
        leads(&path, &page);
    }
    leads(&format!("{page}/event.ics."), &format!("{page}/event.ics"));
    let lead = server.get(&format!("{page}/pay"));
    let pays = lead.header("location").unwrap().to_owned();
    leads(&format!("{pays}/"), &pays);
    leads(&format!("{pays}."), &pays);
    // What was not meant is not there, and programs are not led about.
    for path in [
        "/events/harbour".to_owned(),
        "/events/harbour-night/x".into(),
        "/api/v1/events/Harbour-Night".into(),
        format!("/orders/{id}/{}/", "X".repeat(26)),
        format!("/orders/{id}/{}", &secret[..25]),
        "/nowhere/".into(),
    ] {
        assert_eq!(server.get(&path).status, 404, "{path}");
    }
    let post = Request::form("/events/Harbour-Night/orders", &[("quantity:adult", "1")]);
    assert_eq!(server.send(post).status, 404);
}

#[test]
fn a_ticket_says_where_and_when_on_screen_and_in_the_calendar() {
    let (_dir, server) = shop("page-ticket", 9, None);
    let order = server.send(hold("ann", 3)).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
    let answer = server.get(&page_of(&order));
    let page = answer.text();
    let tickets: Vec<&str> = page.split("<li class=\"ticket").skip(1).collect();
    assert_eq!(tickets.len(), 3);
    for ticket in tickets {
        let ticket = ticket.split("</li>").next().unwrap();
        for part in ["Rock", "Saturday 1 June 2030, 20:00 in London", "Hall", "Adult", "<svg"] {
            assert!(ticket.contains(part), "{part} in {ticket}");
        }
    }
    assert!(page.contains("Add to calendar") && page.contains("data-print hidden"), "{page}");
    assert!(page.contains("ann@example.org"), "to find a mistake in it: {page}");
    let calendar = server.get(&format!("{}/event.ics", page_of(&order)));
    assert_eq!(calendar.header("content-type"), Some("text/calendar; charset=utf-8"));
    let sequence = |answer: &Answer| -> i64 {
        let file = answer.text();
        let line = file.lines().find_map(|line| line.strip_prefix("SEQUENCE:")).unwrap();
        line.parse().unwrap()
    };
    let file = calendar.text();
    for line in ["DTSTART:20300601T190000Z\r\n", "LOCATION:Hall\r\n", "STATUS:CONFIRMED\r\n"] {
        assert!(file.contains(line), "{line} in {file}");
    }
    // Another night: another date everywhere, and a higher sequence.
    let mut event = event_json(9, 300);
    event["starts_at"] = "2030-06-08T20:00:00+01:00".into();
    put(&server, &event);
    let moved = server.get(&format!("{}/event.ics", page_of(&order)));
    assert!(moved.text().contains("DTSTART:20300608T190000Z\r\n"), "{moved:?}");
    assert!(sequence(&moved) > sequence(&calendar));
    for path in ["", "/pay", "/event.ics"] {
        let answer = server.get(&format!("{}{path}", page_of(&order)));
        assert_eq!(answer.header("x-robots-tag"), Some("noindex, nofollow"), "{path}");
    }
    assert!(page.contains("<meta name=\"robots\" content=\"noindex"), "{page}");
    // Refunded tickets are off the calendar.
    let refunds = format!("/api/v1/orders/{}/refunds", text(&order, "id"));
    let all =
        Request::new("POST", &refunds).bearer(KEY).json(&json!({"all": true, "restock": true}));
    assert_eq!(server.send(all).status, 200);
    let cancelled = server.get(&format!("{}/event.ics", page_of(&order)));
    assert!(cancelled.text().contains("STATUS:CANCELLED"), "{cancelled:?}");
}

#[test]
fn the_first_view_of_an_event_is_small() {
    let (_dir, server) = shop("page-size", 9, None);
    let packed = |path: &str| {
        use flate2::{Compression, write::GzEncoder};
        use std::io::Write;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&server.get(path).body).unwrap();
        gzip.finish().unwrap().len()
    };
    let parts = ["/events/rock", "/assets/nts.css", "/assets/nts.js"];
    let sizes = parts.map(packed);
    assert!(sizes.iter().sum::<usize>() <= 15_000, "{sizes:?}");
}

#[test]
fn a_draft_a_description_and_an_event_that_is_over() {
    let (_dir, server) = shop("page-states", 9, None);
    let mut event = event_json(9, 300);
    event["description"] = "Songs of <all> ports.\nDoors at 19:00.\n\nhttps://example.org".into();
    event["ends_at"] = "2030-06-01T23:30:00+01:00".into();
    event["hidden"] = true.into();
    put(&server, &event);
    let answer = server.get("/events/rock");
    let page = answer.text();
    let text = "<p>Songs of &lt;all&gt; ports.<br>\nDoors at 19:00.</p>";
    assert!(page.contains(text), "{page}");
    assert!(page.contains("<p>https://example.org</p>"), "no link: {page}");
    assert!(page.contains("Saturday 1 June 2030, 20:00 to 23:30"), "{page}");
    assert!(page.contains("Draft.") && page.contains("content=\"noindex"), "{page}");
    assert_eq!(answer.header("x-robots-tag"), Some("noindex, nofollow"));
    assert!(!server.get("/").text().contains("/events/rock"), "it is in no list");
    // Who has the link can order, and the order says the same.
    let order = server.send(hold("ann", 1)).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
    let page = server.get(&page_of(&order)).text();
    assert!(
        page.contains("20:00 to 23:30 in London") && page.contains("Doors at 19:00."),
        "{page}"
    );
    event["hidden"] = false.into();
    put(&server, &event);
    let answer = server.get("/events/rock");
    assert!(!answer.text().contains("Draft.") && answer.header("x-robots-tag").is_none());
    assert!(server.get("/").text().contains("/events/rock"));

    (event["starts_at"], event["ends_at"]) =
        ("2026-06-01T20:00:00+01:00".into(), "2026-06-01T23:00:00+01:00".into());
    put(&server, &event);
    let page = server.get("/events/rock").text();
    assert!(page.contains("This event is over.") && !page.contains("<button"), "{page}");
    assert!(!page.contains(" left"), "{page}");
    assert!(!server.get("/").text().contains("/events/rock"), "nobody can go there");
    let late = server.send(filled("1", "Ann", "ann@example.org"));
    assert_eq!(late.status, 409, "{late:?}");
    assert!(late.text().contains("This event is over."), "{late:?}");
}

/// The secret that pays, in whatever cookie or form, gives nobody the order's own.
#[test]
fn the_secret_that_pays_is_not_exchanged_for_the_orders_own() {
    let (_dir, server) = shop("page-exchange", 9, Some(2));
    let held = server.send(filled("2", "Ann", "ann@example.org"));
    let (home, cookies) = (held.header("location").unwrap().to_owned(), way_back(&held));
    let secret = home.trim_end_matches("?new").rsplit('/').next().unwrap().to_owned();
    let led = server.send(Request::get(&home).header("cookie", &cookies));
    let at = led.header("location").unwrap().to_owned();
    let mut parts = at.trim_start_matches("/pay/").split('/');
    let (id, pays) = (parts.next().unwrap(), parts.next().unwrap());
    let made_up = ["nts_orders", "nts_open", "nts_order"]
        .map(|name| [format!("{name}={id}:{pays}"), format!("{name}={pays}")]);
    for cookie in made_up.as_flattened() {
        for key in ["other", ""] {
            let form = Request::form(
                ORDERS,
                &[
                    ("quantity:adult", "2"),
                    ("name", "Ann"),
                    ("email", "ann@example.org"),
                    ("key", key),
                    ("secret", pays),
                ],
            );
            let answer = server.send(form.header("cookie", cookie));
            let all = format!("{}\n{}", answer.headers, answer.text());
            assert!(!all.contains(&secret) && !all.contains(pays), "{cookie}: {all}");
        }
        for path in [format!("/orders/{id}/{pays}"), format!("/orders/{id}/{pays}?new")] {
            let answer = server.send(Request::get(&path).header("cookie", cookie));
            assert_eq!(answer.status, 404, "{answer:?}");
        }
        for route in ["/nts/v1/reserve", "/nts/v1/charge"] {
            let form = Request::form(route, &[("fullname", "Ann"), ("secret", pays)]);
            let answer = server.send(form.header("cookie", cookie));
            let all = format!("{}\n{}", answer.headers, answer.text());
            assert!(!all.contains(&secret), "{route} with {cookie}: {all}");
        }
    }
}

/// Who changes their mind gives the reservation back and gets the form as it was filled in.
#[test]
fn an_order_is_changed_before_it_is_paid() {
    let (_dir, server) = shop("page-change", 9, Some(2));
    let held = server.send(filled("2", "Ann", "ann@example.org"));
    let home = held.header("location").unwrap().trim_end_matches("?new").to_owned();
    assert_eq!(server.counts(), (2, 0, 7));
    let form = PageForm::of(&server.get(&home).text(), &format!("{home}/cancel")).unwrap();
    let changed = server.send(form.with(&[("change", "yes")]));
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(server.counts(), (0, 0, 9));
    let form = PageForm::of(&changed.text(), ORDERS).unwrap();
    for (field, value) in [("quantity:adult", "2"), ("name", "Ann"), ("email", "ann@example.org")] {
        assert_eq!(form.field(field), Some(value), "{changed:?}");
    }
    assert!(changed.text().contains("Your reservation was cancelled"), "{changed:?}");
    // The limit of the buyer counts nothing of it, and the new order is another one.
    let anew = server.send(form.with(&[]));
    assert_eq!(anew.status, 303, "{anew:?}");
    assert_ne!(anew.header("location"), held.header("location"));
    assert_eq!(server.counts(), (2, 0, 7));
    // What was paid meanwhile is not given back by it.
    let home = anew.header("location").unwrap().trim_end_matches("?new").to_owned();
    let paid = server.send(Request::form(&format!("{home}/pay"), &[("token", "ctoken_ok")]));
    assert_eq!(paid.status, 303);
    let late = Request::form(&format!("{home}/cancel"), &[("change", "yes")]);
    let late = server.send(late);
    assert_eq!((late.status, late.header("location")), (303, Some(&*home)));
    assert_eq!(server.counts(), (0, 2, 7));
}

/// No page tells a time as programs write it.
#[test]
fn a_sale_that_closed_meanwhile_is_told_once_and_in_words() {
    let (_dir, server) = shop("page-closed", 9, None);
    let mut event = event_json(9, 300);
    event["sale_closes"] = "2026-01-01T10:00:00Z".into();
    put(&server, &event);
    for form in [filled("2", "Ann", "ann@example.org"), filled("", "", "x"), filled("99", "", "")] {
        let closed = server.send(form);
        assert_eq!(closed.status, 409, "{closed:?}");
        let page = closed.text();
        assert_eq!(page.matches("The sale closed on").count(), 1, "{page}");
        assert!(!page.contains("10:00:00Z") && !page.contains("Choose how many"), "{page}");
        assert!(!page.contains("<button") && !page.contains("type=\"text\""), "{page}");
    }
}

#[test]
fn files_of_the_pages_are_compressed_for_those_who_take_it() {
    let (_dir, server) = shop("page-assets", 9, None);
    for file in ["nts.css", "nts.js", "pay.js", "icon.svg"] {
        let path = format!("/assets/{file}");
        let plain = server.get(&path);
        assert_eq!(plain.header("content-encoding"), None);
        let packed = server.send(Request::get(&path).header("accept-encoding", "br, gzip"));
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{packed:?}");
        for answer in [&plain, &packed] {
            assert_eq!(answer.header("vary"), Some("accept-encoding"), "{answer:?}");
        }
        let mut text = Vec::new();
        let read = std::io::Read::read_to_end(
            &mut flate2::read::GzDecoder::new(&packed.body[..]),
            &mut text,
        );
        assert!(read.is_ok() && text == plain.body, "{file}");
        assert!(packed.body.len() < plain.body.len(), "{file}");
    }
}

#[test]
fn what_a_payment_page_cannot_take_leads_back_to_it() {
    let (_dir, server) = shop("page-token", 9, None);
    let order = server.send(hold("ann", 1)).json();
    let home = page_of(&order);
    let lead = server.get(&format!("{home}/pay"));
    let at = lead.header("location").unwrap().to_owned();
    for (path, back) in [(at.clone(), at), (format!("{home}/pay"), home)] {
        for token in ["", " ", "no token"] {
            let answer = server.send(Request::form(&path, &[("token", token)]));
            let page = answer.text();
            assert!(answer.status >= 400, "{answer:?}");
            assert!(page.contains(&format!("class=\"button\" href=\"{back}\"")), "{page}");
        }
    }
}
