//! The orders that cannot move on, counted by state for the metrics. A person was told of each.

use boxoffice::{Order, OrderId, OrderState};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::{Duration, Instant};

/// More are not kept apart: the sale stands still by then.
const MOST: usize = 65_536;
/// What nothing was heard of for so long is somebody else's: no wait between two tries is longer.
const FORGET: Duration = Duration::from_secs(15 * 60);

/// The orders that cannot move on, as this process last saw them.
#[derive(Default)]
pub struct Stuck(Mutex<BTreeMap<OrderId, (OrderState, Instant)>>);

impl Stuck {
    fn orders(&self) -> MutexGuard<'_, BTreeMap<OrderId, (OrderState, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what a batch has changed.
    pub fn tell(&self, changed: &BTreeMap<OrderId, Arc<Order>>) {
        let mut orders = self.orders();
        for (id, order) in changed {
            if !order.is_stuck() {
                if !orders.is_empty() {
                    orders.remove(id);
                }
            } else if orders.len() < MOST || orders.contains_key(id) {
                orders.insert(*id, (order.state, Instant::now()));
            }
        }
    }

    /// How many there are in each state.
    pub fn counts(&self) -> Vec<(&'static str, i64)> {
        let mut orders = self.orders();
        orders.retain(|_, (_, at)| at.elapsed() < FORGET);
        let of = |state| orders.values().filter(|(s, _)| *s == state).count() as i64;
        OrderState::ALL.map(|state| (state.word(), of(state))).to_vec()
    }
}
