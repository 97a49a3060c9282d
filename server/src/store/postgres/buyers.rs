//! What buyers have of an event, counted anew from its orders: where a limit per buyer comes late,
//! and where an older database gets its buyers' keys anew.

use super::link::{Link, Trouble, ask};
use super::rows::{self, InOrder, Orders};
use crate::identity::buyer_key;
use crate::store::codec;
use boxoffice::{BuyerKey, BuyerRecord, EventId, OrderId};
use std::collections::BTreeMap;
use uuid::Uuid;

/// So many orders at a time.
const PAGE: i64 = 10_000;

/// The orders whose places count, or may.
const COUNTED: &str = "SELECT id, buyer_key, lines FROM orders
     WHERE event = $1 AND id > $2 AND state NOT IN (7, 8) ORDER BY id LIMIT $3";
const FORGET: &str = "DELETE FROM buyers WHERE event = $1";
const KEYS: &str =
    "SELECT id, event, name, email, buyer_key FROM orders WHERE id > $1 ORDER BY id LIMIT $2";
const PUT_KEYS: &str = "UPDATE orders o SET buyer_key = d.key
     FROM unnest($1::bigint[], $2::uuid[], $3::uuid[]) AS d (event, id, key)
     WHERE o.event = d.event AND o.id = d.id";
const LIMITED: &str = "SELECT id FROM events WHERE limit_per_buyer IS NOT NULL ORDER BY id";

/// What the buyers of an event have, by its orders.
pub(super) fn count(
    link: &mut Link,
    event: EventId,
) -> Result<BTreeMap<BuyerKey, BuyerRecord>, Trouble> {
    let mut has: BTreeMap<BuyerKey, BuyerRecord> = BTreeMap::new();
    let mut add = |key, order, places| {
        if places > 0 {
            let record = has.entry(key).or_insert(BuyerRecord { places: 0, order });
            record.places += places;
            record.order = record.order.max(order);
        }
    };
    let mut after = Uuid::nil();
    loop {
        let page = link.ask(&[ask!(COUNTED, event.0 as i64, after, PAGE)])?.remove(0);
        let mut refunded = Vec::new();
        for row in &page {
            let mut row = InOrder::of(row);
            after = row.next()?;
            let key = BuyerKey(row.next::<Uuid>()?.as_u128());
            match codec::places(row.next()?).map_err(|why| rows::blob("orders.lines", why))? {
                (places, 0) => add(key, OrderId(after.as_u128()), places),
                _ => refunded.push(after),
            }
        }
        if !refunded.is_empty() {
            let found = link.ask(&[ask!(rows::SOME_ORDERS, refunded)])?;
            let mut orders = Orders::of(&found[0])?;
            let children = link.ask(&orders.ask_children())?;
            orders.add_children(&children)?;
            for order in orders.into_orders() {
                add(order.buyer.key, order.id, order.counted());
            }
        }
        if (page.len() as i64) < PAGE {
            return Ok(has);
        }
    }
}

/// Writes down what the buyers of an event have, in place of what was written down before.
pub(super) fn count_anew(link: &mut Link, event: EventId) -> Result<(), Trouble> {
    let has: Vec<(BuyerKey, BuyerRecord)> = count(link, event)?.into_iter().collect();
    link.ask(&[ask!(FORGET, event.0 as i64)])?;
    for some in has.chunks(PAGE as usize) {
        link.ask(&[ask!(
            super::write::PUT_BUYERS,
            vec![event.0 as i64; some.len()],
            some.iter().map(|(key, _)| Uuid::from_u128(key.0)).collect::<Vec<_>>(),
            some.iter().map(|(_, has)| i64::from(has.places)).collect::<Vec<_>>(),
            some.iter().map(|(_, has)| Uuid::from_u128(has.order.0)).collect::<Vec<_>>(),
        )])?;
    }
    Ok(())
}

/// Gives every order the key of its buyer, by the name and the address in its own row, and counts
/// the buyers of events with a limit by these keys.
pub(super) fn keys_anew(link: &mut Link) -> Result<(), Trouble> {
    let mut after = Uuid::nil();
    loop {
        let page = link.ask(&[ask!(KEYS, after, PAGE)])?.remove(0);
        let (mut events, mut ids, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for row in &page {
            let mut row = InOrder::of(row);
            after = row.next()?;
            let event: i64 = row.next()?;
            let (name, email): (&str, &str) = (row.next()?, row.next()?);
            let key = Uuid::from_u128(buyer_key(name, email).0);
            if row.next::<Uuid>()? != key {
                events.push(event);
                ids.push(after);
                keys.push(key);
            }
        }
        if !ids.is_empty() {
            link.ask(&[ask!(PUT_KEYS, events, ids, keys)])?;
        }
        if (page.len() as i64) < PAGE {
            break;
        }
    }
    for row in link.ask(&[ask!(LIMITED)])?.remove(0) {
        count_anew(link, EventId(InOrder::of(&row).next::<i64>()? as u64))?;
    }
    Ok(())
}
