//! What is for sale right now, in memory: events and the counts of their pools as of the last
//! commit. A crowd that reads the event page costs no SQL. And who waits for news of an order.

use boxoffice::{Event, EventId, OrderId, TimeMs};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, broadcast};

/// The events by slug. Published by the writer's side after each commit that changed one.
pub struct Catalogue {
    events: RwLock<BTreeMap<String, Arc<Event>>>,
    changed: broadcast::Sender<EventId>,
    /// Since when it is not known what was recorded; `TimeMs::MAX` if it is.
    doubt_since: AtomicI64,
}

impl Catalogue {
    /// A catalogue of these events.
    pub fn new(events: Vec<Event>) -> Catalogue {
        let catalogue = Catalogue {
            events: RwLock::default(),
            changed: broadcast::channel(256).0,
            doubt_since: AtomicI64::new(TimeMs::MAX),
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
        now.min(self.doubt_since.load(Ordering::SeqCst))
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
