//! Tickets of an event by the name of a guest or a buyer, for somebody who has forgotten the phone at home.

use super::{Door, deciding, of_ticket};
use crate::access::{Permit, may};
use crate::organiser::search::{AsOf, Asked, At, Of, Search};
use crate::sales::SaleError;
use crate::store::records::door::{self, ScanRow};
use crate::store::records::door_reads::of_orders;
use crate::store::{Fault, Reader};
use boxoffice::{Order, TicketState};
use std::sync::Arc;

/// So many orders are looked at for one question.
const MOST_ORDERS: usize = 20;
/// So many tickets are told.
const MOST_TICKETS: usize = 60;

/// A ticket that was found by a name.
#[derive(Clone, Debug)]
pub struct NamedTicket {
    /// Its order.
    pub order: Arc<Order>,
    /// Its number within the order, from 1.
    pub number: u16,
    /// The scan that decides whether somebody comes in with it, if there is one: see [`deciding`].
    pub last: Option<ScanRow>,
}

/// What was found.
#[derive(Clone, Default, Debug)]
pub struct FoundTickets {
    /// The tickets, those of one order together.
    pub tickets: Vec<NamedTicket>,
    /// Whether there are more: a longer name finds fewer.
    pub more: bool,
}

impl Door {
    /// The tickets of an event whose guest or buyer has this name, or an order of this id; also those that let nobody
    /// in any more. Orders without tickets are left out.
    pub async fn find(
        &self,
        permit: Permit<may::CheckIn>,
        search: &Search,
        text: &str,
    ) -> Result<FoundTickets, SaleError> {
        let event = permit.event();
        let asked = Asked { text: Some(text.to_owned()), ..Asked::default() };
        let at = At { from: None, newest_first: true, limit: MOST_ORDERS, as_of: AsOf::Now };
        let found = search.orders(&Of::AtDoor(permit), &asked, &at).await?;
        let mut more = found.next.is_some() || found.newest_left_out;
        let orders = found.orders;
        let ask = move |reader: &mut dyn Reader| -> Result<_, Fault> {
            let mut with_scans = Vec::new();
            for order in orders {
                let scans = of_orders(reader.tables(), event, (order.id, order.id))?;
                with_scans.push((order, scans));
            }
            let spec = door::spec(reader.tables(), event)?;
            Ok((with_scans, spec.map(|spec| spec.admission).unwrap_or_default()))
        };
        let (with_scans, admission) = self.sales.reads.ask(ask).await?;
        let mut tickets = Vec::new();
        for (order, scans) in with_scans {
            let order = Arc::new(order);
            for number in (1..=order.tickets.len()).filter_map(|n| u16::try_from(n).ok()) {
                let last = deciding(&of_ticket(&scans, number), admission).cloned();
                tickets.push(NamedTicket { order: Arc::clone(&order), number, last });
            }
        }
        more |= tickets.len() > MOST_TICKETS;
        tickets.truncate(MOST_TICKETS);
        Ok(FoundTickets { tickets, more })
    }
}

impl NamedTicket {
    /// Whether the ticket lets somebody in, its scans aside.
    pub fn is_valid(&self) -> bool {
        let ticket = self.order.ticket(self.number);
        ticket.is_some_and(|ticket| ticket.state == TicketState::Valid)
    }
}
