//! How many places each buyer has of the events with a limit per buyer, in memory.
//!
//! The orders tell it ([`boxoffice::Order::counted`]), so nothing more is written: a row for each
//! buyer under a random key, read and written for every hold, halved the speed of a sale. An event's
//! counts are read from its orders at the start if it may still be sold, or else when somebody first
//! asks; and as everything that is kept in memory, they change only after COMMIT has said yes. A
//! buyer without places is not kept, so there are never more entries than places that are taken.
//! Keys are compared whole.

use super::recent::Seeded;
use super::{codec, rows};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{BuyerKey, BuyerRecord, Change, Event, EventId, OrderId, TimeMs};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// So many small maps for an event, for the reason given in `recent.rs`.
const MAPS: usize = 64;

/// With more entries than this, the events for which nobody has asked the longest are let go; they are
/// read again when somebody does. An entry takes 33 to 66 bytes.
const MOST: usize = 8_000_000;

/// An event that is over for so long is not read at the start, and nobody asks for its counts.
const OVER_MS: i64 = 24 * 60 * 60 * 1000;

#[expect(clippy::disallowed_types, reason = "never iterated, and hashed by a key of our own")]
type Places = std::collections::HashMap<Key, Has, Seeded>;

/// A buyer's key in words of four bytes, and what follows in the same words: it is a seventh smaller
/// than in words of eight.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key([u32; 4]);

impl Key {
    fn of(key: BuyerKey) -> Key {
        Key([(key.0 >> 96) as u32, (key.0 >> 64) as u32, (key.0 >> 32) as u32, key.0 as u32])
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let word = |a: u32, b: u32| (u64::from(a) << 32) | u64::from(b);
        hasher.write_u64(word(self.0[0], self.0[1]));
        hasher.write_u64(word(self.0[2], self.0[3]));
    }
}

/// What a buyer has. Of the latest order the high half of its id, which is its row's key.
#[derive(Clone, Copy)]
struct Has {
    places: u32,
    order: [u32; 2],
}

impl Has {
    fn of(places: u32, high: u64) -> Has {
        Has { places, order: [(high >> 32) as u32, high as u32] }
    }

    fn high(&self) -> u64 {
        (u64::from(self.order[0]) << 32) | u64::from(self.order[1])
    }
}

struct OfEvent {
    maps: Vec<Places>,
    /// When somebody last asked, in batches.
    asked: u64,
}

impl OfEvent {
    fn new(seeded: &Seeded) -> OfEvent {
        OfEvent { maps: (0..MAPS).map(|_| Places::with_hasher(seeded.clone())).collect(), asked: 0 }
    }

    fn get(&self, buyer: BuyerKey) -> Option<Has> {
        self.maps[buyer.0 as usize % MAPS].get(&Key::of(buyer)).copied()
    }

    fn put(&mut self, buyer: BuyerKey, has: Has) {
        let map = &mut self.maps[buyer.0 as usize % MAPS];
        if has.places == 0 {
            map.remove(&Key::of(buyer));
        } else {
            map.insert(Key::of(buyer), has);
        }
    }

    fn add(&mut self, buyer: BuyerKey, places: u32, high: u64) {
        let map = &mut self.maps[buyer.0 as usize % MAPS];
        let has = map.entry(Key::of(buyer)).or_insert(Has::of(0, high));
        *has = Has::of(has.places + places, high);
    }

    fn len(&self) -> usize {
        self.maps.iter().map(Places::len).sum()
    }
}

/// The counts of some events.
pub(super) struct Buyers {
    seeded: Seeded,
    events: BTreeMap<EventId, OfEvent>,
    batches: u64,
    /// What the last batch would change that failed, until it is known what became of it.
    doubt: Vec<Change>,
}

/// Whether nothing of an event is sold any more since long ago, so that no count of it is needed.
fn closed(event: &Event, now: TimeMs) -> bool {
    event.spec.sale_closes_ms.is_some_and(|closes| closes.saturating_add(OVER_MS) < now)
}

/// How many places of an event are held or sold.
fn taken(event: &Event) -> usize {
    event.pools.iter().map(|pool| pool.held as usize + pool.sold as usize).sum()
}

impl Buyers {
    /// Nothing yet. `secret` makes sure that nobody can choose keys that collide.
    pub(super) fn new(secret: &[u8; 32]) -> Buyers {
        Buyers {
            seeded: Seeded::of(secret),
            events: BTreeMap::new(),
            batches: 0,
            doubt: Vec::new(),
        }
    }

    /// At the start: reads the counts of the events that may still be sold.
    pub(super) fn begin(
        &mut self,
        conn: &Connection,
        events: &BTreeMap<EventId, Event>,
        now: TimeMs,
    ) -> rusqlite::Result<()> {
        let may_be_sold = |event: &&Event| {
            let began = event.spec.starts_ms.saturating_add(OVER_MS) < now;
            event.spec.limit_per_buyer.is_some() && !closed(event, now) && !began
        };
        let may = events.values().filter(may_be_sold).map(|e| (e.id, taken(e))).collect();
        self.read(conn, &may)
    }

    /// Somebody asks for the counts of these events: reads those that are not kept.
    pub(super) fn ask<'e>(
        &mut self,
        conn: &Connection,
        events: impl Iterator<Item = &'e Event>,
        now: TimeMs,
    ) -> rusqlite::Result<()> {
        self.batches += 1;
        if self.batches.is_multiple_of(1024) {
            self.evict(MOST);
        }
        let mut missing = BTreeMap::new();
        for event in events.filter(|event| event.spec.limit_per_buyer.is_some()) {
            match self.events.get_mut(&event.id) {
                Some(known) => known.asked = self.batches,
                None if closed(event, now) => {}
                None => _ = missing.insert(event.id, taken(event)),
            }
        }
        if missing.is_empty() { Ok(()) } else { self.read(conn, &missing) }
    }

    /// Reads the counts of these events, of which so many places are taken.
    fn read(
        &mut self,
        conn: &Connection,
        events: &BTreeMap<EventId, usize>,
    ) -> rusqlite::Result<()> {
        let Some(first) = events.keys().next() else { return Ok(()) };
        let mut found: BTreeMap<EventId, OfEvent> = events
            .iter()
            .map(|(id, taken)| {
                let mut of_event = OfEvent::new(&self.seeded);
                // Mostly a buyer has two places or more: room for all of them at once, so that the
                // maps need not grow, and not much more.
                of_event.maps.iter_mut().for_each(|map| map.reserve(taken / 2 / MAPS));
                (*id, of_event)
            })
            .collect();
        // An event is made before its orders. Its id begins with its time, as theirs do; another
        // process, by another clock, may have made it in a database that was moved.
        let after = super::reader::before_orders(*first);
        {
            let mut find = conn.prepare(
                "SELECT event, lines, buyer_key, id, low FROM orders
                 WHERE id > ?1 AND state NOT IN (7, 8)",
            )?;
            let mut orders = find.query([after])?;
            while let Some(row) = orders.next()? {
                let event = EventId(row.get_ref(0)?.as_i64()? as u64);
                let Some(of_event) = found.get_mut(&event) else { continue };
                let high = row.get_ref(3)?.as_i64()?;
                let places = match codec::places(row.get_ref(1)?.as_blob()?) {
                    Ok((places, 0)) => places,
                    // Something was refunded, or is being: the refunds tell which.
                    _ => {
                        let id = codec::join(high, row.get(4)?);
                        rows::order(conn, id)?.map_or(0, |order| order.counted())
                    }
                };
                if places > 0 {
                    let buyer = BuyerKey(u128::from_be_bytes(row.get(2)?));
                    of_event.add(buyer, places, high as u64);
                }
            }
        }
        for (id, mut of_event) in found {
            of_event.asked = self.batches;
            self.events.insert(id, of_event);
        }
        self.evict(MOST);
        Ok(())
    }

    /// Keeps so many entries at most, as far as nobody asks for them now.
    fn evict(&mut self, most: usize) {
        let mut kept: usize = self.events.values().map(OfEvent::len).sum();
        while kept > most
            && let Some((id, of_event)) = self.events.iter().min_by_key(|(_, e)| e.asked)
            && of_event.asked < self.batches
        {
            let id = *id;
            kept -= of_event.len();
            self.events.remove(&id);
        }
    }

    /// What a buyer has of an event, if that is kept. `known` are orders that were loaded.
    pub(super) fn get(
        &self,
        conn: &Connection,
        event: EventId,
        buyer: BuyerKey,
        known: &BTreeMap<OrderId, boxoffice::Order>,
    ) -> rusqlite::Result<Option<BuyerRecord>> {
        let Some(has) = self.events.get(&event).and_then(|of_event| of_event.get(buyer)) else {
            return Ok(None);
        };
        let high = has.high() as i64;
        let loaded = known.range(codec::join(high, 0)..=codec::join(high, -1)).next();
        let order = match loaded {
            Some((id, _)) => *id,
            None => {
                let low: Option<i64> = conn
                    .prepare_cached("SELECT low FROM orders WHERE id = ?1")?
                    .query_row(params![high], |row| row.get(0))
                    .optional()?;
                codec::join(high, low.unwrap_or(0))
            }
        };
        Ok(Some(BuyerRecord { places: has.places, order }))
    }

    /// Keeps what is committed now.
    pub(super) fn committed(&mut self, changes: &[Change]) {
        self.doubt.clear();
        self.keep(changes);
    }

    fn keep(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::BuyerPut { event, buyer, record } => {
                    if let Some(of_event) = self.events.get_mut(event) {
                        let high = codec::split(record.order).0 as u64;
                        of_event.put(*buyer, Has::of(record.places, high));
                    }
                }
                // Without a limit nobody counts. If it gets one again, the orders tell.
                Change::EventPut(event) if event.spec.limit_per_buyer.is_none() => {
                    self.events.remove(&event.id);
                }
                Change::EventDeleted { event } => _ = self.events.remove(event),
                _ => {}
            }
        }
    }

    /// A batch failed: nothing of it counts, unless it turns out to be recorded.
    pub(super) fn failed(&mut self, changes: &[Change]) {
        if on(Mutant::CountNotUndone) {
            self.committed(changes);
        }
        let counts = |c: &&Change| {
            matches!(c, Change::BuyerPut { .. } | Change::EventPut(_) | Change::EventDeleted { .. })
        };
        self.doubt = changes.iter().filter(counts).cloned().collect();
    }

    /// What became of the last batch that was tried is known.
    pub(super) fn recovered(&mut self, recorded: bool) {
        let doubt = std::mem::take(&mut self.doubt);
        if recorded {
            self.keep(&doubt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buyers() -> Buyers {
        Buyers::new(&std::array::from_fn(|i| i as u8 * 7 + 1))
    }

    fn put(event: u64, buyer: u128, places: u32) -> Change {
        let record = BuyerRecord { places, order: OrderId(5 << 64) };
        Change::BuyerPut { event: EventId(event), buyer: BuyerKey(buyer), record }
    }

    fn places(buyers: &Buyers, event: u64, buyer: u128) -> Option<u32> {
        Some(buyers.events.get(&EventId(event))?.get(BuyerKey(buyer))?.places)
    }

    #[test]
    fn keys_are_compared_whole() {
        let mut kept = OfEvent::new(&buyers().seeded);
        let keys = [0, 1, 1 << 32, 1 << 64, 1 << 96, (1 << 96) | 1, u128::MAX];
        for (n, key) in (1..).zip(keys) {
            kept.put(BuyerKey(key), Has::of(n, u64::MAX - u64::from(n)));
        }
        for (n, key) in (1..).zip(keys) {
            let has = kept.get(BuyerKey(key)).map(|has| (has.places, has.high()));
            assert_eq!(has, Some((n, u64::MAX - u64::from(n))), "{key:x}");
        }
        assert_eq!(kept.len(), keys.len());
    }

    #[test]
    fn an_entry_is_as_small_as_it_is_said_to_be() {
        assert_eq!(std::mem::size_of::<(Key, Has)>(), 28);
    }

    #[test]
    fn what_failed_counts_only_if_it_was_recorded() {
        for recorded in [false, true] {
            let mut all = buyers();
            all.events.insert(EventId(1), OfEvent::new(&all.seeded));
            all.committed(&[put(1, 7, 2), put(2, 7, 2)]);
            assert_eq!((places(&all, 1, 7), places(&all, 2, 7)), (Some(2), None));
            all.failed(&[put(1, 7, 3), put(1, 8, 1)]);
            assert_eq!((places(&all, 1, 7), places(&all, 1, 8)), (Some(2), None), "not yet");
            all.recovered(recorded);
            let expected = if recorded { (Some(3), Some(1)) } else { (Some(2), None) };
            assert_eq!((places(&all, 1, 7), places(&all, 1, 8)), expected);
            all.recovered(!recorded);
            assert_eq!((places(&all, 1, 7), places(&all, 1, 8)), expected, "only once");
        }
        // A batch that is done settles what failed before it.
        let mut all = buyers();
        all.events.insert(EventId(1), OfEvent::new(&all.seeded));
        all.failed(&[put(1, 7, 3)]);
        all.committed(&[put(1, 7, 1)]);
        all.recovered(true);
        assert_eq!(places(&all, 1, 7), Some(1));
    }

    #[test]
    fn nobody_without_places_is_kept_and_the_longest_unasked_event_goes_first() {
        let mut all = buyers();
        for event in 1..=3u64 {
            let mut of_event = OfEvent::new(&all.seeded);
            of_event.asked = [5, 2, 9][event as usize - 1];
            all.events.insert(EventId(event), of_event);
            let changes: Vec<Change> = (0..10).map(|n| put(event, n, 1)).collect();
            all.committed(&changes);
        }
        all.committed(&[put(1, 3, 0), put(1, 3, 0)]);
        assert_eq!(all.events[&EventId(1)].len(), 9);
        all.batches = 9;
        all.evict(29);
        assert_eq!(all.events.len(), 3);
        all.evict(28);
        assert_eq!(all.events.keys().copied().collect::<Vec<_>>(), [EventId(1), EventId(3)]);
        all.evict(0);
        let left: Vec<_> = all.events.keys().copied().collect();
        assert_eq!(left, [EventId(3)], "what is asked for now stays");
    }
}
