//! Exports of an event as CSV files, and its accounts. Orders are read some at a time and handed on as they are
//! read: however many there are, few are in memory at once, and a client that reads slowly is waited for.
//!
//! Cells that a spreadsheet would take for a formula get an apostrophe (CWE-1236). Files are in UTF-8 and begin with
//! the mark by which spreadsheets know that.
//!
//! It must not know: HTTP, SQL.

#[cfg(test)]
mod tests;

use super::ledger::{Ledger, Movement, Sums, Way, movements};
use crate::access::{Permit, may};
use crate::codes::Codes;
use crate::sales::{SaleError, Sales};
use crate::store::records::door::ScanRow;
use crate::store::records::door_reads::of_orders;
use crate::store::{Fault, Listing, OrderPage};
use crate::tasks::spawn;
use crate::when;
use boxoffice::{Currency, Event, Money, Order, OrderId, Tender, TicketState};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use uuid::Uuid;

/// So many orders are read at a time, ...
const PAGE: usize = 500;
/// ... of so many that are looked at.
const LOOK: usize = 10_000;
/// So many pages may wait for a client that reads slowly.
const PAGES: usize = 2;
/// So many exports at a time: each keeps one of the connections to the database busy.
const AT_ONCE: usize = 2;
/// By this spreadsheets know that a file is in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What is exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A line for each order.
    Orders,
    /// A line for each ticket: the guest list.
    Tickets,
    /// A line for each ticket: whether its guest has come, when and where.
    Arrivals,
    /// A line for each payment and each refund.
    Payments,
    /// A line for each day and each way to pay: what was taken and given back.
    Days,
}

impl What {
    /// All of them.
    pub const ALL: [What; 5] =
        [What::Orders, What::Tickets, What::Arrivals, What::Payments, What::Days];

    /// The name of the file.
    pub fn file(self) -> &'static str {
        match self {
            What::Orders => "orders.csv",
            What::Tickets => "tickets.csv",
            What::Arrivals => "arrivals.csv",
            What::Payments => "payments.csv",
            What::Days => "days.csv",
        }
    }

    /// The one with this name of a file.
    pub fn of_file(name: &str) -> Option<What> {
        What::ALL.into_iter().find(|what| what.file() == name)
    }

    fn head(self) -> &'static [&'static str] {
        match self {
            What::Orders => &[
                "order",
                "placed",
                "state",
                "name",
                "email",
                "language",
                "tickets",
                "tickets_refunded",
                "total",
                "given_back",
                "going_back",
                "currency",
                "payment",
                "dispute",
                "tender",
                "reference",
            ],
            What::Tickets => &[
                "ticket",
                "code",
                "ticket_type",
                "guest",
                "valid",
                "price",
                "currency",
                "order",
                "buyer",
                "email",
                "placed",
            ],
            What::Arrivals => &[
                "ticket",
                "ticket_type",
                "guest",
                "buyer",
                "valid",
                "came",
                "first_in",
                "gate",
                "last",
                "last_at",
                "order",
            ],
            What::Payments => &[
                "at",
                "day",
                "kind",
                "taken",
                "given_back",
                "currency",
                "tickets",
                "order",
                "detail",
                "tender",
            ],
            What::Days => &[
                "day",
                "tickets_sold",
                "tickets_taken_back",
                "taken",
                "given_back",
                "going_back",
                "left",
                "currency",
                "tender",
            ],
        }
    }
}

/// Parts of a file, in their order. An error ends it: then it is not whole.
pub type Parts = mpsc::Receiver<Result<Bytes, Fault>>;

/// The use cases.
pub struct Exports {
    sales: Arc<Sales>,
    codes: Arc<Codes>,
    turns: Arc<Semaphore>,
}

impl Exports {
    /// Of this box office.
    pub fn new(sales: Arc<Sales>, codes: Arc<Codes>) -> Exports {
        Exports { sales, codes, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Exports something of an event.
    pub async fn export(
        self: &Arc<Self>,
        permit: &Permit<may::SeeOrders>,
        event: Arc<Event>,
        what: What,
    ) -> Result<Parts, SaleError> {
        assert_eq!(permit.event(), event.id, "the permit is for the event");
        let turn = Arc::clone(&self.turns).try_acquire_owned().map_err(|_| SaleError::Busy)?;
        let (sender, parts) = mpsc::channel(PAGES);
        let exports = Arc::clone(self);
        spawn(async move {
            let _turn = turn;
            if let Err(fault) = exports.send(&event, what, &sender).await {
                tracing::warn!(%fault, "an export ended in the middle");
                _ = sender.send(Err(fault)).await;
            }
        });
        Ok(parts)
    }

    /// The accounts of an event, as they are now.
    pub async fn ledger(
        &self,
        permit: &Permit<may::SeeOrders>,
        event: &Event,
    ) -> Result<Ledger, SaleError> {
        assert_eq!(permit.event(), event.id, "the permit is for the event");
        let _turn: SemaphorePermit<'_> = self.turns.try_acquire().map_err(|_| SaleError::Busy)?;
        let mut ledger = Ledger::new(&event.spec.zone, event.spec.currency);
        let mut after = None;
        loop {
            let page = self.page(event, after).await?;
            page.orders.iter().for_each(|order| ledger.add(order));
            after = page.next;
            if after.is_none() {
                return Ok(ledger);
            }
        }
    }

    async fn page(&self, event: &Event, after: Option<OrderId>) -> Result<OrderPage, Fault> {
        let listing = Listing {
            events: Some(vec![event.id]),
            after,
            newest_first: false,
            ..Listing::newest(PAGE, LOOK)
        };
        self.sales.reads.ask(move |reader| reader.listed(&listing, &|_| true)).await
    }

    /// The scans that count, of the tickets of these orders, which are in the order of their ids.
    async fn scans(&self, event: &Event, orders: &[Order]) -> Result<Vec<ScanRow>, Fault> {
        let (Some(first), Some(last)) = (orders.first(), orders.last()) else {
            return Ok(Vec::new());
        };
        let (event, between) = (event.id, (first.id, last.id));
        self.sales.reads.ask(move |reader| of_orders(reader.tables(), event, between)).await
    }

    async fn send(
        &self,
        event: &Event,
        what: What,
        to: &mpsc::Sender<Result<Bytes, Fault>>,
    ) -> Result<(), Fault> {
        let mut ledger = Ledger::new(&event.spec.zone, event.spec.currency);
        let mut table = Table::begin(what);
        let mut after = None;
        loop {
            let page = self.page(event, after).await?;
            let scans = match what {
                What::Arrivals => self.scans(event, &page.orders).await?,
                _ => Vec::new(),
            };
            for order in &page.orders {
                match what {
                    What::Orders => table.row(&of_order(order, event)),
                    What::Tickets => {
                        let rows = of_tickets(order, event, &self.codes);
                        rows.iter().for_each(|row| table.row(row));
                    }
                    What::Arrivals => {
                        let rows = of_arrivals(order, event, &scans);
                        rows.iter().for_each(|row| table.row(row));
                    }
                    What::Payments => {
                        let rows = of_payments(order, event);
                        rows.iter().for_each(|row| table.row(row));
                    }
                    What::Days => ledger.add(order),
                }
            }
            after = page.next;
            if after.is_none() && what == What::Days {
                of_days(&ledger).iter().for_each(|row| table.row(row));
            }
            let part = table.take();
            // Who does not read any more has gone.
            if !part.is_empty() && to.send(Ok(part)).await.is_err() {
                return Ok(());
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// A table as it is written.
struct Table(csv::Writer<Vec<u8>>);

impl Table {
    fn begin(what: What) -> Table {
        let mut table = Table(csv::Writer::from_writer(MARK.to_vec()));
        table.0.write_record(what.head()).expect("it is written into memory");
        table
    }

    fn row(&mut self, cells: &[String]) {
        let cells = cells.iter().map(|cell| harmless(cell));
        self.0.write_record(cells).expect("rows have the cells of the head");
    }

    /// What was written since the last time.
    fn take(&mut self) -> Bytes {
        self.0.flush().expect("it is written into memory");
        let rest = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        let written = std::mem::replace(&mut self.0, rest);
        written.into_inner().expect("it was flushed").into()
    }
}

/// A cell that no spreadsheet takes for a formula.
fn harmless(cell: &str) -> String {
    // A number below zero is one.
    let number = cell.strip_prefix('-').is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '.')
    });
    if number {
        return cell.to_owned();
    }
    // Some spreadsheets part cells at other characters than a comma, within what we have quoted as well
    // (<https://owasp.org/www-community/attacks/CSV_Injection>).
    let mut out = String::with_capacity(cell.len() + 1);
    let mut begins = true;
    for c in cell.chars() {
        if begins && matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r') {
            out.push('\'');
        }
        out.push(c);
        begins = matches!(c, ';' | ',' | '\t' | '|') || (begins && c == ' ');
    }
    out
}

/// A sum without its currency: `9.99`.
pub fn plain(minor: i64, currency: Currency) -> String {
    let money = Money { minor, currency }.to_string();
    money.split(' ').next().unwrap_or_default().to_owned()
}

fn id(order: &Order) -> String {
    Uuid::from_u128(order.id.0).to_string()
}

fn of_order(order: &Order, event: &Event) -> Vec<String> {
    let sum = |way: Way| -> i64 {
        movements(order).iter().filter(|m| m.way == way).map(|m| m.minor).sum()
    };
    let money = |minor| plain(minor, order.currency);
    let payment = order.payment.as_ref();
    let count = |of: fn(&boxoffice::Line) -> u32| -> String {
        order.lines.iter().map(of).sum::<u32>().to_string()
    };
    vec![
        id(order),
        when::clock_in(order.placed_ms, &event.spec.zone),
        order.state.word().into(),
        order.buyer.name.clone(),
        order.buyer.email.clone(),
        order.buyer.language.code().into(),
        count(|line| line.quantity),
        count(|line| line.refunded),
        money(order.total().minor),
        money(sum(Way::GivenBack)),
        money(sum(Way::GoingBack)),
        order.currency.code().into(),
        payment.and_then(|payment| payment.intent.clone()).unwrap_or_default(),
        payment.and_then(|p| p.dispute.as_ref()).map(|d| d.status.clone()).unwrap_or_default(),
        order.tender.word().into(),
        order.reference.clone(),
    ]
}

/// `scans`: those that count, of this order and of others, by order, ticket and turn.
fn of_arrivals(order: &Order, event: &Event, scans: &[ScanRow]) -> Vec<Vec<String>> {
    let begin = scans.partition_point(|scan| scan.order_id < order.id);
    let end = scans.partition_point(|scan| scan.order_id <= order.id);
    let clock = |scan: &ScanRow| when::clock_in(scan.when_ms(), &event.spec.zone);
    let row = |ticket: &boxoffice::Ticket| {
        let line = &order.lines[usize::from(ticket.line)];
        let number = order.number_of(ticket).map(u32::from);
        let own = || scans[begin..end].iter().filter(|scan| Some(scan.number) == number);
        let first = own().find(|scan| !scan.goes_out);
        let last = own().next_back();
        vec![
            ticket.serial.to_string(),
            event.ticket_types[usize::from(line.ticket_type)].name.clone(),
            ticket.guest.clone().unwrap_or_default(),
            order.buyer.name.clone(),
            if ticket.state == TicketState::Valid { "yes" } else { "no" }.into(),
            if first.is_some() { "yes" } else { "no" }.into(),
            first.map(clock).unwrap_or_default(),
            first.map(|scan| scan.gate.clone()).unwrap_or_default(),
            last.map(|scan| if scan.goes_out { "out" } else { "in" }.into()).unwrap_or_default(),
            last.map(clock).unwrap_or_default(),
            id(order),
        ]
    };
    order.tickets.iter().map(row).collect()
}

fn of_tickets(order: &Order, event: &Event, codes: &Codes) -> Vec<Vec<String>> {
    let row = |ticket: &boxoffice::Ticket| {
        let line = &order.lines[usize::from(ticket.line)];
        vec![
            ticket.serial.to_string(),
            codes.of(order, ticket).short,
            event.ticket_types[usize::from(line.ticket_type)].name.clone(),
            ticket.guest.clone().unwrap_or_default(),
            if ticket.state == TicketState::Valid { "yes" } else { "no" }.into(),
            plain(line.unit_minor, order.currency),
            order.currency.code().into(),
            id(order),
            order.buyer.name.clone(),
            order.buyer.email.clone(),
            when::clock_in(order.placed_ms, &event.spec.zone),
        ]
    };
    order.tickets.iter().map(row).collect()
}

fn of_payments(order: &Order, event: &Event) -> Vec<Vec<String>> {
    let zone = &event.spec.zone;
    let row = |movement: Movement| {
        let Movement { at_ms, way, minor, quantities, detail } = movement;
        let (taken, back) = match way {
            Way::Taken => (minor, 0),
            Way::GivenBack | Way::GoingBack => (0, minor),
            Way::Failed => (0, 0),
        };
        vec![
            when::clock_in(at_ms, zone),
            when::day_in(at_ms, zone),
            way.word().into(),
            plain(taken, order.currency),
            plain(back, order.currency),
            order.currency.code().into(),
            quantities.iter().sum::<u32>().to_string(),
            id(order),
            detail,
            order.tender.word().into(),
        ]
    };
    movements(order).into_iter().map(row).collect()
}

fn of_days(ledger: &Ledger) -> Vec<Vec<String>> {
    let row = |((day, currency, tender), sums): (&(String, Currency, Tender), &Sums)| {
        let money = |minor| plain(minor, *currency);
        vec![
            day.clone(),
            sums.sold.to_string(),
            sums.taken_back.to_string(),
            money(sums.taken),
            money(sums.given_back),
            money(sums.going_back),
            money(sums.left()),
            currency.code().into(),
            tender.word().into(),
        ]
    };
    ledger.days.iter().map(row).collect()
}
