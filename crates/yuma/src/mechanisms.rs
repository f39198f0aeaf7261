//! Several mechanisms in one subnet: each runs its own epoch on its part of the emission.

use crate::output::EpochOutput;
use alloc::{vec, vec::Vec};
use myelin_fixed::{SafeDiv, U64F64};

/// Splits an emission in rao among `count` mechanisms (at least one).
///
/// Each gets `floor(total * split / 65535)`, or `floor(total / count)` without a split; the first also gets what
/// remains. A split is padded with zeros or cut to `count`. One of more than 65535 in all is paid in order until nothing is left.
#[must_use]
pub fn split_emission(total: u64, count: u8, split: Option<&[u16]>) -> Vec<u64> {
    let count = usize::from(count.max(1));
    let mut parts = match split {
        Some(split) => split.iter().map(|share| floor_of_u16_share(total, *share)).collect(),
        None => vec![total / count as u64; count],
    };
    parts.resize(count, 0);
    let mut left = total;
    for part in &mut parts {
        *part = left.min(*part);
        left = left.saturating_sub(*part);
    }
    if let Some(first) = parts.first_mut() {
        *first = first.saturating_add(left);
    }
    parts
}

fn floor_of_u16_share(total: u64, share: u16) -> u64 {
    // At most `total`, so it fits.
    (u128::from(total) * u128::from(share) / u128::from(u16::MAX)) as u64
}

/// What the mechanisms of a subnet come to for each uid. Incentives and bonds stay with their mechanism.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubnetOutput {
    /// Sum over mechanisms.
    pub stake: Vec<u64>,
    /// Average weighted by emission.
    pub stake_weight: Vec<u16>,
    /// Active in any mechanism.
    pub active: Vec<bool>,
    /// Average weighted by emission.
    pub consensus: Vec<u16>,
    /// Average weighted by emission.
    pub validator_trust: Vec<u16>,
    /// Average weighted by emission.
    pub dividends: Vec<u16>,
    /// Sum over mechanisms.
    pub server_emission: Vec<u64>,
    /// Sum over mechanisms.
    pub validator_emission: Vec<u64>,
    /// Average weighted by emission.
    pub emission: Vec<u64>,
    /// Permitted in any mechanism.
    pub validator_permits: Vec<bool>,
}

/// Combines the epochs of a subnet's mechanisms, each given with the emission it distributed, in order.
///
/// Averages are floored after each mechanism. If nothing was distributed, the first one counts alone.
#[must_use]
pub fn aggregate(mechanisms: &[(u64, EpochOutput)]) -> SubnetOutput {
    let total = mechanisms.iter().fold(0, |sum: u64, (part, _)| sum.saturating_add(*part));
    let mut subnet = SubnetOutput::default();
    for (index, (part, output)) in mechanisms.iter().enumerate() {
        subnet.add(output, weight(*part, total, index));
    }
    subnet
}

fn weight(part: u64, total: u64, index: usize) -> U64F64 {
    if total == 0 {
        return U64F64::saturating_from_num(u8::from(index == 0));
    }
    U64F64::saturating_from_num(part).safe_div(U64F64::saturating_from_num(total))
}

impl SubnetOutput {
    fn add(&mut self, output: &EpochOutput, weight: U64F64) {
        let average_u16 = |sum: u64, value: u16| weighted_sum(sum, value.into(), weight);
        let narrow = |sum: u16, value: u16| average_u16(sum.into(), value).min(u16::MAX.into()) as u16;
        let average = |sum: u64, value: u64| weighted_sum(sum, value, weight);
        let or = |known: bool, new: bool| known || new;
        combine(&mut self.stake, &output.stake, u64::saturating_add);
        combine(&mut self.stake_weight, &output.stake_weight, narrow);
        combine(&mut self.active, &output.active, or);
        combine(&mut self.consensus, &output.consensus, narrow);
        combine(&mut self.validator_trust, &output.validator_trust, narrow);
        combine(&mut self.dividends, &output.dividends, narrow);
        combine(&mut self.server_emission, &output.server_emission, u64::saturating_add);
        combine(&mut self.validator_emission, &output.validator_emission, u64::saturating_add);
        combine(&mut self.emission, &output.emission, average);
        combine(&mut self.validator_permits, &output.validator_permits, or);
    }
}

/// `floor(sum + value * weight)`.
fn weighted_sum(sum: u64, value: u64, weight: U64F64) -> u64 {
    let part = U64F64::saturating_from_num(value).saturating_mul(weight);
    U64F64::saturating_from_num(sum).saturating_add(part).saturating_to_num()
}

fn combine<T: Copy + Default>(known: &mut Vec<T>, new: &[T], f: impl Fn(T, T) -> T) {
    if known.len() < new.len() {
        known.resize(new.len(), T::default());
    }
    for (known, new) in known.iter_mut().zip(new) {
        *known = f(*known, *new);
    }
}
