//! The simulated disk: a file system for SQLite in memory, with a page cache that a power loss
//! takes, calls that fail by plan, and an end of its space.
//!
//! ```text
//! SqliteStore ─► SQLite ─► vfs.rs: pointers become values ─► machine.rs: locks, faults ─► medium.rs
//! ```
//!
//! A [`Disk`] is a machine's. Processes begin on it, open databases by a name, and end: killed, and
//! then what they wrote stays, for the page cache is the machine's; or with a power loss, and then
//! only what was synced is sure to stay. What a process had open is dead from then on: it fails,
//! and changes nothing, also when it is dropped.
//!
//! Everything repeats itself: the same seed and the same calls leave the same bytes, whatever other
//! disks are used in other threads. For that, a disk must come before any other use of SQLite in
//! its process. Nothing is left of a disk that was dropped.

mod counters;
mod machine;
mod medium;
mod random;
mod shared;
mod vfs;

pub use counters::Counters;

use machine::Machine;
use nts_server::clock::Clock;
use nts_server::store::Fault;
use nts_server::store::sqlite::{OpenError, Opened, SqliteReader, SqliteStore};
use rand_chacha::rand_core::Rng;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vfs::Running;

/// A machine's disk. A clone is the same disk. It may go from thread to thread; calls from several
/// at once are safe, but then their order, and with it the outcome, is not the seed's.
#[derive(Clone)]
pub struct Disk(Arc<Shared>);

struct Shared(Mutex<Machine>);

impl Shared {
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls that can fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// A read.
    Read,
    /// A write, of which a part may be done all the same, or a change of a file's size.
    Write,
    /// A sync.
    Sync,
}

/// What becomes of the writes that a failed sync was to make durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailedSync {
    /// They wait for the next sync.
    Nothing,
    /// They are durable.
    Everything,
    /// They are read until the power goes, but no later sync makes them durable, although it says
    /// so: what Linux did for years, and what many file systems still do.
    Forgotten,
}

/// What the disk does when it is asked to sync.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syncs {
    /// It does.
    Honest,
    /// Not at a commit, only around checkpoints: as if the store had `synchronous = NORMAL`.
    NotAtCommit,
    /// Now and then it only says so: a cache that lies.
    Sometimes {
        /// One of so many syncs is not done.
        one_in: u32,
    },
    /// It only says so: as if the store had `synchronous = OFF`.
    Never,
}

/// Makes SQLite ready for simulated disks, if it is not yet. [`Disk::new`] does so as well.
///
/// # Panics
/// If something else in this process used SQLite before.
pub fn prepare() {
    random::prepare();
}

impl Disk {
    /// An empty disk. From `seed` comes what SQLite takes for random, and what a failing call does
    /// all the same.
    ///
    /// # Panics
    /// If something else in this process used SQLite before the first disk.
    pub fn new(seed: u64) -> Disk {
        random::prepare();
        Disk(Arc::new(Shared(Mutex::new(Machine::new(seed)))))
    }

    /// Begins a process on the machine.
    pub fn start(&self) -> Process {
        Process(Running::begin(&self.0, false))
    }

    /// Begins a process for which no call ever fails, and that a halt does not stop: for an
    /// auditor, who only looks.
    pub fn watch(&self) -> Process {
        Process(Running::begin(&self.0, true))
    }

    /// The power goes, and comes back: every process is dead, and what was not synced is kept,
    /// dropped or torn, as `rng` decides.
    pub fn power_loss(&self, rng: &mut impl Rng) {
        self.0.machine().lose_power(rng);
    }

    /// After `changes` more calls that would change something, the machine halts: nothing happens
    /// any more and every call fails, until [`Disk::power_loss`] or [`Disk::go_on`].
    pub fn halt_after(&self, changes: u64) {
        self.0.machine().halt_after(changes);
    }

    /// Whether the machine has halted.
    pub fn halted(&self) -> bool {
        self.0.machine().halted()
    }

    /// Lets a machine that has halted answer again, as it is: with all that was written. To kill a
    /// process in the middle of something, let the machine halt, kill it, and go on.
    pub fn go_on(&self) {
        self.0.machine().go_on();
    }

    /// After `after` more calls of this kind, `times` of them fail.
    pub fn fail(&self, call: Call, after: u64, times: u64) {
        self.0.machine().fail(call, after, times);
    }

    /// What a sync that fails by plan does with the writes. At first: nothing.
    pub fn set_failed_sync(&self, how: FailedSync) {
        self.0.machine().fail_sync(how);
    }

    /// There is space for so many bytes more; without a number, for all.
    pub fn leave_space(&self, bytes: Option<u64>) {
        self.0.machine().leave_space(bytes);
    }

    /// How it syncs from now on. At first: honestly.
    pub fn set_syncs(&self, syncs: Syncs) {
        self.0.machine().syncs = syncs;
    }

    /// Whether it tells SQLite that a write never harms what lies beside it. That is true, and what
    /// SQLite believes of disks under Linux; unless told so, as at first, it pads every commit to
    /// the end of a sector. No sync is left out either way.
    pub fn set_powersafe_overwrite(&self, told: bool) {
        self.0.machine().powersafe_overwrite = told;
    }

    /// No more planned faults of this kind.
    pub fn mend(&self, call: Call) {
        self.0.machine().fail(call, 0, 0);
    }

    /// No more planned faults, and space for all. How it syncs is not changed.
    pub fn heal(&self) {
        self.0.machine().heal();
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.0.machine().counters
    }

    /// How many bytes all files have together.
    pub fn used_bytes(&self) -> u64 {
        self.0.machine().medium.used()
    }

    /// A digest of everything on the disk and in its cache.
    pub fn digest(&self) -> [u8; 32] {
        self.0.machine().medium.digest()
    }
}

/// A process on a simulated machine. Dropping it kills it; for a clean stop, drop first what it
/// opened.
pub struct Process(Arc<Running>);

impl Process {
    /// Opens or makes the store of this name. Refused as in use while another process that lives
    /// has it open. Its readers are made by [`SqliteStore::own_reader`].
    pub fn open(&self, name: &str, clock: Clock, secret: [u8; 32]) -> Result<Opened, OpenError> {
        SqliteStore::open_in(self.vfs(), Path::new(name), secret, clock)
    }

    /// A connection for reading to the store of this name.
    pub fn read(&self, name: &str) -> Result<SqliteReader, Fault> {
        SqliteStore::reader_in(self.vfs(), Path::new(name))
    }

    /// The name under which SQLite knows the disk, as this process sees it. Good for as long as the
    /// process lives.
    pub fn vfs(&self) -> &str {
        self.0.vfs()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.disk.machine().end_process(self.0.number);
    }
}
