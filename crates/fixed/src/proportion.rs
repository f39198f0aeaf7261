//! Proportions of a whole, stored as integers.
//!
//! Chain state stores proportions as integers whose largest value means the whole: `u16` for weights, bonds and
//! takes, `u64` for child keys and the TAO weight.

use crate::{SafeDiv, I96F32, U64F64, U96F32};
use substrate_fixed::traits::Fixed;

/// A number that a stored `u16` proportion can be turned into, and back.
pub trait Proportion: Sized {
    /// `stored / 65535`, truncated.
    #[must_use]
    fn from_u16_proportion(stored: u16) -> Self;

    /// `floor(self * 65535)` clamped to `0..=65535`.
    ///
    /// Floors, so nothing below an exact 1 gives 65535; negative values give 0.
    #[must_use]
    fn to_u16_proportion(self) -> u16;
}

impl<T: Fixed> Proportion for T {
    #[inline]
    fn from_u16_proportion(stored: u16) -> Self {
        T::saturating_from_num(stored).safe_div(T::saturating_from_num(u16::MAX))
    }

    #[inline]
    fn to_u16_proportion(self) -> u16 {
        self.saturating_mul(T::saturating_from_num(u16::MAX)).saturating_to_num()
    }
}

/// A number that a stored `u64` proportion can be turned into: one that can hold 2^64 - 1.
pub trait WideProportion: Fixed {
    /// `stored / (2^64 - 1)`, truncated.
    #[must_use]
    fn from_u64_proportion(stored: u64) -> Self {
        Self::saturating_from_num(stored).safe_div(Self::saturating_from_num(u64::MAX))
    }
}

impl WideProportion for I96F32 {}
impl WideProportion for U64F64 {}
impl WideProportion for U96F32 {}
