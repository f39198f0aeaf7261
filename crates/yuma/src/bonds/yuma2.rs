//! Yuma 2: bonds are shares of a miner, bought with stake.

use super::{average::Averager, common_rate, BondContext, BondOutcome, BondWeights, StoredBonds};
use crate::{
    arithmetic::{self, Bits, Divisor, ONE},
    input::SparseRow,
    parallel,
    sparse::{add_columns, add_entry, Entry, RowBlock},
    weights::WeightRow,
};
use alloc::{vec, vec::Vec};

/// ```text
/// dB_ij = W_ij S_i / sum_k W_kj S_k
/// B_ij  = alpha dB_ij + (1 - alpha) B'_ij / sum_k B'_kj        then again as shares of the column
/// D_i   = sum_j I_j B_ij
/// ```
///
/// Each column is stored relative to its largest bond.
pub(super) fn update(weights: &BondWeights<'_>, context: &BondContext<'_>) -> BondOutcome {
    let step = Step::new(weights, context);
    let averages = weights.weights.map_blocks(|rows| step.averaged(rows));
    let payouts = payouts(&averages, context.incentive);
    let parts = parallel::map(averages, |block| pay_and_store(&block.bonds, &payouts, context));
    BondOutcome::join(parts)
}

struct Step<'a> {
    weights: &'a BondWeights<'a>,
    active_stake: &'a [Bits],
    stored: StoredBonds<'a>,
    /// Divisors that turn bought and stored bonds into shares of their columns.
    bought_sums: Vec<Divisor>,
    stored_sums: Vec<Divisor>,
    rate: Bits,
}

/// A block of new bonds, and sums and maxima of its columns.
struct AveragedBlock {
    bonds: RowBlock,
    column_sums: Vec<Bits>,
    column_maxima: Vec<Bits>,
}

impl<'a> Step<'a> {
    fn new(weights: &'a BondWeights<'a>, context: &BondContext<'a>) -> Self {
        let stored = StoredBonds::of(context.input);
        Self {
            weights,
            active_stake: context.active_stake,
            bought_sums: divisors(&bought_sums(weights, context)),
            stored_sums: divisors(&stored_sums(weights, &stored)),
            stored,
            rate: common_rate(context.input.parameters.bonds_moving_average),
        }
    }

    fn averaged(&self, rows: &[WeightRow<'_>]) -> AveragedBlock {
        let mut averager = Averager::new(rows, self.bought_sums.len());
        let mut column_maxima = vec![0; self.bought_sums.len()];
        for row in rows {
            averager.push_row(
                self.new_contributions(row),
                self.old_contributions(row.uid),
                |(column, bond)| {
                    if let Some(maximum) = column_maxima.get_mut(column) {
                        *maximum = bond.max(*maximum);
                    }
                },
            );
        }
        let (bonds, column_sums) = averager.finish();
        AveragedBlock { bonds, column_sums, column_maxima }
    }

    #[inline]
    fn new_contributions<'r>(&'r self, row: &'r WeightRow<'r>) -> impl Iterator<Item = Entry> + use<'r, 'a> {
        bought(self.weights, row, self.active_stake).map(|(column, bond)| {
            (column, arithmetic::mul(self.rate, share(&self.bought_sums, column, bond)))
        })
    }

    #[inline]
    fn old_contributions(&self, uid: usize) -> impl Iterator<Item = Entry> + use<'_, 'a> {
        let kept = ONE.saturating_sub(self.rate);
        self.stored.row(uid).iter().map(move |(column, bond)| {
            let column = usize::from(*column);
            (column, arithmetic::mul(kept, share(&self.stored_sums, column, Bits::from(*bond))))
        })
    }
}

fn divisors(sums: &[Bits]) -> Vec<Divisor> {
    sums.iter().map(|sum| Divisor::new(*sum)).collect()
}

/// A value as share of its column; zero in a column without a sum.
#[inline]
fn share(sums: &[Divisor], column: usize, value: Bits) -> Bits {
    sums.get(column).map_or(0, |sum| sum.divide(value))
}

/// Bonds that a validator's stake buys.
#[inline]
fn bought<'r>(
    weights: &'r BondWeights<'r>,
    row: &'r WeightRow<'r>,
    active_stake: &[Bits],
) -> impl Iterator<Item = Entry> + 'r {
    let stake = active_stake.get(row.uid).copied().unwrap_or(0);
    weights.entries(row).map(move |(column, weight)| (column, arithmetic::mul_shares(weight, stake)))
}

fn bought_sums(weights: &BondWeights<'_>, context: &BondContext<'_>) -> Vec<Bits> {
    if context.input.parameters.bonds_penalty == u16::MAX {
        return context.ranks.to_vec(); // They are the same sums.
    }
    let column_count = context.ranks.len();
    let parts = weights.weights.map_blocks(|rows| {
        let mut sums = vec![0; column_count];
        for row in rows {
            bought(weights, row, context.active_stake).for_each(|bond| add_entry(&mut sums, bond));
        }
        sums
    });
    add_columns(column_count, parts)
}

/// Sums of valid stored bonds, as integers: only their shares of the column count. Zero for other columns.
fn stored_sums(weights: &BondWeights<'_>, stored: &StoredBonds<'_>) -> Vec<Bits> {
    let column_count = stored.valid.len();
    let parts = weights.weights.map_blocks(|rows| {
        let mut sums = vec![0; column_count];
        for (column, bond) in rows.iter().flat_map(|row| stored.row(row.uid)) {
            add_entry(&mut sums, (usize::from(*column), Bits::from(*bond)));
        }
        sums
    });
    let mut sums = add_columns(column_count, parts);
    for (sum, valid) in sums.iter_mut().zip(&stored.valid) {
        if !*valid {
            *sum = 0;
        }
    }
    sums
}

/// What turns a bond into its share of a miner, that share into dividends, and into what is stored.
struct Payout {
    column_sum: Divisor,
    incentive: Bits,
    largest_share: Divisor,
}

fn payouts(blocks: &[AveragedBlock], incentive: &[Bits]) -> Vec<Payout> {
    let sums = add_columns(incentive.len(), blocks.iter().map(|block| block.column_sums.clone()));
    let largest = |column: usize| blocks.iter().filter_map(|block| block.column_maxima.get(column)).max();
    let columns = sums.into_iter().zip(incentive).enumerate();
    let payouts = columns.map(|(column, (sum, incentive))| {
        let column_sum = Divisor::new(sum);
        // Division keeps the order of values, so the largest share is the share of the largest.
        let largest_share = column_sum.divide(largest(column).copied().unwrap_or(0));
        Payout { column_sum, incentive: *incentive, largest_share: Divisor::new(largest_share) }
    });
    payouts.collect()
}

fn pay_and_store(
    bonds: &RowBlock,
    payouts: &[Payout],
    context: &BondContext<'_>,
) -> (Vec<Bits>, Vec<SparseRow>) {
    let rows = bonds.rows().map(|(uid, row)| {
        let mut dividend = 0;
        let stored = row.entries().map(|(column, bond)| {
            let Some(payout) = payouts.get(column) else { return (0, 0) };
            let share = payout.column_sum.divide(bond);
            dividend += arithmetic::mul_shares(payout.incentive, share);
            (column as u16, arithmetic::to_u16_proportion(payout.largest_share.divide(share)))
        });
        let stored: SparseRow = stored.collect();
        (dividend, if context.new_permits.get(uid) == Some(&true) { stored } else { Vec::new() })
    });
    rows.unzip()
}
