//! What somebody tries who has had access, has it for another event, or has none: keys that outlive their makers,
//! browsers that are still known, values that are made up, codes that are not theirs to see.

use super::*;
use axum::http::Method;
use nts_server::access::Role;
use nts_server::accounts::own::NotChanged;
use nts_server::accounts::sign_in::Visitor;
use nts_server::admission::client::Client;
use nts_server::admission::network::{Network, Peer};
use nts_server::admission::sign_ins::Tries;
use nts_server::store::records::RecordChange;
use nts_server::store::records::accounts::GrantRow;
use tokio::time::timeout;

const CODE: &str = "FRIENDSOFTHEBAND";

impl Office {
    /// What a program gets that sends this key.
    async fn with(&self, key: &str, method: Method, path: &str, body: &str) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {key}"));
        self.ask(&Browser::default(), request, body.to_owned()).await
    }

    async fn status(&self, key: &str, path: &str) -> u16 {
        self.with(key, Method::GET, path, "").await.status
    }

    /// Makes an event with a code.
    async fn event(&self, slug: &str, more: &str) {
        let path = format!("/api/v1/events/{slug}");
        let made = self.with(KEY, Method::PUT, &path, &event(more)).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }

    /// A key of this role, for the events of these slugs; an empty one: for all.
    async fn key(&self, maker: &Browser, role: &str, events: &[&str]) -> String {
        let mut fields = vec![("name", "A program"), ("role", role)];
        fields.extend(events.iter().map(|event| ("event", *event)));
        let page = self.post(maker, "/office/keys", &fields).await;
        assert_eq!(page.status, 200, "{}", page.body);
        between(&page.body, r#"id="key" value=""#, "\"").to_owned()
    }

    async fn give(&self, owner: &Browser, email: &str, role: &str, event: &str) {
        let path = format!("/office/people/{}/role", account(email));
        let given = self.post(owner, &path, &[("role", role), ("event", event)]).await;
        assert_eq!((given.status, given.location()), (303, "/office/people"), "{}", given.body);
    }

    async fn take(&self, owner: &Browser, email: &str, event: &str) {
        let path = format!("/office/people/{}/role/take", account(email));
        let taken = self.post(owner, &path, &[("event", event)]).await;
        assert_eq!((taken.status, taken.location()), (303, "/office/people"), "{}", taken.body);
    }

    async fn remove(&self, owner: &Browser, email: &str) {
        let path = format!("/office/people/{}/remove", account(email));
        assert_eq!(self.post(owner, &path, &[]).await.status, 303);
    }

    /// Uses up what all unknown browsers may try at an account.
    fn attack(&self, email: &str) {
        let account = nts_server::accounts::account_id(email);
        let tries = || {
            let tried =
                self.app.admission.may_sign_in(Client::Unlimited, account, None, Tries::Password);
            tried.is_ok()
        };
        while tries() {}
    }

    /// What signing in with the right password is answered in this browser.
    async fn sign_in_at(&self, browser: &Browser, email: &str, password: &str) -> Reply {
        self.post(browser, "/office/sign-in", &[("email", email), ("password", password)]).await
    }
}

fn account(email: &str) -> String {
    format!("{:032x}", nts_server::accounts::account_id(email))
}

fn event(more: &str) -> String {
    format!(
        r#"{{"name": "A show", "starts_at": "2031-05-01T20:00:00Z", "zone": "UTC", "currency": "GBP",
            "pools": [{{"id": "all", "capacity": 10}}],
            "ticket_types": [
                {{"id": "adult", "name": "Adult", "pool": "all", "price": {{"amount": 900, "currency": "GBP"}}}},
                {{"id": "crew", "name": "Crew", "pool": "all", "hidden": true,
                  "price": {{"amount": 100, "currency": "GBP"}}}}],
            "codes": [{{"code": "{CODE}", "uses": 5, "opens": ["crew"]}}]{more}}}"#
    )
}

/// What is left of a browser that keeps only the mark by which it is known.
fn known_only(browser: &Browser) -> Browser {
    let mark = browser.0.iter().filter(|(name, _)| *name == "nts-device");
    Browser(mark.map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_may_never_do_more_than_its_maker_and_ends_with_them() {
    const BO: &str = "bo@example.org";
    for office in Office::each("key-of-maker").await {
        let owner = office.owner().await;
        office.event("rock", "").await;
        office.event("jazz", "").await;
        let bo = office.member(BO, "owner").await;
        let manager = office.key(&bo, "manager", &[""]).await;
        let full = office.key(&bo, "owner", &[""]).await;
        let rock = office.key(&bo, "box_office", &["rock", "jazz"]).await;
        // A key that a key of theirs has made.
        let form = "name=Child&role=read_only&event=";
        let request = Request::builder()
            .method("POST")
            .uri("/office/keys")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", format!("Bearer {full}"));
        let page = office.ask(&Browser::default(), request, form.into()).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let child = between(&page.body, r#"id="key" value=""#, "\"").to_owned();
        let of_organiser = {
            let request = Request::builder()
                .method("POST")
                .uri("/office/keys")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("authorization", format!("Bearer {KEY}"));
            let page = office.ask(&Browser::default(), request, form.into()).await;
            between(&page.body, r#"id="key" value=""#, "\"").to_owned()
        };
        let orders = |slug: &str| format!("/api/v1/events/{slug}/orders");
        assert_eq!(office.status(&full, "/office/people").await, 200);
        for key in [&manager, &rock, &child, &of_organiser] {
            assert_eq!(office.status(key, &orders("rock")).await, 200);
            assert_eq!(office.status(key, &orders("jazz")).await, 200);
        }

        // Less: another role, and for one event.
        office.give(&owner, BO, "read_only", "rock").await;
        office.take(&owner, BO, "").await;
        assert_eq!(office.status(&full, "/office/people").await, 403);
        for key in [&manager, &full, &rock, &child] {
            assert_eq!(office.status(key, &orders("rock")).await, 200);
            assert_eq!(office.status(key, &orders("jazz")).await, 403);
            let put = office.with(key, Method::PUT, "/api/v1/events/rock", &event("")).await;
            assert_eq!(put.status, 403, "{}", put.body);
        }
        let list = office.get(&owner, "/office/keys").await;
        assert!(list.body.contains("read-only, A show"), "{}", list.body);
        assert!(!list.body.contains("manager, all events"), "{}", list.body);
        // Check-in is no part of looking.
        office.give(&owner, BO, "door", "rock").await;
        assert_eq!(office.status(&child, &orders("rock")).await, 403);
        assert_eq!(office.status(&rock, "/api/v1/door/keys").await, 200);
        assert_eq!(office.status(&child, "/api/v1/door/keys").await, 403);
        // And again what it was.
        office.give(&owner, BO, "owner", "").await;
        assert_eq!(office.status(&full, "/office/people").await, 200);
        assert_eq!(office.status(&child, &orders("jazz")).await, 200);
        assert_eq!(office.status(&rock, &orders("jazz")).await, 200);

        // Whoever made them is removed: they end, and stay so when that person comes back.
        office.remove(&owner, BO).await;
        let all = [&manager, &full, &rock, &child];
        for key in all {
            assert_eq!(office.status(key, "/api/v1/door/keys").await, 401);
        }
        assert_eq!(office.status(&of_organiser, &orders("rock")).await, 200, "it is nobody's");
        let list = office.get(&owner, "/office/keys").await;
        assert_eq!(list.body.matches("End this key").count(), 1, "{}", list.body);
        assert_eq!(office.log(&["key_ended"]).await.len(), 4);
        office.member(BO, "owner").await;
        for key in all {
            assert_eq!(office.status(key, &orders("rock")).await, 401);
        }
        // A key that is ended ends those that it has made.
        let parent = office.key(&owner, "owner", &[""]).await;
        let request = Request::builder()
            .method("POST")
            .uri("/office/keys")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", format!("Bearer {parent}"));
        let page = office.ask(&Browser::default(), request, form.into()).await;
        let child = between(&page.body, r#"id="key" value=""#, "\"").to_owned();
        assert_eq!(office.status(&child, &orders("rock")).await, 200);
        let list = office.get(&owner, "/office/keys").await;
        let of_child = list.body.split("<section").find(|s| s.contains("<h2>A program")).unwrap();
        let id = between(of_child, r#"<form action="/office/keys/"#, "/end").to_owned();
        assert_eq!(office.post(&owner, &format!("/office/keys/{id}/end"), &[]).await.status, 303);
        assert_eq!(office.status(&parent, &orders("rock")).await, 401);
        assert_eq!(office.status(&child, &orders("rock")).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_ends_with_the_right_to_invite() {
    const BO: &str = "bo@example.org";
    for office in Office::each("invited-by").await {
        let owner = office.owner().await;
        let bo = office.member(BO, "owner").await;
        let invite = |by: Browser, email: &'static str| {
            let office = &office;
            async move {
                let fields = [("email", email), ("role", "owner"), ("event", "")];
                let reply = office.post(&by, "/office/people/invitations", &fields).await;
                assert_eq!(reply.status, 303, "{}", reply.body);
                let page = office.get(&by, reply.location()).await;
                let url = between(&page.body, r#"id="link" value=""#, "\"").to_owned();
                url.strip_prefix("http://localhost:8080").unwrap().to_owned()
            }
        };
        let link = invite(bo.clone(), "second-self@example.org").await;
        let nobody = Browser::default();
        assert_eq!(office.get(&nobody, &link).await.status, 200);
        office.give(&owner, BO, "manager", "").await;
        assert_eq!(office.get(&nobody, &link).await.status, 404);
        let fields = [("name", "Bo again"), ("password", PASSWORD)];
        assert_eq!(office.post(&nobody, &link, &fields).await.status, 404);
        // One to somebody who is removed, in another spelling of the address.
        let first = invite(owner.clone(), "jo@m\u{fc}ller.example").await;
        let other = invite(owner.clone(), "JO@xn--mller-kva.example").await;
        assert_eq!(office.post(&nobody, &first, &fields).await.status, 303);
        office.remove(&owner, "jo@m\u{fc}ller.example").await;
        assert_eq!(office.get(&nobody, &other).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_known_until_the_password_changes() {
    let other = "another horse battery";
    for office in Office::each("known-browsers").await {
        let owner = office.owner().await;
        let (_, lost) = office.sign_in(OWNER, PASSWORD).await;
        office.attack(OWNER);
        let at = |browser: &Browser, password: &'static str| {
            let (office, browser) = (&office, known_only(browser));
            async move { office.sign_in_at(&browser, OWNER, password).await.status }
        };
        assert_eq!(at(&Browser::default(), PASSWORD).await, 429);
        assert_eq!(at(&owner, PASSWORD).await, 303);
        assert_eq!(at(&lost, PASSWORD).await, 303);

        // Ending sessions ends the marks of the others.
        let (_, third) = {
            let reply = office.sign_in_at(&known_only(&owner), OWNER, PASSWORD).await;
            let mut browser = Browser::default();
            browser.take(&reply);
            (reply, browser)
        };
        let ended = office.post(&third, "/office/account/sessions", &[]).await;
        assert_eq!(ended.status, 303);
        let mut here = third.clone();
        here.take(&ended);
        assert_eq!(at(&lost, PASSWORD).await, 429);
        assert_eq!(at(&owner, PASSWORD).await, 429);
        assert_eq!(at(&here, PASSWORD).await, 303, "this browser is known on");

        // So does another password.
        let changed = office.post(&here, "/office/account/password", &[("password", other)]).await;
        assert_eq!(changed.status, 303, "{}", changed.body);
        let before = here.clone();
        here.take(&changed);
        assert_eq!(at(&before, other).await, 429);
        assert_eq!(at(&here, other).await, 303);

        // And the link of whoever owns the machine, which sets another one.
        let back = office.member(OWNER, "owner").await;
        assert_eq!(at(&here, PASSWORD).await, 429);
        assert_eq!(at(&back, PASSWORD).await, 303);

        // Whoever was removed is as a stranger after coming back.
        let member = office.member("m@example.org", "door").await;
        let owner = {
            let reply = office.sign_in_at(&known_only(&back), OWNER, PASSWORD).await;
            let mut browser = Browser::default();
            browser.take(&reply);
            browser
        };
        office.remove(&owner, "m@example.org").await;
        let again = office.member("m@example.org", "door").await;
        office.attack("m@example.org");
        let at = |browser: &Browser| {
            let (office, browser) = (&office, known_only(browser));
            async move { office.sign_in_at(&browser, "m@example.org", PASSWORD).await.status }
        };
        assert_eq!(at(&member).await, 429);
        assert_eq!(at(&again).await, 303);
        // Somebody who is signed in can show who they are, whatever strangers do.
        let confirmed = {
            let mut session_only = again.clone();
            session_only.0.remove("nts-device");
            office.post(&session_only, "/office/confirm", &[("password", PASSWORD)]).await
        };
        assert_eq!(confirmed.status, 303, "{}", confirmed.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_up_is_refused_without_the_database() {
    let office = Office::start("made-up", "", 1).await;
    let owner = office.owner().await;
    let key = office.key(&owner, "door", &[""]).await;
    // The only reader is busy from now on.
    let (goes_on, waits) = std::sync::mpsc::channel::<()>();
    let reads = office.app.sales.reads.clone();
    let mut busy = JoinSet::new();
    busy.spawn(async move {
        _ = reads
            .ask(move |_| {
                _ = waits.recv();
                Ok(())
            })
            .await;
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let accounts = &office.app.accounts;
    let long = Duration::from_secs(20);
    let damaged = |text: &str| {
        let last = if text.ends_with('0') { "1" } else { "0" };
        format!("{}{last}", &text[..text.len() - 1])
    };
    let session = owner.session();
    for made_up in [
        "0".repeat(52),
        damaged(session),
        session.to_lowercase(),
        format!("{session}0"),
        "é".repeat(26),
    ] {
        let found = timeout(long, accounts.session(&made_up)).await;
        assert!(found.expect("no question").unwrap().is_none(), "{made_up}");
    }
    for made_up in [
        format!("nts_sk_{}", "0".repeat(52)),
        damaged(&key),
        key.to_uppercase(),
        format!("{key}0"),
        "nts_sk_".into(),
        format!("nts_sk_{}", "é".repeat(26)),
    ] {
        let found = timeout(long, accounts.key(&made_up)).await;
        assert!(found.expect("no question").unwrap().is_none(), "{made_up}");
    }
    for made_up in ["0".repeat(52), "m7b7d-00".into()] {
        assert!(!timeout(long, accounts.signs_in(&made_up)).await.expect("none").unwrap());
        assert!(!timeout(long, accounts.awaits_code(&made_up)).await.expect("none").unwrap());
        assert!(timeout(long, accounts.invited(&made_up)).await.expect("none").unwrap().is_none());
    }
    // The right ones are questions.
    let short = Duration::from_millis(100);
    assert!(timeout(short, accounts.session(session)).await.is_err());
    assert!(timeout(short, accounts.key(&key)).await.is_err());
    goes_on.send(()).unwrap();
    busy.join_all().await;
    assert!(accounts.session(session).await.unwrap().is_some());
    assert!(accounts.key(&key).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_are_for_whoever_may_change_the_event() {
    for office in Office::each("codes-seen").await {
        let owner = office.owner().await;
        office.event("rock", "").await;
        let put = office
            .with(KEY, Method::PUT, "/api/v1/events/rock", &event(r#", "place": "The Hall""#))
            .await;
        assert_eq!(put.status, 200, "{}", put.body);
        for role in Role::ALL {
            let events: &[&str] = if role == Role::Owner { &[""] } else { &["", "rock"] };
            for of in events {
                let key = office.key(&owner, role.word(), &[of]).await;
                let told = office.with(&key, Method::GET, "/api/v1/events/rock", "").await;
                assert_eq!(told.status, 200);
                let changes = matches!(role, Role::Owner | Role::Manager);
                assert_eq!(told.body.contains(CODE), changes, "{role}: {}", told.body);
                let sees = role != Role::Door;
                assert_eq!(told.body.contains("Crew"), sees, "{role}: {}", told.body);
                for page in ["", "/orders", "/edit", "/log", "/accounts", "/export", "/cancel"] {
                    let path = format!("/office/events/rock{page}");
                    let page = office.with(&key, Method::GET, &path, "").await;
                    assert!(changes || !page.body.contains(CODE), "{role} {path}: {}", page.body);
                }
                for path in ["/office", "/office/events/new?copy=rock", "/api/v1/events"] {
                    let page = office.with(&key, Method::GET, path, "").await;
                    assert!(changes || !page.body.contains(CODE), "{role} {path}: {}", page.body);
                }
            }
        }
        let log = office.log(&["event_created", "event_changed"]).await;
        assert!(log.len() == 2 && !log.concat().contains(CODE), "{log:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_password_ends_what_was_begun_with_the_old_one() {
    for office in Office::each("begun").await {
        let owner = office.owner().await;
        let (secret, _) = office.set_up(&owner).await;
        let (step, _) = office.sign_in(OWNER, PASSWORD).await;
        let step = step.location().to_owned();
        let nobody = Browser::default();
        assert_eq!(office.get(&nobody, &step).await.status, 200);
        office.post(&nobody, "/office/sign-in/link", &[("email", OWNER)]).await;
        let link = office.mailed(OWNER, 1).await.expect("a mail");
        let changed = office
            .post(&owner, "/office/account/password", &[("password", "another horse battery")])
            .await;
        assert_eq!(changed.status, 303, "{}", changed.body);
        office.pass(30_000);
        let code = totp::code(&secret, office.now() / 30_000);
        assert_eq!(office.post(&nobody, &step, &[("code", &code)]).await.status, 404);
        assert_eq!(office.post(&nobody, &link, &[]).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_of_an_authenticator_that_is_set_up_is_not_shown_again() {
    for office in Office::each("secret-once").await {
        let owner = office.owner().await;
        let (_, other) = office.sign_in(OWNER, PASSWORD).await;
        let (secret, _) = office.set_up(&owner).await;
        let again = office.get(&owner, "/office/account/authenticator").await;
        assert_eq!(again.status, 200);
        assert_ne!(unbase32(between(&again.body, "<code>", "</code>")), secret);
        // Whoever had signed in without it is out.
        assert!(office.is_in(&owner).await && !office.is_in(&other).await);
        // Nor after it was taken off.
        let off = office.post(&owner, "/office/account/authenticator/remove", &[]).await;
        assert_eq!(off.status, 303);
        let again = office.get(&owner, "/office/account/authenticator").await;
        assert_ne!(unbase32(between(&again.body, "<code>", "</code>")), secret);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_have_no_character_that_steers_what_shows_them() {
    let office = Office::start("names", "", 1).await;
    let owner = office.owner().await;
    for name in ["a\u{202e}b", "a\nb", "a\u{1b}[31mb", "a\u{2028}b", "a\u{200b}b"] {
        let fields = [("name", name), ("role", "door"), ("event", "")];
        let reply = office.post(&owner, "/office/keys", &fields).await;
        assert_eq!(reply.status, 422, "{name:?}");
        let fields = [("email", "x@example.org"), ("role", "door"), ("event", "")];
        let reply = office.post(&owner, "/office/people/invitations", &fields).await;
        let page = office.get(&owner, reply.location()).await;
        let url = between(&page.body, r#"id="link" value=""#, "\"").to_owned();
        let path = url.strip_prefix("http://localhost:8080").unwrap();
        let fields = [("name", name), ("password", PASSWORD)];
        let reply = office.post(&Browser::default(), path, &fields).await;
        assert_eq!(reply.status, 422, "{name:?}");
    }
    // What a browser says of itself is kept without them.
    let request = Request::builder()
        .method("POST")
        .uri("/office/sign-in")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("user-agent", "Mozilla\t[31m");
    let form = format!("email={OWNER}&password={}", PASSWORD.replace(' ', "+"));
    let reply = office.ask(&Browser::default(), request, form).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    let told = office.log(&["signed_in"]).await;
    assert!(!told.concat().contains(|c: char| c.is_control()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_of_a_refund_is_one_line_that_can_be_seen() {
    let office = Office::start("reasons", "", 1).await;
    office.event("rock", "").await;
    let held = office
        .with(
            "none",
            Method::POST,
            "/api/v1/events/rock/orders",
            r#"{"buyer": {"name": "A", "email": "a@example.org"},
                "lines": [{"ticket_type": "adult", "quantity": 1}]}"#,
        )
        .await;
    assert_eq!(held.status, 201, "{}", held.body);
    let order = between(&held.body, r#""id":""#, "\"").to_owned();
    let path = format!("/api/v1/orders/{order}/refunds");
    let refund = |reason: String| {
        let (office, path) = (&office, path.clone());
        let body = format!(r#"{{"all": true, "restock": true, "reason": "{reason}"}}"#);
        async move { office.with(KEY, Method::POST, &path, &body).await }
    };
    for reason in ["a\\nb".into(), "\\u202eb".into(), "\\u001b[2J".into(), "a".repeat(301)] {
        let refused = refund(reason).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(refused.body.contains("at most 300 characters"), "{}", refused.body);
    }
    // Nothing is paid yet, but the reason is one.
    assert_eq!(refund("ill".into()).await.status, 409);
}

impl Office {
    /// A form that is sent from the network of this address.
    async fn post_from(
        &self,
        address: &str,
        browser: &Browser,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Reply {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .extension(Peer(address.parse().unwrap()));
        let mut form = form_urlencoded::Serializer::new(String::new());
        fields.iter().for_each(|(name, value)| _ = form.append_pair(name, value));
        self.ask(browser, request, form.finish()).await
    }

    /// Signs the owner in by the password and a code, in a browser that keeps only the mark of this one.
    async fn sign_in_with_code(&self, before: &Browser, code: &str) -> Browser {
        let known = known_only(before);
        let step = self.sign_in_at(&known, OWNER, PASSWORD).await;
        assert!(step.location().starts_with("/office/code/"), "{} {}", step.status, step.body);
        let signed = self.post(&known, step.location(), &[("code", code)]).await;
        assert_eq!(signed.status, 303, "{}", signed.body);
        let mut browser = known;
        browser.take(&signed);
        browser
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_session_makes_itself_no_new_budgets() {
    for office in Office::each("stolen-session").await {
        let owner = office.owner().await;
        let mut thief = owner.clone();
        thief.0.remove("nts-device");
        let (mut confirms, mut signs) = (Vec::new(), Vec::new());
        for _ in 0..12 {
            let ended = office.post(&thief, "/office/account/sessions", &[]).await;
            assert_eq!(ended.status, 303);
            // With the mark of before, with the new one, and with the mark alone.
            let wrong = [("password", "wrong horse")];
            confirms.push(office.post(&thief, "/office/confirm", &wrong).await.status);
            thief.take(&ended);
            let known = known_only(&thief);
            signs.push(office.sign_in_at(&known, OWNER, "wrong horse").await.status);
        }
        let expected = [vec![422; 10], vec![429; 2]].concat();
        assert_eq!(confirms, expected, "signing in once more");
        assert_eq!(signs, expected, "signing in with the mark");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_codes_of_all_sessions_of_an_account_are_few_and_keep_its_owner_from_nothing_else() {
    for office in Office::each("wrong-codes").await {
        let owner = office.owner().await;
        let (_, codes) = office.set_up(&owner).await;
        let second = office.sign_in_with_code(&Browser::default(), &codes[0]).await;
        let third = office.sign_in_with_code(&Browser::default(), &codes[1]).await;
        let mut wrong = 0;
        for browser in [&owner, &second, &third] {
            for _ in 0..10 {
                let reply = office.post(browser, "/office/confirm", &[("code", "000000")]).await;
                match reply.status {
                    422 => wrong += 1,
                    429 => {}
                    other => panic!("{other} {}", reply.body),
                }
            }
        }
        assert_eq!(wrong, 20);
        // The password still confirms, and a browser that is known signs in.
        let confirmed = office.post(&owner, "/office/confirm", &[("password", PASSWORD)]).await;
        assert_eq!(confirmed.status, 303, "{}", confirmed.body);
        office.sign_in_with_code(&second, &codes[2]).await;
        // So does a link by mail.
        let nobody = Browser::default();
        office.post(&nobody, "/office/sign-in/link", &[("email", OWNER)]).await;
        let link = office.mailed(OWNER, 1).await.expect("a mail");
        let step = office.post(&nobody, &link, &[]).await;
        let signed = office.post(&nobody, step.location(), &[("code", &codes[3])]).await;
        assert_eq!(signed.status, 303, "{}", signed.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_of_a_neighbour_cost_no_code_and_lost_tickets_no_link() {
    const ADDRESS: &str = "203.0.113.9";
    let office = Office::start("neighbour", "", 1).await;
    let owner = office.owner().await;
    let (_, codes) = office.set_up(&owner).await;
    let client = Client::Network(Network::of(ADDRESS.parse().unwrap()));
    let admission = &office.app.admission;
    let mut others = 0..;
    while admission.may_sign_in(client, others.next().unwrap(), None, Tries::Password).is_ok() {}
    while admission.may_ask_for_lost(client).is_ok() {}
    let nobody = Browser::default();
    let fields = [("email", OWNER), ("password", PASSWORD)];
    let refused = office.post_from(ADDRESS, &nobody, "/office/sign-in", &fields).await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    let asked = office.post_from(ADDRESS, &nobody, "/office/sign-in/link", &fields[..1]).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    let link = office.mailed(OWNER, 1).await.expect("a mail");
    let step = office.post_from(ADDRESS, &nobody, &link, &[]).await;
    let code = [("code", codes[0].as_str())];
    let signed = office.post_from(ADDRESS, &nobody, step.location(), &code).await;
    assert_eq!(signed.status, 303, "{}", signed.body);
    // Links have a limit of their own, and take nothing from lost tickets.
    let mut links = 0;
    loop {
        let asked = office.post_from(ADDRESS, &nobody, "/office/sign-in/link", &[("email", "x")]);
        match asked.await.status {
            200 => links += 1,
            429 => break,
            other => panic!("{other}"),
        }
    }
    assert_eq!(links, 19);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_links_that_are_asked_for_at_one_moment_one_is_sent() {
    for office in Office::each("links-at-once").await {
        office.owner().await;
        let nobody = Browser::default();
        for round in 1..=3 {
            let fields = [("email", OWNER)];
            let all: Vec<_> =
                (0..24).map(|_| office.post(&nobody, "/office/sign-in/link", &fields)).collect();
            assert!(join_all(all).await.iter().all(|reply| reply.status == 200));
            office.mailed(OWNER, round).await.expect("a mail");
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(office.mailbox.0.lock().unwrap().len(), round);
            office.pass(2 * MINUTE_MS);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_role_waits_for_somebody_who_was_removed() {
    const BO: &str = "bo@example.org";
    for office in Office::each("role-of-removed").await {
        let owner = office.owner().await;
        office.member(BO, "door").await;
        office.remove(&owner, BO).await;
        let grant = |event: u64, role: Role| GrantRow {
            holder: nts_server::accounts::account_id(BO),
            event: boxoffice::EventId(event),
            role,
            made_by: nts_server::actor::Actor::System,
            at_ms: NOW_MS,
        };
        // As if it were given at the moment at which the person was removed.
        let writer = &office.app.accounts.writer;
        writer.write(vec![grant(0, Role::Manager).put_unless_last_owner()]).await.unwrap();
        // And as a version before this one has left it.
        writer.write(vec![RecordChange::put(&grant(7, Role::Manager))]).await.unwrap();
        office.member(BO, "door").await;
        let held = {
            let permit = nts_server::access::Caller::owner(nts_server::actor::Actor::System);
            let people = office.app.accounts.people(&permit.shop_permit().unwrap()).await.unwrap();
            let bo = people.into_iter().find(|person| person.account.email == BO).unwrap();
            bo.grants.into_iter().map(|grant| (grant.event.0, grant.role)).collect::<Vec<_>>()
        };
        assert_eq!(held, [(0, Role::Door)]);
        // Another role for somebody who is there replaces it as before.
        office.give(&owner, BO, "manager", "").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_has_the_number_0() {
    const BO: &str = "bo@example.org";
    let office = Office::start("event-0", "", 1).await;
    let owner = office.owner().await;
    office.member(BO, "door").await;
    let person = format!("/office/people/{}", account(BO));
    for event in ["#0", "#00", "#+0"] {
        for (path, fields) in [
            (format!("{person}/role"), &[("role", "manager"), ("event", event)][..]),
            (format!("{person}/role/take"), &[("event", event)]),
            (
                "/office/people/invitations".into(),
                &[("email", "x@example.org"), ("role", "manager"), ("event", event)],
            ),
            ("/office/keys".into(), &[("name", "a"), ("role", "manager"), ("event", event)]),
        ] {
            let refused = office.post(&owner, &path, fields).await;
            assert_eq!(refused.status, 422, "{path} {event}: {}", refused.body);
        }
    }
    let told = office.log(&["role_given", "role_taken", "invited", "key_made"]).await;
    assert!(told.is_empty(), "{told:?}");
    office.take(&owner, BO, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_has_ended_changes_nothing_of_its_account() {
    for office in Office::each("ended-session").await {
        let owner = office.owner().await;
        let (_, codes) = office.set_up(&owner).await;
        office.pass(30_000);
        let accounts = &office.app.accounts;
        // Requests that were under way when the session was ended from elsewhere.
        let who = accounts.session(owner.session()).await.unwrap().unwrap();
        let other = office.sign_in_with_code(&Browser::default(), &codes[0]).await;
        let ended = office.post(&other, "/office/account/sessions", &[]).await;
        assert_eq!(ended.status, 303);
        assert!(!office.is_in(&owner).await && office.is_in(&other).await);
        let visitor = || Visitor {
            client: Client::Unlimited,
            browser: Default::default(),
            device: owner.0.get("nts-device").cloned(),
        };
        let changed = accounts.change_password(&who, "another horse battery", visitor()).await;
        assert_eq!(changed, Err(NotChanged::SessionEnded));
        let (written, _) = accounts.totp_setup(&who).await.unwrap();
        let code = totp::code(&unbase32(&written), office.now() / 30_000);
        let set = accounts.set_totp(&who, &code, &visitor()).await;
        assert_eq!(set, Err(NotChanged::SessionEnded));
        assert_eq!(accounts.renew_codes(&who).await, Err(NotChanged::SessionEnded));
        assert_eq!(accounts.remove_totp(&who).await, Err(NotChanged::SessionEnded));
        let ended = accounts.end_sessions(&who, None, &visitor()).await;
        assert_eq!(ended, Err(NotChanged::SessionEnded));
        // Everything is as it was, and the log tells of nothing else.
        assert!(office.is_in(&other).await);
        office.sign_in_with_code(&other, &codes[1]).await;
        assert_eq!(office.log(&["second_step_changed", "password_changed"]).await.len(), 1);
        // The same is done in the session that is there.
        let renewed = office.post(&other, "/office/account/recovery-codes", &[]).await;
        assert_eq!(renewed.status, 200, "{}", renewed.body);
        let off = office.post(&other, "/office/account/authenticator/remove", &[]).await;
        assert_eq!(off.status, 303);
        let fields = [("password", "another horse battery")];
        let changed = office.post(&other, "/office/account/password", &fields).await;
        assert_eq!((changed.status, changed.location()), (303, "/office/account"));
        let mut newer = other.clone();
        newer.take(&changed);
        assert!(office.is_in(&newer).await && !office.is_in(&other).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_only_open_does_not_keep_a_session() {
    for office in Office::each("open-page").await {
        let owner = office.owner().await;
        office.event("rock", "").await;
        office.pass(11 * HOUR_MS);
        let request = Request::builder()
            .uri("/office/events/rock/live")
            .header("cookie", format!("nts-office={}", owner.session()));
        let request = request.body(Body::empty()).unwrap();
        let mut live = office.router.clone().oneshot(request).await.unwrap();
        assert_eq!(live.status(), 200);
        let first = timeout(Duration::from_secs(20), live.body_mut().frame()).await;
        assert!(first.unwrap().unwrap().is_ok());
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(live);
        office.pass(HOUR_MS);
        assert!(!office.is_in(&owner).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_not_read_of_whoever_may_not_send_it() {
    let office = Office::start("files", "", 1).await;
    let owner = office.owner().await;
    office.event("rock", "").await;
    let door = office.key(&owner, "door", &["rock"]).await;
    // More than anybody may send: that would be the answer if it were read.
    let large = "x".repeat(9 << 20);
    for path in [
        "/office/shop/logo",
        "/office/events/rock/picture",
        "/office/events/rock/guests",
        "/api/v1/events/rock/guests",
    ] {
        let refused = office.with(&door, Method::POST, path, &large).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.body);
        let refused = office.with(KEY, Method::POST, path, &large).await;
        assert_eq!(refused.status, 413, "{path}: {}", refused.body);
    }
}
