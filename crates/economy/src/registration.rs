//! The price of a neuron slot, and who gives one up.
//!
//! The price halves every half-life and is multiplied by a factor on each registration. A full subnet prunes the
//! neuron with the lowest emission.

use crate::constants::{
    DEFAULT_BURN_HALF_LIFE_BLOCKS, DEFAULT_BURN_INCREASE_BITS, DEFAULT_MAX_BURN_RAO, DEFAULT_MIN_BURN_RAO,
};
use alloc::vec::Vec;
use myelin_fixed::U64F64;

/// How a subnet prices registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurnPolicy {
    /// Blocks in which the price halves; 0 for no decay.
    pub half_life_blocks: u16,
    /// Factor on the price after a registration; values below 1 count as 1.
    pub increase: U64F64,
    /// Lowest price.
    pub min_rao: u64,
    /// Highest price; wins if it is below the lowest.
    pub max_rao: u64,
}

impl Default for BurnPolicy {
    fn default() -> Self {
        Self {
            half_life_blocks: DEFAULT_BURN_HALF_LIFE_BLOCKS,
            increase: U64F64::from_bits(DEFAULT_BURN_INCREASE_BITS),
            min_rao: DEFAULT_MIN_BURN_RAO,
            max_rao: DEFAULT_MAX_BURN_RAO,
        }
    }
}

impl BurnPolicy {
    /// Factor of one block's decay in 2^-32 units; see [`decay_factor_q32`]. Bisects, so callers with many subnets
    /// of one half-life may keep it.
    #[must_use]
    pub fn decay_factor_q32(&self) -> u64 {
        decay_factor_q32(self.half_life_blocks)
    }

    /// The price one block later, in rao; the first block does not decay.
    #[must_use]
    pub fn decayed_rao(&self, burn_rao: u64, now_block: u64) -> u64 {
        if self.half_life_blocks == 0 || now_block <= 1 {
            return burn_rao;
        }
        self.decayed_by_rao(burn_rao, self.decay_factor_q32())
    }

    /// The price after a block with a known decay factor, in rao.
    #[must_use]
    pub fn decayed_by_rao(&self, burn_rao: u64, factor_q32: u64) -> u64 {
        self.clamped_rao(mul_q32(burn_rao, factor_q32))
    }

    /// The price after a registration, in rao.
    #[must_use]
    pub fn after_registration_rao(&self, burn_rao: u64) -> u64 {
        let factor = self.increase.max(U64F64::from_num(1));
        self.clamped_rao(U64F64::saturating_from_num(burn_rao).saturating_mul(factor).saturating_to_num())
    }

    fn clamped_rao(&self, burn_rao: u64) -> u64 {
        burn_rao.max(self.min_rao).min(self.max_rao)
    }
}

/// One, in 2^-32 units.
const ONE_Q32: u64 = 1 << 32;

/// The greatest factor, in 2^-32 units, whose power of `half_life_blocks` is at most one half; 1 for no half-life.
///
/// Powers are by squaring from the low bit, every product floored.
#[must_use]
pub fn decay_factor_q32(half_life_blocks: u16) -> u64 {
    if half_life_blocks == 0 {
        return ONE_Q32;
    }
    let (mut low, mut high) = (0, ONE_Q32);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if pow_q32(middle, half_life_blocks) > ONE_Q32 / 2 {
            high = middle;
        } else {
            low = middle;
        }
    }
    low
}

fn pow_q32(mut base: u64, mut exponent: u16) -> u64 {
    let mut power = ONE_Q32;
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = mul_q32(power, base);
        }
        exponent >>= 1;
        base = mul_q32(base, base);
    }
    power
}

fn mul_q32(value: u64, factor_q32: u64) -> u64 {
    u64::try_from((u128::from(value) * u128::from(factor_q32)) >> 32).unwrap_or(u64::MAX)
}

/// A neuron as pruning sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneCandidate {
    /// Its slot.
    pub uid: u16,
    /// Its emission in the last epoch, in alpha-rao.
    pub emission_rao: u64,
    /// When it registered.
    pub registered_block: u64,
    /// Whether it is one of [`immune_owner_uids`].
    pub is_owner_immune: bool,
}

/// How long new neurons are spared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrunePolicy {
    /// Blocks after registration in which a neuron is immune.
    pub immunity_period_blocks: u64,
    /// Immune neurons are pruned instead once no more than this many others are left.
    pub min_non_immune_uids: u16,
}

/// The slot that a full subnet gives away, or `None` if it may give none.
///
/// Lowest emission first, then the oldest registration, then the lowest uid: among neurons that are not immune if
/// there are more than `min_non_immune_uids` of them, else among immune ones. The owner's immune neurons never.
#[must_use]
pub fn neuron_to_prune(candidates: &[PruneCandidate], policy: PrunePolicy, now_block: u64) -> Option<u16> {
    let is_immune = |candidate: &&PruneCandidate| {
        now_block.saturating_sub(candidate.registered_block) < policy.immunity_period_blocks
    };
    let (immune, others): (Vec<&PruneCandidate>, Vec<&PruneCandidate>) =
        candidates.iter().filter(|candidate| !candidate.is_owner_immune).partition(is_immune);
    let pruned = if others.len() > usize::from(policy.min_non_immune_uids) { others } else { immune };
    let worst =
        pruned.into_iter().min_by_key(|neuron| (neuron.emission_rao, neuron.registered_block, neuron.uid));
    worst.map(|candidate| candidate.uid)
}

/// Slots of the subnet owner that cannot be pruned: the `limit` oldest of `(uid, registered block)` among the
/// owner's neurons, and before them the owner hotkey's own, whether it is among those or not.
#[must_use]
pub fn immune_owner_uids(owned: &[(u16, u64)], owner_hotkey_uid: Option<u16>, limit: u16) -> Vec<u16> {
    let mut oldest: Vec<(u64, u16)> = owned.iter().map(|(uid, block)| (*block, *uid)).collect();
    oldest.sort_unstable();
    let others = oldest.into_iter().take(limit.into()).map(|(_, uid)| uid);
    owner_hotkey_uid.into_iter().chain(others.filter(|uid| Some(*uid) != owner_hotkey_uid)).collect()
}

/// Most registrations in an interval on root.
#[must_use]
pub fn root_interval_cap(target_u16: u16) -> u16 {
    target_u16.saturating_mul(3)
}

/// The seat on a full root network that a newcomer takes: that of the member with the least stake, the lowest seat among
/// equals, if the newcomer has more. `None` if it has not, or nobody is seated.
#[must_use]
pub fn root_seat_to_take(stakes_rao: &[u64], newcomer_rao: u64) -> Option<u16> {
    let weakest = (0..).zip(stakes_rao).min_by_key(|(seat, stake)| (**stake, *seat));
    weakest.filter(|(_, stake)| newcomer_rao > **stake).map(|(seat, _): (u16, _)| seat)
}
