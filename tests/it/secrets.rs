//! Who knows a name, a payment's address or another site's form gets nothing of somebody's order.

use crate::forms::PageForm;
use crate::harness::*;
use crate::money::Stripe;
use nts_server::payments::fake::{InjectedFault, Operation};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CHARGE: &str = "/nts/v1/charge";

fn reserve(server: &Server, fields: &[(&str, &str)]) -> Answer {
    server.send(Request::form("/nts/v1/reserve", fields))
}

fn charge(server: &Server, fields: &[(&str, &str)]) -> Answer {
    server.send(Request::form(CHARGE, fields))
}

/// A reservation, as whoever made it knows it.
struct Victim {
    form: PageForm,
    order: Value,
    /// What nobody else may be told.
    secrets: Vec<String>,
}

impl Victim {
    fn reserves(server: &Server, name: &str) -> Victim {
        let page = reserve(server, &[("fullname", name)]);
        assert_eq!(page.status, 200, "{page:?}");
        let text = page.text();
        let form = PageForm::of(&text, CHARGE).expect("a form that pays");
        let pay = form.field("secret").expect("its secret").to_owned();
        let link = text.split("href=\"/orders/").nth(1).expect("the order's link");
        let (id, secret) = link.split('"').next().unwrap().split_once('/').unwrap();
        let order = json!({"id": id, "secret": secret});
        Victim { form, order, secrets: vec![pay, secret.to_owned()] }
    }

    fn pays(&self, server: &Server, token: &str) -> Answer {
        server.send(self.form.with(&[("stripeToken", token)]))
    }

    /// Nothing of the order is in an answer, neither in what a person sees nor in its headers.
    fn is_hidden_in(&self, answer: &Answer, when: &str) {
        let all = format!("{}\n{}", answer.headers, answer.text());
        let id = text(&self.order, "id");
        for told in self.secrets.iter().chain([&id]) {
            assert!(!all.contains(told.as_str()), "{when}: {all}");
        }
        for address in ["/sandbox/", "/orders/", "/pay/", "pi_", "set-cookie"] {
            assert!(!all.contains(address), "{when}: {address} in {all}");
        }
        assert!(answer.status < 500, "{when}: {answer:?}");
    }
}

const TOKENS: [&str; 9] = [
    "tok_visa",
    "tok_chargeDeclined",
    "ctoken_3ds",
    "ctoken_3ds_sdk",
    "ctoken_processing",
    "ctoken_slow",
    "ctoken_ok",
    "nonsense",
    "",
];

/// Everything that somebody can try who knows no more than the name.
fn try_the_name(server: &Server, victim: &Victim, name: &str, when: &str) {
    let zeros = "0".repeat(26);
    let shifted: String = victim.secrets[0].chars().rev().collect();
    for secret in [None, Some(""), Some(&*zeros), Some(&*shifted)] {
        let wrong = secret.map(|secret| ("secret", secret));
        let fields = |more: &[(&'static str, &'static str)]| {
            let mut fields = vec![("fullname", name)];
            fields.extend(wrong);
            fields.extend(more);
            fields.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>()
        };
        let send = |path: &str, fields: Vec<(String, String)>| {
            let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            server.send(Request::form(path, &fields))
        };
        let answer = send("/nts/v1/reserve", fields(&[]));
        victim.is_hidden_in(&answer, &format!("{when}, reserve with {secret:?}"));
        for token in TOKENS {
            let answer = send(CHARGE, fields(&[("stripeToken", token)]));
            victim.is_hidden_in(&answer, &format!("{when}, {token} with {secret:?}"));
        }
    }
}

fn show_of(server: &Server, places: u32) {
    let mut event = event_json(places, 300);
    event["limit_per_buyer"] = 1.into();
    let put = Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 200, "the show of the demo becomes this one");
}

#[test]
fn a_name_gets_nothing_of_an_order_in_the_sandbox_whatever_becomes_of_it() {
    let dir = Dir::new("names");
    let server = Server::start_with(&dir, &[("NTS_SHOW", "rock")]);
    show_of(&server, 100);
    // The first attempt by name, with each card, and whatever the stranger does after it.
    for (n, token) in TOKENS.iter().enumerate() {
        let name = format!("Vera {n}");
        let victim = Victim::reserves(&server, &name);
        let answer = charge(&server, &[("fullname", &name.to_uppercase()), ("stripeToken", token)]);
        victim.is_hidden_in(&answer, &format!("the first attempt: {token}"));
        let paid = matches!(*token, "tok_visa" | "ctoken_slow" | "ctoken_ok");
        assert_eq!(answer.text().contains("congratulations"), paid, "{token}: {answer:?}");
        if !["ctoken_processing", "ctoken_slow"].contains(token) {
            try_the_name(&server, &victim, &name, &format!("after {token}"));
        }
    }
    // The one who has the form goes on as ever.
    let victim = Victim::reserves(&server, "Declined");
    assert_eq!(victim.pays(&server, "tok_chargeDeclined").status, 402);
    try_the_name(&server, &victim, "Declined", "after a decline");
    let stranger = reserve(&server, &[("fullname", "Declined")]);
    assert_eq!(stranger.status, 409);
    assert!(stranger.text().contains("The payment for this name was declined"), "{stranger:?}");
    // Whoever shows the secret gets the form once more, and is told the truth.
    let again = server.send(victim.form.with(&[]).to("/nts/v1/reserve"));
    assert!(again.text().contains("you can try again, with another card"), "{again:?}");
    assert!(PageForm::of(&again.text(), CHARGE).unwrap().field("secret").is_some());
    let order = server.send(look(&victim.order)).json();
    assert_eq!(order["payment"]["attempts"].as_array().unwrap().len(), 1, "none were used up");
    assert!(victim.pays(&server, "tok_visa").text().contains("congratulations Declined"));
    try_the_name(&server, &victim, "Declined", "paid");
    assert!(reserve(&server, &[("fullname", "Declined")]).text().contains("is complete"));

    let victim = Victim::reserves(&server, "Asked");
    let asked = victim.pays(&server, "ctoken_3ds");
    assert!(asked.header("location").unwrap().starts_with("/sandbox/authenticate/"), "{asked:?}");
    try_the_name(&server, &victim, "Asked", "while the bank asks");
    let bank = server.get(asked.header("location").unwrap()).text();
    assert!(
        !bank.contains(&victim.secrets[1]),
        "the bank's page leads back to the payment: {bank}"
    );

    let victim = Victim::reserves(&server, "Canceled");
    let path = format!("/api/v1/orders/{}/cancel", text(&victim.order, "id"));
    let cancel = Request::new("POST", &path).bearer(&text(&victim.order, "secret"));
    assert_eq!(server.send(cancel).json()["state"], "released");
    let answer = charge(&server, &[("fullname", "Canceled"), ("stripeToken", "tok_visa")]);
    victim.is_hidden_in(&answer, "cancelled");
    assert_eq!(answer.status, 410, "{answer:?}");
}

#[test]
fn twenty_strangers_at_once_have_one_attempt_together() {
    let dir = Dir::new("names-at-once");
    let server = Server::start_with(&dir, &[("NTS_SHOW", "rock")]);
    show_of(&server, 10);
    let victim = Victim::reserves(&server, "Ann");
    std::thread::scope(|scope| {
        for _ in 0..20 {
            let (server, victim) = (&server, &victim);
            scope.spawn(move || {
                let fields = [("fullname", "Ann"), ("stripeToken", "tok_chargeDeclined")];
                let answer = charge(server, &fields);
                assert!([402, 403, 409].contains(&answer.status), "{answer:?}");
                victim.is_hidden_in(&answer, "at once");
            });
        }
    });
    let order = server.send(look(&victim.order)).json();
    assert_eq!(order["payment"]["attempts"].as_array().unwrap().len(), 1, "{order}");
    assert!(victim.pays(&server, "tok_visa").text().contains("congratulations Ann"));
}

#[test]
fn an_order_that_ran_out_gives_its_new_owner_nothing_of_the_old_one() {
    let dir = Dir::new("names-expired");
    let server = Server::start_with(&dir, &[("NTS_SHOW", "rock")]);
    let mut event = event_json(3, 1);
    event["limit_per_buyer"] = 1.into();
    server.send(Request::new("PUT", "/api/v1/events/rock").bearer(KEY).json(&event));
    let first = Victim::reserves(&server, "Ann");
    eventually("the hold runs out", || server.counts() == (0, 0, 3));
    first.is_hidden_in(
        &charge(&server, &[("fullname", "Ann"), ("stripeToken", "tok_visa")]),
        "over",
    );
    let second = Victim::reserves(&server, "Ann");
    assert!(first.secrets[0] != second.secrets[0]);
    // The secret of the order that is over is as good as none for the one that followed.
    second.is_hidden_in(&first.pays(&server, "ctoken_3ds"), "with the secret of another order");
}

#[test]
fn who_waits_in_a_long_line_is_told_in_words_unless_the_form_was_posted() {
    let dir = Dir::new("names-line");
    let settings = [("NTS_SHOW", "rock"), ("NTS_SANDBOX_CALLS", "4")];
    let server = Server::start_with(&dir, &settings);
    show_of(&server, 100);
    let victims: Vec<_> = ["Ann", "Bob"].map(|name| Victim::reserves(&server, name)).into();
    std::thread::scope(|scope| {
        for n in 0..30 {
            let server = &server;
            scope.spawn(move || {
                let order = server.send(hold(&format!("b{n}"), 1)).json();
                server.send(pay(&order, "ctoken_ok"))
            });
        }
        eventually("thirty hold and pay", || {
            let paying = server.orders().iter().filter(|o| o["state"] == "paying").count();
            paying > 20
        });
        let answer = charge(&server, &[("fullname", "Ann"), ("stripeToken", "tok_visa")]);
        victims[0].is_hidden_in(&answer, "in line");
        assert_eq!(answer.status, 202, "{answer:?}");
        let answer = victims[1].pays(&server, "tok_visa");
        let location = answer.header("location").unwrap_or_default();
        assert!(location.starts_with("/pay/") && location.contains(&victims[1].secrets[0]));
        victims[0].is_hidden_in(&reserve(&server, &[("fullname", "Ann")]), "reserved in line");
    });
}

#[test]
fn with_stripe_a_name_neither_pays_nor_tells_who_has_reserved_or_paid() {
    let dir = Dir::new("names-stripe");
    let stripe = Stripe::start();
    let mut settings = stripe.settings().to_vec();
    settings.push(("NTS_SHOW", "rock"));
    let server = Server::start_with(&dir, &settings);
    show_of(&server, 100);
    // A script that posts the form which it got works as it did in the old demo.
    let paid = Victim::reserves(&server, "Paid");
    let done = paid.pays(&server, "tok_visa");
    assert!(done.text().contains("congratulations Paid your payment is complete"), "{done:?}");
    assert!(paid.pays(&server, "tok_visa").text().contains("is complete"), "and charges once");
    assert_eq!(stripe.moved(&paid.order), (2_500, 0));
    let again = server.send(paid.form.with(&[]).to("/nts/v1/reserve"));
    assert!(again.text().contains("congratulations Paid"), "{again:?}");
    // A person has Stripe's form for the card, on the payment page.
    let held = Victim::reserves(&server, "Held");
    let leads = server.send(held.form.with(&[]));
    let location = leads.header("location").unwrap_or_default();
    assert!(leads.status == 303 && location.starts_with("/pay/"), "{leads:?}");
    assert!(server.get(location).text().contains("js.stripe.com"));
    let declined = Victim::reserves(&server, "Declined");
    assert_eq!(declined.pays(&server, "tok_chargeDeclined").status, 402);
    let asked = Victim::reserves(&server, "Asked");
    assert_eq!(asked.pays(&server, "ctoken_3ds_sdk").status, 303);
    stripe.fake.misbehave(|o| (o == Operation::Capture).then_some(InjectedFault::TooMany));
    let committed = Victim::reserves(&server, "Committed");
    let (server, committed) = (&server, &committed);
    std::thread::scope(|scope| {
        scope.spawn(move || committed.pays(server, "tok_visa"));
        eventually("it is approved", || {
            server.send(look(&committed.order)).json()["state"] == "committed"
        });
    });

    let orders = [
        ("Paid", &paid),
        ("Held", &held),
        ("Declined", &declined),
        ("Asked", &asked),
        ("Committed", committed),
    ];
    let mut told = Vec::new();
    for (name, victim) in orders {
        try_the_name(server, victim, name, name);
        let answer = reserve(server, &[("fullname", name)]);
        told.push((answer.status, answer.text()));
    }
    for (name, _) in orders.iter().chain([&("Unknown", orders[0].1)]) {
        let wrong = [("fullname", *name), ("stripeToken", "tok_visa"), ("secret", "0")];
        for fields in [&wrong[..], &wrong[..2]] {
            let answer = charge(server, fields);
            assert_eq!((answer.status, answer.text()), {
                let other = charge(server, &[("fullname", "Nobody"), ("stripeToken", "tok_visa")]);
                assert_eq!(other.status, 403);
                assert!(other.text().contains("No money was moved"), "{other:?}");
                (403, other.text())
            });
        }
    }
    let first = told[0].clone();
    assert!(first.1.contains("has an order already") && !first.1.contains("congratulations"));
    assert!(told.iter().all(|answer| *answer == first), "{told:?}");
    assert_eq!(server.get("/nts/v1/list-guests").status, 401);
    stripe.fake.behave();
}

#[test]
fn with_stripe_only_who_shows_the_secret_renews_a_hold() {
    let dir = Dir::new("names-renewal");
    let stripe = Stripe::start();
    let mut settings = stripe.settings().to_vec();
    settings.push(("NTS_SHOW", "rock"));
    let server = Server::start_with(&dir, &settings);
    show_of(&server, 100);
    let ann = Victim::reserves(&server, "Ann");
    let until = |victim: &Victim| text(&server.send(look(&victim.order)).json(), "held_until");
    let before = until(&ann);
    for strange in [&[("fullname", "Ann")][..], &[("fullname", "ANN"), ("secret", "0")]] {
        std::thread::sleep(Duration::from_millis(5));
        let told = reserve(&server, strange);
        assert!(told.text().contains("has an order already"), "{told:?}");
        assert_eq!(until(&ann), before, "a stranger keeps the place for nobody");
    }
    std::thread::sleep(Duration::from_millis(5));
    let own = server.send(ann.form.with(&[]).to("/nts/v1/reserve"));
    assert!(own.text().contains("thank you Ann"), "{own:?}");
    assert_ne!(until(&ann), before, "the owner renews it");
    // A name whose hold has run out is free for anybody.
    let put = put_event("rock", 100, 1);
    let mut show = event_json(100, 1);
    show["limit_per_buyer"] = json!(1);
    assert_eq!(server.send(put.body(show.to_string().into_bytes())).status, 200);
    let bob = Victim::reserves(&server, "Bob");
    let mut next = reserve(&server, &[("fullname", "Bob")]);
    eventually("the name is free again", || {
        next = reserve(&server, &[("fullname", "Bob")]);
        next.text().contains("thank you Bob")
    });
    assert_eq!(server.send(look(&bob.order)).json()["state"], "released");
}

#[test]
fn the_first_start_with_test_keys_makes_the_show_of_the_demo() {
    let stripe = Stripe::start();
    for (demo, made) in [("", true), ("1", true), ("0", false)] {
        let dir = Dir::new("demo-stripe");
        let mut settings = stripe.settings().to_vec();
        settings.push(("NTS_DEMO", demo));
        let server = Server::start_with(&dir, &settings);
        assert_eq!(server.get("/").text().contains("The best ever show"), made, "NTS_DEMO={demo}");
        let answer = reserve(&server, &[("fullname", "Ann")]);
        assert_eq!(answer.status, if made { 200 } else { 404 });
        if made {
            let form = PageForm::of(&answer.text(), CHARGE).unwrap();
            let done = server.send(form.with(&[("stripeToken", "tok_visa")]));
            assert!(done.text().contains("congratulations Ann"), "{done:?}");
        }
        assert_eq!(server.get("/nts/v1/list-guests").status, 401, "the guests are the organiser's");
        assert_eq!(server.send(Request::form("/nts/v1/debug/reset", &[])).status, 404);
    }
}

/// Of a `Set-Cookie` header: what a browser sends back, and the attributes.
fn cookie(answer: &Answer) -> (String, String) {
    let all = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    let (value, attributes) = all.split_once(';').unwrap();
    (value.to_owned(), attributes.to_owned())
}

#[test]
fn the_payment_page_has_an_address_that_pays_and_shows_nothing_else() {
    let dir = Dir::new("pay-page");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let order = server.send(hold("victor", 2)).json();
    let (id, secret) = (text(&order, "id"), text(&order, "secret"));
    let lead = server.get(&format!("{}/pay", page_of(&order)));
    let at = lead.header("location").unwrap().to_owned();
    assert!(lead.status == 303 && at.starts_with(&format!("/pay/{id}/")), "{lead:?}");
    let (way_back, attributes) = cookie(&lead);
    for attribute in [&format!("Path=/pay/{id}"), "HttpOnly", "SameSite=Lax", "Max-Age="] {
        assert!(attributes.contains(attribute), "{attributes}");
    }
    assert!(!attributes.contains("Secure"), "the tests speak plain HTTP");

    let nothing_else = |answer: &Answer| {
        let all = format!("{}\n{}", answer.headers, answer.text());
        for told in [&secret[..], "victor", "example.org", "set-cookie"] {
            assert!(!all.contains(told), "{told} in {all}");
        }
    };
    let shown = server.get(&at);
    assert!(shown.status == 200 && shown.text().contains("£50.00"), "{shown:?}");
    nothing_else(&shown);
    let pay_secret = at.rsplit('/').next().unwrap();
    for (request, what) in [
        (Request::get(&format!("/orders/{id}/{pay_secret}")), "the order's page"),
        (Request::get(&format!("/orders/{id}/{pay_secret}/pay")), "the way to the payment page"),
        (Request::form(&format!("/orders/{id}/{pay_secret}/cancel"), &[]), "cancelling"),
        (Request::get(&format!("/api/v1/orders/{id}")).bearer(pay_secret), "the API"),
        (
            Request::new("POST", &format!("/api/v1/orders/{id}/cancel")).bearer(pay_secret),
            "the API",
        ),
        (
            Request::new("POST", &format!("/api/v1/orders/{id}/refunds"))
                .bearer(pay_secret)
                .json(&json!({"all": true, "restock": true})),
            "a refund",
        ),
        (Request::get(&format!("/pay/{id}/{secret}")), "the order's secret instead"),
        (Request::form(&format!("/pay/{id}/0"), &[("token", "ctoken_ok")]), "no secret"),
    ] {
        let answer = server.send(request);
        assert!([401, 404].contains(&answer.status), "{what}: {answer:?}");
        assert!(!answer.headers.contains("set-cookie"), "{what}");
    }
    // A declined card, then one whose bank asks.
    let back = format!("{at}/order");
    let declined = server.send(Request::form(&at, &[("token", "ctoken_declined")]));
    assert_eq!((declined.status, declined.header("location")), (303, Some(&*back)));
    let state = server.get(&back);
    assert!(state.text().contains("declined") && state.text().contains(&at), "{state:?}");
    nothing_else(&state);
    let asked = server.send(Request::form(&at, &[("token", "ctoken_3ds")]));
    let bank = asked.header("location").unwrap();
    nothing_else(&server.get(bank));
    let waits = server.get(&at);
    assert!(waits.text().contains(bank), "the bank waits: {waits:?}");
    let answered = server.send(Request::form(bank, &[("answer", "yes")]));
    assert_eq!(answered.header("location"), Some(&*back));

    // Who comes back makes the server read what the bank has said.
    nothing_else(&server.get(&back));

    // Nothing is left to pay: only who came from the order's page is led back to it.
    eventually("it is paid", || server.send(look(&order)).json()["state"] == "paid");
    let paid = server.send(look(&order)).json();
    let code = text(&paid["tickets"][0], "code");
    for path in [&at, &back] {
        let stranger = server.get(path);
        assert_eq!(stranger.status, 200);
        assert!(stranger.text().contains("Your tickets are on the page of your order"));
        assert!(!stranger.text().contains(&code));
        nothing_else(&stranger);
        let own = Request::get(path).header("cookie", &format!("a=b; {way_back}; c=d"));
        let led = server.send(own.clone());
        assert_eq!((led.status, led.header("location")), (303, Some(&*page_of(&order))));
        let page =
            own.clone().header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
        assert_eq!(server.send(page).status, 303);
        // A script of the page, or a frame in it, learns nothing.
        for (header, value) in [
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-mode", "same-origin"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-dest", "iframe"),
            ("sec-fetch-dest", "empty"),
        ] {
            let script = server.send(own.clone().header(header, value));
            assert_eq!(script.status, 200, "{header}: {value}");
            nothing_else(&script);
        }
        let other = server.send(hold("bob", 1)).json();
        let wrong = format!("nts_order={}", text(&other, "secret"));
        assert_eq!(server.send(Request::get(path).header("cookie", &wrong)).status, 200);
    }
    // The old address of the payment page goes on to take forms.
    let other = server.send(hold("cyd", 1)).json();
    let old = format!("{}/pay", page_of(&other));
    let done = server.send(Request::form(&old, &[("token", "ctoken_ok")]));
    assert_eq!((done.status, done.header("location")), (303, Some(&*page_of(&other))));
}

#[test]
fn behind_tls_the_way_back_is_a_secure_cookie() {
    let dir = Dir::new("pay-secure");
    let stripe = Stripe::start();
    let mut settings = stripe.settings().to_vec();
    // What the harness reads from the first line is not needed: the port is.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (at, url) = (format!("127.0.0.1:{port}"), "https://tickets.example.org");
    settings.extend([("NTS_ADDRESS", &*at), ("NTS_PUBLIC_URL", url)]);
    let quiet = std::process::Stdio::null;
    let mut command = nts(&dir);
    let mut child = command.envs(settings).stdout(quiet()).stderr(quiet()).spawn().unwrap();
    eventually("it serves", || Request::get("/readyz").send(&at).is_ok_and(|a| a.status == 200));
    let made = put_event("rock", 5, 300).send(&at).unwrap();
    assert_eq!(made.status, 201);
    let order = hold("ann", 1).send(&at).unwrap().json();
    let lead = Request::get(&format!("{}/pay", page_of(&order))).send(&at).unwrap();
    let page = Request::get(lead.header("location").unwrap()).send(&at).unwrap().text();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(cookie(&lead).1.ends_with("; Secure"), "{lead:?}");
    assert!(page.contains(&format!("data-return=\"{url}/pay/")), "{page}");
}

/// Passes bytes on to the fake Stripe, and keeps what was sent there.
fn tap(to: String) -> (String, Arc<Mutex<Vec<u8>>>) {
    let (listener, heard) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::default());
    let at = format!("http://{}", listener.local_addr().unwrap());
    let kept: Arc<Mutex<Vec<u8>>> = Arc::clone(&heard);
    std::thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let stripe = TcpStream::connect(to.trim_start_matches("http://")).unwrap();
            let (mut back, mut answers) = (from.try_clone().unwrap(), stripe.try_clone().unwrap());
            std::thread::spawn(move || _ = std::io::copy(&mut answers, &mut back));
            let (kept, mut from, mut stripe) = (Arc::clone(&kept), from, stripe);
            std::thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(read @ 1..) = from.read(&mut buffer) {
                    kept.lock().unwrap().extend_from_slice(&buffer[..read]);
                    if stripe.write_all(&buffer[..read]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (at, heard)
}

#[test]
fn stripe_is_told_the_address_that_only_pays() {
    let dir = Dir::new("pay-return");
    let stripe = Stripe::start();
    let mut settings = stripe.settings().to_vec();
    let base = settings.iter_mut().find(|(name, _)| *name == "NTS_STRIPE_API_BASE").unwrap();
    let (tapped, heard) = tap(base.1.to_owned());
    base.1 = &tapped;
    let server = Server::start_with(&dir, &settings);
    server.make_event(10, 300);
    let order = server.send(hold("ann", 1)).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).json()["state"], "paid");
    let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
    let (id, secret) = (text(&order, "id"), text(&order, "secret"));
    let returns = format!("%2Fpay%2F{id}%2F");
    assert!(heard.contains("return_url=") && heard.contains(&returns), "{heard}");
    assert!(!heard.contains(&secret), "the order's own secret stays here");
    let page =
        server.get(server.get(&format!("{}/pay", page_of(&order))).header("location").unwrap());
    assert!(!page.text().contains(&secret), "{page:?}");
}

#[test]
fn another_site_cannot_make_a_browser_do_anything() {
    let dir = Dir::new("cross-site");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let order = server.send(hold("ann", 1)).json();
    let fields = [("name", "Eve"), ("email", "eve@example.org"), ("quantity:adult", "1")];
    let requests = [
        Request::form("/events/rock/orders", &fields),
        hold("eve", 1),
        pay(&order, "ctoken_ok"),
        put_event("rock", 20, 300),
        Request::form(&format!("{}/cancel", page_of(&order)), &[]),
        Request::form(&format!("{}/pay", page_of(&order)), &[("token", "ctoken_ok")]),
        Request::form("/nts/v1/reserve", &[("fullname", "Eve")]),
        Request::form(CHARGE, &[("fullname", "Eve"), ("stripeToken", "tok_visa")]),
        Request::form("/nts/v1/debug/reset", &[]),
        Request::new("DELETE", "/api/v1/events/rock"),
        Request::new("POST", "/nowhere"),
    ];
    let site = |request: &Request, value: &str| {
        server.send(request.clone().header("sec-fetch-site", value).header("origin", "null"))
    };
    for request in &requests {
        for value in ["cross-site", "same-site", "Cross-Site", "whatever"] {
            let answer = site(request, value);
            assert_eq!(answer.status, 403, "{value}: {answer:?}");
            assert!(
                answer.text().contains("another site")
                    || answer.code() == Some(ProblemCode::CrossSite)
            );
        }
    }
    assert_eq!(server.counts(), (1, 0, 9), "nothing of it was done");
    // Looking is free, and our own pages, bookmarks and programs are who they are.
    for path in ["/", "/events/rock", "/api/v1/events/rock", "/assets/nts.css"] {
        assert_eq!(site(&Request::get(path), "cross-site").status, 200, "{path}");
    }
    assert_eq!(site(&requests[0], "same-origin").status, 303);
    assert_eq!(site(&requests[1], "none").status, 201);
    assert_eq!(server.counts(), (3, 0, 7));

    let stripe = Stripe::start();
    let dir = Dir::new("cross-site-stripe");
    let server = Server::start_with(&dir, &stripe.settings());
    let webhook = Request::new("POST", "/stripe/webhook").header("sec-fetch-site", "cross-site");
    assert_eq!(server.send(webhook.json(&json!({}))).status, 400, "it is judged by its signature");
}

#[test]
fn a_reset_from_a_browser_is_asked_about_first() {
    let dir = Dir::new("reset");
    let server = Server::start(&dir);
    assert_eq!(reserve(&server, &[("fullname", "Ann")]).status, 200);
    let reset = |fields: &[(&str, &str)]| Request::form("/nts/v1/debug/reset", fields);
    let left = |server: &Server| server.get("/").text().contains("only 5 left");
    let evil = reset(&[]).header("origin", "https://evil.example");
    assert_eq!(server.send(evil).status, 403);
    let own = format!("http://{}", server.address);
    for header in [("sec-fetch-site", "same-origin"), ("origin", &own)] {
        for confirm in ["", "yes", "00000000000000000000000000"] {
            let asked = server.send(reset(&[("confirm", confirm)]).header(header.0, header.1));
            assert_eq!(asked.status, 200, "{asked:?}");
            assert!(!left(&server), "nothing was done");
            let form = PageForm::of(&asked.text(), "/nts/v1/debug/reset").expect("a question");
            assert!(form.field("confirm").is_some_and(|value| value.len() == 26));
        }
    }
    let asked = server.send(reset(&[]).header("sec-fetch-site", "same-origin"));
    let form = PageForm::of(&asked.text(), "/nts/v1/debug/reset").unwrap();
    let done = server.send(form.with(&[]).header("sec-fetch-site", "same-origin"));
    assert_eq!((done.status, done.header("location")), (303, Some("/")));
    assert!(left(&server));
    // A script does it at once, whatever it sends along.
    assert_eq!(reserve(&server, &[("fullname", "Ann")]).status, 200);
    assert_eq!(server.send(Request::new("POST", "/nts/v1/debug/reset")).status, 303);
    assert!(left(&server));
}

#[test]
fn a_key_alone_is_nobody() {
    let dir = Dir::new("keys-of-holds");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let key = "the-key-of-the-readme";
    let (ann, bob) = (server.send(hold("ann", 1).key(key)), server.send(hold("bob", 1).key(key)));
    assert_eq!((ann.status, bob.status), (201, 201), "two people who chose the same key");
    assert!(ann.json()["id"] != bob.json()["id"]);
    assert_eq!(server.send(hold("ann", 1).key(key)).body, ann.body, "each gets the own answer");
    assert_eq!(server.send(hold("bob", 1).key(key)).body, bob.body);
    for short in ["1", "123456789012345"] {
        let answer = server.send(hold("cyd", 1).key(short));
        assert_eq!((answer.status, answer.code()), (400, Some(ProblemCode::Invalid)), "{answer:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("at least 16 characters"));
    }
    // Where the secret is shown anyway, a key is a name and no more.
    assert_eq!(server.send(pay(&ann.json(), "ctoken_ok").key("1")).status, 200);
    assert_eq!(server.counts(), (1, 1, 8));
}
