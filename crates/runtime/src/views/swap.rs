//! Prices, and what a trade would do.

use alloc::vec::Vec;

use codec::{Decode, Encode};
use myelin_economy::{pool::Side, quote::Quote};
use pallet_subtensor::{pools::Fee, Alpha, NetUid, Tao};
use scale_info::TypeInfo;

use super::{subnet::existing, Market};

/// What a trade would do. All zero for a trade that the pool refuses.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct SimSwapResult {
    /// TAO that reaches the pool, without the fee, or that the trader gets.
    pub tao_amount: Tao,
    /// Alpha that the trader gets, or that reaches the pool, without the fee.
    pub alpha_amount: Alpha,
    /// Fee of a purchase.
    pub tao_fee: Tao,
    /// Fee of a sale.
    pub alpha_fee: Alpha,
    /// TAO that a sale would bring beside what it brings, if the price did not move and there were no fee.
    pub tao_slippage: Tao,
    /// Alpha that a purchase would bring beside what it brings, if the price did not move and there were no fee.
    pub alpha_slippage: Alpha,
}

/// Price of a subnet's token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct SubnetPrice {
    /// The subnet.
    pub netuid: NetUid,
    /// Rao an alpha.
    pub price: Tao,
}

/// Rao an alpha on `netuid`.
pub fn current_alpha_price(netuid: NetUid) -> Tao {
    Market::spot_price_rao(netuid)
}

/// Rao an alpha on every subnet.
pub fn current_alpha_price_all() -> Vec<SubnetPrice> {
    Market::all_netuids()
        .into_iter()
        .map(|netuid| SubnetPrice { netuid, price: current_alpha_price(netuid) })
        .collect()
}

/// What buying alpha for `tao` would do.
pub fn sim_swap_tao_for_alpha(netuid: NetUid, tao: Tao) -> SimSwapResult {
    quote(netuid, Side::Buy, tao).map_or_else(SimSwapResult::default, |quote| SimSwapResult {
        tao_amount: quote.trade.paid_in_rao,
        alpha_amount: quote.trade.paid_out_rao,
        tao_fee: quote.trade.fee_rao,
        alpha_slippage: quote.slippage_rao,
        ..Default::default()
    })
}

/// What selling `alpha` would do.
pub fn sim_swap_alpha_for_tao(netuid: NetUid, alpha: Alpha) -> SimSwapResult {
    quote(netuid, Side::Sell, alpha).map_or_else(SimSwapResult::default, |quote| SimSwapResult {
        tao_amount: quote.trade.paid_out_rao,
        alpha_amount: quote.trade.paid_in_rao,
        alpha_fee: quote.trade.fee_rao,
        tao_slippage: quote.slippage_rao,
        ..Default::default()
    })
}

fn quote(netuid: NetUid, side: Side, amount: u64) -> Option<Quote> {
    Market::market(existing(netuid)?, Fee::Charged).quote(side, amount).ok()
}
