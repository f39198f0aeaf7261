//! What an epoch pays to whom.
//!
//! Payments are made in memory as the chain makes them in its state, by the same rules and in the same order
//! ([`pay_epoch`]).

use std::collections::BTreeMap;

use myelin_economy::{
    decimal::SafeFloat,
    distribution::{EpochPots, Family, Parent},
    payment::{pay_epoch, Earnings, EpochLedger},
    root_claims::{claimable_dividend, ClaimableDividend},
    share_pool::SharePool,
    stake::StakePair,
};
use myelin_runtime::AccountId;
use myelin_yuma::SubnetOutput;
use substrate_fixed::types::{I96F32, U96F32};

use super::accounts::{Accounts, Holder};

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
        let hotkeys = accounts.hotkeys.clone();
        let earnings = Earnings {
            hotkeys: &hotkeys,
            server_rao: &result.server_emission,
            validator_rao: &result.validator_emission,
        };
        let mut ledger = Ledger { accounts, payouts: Self::default() };
        pay_epoch(&mut ledger, pots, earnings);
        ledger.payouts
    }
}

/// Accounts while they are being paid.
struct Ledger {
    accounts: Accounts,
    payouts: Payouts,
}

impl EpochLedger for Ledger {
    type Hotkey = AccountId;

    fn tao_weight(&self) -> U96F32 {
        self.accounts.tao_weight
    }

    fn childkey_burn_u64(&self) -> u64 {
        self.accounts.childkey_burn_u64
    }

    fn is_owners(&self, hotkey: &AccountId) -> bool {
        hotkey == &self.accounts.owner_hotkey
            || self.coldkey(hotkey).is_some_and(|coldkey| coldkey == self.accounts.owner_coldkey)
    }

    fn family(&self, hotkey: &AccountId) -> Family<AccountId> {
        let coldkey = self.coldkey(hotkey);
        let neuron = self.accounts.neurons.get(hotkey);
        let parents = neuron.map(|neuron| neuron.parents.as_slice()).unwrap_or_default();
        let parents = parents.iter().map(|(proportion_u64, parent)| Parent {
            stake: self.own_stake(parent),
            same_coldkey: self.coldkey(parent) == coldkey,
            hotkey: parent.clone(),
            proportion_u64: *proportion_u64,
        });
        Family {
            hotkey: hotkey.clone(),
            stake: self.own_stake(hotkey),
            child_proportions_u64: neuron
                .map(|neuron| neuron.child_proportions_u64.clone())
                .unwrap_or_default(),
            parents: parents.collect(),
            childkey_take_u16: neuron.map_or(0, |neuron| neuron.childkey_take_u16),
        }
    }

    fn own_stake(&self, hotkey: &AccountId) -> StakePair {
        self.holder(hotkey).map_or_else(StakePair::default, |holder| StakePair {
            alpha_rao: holder.pool.value_rao,
            root_rao: holder.root_rao,
        })
    }

    fn take_u16(&self, hotkey: &AccountId) -> u16 {
        self.holder(hotkey).map_or(0, |holder| holder.take_u16)
    }

    fn pay_owner(&mut self, cut_rao: u64) {
        if self.accounts.has_owner {
            let (hotkey, coldkey) = (self.accounts.owner_hotkey.clone(), self.accounts.owner_coldkey.clone());
            self.stake_for(&hotkey, &coldkey, cut_rao);
        }
    }

    fn pay_incentive(&mut self, hotkey: &AccountId, rao: u64) {
        let behind = self.accounts.neurons.get(hotkey).map(|neuron| neuron.staked_behind.clone());
        if let (Some(behind), Some(coldkey)) = (behind, self.coldkey(hotkey)) {
            self.stake_for(&behind, &coldkey, rao);
        }
    }

    fn withhold(&mut self, _rao: u64, miner_burned: U96F32) {
        self.payouts.miner_burned = miner_burned;
    }

    fn pay_take(&mut self, hotkey: &AccountId, rao: u64) {
        self.stake_for_owner(hotkey, rao);
    }

    fn pay_nominators(&mut self, hotkey: &AccountId, rao: u64) {
        let pool = self.holder(hotkey).map(|holder| holder.pool).unwrap_or_default();
        match pool.credit_all(rao) {
            _ if pool.shares.is_zero() => self.stake_for_owner(hotkey, rao),
            Ok(pool) => self.put_pool(hotkey, pool),
            Err(_) => {}
        }
        self.payouts.alpha_dividends.insert(hotkey.clone(), rao);
    }

    fn alpha_is_paid(&mut self, hotkey: &AccountId) {
        self.payouts.alpha_at_epoch.insert(hotkey.clone(), self.own_stake(hotkey).alpha_rao);
        self.note_root_rate(hotkey);
    }

    fn pay_root_stakers(&mut self, hotkey: &AccountId, rao: u64) {
        match claimable_dividend(rao, self.own_stake(hotkey).root_rao) {
            ClaimableDividend::StakeToOwner { amount_rao } => self.stake_for_owner(hotkey, amount_rao),
            ClaimableDividend::Rate { increase, .. } => {
                if let Some(holder) = self.accounts.holders.get_mut(hotkey) {
                    holder.root_rate = holder.root_rate.saturating_add(increase);
                }
            }
        }
        self.note_root_rate(hotkey);
        self.payouts.root_dividends.insert(hotkey.clone(), rao);
    }

    // What nobody gets is the subnet's, and is not compared.
    fn leave_unassigned(&mut self, _rao: u64) {}

    fn settle_server_pot(&mut self, _surplus_rao: i128) {}
}

impl Ledger {
    fn holder(&self, hotkey: &AccountId) -> Option<&Holder> {
        self.accounts.holders.get(hotkey)
    }

    fn coldkey(&self, hotkey: &AccountId) -> Option<AccountId> {
        self.holder(hotkey).map(|holder| holder.coldkey.clone())
    }

    fn note_root_rate(&mut self, hotkey: &AccountId) {
        let rate = self.holder(hotkey).map_or_else(I96F32::default, |holder| holder.root_rate);
        self.payouts.root_rates.insert(hotkey.clone(), rate);
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

#[cfg(test)]
mod tests {
    use super::{super::accounts::Neuron, *};

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
            child_proportions_u64: Vec::new(),
            parents: Vec::new(),
            childkey_take_u16: 0,
            staked_behind: validator.clone(),
        };
        let holders =
            [(validator.clone(), holder(account(11), 1_000, 10)), (owner.clone(), holder(account(12), 0, 0))];
        Accounts {
            hotkeys: vec![validator.clone()],
            neurons: [(validator.clone(), neuron)].into(),
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
        let mut ledger = Ledger { accounts, payouts: Payouts::default() };
        ledger.pay_owner(50);
        assert_eq!(ledger.own_stake(&account(2)).alpha_rao, 50);
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
