//! Changes into rows, within a transaction that somebody else begins and ends.
//!
//! The counters of a pool are written once per batch, as the sum of what moved; a batch is decided
//! one command after the other, so the sum obeys what each step obeyed. An event that is put in the
//! middle of a batch first gets what moved before it.

use super::{codec, records, rows};
use crate::store::offer_row::{kind_number, rules_text};
use crate::store::{Fault, event_row};
use boxoffice::{
    Answer, Attempt, Buyer, COUNTERS_FROM, Change, Counter, Event, EventId, Line, Metadata, Order,
    OrderId, OrderState, Payment, Refund, Standing, Ticket, TimeMs,
};
use rusqlite::{CachedStatement, Connection, ffi, params};
use std::collections::{BTreeMap, BTreeSet};

/// Why a batch was not written.
pub(super) enum Trouble {
    Sql(rusqlite::Error),
    /// A rule that no constraint of the schema can tell.
    Broken(String),
    /// Of a cold table.
    Cold(Fault),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Cold(fault)
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Sql(error)
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Fault {
        Fault::NotDone(match trouble {
            // The text names the constraint.
            Trouble::Sql(error) if error.sqlite_error_code() == Some(CONSTRAINT) => {
                format!("refused by the schema: {error}")
            }
            Trouble::Sql(error) => error.to_string(),
            Trouble::Broken(rule) => rule,
            Trouble::Cold(fault) => return fault,
        })
    }
}

const CONSTRAINT: ffi::ErrorCode = ffi::ErrorCode::ConstraintViolation;

type Done<T = ()> = Result<T, Trouble>;

fn broken<T>(rule: impl Into<String>) -> Done<T> {
    Err(Trouble::Broken(rule.into()))
}

/// Writes the changes of one batch, and gathers what they mean for the events.
pub(super) struct Writing<'c> {
    conn: &'c Connection,
    insert_order: CachedStatement<'c>,
    /// What moved and is not written yet.
    stock: BTreeMap<(EventId, u16), (i64, i64)>,
    /// The tickets that orders got, first and last serial.
    issued: BTreeMap<OrderId, (u32, u32)>,
    /// When all of it was decided.
    now_ms: TimeMs,
    /// The orders that changed otherwise than by a move, which says so itself.
    changed: BTreeSet<OrderId>,
    outcome: Outcome,
}

/// What a batch means for what is kept in memory, once it is committed.
#[derive(Default)]
pub(super) struct Outcome {
    /// Events that were put, and what moved, in this order of time.
    pub(super) events: Vec<EventNews>,
    /// The highest of the high halves of ids that came in.
    pub(super) last_high: u64,
}

/// One thing that happened to an event.
pub(super) enum EventNews {
    /// It is so now, counters and all.
    Put(Box<Event>),
    /// It is no more.
    Deleted(EventId),
    /// Places of a pool moved.
    Stock(EventId, u16, i64, i64),
    /// Tickets up to this serial were issued.
    Serials(EventId, u32),
}

impl<'c> Writing<'c> {
    /// Of a batch that was decided at this time.
    pub(super) fn new(conn: &'c Connection, now_ms: TimeMs) -> Done<Writing<'c>> {
        let insert_order = conn.prepare_cached(
            "INSERT INTO orders (id, low, event, state, lines, name, email, buyer_key, currency,
                                 placed_ms, until_ms, due_ms, tries, trouble, language,
                                 tender, reference, answers, metadata, changed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                     ?18, ?19, ?10)",
        )?;
        let (stock, issued) = (BTreeMap::new(), BTreeMap::new());
        let (changed, outcome) = (BTreeSet::new(), Outcome::default());
        Ok(Writing { conn, insert_order, stock, issued, now_ms, changed, outcome })
    }

    /// Writes all of them.
    pub(super) fn all(mut self, changes: &[Change]) -> Done<Outcome> {
        for (i, change) in changes.iter().enumerate() {
            if let Some(order) = change.order()
                && !matches!(change, Change::OrderPlaced(_) | Change::OrderMoved { .. })
            {
                self.changed.insert(order);
            }
            match change {
                Change::EventPut(event) => {
                    self.flush_stock()?;
                    self.put_event(event)?;
                }
                Change::EventDeleted { event } => {
                    self.flush_stock()?;
                    self.delete_event(*event)?;
                }
                Change::Stock { event, pool, held, sold } => {
                    let moved = self.stock.entry((*event, *pool)).or_default();
                    *moved = (moved.0 + held, moved.1 + sold);
                }
                Change::OrderPlaced(order) => self.place(order)?,
                Change::OrderMoved { order, .. } if moves_again(&changes[i + 1..], *order) => {}
                Change::OrderMoved { order, to } => self.move_order(*order, to)?,
                Change::LinesPut { order, lines } => self.put_lines(*order, lines)?,
                Change::PaymentPut { order, payment } => self.put_payment(*order, payment)?,
                Change::AttemptPut { order, attempt } => self.put_attempt(*order, attempt)?,
                Change::RefundPut { order, refund } => self.put_refund(*order, refund)?,
                Change::TicketPut { order, event, ticket } => {
                    self.put_ticket(*order, *event, ticket)?;
                }
                // The orders tell it: see `buyers.rs`.
                Change::BuyerPut { .. } => {}
                Change::EmailPut { order, buyer, .. } | Change::NamePut { order, buyer, .. } => {
                    self.put_buyer(*order, buyer)?;
                }
                Change::AnswersPut { order, answers, .. } => self.put_answers(*order, answers)?,
                Change::MetadataPut { order, metadata, .. } => {
                    self.put_metadata(*order, metadata)?;
                }
                Change::BuyerErased { order, event } => {
                    // The serials of its tickets are to be found.
                    self.flush_issued()?;
                    self.erase_buyer(*order, *event)?;
                }
                Change::OrderForgotten { order, .. } => self.forget_order(*order)?,
            }
        }
        self.flush_stock()?;
        self.flush_issued()?;
        for change in changes {
            if let Change::OrderMoved { order, .. } = change {
                self.changed.remove(order);
            }
        }
        self.note_changed()?;
        Ok(self.outcome)
    }

    /// Runs a statement that must touch exactly one row, or else says so.
    fn run(&self, sql: &str, parameters: impl rusqlite::Params) -> Done {
        match self.conn.prepare_cached(sql)?.execute(parameters)? {
            1 => Ok(()),
            n => broken(format!("{n} rows instead of one: {}", sql.trim())),
        }
    }

    /// Writes down that orders changed.
    fn note_changed(&mut self) -> Done {
        for order in std::mem::take(&mut self.changed) {
            let (high, low) = codec::split(order);
            let sql = "UPDATE orders SET changed_ms = ?3 WHERE id = ?1 AND low = ?2";
            self.conn.prepare_cached(sql)?.execute(params![high, low, self.now_ms])?;
        }
        Ok(())
    }

    fn saw(&mut self, high: u64) {
        self.outcome.last_high = self.outcome.last_high.max(high);
    }

    fn flush_stock(&mut self) -> Done {
        for ((event, pool), (held, sold)) in std::mem::take(&mut self.stock) {
            if (held, sold) == (0, 0) {
                continue;
            }
            self.run(
                "UPDATE pools SET held = held + ?3, sold = sold + ?4 WHERE event = ?1 AND idx = ?2",
                params![event.0 as i64, pool, held, sold],
            )?;
            self.outcome.events.push(EventNews::Stock(event, pool, held, sold));
        }
        Ok(())
    }

    fn flush_issued(&mut self) -> Done {
        for (order, (first, last)) in std::mem::take(&mut self.issued) {
            let (high, low) = codec::split(order);
            self.run(
                "UPDATE orders SET first_serial = min(coalesce(first_serial, ?3), ?3),
                                   last_serial = max(coalesce(last_serial, ?4), ?4)
                 WHERE id = ?1 AND low = ?2",
                params![high, low, first, last],
            )?;
        }
        let mut last: BTreeMap<EventId, u32> = BTreeMap::new();
        for news in &self.outcome.events {
            if let EventNews::Serials(event, serial) = news {
                let known = last.entry(*event).or_default();
                *known = (*known).max(*serial);
            }
        }
        for (event, serial) in last {
            self.run(
                "UPDATE events SET serials = max(serials, ?2) WHERE id = ?1",
                params![event.0 as i64, serial],
            )?;
        }
        Ok(())
    }

    fn place(&mut self, order: &Order) -> Done {
        if order.payment.is_some() || !order.refunds.is_empty() || !order.tickets.is_empty() {
            return broken("a new order brings neither payment nor tickets");
        }
        let (high, low) = codec::split(order.id);
        if high < 0 {
            return broken("the id of an order is a UUIDv7 of this millennium");
        }
        self.insert_order.execute(params![
            high,
            low,
            order.event.0 as i64,
            codec::state_number(order.state),
            codec::encode_lines(&order.lines),
            order.buyer.name,
            order.buyer.email,
            order.buyer.key.0.to_be_bytes(),
            order.currency.code(),
            order.placed_ms,
            order.until_ms,
            order.due_ms,
            order.tries,
            order.trouble,
            order.buyer.language.code(),
            codec::tender_number(order.tender),
            order.reference,
            codec::encode_answers(&order.answers),
            codec::encode_metadata(&order.metadata),
        ])?;
        self.saw(high as u64);
        Ok(())
    }

    /// Not of an order that is being paid or refunded, whatever was decided.
    fn erase_buyer(&self, order: OrderId, event: EventId) -> Done {
        let (high, low) = codec::split(order);
        let buyer = Buyer::erased(order);
        let key = buyer.key.0.to_be_bytes();
        let [paid, refunded, released, void] = codec::NO_BUYER_NEEDED.map(codec::state_number);
        self.run(
            "UPDATE orders SET name = ?3, email = ?4, buyer_key = ?5, language = ?10,
                               answers = NULL, metadata = NULL
             WHERE id = ?1 AND low = ?2 AND state IN (?6, ?7, ?8, ?9)",
            params![
                high,
                low,
                buyer.name,
                buyer.email,
                key,
                paid,
                refunded,
                released,
                void,
                buyer.language.code()
            ],
        )?;
        self.conn
            .prepare_cached(
                "UPDATE tickets SET guest = NULL
                 WHERE event = ?1 AND order_id = ?2 AND guest IS NOT NULL
                     AND serial BETWEEN (SELECT first_serial FROM orders WHERE id = ?2)
                                AND (SELECT last_serial FROM orders WHERE id = ?2)",
            )?
            .execute(params![event.0 as i64, high])?;
        Ok(())
    }

    /// Only of an order that has tickets, whatever was decided.
    fn put_buyer(&self, order: OrderId, buyer: &Buyer) -> Done {
        let (high, low) = codec::split(order);
        let key = buyer.key.0.to_be_bytes();
        let [paid, refunding] = [OrderState::Paid, OrderState::Refunding].map(codec::state_number);
        self.run(
            "UPDATE orders SET email = ?3, buyer_key = ?4, name = ?7
             WHERE id = ?1 AND low = ?2 AND state IN (?5, ?6)",
            params![high, low, buyer.email, key, paid, refunding, buyer.name],
        )
    }

    /// Not of an order whose buyer is erased, whatever was decided.
    fn put_answers(&self, order: OrderId, answers: &[Answer]) -> Done {
        let (high, low) = codec::split(order);
        let erased = Buyer::erased(order).key.0.to_be_bytes();
        self.run(
            "UPDATE orders SET answers = ?3 WHERE id = ?1 AND low = ?2 AND buyer_key <> ?4",
            params![high, low, codec::encode_answers(answers), erased],
        )
    }

    /// Not of an order whose buyer is erased, whatever was decided.
    fn put_metadata(&self, order: OrderId, metadata: &Metadata) -> Done {
        let (high, low) = codec::split(order);
        let erased = Buyer::erased(order).key.0.to_be_bytes();
        self.run(
            "UPDATE orders SET metadata = ?3 WHERE id = ?1 AND low = ?2 AND buyer_key <> ?4",
            params![high, low, codec::encode_metadata(metadata), erased],
        )
    }

    /// Only one that gave its places back, whatever was decided.
    fn forget_order(&self, order: OrderId) -> Done {
        let (high, low) = codec::split(order);
        let released = codec::state_number(OrderState::Released);
        self.run(
            "DELETE FROM orders WHERE id = ?1 AND low = ?2 AND state = ?3",
            params![high, low, released],
        )?;
        for sql in
            ["DELETE FROM payments WHERE order_id = ?1", "DELETE FROM attempts WHERE order_id = ?1"]
        {
            self.conn.prepare_cached(sql)?.execute([high])?;
        }
        Ok(())
    }

    fn move_order(&self, order: OrderId, to: &Standing) -> Done {
        let (high, low) = codec::split(order);
        let state = codec::state_number(to.state);
        let Standing { until_ms, due_ms, tries, trouble, .. } = to;
        self.run(
            "UPDATE orders SET state = ?3, until_ms = ?4, due_ms = ?5, tries = ?6, trouble = ?7,
                               changed_ms = ?8
             WHERE id = ?1 AND low = ?2",
            params![high, low, state, until_ms, due_ms, tries, trouble, self.now_ms],
        )
    }

    fn put_lines(&self, order: OrderId, lines: &[Line]) -> Done {
        let (high, low) = codec::split(order);
        self.run(
            "UPDATE orders SET lines = ?3 WHERE id = ?1 AND low = ?2",
            params![high, low, codec::encode_lines(lines)],
        )
    }

    fn put_payment(&mut self, order: OrderId, payment: &Payment) -> Done {
        self.saw((payment.id.0 >> 64) as u64);
        let dispute = payment.dispute.as_ref();
        // An order has one payment: under another id nothing is updated.
        self.run(
            "INSERT INTO payments (order_id, id, intent, live, action, dispute, dispute_minor,
                                   dispute_status)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (order_id) DO UPDATE
             SET intent = excluded.intent, live = excluded.live, action = excluded.action,
                 dispute = excluded.dispute, dispute_minor = excluded.dispute_minor,
                 dispute_status = excluded.dispute_status
             WHERE id = excluded.id",
            params![
                codec::split(order).0,
                payment.id.0.to_be_bytes(),
                payment.intent,
                payment.live,
                payment.action,
                dispute.map(|d| &d.id),
                dispute.map(|d| d.amount_minor),
                dispute.map(|d| &d.status)
            ],
        )
    }

    fn put_attempt(&self, order: OrderId, attempt: &Attempt) -> Done {
        let (state, reason) = codec::attempt_state(&attempt.state);
        self.run(
            "INSERT INTO attempts (order_id, number, token, begun_ms, state, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (order_id, number) DO UPDATE
             SET token = excluded.token, begun_ms = excluded.begun_ms, state = excluded.state,
                 reason = excluded.reason",
            params![
                codec::split(order).0,
                attempt.number,
                attempt.token,
                attempt.begun_ms,
                state,
                reason
            ],
        )
    }

    fn put_refund(&mut self, order: OrderId, refund: &Refund) -> Done {
        self.saw((refund.id.0 >> 64) as u64);
        let (state, detail) = codec::refund_state(&refund.state);
        // A refund's sum and whose it is are fixed: an id that was taken for fresh and is not
        // updates nothing.
        self.run(
            "INSERT INTO refunds (order_id, number, id, amount_minor, quantities, restock, state,
                                  detail, by_hand, of_amount)
             VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM refunds WHERE order_id = ?1),
                     ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (order_id, id) DO UPDATE
             SET quantities = excluded.quantities, restock = excluded.restock,
                 state = excluded.state, detail = excluded.detail
             WHERE amount_minor = excluded.amount_minor AND by_hand = excluded.by_hand
               AND of_amount = excluded.of_amount",
            params![
                codec::split(order).0,
                refund.id.0.to_be_bytes(),
                refund.amount_minor,
                codec::encode_quantities(&refund.quantities),
                refund.restock,
                state,
                detail,
                refund.by_hand,
                refund.of_amount
            ],
        )
    }

    fn put_ticket(&mut self, order: OrderId, event: EventId, ticket: &Ticket) -> Done {
        // A serial belongs to one order for ever: under another nothing is updated.
        self.run(
            "INSERT INTO tickets (event, serial, order_id, line, state, code_rule, revision, guest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (event, serial) DO UPDATE
             SET line = excluded.line, state = excluded.state, revision = excluded.revision,
                 guest = excluded.guest
             WHERE order_id = excluded.order_id",
            params![
                event.0 as i64,
                ticket.serial,
                codec::split(order).0,
                ticket.line,
                codec::ticket_state(ticket.state),
                codec::code_rule(ticket.code_rule),
                ticket.revision,
                ticket.guest
            ],
        )?;
        let (first, last) = self.issued.entry(order).or_insert((ticket.serial, ticket.serial));
        *first = (*first).min(ticket.serial);
        *last = (*last).max(ticket.serial);
        self.outcome.events.push(EventNews::Serials(event, ticket.serial));
        Ok(())
    }

    /// An event with its parts. The counters of pools that exist are not touched.
    fn put_event(&mut self, event: &Event) -> Done {
        self.saw(event.id.0);
        let (id, spec) = (event.id.0 as i64, &event.spec);
        records::execute(self.conn, &event_row::PUT, &event_row::values(event))?;
        for (idx, pool) in (0i64..).zip(&event.pools) {
            let rank = spec.pools.iter().position(|p| p.name == pool.name).map(|i| i as i64);
            self.run(
                "INSERT INTO pools (event, idx, name, capacity, held, sold, rank)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (event, idx) DO UPDATE
                 SET name = excluded.name, capacity = excluded.capacity, rank = excluded.rank",
                params![id, idx, pool.name, pool.capacity, pool.held, pool.sold, rank],
            )?;
        }
        for (idx, Counter { kind, count }) in (i64::from(COUNTERS_FROM)..).zip(&event.counters) {
            self.run(
                "INSERT INTO pools (event, idx, name, capacity, held, sold, kind)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (event, idx) DO UPDATE
                 SET name = excluded.name, capacity = excluded.capacity, kind = excluded.kind",
                params![
                    id,
                    idx,
                    count.name,
                    count.capacity,
                    count.held,
                    count.sold,
                    kind_number(*kind)
                ],
            )?;
        }
        // Of one id only one is offered, also for a moment: those that no longer are come first.
        let types = || (0i64..).zip(&event.ticket_types);
        let (retired, offered) =
            (types().filter(|t| t.1.retired), types().filter(|t| !t.1.retired));
        for (idx, t) in retired.chain(offered) {
            let rank = spec.ticket_types.iter().position(|s| s.id == t.id).map(|i| i as i64);
            let rank = rank.filter(|_| !t.retired);
            let rules = rank.map(|at| rules_text(&spec.ticket_types[at as usize].rules));
            self.run(
                "INSERT INTO ticket_types (event, idx, id, name, pool, price_minor, rank, rules)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (event, idx) DO UPDATE
                 SET id = excluded.id, name = excluded.name, pool = excluded.pool,
                     price_minor = excluded.price_minor, rank = excluded.rank,
                     rules = excluded.rules",
                params![
                    id,
                    idx,
                    t.id,
                    t.name,
                    t.pool,
                    t.price_minor,
                    rank,
                    rules.unwrap_or_default()
                ],
            )?;
        }
        // What an organiser said and what came of it share their columns: make sure that nothing
        // was lost by it. This is rare enough to be thorough.
        let Some(written) = rows::events(self.conn, "WHERE id = ?1", [id])?.pop() else {
            return broken("an event vanished as it was written");
        };
        if !same_but_for_counters(&written, event) {
            return broken(format!("event {} cannot be stored as it is", spec.slug));
        }
        self.outcome.events.push(EventNews::Put(Box::new(written)));
        Ok(())
    }

    /// Only one without orders, whatever was decided.
    fn delete_event(&mut self, event: EventId) -> Done {
        let id = event.0 as i64;
        if rows::has_orders(self.conn, event)? {
            return broken("an event that has orders is not deleted");
        }
        self.run("DELETE FROM events WHERE id = ?1", [id])?;
        for sql in
            ["DELETE FROM pools WHERE event = ?1", "DELETE FROM ticket_types WHERE event = ?1"]
        {
            self.conn.prepare_cached(sql)?.execute([id])?;
        }
        self.outcome.events.push(EventNews::Deleted(event));
        Ok(())
    }
}

/// Whether one of these moves this order, so that only the last move need be written. Looks a few
/// changes ahead: moves of one order lie together.
fn moves_again(later: &[Change], this: OrderId) -> bool {
    let of_this = |c: &Change| matches!(c, Change::OrderMoved { order, .. } if *order == this);
    later.iter().take(4).any(of_this)
}

fn same_but_for_counters(a: &Event, b: &Event) -> bool {
    a.id == b.id
        && a.spec == b.spec
        && a.ticket_types == b.ticket_types
        && a.pools.len() == b.pools.len()
        && a.counters.len() == b.counters.len()
        && a.counters.iter().map(|c| c.kind).eq(b.counters.iter().map(|c| c.kind))
        && a.stocks()
            .zip(b.stocks())
            .all(|((_, a), (_, b))| (&a.name, a.capacity) == (&b.name, b.capacity))
}
