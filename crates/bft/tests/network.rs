//! Real nodes, over TCP, agree on blocks of the real chain.

mod common;

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use common::*;
use myelin_bft::{BftConfig, PeerAddress};
use myelin_chain::{StoreConfig, SubmitError};
use sp_keyring::Sr25519Keyring as Keyring;
use tokio::sync::watch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_validator_makes_blocks() {
    let network = Network::new(100, &[1]);
    let node = network.start(0);
    node.reach(5).await;
    assert_agreement(&network, &[&node], 5);
    node.stop().await;
    let again = network.start(0);
    again.reach(8).await;
    assert_agreement(&network, &[&again], 8);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_validators_agree_on_blocks_and_transfers() {
    let network = Network::new(250, &[10, 20, 30, 40]);
    let nodes = network.start_all();
    nodes[0].reach(2).await;
    let receiver = account(9);
    let balance_key = myelin_chain::storage_keys::account(&receiver);
    for nonce in 0..10 {
        nodes[0].submit_transfer(Keyring::Alice, &receiver, 1_000_000, nonce);
    }
    let paid = |node: &Node| {
        let state = node.chain().tip_state().unwrap();
        state.storage(&balance_key).unwrap().is_some()
    };
    for node in &nodes {
        node.until("the transfers", || paid(node)).await;
    }
    let height = nodes[0].height() + 5;
    for node in &nodes {
        node.reach(height).await;
    }
    assert_agreement(&network, &nodes.iter().collect::<Vec<_>>(), height);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_validator_is_not_missed_and_catches_up() {
    let network = Network::new(250, &[10, 10, 10, 10]);
    let mut nodes = network.start_all();
    nodes[0].reach(3).await;
    let stopped = nodes.remove(3);
    let left_at = stopped.height();
    stopped.stop().await;
    nodes[0].reach(left_at + 20).await;
    let again = network.start(3);
    assert!(again.height() <= left_at + 1);
    let target = nodes[0].height() + 5;
    again.reach(target).await;
    nodes[0].reach(target).await;
    assert_agreement(&network, &[&nodes[0], &nodes[1], &nodes[2], &again], target.min(nodes[1].height()));
    // It takes part again: without one of the others, its vote is needed.
    nodes.remove(0).stop().await;
    let height = again.height() + 5;
    again.reach(height).await;
    nodes[0].reach(height).await;
    assert_agreement(&network, &[&again, &nodes[0]], height);
    again.stop().await;
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_node_replays_the_chain_and_follows() {
    let network = Network::new(250, &[1, 1, 1, 1]);
    let nodes = network.start_all();
    nodes[0].reach(1).await;
    for nonce in 0..50 {
        nodes[0].submit_transfer(Keyring::Alice, &account(9), 1_000_000, nonce);
    }
    nodes[0].reach(20).await;
    let late = network.start_follower(7);
    late.reach(nodes[0].height()).await;
    late.until("following", || !late.status.get().is_syncing).await;
    late.until("peers", || late.status.get().peers >= 1).await;
    // Nobody dials it, and what comes in where it dials is counted, too.
    let counts = late.status.gate();
    assert!(counts.accepted == 0 && counts.bytes > 0, "{counts:?}");
    let height = late.height() + 5;
    late.reach(height).await;
    nodes[3].reach(height).await;
    assert_agreement(&network, &[&nodes[3], &late], height);
    late.stop().await;
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_catches_up_refuses_transactions_until_it_has() {
    const SLOT_MS: u64 = 100;
    let network = Network::new(SLOT_MS, &[1, 1, 1, 1]);
    let mut nodes = network.start_all();
    nodes[0].reach(5).await;
    for node in nodes.split_off(2) {
        node.stop().await;
    }
    // Two of four decide nothing, so the newest block grows old.
    let tip = || nodes.iter().map(Node::height).max().unwrap();
    let is_old = || (myelin_chain::local::system_clock())() > nodes[0].chain().tip().time_ms + 25 * SLOT_MS;
    nodes[0].until("an old block", is_old).await;
    let late = network.start_follower(7);
    let bytes = |nonce| transfer(late.chain().genesis_hash(), Keyring::Alice, &account(9), 1_000_000, nonce);
    let submit_at_once = || late.application.mempool().submit_here(bytes(0));
    assert!(matches!(submit_at_once(), Err(SubmitError::Unsure)), "it has heard of nobody");
    // At no time before it has the newest block does it take anything.
    late.until("the newest block", || {
        let refusal = submit_at_once();
        let expected =
            matches!(refusal, Err(SubmitError::Unsure | SubmitError::CutOff | SubmitError::Behind { .. }));
        assert!(expected, "{refusal:?}");
        late.height() == tip()
    })
    .await;
    assert!(late.status.get().is_behind);
    let refusal = late.application.mempool().submit(bytes(0)).await.unwrap_err();
    assert!(matches!(refusal, SubmitError::Behind { number, age_s } if number == tip() && age_s >= 2));
    // Who was there when the block was decided is not behind.
    nodes[0].application.mempool().submit(bytes(0)).await.unwrap();
    nodes.push(network.start(2));
    late.until("it has caught up", || !late.status.get().is_behind).await;
    late.application.mempool().submit(bytes(1)).await.unwrap();
    late.stop().await;
    for node in nodes {
        node.stop().await;
    }
}

/// A node of `network` that follows peers at these addresses.
fn follower_of(network: &Network, peers: &[SocketAddr]) -> Node {
    let peers = peers.iter().map(|peer| (*peer).into()).collect();
    let config = network.config(7, free_address()).with_peers(peers);
    Node::start(&network.genesis, StoreConfig::directory(network.directory(7)), config)
}

async fn until_it_says(node: &Node, what: &[&str]) {
    let says = || node.status.trouble().is_some_and(|told| what.iter().all(|part| told.contains(part)));
    node.until(&format!("{what:?}"), says).await;
}

fn is_cut_off(node: &Node) -> bool {
    matches!(node.application.mempool().submit_here(vec![0]), Err(SubmitError::CutOff))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_dials_nobody_takes_nothing_and_says_what_is_missing() {
    let network = Network::new(100, &[1]);
    let follower = follower_of(&network, &[]);
    assert!(is_cut_off(&follower));
    until_it_says(&follower, &["dials nobody", "p2p-peers"]).await;
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_names_peers_that_are_down_or_of_another_chain_until_one_is_there() {
    let network = Network::new(250, &[1]);
    let other_chain = Network::new(300, &[1]);
    let stranger = other_chain.start(0);
    stranger.reach(1).await;
    let addresses = [other_chain.addresses[0], network.addresses[0]];
    let follower = follower_of(&network, &addresses);
    let [stranger_address, address] =
        addresses.map(|address| format!("/ip4/127.0.0.1/tcp/{}", address.port()));
    let of_another = format!("{stranger_address} takes connections, but they end at once");
    let is_down = format!("{address} cannot be reached (Connection refused");
    until_it_says(&follower, &[&of_another, "of another chain", &is_down]).await;
    follower.until("it takes nothing", || is_cut_off(&follower)).await;
    assert_eq!((follower.status.get().peers, follower.height()), (0, 0));
    let validator = network.start(0);
    follower.reach(3).await;
    follower
        .until("all is well", || follower.status.trouble().is_none() && !follower.status.get().is_behind)
        .await;
    assert!(!is_cut_off(&follower));
    validator.stop().await;
    follower.until("it is alone again", || is_cut_off(&follower)).await;
    for node in [follower, stranger] {
        node.stop().await;
    }
}

/// Nobody who could be ahead answers, or there is nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_that_nobody_answers_does_not_wait_for_ever() {
    let network = Network::new(100, &[1]).changed(|_, config| {
        // Nobody listens there.
        config.with_peers(vec!["127.0.0.9:9".parse().unwrap()])
    });
    let takes = |node: &Node| {
        let bytes = transfer(node.chain().genesis_hash(), Keyring::Alice, &account(9), 1_000_000, 0);
        node.application.mempool().submit_here(bytes).is_ok()
    };
    let validator = network.start(0);
    let started = std::time::Instant::now();
    assert!(!takes(&validator));
    // It gives peers that may know more ten seconds, and then goes on alone.
    validator.until("its first block", || validator.height() >= 1 && takes(&validator)).await;
    assert!(started.elapsed() < Duration::from_secs(30), "it does not wait for ever");
    validator.stop().await;
    // The network owns the folders of its nodes.
    let network = Network::new(100, &[1]);
    let alone = network.start(0);
    assert!(takes(&alone), "it has nobody to wait for");
    alone.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_take_transactions_soon() {
    let network = Network::new(250, &[1, 1, 1, 1]);
    // Two of four make no block, and tell each other so.
    let nodes = [network.start(0), network.start(1)];
    for node in &nodes {
        let bytes = transfer(node.chain().genesis_hash(), Keyring::Alice, &account(9), 1_000_000, 0);
        node.until("it knows enough", || node.application.mempool().submit_here(bytes.clone()).is_ok()).await;
        assert_eq!(node.height(), 0);
    }
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_found_are_dialled_and_replace_one_that_dies() {
    const KNOWN_BY_ALL: u8 = 0;
    const LATE: u8 = 7;
    let (tell, found) = watch::channel(BTreeSet::new());
    let network = Network::new(250, &[1, 1, 1, 1]).changed(move |index, mut config| {
        config.persistent_peers.truncate(usize::from(index != KNOWN_BY_ALL));
        BftConfig { discovered: Some(found.clone()), ..config }
    });
    let mut nodes = network.start_all();
    nodes[0].reach(2).await;
    // It gets to know itself and whom it is connected to as well, and some who are not there.
    tell.send_replace(nodes.iter().map(Node::whereabouts).chain([nobody()]).collect());
    for node in &nodes {
        node.until("all are connected to it", || node.status.get().peers == 3).await;
    }
    let late = network.start_follower(LATE);
    late.until("it is connected to all", || late.status.get().peers == 4).await;
    nodes.remove(0).stop().await;
    let height = late.height() + 5;
    late.reach(height).await;
    nodes[0].reach(height).await;
    assert_agreement(&network, &[&nodes[0], &late], height);
    late.stop().await;
    for node in nodes {
        node.stop().await;
    }
}

/// A node that was found and is not there.
fn nobody() -> PeerAddress {
    let name = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    let address = PeerAddress::from(free_address());
    format!("{address}/p2p/{name}").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_without_validators_is_refused() {
    let network = Network::new(250, &[]);
    let error = network.start(0).failure().await.to_string();
    assert!(error.contains("no validators"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_address_is_an_error() {
    let network = Network::new(100, &[1]);
    let _taken = std::net::TcpListener::bind(network.addresses[0]).unwrap();
    let error = network.start(0).failure().await.to_string();
    assert!(error.contains("listening address"), "{error}");
}
