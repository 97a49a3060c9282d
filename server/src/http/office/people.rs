//! People of the office: who has which role, invitations, who goes.

use super::account::told;
use super::lead::with_status;
use super::{OfficeFrame, Staff, role_words};
use crate::access::{Caller, Role, ShopPermit, may};
use crate::accounts::own::NotChanged;
use crate::accounts::people::{NewRole, PersonRoles};
use crate::actor::Actor;
use crate::http::extract::{Form, Sent, SentByStaff};
use crate::http::page::{Page, PageProblem, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::text::begin;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::EventId;
use std::sync::Arc;

const HERE: &str = "/office/people";
/// How many bytes of what was typed are shown again.
const SHOWN: usize = 254;

#[derive(Template)]
#[template(path = "office/people.html")]
struct PeoplePage {
    office: OfficeFrame,
    people: Vec<PersonRow>,
    pending: Vec<PendingRow>,
    roles: Vec<(&'static str, &'static str)>,
    events: Vec<(String, String)>,
    /// What was typed to invite somebody.
    email: String,
    error: Option<&'static str>,
    /// Whether invitations are sent by mail.
    mails: bool,
}

struct PersonRow {
    id: String,
    name: String,
    email: String,
    /// Whether it is the one who looks.
    own: bool,
    roles: Vec<RoleRow>,
}

struct RoleRow {
    words: String,
    /// The slug of the event; empty: all.
    event: String,
}

struct PendingRow {
    id: String,
    email: String,
    role: String,
    until: String,
}

#[derive(Template)]
#[template(path = "office/invitation.html")]
struct InvitationPage {
    office: OfficeFrame,
    id: String,
    email: String,
    role: String,
    url: String,
    until: String,
    mailed: bool,
}

/// The roles that can be chosen: the word that is sent, and what is shown.
pub(super) fn roles() -> Vec<(&'static str, &'static str)> {
    let told = |role: Role| match role {
        Role::Owner => "Owner: everything",
        Role::Manager => "Manager: events, orders, refunds",
        Role::BoxOffice => "Box office: orders, free tickets, sales",
        Role::ReadOnly => "Read-only: looks at events and orders",
        Role::Door => "Door: checks people in",
    };
    // The most powerful one is chosen on purpose.
    Role::ALL.into_iter().rev().map(|role| (role.word(), told(role))).collect()
}

/// The events that can be chosen: slug and name.
pub(super) fn events(app: &Site) -> Vec<(String, String)> {
    let mut events: Vec<(String, String)> = app
        .catalogue
        .events()
        .iter()
        .map(|event| (event.spec.slug.clone(), event.spec.name.clone()))
        .collect();
    events.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
    events
}

/// A role for an event in words.
pub(super) fn words(app: &Site, role: Role, event: Option<EventId>) -> String {
    let role = role_words(role);
    match event {
        None => format!("{role}, all events"),
        Some(event) => match app.catalogue.event_by_id(event) {
            Some(event) => format!("{role}, {}", event.spec.name),
            None => format!("{role}, an event that is no more"),
        },
    }
}

/// The event that a form names by its slug; none: all. An event that was deleted is named by its number.
pub(super) fn event(app: &Site, named: &str) -> Result<Option<EventId>, NotChanged> {
    if named.is_empty() {
        return Ok(None);
    }
    if let Some(id) = named.strip_prefix('#').and_then(|id| id.parse().ok()) {
        return Ok(Some(EventId(id)));
    }
    let event = app.catalogue.event(named);
    event.map(|event| Some(event.id)).ok_or(NotChanged::Flaw("Please choose an event of the list."))
}

/// How a form names an event.
fn name_of(app: &Site, event: Option<EventId>) -> String {
    let Some(id) = event else { return String::new() };
    let known = app.catalogue.event_by_id(id);
    known.map_or_else(|| format!("#{}", id.0), |event| event.spec.slug.clone())
}

/// The role that a form names.
pub(super) fn role(form: &Form) -> Result<Role, NotChanged> {
    form.get("role").parse().map_err(|()| NotChanged::Flaw("Please choose a role of the list."))
}

pub(super) fn id(text: &str, what: &'static str) -> Result<u128, Problem> {
    let plain = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let id = plain.then(|| u128::from_str_radix(text, 16).ok()).flatten();
    id.ok_or_else(|| Problem::no_more(what))
}

fn permit(caller: &Caller) -> Result<ShopPermit<may::ManageAccess>, Problem> {
    Ok(caller.shop_permit()?)
}

impl PeoplePage {
    async fn new(app: &Site, caller: &Caller) -> Result<PeoplePage, Problem> {
        let permit = permit(caller)?;
        let people = app.accounts.people(&permit).await?;
        let pending = app.accounts.invitations(&permit).await?;
        let person = |PersonRoles { account, grants }: PersonRoles| PersonRow {
            id: format!("{:032x}", account.id),
            own: caller.actor() == Actor::Staff(account.id),
            name: account.name,
            email: account.email,
            roles: grants
                .iter()
                .map(|row| row.grant())
                .map(|grant| RoleRow {
                    words: words(app, grant.role, grant.event),
                    event: name_of(app, grant.event),
                })
                .collect(),
        };
        let pending = pending.into_iter().map(|link| PendingRow {
            id: format!("{:032x}", link.id),
            role: link.role.map_or(String::new(), |role| words(app, role, link.event)),
            until: told(link.ends_ms),
            email: link.email,
        });
        Ok(PeoplePage {
            office: OfficeFrame::of_shop(app, caller, HERE),
            people: people.into_iter().map(person).collect(),
            pending: pending.collect(),
            roles: roles(),
            events: events(app),
            email: String::new(),
            error: None,
            mails: app.mailing.has_relay,
        })
    }
}

/// The page again with what is wrong, or the way back to it.
async fn shown(
    app: &Site,
    caller: &Caller,
    done: Result<Response, NotChanged>,
    email: &str,
) -> Page {
    match done {
        Ok(response) => Ok(response),
        Err(NotChanged::Flaw(flaw)) => {
            let mut again = PeoplePage::new(app, caller).await?;
            again.error = Some(flaw);
            begin(email, SHOWN).clone_into(&mut again.email);
            Ok(with_status(page(&again), StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(no) => Err(no.into()),
    }
}

fn back() -> Response {
    Redirect::to(HERE).into_response()
}

/// `GET /office/people`
pub async fn show(State(app): State<Arc<Site>>, Staff(caller): Staff) -> Page {
    Ok(page(&PeoplePage::new(&app, &caller).await?))
}

/// `POST /office/people/invitations`
pub async fn invite(
    State(app): State<Arc<Site>>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Page {
    let permit = permit(&caller)?;
    let form = Form::read(&headers, &body)?;
    let invited = async {
        let new = NewRole { role: role(&form)?, event: event(&app, form.get("event"))? };
        let mail = app.mailing.has_relay;
        let id = app.accounts.invite(&permit, form.get("email"), new, mail).await?;
        Ok(Redirect::to(&format!("{HERE}/invitations/{id:032x}")).into_response())
    };
    let invited = invited.await;
    shown(&app, &caller, invited, form.get("email")).await
}

/// `GET /office/people/invitations/{invitation}`
pub async fn invitation(
    State(app): State<Arc<Site>>,
    Staff(caller): Staff,
    Path(invitation): Path<String>,
) -> Page {
    let permit = permit(&caller)?;
    let pending = app.accounts.pending(&permit, id(&invitation, "invitation")?).await?;
    let pending = pending.ok_or_else(|| Problem::no_more("invitation"))?;
    let link = pending.link;
    Ok(page(&InvitationPage {
        office: OfficeFrame::of_shop(&app, &caller, HERE),
        id: format!("{:032x}", link.id),
        role: link.role.map_or(String::new(), |role| words(&app, role, link.event)),
        url: app.links.office_url("welcome", link.id),
        until: told(link.ends_ms),
        email: link.email,
        mailed: app.mailing.has_relay,
    }))
}

/// `POST /office/people/invitations/{invitation}`: takes it back.
pub async fn uninvite(
    State(app): State<Arc<Site>>,
    Path(invitation): Path<String>,
    SentByStaff(caller, _): SentByStaff,
) -> Page {
    match app.accounts.uninvite(&permit(&caller)?, id(&invitation, "invitation")?).await {
        // It was accepted, or has ended.
        Ok(()) | Err(NotChanged::Gone) => Ok(back()),
        Err(no) => Err(no.into()),
    }
}

fn no_person(no: NotChanged) -> PageProblem {
    match no {
        NotChanged::Gone => Problem::no_more("person").into(),
        no => no.into(),
    }
}

/// `POST /office/people/{person}/role`: gives a role.
pub async fn give_role(
    State(app): State<Arc<Site>>,
    Path(person): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Page {
    let permit = permit(&caller)?;
    let (form, person) = (Form::read(&headers, &body)?, id(&person, "person")?);
    let given = async {
        let new = NewRole { role: role(&form)?, event: event(&app, form.get("event"))? };
        app.accounts.give_role(&permit, person, new).await?;
        Ok(back())
    };
    match given.await {
        Err(NotChanged::Gone) => Err(no_person(NotChanged::Gone)),
        done => shown(&app, &caller, done, "").await,
    }
}

/// `POST /office/people/{person}/role/take`: takes the role for an event, or for all.
pub async fn take_role(
    State(app): State<Arc<Site>>,
    Path(person): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Page {
    let permit = permit(&caller)?;
    let (form, person) = (Form::read(&headers, &body)?, id(&person, "person")?);
    let taken = async {
        let event = event(&app, form.get("event"))?;
        app.accounts.take_role(&permit, person, event).await?;
        Ok(back())
    };
    match taken.await {
        Err(NotChanged::Gone) => Err(no_person(NotChanged::Gone)),
        done => shown(&app, &caller, done, "").await,
    }
}

/// `POST /office/people/{person}/remove`
pub async fn remove(
    State(app): State<Arc<Site>>,
    Path(person): Path<String>,
    SentByStaff(caller, _): SentByStaff,
) -> Page {
    let removed = app.accounts.remove(&permit(&caller)?, id(&person, "person")?).await;
    match removed {
        Err(NotChanged::Gone) => Err(no_person(NotChanged::Gone)),
        done => shown(&app, &caller, done.map(|()| back()), "").await,
    }
}
