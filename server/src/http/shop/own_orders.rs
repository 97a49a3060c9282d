//! The way back to one's own orders: a cookie that is set with the hold, and that no script can read.
//!
//! It holds the orders' own secrets. The addresses of payment pages, which others get to know, prove less:
//! who has only those makes up no cookie that opens anything. Our pages never say such a secret because of
//! the cookie: they link to the payment page's address, from which the cookie leads on.

use crate::app::App;
use crate::http::api::order_id;
use crate::http::cookies;
use crate::http::page::{Frame, Moment, escaped};
use crate::language::{Lang, Words};
use axum::http::HeaderMap;
use axum::response::Response;
use boxoffice::{
    Buyer, CodeSpec, Counter, CounterKind, Event, EventId, Line, LineWish, Order, OrderId,
    OrderState, Terms, TimeMs,
};
use std::sync::Arc;

const COOKIE: &str = "nts_orders";
/// So many orders are remembered, the latest first.
const MOST: usize = 6;
/// How long they are remembered.
const REMEMBERED_S: i64 = 30 * 24 * 3_600;

/// An order that can still be paid, or that has tickets.
pub(in crate::http) struct OwnOrder {
    pub(in crate::http) event: EventId,
    /// How many tickets of what.
    pub(in crate::http) what: String,
    /// The name of the event.
    pub(in crate::http) event_name: String,
    /// When its time is over, in words; none where it has tickets.
    pub(in crate::http) until: Option<Moment>,
    /// Its payment page, or from there to its own.
    pub(in crate::http) path: String,
}

impl OwnOrder {
    /// What the page says of it, as HTML. `named`: with the name of its event.
    pub(in crate::http) fn told(&self, frame: &Frame, named: bool) -> String {
        let lang = frame.lang;
        let what = match named {
            true => lang.what_for_event(&self.what, &self.event_name),
            false => Words::from(self.what.clone()),
        };
        match &self.until {
            Some(until) => until.within(|at| lang.own_reservation(&what, at, until.has_day())),
            None => escaped(&lang.own_tickets(&what)),
        }
    }
}

/// The orders that this browser has made lately and not lost, the latest first. None for a script.
pub(in crate::http) fn known(app: &App, headers: &HeaderMap) -> Vec<OrderId> {
    if !cookies::navigates(headers) {
        return Vec::new();
    }
    let entries = cookies::values(headers, COOKIE).flat_map(|value| value.split('.')).take(MOST);
    let shown = entries.filter_map(|entry| {
        let (id, secret) = entry.split_once(':')?;
        let id = order_id(id).ok()?;
        app.secrets.opens(id, secret).then_some(id)
    });
    shown.collect()
}

/// Those of them that can still be paid, or that have tickets of an event which is not over. Nothing is read
/// for a browser that has made none.
pub(in crate::http) async fn to_show(app: &App, headers: &HeaderMap, lang: Lang) -> Vec<OwnOrder> {
    let mut shown = Vec::new();
    for id in known(app, headers) {
        let Ok(order) = app.sales.find(id).await else { continue };
        let Ok(event) = app.sales.event_of(&order).await else { continue };
        let now = app.clock.now_ms();
        let has_tickets = matches!(order.state, OrderState::Committed | OrderState::Paid);
        let open = matches!(order.state, OrderState::Held | OrderState::Paying) && !order.over(now);
        if open || (has_tickets && !event.is_over(now)) {
            shown.push(OwnOrder {
                event: event.id,
                what: what(&order, &event),
                event_name: event.spec.name.clone(),
                until: open.then(|| Moment::end(lang, order.until_ms, now, &event.spec.zone)),
                path: if open { app.links.pay_path(id) } else { app.links.way_back(id) },
            });
        }
    }
    shown
}

/// The order among these that asked for the same and is not paid yet. Who goes back from the payment page and
/// sends the form once more wants that, and not as many tickets again.
pub(in crate::http) async fn same(
    app: &App,
    known: &[OrderId],
    event: &Event,
    buyer: &Buyer,
    lines: &[LineWish],
    terms: &Terms,
) -> Option<Arc<Order>> {
    let now = app.clock.now_ms();
    let code = terms.code.as_deref().and_then(|typed| event.code(typed, now).ok());
    for id in known {
        let Ok(order) = app.sales.find(*id).await else { continue };
        let held = order.state == OrderState::Held && !order.over(now);
        let of_it = held && order.event == event.id;
        let asks = |line: &Line| {
            let Some(t) = event.ticket_types.get(usize::from(line.ticket_type)) else {
                return false;
            };
            if t.retired {
                return false;
            }
            // A type may have been sold at several prices.
            let of_type = order.lines.iter().filter(|l| l.ticket_type == line.ticket_type);
            let quantity = of_type.map(|l| i64::from(l.quantity)).sum::<i64>();
            let same = |wish: &LineWish| wish.ticket_type == t.id && wish.quantity == quantity;
            let priced = match terms.shown.get(&t.id) {
                Some(shown) => line.unit_minor <= *shown,
                None => has_price_of_now(event, &t.id, line, code, now),
            };
            let wanted = code.filter(|code| code.covers(&t.id));
            let wanted = wanted.and_then(|code| event.counter(CounterKind::Code, &code.code));
            priced && line.extra.code == wanted && lines.iter().any(same)
        };
        let has = |wish: &LineWish| {
            let id = |line: &Line| event.ticket_types.get(usize::from(line.ticket_type));
            order.lines.iter().any(|line| id(line).is_some_and(|t| t.id == wish.ticket_type))
        };
        let by = (&order.buyer.name, &order.buyer.email) == (&buyer.name, &buyer.email);
        if of_it && by && order.lines.iter().all(asks) && lines.iter().all(has) {
            return Some(order);
        }
    }
    None
}

/// Whether a line of an order has a price that its ticket type still has for whoever has this code: that of the
/// phase in which it was sold, if it is not dearer than the prices of now, or else the ordinary one.
fn has_price_of_now(
    event: &Event,
    id: &str,
    line: &Line,
    code: Option<&CodeSpec>,
    now: TimeMs,
) -> bool {
    let Some(offer) = event.offer(id, code, now) else { return false };
    let Some(phase) = line.extra.phase else {
        return offer.prices.last().is_some_and(|ordinary| ordinary.unit_minor == line.unit_minor);
    };
    let full = line.unit_minor + line.extra.discount_minor;
    let counter = |name: &str| event.counter(CounterKind::Phase, &Counter::of_phase(id, name));
    let mut phases = offer.spec.rules.phases.iter();
    let unchanged = phases.any(|p| counter(&p.name) == Some(phase) && p.price_minor == full);
    unchanged && offer.prices.iter().any(|price| line.unit_minor <= price.unit_minor)
}

/// `2 × Adult, 1 × Child`.
pub(in crate::http) fn what(order: &Order, event: &Event) -> String {
    let lines = order.lines.iter().map(|line| {
        let name = &event.ticket_types[usize::from(line.ticket_type)].name;
        format!("{} × {name}", line.quantity)
    });
    lines.collect::<Vec<_>>().join(", ")
}

/// Remembers an order that was just made, beside those that are remembered already. Those that have ended
/// without tickets are forgotten.
pub(in crate::http) async fn remember(
    app: &App,
    headers: &HeaderMap,
    order: &Order,
    response: &mut Response,
) {
    let mut all = vec![order.id];
    for id in known(app, headers) {
        let ended = app.sales.find(id).await.is_ok_and(|order| {
            matches!(order.state, OrderState::Released | OrderState::Void | OrderState::Refunded)
        });
        if id != order.id && !ended && all.len() < MOST {
            all.push(id);
        }
    }
    let entry =
        |id: &OrderId| format!("{}:{}", uuid::Uuid::from_u128(id.0), app.secrets.order(*id));
    let value = all.iter().map(entry).collect::<Vec<_>>().join(".");
    cookies::set(app, response, (COOKIE, &value, "/"), REMEMBERED_S);
}
