//! How fast the provider is called: the budget of each process, measured where its calls leave, and
//! a provider that refuses what is too fast for it.

use std::collections::{BTreeMap, VecDeque};

/// A second, in milliseconds.
const SECOND_MS: i64 = 1_000;
/// What was refused with 429 is asked again sooner than this, in milliseconds, only where the pause
/// could not be recorded.
const AGAIN_MS: i64 = 500;
/// And so often in a row that does not happen.
const MOST_AGAIN: u32 = 3;

/// What has a budget of its own at the provider, by the words of its documentation.
pub fn endpoint(method: &str, path: &str) -> &'static str {
    let path = path.split('?').next().unwrap_or(path);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, &parts[..]) {
        ("POST", ["v1", "payment_intents"]) => "create",
        ("POST", ["v1", "payment_intents", _, "confirm"]) => "confirm",
        ("POST", ["v1", "payment_intents", _, "capture"]) => "capture",
        ("POST", ["v1", "payment_intents", _, "cancel"]) => "cancel",
        ("GET", ["v1", "payment_intents", _]) => "read",
        ("GET", ["v1", "payment_intents"]) => "payments",
        ("POST", ["v1", "refunds"]) => "refund",
        ("GET", ["v1", "refunds"]) => "refunds",
        ("GET", ["v1", "disputes"]) => "disputes",
        _ => "another",
    }
}

/// When the last calls were made, by endpoint, in milliseconds.
#[derive(Default)]
pub struct Calls(BTreeMap<&'static str, VecDeque<i64>>);

impl Calls {
    /// One more call at `now_ms`: how many were made within the last second, this one included.
    pub fn add(&mut self, endpoint: &'static str, now_ms: i64) -> usize {
        let calls = self.0.entry(endpoint).or_default();
        while calls.front().is_some_and(|at| *at <= now_ms - SECOND_MS) {
            calls.pop_front();
        }
        calls.push_back(now_ms);
        calls.len()
    }

    /// It was not made after all.
    pub fn take_back(&mut self, endpoint: &'static str) {
        self.0.entry(endpoint).or_default().pop_back();
    }
}

/// What left a process, and what it was refused.
#[derive(Default)]
pub struct Pace {
    calls: Calls,
    /// When what was asked for under a key was refused with 429, in milliseconds, and how often in a
    /// row it was asked again at once.
    refused: BTreeMap<String, (i64, u32)>,
}

impl Pace {
    /// A call leaves: what is wrong with that, if anything. `budget`: calls per second and endpoint.
    pub fn leaves(
        &mut self,
        (method, path, key): (&str, &str, Option<&str>),
        budget: Option<u32>,
        now_ms: i64,
    ) -> Option<String> {
        let endpoint = endpoint(method, path);
        let calls = self.calls.add(endpoint, now_ms);
        // The turn for a refund is waited for before it is looked for whether it was made: between a
        // turn and its call some time may pass, and several may fall together.
        if let Some(budget) = budget.filter(|_| endpoint != "refund")
            && calls > budget as usize
        {
            return Some(format!("{calls} calls of {endpoint} within a second, {budget} may be"));
        }
        let (refused, again) = self.refused.get_mut(key?)?;
        let after = now_ms - *refused;
        *again = if after < AGAIN_MS { *again + 1 } else { 0 };
        let text =
            || format!("what was refused with 429 is asked {after} ms later, again and again");
        (*again >= MOST_AGAIN).then(text)
    }

    /// A call was refused with 429.
    pub fn refused(&mut self, key: Option<&str>, now_ms: i64) {
        if let Some(key) = key {
            self.refused.entry(key.to_owned()).or_default().0 = now_ms;
        }
    }
}
