//! Says when something goes wrong.

use crate::plan::{Fault, Plan};
use crate::rng::Rng;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The source of all faults of a run.
pub struct Chaos {
    rates: BTreeMap<Fault, u32>,
    calm: AtomicBool,
    begun: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    rng: BTreeMap<Fault, Rng>,
    struck: BTreeMap<Fault, u64>,
    /// When what struck, in milliseconds since the beginning.
    when: Vec<(i64, Fault)>,
}

impl Inner {
    fn note(&mut self, fault: Fault, begun: Instant) {
        *self.struck.entry(fault).or_default() += 1;
        if self.when.len() < MOST_MOMENTS {
            let at_ms = begun.elapsed().as_millis();
            self.when.push((i64::try_from(at_ms).unwrap_or(i64::MAX), fault));
        }
    }
}

/// So many moments are remembered, for a picture.
const MOST_MOMENTS: usize = 20_000;

impl Chaos {
    /// The faults of a plan.
    pub fn new(plan: &Plan) -> Chaos {
        let stream = |n: usize| 1_000 + n as u64;
        let rng = Fault::ALL.iter().enumerate();
        let rng = rng.map(|(n, f)| (*f, Rng::new(plan.seed, stream(n)))).collect();
        let inner = Mutex::new(Inner { rng, struck: BTreeMap::new(), when: Vec::new() });
        let (rates, calm, begun) = (plan.faults.clone(), AtomicBool::new(false), Instant::now());
        Chaos { rates, calm, begun, inner }
    }

    /// Nothing goes wrong.
    pub fn none() -> Chaos {
        let inner = Inner { rng: BTreeMap::new(), struck: BTreeMap::new(), when: Vec::new() };
        Chaos {
            rates: BTreeMap::new(),
            calm: AtomicBool::new(true),
            begun: Instant::now(),
            inner: Mutex::new(inner),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing goes wrong.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::SeqCst);
    }

    /// Whether the storm is over.
    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    /// Whether this fault occurs in this run at all.
    pub fn has(&self, fault: Fault) -> bool {
        self.rates.contains_key(&fault)
    }

    /// Whether it strikes now.
    pub fn strikes(&self, fault: Fault) -> bool {
        let strikes = self.would(fault);
        if strikes {
            self.note(fault);
        }
        strikes
    }

    /// Whether it strikes now, if it can be done: then [note](Chaos::note) it.
    pub fn would(&self, fault: Fault) -> bool {
        let Some(rate) = self.rates.get(&fault).copied() else { return false };
        !self.is_calm() && self.inner().rng.get_mut(&fault).is_some_and(|rng| rng.chance(rate))
    }

    /// Notes that it struck.
    pub fn note(&self, fault: Fault) {
        self.inner().note(fault, self.begun);
    }

    /// When what struck, in milliseconds since the beginning.
    pub fn when(&self) -> Vec<(i64, Fault)> {
        self.inner().when.clone()
    }

    /// A number from the fault's own stream.
    pub fn between(&self, fault: Fault, low: i64, high: i64) -> i64 {
        self.inner().rng.get_mut(&fault).map_or(low, |rng| rng.between(low, high))
    }

    /// How often each has struck.
    pub fn struck(&self) -> BTreeMap<Fault, u64> {
        self.inner().struck.clone()
    }
}
