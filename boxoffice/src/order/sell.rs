//! Tickets that the organiser gives away, or sells without the payment provider: at the box office, for cash or
//! by a card terminal.
//!
//! Such an order is paid at once. No provider is ever asked about it: it has no payment, owes nothing, and its
//! refunds are recorded as made when they are asked for. The times of the sale and the limits of an order and
//! of a buyer are for buyers, and do not bind the organiser; the places of a pool do.

use crate::draft::{Draft, by_pool, line};
use crate::money::MAX_MINOR;
use crate::mutant::{Mutant, on};
use crate::order::hold::check_counters;
use crate::text::{check_email, check_name, check_text};
use crate::{
    Buyer, BuyerKey, BuyerRecord, Change, CounterKind, Decision, Event, EventId, Extra, Line,
    LineWish, MOST_LINES, Metadata, Order, OrderId, OrderState, Refusal, Reply, State, TimeMs,
};
use alloc::{boxed::Box, format, string::String, vec::Vec};

/// The most tickets in one order that the organiser makes.
pub const MOST_SOLD_AT_ONCE: u32 = 1_000;

/// How an order is paid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Tender {
    /// By the buyer, through the payment provider; nothing if it costs nothing.
    Online,
    /// Not at all: the organiser gave it away.
    Free,
    /// In cash, to the organiser.
    Cash,
    /// By a card terminal of the organiser's.
    Terminal,
}

impl Tender {
    /// All of them, in the order in which they are stored as numbers.
    pub const ALL: [Tender; 4] = [Tender::Online, Tender::Free, Tender::Cash, Tender::Terminal];

    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Tender::Online => "online",
            Tender::Free => "free",
            Tender::Cash => "cash",
            Tender::Terminal => "terminal",
        }
    }

    /// Whether the payment provider has nothing to do with it.
    pub fn is_offline(self) -> bool {
        self != Tender::Online
    }
}

/// What the organiser sells or gives away.
pub(crate) struct Sale<'a> {
    pub(crate) id: OrderId,
    pub(crate) event: EventId,
    pub(crate) buyer: &'a Buyer,
    pub(crate) untagged: Option<BuyerKey>,
    pub(crate) wishes: &'a [LineWish],
    pub(crate) tender: Tender,
    pub(crate) reference: &'a str,
    pub(crate) metadata: &'a Metadata,
    pub(crate) shown_minor: Option<i64>,
}

/// The organiser's order is placed and paid in one step.
pub(crate) fn sell(state: &State, sale: Sale<'_>, now: TimeMs) -> Result<Decision, Refusal> {
    if let Some(known) = state.orders.get(&sale.id) {
        // The same command once more, after a commit whose outcome was unknown.
        return Draft::default().reply_order(known);
    }
    if sale.tender == Tender::Online {
        return Err(Refusal::Invalid("tender is one of free, cash and terminal".into()));
    }
    check_name(&sale.buyer.name).map_err(Refusal::Invalid)?;
    check_email(&sale.buyer.email).map_err(Refusal::Invalid)?;
    check_text("the reference", sale.reference, 0, 100).map_err(Refusal::Invalid)?;
    let event = state.events.get(&sale.event).ok_or(Refusal::UnknownEvent)?;
    if event.is_over(now) {
        return Err(Refusal::EventOver(event.spec.ends()));
    }
    if event.is_canceled() {
        return Err(Refusal::EventCanceled);
    }
    let lines = lines(event, sale.wishes, sale.tender, now)?;
    for (pool, wanted) in by_pool(lines.iter().map(|l| (l.pool, l.quantity))) {
        let pool_now = &event.pools[usize::from(pool)];
        let (left, held) = (pool_now.left() + u32::from(on(Mutant::OffByOne)), pool_now.held);
        if left < wanted {
            let first = lines.iter().find(|l| l.pool == pool).expect("a line of the pool");
            let ticket_type = event.ticket_types[usize::from(first.ticket_type)].id.clone();
            return Err(Refusal::SoldOut { ticket_type, left, held });
        }
    }

    check_counters(event, &lines, None)?;
    let total_minor = lines.iter().map(Line::price_minor).sum();
    if let Some(shown_minor) = sale.shown_minor.filter(|shown_minor| *shown_minor != total_minor) {
        // Whoever stands at the till was asked for the other sum.
        let currency = event.spec.currency;
        return Err(Refusal::TotalChanged { shown_minor, total_minor, currency });
    }

    // The point of no return.
    let mut buyer = sale.buyer.clone();
    if let Some(key) = sale.untagged.filter(|_| event.spec.ignore_email_tags) {
        buyer.key = key;
    }
    let order = Order {
        id: sale.id,
        event: event.id,
        buyer,
        lines,
        currency: event.spec.currency,
        tender: sale.tender,
        reference: sale.reference.into(),
        answers: Vec::new(),
        metadata: sale.metadata.clone(),
        state: OrderState::Held,
        placed_ms: now,
        until_ms: now,
        due_ms: None,
        tries: 0,
        trouble: None,
        payment: None,
        refunds: Vec::new(),
        tickets: Vec::new(),
    };
    let mut draft = Draft::default();
    draft.stock(&order, 0, 1);
    if event.spec.limit_per_buyer.is_some() {
        let buyer = order.buyer.key;
        let has = state.buyers.get(&(event.id, buyer)).map_or(0, |record| record.places);
        let record = BuyerRecord { places: has + order.places(), order: order.id };
        draft.changes.push(Change::BuyerPut { event: event.id, buyer, record });
    }
    draft.changes.push(Change::OrderPlaced(Box::new(order.clone())));
    draft.issue(state, &order);
    draft.reply(Reply::Order { order: order.id, state: OrderState::Paid })
}

/// Makes lines of wishes: at the prices of now, or at no price if they are given away. A gift takes nothing of a
/// price phase.
fn lines(
    event: &Event,
    wishes: &[LineWish],
    tender: Tender,
    now: TimeMs,
) -> Result<Vec<Line>, Refusal> {
    if wishes.is_empty() {
        return Err(Refusal::Invalid("an order needs at least one ticket".into()));
    }
    if wishes.len() > MOST_LINES {
        return Err(Refusal::Invalid(format!("an order has at most {MOST_LINES} lines")));
    }
    let too_many = || Refusal::LimitPerOrder(MOST_SOLD_AT_ONCE);
    let mut lines: Vec<Line> = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let offer = event
            .offer_by_organiser(&wish.ticket_type, now)
            .ok_or_else(|| Refusal::UnknownTicketType(wish.ticket_type.clone()))?;
        let index = offer.index;
        if wish.quantity < 1 {
            return Err(Refusal::Invalid("a quantity is at least 1".into()));
        }
        let quantity = u32::try_from(wish.quantity).ok().filter(|q| *q <= MOST_SOLD_AT_ONCE);
        let quantity = quantity.ok_or_else(too_many)?;
        if lines.iter().any(|l| l.ticket_type == index) {
            return Err(Refusal::Invalid(format!("{} is ordered twice", wish.ticket_type)));
        }
        let (pool, vat) = (offer.ticket_type.pool, offer.spec.rules.vat);
        let type_counter = event.counter(CounterKind::Type, &wish.ticket_type);
        let of_type = Extra { type_counter, vat, ..Extra::default() };
        if tender == Tender::Free && !on(Mutant::GiftCosts) {
            lines.push(Line { extra: of_type, ..line(index, pool, quantity, 0) });
            continue;
        }
        for (quantity, price) in offer.split(quantity) {
            let extra = Extra { phase: price.counter, ..of_type };
            lines.push(Line { extra, ..line(index, pool, quantity, price.unit_minor) });
        }
    }
    if lines.iter().map(|l| l.quantity).sum::<u32>() > MOST_SOLD_AT_ONCE {
        return Err(too_many());
    }
    if lines.iter().map(Line::price_minor).sum::<i64>() > MAX_MINOR {
        return Err(Refusal::Invalid("the order costs more than can be paid at once".into()));
    }
    Ok(lines)
}

/// What is recorded of a refund that no provider makes: in which way it was handed back.
pub(crate) fn handed_back(tender: Tender) -> String {
    String::from(tender.word())
}
