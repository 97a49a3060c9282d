//! The first page of the office: the events that its reader may see, and what needs a person.

use super::sale::state;
use super::{OfficeFrame, Staff};
use crate::access::{Right, may};
use crate::http::page::{Moment, Page, page};
use crate::http::site::Site;
use crate::language::Lang;
use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use boxoffice::{Event, Money, TimeMs};
use std::sync::Arc;

/// So many events that are over are shown with their figures.
const MOST_OVER: usize = 20;

#[derive(Template)]
#[template(path = "office/home.html")]
struct HomePage {
    office: OfficeFrame,
    groups: Vec<Group>,
    /// Whether this reader may see how any event sells.
    sees: bool,
    /// The events at whose doors this reader checks people in, if they may see no more of them.
    doors: Vec<Door>,
    /// Whether this reader can make events.
    may_make: bool,
    /// How many more events are over.
    more_over: usize,
}

impl HomePage {
    fn is_empty(&self) -> bool {
        self.groups.iter().all(|group| group.events.is_empty())
    }
}

/// Events that stand alike.
struct Group {
    title: &'static str,
    events: Vec<Row>,
}

/// An event at whose door people are checked in.
struct Door {
    slug: String,
    name: String,
    starts: Moment,
    place: String,
}

/// An event in the list.
struct Row {
    slug: String,
    name: String,
    starts: Moment,
    place: String,
    state: &'static str,
    sold: String,
    capacity: String,
    percent: u64,
    revenue: String,
    /// How many things need a person.
    attention: usize,
}

/// The group of an event, in the order in which groups are shown.
fn group(event: &Event, now: TimeMs) -> usize {
    match state(event, now) {
        "Over" | "Cancelled" => 2,
        "Draft" => 3,
        "Not on sale yet" => 1,
        _ => 0,
    }
}

/// `GET /office?over=all`: with `over=all`, all events that are over.
/// Open to whoever is signed in: each sees the events that they may see.
pub async fn home(State(app): State<Arc<Site>>, Staff(caller): Staff, uri: Uri) -> Page {
    let now = app.clock.now_ms();
    let titles = ["On sale", "Coming", "Over", "Drafts"];
    let mut sorted: [Vec<Arc<Event>>; 4] = Default::default();
    for event in app.catalogue.events() {
        if caller.has(Right::SeeEvents, Some(event.id)) {
            sorted[group(&event, now)].push(event);
        }
    }
    // What was last comes first.
    sorted[2].reverse();
    let shown = if uri.query() == Some("over=all") { usize::MAX } else { MOST_OVER };
    let more_over = sorted[2].len().saturating_sub(shown);
    sorted[2].truncate(shown);
    let mut groups = Vec::new();
    for (title, of_group) in titles.into_iter().zip(sorted) {
        let mut events = Vec::new();
        for event in of_group {
            let permit = caller.permit::<may::SeeEvents>(event.id)?;
            let figures = app.watching.figures(&permit, &event).await?;
            let attention = app.watching.attention(&permit).await?;
            let sum = |of: fn(&boxoffice::Pool) -> u32| -> u64 {
                event.pools.iter().map(|pool| u64::from(of(pool))).sum()
            };
            let (sold, capacity) = (sum(|pool| pool.sold), sum(|pool| pool.capacity));
            let minor = figures.total().revenue_minor();
            events.push(Row {
                slug: event.spec.slug.clone(),
                name: event.spec.name.clone(),
                starts: Moment::of(Lang::En, &event.spec),
                place: event.spec.place.clone(),
                state: state(&event, now),
                sold: Lang::En.number(sold as i64),
                capacity: Lang::En.number(capacity as i64),
                percent: sold * 100 / capacity.max(1),
                revenue: Lang::En.money(Money { minor, currency: event.spec.currency }),
                attention: attention.count(),
            });
        }
        groups.push(Group { title, events });
    }
    let may_make = caller.has(Right::ChangeEvents, None);
    let office = OfficeFrame::of_shop(&app, &caller, "/office");
    let sees = caller.has_anywhere(Right::SeeEvents);
    let mut doors = Vec::new();
    for event in app.catalogue.events() {
        if !sees && caller.has(Right::CheckIn, Some(event.id)) && !event.is_over(now) {
            doors.push(Door {
                slug: event.spec.slug.clone(),
                name: event.spec.name.clone(),
                starts: Moment::of(Lang::En, &event.spec),
                place: event.spec.place.clone(),
            });
        }
    }
    Ok(page(&HomePage { office, groups, sees, doors, may_make, more_over }))
}
