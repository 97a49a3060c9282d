//! What SQLite calls: one file system for each process of a simulated machine.
//!
//! Nothing is decided here. Pointers become values, and the machine answers.
//!
//! A file system that SQLite knows is never freed, for a connection may name it to its last breath.
//! It is used again for another process once everything that was opened in it is closed, so there
//! are no more of them than processes at one time.

#![expect(unsafe_code, reason = "SQLite's interface to file systems is one of C")]

use super::machine::{Code, Kind, Wish};
use super::medium::SECTOR;
use super::shared::{REGION, SharedMemory};
use super::{Shared, random};
use rusqlite::ffi;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Those that no process uses at the moment.
static FREE: Mutex<Vec<&'static FileSystem>> = Mutex::new(Vec::new());
/// How many were ever made.
static MADE: Mutex<u64> = Mutex::new(0);

/// A file system that SQLite knows.
struct FileSystem {
    name: String,
    process: Mutex<Weak<Running>>,
}

/// A process, as long as it lives or anything that it opened is not closed.
pub(super) struct Running {
    file_system: &'static FileSystem,
    pub(super) disk: Arc<Shared>,
    pub(super) number: u64,
}

impl Running {
    pub(super) fn begin(disk: &Arc<Shared>, watches: bool) -> Arc<Running> {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let file_system = free.unwrap_or_else(FileSystem::register);
        let number = disk.machine().begin_process(watches);
        let running = Arc::new(Running { file_system, disk: disk.clone(), number });
        *file_system.process() = Arc::downgrade(&running);
        running
    }

    pub(super) fn vfs(&self) -> &str {
        &self.file_system.name
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.file_system.process() = Weak::new();
        FREE.lock().unwrap_or_else(PoisonError::into_inner).push(self.file_system);
    }
}

impl FileSystem {
    fn process(&self) -> std::sync::MutexGuard<'_, Weak<Running>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register() -> &'static FileSystem {
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        *made += 1;
        let name = format!("simulated-{made}");
        let c_name = CString::new(name.clone()).expect("a name without a zero");
        let process = Mutex::new(Weak::new());
        let this: &'static FileSystem = Box::leak(Box::new(FileSystem { name, process }));
        let vfs = Box::leak(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<File>() as c_int,
            mxPathname: 512,
            pNext: ptr::null_mut(),
            zName: c_name.into_raw(),
            pAppData: ptr::from_ref(this).cast_mut().cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: Some(current_time_ms),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        // SAFETY: a complete struct that lives for ever.
        let registered = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
        assert_eq!(registered, ffi::SQLITE_OK, "SQLite takes another file system");
        this
    }
}

/// What SQLite keeps of an open file.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    open: *mut Open,
}

/// What is behind it.
struct Open {
    process: Arc<Running>,
    number: u64,
    mapped: Option<Arc<SharedMemory>>,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(map_shared),
    xShmLock: Some(lock_shared),
    xShmBarrier: Some(barrier_shared),
    xShmUnmap: Some(unmap_shared),
    xFetch: None,
    xUnfetch: None,
};

fn code(result: Result<(), Code>) -> c_int {
    result.err().unwrap_or(ffi::SQLITE_OK)
}

/// The process of a file system.
///
/// # Safety
/// `vfs` must be one of ours.
unsafe fn process(vfs: *mut ffi::sqlite3_vfs) -> Option<Arc<Running>> {
    // SAFETY: ours have a file system there, which lives for ever.
    let file_system: &'static FileSystem = unsafe { &*(*vfs).pAppData.cast::<FileSystem>() };
    let process = file_system.process().upgrade()?;
    random::take_from(&process.disk);
    Some(process)
}

/// What is behind an open file.
///
/// # Safety
/// `file` must be one that [`open`] opened, and that is not closed.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Open {
    // SAFETY: SQLite uses a connection in one thread at a time, and nothing else leads here.
    let open = unsafe { &mut *(*file.cast::<File>()).open };
    random::take_from(&open.process.disk);
    open
}

/// A name that SQLite passes.
///
/// # Safety
/// `name` must be null or a string that ends in a zero.
unsafe fn text<'a>(name: *const c_char) -> Option<&'a str> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller's word.
    unsafe { CStr::from_ptr(name) }.to_str().ok()
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let has = |flag| flags & flag != 0;
    // SAFETY: SQLite gives room for a `File`; without methods, it will not be closed.
    unsafe { (*file).pMethods = ptr::null() };
    // SAFETY: it is ours, for it has this function.
    let Some(process) = (unsafe { process(vfs) }) else { return ffi::SQLITE_CANTOPEN };
    let wish = Wish {
        kind: match () {
            () if has(ffi::SQLITE_OPEN_MAIN_DB) => Kind::Database,
            () if has(ffi::SQLITE_OPEN_WAL) => Kind::Log,
            () if has(ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL) => {
                Kind::Journal
            }
            () => Kind::Other,
        },
        create: has(ffi::SQLITE_OPEN_CREATE),
        exclusive: has(ffi::SQLITE_OPEN_EXCLUSIVE),
        write: has(ffi::SQLITE_OPEN_READWRITE),
        delete_on_close: has(ffi::SQLITE_OPEN_DELETEONCLOSE),
    };
    // SAFETY: SQLite's word.
    let name = unsafe { text(name) };
    let number = process.disk.machine().open(process.number, name, wish);
    let number = match number {
        Ok(number) => number,
        Err(code) => return code,
    };
    let open = Box::into_raw(Box::new(Open { process, number, mapped: None }));
    // SAFETY: as above; `out_flags` may be null.
    unsafe {
        (*file.cast::<File>()).open = open;
        (*file).pMethods = &raw const METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_names: c_int,
) -> c_int {
    // SAFETY: it is ours, for it has this function, and the name is SQLite's.
    let (Some(process), Some(name)) = (unsafe { (process(vfs), text(name)) }) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    code(process.disk.machine().delete(process.number, name, sync_names & 1 != 0))
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    answer: *mut c_int,
) -> c_int {
    // SAFETY: it is ours, for it has this function, and the name is SQLite's.
    let (Some(process), Some(name)) = (unsafe { (process(vfs), text(name)) }) else {
        return ffi::SQLITE_IOERR_ACCESS;
    };
    // As on Unix: an empty file is as good as none.
    let filled = flags == ffi::SQLITE_ACCESS_EXISTS;
    match process.disk.machine().exists(process.number, name, filled) {
        Ok(exists) => {
            // SAFETY: SQLite's place for the answer.
            unsafe { *answer = exists.into() };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

/// There is one directory only, so a name is a path.
unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    into: *mut c_char,
) -> c_int {
    // SAFETY: SQLite's string, and its room of so many bytes.
    unsafe {
        let name = CStr::from_ptr(name).to_bytes_with_nul();
        if name.len() > usize::try_from(room).unwrap_or(0) {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(name.as_ptr().cast(), into, name.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(
    vfs: *mut ffi::sqlite3_vfs,
    count: c_int,
    into: *mut c_char,
) -> c_int {
    // SAFETY: it is ours, for it has this function.
    match unsafe { process(vfs) } {
        // SAFETY: SQLite gives room for so many bytes.
        Some(process) => unsafe { random::fill(&process.disk, count, into) },
        None => 0,
    }
}

unsafe extern "C" fn sleep(vfs: *mut ffi::sqlite3_vfs, us: c_int) -> c_int {
    // SAFETY: it is ours, for it has this function.
    if let Some(process) = unsafe { process(vfs) } {
        process.disk.machine().sleep(us.unsigned_abs().into());
    }
    us
}

/// Milliseconds from the beginning of the Julian calendar to 1970.
const JULIAN_MS: i64 = 210_866_760_000_000;

unsafe extern "C" fn current_time_ms(
    vfs: *mut ffi::sqlite3_vfs,
    answer: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: it is ours, for it has this function; and SQLite's place for the answer.
    unsafe {
        *answer = JULIAN_MS + process(vfs).map_or(0, |process| process.disk.machine().now_ms());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time(vfs: *mut ffi::sqlite3_vfs, answer: *mut f64) -> c_int {
    let mut ms = 0;
    // SAFETY: as for the other, and SQLite's place for the answer.
    unsafe {
        current_time_ms(vfs, &raw mut ms);
        *answer = ms as f64 / 86_400_000.0;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: it is opened, and SQLite will not use it again.
    let open = unsafe {
        (*file).pMethods = ptr::null();
        Box::from_raw((*file.cast::<File>()).open)
    };
    open.process.disk.machine().close(open.number);
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    count: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: it is opened; SQLite's room is of so many bytes, and they may be uninitialised, so
    // they are zeroed first.
    let (open, into) = unsafe {
        ptr::write_bytes(into.cast::<u8>(), 0, count);
        (opened(file), std::slice::from_raw_parts_mut(into.cast::<u8>(), count))
    };
    code(open.process.disk.machine().read(open.number, at as usize, into))
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: it is opened, and SQLite's so many bytes.
    let (open, bytes) =
        unsafe { (opened(file), std::slice::from_raw_parts(bytes.cast::<u8>(), count)) };
    code(open.process.disk.machine().write(open.number, at as usize, bytes))
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, to: ffi::sqlite3_int64) -> c_int {
    // SAFETY: it is opened.
    let open = unsafe { opened(file) };
    code(open.process.disk.machine().truncate(open.number, to as usize))
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: it is opened.
    let open = unsafe { opened(file) };
    code(open.process.disk.machine().sync(open.number))
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    answer: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: it is opened.
    let open = unsafe { opened(file) };
    match open.process.disk.machine().size(open.number) {
        Ok(size) => {
            // SAFETY: SQLite's place for the answer.
            unsafe { *answer = size as ffi::sqlite3_int64 };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: it is opened.
    let open = unsafe { opened(file) };
    code(open.process.disk.machine().lock(open.number, wanted))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, to: c_int) -> c_int {
    // SAFETY: it is opened.
    let open = unsafe { opened(file) };
    open.process.disk.machine().unlock(open.number, to);
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(
    file: *mut ffi::sqlite3_file,
    answer: *mut c_int,
) -> c_int {
    // SAFETY: it is opened.
    let open = unsafe { opened(file) };
    match open.process.disk.machine().is_reserved(open.number) {
        Ok(reserved) => {
            // SAFETY: SQLite's place for the answer.
            unsafe { *answer = reserved.into() };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

/// The truth: what a power loss leaves whole.
unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    SECTOR as c_int
}

/// Nothing with which SQLite would leave out a sync.
unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: it is opened.
    let open = unsafe { opened(file) };
    if open.process.disk.machine().powersafe_overwrite {
        ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
    } else {
        0
    }
}

unsafe extern "C" fn map_shared(
    file: *mut ffi::sqlite3_file,
    number: c_int,
    size: c_int,
    extend: c_int,
    answer: *mut *mut c_void,
) -> c_int {
    assert_eq!(size as usize, REGION, "the size that SQLite has always asked for");
    // SAFETY: it is opened.
    let open = unsafe { opened(file) };
    let shared = match open.process.disk.machine().map(open.number) {
        Ok(shared) => shared,
        Err(code) => return code,
    };
    let region = shared.region(number as usize, extend != 0);
    open.mapped = Some(shared);
    // SAFETY: SQLite's place for the answer.
    unsafe { *answer = region.cast() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock_shared(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: it is opened.
    let open = unsafe { opened(file) };
    let bits = (((1_u32 << count) - 1) << first) as u8;
    let mut machine = open.process.disk.machine();
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        machine.shared_unlock(open.number, bits);
        return ffi::SQLITE_OK;
    }
    code(machine.shared_lock(open.number, bits, flags & ffi::SQLITE_SHM_EXCLUSIVE != 0))
}

unsafe extern "C" fn barrier_shared(_: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn unmap_shared(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: it is opened.
    let open = unsafe { opened(file) };
    open.process.disk.machine().unmap(open.number);
    open.mapped = None;
    ffi::SQLITE_OK
}
