//! API keys: which there are, making one, ending one.

use super::account::told;
use super::lead::with_status;
use super::people::{event, events, id, role, roles, words};
use super::{OfficeFrame, Staff};
use crate::access::Caller;
use crate::accounts::keys::KeyRoles;
use crate::accounts::own::NotChanged;
use crate::accounts::people::NewRole;
use crate::http::extract::{Form, Sent, SentByStaff};
use crate::http::page::{Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::text::begin;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use std::sync::Arc;

const HERE: &str = "/office/keys";
/// How many bytes of what was typed are shown again.
const SHOWN: usize = 254;

#[derive(Template)]
#[template(path = "office/keys.html")]
struct KeysPage {
    office: OfficeFrame,
    keys: Vec<Row>,
    roles: Vec<(&'static str, &'static str)>,
    events: Vec<(String, String)>,
    name: String,
    error: Option<&'static str>,
}

struct Row {
    id: String,
    name: String,
    /// What it may do at this moment.
    roles: Vec<String>,
    /// Whether that is less than it was given.
    less: bool,
    made: String,
    used: Option<String>,
}

#[derive(Template)]
#[template(path = "office/key.html")]
struct KeyPage {
    office: OfficeFrame,
    name: String,
    key: String,
}

impl KeysPage {
    async fn new(app: &Site, caller: &Caller) -> Result<KeysPage, Problem> {
        let keys = app.accounts.keys(&caller.shop_permit()?).await?;
        let row = |KeyRoles { key, grants, less }: KeyRoles| Row {
            id: format!("{:032x}", key.id),
            name: key.name,
            roles: grants.iter().map(|grant| words(app, grant.role, grant.event)).collect(),
            less,
            made: told(key.made_ms),
            used: key.seen_ms.map(told),
        };
        Ok(KeysPage {
            office: OfficeFrame::of_shop(app, caller, HERE),
            keys: keys.into_iter().map(row).collect(),
            roles: roles(),
            events: events(app),
            name: String::new(),
            error: None,
        })
    }
}

/// `GET /office/keys`
pub async fn show(State(app): State<Arc<Site>>, Staff(caller): Staff) -> Page {
    Ok(page(&KeysPage::new(&app, &caller).await?))
}

/// `POST /office/keys`: makes a key, and shows it this once.
pub async fn make(
    State(app): State<Arc<Site>>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Page {
    let permit = caller.shop_permit().map_err(Problem::from)?;
    let form = Form::read(&headers, &body)?;
    let made = async {
        let role = role(&form)?;
        let mut new = Vec::new();
        // All events, or some.
        for named in form.all("event") {
            new.push(NewRole { role, event: event(&app, named)? });
        }
        if new.len() > 1 && new.iter().any(|new| new.event.is_none()) {
            return Err(NotChanged::Flaw("Please choose all events or some, not both."));
        }
        app.accounts.make_key(&permit, form.get("name"), &new).await
    };
    let name = form.get("name");
    match made.await {
        Ok(key) => {
            let office = OfficeFrame::of_shop(&app, &caller, HERE);
            Ok(page(&KeyPage { office, name: name.to_owned(), key }))
        }
        Err(NotChanged::Flaw(flaw)) => {
            let mut again = KeysPage::new(&app, &caller).await?;
            again.error = Some(flaw);
            begin(name, SHOWN).clone_into(&mut again.name);
            Ok(with_status(page(&again), StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(no) => Err(no.into()),
    }
}

/// `POST /office/keys/{office_key}/end`
pub async fn end(
    State(app): State<Arc<Site>>,
    Path(key): Path<String>,
    SentByStaff(caller, _): SentByStaff,
) -> Page {
    let permit = caller.shop_permit().map_err(Problem::from)?;
    match app.accounts.end_key(&permit, id(&key, "key")?).await {
        // Somebody else has ended it.
        Ok(()) | Err(NotChanged::Gone) => Ok(Redirect::to(HERE).into_response()),
        Err(no) => Err(no.into()),
    }
}
