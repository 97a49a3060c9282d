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

use boxoffice::TimeMs;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The key under which the history is kept, as [`HistoryId::text`] writes it; there is none in the first.
pub const HISTORY: &str = "history";
/// The key under which stands why nobody may record anything until the history is accepted, as [`Stop::text`] writes
/// it.
pub const WENT_BACK: &str = "history_went_back";
/// What is lost and was recorded so long after the stop, in milliseconds, is not what a person looks at before the
/// acceptance. Until then a person can hardly have begun, and the clocks of two servers may differ.
const AFTER_STOP_MS: i64 = 10_000;

/// Which history a database has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HistoryId {
    /// Its number: so often a person has accepted another one.
    pub number: u64,
    /// What was recorded in the one before until then, and is lost, a person has looked at; by the database's clock, in
    /// milliseconds since 1970.
    pub since_ms: TimeMs,
}

impl HistoryId {
    /// As it is kept: the number, a space, and the time.
    pub fn text(self) -> String {
        format!("{} {}", self.number, self.since_ms)
    }

    /// What was kept.
    pub fn read(text: &str) -> Option<HistoryId> {
        let (number, since_ms) = text.split_once(' ')?;
        Some(HistoryId { number: number.parse().ok()?, since_ms: since_ms.parse().ok()? })
    }
}

/// What is written down by whoever notices that the database went back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stop {
    /// The number that the history had for whoever noticed.
    pub known: u64,
    /// When, by the database's clock.
    pub at_ms: TimeMs,
    /// How it shows.
    pub why: String,
}

impl Stop {
    /// As it is kept: the number, the time and the reason, with spaces between them.
    pub fn text(&self) -> String {
        format!("{} {} {}", self.known, self.at_ms, self.why)
    }

    /// What was kept.
    pub fn read(text: &str) -> Option<Stop> {
        let mut parts = text.splitn(3, ' ');
        let known = parts.next()?.parse().ok()?;
        let at_ms = parts.next()?.parse().ok()?;
        Some(Stop { known, at_ms, why: parts.next()?.into() })
    }

    /// The history that follows when a person accepts this one at `now_ms`.
    pub fn accepted(&self, here: HistoryId, now_ms: TimeMs) -> HistoryId {
        HistoryId {
            number: here.number.max(self.known) + 1,
            since_ms: now_ms.min(self.at_ms.saturating_add(AFTER_STOP_MS)),
        }
    }
}

/// What a process remembers. Its clones are the same memory.
#[derive(Clone, Default, Debug)]
pub struct History(Arc<Mutex<Memory>>);

/// What was remembered before a question: only that can be compared with the answer.
#[derive(Clone, Default, Debug)]
pub struct Memory {
    /// Which history it is.
    here: HistoryId,
    /// The last batch of each writer, and when it was learnt, by the database's clock.
    batches: BTreeMap<i64, (i64, TimeMs)>,
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
    /// Compares an answer of the database with what was remembered before it was asked: its history, and all
    /// writers with their batches.
    ///
    /// Whoever accepts a history has looked at what is lost. A batch that is lost and was recorded later, by a process that
    /// was still connected to the server of before, is a loss that nobody has looked at.
    pub fn compare(&self, here: HistoryId, batches: &[(i64, i64)]) -> Course {
        if here.number < self.here.number {
            return Course::WentBack(format!(
                "it has history {}, and had history {} before",
                here.number, self.here.number
            ));
        }
        let is_another = here.number > self.here.number;
        let found: BTreeMap<i64, i64> = batches.iter().copied().collect();
        let lost = self.batches.iter().find_map(|(writer, (known, at_ms))| {
            let found = found.get(writer).copied().unwrap_or(0);
            let is_lost = *known > found && (!is_another || *at_ms > here.since_ms);
            is_lost.then(|| {
                format!("a process had recorded {known} batches, of which the database has {found}")
            })
        });
        match lost {
            Some(why) => Course::WentBack(why),
            None if is_another => Course::Accepted,
            None => Course::Same,
        }
    }

    /// The number of the history.
    pub fn number(&self) -> u64 {
        self.here.number
    }

    fn learn(&mut self, writer: i64, batch: i64, at_ms: TimeMs) {
        let known = self.batches.entry(writer).or_insert((batch, at_ms));
        if batch > known.0 {
            *known = (batch, at_ms);
        }
    }
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered now. To be taken before the database is asked: what is learnt meanwhile is newer than the
    /// answer may be.
    pub fn remembered(&self) -> Memory {
        self.lock().clone()
    }

    /// A batch of our own writer was recorded in the history of this number, at `at_ms` by the database's clock. In one that
    /// was given up meanwhile it is lost, and remembered if nobody can have looked at it.
    pub fn learn(&self, number: u64, writer: i64, batch: i64, at_ms: TimeMs) {
        let mut memory = self.lock();
        if number == memory.here.number || at_ms > memory.here.since_ms {
            memory.learn(writer, batch, at_ms);
        }
    }

    /// The database has this history, and these batches were recorded at `at_ms`, by its clock. An answer of a history that
    /// was given up says nothing. In a new one, all is forgotten that a person has looked at.
    pub fn learn_all(&self, here: HistoryId, batches: &[(i64, i64)], at_ms: TimeMs) {
        let mut memory = self.lock();
        if here.number < memory.here.number {
            return;
        }
        if here.number > memory.here.number {
            memory.here = here;
            memory.batches.retain(|_, (_, at_ms)| *at_ms > here.since_ms);
        }
        batches.iter().for_each(|(writer, batch)| memory.learn(*writer, *batch, at_ms));
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

    const FIRST: HistoryId = HistoryId { number: 0, since_ms: 0 };
    const SECOND: HistoryId = HistoryId { number: 1, since_ms: 100 };

    fn went_back(course: &Course) -> bool {
        matches!(course, Course::WentBack(_))
    }

    #[test]
    fn a_smaller_number_and_a_missing_one_are_noticed() {
        let history = History::default();
        let none = history.remembered();
        assert_eq!(none.compare(FIRST, &[(1, 5)]), Course::Same, "nothing is known yet");
        history.learn_all(FIRST, &[(1, 5), (2, 7)], 10);
        let known = history.remembered();
        assert_eq!(known.compare(FIRST, &[(1, 5), (2, 8), (3, 1)]), Course::Same);
        assert!(went_back(&known.compare(FIRST, &[(1, 4), (2, 7)])));
        assert!(went_back(&known.compare(FIRST, &[(2, 7)])));
    }

    #[test]
    fn what_is_learnt_while_the_database_is_asked_is_not_expected_of_the_answer() {
        let history = History::default();
        history.learn(0, 1, 5, 10);
        let before = history.remembered();
        history.learn(0, 1, 6, 11);
        assert_eq!(before.compare(FIRST, &[(1, 5)]), Course::Same);
    }

    #[test]
    fn an_accepted_history_is_remembered_from_its_beginning() {
        let history = History::default();
        history.learn_all(FIRST, &[(1, 5)], 10);
        assert_eq!(history.remembered().compare(SECOND, &[(1, 3)]), Course::Accepted);
        history.learn_all(SECOND, &[(1, 3)], 110);
        assert_eq!(history.remembered().compare(SECOND, &[(1, 3)]), Course::Same);
        // An older one is no accepted one.
        assert!(went_back(&history.remembered().compare(FIRST, &[(1, 9)])));
    }

    #[test]
    fn who_accepts_a_history_has_not_seen_what_is_lost_later() {
        let history = History::default();
        // It sells on at the server of before, after somebody has looked.
        history.learn_all(FIRST, &[(1, 5)], 90);
        history.learn(0, 1, 6, 101);
        assert!(went_back(&history.remembered().compare(SECOND, &[(1, 3)])));
        let third = HistoryId { number: 2, since_ms: 200 };
        assert_eq!(history.remembered().compare(third, &[(1, 3)]), Course::Accepted);
    }

    /// The readers of a process may be at the new server while its writer is still at the one of before.
    #[test]
    fn what_our_own_writer_records_in_a_history_that_was_given_up_is_lost_and_not_forgotten() {
        let history = History::default();
        history.learn_all(SECOND, &[(1, 3)], 110);
        // Somebody has looked at this one.
        history.learn(0, 1, 9, 99);
        assert_eq!(history.remembered().compare(SECOND, &[(1, 3)]), Course::Same);
        history.learn(0, 1, 10, 112);
        assert!(went_back(&history.remembered().compare(SECOND, &[(1, 3)])));
        // The same if the readers hear of it later.
        let history = History::default();
        history.learn(0, 1, 10, 112);
        history.learn_all(SECOND, &[(1, 3)], 113);
        assert!(went_back(&history.remembered().compare(SECOND, &[(1, 3)])));
    }

    #[test]
    fn a_late_answer_of_a_history_that_was_given_up_is_not_remembered() {
        let history = History::default();
        history.learn_all(SECOND, &[(1, 3)], 110);
        history.learn_all(FIRST, &[(1, 9)], 111);
        assert_eq!(history.remembered().compare(SECOND, &[(1, 3)]), Course::Same);
    }

    #[test]
    fn a_person_has_looked_at_what_was_recorded_until_soon_after_the_stop() {
        let stop = Stop { known: 3, at_ms: 1_000, why: "it went back".into() };
        let next = stop.accepted(FIRST, 600_000);
        assert_eq!(next, HistoryId { number: 4, since_ms: 11_000 });
        assert_eq!(stop.accepted(next, 5_000), HistoryId { number: 5, since_ms: 5_000 });
    }

    #[test]
    fn it_is_read_as_it_is_kept() {
        assert_eq!(HistoryId::read(&SECOND.text()), Some(SECOND));
        assert_eq!((HistoryId::read("1"), HistoryId::read("x 1")), (None, None));
        let stop = Stop { known: 3, at_ms: 1_000, why: "it went back".into() };
        assert_eq!(Stop::read(&stop.text()), Some(stop));
        assert_eq!(Stop::read("3 it went back"), None);
    }
}
