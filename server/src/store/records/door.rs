//! The door: how each event's door works, who came in and went out, and the counts of gates. What a scan is and
//! what follows from it stands in [`boxoffice::door`]; docs/door.md has the rules in words.
//!
//! A batch loads all scans of the tickets that it decides on ([`load`]) while it has the lock of their event, and
//! adds rows ([`DoorRows`]). No row but the mark that a scan was undone ever changes. The schema has the rules once
//! more: the key of a scan ends with its turn, a device has a nonce once, and a visit takes place once.

use super::{Field, Record, RecordChange, Row, Tables, Value, read, record};
use crate::store::Fault;
use crate::store::codec::{state_from, state_number};
use boxoffice::door::{
    Admission, DeviceId, Direction, DoorChange, DoorKeys, DoorSpec, DoorState, GateCounts,
    GateSpec, Nonce, Objection, Scan, ScanId, TicketRef, Undone, UndoneBy,
};
use boxoffice::{EventId, OrderId, TimeMs};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

record! {
    /// How an event's door works, if anything was said of it.
    pub struct DoorRow: "doors", key 1 {
        /// Of which event.
        pub event: EventId,
        /// How often a ticket admits: the index in [`Admission::ALL`].
        pub admission: u32,
        /// When the doors open, in milliseconds since 1970.
        pub opens_ms: Option<i64>,
        /// The gates, as JSON: `[{"id", "name", "ticket_types": [id]}]`.
        pub gates: String,
    }
}

record! {
    /// One entry or exit.
    pub struct ScanRow: "scans", key 4 {
        /// At which event.
        pub event: EventId,
        /// Of a ticket of which order.
        pub order_id: OrderId,
        /// Of which of its tickets, from 1.
        pub number: u32,
        /// Its number among the scans of this ticket at this event, from 1 without gaps.
        pub turn: u32,
        /// Whether somebody went out.
        pub goes_out: bool,
        /// The revision of the code that was scanned.
        pub revision: u32,
        /// The id of the gate.
        pub gate: String,
        /// The device.
        pub device: u128,
        /// What the device calls it.
        pub nonce: u128,
        /// When, by the clock of the device, in milliseconds since 1970.
        pub at_ms: i64,
        /// When it was recorded, by the clock of the database.
        pub recorded_ms: i64,
        /// The day in the event's time zone, from 1970-01-01.
        pub day: i64,
        /// Whether the person had passed before it was recorded.
        pub late: bool,
        /// How often a ticket was admitted then: the index in [`Admission::ALL`].
        pub admission: u32,
        /// Which visit of the ticket it is, if it is one.
        pub visit: Option<u32>,
        /// Why it would have been refused online: [`Objection::word`].
        pub objection: Option<String>,
        /// The turn, the event, the state or the time that belongs to the objection.
        pub objection_of: Option<i64>,
        /// The account that undid it; none although it is undone: its own device did.
        pub undone_by: Option<u128>,
        /// When it was undone.
        pub undone_ms: Option<i64>,
    }
}

record! {
    /// What was counted of a gate on a day: [`GateCounts`].
    pub struct GateCountRow: "gate_counts", key 3 {
        /// Of which event.
        pub event: EventId,
        /// The id of the gate.
        pub gate: String,
        /// The day in the event's time zone, from 1970-01-01.
        pub day: i64,
        /// Entries that took a ticket's turn.
        pub entered: i64,
        /// Late entries of tickets that were in already.
        pub entered_again: i64,
        /// Exits of people who were in.
        pub went_out: i64,
        /// Late exits of tickets with which nobody was in.
        pub went_out_unseen: i64,
    }
}

fn admission_number(admission: Admission) -> u32 {
    Admission::ALL.iter().position(|known| *known == admission).unwrap_or(0) as u32
}

fn admission_from(number: u32) -> Option<Admission> {
    Admission::ALL.get(number as usize).copied()
}

fn unreadable(what: &str) -> Fault {
    Fault::NotDone(format!("unreadable: {what}"))
}

impl DoorRow {
    fn of(event: EventId, spec: &DoorSpec) -> DoorRow {
        let gate = |gate: &GateSpec| serde_json::json!({"id": gate.id, "name": gate.name, "ticket_types": gate.ticket_types});
        let gates: serde_json::Value = spec.gates.iter().map(gate).collect();
        let admission = admission_number(spec.admission);
        DoorRow { event, admission, opens_ms: spec.opens_ms, gates: gates.to_string() }
    }

    /// What it says. The error names the column that nobody of ours wrote.
    pub fn spec(&self) -> Result<DoorSpec, String> {
        let wrong = || "doors.gates".to_owned();
        let gates: Vec<serde_json::Value> =
            serde_json::from_str(&self.gates).map_err(|_| wrong())?;
        let gate = |gate: &serde_json::Value| {
            let text = |name: &str| Some(gate.get(name)?.as_str()?.to_owned());
            let ids = gate.get("ticket_types")?.as_array()?;
            let ids = ids.iter().map(|id| Some(id.as_str()?.to_owned())).collect::<Option<_>>()?;
            Some(GateSpec { id: text("id")?, name: text("name")?, ticket_types: ids })
        };
        let gates = gates.iter().map(gate).collect::<Option<_>>().ok_or_else(wrong)?;
        let admission = admission_from(self.admission).ok_or("doors.admission")?;
        Ok(DoorSpec { admission, opens_ms: self.opens_ms, gates })
    }
}

impl GateCountRow {
    fn of(event: EventId, gate: &str, day: i32, counts: GateCounts) -> GateCountRow {
        GateCountRow {
            event,
            gate: gate.to_owned(),
            day: day.into(),
            entered: counts.entered,
            entered_again: counts.entered_again,
            went_out: counts.left,
            went_out_unseen: counts.left_unseen,
        }
    }

    /// The counts.
    pub fn counts(&self) -> GateCounts {
        GateCounts {
            entered: self.entered,
            entered_again: self.entered_again,
            left: self.went_out,
            left_unseen: self.went_out_unseen,
        }
    }
}

/// The word and the number of an objection.
fn objection_value(objection: &Objection) -> (String, Option<i64>) {
    let of = match objection {
        Objection::AlreadyIn(seen) => Some(seen.turn.into()),
        Objection::NotIn(seen) => seen.as_ref().map(|seen| seen.turn.into()),
        Objection::OtherEvent(event) => Some(event.0 as i64),
        Objection::Unpaid(state) | Objection::Void(state) => Some(state_number(*state)),
        Objection::NotOpen(opens_ms) => Some(*opens_ms),
        Objection::UnknownGate
        | Objection::EventCanceled
        | Objection::UnknownTicket
        | Objection::Revoked
        | Objection::Replaced
        | Objection::WrongGate => None,
    };
    (objection.word().to_owned(), of)
}

/// The objection again. `earlier`: the scans of the ticket before it.
fn objection_from(word: &str, of: Option<i64>, earlier: &[Scan]) -> Option<Objection> {
    let seen = |turn: i64| earlier.get(usize::try_from(turn - 1).ok()?).map(Scan::seen);
    Some(match word {
        "already_in" => Objection::AlreadyIn(seen(of?)?),
        "not_in" => Objection::NotIn(match of {
            None => None,
            Some(turn) => Some(seen(turn)?),
        }),
        "unknown_gate" => Objection::UnknownGate,
        "event_canceled" => Objection::EventCanceled,
        "unknown_ticket" => Objection::UnknownTicket,
        "other_event" => Objection::OtherEvent(EventId(of? as u64)),
        "unpaid" => Objection::Unpaid(state_from(of?)?),
        "void" => Objection::Void(state_from(of?)?),
        "revoked" => Objection::Revoked,
        "replaced" => Objection::Replaced,
        "wrong_gate" => Objection::WrongGate,
        "not_open" => Objection::NotOpen(of?),
        _ => return None,
    })
}

impl ScanRow {
    fn of(scan: &Scan) -> ScanRow {
        let (objection, objection_of) = match &scan.objection {
            None => (None, None),
            Some(objection) => {
                let (word, of) = objection_value(objection);
                (Some(word), of)
            }
        };
        ScanRow {
            event: scan.id.event,
            order_id: scan.ticket.order,
            number: scan.ticket.number.into(),
            turn: scan.turn,
            goes_out: scan.direction == Direction::Out,
            revision: scan.revision.into(),
            gate: scan.gate.clone(),
            device: scan.id.device.0,
            nonce: scan.id.nonce.0,
            at_ms: scan.at_ms,
            recorded_ms: scan.recorded_ms,
            day: scan.day.into(),
            late: scan.late,
            admission: admission_number(scan.admission),
            visit: scan.visit,
            objection,
            objection_of,
            undone_by: scan.undone.and_then(undone_by),
            undone_ms: scan.undone.map(|undone| undone.at_ms),
        }
    }

    /// The best that is known of when it was: [`Scan::when_ms`].
    pub fn when_ms(&self) -> TimeMs {
        if self.late { self.at_ms.min(self.recorded_ms) } else { self.recorded_ms }
    }

    /// Of which ticket.
    pub fn ticket(&self) -> Option<TicketRef> {
        Some(TicketRef { order: self.order_id, number: self.number.try_into().ok()? })
    }

    /// The scan; the others of its ticket before it must be known. `None`: nobody of ours wrote it.
    fn scan(&self, earlier: &[Scan]) -> Option<Scan> {
        let device = DeviceId(self.device);
        let objection = match &self.objection {
            None => None,
            Some(word) => Some(objection_from(word, self.objection_of, earlier)?),
        };
        let by = self.undone_by.map_or(UndoneBy::Device(device), UndoneBy::Manager);
        Some(Scan {
            id: ScanId { event: self.event, device, nonce: Nonce(self.nonce) },
            ticket: self.ticket()?,
            turn: self.turn,
            direction: if self.goes_out { Direction::Out } else { Direction::In },
            revision: self.revision.try_into().ok()?,
            gate: self.gate.clone(),
            at_ms: self.at_ms,
            recorded_ms: self.recorded_ms,
            day: self.day.try_into().ok()?,
            late: self.late,
            admission: admission_from(self.admission)?,
            visit: self.visit,
            objection,
            undone: self.undone_ms.map(|at_ms| Undone { by, at_ms }),
        })
    }
}

fn undone_by(undone: Undone) -> Option<u128> {
    match undone.by {
        UndoneBy::Device(_) => None,
        UndoneBy::Manager(account) => Some(account),
    }
}

static OF_TICKET: LazyLock<String> = LazyLock::new(|| {
    ScanRow::table().select("WHERE event = $1 AND order_id = $2 AND number = $3 ORDER BY turn")
});
/// The scans of this name, one at each event. There is one index that fits, so that PostgreSQL takes no other while it
/// knows nothing of the table yet.
static OF_NAME: LazyLock<String> =
    LazyLock::new(|| ScanRow::table().select("WHERE device = $1 AND nonce = $2"));
static DOOR: LazyLock<String> = LazyLock::new(|| DoorRow::table().select("WHERE event = $1"));
/// The gates of an event at which something was counted: a few, as the rules bound them.
const GATES: &str = "SELECT DISTINCT gate FROM gate_counts WHERE event = $1";
static COUNTS: LazyLock<String> =
    LazyLock::new(|| GateCountRow::table().select("WHERE event = $1 ORDER BY gate, day"));
static RECORDED_SINCE: LazyLock<String> = LazyLock::new(|| {
    ScanRow::table().select(
        "WHERE event = $1 AND recorded_ms >= $2 ORDER BY recorded_ms, order_id, number, turn LIMIT $3",
    )
});
static LATEST: LazyLock<String> = LazyLock::new(|| {
    ScanRow::table().select(
        "WHERE event = $1 ORDER BY recorded_ms DESC, order_id DESC, number DESC, turn DESC LIMIT $2",
    )
});
static CONFLICTS: LazyLock<String> = LazyLock::new(|| {
    ScanRow::table().select(
        "WHERE event = $1 AND objection IS NOT NULL AND undone_ms IS NULL \
         ORDER BY recorded_ms DESC, order_id DESC, number DESC, turn DESC LIMIT $2",
    )
});

/// The scans of one ticket that these rows are, numbered from 1.
fn scans_of(rows: Vec<ScanRow>) -> Result<Vec<Scan>, Fault> {
    let mut scans: Vec<Scan> = Vec::with_capacity(rows.len());
    for row in rows {
        let numbered = row.turn as usize == scans.len() + 1;
        let scan = row.scan(&scans).filter(|_| numbered);
        scans.push(scan.ok_or_else(|| unreadable("a scan"))?);
    }
    Ok(scans)
}

/// The ticket of the scan of this name at this event, if there is one among these rows.
fn named(rows: Vec<Row>, id: ScanId) -> Result<Option<TicketRef>, Fault> {
    let row = read::<ScanRow>(rows)?.into_iter().find(|row| row.event == id.event);
    row.map(|row| row.ticket().ok_or_else(|| unreadable("scans.number"))).transpose()
}

/// Loads what some commands of the door need. Only the tickets of scans that are asked for by their names are not known
/// before the first answer; mostly a device reports a scan of the ticket that it names as well. What cannot be read
/// fails nothing else: see [`Unreadable`](boxoffice::door::Unreadable).
pub fn load(from: &mut dyn Tables, keys: &DoorKeys) -> Result<DoorState, Fault> {
    let mut state = DoorState::default();
    let doors: BTreeSet<EventId> = keys.doors.iter().copied().collect();
    let tickets: BTreeSet<(EventId, TicketRef)> = keys.tickets.iter().copied().collect();
    let scans: BTreeSet<ScanId> = keys.scans.iter().copied().collect();
    let by_name = |id: &ScanId| (OF_NAME.as_str(), vec![id.device.0.value(), id.nonce.0.value()]);
    let mut asked: Vec<(&'static str, Vec<Value>)> = Vec::new();
    asked.extend(doors.iter().map(|event| (DOOR.as_str(), vec![event.value()])));
    asked.extend(doors.iter().map(|event| (GATES, vec![event.value()])));
    asked.extend(scans.iter().map(by_name));
    asked.extend(tickets.iter().map(by_ticket));
    let mut found = from.query_all(&asked)?.into_iter();
    for (event, rows) in doors.iter().copied().zip(found.by_ref()) {
        match door_of(rows) {
            Ok(spec) => state.doors.extend(spec.map(|spec| (event, spec))),
            Err(why) => {
                tell_unreadable(event, &why);
                state.unreadable.doors.insert(event);
            }
        }
    }
    for (event, rows) in doors.into_iter().zip(found.by_ref()) {
        let gate = |row: Row| match row.into_iter().next() {
            Some(Value::Text(gate)) => Ok(gate),
            _ => Err(unreadable("gate_counts.gate")),
        };
        let gates = rows.into_iter().map(gate).collect::<Result<BTreeSet<String>, Fault>>()?;
        state.gates.extend((!gates.is_empty()).then_some((event, gates)));
    }
    let mut named_tickets: BTreeMap<ScanId, (EventId, TicketRef)> = BTreeMap::new();
    for (id, rows) in scans.into_iter().zip(found.by_ref()) {
        match named(rows, id) {
            Ok(ticket) => named_tickets.extend(ticket.map(|ticket| (id, (id.event, ticket)))),
            Err(why) => {
                tell_unreadable(id.event, &why);
                state.unreadable.scans.insert(id);
            }
        }
    }
    let others: BTreeSet<(EventId, TicketRef)> =
        named_tickets.values().filter(|of| !tickets.contains(of)).copied().collect();
    add_scans(&mut state, tickets, found);
    if !others.is_empty() {
        let found = from.query_all(&others.iter().map(by_ticket).collect::<Vec<_>>())?;
        add_scans(&mut state, others, found.into_iter());
    }
    for (id, of) in named_tickets {
        if state.unreadable.tickets.contains(&of) {
            state.unreadable.scans.insert(id);
        }
    }
    Ok(state)
}

fn by_ticket((event, ticket): &(EventId, TicketRef)) -> (&'static str, Vec<Value>) {
    let number = u32::from(ticket.number).value();
    (OF_TICKET.as_str(), vec![event.value(), ticket.order.value(), number])
}

/// Puts in the scans of each ticket.
fn add_scans(
    state: &mut DoorState,
    tickets: BTreeSet<(EventId, TicketRef)>,
    found: impl Iterator<Item = Vec<Row>>,
) {
    for ((event, ticket), rows) in tickets.into_iter().zip(found) {
        match read(rows).and_then(scans_of) {
            Ok(scans) => state.load(event, ticket, scans),
            Err(why) => {
                tell_unreadable(event, &why);
                state.unreadable.tickets.insert((event, ticket));
            }
        }
    }
}

fn tell_unreadable(event: EventId, why: &Fault) {
    tracing::error!(event = event.0, %why, "what is recorded at the door cannot be read");
}

/// The settings that these rows are, if there are any.
fn door_of(rows: Vec<Row>) -> Result<Option<DoorSpec>, Fault> {
    let row = read::<DoorRow>(rows)?.pop();
    row.map(|row| row.spec().map_err(|why| unreadable(&why))).transpose()
}

/// How an event's door works, if anything was said of it.
pub fn spec(from: &mut dyn Tables, event: EventId) -> Result<Option<DoorSpec>, Fault> {
    door_of(from.query(&DOOR, &[event.value()])?)
}

/// The counts of an event's gates, by gate and day.
pub fn counts(from: &mut dyn Tables, event: EventId) -> Result<Vec<GateCountRow>, Fault> {
    read(from.query(&COUNTS, &[event.value()])?)
}

/// The scans of a ticket at an event, by their turns.
pub fn of_ticket(
    from: &mut dyn Tables,
    event: EventId,
    ticket: TicketRef,
) -> Result<Vec<Scan>, Fault> {
    let number = u32::from(ticket.number).value();
    scans_of(read(from.query(&OF_TICKET, &[event.value(), ticket.order.value(), number])?)?)
}

/// Scans of an event that were recorded at this time or later, the first of them; as they are stored.
pub fn recorded_since(
    from: &mut dyn Tables,
    event: EventId,
    since_ms: TimeMs,
    limit: usize,
) -> Result<Vec<ScanRow>, Fault> {
    read(from.query(&RECORDED_SINCE, &[event.value(), since_ms.value(), limit_of(limit)])?)
}

/// The scans of an event that were recorded last, the last first; as they are stored.
pub fn latest(from: &mut dyn Tables, event: EventId, limit: usize) -> Result<Vec<ScanRow>, Fault> {
    read(from.query(&LATEST, &[event.value(), limit_of(limit)])?)
}

/// The late scans of an event that would have been refused online, and count; the last first.
pub fn objected(
    from: &mut dyn Tables,
    event: EventId,
    limit: usize,
) -> Result<Vec<ScanRow>, Fault> {
    read(from.query(&CONFLICTS, &[event.value(), limit_of(limit)])?)
}

/// How many scans count of each kind: by event, gate, day, way and objection, and whether it is a visit.
const KINDS: &str = "SELECT event, gate, day, goes_out, CASE WHEN visit IS NULL THEN 0 ELSE 1 END, \
    CASE WHEN objection = 'not_in' THEN 1 ELSE 0 END, count(*) \
    FROM scans WHERE undone_ms IS NULL GROUP BY 1, 2, 3, 4, 5, 6";

/// Whether the visit of a scan fits to the scans of its ticket before it. An entry without one is of a ticket that was in
/// already. Those that count have the visits 1, 2, 3, …, for the last scan that counts is undone first; the visit of one
/// that was undone was at most the next of all that came before it.
fn fits(scan: &Scan, earlier: &[Scan]) -> bool {
    let again = matches!(scan.objection, Some(Objection::AlreadyIn(_)));
    let entered = |scan: &&Scan| scan.visit.is_some();
    let counts = |scan: &&Scan| scan.visit.is_some() && scan.undone.is_none();
    match (scan.direction, scan.visit) {
        (Direction::Out, visit) => visit.is_none(),
        (Direction::In, None) => again,
        (Direction::In, Some(_)) if again => false,
        (Direction::In, Some(visit)) if scan.undone.is_some() => {
            (1..=earlier.iter().filter(entered).count() + 1).contains(&(visit as usize))
        }
        (Direction::In, Some(visit)) => visit as usize == earlier.iter().filter(counts).count() + 1,
    }
}

/// Tells what does not fit together: doors that cannot be read, scans of a ticket that are not numbered from 1, whose
/// visits are not, or that nobody of ours wrote, and counts that are not those of the scans.
pub(in crate::store) fn verify(
    from: &mut dyn Tables,
    wrong: &mut Vec<String>,
) -> Result<(), Fault> {
    super::each_page(from, DoorRow::table(), &mut |rows| {
        for row in read::<DoorRow>(rows)? {
            if let Err(column) = row.spec() {
                wrong.push(format!("the door of event {:x} is damaged: {column}", row.event.0));
            }
        }
        Ok(())
    })?;
    let mut of: Option<(EventId, OrderId, u32)> = None;
    let mut scans: Vec<Scan> = Vec::new();
    super::each_page(from, ScanRow::table(), &mut |rows| {
        for row in read::<ScanRow>(rows)? {
            let ticket = (row.event, row.order_id, row.number);
            if of != Some(ticket) {
                (of, scans) = (Some(ticket), Vec::new());
            }
            let numbered = row.turn as usize == scans.len() + 1;
            match row.scan(&scans).filter(|scan| numbered && fits(scan, &scans)) {
                Some(scan) => scans.push(scan),
                None => {
                    let order = uuid::Uuid::from_u128(row.order_id.0);
                    let (number, turn) = (row.number, row.turn);
                    wrong.push(format!(
                        "scan {turn} of ticket {number} of order {order} is damaged"
                    ));
                }
            }
        }
        Ok(())
    })?;
    let mut sums: BTreeMap<(i64, String, i64), GateCounts> = BTreeMap::new();
    for row in from.query(KINDS, &[])? {
        let [Value::Int(event), Value::Text(gate), Value::Int(day), kind @ ..] = &row[..] else {
            return Err(unreadable("the scans of a gate"));
        };
        let [Value::Int(goes_out), Value::Int(visit), Value::Int(unseen), Value::Int(n)] = kind
        else {
            return Err(unreadable("the scans of a gate"));
        };
        let none = GateCounts::default();
        let more = match (goes_out, visit, unseen) {
            (0, 1, _) => GateCounts { entered: *n, ..none },
            (0, _, _) => GateCounts { entered_again: *n, ..none },
            (_, _, 0) => GateCounts { left: *n, ..none },
            (_, _, _) => GateCounts { left_unseen: *n, ..none },
        };
        let sum = sums.entry((*event, gate.clone(), *day)).or_default();
        *sum = sum.plus(more);
    }
    super::each_page(from, GateCountRow::table(), &mut |rows| {
        for row in read::<GateCountRow>(rows)? {
            let key = (row.event.0 as i64, row.gate.clone(), row.day);
            let scanned = sums.remove(&key).unwrap_or_default();
            if row.counts() != scanned {
                let (gate, counts) = (&row.gate, row.counts());
                wrong.push(format!("gate {gate} counts {counts:?}, and its scans are {scanned:?}"));
            }
        }
        Ok(())
    })?;
    wrong.extend(
        sums.into_keys().map(|(_, gate, _)| format!("gate {gate} has scans and no counts")),
    );
    Ok(())
}

fn limit_of(limit: usize) -> Value {
    Value::Int(limit.try_into().unwrap_or(i64::MAX))
}

/// A new scan; one of this name or turn that is there already refuses the batch.
static ADD_SCAN: LazyLock<String> = LazyLock::new(|| {
    let columns: Vec<&str> = ScanRow::table().columns.iter().map(|column| column.name).collect();
    let numbers: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
    format!("INSERT INTO scans ({}) VALUES ({})", columns.join(", "), numbers.join(", "))
});
const UNDO: &str = "UPDATE scans SET undone_by = $5, undone_ms = $6 \
    WHERE event = $1 AND order_id = $2 AND number = $3 AND turn = $4 AND undone_ms IS NULL";
/// Makes the row of a gate and a day if there is none. Differences can be negative, and a schema that demands counts of
/// zero or more refuses a row of them before it looks whether there is one to add them to.
const ADD_GATE: &str = "INSERT INTO gate_counts (event, gate, day, entered, entered_again, went_out, went_out_unseen) \
    VALUES ($1, $2, $3, 0, 0, 0, 0) ON CONFLICT (event, gate, day) DO NOTHING";
/// Adds differences to a row. Whoever counts for an event has its lock, so that no two wait for each other.
const ADD_COUNTS: &str = "UPDATE gate_counts SET entered = entered + $4, entered_again = entered_again + $5, \
    went_out = went_out + $6, went_out_unseen = went_out_unseen + $7 \
    WHERE event = $1 AND gate = $2 AND day = $3";

/// Gathers what a batch writes for the door.
#[derive(Default)]
pub struct DoorRows {
    rows: Vec<RecordChange>,
    /// The differences of the batch.
    counts: BTreeMap<(EventId, String, i32), GateCounts>,
}

impl DoorRows {
    /// Adds a change.
    pub fn add(&mut self, change: &DoorChange) {
        match change {
            DoorChange::DoorPut { event, spec } => {
                self.rows.push(RecordChange::put(&DoorRow::of(*event, spec)));
            }
            DoorChange::ScanAdded(scan) => {
                self.rows.push(RecordChange::Run(&ADD_SCAN, ScanRow::of(scan).row()));
            }
            DoorChange::ScanUndone { event, ticket, turn, undone } => {
                let number = u32::from(ticket.number);
                let key = [event.value(), ticket.order.value(), number.value(), turn.value()];
                let mark = [undone_by(*undone).value(), undone.at_ms.value()];
                self.rows.push(RecordChange::Run(UNDO, [&key[..], &mark].concat()));
            }
            DoorChange::Counted { event, gate, day, more } => {
                let counts = self.counts.entry((*event, gate.clone(), *day)).or_default();
                *counts = counts.plus(*more);
            }
        }
    }

    /// Adds all of it to what is written.
    pub fn write(self, records: &mut Vec<RecordChange>) {
        records.extend(self.rows);
        for ((event, gate, day), more) in self.counts {
            if more != GateCounts::default() {
                let row = GateCountRow::of(event, &gate, day, more).row();
                records.push(RecordChange::Run(ADD_GATE, row[..3].to_vec()));
                records.push(RecordChange::Run(ADD_COUNTS, row));
            }
        }
    }
}
