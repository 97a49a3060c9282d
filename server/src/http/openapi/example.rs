//! Examples: the request that an operation shows, as a command for a shell and in the document; and the answer to
//! it, as a server gave it.
//!
//! In what an operation says, `$ID` is the id of an order, `$SECRET` its secret and `$CODE` the code of its first
//! ticket; so these are called in the commands. `server/tests/pages/openapi.rs` sends each example to a server and
//! keeps the answers in `examples.json`; `tests/it/docs.rs` runs each command.

use super::{Content, Operation};
use crate::http::routes::{Access, Described};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What must be there before the example of an operation is sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Needs {
    /// Nothing but the demo event.
    #[default]
    Nothing,
    /// The event that the example of `put_event` makes.
    Event,
    /// The same, cancelled.
    CanceledEvent,
    /// An order that is held.
    Held,
    /// An order that is paid, and its tickets.
    Paid,
    /// The scan that the example of `check_in` records.
    Scan,
    /// Two keys that sign tickets.
    Keys,
    /// The link of a gate that the example of `make_gate_link` makes; `$LINK` is its id.
    Link,
    /// The webhook that the example of `make_webhook` makes; `$WEBHOOK` is its id.
    Webhook,
    /// The same with a test message; `$DELIVERY` is its id.
    Delivery,
}

impl Needs {
    /// In words, after "For".
    pub fn words(self) -> Option<&'static str> {
        match self {
            Needs::Nothing => None,
            Needs::Event => Some("an event of yours, made as under Create or change an event"),
            Needs::CanceledEvent => Some("an event that was cancelled"),
            Needs::Held => Some("an order that is held"),
            Needs::Paid => Some("an order that is paid"),
            Needs::Scan => Some("a scan, made as under Check somebody in"),
            Needs::Keys => Some("the first key, after another one was made"),
            Needs::Link => {
                Some("a link of which LINK is the id, as Make a link for a gate answers it")
            }
            Needs::Webhook => {
                Some("a webhook of which WEBHOOK is the id, as Make a webhook answers it")
            }
            Needs::Delivery => Some(
                "a webhook of which WEBHOOK is the id, and a delivery of which DELIVERY is the id, as Send a test \
                 message answers it",
            ),
        }
    }
}

/// The example of an operation.
#[derive(Clone, Default, Debug)]
pub(super) struct Example {
    pub body: Option<String>,
    pub needs: Needs,
    /// What stands for parameters of the path, where it is not the usual.
    pub at: Vec<(&'static str, &'static str)>,
    /// A parameter of the query that must be there.
    pub query: Option<(&'static str, &'static str)>,
}

/// What stands for the names of an example.
const IN_DOCUMENT: [(&str, &str); 5] = [
    ("$ID", "01a22463-3402-7000-993a-6eabf95fb880"),
    ("$CODE", "TBH9-C55B-ENG4"),
    ("$LINK", "8b0f6d1e-5a0c-4c57-9d5b-0a6a4d1f7c21"),
    ("$WEBHOOK", "01a22463-3402-7000-8f3a-5ebbf95fb881"),
    ("$DELIVERY", "msg_01a2246334027000993a6eabf95fb882"),
];

fn filled(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

impl Example {
    /// What stands for a parameter of the path.
    fn at(&self, parameter: &str) -> &'static str {
        if let Some((_, value)) = self.at.iter().find(|(name, _)| *name == parameter) {
            return value;
        }
        match parameter {
            "event" => "best-show-ever",
            "id" => "$ID",
            "code" => "$CODE",
            "number" => "1",
            "key" => "1",
            "device" => "5f0b8d6e-3f0a-4c57-9d5b-0a6a4d1f7c21",
            "nonce" => "c2a3f6f0-7c59-4f0e-8f0b-2d4f5a1b9e37",
            "file" => "orders.csv",
            "link" => "$LINK",
            "webhook" => "$WEBHOOK",
            "delivery" => "$DELIVERY",
            other => panic!("say what stands for {{{other}}} in an example: see `Example::at`"),
        }
    }

    /// The same in the document.
    pub fn in_document(&self, parameter: &str) -> Value {
        let text = filled(self.at(parameter), &IN_DOCUMENT);
        text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
    }

    /// The body in the document.
    pub fn body_in_document(&self, content: &Content) -> Option<Value> {
        let text = filled(self.body.as_deref()?, &IN_DOCUMENT);
        match content {
            Content::Csv => Some(text.into()),
            _ => Some(serde_json::from_str(&text).expect("the example of a body is JSON")),
        }
    }
}

/// The answer to the example of an operation, as a server gave it.
pub(super) fn recorded(id: &str) -> Option<&'static Value> {
    static ALL: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    let read = || serde_json::from_str(include_str!("examples.json")).expect("examples are JSON");
    ALL.get_or_init(read).get(id)
}

impl Operation {
    /// What must be there before its example is sent.
    pub fn needs(&self) -> Needs {
        self.example.needs
    }

    /// The address of its example, with these values for `$ID` and `$CODE`.
    pub fn example_path(&self, path: &str, values: &[(&str, &str)]) -> String {
        let names = super::names_in(path);
        let path = names.fold(path.to_owned(), |path, name| {
            path.replace(&format!("{{{name}}}"), self.example.at(name))
        });
        let query = self.example.query.map(|(name, value)| format!("?{name}={value}"));
        filled(&(path + &query.unwrap_or_default()), values)
    }

    /// The body of its example and the media type, with these values.
    pub fn example_body(&self, values: &[(&str, &str)]) -> Option<(&'static str, String)> {
        let body = filled(self.example.body.as_deref()?, values);
        Some((self.sends.media_type()?, body))
    }
}

/// The example of a route as a command for a shell. `base`: the address of the server.
pub fn curl(route: &Described, operation: &Operation, base: &str) -> String {
    let path = operation.example_path(route.path, &[]);
    let body = operation.example.body.as_deref();
    let usual = if body.is_some() { "POST" } else { "GET" };
    let method = match route.method.as_str() {
        method if method == usual => String::new(),
        method => format!(" -X {method}"),
    };
    // A stream has no end.
    let stream = match operation.yes.first().map(|yes| &yes.content) {
        Some(Content::Events(_)) => " -N --max-time 3",
        _ => "",
    };
    let mut parts = vec![format!("curl{stream}{method} {base}{path}")];
    match route.access {
        Access::Staff(_) => parts.push("-H \"Authorization: Bearer $KEY\"".into()),
        Access::OrderOrStaff(_) => parts.push("-H \"Authorization: Bearer $SECRET\"".into()),
        _ => {}
    }
    if operation.keyed {
        parts.push("-H \"Idempotency-Key: $(uuidgen)\"".into());
    }
    if let (Some(kind), Some(body)) = (operation.sends.media_type(), body) {
        parts.push(format!("-H 'Content-Type: {kind}'"));
        match operation.sends {
            // Line ends would be taken away by -d.
            Content::Csv => {
                parts[0] = format!("printf '{}' |\n  {}", body.replace('\n', "\\n"), parts[0]);
                parts.push("--data-binary @-".into());
            }
            _ => parts.push(format!("-d '{}'", told(body).replace("$CODE", "'\"$CODE\"'"))),
        }
    }
    parts.join(" \\\n  ")
}

/// A body as people read it.
fn told(body: &str) -> String {
    let lines = || {
        let body: Value = serde_json::from_str(body).expect("the example of a body is JSON");
        serde_json::to_string_pretty(&body).expect("it was JSON before")
    };
    if body.len() <= 100 { body.to_owned() } else { lines() }
}
