//! The questions of an event as they lie in their column: JSON, and nothing where there are none.

use super::records::{Field, Kind, Value};
use boxoffice::{QuestionKind, QuestionSpec};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    id: String,
    text: String,
    kind: StoredKind,
    required: bool,
    per_ticket: bool,
    ticket_types: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StoredKind {
    Line,
    Lines,
    Choice(Vec<String>),
    YesNo,
}

impl Stored {
    fn of(question: &QuestionSpec) -> Stored {
        let QuestionSpec { id, text, kind, required, per_ticket, ticket_types } = question.clone();
        let kind = match kind {
            QuestionKind::Line => StoredKind::Line,
            QuestionKind::Lines => StoredKind::Lines,
            QuestionKind::Choice(choices) => StoredKind::Choice(choices),
            QuestionKind::YesNo => StoredKind::YesNo,
        };
        Stored { id, text, kind, required, per_ticket, ticket_types }
    }

    fn spec(self) -> QuestionSpec {
        let Stored { id, text, kind, required, per_ticket, ticket_types } = self;
        let kind = match kind {
            StoredKind::Line => QuestionKind::Line,
            StoredKind::Lines => QuestionKind::Lines,
            StoredKind::Choice(choices) => QuestionKind::Choice(choices),
            StoredKind::YesNo => QuestionKind::YesNo,
        };
        QuestionSpec { id, text, kind, required, per_ticket, ticket_types }
    }
}

impl Field for Vec<QuestionSpec> {
    const KIND: Kind = Kind::Text;

    fn value(&self) -> Value {
        if self.is_empty() {
            return Value::Text(String::new());
        }
        let stored: Vec<Stored> = self.iter().map(Stored::of).collect();
        Value::Text(serde_json::to_string(&stored).expect("questions are JSON"))
    }

    fn read(value: Value) -> Option<Vec<QuestionSpec>> {
        let text = String::read(value)?;
        if text.is_empty() {
            return Some(Vec::new());
        }
        let stored: Vec<Stored> = serde_json::from_str(&text).ok()?;
        Some(stored.into_iter().map(Stored::spec).collect())
    }
}
