//! What the writer and the pages ask of a database.
//!
//! A [`Store`] is the writer's own: it loads the slice of the state that a batch needs and commits
//! what was decided, all or nothing. A [`Reader`] answers the questions of pages and never waits
//! for the writer. Neither knows a rule of the box office; the invariants of the core stand in the
//! schema once more, so that a bug here or there ends in a refused commit.

mod codec;
#[cfg(test)]
mod contract;
mod database;
mod event_row;
pub mod history;
mod offer_row;
pub mod postgres;
mod questions;
pub mod records;
mod recount;
pub mod sqlite;
pub mod test_orders;
pub mod transfer;

pub use database::{Database, MetaStore, OpenError, Opened};

use boxoffice::door::{DoorKeys, DoorState};
use boxoffice::{
    Answer, BuyerKey, Change, Event, EventId, Keys, Order, OrderId, OrderState, Reply, State,
    Ticket, TimeMs,
};
use records::{RecordChange, Tables};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names a request for ever: a digest of who asks for what under which idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RequestKey(pub u128);

/// A request that was answered with yes, and that yes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The request's key.
    pub key: RequestKey,
    /// A digest of what was asked, so that another question under the same key is noticed.
    pub fingerprint: u64,
    /// What was answered.
    pub reply: Reply,
}

/// What was loaded for a batch.
pub struct Loaded {
    /// The slice of the state.
    pub state: State,
    /// Those of the asked-for requests that were answered before.
    pub recorded: BTreeMap<RequestKey, Recorded>,
    /// The one clock of the money path, read after everything else was loaded.
    pub now_ms: TimeMs,
}

/// What is committed together.
pub struct Batch<'a> {
    /// The changes, in the order in which they were decided.
    pub changes: &'a [Change],
    /// The orders that they change, as they are with all of them. A store may keep them, so that it
    /// need not read them again; one that is not among them is read.
    pub orders: &'a BTreeMap<OrderId, Arc<Order>>,
    /// The requests that are answered with them.
    pub recorded: &'a [Recorded],
    /// What changes with them in the cold tables.
    pub records: &'a [RecordChange],
    /// When this was decided.
    pub now_ms: TimeMs,
}

/// Trouble with a database. Not for buyers' eyes.
#[derive(Debug)]
pub enum Fault {
    /// Nothing of it was recorded.
    NotDone(String),
    /// Nothing of it was recorded: the database cannot be reached, or takes nothing now. That may pass.
    Away(String),
    /// Nothing of it was recorded, and nothing will be until a person has looked: for the reason that is told.
    Stopped(String),
    /// Nothing of it was recorded, for another process was faster or the connection was lost
    /// before it: loaded and decided anew, it may go well at once.
    Conflict(String),
    /// It may be recorded or not: only [`Store::recover`] can tell.
    Unknown(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::NotDone(why) | Fault::Away(why) | Fault::Stopped(why) => {
                write!(f, "not done: {why}")
            }
            Fault::Conflict(why) => write!(f, "overtaken: {why}"),
            Fault::Unknown(why) => write!(f, "outcome unknown: {why}"),
        }
    }
}

impl std::error::Error for Fault {}

/// The writer's side of a database.
pub trait Store: Send {
    /// Loads what some commands need. What is asked for and not returned does not exist. Where
    /// several processes write, nobody else changes it until [`Store::commit`] or
    /// [`Store::release`].
    fn load(&mut self, keys: &Keys, requests: &[RequestKey]) -> Result<Loaded, Fault>;

    /// Loads what commands of the door need besides. Between [`Store::load`], which was asked for their events, and
    /// [`Store::commit`]: nobody else changes it meanwhile.
    fn load_door(&mut self, keys: &DoorKeys) -> Result<DoorState, Fault>;

    /// Where other processes are often in the way: waits in line for what these commands need, so
    /// that what comes meanwhile still joins their batch. What it takes is let go of by the end of
    /// that batch. May do nothing.
    fn lock_early(&mut self, _keys: &Keys) {}

    /// Records a batch durably, all or nothing.
    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Fault>;

    /// Nothing of what was loaded changes: lets go of it.
    fn release(&mut self) {}

    /// Writes about as much as an order needs, durably, and removes it: whether something can be recorded, after
    /// something could not be. Lets go of what was loaded.
    fn prove(&mut self) -> Result<(), Fault> {
        self.release();
        Ok(())
    }

    /// This writer's number, and that of the last of its batches that is known to be recorded, as
    /// in [`VersionVector::mark`]; `None` where nobody else writes.
    fn last_version(&self) -> Option<(i64, i64)> {
        None
    }

    /// The number of the batch that is committed next, and that of its writer, 0 where there is only one:
    /// no other batch that is recorded in the database has the same two.
    fn next_batch(&self) -> (i64, i64);

    /// After a fault: opens the database anew, tells whether the last batch that was tried is
    /// recorded, and makes one durable commit of its own, so that everything that can be read from
    /// now on is also safe.
    fn recover(&mut self) -> Result<bool, Fault>;
}

/// Who looks after an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// HELD: it may run out, and nobody need be asked.
    Holds,
    /// Every other state: the payment provider is owed something.
    Payments,
}

/// A page of an event's orders.
pub struct OrderPage {
    /// Oldest first.
    pub orders: Vec<Order>,
    /// Of a [`Reader::listed`] page, when each of them was placed or changed for the last time; else nothing.
    pub changed_ms: Vec<TimeMs>,
    /// Where the next page begins, if there may be one.
    pub next: Option<OrderId>,
}

/// A ticket as the list of an event's tickets has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedTicket {
    /// The ticket.
    pub ticket: Ticket,
    /// The name of its guest, or else of its buyer.
    pub name: String,
    /// Its number within its order, from 1.
    pub number: u16,
    /// What was answered for it, and for its order.
    pub answers: Vec<Answer>,
}

impl NamedTicket {
    /// A ticket of an order whose tickets begin with serial `first` and which has these answers.
    pub fn of(ticket: Ticket, name: String, first: u32, mut answers: Vec<Answer>) -> NamedTicket {
        let number = (ticket.serial.saturating_sub(first) + 1).try_into().unwrap_or(u16::MAX);
        answers.retain(|answer| answer.ticket.is_none_or(|of| of == number));
        NamedTicket { ticket, name, number, answers }
    }
}

/// Which orders are asked for, and in which order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// Of these events; `None`: of all.
    pub events: Option<Vec<EventId>>,
    /// Only those with a higher id.
    pub after: Option<OrderId>,
    /// Only those with a lower id.
    pub before: Option<OrderId>,
    /// The highest ids first, or else the lowest.
    pub newest_first: bool,
    /// Only those in this state.
    pub state: Option<OrderState>,
    /// Only those that were placed or changed at this time or later.
    pub changed_since: Option<TimeMs>,
    /// Only those that were neither placed nor changed at this time or later.
    pub changed_before: Option<TimeMs>,
    /// So many at most.
    pub limit: usize,
    /// So many orders are looked at, at most: more time than that takes nobody has.
    pub look: usize,
    /// Only this one.
    pub only: Option<OrderId>,
}

impl Listing {
    /// All orders, the newest first.
    pub fn newest(limit: usize, look: usize) -> Listing {
        Listing {
            events: None,
            after: None,
            before: None,
            newest_first: true,
            state: None,
            changed_since: None,
            changed_before: None,
            limit,
            look,
            only: None,
        }
    }

    /// Only this order.
    pub fn only(self, id: OrderId) -> Listing {
        Listing { only: Some(id), ..self.between(id.0, id.0) }
    }

    /// Only those whose ids begin as these two do, and lie between them, as far as 64 bits tell: the rest of an id
    /// is no order.
    pub fn between(mut self, from: u128, to: u128) -> Listing {
        let (low, high) = (from >> 64 << 64, to | u128::from(u64::MAX));
        self.after = low.checked_sub(1).map(OrderId);
        self.before = high.checked_add(1).map(OrderId);
        self
    }

    /// Whether an order is asked for that changed at this time for the last time; 0: never.
    pub fn fits(&self, order: &Order, changed_ms: TimeMs) -> bool {
        self.only.is_none_or(|id| order.id == id)
            && self.events.as_ref().is_none_or(|events| events.contains(&order.event))
            && self.after.is_none_or(|after| order.id > after)
            && self.before.is_none_or(|before| order.id < before)
            && self.state.is_none_or(|state| order.state == state)
            && self.changed_since.is_none_or(|since| changed_ms.max(order.placed_ms) >= since)
            && self.changed_before.is_none_or(|before| changed_ms.max(order.placed_ms) < before)
    }
}

/// Whose an order is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The order.
    pub order: OrderId,
    /// Its event.
    pub event: EventId,
    /// The key of its buyer.
    pub buyer: BuyerKey,
}

/// A page of owners, in the order of the orders' ids.
pub struct OwnerPage {
    /// One for each order.
    pub owners: Vec<Owner>,
    /// Where the next page begins, if there may be one.
    pub next: Option<OrderId>,
}

/// Which commits there are, where several processes write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionVector {
    /// When this was seen, by the database's clock.
    pub at_ms: TimeMs,
    /// The number of each writer's last batch. Differs from any that was seen before, if anybody
    /// has committed a batch since.
    pub mark: Vec<(i64, i64)>,
    /// The number of its history: so often a person has accepted another one.
    pub history: u64,
    /// Whether the database went back since it was looked before.
    pub went_back: bool,
    /// Why nothing may be recorded there until a person has looked.
    pub stopped: Option<String>,
    /// Whether what is acknowledged is on a standby as well, where the database tells.
    pub on_standby: Option<bool>,
    /// Whether this was read on a standby, which may not have the last commits yet.
    pub is_standby: bool,
}

/// The pages' side of a database. Sees only what is committed.
pub trait Reader: Send {
    /// Tells whether somebody has committed something; `None` where nobody else can.
    fn versions(&mut self) -> Result<Option<VersionVector>, Fault> {
        Ok(None)
    }
    /// A time such that whatever was decided before it can be read from now on, by the clock that dates changes, if
    /// that is never set back. `None` where only the writer of this process decides: it knows better
    /// ([`crate::clock::UnderWay`]).
    fn settled_ms(&mut self) -> Result<Option<TimeMs>, Fault> {
        Ok(None)
    }
    /// When an order was placed or changed for the last time.
    fn changed_ms(&mut self, id: OrderId) -> Result<Option<TimeMs>, Fault> {
        let page = self.listed(&Listing::newest(1, 2).only(id), &|_| true)?;
        Ok(page.changed_ms.first().copied())
    }
    /// The cold tables, for reading.
    fn tables(&mut self) -> &mut dyn Tables;
    /// Reads everything and tells what does not fit together; nothing, if all is well.
    fn verify(&mut self) -> Result<Vec<String>, Fault>;
    /// All events.
    fn events(&mut self) -> Result<Vec<Event>, Fault>;
    /// One order with all that belongs to it.
    fn order(&mut self, id: OrderId) -> Result<Option<Order>, Fault>;
    /// An event's orders after `after`, at most `limit` of them. A page may hold fewer although
    /// more follow: the cursor tells.
    fn orders(
        &mut self,
        event: EventId,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<OrderPage, Fault>;
    /// All orders after `after`, whatever their event.
    fn all_orders(&mut self, after: Option<OrderId>, limit: usize) -> Result<OrderPage, Fault>;
    /// The orders of a listing that also fit `fits`, which sees an order without what lies in other tables. A page
    /// may hold fewer although more follow: the cursor tells.
    fn listed(
        &mut self,
        listing: &Listing,
        fits: &dyn Fn(&Order) -> bool,
    ) -> Result<OrderPage, Fault>;
    /// Whose the orders after `after` are, whatever their event. Buyers are not indexed: whoever looks for the
    /// orders of one reads all pages.
    fn owners(&mut self, after: Option<OrderId>, limit: usize) -> Result<OwnerPage, Fault>;
    /// The orders of a lane that somebody must look after at `now`, the longest due first.
    fn due(&mut self, now: TimeMs, lane: Lane, limit: usize) -> Result<Vec<OrderId>, Fault>;
    /// An event's tickets after serial `after`, with the names of their guests, or else of their buyers, and
    /// what was answered.
    fn tickets(
        &mut self,
        event: EventId,
        after: u32,
        limit: usize,
    ) -> Result<Vec<NamedTicket>, Fault>;
    /// What the organiser noted of orders of this event ([`Order::reference`]), as far as it begins so.
    fn references(&mut self, event: EventId, prefix: &str) -> Result<Vec<String>, Fault>;
    /// The order that has an event's ticket of this serial.
    fn order_of_ticket(&mut self, event: EventId, serial: u32) -> Result<Option<OrderId>, Fault>;
}
