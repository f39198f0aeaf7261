//! The power function against two independent computations: recorded values of an exact-integer model of its
//! definition, and the real value by repeated square roots.

mod support;

use myelin_economy::power::{powr, Ratio};
use num_bigint::BigUint;

use proptest::prelude::*;
use serde_json::Value;
use support::{
    config,
    oracle::{Power, SCALE},
};

const PRECISION_BITS: u64 = 256;

fn recorded() -> Vec<Vec<String>> {
    let table: Value = serde_json::from_str(include_str!("data/power.json")).unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let rows = table["cases"].as_array().unwrap().iter();
    rows.map(|row| row.as_array().unwrap().iter().map(text).collect()).collect()
}

#[test]
fn every_recorded_power_is_reproduced() {
    let cases = recorded();
    assert_eq!(cases.len(), 280);
    for case in cases {
        let base = Ratio::new(case[0].parse().unwrap(), case[1].parse().unwrap());
        let exponent = Ratio::new(case[2].parse().unwrap(), case[3].parse().unwrap());
        let value = powr(base, exponent, case[4].parse().unwrap(), SCALE);
        let expected: BigUint = case[5].parse().unwrap();
        assert_eq!(value, Some(u128::try_from(expected).unwrap_or(u128::MAX)), "{case:?}");
    }
}

#[test]
fn exact_exponents_match_the_reference() {
    let base = Ratio::new(21_000_000_000_000_000, 28_000_000_000_000_000);
    let exponent = Ratio::new(600_000_000_000_000_000, 400_000_000_000_000_000);
    assert_eq!(powr(base, exponent, 4_096, SCALE), Some(649_519_052_838_328_985));
}

#[test]
fn undefined_and_trivial_powers() {
    let one = Ratio::new(1, 1);
    let half = Ratio::new(1_u128, 2);
    assert_eq!(powr(Ratio::new(1, 0), one, PRECISION_BITS, SCALE), None);
    assert_eq!(powr(half, Ratio::new(1, 0), PRECISION_BITS, SCALE), None);
    assert_eq!(powr(Ratio::new(0, 0), one, PRECISION_BITS, SCALE), None);
    assert_eq!(powr(Ratio::new(0, 5), one, PRECISION_BITS, SCALE), Some(0));
    assert_eq!(powr(half, Ratio::new(0, 7), PRECISION_BITS, SCALE), Some(SCALE.into()));
    assert_eq!(powr(Ratio::new(0, 5), Ratio::new(0, 7), PRECISION_BITS, SCALE), Some(0));
    assert_eq!(powr(half, one, PRECISION_BITS, SCALE), Some(u128::from(SCALE) / 2));
    assert_eq!(powr(Ratio::new(u128::MAX, 1), one, PRECISION_BITS, SCALE), Some(u128::MAX));
}

/// Greatest `r` with `r^q * denominator^p <= numerator^p * scale^q`, checked rather than computed.
fn is_exact_root(root: u128, base: Ratio<u128>, p: u32, q: u32) -> bool {
    let bound = BigUint::from(base.numerator).pow(p) * BigUint::from(SCALE).pow(q);
    let reached = |root: u128| BigUint::from(root).pow(q) * BigUint::from(base.denominator).pow(p);
    reached(root) <= bound && bound < reached(root + 1)
}

fn reserve() -> impl Strategy<Value = u64> {
    prop_oneof![1..=u64::MAX, 1_000_000..21_000_000_000_000_000_u64, 1..1_000_u64]
}

proptest! {
    #![proptest_config(config(64))]

    /// Small exponents give the root that their definition asks for.
    #[test]
    fn small_exponents_are_exact(numerator in reserve(), denominator in reserve(), p in 1_u64..40, q in 1_u64..40) {
        let base = Ratio::new(numerator.into(), denominator.into());
        let root = powr(base, Ratio::new(p, q), PRECISION_BITS, SCALE).unwrap();
        if root < u128::MAX {
            let divisor = (1..=p.min(q)).rev().find(|d| p % d == 0 && q % d == 0).unwrap();
            prop_assert!(is_exact_root(root, base, (p / divisor) as u32, (q / divisor) as u32));
        }
    }

    /// Powers of swaps are the floor of the real value wherever the series has its precision.
    #[test]
    fn series_give_the_floor_of_the_real_value(
        before in reserve(),
        growth in 1_u64..=1_000_000_000,
        weight in 20_000_000_000_000_000_u64..980_000_000_000_000_000,
    ) {
        let after = u128::from(before) + ((u128::from(before) * u128::from(growth)) >> 24).max(1);
        let exponent = (weight, SCALE - weight);
        let power = Power::of((before.into(), after), exponent);
        prop_assume!(power.is_certain() && power.ln() > -35.0);
        let value = powr(Ratio::new(before.into(), after), Ratio::new(exponent.0, exponent.1), PRECISION_BITS, SCALE);
        prop_assert_eq!(value.map(BigUint::from), Some(power.floor()));
    }

    /// So are the powers of price limits.
    #[test]
    fn price_limits_give_the_floor_of_the_real_value(
        low in 1_u128..=u128::MAX / 1_000,
        growth in 1_u64..=10_000_000_000,
        weight in 10_000_000_000_000_000_u64..=990_000_000_000_000_000,
    ) {
        let high = low + (low / 1_000_000_000 * u128::from(growth)).max(1).min(u128::MAX - low);
        let power = Power::of((high, low), (weight, SCALE));
        prop_assume!(power.is_certain());
        let value = powr(Ratio::new(high, low), Ratio::new(weight, SCALE), 1_024, SCALE);
        prop_assert_eq!(value.map(BigUint::from), Some(power.floor()));
    }
}
