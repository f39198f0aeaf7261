//! Prices, and what a trade would do.

use alloc::vec::Vec;

use codec::{Decode, Encode};
use myelin_economy::pool::Side;
use pallet_subtensor::{
    pools::{Fee, Trade},
    Alpha, NetUid, Tao,
};
use scale_info::TypeInfo;
use substrate_fixed::types::U64F64;

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
    simulate(netuid, Side::Buy, tao).map_or_else(SimSwapResult::default, |trade| SimSwapResult {
        tao_amount: trade.paid_in,
        alpha_amount: trade.paid_out,
        tao_fee: trade.fee,
        alpha_slippage: alpha_at_spot(netuid, tao).saturating_sub(trade.paid_out),
        ..Default::default()
    })
}

/// What selling `alpha` would do.
pub fn sim_swap_alpha_for_tao(netuid: NetUid, alpha: Alpha) -> SimSwapResult {
    simulate(netuid, Side::Sell, alpha).map_or_else(SimSwapResult::default, |trade| SimSwapResult {
        tao_amount: trade.paid_out,
        alpha_amount: trade.paid_in,
        alpha_fee: trade.fee,
        tao_slippage: tao_at_spot(netuid, alpha).saturating_sub(trade.paid_out),
        ..Default::default()
    })
}

fn simulate(netuid: NetUid, side: Side, amount: u64) -> Option<Trade> {
    Market::simulate_market(existing(netuid)?, side, amount, Fee::Charged).ok()
}

/// What `tao` would buy at the price as it is.
fn alpha_at_spot(netuid: NetUid, tao: Tao) -> Alpha {
    let price = Market::spot_price(netuid);
    U64F64::from_num(tao).checked_div(price).map_or(0, U64F64::saturating_to_num)
}

/// What `alpha` would bring at the price as it is.
fn tao_at_spot(netuid: NetUid, alpha: Alpha) -> Tao {
    U64F64::from_num(alpha).saturating_mul(Market::spot_price(netuid)).saturating_to_num()
}
