//! Quotes: they are the trades that they promise.

mod support;

use myelin_economy::{
    constants::{MAX_LIMIT_PRICE_RAO, MIN_STAKE_RAO, PERQUINTILL_PARTS},
    pool::{Pool, PoolError, Side},
    quote::{no_limit_rao, Market, Quote, Trade},
};
use proptest::prelude::*;

const TAO: u64 = 1_000_000_000;

fn dynamic(alpha_reserve_rao: u64, tao_reserve_rao: u64) -> Market {
    Market::Dynamic { pool: Pool::balanced(alpha_reserve_rao, tao_reserve_rao), fee_rate_u16: 33 }
}

#[test]
fn a_stable_market_exchanges_one_for_one() {
    let market = Market::Stable;
    assert_eq!((market.spot_price_rao(), market.smallest_stake_rao()), (TAO, MIN_STAKE_RAO));
    for side in [Side::Buy, Side::Sell] {
        let quote = market.quote(side, 7).expect("always");
        let trade = Trade { paid_in_rao: 7, paid_out_rao: 7, ..Trade::default() };
        assert_eq!(quote, Quote { trade, slippage_rao: 0 });
        assert_eq!(market.most_until_limit_rao(side, TAO), u64::MAX);
    }
    assert_eq!(market.most_until_limit_rao(Side::Buy, TAO - 1), 0);
    assert_eq!(market.most_until_limit_rao(Side::Sell, TAO + 1), 0);
}

#[test]
fn recorded_quotes_come_out() {
    let market = dynamic(4 * TAO, TAO);
    assert_eq!(market.spot_price_rao(), TAO / 4);
    let quote = market.quote(Side::Buy, 123_456).expect("a quote");
    assert_eq!(
        (quote.trade.paid_in_rao, quote.trade.paid_out_rao, quote.trade.fee_rao),
        (123_394, 493_515, 62)
    );
    assert_eq!(quote.slippage_rao, 4 * 123_456 - 493_515);
    let sale = market.quote(Side::Sell, 123_456).expect("a quote");
    assert_eq!((sale.trade.paid_out_rao, sale.slippage_rao), (30_847, 123_456 / 4 - 30_847));
    // A purchase with the limit of 0.3: the recorded input and fee.
    assert_eq!(market.most_until_limit_rao(Side::Buy, 300_000_000), 95_445_115 + 48_085);
    assert_eq!(market.most_until_limit_rao(Side::Buy, 200_000_000), 0, "the price is beyond it");
    assert_eq!(market.smallest_stake_rao(), 2_001_007);
    assert_eq!(market.largest_input_rao(Side::Buy), 1_000 * TAO);
    assert_eq!(market.largest_input_rao(Side::Sell), 4_000 * TAO);
}

#[test]
fn a_market_without_reserves_quotes_nothing() {
    let market = dynamic(0, 0);
    assert!(matches!(market.quote(Side::Buy, 1), Err(PoolError::InputTooLarge { .. })));
    assert_eq!((market.spot_price_rao(), market.worth_at_spot_rao(Side::Buy, 9)), (0, 0));
    assert_eq!(market.most_until_limit_rao(Side::Buy, MAX_LIMIT_PRICE_RAO), 0);
}

fn markets() -> impl Strategy<Value = Market> {
    let weight = PERQUINTILL_PARTS / 100..=PERQUINTILL_PARTS / 100 * 99;
    (1_000_000..1u64 << 52, 1_000_000..1u64 << 52, weight, 0..10_000u16).prop_map(
        |(alpha_reserve_rao, tao_reserve_rao, quote_weight_parts, fee_rate_u16)| Market::Dynamic {
            pool: Pool { alpha_reserve_rao, tao_reserve_rao, quote_weight_parts },
            fee_rate_u16,
        },
    )
}

proptest! {
    #![proptest_config(support::config(300))]

    #[test]
    fn what_the_limit_allows_is_filled_to_the_fee(market in markets(), percent in 1..400u64) {
        let price = market.spot_price_rao();
        for (side, limit) in [(Side::Buy, price + price / 100 * percent + 2), (Side::Sell, price / (percent + 100) * 100)] {
            let most = market.most_until_limit_rao(side, limit);
            if let Ok(trade) = market.trade(side, most, limit) {
                // The fee on the whole and the fee on the part round differently.
                prop_assert!(trade.unfilled_rao <= 2, "{trade:?} of {most}");
            }
        }
    }

    #[test]
    fn no_quote_is_better_than_the_spot_price(market in markets(), amount in 1..1u64 << 50) {
        for side in [Side::Buy, Side::Sell] {
            if let Ok(quote) = market.quote(side, amount) {
                // The power is floored to 18 digits, which can favour the trader by that part of a reserve.
                let worth = market.worth_at_spot_rao(side, amount);
                prop_assert!(quote.trade.paid_out_rao <= worth.saturating_add(worth / 1_000_000 + 2), "{quote:?} of {worth}");
                prop_assert_eq!(quote.trade, market.trade(side, amount, no_limit_rao(side)).expect("the same"));
            }
        }
    }
}
