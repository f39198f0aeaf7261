//! One epoch, step by step.

use crate::{
    arithmetic::{self, Bits, ONE},
    bonds::{self, BondContext},
    consensus,
    emission::{self, Emission},
    input::EpochInput,
    output::{EpochOutput, Trace},
    stake::{total_stakes, Stakes},
    weights::Weights,
};
use alloc::{vec, vec::Vec};

/// Runs one epoch of one mechanism. See the [crate] documentation for the algorithm.
#[must_use]
pub fn epoch(input: &EpochInput<'_>) -> EpochOutput {
    run(input, |_, _| Vec::new()).0
}

/// [`epoch`], with the intermediate values it went through.
#[must_use]
pub fn epoch_with_trace(input: &EpochInput<'_>) -> (EpochOutput, Trace) {
    run(input, |weights, active_stake| {
        let unreachable = vec![ONE; active_stake.len()];
        consensus::trust_and_ranks(weights, &unreachable, active_stake).1
    })
}

/// The epoch. `preranks` costs time and decides nothing.
fn run(
    input: &EpochInput<'_>,
    preranks: impl FnOnce(&Weights<'_>, &[Bits]) -> Vec<Bits>,
) -> (EpochOutput, Trace) {
    let stakes = Stakes::of(input);
    let weights = Weights::that_count(input, &stakes.permits);
    let parameters = &input.parameters;

    let consensus =
        consensus::consensus(&weights, &stakes.active_stake, parameters.kappa, stakes.stake.len());
    let (validator_trust, ranks) = consensus::trust_and_ranks(&weights, &consensus, &stakes.active_stake);
    let mut incentive = ranks.clone();
    arithmetic::normalise(&mut incentive);

    let context = BondContext {
        input,
        consensus: &consensus,
        ranks: &ranks,
        incentive: &incentive,
        active_stake: &stakes.active_stake,
        new_permits: &stakes.new_permits,
    };
    let bonds = bonds::update(&weights, &context);
    let mut dividends = bonds.dividends;
    arithmetic::normalise(&mut dividends);

    let emission =
        emission::distribute(input.emission, &incentive, &dividends, &stakes.stake, &stakes.active_stake);
    let trace = Trace {
        preranks: preranks(&weights, &stakes.active_stake),
        stake: stakes.stake,
        active_stake: stakes.active_stake,
        consensus,
        validator_trust,
        ranks,
        incentive,
        dividends,
        emission_sum: emission.sum,
    };
    (output(input, &trace, emission, stakes.active, stakes.new_permits, bonds.stored), trace)
}

fn output(
    input: &EpochInput<'_>,
    trace: &Trace,
    emission: Emission,
    active: Vec<bool>,
    validator_permits: Vec<bool>,
    bonds: Vec<crate::SparseRow>,
) -> EpochOutput {
    EpochOutput {
        stake: total_stakes(input).map(|stake| stake.saturating_to_num()).collect(),
        stake_weight: proportions(&trace.stake),
        active,
        consensus: proportions(&trace.consensus),
        incentive: proportions(&trace.incentive),
        validator_trust: proportions(&trace.validator_trust),
        dividends: proportions(&trace.dividends),
        server_emission: emission.server,
        validator_emission: emission.validator,
        emission: emission.combined,
        validator_permits,
        bonds,
    }
}

fn proportions(values: &[Bits]) -> Vec<u16> {
    values.iter().map(|value| arithmetic::to_u16_proportion(*value)).collect()
}
