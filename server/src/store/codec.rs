//! How single values look in their columns. Numbers without a sign are stored as the signed number
//! with the same bits; lists and replies as a few bytes.

#[cfg(test)]
mod fuzz;

use boxoffice::{
    AttemptState, CodeRule, EventId, Line, OrderId, OrderState, RefundId, RefundState, Reply,
    TicketState,
};

/// The two columns of an order's id.
pub(super) fn split(order: OrderId) -> (i64, i64) {
    ((order.0 >> 64) as i64, order.0 as i64)
}

/// An order's id from its two columns.
pub(super) fn join(high: i64, low: i64) -> OrderId {
    OrderId((u128::from(high as u64) << 64) | u128::from(low as u64))
}

/// Appends a number, seven bits a byte, the lowest first (LEB128).
fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Takes a number off the front. Each number has one form: what is longer than it needs to be, or has
/// more than 64 bits, was not written by [`put`].
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return None;
        }
        n |= part << shift;
        if byte & 0x80 == 0 {
            return (*byte > 0 || shift == 0).then_some(n);
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

/// Takes a line off the front, if it is one that an order can have.
fn take_line(bytes: &mut &[u8]) -> Option<Line> {
    let line = Line {
        ticket_type: take(bytes)?.try_into().ok()?,
        pool: take(bytes)?.try_into().ok()?,
        quantity: take(bytes)?.try_into().ok()?,
        unit_minor: take(bytes)? as i64,
        refunded: take(bytes)?.try_into().ok()?,
        restocked: take(bytes)?.try_into().ok()?,
    };
    let is_one = line.restocked <= line.refunded
        && line.refunded <= line.quantity
        && line.unit_minor >= 0
        && line.unit_minor.checked_mul(line.quantity.into()).is_some();
    is_one.then_some(line)
}

/// The lines again. What they cost together and how many places they are is a number.
pub(super) fn decode_lines(mut bytes: &[u8]) -> Option<Vec<Line>> {
    let mut lines = Vec::with_capacity(1);
    let (mut places, mut minor) = (0u32, 0i64);
    while !bytes.is_empty() {
        let line = take_line(&mut bytes)?;
        places = places.checked_add(line.quantity)?;
        minor = minor.checked_add(line.price_minor())?;
        lines.push(line);
    }
    Some(lines)
}

/// Of an order's lines, how many places they are and how many of them are refunded or being
/// refunded; without making a list, for millions are read at a start.
pub(super) fn places(mut bytes: &[u8]) -> Option<(u32, u32)> {
    let (mut places, mut refunded) = (0u32, 0u32);
    while !bytes.is_empty() {
        let line = take_line(&mut bytes)?;
        places = places.checked_add(line.quantity)?;
        refunded += line.refunded;
    }
    Some((places, refunded))
}

/// A refund's quantities.
pub(super) fn encode_quantities(quantities: &[u32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(quantities.len());
    quantities.iter().for_each(|q| put(&mut out, u64::from(*q)));
    out
}

/// The quantities again.
pub(super) fn decode_quantities(mut bytes: &[u8]) -> Option<Vec<u32>> {
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
        Reply::Found { order } => {
            out.push(b'f');
            out.extend(order.0.to_be_bytes());
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
        b'e' => Reply::Event {
            id: EventId(take(rest)?),
            created: match take(rest)? {
                0 => false,
                1 => true,
                _ => return None,
            },
        },
        b'h' => Reply::Held { order: OrderId(id(rest)?), until_ms: take(rest)? as i64 },
        b'f' => Reply::Found { order: OrderId(id(rest)?) },
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

/// From what a ticket's code is derived. Rows that an older version wrote have 0.
pub(super) fn code_rule(rule: CodeRule) -> i64 {
    match rule {
        CodeRule::Serial => 0,
        CodeRule::Order => 1,
    }
}

/// The inverse of [`code_rule`].
pub(super) fn decode_code_rule(number: i64) -> Option<CodeRule> {
    match number {
        0 => Some(CodeRule::Serial),
        1 => Some(CodeRule::Order),
        _ => None,
    }
}

/// A ticket's state.
pub(super) fn ticket_state(state: TicketState) -> i64 {
    match state {
        TicketState::Valid => 0,
        TicketState::Revoked => 1,
    }
}
