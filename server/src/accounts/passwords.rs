//! Passwords: hashed by argon2id, which takes a few hundredths of a second of a processor and 19 MiB on purpose.
//!
//! So that signing in never takes the processors from those that sell, few are hashed at once, in threads of the
//! lowest priority, and few may wait. Strangers wait in one queue, and people who are known in another one with a
//! thread of its own: however many strangers guess, whoever is signed in can show once more who they are. Each attempt
//! costs the same, whether the account exists or not.

use crate::tasks;
use argon2::{Algorithm, Argon2, Params, Version};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// So many of strangers are hashed at once.
const AT_ONCE: usize = 2;
/// So many of people who are known.
const KNOWN_AT_ONCE: usize = 1;
/// So many of each are being hashed, or wait.
const MOST: usize = 64;
/// So many of one account that is known: nobody who is signed in fills the queue of the others.
const OF_ONE: usize = 8;
/// Memory in KiB, passes and lanes: what OWASP advises for argon2id.
const COST: Cost = Cost { kib: 19 * 1024, passes: 2, lanes: 1 };
/// How long a hash is, in bytes.
const LENGTH: usize = 32;
/// A password has at least so many characters ...
pub const LEAST: usize = 10;
/// ... and at most so many bytes.
pub const MOST_BYTES: usize = 1_024;

/// Hashes passwords.
pub struct Hasher {
    strangers: Line,
    known: Line,
    /// How many of each account that is known are being hashed, or wait.
    of_one: Arc<Mutex<BTreeMap<u128, usize>>>,
    /// Whether they are hashed where they are asked for: in the simulation, which has no threads.
    inline: bool,
}

/// In which queue somebody waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waits {
    /// Anybody.
    Stranger,
    /// Somebody who is signed in, has a link, or comes from a browser that has signed in before: the id of the account
    /// or the link.
    Known(u128),
}

/// A queue.
struct Line {
    turn: Arc<Semaphore>,
    wait: Arc<Semaphore>,
}

impl Line {
    fn new(at_once: usize) -> Line {
        let [turn, wait] = [at_once, MOST].map(|most| Arc::new(Semaphore::new(most)));
        Line { turn, wait }
    }
}

/// One of those of an account that wait.
struct OfOne {
    all: Arc<Mutex<BTreeMap<u128, usize>>>,
    account: u128,
}

impl OfOne {
    fn take(all: &Arc<Mutex<BTreeMap<u128, usize>>>, account: u128) -> Option<OfOne> {
        let mut counts = all.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(account).or_default();
        // Whoever finds too many has found at least one, so the entry goes with that.
        if *count >= OF_ONE {
            return None;
        }
        *count += 1;
        Some(OfOne { all: Arc::clone(all), account })
    }
}

impl Drop for OfOne {
    fn drop(&mut self) {
        let mut counts = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.account);
            }
        }
    }
}

/// Too many wait to have their password looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

/// What a hash costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cost {
    kib: u32,
    passes: u32,
    lanes: u32,
}

/// A password as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Stored {
    cost: Cost,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Stored {
    fn of(password: &str, salt: Vec<u8>, cost: Cost) -> Stored {
        let hash = hashed(password, &salt, cost);
        Stored { cost, salt, hash }
    }

    fn text(&self) -> String {
        let Cost { kib, passes, lanes } = self.cost;
        format!("argon2id:{kib}:{passes}:{lanes}:{}:{}", hex(&self.salt), hex(&self.hash))
    }

    fn read(text: &str) -> Option<Stored> {
        let mut parts = text.split(':');
        if parts.next()? != "argon2id" {
            return None;
        }
        let mut number = || parts.next()?.parse().ok();
        let cost = Cost { kib: number()?, passes: number()?, lanes: number()? };
        let (salt, hash) = (unhex(parts.next()?)?, unhex(parts.next()?)?);
        parts.next().is_none().then_some(Stored { cost, salt, hash })
    }
}

fn hashed(password: &str, salt: &[u8], cost: Cost) -> Vec<u8> {
    let params = Params::new(cost.kib, cost.passes, cost.lanes, Some(LENGTH));
    let params = params.expect("a cost that was written here");
    let mut hash = vec![0; LENGTH];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(password.as_bytes(), salt, &mut hash).expect("a salt of 16 bytes");
    hash
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let byte = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}

impl Hasher {
    /// With nothing to do.
    pub fn new(inline: bool) -> Hasher {
        let (strangers, known) = (Line::new(AT_ONCE), Line::new(KNOWN_AT_ONCE));
        Hasher { strangers, known, of_one: Arc::default(), inline }
    }

    /// A password as it is stored, with this salt.
    pub async fn hash(&self, password: &str, salt: u128, waits: Waits) -> Result<String, Busy> {
        let password = password.to_owned();
        let salt = salt.to_be_bytes().to_vec();
        self.run(waits, move || Stored::of(&password, salt, COST).text()).await
    }

    /// Whether it is the password that is stored so. Where there is none it takes as long, and is not.
    pub async fn is(
        &self,
        password: &str,
        stored: Option<String>,
        waits: Waits,
    ) -> Result<bool, Busy> {
        let password = password.to_owned();
        self.run(waits, move || {
            let known = stored.as_deref().and_then(Stored::read);
            let cost = known.as_ref().map_or(COST, |known| known.cost);
            let salt = known.as_ref().map_or(&[0; 16][..], |known| &known.salt);
            let shown = hashed(&password, salt, cost);
            known.is_some_and(|known| known.hash.ct_eq(&shown).into())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        waits: Waits,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        if self.inline {
            return Ok(work());
        }
        let (line, of_one) = match waits {
            Waits::Stranger => (&self.strangers, None),
            Waits::Known(account) => {
                (&self.known, Some(OfOne::take(&self.of_one, account).ok_or(Busy)?))
            }
        };
        let waits = Arc::clone(&line.wait).try_acquire_owned().map_err(|_| Busy)?;
        let turn = Arc::clone(&line.turn).acquire_owned().await.map_err(|_| Busy)?;
        // The thread has its turn until it is done, whether somebody still waits for it or not.
        let done = tasks::beside_all(move || {
            let _until_done = (waits, turn, of_one);
            work()
        });
        done.await.ok_or(Busy)
    }
}

/// What is wrong with a new password, as a sentence; `None`: nothing. `about`: what others know of the person.
pub fn flaw(password: &str, about: &[&str]) -> Option<&'static str> {
    let lower = password.to_lowercase();
    let mut letters: Vec<char> = lower.chars().collect();
    let length = letters.len();
    letters.sort_unstable();
    letters.dedup();
    let same = |known: &&str| !known.is_empty() && lower == known.to_lowercase();
    if length < LEAST {
        Some("A password has at least 10 characters. Several words make a good one.")
    } else if password.len() > MOST_BYTES {
        Some("A password has at most 1,024 bytes.")
    } else if letters.len() < 4 || about.iter().any(same) {
        Some("This password is easy to guess. Several words make a good one.")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_as_it_was_stored() {
        let cost = Cost { kib: 8, passes: 1, lanes: 1 };
        let stored = Stored::of("one two three", vec![7; 16], cost);
        assert_eq!(Stored::read(&stored.text()), Some(stored.clone()));
        assert_ne!(stored.hash, Stored::of("one two thref", vec![7; 16], cost).hash);
        assert_ne!(stored.hash, Stored::of("one two three", vec![8; 16], cost).hash);
        for odd in
            ["", "argon2id", "argon2id:8:1:1:zz:00", "argon2i:8:1:1:00:00", "argon2id:8:1:1:0:0"]
        {
            assert_eq!(Stored::read(odd), None, "{odd}");
        }
    }

    #[tokio::test]
    async fn only_the_password_itself_opens() {
        let hasher = Hasher::new(true);
        let waits = Waits::Stranger;
        let stored = hasher.hash("correct horse", 5, waits).await.expect("not busy");
        assert!(stored.starts_with("argon2id:19456:2:1:"), "{stored}");
        assert_eq!(hasher.is("correct horse", Some(stored.clone()), waits).await, Ok(true));
        assert_eq!(hasher.is("correct horsf", Some(stored), waits).await, Ok(false));
        assert_eq!(hasher.is("correct horse", None, waits).await, Ok(false));
        assert_eq!(hasher.is("correct horse", Some("damaged".into()), waits).await, Ok(false));
    }

    #[tokio::test]
    async fn strangers_keep_nobody_waiting_who_is_known() {
        let hasher = Arc::new(Hasher::new(false));
        let (goes_on, waits) = std::sync::mpsc::channel::<()>();
        let waits = Arc::new(Mutex::new(waits));
        let run = |who: Waits| {
            let (hasher, waits) = (Arc::clone(&hasher), Arc::clone(&waits));
            async move { hasher.run(who, move || _ = waits.lock().expect("no panic").recv()).await }
        };
        let mut all = tokio::task::JoinSet::new();
        (0..MOST).for_each(|_| _ = all.spawn(run(Waits::Stranger)));
        while hasher.strangers.wait.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.run(Waits::Stranger, || ()).await, Err(Busy));
        assert_eq!(hasher.run(Waits::Known(1), || ()).await, Ok(()));
        // One account that is known does not fill that queue either.
        (0..OF_ONE).for_each(|_| _ = all.spawn(run(Waits::Known(2))));
        while hasher.known.wait.available_permits() > MOST - OF_ONE {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.run(Waits::Known(2), || ()).await, Err(Busy));
        all.spawn(run(Waits::Known(3)));
        drop(goes_on);
        assert!(all.join_all().await.iter().all(|done| *done == Ok(())));
        assert!(hasher.of_one.lock().expect("no panic").is_empty());
    }

    #[tokio::test]
    async fn two_are_hashed_at_once_and_few_wait() {
        let hasher = Arc::new(Hasher::new(false));
        let running = Arc::new(std::sync::Mutex::new((0, 0)));
        let mut all = Vec::new();
        for _ in 0..MOST + 5 {
            let (hasher, running) = (Arc::clone(&hasher), Arc::clone(&running));
            all.push(async move {
                let work = move || {
                    let change = |by: i32| {
                        let mut running = running.lock().expect("no panic");
                        running.0 += by;
                        running.1 = running.1.max(running.0);
                    };
                    change(1);
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    change(-1);
                };
                hasher.run(Waits::Stranger, work).await
            });
        }
        let mut tasks = tokio::task::JoinSet::new();
        all.into_iter().for_each(|one| _ = tasks.spawn(one));
        let done = tasks.join_all().await;
        assert_eq!(done.iter().filter(|one| **one == Err(Busy)).count(), 5);
        assert_eq!(running.lock().expect("no panic").1, AT_ONCE as i32);
    }

    #[test]
    fn a_new_password_is_long_enough_and_no_guess() {
        for good in ["correct horse", "пароль-из-слов", "0123456789"] {
            assert_eq!(flaw(good, &["a@example.org"]), None, "{good}");
        }
        for bad in ["", "short", "aaaaaaaaaaaa", "ababababab", "A@example.org", &"ab3d".repeat(300)]
        {
            assert!(flaw(bad, &["a@example.org"]).is_some(), "{bad}");
        }
    }
}
