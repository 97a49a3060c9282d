//! What may be asked of the box office, and what must be known to decide it.

use crate::{
    AnswerWish, Buyer, BuyerKey, Erasure, EventId, EventPart, EventSpec, Intent, Metadata, OrderId,
    PaymentId, RefundId, RefundOutcome, Sale, SeenVersion, Tender, TimeMs,
};
use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};

/// Something that is asked for. Commands come from buyers, from organisers, from the timer and
/// from the provider's answers; all go the same way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Make an event, or change the one that has this slug. `id` is used if it is new.
    PutEvent {
        /// The id of a new event.
        id: EventId,
        /// What it shall be.
        spec: EventSpec,
    },
    /// The same, but only if the event is still as somebody has seen it.
    PutEventIf {
        /// The id of a new event.
        id: EventId,
        /// What it shall be.
        spec: EventSpec,
        /// What it was when it was seen; `None`: there was none of this slug.
        seen: Option<Box<EventSpec>>,
    },
    /// The same as [`Command::PutEvent`], but some parts are not said: an event that is there already keeps
    /// those that it has, as they are when this is decided.
    PutEventParts {
        /// The id of a new event.
        id: EventId,
        /// What it shall be. Of the parts that are kept, what a new event gets.
        spec: EventSpec,
        /// What stays as it is.
        kept: Vec<EventPart>,
        /// Only this event may have the slug, if it is said.
        only: Option<EventId>,
    },
    /// Pause or resume the sale of an event, or cancel the event.
    SetSale {
        /// Which.
        event: EventId,
        /// From now on.
        to: Sale,
        /// What its organiser said of it when somebody saw it: only if it is still so. `None`: in any case.
        seen: Option<Box<EventSpec>>,
    },
    /// Delete the event that has this slug, if nobody ever ordered.
    DeleteEvent {
        /// Which.
        slug: String,
        /// As of [`Command::SetSale`].
        seen: Option<Box<EventSpec>>,
    },
    /// T0: hold places.
    Hold {
        /// The id of the new order.
        order: OrderId,
        /// What for.
        event: EventId,
        /// Who.
        buyer: Buyer,
        /// The buyer's key without the tag of the e-mail address, if it has one: what counts where
        /// the event ignores tags.
        untagged: Option<BuyerKey>,
        /// What.
        lines: Vec<LineWish>,
        /// With which code, and at which prices.
        terms: Terms,
        /// What a program keeps with the order.
        metadata: Metadata,
        /// The hold lasts at most this long; none: as long as the event's holds last.
        most_ms: Option<i64>,
    },
    /// The organiser gives tickets away, or sells them without the payment provider: an order that is paid at
    /// once.
    Sell {
        /// The id of the new order.
        order: OrderId,
        /// What for.
        event: EventId,
        /// For whom.
        buyer: Buyer,
        /// See [`Command::Hold`].
        untagged: Option<BuyerKey>,
        /// What.
        lines: Vec<LineWish>,
        /// How it was paid; not [`Tender::Online`].
        tender: Tender,
        /// What the organiser notes of it, up to 100 characters; may be empty.
        reference: String,
        /// See [`Command::Hold`].
        metadata: Metadata,
        /// What it costs as the organiser was shown, in minor units: another total is refused. `None`: no total
        /// was shown.
        shown_minor: Option<i64>,
    },
    /// Ask for a buyer's latest order of an event with a limit per buyer. Changes nothing.
    FindOrder {
        /// Of which event.
        event: EventId,
        /// Whose.
        buyer: BuyerKey,
    },
    /// Let a hold start over: the old routes' renewal.
    Renew {
        /// Which.
        order: OrderId,
        /// From now on it lasts at most this long; none: as long as the event's holds last.
        most_ms: Option<i64>,
    },
    /// T1, or the next attempt after a decline.
    Pay {
        /// Which order.
        order: OrderId,
        /// The id of the payment if this is the first attempt.
        payment: PaymentId,
        /// Whether the provider moves real money.
        live: bool,
        /// What stands for the card.
        token: String,
    },
    /// Answer what the event asks. An answer that is not among these is taken back.
    Answer {
        /// With which order.
        order: OrderId,
        /// The answers.
        answers: Vec<AnswerWish>,
        /// Whether the organiser's staff writes them: at any time, and not all that buyers must answer.
        staff: bool,
    },
    /// Keep this metadata with an order, and none of what was kept before.
    PutMetadata {
        /// Which order.
        order: OrderId,
        /// All of it.
        metadata: Metadata,
    },
    /// T2: the provider created the PaymentIntent.
    IntentCreated {
        /// For which order.
        order: OrderId,
        /// The provider's id of it.
        intent: String,
    },
    /// The provider said no to an attempt, and there is no doubt about it.
    AttemptDeclined {
        /// Of which order.
        order: OrderId,
        /// Which attempt.
        attempt: u16,
        /// Why, for the buyer.
        reason: String,
    },
    /// The PaymentIntent was read: T3, T4, C2 and everything else that may follow from it.
    Reconcile {
        /// Whose.
        order: OrderId,
        /// What was read.
        intent: Intent,
        /// What was known of the order before it was asked for.
        known: SeenVersion,
    },
    /// The buyer no longer wants it: C1 if somebody has begun to pay.
    Cancel {
        /// Which.
        order: OrderId,
    },
    /// What became of an attempt can neither be asked for nor read, and waiting does not help: as if it were
    /// cancelled, but only while that attempt is open, or the order's time is over. Who asks may know less
    /// than is recorded by now.
    GiveUp {
        /// Which.
        order: OrderId,
        /// The number of the attempt.
        attempt: u16,
    },
    /// The timer: release it if its time is over.
    Expire {
        /// Which.
        order: OrderId,
    },
    /// An order that came to nothing long ago is removed.
    Forget {
        /// Which.
        order: OrderId,
        /// Only if it was placed before this.
        placed_before_ms: TimeMs,
    },
    /// The names and addresses of buyers are erased from some orders of one event. An order that still
    /// needs its buyer is left.
    Erase {
        /// Of which event.
        event: EventId,
        /// Which: [`MOST_ERASED`](crate::MOST_ERASED) at most.
        orders: Vec<OrderId>,
        /// Why.
        because: Erasure,
    },
    /// Somebody comes with a ticket: the name of the guest. Another name than before is another revision of
    /// the ticket, and its earlier codes let nobody in.
    NameTicket {
        /// Of which order.
        order: OrderId,
        /// Which of its tickets, from 1, by their serials.
        number: u16,
        /// The name, 1 to 200 characters.
        name: String,
    },
    /// An order that has tickets gets another e-mail address.
    ChangeAddress {
        /// Which.
        order: OrderId,
        /// Of which event.
        event: EventId,
        /// The new address.
        email: String,
        /// Its key.
        key: BuyerKey,
        /// See [`Command::Hold`].
        untagged: Option<BuyerKey>,
    },
    /// The name of the buyer of an order that has tickets was mistyped.
    CorrectName {
        /// Of which order.
        order: OrderId,
        /// Of which event.
        event: EventId,
        /// The name, 1 to 200 characters.
        name: String,
        /// What tells the buyer apart where there is no e-mail address: the key of this name.
        key: BuyerKey,
    },
    /// What is owed could not be done: try again later.
    Defer {
        /// Whose.
        order: OrderId,
        /// Why not.
        trouble: String,
        /// Not before this many milliseconds, if the provider said so.
        wait_ms: Option<i64>,
    },
    /// R1: give money back and revoke the tickets.
    Refund {
        /// Of which order.
        order: OrderId,
        /// The id of the new refund.
        refund: RefundId,
        /// How much of it.
        wish: RefundWish,
        /// Whether the places go back on sale.
        restock: bool,
    },
    /// R2: the provider's word on a refund.
    RefundAnswered {
        /// Of which order.
        order: OrderId,
        /// Which refund.
        refund: RefundId,
        /// What it said.
        outcome: RefundOutcome,
    },
}

/// The most lines in one order.
pub const MOST_LINES: usize = 20;

/// How many of which ticket type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineWish {
    /// The id of the ticket type within its event.
    pub ticket_type: String,
    /// How many; every number is understood, and the impossible ones are refused.
    pub quantity: i64,
}

/// What a hold request says of prices.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    /// The code that the buyer has, as it was typed.
    pub code: Option<String>,
    /// The highest price of one ticket that the buyer was shown, in minor units, by the ids of ticket
    /// types. A hold that would cost more is refused. Of a type that is not here any price is taken.
    pub shown: BTreeMap<String, i64>,
}

/// How much of an order to refund.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefundWish {
    /// All that is not refunded yet.
    All,
    /// So many of these ticket types.
    Lines(Vec<LineWish>),
    /// What an earlier refund was to give back and did not ([`crate::Order::owed_back`]).
    Failed,
    /// So much of what is kept of the payment, in minor units. The tickets stay valid, unless that is all: then
    /// it is [`RefundWish::All`]. As long as an earlier refund is owed, it is a part of that, or all of it.
    Amount(i64),
}

/// What must be loaded before some commands can be decided.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Keys {
    /// These events, whole.
    pub events: Vec<EventId>,
    /// The events with these slugs.
    pub slugs: Vec<String>,
    /// The events with these slugs, and whether there are orders of them.
    pub ordered: Vec<String>,
    /// These orders, each with its event and, if its places are counted, its buyer's record.
    pub orders: Vec<OrderId>,
    /// These buyers' records, if the event limits buyers.
    pub buyers: Vec<(EventId, BuyerKey)>,
}

impl Command {
    /// Adds what must be loaded to decide this.
    pub fn add_keys(&self, keys: &mut Keys) {
        match self {
            Command::PutEvent { spec, .. }
            | Command::PutEventIf { spec, .. }
            | Command::PutEventParts { spec, .. } => {
                keys.slugs.push(spec.slug.clone());
            }
            Command::SetSale { event, .. } => keys.events.push(*event),
            Command::DeleteEvent { slug, .. } => {
                keys.slugs.push(slug.clone());
                keys.ordered.push(slug.clone());
            }
            Command::Hold { order, event, buyer, untagged, .. }
            | Command::Sell { order, event, buyer, untagged, .. } => {
                // It is there already if this command was recorded before.
                keys.orders.push(*order);
                keys.events.push(*event);
                keys.buyers.push((*event, buyer.key));
                keys.buyers.extend(untagged.map(|key| (*event, key)));
            }
            Command::FindOrder { event, buyer } => {
                keys.events.push(*event);
                keys.buyers.push((*event, *buyer));
            }
            Command::Erase { event, orders, .. } => {
                keys.events.push(*event);
                keys.orders.extend(orders);
                keys.buyers.extend(orders.iter().map(|id| (*event, BuyerKey::of_erased(*id))));
            }
            Command::ChangeAddress { order, event, key, untagged, .. } => {
                keys.events.push(*event);
                keys.orders.push(*order);
                keys.buyers.push((*event, *key));
                keys.buyers.extend(untagged.map(|key| (*event, key)));
            }
            Command::CorrectName { order, event, key, .. } => {
                keys.events.push(*event);
                keys.orders.push(*order);
                keys.buyers.push((*event, *key));
            }
            Command::Renew { order, .. }
            | Command::Answer { order, .. }
            | Command::PutMetadata { order, .. }
            | Command::Pay { order, .. }
            | Command::IntentCreated { order, .. }
            | Command::AttemptDeclined { order, .. }
            | Command::Reconcile { order, .. }
            | Command::Cancel { order }
            | Command::GiveUp { order, .. }
            | Command::Expire { order }
            | Command::Forget { order, .. }
            | Command::NameTicket { order, .. }
            | Command::Defer { order, .. }
            | Command::Refund { order, .. }
            | Command::RefundAnswered { order, .. } => keys.orders.push(*order),
        }
    }
}
