//! A whole network at scale: 128 subnets of 256 neurons, of whom 64 validate and weigh everybody, and every epoch within one
//! tempo. A block is what it is on a node: proposed, executed, hashed into a state root, and committed.
//!
//! Given are times on the clock and on the processor: what else the machine does lengthens only the former.
//!
//! The first tempo builds bonds, the second is measured. `schedule=staggered` has epochs where subnets that opened one
//! after the other have them, `schedule=at_once` has all due in the same block, from where they slip, two to a block.

// Means and worst cases over thousands of blocks: nothing that repetition of one block would show.
#![allow(clippy::print_stdout)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    fs,
    time::{Duration, Instant},
};

use common::*;
use frame_support::traits::fungible::Mutate as _;
use myelin_chain::{executor::NoCandidates, AccountId, Chain, Store, StoreConfig};
use myelin_economy::decimal::SafeFloat;
use myelin_runtime::{Balances, Runtime, RAO_PER_TAO};
use pallet_subtensor::{self as market, NetUid, Uid, ROOT};
use sp_core::storage::Storage;
use substrate_fixed::types::I96F32;

/// The one of the `myelin` program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SUBNETS: NetUid = 128;
const UIDS: Uid = 256;
const VALIDATORS: Uid = 64;
const TEMPO: u16 = 360;

/// The target, and what the report says about it.
const MEAN_MS: f64 = 25.0;
const WORST_MS: f64 = 250.0;

#[derive(Clone, Copy)]
enum Schedule {
    Staggered,
    AtOnce,
}

fn main() {
    // `cargo test --benches` asks every bench whether it runs at all; this one is too long for that.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    for (name, schedule) in [("staggered", Schedule::Staggered), ("at_once", Schedule::AtOnce)] {
        for store in ["memory", "disk"] {
            if !is_selected(name, store) {
                continue;
            }
            let directory = tempfile::tempdir().unwrap();
            let config = match store {
                "disk" => StoreConfig::directory(directory.path()),
                _ => StoreConfig::memory(),
            };
            report(name, store, &measure(&config, schedule));
        }
    }
}

/// Whether every word on the command line is one of these.
fn is_selected(schedule: &str, store: &str) -> bool {
    std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .all(|word| word == schedule || word == store)
}

/// What a block took.
struct Taken {
    clock: Duration,
    processor: Duration,
    /// The part of the processor's time that went into executing and hashing; committing took the rest.
    proposing: Duration,
}

/// Times of all blocks of the second tempo.
fn measure(config: &StoreConfig, schedule: Schedule) -> Vec<Taken> {
    let chain = Chain::open(Store::open(config).unwrap(), Some(&genesis_of(schedule))).unwrap();
    let tempo = usize::from(TEMPO);
    for _ in 0..tempo {
        block(&chain);
    }
    let before = epochs(&chain);
    let times = (0..tempo).map(|_| block(&chain)).collect();
    assert_eq!(epochs(&chain) - before, u64::from(SUBNETS), "every subnet has run an epoch");
    times
}

fn block(chain: &Chain) -> Taken {
    let (started, busy) = (Instant::now(), processor_time());
    let executed = chain.propose(&context(next_time_ms(chain)), &mut NoCandidates).unwrap();
    let proposing = processor_time().saturating_sub(busy);
    chain.commit(executed, Vec::new()).unwrap();
    Taken { clock: started.elapsed(), processor: processor_time().saturating_sub(busy), proposing }
}

/// Time that this thread has spent on a processor; zero where the system does not tell.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// Epochs that have run, on all subnets together.
fn epochs(chain: &Chain) -> u64 {
    let state = chain.tip_state().unwrap();
    (1..=SUBNETS)
        .map(|netuid| {
            let key = market::SubnetEpochIndex::<Runtime>::hashed_key_for(netuid);
            let bytes = state.storage(&key).unwrap().unwrap_or_default();
            codec::Decode::decode(&mut &bytes[..]).unwrap_or(0_u64)
        })
        .sum()
}

fn report(schedule: &str, store: &str, blocks: &[Taken]) {
    let (mean, worst) = mean_and_worst(blocks, |taken| taken.clock);
    let (busy_mean, busy_worst) = mean_and_worst(blocks, |taken| taken.processor);
    let (proposing_mean, proposing_worst) = mean_and_worst(blocks, |taken| taken.proposing);
    let verdict = if mean < MEAN_MS && worst < WORST_MS { "within" } else { "beyond" };
    println!(
        "chain::network_step/subnets={SUBNETS},uids={UIDS},validators={VALIDATORS},schedule={schedule},store={store} \
         mean {mean:.2} ms, worst {worst:.1} ms ({verdict} {MEAN_MS} and {WORST_MS}); \
         on the processor {busy_mean:.2} and {busy_worst:.1} ms, \
         of which proposing {proposing_mean:.2} and {proposing_worst:.1} ms"
    );
}

fn mean_and_worst(blocks: &[Taken], time: impl Fn(&Taken) -> Duration) -> (f64, f64) {
    let millis: Vec<f64> = blocks.iter().map(|taken| time(taken).as_secs_f64() * 1e3).collect();
    (millis.iter().sum::<f64>() / millis.len() as f64, millis.iter().copied().fold(0.0, f64::max))
}

/// A development chain's genesis with the network in it.
fn genesis_of(schedule: Schedule) -> Storage {
    let mut genesis = development();
    genesis.market.max_epochs_per_block = 2;
    let mut storage = genesis.build_storage().unwrap();
    sp_state_machine::BasicExternalities::execute_with_storage(&mut storage, || {
        for netuid in 1..=SUBNETS {
            put_subnet(netuid, schedule);
        }
        put_reserve(ROOT, u64::from(VALIDATORS) * u64::from(SUBNETS) * 1_000 * RAO_PER_TAO);
        market::TotalIssuance::<Runtime>::put(Balances::total_issuance());
    });
    storage
}

fn put_subnet(netuid: NetUid, schedule: Schedule) {
    market::NetworksAdded::<Runtime>::insert(netuid, true);
    market::SubnetworkN::<Runtime>::insert(netuid, UIDS);
    market::Tempo::<Runtime>::insert(netuid, TEMPO);
    market::MaxAllowedValidators::<Runtime>::insert(netuid, VALIDATORS);
    market::Yuma3On::<Runtime>::insert(netuid, netuid.is_multiple_of(2));
    market::FirstEmissionBlockNumber::<Runtime>::insert(netuid, 1);
    market::SubtokenEnabled::<Runtime>::insert(netuid, true);
    market::NetworkRegistrationAllowed::<Runtime>::insert(netuid, true);
    market::SubnetOwner::<Runtime>::insert(netuid, coldkey(netuid, 0));
    market::SubnetOwnerHotkey::<Runtime>::insert(netuid, hotkey(netuid, 0));
    market::SubnetMechanism::<Runtime>::insert(netuid, 1);
    put_reserve(netuid, 10_000 * RAO_PER_TAO);
    market::SubnetAlphaIn::<Runtime>::insert(netuid, (500_000 + u64::from(netuid) * 1_000) * RAO_PER_TAO);
    market::SubnetAlphaOut::<Runtime>::insert(netuid, 1_000_000 * RAO_PER_TAO);
    market::SubnetMovingPrice::<Runtime>::insert(netuid, moving_price(netuid));
    market::LastUpdate::<Runtime>::insert(netuid, vec![1_u64; UIDS.into()]);
    market::ValidatorPermit::<Runtime>::insert(
        netuid,
        (0..UIDS).map(|uid| uid < VALIDATORS).collect::<Vec<_>>(),
    );
    let since = match schedule {
        Schedule::Staggered => u64::from(netuid % TEMPO),
        Schedule::AtOnce => 0,
    };
    market::LastEpochBlock::<Runtime>::insert(netuid, since);
    (0..UIDS).for_each(|uid| put_neuron(netuid, uid));
}

/// TAO in the pool, and in the account that backs it.
fn put_reserve(netuid: NetUid, rao: u64) {
    market::SubnetTAO::<Runtime>::insert(netuid, rao);
    market::TotalStake::<Runtime>::mutate(|total| *total += rao);
    Balances::mint_into(&market::Pallet::<Runtime>::pool_account(netuid), rao).unwrap();
}

/// Prices that sum to more than 1, so that root is paid as well.
fn moving_price(netuid: NetUid) -> I96F32 {
    I96F32::from_num(netuid) / 1_000
}

fn put_neuron(netuid: NetUid, uid: Uid) {
    let (hotkey, coldkey) = (hotkey(netuid, uid), coldkey(netuid, uid));
    market::Keys::<Runtime>::insert(netuid, uid, &hotkey);
    market::Uids::<Runtime>::insert(netuid, &hotkey, uid);
    market::IsNetworkMember::<Runtime>::insert(&hotkey, netuid, true);
    market::Owner::<Runtime>::insert(&hotkey, &coldkey);
    market::OwnedHotkeys::<Runtime>::insert(&coldkey, vec![hotkey.clone()]);
    if uid >= VALIDATORS {
        return;
    }
    market::Weights::<Runtime>::insert(netuid, uid, weights(netuid, uid));
    let alpha = (10_000 - 100 * u64::from(uid)) * RAO_PER_TAO;
    for (netuid, rao) in [(netuid, alpha), (ROOT, 1_000 * RAO_PER_TAO)] {
        let shares = SafeFloat::from(rao);
        market::TotalHotkeyAlpha::<Runtime>::insert(&hotkey, netuid, rao);
        market::TotalHotkeySharesV2::<Runtime>::insert(&hotkey, netuid, shares);
        market::AlphaV2::<Runtime>::insert((&hotkey, &coldkey, netuid), shares);
    }
}

/// Validators agree roughly, as real ones do.
fn weights(netuid: NetUid, validator: Uid) -> Vec<(Uid, u16)> {
    let weight = |uid: Uid| {
        let quality = sp_crypto_hashing::twox_64(&[netuid.to_le_bytes(), uid.to_le_bytes()].concat());
        let noise = sp_crypto_hashing::twox_64(&[validator.to_le_bytes(), uid.to_le_bytes()].concat());
        5_000 + u16::from_le_bytes([quality[0], quality[1]]) / 2 + u16::from(noise[0])
    };
    (0..UIDS).map(|uid| (uid, weight(uid))).collect()
}

fn hotkey(netuid: NetUid, uid: Uid) -> AccountId {
    account(b'h', netuid, uid)
}

fn coldkey(netuid: NetUid, uid: Uid) -> AccountId {
    account(b'c', netuid, uid)
}

fn account(kind: u8, netuid: NetUid, uid: Uid) -> AccountId {
    let seed = [&[kind][..], &netuid.to_le_bytes(), &uid.to_le_bytes()].concat();
    sp_crypto_hashing::blake2_256(&seed).into()
}
