//! A slow, independent power function: no series, only multiplication and square roots.

use num_bigint::BigUint;

/// Powers are given in units of 10^-18.
pub const SCALE: u64 = 1_000_000_000_000_000_000;

const FRACTION_BITS: usize = 420;

/// Bits of a power that rounding may have spoilt, counted from its last.
const UNCERTAIN_BITS: usize = 220;

/// `(numerator / denominator) ^ exponent` times 10^18 with fraction bits.
pub struct Power {
    bits: BigUint,
}

impl Power {
    /// Writes the exponent in binary: its integer part multiplies, each fraction bit takes another square root.
    pub fn of(base: (u128, u128), exponent: (u64, u64)) -> Self {
        let base = (BigUint::from(base.0) << FRACTION_BITS) / base.1;
        let (mut rest, divisor) = (u128::from(exponent.0 % exponent.1), u128::from(exponent.1));
        let mut power = one();
        for _ in 0..exponent.0 / exponent.1 {
            power = multiply(&power, &base);
        }
        let mut root = base;
        for _ in 0..UNCERTAIN_BITS + 64 {
            root = (root << FRACTION_BITS).sqrt();
            rest *= 2;
            if rest >= divisor {
                rest -= divisor;
                power = multiply(&power, &root);
            }
        }
        Self { bits: power * SCALE }
    }

    /// The integer part.
    pub fn floor(&self) -> BigUint {
        &self.bits >> FRACTION_BITS
    }

    /// Whether rounding cannot have changed the integer part.
    pub fn is_certain(&self) -> bool {
        let error = BigUint::from(1_u32) << UNCERTAIN_BITS;
        let above = (&self.bits + &error) >> FRACTION_BITS;
        self.bits > error && (&self.bits - error) >> FRACTION_BITS == above
    }

    /// Natural logarithm of the power, roughly.
    pub fn ln(&self) -> f64 {
        let bits = self.bits.bits() as f64 - FRACTION_BITS as f64 - (SCALE as f64).log2();
        bits * std::f64::consts::LN_2
    }
}

fn one() -> BigUint {
    BigUint::from(1_u32) << FRACTION_BITS
}

fn multiply(left: &BigUint, right: &BigUint) -> BigUint {
    (left * right) >> FRACTION_BITS
}
