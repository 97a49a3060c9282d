//! The event of an order as a calendar file.

use super::order::opened;
use super::own_orders::what;
use crate::calendar;
use crate::http::page::{Moment, Page};
use crate::http::site::Site;
use crate::ids::digest;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use boxoffice::{Event, Order};
use std::sync::Arc;

/// `GET /orders/{id}/{secret}/event.ics`
pub async fn calendar(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let order = app.sales.find(id).await?;
    let event = app.sales.event_of(&order).await?;
    let now = app.clock.now_ms();
    let sequence = app.composer.sequences.of(&event, now);
    let url = format!("{}/events/{}", app.links.base(), event.spec.slug);
    let told = format!(
        "{}\n{}\nYour tickets are on the page of your order.",
        what(&order, &event),
        Moment::of(&event.spec).in_words()
    );
    let file = calendar::file(&order, &event, &told, (&url, sequence), now);
    Ok(sent(&event, file))
}

fn sent(event: &Event, file: String) -> Response {
    let disposition = format!("attachment; filename=\"{}.ics\"", event.spec.slug);
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, file).into_response()
}

/// The event of one ticket as a calendar file. It tells nothing of the order, and not where the ticket is.
pub(in crate::http) fn of_ticket(
    app: &Site,
    order: &Order,
    event: &Event,
    number: u16,
) -> Response {
    let now = app.clock.now_ms();
    let sequence = app.composer.sequences.of(event, now);
    let url = format!("{}/events/{}", app.links.base(), event.spec.slug);
    let (id, number) = (order.id.0.to_be_bytes(), number.to_be_bytes());
    let uid = digest(&[b"calendar of a ticket", &id, &number]);
    let told = Moment::of(&event.spec).in_words();
    let file = calendar::file_of(uid, "CONFIRMED", &told, event, (&url, sequence), now);
    sent(event, file)
}
