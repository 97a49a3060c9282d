//! Links with which phones check people in at one gate, without an account, and the devices that do.

use super::{Field, Record, RecordChange, Tables, read, record};
use crate::actor::Actor;
use crate::store::Fault;
use boxoffice::EventId;
use std::sync::LazyLock;

/// So many devices of one event are remembered. Others check people in all the same.
pub const MOST_DEVICES: i64 = 500;

record! {
    /// A link for a gate. What its address proves is not stored.
    pub struct GateLink: "gate_links", key 1 {
        /// Its id.
        pub id: u128,
        /// At the door of which event.
        pub event: EventId,
        /// The id of the gate; empty: whoever uses it chooses one.
        pub gate: String,
        /// For whom it is, as its maker calls them.
        pub name: String,
        /// Who made it. It never allows more than they may do at the moment.
        pub made_by: Actor,
        /// When, in milliseconds since 1970.
        pub made_ms: i64,
        /// From when on it works, in milliseconds since 1970.
        pub from_ms: i64,
        /// Until when it works, in milliseconds since 1970.
        pub until_ms: i64,
        /// When somebody ended it, in milliseconds since 1970.
        pub ended_ms: Option<i64>,
    }
}

record! {
    /// A device at the door, as it was heard of last.
    pub struct DoorDevice: "door_devices", key 2 {
        /// At the door of which event.
        pub event: EventId,
        /// The device.
        pub device: u128,
        /// The id of its gate; empty: none was chosen yet.
        pub gate: String,
        /// Who is signed in on it.
        pub who: Actor,
        /// When it was heard of, in milliseconds since 1970.
        pub seen_ms: i64,
        /// How many scans it had not sent then.
        pub unsent: i64,
    }
}

static OF_EVENT: LazyLock<String> =
    LazyLock::new(|| GateLink::table().select("WHERE event = $1 ORDER BY made_ms DESC, id"));
static DEVICES: LazyLock<String> =
    LazyLock::new(|| DoorDevice::table().select("WHERE event = $1 ORDER BY gate, device"));

const END: &str = "UPDATE gate_links SET ended_ms = $1 WHERE id = $2 AND ended_ms IS NULL";
const SEEN: &str = "INSERT INTO door_devices (event, device, gate, who, seen_ms, unsent)
    SELECT $1, $2, $3, $4, $5, $6
    WHERE EXISTS (SELECT 1 FROM door_devices WHERE event = $1 AND device = $2)
    OR (SELECT count(*) FROM door_devices WHERE event = $1) < $7
    ON CONFLICT (event, device) DO UPDATE SET gate = excluded.gate, who = excluded.who,
    seen_ms = excluded.seen_ms, unsent = excluded.unsent";

/// The links of an event, the newest first.
pub fn of_event(from: &mut dyn Tables, event: EventId) -> Result<Vec<GateLink>, Fault> {
    read(from.query(&OF_EVENT, &[event.value()])?)
}

/// The devices of an event, by gate.
pub fn devices(from: &mut dyn Tables, event: EventId) -> Result<Vec<DoorDevice>, Fault> {
    read(from.query(&DEVICES, &[event.value()])?)
}

/// A link works no more.
pub fn ended(id: u128, now: i64) -> RecordChange {
    RecordChange::Run(END, vec![now.value(), id.value()])
}

/// A device was heard of. One that is new is left out if there are [`MOST_DEVICES`].
pub fn seen(device: &DoorDevice) -> RecordChange {
    let mut values = device.row();
    values.push(MOST_DEVICES.value());
    RecordChange::Run(SEEN, values)
}
