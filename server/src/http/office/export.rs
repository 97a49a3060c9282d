//! Files of an event for spreadsheets, and its accounts.

use super::orders::event_page;
use super::{OfficeFrame, Staff};
use crate::access::{Caller, may};
use crate::app::App;
use crate::http::auth::caller;
use crate::http::page::{Moment, Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::http::staff::event_for;
use crate::language::Lang;
use crate::organiser::export::{Parts, What};
use crate::organiser::ledger::{Ledger, Sums};
use askama::Template;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use boxoffice::{Currency, Event, Money, Tender};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

#[derive(Template)]
#[template(path = "office/export.html")]
struct ExportPage {
    office: OfficeFrame,
    event: String,
    slug: String,
    files: Vec<File>,
}

struct File {
    name: &'static str,
    title: &'static str,
    what: &'static str,
}

/// `GET /office/events/{event}/export`
pub async fn show(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
) -> Page {
    let (event, office) = event_page(&app, &caller, &slug, "export").await?;
    caller.permit::<may::SeeOrders>(event.id)?;
    let file = |what: What| {
        let (title, of) = match what {
            What::Orders => ("Orders", "A line for each order: buyer, state, money."),
            What::Tickets => {
                ("Guest list", "A line for each ticket: guest, code, type, whether it is valid.")
            }
            What::Arrivals => {
                ("Arrivals", "A line for each ticket: whether its guest has come, when, where.")
            }
            What::Payments => {
                ("Payments and refunds", "A line for each movement of money, with its day.")
            }
            What::Days => (
                "Accounts by day",
                "A line for each day and each way to pay: sold, taken, given back.",
            ),
        };
        File { name: what.file(), title, what: of }
    };
    Ok(page(&ExportPage {
        office,
        event: event.spec.name.clone(),
        slug,
        files: What::ALL.into_iter().map(file).collect(),
    }))
}

/// `GET /office/events/{event}/export/{file}`
pub async fn file(
    State(app): State<Arc<Site>>,
    Path((slug, file)): Path<(String, String)>,
    Staff(caller): Staff,
) -> Page {
    Ok(sent(&app, &caller, &slug, &file).await?)
}

/// `GET /api/v1/events/{event}/export/{file}`
pub async fn file_for_programs(
    State(app): State<Arc<Site>>,
    Path((slug, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&app, &headers).await?;
    sent(&app, &caller, &slug, &file).await
}

async fn sent(app: &App, caller: &Caller, slug: &str, file: &str) -> Result<Response, Problem> {
    let event = event_for(app, caller, slug).await?;
    let permit = caller.permit(event.id)?;
    let what = What::of_file(file).ok_or_else(Problem::no_page)?;
    let parts = app.exports.export(&permit, Arc::clone(&event), what).await?;
    let mut response = Response::new(Body::new(StreamBody::new(Frames(parts))));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let name = format!("attachment; filename=\"{slug}-{file}\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// The parts of a file as a body. One that ends with an error breaks the connection, so that nobody takes a part of
/// the file for all of it.
struct Frames(Parts);

impl futures_core::Stream for Frames {
    type Item = io::Result<Frame<Bytes>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|part| {
            part.map(|part| {
                part.map(Frame::data).map_err(|fault| io::Error::other(fault.to_string()))
            })
        })
    }
}

#[derive(Template)]
#[template(path = "office/accounts.html")]
struct AccountsPage {
    office: OfficeFrame,
    event: String,
    slug: String,
    as_of: Moment,
    /// Whether anything was sold.
    any: bool,
    days: Vec<Row>,
    types: Vec<Row>,
    /// By how it was paid.
    tenders: Vec<Row>,
    all: Row,
    /// What was sold in other currencies, in words.
    others: Vec<String>,
    owed_back: Option<String>,
    disputed: Option<String>,
}

/// A line of the accounts.
struct Row {
    name: String,
    sold: u64,
    taken_back: u64,
    taken: String,
    given_back: String,
    going_back: String,
    left: String,
}

impl Row {
    fn of(name: impl Into<String>, sums: &Sums, currency: Currency) -> Row {
        let money = |minor| Lang::En.money(Money { minor, currency });
        Row {
            name: name.into(),
            sold: sums.sold,
            taken_back: sums.taken_back,
            taken: money(sums.taken),
            given_back: money(sums.given_back),
            going_back: money(sums.going_back),
            left: money(sums.left()),
        }
    }
}

/// `GET /office/events/{event}/accounts`
pub async fn accounts(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
) -> Page {
    let (event, office) = event_page(&app, &caller, &slug, "accounts").await?;
    let permit = caller.permit(event.id)?;
    let now = app.clock.now_ms();
    let ledger = app.exports.ledger(&permit, &event).await?;
    let currency = ledger.currency;
    let others = ledger.in_others();
    let others = others.iter().map(|(currency, sums)| {
        let money = |minor| Lang::En.money(Money { minor, currency: *currency });
        format!(
            "{} taken and {} given back",
            money(sums.taken),
            money(sums.given_back + sums.going_back)
        )
    });
    let money = |minor: i64| (minor > 0).then(|| Lang::En.money(Money { minor, currency }));
    Ok(page(&AccountsPage {
        office,
        event: event.spec.name.clone(),
        slug,
        as_of: Moment::clock(Lang::En, now, &event.spec.zone),
        any: !ledger.days.is_empty(),
        days: days(&ledger),
        types: types(&ledger, &event, currency),
        tenders: tenders(&ledger),
        others: others.collect(),
        all: Row::of("All", &ledger.all, currency),
        owed_back: money(ledger.owed_back),
        disputed: money(ledger.disputed),
    }))
}

/// How something was paid.
fn how(tender: Tender) -> &'static str {
    match tender {
        Tender::Online => "Online",
        Tender::Free => "Given away",
        Tender::Cash => "Cash",
        Tender::Terminal => "Card terminal",
    }
}

fn tenders(ledger: &Ledger) -> Vec<Row> {
    let own = ledger.tenders.iter().filter(|((currency, _), _)| *currency == ledger.currency);
    own.map(|((currency, tender), sums)| Row::of(how(*tender), sums, *currency)).collect()
}

/// By day, and where something was paid in several ways, by how.
fn days(ledger: &Ledger) -> Vec<Row> {
    let several = tenders(ledger).len() > 1;
    let own = ledger.days.iter().filter(|((_, currency, _), _)| *currency == ledger.currency);
    let row = |((day, currency, tender), sums): (&(String, Currency, Tender), &Sums)| {
        let name =
            if several { format!("{day}, {}", how(*tender).to_lowercase()) } else { day.clone() };
        Row::of(name, sums, *currency)
    };
    own.map(row).collect()
}

/// By ticket type, in the order in which they are sold; then what is for no particular tickets.
fn types(ledger: &Ledger, event: &Event, currency: Currency) -> Vec<Row> {
    let row = |(at, sums): (&u16, &Sums)| {
        let kind = &event.ticket_types[usize::from(*at)];
        let price = Lang::En.money(Money { minor: kind.price_minor, currency });
        Row::of(format!("{} ({price})", kind.name), sums, currency)
    };
    let mut rows: Vec<Row> = ledger.types.iter().map(row).collect();
    if ledger.other != Sums::default() {
        rows.push(Row::of("For no particular tickets", &ledger.other, currency));
    }
    rows
}
