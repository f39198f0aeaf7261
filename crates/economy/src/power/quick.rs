//! The power to some thirty digits, with a proven error.
//!
//! With `n / d = 2^k * m`, `m` near 1, and `z = (m - 1) / (m + 1)`:
//! `ln(n / d) = k * ln(2) + 2 * (z + z^3 / 3 + z^5 / 5 + ...)`; and with `y = ln(n / d) * p / q = j * ln(2) + r`, `r` in
//! `0..ln(2)`: `(n / d) ^ (p / q) = 2^j * (1 + r + r^2 / 2! + ...)`.
//!
//! # Why the result is the defined one
//!
//! Here: the logarithm is off by less than 2^-117, `y` (with `p / q` up to 128) by less than 2^-110 and so is,
//! relatively, the power; [`RELATIVE_ERROR_BITS`] leaves five bits to spare. There: with at least
//! [`MIN_PRECISION_BITS`] and `|y|` up to [`MAX_LN`], the defined series is off by less than 2^-120 in a result of at
//! least 600, which those five bits cover too; the exact definition is not off at all. So if no integer lies
//! within the error of the quick result, both round down to the same one.

use super::Ratio;
use primitive_types::U256;

/// The quick power's relative error is less than 2 to minus this.
const RELATIVE_ERROR_BITS: u32 = 105;

/// The definition is precise enough to compare with from here on.
const MIN_PRECISION_BITS: u64 = 256;

/// The largest logarithm of a power, either way, for which the defined series keeps its precision.
const MAX_LN: u128 = 35;

/// The largest exponent for which the error bound holds.
const MAX_EXPONENT: u64 = 128;

/// Fraction bits of logarithms.
const LN_BITS: u32 = 120;

/// `ln(2)` with 128 fraction bits.
const LN_2: u128 = 0xB172_17F7_D1CF_79AB_C9E3_B398_03F2_F6AF;

/// `1 / 3, 1 / 5, ...` with 128 fraction bits, from the last term of the logarithm to the first.
const ODD_RECIPROCALS: [u128; 25] = odd_reciprocals();

/// `1 / 2!, 1 / 3!, ...` with 128 fraction bits, from the last term of the exponential to the first.
const FACTORIAL_RECIPROCALS: [u128; 31] = factorial_reciprocals();

/// The defined power, unless too little is certain about it. Takes an exponent in lowest terms and nothing that is
/// zero.
pub(super) fn powr(base: Ratio<u128>, exponent: Ratio<u64>, precision_bits: u64, scale: u64) -> Option<u128> {
    if precision_bits < MIN_PRECISION_BITS || exponent.numerator / exponent.denominator >= MAX_EXPONENT {
        return None;
    }
    let (fraction_bits, power) = approximate(base, exponent, scale)?;
    let error = (power >> RELATIVE_ERROR_BITS) + 1;
    let (low, high) = ((power - error) >> fraction_bits, (power + error) >> fraction_bits);
    if low == high {
        u128::try_from(low).ok()
    } else {
        None
    }
}

/// The power with the given number of fraction bits; `None` beyond [`MAX_LN`].
fn approximate(base: Ratio<u128>, exponent: Ratio<u64>, scale: u64) -> Option<(u32, U256)> {
    let ln_base = ln(base);
    let ln = U256::from(ln_base.magnitude) * exponent.numerator / exponent.denominator;
    if ln > U256::from(MAX_LN << LN_BITS) {
        return None;
    }
    let ln = Logarithm { magnitude: ln.low_u128(), ..ln_base };
    let (exponent_of_2, fraction) = exp(ln);
    let power = ((U256::one() << 128) + fraction) * scale;
    Some((128_u32.checked_add_signed(-exponent_of_2)?, power))
}

/// A logarithm with [`LN_BITS`] fraction bits.
#[derive(Clone, Copy)]
struct Logarithm {
    is_negative: bool,
    magnitude: u128,
}

/// `ln(numerator / denominator)`.
fn ln(base: Ratio<u128>) -> Logarithm {
    let (numerator_zeros, denominator_zeros) =
        (base.numerator.leading_zeros(), base.denominator.leading_zeros());
    let mut halvings = denominator_zeros as i32 - numerator_zeros as i32;
    let mut numerator = U256::from(base.numerator << numerator_zeros);
    let mut denominator = U256::from(base.denominator << denominator_zeros);
    // Between 17/24 and 17/12, which is about the square root of 2 either way.
    if numerator * 12 > denominator * 17 {
        denominator <<= 1;
        halvings += 1;
    } else if numerator * 24 < denominator * 17 {
        numerator <<= 1;
        halvings -= 1;
    }
    let is_below_one = numerator < denominator;
    let rest = double_artanh(numerator.abs_diff(denominator), numerator + denominator);
    let whole = ((U256::from(LN_2) * halvings.unsigned_abs()) >> (128 - LN_BITS)).low_u128();
    match (halvings < 0, is_below_one) {
        (is_negative, same) if is_negative == same => Logarithm { is_negative, magnitude: whole + rest },
        (is_negative, _) if whole >= rest => Logarithm { is_negative, magnitude: whole - rest },
        (is_negative, _) => Logarithm { is_negative: !is_negative, magnitude: rest - whole },
    }
}

/// `2 * (z + z^3 / 3 + z^5 / 5 + ...)` for `z = difference / sum` below 0.1725, with [`LN_BITS`] fraction bits.
fn double_artanh(difference: U256, sum: U256) -> u128 {
    let z = ((difference << 128) / sum).low_u128();
    let square = multiply(z, z);
    let series = ODD_RECIPROCALS.iter().fold(0, |series, reciprocal| reciprocal + multiply(series, square));
    let artanh = z + multiply(z, multiply(series, square));
    artanh >> (128 - LN_BITS - 1)
}

/// `j` and `f` such that the number is `2^j * (1 + f / 2^128)`.
fn exp(ln: Logarithm) -> (i32, u128) {
    const LN_2_SHORT: u128 = LN_2 >> (128 - LN_BITS);
    let (twos, rest) = (ln.magnitude / LN_2_SHORT, ln.magnitude % LN_2_SHORT);
    let (exponent_of_2, rest) = match (ln.is_negative, rest) {
        (false, rest) => (twos as i32, rest),
        (true, 0) => (-(twos as i32), 0),
        (true, rest) => (-(twos as i32) - 1, LN_2_SHORT - rest),
    };
    let rest = rest << (128 - LN_BITS);
    let series =
        FACTORIAL_RECIPROCALS.iter().fold(0, |series, reciprocal| reciprocal + multiply(series, rest));
    (exponent_of_2, rest + multiply(rest, multiply(series, rest)))
}

/// The product of two numbers below 1 with 128 fraction bits.
fn multiply(left: u128, right: u128) -> u128 {
    let low = |value: u128| value & u128::from(u64::MAX);
    let (left_high, left_low, right_high, right_low) = (left >> 64, low(left), right >> 64, low(right));
    let (outer, inner) = (left_high * right_low, left_low * right_high);
    let carry = ((left_low * right_low) >> 64) + low(outer) + low(inner);
    left_high * right_high + (outer >> 64) + (inner >> 64) + (carry >> 64)
}

// Both tables are evaluated by the compiler, where an index out of bounds is an error.
#[allow(clippy::indexing_slicing)]
const fn odd_reciprocals() -> [u128; 25] {
    let mut table = [0; 25];
    let mut term = 0;
    while term < table.len() {
        table[table.len() - 1 - term] = u128::MAX / (2 * term as u128 + 3);
        term += 1;
    }
    table
}

#[allow(clippy::indexing_slicing)]
const fn factorial_reciprocals() -> [u128; 31] {
    let mut table = [0; 31];
    let mut factorial = 1;
    let mut term = 0;
    while term < table.len() {
        factorial *= term as u128 + 2;
        table[table.len() - 1 - term] = u128::MAX / factorial;
        term += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{super::definition, *};
    use crate::constants::PERQUINTILL_PARTS;
    use num_bigint::BigUint;
    use proptest::prelude::*;

    fn big(value: U256) -> BigUint {
        BigUint::from_bytes_le(&value.to_little_endian())
    }

    /// Numbers of every length.
    fn number() -> impl Strategy<Value = u128> {
        (1_u128.., 0_u32..128).prop_map(|(value, shift)| (value >> shift).max(1))
    }

    fn exponent() -> impl Strategy<Value = Ratio<u64>> {
        let parts =
            (1_u64..=99 * (PERQUINTILL_PARTS / 100)).prop_map(|weight| weight.max(PERQUINTILL_PARTS / 100));
        prop_oneof![
            parts.clone().prop_map(|weight| Ratio::new(weight, PERQUINTILL_PARTS - weight)),
            parts.prop_map(|weight| Ratio::new(weight, PERQUINTILL_PARTS)),
            (1_u64..=1_024, 1_u64..=1_024).prop_map(|(p, q)| Ratio::new(p, q)),
        ]
    }

    /// A base near 1, as most swaps have, or any.
    fn base() -> impl Strategy<Value = Ratio<u128>> {
        let near = (number(), number())
            .prop_map(|(value, part)| Ratio::new(value, value.saturating_add((value >> 10).min(part))));
        let any =
            (number(), number()).prop_map(|(numerator, denominator)| Ratio::new(numerator, denominator));
        let reserves = (number(), 1_u128..1_001_000).prop_map(|(value, thousandths)| {
            let value = value >> 32;
            Ratio::new(value.max(1), value.max(1) + value.saturating_mul(thousandths) / 1_000)
        });
        prop_oneof![near, any, reserves]
    }

    fn config(cases: u32) -> ProptestConfig {
        let default = ProptestConfig::default();
        let rng_seed = match default.rng_seed {
            proptest::test_runner::RngSeed::Random => proptest::test_runner::RngSeed::Fixed(20_260_601),
            fixed => fixed,
        };
        ProptestConfig {
            cases: cases * (default.cases / 256).max(1),
            rng_seed,
            failure_persistence: None,
            ..default
        }
    }

    proptest! {
        #![proptest_config(config(256))]

        #[test]
        fn certain_results_are_the_defined_ones(base in base(), exponent in exponent()) {
            let exponent = super::super::lowest_terms(exponent);
            for precision_bits in [256, 1_024] {
                if let Some(power) = powr(base, exponent, precision_bits, PERQUINTILL_PARTS) {
                    prop_assert_eq!(power, definition::powr(base, exponent, precision_bits, PERQUINTILL_PARTS));
                }
            }
        }

        /// Against the root of an exact power, computed with 140 more bits.
        #[test]
        fn the_error_is_smaller_than_claimed(base in base(), p in 1_u64..128, q in 1_u64..=8) {
            if let Some((fraction_bits, power)) = approximate(base, Ratio::new(p, q), 1) {
                let extra_bits = fraction_bits as usize + 140;
                let exact = (BigUint::from(base.numerator).pow(p as u32) << (extra_bits * q as usize))
                    / BigUint::from(base.denominator).pow(p as u32);
                let (exact, power) = (exact.nth_root(q as u32), big(power) << 140_u32);
                let error = if exact > power { &exact - &power } else { &power - &exact };
                prop_assert!(error << (RELATIVE_ERROR_BITS + 4) < power, "{base:?} {p} {q}");
            }
        }

        #[test]
        fn products_are_the_high_halves(left in any::<u128>(), right in any::<u128>()) {
            let product: BigUint = (BigUint::from(left) * right) >> 128_u32;
            prop_assert_eq!(BigUint::from(multiply(left, right)), product);
        }
    }

    #[test]
    fn most_results_of_swaps_are_certain() {
        let weight = 500_124_906_320_259_805;
        let exponent = Ratio::new(weight, PERQUINTILL_PARTS - weight);
        let bases = (1..1_000_u128)
            .map(|input| Ratio::new(1_000_000_000_000, 1_000_000_000_000 + input * input * input));
        let uncertain = bases.filter(|base| powr(*base, exponent, 256, PERQUINTILL_PARTS).is_none());
        assert_eq!(uncertain.count(), 0);
    }

    #[test]
    fn what_is_beyond_the_proof_is_left_to_the_definition() {
        let half = Ratio::new(1, 2);
        assert_eq!(powr(half, Ratio::new(128, 1), 256, PERQUINTILL_PARTS), None);
        assert_eq!(powr(half, Ratio::new(3, 2), 255, PERQUINTILL_PARTS), None);
        assert_eq!(powr(Ratio::new(1, 1_001), Ratio::new(6, 1), 256, PERQUINTILL_PARTS), None);
        // An eighth is a whole number of parts, so nothing less than exactness can tell.
        assert_eq!(powr(half, Ratio::new(3, 1), 256, PERQUINTILL_PARTS), None);
    }
}
