//! The description of the API as a page for people, made from the document.

use super::example::{curl, recorded};
use super::{Group, OF_ALL, document, problems_of, statuses, who};
use crate::http::page::{Frame, escaped};
use crate::http::routes::Described;
use crate::http::site::Site;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use nts_api::ProblemCode;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The frame of the page around what is made once.
#[derive(Template)]
#[template(path = "docs_api.html")]
struct Page<'a> {
    frame: Frame,
    content: &'a str,
}

/// What is made once.
#[derive(Template)]
#[template(path = "docs_api_content.html")]
struct Content {
    /// The address of the server.
    base: String,
    version: String,
    groups: Vec<GroupShown>,
    of_all: Vec<ProblemCode>,
    types: Vec<Type>,
    problems: Vec<ProblemShown>,
    /// The commands of the first sale.
    hold: String,
    pay: String,
    read: String,
}

struct GroupShown {
    name: &'static str,
    operations: Vec<Shown>,
}

struct Shown {
    id: &'static str,
    method: String,
    path: &'static str,
    summary: &'static str,
    about: String,
    who: String,
    /// What the example is about.
    needs: Option<&'static str>,
    parameters: Vec<Row>,
    /// The type of the body.
    sends: Option<String>,
    answers: Vec<Answer>,
    problems: Vec<(u16, ProblemCode)>,
    curl: String,
    answer: Option<String>,
}

struct Answer {
    status: String,
    about: String,
    kind: Option<String>,
    headers: Vec<String>,
}

/// A parameter or a member.
struct Row {
    name: String,
    kind: String,
    required: bool,
    about: String,
}

struct Type {
    name: String,
    about: String,
    rows: Vec<Row>,
    words: Vec<String>,
    /// Of what else it has all members.
    with: Vec<String>,
}

struct ProblemShown {
    code: ProblemCode,
    statuses: String,
    operations: Vec<(&'static str, &'static str)>,
}

/// `GET /docs/api`
pub async fn page(State(site): State<Arc<Site>>) -> Response {
    let content = site.openapi.page(|| content(site.routes.all(), site.links.base()));
    let page = Page { frame: Frame::english(&site), content };
    crate::http::page::page(&page)
}

fn content(routes: &[Described], base: &str) -> String {
    let document = document(routes);
    let shown = |group: Group| {
        let of = routes.iter().filter(|r| r.operation.as_ref().is_some_and(|o| o.group == group));
        GroupShown {
            name: group.name(),
            operations: of.map(|r| operation(r, &document, base)).collect(),
        }
    };
    let schemas = document["components"]["schemas"].as_object().expect("the document has schemas");
    let types = schemas.iter().filter(|(name, _)| *name != "ProblemCode");
    let command = |id: &str| {
        let of = |r: &&Described| r.operation.as_ref().is_some_and(|o| o.id == id);
        let route = routes.iter().find(of).expect("the guide names operations that there are");
        curl(route, route.operation.as_ref().expect("it has one"), "$URL")
    };
    let content = Content {
        base: base.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        groups: Group::ALL.map(shown).into(),
        of_all: OF_ALL.to_vec(),
        types: types.map(|(name, schema)| kind(name, schema)).collect(),
        problems: problems(routes),
        hold: command("hold_tickets"),
        pay: command("pay_order"),
        read: command("get_order"),
    };
    content.render().expect("a page of fixed texts")
}

/// All codes, with the operations that answer with each.
fn problems(routes: &[Described]) -> Vec<ProblemShown> {
    let mut by_code: BTreeMap<ProblemCode, Vec<(&'static str, &'static str)>> = BTreeMap::new();
    for route in routes {
        let Some(operation) = &route.operation else { continue };
        for code in problems_of(route, operation) {
            by_code.entry(code).or_default().push((operation.id, operation.summary));
        }
    }
    let shown = |code: &ProblemCode| {
        let statuses: Vec<String> = code.statuses().iter().map(u16::to_string).collect();
        let operations = by_code.remove(code).unwrap_or_default();
        ProblemShown { code: *code, statuses: statuses.join(", "), operations }
    };
    ProblemCode::ALL.iter().map(shown).collect()
}

fn operation(route: &Described, document: &Value, base: &str) -> Shown {
    let operation = route.operation.as_ref().expect("it was asked for");
    let told = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let parameters = list(&told["parameters"])
        .iter()
        .map(|parameter| Row {
            name: format!("{} ({})", text(&parameter["name"]), text(&parameter["in"])),
            kind: type_of(&parameter["schema"]),
            required: parameter["required"] == true,
            about: rich(text(&parameter["description"])),
        })
        .collect();
    let content = |value: &Value| -> Option<String> {
        let (media_type, content) = value["content"].as_object()?.iter().next()?;
        Some(match media_type.as_str() {
            "application/json" => type_of(&content["schema"]),
            "text/event-stream" => format!(
                "<code>text/event-stream</code> of {}",
                type_of(&content["schema"]["contentSchema"])
            ),
            other => format!("<code>{}</code>", escaped(other)),
        })
    };
    let answers = operation
        .yes
        .iter()
        .map(|yes| {
            let answer = &told["responses"][yes.status.to_string()];
            Answer {
                status: yes.status.to_string(),
                about: rich(yes.about),
                kind: content(answer),
                headers: yes.headers.iter().map(|name| (*name).to_owned()).collect(),
            }
        })
        .collect();
    let codes = problems_of(route, operation).into_iter();
    let mut problems: Vec<(u16, ProblemCode)> = codes
        .flat_map(|code| statuses(code, operation).into_iter().map(move |s| (s, code)))
        .collect();
    problems.sort_unstable();
    Shown {
        id: operation.id,
        method: route.method.to_string(),
        path: route.path,
        summary: operation.summary,
        about: rich(operation.about),
        who: who(route.access),
        needs: operation.needs().words(),
        parameters,
        sends: content(&told["requestBody"]),
        answers,
        problems,
        curl: curl(route, operation, base),
        answer: recorded(operation.id).map(|answer| match answer {
            Value::String(text) => text.clone(),
            json => serde_json::to_string_pretty(json).expect("it is JSON"),
        }),
    }
}

fn kind(name: &str, schema: &Value) -> Type {
    let mut shown = Type {
        name: name.to_owned(),
        about: rich(text(&schema["description"])),
        rows: rows(schema),
        words: words(schema),
        with: vec![],
    };
    for part in schema["allOf"].as_array().into_iter().flatten() {
        shown.rows.extend(rows(part));
        shown.with.extend(part["$ref"].as_str().and_then(name_of).map(str::to_owned));
    }
    shown
}

fn rows(schema: &Value) -> Vec<Row> {
    let required = schema["required"].as_array();
    let members = schema["properties"].as_object().into_iter().flatten();
    members
        .map(|(name, member)| {
            let about = member.get("description").or_else(|| {
                member["oneOf"].as_array()?.iter().find_map(|one| one.get("description"))
            });
            Row {
                name: name.clone(),
                kind: type_of(member),
                required: required.is_some_and(|required| required.iter().any(|one| one == name)),
                about: rich(about.map_or("", text)),
            }
        })
        .collect()
}

fn words(schema: &Value) -> Vec<String> {
    schema["enum"].as_array().into_iter().flatten().map(|word| text(word).to_owned()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The name of a schema that is referred to.
fn name_of(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/components/schemas/")
}

/// A schema in words, as HTML.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(name_of) {
        let anchor = if name == "ProblemCode" { "problems" } else { name };
        return format!("<a href=\"#{anchor}\">{name}</a>");
    }
    if schema["anyOf"][0]["format"] == "date-time" {
        return "time".into();
    }
    if let Some(either) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        return either.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    let words = words(schema);
    if !words.is_empty() {
        let words = words.iter().map(|word| format!("<code>{}</code>", escaped(word)));
        return words.collect::<Vec<_>>().join(", ");
    }
    let one = |word: &str| match word {
        "array" => format!("list of {}", type_of(&schema["items"])),
        "integer" => match (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
            (Some(least), Some(most)) => format!("whole number, {least} to {most}"),
            _ => "whole number".into(),
        },
        "string" => match schema["format"].as_str() {
            Some("date-time") => "time".into(),
            Some("uuid") => "UUID".into(),
            _ => "text".into(),
        },
        "boolean" => "<code>true</code> or <code>false</code>".into(),
        "object" if schema["additionalProperties"].is_object() => {
            format!("object of {}", type_of(&schema["additionalProperties"]))
        }
        "null" => "<code>null</code>".into(),
        other => escaped(other),
    };
    match &schema["type"] {
        Value::String(word) => one(word),
        Value::Array(all) => {
            all.iter().map(|word| one(text(word))).collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    }
}

/// A text as HTML: what stands in backticks is code, and an empty line begins another paragraph.
fn rich(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => escaped(part).replace("\n\n", "<br>"),
        _ => format!("<code>{}</code>", escaped(part)),
    });
    parts.collect()
}
