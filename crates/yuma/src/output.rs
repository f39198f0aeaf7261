//! What an epoch decides.

use crate::{arithmetic::Bits, input::SparseRow};
use alloc::vec::Vec;

/// The result of one epoch, in the form in which chain state holds it. All lists have one entry for each uid.
///
/// `u16` values are proportions of 65535, amounts are alpha rao; all of them are rounded down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochOutput {
    /// Whole rao of stake weight, without threshold.
    pub stake: Vec<u64>,
    /// Share of the subnet's stake weight, after the threshold.
    pub stake_weight: Vec<u16>,
    /// Who set weights recently enough.
    pub active: Vec<bool>,
    /// Weight that a majority of stake supports, for each target.
    pub consensus: Vec<u16>,
    /// Share of the miners' side.
    pub incentive: Vec<u16>,
    /// Sum of a validator's weights after clipping to consensus.
    pub validator_trust: Vec<u16>,
    /// Share of the validators' side.
    pub dividends: Vec<u16>,
    /// Reward as a miner.
    pub server_emission: Vec<u64>,
    /// Reward as a validator.
    pub validator_emission: Vec<u64>,
    /// Reward as both, rounded on its own: not exactly the sum of the two.
    pub emission: Vec<u64>,
    /// Who holds a validator permit from now on.
    pub validator_permits: Vec<bool>,
    /// Bonds to store; empty rows for uids without a new permit. Entries that round to zero are kept.
    pub bonds: Vec<SparseRow>,
}

/// Intermediate values of an epoch as bits of `I32F32`, for those who look for where two results part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Normalised stake after the threshold, `S`.
    pub stake: Vec<Bits>,
    /// Normalised stake of active validators with a permit.
    pub active_stake: Vec<Bits>,
    /// Consensus weight of each target, `C`.
    pub consensus: Vec<Bits>,
    /// Sum of each validator's clipped weights, `T`.
    pub validator_trust: Vec<Bits>,
    /// Rank of each target as it would be without clipping.
    pub preranks: Vec<Bits>,
    /// Rank of each target before normalisation, `R`.
    pub ranks: Vec<Bits>,
    /// Normalised ranks, `I`.
    pub incentive: Vec<Bits>,
    /// Normalised dividends, `D`.
    pub dividends: Vec<Bits>,
    /// Sum of all incentives and dividends, about 2.
    pub emission_sum: Bits,
}
