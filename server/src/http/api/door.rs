//! The JSON API for doors: tickets by their codes, and the keys with which those are verified. Behind the
//! organiser's key.

use crate::access::may;
use crate::codes::PublicKey;
use crate::http::auth::caller;
use crate::http::extract::SentByStaff;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::site::Site;
use crate::http::staff::event_for;
use crate::http::view;
use crate::tickets::Standing;
use crate::when;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use nts_api::{DoorKey, DoorKeys, FoundTicket, ProblemCode, TicketState};
use std::fmt::Write as _;
use std::sync::Arc;

/// `GET /api/v1/tickets/{code}?event=`
pub async fn ticket(
    State(app): State<Arc<Site>>,
    Path(code): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&app, &headers).await?;
    caller.permit_anywhere::<may::CheckIn>()?;
    let event = match query.get("event") {
        Some(slug) => Some(event_for(&app, &caller, slug).await?.id),
        None => None,
    };
    let found = app.tickets.by_code(&caller, &code, event).await?.ok_or_else(|| {
        let detail = "No ticket has this code, or it is of another event. Scan it again, or type it as it is \
                      printed.";
        Problem::new(ProblemCode::UnknownTicket, detail)
    })?;
    let event = app.sales.event_of(&found.order).await?;
    let answer = FoundTicket {
        event: (&event.spec.slug).into(),
        order: uuid::Uuid::from_u128(found.order.id.0).to_string().into(),
        revision: found.revision,
        state: match found.standing {
            Standing::Valid => TicketState::Valid,
            Standing::Replaced => TicketState::Replaced,
            Standing::Revoked => TicketState::Revoked,
        },
        ticket: view::ticket(&app, &found.order, &event, found.ticket()),
    };
    Ok(Json(answer).into_response())
}

fn told(key: &PublicKey) -> DoorKey<'static> {
    let mut public_key = String::with_capacity(64);
    for byte in key.public {
        write!(public_key, "{byte:02x}").expect("a text takes everything");
    }
    DoorKey {
        algorithm: "Ed25519".into(),
        id: key.id,
        public_key: public_key.into(),
        revoked_at: key.revoked_ms.map(|ms| when::rfc3339(ms).into()),
        since: (key.since_ms > 0).then(|| when::rfc3339(key.since_ms).into()),
    }
}

/// `GET /api/v1/door/keys`
pub async fn keys(State(app): State<Arc<Site>>, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = caller(&app, &headers).await?;
    let keys = app.tickets.keys(&caller.permit_anywhere()?).await?;
    Ok(Json(DoorKeys { keys: keys.iter().map(told).collect() }).into_response())
}

/// `POST /api/v1/door/keys`: another key signs from now on.
pub async fn new_key(
    State(app): State<Arc<Site>>,
    SentByStaff(caller, _): SentByStaff,
) -> Result<Response, Problem> {
    let key = app.tickets.new_key(&caller.shop_permit()?).await?;
    Ok((StatusCode::CREATED, Json(told(&key))).into_response())
}

/// `DELETE /api/v1/door/keys/{key}`: nothing that it signed counts any more.
pub async fn revoke_key(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    SentByStaff(caller, _): SentByStaff,
) -> Result<StatusCode, Problem> {
    let permit = caller.shop_permit()?;
    let id = id.parse().map_err(|_| Problem::invalid("The id of a key is a number, 0 to 255."))?;
    app.tickets.revoke_key(&permit, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
