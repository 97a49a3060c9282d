use super::*;
use boxoffice::{Event, EventId, Money, Pool};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const ALERTS: &str = include_str!("../../../deploy/alerts.yml");
const DASHBOARD: &str = include_str!("../../../deploy/grafana-dashboard.json");

fn event(id: u64, starts_ms: i64) -> Arc<Event> {
    let mut spec = nts_testkit::fixtures::event_spec(&format!("event-{id}"), 10);
    spec.starts_ms = starts_ms;
    let pool = Pool { name: "all".into(), capacity: 10, held: 2, sold: 3 };
    Arc::new(Event {
        id: EventId(id),
        spec,
        pools: vec![pool],
        ticket_types: vec![],
        counters: vec![],
        serials: 0,
        sale: boxoffice::Sale::Open,
    })
}

fn money(minor: i64) -> Money {
    Money { minor, currency: boxoffice::Currency::parse("EUR").expect("a currency") }
}

/// Every metric with every label, as Prometheus reads them: `histogram_bucket` and so on.
fn exported() -> BTreeMap<String, BTreeSet<String>> {
    let metrics = Metrics::default();
    metrics.refusals.get_or_create(&ByReason { reason: "sold_out" }).inc();
    metrics.limited.get_or_create(&ByReason { reason: "holds" }).inc();
    metrics.orders.get_or_create(&ByState { state: "paid" }).inc();
    metrics.stuck.get_or_create(&ByState { state: "paid" }).set(0);
    let mail = ByMail { kind: "tickets", outcome: "sent" };
    metrics.mails.get_or_create(&mail).inc();
    let call = ProviderCall { operation: "confirm", outcome: "ok" };
    metrics.provider.get_or_create(&call).inc();
    metrics.http.get_or_create(&Route { route: "/".into(), status: 200 }).inc();
    metrics.figures.set_events(&[event(1, 0)], 0);
    metrics.figures.paid(EventId(1), money(100));
    metrics.figures.set_last_backup(Some(0));
    metrics.figures.set_presence([(EventId(1), (3, 2))].into());
    metrics.webhooks.get_or_create(&ByOutcome { outcome: "delivered" }).inc();
    metrics.hooks_in_trouble.get_or_create(&ByState { state: "failing" }).set(0);
    let mut exported: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in metrics.text().lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a sample"));
        let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let labels = labels.map_or("", |(labels, _)| labels);
        let labels = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.into()));
        exported.entry(name.into()).or_default().extend(labels);
    }
    exported
}

/// The words of a query that are names, with the character that follows each.
fn words(query: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    query.split(|c| !is_name(c)).filter(|word| !word.is_empty()).collect()
}

/// Every metric and every label that a query names exists.
fn check(query: &str, exported: &BTreeMap<String, BTreeSet<String>>) {
    let mut named = 0;
    for word in words(query).into_iter().filter(|word| word.starts_with("nts_")) {
        assert!(exported.contains_key(word), "there is no metric {word}: {query}");
        named += 1;
    }
    assert!(named > 0 || query.starts_with("up{"), "no metric of ours: {query}");
    // What Prometheus adds itself.
    let mut labels: BTreeSet<&str> = ["instance", "job"].into();
    labels.extend(exported.values().flatten().map(String::as_str));
    let groups = query.split(" by (").skip(1).filter_map(|rest| rest.split_once(')'));
    for label in groups.flat_map(|(group, _)| words(group)) {
        assert!(labels.contains(label), "there is no label {label}: {query}");
    }
    for matcher in query.split('{').skip(1).filter_map(|rest| rest.split_once('}')) {
        for label in matcher.0.split(',').filter_map(|m| m.split(['=', '!']).next()) {
            assert!(labels.contains(label.trim()), "there is no label {label}: {query}");
        }
    }
}

#[test]
fn the_alert_rules_name_metrics_that_exist() {
    let exported = exported();
    let queries = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let queries: Vec<&str> = queries.collect();
    assert_eq!(queries.len(), ALERTS.matches("- alert: ").count());
    assert!(queries.len() > 8);
    queries.iter().for_each(|query| check(query, &exported));
}

#[test]
fn the_dashboard_names_metrics_that_exist_and_is_one_that_grafana_takes() {
    let exported = exported();
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    assert!(dashboard["title"].is_string() && dashboard["uid"].is_string());
    assert!(dashboard["schemaVersion"].as_u64().is_some_and(|version| version >= 36));
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    let mut taken: Vec<(u64, u64, u64, u64)> = Vec::new();
    let mut queries = 0;
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}");
        let at = |side: &str| panel["gridPos"][side].as_u64().expect("a place");
        let (x, y, w, h) = (at("x"), at("y"), at("w"), at("h"));
        assert!(x + w <= 24 && h > 0, "{title} is outside");
        let apart = |&(x2, y2, w2, h2): &(u64, u64, u64, u64)| {
            x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y
        };
        assert!(taken.iter().all(apart), "{title} lies on another");
        taken.push((x, y, w, h));
        match panel["type"].as_str() {
            Some("row") => continue,
            Some("timeseries" | "stat") => {}
            other => panic!("{title} is of the kind {other:?}"),
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            check(target["expr"].as_str().expect("a query"), &exported);
            queries += 1;
        }
    }
    assert!(queries > 20);
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        if variable["type"] == "query" {
            let query = variable["definition"].as_str().expect("a query");
            assert!(words(query).iter().any(|word| exported.contains_key(*word)), "{query}");
        }
    }
}

#[test]
fn the_documents_name_metrics_that_exist() {
    let exported = exported();
    let mut named = 0;
    for document in [
        include_str!("../../../docs/abuse.md"),
        include_str!("../../../docs/high-availability.md"),
        include_str!("../../../docs/operations.md"),
        include_str!("../../../docs/stripe.md"),
    ] {
        for word in document.split('`').filter(|word| word.starts_with("nts_")) {
            assert!(exported.contains_key(word), "there is no metric {word}");
            named += 1;
        }
    }
    assert!(named > 15);
}

/// Prometheus' own tool reads the rules and runs their tests.
#[test]
fn promtool_takes_the_alert_rules_and_their_tests_pass() {
    let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let mut promtool = std::process::Command::new("promtool");
        match promtool.args(arguments).current_dir(deploy).output() {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout).into_owned()
                    + &String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{said}");
            }
            Err(why) => {
                let all = std::env::var_os("NTS_TEST_ALL").is_some();
                assert!(!all, "promtool (Debian: the package prometheus) cannot be run: {why}");
                eprintln!("left out: promtool cannot be run: {why}");
            }
        }
    }
}

#[test]
fn metrics_of_events_are_bounded_and_end_after_a_week() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let metrics = Metrics::default();
    let lines = |part: &str| {
        let text = metrics.text();
        text.lines().filter(|line| line.starts_with(part)).map(String::from).collect::<Vec<_>>()
    };
    let now_ms = 100 * DAY_MS;
    metrics.figures.paid(EventId(1), money(1_250));
    metrics.figures.paid(EventId(1), money(1_250));
    metrics.figures.refunded(EventId(1), money(1_000));
    metrics.figures.set_events(&[event(1, now_ms - 7 * DAY_MS), event(2, now_ms)], now_ms);
    assert_eq!(
        lines("nts_event_left"),
        ["nts_event_left{event=\"event-1\"} 5", "nts_event_left{event=\"event-2\"} 5"]
    );
    let paid = "nts_event_paid_amount_total{event=\"event-1\",currency=\"EUR\"} 25.0";
    assert_eq!(lines("nts_event_paid_amount_total"), [paid]);
    let refunded = "nts_event_refunded_amount_total{event=\"event-1\",currency=\"EUR\"} 10.0";
    assert_eq!(lines("nts_event_refunded_amount_total"), [refunded]);
    let later_ms = now_ms + 1;
    metrics.figures.set_events(&[event(1, now_ms - 7 * DAY_MS), event(2, now_ms)], later_ms);
    assert_eq!(lines("nts_event_left"), ["nts_event_left{event=\"event-2\"} 5"]);
    assert!(lines("nts_event_paid_amount_total").is_empty(), "its amounts went with it");
    assert_eq!(lines("nts_events "), ["nts_events 2"]);
    let many: Vec<_> = (0..1_000).map(|n| event(n, now_ms + 1_000 - n as i64)).collect();
    metrics.figures.set_events(&many, now_ms);
    assert_eq!(lines("nts_event_sold").len(), 200);
    assert_eq!(lines("nts_event_sold{event=\"event-999\"}").len(), 1, "those that start next");
    assert!(lines("nts_last_backup").is_empty(), "nobody told that backups are ours");
}
