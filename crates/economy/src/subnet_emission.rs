//! How a block's TAO is divided among subnets, injected into their pools, and how their alpha accrues.
//!
//! Per block, in this order: [`tao_shares`] of the emitting subnets by moving price; [`injection`] of TAO and
//! alpha into each pool, with what the pool must not take as *excess* that buys alpha; [`accrue`] of the alpha
//! minted outside the pool to owner, miners, validators and root; [`next_moving_price`].

use crate::constants::{DEFAULT_MOVING_ALPHA_BITS, DEFAULT_PRICE_HALVING_BLOCKS};
use alloc::vec::Vec;
use myelin_fixed::{Proportion, SafeDiv, WideProportion, I96F32, U64F64, U96F32};

/// What decides the share of one subnet that receives emission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmittingSubnet {
    /// [`effective_moving_price`] of the subnet.
    pub moving_price: U64F64,
    /// Part of the last epoch's miner emission that was withheld, from 0 to 1.
    pub miner_burned: U96F32,
    /// Whether the subnet may receive TAO; without it only alpha is minted.
    pub tao_enabled: bool,
}

/// The moving price that counts for emission: the stored one, or 1 on a stable subnet.
#[must_use]
pub fn effective_moving_price(stored: I96F32, is_dynamic: bool) -> U64F64 {
    if is_dynamic {
        U64F64::saturating_from_num(stored)
    } else {
        U64F64::from_num(1)
    }
}

/// Share of each subnet in the block's TAO; the result has the order of the input.
///
/// A subnet weighs its part of all moving prices times one minus `miner_burned`; weights are normalised, or if
/// all are zero the parts themselves count. Shares of subnets without TAO go to the others in proportion. Without
/// any price all shares are zero.
#[must_use]
pub fn tao_shares(subnets: &[EmittingSubnet]) -> Vec<U64F64> {
    let parts = normalised(subnets.iter().map(|subnet| subnet.moving_price).collect());
    let weights: Vec<U64F64> =
        parts.iter().zip(subnets).map(|(part, subnet)| part.saturating_mul(unburned(subnet))).collect();
    let shares = if sum(&weights) > 0 { normalised(weights) } else { parts };
    if subnets.iter().all(|subnet| subnet.tao_enabled) {
        return shares;
    }
    let enabled = shares.iter().zip(subnets).map(|(share, subnet)| match subnet.tao_enabled {
        true => *share,
        false => U64F64::from_num(0),
    });
    normalised(enabled.collect())
}

fn unburned(subnet: &EmittingSubnet) -> U64F64 {
    let one = U64F64::from_num(1);
    one.saturating_sub(U64F64::saturating_from_num(subnet.miner_burned).min(one))
}

fn normalised(values: Vec<U64F64>) -> Vec<U64F64> {
    let total = sum(&values);
    values.into_iter().map(|value| value.safe_div(total)).collect()
}

fn sum(values: &[U64F64]) -> U64F64 {
    values.iter().fold(U64F64::from_num(0), |total, value| total.saturating_add(*value))
}

/// TAO of a block for a subnet with `share`, in rao with fraction.
#[must_use]
pub fn tao_emission(block_emission_rao: u64, share: U64F64) -> U96F32 {
    U96F32::saturating_from_num(U64F64::saturating_from_num(block_emission_rao).saturating_mul(share))
}

/// Whether root dividends are kept for root stakers, who sell them, rather than recycled: the moving prices of
/// the emitting subnets sum to more than 1.
#[must_use]
pub fn root_sells(moving_prices: &[U64F64]) -> bool {
    sum(moving_prices) > 1
}

/// The weight of root TAO against alpha, from the stored `u64` proportion.
#[must_use]
pub fn tao_weight(stored: u64) -> U96F32 {
    U96F32::from_u64_proportion(stored)
}

/// Part of a subnet's dividends that belongs to root: `t / (t + alpha issuance)` with `t` root TAO times
/// `tao_weight`; 0 if both are 0.
#[must_use]
pub fn root_proportion(root_tao_rao: u64, tao_weight: U96F32, alpha_issuance_rao: u64) -> U96F32 {
    let root = U96F32::saturating_from_num(root_tao_rao).saturating_mul(tao_weight);
    root.safe_div(root.saturating_add(U96F32::saturating_from_num(alpha_issuance_rao)))
}

/// What [`injection`] depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InjectionInputs {
    /// The subnet's TAO of this block, from [`tao_emission`].
    pub tao_emission: U96F32,
    /// Alpha that a block mints at the subnet's alpha issuance, in rao.
    pub alpha_emission_rao: u64,
    /// Spot price of the subnet's pool.
    pub spot_price: U64F64,
    /// From [`root_proportion`].
    pub root_proportion: U96F32,
}

/// What enters a subnet's pool in one block.
///
/// `tao_in_rao + excess_tao_rao + dust_tao_rao` is the integer part of the subnet's TAO emission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    /// TAO for the pool.
    pub tao_in_rao: u64,
    /// Alpha for the pool.
    pub alpha_in_rao: u64,
    /// TAO that the pool must not take at this price; it buys alpha instead.
    pub excess_tao_rao: u64,
    /// TAO that rounding leaves over, at most 1 rao; it stays with the block's credit.
    pub dust_tao_rao: u64,
    /// Alpha minted outside the pool.
    pub alpha_out_rao: u64,
}

/// Splits a subnet's TAO into what its pool takes and what is in excess.
///
/// The pool takes alpha worth the TAO at the spot price, but at most root's part of one block's alpha.
#[must_use]
pub fn injection(inputs: &InjectionInputs) -> Injection {
    let price = U96F32::saturating_from_num(inputs.spot_price);
    let cap = inputs.root_proportion.saturating_mul(U96F32::saturating_from_num(inputs.alpha_emission_rao));
    let uncapped = inputs.tao_emission.safe_div(price);
    let (alpha_in, tao_in) =
        if uncapped > cap { (cap, cap.saturating_mul(price)) } else { (uncapped, inputs.tao_emission) };
    let tao_in_rao = tao_in.saturating_to_num();
    let excess_tao_rao = inputs.tao_emission.saturating_sub(tao_in).saturating_to_num();
    let tao_rao: u64 = inputs.tao_emission.saturating_to_num();
    Injection {
        tao_in_rao,
        alpha_in_rao: alpha_in.saturating_to_num(),
        excess_tao_rao,
        dust_tao_rao: tao_rao.saturating_sub(tao_in_rao).saturating_sub(excess_tao_rao),
        alpha_out_rao: inputs.alpha_emission_rao,
    }
}

/// A block's alpha of one subnet, as it accrues to those who are paid at the next epoch.
///
/// The parts sum to `alpha_created_rao`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accrual {
    /// Everything minted outside the pool.
    pub alpha_created_rao: u64,
    /// The owner's cut.
    pub owner_cut_rao: u64,
    /// For miners.
    pub server_rao: u64,
    /// For validators and their stakers.
    pub validator_rao: u64,
    /// For root: to be paid, or recycled when [`root_sells`] is false.
    pub root_rao: u64,
    /// Rounding: minted, and nobody's.
    pub dust_rao: u64,
}

/// Divides a block's alpha: the owner's cut first (`None` if the subnet has it off), then half to miners and half
/// to validators, whose half gives up root's part.
///
/// `root_proportion` is the one **after** this block's injection and minting.
#[must_use]
pub fn accrue(alpha_created_rao: u64, owner_cut_u16: Option<u16>, root_proportion: U96F32) -> Accrual {
    let alpha = U96F32::saturating_from_num(alpha_created_rao);
    let owner_cut = owner_cut_u16
        .map_or(U96F32::from_num(0), |cut| alpha.saturating_mul(U96F32::from_u16_proportion(cut)));
    let alpha = alpha.saturating_sub(owner_cut);
    let half = U96F32::from_bits(1 << 31);
    let root = root_proportion.saturating_mul(alpha).saturating_mul(half);
    let server = alpha.saturating_mul(half);
    let validator = alpha.saturating_sub(server).saturating_sub(root);
    let [owner_cut_rao, server_rao, validator_rao, root_rao] =
        [owner_cut, server, validator, root].map(|part| part.saturating_to_num::<u64>());
    let paid_rao =
        [owner_cut_rao, server_rao, validator_rao, root_rao].into_iter().fold(0, u64::saturating_add);
    Accrual {
        alpha_created_rao,
        owner_cut_rao,
        server_rao,
        validator_rao,
        root_rao,
        dust_rao: alpha_created_rao.saturating_sub(paid_rao),
    }
}

/// How quickly the moving price follows the spot price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceSmoothing {
    /// Weight of the spot price once the subnet is old.
    pub base_factor: I96F32,
    /// Blocks since the first emission after which half of it applies.
    pub halving_blocks: u64,
}

impl Default for PriceSmoothing {
    fn default() -> Self {
        Self {
            base_factor: I96F32::from_bits(DEFAULT_MOVING_ALPHA_BITS),
            halving_blocks: DEFAULT_PRICE_HALVING_BLOCKS,
        }
    }
}

/// The moving price after a block, `a * min(spot, 1) + (1 - a) * old`.
///
/// `a` is the base factor times `b / (b + halving_blocks)`, with `b` the blocks since the subnet's start call.
#[must_use]
pub fn next_moving_price(
    old: I96F32,
    spot_price: U64F64,
    smoothing: PriceSmoothing,
    first_emission_block: u64,
    now_block: u64,
) -> I96F32 {
    let one = U64F64::from_num(1);
    let age = U64F64::saturating_from_num(now_block.saturating_sub(first_emission_block.saturating_sub(1)));
    let ramp = age.safe_div(age.saturating_add(U64F64::saturating_from_num(smoothing.halving_blocks)));
    let factor = U64F64::saturating_from_num(smoothing.base_factor).saturating_mul(ramp);
    let recent = factor.saturating_mul(spot_price.min(one));
    let kept = one.saturating_sub(factor).saturating_mul(U64F64::saturating_from_num(old));
    I96F32::saturating_from_num(recent.saturating_add(kept))
}
