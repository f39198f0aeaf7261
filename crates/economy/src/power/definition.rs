//! What the power is, digit by digit.

use super::{Ratio, MAX_EXACT_EXPONENT};
use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;

/// `scale * base ^ exponent` for an exponent in lowest terms and nothing that is zero.
pub(super) fn powr(base: Ratio<u128>, exponent: Ratio<u64>, precision_bits: u64, scale: u64) -> u128 {
    if exponent.numerator <= MAX_EXACT_EXPONENT && exponent.denominator <= MAX_EXACT_EXPONENT {
        return exact(base, exponent, scale);
    }
    clamp(&series(base, exponent, precision_bits, scale))
}

/// Greatest `r` with `r^q * denominator^p <= numerator^p * scale^q`, for the exponent `p / q`.
fn exact(base: Ratio<u128>, exponent: Ratio<u64>, scale: u64) -> u128 {
    let (p, q) = (exponent.numerator as u32, exponent.denominator as u32);
    let numerator = BigUint::from(base.numerator).pow(p) * BigUint::from(scale).pow(q);
    let radicand = numerator / BigUint::from(base.denominator).pow(p);
    u128::try_from(radicand.nth_root(q)).unwrap_or(u128::MAX)
}

fn clamp(value: &BigInt) -> u128 {
    match value.sign() {
        Sign::Minus => 0,
        _ => u128::try_from(value).unwrap_or(u128::MAX),
    }
}

fn series(base: Ratio<u128>, exponent: Ratio<u64>, precision_bits: u64, scale: u64) -> BigInt {
    let fixed = Series::new(precision_bits, scale);
    let ln_2 = fixed.ln_2();
    let ln_base = fixed.ln(base.numerator, &ln_2) - fixed.ln(base.denominator, &ln_2);
    let ln_result = (ln_base * exponent.numerator).div_floor(&BigInt::from(exponent.denominator));
    (fixed.exp(&ln_result) * scale) >> fixed.result_bits
}

/// Bits that every step carries beyond those of the result.
const GUARD_BITS: u64 = 24;

/// Fixed-point numbers with `working_bits` fraction bits, and the power series over them.
struct Series {
    result_bits: u64,
    working_bits: u64,
    max_terms: u64,
    one: BigInt,
}

impl Series {
    fn new(precision_bits: u64, scale: u64) -> Self {
        let scale_bits = u64::from(u64::BITS - scale.leading_zeros());
        let result_bits = precision_bits.max(32).max(scale_bits + 8);
        let working_bits = result_bits + GUARD_BITS;
        let max_terms = (working_bits + 128).clamp(1, 4_096);
        Self { result_bits, working_bits, max_terms, one: BigInt::from(1) << working_bits }
    }

    /// `ln(1 + x)`.
    fn ln_1p(&self, x: &BigInt) -> BigInt {
        let mut power = x.clone();
        let mut sum = Sum::new(power.clone());
        for n in 2..=self.max_terms {
            power = (power * x) >> self.working_bits;
            let term = power.div_floor(&BigInt::from(n));
            if power.sign() == Sign::NoSign || term.sign() == Sign::NoSign {
                break;
            }
            let done = if n.is_even() { sum.subtract(&term) } else { sum.add(&term) };
            if done {
                break;
            }
        }
        sum.value
    }

    fn ln_2(&self) -> BigInt {
        let minus_half = -(self.one.clone() >> 1_u32);
        -self.ln_1p(&minus_half)
    }

    /// `ln(value)` of a positive integer, as `ln(m) + k * ln(2)` with `m` in `3/4..3/2`.
    fn ln(&self, value: u128, ln_2: &BigInt) -> BigInt {
        let mut halvings = u64::from(value.ilog2());
        let mut mantissa = (BigInt::from(value) << self.working_bits) >> halvings;
        if mantissa >= &self.one + (&self.one >> 1) {
            mantissa >>= 1;
            halvings += 1;
        }
        self.ln_1p(&(mantissa - &self.one)) + ln_2 * halvings
    }

    /// `e^x` without the guard bits.
    fn exp(&self, x: &BigInt) -> BigInt {
        let mut term = self.one.clone();
        let mut sum = Sum::new(self.one.clone());
        for n in 1..=self.max_terms {
            term = (term * x).div_floor(&(&self.one * n));
            if term.sign() == Sign::NoSign || sum.add(&term) {
                break;
            }
        }
        without_guard_bits(&sum.value)
    }
}

/// A running sum that knows when a term no longer matters.
struct Sum {
    value: BigInt,
    rounded: BigInt,
}

impl Sum {
    fn new(value: BigInt) -> Self {
        let rounded = without_guard_bits(&value);
        Self { value, rounded }
    }

    /// Adds a term; true if the sum has settled.
    fn add(&mut self, term: &BigInt) -> bool {
        self.value += term;
        self.settled(term)
    }

    /// Subtracts a term; true if the sum has settled.
    fn subtract(&mut self, term: &BigInt) -> bool {
        self.value -= term;
        self.settled(term)
    }

    fn settled(&mut self, term: &BigInt) -> bool {
        let rounded = without_guard_bits(&self.value);
        let settled = term.bits() <= GUARD_BITS || rounded == self.rounded;
        self.rounded = rounded;
        settled
    }
}

/// The value over `2^GUARD_BITS`, rounded to the nearest integer, ties away from zero.
fn without_guard_bits(value: &BigInt) -> BigInt {
    let half = BigUint::from(1_u32) << (GUARD_BITS - 1);
    let magnitude = (value.magnitude() + half) >> GUARD_BITS;
    BigInt::from_biguint(value.sign(), magnitude)
}
