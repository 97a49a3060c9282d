//! Reading: a connection of its own that sees whole commits, and never waits for the writer.

use super::file::{self, DatabaseFile};
use super::records::{execute, query};
use super::{codec, rows};
use crate::store::records::{Row, Tables, Value, verify};
use crate::store::recount::Recount;
use crate::store::{Fault, Lane, Listing, NamedTicket, OrderPage, Owner, OwnerPage, Reader};
use boxoffice::{Event, EventId, Order, OrderId, TimeMs};
use rusqlite::{Connection, OptionalExtension, params};

/// How many rows are looked at for one page of an event's orders. Orders are not indexed by their
/// event: that index would cost every hold, and organisers page rarely.
const LOOKED_AT: i64 = 5_000;
/// The clocks of two processes on one database do not differ by more than this, in milliseconds.
const CLOCKS_DIFFER_MS: i64 = 60 * 60 * 1000;

/// The pages' side of the embedded database.
pub struct SqliteReader {
    conn: Connection,
}

/// The list of what is due. Each lane has an index of its own, and steps over nobody of the other.
pub(super) fn due(lane: Lane) -> &'static str {
    match lane {
        Lane::Holds => {
            "SELECT id, low FROM orders INDEXED BY orders_holds
             WHERE due_ms <= ?1 AND state = 0 ORDER BY due_ms, id LIMIT ?2"
        }
        Lane::Payments => {
            "SELECT id, low FROM orders INDEXED BY orders_owed
             WHERE due_ms <= ?1 AND state > 0 ORDER BY due_ms, id LIMIT ?2"
        }
    }
}

/// No order of this event has a lower key. An order's id is made after its event's; in a file that
/// was a server's, another process may have made it, by another clock.
pub(super) fn before_orders(event: EventId) -> i64 {
    event.0 as i64 - (CLOCKS_DIFFER_MS << 16)
}

fn fault(error: rusqlite::Error) -> Fault {
    Fault::NotDone(error.to_string())
}

impl SqliteReader {
    pub(super) fn open(place: &DatabaseFile) -> Result<SqliteReader, Fault> {
        let conn = place.connect(false).map_err(fault)?;
        match file::readable(&conn) {
            Ok(true) => Ok(SqliteReader { conn }),
            Ok(false) => Err(Fault::NotDone(format!(
                "{} is no database of this version of nts",
                place.path.display()
            ))),
            Err(error) => Err(fault(error)),
        }
    }

    /// Runs some questions against one and the same commit.
    pub(super) fn at_once<T>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        let conn = &self.conn;
        let run = |sql| conn.prepare_cached(sql)?.execute([]).map(drop);
        run("BEGIN").map_err(fault)?;
        let answer = ask(conn);
        // Also after an error, or else the next question would be asked of an old commit.
        run("COMMIT").map_err(fault)?;
        answer.map_err(fault)
    }

    /// The server's own secret, made with the database.
    pub fn secret(&self) -> Result<[u8; 32], Fault> {
        self.at_once(|conn| {
            conn.query_row("SELECT value FROM meta WHERE key = 'secret'", [], |row| row.get(0))
        })
    }

    /// A text that is kept under this key.
    pub fn meta(&self, key: &str) -> Result<Option<String>, Fault> {
        self.at_once(|conn| {
            let find = "SELECT value FROM meta WHERE key = ?1";
            conn.query_row(find, [key], |row| row.get(0)).optional()
        })
    }

    /// Reads everything and tells what is wrong, at most some of it; nothing, if all is well. Takes
    /// as long as it takes to read the file.
    pub fn verify(&mut self) -> Result<Vec<String>, Fault> {
        let mut wrong = self.at_once(|conn| {
            let mut wrong: Vec<String> = conn
                .prepare("PRAGMA integrity_check")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            wrong.retain(|line| line != "ok");
            if wrong.is_empty() {
                check_counters(conn, &mut wrong)?;
                check_serials(conn, &mut wrong)?;
                check_orphans(conn, &mut wrong)?;
            }
            Ok(wrong)
        })?;
        if wrong.is_empty() {
            verify(self, &mut wrong)?;
        }
        Ok(wrong)
    }
}

/// Counts the places of every pool anew, from the orders.
pub(super) fn check_counters(conn: &Connection, wrong: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut recount = Recount::default();
    let mut find = conn.prepare("SELECT id, event, state, lines FROM orders")?;
    let mut orders = find.query([])?;
    while let Some(row) = orders.next()? {
        let event = EventId(row.get::<_, i64>(1)? as u64);
        if let Err(why) = recount.add(event, row.get(2)?, row.get_ref(3)?.as_blob()?) {
            wrong.push(format!("order {:x} is unreadable: it is {why}", row.get::<_, i64>(0)?));
        }
    }
    recount.compare(&rows::events(conn, "", [])?, wrong);
    Ok(())
}

/// Serials have no gaps, and each ticket is its order's.
pub(super) fn check_serials(conn: &Connection, wrong: &mut Vec<String>) -> rusqlite::Result<()> {
    let mut find = conn.prepare(
        "SELECT slug, serials, (SELECT count(*) FROM tickets WHERE event = events.id),
                (SELECT coalesce(max(serial), 0) FROM tickets WHERE event = events.id)
         FROM events",
    )?;
    let mut events = find.query([])?;
    while let Some(row) = events.next()? {
        let (slug, serials): (String, i64) = (row.get(0)?, row.get(1)?);
        let (count, last): (i64, i64) = (row.get(2)?, row.get(3)?);
        if count != serials || last != serials {
            wrong.push(format!(
                "event {slug}: issued {serials} tickets, but has {count}, the last is {last}"
            ));
        }
    }
    let mut find = conn.prepare(
        "SELECT count(*) OVER (), e.slug, t.serial
         FROM tickets t LEFT JOIN orders o ON o.id = t.order_id LEFT JOIN events e ON e.id = t.event
         WHERE o.event IS NOT t.event OR t.serial NOT BETWEEN o.first_serial AND o.last_serial
               OR o.first_serial IS NULL
         ORDER BY t.event, t.serial LIMIT 1",
    )?;
    let mut strays = find.query([])?;
    if let Some(row) = strays.next()? {
        let (count, slug, serial): (i64, Option<String>, i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let slug = slug.unwrap_or_default();
        wrong.push(format!(
            "{count} tickets do not lead back from their order; the first is {serial} of event {slug}"
        ));
    }
    Ok(())
}

/// What belongs to an order has one, and an attempt to pay has a payment.
pub(super) fn check_orphans(conn: &Connection, wrong: &mut Vec<String>) -> rusqlite::Result<()> {
    for (table, of, shown) in [
        ("payments", "SELECT id FROM orders", "t.intent"),
        ("attempts", "SELECT order_id FROM payments", "NULL"),
        ("refunds", "SELECT id FROM orders", "t.detail"),
    ] {
        let sql = format!(
            "SELECT count(*) OVER (), {shown}, t.order_id, o.low
             FROM {table} t LEFT JOIN orders o ON o.id = t.order_id
             WHERE t.order_id NOT IN ({of}) ORDER BY t.order_id LIMIT 1"
        );
        let mut find = conn.prepare(&sql)?;
        let mut rows = find.query([])?;
        let Some(row) = rows.next()? else { continue };
        let (count, shown): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
        let order = match row.get::<_, Option<i64>>(3)? {
            Some(low) => uuid::Uuid::from_u128(codec::join(row.get(2)?, low).0).to_string(),
            None => "no order".into(),
        };
        let shown = shown.map(|id| format!(" ({id})")).unwrap_or_default();
        wrong.push(format!("{count} {table} belong to nothing, one{shown} of {order} among them"));
    }
    Ok(())
}

/// Orders in the order of their ids.
pub(super) fn all_orders(
    conn: &Connection,
    after: Option<OrderId>,
    limit: usize,
) -> rusqlite::Result<OrderPage> {
    let after = after.map_or(0, |id| codec::split(id).0);
    let mut found: Vec<(Order, rows::Serials)> = conn
        .prepare_cached(concat!(
            "SELECT ",
            rows::order_columns!(),
            " FROM orders WHERE id > ?1 ORDER BY id LIMIT ?2"
        ))?
        .query_map(params![after, limit as i64], rows::order_row)?
        .collect::<rusqlite::Result<_>>()?;
    for (order, serials) in &mut found {
        rows::add_children(conn, order, *serials)?;
    }
    let full = found.len() == limit;
    let orders: Vec<Order> = found.into_iter().map(|(order, _)| order).collect();
    let next = orders.last().map(|o| o.id).filter(|_| full);
    Ok(OrderPage { orders, changed_ms: Vec::new(), next })
}

/// The orders of a listing.
fn listed(
    conn: &Connection,
    listing: &Listing,
    fits: &dyn Fn(&Order) -> bool,
) -> rusqlite::Result<OrderPage> {
    const ASCENDING: &str = concat!(
        "SELECT ",
        rows::order_columns!(),
        ", changed_ms FROM orders WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3"
    );
    const DESCENDING: &str = concat!(
        "SELECT ",
        rows::order_columns!(),
        ", changed_ms FROM orders WHERE id > ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
    );
    // No order of an event has a lower key than the event.
    let events = listing.events.as_deref();
    let least = events.map_or(0, |events| {
        events.iter().copied().map(before_orders).min().unwrap_or(i64::MAX).max(0)
    });
    // The high half of an id is unique, so its low half need not be compared.
    let high = |id: OrderId| i64::try_from(id.0 >> 64).unwrap_or(i64::MAX);
    let from = listing.after.map_or(0, high).max(least);
    let to = listing.before.map_or(i64::MAX, high);
    let sql = if listing.newest_first { DESCENDING } else { ASCENDING };
    let mut page = OrderPage { orders: Vec::new(), changed_ms: Vec::new(), next: None };
    let mut serials = Vec::new();
    {
        let mut find = conn.prepare_cached(sql)?;
        let mut found = find.query(params![from, to, listing.look.saturating_add(2) as i64])?;
        let mut looked_at = 0;
        while let Some(row) = found.next()? {
            // The bounds themselves are found as well, by the half of the id that is the key.
            let id: OrderId = codec::join(row.get(0)?, row.get(1)?);
            if listing.after.is_some_and(|after| id <= after)
                || listing.before.is_some_and(|before| id >= before)
            {
                continue;
            }
            looked_at += 1;
            // Most rows are passed over, so they are not read whole.
            let of = EventId(row.get::<_, i64>(2)? as u64);
            let state: i64 = row.get(3)?;
            if events.is_none_or(|events| events.contains(&of))
                && listing.state.is_none_or(|wanted| codec::state_number(wanted) == state)
            {
                let changed_ms: i64 = row.get("changed_ms")?;
                let (order, of_order) = rows::order_row(row)?;
                if listing.fits(&order, changed_ms) && fits(&order) {
                    page.changed_ms.push(changed_ms.max(order.placed_ms));
                    page.orders.push(order);
                    serials.push(of_order);
                }
            }
            if looked_at == listing.look || page.orders.len() >= listing.limit {
                page.next = Some(id);
                break;
            }
        }
    }
    for (order, serials) in page.orders.iter_mut().zip(serials) {
        rows::add_children(conn, order, serials)?;
    }
    Ok(page)
}

impl Tables for SqliteReader {
    fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        self.at_once(|conn| query(conn, sql, values))
    }

    /// Refused: the connection may not write.
    fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<(), Fault> {
        self.at_once(|conn| execute(conn, sql, values))
    }
}

impl Reader for SqliteReader {
    fn tables(&mut self) -> &mut dyn Tables {
        self
    }

    fn changed_ms(&mut self, id: OrderId) -> Result<Option<TimeMs>, Fault> {
        let (high, low) = codec::split(id);
        let sql = "SELECT max(changed_ms, placed_ms) FROM orders WHERE id = ?1 AND low = ?2";
        let find = |conn: &Connection| {
            conn.prepare_cached(sql)?.query_row(params![high, low], |row| row.get(0)).optional()
        };
        self.at_once(find)
    }

    fn verify(&mut self) -> Result<Vec<String>, Fault> {
        SqliteReader::verify(self)
    }

    fn events(&mut self) -> Result<Vec<Event>, Fault> {
        self.at_once(|conn| rows::events(conn, "", []))
    }

    fn order(&mut self, id: OrderId) -> Result<Option<Order>, Fault> {
        self.at_once(|conn| rows::order(conn, id))
    }

    fn orders(
        &mut self,
        event: EventId,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<OrderPage, Fault> {
        let after = after.map_or(before_orders(event), |id| codec::split(id).0);
        self.at_once(|conn| {
            let mut page = OrderPage { orders: Vec::new(), changed_ms: Vec::new(), next: None };
            let mut serials = Vec::new();
            {
                let mut find = conn.prepare_cached(concat!(
                    "SELECT ",
                    rows::order_columns!(),
                    " FROM orders WHERE id > ?1 ORDER BY id LIMIT ?2"
                ))?;
                let mut rows = find.query(params![after, LOOKED_AT])?;
                let mut looked_at = 0;
                while let Some(row) = rows.next()? {
                    looked_at += 1;
                    if row.get::<_, i64>(2)? as u64 == event.0 {
                        let (order, of_order) = rows::order_row(row)?;
                        page.orders.push(order);
                        serials.push(of_order);
                    }
                    if looked_at == LOOKED_AT || page.orders.len() >= limit {
                        page.next = Some(codec::join(row.get("id")?, row.get("low")?));
                        break;
                    }
                }
            }
            for (order, serials) in page.orders.iter_mut().zip(serials) {
                rows::add_children(conn, order, serials)?;
            }
            Ok(page)
        })
    }

    fn all_orders(&mut self, after: Option<OrderId>, limit: usize) -> Result<OrderPage, Fault> {
        self.at_once(|conn| all_orders(conn, after, limit))
    }

    fn listed(
        &mut self,
        listing: &Listing,
        fits: &dyn Fn(&Order) -> bool,
    ) -> Result<OrderPage, Fault> {
        self.at_once(|conn| listed(conn, listing, fits))
    }

    fn owners(&mut self, after: Option<OrderId>, limit: usize) -> Result<OwnerPage, Fault> {
        let after = after.map_or(0, |id| codec::split(id).0);
        self.at_once(|conn| {
            let owners: Vec<Owner> = conn
                .prepare_cached(
                    "SELECT id, low, event, buyer_key FROM orders WHERE id > ?1 ORDER BY id LIMIT ?2",
                )?
                .query_map(params![after, limit as i64], rows::owner)?
                .collect::<rusqlite::Result<_>>()?;
            let next = owners.last().map(|o| o.order).filter(|_| owners.len() == limit);
            Ok(OwnerPage { owners, next })
        })
    }

    fn due(&mut self, now: TimeMs, lane: Lane, limit: usize) -> Result<Vec<OrderId>, Fault> {
        self.at_once(|conn| {
            conn.prepare_cached(due(lane))?
                .query_map(params![now, limit as i64], |row| {
                    Ok(codec::join(row.get(0)?, row.get(1)?))
                })?
                .collect()
        })
    }

    fn tickets(
        &mut self,
        event: EventId,
        after: u32,
        limit: usize,
    ) -> Result<Vec<NamedTicket>, Fault> {
        self.at_once(|conn| {
            conn.prepare_cached(
                "SELECT t.serial, t.line, t.state, t.code_rule, t.revision, t.guest,
                        coalesce(t.guest, o.name) AS name, o.first_serial, o.answers
                 FROM tickets t CROSS JOIN orders o ON o.id = t.order_id
                 WHERE t.event = ?1 AND t.serial > ?2 ORDER BY t.serial LIMIT ?3",
            )?
            .query_map(params![event.0 as i64, after, limit as i64], rows::named_ticket)?
            .collect()
        })
    }

    fn references(&mut self, event: EventId, prefix: &str) -> Result<Vec<String>, Fault> {
        self.at_once(|conn| {
            conn.prepare_cached(
                "SELECT reference FROM orders WHERE event = ?1 AND reference <> ''
                     AND substr(reference, 1, length(?2)) = ?2 ORDER BY id",
            )?
            .query_map(params![event.0 as i64, prefix], |row| row.get(0))?
            .collect()
        })
    }

    fn order_of_ticket(&mut self, event: EventId, serial: u32) -> Result<Option<OrderId>, Fault> {
        self.at_once(|conn| {
            conn.prepare_cached(
                "SELECT o.id, o.low FROM tickets t CROSS JOIN orders o ON o.id = t.order_id
                 WHERE t.event = ?1 AND t.serial = ?2",
            )?
            .query_row(params![event.0 as i64, serial], |row| {
                Ok(codec::join(row.get(0)?, row.get(1)?))
            })
            .optional()
        })
    }
}
