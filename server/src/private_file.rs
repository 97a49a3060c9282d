//! Files that nobody but their owner may read or write.
//!
//! Every secret of a box office is derived from the one in its database, and the database holds names,
//! e-mail addresses and card tokens. So a file is made with mode 0600, whatever the umask, and one that
//! an older version left open to others is closed. What SQLite makes beside a database (`-wal`, `-shm`)
//! gets the mode of the database.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// For opening or making a file that is its owner's.
pub fn options() -> OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes an empty file, unless there is one. Somebody else makes what is in it.
pub fn make(path: &Path) -> io::Result<()> {
    match options().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// Makes a file with something in it, or writes it anew.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = options().write(true).create(true).truncate(true).open(path)?;
    io::Write::write_all(&mut file, bytes)
}

/// Closes a file to all but its owner, and says so. One that is not there is fine.
#[cfg(unix)]
pub fn close(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(meta) = std::fs::metadata(path) else { return };
    let mode = meta.permissions().mode() & 0o777;
    if !meta.is_file() || mode & 0o077 == 0 {
        return;
    }
    let file = path.display();
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o700)) {
        Ok(()) => tracing::warn!(
            "{file} was open to other users of this machine (mode {mode:03o}); it is its owner's alone now"
        ),
        Err(error) => tracing::warn!(
            "{file} is open to other users of this machine (mode {mode:03o}) and cannot be closed \
             ({error}): close it, or they can read what opens every order"
        ),
    }
}

/// Elsewhere a file has no such mode.
#[cfg(not(unix))]
pub fn close(_: &Path) {}

/// The same for a database of SQLite and what it keeps beside it.
pub fn close_database(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = OsString::from(path);
        name.push(suffix);
        close(&PathBuf::from(name));
    }
}
