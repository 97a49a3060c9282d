//! Events that were cancelled, and how far it is that everybody has the money back. A row is written in the
//! commit that cancels the event; a worker then goes through the orders page by page (module `organiser`).

use super::{Field, RecordChange, record};
use crate::actor::Actor;
use boxoffice::{EventId, OrderId};

record! {
    /// A cancelled event.
    pub struct Cancellation: "cancellations", key 1 {
        /// Which event.
        pub event: EventId,
        /// When it was cancelled, in milliseconds since 1970, by the clock of the database.
        pub at_ms: i64,
        /// Who cancelled it.
        pub actor: Actor,
        /// How many places were held or sold then.
        pub places: i64,
        /// How often all orders that are not settled were gone through.
        pub pass: i64,
        /// This pass has gone through the orders up to this one; 0: none yet.
        pub done: OrderId,
        /// All orders up to this one are at rest, and counted below.
        pub settled: OrderId,
        /// Orders that it ended before anything was paid.
        pub released: i64,
        /// Orders that were refunded since.
        pub refunded: i64,
        /// What went back for them since, in minor units of the event's currency.
        pub amount_minor: i64,
        /// Orders whose refund failed.
        pub failed: i64,
        /// When the last order was at rest.
        pub finished_ms: Option<i64>,
    }
}

/// Goes on behind an order, unless another process has gone on from there.
const GO_ON: &str = "UPDATE cancellations SET pass = $1, done = $2, settled = $3, released = $4,
    refunded = $5, amount_minor = $6, failed = $7, finished_ms = $8
    WHERE event = $9 AND pass = $10 AND done = $11";

impl Cancellation {
    /// The event was just cancelled by somebody.
    pub fn begun(event: EventId, at_ms: i64, actor: Actor, places: i64) -> Cancellation {
        Cancellation {
            event,
            at_ms,
            actor,
            places,
            pass: 0,
            done: OrderId(0),
            settled: OrderId(0),
            released: 0,
            refunded: 0,
            amount_minor: 0,
            failed: 0,
            finished_ms: None,
        }
    }

    /// It is so far from now on; `self` is how far it was.
    pub fn go_on(&self, next: &Cancellation) -> RecordChange {
        let values = vec![
            next.pass.value(),
            next.done.value(),
            next.settled.value(),
            next.released.value(),
            next.refunded.value(),
            next.amount_minor.value(),
            next.failed.value(),
            next.finished_ms.value(),
            self.event.value(),
            self.pass.value(),
            self.done.value(),
        ];
        RecordChange::Run(GO_ON, values)
    }
}
