//! Publishing: after each commit, what it changed goes to the catalogue, to admission, to settlement, to
//! those who watch an order, and then to the callers of the commands.

use crate::catalogue::{Catalogue, Watchers};
use crate::clock::DatabaseClock;
use crate::mail::{Letter, Of};
use crate::metrics::Metrics;
use crate::sale_log::SaleLog;
use crate::sales::Sales;
use crate::settlement::Settlement;
use crate::store::records::RecordChange;
use crate::writer::{Committed, News, Step, mail_message};
use boxoffice::mutant::{Mutant, on};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Those who are told of commits.
pub struct Publisher {
    /// The events as of the last commit.
    pub catalogue: Arc<Catalogue>,
    /// Counts unpaid orders.
    pub sales: Arc<Sales>,
    /// Settles payments.
    pub settlement: Arc<Settlement>,
    /// Those who wait for news of an order.
    pub watchers: Arc<Watchers>,
    /// The database's time.
    pub clock: Arc<DatabaseClock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Publisher {
    /// Tells all of a batch. Callers are answered last, so that what they read next is as new.
    pub fn publish(&self, committed: Committed) {
        if let Some(now_ms) = committed.now_ms.filter(|_| self.catalogue.is_shared()) {
            self.clock.saw(now_ms);
        }
        for alarm in &committed.alarms {
            let order = uuid::Uuid::from_u128(alarm.order.0);
            tracing::error!(%order, text = alarm.text, "ALARM: a person should look at this order");
            self.metrics.alarms.inc();
        }
        self.catalogue.set_uncertain_since(committed.uncertain_since);
        if committed.uncertain_since.is_some() {
            self.settlement.queue.forget_latest();
        }
        if !committed.events.is_empty() {
            self.catalogue.publish(committed.events, committed.batch);
        }
        self.catalogue.remove(&committed.deleted);
        let now = self.clock.now_ms();
        self.sales.count_unpaid(committed.orders.values().map(|order| &**order), now);
        self.settlement.committed(&committed.orders, &committed.effects);
        self.watchers.changed(committed.orders);
        for (caller, answer) in committed.answers {
            // One that has gone does not hear it; what was recorded stays.
            _ = caller.send(answer);
        }
    }

    fn count_money(&self, news: &[News]) {
        for news in news {
            match news {
                News::Paid { event, amount, .. } => self.metrics.figures.paid(*event, *amount),
                News::Refund { event, amount, step: Step::Made, .. } => {
                    self.metrics.figures.refunded(*event, *amount);
                }
                News::Refund { .. } | News::EventPut { .. } => {}
            }
        }
    }

    /// For a deliberate break: the tickets are owed after the commit that made an order paid, not in it.
    async fn owe_late(&self, news: &[News]) {
        if !on(Mutant::MailOwedLate) {
            return;
        }
        for news in news {
            let News::Paid { order, event, .. } = news else { continue };
            let Ok(Some(order)) = self.sales.stored(*order).await else { continue };
            let of = Of { order: order.id.0, event: event.0 };
            let (id, to) = (order.id.0 ^ 1, order.buyer.email.clone());
            let message = mail_message(id, &Letter::Tickets(of), &to, self.clock.now_ms());
            if !to.is_empty() {
                _ = self.sales.writer.write(vec![RecordChange::put(&message)]).await;
            }
        }
    }

    /// Tells all of each batch that the writer commits, until the writer is gone.
    pub async fn run(self, mut committed: mpsc::UnboundedReceiver<Committed>) {
        let mut log = SaleLog::default();
        loop {
            let batch = tokio::select! {
                biased;
                batch = committed.recv() => batch,
                () = log.second() => {
                    log.turn(Instant::now());
                    continue;
                }
            };
            let Some(mut batch) = batch else { return };
            let news = std::mem::take(&mut batch.news);
            self.publish(batch);
            self.owe_late(&news).await;
            self.count_money(&news);
            log.tell(&news, &self.catalogue);
            self.metrics.queue.set(self.sales.writer.depth() as i64);
        }
    }
}
