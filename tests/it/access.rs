//! Who may use which route: each route of the server's own list is asked with each credential that there
//! is. A wrong one is refused as the route's class demands, tells nothing and changes nothing; the right
//! one works, so that nothing here passes by asking nonsense. A route that is not in [`entry`] fails.

use crate::forms::PageForm;
use crate::harness::*;
use crate::money::Stripe;
use nts_server::config::Config;
use nts_server::http::routes::{Access, Described, routes};
use nts_server::payments::fake::FakeStripe;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const WEBHOOK_SECRET: &str = "whsec_verysecret";

/// In which state an order is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Held,
    /// Its bank waits for the buyer.
    Asked,
    Paid,
    Released,
    /// Made by name, at the old routes.
    Reserved,
}

/// What is sent to a route.
enum Sends {
    Nothing,
    Json(Value),
    Form(Vec<(&'static str, String)>),
    Csv(String),
}

/// How a route is used with success.
struct Entry {
    sends: Sends,
    /// The state of the order that it is asked for.
    on: State,
    /// Whether something is another way after it.
    changes: bool,
}

/// How each route is used, for an order of this buyer. `None`: nobody has said so yet, and the test fails.
fn entry(route: &Described, buyer: &str) -> Option<Entry> {
    let looks = |on| Some(Entry { sends: Sends::Nothing, on, changes: false });
    // A mail is owed, which is in none of the lists.
    let tells = |on, sends| Some(Entry { sends, on, changes: false });
    let does = |on, sends| Some(Entry { sends, on, changes: true });
    let form = |fields: &[(&'static str, &str)]| {
        Sends::Form(fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    };
    let fresh = fresh("New");
    let mail = format!("{fresh}@example.org");
    let lines = json!([{"ticket_type": "adult", "quantity": 1}]);
    let token = json!({"token": "ctoken_ok"});
    match (route.method.as_str(), route.path) {
        ("GET", "/" | "/events/{event}" | "/assets/{file}" | "/problems/{code}") => {
            looks(State::Held)
        }
        ("GET", "/api/v1/events" | "/api/v1/events/{event}" | "/api/v1/events/{event}/live") => {
            looks(State::Held)
        }
        ("GET", "/healthz" | "/readyz" | "/metrics") => looks(State::Held),
        ("GET", "/orders/{id}/{secret}" | "/orders/{id}/{secret}/pay") => looks(State::Held),
        ("GET", "/orders/{id}/{secret}/event.ics") => looks(State::Held),
        ("GET", "/orders/{id}/{secret}/answers") => looks(State::Held),
        ("POST", "/orders/{id}/{secret}/answers") => does(State::Held, form(&[("a.note", &fresh)])),
        ("PUT", "/api/v1/orders/{id}/answers") => {
            let answers = json!([{"question": "note", "answer": fresh}]);
            does(State::Held, Sends::Json(json!({"answers": answers})))
        }
        ("PUT", "/api/v1/orders/{id}/name") => {
            does(State::Paid, Sends::Json(json!({"name": fresh})))
        }
        ("POST", "/api/v1/events/{event}/sales") => {
            let buyer = json!({"name": fresh, "email": mail});
            let sale = json!({"buyer": buyer, "lines": lines, "tender": "free"});
            does(State::Held, Sends::Json(sale))
        }
        ("POST", "/api/v1/events/{event}/guests") => {
            does(State::Held, Sends::Csv(format!("name,email\n{fresh},{mail}\n")))
        }
        ("GET", "/orders/{id}/{secret}/mails/{n}") => looks(State::Paid),
        ("GET", "/tickets") => looks(State::Held),
        ("POST", "/tickets") => tells(State::Paid, form(&[("email", &mail)])),
        ("POST", "/orders/{id}/{secret}/mails") => tells(State::Paid, form(&[])),
        ("POST", "/orders/{id}/{secret}/email") => does(State::Paid, form(&[("email", &mail)])),
        ("POST", "/api/v1/orders/{id}/mails") => tells(State::Paid, Sends::Nothing),
        ("PUT", "/api/v1/orders/{id}/email") => {
            does(State::Paid, Sends::Json(json!({"email": mail})))
        }
        ("GET", "/orders/{id}/{secret}/tickets.pdf") => looks(State::Paid),
        ("GET", "/pay/{id}/{secret}" | "/pay/{id}/{secret}/order") => looks(State::Held),
        ("GET", "/t/{code}" | "/T/{code}" | "/t/{code}/event.ics") => looks(State::Paid),
        ("GET", "/api/v1/tickets/{code}") => looks(State::Paid),
        // Keys are made before one is revoked: the last one stays.
        ("GET" | "POST", "/api/v1/door/keys") => looks(State::Held),
        ("DELETE", "/api/v1/door/keys/{key}") => looks(State::Held),
        ("POST", "/orders/{id}/{secret}/tickets/{number}") => {
            does(State::Paid, form(&[("name", &fresh)]))
        }
        ("POST", "/api/v1/orders/{id}/tickets/{number}") => {
            does(State::Paid, Sends::Json(json!({"name": fresh})))
        }
        ("GET", "/api/v1/orders/{id}") => looks(State::Held),
        ("GET", "/api/v1/events/{event}/orders" | "/nts/v1/list-guests") => looks(State::Paid),
        ("GET", "/sandbox/authenticate/{intent}") => looks(State::Asked),
        ("POST", "/events/{event}/orders") => {
            does(State::Held, form(&[("name", &fresh), ("email", &mail), ("quantity:adult", "1")]))
        }
        ("POST", "/orders/{id}/{secret}/pay" | "/pay/{id}/{secret}") => {
            does(State::Held, form(&[("token", "ctoken_ok")]))
        }
        ("POST", "/orders/{id}/{secret}/cancel") => does(State::Held, form(&[])),
        ("POST", "/api/v1/events/{event}/orders") => {
            let buyer = json!({"name": fresh, "email": mail});
            does(State::Held, Sends::Json(json!({"buyer": buyer, "lines": lines})))
        }
        ("PUT", "/api/v1/events/{event}") => {
            let mut event = show(900);
            event["name"] = fresh.into();
            does(State::Held, Sends::Json(event))
        }
        // It is an event of its own that goes.
        ("DELETE", "/api/v1/events/{event}") => looks(State::Held),
        ("POST", "/api/v1/orders/{id}/pay") => does(State::Held, Sends::Json(token)),
        ("POST", "/api/v1/orders/{id}/cancel") => does(State::Held, Sends::Json(json!({}))),
        ("POST", "/api/v1/orders/{id}/refunds") => {
            does(State::Paid, Sends::Json(json!({"all": true, "restock": true})))
        }
        ("POST", "/api/v1/erasures") => {
            does(State::Paid, Sends::Json(json!({"email": format!("{buyer}@example.org")})))
        }
        ("POST", "/nts/v1/reserve") => does(State::Held, form(&[("fullname", &fresh)])),
        ("POST", "/nts/v1/charge") => {
            does(State::Reserved, form(&[("fullname", buyer), ("stripeToken", "tok_visa")]))
        }
        ("POST", "/nts/v1/debug/reset") => does(State::Held, Sends::Nothing),
        ("POST", "/sandbox/authenticate/{intent}") => {
            does(State::Asked, form(&[("answer", "yes")]))
        }
        ("POST", "/stripe/webhook") => {
            let object = json!({"object": "payment_intent", "id": "pi_of_nobody"});
            let sends = json!({"type": "payment_intent.succeeded", "data": {"object": object}});
            Some(Entry { sends: Sends::Json(sends), on: State::Asked, changes: false })
        }
        _ => None,
    }
}

/// A word that nobody has used.
fn fresh(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-Quill-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn show(places: u32) -> Value {
    let mut event = event_json(places, 300);
    event["limit_per_buyer"] = 1.into();
    event["questions"] = json!([{"id": "note", "text": "Anything else?", "kind": "text"}]);
    event
}

/// A server, and what it says of its routes.
struct Setup {
    server: Server,
    stripe: Option<Stripe>,
    routes: Vec<Described>,
    _dir: Dir,
}

impl Setup {
    /// With Stripe, and with or without webhooks; or with the sandbox.
    fn start(name: &str, stripe: Option<Stripe>, webhooks: bool) -> Setup {
        let dir = Dir::new(name);
        let mut settings = vec![("NTS_SHOW", "rock")];
        let mut flags = Vec::new();
        if let Some(stripe) = &stripe {
            settings.extend(stripe.settings());
            settings.retain(|(name, _)| webhooks || *name != "NTS_STRIPE_WEBHOOK_SECRET");
            flags.extend(["--stripe-secret-key=sk_test_x", "--stripe-publishable-key=pk_test_x"]);
            flags.extend(webhooks.then_some("--stripe-webhook-secret=whsec_x"));
        }
        let server = Server::start_with(&dir, &settings);
        let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&show(500));
        assert!(server.send(put).status < 300);
        let routes = routes(&Config::from_flags(flags).unwrap(), stripe.is_none());
        Setup { server, stripe, routes, _dir: dir }
    }

    /// Everything that could be changed: the event, all orders, who is a guest, and what moved at Stripe.
    fn everything(&self) -> String {
        let mut event = self.server.event();
        event.as_object_mut().unwrap().remove("as_of");
        let guests = self.server.send(Request::get("/nts/v1/list-guests").bearer(KEY)).text();
        let moved = self.stripe.as_ref().map(|stripe| {
            let fake = &stripe.fake;
            let ledger = fake.ledger_all().unwrap();
            (format!("{ledger:?}"), fake.refunds().unwrap().len(), fake.authorised().unwrap())
        });
        format!("{event} {:?} {guests} {moved:?}", self.server.orders())
    }

    /// An order in this state.
    fn victim(&self, state: State) -> Victim {
        let name = fresh(&format!("{state:?}"));
        let server = &self.server;
        let order = if state == State::Reserved {
            let page = server.send(Request::form("/nts/v1/reserve", &[("fullname", &name)])).text();
            assert!(PageForm::of(&page, "/nts/v1/charge").is_some(), "{page}");
            let link = page.split("href=\"/orders/").nth(1).expect("the order's link");
            let (id, secret) = link.split('"').next().unwrap().split_once('/').unwrap();
            json!({"id": id, "secret": secret})
        } else {
            server.send(hold(&name, 1)).json()
        };
        let lead = server.get(&format!("{}/pay", page_of(&order)));
        let pay_secret = lead.header("location").unwrap().rsplit('/').next().unwrap().to_owned();
        let mut victim = Victim {
            name,
            id: text(&order, "id"),
            secret: text(&order, "secret"),
            pay_secret,
            intent: String::new(),
            codes: Vec::new(),
            ticket: String::new(),
        };
        match state {
            State::Held | State::Reserved => {}
            State::Asked => {
                let asked = server.send(pay(&order, "ctoken_3ds")).json();
                assert_eq!(asked["state"], "paying", "{asked}");
                let url = asked["action"]["url"].as_str().unwrap_or("pi_none");
                victim.intent = url.rsplit('/').next().unwrap().to_owned();
            }
            State::Paid => {
                let paid = server.send(pay(&order, "ctoken_ok")).json();
                assert_eq!(paid["state"], "paid", "{paid}");
                let tickets = paid["tickets"].as_array().unwrap();
                victim.codes = tickets.iter().map(|ticket| text(ticket, "code")).collect();
                let url = text(&tickets[0], "url");
                url.rsplit('/').next().unwrap().clone_into(&mut victim.ticket);
            }
            State::Released => {
                let path = format!("/api/v1/orders/{}/cancel", victim.id);
                let cancel = Request::new("POST", &path).bearer(&victim.secret);
                assert_eq!(server.send(cancel).json()["state"], "released");
            }
        }
        victim
    }
}

/// Somebody's order.
struct Victim {
    name: String,
    id: String,
    secret: String,
    pay_secret: String,
    intent: String,
    codes: Vec<String>,
    /// The signed code of the first one.
    ticket: String,
}

impl Victim {
    /// An answer tells nothing of the order.
    fn is_hidden_in(&self, answer: &Answer, when: &str) {
        let all = format!("{}\n{}", answer.headers, answer.text());
        let mut hidden = vec![&self.name, &self.secret, &self.pay_secret];
        hidden.extend(self.codes.iter().chain(Some(&self.intent).filter(|i| i.len() > 7)));
        for told in hidden {
            assert!(!all.contains(told.as_str()), "{when}: {told} in {all}");
        }
        for header in ["set-cookie", "location"] {
            assert!(answer.header(header).is_none(), "{when}: {all}");
        }
    }
}

/// What a request shows of who sends it.
#[derive(Clone, Debug, PartialEq)]
enum Shows {
    Nothing,
    /// In the path or the form, or as the bearer token: where the route wants it.
    Word(String),
    /// The whole header.
    Header(&'static str, String),
}

/// What does not open an order, of somebody who knows everything but what does.
fn wrong_secrets(of: &Victim, other: &Victim) -> Vec<String> {
    let cut = &of.secret[..of.secret.len() - 1];
    let mut all = vec![
        String::new(),
        "0".into(),
        "0".repeat(26),
        of.id.clone(),
        cut.to_owned(),
        format!("{}0", of.secret),
        format!("{}%00", of.secret),
        of.secret.chars().rev().collect(),
        other.secret.clone(),
        other.pay_secret.clone(),
        KEY.to_uppercase(),
    ];
    all.extend([of.secret.to_uppercase(), of.secret.to_lowercase()]);
    all.retain(|word| *word != of.secret);
    all
}

fn wrong_keys(of: &Victim, other: &Victim) -> Vec<String> {
    let mut all = wrong_secrets(of, other);
    all.extend([of.secret.clone(), of.pay_secret.clone(), KEY[1..].to_owned(), format!("{KEY}x")]);
    all
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// Everything but what opens this route.
fn wrong(route: &Described, of: &Victim, other: &Victim) -> Vec<Shows> {
    let words = |words: Vec<String>| words.into_iter().map(Shows::Word).collect::<Vec<_>>();
    let malformed = |word: &str| {
        ["Basic ", "", "Bearer", "Bearerx ", "Digest "]
            .map(|scheme| Shows::Header("authorization", format!("{scheme}{word}")))
    };
    match route.access {
        Access::OrderPath => {
            let mut all = words(wrong_secrets(of, other));
            all.extend(words(vec![of.pay_secret.clone(), KEY.into()]));
            all
        }
        Access::PayPath => {
            let mut all = words(wrong_secrets(of, other));
            all.extend(words(vec![of.secret.clone(), KEY.into()]));
            all
        }
        Access::TicketPath => {
            let mut all = words(wrong_secrets(of, other));
            all.extend(words(vec![of.secret.clone(), of.pay_secret.clone(), KEY.into()]));
            all.extend(words(of.codes.clone()));
            if let Some((head, last)) = of.ticket.split_at_checked(of.ticket.len().max(1) - 1) {
                let other = if last == "A" { "B" } else { "A" };
                all.extend(words(vec![head.into(), format!("{head}{other}")]));
                all.extend(words(vec![format!("{}A", of.ticket), of.ticket.replace('A', "B")]));
            }
            all
        }
        Access::OrderOrOrganiser => {
            let mut all = words(wrong_secrets(of, other));
            all.extend(words(vec![of.pay_secret.clone(), format!("{KEY}x")]));
            all.push(Shows::Nothing);
            all.extend(malformed(&of.secret));
            all
        }
        Access::OrderForm => {
            let mut all = words(wrong_secrets(of, other));
            all.extend([Shows::Nothing, Shows::Word(KEY.into())]);
            // The right secret where it does not belong.
            all.push(Shows::Header("authorization", format!("Bearer {}", of.secret)));
            all
        }
        Access::Organiser => {
            let mut all = words(wrong_keys(of, other));
            all.push(Shows::Nothing);
            all.extend(malformed(KEY));
            all
        }
        Access::Payment => words(vec!["pi_none".into(), "0".into(), of.id.clone(), KEY.into()]),
        Access::Provider => {
            let body = body_of(entry(route, &of.name).unwrap().sends).0;
            let signed =
                |secret: &str, at: i64, body: &str| FakeStripe::signature(secret, at, body);
            let now = now_s();
            let good = signed(WEBHOOK_SECRET, now, &body);
            let mut all =
                vec![Shows::Nothing, Shows::Header("authorization", format!("Bearer {KEY}"))];
            let signatures = [
                String::new(),
                "t=1,v1=0".into(),
                signed("whsec_other", now, &body),
                signed("", now, &body),
                // Replayed, and from the future.
                signed(WEBHOOK_SECRET, now - 400, &body),
                signed(WEBHOOK_SECRET, now + 400, &body),
                // Of another body, and under another name.
                signed(WEBHOOK_SECRET, now, "{}"),
                good.replace("v1=", "v0="),
                good.replace(&format!("t={now}"), &format!("t={}", now + 1)),
            ];
            all.extend(signatures.map(|s| Shows::Header("stripe-signature", s)));
            all
        }
        Access::Nobody => {
            let body = body_of(entry(route, &of.name).unwrap().sends).0;
            let mut all = vec![Shows::Nothing];
            for secret in ["", WEBHOOK_SECRET] {
                let signature = FakeStripe::signature(secret, now_s(), &body);
                all.push(Shows::Header("stripe-signature", signature));
            }
            all
        }
        Access::Anyone | Access::AnyoneInTheDemo => Vec::new(),
    }
}

/// What opens this route.
fn right(route: &Described, of: &Victim) -> Vec<Shows> {
    let word = |word: &str| Shows::Word(word.to_owned());
    match route.access {
        Access::OrderPath => vec![word(&of.secret)],
        Access::PayPath => vec![word(&of.pay_secret)],
        Access::OrderOrOrganiser => vec![word(&of.secret), word(KEY)],
        Access::TicketPath => vec![word(&of.ticket)],
        Access::OrderForm => vec![word(&of.secret), word(&of.pay_secret)],
        Access::Organiser => vec![word(KEY)],
        Access::Payment => vec![word(&of.intent)],
        Access::Provider => {
            let body = body_of(entry(route, &of.name).unwrap().sends).0;
            let signature = FakeStripe::signature(WEBHOOK_SECRET, now_s(), &body);
            vec![Shows::Header("stripe-signature", signature)]
        }
        Access::Nobody => Vec::new(),
        // The list shows drafts to the organiser, so a key is looked at, and a wrong one refused.
        Access::Anyone if route.path == "/api/v1/events" => {
            vec![Shows::Nothing, Shows::Header("authorization", format!("Bearer {KEY}"))]
        }
        // A credential that is not asked for changes nothing.
        Access::Anyone | Access::AnyoneInTheDemo => {
            let wrong = Shows::Header("authorization", "Bearer wrong".into());
            vec![Shows::Nothing, wrong]
        }
    }
}

fn refusals(route: &Described, shows: &Shows) -> &'static [u16] {
    // An empty token is none.
    let bearer = matches!(shows, Shows::Word(word) if !word.is_empty());
    match route.access {
        Access::OrderPath
        | Access::PayPath
        | Access::TicketPath
        | Access::Payment
        | Access::Nobody => &[404],
        Access::OrderOrOrganiser if bearer => &[404],
        Access::OrderOrOrganiser | Access::Organiser => &[401],
        Access::OrderForm => &[403],
        Access::Provider => &[400],
        Access::Anyone | Access::AnyoneInTheDemo => &[],
    }
}

fn body_of(sends: Sends) -> (String, Option<&'static str>) {
    match sends {
        Sends::Nothing => (String::new(), None),
        Sends::Json(value) => (value.to_string(), Some("application/json")),
        Sends::Csv(text) => (text, Some("text/csv")),
        Sends::Form(fields) => {
            let escape = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
            let fields = fields.iter().map(|(n, v)| format!("{}={}", escape(n), escape(v)));
            let fields = fields.collect::<Vec<_>>().join("&");
            (fields, Some("application/x-www-form-urlencoded"))
        }
    }
}

/// A parameter as it stands in a path.
fn in_path(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_%".contains(&b);
    text.bytes()
        .map(|b| if plain(b) { char::from(b).into() } else { format!("%{b:02X}") })
        .collect()
}

/// A request to a route, for an order; `id` is how its id is written.
fn request(route: &Described, method: &str, of: &Victim, id: &str, shows: &Shows) -> Request {
    let mut entry = entry(route, &of.name)
        .unwrap_or_else(|| panic!("say how {} {} is used: see `entry`", route.method, route.path));
    let word = if let Shows::Word(word) = shows { word.as_str() } else { "" };
    if route.access == Access::OrderForm
        && let Sends::Form(fields) = &mut entry.sends
        && !word.is_empty()
    {
        fields.push(("secret", word.to_owned()));
    }
    let code = match route.path {
        "/problems/{code}" => "sold_out".into(),
        "/api/v1/tickets/{code}" => of.codes.first().cloned().unwrap_or("none".into()),
        _ => in_path(word),
    };
    let path = route
        .path
        .replace("{event}", if route.method == "DELETE" { "spare" } else { "rock" })
        .replace("{file}", "nts.css")
        .replace("{code}", &code)
        .replace("{number}", "1")
        .replace("{key}", "1")
        .replace("{n}", "1")
        .replace("{id}", id)
        .replace("{secret}", &in_path(word))
        .replace("{intent}", &in_path(word));
    assert!(!path.contains('{'), "say what stands for the parameters of {}", route.path);
    let mut request = Request::new(method, &path);
    let (body, kind) = body_of(entry.sends);
    if let Some(kind) = kind {
        request = request.header("content-type", kind).body(body.into_bytes());
    }
    match shows {
        Shows::Word(word)
            if matches!(route.access, Access::OrderOrOrganiser | Access::Organiser) =>
        {
            request.bearer(word)
        }
        Shows::Header(name, value) => request.header(name, value),
        _ => request,
    }
}

/// Nobody else gets anything at this route.
fn refuses_all_others(setup: &Setup, route: &Described, of: &Victim, other: &Victim) {
    let server = &setup.server;
    let before = setup.everything();
    let method = route.method.as_str();
    for shows in wrong(route, of, other) {
        let when = format!("{method} {} with {shows:?}", route.path);
        let refused = server.send(request(route, method, of, &of.id, &shows));
        assert!(refusals(route, &shows).contains(&refused.status), "{when}: {refused:?}");
        of.is_hidden_in(&refused, &when);
        if method == "GET" {
            let head = server.send(request(route, "HEAD", of, &of.id, &shows));
            assert_eq!((head.status, head.body.len()), (refused.status, 0), "HEAD: {when}");
            of.is_hidden_in(&head, &when);
        }
        // However the id is written.
        let ids = [
            of.id.to_uppercase(),
            of.id.replace('-', ""),
            format!("%{:02X}{}", of.id.as_bytes()[0], &of.id[1..]),
        ];
        for id in ids.iter().filter(|_| route.path.contains("{id}")) {
            let refused = server.send(request(route, method, of, id, &shows));
            assert!(refusals(route, &shows).contains(&refused.status), "{when}: {refused:?}");
            of.is_hidden_in(&refused, &when);
        }
    }
    let after = setup.everything();
    assert_eq!(before, after, "{method} {} changed something for a stranger", route.path);
}

/// Whoever may use a route can.
fn serves_who_may(setup: &Setup, route: &Described) {
    let (server, method) = (&setup.server, route.method.as_str());
    let what =
        entry(route, "").unwrap_or_else(|| panic!("say how {method} {} is used", route.path));
    for at in 0.. {
        let of = setup.victim(what.on);
        let Some(shows) = right(route, &of).into_iter().nth(at) else { break };
        let when = format!("{method} {} with {shows:?}", route.path);
        if method == "DELETE" {
            assert!(server.send(put_event("spare", 1, 300)).status < 300, "{when}");
        }
        let before = setup.everything();
        let request = request(route, method, &of, &of.id, &shows);
        if route.path.ends_with("/live") {
            // It never ends.
            assert_eq!(request.status(&server.address).unwrap(), 200, "{when}");
            continue;
        }
        let answer = server.send(request);
        assert!((200..=303).contains(&answer.status), "{when}: {answer:?}");
        if let Some(back) = answer.header("location").filter(|to| to.starts_with("/pay/")) {
            // Who comes back from a bank makes the server read what it said.
            server.get(back);
        }
        if what.changes {
            eventually(&when, || setup.everything() != before);
        }
        if route.access == Access::Anyone {
            of.is_hidden_in_what_all_see(&answer, &when);
        }
    }
}

impl Victim {
    /// What everybody sees tells nothing of anybody.
    fn is_hidden_in_what_all_see(&self, answer: &Answer, when: &str) {
        let all = format!("{}\n{}", answer.headers, answer.text());
        for told in [&self.name, &self.id, &self.secret, &self.pay_secret] {
            assert!(!all.contains(told.as_str()), "{when}: {told} in {all}");
        }
    }
}

/// Where nothing is, nothing is done, and what an address does is not what another method does.
fn is_there_for_its_method_alone(setup: &Setup, route: &Described, of: &Victim) {
    let server = &setup.server;
    let before = setup.everything();
    let shows = right(route, of).into_iter().next().unwrap_or(Shows::Nothing);
    let of_path: Vec<_> = setup.routes.iter().filter(|r| r.path == route.path).collect();
    for method in ["OPTIONS", "DELETE", "PATCH", "PUT", "POST"] {
        if of_path.iter().any(|r| r.method.as_str() == method) {
            continue;
        }
        let answer = server.send(request(route, method, of, &of.id, &shows));
        assert_eq!(answer.status, 405, "{method} {}: {answer:?}", route.path);
        of.is_hidden_in(&answer, route.path);
    }
    if route.path != "/" {
        let asked = request(route, route.method.as_str(), of, &of.id, &shows);
        for path in [format!("{}/", asked.path()), format!("/{}", asked.path())] {
            let answer = server.send(asked.clone().to(&path));
            // Who has the whole address but for a slash is led to it, and learns nothing by that.
            if answer.status == 308 {
                assert_eq!(answer.header("location"), Some(asked.path()), "{path}");
                assert_eq!(answer.text(), "", "{path}");
                continue;
            }
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
            of.is_hidden_in(&answer, &path);
        }
    }
    assert_eq!(before, setup.everything(), "{} {}", route.method, route.path);
}

fn each_route_with_each_credential(setup: &Setup) {
    let other = setup.victim(State::Held);
    let states = [State::Held, State::Asked, State::Paid, State::Released, State::Reserved];
    let victims = states.map(|state| setup.victim(state));
    let mut refused = 0;
    for route in &setup.routes {
        for of in &victims {
            refuses_all_others(setup, route, of, &other);
            refused += wrong(route, of, &other).len();
        }
        let on = entry(route, "").map(|entry| entry.on);
        let at = states.iter().position(|state| Some(*state) == on).unwrap_or(0);
        is_there_for_its_method_alone(setup, route, &victims[at]);
    }
    assert!(refused > 800, "{refused}");
    for route in &setup.routes {
        serves_who_may(setup, route);
    }
}

#[test]
fn with_stripe_each_route_is_for_those_who_may_use_it() {
    let setup = Setup::start("access-stripe", Some(Stripe::start()), true);
    assert!(setup.routes.iter().any(|route| route.access == Access::Provider));
    each_route_with_each_credential(&setup);
}

#[test]
fn in_the_sandbox_each_route_is_for_those_who_may_use_it() {
    let setup = Setup::start("access-sandbox", None, false);
    assert!(setup.routes.iter().any(|route| route.access == Access::Payment));
    each_route_with_each_credential(&setup);
}

#[test]
fn where_no_secret_of_webhooks_is_set_nobody_can_send_one() {
    let setup = Setup::start("access-no-webhooks", Some(Stripe::start()), false);
    let nobody: Vec<_> = setup.routes.iter().filter(|r| r.access == Access::Nobody).collect();
    assert_eq!(nobody.len(), 1);
    let (of, other) = (setup.victim(State::Asked), setup.victim(State::Held));
    refuses_all_others(&setup, nobody[0], &of, &other);
}
