//! What pages of other origins may do with the API, and what the API says of its budgets.

use crate::harness::*;
use serde_json::json;

const NAMED: &str = "https://www.example.org";
const OTHER: &str = "https://evil.example";
const EVENT: &str = "/api/v1/events/rock";

fn start(dir: &Dir, settings: &[(&str, &str)]) -> Server {
    let server = Server::start_with(dir, settings);
    server.make_event(100, 300);
    server
}

/// As a browser sends it for a page of this origin.
fn from(request: Request, origin: &str) -> Request {
    request.header("origin", origin).header("sec-fetch-site", "cross-site")
}

/// As a browser asks whether a page of this origin may do it.
fn preflight(server: &Server, origin: &str, method: &str, path: &str, headers: &str) -> Answer {
    let request =
        from(Request::new("OPTIONS", path), origin).header("access-control-request-method", method);
    let request = match headers {
        "" => request,
        headers => request.header("access-control-request-headers", headers),
    };
    server.send(request)
}

/// Which origin may see an answer.
fn allows(answer: &Answer) -> Option<&str> {
    let lines = answer.headers.to_ascii_lowercase();
    assert!(!lines.contains("access-control-allow-credentials"), "never with cookies: {lines}");
    answer.header("access-control-allow-origin")
}

#[test]
fn every_page_reads_what_is_public_and_nothing_else() {
    let dir = Dir::new("cors-public");
    let server = start(&dir, &[]);
    for path in ["/api/v1/events", EVENT, "/api/v1/events/none"] {
        let answer = server.send(from(Request::get(path), OTHER));
        assert_eq!(allows(&answer), Some("*"), "{path}: {answer:?}");
        let shown = answer.header("access-control-expose-headers").unwrap();
        for name in ["etag", "link", "retry-after", "ratelimit", "ratelimit-policy", "location"] {
            assert!(shown.split(", ").any(|one| one == name), "{name}: {shown}");
        }
        let asked = preflight(&server, OTHER, "GET", EVENT, "if-none-match, accept-language");
        assert_eq!((asked.status, allows(&asked)), (204, Some("*")), "{asked:?}");
        assert_eq!(asked.header("access-control-allow-methods"), Some("GET"));
        assert_eq!(asked.text(), "");
    }
    let order = server.send(hold("Ann", 1)).json();
    // Nobody is named, so nothing else is for pages of others.
    for request in [
        look(&order),
        Request::get(EVENT).bearer(KEY),
        Request::get("/api/v1/orders").bearer(KEY),
        Request::get("/openapi.json"),
        Request::get("/events/rock"),
        Request::get("/office/sign-in"),
    ] {
        let answer = server.send(from(request.clone(), NAMED));
        assert_eq!(allows(&answer), None, "{}: {answer:?}", request.path());
    }
    let held = server.send(from(hold("Bob", 1), NAMED));
    assert_eq!((held.status, held.code()), (403, Some(ProblemCode::CrossSite)), "{held:?}");
    for (method, path, headers) in [
        ("POST", "/api/v1/events/rock/orders", "content-type"),
        ("GET", EVENT, "authorization"),
        ("PUT", EVENT, ""),
        ("GET", "/api/v1/orders", "authorization"),
        ("GET", "/api/v1/none", ""),
        ("GET", "/office", ""),
        ("POST", "/events/rock/orders", ""),
    ] {
        let asked = preflight(&server, NAMED, method, path, headers);
        assert!(matches!(asked.status, 404 | 405), "{method} {path}: {asked:?}");
        assert_eq!(allows(&asked), None);
    }
}

#[test]
fn a_page_of_an_origin_that_is_named_holds_and_pays() {
    let dir = Dir::new("cors-named");
    let settings = [("NTS_CORS_ORIGINS", "https://www.example.org, http://localhost:3000")];
    let server = start(&dir, &settings);
    let path = "/api/v1/events/rock/orders";
    let asked = preflight(&server, NAMED, "POST", path, "content-type,idempotency-key");
    assert_eq!((asked.status, allows(&asked)), (204, Some(NAMED)), "{asked:?}");
    let takes = asked.header("access-control-allow-headers").unwrap();
    for name in ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match"] {
        assert!(takes.split(", ").any(|one| one == name), "{name}: {takes}");
    }
    assert!(asked.header("vary").unwrap().contains("origin"), "{asked:?}");
    assert!(asked.header("access-control-max-age").is_some());

    let held = server.send(from(hold("Ann", 1), NAMED));
    assert_eq!((held.status, allows(&held)), (201, Some(NAMED)), "{held:?}");
    let order = held.json();
    let asked = preflight(&server, NAMED, "GET", look(&order).path(), "authorization");
    assert_eq!((asked.status, allows(&asked)), (204, Some(NAMED)), "{asked:?}");
    let paid = server.send(from(pay(&order, "ctoken_ok"), NAMED));
    assert_eq!((paid.status, allows(&paid)), (200, Some(NAMED)), "{paid:?}");
    let read = server.send(from(look(&order), NAMED));
    assert_eq!((read.status, allows(&read)), (200, Some(NAMED)));
    assert!(read.header("vary").unwrap().contains("origin"), "{read:?}");
    // What is refused is told, too.
    let wrong = server.send(from(look(&order).bearer("WRONG"), NAMED));
    assert_eq!(allows(&wrong), Some(NAMED), "{wrong:?}");
    // A key is a credential as well.
    let asked = preflight(&server, NAMED, "PATCH", EVENT, "authorization, content-type");
    let methods = asked.header("access-control-allow-methods").unwrap();
    assert!(["GET", "PUT", "PATCH", "DELETE"].iter().all(|m| methods.contains(m)), "{methods}");
    let list = server.send(from(Request::get("/api/v1/orders").bearer(KEY), NAMED));
    assert_eq!((list.status, allows(&list)), (200, Some(NAMED)));

    // Nobody else, however alike.
    for other in [
        OTHER,
        "http://www.example.org",
        "https://www.example.org:8443",
        "https://www.example.org.evil.example",
        "https://WWW.EXAMPLE.ORG",
        "null",
        "",
    ] {
        let refused = server.send(from(hold("Eve", 1), other));
        assert_eq!(refused.code(), Some(ProblemCode::CrossSite), "{other}: {refused:?}");
        let read = server.send(from(look(&order), other));
        assert_eq!((read.status, allows(&read)), (200, None), "{other}");
        assert!(read.header("vary").unwrap().contains("origin"), "a cache must know: {read:?}");
        let asked = preflight(&server, other, "POST", path, "content-type");
        assert_eq!((asked.status, allows(&asked)), (405, None), "{other}");
    }
    let two = Request::header(from(look(&order), NAMED), "origin", OTHER);
    assert_eq!(allows(&server.send(two)), None);
    // The pages are for nobody else.
    let form = Request::form("/events/rock/orders", &[("name", "Eve")]);
    let form = server.send(from(form, NAMED));
    assert_eq!((form.status, allows(&form)), (403, None), "{form:?}");
    let office = server.send(from(Request::get("/office").bearer(KEY), NAMED));
    assert_eq!(allows(&office), None);
    let page = server.get("/events/rock");
    assert!(!page.header("vary").unwrap().contains("origin"), "{page:?}");
    assert_eq!(server.counts(), (0, 1, 99));
}

#[test]
fn an_origin_that_is_none_stops_the_start() {
    let dir = Dir::new("cors-wrong");
    for wrong in ["*", "www.example.org", "https://www.example.org/"] {
        let start = nts(&dir).env("NTS_CORS_ORIGINS", wrong).output().unwrap();
        let said = said(&start);
        assert!(!start.status.success() && said.contains("NTS_CORS_ORIGINS"), "{wrong}: {said}");
    }
}

/// `name`, `r` and `t` of each budget that an answer tells.
fn left(answer: &Answer) -> Vec<(String, u64, u64)> {
    let told = answer.header("ratelimit").unwrap_or_default();
    let budget = |item: &str| {
        let mut parts = item.split(';');
        let name = parts.next().unwrap().trim_matches('"').to_owned();
        let mut number = |key: &str| {
            let part = parts.next().unwrap_or_else(|| panic!("{told}"));
            part.strip_prefix(key).unwrap_or_else(|| panic!("{told}")).parse().unwrap()
        };
        (name, number("r="), number("t="))
    };
    told.split(", ").filter(|item| !item.is_empty()).map(budget).collect()
}

#[test]
fn an_answer_says_what_is_left_of_its_budget() {
    let dir = Dir::new("budgets");
    let settings = [
        ("NTS_TRUSTED_PROXIES", "127.0.0.1"),
        ("NTS_CLIENT_HOLDS", "4"),
        ("NTS_CLIENT_PAYMENTS", "0"),
    ];
    let server = start(&dir, &settings);
    let hold = |n: u32, client: &str| {
        let body = json!({
            "buyer": {"name": "Ann", "email": format!("ann{n}@example.org")},
            "lines": [{"ticket_type": "adult", "quantity": 1}],
        });
        let request = Request::new("POST", "/api/v1/events/rock/orders").json(&body);
        server.send(request.forwarded_for(client))
    };
    let mut order = json!(null);
    for n in 0..4u32 {
        let held = hold(n, "203.0.113.7");
        assert_eq!(held.status, 201, "{held:?}");
        assert_eq!(held.header("ratelimit-policy"), Some("\"holds\";q=4;w=60"));
        let told = left(&held);
        // It fills again while the test waits for a machine that is busy.
        let (name, room, whole_in) = &told[0];
        assert_eq!((told.len(), name.as_str()), (1, "holds"), "{told:?}");
        assert!((3 - u64::from(n)..=3).contains(room), "{told:?}");
        assert!(*whole_in <= 15 * u64::from(n + 1), "{told:?}");
        order = held.json();
    }
    let mut refused = hold(9, "203.0.113.7");
    for n in 10..14 {
        if refused.status == 429 {
            break;
        }
        refused = hold(n, "203.0.113.7");
    }
    assert_eq!((refused.status, left(&refused)[0].1), (429, 0), "{refused:?}");
    assert!(left(&hold(20, "198.51.100.9"))[0].1 >= 3, "another client has its own");
    // A look takes from another budget; a payment from that alone, where payments have no limit.
    let read = server.send(look(&order).forwarded_for("203.0.113.7"));
    assert_eq!(read.header("ratelimit-policy"), Some("\"lookups\";q=3000;w=60"), "{read:?}");
    let paid = server.send(pay(&order, "ctoken_ok").forwarded_for("203.0.113.7"));
    assert_eq!((paid.status, left(&paid).len()), (200, 1), "{paid:?}");
    // Who is not limited hears nothing of it, and nothing is said where no budget applies.
    assert_eq!(server.send(look(&order)).header("ratelimit"), None);
    let event = server.send(Request::get(EVENT).forwarded_for("203.0.113.7"));
    assert_eq!(event.header("ratelimit"), None);
}
