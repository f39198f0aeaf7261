//! How an epoch's alpha reaches the accounts it belongs to.
//!
//! An epoch pays out four pots ([`EpochPots`]). Yuma Consensus divides their sum into a miner part and a validator
//! part for each neuron. From there:
//!
//! 1. [`settle_incentives`]: miner parts are paid as they are, except that those of the subnet owner are withheld.
//! 2. [`split_dividends`]: each validator part is divided between the hotkey and the parents it inherits from.
//! 3. [`apportion`]: what each hotkey collected decides its share of the validator pot, for its alpha stake, and
//!    of the root pot, for its root stake.
//! 4. [`split_take`](crate::stake::split_take) takes the delegate's part off each of these shares.

use crate::stake::{part_of, sum, StakePair};
use alloc::vec::Vec;
use myelin_fixed::{Proportion, SafeDiv, WideProportion, U96F32};

/// The four pots of one epoch, in alpha-rao.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpochPots {
    /// Accrued for miners.
    pub server_rao: u64,
    /// Accrued for validators.
    pub validator_rao: u64,
    /// Accrued for root.
    pub root_rao: u64,
    /// Accrued for the owner.
    pub owner_cut_rao: u64,
}

impl EpochPots {
    /// The emission that Yuma Consensus divides: every pot but the owner's.
    #[must_use]
    pub fn epoch_emission_rao(&self) -> u64 {
        self.server_rao.saturating_add(self.validator_rao).saturating_add(self.root_rao)
    }

    /// What validators and their stakers share for their alpha: their pot, and the miners' too if no miner earned
    /// anything.
    #[must_use]
    pub fn alpha_dividends_rao(&self, incentives_rao: u64) -> u64 {
        match incentives_rao {
            0 => self.validator_rao.saturating_add(self.server_rao),
            _ => self.validator_rao,
        }
    }

    /// Alpha of the miner pot that no payment uses up (positive) or that payments exceed it by (negative).
    ///
    /// Miners are paid their Yuma share of the whole epoch emission, not their pot; without root dividends, which
    /// [`root_sells`](crate::subnet_emission::root_sells) decides, that is less than the pot, and rounding can make
    /// it slightly more.
    #[must_use]
    pub fn server_surplus_rao(&self, incentives_rao: u64) -> i128 {
        let used_rao = if incentives_rao == 0 { self.server_rao } else { incentives_rao };
        i128::from(self.server_rao) - i128::from(used_rao)
    }
}

/// Miner parts of an epoch after the owner's are withheld; `paid` keeps the order of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incentives<Hotkey> {
    /// To be paid.
    pub paid: Vec<(Hotkey, u64)>,
    /// Not paid: parts of hotkeys that belong to the subnet owner.
    pub withheld: Vec<(Hotkey, u64)>,
    /// Sum of `withheld`; recycled or burned as the subnet is configured.
    pub withheld_rao: u64,
    /// Sum of both lists.
    pub total_rao: u64,
    /// `withheld_rao / total_rao`, 0 if nothing was earned; lowers the subnet's share of TAO until the next epoch.
    pub miner_burned: U96F32,
}

/// Separates the incentives that are withheld from those that are paid.
pub fn settle_incentives<Hotkey>(
    incentives: impl IntoIterator<Item = (Hotkey, u64)>,
    is_owners: impl Fn(&Hotkey) -> bool,
) -> Incentives<Hotkey> {
    let (withheld, paid): (Vec<_>, Vec<_>) =
        incentives.into_iter().filter(|(_, rao)| *rao > 0).partition(|(hotkey, _)| is_owners(hotkey));
    let (withheld_rao, paid_rao) = (total(&withheld), total(&paid));
    let total_rao = withheld_rao.saturating_add(paid_rao);
    let miner_burned =
        U96F32::saturating_from_num(withheld_rao).safe_div(U96F32::saturating_from_num(total_rao));
    Incentives { paid, withheld, withheld_rao, total_rao, miner_burned }
}

fn total<Hotkey>(payments: &[(Hotkey, u64)]) -> u64 {
    payments.iter().fold(0, |total, (_, rao)| total.saturating_add(*rao))
}

/// A validator and the stake that earned its dividends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family<Hotkey> {
    /// The validator.
    pub hotkey: Hotkey,
    /// Its own stake.
    pub stake: StakePair,
    /// What it lends each of its children, in (2^64 - 1)ths.
    pub child_proportions_u64: Vec<u64>,
    /// Those who lend to it, in stored order.
    pub parents: Vec<Parent<Hotkey>>,
    /// Its [effective](crate::stake::effective_childkey_take) take, in 65535ths.
    pub childkey_take_u16: u16,
}

/// One that lends its stake to a validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent<Hotkey> {
    /// The lender.
    pub hotkey: Hotkey,
    /// Its own stake.
    pub stake: StakePair,
    /// Part of it that is lent, in (2^64 - 1)ths.
    pub proportion_u64: u64,
    /// Whether one coldkey owns both hotkeys; then no take and no burn applies.
    pub same_coldkey: bool,
}

/// Parts of one validator's dividends. The payouts, `burned_rao` and `dust_rao` sum to the dividends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DividendSplit<Hotkey> {
    /// One entry a parent in stored order, then the validator's own.
    pub payouts: Vec<(Hotkey, u64)>,
    /// Recycled by the child key burn.
    pub burned_rao: u64,
    /// Rounding: nobody's.
    pub dust_rao: u64,
}

/// Divides a validator's dividends between itself and its parents by the stake that each brings.
///
/// Each parent gives up `childkey_burn_u64` (in (2^64 - 1)ths) and the validator's take.
#[must_use]
pub fn split_dividends<Hotkey: Clone>(
    family: &Family<Hotkey>,
    dividends_rao: u64,
    tao_weight: U96F32,
    childkey_burn_u64: u64,
) -> DividendSplit<Hotkey> {
    let contributions: Vec<U96F32> =
        family.parents.iter().map(|parent| lent_stake(parent, tao_weight)).collect();
    let total = sum(contributions.iter().copied()).saturating_add(kept_stake(family, tao_weight));
    let dividends = U96F32::saturating_from_num(dividends_rao);
    let take = U96F32::from_u16_proportion(family.childkey_take_u16);
    let burn = U96F32::from_u64_proportion(childkey_burn_u64);

    let (mut own, mut takes) = (dividends, U96F32::from_num(0));
    let (mut payouts, mut burned_rao) = (Vec::with_capacity(contributions.len() + 1), 0_u64);
    for (parent, contribution) in family.parents.iter().zip(contributions) {
        let share = dividends.saturating_mul(contribution.safe_div(total));
        own = own.saturating_sub(share);
        let mut payout = share;
        if !parent.same_coldkey {
            let (burned, taken) = (burn.saturating_mul(share), take.saturating_mul(share));
            payout = payout.saturating_sub(burned).saturating_sub(taken);
            takes = takes.saturating_add(taken);
            burned_rao = burned_rao.saturating_add(burned.saturating_to_num());
        }
        payouts.push((parent.hotkey.clone(), payout.saturating_to_num()));
    }
    payouts.push((family.hotkey.clone(), own.saturating_add(takes).saturating_to_num()));
    let dust_rao = dividends_rao.saturating_sub(self::total(&payouts)).saturating_sub(burned_rao);
    DividendSplit { payouts, burned_rao, dust_rao }
}

fn lent_stake<Hotkey>(parent: &Parent<Hotkey>, tao_weight: U96F32) -> U96F32 {
    let tao = part_of(parent.stake.root_rao, parent.proportion_u64).saturating_mul(tao_weight);
    part_of(parent.stake.alpha_rao, parent.proportion_u64).saturating_add(tao)
}

/// The validator's own stake that it does not lend, floored.
fn kept_stake<Hotkey>(family: &Family<Hotkey>, tao_weight: U96F32) -> U96F32 {
    let lent = sum(family.child_proportions_u64.iter().map(|part| U96F32::from_u64_proportion(*part)));
    let kept = U96F32::from_num(1).saturating_sub(lent);
    let keep = |rao: u64| U96F32::saturating_from_num(rao).saturating_mul(kept);
    let tao = keep(family.stake.root_rao).saturating_mul(tao_weight);
    keep(family.stake.alpha_rao).saturating_add(tao).floor()
}

/// A hotkey that collected dividends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dividend<Hotkey> {
    /// Whose.
    pub hotkey: Hotkey,
    /// Sum of what [`split_dividends`] gave it.
    pub dividends_rao: u64,
    /// Its own stake, without inheritance.
    pub stake: StakePair,
}

/// A hotkey's share of the two pots that dividends are paid from, in rao with fraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout<Hotkey> {
    /// Whose.
    pub hotkey: Hotkey,
    /// Of the validator pot, for alpha stake.
    pub alpha: U96F32,
    /// Of the root pot, for root stake.
    pub root: U96F32,
}

/// Divides the validator pot and the root pot among hotkeys; the result has the order of the input.
///
/// A hotkey's dividends count for root as far as its stake is root stake: `ra / (alpha + ra)` with `ra` root TAO
/// times `tao_weight`. Each pot is divided in proportion to what counts for it; a pot for which nothing counts is
/// not paid. The quotient is truncated before it is multiplied, so up to 2^-32 of a pot a hotkey remains over; see
/// [`unpaid_rao`].
#[must_use]
pub fn apportion<Hotkey: Clone>(
    dividends: &[Dividend<Hotkey>],
    alpha_pot_rao: u64,
    root_pot_rao: u64,
    tao_weight: U96F32,
) -> Vec<Payout<Hotkey>> {
    let parts: Vec<(U96F32, U96F32)> =
        dividends.iter().map(|dividend| alpha_and_root_parts(dividend, tao_weight)).collect();
    let alpha_total = sum(parts.iter().map(|(alpha, _)| *alpha));
    let root_total = sum(parts.iter().map(|(_, root)| *root));
    let alpha_pot = U96F32::saturating_from_num(alpha_pot_rao);
    let root_pot = U96F32::saturating_from_num(root_pot_rao);
    let payouts = dividends.iter().zip(parts).map(|(dividend, (alpha, root))| Payout {
        hotkey: dividend.hotkey.clone(),
        alpha: alpha_pot.saturating_mul(alpha.safe_div(alpha_total)),
        root: root_pot.saturating_mul(root.safe_div(root_total)),
    });
    payouts.collect()
}

fn alpha_and_root_parts<Hotkey>(dividend: &Dividend<Hotkey>, tao_weight: U96F32) -> (U96F32, U96F32) {
    let dividends = U96F32::saturating_from_num(dividend.dividends_rao);
    let root_stake = U96F32::saturating_from_num(dividend.stake.root_rao).saturating_mul(tao_weight);
    let stake = U96F32::saturating_from_num(dividend.stake.alpha_rao).saturating_add(root_stake);
    let root = dividends.saturating_mul(root_stake.safe_div(stake));
    (dividends.saturating_sub(root), root)
}

/// What is left of a pot after payments of `paid_rao`, in rao.
#[must_use]
pub fn unpaid_rao(pot_rao: u64, paid_rao: impl IntoIterator<Item = u64>) -> u64 {
    paid_rao.into_iter().fold(pot_rao, u64::saturating_sub)
}
