//! One connection to the database, driven from a thread that may wait.
//!
//! Several statements are sent at once and answered in their order, so that a batch costs as few
//! round trips as its parts depend on each other. Each is prepared once for a connection. What has
//! taken too long is abandoned with its connection and never cancelled: a COMMIT that is cancelled
//! is reported as done although a standby may never have heard of it.

use super::connect::{Hosts, Known, Place, Use, connect};
use super::tls::{Tls, Trust};
use crate::store::Fault;
use crate::store::history::History;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Row, Statement};

/// How long an answer may take. Longer than [`LOCK_MS`], so that who only waits in line is told so
/// by the database itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long the database lets us wait for a lock, in milliseconds.
pub(super) const LOCK_MS: u32 = 4_000;
/// How long connecting is tried again before it is reported.
const RECONNECT: Duration = Duration::from_secs(3);

/// What went wrong between us and the database.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The database said no to a statement. The connection goes on; the transaction does not.
    Sql {
        /// Its SQLSTATE.
        code: SqlState,
        /// The constraint that said no, if one did.
        constraint: Option<String>,
        /// In words.
        text: String,
    },
    /// The connection is gone.
    Lost(String),
    /// No answer in time. The connection is not to be used any more.
    Late,
    /// What came is not what we store.
    Unreadable(String),
    /// Between us and the database stands a pooler that gives each transaction another connection.
    Pooled,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Sql { code, text, .. } => write!(f, "{text} ({})", code.code()),
            Trouble::Lost(why) => write!(f, "the connection to the database is lost: {why}"),
            Trouble::Late => write!(f, "the database did not answer in time"),
            Trouble::Unreadable(what) => write!(f, "unreadable: {what}"),
            Trouble::Pooled => f.write_str(
                "this address leads to a pooler that gives each transaction another connection, and nts needs \
                 sessions of its own: set pool_mode = session for this database in PgBouncer (in other poolers \
                 what they call so), or name PostgreSQL itself",
            ),
        }
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Trouble {
        let Some(db) = error.as_db_error() else {
            let source = std::error::Error::source(&error);
            let network = source.is_some_and(|source| source.is::<std::io::Error>());
            let lost = error.is_closed() || network;
            return if lost {
                Trouble::Lost(chain(&error))
            } else {
                Trouble::Unreadable(chain(&error))
            };
        };
        let fatal = matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        // Who we are, or which database we want, does not become right by trying again.
        let refused = db.code().code().starts_with("28")
            || [SqlState::UNDEFINED_DATABASE, SqlState::INSUFFICIENT_PRIVILEGE].contains(db.code());
        if fatal && !refused {
            return Trouble::Lost(db.message().into());
        }
        // A name that only another client can have given, or taken away.
        if [SqlState::DUPLICATE_PSTATEMENT, SqlState::INVALID_SQL_STATEMENT_NAME]
            .contains(db.code())
        {
            return Trouble::Pooled;
        }
        Trouble::Sql {
            code: db.code().clone(),
            constraint: db.constraint().map(Into::into),
            text: db.message().into(),
        }
    }
}

/// An error and what it came from, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    text
}

impl Trouble {
    /// Whether another process was in the way: the same once more may go well.
    pub(super) fn overtaken(&self) -> bool {
        let Trouble::Sql { code, constraint, .. } = self else { return false };
        let twice = *code == SqlState::UNIQUE_VIOLATION
            && matches!(constraint.as_deref(), Some("answered_once" | "events_slug"));
        twice
            || [
                SqlState::T_R_SERIALIZATION_FAILURE,
                SqlState::T_R_DEADLOCK_DETECTED,
                SqlState::LOCK_NOT_AVAILABLE,
                SqlState::QUERY_CANCELED,
            ]
            .contains(code)
    }

    /// Whether the database may take it in a moment, without anybody changing what was told: it is away, starts,
    /// stops or is a standby just now, is busy, or has no room.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Trouble::Lost(_) | Trouble::Late => true,
            Trouble::Unreadable(_) | Trouble::Pooled => false,
            // https://www.postgresql.org/docs/current/errcodes-appendix.html: connections, insufficient
            // resources, an operator's intervention (a time limit, a shutdown), a system error.
            Trouble::Sql { code, .. } => {
                self.overtaken()
                    || *code == SqlState::READ_ONLY_SQL_TRANSACTION
                    || ["08", "53", "57", "58"].iter().any(|class| code.code().starts_with(class))
            }
        }
    }
}

/// Where the database is, and who we are to it.
#[derive(Clone)]
pub struct Target {
    hosts: Hosts,
    tls: Tls,
    /// What this process knows of them.
    known: Arc<Known>,
    /// What this process remembers of the database's history.
    pub(super) history: History,
    /// Where, without the password: for messages.
    pub(super) name: String,
    /// Tells this process from the others. Drawn anew at each start.
    pub(super) process: i64,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Target {
    /// Understands `postgres://user:password@host:port/database?sslmode=…`. The error is a
    /// sentence, and no password is in it.
    pub fn parse(url: &str) -> Result<Target, String> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root) = ("prefer", None);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = value,
                Some(("sslrootcert", value)) => root = Some(unescape(value)?),
                _ => rest.push(pair),
            }
        }
        let (ssl, trust) = match (mode, root) {
            ("disable", _) => (SslMode::Disable, Trust::Anybody),
            ("allow" | "prefer", _) => (SslMode::Prefer, Trust::Anybody),
            // As everywhere: a file of root certificates is there to be used.
            ("require", None) => (SslMode::Require, Trust::Anybody),
            ("verify-ca" | "verify-full", None) => (SslMode::Require, Trust::Public),
            ("require" | "verify-ca" | "verify-full", Some(path)) if path == "system" => {
                (SslMode::Require, Trust::Public)
            }
            ("require" | "verify-ca" | "verify-full", Some(path)) => {
                (SslMode::Require, Trust::File(path))
            }
            _ => return Err("sslmode is disable, prefer, require, verify-ca or verify-full".into()),
        };
        let plain =
            if rest.is_empty() { base.into() } else { format!("{base}?{}", rest.join("&")) };
        // What the parser has to say may quote a part of the password.
        let unreadable = |_| {
            "the address of the database cannot be read: expected \
             postgres://user:password@host:port/database. In a password / ? @ : % are written as \
             %2F %3F %40 %3A %25."
        };
        let mut config = Config::from_str(&plain).map_err(unreadable)?;
        if config.get_application_name().is_none() {
            config.application_name("nts");
        }
        config.ssl_mode(ssl).keepalives_idle(Duration::from_secs(10));
        let hosts = Hosts::of(&config)?;
        let name = name_of(&config, &hosts)?;
        let mut drawn = [0u8; 8];
        getrandom::fill(&mut drawn).map_err(|e| format!("no randomness: {e}"))?;
        Ok(Target {
            hosts,
            tls: Tls::new(&trust)?,
            known: Arc::default(),
            history: History::default(),
            name,
            process: i64::from_le_bytes(drawn) & i64::MAX,
        })
    }

    /// Where it is, without who we are and what proves it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same for connections of another name, by which a person can tell them apart.
    pub(super) fn named(&self, name: &str) -> Target {
        let mut target = self.clone();
        target.hosts.call(name);
        target
    }

    /// The same database as another process sees it.
    pub fn other_process(&self) -> Target {
        Target {
            process: draw() & i64::MAX,
            known: Arc::default(),
            history: History::default(),
            ..self.clone()
        }
    }
}

/// The hosts and the database, and nothing that could be part of a password.
fn name_of(config: &Config, hosts: &Hosts) -> Result<String, String> {
    let names = hosts.names();
    if names.chars().all(|c| c == ',') {
        return Err("the address of the database names no host".into());
    }
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    Ok(format!("postgres://{names}/{database}"))
}

/// Sixty-four random bits. They need not be good ones: they tell apart and spread.
pub(super) fn draw() -> i64 {
    let mut drawn = [0u8; 8];
    // Without randomness the process would not have started.
    getrandom::fill(&mut drawn).expect("the machine gives random numbers");
    i64::from_le_bytes(drawn)
}

/// Undoes `%2F` and the like.
fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
        bytes.push(byte.ok_or("sslrootcert is no text of an address")?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| "sslrootcert is no text".into())
}

/// A statement and its values.
pub(super) struct Ask<'a> {
    pub(super) sql: &'static str,
    pub(super) values: Vec<Box<dyn ToSql + Sync + 'a>>,
}

/// Makes an [`Ask`].
macro_rules! ask {
    ($sql:expr $(, $value:expr)* $(,)?) => {
        $crate::store::postgres::link::Ask { sql: $sql, values: vec![$(Box::new($value)),*] }
    };
}
pub(super) use ask;

/// What came of one statement.
pub(super) type Answer = Result<Vec<Row>, Trouble>;

/// A connection.
pub(super) struct Session {
    client: Client,
    statements: BTreeMap<&'static str, Statement>,
    /// Set when the database warns of something.
    warned: Arc<AtomicBool>,
    carrier: JoinHandle<()>,
    /// Where it leads.
    place: Place,
    is_read_only: bool,
    /// What was set for this session alone, if the engine knows such settings.
    mark: Option<String>,
}

impl Session {
    /// A connection that leads there. Its `carrier` sets `warned` when the database warns of something.
    pub(super) fn new(
        client: Client,
        warned: Arc<AtomicBool>,
        carrier: JoinHandle<()>,
        place: Place,
    ) -> Session {
        let (statements, is_read_only, mark) = (BTreeMap::new(), false, None);
        Session { client, statements, warned, carrier, place, is_read_only, mark }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// What is known of it when it is ready.
    pub(super) fn knowing(self, is_read_only: bool, mark: Option<String>) -> Session {
        let mut session = self;
        (session.is_read_only, session.mark) = (is_read_only, mark);
        session
    }

    pub(super) fn forget_warnings(&self) {
        self.warned.store(false, Ordering::SeqCst);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

/// A connection that can be lost and made anew.
pub(super) struct Link {
    target: Target,
    wanted: Use,
    patience: Duration,
    session: Option<Session>,
    runtime: Option<Runtime>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.session = None;
        if let Some(runtime) = self.runtime.take() {
            // Allowed also where nobody may wait.
            runtime.shutdown_background();
        }
    }
}

impl Link {
    /// Nothing is connected yet.
    pub(super) fn new(target: Target, wanted: Use) -> std::io::Result<Link> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Link { target, wanted, patience: PATIENCE, session: None, runtime: Some(runtime) })
    }

    /// From now on an answer may take so long.
    pub(super) fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Whether it is connected, as far as we know.
    pub(super) fn is_open(&self) -> bool {
        self.session.as_ref().is_some_and(|session| !session.client.is_closed())
    }

    /// Whether the server accepts no writes.
    pub(super) fn is_read_only(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_read_only)
    }

    /// A durable commit was made on this connection: the others of this process come here, too.
    pub(super) fn settle(&self) {
        if let Some(session) = &self.session {
            self.target.known.settle(session.place);
        }
    }

    /// Whether the process has made a durable commit at another server since.
    pub(super) fn is_elsewhere(&self) -> bool {
        let place = self.session.as_ref().map(|session| session.place);
        place.is_some_and(|place| self.target.known.is_elsewhere(place))
    }

    /// It did not answer in time: gives the connection up, and another server is tried first.
    pub(super) fn leave(&mut self) {
        if let Some(session) = &self.session {
            self.target.known.leave(session.place);
        }
        self.close();
    }

    /// Looks whether the session is the one that we began, by an answer to [`rows::CLOCK`](super::rows::CLOCK).
    /// Behind a pooler that gives each transaction another one it is that of somebody else.
    pub(super) fn is_ours(&self, clock: &[Row]) -> Result<(), Trouble> {
        let ours = self.session.as_ref().and_then(|session| session.mark.as_deref());
        let found = match clock.first().map(|row| row.try_get::<_, Option<&str>>(1)) {
            Some(Ok(found)) => found,
            _ => return Err(Trouble::Unreadable("the clock".into())),
        };
        if ours.is_some() && found != ours { Err(Trouble::Pooled) } else { Ok(()) }
    }

    /// Refuses a pooler that gives each transaction another session, before anything is written through it: a
    /// second connection must not change what the first one has set.
    pub(super) fn refuse_pooler(&mut self) -> Result<(), Trouble> {
        let other = Link::new(self.target.clone(), self.wanted);
        let mut other = other.map_err(|error| Trouble::Unreadable(error.to_string()))?;
        for link in [&mut other, self] {
            if !link.is_open() {
                link.connect()?;
            }
            let clock = link.ask(&[ask!(super::rows::CLOCK)])?;
            link.is_ours(&clock[0])?;
        }
        Ok(())
    }

    /// Gives the connection up, whatever is under way on it.
    pub(super) fn close(&mut self) {
        self.session = None;
        // Lets the carrier end, so that the socket is closed now.
        if let Some(runtime) = &self.runtime {
            runtime.block_on(tokio::task::yield_now());
        }
    }

    /// Connects anew, trying again for a while.
    pub(super) fn connect(&mut self) -> Result<(), Trouble> {
        self.close();
        let (target, wanted) = (self.target.clone(), self.wanted);
        let runtime = self.runtime.as_ref().expect("a runtime while it lives");
        self.session = Some(runtime.block_on(async {
            let begun = Instant::now();
            let mut pause = Duration::from_millis(20);
            loop {
                let tried = connect(&target.hosts, &target.tls, &target.known, wanted);
                let error = match tried.await {
                    Ok(session) => return Ok(session),
                    Err(error) => error,
                };
                if !error.may_pass() || begun.elapsed() + pause > RECONNECT {
                    return Err(error);
                }
                // Not all processes at the same moment.
                sleep(pause.mul_f64(0.5 + (draw() as u8) as f64 / 256.0)).await;
                pause = (pause * 2).min(Duration::from_millis(500));
            }
        })?);
        Ok(())
    }

    /// Waits.
    pub(super) fn pause(&self, wait: Duration) {
        let runtime = self.runtime.as_ref().expect("a runtime while it lives");
        runtime.block_on(async { sleep(wait).await });
    }

    /// Runs statements that need no preparation, one after the other. One that is not answered in time is
    /// [`Trouble::Late`], and is still under way: the connection must be given up.
    pub(super) fn script(&mut self, sql: &str) -> Result<(), Trouble> {
        let Link { session, runtime, patience, .. } = self;
        let session = session.as_ref().ok_or_else(not_connected)?;
        let runtime = runtime.as_ref().expect("a runtime while it lives");
        let run = async { timeout(*patience, session.client.batch_execute(sql)).await };
        match runtime.block_on(run) {
            Ok(done) => Ok(done?),
            Err(_) => Err(Trouble::Late),
        }
    }

    /// Sends these statements at once. What comes after one that failed fails as well. The error is
    /// [`Trouble::Late`], or that a statement could not be prepared.
    pub(super) fn answers(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Answer>, Trouble> {
        let Link { session, runtime, patience, .. } = self;
        let session = session.as_mut().ok_or_else(not_connected)?;
        let runtime = runtime.as_ref().expect("a runtime while it lives");
        let all = async {
            let known = &session.statements;
            let new: BTreeSet<&'static str> =
                asks.iter().map(|a| a.sql).filter(|sql| !known.contains_key(sql)).collect();
            let client = &session.client;
            let preparing = new
                .iter()
                .map(|sql| Box::pin(client.prepare(sql)) as Pin<Box<dyn Future<Output = _>>>);
            let prepared = in_order(preparing.collect()).await;
            for (sql, statement) in new.into_iter().zip(prepared) {
                session.statements.insert(sql, statement?);
            }
            let session = &*session;
            let asked = asks.iter().map(|ask| {
                Box::pin(async move {
                    let values: Vec<&(dyn ToSql + Sync)> =
                        ask.values.iter().map(|v| &**v as &(dyn ToSql + Sync)).collect();
                    let statement = &session.statements[ask.sql];
                    session.client.query(statement, &values).await
                })
                    as Pin<Box<dyn Future<Output = Result<Vec<Row>, tokio_postgres::Error>>>>
            });
            let answers = in_order(asked.collect()).await;
            Ok(answers.into_iter().map(|a| a.map_err(Trouble::from)).collect())
        };
        match runtime.block_on(async { timeout(*patience, all).await }) {
            Ok(answers) => answers,
            Err(_) => Err(Trouble::Late),
        }
    }

    /// The same, where the first trouble is all that is of interest.
    pub(super) fn ask(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<Row>>, Trouble> {
        self.answers(asks)?.into_iter().collect()
    }

    /// One statement that is a transaction of its own: once more, and again, if others are in the
    /// way of it.
    pub(super) fn retry_until_ok<'a>(
        &mut self,
        ask: impl Fn() -> Ask<'a>,
    ) -> Result<Vec<Row>, Trouble> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.ask(&[ask()]) {
                Err(trouble) if trouble.overtaken() && tries < 20 => {
                    self.pause(Duration::from_micros(draw() as u64 % 10_000));
                }
                answer => return Ok(answer?.remove(0)),
            }
        }
    }

    /// Whether the database has warned of something since this was asked the last time.
    pub(super) fn warned(&self) -> bool {
        self.session.as_ref().is_some_and(|s| s.warned.swap(false, Ordering::SeqCst))
    }
}

fn not_connected() -> Trouble {
    Trouble::Lost("not connected".into())
}

/// Runs all of them at once; each begins before those behind it.
pub(super) async fn in_order<T>(mut all: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        let mut waits = false;
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *done = Some(value),
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().map(|value| value.expect("all are done")).collect()
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Fault {
        let why = trouble.to_string();
        if trouble.may_pass() { Fault::Away(why) } else { Fault::NotDone(why) }
    }
}
