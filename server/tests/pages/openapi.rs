//! The description of the API: as it was accepted, with answers that a server gave.

use super::{KEY, Shop};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use nts_server::config::Config;
use nts_server::http::openapi::{Needs, Operation};
use nts_server::http::routes::{Access, Described, routes};
use serde_json::{Map, Value, json};
use std::path::Path;
use tower::ServiceExt;

/// Compares a file of the repository with what it should be, or writes it.
fn accepted(file: &str, is: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let is = format!("{}\n", serde_json::to_string_pretty(is).unwrap());
    let was = std::fs::read_to_string(&path).unwrap_or_default();
    if is == was {
        return;
    }
    if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        std::fs::write(&path, is).unwrap();
        return;
    }
    let differs = is.lines().zip(was.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or_else(|| is.lines().count().min(was.lines().count()));
    panic!(
        "{} differs in line {}: it should be {:?} and is {:?}. If that is what you want: INSTA_UPDATE=always cargo \
         test -p nts-server --test snapshots; twice, for the document contains the examples.",
        path.display(),
        line + 1,
        is.lines().nth(line),
        was.lines().nth(line),
    );
}

/// Kept in `docs/openapi.json`, so that a change of the API is seen when it is reviewed.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_document_is_as_it_was_accepted() {
    let shop = Shop::start("openapi").await;
    let ask = |tag: Option<&str>| {
        let mut request = Request::get("/openapi.json");
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        shop.router.clone().oneshot(request.body(Body::empty()).unwrap())
    };
    let first = ask(None).await.unwrap();
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(
        (first.status().as_u16(), first.headers()["content-type"].to_str().unwrap()),
        (200, "application/json")
    );
    let document = first.into_body().collect().await.unwrap().to_bytes();
    accepted("../docs/openapi.json", &serde_json::from_slice(&document).unwrap());
    let again = ask(Some(&tag)).await.unwrap();
    assert_eq!(again.status().as_u16(), 304);
    assert!(again.into_body().collect().await.unwrap().to_bytes().is_empty());
}

/// What the names in an example stand for.
#[derive(Default)]
struct Names {
    id: String,
    secret: String,
    code: String,
    link: String,
    webhook: String,
    delivery: String,
}

impl Names {
    fn values(&self) -> [(&str, &str); 5] {
        [
            ("$ID", &self.id),
            ("$CODE", &self.code),
            ("$LINK", &self.link),
            ("$WEBHOOK", &self.webhook),
            ("$DELIVERY", &self.delivery),
        ]
    }
}

fn of<'a>(routes: &'a [Described], id: &str) -> (&'a Described, &'a Operation) {
    let described = routes.iter().filter_map(|route| Some((route, route.operation.as_ref()?)));
    described.into_iter().find(|(_, operation)| operation.id == id).expect("an operation")
}

impl Shop {
    /// The answer to the example of an operation.
    async fn example(&self, (route, operation): (&Described, &Operation), names: &Names) -> Value {
        let path = operation.example_path(route.path, &names.values());
        let mut request = Request::builder().method(route.method.as_str()).uri(&path);
        let token = match route.access {
            Access::Staff(_) => KEY,
            Access::OrderOrStaff(_) => &names.secret,
            _ => "",
        };
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = operation.example_body(&names.values());
        if let Some((kind, _)) = body {
            request = request.header("content-type", kind);
        }
        let body = body.map(|(_, body)| body).unwrap_or_default();
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap_or_else(|n| match n {});
        let (parts, mut body) = response.into_parts();
        let stream =
            parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let bytes = match stream {
            // It has no end.
            true => body.frame().await.unwrap().unwrap().into_data().unwrap(),
            false => body.collect().await.unwrap().to_bytes(),
        };
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(parts.status.as_u16(), operation.status(), "{}: {text}", operation.id);
        if !stream {
            nts_testkit::contract::check(route.method.as_str(), &path, operation.status(), &bytes);
        }
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    /// Makes what the example of an operation needs.
    async fn prepare(&self, routes: &[Described], needs: Needs) -> Names {
        let mut names = Names::default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        if matches!(needs, Needs::Event | Needs::CanceledEvent) {
            self.example(of(routes, "put_event"), &names).await;
        }
        if needs == Needs::CanceledEvent {
            self.example(of(routes, "cancel_event"), &names).await;
        }
        if needs == Needs::Keys {
            self.example(of(routes, "make_ticket_key"), &names).await;
        }
        if matches!(needs, Needs::Held | Needs::Paid | Needs::Scan) {
            let held = self.example(of(routes, "hold_tickets"), &names).await;
            (names.id, names.secret) = (text(&held["id"]), text(&held["secret"]));
        }
        if matches!(needs, Needs::Paid | Needs::Scan) {
            let paid = self.example(of(routes, "pay_order"), &names).await;
            names.code = text(&paid["tickets"][0]["code"]);
        }
        if needs == Needs::Scan {
            self.example(of(routes, "check_in"), &names).await;
        }
        if needs == Needs::Link {
            names.link = text(&self.example(of(routes, "make_gate_link"), &names).await["id"]);
        }
        if matches!(needs, Needs::Webhook | Needs::Delivery) {
            names.webhook = text(&self.example(of(routes, "make_webhook"), &names).await["id"]);
        }
        if needs == Needs::Delivery {
            names.delivery = text(&self.example(of(routes, "test_webhook"), &names).await["id"]);
        }
        names
    }

    /// A server that has nothing but an event like that of the demo.
    async fn with_the_demo_event() -> Shop {
        let shop = Shop::start("examples").await;
        let price = json!({"amount": 999, "currency": "GBP"});
        let ticket =
            json!({"id": "ticket", "name": "Show Ticket", "pool": "floor", "price": price});
        let demo = json!({
            "name": "Best Show Ever", "place": "Old Town Hall", "starts_at": "2030-06-01T19:00:00Z",
            "zone": "Europe/London", "currency": "GBP", "pools": [{"id": "floor", "capacity": 50}],
            "ticket_types": [ticket],
        });
        assert_eq!(shop.put_event("best-show-ever", demo).await.0, 201);
        for other in ["rock", "jazz"] {
            let path = format!("/api/v1/events/{other}");
            assert_eq!(shop.json("DELETE", &path, KEY, &Value::Null).await.0, 204);
        }
        shop
    }
}

/// The answers are kept, and shown in the document and on the page. Each is of a server of its own, so that another
/// operation changes none.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn examples_are_what_a_server_answers() {
    let routes = routes(&Config::from_flags([""; 0]).unwrap(), true).all();
    let mut answers = Map::new();
    for route in routes {
        let Some(operation) = &route.operation else { continue };
        let shop = Shop::with_the_demo_event().await;
        let names = shop.prepare(routes, operation.needs()).await;
        let answer = shop.example((route, operation), &names).await;
        // Whether a message was tried already when it is told of is a matter of milliseconds.
        let races = ["test_webhook", "list_deliveries", "replay_delivery"].contains(&operation.id);
        if answer != "" && !races {
            answers.insert(operation.id.to_owned(), answer);
        }
    }
    accepted("src/http/openapi/examples.json", &Value::Object(answers));
}
