//! What validators say.

pub mod storage;

use alloc::{collections::BTreeSet, vec, vec::Vec};

use frame_support::{ensure, pallet_prelude::*, storage::generator::StorageMap as _};

use crate::*;

impl<T: Config> Pallet<T> {
    /// Weights that `uid` has set on a mechanism.
    pub fn weights_of(index: StorageIndex, uid: Uid) -> Vec<(Uid, u16)> {
        Weights::<T>::get(index, uid)
    }

    /// Block of each neuron's last weights on a mechanism.
    pub fn last_updates(index: StorageIndex) -> Vec<u64> {
        LastUpdate::<T>::get(index)
    }

    /// What the storage keys of those blocks start with.
    pub(crate) fn last_update_prefix() -> [u8; 32] {
        LastUpdate::<T>::prefix_hash()
    }

    /// Block of the last weights of `uid` on a mechanism.
    pub fn last_update(index: StorageIndex, uid: Uid) -> u64 {
        Self::last_updates(index).get(usize::from(uid)).copied().unwrap_or_default()
    }

    /// Whether `hotkey` has enough stake to set weights on `netuid`. The owner always has.
    pub fn has_stake_for_weights(netuid: NetUid, hotkey: &T::AccountId) -> bool {
        Self::is_owner_neuron(netuid, hotkey)
            || Self::weighted_stake_rao(netuid, hotkey) >= Self::stake_threshold()
    }

    /// Whether `uid` may set weights on a mechanism again in this block.
    pub fn weights_rate_limit_passed(netuid: NetUid, index: StorageIndex, uid: Uid) -> bool {
        let last = Self::last_update(index, uid);
        last == 0 || Self::now().saturating_sub(last) >= Self::weights_set_rate_limit(netuid)
    }

    /// Cost of a weight vector of `length`.
    pub fn set_weights_weight(length: usize) -> Weight {
        const BASE_PICOSECONDS: u64 = 100_000_000;
        const TARGET_PICOSECONDS: u64 = 50_000;
        let targets = u64::try_from(length).unwrap_or(u64::MAX).saturating_mul(TARGET_PICOSECONDS);
        Weight::from_parts(BASE_PICOSECONDS.saturating_add(targets), 0)
    }

    pub(crate) fn do_set_weights(
        hotkey: &T::AccountId,
        netuid: NetUid,
        mechanism: MechId,
        uids: Vec<Uid>,
        values: Vec<u16>,
        version_key: u64,
    ) -> DispatchResult {
        ensure!(!Self::commit_reveal_enabled(netuid), Error::<T>::CommitRevealEnabled);
        let uid = Self::check_weights(hotkey, netuid, mechanism, &uids, &values, version_key)?;
        let index = storage_index(netuid, mechanism);
        let row = uids.into_iter().zip(myelin_yuma::weights::max_upscale(&values)).collect::<Vec<_>>();
        Weights::<T>::insert(index, uid, row);
        Self::record_last_update(index, uid, Self::now());
        Self::deposit_event(Event::WeightsSet(index, uid));
        Ok(())
    }

    /// Checks that there is one weight for each target, and no more targets than neurons.
    pub fn check_lengths(netuid: NetUid, uids: &[Uid], values: &[u16]) -> Result<(), Error<T>> {
        ensure!(uids.len() == values.len(), Error::<T>::WeightVecNotEqualSize);
        let neurons = usize::from(Self::neuron_count(netuid));
        ensure!(uids.len() <= neurons, Error::<T>::UidsLengthExceedUidsInSubNet);
        Ok(())
    }

    /// Checks a weight vector and finds the validator's slot.
    fn check_weights(
        hotkey: &T::AccountId,
        netuid: NetUid,
        mechanism: MechId,
        uids: &[Uid],
        values: &[u16],
        version_key: u64,
    ) -> Result<Uid, Error<T>> {
        ensure!(netuid != ROOT, Error::<T>::CanNotSetRootNetworkWeights);
        ensure!(Self::mechanism_exists(netuid, mechanism), Error::<T>::MechanismDoesNotExist);
        Self::check_lengths(netuid, uids, values)?;
        let neurons = Self::neuron_count(netuid);
        let uid = Self::uid_of(netuid, hotkey).ok_or(Error::<T>::HotKeyNotRegisteredInSubNet)?;
        ensure!(Self::has_stake_for_weights(netuid, hotkey), Error::<T>::NotEnoughStakeToSetWeights);
        let oldest_version = Self::weights_version_key(netuid);
        ensure!(oldest_version == 0 || version_key >= oldest_version, Error::<T>::IncorrectWeightVersionKey);
        let index = storage_index(netuid, mechanism);
        ensure!(Self::weights_rate_limit_passed(netuid, index, uid), Error::<T>::SettingWeightsTooFast);

        let only_self = matches!(uids, [target] if *target == uid);
        let may_validate = Self::has_validator_permit(netuid, uid) || Self::is_owner_neuron(netuid, hotkey);
        ensure!(only_self || may_validate, Error::<T>::NeuronNoValidatorPermit);
        let distinct: BTreeSet<_> = uids.iter().collect();
        ensure!(distinct.len() == uids.len(), Error::<T>::DuplicateUids);
        ensure!(uids.iter().all(|target| *target < neurons), Error::<T>::UidVecContainInvalidOne);
        let fewest = usize::from(neurons.min(Self::min_allowed_weights(netuid)));
        ensure!(only_self || uids.len() >= fewest, Error::<T>::WeightVecLengthIsLow);
        Ok(uid)
    }

    fn mechanism_exists(netuid: NetUid, mechanism: MechId) -> bool {
        Self::subnet_exists(netuid) && mechanism < Self::mechanism_count(netuid)
    }

    fn is_owner_neuron(netuid: NetUid, hotkey: &T::AccountId) -> bool {
        Self::is_registered(netuid, hotkey) && &Self::owner_hotkey(netuid) == hotkey
    }

    fn record_last_update(index: StorageIndex, uid: Uid, block: u64) {
        LastUpdate::<T>::mutate(index, |updates| {
            if let Some(update) = updates.get_mut(usize::from(uid)) {
                *update = block;
            }
        });
    }

    pub(crate) fn record_last_updates(netuid: NetUid, uid: Uid, block: u64) {
        for mechanism in Self::mechanisms(netuid) {
            Self::record_last_update(storage_index(netuid, mechanism), uid, block);
        }
    }

    pub(crate) fn extend_last_updates(netuid: NetUid, block: u64) {
        for mechanism in Self::mechanisms(netuid) {
            LastUpdate::<T>::mutate(storage_index(netuid, mechanism), |updates| updates.push(block));
        }
    }

    /// Forgets what `uid` has said, and sets to zero what others have said about it.
    pub(crate) fn clear_weights(netuid: NetUid, uid: Uid) {
        for mechanism in Self::mechanisms(netuid) {
            let index = storage_index(netuid, mechanism);
            Weights::<T>::remove(index, uid);
            let rows: Vec<(Uid, Vec<(Uid, u16)>)> = Weights::<T>::iter_prefix(index).collect();
            for (validator, mut row) in rows {
                let mut said_something = false;
                for (_, weight) in row.iter_mut().filter(|(target, weight)| *target == uid && *weight != 0) {
                    *weight = 0;
                    said_something = true;
                }
                if said_something {
                    Weights::<T>::insert(index, validator, row);
                }
            }
        }
    }

    /// Weights of all of `count` neurons, by uid.
    pub(crate) fn weight_rows(index: StorageIndex, count: u16) -> Vec<Vec<(Uid, u16)>> {
        let mut rows = vec![Vec::new(); usize::from(count)];
        for (uid, row) in Weights::<T>::iter_prefix(index) {
            if let Some(slot) = rows.get_mut(usize::from(uid)) {
                *slot = row;
            }
        }
        rows
    }
}
