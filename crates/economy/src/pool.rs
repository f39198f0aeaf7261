//! The pool in which a subnet's alpha is traded for TAO: a weighted constant product.
//!
//! A pool holds `x` alpha and `y` TAO. TAO, the quote, weighs `q`, and alpha, the base, `b = 1 - q`.
//!
//! * Spot price: `(b / q) * (y / x)` TAO per alpha.
//! * Sale of `dx` alpha pays `y * (1 - (x / (x + dx)) ^ (b / q))` TAO.
//! * Purchase with `dy` TAO pays `x * (1 - (y / (y + dy)) ^ (q / b))` alpha.
//!
//! The power is floored to 18 digits, which favours the trader by less than 10^-18 of the reserve: with reserves and
//! inputs that can exist, not enough for a round trip to gain one rao.
//!
//! Swaps leave the weights alone. Injecting emission leaves the price alone and moves the weights instead
//! ([`Pool::inject`]). There is no liquidity but the protocol's own.
//!
//! The fee comes off the input before it reaches the pool and belongs to the author of the block. A limit price
//! ends a swap early; what it leaves is not taken from the trader.
//!
//! Pools of stable subnets, and root, exchange one for one without a fee ([`swap_stable`]).

use crate::{
    constants::{
        DEFAULT_QUOTE_WEIGHT_PARTS, LIMIT_PRECISION_BITS, MAX_INPUT_PER_RESERVE, MIN_POOL_RESERVE_RAO,
        MIN_WEIGHT_PARTS, PERQUINTILL_PARTS, RAO_PER_TAO, SWAP_PRECISION_BITS,
    },
    power::{powr, Ratio},
};
use myelin_fixed::{Proportion, SafeDiv, U64F64};
use primitive_types::U256;
use thiserror::Error;

/// Why a pool refuses an operation. The pool is unchanged.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PoolError {
    /// The input would dwarf the pool.
    #[error("input of {net_input_rao} rao after fees exceeds 1000 times the pool's reserve of {reserve_rao}; swap less")]
    InputTooLarge {
        /// Input less the fee.
        net_input_rao: u64,
        /// What the pool holds of the input.
        reserve_rao: u64,
    },
    /// The pool is too thin to trade in, or the input too small to be paid for.
    #[error("the pool holds {reserve_rao} rao of what it would pay out, which pays nothing for this input or is below the minimum of {MIN_POOL_RESERVE_RAO}; swap more, or wait for liquidity")]
    ReservesTooLow {
        /// What the pool holds of the output.
        reserve_rao: u64,
    },
    /// The price is already at or beyond the limit.
    #[error("limit of {limit_price_rao} rao per alpha does not leave room at the current price; buy above it or sell below it")]
    PriceLimitExceeded {
        /// The order's limit.
        limit_price_rao: u64,
    },
    /// The pool would pay more than it has.
    #[error("the swap would pay {output_rao} rao out of {reserve_rao}; swap less")]
    InsufficientLiquidity {
        /// What the formula gives.
        output_rao: u64,
        /// What the pool holds of the output.
        reserve_rao: u64,
    },
    /// A reserve would leave 64 bits.
    #[error("adding {input_rao} rao to a reserve of {reserve_rao} leaves 64 bits; swap less")]
    ReserveOverflow {
        /// What would be added.
        input_rao: u64,
        /// What the pool holds of the input.
        reserve_rao: u64,
    },
    /// Weights outside 1 % to 99 %.
    #[error("a quote weight of {quote_weight_parts} parts is outside 1 % to 99 % of 10^18; choose a price nearer the ratio of the reserves")]
    WeightOutOfRange {
        /// The weight that was needed.
        quote_weight_parts: u64,
    },
    /// A price cannot be given to a pool without reserves.
    #[error("a pool without reserves has no weights to express a price; add liquidity first")]
    NoReserves,
}

/// Direction of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// TAO in, alpha out; the price rises.
    Buy,
    /// Alpha in, TAO out; the price falls.
    Sell,
}

/// A swap to carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Direction.
    pub side: Side,
    /// Input including the fee: TAO-rao for a purchase, alpha-rao for a sale.
    pub amount_rao: u64,
    /// Price not to go beyond, in rao of TAO per alpha.
    pub limit_price_rao: u64,
    /// Fee on the input in 65535ths; 0 for none.
    pub fee_rate_u16: u16,
}

/// What a swap does. `paid_in_rao` and `fee_rao` are in the order's input, `paid_out_rao` in the other currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// What the pool receives; excludes the fee.
    pub paid_in_rao: u64,
    /// What the trader receives.
    pub paid_out_rao: u64,
    /// What the author of the block receives; none of it enters the pool.
    pub fee_rao: u64,
    /// What the limit price, or its rounding, leaves with the trader.
    pub unfilled_rao: u64,
    /// The pool afterwards.
    pub pool: Pool,
}

/// How much an injection adds to the reserves, and the pool afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolInjection {
    /// TAO-rao added.
    pub tao_rao: u64,
    /// Alpha-rao added.
    pub alpha_rao: u64,
    /// The pool with its new weights, **before** the reserves grow.
    pub reweighted: Pool,
}

/// Reserves and weights of one subnet's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Alpha in the pool (the base), in rao.
    pub alpha_reserve_rao: u64,
    /// TAO in the pool (the quote), in rao.
    pub tao_reserve_rao: u64,
    /// Weight of TAO in parts of 10^18; alpha has the rest.
    pub quote_weight_parts: u64,
}

impl Pool {
    /// A pool of equal weights.
    #[must_use]
    pub const fn balanced(alpha_reserve_rao: u64, tao_reserve_rao: u64) -> Self {
        Self { alpha_reserve_rao, tao_reserve_rao, quote_weight_parts: DEFAULT_QUOTE_WEIGHT_PARTS }
    }

    /// A pool whose weights express `price` for the given reserves.
    ///
    /// # Errors
    /// [`PoolError::NoReserves`] if both reserves are zero, [`PoolError::WeightOutOfRange`] if no weights from 1 %
    /// to 99 % express the price.
    pub fn with_price(
        alpha_reserve_rao: u64,
        tao_reserve_rao: u64,
        price: U64F64,
    ) -> Result<Self, PoolError> {
        let alpha_value = value_of_alpha(alpha_reserve_rao, price);
        let total = alpha_value.saturating_add(tao_reserve_rao.into());
        if total == 0 {
            return Err(PoolError::NoReserves);
        }
        let quote_weight_parts = parts_of(tao_reserve_rao.into(), total);
        if !is_valid_weight(quote_weight_parts) {
            return Err(PoolError::WeightOutOfRange { quote_weight_parts });
        }
        Ok(Self { alpha_reserve_rao, tao_reserve_rao, quote_weight_parts })
    }

    /// Weight of alpha in parts of 10^18.
    #[must_use]
    pub const fn base_weight_parts(&self) -> u64 {
        PERQUINTILL_PARTS.saturating_sub(self.quote_weight_parts)
    }

    /// TAO per alpha; zero if a reserve is zero.
    #[must_use]
    pub fn spot_price(&self) -> U64F64 {
        let weights = whole(self.base_weight_parts()).safe_div(whole(self.quote_weight_parts));
        let reserves = whole(self.tao_reserve_rao).safe_div(whole(self.alpha_reserve_rao));
        weights.saturating_mul(reserves)
    }

    /// Carries out an order, or says why not. Nothing else is touched, so this is also the simulation.
    ///
    /// # Errors
    /// Every [`PoolError`] that concerns swaps.
    pub fn swap(&self, order: &Order) -> Result<Swap, PoolError> {
        let fee_rao = fee_on_gross(order.amount_rao, order.fee_rate_u16);
        let net_input_rao = order.amount_rao.saturating_sub(fee_rao);
        self.check_tradable(order.side, net_input_rao)?;
        self.check_limit(order)?;
        let Trade { input_rao, output_rao, fee_rao } = self.trade(order, net_input_rao, fee_rao);
        self.settle(order, input_rao, output_rao, fee_rao)
    }

    /// Alpha for a purchase with `tao_rao` that reaches the pool, in rao. No checks.
    #[must_use]
    pub fn alpha_for_purchase(&self, tao_rao: u64) -> u64 {
        self.output(Side::Buy, tao_rao)
    }

    /// TAO for a sale of `alpha_rao` that reaches the pool, in rao. No checks.
    #[must_use]
    pub fn tao_for_sale(&self, alpha_rao: u64) -> u64 {
        self.output(Side::Sell, alpha_rao)
    }

    /// Alpha that must be sold to take `tao_rao` out of the pool, in rao: `x * ((y / (y - dy)) ^ (q / b) - 1)`.
    #[must_use]
    pub fn alpha_needed_for(&self, tao_rao: u64) -> u64 {
        let remaining_rao = self.tao_reserve_rao.saturating_sub(tao_rao);
        let exponent = Ratio::new(self.quote_weight_parts, self.base_weight_parts());
        let factor = reserve_factor(self.tao_reserve_rao, remaining_rao, exponent);
        grown(self.alpha_reserve_rao, factor)
    }

    /// Alpha that `tao_rao` is worth at the spot price, in rao; zero without a price.
    #[must_use]
    pub fn alpha_for_tao(&self, tao_rao: u64) -> u64 {
        whole(tao_rao).safe_div(self.spot_price()).saturating_to_num()
    }

    /// Input that moves the price to `limit`, fee excluded, in rao; zero if the price is beyond it already.
    ///
    /// * Purchase: `y * ((limit / price) ^ b - 1)`.
    /// * Sale: `x * ((price / limit) ^ q - 1)`.
    #[must_use]
    pub fn input_to_price(&self, side: Side, limit: U64F64) -> u64 {
        self.input_between(side, self.spot_price(), limit)
    }

    fn input_between(&self, side: Side, price: U64F64, limit: U64F64) -> u64 {
        let (price, limit) = (price.to_bits(), limit.to_bits());
        let (base, weight_parts) = match side {
            Side::Buy => (Ratio::new(limit, price), self.base_weight_parts()),
            Side::Sell => (Ratio::new(price, limit), self.quote_weight_parts),
        };
        let exponent = Ratio::new(weight_parts, PERQUINTILL_PARTS);
        let Some(growth) = powr(base, exponent, LIMIT_PRECISION_BITS, PERQUINTILL_PARTS) else {
            return 0;
        };
        let growth =
            U64F64::saturating_from_num(growth.min(u64::MAX.into())).safe_div(whole(PERQUINTILL_PARTS));
        grown(self.reserve_in(side), growth)
    }

    /// Weights that keep the spot price when `tao_rao` and `alpha_rao` are added to the reserves.
    ///
    /// If they would leave 1 % to 99 %, nothing may be added and the weights stay.
    #[must_use]
    pub fn inject(&self, tao_rao: u64, alpha_rao: u64) -> PoolInjection {
        let (alpha, tao) = (u128::from(self.alpha_reserve_rao), u128::from(self.tao_reserve_rao));
        let base = rounded_share(self.base_weight_parts(), tao.saturating_mul(alpha + u128::from(alpha_rao)));
        let quote = rounded_share(self.quote_weight_parts, alpha.saturating_mul(tao + u128::from(tao_rao)));
        let total = base.saturating_add(quote);
        let quote_weight_parts = if total == 0 { DEFAULT_QUOTE_WEIGHT_PARTS } else { parts_of(quote, total) };
        if !is_valid_weight(quote_weight_parts) {
            return PoolInjection { tao_rao: 0, alpha_rao: 0, reweighted: *self };
        }
        PoolInjection { tao_rao, alpha_rao, reweighted: Self { quote_weight_parts, ..*self } }
    }

    fn check_tradable(&self, side: Side, net_input_rao: u64) -> Result<(), PoolError> {
        let reserve_rao = self.reserve_in(side);
        if net_input_rao > reserve_rao.saturating_mul(MAX_INPUT_PER_RESERVE) {
            return Err(PoolError::InputTooLarge { net_input_rao, reserve_rao });
        }
        let reserve_rao = self.reserve_out(side);
        if reserve_rao < MIN_POOL_RESERVE_RAO {
            return Err(PoolError::ReservesTooLow { reserve_rao });
        }
        Ok(())
    }

    fn check_limit(&self, order: &Order) -> Result<(), PoolError> {
        let (price, limit) = (self.spot_price(), limit_price(order.limit_price_rao));
        let has_room = match order.side {
            Side::Buy => price < limit,
            Side::Sell => price > limit,
        };
        if has_room {
            return Ok(());
        }
        Err(PoolError::PriceLimitExceeded { limit_price_rao: order.limit_price_rao })
    }

    /// Input, output and fee of an order, cut short where it meets the limit price.
    fn trade(&self, order: &Order, net_input_rao: u64, fee_rao: u64) -> Trade {
        let (side, limit) = (order.side, limit_price(order.limit_price_rao));
        let output_rao = self.output(side, net_input_rao);
        let price_after = self.moved(side, net_input_rao, output_rao).spot_price();
        let within_limit = match side {
            Side::Buy => price_after <= limit,
            Side::Sell => price_after >= limit,
        };
        if within_limit {
            return Trade { input_rao: net_input_rao, output_rao, fee_rao };
        }
        let input_rao = self.input_to_price(side, limit);
        Trade {
            input_rao,
            output_rao: self.output(side, input_rao),
            fee_rao: fee_on_net(input_rao, order.fee_rate_u16),
        }
    }

    fn settle(
        &self,
        order: &Order,
        paid_in_rao: u64,
        paid_out_rao: u64,
        fee_rao: u64,
    ) -> Result<Swap, PoolError> {
        let (side, reserve_rao) = (order.side, self.reserve_out(order.side));
        if paid_in_rao != 0 && paid_out_rao == 0 {
            return Err(PoolError::ReservesTooLow { reserve_rao });
        }
        if paid_out_rao > reserve_rao {
            return Err(PoolError::InsufficientLiquidity { output_rao: paid_out_rao, reserve_rao });
        }
        let reserve_rao = self.reserve_in(side);
        if reserve_rao.checked_add(paid_in_rao).is_none() {
            return Err(PoolError::ReserveOverflow { input_rao: paid_in_rao, reserve_rao });
        }
        Ok(Swap {
            paid_in_rao,
            paid_out_rao,
            fee_rao,
            unfilled_rao: order.amount_rao.saturating_sub(paid_in_rao).saturating_sub(fee_rao),
            pool: self.moved(side, paid_in_rao, paid_out_rao),
        })
    }

    fn output(&self, side: Side, input_rao: u64) -> u64 {
        let (quote, base) = (self.quote_weight_parts, self.base_weight_parts());
        let exponent = match side {
            Side::Buy => Ratio::new(quote, base),
            Side::Sell => Ratio::new(base, quote),
        };
        let reserve_rao = self.reserve_in(side);
        let kept = reserve_factor(reserve_rao, reserve_rao.saturating_add(input_rao), exponent);
        let one = U64F64::from_num(1);
        whole(self.reserve_out(side)).saturating_mul(one.saturating_sub(kept.min(one))).saturating_to_num()
    }

    fn moved(&self, side: Side, input_rao: u64, output_rao: u64) -> Self {
        let (alpha_reserve_rao, tao_reserve_rao) = match side {
            Side::Buy => (
                self.alpha_reserve_rao.saturating_sub(output_rao),
                self.tao_reserve_rao.saturating_add(input_rao),
            ),
            Side::Sell => (
                self.alpha_reserve_rao.saturating_add(input_rao),
                self.tao_reserve_rao.saturating_sub(output_rao),
            ),
        };
        Self { alpha_reserve_rao, tao_reserve_rao, ..*self }
    }

    const fn reserve_in(&self, side: Side) -> u64 {
        match side {
            Side::Buy => self.tao_reserve_rao,
            Side::Sell => self.alpha_reserve_rao,
        }
    }

    const fn reserve_out(&self, side: Side) -> u64 {
        match side {
            Side::Buy => self.alpha_reserve_rao,
            Side::Sell => self.tao_reserve_rao,
        }
    }
}

struct Trade {
    input_rao: u64,
    output_rao: u64,
    fee_rao: u64,
}

/// The one-for-one exchange of root and of stable subnets: no fee, no reserves, price 1.
///
/// # Errors
/// [`PoolError::PriceLimitExceeded`] if the limit is on the wrong side of 1.
pub fn swap_stable(side: Side, amount_rao: u64, limit_price_rao: u64) -> Result<u64, PoolError> {
    let allowed = match side {
        Side::Buy => limit_price_rao >= RAO_PER_TAO,
        Side::Sell => limit_price_rao <= RAO_PER_TAO,
    };
    if allowed {
        Ok(amount_rao)
    } else {
        Err(PoolError::PriceLimitExceeded { limit_price_rao })
    }
}

/// Alpha that can move from one dynamic pool to another before the ratio of their prices falls to `limit_rao`
/// (origin price over destination price, in billionths), in rao.
///
/// `x2 * (y1 / (y1 + y2)) / limit - x1 * (y2 / (y1 + y2))`, which is exact only for equal weights. Zero if a
/// reserve is empty or the ratio is below the limit already, unbounded if the limit is zero.
#[must_use]
pub fn alpha_movable(origin: &Pool, destination: &Pool, limit_rao: u64) -> u64 {
    let pools = [origin, destination];
    if pools.iter().any(|pool| pool.tao_reserve_rao == 0 || pool.alpha_reserve_rao == 0) {
        return 0;
    }
    let limit = limit_price(limit_rao);
    if limit > origin.spot_price().safe_div(destination.spot_price()) {
        return 0;
    }
    if limit_rao == 0 {
        return u64::MAX;
    }
    let (origin_tao, destination_tao) = (whole(origin.tao_reserve_rao), whole(destination.tao_reserve_rao));
    let tao = destination_tao.saturating_add(origin_tao);
    let reached =
        whole(destination.alpha_reserve_rao).saturating_mul(origin_tao.safe_div(tao)).safe_div(limit);
    let held = whole(origin.alpha_reserve_rao).saturating_mul(destination_tao.safe_div(tao));
    reached.saturating_sub(held).saturating_to_num()
}

/// Fee included in `amount_rao`: `amount * rate`, floored.
#[must_use]
pub fn fee_on_gross(amount_rao: u64, fee_rate_u16: u16) -> u64 {
    whole(amount_rao).saturating_mul(U64F64::from_u16_proportion(fee_rate_u16)).saturating_to_num()
}

/// Fee that comes on top of `amount_rao` for it to be what remains: `amount * rate / (1 - rate)`, floored.
#[must_use]
pub fn fee_on_net(amount_rao: u64, fee_rate_u16: u16) -> u64 {
    let rest = U64F64::from_num(u16::MAX.saturating_sub(fee_rate_u16));
    whole(amount_rao).saturating_mul(U64F64::from_num(fee_rate_u16).safe_div(rest)).saturating_to_num()
}

/// A price in rao per alpha as TAO per alpha.
#[must_use]
pub fn limit_price(limit_price_rao: u64) -> U64F64 {
    whole(limit_price_rao).safe_div(whole(RAO_PER_TAO))
}

/// `(before / after) ^ exponent`, zero where it has no value or does not fit.
fn reserve_factor(before_rao: u64, after_rao: u64, exponent: Ratio<u64>) -> U64F64 {
    let base = Ratio::new(before_rao.into(), after_rao.into());
    powr(base, exponent, SWAP_PRECISION_BITS, PERQUINTILL_PARTS)
        .and_then(|factor| u64::try_from(factor).ok())
        .map_or(U64F64::from_num(0), |factor| whole(factor).safe_div(whole(PERQUINTILL_PARTS)))
}

/// `reserve * (factor - 1)`, floored; zero for factors below 1.
fn grown(reserve_rao: u64, factor: U64F64) -> u64 {
    whole(reserve_rao).saturating_mul(factor.saturating_sub(U64F64::from_num(1))).saturating_to_num()
}

/// `floor(price) * alpha + floor(fraction(price) * alpha)`.
fn value_of_alpha(alpha_rao: u64, price: U64F64) -> u128 {
    let integer: u128 = price.int().saturating_to_num();
    let fraction: u128 = whole(alpha_rao).saturating_mul(price.frac()).saturating_to_num();
    integer.saturating_mul(alpha_rao.into()).saturating_add(fraction)
}

/// `value * parts / 10^18`, rounded half up, at most `u128::MAX`.
fn rounded_share(parts: u64, value: u128) -> u128 {
    let whole = U256::from(PERQUINTILL_PARTS);
    let share = (U256::from(value) * U256::from(parts) + whole / 2) / whole;
    u128::try_from(share).unwrap_or(u128::MAX)
}

/// `part / whole` in parts of 10^18, floored, at most one.
fn parts_of(part: u128, whole: u128) -> u64 {
    if whole == 0 || part >= whole {
        return PERQUINTILL_PARTS;
    }
    (U256::from(PERQUINTILL_PARTS) * U256::from(part) / U256::from(whole)).low_u64()
}

fn is_valid_weight(parts: u64) -> bool {
    (MIN_WEIGHT_PARTS..=PERQUINTILL_PARTS - MIN_WEIGHT_PARTS).contains(&parts)
}

fn whole(value: u64) -> U64F64 {
    U64F64::saturating_from_num(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: u64 = PERQUINTILL_PARTS;

    fn weighted(quote_weight_parts: u64, alpha_reserve_rao: u64, tao_reserve_rao: u64) -> Pool {
        Pool { alpha_reserve_rao, tao_reserve_rao, quote_weight_parts }
    }

    #[test]
    fn reserve_factors_match_the_reference() {
        let base_over_quote = |quote: u64| Ratio::new(WHOLE - quote, quote);
        let quote_over_base = |quote: u64| Ratio::new(quote, WHOLE - quote);
        let cases = [
            (base_over_quote(WHOLE / 2), 100_000, 100, 18_428_315_757_951_599_997),
            (quote_over_base(WHOLE / 2), 100_000, 100, 18_428_315_757_951_599_997),
            (base_over_quote(WHOLE / 4), 500_000, 5_000, 17_904_228_059_285_152_206),
            (quote_over_base(WHOLE / 4 * 3), 200_000, 2_000, 17_904_228_059_285_152_206),
            (quote_over_base(WHOLE / 10 * 9), 13_513_642, 1_673, 18_426_203_291_771_111_799_u128),
            (base_over_quote(WHOLE / 1_000 * 773), 7_000_000_000, 10_000, 18_446_736_335_016_083_878),
        ];
        for (exponent, reserve_rao, added_rao, bits) in cases {
            assert_eq!(reserve_factor(reserve_rao, reserve_rao + added_rao, exponent).to_bits(), bits);
        }
    }

    #[test]
    fn reserve_factors_without_a_value_are_zero() {
        assert_eq!(reserve_factor(1, 0, Ratio::new(1, 1)), 0);
        assert_eq!(reserve_factor(0, 1, Ratio::new(1, 1)), 0);
        assert_eq!(reserve_factor(u64::MAX, 1, Ratio::new(1, 1)), 0);
    }

    #[test]
    fn inputs_to_a_price_match_the_reference() {
        let price = |tenths: u32| U64F64::from_num(tenths).safe_div(U64F64::from_num(10));
        let pool = weighted(WHOLE / 4, 1_000_000_000, 1_000_000_000);
        assert_eq!(pool.input_between(Side::Buy, price(1), price(2)), 681_792_830);
        assert_eq!(pool.input_between(Side::Sell, price(2), price(1)), 189_207_115);
        assert_eq!(pool.input_between(Side::Buy, price(2), price(1)), 0);
        assert_eq!(pool.input_between(Side::Sell, price(1), price(2)), 0);
        assert_eq!(pool.input_between(Side::Buy, price(0), price(1)), 0);
        assert_eq!(pool.input_between(Side::Sell, price(1), price(0)), 0);
    }

    #[test]
    fn shares_round_half_up() {
        for (value, half) in [(1, 1), (3, 2), (5, 3), (1_023, 512), (1_025, 513)] {
            assert_eq!(rounded_share(WHOLE / 2, value), half);
        }
        assert_eq!((rounded_share(WHOLE / 3, 4), rounded_share(WHOLE / 3, 5)), (1, 2));
        assert_eq!(rounded_share(WHOLE, u128::MAX), u128::MAX);
        assert_eq!(rounded_share(WHOLE - 1, u128::MAX), u128::MAX - 340_282_366_920_938_463_463);
    }

    #[test]
    fn quotients_in_parts_are_floored_and_at_most_one() {
        assert_eq!((parts_of(1, 3), parts_of(3, 3), parts_of(4, 3)), (333_333_333_333_333_333, WHOLE, WHOLE));
        assert_eq!((parts_of(0, 0), parts_of(1, 0), parts_of(0, 1)), (WHOLE, WHOLE, 0));
        assert_eq!(parts_of(u128::MAX - 1, u128::MAX), WHOLE - 1);
    }
}
