//! The fake over real HTTP, on a listener of the caller's. A connection can be cut without an
//! answer, as networks do.

use super::answer::{Answer, Fault};
use super::{FakeStripe, Outcome};
use crate::payments::wire::WireRequest;
use crate::tasks::spawn;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The oldest version of the API that is understood.
const OLDEST: &str = "2026-09-30";
/// A request larger than this is none of ours.
const MOST_BYTES: usize = 1 << 20;

/// Serves until the task is dropped; all its connections end with it.
pub async fn serve(fake: Arc<FakeStripe>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let fake = Arc::clone(&fake);
                connections.spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        one(Arc::clone(&fake), request)
                    });
                    let io = TokioIo::new(stream);
                    // An error here is the connection's end, as often as not by our own will.
                    _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, service)
                        .await;
                });
            }
        }
    }
}

/// The connection is cut.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

async fn one(
    fake: Arc<FakeStripe>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        let value = parts.headers.get(name).and_then(|v| v.to_str().ok());
        value.map(str::to_owned)
    };
    let method = if parts.method == hyper::Method::GET { "GET" } else { "POST" };
    let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|_| Cut)?.to_bytes();
    if let Err(fault) = admit(&parts.method, &header) {
        return Ok(response(Answer::fault(&fault, fake.request_id())));
    }
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let form = form_urlencoded::parse(&body).into_owned().collect();
    let request = WireRequest { method, path, form, key: header("idempotency-key") };
    // In a task of its own: what has reached Stripe goes on there, though the caller hangs up.
    let (done, outcome) = tokio::sync::oneshot::channel();
    spawn(async move { _ = done.send(fake.answer(request).await) });
    match outcome.await {
        Ok(Outcome::Answer(answer)) => Ok(response(answer)),
        Ok(Outcome::Cut | Outcome::NoConnection) | Err(_) => Err(Cut),
    }
}

/// What Stripe looks at before anything else.
fn admit(method: &hyper::Method, header: &impl Fn(&str) -> Option<String>) -> Result<(), Fault> {
    let key = header("authorization");
    let key = key.as_deref().and_then(|value| value.strip_prefix("Bearer "));
    let test = |key: &str| key.starts_with("sk_test_") || key.starts_with("rk_test_");
    if !key.is_some_and(test) {
        return Err(Fault::plain("This is no API key for tests.").with_status(401));
    }
    let version = header("stripe-version").unwrap_or_default();
    if version.get(..10).is_none_or(|date| date < OLDEST) {
        let message = format!("The Stripe-Version must be {OLDEST} or newer.");
        return Err(Fault::plain(message));
    }
    let kind = header("content-type").unwrap_or_default();
    if method != hyper::Method::GET && kind != "application/x-www-form-urlencoded" {
        return Err(Fault::plain("The body of a POST is a form."));
    }
    Ok(())
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let kind = if answer.html { "text/html" } else { "application/json" };
    let mut response = Response::builder()
        .status(answer.status)
        .header("content-type", kind)
        .header("stripe-version", crate::payments::stripe::net::VERSION);
    if !answer.request_id.is_empty() {
        response = response.header("request-id", answer.request_id);
    }
    if let Some(original) = answer.original {
        response = response.header("idempotent-replayed", "true");
        response = response.header("original-request", original);
    }
    if let Some(retry) = answer.should_retry {
        response = response.header("stripe-should-retry", retry.to_string());
    }
    response.body(Full::new(answer.body)).expect("all of its parts are plain ASCII")
}
