//! Takes, parents and children.

pub mod storage;

use alloc::vec::Vec;

use frame_support::storage::generator::{StorageDoubleMap as _, StorageMap as _};

use crate::*;

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

    /// What the storage keys of takes and families start with.
    pub(crate) fn delegation_prefixes() -> [[u8; 32]; 9] {
        [
            Delegates::<T>::prefix_hash(),
            MaxDelegateTake::<T>::hashed_key(),
            MinDelegateTake::<T>::hashed_key(),
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
