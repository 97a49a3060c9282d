//! The audit log as it is shown to people and programs.

use crate::store::Reader;
use crate::store::records::audit_log::{AuditLine, Filter, last};
use crate::text::plain;
use crate::when;
use boxoffice::{EventId, OrderId, TimeMs};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;

/// Which lines are asked for.
#[derive(Clone, Default, Debug)]
pub struct Wanted {
    /// Only of the event with this slug and of its orders.
    pub event: Option<String>,
    /// Only of the order with this id.
    pub order: Option<String>,
    /// Only from this time on, in milliseconds since 1970.
    pub from_ms: TimeMs,
    /// At most so many, the last ones.
    pub limit: usize,
}

/// A line, in the words of people.
pub struct Shown {
    line: AuditLine,
    slug: Option<String>,
}

/// The last lines that are wanted, the oldest of them first. The error is a sentence.
pub fn lines(reader: &mut dyn Reader, wanted: &Wanted) -> Result<Vec<Shown>, String> {
    let events = reader.events().map_err(|fault| fault.to_string())?;
    let named = |slug: &String| {
        let found = events.iter().find(|event| event.spec.slug == *slug);
        found.map(|event| event.id).ok_or_else(|| format!("there is no event {}", plain(slug)))
    };
    let order = |id: &String| {
        let parsed = Uuid::parse_str(id).map(|id| OrderId(id.as_u128()));
        parsed.map_err(|_| format!("{} is not the id of an order", plain(id)))
    };
    let filter = Filter {
        event: wanted.event.as_ref().map(named).transpose()?,
        order: wanted.order.as_ref().map(order).transpose()?,
        from_ms: wanted.from_ms,
        limit: wanted.limit,
    };
    let found = last(reader.tables(), &filter).map_err(|fault| fault.to_string())?;
    let slugs: BTreeMap<EventId, &String> =
        events.iter().map(|event| (event.id, &event.spec.slug)).collect();
    let shown = |line: AuditLine| {
        let slug = line.event.and_then(|id| slugs.get(&id)).map(|slug| (*slug).clone());
        Shown { line, slug }
    };
    Ok(found.into_iter().map(shown).collect())
}

impl Shown {
    fn order(&self) -> Option<String> {
        self.line.order_id.map(|id| Uuid::from_u128(id.0).to_string())
    }

    /// As an object with `at`, `actor`, `action`, `event`, `order` and `detail`.
    pub fn json(&self) -> Value {
        json!({
            "at": when::rfc3339(self.line.at_ms),
            "actor": self.line.actor.to_string(),
            "action": self.line.action.word(),
            "event": self.slug,
            "order": self.order(),
            "detail": self.line.detail,
        })
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AuditLine { at_ms, actor, action, detail, .. } = &self.line;
        write!(f, "{} {actor} {}", when::rfc3339(*at_ms), action.word())?;
        if let Some(slug) = &self.slug {
            write!(f, " event {slug}")?;
        }
        if let Some(order) = self.order() {
            write!(f, " order {order}")?;
        }
        // Others have a say in it, the payment provider for one.
        write!(f, ": {}", plain(detail))
    }
}
