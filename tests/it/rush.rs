//! `nts rush`: simulated buyers in test mode, and whether they were told the truth.

use crate::harness::*;
use nts_testkit::Postgres;
use serde_json::Value;
use std::process::Output;

/// What a crowd that was told the truth says as JSON.
fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_crowd_at_a_server_of_its_own_buys_every_place_and_is_told_the_truth() {
    let dir = Dir::new("rush-self");
    let mut rush = nts(&dir);
    rush.args(["rush", "--spawn-server", "--places", "200", "--buyers", "400", "--ramp", "2"]);
    rush.args([
        "--think",
        "0.3",
        "--walk-away",
        "0",
        "--come-back",
        "0",
        "--json",
        "--report",
        "rush.html",
    ]);
    let output = rush.output().unwrap();
    let result = report(&output);
    assert_eq!((&result["sold"], &result["left"]), (&200.into(), &0.into()), "{result:#}");
    assert_eq!(result["told_sold"], 200);
    assert_eq!(result["server"]["audit_balances"], true);
    assert_eq!(result["orders_checked"], result["orders"]);
    assert_eq!(result["too_late"], 0);
    let ends = result["buyers_by_end"].as_object().unwrap();
    assert_eq!(ends.values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 400);
    assert!(ends["has tickets"].as_u64().unwrap() >= 50);
    assert!(result["times_ms"]["hold places"]["p99"].as_f64().unwrap() > 0.0);
    assert_eq!(result["wrong"], Value::Array(vec![]));
    let page = std::fs::read_to_string(dir.path("rush.html")).unwrap();
    assert!(page.contains("Everybody was told the truth") && page.contains("<svg"));
    assert!(!page.contains("<script"));
}

/// On the database of the tests: a file of its own, or a server.
fn scans_beside_a_sale(dir: &Dir, database: &[&str]) {
    let mut rush = nts(dir);
    rush.args(["rush", "--spawn-server", "--places", "60", "--buyers", "40", "--ramp", "1"]);
    rush.args(["--think", "0.2", "--scans", "100", "--devices", "4", "--json", "--report"]);
    let output = rush.arg("rush.html").args(database).output().unwrap();
    let result = report(&output);
    let scans = &result["scans"];
    let figure = |name: &str| scans[name].as_u64().unwrap();
    assert_eq!(
        ["devices", "tickets", "copies", "admitted", "already_in"].map(figure),
        [4, 100, 5, 100, 5],
        "{scans:#}"
    );
    assert_eq!(scans["wrong"], Value::Array(vec![]));
    assert!(scans["check_ins_a_second"].as_f64().unwrap() > 0.0, "{scans:#}");
    let (p50, p99) = (scans["ms"]["p50"].as_f64().unwrap(), scans["ms"]["p99"].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= p99, "{scans:#}");
    assert!(result["sold"].as_u64().unwrap() > 0, "{result:#}");
    assert_eq!(result["server"]["audit_balances"], true);
    let page = std::fs::read_to_string(dir.path("rush.html")).unwrap();
    assert!(page.contains("check-ins a second meanwhile"));
}

#[test]
fn devices_scan_at_one_door_while_another_event_sells() {
    scans_beside_a_sale(&Dir::new("rush-door"), &[]);
    let Some(postgres) = Postgres::shared() else { return };
    let url = postgres.url(&postgres.database());
    scans_beside_a_sale(&Dir::new("rush-door-pg"), &["--database", &url]);
}

#[test]
fn who_stays_buys_what_others_held_and_did_not_pay() {
    let dir = Dir::new("rush-stay");
    let mut rush = nts(&dir);
    rush.args([
        "rush",
        "--spawn-server",
        "--places",
        "40",
        "--buyers",
        "160",
        "--ramp",
        "1",
        "--json",
    ]);
    rush.args(["--hold", "30", "--think", "0.1", "--walk-away", "50", "--come-back", "0"]);
    let output = rush.args(["--stayers", "40"]).output().unwrap();
    let result = report(&output);
    assert_eq!((&result["sold"], &result["left"]), (&40.into(), &0.into()), "{result:#}");
    let ends = &result["buyers_by_end"];
    assert!(ends["held places and walked away"].as_u64().unwrap() > 0, "{ends}");
    assert!(ends["heard that it is sold out"].as_u64().unwrap() > 0, "{ends}");
}

#[test]
fn a_load_test_goes_at_the_pace_of_the_provider_and_everybody_is_served_in_time() {
    let dir = Dir::new("rush-pace");
    let mut rush = nts(&dir);
    // Ten calls a second to each endpoint, and six times the buyers.
    rush.args([
        "rush",
        "--spawn-server",
        "--calls",
        "40",
        "--buyers",
        "60",
        "--ramp",
        "1",
        "--json",
    ]);
    rush.args(["--places", "300", "--think", "0", "--walk-away", "0", "--declined", "0"]);
    let output = rush.output().unwrap();
    let result = report(&output);
    assert_eq!(result["buyers_by_end"]["has tickets"], 60, "{result:#}");
    assert_eq!(result["too_late"], 0);
    // The first ten at once, the others ten in each second.
    assert!(result["seconds_taken"].as_f64().unwrap() >= 5.0, "{result:#}");
}

#[test]
fn a_crowd_at_a_server_that_sells_already_counts_only_what_it_was_told() {
    let dir = Dir::new("rush-url");
    let server = Server::start(&dir);
    server.make_event(60, 300);
    // Somebody was here before.
    assert_eq!(server.send(hold("early", 2)).status, 201);
    let url = format!("http://{}", server.address);
    let rush = |more: &[&str]| {
        let mut rush = nts(&dir);
        rush.args(["rush", &url, "--event", "rock", "--ramp", "1", "--think", "0.2"]);
        rush.args(["--buyers", "100", "--json"]).args(more).output().unwrap()
    };
    let output = rush(&["--seed", "7"]);
    let result = report(&output);
    assert_eq!(result["sold"], result["told_sold"]);
    assert_eq!(result["left"], 0, "{result:#}");
    // The same crowd once more is not taken for the first one.
    let output = rush(&["--seed", "7"]);
    let result = report(&output);
    assert_eq!((&result["sold"], &result["told_sold"]), (&0.into(), &0.into()));
    server.stop();
}

#[test]
fn who_is_overrun_refuses_new_wishes_and_lets_those_pay_who_have_places() {
    let dir = Dir::new("rush-overrun");
    // Far less than what is normal, so that a small crowd is too much.
    let server = Server::start_with(&dir, &[("NTS_OVERLOAD_LAG_MS", "5")]);
    server.make_event(3_000, 300);
    let url = format!("http://{}", server.address);
    let mut rush = nts(&dir);
    rush.args(["rush", &url, "--event", "rock", "--buyers", "1000", "--ramp", "0", "--json"]);
    rush.args(["--think", "0", "--patience", "20", "--tries", "50", "--walk-away", "0"]);
    // Who looks first would be sent away before.
    rush.args(["--look", "0"]);
    let output = rush.output().unwrap();
    let result = report(&output);
    assert!(result["answers"]["hold places: 503"].as_u64().unwrap() > 0, "{result:#}");
    assert!(result["answers"].get("pay: 503").is_none(), "{result:#}");
    assert_eq!(result["too_late"], 0);
    // On a slow machine some of them tire before they get places.
    assert_eq!(result["buyers_by_end"]["has tickets"], result["answers"]["hold places: 201"]);
    assert!(result["orders"].as_u64().unwrap() > 100, "{result:#}");
    server.stop();
}

#[test]
fn who_comes_to_look_while_the_server_is_behind_sees_a_page_that_asks_again() {
    let dir = Dir::new("rush-behind");
    // So little that it is behind nearly always.
    let server = Server::start_with(&dir, &[("NTS_OVERLOAD_LAG_MS", "1")]);
    server.make_event(10, 300);
    let mut refused = server.get("/events/rock");
    eventually("a look is refused", || {
        refused = server.get("/events/rock");
        refused.status != 200
    });
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("20")));
    let page = refused.text();
    assert!(page.contains(r#"<meta http-equiv="refresh" content="20">"#), "{page}");
    assert!(page.contains("Those who have places can pay meanwhile"), "{page}");
    server.stop();
}

#[test]
fn a_crowd_that_cannot_come_says_why() {
    let dir = Dir::new("rush-no");
    let server = Server::start(&dir);
    let url = format!("http://{}", server.address);
    // A port where nobody listens.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{nobody}");
    for (args, expected) in [
        (vec![], "--spawn-server"),
        (vec![&*nobody], "does not answer"),
        (vec![&*url], "there is no event rush"),
        (vec!["https://127.0.0.1:1"], "speaks no TLS"),
        (vec!["http://192.0.2.1:9000"], "is not this machine"),
        (vec![&*url, "--walk-away", "101"], "101"),
        (vec![&*url, "--keep", "x"], "--spawn-server"),
        (vec![&*url, "--calls", "100"], "--spawn-server"),
        (vec![&*url, "--database", "postgres://localhost/x"], "--spawn-server"),
    ] {
        let output = nts(&dir).arg("rush").args(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(expected), "{args:?}: {}", said(&output));
    }
    let mut wrong_key = nts(&dir);
    wrong_key.args(["rush", &url, "--places", "10", "--organiser-key", "guessed"]);
    let output = wrong_key.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("could not be made: 401"), "{}", said(&output));
    server.stop();
    // A shop that takes money is no place for a load test.
    let keys = [
        ("NTS_STRIPE_SECRET_KEY", "sk_test_x"),
        ("NTS_STRIPE_PUBLISHABLE_KEY", "pk_test_x"),
        ("NTS_STRIPE_WEBHOOK_SECRET", "whsec_x"),
    ];
    let shop = Server::start_with(&dir, &keys);
    let url = format!("http://{}", shop.address);
    let output = nts(&dir).args(["rush", &url]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("never for a shop that takes money"), "{}", said(&output));
    shop.stop();
}
