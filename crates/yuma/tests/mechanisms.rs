//! How a subnet's emission is divided among its mechanisms, and how their results are put together.

mod support;

use myelin_fixed::I64F64;
use myelin_yuma::{aggregate, epoch, split_emission, EpochInput, EpochOutput, Parameters};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::{collection::vec, prelude::*};
use support::config;

/// One validator, two miners.
fn run(emission: u64, weights: [u16; 2]) -> EpochOutput {
    let one = I64F64::from_num(1_000_000_000);
    let zero = I64F64::from_num(0);
    epoch(&EpochInput {
        uid_count: 3,
        block: 1_000,
        tempo: 100,
        activity_cutoff: 5_000,
        last_step_block: 0,
        last_update: &[900; 3],
        block_at_registration: &[10; 3],
        total_stake: &[one, zero, zero],
        stake_threshold: 0,
        owner: None,
        validator_permits: &[true, false, false],
        max_allowed_validators: 64,
        commit_blocks: None,
        weights: &[vec![(1, weights[0]), (2, weights[1])], vec![], vec![]],
        bonds: &[],
        parameters: Parameters::default(),
        emission,
    })
}

#[test]
fn mechanisms_pay_their_parts_and_are_summed() {
    let parts = split_emission(1_000_000_000, 2, Some(&[16_383, 49_152]));
    let outputs = [(parts[0], run(parts[0], [39_321, 26_214])), (parts[1], run(parts[1], [13_107, 52_428]))];
    assert_eq!(outputs[0].1.server_emission, [0, 74_996_566, 49_997_711]);
    assert_eq!(outputs[0].1.validator_emission, [124_994_278, 0, 0]);
    assert_eq!(outputs[1].1.server_emission, [0, 75_001_144, 300_004_577]);
    assert_eq!(outputs[1].1.validator_emission, [375_005_722, 0, 0]);

    let subnet = aggregate(&outputs);
    assert_eq!(subnet.server_emission, [0, 149_997_710, 350_002_288]);
    assert_eq!(subnet.validator_emission, [500_000_000, 0, 0]);
    assert_eq!(subnet.stake, [2_000_000_000, 0, 0], "summed, though it is the same stake");
    assert_eq!((subnet.active, subnet.validator_permits), (vec![true; 3], vec![true, false, false]));
    // 39320 and 26213 with a weight of 0.249988556, then 13106 and 52427 with one of 0.750011444.
    assert_eq!(subnet.consensus, [0, 19_658, 45_872]);
}

#[test]
fn averages_are_floored_after_each_mechanism() {
    let output = |consensus: u16, emission: u64| EpochOutput {
        consensus: vec![consensus],
        emission: vec![emission],
        ..EpochOutput::default()
    };
    let subnet = aggregate(&[(1, output(1, 5)), (1, output(1, 5)), (2, output(3, 5))]);
    // floor(floor(floor(1/4) + 1/4) + 3/2), and floor(floor(floor(5/4) + 5/4) + 5/2).
    assert_eq!((subnet.consensus, subnet.emission), (vec![1], vec![4]));
}

#[test]
fn without_emission_the_first_mechanism_counts() {
    let subnet = aggregate(&[(0, run(0, [1, 0])), (0, run(0, [0, 1]))]);
    assert_eq!(subnet.consensus, [0, 65_535, 0]);
    assert_eq!(subnet.dividends, [65_535, 0, 0]);
    assert_eq!(aggregate(&[]).stake, Vec::<u64>::new());
}

#[test]
fn no_weight_is_no_incentive() {
    assert_eq!(run(1_000, [1, 0]).incentive, [0, 65_535, 0]);
    assert_eq!(run(1_000, [52_428, 13_107]).incentive, [0, 52_427, 13_106]);
}

#[test]
fn the_first_mechanism_gets_what_remains() {
    assert_eq!(split_emission(25, 5, None), [5; 5]);
    assert_eq!(split_emission(10, 4, None), [4, 2, 2, 2]);
    assert_eq!(split_emission(19, 5, Some(&[3_450, 6_899, 10_348, 17_247, 27_594])), [1, 2, 3, 5, 8]);
    assert_eq!(split_emission(1_000_000_000, 2, Some(&[16_383, 49_152])), [249_988_556, 750_011_444]);
    assert_eq!(split_emission(9, 3, Some(&[65_535])), [9, 0, 0]);
    assert_eq!(split_emission(100, 3, Some(&[39_321, 39_321, 39_321])), [60, 40, 0], "no more than there is");
}

/// Averages over exact rationals, floored to 64 fraction bits where the protocol floors, and to integers after each mechanism.
fn averages(parts: &[u64], values: &[Vec<u64>], most: u64) -> Vec<u64> {
    let int = |value: u64| BigRational::from_integer(value.into());
    let unit = BigRational::from_integer(BigInt::from(1) << 64u32);
    let total: BigRational = parts.iter().map(|part| int(*part)).sum();
    let weights: Vec<BigRational> = parts
        .iter()
        .enumerate()
        .map(|(index, part)| match total == int(0) {
            true => int(u64::from(index == 0)),
            false => (int(*part) / &total * &unit).floor() / &unit,
        })
        .collect();
    let mut sums = vec![int(0); values.iter().map(Vec::len).max().unwrap_or(0)];
    for (weight, values) in weights.iter().zip(values) {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum = (sum.clone() + int(*value) * weight).floor().min(int(most));
        }
    }
    sums.iter().map(|sum| u64::try_from(sum.to_integer()).unwrap()).collect()
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn results_are_averaged_by_emission(
        parts in vec((0..1_u64 << 40, 0_u32..41), 1..5),
        values in vec(vec((any::<u16>(), 0..1_u64 << 50), 0..6), 4),
    ) {
        // Emissions of all orders of magnitude, and none.
        let parts: Vec<u64> = parts.into_iter().map(|(part, shift)| part >> shift).collect();
        let outputs: Vec<(u64, EpochOutput)> = parts
            .iter()
            .zip(&values)
            .map(|(part, values)| {
                let (proportions, amounts): (Vec<u16>, Vec<u64>) = values.iter().copied().unzip();
                let output = EpochOutput {
                    consensus: proportions.clone(),
                    dividends: proportions.iter().rev().copied().collect(),
                    emission: amounts.clone(),
                    server_emission: amounts,
                    ..EpochOutput::default()
                };
                (*part, output)
            })
            .collect();
        let column = |read: fn(&EpochOutput) -> Vec<u64>| outputs.iter().map(|(_, output)| read(output)).collect::<Vec<_>>();
        let wide = |values: &[u16]| values.iter().map(|value| u64::from(*value)).collect::<Vec<_>>();
        let subnet = aggregate(&outputs);
        let consensus = column(|output| output.consensus.iter().map(|value| u64::from(*value)).collect());
        prop_assert_eq!(wide(&subnet.consensus), averages(&parts, &consensus, u16::MAX.into()));
        let dividends = column(|output| output.dividends.iter().map(|value| u64::from(*value)).collect());
        prop_assert_eq!(wide(&subnet.dividends), averages(&parts, &dividends, u16::MAX.into()));
        let emission = column(|output| output.emission.clone());
        prop_assert_eq!(subnet.emission, averages(&parts, &emission, u64::MAX));
        let summed = |uid: usize| outputs.iter().filter_map(|(_, output)| output.server_emission.get(uid)).sum::<u64>();
        let expected: Vec<u64> = (0..subnet.server_emission.len()).map(summed).collect();
        prop_assert_eq!(subnet.server_emission, expected);
    }

    #[test]
    fn no_split_pays_more_than_there_is(total in any::<u64>(), count in any::<u8>(), split in vec(any::<u16>(), 0..20)) {
        let parts = split_emission(total, count, Some(&split));
        prop_assert_eq!(parts.iter().map(|part| u128::from(*part)).sum::<u128>(), u128::from(total));
    }

    #[test]
    fn nothing_is_lost(total in any::<u64>(), count in 1_u8..=16, mut cuts in vec(any::<u16>(), 15)) {
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([u16::MAX]);
        let split: Vec<u16> = ends.zip([0].into_iter().chain(cuts.iter().copied())).map(|(end, start)| end - start).collect();
        for split in [None, Some(&split[..])] {
            let parts = split_emission(total, count, split);
            prop_assert_eq!(parts.len(), usize::from(count));
            prop_assert_eq!(parts.iter().map(|part| u128::from(*part)).sum::<u128>(), u128::from(total));
        }
    }
}
