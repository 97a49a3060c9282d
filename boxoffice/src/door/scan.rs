//! Entries and exits: recorded, or refused with the reason.

use super::settings::{MOST_FREE_GATES, OTHER_GATE, check_gate_id};
use super::state::{DoorState, GateCounts};
use super::{
    Direction, DoorChange, DoorDecision, DoorRefusal, DoorReply, DoorSpec, Objection, Presence,
    Scan, ScanReport,
};
use crate::mutant::{Mutant, on};
use crate::{Event, OrderState, State, TicketState, TimeMs};
use alloc::{boxed::Box, format, string::String, vec, vec::Vec};

/// A ticket has so many scans at an event at most, so that what is loaded for the next one is bounded.
pub const MOST_SCANS: usize = 500;

/// Records that somebody passes a gate, or has passed it.
pub(crate) fn scan(
    sale: &State,
    door: &DoorState,
    report: &ScanReport,
    direction: Direction,
    now: TimeMs,
) -> Result<DoorDecision, DoorRefusal> {
    if door.unreadable.scans.contains(&report.id()) {
        return Err(DoorRefusal::Unreadable);
    }
    if let Some(known) = door.scan(report.id()).filter(|_| !on(Mutant::NonceForgotten)) {
        return again(known, report, direction);
    }
    check_gate_id(&report.gate).map_err(DoorRefusal::Invalid)?;
    let event = sale.events.get(&report.event).ok_or(DoorRefusal::UnknownEvent)?;
    let (doors, tickets) = (&door.unreadable.doors, &door.unreadable.tickets);
    if doors.contains(&report.event) || tickets.contains(&(report.event, report.ticket)) {
        return Err(DoorRefusal::Unreadable);
    }
    let spec = door.spec(report.event);
    let earlier = door.scans_of(report.event, report.ticket);
    if earlier.len() >= MOST_SCANS {
        let what = format!("a ticket is scanned {MOST_SCANS} times at most");
        return Err(DoorRefusal::Invalid(what));
    }
    let presence = Presence::of(earlier);
    // Somebody who is in already is told first: then no late entry without a turn has another objection.
    let contradicted = match direction {
        Direction::In if on(Mutant::AdmitsTwice) => None,
        Direction::In => {
            presence.taken(earlier, spec.admission, report.day).map(Objection::AlreadyIn)
        }
        Direction::Out if presence.inside > 0 => None,
        Direction::Out => Some(Objection::NotIn(presence.last_out.clone())),
    };
    let takes_turn = direction == Direction::In && contradicted.is_none();
    let objection = contradicted.or_else(|| match direction {
        Direction::In => objection_to_entry(sale, event, spec, report, now),
        Direction::Out if spec.has_gate(&report.gate) => None,
        Direction::Out => Some(Objection::UnknownGate),
    });
    if let Some(objection) = objection.clone().filter(|_| !report.late) {
        return Err(DoorRefusal::Objection(objection));
    }
    let gate = gate_of(door, spec, report)?;

    // The point of no return.
    let scan = Scan {
        id: report.id(),
        ticket: report.ticket,
        turn: earlier.len() as u32 + 1,
        direction,
        revision: report.revision,
        gate,
        at_ms: report.at_ms,
        recorded_ms: now,
        day: report.day,
        late: report.late,
        admission: spec.admission,
        visit: takes_turn.then_some(presence.visits + 1),
        objection,
        undone: None,
    };
    let counted = DoorChange::Counted {
        event: report.event,
        gate: scan.gate.clone(),
        day: scan.day,
        more: GateCounts::of(&scan),
    };
    let changes = vec![DoorChange::ScanAdded(Box::new(scan.clone())), counted];
    Ok(DoorDecision { changes, reply: DoorReply::Scanned(Box::new(scan)) })
}

/// The gate at which a scan is counted. Once there are as many as there may be that the settings do not name, nobody
/// comes in at another one, and whoever has passed it is counted at [`OTHER_GATE`].
fn gate_of(door: &DoorState, spec: &DoorSpec, report: &ScanReport) -> Result<String, DoorRefusal> {
    let named = |gate: &str| spec.gates.iter().any(|known| known.id == gate);
    let free = door.gates.get(&report.event).into_iter().flatten();
    let is_full = || free.filter(|gate| !named(gate)).count() >= MOST_FREE_GATES;
    if named(&report.gate) || door.has_counted(report.event, &report.gate) || !is_full() {
        return Ok(report.gate.clone());
    }
    if report.late {
        return Ok(OTHER_GATE.into());
    }
    let what = format!(
        "people were counted at {MOST_FREE_GATES} gates of this event, and {} is none of them; use one of those, or \
         name the gates in the settings of the event's door",
        report.gate
    );
    Err(DoorRefusal::Invalid(what))
}

/// A scan that is recorded already: the same answer. Only if it was undone since, the answer is another one, for who
/// hears yes may let somebody in.
fn again(
    known: &Scan,
    report: &ScanReport,
    direction: Direction,
) -> Result<DoorDecision, DoorRefusal> {
    if (known.ticket, known.direction) != (report.ticket, direction) {
        return Err(DoorRefusal::NonceUsed);
    }
    if let Some(undone) = known.undone {
        return Err(DoorRefusal::Undone(undone));
    }
    let reply = DoorReply::Scanned(Box::new(known.clone()));
    Ok(DoorDecision { changes: Vec::new(), reply })
}

/// Why a ticket with which nobody is in does not let somebody in here and now.
///
/// It is judged by what is so now, for a late report as well: what was so when the device let somebody in is known
/// from the clock of the device only, and that may be wrong.
fn objection_to_entry(
    sale: &State,
    event: &Event,
    spec: &DoorSpec,
    report: &ScanReport,
    now: TimeMs,
) -> Option<Objection> {
    if !spec.has_gate(&report.gate) {
        return Some(Objection::UnknownGate);
    }
    if event.is_canceled() {
        return Some(Objection::EventCanceled);
    }
    let Some(order) = sale.orders.get(&report.ticket.order) else {
        return Some(Objection::UnknownTicket);
    };
    if order.event != event.id {
        return Some(Objection::OtherEvent(order.event));
    }
    match order.state {
        OrderState::Held | OrderState::Paying | OrderState::Canceling | OrderState::Committed => {
            return Some(Objection::Unpaid(order.state));
        }
        OrderState::Released | OrderState::Void => return Some(Objection::Void(order.state)),
        OrderState::Paid | OrderState::Refunding | OrderState::Refunded => {}
    }
    let Some(ticket) = order.ticket(report.ticket.number) else {
        return Some(Objection::UnknownTicket);
    };
    if ticket.state == TicketState::Revoked && !on(Mutant::RevokedAdmits) {
        return Some(Objection::Revoked);
    }
    if ticket.revision != report.revision {
        return Some(Objection::Replaced);
    }
    let line = &order.lines[usize::from(ticket.line)];
    let ticket_type = &event.ticket_types[usize::from(line.ticket_type)];
    if !spec.accepts(&report.gate, &ticket_type.id) {
        return Some(Objection::WrongGate);
    }
    match spec.opens_ms {
        Some(opens_ms) if now < opens_ms => Some(Objection::NotOpen(opens_ms)),
        _ => None,
    }
}
