//! The contract, and what is true of files only.

use super::*;
use crate::store::contract::{self, Database};
use crate::store::{Reader, Store};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("nts-store-{}-{n}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

struct OnDisk(Folder, Clock);

impl Database for OnDisk {
    fn store(&mut self) -> Box<dyn Store> {
        Box::new(SqliteStore::open(&self.0.file("nts.db"), self.1.clone()).unwrap().store)
    }

    fn reader(&mut self) -> Box<dyn Reader> {
        Box::new(SqliteStore::reader(&self.0.file("nts.db")).unwrap())
    }
}

#[test]
fn keeps_the_contract_of_all_stores() {
    contract::check(|clock| OnDisk(Folder::new(), clock));
}
