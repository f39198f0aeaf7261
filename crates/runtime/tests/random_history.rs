//! Whatever people do, in whatever order: no TAO and no alpha appears or disappears. The books are checked after every
//! block by the harness.

mod common;

use common::{account, new_chain, run_block, tao};
use myelin_runtime::{AccountId, RuntimeCall, SubtensorModule};
use pallet_subtensor::Call;
use proptest::prelude::*;
use sp_keyring::Sr25519Keyring as Keyring;

fn people() -> impl Strategy<Value = AccountId> {
    prop_oneof![
        Just(Keyring::Alice.to_account_id()),
        Just(Keyring::Bob.to_account_id()),
        Just(Keyring::Dave.to_account_id()),
        (1..8_u8).prop_map(account),
    ]
}

fn receiver() -> impl Strategy<Value = AccountId> {
    prop_oneof![4 => people(), 1 => netuid().prop_map(SubtensorModule::pool_account)]
}

fn hotkey() -> impl Strategy<Value = AccountId> {
    (1..8_u8).prop_map(account)
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..10_u64,
        495..505_u64,
        tao(5) - 505..tao(5) + 505,
        1_000_000..tao(1),
        tao(1)..tao(5_000),
        Just(u64::MAX)
    ]
}

fn netuid() -> impl Strategy<Value = u16> {
    0..4_u16
}

/// Hotkey, subnet, amount, limit price and whether a part will do.
fn trade() -> impl Strategy<Value = (AccountId, u16, u64, u64, bool)> {
    (hotkey(), netuid(), amount(), 1..3_000_000_000_u64, any::<bool>())
}

fn market_call() -> impl Strategy<Value = RuntimeCall> {
    let call = prop_oneof![
        2 => hotkey().prop_map(|hotkey| Call::register_network { hotkey }),
        2 => netuid().prop_map(|netuid| Call::start_call { netuid }),
        4 => (netuid(), hotkey()).prop_map(|(netuid, hotkey)| Call::burned_register { netuid, hotkey }),
        1 => hotkey().prop_map(|hotkey| Call::root_register { hotkey }),
        4 => trade().prop_map(|(hotkey, netuid, amount, ..)| Call::add_stake {
            hotkey,
            netuid,
            amount_staked: amount
        }),
        3 => trade().prop_map(|(hotkey, netuid, amount, ..)| Call::remove_stake {
            hotkey,
            netuid,
            amount_unstaked: amount
        }),
        2 => trade().prop_map(|(hotkey, netuid, amount_staked, limit_price, allow_partial)| {
            Call::add_stake_limit { hotkey, netuid, amount_staked, limit_price, allow_partial }
        }),
        2 => trade().prop_map(|(hotkey, netuid, amount_unstaked, limit_price, allow_partial)| {
            Call::remove_stake_limit { hotkey, netuid, amount_unstaked, limit_price, allow_partial }
        }),
        4 => (netuid(), proptest::collection::btree_map(0..6_u16, any::<u16>(), 0..5)).prop_map(
            |(netuid, row)| {
                let (dests, weights) = row.into_iter().unzip();
                Call::set_weights { netuid, dests, weights, version_key: 0 }
            }
        ),
    ];
    call.prop_map(RuntimeCall::SubtensorModule)
}

fn transfer() -> impl Strategy<Value = RuntimeCall> {
    (receiver(), amount()).prop_map(|(dest, value)| {
        RuntimeCall::Balances(pallet_balances::Call::transfer_allow_death { dest: dest.into(), value })
    })
}

fn block() -> impl Strategy<Value = Vec<(AccountId, RuntimeCall)>> {
    let call = prop_oneof![6 => market_call(), 1 => transfer()];
    proptest::collection::vec((people(), call), 0..6)
}

/// A subnet that trades, with two validators, so that histories have something to disturb.
fn opening() -> Vec<Vec<(AccountId, RuntimeCall)>> {
    let (alice, bob) = (Keyring::Alice.to_account_id(), Keyring::Bob.to_account_id());
    let owner_calls = [Call::register_network { hotkey: account(1) }, Call::start_call { netuid: 1 }];
    let validator_calls = [2, 3].into_iter().flat_map(|seed| {
        let (hotkey, netuid) = (account(seed), 1);
        [
            Call::burned_register { netuid, hotkey: hotkey.clone() },
            Call::add_stake { hotkey, netuid, amount_staked: tao(100) },
        ]
    });
    let signed = |signer: AccountId| move |call| (signer.clone(), call);
    let calls = owner_calls.into_iter().map(signed(alice)).chain(validator_calls.map(signed(bob)));
    calls.map(|(signer, call)| vec![(signer, RuntimeCall::SubtensorModule(call))]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn money_is_conserved(history in proptest::collection::vec(block(), 1..60)) {
        new_chain().execute_with(|| {
            for calls in opening() {
                assert_eq!(run_block(calls), vec![Ok(())]);
            }
            for calls in history {
                run_block(calls);
            }
        });
    }
}
