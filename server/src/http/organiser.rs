//! The JSON API for organisers: events, orders, refunds. All of it behind the organiser's key.

#[cfg(test)]
mod tests;

use super::api::{LineBody, full, order_id, wait_for};
use super::problem::Problem;
use super::view::{self, MoneyView};
use super::{Sent, SentByOrganiser, is_organiser, json, keyed};
use crate::app::App;
use crate::when;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use boxoffice::{
    Command, Currency, EventSpec, PoolSpec, RefundState, RefundWish, Reply, TicketTypeSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as value};
use std::sync::Arc;

/// An event as an organiser writes it, in JSON or in TOML.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventBody {
    name: String,
    #[serde(default)]
    place: String,
    starts_at: String,
    zone: String,
    currency: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit_per_order: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit_per_buyer: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ignore_email_tags: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold_seconds: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sale_opens: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sale_closes: Option<String>,
    pools: Vec<PoolBody>,
    ticket_types: Vec<TicketTypeBody>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PoolBody {
    id: String,
    capacity: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketTypeBody {
    id: String,
    name: String,
    pool: String,
    price: MoneyView,
}

impl EventBody {
    /// As the core wants it. The error says in one sentence what is wrong.
    pub fn spec(self, slug: &str) -> Result<EventSpec, String> {
        let time = |what: &str, text: &str| when::parse(text).map_err(|e| format!("{what}: {e}"));
        let optional = |what: &str, text: &Option<String>| {
            text.as_deref().map(|text| time(what, text)).transpose()
        };
        when::check_zone(&self.zone)?;
        let currency = Currency::parse(&self.currency)
            .ok_or("currency: expected an ISO 4217 code such as GBP")?;
        let mut ticket_types = Vec::new();
        for t in self.ticket_types {
            if Currency::parse(&t.price.currency) != Some(currency) {
                return Err(format!(
                    "ticket type {}: its price must be in the event's currency",
                    t.id
                ));
            }
            let (id, name, pool, price_minor) = (t.id, t.name, t.pool, t.price.amount);
            ticket_types.push(TicketTypeSpec { id, name, pool, price_minor });
        }
        let pools = self.pools.into_iter();
        Ok(EventSpec {
            slug: slug.into(),
            starts_ms: time("starts_at", &self.starts_at)?,
            sale_opens_ms: optional("sale_opens", &self.sale_opens)?,
            sale_closes_ms: optional("sale_closes", &self.sale_closes)?,
            name: self.name,
            place: self.place,
            zone: self.zone,
            currency,
            limit_per_order: self.limit_per_order.unwrap_or(10),
            limit_per_buyer: self.limit_per_buyer,
            ignore_email_tags: self.ignore_email_tags,
            hold_ms: i64::from(self.hold_seconds.unwrap_or(300)) * 1000,
            pools: pools.map(|p| PoolSpec { name: p.id, capacity: p.capacity }).collect(),
            ticket_types,
        })
    }
}

/// `PUT /api/v1/events/{event}`
pub async fn put_event(
    State(app): State<Arc<App>>,
    Path(slug): Path<String>,
    SentByOrganiser(Sent { headers, body }): SentByOrganiser,
) -> Result<Response, Problem> {
    let spec = json::<EventBody>(&headers, &body)?.spec(&slug).map_err(Problem::invalid)?;
    let now = app.clock.now_ms();
    let command = Command::PutEvent { id: app.ids.event(now), spec };
    let replied = app.ask_as(app.organiser(), command, None).await?;
    let created = matches!(replied.reply, Reply::Event { created: true, .. });
    let event = app.event_named(&slug).await.ok_or_else(Problem::unknown_event)?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view::event(&event, now, now))).into_response())
}

/// The query of a list.
#[derive(Deserialize)]
pub struct Cursor {
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/events/{event}/orders?after=&limit=`
pub async fn orders(
    State(app): State<Arc<App>>,
    Path(slug): Path<String>,
    cursor: Result<Query<Cursor>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    if !is_organiser(&app, &headers) {
        return Err(Problem::not_organiser());
    }
    let event = app.event_named(&slug).await.ok_or_else(Problem::unknown_event)?;
    let Query(cursor) =
        cursor.map_err(|_| Problem::invalid("The query is after=<order id>&limit=<1 to 500>."))?;
    let after = cursor.after.as_deref().map(order_id).transpose()?;
    let limit = cursor.limit.unwrap_or(100).clamp(1, 500);
    let id = event.id;
    let page = app.reads.ask(move |r| r.orders(id, after, limit)).await?;
    let orders: Vec<Value> = page.orders.iter().map(|o| view::order(&app, o, &event)).collect();
    let next = page.next.map(|id| uuid::Uuid::from_u128(id.0).to_string());
    Ok(Json(value!({"orders": orders, "next": next})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefundBody {
    #[serde(default)]
    all: bool,
    lines: Option<Vec<LineBody>>,
    #[serde(default)]
    failed: bool,
    restock: bool,
}

/// `POST /api/v1/orders/{id}/refunds`
pub async fn refund(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    SentByOrganiser(Sent { headers, body }): SentByOrganiser,
) -> Result<Json<Value>, Problem> {
    let id = order_id(&id)?;
    let request = keyed(&headers, &[b"refund", &id.0.to_be_bytes()], &body)?;
    let body: RefundBody = json(&headers, &body)?;
    let wish = match (body.all, body.lines, body.failed) {
        (true, None, false) => RefundWish::All,
        (false, Some(lines), false) => {
            RefundWish::Lines(lines.into_iter().map(LineBody::wish).collect())
        }
        (false, None, true) => RefundWish::Failed,
        _ => {
            return Err(Problem::invalid(
                "Say one of \"all\": true, \"lines\": [...] and \"failed\": true.",
            ));
        }
    };
    let refund = app.ids.refund(app.clock.now_ms());
    let watch = app.watchers.watch(id);
    let command = Command::Refund { order: id, refund, wish, restock: body.restock };
    let Reply::Refunding { refund, .. } =
        app.ask_as(app.organiser(), command, request).await?.reply
    else {
        return Err(crate::writer::NoReply::KeyReused.into());
    };
    let done = |o: &boxoffice::Order| {
        !o.refunds.iter().any(|r| r.id == refund && r.state == RefundState::Pending)
    };
    let order = wait_for(&app, id, &watch, done).await?;
    let made = order.refunds.iter().find(|r| r.id == refund);
    let made = made.map(|r| view::refund(&order, r));
    Ok(Json(value!({"refund": made, "order": full(&app, &order).await?})))
}
