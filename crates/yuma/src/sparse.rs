//! Sparse matrices. A row belongs to a validator, a column to a target.
//!
//! Rows are worked on in blocks of consecutive uids, independently; memory is proportional to the number of entries.

use crate::{arithmetic::Bits, parallel, weights::WeightRow};
use alloc::{borrow::Cow, vec::Vec};
use core::ops::Range;

/// Column and value.
pub(crate) type Entry = (usize, Bits);

/// Column and value as chain state holds them.
pub(crate) type StoredEntry = (u16, u16);

/// Cuts uids `0..count` into consecutive ranges that hold as many entries as threads want to share.
pub(crate) fn uid_ranges(count: usize, entries_of: impl Fn(usize) -> usize) -> Vec<Range<usize>> {
    let entries_wanted = parallel::entries_per_block((0..count).map(&entries_of).sum());
    let mut ranges = Vec::new();
    let (mut start, mut entries) = (0, 0);
    for uid in 0..count {
        entries += entries_of(uid);
        if entries >= entries_wanted {
            ranges.push(start..uid + 1);
            (start, entries) = (uid + 1, 0);
        }
    }
    if start < count {
        ranges.push(start..count);
    }
    ranges
}

/// A row with strictly ascending columns: of entries for the same one the last stays.
pub(crate) fn ascending(row: &[StoredEntry]) -> Cow<'_, [StoredEntry]> {
    if row.iter().zip(row.iter().skip(1)).all(|((previous, _), (next, _))| previous < next) {
        return Cow::Borrowed(row);
    }
    let mut sorted: Vec<StoredEntry> = row.iter().rev().copied().collect();
    sorted.sort_by_key(|(column, _)| *column);
    sorted.dedup_by_key(|(column, _)| *column);
    Cow::Owned(sorted)
}

/// Adds a value to the sum of its column.
#[inline]
pub(crate) fn add_entry(sums: &mut [Bits], (column, value): Entry) {
    if let Some(sum) = sums.get_mut(column) {
        *sum = sum.saturating_add(value);
    }
}

/// Adds up column sums of blocks.
pub(crate) fn add_columns(column_count: usize, parts: impl IntoIterator<Item = Vec<Bits>>) -> Vec<Bits> {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_else(|| alloc::vec![0; column_count]);
    for part in parts {
        for (total, value) in total.iter_mut().zip(part) {
            *total = total.saturating_add(value);
        }
    }
    total
}

/// Rows of consecutive uids, flat.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowBlock {
    first_uid: usize,
    row_ends: Vec<usize>,
    columns: Vec<u16>,
    values: Vec<Bits>,
}

impl RowBlock {
    /// An empty block for the uids of some weights, with room for as many entries.
    pub fn for_rows_of(weights: &[WeightRow<'_>]) -> Self {
        let entries = weights.iter().map(WeightRow::len).sum();
        Self {
            first_uid: weights.first().map_or(0, |row| row.uid),
            row_ends: Vec::with_capacity(weights.len()),
            columns: Vec::with_capacity(entries),
            values: Vec::with_capacity(entries),
        }
    }

    /// Adds an entry to the row that [`Self::end_row`] will end.
    #[inline]
    pub fn push(&mut self, (column, value): Entry) {
        self.columns.push(column as u16);
        self.values.push(value);
    }

    /// Ends the row begun after the last call.
    pub fn end_row(&mut self) {
        self.row_ends.push(self.columns.len());
    }

    /// The rows in uid order, each with its uid.
    pub fn rows(&self) -> impl Iterator<Item = (usize, Row<'_>)> {
        let mut start = 0;
        self.row_ends.iter().enumerate().map(move |(index, &end)| {
            let range = core::mem::replace(&mut start, end)..end;
            let columns = self.columns.get(range.clone()).unwrap_or_default();
            let values = self.values.get(range).unwrap_or_default();
            (self.first_uid + index, Row { columns, values })
        })
    }
}

/// One row of a [`RowBlock`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    columns: &'a [u16],
    values: &'a [Bits],
}

impl<'a> Row<'a> {
    #[inline]
    pub fn entries(self) -> impl Iterator<Item = Entry> + 'a {
        self.columns.iter().zip(self.values).map(|(column, value)| (usize::from(*column), *value))
    }
}
