//! What is on sale.

use super::{flag, text};
use crate::http::openapi::{Group, Operation, operation};
use nts_api::ProblemCode::*;
use nts_api::{Event, EventCounts, EventList};

pub fn events() -> Operation {
    operation(Group::Events, "list_events", "List events")
        .says(
            "The public events that are not over, the next to begin first. With a key also the drafts that its role \
             may see; a wrong key is refused.",
        )
        .query("over", flag(), "Also those that are over.")
        .gives::<EventList<'static>>(200, "The events with their counts.")
        .tagged()
        .problems(&[Unauthorized])
}

pub fn event() -> Operation {
    operation(Group::Events, "get_event", "Read an event")
        .says(
            "Its ticket types with their prices, and how many are left. `as_of` says when the counts were true. With \
             a key whose role may see events it has hidden ticket types, and with one that may change them also the \
             codes.",
        )
        .query("code", text(), "As the buyer with this code sees it.")
        .gives::<Event<'static>>(200, "The event with its counts.")
        .tagged()
        .leads("hold_tickets", "event", "$response.body#/id")
        .problems(&[CodeInvalid, CodeUsedUp, TooManyRequests])
}

pub fn live() -> Operation {
    operation(Group::Events, "follow_event", "Follow the counts of an event")
        .says(
            "Server-sent events: the first at once, then one after each change, at most four a second. A line that \
             begins with `data:` has the counts as JSON.",
        )
        .gives_events::<EventCounts<'static>>("The counts as they change.")
}
