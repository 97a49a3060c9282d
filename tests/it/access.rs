//! Who may use which route: each route of the server's own list is asked with each credential that there
//! is. A wrong one is refused as the route's class demands, tells nothing and changes nothing; the right
//! one works, so that nothing here passes by asking nonsense. A route that is not in [`entry`] fails.

use crate::forms::PageForm;
use crate::harness::*;
use crate::money::Stripe;
use crate::office_shop;
use crate::staff::{self, OWNER, PASSWORD, Visitor};
use nts_server::access::{Right, Role};
use nts_server::config::Config;
use nts_server::http::routes::{Access, Described, routes};
use nts_server::payments::fake::FakeStripe;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The key of a form of the office.
const FORM_KEY: &str = "6f1f6f4e-8b5b-4c36-9d5c-0d5a8f0c2f11";
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
    Patch(Value),
    Form(Vec<(&'static str, String)>),
    /// A form that could have a file, and takes one away.
    Removal,
    /// A form that could have a file, and has these fields.
    Multipart(Vec<(&'static str, String)>),
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
        ("GET", "/openapi.json" | "/docs/api") => looks(State::Held),
        ("GET", "/api/v1/events" | "/api/v1/events/{event}" | "/api/v1/events/{event}/live") => {
            looks(State::Held)
        }
        ("GET", "/healthz" | "/readyz" | "/metrics") => looks(State::Held),
        ("GET", "/office") => looks(State::Held),
        ("GET", "/office/events/{event}" | "/office/events/{event}/live") => looks(State::Held),
        ("GET", "/office/orders" | "/office/events/{event}/orders" | "/office/orders/{id}") => {
            looks(State::Paid)
        }
        ("GET", "/office/orders/{id}/refund" | "/office/orders/{id}/resend") => looks(State::Paid),
        ("GET", "/office/orders/{id}/address" | "/office/orders/{id}/tickets/{number}") => {
            looks(State::Paid)
        }
        ("GET", "/office/orders/{id}/name" | "/office/orders/{id}/answers") => looks(State::Paid),
        ("GET", "/office/orders/{id}/cancel") => looks(State::Held),
        (
            "GET",
            "/office/events/{event}/sell"
            | "/office/events/{event}/give"
            | "/office/events/{event}/guests",
        ) => looks(State::Held),
        ("POST", "/office/events/{event}/sell" | "/office/events/{event}/give") => {
            let gives = route.path.ends_with("/give");
            let (tender, total) = if gives { ("free", "0") } else { ("cash", "2500") };
            let ticket = [("key", FORM_KEY), ("quantity:adult", "1"), ("tender", tender)];
            let whose = [("name", &*fresh), ("email", &*mail), ("do", "record"), ("total", total)];
            does(State::Held, form(&[&ticket[..], &whose[..]].concat()))
        }
        ("POST", "/office/events/{event}/guests") => {
            let list = format!("name,email\n{fresh},{mail}\n");
            does(State::Held, Sends::Multipart(vec![("do", "make".into()), ("list", list)]))
        }
        ("POST", "/office/orders/{id}/name") => {
            does(State::Paid, form(&[("key", FORM_KEY), ("name", &fresh)]))
        }
        ("POST", "/office/orders/{id}/answers") => does(State::Paid, form(&[("a.note", &fresh)])),
        ("GET", "/office/events/{event}/log" | "/office/events/{event}/accounts") => {
            looks(State::Paid)
        }
        ("GET", "/office/events/{event}/export") => looks(State::Paid),
        ("GET", "/office/events/{event}/export/{file}") => looks(State::Paid),
        ("GET", "/api/v1/events/{event}/export/{file}") => looks(State::Paid),
        ("GET", "/api/v1/orders") => looks(State::Paid),
        ("POST", "/office/orders/{id}/refund") => {
            let reason = [("reason", "ill"), ("what", "all"), ("confirmed", "yes")];
            does(State::Paid, form(&[&[("key", FORM_KEY)], &reason[..]].concat()))
        }
        ("POST", "/office/orders/{id}/cancel") => does(State::Held, form(&[("key", FORM_KEY)])),
        ("POST", "/office/orders/{id}/resend") => tells(State::Paid, form(&[("key", FORM_KEY)])),
        ("POST", "/office/orders/{id}/address") => {
            does(State::Paid, form(&[("key", FORM_KEY), ("email", &mail)]))
        }
        ("POST", "/office/orders/{id}/tickets/{number}") => {
            does(State::Paid, form(&[("key", FORM_KEY), ("name", &fresh)]))
        }
        (
            "GET",
            "/office/events/new"
            | "/office/events/{event}/edit"
            | "/office/events/{event}/cancel"
            | "/office/events/{event}/picture"
            | "/office/shop",
        ) => looks(State::Held),
        // There are texts and a picture: see `Setup::start`.
        ("GET", "/imprint" | "/terms" | "/privacy" | "/pictures/{picture}") => looks(State::Held),
        // It says nothing of what it was made from, so it is refused for that: see `is_served`.
        ("POST", "/office/shop") => tells(State::Held, form(&[("name", "Hall")])),
        // Of another event, too.
        ("POST", "/office/shop/logo" | "/office/events/{event}/picture") => {
            tells(State::Held, Sends::Removal)
        }
        ("POST", "/office/events/new") => tells(
            State::Held,
            form(&[
                ("name", &fresh),
                ("starts", "2031-05-01T20:00"),
                ("zone", "UTC"),
                ("currency", "GBP"),
                ("pool-0-places", "5"),
                ("type-0-name", "Ticket"),
                ("type-0-price", "9"),
            ]),
        ),
        // A row more is no change of the event.
        ("POST", "/office/events/{event}/edit") => tells(State::Held, form(&[("do", "add-type")])),
        // Of these it is another event that is changed.
        ("POST", "/office/events/{event}/sale") => tells(State::Held, form(&[("do", "hide")])),
        ("POST", "/office/events/{event}/cancel") => tells(State::Held, form(&[("sure", "yes")])),
        (
            "POST",
            "/office/events/{event}/delete"
            | "/api/v1/events/{event}/pause"
            | "/api/v1/events/{event}/resume"
            | "/api/v1/events/{event}/cancel",
        )
        | ("GET", "/api/v1/events/{event}/cancellation") => looks(State::Held),
        // Who may use the office: see `accounts.rs` and `server/tests/office.rs`.
        ("GET", path) if path.starts_with("/office/") && of_accounts(path) => looks(State::Held),
        ("POST", "/office/sign-in") => {
            tells(State::Held, form(&[("email", OWNER), ("password", PASSWORD)]))
        }
        ("POST", "/office/sign-in/link") => tells(State::Held, form(&[("email", OWNER)])),
        ("POST", "/office/welcome/{token}") => {
            tells(State::Held, form(&[("name", &fresh), ("password", PASSWORD)]))
        }
        ("POST", "/office/confirm" | "/office/account/password") => {
            tells(State::Held, form(&[("password", PASSWORD)]))
        }
        ("POST", "/office/people/invitations") => {
            tells(State::Held, form(&[("email", &mail), ("role", "door"), ("event", "")]))
        }
        ("POST", "/office/people/{person}/role") => {
            tells(State::Held, form(&[("role", "read_only"), ("event", "rock")]))
        }
        ("POST", "/office/keys") => {
            tells(State::Held, form(&[("name", &fresh), ("role", "door"), ("event", "rock")]))
        }
        ("POST", path) if path.starts_with("/office/") && of_accounts(path) => {
            tells(State::Held, form(&[]))
        }
        ("GET", "/orders/{id}/{secret}" | "/orders/{id}/{secret}/pay") => looks(State::Held),
        ("GET", "/orders/{id}/{secret}/event.ics") => looks(State::Held),
        ("GET", "/orders/{id}/{secret}/answers") => looks(State::Held),
        ("POST", "/orders/{id}/{secret}/answers") => does(State::Held, form(&[("a.note", &fresh)])),
        ("PUT", "/api/v1/orders/{id}/answers") => {
            let answers = json!([{"question": "note", "answer": fresh}]);
            does(State::Held, Sends::Json(json!({"answers": answers})))
        }
        ("PUT", "/api/v1/orders/{id}/metadata") => {
            does(State::Held, Sends::Json(json!({"metadata": {"fresh": fresh}})))
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
        ("POST", "/api/v1/events/{event}/door/devices" | "/door/{event}/devices") => {
            tells(State::Paid, Sends::Json(json!({"device": NO_ID, "gate": "north"})))
        }
        (
            "GET",
            "/api/v1/events/{event}/door/devices"
            | "/api/v1/events/{event}/door/links"
            | "/api/v1/events/{event}/door/list"
            | "/door/{event}/list"
            | "/api/v1/events/{event}/door/arrivals"
            | "/door/{event}/link/{token}",
        ) => looks(State::Paid),
        ("GET", "/api/v1/events/{event}/door/tickets") => looks(State::Paid),
        ("POST", "/api/v1/events/{event}/door/links") => {
            tells(State::Held, Sends::Json(json!({"name": fresh})))
        }
        ("DELETE", "/api/v1/events/{event}/door/links/{link}") => looks(State::Held),
        ("POST", "/door/{event}/leave") => tells(State::Held, form(&[])),
        ("GET", "/office/events/{event}/door" | "/office/events/{event}/door/links/{link}") => {
            looks(State::Held)
        }
        ("POST", "/office/events/{event}/door") => {
            // The version of settings of which nothing was said.
            let unset = format!("{:?}", boxoffice::door::DoorSpec::default());
            let version = format!("{:032x}", nts_server::ids::digest(&[unset.as_bytes()]));
            tells(State::Held, form(&[("admission", "once"), ("version", &version)]))
        }
        ("POST", "/office/events/{event}/door/links") => {
            tells(State::Held, form(&[("name", &fresh), ("from", "now")]))
        }
        ("POST", "/office/events/{event}/door/links/{link}/end") => tells(State::Held, form(&[])),
        ("GET", "/door/worker.js") => looks(State::Held),
        ("GET", "/door/{event}") => looks(State::Paid),
        ("POST", "/door/{event}") => {
            tells(State::Paid, form(&[("code", "AAAA-BBBB-CCCC"), ("nonce", NO_ID)]))
        }
        ("POST", "/door/{event}/undo") => tells(State::Paid, form(&[("nonce", NO_ID)])),
        // Of a ticket that there is not: nobody is let in.
        ("POST", "/api/v1/events/{event}/check-ins" | "/door/{event}/check-ins") => tells(
            State::Paid,
            Sends::Json(json!({
                "code": "AAAA-BBBB-CCCC", "gate": "north", "device": NO_ID, "nonce": NO_ID,
            })),
        ),
        ("GET", "/api/v1/events/{event}/check-ins" | "/api/v1/events/{event}/door") => {
            looks(State::Paid)
        }
        (
            "DELETE",
            "/api/v1/events/{event}/check-ins/{device}/{nonce}"
            | "/door/{event}/check-ins/{device}/{nonce}",
        ) => looks(State::Paid),
        ("PUT", "/api/v1/events/{event}/door") => tells(State::Held, Sends::Json(json!({}))),
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
        ("POST", "/events/{event}/orders") => does(
            State::Held,
            form(&[("name", &fresh), ("email", &mail), ("quantity:adult", "1"), ("terms", "1")]),
        ),
        ("POST", "/orders/{id}/{secret}/pay" | "/pay/{id}/{secret}") => {
            does(State::Held, form(&[("token", "ctoken_ok")]))
        }
        ("POST", "/orders/{id}/{secret}/cancel") => does(State::Held, form(&[])),
        ("POST", "/api/v1/events/{event}/orders") => {
            let buyer = json!({"name": fresh, "email": mail});
            does(State::Held, Sends::Json(json!({"buyer": buyer, "lines": lines})))
        }
        ("PUT", "/api/v1/events/{event}") => {
            let mut event = show(5_000);
            event["name"] = fresh.into();
            does(State::Held, Sends::Json(event))
        }
        ("PATCH", "/api/v1/events/{event}") => {
            does(State::Held, Sends::Patch(json!({"name": fresh})))
        }
        // It is an event of its own that goes.
        ("DELETE", "/api/v1/events/{event}") => looks(State::Held),
        ("POST", "/api/v1/orders/{id}/pay") => does(State::Held, Sends::Json(token)),
        ("POST", "/api/v1/orders/{id}/cancel") => does(State::Held, Sends::Json(json!({}))),
        ("POST", "/api/v1/orders/{id}/refunds") => {
            does(State::Paid, Sends::Json(json!({"all": true, "restock": true})))
        }
        // A message is owed, which is in none of the lists.
        ("GET", "/api/v1/webhooks" | "/office/webhooks") => looks(State::Held),
        ("POST", "/api/v1/webhooks") => {
            tells(State::Held, Sends::Json(json!({"url": NOWHERE, "types": ["order.void"]})))
        }
        ("POST", "/office/webhooks") => {
            tells(State::Held, form(&[("address", NOWHERE), ("kind", "order.void")]))
        }
        ("POST", "/office/webhooks/{webhook}") => tells(State::Held, form(&[("do", "test")])),
        ("PATCH", "/api/v1/webhooks/{webhook}") => {
            tells(State::Held, Sends::Json(json!({"enabled": false})))
        }
        (_, path) if path.contains("{webhook}") => tells(State::Held, Sends::Nothing),
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

/// The pages of accounts. Those of events and orders are not among them.
fn of_accounts(path: &str) -> bool {
    let first = path.split('/').nth(2).unwrap_or("");
    ["sign-in", "sign-out", "code", "link", "welcome", "confirm", "account", "people", "keys"]
        .contains(&first)
}

/// A word that nobody has used.
fn fresh(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-Quill-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// How long a hold lasts, in seconds: longer than the test of all routes on a busy machine.
const HOLD_S: u32 = 3_600;

fn show(places: u32) -> Value {
    let mut event = event_json(places, HOLD_S);
    event["limit_per_buyer"] = 1.into();
    event["questions"] = json!([{"id": "note", "text": "Anything else?", "kind": "text"}]);
    event
}

/// A server, and what it says of its routes.
struct Setup {
    server: Server,
    stripe: Option<Stripe>,
    routes: &'static [Described],
    /// Signed in, with every right.
    owner: Visitor,
    /// A session that has ended.
    ended: Visitor,
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
        let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&show(5_000));
        assert!(server.send(put).status < 300);
        let texts = [("imprint", "We."), ("terms", "All."), ("privacy", "None."), ("seen", "0")];
        let said = Request::form("/office/shop", &texts).bearer(KEY);
        assert_eq!(server.send(said).status, 303);
        let picture = office_shop::upload("/office/events/rock/picture", "picture", &[("alt", "")]);
        assert_eq!(server.send(picture).status, 303);
        let page = server.get("/events/rock").text();
        let picture = page.split("/pictures/").nth(1).expect("a picture").split('"').next();
        PICTURE.get_or_init(|| picture.expect("its end").to_owned());
        let routes = routes(&Config::from_flags(flags).unwrap(), stripe.is_none()).all();
        let mut owner = staff::owner(&server);
        let link = staff::invite(&server, &mut owner, MEMBER, "door", "");
        staff::accept(&server, &link, "");
        let mut ended = staff::sign_in(&server, OWNER);
        let before = ended.clone();
        assert_eq!(ended.post(&server, "/office/sign-out", &[]).status, 303);
        Setup { server, stripe, routes, owner, ended: before, _dir: dir }
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
        let mut orders = self.server.orders();
        for order in &mut orders {
            // It moves by itself while a payment that is not decided is looked at.
            order.as_object_mut().unwrap().remove("updated_at");
        }
        format!("{event} {orders:?} {guests} {moved:?}")
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
            invitation: String::new(),
            webhook: (NO_ID.into(), NO_MESSAGE.into()),
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

    /// Somebody else of the office, with a role of no power, who may be removed.
    fn make_spare(&self) {
        let mut owner = self.owner.clone();
        let page = owner.get(&self.server, "/office/people").text();
        if !page.contains(SPARE) {
            let link = staff::invite(&self.server, &mut owner, SPARE, "read_only", "rock");
            staff::accept(&self.server, &link, "");
        }
    }

    /// Makes what a route is about, beside the order.
    fn prepare(&self, route: &Described, of: &mut Victim) {
        if route.path.contains("{person}") {
            self.make_spare();
        }
        if route.path.contains("{invitation}") {
            of.invitation = self.invitation();
        }
        if route.path.contains("{link}") {
            of.invitation = text(&gate_link(&self.server), "id");
        }
        if route.path.contains("{webhook}") {
            of.webhook = self.webhook();
        }
    }

    /// A webhook that is told of hardly anything, and a message to it.
    fn webhook(&self) -> (String, String) {
        let ask = |path: &str, body: Value| {
            self.server.send(Request::new("POST", path).bearer(KEY).json(&body)).json()
        };
        let made = ask("/api/v1/webhooks", json!({"url": NOWHERE, "types": ["order.void"]}));
        let id = text(&made, "id");
        let message = ask(&format!("/api/v1/webhooks/{id}/test"), json!({}));
        (id, text(&message, "id"))
    }

    /// The id of an invitation that nobody has accepted.
    fn invitation(&self) -> String {
        let (mut owner, mail) = (self.owner.clone(), format!("{}@example.org", fresh("In")));
        let fields = [("email", &*mail), ("role", "door"), ("event", "")];
        let done = owner.post(&self.server, "/office/people/invitations", &fields);
        done.header("location").unwrap().rsplit('/').next().unwrap().to_owned()
    }
}

/// Makes the event of its own, or shows it again: a route hides it.
fn put_spare() -> Request {
    let mut event = event_json(1, HOLD_S);
    event["hidden"] = false.into();
    Request::new("PUT", "/api/v1/events/spare").bearer(KEY).json(&event)
}

const SPARE: &str = "spare@example.org";
/// The id of an invitation that was never made.
const NOBODYS: &str = "00000000000000000000000000000000";
const MEMBER: &str = "member@example.org";

/// Somebody's order.
struct Victim {
    name: String,
    id: String,
    secret: String,
    pay_secret: String,
    intent: String,
    /// An invitation of somebody to the office, or the link of a gate.
    invitation: String,
    /// A webhook, and a message of it.
    webhook: (String, String),
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
        assert!(answer.header("set-cookie").is_none(), "{when}: {all}");
        // Whoever is not signed in is led to where they can, and back.
        let led = answer.header("location").filter(|to| !to.starts_with("/office/sign-in"));
        assert!(led.is_none(), "{when}: {all}");
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

/// Sessions that are none.
fn wrong_sessions(setup: &Setup) -> Vec<Shows> {
    let token = setup.owner.session();
    let (name, value) = token.split_once('=').unwrap();
    let mut all = vec![
        setup.ended.session(),
        format!("{name}="),
        format!("{name}={}", "0".repeat(52)),
        format!("{name}={}", value.to_lowercase()),
        format!("{name}={}", &value[..51]),
        format!("{name}={value}0"),
        format!("{name}={KEY}"),
        // A mark of a browser opens nothing, and a session is no other cookie.
        format!("{name}={}", setup.owner.0["nts-device"]),
        format!("nts-device={}; {}", setup.owner.0["nts-device"], setup.ended.session()),
        format!("__Host-{token}"),
        format!("x{token}"),
        format!("nts_orders={value}"),
    ];
    all.retain(|cookie| *cookie != token);
    all.into_iter().map(|cookie| Shows::Header("cookie", cookie)).collect()
}

/// Everything but what opens this route.
fn wrong(setup: &Setup, route: &Described, of: &Victim, other: &Victim) -> Vec<Shows> {
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
        Access::OrderOrStaff(_) => {
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
        Access::Staff(_) | Access::Office(_) => {
            let mut all = words(wrong_keys(of, other));
            all.push(Shows::Nothing);
            all.extend(malformed(KEY));
            all.extend(wrong_sessions(setup));
            // A session opens the office, and nothing for programs.
            if matches!(route.access, Access::Staff(_)) {
                all.push(Shows::Header("cookie", setup.owner.session()));
            }
            all
        }
        Access::SignedIn => {
            let mut all = wrong_sessions(setup);
            all.push(Shows::Nothing);
            // A key is nobody who could have an account.
            all.push(Shows::Header("authorization", format!("Bearer {KEY}")));
            all
        }
        Access::OneTimeLink => {
            let mut all = words(wrong_secrets(of, other));
            all.extend(words(vec![of.secret.clone(), of.pay_secret.clone(), KEY.into()]));
            let first = staff::first_link(&setup.server).unwrap();
            let used = first.rsplit('/').next().unwrap();
            all.extend(words(vec![used.into(), used.replacen('7', "6", 1), "0".repeat(52)]));
            all
        }
        Access::GateLink => {
            let mut all = words(wrong_secrets(of, other));
            let good = gate_token(&setup.server);
            let last = if good.ends_with('7') { "8" } else { "7" };
            let changed = format!("{}{last}", &good[..51]);
            all.extend(words(vec![of.secret.clone(), KEY.into(), changed]));
            all.extend(words(vec![good.to_lowercase(), "0".repeat(52)]));
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
fn right(setup: &Setup, route: &Described, of: &Victim) -> Vec<Shows> {
    let word = |word: &str| Shows::Word(word.to_owned());
    match route.access {
        Access::OrderPath => vec![word(&of.secret)],
        Access::PayPath => vec![word(&of.pay_secret)],
        Access::OrderOrStaff(_) => vec![word(&of.secret), word(KEY)],
        Access::TicketPath => vec![word(&of.ticket)],
        Access::OrderForm => vec![word(&of.secret), word(&of.pay_secret)],
        Access::Staff(_) => vec![word(KEY)],
        Access::Office(_) => vec![word(KEY), Shows::Header("cookie", setup.owner.session())],
        // Of somebody whose sessions nothing else needs: they may end by this.
        Access::SignedIn => {
            vec![Shows::Header("cookie", staff::sign_in(&setup.server, MEMBER).session())]
        }
        Access::OneTimeLink if route.path.starts_with("/office/welcome/") => {
            let (mut owner, mail) = (setup.owner.clone(), format!("{}@example.org", fresh("In")));
            let link = staff::invite(&setup.server, &mut owner, &mail, "door", "");
            vec![word(link.rsplit('/').next().unwrap())]
        }
        // They need a mail or an authenticator: `server/tests/office.rs` uses them.
        Access::OneTimeLink => Vec::new(),
        Access::GateLink => vec![word(&gate_token(&setup.server))],
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

/// A new link for a gate, which works.
fn gate_link(server: &Server) -> Value {
    let path = "/api/v1/events/rock/door/links";
    let link = json!({"name": fresh("Gate"), "valid_from": "2020-01-01T00:00:00Z"});
    let made = server.send(Request::new("POST", path).bearer(KEY).json(&link));
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

/// What its address ends with.
fn gate_token(server: &Server) -> String {
    text(&gate_link(server), "url").rsplit('/').next().unwrap().to_owned()
}

fn refusals(route: &Described, shows: &Shows) -> &'static [u16] {
    // An empty token is none.
    let bearer = matches!(shows, Shows::Word(word) if !word.is_empty());
    match route.access {
        Access::OrderPath
        | Access::PayPath
        | Access::TicketPath
        | Access::Payment
        | Access::OneTimeLink
        | Access::GateLink
        | Access::Nobody => &[404],
        Access::OrderOrStaff(_) if bearer => &[404],
        Access::OrderOrStaff(_) | Access::Staff(_) => &[401],
        // A browser is led to where its person can sign in.
        Access::Office(_) | Access::SignedIn => &[401, 303],
        Access::OrderForm => &[403],
        Access::Provider => &[400],
        Access::Anyone | Access::AnyoneInTheDemo => &[],
    }
}

fn body_of(sends: Sends) -> (String, Option<&'static str>) {
    match sends {
        Sends::Nothing => (String::new(), None),
        Sends::Json(value) => (value.to_string(), Some("application/json")),
        Sends::Patch(value) => (value.to_string(), Some("application/merge-patch+json")),
        Sends::Removal => {
            let part = "--x\r\ncontent-disposition: form-data; name=\"do\"\r\n\r\nremove\r\n--x--";
            (part.into(), Some("multipart/form-data; boundary=x"))
        }
        Sends::Multipart(fields) => {
            let part = |(name, value): &(&str, String)| {
                format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            };
            let parts: String = fields.iter().map(part).collect();
            (format!("{parts}--x--"), Some("multipart/form-data; boundary=x"))
        }
        Sends::Csv(text) => (text, Some("text/csv")),
        Sends::Form(fields) => {
            let escape = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
            let fields = fields.iter().map(|(n, v)| format!("{}={}", escape(n), escape(v)));
            let fields = fields.collect::<Vec<_>>().join("&");
            (fields, Some("application/x-www-form-urlencoded"))
        }
    }
}

/// The UUID of nothing.
const NO_ID: &str = "00000000-0000-7000-8000-000000000000";

/// A message that was never owed.
const NO_MESSAGE: &str = "msg_00000000000000000000000000000000";
/// Where nobody is (RFC 6761).
const NOWHERE: &str = "https://nowhere.invalid/hook";

/// Whether a status says that whoever asked may do so.
fn is_served(route: &Described, status: u16) -> bool {
    let differs = route.method == "POST" && route.path == "/office/shop" && status == 409;
    (200..=303).contains(&status) || differs
}

/// The picture that there is.
static PICTURE: OnceLock<String> = OnceLock::new();

/// Whether a route is asked about an event of its own, because nothing can be sold of it afterwards.
fn is_about_the_spare(route: &Described) -> bool {
    let last = route.path.rsplit('/').next().unwrap();
    let stops = ["cancel", "cancellation", "delete", "pause", "picture", "resume", "sale"];
    let stops = stops.contains(&last);
    let deletes = route.method == "DELETE" && last != "{link}";
    deletes || route.path.contains("{event}") && stops
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
        .replace("{event}", if is_about_the_spare(route) { "spare" } else { "rock" })
        .replace("export/{file}", "export/orders.csv")
        .replace("{file}", "nts.css")
        .replace("{picture}", PICTURE.get().expect("there is one"))
        .replace("{code}", &code)
        .replace("{number}", "1")
        .replace("{device}", NO_ID)
        .replace("{nonce}", NO_ID)
        .replace("{key}", "1")
        .replace("{n}", "1")
        .replace("{person}", &staff::account(SPARE))
        .replace("{invitation}", if of.invitation.is_empty() { NOBODYS } else { &of.invitation })
        .replace("{webhook}", &of.webhook.0)
        .replace("{delivery}", &of.webhook.1)
        .replace("{office_key}", &"0".repeat(32))
        .replace("{link}", if of.invitation.is_empty() { NO_ID } else { &of.invitation })
        .replace("{token}", &in_path(word))
        .replace("{id}", id)
        .replace("{secret}", &in_path(word))
        .replace("{intent}", &in_path(word));
    // A name must be asked for.
    let path = if route.path.ends_with("/door/tickets") { path + "?q=nobody" } else { path };
    assert!(!path.contains('{'), "say what stands for the parameters of {}", route.path);
    let mut request = Request::new(method, &path);
    let (body, kind) = body_of(entry.sends);
    if let Some(kind) = kind {
        request = request.header("content-type", kind).body(body.into_bytes());
    }
    match shows {
        Shows::Word(word)
            if matches!(
                route.access,
                Access::OrderOrStaff(_) | Access::Staff(_) | Access::Office(_)
            ) =>
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
    let method = route.method.as_str();
    for shows in wrong(setup, route, of, other) {
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
}

/// Whoever may use a route can.
fn serves_who_may(setup: &Setup, route: &Described) {
    let (server, method) = (&setup.server, route.method.as_str());
    let what =
        entry(route, "").unwrap_or_else(|| panic!("say how {method} {} is used", route.path));
    for at in 0.. {
        let mut of = setup.victim(what.on);
        setup.prepare(route, &mut of);
        let Some(shows) = right(setup, route, &of).into_iter().nth(at) else { break };
        let when = format!("{method} {} with {shows:?}", route.path);
        if is_about_the_spare(route) {
            assert!(server.send(put_spare()).status < 300, "{when}");
        }
        let before = setup.everything();
        let request = request(route, method, &of, &of.id, &shows);
        if route.path.ends_with("/live") {
            // It never ends.
            assert_eq!(request.status(&server.address).unwrap(), 200, "{when}");
            continue;
        }
        let answer = server.send(request);
        // What an authenticator shows, nobody knows here.
        let asks = answer.status == 422 && route.path == "/office/account/authenticator";
        assert!(asks || is_served(route, answer.status), "{when}: {answer:?}");
        let led = answer.header("location").is_some_and(|to| to.starts_with("/office/sign-in"));
        assert_eq!(led, route.path == "/office/sign-out", "{when}: {answer:?}");
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
    let shows = right(setup, route, of).into_iter().next();
    // A path has all its parts, if only a link that nobody was given.
    let shows = shows.unwrap_or_else(|| Shows::Word("nobodys".into()));
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
        let base = asked.path().split('?').next().unwrap();
        for path in [format!("{base}/"), format!("/{base}")] {
            let answer = server.send(asked.clone().to(&path));
            // Who has the whole address but for a slash is led to it, and learns nothing by that.
            if answer.status == 308 {
                assert_eq!(answer.header("location"), Some(base), "{path}");
                assert_eq!(answer.text(), "", "{path}");
                continue;
            }
            assert_eq!(answer.status, 404, "{path}: {answer:?}");
            of.is_hidden_in(&answer, &path);
        }
    }
}

/// `in_each_state`: of an order in each state, instead of the one that the route is meant for.
fn each_route_with_each_credential(setup: &Setup, in_each_state: bool) {
    let other = setup.victim(State::Held);
    let states = [State::Held, State::Asked, State::Paid, State::Released, State::Reserved];
    let victims = states.map(|state| setup.victim(state));
    let (mut refused, before) = (0, setup.everything());
    for route in setup.routes {
        let on = entry(route, "").map(|entry| entry.on);
        let at = states.iter().position(|state| Some(*state) == on).unwrap_or(0);
        let all = in_each_state || route.access == Access::Payment;
        let of_these = if all { &victims[..] } else { &victims[at..=at] };
        for of in of_these {
            refuses_all_others(setup, route, of, &other);
            refused += wrong(setup, route, of, &other).len();
        }
        is_there_for_its_method_alone(setup, route, &victims[at]);
        let (method, path) = (&route.method, route.path);
        assert_eq!(before, setup.everything(), "{method} {path} changed something for a stranger");
    }
    let least = if in_each_state { 800 } else { 160 };
    assert!(refused > least, "{refused}");
    for route in setup.routes {
        serves_who_may(setup, route);
    }
}

#[test]
fn with_stripe_each_route_is_for_those_who_may_use_it() {
    let setup = Setup::start("access-stripe", Some(Stripe::start()), true);
    assert!(setup.routes.iter().any(|route| route.access == Access::Provider));
    each_route_with_each_credential(&setup, true);
}

#[test]
fn in_the_sandbox_each_route_is_for_those_who_may_use_it() {
    let setup = Setup::start("access-sandbox", None, false);
    assert!(setup.routes.iter().any(|route| route.access == Access::Payment));
    // Most routes are those that are tried in each state with Stripe.
    each_route_with_each_credential(&setup, false);
}

#[test]
fn where_no_secret_of_webhooks_is_set_nobody_can_send_one() {
    let setup = Setup::start("access-no-webhooks", Some(Stripe::start()), false);
    let nobody: Vec<_> = setup.routes.iter().filter(|r| r.access == Access::Nobody).collect();
    assert_eq!(nobody.len(), 1);
    let (of, other) = (setup.victim(State::Asked), setup.victim(State::Held));
    let before = setup.everything();
    refuses_all_others(&setup, nobody[0], &of, &other);
    assert_eq!(before, setup.everything());
}

/// A person and a program of each role, for all events, for the one that is asked for, and for another one.
struct Member {
    role: Role,
    /// The slug of its event; empty: all.
    event: &'static str,
    session: String,
    key: String,
}

/// What a route is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum About {
    /// The event `rock`, or an order of it.
    Event,
    /// All events, or the shop itself.
    Shop,
    /// Whatever its caller may see of it.
    Anything,
}

fn about(route: &Described) -> About {
    match (route.method.as_str(), route.path) {
        (_, "/office" | "/api/v1/door/keys") if route.method == "GET" => About::Anything,
        (_, "/office/orders" | "/api/v1/orders") => About::Anything,
        (_, "/office/events/new") => About::Shop,
        (_, path) if path.starts_with("/office/shop") => About::Shop,
        (_, path) if path.starts_with("/office/webhooks") => About::Shop,
        (_, path) if path.starts_with("/api/v1/webhooks") => About::Shop,
        (_, "/api/v1/door/keys" | "/api/v1/door/keys/{key}" | "/api/v1/erasures") => About::Shop,
        (_, "/nts/v1/list-guests" | "/api/v1/tickets/{code}") => About::Event,
        (_, path) if path.contains("{event}") || path.contains("{id}") => About::Event,
        (_, path) if path.starts_with("/office/") && of_accounts(path) => About::Shop,
        (method, path) => panic!("say what {method} {path} is about"),
    }
}

/// What each role may do. It says again what the product says, so that a change of either is noticed.
fn may(role: Role, right: Right) -> bool {
    use Right::*;
    let rights: &[Right] = match role {
        Role::Owner => return true,
        Role::Manager => &[
            SeeEvents,
            ChangeEvents,
            SeeOrders,
            ChangeOrders,
            SellTickets,
            Refund,
            CheckIn,
            EraseBuyers,
        ],
        Role::BoxOffice => &[SeeEvents, SeeOrders, ChangeOrders, SellTickets, CheckIn],
        Role::ReadOnly => &[SeeEvents, SeeOrders],
        Role::Door => &[CheckIn],
    };
    rights.contains(&right)
}

fn members(setup: &Setup) -> Vec<Member> {
    let (server, mut owner) = (&setup.server, setup.owner.clone());
    assert!(server.send(put_event("jazz", 10, HOLD_S)).status < 300);
    let mut all = Vec::new();
    for role in Role::ALL {
        let events: &[&str] = if role == Role::Owner { &[""] } else { &["", "rock", "jazz"] };
        for event in events {
            let mail = format!("{role}-{event}@example.org");
            let link = staff::invite(server, &mut owner, &mail, role.word(), event);
            let session = staff::accept(server, &link, "").session();
            let key = staff::key(server, &mut owner, role.word(), event);
            all.push(Member { role, event, session, key });
        }
    }
    all
}

/// A draft is as an event that does not exist, and its orders are as orders that do not, to a member of the staff who has
/// no role of it: at every route of staff, for a person and for a program.
#[test]
fn a_draft_is_unknown_to_whoever_has_no_role_of_it() {
    let setup = Setup::start("access-drafts", Some(Stripe::start()), true);
    let server = &setup.server;
    let jazz: Vec<Member> =
        members(&setup).into_iter().filter(|member| member.event == "jazz").collect();
    let mut of = setup.victim(State::Paid);
    let mut draft = show(5_000);
    draft["hidden"] = true.into();
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&draft);
    assert_eq!(server.send(put).status, 200);
    let none = uuid::Uuid::from_u128(uuid::Uuid::try_parse(&of.id).unwrap().as_u128() ^ 1);
    let none = none.to_string();
    let (mut asked, mut gone) = (0, 0);
    for route in setup.routes {
        let is_staff =
            matches!(route.access, Access::Staff(_) | Access::Office(_) | Access::OrderOrStaff(_));
        // Making an event needs the role for all events, whether there is one of this name or not.
        let named = route.path.contains("{event}") || route.path.contains("{id}");
        if !is_staff || !named && route.path != "/api/v1/tickets/{code}" {
            continue;
        }
        setup.prepare(route, &mut of);
        let method = route.method.as_str();
        for member in &jazz {
            let session = Shows::Header("cookie", member.session.clone());
            let key = Shows::Header("authorization", format!("Bearer {}", member.key));
            for shows in [session, key] {
                let with = |slug: &str, id: &str| {
                    let request = request(route, method, &of, id, &shows);
                    let path = request.path().to_owned();
                    let path = path.replace("/events/rock", &format!("/events/{slug}"));
                    let path = path.replace("/door/rock", &format!("/door/{slug}"));
                    let path = path.replace("/door/spare", &format!("/door/{slug}"));
                    let path = path.replace("/events/spare", &format!("/events/{slug}"));
                    let path = match route.path {
                        "/api/v1/tickets/{code}" => format!("{path}?event={slug}"),
                        _ => path,
                    };
                    let answer = server.send(request.to(&path));
                    let text = answer.text().replace(slug, "SLUG").replace(id, "ID");
                    (answer.status, answer.code(), text)
                };
                let (there, unknown) = (with("rock", &of.id), with("rack", &none));
                let when = format!("{method} {} as {} with {shows:?}", route.path, member.role);
                assert_eq!(there, unknown, "{when}");
                asked += 1;
                gone += usize::from(there.0 == 404);
            }
        }
    }
    assert!(asked > 200 && gone > 100, "{asked} {gone}");
}

#[test]
fn each_route_with_each_role() {
    let setup = Setup::start("access-roles", Some(Stripe::start()), true);
    let members = members(&setup);
    let (mut allowed, mut denied) = (0, 0);
    for route in setup.routes {
        let right = match route.access {
            Access::Staff(right) | Access::Office(right) | Access::OrderOrStaff(right) => right,
            _ => continue,
        };
        let (method, what) = (route.method.as_str(), entry(route, "").unwrap());
        let mut refused_of = setup.victim(what.on);
        setup.prepare(route, &mut refused_of);
        assert!(setup.server.send(put_spare()).status < 300);
        let before = setup.everything();
        let mut later = Vec::new();
        for member in &members {
            let covers = match about(route) {
                // It is another event that goes, or is not sold any more.
                About::Event if is_about_the_spare(route) => member.event.is_empty(),
                About::Event => member.event != "jazz",
                About::Shop => member.event.is_empty(),
                About::Anything => true,
            };
            // A page that shows what its reader may see is open to whoever is signed in.
            let sees = route.path == "/office";
            let may = sees || covers && may(member.role, right);
            let session = Shows::Header("cookie", member.session.clone());
            let key = Shows::Header("authorization", format!("Bearer {}", member.key));
            for shows in [session, key] {
                let when = format!(
                    "{method} {} as {} of {:?} with {shows:?}",
                    route.path, member.role, member.event
                );
                let by_session = matches!(shows, Shows::Header("cookie", _));
                let in_office = matches!(route.access, Access::Office(_));
                if may && (in_office || !by_session) {
                    later.push((shows, when, member.event == "jazz"));
                    continue;
                }
                let of = &refused_of;
                let answer = setup.server.send(request(route, method, of, &of.id, &shows));
                let expected: &[u16] = match () {
                    () if by_session && !in_office => &[401],
                    // Tickets of other events are not there.
                    () if route.path == "/api/v1/tickets/{code}" => &[403, 404],
                    () => &[403],
                };
                assert!(expected.contains(&answer.status), "{when}: {answer:?}");
                // The old routes have no codes.
                if answer.status == 403 && !in_office && !route.path.starts_with("/nts/") {
                    assert_eq!(answer.code(), Some(ProblemCode::NotAllowed), "{when}");
                }
                of.is_hidden_in(&answer, &when);
                denied += 1;
            }
        }
        assert_eq!(before, setup.everything(), "{method} {} changed something", route.path);
        for (shows, when, elsewhere) in later {
            let mut of = setup.victim(what.on);
            setup.prepare(route, &mut of);
            if is_about_the_spare(route) {
                assert!(setup.server.send(put_spare()).status < 300, "{when}");
            }
            let request = request(route, method, &of, &of.id, &shows);
            if route.path.ends_with("/live") {
                // It never ends.
                assert_eq!(request.status(&setup.server.address).unwrap(), 200, "{when}");
                allowed += 1;
                continue;
            }
            let answer = setup.server.send(request);
            assert!(is_served(route, answer.status), "{when}: {answer:?}");
            if elsewhere {
                // Nothing of an event that is not theirs.
                of.is_hidden_in(&answer, &when);
            }
            allowed += 1;
        }
    }
    assert!(allowed > 90 && denied > 400, "{allowed} {denied}");
}
