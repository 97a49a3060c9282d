//! The one place where tasks begin.

use std::thread;
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Starts a task. All tasks of the server begin here, so that a simulation can count on it.
#[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}

/// Does what takes long in a thread beside those of this runtime. `None` if it panicked.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// The same for what may take long and must not cost those that sell anything: the thread gets a processor when
/// no other thread of the machine wants it, or a share of about one in a hundred. `None` if it panicked.
pub async fn beside_all<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    let thread = move || {
        lowest_thread_priority();
        _ = answer.send(work());
    };
    // A thread of its own: those of the runtime are used again, and would keep the priority.
    thread::Builder::new().name("nts-slow".into()).spawn(thread).ok()?;
    answered.await.ok()
}

/// From now on this thread runs when nobody else wants to.
fn lowest_thread_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        tracing::info!(%error, "a slow thread goes on as one among others");
    }
}

/// Ends the process when what must not panic does. A panic of the core, the writer, a reader or of
/// settlement is a bug that was caught in the act: nothing of it is recorded, and going on would be guessing.
pub struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("nts: a check of its own failed; stopping before anything wrong is recorded");
            std::process::abort();
        }
    }
}

/// What serves HTTP: a runtime of so many threads, one or more. Answers go before requests in it, and
/// its threads give way to those that sell; the one that drives it does so once it serves.
/// The error is that of the system.
pub fn front(threads: usize) -> std::io::Result<Runtime> {
    // One thread is served best by the runtime that has just one.
    let mut runtime = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    poll_remote_wakeups_first(
        runtime.worker_threads(threads).on_thread_start(lower_thread_priority),
    )
    .build()
}

/// Lets what has been begun go before what is new: who is woken from another thread, because the writer
/// or a reader has answered, before those who ask for something. Left as it is, a runtime takes one of
/// the first for every 31 of the second, and in a crowd that goes on asking, answers that are there wait
/// for a second.
fn poll_remote_wakeups_first(runtime: &mut Builder) -> &mut Builder {
    runtime.enable_all().global_queue_interval(1)
}

/// A thread of its own for what must not wait behind a crowd: a runtime takes its tasks in turn, and
/// among ten thousand requests each step of a payment would wait until all of them had theirs.
/// Between threads the system shares the processors. Dropped, it ends, and its tasks with it.
pub struct BackgroundRuntime {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl BackgroundRuntime {
    /// Starts the thread. The error is that of the system.
    pub fn open() -> std::io::Result<BackgroundRuntime> {
        let runtime = poll_remote_wakeups_first(&mut Builder::new_current_thread()).build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let run = move || _ = runtime.block_on(ended);
        thread::Builder::new().name("nts-back-office".into()).spawn(run)?;
        Ok(BackgroundRuntime { handle, _end: end })
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

/// Who is being sold something goes before who comes: from now on this thread, which serves the crowd,
/// gives way to the writer and the back office where there are more threads to run than processors. It
/// gets a third of what each of them gets then (`sched(7)`: a step of nice is a factor of 1.25), and all
/// that it wants otherwise. Threads that it starts later do the same.
///
/// Linux only: elsewhere a nice value belongs to the whole process.
pub(crate) fn lower_thread_priority() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        const NICE: i32 = 5;
        // Once for each thread, whatever the process was started with.
        let already = GIVES_WAY.replace(true);
        let set = || setpriority_process(None, (getpriority_process(None)? + NICE).min(19));
        if !already && let Err(error) = set() {
            tracing::info!(%error, "the crowd's thread goes on as one among others");
        }
    }
}

#[cfg(target_os = "linux")]
thread_local! {
    static GIVES_WAY: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};
    use std::task::Poll;
    use tokio::time::{Duration, sleep};

    #[cfg(target_os = "linux")]
    #[test]
    fn who_gives_way_does_so_once_and_alone() {
        let nice = || rustix::process::getpriority_process(None).expect("it is known");
        let before = nice();
        let after = thread::spawn(move || {
            lower_thread_priority();
            lower_thread_priority();
            nice()
        });
        assert_eq!(after.join().expect("no panic"), (before + 5).min(19));
        assert_eq!(nice(), before);
    }

    #[test]
    fn an_answer_goes_before_what_is_new() {
        const ANSWERS: usize = 200;
        const LOCAL: usize = 20;
        let office = BackgroundRuntime::open().expect("a thread");
        let (says, heard) = mpsc::channel();
        let steps = Arc::new(AtomicUsize::new(0));
        let (mut answers, mut waiting) = (Vec::new(), Vec::new());
        for _ in 0..ANSWERS {
            let (answer, answered) = oneshot::channel::<()>();
            let (says, steps) = (says.clone(), Arc::clone(&steps));
            answers.push(answer);
            waiting.push(async move {
                _ = answered.await;
                _ = says.send(steps.load(Ordering::SeqCst));
            });
        }
        let (begun, begins) = mpsc::channel();
        let (goes_on, held_up) = mpsc::channel::<()>();
        _ = office.spawn(async move {
            waiting.into_iter().for_each(|one| _ = spawn(one));
            // When all of them wait: a crowd that always has something to do, and the thread is held up
            // until the answers are there.
            tokio::task::yield_now().await;
            for _ in 0..LOCAL {
                let steps = Arc::clone(&steps);
                _ = spawn(poll_fn(move |context| {
                    steps.fetch_add(1, Ordering::SeqCst);
                    context.waker().wake_by_ref();
                    Poll::Pending
                }));
            }
            _ = begun.send(());
            _ = held_up.recv();
        });
        begins.recv_timeout(Duration::from_secs(20)).expect("it begins");
        answers.into_iter().for_each(|answer| _ = answer.send(()));
        _ = goes_on.send(());
        let after = |_| heard.recv_timeout(Duration::from_secs(20)).expect("it is heard");
        let last = (0..ANSWERS).map(after).max();
        assert!(last < Some(ANSWERS), "heard after {last:?} steps of the others");
    }

    #[tokio::test]
    async fn the_back_office_goes_on_while_the_crowds_thread_is_busy_and_ends_with_its_guard() {
        let office = BackgroundRuntime::open().expect("a thread");
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
