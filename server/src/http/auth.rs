//! Authentication: who asks, by the bearer token or by the cookie of a session of the office.
//!
//! A session counts under `/office` and `/door` only: a program shows a key, and so nothing that a browser sends by
//! itself opens the API.

use super::cookies;
use super::problem::Problem;
use crate::access::{Caller, Right};
use crate::accounts::gate_links::LinkStanding;
use crate::accounts::sign_in::Begun;
use crate::accounts::{LONGEST_MS, SignedIn};
use crate::app::App;
use crate::ids::digest;
use crate::language::Lang;
use crate::language::format::Style;
use crate::store::records::gate_links::GateLink;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use boxoffice::EventId;
use nts_api::ProblemCode;

/// How long a browser is told from unknown ones.
const DEVICE_S: i64 = 180 * 24 * 3_600;

/// The token of `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Who has an API key, or the organiser's, if this request shows one.
pub async fn known_caller(app: &App, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
    use subtle::ConstantTimeEq;
    let Some(key) = bearer(headers) else { return Ok(None) };
    let shown = digest(&[b"organiser", key.as_bytes()]).to_be_bytes();
    let is_owner: bool = shown.ct_eq(&app.organiser_key.to_be_bytes()).into();
    if is_owner {
        return Ok(Some(Caller::owner(app.accounts.organiser)));
    }
    Ok(app.accounts.key(key).await?)
}

/// Who has an API key, or the organiser's; refuses everybody else, and says whether one was missing or wrong.
pub async fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, Problem> {
    known_caller(app, headers).await?.ok_or_else(|| match bearer(headers) {
        Some(_) => Problem::wrong_key(),
        None => Problem::not_organiser(),
    })
}

/// Who is signed in to the office, if this request comes from their browser.
pub async fn signed_in(app: &App, headers: &HeaderMap) -> Result<Option<SignedIn>, Problem> {
    for token in sessions(app, headers) {
        if let Some(found) = app.accounts.session(token).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What the cookies of sessions say. A cookie of this name that another page of the host has set must not hide ours.
fn sessions<'a>(app: &'a App, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
    let ours = |token: &&str| app.secrets.is_office_session(token);
    cookies::values(headers, cookie(app)).filter(ours).take(4)
}

/// Who asks by a page that is only open, as [`staff`]. A session is not used by that: nobody may be there.
pub async fn open_page(app: &App, headers: &HeaderMap) -> Result<Caller, Problem> {
    if headers.contains_key(header::AUTHORIZATION) {
        return caller(app, headers).await;
    }
    for token in sessions(app, headers) {
        if let Some(found) = app.accounts.session_unused(token).await? {
            return Ok(found.caller);
        }
    }
    Err(Problem::not_signed_in())
}

/// Who asks for something in the office: by a key if one is sent, and else by a session.
pub async fn staff(app: &App, headers: &HeaderMap) -> Result<Caller, Problem> {
    if headers.contains_key(header::AUTHORIZATION) {
        return caller(app, headers).await;
    }
    let found = signed_in(app, headers).await?;
    Ok(found.ok_or_else(Problem::not_signed_in)?.caller)
}

/// Who asks for something at this path of the office or of the door. At the door the link of a gate counts too, if
/// nobody is signed in who checks people in.
pub async fn staff_at(app: &App, path: &str, headers: &HeaderMap) -> Result<Caller, Problem> {
    if headers.contains_key(header::AUTHORIZATION) || !path.starts_with("/door/") {
        return staff(app, headers).await;
    }
    let slug = path.split('/').nth(2).unwrap_or_default();
    let event = app.catalogue.event(slug).map(|event| event.id);
    let person = signed_in(app, headers).await?.map(|person| person.caller);
    if let Some(caller) = person.as_ref().filter(|caller| caller.has(Right::CheckIn, event)) {
        return Ok(caller.clone());
    }
    let mut ended = None;
    for token in gate_tokens(app, headers) {
        match app.accounts.gate_link(token).await? {
            Some((_, LinkStanding::Works(caller))) => return Ok(caller),
            Some((link, standing)) => ended = Some(link_problem(app, &link, &standing)),
            None => {}
        }
    }
    person.ok_or_else(|| ended.unwrap_or_else(Problem::not_signed_in))
}

/// Whether this browser's person may check people in at this event, signed in or by the link of a gate.
pub async fn checks_in(app: &App, headers: &HeaderMap, event: EventId) -> Result<bool, Problem> {
    let may = |caller: &Caller| caller.has(Right::CheckIn, Some(event));
    if signed_in(app, headers).await?.is_some_and(|person| may(&person.caller)) {
        return Ok(true);
    }
    for token in gate_tokens(app, headers) {
        if let Some((_, LinkStanding::Works(caller))) = app.accounts.gate_link(token).await?
            && may(&caller)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why a link of a gate does not work.
pub fn link_problem(app: &App, link: &GateLink, standing: &LinkStanding) -> Problem {
    let detail = match standing {
        LinkStanding::NotYet(from_ms) => {
            let event = app.catalogue.event_by_id(link.event);
            let zone = event.as_ref().map_or("UTC", |event| &event.spec.zone);
            let from = Lang::En.moment(*from_ms, zone, Style::Short);
            format!(
                "It works from {from} on. Nothing was checked. Open the link again then, or ask for another one."
            )
        }
        _ => "Nothing was checked. Ask whoever gave you the link for a new one.".to_owned(),
    };
    let title = match standing {
        LinkStanding::NotYet(_) => "This link does not work yet",
        _ => "This link has ended",
    };
    Problem::new(ProblemCode::NotAllowed, detail).titled(title)
}

/// What the cookies of gates say.
fn gate_tokens<'a>(app: &'a App, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
    // A cookie of this name that another page of the host has set must not hide ours.
    let ours = |token: &&str| app.secrets.gate_link(token).is_some();
    cookies::values(headers, gate_cookie(app)).filter(ours).take(4)
}

/// The name of the cookie with the link of a gate.
fn gate_cookie(app: &App) -> &'static str {
    match app.links.base().starts_with("https://") {
        true => "__Host-nts-gate-link",
        false => "nts-gate-link",
    }
}

/// Gives a browser the link of a gate, for so many seconds.
pub fn keep_gate_link(app: &App, response: &mut Response, token: &str, seconds: i64) {
    cookies::set(app, response, (gate_cookie(app), token, "/"), seconds);
}

/// Whether a session counts at this path: in the office, and at the door, where the same people work.
pub fn is_office(path: &str) -> bool {
    path.strip_prefix("/office").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        || path.strip_prefix("/door/").is_some_and(|event| !event.is_empty())
}

/// The name of a session's cookie. `__Host-`: a browser takes it only over https and for this host alone, so
/// that no other page can set it.
fn cookie(app: &App) -> &'static str {
    match app.links.base().starts_with("https://") {
        true => "__Host-nts-office",
        false => "nts-office",
    }
}

/// The name of the cookie that tells a browser which has signed in before. It opens nothing.
fn device_cookie(app: &App) -> &'static str {
    match app.links.base().starts_with("https://") {
        true => "__Host-nts-device",
        false => "nts-device",
    }
}

/// Gives a browser the token of its session, and what tells it from unknown ones.
pub fn keep_session(app: &App, response: &mut Response, begun: &Begun) {
    cookies::set(app, response, (cookie(app), &begun.token, "/"), LONGEST_MS / 1_000);
    keep_device(app, response, &begun.device);
}

/// Gives a browser what tells it from unknown ones.
pub fn keep_device(app: &App, response: &mut Response, device: &str) {
    cookies::set(app, response, (device_cookie(app), device, "/"), DEVICE_S);
}

/// What a browser shows that has signed in before.
pub fn known_device<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    cookies::values(headers, device_cookie(app)).next()
}

/// Takes it away.
pub fn forget_session(app: &App, response: &mut Response) {
    cookies::set(app, response, (cookie(app), "", "/"), 0);
}
