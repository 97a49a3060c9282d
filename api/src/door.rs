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
    /// The code of the ticket, as it is scanned or typed; left out if `ticket` names it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// A ticket of this event that was found by a name, instead of its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketName>,
    /// The id of the gate: 1 to 64 of `a-z`, `0-9` and `-`.
    pub gate: String,
    /// The device, by a UUID of its own that it keeps.
    #[schema(format = "uuid")]
    pub device: String,
    /// What the device calls this scan: a random UUID. The same scan again has the same one.
    #[schema(format = "uuid")]
    pub nonce: String,
    /// When it was, by the clock of the device. Now, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
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

/// Names a ticket by its order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketName {
    /// The order's id.
    pub order: String,
    /// The number of the ticket within its order, from 1.
    pub number: u16,
}

/// `POST /api/v1/events/{event}/check-ins`: many, in the order in which they were.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckInsBody {
    /// At most 100.
    pub scans: Vec<CheckInBody>,
}

macro_rules! scan_results {
    ($($(#[doc = $about:literal])+ $variant:ident = $word:literal,)*) => {
        /// What came of a scan.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ScanResult {
            $($(#[doc = $about])+ $variant,)*
        }

        impl ScanResult {
            /// All of them.
            pub const ALL: &'static [ScanResult] = &[$(ScanResult::$variant,)*];

            /// The word on the wire: lower case, joined by `_`.
            pub const fn word(self) -> &'static str {
                match self {
                    $(ScanResult::$variant => $word,)*
                }
            }

            /// The result of this word; `None` if there is none.
            pub fn from_word(word: &str) -> Option<ScanResult> {
                match word {
                    $($word => Some(ScanResult::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

scan_results! {
    /// Recorded: somebody comes in.
    Admitted = "admitted",
    /// Recorded: somebody goes out.
    Left = "left",
    /// A late scan was recorded although it would have been refused; `objection` says why.
    Recorded = "recorded",
    /// Somebody is in with this ticket, or was in as often as it admits: see `first`.
    AlreadyIn = "already_in",
    /// Nobody is in with this ticket.
    NotIn = "not_in",
    /// The event has gates, and this is none of them.
    UnknownGate = "unknown_gate",
    /// The event does not take place.
    EventCanceled = "event_canceled",
    /// No ticket has this code.
    UnknownTicket = "unknown_ticket",
    /// The ticket is for another event.
    OtherEvent = "other_event",
    /// The order is not paid yet.
    Unpaid = "unpaid",
    /// The order came to nothing: it never had tickets.
    Void = "void",
    /// The ticket was refunded.
    Revoked = "revoked",
    /// The ticket was passed on and has another code.
    Replaced = "replaced",
    /// This gate does not accept this ticket type.
    WrongGate = "wrong_gate",
    /// The doors are not open yet: see `opens_at`.
    NotOpen = "not_open",
    /// This very scan was recorded, and undone since.
    Undone = "undone",
    /// The device has used this nonce for another scan. Nothing was recorded.
    NonceUsed = "nonce_used",
    /// What is recorded of the ticket, or of the event's door, is damaged. Nothing was recorded, also of a late scan.
    Unreadable = "unreadable",
    /// Of one among many: it cannot be understood; `detail` says why. Nothing was recorded of it.
    Invalid = "invalid",
}

/// The answer to one scan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckIn<'a> {
    /// When it was recorded.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = DateTime)]
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
    #[schema(format = DateTime)]
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
    #[schema(format = DateTime)]
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
    #[schema(format = "uuid")]
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
    #[schema(format = DateTime)]
    pub at: Cow<'a, str>,
    /// The device, for whoever may change the event.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = "uuid")]
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
    #[schema(format = "uuid")]
    pub nonce: Option<Cow<'a, str>>,
    /// The number of the ticket within its order.
    pub number: u32,
    /// Why it would have been refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objection: Option<ScanResult>,
    /// The order's id.
    #[serde(borrow)]
    #[schema(format = "uuid")]
    pub order: Cow<'a, str>,
    /// When it was undone.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = DateTime)]
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
    #[schema(format = DateTime)]
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

/// `POST /api/v1/events/{event}/door/devices`: a device says that it is there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DoorDeviceBody {
    /// The device, by a UUID of its own that it keeps.
    #[schema(format = "uuid")]
    pub device: String,
    /// The id of its gate; empty: none was chosen yet.
    #[serde(default)]
    pub gate: String,
    /// How many scans it has not sent, 1,000,000 at most.
    #[serde(default)]
    #[schema(maximum = 1_000_000)]
    pub unsent: u32,
}

/// `GET /api/v1/events/{event}/door/devices`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DoorDevices<'a> {
    /// The devices that were heard of, by gate.
    #[serde(borrow)]
    pub devices: Vec<DoorDevice<'a>>,
}

/// A device at a door.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DoorDevice<'a> {
    /// Its id.
    #[serde(borrow)]
    #[schema(format = "uuid")]
    pub device: Cow<'a, str>,
    /// The id of its gate; empty: none was chosen yet.
    #[serde(borrow)]
    pub gate: Cow<'a, str>,
    /// When it was heard of last.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub seen_at: Cow<'a, str>,
    /// How many scans it had not sent then.
    pub unsent: i64,
}

/// `POST /api/v1/events/{event}/door/links`: makes a link for a gate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GateLinkBody {
    /// The id of the gate; empty: whoever uses the link chooses one.
    #[serde(default)]
    pub gate: String,
    /// For whom it is, 1 to 100 characters.
    pub name: String,
    /// From when on it works. If it is left out: from the begin of the day on which the event starts, or from when its
    /// doors open if that is earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub valid_from: Option<String>,
    /// Until when it works. If it is left out: until noon of the day after the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub valid_until: Option<String>,
}

/// `GET /api/v1/events/{event}/door/links`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct GateLinks<'a> {
    /// The links, the newest first; those as well that have ended.
    #[serde(borrow)]
    pub links: Vec<GateLink<'a>>,
}

/// A link with which a phone checks people in, without an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct GateLink<'a> {
    /// When somebody ended it.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    #[schema(format = DateTime)]
    pub ended_at: Option<Cow<'a, str>>,
    /// The id of the gate; empty: whoever uses it chooses one.
    #[serde(borrow)]
    pub gate: Cow<'a, str>,
    /// Its id.
    #[serde(borrow)]
    #[schema(format = "uuid")]
    pub id: Cow<'a, str>,
    /// For whom it is.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The address to open. Whoever has it checks people in.
    #[serde(borrow)]
    pub url: Cow<'a, str>,
    /// From when on it works.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub valid_from: Cow<'a, str>,
    /// Until when it works.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub valid_until: Cow<'a, str>,
}

/// `GET /api/v1/events/{event}/door/list`: a page of the tickets, for use without a network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DoorList<'a> {
    /// What to ask for as `page` to get the next page; absent: that was all.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub next: Option<Cow<'a, str>>,
    /// What to ask for as `since` the next time to get only what has changed, once all pages were read.
    #[serde(borrow)]
    pub since: Cow<'a, str>,
    /// The tickets.
    #[serde(borrow)]
    pub tickets: Vec<ListedTicket<'a>>,
}

/// A ticket of the list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ListedTicket<'a> {
    /// The entry because of which nobody else comes in with it now; or, where a ticket comes in again, its last exit.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub last: Option<LastPass<'a>>,
    /// What can be read with the signed code of the ticket, by the id of the key that signed the code: in hexadecimal
    /// digits a nonce of 12 bytes, and the JSON `{"name", "ticket_type"}` with blanks behind it, encrypted by
    /// AES-256-GCM with the SHA-256 of `nts door list 1`, a line feed and the code in upper case.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty", default, borrow)]
    pub names: std::collections::BTreeMap<u8, Cow<'a, str>>,
    /// The codes of earlier revisions let nobody in.
    pub revision: u16,
    /// As signed codes name it: the first 96 bits of the order's id in hexadecimal digits, a colon and its number.
    #[serde(borrow)]
    pub ticket: Cow<'a, str>,
    /// Whether it lets somebody in, its scans aside.
    pub valid: bool,
}

/// The last entry or exit with a ticket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LastPass<'a> {
    /// When it was.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub at: Cow<'a, str>,
    /// In, or out.
    pub direction: Direction,
    /// The id of the gate.
    #[serde(borrow)]
    pub gate: Cow<'a, str>,
}

/// `GET /api/v1/events/{event}/door/tickets?q=`: tickets by the name of a guest or a buyer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct NamedTickets<'a> {
    /// Whether there are more than these: a longer name finds fewer.
    pub more: bool,
    /// The tickets, at most 60.
    #[serde(borrow)]
    pub tickets: Vec<NamedTicket<'a>>,
}

/// A ticket that was found by a name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct NamedTicket<'a> {
    /// The entry because of which nobody else comes in with it now; or, where a ticket comes in again, its last exit.
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub last: Option<LastPass<'a>>,
    /// The ticket.
    #[serde(flatten, borrow)]
    pub ticket: ScannedTicket<'a>,
    /// Whether it lets somebody in, its scans aside.
    pub valid: bool,
}

/// `GET /api/v1/events/{event}/door/arrivals`: how people arrived.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Arrivals<'a> {
    /// With how many tickets somebody came in.
    pub arrived: i64,
    /// How many places are sold, less those.
    pub not_arrived: i64,
    /// What went through each gate in each quarter of an hour, by time; those without anybody are left out.
    #[serde(borrow)]
    pub passed: Vec<Passed<'a>>,
}

/// What went through a gate in a quarter of an hour.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Passed<'a> {
    /// When it begins.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub at: Cow<'a, str>,
    /// Entries.
    pub entered: i64,
    /// The id of the gate.
    #[serde(borrow)]
    pub gate: Cow<'a, str>,
    /// Exits.
    pub left: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are a promise to programs, and stand in the rows of scans.
    #[test]
    fn a_result_has_one_word_as_json_and_as_text() {
        for result in ScanResult::ALL {
            let json = serde_json::to_string(result).expect("a result is JSON");
            assert_eq!(json, format!("\"{}\"", result.word()));
            assert_eq!(serde_json::from_str::<ScanResult>(&json).ok(), Some(*result));
            assert_eq!(ScanResult::from_word(result.word()), Some(*result));
        }
        for none in ["", "Admitted", "admitted ", "already-in"] {
            assert_eq!(ScanResult::from_word(none), None, "{none}");
        }
    }
}
