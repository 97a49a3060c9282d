//! What the writer does for the door: decides its commands on the same rows as those of a sale, in the same commit.
//! So a refund is before a check-in or after it, and whoever is shown green is recorded.

use super::CommandError;
use super::audit::Log;
use super::webhooks::Webhooks;
use crate::actor::Actor;
use crate::store::records::audit_log::Action;
use crate::store::records::door::DoorRows;
use boxoffice::door::{
    Direction, DoorChange, DoorCommand, DoorRefusal, DoorReply, DoorState, Objection, Scan,
};
use boxoffice::{State, TimeMs, decide_door};

/// Why there is no reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DoorError {
    /// The rules said no.
    Refused(DoorRefusal),
    /// It was not decided, or it is not known whether it was recorded.
    Failed(CommandError),
}

/// What the writer answers to a command of the door.
pub type DoorAnswer = Result<DoorReply, DoorError>;

/// The door in a batch.
pub(super) struct Doors {
    state: DoorState,
    rows: DoorRows,
}

impl Doors {
    /// On what was loaded.
    pub(super) fn new(state: DoorState) -> Doors {
        Doors { state, rows: DoorRows::default() }
    }

    /// Decides a command, after all that was decided before it in this batch.
    pub(super) fn decide(
        &mut self,
        actor: Actor,
        command: &DoorCommand,
        sale: &State,
        now: TimeMs,
        log: &mut Log,
        webhooks: &mut Webhooks,
    ) -> DoorAnswer {
        let decision = decide_door(sale, &self.state, command, now).map_err(DoorError::Refused)?;
        for change in &decision.changes {
            tell(actor, change, &decision.reply, log);
            if let DoorChange::ScanAdded(scan) = change {
                webhooks.of_scan(scan, sale, &mut log.records);
            }
            self.state.apply(change);
            self.rows.add(change);
        }
        Ok(decision.reply)
    }

    /// Adds what is recorded.
    pub(super) fn write(self, log: &mut Log) {
        self.rows.write(&mut log.records);
    }
}

/// What a person may want to read later: settings, what was undone, and late scans that contradict another one or
/// let somebody pass who should not have. Other scans tell themselves.
fn tell(actor: Actor, change: &DoorChange, reply: &DoorReply, log: &mut Log) {
    match (change, reply) {
        (DoorChange::DoorPut { event, spec }, _) => {
            let gates: Vec<&str> = spec.gates.iter().map(|gate| gate.id.as_str()).collect();
            let detail = match gates.is_empty() {
                true => spec.admission.word().to_owned(),
                false => format!("{}; gates {}", spec.admission.word(), gates.join(", ")),
            };
            log.add(actor, Action::DoorChanged, Some(*event), None, detail);
        }
        (DoorChange::ScanAdded(scan), _) => {
            if let Some(objection) = &scan.objection {
                let (event, order) = (scan.id.event, scan.ticket.order);
                let detail = contradiction(scan, objection);
                log.add(actor, Action::DoorConflict, Some(event), Some(order), detail);
            }
        }
        (DoorChange::ScanUndone { event, ticket, .. }, DoorReply::Undone(scan)) => {
            let detail = format!("{}: {}", of_ticket(scan), scan.gate);
            log.add(actor, Action::ScanUndone, Some(*event), Some(ticket.order), detail);
        }
        (DoorChange::ScanUndone { .. } | DoorChange::Counted { .. }, _) => {}
    }
}

fn of_ticket(scan: &Scan) -> String {
    let way = if scan.direction == Direction::In { "in" } else { "out" };
    format!("ticket {} {way}", scan.ticket.number)
}

fn contradiction(scan: &Scan, objection: &Objection) -> String {
    let here = format!("{} at {}, reported later", of_ticket(scan), scan.gate);
    match objection {
        Objection::AlreadyIn(first) => format!("{here}; it was in already, at {}", first.gate),
        Objection::NotIn(_) => format!("{here}; nobody was in with it"),
        other => format!("{here}: {}", other.word()),
    }
}
