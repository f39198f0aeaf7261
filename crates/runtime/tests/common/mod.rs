//! A chain in memory: blocks of calls, with the books checked after every one.

#![allow(dead_code)]

use codec::Decode;
use frame_support::traits::{Hooks, UnfilteredDispatchable};
use myelin_runtime::{
    api, authorship::author_digest, presets::Genesis, views::audit::Audit, AccountId, Executive, Header,
    RuntimeCall, RuntimeEvent, RuntimeOrigin, SubtensorModule, System, Timestamp,
};
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring as Keyring;
use sp_runtime::traits::Dispatchable;
use sp_runtime::{traits::Header as _, Digest, DispatchError};

/// Milliseconds between two test blocks.
const SLOT_MS: u64 = 250;

/// A development chain at its genesis.
pub fn new_chain() -> TestExternalities {
    TestExternalities::new(Genesis::development(SLOT_MS).build_storage().expect("preset builds"))
}

/// Runs one block with `calls`, each by its signer, and checks the books afterwards.
///
/// Returns the outcome of each call.
pub fn run_block(calls: Vec<(AccountId, RuntimeCall)>) -> Vec<Result<(), DispatchError>> {
    let number = System::block_number() + 1;
    let parent = System::block_hash(number - 1);
    let digest = Digest { logs: vec![author_digest(&Keyring::One.to_account_id())] };
    let header = Header::new(number, Default::default(), Default::default(), parent, digest);
    Executive::initialize_block(&header);
    let now = u64::from(number) * SLOT_MS;
    RuntimeCall::Timestamp(pallet_timestamp::Call::set { now })
        .dispatch_bypass_filter(RuntimeOrigin::none())
        .expect("time moves on");
    let outcomes = calls.into_iter().map(|(signer, call)| dispatch(signer, call)).collect();
    <SubtensorModule as Hooks<u32>>::on_finalize(number);
    <Timestamp as Hooks<u32>>::on_finalize(number);
    let header = System::finalize();
    // The next block learns this from its header; here it is known at once.
    frame_system::BlockHash::<myelin_runtime::Runtime>::insert(number, header.hash());
    assert_conserved();
    outcomes
}

/// Runs `count` empty blocks.
pub fn run_blocks(count: u32) {
    for _ in 0..count {
        run_block(Vec::new());
    }
}

fn dispatch(signer: AccountId, call: RuntimeCall) -> Result<(), DispatchError> {
    frame_support::storage::with_storage_layer(|| {
        call.dispatch(RuntimeOrigin::signed(signer)).map(|_| ()).map_err(|error| error.error)
    })
}

/// Fails with the books if anything was lost or made from nothing.
pub fn assert_conserved() {
    let bytes = api::dispatch("AuditApi_audit", &[]).expect("the audit is a runtime API");
    let audit = Audit::decode(&mut &bytes[..]).expect("an audit");
    assert!(audit.holds(), "books at block {}: {audit:#?}", System::block_number());
}

/// Market events of the current block.
pub fn market_events() -> Vec<pallet_subtensor::Event<myelin_runtime::Runtime>> {
    System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::SubtensorModule(event) => Some(event),
            _ => None,
        })
        .collect()
}

/// An account that is nobody's key.
pub fn account(seed: u8) -> AccountId {
    AccountId::new([seed; 32])
}

/// TAO in rao.
pub const fn tao(amount: u64) -> u64 {
    amount * myelin_runtime::RAO_PER_TAO
}
