//! Bonds: what validators hold in miners, how it moves, and the dividends it pays.

mod average;
mod liquid;
mod yuma2;
mod yuma3;

pub use liquid::RateCurve;

use crate::{
    arithmetic::{self, Bits, ONE},
    input::{EpochInput, SparseRow, YumaVersion},
    sparse::{Entry, StoredEntry},
    weights::{padded_registrations, WeightRow, Weights},
};
use alloc::{borrow::Cow, vec, vec::Vec};
use myelin_fixed::{SafeDiv, I32F32, I64F64};

/// What the bonds of an epoch come to.
pub(crate) struct BondOutcome {
    /// Dividends `D`, not yet normalised.
    pub dividends: Vec<Bits>,
    /// Rows to store.
    pub stored: Vec<SparseRow>,
}

impl BondOutcome {
    /// Joins what blocks of rows came to, in order.
    fn join(parts: Vec<(Vec<Bits>, Vec<SparseRow>)>) -> Self {
        let (dividends, stored): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Self { dividends: dividends.concat(), stored: stored.into_iter().flatten().collect() }
    }
}

/// What both versions need besides weights.
pub(crate) struct BondContext<'a> {
    pub input: &'a EpochInput<'a>,
    pub consensus: &'a [Bits],
    pub ranks: &'a [Bits],
    pub incentive: &'a [Bits],
    pub active_stake: &'a [Bits],
    pub new_permits: &'a [bool],
}

/// Removes every bond in `target` from stored rows: the reset that a subnet may have when a miner publishes new metadata.
/// Happens between epochs, on every mechanism. Tells whether anything changed.
pub fn reset(rows: &mut [SparseRow], target: u16) -> bool {
    let entries = |rows: &[SparseRow]| rows.iter().map(Vec::len).sum::<usize>();
    let before = entries(rows);
    for row in rows.iter_mut() {
        row.retain(|(column, _)| *column != target);
    }
    entries(rows) != before
}

/// Moves the stored bonds towards the weights and pays dividends.
pub(crate) fn update(weights: &Weights<'_>, context: &BondContext<'_>) -> BondOutcome {
    let penalty = arithmetic::from_u16_proportion(context.input.parameters.bonds_penalty);
    let sorted;
    let weights = match penalty {
        0 | ONE => weights,
        // A fractional penalty sorts rows and leaves one entry for each target, which liquid alpha can tell.
        _ => {
            sorted = weights.ascending();
            &sorted
        }
    };
    let weights = BondWeights::new(weights, context.consensus, penalty);
    match context.input.parameters.version {
        YumaVersion::Yuma2 => yuma2::update(&weights, context),
        YumaVersion::Yuma3 { liquid_alpha } => yuma3::update(&weights, context, liquid_alpha),
    }
}

/// Weights as bonds see them: `(1 - beta) W_ij + beta min(W_ij, C_j)`.
struct BondWeights<'a> {
    weights: &'a Weights<'a>,
    /// What weights are clipped to: consensus, or with a penalty of zero nothing that they could reach.
    limits: Cow<'a, [Bits]>,
    /// The penalty if it is strictly between 0 and 1.
    fractional_penalty: Option<Bits>,
}

impl<'a> BondWeights<'a> {
    fn new(weights: &'a Weights<'a>, consensus: &'a [Bits], penalty: Bits) -> Self {
        let limits =
            if penalty == 0 { Cow::Owned(vec![ONE; consensus.len()]) } else { Cow::Borrowed(consensus) };
        let fractional_penalty = Some(penalty).filter(|penalty| (1..ONE).contains(penalty));
        Self { weights, limits, fractional_penalty }
    }

    /// Targets and weights of a row.
    #[inline]
    fn entries<'r>(&'r self, row: &'r WeightRow<'r>) -> impl Iterator<Item = Entry> + use<'r, 'a> {
        row.entries().map(|(column, weight)| (column, self.value(column, weight)))
    }

    /// [`entries`](Self::entries) that exist, which is what liquid alpha asks for: all but those that clipping brings to
    /// zero. With a fractional penalty explicit zeros do not exist either.
    fn existing_entries<'r>(&'r self, row: &'r WeightRow<'r>) -> impl Iterator<Item = Entry> + use<'r, 'a> {
        row.entries().filter_map(|(column, weight)| {
            let value = self.value(column, weight);
            let exists = value > 0 || (weight == 0 && self.fractional_penalty.is_none());
            exists.then_some((column, value))
        })
    }

    #[inline]
    fn value(&self, column: usize, weight: Bits) -> Bits {
        let Some(limit) = self.limits.get(column) else { return 0 };
        let clipped = arithmetic::lower(weight, *limit);
        match self.fractional_penalty {
            None => clipped,
            Some(penalty) => weight + arithmetic::mul(penalty, clipped - weight),
        }
    }
}

/// The bonds that the previous epoch stored.
struct StoredBonds<'a> {
    rows: &'a [SparseRow],
    /// For each uid, whether it has been the same neuron's since then. If not, bonds in it are void.
    valid: Vec<bool>,
}

impl<'a> StoredBonds<'a> {
    fn of(input: &EpochInput<'a>) -> Self {
        let last_tempo = match input.last_step_block {
            0 => input.block.saturating_sub(input.tempo.into()),
            last_step => last_step.saturating_add(1),
        };
        let registrations = padded_registrations(input);
        let valid = registrations.into_iter().map(|registration| registration < last_tempo).collect();
        Self { rows: input.bonds, valid }
    }

    /// A validator's row as stored, void bonds included.
    fn row(&self, uid: usize) -> &'a [StoredEntry] {
        self.rows.get(uid).map(Vec::as_slice).unwrap_or_default()
    }

    fn is_valid(&self, column: usize) -> bool {
        self.valid.get(column) == Some(&true)
    }
}

/// The common rate at which bonds move: `1 - bonds_moving_average`, floored twice on the way. Negative if the
/// parameter is above one million.
fn common_rate(bonds_moving_average: u64) -> Bits {
    let millionths = I64F64::saturating_from_num(1_000_000);
    let kept = I64F64::saturating_from_num(bonds_moving_average).safe_div(millionths);
    ONE.saturating_sub(kept.saturating_to_num::<I32F32>().to_bits())
}
