//! The JSON API for erasing buyers. Behind the organiser's key.

use crate::http::api::order_id;
use crate::http::auth::organiser;
use crate::http::extract::{Sent, SentByOrganiser, json};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::http::view;
use crate::organiser::erase::{OrderLeft, Whom};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use boxoffice::{BuyerNeeded, OrderState};
use nts_api as wire;
use std::sync::Arc;

/// `POST /api/v1/erasures`. It needs no idempotency key: erased is erased.
pub async fn erase(
    State(app): State<Arc<Site>>,
    SentByOrganiser(Sent { headers, body }): SentByOrganiser,
) -> Result<Response, Problem> {
    let body: wire::ErasureBody = json(&headers, &body)?;
    let whom = match (body.email, body.order) {
        (Some(email), None) if is_address(&email) => Whom::Email(email),
        (Some(_), None) => {
            return Err(Problem::invalid(
                "An e-mail address has a name, an @ and a host. An order that was reserved by name only is \
                 erased by its id. Nothing was erased.",
            ));
        }
        (None, Some(order)) => Whom::Order(order_id(&order)?),
        _ => {
            return Err(Problem::invalid(
                "Say one of \"email\" and \"order\". Nothing was erased.",
            ));
        }
    };
    let done = app.organiser.erase(organiser(&app), &whom, body.dry_run).await?;
    let answer = wire::Erasure {
        dry_run: body.dry_run,
        erased: done.erased,
        found: done.erased + done.left,
        left: done.left,
        orders_left: done.orders_left.iter().map(left).collect(),
    };
    Ok(Json(answer).into_response())
}

/// Whether it can be the address of an order. What an order's address may be is checked when it is placed,
/// and was checked less strictly by older versions.
fn is_address(email: &str) -> bool {
    let parts = email.trim().rsplit_once('@');
    parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
}

fn left(order: &OrderLeft) -> wire::OrderLeft<'static> {
    let reason = match (order.why, order.state) {
        (Some(BuyerNeeded::NotFinished), OrderState::Held) => {
            "It is held and may still be paid. Cancel it, or wait until its hold ends."
        }
        (Some(BuyerNeeded::NotFinished), _) => "Its payment is not finished.",
        (Some(BuyerNeeded::UnderWay), _) => "The payment provider has not answered yet.",
        (Some(BuyerNeeded::MoneyDue), _) => {
            "A refund failed, and its money is due to the buyer. Refund it again first."
        }
        (Some(BuyerNeeded::Disputed), _) => {
            "The cardholder disputes the payment, and that is not decided."
        }
        (None, _) => "Its buyer has an older order of the same event, which must be erased first.",
    };
    let id = uuid::Uuid::from_u128(order.id.0).to_string().into();
    wire::OrderLeft { id, reason: reason.into(), state: view::state(order.state) }
}
