//! The JSON API around check-in: the links of gates, devices, the list for use without a network, tickets by a name,
//! and arrivals.

use super::check_ins::uuid;
use crate::access::may;
use crate::accounts::gate_links::NewGateLink;
use crate::door::devices::Heard;
use crate::door::list::{Listed, Place};
use crate::door::search::NamedTicket;
use crate::http::extract::{Asks, Sent, SentByStaff, json};
use crate::http::page::is_known;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::site::Site;
use crate::http::staff::event_for;
use crate::ids::digest;
use crate::store::records::door::ScanRow;
use crate::store::records::gate_links::GateLink;
use crate::when;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use boxoffice::door::{DeviceId, DoorSpec, check_gate_id};
use boxoffice::{Event, TimeMs};
use nts_api as wire;
use std::sync::Arc;
use uuid::Uuid;

/// A device has so many scans at most that it has not sent.
const MOST_UNSENT: u32 = 1_000_000;
/// A name that is looked for has so many bytes at most, and so many at least: one letter finds everybody.
const MOST_TEXT: usize = 200;
const LEAST_TEXT: usize = 2;

fn at(ms: TimeMs) -> std::borrow::Cow<'static, str> {
    when::rfc3339(ms).into()
}

fn id_text(id: u128) -> String {
    Uuid::from_u128(id).to_string()
}

/// The gate that a link or a device names: one of the event's, or none yet. Without any gates, whatever is an id.
pub(in crate::http) fn check_gate(spec: &DoorSpec, gate: &str) -> Result<(), Problem> {
    if gate.is_empty() {
        return Ok(());
    }
    check_gate_id(gate).map_err(|what| Problem::invalid(format!("{what}.")))?;
    match spec.gates.is_empty() || spec.gates.iter().any(|known| known.id == gate) {
        true => Ok(()),
        false => Err(Problem::invalid("The event has no gate of this id. Nothing was done.")),
    }
}

/// `POST /api/v1/events/{event}/door/devices`: a device is there.
pub async fn heard(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit(event.id)?;
    let body: wire::DoorDeviceBody = json(&headers, &body)?;
    if !body.gate.is_empty() {
        check_gate_id(&body.gate).map_err(|what| Problem::invalid(format!("{what}.")))?;
    }
    if body.unsent > MOST_UNSENT {
        return Err(Problem::invalid("A device has 1,000,000 scans at most that it has not sent."));
    }
    let device = DeviceId(uuid("device", &body.device)?);
    app.door.heard(&permit, Heard { device, gate: body.gate, unsent: body.unsent }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /api/v1/events/{event}/door/devices`
pub async fn devices(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Asks(caller): Asks,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let devices = app.door.devices(&caller.permit(event.id)?).await?;
    let device = |device: &crate::store::records::gate_links::DoorDevice| wire::DoorDevice {
        device: id_text(device.device).into(),
        gate: device.gate.clone().into(),
        seen_at: at(device.seen_ms),
        unsent: device.unsent,
    };
    let devices = devices.iter().map(device).collect();
    Ok(Json(wire::DoorDevices { devices }).into_response())
}

/// The address of a link.
pub(in crate::http) fn link_url(app: &Site, event: &Event, link: &GateLink) -> String {
    let token = app.accounts.gate_token(link);
    format!("{}/door/{}/link/{token}", app.links.base(), event.spec.slug)
}

fn link_told(app: &Site, event: &Event, link: &GateLink) -> wire::GateLink<'static> {
    wire::GateLink {
        ended_at: link.ended_ms.map(at),
        gate: link.gate.clone().into(),
        id: id_text(link.id).into(),
        name: link.name.clone().into(),
        url: link_url(app, event, link).into(),
        valid_from: at(link.from_ms),
        valid_until: at(link.until_ms),
    }
}

/// `GET /api/v1/events/{event}/door/links`
pub async fn links(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Asks(caller): Asks,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let links = app.accounts.gate_links(&caller.permit(event.id)?).await?;
    let links = links.iter().map(|link| link_told(&app, &event, link)).collect();
    Ok(Json(wire::GateLinks { links }).into_response())
}

/// When a link works if nothing is said: from the begin of the day on which the event starts, or from when its doors open
/// if that is earlier, until noon of the day after its end.
pub(in crate::http) fn usual_times(event: &Event, opens_ms: Option<TimeMs>) -> (TimeMs, TimeMs) {
    let (zone, starts, ends) = (&event.spec.zone, event.spec.starts_ms, event.spec.ends());
    let clock = |day: i32, clock: &str, other: TimeMs| {
        let text = format!("{}T{clock}", when::day_text(day.into()));
        when::parse_local(&text, zone).unwrap_or(other)
    };
    let from = clock(when::day_number(starts, zone), "00:00", starts - 12 * 3_600_000);
    let until = clock(when::day_number(ends, zone) + 1, "12:00", ends + 12 * 3_600_000);
    (opens_ms.map_or(from, |opens| from.min(opens)), until)
}

/// `POST /api/v1/events/{event}/door/links`
pub async fn make_link(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit(event.id)?;
    let body: wire::GateLinkBody = json(&headers, &body)?;
    let time = |what: &str, text: &Option<String>| {
        let read = text.as_deref().map(when::parse).transpose();
        read.map_err(|why| Problem::invalid(format!("{what}: {why}.")))
    };
    let door = app.door.spec(&caller.permit::<may::CheckIn>(event.id)?).await?;
    let (from_ms, until_ms) = usual_times(&event, door.opens_ms);
    let new = NewGateLink {
        gate: body.gate.clone(),
        name: body.name.clone(),
        from_ms: time("valid_from", &body.valid_from)?.unwrap_or(from_ms),
        until_ms: time("valid_until", &body.valid_until)?.unwrap_or(until_ms),
    };
    check_gate(&door, &new.gate)?;
    let link = app.accounts.make_gate_link(&permit, new).await?;
    Ok((StatusCode::CREATED, Json(link_told(&app, &event, &link))).into_response())
}

/// `DELETE /api/v1/events/{event}/door/links/{link}`
pub async fn end_link(
    State(app): State<Arc<Site>>,
    Path((slug, link)): Path<(String, String)>,
    SentByStaff(caller, _): SentByStaff,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit(event.id)?;
    app.accounts.end_gate_link(&permit, uuid("link", &link)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn last(scan: &ScanRow) -> wire::LastPass<'static> {
    wire::LastPass {
        at: at(scan.when_ms()),
        direction: if scan.goes_out { wire::Direction::Out } else { wire::Direction::In },
        gate: scan.gate.clone().into(),
    }
}

fn listed(ticket: Listed) -> wire::ListedTicket<'static> {
    wire::ListedTicket {
        last: ticket.last.as_ref().map(last),
        names: ticket.names.into_iter().map(|(key, body)| (key, body.into())).collect(),
        revision: ticket.revision,
        ticket: ticket.ticket.into(),
        valid: ticket.valid,
    }
}

/// `GET /api/v1/events/{event}/door/list?since=&page=`
pub async fn list(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Asks(caller): Asks,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit(event.id)?;
    let odd = |what: &str| {
        let detail = format!("{what} is as an answer of this address has told it, or left out.");
        Problem::invalid(detail)
    };
    let place = match (query.get("page"), query.get("since")) {
        (Some(page), _) => page.parse().map_err(|()| odd("page"))?,
        (None, Some(since)) => {
            let since = since.parse().ok().filter(|ms: &TimeMs| *ms >= 0);
            Place::since(since.ok_or_else(|| odd("since"))?)
        }
        (None, None) => Place::since(0),
    };
    let place_is_first = query.get("page").is_none();
    let page = app.door.list(&permit, &event, place).await?;
    let answer = wire::DoorList {
        next: page.next.map(|next| next.to_string().into()),
        since: page.since_ms.to_string().into(),
        tickets: page.tickets.into_iter().map(listed).collect(),
    };
    let kept = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Only what is whole on one page has a tag. It is of the tickets alone: `since` is another one each time.
    if place_is_first && answer.next.is_none() {
        let tickets = serde_json::to_vec(&answer.tickets).expect("tickets are JSON");
        let tag = format!("W/\"{:032x}\"", digest(&[&tickets]));
        let same = is_known(&headers, &tag);
        let tag = HeaderValue::from_str(&tag).expect("a digest in quotation marks");
        let common = [(header::ETAG, tag), kept];
        return match same {
            true => Ok((StatusCode::NOT_MODIFIED, common).into_response()),
            false => Ok((common, Json(answer)).into_response()),
        };
    }
    Ok(([kept], Json(answer)).into_response())
}

/// What somebody typed to find a guest.
pub(in crate::http) fn name_typed(query: &Query) -> Result<&str, Problem> {
    let text = query.get("q").unwrap_or_default().trim();
    match (LEAST_TEXT..=MOST_TEXT).contains(&text.len()) {
        true => Ok(text),
        false => Err(Problem::invalid(
            "Write at least two letters of a name, or the number of an order; at most 200 bytes.",
        )),
    }
}

/// `GET /api/v1/events/{event}/door/tickets?q=`
pub async fn find(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Asks(caller): Asks,
    query: Query,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit(event.id)?;
    let found = app.door.find(permit, &app.search, name_typed(&query)?).await?;
    let told = |found: &NamedTicket| {
        Some(wire::NamedTicket {
            last: found.last.as_ref().map(last),
            ticket: super::check_ins::scanned(&found.order, found.number, &event)?,
            valid: found.is_valid(),
        })
    };
    let tickets = found.tickets.iter().filter_map(told).collect();
    Ok(Json(wire::NamedTickets { more: found.more, tickets }).into_response())
}

/// `GET /api/v1/events/{event}/door/arrivals`
pub async fn arrivals(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    Asks(caller): Asks,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let arrivals = app.door.arrivals(&caller.permit(event.id)?, &event).await?;
    let passed = arrivals.passed.iter().map(|passed| wire::Passed {
        at: at(passed.at_ms),
        entered: passed.entered,
        gate: (&passed.gate).into(),
        left: passed.left,
    });
    Ok(Json(wire::Arrivals {
        arrived: arrivals.arrived,
        not_arrived: arrivals.not_arrived,
        passed: passed.collect(),
    })
    .into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxoffice::door::{Admission, GateSpec};

    fn event(zone: &str, starts: &str, ends: Option<&str>) -> Event {
        let time = |text: &str| when::parse(text).expect("a time");
        let mut spec = nts_testkit::fixtures::event_spec("rock", 9);
        (spec.zone, spec.starts_ms, spec.ends_ms) = (zone.into(), time(starts), ends.map(time));
        Event {
            id: boxoffice::EventId(1),
            spec,
            pools: vec![],
            ticket_types: vec![],
            counters: vec![],
            serials: 0,
            sale: boxoffice::Sale::Open,
        }
    }

    #[test]
    fn a_link_works_from_the_morning_until_the_next_noon() {
        let (london, cairo) = ("Europe/London", "Africa/Cairo");
        for (zone, starts, ends, opens, from, until) in [
            (
                london,
                "2030-06-01T19:00:00Z",
                None,
                None,
                "2030-05-31T23:00:00Z",
                "2030-06-03T11:00:00Z",
            ),
            (
                london,
                "2030-01-31T19:00:00Z",
                Some("2030-02-02T01:00:00Z"),
                Some("2030-01-31T18:00:00Z"),
                "2030-01-31T00:00:00Z",
                "2030-02-03T12:00:00Z",
            ),
            (
                london,
                "2030-01-31T00:30:00Z",
                Some("2030-01-31T02:00:00Z"),
                Some("2030-01-30T23:00:00Z"),
                "2030-01-30T23:00:00Z",
                "2030-02-01T12:00:00Z",
            ),
            // There the clocks are put forward at midnight, so that day has none.
            (
                cairo,
                "2030-04-26T18:00:00Z",
                Some("2030-04-26T20:00:00Z"),
                None,
                "2030-04-26T06:00:00Z",
                "2030-04-27T09:00:00Z",
            ),
        ] {
            let event = event(zone, starts, ends);
            let opens_ms = opens.map(|text| when::parse(text).expect("a time"));
            let (is_from, is_until) = usual_times(&event, opens_ms);
            assert_eq!((&*at(is_from), &*at(is_until)), (from, until), "{zone} {starts}");
        }
    }

    #[test]
    fn a_gate_is_one_of_the_event_or_any_id_where_it_has_none() {
        let gate = |id: &str| GateSpec { id: id.into(), name: id.into(), ticket_types: vec![] };
        let of = |gates| DoorSpec { admission: Admission::Once, opens_ms: None, gates };
        let (none, two) = (of(vec![]), of(vec![gate("north"), gate("south")]));
        for (id, of_none, of_two) in [
            ("", true, true),
            ("north", true, true),
            ("south", true, true),
            ("west", true, false),
            ("No gate", false, false),
        ] {
            let is = [&none, &two].map(|spec| check_gate(spec, id).is_ok());
            assert_eq!(is, [of_none, of_two], "{id}");
        }
    }
}
