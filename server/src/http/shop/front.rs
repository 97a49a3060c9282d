//! The front page: what is on sale.

use crate::http::page::{Frame, page};
use crate::http::site::Site;
use crate::when;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use boxoffice::{Event, Refusal, TimeMs};
use std::sync::Arc;

struct Card {
    slug: String,
    name: String,
    place: String,
    starts: String,
    summary: String,
}

struct OldShow {
    name: String,
    left: u32,
    hold: String,
    demo: bool,
}

#[derive(Template)]
#[template(path = "front.html")]
struct FrontPage {
    frame: Frame,
    events: Vec<Card>,
    show: Option<OldShow>,
    as_of: String,
}

/// `GET /`
pub async fn front(State(app): State<Arc<Site>>) -> Response {
    let now = app.clock.now_ms();
    let as_of = app.catalogue.as_of(now);
    let events = app.catalogue.listed(now);
    let cards = events.iter().map(|e| Card {
        slug: e.spec.slug.clone(),
        name: e.spec.name.clone(),
        place: e.spec.place.clone(),
        starts: when::long(e.spec.starts_ms, &e.spec.zone),
        summary: notice(e, now).unwrap_or_else(|| match left(e) {
            0 if held(e) > 0 => "No place left right now, but some are not paid yet".into(),
            0 => "Sold out".into(),
            n => format!("{n} places left"),
        }),
    });
    let show = app.catalogue.event(&app.config.show);
    let show = show.filter(|e| e.spec.limit_per_buyer == Some(1)).map(|e| OldShow {
        name: e.spec.name.clone(),
        left: left(&e),
        hold: minutes(e.spec.hold_ms),
        demo: app.sandbox.is_some(),
    });
    let frame = Frame::of(&app);
    page(&FrontPage { frame, events: cards.collect(), show, as_of: when::clock(as_of, "UTC") })
}

pub(super) fn left(event: &Event) -> u32 {
    event.pools.iter().map(boxoffice::Pool::left).sum()
}

/// How many places are held and not paid: these may come back.
pub(super) fn held(event: &Event) -> u32 {
    event.pools.iter().map(|pool| pool.held).sum()
}

/// What is left of a pool, in words.
pub(super) fn left_text(pool: &boxoffice::Pool) -> String {
    match (pool.left(), pool.held) {
        (0, 0) => "sold out".into(),
        (0, held) => format!("none left right now, {held} not paid yet"),
        (left, _) => format!("{left} left"),
    }
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
    let told = |what: &str, at| format!("{what} on {}.", when::long(at, &event.spec.zone));
    match event.check_sale(now).err()? {
        Refusal::NotYetOnSale(opens) => Some(told("The sale opens", opens)),
        Refusal::EventOver(ended) => Some(told("This event is over. It ended", ended)),
        Refusal::SaleClosed(closed) => Some(told("The sale closed", closed)),
        _ => None,
    }
}
