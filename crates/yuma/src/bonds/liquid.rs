//! Liquid alpha: every bond moves at its own rate, faster the further weight, bond and consensus are apart.

use super::{BondWeights, StoredBonds};
use crate::{
    arithmetic::{self, Bits, ONE},
    input::LiquidAlpha,
    sparse::{add_entry, Entry, RowBlock},
    weights::WeightRow,
};
use alloc::{vec, vec::Vec};
use myelin_fixed::{exp_safe_lanes, I32F32};

/// Exponentials that are evaluated together.
const LANES: usize = 4;

/// The sigmoid of [`LiquidAlpha`], ready for evaluation.
#[derive(Clone, Copy, Debug)]
pub struct RateCurve {
    low: Bits,
    high: Bits,
    /// Factor of the exponent, negative for a rising curve.
    slope: Bits,
}

impl RateCurve {
    /// The curve with the given parameters.
    #[must_use]
    pub fn new(parameters: LiquidAlpha) -> Self {
        Self {
            low: arithmetic::from_u16_proportion(parameters.low),
            high: arithmetic::from_u16_proportion(parameters.high),
            slope: (Bits::from(parameters.steepness) << 32) / -100,
        }
    }

    /// Rate at which a bond moves towards a weight, all in bits.
    #[must_use]
    pub fn rate(&self, consensus: Bits, weight: Bits, bond: Bits) -> Bits {
        let [rate] = self.rates([difference(consensus, weight, bond)]);
        rate
    }

    /// `low + (high - low) / (1 + exp(slope * (difference - 1/2)))`, kept between `low` and `high`; `low` where
    /// they are the wrong way round.
    #[inline]
    fn rates<const N: usize>(&self, differences: [Bits; N]) -> [Bits; N] {
        let exponents = differences
            .map(|difference| I32F32::from_bits(arithmetic::mul(self.slope, difference - ONE / 2)));
        exp_safe_lanes(exponents).map(|exponential| {
            let sigmoid = arithmetic::div(ONE, ONE.saturating_add(exponential.to_bits()));
            let rate = self.low + arithmetic::mul(sigmoid, self.high - self.low);
            rate.min(self.high).max(self.low)
        })
    }

    /// Turns differences into rates, in place.
    fn apply(&self, differences: &mut [Bits]) {
        let (lanes, rest) = differences.as_chunks_mut::<LANES>();
        for lane in lanes {
            *lane = self.rates(*lane);
        }
        for difference in rest {
            [*difference] = self.rates([*difference]);
        }
    }
}

/// How far a validator that buys is above consensus, or one that sells has fallen below its bond; within 0 to 1.
#[inline]
fn difference(consensus: Bits, weight: Bits, bond: Bits) -> Bits {
    let difference = core::hint::select_unpredictable(
        weight >= bond,
        weight.saturating_sub(consensus),
        bond.saturating_sub(weight),
    );
    difference.clamp(0, ONE)
}

/// The average with one rate for each bond.
pub(super) struct Step<'a> {
    pub weights: &'a BondWeights<'a>,
    pub stored: StoredBonds<'a>,
    pub consensus: &'a [Bits],
    pub curve: RateCurve,
}

impl<'a> Step<'a> {
    /// The new bonds of a block of rows and their column sums: bonds that the validator has a weight for, be it zero.
    /// Those in miners without an entry vanish at once. Rows keep the order of the weights.
    pub fn averaged(&self, rows: &[WeightRow<'_>]) -> (RowBlock, Vec<Bits>) {
        let mut out = RowBlock::for_rows_of(rows);
        let mut sums = vec![0; self.consensus.len()];
        let mut scratch = Scratch::new(self.consensus.len());
        for row in rows {
            if !row.is_empty() {
                scratch.load(self.weights.existing_entries(row), self.held(row.uid));
                scratch.find_rates(self.consensus, &self.curve);
                scratch.push_moved(&mut out, &mut sums);
                scratch.clear(self.held(row.uid));
            }
            out.end_row();
        }
        (out, sums)
    }

    /// Valid bonds that a validator held, between 0 and 1.
    fn held(&self, uid: usize) -> impl Iterator<Item = Entry> + Clone + use<'_, 'a> {
        self.stored.row(uid).iter().filter_map(|(column, bond)| {
            let column = usize::from(*column);
            self.stored.is_valid(column).then(|| (column, arithmetic::from_u16_proportion(*bond)))
        })
    }
}

/// One validator's row while it is worked on.
struct Scratch {
    weights: Vec<Entry>,
    /// Bonds by uid.
    bonds: Vec<Bits>,
    /// Weights and bonds by uid as rates see them: see [`rising`].
    rising_weights: Vec<Bits>,
    rising_bonds: Vec<Bits>,
    /// Aligned with `weights`.
    rates: Vec<Bits>,
}

impl Scratch {
    fn new(column_count: usize) -> Self {
        let dense = || vec![0; column_count];
        Self {
            weights: Vec::new(),
            bonds: dense(),
            rising_weights: dense(),
            rising_bonds: dense(),
            rates: Vec::new(),
        }
    }

    fn load(&mut self, weights: impl Iterator<Item = Entry>, bonds: impl Iterator<Item = Entry> + Clone) {
        self.weights.extend(weights);
        set_all(&mut self.rising_weights, rising(self.weights.iter().copied()));
        set_all(&mut self.rising_bonds, rising(bonds.clone()));
        set_all(&mut self.bonds, bonds);
    }

    fn find_rates(&mut self, consensus: &[Bits], curve: &RateCurve) {
        let (weights, bonds) = (&self.rising_weights, &self.rising_bonds);
        self.rates.extend(
            self.weights.iter().map(|&(column, _)| {
                difference(at(consensus, column), at(weights, column), at(bonds, column))
            }),
        );
        curve.apply(&mut self.rates);
    }

    /// Moves every bond by its rate and keeps the positive ones: `min((1 - rate) bond + rate weight, 1)`.
    fn push_moved(&self, out: &mut RowBlock, sums: &mut [Bits]) {
        for ((column, weight), rate) in self.weights.iter().copied().zip(&self.rates) {
            let kept = arithmetic::mul(ONE.saturating_sub(*rate), at(&self.bonds, column));
            let bought = arithmetic::mul(*rate, weight).max(0);
            let moved = kept.saturating_add(bought).min(ONE);
            if moved > 0 {
                out.push((column, moved));
                add_entry(sums, (column, moved));
            }
        }
    }

    /// Makes room for the next row, touching only what this one used.
    fn clear(&mut self, bonds: impl Iterator<Item = Entry> + Clone) {
        let zeros = bonds.map(|(column, _)| (column, 0));
        set_all(&mut self.bonds, zeros.clone());
        set_all(&mut self.rising_bonds, zeros);
        set_all(&mut self.rising_weights, self.weights.drain(..).map(|(column, _)| (column, 0)));
        self.rates.clear();
    }
}

/// The entries that rates take into account: those whose uid exceeds every uid before them in the row. In a sorted
/// row that is all of them; an entry out of order counts as zero there.
fn rising(entries: impl Iterator<Item = Entry>) -> impl Iterator<Item = Entry> {
    let mut next = 0;
    entries.filter(move |(column, _)| {
        let rises = *column >= next;
        if rises {
            next = column + 1;
        }
        rises
    })
}

#[inline]
fn at(dense: &[Bits], column: usize) -> Bits {
    dense.get(column).copied().unwrap_or(0)
}

fn set_all(dense: &mut [Bits], entries: impl Iterator<Item = Entry>) {
    for (column, value) in entries {
        if let Some(slot) = dense.get_mut(column) {
            *slot = value;
        }
    }
}
