//! Lists in small pages, so that the borders between pages are crossed often: those of the store,
//! and those of the provider.

use boxoffice::mutant::{Mutant, on};
use boxoffice::{Event, EventId, Order, OrderId, TimeMs};
use nts_server::payments::wire::{Exchange, Wire, WireRequest, WireResponse};
use nts_server::store::records::Tables;
use nts_server::store::{
    Fault, Lane, Listing, NamedTicket, OrderPage, OwnerPage, Reader, VersionVector,
};
use serde_json::Value;
use std::sync::Arc;

/// A reader that gives a few rows at a time, where a cursor tells whether more follow.
pub struct Pages {
    inner: Box<dyn Reader>,
    most: usize,
}

impl Pages {
    /// At most so many rows; none: as many as were asked for.
    pub fn new(inner: Box<dyn Reader>, most: Option<usize>) -> Pages {
        Pages { inner, most: most.unwrap_or(usize::MAX) }
    }
}

impl Reader for Pages {
    fn tables(&mut self) -> &mut dyn Tables {
        self.inner.tables()
    }

    fn versions(&mut self) -> Result<Option<VersionVector>, Fault> {
        self.inner.versions()
    }

    fn verify(&mut self) -> Result<Vec<String>, Fault> {
        self.inner.verify()
    }

    fn events(&mut self) -> Result<Vec<Event>, Fault> {
        self.inner.events()
    }

    fn order(&mut self, id: OrderId) -> Result<Option<Order>, Fault> {
        self.inner.order(id)
    }

    fn orders(
        &mut self,
        event: EventId,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<OrderPage, Fault> {
        self.inner.orders(event, after, limit.min(self.most))
    }

    fn all_orders(&mut self, after: Option<OrderId>, limit: usize) -> Result<OrderPage, Fault> {
        self.inner.all_orders(after, limit.min(self.most))
    }

    fn listed(
        &mut self,
        listing: &Listing,
        fits: &dyn Fn(&Order) -> bool,
    ) -> Result<OrderPage, Fault> {
        let most = Listing { limit: listing.limit.min(self.most), ..listing.clone() };
        self.inner.listed(&most, fits)
    }

    fn owners(&mut self, after: Option<OrderId>, limit: usize) -> Result<OwnerPage, Fault> {
        self.inner.owners(after, limit.min(self.most))
    }

    /// Who asks for it knows by the number of rows whether more may follow.
    fn due(&mut self, now: TimeMs, lane: Lane, limit: usize) -> Result<Vec<OrderId>, Fault> {
        self.inner.due(now, lane, limit)
    }

    /// As [`Pages::due`].
    fn tickets(
        &mut self,
        event: EventId,
        after: u32,
        limit: usize,
    ) -> Result<Vec<NamedTicket>, Fault> {
        self.inner.tickets(event, after, limit)
    }

    fn references(&mut self, event: EventId, prefix: &str) -> Result<Vec<String>, Fault> {
        self.inner.references(event, prefix)
    }

    fn order_of_ticket(&mut self, event: EventId, serial: u32) -> Result<Option<OrderId>, Fault> {
        self.inner.order_of_ticket(event, serial)
    }
}

/// The longest page of a list that Stripe gives, as our client asks for it.
const WHOLE: &str = "&limit=100";

/// The request for a page of a list as it goes over the wire: at most so many rows of it.
pub fn ask(request: &mut WireRequest, most: Option<usize>, now_s: i64) {
    if request.method != "GET" || !request.path.contains(WHOLE) {
        return;
    }
    if let Some(most) = most {
        request.path = request.path.replace(WHOLE, &format!("&limit={most}"));
    }
    if on(Mutant::NoOverlap)
        && let Some((path, query)) = request.path.split_once("created[gte]=")
    {
        let rest = query.split_once('&').map_or("", |(_, rest)| rest);
        request.path = format!("{path}created[gte]={}&{rest}", now_s - 300);
    }
}

/// A deliberate break: how a page is read that came for this path.
pub fn misread(path: &str, response: &mut WireResponse) {
    let (first, late) = (on(Mutant::FirstPageOnly), on(Mutant::NextPageLate));
    if !(first || late) || !path.contains("limit=") || response.status != 200 {
        return;
    }
    let Ok(mut list) = serde_json::from_slice::<Value>(&response.body) else { return };
    if first {
        list["has_more"] = false.into();
    } else if path.contains("starting_after=")
        && let Some(rows) = list["data"].as_array_mut()
        && rows.len() > 1
    {
        rows.remove(0);
    }
    response.body = list.to_string().into_bytes().into();
}

/// The way to the provider of somebody who is never in trouble, in small pages.
pub struct Direct<W> {
    /// The provider.
    pub to: Arc<W>,
    /// At most so many rows of a page.
    pub most: Option<usize>,
}

impl<W: Wire> Wire for Direct<W> {
    fn exchange(&self, mut request: WireRequest) -> Exchange<'_> {
        // No mutant asks for less here: by what it says the others are judged.
        if let Some(most) = self.most {
            request.path = request.path.replace(WHOLE, &format!("&limit={most}"));
        }
        self.to.exchange(request)
    }
}
