//! Retention: the buyers of an event are erased some days after its end, if its organiser wants that
//! ([`boxoffice::EventSpec::keep_buyers_days`]).
//!
//! Each process looks by itself. Where several share a database, the one that comes second finds nothing
//! left to erase, so each order is erased, and told in the audit log, once.

use super::Organiser;
use crate::actor::Actor;
use crate::writer::CommandError;
use boxoffice::{BuyerKey, Erasure, EventId, MOST_ERASED, OrderId, Refusal, TimeMs};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How many orders are looked at with one question.
const PAGE: usize = 2_000;
/// How long the database is left to others after each question and each batch.
const PAUSE: Duration = Duration::from_millis(250);
/// Ids of several processes rise with the time, but for less than this, in milliseconds.
const OUT_OF_ORDER_MS: u128 = 3_600_000;

/// How far this process is.
#[derive(Default)]
pub struct Progress {
    /// The events whose buyers were to be erased when it looked last.
    due: BTreeSet<EventId>,
    /// All of their orders up to this one are erased.
    done: Option<OrderId>,
}

/// Erases the buyers of events that ended long enough ago, until the process ends.
pub async fn run(organiser: Arc<Organiser>, every: Duration) {
    let mut progress = Progress::default();
    loop {
        let erased = organiser.erase_past(&mut progress).await;
        if erased > 0 {
            tracing::info!(orders = erased, "buyers of past events were erased");
        }
        sleep(every).await;
    }
}

/// What a pass through the orders has found.
#[derive(Default)]
struct Pass {
    erased: u64,
    /// The first order that still needs its buyer.
    left: Option<OrderId>,
    last: Option<OrderId>,
}

impl Organiser {
    /// Erases once what is to be erased now, and gives of how many orders. What still needs its buyer, and
    /// what could not be done because the database or the queue was in trouble, is tried at the next call.
    pub async fn erase_past(&self, progress: &mut Progress) -> u64 {
        let now = self.sales.clock.now_ms();
        let is_due = |at: TimeMs| at <= now;
        let events = self.sales.catalogue.events();
        let due = events.iter().filter(|event| event.spec.erases_buyers_ms().is_some_and(is_due));
        let due: BTreeSet<EventId> = due.map(|event| event.id).collect();
        if !due.is_subset(&progress.due) {
            progress.done = None;
        }
        progress.due = due;
        if progress.due.is_empty() {
            return 0;
        }
        let mut pass = Pass { last: progress.done, ..Pass::default() };
        if self.pass(&progress.due, &mut pass).await.is_ok() {
            let before = |id: OrderId, by: u128| OrderId(id.0.saturating_sub(by));
            let to_the_end = pass.last.map(|last| before(last, OUT_OF_ORDER_MS << 80));
            // A store may look at the high half of an id alone.
            let to_the_left = pass.left.map(|left| before(left, 1 << 64));
            progress.done = to_the_left.into_iter().chain(to_the_end).min();
        }
        pass.erased
    }

    /// Looks at all orders after `pass.last`.
    async fn pass(&self, due: &BTreeSet<EventId>, pass: &mut Pass) -> Result<(), CommandError> {
        let mut after = pass.last;
        loop {
            let page = self.sales.reads.ask(move |reader| reader.owners(after, PAGE)).await;
            let page = page.map_err(|fault| {
                tracing::warn!(%fault, "cannot read which buyers are to be erased; it is tried again");
                CommandError::Unavailable
            })?;
            let mut orders: BTreeMap<EventId, Vec<OrderId>> = BTreeMap::new();
            for owner in &page.owners {
                pass.last = pass.last.max(Some(owner.order));
                let erased = owner.buyer == BuyerKey::of_erased(owner.order);
                if !erased && due.contains(&owner.event) {
                    orders.entry(owner.event).or_default().push(owner.order);
                }
            }
            for (event, orders) in orders {
                for orders in orders.chunks(MOST_ERASED) {
                    self.erase_due(event, orders, pass).await?;
                    sleep(PAUSE).await;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }

    async fn erase_due(
        &self,
        event: EventId,
        orders: &[OrderId],
        pass: &mut Pass,
    ) -> Result<(), CommandError> {
        let left = match self.erase_batch(Actor::System, event, orders, Erasure::TimeOver).await {
            Ok((erased, left)) => {
                pass.erased += u64::from(erased);
                left
            }
            // Its organiser wants to keep them for longer: they are looked at again, should that change.
            Err(CommandError::Refused(Refusal::NotDue)) => 1,
            Err(no) => return Err(no),
        };
        if left > 0 {
            pass.left = pass.left.into_iter().chain(orders.first().copied()).min();
        }
        Ok(())
    }
}
