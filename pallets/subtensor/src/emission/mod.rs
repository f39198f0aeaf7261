//! Minting, pending rewards and payment: what happens at the start of every block.
//!
//! 1. Prices of slots decay.
//! 2. A block's TAO is minted and divided among subnets by their moving prices. What a pool cannot take at its price buys
//!    alpha. What no subnet takes is not minted after all.
//! 3. Each subnet's alpha is minted and set aside for owner, miners, validators and root.
//! 4. Subnets whose epoch is due run Yuma Consensus and pay out what was set aside.
//! 5. Moving prices follow.

mod distribution;
pub mod storage;

use alloc::vec::Vec;

use frame_support::{
    pallet_prelude::*,
    storage::generator::StorageDoubleMap as _,
    traits::{
        fungible::{Balanced, Credit, Inspect},
        Imbalance,
    },
};
use myelin_economy::{
    block_emission::{block_emission_rao, mintable_rao},
    distribution::EpochPots,
    pool::Side,
    subnet_emission::{
        accrue, effective_moving_price, injection, root_proportion, root_sells, tao_emission, tao_shares,
        EmittingSubnet, Injection, InjectionInputs,
    },
};
use substrate_fixed::types::{U64F64, U96F32};

use crate::{
    pools::{Fee, Mechanism},
    *,
};

/// What one block step may cost, charged whether it costs that or not.
const BLOCK_STEP_PICOSECONDS: u64 = 10_000_000_000;

impl<T: Config> Pallet<T> {
    /// TAO in existence at the end of the last block, in rao.
    pub fn total_issuance() -> Tao {
        TotalIssuance::<T>::get()
    }

    /// Rao of TAO that a block mints at an issuance.
    pub fn block_emission_for(issuance: Tao) -> Tao {
        // The curve has a value for every issuance below its ceiling, and is zero above.
        block_emission_rao(issuance).unwrap_or_default()
    }

    /// What the last block put into the pool of `netuid` and minted outside: TAO in, alpha in, alpha out.
    pub fn last_emission(netuid: NetUid) -> (Tao, Alpha, Alpha) {
        (
            SubnetTaoInEmission::<T>::get(netuid),
            SubnetAlphaInEmission::<T>::get(netuid),
            SubnetAlphaOutEmission::<T>::get(netuid),
        )
    }

    /// What is set aside until the next epoch.
    pub fn pending_emission(netuid: NetUid) -> EpochPots {
        EpochPots {
            server_rao: PendingServerEmission::<T>::get(netuid),
            validator_rao: PendingValidatorEmission::<T>::get(netuid),
            root_rao: PendingRootAlphaDivs::<T>::get(netuid),
            owner_cut_rao: PendingOwnerCut::<T>::get(netuid),
        }
    }

    /// Alpha outside the pool that nobody holds.
    pub fn unassigned_alpha(netuid: NetUid) -> Alpha {
        UnassignedAlpha::<T>::get(netuid)
    }

    /// Last epoch's dividends of `hotkey`, in alpha.
    pub fn alpha_dividends(netuid: NetUid, hotkey: &T::AccountId) -> Alpha {
        AlphaDividendsPerSubnet::<T>::get(netuid, hotkey)
    }

    /// What the storage keys of dividends start with.
    pub(crate) fn dividend_prefixes() -> [[u8; 32]; 2] {
        [AlphaDividendsPerSubnet::<T>::prefix_hash(), RootAlphaDividendsPerSubnet::<T>::prefix_hash()]
    }

    /// Whether the owner of `netuid` is paid.
    pub fn owner_cut_enabled(netuid: NetUid) -> bool {
        OwnerCutEnabled::<T>::get(netuid)
    }

    /// The ledger's issuance is the market's: nothing is counted twice.
    pub(crate) fn record_issuance() {
        TotalIssuance::<T>::put(T::Currency::total_issuance());
    }

    /// Notes alpha that was minted and that nobody holds.
    pub(crate) fn leave_unassigned(netuid: NetUid, alpha: Alpha) {
        if alpha > 0 {
            UnassignedAlpha::<T>::mutate(netuid, |total| *total = total.saturating_add(alpha));
        }
    }

    pub(crate) fn block_step() -> Weight {
        let mut netuids = Self::all_netuids();
        for netuid in &netuids {
            Self::roll_registration(*netuid);
        }
        netuids.retain(|netuid| *netuid != ROOT);
        let emitting = Self::emitting(&netuids);
        Self::emit_tao(&emitting);
        Self::accrue_alpha(&emitting);
        for netuid in Self::tick_epochs(&netuids) {
            let pots = Self::take_pending(netuid);
            Self::distribute_epoch(netuid, pots);
            Self::record_step(netuid);
        }
        for netuid in &emitting {
            Self::update_moving_price(*netuid);
            put_if_changed::<RootProp<T>, _>(*netuid, Self::root_proportion(*netuid));
        }
        Weight::from_parts(BLOCK_STEP_PICOSECONDS, 0)
    }

    /// Those of `netuids` that have started, trade and take neurons, in the same order.
    fn emitting(netuids: &[NetUid]) -> Vec<NetUid> {
        let is_emitting = |netuid: &NetUid| {
            Self::first_emission_block(*netuid).is_some()
                && Self::subtoken_enabled(*netuid)
                && Self::registration_allowed(*netuid)
        };
        netuids.iter().copied().filter(is_emitting).collect()
    }

    fn root_proportion(netuid: NetUid) -> U96F32 {
        root_proportion(Self::tao_reserve(ROOT), Self::tao_weight(), Self::alpha_issuance(netuid))
    }

    fn effective_moving_price(netuid: NetUid) -> U64F64 {
        let is_dynamic = Self::pool_mechanism(netuid) == Mechanism::Dynamic;
        effective_moving_price(Self::moving_price(netuid), is_dynamic)
    }

    /// Mints a block's TAO and gives every subnet its share. What is left is destroyed again.
    fn emit_tao(netuids: &[NetUid]) {
        let issuance = T::Currency::total_issuance();
        let emission = mintable_rao(Self::block_emission_for(issuance), issuance);
        BlockEmission::<T>::put(emission);
        let mut credit = T::Currency::issue(emission);
        let injections = Self::plan_injections(netuids, credit.peek());
        for (netuid, injection) in netuids.iter().zip(injections) {
            Self::apply_injection(*netuid, &injection, &mut credit);
        }
    }

    fn plan_injections(netuids: &[NetUid], block_emission: Tao) -> Vec<Injection> {
        let subnets: Vec<EmittingSubnet> = netuids
            .iter()
            .map(|netuid| EmittingSubnet {
                moving_price: Self::effective_moving_price(*netuid),
                miner_burned: MinerBurned::<T>::get(netuid),
                tao_enabled: Self::emission_enabled(*netuid),
            })
            .collect();
        netuids
            .iter()
            .zip(tao_shares(&subnets))
            .map(|(netuid, share)| {
                injection(&InjectionInputs {
                    tao_emission: tao_emission(block_emission, share),
                    alpha_emission_rao: Self::alpha_emission(*netuid),
                    spot_price: Self::spot_price(*netuid),
                    root_proportion: Self::root_proportion(*netuid),
                })
            })
            .collect()
    }

    fn alpha_emission(netuid: NetUid) -> Alpha {
        Self::block_emission_for(Self::alpha_issuance(netuid))
    }

    /// Reweights the pool, buys alpha with the excess, then lets the reserves grow; in this order.
    fn apply_injection(
        netuid: NetUid,
        injection: &Injection,
        credit: &mut Credit<T::AccountId, T::Currency>,
    ) {
        let (tao_in, alpha_in) = Self::inject(netuid, injection.tao_in_rao, injection.alpha_in_rao);
        let bought = Self::buy_with_excess(netuid, injection.excess_tao_rao, credit);
        put_if_changed::<SubnetExcessTao<T>, _>(netuid, bought);
        put_if_changed::<SubnetAlphaInEmission<T>, _>(netuid, alpha_in);
        Self::add_alpha_reserve(netuid, alpha_in);
        let paid = Self::pay_from_credit(netuid, tao_in, credit);
        put_if_changed::<SubnetTaoInEmission<T>, _>(netuid, paid);
        Self::add_tao_reserve(netuid, paid);
        Self::record_protocol_flow(netuid, bought.saturating_add(paid), 0);
        put_if_changed::<SubnetAlphaOutEmission<T>, _>(netuid, injection.alpha_out_rao);
        Self::mint_alpha(netuid, injection.alpha_out_rao);
    }

    /// Buys alpha that nobody will own. Returns the TAO spent; nothing, if the pool refuses.
    fn buy_with_excess(netuid: NetUid, tao: Tao, credit: &mut Credit<T::AccountId, T::Currency>) -> Tao {
        if tao == 0 || Self::pool_mechanism(netuid) == Mechanism::Stable || credit.peek() < tao {
            return 0;
        }
        let Ok(trade) = Self::swap_at_market(netuid, Side::Buy, tao, Fee::Waived) else { return 0 };
        Self::add_protocol_alpha(netuid, trade.paid_out);
        Self::pay_from_credit(netuid, trade.paid_in, credit)
    }

    /// Moves TAO from the block's credit to the pool's account. Returns what was moved: all or nothing.
    fn pay_from_credit(netuid: NetUid, tao: Tao, credit: &mut Credit<T::AccountId, T::Currency>) -> Tao {
        if tao == 0 || credit.peek() < tao {
            return 0;
        }
        match T::Currency::resolve(&Self::pool_account(netuid), credit.extract(tao)) {
            Ok(()) => tao,
            Err(unpaid) => {
                credit.subsume(unpaid);
                0
            }
        }
    }

    /// Divides each subnet's new alpha and sets it aside.
    fn accrue_alpha(netuids: &[NetUid]) {
        let prices: Vec<U64F64> =
            netuids.iter().map(|netuid| Self::effective_moving_price(*netuid)).collect();
        let root_is_paid = root_sells(&prices);
        let owner_cut = SubnetOwnerCut::<T>::get();
        for netuid in netuids {
            let cut = Self::owner_cut_enabled(*netuid).then_some(owner_cut);
            let created = SubnetAlphaOutEmission::<T>::get(netuid);
            let parts = accrue(created, cut, Self::root_proportion(*netuid));
            add::<PendingOwnerCut<T>>(*netuid, parts.owner_cut_rao);
            add::<PendingServerEmission<T>>(*netuid, parts.server_rao);
            add::<PendingValidatorEmission<T>>(*netuid, parts.validator_rao);
            if root_is_paid {
                add::<PendingRootAlphaDivs<T>>(*netuid, parts.root_rao);
            } else {
                Self::recycle_alpha(*netuid, parts.root_rao);
            }
            Self::leave_unassigned(*netuid, parts.dust_rao);
        }
    }

    fn take_pending(netuid: NetUid) -> EpochPots {
        EpochPots {
            server_rao: PendingServerEmission::<T>::take(netuid),
            validator_rao: PendingValidatorEmission::<T>::take(netuid),
            root_rao: PendingRootAlphaDivs::<T>::take(netuid),
            owner_cut_rao: PendingOwnerCut::<T>::take(netuid),
        }
    }
}

fn add<Item>(netuid: NetUid, alpha: Alpha)
where
    Item: frame_support::storage::StorageMap<NetUid, Alpha, Query = Alpha>,
{
    put_if_changed::<Item, _>(netuid, Item::get(netuid).saturating_add(alpha));
}
