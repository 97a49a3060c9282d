//! What is done around every request: counting, logging, cross-site checks and protective headers.

use super::cors;
use super::extract::client;
use super::office::lead::Way;
use super::problem::Problem;
use super::site::Site;
use super::speaks::{Asked, here, speaking};
use super::tidy::{names_an_order, percent_decoded, redirect};
use crate::admission::client::Client;
use crate::admission::{BudgetOf, Left};
use crate::app::App;
use crate::metrics::Route;
use crate::text::cut;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use tokio::time::Instant;

/// What is done around every request: count it, log it without what its path hides, and send the
/// headers that protect who asks.
pub(in crate::http) async fn around(
    State(app): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let asked = Asked::of(&app, &request);
    let address = (request.method() == Method::GET).then(|| request.uri().clone());
    let mut response = speaking(asked, address, answer(&app, request, next, begun)).await;
    asked.tell(&app, &mut response);
    response
}

async fn answer(app: &Site, request: Request, next: Next, begun: Instant) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let route = request.extensions().get::<MatchedPath>().map(|m| m.as_str().to_owned());
    let route = route.unwrap_or_else(|| "(none)".into());
    let way = Way::of(app, &request);
    let readers = cors::readers(app, &request, &route);
    let budgets = budgets_of(&method, &route);
    let client =
        (!budgets.is_empty()).then(|| client(app, request.extensions(), request.headers()));
    let mut response = if let Some(told) = cors::preflight(app, &request, &route) {
        told
    } else if !is_text(request.uri().path()) {
        let problem = Problem::invalid(here().address_not_text());
        super::page::problem_for(request.uri().path(), request.headers(), problem)
    } else if let Some(problem) = super::cross_site::refusal(app.links.base(), &request)
        && !cors::is_from_named(app, &request)
    {
        super::page::problem_for(request.uri().path(), request.headers(), problem)
    } else if let Some(problem) = super::query::refusal(app, &request, &route) {
        super::page::problem_for(request.uri().path(), request.headers(), problem)
    } else if looks_at_an_order(&route) || (route == "(none)" && names_an_order(uri.path())) {
        look(app, request, next).await
    } else {
        next.run(request).await
    };
    if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
        && let Some(led) = redirect(app, &method, &uri)
    {
        response = led;
    }
    if let Some(way) = way {
        response = way.lead(response);
    }
    protect(response.headers_mut());
    cors::tell(app, readers, &mut response);
    if let Some(client) = client {
        tell_budgets(app, client, budgets, response.headers_mut());
    }
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

/// The budgets of a client that a request to this route of the API takes from.
pub(super) fn budgets_of(method: &Method, route: &str) -> &'static [BudgetOf] {
    match (method.as_str(), route) {
        ("POST", "/api/v1/events/{event}/orders") => &[BudgetOf::Holds],
        ("POST", "/api/v1/orders/{id}/pay") => &[BudgetOf::Payments, BudgetOf::Lookups],
        (_, route) if route.starts_with("/api/") && looks_at_an_order(route) => {
            &[BudgetOf::Lookups]
        }
        _ => &[],
    }
}

/// Says what is left of these budgets
/// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10>): `q` in `w` seconds at most, `r`
/// of it is left, and all of it again in `t` seconds.
fn tell_budgets(app: &App, client: Client, budgets: &[BudgetOf], headers: &mut HeaderMap) {
    let left = budgets.iter().filter_map(|of| Some((of.name(), app.admission.left(*of, client)?)));
    let (mut policy, mut now) = (Vec::new(), Vec::new());
    for (name, Left { most, window_s, left, whole_in_s }) in left {
        policy.push(format!("\"{name}\";q={most};w={window_s}"));
        now.push(format!("\"{name}\";r={left};t={whole_in_s}"));
    }
    for (name, items) in [("ratelimit-policy", policy), ("ratelimit", now)] {
        if let Some(value) = HeaderValue::try_from(items.join(", ")).ok().filter(|v| !v.is_empty())
        {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Whether a route is one on which somebody looks at an order, pays it or gives it back by its secret.
pub(in crate::http) fn looks_at_an_order(route: &str) -> bool {
    let of_an_order =
        ["/orders/", "/pay/", "/t/", "/T/", "/api/v1/orders/"].iter().any(|p| route.starts_with(p));
    of_an_order && !route.ends_with("/refunds")
}

/// Answers who looks at an order, unless the client has looked too often. Who shows a wrong secret may
/// look less often.
pub(in crate::http) async fn look(app: &App, request: Request, next: Next) -> Response {
    let client = client(app, request.extensions(), request.headers());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    if let Err(refused) = app.admission.may_look(client) {
        return super::page::problem_for(request.uri().path(), request.headers(), refused.into());
    }
    let mut response = next.run(request).await;
    // Its address is a secret, which must not be found by searching for it.
    let robots = HeaderName::from_static("x-robots-tag");
    response.headers_mut().insert(robots, HeaderValue::from_static("noindex, nofollow"));
    // Who shows a right secret has not looked in vain.
    let meant =
        response.status() == StatusCode::NOT_FOUND && redirect(app, &method, &uri).is_some();
    if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED) && !meant {
        app.admission.looked_in_vain(client);
    }
    response
}

/// Whether a path is text once its percent-encoding is undone.
pub(in crate::http) fn is_text(path: &str) -> bool {
    !path.contains('%') || percent_decoded(path).is_some()
}

/// The headers that protect whoever looks at an answer. What programs read is never shown as a page:
/// most of them would only be written and sent for nothing.
pub(in crate::http) fn protect(headers: &mut HeaderMap) {
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
        // An order's address is its secret: it is told to nobody else. That our own forms come from our pages is
        // told to ourselves, with their origin.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
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
            assert_eq!(headers[header::REFERRER_POLICY], "same-origin");
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
