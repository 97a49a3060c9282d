//! The JSON API for organisers: events, orders, refunds. All of it behind the organiser's key.

use crate::access::{Caller, Right, may};
use crate::app::App;
use crate::event_body;
use crate::http::api::pages::Page;
use crate::http::api::versions::{self, Condition, condition, etag};
use crate::http::api::{event_of, order_id, wish};
use crate::http::auth::caller;
use crate::http::extract::{Sent, SentByStaff, expect_type, json};
use crate::http::idempotency::keyed;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::site::Site;
use crate::http::speaks::here;
use crate::http::staff::{event_for, order_for};
use crate::http::view::{self, Viewer};
use crate::organiser::orders::reason_flaw;
use crate::organiser::search::{AsOf, Asked, At, Of};
use crate::sales::SaleError;
use crate::when;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use boxoffice::{Event, Flaw, Money, OrderId, OrderState, RefundWish, Refusal, TimeMs, told};
use nts_api::{EventBody, OrderList, ProblemCode, PutAnswer, RefundAnswer, RefundBody};
use serde_json::Value;
use std::sync::Arc;

/// `PUT /api/v1/events/{event}`
pub async fn put_event(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    let now = app.clock.now_ms();
    let kept = event_body::left_out(&body);
    let body = match json::<EventBody>(&headers, &body) {
        Ok(body) => body,
        // Perhaps what GET has told, with what cannot be set.
        Err(problem) => {
            event_body::settable(&body, &slug).map_err(Problem::invalid)?.ok_or(problem)?
        }
    };
    let mut spec = event_body::spec(body, &slug).map_err(|flaws| Problem::from(invalid(&flaws)))?;
    let condition = Condition::read(&headers)?;
    // Whether there is such an event is decided with the change. A process need not know it before, except for
    // who may change some events only, and for who has seen one.
    let shop = caller.shop_permit::<may::ChangeEvents>();
    let (event, created) = match (condition, shop) {
        (Condition::None, Ok(permit)) => app.organiser.put_event(&permit, spec, kept).await?,
        (Condition::New, shop) => (app.organiser.make_event(&shop?, spec).await?, true),
        (condition, shop) => {
            let known = match app.sales.event_named(&slug).await {
                Ok(known) => known,
                Err(SaleError::Refused(Refusal::UnknownEvent)) => {
                    _ = shop?;
                    // Whoever has seen it has seen what is not there any more.
                    return Err(Refusal::EventDiffers.into());
                }
                Err(no) => return Err(no.into()),
            };
            let permit = caller.permit(known.id)?;
            let event = match condition {
                Condition::Seen(versions) => {
                    let seen = versions::seen(&app, &known, &versions).await?;
                    let flaws = spec.keep(&kept, &seen);
                    if !flaws.is_empty() {
                        return Err(invalid(&flaws).into());
                    }
                    app.organiser.change_seen_event(&permit, spec, seen).await?
                }
                _ => app.organiser.change_event(&permit, spec, kept).await?,
            };
            (event, false)
        }
    };
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(put(&app, &event, status, now))
}

/// `PATCH /api/v1/events/{event}`: changes what is said, and leaves the rest as it is (RFC 7396).
pub async fn patch_event(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    expect_type(&headers, event_body::MERGE_PATCH)?;
    let patch: Value = serde_json::from_slice(&body)
        .map_err(|error| Problem::malformed("The JSON body", &error))?;
    let versions = Condition::of_known(&headers)?;
    let mut event = event_for(&app, &caller, &slug).await?;
    let mut tries = 0;
    let event = loop {
        tries += 1;
        let seen = match &versions {
            Some(versions) => versions::seen(&app, &event, versions).await?,
            None => event.spec.clone(),
        };
        let spec = event_body::patched(&seen, &patch)
            .map_err(Problem::invalid)?
            .map_err(|flaws| Problem::from(invalid(&flaws)))?;
        let permit = caller.permit(event.id)?;
        match app.organiser.change_seen_event(&permit, spec, seen).await {
            // Somebody was faster. Whoever names no version changes what there is now.
            Err(SaleError::Refused(Refusal::EventDiffers))
                if versions.is_none() && tries < MOST_TRIES =>
            {
                Box::pin(app.catalogue.fresh(versions::FRESH)).await;
                event = event_for(&app, &caller, &slug).await?;
            }
            changed => break changed?,
        }
    };
    Ok(put(&app, &event, StatusCode::OK, app.clock.now_ms()))
}

/// How often a change that names no version is tried again if somebody was faster.
const MOST_TRIES: u32 = 20;

/// The answer to a change of an event.
fn put(app: &App, event: &Event, status: StatusCode, now: TimeMs) -> Response {
    let tag = etag(app, event, now);
    let warnings = event_body::warnings(&event.spec, now);
    let event = view::event(event, Viewer::Organiser, now, now);
    (status, [tag], Json(PutAnswer { event, warnings })).into_response()
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
    SentByStaff(caller, Sent { headers, .. }): SentByStaff,
) -> Result<StatusCode, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit(event.id)?;
    let seen = condition(&app, &event, &headers).await?;
    app.organiser.delete_event(&permit, &slug, seen).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/events/{event}/orders`: with filters, see `asked`.
pub async fn orders(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    uri: Uri,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&app, &headers).await?;
    let event = event_for(&app, &caller, &slug).await?;
    let of = Of::These(vec![caller.permit(event.id)?]);
    let page = Page::of(&app, &uri, &query, USUAL)?;
    listed(&app, &caller, &of, asked(&query, std::slice::from_ref(&event))?, &page).await
}

/// `GET /api/v1/orders`: those of all events whose orders the caller may see.
pub async fn all_orders(
    State(app): State<Arc<Site>>,
    uri: Uri,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&app, &headers).await?;
    caller.permit_anywhere::<may::SeeOrders>()?;
    let mut events = app.catalogue.events();
    events.retain(|event| caller.has(Right::SeeOrders, Some(event.id)));
    let of = Of::all_that(&caller, &events);
    let page = Page::of(&app, &uri, &query, USUAL)?;
    listed(&app, &caller, &of, asked(&query, &events)?, &page).await
}

/// So many orders are on a page if nothing is said.
const USUAL: u32 = 100;

/// A page of orders. Its place in the list is the time up to which the list is complete, and where the page begins.
async fn listed(
    app: &App,
    caller: &Caller,
    of: &Of,
    asked: Asked,
    page: &Page<'_>,
) -> Result<Response, Problem> {
    let begins = page.begins()?;
    let begins = begins.as_deref().and_then(|place| place.split_once('.'));
    let (as_of, from) = match begins {
        None => (AsOf::Settled, None),
        Some((ms, from)) => {
            let unreadable = || Problem::invalid("after in the query is from another version.");
            let as_of = ms.parse().map(AsOf::At).map_err(|_| unreadable())?;
            (as_of, Some(from.parse().map_err(|()| unreadable())?))
        }
    };
    let at = At { from, newest_first: false, limit: page.limit as usize, as_of };
    let found = app.search.orders(of, &asked, &at).await?;
    let mut with_events = Vec::with_capacity(found.orders.len());
    for (order, changed_ms) in found.orders.into_iter().zip(found.changed_ms) {
        let event = event_of(app, &order).await?;
        with_events.push((order, changed_ms, event));
    }
    let told = with_events.iter().map(|(order, changed_ms, event)| {
        let mut told = match caller.has(Right::ChangeOrders, Some(order.event)) {
            true => view::order_for_organiser(app, order, event, here()),
            false => view::order_to_look_at(app, order, event, here()),
        };
        told.updated_at = Some(when::rfc3339(*changed_ms).into());
        told
    });
    let as_of_ms = found.as_of_ms.unwrap_or_default();
    let next = found.next.map(|next| page.cursor(&format!("{as_of_ms}.{next}")));
    let list = OrderList {
        as_of: when::rfc3339(as_of_ms).into(),
        limit: page.limit,
        next: next.as_deref().map(Into::into),
        orders: told.collect(),
    };
    Ok(page.answer(next.as_deref(), &list))
}

/// The filters of a list of orders: `q` (what somebody typed: a name, an address, a code, an id or the begin of
/// one), `email`, `state`, `ticket_type`, `code` and `changed_since`.
pub(in crate::http) fn asked(query: &Query, events: &[Arc<Event>]) -> Result<Asked, Problem> {
    let text = |name: &str| query.get(name).map(str::trim).filter(|text| !text.is_empty());
    let state = text("state").map(|word| {
        let state = OrderState::ALL.into_iter().find(|state| state.word() == word);
        let words = OrderState::ALL.map(OrderState::word).join(", ");
        state.ok_or_else(|| Problem::invalid(format!("state in the query is one of {words}.")))
    });
    let changed_since = text("changed_since").map(|time| {
        when::parse(time).map_err(|why| {
            Problem::invalid(format!("changed_since in the query is a time of RFC 3339: {why}."))
        })
    });
    if let Some(wanted) = text("ticket_type") {
        let has = |event: &Arc<Event>| event.ticket_types.iter().any(|t| t.id == wanted);
        if !events.iter().any(has) {
            return Err(Problem::invalid("ticket_type in the query is no ticket type of this."));
        }
    }
    if text("q").is_some() && text("email").is_some() {
        return Err(Problem::invalid("Ask by q or by email, not by both."));
    }
    Ok(Asked {
        text: text("q").map(Into::into),
        email: text("email").map(Into::into),
        state: state.transpose()?,
        ticket_type: text("ticket_type").map(Into::into),
        code: text("code").map(Into::into),
        changed_since: changed_since.transpose()?,
    })
}

/// `POST /api/v1/orders/{id}/refunds`
pub async fn refund(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    let id = known_order(&id)?;
    let request = keyed(&headers, &[b"refund", &id.0.to_be_bytes()], &body)?;
    let body: RefundBody = json(&headers, &body)?;
    if let Some(why) = body.reason.as_deref().and_then(reason_flaw) {
        return Err(Problem::invalid(why));
    }
    let order = order_for(&app, &caller, id).await?;
    let permit = caller.permit(order.event)?;
    let wish = match (body.all, body.lines, body.failed, body.amount) {
        (true, None, false, None) => RefundWish::All,
        (false, Some(lines), false, None) => {
            RefundWish::Lines(lines.into_iter().map(wish).collect())
        }
        (false, None, true, None) => RefundWish::Failed,
        (false, None, false, Some(sum)) if sum.currency == order.currency.code() => {
            RefundWish::Amount(sum.amount)
        }
        (false, None, false, Some(_)) => {
            return Err(Problem::invalid(format!(
                "The order was paid in {}: say the amount in its smallest unit, such as \
                 {{\"amount\":500,\"currency\":\"{}\"}} for {}. No money moved.",
                order.currency.code(),
                order.currency.code(),
                Money { minor: 500, currency: order.currency },
            )));
        }
        _ => {
            return Err(Problem::invalid(
                "Say one of \"all\": true, \"lines\": [...], \"failed\": true and \"amount\": {...}. No money moved.",
            ));
        }
    };
    // The same sum twice may well be meant. Of everything else a repetition finds nothing to give back, or fewer tickets.
    if matches!(wish, RefundWish::Amount(_)) && request.is_none() {
        return Err(Problem::invalid(
            "A refund of an amount needs an Idempotency-Key, so that it is paid once although the request may be sent \
             again. Send it with one. No money moved.",
        ));
    }
    let restock = match (body.restock, &wish) {
        (Some(restock), _) => restock,
        (None, RefundWish::Amount(_)) => false,
        (None, _) => {
            return Err(Problem::invalid(
                "Say whether the places go back on sale: \"restock\": true or false. No money moved.",
            ));
        }
    };
    let wish = (wish, restock);
    let refunded = app.organiser.refund_because(&permit, id, wish, request, body.reason).await;
    let (order, refund) = refunded.map_err(|no| for_organiser(no.into()))?;
    let made = order.refunds.iter().find(|r| r.id == refund);
    let refund = made.map(|r| view::refund(&order, r));
    let event = event_of(&app, &order).await?;
    let order = view::order_for_organiser(&app, &order, &event, here());
    Ok(Json(RefundAnswer { order, refund }).into_response())
}
