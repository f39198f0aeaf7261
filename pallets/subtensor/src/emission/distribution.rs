//! Payment of one epoch.
//!
//! Every rao that was set aside ends with somebody, is taken out of issuance, or is noted as unassigned.

use core::marker::PhantomData;

use myelin_economy::{
    distribution::{EpochPots, Family, Parent},
    payment::{pay_epoch, Earnings, EpochLedger},
    stake::StakePair,
};
use myelin_fixed::U96F32;
use sp_runtime::SaturatedConversion;

use crate::*;

impl<T: Config> Pallet<T> {
    /// Runs the epoch of `netuid` and pays out `pots`.
    pub(crate) fn distribute_epoch(netuid: NetUid, pots: EpochPots) {
        let result = Self::run_epoch(netuid, pots.epoch_emission_rao());
        let _ = AlphaDividendsPerSubnet::<T>::clear_prefix(netuid, u32::MAX, None);
        let _ = RootAlphaDividendsPerSubnet::<T>::clear_prefix(netuid, u32::MAX, None);
        let earnings = Earnings {
            hotkeys: &Self::hotkeys(netuid),
            server_rao: &result.server_emission,
            validator_rao: &result.validator_emission,
        };
        pay_epoch(&mut Ledger::<T> { netuid, _runtime: PhantomData }, &pots, earnings);
    }

    /// Miners are paid their share of everything, not their pot. What that leaves of the pot is nobody's; what it takes
    /// beyond the pot comes out of what was nobody's before.
    fn settle_server_pot(netuid: NetUid, surplus_rao: i128) {
        if surplus_rao >= 0 {
            Self::leave_unassigned(netuid, surplus_rao.saturated_into());
        } else {
            let overdraft: Alpha = surplus_rao.unsigned_abs().saturated_into();
            let missing = overdraft.saturating_sub(Self::take_unassigned(netuid, overdraft));
            Self::mint_alpha(netuid, missing);
        }
    }

    /// Takes up to `alpha` of what nobody holds. Returns what was taken.
    fn take_unassigned(netuid: NetUid, alpha: Alpha) -> Alpha {
        UnassignedAlpha::<T>::mutate(netuid, |total| {
            let taken = alpha.min(*total);
            *total = total.saturating_sub(taken);
            taken
        })
    }

    /// Stakes a reward, or notes it as nobody's if it is too small to be staked.
    fn stake_or_leave(netuid: NetUid, hotkey: &T::AccountId, coldkey: &T::AccountId, amount: Alpha) {
        if amount > 0 && Self::credit_stake(hotkey, coldkey, netuid, amount).is_err() {
            Self::leave_unassigned(netuid, amount);
        }
    }
}

/// A subnet's accounts in storage.
struct Ledger<T> {
    netuid: NetUid,
    _runtime: PhantomData<T>,
}

impl<T: Config> EpochLedger for Ledger<T> {
    type Hotkey = T::AccountId;

    fn tao_weight(&self) -> U96F32 {
        Pallet::<T>::tao_weight()
    }

    fn childkey_burn_u64(&self) -> u64 {
        Pallet::<T>::childkey_burn()
    }

    fn is_owners(&self, hotkey: &T::AccountId) -> bool {
        Pallet::<T>::coldkey_of(hotkey) == Pallet::<T>::owner_coldkey(self.netuid)
            || hotkey == &Pallet::<T>::owner_hotkey(self.netuid)
    }

    fn family(&self, hotkey: &T::AccountId) -> Family<T::AccountId> {
        let coldkey = Pallet::<T>::coldkey_of(hotkey);
        let parents = Pallet::<T>::parents_of(hotkey, self.netuid).into_iter();
        Family {
            hotkey: hotkey.clone(),
            stake: self.own_stake(hotkey),
            child_proportions_u64: Pallet::<T>::children_of(hotkey, self.netuid)
                .into_iter()
                .map(|(part, _)| part)
                .collect(),
            parents: parents
                .map(|(proportion_u64, parent)| Parent {
                    stake: self.own_stake(&parent),
                    same_coldkey: Pallet::<T>::coldkey_of(&parent) == coldkey,
                    hotkey: parent,
                    proportion_u64,
                })
                .collect(),
            childkey_take_u16: Pallet::<T>::childkey_take_of(hotkey, self.netuid),
        }
    }

    fn own_stake(&self, hotkey: &T::AccountId) -> StakePair {
        Pallet::<T>::own_stake(self.netuid, hotkey)
    }

    fn take_u16(&self, hotkey: &T::AccountId) -> u16 {
        Pallet::<T>::take_of(hotkey)
    }

    fn pay_owner(&mut self, cut_rao: Alpha) {
        match Pallet::<T>::owner_keys(self.netuid) {
            Some((coldkey, hotkey)) => Pallet::<T>::stake_or_leave(self.netuid, &hotkey, &coldkey, cut_rao),
            None => self.leave_unassigned(cut_rao),
        }
    }

    fn pay_incentive(&mut self, hotkey: &T::AccountId, rao: Alpha) {
        let coldkey = Pallet::<T>::coldkey_of(hotkey);
        let destination = Pallet::<T>::auto_stake_destination(&coldkey, self.netuid);
        Pallet::<T>::stake_or_leave(self.netuid, destination.as_ref().unwrap_or(hotkey), &coldkey, rao);
    }

    fn withhold(&mut self, rao: Alpha, miner_burned: U96F32) {
        match Pallet::<T>::recycle_or_burn(self.netuid) {
            RecycleOrBurnEnum::Recycle => Pallet::<T>::recycle_alpha(self.netuid, rao),
            RecycleOrBurnEnum::Burn => self.leave_unassigned(rao),
        }
        MinerBurned::<T>::insert(self.netuid, miner_burned);
    }

    fn pay_take(&mut self, hotkey: &T::AccountId, rao: Alpha) {
        Pallet::<T>::stake_or_leave(self.netuid, hotkey, &Pallet::<T>::coldkey_of(hotkey), rao);
    }

    fn pay_nominators(&mut self, hotkey: &T::AccountId, rao: Alpha) {
        if Pallet::<T>::credit_nominators(hotkey, self.netuid, rao).is_err() {
            self.leave_unassigned(rao);
        }
        AlphaDividendsPerSubnet::<T>::insert(self.netuid, hotkey, rao);
    }

    fn alpha_is_paid(&mut self, hotkey: &T::AccountId) {
        Pallet::<T>::record_alpha_at_epoch(hotkey, self.netuid);
    }

    fn pay_root_stakers(&mut self, hotkey: &T::AccountId, rao: Alpha) {
        let left = Pallet::<T>::accrue_root_dividend(hotkey, self.netuid, rao).unwrap_or(rao);
        self.leave_unassigned(left);
        RootAlphaDividendsPerSubnet::<T>::insert(self.netuid, hotkey, rao);
    }

    fn leave_unassigned(&mut self, rao: Alpha) {
        Pallet::<T>::leave_unassigned(self.netuid, rao);
    }

    fn settle_server_pot(&mut self, surplus_rao: i128) {
        Pallet::<T>::settle_server_pot(self.netuid, surplus_rao);
    }
}
