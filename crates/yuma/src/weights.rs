//! Weights: how they are stored, and which of them count.

use crate::{
    arithmetic::{self, Bits, Divisor, ONE},
    input::EpochInput,
    parallel,
    sparse::{ascending, uid_ranges, Entry, StoredEntry},
};
use alloc::{borrow::Cow, vec, vec::Vec};
use core::ops::Range;

/// Above this maximum, upscaling multiplies by a ratio instead of dividing a product that would not fit.
const MAX_EXACT_UPSCALE: Bits = 32_768 << 32;

/// Scales weights so that the largest becomes 65535, as they are stored when set. All-zero weights stay.
#[must_use]
pub fn max_upscale(weights: &[u16]) -> Vec<u16> {
    let bits: Vec<Bits> = weights.iter().map(|weight| Bits::from(*weight) << 32).collect();
    max_upscale_bits(&bits)
}

/// [`max_upscale`] of fixed-point values that are not negative. Rounds to the nearest integer, halves up.
#[must_use]
pub fn max_upscale_bits(values: &[Bits]) -> Vec<u16> {
    let maximum = values.iter().copied().max().unwrap_or(0);
    values.iter().map(|value| upscaled(*value, maximum)).collect()
}

fn upscaled(value: Bits, maximum: Bits) -> u16 {
    const WHOLE: Bits = (u16::MAX as Bits) << 32;
    const HALF: Bits = ONE / 2;
    let scaled = if maximum > MAX_EXACT_UPSCALE {
        arithmetic::mul(value, arithmetic::div(WHOLE, maximum))
    } else {
        arithmetic::div(arithmetic::mul(value, WHOLE), maximum)
    };
    (scaled.saturating_add(HALF) >> 32).clamp(0, Bits::from(u16::MAX)) as u16
}

/// Weights as bits of shares of their sum.
#[must_use]
pub fn row_normalise(weights: &[u16]) -> Vec<Bits> {
    let sum = Divisor::new(weights.iter().map(|weight| Bits::from(*weight)).sum());
    weights.iter().map(|weight| sum.divide(Bits::from(*weight))).collect()
}

/// Weights in 65535ths of their sum, floored; as they are if that is zero.
#[must_use]
pub fn normalise_to_u16(weights: &[u16]) -> Vec<u16> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    // At most the whole, so it fits.
    let share =
        |weight: u16| (u64::from(weight) * u64::from(u16::MAX)).checked_div(sum).map(|share| share as u16);
    weights.iter().map(|weight| share(*weight).unwrap_or(*weight)).collect()
}

/// Whether no weight is more than `max_weight_limit` (in 65535ths) of the sum.
#[must_use]
pub fn check_max_limited(weights: &[u16], max_weight_limit: u16) -> bool {
    let largest = row_normalise(weights).into_iter().max().unwrap_or(0);
    largest <= arithmetic::from_u16_proportion(max_weight_limit)
}

/// The weights of a subnet that count in an epoch, row-normalised: one row for each uid.
#[derive(Clone, Debug)]
pub(crate) struct Weights<'a> {
    rows: Vec<WeightRow<'a>>,
    blocks: Vec<Range<usize>>,
}

/// One validator's weights. Columns need be neither sorted nor distinct.
#[derive(Clone, Debug)]
pub(crate) struct WeightRow<'a> {
    pub uid: usize,
    entries: Cow<'a, [StoredEntry]>,
    /// Normalised weights are not stored: they take more space than time.
    sum: Divisor,
}

impl<'a> Weights<'a> {
    /// A row counts if its validator has a permit. An entry counts unless its target
    /// * is no uid of the subnet,
    /// * is the validator itself, who is not the owner,
    /// * registered when or after the validator last set weights, or
    /// * registered after the validator's oldest unrevealed commit: those weights may mean its predecessor.
    pub fn that_count(input: &EpochInput<'a>, permits: &[bool]) -> Self {
        let filter = WeightFilter { input, permits, registrations: padded_registrations(input) };
        let blocks = uid_ranges(input.uid_count.into(), |uid| filter.all_entries(uid).len());
        let rows = parallel::map(blocks.clone(), |uids| uids.map(|uid| filter.row(uid)).collect::<Vec<_>>());
        Self { rows: rows.into_iter().flatten().collect(), blocks }
    }

    pub fn rows(&self) -> &[WeightRow<'a>] {
        &self.rows
    }

    /// In how many parts work on the rows is worth being shared, at least one.
    pub fn block_count(&self) -> usize {
        self.blocks.len().max(1)
    }

    /// `f` of every block of rows, in order.
    pub fn map_blocks<R: Send>(&self, f: impl Fn(&[WeightRow<'a>]) -> R + Sync + Send) -> Vec<R> {
        parallel::map(self.blocks.clone(), |uids| f(self.rows.get(uids).unwrap_or_default()))
    }

    /// The same weights with rows that are [`ascending`].
    pub fn ascending(&self) -> Weights<'_> {
        Weights { rows: self.rows.iter().map(WeightRow::ascending).collect(), blocks: self.blocks.clone() }
    }
}

impl WeightRow<'_> {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn ascending(&self) -> WeightRow<'_> {
        WeightRow { uid: self.uid, entries: ascending(&self.entries), sum: self.sum }
    }

    /// Targets and normalised weights.
    #[inline]
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.entries.iter().map(|(column, weight)| (usize::from(*column), self.normalised(*weight)))
    }

    /// Targets and weights before normalisation.
    pub fn stored_entries(&self) -> &[StoredEntry] {
        &self.entries
    }

    #[inline]
    pub fn normalised(&self, weight: u16) -> Bits {
        self.sum.divide(weight.into())
    }
}

/// Block of registration of every uid, padded with zeros.
pub(crate) fn padded_registrations(input: &EpochInput<'_>) -> Vec<u64> {
    let mut registrations = vec![0; usize::from(input.uid_count)];
    for (padded, registration) in registrations.iter_mut().zip(input.block_at_registration) {
        *padded = *registration;
    }
    registrations
}

struct WeightFilter<'f, 'a> {
    input: &'f EpochInput<'a>,
    permits: &'f [bool],
    registrations: Vec<u64>,
}

impl<'a> WeightFilter<'_, 'a> {
    fn all_entries(&self, uid: usize) -> &'a [StoredEntry] {
        if self.permits.get(uid) != Some(&true) {
            return &[];
        }
        self.input.weights.get(uid).map(Vec::as_slice).unwrap_or_default()
    }

    fn row(&self, uid: usize) -> WeightRow<'a> {
        let entries = self.entries_that_count(uid);
        let sum = entries.iter().map(|(_, weight)| Bits::from(*weight)).sum();
        WeightRow { uid, entries, sum: Divisor::new(sum) }
    }

    fn entries_that_count(&self, uid: usize) -> Cow<'a, [StoredEntry]> {
        let Some(newest) = self.newest_registration(uid) else { return Cow::Borrowed(&[]) };
        let own_weight_counts = self.input.owner.map(usize::from) == Some(uid);
        let excluded = if own_weight_counts { usize::MAX } else { uid };
        let counts = |&(column, _): &StoredEntry| {
            let target = usize::from(column);
            let registration = self.registrations.get(target);
            target != excluded && registration.is_some_and(|registration| *registration <= newest)
        };
        let all = self.all_entries(uid);
        if all.iter().all(counts) {
            return Cow::Borrowed(all);
        }
        Cow::Owned(all.iter().copied().filter(counts).collect())
    }

    /// The latest block in which a target may have registered for this validator's weights to mean it.
    fn newest_registration(&self, uid: usize) -> Option<u64> {
        let last_update = self.input.last_update.get(uid).copied().unwrap_or(0);
        let before_update = last_update.checked_sub(1)?;
        let commit = self.input.commit_blocks.and_then(|blocks| blocks.get(uid).copied().flatten());
        Some(commit.map_or(before_update, |commit| before_update.min(commit)))
    }
}
