//! Ids and secrets: what is random, and what is derived.
//!
//! The high 64 bits of every UUIDv7 that is made here are unique on its database and rise all the
//! time (RFC 9562, section 6.2, method 1: a counter beside the timestamp), so a store may use them
//! alone as a key: rows then lie in the order in which they were made. Where several processes make
//! ids for one database, each has a part of the counter for itself.

#[cfg(test)]
mod fuzz;

use boxoffice::{CodeRule, EventId, OrderId, PaymentId, RefundId, Ticket, TimeMs};
use hmac::{Hmac, KeyInit, Mac};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// So many processes on one database can make ids that no other makes.
pub const NODES: u64 = 32;
/// How many ids of a millisecond are one node's.
const OF_A_NODE: u64 = 4096 / NODES;

/// Which of the processes on one database this is: a number below [`NODES`] that it has for itself,
/// and that changes if another has taken it meanwhile (RFC 9562, section 6.4, node ids).
#[derive(Clone, Default, Debug)]
pub struct Node(Arc<AtomicU64>);

impl Node {
    /// Its number.
    pub fn number(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// From now on it has this number. Panics if there is no such number.
    pub fn set(&self, number: u64) {
        assert!(number < NODES, "there are {NODES} nodes");
        self.0.store(number, Ordering::SeqCst);
    }
}

/// Makes ids. Its randomness is handed in as a seed.
pub struct Ids(Mutex<Generator>);

struct Generator {
    rng: ChaCha8Rng,
    /// The high 64 bits of the last id: 48 bits of milliseconds, version, 12 bits of counter.
    last: u64,
    /// None: all of the counter is ours. Otherwise a part of it.
    node: Option<Node>,
}

impl Ids {
    /// Makes ids that come after `last_high`, the high 64 bits of the newest id already in use.
    pub fn new(seed: [u8; 32], last_high: u64) -> Ids {
        Ids::made(seed, last_high, None)
    }

    /// The same beside other processes that do so: each has a part of every millisecond's counter,
    /// by the number of its node.
    pub fn shared(seed: [u8; 32], last_high: u64, node: Node) -> Ids {
        Ids::made(seed, last_high, Some(node))
    }

    fn made(seed: [u8; 32], last: u64, node: Option<Node>) -> Ids {
        Ids(Mutex::new(Generator { rng: ChaCha8Rng::from_seed(seed), last, node }))
    }

    fn uuid(&self, now: TimeMs) -> u128 {
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What of the counter is ours.
        let (first, count) = match &generator.node {
            None => (0, 4096),
            Some(node) => (node.number() * OF_A_NODE, OF_A_NODE),
        };
        let begin = |millisecond: u64| (millisecond << 16) | 0x7000 | first;
        let (now, last) = (now.max(0) as u64, generator.last);
        let next = if now > last >> 16 {
            begin(now)
        } else if (first..first + count - 1).contains(&(last & 0x0fff)) {
            last + 1
        } else {
            // Used up, or not ours: borrow from the next millisecond.
            begin((last >> 16) + 1)
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

    /// The id of a message that is owed to somebody, such as a mail.
    pub fn message(&self, now: TimeMs) -> u128 {
        self.uuid(now)
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

    /// The seed of the key that signs tickets from the beginning; see `codes.rs`.
    pub fn ticket_key(&self) -> [u8; 32] {
        self.derive("ticket key", &[])
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

    /// With what messages to a webhook are signed that has this id: its secret of this number. 256 bits.
    pub fn webhook(&self, id: u128, number: u32) -> [u8; 32] {
        self.derive("webhook", &[&id.to_be_bytes(), &number.to_be_bytes()])
    }

    /// What shows that somebody may pay an order. It opens the payment page and nothing else: whoever
    /// has it cannot see tickets, names or addresses, nor cancel. 26 letters, 128 bits.
    pub fn pay(&self, order: OrderId) -> String {
        let digest = self.derive("pay", &[&order.0.to_be_bytes()]);
        base32(u128::from_be_bytes(digest[..16].try_into().expect("16 bytes")), 26)
    }

    /// Whether `secret` pays the order. As [`Secrets::opens`].
    pub fn pays(&self, order: OrderId, secret: &str) -> bool {
        use subtle::ConstantTimeEq;
        self.pay(order).as_bytes().ct_eq(secret.as_bytes()).into()
    }

    /// What the address of a link of the office ends with, by its id: 52 letters.
    pub fn office_token(&self, id: u128) -> String {
        base32(id, 26) + &self.office_link(id)
    }

    /// What shows that a link of the office is ours, by its id: 26 letters, 128 bits.
    pub fn office_link(&self, id: u128) -> String {
        let digest = self.derive("office link", &[&id.to_be_bytes()]);
        base32(u128::from_be_bytes(digest[..16].try_into().expect("16 bytes")), 26)
    }

    /// What shows that this text was written by us, or by whoever owns the machine and can read the secret.
    pub fn office_letter(&self, text: &[u8]) -> String {
        let digest = self.derive("office letter", &[text]);
        base32(u128::from_be_bytes(digest[..16].try_into().expect("16 bytes")), 26)
    }

    /// What shows that this browser has signed in to an account of the office since the account has this stamp: 26
    /// letters, 128 bits.
    pub fn office_device(&self, account: u128, stamp: u128, device: &str) -> String {
        let (account, stamp) = (account.to_be_bytes(), stamp.to_be_bytes());
        let digest = self.derive("office device", &[&account, &stamp, device.as_bytes()]);
        base32(u128::from_be_bytes(digest[..16].try_into().expect("16 bytes")), 26)
    }

    /// The secret of an authenticator that is set up in this session of an account which has that one now.
    pub fn office_totp(&self, account: u128, session: &[u8], now: &[u8]) -> [u8; 32] {
        self.derive("office authenticator", &[&account.to_be_bytes(), session, now])
    }

    /// What the cookie of a session of the office says: 52 letters, of which 26 are these random bits and 26 prove
    /// that they are ours. So one that is made up costs no question to the database.
    pub fn office_session(&self, random: u128) -> String {
        let random = base32(random, 26);
        let proof = self.proof("office session", &random);
        random + &proof
    }

    /// Whether a text is one that [`Secrets::office_session`] gave.
    pub fn is_office_session(&self, text: &str) -> bool {
        self.proves(text, |random| self.proof("office session", random))
    }

    /// What an API key of the office ends with: 52 letters and digits in lower case, as those of a session.
    pub fn office_key(&self, random: u128) -> String {
        let random = base32(random, 26).to_ascii_lowercase();
        let proof = self.proof("office key", &random).to_ascii_lowercase();
        random + &proof
    }

    /// Whether a text is one that [`Secrets::office_key`] gave.
    pub fn is_office_key(&self, text: &str) -> bool {
        self.proves(text, |random| self.proof("office key", random).to_ascii_lowercase())
    }

    /// What the address of a gate's link ends with, by its id: 52 letters.
    pub fn gate_token(&self, id: u128) -> String {
        let id = base32(id, 26);
        let proof = self.proof("gate link", &id);
        id + &proof
    }

    /// The id of the link whose token this is; `None`: it is none of ours.
    pub fn gate_link(&self, token: &str) -> Option<u128> {
        let ours = self.proves(token, |id| self.proof("gate link", id));
        ours.then(|| unbase32(&token[..26], 26)).flatten()
    }

    /// What proves a text that is for this: 26 letters.
    fn proof(&self, what: &str, text: &str) -> String {
        let digest = self.derive(what, &[text.as_bytes()]);
        base32(u128::from_be_bytes(digest[..16].try_into().expect("16 bytes")), 26)
    }

    /// Whether a text ends with what proves its first 26 letters.
    fn proves(&self, text: &str, proof: impl FnOnce(&str) -> String) -> bool {
        use subtle::ConstantTimeEq;
        let Some((random, shown)) = text.split_at_checked(26) else { return false };
        proof(random).as_bytes().ct_eq(shown.as_bytes()).into()
    }

    /// The version of an event that its organiser has said so. It is told to everybody and made of codes as well, so
    /// nobody else must be able to calculate it: 32 hexadecimal digits.
    pub fn event_version(&self, slug: &str, body: &[u8]) -> String {
        let digest = self.derive("event version", &[slug.as_bytes(), b"\n", body]);
        format!("{:032x}", u128::from_be_bytes(digest[..16].try_into().expect("16 bytes")))
    }

    /// A text that only we can read, and only for this purpose: AES-256-GCM (NIST SP 800-38D), with a nonce that
    /// follows from the purpose and the text, so that no nonce is used for two texts. Hexadecimal digits.
    pub fn sealed(&self, purpose: u128, text: &str) -> String {
        let purpose = purpose.to_be_bytes();
        let nonce = self.derive("seal nonce", &[&purpose, text.as_bytes()]);
        let nonce: [u8; 12] = nonce[..12].try_into().expect("12 of 32 bytes");
        let mut bytes = text.as_bytes().to_vec();
        self.seal()
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose),
                &mut bytes,
            )
            .expect("a text is short");
        nonce.iter().chain(&bytes).map(|byte| format!("{byte:02x}")).collect()
    }

    /// What [`Secrets::sealed`] has sealed for this purpose.
    pub fn opened(&self, purpose: u128, sealed: &str) -> Option<String> {
        if !sealed.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let digits = |at: usize| u8::from_str_radix(sealed.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..sealed.len()).step_by(2).map(digits).collect();
        let mut bytes = bytes.filter(|bytes| bytes.len() > 12)?;
        let (nonce, body) = bytes.split_at_mut(12);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.seal().open_in_place(nonce, Aad::from(purpose.to_be_bytes()), body).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }

    fn seal(&self) -> LessSafeKey {
        let key = self.derive("seal", &[]);
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("a key of 32 bytes"))
    }

    /// How somebody or something is named in the audit log whose own name must not be guessed from it: 32 bits.
    pub fn log_name(&self, of: u128) -> u128 {
        let digest = self.derive("log name", &[&of.to_be_bytes()]);
        u128::from(u32::from_be_bytes(digest[..4].try_into().expect("4 bytes")))
    }

    /// What the confirmation of a reset carries: a page of another site cannot read it.
    pub fn reset(&self) -> String {
        let digest = self.derive("reset", &[]);
        base32(u128::from_be_bytes(digest[..16].try_into().expect("16 bytes")), 26)
    }

    /// A ticket's code: 12 letters in three groups, 60 bits. 36 of them prove that it is ours; the
    /// other 24 are the lowest bits of the serial, covered by a pad that depends on the proof, so that
    /// neighbours do not look alike.
    ///
    /// The proof is over the event, the order and the serial. So two tickets of one event can only have
    /// the same code if their serials have the same lowest 24 bits and their proofs are equal, for which
    /// the chance is 2^-36: none among the first 16,777,216 tickets of an event, one in 4,000 that there
    /// is such a pair among 33 million. The same holds of tickets that a restored database has forgotten
    /// and those that it issues instead of them. A ticket that was passed on has another code by its
    /// revision.
    pub fn ticket(&self, event: EventId, order: OrderId, ticket: &Ticket) -> String {
        let (event, serial) = (event.0.to_be_bytes(), ticket.serial);
        let low = serial & 0x00ff_ffff;
        let digest = match ticket.code_rule {
            _ if ticket.revision > 0 => {
                let (order, revision) = (order.0.to_be_bytes(), ticket.revision.to_be_bytes());
                let parts: [&[u8]; 4] = [&event, &order, &serial.to_be_bytes(), &revision];
                self.derive("ticket passed on", &parts)
            }
            CodeRule::Serial => self.derive("ticket", &[&event, &low.to_be_bytes()]),
            CodeRule::Order => {
                let order = order.0.to_be_bytes();
                self.derive("ticket of order", &[&event, &order, &serial.to_be_bytes()])
            }
        };
        let proof = u64::from_be_bytes(digest[..8].try_into().expect("8 bytes")) >> 28;
        let covered = low ^ self.pad(&event, proof);
        let letters = base32((u128::from(proof) << 24) | u128::from(covered), 12);
        format!("{}-{}-{}", &letters[..4], &letters[4..8], &letters[8..])
    }

    /// The lowest 24 bits of the serial of the ticket whose code this is, to find its row. It proves
    /// nothing: the code is ours if [`Secrets::ticket`] of that row gives it again. Lower case, spaces
    /// and dashes do not matter, nor does O for 0, or I and L for 1.
    pub fn serial_bits(&self, event: EventId, code: &str) -> Option<u32> {
        let bits = unbase32(code, 12)?;
        let proof = (bits >> 24) as u64;
        Some((bits as u32 & 0x00ff_ffff) ^ self.pad(&event.0.to_be_bytes(), proof))
    }

    fn pad(&self, event: &[u8; 8], proof: u64) -> u32 {
        let digest = self.derive("serial", &[event, &proof.to_be_bytes()]);
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

/// The bits that [`base32`] wrote as so many letters.
pub fn unbase32(text: &str, length: usize) -> Option<u128> {
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

/// Whether two texts are read as the same code of a ticket: lower case, spaces and dashes do not matter, nor do
/// letters that look like digits.
pub fn same_code(typed: &str, code: &str) -> bool {
    unbase32(typed, 12).is_some_and(|bits| Some(bits) == unbase32(code, 12))
}

/// The SHA-256 of something that is random itself, so that it needs no salt.
pub fn sha256(what: &[u8]) -> Vec<u8> {
    Sha256::digest(what).to_vec()
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
    fn what_is_sealed_is_opened_by_its_maker_for_its_purpose() {
        let (ours, others) = (Secrets::new([7; 32]), Secrets::new([8; 32]));
        for text in ["", "5.01a22463-3402-7000-993a-6eabf95fb880", "ö"] {
            let sealed = ours.sealed(1, text);
            assert_eq!(ours.opened(1, &sealed).as_deref(), Some(text));
            assert_eq!(sealed, ours.sealed(1, text), "the same again is the same");
            assert_ne!(sealed[..24], ours.sealed(1, "other")[..24], "another text, another nonce");
            assert_eq!((ours.opened(2, &sealed), others.opened(1, &sealed)), (None, None));
            for at in 0..sealed.len() {
                let digit = if &sealed[at..=at] == "0" { "1" } else { "0" };
                let forged = format!("{}{digit}{}", &sealed[..at], &sealed[at + 1..]);
                assert_eq!(ours.opened(1, &forged), None, "{at}");
                assert_eq!(ours.opened(1, &sealed[..at]), None, "{at}");
            }
        }
        for odd in ["", "x", "0", "+1+1", "é", "00000000000000000000000000"] {
            assert_eq!(ours.opened(1, odd), None, "{odd}");
        }
    }

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

    /// The high half: the millisecond, the version, and a counter from the beginning of one's own part.
    #[test]
    fn an_id_tells_its_millisecond_and_counts_within_it() {
        let node = Node::default();
        node.set(2);
        let shared = Ids::shared([7; 32], 0, node);
        for (ids, first, count) in [(Ids::new([7; 32], 0), 0, 4096), (shared, 256, 128)] {
            let high = |ms: u64| (ids.order(ms as TimeMs).0 >> 64) as u64;
            let at = |ms: u64, counter: u64| (ms << 16) + (7 << 12) + counter;
            for n in first..first + count {
                assert_eq!(high(1_000), at(1_000, n));
            }
            assert_eq!(high(1_000), at(1_001, first), "used up: of the next millisecond");
            assert_eq!(high(1_000), at(1_001, first + 1));
            assert_eq!(high(1_005), at(1_005, first), "the clock goes on");
        }
    }

    #[test]
    fn processes_beside_each_other_make_no_two_ids_of_one_high_half() {
        let nodes: Vec<Node> = (0..NODES).map(|_| Node::default()).collect();
        let all: Vec<Ids> = (0u64..)
            .zip(&nodes)
            .map(|(number, node)| {
                node.set(number);
                Ids::shared([number as u8; 32], 0, node.clone())
            })
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        let mut lasts = [0u64; NODES as usize];
        // Each makes more in a millisecond than it has, and the clock stands still or goes back.
        for step in [5i64, 5, 6, 4, 400, 399] {
            for (ids, last) in all.iter().zip(&mut lasts) {
                for _ in 0..300 {
                    let high = (ids.order(1_800_000_000_000 + step).0 >> 64) as u64;
                    assert!(high > *last, "they rise");
                    *last = high;
                    assert!(seen.insert(high), "made twice");
                    assert_eq!((high >> 12) & 0xf, 7);
                }
            }
        }
        // One leaves and another comes, which begins after the newest id that is recorded.
        let newest = *lasts.iter().max().unwrap();
        let heir = Ids::shared([99; 32], newest, nodes[3].clone());
        assert!(seen.insert((heir.order(5).0 >> 64) as u64));
        // A process that gets another number goes on with that.
        nodes[0].set(3);
        let high = (all[0].order(1_800_000_009_000).0 >> 64) as u64;
        assert_eq!((high & 0xfff) / OF_A_NODE, 3);
    }

    fn ticket(serial: u32, code_rule: CodeRule) -> Ticket {
        Ticket {
            serial,
            line: 0,
            state: boxoffice::TicketState::Valid,
            code_rule,
            revision: 0,
            guest: None,
        }
    }

    #[test]
    fn a_ticket_code_leads_to_its_row_and_has_no_neighbour() {
        let secrets = Secrets::new([3; 32]);
        let (event, order) = (EventId(9), OrderId(77));
        for serial in [1, 2, 3, 50_000, 16_777_215] {
            for rule in [CodeRule::Serial, CodeRule::Order] {
                let code = secrets.ticket(event, order, &ticket(serial, rule));
                assert_eq!(code.len(), 14);
                assert_eq!(secrets.serial_bits(event, &code), Some(serial));
                let typed = code.to_lowercase().replace('-', " ");
                assert_eq!(secrets.serial_bits(event, &typed), Some(serial));
                let next = secrets.ticket(event, order, &ticket(serial + 1, rule));
                let same = code.bytes().zip(next.bytes()).filter(|(a, b)| a == b && *a != b'-');
                assert!(same.count() < 6, "{code} {next}");
            }
        }
        assert_eq!(secrets.serial_bits(event, "no code"), None);
        assert_eq!(secrets.serial_bits(event, ""), None);
    }

    #[test]
    fn tickets_that_were_issued_before_keep_their_codes() {
        // As they were written before there were rules.
        let secrets = Secrets::new([3; 32]);
        let codes = [1, 2, 50_000]
            .map(|n| secrets.ticket(EventId(9), OrderId(n.into()), &ticket(n, CodeRule::Serial)));
        assert_eq!(codes, ["8QSR-KG7Q-JSTJ", "FP2B-R1B0-JHN0", "DD3G-T9HA-MGJ5"]);
    }

    #[test]
    fn the_same_serial_of_another_order_has_another_code() {
        let secrets = Secrets::new([3; 32]);
        let mut seen = std::collections::BTreeSet::new();
        // What a restored database issues instead of what it has forgotten, and beyond 24 bits.
        for order in 0..50u128 {
            for serial in [1, 2, 3, 16_777_215, 16_777_216, 16_777_217, 16_777_218, u32::MAX] {
                let code = ticket(serial, CodeRule::Order);
                assert!(seen.insert(secrets.ticket(EventId(9), OrderId(order), &code)));
            }
        }
        assert!(seen.insert(secrets.ticket(EventId(10), OrderId(0), &ticket(1, CodeRule::Order))));
    }

    #[test]
    fn what_pays_an_order_does_not_open_it_nor_the_other_way_round() {
        let secrets = Secrets::new([3; 32]);
        let (own, pay) = (secrets.order(OrderId(1)), secrets.pay(OrderId(1)));
        assert!(secrets.pays(OrderId(1), &pay) && !secrets.opens(OrderId(1), &pay));
        assert!(secrets.opens(OrderId(1), &own) && !secrets.pays(OrderId(1), &own));
        assert!(!secrets.pays(OrderId(2), &pay) && !secrets.pays(OrderId(1), ""));
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

    #[test]
    fn a_session_and_a_key_of_the_office_prove_themselves() {
        let (secrets, others) = (Secrets::new([3; 32]), Secrets::new([4; 32]));
        for random in [0, 7, u128::MAX] {
            let (session, key) = (secrets.office_session(random), secrets.office_key(random));
            assert_eq!((session.len(), key.len()), (52, 52));
            assert!(secrets.is_office_session(&session) && !others.is_office_session(&session));
            assert!(secrets.is_office_key(&key) && !others.is_office_key(&key));
            assert!(!secrets.is_office_key(&session) && !secrets.is_office_session(&key));
            for odd in [
                key.to_uppercase(),
                session.to_lowercase(),
                format!("{session}0"),
                format!("{key}0"),
                session[..51].to_owned(),
                key[1..].to_owned(),
                String::new(),
                "é".repeat(26),
                "0".repeat(52),
            ] {
                assert!(!secrets.is_office_session(&odd) && !secrets.is_office_key(&odd), "{odd}");
            }
        }
    }

    #[test]
    fn the_token_of_a_gate_gives_its_id_again_and_no_other_text_does() {
        let (secrets, others) = (Secrets::new([3; 32]), Secrets::new([4; 32]));
        for id in [0, 7, 1 << 127, u128::MAX] {
            let token = secrets.gate_token(id);
            assert_eq!((token.len(), secrets.gate_link(&token)), (52, Some(id)));
            let session = secrets.office_session(id);
            for odd in [
                others.gate_token(id),
                token.to_lowercase(),
                format!("{token}0"),
                token[..51].to_owned(),
                session,
                String::new(),
                "é".repeat(26),
            ] {
                assert_eq!(secrets.gate_link(&odd), None, "{odd}");
            }
        }
    }

    #[test]
    fn every_bit_that_is_to_be_random_is() {
        let ids = Ids::new([7; 32], 0);
        let (mut ones, mut zeros) = (0u128, 0u128);
        let (mut low_ones, mut low_zeros) = (0u128, 0u128);
        for _ in 0..200 {
            let (bits, low) = (ids.random(), ids.order(1_000).0);
            (ones, zeros) = (ones | bits, zeros | !bits);
            (low_ones, low_zeros) = (low_ones | low, low_zeros | !low);
        }
        assert_eq!((ones, zeros), (u128::MAX, u128::MAX));
        let random = (1 << 62) - 1;
        assert_eq!((low_ones & random, low_zeros & random), (random, random));
    }

    #[test]
    fn a_digest_tells_its_parts_apart() {
        let digests = [&[&b"ab"[..], b"c"][..], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""], &[]];
        let different: std::collections::BTreeSet<u128> = digests.map(digest).into();
        assert_eq!(different.len(), digests.len());
    }

    #[test]
    fn letters_that_look_like_digits_are_read_as_those() {
        let secrets = Secrets::new([3; 32]);
        let code = |n| secrets.ticket(EventId(9), OrderId(7), &ticket(n, CodeRule::Order));
        let serial = (1..).find(|n| code(*n).contains('0') && code(*n).contains('1')).unwrap();
        for (zero, one) in [("O", "I"), ("o", "l"), ("O", "L"), ("o", "i")] {
            let typed = code(serial).replace('0', zero).replace('1', one);
            assert_eq!(secrets.serial_bits(EventId(9), &typed), Some(serial), "{typed}");
        }
    }

    #[test]
    fn each_secret_is_for_one_purpose_and_of_one_key() {
        let of = |key| {
            let secrets = Secrets::new([key; 32]);
            let order = OrderId(1);
            [secrets.order(order), secrets.pay(order), secrets.reset(), secrets.shop()]
        };
        let all: Vec<String> = [of(3), of(4)].concat();
        let lengths: Vec<usize> = all.iter().map(String::len).collect();
        assert_eq!(lengths, [26, 26, 26, 16, 26, 26, 26, 16]);
        let begins: std::collections::BTreeSet<&str> = all.iter().map(|s| &s[..16]).collect();
        assert_eq!(begins.len(), 8);
    }
}
