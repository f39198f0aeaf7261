//! Killing a node that commits under load, again and again.
//!
//! The test starts itself as a child process. One thread of it submits transfers without pause, another commits blocks of
//! them on a database on disk, and prints each block once its commit has returned. The parent kills the child at a random
//! moment (SIGKILL, nothing is flushed), opens the database, and checks that every printed block is there, that the whole
//! state matches its root, and that executing the blocks again on another chain gives the same roots.
//!
//! `MYELIN_KILL_ITERATIONS` sets how often. The moments follow from a seed that is printed; `MYELIN_KILL_SEED` sets it.

#![allow(clippy::print_stderr)] // A failure is of no use without its seed.

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{mpsc, Arc},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use codec::Encode;
use common::*;
use myelin_chain::{
    audit::audit, Budget, Chain, Hash, History, Mempool, ProposalContext, StoreConfig, Validity,
};
use sp_crypto_hashing::twox_64;
use sp_keyring::Sr25519Keyring as Keyring;

const DIRECTORY: &str = "MYELIN_CRASH_DIRECTORY";
const DEFAULT_ITERATIONS: u64 = 30;
/// Longest life of a child after its first block, or after its start.
const MAX_LIFE_MS: u64 = 400;
/// How long a child may take to its first block on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Transactions that wait at most, so that blocks stay small and come often.
const MAX_WAITING: usize = 20;

fn config(directory: &Path) -> StoreConfig {
    StoreConfig::directory(directory).with_history(History::Blocks(8))
}

/// The child: commits blocks until it is killed. Does nothing in an ordinary test run.
#[test]
fn child_commits_blocks() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let chain = open(&config(Path::new(&directory)));
    let mempool = mempool(&chain);
    for sender in [Keyring::Alice, Keyring::Bob, Keyring::Charlie] {
        let (chain, mempool) = (Arc::clone(&chain), Arc::clone(&mempool));
        thread::spawn(move || submit_for_ever(&chain, &mempool, sender));
    }
    let mut output = std::io::stdout().lock();
    loop {
        let budget = Budget { max_time: Duration::from_millis(50), ..Budget::default() };
        let context = ProposalContext { budget, ..context(next_time_ms(&chain)) };
        let executed = chain.propose(&context, &mut mempool.best()).unwrap();
        let (number, hash) = (executed.block.number(), executed.hash);
        chain.commit(executed, Vec::new()).unwrap();
        writeln!(output, "committed {number} {hash:?}").unwrap();
    }
}

fn submit_for_ever(chain: &Chain, mempool: &Mempool, sender: Keyring) {
    let signer = Signer::new(chain, sender);
    loop {
        if mempool.status().ready >= MAX_WAITING {
            thread::yield_now();
            continue;
        }
        let nonce = mempool.next_nonce(&signer.account()).unwrap();
        let receiver = Signer::from_seed(chain, u64::from(nonce) % 97).account();
        // A block may use up the nonce meanwhile.
        let _ = mempool.submit_here(signer.transfer(&receiver, 1_000_000, nonce, 0));
    }
}

#[test]
fn no_committed_block_is_lost_when_the_node_is_killed() {
    let iterations = setting("MYELIN_KILL_ITERATIONS").unwrap_or(DEFAULT_ITERATIONS);
    let seed = setting("MYELIN_KILL_SEED").unwrap_or_else(random_seed);
    eprintln!("MYELIN_KILL_SEED={seed}");
    let directory = tempfile::tempdir().unwrap();
    let witness = memory_chain(History::Blocks(1));
    let (mut told_blocks, mut told_tip) = (0, 0);
    for iteration in 0..iterations {
        let told = run_and_kill(directory.path(), random(seed, iteration));
        let chain = open(&config(directory.path()));
        for (number, hash) in &told {
            let found = chain.hash_of(*number).unwrap();
            assert_eq!(found, Some(*hash), "block {number} was told of, iteration {iteration}");
        }
        told_blocks += told.len();
        told_tip = told.last().map_or(told_tip, |(number, _)| *number);
        let tip = chain.tip();
        assert!(tip.number() >= told_tip, "block {told_tip} was committed, the tip is {}", tip.number());
        let untold = told.last().map(|(number, _)| tip.number() - number);
        assert!(untold.is_none_or(|untold| untold <= 1), "at most one commit had not been told of");
        replay(&chain, &witness);
        check_kept_states(&chain);
    }
    let transfers = count_transfers(&open(&config(directory.path())));
    eprintln!("{told_blocks} blocks with {transfers} transfers before {iterations} kills");
    assert!(told_blocks as u64 >= iterations / 2 && transfers > told_blocks, "the load was too small");
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, it is {text}")))
}

fn random_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

fn random(seed: u64, iteration: u64) -> u64 {
    u64::from_le_bytes(twox_64(&(seed, iteration).encode()))
}

/// Executes what is new in `chain` on `witness`, which has seen everything before; the roots must come out the same.
fn replay(chain: &Chain, witness: &Chain) {
    let first = witness.tip().number() + 1;
    for block in chain.decided(first..=chain.tip().number()).unwrap() {
        let block = block.unwrap().block;
        match witness.validate(&block, None).unwrap() {
            Validity::Valid(executed) => drop(witness.commit(*executed, Vec::new()).unwrap()),
            other => {
                panic!("block {} does not follow what was there before the kill: {other:?}", block.number())
            }
        }
    }
    assert_eq!(witness.tip(), chain.tip(), "no block that was there before is gone");
}

/// Every kept state is whole, and the newest adds up.
fn check_kept_states(chain: &Chain) {
    for number in chain.oldest_state().unwrap()..=chain.tip().number() {
        chain.state(&chain.hash_of(number).unwrap().unwrap()).unwrap().verify().unwrap();
    }
    assert!(audit(&chain.tip_state().unwrap()).unwrap().holds());
}

/// How many transfers all blocks contain; each has one inherent besides.
fn count_transfers(chain: &Chain) -> usize {
    let blocks = chain.decided(1..=chain.tip().number()).unwrap();
    blocks.map(|block| block.unwrap().block.body.len() - 1).sum()
}

fn spawn(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child_commits_blocks", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs the child for a while that `random` decides, counted from its first block, or sometimes from its start, so that it
/// is also killed while it opens the database. Returns the blocks that it told of.
fn run_and_kill(directory: &Path, random: u64) -> Vec<(u32, Hash)> {
    let (life, from_start) = (Duration::from_millis(random % MAX_LIFE_MS), (random >> 32).is_multiple_of(4));
    let mut child = spawn(directory);
    let lines = read_lines(child.stdout.take().unwrap());
    let mut told = Vec::new();
    let patience_ends = Instant::now() + PATIENCE;
    while !from_start && told.is_empty() {
        let left = patience_ends.saturating_duration_since(Instant::now());
        told.extend(parse(&lines.recv_timeout(left).expect("a first block in time")));
    }
    thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    // What it wrote before it died; the last line may be cut off.
    told.extend(lines.iter().filter_map(|line| parse(&line)));
    told
}

/// Reads in a thread, so that neither the child waits for its reader nor the kill for a line.
fn read_lines(output: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    lines
}

fn parse(line: &str) -> Option<(u32, Hash)> {
    let (number, hash) = line.strip_prefix("committed ")?.split_once(' ')?;
    Some((number.parse().unwrap(), hash.parse().ok()?))
}
