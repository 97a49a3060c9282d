//! What is for sale right now, in memory: events and the counts of their pools as of the last
//! commit, and where other processes sell as well, as of the last look at theirs. A crowd that reads
//! the event page costs no SQL. And who waits for news of an order.

use boxoffice::{Event, EventId, OrderId, TimeMs};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, broadcast};
use tokio::time::{Duration, Instant, timeout_at};

/// The events by slug. Published by the writer's side after each commit that changed one.
pub struct Catalogue {
    events: RwLock<BTreeMap<String, Arc<Event>>>,
    changed: broadcast::Sender<EventId>,
    /// Since when it is not known what was recorded; `TimeMs::MAX` if it is.
    doubt_since: AtomicI64,
    /// When it was last seen what other processes have committed; `TimeMs::MAX` where there are
    /// none.
    seen: AtomicI64,
    looked: Notify,
}

impl Catalogue {
    /// A catalogue of these events.
    pub fn new(events: Vec<Event>) -> Catalogue {
        let catalogue = Catalogue {
            events: RwLock::default(),
            changed: broadcast::channel(256).0,
            doubt_since: AtomicI64::new(TimeMs::MAX),
            seen: AtomicI64::new(TimeMs::MAX),
            looked: Notify::new(),
        };
        catalogue.publish(events);
        catalogue
    }

    /// Replaces these events.
    pub fn publish(&self, events: Vec<Event>) {
        let ids: Vec<EventId> = events.iter().map(|e| e.id).collect();
        {
            let mut known = self.events.write().unwrap_or_else(PoisonError::into_inner);
            for event in events {
                known.insert(event.spec.slug.clone(), Arc::new(event));
            }
        }
        for id in ids {
            // Nobody listens: nobody is told.
            _ = self.changed.send(id);
        }
    }

    /// Says since when it is not known what was recorded, if so: what is shown meanwhile is as of
    /// then.
    pub fn doubt(&self, since: Option<TimeMs>) {
        self.doubt_since.store(since.unwrap_or(TimeMs::MAX), Ordering::SeqCst);
    }

    /// As of when the counts are true that are read at `now`.
    pub fn as_of(&self, now: TimeMs) -> TimeMs {
        let seen = self.seen.load(Ordering::SeqCst);
        now.min(self.doubt_since.load(Ordering::SeqCst)).min(seen)
    }

    /// What it knows now, to be handed to [`Catalogue::refresh`] after a look at the database that
    /// begins later.
    pub fn known(&self) -> Known {
        Known(self.events.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Takes in what other processes have committed, as it was seen at `at_ms`. What our own writer
    /// has told since `known` is newer, or as new, and stays.
    pub fn refresh(&self, known: &Known, events: Vec<Event>, at_ms: TimeMs) {
        let mut changed = Vec::new();
        {
            let mut now = self.events.write().unwrap_or_else(PoisonError::into_inner);
            for event in events {
                let (slug, current) = (&event.spec.slug, now.get(&event.spec.slug));
                let untouched = match (current, known.0.get(slug)) {
                    (Some(now), Some(then)) => Arc::ptr_eq(now, then),
                    (now, then) => now.is_none() && then.is_none(),
                };
                if untouched && current.is_none_or(|current| **current != event) {
                    changed.push(event.id);
                    now.insert(slug.clone(), Arc::new(event));
                }
            }
        }
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
    /// where there are none, and not longer than `patience`.
    pub async fn fresh(&self, patience: Duration) {
        if !self.is_shared() {
            return;
        }
        let end = Instant::now() + patience;
        // The look that ends first may have begun before.
        for _ in 0..2 {
            if timeout_at(end, self.looked.notified()).await.is_err() {
                return;
            }
        }
    }

    /// The event with this slug, with counts that are true [as of](Catalogue::as_of) now, or of a
    /// moment ago.
    pub fn event(&self, slug: &str) -> Option<Arc<Event>> {
        self.events.read().unwrap_or_else(PoisonError::into_inner).get(slug).cloned()
    }

    /// The event with this id.
    pub fn event_by_id(&self, id: EventId) -> Option<Arc<Event>> {
        let events = self.events.read().unwrap_or_else(PoisonError::into_inner);
        events.values().find(|e| e.id == id).cloned()
    }

    /// All events, the next to start first.
    pub fn events(&self) -> Vec<Arc<Event>> {
        let events = self.events.read().unwrap_or_else(PoisonError::into_inner);
        let mut events: Vec<Arc<Event>> = events.values().cloned().collect();
        events.sort_by_key(|e| (e.spec.starts_ms, e.id));
        events
    }

    /// Tells which events change from now on. Who listens too slowly misses some and is told so.
    pub fn listen(&self) -> broadcast::Receiver<EventId> {
        self.changed.subscribe()
    }
}

/// What a catalogue knew at some moment.
pub struct Known(BTreeMap<String, Arc<Event>>);

/// Who waits for news of which order.
#[derive(Default)]
pub struct Watchers(Mutex<BTreeMap<OrderId, (usize, Arc<Notify>)>>);

impl Watchers {
    /// Begins to watch an order. Begin before asking for what you wait for.
    pub fn watch(self: &Arc<Self>, order: OrderId) -> Watch {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = watched.entry(order).or_default();
        entry.0 += 1;
        Watch { watchers: Arc::clone(self), order, notify: Arc::clone(&entry.1) }
    }

    /// Wakes who watches these orders.
    pub fn changed<'a>(&self, orders: impl IntoIterator<Item = &'a OrderId>) {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.is_empty() {
            return;
        }
        for order in orders {
            if let Some((_, notify)) = watched.get(order) {
                notify.notify_waiters();
            }
        }
    }
}

/// One who watches an order.
pub struct Watch {
    watchers: Arc<Watchers>,
    order: OrderId,
    notify: Arc<Notify>,
}

impl Watch {
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
            entry.0 -= 1;
            if entry.0 == 0 {
                watched.remove(&self.order);
            }
        }
    }
}
