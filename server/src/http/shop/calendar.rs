//! The event of an order, or of a ticket, as a calendar file.

use super::order::opened;
use super::own_orders::what;
use crate::calendar;
use crate::http::page::{Moment, Page};
use crate::http::site::Site;
use crate::ids::digest;
use crate::language::Lang;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use boxoffice::{Event, Order, OrderState};
use std::sync::Arc;

/// `GET /orders/{id}/{secret}/event.ics`
pub async fn calendar(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
    lang: Lang,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let order = app.sales.find(id).await?;
    let event = app.sales.event_of(&order).await?;
    let told = format!(
        "{}\n{}\n{}",
        what(&order, &event),
        Moment::of(lang, &event.spec).in_words(),
        lang.tickets_on_order_page()
    );
    Ok(sent(&app, lang, (order.id.0, order.state), &event, &told))
}

/// The event of one ticket as a calendar file. It tells nothing of the order, and not where the ticket is.
pub(in crate::http) fn of_ticket(
    app: &Site,
    lang: Lang,
    order: &Order,
    event: &Event,
    number: u16,
) -> Response {
    let (id, number) = (order.id.0.to_be_bytes(), number.to_be_bytes());
    let uid = digest(&[b"calendar of a ticket", &id, &number]);
    let told = Moment::of(lang, &event.spec).in_words();
    sent(app, lang, (uid, OrderState::Paid), event, &told)
}

fn sent(app: &Site, lang: Lang, whose: (u128, OrderState), event: &Event, told: &str) -> Response {
    let now = app.clock.now_ms();
    let sequence = app.composer.sequences.of(event, now);
    let url = format!("{}/events/{}", app.links.base(), event.spec.slug);
    let file = calendar::file(lang, whose, event, told, &url, (sequence, now));
    let disposition = format!("attachment; filename=\"{}.ics\"", event.spec.slug);
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, file).into_response()
}
