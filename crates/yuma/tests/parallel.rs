//! The number of threads must not show.

#![cfg(feature = "parallel")]

use myelin_fixed::I64F64;
use myelin_yuma::{
    epoch_with_trace, EpochInput, EpochOutput, LiquidAlpha, Parameters, SparseRow, Trace, YumaVersion,
};

const UIDS: u16 = 700;
const VALIDATORS: u16 = 250;

/// Repeatable numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u16) -> u16 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(bound)) as u16
    }

    /// Rows with gaps; every tenth is out of order.
    fn rows(&mut self) -> Vec<SparseRow> {
        (0..UIDS).map(|uid| if uid < VALIDATORS { self.row(uid % 10 == 9) } else { Vec::new() }).collect()
    }

    fn row(&mut self, out_of_order: bool) -> SparseRow {
        let mut row = SparseRow::new();
        for uid in 0..UIDS {
            if self.below(10) > 0 {
                row.push((uid, self.below(u16::MAX)));
            }
        }
        if out_of_order {
            row.reverse();
        }
        row
    }
}

fn run(threads: usize, parameters: Parameters) -> (EpochOutput, Trace) {
    let mut random = Random(7);
    let (weights, bonds) = (random.rows(), random.rows());
    let total_stake: Vec<I64F64> = (0..UIDS).map(|_| I64F64::from_num(random.below(10_000))).collect();
    let registrations: Vec<u64> = (0..UIDS).map(|_| u64::from(random.below(1_000))).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    pool.install(|| {
        epoch_with_trace(&EpochInput {
            uid_count: UIDS,
            block: 1_000,
            tempo: 50,
            activity_cutoff: 500,
            last_step_block: 0,
            last_update: &[990; UIDS as usize],
            block_at_registration: &registrations,
            total_stake: &total_stake,
            stake_threshold: 0,
            owner: Some(3),
            validator_permits: &[true; VALIDATORS as usize],
            max_allowed_validators: VALIDATORS,
            commit_blocks: None,
            weights: &weights,
            bonds: &bonds,
            parameters,
            emission: u64::MAX,
        })
    })
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let liquid_alpha = Some(LiquidAlpha::default());
    for version in
        [YumaVersion::Yuma2, YumaVersion::Yuma3 { liquid_alpha: None }, YumaVersion::Yuma3 { liquid_alpha }]
    {
        for bonds_penalty in [0, 40_000, u16::MAX] {
            let parameters = Parameters { version, bonds_penalty, ..Parameters::default() };
            // One thread works on whole matrices, several on blocks of rows.
            let alone = run(1, parameters);
            assert!(alone.0.dividends.iter().any(|dividend| *dividend > 0));
            for threads in [2, 5] {
                assert!(run(threads, parameters) == alone, "{threads} threads, {parameters:?}");
            }
        }
    }
}
