//! The audit log of an event and its orders: who did what, the newest first.

use super::order_words::Happened;
use super::orders::event_page;
use super::{OfficeFrame, Staff};
use crate::http::page::{Page, page};
use crate::http::query::Query;
use crate::http::site::Site;
use askama::Template;
use axum::extract::{Path, State};
use std::sync::Arc;
use uuid::Uuid;

/// So many lines on a page.
const PAGE: usize = 100;

#[derive(Template)]
#[template(path = "office/event_log.html")]
struct LogPage {
    office: OfficeFrame,
    event: String,
    rows: Vec<Row>,
    /// The next page.
    next: Option<String>,
}

struct Row {
    told: Happened,
    /// The page of the order.
    order: Option<String>,
}

/// `GET /office/events/{event}/log`
pub async fn show(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
    query: Query,
) -> Page {
    let (event, office) = event_page(&app, &caller, &slug, "log").await?;
    let permit = caller.permit(event.id)?;
    let before = query.get("before").and_then(|id| Uuid::try_parse(id).ok()).map(|id| id.as_u128());
    let log = app.organiser.log_of_event(&permit, before, PAGE).await?;
    let rows = log.lines.iter().map(|line| Row {
        told: Happened::logged(line, &event.spec.zone),
        order: line.order_id.map(super::order::path),
    });
    Ok(page(&LogPage {
        office,
        event: event.spec.name.clone(),
        rows: rows.collect(),
        next: log.next.map(|id| format!("?before={}", Uuid::from_u128(id))),
    }))
}
