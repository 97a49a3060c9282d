//! Organiser: what organisers do with events and orders. The JSON API, the old routes and the command
//! line are adapters of it; all of them have checked before that an organiser asks.
//!
//! It must not know: HTTP, SQL, or a provider's API.

pub mod erase;
pub mod retention;

use crate::actor::Actor;
use crate::sales::{SaleError, Sales, after_the_command};
use crate::store::OrderPage;
use crate::writer::{CommandError, IdempotencyKey};
use boxoffice::{
    Command, Event, EventId, EventSpec, Order, OrderId, OrderState, RefundId, RefundState,
    RefundWish, Refusal, Reply, Ticket,
};
use std::sync::Arc;

/// The use cases of organisers.
pub struct Organiser {
    /// What buyers do is done here, too.
    pub sales: Arc<Sales>,
}

impl Organiser {
    /// Gives an event whose organiser says nothing of codes those that it has.
    pub async fn keep_codes(&self, spec: &mut EventSpec) -> Result<(), SaleError> {
        match self.sales.event_named(&spec.slug).await {
            Ok(event) => spec.codes.clone_from(&event.spec.codes),
            Err(CommandError::Refused(Refusal::UnknownEvent)) => {}
            Err(no) => return Err(no),
        }
        Ok(())
    }

    /// Makes an event, or changes it. Gives the event, and whether it is new.
    pub async fn put_event(
        &self,
        actor: Actor,
        spec: EventSpec,
    ) -> Result<(Arc<Event>, bool), SaleError> {
        let (id, slug) = (self.sales.ids.event(self.sales.clock.now_ms()), spec.slug.clone());
        let replied = self.sales.writer.ask_as(actor, Command::PutEvent { id, spec }, None).await?;
        let created = matches!(replied.reply, Reply::Event { created: true, .. });
        Ok((after_the_command(self.sales.event_named(&slug).await)?, created))
    }

    /// Deletes an event that nobody ever ordered.
    pub async fn delete_event(&self, actor: Actor, slug: &str) -> Result<(), SaleError> {
        let command = Command::DeleteEvent { slug: slug.into() };
        self.sales.writer.ask_as(actor, command, None).await.map(drop)
    }

    /// The orders of an event that come after `after`, by id; `limit` at most.
    pub async fn orders(
        &self,
        event: EventId,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<OrderPage, SaleError> {
        Ok(self.sales.reads.ask(move |r| r.orders(event, after, limit)).await?)
    }

    /// The tickets of an event with a serial above `after`, each with its buyer's name; `limit` at most.
    pub async fn tickets(
        &self,
        event: EventId,
        after: u32,
        limit: usize,
    ) -> Result<Vec<(Ticket, String)>, SaleError> {
        Ok(self.sales.reads.ask(move |r| r.tickets(event, after, limit)).await?)
    }

    /// Refunds an order or a part of it, and waits for the provider's answer as long as
    /// [`crate::sales::PATIENCE`] lasts. Gives the order as it is then, and the refund's id.
    pub async fn refund(
        &self,
        actor: Actor,
        id: OrderId,
        wish: RefundWish,
        restock: bool,
        request: Option<IdempotencyKey>,
    ) -> Result<(Arc<Order>, RefundId), SaleError> {
        let sales = &self.sales;
        let refund = sales.ids.refund(sales.clock.now_ms());
        let watch = sales.watchers.watch(id);
        let command = Command::Refund { order: id, refund, wish, restock };
        let replied = sales.writer.ask_as(actor, command, request).await?;
        let Reply::Refunding { refund, .. } = replied.reply else {
            return Err(CommandError::KeyReused);
        };
        let done = |o: &Order| {
            !o.refunds.iter().any(|r| r.id == refund && r.state == RefundState::Pending)
        };
        Ok((sales.wait_for(id, &watch, done).await?, refund))
    }

    /// Brings an order to where it takes no place: cancels it, or refunds all of it.
    pub async fn undo(&self, order: &Order) -> Result<(), SaleError> {
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
            self.refund(Actor::Buyer, id, RefundWish::All, true, None).await?;
        }
        Ok(())
    }
}
