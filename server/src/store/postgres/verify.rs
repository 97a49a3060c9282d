//! Reads everything, as of one commit, and tells what does not fit together.

use super::buyers;
use super::link::{Link, Trouble, ask};
use super::rows::{self, InOrder, one};
use crate::store::recount::Recount;
use boxoffice::{BuyerKey, Event, EventId};
use uuid::Uuid;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const END: &str = "COMMIT";
/// So many orders are read at a time.
const PAGE: i64 = 5_000;

const ORDERS: &str =
    "SELECT id, event, state::bigint, lines FROM orders WHERE id > $1 ORDER BY id LIMIT $2";
const BUYERS: &str =
    "SELECT key, places FROM buyers WHERE event = $1 AND key > $2 ORDER BY key LIMIT $3";
/// Serials have no gaps.
const SERIALS: &str = "SELECT e.slug, e.serials, count(t.serial), coalesce(max(t.serial), 0)
     FROM events e LEFT JOIN tickets t ON t.event = e.id
     GROUP BY e.id, e.slug, e.serials
     HAVING count(t.serial) <> e.serials OR coalesce(max(t.serial), 0) <> e.serials";
/// Each ticket is its order's.
const STRAYS: &str = "SELECT count(*)
     FROM tickets t LEFT JOIN orders o ON o.event = t.event AND o.id = t.order_id
     WHERE o.first_serial IS NULL OR t.serial NOT BETWEEN o.first_serial AND o.last_serial";
/// What belongs to an order has one.
const ORPHANS: &str = "SELECT
     (SELECT count(*) FROM payments p WHERE NOT EXISTS
        (SELECT 1 FROM orders o WHERE o.event = p.event AND o.id = p.order_id))
     + (SELECT count(*) FROM attempts a WHERE NOT EXISTS
        (SELECT 1 FROM payments p WHERE p.event = a.event AND p.order_id = a.order_id))
     + (SELECT count(*) FROM refunds r WHERE NOT EXISTS
        (SELECT 1 FROM orders o WHERE o.event = r.event AND o.id = r.order_id))";

/// What buyers of an event with a limit have is what their orders make of it.
fn check_buyers(link: &mut Link, event: &Event, wrong: &mut Vec<String>) -> Result<(), Trouble> {
    let has = buyers::count(link, event.id)?;
    let (mut after, mut found) = (Uuid::nil(), 0);
    loop {
        let page = link.ask(&[ask!(BUYERS, event.id.0 as i64, after, PAGE)])?.remove(0);
        for row in &page {
            let mut row = InOrder::of(row);
            after = row.next()?;
            let places: i64 = row.next()?;
            let by_orders = has.get(&BuyerKey(after.as_u128())).map_or(0, |has| has.places);
            found += usize::from(by_orders > 0);
            if places != i64::from(by_orders) {
                wrong.push(format!(
                    "event {}: buyer {after} counts {places} places, but has orders of {by_orders}",
                    event.spec.slug
                ));
            }
        }
        if (page.len() as i64) < PAGE {
            break;
        }
    }
    if found != has.len() {
        let missing = has.len() - found;
        wrong.push(format!("event {}: {missing} buyers have places and no count", event.spec.slug));
    }
    Ok(())
}

/// What is wrong; nothing, if all is well.
pub(super) fn verify(link: &mut Link) -> Result<Vec<String>, Trouble> {
    link.ask(&[ask!(BEGIN)])?;
    let wrong = look(link)?;
    link.ask(&[ask!(END)])?;
    Ok(wrong)
}

/// The same within a transaction that somebody else begins and ends.
pub(super) fn look(link: &mut Link) -> Result<Vec<String>, Trouble> {
    let mut wrong = Vec::new();
    let found = link.ask(&[ask!(rows::EVENTS), ask!(rows::POOLS), ask!(rows::TICKET_TYPES)])?;
    let events = rows::events(&found[0], &found[1], &found[2])?;
    let mut recount = Recount::default();
    let mut after = Uuid::nil();
    loop {
        let page = link.ask(&[ask!(ORDERS, after, PAGE)])?.remove(0);
        for row in &page {
            let mut row = InOrder::of(row);
            after = row.next()?;
            let event = EventId(row.next::<i64>()? as u64);
            let (state, lines): (i64, &[u8]) = (row.next()?, row.next()?);
            if let Err(why) = recount.add(event, state, lines) {
                wrong.push(format!("order {after} is unreadable: it is {why}"));
            }
        }
        if (page.len() as i64) < PAGE {
            break;
        }
    }
    recount.compare(&events, &mut wrong);
    for event in events.iter().filter(|event| event.spec.limit_per_buyer.is_some()) {
        check_buyers(link, event, &mut wrong)?;
    }
    let found = link.ask(&[ask!(SERIALS), ask!(STRAYS), ask!(ORPHANS)])?;
    for row in &found[0] {
        let mut row = InOrder::of(row);
        let slug: String = row.next()?;
        let (serials, count, last): (i64, i64, i64) = (row.next()?, row.next()?, row.next()?);
        wrong.push(format!(
            "event {slug}: issued {serials} tickets, but has {count}, the last is {last}"
        ));
    }
    let (strays, orphans): (i64, i64) = (one(&found[1])?, one(&found[2])?);
    if strays > 0 {
        wrong.push(format!("{strays} tickets do not lead back from their order"));
    }
    if orphans > 0 {
        wrong.push(format!("{orphans} payments, attempts or refunds belong to nothing"));
    }
    Ok(wrong)
}
