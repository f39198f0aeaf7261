//! One epoch of a subnet in which every validator weighs every uid: the largest work for its size. With the feature
//! `parallel` the largest subnet also on two threads.

use criterion::{criterion_group, criterion_main, Criterion};
use myelin_fixed::I64F64;
use myelin_yuma::{epoch, EpochInput, LiquidAlpha, Parameters, SparseRow, YumaVersion};
use std::hint::black_box;

const SIZES: [(u16, u16); 3] = [(256, 64), (1024, 128), (4096, 256)];
const MODES: [(&str, YumaVersion); 3] = [
    ("yuma2", YumaVersion::Yuma2),
    ("yuma3", YumaVersion::Yuma3 { liquid_alpha: None }),
    (
        "liquid",
        YumaVersion::Yuma3 {
            liquid_alpha: Some(LiquidAlpha { low: 45_875, high: 58_982, steepness: 1_000 }),
        },
    ),
];

/// A subnet of `n` uids, of which the first `v` validate.
struct Subnet {
    total_stake: Vec<I64F64>,
    last_update: Vec<u64>,
    permits: Vec<bool>,
    weights: Vec<SparseRow>,
    bonds: Vec<SparseRow>,
    parameters: Parameters,
    validators: u16,
}

impl Subnet {
    /// Validators agree roughly, as real ones do: a quality for each miner, and noise for each weight.
    fn new(n: u16, v: u16, version: YumaVersion) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let quality: Vec<u16> = (0..n).map(|_| random.below(50_000) + 5_000).collect();
        let mut row =
            || quality.iter().zip(0..n).map(|(quality, uid)| (uid, quality + random.below(10_000))).collect();
        let weights = (0..n).map(|uid| if uid < v { row() } else { Vec::new() }).collect();
        let stake = |uid: u16| if uid < v { 1_000_000_000_000 / u64::from(uid + 1) } else { 0 };
        let mut subnet = Self {
            total_stake: (0..n).map(|uid| I64F64::from_num(stake(uid))).collect(),
            last_update: vec![900; usize::from(n)],
            permits: (0..n).map(|uid| uid < v).collect(),
            weights,
            bonds: Vec::new(),
            parameters: Parameters { version, ..Parameters::default() },
            validators: v,
        };
        // Bonds of a running subnet, not of its first epoch.
        subnet.bonds = epoch(&subnet.input()).bonds;
        subnet
    }

    fn input(&self) -> EpochInput<'_> {
        EpochInput {
            uid_count: self.permits.len() as u16,
            block: 1_000,
            tempo: 100,
            activity_cutoff: 5_000,
            last_step_block: 800,
            last_update: &self.last_update,
            block_at_registration: &[],
            total_stake: &self.total_stake,
            stake_threshold: 0,
            owner: None,
            validator_permits: &self.permits,
            max_allowed_validators: self.validators,
            commit_blocks: None,
            weights: &self.weights,
            bonds: &self.bonds,
            parameters: self.parameters,
            emission: 360_000_000_000,
        }
    }
}

/// A small generator of repeatable numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u16) -> u16 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(bound)) as u16
    }
}

fn epochs(criterion: &mut Criterion) {
    for (n, v) in SIZES {
        for (mode, version) in MODES {
            let subnet = Subnet::new(n, v, version);
            let name = format!("yuma::epoch/n={n},v={v},mode={mode}");
            criterion.bench_function(&name, |bencher| {
                bencher.iter(|| epoch(black_box(&subnet.input())));
            });
        }
    }
}

#[cfg(feature = "parallel")]
fn epochs_on_threads(criterion: &mut Criterion) {
    let [.., (n, v)] = SIZES;
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        for (mode, version) in MODES {
            let subnet = Subnet::new(n, v, version);
            let name = format!("yuma::epoch/n={n},v={v},mode={mode},threads={threads}");
            criterion.bench_function(&name, |bencher| {
                pool.install(|| bencher.iter(|| epoch(black_box(&subnet.input()))));
            });
        }
    }
}

#[cfg(not(feature = "parallel"))]
fn epochs_on_threads(_: &mut Criterion) {}

criterion_group!(benches, epochs, epochs_on_threads);
criterion_main!(benches);
