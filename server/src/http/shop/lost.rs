//! The page for whoever has lost tickets: who types an address gets its orders by mail.
//!
//! Its answer never says whether the address has orders: it is the same, and what is done until then is the
//! same. That is looked at when the mail is written.

use crate::admission::client::Client;
use crate::http::extract::{Form, Sent};
use crate::http::page::{Frame, Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::language::{Lang, Words};
use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use boxoffice::check_email;
use std::sync::Arc;

/// How many bytes of what is no address are shown again.
const SHOWN: usize = 254;

#[derive(Template)]
#[template(path = "lost.html")]
struct LostPage {
    frame: Frame,
    /// What was typed.
    address: String,
    /// What is wrong with it.
    error: Option<Words>,
    /// What concerns no field.
    notice: Option<Words>,
    /// Whether it was asked for.
    done: bool,
    /// Why nothing comes for now.
    waits: Option<Words>,
}

impl LostPage {
    fn new(app: &Site, lang: Lang) -> LostPage {
        let waits = (!app.mailing.has_relay).then(|| match app.sandbox {
            Some(_) => lang.mails_test_mode(),
            None => lang.mails_wait(),
        });
        let (frame, address) = (Frame::of(app).at("/tickets"), String::new());
        LostPage { frame, address, error: None, notice: None, done: false, waits }
    }

    fn lang(&self) -> Lang {
        self.frame.lang
    }
}

/// `GET /tickets`
pub async fn show(State(app): State<Arc<Site>>, lang: Lang) -> Response {
    page(&LostPage::new(&app, lang))
}

/// `POST /tickets`
pub async fn send(
    State(app): State<Arc<Site>>,
    lang: Lang,
    client: Client,
    sent: Result<Sent, Problem>,
) -> Page {
    let Sent { headers, body } = sent?;
    let form = Form::read(&headers, &body)?;
    let typed = form.get("email");
    let mut shown = LostPage::new(&app, lang);
    shown.address = crate::text::begin(typed, SHOWN).to_owned();
    if let Err(refused) = app.admission.may_ask_for_lost(client) {
        shown.notice = Some(lang.lost_too_often());
        let mut response = with_status(&shown, StatusCode::TOO_MANY_REQUESTS);
        response.headers_mut().insert(header::RETRY_AFTER, refused.again_s.into());
        return Ok(response);
    }
    shown.error = match check_email(typed) {
        Ok(()) if typed.is_empty() => Some(lang.enter_email()),
        Ok(()) => None,
        Err(_) => Some(lang.lost_wrong_address()),
    };
    if shown.error.is_some() {
        return Ok(with_status(&shown, StatusCode::BAD_REQUEST));
    }
    // Whether one is owed, or was sent lately, is told to nobody.
    app.mailing.lost(typed).await?;
    shown.done = true;
    Ok(page(&shown))
}

fn with_status(shown: &LostPage, status: StatusCode) -> Response {
    let mut response = page(shown);
    *response.status_mut() = status;
    response
}
