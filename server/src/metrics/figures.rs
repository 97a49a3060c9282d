//! Metrics with a label of their own for each event, and the time of the last backup.
//!
//! - Their number is bounded: at most 200 events, those that start next, and none that ended (or
//!   started, if its end is not known) more than seven days ago.
//! - Counts of tickets are as of the last commit of any process. Amounts are what this process has seen
//!   since its start, so they are counters: with several processes, add them up.

use boxoffice::{Currency, Event, EventId, Money, TimeMs};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Events that have metrics of their own at most.
const MOST_EVENTS: usize = 200;
/// For how long after its end an event has them, in milliseconds.
const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// The figures, as they were last told.
#[derive(Default, Debug)]
pub struct Figures(Mutex<Inner>);

#[derive(Default, Debug)]
struct Inner {
    all_events: usize,
    events: Vec<Counts>,
    amounts: BTreeMap<EventId, BTreeMap<Currency, Amounts>>,
    last_backup_s: Option<i64>,
    /// How many people came in at an event, and how many are in.
    presence: BTreeMap<EventId, (i64, i64)>,
}

#[derive(Debug)]
struct Counts {
    id: EventId,
    slug: String,
    capacity: i64,
    held: i64,
    sold: i64,
}

/// In minor units.
#[derive(Clone, Copy, Default, Debug)]
struct Amounts {
    paid: i64,
    refunded: i64,
}

impl Inner {
    fn of(&mut self, event: EventId, currency: Currency) -> &mut Amounts {
        self.amounts.entry(event).or_default().entry(currency).or_default()
    }
}

impl Figures {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An order of an event was paid.
    pub fn paid(&self, event: EventId, amount: Money) {
        self.inner().of(event, amount.currency).paid += amount.minor;
    }

    /// A refund of an order of an event was made.
    pub fn refunded(&self, event: EventId, amount: Money) {
        self.inner().of(event, amount.currency).refunded += amount.minor;
    }

    /// The events as they are now. Those that are not shown any more lose their amounts.
    pub fn set_events(&self, events: &[Arc<Event>], now_ms: TimeMs) {
        let ends_ms = |event: &Event| event.spec.ends_ms.unwrap_or(event.spec.starts_ms);
        let shown = |event: &&Arc<Event>| ends_ms(event) >= now_ms - KEPT_MS;
        let mut next: Vec<&Arc<Event>> = events.iter().filter(shown).collect();
        next.sort_by_key(|event| (event.spec.starts_ms, event.id));
        next.truncate(MOST_EVENTS);
        let counts = |event: &&Arc<Event>| {
            let sum = |of: fn(&boxoffice::Pool) -> u32| -> i64 {
                event.pools.iter().map(|pool| i64::from(of(pool))).sum()
            };
            Counts {
                id: event.id,
                slug: event.spec.slug.clone(),
                capacity: sum(|pool| pool.capacity),
                held: sum(|pool| pool.held),
                sold: sum(|pool| pool.sold),
            }
        };
        let mut inner = self.inner();
        inner.all_events = events.len();
        inner.events = next.iter().map(counts).collect();
        let Inner { events, amounts, .. } = &mut *inner;
        amounts.retain(|id, _| events.iter().any(|event| event.id == *id));
    }

    /// How many people came in and how many are in, at each event where somebody was scanned.
    pub fn set_presence(&self, presence: BTreeMap<EventId, (i64, i64)>) {
        self.inner().presence = presence;
    }

    /// When the last backup was made, in seconds since 1970: 0 if there is none, and `None` where backups
    /// are not made by us.
    pub fn set_last_backup(&self, at_s: Option<i64>) {
        self.inner().last_backup_s = at_s;
    }
}

/// Encodes the figures for the registry.
#[derive(Debug)]
pub struct Collected(pub Arc<Figures>);

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let inner = self.0.inner();
        let text = "Events, with those that have no metrics of their own";
        gauge(&mut encoder, "events", text, inner.all_events as i64)?;
        if let Some(at_s) = inner.last_backup_s {
            let text =
                "When the last backup was made by nts backup, in seconds since 1970; 0: never";
            gauge(&mut encoder, "last_backup_timestamp_seconds", text, at_s)?;
        }
        let mut counts = |name, text, of: fn(&Counts) -> i64| {
            let mut family = encoder.encode_descriptor(name, text, None, MetricType::Gauge)?;
            for event in &inner.events {
                let labels = [("event", event.slug.as_str())];
                ConstGauge::new(of(event)).encode(family.encode_family(&labels)?)?;
            }
            Ok::<(), std::fmt::Error>(())
        };
        counts("event_capacity", "Tickets of an event in all", |e| e.capacity)?;
        counts("event_held", "Tickets that are held and not paid yet", |e| e.held)?;
        counts("event_sold", "Tickets that are sold", |e| e.sold)?;
        counts("event_left", "Tickets that can be had now", |e| e.capacity - e.held - e.sold)?;
        let mut presence = |name, text, of: fn((i64, i64)) -> i64| {
            let mut family = encoder.encode_descriptor(name, text, None, MetricType::Gauge)?;
            for event in &inner.events {
                if let Some(presence) = inner.presence.get(&event.id) {
                    let labels = [("event", event.slug.as_str())];
                    ConstGauge::new(of(*presence)).encode(family.encode_family(&labels)?)?;
                }
            }
            Ok::<(), std::fmt::Error>(())
        };
        presence("event_entries", "Entries that were scanned and not undone", |p| p.0)?;
        presence("event_inside", "People who are in, as far as it was scanned", |p| p.1)?;
        let mut amounts = |name, text, of: fn(&Amounts) -> i64| {
            let mut family = encoder.encode_descriptor(name, text, None, MetricType::Counter)?;
            for event in &inner.events {
                for (currency, amounts) in inner.amounts.get(&event.id).into_iter().flatten() {
                    let major = of(amounts) as f64 / 10f64.powi(currency.decimals() as i32);
                    let labels = [("event", event.slug.as_str()), ("currency", currency.code())];
                    ConstCounter::new(major).encode(family.encode_family(&labels)?)?;
                }
            }
            Ok(())
        };
        let text = "What was paid for orders of an event since the start of this process, in units of its currency";
        amounts("event_paid_amount", text, |a| a.paid)?;
        let text = "What was refunded of orders of an event since the start of this process, in units of its currency";
        amounts("event_refunded_amount", text, |a| a.refunded)
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    text: &str,
    value: i64,
) -> Result<(), std::fmt::Error> {
    let metric = encoder.encode_descriptor(name, text, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}
