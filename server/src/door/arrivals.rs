//! How people arrive: by gate and over time, and how many have not come yet.

use super::{Door, counted, day_of};
use crate::access::{Permit, may};
use crate::sales::SaleError;
use crate::store::records::door::{self, ScanRow};
use crate::store::records::door_reads::{Inside, Passed, arrived, by_span, inside};
use crate::store::{Fault, Reader};
use crate::when;
use boxoffice::door::DoorSpec;
use boxoffice::{Event, EventId};
use std::collections::BTreeMap;

/// Arrivals are told by spans of so many milliseconds: a quarter of an hour.
pub const SPAN_MS: i64 = 15 * 60_000;

/// So many late scans that would have been refused are told.
const MOST_OBJECTED: usize = 100;

/// How people arrived at an event.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Arrivals {
    /// What went through each gate in each span of [`SPAN_MS`], by time. Spans without anybody are left out.
    pub passed: Vec<Passed>,
    /// With how many tickets somebody came in.
    pub arrived: i64,
    /// How many places are sold, less those. Who exactly has not come stands in the export.
    pub not_arrived: i64,
    /// How many people are in, as far as it was scanned.
    pub inside: i64,
    /// How the door works.
    pub spec: DoorSpec,
    /// Late scans that would have been refused, the last first.
    pub objected: Vec<ScanRow>,
}

impl Door {
    /// How people arrived at an event. `event` is the event of the permit.
    pub async fn arrivals(
        &self,
        permit: &Permit<may::SeeEvents>,
        event: &Event,
    ) -> Result<Arrivals, SaleError> {
        let id = permit.event();
        let today = day_of(event, None, self.sales.clock.now_ms());
        let tickets: i64 = event.pools.iter().map(|pool| i64::from(pool.sold)).sum();
        let ask = move |reader: &mut dyn Reader| -> Result<_, Fault> {
            let from = reader.tables();
            let (arrived, (inside, _)) = (arrived(from, id)?, counted(from, id, today)?);
            Ok(Arrivals {
                passed: by_span(from, id, SPAN_MS)?,
                arrived,
                not_arrived: (tickets - arrived).max(0),
                inside,
                spec: door::spec(from, id)?.unwrap_or_default(),
                objected: door::objected(from, id, MOST_OBJECTED)?,
            })
        };
        Ok(self.sales.reads.ask(ask).await?)
    }

    /// How many people came in and are in, at each event where somebody was scanned: for the metrics of the box
    /// office itself.
    pub async fn presence(&self) -> Result<BTreeMap<EventId, (i64, i64)>, SaleError> {
        let counted = self.sales.reads.ask(|reader| inside(reader.tables())).await?;
        let now = self.sales.clock.now_ms();
        let mut presence: BTreeMap<EventId, (i64, i64)> = BTreeMap::new();
        for Inside { event, day, entered, left, daily } in counted {
            let known = self.sales.catalogue.event_by_id(event);
            let today = known.map(|event| i64::from(when::day_number(now, &event.spec.zone)));
            let (all, inside) = presence.entry(event).or_default();
            *all += entered;
            if !daily || today == Some(day) {
                *inside += entered - left;
            }
        }
        Ok(presence)
    }
}
