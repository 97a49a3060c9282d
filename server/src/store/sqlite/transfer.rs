//! The embedded database as what is moved from or moved to.

use super::file::DatabaseFile;
use super::reader::{all_orders, check_counters, check_serials};
use super::records::{Within, write};
use super::write::Writing;
use super::{Opened, SqliteReader, SqliteStore, backup, codec, not_done, rows};
use crate::clock::Clock;
use crate::private_file;
use crate::store::records::audit_log::AuditLine;
use crate::store::records::{self, RecordChange, Tables};
use crate::store::test_orders::PROVIDER;
use crate::store::transfer::{Facts, MOVED_TO, Sink, Source, Unfinished, already_moved};
use crate::store::{Fault, OrderPage, Reader, Recorded, RequestKey};
use boxoffice::{Change, Event, OrderId, TimeMs};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A file that nobody serves while this lives.
pub(in crate::store) struct Export {
    store: SqliteStore,
    reader: SqliteReader,
    secret: [u8; 32],
}

impl Export {
    /// Takes the file for itself. The error is a sentence.
    pub(in crate::store) fn open(path: &Path, clock: Clock) -> Result<Export, String> {
        if !path.exists() {
            return Err(format!(
                "there is no database at {}. Nothing was changed.",
                path.display()
            ));
        }
        let Opened { store, secret, .. } =
            SqliteStore::open(path, clock).map_err(|e| e.to_string())?;
        if let Some(to) = store.meta_get(MOVED_TO).map_err(|fault| fault.to_string())? {
            return Err(already_moved(&path.display().to_string(), &to));
        }
        let reader = store.own_reader().map_err(|e| e.to_string())?;
        Ok(Export { store, reader, secret })
    }
}

impl Source for Export {
    fn reader(&mut self) -> &mut dyn Reader {
        &mut self.reader
    }

    fn count_orders(&mut self) -> Result<u64, Fault> {
        let count = "SELECT count(*) FROM orders";
        let count: i64 =
            self.store.conn()?.query_row(count, [], |row| row.get(0)).map_err(not_done)?;
        Ok(count as u64)
    }

    fn requests(&mut self) -> Result<Vec<(Recorded, TimeMs)>, Fault> {
        let conn = self.store.conn()?;
        let mut find = conn
            .prepare("SELECT key, fingerprint, reply, at_ms FROM requests ORDER BY seq")
            .map_err(not_done)?;
        let mut found = find.query([]).map_err(not_done)?;
        let mut requests = Vec::new();
        while let Some(row) = found.next().map_err(not_done)? {
            let read = || -> rusqlite::Result<_> {
                let key = RequestKey(u128::from_be_bytes(row.get(0)?));
                let reply: Vec<u8> = row.get(2)?;
                Ok((key, row.get::<_, i64>(1)? as u64, reply, row.get::<_, TimeMs>(3)?))
            };
            let (key, fingerprint, reply, at_ms) = read().map_err(not_done)?;
            let reply = codec::decode_reply(&reply)
                .map_err(|why| Fault::NotDone(format!("a remembered answer is {why}")))?;
            requests.push((Recorded { key, fingerprint, reply }, at_ms));
        }
        Ok(requests)
    }

    fn facts(&mut self) -> Result<Facts, Fault> {
        let organiser_key = self.store.meta_get("organiser_key")?;
        let provider = self.store.meta_get(PROVIDER)?;
        Ok(Facts { secret: self.secret, organiser_key, provider })
    }

    fn retire(&mut self, to: &str) -> Result<(), Fault> {
        self.store.meta_put(MOVED_TO, to)
    }

    fn reinstate(&mut self) -> Result<(), Fault> {
        self.store.meta_forget(MOVED_TO)
    }

    fn clear_orders(&mut self, line: &AuditLine) -> Result<(), Fault> {
        let clear = "BEGIN IMMEDIATE;
            DELETE FROM tickets; DELETE FROM refunds; DELETE FROM attempts; DELETE FROM payments;
            DELETE FROM orders; DELETE FROM requests; DELETE FROM outbox;
            DELETE FROM mail_jobs; DELETE FROM order_search;
            DELETE FROM sale_figures; DELETE FROM payment_tries; DELETE FROM scans; DELETE FROM gate_counts;
            DELETE FROM terms_accepted; DELETE FROM webhook_tries;
            UPDATE pools SET held = 0, sold = 0;
            UPDATE events SET serials = 0;
            DELETE FROM meta WHERE key IN ('provider', 'sandbox');";
        let log =
            "INSERT INTO audit_log (id, at_ms, actor, action, detail) VALUES (?1, ?2, ?3, ?4, ?5)";
        let AuditLine { id, at_ms, actor, action, detail, .. } = line;
        let values =
            params![id.to_be_bytes(), at_ms, actor.to_string(), action.word(), detail.as_str()];
        let conn = self.store.conn()?;
        let cleared = conn
            .execute_batch(clear)
            .and_then(|()| conn.execute(log, values))
            .and_then(|_| conn.execute_batch("COMMIT"));
        cleared.map_err(|error| {
            _ = conn.execute_batch("ROLLBACK");
            not_done(error)
        })
    }
}

/// A new file under another name, until it is finished.
pub(in crate::store) struct Import {
    store: Option<SqliteStore>,
    partial: PathBuf,
    target: PathBuf,
    last_high: u64,
}

impl Import {
    /// Begins. The error is a sentence.
    pub(in crate::store) fn open(
        target: &Path,
        facts: &Facts,
        clock: Clock,
    ) -> Result<Import, String> {
        if target.exists() {
            return Err(format!(
                "{} exists already. Nothing was changed. Name a file that does not exist.",
                target.display()
            ));
        }
        let mut partial = OsString::from(target);
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let place = DatabaseFile { secret: Some(facts.secret), ..DatabaseFile::on_disk(&partial) };
        let trouble = |error: &dyn std::fmt::Display| {
            format!("{}: {error}. Nothing was changed.", partial.display())
        };
        // What an earlier move left half done goes, but not what one is writing now.
        let lock = place.lock().map_err(|e| trouble(&e))?;
        File::options()
            .write(true)
            .open(&partial)
            .and_then(|file| file.set_len(0))
            .or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
            .map_err(|e| trouble(&e))?;
        remove_logs(&partial);
        let opened = SqliteStore::open_at(place, clock, Some(lock)).map_err(|e| trouble(&e))?;
        private_file::close_database(&partial);
        let mut to = Import {
            store: Some(opened.store),
            partial: partial.clone(),
            target: target.into(),
            last_high: 0,
        };
        let store = to.store.as_mut().expect("it was opened");
        let mut begin = || {
            if let Some(key) = &facts.organiser_key {
                store.meta_put("organiser_key", key)?;
            }
            if let Some(provider) = &facts.provider {
                store.meta_put(PROVIDER, provider)?;
            }
            store.conn()?.execute_batch("BEGIN IMMEDIATE").map_err(not_done)
        };
        begin().map_err(|e| trouble(&e))?;
        Ok(to)
    }

    fn conn(&self) -> Result<&Connection, Fault> {
        self.store.as_ref().expect("until it is finished").conn()
    }
}

fn remove_logs(path: &Path) {
    for suffix in ["-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        _ = std::fs::remove_file(PathBuf::from(name));
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        if self.store.take().is_some() {
            _ = std::fs::remove_file(&self.partial);
            remove_logs(&self.partial);
        }
        // Nobody needs the lock of a file that is not there, or not under this name.
        let mut lock = self.partial.as_os_str().to_owned();
        lock.push("-lock");
        _ = std::fs::remove_file(PathBuf::from(lock));
    }
}

impl Sink for Import {
    fn put(&mut self, changes: &[Change]) -> Result<(), Fault> {
        let mut highs = BTreeSet::new();
        for change in changes {
            let Change::OrderPlaced(order) = change else { continue };
            let high = codec::split(order.id).0;
            let find = "SELECT 1 FROM orders WHERE id = ?1";
            let there = self.conn()?.prepare_cached(find).and_then(|mut f| f.exists([high]));
            if there.map_err(not_done)? || !highs.insert(high) {
                return Err(Fault::NotDone(format!(
                    "order {} and another were made in the same instant by two processes, and a \
                     file has one key for both: it cannot take in this sale",
                    uuid::Uuid::from_u128(order.id.0)
                )));
            }
        }
        // When each of them changed is not moved. Whoever asks for what has changed gets all of it once more.
        let now = self.store.as_ref().map_or(0, |store| store.clock.now_ms());
        let written = Writing::new(self.conn()?, now).and_then(|writing| writing.all(changes));
        self.last_high = self.last_high.max(written?.last_high);
        Ok(())
    }

    fn put_requests(&mut self, requests: &[(Recorded, TimeMs)]) -> Result<(), Fault> {
        let put = |conn: &Connection| -> rusqlite::Result<()> {
            let mut insert = conn.prepare_cached(
                "INSERT INTO requests (key, fingerprint, at_ms, reply) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (fact, at_ms) in requests {
                insert.execute(params![
                    fact.key.0.to_be_bytes(),
                    fact.fingerprint as i64,
                    at_ms,
                    codec::encode_reply(&fact.reply)
                ])?;
            }
            Ok(())
        };
        put(self.conn()?).map_err(not_done)
    }

    fn put_records(&mut self, changes: &[RecordChange]) -> Result<(), Fault> {
        write(self.conn()?, changes)
    }

    fn tables(&mut self) -> Result<Box<dyn Tables + '_>, Fault> {
        Ok(Box::new(Within(self.conn()?)))
    }

    fn verify(&mut self) -> Result<Vec<String>, Fault> {
        let mut wrong = Vec::new();
        let conn = self.conn()?;
        check_counters(conn, &mut wrong)
            .and_then(|()| check_serials(conn, &mut wrong))
            .map_err(not_done)?;
        records::verify(&mut Within(conn), &mut wrong)?;
        Ok(wrong)
    }

    fn events(&mut self) -> Result<Vec<Event>, Fault> {
        rows::events(self.conn()?, "", []).map_err(not_done)
    }

    fn orders(&mut self, after: Option<OrderId>, limit: usize) -> Result<OrderPage, Fault> {
        all_orders(self.conn()?, after, limit).map_err(not_done)
    }

    fn finish(mut self: Box<Self>) -> Result<(), Unfinished> {
        let trouble = |what: &Path, error: &dyn std::fmt::Display| {
            Unfinished::Nothing(format!("{}: {error}. Nothing was changed.", what.display()))
        };
        let path = self.partial.clone();
        let conn = self.conn().map_err(|fault| trouble(&path, &fault))?;
        conn.execute("UPDATE progress SET last_high = ?1", [self.last_high as i64])
            .and_then(|_| conn.execute_batch("COMMIT"))
            .map_err(|e| trouble(&self.partial, &e))?;
        // Everything is in the one file once it is closed; then it gets its name.
        drop(self.store.take());
        let named = File::open(&self.partial)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&self.partial, &self.target));
        if let Err(error) = named {
            _ = std::fs::remove_file(&self.partial);
            return Err(trouble(&self.target, &error));
        }
        backup::sync_parent(&self.target)
            .map_err(|e| Unfinished::Unknown(format!("{}: {e}.", self.target.display())))
    }
}
