//! When a limited action happened last.

pub mod storage;

use crate::*;

impl<T: Config> Pallet<T> {
    /// Block of the last use of an action; 0 for never.
    pub fn last_limited_block(key: &RateLimitKey<T::AccountId>) -> u64 {
        LastRateLimitedBlock::<T>::get(key)
    }

    /// Whether `interval` blocks have passed since an action was used, if it ever was.
    pub fn rate_limit_passed(key: &RateLimitKey<T::AccountId>, interval: u64) -> bool {
        let last = Self::last_limited_block(key);
        last == 0 || Self::now().saturating_sub(last) >= interval
    }

    pub(crate) fn touch_rate_limit(key: RateLimitKey<T::AccountId>) {
        LastRateLimitedBlock::<T>::insert(key, Self::now());
    }
}
