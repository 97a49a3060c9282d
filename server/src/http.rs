//! HTTP: what comes in becomes a command or a question; what goes out is the answer.
//!
//! Pages ([`shop`], [`legacy`]) and programs ([`api`], [`organiser`]) send the same commands. What
//! lives here knows the writer's queue, the catalogue and the reads; it never touches a store.

pub mod api;
mod cross_site;
#[cfg(test)]
mod fuzz;
pub mod legacy;
pub mod malformed;
pub mod ops;
pub mod organiser;
pub mod pay;
pub mod problem;
mod problems;
pub mod routes;
pub mod sandbox;
#[cfg(test)]
mod sentences;
pub mod serve;
pub mod shop;
pub mod shown;
pub mod site;
pub mod socket;
pub mod view;
pub mod webhook;

use crate::admission::client::Client;
use crate::admission::network::Peer;
use crate::app::App;
use crate::ids::digest;
use crate::metrics::Route;
use crate::store::RequestKey;
use crate::text::cut;
use crate::writer::Request as KeyedRequest;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use nts_api::ProblemCode;
use problem::Problem;
use serde::de::DeserializeOwned;
use site::Site;
use socket::Doing;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::{Duration, Instant, timeout};

/// How much of a body that is too large is still read and thrown away, so that its sender hears
/// why instead of a broken connection.
const DRAIN_BYTES: usize = 128 << 20;

/// How large a body may be that anybody may send, in bytes: an order of twenty ticket types with long ids,
/// names and addresses fits in. It is kept in memory until it is whole, on as many connections as there
/// are.
const OPEN_BODY: usize = 16 * 1024;

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    router_with(app, Router::new())
}

/// All routes and some more, treated alike: benchmarks compare with a route of their own.
pub fn router_with(app: Arc<App>, more: Router<Arc<Site>>) -> Router {
    let site = Site::new(app);
    routes::router(&site.config, site.sandbox.is_some())
        .merge(more)
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&site), around))
        .with_state(site)
}

async fn not_found(request: Request) -> Response {
    let p = Problem::new(ProblemCode::NotFound, "The address is wrong or incomplete.");
    shop::problem_for(request.uri().path(), request.headers(), p)
}

async fn wrong_method(request: Request) -> Response {
    let p = Problem::new(ProblemCode::WrongMethod, "It exists, but not for this method.");
    shop::problem_for(request.uri().path(), request.headers(), p)
}

/// What is done around every request: count it, log it without what its path hides, and send the
/// headers that protect who asks.
async fn around(State(app): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|m| m.as_str().to_owned());
    let route = route.unwrap_or_else(|| "(none)".into());
    let mut response = if !is_text(request.uri().path()) {
        let problem = Problem::invalid("The address is not UTF-8 text. Nothing was done.");
        shop::problem_for(request.uri().path(), request.headers(), problem)
    } else if let Some(problem) = cross_site::refusal(&request) {
        shop::problem_for(request.uri().path(), request.headers(), problem)
    } else if looks_at_an_order(&route) {
        look(&app, request, next).await
    } else {
        next.run(request).await
    };
    protect(response.headers_mut());
    if app.config.is_secure() {
        let value = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    if app.draining.is_raised() {
        // So that a load balancer keeps no connection on which its next request would be lost.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    app.metrics.http_seconds.observe(seconds);
    let method = cut(method.as_str());
    tracing::debug!(method, route, status, seconds, "request");
    app.metrics.http.get_or_create(&Route { route, status }).inc();
    response
}

/// Whether a route is one on which somebody looks at an order, pays it or gives it back by its secret.
fn looks_at_an_order(route: &str) -> bool {
    let of_an_order = ["/orders/", "/pay/", "/api/v1/orders/"].iter().any(|p| route.starts_with(p));
    of_an_order && !route.ends_with("/refunds")
}

/// Answers who looks at an order, unless the client has looked too often. Who shows a wrong secret may
/// look less often.
async fn look(app: &App, request: Request, next: Next) -> Response {
    let client = client(app, request.extensions(), request.headers());
    if let Err(refused) = app.admission.may_look(client) {
        return shop::problem_for(request.uri().path(), request.headers(), refused.into());
    }
    let response = next.run(request).await;
    if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED) {
        app.admission.looked_in_vain(client);
    }
    response
}

/// The client of a request.
fn client(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Client {
    // A client may write anything left of what a proxy appends to the same line: what is no text there
    // makes no other part of the line unreadable.
    let values = headers.get_all("x-forwarded-for").iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let values = values.iter().map(|value| &**value);
    app.admission.clients().client(extensions.get::<Peer>().copied(), values)
}

impl FromRequestParts<Arc<Site>> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Site>) -> Result<Client, Infallible> {
        Ok(client(app, &parts.extensions, &parts.headers))
    }
}

/// Whether a path is text once its percent-encoding is undone.
fn is_text(path: &str) -> bool {
    if !path.contains('%') {
        return true;
    }
    let mut bytes = path.as_bytes().iter();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        let digit = |at: usize| bytes.as_slice().get(at).and_then(|b| (*b as char).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                bytes.nth(1);
            }
            _ => decoded.push(*byte),
        }
    }
    std::str::from_utf8(&decoded).is_ok()
}

/// The headers that protect whoever looks at an answer. What programs read is never shown as a page:
/// most of them would only be written and sent for nothing.
fn protect(headers: &mut HeaderMap) {
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if [&b"application/json"[..], b"application/problem+json"].contains(&kind) {
        return;
    }
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                  connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        // An order's address is its secret: it is told to nobody.
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Whether a new hold may enter.
fn admit(app: &App) -> Result<(), Problem> {
    app.admission.check_hold().map_err(|shed| Problem::busy(shed.again_s))
}

/// What was sent: the whole body of a request, bounded in size and in time, and its headers. Anybody may
/// send it, so it has room for an order and little more (`OPEN_BODY`).
pub struct Sent {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl FromRequest<Arc<Site>> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<Site>) -> Result<Sent, Problem> {
        let limit = open_limit(app);
        receive(request, app, limit).await
    }
}

/// What the organiser sent. Nothing of the body is read unless the head has the organiser's key.
pub struct SentByOrganiser(pub Sent);

impl FromRequest<Arc<Site>> for SentByOrganiser {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<Site>) -> Result<SentByOrganiser, Problem> {
        if !is_organiser(app, request.headers()) {
            return Err(Problem::not_organiser());
        }
        let limit = app.config.body_bytes as usize;
        receive(request, app, limit).await.map(SentByOrganiser)
    }
}

/// How large a body may be that anybody may send.
fn open_limit(app: &App) -> usize {
    OPEN_BODY.min(app.config.body_bytes as usize)
}

/// Receives the whole body of a request, if it comes in time and is no larger than this.
async fn receive(request: Request, app: &App, limit: usize) -> Result<Sent, Problem> {
    let patience = Duration::from_millis(app.config.slow_client_ms);
    let (head, body) = request.into_parts();
    let receiving = head.extensions.get::<Arc<Doing>>().map(Doing::receiving);
    let received = timeout(patience, collect(body, limit)).await;
    let body = received.unwrap_or_else(|_| Err(Problem::too_slow()))?;
    if let Some(receiving) = receiving {
        receiving.is_whole();
    }
    Ok(Sent { headers: head.headers, body })
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    let mut seen = 0usize;
    while let Some(frame) = body.frame().await {
        let broken = |_| {
            Problem::invalid("The body ended in the middle, or it is malformed. Nothing was done.")
        };
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            bytes.extend_from_slice(&data);
            continue;
        }
        bytes = BytesMut::new();
        if seen > DRAIN_BYTES {
            break;
        }
    }
    if seen > limit {
        return Err(Problem::new(
            ProblemCode::TooLarge,
            format!("A body has at most {limit} bytes here. Nothing was done."),
        ));
    }
    Ok(bytes.freeze())
}

/// Reads a JSON body; the content type must say that it is one.
pub fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    expect_type(headers, "application/json")?;
    serde_json::from_slice(body).map_err(|error| Problem::malformed("The JSON body", &error))
}

/// A form as it was sent.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form body; the content type must say that it is one.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Form, Problem> {
        expect_type(headers, "application/x-www-form-urlencoded")?;
        Ok(Form(form_urlencoded::parse(body).into_owned().collect()))
    }

    /// A field without the blanks around it; empty if it was not sent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.trim())
    }

    /// The fields whose names begin so, without that beginning.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(n, v)| Some((n.strip_prefix(prefix)?, v.trim())))
    }
}

fn expect_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let sent = sent.split(';').next().unwrap_or("").trim();
    if sent.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::WrongType,
        format!("Send Content-Type: {expected}. Nothing was done."),
    ))
}

/// The token of `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the organiser asks.
pub fn is_organiser(app: &App, headers: &HeaderMap) -> bool {
    use subtle::ConstantTimeEq;
    bearer(headers).is_some_and(|key| {
        digest(&[b"organiser", key.as_bytes()])
            .to_be_bytes()
            .ct_eq(&app.organiser_key.to_be_bytes())
            .into()
    })
}

/// The idempotency key of a request, bound to what it is sent to (`scope`) and to its body.
pub fn keyed(
    headers: &HeaderMap,
    scope: &[&[u8]],
    body: &[u8],
) -> Result<Option<KeyedRequest>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(Problem::invalid(
            "A request has one Idempotency-Key at most. Nothing was done.",
        ));
    }
    let bytes = key.as_bytes();
    if bytes.is_empty() || bytes.len() > 255 || !bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
        return Err(Problem::invalid("An Idempotency-Key is 1 to 255 printable ASCII characters."));
    }
    Ok(Some(key_of(scope, bytes, body)))
}

/// The digests of a key and of what was asked under it.
pub fn key_of(scope: &[&[u8]], key: &[u8], body: &[u8]) -> KeyedRequest {
    let mut parts = scope.to_vec();
    parts.push(key);
    KeyedRequest { key: RequestKey(digest(&parts)), fingerprint: digest(&[body]) as u64 }
}

/// Whether a path is one for programs.
pub fn for_programs(path: &str, headers: &HeaderMap) -> bool {
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    path.starts_with("/api/") || (!wants_page && path.starts_with("/metrics"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_text() {
        for path in ["/", "/events/a%20b", "/%C3%A9", "/%", "/%4", "/%zz", "/100%", "/%00", "/é"] {
            assert!(is_text(path), "{path}");
        }
        for path in ["/%ff", "/a/%C3", "/%C3%28", "/%80", "/%c0%af", "/%ED%A0%80"] {
            assert!(!is_text(path), "{path}");
        }
    }

    #[test]
    fn pages_are_protected_and_programs_hear_only_what_concerns_them() {
        let sent = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            protect(&mut headers);
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(headers[header::CACHE_CONTROL], "no-store");
            headers
        };
        for page in ["text/html; charset=utf-8", "image/svg+xml", "text/plain"] {
            let headers = sent(page);
            assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
            assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
            assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
        }
        for program in ["application/json", "application/problem+json"] {
            assert_eq!(sent(program).len(), 3);
        }
        // A page that has a policy of its own keeps it.
        let mut own = HeaderMap::new();
        own.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("script-src x"));
        protect(&mut own);
        assert_eq!(own[header::CONTENT_SECURITY_POLICY], "script-src x");
    }
}
