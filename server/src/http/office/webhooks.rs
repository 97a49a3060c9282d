//! Webhooks: which there are, making one, and one with its last messages.

use super::account::told;
use super::lead::with_status;
use super::people::{event, events};
use super::{OfficeFrame, Staff};
use crate::access::Caller;
use crate::accounts::own::NotChanged;
use crate::http::api::webhooks::{message_id, webhook_id};
use crate::http::extract::{Form, Sent, SentByStaff};
use crate::http::page::{Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::store::records::outbox_rows::MessageState;
use crate::store::records::webhooks::{HookKind, HookKinds, MOST_WEBHOOKS, Tried, Webhook};
use crate::text::begin;
use crate::webhooks::{Change, NotDone, message_name};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use std::sync::Arc;

const HERE: &str = "/office/webhooks";
/// How many bytes of what was typed are shown again.
const SHOWN: usize = 500;
/// So many messages are shown.
const LAST: usize = 50;

#[derive(Template)]
#[template(path = "office/webhooks.html")]
struct ListPage {
    office: OfficeFrame,
    webhooks: Vec<Row>,
    kinds: Vec<(&'static str, &'static str)>,
    events: Vec<(String, String)>,
    address: String,
    error: Option<String>,
}

/// A webhook on a page.
struct Row {
    id: String,
    address: String,
    is_on: bool,
    off_because: Option<String>,
    failing: Option<String>,
    told_of: String,
    made: String,
    old_secret_until: Option<String>,
}

#[derive(Template)]
#[template(path = "office/webhook.html")]
struct OnePage {
    office: OfficeFrame,
    hook: Row,
    messages: Vec<Line>,
    error: Option<String>,
}

/// A message on the page of its webhook.
struct Line {
    id: String,
    kind: String,
    owed: String,
    /// Where it stands, in a word, and the class of that.
    state: (&'static str, &'static str),
    next: Option<String>,
    last: Option<Last>,
    payload: String,
}

/// How the last try of a message went.
struct Last {
    /// The status, or that there was none.
    status: String,
    took: String,
    why: Option<String>,
    answer: String,
}

#[derive(Template)]
#[template(path = "office/webhook_secret.html")]
struct SecretPage {
    office: OfficeFrame,
    id: String,
    address: String,
    secret: String,
    is_new: bool,
    old_until: Option<String>,
}

/// What a kind tells, for people.
fn words(kind: HookKind) -> &'static str {
    match kind {
        HookKind::OrderHeld => "An order holds tickets",
        HookKind::OrderPaid => "An order is paid",
        HookKind::OrderCanceled => "An order is canceled before it is paid",
        HookKind::OrderExpired => "The time of an order is over before it is paid",
        HookKind::OrderRefunded => "A refund is made",
        HookKind::OrderVoid => "A payment fails after its tickets were promised",
        HookKind::TicketRevoked => "Tickets are revoked",
        HookKind::TicketValidAgain => "Tickets are valid again, because a refund failed",
        HookKind::TicketCheckedIn => "Somebody comes in with a ticket",
        HookKind::EventChanged => "An event is made, changed, paused, canceled or deleted",
        HookKind::EventSoldOut => "All tickets of an event are sold",
        HookKind::EventOnSaleAgain => "An event that was sold out has tickets again",
    }
}

fn kinds() -> Vec<(&'static str, &'static str)> {
    HookKind::ALL.into_iter().map(|kind| (kind.word(), words(kind))).collect()
}

fn row(app: &Site, webhook: Webhook) -> Row {
    let kinds = match webhook.kinds.named() {
        None => "Everything".to_owned(),
        Some(kinds) => kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(", "),
    };
    let of = webhook.event.map(|id| {
        let event = app.catalogue.event_by_id(id);
        event.map_or_else(|| "a deleted event".to_owned(), |event| event.spec.name.clone())
    });
    let now = app.clock.now_ms();
    Row {
        id: uuid::Uuid::from_u128(webhook.id).to_string(),
        address: webhook.address,
        is_on: webhook.is_on,
        off_because: webhook.off_because,
        failing: webhook.failing_ms.map(told),
        told_of: of.map_or_else(|| kinds.clone(), |of| format!("{kinds}; only of {of}")),
        made: told(webhook.made_ms),
        old_secret_until: webhook.old_until_ms.filter(|until| now < *until).map(told),
    }
}

fn line(Tried { message, last }: Tried) -> Line {
    let state = match message.state {
        MessageState::Queued if message.tries > 0 => ("is tried again", "off"),
        MessageState::Queued => ("waits", ""),
        MessageState::Delivered => ("delivered", "on"),
        MessageState::Needless => ("not told any more", ""),
        _ => ("given up", "off"),
    };
    let waits = message.state == MessageState::Queued;
    let why = message.last_error.filter(|_| message.state != MessageState::Delivered);
    let last = last.map(|last| Last {
        status: last.status.map_or_else(|| "no answer".into(), |status| status.to_string()),
        took: format!("{} ms", last.took_ms),
        why,
        answer: last.answer,
    });
    Line {
        id: message_name(message.id),
        kind: message.subject,
        owed: told(message.made_ms),
        state,
        next: waits.then(|| told(message.due_ms)),
        last,
        payload: message.payload,
    }
}

impl ListPage {
    async fn new(app: &Site, caller: &Caller) -> Result<ListPage, Problem> {
        let webhooks = app.webhooks.all(&caller.shop_permit()?).await?;
        Ok(ListPage {
            office: OfficeFrame::of_shop(app, caller, HERE),
            webhooks: webhooks.into_iter().map(|webhook| row(app, webhook)).collect(),
            kinds: kinds(),
            events: events(app),
            address: String::new(),
            error: None,
        })
    }
}

/// What is wrong with a form, in a sentence; or a problem of its own.
fn flaw(no: NotDone) -> Result<String, Problem> {
    match no {
        NotDone::Address(why) => Ok(why),
        NotDone::TooMany => Ok(format!(
            "There are {MOST_WEBHOOKS} webhooks, as many as there may be. Delete one first."
        )),
        other => Err(other.into()),
    }
}

/// `GET /office/webhooks`
pub async fn list(State(app): State<Arc<Site>>, Staff(caller): Staff) -> Page {
    Ok(page(&ListPage::new(&app, &caller).await?))
}

/// `POST /office/webhooks`: makes a webhook, and shows its secret this once.
pub async fn make(
    State(app): State<Arc<Site>>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Page {
    let permit = caller.shop_permit().map_err(Problem::from)?;
    let form = Form::read(&headers, &body)?;
    let address = form.get("address");
    let chosen: Vec<HookKind> = form.all("kind").filter_map(HookKind::parse).collect();
    let kinds = match (form.get("every"), chosen.is_empty()) {
        ("yes", _) => Ok(HookKinds::EVERY),
        (_, false) => Ok(HookKinds::some(chosen)),
        (_, true) => Err("Please choose everything, or what the webhook is told of.".to_owned()),
    };
    let event = match event(&app, form.get("event")) {
        Ok(event) => Ok(event),
        Err(NotChanged::Flaw(flaw)) => Err(flaw.to_owned()),
        Err(no) => return Err(Problem::from(no).into()),
    };
    let made = match kinds.and_then(|kinds| Ok((kinds, event?))) {
        Ok((kinds, event)) => match app.webhooks.make(&permit, address, kinds, event).await {
            Ok(webhook) => Ok(webhook),
            Err(no) => Err(flaw(no)?),
        },
        Err(flaw) => Err(flaw),
    };
    match made {
        Ok(webhook) => Ok(secret(&app, &caller, webhook, true)?),
        Err(flaw) => {
            let mut again = ListPage::new(&app, &caller).await?;
            again.error = Some(flaw);
            begin(address, SHOWN).clone_into(&mut again.address);
            Ok(with_status(page(&again), StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}

fn secret(
    app: &Site,
    caller: &Caller,
    webhook: Webhook,
    is_new: bool,
) -> Result<axum::response::Response, Problem> {
    let secret = app.webhooks.secret(&caller.shop_permit()?, &webhook);
    let office = OfficeFrame::of_shop(app, caller, HERE);
    let id = uuid::Uuid::from_u128(webhook.id).to_string();
    let now = app.clock.now_ms();
    let old_until = webhook.old_until_ms.filter(|until| now < *until).map(told);
    Ok(page(&SecretPage { office, id, address: webhook.address, secret, is_new, old_until }))
}

async fn one(
    app: &Site,
    caller: &Caller,
    id: u128,
    error: Option<String>,
) -> Result<OnePage, Problem> {
    let permit = caller.shop_permit()?;
    let webhook = app.webhooks.one(&permit, id).await?;
    let messages = app.webhooks.deliveries(&permit, id, None, LAST).await?;
    let mut office = OfficeFrame::of_shop(app, caller, HERE);
    office.parts.iter_mut().for_each(|part| {
        (part.here, part.within) = (false, part.path == HERE);
    });
    let messages = messages.into_iter().map(line).collect();
    Ok(OnePage { office, hook: row(app, webhook), messages, error })
}

/// `GET /office/webhooks/{webhook}`
pub async fn show(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    Staff(caller): Staff,
) -> Page {
    let id = webhook_id(&id)?;
    Ok(page(&one(&app, &caller, id, None).await?))
}

/// `POST /office/webhooks/{webhook}`: what is done with it stands in the field `do`.
pub async fn change(
    State(app): State<Arc<Site>>,
    Path(id): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Page {
    let permit = caller.shop_permit().map_err(Problem::from)?;
    let (name, id) = (id.clone(), webhook_id(&id)?);
    let form = Form::read(&headers, &body)?;
    let switch = |is_on| Change { is_on: Some(is_on), ..Change::default() };
    let done = match form.get("do") {
        "on" => app.webhooks.change(&permit, id, switch(true)).await.map(drop),
        "off" => app.webhooks.change(&permit, id, switch(false)).await.map(drop),
        "address" => {
            let address = Some(form.get("address").to_owned());
            app.webhooks
                .change(&permit, id, Change { address, ..Change::default() })
                .await
                .map(drop)
        }
        "test" => app.webhooks.test(&permit, id).await.map(drop),
        "replay" => {
            let message = message_id(form.get("message"))?;
            app.webhooks.replay(&permit, id, message).await.map(drop)
        }
        "secret" => {
            let at_once = form.get("at_once") == "yes";
            let webhook = app.webhooks.renew_secret(&permit, id, at_once).await;
            let webhook = webhook.map_err(Problem::from)?;
            return Ok(secret(&app, &caller, webhook, false)?);
        }
        "delete" => {
            return match app.webhooks.remove(&permit, id).await {
                // Somebody else has deleted it.
                Ok(()) | Err(NotDone::Gone) => Ok(Redirect::to(HERE).into_response()),
                Err(no) => Err(Problem::from(no).into()),
            };
        }
        _ => return Err(Problem::invalid("The form does not say what to do.").into()),
    };
    match done {
        Ok(()) => Ok(Redirect::to(&format!("{HERE}/{name}")).into_response()),
        Err(no) => {
            let again = one(&app, &caller, id, Some(flaw(no)?)).await?;
            Ok(with_status(page(&again), StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}
