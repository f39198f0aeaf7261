//! What the tests share.

// Each test file uses its own part of this module.
#![allow(dead_code)]

pub mod oracle;

use proptest::test_runner::{Config, RngSeed};

/// Properties with the given number of cases, the same ones in every run: their seed is in `.cargo/config.toml`, and a failing
/// test shows it. `PROPTEST_CASES` sets another number: the default of 256 leaves it as given, ten times that gives ten times as
/// many.
#[allow(clippy::print_stderr, reason = "shown with a failure")]
pub fn config(cases: u32) -> Config {
    let config = Config::default();
    if let RngSeed::Fixed(seed) = config.rng_seed {
        eprintln!("seed: PROPTEST_RNG_SEED={seed}");
    }
    let cases = cases * (config.cases / 256).max(1);
    Config { cases, failure_persistence: None, ..config }
}
