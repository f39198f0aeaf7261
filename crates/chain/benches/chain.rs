//! How fast blocks are made.
//!
//! `chain::empty_blocks` fast-forwards an idle chain. `chain::transfers` executes and commits blocks of transfers whose
//! signatures the mempool has verified before; only proposing and committing is measured.

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use codec::Encode;
use common::*;
use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use myelin_chain::{
    executor::Budget, Application, Chain, Local, LocalConfig, ProposalContext, SealMode, Sequencer, Store,
    StoreConfig,
};
use tokio_util::sync::CancellationToken;

/// The one of the `myelin` program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MINED_BLOCKS: u32 = 1_000;
const TRANSFERS: u32 = 2_000;
const SENDERS: u64 = 200;

fn empty_blocks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chain::empty_blocks");
    group.sample_size(10).throughput(Throughput::Elements(MINED_BLOCKS.into()));
    for place in ["memory", "disk"] {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = Store::open(&store_config(place, &directory)).unwrap();
        let chain = Chain::open(store, Some(&genesis())).unwrap();
        let application = Application::new(chain.clone(), mempool(&chain));
        let (local, handle) = Local::new(LocalConfig::new(SealMode::Manual));
        let shutdown = CancellationToken::new();
        let running = runtime.spawn(Box::new(local).run(application, shutdown.clone()));
        group.bench_function(format!("store={place}"), |bencher| {
            bencher.iter(|| runtime.block_on(handle.mine(MINED_BLOCKS)).unwrap());
        });
        shutdown.cancel();
        runtime.block_on(running).unwrap().unwrap();
    }
}

fn transfers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chain::transfers");
    group.sample_size(10).throughput(Throughput::Elements(TRANSFERS.into()));
    for (place, accounts) in [("memory", 1_000), ("disk", 1_000), ("disk", 200_000)] {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&store_config(place, &directory)).unwrap();
        let chain = Chain::open(store, Some(&crowded_genesis(accounts))).unwrap();
        let mut nonce = 0;
        group.bench_function(format!("store={place}/accounts={accounts}"), |bencher| {
            bencher.iter_custom(|rounds| {
                (0..rounds).map(|_| transfer_block(&chain, accounts, &mut nonce)).sum()
            });
        });
    }
}

/// Makes one block of transfers and tells how long its proposal and commit took.
fn transfer_block(chain: &std::sync::Arc<Chain>, accounts: u64, nonce: &mut u32) -> Duration {
    let mempool = mempool(chain);
    let each = TRANSFERS / SENDERS as u32;
    for sender in 0..SENDERS {
        let signer = Signer::from_seed(chain, sender);
        for index in 0..each {
            let receiver = (sender * 7_919 + u64::from(*nonce + index) * 104_729) % accounts;
            let bytes = signer.transfer(&account(receiver), 1_000, *nonce + index, 0);
            mempool.submit_here(bytes).unwrap();
        }
    }
    *nonce += each;
    let budget = Budget { max_bytes: 8 << 20, max_time: Duration::from_secs(60) };
    let context = ProposalContext { budget, ..context(next_time_ms(chain)) };
    let started = Instant::now();
    let executed = chain.propose(&context, &mut mempool.best()).unwrap();
    assert_eq!(executed.block.body.len(), TRANSFERS as usize + 1);
    black_box(chain.commit(executed, Vec::new()).unwrap());
    started.elapsed()
}

fn account(index: u64) -> myelin_chain::AccountId {
    if index < SENDERS {
        sp_core::Pair::public(&pair_of(index)).into()
    } else {
        sp_crypto_hashing::blake2_256(&index.encode()).into()
    }
}

fn crowded_genesis(accounts: u64) -> sp_core::storage::Storage {
    let mut genesis = development();
    genesis.balances.extend((0..accounts).map(|index| (account(index), 1_000_000_000_000)));
    genesis.build_storage().unwrap()
}

fn store_config(place: &str, directory: &tempfile::TempDir) -> StoreConfig {
    match place {
        "disk" => StoreConfig::directory(directory.path()),
        _ => StoreConfig::memory(),
    }
}

criterion_group!(benches, empty_blocks, transfers);
criterion_main!(benches);
