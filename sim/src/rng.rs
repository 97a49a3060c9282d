//! Randomness from a seed. Every actor and every kind of fault has a stream of its own, so that
//! switching one of them off leaves all others as they were.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{self, Rng as _, SeedableRng};

/// A stream of random numbers.
#[derive(Clone)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// Stream number `stream` of a seed.
    pub fn new(seed: u64, stream: u64) -> Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Rng(rng)
    }

    /// A number below `sides`, which is at least 1.
    pub fn below(&mut self, sides: u64) -> u64 {
        // The bias of a remainder is below 2^-40 for all that is asked here.
        self.0.next_u64() % sides
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below((high - low).unsigned_abs() + 1)).unwrap_or(0)
    }

    /// Whether something happens that happens so many times in a thousand.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }

    /// One of some.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap_or(0)]
    }

    /// The numbers themselves.
    pub fn numbers(&mut self) -> &mut impl rand_core::Rng {
        &mut self.0
    }

    /// 32 random bytes.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}
