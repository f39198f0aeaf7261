//! What TAO staked on root earns.
//!
//! A subnet's alpha for root accrues to a hotkey as a *rate*: alpha for each rao of TAO staked on root with it. What a staker
//! is owed is the rate times the stake, less what was counted as had. Stake that comes later has had everything so far.

pub mod storage;

use myelin_economy::root_claims::{
    claimable_dividend, claimed_after_adding, claimed_after_removing, ClaimableDividend,
};

use crate::*;

impl<T: Config> Pallet<T> {
    /// Alpha set aside for claims on `netuid`.
    pub fn root_claim_pot(netuid: NetUid) -> Alpha {
        RootClaimPot::<T>::get(netuid)
    }

    /// Lets `amount` of alpha accrue to those who stake on root with `hotkey`. Returns what rounding left over.
    pub(crate) fn accrue_root_dividend(
        hotkey: &T::AccountId,
        netuid: NetUid,
        amount: Alpha,
    ) -> Result<Alpha, Error<T>> {
        match claimable_dividend(amount, Self::hotkey_alpha(hotkey, ROOT)) {
            ClaimableDividend::StakeToOwner { amount_rao } => {
                Self::credit_stake(hotkey, &Self::coldkey_of(hotkey), netuid, amount_rao)?;
                Ok(0)
            }
            ClaimableDividend::Rate { increase, dust_rao } => {
                RootClaimable::<T>::mutate(hotkey, |rates| {
                    let rate = rates.entry(netuid).or_default();
                    *rate = rate.saturating_add(increase);
                });
                let claimable = amount.saturating_sub(dust_rao);
                RootClaimPot::<T>::mutate(netuid, |pot| *pot = pot.saturating_add(claimable));
                Ok(dust_rao)
            }
        }
    }

    pub(crate) fn root_stake_added(hotkey: &T::AccountId, coldkey: &T::AccountId, amount: Tao) {
        for (netuid, rate) in RootClaimable::<T>::get(hotkey) {
            RootClaimed::<T>::mutate((netuid, hotkey, coldkey), |claimed| {
                *claimed = claimed_after_adding(*claimed, rate, amount);
            });
        }
    }

    pub(crate) fn root_stake_removed(hotkey: &T::AccountId, coldkey: &T::AccountId, amount: Tao) {
        for (netuid, rate) in RootClaimable::<T>::get(hotkey) {
            RootClaimed::<T>::mutate((netuid, hotkey, coldkey), |claimed| {
                *claimed = claimed_after_removing(*claimed, rate, amount);
            });
        }
    }
}
