//! What pages and lists read of scans, beyond what decides them.

use super::door::ScanRow;
use super::{Field, Record, Tables, Value, read, take};
use crate::store::Fault;
use boxoffice::{EventId, OrderId, TimeMs};
use std::sync::LazyLock;

static OF_ORDERS: LazyLock<String> = LazyLock::new(|| {
    ScanRow::table().select(
        "WHERE event = $1 AND order_id >= $2 AND order_id <= $3 AND undone_ms IS NULL \
         ORDER BY order_id, number, turn",
    )
});
static RECORDED_AFTER: LazyLock<String> = LazyLock::new(|| {
    ScanRow::table().select(
        "WHERE event = $1 AND (recorded_ms, order_id, number, turn) > ($2, $3, $4, $5) \
         ORDER BY recorded_ms, order_id, number, turn LIMIT $6",
    )
});
static UNDONE_SINCE: LazyLock<String> = LazyLock::new(|| {
    ScanRow::table().select(
        "WHERE event = $1 AND undone_ms >= $2 AND undone_ms IS NOT NULL \
         ORDER BY undone_ms, order_id, number, turn LIMIT $3",
    )
});
/// Late entries of tickets that were in already by an entry which this device has made.
static CONTRADICTED: LazyLock<String> = LazyLock::new(|| {
    ScanRow::table().select(
        "WHERE event = $1 AND objection = 'already_in' AND undone_ms IS NULL AND EXISTS ( \
         SELECT 1 FROM scans f WHERE f.event = scans.event AND f.order_id = scans.order_id \
         AND f.number = scans.number AND f.turn = scans.objection_of AND f.device = $2 \
         AND f.undone_ms IS NULL) \
         ORDER BY recorded_ms DESC, order_id DESC, number DESC, turn DESC LIMIT $3",
    )
});
/// Entries and exits that count, by gate and span of time. A late scan was at the time of its device, and at the latest
/// when it was recorded.
const BY_SPAN: &str = "SELECT gate, \
    (CASE WHEN late = 1 AND at_ms < recorded_ms THEN at_ms ELSE recorded_ms END) / $2 * $2, \
    CAST(sum(CASE WHEN goes_out = 0 THEN 1 ELSE 0 END) AS BIGINT), \
    CAST(sum(CASE WHEN goes_out = 0 THEN 0 ELSE 1 END) AS BIGINT) \
    FROM scans WHERE event = $1 AND undone_ms IS NULL GROUP BY 1, 2 ORDER BY 2, 1";
const ARRIVED: &str = "SELECT count(*) FROM (SELECT 1 FROM scans \
    WHERE event = $1 AND undone_ms IS NULL AND goes_out = 0 GROUP BY order_id, number) AS arrived";
/// Who is in at each event, as its gates counted it; where a ticket admits once a day, of each day.
const INSIDE: &str = "SELECT g.event, g.day, CAST(sum(g.entered + g.entered_again) AS BIGINT), \
    CAST(sum(g.went_out + g.went_out_unseen) AS BIGINT), CAST(coalesce(max(d.admission), 0) AS BIGINT) \
    FROM gate_counts g LEFT JOIN doors d ON d.event = g.event GROUP BY 1, 2 ORDER BY 1, 2";

/// What went through a gate in a span of time, without what was undone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Passed {
    /// The id of the gate.
    pub gate: String,
    /// When the span begins, in milliseconds since 1970: a multiple of its length.
    pub at_ms: TimeMs,
    /// Entries.
    pub entered: i64,
    /// Exits.
    pub left: i64,
}

/// What the gates of an event counted on a day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inside {
    /// Of which event.
    pub event: EventId,
    /// The day in the event's time zone, from 1970-01-01.
    pub day: i64,
    /// Entries.
    pub entered: i64,
    /// Exits.
    pub left: i64,
    /// Whether a ticket of the event admits once a day: who was in on another day has gone without a scan.
    pub daily: bool,
}

/// The scans that count, of the tickets of orders with these ids and between, by ticket and turn.
pub fn of_orders(
    from: &mut dyn Tables,
    event: EventId,
    (first, last): (OrderId, OrderId),
) -> Result<Vec<ScanRow>, Fault> {
    read(from.query(&OF_ORDERS, &[event.value(), first.value(), last.value()])?)
}

/// Names a scan among those of its event, in the order in which they were recorded.
pub type Recorded = (TimeMs, OrderId, u32, u32);

/// Scans of an event that were recorded after this one, the first of them.
pub fn recorded_after(
    from: &mut dyn Tables,
    event: EventId,
    (recorded_ms, order, number, turn): Recorded,
    limit: i64,
) -> Result<Vec<ScanRow>, Fault> {
    let after = [recorded_ms.value(), order.value(), number.value(), turn.value()];
    let values = [&[event.value()][..], &after, &[limit.value()]].concat();
    read(from.query(&RECORDED_AFTER, &values)?)
}

/// Scans of an event that were undone at this time or later, the first of them.
pub fn undone_since(
    from: &mut dyn Tables,
    event: EventId,
    since_ms: TimeMs,
    limit: i64,
) -> Result<Vec<ScanRow>, Fault> {
    read(from.query(&UNDONE_SINCE, &[event.value(), since_ms.value(), limit.value()])?)
}

/// Entries that were reported later, of tickets which this device has let in before; the last first.
pub fn contradicted(
    from: &mut dyn Tables,
    event: EventId,
    device: u128,
    limit: i64,
) -> Result<Vec<ScanRow>, Fault> {
    read(from.query(&CONTRADICTED, &[event.value(), device.value(), limit.value()])?)
}

/// What went through the gates of an event, by spans of so many milliseconds.
pub fn by_span(from: &mut dyn Tables, event: EventId, span_ms: i64) -> Result<Vec<Passed>, Fault> {
    let damaged = |why| Fault::NotDone(format!("unreadable: {why}"));
    let rows = from.query(BY_SPAN, &[event.value(), span_ms.value()])?;
    let passed = rows.into_iter().map(|row| {
        let mut row = row.into_iter();
        Ok(Passed {
            gate: take(&mut row, "scans.gate")?,
            at_ms: take(&mut row, "scans.recorded_ms")?,
            entered: take(&mut row, "a sum")?,
            left: take(&mut row, "a sum")?,
        })
    });
    passed.collect::<Result<_, String>>().map_err(damaged)
}

/// With how many tickets of an event somebody came in.
pub fn arrived(from: &mut dyn Tables, event: EventId) -> Result<i64, Fault> {
    match from.query(ARRIVED, &[event.value()])?.first().map(Vec::as_slice) {
        Some([Value::Int(number)]) => Ok(*number),
        _ => Err(Fault::NotDone("unreadable: a number".into())),
    }
}

/// What the gates of all events counted, by event and day.
pub fn inside(from: &mut dyn Tables) -> Result<Vec<Inside>, Fault> {
    let damaged = |why| Fault::NotDone(format!("unreadable: {why}"));
    let rows = from.query(INSIDE, &[])?;
    let inside = rows.into_iter().map(|row| {
        let mut row = row.into_iter();
        Ok(Inside {
            event: take(&mut row, "gate_counts.event")?,
            day: take(&mut row, "gate_counts.day")?,
            entered: take(&mut row, "a sum")?,
            left: take(&mut row, "a sum")?,
            daily: take::<i64>(&mut row, "doors.admission")? == 2,
        })
    });
    inside.collect::<Result<_, String>>().map_err(damaged)
}
