//! Finds the smallest plan that still breaks a promise.

use crate::plan::{Fault, Plan};
use crate::run;
use crate::trace::{Promise, Violation};

/// The smallest plan that was found, and what it breaks.
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// What happens in it.
    pub violation: Violation,
    /// How many runs it took.
    pub runs: u32,
}

/// How often a plan is run at most.
const MOST_RUNS: u32 = 400;

/// Leaves out each fault, then buyers, then time, for as long as the same promise is still broken.
pub fn shrink(plan: &Plan, violation: Violation) -> Result<Shrunk, String> {
    let mut best = Shrunk { plan: plan.clone(), violation, runs: 0 };
    loop {
        let before = best.plan.clone();
        let faults: Vec<Fault> = best.plan.faults.keys().copied().collect();
        for fault in faults {
            best.try_with(|plan| _ = plan.faults.remove(&fault))?;
        }
        while best.plan.buyers > 1 && best.try_with(|plan| plan.buyers /= 2)? {}
        while best.plan.buyers > 1 && best.try_with(|plan| plan.buyers -= 1)? {}
        while best.plan.processes > 1 && best.try_with(|plan| plan.processes -= 1)? {}
        while best.plan.storm_ms > 2_000 && best.try_with(|plan| plan.storm_ms /= 2)? {}
        best.try_with(|plan| plan.script = false)?;
        best.try_with(|plan| plan.webhooks = false)?;
        best.try_with(|plan| plan.budget = None)?;
        best.try_with(|plan| plan.pair = None)?;
        best.try_with(|plan| plan.ends_ms = None)?;
        best.try_with(|plan| plan.page = None)?;
        best.try_with(|plan| plan.most_in_batch = 2_048)?;
        best.try_with(|plan| plan.due_at_once = 512)?;
        if best.plan == before || best.runs >= MOST_RUNS {
            return Ok(best);
        }
    }
}

impl Shrunk {
    /// Tries a change; keeps it if the same promise is still broken.
    fn try_with(&mut self, change: impl FnOnce(&mut Plan)) -> Result<bool, String> {
        let promise: Promise = self.violation.promise;
        let mut plan = self.plan.clone();
        change(&mut plan);
        if plan == self.plan || self.runs >= MOST_RUNS {
            return Ok(false);
        }
        self.runs += 1;
        match run(&plan, false)?.violation {
            Some(violation) if violation.promise == promise => {
                self.plan = plan;
                self.violation = violation;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
