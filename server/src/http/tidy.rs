//! Addresses as people and chats pass them on: with a slash or a full stop behind them, in capital letters,
//! in brackets; or that of a form that was sent. Where no page is at an address as it was sent but one is at
//! what was meant, the answer leads there.

use crate::app::App;
use crate::http::api::order_id;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// Leads to the page that was meant, if there is one. Programs get their 404: they have the right address.
pub(super) fn redirect(app: &App, method: &Method, uri: &Uri) -> Option<Response> {
    if !matches!(*method, Method::GET | Method::HEAD) || uri.path().starts_with("/api/") {
        return None;
    }
    let mut meant = meant(app, uri.path()).filter(|meant| meant != uri.path())?;
    if let Some(query) = uri.query() {
        meant.push('?');
        meant.push_str(query);
    }
    let location = HeaderValue::try_from(meant).ok()?;
    Some((StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response())
}

fn meant(app: &App, path: &str) -> Option<String> {
    let path = percent_decoded(path)?;
    let parts: Vec<&str> = path.split('/').map(bare).filter(|part| !part.is_empty()).collect();
    let first = parts.first().map_or_else(String::new, |part| part.to_ascii_lowercase());
    match (&*first, parts.get(1..).unwrap_or_default()) {
        ("" | "events", []) => Some("/".into()),
        ("events", [slug]) => {
            let slug = slug.to_ascii_lowercase();
            // An id may end with a dash, and a chat may have added one.
            let names = [&*slug, slug.trim_matches('-')];
            let known = names.into_iter().find(|name| app.catalogue.event(name).is_some())?;
            Some(format!("/events/{known}"))
        }
        // Where a form came back, its address stays in the browser.
        ("events", [slug, "orders"]) => meant(app, &format!("/events/{slug}")),
        ("orders", [id, secret, "cancel"]) => meant(app, &format!("/orders/{id}/{secret}")),
        ("orders", [id, secret, rest @ ..]) => {
            let id = order_id(id).ok()?;
            app.secrets.opens(id, secret).then_some(())?;
            below(&app.links.order_path(id), rest, &["pay", "answers", "event.ics", "tickets.pdf"])
        }
        ("t", [code, rest @ ..]) => {
            app.codes.read(code)?;
            // As the QR code has it, or as our own links.
            let own = if parts[0] == "T" && rest.is_empty() { "T" } else { "t" };
            below(&format!("/{own}/{code}"), rest, &["event.ics"])
        }
        ("pay", [id, secret, rest @ ..]) => {
            let id = order_id(id).ok()?;
            app.secrets.pays(id, secret).then_some(())?;
            below(&app.links.pay_path(id), rest, &["order"])
        }
        _ => None,
    }
}

/// Whether an address at which nothing is may be meant as one of an order.
pub(super) fn names_an_order(path: &str) -> bool {
    let decoded = percent_decoded(path);
    let mut parts = decoded.iter().flat_map(|path| path.split('/')).map(bare);
    let first = parts.find(|part| !part.is_empty());
    first.is_some_and(|first| {
        ["orders", "pay", "t"].iter().any(|name| first.eq_ignore_ascii_case(name))
    })
}

fn below(path: &str, rest: &[&str], known: &[&str]) -> Option<String> {
    match rest {
        [] => Some(path.to_owned()),
        [one] if known.contains(&&*one.to_ascii_lowercase()) => {
            Some(format!("{path}/{}", one.to_ascii_lowercase()))
        }
        _ => None,
    }
}

/// Without the punctuation, brackets, quotes and spaces around it.
fn bare(part: &str) -> &str {
    part.trim_matches(|c: char| !c.is_ascii_alphanumeric() && !c.is_control() && c != '-')
}

/// With its percent-encoding undone; `None` if that is no text.
pub(super) fn percent_decoded(path: &str) -> Option<String> {
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
    String::from_utf8(decoded).ok()
}
