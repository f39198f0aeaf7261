//! Choices that a seed repeats.

use std::time::{SystemTime, UNIX_EPOCH};

/// A 64-bit linear congruential generator.
pub struct Random(u64);

impl Random {
    /// The seed in MYELIN_SEED, or a new one; printed either way.
    pub fn new() -> Self {
        let given = std::env::var("MYELIN_SEED").ok().and_then(|text| text.parse().ok());
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
        let seed = given.unwrap_or_else(clock);
        eprintln!("MYELIN_SEED={seed}");
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// How often a fault is repeated: MYELIN_FAULT_CYCLES, or `quick`.
pub fn cycles(quick: u32) -> u32 {
    std::env::var("MYELIN_FAULT_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(quick)
}

/// The same for a fault that takes many seconds: a tenth of that.
pub fn slow_cycles(quick: u32) -> u32 {
    quick.max(cycles(quick) / 10)
}
