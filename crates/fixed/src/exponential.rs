//! Exponential and logarithm with every bit specified.
//!
//! Two nodes must agree on the last bit, so these are defined by their algorithm and not by the real function:
//!
//! * `exp(x)`: `exp(0) = 1`; `exp(1)` is e with 23 fraction bits; otherwise the series
//!   `1 + |x| + ... + |x|^(f-1) / (f-1)!`, each term the previous one times `|x|` (floored) divided by its
//!   index (truncated), and for negative `x` the truncated reciprocal of the sum. The series is not extended for
//!   large `|x|`: in [`I32F32`] it is 0.8 % low at 20.
//! * `log2(x)`: integer part by halving with rounding, then `f` squarings, one bit each; `x < 1` is
//!   `-log2(1 / x)`.

use substrate_fixed::{
    traits::{FixedSigned, ToFixed},
    transcendental,
    types::{I32F32, I9F23},
};

/// [`exp_safe`] clamps its argument to plus or minus this.
pub const EXP_SAFE_LIMIT: I32F32 = I32F32::from_bits(20 << 32);

const ONE_BITS: i64 = 1 << 32;

/// `e^x`, or `None` if a step overflows.
#[must_use]
pub fn exp<T>(x: T) -> Option<T>
where
    T: FixedSigned + PartialOrd<I9F23> + From<I9F23>,
{
    transcendental::exp::<T, T>(x).ok()
}

/// Base-2 logarithm, or `None` if `x` is not positive or `1 / x` does not fit the type.
#[must_use]
pub fn log2<T>(x: T) -> Option<T>
where
    T: FixedSigned + PartialOrd<I9F23>,
    T::Bits: Copy + ToFixed + core::ops::AddAssign + core::ops::BitOrAssign + core::ops::ShlAssign,
{
    transcendental::log2::<T, T>(x).ok()
}

/// Natural logarithm, `log2(x) / log2(e)` with a 23-bit `log2(e)`; `None` as for [`log2`].
#[must_use]
pub fn ln<T>(x: T) -> Option<T>
where
    T: FixedSigned + PartialOrd<I9F23> + From<I9F23>,
    T::Bits: Copy + ToFixed + core::ops::AddAssign + core::ops::BitOrAssign + core::ops::ShlAssign,
{
    log2(x)?.checked_div(T::from(transcendental::LOG2_E))
}

/// `e^x` with `x` clamped to plus or minus [`EXP_SAFE_LIMIT`], where it cannot overflow.
#[must_use]
#[inline]
pub fn exp_safe(x: I32F32) -> I32F32 {
    let [result] = exp_safe_lanes([x]);
    result
}

/// [`exp_safe`] of several arguments at once.
///
/// Each term of the series waits for the one before it; independent lanes fill that wait, so four lanes cost
/// little more than one.
#[must_use]
#[inline]
pub fn exp_safe_lanes<const LANES: usize>(x: [I32F32; LANES]) -> [I32F32; LANES] {
    let clamped = x.map(|x| x.clamp(-EXP_SAFE_LIMIT, EXP_SAFE_LIMIT).to_bits());
    let sums = series(clamped.map(i64::unsigned_abs));
    let mut results = [I32F32::from_bits(0); LANES];
    for ((result, x), sum) in results.iter_mut().zip(clamped).zip(sums) {
        *result = I32F32::from_bits(finish(x, sum));
    }
    results
}

/// Bits of `1 + x + x^2 / 2! + ... + x^31 / 31!` for `x` up to 20, where no term and no sum leaves 64 bits.
#[inline]
fn series<const LANES: usize>(x: [u64; LANES]) -> [u64; LANES] {
    let mut term = x;
    let mut sum = x.map(|x| x.saturating_add(1 << 32));
    // Written out so that every divisor is a constant and no division instruction is left.
    macro_rules! add_terms {
        ($($index:literal)*) => { $(
            for ((term, sum), x) in term.iter_mut().zip(sum.iter_mut()).zip(x) {
                *term = (u128::from(*term) * u128::from(x) >> 32) as u64 / $index;
                *sum = sum.wrapping_add(*term);
            }
        )* };
    }
    add_terms!(2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    sum
}

/// The exceptions of the definition, applied to the finished series of `|x|`.
#[inline]
fn finish(x: i64, sum: u64) -> i64 {
    if x == ONE_BITS {
        // e has only the 23 fraction bits of its constant; -1 goes through the series.
        return i64::from(transcendental::E.to_bits()) << (32 - 23);
    }
    if x >= 0 {
        return sum as i64;
    }
    reciprocal(sum) as i64
}

/// Bits of `1 / x` for `x > 1`: `floor(2^64 / bits)`.
#[inline]
fn reciprocal(bits: u64) -> u64 {
    let quotient = u64::MAX.checked_div(bits).unwrap_or(0);
    let remainder = u64::MAX.wrapping_sub(quotient.wrapping_mul(bits));
    // 2^64 is one more than the dividend used.
    quotient + u64::from(remainder == bits - 1)
}
