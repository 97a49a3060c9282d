//! Authentication: who asks, by the bearer token.

use super::problem::Problem;
use crate::access::Caller;
use crate::actor::Actor;
use crate::app::App;
use crate::ids::digest;
use axum::http::{HeaderMap, header};

/// The token of `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Who has a key of the organiser's, if this request shows one.
pub async fn known_caller(app: &App, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
    use subtle::ConstantTimeEq;
    let Some(key) = bearer(headers) else { return Ok(None) };
    let shown = digest(&[b"organiser", key.as_bytes()]).to_be_bytes();
    let is_owner: bool = shown.ct_eq(&app.organiser_key.to_be_bytes()).into();
    Ok(is_owner.then(|| Caller::owner(organiser(app))))
}

/// Who has a key of the organiser's; refuses everybody else, and says whether one was missing or wrong.
pub async fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, Problem> {
    known_caller(app, headers).await?.ok_or_else(|| match bearer(headers) {
        Some(_) => Problem::wrong_key(),
        None => Problem::not_organiser(),
    })
}

/// The one who has shown the organiser's key, for the audit log.
fn organiser(app: &App) -> Actor {
    // A part of a digest of its digest: tells it from other keys, and opens nothing.
    Actor::ApiKey(digest(&[b"key id", &app.organiser_key.to_be_bytes()]) >> 96)
}
