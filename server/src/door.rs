//! The door: who comes in and goes out with which ticket, how an event's door works, and what was counted.
//!
//! The rules stand in [`boxoffice::door`], and docs/door.md has them in words. Here codes become tickets, and times
//! become days of the event.
//!
//! It must not know: HTTP, SQL.

pub mod arrivals;
pub mod devices;
pub mod list;
pub mod search;

use crate::access::{Permit, may};
use crate::sales::{SaleError, Sales};
use crate::store::records::Tables;
use crate::store::records::door::{self, GateCountRow, ScanRow};
use crate::store::{Fault, Reader};
use crate::tickets::Tickets;
use crate::when;
use crate::writer::{CommandError, DoorError};
use boxoffice::door::{
    Admission, DeviceId, Direction, DoorCommand, DoorKeys, DoorRefusal, DoorReply, DoorSpec,
    DoorState, Nonce, Objection, Presence, Scan, ScanId, ScanReport, TicketRef, UndoneBy,
};
use boxoffice::{Event, EventId, Order, TimeMs};
use std::sync::Arc;

/// The use cases.
pub struct Door {
    /// Where commands go, and what is recorded is read.
    pub sales: Arc<Sales>,
    /// Finds tickets by their codes.
    pub tickets: Arc<Tickets>,
}

/// A scan as a device reports it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The code; empty if the ticket is named.
    pub code: String,
    /// The ticket of this event that somebody has found by a name.
    pub ticket: Option<TicketRef>,
    /// The id of the gate.
    pub gate: String,
    /// The device.
    pub device: DeviceId,
    /// What the device calls it.
    pub nonce: Nonce,
    /// When it was, in milliseconds since 1970; `None`: now.
    pub at_ms: Option<TimeMs>,
    /// In or out.
    pub direction: Direction,
    /// Whether the person has passed already.
    pub late: bool,
}

/// What came of a scan.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The ticket, if there is one of this code: of any event.
    pub ticket: Option<Seen>,
    /// What is recorded, or why nothing is.
    pub scan: Result<Box<Scan>, DoorRefusal>,
}

/// A ticket that stands before a door.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its order.
    pub order: Arc<Order>,
    /// Its number within the order.
    pub number: u16,
    /// The event of the order, with all ticket types that the order names.
    pub event: Arc<Event>,
}

/// The revision of a code that no ticket has: of one that counts no more.
const NO_REVISION: u16 = u16::MAX;

/// What is known of an event's door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overview {
    /// How many people are in, as far as it was scanned; where a ticket admits once a day, of today.
    pub inside: i64,
    /// What gates counted.
    pub counts: Vec<GateCountRow>,
    /// The last scans, the last first.
    pub latest: Vec<ScanRow>,
    /// Late scans that would have been refused, the last first.
    pub objected: Vec<ScanRow>,
}

/// The day of a scan in the event's time zone, counted from 1970-01-01. `late_ms`: when it was by the clock of a device
/// that reports it later. That clock may be wrong: a day before the event, or after today, is none of the event's, and
/// the scan counts for today.
fn day_of(event: &Event, late_ms: Option<TimeMs>, now: TimeMs) -> i32 {
    let day = |ms| when::day_number(ms, &event.spec.zone);
    let today = day(now);
    let day_before = day(event.spec.starts_ms.min(now)) - 1;
    late_ms.map(day).filter(|day| (day_before..=today).contains(day)).unwrap_or(today)
}

/// The scan that decides whether somebody comes in with a ticket now: because of it nobody does, or else, where a ticket
/// comes in again, it is the last exit. `scans`: those of the ticket that count, by their turns.
pub fn deciding(scans: &[ScanRow], admission: Admission) -> Option<&ScanRow> {
    let visits = || scans.iter().filter(|scan| scan.visit.is_some());
    match admission {
        Admission::Once => visits().next(),
        Admission::OnceADay => visits().max_by_key(|scan| scan.day),
        Admission::ComeBack => {
            let way = |scan: &ScanRow| if scan.goes_out { Direction::Out } else { Direction::In };
            let inside = scans.iter().fold(0, |inside, scan| {
                Presence::inside_after(inside, way(scan), scan.visit.is_some(), scan.late)
            });
            scans.iter().rfind(|scan| scan.goes_out == (inside <= 0))
        }
    }
}

/// The scans of one ticket among those of its order.
fn of_ticket(scans: &[ScanRow], number: u16) -> Vec<ScanRow> {
    scans.iter().filter(|scan| scan.number == u32::from(number)).cloned().collect()
}

/// How many people are in at an event, as far as it was scanned, and what its gates counted.
fn counted(
    from: &mut dyn Tables,
    event: EventId,
    today: i32,
) -> Result<(i64, Vec<GateCountRow>), Fault> {
    let counts = door::counts(from, event)?;
    // Who was in on another day has gone without a scan.
    let daily = door::spec(from, event)?.is_some_and(|spec| spec.admission == Admission::OnceADay);
    let of_today = counts.iter().filter(|row| !daily || row.day == i64::from(today));
    Ok((of_today.map(|row| row.counts().inside()).sum(), counts))
}

impl Door {
    /// Records that somebody comes in or goes out, or refuses it. `event` is the event of the permit.
    pub async fn scan(
        &self,
        permit: &Permit<may::CheckIn>,
        event: &Event,
        report: Report,
    ) -> Result<Answered, SaleError> {
        let id = ScanId { event: permit.event(), device: report.device, nonce: report.nonce };
        let Some((order, number, revision)) = self.ticket_of(&report, permit.event()).await? else {
            return self.known(id, report.direction).await;
        };
        // Before anything is recorded: what is told afterwards names a ticket type of it.
        let of = self.sales.event_of(&order).await?;
        let now = self.sales.clock.now_ms();
        let at_ms = report.at_ms.unwrap_or(now);
        let scan = ScanReport {
            event: permit.event(),
            ticket: TicketRef { order: order.id, number },
            revision,
            gate: report.gate,
            device: report.device,
            nonce: report.nonce,
            at_ms,
            day: day_of(event, report.late.then_some(at_ms), now),
            late: report.late,
        };
        let command = match report.direction {
            Direction::In => DoorCommand::CheckIn(scan),
            Direction::Out => DoorCommand::CheckOut(scan),
        };
        let scan = match self.sales.writer.ask_door(permit.actor(), command).await {
            Ok(DoorReply::Scanned(scan)) => Ok(scan),
            Ok(DoorReply::Door(_) | DoorReply::Undone(_)) => return Err(CommandError::InDoubt),
            Err(DoorError::Refused(refusal)) => Err(refusal),
            Err(DoorError::Failed(why)) => return Err(why),
        };
        Ok(Answered { ticket: Some(Seen { order, number, event: of }), scan })
    }

    /// The ticket of this code: of this event, or else of another one. Who has passed already had a code that one of our
    /// keys has signed; whether it still counts, the rules say.
    async fn ticket_of(
        &self,
        report: &Report,
        event: EventId,
    ) -> Result<Option<(Arc<Order>, u16, u16)>, SaleError> {
        if let Some(TicketRef { order, number }) = report.ticket {
            let order = self.sales.stored(order).await?.filter(|order| order.event == event);
            let revision = order.as_ref().and_then(|order| Some(order.ticket(number)?.revision));
            return Ok(order.zip(revision).map(|(order, rev)| (Arc::new(order), number, rev)));
        }
        let code = &report.code;
        if let Some(found) = self.tickets.before_door(code, event).await? {
            return Ok(Some((found.order, found.number, found.revision)));
        }
        if !report.late {
            return Ok(None);
        }
        let named = self.tickets.named(code).await?;
        Ok(named.map(|(order, number, revision)| (order, number, revision.unwrap_or(NO_REVISION))))
    }

    /// The answer to a scan whose code is no ticket's: what was recorded of it when it was one.
    async fn known(&self, id: ScanId, direction: Direction) -> Result<Answered, SaleError> {
        let unknown = || Err(DoorRefusal::Objection(Objection::UnknownTicket));
        let found = self.recorded(id).await?;
        if found.unreadable.scans.contains(&id) {
            return Ok(Answered { ticket: None, scan: Err(DoorRefusal::Unreadable) });
        }
        let Some(scan) = found.scan(id).filter(|scan| scan.direction == direction).cloned() else {
            return Ok(Answered { ticket: None, scan: unknown() });
        };
        let order = self.sales.stored(scan.ticket.order).await?;
        let ticket = match order {
            None => None,
            Some(order) => {
                let event = self.sales.event_of(&order).await?;
                Some(Seen { order: Arc::new(order), number: scan.ticket.number, event })
            }
        };
        let scan = match scan.undone {
            Some(undone) => Err(DoorRefusal::Undone(undone)),
            None => Ok(Box::new(scan)),
        };
        Ok(Answered { ticket, scan })
    }

    /// What is recorded of a scan, also if it was undone since.
    async fn recorded(&self, id: ScanId) -> Result<DoorState, SaleError> {
        let keys = DoorKeys { scans: vec![id], ..DoorKeys::default() };
        Ok(self.sales.reads.ask(move |reader| door::load(reader.tables(), &keys)).await?)
    }

    /// Whether a scan of this device is recorded already, so that [`Door::scan`] gives its answer of before.
    pub async fn knows(
        &self,
        permit: &Permit<may::CheckIn>,
        device: DeviceId,
        nonce: Nonce,
    ) -> Result<bool, SaleError> {
        let id = ScanId { event: permit.event(), device, nonce };
        Ok(self.recorded(id).await?.scan(id).is_some())
    }

    /// Undoes a scan of this device. A manager undoes those of all devices, and at any time.
    pub async fn undo(
        &self,
        permit: &Permit<may::CheckIn>,
        device: DeviceId,
        nonce: Nonce,
        manager: Option<&Permit<may::ChangeEvents>>,
    ) -> Result<Result<Box<Scan>, DoorRefusal>, SaleError> {
        let manager = manager.filter(|manager| manager.event() == permit.event());
        let by = match manager {
            Some(manager) => UndoneBy::Manager(manager.actor().id()),
            None => UndoneBy::Device(device),
        };
        let scan = ScanId { event: permit.event(), device, nonce };
        let command = DoorCommand::Undo { scan, by };
        match self.sales.writer.ask_door(permit.actor(), command).await {
            Ok(DoorReply::Undone(scan)) => Ok(Ok(scan)),
            Ok(DoorReply::Door(_) | DoorReply::Scanned(_)) => Err(CommandError::InDoubt),
            Err(DoorError::Refused(refusal)) => Ok(Err(refusal)),
            Err(DoorError::Failed(why)) => Err(why),
        }
    }

    /// Sets how an event's door works.
    pub async fn put(
        &self,
        permit: &Permit<may::ChangeEvents>,
        spec: DoorSpec,
    ) -> Result<Result<(), DoorRefusal>, SaleError> {
        let command = DoorCommand::PutDoor { event: permit.event(), spec };
        match self.sales.writer.ask_door(permit.actor(), command).await {
            Ok(DoorReply::Door(_)) => Ok(Ok(())),
            Ok(DoorReply::Scanned(_) | DoorReply::Undone(_)) => Err(CommandError::InDoubt),
            Err(DoorError::Refused(refusal)) => Ok(Err(refusal)),
            Err(DoorError::Failed(why)) => Err(why),
        }
    }

    /// How an event's door works.
    pub async fn spec(&self, permit: &Permit<may::CheckIn>) -> Result<DoorSpec, SaleError> {
        let event = permit.event();
        let spec = self.sales.reads.ask(move |reader| door::spec(reader.tables(), event)).await?;
        Ok(spec.unwrap_or_default())
    }

    /// What is known of an event's door, with the last `limit` scans. `event` is the event of the permit.
    pub async fn overview(
        &self,
        permit: &Permit<may::CheckIn>,
        event: &Event,
        limit: usize,
    ) -> Result<Overview, SaleError> {
        let id = permit.event();
        let today = day_of(event, None, self.sales.clock.now_ms());
        let look = move |reader: &mut dyn Reader| -> Result<Overview, Fault> {
            let from = reader.tables();
            let (inside, counts) = counted(from, id, today)?;
            let (latest, objected) =
                (door::latest(from, id, limit)?, door::objected(from, id, limit)?);
            Ok(Overview { inside, counts, latest, objected })
        };
        Ok(self.sales.reads.ask(look).await?)
    }
}
