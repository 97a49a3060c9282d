//! Ids and secrets: what is random, and what is derived.
//!
//! The high 64 bits of every UUIDv7 that is made here are unique within the process and rise all
//! the time (RFC 9562, section 6.2, method 1: a counter beside the timestamp), so a store may use
//! them alone as a key: rows then lie in the order in which they were made.

use boxoffice::{EventId, OrderId, PaymentId, RefundId, TimeMs};
use hmac::{Hmac, KeyInit, Mac};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use std::sync::{Mutex, PoisonError};

/// Makes ids. Its randomness is handed in as a seed.
pub struct Ids(Mutex<Generator>);

struct Generator {
    rng: ChaCha8Rng,
    /// The high 64 bits of the last id: 48 bits of milliseconds, version, 12 bits of counter.
    last: u64,
    /// Where the counter of a millisecond begins is drawn from so many.
    starts: u64,
}

impl Ids {
    /// Makes ids that come after `last_high`, the high 64 bits of the newest id already in use.
    pub fn new(seed: [u8; 32], last_high: u64) -> Ids {
        Ids(Mutex::new(Generator { rng: ChaCha8Rng::from_seed(seed), last: last_high, starts: 1 }))
    }

    /// Makes ids beside other processes that do the same. Of orders, payments and refunds the whole
    /// id is the key, and its 62 random bits tell it from those of all others. Of an event it is
    /// the high half, so each millisecond's counter begins at a random place: two processes rarely
    /// make two events of one id, and then the store refuses the second.
    pub fn shared(seed: [u8; 32]) -> Ids {
        Ids(Mutex::new(Generator { rng: ChaCha8Rng::from_seed(seed), last: 0, starts: 2048 }))
    }

    fn uuid(&self, now: TimeMs) -> u128 {
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = if generator.starts == 1 { 0 } else { generator.rng.next_u64() };
        let start = start % generator.starts;
        let millisecond = ((now.max(0) as u64) << 16) | 0x7000;
        let floor = if generator.last < millisecond { millisecond | start } else { 0 };
        let next = match generator.last {
            last if last < floor => floor,
            // The counter is used up: borrow from the next millisecond.
            last if last & 0x0fff == 0x0fff => (((last >> 16) + 1) << 16) | 0x7000,
            last => last + 1,
        };
        generator.last = next;
        let low = (generator.rng.next_u64() >> 2) | (0b10 << 62);
        (u128::from(next) << 64) | u128::from(low)
    }

    /// An order's id.
    pub fn order(&self, now: TimeMs) -> OrderId {
        OrderId(self.uuid(now))
    }

    /// A payment's id.
    pub fn payment(&self, now: TimeMs) -> PaymentId {
        PaymentId(self.uuid(now))
    }

    /// A refund's id.
    pub fn refund(&self, now: TimeMs) -> RefundId {
        RefundId(self.uuid(now))
    }

    /// An event's id.
    pub fn event(&self, now: TimeMs) -> EventId {
        EventId((self.uuid(now) >> 64) as u64)
    }

    /// 128 random bits.
    pub fn random(&self) -> u128 {
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (u128::from(generator.rng.next_u64()) << 64) | u128::from(generator.rng.next_u64())
    }
}

/// The letters of codes that people read and type: Crockford's base 32, without I, L, O and U
/// (<https://www.crockford.com/base32.html>).
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The server's own secret. From it every order's secret and every ticket's code are derived, so
/// that none of them needs to be stored or indexed.
#[derive(Clone)]
pub struct Secrets([u8; 32]);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// Derives everything from this key.
    pub fn new(key: [u8; 32]) -> Secrets {
        Secrets(key)
    }

    fn derive(&self, what: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any key length will do");
        mac.update(what.as_bytes());
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// What shows that somebody may see and pay an order: 26 letters, 128 bits.
    pub fn order(&self, order: OrderId) -> String {
        let digest = self.derive("order", &[&order.0.to_be_bytes()]);
        base32(u128::from_be_bytes(digest[..16].try_into().expect("16 bytes")), 26)
    }

    /// Whether `secret` is the order's. Takes as long for a near miss as for a far one.
    pub fn opens(&self, order: OrderId, secret: &str) -> bool {
        use subtle::ConstantTimeEq;
        self.order(order).as_bytes().ct_eq(secret.as_bytes()).into()
    }

    /// The public name of this box office: tells its payments from those of others on the same
    /// account. The same for ever, also after the database was restored from a copy.
    pub fn shop(&self) -> String {
        let digest = self.derive("shop", &[]);
        base32(u128::from_be_bytes(digest[..16].try_into().expect("16 bytes")), 16)
    }

    /// A ticket's code: 12 letters in three groups. 36 bits of it prove that it is ours; the other
    /// 24 are the serial, covered by a pad that depends on the proof, so that neighbours do not
    /// look alike.
    pub fn ticket(&self, event: EventId, serial: u32) -> String {
        let proof = self.proof(event, serial);
        let covered = (serial & 0x00ff_ffff) ^ self.pad(event, proof);
        let letters = base32((u128::from(proof) << 24) | u128::from(covered), 12);
        format!("{}-{}-{}", &letters[..4], &letters[4..8], &letters[8..])
    }

    /// The serial that a code stands for, if it is one of this event's. Lower case, spaces and
    /// dashes do not matter, nor does O for 0, or I and L for 1.
    pub fn serial(&self, event: EventId, code: &str) -> Option<u32> {
        let bits = unbase32(code, 12)? as u64;
        let proof = bits >> 24;
        let serial = (bits as u32 & 0x00ff_ffff) ^ self.pad(event, proof);
        (self.proof(event, serial) == proof).then_some(serial)
    }

    fn proof(&self, event: EventId, serial: u32) -> u64 {
        let digest =
            self.derive("ticket", &[&event.0.to_be_bytes(), &(serial & 0xff_ffff).to_be_bytes()]);
        u64::from_be_bytes(digest[..8].try_into().expect("8 bytes")) >> 28
    }

    fn pad(&self, event: EventId, proof: u64) -> u32 {
        let digest = self.derive("serial", &[&event.0.to_be_bytes(), &proof.to_be_bytes()]);
        u32::from_be_bytes(digest[..4].try_into().expect("4 bytes")) >> 8
    }
}

/// The lowest `5 * length` bits of `bits`, as letters.
pub fn base32(bits: u128, length: usize) -> String {
    (0..length)
        .rev()
        .map(|i| char::from(LETTERS[(bits.checked_shr(5 * i as u32).unwrap_or(0) & 31) as usize]))
        .collect()
}

fn unbase32(text: &str, length: usize) -> Option<u128> {
    let mut bits = 0u128;
    let mut count = 0;
    for c in text.chars().filter(|c| *c != '-' && *c != ' ') {
        let c = match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        };
        let digit = LETTERS.iter().position(|l| char::from(*l) == c)?;
        bits = (bits << 5) | digit as u128;
        count += 1;
    }
    (count == length).then_some(bits)
}

/// The first 128 bits of the SHA-256 of some parts, each told apart from the next.
pub fn digest(parts: &[&[u8]]) -> u128 {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    u128::from_be_bytes(sha.finalize()[..16].try_into().expect("16 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_are_uuids_of_version_7_even_when_the_clock_does_not_move() {
        let ids = Ids::new([7; 32], 0);
        let mut last = 0u64;
        for _ in 0..10_000 {
            let id = ids.order(1_800_000_000_000).0;
            let high = (id >> 64) as u64;
            assert!(high > last);
            last = high;
            assert_eq!((id >> 76) & 0xf, 7);
            assert_eq!((id >> 62) & 0b11, 0b10);
            assert!(i64::try_from(high).is_ok(), "fits a row id");
        }
        // A restart on a clock that went back goes on after the last id.
        let again = Ids::new([7; 32], last);
        assert!((again.order(1_000).0 >> 64) as u64 > last);
    }

    #[test]
    fn a_ticket_code_leads_to_its_serial_and_has_no_neighbour() {
        let secrets = Secrets::new([3; 32]);
        let event = EventId(9);
        for serial in [1, 2, 3, 50_000, 16_777_215] {
            let code = secrets.ticket(event, serial);
            assert_eq!(code.len(), 14);
            assert_eq!(secrets.serial(event, &code), Some(serial));
            assert_eq!(secrets.serial(event, &code.to_lowercase().replace('-', " ")), Some(serial));
            assert_eq!(secrets.serial(EventId(10), &code), None, "another event's");
            let mut wrong = code.into_bytes();
            wrong[13] = if wrong[13] == b'7' { b'8' } else { b'7' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(secrets.serial(event, &wrong), None, "a typo");
        }
    }

    #[test]
    fn an_order_opens_with_its_own_secret_only() {
        let secrets = Secrets::new([3; 32]);
        let secret = secrets.order(OrderId(1));
        assert_eq!(secret.len(), 26);
        assert!(secrets.opens(OrderId(1), &secret));
        assert!(!secrets.opens(OrderId(2), &secret));
        assert!(!secrets.opens(OrderId(1), ""));
        assert!(!format!("{secrets:?}").contains('3'));
    }
}
