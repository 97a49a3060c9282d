//! The devices at a door: which there are, when each was heard of, and how many scans it has not sent.

use super::Door;
use crate::access::{Permit, may};
use crate::sales::SaleError;
use crate::store::Reader;
use crate::store::records::door::ScanRow;
use crate::store::records::door_reads::contradicted;
use crate::store::records::gate_links::{DoorDevice, devices, seen};
use boxoffice::door::DeviceId;

/// So many contradictions are told to a device.
const MOST_CONTRADICTED: i64 = 5;

/// What a device says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// The device.
    pub device: DeviceId,
    /// The id of its gate; empty: none was chosen yet.
    pub gate: String,
    /// How many scans it has not sent.
    pub unsent: u32,
}

impl Door {
    /// A device is there.
    pub async fn heard(
        &self,
        permit: &Permit<may::CheckIn>,
        heard: Heard,
    ) -> Result<(), SaleError> {
        let device = DoorDevice {
            event: permit.event(),
            device: heard.device.0,
            gate: heard.gate,
            who: permit.actor(),
            seen_ms: self.sales.clock.now_ms(),
            unsent: heard.unsent.into(),
        };
        self.sales.writer.write(vec![seen(&device)]).await
    }

    /// Entries that another device has reported later, of tickets with which this device had let somebody in; the last
    /// first.
    pub async fn contradicted(
        &self,
        permit: &Permit<may::CheckIn>,
        device: DeviceId,
    ) -> Result<Vec<ScanRow>, SaleError> {
        let event = permit.event();
        let ask = move |reader: &mut dyn Reader| {
            contradicted(reader.tables(), event, device.0, MOST_CONTRADICTED)
        };
        Ok(self.sales.reads.ask(ask).await?)
    }

    /// The devices that were heard of, by gate.
    pub async fn devices(
        &self,
        permit: &Permit<may::ChangeEvents>,
    ) -> Result<Vec<DoorDevice>, SaleError> {
        let event = permit.event();
        Ok(self.sales.reads.ask(move |reader| devices(reader.tables(), event)).await?)
    }
}
