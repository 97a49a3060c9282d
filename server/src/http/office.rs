//! The office: the pages of organisers and their staff, under `/office`. They are in English.
//!
//! Each handler takes [`Staff`], or [`SentByStaff`](super::extract::SentByStaff) for a form, and asks its caller
//! for the permit that the use case wants. A form is answered by 303 to the page that shows what was done, and by
//! the form again, with what was typed, if something is wrong.

pub mod account;
pub mod answers;
mod chart;
pub mod door;
pub mod event_form;
pub mod event_log;
pub mod events;
pub mod export;
pub mod form;
pub mod guests;
pub mod home;
pub mod keys;
pub mod lead;
pub mod order;
pub mod order_forms;
mod order_words;
pub mod orders;
pub mod people;
pub mod sale;
pub mod sell;
pub mod shop;
pub mod sign_in;
pub mod webhooks;
pub mod welcome;

use super::auth::{is_office, open_page, signed_in, staff_at};
use super::page::{Frame, PageProblem};
use super::problem::Problem;
use super::site::Site;
use crate::access::{Caller, Right, Role};
use crate::accounts::SignedIn;
use crate::actor::Actor;
use crate::app::App;
use crate::language::Lang;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use boxoffice::EventId;
use std::sync::Arc;

/// Whoever is signed in, or sends a key.
pub struct Staff(pub Caller);

impl FromRequestParts<Arc<Site>> for Staff {
    type Rejection = PageProblem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Site>) -> Result<Staff, PageProblem> {
        Ok(Staff(staff_at(app, parts.uri.path(), &parts.headers).await?))
    }
}

/// Whoever has a page open that asks by itself. Their session is not used by that.
pub struct OpenPage(pub Caller);

impl FromRequestParts<Arc<Site>> for OpenPage {
    type Rejection = PageProblem;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<Site>,
    ) -> Result<OpenPage, PageProblem> {
        Ok(OpenPage(open_page(app, &parts.headers).await?))
    }
}

/// Whoever is signed in, whatever they may do. A key is nobody here.
pub struct Person(pub SignedIn);

impl FromRequestParts<Arc<Site>> for Person {
    type Rejection = PageProblem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Site>) -> Result<Person, PageProblem> {
        assert!(is_office(parts.uri.path()), "sessions count in the office only");
        Ok(Person(signed_in(app, &parts.headers).await?.ok_or_else(Problem::not_signed_in)?))
    }
}

/// What the frame around every page of the office must know.
pub struct OfficeFrame {
    /// That of all pages.
    pub frame: Frame,
    /// The name of the shop.
    pub shop: String,
    /// Who is signed in; `None` on the pages before that.
    pub who: Option<Who>,
    /// The ways to the parts of the office.
    pub parts: Vec<Way>,
    /// The event of the page, if it is one of an event.
    pub event: Option<OfEvent>,
}

/// Who is signed in, for the frame.
pub struct Who {
    /// What is shown.
    pub name: String,
    /// The page of the own account; none of a key.
    pub account: Option<&'static str>,
}

impl Who {
    /// How the frame names a caller.
    fn of(caller: &Caller) -> Who {
        match caller.actor() {
            Actor::Staff(_) => {
                Who { name: "Your account".into(), account: Some("/office/account") }
            }
            _ => Who { name: "Signed in by a key".into(), account: None },
        }
    }
}

/// The event of a page, for the frame.
pub struct OfEvent {
    /// Its name.
    pub name: String,
    /// Whether it is a draft.
    pub hidden: bool,
    /// The ways to its pages.
    pub pages: Vec<Way>,
}

/// A way to another page.
pub struct Way {
    /// The address.
    pub path: String,
    /// What is there.
    pub words: &'static str,
    /// Whether this page is there.
    pub here: bool,
    /// Whether this page is below it.
    pub within: bool,
}

/// The parts of the office, in the order of the navigation, with the right that each needs. A page of one event
/// has ways to the other pages of the event.
const PARTS: &[(&str, &str, Right)] = &[
    ("/office", "Events", Right::SeeEvents),
    ("/office/orders", "Orders", Right::SeeOrders),
    ("/office/people", "People", Right::ManageAccess),
    ("/office/keys", "Keys", Right::ManageAccess),
    ("/office/webhooks", "Hooks", Right::ManageShop),
    ("/office/shop", "Shop", Right::ManageShop),
];
/// The pages of an event: the last part of the address, what is there, and the right that it needs.
const OF_EVENT: &[(&str, &str, Right)] = &[
    ("", "Sale", Right::SeeEvents),
    ("orders", "Orders", Right::SeeOrders),
    ("sell", "Sell", Right::SellTickets),
    ("door", "Door", Right::SeeEvents),
    ("edit", "Edit", Right::ChangeEvents),
    ("picture", "Picture", Right::ChangeEvents),
    ("accounts", "Accounts", Right::SeeOrders),
    ("export", "Export", Right::SeeOrders),
    ("log", "Log", Right::SeeOrders),
];

impl OfficeFrame {
    /// The frame of a page of the shop. `here`: the address of the part.
    pub fn of_shop(app: &App, caller: &Caller, here: &str) -> OfficeFrame {
        let parts = PARTS.iter().filter(|(_, _, right)| caller.has_anywhere(*right));
        let way = |(path, words, _): &(&str, &'static str, Right)| Way {
            path: (*path).into(),
            words,
            here: *path == here,
            within: false,
        };
        OfficeFrame {
            frame: frame(app),
            shop: shop(app),
            who: Some(Who::of(caller)),
            parts: parts.map(way).collect(),
            event: None,
        }
    }

    /// The frame of a page of an event. `here`: the last part of the address.
    pub fn of_event(
        app: &App,
        caller: &Caller,
        (event, slug): (EventId, &str),
        here: &str,
    ) -> OfficeFrame {
        let pages = OF_EVENT.iter().filter(|(_, _, right)| caller.has(*right, Some(event)));
        let way = |(part, words, _): &(&str, &'static str, Right)| Way {
            path: format!("/office/events/{slug}/{part}").trim_end_matches('/').to_owned(),
            words,
            here: *part == here,
            within: false,
        };
        let pages = pages.map(way).collect();
        let known = app.catalogue.event_by_id(event);
        let name = known.as_ref().map_or(slug, |event| &event.spec.name).to_owned();
        let hidden = known.is_some_and(|event| event.spec.hidden);
        let event = Some(OfEvent { name, hidden, pages });
        let mut office = OfficeFrame { event, ..OfficeFrame::of_shop(app, caller, "") };
        office.parts.iter_mut().for_each(|part| part.within = part.path == "/office");
        office
    }

    /// The frame of a page for whoever is not signed in.
    pub fn outside(app: &App) -> OfficeFrame {
        OfficeFrame {
            frame: frame(app),
            shop: shop(app),
            who: None,
            parts: Vec::new(),
            event: None,
        }
    }
}

/// The name of the shop.
fn shop(app: &App) -> String {
    match app.shop.known().row.name.as_str() {
        "" => Lang::En.box_office().to_string(),
        name => name.to_owned(),
    }
}

/// A role in words.
pub(in crate::http) fn role_words(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Manager => "manager",
        Role::BoxOffice => "box office",
        Role::ReadOnly => "read-only",
        Role::Door => "door",
    }
}

fn frame(app: &App) -> Frame {
    let mut frame = Frame::english(app);
    frame.lang = Lang::En;
    frame
}
