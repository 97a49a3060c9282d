//! Removing orders that came to nothing long ago.
//!
//! Whether an order may go decides the core ([`Command::Forget`]); here candidates are found and the pace
//! is kept, so that buyers do not notice.

use super::Settlement;
use boxoffice::{Command, Order, OrderId, OrderState, TimeMs};
use std::sync::Arc;
use tokio::time::{Duration, sleep};

/// How many orders are looked at at a time.
const PAGE: usize = 128;
/// How long the database is left to others between two pages.
const PAUSE: Duration = Duration::from_millis(250);
/// How often it is looked for orders that have become old enough.
const EVERY: Duration = Duration::from_secs(3_600);
const DAY_MS: TimeMs = 24 * 3_600_000;

/// Removes what is older than the configured days, until the process ends. Orders are looked at in the
/// order in which they were placed, so each look goes on where the one before has ended; those that could
/// not go then are looked at again after the next start.
pub async fn forget(settlement: Arc<Settlement>) {
    let mut after = None;
    loop {
        let keep_ms = TimeMs::from(settlement.keep_released_days) * DAY_MS;
        let before_ms = settlement.clock.now_ms() - keep_ms;
        let removed = forget_before(&settlement, &mut after, before_ms).await;
        if removed > 0 {
            tracing::info!(removed, "released orders were old enough to be removed");
        }
        sleep(EVERY).await;
    }
}

/// Removes what was placed before `before_ms` and comes behind `after`, which moves on. Gives how many.
pub async fn forget_before(
    settlement: &Settlement,
    after: &mut Option<OrderId>,
    before_ms: TimeMs,
) -> usize {
    let mut removed = 0;
    loop {
        let from = *after;
        let page = match settlement.reads.ask(move |r| r.all_orders(from, PAGE)).await {
            Ok(page) => page,
            Err(fault) => {
                tracing::error!(%fault, "cannot read which orders are old");
                return removed;
            }
        };
        for order in &page.orders {
            if order.placed_ms >= before_ms {
                return removed;
            }
            *after = Some(order.id);
            if is_candidate(order) {
                let command = Command::Forget { order: order.id, placed_before_ms: before_ms };
                removed += usize::from(settlement.writer.ask(command, None).await.is_ok());
            }
        }
        if page.next.is_none() {
            return removed;
        }
        sleep(PAUSE).await;
    }
}

fn is_candidate(order: &Order) -> bool {
    order.state == OrderState::Released && order.due_ms.is_none() && order.trouble.is_none()
}
