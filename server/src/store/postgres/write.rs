//! Changes as statements: one for each kind of row, whatever the size of the batch.
//!
//! A statement that must touch so many rows and touches another number fails within the database
//! (it divides by zero, which every engine knows), so that the COMMIT which was sent along with it
//! becomes a rollback. Of what is put several times in a batch the last is written; the counters of
//! a pool are written as the sum of what moved. An event that is put in the middle of a batch first
//! gets what moved before it.

use super::link::{Ask, ask};
use super::records;
use crate::store::codec::{
    NO_BUYER_NEEDED, attempt_state, code_rule, encode_answers, encode_lines, encode_metadata,
    encode_quantities, encode_reply, refund_state, state_number, tender_number, ticket_state,
};
use crate::store::event_row;
use crate::store::offer_row::{kind_number, rules_text};
use crate::store::records::RecordChange;
use crate::store::{Batch, Recorded};
use boxoffice::{
    Answer, Attempt, Buyer, BuyerKey, BuyerRecord, Change, ERASED_NAME, Event, EventId, Line,
    Metadata, Order, OrderId, OrderState, Payment, Refund, RefundId, Standing, Ticket, TicketType,
    TimeMs,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use uuid::Uuid;

/// Two processes may draw the same id for two events: the second is refused.
static PUT_EVENT: LazyLock<String> = LazyLock::new(|| {
    let put = event_row::PUT.as_str();
    format!("WITH put AS ({put} RETURNING 1) SELECT 1 / count(*) FROM put")
});
const PUT_POOLS: &str = "INSERT INTO pools (event, idx, name, capacity, held, sold, rank, kind)
    SELECT $1::bigint, * FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                             $7::bigint[], $8::bigint[])
    ON CONFLICT (event, idx) DO UPDATE
    SET name = excluded.name, capacity = excluded.capacity, rank = excluded.rank,
        kind = excluded.kind";
const PUT_TICKET_TYPES: &str =
    "INSERT INTO ticket_types (event, idx, id, name, pool, price_minor, rank, rules)
    SELECT $1::bigint, * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
                             $7::bigint[], $8::text[])
    ON CONFLICT (event, idx) DO UPDATE
    SET id = excluded.id, name = excluded.name, pool = excluded.pool,
        price_minor = excluded.price_minor, rank = excluded.rank, rules = excluded.rules";
// Only one without orders, whatever was decided.
const DELETE_EVENT: &str = "WITH gone AS (
    DELETE FROM events WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM orders WHERE event = $1)
    RETURNING 1)
    SELECT 1 / count(*) FROM gone";
const DELETE_POOLS: &str = "DELETE FROM pools WHERE event = $1";
const DELETE_TICKET_TYPES: &str = "DELETE FROM ticket_types WHERE event = $1";
const MOVE_STOCK: &str = "WITH put AS (
    UPDATE pools p SET held = p.held + d.held, sold = p.sold + d.sold
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS d (event, idx, held, sold)
    WHERE p.event = d.event AND p.idx = d.idx
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($1) THEN 1 ELSE 0 END) FROM put";
const PLACE_ORDERS: &str =
    "INSERT INTO orders (id, event, state, lines, name, email, buyer_key, currency, placed_ms,
                         until_ms, due_ms, tries, trouble, language, tender, reference, answers,
                         metadata, keeper, kept_until_ms)
    SELECT d.*, $19::bigint, 0
    FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::bytea[], $5::text[], $6::text[],
                $7::uuid[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[],
                $13::text[], $14::text[], $15::smallint[], $16::text[], $17::bytea[],
                $18::text[]) AS d";
const MOVE_ORDERS: &str = "WITH put AS (
    UPDATE orders o SET state = d.state, until_ms = d.until_ms, due_ms = d.due_ms,
                        tries = d.tries, trouble = d.trouble, keeper = $7, kept_until_ms = 0,
                        changed_ms = $8
    FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
         AS d (id, state, until_ms, due_ms, tries, trouble)
    WHERE o.id = d.id
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($1) THEN 1 ELSE 0 END) FROM put";
// Orders that changed otherwise than by a move, which says so itself.
const NOTE_CHANGED: &str = "UPDATE orders o SET changed_ms = $2
    FROM unnest($1::uuid[]) AS d (id) WHERE o.id = d.id";
const PUT_LINES: &str = "WITH put AS (
    UPDATE orders o SET lines = d.lines
    FROM unnest($1::uuid[], $2::bytea[]) AS d (id, lines) WHERE o.id = d.id
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($1) THEN 1 ELSE 0 END) FROM put";
// An order has one payment: under another id nothing is updated.
const PUT_PAYMENTS: &str = "WITH put AS (
    INSERT INTO payments (event, order_id, id, intent, live, action, dispute, dispute_minor,
                          dispute_status)
    SELECT o.event, d.*
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::boolean[], $5::text[], $6::text[],
                $7::bigint[], $8::text[])
         AS d (order_id, id, intent, live, action, dispute, dispute_minor, dispute_status)
    JOIN orders o ON o.id = d.order_id
    ON CONFLICT (event, order_id) DO UPDATE
    SET intent = excluded.intent, live = excluded.live, action = excluded.action,
        dispute = excluded.dispute, dispute_minor = excluded.dispute_minor,
        dispute_status = excluded.dispute_status
    WHERE payments.id = excluded.id
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($1) THEN 1 ELSE 0 END) FROM put";
const PUT_ATTEMPTS: &str = "WITH put AS (
    INSERT INTO attempts (event, order_id, number, token, begun_ms, state, reason)
    SELECT o.event, d.*
    FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::smallint[], $6::text[])
         AS d (order_id, number, token, begun_ms, state, reason)
    JOIN orders o ON o.id = d.order_id
    ON CONFLICT (event, order_id, number) DO UPDATE
    SET token = excluded.token, begun_ms = excluded.begun_ms, state = excluded.state,
        reason = excluded.reason
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($1) THEN 1 ELSE 0 END) FROM put";
// A refund's sum and whose it is are fixed: an id that was taken for fresh and is not updates
// nothing. Numbers rise within an order, and may have gaps.
const PUT_REFUNDS: &str = "WITH d AS (
    SELECT o.event, d.*
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bytea[], $5::boolean[], $6::smallint[],
                $7::text[], $8::boolean[], $9::boolean[], $10::bigint[])
         AS d (order_id, id, amount_minor, quantities, restock, state, detail, by_hand, of_amount, nth)
    JOIN orders o ON o.id = d.order_id),
    put AS (
    INSERT INTO refunds (event, order_id, number, id, amount_minor, quantities, restock, state,
                         detail, by_hand, of_amount)
    SELECT event, order_id,
           (SELECT coalesce(max(r.number), 0) FROM refunds r
            WHERE r.event = d.event AND r.order_id = d.order_id) + nth,
           id, amount_minor, quantities, restock, state, detail, by_hand, of_amount
    FROM d
    ON CONFLICT (event, order_id, id) DO UPDATE
    SET quantities = excluded.quantities, restock = excluded.restock, state = excluded.state,
        detail = excluded.detail
    WHERE refunds.amount_minor = excluded.amount_minor AND refunds.by_hand = excluded.by_hand
      AND refunds.of_amount = excluded.of_amount
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($1) THEN 1 ELSE 0 END) FROM put";
// A serial belongs to one order for ever: under another nothing is updated.
const PUT_TICKETS: &str = "WITH put AS (
    INSERT INTO tickets (event, serial, order_id, line, state, code_rule, revision, guest)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::bigint[], $5::smallint[],
                         $6::smallint[], $7::smallint[], $8::text[])
    ON CONFLICT (event, serial) DO UPDATE
    SET line = excluded.line, state = excluded.state, revision = excluded.revision,
        guest = excluded.guest
    WHERE tickets.order_id = excluded.order_id
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($1) THEN 1 ELSE 0 END) FROM put";
// Only of orders that are not being paid or refunded, whatever was decided. The key of an erased buyer is
// the id of its order (`Buyer::erased`).
const ERASE_BUYERS: &str = "WITH put AS (
    UPDATE orders o SET name = $4, email = '', buyer_key = d.id, language = 'en', answers = NULL,
                        metadata = NULL
    FROM unnest($1::bigint[], $2::uuid[]) AS d (event, id)
    WHERE o.event = d.event AND o.id = d.id AND o.state = ANY($3::smallint[])
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($2) THEN 1 ELSE 0 END) FROM put";
const ERASE_GUESTS: &str = "UPDATE tickets t SET guest = NULL
    FROM unnest($1::bigint[], $2::uuid[]) AS d (event, id)
    JOIN orders o ON o.event = d.event AND o.id = d.id
    WHERE t.event = o.event AND t.serial BETWEEN o.first_serial AND o.last_serial
      AND t.order_id = o.id AND t.guest IS NOT NULL";
// Only of orders that have tickets, whatever was decided.
const PUT_BUYERS_OF_ORDERS: &str = "WITH put AS (
    UPDATE orders o SET email = d.email, buyer_key = d.key, name = d.name
    FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::uuid[], $6::text[])
         AS d (event, id, email, key, name)
    WHERE o.event = d.event AND o.id = d.id AND o.state = ANY($5::smallint[])
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($2) THEN 1 ELSE 0 END) FROM put";
// Not of an order whose buyer is erased, whatever was decided: its key is its id.
macro_rules! put_unless_erased {
    ($column:literal, $type:literal) => {
        concat!(
            "WITH put AS (
    UPDATE orders o SET ",
            $column,
            " = d.value
    FROM unnest($1::bigint[], $2::uuid[], $3::",
            $type,
            "[]) AS d (event, id, value)
    WHERE o.event = d.event AND o.id = d.id AND o.buyer_key <> o.id
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($2) THEN 1 ELSE 0 END) FROM put"
        )
    };
}
const PUT_ANSWERS: &str = put_unless_erased!("answers", "bytea");
const PUT_METADATA: &str = put_unless_erased!("metadata", "text");
// Only orders that gave their places back, whatever was decided.
const FORGET_ORDERS: &str = "WITH gone AS (
    DELETE FROM orders o USING unnest($1::bigint[], $2::uuid[]) AS d (event, id)
    WHERE o.event = d.event AND o.id = d.id AND o.state = $3
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($2) THEN 1 ELSE 0 END) FROM gone";
const FORGET_PAYMENTS: &str =
    "DELETE FROM payments p USING unnest($1::bigint[], $2::uuid[]) AS d (event, id)
    WHERE p.event = d.event AND p.order_id = d.id";
const FORGET_ATTEMPTS: &str =
    "DELETE FROM attempts a USING unnest($1::bigint[], $2::uuid[]) AS d (event, id)
    WHERE a.event = d.event AND a.order_id = d.id";
const PUT_SERIALS: &str = "WITH put AS (
    UPDATE orders o SET first_serial = least(o.first_serial, d.a),
                        last_serial = greatest(o.last_serial, d.z)
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS d (id, a, z)
    WHERE o.id = d.id
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($1) THEN 1 ELSE 0 END) FROM put";
const COUNT_SERIALS: &str = "WITH put AS (
    UPDATE events e SET serials = greatest(e.serials, d.z)
    FROM unnest($1::bigint[], $2::bigint[]) AS d (id, z)
    WHERE e.id = d.id
    RETURNING 1)
    SELECT 1 / (CASE WHEN count(*) = cardinality($1) THEN 1 ELSE 0 END) FROM put";
pub(super) const PUT_BUYERS: &str = "INSERT INTO buyers (event, key, places, order_id)
    SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::uuid[])
    ON CONFLICT (event, key) DO UPDATE
    SET places = excluded.places, order_id = excluded.order_id";
// Who has no places has no row, so there are never more rows than places that are taken.
const FORGET_BUYERS: &str = "DELETE FROM buyers b
    USING unnest($1::bigint[], $2::uuid[]) AS d (event, key)
    WHERE b.event = d.event AND b.key = d.key";
const RECORD: &str = "INSERT INTO requests (key, fingerprint, at_ms, reply)
    SELECT d.key, d.fingerprint, $3::bigint, d.reply
    FROM unnest($1::uuid[], $2::bigint[], $4::bytea[]) AS d (key, fingerprint, reply)";

/// The same with a time for each.
pub(super) const RECORD_SINCE: &str = "INSERT INTO requests (key, fingerprint, at_ms, reply)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[])";

/// A text that the database can keep. It keeps every text but one with a zero in it, which nobody
/// writes and a stranger may send; a batch must not fail by it.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn uuid(order: OrderId) -> Uuid {
    Uuid::from_u128(order.0)
}

/// What a batch writes.
#[derive(Default)]
pub(super) struct Writing<'a> {
    /// Before everything else, in this order: events, and what moved before each.
    first: Vec<Ask<'a>>,
    /// The events that are put, as they are put last.
    pub(super) events: BTreeMap<EventId, &'a Event>,
    stock: BTreeMap<(EventId, u16), (i64, i64)>,
    placed: Vec<&'a Order>,
    moved: BTreeMap<OrderId, &'a Standing>,
    lines: BTreeMap<OrderId, &'a [Line]>,
    payments: BTreeMap<OrderId, &'a Payment>,
    attempts: BTreeMap<(OrderId, u16), &'a Attempt>,
    refunds: BTreeMap<(OrderId, RefundId), (usize, &'a Refund)>,
    tickets: BTreeMap<(EventId, u32), (OrderId, &'a Ticket)>,
    buyers: BTreeMap<(EventId, BuyerKey), BuyerRecord>,
    /// The buyers of orders that got another name or address.
    corrected: BTreeMap<(EventId, OrderId), &'a Buyer>,
    answers: BTreeMap<(EventId, OrderId), &'a [Answer]>,
    metadata: BTreeMap<(EventId, OrderId), &'a Metadata>,
    erased: BTreeSet<(EventId, OrderId)>,
    forgotten: BTreeSet<(EventId, OrderId)>,
    changed: BTreeSet<OrderId>,
    recorded: Vec<&'a Recorded>,
    records: &'a [RecordChange],
    now_ms: TimeMs,
}

impl<'a> Writing<'a> {
    /// Gathers a batch. The error is a rule that no statement could tell.
    pub(super) fn of(batch: &Batch<'a>) -> Result<Writing<'a>, String> {
        let (now_ms, records) = (batch.now_ms, batch.records);
        let mut all = Writing { now_ms, records, ..Writing::default() };
        for (nth, change) in batch.changes.iter().enumerate() {
            if let Some(order) = change.order()
                && !matches!(change, Change::OrderPlaced(_) | Change::OrderMoved { .. })
            {
                all.changed.insert(order);
            }
            match change {
                Change::EventPut(event) => {
                    all.flush_stock()?;
                    all.put_event(event);
                }
                Change::EventDeleted { event } => {
                    all.flush_stock()?;
                    let id = event.0 as i64;
                    let delete = [DELETE_EVENT, DELETE_POOLS, DELETE_TICKET_TYPES];
                    all.first.extend(delete.map(|sql| ask!(sql, id)));
                    all.events.remove(event);
                }
                Change::Stock { event, pool, held, sold } => {
                    let moved = all.stock.entry((*event, *pool)).or_default();
                    let sum = moved.0.checked_add(*held).zip(moved.1.checked_add(*sold));
                    *moved = sum.ok_or("more places than can be counted")?;
                }
                Change::OrderPlaced(order) => {
                    if order.payment.is_some()
                        || !order.refunds.is_empty()
                        || !order.tickets.is_empty()
                    {
                        return Err("a new order brings neither payment nor tickets".into());
                    }
                    all.placed.push(order);
                }
                Change::OrderMoved { order, to } => _ = all.moved.insert(*order, to),
                Change::LinesPut { order, lines } => _ = all.lines.insert(*order, lines),
                Change::PaymentPut { order, payment } => {
                    let before = all.payments.insert(*order, payment);
                    if before.is_some_and(|before| before.id != payment.id) {
                        return Err("an order has one payment".into());
                    }
                }
                Change::AttemptPut { order, attempt } => {
                    all.attempts.insert((*order, attempt.number), attempt);
                }
                Change::RefundPut { order, refund } => {
                    let entry = all.refunds.entry((*order, refund.id)).or_insert((nth + 1, refund));
                    let same = |r: &Refund| (r.amount_minor, r.by_hand, r.of_amount);
                    if same(entry.1) != same(refund) {
                        return Err("a refund's sum is fixed".into());
                    }
                    entry.1 = refund;
                }
                Change::TicketPut { order, event, ticket } => {
                    let before = all.tickets.insert((*event, ticket.serial), (*order, ticket));
                    if before.is_some_and(|(before, _)| before != *order) {
                        return Err("a ticket is one order's".into());
                    }
                }
                Change::BuyerPut { event, buyer, record } => {
                    all.buyers.insert((*event, *buyer), *record);
                }
                Change::EmailPut { order, event, buyer }
                | Change::NamePut { order, event, buyer } => {
                    all.corrected.insert((*event, *order), buyer);
                }
                Change::AnswersPut { order, event, answers } => {
                    all.answers.insert((*event, *order), answers);
                }
                Change::MetadataPut { order, event, metadata } => {
                    all.metadata.insert((*event, *order), metadata);
                }
                Change::BuyerErased { order, event } => {
                    all.erased.insert((*event, *order));
                }
                Change::OrderForgotten { order, event } => {
                    all.forgotten.insert((*event, *order));
                }
            }
        }
        all.recorded = batch.recorded.iter().collect();
        // In one order in all processes, so that two with the same keys do not wait for each other.
        all.recorded.sort_unstable_by_key(|fact| fact.key);
        all.flush_stock()?;
        Ok(all)
    }

    fn flush_stock(&mut self) -> Result<(), String> {
        let (mut events, mut idx) = (Vec::new(), Vec::new());
        let (mut held, mut sold) = (Vec::new(), Vec::new());
        for ((event, pool), moved) in std::mem::take(&mut self.stock) {
            if moved != (0, 0) {
                events.push(event.0 as i64);
                idx.push(i64::from(pool));
                held.push(moved.0);
                sold.push(moved.1);
            }
        }
        if !events.is_empty() {
            self.first.push(ask!(MOVE_STOCK, events, idx, held, sold));
        }
        Ok(())
    }

    fn put_event(&mut self, event: &'a Event) {
        let (id, spec) = (event.id.0 as i64, &event.spec);
        self.first.push(records::statement(&PUT_EVENT, &event_row::values(event)));
        let stocks = || event.stocks().map(|(_, stock)| stock);
        let rank = |name: &str| spec.pools.iter().position(|p| p.name == name).map(|i| i as i64);
        let ranks = event.pools.iter().map(|p| rank(&p.name));
        let kinds = event.pools.iter().map(|_| 0);
        self.first.push(ask!(
            PUT_POOLS,
            id,
            event.stocks().map(|(idx, _)| i64::from(idx)).collect::<Vec<_>>(),
            stocks().map(|p| text(&p.name)).collect::<Vec<_>>(),
            stocks().map(|p| i64::from(p.capacity)).collect::<Vec<_>>(),
            stocks().map(|p| i64::from(p.held)).collect::<Vec<_>>(),
            stocks().map(|p| i64::from(p.sold)).collect::<Vec<_>>(),
            ranks.chain(event.counters.iter().map(|_| None)).collect::<Vec<_>>(),
            kinds.chain(event.counters.iter().map(|c| kind_number(c.kind))).collect::<Vec<_>>(),
        ));
        let rank = |t: &TicketType| {
            let rank = spec.ticket_types.iter().position(|said| said.id == t.id);
            rank.filter(|_| !t.retired).map(|i| i as i64)
        };
        let rules = |t: &TicketType| {
            let said = spec.ticket_types.iter().find(|said| said.id == t.id && !t.retired);
            said.map_or_else(String::new, |said| rules_text(&said.rules))
        };
        // Of one id only one is offered, also for a moment: those that no longer are come first.
        let mut types: Vec<(i64, &TicketType)> = (0i64..).zip(&event.ticket_types).collect();
        types.sort_by_key(|(_, t)| !t.retired);
        let types = || types.iter().copied();
        self.first.push(ask!(
            PUT_TICKET_TYPES,
            id,
            types().map(|(idx, _)| idx).collect::<Vec<_>>(),
            types().map(|(_, t)| text(&t.id)).collect::<Vec<_>>(),
            types().map(|(_, t)| text(&t.name)).collect::<Vec<_>>(),
            types().map(|(_, t)| i64::from(t.pool)).collect::<Vec<_>>(),
            types().map(|(_, t)| t.price_minor).collect::<Vec<_>>(),
            types().map(|(_, t)| rank(t)).collect::<Vec<_>>(),
            types().map(|(_, t)| rules(t)).collect::<Vec<_>>(),
        ));
        self.events.insert(event.id, event);
    }

    /// The statements, in an order in which each finds what it needs. `keeper` looks after the
    /// orders from now on.
    pub(super) fn statements(mut self, keeper: i64) -> Vec<Ask<'a>> {
        let mut all = std::mem::take(&mut self.first);
        if !self.placed.is_empty() {
            all.push(self.place(keeper));
        }
        if !self.moved.is_empty() {
            all.push(self.move_orders(keeper));
        }
        if !self.lines.is_empty() {
            all.push(ask!(
                PUT_LINES,
                self.lines.keys().map(|o| uuid(*o)).collect::<Vec<_>>(),
                self.lines.values().map(|lines| encode_lines(lines)).collect::<Vec<_>>(),
            ));
        }
        if !self.payments.is_empty() {
            all.push(self.put_payments());
        }
        if !self.attempts.is_empty() {
            all.push(self.put_attempts());
        }
        if !self.refunds.is_empty() {
            all.push(self.put_refunds());
        }
        if !self.tickets.is_empty() {
            self.put_tickets(&mut all);
        }
        if !self.corrected.is_empty() {
            all.push(self.put_buyers_of_orders());
        }
        // An order that is placed in this batch and answered is there by now.
        if !self.answers.is_empty() {
            all.push(ask!(
                PUT_ANSWERS,
                self.answers.keys().map(|(event, _)| event.0 as i64).collect::<Vec<_>>(),
                self.answers.keys().map(|(_, order)| uuid(*order)).collect::<Vec<_>>(),
                self.answers.values().map(|a| encode_answers(a)).collect::<Vec<_>>(),
            ));
        }
        if !self.metadata.is_empty() {
            all.push(ask!(
                PUT_METADATA,
                self.metadata.keys().map(|(event, _)| event.0 as i64).collect::<Vec<_>>(),
                self.metadata.keys().map(|(_, order)| uuid(*order)).collect::<Vec<_>>(),
                self.metadata.values().map(|m| encode_metadata(m)).collect::<Vec<_>>(),
            ));
        }
        if !self.erased.is_empty() {
            all.push(self.erase());
            all.push(self.erase_guests());
        }
        if !self.forgotten.is_empty() {
            self.forget(&mut all);
        }
        self.changed.retain(|order| !self.moved.contains_key(order));
        if !self.changed.is_empty() {
            let changed = self.changed.iter().map(|o| uuid(*o)).collect::<Vec<_>>();
            all.push(ask!(NOTE_CHANGED, changed, self.now_ms));
        }
        let (gone, has): (BTreeMap<_, _>, _) = std::mem::take(&mut self.buyers)
            .into_iter()
            .partition(|(_, record): &(_, BuyerRecord)| record.places == 0);
        self.buyers = has;
        if !gone.is_empty() {
            all.push(ask!(
                FORGET_BUYERS,
                gone.keys().map(|(event, _)| event.0 as i64).collect::<Vec<_>>(),
                gone.keys().map(|(_, key)| Uuid::from_u128(key.0)).collect::<Vec<_>>(),
            ));
        }
        if !self.buyers.is_empty() {
            all.push(ask!(
                PUT_BUYERS,
                self.buyers.keys().map(|(event, _)| event.0 as i64).collect::<Vec<_>>(),
                self.buyers.keys().map(|(_, key)| Uuid::from_u128(key.0)).collect::<Vec<_>>(),
                self.buyers.values().map(|r| i64::from(r.places)).collect::<Vec<_>>(),
                self.buyers.values().map(|r| uuid(r.order)).collect::<Vec<_>>(),
            ));
        }
        if !self.recorded.is_empty() {
            let facts = &self.recorded;
            all.push(ask!(
                RECORD,
                facts.iter().map(|f| Uuid::from_u128(f.key.0)).collect::<Vec<_>>(),
                facts.iter().map(|f| f.fingerprint as i64).collect::<Vec<_>>(),
                self.now_ms,
                facts.iter().map(|f| encode_reply(&f.reply)).collect::<Vec<_>>(),
            ));
        }
        all.extend(records::statements(self.records));
        all
    }

    fn put_buyers_of_orders(&self) -> Ask<'a> {
        ask!(
            PUT_BUYERS_OF_ORDERS,
            self.corrected.keys().map(|(event, _)| event.0 as i64).collect::<Vec<_>>(),
            self.corrected.keys().map(|(_, order)| uuid(*order)).collect::<Vec<_>>(),
            self.corrected.values().map(|buyer| text(&buyer.email)).collect::<Vec<_>>(),
            self.corrected.values().map(|b| Uuid::from_u128(b.key.0)).collect::<Vec<_>>(),
            // It may be refunded in the same batch, and the states are put before.
            [OrderState::Paid, OrderState::Refunding, OrderState::Refunded]
                .map(|s| state_number(s) as i16)
                .to_vec(),
            self.corrected.values().map(|buyer| text(&buyer.name)).collect::<Vec<_>>(),
        )
    }

    fn erase(&self) -> Ask<'a> {
        ask!(
            ERASE_BUYERS,
            self.erased.iter().map(|(event, _)| event.0 as i64).collect::<Vec<_>>(),
            self.erased.iter().map(|(_, order)| uuid(*order)).collect::<Vec<_>>(),
            NO_BUYER_NEEDED.map(|state| state_number(state) as i16).to_vec(),
            ERASED_NAME,
        )
    }

    fn erase_guests(&self) -> Ask<'a> {
        ask!(
            ERASE_GUESTS,
            self.erased.iter().map(|(event, _)| event.0 as i64).collect::<Vec<_>>(),
            self.erased.iter().map(|(_, order)| uuid(*order)).collect::<Vec<_>>(),
        )
    }

    fn forget(&self, all: &mut Vec<Ask<'a>>) {
        let events = || self.forgotten.iter().map(|(event, _)| event.0 as i64).collect::<Vec<_>>();
        let orders = || self.forgotten.iter().map(|(_, order)| uuid(*order)).collect::<Vec<_>>();
        let released = state_number(OrderState::Released) as i16;
        all.push(ask!(FORGET_ORDERS, events(), orders(), released));
        all.push(ask!(FORGET_PAYMENTS, events(), orders()));
        all.push(ask!(FORGET_ATTEMPTS, events(), orders()));
    }

    fn place(&self, keeper: i64) -> Ask<'a> {
        let orders = || self.placed.iter().copied();
        ask!(
            PLACE_ORDERS,
            orders().map(|o| uuid(o.id)).collect::<Vec<_>>(),
            orders().map(|o| o.event.0 as i64).collect::<Vec<_>>(),
            orders().map(|o| state_number(o.state) as i16).collect::<Vec<_>>(),
            orders().map(|o| encode_lines(&o.lines)).collect::<Vec<_>>(),
            orders().map(|o| text(&o.buyer.name)).collect::<Vec<_>>(),
            orders().map(|o| text(&o.buyer.email)).collect::<Vec<_>>(),
            orders().map(|o| Uuid::from_u128(o.buyer.key.0)).collect::<Vec<_>>(),
            orders().map(|o| o.currency.code()).collect::<Vec<_>>(),
            orders().map(|o| o.placed_ms).collect::<Vec<_>>(),
            orders().map(|o| o.until_ms).collect::<Vec<_>>(),
            orders().map(|o| o.due_ms).collect::<Vec<_>>(),
            orders().map(|o| i64::from(o.tries)).collect::<Vec<_>>(),
            orders().map(|o| o.trouble.as_deref().map(text)).collect::<Vec<_>>(),
            orders().map(|o| o.buyer.language.code()).collect::<Vec<_>>(),
            orders().map(|o| tender_number(o.tender) as i16).collect::<Vec<_>>(),
            orders().map(|o| text(&o.reference)).collect::<Vec<_>>(),
            orders().map(|o| encode_answers(&o.answers)).collect::<Vec<_>>(),
            orders().map(|o| encode_metadata(&o.metadata)).collect::<Vec<_>>(),
            keeper,
        )
    }

    fn move_orders(&self, keeper: i64) -> Ask<'a> {
        let moved = || self.moved.values();
        ask!(
            MOVE_ORDERS,
            self.moved.keys().map(|o| uuid(*o)).collect::<Vec<_>>(),
            moved().map(|m| state_number(m.state) as i16).collect::<Vec<_>>(),
            moved().map(|m| m.until_ms).collect::<Vec<_>>(),
            moved().map(|m| m.due_ms).collect::<Vec<_>>(),
            moved().map(|m| i64::from(m.tries)).collect::<Vec<_>>(),
            moved().map(|m| m.trouble.as_deref().map(text)).collect::<Vec<_>>(),
            keeper,
            self.now_ms,
        )
    }

    fn put_payments(&self) -> Ask<'a> {
        let payments = || self.payments.values().copied();
        let disputes = || payments().map(|p| p.dispute.as_ref());
        ask!(
            PUT_PAYMENTS,
            self.payments.keys().map(|o| uuid(*o)).collect::<Vec<_>>(),
            payments().map(|p| Uuid::from_u128(p.id.0)).collect::<Vec<_>>(),
            payments().map(|p| p.intent.as_deref().map(text)).collect::<Vec<_>>(),
            payments().map(|p| p.live).collect::<Vec<_>>(),
            payments().map(|p| p.action.as_deref().map(text)).collect::<Vec<_>>(),
            disputes().map(|d| d.map(|d| text(&d.id))).collect::<Vec<_>>(),
            disputes().map(|d| d.map(|d| d.amount_minor)).collect::<Vec<_>>(),
            disputes().map(|d| d.map(|d| text(&d.status))).collect::<Vec<_>>(),
        )
    }

    fn put_attempts(&self) -> Ask<'a> {
        let attempts = || self.attempts.values().copied();
        let states = || attempts().map(|a| attempt_state(&a.state));
        ask!(
            PUT_ATTEMPTS,
            self.attempts.keys().map(|(o, _)| uuid(*o)).collect::<Vec<_>>(),
            attempts().map(|a| i64::from(a.number)).collect::<Vec<_>>(),
            attempts().map(|a| text(&a.token)).collect::<Vec<_>>(),
            attempts().map(|a| a.begun_ms).collect::<Vec<_>>(),
            states().map(|(state, _)| state as i16).collect::<Vec<_>>(),
            states().map(|(_, reason)| reason.map(text)).collect::<Vec<_>>(),
        )
    }

    fn put_refunds(&self) -> Ask<'a> {
        let refunds = || self.refunds.values().map(|(_, refund)| *refund);
        let states = || refunds().map(|r| refund_state(&r.state));
        ask!(
            PUT_REFUNDS,
            self.refunds.keys().map(|(o, _)| uuid(*o)).collect::<Vec<_>>(),
            refunds().map(|r| Uuid::from_u128(r.id.0)).collect::<Vec<_>>(),
            refunds().map(|r| r.amount_minor).collect::<Vec<_>>(),
            refunds().map(|r| encode_quantities(&r.quantities)).collect::<Vec<_>>(),
            refunds().map(|r| r.restock).collect::<Vec<_>>(),
            states().map(|(state, _)| state as i16).collect::<Vec<_>>(),
            states().map(|(_, detail)| detail.map(text)).collect::<Vec<_>>(),
            refunds().map(|r| r.by_hand).collect::<Vec<_>>(),
            refunds().map(|r| r.of_amount).collect::<Vec<_>>(),
            self.refunds.values().map(|(nth, _)| *nth as i64).collect::<Vec<_>>(),
        )
    }

    fn put_tickets(&self, all: &mut Vec<Ask<'a>>) {
        let tickets = || self.tickets.values();
        all.push(ask!(
            PUT_TICKETS,
            self.tickets.keys().map(|(event, _)| event.0 as i64).collect::<Vec<_>>(),
            self.tickets.keys().map(|(_, serial)| i64::from(*serial)).collect::<Vec<_>>(),
            tickets().map(|(order, _)| uuid(*order)).collect::<Vec<_>>(),
            tickets().map(|(_, ticket)| i64::from(ticket.line)).collect::<Vec<_>>(),
            tickets().map(|(_, ticket)| ticket_state(ticket.state) as i16).collect::<Vec<_>>(),
            tickets().map(|(_, ticket)| code_rule(ticket.code_rule) as i16).collect::<Vec<_>>(),
            tickets().map(|(_, ticket)| ticket.revision as i16).collect::<Vec<_>>(),
            tickets().map(|(_, ticket)| ticket.guest.as_deref().map(text)).collect::<Vec<_>>(),
        ));
        let mut of_orders: BTreeMap<OrderId, (i64, i64)> = BTreeMap::new();
        let mut of_events: BTreeMap<EventId, i64> = BTreeMap::new();
        for ((event, serial), (order, _)) in &self.tickets {
            let serial = i64::from(*serial);
            let (first, last) = of_orders.entry(*order).or_insert((serial, serial));
            (*first, *last) = ((*first).min(serial), (*last).max(serial));
            let last = of_events.entry(*event).or_default();
            *last = (*last).max(serial);
        }
        all.push(ask!(
            PUT_SERIALS,
            of_orders.keys().map(|o| uuid(*o)).collect::<Vec<_>>(),
            of_orders.values().map(|(first, _)| *first).collect::<Vec<_>>(),
            of_orders.values().map(|(_, last)| *last).collect::<Vec<_>>(),
        ));
        all.push(ask!(
            COUNT_SERIALS,
            of_events.keys().map(|event| event.0 as i64).collect::<Vec<_>>(),
            of_events.values().copied().collect::<Vec<_>>(),
        ));
    }
}

/// Whether an event was stored as it is; its counters aside.
pub(super) fn same_but_for_counters(a: &Event, b: &Event) -> bool {
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
