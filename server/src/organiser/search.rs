//! Looking for orders: lists with filters, and one text that may be a name, an address, a ticket's code or an
//! order's id.
//!
//! Exact keys go first: an id, or a code of a ticket. Else the text is looked for in names and addresses: first in
//! the orders that are so new that the search table does not have them yet, one by one, then in the table. Each page
//! looks at a bounded number of rows, so that none takes long, and says where the next one begins: a page may hold
//! fewer orders than were asked for although more follow.
//!
//! It must not know: HTTP, SQL.

pub mod fill;
#[cfg(test)]
mod tests;

use crate::access::{Caller, Permit, Right, ShopPermit, may};
use crate::sales::{SaleError, Sales};
use crate::search_text::{self, Scan, scans};
use crate::store::records::order_search::{FoundBy, progress, range};
use crate::store::{Fault, Listing, OrderPage, Reader};
use crate::tickets::Tickets;
use boxoffice::{CodeSpec, CounterKind, Event, EventId, Line, Order, OrderId, OrderState, TimeMs};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use uuid::Uuid;

/// So many orders are looked at for one page of a list.
const LOOK: usize = 20_000;
/// So many rows of the search table are looked at for one page.
const LOOK_AT_ROWS: usize = 20_000;
/// So many rows of it are read at a time.
const ROWS: usize = 500;
/// So many orders that the table names are read for one page.
const LOOK_AT_FOUND: usize = 300;
/// An id may be cut after so many digits, no fewer.
const LEAST_DIGITS: usize = 8;

/// The use cases.
pub struct Search {
    /// Where orders are found.
    pub sales: Arc<Sales>,
    /// Whose a code is.
    pub tickets: Arc<Tickets>,
}

/// Of which events orders are asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Of {
    /// Of all.
    All(ShopPermit<may::SeeOrders>),
    /// Of these.
    These(Vec<Permit<may::SeeOrders>>),
    /// Of this one, at whose door somebody looks for a guest.
    AtDoor(Permit<may::CheckIn>),
}

impl Of {
    /// Of all events whose orders somebody may see, among these.
    pub fn all_that(caller: &Caller, events: &[Arc<Event>]) -> Of {
        match caller.shop_permit() {
            Ok(permit) => Of::All(permit),
            Err(_) => {
                let may_see = events.iter().filter(|e| caller.has(Right::SeeOrders, Some(e.id)));
                Of::These(may_see.filter_map(|event| caller.permit(event.id).ok()).collect())
            }
        }
    }

    fn events(&self) -> Option<Vec<EventId>> {
        match self {
            Of::All(_) => None,
            Of::These(permits) => Some(permits.iter().map(Permit::event).collect()),
            Of::AtDoor(permit) => Some(vec![permit.event()]),
        }
    }
}

/// Which orders are asked for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Asked {
    /// What somebody typed.
    pub text: Option<String>,
    /// Only those of exactly this address, however it is written.
    pub email: Option<String>,
    /// Only those in this state.
    pub state: Option<OrderState>,
    /// Only those with tickets of a type with this id.
    pub ticket_type: Option<String>,
    /// Only those that were bought with this code of their event.
    pub code: Option<String>,
    /// Only those that were placed or changed at this time or later.
    pub changed_since: Option<TimeMs>,
}

/// Whether a list is to be complete up to a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AsOf {
    /// It shows what there is now, and nobody asks for what has changed since.
    Now,
    /// [`Found::as_of_ms`] is told: all that was decided before it can be read. What is asked for by
    /// [`Asked::changed_since`] ends there, so that whoever goes on from there, or from the last change that was told,
    /// misses nothing.
    Settled,
    /// The same, as it was for the first page.
    At(TimeMs),
}

/// Which page of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct At {
    /// Where it begins: [`Found::next`] of the page before.
    pub from: Option<Cursor>,
    /// The newest orders first, or else the oldest. Of what a text finds, no order is promised.
    pub newest_first: bool,
    /// So many orders at most.
    pub limit: usize,
    /// Up to when it is complete.
    pub as_of: AsOf,
}

/// A page of orders.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Found {
    /// The orders.
    pub orders: Vec<Order>,
    /// When each of them was placed or changed for the last time.
    pub changed_ms: Vec<TimeMs>,
    /// Up to when the list is complete, if that was asked for.
    pub as_of_ms: Option<TimeMs>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Cursor>,
    /// Whether some of the newest orders were not looked at: there are too many that the search table does not have
    /// yet. They are found by id and by code.
    pub newest_left_out: bool,
}

/// Where a page begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cursor {
    /// Behind this order of the list.
    Order(OrderId),
    /// Behind this order of those that are newer than the last one which the search table has.
    Newest {
        /// The order.
        order: OrderId,
        /// The last one in the table, when the first page was read.
        done: OrderId,
    },
    /// Behind a row of the search table.
    Row {
        /// In which range of it.
        scan: usize,
        /// The row.
        row: FoundBy,
        /// The last one in the table, when the first page was read.
        done: OrderId,
    },
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |id: &OrderId| Uuid::from_u128(id.0);
        match self {
            Cursor::Order(order) => write!(f, "{}", id(order)),
            Cursor::Newest { order, done } => write!(f, "n.{}.{}", id(order), id(done)),
            Cursor::Row { scan, row, done } => {
                write!(f, "r.{scan}.{}.{}.{:x}.", id(&row.order_id), id(done), row.event.0)?;
                row.text.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Cursor, ()> {
        let id = |text: &str| Uuid::try_parse(text).map(|id| OrderId(id.as_u128())).map_err(|_| ());
        let parts: Vec<&str> = text.split('.').collect();
        match parts[..] {
            [order] => Ok(Cursor::Order(id(order)?)),
            ["n", order, done] => Ok(Cursor::Newest { order: id(order)?, done: id(done)? }),
            ["r", scan, order, done, event, text] => {
                let event = EventId(u64::from_str_radix(event, 16).map_err(|_| ())?);
                let bytes = (0..text.len()).step_by(2).map(|at| {
                    text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok()).ok_or(())
                });
                let text = String::from_utf8(bytes.collect::<Result<_, ()>>()?).map_err(|_| ())?;
                let row = FoundBy { text, event, order_id: id(order)? };
                let scan = scan.parse().map_err(|_| ())?;
                Ok(Cursor::Row { scan, row, done: id(done)? })
            }
            _ => Err(()),
        }
    }
}

impl Search {
    /// A page of the orders that are asked for.
    pub async fn orders(&self, of: &Of, asked: &Asked, at: &At) -> Result<Found, SaleError> {
        let as_of_ms = match at.as_of {
            AsOf::Now => None,
            AsOf::At(ms) => Some(ms),
            AsOf::Settled => Some(self.settled_ms().await?),
        };
        let mut filter = self.filter(of, asked);
        filter.changed_before = as_of_ms.filter(|_| asked.changed_since.is_some());
        let found = self.find(filter, asked, at).await?;
        Ok(Found { as_of_ms, ..found })
    }

    /// A time such that all that was decided before it can be read from now on.
    async fn settled_ms(&self) -> Result<TimeMs, SaleError> {
        let own_ms = self.sales.under_way.settled_ms(self.sales.clock.now_ms());
        Ok(self.sales.reads.ask(move |r| Ok(r.settled_ms()?.unwrap_or(own_ms))).await?)
    }

    async fn find(&self, filter: Filter, asked: &Asked, at: &At) -> Result<Found, SaleError> {
        let (text, at) = (asked.text.as_deref().unwrap_or("").trim(), at.clone());
        if let Some(email) = &asked.email {
            let scans = vec![Scan::email(email)];
            let question = move |reader: &mut dyn Reader| by_text(reader, &filter, &scans, &at);
            return Ok(self.sales.reads.ask(question).await?);
        }
        if text.is_empty() {
            let question = move |reader: &mut dyn Reader| list(reader, &filter, &at);
            return Ok(self.sales.reads.ask(question).await?);
        }
        if at.from.is_none()
            && let Some(id) = self.by_key(text).await?
        {
            let only = filter.clone();
            let order = self.sales.reads.ask(move |reader| only.order(reader, id)).await?;
            if let Some((order, changed_ms)) = order {
                let (orders, changed_ms) = (vec![order], vec![changed_ms]);
                return Ok(Found { orders, changed_ms, ..Found::default() });
            }
        }
        let (digits, scans) = (digits(text), scans(text));
        let question = move |reader: &mut dyn Reader| {
            if let Some((from, to)) = digits
                && matches!(at.from, None | Some(Cursor::Order(_)))
            {
                let found = by_begin(reader, &filter, (from, to), &at)?;
                if !found.orders.is_empty() || at.from.is_some() {
                    return Ok(found);
                }
            }
            by_text(reader, &filter, &scans, &at)
        };
        Ok(self.sales.reads.ask(question).await?)
    }

    /// The order whose id or the code of whose ticket this is.
    async fn by_key(&self, text: &str) -> Result<Option<OrderId>, SaleError> {
        // The id by itself, or the address of the order's page, here or at the buyer's.
        let behind = text.split_once("/orders/").map(|(_, rest)| rest);
        let id = behind.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or(text);
        if let Ok(id) = Uuid::try_parse(id) {
            return Ok(Some(OrderId(id.as_u128())));
        }
        self.tickets.order_of_code(text).await
    }

    fn filter(&self, of: &Of, asked: &Asked) -> Filter {
        let types = asked.ticket_type.as_ref().map(|wanted| {
            let mut types: Vec<(EventId, u16)> = Vec::new();
            for event in self.sales.catalogue.events() {
                let of = event.ticket_types.iter().zip(0u16..).filter(|(t, _)| t.id == *wanted);
                types.extend(of.map(|(_, at)| (event.id, at)));
            }
            types.sort_unstable();
            types
        });
        let codes = asked.code.as_ref().map(|wanted| {
            let wanted = CodeSpec::normal(wanted);
            let events = self.sales.catalogue.events();
            let counter =
                |event: &Arc<Event>| Some((event.id, event.counter(CounterKind::Code, &wanted)?));
            events.iter().filter_map(counter).collect()
        });
        Filter {
            events: of.events(),
            state: asked.state,
            changed_since: asked.changed_since,
            changed_before: None,
            types,
            codes,
            issued: matches!(of, Of::AtDoor(_)),
        }
    }
}

/// Which orders fit, whatever they are found by.
#[derive(Clone, Default)]
struct Filter {
    events: Option<Vec<EventId>>,
    state: Option<OrderState>,
    changed_since: Option<TimeMs>,
    changed_before: Option<TimeMs>,
    /// With tickets of one of these types, in ascending order.
    types: Option<Vec<(EventId, u16)>>,
    /// Bought with one of these codes, by their counters.
    codes: Option<Vec<(EventId, u16)>>,
    /// Only those that have got their tickets, be they refunded.
    issued: bool,
}

impl Filter {
    fn listing(&self, limit: usize) -> Listing {
        Listing {
            events: self.events.clone(),
            state: self.state,
            changed_since: self.changed_since,
            changed_before: self.changed_before,
            ..Listing::newest(limit, LOOK)
        }
    }

    fn fits(&self, order: &Order) -> bool {
        if self.issued && !order.state.was_paid() {
            return false;
        }
        let any = |wanted: &Option<Vec<(EventId, u16)>>, of: fn(&Line) -> Option<u16>| {
            wanted.as_ref().is_none_or(|wanted| {
                let mut known = order.lines.iter().filter_map(of);
                known.any(|index| wanted.contains(&(order.event, index)))
            })
        };
        any(&self.types, |line| Some(line.ticket_type)) && any(&self.codes, |line| line.extra.code)
    }

    /// This order, if it fits.
    fn order(
        &self,
        reader: &mut dyn Reader,
        id: OrderId,
    ) -> Result<Option<(Order, TimeMs)>, Fault> {
        let page = reader.listed(&self.listing(1).only(id), &|order| self.fits(order))?;
        Ok(page.orders.into_iter().zip(page.changed_ms).next())
    }
}

/// A page of all orders that fit.
fn list(reader: &mut dyn Reader, filter: &Filter, at: &At) -> Result<Found, Fault> {
    let from = match at.from {
        Some(Cursor::Order(order)) => Some(order),
        _ => None,
    };
    let (after, before) = if at.newest_first { (None, from) } else { (from, None) };
    let listing =
        Listing { after, before, newest_first: at.newest_first, ..filter.listing(at.limit) };
    let OrderPage { orders, changed_ms, next } =
        reader.listed(&listing, &|order| filter.fits(order))?;
    Ok(Found { orders, changed_ms, next: next.map(Cursor::Order), ..Found::default() })
}

/// The ids that begin with what somebody typed, the first and the last: it must look like the begin of one.
fn digits(text: &str) -> Option<(u128, u128)> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let is_begin = (LEAST_DIGITS..32).contains(&digits.len())
        && digits.chars().all(|c| c.is_ascii_hexdigit())
        && digits.chars().any(|c| c.is_ascii_digit());
    let number = u128::from_str_radix(&digits, 16).ok().filter(|_| is_begin)?;
    let bits = 4 * (32 - digits.len());
    Some((number << bits, number << bits | ((1 << bits) - 1)))
}

/// A page of the orders whose ids lie there.
fn by_begin(
    reader: &mut dyn Reader,
    filter: &Filter,
    (from, to): (u128, u128),
    at: &At,
) -> Result<Found, Fault> {
    let behind = match at.from {
        Some(Cursor::Order(order)) => Some(order),
        _ => None,
    };
    let mut listing = filter.listing(at.limit).between(from, to);
    listing.newest_first = at.newest_first;
    match at.newest_first {
        true => listing.before = behind.or(listing.before),
        false => listing.after = behind.or(listing.after),
    }
    let fits = |order: &Order| (from..=to).contains(&order.id.0) && filter.fits(order);
    let OrderPage { orders, changed_ms, next } = reader.listed(&listing, &fits)?;
    Ok(Found { orders, changed_ms, next: next.map(Cursor::Order), ..Found::default() })
}

/// A page of the orders with a name or an address that fits.
fn by_text(
    reader: &mut dyn Reader,
    filter: &Filter,
    scans: &[Scan],
    at: &At,
) -> Result<Found, Fault> {
    let mut found = Found::default();
    if scans.is_empty() {
        return Ok(found);
    }
    let buyer_fits = |order: &Order| {
        let texts = search_text::of_buyer(order);
        scans.iter().any(|scan| texts.iter().any(|text| scan.fits(text)))
    };
    let (newest, done, row) = match &at.from {
        None | Some(Cursor::Order(_)) => (Some(None), progress(reader.tables())?.done, None),
        Some(Cursor::Newest { order, done }) => (Some(Some(*order)), *done, None),
        Some(Cursor::Row { scan, row, done }) => (None, *done, Some((*scan, row.clone()))),
    };
    if let Some(before) = newest {
        let after = Some(done).filter(|done| *done != OrderId(0));
        let listing = Listing { after, before, ..filter.listing(at.limit) };
        let fits = |order: &Order| filter.fits(order) && buyer_fits(order);
        let page = reader.listed(&listing, &fits)?;
        (found.orders, found.changed_ms) = (page.orders, page.changed_ms);
        if let Some(next) = page.next {
            if found.orders.len() >= at.limit {
                found.next = Some(Cursor::Newest { order: next, done });
                return Ok(found);
            }
            found.newest_left_out = true;
        }
    }
    in_table(reader, filter, scans, (done, row), at.limit, &buyer_fits, &mut found)?;
    Ok(found)
}

/// Adds what the search table has.
fn in_table(
    reader: &mut dyn Reader,
    filter: &Filter,
    scans: &[Scan],
    (done, row): (OrderId, Option<(usize, FoundBy)>),
    limit: usize,
    buyer_fits: &dyn Fn(&Order) -> bool,
    found: &mut Found,
) -> Result<(), Fault> {
    let (mut rows_left, mut reads_left) = (LOOK_AT_ROWS, LOOK_AT_FOUND);
    let (first, mut after) = row.map_or((0, None), |(scan, row)| (scan, Some(row)));
    for (at, scan) in scans.iter().enumerate().skip(first) {
        let end = scan.end();
        let begin =
            || FoundBy { text: scan.begin.clone(), event: EventId(0), order_id: OrderId(0) };
        let mut from = after.take().unwrap_or_else(begin);
        loop {
            let rows = range(reader.tables(), &from, &end, ROWS)?;
            let full = rows.len() == ROWS;
            for row in rows {
                from = row;
                rows_left = rows_left.saturating_sub(1);
                let of_these = filter.events.as_ref().is_none_or(|e| e.contains(&from.event));
                if of_these && scan.fits(&from.text) {
                    reads_left -= 1;
                    if let Some((order, changed_ms)) = filter.order(reader, from.order_id)?
                        && is_first(&order, scans, at, &from.text)
                        && !(order.id > done && buyer_fits(&order))
                    {
                        found.orders.push(order);
                        found.changed_ms.push(changed_ms);
                    }
                }
                if found.orders.len() >= limit || rows_left == 0 || reads_left == 0 {
                    found.next = Some(Cursor::Row { scan: at, row: from, done });
                    return Ok(());
                }
            }
            if !full {
                break;
            }
        }
    }
    Ok(())
}

/// Whether a row is the first one by which an order is found: so it is told once, however many rows fit.
fn is_first(order: &Order, scans: &[Scan], at: usize, text: &str) -> bool {
    let texts = search_text::of(order);
    let before = scans[..at].iter().any(|scan| texts.iter().any(|text| scan.fits(text)));
    let first = texts.iter().find(|text| scans[at].fits(text));
    !before && first.is_some_and(|first| first == text)
}
