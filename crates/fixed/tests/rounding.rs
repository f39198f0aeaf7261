//! The documented rounding of every type, against exact integers, and the fast exponential against the
//! plain one.

use myelin_fixed::{
    exp, exp_safe, exp_safe_lanes, ln, log2, Proportion, SafeDiv, WideProportion, EXP_SAFE_LIMIT, I32F32,
    I64F64, I96F32, U64F64, U96F32,
};
use num_bigint::BigInt;
use num_integer::Integer;
use proptest::prelude::*;

/// Bits of all magnitudes: uniform bits would hardly ever hit a small number.
fn bits() -> impl Strategy<Value = i128> {
    (any::<i128>(), 0u32..128).prop_map(|(bits, shift)| bits >> shift)
}

macro_rules! rounding_test {
    ($name:ident, $fixed:ty, $stored:ty, $fraction_bits:expr) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(4096))]
            #[test]
            fn $name(a in bits(), b in bits()) {
                let (a, b) = (a as $stored, b as $stored);
                let (fixed_a, fixed_b) = (<$fixed>::from_bits(a), <$fixed>::from_bits(b));
                let (exact_a, exact_b) = (BigInt::from(a), BigInt::from(b));

                let product = (&exact_a * &exact_b).div_floor(&(BigInt::from(1) << $fraction_bits));
                let product = <$stored>::try_from(product).ok().map(<$fixed>::from_bits);
                // The dependency asserts against itself in debug builds on overflowing products of negatives.
                if product.is_some() || !cfg!(debug_assertions) {
                    prop_assert_eq!(fixed_a.checked_mul(fixed_b), product);
                }

                let quotient = (b != 0).then(|| (exact_a << $fraction_bits) / exact_b);
                let quotient = quotient.and_then(|quotient| <$stored>::try_from(quotient).ok());
                prop_assert_eq!(fixed_a.checked_div(fixed_b), quotient.map(<$fixed>::from_bits));
                prop_assert_eq!(fixed_a.safe_div(fixed_b).to_bits(), quotient.unwrap_or(0));
            }
        }
    };
}

rounding_test!(i32f32_multiplies_down_and_divides_toward_zero, I32F32, i64, 32);
rounding_test!(i64f64_multiplies_down_and_divides_toward_zero, I64F64, i128, 64);
rounding_test!(i96f32_multiplies_down_and_divides_toward_zero, I96F32, i128, 32);
rounding_test!(u64f64_multiplies_down_and_divides_toward_zero, U64F64, u128, 64);
rounding_test!(u96f32_multiplies_down_and_divides_toward_zero, U96F32, u128, 32);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]
    #[test]
    fn fast_exponential_has_the_bits_of_the_plain_one(
        bits in prop_oneof![any::<i64>(), -(21i64 << 32)..21 << 32, -(1i64 << 33)..1 << 33],
    ) {
        let clamped = I32F32::from_bits(bits).clamp(-EXP_SAFE_LIMIT, EXP_SAFE_LIMIT);
        prop_assert_eq!(Some(exp_safe(I32F32::from_bits(bits))), exp(clamped));
    }

    #[test]
    fn lanes_do_not_mix(bits in any::<[i32; 4]>()) {
        let x = bits.map(|bits| I32F32::from_bits(i64::from(bits) << 6));
        prop_assert_eq!(exp_safe_lanes(x), x.map(exp_safe));
    }
}

#[test]
fn exponential_has_its_specified_exceptions() {
    let one = I32F32::from_num(1);
    for (x, bits) in [
        (I32F32::from_num(0), 1 << 32),
        (one, 22_802_600 << 9),
        (-one, 1_580_030_169),
        (I32F32::from_num(20), 2_066_907_302_758_576_256),
        (I32F32::from_num(-20), 8),
        (I32F32::max_value(), 2_066_907_302_758_576_256),
        (I32F32::min_value(), 8),
    ] {
        assert_eq!(exp_safe(x).to_bits(), bits, "exp_safe({x})");
    }
    assert_eq!(exp(I32F32::from_num(30)), None, "overflow is reported, not clamped");
    assert_eq!(exp(I96F32::from_num(1)).map(I96F32::to_bits), Some(22_802_600 << 9));
}

#[test]
fn logarithm_of_powers_of_two_is_exact() {
    for power in 0..60 {
        let x = I96F32::from_num(1u64 << power);
        assert_eq!(log2(x), Some(I96F32::from_num(power)));
    }
    assert_eq!(log2(I96F32::from_num(0.125)), Some(I96F32::from_num(-3)));
    assert_eq!(log2(I32F32::from_num(8)), Some(I32F32::from_num(3)));
    assert_eq!(ln(I96F32::from_num(1)), Some(I96F32::from_num(0)));
    assert_eq!(ln(I96F32::from_num(2)).map(I96F32::to_bits), Some(2_977_044_511));
    for outside in [I96F32::from_num(0), I96F32::from_num(-1)] {
        assert_eq!((log2(outside), ln(outside)), (None, None));
    }
    assert_eq!(log2(I32F32::from_bits(1)), None, "its reciprocal does not fit");
}

#[test]
fn proportions_floor() {
    for (stored, bits) in
        [(32_767, 2_147_450_879), (45_875, 3_006_509_875), (58_982, 3_865_503_334), (65_535, 1 << 32)]
    {
        assert_eq!(I32F32::from_u16_proportion(stored).to_bits(), bits);
    }
    assert_eq!(I32F32::from_bits((1 << 32) - 1).to_u16_proportion(), 65_534);
    assert_eq!(I32F32::from_num(-1).to_u16_proportion(), 0);
    assert_eq!(U64F64::from_num(2).to_u16_proportion(), 65_535);
    assert_eq!(U96F32::from_u64_proportion(971_718_665_099_567_868).to_bits(), 226_245_882);
    assert_eq!(U64F64::from_u64_proportion(u64::MAX), U64F64::from_num(1));
    assert_eq!(I96F32::from_u64_proportion(0), I96F32::from_num(0));
}

#[test]
fn division_by_zero_and_overflow_give_zero() {
    let one = I32F32::from_num(1);
    assert_eq!(one.safe_div(I32F32::from_num(0)), I32F32::from_num(0));
    assert_eq!(I32F32::max_value().safe_div(I32F32::from_bits(1)), I32F32::from_num(0));
    assert_eq!(U96F32::max_value().safe_div(U96F32::from_num(0.5)), U96F32::from_num(0));
    assert_eq!(I32F32::from_bits(-7).safe_div(I32F32::from_num(2)).to_bits(), -3, "toward zero");
}
