//! The front page: what is on sale.

use super::event::{Left, back_until, left_words, pools_on_offer};
use super::own_orders::{self, OwnOrder};
use crate::http::amount::{self, grouped};
use crate::http::page::{Frame, Moment, page};
use crate::http::site::Site;
use crate::when;
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use boxoffice::{Event, Money, Pool, Refusal, TimeMs};
use std::sync::Arc;

struct Card {
    slug: String,
    name: String,
    place: String,
    starts: Moment,
    /// The least price, in words.
    price: String,
    summary: Left,
}

/// The show of the old routes.
struct OldShow {
    name: String,
    left: u32,
    price: String,
    hold: String,
    demo: bool,
}

#[derive(Template)]
#[template(path = "front.html")]
struct FrontPage {
    frame: Frame,
    own_orders: Vec<OwnOrder>,
    events: Vec<Card>,
    show: Option<OldShow>,
}

/// `GET /`
pub async fn front(State(app): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let now = app.clock.now_ms();
    let events = app.catalogue.listed(now);
    let cards = events.iter().map(|event| card(event, now));
    let own = events.iter().any(|e| e.spec.slug != app.config.show && e.on_sale(now));
    let show = app
        .catalogue
        .event(&app.config.show)
        .filter(|show| app.config.shows_demo_card(own) && show.spec.limit_per_buyer.is_some())
        // Of what is hidden or over no list tells, and what is not on sale has its card above.
        .filter(|show| show.is_listed(now) && show.on_sale(now));
    let show = show.map(|e| OldShow {
        name: e.spec.name.clone(),
        left: left(&e),
        price: least_price(&e),
        hold: minutes(e.spec.hold_ms),
        demo: app.sandbox.is_some(),
    });
    let own_orders = own_orders::to_show(&app, &headers).await;
    let frame = Frame::of(&app);
    let mut response = page(&FrontPage { frame, own_orders, events: cards.collect(), show });
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("cookie"));
    response
}

fn card(event: &Event, now: TimeMs) -> Card {
    let words = |text| Left { text, until: None, class: "" };
    let summary = match (notice(event, now), left(event), held(event)) {
        (Some(notice), ..) => Left { class: "waits", ..words(notice) },
        (None, 0, held) => left_words(0, held, &back_until(event, now)),
        (None, 1, _) => words("1 ticket left".into()),
        (None, n, _) => words(format!("{} tickets left", grouped(n.into()))),
    };
    Card {
        slug: event.spec.slug.clone(),
        name: event.spec.name.clone(),
        place: event.spec.place.clone(),
        starts: Moment::short(event.spec.starts_ms, &event.spec.zone),
        price: least_price(event),
        summary,
    }
}

/// What the cheapest ticket costs: `£9.99`, or `from £9.99` if others cost more; empty if there is none.
fn least_price(event: &Event) -> String {
    let prices = || event.ticket_types.iter().filter(|t| !t.retired).map(|t| t.price_minor);
    let price = |minor| amount::price(Money { minor, currency: event.spec.currency });
    let Some((least, most)) = prices().min().zip(prices().max()) else { return String::new() };
    let least_paid = prices().filter(|minor| *minor > 0).min();
    match least_paid {
        Some(paid) if least == 0 => format!("from {}, some free", price(paid)),
        _ if least == most => price(least),
        _ => format!("from {}", price(least)),
    }
}

/// How many tickets can be ordered.
fn left(event: &Event) -> u32 {
    pools_on_offer(event).iter().map(|(_, pool)| Pool::left(pool)).sum()
}

/// How many are held and not paid: these may come back.
fn held(event: &Event) -> u32 {
    pools_on_offer(event).iter().map(|(_, pool)| pool.held).sum()
}

/// How long a hold lives, in words.
pub fn minutes(ms: i64) -> String {
    match (ms / 60_000, ms % 60_000 / 1000) {
        (1, 0) => "1 minute".into(),
        (m, 0) => format!("{m} minutes"),
        (0, s) => format!("{s} seconds"),
        (m, s) => format!("{m} min {s} s"),
    }
}

/// Why nothing can be ordered now, if so.
pub(super) fn notice(event: &Event, now: TimeMs) -> Option<String> {
    let spec = &event.spec;
    let told = |what: &str, ms| {
        let (at, place) = (when::short(ms, &spec.zone), when::place_of_zone(ms, &spec.zone));
        format!("{what} on {at} {place}.")
    };
    match event.check_sale(now).err()? {
        Refusal::NotYetOnSale(opens) => Some(told("The sale opens", opens)),
        Refusal::EventOver(_) => Some("This event is over.".into()),
        Refusal::SaleClosed(closed) => Some(told("The sale closed", closed)),
        _ => None,
    }
}
