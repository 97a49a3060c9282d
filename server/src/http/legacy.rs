//! The routes of the Naive Ticketing System, as a façade over one show: the old form fields and
//! words, with its mistakes mended. One ticket for each name; reserving again renews.

use super::api::{cancel_and_wait, declined, find, pay_and_wait, wait_for};
use super::problem::Problem;
use super::shop::{Frame, PageProblem, minutes, page};
use super::{Form, Sent, admit, is_organiser, pay};
use crate::app::App;
use crate::identity::{buyer, buyer_key};
use crate::when;
use crate::writer::{NoReply, Replied};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::{
    AttemptState, BuyerKey, Command, Event, LineWish, Money, Order, OrderId, OrderState,
    RefundWish, Refusal, Reply, TicketState,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// So many reservations at least are remembered by their names, and twice as many at most.
const REMEMBERED: usize = 4096;

/// The last orders that were reserved by name here. Whoever charges a name whose hold has run out is
/// told so by this: a buyer without places is kept nowhere else.
#[derive(Default)]
pub struct Reserved(Mutex<[BTreeMap<BuyerKey, OrderId>; 2]>);

impl Reserved {
    fn put(&self, name: BuyerKey, order: OrderId) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept[0].len() >= REMEMBERED {
            kept[1] = std::mem::take(&mut kept[0]);
        }
        kept[0].insert(name, order);
    }

    fn get(&self, name: BuyerKey) -> Option<OrderId> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find_map(|some| some.get(&name)).copied()
    }
}

/// How many guests one page shows.
const GUESTS: usize = 10_000;

type Page = Result<Response, PageProblem>;

#[derive(Template)]
#[template(path = "reserved.html")]
struct ReservedPage {
    frame: Frame,
    fullname: String,
    hold: String,
    until: String,
    total: String,
    path: Option<String>,
    sandbox: bool,
}

#[derive(Template)]
#[template(path = "charged.html")]
struct ChargedPage {
    frame: Frame,
    fullname: String,
}

#[derive(Template)]
#[template(path = "guests.html")]
struct GuestsPage {
    frame: Frame,
    names: Vec<String>,
    next: Option<u32>,
}

/// The show of the old routes. One ticket for each name is what makes them work: a name leads to
/// its order by the record that the event's limit keeps.
async fn show(app: &App) -> Result<Arc<Event>, Problem> {
    let event = app.event_named(&app.config.show).await.ok_or_else(Problem::unknown_event)?;
    if event.spec.limit_per_buyer != Some(1) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "not_on_sale",
            "This show is not sold by name",
            "The organiser must set limit_per_buyer = 1 for it. Order on the event's page instead.",
        ));
    }
    Ok(event)
}

/// `POST /nts/v1/reserve`
pub async fn reserve(State(app): State<Arc<App>>, sent: Result<Sent, Problem>) -> Page {
    admit(&app)?;
    let Sent { headers, body } = sent?;
    let event = show(&app).await?;
    let form = Form::read(&headers, &body)?;
    let fullname = form.get("fullname");
    match reserve_as(&app, &event, fullname).await {
        Ok((until_ms, new)) => {
            let t = event.ticket_types.iter().find(|t| !t.retired);
            let minor = t.map_or(0, |t| t.price_minor);
            Ok(page(&ReservedPage {
                frame: Frame::of(&app),
                fullname: fullname.into(),
                hold: minutes(event.spec.hold_ms),
                until: when::clock(until_ms, &event.spec.zone),
                total: Money { minor, currency: event.spec.currency }.to_string(),
                // Whoever knows the name can renew; only who reserved first gets the key.
                path: new.map(|id| app.order_path(id)),
                sandbox: app.sandbox.is_some(),
            }))
        }
        Err(NoReply::Refused(Refusal::AlreadyPaid)) => Ok(charged(&app, fullname)),
        Err(no) => Err(Problem::from(no).into()),
    }
}

fn charged(app: &App, fullname: &str) -> Response {
    page(&ChargedPage { frame: Frame::of(app), fullname: fullname.into() })
}

/// Holds one ticket for a name, or renews the hold that this name has. Gives the end of the hold,
/// and the order if it is new.
async fn reserve_as(
    app: &App,
    event: &Event,
    fullname: &str,
) -> Result<(i64, Option<OrderId>), NoReply> {
    let t = event.ticket_types.iter().find(|t| !t.retired);
    let ticket_type = t.map(|t| t.id.clone()).unwrap_or_default();
    // A hold of the same name that has just run out is taken out of the way once.
    for _ in 0..2 {
        let order = app.ids.order(app.clock.now_ms());
        let lines = vec![LineWish { ticket_type: ticket_type.clone(), quantity: 1 }];
        let buyer = buyer(fullname, "");
        let name = buyer.key;
        let hold = Command::Hold { order, event: event.id, buyer, untagged: None, lines };
        let known = match app.ask(hold, None).await {
            Ok(replied) => {
                app.reserved.put(name, order);
                let until_ms = replied.order.map_or(0, |o| o.until_ms);
                return Ok((until_ms, Some(order)));
            }
            Err(NoReply::Refused(Refusal::LimitPerBuyer { order, .. })) => order,
            Err(no) => return Err(no),
        };
        match app.ask(Command::Renew { order: known }, None).await {
            Ok(replied) => return Ok((replied.order.map_or(0, |o| o.until_ms), None)),
            Err(NoReply::Refused(Refusal::HoldExpired)) => {
                let expired = app.ask(Command::Expire { order: known }, None).await;
                if let Err(no) = expired
                    && !matches!(no, NoReply::Refused(Refusal::NotDue))
                {
                    return Err(no);
                }
            }
            Err(no) => return Err(no),
        }
    }
    Err(NoReply::Refused(Refusal::HoldExpired))
}

/// `POST /nts/v1/charge`
pub async fn charge(State(app): State<Arc<App>>, sent: Result<Sent, Problem>) -> Page {
    let Sent { headers, body } = sent?;
    let event = show(&app).await?;
    let form = Form::read(&headers, &body)?;
    let fullname = form.get("fullname");
    let name = buyer_key(fullname, "");
    let find = Command::FindOrder { event: event.id, buyer: name };
    let order = match app.ask(find, None).await {
        Ok(Replied { reply: Reply::Found { order }, .. }) => Some(order),
        Ok(_) | Err(NoReply::Refused(Refusal::UnknownOrder)) => app.reserved.get(name),
        Err(no) => return Err(Problem::from(no).into()),
    };
    let Some(order) = order else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no_reservation",
            "No reservation for that name",
            "Reserve a ticket first.",
        )
        .into());
    };
    match pay_and_wait(&app, order, form.get("stripeToken").into(), None).await {
        Ok((order, attempt)) => answer(&app, fullname, &order, attempt),
        Err(NoReply::Refused(Refusal::AlreadyPaid)) => Ok(charged(&app, fullname)),
        Err(no) => Err(Problem::from(no).into()),
    }
}

fn answer(app: &App, fullname: &str, order: &Order, attempt: u16) -> Page {
    let payment = order.payment.as_ref();
    let outcome = payment.and_then(|p| p.attempts.iter().find(|a| a.number == attempt));
    match (order.state, outcome.map(|a| &a.state)) {
        (OrderState::Paid, _) => Ok(charged(app, fullname)),
        (_, Some(AttemptState::Declined(reason))) => Err(declined(order, reason).into()),
        // The bank wants to hear from the buyer, or has not answered: the order's page tells.
        _ => Ok(pay::go_on(app, order)),
    }
}

/// The query of a list.
#[derive(Deserialize)]
pub struct After {
    after: Option<u32>,
}

/// `GET /nts/v1/list-guests`: who has paid. Open to all in the demo only.
pub async fn list_guests(
    State(app): State<Arc<App>>,
    query: Result<Query<After>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Page {
    if !app.config.demo() && !is_organiser(&app, &headers) {
        return Err(Problem::not_organiser().into());
    }
    let Query(query) = query.map_err(|_| Problem::invalid("after is a number."))?;
    let id = show(&app).await?.id;
    let after = query.after.unwrap_or(0);
    let tickets = app.reads.ask(move |r| r.tickets(id, after, GUESTS)).await?;
    let next = (tickets.len() == GUESTS).then(|| tickets.last().map_or(0, |(t, _)| t.serial));
    let guests = tickets.into_iter().filter(|(t, _)| t.state == TicketState::Valid);
    let names = guests.map(|(_, name)| name).collect();
    Ok(page(&GuestsPage { frame: Frame::of(&app), names, next }))
}

/// `POST /nts/v1/debug/reset`: gives every hold of the show back and refunds every ticket of it.
/// Nothing is forgotten by it. Only where no real money moves.
pub async fn reset(State(app): State<Arc<App>>) -> Page {
    let event = show(&app).await?.id;
    let mut after = None;
    loop {
        let page = app.reads.ask(move |r| r.orders(event, after, 500)).await?;
        for order in &page.orders {
            empty(&app, order).await?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(Redirect::to("/").into_response());
        }
    }
}

/// Brings one order to where it takes no place.
async fn empty(app: &App, order: &Order) -> Result<(), Problem> {
    let id = order.id;
    let mut order = Arc::new(order.clone());
    if matches!(order.state, OrderState::Held | OrderState::Paying | OrderState::Canceling) {
        match cancel_and_wait(app, id, None).await {
            Ok(_) | Err(NoReply::Refused(Refusal::AlreadyPaid)) => {
                order = find(app, id).await?;
            }
            Err(no) => return Err(no.into()),
        }
    }
    let watch = app.watchers.watch(id);
    if order.state == OrderState::Committed {
        let moved = |o: &Order| o.state != OrderState::Committed;
        order = wait_for(app, id, &watch, moved).await?;
    }
    if order.state == OrderState::Paid {
        let refund = app.ids.refund(app.clock.now_ms());
        let (wish, restock) = (RefundWish::All, true);
        app.ask(Command::Refund { order: id, refund, wish, restock }, None).await?;
        wait_for(app, id, &watch, |o| o.state != OrderState::Refunding).await?;
    }
    Ok(())
}
