//! Tickets that the organiser gives away, or sells for cash or by a card terminal; and names that are corrected.

use super::Organiser;
use crate::access::{Permit, may};
use crate::identity::{buyer, buyer_key, guest, untagged_key};
use crate::sales::{SaleError, after_the_command};
use crate::writer::{CommandError, IdempotencyKey};
use boxoffice::{
    Change, Command, Event, Language, LineWish, Metadata, Order, OrderId, Refusal, Reply, State,
    Tender, decide,
};
use std::sync::Arc;

/// What the organiser sells or gives away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sale {
    /// For whom.
    pub name: String,
    /// Where the tickets are mailed; empty: nowhere.
    pub email: String,
    /// In which language.
    pub language: Language,
    /// What.
    pub lines: Vec<LineWish>,
    /// How it was paid; not [`Tender::Online`].
    pub tender: Tender,
    /// What to note of it, up to 100 characters; may be empty.
    pub reference: String,
    /// What a program keeps with the order.
    pub metadata: Metadata,
    /// What it costs as somebody was shown, in minor units: another total is refused. `None`: none was shown.
    pub shown_minor: Option<i64>,
}

impl Organiser {
    /// Makes an order that is paid at once, without the payment provider. Gives the order.
    pub async fn sell(
        &self,
        permit: &Permit<may::SellTickets>,
        sale: Sale,
        request: Option<IdempotencyKey>,
    ) -> Result<Arc<Order>, SaleError> {
        let sales = &self.sales;
        let command = self.command_of(permit, sale);
        let replied = sales.writer.ask_as(permit.actor(), command, request).await?;
        let Reply::Order { order, .. } = replied.reply else { return Err(CommandError::KeyReused) };
        match replied.order {
            Some(order) => Ok(order),
            None => after_the_command(sales.find(order).await),
        }
    }

    fn command_of(&self, permit: &Permit<may::SellTickets>, sale: Sale) -> Command {
        let sales = &self.sales;
        Command::Sell {
            order: sales.ids.order(sales.clock.now_ms()),
            event: permit.event(),
            buyer: buyer(&sale.name, &sale.email, sale.language),
            untagged: untagged_key(&sale.email),
            lines: sale.lines,
            tender: sale.tender,
            reference: sale.reference.trim().into(),
            metadata: sale.metadata,
            shown_minor: sale.shown_minor,
        }
    }

    /// The order that a sale would make now: decided as it would be, and not recorded. `event` is the event of
    /// the permit.
    pub fn preview_sale(
        &self,
        permit: &Permit<may::SellTickets>,
        event: &Event,
        sale: Sale,
    ) -> Result<Order, Refusal> {
        if event.id != permit.event() {
            return Err(Refusal::UnknownEvent);
        }
        let mut state = State::default();
        state.events.insert(event.id, event.clone());
        let decision = decide(&state, &self.command_of(permit, sale), self.sales.clock.now_ms())?;
        let placed = decision.changes.into_iter().find_map(|change| match change {
            Change::OrderPlaced(order) => Some(*order),
            _ => None,
        });
        Ok(placed.expect("a sale places an order"))
    }

    /// Corrects the name of the buyer of an order that has tickets. Gives the order as it is then.
    pub async fn correct_name(
        &self,
        permit: &Permit<may::ChangeOrders>,
        id: OrderId,
        name: &str,
        request: Option<IdempotencyKey>,
    ) -> Result<Arc<Order>, SaleError> {
        let sales = &self.sales;
        let order = sales.stored(id).await?.filter(|order| order.event == permit.event());
        let order = order.ok_or(CommandError::Refused(Refusal::UnknownOrder))?;
        let name = guest(name);
        let key = buyer_key(&name, "");
        let command = Command::CorrectName { order: id, event: order.event, name, key };
        let replied = sales.writer.ask_as(permit.actor(), command, request).await?;
        match replied.order {
            Some(order) => Ok(order),
            None => after_the_command(sales.find(id).await),
        }
    }
}
