//! Rates per client: leaky buckets in a table of fixed size.
//!
//! A bucket is one number: the moment at which it is empty again. A request adds its cost to it, and
//! is refused if the bucket would be more than full (the generic cell rate algorithm).
//!
//! The table has `SETS` sets of `WAYS` buckets, 16 bytes each: 1 MiB, made at the first use. A
//! keyed 64-bit hash of the client names the set and is compared in full, so that two clients share
//! a bucket only if their hashes are equal (below 1 in 10^9 with 65,536 clients). A collision of sets
//! can only forget a client, never refuse one: the newcomer takes the place of the bucket that is
//! emptiest. So who is most in debt is kept, and could be forgotten only with the help of four times
//! as many networks as there are sets, each of which is more in debt.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// How many sets a table has.
const SETS: usize = 16_384;
/// How many buckets a set has.
const WAYS: usize = 4;

/// The key of the hashes: SipHash-1-3, whose state begins with a secret.
#[derive(Clone, Copy)]
pub struct Key(u128);

impl Key {
    /// From a secret.
    pub fn new(secret: u128) -> Key {
        Key(secret)
    }

    /// The hash of something under this key. The hashed type must tell itself from others.
    pub fn of(&self, what: &impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u128(self.0);
        what.hash(&mut hasher);
        hasher.finish()
    }

    /// The hash that stands for a client as a whole.
    pub fn client(&self, network: super::Network) -> u64 {
        self.of(&network.levels().next())
    }
}

/// How fast a bucket empties, and how full it may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// What one request adds, in microseconds.
    pub cost_us: u64,
    /// How much fits in, in microseconds.
    pub most_us: u64,
}

impl Rate {
    /// So many in so much time, and as many at once; none: without limit.
    pub fn per(count: u32, time_us: u64) -> Option<Rate> {
        (count > 0).then(|| Rate { cost_us: (time_us / u64::from(count)).max(1), most_us: time_us })
    }
}

/// Which bucket, and how many times larger than that of one client it is.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// The hash of what it belongs to.
    pub key: u64,
    /// It takes so many times as much.
    pub factor: u64,
}

impl Bucket {
    fn cost_us(self, rate: Rate, cost: u64) -> u64 {
        (rate.cost_us.saturating_mul(cost) / self.factor).max(1)
    }
}

#[derive(Clone, Copy, Default)]
struct Slot {
    key: u64,
    /// When it is empty; it is anybody's then.
    empty_us: u64,
}

/// A table of buckets.
#[derive(Default)]
pub struct Buckets(Mutex<Vec<Slot>>);

impl Buckets {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<Slot>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a request of this cost to all of these buckets, or to none of them: then it tells after
    /// how many microseconds all have room. A cost that never fits fills what is left.
    pub fn take(
        &self,
        buckets: impl Iterator<Item = Bucket> + Clone,
        rate: Rate,
        cost: u64,
        now_us: u64,
    ) -> Result<(), u64> {
        self.with(|slots| {
            let wait = buckets.clone().map(|bucket| {
                let full = debt(slots, bucket.key, now_us) + bucket.cost_us(rate, cost);
                full.saturating_sub(rate.most_us)
            });
            match wait.max() {
                Some(wait_us) if wait_us > 0 && cost == 1 => Err(wait_us),
                wait => {
                    for bucket in buckets {
                        let cost_us = bucket.cost_us(rate, cost);
                        add(slots, bucket.key, now_us, cost_us, rate.most_us);
                    }
                    wait.filter(|wait_us| *wait_us > 0).map_or(Ok(()), Err)
                }
            }
        })
    }

    /// Whether one more request fits into all of these buckets, without adding it.
    pub fn room(
        &self,
        buckets: impl Iterator<Item = Bucket>,
        rate: Rate,
        now_us: u64,
    ) -> Result<(), u64> {
        let wait = self.with(|slots| {
            buckets
                .map(|b| debt(slots, b.key, now_us) + b.cost_us(rate, 1))
                .max()
                .map_or(0, |full| full.saturating_sub(rate.most_us))
        });
        if wait > 0 { Err(wait) } else { Ok(()) }
    }

    /// Adds one to these buckets, which are full at most.
    pub fn add(&self, buckets: impl Iterator<Item = Bucket>, rate: Rate, now_us: u64) {
        self.with(|slots| {
            for bucket in buckets {
                add(slots, bucket.key, now_us, bucket.cost_us(rate, 1), rate.most_us);
            }
        });
    }

    /// Takes one out of these buckets that was added before.
    pub fn give_back(&self, buckets: impl Iterator<Item = Bucket>, rate: Rate) {
        self.with(|slots| {
            if slots.is_empty() {
                return;
            }
            for bucket in buckets {
                let found = set(slots, bucket.key).iter_mut().find(|slot| slot.key == bucket.key);
                if let Some(slot) = found {
                    slot.empty_us = slot.empty_us.saturating_sub(bucket.cost_us(rate, 1));
                }
            }
        });
    }

    /// How many requests fit into all of these buckets now, and after how many microseconds all of them are empty.
    pub fn left(
        &self,
        buckets: impl Iterator<Item = Bucket>,
        rate: Rate,
        now_us: u64,
    ) -> (u64, u64) {
        self.with(|slots| {
            let mut least = (u64::MAX, 0);
            for bucket in buckets {
                let debt = debt(slots, bucket.key, now_us);
                let room = rate.most_us.saturating_sub(debt) / bucket.cost_us(rate, 1);
                least = (least.0.min(room), least.1.max(debt));
            }
            least
        })
    }

    /// How much is in the fullest of these buckets, in microseconds.
    pub fn debt(&self, buckets: impl Iterator<Item = Bucket>, now_us: u64) -> u64 {
        self.with(|slots| buckets.map(|b| debt(slots, b.key, now_us)).max().unwrap_or(0))
    }
}

fn set(slots: &mut [Slot], key: u64) -> &mut [Slot] {
    let set = (key % SETS as u64) as usize;
    &mut slots[set * WAYS..][..WAYS]
}

fn debt(slots: &mut [Slot], key: u64, now_us: u64) -> u64 {
    if slots.is_empty() {
        return 0;
    }
    let found = set(slots, key).iter().find(|slot| slot.key == key);
    found.map_or(0, |slot| slot.empty_us.saturating_sub(now_us))
}

fn add(slots: &mut Vec<Slot>, key: u64, now_us: u64, cost_us: u64, most_us: u64) {
    if slots.is_empty() {
        *slots = vec![Slot::default(); SETS * WAYS];
    }
    let set = set(slots, key);
    let slot = match set.iter().position(|slot| slot.key == key) {
        Some(known) => &mut set[known],
        None => {
            let emptiest = set.iter_mut().min_by_key(|slot| slot.empty_us);
            let slot = emptiest.expect("a set has buckets");
            *slot = Slot { key, empty_us: 0 };
            slot
        }
    };
    let full_us = slot.empty_us.max(now_us).saturating_add(cost_us);
    slot.empty_us = full_us.min(now_us.saturating_add(most_us)).max(slot.empty_us);
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    fn one_of(key: u64, factor: u64) -> std::iter::Once<Bucket> {
        std::iter::once(Bucket { key, factor })
    }

    fn one(key: u64) -> std::iter::Once<Bucket> {
        std::iter::once(Bucket { key, factor: 1 })
    }

    #[test]
    fn what_is_left_is_what_still_fits() {
        let buckets = Buckets::default();
        let rate = Rate::per(6, 60 * S).unwrap();
        let wide = [Bucket { key: 1, factor: 1 }, Bucket { key: 2, factor: 4 }];
        assert_eq!(buckets.left(wide.into_iter(), rate, 0), (6, 0));
        for taken in 1..=6 {
            assert_eq!(buckets.take(wide.into_iter(), rate, 1, 0), Ok(()));
            let whole_in = taken * 10 * S;
            assert_eq!(buckets.left(wide.into_iter(), rate, 0), (6 - taken, whole_in));
        }
        assert!(buckets.take(wide.into_iter(), rate, 1, 0).is_err());
        assert_eq!(buckets.left(wide.into_iter(), rate, 25 * S), (2, 35 * S));
        // Others of the same larger prefix have used it up.
        for _ in 0..24 {
            _ = buckets.take(one_of(2, 4), rate, 1, 25 * S);
        }
        assert_eq!(buckets.left(wide.into_iter(), rate, 25 * S).0, 0);
    }

    #[test]
    fn a_rate_allows_a_burst_and_then_its_pace() {
        let buckets = Buckets::default();
        let rate = Rate::per(6, 60 * S).unwrap();
        for n in 0..6 {
            assert_eq!(buckets.take(one(7), rate, 1, n), Ok(()), "{n}");
        }
        let wait = buckets.take(one(7), rate, 1, 6).unwrap_err();
        assert!(wait.abs_diff(10 * S) < 10, "{wait}");
        // A refusal costs nothing, and another client is not concerned.
        assert_eq!(buckets.take(one(7), rate, 1, wait + 6), Ok(()));
        assert!(buckets.take(one(7), rate, 1, wait + 7).is_err());
        assert_eq!(buckets.take(one(8), rate, 1, 6), Ok(()));
        // After a while all of it is there again, and no more than that.
        let later = 1_000 * S;
        let taken = (0..20).filter(|_| buckets.take(one(7), rate, 1, later).is_ok()).count();
        assert_eq!(taken, 6);
        assert_eq!(Rate::per(0, S), None);
    }

    #[test]
    fn of_several_buckets_all_or_none_are_taken_from() {
        let buckets = Buckets::default();
        let rate = Rate::per(2, 60 * S).unwrap();
        let of = |n| [Bucket { key: n, factor: 1 }, Bucket { key: 99, factor: 2 }].into_iter();
        for n in [1, 1, 2, 3] {
            assert_eq!(buckets.take(of(n), rate, 1, 0), Ok(()));
        }
        // The larger one is full, so what only looks at the smaller one was left as it was.
        assert!(buckets.take(of(2), rate, 1, 0).is_err());
        assert_eq!(buckets.take(one(2), rate, 1, 0), Ok(()));
        assert!(buckets.take(one(2), rate, 1, 0).is_err());
    }

    #[test]
    fn who_is_most_in_debt_is_not_forgotten_by_a_flood_of_others() {
        let buckets = Buckets::default();
        let rate = Rate::per(10, 60 * S).unwrap();
        let key = Key::new(5);
        let script = key.of(&"the script");
        for _ in 0..10 {
            assert_eq!(buckets.take(one(script), rate, 1, 0), Ok(()));
        }
        // Ten times as many clients as there are buckets, each with one request.
        for n in 0..(10 * SETS * WAYS) as u64 {
            assert_eq!(buckets.take(one(key.of(&n)), rate, 1, 1), Ok(()), "nobody is refused");
        }
        assert!(buckets.take(one(script), rate, 1, 2).is_err());
        buckets.with(|slots| assert_eq!(size_of_val(&slots[..]), 1 << 20));
    }
}
