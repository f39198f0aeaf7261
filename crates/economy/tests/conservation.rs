//! Whatever is divided is conserved: the parts and the named dust sum to the whole.

mod support;

use myelin_economy::{
    block_emission::{block_emission_rao, mintable_rao},
    constants::{DEFAULT_BLOCK_EMISSION_RAO, TOTAL_SUPPLY_RAO},
    distribution::{apportion, settle_incentives, split_dividends, unpaid_rao, Dividend, Family, Parent},
    registration::{decay_factor_q32, BurnPolicy},
    root_claims::{claim_rao, claimable_dividend, ClaimableDividend},
    stake::{inherited_stake, split_take, ParentLink, StakePair},
    subnet_emission::{
        accrue, injection, next_moving_price, tao_emission, tao_shares, EmittingSubnet, InjectionInputs,
        PriceSmoothing,
    },
    subnet_lifecycle::divide_pot,
};
use myelin_fixed::{I96F32, U64F64, U96F32};
use proptest::{collection::vec, prelude::*};
use support::config;

const ONE_BITS: u128 = 1 << 32;

fn rao() -> impl Strategy<Value = u64> {
    (0..=TOTAL_SUPPLY_RAO, 0_u32..54).prop_map(|(rao, shift)| rao >> shift)
}

fn proportion() -> impl Strategy<Value = U96F32> {
    (0..=ONE_BITS).prop_map(U96F32::from_bits)
}

fn stake() -> impl Strategy<Value = StakePair> {
    (rao(), rao()).prop_map(|(alpha_rao, root_rao)| StakePair { alpha_rao, root_rao })
}

fn subnet() -> impl Strategy<Value = EmittingSubnet> {
    (0..=1_u128 << 65, proportion(), prop::bool::weighted(0.8)).prop_map(
        |(price, miner_burned, tao_enabled)| EmittingSubnet {
            moving_price: U64F64::from_bits(price),
            miner_burned,
            tao_enabled,
        },
    )
}

fn family() -> impl Strategy<Value = Family<u8>> {
    let parent = (stake(), any::<u64>(), any::<bool>()).prop_map(|(stake, proportion_u64, same_coldkey)| {
        Parent { hotkey: 9, stake, proportion_u64, same_coldkey }
    });
    (stake(), vec(0..u64::MAX / 5, 0..5), vec(parent, 0..6), any::<u16>()).prop_map(
        |(stake, child_proportions_u64, parents, childkey_take_u16)| Family {
            hotkey: 1,
            stake,
            child_proportions_u64,
            parents,
            childkey_take_u16,
        },
    )
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn block_emission_falls_and_stays_below_the_ceiling(low in rao(), high in rao()) {
        let (low, high) = (low.min(high), low.max(high));
        let (more, less) = (block_emission_rao(low).unwrap(), block_emission_rao(high).unwrap());
        prop_assert!(less <= more && more <= DEFAULT_BLOCK_EMISSION_RAO);
        prop_assert!(high + mintable_rao(less, high) <= TOTAL_SUPPLY_RAO);
    }

    #[test]
    fn subnets_together_receive_no_more_than_the_block_mints(
        subnets in vec(subnet(), 0..64),
        block_rao in 0..=DEFAULT_BLOCK_EMISSION_RAO,
    ) {
        let shares = tao_shares(&subnets);
        prop_assert_eq!(shares.len(), subnets.len());
        let total: u64 = shares.iter().map(|share| tao_emission(block_rao, *share).to_num::<u64>()).sum();
        prop_assert!(total <= block_rao);
        let is_paid = |subnet: &EmittingSubnet| subnet.tao_enabled && subnet.moving_price > 0;
        if subnets.iter().any(is_paid) && subnets.iter().all(|subnet| subnet.miner_burned < 1) {
            prop_assert!(block_rao - total <= 2 * subnets.len() as u64 + 1, "{total} of {block_rao}");
        }
        for (share, subnet) in shares.iter().zip(&subnets) {
            prop_assert!(subnet.tao_enabled || *share == 0);
        }
    }

    #[test]
    fn injections_account_for_all_tao(
        tao_bits in 0..=u128::from(DEFAULT_BLOCK_EMISSION_RAO) * ONE_BITS,
        alpha_emission_rao in 0..=DEFAULT_BLOCK_EMISSION_RAO,
        price in 0..1_u128 << 70,
        root_proportion in proportion(),
    ) {
        let tao_emission = U96F32::from_bits(tao_bits);
        let inputs =
            InjectionInputs { tao_emission, alpha_emission_rao, spot_price: U64F64::from_bits(price), root_proportion };
        let injected = injection(&inputs);
        let whole: u64 = tao_emission.to_num();
        prop_assert_eq!(injected.tao_in_rao + injected.excess_tao_rao + injected.dust_tao_rao, whole);
        prop_assert!(injected.dust_tao_rao <= 1);
        prop_assert!(injected.alpha_in_rao <= alpha_emission_rao);
        prop_assert_eq!(injected.alpha_out_rao, alpha_emission_rao);
    }

    #[test]
    fn accrual_accounts_for_all_alpha(
        alpha_rao in 0..=DEFAULT_BLOCK_EMISSION_RAO,
        cut in prop::option::of(any::<u16>()),
        root_proportion in proportion(),
    ) {
        let a = accrue(alpha_rao, cut, root_proportion);
        prop_assert_eq!(a.owner_cut_rao + a.server_rao + a.validator_rao + a.root_rao + a.dust_rao, alpha_rao);
        prop_assert!(a.dust_rao <= 3);
    }

    #[test]
    fn a_moving_price_stays_between_its_old_value_and_the_spot_price(
        old in 0..ONE_BITS as i128, spot in 0..1_u128 << 64, age in 0..10_000_000_u64,
    ) {
        let (old, spot) = (I96F32::from_bits(old), U64F64::from_bits(spot));
        let new = next_moving_price(old, spot, PriceSmoothing::default(), 1, age);
        let spot = I96F32::from_num(spot);
        let rounding = I96F32::from_bits(2);
        prop_assert!(new + rounding >= old.min(spot) && new <= old.max(spot) + rounding);
    }

    #[test]
    fn incentives_are_paid_or_withheld(incentives in vec((any::<u8>(), rao()), 0..40), owners in any::<u8>()) {
        let total: u64 = incentives.iter().map(|(_, rao)| *rao).sum();
        let settled = settle_incentives(incentives, |hotkey| *hotkey < owners);
        let sum = |list: &[(u8, u64)]| list.iter().map(|(_, rao)| *rao).sum::<u64>();
        prop_assert_eq!(settled.total_rao, total);
        prop_assert_eq!(sum(&settled.withheld), settled.withheld_rao);
        prop_assert_eq!(sum(&settled.paid) + settled.withheld_rao, total);
        prop_assert!(settled.miner_burned <= 1);
    }

    #[test]
    fn dividends_are_paid_burned_or_dust(
        family in family(), dividends_rao in rao(), tao_weight in proportion(), burn_part in 0..=100_u64,
    ) {
        // Take and burn together stay below the whole.
        let burn = u64::from(u16::MAX - family.childkey_take_u16) * (u64::MAX / 65_536 / 100) * burn_part;
        let split = split_dividends(&family, dividends_rao, tao_weight, burn);
        prop_assert_eq!(split.payouts.len(), family.parents.len() + 1);
        let paid: u64 = split.payouts.iter().map(|(_, rao)| *rao).sum();
        prop_assert_eq!(paid + split.burned_rao + split.dust_rao, dividends_rao);
        prop_assert!(split.dust_rao <= 2 * family.parents.len() as u64 + 1, "{split:?}");
    }

    #[test]
    fn pots_are_paid_or_dust(
        dividends in vec((rao(), stake(), 0..=11_796_u16), 1..30),
        alpha_pot_rao in rao(),
        root_pot_rao in rao(),
        tao_weight in proportion(),
    ) {
        let inputs: Vec<Dividend<()>> = dividends
            .iter()
            .map(|(dividends_rao, stake, _)| Dividend { hotkey: (), dividends_rao: *dividends_rao, stake: *stake })
            .collect();
        let payouts = apportion(&inputs, alpha_pot_rao, root_pot_rao, tao_weight);
        let takes = || dividends.iter().map(|(_, _, take)| *take);
        let alpha: Vec<_> = payouts.iter().map(|payout| payout.alpha).zip(takes()).collect();
        let root: Vec<_> = payouts.iter().map(|payout| payout.root).zip(takes()).collect();
        for (shares, pot_rao) in [(alpha, alpha_pot_rao), (root, root_pot_rao)] {
            let is_paid = shares.iter().any(|(share, _)| *share > 0);
            let splits = shares.into_iter().map(|(share, take)| split_take(share, take));
            let paid: Vec<u64> = splits.map(|split| split.take_rao + split.nominators_rao).collect();
            let paid_rao: u64 = paid.iter().sum();
            let dust_rao = unpaid_rao(pot_rao, paid);
            prop_assert_eq!(paid_rao + dust_rao, pot_rao, "no more is paid than there is");
            let rounding = (pot_rao >> 32) * dividends.len() as u64 + 3 * dividends.len() as u64;
            prop_assert!(!is_paid || dust_rao <= rounding, "{dust_rao} of {pot_rao}");
        }
    }

    #[test]
    fn root_dividends_are_claimable_or_dust(amount_rao in rao(), stakes in vec(rao(), 1..8)) {
        let root_stake_rao: u64 = stakes.iter().sum::<u64>().min(TOTAL_SUPPLY_RAO);
        prop_assume!(stakes.iter().sum::<u64>() == root_stake_rao);
        match claimable_dividend(amount_rao, root_stake_rao) {
            ClaimableDividend::StakeToOwner { amount_rao: staked_rao } => prop_assert_eq!(staked_rao, amount_rao),
            ClaimableDividend::Rate { increase, dust_rao } => {
                let none = I96F32::from_num(0);
                let claimed: u64 = stakes.iter().filter_map(|stake| claim_rao(increase, *stake, 0, none)).sum();
                prop_assert!(claimed + dust_rao <= amount_rao);
                prop_assert!(amount_rao - claimed - dust_rao <= stakes.len() as u64);
                prop_assert!(dust_rao <= (root_stake_rao >> 32) + 1);
            }
        }
    }

    #[test]
    fn lending_moves_stake_and_creates_none(own in stake(), child_own in stake(), part in any::<u64>()) {
        let parent = inherited_stake(own, &[part], &[]);
        let child = inherited_stake(child_own, &[], &[ParentLink { stake: own, proportion_u64: part }]);
        let alpha = own.alpha_rao + child_own.alpha_rao;
        let root = own.root_rao + child_own.root_rao;
        prop_assert!(parent.alpha_rao + child.alpha_rao <= alpha && alpha - parent.alpha_rao - child.alpha_rao <= 1);
        prop_assert!(parent.root_rao + child.root_rao <= root && root - parent.root_rao - child.root_rao <= 1);
    }

    #[test]
    fn a_pot_is_divided_completely(pot_rao in rao(), claims in vec(rao(), 1..50)) {
        let parts = divide_pot(pot_rao, &claims);
        let total: u128 = claims.iter().map(|claim| u128::from(*claim)).sum();
        let paid: u64 = parts.iter().sum();
        prop_assert_eq!(paid, if total == 0 { 0 } else { pot_rao });
        for (part, claim) in parts.iter().zip(&claims) {
            let floor = (u128::from(pot_rao) * u128::from(*claim)).checked_div(total).unwrap_or(0) as u64;
            prop_assert!(*part == floor || *part == floor + 1);
        }
    }

    #[test]
    fn a_registration_price_stays_in_its_bounds_and_halves_in_time(
        burn_rao in 1_000_000_000..1_000_000_000_000_u64, half_life_blocks in 1_u16..2_000,
    ) {
        let policy = BurnPolicy { half_life_blocks, min_rao: 0, max_rao: u64::MAX, ..BurnPolicy::default() };
        let factor = decay_factor_q32(half_life_blocks);
        let halved = (0..half_life_blocks).fold(burn_rao, |burn, _| policy.decayed_by_rao(burn, factor));
        prop_assert!(halved.abs_diff(burn_rao / 2) <= burn_rao / 1_000_000 + 2_000, "{halved}");
        let bounded = BurnPolicy { half_life_blocks, ..BurnPolicy::default() };
        for price in [bounded.decayed_rao(burn_rao, 5), bounded.after_registration_rao(burn_rao)] {
            prop_assert!((bounded.min_rao..=bounded.max_rao).contains(&price));
        }
    }
}
