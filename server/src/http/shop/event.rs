//! The page of an event: what there is, what it costs, what is left, and the form that orders it.

use super::about::picture_path;
use super::front::notice;
use super::order_form::{Faults, Filled};
use super::own_orders::{self, OwnOrder};
use crate::admission::Shed;
use crate::admission::client::Client;
use crate::app::App;
use crate::http::page::{Frame, Moment, Page, PageProblem, escaped};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::shown::SplicedPage;
use crate::http::site::Site;
use crate::language::format::Amounts;
use crate::language::{Lang, Words};
use crate::markdown;
use crate::store::records::shop::EventPicture;
use crate::text::begin;
use crate::when;
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use boxoffice::{CodeSpec, Event, Money, Offer, Order, Pool, Refusal, TimeMs};
use std::convert::Infallible;
use std::sync::Arc;
use uuid::Uuid;
use uuid::fmt::Simple;

/// What is left of a pool.
pub(super) struct Left {
    /// As HTML; with the time until which it may change.
    pub(super) told: String,
    /// Says by colour what the text says: there are some, none, or none at the moment.
    pub(super) class: &'static str,
}

impl Left {
    /// In words alone.
    pub(super) fn said(text: &str, class: &'static str) -> Left {
        Left { told: escaped(text), class }
    }
}

struct TypeRow {
    id: String,
    name: String,
    price: String,
    price_minor: i64,
    /// What it costs without the code, if that takes something off.
    without_code: Option<String>,
    /// Until when or while how many are left at this price, and what it costs then; as HTML.
    then: Option<String>,
    /// When it goes on sale or why it is not any more, as HTML, if the event is on sale and it is not.
    closed: Option<String>,
    pool: String,
    /// Whether what is left is its own and not its pool's.
    own: bool,
    /// None where the pool is told of below, because several types draw on it and some are left.
    left: Option<Left>,
    shared: bool,
    /// Whether some can be ordered.
    input: bool,
    value: String,
    error: Option<String>,
}

/// A pool on which several types draw: told once.
struct SharedPool {
    name: String,
    types: String,
    left: Left,
}

/// When the page changes by itself.
struct Opens {
    rfc: String,
    now: String,
    /// For a browser without JavaScript; none if it is too long to wait for.
    refresh_s: Option<i64>,
}

#[derive(Template)]
#[template(path = "event.html")]
pub(super) struct EventPage {
    frame: Frame,
    slug: String,
    name: String,
    place: String,
    starts: Moment,
    /// The description as HTML.
    about: String,
    /// Whether it is so long that the tickets would be far below it.
    about_is_long: bool,
    picture: Option<Shown>,
    preview: Preview,
    /// Which version of the shop's terms is to be accepted; none: there are none.
    terms: Option<u32>,
    /// Whether the box for them is ticked.
    terms_accepted: bool,
    /// Where its organiser answers questions; may be empty.
    contact: String,
    draft: bool,
    over: bool,
    /// Why nothing is sold now, if so.
    notice: Option<Words>,
    opens: Option<Opens>,
    on_sale: bool,
    /// Whether anything can be ordered now.
    offers: bool,
    /// What is left, where nothing is.
    gone: Option<Left>,
    types: Vec<TypeRow>,
    shared: Vec<SharedPool>,
    limit: Words,
    /// What happens to the money, above the button.
    charge: Words,
    /// Whether the event has codes.
    asks_code: bool,
    /// The code as it was typed.
    code: String,
    /// Whether it is valid, and what it gives is shown.
    has_code: bool,
    hold_ms: i64,
    free: bool,
    amounts: Amounts,
    /// When the counts were read, as HTML.
    updated: String,
    /// When the sale closes while the page may be open, and the time now.
    closes: Option<(String, String)>,
    pub(super) key: String,
    own_orders: Vec<OwnOrder>,
    /// Whether an order was just given back, to be made anew.
    given_back: bool,
    faults: Option<Faults>,
    buyer_name: String,
    buyer_email: String,
}

/// `GET /events/{event}?code=`
pub async fn event(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    TakesGzip(packed): TakesGzip,
    lang: Lang,
    client: Client,
    query: Query,
    headers: HeaderMap,
) -> Page {
    if let Err(Shed { again_s }) = app.admission.check_read() {
        return Ok(PageProblem::from(Problem::crowded(again_s)).page(Some(again_s)));
    }
    let now = app.clock.now_ms();
    let as_of = app.catalogue.as_of(now);
    let event = app.sales.event_named(&slug).await?;
    let open = own_orders::to_show(&app, &headers, lang).await;
    let typed = query.get("code").map(str::trim).filter(|typed| !typed.is_empty());
    let typed = typed.filter(|_| !event.spec.codes.is_empty());
    if !open.is_empty() || typed.is_some() {
        // This page is this visitor's own.
        let code = typed.map(|typed| app.sales.code(client, &event, typed));
        let (code, no) = match code.transpose() {
            Ok(code) => (code, None),
            Err(no) => (None, Some(no)),
        };
        let mut page = event_page(&app, &event, code, now, as_of);
        if let (Some(typed), Some(no)) = (typed, no) {
            page = page.refused_code(typed, no, &event, now);
        }
        page.own_orders = open.into_iter().filter(|order| order.event == event.id).collect();
        let mut response = varies(crate::http::page::page(&page));
        if let Some(faults) = &page.faults {
            *response.status_mut() = faults.status;
            if let Some(seconds) = faults.retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
        }
        return Ok(indexed(&event, response));
    }
    let page = app.shown.page(lang).of(&event, now, as_of, || {
        let page = event_page(&app, &event, None, now, as_of);
        let html = page.render().map_err(|error| tracing::error!(%error, "a template failed"));
        // Each visitor gets a key of their own in its place.
        html.ok().and_then(|html| SplicedPage::at(&html, &page.key))
    });
    let mut key = [0; Simple::LENGTH];
    let key = Uuid::from_u128(app.ids.random()).simple().encode_lower(&mut key);
    Ok(match &*page {
        Some(page) => indexed(&event, varies(gapped(page, key.as_bytes(), packed))),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    })
}

/// A page of which only a gap is the visitor's own.
fn gapped(page: &SplicedPage, gap: &[u8], packed: bool) -> Response {
    let body = if packed { page.gzip(gap) } else { page.plain(gap) };
    let mut response = Html(body).into_response();
    if packed {
        let gzip = HeaderValue::from_static("gzip");
        response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
    }
    response
}

/// Keeps a draft out of search engines, as its page says as well.
fn indexed(event: &Event, mut response: Response) -> Response {
    if event.spec.hidden {
        let robots = HeaderName::from_static("x-robots-tag");
        response.headers_mut().insert(robots, HeaderValue::from_static("noindex, nofollow"));
    }
    response
}

/// Says on what the page depends. No cache stores it (`Cache-Control: no-store`, which every page has).
fn varies(mut response: Response) -> Response {
    let on = HeaderValue::from_static("accept-encoding, accept-language, cookie");
    response.headers_mut().insert(header::VARY, on);
    response
}

/// Whether who asks takes gzip (RFC 9110, section 12.5.3).
pub struct TakesGzip(pub(in crate::http) bool);

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

/// When the holds of now are over at the latest. A payment that was begun may take longer.
pub(super) fn back_until(lang: Lang, event: &Event, now: TimeMs) -> Moment {
    Moment::end(lang, now + event.spec.hold_ms, now, &event.spec.zone)
}

/// What is left, of which so many can be ordered and so many are held and not paid. Only what is held may
/// come back.
pub(super) fn left_words(lang: Lang, left: u32, held: u32, until: &Moment) -> Left {
    match (left, held) {
        (0, 0) => Left::said(&lang.sold_out(), "none"),
        (0, _) => Left {
            told: until.within(|at| lang.all_reserved_until(at, until.has_day())),
            class: "waits",
        },
        (left, _) => Left::said(&lang.left(left.into(), &lang.number(left.into())), ""),
    }
}

/// The pools of these offers, each once.
pub(super) fn pools_on_offer<'e>(event: &'e Event, offers: &[Offer<'_>]) -> Vec<(usize, &'e Pool)> {
    let mut seen = vec![false; event.pools.len()];
    let mut first = Vec::new();
    for offer in offers {
        let pool = usize::from(offer.ticket_type.pool);
        if !std::mem::replace(&mut seen[pool], true) {
            first.push((pool, &event.pools[pool]));
        }
    }
    first
}

/// How many tickets of these offers can be ordered, and how many are held and not paid: these may come back.
pub(super) fn left_and_held(event: &Event, offers: &[Offer<'_>]) -> (u32, u32) {
    let pools = pools_on_offer(event, offers);
    let drawn =
        |pool: usize| offers.iter().filter(move |o| usize::from(o.ticket_type.pool) == pool);
    let left = pools.iter().map(|(at, pool)| {
        let of_types = drawn(*at).map(|offer| u64::from(offer.left)).sum::<u64>();
        of_types.min(pool.left().into())
    });
    let left = u32::try_from(left.sum::<u64>()).unwrap_or(u32::MAX);
    let own = offers.iter().filter(|offer| offer.own).map(|offer| offer.held);
    let held = pools.iter().map(|(_, pool)| pool.held).chain(own);
    (left, held.fold(0, u32::saturating_add))
}

/// Where a number stands in a sentence that is put as HTML.
const NUMBER: &str = "\u{2}";

/// What the price of now depends on, and what comes then.
fn then(lang: Lang, event: &Event, offer: &Offer<'_>) -> Option<String> {
    let (price, next) = (offer.price(), offer.next_price()?);
    let phase = price.phase.as_deref()?;
    let money = |minor| lang.price(Money { minor, currency: event.spec.currency });
    let next = money(next.unit_minor);
    let until = price.until_ms.map(|ms| Moment::short(lang, ms, &event.spec.zone));
    let left = price.left.map(|left| lang.number(left.into()));
    let number = left.map(|left| {
        let id = escaped(&offer.spec.id);
        format!("<span data-price-left=\"{id}\">{left}</span>")
    });
    Some(match (&until, number) {
        (Some(until), None) => until.within(|at| lang.price_until_then(phase, at, &next)),
        (Some(until), Some(number)) => {
            let text = until.within(|at| lang.price_until_left_then(phase, at, NUMBER, &next));
            text.replace(NUMBER, &number)
        }
        (None, Some(number)) => {
            escaped(&lang.price_left_then(phase, NUMBER, &next)).replace(NUMBER, &number)
        }
        (None, None) => return None,
    })
}

/// When a ticket type goes on sale, or when that was over, if it is not on sale now.
fn closed(lang: Lang, event: &Event, offer: &Offer<'_>, now: TimeMs) -> Option<String> {
    let at = |ms| Moment::short(lang, ms, &event.spec.zone);
    match offer.check_sale(now).err()? {
        Refusal::TypeNotYetOnSale { opens_ms, .. } => {
            Some(at(opens_ms).within(|at| lang.type_on_sale_from(at)))
        }
        _ => Some(escaped(&lang.type_sale_is_over())),
    }
}

/// The page as everybody sees it who has this code, with an empty form.
pub(super) fn event_page(
    app: &App,
    event: &Event,
    code: Option<&CodeSpec>,
    now: TimeMs,
    as_of: TimeMs,
) -> EventPage {
    let spec = &event.spec;
    let frame = Frame::of(app).at(&format!("/events/{}", spec.slug));
    let lang = frame.lang;
    let known = app.shop.known();
    let picture = known.pictures.get(&event.id);
    let until = back_until(lang, event, now);
    let on_sale = event.on_sale(now);
    let all = event.offers(code, now);
    let sold_now: Vec<Offer<'_>> =
        all.iter().filter(|offer| offer.check_sale(now).is_ok()).cloned().collect();
    let drawn = |pool: usize| all.iter().filter(move |o| usize::from(o.ticket_type.pool) == pool);
    let pools = pools_on_offer(event, &all);
    let (left, held) = left_and_held(event, &sold_now);
    let offers = on_sale && left > 0;
    // Where nothing is left the page says so once, above the form, unless something is sold later.
    let later = sold_now.len() < all.len();
    let gone = on_sale && left == 0 && !later;
    // How many are left of what is not sold any more is nobody's business.
    let counts = on_sale || spec.sale_opens_ms.is_some_and(|opens| now < opens);
    let alone = all.len() == 1;
    let money = |minor| lang.price(Money { minor, currency: spec.currency });
    let types = all.iter().map(|offer| {
        let pool = &event.pools[usize::from(offer.ticket_type.pool)];
        let shared = !offer.own && drawn(usize::from(offer.ticket_type.pool)).count() > 1;
        let words = left_words(lang, offer.left, offer.held, &until);
        let words = match (shared, offer.left, offer.held) {
            (true, 1.., _) => None,
            (true, 0, 1..) => Some(Left::said(&lang.all_reserved(), words.class)),
            _ => Some(words),
        };
        let closed = closed(lang, event, offer, now).filter(|_| on_sale);
        let price = offer.price();
        let full = price.unit_minor + price.discount_minor;
        TypeRow {
            id: offer.spec.id.clone(),
            name: offer.spec.name.clone(),
            price: money(price.unit_minor),
            price_minor: price.unit_minor,
            without_code: (price.discount_minor > 0).then(|| money(full)),
            then: then(lang, event, offer),
            pool: pool.name.clone(),
            own: offer.spec.rules.capacity.is_some(),
            left: words.filter(|_| (left > 0 || later) && counts && closed.is_none()),
            shared,
            input: offers && offer.left > 0 && closed.is_none(),
            closed,
            value: if alone { "1".into() } else { String::new() },
            error: None,
        }
    });
    let types: Vec<TypeRow> = types.collect();
    let free = types.iter().all(|t| t.price_minor == 0);
    let as_of = Moment::clock(lang, as_of, &spec.zone);
    let shared = pools.iter().filter(|(at, _)| left > 0 && counts && drawn(*at).count() > 1);
    let shared = shared.map(|(at, pool)| {
        let names: Vec<Words> = drawn(*at).map(|offer| lang.quoted(&offer.spec.name)).collect();
        SharedPool {
            name: pool.name.clone(),
            types: format!(
                "{}{}",
                if pools.len() == 1 { lang.in_all() } else { names.join(&*lang.and()).into() },
                lang.colon()
            ),
            left: left_words(lang, pool.left(), pool.held, &until),
        }
    });
    let opens = spec.sale_opens_ms.filter(|opens| now < *opens).map(|opens| Opens {
        rfc: when::rfc3339(opens),
        now: when::rfc3339(now),
        refresh_s: Some((opens - now) / 1_000 + 1).filter(|s| *s < 86_400),
    });
    EventPage {
        frame,
        slug: spec.slug.clone(),
        name: spec.name.clone(),
        place: spec.place.clone(),
        starts: Moment::of(lang, spec),
        about: markdown::html(&spec.description),
        about_is_long: is_long(&spec.description),
        preview: Preview::of(app, event, lang),
        picture: picture.map(Shown::of),
        terms: (!known.row.terms.is_empty()).then_some(known.row.terms_version),
        terms_accepted: false,
        contact: spec.contact.clone(),
        draft: spec.hidden,
        over: event.is_over(now) && !on_sale,
        notice: notice(lang, event, now),
        opens,
        on_sale,
        offers,
        gone: gone.then(|| left_words(lang, 0, held, &until)),
        charge: match free {
            true => lang.tickets_are_free(),
            false => lang.nothing_charged_yet(&lang.duration(spec.hold_ms)),
        },
        asks_code: !spec.codes.is_empty(),
        code: code.map_or_else(String::new, |code| code.code.clone()),
        has_code: code.is_some(),
        free,
        types,
        shared: shared.collect(),
        limit: limit(lang, event),
        hold_ms: spec.hold_ms,
        amounts: lang.amounts(spec.currency),
        updated: as_of.within(|at| lang.updated_at(at)),
        closes: on_sale.then(|| (when::rfc3339(spec.sale_ends()), when::rfc3339(now))),
        key: format!("{:032x}", app.ids.random()),
        own_orders: Vec::new(),
        given_back: false,
        faults: None,
        buyer_name: String::new(),
        buyer_email: String::new(),
    }
}

/// The picture of an event on its page.
struct Shown {
    path: String,
    alt: String,
    width: u32,
    height: u32,
}

impl Shown {
    fn of(picture: &EventPicture) -> Shown {
        let EventPicture { picture, alt, width, height, .. } = picture;
        let path = picture_path(*picture);
        Shown { path, alt: alt.clone(), width: *width, height: *height }
    }
}

/// What other sites show of a link to the event (Open Graph, <https://ogp.me>).
struct Preview {
    /// The address of the page.
    url: String,
    description: String,
    /// The address of the picture, from outside.
    picture: Option<String>,
}

impl Preview {
    fn of(app: &App, event: &Event, lang: Lang) -> Preview {
        let (base, spec) = (app.links.base(), &event.spec);
        let when = lang.event_time(spec.starts_ms, spec.ends_ms, &spec.zone);
        let about = markdown::plain(&spec.description);
        let first = about.split("\n\n").next().unwrap_or_default().replace('\n', " ");
        let parts = [&when, &spec.place, &first];
        let parts: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let all = parts.join(" · ");
        let description = begin(&all, MOST_DESCRIBED);
        let cut = description.len() < all.len();
        let pictures = app.shop.known();
        let picture = pictures.pictures.get(&event.id);
        Preview {
            url: format!("{base}/events/{}", spec.slug),
            description: format!("{description}{}", if cut { "…" } else { "" }),
            picture: picture.map(|picture| format!("{base}{}", picture_path(picture.picture))),
        }
    }
}

/// So many bytes of a description are shown beside a link.
const MOST_DESCRIBED: usize = 300;

/// Whether a description is so long that the tickets would be far below it.
fn is_long(description: &str) -> bool {
    let lines = description.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| 1 + line.chars().count() / 45).sum::<usize>() > 8
}

/// How many tickets one may have, in words.
fn limit(lang: Lang, event: &Event) -> Words {
    let order = event.spec.limit_per_order.into();
    match event.spec.limit_per_buyer.map(u64::from) {
        Some(buyer) if buyer <= order => lang.at_most_for_each_person(buyer),
        Some(buyer) => lang.at_most_in_order_and_for_person(order, buyer),
        None => lang.at_most_in_order(order),
    }
}

impl EventPage {
    /// The same page with the form as it was filled in, and with what is wrong with it.
    pub(super) fn refused(mut self, filled: Filled, faults: Faults) -> EventPage {
        for row in &mut self.types {
            let typed = filled.quantities.get(&row.id).map_or("", String::as_str);
            row.error = faults.of_type(&row.id).map(str::to_owned);
            // What was chosen can be changed, although there is none left to choose.
            row.input |= self.on_sale && (row.error.is_some() || !matches!(typed, "" | "0"));
            row.value = typed.into();
            // What is told now is what the buyer agrees to by sending the form once more.
            row.price_minor = faults.told_price(&row.id).unwrap_or(row.price_minor);
        }
        self.code = filled.code;
        self.buyer_name = filled.name;
        self.buyer_email = filled.email;
        self.terms_accepted = !filled.accepts.is_empty() && faults.terms.is_none();
        self.faults = Some(faults);
        self
    }

    /// The same page for who came with a code that does not help.
    fn refused_code(self, typed: &str, no: CommandError, event: &Event, now: TimeMs) -> EventPage {
        let filled = Filled::with_code(typed, self.frame.lang);
        let faults = Faults::of(no, event, &filled, now);
        let quantities = self.types.iter().map(|row| row.value.clone()).collect::<Vec<_>>();
        let mut page = self.refused(filled, faults);
        for (row, value) in page.types.iter_mut().zip(quantities) {
            row.value = value;
        }
        page
    }

    /// The same page with the form filled in again, of an order that was given back to be changed.
    pub(super) fn filled_again(mut self, order: &Order, event: &Event) -> EventPage {
        for line in &order.lines {
            let id = &event.ticket_types[usize::from(line.ticket_type)].id;
            // It may have several lines of one type, at several prices.
            let of_type = order.lines.iter().filter(|l| l.ticket_type == line.ticket_type);
            let quantity = of_type.map(|l| l.quantity).sum::<u32>();
            for row in self.types.iter_mut().filter(|row| row.id == *id && row.input) {
                row.value = quantity.to_string();
            }
        }
        self.buyer_name.clone_from(&order.buyer.name);
        self.buyer_email.clone_from(&order.buyer.email);
        self.given_back = true;
        self
    }

    /// Tells of the orders of this browser.
    pub(super) fn with_own_orders(mut self, orders: Vec<OwnOrder>) -> EventPage {
        self.own_orders = orders;
        self
    }

    /// Whether the form asks who the buyer is, and can be sent: something can be ordered, or may come back
    /// for who has filled it in already.
    fn asks(&self) -> bool {
        let waits = self.gone.as_ref().is_some_and(|gone| gone.class == "waits");
        self.offers || (self.faults.is_some() && self.on_sale && waits)
    }

    /// The fields by the ids that they have on the page, with what is wrong there.
    fn marked(&self) -> Vec<(String, String)> {
        let Some(faults) = &self.faults else { return Vec::new() };
        let types = self.types.iter().enumerate();
        let told = |row: &TypeRow, text: &str| {
            if self.types.len() == 1 {
                text.to_owned()
            } else {
                format!("{}{}{text}", row.name, self.frame.lang.colon())
            }
        };
        let types = types.filter_map(|(at, row)| {
            Some((format!("q{}", at + 1), told(row, row.error.as_deref()?)))
        });
        let mut marked: Vec<_> = types.collect();
        let fields = [
            ("code", &faults.code),
            ("name", &faults.name),
            ("email", &faults.email),
            ("terms", &faults.terms),
        ];
        marked.extend(fields.into_iter().filter_map(|(id, text)| Some((id.into(), text.clone()?))));
        marked
    }

    /// What is wrong with the name, the address or the code.
    fn wrong(&self, field: &str) -> Option<&str> {
        let faults = self.faults.as_ref()?;
        match field {
            "name" => faults.name.as_deref(),
            "terms" => faults.terms.as_deref(),
            "code" => faults.code.as_deref(),
            _ => faults.email.as_deref(),
        }
    }
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

    #[test]
    fn hope_is_given_only_where_something_is_held() {
        let until = Moment::end(Lang::En, 1, 0, "UTC");
        let said = |left, held| {
            let told = left_words(Lang::En, left, held, &until);
            assert_eq!(told.told.contains("<time"), told.class == "waits");
            told.told.split(" <time").next().expect("a text").to_owned()
        };
        assert_eq!(said(0, 0), "Sold out");
        let waits = "All reserved at the moment. Some may come back until";
        assert_eq!((said(0, 1), said(0, 9)), (waits.into(), waits.into()));
        assert_eq!((said(1, 0), said(1_200, 5)), ("1 left".into(), "1,200 left".into()));
    }
}
