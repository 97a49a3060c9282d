//! The slice of the door that some decisions need, and how changes act on it.

use super::{
    Admission, Direction, DoorChange, DoorSpec, Objection, Presence, Scan, ScanId, TicketRef,
};
use crate::EventId;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{string::String, vec::Vec};

/// What was loaded of the door for a batch of commands. What is asked for and absent does not exist.
///
/// A store has three tables for it (docs/door.md): the settings by event; the scans by event, ticket and turn, each
/// with a unique name and each visit of a ticket once; the counts by event, gate and day.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DoorState {
    /// What organisers said of their events' doors.
    pub doors: BTreeMap<EventId, DoorSpec>,
    /// The scans of a ticket at an event, by their turns: all of them or none.
    pub tickets: BTreeMap<(EventId, TicketRef), Vec<Scan>>,
    /// Which ticket a scan is of, and its turn.
    pub scans: BTreeMap<ScanId, (TicketRef, u32)>,
    /// Counts of gates, by event, gate and day. No decision needs them, so none are loaded: in a slice they start at
    /// nothing, and are what the batch adds to the rows. Over all changes they are the counts themselves.
    pub counts: BTreeMap<(EventId, String, i32), GateCounts>,
    /// The gates of events at which something was counted, also if all of it was undone.
    pub gates: BTreeMap<EventId, BTreeSet<String>>,
    /// What is recorded and cannot be read.
    pub unreadable: Unreadable,
}

/// What a store was asked for and cannot read, because nobody of ours wrote it so. Nothing is decided upon it, and
/// what does not depend on it is decided as ever.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unreadable {
    /// The settings of these events' doors.
    pub doors: BTreeSet<EventId>,
    /// The scans of these tickets at these events.
    pub tickets: BTreeSet<(EventId, TicketRef)>,
    /// Scans that were asked for by their names.
    pub scans: BTreeSet<ScanId>,
}

/// What is counted of a gate on a day. Each is the number of scans of its kind, without those that were undone.
/// A difference may be negative.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GateCounts {
    /// Entries that took a ticket's turn.
    pub entered: i64,
    /// Late entries of tickets that were in already.
    pub entered_again: i64,
    /// Exits of people who were in.
    pub left: i64,
    /// Late exits of tickets with which nobody was in.
    pub left_unseen: i64,
}

impl GateCounts {
    /// What one scan counts.
    pub fn of(scan: &Scan) -> GateCounts {
        let none = GateCounts::default();
        match scan.direction {
            Direction::In if scan.visit.is_some() => GateCounts { entered: 1, ..none },
            Direction::In => GateCounts { entered_again: 1, ..none },
            Direction::Out if matches!(scan.objection, Some(Objection::NotIn(_))) => {
                GateCounts { left_unseen: 1, ..none }
            }
            Direction::Out => GateCounts { left: 1, ..none },
        }
    }

    /// So much less.
    pub fn negated(self) -> GateCounts {
        GateCounts {
            entered: -self.entered,
            entered_again: -self.entered_again,
            left: -self.left,
            left_unseen: -self.left_unseen,
        }
    }

    /// Both together.
    pub fn plus(self, more: GateCounts) -> GateCounts {
        GateCounts {
            entered: self.entered + more.entered,
            entered_again: self.entered_again + more.entered_again,
            left: self.left + more.left,
            left_unseen: self.left_unseen + more.left_unseen,
        }
    }

    /// How many people passed inwards more than outwards. Of all gates of an event together: who is in, as far as it
    /// was scanned.
    pub fn inside(self) -> i64 {
        self.entered + self.entered_again - self.left - self.left_unseen
    }
}

static DEFAULT: DoorSpec =
    DoorSpec { admission: Admission::Once, opens_ms: None, gates: Vec::new() };

impl DoorState {
    /// How an event's door works.
    pub fn spec(&self, event: EventId) -> &DoorSpec {
        self.doors.get(&event).unwrap_or(&DEFAULT)
    }

    /// Whether something was counted at this gate.
    pub fn has_counted(&self, event: EventId, gate: &str) -> bool {
        self.gates.get(&event).is_some_and(|gates| gates.contains(gate))
    }

    /// All scans of a ticket at an event, by their turns.
    pub fn scans_of(&self, event: EventId, ticket: TicketRef) -> &[Scan] {
        self.tickets.get(&(event, ticket)).map_or(&[], Vec::as_slice)
    }

    /// A scan by its name.
    pub fn scan(&self, id: ScanId) -> Option<&Scan> {
        let (ticket, turn) = self.scans.get(&id)?;
        let scans = self.scans_of(id.event, *ticket);
        Some(scans.get(*turn as usize - 1).expect("a scan is loaded with all scans of its ticket"))
    }

    /// Puts in the scans of a ticket at an event that were loaded, by their turns.
    pub fn load(&mut self, event: EventId, ticket: TicketRef, scans: Vec<Scan>) {
        for scan in &scans {
            self.scans.insert(scan.id, (ticket, scan.turn));
        }
        self.tickets.insert((event, ticket), scans);
    }

    /// Makes a change visible to the decisions that follow. Panics on a change that cannot be: that is a bug, and
    /// nothing of the batch may be recorded then.
    pub fn apply(&mut self, change: &DoorChange) {
        match change {
            DoorChange::DoorPut { event, spec } => {
                self.unreadable.doors.remove(event);
                self.doors.insert(*event, (**spec).clone());
            }
            DoorChange::ScanAdded(scan) => {
                let scans = self.tickets.entry((scan.id.event, scan.ticket)).or_default();
                check_added(scans, scan);
                let twice = self.scans.insert(scan.id, (scan.ticket, scan.turn));
                assert!(twice.is_none(), "a device uses a nonce once: {:?}", scan.id);
                scans.push((**scan).clone());
            }
            DoorChange::ScanUndone { event, ticket, turn, undone } => {
                let scans = self.tickets.get_mut(&(*event, *ticket)).expect("a loaded ticket");
                let last = scans.iter_mut().rfind(|scan| scan.undone.is_none());
                let last = last.filter(|scan| scan.turn == *turn);
                last.expect("the last scan that counts is undone").undone = Some(*undone);
            }
            DoorChange::Counted { event, gate, day, more } => {
                let counts = self.counts.entry((*event, gate.clone(), *day)).or_default();
                *counts = counts.plus(*more);
                if !self.has_counted(*event, gate) {
                    self.gates.entry(*event).or_default().insert(gate.clone());
                }
            }
        }
    }
}

/// What the schema checks of a new scan, once more.
fn check_added(scans: &[Scan], scan: &Scan) {
    assert_eq!(scan.turn as usize, scans.len() + 1, "the scans of a ticket are numbered");
    assert!(scan.undone.is_none(), "a new scan counts");
    assert!(scan.late || scan.objection.is_none(), "what is asked online is refused: {scan:?}");
    let presence = Presence::of(scans);
    let Some(visit) = scan.visit else {
        let again = matches!(scan.objection, Some(Objection::AlreadyIn(_)));
        assert!(again || scan.direction == Direction::Out, "an entry has a turn: {scan:?}");
        return;
    };
    assert_eq!(scan.direction, Direction::In, "an exit is no visit");
    assert_eq!(visit, presence.visits + 1, "the visits of a ticket are numbered");
    assert!(scan.admission != Admission::Once || visit == 1, "a ticket admits once: {scan:?}");
    let taken = presence.taken(scans, scan.admission, scan.day);
    assert_eq!(taken, None, "somebody is in with the ticket: {scan:?}");
}
