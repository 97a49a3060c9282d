//! A whole server in this process, and requests to it as bytes.

use crate::app::App;
use crate::config::Config;
use crate::run::Server;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// The organiser's header.
pub const KEY: &str = "Bearer the-key-of-the-tests";
pub const JSON: (&str, &str) = ("content-type", "application/json");
const WEBHOOK: &str = "whsec_of_the_tests";

/// A server that sells the event `rock` and the show of the old routes.
pub struct Shop {
    runtime: Runtime,
    /// None once it stops: whoever has them keeps the writer waiting for more.
    parts: Option<(Router, Arc<App>)>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    serving: Option<tokio::task::JoinHandle<()>>,
    dir: PathBuf,
}

/// An answer.
#[derive(Debug)]
pub struct Sent {
    pub status: u16,
    kind: String,
    body: Vec<u8>,
}

impl Sent {
    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A form's body.
pub fn form(fields: &[(String, String)]) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish().into_bytes()
}

impl Shop {
    /// One with the sandbox.
    pub fn start(name: &str) -> Shop {
        Shop::with(name, &[])
    }

    /// One that hears Stripe's notifications, and reaches no Stripe.
    pub fn with_stripe(name: &str) -> Shop {
        let webhook = format!("--stripe-webhook-secret={WEBHOOK}");
        let keys = ["--stripe-secret-key=sk_test_x", "--stripe-publishable-key=pk_test_x"];
        let base = "--stripe-api-base=http://127.0.0.1:9";
        Shop::with(name, &[keys[0], keys[1], base, &webhook])
    }

    fn with(name: &str, more: &[&str]) -> Shop {
        let dir = std::env::temp_dir().join(format!("nts-fuzz-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let database = format!("--database={}", dir.join("nts.db").display());
        let key = format!("--organiser-key={}", &KEY["Bearer ".len()..]);
        let flags =
            ["--address=127.0.0.1:0", "--demo=0", "--overload-lag-ms=0", "--slow-client-ms=300"];
        let flags = flags.iter().chain(more).copied().chain([&*database, &*key]);
        let config = Config::from_flags(flags).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(Server::start(config)).unwrap();
        let app = Arc::clone(&server.app);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = Some(runtime.spawn(server.serve(async { _ = stopped.await })));
        let router = crate::http::router(Arc::clone(&app));
        let parts = Some((router, app));
        let shop = Shop { runtime, parts, stop: Some(stop), serving, dir };
        shop.put_event("rock", 10, json!(null));
        shop.put_event("best-show-ever", 1, json!(1));
        shop
    }

    fn put_event(&self, slug: &str, limit: u32, per_buyer: Value) {
        let price = json!({"amount": 500, "currency": "GBP"});
        let event = json!({
            "name": "Rock", "starts_at": "2030-07-05T20:00:00Z", "zone": "UTC", "currency": "GBP",
            "limit_per_order": limit, "limit_per_buyer": per_buyer,
            "pools": [{"id": "hall", "capacity": 1_000_000}],
            "ticket_types": [
                {"id": "adult", "name": "Adult", "pool": "hall", "price": price},
                {"id": "child", "name": "Child", "pool": "hall", "price": price}],
        });
        let path = format!("/api/v1/events/{slug}");
        let headers = [JSON, ("authorization", KEY)];
        let made = self.send("PUT", &path, &headers, event.to_string().as_bytes());
        assert_eq!(made.status, 201, "{made:?}");
    }

    fn app(&self) -> &App {
        &self.parts.as_ref().unwrap().1
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.app().config.address
    }

    /// The places of an event that are held or sold.
    pub fn held(&self, event: &str) -> u64 {
        let event = self.app().catalogue.event(event).unwrap();
        event.pools.iter().map(|pool| u64::from(pool.held + pool.sold)).sum()
    }

    /// Sends a request; `None` if it cannot even be written down as one.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Sent> {
        let uri = Uri::try_from(path).ok().filter(|uri| uri.path().starts_with('/'))?;
        let mut request = Request::new(Body::from(body.to_vec()));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
        *request.uri_mut() = uri;
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).ok()?;
            request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
        self.runtime.block_on(async {
            let router = self.parts.as_ref().unwrap().0.clone();
            let response = router.oneshot(request).await.unwrap_or_else(|n| match n {});
            let status = response.status().as_u16();
            let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok());
            let kind = kind.unwrap_or("").to_owned();
            // A stream of counts has no end.
            let body = match kind.as_str() {
                "text/event-stream" => Vec::new(),
                _ => response.into_body().collect().await.unwrap().to_bytes().to_vec(),
            };
            Some(Sent { status, kind, body })
        })
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Sent {
        self.try_send(method, path, headers, body).unwrap()
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Sent {
        self.send("POST", path, headers, body)
    }

    /// Holds two places; the order's id and its secret.
    pub fn order(&self) -> (String, String) {
        let body = json!({"buyer": {"name": "Ann", "email": "ann@example.org"},
                          "lines": [{"ticket_type": "adult", "quantity": 2}]});
        let held = self.post("/api/v1/events/rock/orders", &[JSON], body.to_string().as_bytes());
        assert_eq!(held.status, 201, "{held:?}");
        let held = held.json();
        let text = |name: &str| held[name].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }

    /// The same, paid.
    pub fn paid(&self) -> (String, String) {
        let (id, secret) = self.order();
        let bearer = format!("Bearer {secret}");
        let headers = [JSON, ("authorization", bearer.as_str())];
        let path = format!("/api/v1/orders/{id}/pay");
        let paid = self.post(&path, &headers, br#"{"token":"ctoken_ok"}"#);
        assert_eq!(paid.json()["state"], "paid", "{paid:?}");
        (id, secret)
    }

    /// An order as its buyer sees it.
    pub fn look(&self, id: &str, secret: &str) -> Value {
        let bearer = format!("Bearer {secret}");
        let path = format!("/api/v1/orders/{id}");
        self.send("GET", &path, &[("authorization", &bearer)], b"").json()
    }

    /// Stripe's signature of a body, as of now.
    pub fn signature(&self, body: &[u8]) -> String {
        let seconds = self.app().clock.now_ms() / 1000;
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(WEBHOOK.as_bytes()).unwrap();
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(body);
        let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        format!("t={seconds},v1={hex}")
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.parts = None;
        _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(serving) = self.serving.take() {
            _ = self.runtime.block_on(serving);
        }
        _ = std::fs::remove_dir_all(&self.dir);
    }
}
