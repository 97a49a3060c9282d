//! Refusal of requests that another site makes a browser send.
//!
//! Forms of other sites could hold places, reserve by name, reset a demo or do in the office what its reader may,
//! with a visitor's address and cookies and behind a visitor's back. Browsers say with each request where it comes
//! from (<https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>); programs do not. Older browsers say at
//! least the origin of what is sent (<https://fetch.spec.whatwg.org/#origin-header>), and say it of our own forms
//! too, because our `Referrer-Policy` lets them tell it to ourselves.

use super::problem::Problem;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};

/// Called by Stripe and not by browsers; what it does is decided by its signature.
const WEBHOOK: &str = "/stripe/webhook";

/// The answer to a request that changes something and comes from a page of another site. `base`: the address under
/// which we are reached.
pub(super) fn refusal(base: &str, request: &Request) -> Option<Problem> {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    let elsewhere =
        !reads && request.uri().path() != WEBHOOK && comes_from_elsewhere(base, request.headers());
    elsewhere.then(Problem::cross_site)
}

/// `none` is what a person typed or bookmarked. A sibling (`same-site`: another subdomain, or another port
/// of this machine) is another site: we cannot know that it is ours.
fn comes_from_elsewhere(base: &str, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all("sec-fetch-site").iter().peekable();
    if values.peek().is_none() {
        return headers.get_all(header::ORIGIN).iter().any(|origin| {
            let origin = origin.to_str().unwrap_or_default();
            !is_own(base, origin, headers)
        });
    }
    let mut values = values.map(|value| value.as_bytes().trim_ascii());
    values.any(|v| !v.eq_ignore_ascii_case(b"same-origin") && !v.eq_ignore_ascii_case(b"none"))
}

/// Whether an origin is ours: that of our address, or of the host that the browser has asked for, whichever
/// scheme it has: a proxy before us may speak TLS.
fn is_own(base: &str, origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let of_origin = origin.split_once("://").map(|(_, host)| host);
    origin.eq_ignore_ascii_case(base)
        || of_origin.zip(host).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// Whether a browser sent it, and so perhaps a page made it do so.
pub(super) fn from_browser(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key("origin")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn what_another_site_sends_is_refused() {
        let refused = |headers: &[(&str, &str)]| {
            let mut request = Request::builder().method("POST").uri("/office/sign-in");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::empty()).expect("a request");
            refusal("https://tickets.example", &request).is_some()
        };
        let (host, site) = (("host", "tickets.example"), "sec-fetch-site");
        for own in [
            &[host][..],
            &[host, (site, "same-origin")],
            &[host, (site, "none")],
            &[host, (site, "same-origin"), ("origin", "null")],
            &[host, ("origin", "https://tickets.example")],
            &[host, ("origin", "http://tickets.example")],
            &[("host", "10.0.0.7:9000"), ("origin", "https://tickets.example")],
        ] {
            assert!(!refused(own), "{own:?}");
        }
        for other in [
            &[host, (site, "cross-site")][..],
            &[host, (site, "same-site")],
            &[host, (site, "")],
            &[host, (site, "same-origin"), (site, "cross-site")],
            &[host, (site, "cross-site"), ("origin", "https://tickets.example")],
            &[host, ("origin", "null")],
            &[host, ("origin", "")],
            &[host, ("origin", "https://tickets.example.evil.example")],
            &[host, ("origin", "https://tickets.example:8443")],
            &[("origin", "https://evil.example")],
        ] {
            assert!(refused(other), "{other:?}");
        }
    }
}
