//! Carries requests to Stripe over HTTPS.

use crate::payments::wire::{Exchange, Lost, Wire, WireRequest, WireResponse};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::rt::Executor;
use hyper::{Method, Request};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioTimer;
use std::time::Duration;
use tokio::runtime::Handle;

/// The version of the API that we were written for
/// (<https://docs.stripe.com/api/versioning>): every request names it, so that an upgrade of the
/// account changes nothing here.
pub const VERSION: &str = "2026-09-30.endive";
/// Where Stripe's API lives.
pub const BASE: &str = "https://api.stripe.com";
/// How long a connection may take; after it, nothing was sent.
const CONNECT: Duration = Duration::from_secs(5);
/// An answer longer than this is none of Stripe's.
const MOST_BYTES: usize = 8 << 20;

/// The runtime in which the way was made: whoever asks, a kept connection is looked after there.
#[derive(Clone)]
struct Home(Handle);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Home {
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

/// The way to Stripe.
pub struct Net {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    authorization: String,
    patience: Duration,
}

impl Net {
    /// `base`: the address without a slash at its end. `patience`: how long one exchange may take
    /// in all; when it is over, what was asked may have happened.
    pub fn new(base: &str, secret_key: &str, patience: Duration) -> Result<Net, String> {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT.min(patience)));
        http.set_nodelay(true);
        http.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|e| e.to_string())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(Home(Handle::current()))
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        let authorization = format!("Bearer {secret_key}");
        Ok(Net { client, base: base.into(), authorization, patience })
    }

    fn request(&self, asked: WireRequest) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let method = if asked.method == "GET" { Method::GET } else { Method::POST };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{}", self.base, asked.path))
            .header("authorization", &self.authorization)
            .header("stripe-version", VERSION)
            .header("user-agent", concat!("nts/", env!("CARGO_PKG_VERSION")));
        if let Some(key) = &asked.key {
            request = request.header("idempotency-key", key);
        }
        if asked.method != "GET" {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&asked.form);
        request.body(Full::new(Bytes::from(form.finish())))
    }

    async fn ask(&self, asked: WireRequest) -> Result<WireResponse, Lost> {
        let request = self.request(asked);
        let request = request.map_err(|e| Lost::NotSent(format!("no such address: {e}")))?;
        let response = self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                Lost::NotSent("no connection to the payment provider".into())
            } else {
                Lost::Unknown(format!("the connection ended: {error}"))
            }
        })?;
        let (parts, body) = response.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
        let status = parts.status.as_u16();
        let request_id = header("request-id").map(str::to_owned);
        let should_retry = header("stripe-should-retry").and_then(|v| v.parse().ok());
        let seconds: Option<f64> = header("retry-after").and_then(|v| v.parse().ok());
        let retry_after_ms = seconds.map(|s| (s.clamp(0.0, 3_600.0) * 1000.0) as i64);
        let body = Limited::new(body, MOST_BYTES).collect().await;
        let body = body.map_err(|e| Lost::Unknown(format!("the answer was cut off: {e}")))?;
        let body = body.to_bytes();
        Ok(WireResponse { status, request_id, should_retry, retry_after_ms, body })
    }
}

impl Wire for Net {
    fn exchange(&self, request: WireRequest) -> Exchange<'_> {
        Box::pin(async move {
            let answer = tokio::time::timeout(self.patience, self.ask(request)).await;
            answer.unwrap_or_else(|_| {
                let seconds = self.patience.as_secs_f64();
                Err(Lost::Unknown(format!("no answer within {seconds} seconds")))
            })
        })
    }
}
