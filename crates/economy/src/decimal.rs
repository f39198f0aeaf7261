//! Decimal floating point for stake shares.

use primitive_types::{U256, U512};

/// Largest mantissa; the smallest is a tenth of it plus one.
const MAX_MANTISSA: u128 = 10_u128.pow(21);

/// Powers of ten above this leave nothing of any mantissa.
const MAX_SHIFT: u64 = 22;

/// `mantissa * 10 ^ exponent` with 21 decimal digits.
///
/// Canonical values have `10^20 < mantissa <= 10^21`, or are zero with exponent zero; every operation takes and
/// returns canonical values and truncates what does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "codec",
    derive(
        codec::Encode,
        codec::Decode,
        codec::DecodeWithMemTracking,
        codec::MaxEncodedLen,
        scale_info::TypeInfo
    )
)]
pub struct SafeFloat {
    /// The digits.
    pub mantissa: u128,
    /// The power of ten that they count.
    pub exponent: i64,
}

impl SafeFloat {
    /// Nothing.
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0 };

    /// The canonical form of `mantissa * 10 ^ exponent`, truncated to 21 digits; `None` if the exponent leaves its
    /// range.
    #[must_use]
    pub fn new(mantissa: u128, exponent: i64) -> Option<Self> {
        Self::canonical(mantissa.into(), exponent)
    }

    /// Whether this is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// `self + other`, both truncated to the larger exponent; `None` if the exponent leaves its range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if self.is_zero() {
            return Some(other);
        }
        if other.is_zero() {
            return Some(self);
        }
        let (ours, theirs, exponent) = self.aligned(other);
        Self::new(ours.saturating_add(theirs), exponent)
    }

    /// `self - other`, both truncated to the larger exponent, at least zero; `None` if the exponent leaves its
    /// range.
    ///
    /// Truncating `other` can make the result larger than the real difference.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Option<Self> {
        if self.is_zero() || other.is_zero() {
            return Some(self);
        }
        let (ours, theirs, exponent) = self.aligned(other);
        Self::new(ours.saturating_sub(theirs), exponent)
    }

    /// The real difference `self - other`, truncated: never more than it. `None` if it is negative, or if the two
    /// are so far apart that 512 bits cannot hold both.
    #[must_use]
    pub fn floored_sub(self, other: Self) -> Option<Self> {
        if other.is_zero() {
            return Some(self);
        }
        let exponent = self.exponent.min(other.exponent);
        let at_exponent = |value: Self| {
            let scale = U512::from(10).checked_pow(value.exponent.abs_diff(exponent).into())?;
            U512::from(value.mantissa).checked_mul(scale)
        };
        Self::canonical(at_exponent(self)?.checked_sub(at_exponent(other)?)?, exponent)
    }

    /// `self * factor / divisor`, the product exact; `None` if the divisor is zero or the exponent leaves its range.
    #[must_use]
    pub fn mul_div(self, factor: Self, divisor: Self) -> Option<Self> {
        let product = U256::from(self.mantissa).checked_mul(factor.mantissa.into())?;
        let mantissa = product.checked_div(divisor.mantissa.into())?;
        let exponent = self.exponent.checked_add(factor.exponent)?.checked_sub(divisor.exponent)?;
        Self::canonical(mantissa.into(), exponent)
    }

    /// The integer part, at most `u64::MAX`.
    #[must_use]
    pub fn to_u64(self) -> u64 {
        let scale = power_of_ten(self.exponent.unsigned_abs());
        let integer =
            if self.exponent > 0 { self.mantissa.saturating_mul(scale) } else { self.mantissa / scale };
        u64::try_from(integer).unwrap_or(u64::MAX)
    }

    /// Both mantissas at the larger of the two exponents, and that exponent.
    fn aligned(self, other: Self) -> (u128, u128, i64) {
        let exponent = self.exponent.max(other.exponent);
        let at_exponent = |value: Self| value.mantissa / power_of_ten(exponent.abs_diff(value.exponent));
        (at_exponent(self), at_exponent(other), exponent)
    }

    fn canonical(mut mantissa: U512, mut exponent: i64) -> Option<Self> {
        if mantissa.is_zero() {
            return Some(Self::ZERO);
        }
        while mantissa > MAX_MANTISSA.into() {
            mantissa /= 10;
            exponent = exponent.checked_add(1)?;
        }
        let mut mantissa = mantissa.low_u128();
        while mantissa <= MAX_MANTISSA / 10 {
            mantissa *= 10;
            exponent = exponent.checked_sub(1)?;
        }
        Some(Self { mantissa, exponent })
    }
}

impl From<u64> for SafeFloat {
    fn from(value: u64) -> Self {
        Self::new(value.into(), 0).unwrap_or(Self::ZERO)
    }
}

/// `10 ^ exponent`, capped where it is larger than any mantissa.
fn power_of_ten(exponent: u64) -> u128 {
    10_u128.pow(exponent.min(MAX_SHIFT) as u32)
}
