//! Publishing: after each commit, what it changed goes to the catalogue, to admission, to settlement, to
//! those who watch an order, and then to the callers of the commands.

use crate::catalogue::{Catalogue, Watchers};
use crate::clock::DatabaseClock;
use crate::metrics::Metrics;
use crate::sales::Sales;
use crate::settlement::Settlement;
use crate::writer::Committed;
use std::sync::Arc;
use tokio::sync::mpsc;

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
        self.catalogue.doubt(committed.doubt);
        if committed.doubt.is_some() {
            self.settlement.queue.doubt();
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

    /// Tells all of each batch that the writer commits, until the writer is gone.
    pub async fn run(self, mut committed: mpsc::UnboundedReceiver<Committed>) {
        while let Some(batch) = committed.recv().await {
            self.publish(batch);
            self.metrics.queue.set(self.sales.writer.depth() as i64);
        }
    }
}
