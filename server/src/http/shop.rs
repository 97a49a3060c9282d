//! The shop: pages that work without JavaScript and tell the truth of their state.

use super::api::order_id;
use super::problem::Problem;
use super::shown::Gapped;
use super::site::Site;
use super::view::Action;
use super::{Form, Sent, admit, for_programs, key_of, pay, view};
use crate::admission::Shed;
use crate::admission::client::Client;
use crate::app::App;
use crate::identity::{buyer, untagged_key};
use crate::when;
use crate::writer::{NoReply, Replied};
use askama::Template;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use boxoffice::{
    AttemptState, Command, Event, LineWish, Money, Order, OrderId, OrderState, Refusal, Reply,
    TicketState, TimeMs,
};
use nts_api::ProblemCode;
use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use uuid::Uuid;
use uuid::fmt::Simple;

/// What the frame around every page must know.
pub struct Frame {
    /// Says that no real money moves, if so.
    pub rehearsal: Option<&'static str>,
}

impl Frame {
    /// The frame of this server's pages.
    pub fn of(app: &App) -> Frame {
        let rehearsal = match (&app.sandbox, app.sales.is_live()) {
            (Some(_), _) => Some("Sandbox: a rehearsal, no money moves."),
            (None, false) => Some("Stripe in test mode: no real money moves."),
            (None, true) => None,
        };
        Frame { rehearsal }
    }
}

/// A page from a template.
pub fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a template failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A problem told as a page.
pub struct PageProblem(pub Problem);

impl<P: Into<Problem>> From<P> for PageProblem {
    fn from(problem: P) -> PageProblem {
        PageProblem(problem.into())
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    title: &'a str,
    detail: &'a str,
    money: &'a str,
    back: Option<&'a str>,
    /// In how many seconds the page asks again by itself.
    refresh: Option<u32>,
}

impl IntoResponse for PageProblem {
    fn into_response(self) -> Response {
        self.page(None)
    }
}

impl PageProblem {
    fn page(self, refresh: Option<u32>) -> Response {
        let PageProblem(problem) = self;
        let money = problem.money_words();
        let (title, detail) = (&problem.title, &problem.detail);
        let html = page(&ProblemPage {
            frame: Frame { rehearsal: None },
            title,
            detail,
            money,
            back: None,
            refresh,
        });
        // The status and the headers are those that a program gets.
        let (mut parts, _) = problem.into_response().into_parts();
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::WWW_AUTHENTICATE);
        let (html_parts, body) = html.into_parts();
        parts.headers.extend(html_parts.headers);
        Response::from_parts(parts, body)
    }
}

/// A problem as JSON or as a page, whichever fits who asks.
pub fn problem_for(path: &str, headers: &HeaderMap, problem: Problem) -> Response {
    if for_programs(path, headers) {
        problem.into_response()
    } else {
        PageProblem(problem).into_response()
    }
}

/// A page, or a problem told as one.
pub(super) type Page = Result<Response, PageProblem>;

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
    let events = app.catalogue.events();
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

fn left(event: &Event) -> u32 {
    event.pools.iter().map(boxoffice::Pool::left).sum()
}

/// How many places are held and not paid: these may come back.
fn held(event: &Event) -> u32 {
    event.pools.iter().map(|pool| pool.held).sum()
}

/// What is left of a pool, in words.
fn left_text(pool: &boxoffice::Pool) -> String {
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
fn notice(event: &Event, now: TimeMs) -> Option<String> {
    let spec = &event.spec;
    match (spec.sale_opens_ms, spec.sale_closes_ms) {
        (Some(opens), _) if now < opens => {
            Some(format!("The sale opens on {}.", when::long(opens, &spec.zone)))
        }
        (_, Some(closed)) if now >= closed => {
            Some(format!("The sale closed on {}.", when::long(closed, &spec.zone)))
        }
        _ => None,
    }
}

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
    let event = app.sales.event_named(&slug).await.ok_or_else(Problem::unknown_event)?;
    let page = app.shown.page.of(&event, now, as_of, || {
        let page = event_page(&app, &event, now, as_of);
        let html = page.render().map_err(|error| tracing::error!(%error, "a template failed"));
        // Each visitor gets a key of their own in its place.
        html.ok().and_then(|html| Gapped::at(&html, &page.key))
    });
    let mut key = [0; Simple::LENGTH];
    let key = Uuid::from_u128(app.ids.random()).simple().encode_lower(&mut key);
    Ok(match &*page {
        Some(page) => gapped(page, key.as_bytes(), packed),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    })
}

/// A page of which only a gap is the visitor's own.
fn gapped(page: &Gapped, gap: &[u8], packed: bool) -> Response {
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
        open: view::on_sale(event, now),
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
    let event = app.sales.event_named(&slug).await.ok_or_else(Problem::unknown_event)?;
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
    let Replied { reply, .. } = app.sales.hold(client, &event, command, request).await?;
    let Reply::Held { order, .. } = reply else {
        return Err(Problem::from(NoReply::KeyReused).into());
    };
    Ok(Redirect::to(&app.links.order_path(order)).into_response())
}

/// The id of the order in the address, if the secret beside it is its own.
pub(super) fn opened(app: &App, id: &str, secret: &str) -> Result<OrderId, Problem> {
    let id = order_id(id)?;
    if app.secrets.opens(id, secret) { Ok(id) } else { Err(Problem::unknown_order()) }
}

/// The end of a hold.
pub(super) struct Until {
    label: &'static str,
    pub(super) rfc: String,
    pub(super) clock: String,
    pub(super) now: String,
}

struct TicketRow {
    name: String,
    code: String,
    valid: bool,
    qr: String,
}

struct LineRow {
    name: String,
    quantity: u32,
    refunded: u32,
    price: String,
}

#[derive(Template)]
#[template(path = "order.html")]
pub(super) struct OrderPage {
    frame: Frame,
    pub(super) path: String,
    pub(super) headline: &'static str,
    message: Cow<'static, str>,
    state: &'static str,
    pub(super) declined: Option<String>,
    pub(super) refresh: Option<u64>,
    pub(super) until: Option<Until>,
    pub(super) event_name: String,
    event_starts: String,
    place: String,
    slug: String,
    guest: String,
    tickets: Vec<TicketRow>,
    lines: Vec<LineRow>,
    pub(super) total: String,
    refunded: Option<String>,
    pub(super) action: Option<String>,
    pub(super) can_pay: bool,
    pub(super) free: bool,
    can_cancel: bool,
    over: bool,
    as_of: String,
}

/// `GET /orders/{id}/{secret}`
pub async fn order(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    let mut order = app.sales.find(id).await?;
    if a_bank_may_have_paid(&order) {
        // The browser may just be back from the bank: read what it says, now.
        app.sales.refresh(&order).await;
        order = app.sales.find(id).await?;
    }
    let event = app.sales.event_of(&order).await.ok_or_else(Problem::unknown_event)?;
    let shown = order_page(&app, &order, &event);
    let leads_to_the_bank = shown.action.is_some();
    let response = page(&shown);
    Ok(if leads_to_the_bank { pay::remember(&app, id, response) } else { response })
}

/// Whether what a bank shows the buyer may have decided the payment since it was last read: its page, or
/// that of a card which another one has replaced, whatever became of that.
pub(super) fn a_bank_may_have_paid(order: &Order) -> bool {
    let replaces = order.payment.as_ref().is_some_and(boxoffice::Payment::replaces);
    view::bank_asks(order) || (order.state == OrderState::Paying && replaces)
}

pub(super) fn last_attempt(order: &Order) -> Option<&AttemptState> {
    order.payment.as_ref()?.attempts.last().map(|a| &a.state)
}

pub(super) fn order_page(app: &App, order: &Order, event: &Event) -> OrderPage {
    let now = app.clock.now_ms();
    let attempt = last_attempt(order);
    let undecided = matches!(attempt, Some(AttemptState::Pending | AttemptState::Action));
    let bank_asks = view::bank_asks(order);
    // A card network that has it cannot be asked to give it back; a bank's page can be left.
    let may_try = !undecided || bank_asks;
    let may_try = may_try && order.payment.as_ref().is_none_or(|p| p.has_attempts_left());
    let paying = order.state == OrderState::Paying;
    let money = |minor| Money { minor, currency: order.currency }.to_string();
    let tickets = order.tickets.iter().map(|t| {
        let line = &order.lines[usize::from(t.line)];
        let code = app.secrets.ticket(order.event, order.id, t);
        TicketRow {
            name: event.ticket_types[usize::from(line.ticket_type)].name.clone(),
            qr: qr(&code),
            code,
            valid: t.state == TicketState::Valid,
        }
    });
    let lines = order.lines.iter().map(|l| LineRow {
        name: event.ticket_types[usize::from(l.ticket_type)].name.clone(),
        quantity: l.quantity,
        refunded: l.refunded,
        price: money(l.price_minor()),
    });
    let declined = match attempt {
        Some(AttemptState::Declined(reason)) if paying && !order.over(now) => {
            Some(format!("{reason} {}", view::after_decline(order)))
        }
        _ => None,
    };
    OrderPage {
        frame: Frame::of(app),
        path: app.links.order_path(order.id),
        headline: headline(order),
        message: view::message(app, order),
        state: order.state.word(),
        refresh: view::news_in_s(app, order).map(|seconds| seconds.max(2)),
        until: until(order, event, now),
        event_name: event.spec.name.clone(),
        event_starts: when::long(event.spec.starts_ms, &event.spec.zone),
        place: event.spec.place.clone(),
        slug: event.spec.slug.clone(),
        guest: order.buyer.name.clone(),
        tickets: tickets.collect(),
        lines: lines.collect(),
        total: money(order.total().minor),
        refunded: (order.refunded().minor > 0).then(|| money(order.refunded().minor)),
        action: view::action(order).map(|action| match action {
            Action::Redirect(url) => url.to_owned(),
            Action::Secret(_) => format!("{}/pay", app.links.order_path(order.id)),
        }),
        can_pay: (order.state == OrderState::Held || (paying && may_try)) && !order.over(now),
        free: order.total().minor == 0,
        can_cancel: matches!(order.state, OrderState::Held | OrderState::Paying),
        over: matches!(order.state, OrderState::Released | OrderState::Void | OrderState::Refunded),
        as_of: when::clock(now, &event.spec.zone),
        declined,
    }
}

fn headline(order: &Order) -> &'static str {
    match (order.state, last_attempt(order)) {
        (OrderState::Held, _) => "Held for you",
        (OrderState::Paying, Some(AttemptState::Declined(_))) => {
            let again = order.payment.as_ref().is_some_and(|p| p.has_attempts_left());
            if again { "Declined: try again" } else { "Declined" }
        }
        (OrderState::Paying, _) if view::bank_asks(order) => "Your bank asks you something",
        (OrderState::Paying, _) => "Paying",
        (OrderState::Canceling, _) => "Being cancelled",
        (OrderState::Committed, _) => "Confirming",
        (OrderState::Paid, _) => "Yours",
        (OrderState::Refunding, _) => "Being refunded",
        (OrderState::Refunded, _) => "Refunded",
        (OrderState::Released | OrderState::Void, _) => "Released",
    }
}

fn until(order: &Order, event: &Event, now: TimeMs) -> Option<Until> {
    let label = match (order.state, last_attempt(order)) {
        (OrderState::Held, _) => "Held for you until",
        (OrderState::Paying, Some(AttemptState::Declined(_))) => "Kept for you until",
        (OrderState::Paying, _) if view::bank_asks(order) => "Kept for you until",
        _ => return None,
    };
    Some(Until {
        label,
        rfc: when::rfc3339(order.until_ms),
        clock: when::clock(order.until_ms, &event.spec.zone),
        now: when::rfc3339(now),
    })
}

/// A QR code as an inline picture.
fn qr(code: &str) -> String {
    use qrcode::render::svg;
    let Ok(qr) = qrcode::QrCode::new(code) else { return String::new() };
    let svg = qr.render::<svg::Color>().min_dimensions(160, 160).build();
    // Only the picture itself may stand inside a page.
    let picture = svg.find("<svg").map_or("", |at| &svg[at..]);
    picture.replacen("<svg", &format!("<svg role=\"img\" aria-label=\"QR code {code}\""), 1)
}

/// `POST /orders/{id}/{secret}/cancel`
pub async fn cancel(
    State(app): State<Arc<Site>>,
    Path((id, secret)): Path<(String, String)>,
) -> Page {
    let id = opened(&app, &id, &secret)?;
    match app.sales.cancel(id, None).await {
        Ok(_) | Err(NoReply::Refused(Refusal::AlreadyPaid)) => {
            Ok(Redirect::to(&app.links.order_path(id)).into_response())
        }
        Err(no) => Err(Problem::from(no).into()),
    }
}

/// `GET /assets/{file}`
pub async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let (kind, bytes): (&str, &[u8]) = match file.as_str() {
        "nts.css" => ("text/css; charset=utf-8", include_bytes!("../../assets/nts.css")),
        "nts.js" => ("text/javascript; charset=utf-8", include_bytes!("../../assets/nts.js")),
        "pay.js" => ("text/javascript; charset=utf-8", include_bytes!("../../assets/pay.js")),
        "icon.svg" => ("image/svg+xml", include_bytes!("../../assets/icon.svg")),
        _ => {
            let p = Problem::new(ProblemCode::NotFound, "The address is wrong or incomplete.");
            return problem_for("/assets/", &headers, p);
        }
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")], bytes)
        .into_response()
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
