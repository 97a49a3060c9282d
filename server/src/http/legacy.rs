//! The routes of the Naive Ticketing System, as a façade over one show: the old form fields and
//! words, with its mistakes mended. One ticket for each name; reserving again renews.

use super::api::declined;
use super::cross_site::from_browser;
use super::page::{Frame, Moment, PageProblem, page, times_in_words};
use super::problem::Problem;
use super::query::Query;
use super::shop::{own_orders, pay};
use super::site::Site;
use super::speaks::preferred;
use super::view;
use crate::access::Caller;
use crate::actor::Actor;
use crate::admission::client::Client;
use crate::app::App;
use crate::http::auth::caller;
use crate::http::extract::{Form, Sent, admit};
use crate::identity::{buyer, buyer_key, former_name_key};
use crate::ids::digest;
use crate::language::{Lang, Words};
use crate::sales::{RunningGuard, outcome};
use crate::store::RequestKey;
use crate::writer::{CommandError, CommandOutcome};
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::{
    AttemptState, BuyerKey, Command, Event, EventId, LineWish, Order, OrderId, OrderState, Refusal,
    Reply, Terms, TicketState, TimeMs,
};
use nts_api::ProblemCode;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{Duration, sleep};

/// So many reservations at least are remembered by their names, and twice as many at most.
const REMEMBERED: usize = 4096;

/// The last orders that were reserved by name here. Whoever charges a name whose hold has run out is
/// told so by this: a buyer without places is kept nowhere else.
#[derive(Default)]
pub struct Reservations(Mutex<[BTreeMap<BuyerKey, OrderId>; 2]>);

impl Reservations {
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
    until: Moment,
    total: String,
    /// What the form must carry to pay, for who made the reservation.
    secret: Option<String>,
    declined: Option<String>,
    path: Option<String>,
    /// The order's own secret, where its link is told as well: the page after the payment links to the ticket.
    order_secret: Option<String>,
    sandbox: bool,
}

/// Why nothing was reserved or charged, with the form to try it again.
#[derive(Template)]
#[template(path = "reserve_again.html")]
struct AgainPage<'a> {
    frame: Frame,
    title: &'a str,
    detail: String,
    money: Option<Words>,
    fullname: &'a str,
}

/// An answer in words alone: it leads to no order.
#[derive(Template)]
#[template(path = "words.html")]
struct WordsPage {
    frame: Frame,
    headline: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage {
    frame: Frame,
    name: String,
    confirm: String,
}

#[derive(Template)]
#[template(path = "charged.html")]
struct ChargedPage {
    frame: Frame,
    fullname: String,
    /// The page of the order, for who has shown that it is theirs.
    path: Option<String>,
}

#[derive(Template)]
#[template(path = "guests.html")]
struct GuestsPage {
    frame: Frame,
    names: Vec<String>,
    next: Option<u32>,
}

/// The show of the old routes, which sell one ticket for each name: a name leads to its order by the record
/// that the event's limit keeps.
async fn show(app: &App) -> Result<Arc<Event>, Problem> {
    let event = app.sales.event_named(&app.config.show).await?;
    if event.spec.limit_per_buyer.is_none() {
        return Err(Problem::new(
            ProblemCode::NotOnSale,
            "The organiser must set limit_per_buyer for it. Order on the event's page instead.",
        )
        .titled("This show is not sold by name"));
    }
    Ok(event)
}

/// What became of a wish to reserve.
enum Reserved {
    /// A new order.
    New(OrderId, TimeMs),
    /// The order that this name has is held for longer.
    Renewed(OrderId, TimeMs),
    /// The order that this name has cannot be renewed.
    Known(OrderId, Refusal),
    /// This name has an order that is not the sender's, as far as is known, and it was only looked at.
    Strange,
}

/// `POST /nts/v1/reserve`. A name is no credential: whoever made the order gets the secret that pays it,
/// as a field of the form, and nobody else gets anything of the order.
pub async fn reserve(
    State(app): State<Arc<Site>>,
    client: Client,
    sent: Result<Sent, Problem>,
) -> Page {
    admit(&app)?;
    let Sent { headers, body } = sent?;
    let event = show(&app).await?;
    let form = Form::read(&headers, &body)?;
    let fullname = form.get("fullname");
    match reserved(&app, client, &event, (&form, &headers)).await {
        Ok(page) => Ok(page),
        Err(problem) => Ok(again(&app, &event, problem, fullname)),
    }
}

/// The form once more, with what was typed, under what is wrong.
fn again(app: &App, event: &Event, problem: Problem, fullname: &str) -> Response {
    let (now, zone) = (app.clock.now_ms(), &event.spec.zone);
    let mut response = page(&AgainPage {
        frame: Frame::english(app),
        title: &problem.title,
        detail: times_in_words(Lang::En, &problem.detail, now, zone),
        money: problem.money_words(),
        fullname,
    });
    *response.status_mut() = problem.status;
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

async fn reserved(
    app: &Site,
    client: Client,
    event: &Event,
    asks: (&Form, &HeaderMap),
) -> Result<Response, Problem> {
    let (form, headers) = asks;
    let fullname = form.get("fullname");
    let reserved = reserve_as(app, client, event, asks).await?;
    let (id, until_ms, new) = match reserved {
        Reserved::New(id, until_ms) => (id, until_ms, true),
        Reserved::Renewed(id, until_ms) => (id, until_ms, false),
        Reserved::Known(id, refusal) => return known(app, event, asks, id, refusal).await,
        Reserved::Strange => return Ok(taken(app)),
    };
    let own = new || shows(app, id, asks);
    let order = app.sales.find(id).await?;
    let mut shown = reserved_page(app, event, fullname, &order, until_ms);
    shown.secret = own.then(|| app.secrets.pay(id));
    if !new {
        return Ok(page(&shown));
    }
    // The order's own secret is told once.
    shown.path = Some(app.links.order_path(id));
    shown.order_secret = Some(app.secrets.order(id));
    let mut response = pay::remember(app, id, page(&shown));
    own_orders::remember(app, headers, &order, &mut response).await;
    Ok(response)
}

/// Answers for an order that cannot be renewed.
async fn known(
    app: &App,
    event: &Event,
    asks: (&Form, &HeaderMap),
    id: OrderId,
    refusal: Refusal,
) -> Result<Response, Problem> {
    let own = shows(app, id, asks);
    let fullname = asks.0.get("fullname");
    let order = app.sales.find(id).await?;
    match declined_last(&order) {
        Some(reason) if own => Ok(declined_page(app, event, asks.0, &order, reason)),
        Some(_) => Err(Problem::declined_before(order.until_ms)),
        None if order.state == OrderState::Paid => {
            Ok(charged(app, fullname, own.then(|| way_to(app, id, asks.0))))
        }
        None if refusal == Refusal::AlreadyPaid => Ok(in_words(app, &order)),
        None => Err(Problem::from(refusal)),
    }
}

/// The form of the reservation after a card was declined, to try another one.
fn declined_page(app: &App, event: &Event, form: &Form, order: &Order, reason: &str) -> Response {
    let mut shown = reserved_page(app, event, form.get("fullname"), order, order.until_ms);
    shown.secret = Some(app.secrets.pay(order.id));
    shown.declined = Some(format!("{reason} {}", view::after_decline(order, Lang::En)));
    shown.path = Some(way_to(app, order.id, form));
    shown.order_secret = secret_of(app, order.id, form).map(str::to_owned);
    page(&shown)
}

/// The order's own secret, if the form shows it.
fn secret_of<'a>(app: &App, order: OrderId, form: &'a Form) -> Option<&'a str> {
    let sent = ["secret", "order_secret"].map(|field| form.get(field));
    sent.into_iter().find(|secret| app.secrets.opens(order, secret))
}

/// The page of the order: at once for who shows its own secret; else by the address from which the cookie
/// leads there, and nothing else does.
fn way_to(app: &App, order: OrderId, form: &Form) -> String {
    let own = secret_of(app, order, form).is_some();
    if own { app.links.order_path(order) } else { app.links.way_back(order) }
}

/// Why the last attempt was declined, if another one may follow.
fn declined_last(order: &Order) -> Option<&str> {
    match &order.payment.as_ref()?.attempts.last()?.state {
        AttemptState::Declined(reason) if order.state == OrderState::Paying => Some(reason),
        _ => None,
    }
}

/// Whether a request shows that the order is its sender's: by the secret that pays it, by its own, or by the
/// cookie of the browser that made it.
fn shows(app: &App, order: OrderId, (form, headers): (&Form, &HeaderMap)) -> bool {
    app.secrets.pays(order, form.get("secret"))
        || secret_of(app, order, form).is_some()
        || own_orders::known(app, headers).contains(&order)
}

/// `until_ms`: as this request made it.
fn reserved_page(
    app: &App,
    event: &Event,
    fullname: &str,
    order: &Order,
    until_ms: TimeMs,
) -> ReservedPage {
    ReservedPage {
        frame: Frame::english(app),
        fullname: fullname.into(),
        hold: Lang::En
            .duration(about(until_ms - app.clock.now_ms()).min(event.spec.hold_ms))
            .into_owned(),
        until: Moment::end(Lang::En, until_ms, app.clock.now_ms(), &event.spec.zone),
        // As it was frozen, whatever the event says by now.
        total: Lang::En.money(order.total()),
        secret: None,
        declined: None,
        path: None,
        order_secret: None,
        sandbox: app.sandbox.is_some(),
    }
}

/// About so many milliseconds: a hold may be shorter than the event's holds usually are.
fn about(ms: i64) -> i64 {
    (ms.max(0) + 9_999) / 10_000 * 10_000
}

fn charged(app: &App, fullname: &str, path: Option<String>) -> Response {
    page(&ChargedPage { frame: Frame::english(app), fullname: fullname.into(), path })
}

/// Where money is taken, strangers do not learn whether a name has paid: the same answer for every order
/// that the name can have.
fn taken(app: &App) -> Response {
    let text = "This name has an order already, and no second one was made. If it is yours, go on with the \
                page that you got when you reserved: the form there pays it, and the link there leads to \
                the ticket. Nothing was changed, and nothing was charged.";
    let headline = "This name has an order already";
    page(&WordsPage { frame: Frame::english(app), headline, text: text.into() })
}

/// Where an order stands, for somebody who knows no more of it than the name.
fn in_words(app: &App, order: &Order) -> Response {
    let said = view::plain(order, app.clock.now_ms(), Lang::En);
    let text = format!("{said} The page of the order tells more, to whoever made the reservation.");
    let page = page(&WordsPage { frame: Frame::english(app), headline: "Not finished yet", text });
    (StatusCode::ACCEPTED, page).into_response()
}

/// Holds one ticket for a name, or renews the hold that this name has. Where money is taken only who shows
/// the secret renews it: for others the order is read, which takes as long whatever its state is.
async fn reserve_as(
    app: &Site,
    client: Client,
    event: &Event,
    asks: (&Form, &HeaderMap),
) -> Result<Reserved, Problem> {
    let form = asks.0;
    let fullname = form.get("fullname");
    let t = event.spec.ticket_types.iter().find(|t| !t.rules.hidden);
    let ticket_type = t.map(|t| t.id.clone()).unwrap_or_default();
    // Where a buyer may have more than one, the hold does not refuse the second of a name: it is looked for
    // before, by one request of the name at a time.
    let one = event.spec.limit_per_buyer == Some(1);
    let name = buyer_key(fullname, "");
    let _one_of_the_name = if one { None } else { Some(enter(app, event.id, name).await?) };
    // A hold of the same name that has just run out is taken out of the way once.
    for _ in 0..2 {
        let mut before = if one { None } else { find(app, event.id, name).await? };
        if let (None, Some(former)) = (before, former_name_key(fullname)) {
            before = find(app, event.id, former).await?;
        }
        let order = app.ids.order(app.clock.now_ms());
        let lines = vec![LineWish { ticket_type: ticket_type.clone(), quantity: 1 }];
        let buyer = buyer(fullname, "", preferred(asks.1).language());
        let hold = Command::Hold {
            order,
            event: event.id,
            buyer,
            untagged: None,
            lines,
            terms: Terms::default(),
            metadata: boxoffice::Metadata::default(),
            most_ms: None,
        };
        let answer = match before {
            Some(order) => {
                Err(CommandError::Refused(Refusal::LimitPerBuyer { limit: 1, has: 1, order }))
            }
            None => app.sales.hold(client, event, hold, None).await,
        };
        let known = match answer {
            Ok(replied) => {
                app.reservations.put(name, order);
                let until_ms = replied.order.map_or(0, |o| o.until_ms);
                return Ok(Reserved::New(order, until_ms));
            }
            Err(CommandError::Refused(Refusal::LimitPerBuyer { order, .. })) => order,
            Err(no) => return Err(no.into()),
        };
        if app.sandbox.is_none() && !shows(app, known, asks) {
            let order = app.sales.stored(known).await?;
            let now = app.clock.now_ms();
            if !order.is_some_and(|o| o.state == OrderState::Held && o.over(now)) {
                return Ok(Reserved::Strange);
            }
            expire(app, known).await?;
            continue;
        }
        let most_ms = app.admission.shortened(client, name.0, event.spec.hold_ms);
        match app.sales.submit(Command::Renew { order: known, most_ms }, None).await {
            Ok(replied) => {
                let until_ms = replied.order.map_or(0, |o| o.until_ms);
                return Ok(Reserved::Renewed(known, until_ms));
            }
            Err(CommandError::Refused(Refusal::HoldExpired)) => expire(app, known).await?,
            Err(CommandError::Refused(refusal)) => {
                return Ok(Reserved::Known(known, refusal));
            }
            Err(no) => return Err(no.into()),
        }
    }
    Err(Refusal::HoldExpired.into())
}

/// Takes a hold that has run out of the way, unless that was done meanwhile.
async fn expire(app: &App, order: OrderId) -> Result<(), CommandError> {
    match app.sales.submit(Command::Expire { order }, None).await {
        Ok(_) | Err(CommandError::Refused(Refusal::NotDue)) => Ok(()),
        Err(no) => Err(no),
    }
}

/// `POST /nts/v1/charge`. Pays for whoever shows the secret that the form of the reservation carries. In
/// the sandbox a name alone has one attempt, as in the old demo, and is answered in words alone.
pub async fn charge(
    State(app): State<Arc<Site>>,
    client: Client,
    sent: Result<Sent, Problem>,
) -> Page {
    let Sent { headers, body } = sent?;
    let event = show(&app).await?;
    let form = Form::read(&headers, &body)?;
    let (fullname, token) = (form.get("fullname"), form.get("stripeToken"));
    if app.sandbox.is_none() && form.get("secret").is_empty() {
        return Ok(again(&app, &event, Problem::form_needed(), ""));
    }
    let known = order_of(&app, event.id, fullname).await.map_err(Problem::from)?;
    let asks = (&form, &headers);
    let own = known.is_some_and(|id| shows(&app, id, asks));
    let Some(id) = known.filter(|_| own || app.sandbox.is_some()) else {
        let problem = if app.sandbox.is_some() {
            Problem::new(ProblemCode::NoReservation, "Reserve a ticket first.")
        } else {
            Problem::form_needed()
        };
        return Ok(again(&app, &event, problem, ""));
    };
    if !own {
        let answer = charge_by_name(&app, client, fullname, id, token).await;
        return Ok(answer.unwrap_or_else(|problem| again(&app, &event, problem, "")));
    }
    let paid = || charged(&app, fullname, Some(way_to(&app, id, &form)));
    if app.sandbox.is_none() && token.is_empty() && app.sales.find(id).await?.total().minor > 0 {
        // A person: Stripe's form for the card is on the payment page.
        return Ok(Redirect::to(&app.links.pay_path(id)).into_response());
    }
    match app.sales.pay(Actor::Buyer, client, id, token.into(), None).await {
        Ok((order, attempt)) => match outcome(&order, attempt) {
            _ if order.state == OrderState::Paid => Ok(paid()),
            Some(AttemptState::Declined(reason)) if !order.state.sells() => {
                let problem = declined(&order, reason, app.clock.now_ms());
                let status = problem.status;
                if declined_last(&order).is_none() || order.over(app.clock.now_ms()) {
                    return Ok(again(&app, &event, problem, fullname));
                }
                let page = declined_page(&app, &event, &form, &order, reason);
                Ok((status, page).into_response())
            }
            // The bank wants to hear from the buyer, or has not answered.
            _ => Ok(pay::go_on(&app, &order, &app.links.way_back(id))),
        },
        Err(CommandError::Refused(Refusal::AlreadyPaid)) => match app.sales.find(id).await? {
            order if order.state == OrderState::Committed => {
                Ok(Redirect::to(&app.links.way_back(id)).into_response())
            }
            order if order.state == OrderState::Paid => Ok(paid()),
            // Its money is on its way back.
            _ => Ok(again(&app, &event, Refusal::AlreadyPaid.into(), fullname)),
        },
        Err(no) => Ok(again(&app, &event, Problem::from(no), fullname)),
    }
}

/// The order that a name has, or had when it was reserved last.
async fn order_of(
    app: &Site,
    event: EventId,
    fullname: &str,
) -> Result<Option<OrderId>, CommandError> {
    let name = buyer_key(fullname, "");
    if let Some(found) = find(app, event, name).await? {
        return Ok(Some(found));
    }
    if let Some(former) = former_name_key(fullname)
        && let Some(found) = find(app, event, former).await?
    {
        return Ok(Some(found));
    }
    let Some(id) = app.reservations.get(name) else { return Ok(None) };
    // An erased order is nobody's.
    let order = app.sales.stored(id).await?;
    Ok(order.filter(|order| !order.is_erased()).map(|order| order.id))
}

/// The order that a name has.
async fn find(app: &App, event: EventId, buyer: BuyerKey) -> Result<Option<OrderId>, CommandError> {
    match app.sales.submit(Command::FindOrder { event, buyer }, None).await {
        Ok(CommandOutcome { reply: Reply::Found { order }, .. }) => Ok(Some(order)),
        Ok(_) | Err(CommandError::Refused(Refusal::UnknownOrder)) => Ok(None),
        Err(no) => Err(no),
    }
}

/// Waits until no other request of this name is being answered by this process, and lets none in until the
/// guard is dropped.
async fn enter(
    app: &App,
    event: EventId,
    name: BuyerKey,
) -> Result<RunningGuard<'_>, CommandError> {
    let parts = [&b"reserve by name"[..], &event.0.to_be_bytes(), &name.0.to_be_bytes()];
    let key = RequestKey(digest(&parts));
    for _ in 0..100 {
        if let Some(guard) = app.sales.running.enter(key) {
            return Ok(guard);
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(CommandError::Busy)
}

/// One attempt for whoever knows the name. Further ones need the secret, so that a stranger cannot use up
/// the attempts of somebody else.
async fn charge_by_name(
    app: &App,
    client: Client,
    fullname: &str,
    id: OrderId,
    token: &str,
) -> Result<Response, Problem> {
    // Of two at the same time one would come after the first attempt.
    let key = RequestKey(digest(&[b"charge by name", &id.0.to_be_bytes()]));
    let Some(_running) = app.sales.running.enter(key) else {
        return Err(Problem::from(Refusal::PaymentUnderWay));
    };
    let order = app.sales.find(id).await?;
    if order.state == OrderState::Paying {
        let open = order.payment.as_ref().is_some_and(|p| p.open_attempt().is_some());
        let refusal = Problem::from(Refusal::PaymentUnderWay);
        return Err(if open { refusal } else { Problem::form_needed() });
    }
    match app.sales.pay(Actor::Buyer, client, id, token.into(), None).await {
        Ok((order, attempt)) => match outcome(&order, attempt) {
            _ if order.state == OrderState::Paid => Ok(charged(app, fullname, None)),
            Some(AttemptState::Declined(reason)) => Err(Problem::declined_once(reason)),
            _ => Ok(in_words(app, &order)),
        },
        Err(CommandError::Refused(Refusal::AlreadyPaid)) => {
            let order = app.sales.find(id).await?;
            let paid = order.state == OrderState::Paid;
            Ok(if paid { charged(app, fullname, None) } else { in_words(app, &order) })
        }
        Err(no) => Err(Problem::from(no)),
    }
}

/// `GET /nts/v1/list-guests`: who has paid. Open to all in the demo only.
pub async fn list_guests(State(app): State<Arc<Site>>, query: Query, headers: HeaderMap) -> Page {
    let caller = match app.config.demo() {
        true => Caller::system(),
        false => caller(&app, &headers).await?,
    };
    let permit = caller.permit(show(&app).await?.id)?;
    let after = query.number("after", 0..=u32::MAX)?.unwrap_or(0);
    let tickets = app.organiser.tickets(&permit, after, GUESTS).await.map_err(Problem::from)?;
    let next = (tickets.len() == GUESTS).then(|| tickets.last().map_or(0, |t| t.ticket.serial));
    let guests = tickets.into_iter().filter(|t| t.ticket.state == TicketState::Valid);
    let names = guests.map(|guest| guest.name).collect();
    Ok(page(&GuestsPage { frame: Frame::english(&app), names, next }))
}

/// `POST /nts/v1/debug/reset`: gives every hold of the show back and refunds every ticket of it.
/// Nothing is forgotten by it. Only where no real money moves. A script does it at once; a browser, and
/// whoever sends the form of our front page (`ask`), is asked first. A page of another site can make a browser
/// send this, but cannot read what confirms it.
pub async fn reset(State(app): State<Arc<Site>>, sent: Result<Sent, Problem>) -> Page {
    let Sent { headers, body } = sent?;
    let event = show(&app).await?;
    let form = Form::read(&headers, &body).ok();
    if from_browser(&headers) || form.as_ref().is_some_and(|form| !form.get("ask").is_empty()) {
        use subtle::ConstantTimeEq;
        let confirm = app.secrets.reset();
        let sent = form.as_ref().map_or("", |form| form.get("confirm"));
        if !bool::from(confirm.as_bytes().ct_eq(sent.as_bytes())) {
            let name = event.spec.name.clone();
            return Ok(page(&ResetPage { frame: Frame::english(&app), name, confirm }));
        }
    }
    app.organiser.reset_demo(event.id).await?;
    Ok(Redirect::to("/").into_response())
}
