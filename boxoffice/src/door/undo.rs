//! Undoing a scan that was a mistake: nobody has passed.

use super::state::{DoorState, GateCounts};
use super::{DoorChange, DoorDecision, DoorRefusal, DoorReply, Scan, ScanId, Undone, UndoneBy};
use crate::TimeMs;
use alloc::{boxed::Box, vec, vec::Vec};

/// So long after it was recorded its device can undo a scan, in milliseconds. A manager can at any time.
pub const UNDO_MS: i64 = 10 * 60_000;

/// Undoes a scan. Only the last one of a ticket that still counts: each was decided upon those before it.
pub(crate) fn undo(
    door: &DoorState,
    id: ScanId,
    by: UndoneBy,
    now: TimeMs,
) -> Result<DoorDecision, DoorRefusal> {
    if door.unreadable.scans.contains(&id) {
        return Err(DoorRefusal::Unreadable);
    }
    let scan = door.scan(id).ok_or(DoorRefusal::UnknownScan)?;
    if matches!(by, UndoneBy::Device(device) if device != id.device) {
        return Err(DoorRefusal::OtherDevice);
    }
    if scan.undone.is_some() {
        // The same command once more, or two who saw the same mistake.
        let reply = DoorReply::Undone(Box::new(scan.clone()));
        return Ok(DoorDecision { changes: Vec::new(), reply });
    }
    let until_ms = scan.recorded_ms.saturating_add(UNDO_MS);
    if matches!(by, UndoneBy::Device(_)) && now >= until_ms {
        return Err(DoorRefusal::TooLateToUndo(until_ms));
    }
    let of_ticket = door.scans_of(id.event, scan.ticket);
    if of_ticket.iter().any(|other| other.turn > scan.turn && other.undone.is_none()) {
        return Err(DoorRefusal::ScannedSince);
    }

    // The point of no return.
    let undone = Undone { by, at_ms: now };
    let (event, ticket, turn) = (id.event, scan.ticket, scan.turn);
    let (gate, day, more) = (scan.gate.clone(), scan.day, GateCounts::of(scan).negated());
    let changes = vec![
        DoorChange::ScanUndone { event, ticket, turn, undone },
        DoorChange::Counted { event, gate, day, more },
    ];
    let scan = Scan { undone: Some(undone), ..scan.clone() };
    Ok(DoorDecision { changes, reply: DoorReply::Undone(Box::new(scan)) })
}
