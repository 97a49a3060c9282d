//! The list of an event's tickets for devices that lose their network: what lets somebody in, what does not any more,
//! and who is in. Whoever has the list reads no names in it: the name on a ticket can be read with the signed code of
//! that ticket only.
//!
//! A device reads the whole list once, page by page, and then what has changed. Orders and scans that were recorded
//! in the last [`OVERLAP_MS`] before a reading may be told again by the next: a commit may become visible a moment
//! after its time, and nothing of it is to be missed. Telling a ticket twice changes nothing.

use super::{Door, deciding, of_ticket};
use crate::access::{Permit, may};
use crate::codes::Codes;
use crate::sales::SaleError;
use crate::store::records::door::{self, ScanRow};
use crate::store::records::door_reads::{Recorded, of_orders, recorded_after, undone_since};
use crate::store::{Fault, Listing, Reader};
use boxoffice::door::Admission;
use boxoffice::{Event, EventId, Order, OrderId, TicketState, TimeMs};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// So far back a reading of changes begins before the one before it, in milliseconds.
pub const OVERLAP_MS: i64 = 60_000;
/// So many orders, or so many scans, are told on one page.
const PAGE: usize = 200;
/// So many scans that were undone are told at once: nobody undoes more between two readings.
const MOST_UNDONE: i64 = 5_000;
/// So many orders are looked at for a page.
const LOOK: usize = 10_000;
/// What is encrypted has a length that is a multiple of so many bytes, so that it tells little about a name.
const BLOCK: usize = 32;

/// Where a page begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Only what has changed at this time or later; 0: everything.
    pub since_ms: TimeMs,
    /// When the first page was read: the next reading begins there.
    as_of_ms: TimeMs,
    at: Step,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Among the orders, behind this one.
    Orders(Option<OrderId>),
    /// Among the scans, behind this one.
    Scans(Recorded),
}

impl Place {
    /// The first page of what has changed at this time or later; 0: of everything.
    pub fn since(since_ms: TimeMs) -> Place {
        Place { since_ms, as_of_ms: 0, at: Step::Orders(None) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { since_ms, as_of_ms, at } = self;
        match at {
            Step::Orders(after) => {
                write!(f, "{since_ms}.{as_of_ms}.o.{:x}", after.unwrap_or(OrderId(0)).0)
            }
            Step::Scans((ms, order, number, turn)) => {
                write!(f, "{since_ms}.{as_of_ms}.s.{ms}-{:x}-{number}-{turn}", order.0)
            }
        }
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Place, ()> {
        let parts: Vec<&str> = text.split('.').collect();
        let [since, as_of, step, at] = parts[..] else { return Err(()) };
        let time = |text: &str| text.parse::<TimeMs>().ok().filter(|ms| *ms >= 0).ok_or(());
        let at = match step {
            "o" => {
                let after = u128::from_str_radix(at, 16).map_err(|_| ())?;
                Step::Orders(Some(OrderId(after)).filter(|after| after.0 != 0))
            }
            "s" => {
                let parts: Vec<&str> = at.split('-').collect();
                let [ms, order, number, turn] = parts[..] else { return Err(()) };
                let order = OrderId(u128::from_str_radix(order, 16).map_err(|_| ())?);
                let small = |text: &str| text.parse::<u32>().map_err(|_| ());
                Step::Scans((time(ms)?, order, small(number)?, small(turn)?))
            }
            _ => return Err(()),
        };
        Ok(Place { since_ms: time(since)?, as_of_ms: time(as_of)?, at })
    }
}

/// A ticket of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// As signed codes name it: the first 96 bits of the order's id in hexadecimal digits, a colon and its number.
    pub ticket: String,
    /// The codes of earlier revisions let nobody in.
    pub revision: u16,
    /// Whether it lets somebody in, its scans aside.
    pub valid: bool,
    /// The scan that decides whether somebody comes in with it: see [`deciding`].
    pub last: Option<ScanRow>,
    /// What can be read with a code, by the id of the key that signed the code: the name and the ticket type, encrypted.
    pub names: BTreeMap<u8, String>,
}

/// A page of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListPage {
    /// The tickets.
    pub tickets: Vec<Listed>,
    /// Where the next page begins; none: that was all.
    pub next: Option<Place>,
    /// From when on the next reading must look.
    pub since_ms: TimeMs,
}

/// What an order and its scans come to.
type Known = Vec<(Order, Vec<ScanRow>)>;

impl Door {
    /// A page of the list. `event` is the event of the permit.
    pub async fn list(
        &self,
        permit: &Permit<may::CheckIn>,
        event: &Arc<Event>,
        place: Place,
    ) -> Result<ListPage, SaleError> {
        let id = permit.event();
        // Before anything is read.
        let now = self.sales.clock.now_ms();
        let as_of_ms = if place.as_of_ms == 0 { now } else { place.as_of_ms };
        let codes = Arc::clone(&self.tickets.codes);
        let keys = codes.keys();
        let keys: Vec<u8> =
            keys.iter().filter(|key| key.revoked_ms.is_none()).map(|key| key.id).collect();
        let event = Arc::clone(event);
        let ask = move |reader: &mut dyn Reader| -> Result<_, Fault> {
            let (known, next) = read(reader, id, place)?;
            let spec = door::spec(reader.tables(), id)?;
            let admission = spec.map(|spec| spec.admission).unwrap_or_default();
            // Signing takes longer than reading, so it is done here, where no request waits for it.
            let tickets = known.iter();
            let tickets = tickets.flat_map(|(order, scans)| {
                listed((&event, admission), order, scans, (&codes, &keys))
            });
            Ok((tickets.collect(), next))
        };
        let (tickets, next) = self.sales.reads.ask(ask).await?;
        Ok(ListPage {
            tickets,
            next: next.map(|at| Place { as_of_ms, at, ..place }),
            since_ms: (as_of_ms - OVERLAP_MS).max(1),
        })
    }
}

fn read(
    reader: &mut dyn Reader,
    event: EventId,
    place: Place,
) -> Result<(Known, Option<Step>), Fault> {
    let with_scans = |reader: &mut dyn Reader, orders: Vec<Order>| -> Result<Known, Fault> {
        let mut known: Known = orders.into_iter().map(|order| (order, Vec::new())).collect();
        known.sort_by_key(|(order, _)| order.id);
        // Of the whole list there is hardly another order between these; of what has changed there are nearly all.
        if place.since_ms > 0 {
            for (order, scans) in &mut known {
                *scans = of_orders(reader.tables(), event, (order.id, order.id))?;
            }
        } else if let (Some((first, _)), Some((last, _))) = (known.first(), known.last()) {
            for scan in of_orders(reader.tables(), event, (first.id, last.id))? {
                if let Ok(at) = known.binary_search_by_key(&scan.order_id, |(order, _)| order.id) {
                    known[at].1.push(scan);
                }
            }
        }
        Ok(known)
    };
    match place.at {
        Step::Orders(after) => {
            let listing = Listing {
                events: Some(vec![event]),
                after,
                newest_first: false,
                changed_since: Some(place.since_ms).filter(|since| *since > 0),
                ..Listing::newest(PAGE, LOOK)
            };
            let page = reader.listed(&listing, &|order| order.state.was_paid())?;
            let mut known = with_scans(reader, page.orders)?;
            match page.next {
                Some(next) => Ok((known, Some(Step::Orders(Some(next))))),
                // The whole list has all scans already.
                None if place.since_ms == 0 => Ok((known, None)),
                None => {
                    let (more, next) = scanned(reader, event, place, None)?;
                    let told: BTreeSet<OrderId> = known.iter().map(|(order, _)| order.id).collect();
                    known.extend(more.into_iter().filter(|(order, _)| !told.contains(&order.id)));
                    Ok((known, next))
                }
            }
        }
        Step::Scans(after) => scanned(reader, event, place, Some(after)),
    }
}

/// The orders of scans that were recorded after this one. `None`: of those that were recorded or undone at the time of the
/// place or later.
fn scanned(
    reader: &mut dyn Reader,
    event: EventId,
    place: Place,
    after: Option<Recorded>,
) -> Result<(Known, Option<Step>), Fault> {
    let before_all = (place.since_ms - 1, OrderId(u128::MAX), u32::MAX, u32::MAX);
    let from = after.unwrap_or(before_all);
    let mut rows = recorded_after(reader.tables(), event, from, PAGE as i64)?;
    let next = rows.last().filter(|_| rows.len() == PAGE);
    let next = next.map(|row| Step::Scans((row.recorded_ms, row.order_id, row.number, row.turn)));
    if after.is_none() {
        rows.extend(undone_since(reader.tables(), event, place.since_ms, MOST_UNDONE)?);
    }
    let ids: BTreeSet<OrderId> = rows.iter().map(|row| row.order_id).collect();
    let mut known = Known::new();
    for id in ids {
        if let Some(order) = reader.order(id)?.filter(|order| order.event == event) {
            let scans = of_orders(reader.tables(), event, (id, id))?;
            known.push((order, scans));
        }
    }
    Ok((known, next))
}

/// The tickets of an order.
fn listed(
    (event, admission): (&Event, Admission),
    order: &Order,
    scans: &[ScanRow],
    (codes, keys): (&Codes, &[u8]),
) -> Vec<Listed> {
    let part = &order.id.0.to_be_bytes()[..12];
    let part: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
    let of = |ticket: &boxoffice::Ticket| {
        let number = order.number_of(ticket)?;
        let line = order.lines.get(usize::from(ticket.line))?;
        let type_name = event.ticket_types.get(usize::from(line.ticket_type));
        let valid = ticket.state == TicketState::Valid;
        let name = ticket.guest.as_deref().unwrap_or(&order.buyer.name);
        let told = serde_json::json!({
            "name": name, "ticket_type": type_name.map_or("", |known| &known.name),
        });
        let told = told.to_string();
        // Whoever lets nobody in is named to nobody.
        let sealed = keys.iter().filter(|_| valid).map(|key| {
            let code = codes.signed_with(*key, order, ticket);
            (*key, code.map(|code| sealed(&code, &told)).unwrap_or_default())
        });
        Some(Listed {
            ticket: format!("{part}:{number}"),
            revision: ticket.revision,
            valid,
            last: deciding(&of_ticket(scans, number), admission).cloned(),
            names: sealed.filter(|(_, body)| !body.is_empty()).collect(),
        })
    };
    order.tickets.iter().filter_map(of).collect()
}

/// A text that can be read by whoever has this signed code: AES-256-GCM (NIST SP 800-38D) with a key that is the SHA-256
/// of the code, and a nonce that follows from the code and the text, so that no nonce is used for two texts. Gives
/// the nonce of 12 bytes and what was encrypted, in hexadecimal digits. The text is filled up with blanks to a multiple
/// of [`BLOCK`] bytes.
fn sealed(code: &str, text: &str) -> String {
    let key: [u8; 32] = Sha256::digest(format!("nts door list 1\n{code}")).into();
    let key = UnboundKey::new(&AES_256_GCM, &key).expect("a key of 32 bytes");
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len().div_ceil(BLOCK) * BLOCK, b' ');
    let mut nonce = Sha256::new();
    nonce.update(format!("nts door list nonce 1\n{code}\n"));
    nonce.update(&bytes);
    let nonce: [u8; 12] = nonce.finalize()[..12].try_into().expect("12 of 32 bytes");
    LessSafeKey::new(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes)
        .expect("a name is short");
    nonce.iter().chain(&bytes).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for place in [
            Place::since(0),
            Place { since_ms: 7, as_of_ms: 9, at: Step::Orders(Some(OrderId(u128::MAX))) },
            Place { since_ms: 7, as_of_ms: 9, at: Step::Scans((8, OrderId(9), 2, 3)) },
        ] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for odd in ["", "1.2.o", "1.2.x.3", "-1.2.o.3", "1.2.s.-3", "1.2.o.zz", "1.2.s.3.4"] {
            assert_eq!(odd.parse::<Place>(), Err(()), "{odd}");
        }
    }

    #[test]
    fn what_is_sealed_opens_with_its_own_code_only_and_hides_its_length() {
        let (text, other) = (r#"{"name":"Ann"}"#, r#"{"name":"Bartholomew"}"#);
        let body = sealed("ABC", text);
        assert_eq!(body.len(), 2 * (12 + BLOCK + 16));
        assert_eq!(body.len(), sealed("ABC", other).len());
        assert_eq!(body, sealed("ABC", text), "the same again is the same");
        assert_ne!(body[..24], sealed("ABC", other)[..24], "another text has another nonce");
        assert_ne!(body[..24], sealed("ABD", text)[..24]);
        let open = |code: &str| {
            let key: [u8; 32] = Sha256::digest(format!("nts door list 1\n{code}")).into();
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("a key"));
            let bytes = (0..body.len()).step_by(2);
            let bytes = bytes.map(|at| u8::from_str_radix(&body[at..at + 2], 16).expect("hex"));
            let mut bytes: Vec<u8> = bytes.collect();
            let nonce = bytes[..12].try_into().expect("12 bytes");
            let nonce = Nonce::assume_unique_for_key(nonce);
            let text = key.open_in_place(nonce, Aad::empty(), &mut bytes[12..]);
            text.ok().map(|text| String::from_utf8_lossy(text).trim_end().to_owned())
        };
        assert_eq!(open("ABC").as_deref(), Some(text));
        assert_eq!(open("ABD"), None);
    }
}
