//! Whether the figures that the office shows of a sale are what the orders make of them.
//!
//! Written without the code that counts them, from what they promise alone.

use super::{Failed, Report, books};
use crate::reads::Reads;
use crate::store::records::sale_figures::{self, SaleFigure};
use boxoffice::{EventId, Order};
use std::collections::BTreeMap;

/// Tickets sold, refunded and on sale again; money taken and given back.
type Sums = [i64; 5];
type ByEvent = BTreeMap<(EventId, String), Sums>;

/// What the orders make, as far as they were read.
pub(super) struct Figures {
    by_orders: ByEvent,
    /// What was recorded before the first order was read.
    before: ByEvent,
}

async fn recorded(reads: &Reads) -> Result<ByEvent, Failed> {
    let rows: Vec<SaleFigure> = reads.ask(|reader| sale_figures::totals(reader.tables())).await?;
    let mut by_event = ByEvent::new();
    for row in rows {
        let sums = by_event.entry((row.event, row.currency)).or_default();
        let more = [row.sold, row.refunded, row.restocked, row.taken_minor, row.given_back_minor];
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    by_event.retain(|_, sums| *sums != Sums::default());
    Ok(by_event)
}

impl Figures {
    /// Before the first order is read.
    pub(super) async fn begin(reads: &Reads) -> Result<Figures, Failed> {
        Ok(Figures { by_orders: ByEvent::new(), before: recorded(reads).await? })
    }

    /// Counts an order.
    pub(super) fn order(&mut self, order: &Order) {
        let money = books::money(order);
        let mut sums = [0, 0, 0, money.taken, money.given_back];
        if order.state.sells() {
            for line in &order.lines {
                let of_line = [line.quantity, line.refunded, line.restocked].map(i64::from);
                sums.iter_mut().zip(of_line).for_each(|(sum, more)| *sum += more);
            }
        }
        if sums != Sums::default() {
            let key = (order.event, order.currency.code().to_string());
            let all = self.by_orders.entry(key).or_default();
            all.iter_mut().zip(sums).for_each(|(sum, more)| *sum += more);
        }
    }

    /// Tells where they differ. Where something was sold meanwhile nothing is said: the orders were read one
    /// after the other.
    pub(super) async fn compare(self, reads: &Reads, report: &mut Report) -> Result<(), Failed> {
        let after = recorded(reads).await?;
        let keys = self.by_orders.keys().chain(self.before.keys());
        let mut keys: Vec<&(EventId, String)> = keys.collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let told = self.before.get(key).copied().unwrap_or_default();
            let by_orders = self.by_orders.get(key).copied().unwrap_or_default();
            let still = after.get(key).copied().unwrap_or_default() == told;
            if still && told != by_orders {
                let (event, currency) = key;
                report.wrong(
                    None,
                    None,
                    format!(
                        "the figures of event {:x} in {currency} (sold, refunded, on sale again, taken, given \
                         back) are {told:?}, but its orders make {by_orders:?}",
                        event.0
                    ),
                );
            }
        }
        Ok(())
    }
}
