//! Pages of other origins that use the API (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! What everybody may read of events, any page may read. Everything else of the API is for pages of the origins that
//! the owner names (`NTS_CORS_ORIGINS`), with the credential that the page itself has: cookies are never asked for, and
//! no route of the API looks at any. Pages of nts are for nobody else.

use super::routes::{Access, Described};
use super::site::Site;
use crate::config::Origins;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;

/// What a page may send beside what it always may.
const TAKES: &str =
    "accept-language, authorization, content-type, idempotency-key, if-match, if-none-match";
/// What a page may see beside what it always may.
const SHOWS: &str = "etag, link, location, ratelimit, ratelimit-policy, retry-after";
/// For so many seconds a browser remembers what it may do.
const REMEMBERED_S: &str = "7200";

/// Who may see an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Readers {
    /// Pages of every origin.
    All,
    /// The page of this origin, which sent the request.
    Named,
    /// No page of another origin, or it was not sent by one.
    Nobody,
    /// It is none of the API's.
    None,
}

/// The origin of the page that has sent a request, if it is one that the owner names.
fn named<'h>(site: &Site, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(header::ORIGIN).iter();
    let origin = values.next().filter(|_| values.next().is_none())?;
    site.config.cors_origins.has(origin.to_str().ok()?).then_some(origin)
}

/// Whether a request is for the API and comes from a page of an origin that the owner names.
pub(super) fn is_from_named(site: &Site, request: &Request) -> bool {
    is_api(request.uri().path()) && named(site, request.headers()).is_some()
}

fn is_api(path: &str) -> bool {
    path.starts_with("/api/")
}

/// Whether everybody may read what this route tells: it takes no credential.
fn is_public(route: &Described) -> bool {
    route.method == Method::GET && route.access == Access::Anyone
}

/// The answer to a browser that asks what a page may do; `None`: it does not ask, or the page may do nothing.
pub(super) fn preflight(site: &Site, request: &Request, route: &str) -> Option<Response> {
    let headers = request.headers();
    if request.method() != Method::OPTIONS || !is_api(route) {
        return None;
    }
    let wanted = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?.to_str().ok()?;
    headers.get(header::ORIGIN)?;
    let here: Vec<&Described> = site.routes.of_path(route).collect();
    let of_route = here.iter().find(|r| r.method.as_str() == wanted)?;
    let sends = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let sends_key = sends.iter().any(|value| {
        let names = value.to_str().unwrap_or_default().split(',');
        names.map(str::trim).any(|name| name.eq_ignore_ascii_case("authorization"))
    });
    let (origin, methods) = match named(site, headers) {
        Some(origin) => {
            let methods = here.iter().map(|r| r.method.as_str()).collect::<Vec<_>>().join(", ");
            (origin.clone(), HeaderValue::try_from(methods).ok()?)
        }
        None if is_public(of_route) && !sends_key => {
            (HeaderValue::from_static("*"), HeaderValue::from_static("GET"))
        }
        None => return None,
    };
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(TAKES)),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED_S)),
    ] {
        answer.headers_mut().insert(name, value);
    }
    let on = "origin, access-control-request-method, access-control-request-headers";
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static(on));
    Some(answer)
}

/// Who may see the answer to a request, and the origin that must be told for it.
pub(super) fn readers(site: &Site, request: &Request, route: &str) -> (Readers, HeaderValue) {
    let headers = request.headers();
    let any = HeaderValue::from_static("*");
    if !is_api(request.uri().path()) {
        return (Readers::None, any);
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let without_a_key = reads && !headers.contains_key(header::AUTHORIZATION);
    if without_a_key && site.routes.one(route, &Method::GET).is_some_and(is_public) {
        return (Readers::All, any);
    }
    match named(site, headers) {
        Some(origin) => (Readers::Named, origin.clone()),
        None => (Readers::Nobody, any),
    }
}

/// Tells browsers which pages may see an answer of the API.
pub(super) fn tell(site: &Site, (readers, origin): (Readers, HeaderValue), answer: &mut Response) {
    let headers = answer.headers_mut();
    if matches!(readers, Readers::All | Readers::Named) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(SHOWS));
    }
    let some_are_named = site.config.cors_origins != Origins::default();
    if readers == Readers::Named || readers == Readers::Nobody && some_are_named {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
}
