//! Erasing a buyer's name and e-mail address from orders.
//!
//! What an order is about stays: tickets, codes, amounts, states, times and the provider's ids. The name,
//! the address and the key that is made from them go, because whoever knows an address can make its key
//! again. An erased order belongs to a buyer of its own, whose key is the order's id: so every rule that
//! counts what buyers have goes on as before, and nobody can order as that buyer.

use crate::draft::Draft;
use crate::{
    Buyer, BuyerKey, BuyerRecord, Change, Dispute, EventId, EventSpec, Language, Order, OrderId,
    OrderState, Refund, RefundState, State, TimeMs,
};
use crate::{Decision, Refusal, Reply};
use alloc::{format, string::String, vec::Vec};

/// What an erased order shows in the place of its buyer's name. Its e-mail address is empty.
pub const ERASED_NAME: &str = "erased";

/// The most orders that one command erases, so that no batch becomes long by it.
pub const MOST_ERASED: usize = 64;

/// A day in milliseconds.
const DAY_MS: TimeMs = 24 * 3_600_000;

/// Why buyers are erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Erasure {
    /// The organiser asks for it, mostly because the buyer does.
    Asked,
    /// The event is over for as long as its organiser wants to keep its buyers.
    TimeOver,
}

/// Why an order still needs its buyer's name and address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuyerNeeded {
    /// It is not decided yet whether it will be paid.
    NotFinished,
    /// The provider still owes an answer, to a refund for example.
    UnderWay,
    /// Money is due to the buyer, for a refund failed.
    MoneyDue,
    /// The cardholder disputes the payment, and that is not decided.
    Disputed,
}

impl Buyer {
    /// What stands in the place of an erased buyer.
    pub fn erased(order: OrderId) -> Buyer {
        Buyer {
            name: ERASED_NAME.into(),
            email: String::new(),
            key: BuyerKey::of_erased(order),
            language: Language::EN,
        }
    }
}

impl BuyerKey {
    /// The key of an order's buyer after it was erased: the order's own id, so it tells nothing.
    pub fn of_erased(order: OrderId) -> BuyerKey {
        BuyerKey(order.0)
    }
}

impl EventSpec {
    /// From when on its buyers are erased, if its organiser wants that.
    pub fn erases_buyers_ms(&self) -> Option<TimeMs> {
        let days = self.keep_buyers_days?;
        Some(self.ends().saturating_add(TimeMs::from(days) * DAY_MS))
    }
}

impl Dispute {
    /// Whether it can still be won or lost. The statuses are Stripe's:
    /// <https://docs.stripe.com/api/disputes/object#dispute_object-status>. One that nobody knows counts
    /// as open.
    pub fn is_open(&self) -> bool {
        !matches!(
            &*self.status,
            "won" | "lost" | "prevented" | "warning_closed" | "charge_refunded"
        )
    }
}

impl Order {
    /// Whether its buyer was erased.
    pub fn is_erased(&self) -> bool {
        self.buyer.key == BuyerKey::of_erased(self.id)
    }

    /// Why its buyer cannot be erased now; `None`: it can be.
    pub fn needs_buyer(&self) -> Option<BuyerNeeded> {
        let under_way = |refund: &Refund| refund.state == RefundState::Pending;
        let disputed = self.payment.as_ref().and_then(|payment| payment.dispute.as_ref());
        match self.state {
            OrderState::Held
            | OrderState::Paying
            | OrderState::Canceling
            | OrderState::Committed => Some(BuyerNeeded::NotFinished),
            OrderState::Refunding => Some(BuyerNeeded::UnderWay),
            _ if self.due_ms.is_some() || self.refunds.iter().any(under_way) => {
                Some(BuyerNeeded::UnderWay)
            }
            _ if self.owed_back().minor > 0 => Some(BuyerNeeded::MoneyDue),
            _ if disputed.is_some_and(Dispute::is_open) => Some(BuyerNeeded::Disputed),
            OrderState::Paid | OrderState::Refunded | OrderState::Released | OrderState::Void => {
                None
            }
        }
    }
}

/// Erases the buyers of some orders of one event. Orders that still need their buyer are left, and
/// counted; those that are erased already, or do not exist, are neither.
pub(crate) fn erase(
    state: &State,
    event: EventId,
    orders: &[OrderId],
    because: Erasure,
    now: TimeMs,
) -> Result<Decision, Refusal> {
    let of_event = state.events.get(&event).ok_or(Refusal::UnknownEvent)?;
    if orders.len() > MOST_ERASED {
        return Err(Refusal::Invalid(format!("at most {MOST_ERASED} orders are erased at once")));
    }
    let over = of_event.spec.erases_buyers_ms().is_some_and(|at| at <= now);
    if because == Erasure::TimeOver && !over {
        return Err(Refusal::NotDue);
    }

    // The point of no return.
    let mut draft = Draft::default();
    let mut next = state.clone_for(event, orders);
    let here = next.orders.values().filter(|order| order.event == event);
    let mut ids: Vec<(TimeMs, OrderId)> = here.map(|order| (order.placed_ms, order.id)).collect();
    // Oldest first: so the latest order of a buyer, by which the buyer is found, goes last.
    ids.sort_unstable();
    let (mut erased, mut left) = (0, 0);
    for (_, id) in ids {
        let Some(order) = next.orders.get(&id).filter(|order| !order.is_erased()) else { continue };
        let records = records_without(&next, order);
        let Some(records) = records.filter(|_| order.needs_buyer().is_none()) else {
            left += 1;
            continue;
        };
        erased += 1;
        let first = draft.changes.len();
        draft.changes.push(Change::BuyerErased { order: id, event });
        for (buyer, record) in records {
            draft.changes.push(Change::BuyerPut { event, buyer, record });
        }
        draft.changes[first..].iter().for_each(|change| next.apply(change));
    }
    draft.reply(Reply::Erased { event, erased, left })
}

/// What its buyer has without this order, and what the buyer of its own has who gets it; nothing where
/// that is not counted. `None`: the buyer is found by this order, has others, and none of them is known
/// here. Then this one goes after the others.
fn records_without(state: &State, order: &Order) -> Option<Vec<(BuyerKey, BuyerRecord)>> {
    let key = order.buyer.key;
    let Some(has) = state.buyers.get(&(order.event, key)) else { return Some(Vec::new()) };
    let own = BuyerRecord { places: order.counted(), order: order.id };
    let mut rest = BuyerRecord { places: has.places.saturating_sub(own.places), ..*has };
    if rest.places > 0 && rest.order == order.id {
        let same = |o: &&Order| (o.event, o.buyer.key, o.counted() > 0) == (order.event, key, true);
        let others = state.orders.values().filter(|o| o.id != order.id).filter(same);
        rest.order = others.map(|other| (other.placed_ms, other.id)).max()?.1;
    }
    let mut records = Vec::new();
    if has.places > 0 {
        records.push((key, rest));
    }
    if own.places > 0 {
        records.push((BuyerKey::of_erased(order.id), own));
    }
    Some(records)
}
