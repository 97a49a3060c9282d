//! The office's accounts, on both databases, with a clock that the tests turn: what works once, what ends when,
//! and what somebody must show first.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use nts_server::accounts::{Machine, machine_link, totp};
use nts_server::app::App;
use nts_server::clock::Clock;
use nts_server::config::Config;
use nts_server::http;
use nts_server::ids::{Ids, Secrets, digest};
use nts_server::mail::{Composed, Relay, Sent};
use nts_server::reads::Reads;
use nts_server::run::{Assembled, MailParts, Parts, assemble};
use nts_server::store::Database;
use nts_server::store::records::audit_log::{Filter, last};
use nts_server::webhooks::send::{Carry, Post, Sending};
use nts_server::writer::Writer;
use nts_testkit::Postgres;
use sandbox::{in_memory, join_all};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tower::ServiceExt;

#[path = "office/attacks.rs"]
mod attacks;
#[path = "office/door.rs"]
mod door;
mod sandbox;

const KEY: &str = "a-key-for-the-tests";
/// 2030-01-01 12:00 UTC, in milliseconds.
const NOW_MS: i64 = 1_893_499_200_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const PASSWORD: &str = "correct horse battery";
const OWNER: &str = "Owner@example.org";

/// A relay that takes everything.
#[derive(Default)]
struct Mailbox(Mutex<Vec<(String, Composed)>>);

impl Relay for Mailbox {
    async fn send(&self, _: u128, to: &str, mail: &Composed) -> Sent {
        self.0.lock().unwrap().push((to.to_owned(), mail.clone()));
        Sent::Accepted
    }
}

/// No receiver of webhooks can be reached.
struct Nowhere;

impl Carry for Nowhere {
    fn carry(&self, _: Post) -> Sending<'_> {
        Box::pin(async { Err("There is no network.".into()) })
    }
}

/// A server without a socket.
struct Office {
    router: Router,
    app: Arc<App>,
    time: Arc<AtomicI64>,
    database: Database,
    mailbox: Arc<Mailbox>,
    dir: PathBuf,
    _tasks: JoinSet<()>,
}

/// An answer.
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    fn location(&self) -> &str {
        self.headers.get("location").map_or("", |to| to.to_str().unwrap())
    }

    fn cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|set| set.to_str().unwrap()).collect()
    }
}

/// A browser with its cookies.
#[derive(Clone, Default)]
struct Browser(BTreeMap<String, String>);

impl Browser {
    fn take(&mut self, reply: &Reply) {
        for set in reply.cookies() {
            let (name, rest) = set.split_once('=').unwrap();
            self.0.insert(name.into(), rest.split(';').next().unwrap().into());
        }
    }

    fn session(&self) -> &str {
        self.0.get("nts-office").map_or("", String::as_str)
    }
}

impl Office {
    async fn start(name: &str, database: &str, node: u8) -> Office {
        let dir = std::env::temp_dir().join(format!("nts-office-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let time = Arc::new(AtomicI64::new(NOW_MS));
        let clock = Clock::Manual(Arc::clone(&time));
        let path = dir.join("nts.db").display().to_string();
        let database = if database.is_empty() { &path } else { database };
        let flags = ["--overload-lag-ms=0", "--address=127.0.0.1:8080", "--show=", "--database"];
        let config = Config::from_flags(flags.into_iter().chain([database])).unwrap();
        let database = Database::parse(database).unwrap();
        let opened = {
            let (database, clock) = (database.clone(), clock.clone());
            let open = move || database.open(clock).unwrap();
            tokio::task::spawn_blocking(open).await.unwrap()
        };
        let ids = Arc::new(Ids::new([node; 32], opened.last_high));
        let secrets = Secrets::new([2; 32]);
        let (sandbox, stripe, of_database) = in_memory(&clock, &ids, secrets.shop());
        let mailbox = Arc::new(Mailbox::default());
        let reader = {
            let (database, clock) = (database.clone(), clock.clone());
            tokio::task::spawn_blocking(move || database.reader(&clock).unwrap()).await.unwrap()
        };
        let Assembled { app, jobs, told, tasks } = assemble(Parts {
            config,
            clock: of_database,
            ids,
            secrets,
            ticket_keys: vec![],
            organiser_key: digest(&[b"organiser", KEY.as_bytes()]),
            events: vec![],
            reads: Reads::threads(vec![reader]).unwrap(),
            stripe,
            sandbox: Some(sandbox),
            mail: Some(MailParts {
                compose: None,
                relay: Arc::clone(&mailbox) as Arc<dyn nts_server::mail::AnyRelay>,
                per_second: 100,
            }),
            webhooks: vec![],
            carry: Arc::new(Nowhere),
            mail_look: Duration::from_millis(20),
            process: i64::from(node),
            look: Duration::from_secs(3_600),
            due_at_once: 100,
            retention: Duration::from_secs(3_600),
            pulse: None,
            follow: Duration::from_secs(1),
        });
        let writer = Writer::new(opened.store, Arc::clone(&app.metrics))
            .telling(Arc::clone(&app.webhooks.list));
        std::thread::spawn(move || writer.run(jobs, &told));
        let mut running = JoinSet::new();
        for task in tasks {
            running.spawn(task);
        }
        let router = http::router(Arc::clone(&app));
        Office { router, app, time, database, mailbox, dir, _tasks: running }
    }

    /// One on each database that there is.
    async fn each(name: &str) -> Vec<Office> {
        let mut all = vec![Office::start(name, "", 1).await];
        if let Some(server) = Postgres::shared() {
            let url = server.url(&server.database());
            all.push(Office::start(&format!("{name}-pg"), &url, 1).await);
        }
        all
    }

    fn pass(&self, ms: i64) {
        self.time.fetch_add(ms, Ordering::SeqCst);
    }

    fn now(&self) -> i64 {
        self.time.load(Ordering::SeqCst)
    }

    async fn ask(
        &self,
        browser: &Browser,
        request: axum::http::request::Builder,
        body: String,
    ) -> Reply {
        let cookies: Vec<String> = browser.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let request = request.header("cookie", cookies.join("; ")).body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap_or_else(|n| match n {});
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Reply { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    async fn get(&self, browser: &Browser, path: &str) -> Reply {
        self.ask(browser, Request::builder().uri(path), String::new()).await
    }

    async fn post(&self, browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Reply {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        let mut form = form_urlencoded::Serializer::new(String::new());
        fields.iter().for_each(|(name, value)| _ = form.append_pair(name, value));
        self.ask(browser, request, form.finish()).await
    }

    /// Somebody accepts an invitation.
    async fn accept(&self, link: &str, email: &str) -> Browser {
        let path = format!("/office/welcome/{link}");
        let fields = [("email", email), ("name", "A person"), ("password", PASSWORD)];
        let reply = self.post(&Browser::default(), &path, &fields).await;
        assert_eq!((reply.status, reply.location()), (303, "/office"), "{}", reply.body);
        let mut browser = Browser::default();
        browser.take(&reply);
        browser
    }

    async fn owner(&self) -> Browser {
        self.accept(&self.app.accounts.first_owner(), OWNER).await
    }

    /// Whoever owns the machine lets somebody in.
    async fn member(&self, email: &str, role: &str) -> Browser {
        let (email, role) = (email.to_owned(), role.to_owned());
        let nonce = self.app.ids.random() as u64;
        let offer = Machine { email, role, event: None, ends_ms: self.now() + DAY_MS, nonce };
        self.accept(&machine_link(&self.app.secrets, &offer), "").await
    }

    async fn sign_in(&self, email: &str, password: &str) -> (Reply, Browser) {
        let fields = [("email", email), ("password", password)];
        let reply = self.post(&Browser::default(), "/office/sign-in", &fields).await;
        let mut browser = Browser::default();
        browser.take(&reply);
        (reply, browser)
    }

    async fn is_in(&self, browser: &Browser) -> bool {
        let reply = self.get(browser, "/office/account").await;
        match (reply.status, reply.location()) {
            (200, "") => true,
            (303, "/office/sign-in?next=%2Foffice%2Faccount") => false,
            other => panic!("{other:?} {}", reply.body),
        }
    }

    /// The path of the link in the last mail to this address, if there were so many.
    async fn mailed(&self, to: &str, count: usize) -> Option<String> {
        for _ in 0..500 {
            let mails = self.mailbox.0.lock().unwrap().clone();
            let own: Vec<&Composed> =
                mails.iter().filter(|(of, _)| of == to).map(|(_, mail)| mail).collect();
            if own.len() >= count {
                assert_eq!(own.len(), count);
                let text = &own.last()?.text;
                let at = text.find("http://localhost:8080/office/").expect(text);
                let url = text[at..].split_whitespace().next().unwrap();
                return Some(url.strip_prefix("http://localhost:8080").unwrap().to_owned());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        None
    }

    /// What the audit log says of these actions.
    async fn log(&self, actions: &[&str]) -> Vec<String> {
        let (database, clock) = (self.database.clone(), Clock::Manual(Arc::clone(&self.time)));
        let lines = tokio::task::spawn_blocking(move || {
            let mut reader = database.reader(&clock).unwrap();
            last(reader.tables(), &Filter { limit: 1_000, ..Filter::default() }).unwrap()
        });
        let lines = lines.await.unwrap().into_iter();
        let lines = lines.filter(|line| actions.contains(&line.action.word()));
        lines.map(|line| format!("{}: {}", line.action.word(), line.detail)).collect()
    }

    /// Sets an authenticator up. Gives its secret and the recovery codes.
    async fn set_up(&self, browser: &Browser) -> (Vec<u8>, Vec<String>) {
        let path = "/office/account/authenticator";
        let page = self.get(browser, path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let secret = unbase32(between(&page.body, "<code>", "</code>"));
        let code = totp::code(&secret, self.now() / 30_000);
        let wrong = self.post(browser, path, &[("code", "12345")]).await;
        assert_eq!(wrong.status, 422);
        let set = self.post(browser, path, &[("code", &code)]).await;
        assert_eq!(set.status, 200, "{}", set.body);
        let codes = set.body.split("<code>").skip(1);
        let codes: Vec<String> = codes.map(|c| c.split('<').next().unwrap().to_owned()).collect();
        assert_eq!(codes.len(), 10);
        (secret, codes)
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("{begin} in {text}"));
    rest.split_once(end).unwrap().0
}

/// RFC 4648, of whole groups.
fn unbase32(text: &str) -> Vec<u8> {
    let letters = text.chars().filter(|c| !c.is_whitespace());
    let mut bits = 0u64;
    let (mut count, mut bytes) = (0, Vec::new());
    for c in letters {
        let digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).unwrap();
        bits = bits << 5 | digit as u64;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_owner_is_made_once() {
    for office in Office::each("first-owner").await {
        let nobody = Browser::default();
        let path = format!("/office/welcome/{}", office.app.accounts.first_owner());
        // Looking at it uses nothing.
        for _ in 0..2 {
            assert_eq!(office.get(&nobody, &path).await.status, 200);
        }
        for (fields, fault) in [
            ([("email", ""), ("name", "A"), ("password", PASSWORD)], "enter your e-mail"),
            ([("email", "a@b@c"), ("name", "A"), ("password", PASSWORD)], "e-mail address"),
            ([("email", OWNER), ("name", ""), ("password", PASSWORD)], "enter your name"),
            ([("email", OWNER), ("name", "A"), ("password", "short")], "at least 10"),
            ([("email", OWNER), ("name", "A"), ("password", OWNER)], "easy to guess"),
        ] {
            let reply = office.post(&nobody, &path, &fields).await;
            assert_eq!(reply.status, 422, "{fields:?}");
            assert!(reply.body.contains(fault), "{}", reply.body);
            assert!(reply.cookies().is_empty());
        }
        // It lasts a day, and another start prints another one.
        office.pass(DAY_MS - 1);
        assert_eq!(office.get(&nobody, &path).await.status, 200);
        let other = format!("/office/welcome/{}", office.app.accounts.first_owner());
        assert_ne!(other, path);
        office.pass(1);
        assert_eq!(office.get(&nobody, &path).await.status, 404);
        let fields = [("email", OWNER), ("name", "A"), ("password", PASSWORD)];
        assert_eq!(office.post(&nobody, &path, &fields).await.status, 404);
        assert_eq!(office.get(&nobody, &other).await.status, 200);
        let path = other;
        // Of many at one moment one has it, whichever link each of them has.
        let mut made = 0;
        let all = (0..5).map(|n| {
            let email = format!("owner{n}@example.org");
            let first = office.app.accounts.first_owner();
            let path = if n % 2 == 0 { path.clone() } else { format!("/office/welcome/{first}") };
            let office = &office;
            async move {
                let fields = [("email", &*email), ("name", "A"), ("password", PASSWORD)];
                office.post(&Browser::default(), &path, &fields).await.status
            }
        });
        let all: Vec<_> = all.collect();
        for status in join_all(all).await {
            assert!([303, 404].contains(&status), "{status}");
            made += usize::from(status == 303);
        }
        assert_eq!(made, 1);
        assert_eq!(office.get(&nobody, &path).await.status, 404);
        assert_eq!(office.log(&["account_made", "signed_in"]).await.len(), 2);
        let (reply, _) = office.sign_in(OWNER, PASSWORD).await;
        assert_eq!(reply.status, 422, "nobody else was made");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_given_at_sign_in_and_ends() {
    for office in Office::each("session").await {
        office.owner().await;
        // A session that somebody else has chosen is none, before and after.
        let mut fixed = Browser::default();
        fixed.0.insert(
            "nts-office".into(),
            "0123456789ABCDEFGHJKMNPQRSTVWXYZ0123456789ABCDEFGHJK".into(),
        );
        let fields =
            [("email", "owner@EXAMPLE.org"), ("password", PASSWORD), ("next", "/office?a=b")];
        let reply = office.post(&fixed, "/office/sign-in", &fields).await;
        assert_eq!((reply.status, reply.location()), (303, "/office?a=b"));
        let mut signed = Browser::default();
        signed.take(&reply);
        assert_ne!(signed.session(), fixed.session());
        assert_eq!(signed.session().len(), 52);
        assert!(office.is_in(&signed).await && !office.is_in(&fixed).await);
        for cookie in reply.cookies() {
            assert!(
                cookie.ends_with("; HttpOnly; SameSite=Lax") && cookie.contains("; Path=/;"),
                "{cookie}"
            );
        }
        // Signing in again in the same browser ends the session that it had.
        let again = office.post(&signed, "/office/sign-in", &fields[..2]).await;
        assert_eq!((again.status, again.location()), (303, "/office"));
        let mut newer = Browser::default();
        newer.take(&again);
        assert!(office.is_in(&newer).await && !office.is_in(&signed).await);
        // Elsewhere is nowhere.
        for next in
            ["https://evil.example/", "//evil.example", "/events/x", "/office/../x", "/\\evil"]
        {
            let fields = [("email", OWNER), ("password", PASSWORD), ("next", next)];
            let reply = office.post(&Browser::default(), "/office/sign-in", &fields).await;
            assert_eq!(reply.location(), "/office", "{next}");
            let page =
                office.get(&Browser::default(), &format!("/office/sign-in?next={next}")).await;
            assert!(page.body.contains(r#"name="next" value="/office""#), "{}", page.body);
        }
        // Signing out.
        let out = office.post(&newer, "/office/sign-out", &[]).await;
        assert_eq!((out.status, out.location()), (303, "/office/sign-in"));
        assert!(out.cookies()[0].starts_with("nts-office=; Path=/; Max-Age=0;"));
        assert!(!office.is_in(&newer).await);
        // Whoever is not signed in is led back after it; what was sent is told to be lost.
        let led = office.get(&newer, "/office/people?x=1").await;
        assert_eq!(led.location(), "/office/sign-in?next=%2Foffice%2Fpeople%3Fx%3D1");
        let lost = office.post(&newer, "/office/keys", &[("name", "x")]).await;
        assert_eq!(lost.location(), "/office/sign-in?lost=1");
        let page = office.get(&newer, lost.location()).await;
        assert!(page.body.contains("do it again"), "{}", page.body);
        // A session counts in the office only.
        let (_, signed) = office.sign_in(OWNER, PASSWORD).await;
        assert_eq!(office.get(&signed, "/api/v1/door/keys").await.status, 401);
        // Unused for long.
        office.pass(12 * HOUR_MS - 1);
        assert!(office.is_in(&signed).await);
        wait_until_seen(&office, &signed).await;
        office.pass(12 * HOUR_MS - 1);
        assert!(office.is_in(&signed).await, "it was used");
        wait_until_seen(&office, &signed).await;
        office.pass(12 * HOUR_MS);
        assert!(!office.is_in(&signed).await);
        // And after a month in any case.
        let (_, signed) = office.sign_in(OWNER, PASSWORD).await;
        for _ in 0..59 {
            office.pass(12 * HOUR_MS - 1);
            assert!(office.is_in(&signed).await);
            wait_until_seen(&office, &signed).await;
        }
        office.pass(12 * HOUR_MS);
        assert!(!office.is_in(&signed).await);
    }
}

/// That a session was used is written beside the answer.
async fn wait_until_seen(office: &Office, browser: &Browser) {
    for _ in 0..1_000 {
        let found = office.app.accounts.session(browser.session()).await.unwrap().unwrap();
        if found.session.seen_ms == office.now() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it was not written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_matters_needs_a_recent_sign_in() {
    for office in Office::each("recent").await {
        let owner = office.owner().await;
        assert_eq!(office.get(&owner, "/office/people").await.status, 200);
        office.pass(10 * MINUTE_MS);
        assert_eq!(office.get(&owner, "/office").await.status, 200, "looking needs none");
        let led = office.get(&owner, "/office/people").await;
        assert_eq!((led.status, led.location()), (303, "/office/confirm?next=%2Foffice%2Fpeople"));
        for (path, fields) in [
            ("/office/people/invitations", &[("email", "a@b.c"), ("role", "door")][..]),
            ("/office/keys", &[("name", "a"), ("role", "door"), ("event", "")]),
            ("/office/account/password", &[("password", "another horse")]),
            ("/office/account/authenticator/remove", &[]),
        ] {
            let lost = office.post(&owner, path, fields).await;
            assert_eq!((lost.status, lost.location()), (303, "/office/confirm?lost=1"), "{path}");
        }
        let page = office.get(&owner, "/office/confirm?lost=1").await;
        assert!(page.body.contains("do it again"));
        let wrong = office.post(&owner, "/office/confirm", &[("password", "wrong horse")]).await;
        assert_eq!(wrong.status, 422);
        let fields = [("password", PASSWORD), ("next", "/office/people")];
        let confirmed = office.post(&owner, "/office/confirm", &fields).await;
        assert_eq!((confirmed.status, confirmed.location()), (303, "/office/people"));
        let mut newer = Browser::default();
        newer.take(&confirmed);
        assert_ne!(newer.session(), owner.session());
        assert_eq!(office.get(&newer, "/office/people").await.status, 200);
        assert!(!office.is_in(&owner).await, "the session before has ended");
        // It does not last longer by that.
        office.pass(9 * MINUTE_MS);
        assert_eq!(office.get(&newer, "/office/people").await.status, 200);
        let began = office.app.accounts.session(newer.session()).await.unwrap().unwrap();
        assert_eq!(began.session.begun_ms, NOW_MS);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_by_mail_signs_in_once() {
    for office in Office::each("link").await {
        office.owner().await;
        let nobody = Browser::default();
        let ask = |email: &str| {
            let (office, nobody, email) = (&office, &nobody, email.to_owned());
            async move {
                let fields = [("email", &*email), ("next", "/office/keys")];
                office.post(nobody, "/office/sign-in/link", &fields).await
            }
        };
        // The answer is the same for whom there is no account.
        let (known, unknown) = (ask(OWNER).await, ask("nobody@example.org").await);
        assert_eq!((known.status, &known.body), (200, &unknown.body));
        assert_eq!(known.headers.len(), unknown.headers.len());
        let link = office.mailed(OWNER, 1).await.expect("a mail");
        // Not twice in two minutes.
        ask(OWNER).await;
        // Programs that look at it use nothing.
        for _ in 0..3 {
            assert_eq!(office.get(&nobody, &link).await.status, 200);
        }
        let damaged = format!("{}0", &link[..link.len() - 1]);
        if damaged != link {
            assert_eq!(office.post(&nobody, &damaged, &[]).await.status, 404);
        }
        let all: Vec<_> = (0..6).map(|_| office.post(&nobody, &link, &[])).collect();
        let all = join_all(all).await;
        let (opened, late): (Vec<_>, Vec<_>) = all.iter().partition(|reply| reply.status == 303);
        assert_eq!((opened.len(), late.len()), (1, 5));
        assert!(late.iter().all(|reply| reply.status == 404 && reply.cookies().is_empty()));
        assert_eq!(opened[0].location(), "/office/keys");
        let mut browser = Browser::default();
        browser.take(opened[0]);
        assert!(office.is_in(&browser).await);
        assert_eq!(office.get(&browser, "/office/people").await.status, 200, "it is recent");
        assert_eq!(office.get(&nobody, &link).await.status, 404);
        assert_eq!(office.log(&["signed_in"]).await.len(), 2, "the owner's first, and this one");
        // A quarter of an hour.
        office.pass(2 * MINUTE_MS);
        ask(OWNER).await;
        let link = office.mailed(OWNER, 2).await.expect("another mail");
        office.pass(15 * MINUTE_MS);
        assert_eq!(office.get(&nobody, &link).await.status, 404);
        assert_eq!(office.post(&nobody, &link, &[]).await.status, 404);
        assert_eq!(office.mailbox.0.lock().unwrap().len(), 2, "nobody else got one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_the_authenticator_counts_once() {
    for office in Office::each("totp").await {
        let owner = office.owner().await;
        let (secret, codes) = office.set_up(&owner).await;
        let code = |step: i64| totp::code(&secret, office.now() / 30_000 + step);
        let begin = || async {
            let (reply, browser) = office.sign_in(OWNER, PASSWORD).await;
            assert_eq!(reply.status, 303);
            assert!(browser.session().is_empty(), "not signed in yet");
            let path = reply.location().to_owned();
            assert!(path.starts_with("/office/code/"), "{path}");
            path
        };
        let nobody = Browser::default();
        // The code that set it up is used.
        let path = begin().await;
        assert_eq!(office.get(&nobody, &path).await.status, 200);
        for wrong in [code(0), code(2), codes[0][1..].into()] {
            let reply = office.post(&nobody, &path, &[("code", &wrong)]).await;
            assert_eq!(reply.status, 422, "{wrong}");
        }
        // The next one counts, for the clock of the phone may be ahead; of many at one moment one has it.
        let paths = [path, begin().await, begin().await];
        let next = code(1);
        let fields = [("code", next.as_str())];
        let all: Vec<_> = paths.iter().map(|path| office.post(&nobody, path, &fields)).collect();
        let all = join_all(all).await;
        assert_eq!(all.iter().filter(|reply| reply.status == 303).count(), 1);
        let signed = all.iter().find(|reply| reply.status == 303).unwrap();
        let mut browser = Browser::default();
        browser.take(signed);
        assert!(office.is_in(&browser).await);
        // Replayed by whoever has looked over the shoulder.
        let path = begin().await;
        office.pass(30_000);
        assert_eq!(office.post(&nobody, &path, &fields).await.status, 422);
        // A recovery code counts once, however it is typed.
        let typed = codes[3].to_lowercase().replace('-', " ");
        let paths = [path, begin().await];
        let fields = [("code", typed.as_str())];
        let all: Vec<_> = paths.iter().map(|path| office.post(&nobody, path, &fields)).collect();
        assert_eq!(join_all(all).await.iter().filter(|reply| reply.status == 303).count(), 1);
        let path = begin().await;
        assert_eq!(office.post(&nobody, &path, &fields).await.status, 422);
        // The second step does not wait for ever.
        office.pass(10 * MINUTE_MS);
        assert_eq!(office.post(&nobody, &path, &[("code", &code(0))]).await.status, 404);
        // A link by mail needs the code as well.
        office.post(&nobody, "/office/sign-in/link", &[("email", OWNER)]).await;
        let link = office.mailed(OWNER, 1).await.expect("a mail");
        let opened = office.post(&nobody, &link, &[]).await;
        assert!(opened.location().starts_with("/office/code/"));
        assert_eq!(office.post(&nobody, &link, &[]).await.status, 404, "it is used");
        let signed = office.post(&nobody, opened.location(), &[("code", &code(0))]).await;
        assert_eq!(signed.status, 303);
        // Confirming takes the code alone, and each once.
        office.pass(30_000);
        let mut browser = Browser::default();
        browser.take(&signed);
        let fresh = code(0);
        let confirmed = office.post(&browser, "/office/confirm", &[("code", &fresh)]).await;
        assert_eq!(confirmed.status, 303);
        browser.take(&confirmed);
        let replayed = office.post(&browser, "/office/confirm", &[("code", &fresh)]).await;
        assert_eq!(replayed.status, 422);
        // Without it the password is enough again.
        let off = office.post(&browser, "/office/account/authenticator/remove", &[]).await;
        assert_eq!(off.status, 303);
        let (reply, _) = office.sign_in(OWNER, PASSWORD).await;
        assert_eq!(reply.location(), "/office");
        let changes = office.log(&["second_step_changed"]).await;
        assert_eq!(changes.len(), 2, "{changes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_accepted_once() {
    for office in Office::each("invitation").await {
        let owner = office.owner().await;
        let invite = |email: &'static str, role: &'static str| {
            let fields = [("email", email), ("role", role), ("event", "")];
            let (office, owner) = (&office, owner.clone());
            async move {
                let reply = office.post(&owner, "/office/people/invitations", &fields).await;
                assert_eq!(reply.status, 303, "{}", reply.body);
                let page = office.get(&owner, reply.location()).await;
                let url = between(&page.body, r#"id="link" value=""#, "\"").to_owned();
                let url = url.strip_prefix("http://localhost:8080").unwrap().to_owned();
                (reply.location().to_owned(), url)
            }
        };
        let nobody = Browser::default();
        let (_, link) = invite("box@example.org", "box_office").await;
        assert_eq!(office.mailed("box@example.org", 1).await.as_ref(), Some(&link));
        // The address is that of the invitation, whatever is sent.
        let fields = [("email", "evil@example.org"), ("name", "Bo"), ("password", PASSWORD)];
        let all: Vec<_> = (0..4).map(|_| office.post(&nobody, &link, &fields)).collect();
        let all = join_all(all).await;
        assert_eq!(all.iter().filter(|reply| reply.status == 303).count(), 1);
        assert_eq!(office.get(&nobody, &link).await.status, 404);
        assert_eq!(office.sign_in("evil@example.org", PASSWORD).await.0.status, 422);
        let (reply, member) = office.sign_in("box@example.org", PASSWORD).await;
        assert_eq!(reply.status, 303);
        assert_eq!(office.get(&member, "/office").await.status, 200);
        let refused = office.get(&member, "/office/people").await;
        assert_eq!(refused.status, 403, "{}", refused.body);
        // Whoever has an account is not invited again.
        let fields = [("email", "BOX@example.org"), ("role", "door"), ("event", "")];
        let again = office.post(&owner, "/office/people/invitations", &fields).await;
        assert_eq!(again.status, 422);
        assert!(again.body.contains("has an account already"));
        for fields in [
            [("email", ""), ("role", "door"), ("event", "")],
            [("email", "x@example.org"), ("role", "king"), ("event", "")],
            [("email", "x@example.org"), ("role", "door"), ("event", "none")],
        ] {
            let reply = office.post(&owner, "/office/people/invitations", &fields).await;
            assert_eq!(reply.status, 422, "{fields:?}");
        }
        // Of two invitations the other one brings nobody back who was removed.
        let (_, first) = invite("two@example.org", "door").await;
        let (_, second) = invite("two@example.org", "box_office").await;
        let fields = [("name", "Two"), ("password", PASSWORD)];
        assert_eq!(office.post(&nobody, &first, &fields).await.status, 303);
        let two = nts_server::accounts::account_id("two@example.org");
        let remove = format!("/office/people/{two:032x}/remove");
        assert_eq!(office.post(&owner, &remove, &[]).await.status, 303);
        assert_eq!(office.get(&nobody, &second).await.status, 404);
        // One that is taken back, and one that nobody has accepted for a week.
        let (page, link) = invite("door@example.org", "door").await;
        assert_eq!(office.post(&owner, &page, &[]).await.status, 303);
        assert_eq!(office.get(&nobody, &link).await.status, 404);
        let (_, link) = invite("late@example.org", "door").await;
        office.pass(7 * DAY_MS);
        assert_eq!(office.get(&nobody, &link).await.status, 404);
        // That of the machine: for whoever is locked out. It gives another password and ends all else.
        let (reply, locked) = office.sign_in(OWNER, PASSWORD).await;
        assert_eq!(reply.status, 303);
        office.set_up(&locked).await;
        let back = office.member(OWNER, "owner").await;
        assert!(office.is_in(&back).await && !office.is_in(&locked).await);
        assert_eq!(
            office.sign_in(OWNER, PASSWORD).await.0.location(),
            "/office",
            "no code any more"
        );
        let made = office.log(&["account_made"]).await;
        let expected = [
            "account_made: Owner@example.org (owner)",
            "account_made: box@example.org (box_office)",
            "account_made: two@example.org (door)",
            "account_made: Owner@example.org (owner)",
        ];
        assert_eq!(made, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_removed_is_out_at_once_and_the_last_owner_stays() {
    for office in Office::each("people").await {
        let owner = office.owner().await;
        let id = |email: &str| format!("{:032x}", nts_server::accounts::account_id(email));
        let manager = office.member("m@example.org", "manager").await;
        let post = |path: String, fields: &'static [(&'static str, &'static str)]| {
            let (office, owner) = (&office, owner.clone());
            async move { office.post(&owner, &path, fields).await }
        };
        // The last owner stays, in every way.
        for (path, fields) in [
            ("remove", &[][..]),
            ("role/take", &[("event", "")]),
            ("role", &[("role", "manager"), ("event", "")]),
        ] {
            let reply = post(format!("/office/people/{}/{path}", id(OWNER)), fields).await;
            assert_eq!(reply.status, 422, "{path}: {}", reply.body);
            assert!(reply.body.contains("last owner"), "{}", reply.body);
        }
        assert!(office.is_in(&owner).await);
        assert_eq!(office.log(&["role_given", "role_taken", "account_removed"]).await.len(), 0);
        // Another role counts at once.
        assert_eq!(office.get(&manager, "/office").await.status, 200);
        let fields = &[("role", "door"), ("event", "")];
        assert_eq!(
            post(format!("/office/people/{}/role", id("m@example.org")), fields).await.status,
            303
        );
        let page = office.get(&manager, "/office").await;
        assert!(!page.body.contains("No such"), "{}", page.body);
        let fields = &[("event", "")];
        let taken = post(format!("/office/people/{}/role/take", id("m@example.org")), fields).await;
        assert_eq!(taken.status, 303);
        assert!(office.is_in(&manager).await, "without any role");
        let removed = post(format!("/office/people/{}/remove", id("m@example.org")), &[]).await;
        assert_eq!(removed.status, 303);
        assert!(!office.is_in(&manager).await);
        assert_eq!(office.sign_in("m@example.org", PASSWORD).await.0.status, 422);
        let again = post(format!("/office/people/{}/remove", id("m@example.org")), &[]).await;
        assert_eq!(again.status, 404);
        // Who was removed can be invited again.
        let back = office.member("m@example.org", "read_only").await;
        assert!(office.is_in(&back).await);
        // Of two owners who remove each other at one moment one stays.
        let other = office.member("o@example.org", "owner").await;
        let of = |email: &str| format!("/office/people/{}/remove", id(email));
        let (a, b) = (of(OWNER), of("o@example.org"));
        let both = vec![office.post(&other, &a, &[]), office.post(&owner, &b, &[])];
        let both = join_all(both).await;
        // Whoever is out already is led to signing in.
        let done = both.iter().filter(|reply| reply.location() == "/office/people");
        assert_eq!(done.count(), 1);
        let left = [office.is_in(&owner).await, office.is_in(&other).await];
        assert_eq!(left.iter().filter(|is| **is).count(), 1);
        let told = office.log(&["role_given", "role_taken", "account_removed"]).await;
        assert_eq!(told.len(), 4, "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_password_ends_all_sessions() {
    for office in Office::each("password").await {
        let owner = office.owner().await;
        let (_, other) = office.sign_in(OWNER, PASSWORD).await;
        let (_, third) = office.sign_in(OWNER, PASSWORD).await;
        let page = office.get(&owner, "/office/account").await;
        assert_eq!(page.body.matches("· this browser").count(), 1, "{}", page.body);
        // One by one.
        let form = between(&page.body, r#"name="session" value=""#, "\"").to_owned();
        let one = office.post(&owner, "/office/account/sessions", &[("session", &form)]).await;
        assert_eq!(one.status, 303);
        let left = [office.is_in(&other).await, office.is_in(&third).await];
        assert_eq!(left.iter().filter(|is| **is).count(), 1);
        assert!(office.is_in(&owner).await);
        // Those of others are not one's own.
        let member = office.member("x@example.org", "owner").await;
        let page = office.get(&member, "/office/account").await;
        assert!(!page.body.contains(r#"name="session""#));
        let ended = office.post(&member, "/office/account/sessions", &[("session", &form)]).await;
        assert_eq!(ended.status, 303);
        assert!(office.is_in(&owner).await);
        let path = "/office/account/password";
        for flaw in ["short", OWNER] {
            assert_eq!(office.post(&owner, path, &[("password", flaw)]).await.status, 422);
        }
        // Whoever signs in with the old one at the same moment is out as well.
        let another = [("password", " another horse battery")];
        let old = [("email", OWNER), ("password", PASSWORD)];
        let nobody = Browser::default();
        let mut both = vec![office.post(&owner, path, &another)];
        both.extend((0..3).map(|_| office.post(&nobody, "/office/sign-in", &old)));
        let both = join_all(both).await;
        assert_eq!(both[0].status, 303, "{}", both[0].body);
        let mut changed = Browser::default();
        changed.take(&both[0]);
        assert!(office.is_in(&changed).await);
        for before in [&owner, &other, &third] {
            assert!(!office.is_in(before).await);
        }
        for reply in &both[1..] {
            let mut late = Browser::default();
            late.take(reply);
            assert!(late.session().is_empty() || !office.is_in(&late).await);
        }
        assert_eq!(office.sign_in(OWNER, PASSWORD).await.0.status, 422);
        assert_eq!(office.sign_in(OWNER, "another horse battery").await.0.status, 422);
        assert_eq!(office.sign_in(OWNER, " another horse battery").await.0.status, 303);
        assert_eq!(office.log(&["password_changed"]).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_an_account_is_told_to_nobody() {
    let office = Office::start("enumeration", "", 1).await;
    office.owner().await;
    let (known, _) = office.sign_in(OWNER, "wrong horse").await;
    let (unknown, _) = office.sign_in("Nobodyx@example.org", "wrong horse").await;
    let (odd, _) = office.sign_in("no address", "wrong horse").await;
    for other in [&unknown, &odd] {
        assert_eq!((known.status, other.status), (422, 422));
    }
    let same = unknown.body.replace("Nobodyx@example.org", OWNER);
    assert_eq!(known.body, same);
    let names = |reply: &Reply| {
        reply.headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&known), names(&unknown));
    let denied = office.log(&["sign_in_denied"]).await;
    assert_eq!(denied.len(), 3, "{denied:?}");
    assert!(denied[0].contains(OWNER) && denied[1].contains("no account"), "{denied:?}");
    assert!(!denied.concat().contains("Nobodyx"), "what was typed may be a password");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_shown_once_and_ends() {
    for office in Office::each("keys").await {
        let owner = office.owner().await;
        let make = |fields: &'static [(&'static str, &'static str)]| {
            let (office, owner) = (&office, owner.clone());
            async move { office.post(&owner, "/office/keys", fields).await }
        };
        for fields in [
            &[("name", ""), ("role", "door"), ("event", "")][..],
            &[("name", "a"), ("role", "king"), ("event", "")],
            &[("name", "a"), ("role", "door")],
            &[("name", "a"), ("role", "door"), ("event", "none")],
        ] {
            assert_eq!(make(fields).await.status, 422, "{fields:?}");
        }
        let made = make(&[("name", "The <b>scanner"), ("role", "door"), ("event", "")]).await;
        assert_eq!(made.status, 200, "{}", made.body);
        let key = between(&made.body, r#"id="key" value=""#, "\"").to_owned();
        assert!(key.starts_with("nts_sk_") && key.len() == 59, "{key}");
        let with = |key: &str, path: &str| {
            let request =
                Request::builder().uri(path).header("authorization", format!("Bearer {key}"));
            let office = &office;
            async move { office.ask(&Browser::default(), request, String::new()).await.status }
        };
        assert_eq!(with(&key, "/api/v1/door/keys").await, 200);
        assert_eq!(with(&key, "/office/people").await, 403);
        assert_eq!(with(&format!("{key}0"), "/api/v1/door/keys").await, 401);
        assert_eq!(with(&key.to_uppercase(), "/api/v1/door/keys").await, 401);
        let list = office.get(&owner, "/office/keys").await;
        assert!(list.body.contains("The &#60;b&#62;scanner"), "{}", list.body);
        assert!(!list.body.contains(&key[..20]), "it is shown once");
        let path = between(&list.body, r#"<form action="/office/keys/"#, "\"");
        let ended = office.post(&owner, &format!("/office/keys/{path}"), &[]).await;
        assert_eq!(ended.status, 303);
        assert_eq!(with(&key, "/api/v1/door/keys").await, 401);
        let told = office.log(&["key_made", "key_ended"]).await;
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(!told.concat().contains(&key[..20]));
    }
}
