//! `nts backup`.

use std::path::Path;

/// Copies the database while it may be selling.
pub fn backup(database: &Path, file: &Path) -> Result<(), String> {
    let bytes = nts_server::store::sqlite::backup(database, file).map_err(|e| e.to_string())?;
    say!(
        "{} is a copy of {} ({bytes} bytes). To use it: NTS_DATABASE={} nts",
        file.display(),
        database.display(),
        file.display()
    );
    Ok(())
}
