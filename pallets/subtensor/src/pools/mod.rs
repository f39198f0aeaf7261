//! Reserves, prices, trades.
//!
//! A subnet's TAO lies on an account of its own; the balance of that account is the pool's TAO reserve, to the rao. On root,
//! one TAO staked is one alpha, the reserve is all TAO staked there, and the account holds an existential deposit beside it.
//! Nobody can transfer to these accounts: what nobody could ever take out would be lost.

pub mod storage;

use alloc::vec::Vec;

use frame_support::{
    pallet_prelude::*,
    storage::generator::StorageMap as _,
    traits::{
        fungible::{Inspect, Mutate},
        tokens::{Fortitude, Preservation},
    },
};
pub use myelin_economy::quote::no_limit_rao as no_limit;
use myelin_economy::{
    block_emission::alpha_issuance_rao,
    pool::{Pool, PoolError, Side},
    quote::{self, Market},
    stake::StakePair,
    subnet_lifecycle,
};
use substrate_fixed::types::{I96F32, U64F64, U96F32};

use crate::*;

/// How a pool sets its price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mechanism {
    /// One TAO an alpha.
    Stable,
    /// By reserves and weights.
    Dynamic,
}

/// What a trade moves. Amounts in are in the input's currency, amounts out in the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trade {
    /// What the pool receives.
    pub paid_in: u64,
    /// What the trader receives.
    pub paid_out: u64,
    /// What the block's author receives, in the input's currency.
    pub fee: u64,
    /// What stays with the trader.
    pub unfilled: u64,
}

impl From<quote::Trade> for Trade {
    fn from(trade: quote::Trade) -> Self {
        Self {
            paid_in: trade.paid_in_rao,
            paid_out: trade.paid_out_rao,
            fee: trade.fee_rao,
            unfilled: trade.unfilled_rao,
        }
    }
}

/// Whether a trade pays the pool's fee.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fee {
    /// It does.
    Charged,
    /// It does not: the protocol trades with itself.
    Waived,
}

impl<T: Config> Pallet<T> {
    /// How the pool of `netuid` sets its price.
    pub fn pool_mechanism(netuid: NetUid) -> Mechanism {
        match SubnetMechanism::<T>::get(netuid) {
            1 => Mechanism::Dynamic,
            _ => Mechanism::Stable,
        }
    }

    /// TAO in the pool, in rao.
    pub fn tao_reserve(netuid: NetUid) -> Tao {
        SubnetTAO::<T>::get(netuid)
    }

    /// Alpha in the pool, in rao.
    pub fn alpha_reserve(netuid: NetUid) -> Alpha {
        SubnetAlphaIn::<T>::get(netuid)
    }

    /// Alpha outside the pool, in rao.
    pub fn alpha_out(netuid: NetUid) -> Alpha {
        SubnetAlphaOut::<T>::get(netuid)
    }

    /// Alpha that the chain has bought and nobody owns.
    pub fn protocol_alpha(netuid: NetUid) -> Alpha {
        SubnetProtocolAlpha::<T>::get(netuid)
    }

    /// Alpha that exists.
    pub fn alpha_issuance(netuid: NetUid) -> Alpha {
        alpha_issuance_rao(Self::alpha_reserve(netuid), Self::alpha_out(netuid))
    }

    /// TAO traded so far.
    pub fn traded_volume(netuid: NetUid) -> u128 {
        SubnetVolume::<T>::get(netuid)
    }

    /// TAO in all pools and on root.
    pub fn total_stake() -> Tao {
        TotalStake::<T>::get()
    }

    /// Moving average of the price, as stored.
    pub fn moving_price(netuid: NetUid) -> I96F32 {
        SubnetMovingPrice::<T>::get(netuid)
    }

    /// What the storage keys of those averages start with.
    pub(crate) fn moving_price_prefix() -> [u8; 32] {
        SubnetMovingPrice::<T>::prefix_hash()
    }

    /// Weight of TAO staked on root against alpha.
    pub fn tao_weight() -> U96F32 {
        myelin_economy::subnet_emission::tao_weight(TaoWeight::<T>::get())
    }

    /// TAO an alpha.
    pub fn spot_price(netuid: NetUid) -> U64F64 {
        Self::market(netuid, Fee::Waived).spot_price()
    }

    /// Rao an alpha.
    pub fn spot_price_rao(netuid: NetUid) -> Tao {
        Self::market(netuid, Fee::Waived).spot_price_rao()
    }

    /// Median of the prices of all subnets.
    pub fn median_price() -> U64F64 {
        let prices: Vec<U64F64> = Self::market_netuids().into_iter().map(Self::spot_price).collect();
        subnet_lifecycle::median_price(&prices)
    }

    /// Stake that counts in consensus: alpha, and TAO by its weight, in rao.
    pub fn weighted_total(stake: StakePair) -> substrate_fixed::types::I64F64 {
        myelin_yuma::total_stake(stake.alpha_rao, stake.root_rao, TaoWeight::<T>::get())
    }

    /// The pool of `netuid` as it is.
    pub fn pool(netuid: NetUid) -> Pool {
        pallet_swap::Pallet::<T>::pool(netuid, Self::alpha_reserve(netuid), Self::tao_reserve(netuid))
    }

    /// What `netuid` trades on.
    pub fn market(netuid: NetUid, fee: Fee) -> Market {
        match Self::pool_mechanism(netuid) {
            Mechanism::Stable => Market::Stable,
            Mechanism::Dynamic => Market::Dynamic {
                pool: Self::pool(netuid),
                fee_rate_u16: match fee {
                    Fee::Charged => pallet_swap::Pallet::<T>::fee_rate(netuid),
                    Fee::Waived => 0,
                },
            },
        }
    }

    /// What an order would do.
    ///
    /// # Errors
    /// What the pool says: too large, too thin, or beyond the limit.
    pub fn simulate_swap(
        netuid: NetUid,
        side: Side,
        amount_rao: u64,
        limit_price_rao: Tao,
        fee: Fee,
    ) -> Result<Trade, PoolError> {
        Self::market(netuid, fee).trade(side, amount_rao, limit_price_rao).map(Trade::from)
    }

    /// What an order without a limit would do.
    ///
    /// # Errors
    /// What the pool says: too large or too thin.
    pub fn simulate_market(
        netuid: NetUid,
        side: Side,
        amount_rao: u64,
        fee: Fee,
    ) -> Result<Trade, PoolError> {
        Self::simulate_swap(netuid, side, amount_rao, no_limit(side), fee)
    }

    /// Trades, and moves the reserves. Who brings and who takes the money is the caller's business.
    pub(crate) fn swap(
        netuid: NetUid,
        side: Side,
        amount_rao: u64,
        limit_price_rao: Tao,
        fee: Fee,
    ) -> Result<Trade, DispatchError> {
        let trade = Self::simulate_swap(netuid, side, amount_rao, limit_price_rao, fee)
            .map_err(pallet_swap::Error::<T>::from)?;
        Self::move_reserves(netuid, side, &trade)?;
        Ok(trade)
    }

    pub(crate) fn swap_at_market(
        netuid: NetUid,
        side: Side,
        amount_rao: u64,
        fee: Fee,
    ) -> Result<Trade, DispatchError> {
        Self::swap(netuid, side, amount_rao, no_limit(side), fee)
    }

    fn move_reserves(netuid: NetUid, side: Side, trade: &Trade) -> Result<(), Error<T>> {
        let (tao, alpha) = match side {
            Side::Buy => (trade.paid_in, trade.paid_out),
            Side::Sell => (trade.paid_out, trade.paid_in),
        };
        let stable = Self::pool_mechanism(netuid) == Mechanism::Stable;
        let alpha_in = if stable { 0 } else { alpha };
        match side {
            Side::Buy => {
                try_update::<SubnetTAO<T>, T>(netuid, |reserve| reserve.checked_add(tao))?;
                try_update::<SubnetAlphaIn<T>, T>(netuid, |reserve| reserve.checked_sub(alpha_in))?;
                try_update::<SubnetAlphaOut<T>, T>(netuid, |out| out.checked_add(alpha))?;
                TotalStake::<T>::mutate(|total| *total = total.saturating_add(tao));
            }
            Side::Sell => {
                try_update::<SubnetTAO<T>, T>(netuid, |reserve| reserve.checked_sub(tao))?;
                try_update::<SubnetAlphaIn<T>, T>(netuid, |reserve| reserve.checked_add(alpha_in))?;
                try_update::<SubnetAlphaOut<T>, T>(netuid, |out| out.checked_sub(alpha))?;
                TotalStake::<T>::mutate(|total| *total = total.saturating_sub(tao));
            }
        }
        SubnetVolume::<T>::mutate(netuid, |volume| *volume = volume.saturating_add(u128::from(tao)));
        Ok(())
    }

    pub(crate) fn create_pool(netuid: NetUid, mechanism: Mechanism, tao: Tao, alpha: Alpha) {
        SubnetMechanism::<T>::insert(netuid, u16::from(mechanism == Mechanism::Dynamic));
        SubnetTAO::<T>::insert(netuid, tao);
        SubnetAlphaIn::<T>::insert(netuid, alpha);
        SubnetAlphaOut::<T>::insert(netuid, 0);
        TotalStake::<T>::mutate(|total| *total = total.saturating_add(tao));
    }

    /// Opens the account of root's pool with its deposit, minted at genesis.
    ///
    /// # Panics
    /// When the genesis balances leave no room for it; there is no chain then.
    pub(crate) fn endow_root_pool() {
        T::Currency::mint_into(&Self::pool_account(ROOT), Self::pool_deposit(ROOT))
            .expect("genesis balances leave room for an existential deposit; lower them");
    }

    /// What a pool's account holds beside the reserve, in rao.
    ///
    /// Root's reserve can fall to any amount, and the ledger drops what is left on an account below the existential
    /// deposit. Other reserves never fall that low.
    pub(crate) fn pool_deposit(netuid: NetUid) -> Tao {
        if netuid == ROOT {
            T::Currency::minimum_balance()
        } else {
            0
        }
    }

    /// Moves TAO from a coldkey to the pool's account, but leaves the coldkey its existential deposit.
    ///
    /// Returns what was moved.
    pub(crate) fn pay_into_pool(
        coldkey: &T::AccountId,
        netuid: NetUid,
        amount: Tao,
    ) -> Result<Tao, DispatchError> {
        let most = T::Currency::reducible_balance(coldkey, Preservation::Preserve, Fortitude::Polite);
        let paid = amount.min(most);
        T::Currency::transfer(coldkey, &Self::pool_account(netuid), paid, Preservation::Preserve)
    }

    /// Moves TAO from the pool's account to `receiver`.
    pub(crate) fn pay_out_of_pool(netuid: NetUid, receiver: &T::AccountId, amount: Tao) -> DispatchResult {
        if amount > 0 {
            T::Currency::transfer(&Self::pool_account(netuid), receiver, amount, Preservation::Expendable)?;
        }
        Ok(())
    }

    /// Adds to the reserves at an unchanged price, as far as the weights allow. Returns TAO and alpha added.
    pub(crate) fn inject(netuid: NetUid, tao: Tao, alpha: Alpha) -> (Tao, Alpha) {
        if Self::pool_mechanism(netuid) == Mechanism::Stable {
            return (tao, alpha);
        }
        let injection = Self::pool(netuid).inject(tao, alpha);
        pallet_swap::Pallet::<T>::set_weights(netuid, &injection.reweighted);
        (injection.tao_rao, injection.alpha_rao)
    }

    pub(crate) fn add_alpha_reserve(netuid: NetUid, alpha: Alpha) {
        put_if_changed::<SubnetAlphaIn<T>, _>(netuid, Self::alpha_reserve(netuid).saturating_add(alpha));
    }

    pub(crate) fn add_tao_reserve(netuid: NetUid, tao: Tao) {
        put_if_changed::<SubnetTAO<T>, _>(netuid, Self::tao_reserve(netuid).saturating_add(tao));
        TotalStake::<T>::mutate(|total| *total = total.saturating_add(tao));
    }

    pub(crate) fn add_protocol_alpha(netuid: NetUid, alpha: Alpha) {
        put_if_changed::<SubnetProtocolAlpha<T>, _>(
            netuid,
            Self::protocol_alpha(netuid).saturating_add(alpha),
        );
    }

    /// Mints alpha outside the pool.
    pub(crate) fn mint_alpha(netuid: NetUid, alpha: Alpha) {
        SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_add(alpha));
    }

    /// Takes back alpha that is outside the pool and that nobody holds.
    pub(crate) fn recycle_alpha(netuid: NetUid, alpha: Alpha) {
        SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_sub(alpha));
    }

    pub(crate) fn record_user_flow(netuid: NetUid, tao_in: Tao, tao_out: Tao) {
        SubnetTaoFlow::<T>::mutate(netuid, |flow| *flow = shifted(*flow, tao_in, tao_out));
    }

    pub(crate) fn record_protocol_flow(netuid: NetUid, tao_in: Tao, tao_out: Tao) {
        let flow = SubnetProtocolFlow::<T>::get(netuid);
        put_if_changed::<SubnetProtocolFlow<T>, _>(netuid, shifted(flow, tao_in, tao_out));
    }

    /// Lets the moving price follow the spot price.
    pub(crate) fn update_moving_price(netuid: NetUid) {
        let Some(first_emission_block) = Self::first_emission_block(netuid) else { return };
        let smoothing = myelin_economy::subnet_emission::PriceSmoothing {
            base_factor: SubnetMovingAlpha::<T>::get(),
            halving_blocks: Self::price_halving_blocks(netuid),
        };
        SubnetMovingPrice::<T>::mutate(netuid, |price| {
            *price = myelin_economy::subnet_emission::next_moving_price(
                *price,
                Self::spot_price(netuid),
                smoothing,
                first_emission_block,
                Self::now(),
            );
        });
    }
}

fn try_update<Item, T: Config>(
    netuid: NetUid,
    update: impl FnOnce(u64) -> Option<u64>,
) -> Result<(), Error<T>>
where
    Item: frame_support::storage::StorageMap<NetUid, u64, Query = u64>,
{
    let new = update(Item::get(netuid)).ok_or(Error::<T>::InsufficientLiquidity)?;
    Item::insert(netuid, new);
    Ok(())
}

fn shifted(flow: i64, tao_in: Tao, tao_out: Tao) -> i64 {
    let signed = |tao: Tao| i64::try_from(tao).unwrap_or(i64::MAX);
    flow.saturating_add(signed(tao_in)).saturating_sub(signed(tao_out))
}
