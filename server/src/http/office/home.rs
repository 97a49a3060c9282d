//! The first page of the office: the events that its reader may see.

use super::{OfficeFrame, Staff};
use crate::access::Right;
use crate::http::page::{Moment, Page, page};
use crate::http::site::Site;
use crate::language::Lang;
use askama::Template;
use axum::extract::State;
use boxoffice::Event;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "office/home.html")]
struct HomePage {
    office: OfficeFrame,
    events: Vec<Row>,
}

/// An event in the list.
struct Row {
    slug: String,
    name: String,
    starts: Moment,
    hidden: bool,
    sold: u32,
    capacity: u32,
}

impl Row {
    fn of(event: &Event) -> Row {
        Row {
            slug: event.spec.slug.clone(),
            name: event.spec.name.clone(),
            starts: Moment::of(Lang::En, &event.spec),
            hidden: event.spec.hidden,
            sold: event.pools.iter().map(|pool| pool.sold).sum(),
            capacity: event.pools.iter().map(|pool| pool.capacity).sum(),
        }
    }
}

/// `GET /office`
pub async fn home(State(app): State<Arc<Site>>, Staff(caller): Staff) -> Page {
    let mut events = app.catalogue.events();
    events.retain(|event| caller.has(Right::SeeEvents, Some(event.id)));
    events.sort_by_key(|event| event.spec.starts_ms);
    let events = events.iter().map(|event| Row::of(event)).collect();
    let office = OfficeFrame::of_shop(&app, &caller, "/office");
    Ok(page(&HomePage { office, events }))
}
