//! The questions, and rows as what they stand for. What cannot be read is a fault of the database,
//! never a panic.

use super::link::{Ask, Trouble, ask};
use super::records;
use crate::store::codec::{
    Unreadable, decode_answers, decode_code_rule, decode_lines, decode_metadata, decode_quantities,
    decode_reply, is_amount, tender_from,
};
use crate::store::event_row::{self, event_columns};
use crate::store::offer_row::{kind_of, rules_of};
use crate::store::{NamedTicket, Owner, Recorded, RequestKey};
use boxoffice::{
    Attempt, AttemptState, Buyer, BuyerKey, BuyerRecord, COUNTERS_FROM, Counter, Currency, Dispute,
    Event, EventId, Language, Order, OrderId, OrderState, Payment, PaymentId, Pool, PoolSpec,
    Refund, RefundId, RefundState, Ticket, TicketState, TicketType, TicketTypeSpec,
};
use std::collections::BTreeMap;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

type Read<T> = Result<T, Trouble>;

/// Of an order, the first and the last serial of its tickets.
pub(super) type Serials = Option<(i64, i64)>;

/// The columns of an order.
macro_rules! order_columns {
    () => {
        "id, event, state, lines, name, email, buyer_key, language, currency, placed_ms, until_ms, \
         due_ms, tries, trouble, tender, reference, answers, metadata, \
         first_serial, last_serial"
    };
}
pub(super) use order_columns;

/// All events without their parts.
pub(super) const EVENTS: &str = concat!("SELECT ", event_columns!(), " FROM events ORDER BY id");
/// These events without their parts.
pub(super) const SOME_EVENTS: &str =
    concat!("SELECT ", event_columns!(), " FROM events WHERE id = ANY($1::bigint[]) ORDER BY id");
/// All pools.
pub(super) const POOLS: &str =
    "SELECT event, idx, name, capacity, held, sold, rank, kind FROM pools ORDER BY event, idx";
/// The pools of these events.
pub(super) const SOME_POOLS: &str =
    "SELECT event, idx, name, capacity, held, sold, rank, kind FROM pools
     WHERE event = ANY($1::bigint[]) ORDER BY event, idx";
/// All ticket types.
pub(super) const TICKET_TYPES: &str = "SELECT event, idx, id, name, pool, price_minor, rank, rules FROM ticket_types ORDER BY event, idx";
/// The ticket types of these events.
pub(super) const SOME_TICKET_TYPES: &str =
    "SELECT event, idx, id, name, pool, price_minor, rank, rules FROM ticket_types
     WHERE event = ANY($1::bigint[]) ORDER BY event, idx";
/// These orders without what belongs to them.
pub(super) const SOME_ORDERS: &str =
    concat!("SELECT ", order_columns!(), " FROM orders WHERE id = ANY($1::uuid[])");
/// What these buyers have of these events.
pub(super) const BUYERS: &str = "SELECT b.event, b.key, b.places, b.order_id
     FROM unnest($1::bigint[], $2::uuid[]) AS k (event, key)
     JOIN buyers b ON b.event = k.event AND b.key = k.key";
/// Those of the events with these slugs that have orders.
pub(super) const ORDERED: &str = "SELECT e.id FROM events e WHERE e.slug = ANY($1::text[])
     AND EXISTS (SELECT 1 FROM orders o WHERE o.event = e.id)";
/// The answers to these requests.
pub(super) const REQUESTS: &str =
    "SELECT key, fingerprint, reply FROM requests WHERE key = ANY($1::uuid[])";
/// The database's clock, in milliseconds, and what was set for this session when it began.
pub(super) const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
     current_setting('nts.session', true)";

const PAYMENTS: &str = "SELECT p.order_id, p.id, p.intent, p.live, p.action, p.dispute,
            p.dispute_minor, p.dispute_status
     FROM unnest($1::bigint[], $2::uuid[]) AS k (event, id)
     JOIN payments p ON p.event = k.event AND p.order_id = k.id";
const ATTEMPTS: &str = "SELECT a.order_id, a.number, a.token, a.begun_ms, a.state, a.reason
     FROM unnest($1::bigint[], $2::uuid[]) AS k (event, id)
     JOIN attempts a ON a.event = k.event AND a.order_id = k.id ORDER BY a.order_id, a.number";
const REFUNDS: &str = "SELECT r.order_id, r.id, r.amount_minor, r.quantities, r.restock, r.state,
            r.detail, r.by_hand, r.of_amount
     FROM unnest($1::bigint[], $2::uuid[]) AS k (event, id)
     JOIN refunds r ON r.event = k.event AND r.order_id = k.id ORDER BY r.order_id, r.number";
const TICKETS: &str = "SELECT t.order_id, t.serial, t.line, t.state, t.code_rule, t.revision,
            t.guest
     FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[]) AS k (event, id, a, z)
     JOIN tickets t ON t.event = k.event AND t.serial BETWEEN k.a AND k.z AND t.order_id = k.id
     ORDER BY t.event, t.serial";

pub(super) fn unreadable(what: &str) -> Trouble {
    Trouble::Unreadable(what.into())
}

/// The same for a value of several parts, with the reason.
pub(super) fn blob(column: &str, why: Unreadable) -> Trouble {
    Trouble::Unreadable(format!("{column} is {why}"))
}

/// The columns of a row one after the other.
pub(super) struct InOrder<'r> {
    row: &'r Row,
    at: usize,
}

impl<'r> InOrder<'r> {
    pub(super) fn of(row: &'r Row) -> InOrder<'r> {
        InOrder { row, at: 0 }
    }

    pub(super) fn next<T: FromSql<'r>>(&mut self) -> Read<T> {
        self.at += 1;
        self.row.try_get(self.at - 1).map_err(|error| Trouble::Unreadable(error.to_string()))
    }

    /// A number without a sign.
    fn count<T: TryFrom<i64>>(&mut self, what: &str) -> Read<T> {
        T::try_from(self.next::<i64>()?).map_err(|_| unreadable(what))
    }
}

/// The first column of the first row.
pub(super) fn one<T: for<'r> FromSql<'r>>(rows: &[Row]) -> Read<T> {
    InOrder::of(rows.first().ok_or_else(|| unreadable("an answer without a row"))?).next()
}

fn currency(code: &str) -> Read<Currency> {
    Currency::parse(code).ok_or_else(|| unreadable("currency"))
}

fn order_id(id: Uuid) -> OrderId {
    OrderId(id.as_u128())
}

/// Puts events together with their parts.
pub(super) fn events(events: &[Row], pools: &[Row], ticket_types: &[Row]) -> Read<Vec<Event>> {
    let mut found: BTreeMap<i64, Event> = BTreeMap::new();
    for row in events {
        let event = event(row)?;
        found.insert(event.id.0 as i64, event);
    }
    add_parts(&mut found, pools, ticket_types)?;
    let mut events: Vec<Event> = found.into_values().collect();
    events.sort_by_key(|event| event.id);
    Ok(events)
}

/// An event without its parts.
pub(super) fn event(row: &Row) -> Read<Event> {
    event_row::read(records::read(row)?).map_err(|column| unreadable(&column))
}

/// Adds pools and ticket types, which come in the order of their indexes, to events that have none.
/// Those of other events are passed over.
pub(super) fn add_parts(
    events: &mut BTreeMap<i64, Event>,
    pools: &[Row],
    ticket_types: &[Row],
) -> Read<()> {
    let mut named: BTreeMap<i64, Vec<(i64, PoolSpec)>> = BTreeMap::new();
    for row in pools {
        let mut row = InOrder::of(row);
        let id = row.next()?;
        let Some(event) = events.get_mut(&id) else { continue };
        let idx: usize = row.count("pools.idx")?;
        let (name, capacity): (String, u32) = (row.next()?, row.count("pools.capacity")?);
        let (held, sold): (u32, u32) = (row.count("pools.held")?, row.count("pools.sold")?);
        if let Some(rank) = row.next()? {
            let spec = PoolSpec { name: name.clone(), capacity };
            named.entry(id).or_default().push((rank, spec));
        }
        let kind = kind_of(row.next()?).ok_or_else(|| unreadable("pools.kind"))?;
        let next = match kind {
            None => event.pools.len(),
            Some(_) => usize::from(COUNTERS_FROM) + event.counters.len(),
        };
        let taken = held.checked_add(sold);
        if idx != next || taken.is_none_or(|taken| taken > capacity) {
            return Err(unreadable("pools"));
        }
        let pool = Pool { name, capacity, held, sold };
        match kind {
            None => event.pools.push(pool),
            Some(kind) => event.counters.push(Counter { kind, count: pool }),
        }
    }
    for (id, mut named) in named {
        named.sort_by_key(|(rank, _)| *rank);
        let event = events.get_mut(&id).expect("its pools were just added");
        event.spec.pools = named.into_iter().map(|(_, spec)| spec).collect();
    }
    let mut named: BTreeMap<i64, Vec<(i64, TicketTypeSpec)>> = BTreeMap::new();
    for row in ticket_types {
        let mut row = InOrder::of(row);
        let event_id = row.next()?;
        let Some(event) = events.get_mut(&event_id) else { continue };
        let idx: usize = row.count("ticket_types.idx")?;
        let (id, name): (String, String) = (row.next()?, row.next()?);
        let (at, price_minor): (u16, i64) = (row.count("ticket_types.pool")?, row.next()?);
        let rank: Option<i64> = row.next()?;
        let pool = event.pools.get(usize::from(at));
        let pool = pool.ok_or_else(|| unreadable("ticket_types.pool"))?.name.clone();
        if idx != event.ticket_types.len() {
            return Err(unreadable("ticket_types.idx"));
        }
        if let Some(rank) = rank {
            let (id, name) = (id.clone(), name.clone());
            let rules = rules_of(row.next()?).ok_or_else(|| unreadable("ticket_types.rules"))?;
            let spec = TicketTypeSpec { id, name, pool, price_minor, rules };
            named.entry(event_id).or_default().push((rank, spec));
        }
        let retired = rank.is_none();
        event.ticket_types.push(TicketType { id, name, pool: at, price_minor, retired });
    }
    for (id, mut named) in named {
        named.sort_by_key(|(rank, _)| *rank);
        let event = events.get_mut(&id).expect("its ticket types were just added");
        event.spec.ticket_types = named.into_iter().map(|(_, spec)| spec).collect();
    }
    Ok(())
}

/// An order as its own row tells it.
pub(super) fn order(row: &Row) -> Read<(Order, Serials)> {
    let mut row = InOrder::of(row);
    let id = order_id(row.next()?);
    let event = EventId(row.next::<i64>()? as u64);
    let state = usize::try_from(row.next::<i16>()?).ok().and_then(|n| OrderState::ALL.get(n));
    let state = *state.ok_or_else(|| unreadable("orders.state"))?;
    let lines = decode_lines(row.next()?).map_err(|why| blob("orders.lines", why))?;
    let (name, email) = (row.next()?, row.next()?);
    let key = BuyerKey(row.next::<Uuid>()?.as_u128());
    let language = Language::parse(row.next()?).ok_or_else(|| unreadable("orders.language"))?;
    let currency = currency(row.next()?)?;
    let (placed_ms, until_ms, due_ms) = (row.next()?, row.next()?, row.next()?);
    let (tries, trouble) = (row.count("orders.tries")?, row.next()?);
    let tender = tender_from(row.next::<i16>()?.into());
    let order = Order {
        id,
        event,
        buyer: Buyer { name, email, key, language },
        lines,
        currency,
        tender: tender.ok_or_else(|| unreadable("orders.tender"))?,
        reference: row.next()?,
        answers: decode_answers(row.next()?).map_err(|why| blob("orders.answers", why))?,
        metadata: decode_metadata(row.next()?).map_err(|why| blob("orders.metadata", why))?,
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
    let first: Option<i64> = row.next()?;
    Ok((order, first.zip(row.next()?)))
}

/// Orders that are read, and still lack what belongs to them.
#[derive(Default)]
pub(super) struct Orders(pub(super) BTreeMap<OrderId, (Order, Serials)>);

impl Orders {
    pub(super) fn of(rows: &[Row]) -> Read<Orders> {
        let mut orders = Orders::default();
        for row in rows {
            let (order, serials) = order(row)?;
            orders.0.insert(order.id, (order, serials));
        }
        Ok(orders)
    }

    /// Asks for what belongs to them; nothing, if none of them can have anything.
    pub(super) fn ask_children(&self) -> Vec<Ask<'static>> {
        let (mut events, mut ids) = (Vec::new(), Vec::new());
        let (mut with_tickets, mut whose) = (Vec::new(), Vec::new());
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for (order, serials) in self.0.values() {
            let (event, id) = (order.event.0 as i64, Uuid::from_u128(order.id.0));
            if order.state != OrderState::Held {
                events.push(event);
                ids.push(id);
            }
            if let Some((a, z)) = serials {
                with_tickets.push(event);
                whose.push(id);
                first.push(*a);
                last.push(*z);
            }
        }
        if ids.is_empty() {
            return Vec::new();
        }
        vec![
            ask!(PAYMENTS, events.clone(), ids.clone()),
            ask!(ATTEMPTS, events.clone(), ids.clone()),
            ask!(REFUNDS, events, ids),
            ask!(TICKETS, with_tickets, whose, first, last),
        ]
    }

    /// Adds what [`Orders::ask_children`] asked for.
    pub(super) fn add_children(&mut self, answers: &[Vec<Row>]) -> Read<()> {
        let [payments, attempts, refunds, tickets] = answers else { return Ok(()) };
        for row in payments {
            let mut row = InOrder::of(row);
            let order = self.order(row.next()?)?;
            order.payment = Some(payment(&mut row)?);
        }
        for row in attempts {
            let mut row = InOrder::of(row);
            let order = self.order(row.next()?)?;
            let payment = order.payment.as_mut().ok_or_else(|| unreadable("attempts.order_id"))?;
            payment.attempts.push(attempt(&mut row)?);
        }
        for row in refunds {
            let mut row = InOrder::of(row);
            let order = self.order(row.next()?)?;
            order.refunds.push(refund(&mut row)?);
        }
        for row in tickets {
            let mut row = InOrder::of(row);
            let order = self.order(row.next()?)?;
            order.tickets.push(ticket(&mut row)?);
        }
        Ok(())
    }

    fn order(&mut self, id: Uuid) -> Read<&mut Order> {
        let found = self.0.get_mut(&order_id(id)).map(|(order, _)| order);
        found.ok_or_else(|| unreadable("order_id"))
    }

    pub(super) fn into_orders(self) -> impl Iterator<Item = Order> {
        self.0.into_values().map(|(order, _)| order)
    }
}

fn payment(row: &mut InOrder<'_>) -> Read<Payment> {
    Ok(Payment {
        id: PaymentId(row.next::<Uuid>()?.as_u128()),
        intent: row.next()?,
        live: row.next()?,
        action: row.next()?,
        dispute: match (row.next()?, row.next()?, row.next()?) {
            (Some(id), Some(amount_minor), Some(status)) => {
                Some(Dispute { id, amount_minor, status })
            }
            (None::<String>, None::<i64>, None::<String>) => None,
            _ => return Err(unreadable("payments.dispute")),
        },
        attempts: Vec::new(),
    })
}

fn attempt(row: &mut InOrder<'_>) -> Read<Attempt> {
    let number = row.count("attempts.number")?;
    let (token, begun_ms) = (row.next()?, row.next()?);
    let state = match row.next::<i16>()? {
        0 => AttemptState::Pending,
        1 => AttemptState::Action,
        2 => AttemptState::Declined(row.next()?),
        3 => AttemptState::Authorised,
        4 => AttemptState::Abandoned,
        _ => return Err(unreadable("attempts.state")),
    };
    Ok(Attempt { number, token, begun_ms, state })
}

fn refund(row: &mut InOrder<'_>) -> Read<Refund> {
    let (id, amount_minor) = (RefundId(row.next::<Uuid>()?.as_u128()), row.next()?);
    if !is_amount(amount_minor) {
        return Err(unreadable("refunds.amount_minor"));
    }
    let quantities =
        decode_quantities(row.next()?).map_err(|why| blob("refunds.quantities", why))?;
    let (restock, state): (bool, i16) = (row.next()?, row.next()?);
    let detail: Option<String> = row.next()?;
    let state = match (state, detail) {
        (0, _) => RefundState::Pending,
        (1, Some(id)) => RefundState::Succeeded(id),
        (2, Some(reason)) => RefundState::Failed(reason),
        _ => return Err(unreadable("refunds.state")),
    };
    let (by_hand, of_amount) = (row.next()?, row.next()?);
    Ok(Refund { id, amount_minor, quantities, restock, state, by_hand, of_amount })
}

fn ticket(row: &mut InOrder<'_>) -> Read<Ticket> {
    let (serial, line) = (row.count("tickets.serial")?, row.count("tickets.line")?);
    let state = match row.next::<i16>()? {
        0 => TicketState::Valid,
        1 => TicketState::Revoked,
        _ => return Err(unreadable("tickets.state")),
    };
    let code_rule = decode_code_rule(row.next::<i16>()?.into())
        .ok_or_else(|| unreadable("tickets.code_rule"))?;
    let revision = u16::try_from(row.next::<i16>()?).map_err(|_| unreadable("tickets.revision"))?;
    Ok(Ticket { serial, line, state, code_rule, revision, guest: row.next()? })
}

/// A ticket, and the name on it.
pub(super) fn named_ticket(row: &Row) -> Read<NamedTicket> {
    let mut row = InOrder::of(row);
    let (ticket, name) = (ticket(&mut row)?, row.next()?);
    let first = row.count("orders.first_serial")?;
    let answers = decode_answers(row.next()?).map_err(|why| blob("orders.answers", why))?;
    Ok(NamedTicket::of(ticket, name, first, answers))
}

/// Whose, of what, and what.
pub(super) fn buyer(row: &Row) -> Read<((EventId, BuyerKey), BuyerRecord)> {
    let mut row = InOrder::of(row);
    let event = EventId(row.next::<i64>()? as u64);
    let key = BuyerKey(row.next::<Uuid>()?.as_u128());
    let places = row.count("buyers.places")?;
    Ok(((event, key), BuyerRecord { places, order: order_id(row.next()?) }))
}

pub(super) fn recorded(row: &Row) -> Read<Recorded> {
    let mut row = InOrder::of(row);
    let key = RequestKey(row.next::<Uuid>()?.as_u128());
    let fingerprint = row.next::<i64>()? as u64;
    let reply = decode_reply(row.next()?).map_err(|why| blob("requests.reply", why))?;
    Ok(Recorded { key, fingerprint, reply })
}

/// Two numbers.
pub(super) fn pair(row: &Row) -> Read<(i64, i64)> {
    let mut row = InOrder::of(row);
    Ok((row.next()?, row.next()?))
}

/// Whose an order is.
pub(super) fn owner(row: &Row) -> Read<Owner> {
    let mut row = InOrder::of(row);
    Ok(Owner {
        order: order_id(row.next()?),
        event: EventId(row.next::<i64>()? as u64),
        buyer: BuyerKey(row.next::<Uuid>()?.as_u128()),
    })
}

/// The id of an order.
pub(super) fn id(row: &Row) -> Read<OrderId> {
    InOrder::of(row).next().map(order_id)
}
