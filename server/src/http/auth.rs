//! Authentication: the bearer token, and whether it is the organiser's key.

use super::problem::Problem;
use crate::actor::Actor;
use crate::app::App;
use crate::ids::digest;
use axum::http::{HeaderMap, header};

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

/// Refuses whoever has not shown the organiser's key, and says whether one was missing or wrong.
pub fn check_organiser(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    if is_organiser(app, headers) {
        return Ok(());
    }
    Err(match bearer(headers) {
        Some(key) if !key.is_empty() => Problem::wrong_key(),
        _ => Problem::not_organiser(),
    })
}

/// The one who has shown the organiser's key, for the audit log.
pub fn organiser(app: &App) -> Actor {
    // A part of a digest of its digest: tells it from other keys, and opens nothing.
    Actor::ApiKey(digest(&[b"key id", &app.organiser_key.to_be_bytes()]) >> 96)
}
