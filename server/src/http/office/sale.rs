//! The sale of an event: how it goes, by itself up to date, and what needs a person.

use super::chart::{Chart, by_day, by_hour};
use super::{OfficeFrame, OpenPage, Staff};
use crate::access::{Caller, Permit, Right, may};
use crate::app::App;
use crate::http::api::{Pace, is_due, live_answer, share_of_listeners};
use crate::http::auth::open_page;
use crate::http::page::{Moment, Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::http::staff::event_for;
use crate::language::Lang;
use crate::mailing::{MailStanding, MailState};
use crate::organiser::watching::{Attention, Figures, NO_TYPE, Sums, Troubled, Why};
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use boxoffice::{Currency, Event, Money, Refusal, TimeMs};
use bytes::Bytes;
use std::sync::Arc;
use tokio::time::{Duration, Instant};

/// How often a page gets the state of the sale. What changes without a count of the event (a refund, a decline, a mail) is
/// told after the longer time.
const LIVE: Pace = Pace { least: Duration::from_secs(1), most: Duration::from_secs(5) };
/// So long one stream lasts. The browser asks again, and so does whoever has no right any more.
const LIVE_LASTS: Duration = Duration::from_secs(600);
/// So many reasons of declines are told.
const MOST_REASONS: usize = 6;

#[derive(Template)]
#[template(path = "office/sale.html")]
struct SalePage {
    office: OfficeFrame,
    slug: String,
    starts: Moment,
    place: String,
    /// Whether this reader checks people in.
    checks_in: bool,
    live: Sale,
}

/// What changes by itself.
#[derive(Template)]
#[template(path = "office/sale_live.html")]
struct Sale {
    slug: String,
    updated: String,
    state: &'static str,
    sold: String,
    capacity: String,
    held: String,
    left: String,
    percent: i64,
    revenue: String,
    taken: String,
    given_back: String,
    /// Money in currencies that the event had before.
    foreign: Vec<String>,
    hour_sold: String,
    hour_revenue: String,
    hour_since: String,
    types: Vec<TypeRow>,
    /// Money that is of no ticket type.
    other: Option<MoneyRow>,
    total: MoneyRow,
    total_sold: String,
    total_refunded: String,
    pools: Vec<PoolRow>,
    hours: Chart,
    days: Chart,
    declines: Declines,
    /// Whether this reader may look at orders.
    sees_orders: bool,
    troubled: Vec<OrderRow>,
    mails: Vec<MailRow>,
}

/// A ticket type in the table.
struct TypeRow {
    name: String,
    retired: bool,
    price: String,
    pool: String,
    sold: String,
    refunded: String,
    money: MoneyRow,
}

/// Money in three cells.
struct MoneyRow {
    taken: String,
    given_back: String,
    revenue: String,
}

impl MoneyRow {
    fn of(sums: &Sums, currency: Currency) -> MoneyRow {
        let money = |minor: i64| Lang::En.money(Money { minor, currency });
        MoneyRow {
            taken: money(sums.taken_minor),
            given_back: money(sums.given_back_minor),
            revenue: money(sums.revenue_minor()),
        }
    }
}

/// A pool in the table.
struct PoolRow {
    name: String,
    capacity: String,
    sold: String,
    held: String,
    left: String,
    revenue: String,
    percent: i64,
}

/// How attempts to pay went.
struct Declines {
    /// Whether anybody has tried to pay.
    any: bool,
    all: String,
    declined: String,
    percent: String,
    day_all: String,
    day_declined: String,
    day_percent: String,
    reasons: Vec<(String, String)>,
}

/// An order that needs a person.
struct OrderRow {
    id: String,
    what: &'static str,
    text: String,
    at: Moment,
}

/// A mail that did not arrive.
struct MailRow {
    order: Option<String>,
    to: String,
    what: &'static str,
    why: String,
    at: Moment,
}

fn number(n: impl Into<i64>) -> String {
    Lang::En.number(n.into())
}

fn percent(part: i64, of: i64) -> i64 {
    if of > 0 { part * 100 / of } else { 0 }
}

/// A rate with one digit behind the point: declines are few.
fn rate(part: i64, of: i64) -> String {
    let tenths = if of > 0 { part * 1_000 / of } else { 0 };
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// In a word, where the sale stands.
pub(super) fn state(event: &Event, now: TimeMs) -> &'static str {
    let opens = event.spec.sale_opens_ms.is_some_and(|opens| opens > now);
    let full = !event.pools.is_empty() && event.pools.iter().all(|pool| pool.left() == 0);
    match () {
        () if event.is_canceled() => "Cancelled",
        () if event.is_over(now) => "Over",
        () if event.spec.hidden => "Draft",
        () if opens => "Not on sale yet",
        () if matches!(event.check_sale(now), Err(Refusal::SalePaused)) => "Paused",
        () if !event.on_sale(now) => "Sale closed",
        () if full && event.pools.iter().any(|pool| pool.held > 0) => "All reserved or sold",
        () if full => "Sold out",
        () => "On sale",
    }
}

impl Sale {
    fn of(
        event: &Event,
        figures: &Figures,
        attention: &Attention,
        sees_orders: bool,
        now: TimeMs,
    ) -> Sale {
        let (currency, zone) = (event.spec.currency, &*event.spec.zone);
        let money = |minor: i64| Lang::En.money(Money { minor, currency });
        let sum = |of: fn(&boxoffice::Pool) -> u32| -> i64 {
            event.pools.iter().map(|pool| i64::from(of(pool))).sum()
        };
        let (capacity, sold) = (sum(|pool| pool.capacity), sum(|pool| pool.sold));
        let total = figures.total();
        let of_type = |at: usize| figures.by_type.get(&(at as i64)).copied().unwrap_or_default();
        let types = event.ticket_types.iter().enumerate().map(|(at, t)| TypeRow {
            name: t.name.clone(),
            retired: t.retired,
            price: Lang::En.price(Money { minor: t.price_minor, currency }),
            pool: event.pools.get(usize::from(t.pool)).map_or("", |pool| &pool.name).to_owned(),
            sold: number(of_type(at).standing()),
            refunded: number(of_type(at).refunded),
            money: MoneyRow::of(&of_type(at), currency),
        });
        let pools = event.pools.iter().enumerate().map(|(at, pool)| {
            let types = event.ticket_types.iter().enumerate();
            let here = types.filter(|(_, t)| usize::from(t.pool) == at);
            PoolRow {
                name: pool.name.clone(),
                capacity: number(pool.capacity),
                sold: number(pool.sold),
                held: number(pool.held),
                left: number(pool.left()),
                revenue: money(here.map(|(n, _)| of_type(n).revenue_minor()).sum()),
                percent: percent(pool.sold.into(), pool.capacity.into()),
            }
        });
        let other = figures.by_type.get(&NO_TYPE).filter(|sums| **sums != Sums::default());
        let foreign = figures.foreign.iter().filter_map(|(code, sums)| {
            let currency = Currency::parse(code)?;
            Some(Lang::En.money(Money { minor: sums.revenue_minor(), currency }))
        });
        let since = figures.hour_began_ms;
        Sale {
            slug: event.spec.slug.clone(),
            updated: Moment::clock(Lang::En, now, zone).to_string(),
            state: state(event, now),
            sold: number(sold),
            capacity: number(capacity),
            held: number(sum(|pool| pool.held)),
            left: number(sum(boxoffice::Pool::left)),
            percent: percent(sold, capacity),
            revenue: money(total.revenue_minor()),
            taken: money(total.taken_minor),
            given_back: money(total.given_back_minor),
            foreign: foreign.collect(),
            hour_sold: number(figures.last_hour.sold),
            hour_revenue: money(figures.last_hour.revenue_minor()),
            hour_since: Moment::end(Lang::En, since, now, zone).to_string(),
            types: types.collect(),
            other: other.map(|sums| MoneyRow::of(sums, currency)),
            total_sold: number(total.standing()),
            total_refunded: number(total.refunded),
            total: MoneyRow::of(&total, currency),
            pools: pools.collect(),
            hours: by_hour(&figures.quarters, now, zone, currency),
            days: by_day(&figures.quarters, now, zone, currency),
            declines: Declines::of(figures),
            sees_orders,
            troubled: attention.orders.iter().map(|one| OrderRow::of(one, zone)).collect(),
            mails: attention.mails.iter().map(|mail| MailRow::of(mail, zone)).collect(),
        }
    }
}

impl Declines {
    fn of(figures: &Figures) -> Declines {
        let (declined, all) = figures.declined();
        let (day_declined, day_all) = figures.day_declined;
        let reasons = figures.outcomes.iter().filter(|(why, _)| !why.is_empty());
        let mut reasons: Vec<(String, i64)> = reasons.cloned().collect();
        let rest: i64 = reasons.iter().skip(MOST_REASONS).map(|(_, number)| number).sum();
        reasons.truncate(MOST_REASONS);
        if rest > 0 {
            reasons.push(("Other reasons".into(), rest));
        }
        Declines {
            any: all > 0,
            all: number(all),
            declined: number(declined),
            percent: rate(declined, all),
            day_all: number(day_all),
            day_declined: number(day_declined),
            day_percent: rate(day_declined, day_all),
            reasons: reasons.into_iter().map(|(why, n)| (why, number(n))).collect(),
        }
    }
}

impl OrderRow {
    fn of(one: &Troubled, zone: &str) -> OrderRow {
        let (what, text) = match &one.why {
            Why::Stuck(text) => ("Payment does not get on", text.clone()),
            Why::OwedBack(money) => (
                "A refund failed",
                format!(
                    "{} is still due to the buyer. Refund it again, or pay it back in another way.",
                    Lang::En.money(*money)
                ),
            ),
            Why::Disputed(money, status) => (
                "Disputed payment",
                format!(
                    "The cardholder disputes {} ({}). Answer it in the Stripe Dashboard.",
                    Lang::En.money(*money),
                    status.replace('_', " ")
                ),
            ),
            Why::Other(text) => ("To look at", text.clone()),
        };
        OrderRow {
            id: uuid::Uuid::from_u128(one.order.0).to_string(),
            what,
            text,
            at: Moment::short(Lang::En, one.at_ms, zone),
        }
    }
}

impl MailRow {
    fn of(mail: &MailState, zone: &str) -> MailRow {
        let what = match mail.standing {
            MailStanding::Refused => "Mail refused",
            MailStanding::GivenUp => "Mail given up after a day",
            _ => "Mail not sent",
        };
        MailRow {
            order: mail.order.map(|order| uuid::Uuid::from_u128(order.0).to_string()),
            to: mail.to.clone(),
            what,
            why: mail.why.clone().unwrap_or_default(),
            at: Moment::short(Lang::En, mail.ended_ms.unwrap_or(mail.owed_ms), zone),
        }
    }
}

/// The event of this name and the permit to see how its sale goes. Whoever may not see it learns no more of it
/// than of one that does not exist.
pub(super) async fn event_to_see(
    app: &App,
    caller: &Caller,
    slug: &str,
) -> Result<(Arc<Event>, Permit<may::SeeEvents>), Problem> {
    let event = event_for(app, caller, slug).await?;
    let permit = caller.permit(event.id)?;
    Ok((event, permit))
}

async fn sale_now(
    app: &App,
    permit: &Permit<may::SeeEvents>,
    event: &Event,
    sees_orders: bool,
) -> Result<Sale, CommandError> {
    let figures = app.watching.figures(permit, event).await?;
    let attention = app.watching.attention(permit).await?;
    Ok(Sale::of(event, &figures, &attention, sees_orders, app.clock.now_ms()))
}

/// `GET /office/events/{event}`
pub async fn show(
    State(app): State<Arc<Site>>,
    Staff(caller): Staff,
    Path(slug): Path<String>,
) -> Page {
    let (event, permit) = event_to_see(&app, &caller, &slug).await?;
    let sees_orders = caller.has(Right::SeeOrders, Some(event.id));
    let live = sale_now(&app, &permit, &event, sees_orders).await?;
    let office = OfficeFrame::of_event(&app, &caller, (event.id, &event.spec.slug), "");
    let (starts, place) = (Moment::of(Lang::En, &event.spec), event.spec.place.clone());
    let checks_in = caller.has(Right::CheckIn, Some(event.id));
    Ok(page(&SalePage { office, slug, starts, place, checks_in, live }))
}

/// `GET /office/events/{event}/live`: the part of the page that changes, as server-sent events.
pub async fn live(
    State(app): State<Arc<Site>>,
    OpenPage(caller): OpenPage,
    Path(slug): Path<String>,
    client: crate::admission::client::Client,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (event, _) = event_to_see(&app, &caller, &slug).await?;
    let share = share_of_listeners(&app, client)?;
    let listening = Arc::clone(&app.admission.slots.listeners)
        .try_acquire_owned()
        .map_err(|_| CommandError::Busy)?;
    let mut news = app.catalogue.listen();
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(4);
    let id = event.id;
    crate::tasks::spawn(async move {
        let _listening = (listening, share);
        let end = Instant::now() + LIVE_LASTS;
        while Instant::now() < end {
            let Some(event) = app.catalogue.event_by_id(id) else { return };
            // Who was removed, or has another role by now, hears no more.
            let Ok(caller) = open_page(&app, &headers).await else { return };
            let Ok(permit) = caller.permit(id) else { return };
            let sees_orders = caller.has(Right::SeeOrders, Some(id));
            let Ok(sale) = sale_now(&app, &permit, &event, sees_orders).await else { return };
            let Ok(html) = sale.render() else { return };
            if sender.send(frame(&html)).await.is_err() {
                return;
            }
            if !is_due(&app, &mut news, &sender, id, LIVE).await {
                return;
            }
        }
    });
    Ok(live_answer(receiver))
}

/// HTML as one server-sent event.
fn frame(html: &str) -> Bytes {
    let mut frame = String::with_capacity(html.len() + html.len() / 16);
    for line in html.lines() {
        frame.push_str("data: ");
        frame.push_str(line);
        frame.push('\n');
    }
    frame.push('\n');
    frame.into()
}
