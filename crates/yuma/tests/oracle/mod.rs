//! A slow second implementation over exact rationals, written from the formulas.
//!
//! Every value is a rational; rounding is explicit wherever the protocol rounds. Matrices are rows of
//! `(column, value)` in stored order. Nothing is shared with the crate under test but its input type.

use myelin_yuma::{EpochInput, LiquidAlpha, YumaVersion};
use num_bigint::BigInt;
use num_rational::BigRational;
use std::collections::BTreeMap;

type Number = BigRational;
type Row = Vec<(usize, Number)>;
type Matrix = Vec<Row>;

/// The values that an epoch is judged by: proportions and amounts as stored, others as bits.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    pub stake_bits: Vec<i64>,
    pub active_stake_bits: Vec<i64>,
    pub consensus_bits: Vec<i64>,
    pub trust_bits: Vec<i64>,
    pub rank_bits: Vec<i64>,
    pub incentive_bits: Vec<i64>,
    pub dividend_bits: Vec<i64>,
    pub emission_sum_bits: i64,
    pub active: Vec<bool>,
    pub permits: Vec<bool>,
    pub server: Vec<u64>,
    pub validator: Vec<u64>,
    pub combined: Vec<u64>,
    pub bonds: Vec<Vec<(u16, u16)>>,
}

fn int(value: impl Into<BigInt>) -> Number {
    Number::from_integer(value.into())
}

fn ratio(numerator: impl Into<BigInt>, denominator: impl Into<BigInt>) -> Number {
    Number::new(numerator.into(), denominator.into())
}

fn zero() -> Number {
    int(0)
}

fn one() -> Number {
    int(1)
}

/// Down to a multiple of `2^-fraction_bits`.
fn floor_to(value: &Number, fraction_bits: u32) -> Number {
    let unit = int(BigInt::from(1) << fraction_bits);
    (value * &unit).floor() / unit
}

/// Towards zero to a multiple of `2^-32`.
fn truncate(value: &Number) -> Number {
    let unit = int(BigInt::from(1) << 32u32);
    (value * &unit).trunc() / unit
}

/// Kept within the range of numbers with 32 fraction bits in 64.
fn saturate(value: Number) -> Number {
    let unit = BigInt::from(1) << 32u32;
    value.clamp(ratio(i64::MIN, unit.clone()), ratio(i64::MAX, unit))
}

fn mul(a: &Number, b: &Number) -> Number {
    saturate(floor_to(&(a * b), 32))
}

fn div(a: &Number, b: &Number) -> Number {
    if *b == zero() {
        return zero();
    }
    truncate(&(a / b))
}

fn proportion(stored: u16) -> Number {
    truncate(&ratio(stored, 65_535))
}

fn bits(value: &Number) -> i64 {
    i64::try_from((value * int(BigInt::from(1) << 32u32)).to_integer()).expect("fits")
}

fn store(value: &Number) -> u16 {
    let whole = (value * int(65_535)).floor().to_integer().clamp(0.into(), 65_535.into());
    u16::try_from(whole).expect("clamped")
}

fn total(values: &[Number]) -> Number {
    values.iter().fold(zero(), |sum, value| sum + value)
}

fn normalised(values: &[Number]) -> Vec<Number> {
    let sum = total(values);
    if sum == zero() {
        return values.to_vec();
    }
    values.iter().map(|value| div(value, &sum)).collect()
}

fn column_sums(matrix: &Matrix, n: usize) -> Vec<Number> {
    let mut sums = vec![zero(); n];
    for (column, value) in matrix.iter().flatten() {
        sums[*column] = saturate(&sums[*column] + value);
    }
    sums
}

fn divide_columns(matrix: &Matrix, divisors: &[Number]) -> Matrix {
    let divide = |(column, value): &(usize, Number)| {
        let divisor = &divisors[*column];
        (*column, if *divisor == zero() { value.clone() } else { div(value, divisor) })
    };
    matrix.iter().map(|row| row.iter().map(divide).collect()).collect()
}

fn columns_normalised(matrix: &Matrix, n: usize) -> Matrix {
    divide_columns(matrix, &column_sums(matrix, n))
}

/// A row by column; of several entries the last stays.
fn by_column(row: &Row) -> BTreeMap<usize, Number> {
    row.iter().cloned().collect()
}

/// As [`by_column`], of the entries whose column exceeds all before them.
fn rising_by_column(row: &Row) -> BTreeMap<usize, Number> {
    let mut highest = None;
    let mut seen = BTreeMap::new();
    for (column, value) in row {
        if Some(*column) > highest {
            highest = Some(*column);
            seen.insert(*column, value.clone());
        }
    }
    seen
}

fn value_at(row: &BTreeMap<usize, Number>, column: usize) -> Number {
    row.get(&column).cloned().unwrap_or_else(zero)
}

/// `e^x` by the truncated series, with `x` within 20 of zero.
fn exponential(x: &Number) -> Number {
    let x = x.clone().clamp(int(-20), int(20));
    if x == zero() {
        return one();
    }
    if x == one() {
        return ratio(22_802_600, 1 << 23);
    }
    let magnitude = if x < zero() { -x.clone() } else { x.clone() };
    let mut sum = &magnitude + one();
    let mut term = magnitude.clone();
    for index in 2..32 {
        term = div(&mul(&term, &magnitude), &int(index));
        sum += &term;
    }
    if x < zero() {
        div(&one(), &sum)
    } else {
        sum
    }
}

fn liquid_rate(curve: LiquidAlpha, consensus: &Number, weight: &Number, bond: &Number) -> Number {
    let difference = if weight >= bond { weight - consensus } else { bond - weight };
    let difference = difference.clamp(zero(), one());
    let slope = truncate(&ratio(curve.steepness, -100));
    let exponent = mul(&slope, &(difference - ratio(1, 2)));
    let sigmoid = div(&one(), &(one() + exponential(&exponent)));
    let (low, high) = (proportion(curve.low), proportion(curve.high));
    let rate = &low + mul(&sigmoid, &(&high - &low));
    rate.min(high).max(low)
}

struct Oracle<'a> {
    input: &'a EpochInput<'a>,
    n: usize,
}

pub fn epoch(input: &EpochInput<'_>) -> Outcome {
    Oracle { input, n: input.uid_count.into() }.run()
}

impl Oracle<'_> {
    fn run(&self) -> Outcome {
        let stake = self.stake();
        let active: Vec<bool> = (0..self.n).map(|uid| self.is_active(uid)).collect();
        let permitted: Vec<bool> = (0..self.n).map(|uid| self.held_permit(uid)).collect();
        let counts = |uid: usize| {
            (permitted[uid] || self.input.validator_permits.is_empty())
                && (active[uid] || self.input.last_update.is_empty())
        };
        let active_stake: Vec<Number> =
            (0..self.n).map(|uid| if counts(uid) { stake[uid].clone() } else { zero() }).collect();
        let active_stake = normalised(&active_stake);
        let permits = self.new_permits(&stake);

        let weights = self.weights(&permitted);
        let rows: Vec<BTreeMap<usize, Number>> = weights.iter().map(by_column).collect();
        let consensus: Vec<Number> =
            (0..self.n).map(|column| self.median(&rows, &active_stake, column)).collect();
        let clipped = clip(&weights, &consensus);
        let trust: Vec<Number> =
            clipped.iter().map(|row| row.iter().fold(zero(), |sum, (_, value)| sum + value)).collect();
        let weighted = clipped.iter().zip(&active_stake);
        let ranks = column_sums(
            &weighted.map(|(row, stake)| row.iter().map(|(j, v)| (*j, mul(stake, v))).collect()).collect(),
            self.n,
        );
        let incentive = normalised(&ranks);

        let bond_weights = self.bond_weights(&weights, &clipped);
        let (dividends, bonds) = match self.input.parameters.version {
            YumaVersion::Yuma2 => self.yuma2(&bond_weights, &active_stake, &incentive),
            YumaVersion::Yuma3 { liquid_alpha } => {
                self.yuma3(&bond_weights, &active_stake, &incentive, &consensus, liquid_alpha)
            }
        };
        let dividends = normalised(&dividends);
        let store_row = |(uid, row): (usize, &Row)| {
            let kept = if permits[uid] { row.as_slice() } else { &[] };
            kept.iter().map(|(column, bond)| (*column as u16, store(bond))).collect()
        };
        let all_bits = |values: &[Number]| values.iter().map(bits).collect::<Vec<i64>>();
        let mut outcome = Outcome {
            stake_bits: all_bits(&stake),
            active_stake_bits: all_bits(&active_stake),
            consensus_bits: all_bits(&consensus),
            trust_bits: all_bits(&trust),
            rank_bits: all_bits(&ranks),
            incentive_bits: all_bits(&incentive),
            dividend_bits: all_bits(&dividends),
            active,
            permits: permits.clone(),
            bonds: bonds.iter().enumerate().map(store_row).collect(),
            ..Outcome::default()
        };
        self.pay(&incentive, &dividends, &stake, &active_stake, &mut outcome);
        outcome
    }

    fn is_owner(&self, uid: usize) -> bool {
        self.input.owner.map(usize::from) == Some(uid)
    }

    fn stake(&self) -> Vec<Number> {
        let all = (0..self.n).map(|uid| {
            let stake = self.input.total_stake.get(uid).map_or(0, |stake| stake.to_bits());
            let stake = ratio(stake, BigInt::from(1) << 64u32);
            let is_small = stake.floor() < int(self.input.stake_threshold);
            if is_small && !self.is_owner(uid) {
                zero()
            } else {
                stake
            }
        });
        let all: Vec<Number> = all.collect();
        let sum = total(&all);
        let share =
            |stake: &Number| if sum == zero() { stake.clone() } else { floor_to(&(stake / &sum), 64) };
        all.iter().map(|stake| floor_to(&share(stake), 32)).collect()
    }

    fn is_active(&self, uid: usize) -> bool {
        let last_update = self.input.last_update.get(uid);
        last_update.is_some_and(|block| block + self.input.activity_cutoff >= self.input.block)
    }

    fn held_permit(&self, uid: usize) -> bool {
        let permit = self.input.validator_permits.get(uid);
        permit.is_some_and(|permit| *permit || self.is_owner(uid))
    }

    fn new_permits(&self, stake: &[Number]) -> Vec<bool> {
        let mut order: Vec<usize> = (0..self.n).collect();
        order.sort_by(|a, b| stake[*a].cmp(&stake[*b]));
        let excess = self.n.saturating_sub(self.input.max_allowed_validators.into());
        let among_top = |uid: usize| order[excess..].contains(&uid);
        (0..self.n).map(|uid| (among_top(uid) && stake[uid] > zero()) || self.is_owner(uid)).collect()
    }

    fn registration(&self, uid: usize) -> u64 {
        self.input.block_at_registration.get(uid).copied().unwrap_or(0)
    }

    fn weights(&self, permitted: &[bool]) -> Matrix {
        (0..self.n).map(|uid| if permitted[uid] { self.weight_row(uid) } else { Vec::new() }).collect()
    }

    fn weight_row(&self, uid: usize) -> Row {
        let last_update = self.input.last_update.get(uid).copied().unwrap_or(0);
        let commit = self.input.commit_blocks.and_then(|blocks| blocks.get(uid).copied().flatten());
        let counts = |target: usize| {
            target < self.n
                && (target != uid || self.is_owner(uid))
                && last_update > self.registration(target)
                && commit.is_none_or(|commit| commit >= self.registration(target))
        };
        let row = self.input.weights.get(uid).map_or(&[][..], Vec::as_slice);
        let row: Vec<(usize, u16)> = row
            .iter()
            .map(|(target, weight)| (usize::from(*target), *weight))
            .filter(|(t, _)| counts(*t))
            .collect();
        let sum: u64 = row.iter().map(|(_, weight)| u64::from(*weight)).sum();
        row.iter().map(|(target, weight)| (*target, div(&int(*weight), &int(sum)))).collect()
    }

    /// The largest weight that validators with a majority of stake reach, found by trying all.
    fn median(&self, rows: &[BTreeMap<usize, Number>], active_stake: &[Number], column: usize) -> Number {
        let voters: Vec<usize> = (0..self.n).filter(|uid| active_stake[*uid] > zero()).collect();
        let stakes: Vec<Number> = voters.iter().map(|uid| active_stake[*uid].clone()).collect();
        let stakes: Vec<i64> = normalised(&stakes).iter().map(bits).collect();
        let votes: Vec<i64> = voters.iter().map(|uid| bits(&value_at(&rows[*uid], column))).collect();
        let minority = stakes.iter().sum::<i64>() - bits(&proportion(self.input.parameters.kappa));
        let at_or_below = |limit: i64| -> i64 {
            let counted = votes.iter().zip(&stakes).filter(|(vote, _)| **vote <= limit);
            counted.map(|(_, stake)| stake).sum()
        };
        let passing = votes.iter().filter(|vote| at_or_below(**vote) > minority).min();
        let median = passing.or(votes.iter().max()).copied().unwrap_or_default();
        ratio(median, BigInt::from(1) << 32u32)
    }

    fn bond_weights(&self, weights: &Matrix, clipped: &Matrix) -> Matrix {
        let penalty = proportion(self.input.parameters.bonds_penalty);
        if penalty == zero() {
            return weights.clone();
        }
        if penalty == one() {
            return clipped.clone();
        }
        let interpolate = |(weights, clipped): (&Row, &Row)| {
            let (weights, clipped) = (by_column(weights), by_column(clipped));
            let value = |column: usize| {
                let (weight, clipped) = (value_at(&weights, column), value_at(&clipped, column));
                &weight + mul(&penalty, &(clipped - &weight))
            };
            (0..self.n).map(|column| (column, value(column))).filter(|(_, value)| *value > zero()).collect()
        };
        weights.iter().zip(clipped).map(interpolate).collect()
    }

    /// Stored bonds in uids that have not changed hands, `unit` for a full one.
    fn stored_bonds(&self, unit: impl Fn(u16) -> Number) -> Matrix {
        let last_tempo = match self.input.last_step_block {
            0 => self.input.block.saturating_sub(self.input.tempo.into()),
            block => block + 1,
        };
        let holds = |column: usize| column < self.n && last_tempo > self.registration(column);
        let row = |uid: usize| {
            let row = self.input.bonds.get(uid).map_or(&[][..], Vec::as_slice);
            let entries = row.iter().map(|(column, bond)| (usize::from(*column), unit(*bond)));
            entries.filter(|(column, _)| holds(*column)).collect()
        };
        (0..self.n).map(row).collect()
    }

    fn moving_average(&self, new: &Matrix, old: &Matrix) -> Matrix {
        let kept = ratio(self.input.parameters.bonds_moving_average, 1_000_000);
        let rate = saturate(one() - saturate(floor_to(&floor_to(&kept, 64), 32)));
        let kept = saturate(one() - &rate);
        let average = |(new, old): (&Row, &Row)| {
            let mut row = BTreeMap::new();
            for (factor, (column, value)) in
                new.iter().map(|entry| (&rate, entry)).chain(old.iter().map(|entry| (&kept, entry)))
            {
                let bond = row.entry(*column).or_insert_with(zero);
                *bond = saturate(&*bond + mul(factor, value));
            }
            row.into_iter().filter(|(_, value)| *value > zero()).collect()
        };
        new.iter().zip(old).map(average).collect()
    }

    fn yuma2(&self, weights: &Matrix, stake: &[Number], incentive: &[Number]) -> (Vec<Number>, Matrix) {
        let old = columns_normalised(&self.stored_bonds(int), self.n);
        let bought: Matrix = weights
            .iter()
            .zip(stake)
            .map(|(row, stake)| row.iter().map(|(column, weight)| (*column, mul(weight, stake))).collect())
            .collect();
        let bought = columns_normalised(&bought, self.n);
        let bonds = columns_normalised(&self.moving_average(&bought, &old), self.n);
        let dividends = bonds.iter().map(|row| share_of(row, incentive)).collect();
        let mut maxima = vec![zero(); self.n];
        for (column, bond) in bonds.iter().flatten() {
            maxima[*column] = maxima[*column].clone().max(bond.clone());
        }
        (dividends, divide_columns(&bonds, &maxima))
    }

    fn yuma3(
        &self,
        weights: &Matrix,
        stake: &[Number],
        incentive: &[Number],
        consensus: &[Number],
        liquid_alpha: Option<LiquidAlpha>,
    ) -> (Vec<Number>, Matrix) {
        let old = self.stored_bonds(proportion);
        let bonds = match liquid_alpha {
            Some(curve) if consensus.iter().any(|weight| *weight != zero()) => {
                weights.iter().zip(&old).map(|(new, old)| liquid_row(curve, consensus, new, old)).collect()
            }
            _ => self.moving_average(weights, &old),
        };
        let shares = columns_normalised(&bonds, self.n);
        let dividends = shares.iter().zip(stake).map(|(row, stake)| mul(&share_of(row, incentive), stake));
        (dividends.collect(), bonds)
    }

    fn pay(
        &self,
        incentive: &[Number],
        dividends: &[Number],
        stake: &[Number],
        active_stake: &[Number],
        outcome: &mut Outcome,
    ) {
        let both: Vec<Number> = incentive.iter().zip(dividends).map(|(a, b)| a + b).collect();
        let sum = total(&both);
        outcome.emission_sum_bits = bits(&sum);
        let divide = |values: &[Number]| values.iter().map(|value| div(value, &sum)).collect::<Vec<_>>();
        let (server, validator, combined) = if sum != zero() {
            (divide(incentive), divide(dividends), divide(&both))
        } else {
            let by_stake = if total(active_stake) == zero() { stake } else { active_stake };
            (incentive.to_vec(), by_stake.to_vec(), by_stake.to_vec())
        };
        let amounts = |shares: &[Number]| -> Vec<u64> {
            let amount = |share: &Number| (share * int(self.input.emission)).floor().to_integer();
            shares.iter().map(|share| u64::try_from(amount(share)).expect("at most the emission")).collect()
        };
        outcome.server = amounts(&server);
        outcome.validator = amounts(&validator);
        outcome.combined = amounts(&combined);
    }
}

fn clip(weights: &Matrix, consensus: &[Number]) -> Matrix {
    let clip = |(column, weight): &(usize, Number)| {
        let limit = &consensus[*column];
        if weight <= limit {
            Some((*column, weight.clone()))
        } else {
            (*limit > zero()).then(|| (*column, limit.clone()))
        }
    };
    weights.iter().map(|row| row.iter().filter_map(clip).collect()).collect()
}

fn share_of(row: &Row, incentive: &[Number]) -> Number {
    row.iter().fold(zero(), |sum, (column, share)| sum + mul(share, &incentive[*column]))
}

fn liquid_row(curve: LiquidAlpha, consensus: &[Number], new: &Row, old: &Row) -> Row {
    let (weights_seen, bonds_seen, bonds) = (rising_by_column(new), rising_by_column(old), by_column(old));
    let moved = |(column, weight): &(usize, Number)| {
        let (weight_seen, bond_seen) = (value_at(&weights_seen, *column), value_at(&bonds_seen, *column));
        let rate = liquid_rate(curve, &consensus[*column], &weight_seen, &bond_seen);
        let kept = mul(&(one() - &rate), &value_at(&bonds, *column));
        let bond = (kept + mul(&rate, weight)).min(one());
        (*column, bond)
    };
    new.iter().map(moved).filter(|(_, bond)| *bond > zero()).collect()
}
