//! The JSON API for check-in: scans, what was counted, and how an event's door works.

use crate::access::{Caller, Permit, Right, may};
use crate::door::{Answered, Report};
use crate::http::auth::caller;
use crate::http::extract::{Sent, SentByStaff, json};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::site::Site;
use crate::http::staff::event_for;
use crate::store::records::door::ScanRow;
use crate::when;
use crate::writer::CommandError;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use boxoffice::door::{
    Admission, DeviceId, Direction, DoorRefusal, DoorSpec, GateSpec, Nonce, Objection, TicketRef,
    check_gate_id,
};
use boxoffice::{Event, Order, OrderId, TimeMs};
use nts_api as wire;
use nts_api::{ProblemCode, ScanResult, UndoResult};
use serde::Deserialize;
use std::sync::Arc;

/// So many scans in one request.
const MOST_SCANS: usize = 100;
/// So many of the last scans are told if nothing is said.
const USUAL: usize = 50;
/// At most so many.
const MOST_TOLD: usize = 500;

/// `POST /api/v1/events/{event}/check-ins`: one scan, or many.
pub async fn check_in(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Form {
        scans: Option<serde::de::IgnoredAny>,
    }
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit(event.id)?;
    let many = serde_json::from_slice::<Form>(&body).is_ok_and(|form| form.scans.is_some());
    if !many {
        let report = report(&app, json(&headers, &body)?)?;
        let answered = one(&app, &permit, &event, report).await?;
        return Ok(Json(told(&app, &caller, &event, &answered)).into_response());
    }
    let scans = json::<Scans>(&headers, &body)?.scans;
    if scans.len() > MOST_SCANS {
        let detail = format!("A request has at most {MOST_SCANS} scans. Nothing was recorded.");
        return Err(Problem::invalid(detail));
    }
    let mut results = Vec::with_capacity(scans.len());
    // One after the other: a later one of the same ticket is judged by the one before. What is wrong with one of them
    // must not keep back the others, whose people have passed.
    for scan in scans {
        let read = serde_json::from_value::<wire::CheckInBody>(scan);
        let read = read.map_err(|why| Problem::malformed("The scan", &why));
        let result = match read.and_then(|scan| report(&app, scan)) {
            Ok(report) => one(&app, &permit, &event, report).await,
            Err(flaw) => Err(flaw),
        };
        results.push(match result {
            Ok(answered) => told(&app, &caller, &event, &answered),
            Err(flaw) if flaw.code == ProblemCode::Invalid => invalid(&flaw.detail),
            Err(other) => return Err(other),
        });
    }
    Ok(Json(wire::CheckInResults { results }).into_response())
}

/// Many scans, each of which may be written wrongly.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scans {
    scans: Vec<serde_json::Value>,
}

/// The answer to a scan among many that cannot be understood.
fn invalid(detail: &str) -> wire::CheckIn<'static> {
    wire::CheckIn { detail: Some(detail.to_owned().into()), ..bare(ScanResult::Invalid) }
}

fn bare(result: ScanResult) -> wire::CheckIn<'static> {
    wire::CheckIn {
        at: None,
        detail: None,
        event: None,
        first: None,
        objection: None,
        opens_at: None,
        result,
        ticket: None,
        visit: None,
    }
}

async fn one(
    app: &Site,
    permit: &Permit<may::CheckIn>,
    event: &Event,
    report: Report,
) -> Result<Answered, Problem> {
    let answered = app.door.scan(permit, event, report).await.map_err(not_known)?;
    match &answered.scan {
        Err(DoorRefusal::Invalid(what)) => Err(Problem::invalid(format!("{what}."))),
        Err(DoorRefusal::UnknownEvent) => {
            Err(Problem::from(CommandError::Refused(boxoffice::Refusal::UnknownEvent)))
        }
        _ => Ok(answered),
    }
}

/// What whoever waits at the door hears if nothing was decided, or nobody knows it.
fn not_known(no: CommandError) -> Problem {
    let in_doubt = no == CommandError::InDoubt;
    let problem = Problem::from(no);
    if !in_doubt {
        return problem;
    }
    let detail = "It is not known yet whether this was recorded. Send the same scan again, with the same nonce: \
                  it is not recorded twice.";
    let mut told = Problem::new(ProblemCode::InDoubt, detail);
    told.retry_after = problem.retry_after;
    told
}

pub(super) fn uuid(what: &str, text: &str) -> Result<u128, Problem> {
    let read = uuid::Uuid::parse_str(text).map(|id| id.as_u128());
    read.map_err(|_| Problem::invalid(format!("The {what} is a UUID.")))
}

/// The ticket that a scan names instead of a code.
fn ticket_named(body: &wire::CheckInBody) -> Result<Option<TicketRef>, Problem> {
    match (&body.ticket, body.code.trim()) {
        (None, "") => Err(Problem::invalid("A scan has a code, or the ticket that was found.")),
        (Some(_), code) if !code.is_empty() => {
            Err(Problem::invalid("A scan has a code or a ticket, not both."))
        }
        (Some(named), _) => {
            let order = OrderId(uuid("order of the ticket", &named.order)?);
            Ok(Some(TicketRef { order, number: named.number }))
        }
        (None, _) => Ok(None),
    }
}

fn report(app: &Site, body: wire::CheckInBody) -> Result<Report, Problem> {
    let at_ms = body.at.as_deref().map(when::parse).transpose();
    let at_ms = at_ms.map_err(|why| Problem::invalid(format!("at: {why}.")))?;
    check_gate_id(&body.gate).map_err(|what| Problem::invalid(format!("{what}.")))?;
    let now = app.clock.now_ms();
    let ticket = ticket_named(&body)?;
    let age_ms = body.age_ms.map(|age| i64::try_from(age).unwrap_or(i64::MAX));
    Ok(Report {
        code: body.code.trim().to_owned(),
        ticket,
        gate: body.gate,
        device: DeviceId(uuid("device", &body.device)?),
        nonce: Nonce(uuid("nonce", &body.nonce)?),
        at_ms: age_ms.map(|age| now.saturating_sub(age).max(0)).or(at_ms),
        direction: match body.direction {
            wire::Direction::In => Direction::In,
            wire::Direction::Out => Direction::Out,
        },
        late: body.late,
    })
}

/// The word for an objection.
pub(in crate::http) fn word(objection: &Objection) -> ScanResult {
    match objection {
        Objection::AlreadyIn(_) => ScanResult::AlreadyIn,
        Objection::NotIn(_) => ScanResult::NotIn,
        Objection::UnknownGate => ScanResult::UnknownGate,
        Objection::EventCanceled => ScanResult::EventCanceled,
        Objection::UnknownTicket => ScanResult::UnknownTicket,
        Objection::OtherEvent(_) => ScanResult::OtherEvent,
        Objection::Unpaid(_) => ScanResult::Unpaid,
        Objection::Void(_) => ScanResult::Void,
        Objection::Revoked => ScanResult::Revoked,
        Objection::Replaced => ScanResult::Replaced,
        Objection::WrongGate => ScanResult::WrongGate,
        Objection::NotOpen(_) => ScanResult::NotOpen,
    }
}

fn at(ms: TimeMs) -> std::borrow::Cow<'static, str> {
    when::rfc3339(ms).into()
}

/// A ticket as the door sees it. `event` is the event of the order; a type of it that is not known yet has no name.
pub(in crate::http) fn scanned(
    order: &Order,
    number: u16,
    event: &Event,
) -> Option<wire::ScannedTicket<'static>> {
    let ticket = order.ticket(number)?;
    let line = &order.lines[usize::from(ticket.line)];
    let known = event.ticket_types.get(usize::from(line.ticket_type));
    Some(wire::ScannedTicket {
        name: ticket.guest.as_deref().unwrap_or(&order.buyer.name).to_owned().into(),
        number,
        order: uuid::Uuid::from_u128(order.id.0).to_string().into(),
        ticket_type: known.map(|known| known.name.clone()).unwrap_or_default().into(),
    })
}

/// What is told of a scan.
pub(in crate::http) fn told(
    app: &Site,
    caller: &Caller,
    event: &Event,
    answered: &Answered,
) -> wire::CheckIn<'static> {
    let of_this = answered.ticket.as_ref().filter(|seen| seen.order.event == event.id);
    let ticket = of_this.and_then(|seen| scanned(&seen.order, seen.number, &seen.event));
    let mut told = wire::CheckIn { ticket, ..bare(ScanResult::Recorded) };
    let objection = match &answered.scan {
        Ok(scan) => {
            told.at = Some(at(scan.recorded_ms));
            told.visit = scan.visit;
            told.objection = scan.objection.as_ref().map(word);
            told.result = match (&scan.objection, scan.direction) {
                (Some(_), _) => ScanResult::Recorded,
                (None, Direction::In) => ScanResult::Admitted,
                (None, Direction::Out) => ScanResult::Left,
            };
            scan.objection.as_ref()
        }
        Err(DoorRefusal::Objection(objection)) => {
            told.result = word(objection);
            Some(objection)
        }
        Err(DoorRefusal::Undone(undone)) => {
            told.result = ScanResult::Undone;
            told.at = Some(at(undone.at_ms));
            None
        }
        Err(DoorRefusal::Unreadable) => {
            told.result = ScanResult::Unreadable;
            None
        }
        // Of the page; the API tells it as a problem.
        Err(DoorRefusal::Invalid(what)) => {
            told.result = ScanResult::Invalid;
            told.detail = Some(format!("{what}.").into());
            None
        }
        // The rest is no answer to a scan, or was told as a problem.
        Err(_) => {
            told.result = ScanResult::NonceUsed;
            None
        }
    };
    match objection {
        Some(Objection::AlreadyIn(seen) | Objection::NotIn(Some(seen))) => {
            let gate = seen.gate.clone().into();
            told.first = Some(wire::SeenScan { at: at(seen.when_ms), gate });
        }
        Some(Objection::OtherEvent(other)) => {
            let known = app.catalogue.event_by_id(*other);
            let known = known.filter(|e| !e.spec.hidden || caller.knows(e.id));
            told.event = known.map(|e| e.spec.slug.clone().into());
        }
        Some(Objection::NotOpen(opens_ms)) => told.opens_at = Some(at(*opens_ms)),
        _ => {}
    }
    told
}

/// `DELETE /api/v1/events/{event}/check-ins/{device}/{nonce}`
pub async fn undo(
    State(app): State<Arc<Site>>,
    Path((slug, device, nonce)): Path<(String, String, String)>,
    SentByStaff(caller, _): SentByStaff,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit(event.id)?;
    let (device, nonce) = (uuid("device", &device)?, uuid("nonce", &nonce)?);
    let manager = match caller.has(Right::ChangeEvents, Some(event.id)) {
        true => Some(caller.permit(event.id)?),
        false => None,
    };
    let done = app.door.undo(&permit, DeviceId(device), Nonce(nonce), manager.as_ref()).await;
    let result = match done.map_err(not_known)? {
        Ok(_) => UndoResult::Undone,
        Err(DoorRefusal::TooLateToUndo(_)) => UndoResult::TooLate,
        Err(DoorRefusal::ScannedSince) => UndoResult::ScannedSince,
        Err(DoorRefusal::Unreadable) => {
            let detail = "What is recorded of this scan cannot be read, so nothing was undone. Tell whoever runs the \
                          box office: `nts audit` shows what is damaged.";
            return Err(Problem::new(ProblemCode::Unavailable, detail));
        }
        Err(_) => UndoResult::UnknownScan,
    };
    Ok(Json(wire::UndoneScan { result }).into_response())
}

/// `GET /api/v1/events/{event}/check-ins`
pub async fn overview(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&app, &headers).await?;
    let event = event_for(&app, &caller, &slug).await?;
    let limit = match query.get("limit").map(str::parse::<usize>) {
        None => USUAL,
        Some(Ok(limit)) if (1..=MOST_TOLD).contains(&limit) => limit,
        Some(_) => return Err(Problem::invalid(format!("The limit is 1 to {MOST_TOLD}."))),
    };
    let overview = app.door.overview(&caller.permit(event.id)?, &event, limit).await?;
    let gates = overview.counts.iter().map(|row| wire::GateCount {
        day: when::day_text(row.day).into(),
        entered: row.entered,
        entered_again: row.entered_again,
        gate: (&row.gate).into(),
        left: row.went_out,
        left_unseen: row.went_out_unseen,
    });
    // Whoever knows the name of a scan can undo it, as the device that made it.
    let manages = caller.has(Right::ChangeEvents, Some(event.id));
    let told = |row| recorded(row, manages);
    let answer = wire::CheckIns {
        conflicts: overview.objected.iter().map(told).collect(),
        gates: gates.collect(),
        inside: overview.inside,
        scans: overview.latest.iter().map(told).collect(),
        tickets: event.pools.iter().map(|pool| u64::from(pool.sold)).sum(),
    };
    Ok(Json(answer).into_response())
}

fn recorded(row: &ScanRow, with_name: bool) -> wire::RecordedScan<'_> {
    let id = |id: u128| uuid::Uuid::from_u128(id).to_string().into();
    let word = |word: &String| ScanResult::from_word(word).unwrap_or(ScanResult::Recorded);
    wire::RecordedScan {
        at: at(row.when_ms()),
        device: with_name.then(|| id(row.device)),
        direction: if row.goes_out { wire::Direction::Out } else { wire::Direction::In },
        gate: (&row.gate).into(),
        late: row.late,
        nonce: with_name.then(|| id(row.nonce)),
        number: row.number,
        objection: row.objection.as_ref().map(word),
        order: id(row.order_id.0),
        undone_at: row.undone_ms.map(at),
        visit: row.visit,
    }
}

fn spec_told(spec: &DoorSpec) -> wire::Door {
    let gate = |gate: &GateSpec| wire::Gate {
        id: gate.id.clone(),
        name: gate.name.clone(),
        ticket_types: gate.ticket_types.clone(),
    };
    wire::Door {
        admission: match spec.admission {
            Admission::Once => wire::Admission::Once,
            Admission::ComeBack => wire::Admission::ComeBack,
            Admission::OnceADay => wire::Admission::OnceADay,
        },
        gates: spec.gates.iter().map(gate).collect(),
        opens_at: spec.opens_ms.map(when::rfc3339),
    }
}

/// `GET /api/v1/events/{event}/door`
pub async fn door(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&app, &headers).await?;
    let event = event_for(&app, &caller, &slug).await?;
    let spec = app.door.spec(&caller.permit(event.id)?).await?;
    Ok(Json(spec_told(&spec)).into_response())
}

/// `PUT /api/v1/events/{event}/door`
pub async fn put_door(
    State(app): State<Arc<Site>>,
    Path(slug): Path<String>,
    SentByStaff(caller, Sent { headers, body }): SentByStaff,
) -> Result<Response, Problem> {
    let event = event_for(&app, &caller, &slug).await?;
    let permit = caller.permit(event.id)?;
    let body: wire::Door = json(&headers, &body)?;
    let opens_ms = body.opens_at.as_deref().map(when::parse).transpose();
    let gate = |gate: wire::Gate| GateSpec {
        id: gate.id,
        name: gate.name,
        ticket_types: gate.ticket_types,
    };
    let spec = DoorSpec {
        admission: match body.admission {
            wire::Admission::Once => Admission::Once,
            wire::Admission::ComeBack => Admission::ComeBack,
            wire::Admission::OnceADay => Admission::OnceADay,
        },
        opens_ms: opens_ms.map_err(|why| Problem::invalid(format!("opens_at: {why}.")))?,
        gates: body.gates.into_iter().map(gate).collect(),
    };
    match app.door.put(&permit, spec.clone()).await.map_err(not_known)? {
        Ok(()) => Ok(Json(spec_told(&spec)).into_response()),
        Err(DoorRefusal::Invalid(what)) => Err(Problem::invalid(format!("{what}."))),
        Err(DoorRefusal::UnknownTicketType(id)) => {
            let no = boxoffice::Refusal::UnknownTicketType(id);
            Err(Problem::from(CommandError::Refused(no)))
        }
        Err(_) => Err(Problem::from(CommandError::Refused(boxoffice::Refusal::UnknownEvent))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxoffice::door::Seen;
    use boxoffice::{EventId, OrderState};

    /// A row has the word of the rules, and an answer that of the API.
    #[test]
    fn an_objection_has_the_same_word_in_the_rows_and_in_the_api() {
        let seen = || Seen { turn: 1, when_ms: 0, gate: "north".into() };
        let all = [
            Objection::AlreadyIn(seen()),
            Objection::NotIn(None),
            Objection::UnknownGate,
            Objection::EventCanceled,
            Objection::UnknownTicket,
            Objection::OtherEvent(EventId(1)),
            Objection::Unpaid(OrderState::Held),
            Objection::Void(OrderState::Void),
            Objection::Revoked,
            Objection::Replaced,
            Objection::WrongGate,
            Objection::NotOpen(0),
        ];
        for objection in all {
            assert_eq!(word(&objection).word(), objection.word());
        }
    }
}
