//! The economy against a slow second implementation over exact rationals, written from the formulas.
//!
//! Every value is a rational; rounding is explicit wherever the protocol rounds: `q32` and `q64` floor to 32 and 64
//! fraction bits. Nothing is shared with the crate but its input types.

mod support;

use myelin_economy::{
    block_emission::block_emission_rao,
    constants::{DEFAULT_BLOCK_EMISSION_RAO, RAO_PER_TAO, TOTAL_SUPPLY_RAO},
    delegation::{daily_rao, return_per_1000_tao_rao},
    distribution::{apportion, split_dividends, Dividend, Family, Parent},
    registration::BurnPolicy,
    root_claims::{
        claim_rao, claimable_dividend, claimed_after_adding, claimed_after_removing, owed, ClaimableDividend,
    },
    stake::{inherited_stake, split_take, ParentLink, StakePair},
    subnet_emission::{
        accrue, injection, next_moving_price, root_proportion, tao_emission, tao_shares, tao_weight,
        EmittingSubnet, InjectionInputs, PriceSmoothing,
    },
    subnet_lifecycle::{divide_pot, initial_pool, median_price, LockCost},
};
use myelin_fixed::{I96F32, U64F64, U96F32};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::{collection::vec, prelude::*};
use support::config;

type Number = BigRational;

const CASES: u32 = 2_000;

fn int(value: impl Into<BigInt>) -> Number {
    Number::from_integer(value.into())
}

fn floor_to(value: &Number, fraction_bits: u32) -> Number {
    let unit = int(BigInt::from(1) << fraction_bits);
    (value * &unit).floor() / unit
}

fn q32(value: Number) -> Number {
    floor_to(&value, 32)
}

fn q64(value: Number) -> Number {
    floor_to(&value, 64)
}

fn bits32(bits: u128) -> Number {
    int(bits) / int(BigInt::from(1) << 32u32)
}

fn bits64(bits: u128) -> Number {
    int(bits) / int(BigInt::from(1) << 64u32)
}

/// A quotient, zero if there is none.
fn div(a: &Number, b: &Number) -> Number {
    if *b == int(0) {
        return int(0);
    }
    a / b
}

fn not_negative(value: Number) -> Number {
    value.max(int(0))
}

fn rao(value: &Number) -> u64 {
    u64::try_from(value.floor().to_integer()).expect("an amount that can exist")
}

fn total(values: &[Number]) -> Number {
    values.iter().fold(int(0), |sum, value| sum + value)
}

fn of_65535(stored: u16) -> Number {
    q32(int(stored) / int(65_535))
}

fn of_u64(stored: u64) -> Number {
    q32(int(stored) / int(u64::MAX))
}

/// Amounts that can exist, evenly over the orders of magnitude.
fn amounts() -> impl Strategy<Value = u64> {
    (0..=TOTAL_SUPPLY_RAO, 0_u32..55).prop_map(|(rao, shift)| rao >> shift)
}

fn proportions() -> impl Strategy<Value = u128> {
    prop_oneof![Just(0), Just(1 << 32), 0..=1_u128 << 32]
}

/// Bits of prices with 64 fraction bits, from next to nothing to 1000.
fn prices() -> impl Strategy<Value = u128> {
    (1_u128..1000 << 64, 0_u32..60).prop_map(|(bits, shift)| bits >> shift)
}

fn stakes() -> impl Strategy<Value = StakePair> {
    (amounts(), amounts()).prop_map(|(alpha_rao, root_rao)| StakePair { alpha_rao, root_rao })
}

fn subnets() -> impl Strategy<Value = Vec<EmittingSubnet>> {
    let price = prop_oneof![1 => Just(0), 6 => prices()];
    let subnet =
        (price, proportions(), prop::bool::weighted(0.8)).prop_map(|(price, burned, tao_enabled)| {
            EmittingSubnet {
                moving_price: U64F64::from_bits(price),
                miner_burned: U96F32::from_bits(burned),
                tao_enabled,
            }
        });
    vec(subnet, 0..8)
}

fn shares_oracle(subnets: &[EmittingSubnet]) -> Vec<Number> {
    let normalised = |values: Vec<Number>| -> Vec<Number> {
        let sum = total(&values);
        values.iter().map(|value| q64(div(value, &sum))).collect()
    };
    let parts = normalised(subnets.iter().map(|subnet| bits64(subnet.moving_price.to_bits())).collect());
    let weights: Vec<Number> = parts
        .iter()
        .zip(subnets)
        .map(|(part, subnet)| q64(part * (int(1) - bits32(subnet.miner_burned.to_bits()))))
        .collect();
    let shares = if total(&weights) > int(0) { normalised(weights) } else { parts };
    if subnets.iter().all(|subnet| subnet.tao_enabled) {
        return shares;
    }
    let enabled = shares.into_iter().zip(subnets);
    normalised(enabled.map(|(share, subnet)| if subnet.tao_enabled { share } else { int(0) }).collect())
}

fn families() -> impl Strategy<Value = Family<u8>> {
    let parent = (stakes(), any::<u64>(), any::<bool>());
    let parents = vec(parent, 0..5).prop_map(|parents| {
        let parent = |(hotkey, (stake, proportion_u64, same_coldkey))| Parent {
            hotkey,
            stake,
            proportion_u64,
            same_coldkey,
        };
        (2..).zip(parents).map(parent).collect()
    });
    (stakes(), vec(0..u64::MAX / 4, 0..5), parents, any::<u16>()).prop_map(
        |(stake, child_proportions_u64, parents, childkey_take_u16)| Family {
            hotkey: 1,
            stake,
            child_proportions_u64,
            parents,
            childkey_take_u16,
        },
    )
}

/// Payouts, and what is burned.
fn split_oracle(
    family: &Family<u8>,
    dividends_rao: u64,
    weight: &Number,
    burn_u64: u64,
) -> (Vec<(u8, u64)>, u64) {
    let lent = |stake_rao: u64, proportion: u64| q32(int(stake_rao) * of_u64(proportion));
    let contribution = |parent: &Parent<u8>| {
        let root = lent(parent.stake.root_rao, parent.proportion_u64);
        lent(parent.stake.alpha_rao, parent.proportion_u64) + q32(root * weight)
    };
    let to_children = family.child_proportions_u64.iter().fold(int(0), |sum, part| sum + of_u64(*part));
    let kept = not_negative(int(1) - to_children);
    let own =
        q32(int(family.stake.alpha_rao) * &kept) + q32(q32(int(family.stake.root_rao) * &kept) * weight);
    let contributions: Vec<Number> = family.parents.iter().map(contribution).collect();
    let all = total(&contributions) + own.floor();
    let dividends = int(dividends_rao);
    let (mut remaining, mut takes, mut burned_rao, mut payouts) = (dividends.clone(), int(0), 0, Vec::new());
    for (parent, contribution) in family.parents.iter().zip(&contributions) {
        let mut part = q32(&dividends * q32(div(contribution, &all)));
        remaining = not_negative(remaining - &part);
        if !parent.same_coldkey {
            let (burned, take) =
                (q32(of_u64(burn_u64) * &part), q32(of_65535(family.childkey_take_u16) * &part));
            part = not_negative(not_negative(part - &burned) - &take);
            takes += take;
            burned_rao += rao(&burned);
        }
        payouts.push((parent.hotkey, rao(&part)));
    }
    payouts.push((family.hotkey, rao(&(remaining + takes))));
    (payouts, burned_rao)
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn shares_among_subnets(subnets in subnets(), emission in 0..=DEFAULT_BLOCK_EMISSION_RAO) {
        let expected = shares_oracle(&subnets);
        for (share, expected) in tao_shares(&subnets).into_iter().zip(expected) {
            prop_assert_eq!(bits64(share.to_bits()), expected.clone());
            let tao = tao_emission(emission, share);
            prop_assert_eq!(bits32(tao.to_bits()), q32(q64(int(emission) * expected)));
        }
    }

    #[test]
    fn root_proportions(root in amounts(), weight in any::<u64>(), issuance in amounts()) {
        let tao = q32(int(root) * of_u64(weight));
        let expected = q32(div(&tao, &(&tao + int(issuance))));
        let found = root_proportion(root, tao_weight(weight), issuance);
        prop_assert_eq!(bits32(found.to_bits()), expected);
    }

    #[test]
    fn injections(
        tao in 0..=u128::from(DEFAULT_BLOCK_EMISSION_RAO) << 32,
        alpha_emission_rao in 0..=DEFAULT_BLOCK_EMISSION_RAO, price in prices(), proportion in proportions(),
    ) {
        let found = injection(&InjectionInputs {
            tao_emission: U96F32::from_bits(tao),
            alpha_emission_rao,
            spot_price: U64F64::from_bits(price),
            root_proportion: U96F32::from_bits(proportion),
        });
        let (tao, price) = (bits32(tao), q32(bits64(price)));
        let cap = q32(bits32(proportion) * int(alpha_emission_rao));
        let wanted = q32(div(&tao, &price));
        let (alpha_in, tao_in) = if wanted > cap { (cap.clone(), q32(cap * price)) } else { (wanted, tao.clone()) };
        prop_assert_eq!(found.alpha_in_rao, rao(&alpha_in));
        prop_assert_eq!(found.tao_in_rao, rao(&tao_in));
        prop_assert_eq!(found.excess_tao_rao, rao(&not_negative(&tao - tao_in)));
        prop_assert_eq!(found.alpha_out_rao, alpha_emission_rao);
        prop_assert_eq!(found.tao_in_rao + found.excess_tao_rao + found.dust_tao_rao, rao(&tao));
        prop_assert!(found.dust_tao_rao <= 1);
    }

    #[test]
    fn accruals(created in 0..=DEFAULT_BLOCK_EMISSION_RAO, cut in prop::option::of(any::<u16>()), proportion in proportions()) {
        let found = accrue(created, cut, U96F32::from_bits(proportion));
        let owner = cut.map_or_else(|| int(0), |cut| q32(int(created) * of_65535(cut)));
        let alpha = int(created) - &owner;
        let half = Number::new(1.into(), 2.into());
        let root = q32(q32(bits32(proportion) * &alpha) * &half);
        let server = q32(&alpha * &half);
        let validator = not_negative(&alpha - &server - &root);
        prop_assert_eq!(found.owner_cut_rao, rao(&owner));
        prop_assert_eq!(found.root_rao, rao(&root));
        prop_assert_eq!(found.server_rao, rao(&server));
        prop_assert_eq!(found.validator_rao, rao(&validator));
        let parts = found.owner_cut_rao + found.root_rao + found.server_rao + found.validator_rao;
        prop_assert_eq!(parts + found.dust_rao, created);
        prop_assert!(found.dust_rao <= 3, "one rao for each part but one");
    }

    #[test]
    fn moving_prices(
        old in 0..=1_i128 << 32, price in prices(), base in 0..=1_i128 << 32,
        halving_blocks in 1..1_000_000u64, first in 0..2_000_000u64, age in 0..3_000_000u64,
    ) {
        let smoothing = PriceSmoothing { base_factor: I96F32::from_bits(base), halving_blocks };
        let now = first.saturating_sub(1) + age;
        let found = next_moving_price(I96F32::from_bits(old), U64F64::from_bits(price), smoothing, first, now);
        let ramp = q64(int(age) / int(age + halving_blocks));
        let factor = q64(bits32(base as u128) * ramp);
        let spot = bits64(price).min(int(1));
        let expected = q64(&factor * spot) + q64((int(1) - &factor) * bits32(old as u128));
        prop_assert_eq!(bits32(found.to_bits() as u128), q32(expected));
    }

    #[test]
    fn dividends_of_families(family in families(), dividends in amounts(), weight in any::<u64>(), burn in prop_oneof![Just(0), any::<u64>()]) {
        let found = split_dividends(&family, dividends, tao_weight(weight), burn);
        let (payouts, burned_rao) = split_oracle(&family, dividends, &of_u64(weight), burn);
        let paid: u64 = payouts.iter().map(|(_, rao)| rao).sum();
        prop_assert_eq!(found.payouts, payouts);
        prop_assert_eq!(found.burned_rao, burned_rao);
        prop_assert_eq!(found.dust_rao, dividends.saturating_sub(paid).saturating_sub(burned_rao));
    }

    #[test]
    fn inheritance(own in stakes(), children in vec(0..u64::MAX / 4, 0..5), parents in vec((stakes(), any::<u64>()), 0..5)) {
        let links: Vec<ParentLink> =
            parents.iter().map(|(stake, proportion_u64)| ParentLink { stake: *stake, proportion_u64: *proportion_u64 }).collect();
        let found = inherited_stake(own, &children, &links);
        let expected = |pick: fn(&StakePair) -> u64| {
            let lent = children.iter().fold(int(0), |sum, part| sum + q32(int(pick(&own)) * of_u64(*part)));
            let borrowed = parents.iter().fold(int(0), |sum, (stake, part)| sum + q32(int(pick(stake)) * of_u64(*part)));
            rao(&(not_negative(int(pick(&own)) - lent) + borrowed))
        };
        prop_assert_eq!(found.alpha_rao, expected(|stake| stake.alpha_rao));
        prop_assert_eq!(found.root_rao, expected(|stake| stake.root_rao));
    }

    #[test]
    fn pots_by_stake(
        dividends in vec((amounts(), stakes(), any::<u16>()), 0..8),
        alpha_pot in amounts(), root_pot in amounts(), weight in any::<u64>(),
    ) {
        let dividends: Vec<(Dividend<usize>, u16)> = dividends
            .into_iter()
            .enumerate()
            .map(|(hotkey, (dividends_rao, stake, take))| (Dividend { hotkey, dividends_rao, stake }, take))
            .collect();
        let list: Vec<Dividend<usize>> = dividends.iter().map(|(dividend, _)| dividend.clone()).collect();
        let parts: Vec<(Number, Number)> = list
            .iter()
            .map(|dividend| {
                let root_stake = q32(int(dividend.stake.root_rao) * of_u64(weight));
                let all = int(dividend.stake.alpha_rao) + &root_stake;
                let root = q32(int(dividend.dividends_rao) * q32(div(&root_stake, &all)));
                (int(dividend.dividends_rao) - &root, root)
            })
            .collect();
        let alpha_total = total(&parts.iter().map(|(alpha, _)| alpha.clone()).collect::<Vec<_>>());
        let root_total = total(&parts.iter().map(|(_, root)| root.clone()).collect::<Vec<_>>());
        let payouts = apportion(&list, alpha_pot, root_pot, tao_weight(weight));
        for ((payout, (alpha, root)), (_, take)) in payouts.iter().zip(&parts).zip(&dividends) {
            let alpha = q32(int(alpha_pot) * q32(div(alpha, &alpha_total)));
            let root = q32(int(root_pot) * q32(div(root, &root_total)));
            prop_assert_eq!(bits32(payout.alpha.to_bits()), alpha.clone());
            prop_assert_eq!(bits32(payout.root.to_bits()), root);
            let split = split_take(payout.alpha, *take);
            let taken = q32(of_65535(*take) * &alpha);
            prop_assert_eq!(split.take_rao, rao(&taken));
            prop_assert_eq!(split.nominators_rao, rao(&(alpha - taken)));
        }
    }

    #[test]
    fn claims(dividend in amounts(), root_stake in amounts(), staked in amounts(), rate in 0..1_i128 << 34, claimed in amounts(), threshold in 0..1_000_000u64) {
        match claimable_dividend(dividend, root_stake) {
            ClaimableDividend::StakeToOwner { amount_rao } => {
                prop_assert!(dividend > root_stake);
                prop_assert_eq!(amount_rao, dividend);
            }
            ClaimableDividend::Rate { increase, dust_rao } => {
                let expected = q32(div(&int(dividend), &int(root_stake)));
                prop_assert_eq!(bits32(increase.to_bits() as u128), expected.clone());
                prop_assert_eq!(dust_rao, dividend - rao(&(expected * int(root_stake))));
            }
        }
        let rate_number = bits32(rate as u128);
        let (rate, threshold_number) = (I96F32::from_bits(rate), int(threshold));
        let earned = q32(&rate_number * int(staked));
        let expected = &earned - int(claimed);
        let bits = (&expected * int(BigInt::from(1) << 32u32)).to_integer();
        prop_assert_eq!(BigInt::from(owed(rate, staked, claimed.into()).to_bits()), bits);
        let paid = (expected >= threshold_number && expected >= int(1)).then(|| rao(&expected));
        prop_assert_eq!(claim_rao(rate, staked, claimed.into(), I96F32::from_num(threshold)), paid);
        let rebased = u128::from(rao(&earned));
        prop_assert_eq!(claimed_after_adding(claimed.into(), rate, staked), u128::from(claimed) + rebased);
        prop_assert_eq!(claimed_after_removing(claimed.into(), rate, staked), u128::from(claimed).saturating_sub(rebased));
    }

    #[test]
    fn prices_of_slots(burn in amounts(), half_life_blocks in 1..2_000u16, increase in 0..4_u128 << 64, min in amounts(), max in amounts(), now in 0..4u64) {
        let policy = BurnPolicy { half_life_blocks, increase: U64F64::from_bits(increase), min_rao: min, max_rao: max };
        let clamped = |rao: u64| rao.max(min).min(max);
        let bumped = rao(&(int(burn) * bits64(increase).max(int(1))));
        prop_assert_eq!(policy.after_registration_rao(burn), clamped(bumped));
        let factor = policy.decay_factor_q32();
        let expected = if now <= 1 { burn } else { clamped(rao(&(int(burn) * bits32(factor.into())))) };
        prop_assert_eq!(policy.decayed_rao(burn, now), expected);
    }

    #[test]
    fn prices_of_subnets(last in amounts(), last_block in 0..3u64, elapsed in 0..3_000_000u64, min in amounts(), interval in 0..300_000u64, halvings in 0..12u32) {
        let cost = LockCost { last_cost_rao: last, last_block, min_cost_rao: min, reduction_interval_blocks: interval };
        let emission = DEFAULT_BLOCK_EMISSION_RAO >> halvings;
        let blocks = (int(interval) * q64(int(emission) / int(DEFAULT_BLOCK_EMISSION_RAO))).floor();
        let per_block = div(&int(last), &blocks).floor();
        let fallen = per_block * int(elapsed);
        let start = int(last) * int(if last_block == 0 { 1 } else { 2 });
        let expected = rao(&not_negative(start - fallen)).max(min);
        prop_assert_eq!(cost.cost_rao(last_block + elapsed, emission), expected);
    }
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn what_a_block_mints(halving in 0_u32..40, offset in -3_i64..=3, anywhere in 0..TOTAL_SUPPLY_RAO) {
        // Halvings are where the ceiling is as far as a power of two says.
        let near = TOTAL_SUPPLY_RAO - (TOTAL_SUPPLY_RAO >> halving);
        for issuance in [near.saturating_add_signed(offset).min(TOTAL_SUPPLY_RAO - 1), anywhere] {
            let issued = q32(int(issuance) / int(TOTAL_SUPPLY_RAO));
            let scarcity = q32(int(1) / (int(1) - issued));
            let mut halvings = 0_u32;
            while int(BigInt::from(1) << (halvings + 1)) <= scarcity {
                halvings += 1;
            }
            let share = q32(int(1) / int(BigInt::from(1) << halvings));
            let expected = rao(&(share * int(DEFAULT_BLOCK_EMISSION_RAO)));
            prop_assert_eq!(block_emission_rao(issuance), Ok(expected), "at {}", issuance);
        }
    }

    #[test]
    fn first_reserves(paid in amounts(), min in amounts(), bits in vec(prop_oneof![1 => Just(0), 5 => 1_u128 << 60..1000 << 64], 0..7)) {
        let mut prices: Vec<Number> = bits.iter().filter(|bits| **bits > 0).map(|bits| bits64(*bits)).collect();
        prices.sort();
        let half = prices.len() / 2;
        let median = match prices.len() {
            0 => int(1),
            even if even % 2 == 0 => q64((&prices[half - 1] + &prices[half]) / int(2)),
            _ => prices[half].clone(),
        };
        let found = median_price(&bits.iter().map(|bits| U64F64::from_bits(*bits)).collect::<Vec<_>>());
        prop_assert_eq!(bits64(found.to_bits()), median.clone());
        let pool = initial_pool(paid, min, found);
        let tao = paid.max(min);
        prop_assert_eq!(pool.tao_rao, tao);
        prop_assert_eq!(pool.alpha_rao, rao(&q64(int(tao) / median)));
        prop_assert_eq!(pool.recycled_rao, 0, "all that was paid is in the pool");
    }

    #[test]
    fn returns_of_a_day(reward in amounts(), tempo in any::<u16>(), take in any::<u16>(), root in amounts()) {
        let daily = rao(&div(&int(BigInt::from(reward) * 7_200), &int(tempo)).min(int(u64::MAX)));
        prop_assert_eq!(daily_rao(reward, tempo, 7_200), daily);
        let for_stakers = (int(daily) * int(65_535 - take) / int(65_535)).floor();
        let part = div(&(for_stakers * int(1_000 * RAO_PER_TAO)), &int(root));
        prop_assert_eq!(return_per_1000_tao_rao(daily, take, root), rao(&part.min(int(u64::MAX))));
    }

    #[test]
    fn a_dissolved_pot(pot in amounts(), claims in vec(amounts(), 0..9)) {
        let all = total(&claims.iter().map(|claim| int(*claim)).collect::<Vec<_>>());
        let exact: Vec<Number> = claims.iter().map(|claim| div(&(int(pot) * int(*claim)), &all)).collect();
        let mut expected: Vec<u64> = exact.iter().map(rao).collect();
        let left = if all == int(0) { 0 } else { pot - expected.iter().sum::<u64>() };
        let mut remainders: Vec<(Number, usize)> =
            exact.iter().map(|part| part - part.floor()).zip(0..).collect();
        // The largest first, of equal ones the earlier.
        remainders.sort_by(|(one, first), (other, second)| other.cmp(one).then(first.cmp(second)));
        for (_, place) in remainders.into_iter().take(usize::try_from(left).unwrap()) {
            expected[place] += 1;
        }
        prop_assert_eq!(divide_pot(pot, &claims), expected);
    }
}

/// The factor of a block's decay: the greatest whose power is at most one half, each product floored.
#[test]
fn decay_factors() {
    for half_life in (1..=400).chain([720, 1_000, 4_096, 65_535]) {
        let policy = BurnPolicy { half_life_blocks: half_life, ..BurnPolicy::default() };
        let factor = policy.decay_factor_q32();
        let halved = |factor: u64| {
            let (mut power, mut base, mut exponent) = (int(1), bits32(factor.into()), half_life);
            while exponent > 0 {
                if exponent % 2 == 1 {
                    power = q32(power * &base);
                }
                base = q32(&base * &base);
                exponent /= 2;
            }
            power <= Number::new(1.into(), 2.into())
        };
        assert!(halved(factor) && !halved(factor + 1), "half-life {half_life}: {factor}");
    }
}
