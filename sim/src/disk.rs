//! A simulated disk, and SQLite's way to it.
//!
//! What is written lies in the page cache until it is flushed. When a process is killed, the page
//! cache stays; when the power goes, each write since the last flush is kept, lost, or torn at a
//! sector, and a file that was just made or removed may be as it was before. A disk can fail from
//! some call on, be full, and lie about having flushed.
//!
//! It claims nothing of itself (no atomic writes, no safe append, no order), so SQLite leaves out no
//! flush. The calls are those of <https://www.sqlite.org/vfs.html> and
//! <https://www.sqlite.org/c3ref/io_methods.html>; `vfs.rs` is the part that speaks C.

mod vfs;

use crate::dice::Dice;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The unit in which a write is torn, in bytes.
const SECTOR: usize = 512;
/// How much shared memory SQLite asks for at a time, in bytes.
const REGION: usize = 32 * 1024;
/// Locks of the shared memory (SQLITE_SHM_NLOCK).
const SLOTS: usize = 8;

/// Why a call failed, as SQLite counts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trouble {
    Failed,
    Full,
    Busy,
}

type Done<T> = Result<T, Trouble>;

/// Which flushes are not done though they are said to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lie {
    /// It tells the truth.
    #[default]
    None,
    /// None is ever done.
    All,
}

/// What was done on a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Work {
    /// Writes.
    pub writes: u64,
    /// Flushes.
    pub flushes: u64,
    /// Calls that failed on purpose.
    pub failed: u64,
    /// Writes that a power loss took away, or tore.
    pub lost: u64,
}

/// Something that is not flushed yet.
enum Pending {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Pending {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Pending::Write { offset, bytes } => put(to, *offset, bytes),
            Pending::Truncate(length) => to.resize(*length, 0),
        }
    }
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

#[derive(Default)]
struct File {
    /// As everybody sees it.
    seen: Vec<u8>,
    /// As it would be after a power loss in which nothing pending was kept.
    durable: Vec<u8>,
    pending: Vec<Pending>,
    /// Whether its name would still be there.
    named: bool,
    locks: Locks,
    memory: Vec<Arc<Region>>,
    slots: [Slot; SLOTS],
}

/// Who holds which lock of the file itself (<https://www.sqlite.org/lockingv3.html>).
#[derive(Default)]
struct Locks {
    shared: BTreeMap<u64, ()>,
    reserved: Option<u64>,
    pending: Option<u64>,
    exclusive: Option<u64>,
}

/// A lock of the shared memory.
#[derive(Clone, Default)]
struct Slot {
    shared: BTreeMap<u64, ()>,
    exclusive: Option<u64>,
}

/// Shared memory. SQLite keeps pointers into it until it unmaps, so it never moves.
type Region = vfs::Memory;

#[derive(Default)]
struct State {
    files: BTreeMap<String, File>,
    /// Removed files whose removal was not flushed: name and what was durable of them.
    removed: BTreeMap<String, Vec<u8>>,
    handles: u64,
    /// Who opened a file before the last crash is dead.
    life: u64,
    /// So many calls still succeed.
    calls_left: Option<u64>,
    /// No more bytes than this fit.
    room: Option<usize>,
    lie: Lie,
    work: Work,
    dice: Option<Dice>,
}

/// A disk.
#[derive(Clone)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    /// Whoever comes this way is never in trouble: for who only looks.
    sound: bool,
}

/// An opened file.
struct Handle {
    disk: Disk,
    name: String,
    id: u64,
    life: u64,
    /// Shared memory to which SQLite has pointers.
    memory: Vec<Arc<Region>>,
    temporary: bool,
}

impl Disk {
    /// An empty disk. `seed`: what SQLite gets for randomness.
    pub fn new(seed: u64) -> Disk {
        let state = State { dice: Some(Dice::new(seed, 77)), ..State::default() };
        Disk { state: Arc::new(Mutex::new(state)), sound: false }
    }

    /// A way to the same disk on which no call fails: for an auditor.
    pub fn sound(&self) -> Disk {
        Disk { state: Arc::clone(&self.state), sound: true }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it known to SQLite under a name of its own, until the mount is dropped.
    pub fn mount(&self) -> Mount {
        Mount(vfs::Registered::new(self.clone()))
    }

    /// After so many more calls every call fails; `None`: none does.
    pub fn fail_after(&self, calls: Option<u64>) {
        self.state().calls_left = calls;
    }

    /// Whether calls fail now.
    pub fn is_failing(&self) -> bool {
        self.state().calls_left == Some(0)
    }

    /// No more than so many further bytes fit; `None`: as many as wanted.
    pub fn room_for(&self, bytes: Option<usize>) {
        let mut state = self.state();
        let used: usize = state.files.values().map(|f| f.seen.len()).sum();
        state.room = bytes.map(|bytes| used + bytes);
    }

    /// Which flushes are not done though they are said to be.
    pub fn lie(&self, lie: Lie) {
        self.state().lie = lie;
    }

    /// What was done so far.
    pub fn work(&self) -> Work {
        self.state().work
    }

    /// The process is killed: what it wrote stays, whoever had files open can do no more.
    pub fn crash(&self) {
        let mut state = self.state();
        state.life += 1;
        state.calls_left = None;
        for file in state.files.values_mut() {
            file.locks = Locks::default();
            file.memory.clear();
            file.slots = Default::default();
        }
    }

    /// The power goes: what was not flushed is kept, lost or torn.
    pub fn power_loss(&self, dice: &mut Dice) {
        self.crash();
        let mut state = self.state();
        let State { files, removed, work, .. } = &mut *state;
        for (name, durable) in std::mem::take(removed) {
            if !files.contains_key(&name) && dice.below(2) == 0 {
                files.insert(name, File { durable, named: true, ..File::default() });
            }
        }
        files.retain(|_, file| file.named || dice.below(2) == 0);
        for file in files.values_mut() {
            for pending in std::mem::take(&mut file.pending) {
                match dice.below(3) {
                    0 => pending.apply(&mut file.durable),
                    1 => work.lost += 1,
                    _ => {
                        work.lost += 1;
                        tear(&pending, &mut file.durable, dice);
                    }
                }
            }
            file.named = true;
            file.seen = file.durable.clone();
        }
    }

    /// All bytes of a file as everybody sees it now, if it is there.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.state().files.get(name).map(|f| f.seen.clone())
    }
}

/// Some sectors of a write arrive, others do not.
fn tear(pending: &Pending, durable: &mut Vec<u8>, dice: &mut Dice) {
    let Pending::Write { offset, bytes } = pending else { return };
    let mut at = 0;
    while at < bytes.len() {
        let end = ((offset + at) / SECTOR + 1) * SECTOR - offset;
        let end = end.min(bytes.len());
        if dice.below(2) == 0 {
            put(durable, offset + at, &bytes[at..end]);
        }
        at = end;
    }
}

/// A disk that SQLite knows. Drop it after the last connection.
pub struct Mount(vfs::Registered);

impl Mount {
    /// The name under which SQLite knows it.
    pub fn name(&self) -> &str {
        self.0.name()
    }
}

impl State {
    /// Counts a call, and lets it fail if it is to.
    fn call(&mut self, sound: bool) -> Done<()> {
        if sound {
            return Ok(());
        }
        match &mut self.calls_left {
            Some(0) => {
                self.work.failed += 1;
                Err(Trouble::Failed)
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn open(&mut self, name: &str, create: bool, sound: bool) -> Done<(u64, u64)> {
        self.call(sound)?;
        if !self.files.contains_key(name) {
            if !create {
                return Err(Trouble::Failed);
            }
            self.files.insert(name.to_owned(), File::default());
        }
        self.handles += 1;
        Ok((self.handles, self.life))
    }

    fn remove(&mut self, name: &str, flush: bool, sound: bool) -> Done<()> {
        self.call(sound)?;
        if let Some(file) = self.files.remove(name)
            && file.named
        {
            self.removed.insert(name.to_owned(), file.durable);
        }
        if flush && self.lie == Lie::None {
            self.flush_names();
        }
        Ok(())
    }

    /// The directory is flushed.
    fn flush_names(&mut self) {
        self.removed.clear();
        self.files.values_mut().for_each(|file| file.named = true);
    }
}

impl Handle {
    /// Works on the file, unless the process that opened it is dead.
    fn with<T>(&self, work: impl FnOnce(&mut State, &str) -> Done<T>) -> Done<T> {
        let mut state = self.disk.state();
        if state.life != self.life {
            return Err(Trouble::Failed);
        }
        work(&mut state, &self.name)
    }

    fn file<T>(&self, work: impl FnOnce(&mut File) -> Done<T>) -> Done<T> {
        self.with(|state, name| work(state.files.get_mut(name).ok_or(Trouble::Failed)?))
    }

    /// Reads into `to`; false if there was less, and the rest is zeros.
    fn read(&self, offset: usize, to: &mut [u8]) -> Done<bool> {
        self.with(|state, _| state.call(self.disk.sound))?;
        self.file(|file| {
            let there = file.seen.get(offset..).unwrap_or_default();
            let length = there.len().min(to.len());
            to[..length].copy_from_slice(&there[..length]);
            to[length..].fill(0);
            Ok(length == to.len())
        })
    }

    fn write(&self, offset: usize, bytes: &[u8]) -> Done<()> {
        self.with(|state, name| {
            state.call(self.disk.sound)?;
            state.work.writes += 1;
            let used: usize = state.files.values().map(|f| f.seen.len()).sum();
            let room = state.room;
            let file = state.files.get_mut(name).ok_or(Trouble::Failed)?;
            let more = (offset + bytes.len()).saturating_sub(file.seen.len());
            if room.is_some_and(|room| used + more > room) && more > 0 {
                state.work.failed += 1;
                return Err(Trouble::Full);
            }
            put(&mut file.seen, offset, bytes);
            file.pending.push(Pending::Write { offset, bytes: bytes.to_vec() });
            Ok(())
        })
    }

    fn truncate(&self, length: usize) -> Done<()> {
        self.with(|state, _| state.call(self.disk.sound))?;
        self.file(|file| {
            file.seen.resize(length, 0);
            file.pending.push(Pending::Truncate(length));
            Ok(())
        })
    }

    fn flush(&self) -> Done<()> {
        self.with(|state, name| {
            state.call(self.disk.sound)?;
            state.work.flushes += 1;
            if state.lie == Lie::All {
                return Ok(());
            }
            let file = state.files.get_mut(name).ok_or(Trouble::Failed)?;
            for pending in std::mem::take(&mut file.pending) {
                pending.apply(&mut file.durable);
            }
            // A file system that flushes a new file flushes its name as well, as ext4 and XFS do.
            file.named = true;
            Ok(())
        })
    }

    fn size(&self) -> Done<usize> {
        self.file(|file| Ok(file.seen.len()))
    }

    /// Takes a lock: 1 shared, 2 reserved, 3 pending, 4 exclusive.
    fn lock(&self, level: i32) -> Done<()> {
        let id = self.id;
        let other = |holder: Option<u64>| holder.is_some_and(|holder| holder != id);
        self.file(|file| {
            let locks = &mut file.locks;
            match level {
                0 => Ok(()),
                1 => {
                    if other(locks.exclusive) || other(locks.pending) {
                        return Err(Trouble::Busy);
                    }
                    locks.shared.insert(id, ());
                    Ok(())
                }
                2 => {
                    if other(locks.reserved) {
                        return Err(Trouble::Busy);
                    }
                    locks.reserved = Some(id);
                    Ok(())
                }
                _ => {
                    if other(locks.pending) || other(locks.exclusive) || other(locks.reserved) {
                        return Err(Trouble::Busy);
                    }
                    locks.pending = Some(id);
                    if locks.shared.keys().any(|holder| *holder != id) {
                        return Err(Trouble::Busy);
                    }
                    locks.exclusive = Some(id);
                    Ok(())
                }
            }
        })
    }

    /// Goes down to a shared lock (1) or none (0).
    fn unlock(&self, level: i32) -> Done<()> {
        let id = self.id;
        self.file(|file| {
            let locks = &mut file.locks;
            for held in [&mut locks.reserved, &mut locks.pending, &mut locks.exclusive] {
                if *held == Some(id) {
                    *held = None;
                }
            }
            if level == 0 {
                locks.shared.remove(&id);
            }
            Ok(())
        })
    }

    fn is_reserved(&self) -> Done<bool> {
        self.file(|file| Ok(file.locks.reserved.is_some() || file.locks.exclusive.is_some()))
    }

    /// A region of shared memory; `None` if it is not there and shall not be made.
    fn map(&mut self, region: usize, make: bool) -> Done<Option<Arc<Region>>> {
        let found = self.file(|file| {
            while make && file.memory.len() <= region {
                file.memory.push(Arc::new(Region::new(REGION)));
            }
            Ok(file.memory.get(region).cloned())
        })?;
        // Kept for as long as SQLite may have a pointer to it.
        if let Some(region) = &found {
            self.memory.push(Arc::clone(region));
        }
        Ok(found)
    }

    /// Takes or gives back `count` locks of the shared memory from `first` on.
    fn slots(&self, first: usize, count: usize, take: bool, exclusive: bool) -> Done<()> {
        let id = self.id;
        self.file(|file| {
            let slots = &mut file.slots[first..first + count];
            if take {
                let free = slots.iter().all(|slot| {
                    let mine = slot.exclusive.is_none_or(|holder| holder == id);
                    mine && (!exclusive || slot.shared.keys().all(|holder| *holder == id))
                });
                if !free {
                    return Err(Trouble::Busy);
                }
            }
            for slot in slots {
                match (take, exclusive) {
                    (true, true) => slot.exclusive = Some(id),
                    (true, false) => _ = slot.shared.insert(id, ()),
                    (false, true) => slot.exclusive = slot.exclusive.filter(|holder| *holder != id),
                    (false, false) => _ = slot.shared.remove(&id),
                }
            }
            Ok(())
        })
    }

    fn unmap(&mut self, delete: bool) {
        let id = self.id;
        // Dead or not: what it held is given back.
        _ = self.file(|file| {
            for slot in &mut file.slots {
                slot.shared.remove(&id);
                slot.exclusive = slot.exclusive.filter(|holder| *holder != id);
            }
            if delete {
                file.memory.clear();
            }
            Ok(())
        });
        self.memory.clear();
    }

    fn close(&mut self) {
        _ = self.unlock(0);
        self.unmap(false);
        if self.temporary {
            _ = self.with(|state, name| {
                state.files.remove(name);
                Ok(())
            });
        }
    }
}
