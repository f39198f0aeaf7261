//! What the owner of a development chain may do: what the books account for, however the call is wrapped.

mod common;

use codec::{Decode, Encode};
use common::{account, new_chain, run_block, run_blocks, tao};
use frame_support::storage::generator::{StorageDoubleMap, StorageMap};
use frame_system::RawOrigin;
use myelin_runtime::{
    AccountId, Balances, OriginCaller, Runtime, RuntimeCall, SlotDuration, SubtensorModule, SLOT_DURATIONS_MS,
};
use pallet_balances::AdjustmentDirection;
use pallet_subtensor as market;
use proptest::prelude::*;
use sp_keyring::Sr25519Keyring as Keyring;
use sp_runtime::{DispatchError, MultiAddress};

const NETUID: u16 = 1;
const FILTERED: Result<(), DispatchError> = Err(DispatchError::Module(sp_runtime::ModuleError {
    index: 0,
    error: [5, 0, 0, 0],
    message: Some("CallFiltered"),
}));

fn alice() -> AccountId {
    Keyring::Alice.to_account_id()
}

fn bob() -> AccountId {
    Keyring::Bob.to_account_id()
}

fn pool() -> AccountId {
    SubtensorModule::pool_account(NETUID)
}

fn balances(call: pallet_balances::Call<Runtime>) -> RuntimeCall {
    RuntimeCall::Balances(call)
}

fn transfer(dest: AccountId) -> RuntimeCall {
    balances(pallet_balances::Call::transfer_allow_death { dest: dest.into(), value: tao(1) })
}

fn force_transfer(source: AccountId, dest: AccountId) -> RuntimeCall {
    let (source, dest) = (source.into(), dest.into());
    balances(pallet_balances::Call::force_transfer { source, dest, value: tao(1) })
}

fn set_balance(who: AccountId, new_free: u64) -> RuntimeCall {
    balances(pallet_balances::Call::force_set_balance { who: who.into(), new_free })
}

fn write(key: Vec<u8>, value: impl Encode) -> RuntimeCall {
    RuntimeCall::System(frame_system::Call::set_storage { items: vec![(key, value.encode())] })
}

fn write_tempo(blocks: u16) -> RuntimeCall {
    write(market::Tempo::<Runtime>::storage_map_final_key(NETUID), blocks)
}

fn write_pace(slot_ms: u64) -> RuntimeCall {
    write(SlotDuration::key().to_vec(), slot_ms)
}

fn sudo(call: RuntimeCall) -> RuntimeCall {
    RuntimeCall::Sudo(pallet_sudo::Call::sudo { call: Box::new(call) })
}

fn sudo_as(who: AccountId, call: RuntimeCall) -> RuntimeCall {
    RuntimeCall::Sudo(pallet_sudo::Call::sudo_as { who: who.into(), call: Box::new(call) })
}

fn utility(call: pallet_utility::Call<Runtime>) -> RuntimeCall {
    RuntimeCall::Utility(call)
}

fn batch(calls: Vec<RuntimeCall>) -> RuntimeCall {
    utility(pallet_utility::Call::batch_all { calls })
}

fn dispatch_as(who: AccountId, call: RuntimeCall) -> RuntimeCall {
    let as_origin = Box::new(OriginCaller::system(RawOrigin::Signed(who)));
    utility(pallet_utility::Call::dispatch_as { as_origin, call: Box::new(call) })
}

/// Every way to have another call dispatched.
fn wrappings(call: &RuntimeCall) -> Vec<RuntimeCall> {
    let call = || Box::new(call.clone());
    let weight = Default::default();
    let as_origin = || Box::new(OriginCaller::system(RawOrigin::Root));
    let harmless = || Box::new(RuntimeCall::System(frame_system::Call::remark { remark: vec![] }));
    vec![
        sudo(*call()),
        RuntimeCall::Sudo(pallet_sudo::Call::sudo_unchecked_weight { call: call(), weight }),
        sudo_as(bob(), *call()),
        batch(vec![*harmless(), *call()]),
        utility(pallet_utility::Call::batch { calls: vec![*harmless(), *call()] }),
        utility(pallet_utility::Call::force_batch { calls: vec![*harmless(), *call()] }),
        utility(pallet_utility::Call::as_derivative { index: 0, call: call() }),
        dispatch_as(bob(), *call()),
        utility(pallet_utility::Call::dispatch_as_fallible { as_origin: as_origin(), call: call() }),
        utility(pallet_utility::Call::with_weight { call: call(), weight }),
        utility(pallet_utility::Call::if_else { main: call(), fallback: harmless() }),
        utility(pallet_utility::Call::if_else { main: harmless(), fallback: call() }),
    ]
}

/// Calls under which money would not be accounted for, or that have nothing to do here.
fn refused() -> Vec<RuntimeCall> {
    let system = RuntimeCall::System;
    let adjust =
        |direction| balances(pallet_balances::Call::force_adjust_total_issuance { direction, delta: tao(1) });
    let issuance = pallet_balances::TotalIssuance::<Runtime>::hashed_key().to_vec();
    let market_item = |item: [u8; 32]| [item.as_slice(), &NETUID.encode()].concat();
    vec![
        transfer(pool()),
        balances(pallet_balances::Call::transfer_all { dest: pool().into(), keep_alive: true }),
        force_transfer(alice(), pool()),
        force_transfer(pool(), alice()),
        set_balance(pool(), tao(5)),
        set_balance(bob(), u64::MAX),
        set_balance(bob(), tao(21_000_000)),
        adjust(AdjustmentDirection::Increase),
        adjust(AdjustmentDirection::Decrease),
        write(issuance.clone(), 1_u64),
        write(market_item(market::SubnetTAO::<Runtime>::prefix_hash()), 1_u64),
        write(frame_system::Account::<Runtime>::hashed_key_for(bob()), 0_u8),
        write(market::TotalStake::<Runtime>::hashed_key()[..31].to_vec(), 0_u8),
        write(b":code".to_vec(), 0_u8),
        write_pace(0),
        write_pace(SLOT_DURATIONS_MS.end() + 1),
        write(SlotDuration::key().to_vec(), 1_u8),
        write(Vec::new(), 0_u8),
        system(frame_system::Call::kill_storage { keys: vec![issuance.clone()] }),
        system(frame_system::Call::kill_prefix { prefix: issuance, subkeys: 1 }),
        system(frame_system::Call::set_code { code: vec![0; 8] }),
        system(frame_system::Call::set_code_without_checks { code: vec![0; 8] }),
        system(frame_system::Call::authorize_upgrade { code_hash: Default::default() }),
        system(frame_system::Call::apply_authorized_upgrade { code: vec![0; 8] }),
        system(frame_system::Call::set_heap_pages { pages: 8 }),
        sudo_as(pool(), transfer(alice())),
        dispatch_as(pool(), transfer(alice())),
        batch(vec![batch(vec![])]),
        batch(vec![sudo(batch(vec![]))]),
    ]
}

fn open_subnet() {
    let calls = [
        market::Call::register_network { hotkey: account(1) },
        market::Call::start_call { netuid: NETUID },
        market::Call::add_stake { hotkey: account(1), netuid: NETUID, amount_staked: tao(100) },
    ];
    for call in calls {
        assert_eq!(run_block(vec![(alice(), RuntimeCall::SubtensorModule(call))]), [Ok(())]);
    }
}

fn by_alice(call: RuntimeCall) -> Result<(), DispatchError> {
    run_block(vec![(alice(), call)])[0]
}

#[test]
fn what_is_refused_is_refused_in_every_wrapping() {
    new_chain().execute_with(|| {
        open_subnet();
        for call in refused() {
            assert_eq!(by_alice(sudo(call.clone())), FILTERED, "{call:?}");
            for once in wrappings(&call) {
                let calls = wrappings(&once).into_iter().chain([once.clone()]);
                let outcomes = run_block(calls.map(|call| (alice(), call)).collect());
                assert!(outcomes.iter().all(|outcome| outcome == &FILTERED), "{once:?}: {outcomes:?}");
            }
        }
    });
}

/// There is no wrapping that the tests above, and so the filter, do not know.
#[test]
fn every_call_that_holds_calls_is_known() {
    let mut known: Vec<String> = wrappings(&transfer(bob()))
        .iter()
        .map(|call| {
            use frame_support::traits::GetCallMetadata;
            let metadata = call.get_call_metadata();
            format!("{}.{}", metadata.pallet_name, metadata.function_name)
        })
        .collect();
    known.sort();
    known.dedup();
    let bytes = frame_metadata_bytes();
    let metadata = frame_metadata::RuntimeMetadataPrefixed::decode(&mut &bytes[..]).expect("metadata");
    let frame_metadata::RuntimeMetadata::V15(metadata) = metadata.1 else { panic!("another version") };
    let whole_call = metadata.outer_enums.call_enum_ty.id;
    let holds_calls = |id: u32| holds(&metadata.types, id, whole_call);
    let mut found = Vec::new();
    for pallet in &metadata.pallets {
        let Some(calls) = &pallet.calls else { continue };
        let scale_info::TypeDef::Variant(calls) =
            &metadata.types.resolve(calls.ty.id).expect("a type").type_def
        else {
            panic!("calls of {} are no enum", pallet.name)
        };
        for call in &calls.variants {
            if call.fields.iter().any(|field| holds_calls(field.ty.id)) {
                found.push(format!("{}.{}", pallet.name, call.name));
            }
        }
    }
    found.sort();
    assert_eq!(found, known);
}

/// Whether `id` is the type `wanted` or has it inside.
fn holds(types: &scale_info::PortableRegistry, id: u32, wanted: u32) -> bool {
    use scale_info::TypeDef;
    let holds = |inner: u32| holds(types, inner, wanted);
    id == wanted
        || match &types.resolve(id).expect("a type").type_def {
            TypeDef::Sequence(sequence) => holds(sequence.type_param.id),
            TypeDef::Array(array) => holds(array.type_param.id),
            TypeDef::Tuple(tuple) => tuple.fields.iter().any(|field| holds(field.id)),
            TypeDef::Composite(composite) => composite.fields.iter().any(|field| holds(field.ty.id)),
            TypeDef::Variant(variant) => {
                variant.variants.iter().flat_map(|variant| &variant.fields).any(|field| holds(field.ty.id))
            }
            _ => false,
        }
}

fn frame_metadata_bytes() -> Vec<u8> {
    new_chain().execute_with(|| Runtime::metadata_at_version(15)).expect("version 15").to_vec()
}

#[test]
fn the_owner_moves_and_grants_money_that_is_accounted_for() {
    new_chain().execute_with(|| {
        open_subnet();
        assert_eq!(by_alice(sudo(force_transfer(bob(), account(9)))), Ok(()));
        assert_eq!(Balances::free_balance(account(9)), tao(1));
        for amount in [tao(7), 500, 499, 0] {
            assert_eq!(by_alice(sudo(set_balance(account(9), amount))), Ok(()));
            assert_eq!(Balances::free_balance(account(9)), if amount < 500 { 0 } else { amount });
        }
        assert_eq!(by_alice(batch(vec![sudo_as(bob(), transfer(account(8)))])), Ok(()));
        assert_eq!(Balances::free_balance(account(8)), tao(1));
        assert_eq!(by_alice(sudo(set_balance(alice(), 0))), Ok(()), "also of the one who pays the fee");
    });
}

#[test]
fn grants_are_added_up_before_any_is_made() {
    new_chain().execute_with(|| {
        run_blocks(1);
        let grant = |seed| sudo(set_balance(account(seed), tao(10_000_000)));
        assert_eq!(by_alice(batch(vec![grant(1), grant(2)])), FILTERED);
        assert_eq!(by_alice(sudo(batch(vec![set_balance(account(1), tao(10_000_000)); 2]))), FILTERED);
        assert_eq!(by_alice(grant(1)), Ok(()));
        assert_eq!(Balances::free_balance(account(1)), tao(10_000_000));
        assert_eq!(by_alice(grant(2)), FILTERED);
        assert_eq!(Balances::free_balance(account(2)), 0);
    });
}

#[test]
fn who_is_not_the_owner_has_no_such_power() {
    new_chain().execute_with(|| {
        run_blocks(1);
        let calls =
            [sudo(set_balance(bob(), tao(5))), set_balance(bob(), tao(5)), write_tempo(3), write_pace(1)];
        for call in calls {
            let outcome = run_block(vec![(bob(), call)])[0];
            assert!(outcome.is_err() && outcome != FILTERED, "{outcome:?}");
        }
    });
}

#[test]
fn a_pool_cannot_be_named_in_another_way() {
    new_chain().execute_with(|| {
        open_subnet();
        let bytes: [u8; 32] = pool().into();
        for dest in [MultiAddress::Address32(bytes), MultiAddress::Raw(bytes.to_vec())] {
            let (source, value) = (bob().into(), tao(1));
            let call = balances(pallet_balances::Call::force_transfer { source, dest, value });
            let before = Balances::free_balance(pool());
            assert_eq!(by_alice(sudo(call)), Ok(()), "what sudo did is in an event");
            assert_eq!(Balances::free_balance(pool()), before);
        }
    });
}

#[test]
fn calls_can_be_nested_a_little() {
    new_chain().execute_with(|| {
        run_blocks(1);
        let nested = |depth: usize| (0..depth).fold(transfer(bob()), |call, _| sudo(call));
        assert_eq!(by_alice(sudo_as(alice(), nested(7))), Ok(()));
        assert_eq!(by_alice(nested(9)), FILTERED);
    });
}

#[test]
fn time_is_not_set_twice() {
    new_chain().execute_with(|| {
        let set = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now: u64::MAX });
        for call in [sudo(set.clone()), batch(vec![set.clone()])] {
            assert_eq!(by_alice(call), FILTERED);
        }
        let as_origin = Box::new(OriginCaller::system(RawOrigin::None));
        let call = utility(pallet_utility::Call::dispatch_as { as_origin, call: Box::new(set) });
        assert_eq!(by_alice(sudo(call)), FILTERED);
    });
}

fn hotkey() -> impl Strategy<Value = AccountId> {
    (1..5_u8).prop_map(account)
}

fn people() -> impl Strategy<Value = AccountId> {
    prop_oneof![Just(alice()), Just(bob())]
}

fn extreme() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(u64::MAX / 2), any::<u64>()]
}

/// A rule that root writes into the state, sensible or not.
fn rule() -> impl Strategy<Value = RuntimeCall> {
    let of_subnet = prop_oneof![
        any::<u16>().prop_map(|value| (market::Tempo::<Runtime>::prefix_hash(), value.encode())),
        (0..30_u16).prop_map(|value| (market::Tempo::<Runtime>::prefix_hash(), value.encode())),
        any::<u16>().prop_map(|value| (market::Kappa::<Runtime>::prefix_hash(), value.encode())),
        any::<i16>()
            .prop_map(|value| (market::AlphaSigmoidSteepness::<Runtime>::prefix_hash(), value.encode())),
        (0..6_u16).prop_map(|value| (market::MaxAllowedUids::<Runtime>::prefix_hash(), value.encode())),
        (0..6_u16).prop_map(|value| (market::MaxAllowedValidators::<Runtime>::prefix_hash(), value.encode())),
        any::<u32>()
            .prop_map(|value| (market::ActivityCutoffFactorMilli::<Runtime>::prefix_hash(), value.encode())),
        extreme().prop_map(|value| (market::BondsMovingAverage::<Runtime>::prefix_hash(), value.encode())),
        any::<u16>().prop_map(|value| (market::BondsPenalty::<Runtime>::prefix_hash(), value.encode())),
        any::<bool>().prop_map(|value| (market::Yuma3On::<Runtime>::prefix_hash(), value.encode())),
        any::<(u16, u16)>().prop_map(|value| (market::AlphaValues::<Runtime>::prefix_hash(), value.encode())),
        extreme().prop_map(|value| (market::EMAPriceHalvingBlocks::<Runtime>::prefix_hash(), value.encode())),
        any::<u8>().prop_map(|value| (market::RecycleOrBurn::<Runtime>::prefix_hash(), value.encode())),
        any::<i128>().prop_map(|bits| (market::SubnetMovingPrice::<Runtime>::prefix_hash(), bits.encode())),
        prop::collection::vec(any::<u16>(), 0..6)
            .prop_map(|shares| (market::Dividends::<Runtime>::prefix_hash(), shares.encode())),
        prop::collection::vec(any::<u8>(), 0..9)
            .prop_map(|bytes| (market::MechanismEmissionSplit::<Runtime>::prefix_hash(), bytes)),
        any::<u8>()
            .prop_map(|value| (market::MechanismCountCurrent::<Runtime>::prefix_hash(), value.encode())),
    ];
    let of_subnet = of_subnet.prop_flat_map(|(prefix, bytes)| {
        // Maps of rules are hashed in three ways; the right one is found by trying.
        prop_oneof![
            Just([prefix.as_slice(), &NETUID.encode()].concat()),
            Just(
                [prefix.as_slice(), &sp_crypto_hashing::twox_64(&NETUID.encode()), &NETUID.encode()].concat()
            ),
            Just(
                [prefix.as_slice(), &sp_crypto_hashing::blake2_128(&NETUID.encode()), &NETUID.encode()]
                    .concat()
            ),
        ]
        .prop_map(move |key| (key, bytes.clone()))
    });
    let family = (hotkey(), prop::collection::vec((extreme(), hotkey()), 0..4), any::<bool>()).prop_map(
        |(of, family, up)| {
            let key = match up {
                true => market::ParentKeys::<Runtime>::storage_double_map_final_key(of, NETUID),
                false => market::ChildKeys::<Runtime>::storage_double_map_final_key(of, NETUID),
            };
            (key, family.encode())
        },
    );
    let take = (hotkey(), any::<u16>())
        .prop_map(|(of, take)| (market::Delegates::<Runtime>::hashed_key_for(of), take.encode()));
    let childkey_take = (hotkey(), any::<u16>()).prop_map(|(of, take)| {
        (market::ChildkeyTake::<Runtime>::storage_double_map_final_key(of, NETUID), take.encode())
    });
    let destination = (people(), 1..9_u8).prop_map(|(coldkey, hotkey)| {
        let key = market::AutoStakeDestination::<Runtime>::storage_double_map_final_key(coldkey, NETUID);
        (key, account(hotkey).encode())
    });
    let dividends = (hotkey(), extreme()).prop_map(|(of, rao)| {
        let item = market::AlphaDividendsPerSubnet::<Runtime>::storage_double_map_final_key(NETUID, of);
        (item, rao.encode())
    });
    let burn = extreme().prop_map(|share| (market::CKBurn::<Runtime>::hashed_key().to_vec(), share.encode()));
    let updates = prop::collection::vec(extreme(), 0..6)
        .prop_map(|updates| (market::LastUpdate::<Runtime>::storage_map_final_key(NETUID), updates.encode()));
    prop_oneof![8 => of_subnet, 3 => family, 1 => take, 1 => childkey_take, 1 => burn, 1 => updates, 1 => destination, 1 => dividends]
        .prop_map(|item| sudo(RuntimeCall::System(frame_system::Call::set_storage { items: vec![item] })))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The harness checks the books after every block.
    #[test]
    fn whatever_the_rules_money_is_conserved(
        history in prop::collection::vec(prop::collection::vec(rule(), 0..4), 20..80)
    ) {
        new_chain().execute_with(|| {
            open_subnet();
            for seed in 2..5 {
                let calls = [
                    market::Call::burned_register { netuid: NETUID, hotkey: account(seed) },
                    market::Call::add_stake { hotkey: account(seed), netuid: NETUID, amount_staked: tao(50) },
                    market::Call::add_stake { hotkey: account(seed), netuid: 0, amount_staked: tao(5) },
                ];
                for call in calls {
                    assert_eq!(run_block(vec![(bob(), RuntimeCall::SubtensorModule(call))]), [Ok(())]);
                }
            }
            for (block, rules) in history.into_iter().enumerate() {
                let judge = market::Call::set_weights {
                    netuid: NETUID,
                    dests: vec![2, 3],
                    weights: vec![1, u16::try_from(block).unwrap()],
                    version_key: 0,
                };
                let judgement = (account(1), RuntimeCall::SubtensorModule(judge));
                let count = rules.len();
                let rules = rules.into_iter().map(|rule| (alice(), rule));
                let outcomes = run_block(rules.chain([judgement]).collect());
                assert!(outcomes[..count].iter().all(Result::is_ok), "{outcomes:?}");
            }
        });
    }
}
