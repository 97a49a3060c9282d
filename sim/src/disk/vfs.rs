//! The part of the simulated disk that speaks C with SQLite. The only unsafe code of the project.
#![expect(unsafe_code, reason = "SQLite calls a file system through C function pointers")]

use super::{Disk, Handle, REGION, Trouble};
use rusqlite::ffi;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What time SQLite is told, in milliseconds since the beginning of Julian days: nothing asks.
const JULIAN_MS: i64 = 212_867_000_000_000;

/// Memory that SQLite's connections share through raw pointers, and that never moves. Each has a
/// disk of its own that is used by one thread at a time, so nobody else touches it meanwhile.
pub(super) struct Memory(*mut [u64]);

impl Memory {
    pub(super) fn new(bytes: usize) -> Memory {
        Memory(Box::into_raw(vec![0u64; bytes / 8].into_boxed_slice()))
    }

    fn pointer(&self) -> *mut c_void {
        self.0.cast()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw` in `new`, and freed only here.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

// SAFETY: it is a plain allocation; it is read and written through its pointer by SQLite only, whose
// connections to one disk all live in one thread.
unsafe impl Send for Memory {}
// SAFETY: as above; nothing in Rust reads or writes it.
unsafe impl Sync for Memory {}

/// An opened file as SQLite sees it: its own part, then ours.
#[repr(C)]
struct Opened {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

/// A file system that is registered with SQLite.
pub(super) struct Registered {
    vfs: *mut ffi::sqlite3_vfs,
    name: CString,
}

// SAFETY: the pointer is used to unregister and to free only, and SQLite guards its list by a mutex.
unsafe impl Send for Registered {}
// SAFETY: as above.
unsafe impl Sync for Registered {}

impl Registered {
    pub(super) fn new(disk: Disk) -> Registered {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("nts-sim-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).expect("no zero in it");
        let vfs = Box::into_raw(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<Opened>() as c_int,
            mxPathname: 512,
            pNext: ptr::null_mut(),
            zName: name.as_ptr(),
            pAppData: Box::into_raw(Box::new(disk)).cast(),
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
        // SAFETY: the structure is complete, and it and its name live until `drop`.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes the file system");
        Registered { vfs, name }
    }

    pub(super) fn name(&self) -> &str {
        self.name.to_str().expect("it is ASCII")
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: registered in `new` and not freed since; whoever drops this has closed all
        // connections, so SQLite has no other pointer to it.
        unsafe {
            ffi::sqlite3_vfs_unregister(self.vfs);
            let vfs = Box::from_raw(self.vfs);
            drop(Box::from_raw(vfs.pAppData.cast::<Disk>()));
        }
    }
}

fn code(trouble: Trouble, failed: c_int) -> c_int {
    match trouble {
        Trouble::Failed => failed,
        Trouble::Full => ffi::SQLITE_FULL,
        Trouble::Busy => ffi::SQLITE_BUSY,
    }
}

fn said<T>(done: Result<T, Trouble>, failed: c_int) -> c_int {
    done.map_or_else(|trouble| code(trouble, failed), |_| ffi::SQLITE_OK)
}

/// The disk of a file system.
///
/// # Safety
/// `vfs` is one that [`Registered::new`] made and that is not dropped.
unsafe fn disk<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Disk {
    // SAFETY: the caller's promise; `pAppData` is a `Disk` that lives as long.
    unsafe { &*(*vfs).pAppData.cast::<Disk>() }
}

/// The handle of an opened file.
///
/// # Safety
/// `file` is one that [`open`] filled and that is not closed; one thread uses it at a time.
unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Handle {
    // SAFETY: the caller's promise; `handle` was made by `Box::into_raw`.
    unsafe { &mut *(*file.cast::<Opened>()).handle }
}

/// A name from SQLite.
///
/// # Safety
/// `name` is a C string.
unsafe fn text(name: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives the file system that it was asked to use, `szOsFile` bytes for the file,
    // and a name or null (<https://www.sqlite.org/c3ref/vfs.html>).
    unsafe {
        let disk = disk(vfs);
        let opened = file.cast::<Opened>();
        (*opened).base.pMethods = ptr::null();
        let temporary = name.is_null();
        let name =
            if temporary { format!("temporary-{}", disk.state().handles) } else { text(name) };
        let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
        let (id, life) = match disk.state().open(&name, create, disk.sound) {
            Ok(opened) => opened,
            Err(trouble) => return code(trouble, ffi::SQLITE_CANTOPEN),
        };
        let temporary = temporary || flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0;
        let disk = disk.clone();
        let handle = Handle { disk, name, id, life, memory: Vec::new(), temporary };
        (*opened).handle = Box::into_raw(Box::new(handle));
        (*opened).base.pMethods = &METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flush: c_int,
) -> c_int {
    // SAFETY: SQLite gives its file system and a C string.
    let (disk, name) = unsafe { (disk(vfs), text(name)) };
    said(disk.state().remove(&name, flush != 0, disk.sound), ffi::SQLITE_IOERR_DELETE)
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives its file system, a C string, and a place for the answer.
    unsafe {
        let (disk, name) = (disk(vfs), text(name));
        *out = c_int::from(disk.state().files.contains_key(&name));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    size: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite gives a C string and `size` bytes for the answer.
    unsafe {
        let bytes = CStr::from_ptr(name).to_bytes_with_nul();
        if bytes.len() > size as usize {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(
    vfs: *mut ffi::sqlite3_vfs,
    count: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite gives its file system and `count` bytes to fill.
    let (disk, out) =
        unsafe { (disk(vfs), std::slice::from_raw_parts_mut(out.cast::<u8>(), count as usize)) };
    if let Some(dice) = &mut disk.state().dice {
        out.fill_with(|| dice.below(256) as u8);
    }
    count
}

unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    // Nobody else can do anything meanwhile: what is locked stays locked.
    microseconds
}

unsafe extern "C" fn current_time(_vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *out = JULIAN_MS as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_ms(_vfs: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    // SAFETY: SQLite gives a place for the answer.
    unsafe { *out = JULIAN_MS };
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(
    _vfs: *mut ffi::sqlite3_vfs,
    _size: c_int,
    _out: *mut c_char,
) -> c_int {
    0
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
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes what it opened, once; the handle was made by `Box::into_raw`.
    unsafe {
        handle(file).close();
        drop(Box::from_raw((*file.cast::<Opened>()).handle));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    count: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite gives an open file and `count` bytes to fill.
    let (handle, to) =
        unsafe { (handle(file), std::slice::from_raw_parts_mut(to.cast::<u8>(), count as usize)) };
    match handle.read(offset as usize, to) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(trouble) => code(trouble, ffi::SQLITE_IOERR_READ),
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    count: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite gives an open file and `count` bytes to write.
    let (handle, from) =
        unsafe { (handle(file), std::slice::from_raw_parts(from.cast::<u8>(), count as usize)) };
    said(handle.write(offset as usize, from), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: SQLite gives an open file.
    let handle = unsafe { handle(file) };
    said(handle.truncate(length as usize), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite gives an open file.
    let handle = unsafe { handle(file) };
    said(handle.flush(), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: SQLite gives an open file and a place for the answer.
    unsafe {
        match handle(file).size() {
            Ok(size) => {
                *out = size as i64;
                ffi::SQLITE_OK
            }
            Err(trouble) => code(trouble, ffi::SQLITE_IOERR_FSTAT),
        }
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite gives an open file.
    let handle = unsafe { handle(file) };
    said(handle.lock(level), ffi::SQLITE_IOERR_LOCK)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite gives an open file.
    let handle = unsafe { handle(file) };
    said(handle.unlock(level), ffi::SQLITE_IOERR_UNLOCK)
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite gives an open file and a place for the answer.
    unsafe {
        match handle(file).is_reserved() {
            Ok(reserved) => {
                *out = c_int::from(reserved);
                ffi::SQLITE_OK
            }
            Err(trouble) => code(trouble, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK),
        }
    }
}

unsafe extern "C" fn file_control(
    _file: *mut ffi::sqlite3_file,
    _operation: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    super::SECTOR as c_int
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    // Nothing is promised, so no flush is left out.
    0
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    make: c_int,
    out: *mut *mut c_void,
) -> c_int {
    assert_eq!(size as usize, REGION, "SQLite maps regions of 32 KiB");
    // SAFETY: SQLite gives an open file and a place for the pointer; the region lives as long as the
    // handle, or until SQLite unmaps it.
    unsafe {
        match handle(file).map(region as usize, make != 0) {
            Ok(found) => {
                *out =
                    found.as_ref().map_or(ptr::null_mut(), |region: &Arc<Memory>| region.pointer());
                ffi::SQLITE_OK
            }
            Err(trouble) => {
                *out = ptr::null_mut();
                code(trouble, ffi::SQLITE_IOERR_SHMMAP)
            }
        }
    }
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: SQLite gives an open file.
    let handle = unsafe { handle(file) };
    let take = flags & ffi::SQLITE_SHM_LOCK != 0;
    let exclusive = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
    said(handle.slots(first as usize, count as usize, take, exclusive), ffi::SQLITE_IOERR_SHMLOCK)
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {
    // One thread: what was written is seen.
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: SQLite gives an open file, and uses no pointer into its shared memory after this.
    unsafe { handle(file).unmap(delete != 0) };
    ffi::SQLITE_OK
}
