//! Says when something goes wrong.

use crate::dice::Dice;
use crate::plan::{Fault, Plan};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The source of all faults of a run.
pub struct Chaos {
    rates: BTreeMap<Fault, u32>,
    calm: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    dice: BTreeMap<Fault, Dice>,
    struck: BTreeMap<Fault, u64>,
}

impl Chaos {
    /// The faults of a plan.
    pub fn new(plan: &Plan) -> Chaos {
        let stream = |n: usize| 1_000 + n as u64;
        let dice = Fault::ALL.iter().enumerate();
        let dice = dice.map(|(n, f)| (*f, Dice::new(plan.seed, stream(n)))).collect();
        let inner = Mutex::new(Inner { dice, struck: BTreeMap::new() });
        Chaos { rates: plan.faults.clone(), calm: AtomicBool::new(false), inner }
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
        let Some(rate) = self.rates.get(&fault).copied() else { return false };
        if self.is_calm() {
            return false;
        }
        let mut inner = self.inner();
        let strikes = inner.dice.get_mut(&fault).is_some_and(|dice| dice.chance(rate));
        if strikes {
            *inner.struck.entry(fault).or_default() += 1;
        }
        strikes
    }

    /// Notes that it struck, where somebody else has chosen when.
    pub fn note(&self, fault: Fault) {
        *self.inner().struck.entry(fault).or_default() += 1;
    }

    /// A number from the fault's own stream.
    pub fn between(&self, fault: Fault, low: i64, high: i64) -> i64 {
        self.inner().dice.get_mut(&fault).map_or(low, |dice| dice.between(low, high))
    }

    /// How often each has struck.
    pub fn struck(&self) -> BTreeMap<Fault, u64> {
        self.inner().struck.clone()
    }
}
