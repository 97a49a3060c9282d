//! A process whose own clock is wrong by seconds: the database's is used, so its sales take as long
//! as everybody's, and it says that it is wrong.

use crate::shop::{KEY, exchange};
use nts_server::clock::Clock;
use nts_server::config::Config;
use nts_server::run::Server;
use nts_testkit::Postgres;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Instant;

/// Each of the three steps of a sale waited for so long when the own clock was believed.
const WRONG_MS: i64 = 20_000;

#[tokio::test]
async fn a_sale_takes_no_longer_where_the_own_clock_is_wrong() {
    let Some(postgres) = Postgres::shared() else {
        return println!("not tested: there is no PostgreSQL");
    };
    for (n, ahead_ms) in [-WRONG_MS, 0, WRONG_MS].into_iter().enumerate() {
        let dir = std::env::temp_dir().join(format!("nts-clocks-{n}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let config = Config::from_flags([
            "--address=127.0.0.1:0",
            "--overload-lag-ms=0",
            &format!("--organiser-key={KEY}"),
            &format!("--database={}", postgres.url(&postgres.database())),
            &format!("--sandbox={}", dir.join("sandbox").display()),
        ]);
        let clock = Clock::Virtual {
            begun: tokio::time::Instant::now(),
            begun_ms: Clock::System.now_ms(),
            ahead_ms: Arc::new(AtomicI64::new(ahead_ms)),
        };
        let server = Server::start_at(config.unwrap(), clock).await.unwrap();
        // From the first moment on: what is on sale must not depend on the own clock.
        let off = server.app.clock.now_ms() - Clock::System.now_ms();
        assert!(off.abs() < 2_000, "{off} ms off at the start, {ahead_ms} ms ahead");
        let address = server.app.config.address;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async { _ = stopped.await }));
        let ask = async |method: &str, path: &str, key: &str, body: Value| {
            let bearer = format!("Bearer {key}");
            let headers = [("authorization", bearer.as_str())];
            let (status, text) = exchange(address, method, path, &headers, &body.to_string()).await;
            (status, serde_json::from_str::<Value>(&text).unwrap_or(Value::String(text)))
        };

        let event = json!({
            "name": "Rock", "starts_at": "2030-01-01T20:00:00Z", "zone": "UTC", "currency": "GBP",
            "pools": [{"id": "all", "capacity": 10}],
            "ticket_types": [{"id": "t", "name": "T", "pool": "all",
                              "price": {"amount": 1_000, "currency": "GBP"}}],
        });
        let (status, told) = ask("PUT", "/api/v1/events/clock", KEY, event).await;
        assert!(status < 300, "{told}");
        let wish = json!({"buyer": {"name": "Ann", "email": "ann@example.org"},
                          "lines": [{"ticket_type": "t", "quantity": 1}]});
        let (status, held) = ask("POST", "/api/v1/events/clock/orders", "", wish).await;
        assert_eq!(status, 201, "{held}");
        let (id, secret) = (held["id"].as_str().unwrap(), held["secret"].as_str().unwrap());
        let begun = Instant::now();
        let path = format!("/api/v1/orders/{id}");
        let token = json!({"token": "ctoken_ok"});
        let (_, mut order) = ask("POST", &format!("{path}/pay"), secret, token).await;
        while order["state"] != "paid" {
            assert!(begun.elapsed().as_millis() < WRONG_MS.unsigned_abs().into(), "{order}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            (_, order) = ask("GET", &path, secret, Value::Null).await;
        }
        println!("{ahead_ms} ms ahead: paid after {:?}", begun.elapsed());

        let told = move |metrics: &Value| {
            let line = metrics.as_str().unwrap().lines();
            let mut line = line.filter_map(|l| l.strip_prefix("nts_database_clock_ahead_seconds "));
            line.next().unwrap().parse::<f64>().unwrap()
        };
        let (_, metrics) = ask("GET", "/metrics", "", Value::Null).await;
        let wrong = told(&metrics) + ahead_ms as f64 / 1e3;
        assert!(wrong.abs() < 2.0, "{wrong}");
        stop.send(()).unwrap();
        serving.await.unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
