//! Reading: connections of their own that see whole commits, and never wait for a writer.

use super::connect::Use;
use super::link::{Ask, Link, PATIENCE, Target, Trouble, ask, draw};
use super::records::ask_alone;
use super::rows::{self, Orders, order_columns};
use super::verify::verify;
use super::{BEGIN_WRITER, schema};
use crate::clock::Clock;
use crate::store::history::{self, Course};
use crate::store::records::{self, Row, Tables, Value};
use crate::store::{
    Fault, Lane, Listing, NamedTicket, OrderPage, Owner, OwnerPage, Reader, VersionVector, codec,
};
use boxoffice::{Event, EventId, Order, OrderId, TimeMs};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const END: &str = "COMMIT";

const EVENT_ORDERS: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM orders WHERE event = $1 AND id > $2 ORDER BY id LIMIT $3::bigint"
);
pub(super) const ALL_ORDERS: &str =
    concat!("SELECT ", order_columns!(), " FROM orders WHERE id > $1 ORDER BY id LIMIT $2");
/// The orders of a listing, out of those that are looked at. `$1` and `$2` are the bounds, `$3` the events (none:
/// all), `$4` how many are looked at, `$5` the state (none: each), `$6` and `$8` the bounds of the time of the last change, the
/// second excluded, `$7` how many at most. What is not asked for by these is told by the program, which also needs to know where the look has ended.
macro_rules! listing {
    ($of_events:literal, $order:literal) => {
        concat!(
            "SELECT ",
            order_columns!(),
            ", greatest(changed_ms, placed_ms) AS last_ms FROM (SELECT * FROM orders WHERE id > $1 AND id < $2 AND ",
            $of_events,
            " ORDER BY id ",
            $order,
            " LIMIT $4::bigint) AS looked_at
             WHERE ($5::smallint IS NULL OR state = $5) AND greatest(changed_ms, placed_ms) >= $6
                   AND greatest(changed_ms, placed_ms) < $8
             ORDER BY id ",
            $order,
            " LIMIT $7::bigint"
        )
    };
}
/// Where the look ends.
macro_rules! look_ends {
    ($of_events:literal, $order:literal) => {
        concat!(
            "SELECT id FROM orders WHERE id > $1 AND id < $2 AND ",
            $of_events,
            " ORDER BY id ",
            $order,
            " LIMIT 1 OFFSET $4::bigint"
        )
    };
}
/// For one event, for some, and for all.
const OF_EVENTS: [[[&str; 2]; 2]; 3] = [
    [
        [listing!("event = $3::bigint", ""), look_ends!("event = $3::bigint", "")],
        [listing!("event = $3::bigint", "DESC"), look_ends!("event = $3::bigint", "DESC")],
    ],
    [
        [listing!("event = ANY($3::bigint[])", ""), look_ends!("event = ANY($3::bigint[])", "")],
        [
            listing!("event = ANY($3::bigint[])", "DESC"),
            look_ends!("event = ANY($3::bigint[])", "DESC"),
        ],
    ],
    [
        [listing!("$3::bigint IS NULL", ""), look_ends!("$3::bigint IS NULL", "")],
        [listing!("$3::bigint IS NULL", "DESC"), look_ends!("$3::bigint IS NULL", "DESC")],
    ],
];
const OWNERS: &str = "SELECT id, event, buyer_key FROM orders WHERE id > $1 ORDER BY id LIMIT $2";
const NAMED_TICKETS: &str = "SELECT t.serial, t.line, t.state, t.code_rule, t.revision, t.guest,
            coalesce(t.guest, o.name), o.first_serial, o.answers
     FROM tickets t JOIN orders o ON o.event = t.event AND o.id = t.order_id
     WHERE t.event = $1 AND t.serial > $2 ORDER BY t.serial LIMIT $3";

const REFERENCES: &str = "SELECT reference FROM orders WHERE event = $1 AND reference <> ''
     AND left(reference, char_length($2::text)) = $2::text ORDER BY id";

const ORDER_OF_TICKET: &str = "SELECT order_id FROM tickets WHERE event = $1 AND serial = $2";

/// Who has changed an order last looks after it; another takes it over when it has been due for so
/// long, in milliseconds, and keeps it from the rest for [`KEPT_MS`]. Its keeper renews that.
const OVERDUE_MS: i64 = 3_000;
/// How long an order that was taken over is left to its keeper, in milliseconds.
const KEPT_MS: i64 = 10_000;

/// What is due of one lane. `$1` is the time (none: the database's own), `$2` who asks, `$3` how
/// many, `$4` and `$5` as above. What nobody looks after is taken over, each order by one process.
macro_rules! due {
    ($state:literal) => {
        concat!(
            "WITH clock AS MATERIALIZED (
                SELECT coalesce($1::bigint, (extract(epoch FROM statement_timestamp()) * 1000)::bigint)
                       AS now_ms),
             mine AS (
                SELECT event, id, due_ms FROM orders
                WHERE due_ms <= (SELECT now_ms FROM clock) AND due_ms IS NOT NULL AND ",
            $state,
            " AND keeper = $2::bigint ORDER BY due_ms, id LIMIT $3),
             free AS (
                SELECT event, id FROM orders
                WHERE due_ms <= (SELECT now_ms FROM clock) - $4::bigint / 2 AND due_ms IS NOT NULL AND ",
            $state,
            " AND (keeper = $2::bigint AND kept_until_ms < (SELECT now_ms FROM clock) + $5::bigint / 2
                   OR kept_until_ms < (SELECT now_ms FROM clock)
                      AND due_ms <= (SELECT now_ms FROM clock) - $4::bigint)
                ORDER BY due_ms, id LIMIT $3 FOR UPDATE SKIP LOCKED),
             taken AS (
                UPDATE orders o
                SET keeper = $2::bigint, kept_until_ms = (SELECT now_ms FROM clock) + $5::bigint
                FROM free WHERE o.event = free.event AND o.id = free.id
                RETURNING o.id, o.due_ms)
             SELECT id FROM (SELECT id, due_ms FROM mine UNION SELECT id, due_ms FROM taken) AS d
             ORDER BY due_ms, id LIMIT $3"
        )
    };
}
const DUE_HOLDS: &str = due!("state = 0");
const DUE_PAYMENTS: &str = due!("state > 0");

/// What tells that some writer has committed something. Each of them counts its batches.
pub(super) const BATCHES: &str = "SELECT id, batch FROM writers WHERE batch > 0 ORDER BY id";

/// Since when transactions are under way that have written or locked something, in milliseconds; null: there is none.
/// A batch reads the clock that dates it after it has locked its events, so none that has not locked anything yet is
/// dated before this question. Of sessions of other roles nothing is told
/// (<https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW>); all processes of
/// a box office sign in as one.
const UNDER_WAY: &str = "SELECT (extract(epoch FROM min(xact_start)) * 1000)::bigint
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL AND xact_start IS NOT NULL";
const CHANGED: &str = "SELECT greatest(changed_ms, placed_ms) FROM orders WHERE id = $1";

/// How long one statement may take that reads everything.
const VERIFY: Duration = Duration::from_secs(3_600);

/// How often a question is asked again on a new connection.
const MOST_TRIES: u32 = 3;

/// The pages' side of the database.
pub struct PgReader {
    link: Link,
    clock: Clock,
    /// Tells the commits of this connection from those of others.
    id: i64,
}

impl PgReader {
    /// Connects to a database that has been made ready, to serve from it.
    pub fn open(target: &Target, clock: Clock) -> Result<PgReader, Fault> {
        PgReader::open_for(Use::Serving, target, clock)
    }

    /// The same to look only: a standby will do where the primary cannot be had.
    pub fn open_to_look(target: &Target, clock: Clock) -> Result<PgReader, Fault> {
        PgReader::open_for(Use::Looking, target, clock)
    }

    fn open_for(wanted: Use, target: &Target, clock: Clock) -> Result<PgReader, Fault> {
        let link = Link::new(target.clone(), wanted).map_err(|e| Fault::NotDone(e.to_string()))?;
        let mut reader = PgReader { link, clock, id: draw() };
        reader.connect()?;
        if !schema::readable(&mut reader.link)? {
            let name = &target.name;
            return Err(Fault::NotDone(format!("{name} is no database of this version of nts")));
        }
        Ok(reader)
    }

    /// Connects, and makes a durable commit: what can be read then is safe. A standby takes none, and has
    /// what the primary had made durable.
    fn connect(&mut self) -> Result<(), Trouble> {
        let connected = self.connect_once();
        if !matches!(connected, Err(Trouble::Late)) {
            return connected;
        }
        // It cannot commit: another one is tried first now.
        self.link.leave();
        self.connect_once()
    }

    fn connect_once(&mut self) -> Result<(), Trouble> {
        self.link.connect()?;
        if self.link.is_read_only() {
            return Ok(());
        }
        let barrier = ask!(BEGIN_WRITER, self.id, draw(), 0i64);
        self.link.ask(&[barrier])?;
        if self.link.warned() {
            // The commit may be here alone, and so may what is read.
            return Err(Trouble::Late);
        }
        self.link.settle();
        Ok(())
    }

    /// The server's own secret, made with the database.
    pub fn secret(&mut self) -> Result<[u8; 32], Fault> {
        self.again(schema::secret)
    }

    /// A text that is kept under this key.
    pub fn meta(&mut self, key: &str) -> Result<Option<String>, Fault> {
        self.again(|link| schema::get(link, key))
    }

    /// Asks; once more on a new connection if the old one is lost.
    fn again<T>(&mut self, ask: impl Fn(&mut Link) -> Result<T, Trouble>) -> Result<T, Fault> {
        let mut tries = 0;
        loop {
            tries += 1;
            let usable = self.link.is_open() && !self.link.is_elsewhere();
            let answer = if usable { Ok(()) } else { self.connect() };
            let trouble = match answer.and_then(|()| ask(&mut self.link)) {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let once_more = trouble.overtaken() || matches!(trouble, Trouble::Lost(_));
            match &trouble {
                // Another one may be the primary by now.
                Trouble::Sql { code, .. } if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
                    self.link.close();
                }
                // The connection goes on, and the transaction, if there is one, must end.
                Trouble::Sql { .. } | Trouble::Unreadable(_) => {
                    if self.link.ask(&[ask!("ROLLBACK")]).is_err() {
                        self.link.close();
                    }
                }
                Trouble::Late => self.link.leave(),
                Trouble::Lost(_) | Trouble::Pooled => self.link.close(),
            }
            if !once_more || tries == MOST_TRIES {
                return Err(trouble.into());
            }
            self.link.pause(Duration::from_millis(20 << tries));
        }
    }
}

/// Asks of one and the same commit, in one round trip.
fn at_once(link: &mut Link, asks: Vec<Ask<'_>>) -> Result<Vec<Vec<tokio_postgres::Row>>, Trouble> {
    let mut all = vec![ask!(BEGIN)];
    all.extend(asks);
    all.push(ask!(END));
    let mut answers = link.ask(&all)?;
    answers.pop();
    answers.remove(0);
    Ok(answers)
}

/// Reads orders whole.
fn read_orders(link: &mut Link, find: Ask<'_>) -> Result<Vec<Order>, Trouble> {
    let found = link.ask(&[ask!(BEGIN), find])?;
    let mut orders = Orders::of(&found[1])?;
    let mut asks = orders.ask_children();
    asks.push(ask!(END));
    let mut answers = link.ask(&asks)?;
    answers.pop();
    orders.add_children(&answers)?;
    Ok(orders.into_orders().collect())
}

/// So many rows of a listing are read at a time: most of them may be passed over by the program.
const ROWS: usize = 500;

/// A part of a listing: orders without what lies in other tables, when each of them changed, and where the next page
/// begins.
type Listed = (Orders, BTreeMap<OrderId, TimeMs>, Option<OrderId>);

/// The orders of a listing. Within a transaction
/// that somebody else begins and ends.
fn find_listed(
    link: &mut Link,
    listing: &Listing,
    fits: &dyn Fn(&Order) -> bool,
) -> Result<Listed, Trouble> {
    let mut after = listing.after.map_or(0, |id| id.0);
    let mut before = listing.before.map_or(u128::MAX, |id| id.0);
    let state = listing.state.map(|state| codec::state_number(state) as i16);
    let since = listing.changed_since.unwrap_or(i64::MIN);
    let until = listing.changed_before.unwrap_or(i64::MAX);
    let (look, last) = (listing.look as i64, listing.look.saturating_sub(1) as i64);
    let events: Option<Vec<i64>> =
        listing.events.as_ref().map(|events| events.iter().map(|e| e.0 as i64).collect());
    let which = match events.as_deref() {
        Some([_]) => 0,
        Some(_) => 1,
        None => 2,
    };
    let [find, end] = OF_EVENTS[which][usize::from(listing.newest_first)];
    let (mut orders, mut changed) = (Orders::default(), BTreeMap::new());
    let mut read = 0;
    loop {
        let (from, to) = (Uuid::from_u128(after), Uuid::from_u128(before));
        let rows = ROWS as i64;
        // One event as a value, so that the index which begins with the event is used.
        let (find, end) = match events.as_deref() {
            Some([event]) => (
                ask!(find, from, to, *event, look, state, since, rows, until),
                ask!(end, from, to, *event, last),
            ),
            Some(events) => (
                ask!(find, from, to, events.to_vec(), look, state, since, rows, until),
                ask!(end, from, to, events.to_vec(), last),
            ),
            None => (
                ask!(find, from, to, None::<i64>, look, state, since, rows, until),
                ask!(end, from, to, None::<i64>, last),
            ),
        };
        let found = link.ask(&[find])?.remove(0);
        for row in &found {
            let (order, serials) = rows::order(row)?;
            let id = order.id;
            if listing.newest_first {
                before = id.0;
            } else {
                after = id.0;
            }
            if listing.only.is_none_or(|only| only == id) && fits(&order) {
                orders.0.insert(id, (order, serials));
                let last_ms = row.try_get("last_ms");
                changed.insert(id, last_ms.map_err(|e| Trouble::Unreadable(e.to_string()))?);
                if orders.0.len() >= listing.limit {
                    return Ok((orders, changed, Some(id)));
                }
            }
        }
        read += found.len();
        if found.len() < ROWS {
            let ends = link.ask(&[end])?;
            return Ok((orders, changed, ends[0].first().map(rows::id).transpose()?));
        }
        if read >= listing.look {
            let id = if listing.newest_first { before } else { after };
            return Ok((orders, changed, Some(OrderId(id))));
        }
    }
}

fn page(orders: Vec<Order>, limit: usize) -> OrderPage {
    let full = orders.len() == limit;
    let next = orders.last().map(|order| order.id).filter(|_| full);
    OrderPage { orders, changed_ms: Vec::new(), next }
}

impl Tables for PgReader {
    fn query(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, Fault> {
        self.again(|link| ask_alone(link, sql, values))
    }

    /// Refused: the transaction may not write.
    fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<(), Fault> {
        self.again(|link| ask_alone(link, sql, values)).map(drop)
    }
}

impl Reader for PgReader {
    fn tables(&mut self) -> &mut dyn Tables {
        self
    }

    fn versions(&mut self) -> Result<Option<VersionVector>, Fault> {
        let turned = matches!(self.clock, Clock::Manual(_)).then(|| self.clock.now_ms());
        let history = self.link.target().history.clone();
        // Before it is looked which server is asked: what the writer learns meanwhile may be another one's.
        let known = history.remembered();
        self.again(|link| {
            let found = link.ask(&[ask!(rows::CLOCK), ask!(BATCHES), ask!(schema::STATE)])?;
            link.is_ours(&found[0])?;
            let mark: Vec<(i64, i64)> =
                found[1].iter().map(rows::pair).collect::<Result<_, _>>()?;
            let at_ms = rows::one(&found[0])?;
            let mut told = schema::Told::read(&found[2])?;
            let course = known.compare(told.history, &mark);
            if let Course::WentBack(why) = &course {
                if told.stopped.is_none() {
                    schema::stop(link, known.number(), told.history, why)?;
                }
                told.stopped.get_or_insert_with(|| history::told(why));
            } else {
                history.learn_all(told.history, &mark, at_ms);
            }
            Ok(Some(VersionVector {
                at_ms: turned.unwrap_or(at_ms),
                mark,
                history: told.history.number,
                went_back: matches!(course, Course::WentBack(_)),
                stopped: told.stopped,
                on_standby: told.on_standby,
                is_standby: link.is_read_only(),
            }))
        })
    }

    fn settled_ms(&mut self) -> Result<Option<TimeMs>, Fault> {
        if let Clock::Manual(_) = self.clock {
            return Ok(Some(self.clock.now_ms()));
        }
        // The clock first: what begins in between is dated later.
        self.again(|link| {
            let now_ms: TimeMs = rows::one(&link.ask(&[ask!(rows::CLOCK)])?[0])?;
            let under_way: Option<TimeMs> = rows::one(&link.ask(&[ask!(UNDER_WAY)])?[0])?;
            Ok(Some(under_way.map_or(now_ms, |since_ms| since_ms.min(now_ms))))
        })
    }

    fn changed_ms(&mut self, id: OrderId) -> Result<Option<TimeMs>, Fault> {
        self.again(|link| {
            let rows = link.ask(&[ask!(CHANGED, Uuid::from_u128(id.0))])?;
            rows[0].first().map(|row| rows::InOrder::of(row).next()).transpose()
        })
    }

    fn verify(&mut self) -> Result<Vec<String>, Fault> {
        self.link.be_patient(VERIFY);
        let wrong = self.again(verify).and_then(|mut wrong| {
            records::verify(self, &mut wrong)?;
            Ok(wrong)
        });
        self.link.be_patient(PATIENCE);
        wrong
    }

    fn events(&mut self) -> Result<Vec<Event>, Fault> {
        self.again(|link| {
            let asks = vec![ask!(rows::EVENTS), ask!(rows::POOLS), ask!(rows::TICKET_TYPES)];
            let found = at_once(link, asks)?;
            rows::events(&found[0], &found[1], &found[2])
        })
    }

    fn order(&mut self, id: OrderId) -> Result<Option<Order>, Fault> {
        self.again(|link| {
            let find = ask!(rows::SOME_ORDERS, vec![Uuid::from_u128(id.0)]);
            Ok(read_orders(link, find)?.pop())
        })
    }

    fn orders(
        &mut self,
        event: EventId,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<OrderPage, Fault> {
        let after = Uuid::from_u128(after.map_or(0, |id| id.0));
        self.again(|link| {
            let find = ask!(EVENT_ORDERS, event.0 as i64, after, limit as i64);
            Ok(page(read_orders(link, find)?, limit))
        })
    }

    fn all_orders(&mut self, after: Option<OrderId>, limit: usize) -> Result<OrderPage, Fault> {
        let after = Uuid::from_u128(after.map_or(0, |id| id.0));
        self.again(|link| {
            let find = ask!(ALL_ORDERS, after, limit as i64);
            Ok(page(read_orders(link, find)?, limit))
        })
    }

    fn listed(
        &mut self,
        listing: &Listing,
        fits: &dyn Fn(&Order) -> bool,
    ) -> Result<OrderPage, Fault> {
        self.again(|link| {
            link.ask(&[ask!(BEGIN)])?;
            let (orders, changed, next) = find_listed(link, listing, fits)?;
            let mut asks = orders.ask_children();
            asks.push(ask!(END));
            let mut answers = link.ask(&asks)?;
            answers.pop();
            let mut orders = orders;
            orders.add_children(&answers)?;
            let orders = orders.into_orders().collect();
            let mut page = OrderPage { orders, changed_ms: changed.into_values().collect(), next };
            if listing.newest_first {
                page.orders.reverse();
                page.changed_ms.reverse();
            }
            Ok(page)
        })
    }

    fn owners(&mut self, after: Option<OrderId>, limit: usize) -> Result<OwnerPage, Fault> {
        let after = Uuid::from_u128(after.map_or(0, |id| id.0));
        self.again(|link| {
            let rows = link.ask(&[ask!(OWNERS, after, limit as i64)])?;
            let owners: Vec<Owner> = rows[0].iter().map(rows::owner).collect::<Result<_, _>>()?;
            let next = owners.last().map(|o| o.order).filter(|_| owners.len() == limit);
            Ok(OwnerPage { owners, next })
        })
    }

    /// Of what nobody else looks after: several processes share the work. The time is the
    /// database's, unless somebody turns the clock.
    fn due(&mut self, now: TimeMs, lane: Lane, limit: usize) -> Result<Vec<OrderId>, Fault> {
        let now = matches!(self.clock, Clock::Manual(_)).then_some(now);
        let sql = match lane {
            Lane::Holds => DUE_HOLDS,
            Lane::Payments => DUE_PAYMENTS,
        };
        self.again(|link| {
            let me = link.target().process;
            let rows = link.ask(&[ask!(sql, now, me, limit as i64, OVERDUE_MS, KEPT_MS)])?;
            rows[0].iter().map(rows::id).collect()
        })
    }

    fn tickets(
        &mut self,
        event: EventId,
        after: u32,
        limit: usize,
    ) -> Result<Vec<NamedTicket>, Fault> {
        self.again(|link| {
            let asked = ask!(NAMED_TICKETS, event.0 as i64, i64::from(after), limit as i64);
            let rows = link.ask(&[asked])?;
            rows[0].iter().map(rows::named_ticket).collect()
        })
    }

    fn references(&mut self, event: EventId, prefix: &str) -> Result<Vec<String>, Fault> {
        self.again(|link| {
            let rows = link.ask(&[ask!(REFERENCES, event.0 as i64, prefix.to_owned())])?;
            rows[0].iter().map(|row| rows::InOrder::of(row).next()).collect()
        })
    }

    fn order_of_ticket(&mut self, event: EventId, serial: u32) -> Result<Option<OrderId>, Fault> {
        self.again(|link| {
            let rows = link.ask(&[ask!(ORDER_OF_TICKET, event.0 as i64, i64::from(serial))])?;
            let id = |row| Ok(OrderId(rows::InOrder::of(row).next::<Uuid>()?.as_u128()));
            rows[0].first().map(id).transpose()
        })
    }
}
