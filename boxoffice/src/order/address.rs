//! Another e-mail address for an order: it was mistyped, or is of no use any more.
//!
//! What counts for its buyer counts for the new address from then on, as far as the event's limit per buyer
//! allows. Whose names stand on the tickets does not change.

use crate::draft::Draft;
use crate::text::check_email;
use crate::{
    Buyer, BuyerKey, BuyerRecord, Change, Event, EventId, Order, OrderState, State, TimeMs,
};
use crate::{Decision, Refusal};
use alloc::{string::String, vec::Vec};

/// Why an order keeps its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressFixed {
    /// There are no tickets to be sent there.
    NoTickets(OrderState),
    /// Its buyer was erased.
    Erased,
    /// It was placed without an address, under a name.
    Never,
    /// The event ended then.
    EventOver(TimeMs),
    /// The buyer is found by this order and has others under the same address: theirs is changed first.
    Newest,
}

/// Gives an order another address. One that is the same but for how it is written is no other buyer.
pub(crate) fn change(
    state: &State,
    order: &Order,
    event: EventId,
    (email, key, untagged): (&str, BuyerKey, Option<BuyerKey>),
    now: TimeMs,
) -> Result<Decision, Refusal> {
    let of_event = state.events.get(&order.event).filter(|known| known.id == event);
    let of_event: &Event = of_event.ok_or(Refusal::UnknownOrder)?;
    check_email(email).map_err(Refusal::Invalid)?;
    if email.is_empty() {
        return Err(Refusal::Invalid("an e-mail address is needed".into()));
    }
    let fixed = match order.state {
        _ if order.is_erased() => Some(AddressFixed::Erased),
        OrderState::Paid | OrderState::Refunding if order.buyer.email.is_empty() => {
            Some(AddressFixed::Never)
        }
        OrderState::Paid | OrderState::Refunding if of_event.spec.ends() <= now => {
            Some(AddressFixed::EventOver(of_event.spec.ends()))
        }
        OrderState::Paid | OrderState::Refunding => None,
        other => Some(AddressFixed::NoTickets(other)),
    };
    if let Some(fixed) = fixed {
        return Err(Refusal::AddressFixed(fixed));
    }
    if order.buyer.email == email {
        return Draft::default().reply_order(order);
    }
    let key = untagged.filter(|_| of_event.spec.ignore_email_tags).unwrap_or(key);
    let records = moved(state, of_event, order, key)?;

    // The point of no return.
    let mut draft = Draft::default();
    let buyer = Buyer { email: String::from(email), key, ..order.buyer.clone() };
    draft.changes.push(Change::EmailPut { order: order.id, event, buyer });
    for (buyer, record) in records {
        draft.changes.push(Change::BuyerPut { event, buyer, record });
    }
    draft.reply_order(order)
}

/// What the old address has without this order, and the new one with it; nothing where that is not counted.
pub(super) fn moved(
    state: &State,
    event: &Event,
    order: &Order,
    key: BuyerKey,
) -> Result<Vec<(BuyerKey, BuyerRecord)>, Refusal> {
    let (old, counted) = (order.buyer.key, order.counted());
    let Some(had) = state.buyers.get(&(event.id, old)).filter(|_| old != key && counted > 0) else {
        return Ok(Vec::new());
    };
    let has = state.buyers.get(&(event.id, key)).filter(|record| record.places > 0);
    if let (Some(limit), Some(has)) = (event.spec.limit_per_buyer, has)
        && has.places + counted > limit
    {
        let (has, order) = (has.places, has.order);
        return Err(Refusal::LimitPerBuyer { limit, has, order });
    }
    let rest = BuyerRecord { places: had.places.saturating_sub(counted), ..*had };
    if rest.places > 0 && rest.order == order.id {
        return Err(Refusal::AddressFixed(AddressFixed::Newest));
    }
    let places = counted + has.map_or(0, |has| has.places);
    let newest = has.map_or(order.id, |has| has.order.max(order.id));
    Ok(Vec::from([(old, rest), (key, BuyerRecord { places, order: newest })]))
}
