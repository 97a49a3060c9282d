//! Many runs, in as many threads as wanted. Each run has its own thread and its own runtime, so how
//! many there are changes nothing but the time that it takes.

use crate::plan::{Fault, Plan, Wishes};
use crate::trace::Violation;
use crate::{Outcome, run};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What came of many runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many runs there were.
    pub runs: u64,
    /// How much time passed in them together, in simulated milliseconds.
    pub simulated_ms: i64,
    /// Orders by their last state.
    pub orders: BTreeMap<&'static str, u64>,
    /// How often each fault struck.
    pub faults: BTreeMap<Fault, u64>,
    /// What else was counted.
    pub counts: BTreeMap<&'static str, u64>,
    /// Rare situations, and in how many runs each was reached.
    pub marks: BTreeMap<&'static str, u64>,
    /// The seeds whose runs broke a promise, with their plans.
    pub violations: Vec<(Plan, Violation)>,
}

impl Summary {
    /// Adds what came of a run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.simulated_ms += outcome.simulated_ms;
        add(&mut self.orders, &outcome.orders);
        add(&mut self.faults, &outcome.faults);
        add(&mut self.counts, &outcome.counts);
        for mark in &outcome.marks {
            *self.marks.entry(mark).or_default() += 1;
        }
        if let Some(violation) = &outcome.violation {
            self.violations.push((outcome.plan.clone(), violation.clone()));
        }
    }

    /// Orders in all runs together.
    pub fn all_orders(&self) -> u64 {
        self.orders.values().sum()
    }

    /// Faults in all runs together.
    pub fn all_faults(&self) -> u64 {
        self.faults.values().sum()
    }

    /// The marks that no run has reached.
    pub fn missed<'a>(&self, wanted: &[&'a str]) -> BTreeSet<&'a str> {
        wanted.iter().filter(|mark| !self.marks.contains_key(**mark)).copied().collect()
    }
}

fn add<K: Copy + Ord>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *to.entry(*key).or_default() += count;
    }
}

/// Runs the seeds `first..first + runs`, and stops early after a violation. `progress` is told
/// what came of them so far after each.
pub fn many(
    first: u64,
    runs: u64,
    wishes: &Wishes,
    threads: usize,
    progress: &(dyn Fn(&Summary) + Sync),
) -> Result<Summary, String> {
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let summary: Mutex<Result<Summary, String>> = Mutex::new(Ok(Summary::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first.saturating_add(runs) || stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let outcome = run(&Plan::new(seed, wishes), false);
                    let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                    match (outcome, &mut *summary) {
                        (Ok(outcome), Ok(summary)) => {
                            if outcome.violation.is_some() {
                                stop.store(true, Ordering::SeqCst);
                            }
                            summary.add(&outcome);
                            progress(summary);
                        }
                        (Err(error), _) => {
                            *summary = Err(error);
                            return;
                        }
                        (Ok(_), Err(_)) => return,
                    }
                }
            });
        }
    });
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}
