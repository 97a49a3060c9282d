//! The JSON API for buyers' programs.

pub mod at_door;
pub mod check_ins;
pub(in crate::http) mod described;
pub mod door;
pub mod erasures;
pub mod event_sale;
pub mod mails;
pub mod organiser;
mod pages;
pub mod sales;
pub mod versions;
pub mod webhooks;

use super::problem::Problem;
use super::site::Site;
use super::speaks::here;
use super::view::{self, Action, Viewer};
use crate::access::{Denied, Right};
use crate::actor::Actor;
use crate::admission::client::Client;
use crate::admission::connections::Share;
use crate::app::App;
use crate::http::auth::{bearer, known_caller};
use crate::http::extract::{Sent, admit, json};
use crate::http::idempotency::keyed;
use crate::http::query::Query;
use crate::http::staff::order_for;
use crate::identity::{buyer, untagged_key};
use crate::language::Lang;
use crate::sales::{after_the_command, outcome};
use crate::text::capital;
use crate::when;
use crate::writer::{CommandError, CommandOutcome, IdempotencyKey};
use axum::Json;
use axum::body::Body as Answer;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{
    AttemptState, Command, Currency, Event, EventId, LineWish, Metadata, Order, OrderId,
    OrderState, Refusal, Reply, Terms, TimeMs,
};
use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use nts_api::{
    ActionKind, EventList, HoldLine, LineBody, MoneyMoved, NameBody, OrderBody, PayBody,
    ProblemCode,
};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Duration, Instant, sleep, timeout_at};
use versions::Tagged;

/// How often a listener gets counts; after the longer time they are a sign of life.
const LIVE: Pace = Pace { least: Duration::from_millis(250), most: Duration::from_secs(15) };

/// The fewest characters of the idempotency key of an order: the answer to it holds the order's secret.
pub(in crate::http) const LEAST_KEY: usize = 16;

/// A line of an order as the core wants it.
pub fn wish(line: LineBody) -> LineWish {
    LineWish { ticket_type: line.ticket_type, quantity: line.quantity }
}

/// `GET /api/v1/events?over=`: what is public and not over, or with `over=true` all that is public; with the
/// organiser's key, all.
pub async fn events(
    State(app): State<Arc<Site>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let over = query.flag("over")?;
    let now = app.clock.now_ms();
    // Before the counts are read: it may move in between.
    let as_of = app.catalogue.as_of(now);
    let mut events = app.catalogue.events();
    let public = |event: &Event| event.is_listed(now) || over && !event.spec.hidden;
    match known_caller(&app, &headers).await? {
        Some(caller) => {
            events.retain(|event| caller.has(Right::SeeEvents, Some(event.id)) || public(event))
        }
        // Whoever shows a key expects drafts as well.
        None if bearer(&headers).is_some() => return Err(Problem::wrong_key()),
        None => events.retain(|event| public(event)),
    }
    let events = events.iter().map(|e| view::event(e, Viewer::ANYBODY, now, as_of)).collect();
    let list = EventList { as_of: when::rfc3339(as_of).into(), events };
    Ok(Tagged::of(&list, &list.as_of, None).answer(&headers))
}

/// `GET /api/v1/events/{event}?code=`: with a key what its role may see, with a code what it shows.
pub async fn event(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    client: Client,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now_ms();
    let as_of = app.catalogue.as_of(now);
    let event = app.sales.event_named(&slug).await?;
    let caller = known_caller(&app, &headers).await?;
    let may = |right| caller.as_ref().is_some_and(|caller| caller.has(right, Some(event.id)));
    let tagged = |viewer| versions::event(&app, &event, &view::event(&event, viewer, now, as_of));
    // A code lets whoever knows it buy for less.
    let staff = match (may(Right::ChangeEvents), may(Right::SeeEvents)) {
        (true, _) => Some(Viewer::Organiser),
        (false, true) => Some(Viewer::Staff),
        (false, false) => None,
    };
    if let Some(viewer) = staff {
        return Ok(tagged(viewer).answer(&headers));
    }
    if let Some(typed) = query.get("code") {
        let code = app.sales.code(client, &event, typed)?;
        return Ok(tagged(Viewer::Buyer(Some(code))).answer(&headers));
    }
    let made = app.shown.json.of(&event, now, as_of, || tagged(Viewer::ANYBODY));
    Ok(made.answer(&headers))
}

/// `GET /api/v1/events/{event}/live`: the counts as they change, as server-sent events. A comfort:
/// half of the places for connections are for those who buy.
pub async fn live(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    client: Client,
) -> Result<Response, Problem> {
    let event = app.sales.event_named(&slug).await?;
    let share = share_of_listeners(&app, client)?;
    let listening = Arc::clone(&app.admission.slots.listeners)
        .try_acquire_owned()
        .map_err(|_| CommandError::Busy)?;
    let mut news = app.catalogue.listen();
    let (sender, receiver) = mpsc::channel::<Bytes>(4);
    let id = event.id;
    crate::tasks::spawn(async move {
        let _listening = (listening, share);
        loop {
            let now = app.clock.now_ms();
            let as_of = app.catalogue.as_of(now);
            let Some(event) = app.catalogue.event(&slug) else { return };
            let frame = app.shown.frame.of(&event, now, as_of, || {
                let counts = view::json(&view::counts(&event, Viewer::ANYBODY, now, as_of));
                Bytes::from([b"data: ", &*counts, b"\n\n"].concat())
            });
            if sender.send(Bytes::clone(&frame)).await.is_err() {
                return;
            }
            if !is_due(&app, &mut news, &sender, id, LIVE).await {
                return;
            }
        }
    });
    Ok(live_answer(receiver))
}

/// How often whoever listens to an event is told of it.
#[derive(Clone, Copy)]
pub(in crate::http) struct Pace {
    /// The least time between two states.
    pub least: Duration,
    /// After the least time and this one more a state is told also if there is no news.
    pub most: Duration,
}

/// Waits until whoever listens to this event is to be told of it again. `false`: the server stops, or nobody listens any
/// more.
pub(in crate::http) async fn is_due(
    app: &App,
    news: &mut broadcast::Receiver<EventId>,
    listener: &mpsc::Sender<Bytes>,
    event: EventId,
    pace: Pace,
) -> bool {
    sleep(pace.least).await;
    let idle = Instant::now() + pace.most;
    loop {
        tokio::select! {
            biased;
            () = app.stop.raised() => return false,
            () = listener.closed() => return false,
            heard = timeout_at(idle, news.recv()) => match heard {
                Ok(Ok(changed)) if changed != event => {}
                Ok(Ok(_) | Err(RecvError::Lagged(_))) | Err(_) => return true,
                Ok(Err(RecvError::Closed)) => return false,
            },
        }
    }
}

/// What a task sends, as server-sent events.
pub(in crate::http) fn live_answer(receiver: mpsc::Receiver<Bytes>) -> Response {
    let mut response = Response::new(Answer::new(StreamBody::new(Frames(receiver))));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Takes one of the streams that a client may listen to, if it is counted at all.
pub(in crate::http) fn share_of_listeners(
    app: &App,
    client: Client,
) -> Result<Option<Share>, Problem> {
    let Client::Network(network) = client else { return Ok(None) };
    let share = app.admission.slots.listener_shares.take(network);
    share.map(Some).ok_or_else(Problem::too_many_connections)
}

/// A channel as a body.
struct Frames(mpsc::Receiver<Bytes>);

impl futures_core::Stream for Frames {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|b| Ok(Frame::data(b))))
    }
}

/// The body and the status of the answer to a hold.
pub fn held(app: &App, order: &Order, event: &Event, until_ms: i64) -> Response {
    let view = view::held(app, order, event, until_ms);
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::LOCATION, &*view.url)];
    (StatusCode::CREATED, headers, view::json(&view)).into_response()
}

/// What a hold asks for, understood but not yet decided.
pub fn hold_command(
    app: &App,
    event: &Event,
    headers: &HeaderMap,
    body: &[u8],
    lang: Lang,
) -> Result<(Command, Option<IdempotencyKey>), Problem> {
    // Nobody is known by a name here, so a key is only as good as it is hard to guess; and two people
    // who chose the same one are told apart by what they ask for.
    let short = |key: &HeaderValue| (1..LEAST_KEY).contains(&key.len());
    if headers.get("idempotency-key").is_some_and(short) {
        return Err(Problem::short_key(LEAST_KEY));
    }
    let request = keyed(headers, &[b"hold", event.spec.slug.as_bytes(), body], body)?;
    let wanted: OrderBody = json(headers, body)?;
    if wanted.buyer.email.trim().is_empty() {
        return Err(Problem::invalid("The buyer's e-mail address is missing."));
    }
    let order = app.ids.order(app.clock.now_ms());
    let lang = match &wanted.buyer.language {
        None => lang,
        Some(tag) => Lang::parse(tag).ok_or_else(|| {
            let known = Lang::ALL.map(Lang::tag).join(", ");
            Problem::invalid(format!(
                "The buyer's language is one of {known}. Nothing was reserved."
            ))
        })?,
    };
    let buyer = buyer(&wanted.buyer.name, &wanted.buyer.email, lang.language());
    let untagged = untagged_key(&wanted.buyer.email);
    let terms = terms(event, wanted.code, &wanted.lines)?;
    let metadata = metadata(wanted.metadata, "Nothing was reserved.")?;
    let wanted_line = |HoldLine { ticket_type, quantity, .. }| LineWish { ticket_type, quantity };
    let lines = wanted.lines.into_iter().map(wanted_line).collect();
    let event = event.id;
    let command =
        Command::Hold { order, event, buyer, untagged, lines, terms, metadata, most_ms: None };
    Ok((command, request))
}

/// Metadata as a body has it. `then`: what became of the request if it is beyond a limit.
fn metadata(strings: BTreeMap<String, String>, then: &str) -> Result<Metadata, Problem> {
    Metadata::new(strings).map_err(|why| Problem::invalid(format!("{}. {then}", capital(&why))))
}

/// What a hold request says of prices.
fn terms(event: &Event, code: Option<String>, lines: &[HoldLine]) -> Result<Terms, Problem> {
    let mut shown = BTreeMap::new();
    for HoldLine { ticket_type, price, .. } in lines {
        let Some(price) = price else { continue };
        if Currency::parse(&price.currency) != Some(event.spec.currency) {
            let code = event.spec.currency.code();
            return Err(Problem::invalid(format!(
                "The price of a line is in the event's currency, {code}. Nothing was reserved."
            )));
        }
        shown.insert(ticket_type.clone(), price.amount);
    }
    let code = code.filter(|code| !code.trim().is_empty());
    Ok(Terms { code, shown })
}

/// `POST /api/v1/events/{event}/orders`
pub async fn hold(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    client: Client,
    lang: Lang,
    Sent { headers, body }: Sent,
) -> Result<Response, Problem> {
    admit(&app)?;
    let event = app.sales.event_named(&slug).await?;
    let (command, request) = hold_command(&app, &event, &headers, &body, lang)?;
    if on(Mutant::SoldOutFromThePage) && event.pools.iter().all(|p| p.left() == 0) {
        let refusal = Refusal::SoldOut { ticket_type: String::new(), left: 0, held: 0 };
        return Err(CommandError::Refused(refusal).into());
    }
    let CommandOutcome { reply, order, .. } =
        app.sales.hold(client, &event, command, request).await?;
    let Reply::Held { order: id, until_ms } = reply else {
        return Err(CommandError::KeyReused.into());
    };
    let order = match order {
        Some(order) => order,
        None => after_the_command(app.sales.find(id).await)?,
    };
    // A ticket type that is new since we looked is in the catalogue by now.
    let event = event_of(&app, &order).await?;
    Ok(held(&app, &order, &event, until_ms))
}

/// Reads an id as it stands in an address.
pub fn order_id(text: &str) -> Result<OrderId, Problem> {
    let id = uuid::Uuid::try_parse(text).map_err(|_| Problem::unknown_order())?;
    Ok(OrderId(id.as_u128()))
}

/// The id of the order in the address, if who asks has its secret, or a key with this right for its event; and who
/// asks.
async fn authorized(
    app: &App,
    id: &str,
    headers: &HeaderMap,
    right: Right,
) -> Result<(OrderId, Actor), Problem> {
    let Some(token) = bearer(headers) else {
        order_id(id)?;
        let mut problem = Problem::not_organiser();
        problem.title = "This order needs its secret".into();
        problem.detail = "Send the order's secret: Authorization: Bearer <secret>.".into();
        return Err(problem);
    };
    let parsed = order_id(id);
    if let Ok(id) = &parsed
        && app.secrets.opens(*id, token)
    {
        return Ok((*id, Actor::Buyer));
    }
    let Some(caller) = known_caller(app, headers).await? else {
        return Err(parsed.err().unwrap_or_else(Problem::unknown_order));
    };
    let id = parsed.map_err(self::organiser::for_organiser)?;
    let order = order_for(app, &caller, id).await?;
    if !caller.has(right, Some(order.event)) {
        return Err(Denied::Role(right).into());
    }
    Ok((id, caller.actor()))
}

/// The event of an order that a command has changed, to tell the order in full.
pub async fn event_of(app: &App, order: &Order) -> Result<Arc<Event>, Problem> {
    Ok(after_the_command(app.sales.event_of(order).await)?)
}

/// `GET /api/v1/orders/{id}`
pub async fn order(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, actor) = authorized(&app, &id, &headers, Right::SeeOrders).await?;
    // Before the order itself, so that it is never said to be newer than it is.
    let changed_ms = app.sales.changed_ms(id).await?;
    let order = app.sales.find(id).await.map_err(|no| refused(actor, no))?;
    let event = app.sales.event_of(&order).await?;
    let caller = known_caller(&app, &headers).await?;
    let changes = caller.is_some_and(|caller| caller.has(Right::ChangeOrders, Some(order.event)));
    let mut answer = match actor {
        Actor::Buyer => view::order(&app, &order, &event, here()),
        _ if changes => view::order_for_organiser(&app, &order, &event, here()),
        _ => view::order_to_look_at(&app, &order, &event, here()),
    };
    answer.mails = Some(mails::of(&app, &order).await?);
    let accepted = app.shop.accepted(id).await.map_err(CommandError::from)?;
    answer.terms_version = accepted.map(|accepted| accepted.version);
    answer.updated_at = changed_ms.map(|ms| when::rfc3339(ms).into());
    let mut told = Tagged::of(&answer, "", None).answer(&headers);
    ask_again(&app, &order, &mut told);
    Ok(told)
}

/// An order in full as an answer. While it waits for the provider, that says in how many seconds to ask
/// again.
fn whole(app: &App, order: &Order, view: &nts_api::Order<'_>) -> Response {
    let mut answer = Json(view).into_response();
    ask_again(app, order, &mut answer);
    answer
}

/// An order in full, after a command of whoever may change it.
async fn changed(app: &App, actor: Actor, order: &Order) -> Result<Response, Problem> {
    let event = event_of(app, order).await?;
    let view = match actor {
        Actor::Buyer => view::order(app, order, &event, here()),
        _ => view::order_for_organiser(app, order, &event, here()),
    };
    Ok(whole(app, order, &view))
}

/// Why something about an order was not done, in words for whoever asked.
fn refused(actor: Actor, no: CommandError) -> Problem {
    match actor {
        Actor::Buyer => no.into(),
        _ => self::organiser::for_organiser(no.into()),
    }
}

/// Says in how many seconds to ask again for an order that waits for the provider.
fn ask_again(app: &App, order: &Order, answer: &mut Response) {
    if let Some(seconds) = view::poll_after_s(app, order) {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
}

/// `POST /api/v1/orders/{id}/pay`
pub async fn pay(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    client: Client,
    Sent { headers, body }: Sent,
) -> Result<Response, Problem> {
    let (id, actor) = authorized(&app, &id, &headers, Right::ChangeOrders).await?;
    let request = keyed(&headers, &[b"pay", &id.0.to_be_bytes()], &body)?;
    // Where nothing is to be paid, nothing need be sent.
    let token =
        if body.is_empty() { String::new() } else { json::<PayBody>(&headers, &body)?.token };
    let order = match app.sales.pay(actor, client, id, token, request).await {
        Ok((order, attempt)) => {
            // Unless the bank's page of a card before has paid meanwhile.
            if let Some(AttemptState::Declined(reason)) = outcome(&order, attempt)
                && !order.state.sells()
            {
                return Err(declined(&order, reason, app.clock.now_ms()));
            }
            order
        }
        // Nothing is charged twice: who pays again hears that it is paid.
        Err(CommandError::Refused(Refusal::AlreadyPaid)) => app.sales.find(id).await?,
        Err(no) => return Err(no.into()),
    };
    let event = event_of(&app, &order).await?;
    let mut answer = view::order(&app, &order, &event, here());
    answer.action = view::action(&order).map(|action| match action {
        Action::Redirect(url) => {
            let base = if url.starts_with('/') { app.links.base() } else { "" };
            let (kind, url) = (ActionKind::Redirect, Some(format!("{base}{url}").into()));
            nts_api::Action { client_secret: None, kind, url }
        }
        Action::Secret(secret) => {
            let (kind, client_secret) = (ActionKind::ClientSecret, Some(secret.into()));
            nts_api::Action { client_secret, kind, url: None }
        }
    });
    let mut told = whole(&app, &order, &answer);
    // It goes on without the buyer: the order tells how it ended (RFC 9110, 15.3.3).
    if told.headers().contains_key(header::RETRY_AFTER) {
        *told.status_mut() = StatusCode::ACCEPTED;
        let place = format!("{}/api/v1/orders/{}", app.links.base(), answer.id);
        if let Ok(place) = HeaderValue::try_from(place) {
            told.headers_mut().insert(header::LOCATION, place);
        }
    }
    Ok(told)
}

/// The answer to a declined attempt.
pub fn declined(order: &Order, reason: &str, now: TimeMs) -> Problem {
    let lang = here();
    // Unless another attempt was begun since.
    let last = order.payment.as_ref().and_then(|payment| payment.attempts.last());
    let last = last.is_some_and(|attempt| matches!(attempt.state, AttemptState::Declined(_)));
    let waits = order.state == OrderState::Paying && last && !order.over(now);
    let (then, money_moved) = match order.state {
        OrderState::Paying if waits => {
            let until = lang.time_is_over_at(&when::rfc3339(order.until_ms));
            let again = order.payment.as_ref().is_some_and(|payment| payment.replaces());
            let moved = if again { MoneyMoved::Unknown } else { MoneyMoved::No };
            (format!("{} {until}", view::after_decline(order, lang)), moved)
        }
        // The places went back, and the payment is dead.
        OrderState::Released if order.refunds.is_empty() => {
            (lang.released_after_decline().into_owned(), MoneyMoved::No)
        }
        _ => (view::plain(order, now, lang).into_owned(), MoneyMoved::Unknown),
    };
    let detail = format!("{} {then}", lang.decline_reason(reason));
    let mut problem = Problem::new(ProblemCode::Declined, detail);
    problem.money_moved = money_moved;
    problem
}

/// `POST /api/v1/orders/{id}/tickets/{number}`. It needs no idempotency key: the same name again changes nothing.
pub async fn name_ticket(
    State(app): State<Arc<Site>>,
    Path((id, number)): Path<(String, String)>,
    lang: Lang,
    Sent { headers, body }: Sent,
) -> Result<Response, Problem> {
    let (id, actor) = authorized(&app, &id, &headers, Right::ChangeOrders).await?;
    let number = ticket_number(&number)?;
    let body: NameBody = json(&headers, &body)?;
    let named = app.tickets.name(actor, id, number, &body.name).await;
    let order = named.map_err(|no| refused(actor, no))?;
    let event = event_of(&app, &order).await?;
    Ok(whole(&app, &order, &view::order(&app, &order, &event, lang)))
}

/// The number of a ticket in an address.
pub(in crate::http) fn ticket_number(text: &str) -> Result<u16, Problem> {
    text.parse().map_err(|_| Refusal::UnknownTicket(0).into())
}

/// `POST /api/v1/orders/{id}/cancel`
pub async fn cancel(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    Sent { headers, body }: Sent,
) -> Result<Response, Problem> {
    let (id, actor) = authorized(&app, &id, &headers, Right::ChangeOrders).await?;
    let request = keyed(&headers, &[b"cancel", &id.0.to_be_bytes()], &body)?;
    let by_buyer = matches!(actor, Actor::Buyer);
    let order = app.sales.cancel(actor, id, request).await.map_err(|no| match by_buyer {
        true => no.into(),
        false => self::organiser::for_organiser(no.into()),
    })?;
    let event = event_of(&app, &order).await?;
    Ok(Json(view::order(&app, &order, &event, here())).into_response())
}
