//! Fills the search table beside the sale: orders are read in the order of their ids, some at a time, and written
//! with what they are found by.
//!
//! Ids rise with time, but an order may be committed somewhat after its id was made, or by another process whose
//! clock is slow: so an order is taken in once it is old enough (`SETTLED_MS`). Those that are newer are looked at
//! one by one by whoever searches.
//!
//! A batch takes time of the writer that a sale could use. So after each batch it waits: as long as the batch took,
//! if nobody else wrote meanwhile, and for much longer in a sale.

use crate::clock::DatabaseClock;
use crate::reads::Reads;
use crate::search_text;
use crate::store::records::order_search::{FoundBy, SearchProgress, progress};
use crate::store::{Fault, Listing, Reader};
use crate::writer::{CommandError, Queue};
use boxoffice::{Order, OrderId, TimeMs};
use std::sync::Arc;
use tokio::time::{Duration, Instant, sleep};

/// So many orders at a time.
const PAGE: usize = 200;
/// How old an order is when it is taken in, in milliseconds: more than a command waits in the queue, and more than
/// clocks of processes on one database differ.
const SETTLED_MS: TimeMs = 120_000;
/// How often it is looked for new orders.
const LOOK: Duration = Duration::from_secs(5);
/// While others write, it writes in a part of the time that is one of so many.
const SHARE: u32 = 20;

/// What the task needs.
#[derive(Clone)]
pub struct Fill {
    /// The way to the writer.
    pub queue: Queue,
    /// The way to the database for questions.
    pub reads: Reads,
    /// The database's time.
    pub clock: Arc<DatabaseClock>,
}

/// Works until the process ends.
pub async fn run(fill: Fill) {
    loop {
        let begun = Instant::now();
        let busy = fill.queue.depth() > 0;
        match step(&fill, SETTLED_MS).await {
            Ok(true) => {
                let took = begun.elapsed().max(Duration::from_millis(1));
                let busy = busy || fill.queue.depth() > 0;
                sleep(if busy { took * (SHARE - 1) } else { took }).await;
            }
            Ok(false) => sleep(LOOK).await,
            Err(why) => {
                tracing::warn!(?why, "orders could not be made ready for the search");
                sleep(LOOK).await;
            }
        }
    }
}

/// Takes in some orders that were placed so long ago. Gives whether there may be more.
pub async fn step(fill: &Fill, settled_ms: TimeMs) -> Result<bool, CommandError> {
    let before = fill.clock.now_ms().saturating_sub(settled_ms);
    let (progress, orders, more) = fill.reads.ask(move |reader| some(reader, before)).await?;
    let Some(last) = orders.last() else { return Ok(false) };
    let rows: Vec<FoundBy> = orders.iter().flat_map(rows).collect();
    let mut changes = vec![SearchProgress::begin()];
    changes.extend(progress.go_on(last.id, &rows));
    fill.queue.write(changes).await?;
    Ok(more)
}

/// How far it is, the next orders, and whether there may be more.
type Next = (SearchProgress, Vec<Order>, bool);

fn some(reader: &mut dyn Reader, before: TimeMs) -> Result<Next, Fault> {
    // First how far it is, then the orders: what is taken away between the two raises the generation.
    let progress = progress(reader.tables())?;
    let after = Some(progress.done).filter(|done| *done != OrderId(0));
    let listing = Listing { after, newest_first: false, ..Listing::newest(PAGE, PAGE) };
    let page = reader.listed(&listing, &|_| true)?;
    let mut orders = page.orders;
    // The first that is too new ends it: those behind it are taken in after it.
    let settled = orders.iter().position(|order| made_ms(order.id) > before);
    orders.truncate(settled.unwrap_or(orders.len()));
    Ok((progress, orders, page.next.is_some() && settled.is_none()))
}

/// When the id of an order was made: UUIDv7.
fn made_ms(id: OrderId) -> TimeMs {
    (id.0 >> 80) as TimeMs
}

fn rows(order: &Order) -> Vec<FoundBy> {
    let texts = search_text::of(order).into_iter();
    texts.map(|text| FoundBy { text, event: order.event, order_id: order.id }).collect()
}
