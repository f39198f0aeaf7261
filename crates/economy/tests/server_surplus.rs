//! How far miners' pay can differ from what was set aside for them.
//!
//! Miners are paid by their share of everything, which Yuma Consensus finds; their pot is half of everything to begin with.
//! So they can overdraw it by rounding only, unless no validator earns anything: then the validators' pots cover it.

mod support;

use myelin_economy::{
    constants::DEFAULT_BLOCK_EMISSION_RAO, distribution::EpochPots, subnet_emission::accrue,
};
use myelin_fixed::{I64F64, U96F32};
use myelin_yuma::{epoch, EpochInput, EpochOutput, LiquidAlpha, Parameters, SparseRow, YumaVersion};
use proptest::{collection::vec, prelude::*};
use support::config;

/// What some blocks set aside.
fn pots(blocks: &[(u64, u128)], root_sells: bool) -> EpochPots {
    let mut pots = EpochPots::default();
    for (created, root_proportion) in blocks {
        let parts = accrue(*created, Some(11_796), U96F32::from_bits(*root_proportion));
        pots.server_rao += parts.server_rao;
        pots.validator_rao += parts.validator_rao;
        pots.root_rao += if root_sells { parts.root_rao } else { 0 };
        pots.owner_cut_rao += parts.owner_cut_rao;
    }
    pots
}

#[derive(Clone, Debug)]
struct Subnet {
    stake: Vec<u64>,
    weights: Vec<SparseRow>,
    bonds: Vec<SparseRow>,
    version: YumaVersion,
}

fn subnets() -> impl Strategy<Value = Subnet> {
    (2..9usize).prop_flat_map(|n| {
        let rows = move || vec(vec(any::<u16>(), n).prop_map(|values| (0u16..).zip(values).collect()), n);
        let curve = (any::<u16>(), any::<u16>(), any::<i16>());
        let curve = curve.prop_map(|(low, high, steepness)| LiquidAlpha { low, high, steepness });
        let version = (any::<bool>(), any::<bool>(), curve)
            .prop_map(|(yuma3, liquid, curve)| YumaVersion::from_flags(yuma3, liquid, curve));
        (vec(0..1u64 << 50, n), rows(), rows(), version).prop_map(|(stake, weights, bonds, version)| Subnet {
            stake,
            weights,
            bonds,
            version,
        })
    })
}

impl Subnet {
    fn epoch(&self, emission: u64) -> EpochOutput {
        let n = self.stake.len();
        let total_stake: Vec<I64F64> = self.stake.iter().map(|stake| I64F64::from_num(*stake)).collect();
        epoch(&EpochInput {
            uid_count: n as u16,
            block: 1_000,
            tempo: 100,
            activity_cutoff: 5_000,
            last_step_block: 0,
            last_update: &vec![900; n],
            block_at_registration: &[],
            total_stake: &total_stake,
            stake_threshold: 0,
            owner: None,
            validator_permits: &vec![true; n],
            max_allowed_validators: n as u16,
            commit_blocks: None,
            weights: &self.weights,
            bonds: &self.bonds,
            parameters: Parameters { version: self.version, ..Parameters::default() },
            emission,
        })
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn miners_overdraw_their_pot_by_rounding_only(
        subnet in subnets(),
        blocks in vec((0..=DEFAULT_BLOCK_EMISSION_RAO, 0..=1u128 << 32), 1..400),
        root_sells in any::<bool>(),
    ) {
        let pots = pots(&blocks, root_sells);
        let emission_rao = pots.epoch_emission_rao();
        let output = subnet.epoch(emission_rao);
        let incentives_rao: u64 = output.server_emission.iter().sum();
        let surplus_rao = pots.server_surplus_rao(incentives_rao);
        prop_assert!(surplus_rao <= i128::from(pots.server_rao));
        if output.validator_emission.iter().all(|rao| *rao == 0) {
            prop_assert!(surplus_rao >= -i128::from(pots.validator_rao) - i128::from(pots.root_rao));
            return Ok(());
        }
        // Each block floors the miners' half, and each uid's share of the whole has 32 bits.
        let uids = output.server_emission.len() as i128;
        let rounding_rao = blocks.len() as i128 + uids + i128::from(emission_rao) * 4 * uids / (1 << 32);
        prop_assert!(surplus_rao >= -rounding_rao, "surplus {surplus_rao}, rounding {rounding_rao}");
        // What is left over is the root dividends that were recycled instead, at most; without them it is rounding, too.
        if incentives_rao > 0 {
            let halves_apart = i128::from(pots.server_rao) - i128::from(pots.validator_rao) - i128::from(pots.root_rao);
            prop_assert!(surplus_rao <= halves_apart.max(0) / 2 + rounding_rao + 1, "surplus {surplus_rao}");
        }
    }
}
