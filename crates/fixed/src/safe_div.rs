//! Division that cannot fail.

use substrate_fixed::traits::Fixed;

/// Division that yields zero where the quotient does not exist.
pub trait SafeDiv {
    /// `trunc(self / divisor)`, or zero if `divisor` is zero **or the quotient does not fit the type**.
    ///
    /// Zero rather than the largest value on overflow: a share that cannot be computed must not pay out.
    #[must_use]
    fn safe_div(self, divisor: Self) -> Self;
}

impl<T: Fixed> SafeDiv for T {
    #[inline]
    fn safe_div(self, divisor: Self) -> Self {
        self.checked_div(divisor).unwrap_or_default()
    }
}
