//! What holds for every pool and every swap.

mod support;

use myelin_economy::{
    constants::{
        MAX_INPUT_PER_RESERVE, MAX_LIMIT_PRICE_RAO, MIN_LIMIT_PRICE_RAO, PERQUINTILL_PARTS, TOTAL_SUPPLY_RAO,
    },
    pool::{alpha_movable, Order, Pool, PoolError, Side},
};
use num_bigint::BigUint;

use proptest::prelude::*;
use support::{
    config,
    oracle::{Power, SCALE},
};

const PERCENT: u64 = PERQUINTILL_PARTS / 100;

fn weight(percents: core::ops::RangeInclusive<u64>) -> impl Strategy<Value = u64> {
    let (low, high) = (percents.start() * PERCENT, percents.end() * PERCENT);
    prop_oneof![
        low..=high,
        Just(PERQUINTILL_PARTS / 2),
        (low / PERCENT..=high / PERCENT).prop_map(|n| n * PERCENT)
    ]
}

/// Reserves up to all that can exist, evenly over the orders of magnitude.
fn reserve() -> impl Strategy<Value = u64> {
    (1_000_000..=TOTAL_SUPPLY_RAO, 0_u32..34).prop_map(|(rao, shift)| (rao >> shift).max(1_000_000))
}

fn pool(percents: core::ops::RangeInclusive<u64>) -> impl Strategy<Value = Pool> {
    (reserve(), reserve(), weight(percents)).prop_map(
        |(alpha_reserve_rao, tao_reserve_rao, quote_weight_parts)| Pool {
            alpha_reserve_rao,
            tao_reserve_rao,
            quote_weight_parts,
        },
    )
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn other(side: Side) -> Side {
    match side {
        Side::Buy => Side::Sell,
        Side::Sell => Side::Buy,
    }
}

fn reserves(pool: &Pool, side: Side) -> (u64, u64) {
    match side {
        Side::Buy => (pool.tao_reserve_rao, pool.alpha_reserve_rao),
        Side::Sell => (pool.alpha_reserve_rao, pool.tao_reserve_rao),
    }
}

/// An input of up to 1000 reserves or all that can exist, evenly over the orders of magnitude; `size` from 0 to 1.
fn input(pool: &Pool, side: Side, size: f64) -> u64 {
    let most = reserves(pool, side).0.saturating_mul(MAX_INPUT_PER_RESERVE).min(TOTAL_SUPPLY_RAO);
    ((most as f64).powf(size) as u64).clamp(1, most)
}

fn unlimited(side: Side, amount_rao: u64) -> Order {
    let limit_price_rao = match side {
        Side::Buy => u64::MAX,
        Side::Sell => 0,
    };
    Order { side, amount_rao, limit_price_rao, fee_rate_u16: 0 }
}

/// `floor(output reserve * (1 - (before / after) ^ exponent))` in the chain's three roundings, from the real power.
fn output_of_real_power(pool: &Pool, side: Side, input_rao: u64) -> Option<BigUint> {
    let (reserve_in, reserve_out) = reserves(pool, side);
    let (quote, base) = (pool.quote_weight_parts, pool.base_weight_parts());
    let exponent = if side == Side::Buy { (quote, base) } else { (base, quote) };
    let power = Power::of((reserve_in.into(), u128::from(reserve_in) + u128::from(input_rao)), exponent);
    let one = BigUint::from(1_u32) << 64_u32;
    let kept = (power.floor() << 64_u32) / SCALE;
    (power.is_certain() && power.ln() > -35.0).then(|| (BigUint::from(reserve_out) * (one - kept)) >> 64_u32)
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn a_pool_never_pays_more_than_it_holds(
        pool in pool(1..=99),
        side in side(),
        size in 0.0..1.0_f64,
        limit_price_rao in any::<u64>(),
        fee_rate_u16 in 0_u16..10_000,
    ) {
        let amount_rao = input(&pool, side, size);
        let limit_price_rao = limit_price_rao >> (limit_price_rao % 64);
        let order = Order { side, amount_rao, limit_price_rao, fee_rate_u16 };
        if let Ok(swap) = pool.swap(&order) {
            let (reserve_in, reserve_out) = reserves(&pool, side);
            prop_assert!(swap.paid_out_rao <= reserve_out);
            prop_assert_eq!(swap.paid_in_rao + swap.fee_rao + swap.unfilled_rao, amount_rao);
            let moved = (reserve_in + swap.paid_in_rao, reserve_out - swap.paid_out_rao);
            prop_assert_eq!(reserves(&swap.pool, side), moved);
            prop_assert_eq!(swap.pool.quote_weight_parts, pool.quote_weight_parts);
        }
    }

    /// The price moves against the trader, and not beyond the limit but for rounding.
    #[test]
    fn a_swap_respects_its_limit(pool in pool(5..=95), side in side(), size in 0.0..1.0_f64, part in 0.01..1.0_f64) {
        let price: f64 = pool.spot_price().to_num();
        let limit = if side == Side::Buy { price / part } else { price * part };
        let limit_price_rao = ((limit * 1e9) as u64).clamp(MIN_LIMIT_PRICE_RAO, MAX_LIMIT_PRICE_RAO);
        let order = Order { limit_price_rao, ..unlimited(side, input(&pool, side, size)) };
        if let Ok(swap) = pool.swap(&order) {
            let (after, limit): (f64, f64) = (swap.pool.spot_price().to_num(), limit_price_rao as f64 / 1e9);
            // One rao in a reserve changes the price by this much.
            let (reserve_in, reserve_out) = reserves(&swap.pool, side);
            let slack = 1e-9 + 3.0 / reserve_in as f64 + 3.0 / reserve_out.max(1) as f64;
            match side {
                Side::Buy => prop_assert!(after >= price * (1.0 - slack) && after <= limit * (1.0 + slack)),
                Side::Sell => prop_assert!(after <= price * (1.0 + slack) && after >= limit * (1.0 - slack)),
            }
        }
    }

    #[test]
    fn a_round_trip_never_profits(pool in pool(1..=99), side in side(), size in 0.0..1.0_f64) {
        let amount_rao = input(&pool, side, size);
        if let Ok(there) = pool.swap(&unlimited(side, amount_rao)) {
            if let Ok(back) = there.pool.swap(&unlimited(other(side), there.paid_out_rao)) {
                prop_assert!(back.paid_out_rao <= amount_rao, "{amount_rao} became {}", back.paid_out_rao);
            }
        }
    }

    /// Nor do several trips in pieces: what was put in less what was taken out stays positive.
    #[test]
    fn trading_in_pieces_never_profits(
        start in pool(1..=99),
        side in side(),
        sizes in prop::collection::vec(0.0..0.8_f64, 2..6),
    ) {
        let (mut pool, mut paid_in, mut bought) = (start, 0_u64, 0_u64);
        for size in sizes {
            if let Ok(swap) = pool.swap(&unlimited(side, input(&start, side, size))) {
                pool = swap.pool;
                paid_in += swap.paid_in_rao;
                bought += swap.paid_out_rao;
            }
        }
        if let Ok(back) = pool.swap(&unlimited(other(side), bought)) {
            prop_assert!(back.paid_out_rao <= paid_in, "{paid_in} became {}", back.paid_out_rao);
        }
    }

    /// Every digit of an output is what the real power gives.
    #[test]
    fn outputs_are_those_of_the_real_power(pool in pool(3..=97), side in side(), size in 0.0..1.0_f64) {
        let input_rao = input(&pool, side, size);
        if let Some(expected) = output_of_real_power(&pool, side, input_rao) {
            let output = match side {
                Side::Buy => pool.alpha_for_purchase(input_rao),
                Side::Sell => pool.tao_for_sale(input_rao),
            };
            prop_assert_eq!(BigUint::from(output), expected);
        }
    }

    #[test]
    fn more_input_never_pays_less(pool in pool(1..=99), side in side(), size in 0.0..1.0_f64, more in 1_u64..1_000_000) {
        let amount_rao = input(&pool, side, size);
        let paid = |amount_rao| pool.swap(&unlimited(side, amount_rao)).map(|swap| swap.paid_out_rao);
        if let (Ok(less), Ok(greater)) = (paid(amount_rao), paid(amount_rao + more)) {
            prop_assert!(less <= greater);
        }
    }

    #[test]
    fn an_injection_keeps_the_price(pool in pool(1..=99), tao_rao in 0..10_000_000_000_u64, alpha_rao in 0..10_000_000_000_u64) {
        let injection = pool.inject(tao_rao, alpha_rao);
        let grown = Pool {
            tao_reserve_rao: pool.tao_reserve_rao + injection.tao_rao,
            alpha_reserve_rao: pool.alpha_reserve_rao + injection.alpha_rao,
            ..injection.reweighted
        };
        let (before, after): (f64, f64) = (pool.spot_price().to_num(), grown.spot_price().to_num());
        // Weights have 18 digits of at least 1 %, prices 64 bits times weights of up to 99.
        prop_assert!((after - before).abs() <= before * 1e-12 + 2e-17, "{before} became {after}");
        prop_assert!((PERCENT..=99 * PERCENT).contains(&grown.quote_weight_parts));
    }

    #[test]
    fn a_pool_opened_at_a_price_has_it(alpha in reserve(), tao in reserve(), price in 1_u128 << 44..1 << 84) {
        let price = myelin_fixed::U64F64::from_bits(price);
        match Pool::with_price(alpha, tao, price) {
            Ok(pool) => {
                let (actual, wanted): (f64, f64) = (pool.spot_price().to_num(), price.to_num());
                prop_assert!((actual - wanted).abs() <= wanted * 1e-6, "{wanted} became {actual}");
            }
            Err(error) => prop_assert!(matches!(error, PoolError::WeightOutOfRange { .. }), "{error}"),
        }
    }

    /// Moving that much does bring the ratio of two balanced pools to the limit.
    #[test]
    fn a_movable_amount_reaches_the_limit(
        x1 in 1_000_000_000..TOTAL_SUPPLY_RAO / 100, y1 in 1_000_000_000..TOTAL_SUPPLY_RAO / 100,
        x2 in 1_000_000_000..TOTAL_SUPPLY_RAO / 100, y2 in 1_000_000_000..TOTAL_SUPPLY_RAO / 100,
        part in 0.2..1.0_f64,
    ) {
        let (origin, destination) = (Pool::balanced(x1, y1), Pool::balanced(x2, y2));
        let ratio: f64 = origin.spot_price().to_num::<f64>() / destination.spot_price().to_num::<f64>();
        let limit_rao = (ratio * part * 1e9) as u64;
        let moved = alpha_movable(&origin, &destination, limit_rao);
        prop_assume!(limit_rao > 1_000_000 && moved > 1_000_000);
        // The moved alpha's average price is what the limit bounds.
        let tao_rao = origin.tao_for_sale(moved);
        let reached = destination.alpha_for_purchase(tao_rao) as f64 / moved as f64;
        prop_assert!((reached / (limit_rao as f64 / 1e9) - 1.0).abs() < 1e-3, "{reached} for {limit_rao}");
    }
}
