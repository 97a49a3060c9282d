//! The JSON API for the sale of an event: pausing and resuming it, and cancelling the event. Behind a key.

use crate::event_body::money;
use crate::http::api::versions::{condition, etag};
use crate::http::auth::caller;
use crate::http::extract::{Sent, SentByStaff};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::http::staff::event_for;
use crate::http::view::{self, Viewer};
use crate::store::records::cancellations::Cancellation;
use crate::when;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use boxoffice::Event;
use nts_api as wire;
use nts_api::ProblemCode;
use std::sync::Arc;

/// `POST /api/v1/events/{event}/pause`
pub async fn pause(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    sent: SentByStaff,
) -> Result<Response, Problem> {
    set(&app, &slug, sent, true).await
}

/// `POST /api/v1/events/{event}/resume`
pub async fn resume(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    sent: SentByStaff,
) -> Result<Response, Problem> {
    set(&app, &slug, sent, false).await
}

async fn set(
    app: &Site,
    slug: &str,
    SentByStaff(caller, Sent { headers, .. }): SentByStaff,
    paused: bool,
) -> Result<Response, Problem> {
    let event = event_for(app, &caller, slug).await?;
    let permit = caller.permit(event.id)?;
    let seen = condition(app, &event, &headers).await?;
    let event = app.organiser.pause_sale(&permit, paused, seen).await?;
    let now = app.clock.now_ms();
    Ok(([etag(app, &event, now)], Json(view::event(&event, Viewer::Organiser, now, now)))
        .into_response())
}

/// `POST /api/v1/events/{event}/cancel`. It needs no idempotency key: cancelled is cancelled.
pub async fn cancel(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, .. }): SentByStaff,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let (change, refund) = (caller.permit(event.id)?, caller.permit(event.id)?);
    let seen = condition(&app, &event, &headers).await?;
    let event = app.organiser.cancel_event(&change, &refund, seen).await?;
    let done = app.organiser.cancellation(&caller.permit(event.id)?).await?;
    let done = done.ok_or_else(not_canceled)?;
    Ok((StatusCode::ACCEPTED, Json(told(&event, &done))).into_response())
}

/// `GET /api/v1/events/{event}/cancellation`
pub async fn cancellation(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&app, &headers).await?;
    let event = event_for(&app, &caller, &slug).await?;
    let done = app.organiser.cancellation(&caller.permit(event.id)?).await?;
    let done = done.ok_or_else(not_canceled)?;
    Ok(Json(told(&event, &done)).into_response())
}

fn not_canceled() -> Problem {
    Problem::new(ProblemCode::NotFound, "The event was not cancelled.")
}

fn told<'a>(event: &'a Event, done: &Cancellation) -> wire::Cancellation<'a> {
    let count = |count: i64| count.unsigned_abs();
    wire::Cancellation {
        event: (&event.spec.slug).into(),
        canceled_at: when::rfc3339(done.at_ms).into(),
        done_at: done.finished_ms.map(|ms| when::rfc3339(ms).into()),
        places: count(done.places),
        places_left: places_to_give_back(event, done),
        released: count(done.released),
        refunded: count(done.refunded),
        amount: money(done.amount_minor, &event.spec.currency),
        failed: count(done.failed),
    }
}

/// How many places of a cancelled event are still to be given back. Places that were refunded before and not put
/// back on sale count as sold; none of them is left once all orders are at rest.
pub fn places_to_give_back(event: &Event, done: &Cancellation) -> u64 {
    if done.finished_ms.is_some() && done.failed == 0 { 0 } else { places_left(event) }
}

/// How many places of an event are held or sold.
pub fn places_left(event: &Event) -> u64 {
    event.pools.iter().map(|pool| u64::from(pool.held) + u64::from(pool.sold)).sum()
}
