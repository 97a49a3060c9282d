//! The way back to one's own open orders: a cookie that is set with the hold and lives about as long.
//!
//! It holds the secrets that pay the orders and open nothing else: a script in a payment page, which
//! may load our pages as well, learns of another order no more than it knows of its own.

use crate::app::App;
use crate::http::api::order_id;
use crate::http::cookies;
use axum::http::HeaderMap;
use axum::response::Response;
use boxoffice::{Buyer, Event, EventId, Line, LineWish, Order, OrderId, OrderState};
use std::sync::Arc;

const COOKIE: &str = "nts_open";
/// So many orders are remembered, the latest first.
const MOST: usize = 4;
/// How much longer than the hold: a payment that was begun may take longer.
const LONGER_S: i64 = 600;

/// An order that can still be paid.
pub(in crate::http) struct OpenOrder {
    pub(in crate::http) event: EventId,
    /// How many tickets of what.
    pub(in crate::http) what: String,
    /// When its time is over, in words.
    pub(in crate::http) until: String,
    /// Its payment page.
    pub(in crate::http) path: String,
}

/// The orders that this browser has made lately and not lost, the latest first.
pub(in crate::http) fn known(app: &App, headers: &HeaderMap) -> Vec<OrderId> {
    let entries = cookies::values(headers, COOKIE).flat_map(|value| value.split('.')).take(MOST);
    let shown = entries.filter_map(|entry| {
        let (id, secret) = entry.split_once(':')?;
        let id = order_id(id).ok()?;
        app.secrets.pays(id, secret).then_some(id)
    });
    shown.collect()
}

/// Those of them that can still be paid. Nothing is read for a browser that has made none.
pub(in crate::http) async fn open(app: &App, headers: &HeaderMap) -> Vec<OpenOrder> {
    let mut open = Vec::new();
    if !cookies::navigates(headers) {
        return open;
    }
    for id in known(app, headers) {
        let Ok(order) = app.sales.find(id).await else { continue };
        let Ok(event) = app.sales.event_of(&order).await else { continue };
        let now = app.clock.now_ms();
        if matches!(order.state, OrderState::Held | OrderState::Paying) && !order.over(now) {
            open.push(OpenOrder {
                event: event.id,
                what: what(&order, &event),
                until: crate::when::end(order.until_ms, now, &event.spec.zone),
                path: app.links.pay_path(id),
            });
        }
    }
    open
}

/// The order among these that asked for the same and is not paid yet. Who goes back from the payment page and
/// sends the form once more wants that, and not as many tickets again.
pub(in crate::http) async fn same(
    app: &App,
    known: &[OrderId],
    event: &Event,
    buyer: &Buyer,
    lines: &[LineWish],
) -> Option<Arc<Order>> {
    for id in known {
        let Ok(order) = app.sales.find(*id).await else { continue };
        let held = order.state == OrderState::Held && !order.over(app.clock.now_ms());
        let of_it = held && order.event == event.id && order.lines.len() == lines.len();
        let asks = |line: &Line| {
            let Some(t) = event.ticket_types.get(usize::from(line.ticket_type)) else {
                return false;
            };
            let same = |wish: &LineWish| {
                wish.ticket_type == t.id && wish.quantity == i64::from(line.quantity)
            };
            line.unit_minor == t.price_minor && lines.iter().any(same)
        };
        let by = (&order.buyer.name, &order.buyer.email) == (&buyer.name, &buyer.email);
        if of_it && by && order.lines.iter().all(asks) {
            return Some(order);
        }
    }
    None
}

/// `2 × Adult, 1 × Child`.
pub(in crate::http) fn what(order: &Order, event: &Event) -> String {
    let lines = order.lines.iter().map(|line| {
        let name = &event.ticket_types[usize::from(line.ticket_type)].name;
        format!("{} × {name}", line.quantity)
    });
    lines.collect::<Vec<_>>().join(", ")
}

/// Remembers an order that was just made, beside those that are remembered already.
pub(in crate::http) fn remember(
    app: &App,
    headers: &HeaderMap,
    order: &Order,
    response: &mut Response,
) {
    let before = known(app, headers).into_iter().filter(|id| *id != order.id);
    let all = std::iter::once(order.id).chain(before).take(MOST);
    let entries = all.map(|id| format!("{}:{}", uuid::Uuid::from_u128(id.0), app.secrets.pay(id)));
    let value = entries.collect::<Vec<_>>().join(".");
    let left_s = (order.until_ms - app.clock.now_ms()).max(0) / 1_000;
    cookies::set(app, response, (COOKIE, &value, "/"), left_s + LONGER_S);
}
