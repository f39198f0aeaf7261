//! Real nodes, over TCP, agree on blocks of the real chain.

mod common;

use common::*;
use sp_keyring::Sr25519Keyring as Keyring;

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
    let receiver = account(99);
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
