//! Takes, parents and children.

pub mod storage;

use alloc::vec::Vec;

use frame_support::{ensure, pallet_prelude::*};
use myelin_economy::delegation::{
    check_bounds, check_decrease, check_increase, TakeBounds, TakeClock, TakeError,
};

use frame_support::storage::generator::{StorageDoubleMap as _, StorageMap as _};

use crate::*;

/// In which direction a take changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TakeChange {
    /// Nominators get more; at any time.
    Decrease,
    /// Nominators get less; some time after the last change.
    Increase,
}

impl<T: Config> Pallet<T> {
    /// A validator's take, of 65535.
    pub fn take_of(hotkey: &T::AccountId) -> u16 {
        Delegates::<T>::get(hotkey)
    }

    /// Whether `hotkey` takes stake of others.
    pub fn is_delegate(hotkey: &T::AccountId) -> bool {
        Delegates::<T>::contains_key(hotkey)
    }

    /// All who take stake of others.
    pub fn delegates() -> Vec<T::AccountId> {
        Delegates::<T>::iter_keys().collect()
    }

    /// A child's take on `netuid`, of 65535.
    pub fn childkey_take_of(hotkey: &T::AccountId, netuid: NetUid) -> u16 {
        myelin_economy::stake::effective_childkey_take(
            ChildkeyTake::<T>::get(hotkey, netuid),
            MinChildkeyTake::<T>::get(),
            MinChildkeyTakePerSubnet::<T>::get(netuid),
        )
    }

    /// Lowest childkey take on `netuid`, of 65535.
    pub fn min_childkey_take(netuid: NetUid) -> u16 {
        myelin_economy::stake::min_childkey_take(
            MinChildkeyTake::<T>::get(),
            MinChildkeyTakePerSubnet::<T>::get(netuid),
        )
    }

    /// Share of 2^64-1 of dividends between parent and child that is burned.
    pub fn childkey_burn() -> u64 {
        CKBurn::<T>::get()
    }

    /// Children of `hotkey` on `netuid`: proportion of 2^64-1, child.
    pub fn children_of(hotkey: &T::AccountId, netuid: NetUid) -> Vec<(u64, T::AccountId)> {
        ChildKeys::<T>::get(hotkey, netuid)
    }

    /// Parents of `hotkey` on `netuid`: proportion of 2^64-1, parent.
    pub fn parents_of(hotkey: &T::AccountId, netuid: NetUid) -> Vec<(u64, T::AccountId)> {
        ParentKeys::<T>::get(hotkey, netuid)
    }

    /// Whether `coldkey` may change the take of `hotkey` in this block.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_take(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
        take: u16,
        change: TakeChange,
    ) -> Result<(), Error<T>> {
        let bounds =
            TakeBounds { min_u16: MinDelegateTake::<T>::get(), max_u16: MaxDelegateTake::<T>::get() };
        check_bounds(take, bounds)?;
        ensure!(Self::hotkey_exists(hotkey), Error::<T>::HotKeyAccountNotExists);
        ensure!(Self::owns(coldkey, hotkey), Error::<T>::NonAssociatedColdKey);
        let present = Self::is_delegate(hotkey).then(|| Self::take_of(hotkey));
        match change {
            TakeChange::Decrease => check_decrease(present, take, bounds)?,
            TakeChange::Increase => check_increase(present, take, bounds, Self::take_clock(hotkey))?,
        }
        Ok(())
    }

    fn take_clock(hotkey: &T::AccountId) -> TakeClock {
        TakeClock {
            last_block: Self::last_limited_block(&RateLimitKey::LastTxBlockDelegateTake(hotkey.clone())),
            limit_blocks: TxDelegateTakeRateLimit::<T>::get(),
            now_block: Self::now(),
        }
    }

    pub(crate) fn do_change_take(
        coldkey: T::AccountId,
        hotkey: T::AccountId,
        take: u16,
        change: TakeChange,
    ) -> DispatchResult {
        Self::check_take(&coldkey, &hotkey, take, change)?;
        Delegates::<T>::insert(&hotkey, take);
        Self::touch_rate_limit(RateLimitKey::LastTxBlockDelegateTake(hotkey.clone()));
        Self::deposit_event(match change {
            TakeChange::Decrease => Event::TakeDecreased(coldkey, hotkey, take),
            TakeChange::Increase => Event::TakeIncreased(coldkey, hotkey, take),
        });
        Ok(())
    }

    /// What the storage keys of takes and families start with.
    pub(crate) fn delegation_prefixes() -> [[u8; 32]; 10] {
        [
            Delegates::<T>::prefix_hash(),
            MaxDelegateTake::<T>::hashed_key(),
            MinDelegateTake::<T>::hashed_key(),
            TxDelegateTakeRateLimit::<T>::hashed_key(),
            ChildkeyTake::<T>::prefix_hash(),
            MinChildkeyTake::<T>::hashed_key(),
            MinChildkeyTakePerSubnet::<T>::prefix_hash(),
            ChildKeys::<T>::prefix_hash(),
            ParentKeys::<T>::prefix_hash(),
            CKBurn::<T>::hashed_key(),
        ]
    }

    /// Gives `hotkey` the default take, unless it has one.
    pub(crate) fn become_delegate(hotkey: &T::AccountId) {
        if !Self::is_delegate(hotkey) {
            Delegates::<T>::insert(hotkey, MaxDelegateTake::<T>::get());
        }
    }
}

impl<T> From<TakeError> for Error<T> {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::TooLow { .. } | TakeError::NoDecrease { .. } => Self::DelegateTakeTooLow,
            TakeError::TooHigh { .. } => Self::DelegateTakeTooHigh,
            TakeError::TooSoon { .. } => Self::DelegateTxRateLimitExceeded,
        }
    }
}
