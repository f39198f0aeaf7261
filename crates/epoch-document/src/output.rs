//! The results of an epoch as a document.

use myelin_yuma::{EpochOutput, SparseRow, Trace};
use serde::Serialize;

/// What an epoch decided, and on request what it went through. Lists go by uid; `tests/vectors/README.md` says what the
/// fields mean.
#[derive(Clone, Debug, Serialize)]
pub struct OutputDocument<'a> {
    stake_weight: &'a [u16],
    active: &'a [bool],
    consensus: &'a [u16],
    incentive: &'a [u16],
    validator_trust: &'a [u16],
    dividends: &'a [u16],
    server_emission: &'a [u64],
    validator_emission: &'a [u64],
    emission: &'a [u64],
    validator_permits: &'a [bool],
    bonds: &'a [SparseRow],
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<TraceDocument<'a>>,
}

/// Intermediate values, as bits of 32.32 fixed-point numbers.
#[derive(Clone, Debug, Serialize)]
struct TraceDocument<'a> {
    stake: &'a [i64],
    active_stake: &'a [i64],
    consensus: &'a [i64],
    validator_trust: &'a [i64],
    preranks: &'a [i64],
    ranks: &'a [i64],
    incentive: &'a [i64],
    dividends: &'a [i64],
    emission_sum: i64,
}

impl<'a> OutputDocument<'a> {
    /// The document of a result.
    #[must_use]
    pub fn new(output: &'a EpochOutput, trace: Option<&'a Trace>) -> Self {
        Self {
            stake_weight: &output.stake_weight,
            active: &output.active,
            consensus: &output.consensus,
            incentive: &output.incentive,
            validator_trust: &output.validator_trust,
            dividends: &output.dividends,
            server_emission: &output.server_emission,
            validator_emission: &output.validator_emission,
            emission: &output.emission,
            validator_permits: &output.validator_permits,
            bonds: &output.bonds,
            trace: trace.map(TraceDocument::new),
        }
    }
}

impl<'a> TraceDocument<'a> {
    fn new(trace: &'a Trace) -> Self {
        Self {
            stake: &trace.stake,
            active_stake: &trace.active_stake,
            consensus: &trace.consensus,
            validator_trust: &trace.validator_trust,
            preranks: &trace.preranks,
            ranks: &trace.ranks,
            incentive: &trace.incentive,
            dividends: &trace.dividends,
            emission_sum: trace.emission_sum,
        }
    }
}
