//! On the page of an order: where its tickets were sent and what became of that, sending them again, and
//! another address. And each mail as a page, while no real money moves.

use super::order::{opened, order_page};
use crate::actor::Actor;
use crate::app::App;
use crate::http::api::mails::not_before;
use crate::http::extract::{Form, Sent};
use crate::http::page::{Frame, Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::language::{Lang, Words};
use crate::mail::{Compose, Letter, NotComposed, WITH_TICKETS, with_pictures};
use crate::mailing::{Asked, MailStanding, MailState};
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::{
    AddressFixed, Event, Order, OrderId, OrderState, Refusal, TicketState, check_email,
};
use std::sync::Arc;

/// The queries with which the order's page says what was just done.
const AGAIN: &str = "sent";
const LATELY: &str = "lately";
const CHANGED: &str = "address";
/// How many bytes of what is no address are shown again.
const SHOWN: usize = 254;
/// How many bytes of the words of a mail server are shown.
const WORDS: usize = 300;

/// What the page of an order says of its mails.
#[derive(Template)]
#[template(path = "order_mail.html")]
pub(super) struct OrderMail {
    lang: Lang,
    /// The order's page.
    path: String,
    /// What was just done, or why it was not.
    done: Option<Words>,
    /// Whether it was done.
    good: bool,
    /// What became of the mail with the tickets.
    line: Option<String>,
    /// Whether that is bad.
    bad: bool,
    /// Whether they can be sent again.
    again: bool,
    /// Whether another address can be given.
    change: bool,
    /// What was typed as another address, and what is wrong with it.
    typed: String,
    error: Option<Words>,
    /// Mails to look at: their pages, and what they are.
    see: Vec<(String, Words)>,
}

/// What the page of an order says of its mails, if it says anything. It says what was just done, if the query
/// tells that.
pub(super) async fn of(
    app: &App,
    order: &Order,
    event: &Event,
    lang: Lang,
    query: Option<&str>,
) -> Option<OrderMail> {
    // Before it is paid nobody was written to, and very many look.
    let open = matches!(order.state, OrderState::Held | OrderState::Paying | OrderState::Canceling);
    if open || order.is_erased() || order.buyer.email.is_empty() {
        return None;
    }
    let mails = app.mailing.of_order(order.id).await.ok()?;
    let address = &order.buyer.email;
    let newest = mails.iter().find(|mail| WITH_TICKETS.contains(&&*mail.subject));
    let (line, bad) = match newest.map(|mail| line(app, order, event, lang, mail)) {
        Some((line, bad)) => (Some(line), bad),
        None => (None, false),
    };
    let done = match query {
        Some(AGAIN) => Some(lang.sent_again(address)),
        Some(LATELY) => Some(lang.sent_lately()),
        Some(CHANGED) => Some(lang.address_changed(address)),
        _ => None,
    };
    let paid = matches!(order.state, OrderState::Paid | OrderState::Refunding);
    let valid = order.tickets.iter().any(|ticket| ticket.state == TicketState::Valid);
    let see = see(app, order.id, lang, &mails);
    let again = paid && valid && (app.mailing.has_relay || app.sandbox.is_some());
    let change = paid && !event.is_over(app.clock.now_ms());
    let typed = String::new();
    let something = line.is_some() || again || change || !see.is_empty();
    let path = app.links.order_path(order.id);
    something.then_some(OrderMail {
        lang,
        path,
        done,
        good: query != Some(LATELY),
        line,
        bad,
        again,
        change,
        typed,
        error: None,
        see,
    })
}

/// The mails of an order as pages, while no mail is sent because no real money moves.
fn see(app: &App, order: OrderId, lang: Lang, mails: &[MailState]) -> Vec<(String, Words)> {
    if !shows_mails(app) {
        return Vec::new();
    }
    let path = app.links.order_path(order);
    let oldest_first = mails.iter().rev().zip(1..);
    oldest_first.map(|(mail, n)| (format!("{path}/mails/{n}"), kind(lang, &mail.subject))).collect()
}

fn shows_mails(app: &App) -> bool {
    app.sandbox.is_some() && !app.mailing.has_relay
}

/// What a mail tells, in a few words.
fn kind(lang: Lang, subject: &str) -> Words {
    match subject {
        "again" => lang.mail_kind_again(),
        "refunded" => lang.mail_kind_refunded(),
        "void" => lang.mail_kind_void(),
        "moved" => lang.mail_kind_moved(),
        "event_canceled" => lang.mail_kind_canceled(),
        "address_changed" => lang.mail_kind_address(),
        _ => lang.mail_kind_tickets(),
    }
}

/// What became of a mail with tickets, and whether that is bad.
fn line(app: &App, order: &Order, event: &Event, lang: Lang, mail: &MailState) -> (String, bool) {
    let to = if mail.to.is_empty() { &order.buyer.email } else { &mail.to };
    let why = mail.why.as_deref().map(|why| crate::text::begin(why, WORDS));
    let (line, bad) = match mail.standing {
        MailStanding::NoRelay if app.sandbox.is_some() => (lang.mails_test_mode(), false),
        MailStanding::NoRelay => (lang.sent_no_relay(to), true),
        MailStanding::Waiting => match why {
            Some(why) => (lang.sent_later(to, why), false),
            None => (lang.sent_soon(to), false),
        },
        MailStanding::Sent => {
            let (zone, at_ms) = (&event.spec.zone, mail.ended_ms.unwrap_or(mail.owed_ms));
            let at = lang.end(at_ms, app.clock.now_ms(), zone);
            let at = format!("{at} {}", lang.place_of_zone(at_ms, zone));
            (lang.sent_to(to, &at), false)
        }
        MailStanding::SentPerhaps => (lang.sent_perhaps(to), false),
        MailStanding::Refused => (lang.sent_refused(to, why.unwrap_or_default()), true),
        MailStanding::GivenUp | MailStanding::TooOld | MailStanding::Needless => {
            (lang.sent_not(to), true)
        }
    };
    (line.into_owned(), bad)
}

/// `POST /orders/{id}/{secret}/mails`: sends the tickets again.
pub async fn send_again(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
    sent: Result<Sent, Problem>,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    sent?;
    let order = app.sales.find(id).await?;
    let query = match app.mailing.resend(&order).await? {
        Asked::Owed => AGAIN,
        Asked::NotBefore(_) => LATELY,
        Asked::Nothing => "",
    };
    Ok(back(&app, id, query))
}

/// To the order's page, which says what was done.
fn back(app: &App, id: OrderId, query: &str) -> Response {
    let path = app.links.order_path(id);
    let said = if query.is_empty() { path } else { format!("{path}?{query}#mail") };
    Redirect::to(&said).into_response()
}

/// `POST /orders/{id}/{secret}/email`: gives the order another address.
pub async fn change_address(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
    lang: Lang,
    sent: Result<Sent, Problem>,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let Sent { headers, body } = sent?;
    let form = Form::read(&headers, &body)?;
    let typed = form.get("email");
    let turn = app.mailing.turn_of(id).await;
    let (error, status) = match check_email(typed) {
        Ok(()) if typed.is_empty() => (lang.enter_email(), StatusCode::BAD_REQUEST),
        Err(_) => (lang.lost_wrong_address(), StatusCode::BAD_REQUEST),
        Ok(()) if not_before(&app, Actor::Buyer, id, typed).await?.is_some() => {
            (lang.address_too_often(), StatusCode::TOO_MANY_REQUESTS)
        }
        Ok(()) => match app.sales.change_address(Actor::Buyer, id, typed, None).await {
            Ok(_) => return Ok(back(&app, id, CHANGED)),
            Err(CommandError::Refused(no)) => match fault(lang, &no) {
                Some(error) => (error, StatusCode::CONFLICT),
                None => return Err(no.into()),
            },
            Err(no) => return Err(no.into()),
        },
    };
    drop(turn);
    let order = app.sales.find(id).await?;
    let event = app.sales.event_of(&order).await?;
    let mut shown = order_page(&app, &order, &event).with_mail(&app, &order, &event, None).await;
    if let Some(mail) = &mut shown.mail {
        mail.typed = crate::text::begin(typed, SHOWN).to_owned();
        mail.error = Some(error);
    }
    let mut response = page(&shown);
    *response.status_mut() = status;
    Ok(response)
}

/// What of a refusal is to be said at the field.
fn fault(lang: Lang, no: &Refusal) -> Option<Words> {
    Some(match no {
        Refusal::Invalid(_) => lang.lost_wrong_address(),
        Refusal::LimitPerBuyer { limit, .. } => lang.address_limit(*limit),
        Refusal::AddressFixed(AddressFixed::Newest) => lang.address_newest(),
        Refusal::AddressFixed(_) => lang.address_fixed(),
        _ => return None,
    })
}

#[derive(Template)]
#[template(path = "mail_shown.html")]
struct MailPage {
    frame: Frame,
    lang: Lang,
    back: String,
    to: String,
    subject: String,
    reply_to: Option<String>,
    files: String,
    html: String,
    text: String,
    /// Why there is none.
    none: Option<Words>,
}

/// `GET /orders/{id}/{secret}/mails/{n}`: the `n`th mail of an order as its buyer would get it, counted from 1.
pub async fn show(
    State(app): State<Arc<Site>>,
    Path((id, secret, n)): Path<(String, String, String)>,
    lang: Lang,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let mails = if shows_mails(&app) { app.mailing.of_order(id).await? } else { Vec::new() };
    let nth = n.parse::<usize>().ok().and_then(|n| mails.len().checked_sub(n));
    let mail = nth.and_then(|at| mails.get(at));
    let Some((mail, letter)) = mail.and_then(|mail| Some((mail, mail.letter.as_ref()?))) else {
        return Err(Problem::unknown_order().into());
    };
    let order = app.sales.find(id).await?;
    let to = if mail.to.is_empty() { "•••".into() } else { mail.to.clone() };
    let mut shown = MailPage {
        frame: Frame::of(&app),
        lang,
        back: app.links.order_path(id),
        to,
        subject: String::new(),
        reply_to: None,
        files: String::new(),
        html: String::new(),
        text: String::new(),
        none: None,
    };
    match composed(&app, letter, &order).await {
        Ok(mail) => {
            shown.html = with_pictures(&mail);
            let files: Vec<&str> = mail.attachments.iter().map(|file| &*file.name).collect();
            shown.files = files.join(", ");
            (shown.subject, shown.text, shown.reply_to) = (mail.subject, mail.text, mail.reply_to);
        }
        Err(NotComposed::Needless(_)) => shown.none = Some(lang.mail_needless()),
        Err(NotComposed::Later(_)) => return Err(CommandError::Unavailable.into()),
    }
    let mut response = page(&shown);
    // The mail is a page in a frame, with the styles that mail programs want: inside of its elements. Nothing
    // of it is a script, and none would be run.
    let policy = "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'none'; \
                  img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let policy = HeaderValue::from_static(policy);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

async fn composed(
    app: &App,
    letter: &Letter,
    order: &Order,
) -> Result<crate::mail::Composed, NotComposed> {
    app.composer.compose(letter, &order.buyer.email).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use nts_api::MailKind;
    use std::collections::BTreeSet;

    #[test]
    fn each_kind_of_mail_has_words_of_its_own() {
        let words = MailKind::ALL.iter().map(|mail| kind(Lang::En, mail.as_str()).into_owned());
        let words: BTreeSet<String> = words.collect();
        assert_eq!(words.len(), MailKind::ALL.len(), "{words:?}");
        for (subject, words) in [
            ("tickets", "the tickets"),
            ("again", "the tickets again"),
            ("refunded", "a refund"),
            ("void", "no tickets"),
            ("moved", "a new date or place"),
            ("event_canceled", "the cancellation"),
            ("address_changed", "another address"),
        ] {
            assert_eq!(&*kind(Lang::En, subject), words);
        }
    }
}
