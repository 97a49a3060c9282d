//! Watching: how the sale of an event goes, and what needs a person.
//!
//! All figures are read from rows that were written in the commits that they count
//! ([`crate::store::records::sale_figures`]), so they cover all processes on a database, and no orders are read.
//! What was read is kept for a moment and shown to everybody who looks meanwhile: however many do, the database is
//! asked by one at a time, and for a twentieth of the time at most.

pub use crate::store::records::sale_figures::{NO_TYPE, Sums};

use crate::access::{Permit, may};
use crate::mailing::{MailState, Mailing};
use crate::sales::{SaleError, Sales};
use crate::store::records::audit_log;
use crate::store::records::sale_figures::{PaymentTry, SPAN_MS, by_span, span, tries};
use crate::store::{Fault, Reader};
use boxoffice::{Event, EventId, Money, Order, OrderId, TimeMs};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{Duration, Instant};

/// What was read is shown for so long at least, ...
const KEPT: Duration = Duration::from_secs(1);
/// ... and for so many times as long as the reading took.
const SHARE: u32 = 20;
/// Sales are told by quarters of an hour: every zone's hours and days begin with one.
pub const QUARTER_MS: i64 = 15 * 60_000;
const HOUR_MS: i64 = 60 * 60_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// What was read of so many events is kept at most.
const MOST_KEPT: usize = 1_000;
/// What only was worth knowing is told for so long, in milliseconds.
const OTHER_MS: i64 = 14 * DAY_MS;
/// So many of the last alarms of an event are looked at, ...
const MOST_ALARMS: usize = 300;
/// ... and so many mails.
const MOST_MAILS: usize = 50;

/// How the sale of an event goes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Figures {
    /// What was sold of each ticket type, by its index in the event. Money of no ticket type has the index
    /// [`NO_TYPE`].
    pub by_type: BTreeMap<i64, Sums>,
    /// What was sold in each quarter of an hour that has something, the oldest first.
    pub quarters: Vec<(TimeMs, Sums)>,
    /// What was sold in the last hour, and since when that is.
    pub last_hour: Sums,
    /// When that hour began, in milliseconds since 1970: up to five minutes earlier than an hour ago.
    pub hour_began_ms: TimeMs,
    /// Money in other currencies than the event's own: it had another one before.
    pub foreign: BTreeMap<String, Sums>,
    /// How attempts to pay ended since the sale began: why they were declined, or nothing, and how many.
    pub outcomes: Vec<(String, i64)>,
    /// The same for the last 24 hours: how many were declined, and how many there were.
    pub day_declined: (i64, i64),
}

impl Figures {
    /// The sums of all ticket types.
    pub fn total(&self) -> Sums {
        let mut total = Sums::default();
        self.by_type.values().for_each(|sums| total.add(sums));
        total
    }

    /// How many attempts to pay were declined, and how many there were.
    pub fn declined(&self) -> (i64, i64) {
        declined(&self.outcomes)
    }
}

fn declined(outcomes: &[(String, i64)]) -> (i64, i64) {
    let sum = |of: fn(&str) -> bool| -> i64 {
        outcomes.iter().filter(|(why, _)| of(why)).map(|(_, number)| number).sum()
    };
    (sum(|why| !why.is_empty()), sum(|_| true))
}

/// Why an order needs a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// What it owes the payment provider was tried in vain for long.
    Stuck(String),
    /// A refund failed: this much is due to the buyer.
    OwedBack(Money),
    /// The cardholder disputes the payment: how much, and the provider's word for where it stands.
    Disputed(Money, String),
    /// Something else, in the words of the alarm.
    Other(String),
}

/// An order that needs a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Troubled {
    /// Which order.
    pub order: OrderId,
    /// Why.
    pub why: Why,
    /// When somebody was told last, in milliseconds since 1970.
    pub at_ms: TimeMs,
}

/// What needs a person, of one event.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Attention {
    /// Orders, the latest first.
    pub orders: Vec<Troubled>,
    /// Mails that were refused or given up, the latest first.
    pub mails: Vec<MailState>,
}

impl Attention {
    /// How many things there are.
    pub fn count(&self) -> usize {
        self.orders.len() + self.mails.len()
    }
}

/// The use cases of whoever watches a sale.
pub struct Watching {
    sales: Arc<Sales>,
    mailing: Arc<Mailing>,
    figures: Kept<Figures>,
    attention: Kept<Attention>,
}

impl Watching {
    /// Nothing was read yet.
    pub fn new(sales: Arc<Sales>, mailing: Arc<Mailing>) -> Watching {
        Watching { sales, mailing, figures: Kept::default(), attention: Kept::default() }
    }

    /// How the sale of an event goes.
    pub async fn figures(
        &self,
        permit: &Permit<may::SeeEvents>,
        event: &Event,
    ) -> Result<Arc<Figures>, SaleError> {
        let (id, currency) = (permit.event(), event.spec.currency.code().to_owned());
        let now = self.sales.clock.now_ms();
        let read = async {
            let read = move |reader: &mut dyn Reader| read_figures(reader, id, &currency, now);
            Ok(self.sales.reads.ask(read).await?)
        };
        self.figures.get(id, read).await
    }

    /// What needs a person, of an event.
    pub async fn attention(
        &self,
        permit: &Permit<may::SeeEvents>,
    ) -> Result<Arc<Attention>, SaleError> {
        let id = permit.event();
        let read = async {
            let since = self.sales.clock.now_ms() - OTHER_MS;
            let orders = move |reader: &mut dyn Reader| read_troubled(reader, id, since);
            let orders = self.sales.reads.ask(orders).await?;
            let mails = self.mailing.troubled(id, MOST_MAILS).await?;
            Ok(Attention { orders, mails })
        };
        self.attention.get(id, read).await
    }
}

fn read_figures(
    reader: &mut dyn Reader,
    event: EventId,
    currency: &str,
    now: TimeMs,
) -> Result<Figures, Fault> {
    let tables = reader.tables();
    let hour_began_ms = span(now - HOUR_MS);
    let mut figures = Figures { hour_began_ms, ..Figures::default() };
    for row in by_span(tables, event, QUARTER_MS, TimeMs::MIN)? {
        let (tickets, money) = Sums::of(&row).parts();
        let mut own = tickets;
        match row.currency == currency {
            true => own.add(&money),
            false => figures.foreign.entry(row.currency).or_default().add(&money),
        }
        figures.by_type.entry(row.ticket_type).or_default().add(&own);
        match figures.quarters.last_mut() {
            Some((at, last)) if *at == row.at_ms => last.add(&own),
            _ => figures.quarters.push((row.at_ms, own)),
        }
    }
    for row in by_span(tables, event, SPAN_MS, hour_began_ms)? {
        let (mut own, money) = Sums::of(&row).parts();
        if row.currency == currency {
            own.add(&money);
        }
        figures.last_hour.add(&own);
    }
    let told = |rows: Vec<PaymentTry>| rows.into_iter().map(|row| (row.outcome, row.number));
    figures.outcomes = told(tries(tables, event, TimeMs::MIN)?).collect();
    let of_day: Vec<_> = told(tries(tables, event, span(now - DAY_MS))?).collect();
    figures.day_declined = declined(&of_day);
    Ok(figures)
}

/// The orders of an event of which an alarm told, as far as they still need a person.
/// `since`: what is only worth knowing is told from then on.
fn read_troubled(
    reader: &mut dyn Reader,
    event: EventId,
    since: TimeMs,
) -> Result<Vec<Troubled>, Fault> {
    let alarms = audit_log::alarms(reader.tables(), event, MOST_ALARMS)?;
    let mut seen = BTreeSet::new();
    let mut troubled = Vec::new();
    for alarm in alarms {
        let Some(id) = alarm.order_id.filter(|id| seen.insert(*id)) else { continue };
        // One of a test may be gone by now.
        let Some(order) = reader.order(id)? else { continue };
        if let Some(why) = why(&order)
            && (alarm.at_ms >= since || !matches!(why, Why::Other(_)))
        {
            troubled.push(Troubled { order: id, why, at_ms: alarm.at_ms });
        }
    }
    Ok(troubled)
}

/// Why an order of which an alarm told needs a person now, if it does.
fn why(order: &Order) -> Option<Why> {
    let trouble = order.trouble.clone();
    if order.is_stuck() {
        return trouble.map(Why::Stuck);
    }
    let owed = order.owed_back();
    if owed.minor > 0 {
        return Some(Why::OwedBack(owed));
    }
    let dispute = order.payment.as_ref().and_then(|payment| payment.dispute.as_ref());
    match dispute {
        Some(dispute) if !["won", "warning_closed"].contains(&&*dispute.status) => {
            let amount = Money { minor: dispute.amount_minor, currency: order.currency };
            Some(Why::Disputed(amount, dispute.status.clone()))
        }
        _ => trouble.map(Why::Other),
    }
}

/// What was read of each event, kept for a moment.
struct Kept<T>(Mutex<BTreeMap<EventId, Slot<T>>>);

type Slot<T> = Arc<tokio::sync::Mutex<Option<Read<T>>>>;

struct Read<T> {
    at: Instant,
    /// For how long it is shown.
    lasts: Duration,
    what: Arc<T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Kept<T> {
        Kept(Mutex::default())
    }
}

impl<T> Kept<T> {
    /// What was read of this event a moment ago, or what `read` gives. Others that ask meanwhile wait for it.
    async fn get(
        &self,
        event: EventId,
        read: impl Future<Output = Result<T, SaleError>>,
    ) -> Result<Arc<T>, SaleError> {
        let slot = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MOST_KEPT && !all.contains_key(&event) {
                all.clear();
            }
            Arc::clone(all.entry(event).or_default())
        };
        let mut known = slot.lock().await;
        if let Some(read) = known.as_ref().filter(|read| read.at.elapsed() < read.lasts) {
            return Ok(Arc::clone(&read.what));
        }
        let at = Instant::now();
        let what = Arc::new(read.await?);
        let lasts = KEPT.max(at.elapsed() * SHARE);
        *known = Some(Read { at, lasts, what: Arc::clone(&what) });
        Ok(what)
    }
}

#[cfg(test)]
mod tests;
