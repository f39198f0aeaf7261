//! Swaps against recorded numbers of the reference chain.

use myelin_economy::{
    constants::{DEFAULT_FEE_RATE_U16, MAX_LIMIT_PRICE_RAO, MIN_LIMIT_PRICE_RAO, PERQUINTILL_PARTS},
    pool::{alpha_movable, fee_on_gross, fee_on_net, swap_stable, Order, Pool, PoolError, Side, Swap},
};
use myelin_fixed::U64F64;

const WHOLE: u64 = PERQUINTILL_PARTS;
const TAO: u64 = 1_000_000_000;

fn weighted(quote_weight_parts: u64, alpha_reserve_rao: u64, tao_reserve_rao: u64) -> Pool {
    Pool { alpha_reserve_rao, tao_reserve_rao, quote_weight_parts }
}

fn order(side: Side, amount_rao: u64) -> Order {
    let limit_price_rao = match side {
        Side::Buy => MAX_LIMIT_PRICE_RAO,
        Side::Sell => MIN_LIMIT_PRICE_RAO,
    };
    Order { side, amount_rao, limit_price_rao, fee_rate_u16: DEFAULT_FEE_RATE_U16 }
}

fn price(pool: &Pool) -> f64 {
    pool.spot_price().to_num()
}

#[test]
fn prices_follow_reserves_and_weights() {
    assert_eq!(price(&weighted(WHOLE / 2, 2, 5)), 2.5);
    assert!((price(&weighted(WHOLE / 3, 4, 10)) - 5.0).abs() < 1e-9);
    assert!((price(&weighted(WHOLE / 5 * 2, 9, 25)) - 1.5 * 25.0 / 9.0).abs() < 1e-9);
    assert_eq!(price(&weighted(WHOLE / 2, 2, 0)), 0.0);
    assert_eq!(price(&weighted(WHOLE / 2, 0, 5)), 0.0);
}

#[test]
fn swaps_match_the_reference() {
    let pool = Pool::balanced(4 * TAO, TAO);
    let cases = [
        (Side::Buy, 1_000, 3_999, 0),
        (Side::Buy, 2_000, 7_995, 1),
        (Side::Buy, 123_456, 493_515, 62),
        (Side::Buy, 1_000_000_000, 1_999_496_326, 503_547),
        (Side::Buy, 10_000_000_000, 3_636_197_098, 5_035_477),
        (Side::Sell, 1_000, 249, 0),
        (Side::Sell, 2_000, 499, 1),
        (Side::Sell, 123_456, 30_847, 62),
    ];
    for (side, amount_rao, paid_out_rao, fee_rao) in cases {
        let swap = pool.swap(&order(side, amount_rao)).unwrap();
        assert_eq!((swap.paid_out_rao, swap.fee_rao), (paid_out_rao, fee_rao), "{side:?} {amount_rao}");
        assert_eq!((swap.paid_in_rao, swap.unfilled_rao), (amount_rao - fee_rao, 0));
        assert_reserves_moved(&pool, side, &swap);
    }
}

fn assert_reserves_moved(before: &Pool, side: Side, swap: &Swap) {
    let (alpha, tao) = (before.alpha_reserve_rao, before.tao_reserve_rao);
    let (alpha, tao) = match side {
        Side::Buy => (alpha - swap.paid_out_rao, tao + swap.paid_in_rao),
        Side::Sell => (alpha + swap.paid_in_rao, tao - swap.paid_out_rao),
    };
    assert_eq!(swap.pool, weighted(before.quote_weight_parts, alpha, tao));
}

#[test]
fn outputs_of_small_pools_match_the_reference() {
    let cases = [
        (WHOLE / 2, [(1, 1, 0), (10_000, 1_363, 869), (1_000_000, 1_498, 998), (u64::MAX, 1_499, 999)]),
        (WHOLE / 10, [(1, 13, 0), (10_000, 1_499, 202), (1_000_000, 1_500, 514), (u64::MAX, 1_500, 983)]),
        (WHOLE / 10 * 9, [(1, 0, 5), (10_000, 350, 999), (1_000_000, 803, 1_000), (u64::MAX, 1_476, 1_000)]),
    ];
    for (quote_weight_parts, swaps) in cases {
        let pool = weighted(quote_weight_parts, 1_000, 1_500);
        for (input_rao, sold_for_rao, bought_rao) in swaps {
            assert_eq!(
                pool.tao_for_sale(input_rao),
                sold_for_rao,
                "sale of {input_rao} at {quote_weight_parts}"
            );
            assert_eq!(pool.alpha_for_purchase(input_rao), bought_rao, "purchase with {input_rao}");
        }
    }
}

#[test]
fn alpha_needed_matches_the_reference() {
    assert_eq!(weighted(WHOLE / 4, TAO, TAO).alpha_needed_for(1_123_432), 374_758);
    assert_eq!(Pool::balanced(TAO, TAO).alpha_needed_for(TAO), 0);
    assert_eq!(Pool::balanced(2 * TAO, TAO).alpha_for_tao(500), 1_000);
    assert_eq!(Pool::balanced(0, TAO).alpha_for_tao(500), 0);
}

#[test]
fn a_limit_cuts_a_purchase_short() {
    let limited = Order { limit_price_rao: 300_000_000, ..order(Side::Buy, TAO) };
    let swap = Pool::balanced(4 * TAO, TAO).swap(&limited).unwrap();
    assert_eq!((swap.paid_in_rao, swap.fee_rao, swap.paid_out_rao), (95_445_115, 48_085, 348_516_283));
    assert_eq!(swap.unfilled_rao, TAO - 95_445_115 - 48_085);
    let after = price(&swap.pool);
    assert!(after <= 0.3 && after > 0.299_999_99, "{after}");
}

#[test]
fn a_limit_cuts_a_sale_short() {
    let limited = Order { limit_price_rao: 200_000_000, ..order(Side::Sell, TAO) };
    let swap = Pool::balanced(4 * TAO, TAO).swap(&limited).unwrap();
    let after = price(&swap.pool);
    assert!((0.2..0.200_000_01).contains(&after), "{after}");
    assert_eq!(swap.unfilled_rao + swap.paid_in_rao + swap.fee_rao, TAO);
    let free = Pool::balanced(4 * TAO, TAO).swap(&Order { fee_rate_u16: 0, ..limited }).unwrap();
    assert_eq!((free.fee_rao, free.paid_in_rao), (0, swap.paid_in_rao));
}

#[test]
fn a_limit_without_room_is_refused() {
    let pool = Pool::balanced(4 * TAO, TAO);
    for side in [Side::Buy, Side::Sell] {
        let at_price = Order { limit_price_rao: 250_000_000, ..order(side, 1_000) };
        assert_eq!(pool.swap(&at_price), Err(PoolError::PriceLimitExceeded { limit_price_rao: 250_000_000 }));
    }
}

#[test]
fn inputs_that_dwarf_the_pool_are_refused() {
    let pool = weighted(WHOLE / 2, 1_000, TAO);
    let sale = |amount_rao, fee_rate_u16| pool.swap(&Order { fee_rate_u16, ..order(Side::Sell, amount_rao) });
    let too_large = |net_input_rao| Err(PoolError::InputTooLarge { net_input_rao, reserve_rao: 1_000 });
    assert_eq!(sale(1_000_001, 0), too_large(1_000_001));
    assert!(sale(1_000_000, 0).is_ok());
    assert_eq!(sale(1_001_000, DEFAULT_FEE_RATE_U16), too_large(1_000_496));
}

#[test]
fn thin_pools_are_not_traded() {
    let pool = weighted(WHOLE / 2, TAO, 999_999);
    assert_eq!(pool.swap(&order(Side::Sell, 10)), Err(PoolError::ReservesTooLow { reserve_rao: 999_999 }));
    // Enough to trade, but the input is worth less than one rao.
    let dear = weighted(WHOLE / 2, 4 * TAO, TAO);
    assert_eq!(dear.swap(&order(Side::Sell, 3)), Err(PoolError::ReservesTooLow { reserve_rao: TAO }));
    let nothing = dear.swap(&order(Side::Sell, 0)).unwrap();
    assert_eq!((nothing.paid_in_rao, nothing.paid_out_rao, nothing.fee_rao), (0, 0, 0));
}

#[test]
fn a_reserve_cannot_leave_64_bits() {
    let pool = weighted(WHOLE / 2, u64::MAX, u64::MAX - 5);
    let refused =
        pool.swap(&Order { fee_rate_u16: 0, limit_price_rao: u64::MAX, ..order(Side::Buy, 3_000_000_000) });
    assert!(matches!(refused, Err(PoolError::ReserveOverflow { .. })), "{refused:?}");
}

#[test]
fn nearly_emptying_sales_still_pay() {
    for scale in [1_000, 1_000_000] {
        assert!(Pool::balanced(scale, scale).tao_for_sale(999_500) > 0);
    }
}

#[test]
fn fees_match_the_reference() {
    assert_eq!(fee_on_gross(TAO, DEFAULT_FEE_RATE_U16), 503_547);
    assert_eq!(fee_on_gross(TAO, 0), 0);
    assert_eq!(fee_on_gross(TAO, u16::MAX), TAO);
    assert_eq!(fee_on_net(95_445_115, DEFAULT_FEE_RATE_U16), 48_085);
    assert_eq!(fee_on_net(TAO, u16::MAX), 0);
}

#[test]
fn injections_keep_the_price_by_moving_the_weights() {
    let pool = Pool::balanced(4_000 * TAO, 1_000 * TAO);
    let cases = [
        (0, 1_000_000, 499_999_937_500_007_812),
        (1_000_000, 0, 500_000_249_999_875_000),
        (1_000_000_000, 2_000_000_000, 500_124_906_320_259_805),
        (1_234_567, 2_432_765_890, 499_848_306_996_458_184),
        (1_000 * TAO, 0, 666_666_666_666_666_666),
        (0, 1_000 * TAO, 444_444_444_444_444_444),
        (1_000_000_000, 1_000_000_000, 500_187_382_885_696_439),
    ];
    for (tao_rao, alpha_rao, quote_weight_parts) in cases {
        let injection = pool.inject(tao_rao, alpha_rao);
        assert_eq!((injection.tao_rao, injection.alpha_rao), (tao_rao, alpha_rao));
        assert_eq!(injection.reweighted.quote_weight_parts, quote_weight_parts);
        let grown = weighted(quote_weight_parts, 4_000 * TAO + alpha_rao, 1_000 * TAO + tao_rao);
        assert!((price(&grown) - 0.25).abs() < 0.25e-12, "{}", price(&grown));
    }
}

#[test]
fn injections_into_a_pool_without_a_price_are_dropped() {
    let pool = weighted(WHOLE / 2, 0, TAO);
    let injection = pool.inject(5, 4 * TAO);
    assert_eq!((injection.tao_rao, injection.alpha_rao, injection.reweighted), (0, 0, pool));
    // Without any reserve there is no price to keep either, and equal weights take whatever comes.
    let empty = weighted(WHOLE / 4, 0, 0).inject(5, 7);
    assert_eq!((empty.tao_rao, empty.alpha_rao, empty.reweighted.quote_weight_parts), (5, 7, WHOLE / 2));
}

#[test]
fn injections_beyond_the_weight_limits_are_dropped() {
    let pool = Pool::balanced(TAO, TAO);
    let injection = pool.inject(1_000 * TAO, 0);
    assert_eq!((injection.tao_rao, injection.alpha_rao, injection.reweighted), (0, 0, pool));
}

#[test]
fn a_pool_opens_at_a_price() {
    assert_eq!(price(&Pool::balanced(4 * TAO, TAO)), 0.25);
    let fifth = U64F64::from_num(1) / U64F64::from_num(5);
    let pool = Pool::with_price(4 * TAO, TAO, fifth).unwrap();
    assert_eq!(pool.quote_weight_parts, 555_555_555_864_197_531);
    assert!((price(&pool) - 0.2).abs() < 1e-9);
    assert_eq!(Pool::with_price(0, 0, fifth), Err(PoolError::NoReserves));
    let dear = Pool::with_price(TAO, TAO, U64F64::from_num(1_000));
    assert!(matches!(dear, Err(PoolError::WeightOutOfRange { .. })));
}

#[test]
fn stable_subnets_exchange_one_for_one() {
    assert_eq!(swap_stable(Side::Buy, 77, TAO), Ok(77));
    assert_eq!(swap_stable(Side::Sell, 77, TAO), Ok(77));
    assert!(swap_stable(Side::Buy, 77, TAO - 1).is_err());
    assert!(swap_stable(Side::Sell, 77, TAO + 1).is_err());
}

#[test]
fn moves_between_pools_stop_at_the_ratio_of_prices() {
    let (origin, destination) = (Pool::balanced(100 * TAO, 100 * TAO), Pool::balanced(200 * TAO, 100 * TAO));
    // The ratio starts at 2; at a limit of 1: 200 / 2 - 100 / 2.
    assert_eq!(alpha_movable(&origin, &destination, TAO), 50 * TAO);
    assert_eq!(alpha_movable(&origin, &destination, 2 * TAO), 0);
    assert_eq!(alpha_movable(&origin, &destination, 2 * TAO + 1), 0);
    assert_eq!(alpha_movable(&origin, &destination, 0), u64::MAX);
    assert_eq!(alpha_movable(&Pool::balanced(0, TAO), &destination, 0), 0);
    assert_eq!(alpha_movable(&origin, &Pool::balanced(TAO, 0), 0), 0);
}
