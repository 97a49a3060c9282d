//! Reading an event or an order with all that belongs to it. What cannot be read is a fault of the
//! database, never a panic: the file may be damaged.

use super::codec::{
    Unreadable, decode_answers, decode_code_rule, decode_lines, decode_metadata, decode_quantities,
    is_amount, join, split, state_from, tender_from,
};
use crate::store::event_row::{self, event_columns};
use crate::store::offer_row::{kind_of, rules_of};
use crate::store::{NamedTicket, Owner};
use boxoffice::{
    Attempt, AttemptState, Buyer, BuyerKey, COUNTERS_FROM, Counter, Currency, Dispute, Event,
    EventId, Language, Order, OrderId, OrderState, Payment, PaymentId, Pool, PoolSpec, Refund,
    RefundId, RefundState, Ticket, TicketState, TicketType, TicketTypeSpec,
};
use rusqlite::types::{FromSql, Type};
use rusqlite::{Connection, OptionalExtension, Row, params};

type Read<T> = rusqlite::Result<T>;

/// The error for a value that cannot be read.
pub(super) fn unreadable(column: &str, why: Unreadable) -> rusqlite::Error {
    let text = format!("unreadable: {column} is {why}");
    rusqlite::Error::FromSqlConversionFailure(0, Type::Null, text.into())
}

/// The same for a value that no version of ours wrote.
fn damaged(column: &str) -> rusqlite::Error {
    unreadable(column, Unreadable::Damaged)
}

fn u128_at(row: &Row<'_>, column: &str) -> Read<u128> {
    Ok(u128::from_be_bytes(row.get::<_, [u8; 16]>(column)?))
}

/// The columns of a row one after the other. Looking each up by its name is half of the cost of
/// loading an order, so what is loaded with orders is read in the order of a list of columns.
struct InOrder<'r, 's> {
    row: &'r Row<'s>,
    at: usize,
}

impl<'r, 's> InOrder<'r, 's> {
    fn of(row: &'r Row<'s>) -> InOrder<'r, 's> {
        InOrder { row, at: 0 }
    }

    fn next<T: FromSql>(&mut self) -> Read<T> {
        self.at += 1;
        self.row.get(self.at - 1)
    }

    fn blob_or_null(&mut self) -> Read<Option<&'r [u8]>> {
        self.at += 1;
        Ok(self.row.get_ref(self.at - 1)?.as_blob_or_null()?)
    }

    fn text_or_null(&mut self) -> Read<Option<&'r str>> {
        self.at += 1;
        Ok(self.row.get_ref(self.at - 1)?.as_str_or_null()?)
    }

    fn bytes(&mut self) -> Read<&'r [u8]> {
        self.at += 1;
        Ok(self.row.get_ref(self.at - 1)?.as_bytes()?)
    }
}

/// Reads `serial`, `line`, `state`, `code_rule`, `revision` and `guest`.
pub(super) fn ticket(row: &Row<'_>) -> Read<Ticket> {
    let state = match row.get("state")? {
        0i64 => TicketState::Valid,
        1 => TicketState::Revoked,
        _ => return Err(damaged("tickets.state")),
    };
    let code_rule =
        decode_code_rule(row.get("code_rule")?).ok_or_else(|| damaged("tickets.code_rule"))?;
    Ok(Ticket {
        serial: row.get("serial")?,
        line: row.get("line")?,
        state,
        code_rule,
        revision: row.get("revision")?,
        guest: row.get("guest")?,
    })
}

/// Reads what [`ticket`] reads, `name`, `first_serial` and `answers`.
pub(super) fn named_ticket(row: &Row<'_>) -> Read<NamedTicket> {
    let answers = decode_answers(row.get_ref("answers")?.as_blob_or_null()?)
        .map_err(|why| unreadable("orders.answers", why))?;
    Ok(NamedTicket::of(ticket(row)?, row.get("name")?, row.get("first_serial")?, answers))
}

/// Reads one order whole.
pub(super) fn order(conn: &Connection, id: OrderId) -> Read<Option<Order>> {
    let (high, low) = split(id);
    let mut find =
        conn.prepare_cached(concat!("SELECT ", order_columns!(), " FROM orders WHERE id = ?1"))?;
    let found = find.query_row([high], order_row).optional()?;
    match found {
        // The high half is unique by construction; another low half is another order's id.
        Some((mut order, serials)) if split(order.id).1 == low => {
            add_children(conn, &mut order, serials)?;
            Ok(Some(order))
        }
        _ => Ok(None),
    }
}

/// The serials between which an order's tickets lie.
pub(super) type Serials = Option<(u32, u32)>;

/// The columns that [`order_row`] reads.
macro_rules! order_columns {
    () => {
        "id, low, event, state, lines, name, email, buyer_key, language, currency, placed_ms, \
         until_ms, due_ms, tries, trouble, tender, reference, answers, metadata, first_serial, last_serial"
    };
}
pub(super) use order_columns;

/// An order as its own row tells it.
pub(super) fn order_row(row: &Row<'_>) -> Read<(Order, Serials)> {
    let mut row = InOrder::of(row);
    let id = join(row.next()?, row.next()?);
    let event = EventId(row.next::<i64>()? as u64);
    let state = state_from(row.next()?).ok_or_else(|| damaged("orders.state"))?;
    let lines = decode_lines(row.bytes()?).map_err(|why| unreadable("orders.lines", why))?;
    let (name, email) = (row.next()?, row.next()?);
    let key = BuyerKey(u128::from_be_bytes(row.next()?));
    let language = language(row.bytes()?)?;
    let currency = currency(row.bytes()?)?;
    let (placed_ms, until_ms, due_ms) = (row.next()?, row.next()?, row.next()?);
    let (tries, trouble) = (row.next()?, row.next()?);
    let order = Order {
        id,
        event,
        buyer: Buyer { name, email, key, language },
        lines,
        currency,
        tender: tender_from(row.next()?).ok_or_else(|| damaged("orders.tender"))?,
        reference: row.next()?,
        answers: decode_answers(row.blob_or_null()?)
            .map_err(|why| unreadable("orders.answers", why))?,
        metadata: decode_metadata(row.text_or_null()?)
            .map_err(|why| unreadable("orders.metadata", why))?,
        state,
        placed_ms,
        until_ms,
        due_ms,
        tries,
        trouble,
        payment: None,
        refunds: Vec::new(),
        tickets: Vec::new(),
    };
    let first: Option<u32> = row.next()?;
    Ok((order, first.zip(row.next()?)))
}

/// Reads `id`, `low`, `event` and `buyer_key`.
pub(super) fn owner(row: &Row<'_>) -> Read<Owner> {
    let mut row = InOrder::of(row);
    Ok(Owner {
        order: join(row.next()?, row.next()?),
        event: EventId(row.next::<i64>()? as u64),
        buyer: BuyerKey(u128::from_be_bytes(row.next()?)),
    })
}

fn language(code: &[u8]) -> Read<Language> {
    let code = std::str::from_utf8(code).ok();
    code.and_then(Language::parse).ok_or_else(|| damaged("orders.language"))
}

fn currency(code: &[u8]) -> Read<Currency> {
    let code = std::str::from_utf8(code).ok();
    code.and_then(Currency::parse).ok_or_else(|| damaged("currency"))
}

/// Adds what lies in other tables, as far as the order's state can have it.
pub(super) fn add_children(conn: &Connection, order: &mut Order, serials: Serials) -> Read<()> {
    let high = split(order.id).0;
    if order.state != OrderState::Held {
        order.payment = conn
            .prepare_cached(
                "SELECT id, intent, live, action, dispute, dispute_minor, dispute_status
                 FROM payments WHERE order_id = ?1",
            )?
            .query_row([high], payment)
            .optional()?;
    }
    if let Some(payment) = &mut order.payment {
        payment.attempts = conn
            .prepare_cached(
                "SELECT number, token, begun_ms, state, reason FROM attempts
                 WHERE order_id = ?1 ORDER BY number",
            )?
            .query_map([high], attempt)?
            .collect::<Read<_>>()?;
    }
    // Of the states before the money, only those that gave the places back can owe it back.
    if order.state >= OrderState::Paid {
        order.refunds = conn
            .prepare_cached("SELECT * FROM refunds WHERE order_id = ?1 ORDER BY number")?
            .query_map([high], refund)?
            .collect::<Read<_>>()?;
    }
    if let Some((first, last)) = serials {
        order.tickets = conn
            .prepare_cached(
                "SELECT serial, line, state, code_rule, revision, guest FROM tickets
                 WHERE event = ?1 AND serial BETWEEN ?2 AND ?3 AND order_id = ?4 ORDER BY serial",
            )?
            .query_map(params![order.event.0 as i64, first, last, high], ticket)?
            .collect::<Read<_>>()?;
    }
    Ok(())
}

fn payment(row: &Row<'_>) -> Read<Payment> {
    let mut row = InOrder::of(row);
    Ok(Payment {
        id: PaymentId(u128::from_be_bytes(row.next()?)),
        intent: row.next()?,
        live: row.next()?,
        action: row.next()?,
        dispute: dispute(&mut row)?,
        attempts: Vec::new(),
    })
}

fn dispute(row: &mut InOrder<'_, '_>) -> Read<Option<Dispute>> {
    let (id, amount, status) = (row.next()?, row.next()?, row.next()?);
    match (id, amount, status) {
        (Some(id), Some(amount_minor), Some(status)) => {
            Ok(Some(Dispute { id, amount_minor, status }))
        }
        (None::<String>, None::<i64>, None::<String>) => Ok(None),
        _ => Err(damaged("payments.dispute")),
    }
}

fn attempt(row: &Row<'_>) -> Read<Attempt> {
    let mut row = InOrder::of(row);
    let (number, token, begun_ms) = (row.next()?, row.next()?, row.next()?);
    let state = match row.next()? {
        0i64 => AttemptState::Pending,
        1 => AttemptState::Action,
        2 => AttemptState::Declined(row.next()?),
        3 => AttemptState::Authorised,
        4 => AttemptState::Abandoned,
        _ => return Err(damaged("attempts.state")),
    };
    Ok(Attempt { number, token, begun_ms, state })
}

fn refund(row: &Row<'_>) -> Read<Refund> {
    let state = match row.get("state")? {
        0i64 => RefundState::Pending,
        1 => RefundState::Succeeded(row.get("detail")?),
        2 => RefundState::Failed(row.get("detail")?),
        _ => return Err(damaged("refunds.state")),
    };
    let amount_minor = row.get("amount_minor")?;
    if !is_amount(amount_minor) {
        return Err(damaged("refunds.amount_minor"));
    }
    Ok(Refund {
        id: RefundId(u128_at(row, "id")?),
        amount_minor,
        quantities: decode_quantities(row.get_ref("quantities")?.as_blob()?)
            .map_err(|why| unreadable("refunds.quantities", why))?,
        restock: row.get("restock")?,
        state,
        by_hand: row.get("by_hand")?,
        of_amount: row.get("of_amount")?,
    })
}

/// Reads the events that `condition` names, whole, in the order of their ids.
pub(super) fn events(
    conn: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Read<Vec<Event>> {
    let columns = event_columns!();
    let sql = format!("SELECT {columns} FROM events {condition} ORDER BY id");
    let mut found = conn.prepare_cached(&sql)?;
    let mut events: Vec<Event> = found.query_map(parameters, event_row)?.collect::<Read<_>>()?;
    for event in &mut events {
        add_pools(conn, event)?;
        add_ticket_types(conn, event)?;
    }
    Ok(events)
}

/// Whether there are orders of an event, in whatever state. All are read if there are none: an event is
/// deleted once, and an order may have the earlier id where a clock was wrong.
pub(super) fn has_orders(conn: &Connection, event: EventId) -> Read<bool> {
    conn.prepare_cached("SELECT 1 FROM orders WHERE event = ?1 LIMIT 1")?.exists([event.0 as i64])
}

fn event_row(row: &Row<'_>) -> Read<Event> {
    event_row::read(super::records::row(row)?).map_err(|column| damaged(&column))
}

fn add_pools(conn: &Connection, event: &mut Event) -> Read<()> {
    let mut find = conn.prepare_cached("SELECT * FROM pools WHERE event = ?1 ORDER BY idx")?;
    let mut rows = find.query([event.id.0 as i64])?;
    let mut named: Vec<(u32, PoolSpec)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, capacity): (String, u32) = (row.get("name")?, row.get("capacity")?);
        if let Some(rank) = row.get("rank")? {
            named.push((rank, PoolSpec { name: name.clone(), capacity }));
        }
        let pool = Pool { name, capacity, held: row.get("held")?, sold: row.get("sold")? };
        let kind = kind_of(row.get("kind")?).ok_or_else(|| damaged("pools.kind"))?;
        let next = match kind {
            None => event.pools.len(),
            Some(_) => usize::from(COUNTERS_FROM) + event.counters.len(),
        };
        if row.get::<_, i64>("idx")? != next as i64
            || pool.held.checked_add(pool.sold).is_none_or(|taken| taken > capacity)
        {
            return Err(damaged("pools"));
        }
        match kind {
            None => event.pools.push(pool),
            Some(kind) => event.counters.push(Counter { kind, count: pool }),
        }
    }
    named.sort_by_key(|(rank, _)| *rank);
    event.spec.pools = named.into_iter().map(|(_, spec)| spec).collect();
    Ok(())
}

fn add_ticket_types(conn: &Connection, event: &mut Event) -> Read<()> {
    let mut find =
        conn.prepare_cached("SELECT * FROM ticket_types WHERE event = ?1 ORDER BY idx")?;
    let mut rows = find.query([event.id.0 as i64])?;
    let mut named: Vec<(u32, TicketTypeSpec)> = Vec::new();
    while let Some(row) = rows.next()? {
        let rank: Option<u32> = row.get("rank")?;
        let t = TicketType {
            id: row.get("id")?,
            name: row.get("name")?,
            pool: row.get("pool")?,
            price_minor: row.get("price_minor")?,
            retired: rank.is_none(),
        };
        let Some(pool) = event.pools.get(usize::from(t.pool)) else {
            return Err(damaged("ticket_types.pool"));
        };
        if let Some(rank) = rank {
            let (id, name, pool) = (t.id.clone(), t.name.clone(), pool.name.clone());
            let rules = rules_of(row.get_ref("rules")?.as_str()?);
            let rules = rules.ok_or_else(|| damaged("ticket_types.rules"))?;
            let spec = TicketTypeSpec { id, name, pool, price_minor: t.price_minor, rules };
            named.push((rank, spec));
        }
        if row.get::<_, i64>("idx")? != event.ticket_types.len() as i64 {
            return Err(damaged("ticket_types.idx"));
        }
        event.ticket_types.push(t);
    }
    named.sort_by_key(|(rank, _)| *rank);
    event.spec.ticket_types = named.into_iter().map(|(_, spec)| spec).collect();
    Ok(())
}
