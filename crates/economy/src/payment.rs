//! The order in which an epoch is paid.
//!
//! First the subnet's owner, then miners by hotkey, then validators for their alpha, then validators for their stake on root.
//! What the first ones are paid already counts for the shares of the later ones, so the order is part of the result. The
//! amounts come from [`distribution`](crate::distribution). Where accounts are kept is up to an [`EpochLedger`]: the state
//! machine has them in storage, and whoever recomputes an epoch in memory.

use crate::{
    distribution::{
        apportion, settle_incentives, split_dividends, unpaid_rao, Dividend, EpochPots, Family, Payout,
    },
    stake::{split_take, StakePair, TakeSplit},
};
use alloc::{collections::BTreeMap, vec::Vec};
use myelin_fixed::U96F32;

/// The accounts of one subnet. What is paid may be too little to be staked; then it stays with nobody, and the ledger says so
/// in its own books.
pub trait EpochLedger {
    /// A hotkey's account.
    type Hotkey: Clone + Ord;

    /// What a rao of TAO on root counts beside a rao of alpha.
    fn tao_weight(&self) -> U96F32;
    /// Part of what a child pays its parents that is withheld, in (2^64 - 1)ths.
    fn childkey_burn_u64(&self) -> u64;
    /// Whether a hotkey is the subnet owner's, who is not paid as a miner.
    fn is_owners(&self, hotkey: &Self::Hotkey) -> bool;
    /// A validator, those who lend to it and what it lends.
    fn family(&self, hotkey: &Self::Hotkey) -> Family<Self::Hotkey>;
    /// A hotkey's own stake, without inheritance.
    fn own_stake(&self, hotkey: &Self::Hotkey) -> StakePair;
    /// The part of dividends that a hotkey's owner takes, in 65535ths.
    fn take_u16(&self, hotkey: &Self::Hotkey) -> u16;

    /// Stakes the cut of the subnet's owner.
    fn pay_owner(&mut self, cut_rao: u64);
    /// Stakes what a miner has earned.
    fn pay_incentive(&mut self, hotkey: &Self::Hotkey, rao: u64);
    /// What the owner's own miners have earned goes to nobody: so many rao, which is this part of all incentives.
    fn withhold(&mut self, rao: u64, miner_burned: U96F32);
    /// Stakes the take of a hotkey's owner behind the hotkey.
    fn pay_take(&mut self, hotkey: &Self::Hotkey, rao: u64);
    /// Divides dividends, which are not 0, among all who stake behind a hotkey.
    fn pay_nominators(&mut self, hotkey: &Self::Hotkey, rao: u64);
    /// A hotkey has what it gets for its alpha.
    fn alpha_is_paid(&mut self, hotkey: &Self::Hotkey);
    /// Lets dividends, which are not 0, accrue to all who stake on root with a hotkey.
    fn pay_root_stakers(&mut self, hotkey: &Self::Hotkey, rao: u64);
    /// Notes alpha that was set aside and reached nobody.
    fn leave_unassigned(&mut self, rao: u64);
    /// Settles what payments have left of the miners' pot, or have taken beyond it.
    fn settle_server_pot(&mut self, surplus_rao: i128);
}

/// What Yuma Consensus gives to each neuron of a subnet, by uid.
#[derive(Clone, Copy, Debug)]
pub struct Earnings<'a, Hotkey> {
    /// Who has the slot.
    pub hotkeys: &'a [Hotkey],
    /// Earned as a miner, in alpha-rao.
    pub server_rao: &'a [u64],
    /// Earned as a validator, in alpha-rao.
    pub validator_rao: &'a [u64],
}

/// Pays `pots` by what an epoch came to.
pub fn pay_epoch<Ledger: EpochLedger>(
    ledger: &mut Ledger,
    pots: &EpochPots,
    earnings: Earnings<'_, Ledger::Hotkey>,
) {
    let incentives_rao = earnings.server_rao.iter().fold(0_u64, |total, rao| total.saturating_add(*rao));
    ledger.pay_owner(pots.owner_cut_rao);
    pay_miners(ledger, by_hotkey(earnings.hotkeys, earnings.server_rao));

    let dividends = collect_dividends(ledger, by_hotkey(earnings.hotkeys, earnings.validator_rao));
    let alpha_pot_rao = pots.alpha_dividends_rao(incentives_rao);
    let payouts = apportion(&dividends, alpha_pot_rao, pots.root_rao, ledger.tao_weight());
    let alpha_paid: Vec<u64> = payouts.iter().map(|payout| pay_alpha(ledger, payout)).collect();
    let root_paid: Vec<u64> = payouts.iter().map(|payout| pay_root(ledger, payout)).collect();
    ledger.leave_unassigned(unpaid_rao(alpha_pot_rao, alpha_paid));
    ledger.leave_unassigned(unpaid_rao(pots.root_rao, root_paid));
    ledger.settle_server_pot(pots.server_surplus_rao(incentives_rao));
}

fn pay_miners<Ledger: EpochLedger>(ledger: &mut Ledger, earned: BTreeMap<Ledger::Hotkey, u64>) {
    let incentives = settle_incentives(earned, |hotkey| ledger.is_owners(hotkey));
    ledger.withhold(incentives.withheld_rao, incentives.miner_burned);
    for (hotkey, rao) in incentives.paid {
        ledger.pay_incentive(&hotkey, rao);
    }
}

/// Divides what validators have earned between them and their parents, and adds it up by hotkey.
fn collect_dividends<Ledger: EpochLedger>(
    ledger: &Ledger,
    earned: BTreeMap<Ledger::Hotkey, u64>,
) -> Vec<Dividend<Ledger::Hotkey>> {
    let (tao_weight, childkey_burn_u64) = (ledger.tao_weight(), ledger.childkey_burn_u64());
    let mut collected = BTreeMap::<Ledger::Hotkey, u64>::new();
    for (hotkey, rao) in earned {
        let split = split_dividends(&ledger.family(&hotkey), rao, tao_weight, childkey_burn_u64);
        for (receiver, part) in split.payouts {
            let total = collected.entry(receiver).or_default();
            *total = total.saturating_add(part);
        }
        // The pot is divided anew by what was collected, so the burned part is still paid to somebody.
    }
    let dividend =
        |(hotkey, dividends_rao)| Dividend { stake: ledger.own_stake(&hotkey), hotkey, dividends_rao };
    collected.into_iter().map(dividend).collect()
}

/// Pays a hotkey's owner the take and all who stake behind it the rest. Returns both together, in rao.
fn pay_alpha<Ledger: EpochLedger>(ledger: &mut Ledger, payout: &Payout<Ledger::Hotkey>) -> u64 {
    let split = pay_take(ledger, &payout.hotkey, payout.alpha);
    if split.nominators_rao > 0 {
        ledger.pay_nominators(&payout.hotkey, split.nominators_rao);
    }
    ledger.alpha_is_paid(&payout.hotkey);
    split.take_rao.saturating_add(split.nominators_rao)
}

/// Pays a hotkey's owner the take, and lets the rest accrue to those who stake on root with it. Returns both together, in rao.
fn pay_root<Ledger: EpochLedger>(ledger: &mut Ledger, payout: &Payout<Ledger::Hotkey>) -> u64 {
    let split = pay_take(ledger, &payout.hotkey, payout.root);
    if split.nominators_rao > 0 {
        ledger.pay_root_stakers(&payout.hotkey, split.nominators_rao);
    }
    split.take_rao.saturating_add(split.nominators_rao)
}

fn pay_take<Ledger: EpochLedger>(ledger: &mut Ledger, hotkey: &Ledger::Hotkey, share: U96F32) -> TakeSplit {
    let split = split_take(share, ledger.take_u16(hotkey));
    ledger.pay_take(hotkey, split.take_rao);
    split
}

fn by_hotkey<Hotkey: Clone + Ord>(hotkeys: &[Hotkey], amounts_rao: &[u64]) -> BTreeMap<Hotkey, u64> {
    hotkeys.iter().cloned().zip(amounts_rao.iter().copied()).collect()
}
