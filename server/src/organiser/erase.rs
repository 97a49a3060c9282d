//! Erasing a buyer: the orders are found here, and what may be erased decides the core.
//!
//! Buyers are not indexed, for that would cost every hold. Whoever is to be erased is looked for in all
//! orders, page by page, by the keys that the address can have; so it takes seconds where there are
//! millions of orders, and no sale waits for it.

use super::Organiser;
use crate::access::{ShopPermit, may};
use crate::actor::Actor;
use crate::identity::{buyer_key, untagged_key};
use crate::sales::SaleError;
use crate::store::Owner;
use boxoffice::{
    BuyerKey, BuyerNeeded, Command, Erasure, EventId, MOST_ERASED, Order, OrderId, OrderState,
    Refusal, Reply,
};
use std::collections::BTreeMap;

/// How many orders are looked at with one question.
const PAGE: usize = 5_000;
/// How many of the orders that were left are told one by one.
const MOST_TOLD: usize = 100;

/// Who is to be erased.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whom {
    /// Whoever has this e-mail address.
    Email(String),
    /// The buyer of this order.
    Order(OrderId),
}

/// What was erased, or would be.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Erased {
    /// So many orders have lost their buyer.
    pub erased: u64,
    /// So many still need theirs.
    pub left: u64,
    /// The first of those.
    pub orders_left: Vec<OrderLeft>,
}

/// An order that keeps its buyer for now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderLeft {
    /// Which.
    pub id: OrderId,
    /// Where it stands.
    pub state: OrderState,
    /// Why; `None`: its buyer is found by it and has another order that needs the buyer.
    pub why: Option<BuyerNeeded>,
}

/// The keys that orders of an e-mail address can have.
struct Keys {
    email: BuyerKey,
    /// That of the address without its tag, where an event ignores tags.
    untagged: Option<BuyerKey>,
}

impl Organiser {
    /// Erases a buyer from all orders that no longer need a name and an address; `dry_run`: only counts
    /// them. Repeating it is safe. On an error some orders may be erased already.
    pub async fn erase(
        &self,
        permit: &ShopPermit<may::EraseBuyers>,
        whom: &Whom,
        dry_run: bool,
    ) -> Result<Erased, SaleError> {
        let found = match whom {
            Whom::Email(email) => self.orders_of(email).await?,
            Whom::Order(id) => {
                let order = self.sales.stored(*id).await?;
                let order = order.ok_or(SaleError::Refused(Refusal::UnknownOrder))?;
                let here = if order.is_erased() { vec![] } else { vec![order.id] };
                BTreeMap::from([(order.event, here)])
            }
        };
        let mut erased = Erased::default();
        for (event, orders) in found {
            for orders in orders.chunks(MOST_ERASED) {
                self.erase_some(permit.actor(), event, orders, dry_run, &mut erased).await?;
            }
        }
        Ok(erased)
    }

    async fn erase_some(
        &self,
        actor: Actor,
        event: EventId,
        orders: &[OrderId],
        dry_run: bool,
        all: &mut Erased,
    ) -> Result<(), SaleError> {
        if !dry_run {
            let (erased, left) = self.erase_batch(actor, event, orders, Erasure::Asked).await?;
            all.erased += u64::from(erased);
            all.left += u64::from(left);
            if left == 0 {
                return Ok(());
            }
        }
        for id in orders {
            let Some(order) = self.sales.stored(*id).await?.filter(|order| !order.is_erased())
            else {
                continue;
            };
            let why = order.needs_buyer();
            match (dry_run, why) {
                (true, None) => {
                    all.erased += 1;
                    continue;
                }
                (true, Some(_)) => all.left += 1,
                (false, _) => {}
            }
            if all.orders_left.len() < MOST_TOLD {
                all.orders_left.push(OrderLeft { id: order.id, state: order.state, why });
            }
        }
        Ok(())
    }

    /// Erases the buyers of some orders of one event, [`MOST_ERASED`] at most. Gives how many, and how many
    /// orders still need theirs.
    pub(super) async fn erase_batch(
        &self,
        actor: Actor,
        event: EventId,
        orders: &[OrderId],
        because: Erasure,
    ) -> Result<(u32, u32), SaleError> {
        let command = Command::Erase { event, orders: orders.to_vec(), because };
        match self.sales.writer.ask_as(actor, command, None).await?.reply {
            Reply::Erased { erased, left, .. } => Ok((erased, left)),
            _ => unreachable!("an erasure is answered as one"),
        }
    }

    /// The orders of an e-mail address that are not erased, by event.
    async fn orders_of(&self, email: &str) -> Result<BTreeMap<EventId, Vec<OrderId>>, SaleError> {
        let keys = Keys { email: buyer_key("", email), untagged: untagged_key(email) };
        let mut found: BTreeMap<EventId, Vec<OrderId>> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.sales.reads.ask(move |reader| reader.owners(after, PAGE)).await?;
            for owner in &page.owners {
                if self.is_of(&keys, owner).await? {
                    found.entry(owner.event).or_default().push(owner.order);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Whether an order is of the address. An order without its tag may be of somebody who has another
    /// one, unless the event takes both for one buyer.
    async fn is_of(&self, keys: &Keys, owner: &Owner) -> Result<bool, SaleError> {
        if owner.buyer == keys.email {
            return Ok(true);
        }
        if Some(owner.buyer) != keys.untagged {
            return Ok(false);
        }
        let event = self.sales.catalogue.event_by_id(owner.event);
        if event.is_some_and(|event| event.spec.ignore_email_tags) {
            return Ok(true);
        }
        // Placed while the event ignored tags.
        let order = self.sales.stored(owner.order).await?;
        let same = |order: Order| buyer_key("", &order.buyer.email) == keys.email;
        Ok(order.is_some_and(same))
    }
}
