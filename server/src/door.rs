//! The door: who comes in and goes out with which ticket, how an event's door works, and what was counted.
//!
//! The rules stand in [`boxoffice::door`], and docs/door.md has them in words. Here codes become tickets, and times
//! become days of the event.
//!
//! It must not know: HTTP, SQL.

use crate::access::{Permit, may};
use crate::sales::{SaleError, Sales};
use crate::store::Fault;
use crate::store::records::door::{self, GateCountRow, ScanRow};
use crate::tickets::{Found, Tickets};
use crate::when;
use crate::writer::{CommandError, DoorError};
use boxoffice::door::{
    DeviceId, Direction, DoorCommand, DoorRefusal, DoorReply, DoorSpec, Nonce, Objection, Scan,
    ScanId, ScanReport, TicketRef, UndoneBy,
};
use boxoffice::{Event, EventId, TimeMs};
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
    /// The code.
    pub code: String,
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
    pub found: Option<Found>,
    /// What is recorded, or why nothing is.
    pub scan: Result<Box<Scan>, DoorRefusal>,
}

/// What is known of an event's door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Overview {
    /// What gates counted.
    pub counts: Vec<GateCountRow>,
    /// The last scans, the last first.
    pub latest: Vec<ScanRow>,
    /// Late scans that would have been refused, the last first.
    pub objected: Vec<ScanRow>,
}

impl Overview {
    /// How many people are in, as far as it was scanned.
    pub fn inside(&self) -> i64 {
        self.counts.iter().map(|row| row.counts().inside()).sum()
    }
}

impl Door {
    /// Records that somebody comes in or goes out, or refuses it. `event` is the event of the permit.
    pub async fn scan(
        &self,
        permit: &Permit<may::CheckIn>,
        event: &Event,
        report: Report,
    ) -> Result<Answered, SaleError> {
        let found = self.ticket_of(&report.code, permit.event()).await?;
        let Some(found) = found else {
            let scan = Err(DoorRefusal::Objection(Objection::UnknownTicket));
            return Ok(Answered { found: None, scan });
        };
        let now = self.sales.clock.now_ms();
        let at_ms = report.at_ms.unwrap_or(now);
        // A device's time counts for what it reports later, and not beyond now.
        let counts_ms = if report.late { at_ms.min(now) } else { now };
        let scan = ScanReport {
            event: permit.event(),
            ticket: TicketRef { order: found.order.id, number: found.number },
            revision: found.revision,
            gate: report.gate,
            device: report.device,
            nonce: report.nonce,
            at_ms,
            day: when::day_number(counts_ms, &event.spec.zone),
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
        Ok(Answered { found: Some(found), scan })
    }

    /// The ticket of this code: of this event, or else of another one.
    async fn ticket_of(&self, code: &str, event: EventId) -> Result<Option<Found>, SaleError> {
        match self.tickets.of_any_event(code, Some(event)).await? {
            Some(found) => Ok(Some(found)),
            None => self.tickets.of_any_event(code, None).await,
        }
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

    /// What is known of an event's door, with the last `limit` scans.
    pub async fn overview(
        &self,
        permit: &Permit<may::CheckIn>,
        limit: usize,
    ) -> Result<Overview, SaleError> {
        let event = permit.event();
        let look = move |reader: &mut dyn crate::store::Reader| -> Result<Overview, Fault> {
            let from = reader.tables();
            let counts = door::counts(from, event)?;
            let (latest, objected) =
                (door::latest(from, event, limit)?, door::objected(from, event, limit)?);
            Ok(Overview { counts, latest, objected })
        };
        Ok(self.sales.reads.ask(look).await?)
    }
}
