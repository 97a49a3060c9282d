//! Running it: settings, backups, damage, a second process, stopping, being full.

use crate::harness::*;
use serde_json::json;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Runs a command that ends by itself; tells whether it was content, and what it said.
fn run(dir: &Dir, arguments: &[&str]) -> (bool, String) {
    let said = std::fs::File::create(dir.path("said")).unwrap();
    let mut command = nts(dir);
    command.args(arguments).stdout(said.try_clone().unwrap()).stderr(said).stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    (status.success(), std::fs::read_to_string(dir.path("said")).unwrap())
}

#[test]
fn the_first_start_makes_the_show_and_tells_the_key_once() {
    let dir = Dir::new("first");
    let empty = [("NTS_ORGANISER_KEY", ""), ("NTS_LOG_FORMAT", "json")];
    let server = Server::start_with(&dir, &empty);
    let said = server.said.join("\n");
    let key = said.split("shown this once: ").nth(1).expect("the key").lines().next().unwrap();
    assert!(server.get("/").text().contains("The best ever show"));
    let orders = |s: &Server| {
        s.send(Request::get("/api/v1/events/best-show-ever/orders").bearer(key)).status
    };
    assert_eq!(orders(&server), 200);
    server.stop();
    let server = Server::start_with(&dir, &empty);
    assert!(!server.said.join("\n").contains("shown this once"), "once is once");
    assert_eq!(orders(&server), 200, "and it goes on to be the key");
}

#[test]
fn a_backup_is_a_whole_database_also_while_selling() {
    if crate::ON_POSTGRES {
        return; // it is about a file
    }
    let dir = Dir::new("backup");
    let server = Server::start(&dir);
    server.make_event(500, 300);
    let (mut before, mut copied) = (0, false);
    std::thread::scope(|scope| {
        let crowd = scope.spawn(|| {
            for i in 0..120 {
                assert_eq!(server.send(hold(&format!("b{i}"), 1)).status, 201);
            }
        });
        while !crowd.is_finished() && !copied {
            before = server.counts().0;
            if before > 10 {
                let (ok, said) = run(&dir, &["backup", "copy.db"]);
                assert!(ok, "{said}");
                copied = true;
            }
        }
    });
    assert!(copied);
    let (again, said) = run(&dir, &["backup", "copy.db"]);
    assert!(!again && said.contains("exists"), "nothing is overwritten: {said}");
    server.stop();
    let copy = Server::start_with(&dir, &[("NTS_DATABASE", "copy.db")]);
    let (held, sold, left) = copy.counts();
    assert!(held >= before, "what was acknowledged before the copy is in it");
    assert_eq!((held + sold + left, copy.orders().len() as u64), (500, held));
}

#[test]
fn what_is_not_a_sound_database_of_ours_is_refused_and_left_as_it_is() {
    if crate::ON_POSTGRES {
        return; // it is about a file
    }
    let dir = Dir::new("damage");
    let server = Server::start(&dir);
    server.make_event(50, 300);
    for i in 0..20 {
        server.send(hold(&format!("b{i}"), 1));
    }
    let (second, said) = run(&dir, &["--address", "127.0.0.1:0"]);
    assert!(!second && said.contains("in use"), "a second process: {said}");
    server.stop();

    let wal = std::fs::metadata(dir.path("nts.db-wal")).map_or(0, |m| m.len());
    assert_eq!(wal, 0, "after a clean stop all of it is in the one file");
    let sound = std::fs::read(dir.path("nts.db")).unwrap();
    let mut newer = sound.clone();
    newer[60..64].copy_from_slice(&9_999u32.to_be_bytes());
    let mut flipped = sound.clone();
    // From the head of a page on: where its free space ends depends on what is stored.
    let page = usize::from(u16::from_be_bytes([sound[16], sound[17]]));
    let middle = flipped.len() / 2 / page * page;
    flipped[middle..middle + 2000].fill(0xA5);
    let half = sound[..sound.len() / 2].to_vec();
    for (what, bytes) in [
        ("newer", newer),
        ("damaged", flipped),
        ("cut off", half),
        ("not a database", b"hello, I am a text file".repeat(100)),
    ] {
        std::fs::write(dir.path("nts.db"), &bytes).unwrap();
        let (ok, said) = run(&dir, &["--address", "127.0.0.1:0"]);
        assert!(!ok && said.starts_with("nts: "), "{what}: {said}");
        assert!(said.to_lowercase().contains("nothing was changed"), "{what}: {said}");
        assert_eq!(std::fs::read(dir.path("nts.db")).unwrap(), bytes, "{what} is as it was");
    }
    std::fs::write(dir.path("nts.db"), &sound).unwrap();
    assert_eq!(Server::start(&dir).counts(), (20, 0, 30));
}

#[test]
fn events_come_from_a_file_and_slips_are_told() {
    let dir = Dir::new("apply");
    let server = Server::start(&dir);
    let url = format!("http://{}", server.address);
    let show = include_str!("../../show.toml");
    let apply = |text: &str| {
        std::fs::write(dir.path("show.toml"), text).unwrap();
        run(&dir, &["event", "apply", "show.toml", "--url", &url])
    };
    let (ok, said) = apply(show);
    assert!(ok && said.contains("harbour-night is on sale"), "{said}");
    let (ok, said) = apply(&show.replace("capacity = 80", "capacity = 90"));
    assert!(ok && said.contains("90 places"), "{said}");
    for (slip, hint) in [
        (show.replace("Europe/London", "Europe/Atlantis"), "zone"),
        (show.replace("pool = \"seats\"", "pool = \"boxes\""), "no pool has the id “boxes”"),
        (show.replace("capacity = 80", "capacity = -80"), "capacity"),
        (show.replace("place =", "palce ="), "palce"),
        (show.replace("[[pools]]", "[[pools"), "show.toml"),
    ] {
        let (ok, said) = apply(&slip);
        assert!(!ok && said.contains(hint), "{hint}: {said}");
    }
    // Without a URL the server is where NTS_ADDRESS says that it listens.
    let port = server.address.rsplit_once(':').unwrap().1;
    for address in [server.address.clone(), format!("0.0.0.0:{port}"), format!(":{port}")] {
        std::fs::write(dir.path("show.toml"), show).unwrap();
        let mut command = nts(&dir);
        command.env("NTS_ADDRESS", &address).args(["event", "apply", "show.toml"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{address}: {}", crate::harness::said(&output));
    }
    let arguments = ["event", "apply", "show.toml", "--url", "http://box.example:9000"];
    let (ok, said) = run(&dir, &arguments);
    assert!(!ok && said.contains("--plain-http") && said.contains("Nothing was sent"), "{said}");
    assert!(!said.contains(KEY), "{said}");
    server.stop();
    let (ok, said) = apply(show);
    assert!(!ok && said.contains("Is nts serving there?"), "{said}");
    // Whatever answers there does not steer the terminal.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let other = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        _ = stream.read(&mut [0; 65_536]).unwrap();
        let body = r#"{"title":"\u001b]0;owned\u0007No","detail":"a\nb\u202e\u009b31m"}"#;
        let head = format!(
            "HTTP/1.1 409 No\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        _ = stream.read(&mut [0; 65_536]);
    });
    let (ok, said) = run(&dir, &["event", "apply", "show.toml", "--url", &url]);
    assert!(!ok && said.contains("]0;ownedNo (409): a b31m"), "{said}");
    other.join().unwrap();
}

#[test]
fn it_tells_how_it_is_and_what_it_is_set_to() {
    let dir = Dir::new("ops");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    server.send(hold("ann", 1));
    server.send(hold("bob", 99));
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    let metrics = server.get("/metrics").text();
    for line in [
        "nts_holds_total 1",
        "nts_refusals_total{reason=\"limit_reached\"} 1",
        "nts_commits_total ",
        "nts_batch_size_count ",
        "nts_queue ",
        "nts_http_request_duration_seconds_bucket",
        "nts_commit_seconds_sum",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let (ok, text) = run(&dir, &["config"]);
    assert!(ok && text.contains("NTS_ADDRESS=127.0.0.1:9000"), "{text}");
    assert!(!text.contains(KEY), "secrets are not shown");
    let (ok, said) = run(&dir, &["--address", "nonsense"]);
    assert!(!ok && said.contains(":9000"), "{said}");
    let keys = ["--stripe-secret-key", "sk_test_1", "--stripe-publishable-key", "pk_live_1"];
    let (ok, said) = run(&dir, &keys);
    assert!(!ok && said.contains("one of Stripe's keys is live"), "{said}");
}

#[test]
fn a_full_queue_says_so_at_once_and_holds_nothing() {
    let dir = Dir::new("full");
    let server = Server::start_with(&dir, &[("NTS_QUEUE", "1")]);
    server.make_event(10_000, 300);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let ask = |i: u32| {
            let server = &server;
            scope.spawn(move || {
                (0..20).map(|n| server.send(hold(&format!("b{i}-{n}"), 1))).collect::<Vec<Answer>>()
            })
        };
        let threads: Vec<_> = (0..32).map(ask).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    let held = answers.iter().filter(|a| a.status == 201).count() as u64;
    for answer in answers.iter().filter(|a| a.status != 201) {
        assert_eq!((answer.status, answer.code()), (503, Some(ProblemCode::Busy)));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.json()["money_moved"], "no");
    }
    assert!(held > 0);
    assert_eq!(server.counts().0, held, "a refused one holds nothing");
}

#[test]
fn stopping_finishes_what_was_accepted() {
    let dir = Dir::new("stop");
    let server = Server::start(&dir);
    server.make_event(10_000, 300);
    let address = server.address.clone();
    let sold = AtomicU32::new(0);
    let told: Vec<serde_json::Value> = std::thread::scope(|scope| {
        let buyers: Vec<_> = (0..16)
            .map(|i| {
                let (address, sold) = (&address, &sold);
                scope.spawn(move || {
                    let mut told = Vec::new();
                    for n in 0.. {
                        match hold(&format!("b{i}-{n}"), 1).send(address) {
                            Ok(answer) if answer.status == 201 => {
                                told.push(answer.json());
                                sold.fetch_add(1, Ordering::SeqCst);
                            }
                            Ok(answer) => panic!("{answer:?}"),
                            // The door is closed: nothing was begun behind it.
                            Err(_) => break,
                        }
                    }
                    told
                })
            })
            .collect();
        eventually("they buy", || sold.load(Ordering::SeqCst) > 30);
        server.stop();
        buyers.into_iter().flat_map(|b| b.join().unwrap()).collect()
    });
    assert!(!told.is_empty());
    let server = Server::start(&dir);
    assert_eq!(server.counts().0, told.len() as u64, "every yes is there, and nothing else");
}

#[test]
fn the_audit_log_tells_who_did_what_to_which_event_and_order() {
    let dir = Dir::new("audit-log");
    let server = Server::start(&dir);
    server.make_event(5, 300);
    server.make_event(9, 300);
    let held = server.send(hold("somebody", 1)).json();
    assert_eq!(server.send(pay(&held, "ctoken_ok")).status, 200);
    eventually("it is sold", || server.counts().1 == 1);
    let id = text(&held, "id");
    let refund = Request::new("POST", &format!("/api/v1/orders/{id}/refunds")).bearer(KEY);
    assert!(server.send(refund.json(&json!({"all": true, "restock": true}))).status < 300);
    eventually("the refund is made", || {
        run(&dir, &["audit-log", "--order", &id]).1.contains("refund_answered")
    });
    let log = |arguments: &[&str]| {
        let (ok, said) = run(&dir, &[&["audit-log"], arguments].concat());
        assert!(ok, "{said}");
        said
    };
    let all = log(&[]);
    let words: Vec<&str> = all.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    let told = ["event_created", "event_changed", "refund_requested", "refund_answered"];
    assert_eq!(words[words.len() - 4..], told, "the hold and the payment are in the order\n{all}");
    assert_eq!(log(&["--limit", "2"]).lines().count(), 2);
    assert_eq!(log(&["--from", "2100-01-01T00:00:00Z"]), "");
    assert_eq!(log(&["--event", "rock"]).lines().count(), 4);
    for (nth, line) in log(&["--order", &id, "--json"]).lines().enumerate() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["order"], &line["event"]), (&json!(id), &json!("rock")));
        assert_eq!(line["action"], told[nth + 2]);
        let actor = line["actor"].as_str().unwrap();
        assert!(if nth == 0 { actor.starts_with("api_key:") } else { actor == "system" }, "{line}");
    }
    // What an organiser does to an order is told; what its buyer does is not.
    for (bearer, lines) in [(None, 0), (Some(KEY), 1)] {
        let held = server.send(hold("another", 1)).json();
        let (id, secret) = (text(&held, "id"), text(&held, "secret"));
        let cancel = Request::new("POST", &format!("/api/v1/orders/{id}/cancel"));
        let cancel = cancel.bearer(bearer.unwrap_or(&secret)).json(&json!({}));
        assert_eq!(server.send(cancel).status, 200);
        let told = log(&["--order", &id]);
        assert_eq!(
            told.lines().filter(|line| line.contains(" order_canceled ")).count(),
            lines,
            "{told}"
        );
    }
    let (ok, said) = run(&dir, &["audit-log", "--event", "no-such-event"]);
    assert!(!ok && said.contains("there is no event no-such-event"), "{said}");
}

#[test]
fn old_names_still_work_and_say_what_is_new_and_unknown_ones_are_refused() {
    let dir = Dir::new("names");
    let server = Server::start_with(&dir, &[("NTS_PATIENCE_MS", "4000")]);
    let log = std::fs::read_to_string(dir.path("log")).unwrap();
    assert!(log.contains("WARN") && log.contains("is now called NTS_QUEUE_TIMEOUT_MS"), "{log}");
    assert!(!log.contains('\u{1b}'), "no colours in a file: {log}");
    server.stop();
    let (ok, said) = run(&dir, &["rush", "--not-here"]);
    assert!(!ok && said.contains("--not-here is now called --allow-remote"), "{said}");
    let file = dir.path("key");
    std::fs::write(&file, "the-key-in-the-file\n").unwrap();
    let named = file.to_str().unwrap();
    let with = |set: &[(&str, &str)], arguments: &[&str]| {
        let mut command = nts(&dir);
        command.env_remove("NTS_ORGANISER_KEY").envs(set.iter().copied()).args(arguments);
        let output = command.output().unwrap();
        (output.status.success(), crate::harness::said(&output))
    };
    let set = [("NTS_STRIPE_SECRT_KEY", "sk_live_secret"), ("NTS_QUEUE", "7")];
    for command in
        [&["config"][..], &["serve"], &[], &["audit"], &["backup", "x.db"], &["simulate"]]
    {
        let (ok, said) = with(&set, command);
        assert!(!ok && said.contains("Did you mean NTS_STRIPE_SECRET_KEY?"), "{command:?}: {said}");
        assert!(!said.contains("sk_live"), "{said}");
    }
    assert!(with(&set, &["--help"]).0 && with(&set, &["backup", "--help"]).0);
    let set = [("NTS_ORGANISER_KEY_FILE", named), ("NTS_QUEUE", "7")];
    let (ok, said) = with(&set, &["config", "--drain-ms", "5"]);
    assert!(ok && !said.contains("the-key-in-the-file"), "{said}");
    let origin = |variable: &str| {
        let at =
            said.find(&format!("\n{variable}=")).unwrap_or_else(|| panic!("{variable}: {said}"));
        let (_, origin) = said[..at].rsplit_once("; now: ").unwrap();
        origin.to_owned()
    };
    assert!(origin("NTS_ORGANISER_KEY").contains(named), "{said}");
    assert_eq!(origin("NTS_QUEUE"), "environment variable");
    assert_eq!((origin("NTS_DRAIN_MS"), origin("NTS_LOG")), ("flag".into(), "default".into()));
    // The server itself, by the key in the file.
    let mut command = nts(&dir);
    command.env_remove("NTS_ORGANISER_KEY");
    let server = Server::start_as(&dir, command, &[("NTS_ORGANISER_KEY_FILE", named)]);
    let get =
        |key| server.send(Request::get("/api/v1/events/best-show-ever/orders").bearer(key)).status;
    assert_eq!(get("the-key-in-the-file"), 200);
    server.stop();
}

#[test]
fn the_examples_of_settings_are_settings() {
    let dir = Dir::new("examples");
    let cluster = include_str!("../../deploy/cluster/nts.env")
        .replace("@HOST@", "tickets.example.org")
        .replace("@DATABASE_PASSWORD@", "0123456789abcdef")
        .replace("@ORGANISER_PASSWORD@", "0123456789abcdef");
    // `prepare` fills in the addresses.
    let cluster = ["@ADDRESS@", "@ADDRESS_1@", "@ADDRESS_2@", "@ADDRESS_3@"]
        .iter()
        .fold(cluster, |text, blank| text.replace(blank, "10.0.0.11"));
    for example in [include_str!("../../deploy/nts.env.example"), cluster.as_str()] {
        let lines = example.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let set: Vec<_> = lines.map(|line| line.split_once('=').unwrap()).collect();
        assert!(set.len() > 5, "{example}");
        let output = nts(&dir).envs(set).arg("config").output().unwrap();
        assert!(output.status.success(), "{}", crate::harness::said(&output));
    }
}

#[test]
fn a_wrong_setting_is_told_with_where_it_stands_and_an_empty_one_is_none() {
    let dir = Dir::new("wrong-setting");
    let config = |set: &[(&str, &str)], arguments: &[&str]| {
        let mut command = nts(&dir);
        let output = command.arg("config").args(arguments).envs(set.iter().copied()).output();
        let output = output.unwrap();
        (output.status.success(), said(&output))
    };
    for (name, value, words) in [
        ("NTS_QUEUE", "many", "'many' for NTS_QUEUE: expected a whole number"),
        ("NTS_QUEUE", "0", "for NTS_QUEUE: 0 is not in 1..=1000000"),
        ("NTS_DEMO", "yes", "for NTS_DEMO: expected 1 or 0"),
        ("NTS_ADDRESS", "here", "for NTS_ADDRESS: expected an address"),
        ("NTS_SHOW", "Bad#Id", "for NTS_SHOW: an event's id is"),
        ("NTS_LOG", "loud", "for NTS_LOG: “loud” is no level"),
        ("NTS_LOG", "inf", "for NTS_LOG: “inf” is no level"),
        ("NTS_LOG", "info,nts_server=verbose", "“verbose” is no level"),
        ("NTS_LOG_FORMAT", "xml", "for NTS_LOG_FORMAT"),
        ("NTS_ORGANISER_KEY", "short", "NTS_ORGANISER_KEY is no key"),
    ] {
        let (ok, told) = config(&[(name, value)], &[]);
        assert!(!ok && told.contains(words), "{name}={value}: {told}");
        assert!(!told.contains("invalid digit"), "{told}");
    }
    let (ok, told) = config(&[("NTS_QUEUE", "7")], &["--queue", "many"]);
    assert!(!ok && told.contains("'--queue <QUEUE>': expected a whole number"), "{told}");
    for name in ["NTS_SANDBOX", "NTS_QUEUE", "NTS_LOG", "NTS_SHOW", "NTS_ADDRESS", "NTS_DEMO"] {
        let (ok, told) = config(&[(name, "")], &[]);
        assert!(ok, "{name}: {told}");
    }
    let (ok, told) = config(&[("NTS_LOG", "warn,nts_server=debug")], &[]);
    assert!(ok, "{told}");
    let mut command = nts(&dir);
    command.env_remove("NTS_ORGANISER_KEY").args(["event", "delete", "x"]);
    let told = said(&command.output().unwrap());
    assert!(told.contains("or the variable NTS_ORGANISER_KEY"), "{told}");
    let mut command = nts(&dir);
    command.args(["event", "delete", "x", "--url", "http://127.0.0.1:9"]);
    let told = said(&command.env("NTS_ORGANISER_KEY", "k".repeat(16)).output().unwrap());
    assert!(told.contains("efused") && !told.contains("Connect)"), "{told}");
}
