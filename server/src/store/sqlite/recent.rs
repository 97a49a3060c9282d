//! The requests that were answered lately, and where their rows are.
//!
//! A request's key is random. An index on it in the database would be most of the cost of a hold,
//! and would grow with the table; so the keys are kept in memory, and are read back at the start.

use crate::store::{Recorded, RequestKey};
use boxoffice::TimeMs;
use rusqlite::{Connection, OptionalExtension, params};
use std::hash::{BuildHasher, Hasher};

/// How long an answer is kept. After that, the same key is a new request.
pub const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1000;

/// So many old rows are removed with a commit, and twice as many as it adds: more than come in, and
/// no commit becomes slow by it.
const PRUNED_AT_ONCE: usize = 16;

#[expect(clippy::disallowed_types, reason = "never iterated, and hashed by a key of our own")]
type Rows = std::collections::HashMap<(u64, u64), i64, Seeded>;

/// So many small maps instead of a large one: a map that grows is copied, and a commit must not
/// wait for the copy of all keys of a day.
const MAPS: usize = 64;

/// The recent requests.
pub(super) struct Recent {
    /// The number of each key's row; the key says in which map.
    rows: Vec<Rows>,
    /// The number of the next row. Never used twice in the life of a process.
    next: i64,
    /// When the oldest row was written; nothing is old enough to be removed before that.
    oldest_ms: TimeMs,
    /// The number of the oldest row, as it was when the rows were last read.
    first: i64,
}

/// What a batch means for the recent requests, once it is committed.
pub(super) struct Noted {
    added: usize,
    removed: Vec<(RequestKey, i64)>,
    oldest_ms: TimeMs,
}

fn halves(key: RequestKey) -> (u64, u64) {
    ((key.0 >> 64) as u64, key.0 as u64)
}

impl Recent {
    /// Nothing yet. `secret` makes sure that nobody can choose keys that collide.
    pub(super) fn new(secret: &[u8; 32]) -> Recent {
        let seeded = Seeded::of(secret);
        let rows = (0..MAPS).map(|_| Rows::with_hasher(seeded.clone())).collect();
        Recent { rows, next: 1, oldest_ms: TimeMs::MAX, first: 1 }
    }

    fn map(&self, key: RequestKey) -> &Rows {
        &self.rows[key.0 as usize % MAPS]
    }

    fn map_mut(&mut self, key: RequestKey) -> &mut Rows {
        &mut self.rows[key.0 as usize % MAPS]
    }

    /// Reads the rows that are not known yet: all at the start, few after a fault. Forgets those that are
    /// gone: a commit of unknown outcome may have removed them, and nobody told us.
    pub(super) fn read(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let last: Option<i64> =
            conn.query_row("SELECT max(seq) FROM requests", [], |row| row.get(0))?;
        let (first, oldest_ms) = oldest(conn)?.unwrap_or((1, TimeMs::MAX));
        let last = last.unwrap_or(0);
        self.oldest_ms = oldest_ms;
        let gone = if last == 0 { i64::MAX } else { first };
        if gone > self.first {
            self.rows.iter_mut().for_each(|map| map.retain(|_, seq| *seq >= gone));
            self.first = first;
        }
        let missing = last + 1 - self.next.max(first);
        let missing = usize::try_from(missing).unwrap_or(0);
        self.rows.iter_mut().for_each(|map| map.reserve(missing / MAPS));
        let mut find = conn.prepare("SELECT seq, key FROM requests WHERE seq >= ?1")?;
        let mut rows = find.query([self.next])?;
        while let Some(row) = rows.next()? {
            let key = RequestKey(u128::from_be_bytes(row.get(1)?));
            self.map_mut(key).insert(halves(key), row.get(0)?);
        }
        self.next = self.next.max(last + 1);
        Ok(())
    }

    /// Finds what was answered to a request.
    pub(super) fn find(
        &self,
        conn: &Connection,
        key: RequestKey,
    ) -> rusqlite::Result<Option<Recorded>> {
        let Some(seq) = self.map(key).get(&halves(key)) else {
            return Ok(None);
        };
        conn.prepare_cached("SELECT fingerprint, reply FROM requests WHERE seq = ?1 AND key = ?2")?
            .query_row(params![seq, key.0.to_be_bytes()], |row| {
                let reply = super::codec::decode_reply(row.get_ref(1)?.as_blob()?);
                let reply = reply.map_err(|why| super::rows::unreadable("requests.reply", why))?;
                Ok(Recorded { key, fingerprint: row.get::<_, i64>(0)? as u64, reply })
            })
            .optional()
    }

    /// Whether an answer to this request is known.
    pub(super) fn knows(&self, key: RequestKey) -> bool {
        self.map(key).contains_key(&halves(key))
    }

    /// Writes the answers of a batch and removes some that are too old. Memory is not touched.
    pub(super) fn write(
        &self,
        conn: &Connection,
        recorded: &[Recorded],
        now_ms: TimeMs,
    ) -> rusqlite::Result<Noted> {
        let mut noted =
            Noted { added: recorded.len(), removed: Vec::new(), oldest_ms: self.oldest_ms };
        if too_old(self.oldest_ms, now_ms) {
            self.prune(conn, &mut noted, now_ms)?;
        }
        if recorded.is_empty() {
            return Ok(noted);
        }
        let mut insert = conn.prepare_cached(
            "INSERT INTO requests (seq, key, fingerprint, at_ms, reply) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for (seq, fact) in (self.next..).zip(recorded) {
            insert.execute(params![
                seq,
                fact.key.0.to_be_bytes(),
                fact.fingerprint as i64,
                now_ms,
                super::codec::encode_reply(&fact.reply)
            ])?;
        }
        noted.oldest_ms = noted.oldest_ms.min(now_ms);
        Ok(noted)
    }

    fn prune(&self, conn: &Connection, noted: &mut Noted, now_ms: TimeMs) -> rusqlite::Result<()> {
        let most = (PRUNED_AT_ONCE + 2 * noted.added) as i64;
        {
            let mut find =
                conn.prepare_cached("SELECT seq, key, at_ms FROM requests ORDER BY seq LIMIT ?1")?;
            let mut rows = find.query([most])?;
            while let Some(row) = rows.next()? {
                if !too_old(row.get(2)?, now_ms) {
                    break;
                }
                let key = RequestKey(u128::from_be_bytes(row.get(1)?));
                noted.removed.push((key, row.get(0)?));
            }
        }
        if let Some((_, last)) = noted.removed.last() {
            conn.prepare_cached("DELETE FROM requests WHERE seq <= ?1")?.execute([last])?;
        }
        noted.oldest_ms = oldest(conn)?.map_or(TimeMs::MAX, |(_, at_ms)| at_ms);
        Ok(())
    }

    /// Keeps in memory what is committed now.
    pub(super) fn committed(&mut self, recorded: &[Recorded], noted: &Noted) {
        for (key, seq) in &noted.removed {
            if self.map(*key).get(&halves(*key)) == Some(seq) {
                self.map_mut(*key).remove(&halves(*key));
            }
        }
        for fact in recorded {
            let next = self.next;
            self.map_mut(fact.key).insert(halves(fact.key), next);
            self.next += 1;
        }
        self.oldest_ms = noted.oldest_ms;
    }
}

/// The oldest row's number and time.
fn oldest(conn: &Connection) -> rusqlite::Result<Option<(i64, TimeMs)>> {
    conn.prepare_cached("SELECT seq, at_ms FROM requests ORDER BY seq LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// A row from the far future was written by a clock that was wrong. It goes too, or else nothing
/// behind it would ever go.
fn too_old(at_ms: TimeMs, now_ms: TimeMs) -> bool {
    at_ms != TimeMs::MAX && at_ms.abs_diff(now_ms) > REMEMBERED_MS as u64
}

/// A hash of two words, multiplied by a secret. The keys are digests already; this only keeps
/// somebody who chooses them from choosing where they go.
#[derive(Clone)]
pub(super) struct Seeded {
    hash: u64,
    by: u64,
}

impl Seeded {
    /// Nobody who does not know the secret can choose keys that collide.
    pub(super) fn of(secret: &[u8; 32]) -> Seeded {
        let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| secret[at + i]));
        Seeded { hash: half(0), by: half(8) | 1 }
    }
}

impl BuildHasher for Seeded {
    type Hasher = Seeded;

    fn build_hasher(&self) -> Seeded {
        self.clone()
    }
}

impl Hasher for Seeded {
    fn write_u64(&mut self, word: u64) {
        let wide = u128::from(self.hash ^ word) * u128::from(self.by);
        self.hash = (wide >> 64) as u64 ^ wide as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}
