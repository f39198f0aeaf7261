//! Root dividends: alpha that root stakers earned on a subnet and have not taken yet.
//!
//! A hotkey keeps a *rate* a subnet: alpha claimable for each rao of root stake since the beginning. A staker is
//! owed `rate * root stake` less what was claimed. Adding root stake raises the claimed amount by `rate * added`,
//! removing it lowers it, so that only dividends from then on count.

use alloc::collections::BTreeSet;
use myelin_fixed::{SafeDiv, I96F32};

/// What becomes of root dividends that reach a hotkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimableDividend {
    /// Its rate rises.
    Rate {
        /// To be added to the rate.
        increase: I96F32,
        /// What the rate, having 32 fraction bits, does not represent.
        dust_rao: u64,
    },
    /// There is less root stake than dividend: all of it is staked to the hotkey's owner.
    StakeToOwner {
        /// The dividend.
        amount_rao: u64,
    },
}

/// Turns a dividend of `amount_rao` into a rate for `root_stake_rao` of stake behind the hotkey.
#[must_use]
pub fn claimable_dividend(amount_rao: u64, root_stake_rao: u64) -> ClaimableDividend {
    if amount_rao > root_stake_rao {
        return ClaimableDividend::StakeToOwner { amount_rao };
    }
    let stake = I96F32::saturating_from_num(root_stake_rao);
    let increase = I96F32::saturating_from_num(amount_rao).safe_div(stake);
    let represented_rao: u64 = increase.saturating_mul(stake).saturating_to_num();
    ClaimableDividend::Rate { increase, dust_rao: amount_rao.saturating_sub(represented_rao) }
}

/// Alpha owed to a staker, in rao with fraction; negative if more was claimed than the rate gives.
#[must_use]
pub fn owed(rate: I96F32, root_stake_rao: u64, claimed_rao: u128) -> I96F32 {
    let earned = rate.saturating_mul(I96F32::saturating_from_num(root_stake_rao));
    earned.saturating_sub(I96F32::saturating_from_num(claimed_rao))
}

/// Alpha that a claim pays now, in rao: what is owed, or `None` if that is below the threshold or nothing.
#[must_use]
pub fn claim_rao(rate: I96F32, root_stake_rao: u64, claimed_rao: u128, threshold: I96F32) -> Option<u64> {
    let owed = owed(rate, root_stake_rao, claimed_rao);
    if owed < threshold {
        return None;
    }
    Some(owed.saturating_to_num::<u64>()).filter(|rao| *rao > 0)
}

/// The claimed amount after root stake was added.
#[must_use]
pub fn claimed_after_adding(claimed_rao: u128, rate: I96F32, added_root_rao: u64) -> u128 {
    claimed_rao.saturating_add(rebase(rate, added_root_rao))
}

/// The claimed amount after root stake was removed.
#[must_use]
pub fn claimed_after_removing(claimed_rao: u128, rate: I96F32, removed_root_rao: u64) -> u128 {
    claimed_rao.saturating_sub(rebase(rate, removed_root_rao))
}

fn rebase(rate: I96F32, root_rao: u64) -> u128 {
    rate.saturating_mul(I96F32::saturating_from_num(root_rao)).saturating_to_num()
}

/// Indices of the staking coldkeys whose dividends a block claims, out of `coldkeys`: a walk whose steps are the
/// big-endian words of the parent's hash.
#[must_use]
pub fn auto_claim_indices(parent_hash: &[u8; 32], draws: u64, coldkeys: u64) -> BTreeSet<u64> {
    let words = parent_hash.as_chunks::<8>().0.iter().map(|word| u64::from_be_bytes(*word));
    let mut index = words.clone().next().unwrap_or(0);
    let steps = words.cycle().take(usize::try_from(draws).unwrap_or(usize::MAX));
    steps
        .filter_map(|step| {
            index = index.saturating_add(step).checked_rem(coldkeys)?;
            Some(index)
        })
        .collect()
}
