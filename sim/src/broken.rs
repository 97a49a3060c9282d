//! Deliberate breaks that are wrappers around a part of the server: see `boxoffice::mutant`. Nothing of
//! this is in the product.

use boxoffice::mutant::{Mutant, on};
use boxoffice::{Buyer, Event, EventId, Order, OrderId, TicketState, TimeMs};
use nts_server::store::records::Tables;
use nts_server::store::{
    Fault, Lane, Listing, NamedTicket, OrderPage, OwnerPage, Reader, VersionVector,
};
use std::collections::BTreeMap;

/// What pages and settlement read, broken if a mutant says so.
pub struct BrokenReader(Box<dyn Reader>, BTreeMap<OrderId, Buyer>);

impl BrokenReader {
    /// Reads from there.
    pub fn new(inner: Box<dyn Reader>) -> BrokenReader {
        BrokenReader(inner, BTreeMap::new())
    }
}

impl Reader for BrokenReader {
    fn tables(&mut self) -> &mut dyn Tables {
        self.0.tables()
    }

    fn versions(&mut self) -> Result<Option<VersionVector>, Fault> {
        self.0.versions()
    }

    fn verify(&mut self) -> Result<Vec<String>, Fault> {
        self.0.verify()
    }

    fn events(&mut self) -> Result<Vec<Event>, Fault> {
        self.0.events()
    }

    fn order(&mut self, id: OrderId) -> Result<Option<boxoffice::Order>, Fault> {
        let mut order = self.0.order(id)?;
        if on(Mutant::ErasedIsRemembered)
            && let Some(order) = &mut order
        {
            order.buyer = self.1.entry(id).or_insert_with(|| order.buyer.clone()).clone();
        }
        Ok(order)
    }

    fn orders(
        &mut self,
        event: EventId,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<OrderPage, Fault> {
        let mut page = self.0.orders(event, after, limit)?;
        if on(Mutant::PageSkipsOne) && after.is_some() && !page.orders.is_empty() {
            page.orders.remove(0);
        }
        Ok(page)
    }

    fn all_orders(&mut self, after: Option<OrderId>, limit: usize) -> Result<OrderPage, Fault> {
        self.0.all_orders(after, limit)
    }

    fn listed(
        &mut self,
        listing: &Listing,
        fits: &dyn Fn(&Order) -> bool,
    ) -> Result<OrderPage, Fault> {
        self.0.listed(listing, fits)
    }

    fn owners(&mut self, after: Option<OrderId>, limit: usize) -> Result<OwnerPage, Fault> {
        let mut page = self.0.owners(after, limit)?;
        if on(Mutant::EraseMissesSome) {
            page.owners.retain(|owner| (owner.order.0 >> 64) % 4 != 0);
        }
        Ok(page)
    }

    fn due(&mut self, now: TimeMs, lane: Lane, limit: usize) -> Result<Vec<OrderId>, Fault> {
        let mut due = self.0.due(now, lane, limit)?;
        if on(Mutant::AnHourLate) {
            let late = |reader: &mut dyn Reader, id| -> Result<bool, Fault> {
                let due = reader.order(id)?.and_then(|o| o.due_ms);
                Ok(due.is_some_and(|due| due + 3_600_000 <= now))
            };
            let mut left = Vec::new();
            for id in due {
                if late(&mut *self.0, id)? {
                    left.push(id);
                }
            }
            due = left;
        }
        Ok(due)
    }

    fn tickets(
        &mut self,
        event: EventId,
        after: u32,
        limit: usize,
    ) -> Result<Vec<NamedTicket>, Fault> {
        let mut tickets = self.0.tickets(event, after, limit)?;
        if on(Mutant::GuestsRevoked) {
            tickets.iter_mut().for_each(|t| t.ticket.state = TicketState::Valid);
        }
        Ok(tickets)
    }

    fn references(&mut self, event: EventId, prefix: &str) -> Result<Vec<String>, Fault> {
        self.0.references(event, prefix)
    }

    fn order_of_ticket(&mut self, event: EventId, serial: u32) -> Result<Option<OrderId>, Fault> {
        self.0.order_of_ticket(event, serial)
    }
}

/// A page as it is sent, broken if a mutant says so: it is another buyer's.
pub fn page(text: String) -> String {
    if on(Mutant::PageOfAnother) { text.replace("buyer 1", "buyer 2") } else { text }
}
