//! What stake counts for: inheritance between parents and children, weights, takes.

use myelin_fixed::{Proportion, WideProportion, U96F32};

/// A hotkey's stake on a subnet and on root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StakePair {
    /// Alpha of the subnet, in rao.
    pub alpha_rao: u64,
    /// TAO on root, in rao.
    pub root_rao: u64,
}

/// A link from a parent hotkey to its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParentLink {
    /// The parent's own stake.
    pub stake: StakePair,
    /// Part of it that it lends this child, in (2^64 - 1)ths.
    pub proportion_u64: u64,
}

/// Stake that counts for a hotkey: its own, less what it lends its children, plus what its parents lend it.
///
/// Alpha and TAO are inherited separately, each floored; only own stake is lent, never inherited stake.
#[must_use]
pub fn inherited_stake(own: StakePair, child_proportions_u64: &[u64], parents: &[ParentLink]) -> StakePair {
    let inherited = |own_rao: u64, lent_by: fn(&StakePair) -> u64| -> u64 {
        let to_children = child_proportions_u64.iter().map(|proportion| part_of(own_rao, *proportion));
        let from_parents = parents.iter().map(|link| part_of(lent_by(&link.stake), link.proportion_u64));
        U96F32::saturating_from_num(own_rao)
            .saturating_sub(sum(to_children))
            .saturating_add(sum(from_parents))
            .saturating_to_num()
    };
    StakePair {
        alpha_rao: inherited(own.alpha_rao, |stake| stake.alpha_rao),
        root_rao: inherited(own.root_rao, |stake| stake.root_rao),
    }
}

/// `amount * proportion / (2^64 - 1)`.
pub(crate) fn part_of(amount_rao: u64, proportion_u64: u64) -> U96F32 {
    U96F32::saturating_from_num(amount_rao).saturating_mul(U96F32::from_u64_proportion(proportion_u64))
}

pub(crate) fn sum(values: impl Iterator<Item = U96F32>) -> U96F32 {
    values.fold(U96F32::from_num(0), U96F32::saturating_add)
}

/// A child key's take as it applies: the one set, but at least the network's and the subnet's minimum.
#[must_use]
pub fn effective_childkey_take(set_u16: u16, network_min_u16: u16, subnet_min_u16: u16) -> u16 {
    set_u16.max(min_childkey_take(network_min_u16, subnet_min_u16))
}

/// The lowest child key take that a subnet allows.
#[must_use]
pub fn min_childkey_take(network_min_u16: u16, subnet_min_u16: u16) -> u16 {
    network_min_u16.max(subnet_min_u16)
}

/// A dividend divided between the owner of a hotkey and those who stake behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakeSplit {
    /// For the owner.
    pub take_rao: u64,
    /// For all stakers in proportion.
    pub nominators_rao: u64,
}

/// Takes a delegate's part off a dividend; both parts are floored.
#[must_use]
pub fn split_take(dividend: U96F32, take_u16: u16) -> TakeSplit {
    let take = U96F32::from_u16_proportion(take_u16).saturating_mul(dividend);
    TakeSplit {
        take_rao: take.saturating_to_num(),
        nominators_rao: dividend.saturating_sub(take).saturating_to_num(),
    }
}

/// Stake below which a nomination is cleared, in rao of TAO: `millionths` of the smallest stake operation.
#[must_use]
pub fn nomination_floor_rao(millionths: u64) -> u64 {
    let floor = u128::from(crate::constants::MIN_STAKE_RAO) * u128::from(millionths) / 1_000_000;
    u64::try_from(floor).unwrap_or(u64::MAX)
}
