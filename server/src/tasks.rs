//! The one place where tasks begin.

use std::thread;
use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Starts a task. All tasks of the server begin here, so that a simulation can count on it.
#[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}

/// A thread of its own for what must not wait behind a crowd: a runtime takes its tasks in turn, and
/// among ten thousand requests each step of a payment would wait until all of them had theirs.
/// Between threads the system shares the processors. Dropped, it ends, and its tasks with it.
pub struct BackOffice {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl BackOffice {
    /// Starts the thread. The error is that of the system.
    pub fn open() -> std::io::Result<BackOffice> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let run = move || _ = runtime.block_on(ended);
        thread::Builder::new().name("nts-back-office".into()).spawn(run)?;
        Ok(BackOffice { handle, _end: end })
    }

    /// Starts a task there. What that starts in turn runs there, too.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.handle.spawn(task)
    }

    /// As long as the guard is kept, what is made here is made as if there.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tokio::time::{Duration, sleep};

    #[tokio::test]
    async fn the_back_office_goes_on_while_the_crowds_thread_is_busy_and_ends_with_its_guard() {
        let office = BackOffice::open().expect("a thread");
        let (says, heard) = mpsc::channel();
        _ = office.spawn(async move {
            // What it starts is there, too.
            _ = spawn(async move {
                sleep(Duration::from_millis(1)).await;
                _ = says.send("done");
                std::future::pending::<()>().await;
                drop(says);
            });
        });
        // Blocks the only thread of this runtime.
        assert_eq!(heard.recv_timeout(Duration::from_secs(20)), Ok("done"));
        drop(office);
        let ended = heard.recv_timeout(Duration::from_secs(20));
        assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected), "its tasks end with it");
    }
}
