//! The page with which people are checked in, under `/door/{event}`. It is in English, as the office is.
//!
//! Everything works without a script: a field for the code, and a page that says what came of it. Each form has a
//! nonce of its own, so a form that is sent twice is one scan. With `door.js` the same page reads codes by the
//! camera and sends them to `/door/{event}/check-ins`, which is the API's route for whoever is signed in.

mod words;

use super::api::at_door::name_typed;
use super::api::check_ins::{scanned, told};
use super::auth::{checks_in, keep_gate_link, link_problem};
use super::cookies;
use super::extract::{Form, Sent, SentByStaff};
use super::office::Staff;
use super::page::{Frame, Page, attribute, page};
use super::problem::Problem;
use super::query::Query;
use super::site::Site;
use super::staff::event_for;
use crate::access::{Caller, Permit, Right, may};
use crate::accounts::gate_links::LinkStanding;
use crate::actor::Actor;
use crate::app::App;
use crate::codes::PublicKey;
use crate::door::Report;
use crate::door::search::NamedTicket;
use crate::language::Lang;
use crate::store::records::door::ScanRow;
use crate::text::begin;
use crate::when;
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::door::{
    Admission, DeviceId, Direction, DoorRefusal, DoorSpec, GateSpec, Nonce, TicketRef, UNDO_MS,
};
use boxoffice::{Event, OrderId, TimeMs};
use nts_api::ScanResult;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;
use words::{Colour, Shown};

/// The gate of an event that has none.
const ONLY_GATE: &str = "door";
/// So many scans of this device are shown.
const SHOWN: usize = 5;
/// So many of the last scans of all devices are searched for them.
const SEARCHED: usize = 200;
/// So many bytes of a code that was typed are shown again.
const TYPED: usize = 300;
/// Tells devices apart. Its path is `/door/`.
const DEVICE_COOKIE: &str = "nts-door";
/// The gate at which a device is. Its path is the page of the event.
const GATE_COOKIE: &str = "nts-gate";
/// For so long a device keeps its id, in seconds.
const DEVICE_S: i64 = 180 * 24 * 3_600;
/// For so long a device stays at its gate, in seconds.
const GATE_S: i64 = 7 * 24 * 3_600;

/// Whether a script of the page asks here, and not a browser that goes to a page.
pub(super) fn is_for_scripts(path: &str) -> bool {
    let rest = path.strip_prefix("/door/").and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(_, part)| {
        ["check-ins", "devices", "list"].contains(&part) || part.starts_with("check-ins/")
    })
}

#[derive(Template)]
#[template(path = "door.html")]
struct DoorPage {
    frame: Frame,
    /// What the script needs to know, as an attribute.
    data: String,
    path: String,
    event_name: String,
    /// What came of the last scan.
    shown: Option<Shown>,
    /// What is wrong with the form, and with which field.
    fault: Option<(&'static str, &'static str)>,
    code: String,
    nonce: String,
    /// The gates that can be chosen, with the one that is.
    gates: Vec<Gate>,
    /// The name of the gate at which the device is; none: it must be chosen.
    gate: Option<String>,
    /// Whether tickets come in again, so that exits are scanned.
    comes_back: bool,
    out: bool,
    inside: String,
    tickets: String,
    scans: Vec<LastScan>,
    /// Whether the person came by the link of a gate.
    by_link: bool,
    /// Tickets with which somebody else came in, at a device without a network.
    contradicted: Vec<Contradicted>,
    /// What was typed to find a guest.
    typed: String,
    /// What is wrong with it.
    not_found: Option<String>,
    /// What was found; none: nobody has asked.
    found: Option<FoundRows>,
}

/// Two people came in with one ticket: here, and at another door.
struct Contradicted {
    name: String,
    ticket_type: String,
    /// Where and when the other one came in.
    there: String,
}

/// The guests that were found by a name.
struct FoundRows {
    rows: Vec<FoundRow>,
    more: bool,
}

/// A ticket that was found by a name.
struct FoundRow {
    order: String,
    number: u16,
    name: String,
    ticket_type: String,
    /// The begin of the order's id.
    order_begin: String,
    /// Whether somebody is in with it, or why nobody comes in.
    state: String,
    /// The nonce of the form that lets its guest in; none: nobody comes in.
    nonce: Option<String>,
}

/// What the script needs to know.
#[derive(Serialize)]
struct Data<'a> {
    /// How often a ticket admits.
    admission: &'static str,
    /// Whether the person came by the link of a gate.
    by_link: bool,
    /// Whether the event does not take place.
    canceled: bool,
    device: String,
    /// When the event ends.
    ends_ms: TimeMs,
    event: &'a str,
    /// As signed codes name it.
    event_id: String,
    gate: Option<&'a str>,
    gates: Vec<GateData<'a>>,
    /// The public keys, by their ids, in hexadecimal digits.
    keys: BTreeMap<u8, String>,
    only_gate: &'static str,
    /// The answer to the scan that the form has sent, and that scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<&'a serde_json::Value>,
    opens_ms: Option<TimeMs>,
    /// The names of the ticket types, as signed codes number them.
    types: Vec<&'a str>,
    /// For each result: a colour, a title, what happened and what to do.
    words: BTreeMap<ScanResult, [&'static str; 4]>,
    zone: &'a str,
}

#[derive(Serialize)]
struct GateData<'a> {
    id: &'a str,
    name: &'a str,
    /// The names of the ticket types that it accepts; none: all.
    types: Vec<&'a str>,
}

impl<'a> Data<'a> {
    fn of(at: &'a At, keys: &[PublicKey], told: Option<&'a serde_json::Value>) -> Data<'a> {
        let types = &at.event.ticket_types;
        // An id has a ticket type for each name and price that it has had.
        let named = |id: &'a String| types.iter().filter(move |known| known.id == *id);
        let gate = |gate: &'a GateSpec| GateData {
            id: &gate.id,
            name: &gate.name,
            types: gate.ticket_types.iter().flat_map(named).map(|t| t.name.as_str()).collect(),
        };
        let words = |result: &ScanResult| {
            let (colour, title, what, detail) = words::table(*result);
            (*result, [colour.class(), title, what, detail])
        };
        let keys = keys.iter().filter(|key| key.revoked_ms.is_none());
        let hex = |key: &[u8; 32]| key.iter().map(|byte| format!("{byte:02x}")).collect();
        Data {
            admission: at.spec.admission.word(),
            by_link: at.by_link,
            canceled: at.event.is_canceled(),
            device: uuid_text(at.device.id),
            ends_ms: at.event.spec.ends(),
            event: &at.event.spec.slug,
            event_id: at.event.id.0.to_string(),
            gate: at.gate.as_deref(),
            gates: at.spec.gates.iter().map(gate).collect(),
            keys: keys.map(|key| (key.id, hex(&key.public))).collect(),
            only_gate: ONLY_GATE,
            told,
            opens_ms: at.spec.opens_ms,
            types: types.iter().map(|known| known.name.as_str()).collect(),
            words: ScanResult::ALL.iter().map(words).collect(),
            zone: &at.event.spec.zone,
        }
    }
}

/// A gate that can be chosen.
struct Gate {
    id: String,
    name: String,
    chosen: bool,
}

/// One of the last scans of this device.
struct LastScan {
    time: String,
    name: String,
    ticket_type: String,
    out: bool,
    undone: bool,
    /// Its nonce, if it can be undone here.
    undo: Option<String>,
}

/// Who checks in, where, and with what.
struct At {
    event: Arc<Event>,
    permit: Permit<may::CheckIn>,
    spec: DoorSpec,
    device: Device,
    /// The id of the gate; none: it must be chosen.
    gate: Option<String>,
    /// Whether the browser is to remember the gate.
    chosen: bool,
    /// Whether the person came by the link of a gate.
    by_link: bool,
}

/// A device, which its cookie names.
#[derive(Clone, Copy)]
struct Device {
    id: u128,
    /// Whether it has no cookie yet.
    is_new: bool,
}

impl Device {
    /// That of this browser. `new`: what becomes the id of one that has none.
    fn of(headers: &HeaderMap, new: u128) -> Device {
        let known = cookies::values(headers, DEVICE_COOKIE).find_map(uuid_of);
        Device { id: known.unwrap_or(new), is_new: known.is_none() }
    }
}

fn uuid_of(text: &str) -> Option<u128> {
    Uuid::try_parse(text).ok().map(|id| id.as_u128())
}

fn uuid_text(id: u128) -> String {
    Uuid::from_u128(id).to_string()
}

fn path_of(event: &Event) -> String {
    format!("/door/{}", event.spec.slug)
}

/// The gate that is meant: the one that is named, or that of the cookie, or the only one.
fn gate_of(spec: &DoorSpec, named: Option<&str>, headers: &HeaderMap) -> (Option<String>, bool) {
    let known = |id: &str| spec.gates.iter().any(|gate| gate.id == id);
    if spec.gates.is_empty() {
        return (Some(ONLY_GATE.into()), false);
    }
    if let Some(named) = named.filter(|named| known(named)) {
        return (Some(named.into()), true);
    }
    let kept = cookies::values(headers, GATE_COOKIE).find(|id| known(id));
    let only = (spec.gates.len() == 1).then(|| spec.gates[0].id.as_str());
    (kept.or(only).map(Into::into), false)
}

impl At {
    async fn of(
        app: &Site,
        caller: &Caller,
        slug: &str,
        headers: &HeaderMap,
        (gate, nonce): (Option<&str>, Option<u128>),
    ) -> Result<At, Problem> {
        let event = event_for(app, caller, slug).await?;
        let permit = caller.permit(event.id)?;
        let spec = app.door.spec(&permit).await?;
        let (gate, chosen) = gate_of(&spec, gate, headers);
        // A form that is sent twice by a browser without a cookie is of one device.
        let device = Device::of(headers, nonce.unwrap_or_else(|| app.ids.random()));
        let by_link = matches!(caller.actor(), Actor::Device(_));
        Ok(At { event, permit, spec, device, gate, chosen, by_link })
    }

    /// The name of a gate; none where the event has none.
    fn name_of<'a>(&'a self, gate: &'a str) -> Option<&'a str> {
        let known = self.spec.gates.iter().find(|known| known.id == gate);
        match known {
            Some(known) => Some(&known.name),
            None => Some(gate).filter(|gate| *gate != ONLY_GATE),
        }
    }

    /// The names of the gates that accept this ticket type.
    fn gates_for(&self, ticket_type: &str) -> Vec<&str> {
        let known = self.event.ticket_types.iter().find(|known| known.name == ticket_type);
        let id = known.map_or("", |known| known.id.as_str());
        let accepts = |gate: &&GateSpec| {
            gate.ticket_types.is_empty() || gate.ticket_types.iter().any(|known| known == id)
        };
        self.spec.gates.iter().filter(accepts).map(|gate| gate.name.as_str()).collect()
    }

    /// When something was: `at 19:42`, or with its day.
    fn when(&self, ms: TimeMs, now: TimeMs) -> String {
        let zone = &self.event.spec.zone;
        let text = Lang::En.end(ms, now, zone);
        let clock = Lang::En.moment(ms, zone, crate::language::format::Style::Clock);
        let word = if text == clock { "at" } else { "on" };
        format!("{word} {text}")
    }
}

/// What a page shows beside what it always shows.
#[derive(Default)]
struct Says {
    shown: Option<Shown>,
    fault: Option<(&'static str, &'static str)>,
    /// The code that stands in the field.
    code: String,
    /// The nonce of the form; a new one if none.
    nonce: Option<u128>,
    out: bool,
    /// For the script: the answer to a scan, and the scan.
    told: Option<serde_json::Value>,
    /// What was typed to find a guest.
    typed: String,
    not_found: Option<String>,
    found: Option<FoundRows>,
}

/// The page as it is now.
async fn shown(app: &Site, caller: &Caller, at: &At, says: Says) -> Result<Response, Problem> {
    let keys = app.tickets.keys(&caller.permit_anywhere()?).await?;
    let overview = app.door.overview(&at.permit, &at.event, SEARCHED).await?;
    let now = app.clock.now_ms();
    let manages = caller.has(Right::ChangeEvents, Some(at.event.id));
    let mut scans = Vec::new();
    for row in overview.latest.iter().filter(|row| row.device == at.device.id).take(SHOWN) {
        scans.push(last_scan(app, at, row, (now, manages)).await);
    }
    let tickets: u64 = at.event.pools.iter().map(|pool| u64::from(pool.sold)).sum();
    let number = |n: i64| Lang::En.number(n);
    let gates = at.spec.gates.iter().map(|gate| Gate {
        id: gate.id.clone(),
        name: gate.name.clone(),
        chosen: at.gate.as_ref() == Some(&gate.id),
    });
    let contradicted = contradicted(app, at, now).await?;
    let template = DoorPage {
        frame: Frame::english(app),
        data: attribute(&Data::of(at, &keys, says.told.as_ref())),
        path: path_of(&at.event),
        event_name: at.event.spec.name.clone(),
        shown: says.shown,
        fault: says.fault,
        code: begin(&says.code, TYPED).to_owned(),
        nonce: uuid_text(says.nonce.unwrap_or_else(|| app.ids.random())),
        gates: gates.collect(),
        gate: at.gate.as_deref().map(|gate| at.name_of(gate).unwrap_or_default().to_owned()),
        comes_back: at.spec.admission == Admission::ComeBack,
        out: says.out,
        inside: number(overview.inside),
        tickets: number(tickets as i64),
        scans,
        by_link: at.by_link,
        contradicted,
        typed: begin(&says.typed, TYPED).to_owned(),
        not_found: says.not_found,
        found: says.found,
    };
    let mut response = page(&template);
    protect(response.headers_mut());
    if at.device.is_new {
        let id = uuid_text(at.device.id);
        cookies::set(app, &mut response, (DEVICE_COOKIE, &id, "/door/"), DEVICE_S);
    }
    if let (true, Some(gate)) = (at.chosen, &at.gate) {
        cookies::set(app, &mut response, (GATE_COOKIE, gate, &path_of(&at.event)), GATE_S);
    }
    Ok(response)
}

/// The page may use the camera, and a thread that reads pictures of it.
fn protect(headers: &mut HeaderMap) {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                  connect-src 'self'; worker-src 'self'; media-src 'self' blob:; form-action 'self'; \
                  base-uri 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    let camera = HeaderValue::from_static("camera=(self)");
    headers.insert(HeaderName::from_static("permissions-policy"), camera);
}

async fn last_scan(app: &Site, at: &At, row: &ScanRow, (now, manages): (TimeMs, bool)) -> LastScan {
    // A late scan may be of an order that is not there. Whose a ticket of another event is, is not told here.
    let order = app.sales.find(row.order_id).await.ok();
    let order = order.filter(|order| order.event == at.event.id);
    let number = u16::try_from(row.number).unwrap_or(0);
    let ticket = order.and_then(|order| scanned(&order, number, &at.event));
    let (name, ticket_type) = ticket.map_or_else(Default::default, |ticket| {
        (ticket.name.into_owned(), ticket.ticket_type.into_owned())
    });
    let undone = row.undone_ms.is_some();
    let may = !undone && (manages || row.recorded_ms.saturating_add(UNDO_MS) > now);
    LastScan {
        time: Lang::En.end(row.when_ms(), now, &at.event.spec.zone),
        name,
        ticket_type,
        out: row.goes_out,
        undone,
        undo: may.then(|| uuid_text(row.nonce)),
    }
}

/// Who came in elsewhere with tickets that this device had let in.
async fn contradicted(app: &Site, at: &At, now: TimeMs) -> Result<Vec<Contradicted>, Problem> {
    let mut told = Vec::new();
    for row in app.door.contradicted(&at.permit, DeviceId(at.device.id)).await? {
        let scan = last_scan(app, at, &row, (now, false)).await;
        let gate = at.name_of(&row.gate).map(|gate| format!(" at {gate}")).unwrap_or_default();
        told.push(Contradicted {
            name: scan.name,
            ticket_type: scan.ticket_type,
            there: format!("{}{gate}", at.when(row.when_ms(), now)),
        });
    }
    Ok(told)
}

/// The guests of a name.
async fn found(app: &Site, at: &At, text: &str) -> Result<FoundRows, Problem> {
    let found = app.door.find(at.permit, &app.search, text).await?;
    let now = app.clock.now_ms();
    let row = |ticket: &NamedTicket| {
        let told = scanned(&ticket.order, ticket.number, &at.event)?;
        let when = |scan: &ScanRow| {
            let gate = at.name_of(&scan.gate).map(|gate| format!(" at {gate}"));
            format!("{}{}", at.when(scan.when_ms(), now), gate.unwrap_or_default())
        };
        let daily = at.spec.admission == Admission::OnceADay;
        let (state, may) = match &ticket.last {
            _ if !ticket.is_valid() => ("Refunded".to_owned(), false),
            None => ("Not in yet".to_owned(), true),
            Some(scan) if scan.goes_out => {
                (format!("Went out {}", when(scan)), at.spec.admission == Admission::ComeBack)
            }
            Some(scan) => (format!("Came in {}", when(scan)), daily),
        };
        let order = told.order.into_owned();
        Some(FoundRow {
            order_begin: begin(&order, 8).to_owned(),
            order,
            number: ticket.number,
            name: told.name.into_owned(),
            ticket_type: told.ticket_type.into_owned(),
            state,
            nonce: may.then(|| uuid_text(app.ids.random())),
        })
    };
    Ok(FoundRows { rows: found.tickets.iter().filter_map(row).collect(), more: found.more })
}

/// `GET /door/{event}/link/{token}`: the link of a gate. The phone that opens it checks people in from then on.
pub async fn open_link(
    State(app): State<Arc<Site>>,
    Path((slug, token)): Path<(String, String)>,
) -> Page {
    let event = app.sales.event_named(&slug).await.map_err(|_| Problem::no_page())?;
    let known = app.accounts.gate_link(&token).await.map_err(Problem::from)?;
    let known = known.filter(|(link, _)| link.event == event.id);
    let (link, standing) = known.ok_or_else(Problem::no_page)?;
    if !matches!(standing, LinkStanding::Works(_)) {
        return Err(link_problem(&app, &link, &standing).into());
    }
    let path = match link.gate.as_str() {
        "" => path_of(&event),
        gate => format!("{}?gate={gate}", path_of(&event)),
    };
    let mut response = Redirect::to(&path).into_response();
    let seconds = (link.until_ms - app.clock.now_ms()) / 1_000;
    keep_gate_link(&app, &mut response, &token, seconds.max(1));
    Ok(response)
}

/// `POST /door/{event}/leave`: this phone checks nobody in any more.
pub async fn leave(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, _): SentByStaff,
) -> Page {
    let event = event_for(&app, &caller, &slug).await.map_err(Problem::from)?;
    caller.permit::<may::CheckIn>(event.id).map_err(Problem::from)?;
    let mut response = Redirect::to("/").into_response();
    keep_gate_link(&app, &mut response, "", 0);
    Ok(response)
}

/// `GET /door/{event}?gate=&q=`
pub async fn show(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
    query: Query,
    headers: HeaderMap,
) -> Page {
    let at = At::of(&app, &caller, &slug, &headers, (query.get("gate"), None)).await?;
    if query.get("q").is_none() {
        return Ok(shown(&app, &caller, &at, Says::default()).await?);
    }
    let mut says = Says { typed: query.get("q").unwrap_or_default().to_owned(), ..Says::default() };
    match name_typed(&query) {
        Ok(text) => says.found = Some(found(&app, &at, text).await?),
        Err(flaw) => says.not_found = Some(flaw.detail),
    }
    let wrong = says.not_found.is_some();
    let mut response = shown(&app, &caller, &at, says).await?;
    if wrong {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// The ticket of a form that lets a guest in who was found by a name.
fn ticket_found(form: &Form) -> Option<TicketRef> {
    let order = OrderId(uuid_of(form.get("order"))?);
    Some(TicketRef { order, number: form.get("number").parse().ok()? })
}

/// `POST /door/{event}`: one scan.
pub async fn scan(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Page {
    let form = Form::read(&headers, &body)?;
    let nonce = uuid_of(form.get("nonce"));
    let gate = Some(form.get("gate")).filter(|gate| !gate.is_empty());
    let at = At::of(&app, &caller, &slug, &headers, (gate, nonce)).await?;
    let Some(nonce) = nonce else {
        let detail = "The form was not whole, so nothing was checked. Load the page again, and scan the ticket again.";
        return Err(Problem::invalid(detail).into());
    };
    let code = form.get("code").to_owned();
    let ticket = ticket_found(&form);
    let goes_out = form.get("direction") == "out" && at.spec.admission == Admission::ComeBack;
    let fault = match (&at.gate, code.as_str()) {
        (_, "") if ticket.is_none() => Some(("code", "Scan a ticket, or type its code.")),
        (None, _) => Some(("gate", "Choose your gate, then press Check.")),
        (Some(_), _) => None,
    };
    if let Some(fault) = fault {
        let says =
            Says { fault: Some(fault), code, nonce: Some(nonce), out: goes_out, ..Says::default() };
        let mut response = shown(&app, &caller, &at, says).await?;
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(response);
    }
    let report = Report {
        code: if ticket.is_some() { String::new() } else { code.clone() },
        ticket,
        gate: at.gate.clone().unwrap_or_default(),
        device: DeviceId(at.device.id),
        nonce: Nonce(nonce),
        at_ms: None,
        direction: if goes_out { Direction::Out } else { Direction::In },
        late: false,
    };
    let known = app.door.knows(&at.permit, report.device, report.nonce).await;
    let answered = match known {
        Ok(known) => app.door.scan(&at.permit, &at.event, report).await.map(|told| (known, told)),
        Err(why) => Err(why),
    };
    let (known, answered) = match answered {
        Ok(answered) => answered,
        Err(why) => return Ok(not_known(&app, &caller, &at, (code, nonce, goes_out), why).await?),
    };
    if let Err(DoorRefusal::UnknownEvent) = answered.scan {
        return Err(Problem::from(CommandError::Refused(boxoffice::Refusal::UnknownEvent)).into());
    }
    let said = told(&app, &caller, &at.event, &answered);
    let elsewhere = said.event.as_deref().and_then(|slug| {
        let all = app.catalogue.events();
        all.iter().find(|event| event.spec.slug == slug).map(|event| event.spec.name.clone())
    });
    let now = app.clock.now_ms();
    let mut result = words::of(&at, &said, elsewhere.as_deref(), now);
    // The form was sent before: its page was loaded again, say. What was green then is not an answer to the next guest.
    if let (true, Ok(scan)) = (known, &answered.scan) {
        result = words::answered_before(result, &at.when(scan.recorded_ms, now));
    }
    let direction = if goes_out { "out" } else { "in" };
    let scan =
        serde_json::json!({"gate": at.gate, "direction": direction, "nonce": uuid_text(nonce)});
    let told = serde_json::to_value(&said).ok().map(|said| serde_json::json!([said, scan]));
    let says = Says { shown: Some(result), out: goes_out, told, ..Says::default() };
    Ok(shown(&app, &caller, &at, says).await?)
}

/// Nothing was decided, or nobody knows it. The form is the same scan again.
async fn not_known(
    app: &Site,
    caller: &Caller,
    at: &At,
    (code, nonce, out): (String, u128, bool),
    why: CommandError,
) -> Result<Response, Problem> {
    let in_doubt = why == CommandError::InDoubt;
    let problem = Problem::from(why);
    let told = Shown {
        colour: Colour::Amber,
        title: if in_doubt { "No answer yet" } else { "Not checked" }.into(),
        detail: "Press Check again. It is the same scan: it cannot count twice.".into(),
        ..Shown::default()
    };
    let says = Says { shown: Some(told), code, nonce: Some(nonce), out, ..Says::default() };
    let Ok(mut response) = shown(app, caller, at, says).await else { return Err(problem) };
    *response.status_mut() = problem.status;
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

/// `POST /door/{event}/undo`: nobody has passed after all.
pub async fn undo(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Page {
    let form = Form::read(&headers, &body)?;
    let at = At::of(&app, &caller, &slug, &headers, (None, None)).await?;
    let Some(nonce) = uuid_of(form.get("nonce")) else {
        let detail = "The form was not whole, so nothing was undone. Load the page again.";
        return Err(Problem::invalid(detail).into());
    };
    let manager = match caller.has(Right::ChangeEvents, Some(at.event.id)) {
        true => Some(caller.permit(at.event.id)?),
        false => None,
    };
    let device = DeviceId(at.device.id);
    let done = app.door.undo(&at.permit, device, Nonce(nonce), manager.as_ref()).await?;
    let told = words::undone(&done);
    let out = form.get("direction") == "out";
    Ok(shown(&app, &caller, &at, Says { shown: Some(told), out, ..Says::default() }).await?)
}

/// What the page of a ticket shows to whoever may let its holder in.
pub(super) struct Admit {
    /// Where the form goes.
    pub path: String,
    /// The nonce of the form.
    pub nonce: String,
}

/// The form that lets the holder of a ticket of this event in, if this browser's person may do that.
pub(super) async fn admit(
    app: &App,
    headers: &HeaderMap,
    event: &Event,
) -> Result<Option<Admit>, Problem> {
    let may = checks_in(app, headers, event.id).await?;
    Ok(may.then(|| Admit { path: path_of(event), nonce: uuid_text(app.ids.random()) }))
}

/// A time of the API.
fn ms_of(at: &str) -> Option<TimeMs> {
    when::parse(at).ok()
}
