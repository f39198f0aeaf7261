//! Yuma 3: bonds are each validator's own, between 0 and 1, whatever its stake.

use super::{average::Averager, common_rate, liquid, BondContext, BondOutcome, BondWeights, StoredBonds};
use crate::{
    arithmetic::{self, Bits, Divisor, ONE},
    input::{LiquidAlpha, SparseRow},
    parallel,
    sparse::{add_columns, Entry, Row, RowBlock},
    weights::WeightRow,
};
use alloc::vec::Vec;

/// ```text
/// B_ij = alpha W_ij + (1 - alpha) B'_ij                        alpha may depend on (i, j): liquid alpha
/// D_i  = S_i sum_j I_j B_ij / sum_k B_kj
/// ```
pub(super) fn update(
    weights: &BondWeights<'_>,
    context: &BondContext<'_>,
    liquid_alpha: Option<LiquidAlpha>,
) -> BondOutcome {
    let (averages, column_sums): (Vec<_>, Vec<_>) =
        averaged(weights, context, liquid_alpha).into_iter().unzip();
    let column_sums = add_columns(context.consensus.len(), column_sums);
    let payouts = column_sums.iter().zip(context.incentive);
    let payouts: Vec<Payout> = payouts
        .map(|(sum, incentive)| Payout { column_sum: Divisor::new(*sum), incentive: *incentive })
        .collect();
    let parts = parallel::map(averages, |block| pay_and_store(&block, &payouts, context));
    BondOutcome::join(parts)
}

/// Blocks of new bonds with their column sums.
fn averaged(
    weights: &BondWeights<'_>,
    context: &BondContext<'_>,
    liquid_alpha: Option<LiquidAlpha>,
) -> Vec<(RowBlock, Vec<Bits>)> {
    let stored = StoredBonds::of(context.input);
    let any_consensus = context.consensus.iter().any(|consensus| *consensus != 0);
    match liquid_alpha.filter(|_| any_consensus) {
        Some(curve) => {
            let curve = liquid::RateCurve::new(curve);
            let step = liquid::Step { weights, stored, consensus: context.consensus, curve };
            weights.weights.map_blocks(|rows| step.averaged(rows))
        }
        None => {
            let rate = common_rate(context.input.parameters.bonds_moving_average);
            let step = Step::new(weights, stored, rate);
            weights.weights.map_blocks(|rows| step.averaged(rows))
        }
    }
}

/// The average with one rate for all bonds.
struct Step<'a> {
    weights: &'a BondWeights<'a>,
    stored: StoredBonds<'a>,
    rate: Bits,
    /// For each column, how much of a stored bond is kept: nothing if it is void.
    kept: Vec<Bits>,
}

impl<'a> Step<'a> {
    fn new(weights: &'a BondWeights<'a>, stored: StoredBonds<'a>, rate: Bits) -> Self {
        let kept_if = |valid| if valid { ONE.saturating_sub(rate) } else { 0 };
        let kept = stored.valid.iter().map(|valid| kept_if(*valid)).collect();
        Self { weights, stored, rate, kept }
    }

    /// New bonds of a block of rows, and their column sums.
    fn averaged(&self, rows: &[WeightRow<'_>]) -> (RowBlock, Vec<Bits>) {
        let mut averager = Averager::new(rows, self.kept.len());
        for row in rows {
            averager.push_row(self.new_contributions(row), self.old_contributions(row.uid), |_| ());
        }
        averager.finish()
    }

    #[inline]
    fn new_contributions<'r>(&'r self, row: &'r WeightRow<'r>) -> impl Iterator<Item = Entry> + use<'r, 'a> {
        self.weights.entries(row).map(|(column, weight)| (column, arithmetic::mul(self.rate, weight)))
    }

    #[inline]
    fn old_contributions(&self, uid: usize) -> impl Iterator<Item = Entry> + use<'_, 'a> {
        self.stored.row(uid).iter().map(|(column, bond)| {
            let column = usize::from(*column);
            let kept = self.kept.get(column).copied().unwrap_or(0);
            (column, arithmetic::mul(kept, arithmetic::from_u16_proportion(*bond)))
        })
    }
}

/// What turns a bond in a miner into a part of the validator's dividends.
struct Payout {
    column_sum: Divisor,
    incentive: Bits,
}

fn pay_and_store(
    bonds: &RowBlock,
    payouts: &[Payout],
    context: &BondContext<'_>,
) -> (Vec<Bits>, Vec<SparseRow>) {
    let rows = bonds.rows().map(|(uid, row)| {
        let stake = context.active_stake.get(uid).copied().unwrap_or(0);
        let dividend = arithmetic::mul_or_zero(incentive_share(row, payouts), stake);
        let stored = if context.new_permits.get(uid) == Some(&true) { stored_row(row) } else { Vec::new() };
        (dividend, stored)
    });
    rows.unzip()
}

/// A validator's part of all incentives, by its shares of each miner's bonds.
fn incentive_share(row: Row<'_>, payouts: &[Payout]) -> Bits {
    let parts = row.entries().map(|(column, bond)| {
        let payout = payouts.get(column);
        payout.map_or(0, |payout| arithmetic::mul_shares(payout.column_sum.divide(bond), payout.incentive))
    });
    parts.sum()
}

fn stored_row(row: Row<'_>) -> SparseRow {
    row.entries().map(|(column, bond)| (column as u16, arithmetic::to_u16_proportion(bond))).collect()
}
