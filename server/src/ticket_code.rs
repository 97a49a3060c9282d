//! The code that is scanned: an address whose last part is a signed text (docs/ticket-code.md has the bytes).
//!
//! What is here is pure: it reads, writes, signs and verifies. Which keys there are and what a ticket's code is
//! says `codes.rs`. Whoever has the public keys can check a code without asking anybody; whether its
//! ticket was refunded or passed on meanwhile only the database knows.

#[cfg(test)]
mod fuzz;

use boxoffice::{EventId, OrderId};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// The version of the bytes.
const VERSION: u8 = 1;
/// Signed before the bytes, so that no signature made for something else is a ticket's.
pub const PREFIX: &[u8] = b"nts ticket code 1\n";
/// How many bytes are signed.
const SIGNED: usize = 26;
/// The length of an Ed25519 signature in bytes (RFC 8032, section 5.1.6).
const SIGNATURE: usize = 64;
/// How many bytes there are.
const BYTES: usize = SIGNED + SIGNATURE;
/// How many letters they are: five bits each, without a rest.
pub const LETTERS: usize = BYTES * 8 / 5;
const _: () = assert!(BYTES * 8 == LETTERS * 5, "no letter has a bit that means nothing");

/// The letters of Base32 (RFC 4648, section 6). Crockford's, in which the codes are that people type, would do
/// as well; this one every language has in its library.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What a code says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Said {
    /// The id of the key that signed it.
    pub key: u8,
    /// The event.
    pub event: EventId,
    /// The first 96 bits of the order's id: the 64 by which a database knows it, and 30 random ones (beside
    /// two fixed ones), so that an order that was forgotten by a restore is not taken for its successor.
    pub order: [u8; 12],
    /// The number of the ticket within its order, from 1; below 4,096.
    pub number: u16,
    /// The index of its ticket type in the event, below 4,096.
    pub ticket_type: u16,
    /// How often it had been passed on.
    pub revision: u8,
}

impl Said {
    /// The part of an order's id that codes have.
    pub fn order_part(order: OrderId) -> [u8; 12] {
        *order.0.to_be_bytes().first_chunk().expect("an id is longer")
    }

    fn bytes(&self) -> [u8; SIGNED] {
        assert!(self.number < 1 << 12 && self.ticket_type < 1 << 12, "{self:?} has no code");
        let mut bytes = [0; SIGNED];
        bytes[0] = VERSION;
        bytes[1] = self.key;
        bytes[2..10].copy_from_slice(&self.event.0.to_be_bytes());
        bytes[10..22].copy_from_slice(&self.order);
        let which = u32::from(self.number) << 20
            | u32::from(self.ticket_type) << 8
            | u32::from(self.revision);
        bytes[22..].copy_from_slice(&which.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8; SIGNED]) -> Said {
        let which = u32::from_be_bytes(*bytes.last_chunk().expect("four of 26"));
        Said {
            key: bytes[1],
            event: EventId(u64::from_be_bytes(*bytes[2..].first_chunk().expect("eight of 24"))),
            order: *bytes[10..].first_chunk().expect("twelve of 16"),
            number: (which >> 20) as u16,
            ticket_type: (which >> 8 & 0xfff) as u16,
            revision: which as u8,
        }
    }
}

/// A key that signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// From its seed, the private key of RFC 8032.
    pub fn new(seed: &[u8; 32]) -> SigningKey {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are a seed");
        SigningKey { pair }
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> [u8; 32] {
        self.pair.public_key().as_ref().try_into().expect("32 bytes (RFC 8032, section 5.1.5)")
    }

    /// The code that says this: [`LETTERS`] letters. The same each time.
    pub fn sign(&self, said: &Said) -> String {
        let signed = said.bytes();
        let signature = self.pair.sign(&[PREFIX, &signed[..]].concat());
        base32(&[&signed[..], signature.as_ref()].concat())
    }
}

/// A code that was read and not verified yet.
pub struct Unverified([u8; BYTES]);

impl Unverified {
    /// Reads a code. Lower case is read as well; anything else that is not exactly a code is none, nor is a code
    /// of another version.
    pub fn read(text: &str) -> Option<Unverified> {
        let bytes: [u8; BYTES] = unbase32(text)?.try_into().ok()?;
        (bytes[0] == VERSION).then_some(Unverified(bytes))
    }

    /// The id of the key that it claims to be signed with.
    pub fn key(&self) -> u8 {
        self.0[1]
    }

    /// What it says, if this key has signed it.
    pub fn verify(&self, public: &[u8; 32]) -> Option<Said> {
        let (signed, signature) = self.0.split_first_chunk::<SIGNED>().expect("as long as that");
        let message = [PREFIX, &signed[..]].concat();
        UnparsedPublicKey::new(&ED25519, public).verify(&message, signature).ok()?;
        Some(Said::read(signed))
    }
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5);
    for five in bytes.chunks_exact(5) {
        let bits = five.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        text.extend((0..8).rev().map(|i| char::from(ALPHABET[(bits >> (5 * i) & 31) as usize])));
    }
    text
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    // Not more than a code is read of what anybody sends.
    if text.len() != LETTERS {
        return None;
    }
    let mut bytes = Vec::with_capacity(BYTES);
    for eight in text.as_bytes().chunks_exact(8) {
        let mut bits = 0u64;
        for letter in eight {
            let digit = ALPHABET.iter().position(|own| *own == letter.to_ascii_uppercase())?;
            bits = bits << 5 | digit as u64;
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(bytes)
}

/// The address of a ticket's page below `base`, as it is shown as a QR code: in upper case where that does not
/// change what it means, so that the QR code may use its alphanumeric mode (ISO/IEC 18004, 7.4.4), in which a
/// letter takes 5.5 bits instead of 8. Scheme and host are the same in either case (RFC 3986, section 6.2.2.1);
/// a path before ours is not.
pub fn address(base: &str, code: &str) -> String {
    let base = base.trim_end_matches('/');
    let host_at = base.find("://").map_or(0, |at| at + 3);
    let path_at = base[host_at..].find('/').map_or(base.len(), |at| host_at + at);
    let (origin, path) = base.split_at(path_at);
    format!("{}{path}/T/{code}", origin.to_ascii_uppercase())
}

/// The code in what somebody scanned or pasted: what follows the last slash, or all of it.
pub fn in_address(text: &str) -> &str {
    let text = text.trim();
    let text = text.split_once(['?', '#']).map_or(text, |(before, _)| before);
    text.rsplit('/').next().unwrap_or(text)
}

#[cfg(test)]
mod tests;
