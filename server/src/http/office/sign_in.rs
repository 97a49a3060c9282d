//! Signing in and out, and signing in once more.

use super::lead::{self, HOME, with_status};
use super::{OfficeFrame, Person};
use crate::access::Caller;
use crate::accounts::sign_in::{Begun, Step, Visitor};
use crate::accounts::{Browser, NotSignedIn, SignedIn};
use crate::admission::client::Client;
use crate::app::App;
use crate::http::auth::{forget_session, keep_session, known_device, signed_in};
use crate::http::extract::{Form, Sent};
use crate::http::page::{Page, PageProblem, page};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::site::Site;
use crate::language::Lang;
use crate::text::begin;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use nts_api::ProblemCode;
use std::sync::Arc;

/// How many bytes of what was typed are shown again.
const SHOWN: usize = 254;
const WRONG: &str = "The e-mail address or the password is wrong.";
const WRONG_CODE: &str =
    "The code is wrong, or it was used. Wait for the next one, or use a recovery code.";
const NOT_CONFIRMED: &str = "The password or the code is wrong.";

#[derive(Template)]
#[template(path = "office/sign_in.html")]
struct SignInPage {
    office: OfficeFrame,
    next: String,
    /// Whether something was sent, and was not done.
    lost: bool,
    email: String,
    error: Option<String>,
    /// Whether links can be sent.
    mails: bool,
}

impl SignInPage {
    fn new(app: &App, next: Option<&str>) -> SignInPage {
        SignInPage {
            office: OfficeFrame::outside(app),
            next: next.and_then(lead::own).unwrap_or(HOME).to_owned(),
            lost: false,
            email: String::new(),
            error: None,
            mails: app.mailing.has_relay,
        }
    }
}

#[derive(Template)]
#[template(path = "office/code.html")]
struct CodePage {
    office: OfficeFrame,
    token: String,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "office/link.html")]
struct LinkPage {
    office: OfficeFrame,
    token: String,
}

#[derive(Template)]
#[template(path = "office/link_sent.html")]
struct LinkSentPage {
    office: OfficeFrame,
}

#[derive(Template)]
#[template(path = "office/confirm.html")]
struct ConfirmPage {
    office: OfficeFrame,
    next: String,
    lost: bool,
    email: String,
    /// Whether the account has an authenticator.
    totp: bool,
    error: Option<String>,
    mails: bool,
}

/// Whoever sends a request, as accounts see them.
pub(super) fn visitor(app: &App, client: Client, headers: &HeaderMap) -> Visitor {
    let device = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let browser = Browser { device: device.unwrap_or_default().to_owned(), address: client.told() };
    Visitor { client, browser, device: known_device(app, headers).map(str::to_owned) }
}

/// The words for attempts beyond the limit.
fn too_many(again_s: u32) -> String {
    format!(
        "There were too many attempts. Nothing was done. Try again {}.",
        Lang::En.in_time(again_s)
    )
}

/// What is shown at the form again; or the answer, if it is no use to send it again.
fn told(no: NotSignedIn, wrong: &str) -> Result<(String, StatusCode), PageProblem> {
    match no {
        NotSignedIn::Wrong => Ok((wrong.to_owned(), StatusCode::UNPROCESSABLE_ENTITY)),
        NotSignedIn::TooMany(again_s) => Ok((too_many(again_s), StatusCode::TOO_MANY_REQUESTS)),
        NotSignedIn::Gone => Err(gone().into()),
        NotSignedIn::Busy => Err(Problem::busy(1).into()),
        NotSignedIn::Failed(no) => Err(no.into()),
    }
}

fn gone() -> Problem {
    Problem::new(
        ProblemCode::NotFound,
        "A link to sign in works once, and for a quarter of an hour. Nothing was done. Go to /office/sign-in \
         and begin again.",
    )
    .titled("This link does not work any more")
}

/// `GET /office/sign-in`
pub async fn show(State(app): State<Arc<Site>>, headers: HeaderMap, query: Query) -> Page {
    let mut shown = SignInPage::new(&app, query.get("next"));
    shown.lost = query.get("lost").is_some();
    if signed_in(&app, &headers).await?.is_some() {
        return Ok(Redirect::to(&shown.next).into_response());
    }
    Ok(page(&shown))
}

/// `POST /office/sign-in`
pub async fn sign_in(
    State(app): State<Arc<Site>>,
    client: Client,
    sent: Result<Sent, Problem>,
) -> Page {
    let Sent { headers, body } = sent?;
    let form = Form::read(&headers, &body)?;
    let mut shown = SignInPage::new(&app, Some(form.get("next")));
    let (email, visitor) = (form.get("email"), visitor(&app, client, &headers));
    shown.email = begin(email, SHOWN).to_owned();
    match app.accounts.sign_in(email, form.exact("password"), &shown.next, visitor).await {
        Ok(step) => go_on(&app, &headers, step).await,
        Err(no) => {
            let (error, status) = told(no, WRONG)?;
            shown.error = Some(error);
            Ok(with_status(page(&shown), status))
        }
    }
}

/// After the first step: goes on, or to the second.
async fn go_on(app: &Site, headers: &HeaderMap, step: Step) -> Page {
    match step {
        Step::In(begun) => enter(app, headers, begun).await,
        Step::Code(token) => Ok(Redirect::to(&format!("/office/code/{token}")).into_response()),
    }
}

/// `GET /office/code/{token}`
pub async fn show_code(State(app): State<Arc<Site>>, Path(token): Path<String>) -> Page {
    if !app.accounts.awaits_code(&token).await? {
        return Err(gone().into());
    }
    Ok(page(&CodePage { office: OfficeFrame::outside(&app), token, error: None }))
}

/// `POST /office/code/{token}`
pub async fn code(
    State(app): State<Arc<Site>>,
    client: Client,
    Path(token): Path<String>,
    sent: Result<Sent, Problem>,
) -> Page {
    let Sent { headers, body } = sent?;
    let visitor = visitor(&app, client, &headers);
    // Nothing is read for somebody who has no such link.
    if !app.accounts.awaits_code(&token).await? {
        return Err(gone().into());
    }
    let form = Form::read(&headers, &body)?;
    match app.accounts.second(&token, form.get("code"), visitor).await {
        Ok(begun) => enter(&app, &headers, begun).await,
        Err(no) => {
            let (error, status) = told(no, WRONG_CODE)?;
            let office = OfficeFrame::outside(&app);
            Ok(with_status(page(&CodePage { office, token, error: Some(error) }), status))
        }
    }
}

/// `POST /office/sign-in/link`
pub async fn send_link(
    State(app): State<Arc<Site>>,
    client: Client,
    sent: Result<Sent, Problem>,
) -> Page {
    let Sent { headers, body } = sent?;
    let form = Form::read(&headers, &body)?;
    let next = lead::own(form.get("next")).unwrap_or(HOME);
    // An account gets few, whoever asks.
    app.admission.may_ask_for_link(client).map_err(Problem::from)?;
    if app.mailing.has_relay {
        app.accounts.send_link(form.get("email"), next).map_err(Problem::from)?;
    }
    Ok(page(&LinkSentPage { office: OfficeFrame::outside(&app) }))
}

/// `GET /office/link/{token}`: nothing is used by looking at it, for programs that check mails do that.
pub async fn show_link(State(app): State<Arc<Site>>, Path(token): Path<String>) -> Page {
    if !app.accounts.signs_in(&token).await? {
        return Err(gone().into());
    }
    Ok(page(&LinkPage { office: OfficeFrame::outside(&app), token }))
}

/// `POST /office/link/{token}`
pub async fn open_link(
    State(app): State<Arc<Site>>,
    client: Client,
    Path(token): Path<String>,
    sent: Result<Sent, Problem>,
) -> Page {
    let Sent { headers, .. } = sent?;
    let visitor = visitor(&app, client, &headers);
    match app.accounts.open(&token, visitor).await {
        Ok(step) => go_on(&app, &headers, step).await,
        Err(no) => Err(told(no, "").err().unwrap_or_else(|| gone().into())),
    }
}

impl ConfirmPage {
    async fn new(app: &Site, who: &SignedIn, next: Option<&str>) -> Result<ConfirmPage, Problem> {
        let own = app.accounts.own(who).await?;
        Ok(ConfirmPage {
            office: frame(app, &who.caller),
            next: next.and_then(lead::own).unwrap_or(HOME).to_owned(),
            lost: false,
            email: own.email,
            totp: own.totp,
            error: None,
            mails: app.mailing.has_relay,
        })
    }
}

fn frame(app: &App, caller: &Caller) -> OfficeFrame {
    OfficeFrame::of_shop(app, caller, "/office/confirm")
}

/// `GET /office/confirm`
pub async fn show_confirm(State(app): State<Arc<Site>>, Person(who): Person, query: Query) -> Page {
    let mut shown = ConfirmPage::new(&app, &who, query.get("next")).await?;
    shown.lost = query.get("lost").is_some();
    Ok(page(&shown))
}

/// `POST /office/confirm`
pub async fn confirm(
    State(app): State<Arc<Site>>,
    client: Client,
    Person(who): Person,
    sent: Result<Sent, Problem>,
) -> Page {
    let Sent { headers, body } = sent?;
    let form = Form::read(&headers, &body)?;
    let mut shown = ConfirmPage::new(&app, &who, Some(form.get("next"))).await?;
    let visitor = visitor(&app, client, &headers);
    let (password, code) = (form.exact("password"), form.get("code"));
    match app.accounts.confirm(&who, password, code, visitor).await {
        Ok(begun) => Ok(set(&app, begun, &shown.next)),
        Err(no) => {
            let (error, status) = told(no, NOT_CONFIRMED)?;
            shown.error = Some(error);
            Ok(with_status(page(&shown), status))
        }
    }
}

/// Goes on with a session. Whoever had one in this browser before has it no more.
pub(super) async fn enter(app: &Site, headers: &HeaderMap, begun: Begun) -> Page {
    if let Some(before) = signed_in(app, headers).await? {
        app.accounts.sign_out(&before).await?;
    }
    Ok(set(app, begun, HOME))
}

/// Goes on with the session that has replaced another one: to where it is to go, or else to `next`.
pub(super) fn set(app: &App, begun: Begun, next: &str) -> Response {
    let next = lead::own(&begun.next).unwrap_or(next);
    let mut response = Redirect::to(next).into_response();
    keep_session(app, &mut response, &begun);
    response
}

/// `POST /office/sign-out`
pub async fn sign_out(State(app): State<Arc<Site>>, Person(who): Person) -> Page {
    app.accounts.sign_out(&who).await?;
    let mut response = Redirect::to("/office/sign-in").into_response();
    forget_session(&app, &mut response);
    Ok(response)
}
