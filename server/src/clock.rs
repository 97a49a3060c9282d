//! Time, handed in. Nothing else in the server reads the wall clock.

use boxoffice::TimeMs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::time::Instant;

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's own clock.
    System,
    /// A clock that somebody else turns: milliseconds since 1970, for tests and simulation.
    Manual(Arc<AtomicI64>),
    /// The runtime's time, which a simulation turns, on a machine whose clock is wrong.
    Virtual {
        /// The runtime's time when it was `begun_ms`.
        begun: Instant,
        /// Milliseconds since 1970.
        begun_ms: TimeMs,
        /// How far this machine's clock is ahead, in milliseconds; below 0 it is behind.
        ahead_ms: Arc<AtomicI64>,
    },
}

impl Clock {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now_ms(&self) -> TimeMs {
        match self {
            Clock::System => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
            Clock::Manual(ms) => ms.load(Ordering::SeqCst),
            Clock::Virtual { begun, begun_ms, ahead_ms } => {
                let passed = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
                begun_ms.saturating_add(passed).saturating_add(ahead_ms.load(Ordering::SeqCst))
            }
        }
    }
}
