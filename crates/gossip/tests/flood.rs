//! Peers that send without end, and what that costs. Alone in their process, so that its memory can be measured.

mod support;

use codec::Encode;
use myelin_gossip::wire::Request;
use support::{
    eventually, quiet,
    rogue::{frame, Rogue, Seen},
    transfer, TestNode,
};

/// Resident memory of this process in bytes.
fn resident_bytes() -> u64 {
    let statistics = std::fs::read_to_string("/proc/self/statm").unwrap();
    statistics.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Sends `message` again and again without waiting for answers, and expects to be dropped while honest traffic goes on.
/// Returns how many bytes memory grew by.
async fn flood(message: impl Fn(&TestNode) -> Vec<u8>) -> u64 {
    let node = TestNode::start(1, quiet(), &[]).await;
    let honest = TestNode::start(2, quiet(), &[&node]).await;
    honest.with_peers(1).await;
    let message = message(&node);
    let before = resident_bytes();
    let mut rogue = Rogue::connect(&node).await;
    let (mut sent, mut dropped) = (0_u64, false);
    while !dropped && sent < 1_000 {
        // Eight at a time, so that the rogue's own buffers do not count for much.
        while rogue.waiting() < 8 {
            rogue.send(message.clone());
            sent += 1;
        }
        dropped = rogue.next().await == Seen::Disconnected;
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(dropped, "{sent} messages passed: {:?}", node.gossip.counts());
    for _ in 0..20 {
        assert!(!rogue.dial().await, "it is banned");
    }
    let sent = honest.submit(&honest.alice(), 0..3).await;
    eventually("honest ones arrive", || sent.is_subset(&node.hashes())).await;
    assert_eq!(node.gossip.counts().bans, 1);
    grown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_wait_for_answers_is_dropped() {
    flood(|node| {
        let same = transfer(&node.bob(), 0);
        frame(&Request::Transactions(vec![same; quiet().max_batch_count]).encode())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_bounded_under_a_flood() {
    let grown = flood(|_| frame(&Request::Transactions(vec![vec![7; 2 << 20]]).encode())).await;
    // What eight messages take in the rogue and three in the node, twice.
    assert!(grown < 64 << 20, "memory grew by {grown} bytes");
}
