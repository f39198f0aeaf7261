//! What the tests share.

// Each test file uses its own part of this module.
#![allow(dead_code)]

pub mod oracle;

use proptest::test_runner::{Config, RngSeed};

/// Seed of every property; `PROPTEST_RNG_SEED` sets another.
const SEED: u64 = 20_260_601;

/// Properties with the given number of cases, the same ones in every run, whose seed a failing test shows. `PROPTEST_CASES`
/// sets another number: the default of 256 leaves it as given, ten times that gives ten times as many.
#[allow(clippy::print_stderr, reason = "shown with a failure")]
pub fn config(cases: u32) -> Config {
    let config = Config::default();
    let seed = match config.rng_seed {
        RngSeed::Random => SEED,
        RngSeed::Fixed(seed) => seed,
    };
    eprintln!("seed: PROPTEST_RNG_SEED={seed}");
    let cases = cases * (config.cases / 256).max(1);
    Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..config }
}
