//! Whether something can be sold just now, and why not.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A batch that takes longer than this hangs: the database does not answer, or a commit waits for a standby.
const HANGS: Duration = Duration::from_secs(2);
/// A question to the database that takes longer than this hangs.
const QUESTION_HANGS: Duration = Duration::from_secs(5);

/// What the writer and the readers have met last.
#[derive(Default)]
pub struct Health(Mutex<State>);

#[derive(Default)]
struct State {
    /// Since when the writer is at a batch.
    batch_since: Option<Instant>,
    /// Until when those who gave up did so because a batch took that long.
    hung_until: Option<Instant>,
    /// Whether the last batch could not be recorded.
    is_failing: bool,
    /// Since when a question to the database is not answered.
    question_since: Option<Instant>,
    /// Whether the last one failed.
    questions_fail: bool,
    /// Why nothing may be recorded until a person has looked.
    stopped: Option<String>,
}

fn longer(since: Option<Instant>, than: Duration) -> bool {
    since.is_some_and(|since| since.elapsed() >= than)
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer begins a batch.
    pub fn begins_batch(&self) {
        self.lock().batch_since = Some(Instant::now());
    }

    /// The writer has finished it, in whichever way.
    pub fn ends_batch(&self) {
        let mut state = self.lock();
        if longer(state.batch_since.take(), HANGS) {
            state.hung_until = Some(Instant::now() + HANGS);
        }
    }

    /// Whether what was to be recorded last was.
    pub fn recorded(&self, is_recorded: bool) {
        self.lock().is_failing = !is_recorded;
    }

    /// The database is asked something.
    pub fn asks(&self) {
        self.lock().question_since = Some(Instant::now());
    }

    /// It has answered, or the question failed.
    pub fn answered(&self, is_answered: bool) {
        let mut state = self.lock();
        state.question_since = None;
        state.questions_fail = !is_answered;
    }

    /// Why nothing may be recorded; none: it may. Tells whether that is new.
    pub fn stop(&self, why: Option<&str>) -> bool {
        let mut state = self.lock();
        let is_new = state.stopped.as_deref() != why;
        state.stopped = why.map(Into::into);
        is_new
    }

    /// Whether nothing may be recorded until a person has looked.
    pub fn is_stopped(&self) -> bool {
        self.lock().stopped.is_some()
    }

    /// Whether what waits for the writer waits for the database, and not for others who came before.
    pub fn database_hangs(&self) -> bool {
        let state = self.lock();
        state.is_failing
            || longer(state.batch_since, HANGS)
            || state.hung_until.is_some_and(|until| until > Instant::now())
    }

    /// Whether the last batch could not be recorded.
    pub fn is_failing(&self) -> bool {
        self.lock().is_failing
    }

    /// Why nothing can be sold, in a sentence for who runs the server.
    pub fn why_not(&self) -> Option<String> {
        let state = self.lock();
        if let Some(why) = &state.stopped {
            return Some(why.clone());
        }
        let why = match () {
            () if longer(state.batch_since, HANGS) => {
                "The database has not answered for two seconds."
            }
            () if state.is_failing => "The last batch could not be committed.",
            () if longer(state.question_since, QUESTION_HANGS) => {
                "The database has not answered a question for five seconds."
            }
            () if state.questions_fail => "The last question to the database failed.",
            () => return None,
        };
        Some(why.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_said_why_nothing_can_be_sold_and_no_longer_than_it_is_so() {
        let health = Health::default();
        assert_eq!(health.why_not(), None);
        health.begins_batch();
        assert_eq!(health.why_not(), None, "a batch takes a moment");
        tokio::time::advance(HANGS).await;
        assert!(health.why_not().unwrap().contains("not answered") && health.database_hangs());
        health.ends_batch();
        assert_eq!(health.why_not(), None);
        // Those who waited meanwhile hear now that it is too late.
        assert!(health.database_hangs());
        tokio::time::advance(HANGS).await;
        assert!(!health.database_hangs());
        health.recorded(false);
        assert!(health.why_not().unwrap().contains("committed") && health.database_hangs());
        health.recorded(true);
        health.asks();
        tokio::time::advance(QUESTION_HANGS).await;
        assert!(health.why_not().unwrap().contains("question") && !health.database_hangs());
        health.answered(false);
        assert!(health.why_not().unwrap().contains("failed"));
        health.answered(true);
        assert!(health.stop(Some("went back")) && !health.stop(Some("went back")));
        assert_eq!(health.why_not().as_deref(), Some("went back"));
        assert!(health.stop(None));
        assert_eq!(health.why_not(), None);
    }
}
