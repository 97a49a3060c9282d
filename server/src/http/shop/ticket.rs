//! The page of one ticket, for whoever comes with it. It shows nothing of the order: not who bought it, nor for
//! how much, nor what else.

use super::calendar as ics;
use crate::http::door::{Admit, admit};
use crate::http::page::{Frame, Moment, Page, page};
use crate::http::site::Site;
use crate::language::{Lang, Words};
use crate::qr;
use crate::tickets::{Found, Standing};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use boxoffice::{Event, EventSpec};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "ticket.html")]
struct TicketPage {
    frame: Frame,
    lang: Lang,
    /// Where this page is.
    path: String,
    event_name: String,
    starts: Moment,
    place: String,
    over: bool,
    /// Whether no real money was paid.
    test: bool,
    guest: Option<String>,
    ticket_type: String,
    code: String,
    qr: String,
    /// Only for whoever checks people in at this event.
    admit: Option<Admit>,
    /// What the form sends.
    url: String,
}

#[derive(Template)]
#[template(path = "ticket_gone.html")]
struct GonePage<'a> {
    frame: Frame,
    title: Words,
    detail: Words,
    event: Option<&'a EventSpec>,
}

/// `GET /t/{code}`, and `/T/{code}` as the QR code has it.
pub async fn show(
    State(app): State<Arc<Site>>,
    lang: Lang,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Page {
    let (found, event) = match standing(&app, lang, &code).await? {
        Ok(good) => good,
        Err(no) => return Ok(no),
    };
    let ticket = found.ticket();
    let line = &found.order.lines[usize::from(ticket.line)];
    let code = app.codes.of(&found.order, ticket);
    let frame = Frame::of(&app);
    let admit = admit(&app, &headers, &event).await?;
    Ok(page(&TicketPage {
        test: frame.test_mode.is_some(),
        frame,
        lang,
        path: code.path(),
        event_name: event.spec.name.clone(),
        starts: Moment::of(lang, &event.spec),
        place: event.spec.place.clone(),
        over: event.is_over(app.clock.now_ms()),
        guest: ticket.guest.clone(),
        ticket_type: event.ticket_types[usize::from(line.ticket_type)].name.clone(),
        qr: qr::svg(&code.url, &lang.qr_code_of(&code.short)),
        code: code.short,
        url: code.url,
        admit,
    }))
}

/// `GET /t/{code}/event.ics`
pub async fn calendar(State(app): State<Arc<Site>>, lang: Lang, Path(code): Path<String>) -> Page {
    Ok(match standing(&app, lang, &code).await? {
        Ok((found, event)) => ics::of_ticket(&app, lang, &found.order, &event, found.number),
        Err(no) => no,
    })
}

/// The valid ticket of a code with its event, or the page that says why it is none. A code that was forged and
/// one that nobody has ever issued are answered alike.
async fn standing(
    app: &Site,
    lang: Lang,
    code: &str,
) -> Result<Result<(Found, Arc<Event>), Response>, crate::http::page::PageProblem> {
    let gone = |status, title, detail, event: Option<&Event>| {
        let event = event.map(|event| &event.spec);
        (status, page(&GonePage { frame: Frame::of(app), title, detail, event })).into_response()
    };
    let Some(found) = app.tickets.signed(code).await? else {
        let (title, detail) = (lang.ticket_unknown(), lang.ticket_unknown_so());
        return Ok(Err(gone(StatusCode::NOT_FOUND, title, detail, None)));
    };
    let event = app.sales.event_of(&found.order).await?;
    let (title, detail) = match found.standing {
        Standing::Valid => return Ok(Ok((found, event))),
        Standing::Replaced => (lang.ticket_replaced(), lang.ticket_replaced_so()),
        Standing::Revoked => (lang.ticket_revoked(), lang.ticket_revoked_so()),
    };
    Ok(Err(gone(StatusCode::GONE, title, detail, Some(&event))))
}
