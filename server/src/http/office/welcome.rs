//! Accepting an invitation: the page makes an account, or gives the one that there is another password.

use super::OfficeFrame;
use super::lead::with_status;
use super::sign_in::{enter, visitor};
use crate::accounts::{Invited, NewAccount, NotAccepted};
use crate::admission::client::Client;
use crate::app::App;
use crate::http::extract::{Form, Sent};
use crate::http::page::{Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::text::begin;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use nts_api::ProblemCode;
use std::sync::Arc;

/// How many bytes of what was typed are shown again.
const SHOWN: usize = 254;

#[derive(Template)]
#[template(path = "office/welcome.html")]
struct WelcomePage {
    office: OfficeFrame,
    token: String,
    /// What the role is, in words.
    role: String,
    /// The address that was invited.
    invited: Option<String>,
    /// Whether the address has an account already.
    known: bool,
    email: String,
    name: String,
    faults: Vec<(&'static str, String)>,
}

impl WelcomePage {
    fn new(app: &App, token: &str, invited: Invited) -> WelcomePage {
        let of = invited.event.and_then(|event| app.catalogue.event_by_id(event));
        let role = invited.role.map_or("no role", super::role_words);
        let role = match (invited.event, of) {
            (None, _) => role.to_owned(),
            (Some(_), Some(event)) => format!("{role} of {}", event.spec.name),
            (Some(_), None) => format!("{role} of an event that is no more"),
        };
        WelcomePage {
            office: OfficeFrame::outside(app),
            token: token.to_owned(),
            role,
            known: invited.known.is_some(),
            name: invited.known.unwrap_or_default(),
            invited: Some(invited.email).filter(|email| !email.is_empty()),
            email: String::new(),
            faults: Vec::new(),
        }
    }

    fn fault(&self, field: &str) -> Option<&str> {
        let found = self.faults.iter().find(|(name, _)| *name == field);
        found.map(|(_, fault)| fault.as_str())
    }
}

fn gone() -> Problem {
    Problem::new(
        ProblemCode::NotFound,
        "A link works once and for a few days. If you have used it, sign in. If not, ask for another one: the \
         owner of the shop can send it, and on the machine of the server `nts office invite` prints one.",
    )
    .titled("This link does not work any more")
}

/// `GET /office/welcome/{token}`
pub async fn show(State(app): State<Arc<Site>>, Path(token): Path<String>) -> Page {
    let invited = app.accounts.invited(&token).await?.ok_or_else(gone)?;
    Ok(page(&WelcomePage::new(&app, &token, invited)))
}

/// `POST /office/welcome/{token}`
pub async fn accept(
    State(app): State<Arc<Site>>,
    client: Client,
    Path(token): Path<String>,
    sent: Result<Sent, Problem>,
) -> Page {
    let invited = app.accounts.invited(&token).await?.ok_or_else(gone)?;
    let Sent { headers, body } = sent?;
    let form = Form::read(&headers, &body)?;
    let mut shown = WelcomePage::new(&app, &token, invited);
    let short = |name| begin(form.get(name), SHOWN).to_owned();
    (shown.email, shown.name) = (short("email"), short("name"));
    let new = NewAccount {
        email: form.get("email").to_owned(),
        name: form.get("name").to_owned(),
        password: form.exact("password").to_owned(),
    };
    match app.accounts.accept(&token, new, visitor(&app, client, &headers).browser).await {
        Ok(begun) => enter(&app, &headers, begun).await,
        Err(NotAccepted::Flaws(faults)) => {
            shown.faults = faults;
            Ok(with_status(page(&shown), StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(NotAccepted::Gone) => Err(gone().into()),
        Err(NotAccepted::Busy) => Err(Problem::busy(1).into()),
        Err(NotAccepted::Failed(no)) => Err(no.into()),
    }
}
