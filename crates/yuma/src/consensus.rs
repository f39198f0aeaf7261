//! Consensus weights, and what validators and miners gain from them: trust and ranks.

use crate::{
    arithmetic::{self, Bits, ONE},
    parallel,
    sparse::{add_columns, ascending, StoredEntry},
    weights::{WeightRow, Weights},
};
use alloc::{borrow::Cow, vec, vec::Vec};
use core::{cmp::Reverse, ops::Range};

/// Targets whose votes are gathered together: their buffers fit in cache while rows are read in order.
const TILE_COLUMNS: usize = 32;

/// Targets that one work item covers.
const ITEM_COLUMNS: usize = 16 * TILE_COLUMNS;

/// Consensus weight of every target: the stake-weighted median of its weights, see [`weighted_median`].
///
/// Only validators with active stake vote; a missing weight is a vote for zero.
pub(crate) fn consensus(
    weights: &Weights<'_>,
    active_stake: &[Bits],
    kappa: u16,
    column_count: usize,
) -> Vec<Bits> {
    let voters = Voters::of(weights, active_stake, kappa);
    let starts = (0..column_count).step_by(ITEM_COLUMNS);
    let items = starts.map(|start| start..column_count.min(start + ITEM_COLUMNS)).collect();
    parallel::map(items, |columns| voters.medians(columns)).concat()
}

/// The stake-weighted median of `scores`, in bits, for a majority of `kappa` 65535ths.
///
/// It is the largest score that scores at least as high reach with `kappa` of the stake, and the smallest score if
/// there is none; in other words
///
/// ```text
/// C = min { s in scores : sum of stake_k with score_k > s  <  kappa }
/// ```
///
/// and the largest score if `kappa` is zero. Without any stake it is zero. `stakes` are normalised once more, over
/// those that are positive. Scores outside 0 to 1 are clamped.
#[must_use]
pub fn weighted_median(stakes: &[Bits], scores: &[Bits], kappa: u16) -> Bits {
    let (mut stakes, scores): (Vec<Bits>, Vec<Bits>) =
        stakes.iter().zip(scores).filter(|(stake, _)| **stake > 0).unzip();
    arithmetic::normalise(&mut stakes);
    let votes = stakes.iter().zip(&scores).filter(|(stake, score)| **stake > 0 && **score > 0);
    let mut votes: Vec<Vote> = votes.map(|(stake, score)| Vote::new(*stake, ONE.min(*score))).collect();
    let anyone_at_zero = scores.iter().any(|score| *score <= 0);
    median(&mut votes, anyone_at_zero, arithmetic::from_u16_proportion(kappa))
}

/// A nonzero score and the stake behind it. Both lie in `1..=2^32` bits and are stored less one, so that a vote
/// fits one machine word. Votes for zero are known from what the others leave.
#[derive(Clone, Copy, Default)]
struct Vote {
    score: u32,
    stake: u32,
}

impl Vote {
    #[inline]
    fn new(stake: Bits, score: Bits) -> Self {
        Self { score: (score - 1) as u32, stake: (stake - 1) as u32 }
    }

    #[inline]
    fn stake(self) -> Bits {
        Bits::from(self.stake) + 1
    }
}

/// The highest score for which all votes at or above it have `majority` stake, or the lowest score. Quick-select:
/// every round keeps the votes on one side of a pivot.
fn median(mut votes: &mut [Vote], anyone_at_zero: bool, majority: Bits) -> Bits {
    let mut missing = majority;
    let mut last_pivot = None;
    while let Some(pivot) = pivot_score(votes) {
        let (above, at) = stake_above_and_at(votes, pivot);
        last_pivot = Some(pivot);
        if above >= missing {
            votes = keep(votes, |score| score > pivot);
        } else if above + at >= missing {
            break;
        } else {
            missing -= above + at;
            votes = keep(votes, |score| score < pivot);
            if votes.is_empty() && anyone_at_zero {
                return 0;
            }
        }
    }
    last_pivot.map_or(0, |score| Bits::from(score) + 1)
}

/// The median of the first three scores.
fn pivot_score(votes: &[Vote]) -> Option<u32> {
    match votes {
        [a, b, c, ..] => Some(a.score.min(b.score).max(a.score.max(b.score).min(c.score))),
        few => few.first().map(|vote| vote.score),
    }
}

fn stake_above_and_at(votes: &[Vote], score: u32) -> (Bits, Bits) {
    let (mut above, mut at) = (0, 0);
    for vote in votes {
        let stake = vote.stake();
        above += if vote.score > score { stake } else { 0 };
        at += if vote.score == score { stake } else { 0 };
    }
    (above, at)
}

/// Moves the votes that match to the front and gives them. Without branches on the scores, which look random.
fn keep(votes: &mut [Vote], matches: impl Fn(u32) -> bool) -> &mut [Vote] {
    let mut kept = 0;
    for index in 0..votes.len() {
        let vote = votes.get(index).copied().unwrap_or_default();
        if let Some(slot) = votes.get_mut(kept) {
            *slot = vote;
        }
        kept += usize::from(matches(vote.score));
    }
    votes.get_mut(..kept).unwrap_or_default()
}

/// Rows of the validators that vote, with strictly ascending columns, and their stakes.
struct Voters<'a> {
    ballots: Vec<Ballot<'a>>,
    majority: Bits,
}

struct Ballot<'a> {
    stake: Bits,
    row: &'a WeightRow<'a>,
    entries: Cow<'a, [StoredEntry]>,
}

impl<'a> Voters<'a> {
    fn of(weights: &'a Weights<'a>, active_stake: &[Bits], kappa: u16) -> Self {
        let stakes = active_stake.iter().copied();
        let mut voters: Vec<_> = stakes.zip(weights.rows()).filter(|(stake, _)| *stake > 0).collect();
        // The largest stakes decide most, so a pivot among their votes is a good one.
        voters.sort_by_key(|(stake, _)| Reverse(*stake));
        let (mut stakes, rows): (Vec<Bits>, Vec<&WeightRow<'a>>) = voters.into_iter().unzip();
        arithmetic::normalise(&mut stakes);
        let voters: Vec<_> = stakes.into_iter().zip(rows).collect();
        let items = voters.chunks(voters.len().div_ceil(weights.block_count()).max(1)).collect();
        let ballots = parallel::map(items, |voters: &[_]| {
            voters.iter().map(|(stake, row)| Ballot::new(*stake, row)).collect::<Vec<_>>()
        });
        Self {
            ballots: ballots.into_iter().flatten().collect(),
            majority: arithmetic::from_u16_proportion(kappa),
        }
    }

    fn medians(&self, columns: Range<usize>) -> Vec<Bits> {
        let mut medians = Vec::with_capacity(columns.len());
        let mut tile = Tile::new(self.ballots.len());
        let mut cursors: Vec<usize> =
            self.ballots.iter().map(|ballot| ballot.position(columns.start)).collect();
        for start in columns.clone().step_by(TILE_COLUMNS) {
            let end = columns.end.min(start + TILE_COLUMNS);
            tile.clear();
            for (ballot, cursor) in self.ballots.iter().zip(&mut cursors) {
                *cursor = tile.gather(ballot, *cursor, start..end);
            }
            tile.push_medians(end - start, self.majority, &mut medians);
        }
        medians
    }
}

impl<'a> Ballot<'a> {
    fn new(stake: Bits, row: &'a WeightRow<'a>) -> Self {
        Self { stake, row, entries: ascending(row.stored_entries()) }
    }

    /// Index of the first entry at or after a column.
    fn position(&self, column: usize) -> usize {
        self.entries.partition_point(|(known, _)| usize::from(*known) < column)
    }
}

/// Nonzero votes for a few neighbouring targets, target by target.
struct Tile {
    voters: usize,
    /// Places for each target: an odd number of cache lines, or targets would compete for the same few.
    stride: usize,
    counts: [usize; TILE_COLUMNS],
    votes: Vec<Vote>,
}

impl Tile {
    fn new(voters: usize) -> Self {
        let stride = voters.next_multiple_of(16) + 8;
        Self {
            voters,
            stride,
            counts: [0; TILE_COLUMNS],
            votes: vec![Vote::default(); stride * TILE_COLUMNS],
        }
    }

    fn clear(&mut self) {
        self.counts = [0; TILE_COLUMNS];
    }

    /// Takes a ballot's entries in `targets`, from index `cursor` on; gives the index after them.
    fn gather(&mut self, ballot: &Ballot<'_>, cursor: usize, targets: Range<usize>) -> usize {
        let mut taken = 0;
        for (column, weight) in ballot.entries.get(cursor..).unwrap_or_default() {
            let target = usize::from(*column);
            if target >= targets.end {
                break;
            }
            taken += 1;
            self.add(target - targets.start, ballot.stake, ballot.row.normalised(*weight));
        }
        cursor + taken
    }

    #[inline]
    fn add(&mut self, index: usize, stake: Bits, score: Bits) {
        let Some(count) = self.counts.get_mut(index) else { return };
        if score == 0 {
            return;
        }
        if let Some(slot) = self.votes.get_mut(index * self.stride + *count) {
            *slot = Vote::new(stake, score);
            *count += 1;
        }
    }

    fn push_medians(&mut self, targets: usize, majority: Bits, medians: &mut Vec<Bits>) {
        for (index, count) in self.counts.into_iter().take(targets).enumerate() {
            let start = index * self.stride;
            let votes = self.votes.get_mut(start..start + count).unwrap_or_default();
            medians.push(median(votes, count < self.voters, majority));
        }
    }
}

/// Validator trust of every uid, `T_i = sum_j min(W_ij, C_j)`, and ranks, `R_j = sum_i S_i min(W_ij, C_j)`.
pub(crate) fn trust_and_ranks(
    weights: &Weights<'_>,
    consensus: &[Bits],
    active_stake: &[Bits],
) -> (Vec<Bits>, Vec<Bits>) {
    let parts = weights.map_blocks(|rows| {
        let mut ranks = vec![0; consensus.len()];
        let trust = rows.iter().map(|row| {
            let stake = active_stake.get(row.uid).copied().unwrap_or(0);
            trust_adding_ranks(row, stake, consensus, &mut ranks)
        });
        let trust: Vec<Bits> = trust.collect();
        (trust, ranks)
    });
    let (trusts, ranks): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    (trusts.concat(), add_columns(consensus.len(), ranks))
}

fn trust_adding_ranks(row: &WeightRow<'_>, stake: Bits, consensus: &[Bits], ranks: &mut [Bits]) -> Bits {
    let mut trust = 0;
    for (column, weight) in row.entries() {
        let (Some(consensus), Some(rank)) = (consensus.get(column), ranks.get_mut(column)) else { continue };
        let clipped = arithmetic::lower(weight, *consensus);
        trust += clipped;
        // Shares of shares of a whole: they add up to at most 1.
        *rank += arithmetic::mul_shares(stake, clipped);
    }
    trust
}
