//! `nts backup`.

use nts_server::config::DatabaseName;
use nts_server::store::Database;
use std::path::Path;

/// Copies the database while it may be selling.
pub fn backup(database: &DatabaseName, file: &Path) -> Result<(), String> {
    let database = match Database::parse(database.told())? {
        Database::File(path) => path,
        Database::Server(_) => {
            return Err("the database is PostgreSQL, which has its own way: pg_dump, or better \
                        pg_basebackup and an archive of its log. See docs/high-availability.md. \
                        Nothing was copied."
                .into());
        }
    };
    let database = database.as_path();
    let bytes = nts_server::store::sqlite::backup(database, file).map_err(|e| e.to_string())?;
    say!(
        "{} is a copy of {} ({bytes} bytes). To use it: NTS_DATABASE={} nts",
        file.display(),
        database.display(),
        file.display()
    );
    Ok(())
}
