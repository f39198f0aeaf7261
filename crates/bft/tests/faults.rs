//! One of four proposers misbehaves; the chain goes on without its blocks.

mod common;

use common::*;
use myelin_bft::{BftConfig, Fault};

const BAD: u8 = 1;

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
