//! A PostgreSQL as what is moved from or moved to.

use super::connect::Use;
use super::link::{Link, Target, Trouble, ask};
use super::reader::{ALL_ORDERS, PgReader};
use super::records::{Within, write};
use super::rows::{self, InOrder, Orders, one};
use super::schema::refuse_writers;
use super::write::{RECORD_SINCE, Writing, text};
use super::{NODE_LOCKS, schema, verify};
use crate::clock::Clock;
use crate::store::codec::{decode_reply, encode_reply};
use crate::store::records::audit_log::AuditLine;
use crate::store::records::{self, RecordChange, Tables};
use crate::store::test_orders::{NO_PROVIDER, PROVIDER};
use crate::store::transfer::{Facts, MOVED_TO, Sink, Source, Unfinished, already_moved};
use crate::store::{Batch, Fault, OrderPage, Reader, Recorded, RequestKey};
use boxoffice::{Change, Event, OrderId, TimeMs};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

/// One statement may look at everything.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// What connections of a move are called, to be told from those of processes that serve.
const NAME: &str = "nts migrate-store";

/// Connections of processes that serve: each has one that holds the lock of its node's number,
/// whatever it is called in its address.
const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> $2
        AND (application_name = 'nts' OR pid IN (
            SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::bigint))";
/// A move is refused if they are there in each of so many looks.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
const COUNT: &str = "SELECT count(*) FROM orders";
const REQUESTS: &str = "SELECT key, fingerprint, reply, at_ms FROM requests ORDER BY at_ms, key";

fn connect(target: &Target) -> Result<Link, Trouble> {
    let mut link = Link::new(target.named(NAME), Use::Serving)
        .map_err(|error| Trouble::Unreadable(format!("cannot start: {error}")))?;
    link.be_patient(PATIENCE);
    link.connect()?;
    link.script("SET idle_in_transaction_session_timeout = 0")?;
    Ok(link)
}

/// A database in which nobody writes while this lives.
pub(in crate::store) struct Export {
    reader: PgReader,
    /// Holds the locks.
    link: Link,
}

impl Export {
    /// Keeps all others from writing. The error is a sentence.
    pub(in crate::store) fn open(target: &Target, clock: Clock) -> Result<Export, String> {
        let failed = |trouble: Trouble| schema::failed(target, &trouble).to_string();
        let mut link = connect(target).map_err(failed)?;
        if !schema::readable(&mut link).map_err(failed)? {
            return Err(format!(
                "{} is no database of this version of nts. Nothing was changed.",
                target.name()
            ));
        }
        if let Some(to) = schema::get(&mut link, MOVED_TO).map_err(failed)? {
            return Err(already_moved(target.name(), &to));
        }
        // The server lists a process that has just stopped for some milliseconds more.
        let mut others: i64 = 0;
        for _ in 0..LOOKS {
            others = link
                .ask(&[ask!(OTHERS, i64::from(NODE_LOCKS), NAME)])
                .and_then(|found| one(&found[0]))
                .map_err(failed)?;
            if others == 0 {
                break;
            }
            link.pause(BETWEEN_LOOKS);
        }
        if others > 0 {
            return Err(format!(
                "nts serves on {} ({others} connections). Nothing was changed. Stop all its \
                 processes first, or what is sold meanwhile would be left behind.",
                target.name()
            ));
        }
        let cold: String =
            records::tables().iter().map(|table| format!(", {}", table.name)).collect();
        let lock = format!("LOCK TABLE events, pools, orders, requests{cold} IN EXCLUSIVE MODE");
        link.script(&format!("BEGIN; {lock}")).map_err(failed)?;
        let reader =
            PgReader::open(&target.named(NAME), clock).map_err(|fault| fault.to_string())?;
        Ok(Export { reader, link })
    }
}

impl Source for Export {
    fn reader(&mut self) -> &mut dyn Reader {
        &mut self.reader
    }

    fn count_orders(&mut self) -> Result<u64, Fault> {
        let count: i64 = one(&self.link.ask(&[ask!(COUNT)])?[0])?;
        Ok(count as u64)
    }

    fn requests(&mut self) -> Result<Vec<(Recorded, TimeMs)>, Fault> {
        let found = self.link.ask(&[ask!(REQUESTS)])?;
        let read = |row| {
            let mut row = InOrder::of(row);
            let key = RequestKey(row.next::<Uuid>()?.as_u128());
            let fingerprint = row.next::<i64>()? as u64;
            let reply =
                decode_reply(row.next()?).map_err(|why| rows::blob("requests.reply", why))?;
            Ok::<_, Trouble>((Recorded { key, fingerprint, reply }, row.next()?))
        };
        Ok(found[0].iter().map(read).collect::<Result<_, _>>()?)
    }

    fn facts(&mut self) -> Result<Facts, Fault> {
        let secret = schema::secret(&mut self.link)?;
        let organiser_key = schema::get(&mut self.link, "organiser_key")?;
        let provider = schema::get(&mut self.link, PROVIDER)?;
        Ok(Facts { secret, organiser_key, provider })
    }

    fn retire(&mut self, to: &str) -> Result<(), Fault> {
        self.link.ask(&[ask!(schema::PUT, MOVED_TO, to)])?;
        refuse_writers(&mut self.link)?;
        // Without an answer it may be done.
        self.link.script("COMMIT").map_err(|trouble| match trouble {
            Trouble::Lost(_) | Trouble::Late => Fault::Unknown(trouble.to_string()),
            _ => trouble.into(),
        })
    }

    fn reinstate(&mut self) -> Result<(), Fault> {
        self.link.retry_until_ok(|| ask!(schema::FORGET, MOVED_TO))?;
        Ok(())
    }

    fn clear_orders(&mut self, line: &AuditLine) -> Result<(), Fault> {
        let AuditLine { id, at_ms, actor, action, detail, .. } = line;
        let detail = detail.replace('\'', "''");
        // In the transaction that holds the locks.
        self.link.script(&format!(
            "DELETE FROM tickets; DELETE FROM refunds; DELETE FROM attempts; DELETE FROM payments;
             DELETE FROM orders; DELETE FROM buyers; DELETE FROM requests; DELETE FROM outbox;
             DELETE FROM mail_jobs; DELETE FROM order_search;
             DELETE FROM sale_figures; DELETE FROM payment_tries; DELETE FROM scans; DELETE FROM gate_counts;
             DELETE FROM terms_accepted; DELETE FROM webhook_tries;
             UPDATE pools SET held = 0, sold = 0;
             UPDATE events SET serials = 0;
             DELETE FROM meta WHERE key = 'sandbox';
             UPDATE meta SET value = '{NO_PROVIDER}' WHERE key = '{PROVIDER}';
             INSERT INTO audit_log (id, at_ms, actor, action, detail)
             VALUES (decode('{id:032x}', 'hex'), {at_ms}, '{actor}', '{}', '{detail}')",
            action.word()
        ))?;
        refuse_writers(&mut self.link)?;
        Ok(self.link.script("COMMIT")?)
    }
}

/// An empty database, and the one transaction that fills it.
pub(in crate::store) struct Import {
    link: Link,
}

impl Import {
    /// Begins. The error is a sentence.
    pub(in crate::store) fn open(target: &Target, facts: &Facts) -> Result<Import, String> {
        let failed = |trouble: Trouble| schema::failed(target, &trouble).to_string();
        let mut link = connect(target).map_err(failed)?;
        match schema::begin_anew(&mut link, &facts.secret).map_err(failed)? {
            true => {}
            false => {
                return Err(format!(
                    "{} is not empty. Nothing was changed. Name a database without tables; nts \
                     makes them.",
                    target.name()
                ));
            }
        }
        if let Some(key) = &facts.organiser_key {
            link.ask(&[ask!(schema::KEEP, "organiser_key", key.as_str())]).map_err(failed)?;
        }
        if let Some(provider) = &facts.provider {
            link.ask(&[ask!(schema::KEEP, PROVIDER, provider.as_str())]).map_err(failed)?;
        }
        Ok(Import { link })
    }
}

impl Sink for Import {
    fn put(&mut self, changes: &[Change]) -> Result<(), Fault> {
        let orders = BTreeMap::new();
        // When each of them changed is not moved. Whoever asks for what has changed gets all of it once more.
        let now_ms = rows::one(&self.link.ask(&[ask!(rows::CLOCK)])?[0])?;
        let writing =
            Writing::of(&Batch { changes, orders: &orders, recorded: &[], records: &[], now_ms });
        // Nobody looks after them yet: whoever starts first takes over what is due.
        let statements = writing.map_err(Fault::NotDone)?.statements(0);
        self.link.ask(&statements)?;
        Ok(())
    }

    fn put_requests(&mut self, requests: &[(Recorded, TimeMs)]) -> Result<(), Fault> {
        let facts = || requests.iter().map(|(fact, _)| fact);
        self.link.ask(&[ask!(
            RECORD_SINCE,
            facts().map(|f| Uuid::from_u128(f.key.0)).collect::<Vec<_>>(),
            facts().map(|f| f.fingerprint as i64).collect::<Vec<_>>(),
            requests.iter().map(|(_, at_ms)| *at_ms).collect::<Vec<_>>(),
            facts().map(|f| encode_reply(&f.reply)).collect::<Vec<_>>(),
        )])?;
        Ok(())
    }

    fn put_records(&mut self, changes: &[RecordChange]) -> Result<(), Fault> {
        Ok(write(&mut self.link, changes)?)
    }

    fn tables(&mut self) -> Result<Box<dyn Tables + '_>, Fault> {
        Ok(Box::new(Within::new(&mut self.link)))
    }

    fn verify(&mut self) -> Result<Vec<String>, Fault> {
        let mut wrong = verify::look(&mut self.link)?;
        records::verify(&mut Within::new(&mut self.link), &mut wrong)?;
        Ok(wrong)
    }

    fn events(&mut self) -> Result<Vec<Event>, Fault> {
        let asks = [ask!(rows::EVENTS), ask!(rows::POOLS), ask!(rows::TICKET_TYPES)];
        let found = self.link.ask(&asks)?;
        Ok(rows::events(&found[0], &found[1], &found[2])?)
    }

    fn orders(&mut self, after: Option<OrderId>, limit: usize) -> Result<OrderPage, Fault> {
        let after = Uuid::from_u128(after.map_or(0, |id| id.0));
        let found = self.link.ask(&[ask!(ALL_ORDERS, after, limit as i64)])?;
        let mut orders = Orders::of(&found[0])?;
        let children = self.link.ask(&orders.ask_children())?;
        orders.add_children(&children)?;
        let orders: Vec<_> = orders.into_orders().collect();
        let next = orders.last().map(|o| o.id).filter(|_| orders.len() == limit);
        Ok(OrderPage { orders, changed_ms: Vec::new(), next })
    }

    fn kept(&self, told: &str) -> String {
        text(told).into_owned()
    }

    fn finish(mut self: Box<Self>) -> Result<(), Unfinished> {
        let name = self.link.target().name().to_owned();
        self.link.script("COMMIT").map_err(|trouble| match trouble {
            Trouble::Lost(_) | Trouble::Late => Unfinished::Unknown(format!(
                "{name}: the connection was lost at the very end ({trouble}): either everything \
                 was moved, or nothing. Look with NTS_DATABASE set to it: nts audit --books-only."
            )),
            _ => Unfinished::Nothing(format!("{name}: {trouble}. Nothing was changed.")),
        })
    }
}
