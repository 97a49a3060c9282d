//! Tickets that the organiser gives away or sells, corrected names, and answers to the questions of an event.

use super::organiser::{for_organiser, known_order};
use super::{authorized, changed, event_of, metadata, refused, wish};
use crate::access::Right;
use crate::http::auth::caller;
use crate::http::extract::{Sent, SentByStaff, expect_type, json, receive};
use crate::http::idempotency::keyed;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::shop::answers::ANSWERS_BODY;
use crate::http::site::Site;
use crate::http::speaks::here;
use crate::http::staff::{event_for, order_for};
use crate::http::view;
use crate::language::Lang;
use crate::organiser::import::{self, MOST_BYTES};
use crate::organiser::sell::Sale;
use crate::writer::CommandError;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use boxoffice::{AnswerWish, Language, Refusal, Tender};
use nts_api::{
    AnswersBody, BuyerNameBody, GuestCount, GuestsAnswer, MetadataBody, ProblemCode, RowNote,
    SaleBody,
};
use std::sync::Arc;

/// How large metadata may be as JSON, in bytes: also where each character is written as two escapes.
const METADATA_BODY: usize = 32 * 1024;

/// So many problems of a file are listed.
const LISTED: usize = 100;

/// `POST /api/v1/events/{event}/sales`: tickets that are given away, or sold for cash or by a card terminal.
pub async fn sell(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let request = keyed(&headers, &[b"sale", event.spec.slug.as_bytes()], &body)?;
    let body: SaleBody = json(&headers, &body)?;
    let tenders = [Tender::Free, Tender::Cash, Tender::Terminal];
    let tender = tenders.into_iter().find(|tender| tender.word() == body.tender);
    let tender = tender.ok_or_else(|| {
        Problem::invalid("tender is one of free, cash and terminal. Nothing was sold.")
    })?;
    let sale = Sale {
        name: body.buyer.name,
        email: body.buyer.email,
        language: written_in(body.language.as_deref())?,
        lines: body.lines.into_iter().map(wish).collect(),
        tender,
        reference: body.reference,
        metadata: metadata(body.metadata, "Nothing was sold.")?,
        shown_minor: None,
    };
    let order = app.organiser.sell(&caller.permit(event.id)?, sale, request).await?;
    let event = event_of(&app, &order).await?;
    let view = view::order_for_organiser(&app, &order, &event, here());
    let location = [(header::LOCATION, view.url.to_string())];
    Ok((StatusCode::CREATED, location, Json(view)).into_response())
}

/// The language that a body names; English if it names none.
fn written_in(tag: Option<&str>) -> Result<Language, Problem> {
    let Some(tag) = tag else { return Ok(Language::EN) };
    let lang = Lang::parse(tag).ok_or_else(|| {
        let known = Lang::ALL.map(Lang::tag).join(", ");
        Problem::invalid(format!("language is one of {known}. Nothing was sold."))
    })?;
    Ok(lang.language())
}

/// `POST /api/v1/events/{event}/guests?dry_run=&language=`: gives free tickets to the guests of a CSV file, some rows at a time.
pub async fn import_guests(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let caller = caller(&app, request.headers()).await?;
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit(event.id)?;
    // A list of guests may be longer than all else that an organiser sends, so nothing of it is read for whoever may
    // not send it.
    let Sent { headers, body } = receive(request, &app, MOST_BYTES).await?;
    expect_type(&headers, "text/csv")?;
    let dry_run = query.flag("dry_run")?;
    let language = written_in(query.get("language"))?;
    let done = app.organiser.import_guests(&permit, &event, &body, language, dry_run).await?;
    let note = |note: import::RowNote| RowNote { line: note.line, text: note.text.into() };
    let count = |of: import::TypeCount| GuestCount {
        left: of.left,
        ticket_type: of.ticket_type.into(),
        tickets: of.tickets,
    };
    let more_problems = done.problems.len().saturating_sub(LISTED) as u64;
    Ok(Json(GuestsAnswer {
        dry_run,
        given: done.given as u64,
        given_before: done.given_before as u64,
        left: done.left as u64,
        left_out: done.left_out.into_iter().map(note).collect(),
        more_problems,
        problems: done.problems.into_iter().take(LISTED).map(note).collect(),
        rows: done.rows as u64,
        ticket_types: done.by_type.into_iter().map(count).collect(),
        tickets: done.tickets,
    })
    .into_response())
}

/// `PUT /api/v1/orders/{id}/name`: the name of the buyer was mistyped.
pub async fn put_name(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    let id = known_order(&id)?;
    let request = keyed(&headers, &[b"name", &id.0.to_be_bytes()], &body)?;
    let BuyerNameBody { name } = json(&headers, &body)?;
    let found = order_for(&app, &caller, id).await?;
    let permit = caller.permit(found.event)?;
    let order = app.organiser.correct_name(&permit, id, &name, request).await;
    let order = order.map_err(|no| for_organiser(no.into()))?;
    let event = event_of(&app, &order).await?;
    Ok(Json(view::order_for_organiser(&app, &order, &event, here())).into_response())
}

/// `PUT /api/v1/orders/{id}/answers`. It needs no idempotency key: the same answers again change nothing.
pub async fn put_answers(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (id, actor) = authorized(&app, &id, request.headers(), Right::ChangeOrders).await?;
    let limit = ANSWERS_BODY.min(app.config.body_bytes as usize);
    let Sent { headers, body } = receive(request, &app, limit).await?;
    let AnswersBody { answers } = json(&headers, &body)?;
    let answers = answers.into_iter().map(|given| AnswerWish {
        question: given.question,
        ticket: given.ticket,
        value: given.answer,
    });
    let answered = app.sales.answer(actor, id, answers.collect()).await;
    let order = answered.map_err(|no| refused(actor, no))?;
    changed(&app, actor, &order).await
}

/// `PUT /api/v1/orders/{id}/metadata`. It needs no idempotency key: the same again changes nothing.
pub async fn put_metadata(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (id, actor) = authorized(&app, &id, request.headers(), Right::ChangeOrders).await?;
    let limit = METADATA_BODY.min(app.config.body_bytes as usize);
    let Sent { headers, body } = receive(request, &app, limit).await?;
    let MetadataBody { metadata: strings } = json(&headers, &body)?;
    let metadata = metadata(strings, "Nothing was changed.")?;
    let order = app.sales.put_metadata(actor, id, metadata).await.map_err(|no| match no {
        CommandError::Refused(Refusal::BuyerErased) => Problem::new(
            ProblemCode::BuyerErased,
            "The buyer of this order was erased, and its metadata as well: it takes none any more. Nothing was \
             changed.",
        ),
        no => refused(actor, no),
    })?;
    changed(&app, actor, &order).await
}
