//! Who is paid how much.

use crate::arithmetic::{self, Bits, Divisor};
use alloc::vec::Vec;

/// Amounts in rao for each uid.
pub(crate) struct Emission {
    pub server: Vec<u64>,
    pub validator: Vec<u64>,
    pub combined: Vec<u64>,
    /// Sum of all incentives and dividends.
    pub sum: Bits,
}

/// Splits an amount by incentives and dividends together, so that each side gets about half of it, or all if the
/// other is empty. Without any incentives and dividends validators are paid by stake. Every amount is floored; what
/// is lost that way stays unpaid.
pub(crate) fn distribute(
    amount: u64,
    incentive: &[Bits],
    dividends: &[Bits],
    stake: &[Bits],
    active_stake: &[Bits],
) -> Emission {
    let mut combined: Vec<Bits> = incentive
        .iter()
        .zip(dividends)
        .map(|(incentive, dividend)| incentive.saturating_add(*dividend))
        .collect();
    let sum = arithmetic::sum(&combined);
    if sum == 0 {
        let shares = if arithmetic::sum(active_stake) == 0 { stake } else { active_stake };
        let by_stake = amounts(amount, shares.iter().copied());
        let server = amounts(amount, incentive.iter().copied());
        return Emission { server, validator: by_stake.clone(), combined: by_stake, sum };
    }
    let divisor = Divisor::new(sum);
    let share = |value: &Bits| divisor.divide(*value);
    let server = amounts(amount, incentive.iter().map(share));
    let validator = amounts(amount, dividends.iter().map(share));
    arithmetic::normalise(&mut combined);
    Emission { server, validator, combined: amounts(amount, combined.into_iter()), sum }
}

fn amounts(amount: u64, shares: impl Iterator<Item = Bits>) -> Vec<u64> {
    shares.map(|share| floor_of_share(amount, share)).collect()
}

fn floor_of_share(amount: u64, share: Bits) -> u64 {
    let part = (i128::from(share) * i128::from(amount)) >> 32;
    part.clamp(0, u64::MAX.into()) as u64
}
