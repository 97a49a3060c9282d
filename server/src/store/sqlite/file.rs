//! The file itself: whose it is, whether it is sound, and how it comes into being.
//!
//! Everything that can be wrong with a file is found before a byte of it is changed. So the header
//! is read here, by hand, before SQLite may see the file: SQLite would roll back or play in what
//! lies beside a database that is not ours.

use crate::identity::buyer_key;
use crate::private_file;
use crate::store::codec::{Unreadable, decode_lines, decode_quantities, state_from};
use crate::store::records::Record;
use crate::store::records::sale_figures::{Gathered, SaleFigure, Seen, SeenRefund, counted};
use boxoffice::mutant::{Mutant, on};
use boxoffice::{Currency, EventId};
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// `nts1`: what the header of our databases says.
pub(super) const APPLICATION_ID: i32 = 0x6e74_7331;

/// The schema, one step after the other. A database that has had the first `n` of them has the
/// version `n`.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_box_office.sql"),
    include_str!("../../../migrations/sqlite/0002_what_others_did.sql"),
    include_str!("../../../migrations/sqlite/0003_lanes.sql"),
    include_str!("../../../migrations/sqlite/0004_code_rules.sql"),
    include_str!("../../../migrations/sqlite/0005_buyers.sql"),
    include_str!("../../../migrations/sqlite/0006_audit_log.sql"),
    include_str!("../../../migrations/sqlite/0007_outbox.sql"),
    include_str!("../../../migrations/sqlite/0008_event_fields.sql"),
    include_str!("../../../migrations/sqlite/0009_names_as_sold.sql"),
    include_str!("../../../migrations/sqlite/0010_language.sql"),
    include_str!("../../../migrations/sqlite/0011_guests.sql"),
    include_str!("../../../migrations/sqlite/0012_mails.sql"),
    include_str!("../../../migrations/sqlite/0013_event_mail.sql"),
    include_str!("../../../migrations/sqlite/0014_what_is_sold.sql"),
    include_str!("../../../migrations/sqlite/0015_questions_and_gifts.sql"),
    include_str!("../../../migrations/sqlite/0016_accounts.sql"),
    include_str!("../../../migrations/sqlite/0017_office_events.sql"),
    include_str!("../../../migrations/sqlite/0018_search.sql"),
    SALE_FIGURES,
    include_str!("../../../migrations/sqlite/0020_known_browsers.sql"),
    include_str!("../../../migrations/sqlite/0021_refunds_of_amounts.sql"),
    include_str!("../../../migrations/sqlite/0022_door.sql"),
    include_str!("../../../migrations/sqlite/0023_gate_links.sql"),
    include_str!("../../../migrations/sqlite/0024_webhooks.sql"),
    include_str!("../../../migrations/sqlite/0025_order_metadata.sql"),
    include_str!("../../../migrations/sqlite/0026_webhook_messages.sql"),
];

/// With this step all orders are counted into the figures of their sale.
const SALE_FIGURES: &str = include_str!("../../../migrations/sqlite/0019_sale_figures.sql");

/// After this step every order gets the key of its buyer anew.
const KEYS_ANEW: usize = 5;

/// Above this size a start does not read the whole file to see whether it is sound.
const CHECKED_WHOLE: u64 = 64 << 20;

/// How long to wait for a lock that another connection holds for a moment.
const BUSY: std::time::Duration = std::time::Duration::from_secs(5);

/// Why a database cannot be used. Nothing of it was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// Another process has it open.
    InUse {
        /// The database.
        path: PathBuf,
        /// The other process, if it could be read.
        process: Option<u32>,
    },
    /// It is not a database of nts.
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        what: String,
    },
    /// It is a database of nts that has come to harm.
    Damaged {
        /// The database.
        path: PathBuf,
        /// How it shows.
        what: String,
    },
    /// A newer nts made it.
    Newer {
        /// The database.
        path: PathBuf,
        /// The version of its schema.
        found: i32,
        /// The newest one that this nts knows.
        known: i32,
    },
    /// The file system or the database failed.
    Failed {
        /// The database.
        path: PathBuf,
        /// How.
        why: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::InUse { path, process } => {
                write!(f, "{} is in use by another nts", path.display())?;
                if let Some(process) = process {
                    write!(f, " (process {process})")?;
                }
                write!(f, ". Stop that one first, or give this one a database of its own.")
            }
            OpenError::NotOurs { path, what } => write!(
                f,
                "{} is not a database of nts: {what}. Nothing was changed. Give the path of \
                 another file; one that does not exist yet is made.",
                path.display()
            ),
            OpenError::Damaged { path, what } => write!(
                f,
                "{} is damaged: {what}. Nothing was changed. Keep a copy of it and of the files \
                 beside it, then move them away and put the latest backup in their place.",
                path.display()
            ),
            OpenError::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer nts (schema {found}; this one knows {known}). Nothing \
                 was changed. Start that nts, or a newer one.",
                path.display()
            ),
            OpenError::Failed { path, why } => {
                write!(
                    f,
                    "{} cannot be used: {why}. Check the path, its owner and the space on its disk.",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// Where a database is: a path, and the file system that SQLite uses for it if it is not the
/// machine's own.
#[derive(Clone, Debug)]
pub(super) struct DatabaseFile {
    pub(super) path: PathBuf,
    pub(super) vfs: Option<String>,
    /// The server's secret if the database must be made, unless it shall be a random one.
    pub(super) secret: Option<[u8; 32]>,
}

impl DatabaseFile {
    pub(super) fn on_disk(path: &Path) -> DatabaseFile {
        DatabaseFile { path: path.into(), vfs: None, secret: None }
    }

    /// A connection that may write, and one that may not.
    pub(super) fn connect(&self, writable: bool) -> rusqlite::Result<Connection> {
        let flags = if writable {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        } else {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        };
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if writable && self.vfs.is_none() {
            // SQLite would make it readable by everybody. What is wrong with the path, it tells.
            _ = private_file::make(&self.path);
        }
        let conn = match &self.vfs {
            None => Connection::open_with_flags(&self.path, flags)?,
            Some(vfs) => Connection::open_with_flags_and_vfs(&self.path, flags, vfs.as_str())?,
        };
        conn.busy_timeout(BUSY)?;
        super::plan_once(&conn)?;
        Ok(conn)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(suffix);
        name.into()
    }

    fn failed(&self, why: impl fmt::Display) -> OpenError {
        OpenError::Failed { path: self.path.clone(), why: why.to_string() }
    }

    fn damaged(&self, what: impl fmt::Display) -> OpenError {
        OpenError::Damaged { path: self.path.clone(), what: what.to_string() }
    }

    fn not_ours(&self, what: impl fmt::Display) -> OpenError {
        OpenError::NotOurs { path: self.path.clone(), what: what.to_string() }
    }

    fn newer(&self, found: i32) -> OpenError {
        OpenError::Newer { path: self.path.clone(), found, known: MIGRATIONS.len() as i32 }
    }

    /// Keeps every other nts away from this database for as long as the file lives.
    pub(super) fn lock(&self) -> Result<File, OpenError> {
        let path = self.beside("-lock");
        let mut options = private_file::options();
        let mut file = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| self.failed(format!("{}: {error}", path.display())))?;
        private_file::close(&path);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                // Where a locked file cannot be read, we do without its word.
                _ = file.read_to_string(&mut process);
                let process = process.trim().parse().ok();
                return Err(OpenError::InUse { path: self.path.clone(), process });
            }
            Err(TryLockError::Error(error)) => return Err(self.failed(error)),
        }
        // Only for people and for the message above.
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(|error| self.failed(error))?;
        Ok(file)
    }

    /// Looks at the file without SQLite.
    pub(super) fn inspect(&self) -> Result<(), OpenError> {
        let length = |path: PathBuf| match std::fs::metadata(path) {
            Ok(meta) if meta.is_file() => Ok(meta.len()),
            Ok(_) => Err(self.failed("it is not a file")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(self.failed(error)),
        };
        let bytes = length(self.path.clone())?;
        let wal = length(self.beside("-wal"))?;
        if bytes == 0 {
            return match wal {
                0 => Ok(()),
                _ => Err(self.damaged("its -wal file has something in it, and it has nothing")),
            };
        }
        let mut header = [0u8; 100];
        let read = File::open(&self.path).and_then(|mut file| file.read(&mut header));
        let read = read.map_err(|error| self.failed(error))?;
        let number = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| header[at + i]));
        if header == [0; 100] && length(self.beside("-journal"))? > 0 {
            // The power went while it was being made: SQLite takes back what there is of it.
            return Ok(());
        }
        if read < header.len() || !header.starts_with(b"SQLite format 3\0") {
            return Err(self.not_ours("it is no SQLite database"));
        }
        if number(68) != APPLICATION_ID as u32 {
            return Err(self.not_ours("another program made this SQLite database"));
        }
        if number(60) > MIGRATIONS.len() as u32 {
            return Err(self.newer(number(60) as i32));
        }
        if wal > 0 && header[18] == 1 {
            return Err(self.damaged(
                "the -wal file beside it belongs to another database (a backup was put in place \
                 while its predecessor's files were still there?)",
            ));
        }
        let page = match number(16) >> 16 {
            1 => 65_536,
            page => u64::from(page),
        };
        // With a -wal file, pages may lie there; and the count is only good if it is as new as
        // the last change.
        if wal == 0 && number(24) == number(92) && u64::from(number(28)) * page > bytes {
            return Err(self.damaged("it is shorter than it says"));
        }
        Ok(())
    }

    /// Opens what [`DatabaseFile::inspect`] had no objection to, makes or migrates it. Tells whether it
    /// was made just now.
    pub(super) fn open(&self) -> Result<(Connection, bool), OpenError> {
        let conn = self.connect(true).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => {
                OpenError::InUse { path: self.path.clone(), process: None }
            }
            _ => self.failed(error),
        })?;
        // Until everything is checked, closing must not write either.
        let keep = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        conn.set_db_config(keep, true).map_err(|error| self.failed(error))?;
        let fresh = self.check(&conn)?;
        conn.set_db_config(keep, false).map_err(|error| self.failed(error))?;
        if fresh {
            make(&conn, self.secret).map_err(|error| self.failed(error))?;
        }
        prepare(&conn).map_err(|error| self.failed(error))?;
        migrate(&conn).map_err(|error| self.failed(error))?;
        Ok((conn, fresh))
    }

    /// Looks at the database through SQLite, reading only. Tells whether there is nothing yet.
    fn check(&self, conn: &Connection) -> Result<bool, OpenError> {
        let wrong = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                self.damaged(error)
            }
            _ => self.failed(error),
        };
        let number = |name| conn.pragma_query_value::<i64, _>(None, name, |row| row.get(0));
        let pages = number("page_count").map_err(wrong)?;
        if pages == 0 {
            return Ok(true);
        }
        let found = number("user_version").map_err(wrong)? as i32;
        if number("application_id").map_err(wrong)? != i64::from(APPLICATION_ID) || found < 1 {
            return Err(self.not_ours("another program made this SQLite database"));
        }
        if found > MIGRATIONS.len() as i32 {
            return Err(self.newer(found));
        }
        let bytes = pages.max(0) as u64 * number("page_size").map_err(wrong)?.max(0) as u64;
        if bytes < CHECKED_WHOLE {
            let said: String =
                conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(wrong)?;
            if said != "ok" {
                return Err(if cannot_be_read(&said) {
                    self.failed(said)
                } else {
                    self.damaged(said)
                });
            }
        }
        Ok(false)
    }

    /// After a refusal: removes the empty files that looking into the database left beside it.
    pub(super) fn tidy(&self, had_wal: bool) {
        let wal = self.beside("-wal");
        if !had_wal && std::fs::metadata(&wal).is_ok_and(|meta| meta.len() == 0) {
            // They stay if they cannot be removed, and do no harm.
            _ = std::fs::remove_file(wal);
            _ = std::fs::remove_file(self.beside("-shm"));
        }
    }

    pub(super) fn has_wal(&self) -> bool {
        self.beside("-wal").exists()
    }
}

/// Whether a check found no damage but could not read: a disk that fails for a moment is no reason
/// to put a backup in the place of what is there. SQLite names the result code in its text
/// (<https://www.sqlite.org/rescode.html>, SQLITE_IOERR and its extended codes), but not of a page
/// of its list of free ones: that it has such a number was checked before it was asked for, so what
/// failed is the reading (`checkList` in <https://www.sqlite.org/src/file/src/btree.c>).
fn cannot_be_read(said: &str) -> bool {
    if said.contains("failed to get page") {
        return true;
    }
    let codes = said.split("error code=").skip(1);
    let code = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next()?.parse::<i32>().ok();
    codes.filter_map(code).any(|code| code & 0xff == rusqlite::ffi::SQLITE_IOERR)
}

/// The version of the schema that this nts writes.
pub(super) fn known_version() -> i32 {
    MIGRATIONS.len() as i32
}

/// Whether a connection leads to a database that this nts can read.
pub(super) fn readable(conn: &Connection) -> rusqlite::Result<bool> {
    let number = |name| conn.pragma_query_value::<i32, _>(None, name, |row| row.get(0));
    Ok(number("application_id")? == APPLICATION_ID && number("user_version")? == known_version())
}

/// Makes an empty database: in one transaction of the old kind, whose outcome is in the file
/// itself, so that the header is right before there can be a -wal file.
fn make(conn: &Connection, secret: Option<[u8; 32]>) -> rusqlite::Result<()> {
    let secret = match secret {
        Some(secret) => secret,
        None => {
            let mut secret = [0u8; 32];
            getrandom::fill(&mut secret).map_err(|error| {
                let why = format!("no random numbers: {error}");
                rusqlite::Error::ToSqlConversionFailure(why.into())
            })?;
            secret
        }
    };
    conn.execute_batch("PRAGMA synchronous = EXTRA; BEGIN IMMEDIATE")?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.execute_batch(MIGRATIONS[0])?;
    conn.pragma_update(None, "user_version", 1)?;
    conn.execute_batch(
        "INSERT INTO progress (one, batch, barrier, last_high) VALUES (1, 0, 0, 0)",
    )?;
    conn.execute("INSERT INTO meta (key, value) VALUES ('secret', ?1)", [secret])?;
    conn.execute_batch("COMMIT")
}

/// What a writing connection needs; also after a fault.
pub(super) fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::ToSqlConversionFailure(
            format!("its file system allows no write-ahead log (journal mode {mode})").into(),
        ));
    }
    // FULL: a commit is on the disk before it is answered. NORMAL is fast and loses acknowledged
    // commits when the power goes.
    let flush = if on(Mutant::SynchronousOff) {
        "OFF"
    } else if on(Mutant::SynchronousNormal) {
        "NORMAL"
    } else {
        "FULL"
    };
    conn.pragma_update(None, "synchronous", flush)?;
    // What is erased or removed is overwritten. FAST would leave what stood on pages that a table gives up
    // (<https://www.sqlite.org/pragma.html#pragma_secure_delete>).
    conn.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA wal_autocheckpoint = 4000")
}

/// Brings an older schema up to date, each step in a transaction of its own.
fn migrate(conn: &Connection) -> rusqlite::Result<()> {
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (done, step) in MIGRATIONS.iter().enumerate().skip(version.max(0) as usize) {
        let transaction = conn.unchecked_transaction()?;
        transaction.execute_batch(step)?;
        if done + 1 == KEYS_ANEW {
            keys_anew(&transaction)?;
        }
        if *step == SALE_FIGURES {
            figures_anew(&transaction)?;
        }
        transaction.pragma_update(None, "user_version", done as i32 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Counts the orders that there are into the figures of their sale, at the time at which each was placed: when it was
/// paid was not recorded.
fn figures_anew(conn: &Connection) -> rusqlite::Result<()> {
    let damaged = |why: Unreadable| rusqlite::Error::ToSqlConversionFailure(why.to_string().into());
    let mut refunds: BTreeMap<i64, Vec<SeenRefund>> = BTreeMap::new();
    let mut find = conn.prepare(
        "SELECT order_id, amount_minor, quantities, state FROM refunds WHERE state < 2
         ORDER BY order_id, number",
    )?;
    let mut rows = find.query([])?;
    while let Some(row) = rows.next()? {
        let refund = SeenRefund {
            amount_minor: row.get(1)?,
            quantities: decode_quantities(row.get_ref(2)?.as_blob()?).map_err(damaged)?,
            made: row.get::<_, i64>(3)? == 1,
        };
        refunds.entry(row.get(0)?).or_default().push(refund);
    }
    let mut gathered = Gathered::default();
    let mut find =
        conn.prepare("SELECT id, event, state, lines, currency, placed_ms FROM orders")?;
    let mut rows = find.query([])?;
    while let Some(row) = rows.next()? {
        let refunds = refunds.remove(&row.get(0)?).unwrap_or_default();
        let state = state_from(row.get(2)?).ok_or_else(|| damaged(Unreadable::Damaged))?;
        let lines = decode_lines(row.get_ref(3)?.as_blob()?).map_err(damaged)?;
        let currency = Currency::parse(row.get_ref(4)?.as_str()?);
        let currency = currency.ok_or_else(|| damaged(Unreadable::Damaged))?;
        let by_type = counted(&Seen::stored(state, &lines, refunds));
        let event = EventId(row.get::<_, i64>(1)? as u64);
        gathered.add((event, row.get(5)?, currency), &by_type, 1);
    }
    let mut put = conn.prepare(&SaleFigure::table().sql().put)?;
    for row in gathered.rows() {
        put.execute(rusqlite::params![
            row.event.0 as i64,
            row.at_ms,
            row.ticket_type,
            row.currency,
            row.sold,
            row.refunded,
            row.restocked,
            row.taken_minor,
            row.given_back_minor,
        ])?;
    }
    Ok(())
}

/// Gives every order the key of its buyer, by the name and the address in its own row.
fn keys_anew(conn: &Connection) -> rusqlite::Result<()> {
    const PAGE: i64 = 10_000;
    let mut find = conn.prepare(
        "SELECT id, name, email, buyer_key FROM orders WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let mut update = conn.prepare("UPDATE orders SET buyer_key = ?2 WHERE id = ?1")?;
    let mut last = i64::MIN;
    loop {
        let mut read = 0;
        let mut others = Vec::new();
        let mut rows = find.query(rusqlite::params![last, PAGE])?;
        while let Some(row) = rows.next()? {
            (read, last) = (read + 1, row.get(0)?);
            let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?);
            let key = buyer_key(text(1)?, text(2)?).0.to_be_bytes();
            if row.get_ref(3)?.as_blob()? != key {
                others.push((last, key));
            }
        }
        drop(rows);
        for (id, key) in others {
            update.execute(rusqlite::params![id, key])?;
        }
        if read < PAGE {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::cannot_be_read;

    #[test]
    fn a_disk_that_fails_for_a_moment_is_told_from_damage() {
        for said in [
            "*** in database main ***\nFreelist: failed to get page 23",
            "*** in database main ***\nTree 5 page 9: unable to get the page. error code=266",
        ] {
            assert!(cannot_be_read(said), "{said}");
        }
        for said in [
            "*** in database main ***\nTree 5 page 9: unable to get the page. error code=11",
            "*** in database main ***\nTree 9 page 9: btreeInitPage() returns error code 11",
            "*** in database main ***\nFreelist: size is 3 but should be 4",
        ] {
            assert!(!cannot_be_read(said), "{said}");
        }
    }
}
