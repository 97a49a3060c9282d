//! Whether a database has gone back to an earlier state: to an old copy, or to a standby that had not heard the
//! last commits.
//!
//! Each writer counts its batches in the database, and each process remembers the numbers that it has read and
//! those of its own batches that were acknowledged. A number that is smaller than one that is remembered, or that
//! is not there any more, means that commits are gone of which somebody was told. The numbers can only be
//! compared by a process that has lived through it: one that starts afterwards has nothing to compare with, so
//! whoever notices writes it into the database, and there it stands until a person accepts it.
//!
//! A person accepts the history as it is with `nts accept-history`: it gets the next number, and all processes
//! begin to remember anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The key under which the number of the history is kept; there is none in the first.
pub const HISTORY: &str = "history";
/// The key under which stands why nobody may record anything until the history is accepted: the number that the
/// history had for whoever noticed, a space, and the reason.
pub const WENT_BACK: &str = "history_went_back";
/// The number of a writer that has recorded nothing for so long may be missing because it was removed. Rows of
/// writers are kept for longer.
const REMEMBERED: Duration = Duration::from_secs(29 * 86_400);

/// What a process remembers. Its clones are the same memory.
#[derive(Clone, Default, Debug)]
pub struct History(Arc<Mutex<Memory>>);

/// What was remembered before a question: only that can be compared with the answer.
#[derive(Clone, Default, Debug)]
pub struct Memory {
    /// The number of the history.
    number: u64,
    /// The last batch of each writer, and when it was learnt.
    batches: BTreeMap<i64, (i64, Instant)>,
}

/// How the history of a database goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Course {
    /// As before.
    Same,
    /// A person has accepted another one.
    Accepted,
    /// It went back. The sentence says how that shows.
    WentBack(String),
}

impl Memory {
    /// Compares an answer of the database with what was remembered before it was asked: the number of its
    /// history, and all writers with their batches.
    pub fn compare(&self, number: u64, batches: &[(i64, i64)]) -> Course {
        if number > self.number {
            return Course::Accepted;
        }
        if number < self.number {
            return Course::WentBack(format!(
                "it has history {number}, and had history {} before",
                self.number
            ));
        }
        let found: BTreeMap<i64, i64> = batches.iter().copied().collect();
        for (writer, (known, learnt)) in &self.batches {
            let found = found.get(writer).copied();
            let removed = found.is_none() && learnt.elapsed() > REMEMBERED;
            if *known > found.unwrap_or(0) && !removed {
                let found = found.unwrap_or(0);
                return Course::WentBack(lost(*known, found));
            }
        }
        Course::Same
    }

    /// Whether nothing is remembered.
    pub fn is_new(&self) -> bool {
        self.number == 0 && self.batches.is_empty()
    }

    /// The number of the history.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the last batch of this writer was learnt so lately that its row cannot have been removed.
    pub fn is_kept(&self, writer: i64) -> bool {
        self.batches.get(&writer).is_some_and(|(_, learnt)| learnt.elapsed() <= REMEMBERED)
    }
}

/// How it shows that batches of a writer are gone.
fn lost(known: i64, found: i64) -> String {
    format!("a process had recorded {known} batches, of which the database has {found}")
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered now. To be taken before the database is asked, and before it is looked which of several
    /// databases is asked: what is learnt meanwhile is newer than the answer may be.
    pub fn remembered(&self) -> Memory {
        self.lock().clone()
    }

    /// A batch of this writer is recorded.
    pub fn learn(&self, writer: i64, batch: i64) {
        let mut memory = self.lock();
        let now = Instant::now();
        let known = memory.batches.entry(writer).or_insert((batch, now));
        if batch > known.0 {
            *known = (batch, now);
        }
    }

    /// The history has this number, and these batches are recorded.
    pub fn learn_all(&self, number: u64, batches: &[(i64, i64)]) {
        let mut memory = self.lock();
        if number > memory.number {
            *memory = Memory { number, batches: BTreeMap::new() };
        }
        drop(memory);
        batches.iter().for_each(|(writer, batch)| self.learn(*writer, *batch));
    }
}

/// The sentence that stands in the log and at `/readyz`.
pub fn told(why: &str) -> String {
    format!(
        "the database went back to an earlier state ({why}): orders that were acknowledged are gone. Nothing is \
         recorded until a person has accepted it: run nts audit, nts audit --settle, and then nts accept-history"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_smaller_number_and_a_missing_one_are_noticed() {
        let history = History::default();
        assert_eq!(
            history.remembered().compare(0, &[(1, 5)]),
            Course::Same,
            "nothing is known yet"
        );
        history.learn_all(0, &[(1, 5), (2, 7)]);
        let known = history.remembered();
        assert_eq!(known.compare(0, &[(1, 5), (2, 8), (3, 1)]), Course::Same);
        assert!(matches!(known.compare(0, &[(1, 4), (2, 7)]), Course::WentBack(_)));
        assert!(matches!(known.compare(0, &[(2, 7)]), Course::WentBack(_)));
        // A row that is old enough to be removed says nothing by its absence.
        tokio::time::advance(REMEMBERED + Duration::from_secs(1)).await;
        assert_eq!(known.compare(0, &[(2, 7)]), Course::Same);
        assert!(matches!(known.compare(0, &[(1, 4), (2, 7)]), Course::WentBack(_)));
    }

    #[test]
    fn what_is_learnt_while_the_database_is_asked_is_not_expected_of_the_answer() {
        let history = History::default();
        history.learn(1, 5);
        let before = history.remembered();
        history.learn(1, 6);
        assert_eq!(before.compare(0, &[(1, 5)]), Course::Same);
    }

    #[test]
    fn an_accepted_history_is_remembered_from_its_beginning() {
        let history = History::default();
        history.learn_all(0, &[(1, 5)]);
        assert_eq!(history.remembered().compare(1, &[(1, 3)]), Course::Accepted);
        history.learn_all(1, &[(1, 3)]);
        assert_eq!(history.remembered().compare(1, &[(1, 3)]), Course::Same);
        // An older one is no accepted one.
        assert!(matches!(history.remembered().compare(0, &[(1, 9)]), Course::WentBack(_)));
    }
}
