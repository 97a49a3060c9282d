//! By which texts orders are found: names and addresses, as the module `search_text` makes them.
//!
//! A hold writes nothing here. A task fills the table from the orders, in the order of their ids, while nobody waits
//! for it (`organiser/search/fill.rs`); what comes later with a name or an address is written in its own commit, and
//! so is what takes one away. The task reads an order and writes it a moment later: so that it does not bring back
//! what was erased between the two, every commit that takes a text away raises the generation, and what was read in
//! another generation is not written.

use super::{Field, Kind, RecordChange, Tables, Value, read, record};
use crate::store::Fault;
use boxoffice::{EventId, OrderId};
use std::collections::BTreeSet;

record! {
    /// An order is found by this text.
    pub struct FoundBy: "order_search", key 3 {
        /// The text.
        pub text: String,
        /// The event of the order.
        pub event: EventId,
        /// The order.
        pub order_id: OrderId,
    }
}

record! {
    /// How far the table is filled. There is one row at most.
    pub struct SearchProgress: "search_progress", key 1 {
        /// Always 1.
        pub one: i64,
        /// Orders up to this one are in the table; 0: none.
        pub done: OrderId,
        /// Another number after each commit that takes a text away.
        pub generation: i64,
    }
}

const _: () = assert!(matches!(<OrderId as Field>::KIND, Kind::Blob));

const BEGIN: &str = "INSERT INTO search_progress (one, done, generation) VALUES (1, $1, 0)
    ON CONFLICT (one) DO NOTHING";
const CHANGED: &str = "INSERT INTO search_progress (one, done, generation) VALUES (1, $1, 1)
    ON CONFLICT (one) DO UPDATE SET generation = search_progress.generation + 1";
const GO_ON: &str = "UPDATE search_progress SET done = $1 WHERE done = $2 AND generation = $3";
const ADD: &str = "INSERT INTO order_search (text, event, order_id)
    SELECT $1, $2, $3 WHERE EXISTS (SELECT 1 FROM search_progress WHERE done = $4 AND generation = $5)
    ON CONFLICT (text, event, order_id) DO NOTHING";
const PROGRESS: &str = "SELECT one, done, generation FROM search_progress";
/// The rows of a range that come after a row.
const RANGE: &str = "SELECT text, event, order_id FROM order_search
    WHERE (text, event, order_id) > ($1, $2, $3) AND text < $4
    ORDER BY text, event, order_id LIMIT $5";

impl SearchProgress {
    /// Nothing is done.
    pub fn none() -> SearchProgress {
        SearchProgress { one: 1, done: OrderId(0), generation: 0 }
    }

    /// Makes the row, unless it is there.
    pub fn begin() -> RecordChange {
        RecordChange::Run(BEGIN, vec![OrderId(0).value()])
    }

    /// The orders up to `done` are in the table, with these rows; unless somebody else was faster, or a text was
    /// taken away since `self` was read.
    pub fn go_on(&self, done: OrderId, rows: &[FoundBy]) -> Vec<RecordChange> {
        let values = vec![done.value(), self.done.value(), self.generation.value()];
        let mut changes = vec![RecordChange::Run(GO_ON, values)];
        changes.extend(rows.iter().map(|row| {
            let FoundBy { text, event, order_id } = row;
            let values = [text.value(), event.value(), order_id.value(), done.value()];
            RecordChange::Run(ADD, [&values[..], &[self.generation.value()]].concat())
        }));
        changes
    }
}

/// How far the table is filled.
pub fn progress(from: &mut dyn Tables) -> Result<SearchProgress, Fault> {
    let found: Vec<SearchProgress> = read(from.query(PROGRESS, &[])?)?;
    Ok(found.into_iter().next().unwrap_or_else(SearchProgress::none))
}

/// An order was found by these texts, and is found by those from now on.
pub fn changed(
    event: EventId,
    order: OrderId,
    before: &BTreeSet<String>,
    after: &BTreeSet<String>,
) -> Vec<RecordChange> {
    let row = |text: &String| FoundBy { text: text.clone(), event, order_id: order };
    let mut changes = Vec::new();
    if before.difference(after).next().is_some() {
        changes.push(RecordChange::Run(CHANGED, vec![OrderId(0).value()]));
    }
    for text in before.difference(after) {
        let key = vec![text.value(), event.value(), order.value()];
        changes.push(RecordChange::delete::<FoundBy>(key));
    }
    changes.extend(after.difference(before).map(|text| RecordChange::put(&row(text))));
    changes
}

/// The rows after `after` whose texts are less than `end`, `limit` at most.
pub fn range(
    from: &mut dyn Tables,
    after: &FoundBy,
    end: &str,
    limit: usize,
) -> Result<Vec<FoundBy>, Fault> {
    let FoundBy { text, event, order_id } = after;
    let limit = Value::Int(limit.try_into().unwrap_or(i64::MAX));
    let values = [text.value(), event.value(), order_id.value(), Value::Text(end.into()), limit];
    read(from.query(RANGE, &values)?)
}
