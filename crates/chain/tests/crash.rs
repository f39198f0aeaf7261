//! Killing a node that commits under load, again and again.
//!
//! The test starts itself as a child process, which commits blocks of transfers on a database on disk and prints each
//! block once its commit has returned. The parent kills it at a random moment (SIGKILL, nothing is flushed), opens the
//! database, and checks that every printed block is there and that the whole state matches its root.
//! `MYELIN_KILL_ITERATIONS` sets how often.

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::*;
use myelin_chain::{audit::audit, Budget, History, ProposalContext, StoreConfig};
use sp_keyring::Sr25519Keyring as Keyring;

const DIRECTORY: &str = "MYELIN_CRASH_DIRECTORY";
const DEFAULT_ITERATIONS: u64 = 6;
const TRANSFERS_PER_BLOCK: u32 = 10;

fn config(directory: &Path) -> StoreConfig {
    StoreConfig::directory(directory).with_history(History::Blocks(8))
}

/// The child: commits blocks until it is killed. Does nothing in an ordinary test run.
#[test]
fn child_commits_blocks() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let chain = open(&config(Path::new(&directory)));
    let mempool = mempool(&chain);
    let alice = Signer::new(&chain, Keyring::Alice);
    let mut output = std::io::stdout().lock();
    loop {
        let nonce = mempool.next_nonce(&alice.account()).unwrap();
        for nonce in nonce..nonce + TRANSFERS_PER_BLOCK {
            let receiver = Signer::from_seed(&chain, u64::from(nonce) % 997).account();
            mempool.submit_here(alice.transfer(&receiver, 1_000_000, nonce, 0)).unwrap();
        }
        let budget = Budget { max_time: Duration::from_secs(60), ..Budget::default() };
        let context = ProposalContext { budget, ..context(next_time_ms(&chain)) };
        let executed = chain.propose(&context, &mut mempool.best()).unwrap();
        let (number, hash) = (executed.block.number(), executed.hash);
        chain.commit(executed, Vec::new()).unwrap();
        writeln!(output, "committed {number} {hash:?}").unwrap();
    }
}

#[test]
fn no_committed_block_is_lost_when_the_node_is_killed() {
    let iterations: u64 = match std::env::var("MYELIN_KILL_ITERATIONS") {
        Ok(text) => text.parse().expect("MYELIN_KILL_ITERATIONS must be a number"),
        Err(_) => DEFAULT_ITERATIONS,
    };
    let directory = tempfile::tempdir().unwrap();
    let mut committed = 0;
    for iteration in 0..iterations {
        let told = run_and_kill(directory.path(), iteration);
        let chain = open(&config(directory.path()));
        let tip = chain.tip();
        if let Some((number, _)) = told.last() {
            assert!(tip.number() >= *number, "block {number} was committed, the tip is {}", tip.number());
            // The kill may come between the commit and the line.
            assert!(tip.number() <= number + 1);
        }
        for (number, hash) in &told {
            assert_eq!(format!("{:?}", chain.hash_of(*number).unwrap().unwrap()), *hash);
        }
        committed += told.len();
        let view = chain.tip_state().unwrap();
        view.verify().unwrap();
        assert!(audit(&view).unwrap().holds());
        check_history(&chain);
    }
    assert!(committed as u64 >= iterations, "the child hardly got anywhere: {committed} blocks");
}

/// All blocks link to each other, and every kept state is whole.
fn check_history(chain: &myelin_chain::Chain) {
    let tip = chain.tip().number();
    let mut parent = chain.genesis_hash();
    for block in chain.decided(1..=tip).unwrap() {
        let block = block.unwrap();
        assert_eq!(block.block.header.parent_hash, parent);
        parent = block.hash;
    }
    for number in chain.oldest_state().unwrap()..=tip {
        chain.state(&chain.hash_of(number).unwrap().unwrap()).unwrap().verify().unwrap();
    }
}

fn spawn(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child_commits_blocks", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs the child until some while after its first block; returns the blocks that it told of.
fn run_and_kill(directory: &Path, iteration: u64) -> Vec<(u32, String)> {
    let mut child = spawn(directory);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Spreads the moments over the phases of a block, the same way in every run.
    let life = Duration::from_millis(20 + iteration * 7_919 % 400);
    let mut told = Vec::new();
    let mut kill_at = None;
    for line in lines.by_ref() {
        told.extend(parse(&line.unwrap()));
        let kill_at = *kill_at.get_or_insert_with(|| Instant::now() + life);
        if !told.is_empty() && Instant::now() >= kill_at {
            break;
        }
    }
    child.kill().unwrap();
    // What it still wrote before it died counts as well; the last line may be cut off.
    told.extend(lines.map_while(Result::ok).filter_map(|line| parse(&line)));
    child.wait().unwrap();
    told
}

fn parse(line: &str) -> Option<(u32, String)> {
    let (number, hash) = line.strip_prefix("committed ")?.split_once(' ')?;
    (hash.len() == 66).then(|| (number.parse().unwrap(), hash.to_owned()))
}
