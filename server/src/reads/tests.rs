//! What becomes of a process whose reader panics.

use super::*;
use crate::clock::Clock;
use crate::store::sqlite::SqliteStore;
use std::process::Command;

/// One that is left would be asked for ever, and nobody would be told.
#[test]
fn a_panic_of_a_reader_ends_the_process() {
    const ME: &str = "reads::tests::a_panic_of_a_reader_ends_the_process";
    if std::env::var_os("NTS_TEST_PANICS").is_some() {
        let dir = std::env::temp_dir().join(format!("nts-reader-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("nts.db");
        let _store = SqliteStore::open(&path, Clock::System).unwrap();
        let reads = Reads::threads(vec![Box::new(SqliteStore::reader(&path).unwrap())]).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let asked = runtime.block_on(reads.ask(|_| -> Result<(), Fault> { panic!("a bug") }));
        // The question is gone before the thread is.
        std::thread::sleep(std::time::Duration::from_secs(10));
        unreachable!("the process goes on: {asked:?}");
    }
    let me = std::env::current_exe().unwrap();
    let ran = Command::new(me)
        .args([ME, "--exact", "--nocapture"])
        .env("NTS_TEST_PANICS", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success() && said.contains("stopping before"), "{said}");
    assert!(!said.contains("the process goes on"), "{said}");
}
