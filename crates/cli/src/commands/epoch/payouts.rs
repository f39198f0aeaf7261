//! What an epoch pays to whom.
//!
//! The chain pays the subnet's owner first, then miners, then validators for their alpha, and last those for their TAO on root.
//! What the first ones stake already counts for the shares of the later ones, so that all of it has to be done over.

use std::collections::BTreeMap;

use myelin_economy::{
    decimal::SafeFloat,
    distribution::{
        apportion, settle_incentives, split_dividends, Dividend, EpochPots, Family, Parent, Payout,
    },
    root_claims::{claimable_dividend, ClaimableDividend},
    share_pool::SharePool,
    stake::{split_take, StakePair},
};
use myelin_runtime::AccountId;
use myelin_yuma::SubnetOutput;
use substrate_fixed::types::{I96F32, U96F32};

use super::accounts::{Accounts, Holder, Neuron};

/// What a chain stores of an epoch's payments, by hotkey.
#[derive(Default)]
pub struct Payouts {
    /// Alpha for those who stake on the subnet, in rao.
    pub alpha_dividends: BTreeMap<AccountId, u64>,
    /// Alpha for those who stake on root, in rao.
    pub root_dividends: BTreeMap<AccountId, u64>,
    /// Alpha behind a hotkey once it had its dividends, in rao.
    pub alpha_at_epoch: BTreeMap<AccountId, u64>,
    /// Alpha owed for each rao behind a hotkey on root.
    pub root_rates: BTreeMap<AccountId, I96F32>,
    /// Share of the miners' reward that was withheld from the owner's own.
    pub miner_burned: U96F32,
}

impl Payouts {
    /// Divides `pots` by the result of an epoch.
    pub fn of(accounts: Accounts, pots: &EpochPots, result: &SubnetOutput) -> Self {
        let incentives_rao = total(&result.server_emission);
        let mut ledger = Ledger { accounts };
        ledger.pay_owner(pots.owner_cut_rao);
        let mut payouts =
            Self { miner_burned: ledger.pay_miners(&result.server_emission), ..Self::default() };
        let dividends = ledger.collect(&result.validator_emission);
        let alpha_pot_rao = pots.alpha_dividends_rao(incentives_rao);
        let shares = apportion(&dividends, alpha_pot_rao, pots.root_rao, ledger.accounts.tao_weight);
        for share in &shares {
            put_positive(&mut payouts.alpha_dividends, &share.hotkey, ledger.pay_alpha(share));
            payouts.alpha_at_epoch.insert(share.hotkey.clone(), ledger.stake(&share.hotkey).alpha_rao);
        }
        for share in &shares {
            put_positive(&mut payouts.root_dividends, &share.hotkey, ledger.pay_root(share));
            payouts.root_rates.insert(share.hotkey.clone(), ledger.root_rate(&share.hotkey));
        }
        payouts
    }
}

/// Who got nothing has no row.
fn put_positive(dividends: &mut BTreeMap<AccountId, u64>, hotkey: &AccountId, rao: u64) {
    if rao > 0 {
        dividends.insert(hotkey.clone(), rao);
    }
}

/// Accounts while they are being paid.
struct Ledger {
    accounts: Accounts,
}

impl Ledger {
    fn holder(&self, hotkey: &AccountId) -> Option<&Holder> {
        self.accounts.holders.get(hotkey)
    }

    fn coldkey(&self, hotkey: &AccountId) -> Option<AccountId> {
        self.holder(hotkey).map(|holder| holder.coldkey.clone())
    }

    fn stake(&self, hotkey: &AccountId) -> StakePair {
        self.holder(hotkey).map_or_else(StakePair::default, |holder| StakePair {
            alpha_rao: holder.pool.value_rao,
            root_rao: holder.root_rao,
        })
    }

    fn root_rate(&self, hotkey: &AccountId) -> I96F32 {
        self.holder(hotkey).map_or_else(I96F32::default, |holder| holder.root_rate)
    }

    fn pay_owner(&mut self, cut_rao: u64) {
        if self.accounts.has_owner {
            let (hotkey, coldkey) = (self.accounts.owner_hotkey.clone(), self.accounts.owner_coldkey.clone());
            self.stake_for(&hotkey, &coldkey, cut_rao);
        }
    }

    /// Pays miners in the order of their hotkeys; returns the share that was withheld.
    fn pay_miners(&mut self, earned_rao: &[u64]) -> U96F32 {
        let by_hotkey: BTreeMap<AccountId, (AccountId, u64)> = self
            .earned(earned_rao)
            .map(|(neuron, rao)| (neuron.hotkey.clone(), (neuron.staked_behind.clone(), rao)))
            .collect();
        let incentives = by_hotkey.iter().map(|(hotkey, (_, rao))| (hotkey.clone(), *rao));
        let incentives = settle_incentives(incentives, |hotkey| self.is_owners(hotkey));
        for (hotkey, rao) in incentives.paid {
            if let (Some((behind, _)), Some(coldkey)) = (by_hotkey.get(&hotkey), self.coldkey(&hotkey)) {
                self.stake_for(behind, &coldkey, rao);
            }
        }
        incentives.miner_burned
    }

    fn is_owners(&self, hotkey: &AccountId) -> bool {
        hotkey == &self.accounts.owner_hotkey
            || self.coldkey(hotkey).is_some_and(|coldkey| coldkey == self.accounts.owner_coldkey)
    }

    fn earned<'a>(&'a self, earned_rao: &'a [u64]) -> impl Iterator<Item = (&'a Neuron, u64)> {
        self.accounts.neurons.iter().zip(earned_rao.iter().copied())
    }

    /// Divides what validators have earned between them and their parents.
    fn collect(&self, earned_rao: &[u64]) -> Vec<Dividend<AccountId>> {
        let mut collected = BTreeMap::<AccountId, u64>::new();
        for (neuron, rao) in self.earned(earned_rao) {
            let Accounts { tao_weight, childkey_burn_u64, .. } = self.accounts;
            let split = split_dividends(&self.family(neuron), rao, tao_weight, childkey_burn_u64);
            for (receiver, part) in split.payouts {
                let total = collected.entry(receiver).or_default();
                *total = total.saturating_add(part);
            }
        }
        let dividend =
            |(hotkey, dividends_rao)| Dividend { stake: self.stake(&hotkey), hotkey, dividends_rao };
        collected.into_iter().map(dividend).collect()
    }

    fn family(&self, neuron: &Neuron) -> Family<AccountId> {
        let coldkey = self.coldkey(&neuron.hotkey);
        let parents = neuron.parents.iter().map(|(proportion_u64, parent)| Parent {
            stake: self.stake(parent),
            same_coldkey: self.coldkey(parent) == coldkey,
            hotkey: parent.clone(),
            proportion_u64: *proportion_u64,
        });
        Family {
            hotkey: neuron.hotkey.clone(),
            stake: self.stake(&neuron.hotkey),
            child_proportions_u64: neuron.child_proportions_u64.clone(),
            parents: parents.collect(),
            childkey_take_u16: neuron.childkey_take_u16,
        }
    }

    /// Pays the owner of a hotkey its take, and all who stake behind it the rest, which is returned.
    fn pay_alpha(&mut self, share: &Payout<AccountId>) -> u64 {
        let nominators_rao = self.pay_take(&share.hotkey, share.alpha);
        let pool = self.holder(&share.hotkey).map(|holder| holder.pool).unwrap_or_default();
        match pool.credit_all(nominators_rao) {
            _ if nominators_rao == 0 => {}
            _ if pool.shares.is_zero() => self.stake_for_owner(&share.hotkey, nominators_rao),
            Ok(pool) => self.put_pool(&share.hotkey, pool),
            Err(_) => {}
        }
        nominators_rao
    }

    /// Pays the owner of a hotkey its take, and lets the rest, which is returned, accrue to those who stake on root.
    fn pay_root(&mut self, share: &Payout<AccountId>) -> u64 {
        let nominators_rao = self.pay_take(&share.hotkey, share.root);
        match claimable_dividend(nominators_rao, self.stake(&share.hotkey).root_rao) {
            _ if nominators_rao == 0 => {}
            ClaimableDividend::StakeToOwner { amount_rao } => self.stake_for_owner(&share.hotkey, amount_rao),
            ClaimableDividend::Rate { increase, .. } => {
                if let Some(holder) = self.accounts.holders.get_mut(&share.hotkey) {
                    holder.root_rate = holder.root_rate.saturating_add(increase);
                }
            }
        }
        nominators_rao
    }

    /// Stakes the owner's part of a share; returns the others'.
    fn pay_take(&mut self, hotkey: &AccountId, share: U96F32) -> u64 {
        let split = split_take(share, self.holder(hotkey).map_or(0, |holder| holder.take_u16));
        self.stake_for_owner(hotkey, split.take_rao);
        split.nominators_rao
    }

    fn stake_for_owner(&mut self, hotkey: &AccountId, rao: u64) {
        if let Some(coldkey) = self.coldkey(hotkey) {
            self.stake_for(hotkey, &coldkey, rao);
        }
    }

    /// Stakes behind a hotkey. What buys no share is nobody's.
    fn stake_for(&mut self, hotkey: &AccountId, coldkey: &AccountId, rao: u64) {
        let stake = (hotkey.clone(), coldkey.clone());
        let held = self.accounts.shares.get(&stake).copied().unwrap_or_default();
        let pool = self.holder(hotkey).map(|holder| holder.pool).unwrap_or_default();
        let Ok(update) = pool.deposit(held, rao) else { return };
        if update.restarted {
            self.forget_shares(hotkey);
        }
        self.accounts.shares.insert(stake, update.member_shares);
        self.put_pool(hotkey, update.pool);
    }

    fn forget_shares(&mut self, hotkey: &AccountId) {
        for ((behind, _), shares) in &mut self.accounts.shares {
            if behind == hotkey {
                *shares = SafeFloat::ZERO;
            }
        }
    }

    fn put_pool(&mut self, hotkey: &AccountId, pool: SharePool) {
        if let Some(holder) = self.accounts.holders.get_mut(hotkey) {
            holder.pool = pool;
        }
    }
}

fn total(amounts_rao: &[u64]) -> u64 {
    amounts_rao.iter().fold(0, |total: u64, rao| total.saturating_add(*rao))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(seed: u8) -> AccountId {
        AccountId::new([seed; 32])
    }

    /// A validator of 1,000 rao of alpha that all belong to its owner, and an empty hotkey of the subnet's owner.
    fn accounts() -> Accounts {
        let (validator, owner) = (account(1), account(2));
        let holder = |coldkey, value_rao: u64, root_rao| Holder {
            coldkey,
            take_u16: 0,
            pool: SharePool { value_rao, shares: SafeFloat::from(value_rao) },
            root_rao,
            root_rate: I96F32::from_num(0),
        };
        let neuron = Neuron {
            hotkey: validator.clone(),
            child_proportions_u64: Vec::new(),
            parents: Vec::new(),
            childkey_take_u16: 0,
            staked_behind: validator.clone(),
        };
        let holders =
            [(validator.clone(), holder(account(11), 1_000, 10)), (owner.clone(), holder(account(12), 0, 0))];
        Accounts {
            neurons: vec![neuron],
            holders: holders.into(),
            shares: [((validator, account(11)), SafeFloat::from(1_000))].into(),
            owner_coldkey: account(12),
            owner_hotkey: owner,
            has_owner: true,
            tao_weight: U96F32::from_num(1),
            childkey_burn_u64: 0,
        }
    }

    fn result(server_rao: u64, validator_rao: u64) -> SubnetOutput {
        SubnetOutput {
            server_emission: vec![server_rao],
            validator_emission: vec![validator_rao],
            ..Default::default()
        }
    }

    #[test]
    fn a_root_dividend_beyond_the_root_stake_is_staked_for_the_owner() {
        let pots = EpochPots { root_rao: 1_000, ..EpochPots::default() };
        let payouts = Payouts::of(accounts(), &pots, &result(0, 100));
        assert_eq!(payouts.root_dividends[&account(1)], 1_000);
        assert_eq!(payouts.root_rates[&account(1)], 0);
        assert_eq!(payouts.alpha_at_epoch[&account(1)], 1_000, "it is noted before root is paid");
        let pots = EpochPots { root_rao: 5, ..EpochPots::default() };
        let payouts = Payouts::of(accounts(), &pots, &result(0, 100));
        assert_eq!(payouts.root_rates[&account(1)], 0.5, "5 rao for each of 10");
    }

    #[test]
    fn a_pool_without_value_forgets_whose_it_was() {
        let mut accounts = accounts();
        let leftover = (account(2), account(13));
        accounts.shares.insert(leftover.clone(), SafeFloat::from(7));
        if let Some(holder) = accounts.holders.get_mut(&account(2)) {
            holder.pool.shares = SafeFloat::from(7);
        }
        let mut ledger = Ledger { accounts };
        ledger.pay_owner(50);
        assert_eq!(ledger.stake(&account(2)).alpha_rao, 50);
        assert_eq!(ledger.accounts.shares[&leftover], SafeFloat::ZERO);
        assert_eq!(ledger.accounts.shares[&(account(2), account(12))], SafeFloat::from(50));
    }

    #[test]
    fn without_incentives_validators_get_the_miners_pot() {
        let pots = EpochPots { server_rao: 600, validator_rao: 400, ..EpochPots::default() };
        let payouts = Payouts::of(accounts(), &pots, &result(0, 100));
        assert_eq!(payouts.alpha_dividends[&account(1)], 1_000);
        let payouts = Payouts::of(accounts(), &pots, &result(1, 100));
        assert_eq!(payouts.alpha_dividends[&account(1)], 400);
        assert_eq!(payouts.alpha_at_epoch[&account(1)], 1_401);
    }
}
