//! `scale * (base ^ exponent)` for rational base and exponent, in integers, with every bit specified.
//!
//! Pools need it for unequal weights. Two nodes must agree on the last digit, so the value is defined by its
//! algorithm:
//!
//! * A zero denominator has no value; a zero base gives 0; a zero exponent gives `scale`.
//! * The exponent is reduced to lowest terms `p / q`.
//! * **Exact** if neither exceeds [`MAX_EXACT_EXPONENT`]: the greatest `r` with
//!   `r^q * denominator^p <= numerator^p * scale^q`.
//! * **Series** otherwise: `exp(p / q * (ln numerator - ln denominator))` by power series in fixed point with
//!   24 guard bits, all divisions flooring, stopping when a term no longer changes the value without guard bits.
//!
//! Both are slow, from a tenth of a millisecond to fifty. But the value is nearly always settled by far fewer digits, so a quick
//! computation with a proven error goes first, and the definition decides only when the quick interval contains an
//! integer.
//!
//! The series for `exp` does not reduce its argument, so for very negative ones its terms cancel away the precision.
//! With 256 bits that shows below about `e^-145`, which takes a pool weight of 4 % or less and an input of a hundred
//! reserves: there a result may be far from the real one, even negative. It is part of the definition, and pools
//! pay less for it, never more than they hold.

mod definition;
mod quick;

use num_integer::gcd;

/// Reduced exponents up to this are computed exactly, by integer powers and roots.
pub const MAX_EXACT_EXPONENT: u64 = 1_024;

/// A quotient of two integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio<T> {
    /// What is divided.
    pub numerator: T,
    /// What it is divided by; zero means that the quotient has no value.
    pub denominator: T,
}

impl<T> Ratio<T> {
    /// `numerator / denominator`.
    #[must_use]
    pub const fn new(numerator: T, denominator: T) -> Self {
        Self { numerator, denominator }
    }
}

/// `scale * base ^ exponent`, floored, as the [module](self) defines it.
///
/// `precision_bits` is the number of fraction bits of the series. `None` if a denominator is zero. Results that
/// do not fit are `u128::MAX`, negative ones (see the module) are 0.
#[must_use]
pub fn powr(base: Ratio<u128>, exponent: Ratio<u64>, precision_bits: u64, scale: u64) -> Option<u128> {
    if base.denominator == 0 || exponent.denominator == 0 {
        return None;
    }
    if base.numerator == 0 {
        return Some(0);
    }
    if exponent.numerator == 0 {
        return Some(u128::from(scale));
    }
    if base.numerator == base.denominator {
        return Some(u128::from(scale));
    }
    let exponent = lowest_terms(exponent);
    let quick = || quick::powr(base, exponent, precision_bits, scale);
    let defined = || definition::powr(base, exponent, precision_bits, scale);
    Some(linear(base, exponent, scale).or_else(quick).unwrap_or_else(defined))
}

fn lowest_terms(ratio: Ratio<u64>) -> Ratio<u64> {
    let divisor = gcd(ratio.numerator, ratio.denominator).max(1);
    Ratio::new(ratio.numerator / divisor, ratio.denominator / divisor)
}

/// The exponent 1, which is every pool of equal weights, as long as the product fits 128 bits.
fn linear(base: Ratio<u128>, exponent: Ratio<u64>, scale: u64) -> Option<u128> {
    if exponent != Ratio::new(1, 1) {
        return None;
    }
    base.numerator.checked_mul(u128::from(scale))?.checked_div(base.denominator)
}
