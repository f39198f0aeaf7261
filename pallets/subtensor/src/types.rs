//! Values that cross the border of the pallet: keys, amounts and records in the shape that clients decode.

use alloc::{collections::BTreeSet, vec::Vec};

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_runtime::Percent;
use substrate_fixed::types::U64F64;

/// Number of a subnet. 0 is root.
pub type NetUid = u16;
/// Number of a mechanism inside a subnet.
pub type MechId = u8;
/// Key of what is stored once for each mechanism: `mechanism * 4096 + netuid`.
pub type StorageIndex = u16;
/// Slot of a neuron inside a subnet.
pub type Uid = u16;
/// An amount of TAO, in rao.
pub type Tao = u64;
/// An amount of a subnet's token, in its rao.
pub type Alpha = u64;

/// The subnet where TAO itself is staked.
pub const ROOT: NetUid = 0;
/// Netuids below this bound have a mechanism storage index.
pub const MAX_SUBNETS: u16 = 4096;
/// Hotkeys that one coldkey may own, and that it may stake with: both are lists that grow by being written anew.
pub const MAX_HOTKEYS_OF_COLDKEY: usize = 256;

/// The key under which `mechanism` of `netuid` stores weights, bonds, incentive and last updates.
pub fn storage_index(netuid: NetUid, mechanism: MechId) -> StorageIndex {
    u16::from(mechanism).saturating_mul(MAX_SUBNETS).saturating_add(netuid)
}

macro_rules! record {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident : $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(
            Clone, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo,
        )]
        pub struct $name { $($(#[$field_meta])* pub $field: $type),* }
    };
}

record! {
    /// Where a neuron answers requests.
    AxonInfo {
        /// Block of the announcement.
        block: u64,
        /// Version the server announces.
        version: u32,
        /// IPv4 in the low 32 bits, or IPv6.
        ip: u128,
        /// TCP port.
        port: u16,
        /// 4 or 6.
        ip_type: u8,
        /// Protocol number of the subnet's choice.
        protocol: u8,
        /// Free for the subnet's use.
        placeholder1: u8,
        /// Free for the subnet's use.
        placeholder2: u8,
    }
}

record! {
    /// Where a neuron serves metrics.
    PrometheusInfo {
        /// Block of the announcement.
        block: u64,
        /// Version the server announces.
        version: u32,
        /// IPv4 in the low 32 bits, or IPv6.
        ip: u128,
        /// TCP port.
        port: u16,
        /// 4 or 6.
        ip_type: u8,
    }
}

record! {
    /// How a coldkey presents itself.
    ChainIdentityV2 {
        /// Display name.
        name: Vec<u8>,
        /// Web page.
        url: Vec<u8>,
        /// Source repository.
        github_repo: Vec<u8>,
        /// Picture.
        image: Vec<u8>,
        /// Discord contact.
        discord: Vec<u8>,
        /// What it is.
        description: Vec<u8>,
        /// Anything else.
        additional: Vec<u8>,
    }
}

record! {
    /// How a subnet presents itself.
    SubnetIdentityV3 {
        /// Display name.
        subnet_name: Vec<u8>,
        /// Source repository.
        github_repo: Vec<u8>,
        /// Contact.
        subnet_contact: Vec<u8>,
        /// Web page.
        subnet_url: Vec<u8>,
        /// Discord contact.
        discord: Vec<u8>,
        /// What it sells.
        description: Vec<u8>,
        /// Picture.
        logo_url: Vec<u8>,
        /// Anything else.
        additional: Vec<u8>,
    }
}

/// Stake that its owner has promised not to sell for a while.
#[derive(
    Clone, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct LockState {
    /// Locked alpha.
    pub locked_mass: Alpha,
    /// Weight that the lock has gained with age.
    pub conviction: U64F64,
    /// Block up to which both are rolled forward.
    pub last_update: u64,
}

/// Stake that a miner has promised to lose step by step as it earns.
#[derive(
    Clone, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct MinerCollateralState {
    /// Locked alpha.
    pub locked: Alpha,
    /// Alpha that stays locked whatever the miner earns.
    pub min_locked: Alpha,
    /// Alpha earned so far.
    pub earned: Alpha,
    /// Alpha released for each alpha earned.
    pub drain_ratio: U64F64,
}

/// A subnet that many have paid for and one operates.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SubnetLease<AccountId> {
    /// Who operates it.
    pub beneficiary: AccountId,
    /// The subnet's owner.
    pub coldkey: AccountId,
    /// The owner's hotkey.
    pub hotkey: AccountId,
    /// Part of the owner's cut that goes to those who have paid.
    pub emissions_share: Percent,
    /// Last block, if there is one.
    pub end_block: Option<u32>,
    /// The subnet.
    pub netuid: NetUid,
    /// What was paid, in rao.
    pub cost: Tao,
}

/// What a coldkey wants done with root dividends.
#[derive(Clone, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum RootClaimTypeEnum {
    /// Sell for TAO and stake that on root.
    #[default]
    Swap,
    /// Keep as stake on the subnet.
    Keep,
    /// Keep on these subnets, sell on all others.
    KeepSubnets {
        /// Subnets to keep.
        subnets: BTreeSet<NetUid>,
    },
}

/// Writes a value only if it changes. The block step touches every subnet, and a write costs the block a path of the state's
/// trie, changed or not.
pub(crate) fn put_if_changed<Item, Value>(netuid: NetUid, value: Value)
where
    Item: frame_support::storage::StorageMap<NetUid, Value, Query = Value>,
    Value: codec::FullCodec + PartialEq,
{
    if Item::get(netuid) != value {
        Item::insert(netuid, value);
    }
}

/// What becomes of incentive that the subnet's owner would pay to themself.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum RecycleOrBurnEnum {
    /// Out of reach for ever, still part of issuance.
    #[default]
    Burn,
    /// Taken back, to be emitted again.
    Recycle,
}

/// How a subnet turns weights into rewards.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub enum EpochConsensus {
    /// Yuma Consensus.
    #[default]
    Yuma,
    /// No consensus at all.
    Null,
}

/// Key of the block of the last use of a rate-limited action.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen)]
pub enum RateLimitKey<AccountId> {
    /// Change of a subnet's owner hotkey.
    SetSNOwnerHotkey(NetUid),
    /// Change of one hyperparameter by the owner: parameter number.
    OwnerHyperparamUpdate(NetUid, u8),
    /// Registration of any subnet.
    NetworkLastRegistered,
    /// Last transaction of a coldkey that is limited.
    LastTxBlock(AccountId),
    /// Last change of a childkey take.
    LastTxBlockChildKeyTake(AccountId),
    /// Last change of a delegate take.
    LastTxBlockDelegateTake(AccountId),
    /// Last buy-and-burn.
    AddStakeBurn(NetUid),
}
