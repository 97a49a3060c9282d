//! The office: the pages of organisers and their staff, under `/office`. They are in English.
//!
//! Each handler takes [`Staff`], or [`SentByStaff`](super::extract::SentByStaff) for a form, and asks its caller
//! for the permit that the use case wants. A form is answered by 303 to the page that shows what was done, and by
//! the form again, with what was typed, if something is wrong.

pub mod account;
pub mod home;
pub mod keys;
pub mod lead;
pub mod people;
pub mod sign_in;
pub mod welcome;

use super::auth::{is_office, signed_in, staff};
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
        Ok(Staff(staff(app, &parts.headers).await?))
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
    /// The ways to other pages: address, words, and whether this page is there.
    pub ways: Vec<Way>,
}

/// A way to another page.
pub struct Way {
    /// The address.
    pub path: String,
    /// What is there.
    pub words: &'static str,
    /// Whether this page is there.
    pub here: bool,
}

/// The parts of the office, in the order of the navigation, with the right that each needs. A page of one event
/// has ways to the other pages of the event.
const PARTS: &[(&str, &str, Right)] = &[
    ("/office", "Events", Right::SeeEvents),
    ("/office/people", "People", Right::ManageAccess),
    ("/office/keys", "Keys", Right::ManageAccess),
];
/// The own account of whoever is signed in.
const ACCOUNT: (&str, &str) = ("/office/account", "Your account");
/// The pages of an event: the last part of the address, what is there, and the right that it needs.
const OF_EVENT: &[(&str, &str, Right)] = &[];

impl OfficeFrame {
    /// The frame of a page of the shop. `here`: the address of the part.
    pub fn of_shop(app: &App, caller: &Caller, here: &str) -> OfficeFrame {
        let parts = PARTS.iter().filter(|(_, _, right)| caller.has_anywhere(*right));
        let way = |(path, words, _): &(&str, &'static str, Right)| Way {
            path: (*path).into(),
            words,
            here: *path == here,
        };
        let mut ways: Vec<Way> = parts.map(way).collect();
        if matches!(caller.actor(), Actor::Staff(_)) {
            let (path, words) = ACCOUNT;
            ways.push(Way { path: path.into(), words, here: path == here });
        }
        OfficeFrame { frame: frame(app), ways }
    }

    /// The frame of a page for whoever is not signed in.
    pub fn outside(app: &App) -> OfficeFrame {
        OfficeFrame { frame: frame(app), ways: Vec::new() }
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
        };
        let back = Way { path: "/office".into(), words: "All events", here: false };
        let ways = [back].into_iter().chain(pages.map(way)).collect();
        OfficeFrame { frame: frame(app), ways }
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
