//! Codes of tickets: which keys there are, and what a ticket's codes are.
//!
//! A ticket has two: a signed one, which is scanned as an address ([`crate::ticket_code`]), and a short one,
//! which people type ([`Secrets::ticket`]). Both are derived whenever they are shown and never stored.
//!
//! The first key is derived from the secret of the database, so that every database has one from the start, all
//! processes on it have the same, and a copy that is restored as well. A key that is made later is random and
//! stored: one takes a new key because the old one may have got out, mostly with a copy of the database, and
//! whoever has that could derive what is derived.

use crate::ids::Secrets;
use crate::store::records::ticket_keys::TicketKey;
use crate::ticket_code::{Said, SigningKey, Unverified, address, in_address};
use boxoffice::{Order, Ticket, TimeMs};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::time::{Duration, Instant};

/// The id of the key that a database has from the start.
pub const FIRST_KEY: u8 = 1;

/// The codes of a ticket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TicketCode {
    /// The address of the ticket's page, as the QR code has it: in upper case.
    pub url: String,
    /// What people type: `XXXX-XXXX-XXXX`.
    pub short: String,
}

impl TicketCode {
    /// The path of the ticket's page.
    pub fn path(&self) -> String {
        format!("/t/{}", in_address(&self.url))
    }
}

/// A key as whoever verifies codes knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey {
    /// Its id, as codes have it.
    pub id: u8,
    /// The public key of Ed25519 (RFC 8032).
    pub public: [u8; 32],
    /// Since when it signs, in milliseconds since 1970; 0: since the database was made.
    pub since_ms: TimeMs,
    /// Since when nothing that it signed counts.
    pub revoked_ms: Option<TimeMs>,
}

/// The keys that a database has.
struct Known {
    /// As they are stored.
    stored: Vec<TicketKey>,
    /// With the first, which need not be stored; the oldest first.
    keys: Vec<Key>,
}

struct Key {
    signing: SigningKey,
    public: PublicKey,
}

impl Key {
    /// The code of a ticket that this key signs.
    fn code(&self, order: &Order, ticket: &Ticket) -> String {
        let number = order.number_of(ticket).expect("a ticket of the order");
        let ticket_type = order.lines[usize::from(ticket.line)].ticket_type;
        let revision = u8::try_from(ticket.revision).expect("few revisions");
        self.signing.sign(&Said {
            key: self.public.id,
            event: order.event,
            order: Said::order_part(order.id),
            number,
            ticket_type,
            revision,
        })
    }
}

/// Makes and reads codes.
pub struct Codes {
    base: String,
    secrets: Secrets,
    /// As of when the keys are the database's, at least; and the keys.
    keys: RwLock<(Instant, Arc<Known>)>,
}

impl Codes {
    /// With the keys that the database has, for pages below `base`.
    pub fn new(base: String, secrets: Secrets, stored: &[TicketKey]) -> Codes {
        let keys = RwLock::new((Instant::now(), Arc::new(known(&secrets, stored))));
        Codes { base, secrets, keys }
    }

    /// Takes in the keys that the database had when it was asked at `asked`: another process may have made or
    /// revoked one. What was asked before the keys that are known is passed over.
    pub fn learn(&self, stored: &[TicketKey], asked: Instant) {
        let changed = self.now().stored != stored;
        let made = changed.then(|| Arc::new(known(&self.secrets, stored)));
        let mut now = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if now.0 <= asked {
            now.0 = asked;
            if let Some(made) = made {
                now.1 = made;
            }
        }
    }

    /// Whether the keys were the database's within this time.
    pub fn are_fresh(&self, within: Duration) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).0.elapsed() <= within
    }

    /// Whether a text has the form of a signed code, whoever signed it.
    pub fn is_signed(text: &str) -> bool {
        Unverified::read(in_address(text)).is_some()
    }

    fn now(&self) -> Arc<Known> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// All keys, the oldest first.
    pub fn keys(&self) -> Vec<PublicKey> {
        self.now().keys.iter().map(|key| key.public).collect()
    }

    /// The codes of a ticket as it is now. Panics if the ticket is not the order's.
    pub fn of(&self, order: &Order, ticket: &Ticket) -> TicketCode {
        let url = address(&self.base, &self.signed(order, ticket));
        TicketCode { url, short: self.secrets.ticket(order.event, order.id, ticket) }
    }

    /// The signed code of a ticket by the key of this id, as it was when that key was the newest. `None`: there is no
    /// such key.
    pub fn signed_with(&self, key: u8, order: &Order, ticket: &Ticket) -> Option<String> {
        let known = self.now();
        let key = known.keys.iter().find(|known| known.public.id == key)?;
        Some(key.code(order, ticket))
    }

    fn signed(&self, order: &Order, ticket: &Ticket) -> String {
        let known = self.now();
        let good = known.keys.iter().rev().find(|key| key.public.revoked_ms.is_none());
        // Nobody of ours revokes the last one. If it was done all the same, no code counts.
        good.or(known.keys.last()).expect("there is a first key").code(order, ticket)
    }

    /// What a signed code says, in an address or by itself, if one of our keys signed it that is not revoked.
    pub fn read(&self, text: &str) -> Option<Said> {
        self.read_of_any(text).and_then(|(said, counts)| counts.then_some(said))
    }

    /// The same if one of our keys signed it, and whether what that key signed still counts.
    pub fn read_of_any(&self, text: &str) -> Option<(Said, bool)> {
        let code = Unverified::read(in_address(text))?;
        let known = self.now();
        let key = known.keys.iter().find(|key| key.public.id == code.key())?;
        Some((code.verify(&key.public.public)?, key.public.revoked_ms.is_none()))
    }
}

fn known(secrets: &Secrets, stored: &[TicketKey]) -> Known {
    let first = TicketKey { id: FIRST_KEY.into(), seed: None, since_ms: 0, revoked_ms: None };
    let has_first = stored.iter().any(|key| key.id == first.id);
    let rows = Some(&first).filter(|_| !has_first).into_iter().chain(stored);
    // What nobody of ours wrote signs nothing.
    let keys = rows.filter_map(|row| {
        let seed = match &row.seed {
            Some(seed) => seed.as_slice().try_into().ok()?,
            None => secrets.ticket_key(),
        };
        let signing = SigningKey::new(&seed);
        let (id, public) = (u8::try_from(row.id).ok()?, signing.public());
        let (since_ms, revoked_ms) = (row.since_ms, row.revoked_ms);
        Some(Key { signing, public: PublicKey { id, public, since_ms, revoked_ms } })
    });
    let mut keys: Vec<Key> = keys.collect();
    keys.sort_by_key(|key| (key.public.since_ms, key.public.id));
    Known { stored: stored.to_vec(), keys }
}

#[cfg(test)]
mod tests;
