//! One transaction for the calls that come together: most of what a call costs is its transaction.
//!
//! The first call begins it and lets all others have their turn that are ready now; then it ends it. No
//! call is answered before that. What only reads does so alone: it may come from a thread that is behind,
//! and nobody shall wait for that.

use super::{FakeStripe, State, lock};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

/// The most calls in one transaction: other processes may wait to write into the file.
const MOST: usize = 64;

/// Calls that are recorded together or not at all.
pub(super) struct Group {
    /// Closed when it is known what became of them. It has no permits.
    pending: Semaphore,
    recorded: AtomicBool,
}

impl Group {
    fn end(&self, recorded: bool) {
        self.recorded.store(recorded, Ordering::SeqCst);
        self.pending.close();
    }

    /// Waits until it is known whether its calls are recorded.
    pub async fn is_recorded(&self) -> bool {
        _ = self.pending.acquire().await;
        self.recorded.load(Ordering::SeqCst)
    }
}

/// The group that is open, and its size.
#[derive(Default)]
pub(super) struct Open {
    group: Option<(Arc<Group>, usize)>,
    /// How many were recorded.
    recorded: u64,
}

impl State {
    /// Joins the open group, or opens one; tells whether this opened it. Whoever did must see to it that
    /// it ends.
    pub fn join(&mut self) -> Result<(Arc<Group>, bool), rusqlite::Error> {
        if let Some((group, calls)) = &mut self.open.group {
            *calls += 1;
            return Ok((Arc::clone(group), false));
        }
        run(&self.db, "BEGIN IMMEDIATE")?;
        let (pending, recorded) = (Semaphore::new(0), AtomicBool::new(false));
        let group = Arc::new(Group { pending, recorded });
        self.open.group = Some((Arc::clone(&group), 1));
        Ok((group, true))
    }

    /// Whether the open group has room for no more.
    pub fn is_full(&self) -> bool {
        self.open.group.as_ref().is_some_and(|(_, calls)| *calls >= MOST)
    }

    /// Records the calls of the open group, if there is one.
    pub fn record(&mut self) {
        let Some((group, _)) = self.open.group.take() else { return };
        let recorded = run(&self.db, "COMMIT");
        if let Err(error) = &recorded {
            tracing::error!(%error, "the sandbox's own database failed");
            roll_back(&self.db);
        }
        self.open.recorded += u64::from(recorded.is_ok());
        group.end(recorded.is_ok());
    }

    /// How many groups were recorded.
    #[cfg(test)]
    pub fn commits(&self) -> u64 {
        self.open.recorded
    }

    /// Undoes the calls of the open group.
    pub fn undo(&mut self) {
        let Some((group, _)) = self.open.group.take() else { return };
        roll_back(&self.db);
        group.end(false);
    }
}

fn run(db: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

fn roll_back(db: &Connection) {
    // Some errors roll back by themselves.
    if !db.is_autocommit()
        && let Err(error) = run(db, "ROLLBACK")
    {
        tracing::error!(%error, "the sandbox's own database does not roll back");
    }
}

/// Ends a group when it is dropped, also if the call that opened it is cut off.
pub(super) struct Closing<'a> {
    pub fake: &'a FakeStripe,
    pub group: Arc<Group>,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let state = &mut *lock(&self.fake.state);
        // Unless somebody has ended it, and another one is open.
        if state.open.group.as_ref().is_some_and(|(open, _)| Arc::ptr_eq(open, &self.group)) {
            if std::thread::panicking() {
                // A half of a call may be written.
                state.undo();
            } else {
                state.record();
            }
        }
    }
}
