//! Moves a whole box office from one database to another, of whichever engine: so that one can
//! start small and grow, and go back.
//!
//! Nobody sells meanwhile. Everything is written in one transaction into a database that is empty
//! before, is looked at there with the same eyes as in an audit, and is compared order by order
//! with where it came from; only then is it committed. What goes wrong before leaves the target as
//! it was. The source is retired before the target is finished, so that at no moment both would sell.

use super::records::audit_log::AuditLine;
use super::records::{self, RecordChange, Tables, Value};
use super::{Database, Fault, OrderPage, Reader, Recorded};
use crate::clock::Clock;
use boxoffice::{BuyerKey, BuyerRecord, Change, Event, EventId, Order, OrderId, Payment, TimeMs};
use std::collections::{BTreeMap, BTreeSet};

/// Orders at a time.
const PAGE: usize = 1_000;

/// Under this key a database says where everything went that was in it.
pub(super) const MOVED_TO: &str = "moved_to";

/// What is true of the whole box office.
pub(super) struct Facts {
    /// From it every order's secret and every ticket's code is derived.
    pub(super) secret: [u8; 32],
    /// The digest of the organiser's key, if the first start made one.
    pub(super) organiser_key: Option<String>,
    /// With which payment provider its orders were made: see [`super::test_orders`].
    pub(super) provider: Option<String>,
}

/// A database that is moved from. While it lives, nobody writes there.
pub(super) trait Source {
    fn reader(&mut self) -> &mut dyn Reader;
    fn count_orders(&mut self) -> Result<u64, Fault>;
    /// The answers that are remembered, and since when.
    fn requests(&mut self) -> Result<Vec<(Recorded, TimeMs)>, Fault>;
    fn facts(&mut self) -> Result<Facts, Fault>;
    /// Writes down, durably, where everything goes: [`Database::open`] refuses it from now on, and a
    /// process that has it open records nothing more.
    fn retire(&mut self, to: &str) -> Result<(), Fault>;
    /// Takes that back.
    fn reinstate(&mut self) -> Result<(), Fault>;
    /// Removes, durably and at once, every order with all that belongs to it, and frees its places. Events
    /// and the audit log stay; the log gets this line.
    fn clear_orders(&mut self, line: &AuditLine) -> Result<(), Fault>;
}

/// A database that is moved to: one transaction, which ends with it unless it is finished.
pub(super) trait Sink {
    fn put(&mut self, changes: &[Change]) -> Result<(), Fault>;
    fn put_requests(&mut self, requests: &[(Recorded, TimeMs)]) -> Result<(), Fault>;
    /// As [`Sink::put`], for the cold tables.
    fn put_records(&mut self, changes: &[RecordChange]) -> Result<(), Fault>;
    /// The cold tables as they were written.
    fn tables(&mut self) -> Result<Box<dyn Tables + '_>, Fault>;
    /// What does not fit together in what was written.
    fn verify(&mut self) -> Result<Vec<String>, Fault>;
    fn events(&mut self) -> Result<Vec<Event>, Fault>;
    fn orders(&mut self, after: Option<OrderId>, limit: usize) -> Result<OrderPage, Fault>;
    /// A text as it is kept here.
    fn kept(&self, text: &str) -> String {
        text.into()
    }
    /// Commits.
    fn finish(self: Box<Self>) -> Result<(), Unfinished>;
}

/// Why a database that is moved to was not finished, in a sentence.
pub(super) enum Unfinished {
    /// It is as it was before.
    Nothing(String),
    /// Whether everything is there or nothing cannot be told.
    Unknown(String),
}

/// Why a database is not moved once more.
pub(super) fn already_moved(from: &str, to: &str) -> String {
    format!(
        "{from} was moved to {to} before, and two copies that sell would sell places twice. Nothing was changed. \
         If nobody sells there and nobody will: nts migrate-store --resume {from}"
    )
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The source is looked at.
    Checking,
    /// So many orders of so many are written.
    Copying(u64, u64),
    /// So many orders of so many are compared.
    Comparing(u64, u64),
}

/// What was moved.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Moved {
    /// Events.
    pub events: u64,
    /// Orders, with their payments, refunds and tickets.
    pub orders: u64,
    /// Tickets.
    pub tickets: u64,
    /// Answers that are remembered under their key.
    pub requests: u64,
    /// Rows of the cold tables.
    pub records: u64,
}

/// Moves everything. The error is one or more sentences, and says what each database is then.
pub fn transfer(
    from: &Database,
    to: &Database,
    clock: &Clock,
    tell: &mut dyn FnMut(Stage),
) -> Result<Moved, String> {
    let mut source = from.source(clock)?;
    tell(Stage::Checking);
    let unreadable = |fault: Fault| format!("{from} cannot be read: {fault}. Nothing was changed.");
    let wrong = source.reader().verify().map_err(unreadable)?;
    if let Some(first) = wrong.first() {
        return Err(format!(
            "the books of {from} do not balance, and are not carried on like that: {first}. Nothing \
             was changed. nts audit tells more."
        ));
    }
    let facts = source.facts().map_err(unreadable)?;
    let mut sink = to.sink(&facts, clock)?;
    let moved = copy(&mut *source, &mut *sink, tell)
        .and_then(|moved| compare(&mut *source, &mut *sink, moved.orders, tell).map(|()| moved));
    match moved {
        Ok(moved) => {
            // In this order: a move that is cut off here leaves neither willing to sell, instead of both.
            source.retire(&to.to_string()).map_err(|fault| match fault {
                Fault::Unknown(why) => format!(
                    "nothing was moved: {from} did not answer when it was marked as moved ({why}). If \
                     nts refuses to start on it: nts migrate-store --resume {from}"
                ),
                Fault::NotDone(why)
                | Fault::Away(why)
                | Fault::Stopped(why)
                | Fault::Conflict(why) => format!(
                    "nothing was moved: {from} could not be marked as moved ({why}), and places would be \
                     sold twice if both sold. {to} is as it was before, and {from} as well."
                ),
            })?;
            match sink.finish() {
                Ok(()) => Ok(moved),
                Err(Unfinished::Nothing(why)) => match source.reinstate() {
                    Ok(()) => Err(why),
                    Err(fault) => Err(format!(
                        "{why} But {from} is marked as moved, and that could not be taken back \
                         ({fault}): nts migrate-store --resume {from}"
                    )),
                },
                Err(Unfinished::Unknown(why)) => Err(format!(
                    "{why} {from} is marked as moved. If nothing is in {to}: nts migrate-store \
                     --resume {from}"
                )),
            }
        }
        Err(fault) => Err(format!(
            "moving {from} to {to} failed: {}. {to} is as it was before, and {from} as well.",
            match fault {
                Fault::NotDone(why)
                | Fault::Away(why)
                | Fault::Stopped(why)
                | Fault::Conflict(why)
                | Fault::Unknown(why) => why,
            }
        )),
    }
}

pub(super) fn copy(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    tell: &mut dyn FnMut(Stage),
) -> Result<Moved, Fault> {
    let mut moved = Moved::default();
    let events = source.reader().events()?;
    moved.events = events.len() as u64;
    let limited = |event: &&Event| event.spec.limit_per_buyer.is_some();
    let limited: BTreeSet<EventId> = events.iter().filter(limited).map(|event| event.id).collect();
    // Counted from the orders: not every engine writes it down.
    let mut buyers: BTreeMap<(EventId, BuyerKey), BuyerRecord> = BTreeMap::new();
    let changes: Vec<Change> =
        events.into_iter().map(|event| Change::EventPut(Box::new(event))).collect();
    sink.put(&changes)?;
    let all = source.count_orders()?;
    let mut after = None;
    loop {
        tell(Stage::Copying(moved.orders, all));
        let page = source.reader().all_orders(after, PAGE)?;
        moved.orders += page.orders.len() as u64;
        moved.tickets += page.orders.iter().map(|o| o.tickets.len() as u64).sum::<u64>();
        for order in page.orders.iter().filter(|order| limited.contains(&order.event)) {
            let places = order.counted();
            if places > 0 {
                let record = buyers
                    .entry((order.event, order.buyer.key))
                    .or_insert(BuyerRecord { places: 0, order: order.id });
                record.places += places;
                record.order = record.order.max(order.id);
            }
        }
        let changes: Vec<Change> = page.orders.into_iter().flat_map(changes_of).collect();
        sink.put(&changes)?;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let buyers: Vec<Change> = buyers
        .into_iter()
        .map(|((event, buyer), record)| Change::BuyerPut { event, buyer, record })
        .collect();
    for some in buyers.chunks(PAGE) {
        sink.put(some)?;
    }
    let requests = source.requests()?;
    moved.requests = requests.len() as u64;
    for some in requests.chunks(PAGE) {
        sink.put_requests(some)?;
    }
    for table in records::tables() {
        records::each_page(source.reader().tables(), table, &mut |rows| {
            moved.records += rows.len() as u64;
            let put = |row| RecordChange::Put(table, row);
            sink.put_records(&rows.into_iter().map(put).collect::<Vec<_>>())
        })?;
    }
    Ok(moved)
}

/// The cold tables say the same in both databases.
fn compare_records(source: &mut dyn Source, sink: &mut dyn Sink) -> Result<(), Fault> {
    for table in records::tables() {
        let mut arrived: Option<Vec<Value>> = None;
        records::each_page(source.reader().tables(), table, &mut |mut rows| {
            for text in rows.iter_mut().flatten() {
                if let Value::Text(text) = text {
                    *text = sink.kept(text);
                }
            }
            let found =
                records::rows(&mut *sink.tables()?, table, arrived.as_deref(), records::PAGE)?;
            if found != rows {
                let name = table.name;
                return Err(Fault::NotDone(format!("a row of {name} did not arrive as it was")));
            }
            arrived = found.last().map(|row| row[..table.key].to_vec()).or(arrived.take());
            Ok(())
        })?;
    }
    Ok(())
}

/// An order as the changes that make it.
fn changes_of(mut order: Order) -> Vec<Change> {
    let (id, event) = (order.id, order.event);
    let payment = order.payment.take();
    let refunds = std::mem::take(&mut order.refunds);
    let tickets = std::mem::take(&mut order.tickets);
    let mut changes = vec![Change::OrderPlaced(Box::new(order))];
    if let Some(payment) = payment {
        let attempts = payment.attempts.clone();
        let payment = Payment { attempts: Vec::new(), ..payment };
        changes.push(Change::PaymentPut { order: id, payment });
        changes.extend(attempts.into_iter().map(|a| Change::AttemptPut { order: id, attempt: a }));
    }
    changes.extend(refunds.into_iter().map(|refund| Change::RefundPut { order: id, refund }));
    changes.extend(tickets.into_iter().map(|t| Change::TicketPut { order: id, event, ticket: t }));
    changes
}

pub(super) fn compare(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    all: u64,
    tell: &mut dyn FnMut(Stage),
) -> Result<(), Fault> {
    let wrong = sink.verify()?;
    if let Some(first) = wrong.first() {
        return Err(Fault::NotDone(format!("what arrived does not balance: {first}")));
    }
    if source.reader().events()? != sink.events()? {
        return Err(Fault::NotDone("an event did not arrive as it was".into()));
    }
    let (mut after, mut done) = (None, 0);
    loop {
        tell(Stage::Comparing(done, all));
        let page = source.reader().all_orders(after, PAGE)?;
        let arrived = sink.orders(after, PAGE)?;
        for (n, mut order) in page.orders.into_iter().enumerate() {
            order.buyer.name = sink.kept(&order.buyer.name);
            order.buyer.email = sink.kept(&order.buyer.email);
            if arrived.orders.get(n) != Some(&order) {
                let id = uuid::Uuid::from_u128(order.id.0);
                return Err(Fault::NotDone(format!("order {id} did not arrive as it was")));
            }
            done += 1;
        }
        if arrived.next != page.next {
            return Err(Fault::NotDone("more arrived than was sent".into()));
        }
        after = page.next;
        if after.is_none() {
            return compare_records(source, sink);
        }
    }
}
