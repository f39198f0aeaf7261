//! What it costs to open a subnet, what its pool starts with, which one makes room, and what remains of one.

use crate::constants::{
    DEFAULT_BLOCK_EMISSION_RAO, DEFAULT_LOCK_REDUCTION_INTERVAL_BLOCKS, DEFAULT_MIN_LOCK_COST_RAO,
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::cmp::Reverse;
use myelin_fixed::{SafeDiv, I64F64, I96F32, U64F64};

/// What decides the price of the next subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockCost {
    /// The last price paid, in rao.
    pub last_cost_rao: u64,
    /// When it was paid; 0 for never.
    pub last_block: u64,
    /// Lowest price, in rao.
    pub min_cost_rao: u64,
    /// Blocks in which the price falls by the last price, at full block emission.
    pub reduction_interval_blocks: u64,
}

impl Default for LockCost {
    fn default() -> Self {
        Self {
            last_cost_rao: DEFAULT_MIN_LOCK_COST_RAO,
            last_block: 0,
            min_cost_rao: DEFAULT_MIN_LOCK_COST_RAO,
            reduction_interval_blocks: DEFAULT_LOCK_REDUCTION_INTERVAL_BLOCKS,
        }
    }
}

impl LockCost {
    /// The price now, in rao: twice the last one (once if none was paid yet) and falling linearly, but not below
    /// the minimum. The interval shrinks with the block emission.
    #[must_use]
    pub fn cost_rao(&self, now_block: u64, block_emission_rao: u64) -> u64 {
        let factor = if self.last_block == 0 { 1 } else { 2 };
        let per_block_rao =
            self.last_cost_rao.checked_div(self.interval_blocks(block_emission_rao)).unwrap_or(0);
        let fallen_rao = per_block_rao.saturating_mul(now_block.saturating_sub(self.last_block));
        self.last_cost_rao.saturating_mul(factor).saturating_sub(fallen_rao).max(self.min_cost_rao)
    }

    fn interval_blocks(&self, block_emission_rao: u64) -> u64 {
        let emitted = I64F64::saturating_from_num(block_emission_rao)
            .safe_div(I64F64::from_num(DEFAULT_BLOCK_EMISSION_RAO));
        I64F64::saturating_from_num(self.reduction_interval_blocks)
            .saturating_mul(emitted)
            .saturating_to_num()
    }
}

/// Median of the positive spot prices, the mean of the middle two if their number is even, 1 if there are none.
#[must_use]
pub fn median_price(spot_prices: &[U64F64]) -> U64F64 {
    let mut prices: Vec<U64F64> = spot_prices.iter().copied().filter(|price| *price > 0).collect();
    prices.sort_unstable();
    let upper = prices.len() / 2;
    match (prices.get(upper.wrapping_sub(1)), prices.get(upper)) {
        (Some(low), Some(high)) if prices.len().is_multiple_of(2) => {
            low.saturating_add(*high).safe_div(U64F64::from_num(2))
        }
        (_, Some(middle)) => *middle,
        (_, None) => U64F64::from_num(1),
    }
}

/// Reserves of a new subnet's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitialPool {
    /// TAO reserve: the price paid, at least the minimum price.
    pub tao_rao: u64,
    /// Alpha reserve: what that TAO is worth at the median price.
    pub alpha_rao: u64,
    /// Paid but not in the pool; recycled.
    pub recycled_rao: u64,
}

/// The pool that the price of a subnet pays for.
#[must_use]
pub fn initial_pool(paid_rao: u64, min_cost_rao: u64, median_price: U64F64) -> InitialPool {
    let tao_rao = paid_rao.max(min_cost_rao);
    let alpha_rao = U64F64::saturating_from_num(tao_rao).safe_div(median_price).saturating_to_num();
    InitialPool { tao_rao, alpha_rao, recycled_rao: paid_rao.saturating_sub(tao_rao) }
}

/// A subnet as pruning sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubnetCandidate {
    /// Its number.
    pub netuid: u16,
    /// Its stored moving price.
    pub moving_price: I96F32,
    /// When it was registered.
    pub registered_block: u64,
}

/// The subnet that makes room for a new one: the lowest moving price, then the earliest registration, among those
/// past their immunity. `None` if there is none.
#[must_use]
pub fn subnet_to_prune(
    candidates: &[SubnetCandidate],
    immunity_period_blocks: u64,
    now_block: u64,
) -> Option<u16> {
    let mortal = candidates
        .iter()
        .filter(|subnet| now_block >= subnet.registered_block.saturating_add(immunity_period_blocks));
    mortal
        .min_by_key(|subnet| (subnet.moving_price, subnet.registered_block, subnet.netuid))
        .map(|subnet| subnet.netuid)
}

/// Divides a dissolved subnet's TAO among claims in proportion, all of it: what flooring leaves goes, one rao
/// each, to the largest remainders, the earlier claim first. All zero if the claims are.
#[must_use]
pub fn divide_pot(pot_rao: u64, claims_rao: &[u64]) -> Vec<u64> {
    let total = claims_rao.iter().map(|claim| u128::from(*claim)).sum::<u128>();
    let Some(divisor) = core::num::NonZeroU128::new(total) else {
        return claims_rao.iter().map(|_| 0).collect();
    };
    let products = claims_rao.iter().map(|claim| u128::from(pot_rao) * u128::from(*claim));
    let (mut parts, remainders): (Vec<u64>, Vec<u128>) =
        products.map(|product| ((product / divisor) as u64, product % divisor)).unzip();
    let floored: u64 = parts.iter().sum();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|index| Reverse(remainders.get(*index)));
    let left = usize::try_from(pot_rao.saturating_sub(floored)).unwrap_or(usize::MAX);
    let topped_up: BTreeSet<usize> = order.into_iter().take(left).collect();
    for index in topped_up {
        if let Some(part) = parts.get_mut(index) {
            *part += 1;
        }
    }
    parts
}
