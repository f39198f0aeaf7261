//! What a trade would do, before anybody makes it: prices, limits and slippage as wallets ask for them.
//!
//! A [`Market`] is what a subnet trades on: its pool with the fee, or on root and on stable subnets an exchange of one for
//! one. Trades go through the same function as quotes.

use crate::{
    constants::{
        MAX_INPUT_PER_RESERVE, MAX_LIMIT_PRICE_RAO, MIN_LIMIT_PRICE_RAO, MIN_STAKE_RAO, RAO_PER_TAO,
    },
    pool::{fee_on_gross, swap_stable, Order, Pool, PoolError, Side, Swap},
};
use myelin_fixed::{SafeDiv, U64F64};

/// What a subnet trades on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Market {
    /// One TAO an alpha, without a fee.
    Stable,
    /// A pool.
    Dynamic {
        /// Its reserves and weights.
        pool: Pool,
        /// Fee on the input in 65535ths.
        fee_rate_u16: u16,
    },
}

/// What a trade moves. Amounts in are in the input's currency, amounts out in the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trade {
    /// What the pool receives.
    pub paid_in_rao: u64,
    /// What the trader receives.
    pub paid_out_rao: u64,
    /// What the author of the block receives, in the input's currency.
    pub fee_rao: u64,
    /// What stays with the trader.
    pub unfilled_rao: u64,
}

impl From<Swap> for Trade {
    fn from(swap: Swap) -> Self {
        Self {
            paid_in_rao: swap.paid_in_rao,
            paid_out_rao: swap.paid_out_rao,
            fee_rao: swap.fee_rao,
            unfilled_rao: swap.unfilled_rao,
        }
    }
}

/// A trade without a limit, and what the pool's curve and the fee cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quote {
    /// The trade.
    pub trade: Trade,
    /// How much less it brings than the spot price would without a fee.
    pub slippage_rao: u64,
}

/// The limit that no order of a side reaches, in rao of TAO per alpha.
#[must_use]
pub const fn no_limit_rao(side: Side) -> u64 {
    match side {
        Side::Buy => MAX_LIMIT_PRICE_RAO,
        Side::Sell => MIN_LIMIT_PRICE_RAO,
    }
}

impl Market {
    /// TAO per alpha.
    #[must_use]
    pub fn spot_price(&self) -> U64F64 {
        match self {
            Self::Stable => U64F64::from_num(1),
            Self::Dynamic { pool, .. } => pool.spot_price(),
        }
    }

    /// Rao of TAO per alpha.
    #[must_use]
    pub fn spot_price_rao(&self) -> u64 {
        self.spot_price().saturating_mul(U64F64::from_num(RAO_PER_TAO)).saturating_to_num()
    }

    /// What an order does. `limit_price_rao` is the price not to go beyond, in rao of TAO per alpha.
    ///
    /// # Errors
    /// What the pool says: too large, too thin, or beyond the limit.
    pub fn trade(&self, side: Side, amount_rao: u64, limit_price_rao: u64) -> Result<Trade, PoolError> {
        match *self {
            Self::Stable => {
                let paid_rao = swap_stable(side, amount_rao, limit_price_rao)?;
                Ok(Trade { paid_in_rao: paid_rao, paid_out_rao: paid_rao, ..Trade::default() })
            }
            Self::Dynamic { pool, fee_rate_u16 } => {
                let order = Order { side, amount_rao, limit_price_rao, fee_rate_u16 };
                pool.swap(&order).map(Trade::from)
            }
        }
    }

    /// What an order without a limit does, and how much less than at the spot price.
    ///
    /// # Errors
    /// What the pool says: too large or too thin.
    pub fn quote(&self, side: Side, amount_rao: u64) -> Result<Quote, PoolError> {
        let trade = self.trade(side, amount_rao, no_limit_rao(side))?;
        let slippage_rao = self.worth_at_spot_rao(side, amount_rao).saturating_sub(trade.paid_out_rao);
        Ok(Quote { trade, slippage_rao })
    }

    /// What an input would bring at the price as it is, in rao; nothing without a price.
    #[must_use]
    pub fn worth_at_spot_rao(&self, side: Side, amount_rao: u64) -> u64 {
        let amount = U64F64::from_num(amount_rao);
        match side {
            Side::Buy => amount.safe_div(self.spot_price()).saturating_to_num(),
            Side::Sell => amount.saturating_mul(self.spot_price()).saturating_to_num(),
        }
    }

    /// The largest input that the market takes, in rao.
    #[must_use]
    pub fn largest_input_rao(&self, side: Side) -> u64 {
        match (self, side) {
            (Self::Stable, _) => u64::MAX,
            (Self::Dynamic { pool, .. }, Side::Buy) => {
                pool.tao_reserve_rao.saturating_mul(MAX_INPUT_PER_RESERVE)
            }
            (Self::Dynamic { pool, .. }, Side::Sell) => {
                pool.alpha_reserve_rao.saturating_mul(MAX_INPUT_PER_RESERVE)
            }
        }
    }

    /// The most that can be traded before the price passes the limit, fee included, in rao; nothing if it has already.
    #[must_use]
    pub fn most_until_limit_rao(&self, side: Side, limit_price_rao: u64) -> u64 {
        self.trade(side, self.largest_input_rao(side), limit_price_rao)
            .map_or(0, |trade| trade.paid_in_rao.saturating_add(trade.fee_rao))
    }

    /// The least TAO that can be staked: the smallest stake operation, and the fee on it.
    #[must_use]
    pub fn smallest_stake_rao(&self) -> u64 {
        match self {
            Self::Stable => MIN_STAKE_RAO,
            Self::Dynamic { fee_rate_u16, .. } => {
                MIN_STAKE_RAO.saturating_add(fee_on_gross(MIN_STAKE_RAO, *fee_rate_u16))
            }
        }
    }
}
