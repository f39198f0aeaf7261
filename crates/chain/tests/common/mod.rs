//! What the tests and benches share: chains, keys and signed transactions.
#![allow(dead_code)] // Each test binary uses its own part.

use std::sync::Arc;

use codec::Encode;
use myelin_chain::{
    executor::NoCandidates, storage_keys, Chain, Hash, History, Mempool, MempoolLimits, ProposalContext,
    Store, StoreConfig,
};
use myelin_runtime::{
    presets::Genesis, AccountId, Balance, Nonce, RuntimeCall, SignedPayload, SubtensorModule, TxExtension,
    UncheckedExtrinsic, VERSION,
};
use sp_core::{sr25519, Pair};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{generic::Era, MultiAddress, MultiSignature};

pub const SLOT_MS: u64 = 250;
pub const START_MS: u64 = 1_700_000_000_000;

pub fn genesis() -> sp_core::storage::Storage {
    development().build_storage().unwrap()
}

pub fn development() -> Genesis {
    Genesis::development(SLOT_MS)
}

pub fn memory_chain(history: History) -> Arc<Chain> {
    open(&StoreConfig::memory().with_history(history))
}

pub fn memory_chain_with(genesis: &Genesis) -> Arc<Chain> {
    memory_chain_from(&genesis.build_storage().unwrap())
}

pub fn memory_chain_from(genesis: &sp_core::storage::Storage) -> Arc<Chain> {
    Chain::open_audited(Store::open(&StoreConfig::memory()).unwrap(), Some(genesis)).unwrap()
}

pub fn open(config: &StoreConfig) -> Arc<Chain> {
    Chain::open_audited(Store::open(config).unwrap(), Some(&genesis())).unwrap()
}

pub fn mempool(chain: &Arc<Chain>) -> Arc<Mempool> {
    Mempool::new(Arc::clone(chain), MempoolLimits { workers: 2, ..MempoolLimits::default() }).unwrap()
}

pub fn context(time_ms: u64) -> ProposalContext {
    ProposalContext { time_ms, author: None, budget: Default::default() }
}

/// Commits an empty block one slot after the tip.
pub fn commit_empty(chain: &Chain) -> Hash {
    let executed = chain.propose(&context(next_time_ms(chain)), &mut NoCandidates).unwrap();
    let hash = executed.hash;
    chain.commit(executed, Vec::new()).unwrap();
    hash
}

/// Commits this many empty blocks.
pub fn commit_empties(chain: &Chain, count: usize) {
    for _ in 0..count {
        commit_empty(chain);
    }
}

/// Commits a block with whatever the mempool offers.
pub fn commit_pool(chain: &Chain, mempool: &Mempool) -> Hash {
    let executed = chain.propose(&context(next_time_ms(chain)), &mut mempool.best()).unwrap();
    let hash = executed.hash;
    chain.commit(executed, Vec::new()).unwrap();
    hash
}

pub fn next_time_ms(chain: &Chain) -> u64 {
    (chain.tip().time_ms + SLOT_MS).max(START_MS)
}

/// Signs calls for one account on one chain.
#[derive(Clone)]
pub struct Signer {
    pair: sr25519::Pair,
    genesis: Hash,
}

impl Signer {
    pub fn new(chain: &Chain, key: Sr25519Keyring) -> Self {
        Self { pair: key.pair(), genesis: chain.genesis_hash() }
    }

    pub fn from_seed(chain: &Chain, seed: u64) -> Self {
        Self { pair: pair_of(seed), genesis: chain.genesis_hash() }
    }

    pub fn genesis(&self) -> Hash {
        self.genesis
    }

    pub fn account(&self) -> AccountId {
        AccountId::from(self.pair.public())
    }

    pub fn sign(&self, call: RuntimeCall, nonce: Nonce, tip: Balance, era: Era, birth: Hash) -> Vec<u8> {
        let extension: TxExtension = (
            frame_system::CheckNonZeroSender::new(),
            frame_system::CheckSpecVersion::new(),
            frame_system::CheckTxVersion::new(),
            frame_system::CheckGenesis::new(),
            frame_system::CheckEra::from(era),
            myelin_runtime::extensions::CheckNonce(nonce),
            frame_system::CheckWeight::new(),
            pallet_transaction_payment::ChargeTransactionPayment::from(tip),
            Default::default(),
            frame_metadata_hash_extension::CheckMetadataHash::new(false),
        );
        let implicit = (
            (),
            VERSION.spec_version,
            VERSION.transaction_version,
            self.genesis,
            birth,
            (),
            (),
            (),
            (),
            None,
        );
        let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
        let signature = payload.using_encoded(|bytes| self.pair.sign(bytes));
        UncheckedExtrinsic::new_signed(
            call,
            MultiAddress::Id(self.account()),
            MultiSignature::Sr25519(signature).into(),
            extension,
        )
        .encode()
    }

    pub fn transfer(&self, to: &AccountId, amount: Balance, nonce: Nonce, tip: Balance) -> Vec<u8> {
        self.sign(transfer_call(to, amount), nonce, tip, Era::Immortal, self.genesis)
    }
}

pub fn pair_of(seed: u64) -> sr25519::Pair {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    sr25519::Pair::from_seed(&bytes)
}

pub fn transfer_call(to: &AccountId, amount: Balance) -> RuntimeCall {
    RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive {
        dest: MultiAddress::Id(to.clone()),
        value: amount,
    })
}

/// A development chain on which Bob's money lies where the pool of the first subnet will be. The books agree until there is
/// such a subnet.
pub fn tainted_genesis() -> sp_core::storage::Storage {
    let mut storage = genesis();
    let bob = storage_keys::account(&Sr25519Keyring::Bob.to_account_id());
    let money = storage.top.remove(&bob).unwrap();
    storage.top.insert(storage_keys::account(&SubtensorModule::pool_account(1)), money);
    storage
}

/// A transaction by which Alice opens a subnet.
pub fn opening(chain: &Chain) -> Vec<u8> {
    let alice = Signer::new(chain, Sr25519Keyring::Alice);
    let call = pallet_subtensor::Call::register_network { hotkey: alice.account() };
    alice.sign(RuntimeCall::SubtensorModule(call), 0, 0, Era::Immortal, chain.genesis_hash())
}
