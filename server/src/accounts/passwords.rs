//! Passwords: hashed by argon2id, which takes a few hundredths of a second of a processor and 19 MiB on purpose.
//!
//! So that signing in never takes the processors from those that sell, few are hashed at once, in threads of the
//! lowest priority, and few may wait. Each attempt costs the same, whether the account exists or not.

use crate::tasks;
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// So many are hashed at once.
const AT_ONCE: usize = 2;
/// So many are being hashed, or wait.
const MOST: usize = 64;
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
    turn: Arc<Semaphore>,
    wait: Arc<Semaphore>,
    /// Whether they are hashed where they are asked for: in the simulation, which has no threads.
    inline: bool,
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
        let [turn, wait] = [AT_ONCE, MOST].map(|most| Arc::new(Semaphore::new(most)));
        Hasher { turn, wait, inline }
    }

    /// A password as it is stored, with this salt.
    pub async fn hash(&self, password: &str, salt: u128) -> Result<String, Busy> {
        let password = password.to_owned();
        let salt = salt.to_be_bytes().to_vec();
        self.run(move || Stored::of(&password, salt, COST).text()).await
    }

    /// Whether it is the password that is stored so. Where there is none it takes as long, and is not.
    pub async fn is(&self, password: &str, stored: Option<String>) -> Result<bool, Busy> {
        let password = password.to_owned();
        self.run(move || {
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
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        if self.inline {
            return Ok(work());
        }
        let waits = Arc::clone(&self.wait).try_acquire_owned().map_err(|_| Busy)?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| Busy)?;
        // The thread has its turn until it is done, whether somebody still waits for it or not.
        let done = tasks::beside_all(move || {
            let _until_done = (waits, turn);
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
        let stored = hasher.hash("correct horse", 5).await.expect("not busy");
        assert!(stored.starts_with("argon2id:19456:2:1:"), "{stored}");
        assert_eq!(hasher.is("correct horse", Some(stored.clone())).await, Ok(true));
        assert_eq!(hasher.is("correct horsf", Some(stored)).await, Ok(false));
        assert_eq!(hasher.is("correct horse", None).await, Ok(false));
        assert_eq!(hasher.is("correct horse", Some("damaged".into())).await, Ok(false));
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
                hasher.run(work).await
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
