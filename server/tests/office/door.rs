//! Scans of tickets whose records are damaged.

use super::{Browser, KEY, Office, Reply};
use axum::http::Request;
use nts_server::audit::audit;
use nts_server::clock::Clock;
use nts_server::store::records::RecordChange;
use serde_json::{Value, json};

async fn api(office: &Office, method: &str, path: &str, body: &Value) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/events/rock{path}"))
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json");
    office.ask(&Browser::default(), request, body.to_string()).await
}

/// The codes of new tickets, given away.
async fn tickets(office: &Office, quantity: usize) -> Vec<String> {
    let event = json!({
        "name": "Rock", "place": "Hall", "starts_at": "2030-06-01T20:00:00+01:00",
        "zone": "Europe/London", "currency": "GBP",
        "pools": [{"id": "floor", "capacity": 100}],
        "ticket_types": [{"id": "adult", "name": "Adult", "pool": "floor",
                          "price": {"amount": 2500, "currency": "GBP"}}],
    });
    let made = api(office, "PUT", "", &event).await;
    assert!([200, 201].contains(&made.status), "{}", made.body);
    let sale = json!({
        "buyer": {"name": "Ann", "email": "ann@example.org"},
        "lines": [{"ticket_type": "adult", "quantity": quantity}], "tender": "free",
    });
    let sold = api(office, "POST", "/sales", &sale).await;
    assert_eq!(sold.status, 201, "{}", sold.body);
    let order: Value = serde_json::from_str(&sold.body).unwrap();
    let codes = order["tickets"].as_array().unwrap().iter();
    codes.map(|ticket| ticket["code"].as_str().unwrap().to_owned()).collect()
}

fn id(n: u64) -> String {
    format!("00000000-0000-7000-8000-{n:012x}")
}

fn late(code: &str, device: u64, nonce: u64) -> Value {
    json!({"code": code, "gate": "north", "device": id(device), "nonce": id(nonce), "late": true})
}

/// What came of some scans in one request.
async fn results(office: &Office, scans: &[Value]) -> Vec<String> {
    let reply = api(office, "POST", "/check-ins", &json!({"scans": scans})).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let told: Value = serde_json::from_str(&reply.body).unwrap();
    let results = told["results"].as_array().unwrap().iter();
    results.map(|told| told["result"].as_str().unwrap().to_owned()).collect()
}

/// Changes rows as none of our commands does.
async fn run(office: &Office, sql: &'static str) {
    let change = RecordChange::Run(sql, vec![]);
    office.app.accounts.writer.write(vec![change]).await.unwrap();
}

/// What the audit says; nothing if all of it agrees.
async fn audited(office: &Office) -> String {
    let clock = Clock::Manual(office.time.clone());
    let report = audit(&office.app.sales.reads, &clock, None).await.unwrap();
    if report.balanced() { String::new() } else { report.to_string() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_scan_keeps_back_no_other_of_its_request() {
    for office in Office::each("damaged-scan").await {
        let codes = tickets(&office, 3).await;
        let first = [late(&codes[0], 1, 1), late(&codes[0], 2, 1)];
        assert_eq!(results(&office, &first).await, ["admitted", "recorded"]);
        run(&office, "UPDATE scans SET objection = 'odd' WHERE objection IS NOT NULL").await;

        let scans = [late(&codes[0], 3, 1), late(&codes[1], 3, 2), late(&codes[2], 3, 3)];
        let (bad, good) = ("unreadable", "admitted");
        assert_eq!(results(&office, &scans).await, [bad, good, good]);
        // Also of one that was recorded before the damage, and of one that waits for its answer.
        assert_eq!(results(&office, &first).await, [bad, bad]);
        let mut asked = late(&codes[0], 4, 1);
        asked["late"] = false.into();
        let told = api(&office, "POST", "/check-ins", &asked).await;
        assert_eq!(told.status, 200, "{}", told.body);
        assert!(told.body.contains(r#""result":"unreadable""#), "{}", told.body);
        let path = format!("/check-ins/{}/{}", id(1), id(1));
        let undone = api(&office, "DELETE", &path, &Value::Null).await;
        assert_eq!(undone.status, 503, "{}", undone.body);
        assert!(undone.body.contains("nts audit"), "{}", undone.body);

        // Once it is mended, what was kept back is recorded.
        run(&office, "UPDATE scans SET objection = 'already_in' WHERE objection IS NOT NULL").await;
        assert_eq!(results(&office, &scans).await, ["recorded", good, good]);
        let seen = api(&office, "GET", "/check-ins", &Value::Null).await;
        let seen: Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(seen["inside"], 5, "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_notices_what_was_changed_in_the_scans() {
    for office in Office::each("damaged-audit").await {
        let codes = tickets(&office, 2).await;
        let door = json!({"admission": "come_back"});
        assert_eq!(api(&office, "PUT", "/door", &door).await.status, 200);
        let mut out = late(&codes[0], 1, 2);
        out["direction"] = "out".into();
        let scans = [
            late(&codes[0], 1, 1),
            out,
            late(&codes[0], 1, 3),
            late(&codes[1], 1, 4),
            late(&codes[1], 1, 5),
        ];
        let told = results(&office, &scans).await;
        assert_eq!(told, ["admitted", "left", "admitted", "admitted", "recorded"]);
        assert_eq!(audited(&office).await, "");
        for (odd, mended, said) in [
            (
                "UPDATE scans SET visit = 3 WHERE visit = 2",
                "UPDATE scans SET visit = 2 WHERE visit = 3",
                "scan 3 of ticket 1 of order",
            ),
            (
                "UPDATE scans SET visit = NULL WHERE visit = 2",
                "UPDATE scans SET visit = 2 WHERE turn = 3",
                "scan 3 of ticket 1 of order",
            ),
            (
                "UPDATE scans SET turn = 5 WHERE turn = 3",
                "UPDATE scans SET turn = 3 WHERE turn = 5",
                "scan 5 of ticket 1 of order",
            ),
            (
                "UPDATE scans SET visit = 2 WHERE objection IS NOT NULL",
                "UPDATE scans SET visit = NULL WHERE objection IS NOT NULL",
                "scan 2 of ticket 2 of order",
            ),
            (
                "UPDATE gate_counts SET entered = entered + 1",
                "UPDATE gate_counts SET entered = entered - 1",
                "gate north counts",
            ),
            (
                "UPDATE gate_counts SET gate = 'south'",
                "UPDATE gate_counts SET gate = 'north'",
                "gate north has scans and no counts",
            ),
        ] {
            run(&office, odd).await;
            let report = audited(&office).await;
            assert!(report.contains(said), "{odd}: {report:?}");
            run(&office, mended).await;
            assert_eq!(audited(&office).await, "", "after {odd}");
        }
        // A scan that is gone.
        run(&office, "DELETE FROM scans WHERE turn = 2").await;
        let report = audited(&office).await;
        assert!(
            report.contains("gate north counts") && report.contains("scan 3 of ticket 1"),
            "{report}"
        );
    }
}
