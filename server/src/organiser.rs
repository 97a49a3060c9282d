//! Organiser: what organisers do with events and orders. The JSON API, the office's pages, the old routes and
//! the command line are adapters of it. Each use case names in its signature what its caller must be permitted
//! to do ([`crate::access`]).
//!
//! It must not know: HTTP, SQL, or a provider's API.

pub mod cancel;
pub mod erase;
pub mod export;
pub mod import;
pub mod ledger;
pub mod orders;
pub mod retention;
pub mod search;
pub mod sell;
pub mod watching;

use crate::access::{Permit, ShopPermit, may};
use crate::actor::Actor;
use crate::sales::{SaleError, Sales, after_the_command};
use crate::store::{NamedTicket, OrderPage};
use crate::writer::{CommandError, IdempotencyKey};
use boxoffice::{
    Command, Event, EventId, EventPart, EventSpec, Order, OrderId, OrderState, RefundId,
    RefundState, RefundWish, Refusal, Reply, Sale,
};
use std::sync::Arc;

/// The use cases of organisers.
pub struct Organiser {
    /// What buyers do is done here, too.
    pub sales: Arc<Sales>,
}

impl Organiser {
    /// Makes an event, or changes it; one that is there keeps these parts of it. Gives the event, and whether
    /// it is new.
    pub async fn put_event(
        &self,
        permit: &ShopPermit<may::ChangeEvents>,
        spec: EventSpec,
        kept: Vec<EventPart>,
    ) -> Result<(Arc<Event>, bool), SaleError> {
        self.put(permit.actor(), spec, kept, None).await
    }

    /// Makes an event that is not there yet.
    pub async fn make_event(
        &self,
        permit: &ShopPermit<may::ChangeEvents>,
        spec: EventSpec,
    ) -> Result<Arc<Event>, SaleError> {
        self.put_if(permit.actor(), spec, None).await
    }

    /// Changes an event, if it still is what somebody has seen.
    pub async fn change_seen_event(
        &self,
        permit: &Permit<may::ChangeEvents>,
        spec: EventSpec,
        seen: EventSpec,
    ) -> Result<Arc<Event>, SaleError> {
        if self.sales.event_named(&spec.slug).await?.id != permit.event() {
            return Err(SaleError::Refused(Refusal::UnknownEvent));
        }
        self.put_if(permit.actor(), spec, Some(Box::new(seen))).await
    }

    async fn put_if(
        &self,
        actor: Actor,
        spec: EventSpec,
        seen: Option<Box<EventSpec>>,
    ) -> Result<Arc<Event>, SaleError> {
        let (id, slug) = (self.sales.ids.event(self.sales.clock.now_ms()), spec.slug.clone());
        let command = Command::PutEventIf { id, spec, seen };
        self.sales.writer.ask_as(actor, command, None).await?;
        after_the_command(self.sales.event_named(&slug).await)
    }

    /// Pauses the sale of an event, or resumes it; only if the event is still what somebody has seen, if that is said.
    pub async fn pause_sale(
        &self,
        permit: &Permit<may::ChangeEvents>,
        paused: bool,
        seen: Option<EventSpec>,
    ) -> Result<Arc<Event>, SaleError> {
        let event = permit.event();
        let to = if paused { Sale::Paused } else { Sale::Open };
        let command = Command::SetSale { event, to, seen: seen.map(Box::new) };
        self.sales.writer.ask_as(permit.actor(), command, None).await?;
        after_the_command(self.event_by_id(event))
    }

    fn event_by_id(&self, event: EventId) -> Result<Arc<Event>, SaleError> {
        let known = self.sales.catalogue.event_by_id(event);
        known.ok_or(SaleError::Refused(Refusal::UnknownEvent))
    }

    /// Changes an event, which keeps these parts of it.
    pub async fn change_event(
        &self,
        permit: &Permit<may::ChangeEvents>,
        spec: EventSpec,
        kept: Vec<EventPart>,
    ) -> Result<Arc<Event>, SaleError> {
        let put = self.put(permit.actor(), spec, kept, Some(permit.event())).await;
        put.map(|(event, _)| event)
    }

    /// What is kept is decided with the change itself: nobody's change is lost between a look and a write.
    async fn put(
        &self,
        actor: Actor,
        spec: EventSpec,
        kept: Vec<EventPart>,
        only: Option<EventId>,
    ) -> Result<(Arc<Event>, bool), SaleError> {
        let (id, slug) = (self.sales.ids.event(self.sales.clock.now_ms()), spec.slug.clone());
        let command = Command::PutEventParts { id, spec, kept, only };
        let replied = self.sales.writer.ask_as(actor, command, None).await?;
        let created = matches!(replied.reply, Reply::Event { created: true, .. });
        Ok((after_the_command(self.sales.event_named(&slug).await)?, created))
    }

    /// Deletes an event that nobody ever ordered; only if it is still what somebody has seen, if that is said.
    pub async fn delete_event(
        &self,
        permit: &Permit<may::ChangeEvents>,
        slug: &str,
        seen: Option<EventSpec>,
    ) -> Result<(), SaleError> {
        if self.sales.event_named(slug).await?.id != permit.event() {
            return Err(SaleError::Refused(Refusal::UnknownEvent));
        }
        let command = Command::DeleteEvent { slug: slug.into(), seen: seen.map(Box::new) };
        self.sales.writer.ask_as(permit.actor(), command, None).await.map(drop)
    }

    /// The orders of an event that come after `after`, by id; `limit` at most.
    pub async fn orders(
        &self,
        permit: &Permit<may::SeeOrders>,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<OrderPage, SaleError> {
        self.orders_page(permit.event(), after, limit).await
    }

    async fn orders_page(
        &self,
        event: EventId,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<OrderPage, SaleError> {
        Ok(self.sales.reads.ask(move |r| r.orders(event, after, limit)).await?)
    }

    /// The tickets of an event with a serial above `after`, each with its buyer's name and what was answered;
    /// `limit` at most.
    pub async fn tickets(
        &self,
        permit: &Permit<may::SeeOrders>,
        after: u32,
        limit: usize,
    ) -> Result<Vec<NamedTicket>, SaleError> {
        let event = permit.event();
        Ok(self.sales.reads.ask(move |r| r.tickets(event, after, limit)).await?)
    }

    /// Refunds an order or a part of it, and waits for the provider's answer as long as
    /// [`crate::sales::PATIENCE`] lasts. Gives the order as it is then, and the refund's id.
    pub async fn refund(
        &self,
        permit: &Permit<may::Refund>,
        id: OrderId,
        wish: RefundWish,
        restock: bool,
        request: Option<IdempotencyKey>,
    ) -> Result<(Arc<Order>, RefundId), SaleError> {
        self.refund_because(permit, id, (wish, restock), request, None).await
    }

    /// The same with a reason, which stands in the audit log.
    pub async fn refund_because(
        &self,
        permit: &Permit<may::Refund>,
        id: OrderId,
        wish: (RefundWish, bool),
        request: Option<IdempotencyKey>,
        reason: Option<String>,
    ) -> Result<(Arc<Order>, RefundId), SaleError> {
        if self.sales.find(id).await?.event != permit.event() {
            return Err(SaleError::Refused(Refusal::UnknownOrder));
        }
        self.refund_as(permit.actor(), id, wish, request, reason).await
    }

    async fn refund_as(
        &self,
        actor: Actor,
        id: OrderId,
        (wish, restock): (RefundWish, bool),
        request: Option<IdempotencyKey>,
        reason: Option<String>,
    ) -> Result<(Arc<Order>, RefundId), SaleError> {
        let sales = &self.sales;
        let refund = sales.ids.refund(sales.clock.now_ms());
        let watch = sales.watchers.watch(id);
        let command = Command::Refund { order: id, refund, wish, restock };
        let replied = sales.writer.ask_because(actor, command, request, reason).await?;
        let Reply::Refunding { refund, .. } = replied.reply else {
            return Err(CommandError::KeyReused);
        };
        let done = |o: &Order| {
            !o.refunds.iter().any(|r| r.id == refund && r.state == RefundState::Pending)
        };
        Ok((sales.wait_for(id, &watch, done).await?, refund))
    }

    /// Gives every hold of an event back and refunds all its tickets: the demo's reset, which anybody may ask for
    /// where no money moves.
    pub async fn reset_demo(&self, event: EventId) -> Result<(), SaleError> {
        let mut after = None;
        loop {
            let page = self.orders_page(event, after, 500).await?;
            for order in &page.orders {
                self.undo(order).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Brings an order to where it takes no place: cancels it, or refunds all of it.
    async fn undo(&self, order: &Order) -> Result<(), SaleError> {
        let (sales, id) = (&self.sales, order.id);
        let mut order = Arc::new(order.clone());
        if matches!(order.state, OrderState::Held | OrderState::Paying | OrderState::Canceling) {
            match sales.cancel(Actor::Buyer, id, None).await {
                Ok(_) | Err(CommandError::Refused(Refusal::AlreadyPaid)) => {
                    order = sales.find(id).await?;
                }
                Err(no) => return Err(no),
            }
        }
        if order.state == OrderState::Committed {
            let watch = sales.watchers.watch(id);
            let moved = |o: &Order| o.state != OrderState::Committed;
            order = sales.wait_for(id, &watch, moved).await?;
        }
        if order.state == OrderState::Paid {
            self.refund_as(Actor::Buyer, id, (RefundWish::All, true), None, None).await?;
        }
        Ok(())
    }
}
