//! Emission of blocks and subnets against recorded numbers of the reference chain.

use myelin_economy::{
    block_emission::{block_emission_rao, mintable_rao},
    constants::{DEFAULT_OWNER_CUT_U16, TOTAL_SUPPLY_RAO},
    subnet_emission::{
        accrue, injection, next_moving_price, root_proportion, root_sells, tao_emission, tao_shares,
        tao_weight, EmittingSubnet, InjectionInputs, PriceSmoothing,
    },
};
use myelin_fixed::{I96F32, U64F64, U96F32};
use serde_json::Value;

fn emission_table() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/helpers/block_emission.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn integer(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap()
}

#[test]
fn emission_matches_the_reference_at_every_recorded_issuance() {
    let table = emission_table();
    let points = table["points"].as_array().unwrap();
    assert!(points.len() > 200);
    for point in points {
        let issuance_rao = integer(&point["issuance"]);
        assert_eq!(block_emission_rao(issuance_rao), Ok(integer(&point["emission"])), "at {issuance_rao}");
    }
}

#[test]
fn emission_halves_at_exactly_the_recorded_issuance() {
    let table = emission_table();
    let steps = table["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 30);
    for step in steps {
        let first_rao = integer(&step["first_issuance"]);
        assert_eq!(block_emission_rao(first_rao - 1), Ok(integer(&step["emission_before"])));
        assert_eq!(block_emission_rao(first_rao), Ok(integer(&step["emission_from"])));
    }
}

#[test]
fn minting_stops_at_the_ceiling() {
    assert_eq!(mintable_rao(1_000_000_000, TOTAL_SUPPLY_RAO - 7), 7);
    assert_eq!(mintable_rao(1_000_000_000, TOTAL_SUPPLY_RAO), 0);
    assert_eq!(mintable_rao(5, 0), 5);
}

fn subnet(moving_price: f64) -> EmittingSubnet {
    EmittingSubnet {
        moving_price: U64F64::from_num(moving_price),
        miner_burned: U96F32::from_num(0),
        tao_enabled: true,
    }
}

fn emissions(subnets: &[EmittingSubnet], block_rao: u64) -> Vec<u64> {
    tao_shares(subnets).into_iter().map(|share| tao_emission(block_rao, share).to_num()).collect()
}

fn close(actual: &[u64], expected: &[u64], tolerance: u64) {
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        assert!(actual.abs_diff(*expected) <= tolerance, "{actual} is not {expected}");
    }
}

#[test]
fn tao_follows_moving_prices() {
    close(&emissions(&[subnet(0.1), subnet(0.2)], 100_000_000), &[33_333_333, 66_666_666], 10);
    close(&emissions(&[subnet(1.0), subnet(1.0), subnet(1.0)], 3_333_333), &[1_111_111; 3], 1);
}

#[test]
fn a_subnet_without_tao_leaves_its_share_to_the_others() {
    let without = EmittingSubnet { tao_enabled: false, ..subnet(1.0) };
    close(&emissions(&[subnet(1.0), without, subnet(1.0)], 1_000_000), &[500_000, 0, 500_000], 1);
    assert_eq!(emissions(&[without, without], 1_000_000), [0, 0]);
}

#[test]
fn withheld_incentives_lower_the_share() {
    let burned = |part: f64| EmittingSubnet { miner_burned: U96F32::from_num(part), ..subnet(1.0) };
    close(&emissions(&[burned(0.5), subnet(1.0)], 900), &[300, 600], 1);
    // Where everything is withheld, prices alone decide.
    close(&emissions(&[burned(1.0), burned(1.0)], 1_000), &[500, 500], 1);
    close(&emissions(&[burned(7.0), subnet(1.0)], 1_000), &[0, 1_000], 1);
}

#[test]
fn without_prices_nothing_is_given_out() {
    assert_eq!(emissions(&[subnet(0.0), subnet(0.0)], 1_000_000_000), [0, 0]);
    assert!(emissions(&[], 1).is_empty());
}

#[test]
fn root_proportion_matches_the_reference() {
    let weight = tao_weight(3_320_413_933_267_719_290);
    assert_eq!(root_proportion(1_000_000_000_000, weight, 100_000_000_000).to_bits(), 2_761_050_404);
    assert_eq!(root_proportion(0, weight, 0), 0);
}

#[test]
fn root_keeps_its_dividends_above_a_price_sum_of_one() {
    let half = U64F64::from_num(0.5);
    assert!(!root_sells(&[half, half]));
    assert!(root_sells(&[half, half, U64F64::from_bits(1)]));
}

fn injected(tao_rao: u64, price: f64, root_proportion: f64) -> myelin_economy::subnet_emission::Injection {
    injection(&InjectionInputs {
        tao_emission: U96F32::from_num(tao_rao),
        alpha_emission_rao: 1_000_000_000,
        spot_price: U64F64::from_num(price),
        root_proportion: U96F32::from_num(root_proportion),
    })
}

#[test]
fn injected_alpha_is_worth_the_tao_up_to_the_cap() {
    let uncapped = injected(100_000_000, 1.0, 1.0);
    assert_eq!(
        (uncapped.alpha_in_rao, uncapped.tao_in_rao, uncapped.excess_tao_rao),
        (100_000_000, 100_000_000, 0)
    );
    let capped = injected(10_000_000_000, 1.0, 0.5);
    assert_eq!(
        (capped.alpha_in_rao, capped.tao_in_rao, capped.excess_tao_rao),
        (500_000_000, 500_000_000, 9_500_000_000)
    );
    let priceless = injected(77, 0.0, 1.0);
    assert_eq!((priceless.alpha_in_rao, priceless.tao_in_rao, priceless.excess_tao_rao), (0, 77, 0));
    // Equal TAO for two subnets at prices 1 and 2, as a block of 1 000 000 gives prices 1 : 2.
    let shares = emissions(&[subnet(1.0), subnet(2.0)], 1_000_000);
    assert_eq!(injected(shares[0], 1.0, 1.0).alpha_in_rao.abs_diff(333_333), 0);
    assert_eq!(injected(shares[1], 2.0, 1.0).alpha_in_rao.abs_diff(333_333), 0);
}

#[test]
fn owner_cut_matches_the_reference() {
    let none = U96F32::from_num(0);
    assert_eq!(accrue(1_000_000_000, Some(DEFAULT_OWNER_CUT_U16), none).owner_cut_rao, 179_995_422);
    assert_eq!(accrue(1_000_000_000, Some(0), none).owner_cut_rao, 0);
    assert_eq!(accrue(1_000_000_000, None, none).owner_cut_rao, 0);
    assert_eq!(accrue(1_000_000_000, Some(u16::MAX), none).owner_cut_rao, 1_000_000_000);
}

#[test]
fn alpha_accrues_half_to_miners_and_roots_part_off_the_other_half() {
    let accrual = accrue(1_000_000_000, Some(0), U96F32::from_num(0.25));
    assert_eq!(
        (accrual.server_rao, accrual.validator_rao, accrual.root_rao),
        (500_000_000, 375_000_000, 125_000_000)
    );
    assert_eq!(accrual.dust_rao, 0);
    assert_eq!(accrue(7, Some(0), U96F32::from_num(0)).dust_rao, 1);
}

#[test]
fn moving_price_matches_the_reference() {
    let smoothing =
        |base: f64| PriceSmoothing { base_factor: I96F32::from_num(base), halving_blocks: 201_600 };
    let one = U64F64::from_num(1);
    let zero = I96F32::from_num(0);
    let repeated = (0..14).fold(zero, |price, _| next_moving_price(price, one, smoothing(0.1), 1, 201_600));
    assert_eq!(repeated.to_bits(), 2_200_419_206);
    assert_eq!(next_moving_price(zero, one, smoothing(0.5), 500, 510).to_bits(), 117_167);
    let late = next_moving_price(zero, one, smoothing(0.5), 500, 144_000_500);
    assert!((late.to_num::<f64>() - 0.499301).abs() < 1e-6);
}

#[test]
fn moving_price_never_follows_the_spot_price_above_one() {
    let smoothing = PriceSmoothing { base_factor: I96F32::from_num(1), halving_blocks: 0 };
    let price = next_moving_price(I96F32::from_num(0), U64F64::from_num(1_000), smoothing, 1, 10);
    assert_eq!(price, 1);
    let default = PriceSmoothing::default();
    assert_eq!((default.base_factor, default.halving_blocks), (I96F32::from_num(0.000003), 201_600));
}
