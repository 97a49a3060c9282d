//! How many files are made at once.
//!
//! A page takes about a millisecond of a processor, and an order may have hundreds. So files are made one after
//! the other in a thread beside those that answer, which gives way to those that sell. Few may wait: who comes
//! then is told to come again, and has the tickets on the order's page meanwhile.

use crate::tasks;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// So many files are being made or waited for.
const MOST: usize = 16;

/// Makes files.
pub struct Printer {
    /// One at a time.
    turn: Arc<Semaphore>,
    /// Those that wait for their turn, and the one that has it.
    wait: Arc<Semaphore>,
    /// Whether they are made where they are asked for: in tests and in the simulation, which has no threads.
    inline: bool,
}

/// Too many wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

impl Printer {
    /// With nothing to do.
    pub fn new(inline: bool) -> Printer {
        let [turn, wait] = [1, MOST].map(|most| Arc::new(Semaphore::new(most)));
        Printer { turn, wait, inline }
    }

    /// Makes a file when it is its turn.
    pub async fn print<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        if self.inline {
            return Ok(make());
        }
        let waits = Arc::clone(&self.wait).try_acquire_owned().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| Busy)?;
        // The thread has its turn until it is done, whether somebody still waits for it or not.
        let made = tasks::beside(move || {
            let _until_done = (waits, turn);
            make()
        });
        made.await.ok_or(Busy)
    }
}
