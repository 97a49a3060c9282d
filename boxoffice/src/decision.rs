//! Decision: what a command leads to.

use crate::{Change, Effect, EventId, OrderId, OrderState, RefundId, TimeMs};
use alloc::{string::String, vec::Vec};

/// What was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// To be recorded, all or nothing, before anybody hears of it. None: nothing changed.
    pub changes: Vec<Change>,
    /// To be done once the changes are recorded.
    pub effects: Vec<Effect>,
    /// What a person must look at; also in the order's [`Order::trouble`](crate::Order::trouble).
    pub alarms: Vec<Alarm>,
    /// What to answer once the changes are recorded.
    pub reply: Reply,
}

/// What a yes says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The event is so from now on.
    Event {
        /// Its id.
        id: EventId,
        /// Whether it is new.
        created: bool,
    },
    /// There is no such event any more.
    EventDeleted {
        /// The id that it had.
        id: EventId,
    },
    /// The places are kept.
    Held {
        /// By this order.
        order: OrderId,
        /// Until then.
        until_ms: TimeMs,
    },
    /// The buyer's latest order.
    Found {
        /// Which.
        order: OrderId,
    },
    /// An attempt to pay is owed.
    Paying {
        /// Of this order.
        order: OrderId,
        /// Its number.
        attempt: u16,
    },
    /// The buyers of some orders are erased.
    Erased {
        /// Of this event.
        event: EventId,
        /// Of so many orders, now.
        erased: u32,
        /// So many orders still need their buyer and are as they were.
        left: u32,
    },
    /// Where the order stands now.
    Order {
        /// Which.
        order: OrderId,
        /// Its state.
        state: OrderState,
    },
    /// A refund is owed, or done if nothing had been paid.
    Refunding {
        /// Of this order.
        order: OrderId,
        /// Its id.
        refund: RefundId,
        /// How much, in minor units of the order's currency.
        amount_minor: i64,
    },
}

/// Something that should not have happened, though nothing was lost by it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// Where.
    pub order: OrderId,
    /// What.
    pub text: String,
}
