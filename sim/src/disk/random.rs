//! Makes SQLite's own random numbers repeat themselves.
//!
//! SQLite has one generator for the whole process, and takes from it what ends up in the files: the
//! salts of a write-ahead log, the nonce of a journal. With several simulations in as many threads,
//! what one of them gets would depend on the others. There is one place where a thread has the
//! generator for itself: under its mutex. So SQLite is given mutexes that make the generator start
//! anew whenever that one is taken, from the randomness of the disk that the thread used last.

#![expect(unsafe_code, reason = "SQLite's mutexes and its default file system are wrapped")]

use super::Shared;
use rusqlite::ffi;
use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Once, OnceLock, Weak};

thread_local! {
    /// The disk that this thread used last.
    static LAST: RefCell<Weak<Shared>> = const { RefCell::new(Weak::new()) };
    /// Whether this thread is making the generator start anew, and has its mutex.
    static ANEW: Cell<bool> = const { Cell::new(false) };
}

/// The file system that was the default, and the mutexes that were.
static UNIX: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(ptr::null_mut());
static MUTEXES: OnceLock<ffi::sqlite3_mutex_methods> = OnceLock::new();
static GENERATOR: AtomicPtr<ffi::sqlite3_mutex> = AtomicPtr::new(ptr::null_mut());

/// What SQLite takes for random in this thread comes from this disk from now on.
pub(super) fn take_from(disk: &Arc<Shared>) {
    LAST.with_borrow_mut(|last| {
        if last.as_ptr() != Arc::as_ptr(disk) {
            *last = Arc::downgrade(disk);
        }
    });
}

/// Wraps what must be wrapped, once.
///
/// # Panics
/// If something else in this process has used SQLite already.
pub(super) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let begun = "SQLite takes it";
        let refused = "a simulated disk comes before any other use of SQLite in its process";
        let mut default = MaybeUninit::<ffi::sqlite3_mutex_methods>::zeroed();
        // SAFETY: the arguments are those that each option asks for. SQLite refuses all of it if it
        // is in use; if not, it is started and stopped, so that it names its default mutexes.
        unsafe {
            let get = ffi::SQLITE_CONFIG_GETMUTEX;
            assert_eq!(ffi::sqlite3_config(get, default.as_mut_ptr()), ffi::SQLITE_OK, "{refused}");
            assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK, "{begun}");
            assert_eq!(ffi::sqlite3_shutdown(), ffi::SQLITE_OK, "{begun}");
            assert_eq!(ffi::sqlite3_config(get, default.as_mut_ptr()), ffi::SQLITE_OK, "{begun}");
        }
        // SAFETY: SQLite filled it in; it is a struct of optional functions.
        let default = *MUTEXES.get_or_init(|| unsafe { default.assume_init() });
        let wrapped = ffi::sqlite3_mutex_methods {
            xMutexEnter: Some(enter),
            xMutexLeave: Some(leave),
            ..default
        };
        // SAFETY: as above; SQLite copies the struct. Statistics of memory would make all threads
        // wait for one mutex. A copy of the default file system that differs in one function is
        // as good as the original, and is never freed.
        unsafe {
            let set = ffi::SQLITE_CONFIG_MUTEX;
            assert_eq!(ffi::sqlite3_config(set, &raw const wrapped), ffi::SQLITE_OK, "{begun}");
            let no_statistics = ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0 as c_int);
            assert_eq!(no_statistics, ffi::SQLITE_OK, "{begun}");
            assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK, "{begun}");
            let generator = ffi::sqlite3_mutex_alloc(ffi::SQLITE_MUTEX_STATIC_PRNG);
            GENERATOR.store(generator, Ordering::SeqCst);
            let unix = ffi::sqlite3_vfs_find(ptr::null());
            UNIX.store(unix, Ordering::SeqCst);
            let copy = Box::leak(Box::new(ffi::sqlite3_vfs {
                pNext: ptr::null_mut(),
                zName: c"repeatable".as_ptr(),
                xRandomness: Some(randomness),
                ..*unix
            }));
            assert_eq!(ffi::sqlite3_vfs_register(copy, 1), ffi::SQLITE_OK, "{begun}");
        }
    });
}

/// Whether it is the generator's mutex, and somebody else's turn to care.
fn is_generator(mutex: *mut ffi::sqlite3_mutex) -> bool {
    mutex == GENERATOR.load(Ordering::Relaxed) && !mutex.is_null()
}

unsafe extern "C" fn enter(mutex: *mut ffi::sqlite3_mutex) {
    let generator = is_generator(mutex);
    if generator && ANEW.get() {
        return;
    }
    // SAFETY: SQLite's own function, with its own argument.
    unsafe { MUTEXES.get().and_then(|m| m.xMutexEnter).expect("wrapped")(mutex) };
    if generator {
        ANEW.set(true);
        // SAFETY: this is how its manual says that the generator is started anew. It takes the
        // mutex that this thread has, which `ANEW` lets pass.
        unsafe { ffi::sqlite3_randomness(0, ptr::null_mut()) };
        ANEW.set(false);
    }
}

unsafe extern "C" fn leave(mutex: *mut ffi::sqlite3_mutex) {
    if is_generator(mutex) && ANEW.get() {
        return;
    }
    // SAFETY: SQLite's own function, with its own argument.
    unsafe { MUTEXES.get().and_then(|m| m.xMutexLeave).expect("wrapped")(mutex) };
}

unsafe extern "C" fn randomness(
    _: *mut ffi::sqlite3_vfs,
    count: c_int,
    into: *mut c_char,
) -> c_int {
    let disk = LAST.try_with(|last| last.borrow().upgrade()).ok().flatten();
    match disk {
        Some(disk) => {
            // SAFETY: SQLite gives room for so many bytes.
            unsafe { fill(&disk, count, into) }
        }
        None => {
            let unix = UNIX.load(Ordering::SeqCst);
            // SAFETY: the function that SQLite would have called without us.
            unsafe { (*unix).xRandomness.expect("it has one")(unix, count, into) }
        }
    }
}

/// Fills memory of SQLite with the randomness of a disk.
///
/// # Safety
/// `into` must be good for `count` bytes.
pub(super) unsafe fn fill(disk: &Shared, count: c_int, into: *mut c_char) -> c_int {
    let count_bytes = usize::try_from(count).unwrap_or(0);
    // SAFETY: the caller's word; they may be uninitialised, so they are zeroed first.
    let bytes = unsafe {
        ptr::write_bytes(into, 0, count_bytes);
        std::slice::from_raw_parts_mut(into.cast::<c_void>().cast::<u8>(), count_bytes)
    };
    disk.machine().random(bytes);
    count
}
