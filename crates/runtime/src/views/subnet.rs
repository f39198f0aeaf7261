//! A subnet without its neurons.

use alloc::vec::Vec;

use codec::Compact;
use pallet_subtensor::{NetUid, SubnetIdentityV3};
use substrate_fixed::types::I96F32;

use super::{compact, Market};
use crate::AccountId;

records! {
    (netuid: NetUid)
    /// A subnet, as older clients know it.
    short SubnetInfo;
    /// A subnet and how it presents itself, as older clients know it.
    long SubnetInfov2;
    both {
        /// The subnet.
        #[codec(compact)]
        netuid: NetUid = netuid;
        /// Sigmoid temperature of an earlier trust definition.
        #[codec(compact)]
        rho: u16 = Market::rho(netuid);
        /// Share of stake, of 65535, that decides consensus.
        #[codec(compact)]
        kappa: u16 = Market::kappa(netuid);
        /// Difficulty of proof of work, which does not exist here.
        #[codec(compact)]
        difficulty: u64 = Market::difficulty(netuid);
        /// Blocks during which a new neuron is replaced last.
        #[codec(compact)]
        immunity_period: u16 = Market::immunity_period(netuid);
        /// Most validators.
        #[codec(compact)]
        max_allowed_validators: u16 = Market::max_allowed_validators(netuid);
        /// Fewest weights in a weight vector.
        #[codec(compact)]
        min_allowed_weights: u16 = Market::min_allowed_weights(netuid);
        /// Largest single weight, of 65535.
        #[codec(compact)]
        max_weights_limit: u16 = Market::max_weights_limit(netuid);
        /// Always 50; of a rule that the protocol has no more.
        #[codec(compact)]
        scaling_law_power: u16 = 50;
        /// Neurons.
        #[codec(compact)]
        subnetwork_n: u16 = Market::neuron_count(netuid);
        /// Most neurons.
        #[codec(compact)]
        max_allowed_uids: u16 = Market::max_allowed_uids(netuid);
        /// Blocks since the last epoch ran.
        #[codec(compact)]
        blocks_since_last_step: u64 = Market::epoch_schedule(netuid).blocks_since_epoch;
        /// Blocks in an epoch.
        #[codec(compact)]
        tempo: u16 = Market::tempo(netuid);
        /// Always 0; subnets have no modality any more.
        #[codec(compact)]
        network_modality: u16 = 0;
        /// Always empty; subnets do not depend on each other any more.
        network_connect: Vec<[u16; 2]> = Vec::new();
        /// Always 0; emission goes to pools.
        #[codec(compact)]
        emission_values: u64 = 0;
        /// Price of a slot, in rao.
        #[codec(compact)]
        burn: u64 = Market::burn(netuid);
        /// The owner's coldkey.
        owner: AccountId = Market::owner_coldkey(netuid);
    }
    long {
        /// How the subnet presents itself.
        identity: Option<SubnetIdentityV3> = Market::subnet_identity(netuid);
    }
    both {}
}

record! {
    /// What changes from block to block on a subnet.
    DynamicInfo(netuid: NetUid) {
        /// The subnet.
        #[codec(compact)]
        netuid: NetUid = netuid;
        /// The owner's hotkey.
        owner_hotkey: AccountId = Market::owner_hotkey(netuid);
        /// The owner's coldkey.
        owner_coldkey: AccountId = Market::owner_coldkey(netuid);
        /// Name to show, UTF-8.
        subnet_name: Vec<Compact<u8>> = compact(Market::subnet_name(netuid));
        /// Symbol of the token, UTF-8.
        token_symbol: Vec<Compact<u8>> = compact(Market::token_symbol(netuid));
        /// Blocks in an epoch.
        #[codec(compact)]
        tempo: u16 = Market::tempo(netuid);
        /// Block of the last epoch that ran.
        #[codec(compact)]
        last_step: u64 = Market::last_step_block(netuid);
        /// Blocks since the last epoch ran.
        #[codec(compact)]
        blocks_since_last_step: u64 = Market::epoch_schedule(netuid).blocks_since_epoch;
        /// Always 0; TAO goes to pools, see `tao_in_emission`.
        #[codec(compact)]
        emission: u64 = 0;
        /// Alpha in the pool.
        #[codec(compact)]
        alpha_in: u64 = Market::alpha_reserve(netuid);
        /// Alpha outside the pool.
        #[codec(compact)]
        alpha_out: u64 = Market::alpha_out(netuid);
        /// TAO in the pool, in rao.
        #[codec(compact)]
        tao_in: u64 = Market::tao_reserve(netuid);
        /// Alpha that the last block minted outside the pool.
        #[codec(compact)]
        alpha_out_emission: u64 = Market::last_emission(netuid).2;
        /// Alpha that the last block put into the pool.
        #[codec(compact)]
        alpha_in_emission: u64 = Market::last_emission(netuid).1;
        /// Rao that the last block put into the pool.
        #[codec(compact)]
        tao_in_emission: u64 = Market::last_emission(netuid).0;
        /// Alpha for miners and validators until the next epoch.
        #[codec(compact)]
        pending_alpha_emission: u64 = pending_alpha(netuid);
        /// Always 0; root is paid in alpha.
        #[codec(compact)]
        pending_root_emission: u64 = 0;
        /// Rao traded so far.
        #[codec(compact)]
        subnet_volume: u128 = Market::traded_volume(netuid);
        /// Block of registration.
        #[codec(compact)]
        network_registered_at: u64 = Market::registered_at(netuid);
        /// How the subnet presents itself.
        subnet_identity: Option<SubnetIdentityV3> = Market::subnet_identity(netuid);
        /// Moving average of the price, TAO an alpha.
        moving_price: I96F32 = Market::moving_price(netuid);
    }
}

/// Alpha for miners and validators of `netuid` until the next epoch.
pub(super) fn pending_alpha(netuid: NetUid) -> u64 {
    let pending = Market::pending_emission(netuid);
    pending.server_rao.saturating_add(pending.validator_rao)
}

/// `netuid`, as older clients know it.
pub fn subnet_info(netuid: NetUid) -> Option<SubnetInfo> {
    existing(netuid).map(SubnetInfo::of)
}

/// All subnets, as older clients know them.
pub fn subnets_info() -> Vec<Option<SubnetInfo>> {
    Market::all_netuids().into_iter().map(subnet_info).collect()
}

/// `netuid` and how it presents itself, as older clients know it.
pub fn subnet_info_v2(netuid: NetUid) -> Option<SubnetInfov2> {
    existing(netuid).map(SubnetInfov2::of)
}

/// All subnets and how they present themselves, as older clients know them.
pub fn subnets_info_v2() -> Vec<Option<SubnetInfov2>> {
    Market::all_netuids().into_iter().map(subnet_info_v2).collect()
}

/// What changes from block to block on `netuid`.
pub fn dynamic_info(netuid: NetUid) -> Option<DynamicInfo> {
    existing(netuid).map(DynamicInfo::of)
}

/// What changes from block to block on all subnets.
pub fn all_dynamic_info() -> Vec<Option<DynamicInfo>> {
    Market::all_netuids().into_iter().map(dynamic_info).collect()
}

/// The account that holds the TAO of `netuid`.
pub fn subnet_account_id(netuid: NetUid) -> Option<AccountId> {
    existing(netuid).map(Market::pool_account)
}

/// Block of the next epoch of `netuid`, unless too many others are due with it; `None` if its tempo is 0.
pub fn next_epoch_start_block(netuid: NetUid) -> Option<u64> {
    Market::epoch_schedule(netuid).next_epoch_block()
}

/// `netuid`, if there is such a subnet.
pub(super) fn existing(netuid: NetUid) -> Option<NetUid> {
    Market::subnet_exists(netuid).then_some(netuid)
}
