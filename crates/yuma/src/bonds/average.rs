//! The exponential moving average with one rate for all bonds: a row of new bonds is the sum of what weights and what
//! stored bonds contribute.

use crate::{
    arithmetic::Bits,
    sparse::{Entry, RowBlock},
    weights::WeightRow,
};
use alloc::{vec, vec::Vec};

/// Builds a block of new bonds row by row.
pub(super) struct Averager {
    bonds: RowBlock,
    column_sums: Vec<Bits>,
    /// The current row. All zero between rows.
    dense: Vec<Bits>,
}

impl Averager {
    /// For a block of rows like those of some weights.
    pub fn new(weights: &[WeightRow<'_>], column_count: usize) -> Self {
        Self {
            bonds: RowBlock::for_rows_of(weights),
            column_sums: vec![0; column_count],
            dense: vec![0; column_count],
        }
    }

    /// Appends a row: the positive sums of contributions, in ascending order of columns. `note` sees them as well.
    #[inline]
    pub fn push_row(
        &mut self,
        new: impl Iterator<Item = Entry>,
        old: impl Iterator<Item = Entry>,
        mut note: impl FnMut(Entry),
    ) {
        const NOTHING: (usize, Option<usize>) = (0, Some(0));
        if new.size_hint() == NOTHING && old.size_hint() == NOTHING {
            self.bonds.end_row();
            return;
        }
        // Internal iteration: a loop would call the iterators once for each entry.
        new.for_each(|contribution| self.add(contribution));
        old.for_each(|contribution| self.add(contribution));
        for ((column, bond), sum) in self.dense.iter_mut().enumerate().zip(&mut self.column_sums) {
            let bond = core::mem::take(bond);
            if bond > 0 {
                *sum = sum.saturating_add(bond);
                self.bonds.push((column, bond));
                note((column, bond));
            }
        }
        self.bonds.end_row();
    }

    #[inline]
    fn add(&mut self, (column, contribution): Entry) {
        if let Some(bond) = self.dense.get_mut(column) {
            // Rates far outside 0 to 1 make contributions of any size, and a row may name a column repeatedly.
            *bond = bond.saturating_add(contribution);
        }
    }

    /// The bonds and their column sums.
    pub fn finish(self) -> (RowBlock, Vec<Bits>) {
        (self.bonds, self.column_sums)
    }
}
