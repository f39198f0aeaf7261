//! When a limited action happened last.

pub mod storage;

use crate::*;

/// Blocks that an account waits after a call without a fee has failed, until it may send another: what fails for nothing takes
/// room in blocks all the same.
pub const PAUSE_AFTER_FREE_FAILURE: u64 = 10;

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

    /// Whether `account` may send a call without a fee.
    pub fn may_send_for_free(account: &T::AccountId) -> bool {
        let last = LastFreeFailure::<T>::get(account);
        last == 0 || Self::now().saturating_sub(last) >= PAUSE_AFTER_FREE_FAILURE
    }

    /// A call of `account` without a fee has failed.
    pub fn note_free_failure(account: &T::AccountId) {
        LastFreeFailure::<T>::insert(account, Self::now());
    }

    pub(crate) fn touch_rate_limit(key: RateLimitKey<T::AccountId>) {
        LastRateLimitedBlock::<T>::insert(key, Self::now());
    }
}
