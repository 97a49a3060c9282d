//! Which engine it is, by what was told: a file, or the address of a PostgreSQL.

#[cfg(test)]
mod fuzz;

use super::postgres::{self, PgReader, PgStore, Target};
use super::sqlite::{self, SqliteStore};
use super::test_orders::{Mode, PROVIDER};
use super::transfer::{Facts, MOVED_TO, Sink, Source};
use super::{Fault, Reader, Store};
use crate::clock::Clock;
use crate::ids::Node;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a database is.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file, and one process on it.
    File(PathBuf),
    /// A server, and any number of processes on it.
    Server(Box<Target>),
}

/// The writer's side, with what is kept once for the whole database.
pub trait MetaStore: Store {
    /// A text that was kept under this key.
    fn meta_get(&mut self, key: &str) -> Result<Option<String>, Fault>;
    /// Keeps a text under a key, durably, unless there is one: the one that is kept. For the start,
    /// before anything is served.
    fn meta_keep(&mut self, key: &str, text: &str) -> Result<String, Fault>;
    /// Forgets what was kept under a key.
    fn meta_forget(&mut self, key: &str) -> Result<(), Fault>;
    /// Writes down, durably, with which provider this process serves, in place of `kept`. False: another
    /// process serves the database, or has written down something else meanwhile; nothing was changed.
    fn claim_provider(&mut self, kept: Option<&str>, word: &str) -> Result<bool, Fault>;
}

impl MetaStore for SqliteStore {
    fn meta_get(&mut self, key: &str) -> Result<Option<String>, Fault> {
        SqliteStore::meta_get(self, key)
    }

    fn meta_keep(&mut self, key: &str, text: &str) -> Result<String, Fault> {
        // Nobody else writes: the file is locked.
        if let Some(kept) = SqliteStore::meta_get(self, key)? {
            return Ok(kept);
        }
        self.meta_put(key, text)?;
        Ok(text.into())
    }

    fn claim_provider(&mut self, _: Option<&str>, word: &str) -> Result<bool, Fault> {
        self.meta_put(PROVIDER, word).map(|()| true)
    }

    fn meta_forget(&mut self, key: &str) -> Result<(), Fault> {
        SqliteStore::meta_forget(self, key)
    }
}

impl MetaStore for PgStore {
    fn meta_get(&mut self, key: &str) -> Result<Option<String>, Fault> {
        PgStore::meta_get(self, key)
    }

    fn meta_keep(&mut self, key: &str, text: &str) -> Result<String, Fault> {
        PgStore::meta_keep(self, key, text)
    }

    fn meta_forget(&mut self, key: &str) -> Result<(), Fault> {
        PgStore::meta_forget(self, key)
    }

    fn claim_provider(&mut self, kept: Option<&str>, word: &str) -> Result<bool, Fault> {
        PgStore::claim_provider(self, kept, word)
    }
}

/// An opened database.
pub struct Opened {
    /// For the writer.
    pub store: Box<dyn MetaStore>,
    /// The high 64 bits of the newest id.
    pub last_high: u64,
    /// Which of the processes on it this is, if there may be several.
    pub node: Option<Node>,
    /// The box office's own secret, made with the database.
    pub secret: [u8; 32],
}

/// Why a database cannot be used. Nothing of it was changed.
#[derive(Debug)]
pub enum OpenError {
    /// It is a file.
    File(sqlite::OpenError),
    /// It is a server.
    Server(postgres::OpenError),
    /// Everything in it was moved elsewhere.
    Retired {
        /// This one.
        from: String,
        /// Where it went.
        to: String,
    },
    /// It cannot be asked whether it was.
    Unreadable(Fault),
}

impl OpenError {
    /// Whether it may be there in a moment: its server is starting, say.
    pub fn may_pass(&self) -> bool {
        matches!(self, OpenError::Server(postgres::OpenError::Away { .. }))
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::File(error) => error.fmt(f),
            OpenError::Server(error) => error.fmt(f),
            OpenError::Retired { from, to } => write!(
                f,
                "{from} was moved to {to}, and places would be sold twice if both sold. Start nts \
                 with NTS_DATABASE set to that one. If nobody sells there and nobody will: nts \
                 migrate-store --resume {from}"
            ),
            OpenError::Unreadable(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl Database {
    /// Understands what was told. The error is a sentence, and no password is in it.
    pub fn parse(told: &str) -> Result<Database, String> {
        if told.starts_with("postgres://") || told.starts_with("postgresql://") {
            return Target::parse(told).map(|target| Database::Server(Box::new(target)));
        }
        // A slash is soon forgotten, and a file's name would be shown, with the password in it.
        let is_address = ["postgres:", "postgresql:"].iter().any(|scheme| told.starts_with(scheme));
        if is_address || told.contains("://") {
            return Err("the database is a file, or an address that begins with postgres://".into());
        }
        if told.is_empty() {
            return Err("no database is named: set NTS_DATABASE, or leave it out for nts.db".into());
        }
        Ok(Database::File(told.into()))
    }

    /// Where the sandbox keeps what a real provider would know: beside the database, for it is not
    /// ours to back up.
    pub fn sandbox(&self) -> PathBuf {
        match self {
            Database::File(path) => beside(path),
            Database::Server(_) => "nts.sandbox".into(),
        }
    }

    /// Opens it for the one writer of this process, and makes it ready if it is empty. Where it is a
    /// server, this waits: not to be called from async code.
    pub fn open(&self, clock: Clock) -> Result<Opened, OpenError> {
        let mut opened = self.open_also_retired(clock)?;
        match opened.store.meta_get(MOVED_TO).map_err(OpenError::Unreadable)? {
            None => Ok(opened),
            Some(to) => Err(OpenError::Retired { from: self.to_string(), to }),
        }
    }

    /// Accepts its history as it is, after it went back to an earlier state: why nobody recorded anything, if so.
    /// The error is a sentence.
    pub fn accept_history(&self) -> Result<Option<String>, String> {
        match self {
            Database::File(path) => Err(format!(
                "{} is a file: nobody can know that it was replaced by an older copy, and nothing is refused for \
                 it. Nothing was changed. nts audit finds what the provider has and the file has not.",
                path.display()
            )),
            Database::Server(target) => {
                PgStore::accept_history(target).map_err(|error| error.to_string())
            }
        }
    }

    /// Takes back that everything in it was moved elsewhere, and tells where to.
    pub fn resume(&self, clock: Clock) -> Result<Option<String>, OpenError> {
        let mut opened = self.open_also_retired(clock)?;
        let moved_to = opened.store.meta_get(MOVED_TO).map_err(OpenError::Unreadable)?;
        opened.store.meta_forget(MOVED_TO).map_err(OpenError::Unreadable)?;
        Ok(moved_to)
    }

    fn open_also_retired(&self, clock: Clock) -> Result<Opened, OpenError> {
        match self {
            Database::File(path) => {
                let opened = SqliteStore::open(path, clock).map_err(OpenError::File)?;
                let sqlite::Opened { store, last_high, secret, .. } = opened;
                Ok(Opened { store: Box::new(store), last_high, node: None, secret })
            }
            Database::Server(target) => {
                let opened = PgStore::open(target, clock).map_err(OpenError::Server)?;
                let postgres::Opened { store, last_high, node, secret, .. } = opened;
                Ok(Opened { store: Box::new(store), last_high, node: Some(node), secret })
            }
        }
    }

    /// A way to serve pages from it. It must exist. Where it is a server, it must accept writes.
    pub fn serving_reader(&self, clock: &Clock) -> Result<Box<dyn Reader>, Fault> {
        match self {
            Database::File(_) => self.reader(clock),
            Database::Server(target) => Ok(Box::new(PgReader::open(target, clock.clone())?)),
        }
    }

    /// A way to look at it, also while somebody else is selling. It must exist; where it is a server, a standby
    /// will do.
    pub fn reader(&self, clock: &Clock) -> Result<Box<dyn Reader>, Fault> {
        Ok(match self {
            Database::File(path) if !path.exists() => {
                return Err(Fault::NotDone(format!("there is no database at {}", path.display())));
            }
            Database::File(path) => Box::new(SqliteStore::reader(path)?),
            Database::Server(target) => Box::new(PgReader::open_to_look(target, clock.clone())?),
        })
    }

    /// The box office's own secret.
    pub fn secret(&self, clock: &Clock) -> Result<[u8; 32], Fault> {
        match self {
            Database::File(path) => SqliteStore::reader(path)?.secret(),
            Database::Server(target) => PgReader::open_to_look(target, clock.clone())?.secret(),
        }
    }

    /// With which provider its orders were made, if it says so.
    pub fn mode(&self, clock: &Clock) -> Result<Option<Mode>, Fault> {
        let word = match self {
            Database::File(path) => SqliteStore::reader(path)?.meta(PROVIDER)?,
            Database::Server(target) => {
                PgReader::open_to_look(target, clock.clone())?.meta(PROVIDER)?
            }
        };
        Ok(word.as_deref().and_then(Mode::read))
    }

    /// As what is moved from. The error is a sentence.
    pub(super) fn source(&self, clock: &Clock) -> Result<Box<dyn Source>, String> {
        Ok(match self {
            Database::File(path) => Box::new(sqlite::Export::open(path, clock.clone())?),
            Database::Server(target) => Box::new(postgres::Export::open(target, clock.clone())?),
        })
    }

    /// As what is moved to. The error is a sentence.
    pub(super) fn sink(&self, facts: &Facts, clock: &Clock) -> Result<Box<dyn Sink>, String> {
        Ok(match self {
            Database::File(path) => Box::new(sqlite::Import::open(path, facts, clock.clone())?),
            Database::Server(target) => Box::new(postgres::Import::open(target, facts)?),
        })
    }

    /// Whether other processes may write as well.
    pub fn is_shared(&self) -> bool {
        matches!(self, Database::Server(_))
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::File(path) => write!(f, "{}", path.display()),
            Database::Server(target) => f.write_str(target.name()),
        }
    }
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".sandbox");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_or_an_address_and_no_password_in_what_is_said() {
        let parse = |told| Database::parse(told).map(|database| database.to_string());
        assert_eq!(parse("nts.db"), Ok("nts.db".into()));
        assert_eq!(
            parse("postgres://nts:geheim@db.example:5433/box?sslmode=require&password=geheim"),
            Ok("postgres://db.example:5433/box".into())
        );
        assert_eq!(parse("postgresql://nts@db,other/box"), Ok("postgres://db,other/box".into()));
        // Passwords that are not written as they must be, and other slips.
        for told in [
            "postgres://nts:geheim@db/nts?gehe=im",
            "postgres://nts:geheim@db:gehe/nts",
            "postgres://nts:geheim@/nts",
            "postgres://nts:geheim@db/nts?sslmode=geheim",
            "mysql://nts:geheim@db/nts",
            "postgres:/nts:geheim@db/nts",
            "postgresql:nts:geheim@db/nts",
            "",
        ] {
            let error = parse(told).expect_err(told);
            assert!(!error.contains("gehe"), "{error}");
        }
    }
}
