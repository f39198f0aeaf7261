//! Who stakes what.
//!
//! Nothing here locks stake, so that all stake is available and nobody has conviction.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use codec::{Decode, Encode};
use myelin_economy::pool::fee_on_gross;
use pallet_subtensor::{pools::Mechanism, Alpha, LockState, NetUid};
use scale_info::TypeInfo;
use substrate_fixed::types::U64F64;

use super::Market;
use crate::{AccountId, Swap};

/// A coldkey behind a hotkey on a subnet.
struct Position<'keys> {
    hotkey: &'keys AccountId,
    coldkey: &'keys AccountId,
    netuid: NetUid,
}

record! {
    /// What a coldkey has staked behind a hotkey on a subnet.
    StakeInfo(position: &Position<'_>) {
        /// Whom it is staked with.
        hotkey: AccountId = position.hotkey.clone();
        /// Whose it is.
        coldkey: AccountId = position.coldkey.clone();
        /// The subnet.
        #[codec(compact)]
        netuid: NetUid = position.netuid;
        /// Alpha; on root, rao of TAO.
        #[codec(compact)]
        stake: Alpha = Market::stake_of(position.hotkey, position.coldkey, position.netuid);
        /// Always 0: nothing here locks stake.
        #[codec(compact)]
        locked: Alpha = 0;
        /// Last epoch's dividends of the hotkey, in alpha.
        #[codec(compact)]
        emission: Alpha = Market::alpha_dividends(position.netuid, position.hotkey);
        /// Always 0; dividends are paid in alpha.
        #[codec(compact)]
        tao_emission: u64 = 0;
        /// Always 0; emission is not drained any more.
        #[codec(compact)]
        drain: u64 = 0;
        /// Whether the hotkey has a slot on the subnet.
        is_registered: bool = Market::is_registered(position.netuid, position.hotkey);
    }
}

/// How much of a coldkey's stake on a subnet it can take back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
pub struct StakeAvailability {
    /// Alpha behind all hotkeys.
    #[codec(compact)]
    pub total: Alpha,
    /// Always 0: nothing here locks stake.
    #[codec(compact)]
    pub locked: Alpha,
    /// What is not locked.
    #[codec(compact)]
    pub available: Alpha,
}

/// Stake of many coldkeys, by subnet.
pub type StakeAvailabilities = BTreeMap<AccountId, BTreeMap<NetUid, StakeAvailability>>;

/// All stake of `coldkey`, by subnet, then by hotkey.
pub fn stake_info_for_coldkey(coldkey: &AccountId) -> Vec<StakeInfo> {
    let hotkeys = Market::staking_hotkeys(coldkey);
    Market::all_netuids()
        .into_iter()
        .flat_map(|netuid| hotkeys.iter().map(move |hotkey| Position { hotkey, coldkey, netuid }))
        .map(|position| StakeInfo::of(&position))
        .filter(|info| info.stake > 0)
        .collect()
}

/// All stake of each of `coldkeys`.
pub fn stake_info_for_coldkeys(coldkeys: Vec<AccountId>) -> Vec<(AccountId, Vec<StakeInfo>)> {
    coldkeys
        .into_iter()
        .map(|coldkey| {
            let infos = stake_info_for_coldkey(&coldkey);
            (coldkey, infos)
        })
        .collect()
}

/// What `coldkey` has staked with `hotkey` on `netuid`, even if that is nothing.
pub fn stake_info(hotkey: &AccountId, coldkey: &AccountId, netuid: NetUid) -> StakeInfo {
    StakeInfo::of(&Position { hotkey, coldkey, netuid })
}

/// What each of `coldkeys` can take back, on `netuids` or on all subnets. Subnets without stake are left out.
///
/// A list of more netuids than there are subnets is answered like an empty one.
pub fn stake_availability(coldkeys: Vec<AccountId>, netuids: Option<Vec<NetUid>>) -> StakeAvailabilities {
    let all = Market::all_netuids();
    let netuids: BTreeSet<NetUid> = match netuids {
        None => all.into_iter().collect(),
        Some(asked) if asked.len() > all.len() => BTreeSet::new(),
        Some(asked) => asked.into_iter().collect(),
    };
    coldkeys
        .into_iter()
        .map(|coldkey| {
            let rows = availability_of(&coldkey, &netuids);
            (coldkey, rows)
        })
        .collect()
}

fn availability_of(coldkey: &AccountId, netuids: &BTreeSet<NetUid>) -> BTreeMap<NetUid, StakeAvailability> {
    let hotkeys = Market::staking_hotkeys(coldkey);
    let total_on = |netuid| {
        hotkeys
            .iter()
            .fold(0, |total: Alpha, hotkey| total.saturating_add(Market::stake_of(hotkey, coldkey, netuid)))
    };
    netuids
        .iter()
        .map(|netuid| (*netuid, total_on(*netuid)))
        .filter(|(_, total)| *total > 0)
        .map(|(netuid, total)| (netuid, StakeAvailability { total, locked: 0, available: total }))
        .collect()
}

/// Fee on moving `amount` of stake: that of the pool it goes to, or else of the pool it comes from.
pub fn stake_fee(
    origin: Option<(AccountId, NetUid)>,
    destination: Option<(AccountId, NetUid)>,
    amount: u64,
) -> u64 {
    if origin == destination {
        return 0;
    }
    match destination.or(origin) {
        Some((_, netuid)) if Market::pool_mechanism(netuid) == Mechanism::Dynamic => {
            fee_on_gross(amount, Swap::fee_rate(netuid))
        }
        _ => 0,
    }
}

/// What `coldkey` has locked on `netuid`. Nothing: nothing here locks stake.
pub fn coldkey_lock(_coldkey: AccountId, _netuid: NetUid) -> Option<LockState> {
    None
}

/// What age has made of the locks on `hotkey`. Nothing: nothing here locks stake.
pub fn hotkey_conviction(_hotkey: AccountId, _netuid: NetUid) -> U64F64 {
    U64F64::from_num(0)
}

/// The hotkey of `netuid` with the most conviction. None: nothing here locks stake.
pub fn most_convicted_hotkey(_netuid: NetUid) -> Option<AccountId> {
    None
}
