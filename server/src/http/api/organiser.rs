//! The JSON API for organisers: events, orders, refunds. All of it behind the organiser's key.

use crate::event_body;
use crate::http::api::{event_of, order_id, wish};
use crate::http::auth::{check_organiser, organiser};
use crate::http::extract::{Sent, SentByOrganiser, json};
use crate::http::idempotency::keyed;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::site::Site;
use crate::http::speaks::here;
use crate::http::view::{self, Viewer};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use boxoffice::{Flaw, OrderId, RefundWish, Refusal, told};
use nts_api::{EventBody, OrderList, ProblemCode, PutAnswer, RefundAnswer, RefundBody};
use std::sync::Arc;

/// `PUT /api/v1/events/{event}`
pub async fn put_event(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByOrganiser(Sent { headers, body }): SentByOrganiser,
) -> Result<Response, Problem> {
    let now = app.clock.now_ms();
    let body = match json::<EventBody>(&headers, &body) {
        Ok(body) => body,
        // Perhaps what GET has told, with what cannot be set.
        Err(problem) => {
            event_body::settable(&body, &slug).map_err(Problem::invalid)?.ok_or(problem)?
        }
    };
    let keeps_codes = body.codes.is_none();
    let mut spec = event_body::spec(body, &slug).map_err(|flaws| Problem::from(invalid(&flaws)))?;
    if keeps_codes {
        app.organiser.keep_codes(&mut spec).await?;
    }
    let warnings = event_body::warnings(&spec, now);
    let (event, created) = app.organiser.put_event(organiser(&app), spec).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let event = view::event(&event, Viewer::Organiser, now, now);
    Ok((status, Json(PutAnswer { event, warnings })).into_response())
}

/// The id of an order as the organiser gave it, or that there is none.
pub fn known_order(id: &str) -> Result<OrderId, Problem> {
    order_id(id).map_err(for_organiser)
}

/// A problem in the words of an organiser, who has no link of an order.
pub fn for_organiser(mut problem: Problem) -> Problem {
    if problem.code == ProblemCode::UnknownOrder {
        problem.detail =
            "No order has this id. The list of an event's orders has them all. Nothing was \
                          changed."
                .into();
    }
    problem
}

fn invalid(flaws: &[Flaw]) -> Refusal {
    Refusal::Invalid(told(flaws))
}

/// `DELETE /api/v1/events/{event}`
pub async fn delete_event(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByOrganiser(_): SentByOrganiser,
) -> Result<StatusCode, Problem> {
    app.organiser.delete_event(organiser(&app), &slug).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/events/{event}/orders?after=&limit=`
pub async fn orders(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_organiser(&app, &headers)?;
    let event = app.sales.event_named(&slug).await?;
    let no_id = |_| Problem::invalid("after in the query is the id of an order, as in next.");
    let after = query.get("after").map(order_id).transpose().map_err(no_id)?;
    let limit = query.number("limit", 1..=500)?.unwrap_or(100);
    let page = app.organiser.orders(event.id, after, limit as usize).await?;
    let orders = page.orders.iter().map(|o| view::order(&app, o, &event, here())).collect();
    let next = page.next.map(|id| uuid::Uuid::from_u128(id.0).to_string().into());
    Ok(Json(OrderList { next, orders }).into_response())
}

/// `POST /api/v1/orders/{id}/refunds`
pub async fn refund(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    SentByOrganiser(Sent { headers, body }): SentByOrganiser,
) -> Result<Response, Problem> {
    let id = known_order(&id)?;
    let request = keyed(&headers, &[b"refund", &id.0.to_be_bytes()], &body)?;
    let body: RefundBody = json(&headers, &body)?;
    let wish = match (body.all, body.lines, body.failed) {
        (true, None, false) => RefundWish::All,
        (false, Some(lines), false) => RefundWish::Lines(lines.into_iter().map(wish).collect()),
        (false, None, true) => RefundWish::Failed,
        _ => {
            return Err(Problem::invalid(
                "Say one of \"all\": true, \"lines\": [...] and \"failed\": true.",
            ));
        }
    };
    let refunded = app.organiser.refund(organiser(&app), id, wish, body.restock, request).await;
    let (order, refund) = refunded.map_err(|no| for_organiser(no.into()))?;
    let made = order.refunds.iter().find(|r| r.id == refund);
    let refund = made.map(|r| view::refund(&order, r));
    let event = event_of(&app, &order).await?;
    Ok(Json(RefundAnswer { order: view::order(&app, &order, &event, here()), refund })
        .into_response())
}
