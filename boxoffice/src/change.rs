//! What a decision records, and what it owes to the outside.

use crate::{
    Answer, Attempt, Buyer, BuyerKey, BuyerRecord, Event, EventId, Line, Metadata, Order, OrderId,
    Payment, Refund, Standing, Ticket,
};
use alloc::{boxed::Box, vec::Vec};

/// A fact that is recorded. All changes of a decision are recorded together or not at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// An event as it now is, but for the counters of pools that existed before.
    EventPut(Box<Event>),
    /// An event without orders is removed, as if it had never been.
    EventDeleted {
        /// Which.
        event: EventId,
    },
    /// Places moved: the difference to a pool's counters.
    Stock {
        /// Whose.
        event: EventId,
        /// The index of a pool or a counter of its event: see [`Event::stock`].
        pool: u16,
        /// Added to its held places.
        held: i64,
        /// Added to its sold places.
        sold: i64,
    },
    /// A new order.
    OrderPlaced(Box<Order>),
    /// Where an order stands now.
    OrderMoved {
        /// Which.
        order: OrderId,
        /// From now on.
        to: Standing,
    },
    /// The lines of an order as they now are: refunds change them.
    LinesPut {
        /// Whose.
        order: OrderId,
        /// All of them.
        lines: Vec<Line>,
    },
    /// An order's payment as it now is, but for its attempts.
    PaymentPut {
        /// Whose.
        order: OrderId,
        /// The payment; its attempts are not looked at.
        payment: Payment,
    },
    /// One attempt as it now is.
    AttemptPut {
        /// Whose.
        order: OrderId,
        /// The attempt, new or changed.
        attempt: Attempt,
    },
    /// One refund as it now is.
    RefundPut {
        /// Whose.
        order: OrderId,
        /// The refund, new or changed.
        refund: Refund,
    },
    /// One ticket as it now is.
    TicketPut {
        /// Whose.
        order: OrderId,
        /// The event that counts its serial.
        event: EventId,
        /// The ticket, new or changed.
        ticket: Ticket,
    },
    /// The buyer of an order has another e-mail address, and with it another key, from now on.
    EmailPut {
        /// Of which order.
        order: OrderId,
        /// Of which event.
        event: EventId,
        /// Whose it is now: the same but for the address and the key.
        buyer: Buyer,
    },
    /// The buyer of an order has another name, and where there is no e-mail address another key, from now on.
    NamePut {
        /// Of which order.
        order: OrderId,
        /// Of which event.
        event: EventId,
        /// Whose it is now: the same but for the name and the key.
        buyer: Buyer,
    },
    /// The answers of an order as they now are.
    AnswersPut {
        /// Of which order.
        order: OrderId,
        /// Of which event.
        event: EventId,
        /// All of them.
        answers: Vec<Answer>,
    },
    /// The metadata of an order as it now is.
    MetadataPut {
        /// Of which order.
        order: OrderId,
        /// Of which event.
        event: EventId,
        /// All of it.
        metadata: Metadata,
    },
    /// The buyer of an order is [`Buyer::erased`](crate::Buyer::erased) from now on, no ticket of it names
    /// a guest, and it has neither answers nor metadata.
    BuyerErased {
        /// Of which order.
        order: OrderId,
        /// Of which event.
        event: EventId,
    },
    /// An order is removed, with its payment, as if it had never been.
    OrderForgotten {
        /// Which.
        order: OrderId,
        /// Of which event.
        event: EventId,
    },
    /// What a buyer has of an event that limits buyers.
    BuyerPut {
        /// Of which event.
        event: EventId,
        /// Which buyer.
        buyer: BuyerKey,
        /// What.
        record: BuyerRecord,
    },
}

impl Change {
    /// The order that it is about; `None`: it is about an event.
    pub fn order(&self) -> Option<OrderId> {
        match self {
            Change::EventPut(_)
            | Change::EventDeleted { .. }
            | Change::Stock { .. }
            | Change::BuyerPut { .. } => None,
            Change::OrderPlaced(order) => Some(order.id),
            Change::OrderMoved { order, .. }
            | Change::LinesPut { order, .. }
            | Change::PaymentPut { order, .. }
            | Change::AttemptPut { order, .. }
            | Change::RefundPut { order, .. }
            | Change::TicketPut { order, .. }
            | Change::EmailPut { order, .. }
            | Change::NamePut { order, .. }
            | Change::AnswersPut { order, .. }
            | Change::MetadataPut { order, .. }
            | Change::BuyerErased { order, .. }
            | Change::OrderForgotten { order, .. } => Some(*order),
        }
    }

    /// The event that it is about; `None`: it is about an order.
    pub fn event(&self) -> Option<EventId> {
        match self {
            Change::EventPut(event) => Some(event.id),
            Change::EventDeleted { event }
            | Change::Stock { event, .. }
            | Change::BuyerPut { event, .. } => Some(*event),
            Change::OrderPlaced(_)
            | Change::OrderMoved { .. }
            | Change::LinesPut { .. }
            | Change::PaymentPut { .. }
            | Change::AttemptPut { .. }
            | Change::RefundPut { .. }
            | Change::TicketPut { .. }
            | Change::EmailPut { .. }
            | Change::NamePut { .. }
            | Change::AnswersPut { .. }
            | Change::MetadataPut { .. }
            | Change::BuyerErased { .. }
            | Change::OrderForgotten { .. } => None,
        }
    }
}

/// What is owed to the outside once the changes are recorded. It need not be kept: an order's own
/// row says the same ([`Order::due_ms`]); an effect only saves the waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// This order owes its provider something now.
    Settle(OrderId),
}
