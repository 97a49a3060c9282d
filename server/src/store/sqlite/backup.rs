//! A copy of the database as of one commit, made while it sells, by any process.

use super::file::{self, DatabaseFile};
use crate::private_file;
use rusqlite::Connection;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Copies the database at `path` to `target`, which must not exist, and tells how many bytes the
/// copy has. The copy is written and checked under another name, so that what is called `target`
/// is whole. It is a database like any other: to use it, put it where the old one was, once the
/// old one's `-wal` and `-shm` files are out of the way. The error is a sentence.
pub fn backup(path: &Path, target: &Path) -> Result<u64, String> {
    let trouble = |what: &Path, error: &dyn Display| format!("{}: {error}", what.display());
    if target.exists() {
        return Err(format!("{} exists already; nothing was written", target.display()));
    }
    let mut partial = OsString::from(target);
    partial.push(".partial");
    let partial = PathBuf::from(partial);

    let source = DatabaseFile::on_disk(path).connect(false).map_err(|e| trouble(path, &e))?;
    if !file::readable(&source).map_err(|e| trouble(path, &e))? {
        return Err(format!("{} is no database of this version of nts", path.display()));
    }
    let file = private_file::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&partial)
        .map_err(|e| trouble(&partial, &e))?;
    // What an earlier backup left half done is written over, but not what one is writing now.
    if file.try_lock().is_err() {
        return Err(format!("another backup is writing {}", partial.display()));
    }
    private_file::close(&partial);
    let done = (|| {
        file.set_len(0).map_err(|e| trouble(&partial, &e))?;
        copy(&source, &partial).map_err(|e| trouble(&partial, &e))?;
        file.sync_all().map_err(|e| trouble(&partial, &e))?;
        check(&partial).map_err(|e| trouble(&partial, &e))?;
        let bytes = file.metadata().map_err(|e| trouble(&partial, &e))?.len();
        std::fs::rename(&partial, target).map_err(|e| trouble(target, &e))?;
        Ok(bytes)
    })();
    match done {
        Ok(bytes) => sync_parent(target).map(|()| bytes).map_err(|e| trouble(target, &e)),
        Err(why) => {
            // It says nothing to anybody; the reason why it is there is told.
            _ = std::fs::remove_file(&partial);
            Err(why)
        }
    }
}

/// The file whose time tells when the last backup of the database at `path` was made.
pub fn backup_mark(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".last-backup");
    name.into()
}

fn copy(source: &Connection, partial: &Path) -> Result<(), rusqlite::Error> {
    let Some(partial) = partial.to_str() else {
        return Err(rusqlite::Error::InvalidPath(partial.into()));
    };
    source.execute("VACUUM INTO ?1", [partial]).map(drop)
}

fn check(partial: &Path) -> Result<(), String> {
    let copy = DatabaseFile::on_disk(partial).connect(false).map_err(|e| e.to_string())?;
    let said: String = copy
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| error.to_string())?;
    match (said.as_str(), file::readable(&copy)) {
        ("ok", Ok(true)) => Ok(()),
        (said, _) => Err(format!("the copy is not sound: {said}")),
    }
}

/// Makes a new name durable.
pub(super) fn sync_parent(target: &Path) -> std::io::Result<()> {
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}
