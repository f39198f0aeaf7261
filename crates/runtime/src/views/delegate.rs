//! Who takes stake of others.

use alloc::{collections::BTreeMap, vec::Vec};

use codec::Compact;
use myelin_economy::delegation::{daily_rao, return_per_1000_tao_rao};
use pallet_subtensor::{Alpha, NetUid, ROOT};

use super::{value_of, Market};
use crate::{AccountId, SlotDuration};

const MILLISECONDS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

/// Stake of one coldkey, by subnet.
type Nomination = (AccountId, Vec<(Compact<NetUid>, Compact<Alpha>)>);

/// A delegate without its nominators, a subnet, and the stake of one coldkey there.
pub type Delegation = (DelegateInfo, (Compact<NetUid>, Compact<Alpha>));

/// Where a delegate's record comes from.
struct Delegate {
    hotkey: AccountId,
    take: u16,
    nominators: Vec<Nomination>,
    registrations: Vec<NetUid>,
    daily_return: u64,
}

impl Delegate {
    fn of(hotkey: AccountId, nominators: Vec<Nomination>) -> Self {
        let registrations = Market::memberships(&hotkey);
        Self {
            take: Market::take_of(&hotkey),
            nominators,
            daily_return: daily_return(&hotkey, &registrations),
            registrations,
            hotkey,
        }
    }

    /// Subnets on which the delegate may validate.
    fn permits(&self) -> Vec<Compact<NetUid>> {
        let may_validate = |netuid: &NetUid| {
            Market::uid_of(*netuid, &self.hotkey)
                .is_some_and(|uid| Market::has_validator_permit(*netuid, uid))
        };
        self.registrations.iter().copied().filter(may_validate).map(Compact).collect()
    }
}

record! {
    /// Somebody who takes stake of others.
    DelegateInfo(delegate: Delegate) {
        /// The delegate's hotkey.
        delegate_ss58: AccountId = delegate.hotkey.clone();
        /// What it keeps of its stakers' dividends, of 65535.
        #[codec(compact)]
        take: u16 = delegate.take;
        /// Who stakes with it: coldkey, and alpha by subnet.
        nominators: Vec<(AccountId, Vec<(Compact<NetUid>, Compact<Alpha>)>)> = delegate.nominators.clone();
        /// The coldkey that owns it.
        owner_ss58: AccountId = Market::coldkey_of(&delegate.hotkey);
        /// Subnets on which it has a slot.
        registrations: Vec<Compact<NetUid>> = delegate.registrations.iter().copied().map(Compact).collect();
        /// Subnets on which it may validate.
        validator_permits: Vec<Compact<NetUid>> = delegate.permits();
        /// Part of the daily return that 1000 TAO staked on root with it would get, after its take.
        #[codec(compact)]
        return_per_1000: u64 = return_per_1000_tao_rao(
            delegate.daily_return,
            delegate.take,
            Market::hotkey_alpha(&delegate.hotkey, ROOT),
        );
        /// Alpha of the last epochs at a day's pace; alpha of all subnets in one sum, as if it were one currency.
        #[codec(compact)]
        total_daily_return: u64 = delegate.daily_return;
    }
}

/// Everybody who takes stake of others.
pub fn delegates() -> Vec<DelegateInfo> {
    Market::delegates().into_iter().map(with_nominators).collect()
}

/// `hotkey`, if it takes stake of others.
pub fn delegate(hotkey: AccountId) -> Option<DelegateInfo> {
    Market::is_delegate(&hotkey).then(|| with_nominators(hotkey))
}

/// Everybody that `coldkey` stakes with, subnet by subnet.
pub fn delegated(coldkey: &AccountId) -> Vec<Delegation> {
    let netuids = Market::all_netuids();
    let stakes_with = |hotkey: &AccountId| {
        let stake = |netuid: NetUid| (netuid, Market::stake_of(hotkey, coldkey, netuid));
        netuids.iter().copied().map(stake).filter(|(_, alpha)| *alpha > 0).collect::<Vec<_>>()
    };
    Market::staking_hotkeys(coldkey)
        .into_iter()
        .filter(Market::is_delegate)
        .flat_map(|hotkey| {
            let rows = stakes_with(&hotkey);
            rows.into_iter().map(move |(netuid, alpha)| {
                let info = DelegateInfo::of(Delegate::of(hotkey.clone(), Vec::new()));
                (info, (Compact(netuid), Compact(alpha)))
            })
        })
        .collect()
}

fn with_nominators(hotkey: AccountId) -> DelegateInfo {
    let mut by_coldkey = BTreeMap::<AccountId, Vec<_>>::new();
    for (coldkey, netuid, alpha) in Market::nominators_of(&hotkey) {
        by_coldkey.entry(coldkey).or_default().push((Compact(netuid), Compact(alpha)));
    }
    DelegateInfo::of(Delegate::of(hotkey, by_coldkey.into_iter().collect()))
}

/// What `hotkey` would earn in a day at the pace of its last epochs.
fn daily_return(hotkey: &AccountId, registrations: &[NetUid]) -> u64 {
    let blocks_per_day = MILLISECONDS_PER_DAY.checked_div(SlotDuration::get()).unwrap_or_default();
    let on_subnet = |netuid: &NetUid| {
        let uid = Market::uid_of(*netuid, hotkey)?;
        let per_epoch = value_of(&Market::neuron_emission(*netuid), uid);
        Some(daily_rao(per_epoch, Market::tempo(*netuid), blocks_per_day))
    };
    registrations.iter().filter_map(on_subnet).fold(0, u64::saturating_add)
}
