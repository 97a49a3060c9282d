//! Refusal of requests that another site makes a browser send.
//!
//! Forms of other sites could hold places, reserve by name or reset a demo, with a visitor's address and
//! behind a visitor's back. Browsers say with each request where it comes from
//! (<https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>); programs do not. `Origin` would not do:
//! our own `Referrer-Policy` makes browsers send `Origin: null` from our own forms.

use super::problem::Problem;
use axum::extract::Request;
use axum::http::{HeaderMap, Method};

/// Called by Stripe and not by browsers; what it does is decided by its signature.
const WEBHOOK: &str = "/stripe/webhook";

/// The answer to a request that changes something and comes from a page of another site.
pub(super) fn refusal(request: &Request) -> Option<Problem> {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    let elsewhere =
        !reads && request.uri().path() != WEBHOOK && comes_from_elsewhere(request.headers());
    elsewhere.then(Problem::cross_site)
}

/// `none` is what a person typed or bookmarked. A sibling (`same-site`: another subdomain, or another port
/// of this machine) is another site: we cannot know that it is ours.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let values = headers.get_all("sec-fetch-site").iter();
    let mut values = values.map(|value| value.as_bytes().trim_ascii());
    values.any(|v| !v.eq_ignore_ascii_case(b"same-origin") && !v.eq_ignore_ascii_case(b"none"))
}

/// Whether a browser sent it, and so perhaps a page made it do so.
pub(super) fn from_browser(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key("origin")
}
