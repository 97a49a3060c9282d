//! What staff does with one order: the order with its story, another name or address, tickets once more, and an end
//! to a hold.
//!
//! It must not know: HTTP, SQL.

use super::Organiser;
use crate::access::{Permit, may};
use crate::identity::guest;
use crate::mailing::{Asked, Mailing};
use crate::sales::{SaleError, after_the_command};
use crate::store::records::RecordChange;
use crate::store::records::audit_log::{Action, AuditLine, Place, page};
use crate::text::plain;
use crate::writer::{CommandError, IdempotencyKey};
use boxoffice::{
    AnswerWish, Change, Command, EventId, Order, OrderId, RefundWish, Refusal, State, TicketState,
    decide,
};
use std::sync::Arc;

/// What a refund would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefundPreview {
    /// How much would go back, in minor units of the order's currency.
    pub amount_minor: i64,
    /// How many tickets would no longer be valid.
    pub tickets: u32,
}

/// A page of the audit log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogPage {
    /// The newest line first.
    pub lines: Vec<AuditLine>,
    /// Where the next page begins, if there may be one.
    pub next: Option<u128>,
}

/// The reason of a refund has so many characters at most.
const REASON: usize = 300;

/// What is wrong with the reason of a refund, as a sentence; `None`: nothing. It stands in the audit log, so nothing in
/// it may steer what shows the log.
pub fn reason_flaw(reason: &str) -> Option<String> {
    let odd = reason.chars().count() > REASON || plain(reason) != reason;
    odd.then(|| {
        format!("A reason is one line of at most {REASON} characters that can be seen. Nothing was refunded.")
    })
}

impl Organiser {
    /// An order, if it is of the event that the permit is for.
    pub async fn order<P>(&self, permit: &Permit<P>, id: OrderId) -> Result<Arc<Order>, SaleError> {
        let order = self.sales.find(id).await?;
        self.check(permit.event(), &order)?;
        Ok(order)
    }

    fn check(&self, event: EventId, order: &Order) -> Result<(), SaleError> {
        match order.event == event {
            true => Ok(()),
            false => Err(SaleError::Refused(Refusal::UnknownOrder)),
        }
    }

    /// What the audit log has of an order, the newest lines first.
    pub async fn log_of_order(
        &self,
        permit: &Permit<may::SeeOrders>,
        order: OrderId,
        before: Option<u128>,
        limit: usize,
    ) -> Result<LogPage, SaleError> {
        let event = permit.event();
        let mut page = self.log(Place::Order(order), before, limit).await?;
        page.lines.retain(|line| line.event.is_none_or(|of| of == event));
        Ok(page)
    }

    /// What the audit log has of an event and its orders, the newest lines first.
    pub async fn log_of_event(
        &self,
        permit: &Permit<may::SeeOrders>,
        before: Option<u128>,
        limit: usize,
    ) -> Result<LogPage, SaleError> {
        self.log(Place::Event(permit.event()), before, limit).await
    }

    async fn log(
        &self,
        place: Place,
        before: Option<u128>,
        limit: usize,
    ) -> Result<LogPage, SaleError> {
        let lines = self.sales.reads.ask(move |r| page(r.tables(), place, before, limit)).await?;
        let next = lines.last().map(|line| line.id).filter(|_| lines.len() == limit);
        Ok(LogPage { lines, next })
    }

    /// What a refund would do now: decided as it would be, and not recorded.
    pub async fn preview_refund(
        &self,
        permit: &Permit<may::Refund>,
        id: OrderId,
        (wish, restock): &(RefundWish, bool),
    ) -> Result<RefundPreview, SaleError> {
        let order = self.order(permit, id).await?;
        let event = self.sales.event_of(&order).await?;
        let now = self.sales.clock.now_ms();
        let mut state = State::default();
        state.events.insert(event.id, (*event).clone());
        state.orders.insert(id, (*order).clone());
        let refund = self.sales.ids.refund(now);
        let (wish, restock) = (wish.clone(), *restock);
        let command = Command::Refund { order: id, refund, wish, restock };
        let decision = decide(&state, &command, now).map_err(SaleError::Refused)?;
        let mut preview = RefundPreview { amount_minor: 0, tickets: 0 };
        for change in &decision.changes {
            match change {
                Change::RefundPut { refund, .. } => preview.amount_minor = refund.amount_minor,
                Change::TicketPut { ticket, .. } if ticket.state == TicketState::Revoked => {
                    preview.tickets += 1;
                }
                _ => {}
            }
        }
        Ok(preview)
    }

    /// Ends a hold, or a payment that is not decided yet. Gives the order as it is then.
    pub async fn cancel_order(
        &self,
        permit: &Permit<may::ChangeOrders>,
        id: OrderId,
        request: Option<IdempotencyKey>,
    ) -> Result<Arc<Order>, SaleError> {
        self.order(permit, id).await?;
        self.sales.cancel(permit.actor(), id, request).await
    }

    /// Gives an order another e-mail address.
    pub async fn correct_address(
        &self,
        permit: &Permit<may::ChangeOrders>,
        id: OrderId,
        email: &str,
        request: Option<IdempotencyKey>,
    ) -> Result<Arc<Order>, SaleError> {
        self.order(permit, id).await?;
        self.sales.change_address(permit.actor(), id, email, request).await
    }

    /// Puts a guest's name on a ticket.
    pub async fn correct_guest(
        &self,
        permit: &Permit<may::ChangeOrders>,
        id: OrderId,
        number: u16,
        name: &str,
        request: Option<IdempotencyKey>,
    ) -> Result<Arc<Order>, SaleError> {
        self.order(permit, id).await?;
        let command = Command::NameTicket { order: id, number, name: guest(name) };
        let replied = self.sales.writer.ask_as(permit.actor(), command, request).await?;
        match replied.order {
            Some(order) => Ok(order),
            None => after_the_command(self.sales.find(id).await),
        }
    }

    /// Takes the answers to all that the event asks with an order: one that is not among them is taken back.
    pub async fn correct_answers(
        &self,
        permit: &Permit<may::ChangeOrders>,
        id: OrderId,
        answers: Vec<AnswerWish>,
    ) -> Result<Arc<Order>, SaleError> {
        self.order(permit, id).await?;
        self.sales.answer(permit.actor(), id, answers).await
    }

    /// Sends an order's tickets again. The audit log says who has done so.
    pub async fn send_again(
        &self,
        permit: &Permit<may::ChangeOrders>,
        mailing: &Mailing,
        id: OrderId,
    ) -> Result<Asked, CommandError> {
        let order = self.order(permit, id).await?;
        let now = self.sales.clock.now_ms();
        let line = AuditLine {
            // Of the same form as those of batches: the time first.
            id: self.sales.ids.message(now),
            at_ms: now,
            actor: permit.actor(),
            action: Action::TicketsSentAgain,
            event: Some(order.event),
            order_id: Some(id),
            detail: String::new(),
        };
        mailing.resend_with(&order, vec![RecordChange::put(&line)]).await
    }
}
