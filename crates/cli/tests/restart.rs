//! A node that is killed at any moment loses nothing that it said was final.

// The seed of a random run belongs on the screen.
#![allow(clippy::print_stderr)]

mod support;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc, Mutex, PoisonError,
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use myelin_chain::{Chain as Blocks, Location, Store, StoreConfig, Validity};
use myelin_client::{account_of, Client, ClientConfig, ClientError, HeadKind, WaitFor};
use myelin_keys::{CryptoType, Keypair};
use myelin_runtime::{AccountId, Hash};
use support::{failure, myelin, Chain};
use tokio::task::JoinSet;

const BLOCK_TIME: &str = "20ms";
const PATIENCE: Duration = Duration::from_secs(120);
/// Who sends, each several transfers at a time.
const SENDERS: [&str; 2] = ["//Alice", "//Bob"];
const TRANSFERS_AT_ONCE: usize = 4;
const TRANSFER_RAO: u64 = 1_000;

/// How often the node is killed; a long run sets MYELIN_KILL_ITERATIONS.
fn iterations() -> u32 {
    std::env::var("MYELIN_KILL_ITERATIONS").ok().map_or(20, |text| text.parse().expect("a number"))
}

/// A seed that is printed, and can be given back as MYELIN_SEED.
fn seed() -> u64 {
    let given = std::env::var("MYELIN_SEED").ok().map(|text| text.parse().expect("a number"));
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let seed = given.unwrap_or_else(clock);
    eprintln!("MYELIN_SEED={seed}");
    seed
}

/// A step of a 64-bit linear congruential generator.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// A transfer that the node called final.
#[derive(Clone, Copy)]
struct Acknowledged {
    extrinsic: Hash,
    block: Hash,
    index: u32,
}

/// All that the node said was final, over all its lives.
#[derive(Default)]
struct Told {
    heads: Mutex<BTreeMap<u32, Hash>>,
    transfers: Mutex<Vec<Acknowledged>>,
    attempts: AtomicU64,
    /// Errors that a killed node does not explain.
    problems: Mutex<Vec<String>>,
}

impl Told {
    fn head(&self, number: u32, hash: Hash) {
        let before = lock(&self.heads).insert(number, hash);
        if before.is_some_and(|before| before != hash) {
            lock(&self.problems).push(format!("block {number} was {before:?} and is {hash:?}"));
        }
    }

    fn highest(&self) -> u32 {
        lock(&self.heads).last_key_value().map_or(0, |(number, _)| *number)
    }

    fn count(&self) -> usize {
        lock(&self.transfers).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends transfers until the node is gone, and notes each that became final.
async fn send_on(client: Client, told: Arc<Told>, key: Arc<Keypair>, to: AccountId) {
    loop {
        told.attempts.fetch_add(1, Ordering::SeqCst);
        match client.transfer(&key, &to, TRANSFER_RAO, WaitFor::Finalized).await {
            Ok(receipt) => {
                told.head(receipt.block_number, receipt.block);
                let (extrinsic, block, index) = (receipt.extrinsic, receipt.block, receipt.index);
                lock(&told.transfers).push(Acknowledged { extrinsic, block, index });
            }
            Err(error) => {
                if matches!(error, ClientError::Rejected { .. } | ClientError::Failed { .. }) {
                    lock(&told.problems).push(error.to_string());
                }
                return;
            }
        }
    }
}

/// Notes every head that the node calls final, until it is gone.
async fn follow(client: Client, told: Arc<Told>) {
    let mut heads = client.heads(HeadKind::Finalized);
    while let Ok(header) = heads.next().await {
        told.head(header.number, header.hash());
    }
}

async fn connect(chain: &Chain) -> Client {
    Client::with_config(ClientConfig::new(&chain.url)).await.expect("the node answers")
}

async fn start_load(chain: &Chain, told: &Arc<Told>, receiver: &AccountId) -> JoinSet<()> {
    let client = connect(chain).await;
    let mut load = JoinSet::new();
    load.spawn(follow(client.clone(), Arc::clone(told)));
    for sender in SENDERS {
        let key = Arc::new(Keypair::from_uri(sender, CryptoType::Sr25519).expect("a key"));
        for _ in 0..TRANSFERS_AT_ONCE {
            load.spawn(send_on(client.clone(), Arc::clone(told), Arc::clone(&key), receiver.clone()));
        }
    }
    load
}

/// The node that started again has everything that the last one called final.
async fn check_live(chain: &Chain, told: &Told, receiver: &AccountId) {
    let client = connect(chain).await;
    let tip = client.at(client.finalized_hash().await.expect("reads")).block_number().await.expect("reads");
    assert!(tip >= told.highest(), "block {} was final, the tip is {tip}", told.highest());
    let heads = lock(&told.heads).clone();
    for (number, hash) in heads {
        assert_eq!(client.block_hash(number).await.expect("reads"), hash, "block {number} was final");
    }
    let received = client.funds(receiver).await.expect("reads").free_rao / TRANSFER_RAO;
    assert!(received >= told.count() as u64, "{} transfers were final, {received} are", told.count());
    assert!(received <= told.attempts.load(Ordering::SeqCst), "{received} transfers, more than were sent");
}

/// The database as the kill left it, in a copy: every transfer is where the node said, every kept state matches its root,
/// and the last block executed again gives what its header says.
fn check_database(directory: &Path, told: &Told) {
    let copy = tempfile::tempdir().expect("temporary directory");
    for entry in std::fs::read_dir(directory).expect("reads").map(|entry| entry.expect("reads")) {
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copies");
    }
    let config = StoreConfig::new(Location::Directory(copy.path().to_owned()));
    let chain = Blocks::open(Store::open(&config).expect("opens"), None).expect("opens");
    for transfer in lock(&told.transfers).iter() {
        let block = chain.block(&transfer.block).expect("reads").expect("the block was final");
        let extrinsic = &block.block.body[transfer.index as usize];
        assert_eq!(Hash::from(sp_crypto_hashing::blake2_256(extrinsic)), transfer.extrinsic);
    }
    let tip = chain.tip();
    assert!(tip.number() >= told.highest());
    for number in chain.oldest_state().expect("reads")..=tip.number() {
        let hash = chain.hash_of(number).expect("reads").expect("a block");
        chain.state(&hash).expect("opens").verify().expect("the state matches its root");
    }
    let last = chain.block(&tip.hash).expect("reads").expect("a block").block;
    chain.revert_to(tip.number() - 1).expect("reverts");
    let validity = chain.validate(&last, None).expect("executes");
    assert!(matches!(validity, Validity::Valid(_)), "{validity:?}");
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_was_final_survives_kill_9_at_any_moment_under_load() {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let directory = tempfile::tempdir().expect("temporary directory");
    let receiver = account_of(&Keypair::from_uri("//receiver", CryptoType::Sr25519).expect("a key"));
    let (mut random, told) = (seed(), Arc::new(Told::default()));
    for _ in 0..iterations() {
        let chain = Chain::on_disk(directory.path(), BLOCK_TIME);
        let load = runtime.block_on(async {
            check_live(&chain, &told, &receiver).await;
            start_load(&chain, &told, &receiver).await
        });
        let wanted = told.count() + 1 + (next(&mut random) % 16) as usize;
        wait_until("transfers become final", || told.count() >= wanted || !lock(&told.problems).is_empty());
        std::thread::sleep(Duration::from_micros(next(&mut random) % 40_000));
        chain.kill();
        runtime.block_on(async { drop(load) });
        assert_eq!(*lock(&told.problems), Vec::<String>::new());
        check_database(directory.path(), &told);
    }
    let chain = Chain::on_disk(directory.path(), BLOCK_TIME);
    runtime.block_on(check_live(&chain, &told, &receiver));
    eprintln!("{} transfers in {} blocks", told.count(), told.highest());
}

#[test]
fn a_base_path_belongs_to_one_node() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let _first = Chain::on_disk(directory.path(), "manual");
    let second = refused(directory.path());
    assert!(second.contains("another"), "{second}");
}

#[test]
fn a_port_belongs_to_one_node() {
    let first = Chain::start(&["--block-time", "manual"]);
    let port = first.url.rsplit(':').next().expect("a port");
    let second = failure(&["dev", "--rpc-port", port]);
    assert!(second.contains(port), "{second}");
}

#[test]
fn a_damaged_database_is_an_error_and_stays_as_it_is() {
    let directory = tempfile::tempdir().expect("temporary directory");
    Chain::on_disk(directory.path(), "manual").kill();
    let database = std::fs::read_dir(directory.path())
        .expect("reads")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .max_by_key(|path| std::fs::metadata(path).map_or(0, |data| data.len()))
        .expect("a database");
    let whole = std::fs::read(&database).expect("reads");
    for damaged in [&[][..], &vec![0x5a; 4096]] {
        assert_refused(directory.path(), &database, damaged);
        assert!(std::fs::read(&database).expect("reads") == damaged, "it was written to");
    }
    assert_refused(directory.path(), &database, &whole[..whole.len() / 2]);
    for eighth in 1..8 {
        let mut damaged = whole.clone();
        damaged[whole.len() / 8 * eighth..].iter_mut().take(4096).for_each(|byte| *byte = 0x5a);
        std::fs::write(&database, &damaged).expect("writes");
        // It may be a place that is not read or not used.
        let program = myelin()
            .args(["dev", "--rpc-port", "0", "--end-with-stdin", "--block-time", "manual"])
            .arg("--base-path")
            .arg(directory.path())
            .output()
            .expect("the program starts");
        let words = String::from_utf8_lossy(&program.stderr).into_owned();
        assert!(!words.contains("panicked"), "{words}");
        assert!(program.status.success() || words.to_lowercase().contains("restore a backup"), "{words}");
    }
}

fn assert_refused(base_path: &Path, database: &Path, content: &[u8]) {
    std::fs::write(database, content).expect("writes");
    let broken = refused(base_path);
    assert!(broken.contains(database.to_str().expect("a path of text")), "{broken}");
    assert!(broken.to_lowercase().contains("restore a backup"), "{broken}");
}

#[test]
fn another_chains_database_is_refused() {
    let directory = tempfile::tempdir().expect("temporary directory");
    Chain::on_disk(directory.path(), "manual").kill();
    let path = directory.path().to_str().expect("a path of text");
    let other = failure(&["dev", "--rpc-port", "0", "--base-path", path, "--block-time", "1s"]);
    assert!(other.contains("block time of 250 ms, but 1000 ms was asked for"), "{other}");
    assert!(other.contains("--block-time 250ms"), "{other}");
}

#[test]
fn a_chain_of_any_pace_can_be_sealed_by_hand() {
    let directory = tempfile::tempdir().expect("temporary directory");
    Chain::on_disk(directory.path(), "1s").kill();
    let chain = Chain::on_disk(directory.path(), "manual");
    chain.request("dev_mine", &serde_json::json!([3])).expect("answers");
    assert!(chain.ask(&["query", "block"])["number"].as_u64().expect("a number") >= 3);
}

fn refused(base_path: &Path) -> String {
    let path = base_path.to_str().expect("a path of text");
    failure(&["dev", "--rpc-port", "0", "--base-path", path, "--block-time", "manual"])
}
