//! What the routes of the API say of themselves. A route is described here under the name of its handler, and takes
//! that description in the list of routes; the list is not built with a route of the API that has none.

mod door;
mod events;
mod orders;
mod organiser;
mod webhooks;

pub use door::*;
pub use events::*;
pub use orders::*;
pub use organiser::*;
pub use webhooks::*;

use serde_json::{Value, json};

/// The schema of a text.
fn text() -> Value {
    json!({"type": "string"})
}

/// The schema of a whole number in this range.
fn whole(least: u32, most: u32) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

/// The schema of one of these words.
fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

/// The schema of what is `true` or `false`.
fn flag() -> Value {
    json!({"type": "boolean", "default": false})
}

/// The schema of a time in a query. An empty parameter is as good as none.
fn time() -> Value {
    json!({"type": "string", "anyOf": [{"format": "date-time"}, {"maxLength": 0}]})
}
