//! What must hold for every subnet, whatever its numbers.

mod support;

use myelin_fixed::I64F64;
use myelin_yuma::{
    epoch, epoch_with_trace, weights::row_normalise, EpochInput, EpochOutput, LiquidAlpha, Parameters,
    SparseRow, YumaVersion, ONE,
};
use proptest::{collection::vec, option, prelude::*};
use support::config;

const BLOCK: u64 = 1_000;

/// A subnet without the rules that treat uids differently: no owner, no ties of stake, rows sorted by uid.
#[derive(Clone, Debug)]
struct Subnet {
    stake: Vec<u64>,
    permits: Vec<bool>,
    max_allowed_validators: u16,
    last_update: Vec<u64>,
    registrations: Vec<u64>,
    weights: Vec<SparseRow>,
    bonds: Vec<SparseRow>,
    parameters: Parameters,
    emission: u64,
}

impl Subnet {
    fn epoch(&self) -> EpochOutput {
        self.with_input(epoch)
    }

    fn with_input<R>(&self, f: impl FnOnce(&EpochInput<'_>) -> R) -> R {
        let total_stake: Vec<I64F64> =
            self.stake.iter().map(|stake| I64F64::saturating_from_num(*stake)).collect();
        f(&EpochInput {
            uid_count: self.stake.len() as u16,
            block: BLOCK,
            tempo: 100,
            activity_cutoff: 50,
            last_step_block: 0,
            last_update: &self.last_update,
            block_at_registration: &self.registrations,
            total_stake: &total_stake,
            stake_threshold: 0,
            owner: None,
            validator_permits: &self.permits,
            max_allowed_validators: self.max_allowed_validators,
            commit_blocks: None,
            weights: &self.weights,
            bonds: &self.bonds,
            parameters: self.parameters,
            emission: self.emission,
        })
    }

    /// The same subnet with uid `i` renamed to `names[i]`.
    fn renamed(&self, names: &[usize]) -> Self {
        let rows = |rows: &[SparseRow]| {
            moved(&rows.iter().map(|row| renamed_row(row, names)).collect::<Vec<_>>(), names)
        };
        Self {
            stake: moved(&self.stake, names),
            permits: moved(&self.permits, names),
            last_update: moved(&self.last_update, names),
            registrations: moved(&self.registrations, names),
            weights: rows(&self.weights),
            bonds: rows(&self.bonds),
            ..*self
        }
    }
}

fn moved<T: Clone>(values: &[T], names: &[usize]) -> Vec<T> {
    let mut moved = values.to_vec();
    for (value, name) in values.iter().zip(names) {
        moved[*name] = value.clone();
    }
    moved
}

fn renamed_row(row: &SparseRow, names: &[usize]) -> SparseRow {
    let mut row: SparseRow =
        row.iter().map(|(uid, value)| (names[usize::from(*uid)] as u16, *value)).collect();
    row.sort_unstable();
    row
}

fn renamed_output(output: &EpochOutput, names: &[usize]) -> EpochOutput {
    let bonds: Vec<SparseRow> = output.bonds.iter().map(|row| renamed_row(row, names)).collect();
    EpochOutput {
        stake: moved(&output.stake, names),
        stake_weight: moved(&output.stake_weight, names),
        active: moved(&output.active, names),
        consensus: moved(&output.consensus, names),
        incentive: moved(&output.incentive, names),
        validator_trust: moved(&output.validator_trust, names),
        dividends: moved(&output.dividends, names),
        server_emission: moved(&output.server_emission, names),
        validator_emission: moved(&output.validator_emission, names),
        emission: moved(&output.emission, names),
        validator_permits: moved(&output.validator_permits, names),
        bonds: moved(&bonds, names),
    }
}

fn rows(n: usize) -> impl Strategy<Value = Vec<SparseRow>> {
    let value = prop_oneof![Just(0), Just(u16::MAX), any::<u16>()];
    let row = vec(option::weighted(0.8, value), n)
        .prop_map(|values| (0u16..).zip(values).filter_map(|(uid, value)| Some((uid, value?))).collect());
    vec(row, n)
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let liquid_alpha = (any::<u16>(), any::<u16>(), any::<i16>());
    let liquid_alpha = liquid_alpha.prop_map(|(low, high, steepness)| LiquidAlpha { low, high, steepness });
    let version = (any::<bool>(), any::<bool>(), liquid_alpha);
    let version = version.prop_map(|(yuma3, liquid, curve)| YumaVersion::from_flags(yuma3, liquid, curve));
    let bonds_penalty = prop_oneof![Just(0), Just(u16::MAX), any::<u16>()];
    (any::<u16>(), bonds_penalty, 0..=1_000_000u64, version).prop_map(
        |(kappa, bonds_penalty, bonds_moving_average, version)| Parameters {
            kappa,
            bonds_penalty,
            bonds_moving_average,
            version,
        },
    )
}

fn subnets() -> impl Strategy<Value = Subnet> {
    (2..=12usize).prop_flat_map(|n| {
        let stake = vec(0..1_000u64, n).prop_map(|stakes| {
            // Distinct remainders keep stakes apart.
            (0u64..).zip(stakes).map(|(uid, stake)| (stake * 16 + uid) * 1_000_000_007).collect::<Vec<_>>()
        });
        let blocks = vec(BLOCK - 60..BLOCK, n);
        let registrations = vec(prop_oneof![4 => Just(0), 1 => BLOCK - 110..BLOCK], n);
        let permits = (vec(prop::bool::weighted(0.8), n), 0..=n as u16);
        (stake, blocks, registrations, permits, rows(n), rows(n), parameters(), any::<u64>()).prop_map(
            |(stake, last_update, registrations, permits, weights, bonds, parameters, emission)| Subnet {
                stake,
                permits: permits.0,
                max_allowed_validators: permits.1,
                last_update,
                registrations,
                weights,
                bonds,
                parameters,
                emission,
            },
        )
    })
}

fn subnets_and_names() -> impl Strategy<Value = (Subnet, Vec<usize>)> {
    subnets().prop_flat_map(|subnet| {
        let names: Vec<usize> = (0..subnet.stake.len()).collect();
        (Just(subnet), Just(names).prop_shuffle())
    })
}

fn sum(amounts: &[u64]) -> u128 {
    amounts.iter().map(|amount| u128::from(*amount)).sum()
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn uids_are_only_names((subnet, names) in subnets_and_names()) {
        prop_assert_eq!(subnet.renamed(&names).epoch(), renamed_output(&subnet.epoch(), &names));
    }

    #[test]
    fn only_proportions_of_stake_matter(subnet in subnets(), doublings in 0..16u32) {
        let scaled = Subnet { stake: subnet.stake.iter().map(|stake| stake << doublings).collect(), ..subnet.clone() };
        let expected = subnet.epoch();
        prop_assert_eq!(EpochOutput { stake: expected.stake.clone(), ..scaled.epoch() }, expected);
    }

    #[test]
    fn no_more_is_paid_than_there_is(subnet in subnets()) {
        let output = subnet.epoch();
        let paid = sum(&output.server_emission) + sum(&output.validator_emission);
        prop_assert!(paid <= u128::from(subnet.emission), "paid {paid} of {}", subnet.emission);
        prop_assert!(sum(&output.emission) <= u128::from(subnet.emission));
    }

    #[test]
    fn not_even_more_stake_than_can_exist_pays_more(subnet in subnets(), shift in 10..24u32) {
        let stake: Vec<u64> = subnet.stake.iter().map(|stake| stake.saturating_mul(1 << shift)).collect();
        let huge = Subnet { stake, ..subnet };
        let output = huge.epoch();
        let paid = sum(&output.server_emission) + sum(&output.validator_emission);
        prop_assert!(paid <= u128::from(huge.emission), "paid {paid} of {}", huge.emission);
        prop_assert!(sum(&output.emission) <= u128::from(huge.emission));
    }

    #[test]
    fn rounding_loses_little(subnet in subnets()) {
        let output = subnet.epoch();
        let paid = sum(&output.server_emission) + sum(&output.validator_emission);
        let uids = subnet.stake.len() as u128;
        // One bit in 2^32 for each of two sides and a few divisions, and a whole rao for each amount.
        let lost = u128::from(subnet.emission) * 8 * uids / (1 << 32) + 2 * uids;
        let anyone_has_stake = subnet.stake.iter().any(|stake| *stake > 0);
        prop_assert!(!anyone_has_stake || paid + lost >= u128::from(subnet.emission), "paid {paid} of {}", subnet.emission);
    }

    #[test]
    fn clipping_never_raises_a_weight(subnet in subnets()) {
        let (_, trace) = subnet.with_input(epoch_with_trace);
        for (uid, row) in subnet.weights.iter().enumerate() {
            let counts = |target: u16| {
                usize::from(target) != uid && subnet.last_update[uid] > subnet.registrations[usize::from(target)]
            };
            let row: Vec<(u16, u16)> = row.iter().copied().filter(|(target, _)| counts(*target)).collect();
            let weights = row_normalise(&row.iter().map(|(_, weight)| *weight).collect::<Vec<_>>());
            let clipped = row.iter().zip(&weights).map(|((target, _), weight)| (*weight).min(trace.consensus[usize::from(*target)]));
            let clipped: i64 = if subnet.permits[uid] { clipped.sum() } else { 0 };
            prop_assert_eq!(trace.validator_trust[uid], clipped);
            prop_assert!(clipped <= weights.iter().sum::<i64>());
        }
        prop_assert!(trace.ranks.iter().sum::<i64>() <= ONE);
        for ((rank, before), consensus) in trace.ranks.iter().zip(&trace.preranks).zip(&trace.consensus) {
            prop_assert!(rank <= before, "clipping lowers ranks");
            prop_assert!(rank <= consensus, "all stake together gives no miner more than consensus");
        }
    }

    #[test]
    fn empty_rows_go_with_lost_permits(subnet in subnets()) {
        let output = subnet.epoch();
        for (permit, row) in output.validator_permits.iter().zip(&output.bonds) {
            prop_assert!(*permit || row.is_empty());
            prop_assert!(row.iter().all(|(uid, _)| usize::from(*uid) < subnet.stake.len()));
        }
        let permits = output.validator_permits.iter().filter(|permit| **permit).count();
        prop_assert!(permits <= usize::from(subnet.max_allowed_validators));
    }
}

/// Some validators tell the truth, give or take, about miners; the others say whatever they like.
#[derive(Clone, Debug)]
struct Game {
    honest_stake: Vec<u64>,
    dishonest_stake: Vec<u64>,
    truth: Vec<u16>,
    noise: Vec<Vec<u16>>,
    lies: Vec<Vec<u16>>,
    kappa: u16,
    version: YumaVersion,
}

fn games() -> impl Strategy<Value = Game> {
    (1..=5usize, 1..=5usize, 2..=8usize).prop_flat_map(|(honest, dishonest, miners)| {
        let stakes = (vec(1..1_000u64, honest), vec(1..1_000u64, dishonest));
        let truth = vec(prop_oneof![1 => Just(0), 3 => 1_000..30_000u16], miners);
        let noise = vec(vec(0..500u16, miners), honest);
        let lies = vec(vec(prop_oneof![Just(0), Just(u16::MAX), any::<u16>()], miners), dishonest);
        let version = parameters().prop_map(|parameters| parameters.version);
        let kappa = prop_oneof![Just(32_767), 3_000..=62_000u16];
        (stakes, truth, noise, lies, kappa, version).prop_map(
            |(stakes, truth, noise, lies, kappa, version)| {
                let dishonest_total: u64 = stakes.1.iter().sum();
                // Enough to reach `kappa` alone and to keep the others from it: more than the larger of `kappa` and the
                // rest, of everything. Shared in proportion to the drawn stakes.
                let (needed, rest) = (kappa.max(u16::MAX - kappa), kappa.min(u16::MAX - kappa));
                let factor =
                    dishonest_total * u64::from(needed) / u64::from(rest) + dishonest_total / 100 + 1;
                let honest_stake = stakes.0.iter().map(|stake| stake * factor).collect();
                Game { honest_stake, dishonest_stake: stakes.1, truth, noise, lies, kappa, version }
            },
        )
    })
}

impl Game {
    /// Validators come first, honest before dishonest; then the miners.
    fn subnet(&self) -> Subnet {
        let stake: Vec<u64> = [&self.honest_stake[..], &self.dishonest_stake].concat();
        let (validators, miners) = (stake.len(), self.truth.len());
        let told = |noise: &Vec<u16>| {
            self.truth
                .iter()
                .zip(noise)
                .map(|(truth, noise)| if *truth == 0 { 0 } else { truth + noise })
                .collect()
        };
        let votes: Vec<Vec<u16>> = self.noise.iter().map(told).chain(self.lies.iter().cloned()).collect();
        let mut weights: Vec<SparseRow> =
            votes.into_iter().map(|votes| (validators as u16..).zip(votes).collect()).collect();
        let n = validators + miners;
        weights.resize(n, Vec::new());
        Subnet {
            stake: stake.into_iter().chain(vec![0; miners]).collect(),
            permits: (0..n).map(|uid| uid < validators).collect(),
            max_allowed_validators: validators as u16,
            last_update: vec![BLOCK - 1; n],
            registrations: vec![0; n],
            weights,
            bonds: vec![Vec::new(); n],
            parameters: Parameters { kappa: self.kappa, version: self.version, ..Parameters::default() },
            emission: 1_000_000_000,
        }
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn an_honest_majority_is_never_out_voted(game in games()) {
        let subnet = game.subnet();
        let (output, trace) = subnet.with_input(epoch_with_trace);
        let honest = game.honest_stake.len();
        let miners = subnet.stake.len() - game.truth.len()..subnet.stake.len();
        for (index, uid) in miners.enumerate() {
            let votes = subnet.weights[..honest].iter().map(|row| {
                row_normalise(&row.iter().map(|(_, weight)| *weight).collect::<Vec<_>>())[index]
            });
            let (lowest, highest) = (votes.clone().min().unwrap_or(0), votes.max().unwrap_or(0));
            prop_assert!((lowest..=highest).contains(&trace.consensus[uid]), "miner {index}");
            if game.truth[index] == 0 {
                prop_assert_eq!(output.server_emission[uid], 0, "a miner that only liars praise earns nothing");
            }
        }
    }

    #[test]
    fn lying_does_not_raise_trust_above_honesty(mut game in games()) {
        game.noise.iter_mut().flatten().for_each(|noise| *noise = 0);
        let (_, trace) = game.subnet().with_input(epoch_with_trace);
        let (honest, others) = trace.validator_trust.split_at(game.honest_stake.len());
        let least_honest = honest.iter().min().copied().unwrap_or(0);
        // A liar whose weights are all within consensus can lose less to rounding: one bit a miner.
        let rounding = game.truth.len() as i64;
        prop_assert!(others.iter().all(|trust| *trust <= least_honest + rounding), "{:?}", trace.validator_trust);
    }
}
