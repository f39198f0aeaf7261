//! Slots of a subnet, and which coldkey owns which hotkey.

pub mod storage;

use alloc::vec::Vec;

use frame_support::{ensure, pallet_prelude::*};

use crate::*;

impl<T: Config> Pallet<T> {
    /// Neurons on `netuid`.
    pub fn neuron_count(netuid: NetUid) -> u16 {
        SubnetworkN::<T>::get(netuid)
    }

    /// Slot of `hotkey` on `netuid`.
    pub fn uid_of(netuid: NetUid, hotkey: &T::AccountId) -> Option<Uid> {
        Uids::<T>::get(netuid, hotkey)
    }

    /// Hotkey in slot `uid`.
    pub fn hotkey_at(netuid: NetUid, uid: Uid) -> Option<T::AccountId> {
        Keys::<T>::try_get(netuid, uid).ok()
    }

    /// Hotkeys of `netuid` by uid.
    pub fn hotkeys(netuid: NetUid) -> Vec<T::AccountId> {
        (0..Self::neuron_count(netuid)).map(|uid| Keys::<T>::get(netuid, uid)).collect()
    }

    /// Whether no hotkey has two slots on `netuid`.
    pub fn slots_are_consistent(netuid: NetUid) -> bool {
        let mut hotkeys = Self::hotkeys(netuid);
        let slots = hotkeys.len();
        hotkeys.sort_unstable();
        hotkeys.dedup();
        hotkeys.len() == slots
    }

    /// Block in which slot `uid` was taken.
    pub fn registered_block(netuid: NetUid, uid: Uid) -> u64 {
        BlockAtRegistration::<T>::get(netuid, uid)
    }

    /// Whether `hotkey` has a slot on `netuid`.
    pub fn is_registered(netuid: NetUid, hotkey: &T::AccountId) -> bool {
        IsNetworkMember::<T>::get(hotkey, netuid)
    }

    /// Subnets on which `hotkey` has a slot, in storage order.
    pub fn memberships(hotkey: &T::AccountId) -> Vec<NetUid> {
        IsNetworkMember::<T>::iter_prefix(hotkey)
            .filter_map(|(netuid, member)| member.then_some(netuid))
            .collect()
    }

    /// Whether somebody owns `hotkey`.
    pub fn hotkey_exists(hotkey: &T::AccountId) -> bool {
        Owner::<T>::contains_key(hotkey)
    }

    /// The coldkey that owns `hotkey`; the account of nobody if none does.
    pub fn coldkey_of(hotkey: &T::AccountId) -> T::AccountId {
        Owner::<T>::get(hotkey)
    }

    /// Whether `coldkey` owns `hotkey`.
    pub fn owns(coldkey: &T::AccountId, hotkey: &T::AccountId) -> bool {
        Owner::<T>::try_get(hotkey).is_ok_and(|owner| &owner == coldkey)
    }

    /// Hotkeys that `coldkey` owns.
    pub fn hotkeys_of(coldkey: &T::AccountId) -> Vec<T::AccountId> {
        OwnedHotkeys::<T>::get(coldkey)
    }

    pub(crate) fn ensure_hotkey_is_free_or_owned(
        coldkey: &T::AccountId,
        hotkey: &T::AccountId,
    ) -> Result<(), Error<T>> {
        ensure!(
            !Self::hotkey_exists(hotkey) || Self::owns(coldkey, hotkey),
            Error::<T>::NonAssociatedColdKey
        );
        Ok(())
    }

    /// Makes `coldkey` the owner of `hotkey`, unless somebody owns it.
    pub(crate) fn create_hotkey_if_missing(coldkey: &T::AccountId, hotkey: &T::AccountId) -> DispatchResult {
        ensure!(!Self::is_pool_account(hotkey), Error::<T>::CannotUseSystemAccount);
        if Self::hotkey_exists(hotkey) {
            return Ok(());
        }
        let owned = OwnedHotkeys::<T>::decode_len(coldkey).unwrap_or_default();
        ensure!(owned < MAX_HOTKEYS_OF_COLDKEY, Error::<T>::TooManyStakingHotkeys);
        Self::ensure_may_stake_with(coldkey, hotkey)?;
        Owner::<T>::insert(hotkey, coldkey);
        OwnedHotkeys::<T>::mutate(coldkey, |hotkeys| hotkeys.push(hotkey.clone()));
        Self::track_staking_hotkey(coldkey, hotkey);
        Ok(())
    }

    /// Gives `hotkey` the next slot.
    pub(crate) fn append_neuron(netuid: NetUid, hotkey: &T::AccountId) -> Result<Uid, Error<T>> {
        let uid = Self::neuron_count(netuid);
        let count = uid.checked_add(1).ok_or(Error::<T>::NoNeuronIdAvailable)?;
        SubnetworkN::<T>::insert(netuid, count);
        Self::extend_epoch_results(netuid);
        Self::extend_last_updates(netuid, Self::now());
        Self::take_slot(netuid, uid, hotkey);
        Ok(uid)
    }

    /// Gives slot `uid` to `hotkey`, without what its holder had in it.
    pub(crate) fn replace_neuron(netuid: NetUid, uid: Uid, hotkey: &T::AccountId) {
        if let Some(old) = Self::hotkey_at(netuid, uid) {
            Uids::<T>::remove(netuid, &old);
            IsNetworkMember::<T>::remove(&old, netuid);
            Self::forget_endpoints(netuid, &old);
        }
        Self::clear_epoch_results(netuid, uid);
        Self::clear_weights(netuid, uid);
        Self::record_last_updates(netuid, uid, Self::now());
        Self::take_slot(netuid, uid, hotkey);
    }

    fn take_slot(netuid: NetUid, uid: Uid, hotkey: &T::AccountId) {
        Keys::<T>::insert(netuid, uid, hotkey);
        Uids::<T>::insert(netuid, hotkey, uid);
        IsNetworkMember::<T>::insert(hotkey, netuid, true);
        BlockAtRegistration::<T>::insert(netuid, uid, Self::now());
    }
}
