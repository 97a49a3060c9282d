//! Whose database it is, and how it comes into being. Any number of processes may begin at once.

use super::link::{Link, PATIENCE, Target, Trouble, ask, draw};
use super::rows::{CLOCK, InOrder, one};
use super::{buyers, figures};
use crate::store::history::{HISTORY, HistoryId, Stop, WENT_BACK, told};
use std::fmt;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

/// The schema, one step after the other. A database that has had the first `n` of them has the
/// version `n`.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_box_office.sql"),
    include_str!("../../../migrations/postgres/0002_code_rules.sql"),
    include_str!("../../../migrations/postgres/0003_buyers.sql"),
    include_str!("../../../migrations/postgres/0004_audit_log.sql"),
    include_str!("../../../migrations/postgres/0005_outbox.sql"),
    include_str!("../../../migrations/postgres/0006_event_fields.sql"),
    include_str!("../../../migrations/postgres/0007_names_as_sold.sql"),
    include_str!("../../../migrations/postgres/0008_language.sql"),
    include_str!("../../../migrations/postgres/0009_guests.sql"),
    include_str!("../../../migrations/postgres/0010_mails.sql"),
    include_str!("../../../migrations/postgres/0011_event_mail.sql"),
    include_str!("../../../migrations/postgres/0012_what_is_sold.sql"),
    include_str!("../../../migrations/postgres/0013_questions_and_gifts.sql"),
    include_str!("../../../migrations/postgres/0014_accounts.sql"),
    include_str!("../../../migrations/postgres/0015_office_events.sql"),
    include_str!("../../../migrations/postgres/0016_search.sql"),
    SALE_FIGURES,
    include_str!("../../../migrations/postgres/0018_known_browsers.sql"),
    include_str!("../../../migrations/postgres/0019_refunds_of_amounts.sql"),
    include_str!("../../../migrations/postgres/0020_door.sql"),
    include_str!("../../../migrations/postgres/0021_gate_links.sql"),
    include_str!("../../../migrations/postgres/0022_webhooks.sql"),
    include_str!("../../../migrations/postgres/0023_order_metadata.sql"),
    include_str!("../../../migrations/postgres/0024_webhook_messages.sql"),
];

/// With this step all orders are counted into the figures of their sale.
const SALE_FIGURES: &str = include_str!("../../../migrations/postgres/0017_sale_figures.sql");

/// After this step every order gets the key of its buyer anew.
const KEYS_ANEW: usize = 3;

/// What `meta` says of a database of ours.
const OURS: &str = "nts1";

/// How long a step of the schema may take that changes all rows.
const MIGRATES: Duration = Duration::from_secs(3_600);

/// Held while somebody looks whether there is something to do, and does it: `nts1` as a number.
const LOCK: &str = "SELECT pg_advisory_lock(1853125425)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(1853125425)";

const HAS_META: &str = "SELECT count(*) FROM information_schema.tables
    WHERE table_schema = current_schema() AND table_name = 'meta'";
const TABLES: &str = "SELECT count(*) FROM information_schema.tables
    WHERE table_schema = current_schema()";
const SCHEMA: &str = "SELECT current_schema()::text";
const GET: &str = "SELECT value FROM meta WHERE key = $1";
/// Puts `$3` where `$2` was.
pub(super) const CHANGE: &str = "UPDATE meta SET value = $3 WHERE key = $1 AND value = $2";
pub(super) const FORGET: &str = "DELETE FROM meta WHERE key = $1";
/// Puts what is to be there from now on.
pub(super) const PUT: &str = "INSERT INTO meta (key, value) VALUES ($1, $2)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";
/// Puts what is not there yet.
pub(super) const KEEP: &str =
    "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";

/// Keeps those away that begin at this moment, until it can be read why.
const LOCK_WRITERS: &str = "LOCK TABLE writers IN EXCLUSIVE MODE";
/// Gives each writer another epoch than it knows.
const OTHER_EPOCHS: &str = "UPDATE writers SET epoch = epoch # $1";

/// In a transaction: writers that are still connected are refused from now on. Whoever does the same at the same
/// moment draws another number, so that the two do not cancel each other.
pub(super) fn refuse_writers(link: &mut Link) -> Result<(), Trouble> {
    link.script(LOCK_WRITERS)?;
    // Any number but 0, by which none would change.
    link.ask(&[ask!(OTHER_EPOCHS, draw() | 1)])?;
    Ok(())
}

/// The history, why nothing may be recorded, and the names of synchronous standbys, if the engine knows such a
/// setting.
pub(super) const STATE: &str = "SELECT
    coalesce((SELECT value FROM meta WHERE key = 'history'), '0 0'),
    (SELECT value FROM meta WHERE key = 'history_went_back'),
    current_setting('synchronous_standby_names', true)";

/// What [`STATE`] tells.
pub(super) struct Told {
    /// Which history it is.
    pub(super) history: HistoryId,
    /// Why nothing may be recorded.
    pub(super) stopped: Option<String>,
    /// Whether there is a synchronous standby.
    pub(super) on_standby: Option<bool>,
}

impl Told {
    pub(super) fn read(rows: &[Row]) -> Result<Told, Trouble> {
        let row = rows.first().ok_or_else(|| Trouble::Unreadable("no row".into()))?;
        let mut row = InOrder::of(row);
        let history: String = row.next()?;
        let stopped: Option<String> = row.next()?;
        let names: Option<String> = row.next()?;
        let unreadable = || Trouble::Unreadable(format!("meta.{HISTORY}"));
        // Whatever stands there, nobody records anything.
        let reason = |kept: String| match Stop::read(&kept) {
            Some(stop) => told(&stop.why),
            None => told(&kept),
        };
        Ok(Told {
            history: HistoryId::read(&history).ok_or_else(unreadable)?,
            stopped: stopped.map(reason),
            on_standby: names.map(|names| !names.is_empty()),
        })
    }
}

/// Writes down that the database went back, by a process that knew a history of the number `known` and was just told
/// that the database has the history `here`; and refuses all writers. If a person has accepted another history since
/// the database was asked, nothing is done: it must be asked again, as after any trouble.
pub(super) fn stop(link: &mut Link, known: u64, here: HistoryId, why: &str) -> Result<(), Trouble> {
    let stopped = link.script("BEGIN").and_then(|()| {
        refuse_writers(link)?;
        let answers = link.ask(&[ask!(STATE), ask!(CLOCK)])?;
        let told = Told::read(&answers[0])?;
        if told.history != here {
            return Err(Trouble::Lost("a person has accepted another history meanwhile".into()));
        }
        if told.stopped.is_none() {
            let stop = Stop { known, at_ms: one(&answers[1])?, why: why.into() };
            link.ask(&[ask!(KEEP, WENT_BACK, stop.text())])?;
        }
        link.script("COMMIT")
    });
    if stopped.is_err() {
        link.close();
    }
    stopped
}

/// A person accepts the database as it is: the reason for which nothing was recorded, if there was one.
pub(super) fn accept(link: &mut Link) -> Result<Option<String>, Trouble> {
    link.script("BEGIN")?;
    refuse_writers(link)?;
    let Some(kept) = get(link, WENT_BACK)? else {
        link.script("ROLLBACK")?;
        return Ok(None);
    };
    let answers = link.ask(&[ask!(STATE), ask!(CLOCK)])?;
    let (here, now_ms) = (Told::read(&answers[0])?.history, one(&answers[1])?);
    let stop = Stop::read(&kept).unwrap_or(Stop { known: 0, at_ms: now_ms, why: kept });
    let next = stop.accepted(here, now_ms);
    link.ask(&[ask!(PUT, HISTORY, next.text()), ask!(FORGET, WENT_BACK)])?;
    link.script("COMMIT")?;
    Ok(Some(stop.why))
}

/// What is kept under a key.
pub(super) fn get(link: &mut Link, key: &str) -> Result<Option<String>, Trouble> {
    let found = link.ask(&[ask!(GET, key)])?;
    if found[0].is_empty() { Ok(None) } else { one(&found[0]).map(Some) }
}

/// Why a database cannot be used. Nothing of it was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// It is not a database of nts.
    NotOurs {
        /// Which.
        database: String,
        /// What it seems to be.
        what: String,
    },
    /// A newer nts made it.
    Newer {
        /// Which.
        database: String,
        /// The version of its schema.
        found: usize,
        /// The newest one that this nts knows.
        known: usize,
    },
    /// It does not answer, or takes nothing now.
    Away {
        /// Which.
        database: String,
        /// How it shows.
        why: String,
    },
    /// A pooler stands between, which gives each transaction another connection.
    Pooled {
        /// Which.
        database: String,
        /// What to do.
        why: String,
    },
    /// It does not let us in, or it failed.
    Failed {
        /// Which.
        database: String,
        /// How.
        why: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NotOurs { database, what } => write!(
                f,
                "{database} is not a database of nts: {what}. Nothing was changed. Give nts a \
                 database of its own; an empty one is made ready."
            ),
            OpenError::Newer { database, found, known } => write!(
                f,
                "{database} was written by a newer nts (schema {found}; this one knows {known}). \
                 Nothing was changed. Start that nts, or a newer one."
            ),
            OpenError::Away { database, why } => write!(
                f,
                "{database} cannot be used now ({why}). Check that PostgreSQL runs there, accepts \
                 writes, and has connections left for this process."
            ),
            OpenError::Pooled { database, why } => {
                write!(f, "{database} cannot be used: {why}. Nothing was changed.")
            }
            OpenError::Failed { database, why } => write!(
                f,
                "{database} cannot be used: {why}. Check the user, the password and the \
                 database's name, and that the user may make tables in it."
            ),
        }
    }
}

impl std::error::Error for OpenError {}

pub(super) fn failed(target: &Target, trouble: &Trouble) -> OpenError {
    let database = target.name.clone();
    match trouble {
        Trouble::Lost(why) => OpenError::Away { database, why: why.clone() },
        Trouble::Pooled => OpenError::Pooled { database, why: trouble.to_string() },
        _ if trouble.may_pass() => OpenError::Away { database, why: trouble.to_string() },
        _ => OpenError::Failed { database, why: trouble.to_string() },
    }
}

/// What somebody found who looked.
enum Found {
    Nothing,
    Version(usize),
    Foreign(String),
}

/// Makes the database ready, if it is not yet. Tells whether it was made just now.
pub(super) fn prepare(link: &mut Link) -> Result<bool, OpenError> {
    let target = link.target().clone();
    // A lock of the session, before any transaction begins: so that what is then looked at is as
    // new as the lock. Others may take their time over it.
    let locked = link.script("SET lock_timeout = 0").and_then(|()| link.ask(&[ask!(LOCK)]));
    locked.map_err(|trouble| failed(&target, &trouble))?;
    let made = match find(link) {
        Ok(Found::Foreign(what)) => Err(OpenError::NotOurs { database: target.name.clone(), what }),
        Ok(Found::Version(found)) if found > MIGRATIONS.len() => {
            let (database, known) = (target.name.clone(), MIGRATIONS.len());
            Err(OpenError::Newer { database, found, known })
        }
        Ok(Found::Version(found)) => {
            migrate(link, found).map(|()| false).map_err(|t| failed(&target, &t))
        }
        Ok(Found::Nothing) => migrate(link, 0).map(|()| true).map_err(|t| failed(&target, &t)),
        Err(trouble) => Err(failed(&target, &trouble)),
    };
    link.be_patient(PATIENCE);
    match made {
        // Its commits wait for a standby that is not there, say.
        Err(OpenError::Away { .. }) => link.leave(),
        // It ends with the connection in any case.
        _ => _ = link.ask(&[ask!(UNLOCK)]),
    }
    made
}

fn find(link: &mut Link) -> Result<Found, Trouble> {
    let schema = link.ask(&[ask!(SCHEMA)])?;
    if one::<Option<String>>(&schema[0])?.is_none() {
        return Ok(Found::Foreign("its search path names no schema that exists".into()));
    }
    let counts = link.ask(&[ask!(HAS_META), ask!(TABLES)])?;
    let (meta, tables): (i64, i64) = (one(&counts[0])?, one(&counts[1])?);
    if tables == 0 {
        return Ok(Found::Nothing);
    }
    let foreign = || Found::Foreign("another program has tables in it".into());
    if meta == 0 {
        return Ok(foreign());
    }
    let said = link.ask(&[ask!(GET, "application"), ask!(GET, "schema")]);
    let said = match said {
        Ok(said) => said,
        // A table of the same name that looks different.
        Err(Trouble::Sql { code, .. })
            if [SqlState::UNDEFINED_COLUMN, SqlState::DATATYPE_MISMATCH].contains(&code) =>
        {
            return Ok(foreign());
        }
        Err(trouble) => return Err(trouble),
    };
    if said.iter().any(Vec::is_empty) || one::<String>(&said[0])? != OURS {
        return Ok(foreign());
    }
    Ok(match one::<String>(&said[1])?.parse() {
        Ok(version) => Found::Version(version),
        Err(_) => foreign(),
    })
}

/// Each step in a transaction of its own.
fn migrate(link: &mut Link, version: usize) -> Result<(), Trouble> {
    for (done, step) in MIGRATIONS.iter().enumerate().skip(version) {
        link.script("BEGIN")?;
        link.be_patient(MIGRATES);
        link.script(step)?;
        if done + 1 == KEYS_ANEW {
            buyers::keys_anew(link)?;
        }
        if *step == SALE_FIGURES {
            figures::count_anew(link)?;
        }
        let mut facts = vec![ask!(PUT, "schema", (done + 1).to_string())];
        if done == 0 {
            let mut secret = [0u8; 32];
            getrandom::fill(&mut secret)
                .map_err(|error| Trouble::Lost(format!("no random numbers: {error}")))?;
            let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            facts.push(ask!(PUT, "application", OURS));
            facts.push(ask!(PUT, "secret", secret));
        }
        link.ask(&facts)?;
        link.be_patient(PATIENCE);
        link.script("COMMIT")?;
    }
    Ok(())
}

/// Makes the schema, with this secret, in a transaction that is left open; `false` if something is
/// there already. Whoever wants to begin as well waits until the connection ends.
pub(super) fn begin_anew(link: &mut Link, secret: &[u8; 32]) -> Result<bool, Trouble> {
    link.script("SET lock_timeout = 0")?;
    link.ask(&[ask!(LOCK)])?;
    if !matches!(find(link)?, Found::Nothing) {
        return Ok(false);
    }
    link.script("BEGIN")?;
    for step in MIGRATIONS {
        link.script(step)?;
    }
    let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    link.ask(&[
        ask!(PUT, "schema", MIGRATIONS.len().to_string()),
        ask!(PUT, "application", OURS),
        ask!(PUT, "secret", secret),
    ])?;
    Ok(true)
}

/// Whether the database has the schema that this nts reads and writes.
pub(super) fn readable(link: &mut Link) -> Result<bool, Trouble> {
    Ok(matches!(find(link)?, Found::Version(version) if version == MIGRATIONS.len()))
}

/// The server's own secret.
pub(super) fn secret(link: &mut Link) -> Result<[u8; 32], Trouble> {
    let text: String = one(&link.ask(&[ask!(GET, "secret")])?[0])?;
    let mut secret = [0u8; 32];
    let digits = text.as_bytes().chunks(2).map(|pair| {
        std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
    });
    let mut count = 0;
    for (byte, digit) in secret.iter_mut().zip(digits) {
        *byte = digit.ok_or_else(|| Trouble::Unreadable("the secret".into()))?;
        count += 1;
    }
    if count == 32 && text.len() == 64 {
        Ok(secret)
    } else {
        Err(Trouble::Unreadable("the secret".into()))
    }
}

/// What the database promises of what it has acknowledged, said to who runs it.
pub(super) fn tell_promise(link: &mut Link) {
    let setting = |link: &mut Link, name: &'static str| -> Option<String> {
        const SHOW: &str = "SELECT current_setting($1, true)";
        one::<Option<String>>(&link.ask(&[ask!(SHOW, name)]).ok()?[0]).ok().flatten()
    };
    if setting(link, "fsync").as_deref() == Some("off") {
        tracing::error!(
            "the database runs with fsync=off: a power loss loses orders that were acknowledged"
        );
    }
    match setting(link, "synchronous_standby_names").as_deref() {
        Some("") => tracing::warn!(
            "the database has no synchronous standby: a crash of it loses nothing, but a failover \
             to a standby may lose the last orders that were acknowledged"
        ),
        Some(names) => tracing::info!(names, "what is acknowledged is on a standby as well"),
        None => {}
    }
}
