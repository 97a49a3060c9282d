//! The page of an event, and holding tickets there.

use super::front::{left_text, minutes, notice};
use crate::admission::Shed;
use crate::admission::client::Client;
use crate::app::App;
use crate::http::extract::{Form, Sent, admit};
use crate::http::idempotency::key_of;
use crate::http::page::{Frame, Page, PageProblem};
use crate::http::problem::Problem;
use crate::http::shown::SplicedPage;
use crate::http::site::Site;
use crate::identity::{buyer, untagged_key};
use crate::when;
use crate::writer::{CommandError, CommandOutcome};
use askama::Template;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use boxoffice::{Command, Event, LineWish, Money, Reply, TimeMs};
use std::convert::Infallible;
use std::sync::Arc;
use uuid::Uuid;
use uuid::fmt::Simple;

struct TypeRow {
    id: String,
    name: String,
    price: String,
    left_text: String,
    suggested: u32,
}

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    frame: Frame,
    slug: String,
    name: String,
    place: String,
    starts: String,
    notice: Option<String>,
    open: bool,
    types: Vec<TypeRow>,
    limit: u32,
    hold: String,
    as_of: String,
    key: String,
}

/// `GET /events/{event}`
pub async fn event(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    TakesGzip(packed): TakesGzip,
) -> Page {
    if let Err(Shed { again_s }) = app.admission.check_read() {
        return Ok(PageProblem(Problem::crowded(again_s)).page(Some(again_s)));
    }
    let now = app.clock.now_ms();
    let as_of = app.catalogue.as_of(now);
    let event = app.sales.event_named(&slug).await?;
    let page = app.shown.page.of(&event, now, as_of, || {
        let page = event_page(&app, &event, now, as_of);
        let html = page.render().map_err(|error| tracing::error!(%error, "a template failed"));
        // Each visitor gets a key of their own in its place.
        html.ok().and_then(|html| SplicedPage::at(&html, &page.key))
    });
    let mut key = [0; Simple::LENGTH];
    let key = Uuid::from_u128(app.ids.random()).simple().encode_lower(&mut key);
    Ok(match &*page {
        Some(page) => gapped(page, key.as_bytes(), packed),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    })
}

/// A page of which only a gap is the visitor's own.
fn gapped(page: &SplicedPage, gap: &[u8], packed: bool) -> Response {
    let body = if packed { page.gzip(gap) } else { page.plain(gap) };
    let mut response = Html(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether who asks takes gzip (RFC 9110, section 12.5.3).
pub struct TakesGzip(bool);

impl FromRequestParts<Arc<Site>> for TakesGzip {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Site>) -> Result<TakesGzip, Infallible> {
        Ok(TakesGzip(takes_gzip(&parts.headers)))
    }
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::ACCEPT_ENCODING).iter();
    offered.flat_map(|v| v.as_bytes().split(|b| *b == b',')).any(|one| {
        let mut parts = one.splitn(2, |b| *b == b';').map(<[u8]>::trim_ascii);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"gzip"))
            && parts.next().is_none_or(|weight| {
                let weight = weight.strip_prefix(b"q=").and_then(|q| str::from_utf8(q).ok());
                weight.and_then(|q| q.parse().ok()) != Some(0.0)
            })
    })
}

fn event_page(app: &App, event: &Event, now: TimeMs, as_of: TimeMs) -> EventPage {
    let spec = &event.spec;
    let offered: Vec<_> = event.ticket_types.iter().filter(|t| !t.retired).collect();
    let alone = offered.len() == 1;
    let types = offered.iter().map(|t| TypeRow {
        id: t.id.clone(),
        name: t.name.clone(),
        price: price(Money { minor: t.price_minor, currency: spec.currency }),
        left_text: left_text(&event.pools[usize::from(t.pool)]),
        suggested: u32::from(alone),
    });
    EventPage {
        frame: Frame::of(app),
        slug: spec.slug.clone(),
        name: spec.name.clone(),
        place: spec.place.clone(),
        starts: when::long(spec.starts_ms, &spec.zone),
        notice: notice(event, now),
        open: event.on_sale(now),
        types: types.collect(),
        limit: spec.limit_per_order.min(spec.limit_per_buyer.unwrap_or(u32::MAX)),
        hold: minutes(spec.hold_ms),
        as_of: when::clock(as_of, &spec.zone),
        key: format!("{:032x}", app.ids.random()),
    }
}

/// An amount in words; nothing costs nothing.
pub fn price(money: Money) -> String {
    if money.minor == 0 { "free".into() } else { money.to_string() }
}

/// `POST /events/{event}/orders`: the form of the event page.
pub async fn hold(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    client: Client,
    sent: Result<Sent, Problem>,
) -> Page {
    admit(&app)?;
    let Sent { headers, body } = sent?;
    let event = app.sales.event_named(&slug).await?;
    let form = Form::read(&headers, &body)?;
    let mut lines = Vec::new();
    for (ticket_type, quantity) in form.with_prefix("quantity:") {
        let quantity: i64 = match quantity {
            "" => 0,
            text => text.parse().map_err(|_| Problem::invalid("A quantity is a number."))?,
        };
        if quantity != 0 {
            lines.push(LineWish { ticket_type: ticket_type.into(), quantity });
        }
    }
    if lines.is_empty() {
        return Err(Problem::invalid("Choose how many tickets you want.").into());
    }
    if form.get("email").is_empty() {
        return Err(Problem::invalid("The e-mail address is missing.").into());
    }
    let buyer = buyer(form.get("name"), form.get("email"));
    // The page's key makes a double click one order; changing the form makes it another request.
    let request = match form.get("key") {
        "" => None,
        key if key.len() > 64 => return Err(Problem::invalid("The form's key is too long.").into()),
        key => Some(key_of(&[b"form", slug.as_bytes(), &body], key.as_bytes(), &body)),
    };
    let order = app.ids.order(app.clock.now_ms());
    let untagged = untagged_key(&buyer.email);
    let command = Command::Hold { order, event: event.id, buyer, untagged, lines, most_ms: None };
    let CommandOutcome { reply, .. } = app.sales.hold(client, &event, command, request).await?;
    let Reply::Held { order, .. } = reply else {
        return Err(Problem::from(CommandError::KeyReused).into());
    };
    Ok(Redirect::to(&app.links.order_path(order)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let takes = |lists: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for list in lists {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(list));
            }
            takes_gzip(&headers)
        };
        for yes in ["gzip", "br, GZip", "gzip;q=0.5,*", "deflate , gzip ; q=1", "gzip;q=much"] {
            assert!(takes(&[yes]), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "gzip ; q=0.0", "gzipped", "x-gzip"] {
            assert!(!takes(&[no]), "{no}");
        }
        assert!(takes(&["br", "gzip"]), "two headers are one list");
        assert!(!takes(&[]));
    }
}
