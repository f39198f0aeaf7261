//! Payment of one epoch.
//!
//! Every rao that was set aside ends with somebody, is taken out of issuance, or is noted as unassigned.

use alloc::{collections::BTreeMap, vec::Vec};

use myelin_economy::{
    distribution::{
        apportion, settle_incentives, split_dividends, unpaid_rao, Dividend, EpochPots, Family, Parent,
        Payout,
    },
    stake::split_take,
};
use myelin_yuma::SubnetOutput;
use sp_runtime::SaturatedConversion;

use crate::*;

impl<T: Config> Pallet<T> {
    /// Runs the epoch of `netuid` and pays out `pots`.
    pub(crate) fn distribute_epoch(netuid: NetUid, pots: EpochPots) {
        let result = Self::run_epoch(netuid, pots.epoch_emission_rao());
        let hotkeys = Self::hotkeys(netuid);
        let incentives_rao = sum(&result.server_emission);

        Self::pay_owner_cut(netuid, pots.owner_cut_rao);
        Self::pay_miners(netuid, by_hotkey(&hotkeys, &result.server_emission));
        let alpha_pot = pots.alpha_dividends_rao(incentives_rao);
        Self::pay_validators(netuid, &hotkeys, &result, alpha_pot, pots.root_rao);
        Self::settle_server_pot(netuid, pots.server_surplus_rao(incentives_rao));
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

    fn pay_owner_cut(netuid: NetUid, cut: Alpha) {
        match Self::owner_keys(netuid) {
            Some((coldkey, hotkey)) => Self::stake_or_leave(netuid, &hotkey, &coldkey, cut),
            None => Self::leave_unassigned(netuid, cut),
        }
    }

    /// Pays miners in the order of their hotkeys. The owner's own miners are not paid.
    fn pay_miners(netuid: NetUid, earned: BTreeMap<T::AccountId, Alpha>) {
        let owner = Self::owner_coldkey(netuid);
        let owner_hotkey = Self::owner_hotkey(netuid);
        let is_owners = |hotkey: &T::AccountId| Self::coldkey_of(hotkey) == owner || hotkey == &owner_hotkey;
        let incentives = settle_incentives(earned, is_owners);
        match Self::recycle_or_burn(netuid) {
            RecycleOrBurnEnum::Recycle => Self::recycle_alpha(netuid, incentives.withheld_rao),
            RecycleOrBurnEnum::Burn => Self::leave_unassigned(netuid, incentives.withheld_rao),
        }
        MinerBurned::<T>::insert(netuid, incentives.miner_burned);
        for (hotkey, amount) in incentives.paid {
            let coldkey = Self::coldkey_of(&hotkey);
            let behind = Self::auto_stake_destination(&coldkey, netuid).unwrap_or(hotkey);
            Self::stake_or_leave(netuid, &behind, &coldkey, amount);
        }
    }

    fn pay_validators(
        netuid: NetUid,
        hotkeys: &[T::AccountId],
        result: &SubnetOutput,
        alpha_pot: Alpha,
        root_pot: Alpha,
    ) {
        let dividends = Self::collect_dividends(netuid, hotkeys, &result.validator_emission);
        let payouts = apportion(&dividends, alpha_pot, root_pot, Self::tao_weight());
        let _ = AlphaDividendsPerSubnet::<T>::clear_prefix(netuid, u32::MAX, None);
        let _ = RootAlphaDividendsPerSubnet::<T>::clear_prefix(netuid, u32::MAX, None);
        let alpha_paid =
            payouts.iter().map(|payout| Self::pay_alpha_dividend(netuid, payout)).collect::<Vec<_>>();
        let root_paid =
            payouts.iter().map(|payout| Self::pay_root_dividend(netuid, payout)).collect::<Vec<_>>();
        Self::leave_unassigned(netuid, unpaid_rao(alpha_pot, alpha_paid));
        Self::leave_unassigned(netuid, unpaid_rao(root_pot, root_paid));
    }

    /// Divides what validators have earned between them and their parents, and adds it up by hotkey.
    fn collect_dividends(
        netuid: NetUid,
        hotkeys: &[T::AccountId],
        earned: &[Alpha],
    ) -> Vec<Dividend<T::AccountId>> {
        let mut collected = BTreeMap::<T::AccountId, Alpha>::new();
        for (hotkey, amount) in by_hotkey(hotkeys, earned) {
            let family = Self::family_of(netuid, hotkey);
            let split = split_dividends(&family, amount, Self::tao_weight(), Self::childkey_burn());
            for (receiver, part) in split.payouts {
                let total = collected.entry(receiver).or_default();
                *total = total.saturating_add(part);
            }
            // The pot is divided anew by what was collected, so the burned part is still paid to somebody.
        }
        collected
            .into_iter()
            .map(|(hotkey, dividends_rao)| Dividend {
                stake: Self::own_stake(netuid, &hotkey),
                hotkey,
                dividends_rao,
            })
            .collect()
    }

    fn family_of(netuid: NetUid, hotkey: T::AccountId) -> Family<T::AccountId> {
        let coldkey = Self::coldkey_of(&hotkey);
        Family {
            stake: Self::own_stake(netuid, &hotkey),
            child_proportions_u64: Self::children_of(&hotkey, netuid)
                .into_iter()
                .map(|(part, _)| part)
                .collect(),
            parents: Self::parents_of(&hotkey, netuid)
                .into_iter()
                .map(|(proportion_u64, parent)| Parent {
                    stake: Self::own_stake(netuid, &parent),
                    same_coldkey: Self::coldkey_of(&parent) == coldkey,
                    hotkey: parent,
                    proportion_u64,
                })
                .collect(),
            childkey_take_u16: Self::childkey_take_of(&hotkey, netuid),
            hotkey,
        }
    }

    /// Pays a hotkey's owner the take and its nominators the rest. Returns what reached somebody or was noted.
    fn pay_alpha_dividend(netuid: NetUid, payout: &Payout<T::AccountId>) -> Alpha {
        let hotkey = &payout.hotkey;
        let split = split_take(payout.alpha, Self::take_of(hotkey));
        Self::stake_or_leave(netuid, hotkey, &Self::coldkey_of(hotkey), split.take_rao);
        if split.nominators_rao > 0 && Self::credit_nominators(hotkey, netuid, split.nominators_rao).is_err()
        {
            Self::leave_unassigned(netuid, split.nominators_rao);
        }
        if split.nominators_rao > 0 {
            AlphaDividendsPerSubnet::<T>::insert(netuid, hotkey, split.nominators_rao);
        }
        Self::record_alpha_at_epoch(hotkey, netuid);
        split.take_rao.saturating_add(split.nominators_rao)
    }

    /// Pays a hotkey's owner the take in alpha and lets the rest accrue to those who stake TAO on root with it.
    fn pay_root_dividend(netuid: NetUid, payout: &Payout<T::AccountId>) -> Alpha {
        let hotkey = &payout.hotkey;
        let split = split_take(payout.root, Self::take_of(hotkey));
        Self::stake_or_leave(netuid, hotkey, &Self::coldkey_of(hotkey), split.take_rao);
        if split.nominators_rao > 0 {
            let left = Self::accrue_root_dividend(hotkey, netuid, split.nominators_rao)
                .unwrap_or(split.nominators_rao);
            Self::leave_unassigned(netuid, left);
            RootAlphaDividendsPerSubnet::<T>::insert(netuid, hotkey, split.nominators_rao);
        }
        split.take_rao.saturating_add(split.nominators_rao)
    }

    /// Stakes a reward, or notes it as nobody's if it is too small to be staked.
    fn stake_or_leave(netuid: NetUid, hotkey: &T::AccountId, coldkey: &T::AccountId, amount: Alpha) {
        if amount > 0 && Self::credit_stake(hotkey, coldkey, netuid, amount).is_err() {
            Self::leave_unassigned(netuid, amount);
        }
    }
}

fn by_hotkey<AccountId: Ord + Clone>(hotkeys: &[AccountId], amounts: &[Alpha]) -> BTreeMap<AccountId, Alpha> {
    hotkeys.iter().cloned().zip(amounts.iter().copied()).collect()
}

fn sum(amounts: &[Alpha]) -> Alpha {
    amounts.iter().fold(0, |total, amount| total.saturating_add(*amount))
}
