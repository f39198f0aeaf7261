//! The crate against the slow oracle, on random subnets with everything switched at random.

mod oracle;
mod support;

use myelin_fixed::I64F64;
use myelin_yuma::{epoch_with_trace, EpochInput, LiquidAlpha, Parameters, SparseRow, YumaVersion};
use oracle::Outcome;
use proptest::{collection::vec, option, prelude::*};
use std::ops::RangeInclusive;
use support::config;

const BLOCK: u64 = 1_000;

/// A small subnet, owned.
#[derive(Clone, Debug)]
struct Subnet {
    uid_count: u16,
    tempo: u16,
    activity_cutoff: u64,
    last_step_block: u64,
    last_update: Vec<u64>,
    registrations: Vec<u64>,
    stake: Vec<I64F64>,
    stake_threshold: u64,
    owner: Option<u16>,
    permits: Vec<bool>,
    max_allowed_validators: u16,
    commit_blocks: Option<Vec<Option<u64>>>,
    weights: Vec<SparseRow>,
    bonds: Vec<SparseRow>,
    parameters: Parameters,
    emission: u64,
}

impl Subnet {
    fn input(&self) -> EpochInput<'_> {
        EpochInput {
            uid_count: self.uid_count,
            block: BLOCK,
            tempo: self.tempo,
            activity_cutoff: self.activity_cutoff,
            last_step_block: self.last_step_block,
            last_update: &self.last_update,
            block_at_registration: &self.registrations,
            total_stake: &self.stake,
            stake_threshold: self.stake_threshold,
            owner: self.owner,
            validator_permits: &self.permits,
            max_allowed_validators: self.max_allowed_validators,
            commit_blocks: self.commit_blocks.as_deref(),
            weights: &self.weights,
            bonds: &self.bonds,
            parameters: self.parameters,
            emission: self.emission,
        }
    }
}

/// Blocks: mostly the one that leaves a subnet working, else around the boundaries that decide something.
fn blocks(usual: u64) -> impl Strategy<Value = u64> {
    prop_oneof![8 => Just(usual), 3 => BLOCK - 12..=BLOCK, 1 => Just(0)]
}

fn stakes() -> impl Strategy<Value = I64F64> {
    let whole =
        prop_oneof![1 => Just(0), 2 => Just(1_000_000), 3 => 900_000..4_000_000u64, 1 => 0..1u64 << 50];
    (whole, any::<u64>(), any::<bool>()).prop_map(|(whole, fraction, with_fraction)| {
        let fraction = if with_fraction { fraction } else { 0 };
        I64F64::from_bits((i128::from(whole) << 64) | i128::from(fraction))
    })
}

fn stored_values() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(1), Just(u16::MAX), 0..20u16, any::<u16>()]
}

/// Rows as validators may send them: mostly one value for each target, or in any order with repeated and unknown
/// targets.
fn rows(n: usize) -> impl Strategy<Value = Vec<SparseRow>> {
    let targets = n as u16;
    let sorted = vec(option::weighted(0.9, stored_values()), n).prop_map(move |values| {
        (0..targets).zip(values).filter_map(|(column, value)| Some((column, value?))).collect()
    });
    let any_order = vec((0..targets + 2, stored_values()), 0..=n + 1);
    vec(prop_oneof![3 => sorted, 1 => any_order, 1 => Just(Vec::new())], n)
}

fn proportions() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(32_767), Just(32_768), Just(u16::MAX), any::<u16>()]
}

fn liquid_alphas() -> impl Strategy<Value = LiquidAlpha> {
    let steepness = prop_oneof![Just(1_000), Just(200), Just(-200), any::<i16>()];
    (any::<u16>(), any::<u16>(), steepness).prop_map(|(low, high, steepness)| LiquidAlpha {
        low,
        high,
        steepness,
    })
}

fn versions() -> impl Strategy<Value = YumaVersion> {
    prop_oneof![
        Just(YumaVersion::Yuma2),
        Just(YumaVersion::Yuma3 { liquid_alpha: None }),
        liquid_alphas().prop_map(|curve| YumaVersion::Yuma3 { liquid_alpha: Some(curve) }),
    ]
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let far_too_large = prop_oneof![Just(100_000_000_000_000_000), Just(u64::MAX), any::<u64>()];
    let average = prop_oneof![Just(900_000), Just(0), Just(1_000_000), 0..1_300_000u64, far_too_large];
    (proportions(), proportions(), average, versions()).prop_map(
        |(kappa, bonds_penalty, bonds_moving_average, version)| Parameters {
            kappa,
            bonds_penalty,
            bonds_moving_average,
            version,
        },
    )
}

/// Subnets of a number of uids, of whom about `permitted` may validate.
fn subnets(uids: RangeInclusive<usize>, permitted: f64) -> impl Strategy<Value = Subnet> {
    uids.prop_flat_map(move |n| {
        let clock =
            (0..20u16, prop_oneof![1 => 0..15u64, 3 => Just(5_000)], prop_oneof![Just(0), BLOCK - 15..BLOCK]);
        let length = prop_oneof![9 => Just(n), 1 => Just(n - 1)];
        let updates = prop_oneof![12 => vec(blocks(BLOCK - 1), n), 1 => Just(vec![])];
        let registers = (length, updates, vec(blocks(10), n), vec(stakes(), n));
        let roles = (
            prop_oneof![2 => Just(0), 1 => 0..2_000_000u64],
            option::of(0..=n as u16),
            prop_oneof![12 => vec(prop::bool::weighted(permitted), n), 1 => Just(vec![])],
            prop_oneof![2 => Just(n as u16), 1 => 0..=n as u16 + 1],
            option::weighted(0.3, vec(option::of(blocks(BLOCK - 2)), n)),
        );
        (clock, registers, roles, (rows(n), rows(n)), parameters(), any::<u64>()).prop_map(
            move |(clock, (length, updates, registrations, stake), roles, matrices, parameters, emission)| {
                Subnet {
                    uid_count: n as u16,
                    tempo: clock.0,
                    activity_cutoff: clock.1,
                    last_step_block: clock.2,
                    last_update: updates.into_iter().take(length).collect(),
                    registrations: registrations[..length].to_vec(),
                    stake: stake[..length].to_vec(),
                    stake_threshold: roles.0,
                    owner: roles.1.filter(|owner| usize::from(*owner) < n),
                    permits: roles.2.into_iter().take(length).collect(),
                    max_allowed_validators: roles.3,
                    commit_blocks: roles.4,
                    weights: matrices.0,
                    bonds: matrices.1,
                    parameters,
                    emission,
                }
            },
        )
    })
}

fn outcome(input: &EpochInput<'_>) -> Outcome {
    let (output, trace) = epoch_with_trace(input);
    Outcome {
        stake_bits: trace.stake,
        active_stake_bits: trace.active_stake,
        consensus_bits: trace.consensus,
        trust_bits: trace.validator_trust,
        rank_bits: trace.ranks,
        incentive_bits: trace.incentive,
        dividend_bits: trace.dividends,
        emission_sum_bits: trace.emission_sum,
        active: output.active,
        permits: output.validator_permits,
        server: output.server_emission,
        validator: output.validator_emission,
        combined: output.emission,
        bonds: output.bonds,
    }
}

proptest! {
    #![proptest_config(config(2_000))]
    #[test]
    fn random_subnets_come_out_as_the_oracle_says(subnet in subnets(1..=6, 0.9)) {
        let input = subnet.input();
        prop_assert_eq!(outcome(&input), oracle::epoch(&input));
    }
}

// Large enough for several tiles of columns, and for several rounds of the search for the median.
proptest! {
    #![proptest_config(config(200))]
    #[test]
    fn larger_subnets_come_out_as_the_oracle_says(subnet in subnets(33..=80, 0.2)) {
        let input = subnet.input();
        prop_assert_eq!(outcome(&input), oracle::epoch(&input));
    }
}

#[test]
fn bonds_saturate_where_a_row_repeats_a_column() {
    for average in [100_000_000_000_000_000, u64::MAX] {
        for version in [YumaVersion::Yuma2, YumaVersion::Yuma3 { liquid_alpha: None }] {
            let subnet = Subnet {
                uid_count: 3,
                tempo: 10,
                activity_cutoff: 5_000,
                last_step_block: 0,
                last_update: vec![BLOCK - 1; 3],
                registrations: vec![10; 3],
                stake: [3, 2, 0].map(I64F64::from_num).to_vec(),
                stake_threshold: 0,
                owner: None,
                permits: vec![true; 3],
                max_allowed_validators: 3,
                commit_blocks: None,
                weights: vec![vec![(2, 9)], vec![(2, 9)], vec![]],
                bonds: vec![vec![(2, u16::MAX), (2, u16::MAX), (2, u16::MAX)], vec![(2, 1)], vec![]],
                parameters: Parameters { bonds_moving_average: average, version, ..Parameters::default() },
                emission: 1_000_000_000,
            };
            let found = outcome(&subnet.input());
            assert_eq!(found, oracle::epoch(&subnet.input()), "{average} {version:?}");
            assert_eq!(found.bonds[0], [(2, u16::MAX)], "the largest bond stays the largest");
        }
    }
}

#[test]
fn the_oracle_is_not_trivial() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut paid, mut bonded, mut clipped) = (0, 0, 0);
    for _ in 0..500 {
        let subnet = subnets(1..=6, 0.9).new_tree(&mut runner).expect("a subnet").current();
        let outcome = oracle::epoch(&subnet.input());
        paid += usize::from(outcome.server.iter().any(|amount| *amount > 0));
        bonded += usize::from(outcome.bonds.iter().any(|row| !row.is_empty()));
        clipped += usize::from(outcome.trust_bits.iter().any(|trust| (1..(1 << 32) - 8).contains(trust)));
    }
    assert!(
        paid > 200 && bonded > 300 && clipped > 100,
        "paid {paid}, bonded {bonded}, clipped {clipped} of 500"
    );
}
