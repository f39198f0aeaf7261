//! The consensus guarantee: a cabal with the majority of stake that values itself as much as the other does itself keeps at
//! least its share of the emission, whatever the minority says.
//!
//! The rows are the reference's: stake of the major cabal, weight that it gives its own miners and that the minor one gives
//! its own, spread of the weights, bonds penalty. 512 uids of whom 64 validate; validators and miners belong to the cabals in
//! proportion to stake.

use myelin_fixed::I64F64;
use myelin_yuma::{epoch, EpochInput, Parameters, SparseRow, YumaVersion};

/// How far the edge moves.
const EDGE: f64 = 0.005;

const UIDS: u16 = 512;
const VALIDATORS: u16 = 64;

struct Row {
    major_stake: f64,
    major_self_weight: f64,
    minor_self_weight: f64,
    spread: f64,
    bonds_penalty: u16,
}

const fn row(major_stake: f64, major_self_weight: f64, minor_self_weight: f64, spread: f64) -> Row {
    Row { major_stake, major_self_weight, minor_self_weight, spread, bonds_penalty: u16::MAX }
}

const fn penalised(row: Row, bonds_penalty: u16) -> Row {
    Row { bonds_penalty, ..row }
}

const ROWS: [Row; 18] = [
    row(0.51, 1.0, 1.0, 0.001),
    row(0.51, 0.03, 0.0, 0.001),
    row(0.51, 0.51, 0.49, 0.001),
    row(0.51, 0.51, 1.0, 0.001),
    row(0.51, 0.61, 0.8, 0.1),
    row(0.6, 0.67, 0.65, 0.2),
    row(0.6, 0.74, 0.77, 0.4),
    row(0.6, 0.76, 0.8, 0.4),
    row(0.6, 0.73, 1.0, 0.4),
    penalised(row(0.6, 0.74, 1.0, 0.4), 55_800),
    penalised(row(0.6, 0.76, 1.0, 0.4), 43_690),
    penalised(row(0.6, 0.78, 1.0, 0.4), 21_845),
    penalised(row(0.6, 0.79, 1.0, 0.4), 0),
    row(0.6, 0.92, 1.0, 0.4),
    row(0.6, 0.94, 1.0, 0.4),
    row(0.65, 0.78, 0.85, 0.6),
    row(0.7, 0.81, 0.85, 0.8),
    row(0.7, 0.83, 0.85, 1.0),
];

/// Repeatable numbers around a mean.
struct Gaussian(u64);

impl Gaussian {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// About 1, never negative.
    fn next(&mut self, spread: f64) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        let angle = std::f64::consts::TAU * self.uniform();
        (1.0 + spread * radius * angle.cos()).max(0.0)
    }
}

struct Network {
    major_validators: u16,
    major_miners: u16,
    stake: Vec<I64F64>,
    weights: Vec<SparseRow>,
}

impl Network {
    fn new(row: &Row, random: &mut Gaussian) -> Self {
        let part = |of: u16| (f64::from(of) * row.major_stake).round() as u16;
        let (major_validators, major_miners) = (part(VALIDATORS), part(UIDS - VALIDATORS));
        let mut network = Self { major_validators, major_miners, stake: Vec::new(), weights: Vec::new() };
        network.stake = network.stakes(row);
        network.weights = (0..UIDS).map(|uid| network.weights_of(uid, row, random)).collect();
        network
    }

    /// Validators of one cabal have equal stakes.
    fn stakes(&self, row: &Row) -> Vec<I64F64> {
        let minor_validators = VALIDATORS - self.major_validators;
        let share = |uid: u16| match uid {
            _ if uid < self.major_validators => row.major_stake / f64::from(self.major_validators),
            _ if uid < VALIDATORS => (1.0 - row.major_stake) / f64::from(minor_validators),
            _ => 0.0,
        };
        (0..UIDS).map(|uid| I64F64::from_num((share(uid) * 21e15) as u64)).collect()
    }

    /// Weights of a validator: to its own cabal's miners what its cabal gives itself, and the rest to the others.
    fn weights_of(&self, uid: u16, row: &Row, random: &mut Gaussian) -> SparseRow {
        if uid >= VALIDATORS {
            return SparseRow::new();
        }
        let to_major =
            if uid < self.major_validators { row.major_self_weight } else { 1.0 - row.minor_self_weight };
        let mut values: Vec<f64> = (VALIDATORS..UIDS).map(|_| random.next(row.spread)).collect();
        let (major, minor) = values.split_at_mut(self.major_miners.into());
        for (group, share) in [(major, to_major), (minor, 1.0 - to_major)] {
            let sum: f64 = group.iter().sum();
            group.iter_mut().for_each(|value| *value *= share / sum);
        }
        let largest = values.iter().copied().fold(0.0, f64::max);
        let stored = |value: f64| (value / largest * 65_535.0).round() as u16;
        (VALIDATORS..UIDS).zip(values).map(|(uid, value)| (uid, stored(value))).collect()
    }

    fn is_major(&self, uid: u16) -> bool {
        uid < self.major_validators || (VALIDATORS..VALIDATORS + self.major_miners).contains(&uid)
    }

    /// The major cabal's share of what the first epoch with weights pays.
    fn major_emission(&self, parameters: Parameters) -> f64 {
        let permits: Vec<bool> = (0..UIDS).map(|uid| uid < VALIDATORS).collect();
        let output = epoch(&EpochInput {
            uid_count: UIDS,
            block: 1_000,
            tempo: 100,
            activity_cutoff: 5_000,
            last_step_block: 0,
            last_update: &[900; UIDS as usize],
            block_at_registration: &[],
            total_stake: &self.stake,
            stake_threshold: 0,
            owner: None,
            validator_permits: &permits,
            max_allowed_validators: VALIDATORS,
            commit_blocks: None,
            weights: &self.weights,
            bonds: &[],
            parameters,
            emission: 1_000_000_000_000,
        });
        let of = |counts: &dyn Fn(u16) -> bool| -> f64 {
            (0..UIDS).zip(&output.emission).filter(|(uid, _)| counts(*uid)).map(|(_, rao)| *rao as f64).sum()
        };
        of(&|uid| self.is_major(uid)) / of(&|_| true)
    }
}

#[test]
fn a_majority_keeps_its_share_of_the_emission() {
    let mut random = Gaussian(20_260_601);
    for (index, row) in ROWS.iter().enumerate() {
        let parameters = Parameters {
            bonds_penalty: row.bonds_penalty,
            version: YumaVersion::Yuma2,
            ..Parameters::default()
        };
        for draw in 0..3 {
            let share = Network::new(row, &mut random).major_emission(parameters);
            let stake = row.major_stake;
            assert!(
                share >= stake - EDGE,
                "row {index}, draw {draw}: {share} of emission for {stake} of stake"
            );
        }
    }
}
