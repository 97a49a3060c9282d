//! The description of the API as OpenAPI 3.1, made from the list of routes: an [`Operation`] stands with each
//! route of the API, and the types of `nts-api` describe their own members.
//!
//! What follows from the list itself is not written again: who may use a route, the parameters of its path, and
//! the problems that every request of its kind can get. Wording: see the operations in `api/described`.

mod example;
mod page;

use super::middleware::budgets_of;
use super::page::is_known;
use super::routes::{Access, Described};
use super::site::Site;
use crate::access::{Right, Role};
use crate::event_body::MERGE_PATCH;
use crate::ids::digest;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
pub use example::{Needs, curl};
use nts_api::ProblemCode;
pub use page::page;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// The first sentences of the document.
const ABOUT: &str = "Sells tickets, takes the money, checks tickets at the door. Amounts of money are whole numbers of \
     the currency's smallest unit, beside its ISO 4217 code. Times are texts of RFC 3339, in UTC. Send an \
     Idempotency-Key with every request that may be repeated. Errors are application/problem+json (RFC 9457): \
     programs decide by `code`, and `type` is the address of the page that explains it. Accept-Language chooses the \
     language of texts for people: en, de, fr or es. Members of answers may be added at any time: ignore those that \
     you do not know.";

/// Where an operation stands on the page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Group {
    /// What is on sale.
    Events,
    /// From the hold to the tickets.
    Orders,
    /// What an organiser does with events.
    Organiser,
    /// What an organiser does with orders.
    OrdersOfAll,
    /// Tickets at the door.
    Door,
    /// What other programs are told.
    Webhooks,
}

impl Group {
    /// All of them, in their order.
    pub const ALL: [Group; 6] = [
        Group::Events,
        Group::Orders,
        Group::Organiser,
        Group::OrdersOfAll,
        Group::Door,
        Group::Webhooks,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Group::Events => "Events",
            Group::Orders => "Orders and payments",
            Group::Organiser => "Events of the organiser",
            Group::OrdersOfAll => "Orders of the organiser",
            Group::Door => "Door",
            Group::Webhooks => "Webhooks",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Group::Events => "What is on sale, and what is left of it.",
            Group::Orders => "Hold tickets, pay, and everything that the buyer of an order can do.",
            Group::Organiser => "Make, change, pause, cancel and delete events.",
            Group::OrdersOfAll => "Find, refund, export and erase orders; give tickets away.",
            Group::Door => "Check-in, and what it needs.",
            Group::Webhooks => "Other programs are told what happens, by signed messages.",
        }
    }
}

/// A type of `nts-api` that describes itself.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: fn() -> Cow<'static, str>,
    schema: fn() -> RefOr<Schema>,
    /// The types that it uses, with their names.
    uses: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Kind {
    fn of<T: ToSchema>() -> Kind {
        Kind { name: T::name, schema: T::schema, uses: T::schemas }
    }

    fn reference(&self) -> Value {
        json!({"$ref": format!("#/components/schemas/{}", (self.name)())})
    }
}

/// What a body is.
#[derive(Clone, Debug)]
enum Content {
    None,
    Json(Kind),
    /// What changes of something of this type (RFC 7396).
    Patch(Kind),
    /// Of one type, or of the other.
    Either(Kind, Kind),
    /// Server-sent events, each of this type.
    Events(Kind),
    Csv,
}

impl Content {
    fn media_type(&self) -> Option<&'static str> {
        match self {
            Content::None => None,
            Content::Json(_) | Content::Either(..) => Some("application/json"),
            Content::Patch(_) => Some(MERGE_PATCH),
            Content::Events(_) => Some("text/event-stream"),
            Content::Csv => Some("text/csv"),
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        match self {
            Content::Json(kind) | Content::Events(kind) | Content::Patch(kind) => vec![*kind],
            Content::Either(one, other) => vec![*one, *other],
            Content::None | Content::Csv => vec![],
        }
    }

    fn schema(&self) -> Value {
        match self {
            Content::Json(kind) => kind.reference(),
            Content::Patch(kind) => {
                let name = patch_of(&(kind.name)());
                json!({"$ref": format!("#/components/schemas/{name}")})
            }
            Content::Either(one, other) => json!({"anyOf": [one.reference(), other.reference()]}),
            // OpenAPI 3.1 has no other words for the events of a stream.
            Content::Events(kind) => json!({
                "type": "string", "contentMediaType": "application/json",
                "contentSchema": kind.reference(),
            }),
            Content::Csv | Content::None => json!({"type": "string"}),
        }
    }
}

/// The name of the schema of what changes of something.
fn patch_of(name: &str) -> String {
    format!("{name}Patch")
}

/// A parameter in the query or in the header.
#[derive(Clone, Debug)]
struct Parameter {
    name: &'static str,
    about: &'static str,
    schema: Value,
    required: bool,
}

/// An answer that says yes.
#[derive(Clone, Debug)]
struct Yes {
    status: u16,
    about: &'static str,
    content: Content,
    headers: Vec<&'static str>,
}

/// An operation of which the answer tells a parameter of another one.
#[derive(Clone, Debug)]
struct Lead {
    to: &'static str,
    parameter: &'static str,
    value: &'static str,
}

/// What one route of the API does, for whoever calls it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its name in clients that are made from the document.
    pub id: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// Where it stands on the page.
    pub group: Group,
    about: &'static str,
    query: Vec<Parameter>,
    headers: Vec<Parameter>,
    keyed: bool,
    sends: Content,
    /// Whether the body can be left out.
    body_optional: bool,
    yes: Vec<Yes>,
    problems: Vec<ProblemCode>,
    leads: Vec<Lead>,
    example: example::Example,
}

/// An operation that neither takes nor answers anything yet.
pub fn operation(group: Group, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        id,
        summary,
        group,
        about: "",
        query: vec![],
        headers: vec![],
        keyed: false,
        sends: Content::None,
        body_optional: false,
        yes: vec![],
        problems: vec![],
        leads: vec![],
        example: example::Example::default(),
    }
}

impl Operation {
    /// What else there is to know, in sentences; code in backticks.
    pub fn says(mut self, about: &'static str) -> Operation {
        self.about = about;
        self
    }

    /// A parameter of the query. The route refuses those that are not said.
    pub fn query(mut self, name: &'static str, schema: Value, about: &'static str) -> Operation {
        self.query.push(Parameter { name, about, schema, required: false });
        self
    }

    /// The parameter of the query that was said last must be there; in the example it is this.
    pub fn required(mut self, example: &'static str) -> Operation {
        let last = self.query.last_mut().expect("a parameter was said");
        (last.required, self.example.query) = (true, Some((last.name, example)));
        self
    }

    /// A header that the request can have.
    pub fn header(mut self, name: &'static str, about: &'static str) -> Operation {
        let schema = json!({"type": "string"});
        self.headers.push(Parameter { name, about, schema, required: false });
        self
    }

    /// It heeds an `Idempotency-Key`.
    pub fn keyed(mut self) -> Operation {
        self.keyed = true;
        self
    }

    /// The body of the request, with an example.
    pub fn takes<T: ToSchema>(mut self, example: Value) -> Operation {
        self.sends = Content::Json(Kind::of::<T>());
        self.example.body = Some(example.to_string());
        self
    }

    /// The body is of one type, or of the other.
    pub fn takes_either<T: ToSchema, U: ToSchema>(mut self, example: Value) -> Operation {
        self = self.takes::<T>(example);
        self.sends = Content::Either(Kind::of::<T>(), Kind::of::<U>());
        self
    }

    /// The body of the request says what changes of something of this type.
    pub fn takes_patch<T: ToSchema>(mut self, example: Value) -> Operation {
        self = self.takes::<T>(example);
        self.sends = Content::Patch(Kind::of::<T>());
        self
    }

    /// The body of the request is a file of lines.
    pub fn takes_csv(mut self, example: &str) -> Operation {
        self.sends = Content::Csv;
        self.example.body = Some(example.into());
        self
    }

    /// The body can be left out.
    pub fn body_optional(mut self) -> Operation {
        self.body_optional = true;
        self
    }

    fn yes(mut self, status: u16, content: Content, about: &'static str) -> Operation {
        self.yes.push(Yes { status, about, content, headers: vec![] });
        self
    }

    /// The answer if it is done.
    pub fn gives<T: ToSchema>(self, status: u16, about: &'static str) -> Operation {
        self.yes(status, Content::Json(Kind::of::<T>()), about)
    }

    /// The answer is of one type, or of the other.
    pub fn gives_either<T: ToSchema, U: ToSchema>(
        self,
        status: u16,
        about: &'static str,
    ) -> Operation {
        self.yes(status, Content::Either(Kind::of::<T>(), Kind::of::<U>()), about)
    }

    /// The answer is a stream of server-sent events of this type.
    pub fn gives_events<T: ToSchema>(self, about: &'static str) -> Operation {
        self.yes(200, Content::Events(Kind::of::<T>()), about)
    }

    /// The answer is a file of lines.
    pub fn gives_csv(self, about: &'static str) -> Operation {
        self.yes(200, Content::Csv, about)
    }

    /// It is done, and there is nothing to say.
    pub fn gives_nothing(self, about: &'static str) -> Operation {
        self.yes(204, Content::None, about)
    }

    /// The answer that was described last has a tag, and whoever sends that tag hears whether anything has changed.
    pub fn tagged(self) -> Operation {
        self.with_header("ETag")
            .header("If-None-Match", "The `ETag` of an answer before: 304 if nothing has changed.")
            .yes(304, Content::None, "Nothing has changed.")
            .with_header("ETag")
    }

    /// It is done only if the event is still as it was seen.
    pub fn if_seen(self) -> Operation {
        let about = "The `ETag` that was read: it is done only if the event is still as it was. What was sold since \
                     makes no difference.";
        self.header("If-Match", about).problems(&[ProblemCode::EventChanged])
    }

    /// The answer that was described last has this header.
    pub fn with_header(mut self, name: &'static str) -> Operation {
        self.yes.last_mut().expect("an answer was described").headers.push(name);
        self
    }

    /// The problems beside those that follow from what it takes and from who may use it.
    pub fn problems(mut self, codes: &[ProblemCode]) -> Operation {
        self.problems.extend(codes);
        self
    }

    /// What its answer tells leads to another operation.
    pub fn leads(
        mut self,
        to: &'static str,
        parameter: &'static str,
        value: &'static str,
    ) -> Operation {
        self.leads.push(Lead { to, parameter, value });
        self
    }

    /// What the example is about.
    pub fn on(mut self, needs: Needs) -> Operation {
        self.example.needs = needs;
        self
    }

    /// What stands for a parameter of the path in the example, if it is not the usual.
    pub fn example_at(mut self, parameter: &'static str, value: &'static str) -> Operation {
        self.example.at.push((parameter, value));
        self
    }

    /// The names of the parameters of its query.
    pub fn query_names(&self) -> Vec<&'static str> {
        self.query.iter().map(|parameter| parameter.name).collect()
    }

    /// The status of the answer if it is done.
    pub fn status(&self) -> u16 {
        self.yes.first().map_or(200, |yes| yes.status)
    }
}

/// What every request can get, whatever it asks for.
const OF_ALL: [ProblemCode; 7] = [
    ProblemCode::Invalid,
    ProblemCode::TooSlow,
    ProblemCode::TooLarge,
    ProblemCode::TooManyConnections,
    ProblemCode::Busy,
    ProblemCode::Unavailable,
    ProblemCode::WrongVersion,
];

/// The problems that a request to this route can get beside those of every request.
fn problems_of(route: &Described, operation: &Operation) -> Vec<ProblemCode> {
    use ProblemCode::*;
    let mut codes = operation.problems.clone();
    if right(route.access).is_some() {
        codes.extend([Unauthorized, NotAllowed]);
    }
    if route.path.contains("{event}") {
        codes.push(UnknownEvent);
    }
    if route.path.contains("/orders/{id}") {
        codes.push(UnknownOrder);
        // Whoever guesses is slowed down.
        codes.extend((!route.path.ends_with("/refunds")).then_some(TooManyRequests));
    }
    if !matches!(operation.sends, Content::None) {
        codes.push(WrongType);
    }
    if route.method != "GET" {
        codes.extend([InDoubt, CrossSite]);
    }
    if operation.keyed {
        codes.extend([KeyReused, RequestRunning]);
    }
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// The statuses that a route answers with a code.
fn statuses(code: ProblemCode, operation: &Operation) -> Vec<u16> {
    match code {
        // Of the old routes alone.
        ProblemCode::Declined => vec![402],
        ProblemCode::TooLarge if matches!(operation.sends, Content::None) => vec![414, 431],
        code => code.statuses().to_vec(),
    }
}

/// The names between braces in a path.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|after| after.split('}').next())
}

/// A parameter of a path: what it is, and its schema.
fn path_parameter(name: &str, path: &str) -> (&'static str, Value) {
    let uuid = || json!({"type": "string", "format": "uuid"});
    match name {
        "event" => ("The id of the event.", json!({"type": "string", "minLength": 1})),
        "id" => ("The id of the order.", uuid()),
        "number" => {
            let schema = json!({"type": "integer", "minimum": 1, "maximum": 65_535});
            ("The number of the ticket within the order, from 1.", schema)
        }
        "code" => (
            "The short code of the ticket, its signed code, or the whole address that its QR code holds, with `/` as \
             `%2F`.",
            json!({"type": "string", "minLength": 1}),
        ),
        "key" => {
            let schema = json!({"type": "integer", "minimum": 0, "maximum": 255});
            ("The id of the key.", schema)
        }
        "device" => ("The id that the device has given itself.", uuid()),
        "nonce" => ("The id that the device has given the scan.", uuid()),
        "file" => {
            let files = ["orders.csv", "tickets.csv", "arrivals.csv", "payments.csv", "days.csv"];
            ("Which file.", json!({"type": "string", "enum": files}))
        }
        "link" => ("The id of the link.", uuid()),
        "webhook" => ("The id of the webhook.", uuid()),
        "delivery" => {
            let schema = json!({"type": "string", "pattern": "^msg_[0-9a-f]{32}$"});
            ("The id of the delivery.", schema)
        }
        other => panic!("say what {{{other}}} of {path} is: see `path_parameter`"),
    }
}

/// What a header of an answer says.
fn answer_header(name: &str) -> (&'static str, Value) {
    let text = json!({"type": "string"});
    match name {
        "ETag" => (
            "The version of what is shown, for `If-None-Match`. That of an event is for `If-Match` as well, where only \
             what its organiser says of it counts.",
            text,
        ),
        "Link" => {
            ("The address of the next page, with `rel=\"next\"`; absent on the last one.", text)
        }
        "Location" => (
            "Of an order that was made the address of its page, for its buyer alone; of a payment that goes on the order \
             to read.",
            text,
        ),
        "RateLimit" => (
            "What is left of each budget of the client (draft-ietf-httpapi-ratelimit-headers-10): `r` requests now, and \
             all of it in `t` seconds. Absent if the client has no limit.",
            text,
        ),
        "RateLimit-Policy" => ("The budgets: `q` requests in `w` seconds.", text),
        "Retry-After" => {
            ("In so many seconds there may be news.", json!({"type": "integer", "minimum": 1}))
        }
        other => panic!("say what the header {other} is: see `answer_header`"),
    }
}

/// The right that a key needs for a route.
fn right(access: Access) -> Option<Right> {
    match access {
        Access::Staff(right) | Access::OrderOrStaff(right) => Some(right),
        _ => None,
    }
}

/// Which roles have it, the most powerful first.
fn roles(right: Right) -> Vec<&'static str> {
    Role::ALL.into_iter().filter(|role| role.may(right)).map(Role::word).collect()
}

/// Who may use a route, in a sentence.
fn who(access: Access) -> String {
    let key = |right: Right| {
        format!(
            "a key whose role may {} ({}), or the organiser's key",
            right.what(),
            roles(right).join(", ")
        )
    };
    match access {
        Access::Staff(right) => format!("For {}.", key(right)),
        Access::OrderOrStaff(right) => {
            format!("For whoever has the order's secret; or {}.", key(right))
        }
        _ => "For everybody.".into(),
    }
}

/// Text of a comment: lines of one paragraph are one line.
fn unfolded(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member {
                    Value::String(text) if name == "description" => {
                        let paragraphs = text.split("\n\n").map(|p| p.replace('\n', " "));
                        *text = paragraphs.collect::<Vec<_>>().join("\n\n");
                    }
                    other => unfolded(other),
                }
            }
        }
        Value::Array(members) => members.iter_mut().for_each(unfolded),
        _ => {}
    }
}

/// The document.
pub fn document(routes: &[Described]) -> Value {
    let mut schemas = BTreeMap::new();
    keep(&mut schemas, Kind::of::<nts_api::Problem<'static>>());
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes {
        let Some(operation) = &route.operation else { continue };
        for content in operation.yes.iter().map(|yes| &yes.content).chain([&operation.sends]) {
            content.kinds().into_iter().for_each(|kind| keep(&mut schemas, kind));
            if let Content::Patch(kind) = content {
                keep_patch(&mut schemas, &(kind.name)());
            }
        }
        let method = route.method.as_str().to_ascii_lowercase();
        paths.entry(route.path).or_default().insert(method, told(route, operation));
    }
    if let Some(code) = schemas.get_mut("ProblemCode") {
        let meanings = ProblemCode::ALL.iter().map(|c| format!("- `{c}`: {}", c.meaning()));
        let list = meanings.collect::<Vec<_>>().join("\n");
        code["description"] = format!("Why a request was not done.\n\n{list}").into();
    }
    let tags = Group::ALL.map(|group| json!({"name": group.name(), "description": group.about()}));
    let of_all = |status: &u16| {
        let codes = OF_ALL.into_iter().filter(|code| code.statuses().contains(status));
        (status.to_string(), refusal(*status, &codes.collect::<Vec<_>>()))
    };
    let responses: Map<String, Value> = OF_CONNECTIONS.iter().map(of_all).collect();
    let bearer = |about: &str| json!({"type": "http", "scheme": "bearer", "description": about});
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "nts",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The server that this document is from."}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "securitySchemes": {
                "order": bearer("The `secret` of the order, from the answer to the hold."),
                "key": bearer(
                    "An API key (`nts_sk_…`), which is made in the office and has a role; or the organiser's key, \
                     which may do everything.",
                ),
            },
        },
    })
}

/// Keeps the schema of a type, and of all types that it uses.
fn keep(schemas: &mut BTreeMap<String, Value>, kind: Kind) {
    let mut used = vec![((kind.name)().into_owned(), (kind.schema)())];
    (kind.uses)(&mut used);
    for (name, schema) in used {
        schemas.entry(name).or_insert_with(|| {
            let mut schema = serde_json::to_value(schema).expect("a schema is JSON");
            unfolded(&mut schema);
            schema
        });
    }
}

/// Keeps the schema of what changes of something: the same members, none of which must be there.
fn keep_patch(schemas: &mut BTreeMap<String, Value>, name: &str) {
    let mut patch = schemas[name].clone();
    if let Some(patch) = patch.as_object_mut() {
        patch.remove("required");
        let about = format!(
            "What changes of `{name}` (RFC 7396): a member that is not said stays, one that is null is removed, a list \
             takes the place of the whole list."
        );
        patch.insert("description".into(), about.into());
    }
    schemas.insert(patch_of(name), patch);
}

fn told(route: &Described, operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = names_in(route.path)
        .map(|name| {
            let (about, schema) = path_parameter(name, route.path);
            json!({
                "name": name, "in": "path", "required": true, "description": about, "schema": schema,
                "example": operation.example.in_document(name),
            })
        })
        .collect();
    parameters.extend(operation.query.iter().map(|parameter| {
        let Parameter { name, about, schema, required } = parameter;
        let mut told = json!({"name": name, "in": "query", "description": about, "schema": schema});
        if *required {
            told["required"] = true.into();
        }
        told
    }));
    if operation.keyed {
        // Whoever guesses the key of a hold gets its order.
        let least = if operation.id == "hold_tickets" { crate::http::api::LEAST_KEY } else { 1 };
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header",
            "description": "For 24 hours the same key with the same body acts once and gives the same answer. Use a \
                            random one, such as a UUID.",
            "schema": {
                "type": "string", "minLength": least, "maxLength": 255,
                "pattern": "^[!-~]([ -~]*[!-~])?$",
            },
        }));
    }
    parameters.extend(operation.headers.iter().map(|parameter| {
        let Parameter { name, about, schema, .. } = parameter;
        json!({"name": name, "in": "header", "description": about, "schema": schema})
    }));
    let security = match route.access {
        Access::Staff(_) => json!([{"key": []}]),
        Access::OrderOrStaff(_) => json!([{"order": []}, {"key": []}]),
        _ => json!([{}, {"key": []}]),
    };
    let about = [operation.about, &who(route.access)].join(" ");
    let mut told = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": about.trim(),
        "tags": [operation.group.name()],
        "parameters": parameters,
        "security": security,
        "responses": answers(route, operation),
    });
    if let Some(right) = right(route.access) {
        told["x-roles"] = json!(roles(right));
    }
    if let Some(media_type) = operation.sends.media_type() {
        let mut content = json!({"schema": operation.sends.schema()});
        if let Some(example) = operation.example.body_in_document(&operation.sends) {
            content["example"] = example;
        }
        told["requestBody"] =
            json!({"required": !operation.body_optional, "content": {media_type: content}});
    }
    told
}

fn answers(route: &Described, operation: &Operation) -> Value {
    let mut answers = BTreeMap::new();
    for yes in &operation.yes {
        let mut answer = json!({"description": yes.about});
        if let Some(media_type) = yes.content.media_type() {
            let mut content = json!({"schema": yes.content.schema()});
            if yes.status == operation.status()
                && let Some(example) = example::recorded(operation.id)
            {
                content["example"] = example.clone();
            }
            answer["content"] = json!({media_type: content});
        }
        for name in &yes.headers {
            let (about, schema) = answer_header(name);
            answer["headers"][name] = json!({"description": about, "schema": schema});
        }
        if !budgets_of(&route.method, route.path).is_empty() && yes.status != 304 {
            for name in ["RateLimit", "RateLimit-Policy"] {
                let (about, schema) = answer_header(name);
                answer["headers"][name] = json!({"description": about, "schema": schema});
            }
        }
        let leads = operation.leads.iter().filter(|_| yes.status != 304);
        for Lead { to, parameter, value } in leads {
            answer["links"][to] = json!({"operationId": to, "parameters": {*parameter: value}});
        }
        answers.insert(yes.status.to_string(), answer);
    }
    let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
    for code in problems_of(route, operation).into_iter().chain(OF_ALL) {
        for status in statuses(code, operation) {
            let codes = by_status.entry(status).or_default();
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
    }
    for (status, codes) in by_status {
        if OF_CONNECTIONS.contains(&status) {
            let shared = json!({"$ref": format!("#/components/responses/{status}")});
            answers.insert(status.to_string(), shared);
        } else {
            answers.insert(status.to_string(), refusal(status, &codes));
        }
    }
    json!(answers)
}

/// The statuses that say the same of every operation.
const OF_CONNECTIONS: [u16; 4] = [408, 414, 431, 505];

/// An answer that says no, with one of these codes. Every such answer has the same schema, so that a client that is made
/// from the document has one type of problems; which codes an answer can have is told in words, and in `x-codes` for programs.
fn refusal(status: u16, codes: &[ProblemCode]) -> Value {
    let words = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
    let problem = json!({"$ref": "#/components/schemas/Problem"});
    let mut answer = json!({
        "description": words,
        "content": {"application/problem+json": {"schema": problem}},
        "x-codes": codes,
    });
    if matches!(status, 429 | 503) {
        let schema = json!({"type": "integer", "minimum": 1});
        let about = "In so many seconds it may be tried again.";
        answer["headers"]["Retry-After"] = json!({"description": about, "schema": schema});
    }
    answer
}

/// The document as it is served, with its version, and the page. Each is made at its first use.
#[derive(Default)]
pub struct Served {
    document: OnceLock<(Bytes, HeaderValue)>,
    page: OnceLock<String>,
}

impl Served {
    fn page(&self, make: impl FnOnce() -> String) -> &str {
        self.page.get_or_init(make)
    }
}

/// `GET /openapi.json`
pub async fn serve(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let (bytes, tag) = site.openapi.document.get_or_init(|| {
        let bytes = serde_json::to_vec(&document(site.routes.all())).expect("the document is JSON");
        let tag = format!("\"{:032x}\"", digest(&[b"openapi", &bytes]));
        (bytes.into(), HeaderValue::from_str(&tag).expect("a digest in quotation marks"))
    });
    let fixed = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache")),
    ];
    if is_known(&headers, tag.to_str().expect("a digest")) {
        return (StatusCode::NOT_MODIFIED, fixed).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (fixed, kind, Bytes::clone(bytes)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::http::routes::routes;
    use std::collections::BTreeSet;

    fn all() -> &'static [Described] {
        routes(&Config::from_flags([""; 0]).unwrap(), true).all()
    }

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(members) => members.iter().for_each(|member| references(member, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_all_is_used() {
        let document = document(all());
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let known = schemas.keys().map(|name| format!("#/components/schemas/{name}"));
        let shared = OF_CONNECTIONS.map(|status| format!("#/components/responses/{status}"));
        let known: BTreeSet<String> = known.chain(shared).collect();
        assert_eq!(found, known);
    }

    #[test]
    fn operations_have_names_of_their_own_and_lead_to_others() {
        let routes = all();
        let operations: Vec<&Operation> =
            routes.iter().filter_map(|route| route.operation.as_ref()).collect();
        let ids: BTreeSet<&str> = operations.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), operations.len(), "two of one name");
        assert!(ids.len() > 30, "the routes are where they are looked for");
        for operation in operations {
            assert!(operation.summary.ends_with(char::is_alphanumeric), "{}", operation.id);
            assert!(!operation.yes.is_empty(), "{}: what does it answer?", operation.id);
            for lead in &operation.leads {
                assert!(ids.contains(lead.to), "{} leads to {}", operation.id, lead.to);
            }
        }
    }

    #[test]
    fn the_codes_of_other_callers_are_in_no_operation() {
        use ProblemCode::*;
        // Of pages, of the old routes, of whoever runs the server, and of addresses that are none.
        let others =
            [WrongMethod, SignInAgain, BadSignature, NotReady, NotDue, FormNeeded, NoReservation];
        let routes = all();
        let told: BTreeSet<ProblemCode> = routes
            .iter()
            .filter_map(|route| Some(problems_of(route, route.operation.as_ref()?)))
            .flatten()
            .chain(OF_ALL)
            .collect();
        for code in ProblemCode::ALL {
            assert_ne!(told.contains(code), others.contains(code), "{code}");
        }
    }

    #[test]
    fn descriptions_have_no_links_of_the_source() {
        let text = document(all()).to_string();
        for mark in ["[`", "::"] {
            assert!(!text.contains(mark), "{mark}");
        }
    }
}
