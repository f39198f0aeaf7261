//! Killing a validator of a network under load, again and again.
//!
//! One of four validators is a process of its own: this test, started again. It is killed (SIGKILL, nothing is flushed)
//! at random moments and started again at once, while the others, who need it no more often than chance has it, watch
//! every message that it sends. `MYELIN_KILL_ITERATIONS` sets how often, `MYELIN_SEED` when.

// The seed has to be seen to run a failure again.
#![allow(clippy::print_stdout)]

mod common;

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use common::*;
use myelin_bft::{BftConfig, PeerAddress};
use myelin_chain::StoreConfig;
use sp_keyring::Sr25519Keyring as Keyring;

const ROLE: &str = "MYELIN_CRASH_CHILD";
const DEFAULT_ITERATIONS: u64 = 8;
const SLOT_MS: u64 = 200;
const POWERS: [u64; 4] = [1, 1, 1, 1];
const CHILD: u8 = 3;

/// The child: takes part until it is killed. Does nothing in an ordinary test run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_validates() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let mut words = role.split(' ');
    let (home, listen) = (words.next().unwrap(), words.next().unwrap());
    let genesis = Network::new(SLOT_MS, &POWERS).genesis;
    let peers: Vec<PeerAddress> = words.map(|address| address.parse().unwrap()).collect();
    let config = BftConfig::new(home, listen.parse().unwrap()).with_key(secret(CHILD)).with_peers(peers);
    let node = Node::start(&genesis, StoreConfig::directory(home), config);
    panic!("the child fails: {}", node.failure_at_any_time().await);
}

fn spawn(network: &Network) -> Child {
    let addresses: Vec<_> = network.addresses.iter().take(CHILD.into()).map(ToString::to_string).collect();
    let home = network.directory(CHILD);
    let role =
        format!("{} {} {}", home.display(), network.addresses[usize::from(CHILD)], addresses.join(" "));
    Command::new(std::env::current_exe().unwrap())
        .args(["child_validates", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// A small generator of the same numbers on every machine.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_is_killed_never_contradicts_itself() {
    let iterations = setting("MYELIN_KILL_ITERATIONS", DEFAULT_ITERATIONS);
    let seed = setting("MYELIN_SEED", u64::from(std::process::id()));
    println!("MYELIN_SEED={seed}");
    let network = Network::new(SLOT_MS, &POWERS);
    let nodes: Vec<_> = (0..CHILD).map(|index| network.start(index)).collect();
    let (mut state, mut nonce) = (seed, 0);
    for _ in 0..iterations {
        let mut child = spawn(&network);
        let from = nodes[0].height();
        network.witness.until_heard(secret(CHILD).public(), from + 1).await;
        nodes[0].reach(1).await;
        for _ in 0..10 {
            nodes[0].submit_transfer(Keyring::Alice, &account(9), 1_000_000, nonce);
            nonce += 1;
        }
        tokio::time::sleep(Duration::from_millis(next(&mut state) % (3 * SLOT_MS))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(network.witness.faults(), Vec::<String>::new());
    }
    // What it has on disk is a part of what was decided, and it goes on from there.
    let again = network.start(CHILD);
    let height = nodes[0].height() + 5;
    again.reach(height).await;
    nodes[0].reach(height).await;
    assert_agreement(&network, &[&nodes[0], &again], height);
    again.stop().await;
    for node in nodes {
        node.stop().await;
    }
}
