//! [`I32F32`](myelin_fixed::I32F32) on raw bits, for the loops over matrix entries.
//!
//! The rounding is that of `myelin_fixed`: multiplication floors, division truncates toward zero and gives zero
//! where there is no quotient. Sums are exact.

/// Bits of an `I32F32`: the value times 2^32.
pub type Bits = i64;

/// Bits of 1.
pub const ONE: Bits = 1 << 32;

/// Largest stored proportion, the whole.
const WHOLE: Bits = u16::MAX as Bits;

/// `floor(a * b)`, clamped to the type.
#[inline]
pub(crate) fn mul(a: Bits, b: Bits) -> Bits {
    if (a | b) as u64 <= u64::from(u32::MAX) {
        return ((a as u64 * b as u64) >> 32) as Bits;
    }
    let product = (i128::from(a) * i128::from(b)) >> 32;
    Bits::try_from(product).unwrap_or(if product < 0 { Bits::MIN } else { Bits::MAX })
}

/// `floor(a * b)` of two values between 0 and 1.
#[inline]
pub(crate) fn mul_shares(a: Bits, b: Bits) -> Bits {
    ((u128::from(a as u64) * u128::from(b as u64)) >> 32) as Bits
}

/// `floor(a * b)`, or zero on overflow.
#[inline]
pub(crate) fn mul_or_zero(a: Bits, b: Bits) -> Bits {
    Bits::try_from((i128::from(a) * i128::from(b)) >> 32).unwrap_or(0)
}

/// `trunc(a / b)`, or zero if `b` is zero or the quotient does not fit.
#[inline]
pub(crate) fn div(a: Bits, b: Bits) -> Bits {
    if (0..ONE).contains(&a) && b > 0 {
        return Bits::try_from(((a as u64) << 32) / b as u64).unwrap_or(0);
    }
    (i128::from(a) << 32)
        .checked_div(i128::from(b))
        .and_then(|quotient| quotient.try_into().ok())
        .unwrap_or(0)
}

/// The smaller of two values that are not negative.
///
/// In loops over weights, which one it is looks random. Of all ways to write it, this is the one that compilers do
/// not turn into a branch; a mispredicted one costs more than all other work on the entry.
#[inline]
pub(crate) fn lower(a: Bits, b: Bits) -> Bits {
    let rise = b - a;
    a + (rise & (rise >> (Bits::BITS - 1)))
}

/// Divides many dividends by one divisor, without a division instruction for each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Divisor {
    divisor: Bits,
    /// `floor((2^64 - 1) / divisor)`; zero marks divisors that the fast path does not cover.
    reciprocal: u64,
}

impl Divisor {
    /// Prepares division by `divisor`.
    pub fn new(divisor: Bits) -> Self {
        // A divisor of one bit could overflow, which the fast path does not check.
        let reciprocal = if divisor > 1 { u64::MAX / divisor as u64 } else { 0 };
        Self { divisor, reciprocal }
    }

    /// The same as [`div`]. Dividend and divisor may also both be integers instead of bits.
    #[inline]
    pub fn divide(self, dividend: Bits) -> Bits {
        if self.reciprocal == 0 || !(0..ONE).contains(&dividend) {
            return div(dividend, self.divisor);
        }
        let numerator = (dividend as u64) << 32;
        let estimate = ((u128::from(numerator) * u128::from(self.reciprocal)) >> 64) as u64;
        // The reciprocal is too small by less than one part in 2^64, so the estimate is short by at most 1.
        let remainder = numerator.wrapping_sub(estimate.wrapping_mul(self.divisor as u64));
        estimate.wrapping_add(u64::from(remainder >= self.divisor as u64)) as Bits
    }

    /// Whether the divisor is zero: normalising by it leaves values as they are.
    pub fn is_zero(self) -> bool {
        self.divisor == 0
    }
}

/// Sum of all values.
pub(crate) fn sum(values: &[Bits]) -> Bits {
    values.iter().fold(0, |sum, value| sum.saturating_add(*value))
}

/// Divides all values by their sum; leaves them as they are if it is zero.
pub(crate) fn normalise(values: &mut [Bits]) {
    let sum = Divisor::new(sum(values));
    if sum.is_zero() {
        return;
    }
    for value in values {
        *value = sum.divide(*value);
    }
}

/// `stored / 65535`, truncated.
#[inline]
pub(crate) fn from_u16_proportion(stored: u16) -> Bits {
    // 2^32 = 65537 * 65535 + 1: the quotient by multiplication, and one more only for the whole.
    Bits::from(stored) * 65_537 + Bits::from(stored == u16::MAX)
}

/// `floor(value * 65535)` clamped to `0..=65535`.
#[inline]
pub(crate) fn to_u16_proportion(value: Bits) -> u16 {
    ((value.clamp(0, ONE) * WHOLE) >> 32) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use myelin_fixed::{Proportion, SafeDiv, I32F32};
    use proptest::{prelude::*, test_runner::RngSeed};

    /// The same cases in every run.
    fn config() -> ProptestConfig {
        ProptestConfig { cases: 20_000, rng_seed: RngSeed::Fixed(20_260_601), ..ProptestConfig::default() }
    }

    /// Values of all magnitudes, often near 1 or small.
    fn bits() -> impl Strategy<Value = Bits> {
        prop_oneof![
            (any::<Bits>(), 0u32..64).prop_map(|(bits, shift)| bits >> shift),
            ONE - 3..=ONE + 3,
            -3..=3_i64,
        ]
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn products_and_quotients_are_those_of_the_type(a in bits(), b in bits()) {
            let (fixed_a, fixed_b) = (I32F32::from_bits(a), I32F32::from_bits(b));
            prop_assert_eq!(mul(a, b), fixed_a.saturating_mul(fixed_b).to_bits());
            prop_assert_eq!(mul_or_zero(a, b), fixed_a.checked_mul(fixed_b).unwrap_or_default().to_bits());
            let quotient = fixed_a.safe_div(fixed_b).to_bits();
            prop_assert_eq!(div(a, b), quotient);
            prop_assert_eq!(Divisor::new(b).divide(a), quotient);
        }

        #[test]
        fn shares_behave_like_other_values(a in 0..=ONE, b in 0..=ONE) {
            prop_assert_eq!(mul_shares(a, b), mul(a, b));
            prop_assert_eq!(lower(a, b), a.min(b));
        }

        #[test]
        fn proportions_convert_like_those_of_the_type(bits in bits()) {
            prop_assert_eq!(to_u16_proportion(bits), I32F32::from_bits(bits).to_u16_proportion());
        }

        #[test]
        fn reciprocals_divide_exactly_near_multiples(divisor in 2..=ONE, multiple in 0..=ONE, offset in -1..=1_i64) {
            let dividend = (mul(divisor, multiple) + offset).clamp(0, ONE - 1);
            prop_assert_eq!(Divisor::new(divisor).divide(dividend), div(dividend, divisor));
        }
    }

    #[test]
    fn all_stored_proportions_convert_like_those_of_the_type() {
        for stored in 0..=u16::MAX {
            assert_eq!(from_u16_proportion(stored), I32F32::from_u16_proportion(stored).to_bits());
        }
    }

    #[test]
    fn extreme_divisors_are_divided_by() {
        for divisor in [Bits::MIN, -1, 0, 1, 2, ONE - 1, ONE, ONE + 1, Bits::MAX] {
            for dividend in [Bits::MIN, -1, 0, 1, 2, ONE / 2, ONE - 1, ONE, ONE + 1, Bits::MAX] {
                assert_eq!(
                    Divisor::new(divisor).divide(dividend),
                    div(dividend, divisor),
                    "{dividend} / {divisor}"
                );
            }
        }
    }
}
