//! Proves that the books balance: every pool recounted, every order whole in itself, and the
//! provider's own list against ours.
//!
//! It reads, while nts may be selling; so what looks wrong is looked at once more before it is
//! said, for it may have been on its way. Only when told to, it settles what the books have
//! forgotten (a database that was restored from an old copy).

pub mod books;
mod figures;
pub mod log;
mod provider;
mod report;

pub use report::{Finding, Report, Weight};

use crate::clock::Clock;
use crate::payments::CallError;
use crate::payments::stripe::Stripe;
use crate::reads::Reads;
use crate::store::Fault;
use boxoffice::{Currency, Event, EventId, Order, OrderId, Refund, RefundState, Tender};
use figures::Figures;
use std::collections::BTreeMap;

/// Orders read at a time.
const PAGE: usize = 1_000;

/// Why an audit could not be made.
#[derive(Debug)]
pub enum Failed {
    /// The database cannot be read.
    Books(Fault),
    /// The provider cannot be asked.
    Provider(CallError),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failed::Books(fault) => write!(f, "the database cannot be read: {fault}"),
            Failed::Provider(error) => write!(f, "the payment provider cannot be asked: {error}"),
        }
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Failed {
        Failed::Books(fault)
    }
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Failed {
        Failed::Provider(error)
    }
}

/// Whose list is compared with ours, and what may be done about it.
pub struct Against<'a> {
    /// The provider.
    pub stripe: &'a Stripe,
    /// Payments created at or after this are looked at, in seconds since 1970.
    pub since_s: i64,
    /// Whether to cancel and to give back what our books have forgotten.
    pub settle: bool,
}

/// Audits a database, against a provider if one is given.
pub async fn audit(
    reads: &Reads,
    clock: &Clock,
    against: Option<Against<'_>>,
) -> Result<Report, Failed> {
    let mut report = Report::new(clock.now_ms());
    // The provider's list comes first: what is newer in our books is no surprise then.
    let mut listed = match &against {
        Some(against) => Some(provider::list(against, &mut report).await?),
        None => None,
    };
    for text in reads.ask(|r| r.verify()).await? {
        report.wrong(None, None, text);
    }
    let events = reads.ask(|r| r.events()).await?;
    report.events(&events);
    let mut figures = Figures::begin(reads).await?;
    let currencies = |events: &[Event]| events.iter().map(|e| (e.id, e.spec.currency)).collect();
    let mut events: BTreeMap<EventId, Currency> = currencies(&events);
    let mut after = None;
    // Whose each refund at the provider is.
    let mut refunds: BTreeMap<String, OrderId> = BTreeMap::new();
    loop {
        let page = reads.ask(move |r| r.all_orders(after, PAGE)).await?;
        for order in &page.orders {
            report.order(order);
            figures.order(order);
            if events.get(&order.event) != Some(&order.currency) {
                // It may be new, or its currency may have changed.
                events = currencies(&reads.ask(|r| r.events()).await?);
            }
            match events.get(&order.event) {
                None => report.wrong(Some(order.id), None, "it is of no event".into()),
                Some(currency) if *currency != order.currency => {
                    other_currency(order, *currency, &mut report);
                }
                Some(_) => {}
            }
            // What the organiser handed back has no id of a provider.
            let at_provider = |r: &&Refund| r.amount_minor > 0 && order.tender == Tender::Online;
            for refund in order.refunds.iter().filter(at_provider) {
                let RefundState::Succeeded(id) = &refund.state else { continue };
                if let Some(known) = refunds.insert(id.clone(), order.id) {
                    let known = uuid::Uuid::from_u128(known.0);
                    let text = format!("its refund {id} is also one of order {known}");
                    report.wrong(Some(order.id), None, text);
                }
            }
            check_order(reads, clock, order, &mut report).await?;
            if let (Some(against), Some(listed)) = (&against, &mut listed) {
                let of_order = listed.remove(&order.id).unwrap_or_default();
                provider::compare(reads, against, order, of_order, &mut report).await?;
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    figures.compare(reads, &mut report).await?;
    if let (Some(against), Some(listed)) = (&against, listed) {
        for (id, payments) in listed {
            provider::unknown_order(reads, against, id, payments, &mut report).await?;
        }
    }
    Ok(report)
}

/// An order in another currency than its event's. An event's currency is fixed while places of it are taken.
fn other_currency(order: &Order, of_event: Currency, report: &mut Report) {
    let text = format!("it is in {}, and its event in {}", order.currency.code(), of_event.code());
    let sold = order.state.sells() && order.lines.iter().any(|line| line.restocked < line.quantity);
    if order.state.holds() || sold {
        report.wrong(Some(order.id), None, text);
    } else if books::money(order) != books::Money::default() {
        report.note(Some(order.id), None, format!("{text}: the event had another currency before"));
    }
}

/// An order as it is now.
async fn again(reads: &Reads, id: OrderId) -> Result<Option<Order>, Failed> {
    Ok(reads.ask(move |r| r.order(id)).await?)
}

async fn check_order(
    reads: &Reads,
    clock: &Clock,
    order: &Order,
    report: &mut Report,
) -> Result<(), Failed> {
    let mut words = books::check(order, clock.now_ms());
    if !words.wrong.is_empty()
        && let Some(now) = again(reads, order.id).await?
    {
        words = books::check(&now, clock.now_ms());
    }
    for text in words.wrong {
        report.wrong(Some(order.id), None, text);
    }
    for text in words.notes {
        report.note(Some(order.id), None, text);
    }
    Ok(())
}
