//! The reference chain's recorded run of Yuma 3 with a bonds reset: validators with 80 %, 10 % and 10 % of the stake move
//! from one miner to the other and back, and the first miner's bonds are reset once.

use myelin_fixed::I64F64;
use myelin_yuma::{
    bonds::reset, epoch, EpochInput, EpochOutput, LiquidAlpha, Parameters, SparseRow, YumaVersion,
};

/// Miners are uids 3 and 4.
const FIRST: [(u16, u16); 2] = [(3, u16::MAX), (4, 0)];
const SECOND: [(u16, u16); 2] = [(3, 0), (4, u16::MAX)];

/// What the reference states is rounded to four digits and compared with a tolerance of 0.001.
const TOLERANCE: f64 = 1e-3;

struct Run {
    bonds: Vec<SparseRow>,
    permits: Vec<bool>,
    block: u64,
}

impl Run {
    fn epoch(&mut self, weights: [[(u16, u16); 2]; 3]) -> EpochOutput {
        self.block += 1;
        let stake = [8, 1, 1, 0, 0].map(I64F64::from_num);
        let curve = LiquidAlpha { low: 6_553, high: 19_660, steepness: 1_000 };
        let output = epoch(&EpochInput {
            uid_count: 5,
            block: self.block,
            tempo: 1,
            activity_cutoff: 5_000,
            last_step_block: self.block - 1,
            last_update: &[self.block; 5],
            block_at_registration: &[0; 5],
            total_stake: &stake,
            stake_threshold: 0,
            owner: None,
            validator_permits: &self.permits,
            max_allowed_validators: 64,
            commit_blocks: None,
            weights: &weights.map(|row| row.to_vec()),
            bonds: &self.bonds,
            parameters: Parameters {
                bonds_penalty: 0,
                bonds_moving_average: 975_000,
                version: YumaVersion::Yuma3 { liquid_alpha: Some(curve) },
                ..Parameters::default()
            },
            emission: 1_000_000_000,
        });
        self.bonds.clone_from(&output.bonds);
        self.permits.clone_from(&output.validator_permits);
        output
    }

    fn bond(&self, validator: usize, miner: u16) -> f64 {
        let entry = self.bonds[validator].iter().find(|(column, _)| *column == miner);
        entry.map_or(0.0, |(_, bond)| f64::from(*bond) / 65_535.0)
    }
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() < TOLERANCE, "{what}: {found}, expected {expected}");
}

#[test]
fn a_reset_lets_validators_start_anew() {
    let mut run = Run { bonds: Vec::new(), permits: vec![true; 3], block: 10 };
    let dividends = [
        (0, [0.8, 0.1, 0.1]),
        (1, [0.8944, 0.0528, 0.0528]),
        (2, [0.5230, 0.2385, 0.2385]),
        (19, [0.7919, 0.1040, 0.1040]),
        (20, [0.7928, 0.1036, 0.1036]),
        (21, [0.8467, 0.0766, 0.0766]),
        (40, [0.7928, 0.1036, 0.1036]),
    ];
    // Bonds of the first validator in both miners, then of the others.
    let bonds = [
        (19, [0.0269, 0.8539, 0.0131, 0.8975]),
        (20, [0.0, 0.8687, 0.0, 0.9079]),
        (21, [0.0, 0.8820, 0.2987, 0.6386]),
        (40, [0.8687, 0.0578, 0.9079, 0.0523]),
    ];
    for index in 0..=40 {
        let weights = match index {
            0 => [FIRST; 3],
            1 => [FIRST, SECOND, SECOND],
            2..=20 => [SECOND; 3],
            21 => [SECOND, FIRST, FIRST],
            _ => [FIRST; 3],
        };
        if index == 20 {
            assert!(reset(&mut run.bonds, 3));
            assert!(!reset(&mut run.bonds, 3), "there is nothing left to reset");
        }
        let output = run.epoch(weights);
        if let Some((_, expected)) = dividends.iter().find(|(epoch, _)| *epoch == index) {
            for (uid, expected) in expected.iter().enumerate() {
                let found = f64::from(output.dividends[uid]) / 65_535.0;
                assert_close(found, *expected, &format!("dividend of {uid} in epoch {index}"));
            }
        }
        if let Some((_, expected)) = bonds.iter().find(|(epoch, _)| *epoch == index) {
            let found = [run.bond(0, 3), run.bond(0, 4), run.bond(1, 3), run.bond(1, 4)];
            for (found, expected) in found.into_iter().zip(expected) {
                assert_close(found, *expected, &format!("bonds in epoch {index}"));
            }
        }
    }
}

#[test]
fn a_reset_leaves_everything_else_in_its_order() {
    let mut rows = vec![vec![(4, 1), (2, 9), (3, 3), (2, 8)], vec![(1, 5)], vec![]];
    assert!(reset(&mut rows, 2));
    assert_eq!(rows, [vec![(4, 1), (3, 3)], vec![(1, 5)], vec![]]);
}
