//! How single values look in their columns. Numbers without a sign are stored as the signed number
//! with the same bits; lists and replies as a few bytes, a blob.
//!
//! A blob begins with the version of its layout, so that a field can be added:
//! - The reader takes every version up to the one that it writes. A higher one is an error that says so
//!   ([`Unreadable::Newer`]); it is never read as if it were an older one.
//! - Blobs that were written before there were versions are version 0. They are told apart by their first
//!   bytes, which no blob with a version has: see [`take_version`] for lists and [`decode_reply`].

#[cfg(test)]
mod fuzz;

use boxoffice::{
    Answer, AttemptState, CodeRule, EventId, Extra, Line, MOST_VAT, Metadata, OrderId, OrderState,
    RefundId, RefundState, Reply, Tender, TicketState,
};
use std::collections::BTreeMap;

/// The layout of lists and of replies that is written.
const VERSION: u8 = 1;
/// The layout of lines of which one has something [extra](Extra). Without, they are written as version 1.
const WITH_EXTRA: u8 = 2;

/// Why a blob cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unreadable {
    /// No version wrote this.
    Damaged,
    /// Its layout has this version, which is higher than any that is known here.
    Newer(u8),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unreadable::Damaged => f.write_str("damaged"),
            Unreadable::Newer(version) => {
                write!(f, "written by a newer nts, in layout {version}")
            }
        }
    }
}

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

/// Begins a list with its version: as a number that is one byte longer than it needs to be.
fn put_version(out: &mut Vec<u8>, version: u8) {
    out.extend([0x80 | version, 0]);
}

/// Takes the version off the front of a list, if it is one up to `known`; 0 if there is none. A list
/// of version 0 is empty or begins with a number as [`put`] writes it, whose last byte is not 0 if it
/// has more than one: so its first two bytes are never those of [`put_version`].
fn take_version(bytes: &mut &[u8], known: u8) -> Result<u8, Unreadable> {
    let [first @ 0x81..=0xff, 0, rest @ ..] = *bytes else { return Ok(0) };
    match first & 0x7f {
        version if (1..=known).contains(&version) => {
            *bytes = rest;
            Ok(version)
        }
        newer => Err(Unreadable::Newer(newer)),
    }
}

/// An order's lines in a few bytes each.
pub(super) fn encode_lines(lines: &[Line]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + 8 * lines.len());
    let version = if lines.iter().any(has_extra) { WITH_EXTRA } else { VERSION };
    put_version(&mut out, version);
    for line in lines {
        put(&mut out, line.ticket_type.into());
        put(&mut out, line.pool.into());
        put(&mut out, line.quantity.into());
        put(&mut out, line.unit_minor as u64);
        put(&mut out, line.refunded.into());
        put(&mut out, line.restocked.into());
        if version == WITH_EXTRA {
            let Extra { type_counter, phase, code, discount_minor, vat } = line.extra;
            for counter in [type_counter, phase, code] {
                put(&mut out, counter.map_or(0, |index| u64::from(index) + 1));
            }
            put(&mut out, discount_minor as u64);
            put(&mut out, vat.map_or(0, |rate| u64::from(rate) + 1));
        }
    }
    out
}

fn has_extra(line: &Line) -> bool {
    line.extra != Extra::default()
}

/// Takes what only lines of [`WITH_EXTRA`] have off the front.
fn take_extra(bytes: &mut &[u8]) -> Option<Extra> {
    let optional = |bytes: &mut &[u8]| match take(bytes)? {
        0 => Some(None),
        more => Some(Some(u16::try_from(more - 1).ok()?)),
    };
    let (type_counter, phase, code) = (optional(bytes)?, optional(bytes)?, optional(bytes)?);
    let discount_minor = take(bytes)? as i64;
    let vat = optional(bytes)?;
    let is_one = discount_minor >= 0 && vat.is_none_or(|rate| rate <= MOST_VAT);
    is_one.then_some(Extra { type_counter, phase, code, discount_minor, vat })
}

/// Takes a line off the front, if it is one that an order can have.
fn take_line(bytes: &mut &[u8], version: u8) -> Option<Line> {
    let line = Line {
        ticket_type: take(bytes)?.try_into().ok()?,
        pool: take(bytes)?.try_into().ok()?,
        quantity: take(bytes)?.try_into().ok()?,
        unit_minor: take(bytes)? as i64,
        refunded: take(bytes)?.try_into().ok()?,
        restocked: take(bytes)?.try_into().ok()?,
        extra: if version == WITH_EXTRA { take_extra(bytes)? } else { Extra::default() },
    };
    let is_one = line.restocked <= line.refunded
        && line.refunded <= line.quantity
        && line.unit_minor >= 0
        && line.unit_minor.checked_mul(line.quantity.into()).is_some();
    is_one.then_some(line)
}

/// Hands out the lines of a blob one after the other. Versions 0 and 1 have the same fields. In those of
/// [`WITH_EXTRA`] one has something extra, or they would have been written as version 1.
fn each_line(mut bytes: &[u8], mut each: impl FnMut(Line) -> Option<()>) -> Result<(), Unreadable> {
    let version = take_version(&mut bytes, WITH_EXTRA)?;
    let mut extra = version != WITH_EXTRA;
    while !bytes.is_empty() {
        let line = take_line(&mut bytes, version).ok_or(Unreadable::Damaged)?;
        extra |= has_extra(&line);
        each(line).ok_or(Unreadable::Damaged)?;
    }
    if extra { Ok(()) } else { Err(Unreadable::Damaged) }
}

/// The lines again. What they cost together and how many places they are is a number.
pub(super) fn decode_lines(bytes: &[u8]) -> Result<Vec<Line>, Unreadable> {
    let mut lines = Vec::with_capacity(1);
    let (mut places, mut minor) = (0u32, 0i64);
    each_line(bytes, |line| {
        places = places.checked_add(line.quantity)?;
        minor = minor.checked_add(line.price_minor())?;
        lines.push(line);
        Some(())
    })?;
    Ok(lines)
}

/// Of an order's lines, how many places they are and how many of them are refunded or being
/// refunded; without making a list, for millions are read at a start.
pub(super) fn places(bytes: &[u8]) -> Result<(u32, u32), Unreadable> {
    let (mut places, mut refunded) = (0u32, 0u32);
    each_line(bytes, |line| {
        places = places.checked_add(line.quantity)?;
        refunded += line.refunded;
        Some(())
    })?;
    Ok((places, refunded))
}

/// Whether a refund can be of this amount: none takes money, and the dearest order costs less than this.
pub(super) fn is_amount(minor: i64) -> bool {
    (0..1 << 53).contains(&minor)
}

/// A refund's quantities.
pub(super) fn encode_quantities(quantities: &[u32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + quantities.len());
    put_version(&mut out, VERSION);
    quantities.iter().for_each(|q| put(&mut out, u64::from(*q)));
    out
}

/// The quantities again.
pub(super) fn decode_quantities(mut bytes: &[u8]) -> Result<Vec<u32>, Unreadable> {
    take_version(&mut bytes, VERSION)?;
    let mut quantities = Vec::new();
    while !bytes.is_empty() {
        let quantity = take(&mut bytes).and_then(|quantity| quantity.try_into().ok());
        quantities.push(quantity.ok_or(Unreadable::Damaged)?);
    }
    Ok(quantities)
}

/// An order's answers; nothing if there are none. The text of a question stands there once, with its first
/// answer.
pub(super) fn encode_answers(answers: &[Answer]) -> Option<Vec<u8>> {
    if answers.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    put_version(&mut out, VERSION);
    for (n, answer) in answers.iter().enumerate() {
        let same = |a: &Answer| a.question == answer.question && a.text == answer.text;
        match answers[..n].iter().position(same) {
            Some(earlier) => put(&mut out, earlier as u64 + 1),
            None => {
                put(&mut out, 0);
                put_text(&mut out, &answer.question);
                put_text(&mut out, &answer.text);
            }
        }
        put(&mut out, answer.ticket.map_or(0, u64::from));
        put_text(&mut out, &answer.value);
    }
    Some(out)
}

/// The answers again.
pub(super) fn decode_answers(bytes: Option<&[u8]>) -> Result<Vec<Answer>, Unreadable> {
    let Some(mut bytes) = bytes else { return Ok(Vec::new()) };
    if take_version(&mut bytes, VERSION)? == 0 {
        return Err(Unreadable::Damaged);
    }
    let mut answers: Vec<Answer> = Vec::new();
    while !bytes.is_empty() {
        let answer = take_answer(&mut bytes, &answers).ok_or(Unreadable::Damaged)?;
        answers.push(answer);
    }
    Ok(answers)
}

fn take_answer(bytes: &mut &[u8], before: &[Answer]) -> Option<Answer> {
    let (question, text) = match take(bytes)? {
        0 => (take_text(bytes)?, take_text(bytes)?),
        n => {
            let earlier = before.get(usize::try_from(n - 1).ok()?)?;
            (earlier.question.clone(), earlier.text.clone())
        }
    };
    let ticket = u16::try_from(take(bytes)?).ok()?;
    let ticket = Some(ticket).filter(|number| *number > 0);
    Some(Answer { question, text, ticket, value: take_text(bytes)? })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend(text.as_bytes());
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(take(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    String::from_utf8(text.into()).ok()
}

/// An order's metadata as a JSON object of strings; nothing if there is none.
pub(super) fn encode_metadata(metadata: &Metadata) -> Option<String> {
    if metadata.is_empty() {
        return None;
    }
    let entries: BTreeMap<&str, &str> = metadata.iter().collect();
    Some(serde_json::to_string(&entries).expect("texts are JSON"))
}

/// The metadata again.
pub(super) fn decode_metadata(json: Option<&str>) -> Result<Metadata, Unreadable> {
    let Some(json) = json else { return Ok(Metadata::default()) };
    let entries: BTreeMap<String, String> =
        serde_json::from_str(json).map_err(|_| Unreadable::Damaged)?;
    let metadata = Metadata::new(entries).ok().filter(|metadata| !metadata.is_empty());
    metadata.ok_or(Unreadable::Damaged)
}

/// A tender as it is stored: its place in [`Tender::ALL`].
pub(super) fn tender_number(tender: Tender) -> i64 {
    Tender::ALL.iter().position(|t| *t == tender).expect("ALL has all tenders") as i64
}

/// The tender again.
pub(super) fn tender_from(number: i64) -> Option<Tender> {
    Tender::ALL.get(usize::try_from(number).ok()?).copied()
}

/// A reply: its version, a letter for its kind, ids whole, the rest as numbers.
pub(super) fn encode_reply(reply: &Reply) -> Vec<u8> {
    let mut out = Vec::with_capacity(25);
    out.push(VERSION);
    match reply {
        Reply::Event { id, created } => {
            out.push(b'e');
            put(&mut out, id.0);
            put(&mut out, u64::from(*created));
        }
        Reply::EventDeleted { id } => {
            out.push(b'd');
            put(&mut out, id.0);
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
        Reply::Erased { event, erased, left } => {
            out.push(b'x');
            put(&mut out, event.0);
            put(&mut out, u64::from(*erased));
            put(&mut out, u64::from(*left));
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

/// The reply again. A version is a byte below the letters, with which replies of version 0 begin.
pub(super) fn decode_reply(bytes: &[u8]) -> Result<Reply, Unreadable> {
    let bytes = match bytes {
        [1..=VERSION, rest @ ..] => rest,
        [newer @ 1..b' ', ..] => return Err(Unreadable::Newer(*newer)),
        bytes => bytes,
    };
    take_reply(bytes).ok_or(Unreadable::Damaged)
}

/// A reply without its version, and nothing else.
fn take_reply(bytes: &[u8]) -> Option<Reply> {
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
        b'x' => Reply::Erased {
            event: EventId(take(rest)?),
            erased: take(rest)?.try_into().ok()?,
            left: take(rest)?.try_into().ok()?,
        },
        b'd' => Reply::EventDeleted { id: EventId(take(rest)?) },
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

/// The states in which an order may do without its buyer's name and address. The schema cannot tell, so each
/// store looks once more.
pub(super) const NO_BUYER_NEEDED: [OrderState; 4] =
    [OrderState::Paid, OrderState::Refunded, OrderState::Released, OrderState::Void];

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
