//! Stake weights, activity and validator permits.

use crate::{
    arithmetic::{self, Bits},
    input::EpochInput,
};
use alloc::{vec, vec::Vec};
use myelin_fixed::{SafeDiv, WideProportion, I32F32, I64F64, U96F32};

/// Stake weight of a uid: `alpha + tao * tao_weight / (2^64 - 1)`, all in rao.
///
/// `alpha` is what the hotkey holds on the subnet and `tao` what it holds on root, each with what it inherits
/// from parents and without what it lends to children.
#[must_use]
pub fn total_stake(alpha: u64, tao: u64, tao_weight: u64) -> I64F64 {
    let tao_weight = I64F64::saturating_from_num(U96F32::from_u64_proportion(tao_weight));
    I64F64::saturating_from_num(alpha)
        .saturating_add(I64F64::saturating_from_num(tao).saturating_mul(tao_weight))
}

/// Blocks without new weights after which a validator stops counting: `factor_milli` thousandths of a tempo, but at
/// least one block.
#[must_use]
pub fn activity_cutoff_blocks(factor_milli: u32, tempo: u16) -> u64 {
    (u64::from(factor_milli) * u64::from(tempo) / 1_000).max(1)
}

/// Stakes and permits of all uids in one epoch.
pub(crate) struct Stakes {
    /// `S`: normalised, after the threshold.
    pub stake: Vec<Bits>,
    /// `S` of active validators with a permit, normalised again.
    pub active_stake: Vec<Bits>,
    /// Who set weights recently enough.
    pub active: Vec<bool>,
    /// Who counts as a validator in this epoch.
    pub permits: Vec<bool>,
    /// Who will in the next one.
    pub new_permits: Vec<bool>,
}

impl Stakes {
    pub fn of(input: &EpochInput<'_>) -> Self {
        let stake = normalised_stake(input);
        let active = activity(input);
        let permits = current_permits(input);
        let active_stake = active_stake(input, &stake, &active, &permits);
        let new_permits = next_permits(input, &stake);
        Self { stake, active_stake, active, permits, new_permits }
    }
}

/// Total stake of every uid, padded with zeros.
pub(crate) fn total_stakes<'a>(input: &EpochInput<'a>) -> impl Iterator<Item = I64F64> + 'a {
    let zero = I64F64::from_bits(0);
    let known = input.total_stake.iter().map(move |stake| zero.max(*stake));
    known.chain(core::iter::repeat(zero)).take(usize::from(input.uid_count))
}

/// Stakes of at least the threshold as shares of their sum. The division is done with 64 fraction bits, of which
/// 32 are kept: stakes below 2^-32 of the sum become zero.
fn normalised_stake(input: &EpochInput<'_>) -> Vec<Bits> {
    let owner = input.owner.map(usize::from);
    let counts =
        |uid, stake: I64F64| owner == Some(uid) || stake.saturating_to_num::<u64>() >= input.stake_threshold;
    let zero = I64F64::from_bits(0);
    let stakes: Vec<I64F64> = total_stakes(input)
        .enumerate()
        .map(|(uid, stake)| if counts(uid, stake) { stake } else { zero })
        .collect();
    shares(&stakes).unwrap_or_else(|| {
        // More than 2^63 rao, which is more than can exist. Any 2^16 values fit once they are 2^17 times smaller.
        let scaled: Vec<I64F64> = stakes.iter().map(|stake| *stake >> 17_u32).collect();
        shares(&scaled).unwrap_or_default()
    })
}

/// Each value over the sum of all; `None` if there is no such sum.
fn shares(stakes: &[I64F64]) -> Option<Vec<Bits>> {
    let sum = stakes.iter().try_fold(I64F64::from_bits(0), |sum, stake| sum.checked_add(*stake))?;
    Some(stakes.iter().map(|stake| share(*stake, sum)).collect())
}

fn share(stake: I64F64, sum: I64F64) -> Bits {
    if stake == 0 {
        return 0; // Most uids: spare them the wide division.
    }
    stake.safe_div(sum).saturating_to_num::<I32F32>().to_bits()
}

fn activity(input: &EpochInput<'_>) -> Vec<bool> {
    let mut active = vec![false; usize::from(input.uid_count)];
    for (active, last_update) in active.iter_mut().zip(input.last_update) {
        *active = last_update.saturating_add(input.activity_cutoff) >= input.block;
    }
    active
}

/// The permits of the previous epoch; the owner validates in any case.
fn current_permits(input: &EpochInput<'_>) -> Vec<bool> {
    let mut permits = input.validator_permits.to_vec();
    grant_owner(input, &mut permits);
    permits.resize(usize::from(input.uid_count), false);
    permits
}

fn active_stake(input: &EpochInput<'_>, stake: &[Bits], active: &[bool], permits: &[bool]) -> Vec<Bits> {
    // An empty list masks nothing here. Rows of weights need a permit all the same.
    let (activity_unknown, permits_unknown) =
        (input.last_update.is_empty(), input.validator_permits.is_empty());
    let counts = |active: bool, permit: bool| (active || activity_unknown) && (permit || permits_unknown);
    let mut active_stake: Vec<Bits> = stake
        .iter()
        .zip(active)
        .zip(permits)
        .map(|((stake, active), permit)| if counts(*active, *permit) { *stake } else { 0 })
        .collect();
    arithmetic::normalise(&mut active_stake);
    active_stake
}

fn next_permits(input: &EpochInput<'_>, stake: &[Bits]) -> Vec<bool> {
    let mut permits = top_nonzero(stake, usize::from(input.max_allowed_validators));
    grant_owner(input, &mut permits);
    permits
}

fn grant_owner(input: &EpochInput<'_>, permits: &mut [bool]) {
    let owner = input.owner.and_then(|owner| permits.get_mut(usize::from(owner)));
    if let Some(permit) = owner {
        *permit = true;
    }
}

/// Marks the `count` largest values that are not zero. Among equal values the higher index wins.
#[must_use]
pub fn top_nonzero(values: &[Bits], count: usize) -> Vec<bool> {
    let mut top: Vec<bool> = values.iter().map(|value| *value != 0).collect();
    let excess = values.len().saturating_sub(count);
    if excess == 0 {
        return top;
    }
    let mut order: Vec<(Bits, usize)> =
        values.iter().enumerate().map(|(index, value)| (*value, index)).collect();
    order.select_nth_unstable(excess - 1);
    for (_, index) in order.into_iter().take(excess) {
        if let Some(top) = top.get_mut(index) {
            *top = false;
        }
    }
    top
}
