//! Randomness that can be repeated: splitmix64, seeded from `POSTERN_SEED` or the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// A source of random numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

/// The seed of this run; a scenario prints it.
pub fn seed() -> u64 {
    let given = std::env::var("POSTERN_SEED").ok().and_then(|text| text.parse().ok());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    given.unwrap_or_else(clock)
}

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True once in so many.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
