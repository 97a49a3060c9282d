//! A machine as its disk sees it: processes with open files, their locks, and what fails next.
//!
//! Every call of SQLite ends here, in safe code. The answers are result codes of SQLite, and they
//! are such as its own file system for Unix gives.

use super::counters::Counters;
use super::medium::{Inode, Medium, SECTOR};
use super::shared::SharedMemory;
use super::{Call, FailedSync, Syncs};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rusqlite::ffi;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::sync::Arc;

/// How a call that was not answered with OK was answered.
pub(super) type Code = c_int;

/// When the virtual time of a disk begins: 2027-01-15T08:00:00Z. Nothing but SQLite asks for it.
const BEGIN_MS: i64 = 1_800_000_000_000;

/// The bit of the lock that a checkpoint holds in a write-ahead log's shared memory.
const CHECKPOINT: u8 = 1 << 1;

/// What a file is to SQLite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Database,
    Log,
    Journal,
    Other,
}

/// How SQLite wants a file opened.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    pub(super) kind: Kind,
    pub(super) create: bool,
    pub(super) exclusive: bool,
    pub(super) write: bool,
    pub(super) delete_on_close: bool,
}

/// An open file, as one connection has it.
struct Open {
    inode: Inode,
    process: u64,
    wish: Wish,
    name: Option<String>,
    /// The directory is synced with the file when it is synced first. As on Unix, that is so of
    /// every log and journal that may be made, also if another process made it: its maker may have
    /// been killed before.
    sync_names: bool,
    /// The lock of the file: one of `SQLITE_LOCK_…`.
    lock: c_int,
    /// The locks in the shared memory, a bit each.
    shared: u8,
    exclusive: u8,
    mapped: bool,
}

/// Calls that will fail: so many after so many.
#[derive(Clone, Copy, Default)]
struct Failing {
    after: u64,
    times: u64,
}

impl Failing {
    /// Whether this call fails.
    fn strikes(&mut self) -> bool {
        if self.times == 0 {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

/// All there is to know of a machine.
pub(super) struct Machine {
    pub(super) medium: Medium,
    pub(super) counters: Counters,
    pub(super) syncs: Syncs,
    pub(super) powersafe_overwrite: bool,
    opened: BTreeMap<u64, Open>,
    shared: BTreeMap<Inode, Arc<SharedMemory>>,
    processes: BTreeSet<u64>,
    /// The processes that only look, and are spared all faults.
    watching: BTreeSet<u64>,
    numbers: u64,
    failing: [Failing; 3],
    failed_sync: FailedSync,
    halt_after: Option<u64>,
    halted: bool,
    capacity: Option<u64>,
    slept_us: u64,
    /// What a failing call does all the same.
    luck: ChaCha8Rng,
    /// What SQLite takes for random.
    randomness: ChaCha8Rng,
}

impl Machine {
    pub(super) fn new(seed: u64) -> Machine {
        let stream = |number| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number);
            rng
        };
        Machine {
            medium: Medium::default(),
            counters: Counters::default(),
            syncs: Syncs::Honest,
            powersafe_overwrite: false,
            opened: BTreeMap::new(),
            shared: BTreeMap::new(),
            processes: BTreeSet::new(),
            watching: BTreeSet::new(),
            numbers: 0,
            failing: [Failing::default(); 3],
            failed_sync: FailedSync::Nothing,
            halt_after: None,
            halted: false,
            capacity: None,
            slept_us: 0,
            luck: stream(1),
            randomness: stream(2),
        }
    }

    // What happens to the machine.

    pub(super) fn begin_process(&mut self, watches: bool) -> u64 {
        self.numbers += 1;
        self.processes.insert(self.numbers);
        if watches {
            self.watching.insert(self.numbers);
        }
        self.numbers
    }

    /// What it wrote stays; its locks go, and its shared memory if nobody else has it.
    pub(super) fn end_process(&mut self, process: u64) {
        if !self.processes.remove(&process) {
            return;
        }
        self.watching.remove(&process);
        if self.opened.values().any(|open| open.process == process) {
            self.counters.kills += 1;
        }
        for open in self.opened.values_mut().filter(|open| open.process == process) {
            (open.lock, open.shared, open.exclusive) = (ffi::SQLITE_LOCK_NONE, 0, 0);
            open.mapped = false;
        }
        self.drop_unmapped();
    }

    pub(super) fn lose_power(&mut self, rng: &mut impl Rng) {
        self.processes.clear();
        self.watching.clear();
        self.shared.clear();
        self.medium.lose_power(rng, &mut self.counters);
        self.counters.power_losses += 1;
        self.tidy();
        self.go_on();
    }

    pub(super) fn halted(&self) -> bool {
        self.halted
    }

    /// After a halt: the machine answers again.
    pub(super) fn go_on(&mut self) {
        (self.halted, self.halt_after) = (false, None);
    }

    pub(super) fn halt_after(&mut self, changes: u64) {
        self.halt_after = Some(changes);
    }

    pub(super) fn fail(&mut self, call: Call, after: u64, times: u64) {
        self.failing[call as usize] = Failing { after, times };
    }

    pub(super) fn fail_sync(&mut self, how: FailedSync) {
        self.failed_sync = how;
    }

    pub(super) fn heal(&mut self) {
        self.failing = [Failing::default(); 3];
        self.capacity = None;
        self.halt_after = None;
    }

    pub(super) fn leave_space(&mut self, bytes: Option<u64>) {
        self.capacity = bytes.map(|bytes| self.medium.used() + bytes);
    }

    // What SQLite asks of the machine.

    pub(super) fn random(&mut self, into: &mut [u8]) {
        self.randomness.fill_bytes(into);
    }

    pub(super) fn sleep(&mut self, us: u64) {
        self.slept_us += us;
    }

    pub(super) fn now_ms(&self) -> i64 {
        BEGIN_MS + (self.slept_us / 1000) as i64
    }

    /// Counts a call that changes something. From the one at which the machine halts, nothing
    /// happens any more.
    fn changes(&mut self) -> Result<(), ()> {
        if self.halted {
            return Err(());
        }
        match &mut self.halt_after {
            Some(0) => {
                self.halted = true;
                self.counters.halts += 1;
                Err(())
            }
            Some(after) => {
                *after -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn lives(&self, process: u64) -> Result<(), ()> {
        let halted = self.halted && !self.watching.contains(&process);
        if halted || !self.processes.contains(&process) { Err(()) } else { Ok(()) }
    }

    /// An open file of a process that lives.
    fn live(&self, file: u64) -> Result<&Open, ()> {
        let open = &self.opened[&file];
        self.lives(open.process).map(|()| open)
    }

    fn live_mut(&mut self, file: u64) -> Result<&mut Open, ()> {
        self.live(file)?;
        self.opened.get_mut(&file).ok_or(())
    }

    pub(super) fn open(
        &mut self,
        process: u64,
        name: Option<&str>,
        wish: Wish,
    ) -> Result<u64, Code> {
        self.lives(process).map_err(|()| ffi::SQLITE_IOERR)?;
        let found = name.and_then(|name| self.medium.find(name));
        let inode = match found {
            Some(_) if wish.create && wish.exclusive => return Err(ffi::SQLITE_CANTOPEN),
            Some(inode) => inode,
            None if name.is_some() && !wish.create => return Err(ffi::SQLITE_CANTOPEN),
            None => {
                self.changes().map_err(|()| ffi::SQLITE_IOERR)?;
                self.counters.created += 1;
                self.medium.make(name)
            }
        };
        // The place of the server's own lock: one process at a time may have it open for writing.
        let rival = |open: &Open| {
            open.inode == inode
                && open.process != process
                && open.wish.write
                && self.processes.contains(&open.process)
        };
        if wish.kind == Kind::Database && wish.write && self.opened.values().any(rival) {
            return Err(ffi::SQLITE_BUSY);
        }
        self.numbers += 1;
        let open = Open {
            inode,
            process,
            wish,
            name: name.map(Into::into),
            sync_names: wish.create && matches!(wish.kind, Kind::Log | Kind::Journal),
            lock: ffi::SQLITE_LOCK_NONE,
            shared: 0,
            exclusive: 0,
            mapped: false,
        };
        self.opened.insert(self.numbers, open);
        Ok(self.numbers)
    }

    pub(super) fn close(&mut self, file: u64) {
        let Some(open) = self.opened.remove(&file) else { return };
        if let (true, Some(name)) = (open.wish.delete_on_close, &open.name)
            && self.lives(open.process).is_ok()
        {
            self.medium.unlink(name);
        }
        self.drop_unmapped();
        self.tidy();
    }

    fn tidy(&mut self) {
        let opened = &self.opened;
        self.medium.tidy(|inode| opened.values().any(|open| open.inode == inode));
    }

    pub(super) fn delete(
        &mut self,
        process: u64,
        name: &str,
        sync_names: bool,
    ) -> Result<(), Code> {
        self.lives(process).map_err(|()| ffi::SQLITE_IOERR_DELETE)?;
        if self.medium.find(name).is_none() {
            return Err(ffi::SQLITE_IOERR_DELETE_NOENT);
        }
        self.changes().map_err(|()| ffi::SQLITE_IOERR_DELETE)?;
        self.counters.deleted += 1;
        self.medium.unlink(name);
        if sync_names {
            self.changes().map_err(|()| ffi::SQLITE_IOERR_DIR_FSYNC)?;
            if self.syncs == Syncs::Honest {
                self.medium.sync_names();
            }
        }
        self.tidy();
        Ok(())
    }

    /// Whether a file is there, and not empty if that is what counts.
    pub(super) fn exists(&self, process: u64, name: &str, filled: bool) -> Result<bool, Code> {
        self.lives(process).map_err(|()| ffi::SQLITE_IOERR_ACCESS)?;
        let found = self.medium.find(name);
        Ok(found.is_some_and(|inode| !filled || self.medium.size(inode) > 0))
    }

    /// Fills what is missing with zeros.
    pub(super) fn read(&mut self, file: u64, at: usize, into: &mut [u8]) -> Result<(), Code> {
        let open = self.live(file).map_err(|()| ffi::SQLITE_IOERR_READ)?;
        let (inode, watches) = (open.inode, self.watching.contains(&open.process));
        self.counters.reads += 1;
        if !watches && self.failing[Call::Read as usize].strikes() {
            self.counters.failed_reads += 1;
            return Err(ffi::SQLITE_IOERR_READ);
        }
        let count = self.medium.read(inode, at, into);
        if count < into.len() {
            into[count..].fill(0);
            return Err(ffi::SQLITE_IOERR_SHORT_READ);
        }
        Ok(())
    }

    pub(super) fn write(&mut self, file: u64, at: usize, bytes: &[u8]) -> Result<(), Code> {
        let open = self.live(file).map_err(|()| ffi::SQLITE_IOERR_WRITE)?;
        let (inode, may) = (open.inode, open.wish.write);
        if !may {
            return Err(ffi::SQLITE_IOERR_WRITE);
        }
        self.changes().map_err(|()| ffi::SQLITE_IOERR_WRITE)?;
        self.counters.writes += 1;
        if self.failing[Call::Write as usize].strikes() {
            self.counters.failed_writes += 1;
            // A part of it may be there.
            let part = match self.luck.next_u32() % 3 {
                0 => 0,
                1 => bytes.len(),
                _ => self.luck.next_u32() as usize % (bytes.len() + 1) / SECTOR * SECTOR,
            };
            self.medium.write(inode, at, &bytes[..part]);
            return Err(ffi::SQLITE_IOERR_WRITE);
        }
        let fits = self.fits(inode, at, bytes.len());
        self.medium.write(inode, at, &bytes[..fits]);
        self.counters.bytes_written += fits as u64;
        if fits < bytes.len() {
            self.counters.writes_without_space += 1;
            return Err(ffi::SQLITE_FULL);
        }
        Ok(())
    }

    /// For how much of a write there is space.
    fn fits(&self, inode: Inode, at: usize, count: usize) -> usize {
        let size = self.medium.size(inode);
        match self.capacity {
            Some(capacity) if at + count > size => {
                let free = capacity.saturating_sub(self.medium.used());
                let end = size + usize::try_from(free).unwrap_or(usize::MAX).min(1 << 40);
                end.saturating_sub(at).min(count)
            }
            _ => count,
        }
    }

    pub(super) fn truncate(&mut self, file: u64, to: usize) -> Result<(), Code> {
        let inode = self.live(file).map_err(|()| ffi::SQLITE_IOERR_TRUNCATE)?.inode;
        self.changes().map_err(|()| ffi::SQLITE_IOERR_TRUNCATE)?;
        self.counters.truncations += 1;
        if self.failing[Call::Write as usize].strikes() {
            self.counters.failed_writes += 1;
            return Err(ffi::SQLITE_IOERR_TRUNCATE);
        }
        self.medium.resize(inode, to);
        Ok(())
    }

    pub(super) fn sync(&mut self, file: u64) -> Result<(), Code> {
        let open = self.live(file).map_err(|()| ffi::SQLITE_IOERR_FSYNC)?;
        let (inode, kind, sync_names) = (open.inode, open.wish.kind, open.sync_names);
        self.changes().map_err(|()| ffi::SQLITE_IOERR_FSYNC)?;
        self.counters.syncs += 1;
        if self.failing[Call::Sync as usize].strikes() {
            self.counters.failed_syncs += 1;
            match self.failed_sync {
                FailedSync::Nothing => {}
                FailedSync::Everything => self.medium.sync(inode),
                FailedSync::Forgotten => self.medium.forget_unsynced(inode),
            }
            return Err(ffi::SQLITE_IOERR_FSYNC);
        }
        if self.lies(inode, kind) {
            self.counters.lies += 1;
            return Ok(());
        }
        self.medium.sync(inode);
        if sync_names {
            self.medium.sync_names();
            self.live_mut(file).map_err(|()| ffi::SQLITE_IOERR_FSYNC)?.sync_names = false;
        }
        Ok(())
    }

    fn lies(&mut self, inode: Inode, kind: Kind) -> bool {
        match self.syncs {
            Syncs::Honest => false,
            Syncs::NotAtCommit => {
                let checkpoint = || self.opened.values().any(|o| o.exclusive & CHECKPOINT != 0);
                kind == Kind::Log && !checkpoint() && !self.medium.start_is_unsynced(inode)
            }
            Syncs::Sometimes { one_in } => self.luck.next_u32().is_multiple_of(one_in.max(1)),
            Syncs::Never => true,
        }
    }

    pub(super) fn size(&self, file: u64) -> Result<usize, Code> {
        let open = self.live(file).map_err(|()| ffi::SQLITE_IOERR_FSTAT)?;
        Ok(self.medium.size(open.inode))
    }

    // Locks. They hold between connections, those of one process among them; there is no thread
    // that waits, so who does not get one is told BUSY.

    /// What the others have locked of the same file.
    fn others(&self, file: u64, inode: Inode) -> impl Iterator<Item = &Open> {
        self.opened.iter().filter(move |(f, open)| **f != file && open.inode == inode).map(|o| o.1)
    }

    pub(super) fn lock(&mut self, file: u64, wanted: c_int) -> Result<(), Code> {
        let open = self.live(file).map_err(|()| ffi::SQLITE_IOERR_LOCK)?;
        let (has, inode) = (open.lock, open.inode);
        if has >= wanted {
            return Ok(());
        }
        if wanted > ffi::SQLITE_LOCK_SHARED && !open.wish.write {
            return Err(ffi::SQLITE_IOERR_LOCK);
        }
        let highest = self.others(file, inode).map(|o| o.lock).max();
        let highest = highest.unwrap_or(ffi::SQLITE_LOCK_NONE);
        let (gets, answer) = match wanted {
            ffi::SQLITE_LOCK_SHARED if highest >= ffi::SQLITE_LOCK_PENDING => {
                (has, Err(ffi::SQLITE_BUSY))
            }
            ffi::SQLITE_LOCK_RESERVED if highest >= ffi::SQLITE_LOCK_RESERVED => {
                (has, Err(ffi::SQLITE_BUSY))
            }
            ffi::SQLITE_LOCK_EXCLUSIVE if highest >= ffi::SQLITE_LOCK_PENDING => {
                (has, Err(ffi::SQLITE_BUSY))
            }
            // It waits for those who read, and lets no other in.
            ffi::SQLITE_LOCK_EXCLUSIVE if highest >= ffi::SQLITE_LOCK_SHARED => {
                (ffi::SQLITE_LOCK_PENDING, Err(ffi::SQLITE_BUSY))
            }
            wanted => (wanted, Ok(())),
        };
        self.live_mut(file).map_err(|()| ffi::SQLITE_IOERR_LOCK)?.lock = gets;
        answer
    }

    pub(super) fn unlock(&mut self, file: u64, to: c_int) {
        // Also on a machine that has halted: SQLite cannot do much with a lock that stays.
        let open = self.opened.get_mut(&file).expect("an open file");
        open.lock = open.lock.min(to);
    }

    pub(super) fn is_reserved(&self, file: u64) -> Result<bool, Code> {
        let open = self.live(file).map_err(|()| ffi::SQLITE_IOERR_CHECKRESERVEDLOCK)?;
        let highest = self.others(file, open.inode).map(|o| o.lock).max();
        Ok(highest.max(Some(open.lock)) >= Some(ffi::SQLITE_LOCK_RESERVED))
    }

    // Shared memory.

    pub(super) fn map(&mut self, file: u64) -> Result<Arc<SharedMemory>, Code> {
        let open = self.live_mut(file).map_err(|()| ffi::SQLITE_IOERR_SHMMAP)?;
        open.mapped = true;
        let inode = open.inode;
        Ok(self.shared.entry(inode).or_default().clone())
    }

    pub(super) fn unmap(&mut self, file: u64) {
        let open = self.opened.get_mut(&file).expect("an open file");
        (open.mapped, open.shared, open.exclusive) = (false, 0, 0);
        self.drop_unmapped();
    }

    /// Shared memory that nobody has mapped begins anew, empty.
    fn drop_unmapped(&mut self) {
        let opened = &self.opened;
        self.shared.retain(|inode, _| opened.values().any(|o| o.inode == *inode && o.mapped));
    }

    pub(super) fn shared_lock(&mut self, file: u64, bits: u8, exclusive: bool) -> Result<(), Code> {
        let open = self.live(file).map_err(|()| ffi::SQLITE_IOERR_SHMLOCK)?;
        let (mut shared, mut excluded) = (0, 0);
        for other in self.others(file, open.inode) {
            shared |= other.shared;
            excluded |= other.exclusive;
        }
        if bits & excluded != 0 || (exclusive && bits & shared != 0) {
            return Err(ffi::SQLITE_BUSY);
        }
        let open = self.live_mut(file).map_err(|()| ffi::SQLITE_IOERR_SHMLOCK)?;
        if exclusive {
            open.exclusive |= bits;
        } else {
            open.shared |= bits;
        }
        Ok(())
    }

    pub(super) fn shared_unlock(&mut self, file: u64, bits: u8) {
        let open = self.opened.get_mut(&file).expect("an open file");
        open.shared &= !bits;
        open.exclusive &= !bits;
    }
}
