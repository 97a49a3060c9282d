//! Cancelling an event: its sale ends for good, and in the background everybody is told and gets the money
//! back, page by page.
//!
//! Each step reads some orders, owes the mails, then cancels or refunds each order by the same commands that
//! people use, and then records how far it is. So it can be interrupted anywhere: what is done twice is refused
//! the second time, and a mail has an id that follows from its order. Each process works by itself; where
//! several share a database, the second one finds nothing left to do.
//!
//! An order may need several passes: a payment under way is cancelled at the provider first, and an order that
//! is being paid is refunded when it is paid.

#[cfg(test)]
mod tests;

use super::Organiser;
use crate::access::{Permit, may};
use crate::ids::digest;
use crate::mail::{Letter, Of};
use crate::sales::{SaleError, after_the_command};
use crate::store::Fault;
use crate::store::records::cancellations::Cancellation;
use crate::store::records::{Field, RecordChange, Tables, get, page};
use crate::writer::{CommandError, CommandOutcome, mail_message};
use boxoffice::{
    Command, Event, EventId, EventSpec, Order, OrderState, Refund, RefundId, RefundState,
    RefundWish, Sale, Tender, TicketState, TimeMs,
};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::slice::from_ref;
use std::sync::Arc;
use std::task::Poll;
use tokio::time::{Duration, Instant, sleep};

/// So many orders at a time, so that no batch becomes long by it.
const PAGE: usize = 200;
/// How long it waits between two of these.
const BETWEEN: Duration = Duration::from_millis(50);
/// How long it waits before it goes through the orders again that are not at rest, at first and at most.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_MOST: Duration = Duration::from_secs(60);
/// So many events are read at a time.
const EVENTS: usize = 1_000;

/// What this process knows of the work.
#[derive(Default)]
pub struct Progress {
    /// Events whose orders are all at rest.
    finished: BTreeSet<EventId>,
    /// When the orders of an event are gone through again.
    again: BTreeMap<EventId, Instant>,
}

/// Works until the process ends. `look`: how often it looks for something to do.
pub async fn run(organiser: Arc<Organiser>, look: Duration) {
    let mut progress = Progress::default();
    loop {
        let more = organiser.settle_canceled(&mut progress).await;
        sleep(if more { BETWEEN.min(look) } else { look }).await;
    }
}

/// What an order of a cancelled event has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// Something is still to be done, by us or by the payment provider.
    Open,
    /// It came to an end before the event was cancelled.
    Before,
    /// It took no money.
    Released,
    /// Its money went back, and so much of it since the event was cancelled, in minor units.
    Refunded(i64),
    /// Somebody must give its money back: the payment provider could not, or it was paid in cash or at a
    /// terminal.
    Failed,
}

/// What an order has come to. `since_ms`: when the event was cancelled.
fn standing(order: &Order, since_ms: TimeMs) -> Standing {
    let pending = order.refunds.iter().any(|refund| refund.state == RefundState::Pending);
    match order.state {
        OrderState::Held
        | OrderState::Paying
        | OrderState::Canceling
        | OrderState::Committed
        | OrderState::Refunding => Standing::Open,
        // One that failed is not tried for ever.
        OrderState::Paid if failed_since(order, since_ms) => Standing::Failed,
        OrderState::Paid => Standing::Open,
        _ if pending => Standing::Open,
        _ if order.owed_back().minor > 0 => Standing::Failed,
        OrderState::Refunded => match since(order, since_ms) {
            None => Standing::Before,
            Some(_) if is_handed_back(order) => Standing::Failed,
            Some(minor) => Standing::Refunded(minor),
        },
        // Its time ran on when the event was cancelled.
        OrderState::Released | OrderState::Void if order.until_ms >= since_ms => {
            match order.refunded().minor {
                0 => Standing::Released,
                minor => Standing::Refunded(minor),
            }
        }
        OrderState::Released | OrderState::Void => Standing::Before,
    }
}

/// What went back since then; `None`: no refund was made since. One that went back before is of no
/// cancellation.
fn since(order: &Order, since_ms: TimeMs) -> Option<i64> {
    let refunds = order.refunds.iter().filter(|refund| made_ms(refund.id) >= since_ms);
    refunds.map(Refund::given_minor).reduce(|sum, minor| sum + minor)
}

/// When a refund was asked for: its id begins with that time.
fn made_ms(id: RefundId) -> TimeMs {
    (id.0 >> 80) as TimeMs
}

/// Whether people must hand its money back: it was paid in cash, or by a terminal of the organiser's.
fn is_handed_back(order: &Order) -> bool {
    matches!(order.tender, Tender::Cash | Tender::Terminal) && order.total().minor > 0
}

/// Whether a refund of all tickets that it had left was asked for since then, and has failed. One of an amount, or of
/// some tickets, says nothing of the rest.
fn failed_since(order: &Order, since_ms: TimeMs) -> bool {
    let of_all = |index: usize, refund: &Refund| {
        let took = |r: &&Refund| !matches!(r.state, RefundState::Failed(_)) || r.failed_later();
        order.lines.iter().enumerate().all(|(line, l)| {
            let of_line = |r: &Refund| r.quantities.get(line).copied().unwrap_or(0);
            let before: u32 = order.refunds[..index].iter().filter(took).map(of_line).sum();
            of_line(refund) >= l.quantity.saturating_sub(before)
        })
    };
    let failed = |refund: &Refund| matches!(refund.state, RefundState::Failed(_));
    let mut refunds = order.refunds.iter().enumerate().filter(|(_, refund)| !refund.by_hand);
    refunds.any(|(index, refund)| {
        failed(refund) && made_ms(refund.id) >= since_ms && of_all(index, refund)
    })
}

/// All events that were cancelled, however many there are; so many are read at a time.
fn canceled(from: &mut dyn Tables, at_a_time: usize) -> Result<Vec<Cancellation>, Fault> {
    let mut all: Vec<Cancellation> = Vec::new();
    loop {
        let after = all.last().map(|job| job.event.value());
        let jobs: Vec<Cancellation> = page(from, after.as_ref().map(from_ref), at_a_time)?;
        let whole = jobs.len() == at_a_time;
        all.extend(jobs);
        if !whole {
            return Ok(all);
        }
    }
}

/// Whether its buyer is told that the event does not take place: whoever has tickets.
fn is_told(order: &Order) -> bool {
    let valid = order.tickets.iter().any(|ticket| ticket.state == TicketState::Valid);
    valid && order.state == OrderState::Paid && !order.buyer.email.is_empty()
}

/// The mail to the buyer of an order, once however often it is owed.
fn mail(job: &Cancellation, order: &Order, now: TimeMs) -> RecordChange {
    let of = Of { order: order.id.0, event: job.event.0 };
    let event = job.event.0.to_be_bytes();
    let id = digest(&[b"event canceled", &event, &order.id.0.to_be_bytes()]);
    let id = (job.at_ms.max(0) as u128) << 80 | id & ((1 << 80) - 1);
    mail_message(id, &Letter::EventCanceled(of), &order.buyer.email, now).add()
}

impl Organiser {
    /// Cancels an event for good; only if it is still what somebody has seen, if that is said. Its orders are cancelled
    /// and refunded in the background.
    pub async fn cancel_event(
        &self,
        permit: &Permit<may::ChangeEvents>,
        refund: &Permit<may::Refund>,
        seen: Option<EventSpec>,
    ) -> Result<Arc<Event>, SaleError> {
        let event = permit.event();
        if refund.event() != event {
            return Err(CommandError::Refused(boxoffice::Refusal::UnknownEvent));
        }
        let command = Command::SetSale { event, to: Sale::Canceled, seen: seen.map(Box::new) };
        self.sales.writer.ask_as(permit.actor(), command, None).await?;
        after_the_command(self.event_by_id(event))
    }

    /// How far it is that everybody has the money back; `None`: the event was not cancelled.
    pub async fn cancellation(
        &self,
        permit: &Permit<may::SeeEvents>,
    ) -> Result<Option<Cancellation>, SaleError> {
        let key = [permit.event().value()];
        Ok(self.sales.reads.ask(move |reader| get(reader.tables(), &key)).await?)
    }

    /// Goes one page further with each cancelled event. Gives whether there is more to do at once.
    pub async fn settle_canceled(&self, progress: &mut Progress) -> bool {
        let events = self.sales.catalogue.events();
        let open =
            |event: &Arc<Event>| event.is_canceled() && !progress.finished.contains(&event.id);
        if !events.iter().any(open) {
            return false;
        }
        let jobs = match self.sales.reads.ask(|reader| canceled(reader.tables(), EVENTS)).await {
            Ok(jobs) => jobs,
            Err(fault) => {
                tracing::warn!(%fault, "cannot read which events were cancelled; it is tried again");
                return false;
            }
        };
        let mut more = false;
        for job in jobs {
            if job.finished_ms.is_some() {
                progress.finished.insert(job.event);
                continue;
            }
            if progress.again.get(&job.event).is_some_and(|again| Instant::now() < *again) {
                continue;
            }
            match self.settle_page(&job).await {
                Ok(next) if next.finished_ms.is_some() => {
                    tracing::info!(
                        released = next.released,
                        refunded = next.refunded,
                        failed = next.failed,
                        "all orders of a cancelled event are at rest"
                    );
                }
                Ok(next) if next.pass == job.pass => more = true,
                Ok(next) => {
                    let wait = AGAIN * u32::try_from(next.pass).unwrap_or(u32::MAX).min(60);
                    let again = Instant::now() + wait.min(AGAIN_MOST);
                    progress.again.insert(job.event, again);
                }
                Err(no) => {
                    tracing::warn!(
                        ?no,
                        "a cancelled event could not be worked on; it is tried again"
                    );
                }
            }
        }
        more
    }

    /// Works on the next orders of a cancelled event, and gives how far it is then.
    async fn settle_page(&self, job: &Cancellation) -> Result<Cancellation, CommandError> {
        let (event, after) = (job.event, (job.done.0 != 0).then_some(job.done));
        let page = self.sales.reads.ask(move |reader| reader.orders(event, after, PAGE)).await?;
        let now = self.sales.clock.now_ms();
        // Owed before the tickets are revoked: later nobody could tell who had some.
        let mails: Vec<RecordChange> =
            page.orders.iter().filter(|o| is_told(o)).map(|o| mail(job, o, now)).collect();
        if !mails.is_empty() {
            self.sales.writer.write(mails).await?;
        }
        let found: Vec<Standing> =
            page.orders.iter().map(|order| standing(order, job.at_ms)).collect();
        let orders = page.orders.iter().zip(&found);
        let acts = orders.map(|(order, standing)| self.act(job, order, *standing)).collect();
        let after_it = all(acts).await;
        let mut next = job.clone();
        let mut contiguous = job.done == job.settled;
        for (order, (before, after)) in page.orders.iter().zip(found.into_iter().zip(&after_it)) {
            let at_rest = after.as_deref().map_or(before, |order| standing(order, job.at_ms));
            contiguous &= at_rest != Standing::Open;
            if contiguous {
                next.settled = order.id;
                match at_rest {
                    Standing::Before => {}
                    Standing::Released => next.released += 1,
                    Standing::Refunded(minor) => {
                        next.refunded += 1;
                        next.amount_minor += minor;
                    }
                    Standing::Failed | Standing::Open => next.failed += 1,
                }
            }
            next.done = order.id;
        }
        match page.next {
            Some(last) => {
                next.done = last;
                if contiguous {
                    next.settled = last;
                }
            }
            None if contiguous => next.finished_ms = Some(now),
            None => {
                next.pass += 1;
                next.done = next.settled;
            }
        }
        self.sales.writer.write(vec![job.go_on(&next)]).await?;
        Ok(next)
    }

    /// Does for an order what is to be done next, and gives the order as it is then, if it changed.
    fn act<'a>(
        &'a self,
        job: &'a Cancellation,
        order: &'a Order,
        standing: Standing,
    ) -> Act<'a, Option<Arc<Order>>> {
        Box::pin(async move {
            let command = match order.state {
                _ if standing != Standing::Open => return None,
                OrderState::Held | OrderState::Paying => Command::Cancel { order: order.id },
                OrderState::Paid => {
                    let refund = self.sales.ids.refund(self.sales.clock.now_ms());
                    let wish = RefundWish::All;
                    // Nothing is sold any more: the places say how much is left to be done.
                    Command::Refund { order: order.id, refund, wish, restock: true }
                }
                _ => return None,
            };
            match self.sales.writer.ask_as(job.actor, command, None).await {
                Ok(CommandOutcome { order, .. }) => order,
                // Somebody else has acted meanwhile, or it cannot be recorded now: the next pass looks again.
                Err(_) => None,
            }
        })
    }
}

type Act<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Does all of it at once, so that it fits into few batches.
async fn all<T>(mut acts: Vec<Act<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = acts.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (act, done) in acts.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(value) = act.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
