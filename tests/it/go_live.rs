//! From test orders to real ones: a database is not served with another payment provider than its orders
//! were made with; `nts go-live` moves test orders aside; a restore of test orders can be rehearsed.

use crate::harness::*;
use nts_server::clock::Clock;
use nts_server::store::Database;
use serde_json::json;

/// Nobody listens there: no test asks the real Stripe.
const TEST_KEYS: [(&str, &str); 3] = [
    ("NTS_STRIPE_SECRET_KEY", "sk_test_x"),
    ("NTS_STRIPE_PUBLISHABLE_KEY", "pk_test_x"),
    ("NTS_STRIPE_API_BASE", "http://127.0.0.1:9"),
];
const LIVE_KEYS: [(&str, &str); 3] = [
    ("NTS_STRIPE_SECRET_KEY", "sk_live_x"),
    ("NTS_STRIPE_PUBLISHABLE_KEY", "pk_live_x"),
    ("NTS_PUBLIC_URL", "https://tickets.example.org"),
];

fn run(dir: &Dir, set: &[(&str, &str)], arguments: &[&str]) -> (bool, String) {
    let mut command = nts(dir);
    let output = command.envs(set.iter().copied()).args(arguments).output().unwrap();
    (output.status.success(), said(&output))
}

/// A start that must be refused; what it says.
fn refused(dir: &Dir, set: &[(&str, &str)]) -> String {
    let (ok, said) = run(dir, set, &["--address", "127.0.0.1:0"]);
    assert!(!ok, "{said}");
    said
}

/// One order paid in the sandbox, one that is only held. Gives the paid one.
fn sell(server: &Server) -> serde_json::Value {
    server.make_event(10, 300);
    let paid = server.send(hold("ann", 2)).json();
    assert_eq!(server.send(pay(&paid, "ctoken_ok")).status, 200);
    eventually("it is sold", || server.counts().1 == 2);
    server.send(hold("bob", 1));
    paid
}

/// Makes the orders of a database real, as those are that a server with live keys takes.
fn make_real(dir: &Dir) {
    let database = Database::parse(&dir.database()).unwrap();
    let mut opened = database.open(Clock::System).unwrap();
    opened.store.meta_forget("provider").unwrap();
    assert_eq!(opened.store.meta_keep("provider", "stripe_live").unwrap(), "stripe_live");
}

/// A database of an older version does not say with which provider its orders were made.
fn forget_provider(dir: &Dir) {
    let database = Database::parse(&dir.database()).unwrap();
    database.open(Clock::System).unwrap().store.meta_forget("provider").unwrap();
}

/// The only file in the directory whose name contains this.
fn named(dir: &Dir, part: &str, end: &str) -> String {
    let names = std::fs::read_dir(dir.path(".")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter(|name| name.contains(part) && name.ends_with(end)).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names.pop().unwrap()
}

#[test]
fn test_orders_are_moved_aside_before_real_ones_are_taken() {
    let dir = Dir::new("go-live");
    let server = Server::start(&dir);
    let paid = sell(&server);
    let (ok, said) = run(&dir, &[], &["go-live"]);
    assert!(!ok && said.to_lowercase().contains("nothing was changed"), "a server runs: {said}");
    server.stop();
    for keys in [&TEST_KEYS[..], &LIVE_KEYS] {
        let said = refused(&dir, keys);
        assert!(said.contains("made with the sandbox") && said.contains("nts go-live"), "{said}");
        assert!(said.contains("Nothing was changed"), "{said}");
    }
    let (ok, said) = run(&dir, &[], &["go-live"]);
    assert!(ok && said.contains("2 test orders and 2 tickets"), "{said}");
    let (ok, log) = run(&dir, &[], &["audit-log", "--limit", "1"]);
    assert!(
        ok && log.contains("test_orders_moved") && log.contains("2 orders and 2 tickets"),
        "{log}"
    );
    let names = std::fs::read_dir(dir.path(".")).unwrap();
    let left = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.contains("partial")).collect();
    assert_eq!(left, Vec::<String>::new(), "of what was written meanwhile");
    let (ok, said) = run(&dir, &[], &["go-live", "--archive", "nowhere/x.db"]);
    assert!(!ok && said.contains("there is no folder nowhere. Nothing was changed"), "{said}");
    if !crate::ON_POSTGRES {
        let (ok, said) = run(&dir, &[], &["backup", "nowhere/x.db"]);
        assert!(!ok && said.contains("there is no folder nowhere. Nothing was copied"), "{said}");
    }
    // The orders and their provider are in a file of their own, which balances.
    let archive = named(&dir, ".test-orders-", "Z");
    assert_eq!(named(&dir, ".test-orders-", ".sandbox"), format!("{archive}.sandbox"));
    let of_archive = [("NTS_DATABASE", archive.as_str())];
    let (ok, said) = run(&dir, &of_archive, &["audit"]);
    assert!(ok, "{said}");
    // The database has its events, and nothing that was ordered.
    let (ok, said) = run(&dir, &[], &["go-live"]);
    assert!(ok && said.contains("has no orders"), "{said}");
    let shop = Server::start_with(&dir, &TEST_KEYS);
    assert_eq!((shop.counts(), shop.orders().len()), ((0, 0, 10), 0));
    assert_eq!(shop.send(look(&paid)).status, 404, "the old link opens nothing");
    // An order is made with Stripe in test mode: now the sandbox is the wrong provider, and live keys as well.
    assert_eq!(shop.send(hold("carl", 1)).status, 201);
    shop.stop();
    let said = refused(&dir, &[]);
    assert!(
        said.contains("made with Stripe in test mode") && said.contains("nts go-live"),
        "{said}"
    );
    assert!(refused(&dir, &LIVE_KEYS).contains("nts go-live"));
    let (ok, said) = run(&dir, &TEST_KEYS, &["go-live", "--archive", "aside.db"]);
    assert!(ok && said.contains("1 test order and 0 tickets"), "{said}");
    // For real: once there is a real order, there is no way back.
    let shop = Server::start_with(&dir, &TEST_KEYS);
    assert_eq!(shop.send(hold("dora", 1)).status, 201);
    shop.stop();
    make_real(&dir);
    for keys in [&TEST_KEYS[..], &[]] {
        let said = refused(&dir, keys);
        assert!(said.contains("has real orders") && said.contains("live keys"), "{said}");
        let (ok, said) = run(&dir, keys, &["go-live"]);
        assert!(!ok && said.contains("has real orders"), "{said}");
    }
    let (ok, said) = run(&dir, &[], &["audit"]);
    assert!(!ok && said.contains("--books-only") && said.contains("live keys"), "{said}");
    let (ok, said) = run(&dir, &[], &["audit", "--books-only"]);
    assert!(ok && said.contains("1 held"), "the real order is where it was: {said}");
}

#[test]
fn an_empty_database_may_be_served_with_any_keys() {
    let dir = Dir::new("go-live-empty");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    server.stop();
    let server = Server::start_with(&dir, &TEST_KEYS);
    assert_eq!(server.counts(), (0, 0, 10));
    server.stop();
    make_real(&dir);
    Server::start(&dir).stop();
    if !crate::ON_POSTGRES {
        for command in [
            &["go-live"][..],
            &["audit"],
            &["audit-log"],
            &["backup", "x.db"],
            &["migrate-store", "--resume", "other.db"],
        ] {
            let (ok, said) = run(&dir, &[("NTS_DATABASE", "other.db")], command);
            assert!(!ok && said.contains("there is no database at /"), "{command:?}: {said}");
            assert!(said.contains("/other.db") && !dir.path("other.db").exists(), "{said}");
        }
    }
}

#[test]
fn a_database_of_an_older_version_tells_by_its_payments() {
    let dir = Dir::new("go-live-older");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    server.send(hold("ann", 1));
    server.stop();
    forget_provider(&dir);
    // Nothing was paid with any provider, so nothing can be wrong.
    let server = Server::start_with(&dir, &TEST_KEYS);
    assert_eq!(server.counts(), (1, 0, 9));
    server.stop();
    forget_provider(&dir);
    let server = Server::start(&dir);
    let paid = server.send(hold("bob", 2)).json();
    assert_eq!(server.send(pay(&paid, "ctoken_ok")).status, 200);
    server.stop();
    // A refusal writes nothing down.
    for _ in 0..2 {
        forget_provider(&dir);
        for keys in [&TEST_KEYS[..], &LIVE_KEYS] {
            assert!(refused(&dir, keys).contains("made with the sandbox"));
        }
    }
    let sandbox = if crate::ON_POSTGRES { "nts.sandbox" } else { "nts.db.sandbox" };
    std::fs::rename(dir.path(sandbox), dir.path("elsewhere")).unwrap();
    assert!(refused(&dir, &LIVE_KEYS).contains("made with Stripe in test mode"));
    std::fs::rename(dir.path("elsewhere"), dir.path(sandbox)).unwrap();
    let server = Server::start(&dir);
    assert_eq!(server.counts().1, 2);
    server.stop();
    let (ok, said) = run(&dir, &[], &["go-live"]);
    assert!(ok && said.contains("best-show-ever, rock"), "{said}");
}

#[test]
fn the_mode_goes_along_when_the_database_is_moved() {
    if crate::ON_POSTGRES {
        return; // it is about a file
    }
    let dir = Dir::new("go-live-moved");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    assert_eq!(server.send(hold("ann", 1)).status, 201);
    server.stop();
    make_real(&dir);
    // An order that is only held has no payment that would tell.
    let (ok, said) = run(&dir, &[], &["migrate-store", "nts.db", "moved.db"]);
    assert!(ok && said.contains("NTS_DATABASE='moved.db'"), "{said}");
    let moved = [("NTS_DATABASE", "moved.db")];
    assert!(refused(&dir, &moved).contains("has real orders"));
}

#[test]
fn a_restore_of_test_orders_can_be_rehearsed() {
    if crate::ON_POSTGRES {
        return; // it is about a file
    }
    let dir = Dir::new("restore");
    let (ok, said) = run(&dir, &[], &["backup", "copy.db"]);
    assert!(
        !ok && said.contains("there is no database at /") && said.contains("NTS_DATABASE"),
        "{said}"
    );
    let server = Server::start(&dir);
    let paid = sell(&server);
    let backed = |server: &Server| {
        let text = server.get("/metrics").text();
        let line = text.lines().find_map(|l| l.strip_prefix("nts_last_backup_timestamp_seconds "));
        line.unwrap_or_else(|| panic!("{text}")).parse::<i64>().unwrap()
    };
    assert_eq!(backed(&server), 0);
    let (ok, said) = run(&dir, &[], &["backup", "copy.db"]);
    assert!(ok && said.contains("copy.db.sandbox"), "{said}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((now as i64 - backed(&server)).abs() < 600);
    server.stop();
    for file in ["copy.db", "copy.db.sandbox"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.path(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    // The machine is lost; the copy is put where the database was.
    for file in ["nts.db", "nts.db.sandbox"] {
        for end in ["", "-wal", "-shm"] {
            _ = std::fs::remove_file(dir.path(&format!("{file}{end}")));
        }
    }
    std::fs::rename(dir.path("copy.db"), dir.path("nts.db")).unwrap();
    std::fs::rename(dir.path("copy.db.sandbox"), dir.path("nts.db.sandbox")).unwrap();
    let (ok, said) = run(&dir, &[], &["audit"]);
    assert!(ok, "{said}");
    let server = Server::start(&dir);
    assert_eq!((server.counts(), server.send(look(&paid)).status), ((1, 2, 7), 200));
    let refund = format!("/api/v1/orders/{}/refunds", text(&paid, "id"));
    let refund =
        Request::new("POST", &refund).bearer(KEY).json(&json!({"all": true, "restock": false}));
    assert!(server.send(refund).status < 300, "the restored provider knows the payment");
    server.stop();
    let (ok, said) = run(&dir, &[], &["backup", "nts.db"]);
    assert!(!ok && said.contains("exists"), "{said}");
    std::fs::write(dir.path("b.db.sandbox"), b"another's").unwrap();
    let (ok, said) = run(&dir, &[], &["backup", "b.db"]);
    assert!(!ok && said.contains("b.db.sandbox exists") && !dir.path("b.db").exists(), "{said}");
}

#[test]
fn the_log_tells_of_sales_refunds_and_events_and_names_nobody() {
    let dir = Dir::new("sale-log");
    let server = Server::start(&dir);
    let paid = sell(&server);
    server.make_event(10, 300);
    server.make_event(11, 300);
    let id = text(&paid, "id");
    let refund = Request::new("POST", &format!("/api/v1/orders/{id}/refunds")).bearer(KEY);
    assert!(server.send(refund.json(&json!({"all": true, "restock": false}))).status < 300);
    let log = || std::fs::read_to_string(dir.path("log")).unwrap();
    eventually("the refund is logged", || log().contains("refund made"));
    let log = log();
    let lines = |part: &str| log.lines().filter(|line| line.contains(part)).collect::<Vec<_>>();
    for (part, all) in [
        ("event created", &["rock", "actor=api_key:"][..]),
        ("order paid", &["rock", &id, "50.00 GBP"]),
        ("refund requested", &["rock", &id, "50.00 GBP"]),
        ("refund made", &["rock", &id, "50.00 GBP"]),
    ] {
        let found: Vec<_> = lines(part).into_iter().filter(|l| l.contains("rock")).collect();
        assert_eq!(found.len(), 1, "{part}: {log}");
        assert!(all.iter().all(|word| found[0].contains(word)), "{}", found[0]);
    }
    assert_eq!(lines("event changed").len(), 1, "the same put again is no change: {log}");
    assert!(!log.contains("ann"), "no personal data: {log}");
    let metrics = server.get("/metrics").text();
    for line in [
        "nts_event_capacity{event=\"rock\"} 11",
        "nts_event_held{event=\"rock\"} 1",
        "nts_event_sold{event=\"rock\"} 2",
        "nts_event_left{event=\"rock\"} 8",
        "nts_event_paid_amount_total{event=\"rock\",currency=\"GBP\"} 50",
        "nts_event_refunded_amount_total{event=\"rock\",currency=\"GBP\"} 50",
        "nts_events 2",
        &format!("nts_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(metrics.lines().any(|l| l.starts_with(line)), "{line} in {metrics}");
    }
}

/// Free tickets are made without any provider: nothing says whether they are tests.
#[test]
fn free_tickets_stay_when_keys_are_set_and_are_moved_only_if_somebody_says_so() {
    let dir = Dir::new("free-tickets");
    let server = Server::start(&dir);
    let event = json!({"name": "A reading", "starts_at": "2030-06-01T20:00:00Z", "zone": "UTC",
        "currency": "GBP", "pools": [{"id": "all", "capacity": 5}],
        "ticket_types": [{"id": "seat", "name": "Seat", "pool": "all",
                          "price": {"amount": 0, "currency": "GBP"}}]});
    let put = Request::new("PUT", "/api/v1/events/reading").bearer(KEY).json(&event);
    assert_eq!(server.send(put).status, 201);
    let order = json!({"buyer": {"name": "Ann", "email": "ann@example.org"},
                       "lines": [{"ticket_type": "seat", "quantity": 1}]});
    let held =
        server.send(Request::new("POST", "/api/v1/events/reading/orders").json(&order)).json();
    assert_eq!(server.send(pay(&held, "")).status, 200);
    server.stop();
    // They are no reason to refuse keys: the answer is about the keys, not about the orders.
    let (_, said) = run(&dir, &TEST_KEYS, &["go-live"]);
    assert!(said.contains("1 free order, which may be real"), "{said}");
    assert!(said.contains("Nothing was changed"), "{said}");
    let server = Server::start_with(&dir, &TEST_KEYS);
    let path = format!("/api/v1/orders/{}", text(&held, "id"));
    let order = server.send(Request::new("GET", &path).bearer(&text(&held, "secret"))).json();
    assert_eq!(order["state"], "paid", "{order}");
    server.stop();
    let (ok, said) = run(&dir, &[], &["go-live", "--free-too"]);
    assert!(ok && said.contains("Moved 1 test order and 1 ticket"), "{said}");
}

/// What is sold at the box office moves no money of the provider: nothing says whether it was a test.
#[test]
fn what_the_box_office_sold_stays_and_is_moved_only_if_somebody_says_so() {
    let dir = Dir::new("cash-goes-live");
    let server = Server::start(&dir);
    server.make_event(10, 300);
    let sell = |server: &Server, tender: &str| {
        let sale = json!({"buyer": {"name": "Ann"}, "tender": tender,
                          "lines": [{"ticket_type": "adult", "quantity": 2}]});
        let sold =
            server.send(Request::new("POST", "/api/v1/events/rock/sales").bearer(KEY).json(&sale));
        assert_eq!(sold.status, 201, "{sold:?}");
        sold.json()
    };
    let cash = sell(&server, "cash");
    server.stop();
    // Alone it needs no go-live: it stays when keys are set, and then nothing is tried beside it.
    let server = Server::start_with(&dir, &TEST_KEYS);
    let path = format!("/api/v1/orders/{}", text(&cash, "id"));
    assert_eq!(server.send(Request::get(&path).bearer(KEY)).json()["state"], "paid");
    server.stop();
    let server = Server::start(&dir);
    let order = server.send(hold("bob", 1)).json();
    assert_eq!(server.send(pay(&order, "ctoken_ok")).status, 200);
    sell(&server, "terminal");
    sell(&server, "free");
    server.stop();
    // Beside test orders it makes none of them real.
    let (ok, said) = run(&dir, &TEST_KEYS, &["go-live"]);
    assert!(!ok && said.contains("2 orders of the box office"), "{said}");
    assert!(said.contains("--box-office-too") && said.contains("Nothing was changed"), "{said}");
    let (ok, said) = run(&dir, &[], &["go-live", "--box-office-too"]);
    assert!(!ok && said.contains("1 free order, which may be real"), "{said}");
    let (ok, said) = run(&dir, &[], &["go-live", "--box-office-too", "--free-too"]);
    assert!(ok && said.contains("Moved 4 test orders and 7 tickets"), "{said}");
}
