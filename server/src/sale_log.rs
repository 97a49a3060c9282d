//! Log lines about sales, refunds and events, at a rate that no sale can raise.
//!
//! At most 20 lines a second are written one by one. What happens beyond that within the second is
//! counted, and told in one line at its end: so the log costs a storm of sales nothing that counts, and
//! still tells how much was sold. What every order did is in the database and in `nts audit-log`.

use crate::catalogue::Catalogue;
use crate::writer::{News, Step};
use boxoffice::{Currency, EventId, Money};
use std::collections::BTreeMap;
use tokio::time::{Duration, Instant, sleep_until};

/// Lines a second at most.
const LINES: u32 = 20;
/// How long they are counted together.
const SECOND: Duration = Duration::from_secs(1);

/// Writes the lines, and counts those that it does not write.
#[derive(Default)]
pub struct SaleLog {
    /// Since when lines are counted; none: nothing happened in the last second.
    since: Option<Instant>,
    lines: u32,
    left_out: LeftOut,
}

/// What was not written one by one in this second.
#[derive(Default, PartialEq, Eq, Debug)]
struct LeftOut {
    orders: u64,
    amounts: BTreeMap<Currency, i64>,
    refunds: u64,
    events: u64,
}

impl SaleLog {
    /// Writes or counts what a commit has done.
    pub fn tell(&mut self, news: &[News], catalogue: &Catalogue) {
        for news in news {
            self.turn(Instant::now());
            if self.lines < LINES {
                self.lines += 1;
                write(news, catalogue);
            } else {
                self.left_out.add(news);
            }
        }
    }

    /// Waits until there is a second to be told of; for ever, if there is none. May be dropped.
    pub async fn second(&self) {
        match self.since.filter(|_| self.left_out != LeftOut::default()) {
            Some(since) => sleep_until(since + SECOND).await,
            None => std::future::pending().await,
        }
    }

    /// Tells of the second that is over, if it is.
    pub fn turn(&mut self, now: Instant) {
        if self.since.is_some_and(|since| now < since + SECOND) {
            return;
        }
        let LeftOut { orders, amounts, refunds, events } = std::mem::take(&mut self.left_out);
        if orders + refunds + events > 0 {
            let money = |(currency, minor): (Currency, i64)| Money { minor, currency }.to_string();
            let amount = amounts.into_iter().map(money).collect::<Vec<_>>().join(", ");
            tracing::info!(orders, amount, refunds, events, "and more in the same second");
        }
        (self.since, self.lines) = (Some(now), 0);
    }
}

impl LeftOut {
    fn add(&mut self, news: &News) {
        match news {
            News::EventPut { .. } => self.events += 1,
            News::Paid { amount, .. } => {
                self.orders += 1;
                *self.amounts.entry(amount.currency).or_default() += amount.minor;
            }
            News::Refund { .. } => self.refunds += 1,
        }
    }
}

fn write(news: &News, catalogue: &Catalogue) {
    let slug = |id: EventId| {
        let event = catalogue.event_by_id(id);
        event.map_or_else(|| format!("{:x}", id.0), |event| event.spec.slug.clone())
    };
    match news {
        News::EventPut { event, created, actor } => {
            let (event, done) = (slug(*event), if *created { "created" } else { "changed" });
            tracing::info!(event, %actor, "event {done}");
        }
        News::Paid { order, event, amount } => {
            let order = uuid::Uuid::from_u128(order.0);
            tracing::info!(event = slug(*event), %order, %amount, "order paid");
        }
        News::Refund { order, event, amount, step } => {
            let order = uuid::Uuid::from_u128(order.0);
            let step = match step {
                Step::Requested => "requested",
                Step::Made => "made",
                Step::Failed => "failed",
            };
            tracing::info!(event = slug(*event), %order, %amount, "refund {step}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxoffice::OrderId;

    #[tokio::test(start_paused = true)]
    async fn a_storm_of_sales_writes_few_lines_and_counts_the_rest() {
        let catalogue = Catalogue::new(Vec::new());
        let mut log = SaleLog::default();
        let currency = Currency::parse("EUR").expect("a currency");
        let amount = Money { minor: 2_500, currency };
        let paid = News::Paid { order: OrderId(1), event: EventId(1), amount };
        log.tell(&vec![paid.clone(); 3_000], &catalogue);
        assert_eq!(log.lines, LINES);
        assert_eq!(log.left_out.orders, 3_000 - u64::from(LINES));
        assert_eq!(log.left_out.amounts[&currency], 2_500 * (3_000 - i64::from(LINES)));
        let begun = Instant::now();
        log.second().await;
        assert_eq!(begun.elapsed(), SECOND);
        log.turn(Instant::now());
        assert_eq!((log.lines, &log.left_out), (0, &LeftOut::default()));
        // Nothing is left to tell, so nothing wakes it.
        assert!(tokio::time::timeout(SECOND * 60, log.second()).await.is_err());
        log.tell(&[paid], &catalogue);
        assert_eq!((log.lines, &log.left_out), (1, &LeftOut::default()));
    }
}
