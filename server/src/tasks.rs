//! The one place where tasks begin.

/// Starts a task. All tasks of the server begin here, so that a simulation can count on it.
#[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}
