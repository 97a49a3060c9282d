//! Finding an order: one box for a name, an address, a code or an id, filters, and a list. Of one event, and of all
//! events whose orders the reader may see.

use super::{OfficeFrame, Staff, order_words};
use crate::access::{Caller, Right, may};
use crate::app::App;
use crate::http::api::event_of;
use crate::http::page::{Moment, Page, page};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::site::Site;
use crate::http::staff::event_for;
use crate::language::Lang;
use crate::organiser::search::{AsOf, Asked, At, Cursor, Found, Of};
use crate::when;
use askama::Template;
use axum::extract::{Path, State};
use boxoffice::{Event, Order, OrderState, TimeMs};
use std::sync::Arc;
use uuid::Uuid;

/// So many orders on a page.
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "office/orders.html")]
struct OrdersPage {
    office: OfficeFrame,
    /// The name of the event, if it is of one.
    event: Option<String>,
    /// Where the form asks.
    path: String,
    /// What was typed.
    typed: String,
    states: Vec<Choice>,
    types: Vec<Choice>,
    since: String,
    /// What is wrong with a filter.
    error: Option<String>,
    /// Whether anything was asked for.
    asked: bool,
    filtered: bool,
    rows: Vec<Row>,
    /// The next page.
    next: Option<String>,
    newest_left_out: bool,
    /// Where its reader can sell tickets of the event.
    sells: Option<String>,
}

/// A choice of a filter.
struct Choice {
    value: String,
    words: String,
    chosen: bool,
}

/// An order in the list.
struct Row {
    id: String,
    name: String,
    email: String,
    event: Option<String>,
    state: &'static str,
    tickets: u32,
    total: String,
    placed: Moment,
}

impl Row {
    fn of(order: &Order, event: &Event, with_event: bool) -> Row {
        Row {
            id: Uuid::from_u128(order.id.0).to_string(),
            name: order.buyer.name.clone(),
            email: order.buyer.email.clone(),
            event: with_event.then(|| event.spec.name.clone()),
            state: order_words::state(order.state),
            tickets: order.lines.iter().map(|line| line.quantity).sum(),
            total: Lang::En.money(order.total()),
            placed: Moment::short(Lang::En, order.placed_ms, &event.spec.zone),
        }
    }
}

/// `GET /office/orders`
pub async fn all(State(app): State<Arc<Site>>, Staff(caller): Staff, query: Query) -> Page {
    caller.permit_anywhere::<may::SeeOrders>()?;
    let events = app.catalogue.events();
    let of = Of::all_that(&caller, &events);
    let office = OfficeFrame::of_shop(&app, &caller, "/office/orders");
    show(&app, office, &of, None, &query, false).await
}

/// `GET /office/events/{event}/orders`
pub async fn of_event(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
    query: Query,
) -> Page {
    let (event, office) = event_page(&app, &caller, &slug, "orders").await?;
    let of = Of::These(vec![caller.permit(event.id)?]);
    let sells = caller.has(Right::SellTickets, Some(event.id));
    show(&app, office, &of, Some(&event), &query, sells).await
}

/// The event of a page, and the frame of the page.
pub(super) async fn event_page(
    app: &App,
    caller: &Caller,
    slug: &str,
    here: &str,
) -> Result<(Arc<Event>, OfficeFrame), Problem> {
    let event = event_for(app, caller, slug).await?;
    let office = OfficeFrame::of_event(app, caller, (event.id, slug), here);
    Ok((event, office))
}

async fn show(
    app: &App,
    office: OfficeFrame,
    of: &Of,
    event: Option<&Arc<Event>>,
    query: &Query,
    sells: bool,
) -> Page {
    let (asked, error) = match asked(query, event) {
        Ok(asked) => (asked, None),
        Err(why) => (Asked::default(), Some(why)),
    };
    let from = query.get("from").and_then(|from| from.parse::<Cursor>().ok());
    let at = At { from, newest_first: true, limit: PAGE, as_of: AsOf::Now };
    let found = match &error {
        None => app.search.orders(of, &asked, &at).await?,
        Some(_) => Found::default(),
    };
    let mut rows = Vec::with_capacity(found.orders.len());
    for order in &found.orders {
        rows.push(Row::of(order, &*event_of(app, order).await?, event.is_none()));
    }
    let path = event.map_or("/office/orders".into(), |event| {
        format!("/office/events/{}/orders", event.spec.slug)
    });
    let chosen = |name: &str, value: &str| query.get(name) == Some(value);
    let state = |state: &OrderState| Choice {
        value: state.word().into(),
        words: order_words::state(*state).into(),
        chosen: chosen("state", state.word()),
    };
    let mut types: Vec<Choice> = Vec::new();
    for t in event.iter().flat_map(|event| &event.ticket_types) {
        if types.iter().all(|known| known.value != t.id) {
            let (value, words) = (t.id.clone(), t.name.clone());
            types.push(Choice { chosen: chosen("ticket_type", &t.id), value, words });
        }
    }
    let filtered = ["state", "ticket_type", "since"].iter().any(|name| query.get(name).is_some());
    Ok(page(&OrdersPage {
        office,
        event: event.map(|event| event.spec.name.clone()),
        next: found.next.map(|next| next_page(&path, query, &next)),
        path,
        typed: query.get("q").unwrap_or_default().into(),
        states: OrderState::ALL.iter().map(state).collect(),
        types,
        since: query.get("since").unwrap_or_default().into(),
        error,
        asked: filtered || query.get("q").is_some(),
        filtered,
        rows,
        newest_left_out: found.newest_left_out,
        sells: event
            .filter(|_| sells)
            .map(|event| format!("/office/events/{}/sell", event.spec.slug)),
    }))
}

/// The filters of the page.
fn asked(query: &Query, event: Option<&Arc<Event>>) -> Result<Asked, String> {
    let text = |name: &str| query.get(name).map(str::trim).filter(|text| !text.is_empty());
    let state = text("state")
        .and_then(|word| OrderState::ALL.into_iter().find(|state| state.word() == word));
    let zone = event.map_or("UTC", |event| &event.spec.zone);
    let since = text("since").map(|day| {
        midnight(day, zone).ok_or_else(|| {
            "“Changed since” is a day, such as 2027-06-05. Please choose one.".to_owned()
        })
    });
    Ok(Asked {
        code: None,
        text: text("q").map(Into::into),
        email: None,
        state,
        ticket_type: text("ticket_type").map(Into::into),
        changed_since: since.transpose()?,
    })
}

/// When a day begins in a zone.
pub(super) fn midnight(day: &str, zone: &str) -> Option<TimeMs> {
    let written = when::written_in(&format!("{day}T00:00"), zone)?;
    when::parse(&written).ok()
}

fn next_page(path: &str, query: &Query, next: &Cursor) -> String {
    let mut address = form_urlencoded::Serializer::new(String::new());
    for name in ["q", "state", "ticket_type", "since"] {
        if let Some(value) = query.get(name) {
            address.append_pair(name, value);
        }
    }
    address.append_pair("from", &next.to_string());
    format!("{path}?{}", address.finish())
}
