//! `nts backup`.

use nts_server::config::DatabaseName;
use nts_server::payments::fake::FakeStripe;
use nts_server::private_file;
use nts_server::store::Database;
use std::path::{Path, PathBuf};

/// Copies the database while it may be selling, and the sandbox's file if it has one.
pub fn backup(database: &DatabaseName, sandbox: Option<&Path>, file: &Path) -> Result<(), String> {
    let database = Database::parse(database.told())?;
    let Database::File(path) = &database else {
        return Err("the database is PostgreSQL, which has its own way: pg_dump, or better \
                    pg_basebackup and an archive of its log. See docs/high-availability.md. \
                    Nothing was copied."
            .into());
    };
    must_exist(&database, " Nothing was copied.")?;
    folder_must_exist(file, "Nothing was copied.")?;
    let sandbox = sandbox.filter(|path| !path.as_os_str().is_empty());
    let sandbox = sandbox.map_or_else(|| database.sandbox(), PathBuf::from);
    let beside = Database::File(file.into()).sandbox();
    if sandbox.exists() && beside.exists() {
        return Err(format!("{} exists already; nothing was written", beside.display()));
    }
    // The database first: of the two, the provider must know more, as after every restore.
    let bytes = nts_server::store::sqlite::backup(path, file)?;
    say!("{} is a copy of {} ({bytes} bytes).", file.display(), path.display());
    if sandbox.exists() {
        FakeStripe::copy_file(&sandbox, &beside)
            .map_err(|error| format!("{}: {error}. The database was copied.", beside.display()))?;
        say!("{} is a copy of the sandbox's file.", beside.display());
    }
    say!("To use it: NTS_DATABASE={} nts", file.display());
    // The server tells the age of the last backup by this file.
    let mark = nts_server::store::sqlite::backup_mark(path);
    if let Err(error) = private_file::write(&mark, b"") {
        eprintln!(
            "nts: {}: {error}. The metric of the last backup does not show this one.",
            mark.display()
        );
    }
    Ok(())
}

/// Says clearly that a file cannot be made, for want of its folder.
pub fn folder_must_exist(file: &Path, nothing: &str) -> Result<(), String> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("there is no folder {}. {nothing}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Says clearly that there is no file where a database is looked for, and what was not done.
pub fn must_exist(database: &Database, nothing: &str) -> Result<(), String> {
    let Database::File(path) = database else { return Ok(()) };
    if path.exists() {
        return Ok(());
    }
    let full = std::path::absolute(path).unwrap_or_else(|_| path.into());
    Err(format!(
        "there is no database at {}.{nothing} Run the command in the folder in which nts runs, or name the \
         file: NTS_DATABASE=/path/to/nts.db",
        full.display()
    ))
}
