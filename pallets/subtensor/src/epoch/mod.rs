//! When an epoch is due, and its results.

pub mod storage;

use alloc::vec::Vec;

use frame_support::storage::generator::StorageMap as _;
use myelin_economy::schedule::EpochSchedule;
use myelin_yuma::{EpochInput, EpochOutput, LiquidAlpha, Parameters, SubnetOutput, YumaVersion};
use substrate_fixed::types::I64F64;

use crate::*;

/// Everything about one epoch of a subnet that does not depend on the mechanism.
struct SubnetView {
    uid_count: u16,
    last_step_block: u64,
    block_at_registration: Vec<u64>,
    total_stake: Vec<I64F64>,
    owner: Option<Uid>,
    validator_permits: Vec<bool>,
    parameters: Parameters,
}

impl<T: Config> Pallet<T> {
    /// When epochs of `netuid` run.
    pub fn epoch_schedule(netuid: NetUid) -> EpochSchedule {
        EpochSchedule {
            tempo_blocks: Self::tempo(netuid),
            last_epoch_block: LastEpochBlock::<T>::get(netuid),
            pending_epoch_block: PendingEpochAt::<T>::get(netuid),
            blocks_since_epoch: BlocksSinceLastStep::<T>::get(netuid),
            epoch_index: SubnetEpochIndex::<T>::get(netuid),
        }
    }

    /// Block of the last epoch that ran.
    pub fn last_step_block(netuid: NetUid) -> u64 {
        LastMechansimStepBlock::<T>::get(netuid)
    }

    /// Share of the miners' reward on a mechanism, of 65535, by uid.
    pub fn incentive(index: StorageIndex) -> Vec<u16> {
        Incentive::<T>::get(index)
    }

    /// Bonds of `uid` on a mechanism.
    pub fn bonds_of(index: StorageIndex, uid: Uid) -> Vec<(Uid, u16)> {
        Bonds::<T>::get(index, uid)
    }

    /// Who has set weights lately, by uid.
    pub fn active(netuid: NetUid) -> Vec<bool> {
        Active::<T>::get(netuid)
    }

    /// Share of the validators' reward, of 65535, by uid.
    pub fn dividends(netuid: NetUid) -> Vec<u16> {
        Dividends::<T>::get(netuid)
    }

    /// What the storage keys of these shares start with.
    pub(crate) fn dividend_share_prefix() -> [u8; 32] {
        Dividends::<T>::prefix_hash()
    }

    /// Agreed weight, of 65535, by uid.
    pub fn consensus(netuid: NetUid) -> Vec<u16> {
        Consensus::<T>::get(netuid)
    }

    /// Share of each validator's weights that consensus kept, of 65535, by uid.
    pub fn validator_trust(netuid: NetUid) -> Vec<u16> {
        ValidatorTrust::<T>::get(netuid)
    }

    /// Who may validate, by uid.
    pub fn validator_permits(netuid: NetUid) -> Vec<bool> {
        ValidatorPermit::<T>::get(netuid)
    }

    /// Whether `uid` may validate.
    pub fn has_validator_permit(netuid: NetUid, uid: Uid) -> bool {
        Self::validator_permits(netuid).get(usize::from(uid)).copied().unwrap_or_default()
    }

    /// Alpha earned in the last epoch, by uid.
    pub fn neuron_emission(netuid: NetUid) -> Vec<Alpha> {
        Emission::<T>::get(netuid)
    }

    /// Share of stake, of 65535, by uid.
    pub fn stake_weight(netuid: NetUid) -> Vec<u16> {
        StakeWeight::<T>::get(netuid)
    }

    pub(crate) fn set_max_epochs_per_block(most: u8) {
        MaxEpochsPerBlock::<T>::put(most.max(1));
    }

    pub(crate) fn start_epoch_clock(netuid: NetUid) {
        let schedule = EpochSchedule::new(netuid, Self::tempo(netuid), Self::now());
        Self::put_schedule(netuid, &schedule);
    }

    fn put_schedule(netuid: NetUid, schedule: &EpochSchedule) {
        put_if_changed::<LastEpochBlock<T>, _>(netuid, schedule.last_epoch_block);
        put_if_changed::<PendingEpochAt<T>, _>(netuid, schedule.pending_epoch_block);
        put_if_changed::<BlocksSinceLastStep<T>, _>(netuid, schedule.blocks_since_epoch);
        put_if_changed::<SubnetEpochIndex<T>, _>(netuid, schedule.epoch_index);
    }

    /// Moves the clocks of `netuids` on by a block. Returns the subnets whose epoch runs in this block.
    pub(crate) fn tick_epochs(netuids: &[NetUid]) -> Vec<NetUid> {
        let now = Self::now();
        let mut running = Vec::new();
        for &netuid in netuids {
            let schedule = Self::epoch_schedule(netuid).tick();
            let next = if !schedule.is_due(now) {
                schedule
            } else if running.len() >= usize::from(MaxEpochsPerBlock::<T>::get()) {
                Self::deposit_event(Event::EpochDeferred { netuid });
                schedule.defer(now)
            } else if Self::slots_are_consistent(netuid) {
                running.push(netuid);
                schedule.consume(now, true)
            } else {
                Self::deposit_event(Event::EpochSkipped { netuid });
                schedule.consume(now, false)
            };
            Self::put_schedule(netuid, &next);
        }
        running.sort_unstable();
        running
    }

    pub(crate) fn record_step(netuid: NetUid) {
        LastMechansimStepBlock::<T>::insert(netuid, Self::now());
    }

    /// Runs Yuma Consensus on every mechanism of `netuid` and stores what it decides.
    pub(crate) fn run_epoch(netuid: NetUid, emission: Alpha) -> SubnetOutput {
        let count = Self::mechanism_count(netuid);
        let split = Self::mechanism_emission_split(netuid);
        let parts = myelin_yuma::split_emission(emission, count, split.as_deref());
        let view = Self::view_subnet(netuid);
        let mut outputs = Vec::with_capacity(parts.len());
        for (mechanism, part) in Self::mechanisms(netuid).zip(parts) {
            let index = storage_index(netuid, mechanism);
            let output = Self::run_mechanism(netuid, index, &view, part);
            Self::store_mechanism(index, &output);
            outputs.push((part, output));
        }
        let result = myelin_yuma::aggregate(&outputs);
        Self::store_subnet(netuid, &result);
        result
    }

    fn run_mechanism(netuid: NetUid, index: StorageIndex, view: &SubnetView, emission: Alpha) -> EpochOutput {
        myelin_yuma::epoch(&EpochInput {
            uid_count: view.uid_count,
            block: Self::now(),
            tempo: Self::tempo(netuid),
            activity_cutoff: Self::activity_cutoff(netuid),
            last_step_block: view.last_step_block,
            last_update: &Self::last_updates(index),
            block_at_registration: &view.block_at_registration,
            total_stake: &view.total_stake,
            stake_threshold: Self::stake_threshold(),
            owner: view.owner,
            validator_permits: &view.validator_permits,
            max_allowed_validators: Self::max_allowed_validators(netuid),
            // No commits can be pending: this chain does not take any yet.
            commit_blocks: None,
            weights: &Self::weight_rows(index, view.uid_count),
            bonds: &Self::bond_rows(index, view.uid_count),
            parameters: view.parameters,
            emission,
        })
    }

    fn view_subnet(netuid: NetUid) -> SubnetView {
        let hotkeys = Self::hotkeys(netuid);
        let (low, high) = Self::alpha_values(netuid);
        let liquid_alpha = LiquidAlpha { low, high, steepness: Self::alpha_sigmoid_steepness(netuid) };
        SubnetView {
            uid_count: Self::neuron_count(netuid),
            last_step_block: Self::last_step_block(netuid),
            block_at_registration: (0..Self::neuron_count(netuid))
                .map(|uid| Self::registered_block(netuid, uid))
                .collect(),
            total_stake: hotkeys
                .iter()
                .map(|hotkey| Self::weighted_total(Self::effective_stake(netuid, hotkey)))
                .collect(),
            owner: Self::uid_of(netuid, &Self::owner_hotkey(netuid)),
            validator_permits: Self::validator_permits(netuid),
            parameters: Parameters {
                kappa: Self::kappa(netuid),
                bonds_penalty: Self::bonds_penalty(netuid),
                bonds_moving_average: Self::bonds_moving_average(netuid),
                version: YumaVersion::from_flags(
                    Self::yuma3_enabled(netuid),
                    Self::liquid_alpha_enabled(netuid),
                    liquid_alpha,
                ),
            },
        }
    }

    fn bond_rows(index: StorageIndex, count: u16) -> Vec<Vec<(Uid, u16)>> {
        (0..count).map(|uid| Bonds::<T>::get(index, uid)).collect()
    }

    fn store_mechanism(index: StorageIndex, output: &EpochOutput) {
        Incentive::<T>::insert(index, &output.incentive);
        for (uid, row) in (0..).zip(&output.bonds) {
            // Most neurons do not validate: their row stays empty, which need not be written again.
            if Bonds::<T>::try_get::<_, Uid>(index, uid).as_ref() != Ok(row) {
                Bonds::<T>::insert::<_, Uid, _>(index, uid, row);
            }
        }
        Self::deposit_event(Event::IncentiveAlphaEmittedToMiners {
            netuid: index,
            emissions: output.server_emission.clone(),
        });
    }

    fn store_subnet(netuid: NetUid, result: &SubnetOutput) {
        Active::<T>::insert(netuid, &result.active);
        Emission::<T>::insert(netuid, &result.emission);
        Consensus::<T>::insert(netuid, &result.consensus);
        Dividends::<T>::insert(netuid, &result.dividends);
        ValidatorTrust::<T>::insert(netuid, &result.validator_trust);
        ValidatorPermit::<T>::insert(netuid, &result.validator_permits);
        StakeWeight::<T>::insert(netuid, &result.stake_weight);
    }

    /// Makes room for one more neuron in every result.
    pub(crate) fn extend_epoch_results(netuid: NetUid) {
        Active::<T>::mutate(netuid, |values| values.push(true));
        Emission::<T>::mutate(netuid, |values| values.push(0));
        Consensus::<T>::mutate(netuid, |values| values.push(0));
        Dividends::<T>::mutate(netuid, |values| values.push(0));
        ValidatorTrust::<T>::mutate(netuid, |values| values.push(0));
        ValidatorPermit::<T>::mutate(netuid, |values| values.push(false));
        for mechanism in Self::mechanisms(netuid) {
            Incentive::<T>::mutate(storage_index(netuid, mechanism), |values| values.push(0));
        }
    }

    /// Forgets what the last epoch decided about `uid`. Bonds of others stay: the next epoch leaves them out.
    pub(crate) fn clear_epoch_results(netuid: NetUid, uid: Uid) {
        Active::<T>::mutate(netuid, |values| set(values, uid, true));
        Emission::<T>::mutate(netuid, |values| set(values, uid, 0));
        Consensus::<T>::mutate(netuid, |values| set(values, uid, 0));
        Dividends::<T>::mutate(netuid, |values| set(values, uid, 0));
        ValidatorTrust::<T>::mutate(netuid, |values| set(values, uid, 0));
        StakeWeight::<T>::mutate(netuid, |values| set(values, uid, 0));
        ValidatorPermit::<T>::mutate(netuid, |values| set(values, uid, false));
        for mechanism in Self::mechanisms(netuid) {
            let index = storage_index(netuid, mechanism);
            Incentive::<T>::mutate(index, |values| set(values, uid, 0));
            Bonds::<T>::remove(index, uid);
        }
    }
}

fn set<Value>(values: &mut [Value], uid: Uid, value: Value) {
    if let Some(slot) = values.get_mut(usize::from(uid)) {
        *slot = value;
    }
}
