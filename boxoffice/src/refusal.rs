//! Refusal: the reasons for which a command is refused.

use crate::order::answer::FlawedAnswer;
use crate::{AddressFixed, Currency, Money, OrderId, OrderState, TimeMs};
use alloc::{string::String, vec::Vec};

/// A legitimate no. Nothing was changed, and no money moved by it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The command cannot be understood; the text says what is wrong with it.
    Invalid(String),
    /// There is no such event.
    UnknownEvent,
    /// The event has no such ticket type on offer.
    UnknownTicketType(String),
    /// There is no such order.
    UnknownOrder,
    /// The sale opens at this time.
    NotYetOnSale(TimeMs),
    /// The sale is over since this time.
    SaleClosed(TimeMs),
    /// The event ended then, and its sale with it.
    EventOver(TimeMs),
    /// The organiser has paused the sale.
    SalePaused,
    /// The event was cancelled: it does not take place.
    EventCanceled,
    /// This ticket type goes on sale at this time.
    TypeNotYetOnSale {
        /// Its id.
        ticket_type: String,
        /// When.
        opens_ms: TimeMs,
    },
    /// This ticket type is not sold any more since this time.
    TypeSaleClosed {
        /// Its id.
        ticket_type: String,
        /// Since when.
        closed_ms: TimeMs,
    },
    /// The event has no such code.
    UnknownCode,
    /// The code is valid from this time on.
    CodeNotYetValid(TimeMs),
    /// The code has not been valid since this time.
    CodeOver(TimeMs),
    /// The code does not reach for as many tickets.
    CodeUsedUp {
        /// For how many it does.
        left: u32,
        /// How many tickets with the code are held and not paid: these may come back.
        held: u32,
    },
    /// It costs more than the buyer was shown.
    PriceChanged {
        /// The id of the ticket type.
        ticket_type: String,
        /// The price of one that the buyer was shown, in minor units.
        shown_minor: i64,
        /// So many tickets at so much each, of those that the buyer asked for.
        prices: Vec<(u32, i64)>,
        /// The currency.
        currency: Currency,
    },
    /// A sale of the organiser's costs another sum than was shown.
    TotalChanged {
        /// The total that was shown, in minor units.
        shown_minor: i64,
        /// The total now, in minor units.
        total_minor: i64,
        /// The currency.
        currency: Currency,
    },
    /// Not enough places are left for this ticket type.
    SoldOut {
        /// Its id.
        ticket_type: String,
        /// How many are left.
        left: u32,
        /// How many of the pool are held and not paid: these may come back.
        held: u32,
    },
    /// More than this many tickets in one order.
    LimitPerOrder(u32),
    /// More than one buyer may have.
    LimitPerBuyer {
        /// The limit.
        limit: u32,
        /// What the buyer has.
        has: u32,
        /// The buyer's latest order.
        order: OrderId,
    },
    /// The hold has run out before anybody began to pay; the places are offered again.
    HoldExpired,
    /// The time to pay is over; the payment that was begun is being cancelled.
    PaymentExpired,
    /// An attempt to pay is not decided yet.
    PaymentUnderWay,
    /// It is paid already, or approved and the money is being taken; nothing was charged now.
    AlreadyPaid,
    /// It is given up, or was refunded. What that means for the money depends on the state.
    Canceled(OrderState),
    /// As many attempts to pay as one order may have were made.
    TooManyAttempts {
        /// How many that is.
        most: u32,
        /// Until then the places are kept, unless the buyer gives them back.
        until_ms: TimeMs,
    },
    /// A question must be answered before it is paid, and is not. Nothing was charged.
    AnswersMissing {
        /// The question's id.
        question: String,
        /// What is asked.
        text: String,
        /// For which of the order's tickets, from 1; `None`: for the order.
        ticket: Option<u16>,
    },
    /// An answer cannot be taken; none was.
    AnswerInvalid(FlawedAnswer),
    /// The answers of orders that are paid have been fixed since this time.
    AnswersFixed(TimeMs),
    /// Its time is not over.
    NotDue,
    /// Only an order that is paid can be refunded.
    NotPaid(OrderState),
    /// The order's e-mail address cannot be changed.
    AddressFixed(AddressFixed),
    /// A refund of this order is under way.
    RefundUnderWay,
    /// All of it is refunded already.
    NothingToRefund,
    /// More than is left of this ticket type in the order.
    RefundTooLarge {
        /// Its id.
        ticket_type: String,
        /// How many can still be refunded.
        left: u32,
    },
    /// More than can be given back of the order's payment.
    AmountTooLarge {
        /// How much can: what is kept, or what is owed because an earlier refund failed.
        most: Money,
    },
    /// The order has no tickets: it is not paid.
    NoTickets(OrderState),
    /// The order has no ticket of this number.
    UnknownTicket(u16),
    /// The ticket was refunded: it lets nobody in.
    TicketRevoked,
    /// The names on tickets have been fixed since this time.
    NamesFixed(TimeMs),
    /// The ticket was passed on as often as may be.
    TooManyNames(u16),
    /// The buyer of the order was erased, and the names with it: no new ones are taken.
    BuyerErased,
    /// The event is not as it was when it was seen: somebody else has changed it.
    EventDiffers,
    /// There is an event of this slug already.
    EventExists,
    /// There are orders of the event, so it cannot be deleted.
    EventOrdered,
    /// A pool cannot be smaller than what is held and sold of it.
    CapacityBelowTaken {
        /// Its name.
        pool: String,
        /// Held and sold together.
        taken: u32,
    },
    /// The currency cannot change while orders are alive.
    CurrencyFixed,
    /// A limit per buyer comes too late: the event has more places taken than can be counted now.
    LimitTooLate {
        /// Held and sold together.
        taken: u32,
        /// The most that can be counted.
        most: u32,
    },
    /// Whether tags in e-mail addresses count cannot change while orders are alive.
    TagsFixed,
    /// A ticket type cannot move to another pool.
    PoolFixed(String),
    /// Some of this ticket type may be sold already without being counted, so it cannot get a capacity of
    /// its own any more.
    TypeSoldUncounted(String),
    /// The event has had too many pools, ticket types, price phases or codes in its life.
    TooManyParts,
}
