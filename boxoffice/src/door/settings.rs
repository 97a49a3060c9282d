//! How an event's door works: how often a ticket admits, when the doors open, and which gates there are.

use super::state::DoorState;
use super::{DoorChange, DoorDecision, DoorRefusal, DoorReply};
use crate::text::check_text;
use crate::{EventId, State, TimeMs};
use alloc::{boxed::Box, format, string::String, vec, vec::Vec};

/// The most gates that an event has at a time.
pub const MOST_GATES: usize = 100;

/// So many gates an event has at which something was counted and that its settings do not name. What is recorded and
/// told of an event is bounded so, whatever devices send.
pub const MOST_FREE_GATES: usize = 200;
/// The gate of late scans beyond [`MOST_FREE_GATES`]: who has passed is counted, and only where is lost.
pub const OTHER_GATE: &str = "other";

/// How often a ticket lets somebody in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Admission {
    /// Once. Exits are counted, and whoever goes out does not come in again.
    #[default]
    Once,
    /// Whoever goes out comes in again: there is one entry more than there are exits at most.
    ComeBack,
    /// Once on each day, whether or not there was an exit.
    OnceADay,
}

impl Admission {
    /// All of them, in the order in which they are stored as numbers.
    pub const ALL: [Admission; 3] = [Admission::Once, Admission::ComeBack, Admission::OnceADay];

    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Admission::Once => "once",
            Admission::ComeBack => "come_back",
            Admission::OnceADay => "once_a_day",
        }
    }
}

/// What an organiser says of an event's door. An event of which nothing is said has the default: a ticket admits
/// once, at any time, at any gate.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DoorSpec {
    /// How often a ticket lets somebody in.
    pub admission: Admission,
    /// Before this nobody comes in; at any time if absent.
    pub opens_ms: Option<TimeMs>,
    /// The gates, up to [`MOST_GATES`]. If there are none, a device names its gate as it likes, one of
    /// [`MOST_FREE_GATES`], and each accepts every ticket type.
    pub gates: Vec<GateSpec>,
}

/// What an organiser says of a gate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateSpec {
    /// Its id within the event: 1 to 64 of `a-z`, `0-9` and `-`. A gate that is no longer named keeps its counts.
    pub id: String,
    /// What people read, 1 to 200 characters.
    pub name: String,
    /// The ids of the ticket types that it accepts; all if there are none.
    pub ticket_types: Vec<String>,
}

impl DoorSpec {
    /// Whether there is a gate of this id.
    pub fn has_gate(&self, gate: &str) -> bool {
        self.gates.is_empty() || self.gates.iter().any(|known| known.id == gate)
    }

    /// Whether a gate accepts a ticket type. A gate that is not named accepts none.
    pub fn accepts(&self, gate: &str, ticket_type: &str) -> bool {
        let accepts = |gate: &GateSpec| {
            gate.ticket_types.is_empty() || gate.ticket_types.iter().any(|id| id == ticket_type)
        };
        self.gates.is_empty() || self.gates.iter().any(|known| known.id == gate && accepts(known))
    }

    /// What is wrong with it, as far as can be said without its event.
    fn check(&self) -> Result<(), String> {
        if self.gates.len() > MOST_GATES {
            return Err(format!("a door has at most {MOST_GATES} gates"));
        }
        for (at, gate) in self.gates.iter().enumerate() {
            check_gate_id(&gate.id)?;
            check_text("the name of a gate", &gate.name, 1, 200)?;
            if self.gates[..at].iter().any(|other| other.id == gate.id) {
                return Err(format!("there are two gates of the id {}", gate.id));
            }
            let twice = |(at, id): (usize, &String)| gate.ticket_types[..at].contains(id);
            if gate.ticket_types.iter().enumerate().any(twice) {
                return Err(format!("the gate {} names a ticket type twice", gate.id));
            }
        }
        Ok(())
    }
}

/// Checks the id of a gate: 1 to 64 of `a-z`, `0-9` and `-`. The error says what is wrong.
pub fn check_gate_id(id: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > 64 || !id.chars().all(fits) {
        return Err("a gate's id is 1 to 64 of a-z, 0-9 and -".into());
    }
    Ok(())
}

/// Sets how an event's door works. What was scanned before stays as it was recorded.
pub(crate) fn put(
    sale: &State,
    door: &DoorState,
    event: EventId,
    spec: &DoorSpec,
) -> Result<DoorDecision, DoorRefusal> {
    spec.check().map_err(DoorRefusal::Invalid)?;
    let of_event = sale.events.get(&event).ok_or(DoorRefusal::UnknownEvent)?;
    let known = |id: &&String| !of_event.ticket_types.iter().any(|t| t.id == **id);
    if let Some(id) = spec.gates.iter().flat_map(|gate| &gate.ticket_types).find(known) {
        return Err(DoorRefusal::UnknownTicketType(id.clone()));
    }

    // The point of no return.
    let same = door.doors.get(&event) == Some(spec);
    let put = DoorChange::DoorPut { event, spec: Box::new(spec.clone()) };
    let changes = if same { Vec::new() } else { vec![put] };
    Ok(DoorDecision { changes, reply: DoorReply::Door(event) })
}
