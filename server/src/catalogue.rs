//! What is for sale right now, in memory: events and the counts of their pools as of the last
//! commit, and where other processes sell as well, as of the last look at theirs. A crowd that reads
//! the event page costs no SQL. And who waits for news of an order.

use boxoffice::{Event, EventId, Order, OrderId, TimeMs};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, broadcast};
use tokio::time::{Duration, Instant, timeout_at};

/// The events. Published by the writer's side after each commit that changed one.
pub struct Catalogue {
    known: RwLock<Known>,
    changed: broadcast::Sender<EventId>,
    /// When it was last seen what other processes have committed; `TimeMs::MAX` where there are
    /// none.
    seen: AtomicI64,
    looked: Notify,
}

impl Catalogue {
    /// A catalogue of these events.
    pub fn new(events: Vec<Event>) -> Catalogue {
        let catalogue = Catalogue {
            known: RwLock::default(),
            changed: broadcast::channel(256).0,
            seen: AtomicI64::new(TimeMs::MAX),
            looked: Notify::new(),
        };
        catalogue.publish(events, None);
        catalogue
    }

    /// Replaces these events by what our own writer has just committed. `batch` names the commit
    /// where others write as well: what was [taken in](Catalogue::refresh) since is as new.
    pub fn publish(&self, events: Vec<Event>, batch: Option<(i64, i64)>) {
        let ids: Vec<EventId> = events.iter().map(|e| e.id).collect();
        {
            let mut known = self.known();
            if batch.is_some_and(|batch| known.has(batch)) {
                return;
            }
            for event in events {
                known.put(event, batch);
            }
        }
        for id in ids {
            // Nobody listens: nobody is told.
            _ = self.changed.send(id);
        }
    }

    /// Removes events that our own writer has just deleted, or found to be deleted.
    pub fn remove(&self, ids: &[EventId]) {
        if ids.is_empty() {
            return;
        }
        ids.iter().for_each(|id| self.known().remove(*id));
        for id in ids {
            // Nobody listens: nobody is told.
            _ = self.changed.send(*id);
        }
    }

    fn known(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says since when it is not known what was recorded, if so: what is shown meanwhile is as of
    /// then.
    pub fn set_uncertain_since(&self, since: Option<Instant>) {
        let same = self.look().uncertain_since == since;
        if !same {
            self.known().uncertain_since = since;
        }
    }

    /// As of when the counts are true that are read at `now`.
    pub fn as_of(&self, now: TimeMs) -> TimeMs {
        let seen = self.seen.load(Ordering::SeqCst);
        let doubt = self.look().uncertain_since.map_or(Duration::ZERO, |since| since.elapsed());
        seen.min(now - i64::try_from(doubt.as_millis()).unwrap_or(0))
    }

    /// The database has another history than before: what our own writer has told is not newer than what is read
    /// there.
    pub fn forget_batches(&self) {
        self.known().events.values_mut().for_each(|entry| entry.batch = None);
    }

    /// Takes in what other processes have committed: all events, if anything has changed since the last
    /// time, and the marks of the batches that are in them, as it was seen at `at_ms`. What our own writer
    /// has told of a later batch is newer, and stays.
    pub fn refresh(&self, events: Option<Vec<Event>>, mark: &[(i64, i64)], at_ms: TimeMs) {
        let mut changed = Vec::new();
        let mut known = self.known();
        known.seen = mark.iter().copied().collect();
        if let Some(events) = events {
            let there: BTreeSet<EventId> = events.iter().map(|event| event.id).collect();
            let gone = known.events.iter().filter(|(id, entry)| {
                !there.contains(id) && entry.batch.is_none_or(|batch| known.has(batch))
            });
            let gone: Vec<EventId> = gone.map(|(id, _)| *id).collect();
            gone.iter().for_each(|id| known.remove(*id));
            changed.extend(gone);
            for event in events {
                let entry = known.events.get(&event.id);
                let newer = entry.and_then(|e| e.batch).is_some_and(|batch| !known.has(batch));
                if !newer && entry.is_none_or(|entry| *entry.event != event) {
                    changed.push(event.id);
                    known.put(event, None);
                }
            }
        }
        drop(known);
        self.seen.store(at_ms, Ordering::SeqCst);
        self.looked.notify_waiters();
        for id in changed {
            // Nobody listens: nobody is told.
            _ = self.changed.send(id);
        }
    }

    /// Whether other processes sell as well.
    pub fn is_shared(&self) -> bool {
        self.seen.load(Ordering::SeqCst) != TimeMs::MAX
    }

    /// Waits for a look at what other processes have committed that begins from now on; not at all
    /// where there are none, and not longer than `patience`. Gives whether all that was committed before
    /// is known now.
    pub async fn fresh(&self, patience: Duration) -> bool {
        if !self.is_shared() {
            return true;
        }
        let end = Instant::now() + patience;
        // The look that ends first may have begun before.
        for _ in 0..2 {
            if timeout_at(end, self.looked.notified()).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Waits until all is known that other processes had committed at `at_ms`, by the database's time; not at
    /// all where there are none, and not longer than `patience`. Gives whether it is.
    pub async fn knows(&self, at_ms: TimeMs, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        loop {
            // From now on it hears of each look.
            let looked = self.looked.notified();
            if self.seen.load(Ordering::SeqCst) >= at_ms {
                return true;
            }
            if timeout_at(end, looked).await.is_err() {
                return false;
            }
        }
    }

    /// The event with this slug, with counts that are true [as of](Catalogue::as_of) now, or of a
    /// moment ago.
    pub fn event(&self, slug: &str) -> Option<Arc<Event>> {
        let known = self.look();
        let entry = known.events.get(known.ids.get(slug)?)?;
        Some(Arc::clone(&entry.event))
    }

    /// The event with this id.
    pub fn event_by_id(&self, id: EventId) -> Option<Arc<Event>> {
        self.look().events.get(&id).map(|entry| Arc::clone(&entry.event))
    }

    /// All events, the next to start first.
    pub fn events(&self) -> Vec<Arc<Event>> {
        let mut events: Vec<Arc<Event>> =
            self.look().events.values().map(|entry| Arc::clone(&entry.event)).collect();
        events.sort_by_key(|e| (e.spec.starts_ms, e.id));
        events
    }

    /// The events that buyers find by themselves, in the same order.
    pub fn listed(&self, now: TimeMs) -> Vec<Arc<Event>> {
        let mut events = self.events();
        events.retain(|event| event.is_listed(now));
        events
    }

    /// Tells which events change from now on. Who listens too slowly misses some and is told so.
    pub fn listen(&self) -> broadcast::Receiver<EventId> {
        self.changed.subscribe()
    }
}

/// What a catalogue knows.
#[derive(Default)]
struct Known {
    events: BTreeMap<EventId, Entry>,
    /// By their slugs, which never change.
    ids: BTreeMap<String, EventId>,
    /// The last batch of each writer that was taken in.
    seen: BTreeMap<i64, i64>,
    /// Since when it is not known what our own writer has recorded, if it is not.
    uncertain_since: Option<Instant>,
}

struct Entry {
    event: Arc<Event>,
    /// The commit of our own writer from which it is; `None` if it was read.
    batch: Option<(i64, i64)>,
}

impl Known {
    fn put(&mut self, event: Event, batch: Option<(i64, i64)>) {
        if !self.events.contains_key(&event.id) {
            self.ids.insert(event.spec.slug.clone(), event.id);
        }
        self.events.insert(event.id, Entry { event: Arc::new(event), batch });
    }

    fn remove(&mut self, id: EventId) {
        if let Some(entry) = self.events.remove(&id) {
            // Another event may have its slug by now.
            if self.ids.get(&entry.event.spec.slug) == Some(&id) {
                self.ids.remove(&entry.event.spec.slug);
            }
        }
    }

    /// Whether what was taken in has this batch in it. A writer's first batch is 1: one that has
    /// recorded none is in no mark, and nothing of it is missing.
    fn has(&self, (writer, batch): (i64, i64)) -> bool {
        self.seen.get(&writer).copied().unwrap_or(0) >= batch
    }
}

/// Who waits for news of which order.
#[derive(Default)]
pub struct Watchers(Mutex<BTreeMap<OrderId, Watched>>);

/// An order that somebody waits for.
#[derive(Default)]
struct Watched {
    watches: usize,
    notify: Arc<Notify>,
    /// How often it has changed since somebody began to watch, and what it became.
    changes: u64,
    latest: Option<Arc<Order>>,
}

impl Watchers {
    /// Begins to watch an order. Begin before asking for what you wait for.
    pub fn watch(self: &Arc<Self>, order: OrderId) -> Watch {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = watched.entry(order).or_default();
        entry.watches += 1;
        let (notify, before) = (Arc::clone(&entry.notify), entry.changes);
        Watch { watchers: Arc::clone(self), order, notify, before }
    }

    /// Tells who watches these orders what they have become.
    pub fn changed(&self, orders: BTreeMap<OrderId, Arc<Order>>) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.is_empty() {
            return;
        }
        for (id, order) in orders {
            if let Some(entry) = watched.get_mut(&id) {
                entry.changes += 1;
                entry.latest = Some(order);
                entry.notify.notify_waiters();
            }
        }
    }
}

/// One who watches an order.
pub struct Watch {
    watchers: Arc<Watchers>,
    order: OrderId,
    notify: Arc<Notify>,
    /// The changes before it.
    before: u64,
}

impl Watch {
    /// What the order became by the last commit of our own since this was made; none if there was
    /// none. Look at it when the news are enabled.
    pub fn latest(&self) -> Option<Arc<Order>> {
        let watched = self.watchers.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = watched.get(&self.order).filter(|entry| entry.changes > self.before)?;
        entry.latest.clone()
    }

    /// Is done when the order has changed since this was made and enabled. Enable it before you
    /// look at the order: what changes after the look is then not missed.
    pub fn news(&self) -> Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.watchers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = watched.get_mut(&self.order) {
            entry.watches -= 1;
            if entry.watches == 0 {
                watched.remove(&self.order);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxoffice::{Buyer, BuyerKey, Currency, OrderState, Pool};
    use nts_testkit::fixtures::event_spec;

    fn event(held: u32) -> Event {
        let spec = event_spec("rock", 100);
        let pools = vec![Pool { name: "all".into(), capacity: 100, held, sold: 0 }];
        Event {
            id: EventId(1),
            spec,
            pools,
            ticket_types: Vec::new(),
            counters: vec![],
            serials: 0,
            sale: boxoffice::Sale::Open,
        }
    }

    fn held(catalogue: &Catalogue) -> u32 {
        catalogue.event("rock").map_or(0, |event| event.pools[0].held)
    }

    const US: i64 = 7;
    const OTHERS: i64 = 8;

    #[test]
    fn events_are_told_apart_by_slug_and_by_id() {
        let other = |held| {
            let mut other = Event { id: EventId(2), ..event(held) };
            other.spec.slug = "other".into();
            other
        };
        let catalogue = Catalogue::new(vec![event(1), other(2)]);
        catalogue.publish(vec![other(3)], None);
        for (slug, id, held) in
            [(event(0).spec.slug, event(0).id, 1), ("other".into(), EventId(2), 3)]
        {
            let (by_slug, by_id) = (catalogue.event(&slug), catalogue.event_by_id(id));
            assert_eq!(by_slug.map(|e| (e.id, e.pools[0].held)), Some((id, held)));
            assert_eq!(by_id.map(|e| (e.spec.slug.clone(), e.pools[0].held)), Some((slug, held)));
        }
        assert_eq!(catalogue.events().len(), 2);
        assert!(catalogue.event("no").is_none() && catalogue.event_by_id(EventId(9)).is_none());
    }

    #[test]
    fn what_was_taken_in_is_not_replaced_by_an_older_commit_of_our_own() {
        let catalogue = Catalogue::new(vec![event(0)]);
        // We commit batch 1 (one place held), others batch 5 (three). Both are read, and only then
        // our own is told.
        catalogue.refresh(Some(vec![event(3)]), &[(US, 1), (OTHERS, 5)], 1_000);
        catalogue.publish(vec![event(1)], Some((US, 1)));
        assert_eq!(held(&catalogue), 3);
        // Our next one was decided on what all had committed before.
        catalogue.publish(vec![event(4)], Some((US, 2)));
        assert_eq!(held(&catalogue), 4);
    }

    #[test]
    fn what_our_own_writer_has_told_is_not_replaced_by_an_older_look() {
        let catalogue = Catalogue::new(vec![event(0)]);
        catalogue.publish(vec![event(2)], Some((US, 2)));
        catalogue.refresh(Some(vec![event(1)]), &[(US, 1)], 1_000);
        assert_eq!(held(&catalogue), 2);
        catalogue.refresh(Some(vec![event(5)]), &[(US, 2), (OTHERS, 1)], 1_250);
        assert_eq!(held(&catalogue), 5);
    }

    #[test]
    fn a_deleted_event_is_gone_and_comes_back_by_no_older_look() {
        let other = |id| {
            let mut other = Event { id: EventId(id), ..event(0) };
            other.spec.slug = "other".into();
            other
        };
        let catalogue = Catalogue::new(vec![event(0), other(2)]);
        catalogue.remove(&[EventId(1), EventId(9)]);
        assert!(catalogue.event("rock").is_none() && catalogue.event("other").is_some());
        // Another process deletes the other, and makes one that has its slug.
        catalogue.publish(vec![other(2)], Some((US, 2)));
        catalogue.refresh(Some(vec![]), &[(US, 1)], 1_000);
        assert!(catalogue.event("other").is_some(), "made by a later commit of our own");
        catalogue.refresh(None, &[(US, 2)], 1_125);
        assert!(catalogue.event("other").is_some(), "nothing was read");
        catalogue.refresh(Some(vec![other(3)]), &[(US, 2), (OTHERS, 1)], 1_250);
        assert_eq!(catalogue.event("other").map(|e| e.id), Some(EventId(3)));
        assert!(catalogue.event_by_id(EventId(2)).is_none());
        assert_eq!(catalogue.events().len(), 1);
    }

    /// After a recovery the writer reads what it was unsure of, and perhaps records nothing.
    #[test]
    fn what_was_read_before_the_first_batch_of_our_own_does_not_outlive_the_next_look() {
        let catalogue = Catalogue::new(vec![event(0)]);
        catalogue.refresh(Some(vec![event(1)]), &[(OTHERS, 1)], 1_000);
        catalogue.publish(vec![event(2)], Some((US, 0)));
        catalogue.refresh(Some(vec![event(3)]), &[(OTHERS, 3)], 1_250);
        assert_eq!(held(&catalogue), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn it_says_as_of_when_its_counts_are_true() {
        let alone = Catalogue::new(vec![event(0)]);
        assert_eq!((alone.as_of(5_000), alone.is_shared()), (5_000, false));
        let shared = Catalogue::new(vec![event(0)]);
        shared.refresh(None, &[], 4_000);
        assert_eq!((shared.as_of(5_000), shared.is_shared()), (4_000, true));
        // In doubt since a second, whatever the clock does meanwhile.
        alone.set_uncertain_since(Some(Instant::now()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((alone.as_of(5_000), alone.as_of(100)), (4_000, -900));
        alone.set_uncertain_since(None);
        assert_eq!(alone.as_of(5_000), 5_000);
    }

    #[test]
    fn events_are_listed_by_their_beginning() {
        let starts = |id, starts_ms| {
            let mut event = Event { id: EventId(id), ..event(0) };
            (event.spec.slug, event.spec.starts_ms) = (format!("e{id}"), starts_ms);
            event
        };
        let catalogue = Catalogue::new(vec![starts(1, 9), starts(2, 5), starts(3, 5)]);
        let listed: Vec<u64> = catalogue.events().iter().map(|e| e.id.0).collect();
        assert_eq!(listed, [2, 3, 1]);
    }

    #[test]
    fn who_listens_is_told_of_each_event_that_changes() {
        let catalogue = Catalogue::new(vec![event(0)]);
        let mut news = catalogue.listen();
        let mut told = || news.try_recv().ok();
        catalogue.publish(vec![event(1)], None);
        assert_eq!([told(), told()], [Some(EventId(1)), None]);
        catalogue.refresh(Some(vec![event(1)]), &[], 1_000);
        assert_eq!(told(), None, "nothing has changed");
        let mut new = Event { id: EventId(2), ..event(0) };
        new.spec.slug = "new".into();
        catalogue.refresh(Some(vec![event(2), new]), &[(OTHERS, 5)], 1_250);
        assert_eq!([told(), told(), told()], [Some(EventId(1)), Some(EventId(2)), None]);
        // The first batch of ours is in no mark, and newer.
        catalogue.publish(vec![event(9)], Some((US, 1)));
        assert_eq!((told(), held(&catalogue)), (Some(EventId(1)), 9));
        // An older one of others is not told.
        catalogue.publish(vec![event(5)], Some((OTHERS, 5)));
        assert_eq!((told(), held(&catalogue)), (None, 9));
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_a_fresh_look_waits_for_one_that_begins_from_now_on() {
        let patience = Duration::from_secs(9);
        let catalogue = Catalogue::new(vec![event(0)]);
        let begun = Instant::now();
        assert!(catalogue.fresh(patience).await, "nobody else sells");
        assert_eq!(begun.elapsed(), Duration::ZERO);
        catalogue.refresh(None, &[], 1_000);
        assert!(!catalogue.fresh(patience).await, "nothing could be read meanwhile");
        assert_eq!(begun.elapsed(), patience, "and no longer");
        let begun = Instant::now();
        let waits = async { (catalogue.fresh(patience).await, begun.elapsed()) };
        let looks = async {
            for at_ms in 1..=4 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                catalogue.refresh(None, &[], at_ms);
            }
        };
        // The first to end may have begun before.
        assert_eq!(tokio::join!(waits, looks).0, (true, Duration::from_secs(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_to_know_all_of_a_moment_waits_for_a_look_at_that_moment_or_later() {
        let patience = Duration::from_secs(9);
        let catalogue = Catalogue::new(vec![event(0)]);
        let begun = Instant::now();
        assert!(catalogue.knows(5_000, patience).await, "nobody else sells");
        catalogue.refresh(None, &[], 1_000);
        assert!(catalogue.knows(1_000, patience).await);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(!catalogue.knows(1_001, patience).await, "nothing could be read meanwhile");
        assert_eq!(begun.elapsed(), patience, "and no longer");
        let begun = Instant::now();
        let waits = async { (catalogue.knows(4_000, patience).await, begun.elapsed()) };
        let looks = async {
            for at_ms in [2_000, 3_999, 4_000, 5_000] {
                tokio::time::sleep(Duration::from_secs(1)).await;
                catalogue.refresh(None, &[], at_ms);
            }
        };
        assert_eq!(tokio::join!(waits, looks).0, (true, Duration::from_secs(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_watches_an_order_hears_what_it_becomes() {
        let order = |tries| {
            Arc::new(Order {
                id: OrderId(1),
                event: EventId(1),
                buyer: Buyer {
                    name: String::new(),
                    email: String::new(),
                    key: BuyerKey(0),
                    language: boxoffice::Language::EN,
                },
                lines: Vec::new(),
                currency: Currency::parse("GBP").expect("a currency"),
                state: OrderState::Paying,
                placed_ms: 0,
                until_ms: 0,
                due_ms: Some(0),
                tries,
                trouble: None,
                payment: None,
                tender: boxoffice::Tender::Online,
                reference: String::new(),
                answers: Vec::new(),
                metadata: boxoffice::Metadata::default(),
                refunds: Vec::new(),
                tickets: Vec::new(),
            })
        };
        let watchers = Arc::new(Watchers::default());
        let becomes = |tries| {
            let both = [(OrderId(1), order(tries)), (OrderId(2), order(99))];
            watchers.changed(BTreeMap::from(both));
        };
        let tries = |watch: &Watch| watch.latest().map(|order| order.tries);
        becomes(1);
        let first = watchers.watch(OrderId(1));
        assert_eq!(tries(&first), None, "that was before");
        let news = first.news();
        becomes(2);
        assert!(tokio::time::timeout(Duration::from_secs(1), news).await.is_ok());
        let second = watchers.watch(OrderId(1));
        assert_eq!((tries(&first), tries(&second)), (Some(2), None));
        becomes(3);
        assert_eq!((tries(&first), tries(&second)), (Some(3), Some(3)));
        drop(first);
        becomes(4);
        assert_eq!(tries(&second), Some(4), "the other goes on");
        let news = second.news();
        assert!(tokio::time::timeout(Duration::from_secs(1), news).await.is_err());
        drop(second);
        assert!(watchers.0.lock().unwrap().is_empty(), "nothing is left behind");
    }
}
