//! T0, and the ways out of a hold that is not paid.

use crate::draft::{Draft, by_pool, line};
use crate::event::sale::check_takes_place;
use crate::money::MAX_MINOR;
use crate::mutant::{Mutant, on};
use crate::text::{check_email, check_name};
use crate::{
    AttemptState, Buyer, BuyerKey, BuyerRecord, Change, CodeSpec, CounterKind, Event, EventId,
    Extra, Line, LineWish, MOST_LINES, Metadata, Order, OrderId, OrderState, Price, Standing,
    State, Tender, Terms, TimeMs,
};
use crate::{Decision, Refusal, Reply};
use alloc::{boxed::Box, collections::BTreeMap, format, string::String, vec::Vec};

/// A hold that is renewed again and again ends for good after so many of its lives: else a
/// countdown could be reset for ever.
const MOST_LIVES: i64 = 6;

/// T0: the places are held, the prices are frozen, the end is set.
pub(crate) fn hold(
    state: &State,
    id: OrderId,
    event: EventId,
    (buyer, untagged): (&Buyer, Option<BuyerKey>),
    (wishes, terms, metadata): (&[LineWish], &Terms, &Metadata),
    most_ms: Option<i64>,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    if let Some(known) = state.orders.get(&id) {
        // The same command once more, after a commit whose outcome was unknown.
        return Draft::default().reply(Reply::Held { order: id, until_ms: known.until_ms });
    }
    check_buyer(buyer)?;
    let event = state.events.get(&event).ok_or(Refusal::UnknownEvent)?;
    event.check_sale(now)?;
    let code = terms.code.as_deref().map(|typed| event.code(typed, now)).transpose()?;
    let lines = check_lines(event, wishes, code, now)?;
    let places: u32 = lines.iter().map(|l| l.quantity).sum();
    let mut buyer = buyer.clone();
    if let Some(key) = untagged.filter(|_| event.spec.ignore_email_tags) {
        buyer.key = key;
    }
    let has = state.buyers.get(&(event.id, buyer.key));
    if let (Some(limit), Some(has)) = (event.spec.limit_per_buyer, has)
        && has.places + places > limit
        && !on(Mutant::LimitForgotten)
    {
        let (has, order) = (has.places, has.order);
        return Err(Refusal::LimitPerBuyer { limit, has, order });
    }
    if let Some(limit) = event.spec.limit_per_buyer
        && places > limit
    {
        return Err(Refusal::LimitPerOrder(limit));
    }
    for (pool, wanted) in by_pool(lines.iter().map(|l| (l.pool, l.quantity))) {
        let pool_now = &event.pools[usize::from(pool)];
        let (left, held) = (pool_now.left() + u32::from(on(Mutant::OffByOne)), pool_now.held);
        if left < wanted {
            let first = lines.iter().find(|l| l.pool == pool).expect("a line of the pool");
            let ticket_type = event.ticket_types[usize::from(first.ticket_type)].id.clone();
            return Err(Refusal::SoldOut { ticket_type, left, held });
        }
    }

    check_counters(event, &lines, code)?;
    check_shown(event, wishes, &lines, &terms.shown)?;

    // The point of no return.
    let until_ms = now + lasts_ms(event, most_ms);
    let order = Order {
        id,
        event: event.id,
        buyer,
        lines,
        currency: event.spec.currency,
        tender: Tender::Online,
        reference: String::new(),
        answers: Vec::new(),
        metadata: metadata.clone(),
        state: OrderState::Held,
        placed_ms: now,
        until_ms,
        due_ms: Some(until_ms + if on(Mutant::EndTooLate) { 600_000 } else { 0 }),
        tries: 0,
        trouble: None,
        payment: None,
        refunds: Vec::new(),
        tickets: Vec::new(),
    };
    let mut draft = Draft::default();
    draft.stock(&order, 1, 0);
    if event.spec.limit_per_buyer.is_some() {
        let buyer = order.buyer.key;
        let places = places + has.map_or(0, |r| r.places);
        let record = BuyerRecord { places, order: id };
        draft.changes.push(Change::BuyerPut { event: event.id, buyer, record });
    }
    draft.changes.push(Change::OrderPlaced(Box::new(order)));
    draft.reply(Reply::Held { order: id, until_ms })
}

/// How long a hold lasts: as long as the event says, or less if it was capped, but never no time.
fn lasts_ms(event: &Event, most_ms: Option<i64>) -> i64 {
    let hold_ms = event.spec.hold_ms;
    most_ms.map_or(hold_ms, |most_ms| hold_ms.min(most_ms.max(1)))
}

/// The buyer's latest order, if the buyer has places.
pub(crate) fn find(state: &State, event: EventId, buyer: BuyerKey) -> Result<Decision, Refusal> {
    let record = state.buyers.get(&(event, buyer)).filter(|record| record.places > 0);
    let order = record.ok_or(Refusal::UnknownOrder)?.order;
    Draft::default().reply(Reply::Found { order })
}

fn check_buyer(buyer: &Buyer) -> Result<(), Refusal> {
    check_name(&buyer.name).map_err(Refusal::Invalid)?;
    check_email(&buyer.email).map_err(Refusal::Invalid)
}

/// Refuses if a ticket type of these lines, or the code, has too few left. Of a price phase there are never too
/// few, for the lines take no more than it has.
pub(crate) fn check_counters(
    event: &Event,
    lines: &[Line],
    code: Option<&CodeSpec>,
) -> Result<(), Refusal> {
    for line in lines.iter().filter(|l| l.extra.type_counter.is_some()) {
        let id = &event.ticket_types[usize::from(line.ticket_type)].id;
        let said = event.spec.ticket_types.iter().find(|t| t.id == *id);
        let Some(capacity) = said.and_then(|t| t.rules.capacity) else { continue };
        let (left, held) = event.left_of(line.extra.type_counter, capacity);
        let of_type = lines.iter().filter(|l| l.ticket_type == line.ticket_type);
        if left < of_type.map(|l| l.quantity).sum() {
            return Err(Refusal::SoldOut { ticket_type: id.clone(), left, held });
        }
    }
    let Some(code) = code else { return Ok(()) };
    let (left, held) = event.code_left(code);
    let with_code = lines.iter().filter(|l| l.extra.code.is_some());
    if left < with_code.map(|l| l.quantity).sum() {
        return Err(Refusal::CodeUsedUp { left, held });
    }
    Ok(())
}

/// Refuses if one of these lines costs more than the buyer was shown.
fn check_shown(
    event: &Event,
    wishes: &[LineWish],
    lines: &[Line],
    shown: &BTreeMap<String, i64>,
) -> Result<(), Refusal> {
    for LineWish { ticket_type, .. } in wishes {
        let Some(shown_minor) = shown.get(ticket_type).copied() else { continue };
        let of = |l: &&Line| event.ticket_types[usize::from(l.ticket_type)].id == *ticket_type;
        let prices = lines.iter().filter(of).map(|l| (l.quantity, l.unit_minor));
        let prices: Vec<(u32, i64)> = prices.collect();
        if prices.iter().any(|(_, unit_minor)| *unit_minor > shown_minor) {
            let (ticket_type, currency) = (ticket_type.clone(), event.spec.currency);
            return Err(Refusal::PriceChanged { ticket_type, shown_minor, prices, currency });
        }
    }
    Ok(())
}

/// Makes lines of wishes, with the prices of now.
fn check_lines(
    event: &Event,
    wishes: &[LineWish],
    code: Option<&CodeSpec>,
    now: TimeMs,
) -> Result<Vec<Line>, Refusal> {
    if wishes.is_empty() {
        return Err(Refusal::Invalid("an order needs at least one ticket".into()));
    }
    if wishes.len() > MOST_LINES {
        return Err(Refusal::Invalid(format!("an order has at most {MOST_LINES} lines")));
    }
    let limit = event.spec.limit_per_order;
    let mut lines: Vec<Line> = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let offer = event
            .offer(&wish.ticket_type, code, now)
            .ok_or_else(|| Refusal::UnknownTicketType(wish.ticket_type.clone()))?;
        let index = offer.index;
        offer.check_sale(now)?;
        if wish.quantity < 1 {
            return Err(Refusal::Invalid("a quantity is at least 1".into()));
        }
        if wish.quantity > i64::from(limit) {
            return Err(Refusal::LimitPerOrder(limit));
        }
        if lines.iter().any(|l| l.ticket_type == index) {
            return Err(Refusal::Invalid(format!("{} is ordered twice", wish.ticket_type)));
        }
        let pool = offer.ticket_type.pool;
        let other = on(Mutant::OtherTypesPrice).then(|| event.ticket_types[0].price_minor);
        let type_counter = event.counter(CounterKind::Type, &wish.ticket_type);
        let code = offer.code.and_then(|code| event.counter(CounterKind::Code, &code.code));
        let code = code.filter(|_| !on(Mutant::CodeNotTaken));
        for (quantity, price) in offer.split(wish.quantity as u32) {
            let Price { unit_minor, discount_minor, counter: phase, .. } = *price;
            let vat = offer.spec.rules.vat;
            let extra = Extra { type_counter, phase, code, discount_minor, vat };
            let unit_minor = other.unwrap_or(unit_minor);
            lines.push(Line { extra, ..line(index, pool, quantity, unit_minor) });
        }
    }
    if lines.iter().map(|l| l.quantity).sum::<u32>() > limit {
        return Err(Refusal::LimitPerOrder(limit));
    }
    if lines.iter().map(Line::price_minor).sum::<i64>() > MAX_MINOR {
        return Err(Refusal::Invalid("the order costs more than can be paid at once".into()));
    }
    Ok(lines)
}

/// The old routes' renewal: the hold starts over, but not for ever.
pub(crate) fn renew(
    state: &State,
    order: &Order,
    most_ms: Option<i64>,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    check_held(order, now)?;
    check_takes_place(state, order)?;
    let event = state.events.get(&order.event).ok_or(Refusal::UnknownEvent)?;
    let hold_ms = lasts_ms(event, most_ms);
    let last_ms = order.placed_ms + MOST_LIVES * event.spec.hold_ms;

    // The point of no return.
    let until_ms = match (now + hold_ms).min(last_ms).max(order.until_ms) {
        _ if on(Mutant::RenewalShortens) => now + hold_ms / 4,
        until_ms => until_ms,
    };
    let mut draft = Draft::default();
    let due_ms = Some(until_ms);
    let to = Standing { state: OrderState::Held, until_ms, due_ms, tries: 0, trouble: None };
    draft.changes.push(Change::OrderMoved { order: order.id, to });
    draft.reply(Reply::Held { order: order.id, until_ms })
}

/// Refuses unless the order is held and its time is not over: then nobody has begun to pay.
pub(crate) fn check_held(order: &Order, now: TimeMs) -> Result<(), Refusal> {
    let now = now + if on(Mutant::ExpiredTooEarly) { 5_000 } else { 0 };
    match order.state {
        OrderState::Held if now < order.until_ms => Ok(()),
        OrderState::Held => Err(Refusal::HoldExpired),
        OrderState::Paying => Err(Refusal::PaymentUnderWay),
        OrderState::Committed | OrderState::Paid | OrderState::Refunding => {
            Err(Refusal::AlreadyPaid)
        }
        OrderState::Refunded | OrderState::Canceling | OrderState::Void => {
            Err(Refusal::Canceled(order.state))
        }
        OrderState::Released if now >= order.until_ms && order.payment.is_none() => {
            Err(Refusal::HoldExpired)
        }
        OrderState::Released => Err(Refusal::Canceled(order.state)),
    }
}

/// The buyer gives it back. Cancelling what is already given up says so again.
pub(crate) fn cancel(state: &State, order: &Order, now: TimeMs) -> Result<Decision, Refusal> {
    if matches!(order.state, OrderState::Committed | OrderState::Paid | OrderState::Refunding) {
        return Err(Refusal::AlreadyPaid);
    }

    // The point of no return.
    let mut draft = Draft::default();
    match order.state {
        OrderState::Held => draft.release(state, order),
        OrderState::Paying => {
            let order = &draft.decide_attempt(order, AttemptState::Abandoned, now);
            give_up(&mut draft, state, order, now);
        }
        _ => {}
    }
    draft.reply_order(order)
}

/// An attempt of which nothing can be learned ends its order. Unless more is known of it by now: the bank asks
/// the buyer, or it is decided, and the buyer may try again or has tried again.
pub(crate) fn give_up_unread(
    state: &State,
    order: &Order,
    attempt: u16,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    let pending = order.payment.as_ref().and_then(|payment| payment.pending_attempt());
    let pending = pending.is_some_and(|pending| pending.number == attempt);
    if order.state != OrderState::Paying || !(pending || order.over(now)) {
        return Draft::default().reply_order(order);
    }
    cancel(state, order, now)
}

/// The timer's question: is its time over? A payment that has begun is not ended here: what the
/// provider says decides (`payment/settle.rs`), unless there is nothing it could say anything of.
pub(crate) fn expire(state: &State, order: &Order, now: TimeMs) -> Result<Decision, Refusal> {
    let has_intent = order.payment.as_ref().is_some_and(|p| p.intent.is_some());
    let ends =
        order.state == OrderState::Held || (order.state == OrderState::Paying && !has_intent);
    let early = if on(Mutant::EarlyExpiry) { 1_000 } else { 0 };
    if !ends || !order.over(now + early) {
        return Err(Refusal::NotDue);
    }

    // The point of no return.
    let mut draft = Draft::default();
    draft.release(state, order);
    if on(Mutant::PlacesBackTwice) {
        draft.stock(order, -1, 0);
    }
    draft.reply_order(order)
}

/// C1. Without a PaymentIntent that we know of, none was ever confirmed: then the places may go
/// back at once, and one that is created late is cancelled when we hear of it.
pub(crate) fn give_up(draft: &mut Draft, state: &State, order: &Order, now: TimeMs) {
    match order.payment.as_ref().and_then(|p| p.intent.as_ref()) {
        None => draft.release(state, order),
        Some(_) if on(Mutant::NoFence) => draft.release(state, order),
        Some(_) => draft.schedule_now(order, OrderState::Canceling, now),
    }
}
