//! The door of an event, for whoever runs it: how it works, the links of its gates, the devices that are there, how
//! people arrive, and what contradicts itself.

use super::event_form::{slug_of, unused};
use super::form::Faults;
use super::orders::event_page;
use super::{OfficeFrame, Staff};
use crate::access::{Caller, Right, may};
use crate::accounts::gate_links::NewGateLink;
use crate::accounts::own::NotChanged;
use crate::actor::Actor;
use crate::door::arrivals::{Arrivals, SPAN_MS};
use crate::http::api::at_door::{check_gate, link_url, usual_times};
use crate::http::extract::{Form, Sent, SentByStaff};
use crate::http::page::{Moment, Page, page};
use crate::http::problem::Problem;
use crate::http::site::Site;
use crate::http::staff::event_for;
use crate::ids::digest;
use crate::language::Lang;
use crate::language::format::Style;
use crate::qr;
use crate::store::records::door::ScanRow;
use crate::store::records::gate_links::{DoorDevice, GateLink};
use crate::text::{begin, capital};
use crate::when;
use crate::writer::CommandError;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use boxoffice::door::{Admission, DoorRefusal, DoorSpec, GateSpec, MOST_GATES};
use boxoffice::{Event, TimeMs};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// So many empty lines for new gates.
const EMPTY: usize = 2;
/// So many bars of a chart at most. Arrivals of more than a day are shown by the hour, and of more than a week, those
/// of the last week.
const BARS: i64 = 96;
const MOST_BARS: i64 = 168;
const HOUR_MS: i64 = 3_600_000;
/// What a device has not sent is told for so long after it was heard of.
const TOLD_MS: i64 = 24 * HOUR_MS;
/// A device that was not heard of for so long is marked.
const SILENT_MS: i64 = 2 * 60_000;

#[derive(Template)]
#[template(path = "office/door.html")]
struct DoorPage {
    office: OfficeFrame,
    slug: String,
    changes: bool,
    checks_in: bool,
    sees_orders: bool,
    faults: Faults,
    // How it works.
    /// Names the settings that the form was made of.
    version: String,
    admissions: Vec<(&'static str, &'static str, bool)>,
    opens: String,
    opens_hint: String,
    gates: Vec<GateRow>,
    /// The gates in words, for whoever may not change them.
    gate_names: String,
    // Links.
    links: Vec<LinkRow>,
    gate_choices: Vec<(String, String)>,
    link_name: String,
    day: String,
    // What is there.
    devices: Vec<DeviceRow>,
    unsent: i64,
    inside: String,
    arrived: String,
    not_arrived: String,
    charts: Vec<GateChart>,
    /// What one bar is.
    span: &'static str,
    rows: Vec<SpanRow>,
    conflicts: Vec<ConflictRow>,
}

/// A gate in the form.
struct GateRow {
    n: usize,
    id: String,
    name: String,
    /// The ticket types: id, name, and whether the gate accepts them by name.
    types: Vec<(String, String, bool)>,
}

impl GateRow {
    /// Whether the gate accepts some ticket types only.
    fn chooses(&self) -> bool {
        self.types.iter().any(|(.., chosen)| *chosen)
    }
}

struct LinkRow {
    id: String,
    name: String,
    gate: String,
    when: String,
    /// Whether it can be ended.
    lasts: bool,
}

struct DeviceRow {
    device: String,
    gate: String,
    who: String,
    seen: Moment,
    silent: bool,
    unsent: i64,
}

/// The arrivals at a gate, as bars. Lengths are parts of a chart that is 100 high and as wide as its bars times 10.
struct GateChart {
    gate: String,
    total: i64,
    most: i64,
    width: usize,
    bars: Vec<Bar>,
    ends: (String, String),
}

struct Bar {
    told: String,
    x: usize,
    y: String,
    height: String,
}

/// The arrivals of a span, at each gate.
struct SpanRow {
    when: String,
    gates: Vec<(String, i64)>,
}

struct ConflictRow {
    at: Moment,
    gate: String,
    ticket: String,
    order: String,
    why: String,
}

/// What somebody typed in one of the forms, and what is wrong with it.
#[derive(Default)]
struct Typed {
    faults: Faults,
    settings: Option<(DoorSpec, String)>,
    link_name: String,
}

fn number(n: i64) -> String {
    Lang::En.number(n)
}

fn gate_name(spec: &DoorSpec, id: &str) -> String {
    let known = spec.gates.iter().find(|gate| gate.id == id);
    known.map_or(id, |gate| &gate.name).to_owned()
}

/// The name of a gate where none may be chosen yet.
fn gate_or_any(spec: &DoorSpec, id: &str) -> String {
    if id.is_empty() { "Any gate".into() } else { gate_name(spec, id) }
}

async fn shown(app: &Site, caller: &Caller, slug: &str, typed: Typed) -> Result<Response, Problem> {
    let (event, office) = event_page(app, caller, slug, "door").await?;
    let see = caller.permit::<may::SeeEvents>(event.id)?;
    let has = |right| caller.has(right, Some(event.id));
    let changes = has(Right::ChangeEvents) && has(Right::CheckIn);
    let now = app.clock.now_ms();
    let arrivals = app.door.arrivals(&see, &event).await?;
    let spec = arrivals.spec.clone();
    let refused = !typed.faults.is_empty();
    let (form, opens) = typed.settings.unwrap_or_else(|| {
        let opens = spec.opens_ms.map(|ms| when::local(ms, &event.spec.zone));
        (spec.clone(), opens.unwrap_or_default())
    });
    let (mut links, mut devices) = (Vec::new(), Vec::new());
    if changes {
        let permit = caller.permit(event.id)?;
        links = app.accounts.gate_links(&permit).await?;
        devices = app.door.devices(&permit).await?;
    }
    let named = |id: u128| links.iter().find(|link| link.id == id).map(|link| link.name.clone());
    let device = |device: &DoorDevice| DeviceRow {
        device: begin_of(device.device),
        gate: gate_or_any(&spec, &device.gate),
        who: match device.who {
            Actor::Device(link) => named(link).unwrap_or_default(),
            other => super::order_words::who(other),
        },
        seen: Moment::short(Lang::En, device.seen_ms, &event.spec.zone),
        silent: now - device.seen_ms > SILENT_MS,
        unsent: device.unsent,
    };
    let lately = devices.iter().filter(|device| now - device.seen_ms < TOLD_MS);
    let unsent = lately.map(|device| device.unsent).sum();
    let devices: Vec<DeviceRow> = devices.iter().map(device).collect();
    let (charts, rows, span) = charts(&arrivals, &event);
    let conflict = |row: &ScanRow| ConflictRow {
        at: Moment::short(Lang::En, row.when_ms(), &event.spec.zone),
        gate: gate_name(&spec, &row.gate),
        ticket: format!("Ticket {}", row.number),
        order: Uuid::from_u128(row.order_id.0).to_string(),
        why: capital(&row.objection.clone().unwrap_or_default().replace('_', " ")),
    };
    let day = Lang::En.moment(usual_times(&event, spec.opens_ms).0, &event.spec.zone, Style::Short);
    let template = DoorPage {
        slug: slug.to_owned(),
        changes,
        checks_in: has(Right::CheckIn),
        sees_orders: has(Right::SeeOrders),
        version: version(&spec),
        admissions: admissions(form.admission),
        opens,
        opens_hint: format!(
            "In the time of {}. Before that nobody is let in; left empty: at any time.",
            event.spec.zone
        ),
        gates: gate_rows(&form, &event),
        gate_names: spec.gates.iter().map(|g| g.name.clone()).collect::<Vec<_>>().join(", "),
        links: links.iter().map(|link| link_row(link, &spec, &event, now)).collect(),
        gate_choices: spec.gates.iter().map(|g| (g.id.clone(), g.name.clone())).collect(),
        link_name: typed.link_name,
        day,
        unsent,
        devices,
        inside: number(arrivals.inside),
        arrived: number(arrivals.arrived),
        not_arrived: number(arrivals.not_arrived),
        charts,
        span,
        rows,
        conflicts: arrivals.objected.iter().map(conflict).collect(),
        office,
        faults: typed.faults,
    };
    let status = if refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, page(&template)).into_response())
}

/// Enough of the id of a device to tell it from others.
fn begin_of(id: u128) -> String {
    let text = format!("{id:032x}");
    text[text.len() - 4..].to_uppercase()
}

/// Names settings, so that nobody overwrites what somebody else has changed since.
fn version(spec: &DoorSpec) -> String {
    format!("{:032x}", digest(&[format!("{spec:?}").as_bytes()]))
}

fn admissions(chosen: Admission) -> Vec<(&'static str, &'static str, bool)> {
    let words = |admission: Admission| match admission {
        Admission::Once => "Once",
        Admission::ComeBack => "Once, and again for whoever was scanned going out",
        Admission::OnceADay => "Once a day",
    };
    Admission::ALL.iter().map(|one| (one.word(), words(*one), *one == chosen)).collect()
}

fn gate_rows(spec: &DoorSpec, event: &Event) -> Vec<GateRow> {
    let empty = GateSpec { id: String::new(), name: String::new(), ticket_types: Vec::new() };
    let spare = EMPTY.min(MOST_GATES.saturating_sub(spec.gates.len()));
    let gates = spec.gates.iter().chain(std::iter::repeat_n(&empty, spare));
    let types = |gate: &GateSpec| -> Vec<(String, String, bool)> {
        // One that is not sold any more has tickets all the same, and an id has a row for each of its names.
        let mut types: Vec<(String, String, bool)> = Vec::new();
        for t in &event.ticket_types {
            let chosen = gate.ticket_types.contains(&t.id);
            if (chosen || !t.retired) && !types.iter().any(|(id, ..)| *id == t.id) {
                types.push((t.id.clone(), t.name.clone(), chosen));
            }
        }
        types
    };
    let row = |(n, gate): (usize, &GateSpec)| GateRow {
        n,
        id: gate.id.clone(),
        name: gate.name.clone(),
        types: types(gate),
    };
    gates.enumerate().map(row).collect()
}

fn link_row(link: &GateLink, spec: &DoorSpec, event: &Event, now: TimeMs) -> LinkRow {
    let told = |ms| Lang::En.moment(ms, &event.spec.zone, Style::Short);
    let when = match (link.ended_ms, now < link.until_ms, now < link.from_ms) {
        (Some(ended_ms), _, _) => format!("Ended {}", told(ended_ms)),
        (None, false, _) => format!("Over since {}", told(link.until_ms)),
        (None, true, true) => {
            format!("Works from {} until {}", told(link.from_ms), told(link.until_ms))
        }
        (None, true, false) => format!("Works until {}", told(link.until_ms)),
    };
    LinkRow {
        id: Uuid::from_u128(link.id).to_string(),
        name: link.name.clone(),
        gate: gate_or_any(spec, &link.gate),
        when,
        lasts: link.ended_ms.is_none() && now < link.until_ms,
    }
}

/// Charts of the arrivals at each gate, a table of them, and what one bar is.
fn charts(arrivals: &Arrivals, event: &Event) -> (Vec<GateChart>, Vec<SpanRow>, &'static str) {
    let entries = || arrivals.passed.iter().filter(|passed| passed.entered > 0);
    let (Some(first), Some(last)) =
        (entries().map(|p| p.at_ms).min(), entries().map(|p| p.at_ms).max())
    else {
        return (Vec::new(), Vec::new(), "");
    };
    let hourly = (last - first) / SPAN_MS >= BARS;
    let (length, span) = if hourly { (HOUR_MS, "hour") } else { (SPAN_MS, "quarter of an hour") };
    let begin = |ms: TimeMs| ms.div_euclid(length) * length;
    let (first, last) = (begin(first).max(begin(last) - (MOST_BARS - 1) * length), begin(last));
    let mut gates: BTreeMap<&str, BTreeMap<TimeMs, i64>> = BTreeMap::new();
    for passed in entries().filter(|passed| begin(passed.at_ms) >= first) {
        let spans = gates.entry(&passed.gate).or_default();
        *spans.entry(begin(passed.at_ms)).or_default() += passed.entered;
    }
    let most = gates.values().flat_map(BTreeMap::values).copied().max().unwrap_or(0).max(1);
    let told = |ms| Lang::En.moment(ms, &event.spec.zone, Style::Short);
    let bars = ((last - first) / length + 1) as usize;
    let chart = |(gate, spans): (&&str, &BTreeMap<TimeMs, i64>)| GateChart {
        gate: gate_name(&arrivals.spec, gate),
        total: spans.values().sum(),
        most: spans.values().copied().max().unwrap_or(0),
        width: bars.max(8) * 10,
        bars: spans
            .iter()
            .map(|(ms, entered)| {
                let height = *entered as f64 * 100.0 / most as f64;
                Bar {
                    told: format!("{}: {}", told(*ms), number(*entered)),
                    x: ((ms - first) / length) as usize * 10 + 1,
                    y: format!("{:.2}", 100.0 - height),
                    height: format!("{height:.2}"),
                }
            })
            .collect(),
        ends: (told(first), if bars > 1 { told(last) } else { String::new() }),
    };
    let charts = gates.iter().map(chart).collect();
    let spans_of_any: BTreeSet<TimeMs> = gates.values().flat_map(BTreeMap::keys).copied().collect();
    let row = |ms: &TimeMs| SpanRow {
        when: told(*ms),
        gates: gates
            .iter()
            .map(|(gate, spans)| {
                (gate_name(&arrivals.spec, gate), spans.get(ms).copied().unwrap_or(0))
            })
            .collect(),
    };
    (charts, spans_of_any.iter().rev().map(row).collect(), span)
}

/// `GET /office/events/{event}/door`
pub async fn show(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Staff(caller): Staff,
) -> Page {
    Ok(shown(&app, &caller, &slug, Typed::default()).await?)
}

fn path(slug: &str) -> String {
    format!("/office/events/{slug}/door")
}

/// The settings that a form says, and what is wrong with them.
fn read(form: &Form, event: &Event) -> (DoorSpec, Faults) {
    let mut faults = Faults::none();
    let admission = Admission::ALL.iter().find(|one| one.word() == form.get("admission"));
    let opens_ms = match form.get("opens") {
        "" => None,
        text => when::parse_local(text, &event.spec.zone)
            .map_err(|why| faults.add("opens", format!("{}.", capital(&why))))
            .ok(),
    };
    let mut gates: Vec<GateSpec> = Vec::new();
    for n in 0..MOST_GATES {
        let field = |what: &str| format!("gate.{n}.{what}");
        let name = form.get(&field("name"));
        if name.is_empty() {
            continue;
        }
        let id = match form.get(&field("id")) {
            "" => unused(&slug_of(name, "gate"), |id| gates.iter().any(|gate| gate.id == id)),
            id => id.to_owned(),
        };
        let types = field("type");
        let ticket_types: Vec<String> = form.all(&types).map(str::to_owned).collect();
        gates.push(GateSpec { id, name: name.to_owned(), ticket_types });
    }
    let spec = DoorSpec { admission: admission.copied().unwrap_or_default(), opens_ms, gates };
    (spec, faults)
}

/// `POST /office/events/{event}/door`: how the door works.
pub async fn change(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Page {
    let event = event_for(&app, &caller, &slug).await.map_err(Problem::from)?;
    let permit = caller.permit(event.id).map_err(Problem::from)?;
    let form = Form::read(&headers, &body)?;
    let (spec, mut faults) = read(&form, &event);
    let checks_in = caller.permit::<may::CheckIn>(event.id).map_err(Problem::from)?;
    let now = app.door.spec(&checks_in).await.map_err(Problem::from)?;
    if form.get("version") != version(&now) {
        faults.add_whole(
            "Somebody else has changed the door meanwhile, so nothing was changed. Here is what you have typed; open the \
             page again to see what it is now.",
        );
    }
    if faults.is_empty() {
        match app.door.put(&permit, spec.clone()).await.map_err(Problem::from)? {
            Ok(()) => return Ok(Redirect::to(&path(&slug)).into_response()),
            Err(DoorRefusal::Invalid(what)) => faults.add_whole(format!("{}.", capital(&what))),
            Err(DoorRefusal::UnknownTicketType(_)) => faults.add_whole(
                "One of the ticket types is not there any more. Nothing was changed; check the gates again.",
            ),
            Err(_) => {
                let no = CommandError::Refused(boxoffice::Refusal::UnknownEvent);
                return Err(Problem::from(no).into());
            }
        }
    }
    let settings = Some((spec, form.get("opens").to_owned()));
    Ok(shown(&app, &caller, &slug, Typed { faults, settings, ..Typed::default() }).await?)
}

/// `POST /office/events/{event}/door/links`
pub async fn make_link(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Page {
    let event = event_for(&app, &caller, &slug).await.map_err(Problem::from)?;
    let permit = caller.permit(event.id).map_err(Problem::from)?;
    let checks_in = caller.permit::<may::CheckIn>(event.id).map_err(Problem::from)?;
    let form = Form::read(&headers, &body)?;
    let spec = app.door.spec(&checks_in).await.map_err(Problem::from)?;
    let (day_ms, until_ms) = usual_times(&event, spec.opens_ms);
    let now = app.clock.now_ms();
    let new = NewGateLink {
        gate: form.get("gate").to_owned(),
        name: form.get("name").to_owned(),
        from_ms: if form.get("from") == "now" { now } else { day_ms },
        until_ms,
    };
    let made = match check_gate(&spec, &new.gate) {
        Ok(()) => app.accounts.make_gate_link(&permit, new).await.map_err(|no| ("name", no)),
        Err(_) => {
            let flaw = "The gates have changed. Please choose the gate again.";
            Err(("gate", NotChanged::Flaw(flaw)))
        }
    };
    match made {
        Ok(link) => {
            let id = Uuid::from_u128(link.id);
            Ok(Redirect::to(&format!("{}/links/{id}", path(&slug))).into_response())
        }
        Err((field, NotChanged::Flaw(flaw))) => {
            let mut faults = Faults::none();
            faults.add(field, flaw);
            let link_name = begin(form.get("name"), 200).to_owned();
            Ok(shown(&app, &caller, &slug, Typed { faults, link_name, ..Typed::default() }).await?)
        }
        Err((_, no)) => Err(no.into()),
    }
}

#[derive(Template)]
#[template(path = "office/door_link.html")]
struct LinkPage {
    office: OfficeFrame,
    slug: String,
    id: String,
    name: String,
    gate: String,
    when: String,
    lasts: bool,
    url: String,
    qr: String,
}

/// `GET /office/events/{event}/door/links/{link}`: the link as a QR code, for the phones of a gate.
pub async fn link(
    State(app): State<Arc<Site>>,
    Path((slug, link)): Path<(String, String)>,
    Staff(caller): Staff,
) -> Page {
    let (event, office) = event_page(&app, &caller, &slug, "door").await?;
    let permit = caller.permit(event.id).map_err(Problem::from)?;
    let checks_in = caller.permit::<may::CheckIn>(event.id).map_err(Problem::from)?;
    let id = Uuid::try_parse(&link).map(|id| id.as_u128()).map_err(|_| Problem::no_page())?;
    let links = app.accounts.gate_links(&permit).await.map_err(Problem::from)?;
    let link = links.into_iter().find(|link| link.id == id).ok_or_else(Problem::no_page)?;
    let spec = app.door.spec(&checks_in).await.map_err(Problem::from)?;
    let row = link_row(&link, &spec, &event, app.clock.now_ms());
    let url = link_url(&app, &event, &link);
    Ok(page(&LinkPage {
        office,
        slug,
        id: row.id,
        name: row.name,
        gate: row.gate,
        when: row.when,
        lasts: row.lasts,
        qr: if row.lasts { qr::svg(&url, "QR code of the link") } else { String::new() },
        url,
    }))
}

/// `POST /office/events/{event}/door/links/{link}/end`
pub async fn end_link(
    State(app): State<Arc<Site>>,
    Path((slug, link)): Path<(String, String)>,
    SentByStaff(caller, _): SentByStaff,
) -> Page {
    let event = event_for(&app, &caller, &slug).await.map_err(Problem::from)?;
    let permit = caller.permit(event.id).map_err(Problem::from)?;
    let id = Uuid::try_parse(&link).map(|id| id.as_u128()).map_err(|_| Problem::no_page())?;
    match app.accounts.end_gate_link(&permit, id).await {
        Ok(()) => Ok(Redirect::to(&path(&slug)).into_response()),
        Err(NotChanged::Gone) => Err(Problem::no_page().into()),
        Err(no) => Err(no.into()),
    }
}
