//! Waiting for a condition.
#![allow(clippy::disallowed_methods, reason = "what is waited for happens in real time")]

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// A condition that does not hold after this time never will. It is generous: a test may share its
/// machine with many others.
const LIMIT: Duration = Duration::from_secs(60);

/// The time between two looks: short at first, then a tenth of what has passed, for some looks are work for a browser.
fn pause(begun: Instant) -> Duration {
    (begun.elapsed() / 10).clamp(Duration::from_millis(5), Duration::from_millis(50))
}

/// Waits until `done` returns true, for a minute at most.
///
/// # Panics
///
/// With `what` if the minute has passed.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LIMIT, "never: {what}");
        std::thread::sleep(pause(begun));
    }
}

/// Waits until `look` succeeds, for a minute at most, and returns what it found.
///
/// # Panics
///
/// With `what` and the last error of `look` if the minute has passed.
pub async fn eventually_async<T, E: Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(error) => assert!(begun.elapsed() < LIMIT, "never: {what}: {error:#?}"),
        }
        tokio::time::sleep(pause(begun)).await;
    }
}
