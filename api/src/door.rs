//! Check-in at the door.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// Which way somebody goes through a gate.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// An entry.
    #[default]
    In,
    /// An exit.
    Out,
}

/// `POST /api/v1/events/{event}/check-ins`: one entry or exit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckInBody {
    /// The code of the ticket, as it is scanned or typed.
    pub code: String,
    /// The id of the gate: 1 to 64 of `a-z`, `0-9` and `-`.
    pub gate: String,
    /// The device, by a UUID of its own that it keeps.
    pub device: String,
    /// What the device calls this scan: a random UUID. The same scan again has the same one.
    pub nonce: String,
    /// When it was, by the clock of the device. Now, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// How long ago that was when the request was sent, in milliseconds: then it does not matter that the clock of
    /// the device is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// In, or out.
    #[serde(default)]
    pub direction: Direction,
    /// Whether the person has passed already, without an answer: then it is recorded in any case.
    #[serde(default)]
    pub late: bool,
}

/// `POST /api/v1/events/{event}/check-ins`: many, in the order in which they were.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckInsBody {
    /// At most 100.
    pub scans: Vec<CheckInBody>,
}

/// What came of a scan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScanResult {
    /// Recorded: somebody comes in.
    Admitted,
    /// Recorded: somebody goes out.
    Left,
    /// A late scan was recorded although it would have been refused; `objection` says why.
    Recorded,
    /// Somebody is in with this ticket, or was in as often as it admits: see `first`.
    AlreadyIn,
    /// Nobody is in with this ticket.
    NotIn,
    /// The event has gates, and this is none of them.
    UnknownGate,
    /// The event does not take place.
    EventCanceled,
    /// No ticket has this code.
    UnknownTicket,
    /// The ticket is for another event.
    OtherEvent,
    /// The order is not paid yet.
    Unpaid,
    /// The order came to nothing: it never had tickets.
    Void,
    /// The ticket was refunded.
    Revoked,
    /// The ticket was passed on and has another code.
    Replaced,
    /// This gate does not accept this ticket type.
    WrongGate,
    /// The doors are not open yet: see `opens_at`.
    NotOpen,
    /// This very scan was recorded, and undone since.
    Undone,
    /// The device has used this nonce for another scan. Nothing was recorded.
    NonceUsed,
    /// Of one among many: it cannot be understood; `detail` says why. Nothing was recorded of it.
    Invalid,
}

impl ScanResult {
    /// All of them.
    pub const ALL: &'static [ScanResult] = &[
        ScanResult::Admitted,
        ScanResult::Left,
        ScanResult::Recorded,
        ScanResult::AlreadyIn,
        ScanResult::NotIn,
        ScanResult::UnknownGate,
        ScanResult::EventCanceled,
        ScanResult::UnknownTicket,
        ScanResult::OtherEvent,
        ScanResult::Unpaid,
        ScanResult::Void,
        ScanResult::Revoked,
        ScanResult::Replaced,
        ScanResult::WrongGate,
        ScanResult::NotOpen,
        ScanResult::Undone,
        ScanResult::NonceUsed,
        ScanResult::Invalid,
    ];
}

/// The answer to one scan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckIn<'a> {
    /// When it was recorded.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub at: Option<Cow<'a, str>>,
    /// What is wrong with a scan that cannot be understood.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub detail: Option<Cow<'a, str>>,
    /// Of a ticket for another event: that event's id, if whoever asks may know it.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub event: Option<Cow<'a, str>>,
    /// The scan because of which it is refused.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub first: Option<SeenScan<'a>>,
    /// Why it would have been refused, had it not been late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objection: Option<ScanResult>,
    /// When the doors open.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub opens_at: Option<Cow<'a, str>>,
    /// What came of it.
    pub result: ScanResult,
    /// The ticket; absent where the code is of none of this event's.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub ticket: Option<ScannedTicket<'a>>,
    /// Which visit of the ticket this is, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<u32>,
}

/// The answer to many scans, in their order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckInResults<'a> {
    /// One for each.
    #[serde(borrow)]
    pub results: Vec<CheckIn<'a>>,
}

/// An earlier scan of the same ticket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SeenScan<'a> {
    /// When it was.
    #[serde(borrow)]
    pub at: Cow<'a, str>,
    /// The id of its gate.
    #[serde(borrow)]
    pub gate: Cow<'a, str>,
}

/// A ticket as the door sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScannedTicket<'a> {
    /// The name of its guest, or else of its buyer.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Its number within its order, from 1.
    pub number: u16,
    /// The order's id.
    #[serde(borrow)]
    pub order: Cow<'a, str>,
    /// What people read of its ticket type.
    #[serde(borrow)]
    pub ticket_type: Cow<'a, str>,
}

/// `DELETE /api/v1/events/{event}/check-ins/{device}/{nonce}`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct UndoneScan {
    /// What came of it.
    pub result: UndoResult,
}

/// What came of undoing a scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UndoResult {
    /// It is undone, now or before.
    Undone,
    /// There is no such scan at this event.
    UnknownScan,
    /// More than ten minutes are over; a manager of the event still can.
    TooLate,
    /// A later scan of the ticket still counts: that one is undone first.
    ScannedSince,
}

/// `GET /api/v1/events/{event}/check-ins`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckIns<'a> {
    /// Late scans that would have been refused and were not undone, the last first.
    #[serde(borrow)]
    pub conflicts: Vec<RecordedScan<'a>>,
    /// What each gate counted on each day.
    #[serde(borrow)]
    pub gates: Vec<GateCount<'a>>,
    /// How many people are in, as far as it was scanned.
    pub inside: i64,
    /// The last scans, the last first.
    #[serde(borrow)]
    pub scans: Vec<RecordedScan<'a>>,
    /// How many tickets there are that let somebody in.
    pub tickets: u64,
}

/// What a gate counted on a day, without what was undone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct GateCount<'a> {
    /// The day, as in `2027-06-05`.
    #[serde(borrow)]
    pub day: Cow<'a, str>,
    /// Entries.
    pub entered: i64,
    /// Late entries of tickets that were in already.
    pub entered_again: i64,
    /// The id of the gate.
    #[serde(borrow)]
    pub gate: Cow<'a, str>,
    /// Exits.
    pub left: i64,
    /// Late exits of tickets with which nobody was in.
    pub left_unseen: i64,
}

/// A scan that is recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordedScan<'a> {
    /// When it was, as far as is known.
    #[serde(borrow)]
    pub at: Cow<'a, str>,
    /// The device, for whoever may change the event.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub device: Option<Cow<'a, str>>,
    /// In, or out.
    pub direction: Direction,
    /// The id of the gate.
    #[serde(borrow)]
    pub gate: Cow<'a, str>,
    /// Whether it was reported later.
    pub late: bool,
    /// What the device calls it, for whoever may change the event.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub nonce: Option<Cow<'a, str>>,
    /// The number of the ticket within its order.
    pub number: u32,
    /// Why it would have been refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objection: Option<ScanResult>,
    /// The order's id.
    #[serde(borrow)]
    pub order: Cow<'a, str>,
    /// When it was undone.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub undone_at: Option<Cow<'a, str>>,
    /// Which visit of the ticket it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<u32>,
}

/// How often a ticket lets somebody in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// Once.
    #[default]
    Once,
    /// Whoever goes out comes in again.
    ComeBack,
    /// Once on each day.
    OnceADay,
}

/// `PUT /api/v1/events/{event}/door`, and the answer to it and to `GET`: how the door of an event works.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Door {
    /// How often a ticket lets somebody in.
    #[serde(default)]
    pub admission: Admission,
    /// The gates, at most 100. Without any, each gate that a device names accepts all tickets.
    #[serde(default)]
    pub gates: Vec<Gate>,
    /// Before this nobody comes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<String>,
}

/// A gate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Its id within the event: 1 to 64 of `a-z`, `0-9` and `-`.
    pub id: String,
    /// What people read, 1 to 200 characters.
    pub name: String,
    /// The ids of the ticket types that it accepts; all, if there are none.
    #[serde(default)]
    pub ticket_types: Vec<String>,
}
