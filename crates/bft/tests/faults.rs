//! One of four validators misbehaves: the chain goes on without its blocks, and what can be proved is kept.

mod common;

use std::time::Instant;

use common::*;
use myelin_bft::{BftConfig, Fault};
use myelin_chain::SubmitError;
use sp_keyring::Sr25519Keyring;

const BAD: u8 = 1;
/// A node that signs with the key of another.
const TWIN: u8 = 8;

async fn the_rest_goes_on(change: fn(u8, BftConfig) -> BftConfig) {
    let network = Network::new(250, &[1, 1, 1, 1]).changed(change);
    let nodes = network.start_all();
    let good: Vec<_> =
        nodes.iter().zip(0u8..).filter(|(_, index)| *index != BAD).map(|(node, _)| node).collect();
    const HEIGHT: u32 = 12;
    for node in &good {
        node.reach(HEIGHT).await;
    }
    assert_agreement(&network, &good, HEIGHT);
    // It had its turns, and they failed.
    let turns = (1..=HEIGHT).filter(|height| is_bad_turn(good[0], *height));
    let lost: Vec<_> = turns.filter(|height| network.witness.rounds(*height) > 0).collect();
    assert!(!lost.is_empty());
    let blocks = good[0].chain().decided(1..=HEIGHT).unwrap().map(Result::unwrap);
    let authors = blocks.map(|committed| myelin_chain::block::author(&committed.block.header).unwrap());
    assert!(authors.into_iter().all(|author| author != account(BAD)));
    for node in nodes {
        node.stop().await;
    }
}

fn is_bad_turn(node: &Node, height: u32) -> bool {
    let validators = node.application.params(1).unwrap().validators;
    myelin_bft::proposer::select(&validators, height, 0).unwrap().key == secret(BAD).public()
}

fn with(index: u8, config: BftConfig, fault: Fault) -> BftConfig {
    BftConfig { fault: (index == BAD).then_some(fault), ..config }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_state_root_is_out_voted() {
    the_rest_goes_on(|index, config| with(index, config, Fault::WrongStateRoot)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_block_is_out_voted() {
    the_rest_goes_on(|index, config| with(index, config, Fault::OversizedBlock)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_are_not_the_block_are_out_voted() {
    the_rest_goes_on(|index, config| with(index, config, Fault::GarbageParts)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_ahead_costs_only_its_own_turns() {
    the_rest_goes_on(|index, config| {
        let clock = std::sync::Arc::clone(&config.clock);
        let ahead_ms = if index == BAD { 30_000 } else { 0 };
        BftConfig { clock: std::sync::Arc::new(move || clock() + ahead_ms), ..config }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_used_twice_is_found_out() {
    // Two that should have stopped when they found each other's votes. The second has another home than the first, and
    // knows nothing of what that one has signed.
    let network = Network::new(250, &[1, 1, 1, 1]).changed(|index, config| {
        let fault = matches!(index, 3 | TWIN).then_some(Fault::SharesKey);
        BftConfig { fault, ..config }
    });
    let twins = [network.start(3), network.start_with_key(TWIN, 3)];
    let nodes: Vec<_> = (0..3).map(|index| network.start(index)).collect();
    let (mut nonce, started) = (0, Instant::now());
    let found = loop {
        assert!(started.elapsed() < PATIENCE, "nobody was found out by height {}", nodes[0].height());
        assert!(!twins.iter().any(Node::has_ended), "one ended before they differed");
        // Transactions that only one of them has make their blocks different.
        let chain = nodes[0].chain().genesis_hash();
        let bytes = transfer(chain, Sr25519Keyring::Bob, &account(9), 1_000_000, nonce);
        match twins[1].application.mempool().submit_here(bytes) {
            Ok(_) => nonce += 1,
            // It has enough of them, or is about to begin.
            Err(SubmitError::PoolFull(_) | SubmitError::Unsure | SubmitError::Behind { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let height = nodes[0].height() + 1;
        nodes[0].reach(height).await;
        let found = myelin_bft::evidence::equivocations(nodes[0].chain().store()).unwrap();
        if !found.is_empty() {
            break found;
        }
    };
    for equivocation in &found {
        assert_eq!(equivocation.validator, secret(3).public());
        assert_ne!(equivocation.first, equivocation.second);
        assert!((1..=nodes[0].height()).contains(&equivocation.height));
    }
    // The witness sees it as well, and the chain is one.
    assert!(!network.witness.faults().is_empty());
    let height = nodes[0].height();
    nodes[1].reach(height).await;
    assert_eq!(nodes[0].history(height), nodes[1].history(height));
    for node in nodes.into_iter().chain(twins) {
        node.end().await;
    }
}
