//! The door: who may come in with a ticket, and who is in.
//!
//! A *scan* is the record of one entry or one exit of one ticket at one gate. The scans of a ticket at an event
//! are numbered, and nothing but the mark that a scan was undone ever changes in them. What a ticket may still do
//! follows from its scans alone ([`Presence`]); nothing else is stored about it.
//!
//! ```text
//!                       online: the device waits for the answer    late: the device has let somebody in or out
//! no objection          recorded                                   recorded
//! an objection          refused with it, nothing is recorded       recorded together with the objection
//! the same scan again   the same answer, nothing is recorded       the same answer, nothing is recorded
//! ```
//!
//! An entry that takes the ticket's turn has a [`Scan::visit`]: 1, 2, 3, … An entry without one is of a ticket that
//! was in already, so it is the second fact of two that contradict each other. How many visits a ticket has, says
//! [`Admission`]. So "a ticket admits once" can be read from the scans: no two of them have the same visit of the
//! same ticket, and where a ticket admits once there is no visit but the first.
//!
//! A late entry takes the ticket's turn also if the ticket should not have been let in (a refunded one, say):
//! somebody is in with it, and nobody else comes in with it, whatever becomes of the refund.
//!
//! The door has its own commands, changes and refusals, for nothing of a sale depends on it. It reads events and
//! orders of the sale ([`State`]) and changes none of them.

pub(crate) mod presence;
pub(crate) mod scan;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod undo;

use crate::{EventId, Keys, OrderId, OrderState, State, TimeMs};
use alloc::{boxed::Box, string::String, vec::Vec};
pub use presence::Presence;
pub use scan::MOST_SCANS;
pub use settings::{
    Admission, DoorSpec, GateSpec, MOST_FREE_GATES, MOST_GATES, OTHER_GATE, check_gate_id,
};
pub use state::{DoorState, GateCounts, Unreadable};
pub use undo::UNDO_MS;

/// Names a device at the door for ever: the 128 bits of a UUIDv7, given from outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceId(pub u128);

/// What a device calls one of its scans, so that a repeated request is recognised: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Nonce(pub u128);

/// Names a scan: a device uses a nonce once at an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ScanId {
    /// At the door of which event.
    pub event: EventId,
    /// By which device.
    pub device: DeviceId,
    /// What the device calls it.
    pub nonce: Nonce,
}

/// Names a ticket by its order. A serial would be shorter, but a database that was restored from a copy gives
/// serials out again, and an order's id never.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TicketRef {
    /// The order.
    pub order: OrderId,
    /// Which of its tickets, from 1: see [`Order::ticket`](crate::Order::ticket).
    pub number: u16,
}

/// Which way somebody goes through a gate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// An entry.
    In,
    /// An exit.
    Out,
}

/// What a device reports of one ticket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScanReport {
    /// The event at whose door the device is.
    pub event: EventId,
    /// The ticket that its code names.
    pub ticket: TicketRef,
    /// The revision that its code names. Only the current one lets somebody in.
    pub revision: u16,
    /// The id of the gate: 1 to 64 of `a-z`, `0-9` and `-`.
    pub gate: String,
    /// The device.
    pub device: DeviceId,
    /// What the device calls this scan.
    pub nonce: Nonce,
    /// When, by the clock of the device, which may be wrong by any amount.
    pub at_ms: TimeMs,
    /// The day in the event's time zone, counted from 1970-01-01: of the moment of the request, or for a late report
    /// of `at_ms`. It is computed outside, for the rules know no time zones.
    pub day: i32,
    /// Whether the device has let the person pass already, without an answer: then it is recorded in any case.
    pub late: bool,
}

impl ScanReport {
    /// The scan that it reports.
    pub fn id(&self) -> ScanId {
        ScanId { event: self.event, device: self.device, nonce: self.nonce }
    }
}

/// The record of one entry or exit. All but [`Scan::undone`] stays as it is for ever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan {
    /// Its name.
    pub id: ScanId,
    /// Of which ticket.
    pub ticket: TicketRef,
    /// Its number among the scans of this ticket at this event, from 1 without gaps; those that were undone count.
    pub turn: u32,
    /// In or out.
    pub direction: Direction,
    /// The revision of the code that was scanned.
    pub revision: u16,
    /// The id of the gate: that of the report, or [`OTHER_GATE`].
    pub gate: String,
    /// When, by the clock of the device.
    pub at_ms: TimeMs,
    /// When it was recorded, by the one clock of the box office.
    pub recorded_ms: TimeMs,
    /// Its day in the event's time zone: see [`ScanReport::day`].
    pub day: i32,
    /// Whether the device had let the person pass before it was recorded.
    pub late: bool,
    /// How often a ticket was admitted when it was recorded.
    pub admission: Admission,
    /// Of an entry that takes the ticket's turn: which one, from 1. None: an exit, or an entry of a ticket that was in
    /// already.
    pub visit: Option<u32>,
    /// Why it would have been refused online. Only a late scan has one.
    pub objection: Option<Objection>,
    /// By whom it was undone; then it counts for nothing.
    pub undone: Option<Undone>,
}

impl Scan {
    /// The best that is known of when it was: what was asked online was asked when it was recorded, and what is
    /// reported late was at the latest then, whatever the clock of the device says.
    pub fn when_ms(&self) -> TimeMs {
        if self.late { self.at_ms.min(self.recorded_ms) } else { self.recorded_ms }
    }

    /// What of it is told where another scan contradicts it.
    pub fn seen(&self) -> Seen {
        Seen { turn: self.turn, when_ms: self.when_ms(), gate: self.gate.clone() }
    }
}

/// An earlier scan of the same ticket. It follows from the scans; of it a store keeps the turn only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Its number: [`Scan::turn`].
    pub turn: u32,
    /// [`Scan::when_ms`].
    pub when_ms: TimeMs,
    /// The id of its gate.
    pub gate: String,
}

/// Why a ticket does not let somebody in or out. Online it is the refusal; of a late scan it is recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Objection {
    /// Somebody is in with this ticket, or was in as often as it admits: by this scan.
    AlreadyIn(Seen),
    /// Nobody is in with this ticket; this was the last exit, if there was one.
    NotIn(Option<Seen>),
    /// The event's door has gates, and this is none of them.
    UnknownGate,
    /// The event does not take place.
    EventCanceled,
    /// There is no such order, or the order has no such ticket.
    UnknownTicket,
    /// The ticket is for this event.
    OtherEvent(EventId),
    /// The order is not paid yet.
    Unpaid(OrderState),
    /// The order came to nothing: it never had tickets.
    Void(OrderState),
    /// The ticket was refunded.
    Revoked,
    /// The ticket was passed on since this code was made; its present code lets somebody in.
    Replaced,
    /// This gate does not accept tickets of this type.
    WrongGate,
    /// The doors open at this time.
    NotOpen(TimeMs),
}

impl Objection {
    /// The word of the API.
    pub fn word(&self) -> &'static str {
        match self {
            Objection::AlreadyIn(_) => "already_in",
            Objection::NotIn(_) => "not_in",
            Objection::UnknownGate => "unknown_gate",
            Objection::EventCanceled => "event_canceled",
            Objection::UnknownTicket => "unknown_ticket",
            Objection::OtherEvent(_) => "other_event",
            Objection::Unpaid(_) => "unpaid",
            Objection::Void(_) => "void",
            Objection::Revoked => "revoked",
            Objection::Replaced => "replaced",
            Objection::WrongGate => "wrong_gate",
            Objection::NotOpen(_) => "not_open",
        }
    }
}

/// By whom a scan was undone, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Undone {
    /// By whom.
    pub by: UndoneBy,
    /// When, by the one clock of the box office.
    pub at_ms: TimeMs,
}

/// Who undoes a scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UndoneBy {
    /// The device that made it, for [`UNDO_MS`].
    Device(DeviceId),
    /// A manager of the event, by the id of the account, at any time. Who is one, is checked outside.
    Manager(u128),
}

/// What may be asked of the door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DoorCommand {
    /// Set how an event's door works.
    PutDoor {
        /// Of which event.
        event: EventId,
        /// From now on.
        spec: DoorSpec,
    },
    /// Somebody comes in, or has come in.
    CheckIn(ScanReport),
    /// Somebody goes out, or has gone out.
    CheckOut(ScanReport),
    /// A scan was a mistake: nobody has passed.
    Undo {
        /// Which.
        scan: ScanId,
        /// By whom.
        by: UndoneBy,
    },
}

/// What must be loaded of the door before some commands can be decided.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DoorKeys {
    /// The settings of these events' doors, and the gates at which something was counted.
    pub doors: Vec<EventId>,
    /// All scans of these tickets at these events.
    pub tickets: Vec<(EventId, TicketRef)>,
    /// These scans, each with all scans of its ticket at its event.
    pub scans: Vec<ScanId>,
}

impl DoorCommand {
    /// Adds what must be loaded to decide this, of the sale and of the door.
    pub fn add_keys(&self, sale: &mut Keys, door: &mut DoorKeys) {
        match self {
            DoorCommand::PutDoor { event, .. } => {
                sale.events.push(*event);
                door.doors.push(*event);
            }
            DoorCommand::CheckIn(report) | DoorCommand::CheckOut(report) => {
                sale.events.push(report.event);
                if matches!(self, DoorCommand::CheckIn(_)) {
                    sale.orders.push(report.ticket.order);
                }
                door.doors.push(report.event);
                door.tickets.push((report.event, report.ticket));
                // It is there already if this report was recorded before.
                door.scans.push(report.id());
            }
            DoorCommand::Undo { scan, .. } => {
                sale.events.push(scan.event);
                door.scans.push(*scan);
            }
        }
    }
}

/// A fact about the door that is recorded. All changes of a decision are recorded together or not at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DoorChange {
    /// How an event's door works from now on.
    DoorPut {
        /// Of which event.
        event: EventId,
        /// All of it.
        spec: Box<DoorSpec>,
    },
    /// A new scan.
    ScanAdded(Box<Scan>),
    /// A scan was undone.
    ScanUndone {
        /// At which event.
        event: EventId,
        /// Of which ticket.
        ticket: TicketRef,
        /// Its number: [`Scan::turn`].
        turn: u32,
        /// By whom and when.
        undone: Undone,
    },
    /// The difference to the counts of a gate on a day.
    Counted {
        /// Of which event.
        event: EventId,
        /// The id of the gate.
        gate: String,
        /// The day: [`Scan::day`].
        day: i32,
        /// Added to its counts.
        more: GateCounts,
    },
}

/// What was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DoorDecision {
    /// To be recorded, all or nothing, before anybody hears of it. None: nothing changed.
    pub changes: Vec<DoorChange>,
    /// What to answer once the changes are recorded.
    pub reply: DoorReply,
}

/// What a yes says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DoorReply {
    /// The door works so from now on.
    Door(EventId),
    /// It is recorded, now or before. Without an objection a device shows green; with one it shows both facts.
    Scanned(Box<Scan>),
    /// It is undone, now or before.
    Undone(Box<Scan>),
}

/// A legitimate no. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DoorRefusal {
    /// The command cannot be understood; the text says what is wrong with it.
    Invalid(String),
    /// There is no such event.
    UnknownEvent,
    /// A gate is to accept a ticket type that the event never had.
    UnknownTicketType(String),
    /// The ticket does not let this person pass here and now.
    Objection(Objection),
    /// The device has used this nonce for another ticket or in the other direction.
    NonceUsed,
    /// This very scan was recorded, and undone since: it lets nobody pass. A new scan may.
    Undone(Undone),
    /// There is no such scan.
    UnknownScan,
    /// Another device made this scan; a manager can undo it.
    OtherDevice,
    /// The device could undo it until this time; a manager still can.
    TooLateToUndo(TimeMs),
    /// The ticket was scanned again since; those scans must be undone first, the last one first.
    ScannedSince,
    /// What is recorded of the ticket or of the event's door cannot be read. A late scan is not recorded either: its
    /// device keeps it until somebody has mended the records.
    Unreadable,
}

/// Decides one command of the door against the slices that were loaded for it (see [`DoorCommand::add_keys`]). `now`
/// is the one clock of the box office, read after loading: [`Scan::recorded_ms`].
pub fn decide_door(
    sale: &State,
    door: &DoorState,
    command: &DoorCommand,
    now: TimeMs,
) -> Result<DoorDecision, DoorRefusal> {
    match command {
        DoorCommand::PutDoor { event, spec } => settings::put(sale, door, *event, spec),
        DoorCommand::CheckIn(report) => scan::scan(sale, door, report, Direction::In, now),
        DoorCommand::CheckOut(report) => scan::scan(sale, door, report, Direction::Out, now),
        DoorCommand::Undo { scan, by } => undo::undo(door, *scan, *by, now),
    }
}
