//! Memory that connections share: where a write-ahead log keeps its index.
//!
//! SQLite writes to it behind Rust's back, so no reference to it is ever made here. It lives as
//! long as anybody has it mapped, a process that was killed among them: its connections may look at
//! what they had mapped until they are closed.

#![expect(unsafe_code, reason = "SQLite is given pointers to this memory")]

use std::ptr;
use std::sync::{Mutex, PoisonError};

/// What SQLite asks for at once.
pub(super) const REGION: usize = 32 * 1024;

/// Memory of one database.
#[derive(Default)]
pub(super) struct SharedMemory(Mutex<Vec<Region>>);

type Words = [u64; REGION / 8];

struct Region(*mut Words);

// SAFETY: the pointer is never followed here; SQLite does so, under the locks of its protocol.
unsafe impl Send for Region {}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: it comes from `Box::into_raw`, and nobody has it mapped any more.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl SharedMemory {
    /// The region of this number; null if it is not there and not wanted either.
    pub(super) fn region(&self, number: usize, extend: bool) -> *mut u8 {
        let mut regions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while extend && regions.len() <= number {
            regions.push(Region(Box::into_raw(Box::new([0; REGION / 8]))));
        }
        regions.get(number).map_or(ptr::null_mut(), |region| region.0.cast())
    }
}
