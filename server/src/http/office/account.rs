//! The own account of whoever is signed in: password, authenticator, recovery codes, sessions.

use super::lead::with_status;
use super::sign_in::{set, visitor};
use super::{OfficeFrame, Person};
use crate::accounts::SignedIn;
use crate::accounts::own::{NotChanged, Own};
use crate::admission::client::Client;
use crate::http::auth::keep_device;
use crate::http::extract::{Form, Sent};
use crate::http::page::{Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::language::Lang;
use crate::language::format::Style;
use crate::qr;
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::TimeMs;
use std::sync::Arc;

const HERE: &str = "/office/account";

#[derive(Template)]
#[template(path = "office/account.html")]
struct AccountPage {
    office: OfficeFrame,
    name: String,
    email: String,
    totp: bool,
    codes: usize,
    sessions: Vec<Row>,
    error: Option<&'static str>,
}

/// A session in the list.
struct Row {
    id: String,
    device: String,
    address: String,
    begun: String,
    seen: String,
    own: bool,
}

#[derive(Template)]
#[template(path = "office/authenticator.html")]
struct AuthenticatorPage {
    office: OfficeFrame,
    secret: String,
    picture: String,
    error: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "office/recovery_codes.html")]
struct CodesPage {
    office: OfficeFrame,
    codes: Vec<String>,
}

/// A time as the office tells it.
pub(super) fn told(ms: TimeMs) -> String {
    format!("{} UTC", Lang::En.moment(ms, "UTC", Style::Short))
}

impl AccountPage {
    fn new(app: &Site, who: &SignedIn, own: Own) -> AccountPage {
        let row = |session: &crate::accounts::own::Listed| Row {
            id: session.id.clone(),
            device: session.device.clone(),
            address: session.address.clone(),
            begun: told(session.begun_ms),
            seen: told(session.seen_ms),
            own: session.own,
        };
        AccountPage {
            office: OfficeFrame::of_shop(app, &who.caller, HERE),
            name: own.name,
            email: own.email,
            totp: own.totp,
            codes: own.codes,
            sessions: own.sessions.iter().map(row).collect(),
            error: None,
        }
    }
}

fn back() -> Response {
    Redirect::to(HERE).into_response()
}

/// `GET /office/account`
pub async fn show(State(app): State<Arc<Site>>, Person(who): Person) -> Page {
    let own = app.accounts.own(&who).await?;
    Ok(page(&AccountPage::new(&app, &who, own)))
}

/// `POST /office/account/password`
pub async fn password(
    State(app): State<Arc<Site>>,
    client: Client,
    Person(who): Person,
    sent: Result<Sent, Problem>,
) -> Page {
    let Sent { headers, body } = sent?;
    let form = Form::read(&headers, &body)?;
    let visitor = visitor(&app, client, &headers);
    match app.accounts.change_password(&who, form.exact("password"), visitor).await {
        Ok(begun) => Ok(set(&app, begun, HERE)),
        Err(NotChanged::Flaw(flaw)) => {
            let own = app.accounts.own(&who).await?;
            let shown = AccountPage { error: Some(flaw), ..AccountPage::new(&app, &who, own) };
            Ok(with_status(page(&shown), StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(no) => Err(no.into()),
    }
}

async fn setup(
    app: &Site,
    who: &SignedIn,
    error: Option<&'static str>,
) -> Result<AuthenticatorPage, Problem> {
    let (secret, address) = app.accounts.totp_setup(who).await?;
    let picture = qr::svg(&address, "Picture for your authenticator");
    let office = OfficeFrame::of_shop(app, &who.caller, HERE);
    Ok(AuthenticatorPage { office, secret, picture, error })
}

/// `GET /office/account/authenticator`
pub async fn authenticator(State(app): State<Arc<Site>>, Person(who): Person) -> Page {
    Ok(page(&setup(&app, &who, None).await?))
}

/// `POST /office/account/authenticator`
pub async fn set_authenticator(
    State(app): State<Arc<Site>>,
    client: Client,
    Person(who): Person,
    sent: Result<Sent, Problem>,
) -> Page {
    let Sent { headers, body } = sent?;
    let form = Form::read(&headers, &body)?;
    let visitor = visitor(&app, client, &headers);
    match app.accounts.set_totp(&who, form.get("code"), &visitor).await {
        Ok((codes, device)) => {
            let mut response = shown_once(&app, &who, codes);
            keep_device(&app, &mut response, &device);
            Ok(response)
        }
        Err(NotChanged::Flaw(flaw)) => {
            let again = setup(&app, &who, Some(flaw)).await?;
            Ok(with_status(page(&again), StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(no) => Err(no.into()),
    }
}

fn shown_once(app: &Site, who: &SignedIn, codes: Vec<String>) -> Response {
    page(&CodesPage { office: OfficeFrame::of_shop(app, &who.caller, HERE), codes })
}

/// `POST /office/account/authenticator/remove`
pub async fn remove_authenticator(State(app): State<Arc<Site>>, Person(who): Person) -> Page {
    app.accounts.remove_totp(&who).await?;
    Ok(back())
}

/// `POST /office/account/recovery-codes`
pub async fn renew_codes(State(app): State<Arc<Site>>, Person(who): Person) -> Page {
    match app.accounts.renew_codes(&who).await {
        Ok(codes) => Ok(shown_once(&app, &who, codes)),
        // There is no authenticator any more.
        Err(NotChanged::Gone) => Ok(back()),
        Err(no) => Err(no.into()),
    }
}

/// `POST /office/account/sessions`: ends the session of this id, or all others if none is named.
pub async fn end_sessions(
    State(app): State<Arc<Site>>,
    client: Client,
    Person(who): Person,
    sent: Result<Sent, Problem>,
) -> Page {
    let Sent { headers, body } = sent?;
    let form = Form::read(&headers, &body)?;
    let visitor = visitor(&app, client, &headers);
    let named = Some(form.get("session")).filter(|id| !id.is_empty());
    match app.accounts.end_sessions(&who, named, &visitor).await {
        Ok(device) => {
            let mut response = back();
            keep_device(&app, &mut response, &device);
            Ok(response)
        }
        // It has ended, by whomever.
        Err(NotChanged::Gone) => Ok(back()),
        Err(no) => Err(no.into()),
    }
}
