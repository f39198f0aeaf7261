//! Prices of neurons and subnets, and pruning, against recorded numbers of the reference chain.

use myelin_economy::{
    constants::{DEFAULT_MIN_LOCK_COST_RAO, RAO_PER_TAO},
    registration::{
        decay_factor_q32, immune_owner_uids, neuron_to_prune, root_interval_cap, root_seat_to_take,
        BurnPolicy, PruneCandidate, PrunePolicy,
    },
    subnet_lifecycle::{
        divide_pot, initial_pool, median_price, subnet_to_prune, InitialPool, LockCost, SubnetCandidate,
    },
};
use myelin_fixed::{I96F32, U64F64};

fn unbounded(half_life_blocks: u16, increase: f64) -> BurnPolicy {
    BurnPolicy { half_life_blocks, increase: U64F64::from_num(increase), min_rao: 0, max_rao: u64::MAX }
}

#[test]
fn decay_factors_match_the_reference() {
    let factors = [
        (0, 4_294_967_296),
        (1, 2_147_483_648),
        (2, 3_037_000_500),
        (10, 4_007_346_185),
        (100, 4_265_299_790),
        (360, 4_286_705_684),
        (720, 4_290_834_502),
        (1_000, 4_291_991_283),
        (65_535, 4_294_921_870),
    ];
    for (half_life, factor) in factors {
        assert_eq!(decay_factor_q32(half_life), factor, "half-life {half_life}");
    }
}

#[test]
fn price_decays_as_the_reference_does() {
    assert_eq!(unbounded(1_000, 1.0).decayed_rao(1_000, 5), 999);
    let after = |blocks| (0..blocks).fold(RAO_PER_TAO, |burn, _| unbounded(360, 1.0).decayed_rao(burn, 5));
    let prices =
        [(1, 998_076_443), (2, 996_156_586), (10, 980_930_083), (100, 824_860_547), (360, 499_999_865)];
    for (blocks, price) in prices {
        assert_eq!(after(blocks), price, "after {blocks}");
    }
}

#[test]
fn price_rises_with_each_registration_inside_its_bounds() {
    assert_eq!(unbounded(1_000, 3.0).after_registration_rao(1_000), 3_000);
    assert_eq!(unbounded(1_000, 0.5).after_registration_rao(1_000), 1_000);
    let default = BurnPolicy::default();
    assert_eq!(default.after_registration_rao(RAO_PER_TAO), 1_260_000_000);
    assert_eq!(default.after_registration_rao(99 * RAO_PER_TAO), 100 * RAO_PER_TAO);
    assert_eq!(default.decayed_rao(500_001, 5), 500_000);
    assert_eq!(default.decayed_rao(RAO_PER_TAO, 1), RAO_PER_TAO);
    // The ceiling wins over a floor above it.
    let crossed = BurnPolicy { min_rao: 10, max_rao: 5, ..default };
    assert_eq!(crossed.decayed_rao(7, 5), 5);
}

fn neuron(uid: u16, emission_rao: u64, registered_block: u64) -> PruneCandidate {
    PruneCandidate { uid, emission_rao, registered_block, is_owner_immune: false }
}

const NOW: u64 = 1_000;

fn policy(min_non_immune_uids: u16) -> PrunePolicy {
    PrunePolicy { immunity_period_blocks: 100, min_non_immune_uids }
}

#[test]
fn the_oldest_of_the_lowest_is_pruned() {
    let neurons = [neuron(0, 10, NOW - 150), neuron(1, 10, NOW - 200), neuron(2, 1, NOW - 10)];
    assert_eq!(neuron_to_prune(&neurons, policy(0), NOW), Some(1));
    let twins = [neuron(4, 10, NOW - 200), neuron(3, 10, NOW - 200)];
    assert_eq!(neuron_to_prune(&twins, policy(0), NOW), Some(3));
}

#[test]
fn immune_neurons_are_pruned_once_too_few_others_are_left() {
    let neurons = [neuron(0, 1, NOW - 100), neuron(1, 9, NOW - 99), neuron(2, 8, NOW)];
    assert_eq!(neuron_to_prune(&neurons, policy(0), NOW), Some(0));
    assert_eq!(neuron_to_prune(&neurons, policy(1), NOW), Some(2));
    assert_eq!(neuron_to_prune(&neurons[..1], policy(1), NOW), None);
    assert_eq!(neuron_to_prune(&[], policy(0), NOW), None);
}

#[test]
fn the_owners_neurons_are_spared() {
    let owners = PruneCandidate { is_owner_immune: true, ..neuron(0, 0, 0) };
    assert_eq!(neuron_to_prune(&[owners, neuron(1, 5, 0)], policy(0), NOW), Some(1));
    assert_eq!(immune_owner_uids(&[(5, 30), (4, 10), (3, 10)], None, 2), [3, 4]);
    assert_eq!(immune_owner_uids(&[(5, 30), (4, 10), (3, 10)], Some(5), 1), [5, 3]);
    assert_eq!(immune_owner_uids(&[(5, 30), (3, 10)], Some(3), 1), [3]);
    assert!(immune_owner_uids(&[], None, 1).is_empty());
}

#[test]
fn a_subnet_costs_twice_the_last_and_falls_linearly() {
    let lock = LockCost { last_cost_rao: 2_000 * RAO_PER_TAO, last_block: 10, ..LockCost::default() };
    assert_eq!(lock.cost_rao(10, RAO_PER_TAO), 4_000 * RAO_PER_TAO);
    let per_block = 2_000 * RAO_PER_TAO / 100_800;
    assert_eq!(lock.cost_rao(110, RAO_PER_TAO), 4_000 * RAO_PER_TAO - 100 * per_block);
    // Halved emission halves the interval.
    assert_eq!(
        lock.cost_rao(110, RAO_PER_TAO / 2),
        4_000 * RAO_PER_TAO - 100 * (2_000 * RAO_PER_TAO / 50_400)
    );
    assert_eq!(lock.cost_rao(10_000_000, RAO_PER_TAO), DEFAULT_MIN_LOCK_COST_RAO);
    assert_eq!(LockCost::default().cost_rao(0, RAO_PER_TAO), DEFAULT_MIN_LOCK_COST_RAO);
    // Without emission the price never falls.
    assert_eq!(lock.cost_rao(u64::MAX, 0), 4_000 * RAO_PER_TAO);
}

#[test]
fn a_new_pool_starts_at_the_median_price() {
    let prices = |values: &[f64]| values.iter().map(|value| U64F64::from_num(*value)).collect::<Vec<_>>();
    assert_eq!(median_price(&[]), 1);
    assert_eq!(median_price(&prices(&[0.0, 0.0])), 1);
    assert_eq!(median_price(&prices(&[0.0, 0.5])), U64F64::from_num(0.5));
    assert_eq!(median_price(&prices(&[4.0, 0.5, 2.0])), 2);
    assert_eq!(median_price(&prices(&[4.0, 0.5, 2.0, 3.0])), U64F64::from_num(2.5));
    let pool = initial_pool(1_500, 1_000, U64F64::from_num(0.5));
    assert_eq!(pool, InitialPool { tao_rao: 1_500, alpha_rao: 3_000, recycled_rao: 0 });
    assert_eq!(initial_pool(10, 1_000, U64F64::from_num(1)).tao_rao, 1_000);
}

#[test]
fn the_cheapest_subnet_past_its_immunity_is_pruned() {
    let subnet = |netuid, price: f64, registered_block| SubnetCandidate {
        netuid,
        moving_price: I96F32::from_num(price),
        registered_block,
    };
    let subnets = [subnet(1, 0.5, 0), subnet(2, 0.1, 950), subnet(3, 0.3, 20), subnet(4, 0.3, 10)];
    assert_eq!(subnet_to_prune(&subnets, 100, NOW), Some(4));
    assert_eq!(subnet_to_prune(&subnets, 0, NOW), Some(2));
    assert_eq!(subnet_to_prune(&subnets, NOW + 1, NOW), None);
}

#[test]
fn a_pot_is_divided_to_the_last_rao() {
    assert_eq!(divide_pot(10, &[1, 1, 1]), [4, 3, 3]);
    assert_eq!(divide_pot(10, &[1, 2, 3]), [2, 3, 5]);
    assert_eq!(divide_pot(7, &[0, 5, 0]), [0, 7, 0]);
    assert_eq!(divide_pot(7, &[0, 0]), [0, 0]);
    assert!(divide_pot(7, &[]).is_empty());
}

#[test]
fn a_root_seat_goes_to_who_has_more_than_the_weakest() {
    assert_eq!(root_seat_to_take(&[5, 3, 3, 9], 4), Some(1));
    assert_eq!(root_seat_to_take(&[5, 3, 3, 9], 3), None, "as much is not enough");
    assert_eq!(root_seat_to_take(&[], 4), None);
    assert_eq!((root_interval_cap(64), root_interval_cap(u16::MAX)), (192, u16::MAX));
}
