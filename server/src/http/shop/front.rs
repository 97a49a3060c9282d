//! The front page: what is on sale.

use super::event::{Left, back_until, left_and_held, left_words};
use super::own_orders::{self, OwnOrder};
use crate::http::page::{Frame, Moment, page};
use crate::http::site::Site;
use crate::language::{Lang, Words};
use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use boxoffice::{Event, Money, Refusal, TimeMs};
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
pub async fn front(State(app): State<Arc<Site>>, lang: Lang, headers: HeaderMap) -> Response {
    let now = app.clock.now_ms();
    let events = app.catalogue.listed(now);
    let cards = events.iter().map(|event| card(lang, event, now));
    let own = events.iter().any(|e| e.spec.slug != app.config.show && e.on_sale(now));
    let show = app
        .catalogue
        .event(&app.config.show)
        .filter(|show| app.config.shows_demo_card(own) && show.spec.limit_per_buyer.is_some())
        // Of what is hidden or over no list tells, and what is not on sale has its card above.
        .filter(|show| show.is_listed(now) && show.on_sale(now));
    let show = show.map(|e| OldShow {
        name: e.spec.name.clone(),
        left: left(&e, now).0,
        price: least_price(Lang::En, &e, now),
        hold: Lang::En.duration(e.spec.hold_ms).into_owned(),
        demo: app.sandbox.is_some(),
    });
    let own_orders = own_orders::to_show(&app, &headers, lang).await;
    let frame = Frame::of(&app);
    page(&FrontPage { frame, own_orders, events: cards.collect(), show })
}

fn card(lang: Lang, event: &Event, now: TimeMs) -> Card {
    let (left, held) = left(event, now);
    let summary = match (notice(lang, event, now), left) {
        (Some(notice), _) => Left::said(&notice, "waits"),
        (None, 0) => left_words(lang, 0, held, &back_until(lang, event, now)),
        (None, left) => Left::said(&lang.tickets_left(left.into(), &lang.number(left.into())), ""),
    };
    Card {
        slug: event.spec.slug.clone(),
        name: event.spec.name.clone(),
        place: event.spec.place.clone(),
        starts: Moment::short(lang, event.spec.starts_ms, &event.spec.zone).capital(),
        price: least_price(lang, event, now),
        summary,
    }
}

/// What the cheapest ticket costs: `£9.99`, or `from £9.99` if others cost more; empty if there is none.
fn least_price(lang: Lang, event: &Event, now: TimeMs) -> String {
    let offers = event.offers(None, now);
    let prices = || offers.iter().map(|offer| offer.price().unit_minor);
    let price = |minor| lang.price(Money { minor, currency: event.spec.currency });
    let Some((least, most)) = prices().min().zip(prices().max()) else { return String::new() };
    let least_paid = prices().filter(|minor| *minor > 0).min();
    match least_paid {
        Some(paid) if least == 0 => lang.price_from_some_free(&price(paid)).into_owned(),
        _ if least == most => price(least),
        _ => lang.price_from(&price(least)).into_owned(),
    }
}

/// How many tickets can be ordered, and how many are held and not paid. Where no ticket type is sold yet, how
/// many there will be.
fn left(event: &Event, now: TimeMs) -> (u32, u32) {
    let all = event.offers(None, now);
    let sold_now: Vec<_> = all.iter().filter(|o| o.check_sale(now).is_ok()).cloned().collect();
    left_and_held(event, if sold_now.is_empty() { &all } else { &sold_now })
}

/// Why nothing can be ordered now, if so.
pub(super) fn notice(lang: Lang, event: &Event, now: TimeMs) -> Option<Words> {
    let spec = &event.spec;
    let at = |ms| Moment::short(lang, ms, &spec.zone).in_words();
    match event.check_sale(now).err()? {
        Refusal::NotYetOnSale(opens) => Some(lang.sale_opens_on(&at(opens))),
        Refusal::EventOver(_) => Some(lang.event_is_over()),
        Refusal::SalePaused => Some(lang.sale_is_paused()),
        Refusal::EventCanceled => Some(lang.event_was_canceled()),
        Refusal::SaleClosed(closed) => Some(lang.sale_closed_on(&at(closed))),
        _ => None,
    }
}
