//! Who takes stake of others.

use alloc::{collections::BTreeMap, vec::Vec};

use codec::Compact;
use myelin_economy::constants::RAO_PER_TAO;
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
        return_per_1000: u64 = return_per_1000(
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
        let per_epoch = u128::from(value_of(&Market::neuron_emission(*netuid), uid));
        let per_tempo_of_days = per_epoch.saturating_mul(u128::from(blocks_per_day));
        per_tempo_of_days.checked_div(u128::from(Market::tempo(*netuid)))
    };
    let total = registrations.iter().filter_map(on_subnet).fold(0, u128::saturating_add);
    u64::try_from(total).unwrap_or(u64::MAX)
}

/// Part of `daily_return` for 1000 TAO out of `root_stake`, after `take` of 65535; 0 without root stake.
fn return_per_1000(daily_return: u64, take: u16, root_stake: u64) -> u64 {
    let for_stakers = u128::from(daily_return) * u128::from(u16::MAX - take) / u128::from(u16::MAX);
    let thousand_tao = u128::from(1000 * RAO_PER_TAO);
    let part = for_stakers.saturating_mul(thousand_tao).checked_div(u128::from(root_stake));
    u64::try_from(part.unwrap_or_default()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAO: u64 = RAO_PER_TAO;

    #[test]
    fn a_thousand_tao_get_their_part_of_what_the_take_leaves() {
        assert_eq!(return_per_1000(80 * TAO, 0, 4_000 * TAO), 20 * TAO);
        assert_eq!(return_per_1000(80 * TAO, u16::MAX, 4_000 * TAO), 0);
        assert_eq!(return_per_1000(65_535, 13_107, 1_000 * TAO), 52_428);
    }

    #[test]
    fn without_root_stake_there_is_no_return_on_it() {
        assert_eq!(return_per_1000(80 * TAO, 0, 0), 0);
    }

    #[test]
    fn a_rao_of_root_stake_cannot_overflow_the_return() {
        assert_eq!(return_per_1000(u64::MAX, 0, 1), u64::MAX);
    }
}
