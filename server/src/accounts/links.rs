//! The addresses of links that work once. None of them is stored: they are derived from the server's secret.
//!
//! Most links are rows: their address names the row and proves that it is ours. A link that whoever owns the
//! machine makes beside a running server is not stored before it is used, for only the server writes: its
//! address has all that it offers, and proves it.

use super::own::key;
use super::passwords::{hex, unhex};
use super::{Accounts, DAY_MS};
use crate::access::Role;
use crate::actor::Actor;
use crate::ids::{Secrets, digest, unbase32};
use crate::store::records::get;
use crate::store::records::sessions::{OneTimeLink, Purpose};
use crate::writer::CommandError;
use boxoffice::{EventId, TimeMs};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// How many letters name a link, and how many prove it.
const LETTERS: usize = 26;
/// With what the addresses of links begin that are not stored. No other address has it.
const MACHINE: char = 'm';

/// What a link offers that whoever owns the machine makes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Whose account it makes, or opens again; empty: whoever comes may choose.
    pub email: String,
    /// The role that comes with it.
    pub role: String,
    /// For which event; none: for all.
    pub event: Option<u64>,
    /// Until when, in milliseconds since 1970.
    pub ends_ms: TimeMs,
    /// Tells it from another one that offers the same.
    pub nonce: u64,
}

/// The token of a link that whoever owns the machine makes.
pub fn machine_link(secrets: &Secrets, offer: &Machine) -> String {
    let text = serde_json::to_string(offer).expect("it is JSON");
    format!("{MACHINE}{}-{}", hex(text.as_bytes()), secrets.office_letter(text.as_bytes()))
}

/// The token of a link that makes the first owner, for a day.
fn first_owner(secrets: &Secrets, now: TimeMs, nonce: u64) -> String {
    let role = Role::Owner.word().into();
    let offer = Machine { email: String::new(), role, event: None, ends_ms: now + DAY_MS, nonce };
    machine_link(secrets, &offer)
}

/// Whether a link is that of the first owner.
pub(super) fn is_first_owner(link: &OneTimeLink) -> bool {
    link.purpose == Purpose::Machine && link.email.is_empty()
}

/// The id of a stored link by its token, if the token is ours.
fn stored(secrets: &Secrets, token: &str) -> Option<u128> {
    let (id, proof) = token.split_at_checked(LETTERS)?;
    let id = unbase32(id, LETTERS)?;
    let own: bool = secrets.office_link(id).as_bytes().ct_eq(proof.as_bytes()).into();
    own.then_some(id)
}

/// The link that a token of the machine's owner stands for.
fn offered(secrets: &Secrets, token: &str) -> Option<OneTimeLink> {
    let (text, proof) = token.strip_prefix(MACHINE)?.split_once('-')?;
    let text = unhex(text)?;
    let own: bool = secrets.office_letter(&text).as_bytes().ct_eq(proof.as_bytes()).into();
    let offer: Machine = own.then(|| serde_json::from_slice(&text).ok()).flatten()?;
    // All that make the first owner are one: of two that were printed, one is used.
    let id = match offer.email.is_empty() {
        true => digest(&[b"first owner"]),
        false => digest(&[b"machine link", &text]),
    };
    Some(OneTimeLink {
        id,
        purpose: Purpose::Machine,
        account: None,
        email: offer.email,
        role: Some(offer.role.parse().ok()?),
        event: offer.event.map(EventId),
        goes_to: String::new(),
        made_by: Actor::System,
        made_ms: 0,
        ends_ms: offer.ends_ms,
        used_ms: None,
        claim: None,
    })
}

impl Accounts {
    /// The token of a link that makes the first owner, from now on for a day.
    pub fn first_owner(&self) -> String {
        first_owner(&self.secrets, self.clock.now_ms(), self.ids.random() as u64)
    }

    /// The stored link of this id.
    pub(super) async fn stored(&self, id: u128) -> Result<Option<OneTimeLink>, CommandError> {
        let found = self.reads.ask(move |reader| get::<OneTimeLink>(reader.tables(), &key(id)));
        Ok(found.await?)
    }

    /// The link of this token, if it can still be used.
    pub(super) async fn link(&self, token: &str) -> Result<Option<OneTimeLink>, CommandError> {
        let offered = offered(&self.secrets, token);
        let id = offered.as_ref().map(|link| link.id).or_else(|| stored(&self.secrets, token));
        let Some(id) = id else { return Ok(None) };
        let known = self.stored(id).await?;
        let now = self.clock.now_ms();
        Ok(known.or(offered).filter(|link| link.used_ms.is_none() && now < link.ends_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_only_as_it_was_made() {
        let (secrets, others) = (Secrets::new([3; 32]), Secrets::new([4; 32]));
        let link = secrets.office_token(77);
        assert_eq!(link.len(), 52);
        assert_eq!(stored(&secrets, &link), Some(77));
        assert_eq!(stored(&others, &link), None);
        for odd in [
            "",
            "0",
            &link[1..],
            &link[..51],
            &link.to_lowercase(),
            &format!("{link}0"),
            "é".repeat(30).as_str(),
        ] {
            assert_eq!(stored(&secrets, odd), None, "{odd}");
        }
        let first = first_owner(&secrets, 1_000, 7);
        let found = offered(&secrets, &first).expect("ours");
        assert!(is_first_owner(&found) && found.role == Some(Role::Owner));
        assert_eq!(offered(&others, &first), None);
        let damaged = first.replacen('7', "6", 1);
        assert_eq!(offered(&secrets, &damaged), None);
        assert_eq!(offered(&secrets, &link), None);
        assert_eq!(stored(&secrets, &first), None);
    }
}
