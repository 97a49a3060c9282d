//! Signing in to the office, at the real binary: the link of the first start, that of the command line, cookies,
//! guessing, and what a flood of log-ins costs the sale.

use crate::harness::*;
use crate::staff::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[test]
fn every_start_prints_how_to_make_the_owner_until_there_is_one() {
    let dir = Dir::new("first-owner");
    let server = Server::start(&dir);
    let link = first_link(&server).expect("a link");
    server.kill();
    let server = Server::start(&dir);
    let second = first_link(&server).expect("another link");
    assert_ne!(second, link);
    for link in [&link, &second] {
        assert_eq!(server.get(link).status, 200, "each lasts a day");
    }
    let owner = accept(&server, &link, OWNER);
    let office = server.send(owner.dress(Request::get("/office")));
    assert_eq!(office.status, 200);
    for link in [&link, &second] {
        assert_eq!(server.get(link).status, 404);
    }
    server.kill();

    let server = Server::start(&dir);
    assert_eq!(first_link(&server), None);
    assert_eq!(server.get(&link).status, 404);
    let office = server.send(owner.dress(Request::get("/office")));
    assert_eq!(office.status, 200, "the session is in the database");
    // Whoever has a key of the organiser's is an owner as before.
    assert_eq!(server.send(Request::get("/office/people").bearer(KEY)).status, 200);
}

#[test]
fn whoever_owns_the_machine_lets_people_in_beside_a_running_server() {
    let dir = Dir::new("office-invite");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let invite = |arguments: &[&str]| {
        let mut command = nts(&dir);
        let address = format!(":{}", server.address.split(':').next_back().unwrap());
        command.env("NTS_ADDRESS", address).args(["office", "invite"]).args(arguments);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let path = text.trim().strip_prefix(&format!("http://localhost{}", &server.address[9..]));
        (output.status.success(), path.map(str::to_owned), said(&output))
    };
    let (done, link, said) = invite(&["ann@example.org", "--role", "manager", "--event", "rock"]);
    assert!(done, "{said}");
    let link = link.expect("a link, alone on the line");
    let mut ann = accept(&server, &link, "");
    assert_eq!(server.get(&link).status, 404, "once");
    assert_eq!(ann.get(&server, "/office").status, 200);
    assert_eq!(ann.get(&server, "/office/people").status, 403);
    // Who has forgotten everything gets in again.
    let (_, again, _) = invite(&["Ann@example.org", "--role", "owner"]);
    let mut back = accept(&server, &again.expect("a link"), "");
    assert_eq!(back.get(&server, "/office/people").status, 200);
    assert_eq!(ann.get(&server, "/office").status, 303, "her sessions have ended");
    let damaged = link.replace("6d616e61676572", "6f776e65722020");
    assert_ne!(damaged, link);
    assert_eq!(server.get(&damaged).status, 404, "its role is a part of what it proves");
    for wrong in [
        &["ann@example.org"][..],
        &["ann@example.org", "--role", "king"],
        &["ann", "--role", "owner"],
        &["ann@example.org", "--role", "owner", "--event", "rock"],
        &["ann@example.org", "--role", "door", "--event", "jazz"],
    ] {
        let (done, link, said) = invite(wrong);
        assert!(!done && link.is_none(), "{wrong:?}: {said}");
    }
    // The log of the house knows of both.
    let log = nts(&dir).args(["audit-log"]).output().unwrap();
    let log = String::from_utf8(log.stdout).unwrap();
    assert_eq!(log.matches("account_made").count(), 2, "{log}");
}

#[test]
fn cookies_are_for_this_host_alone_and_for_no_script() {
    let dir = Dir::new("office-cookies");
    let server = Server::start(&dir);
    let link = first_link(&server).unwrap();
    let fields = [("email", OWNER), ("name", "Ann"), ("password", PASSWORD)];
    let done = server.send(Request::form(&link, &fields));
    let set = cookies(&done);
    assert_eq!(set.len(), 2, "{set:?}");
    assert!(set[0].starts_with("nts-office=") && set[1].starts_with("nts-device="), "{set:?}");
    for cookie in &set {
        assert!(cookie.contains("; Path=/;") && cookie.ends_with("; HttpOnly; SameSite=Lax"));
    }
    server.kill();
    let server = Server::start_with(&dir, &[("NTS_PUBLIC_URL", "https://tickets.example.org")]);
    let fields = [("email", OWNER), ("password", PASSWORD)];
    let done = server.send(Request::form("/office/sign-in", &fields));
    let set = cookies(&done);
    assert!(set[0].starts_with("__Host-nts-office="), "{set:?}");
    assert!(set[1].starts_with("__Host-nts-device="), "{set:?}");
    for cookie in &set {
        assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
        assert!(cookie.contains("; Path=/;") && !cookie.contains("Domain"), "{cookie}");
    }
    let session = set[0].split(';').next().unwrap();
    let page = server.send(Request::get("/office").header("cookie", session));
    assert_eq!(page.status, 200);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    // A cookie without the prefix could have been set by another host of the domain.
    let plain = session.strip_prefix("__Host-").unwrap();
    assert_eq!(server.send(Request::get("/office").header("cookie", plain)).status, 303);
}

/// A server behind a proxy, which tells it who asks, with an owner.
fn behind_a_proxy(dir: &Dir) -> (Server, Visitor) {
    let server = Server::start_with(dir, &[("NTS_TRUSTED_PROXIES", "127.0.0.1")]);
    let owner = owner(&server);
    (server, owner)
}

#[test]
fn guessing_gets_slower_and_keeps_nobody_out_who_was_in() {
    let dir = Dir::new("guessing");
    let (server, owner) = behind_a_proxy(&dir);
    let known: Visitor = Visitor(
        owner
            .0
            .iter()
            .filter(|(name, _)| *name == "nts-device")
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect(),
    );
    assert_eq!(known.0.len(), 1);
    let attempt = |visitor: &Visitor, from: &str, email: &str, password: &str| {
        let fields = [("email", email), ("password", password)];
        let request = Request::form("/office/sign-in", &fields).forwarded_for(from);
        server.send(visitor.dress(request))
    };
    let nobody = Visitor::default();
    let guess = |from: &str| attempt(&nobody, from, OWNER, "wrong horse battery");
    for _ in 0..10 {
        assert_eq!(guess("198.51.100.7").status, 422);
    }
    let refused = guess("198.51.100.7");
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.text().contains("too many attempts"), "{}", refused.text());
    let right = attempt(&nobody, "198.51.100.7", OWNER, PASSWORD);
    assert_eq!(right.status, 429, "whoever guesses does not learn that it was right");
    // From there a browser that was in before still gets in, and others elsewhere do.
    assert_eq!(attempt(&known, "198.51.100.7", OWNER, PASSWORD).status, 303);
    assert_eq!(attempt(&nobody, "203.0.113.9", OWNER, PASSWORD).status, 303);
    // What an attacker can do with very many networks: unknown browsers wait, ...
    // (Budgets come back with time, and a machine may be slow: each is tried until it is used up.)
    let uses_it_up = |n: u32| guess(&format!("192.0.{}.{}", n / 250, n % 250)).status == 429;
    assert!((0..400).any(uses_it_up), "an account has a budget");
    let waits = |visitor: &Visitor, from: &str| {
        (0..20).any(|_| attempt(visitor, from, OWNER, PASSWORD).status == 429)
    };
    assert!(waits(&nobody, "203.0.113.9"));
    // ... and a known one does not, from wherever.
    assert_eq!(attempt(&known, "203.0.113.10", OWNER, PASSWORD).status, 303);
    // The mark of a browser is for its account alone, and cannot be made up.
    let mut forged = known.clone();
    let mark = forged.0.get_mut("nts-device").unwrap();
    let last = if mark.ends_with('0') { "1" } else { "0" };
    mark.replace_range(mark.len() - 1.., last);
    assert!((0..400).any(|n| uses_it_up(n + 400)));
    assert!(waits(&forged, "203.0.113.11"));
    // One network at very many accounts.
    let passes = |n: &u32| {
        let email = format!("p{n}@example.org");
        attempt(&nobody, "198.51.100.99", &email, PASSWORD).status != 429
    };
    let passed = (0..300).take_while(passes).count();
    assert!((50..=150).contains(&passed), "{passed}");
}

#[test]
fn another_sites_form_is_refused_in_the_office() {
    let dir = Dir::new("office-cross-site");
    let server = Server::start(&dir);
    let owner = owner(&server);
    let form = || {
        owner.dress(Request::form(
            "/office/keys",
            &[("name", "a"), ("role", "owner"), ("event", "")],
        ))
    };
    for site in ["cross-site", "same-site"] {
        let refused = server.send(form().header("sec-fetch-site", site));
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        assert_eq!(server.send(form().header("origin", origin)).status, 403, "{origin}");
    }
    let list = server.send(owner.dress(Request::get("/office/keys"))).text();
    assert!(!list.contains("End this key"), "none was made");
    let own = format!("http://{}", server.address);
    assert_eq!(server.send(form().header("origin", &own)).status, 200);
    assert_eq!(server.send(form().header("sec-fetch-site", "same-origin")).status, 200);
}

/// How many holds a second are answered while this goes on, with eight buyers at once.
fn holds_per_second(server: &Server, lasts: Duration) -> f64 {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let done = AtomicU64::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while begun.elapsed() < lasts {
                    let name = format!("b{}", NAMES.fetch_add(1, Ordering::Relaxed));
                    let answer = server.send(hold(&name, 1));
                    assert_eq!(answer.status, 201, "{answer:?}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

/// A measurement on a machine that does nothing else:
/// `cargo test --release -p nts --test it -- --ignored --nocapture a_flood_of_log_ins`
#[test]
#[ignore = "a measurement, for a quiet machine and a release build"]
fn a_flood_of_log_ins_leaves_the_sale_its_rate() {
    let dir = Dir::new("flood");
    let settings = [
        ("NTS_TRUSTED_PROXIES", "127.0.0.1"),
        ("NTS_CLIENT_HOLDS", "0"),
        ("NTS_CLIENT_PLACES", "0"),
        ("NTS_CLIENT_SHARE", "0"),
    ];
    let server = Server::start_with(&dir, &settings);
    server.make_event(10_000_000, 300);
    owner(&server);
    let lasts = Duration::from_secs(4);
    holds_per_second(&server, lasts);
    let mut ratios = Vec::new();
    for _ in 0..5 {
        let quiet = holds_per_second(&server, lasts);
        let (stop, tried, busy) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let flooded = std::thread::scope(|scope| {
            // Each from a network of its own, at an account of its own: no budget bounds them.
            for from in 0..16 {
                let (stop, tried, busy, server) = (&stop, &tried, &busy, &server);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let n = tried.fetch_add(1, Ordering::Relaxed);
                        let email = format!("p{n}@example.org");
                        let fields = [("email", email.as_str()), ("password", PASSWORD)];
                        let from = format!("198.{from}.{}.{}", n / 200 % 250, n % 200 + 1);
                        let request = Request::form("/office/sign-in", &fields);
                        let answer = server.send(request.forwarded_for(&from));
                        busy.fetch_add(u64::from(answer.status == 503), Ordering::Relaxed);
                        assert!([422, 503].contains(&answer.status), "{answer:?}");
                    }
                });
            }
            let flooded = holds_per_second(&server, lasts);
            stop.store(true, Ordering::Relaxed);
            flooded
        });
        let tried = tried.into_inner();
        println!(
            "{quiet:.0} holds/s, {flooded:.0} beside {tried} log-ins ({} busy)",
            busy.into_inner()
        );
        ratios.push(flooded / quiet);
    }
    ratios.sort_by(f64::total_cmp);
    println!("ratios {ratios:.2?}");
    assert!(ratios[2] >= 0.9, "{ratios:?}");
}
