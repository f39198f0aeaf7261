//! Which calls are executed, whoever sends them.
//!
//! The filter looks at a transaction's call and at every call within it, because what `Sudo` and `Utility` dispatch for
//! root is filtered nowhere else: what is refused outside of them is refused inside. Root may do what the books account for:
//! move and grant TAO, set fees, and write into the state what the books do not depend on. It may not write anything else there, touch
//! the TAO of pools, act as a pool, grant more TAO than there can ever be, or correct the books.

use alloc::{boxed::Box, vec::Vec};

use codec::DecodeAll;
use frame_support::traits::Contains;
use frame_system::RawOrigin;
use myelin_economy::constants::TOTAL_SUPPLY_RAO;
use sp_runtime::MultiAddress;

use crate::{
    AccountId, Address, Balances, OriginCaller, Runtime, RuntimeCall, SlotDuration, SubtensorModule,
    SLOT_DURATIONS_MS,
};

/// How many calls a call may lie in. Every dispatch on the way looks at all that lies below it.
const MAX_DEPTH: u8 = 8;

/// Calls that may be dispatched.
///
/// Code is part of the node here, so the calls that would replace it have nothing to replace; a batch inside a batch only
/// serves to hide work from limits; TAO sent to a subnet's pool would be lost, because it becomes nobody's stake; and
/// time is set by whoever makes the block, once.
pub struct CallFilter;

impl Contains<RuntimeCall> for CallFilter {
    fn contains(call: &RuntimeCall) -> bool {
        let mut granted_rao = 0;
        permits(call, Place::default(), &mut granted_rao) && may_exist(granted_rao)
    }
}

/// Whether so much can be granted without more in existence than there may ever be.
fn may_exist(granted_rao: u128) -> bool {
    let issuance_rao = || u128::from(Balances::total_issuance());
    granted_rao == 0 || granted_rao.saturating_add(issuance_rao()) <= u128::from(TOTAL_SUPPLY_RAO)
}

/// What a call lies in.
#[derive(Clone, Copy, Default)]
struct Place {
    depth: u8,
    in_batch: bool,
}

/// Whether `call` and all calls within it may be dispatched, if as much TAO as they grant may exist. Adds that up.
fn permits(call: &RuntimeCall, place: Place, granted_rao: &mut u128) -> bool {
    let is_batch = is_batch(call);
    let inside = Place { depth: place.depth.saturating_add(1), in_batch: place.in_batch || is_batch };
    *granted_rao = granted_rao.saturating_add(grant_rao(call).into());
    place.depth <= MAX_DEPTH
        && !(place.in_batch && is_batch)
        && permits_itself(call, place)
        && calls_within(call).into_iter().all(|inner| permits(inner, inside, granted_rao))
}

fn permits_itself(call: &RuntimeCall, place: Place) -> bool {
    match call {
        RuntimeCall::System(call) => permits_system(call),
        RuntimeCall::Timestamp(_) => place.depth == 0,
        RuntimeCall::Balances(call) => permits_balances(call),
        RuntimeCall::Sudo(pallet_sudo::Call::sudo_as { who, .. }) => !is_pool(who),
        RuntimeCall::Utility(
            pallet_utility::Call::dispatch_as { as_origin, .. }
            | pallet_utility::Call::dispatch_as_fallible { as_origin, .. },
        ) => !is_pool_origin(as_origin),
        _ => true,
    }
}

fn permits_system(call: &frame_system::Call<Runtime>) -> bool {
    match call {
        frame_system::Call::remark { .. } | frame_system::Call::remark_with_event { .. } => true,
        frame_system::Call::set_storage { items } => {
            items.iter().all(|(key, value)| permits_write(key, value))
        }
        _ => false,
    }
}

fn permits_balances(call: &pallet_balances::Call<Runtime>) -> bool {
    match call {
        pallet_balances::Call::transfer_allow_death { dest, .. }
        | pallet_balances::Call::transfer_keep_alive { dest, .. }
        | pallet_balances::Call::transfer_all { dest, .. } => !is_pool(dest),
        pallet_balances::Call::force_transfer { source, dest, .. } => !is_pool(source) && !is_pool(dest),
        pallet_balances::Call::force_set_balance { who, .. } => !is_pool(who),
        pallet_balances::Call::burn { .. }
        | pallet_balances::Call::upgrade_accounts { .. }
        | pallet_balances::Call::force_unreserve { .. } => true,
        _ => false,
    }
}

/// The most by which `call` itself adds to what exists.
fn grant_rao(call: &RuntimeCall) -> u64 {
    match call {
        RuntimeCall::Balances(pallet_balances::Call::force_set_balance { new_free, .. }) => *new_free,
        _ => 0,
    }
}

/// The calls that `call` dispatches.
fn calls_within(call: &RuntimeCall) -> Vec<&RuntimeCall> {
    match call {
        RuntimeCall::Utility(call) => calls_within_utility(call),
        RuntimeCall::Sudo(
            pallet_sudo::Call::sudo { call }
            | pallet_sudo::Call::sudo_unchecked_weight { call, .. }
            | pallet_sudo::Call::sudo_as { call, .. },
        ) => Vec::from([call.as_ref()]),
        _ => Vec::new(),
    }
}

fn calls_within_utility(call: &pallet_utility::Call<Runtime>) -> Vec<&RuntimeCall> {
    match call {
        pallet_utility::Call::batch { calls }
        | pallet_utility::Call::batch_all { calls }
        | pallet_utility::Call::force_batch { calls } => calls.iter().collect(),
        pallet_utility::Call::as_derivative { call, .. }
        | pallet_utility::Call::dispatch_as { call, .. }
        | pallet_utility::Call::dispatch_as_fallible { call, .. }
        | pallet_utility::Call::with_weight { call, .. } => Vec::from([call.as_ref()]),
        pallet_utility::Call::if_else { main, fallback } => Vec::from([main, fallback].map(Box::as_ref)),
        _ => Vec::new(),
    }
}

fn is_batch(call: &RuntimeCall) -> bool {
    matches!(
        call,
        RuntimeCall::Utility(
            pallet_utility::Call::batch { .. }
                | pallet_utility::Call::batch_all { .. }
                | pallet_utility::Call::force_batch { .. }
        )
    )
}

fn is_pool(address: &Address) -> bool {
    matches!(address, MultiAddress::Id(account) if SubtensorModule::is_pool_account(account))
}

fn is_pool_origin(origin: &OriginCaller) -> bool {
    let is_pool_account = |account: &AccountId| SubtensorModule::is_pool_account(account);
    matches!(origin, OriginCaller::system(RawOrigin::Signed(account)) if is_pool_account(account))
}

/// Whether no money depends on what stands under a storage key, and the chain can go on with this value there.
fn permits_write(key: &[u8], value: &[u8]) -> bool {
    match key == SlotDuration::key() {
        true => u64::decode_all(&mut &value[..]).is_ok_and(|slot_ms| SLOT_DURATIONS_MS.contains(&slot_ms)),
        false => SubtensorModule::is_beside_the_books(key),
    }
}
