//! How things look as rows: codecs, and reading an event or an order with all that belongs to it.
//!
//! Numbers without a sign are stored as the signed number with the same bits. What cannot be read
//! back is a fault of the database, never a panic: the file may be damaged.

use boxoffice::{
    Attempt, AttemptState, Buyer, BuyerKey, BuyerRecord, Currency, Event, EventId, EventSpec, Line,
    Order, OrderId, OrderState, Payment, PaymentId, Pool, PoolSpec, Refund, RefundId, RefundState,
    Reply, Ticket, TicketState, TicketType, TicketTypeSpec,
};
use rusqlite::types::{FromSql, Type};
use rusqlite::{Connection, OptionalExtension, Row, params};

type Read<T> = rusqlite::Result<T>;

/// The two columns of an order's id.
pub(super) fn split(order: OrderId) -> (i64, i64) {
    ((order.0 >> 64) as i64, order.0 as i64)
}

/// An order's id from its two columns.
pub(super) fn join(high: i64, low: i64) -> OrderId {
    OrderId((u128::from(high as u64) << 64) | u128::from(low as u64))
}

/// The error for a value that no version of ours wrote.
fn unreadable(column: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Null, format!("unreadable: {column}").into())
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

    fn bytes(&mut self) -> Read<&'r [u8]> {
        self.at += 1;
        Ok(self.row.get_ref(self.at - 1)?.as_bytes()?)
    }
}

/// Appends a number, seven bits a byte, the lowest first (LEB128).
fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Takes a number off the front.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// An order's lines in a few bytes each.
pub(super) fn encode_lines(lines: &[Line]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 * lines.len());
    for line in lines {
        put(&mut out, line.ticket_type.into());
        put(&mut out, line.pool.into());
        put(&mut out, line.quantity.into());
        put(&mut out, line.unit_minor as u64);
        put(&mut out, line.refunded.into());
        put(&mut out, line.restocked.into());
    }
    out
}

/// The lines again.
pub(super) fn decode_lines(mut bytes: &[u8]) -> Option<Vec<Line>> {
    let mut lines = Vec::with_capacity(1);
    while !bytes.is_empty() {
        lines.push(Line {
            ticket_type: take(&mut bytes)?.try_into().ok()?,
            pool: take(&mut bytes)?.try_into().ok()?,
            quantity: take(&mut bytes)?.try_into().ok()?,
            unit_minor: take(&mut bytes)? as i64,
            refunded: take(&mut bytes)?.try_into().ok()?,
            restocked: take(&mut bytes)?.try_into().ok()?,
        });
    }
    Some(lines)
}

/// A refund's quantities.
pub(super) fn encode_quantities(quantities: &[u32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(quantities.len());
    quantities.iter().for_each(|q| put(&mut out, u64::from(*q)));
    out
}

fn decode_quantities(mut bytes: &[u8]) -> Option<Vec<u32>> {
    let mut quantities = Vec::new();
    while !bytes.is_empty() {
        quantities.push(take(&mut bytes)?.try_into().ok()?);
    }
    Some(quantities)
}

/// A reply: a letter for its kind, ids whole, the rest as numbers.
pub(super) fn encode_reply(reply: &Reply) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    match reply {
        Reply::Event { id, created } => {
            out.push(b'e');
            put(&mut out, id.0);
            put(&mut out, u64::from(*created));
        }
        Reply::Held { order, until_ms } => {
            out.push(b'h');
            out.extend(order.0.to_be_bytes());
            put(&mut out, *until_ms as u64);
        }
        Reply::Paying { order, attempt } => {
            out.push(b'p');
            out.extend(order.0.to_be_bytes());
            put(&mut out, u64::from(*attempt));
        }
        Reply::Order { order, state } => {
            out.push(b'o');
            out.extend(order.0.to_be_bytes());
            put(&mut out, state_number(*state) as u64);
        }
        Reply::Refunding { order, refund, amount_minor } => {
            out.push(b'r');
            out.extend(order.0.to_be_bytes());
            out.extend(refund.0.to_be_bytes());
            put(&mut out, *amount_minor as u64);
        }
    }
    out
}

/// The reply again.
pub(super) fn decode_reply(bytes: &[u8]) -> Option<Reply> {
    let id = |bytes: &mut &[u8]| {
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        *bytes = rest;
        Some(u128::from_be_bytes(*id))
    };
    let (kind, mut rest) = bytes.split_first()?;
    let rest = &mut rest;
    let reply = match kind {
        b'e' => Reply::Event { id: EventId(take(rest)?), created: take(rest)? == 1 },
        b'h' => Reply::Held { order: OrderId(id(rest)?), until_ms: take(rest)? as i64 },
        b'p' => Reply::Paying { order: OrderId(id(rest)?), attempt: take(rest)?.try_into().ok()? },
        b'o' => Reply::Order {
            order: OrderId(id(rest)?),
            state: *OrderState::ALL.get(usize::try_from(take(rest)?).ok()?)?,
        },
        b'r' => Reply::Refunding {
            order: OrderId(id(rest)?),
            refund: RefundId(id(rest)?),
            amount_minor: take(rest)? as i64,
        },
        _ => return None,
    };
    rest.is_empty().then_some(reply)
}

/// A state as it is stored: its place in [`OrderState::ALL`].
pub(super) fn state_number(state: OrderState) -> i64 {
    OrderState::ALL.iter().position(|s| *s == state).expect("ALL has all states") as i64
}

/// The state again.
pub(super) fn state_from(number: i64) -> Option<OrderState> {
    OrderState::ALL.get(usize::try_from(number).ok()?).copied()
}

/// An attempt's state, and the reason if it was declined.
pub(super) fn attempt_state(state: &AttemptState) -> (i64, Option<&str>) {
    match state {
        AttemptState::Pending => (0, None),
        AttemptState::Action => (1, None),
        AttemptState::Declined(reason) => (2, Some(reason)),
        AttemptState::Authorised => (3, None),
        AttemptState::Abandoned => (4, None),
    }
}

/// A refund's state, and what the provider said.
pub(super) fn refund_state(state: &RefundState) -> (i64, Option<&str>) {
    match state {
        RefundState::Pending => (0, None),
        RefundState::Succeeded(id) => (1, Some(id)),
        RefundState::Failed(reason) => (2, Some(reason)),
    }
}

/// A ticket's state.
pub(super) fn ticket_state(state: TicketState) -> i64 {
    match state {
        TicketState::Valid => 0,
        TicketState::Revoked => 1,
    }
}

/// Reads `serial`, `line` and `state`.
pub(super) fn ticket(row: &Row<'_>) -> Read<Ticket> {
    let state = match row.get("state")? {
        0i64 => TicketState::Valid,
        1 => TicketState::Revoked,
        _ => return Err(unreadable("tickets.state")),
    };
    Ok(Ticket { serial: row.get("serial")?, line: row.get("line")?, state })
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
        "id, low, event, state, lines, name, email, buyer_key, currency, placed_ms, until_ms, \
         due_ms, tries, trouble, first_serial, last_serial"
    };
}
pub(super) use order_columns;

/// An order as its own row tells it.
pub(super) fn order_row(row: &Row<'_>) -> Read<(Order, Serials)> {
    let mut row = InOrder::of(row);
    let id = join(row.next()?, row.next()?);
    let event = EventId(row.next::<i64>()? as u64);
    let state = state_from(row.next()?).ok_or_else(|| unreadable("orders.state"))?;
    let lines = decode_lines(row.bytes()?).ok_or_else(|| unreadable("orders.lines"))?;
    let (name, email) = (row.next()?, row.next()?);
    let key = BuyerKey(u128::from_be_bytes(row.next()?));
    let order = Order {
        id,
        event,
        buyer: Buyer { name, email, key },
        lines,
        currency: currency(row.bytes()?)?,
        state,
        placed_ms: row.next()?,
        until_ms: row.next()?,
        due_ms: row.next()?,
        tries: row.next()?,
        trouble: row.next()?,
        payment: None,
        refunds: Vec::new(),
        tickets: Vec::new(),
    };
    let first: Option<u32> = row.next()?;
    Ok((order, first.zip(row.next()?)))
}

fn currency(code: &[u8]) -> Read<Currency> {
    let code = std::str::from_utf8(code).ok();
    code.and_then(Currency::parse).ok_or_else(|| unreadable("currency"))
}

/// Adds what lies in other tables, as far as the order's state can have it.
pub(super) fn add_children(conn: &Connection, order: &mut Order, serials: Serials) -> Read<()> {
    let high = split(order.id).0;
    if order.state != OrderState::Held {
        order.payment = conn
            .prepare_cached("SELECT id, intent, live, action FROM payments WHERE order_id = ?1")?
            .query_row([high], payment)
            .optional()?;
    }
    if let Some(payment) = &mut order.payment {
        payment.attempts = conn
            .prepare_cached(
                "SELECT number, token, state, reason FROM attempts
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
                "SELECT serial, line, state FROM tickets
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
        attempts: Vec::new(),
    })
}

fn attempt(row: &Row<'_>) -> Read<Attempt> {
    let mut row = InOrder::of(row);
    let (number, token) = (row.next()?, row.next()?);
    let state = match row.next()? {
        0i64 => AttemptState::Pending,
        1 => AttemptState::Action,
        2 => AttemptState::Declined(row.next()?),
        3 => AttemptState::Authorised,
        4 => AttemptState::Abandoned,
        _ => return Err(unreadable("attempts.state")),
    };
    Ok(Attempt { number, token, state })
}

fn refund(row: &Row<'_>) -> Read<Refund> {
    let state = match row.get("state")? {
        0i64 => RefundState::Pending,
        1 => RefundState::Succeeded(row.get("detail")?),
        2 => RefundState::Failed(row.get("detail")?),
        _ => return Err(unreadable("refunds.state")),
    };
    Ok(Refund {
        id: RefundId(u128_at(row, "id")?),
        amount_minor: row.get("amount_minor")?,
        quantities: decode_quantities(row.get_ref("quantities")?.as_blob()?)
            .ok_or_else(|| unreadable("refunds.quantities"))?,
        restock: row.get("restock")?,
        state,
    })
}

/// What a buyer has of an event.
pub(super) fn buyer(conn: &Connection, event: EventId, key: BuyerKey) -> Read<Option<BuyerRecord>> {
    conn.prepare_cached("SELECT * FROM buyers WHERE event = ?1 AND key = ?2")?
        .query_row(params![event.0 as i64, key.0.to_be_bytes()], |row| {
            Ok(BuyerRecord {
                places: row.get("places")?,
                order: join(row.get("order_high")?, row.get("order_low")?),
            })
        })
        .optional()
}

/// Reads the events that `condition` names, whole, in the order of their ids.
pub(super) fn events(
    conn: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Read<Vec<Event>> {
    let mut events: Vec<Event> = conn
        .prepare_cached(&format!("SELECT * FROM events {condition} ORDER BY id"))?
        .query_map(parameters, event_row)?
        .collect::<Read<_>>()?;
    for event in &mut events {
        add_pools(conn, event)?;
        add_ticket_types(conn, event)?;
    }
    Ok(events)
}

fn event_row(row: &Row<'_>) -> Read<Event> {
    let spec = EventSpec {
        slug: row.get("slug")?,
        name: row.get("name")?,
        place: row.get("place")?,
        starts_ms: row.get("starts_ms")?,
        zone: row.get("zone")?,
        currency: currency(row.get_ref("currency")?.as_bytes()?)?,
        limit_per_order: row.get("limit_per_order")?,
        limit_per_buyer: row.get("limit_per_buyer")?,
        hold_ms: row.get("hold_ms")?,
        sale_opens_ms: row.get("sale_opens_ms")?,
        sale_closes_ms: row.get("sale_closes_ms")?,
        pools: Vec::new(),
        ticket_types: Vec::new(),
    };
    Ok(Event {
        id: EventId(row.get::<_, i64>("id")? as u64),
        spec,
        pools: Vec::new(),
        ticket_types: Vec::new(),
        serials: row.get("serials")?,
    })
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
        if row.get::<_, i64>("idx")? != event.pools.len() as i64
            || pool.held.checked_add(pool.sold).is_none_or(|taken| taken > capacity)
        {
            return Err(unreadable("pools"));
        }
        event.pools.push(pool);
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
            return Err(unreadable("ticket_types.pool"));
        };
        if let Some(rank) = rank {
            let (id, name, pool) = (t.id.clone(), t.name.clone(), pool.name.clone());
            named.push((rank, TicketTypeSpec { id, name, pool, price_minor: t.price_minor }));
        }
        if row.get::<_, i64>("idx")? != event.ticket_types.len() as i64 {
            return Err(unreadable("ticket_types.idx"));
        }
        event.ticket_types.push(t);
    }
    named.sort_by_key(|(rank, _)| *rank);
    event.spec.ticket_types = named.into_iter().map(|(_, spec)| spec).collect();
    Ok(())
}
