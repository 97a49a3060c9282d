//! The JSON API for erasing buyers. Behind the organiser's key.

use crate::http::api::organiser::{for_organiser, known_order};
use crate::http::extract::{Sent, SentByStaff, json};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::http::view;
use crate::organiser::erase::{OrderLeft, Whom};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use boxoffice::{BuyerNeeded, OrderState, check_email};
use nts_api as wire;
use std::sync::Arc;

/// `POST /api/v1/erasures`. It needs no idempotency key: erased is erased.
pub async fn erase(
    State(app): State<Arc<Site>>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    let body: wire::ErasureBody = json(&headers, &body)?;
    let whom = match (body.email, body.order) {
        (Some(email), None) => {
            check_address(&email)?;
            Whom::Email(email)
        }
        (None, Some(order)) => Whom::Order(known_order(&order)?),
        _ => {
            return Err(Problem::invalid(
                "Say one of \"email\" and \"order\". Nothing was erased.",
            ));
        }
    };
    let done = app.organiser.erase(&caller.shop_permit()?, &whom, body.dry_run).await;
    let done = done.map_err(|no| for_organiser(no.into()))?;
    let answer = wire::Erasure {
        dry_run: body.dry_run,
        erased: done.erased,
        found: done.erased + done.left,
        left: done.left,
        orders_left: done.orders_left.iter().map(left).collect(),
    };
    Ok(Json(answer).into_response())
}

/// Checks an address as that of an order is: two of them in one would be found nowhere, and look erased.
fn check_address(email: &str) -> Result<(), Problem> {
    let email = email.trim();
    let checked = if email.is_empty() { Err(MISSING.into()) } else { check_email(email) };
    checked.map_err(|why| {
        Problem::invalid(format!(
            "{}. An order that has only a name, or an address like this, is erased by its id. Nothing was \
             erased.",
            crate::text::capital(&why)
        ))
    })
}

const MISSING: &str = "the e-mail address is empty";

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
