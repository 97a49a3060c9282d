//! The JSON API for webhooks. Behind a key that may manage the shop.

use crate::access::Caller;
use crate::http::api::pages::Page;
use crate::http::auth::caller;
use crate::http::extract::{Sent, SentByStaff, json};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::site::Site;
use crate::http::staff::event_for;
use crate::store::records::outbox_rows::MessageState;
use crate::store::records::webhooks::{HookKind, HookKinds, Tried, Webhook};
use crate::webhooks::{Change, NotDone, message_name};
use crate::when;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use boxoffice::EventId;
use nts_api as wire;
use nts_api::ProblemCode;
use std::sync::Arc;

/// What stands for all types, and for all events.
const EVERY: &str = "*";
/// So many deliveries are told if nothing is said.
const USUAL: u32 = 50;

impl From<NotDone> for Problem {
    fn from(no: NotDone) -> Problem {
        match no {
            NotDone::Address(why) => Problem::invalid(format!("url: {why} Nothing was changed.")),
            NotDone::Gone => nothing("There is no such webhook, or no such delivery of it."),
            NotDone::TooMany => Problem::invalid(
                "There are as many webhooks as there may be. Delete one first. Nothing was made.",
            ),
            NotDone::Failed(no) => no.into(),
        }
    }
}

fn nothing(detail: &str) -> Problem {
    Problem::new(ProblemCode::NotFound, detail)
}

/// The webhook of this id in an address.
pub(in crate::http) fn webhook_id(text: &str) -> Result<u128, Problem> {
    let id = uuid::Uuid::parse_str(text).map(|id| id.as_u128());
    id.map_err(|_| nothing("There is no such webhook: its id is a UUID."))
}

/// The message of this id in an address.
pub(in crate::http) fn message_id(text: &str) -> Result<u128, Problem> {
    let digits = text.strip_prefix("msg_").filter(|digits| digits.len() == 32);
    let id = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
    id.ok_or_else(|| nothing("There is no such delivery: its id begins with msg_."))
}

fn kinds(types: &[String]) -> Result<HookKinds, Problem> {
    if types == [EVERY] {
        return Ok(HookKinds::EVERY);
    }
    if types.is_empty() {
        return Err(Problem::invalid(
            "types: name at least one, or [\"*\"] for all. Nothing was changed.",
        ));
    }
    let known = |word: &String| {
        HookKind::parse(word).ok_or_else(|| {
            let all: Vec<&str> = HookKind::ALL.iter().map(|kind| kind.word()).collect();
            let all = all.join(", ");
            Problem::invalid(format!(
                "types: one of them is not known. There are {all}, and \"*\" alone for all. Nothing was changed."
            ))
        })
    };
    Ok(HookKinds::some(types.iter().map(known).collect::<Result<_, _>>()?))
}

async fn event(app: &Site, caller: &Caller, named: &str) -> Result<Option<EventId>, Problem> {
    match named {
        EVERY => Ok(None),
        slug => Ok(Some(event_for(app, caller, slug).await?.id)),
    }
}

fn told(app: &Site, webhook: &Webhook, secret: Option<String>) -> wire::Webhook<'static> {
    let time = |ms: i64| when::rfc3339(ms).into();
    let types = match webhook.kinds.named() {
        None => vec![EVERY.into()],
        Some(kinds) => kinds.iter().map(|kind| kind.word().into()).collect(),
    };
    let slug = |id: EventId| {
        let event = app.catalogue.event_by_id(id);
        event.map_or_else(|| "deleted".to_owned(), |event| event.spec.slug.clone()).into()
    };
    let now = app.clock.now_ms();
    wire::Webhook {
        created_at: time(webhook.made_ms),
        disabled_reason: webhook.off_because.clone().map(Into::into),
        enabled: webhook.is_on,
        event: webhook.event.map(slug),
        failing_since: webhook.failing_ms.map(time),
        id: uuid::Uuid::from_u128(webhook.id).to_string().into(),
        old_secret_until: webhook.old_until_ms.filter(|until| now < *until).map(time),
        secret: secret.map(Into::into),
        types,
        url: webhook.address.clone().into(),
    }
}

fn delivery(tried: &Tried) -> wire::WebhookDelivery<'static> {
    let Tried { message, last } = tried;
    let time = |ms: i64| when::rfc3339(ms).into();
    let state = match message.state {
        MessageState::Queued => wire::DeliveryState::Waiting,
        MessageState::Delivered => wire::DeliveryState::Delivered,
        MessageState::Needless => wire::DeliveryState::Unwanted,
        _ => wire::DeliveryState::GivenUp,
    };
    let last = last.as_ref().map(|last| wire::WebhookTry {
        answer: Some(last.answer.clone().into()).filter(|_| !last.answer.is_empty()),
        at: time(last.at_ms),
        duration_ms: last.took_ms,
        error: message.last_error.clone().map(Into::into),
        status: last.status,
    });
    wire::WebhookDelivery {
        attempts: message.tries,
        id: message_name(message.id).into(),
        last,
        next_at: (state == wire::DeliveryState::Waiting).then(|| time(message.due_ms)),
        owed_at: time(message.made_ms),
        payload: message.payload.clone().into(),
        state,
        kind: message.subject.clone().into(),
    }
}

/// `GET /api/v1/webhooks`
pub async fn list(State(app): State<Arc<Site>>, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = caller(&app, &headers).await?;
    let webhooks = app.webhooks.all(&caller.shop_permit()?).await?;
    let webhooks = webhooks.iter().map(|webhook| told(&app, webhook, None)).collect();
    Ok(Json(wire::WebhookList { webhooks }).into_response())
}

/// `POST /api/v1/webhooks`: makes one. Its secret is in the answer, and in no other.
pub async fn make(
    State(app): State<Arc<Site>>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    let permit = caller.shop_permit()?;
    let body: wire::WebhookBody = json(&headers, &body)?;
    let Some(url) = body.url else {
        return Err(Problem::invalid("url: say where messages are to go. Nothing was made."));
    };
    if body.enabled == Some(false) {
        return Err(Problem::invalid(
            "enabled: a new webhook is enabled; it can be disabled afterwards. Nothing was made.",
        ));
    }
    let kinds = body.types.as_deref().map_or(Ok(HookKinds::EVERY), kinds)?;
    let event = event(&app, &caller, body.event.as_deref().unwrap_or(EVERY)).await?;
    let webhook = app.webhooks.make(&permit, &url, kinds, event).await?;
    let secret = app.webhooks.secret(&permit, &webhook);
    Ok((StatusCode::CREATED, Json(told(&app, &webhook, Some(secret)))).into_response())
}

/// `GET /api/v1/webhooks/{webhook}`
pub async fn show(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let permit = caller(&app, &headers).await?.shop_permit()?;
    let webhook = app.webhooks.one(&permit, webhook_id(&id)?).await?;
    Ok(Json(told(&app, &webhook, None)).into_response())
}

/// `PATCH /api/v1/webhooks/{webhook}`
pub async fn change(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    let permit = caller.shop_permit()?;
    let body: wire::WebhookBody = json(&headers, &body)?;
    let event = match body.event.as_deref() {
        Some(named) => Some(event(&app, &caller, named).await?),
        None => None,
    };
    let change = Change {
        address: body.url,
        kinds: body.types.as_deref().map(kinds).transpose()?,
        event,
        is_on: body.enabled,
    };
    let webhook = app.webhooks.change(&permit, webhook_id(&id)?, change).await?;
    Ok(Json(told(&app, &webhook, None)).into_response())
}

/// `DELETE /api/v1/webhooks/{webhook}`
pub async fn remove(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    SentByStaff(caller, _): SentByStaff,
) -> Result<StatusCode, Problem> {
    let permit = caller.shop_permit()?;
    app.webhooks.remove(&permit, webhook_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/webhooks/{webhook}/test`
pub async fn test(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    SentByStaff(caller, _): SentByStaff,
) -> Result<Response, Problem> {
    let permit = caller.shop_permit()?;
    let tried = app.webhooks.test(&permit, webhook_id(&id)?).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery(&tried))).into_response())
}

/// `POST /api/v1/webhooks/{webhook}/secret`: another one. It is in the answer, and in no other.
pub async fn renew_secret(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    query: Query,
    SentByStaff(caller, _): SentByStaff,
) -> Result<Response, Problem> {
    let permit = caller.shop_permit()?;
    let at_once = query.flag("at_once")?;
    let webhook = app.webhooks.renew_secret(&permit, webhook_id(&id)?, at_once).await?;
    let secret = app.webhooks.secret(&permit, &webhook);
    Ok(Json(told(&app, &webhook, Some(secret))).into_response())
}

/// `GET /api/v1/webhooks/{webhook}/deliveries`
pub async fn deliveries(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    uri: Uri,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let permit = caller(&app, &headers).await?.shop_permit()?;
    let page = Page::of(&app, &uri, &query, USUAL)?;
    let after = page.begins()?.as_deref().map(message_id).transpose()?;
    let limit = page.limit as usize;
    let found = app.webhooks.deliveries(&permit, webhook_id(&id)?, after, limit).await?;
    let last = found.last().filter(|_| found.len() == limit);
    let next = last.map(|tried| page.cursor(&message_name(tried.message.id)));
    let list = wire::WebhookDeliveries {
        deliveries: found.iter().map(delivery).collect(),
        limit: page.limit,
        next: next.as_deref().map(Into::into),
    };
    Ok(page.answer(next.as_deref(), &list))
}

/// `POST /api/v1/webhooks/{webhook}/deliveries/{delivery}/replay`
pub async fn replay(
    State(app): State<Arc<Site>>,
    Path((id, message)): Path<(String, String)>,
    SentByStaff(caller, _): SentByStaff,
) -> Result<Response, Problem> {
    let permit = caller.shop_permit()?;
    let tried = app.webhooks.replay(&permit, webhook_id(&id)?, message_id(&message)?).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery(&tried))).into_response())
}
