//! Mails about an order, for programs of its holder and of the organiser.

use super::{authorized, event_of};
use crate::access::Right;
use crate::actor::Actor;
use crate::app::App;
use crate::http::extract::{Sent, json};
use crate::http::idempotency::keyed;
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::http::view;
use crate::mailing::{Asked, MailStanding, MailState};
use crate::when;
use crate::writer::CommandError;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use boxoffice::{Order, OrderId, OrderState, TimeMs};
use nts_api::{self as wire, EmailBody, MailList};
use std::sync::Arc;

/// The mails about an order, the newest first. Nothing of one that is not paid: nobody was written to, and very
/// many ask.
pub(super) async fn of(app: &App, order: &Order) -> Result<Vec<wire::Mail<'static>>, Problem> {
    if matches!(order.state, OrderState::Held | OrderState::Paying | OrderState::Canceling) {
        return Ok(Vec::new());
    }
    Ok(app.mailing.of_order(order.id).await?.into_iter().filter_map(mail).collect())
}

fn mail(mail: MailState) -> Option<wire::Mail<'static>> {
    let state = match mail.standing {
        MailStanding::Waiting => wire::MailState::Waiting,
        MailStanding::NoRelay => wire::MailState::NoRelay,
        MailStanding::Sent => wire::MailState::Sent,
        MailStanding::SentPerhaps => wire::MailState::SentUnconfirmed,
        MailStanding::Refused => wire::MailState::Refused,
        MailStanding::GivenUp => wire::MailState::GivenUp,
        MailStanding::TooOld => wire::MailState::TooOld,
        MailStanding::Needless => wire::MailState::Needless,
    };
    let kind = wire::MailKind::ALL.iter().copied().find(|kind| kind.as_str() == mail.subject)?;
    Some(wire::Mail {
        at: when::rfc3339(mail.ended_ms.unwrap_or(mail.owed_ms)).into(),
        detail: mail.why.map(Into::into),
        kind,
        state,
    })
}

/// `POST /api/v1/orders/{id}/mails`: sends the tickets again.
pub async fn send_again(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, _) = authorized(&app, &id, &headers, Right::ChangeOrders).await?;
    let order = app.sales.find(id).await?;
    let asked = app.mailing.resend(&order).await?;
    let mails = of(&app, &order).await?;
    let with_tickets = |mail: &&wire::Mail<'_>| {
        matches!(mail.kind, wire::MailKind::Tickets | wire::MailKind::Again)
    };
    let on_its_way = mails.iter().find(with_tickets).is_some_and(|mail| {
        matches!(mail.state, wire::MailState::Waiting | wire::MailState::NoRelay)
    });
    match asked {
        Asked::Owed => {}
        // They are sent without another mail.
        Asked::NotBefore(_) if on_its_way => {}
        Asked::NotBefore(at_ms) => {
            return Err(Problem::mailed_lately(at_ms, app.clock.now_ms()));
        }
        Asked::Nothing => return Err(Problem::nothing_to_send()),
    }
    Ok(Json(MailList { mails }).into_response())
}

/// `PUT /api/v1/orders/{id}/email`: gives an order another address.
pub async fn put_email(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    Sent { headers, body }: Sent,
) -> Result<Response, Problem> {
    let (id, actor) = authorized(&app, &id, &headers, Right::ChangeOrders).await?;
    let request = keyed(&headers, &[b"email", &id.0.to_be_bytes()], &body)?;
    let EmailBody { email } = json(&headers, &body)?;
    let turn = app.mailing.turn_of(id).await;
    if let Some(at_ms) = not_before(&app, actor, id, &email).await? {
        return Err(Problem::readdressed_lately(at_ms, app.clock.now_ms()));
    }
    let order = app.sales.change_address(actor, id, &email, request).await?;
    drop(turn);
    let event = event_of(&app, &order).await?;
    let mut answer = view::order(&app, &order, &event, crate::http::speaks::here());
    answer.mails = Some(of(&app, &order).await?);
    Ok(Json(answer).into_response())
}

/// Until when an order keeps its address because it has had several lately, whatever else may be said of this
/// one; in milliseconds since 1970. The organiser may always give it another one. To be asked in the order's
/// turn.
pub(in crate::http) async fn not_before(
    app: &App,
    actor: Actor,
    id: OrderId,
    email: &str,
) -> Result<Option<TimeMs>, CommandError> {
    // The same once more, after an answer that was lost, is no change.
    if actor != Actor::Buyer || app.sales.find(id).await?.buyer.email == email.trim() {
        return Ok(None);
    }
    app.mailing.address_not_before(id).await
}
