//! Peers that send what they should not, over real connections.

mod support;

use std::time::{Duration, Instant};

use codec::Encode;
use myelin_gossip::{wire::Request, GossipLimits};
use support::{
    eventually, quiet,
    rogue::{frame, Rogue, Seen},
    transfer, TestNode,
};

/// What an answer to a batch looks like.
const RECEIVED: [u8; 5] = [1, 0, 0, 0, 0];

/// Sends `message`, and expects to be thrown out while honest traffic goes on.
async fn is_thrown_out(message: Vec<u8>) {
    let node = TestNode::start(1, quiet(), &[]).await;
    let honest = TestNode::start(2, quiet(), &[&node]).await;
    let mut rogue = Rogue::connect(&node).await;
    rogue.send(message);
    rogue.is_dropped().await;
    eventually("the rogue is no peer any more", || !node.is_connected_to(&rogue.peer_id())).await;
    assert_eq!(node.gossip.counts().bans, 1);
    assert!(!rogue.dial().await, "and it may not come back soon");
    let sent = honest.submit(&honest.alice(), 0..3).await;
    node.holds(&sent).await;
    assert!(node.is_connected_to(&honest.peer_id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_message_is_refused_unread() {
    let limit = u32::try_from(quiet().max_message_bytes).unwrap();
    is_thrown_out((limit + 1).to_le_bytes().to_vec()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_in_a_frame_is_refused() {
    is_thrown_out(frame(&[0xff; 100])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_transactions_in_a_batch_are_refused() {
    let many = vec![Vec::new(); quiet().max_batch_count + 1];
    is_thrown_out(frame(&Request::Transactions(many).encode())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_what_is_no_transaction_is_refused() {
    is_thrown_out(frame(&Request::Transactions(vec![vec![1, 2, 3]]).encode())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_can_say_one_port_of_its_own_host_and_nothing_else() {
    let node = TestNode::start(1, quiet(), &[]).await;
    let mut rogue = Rogue::connect(&node).await;
    let name = rogue.peer_id();
    let known = || node.gossip.peers()[0].consensus.as_ref().map(ToString::to_string);
    let claims = [
        (format!("/ip4/192.0.2.1/tcp/7/p2p/{name}"), None),
        (format!("/tcp/7/p2p/{name}"), Some(format!("/ip4/127.0.0.1/tcp/7/p2p/{name}"))),
        (format!("/tcp/8/p2p/{name}"), Some(format!("/ip4/127.0.0.1/tcp/7/p2p/{name}"))),
    ];
    for (claim, expected) in claims {
        let claim: myelin_gossip::Multiaddr = claim.parse().unwrap();
        rogue.send(frame(&Request::Consensus(claim.to_vec()).encode()));
        assert_eq!(rogue.next().await, Seen::Answer(RECEIVED.to_vec()));
        assert_eq!(known(), expected);
    }
    rogue.send(frame(&Request::Consensus(vec![0xff; 200]).encode()));
    assert_eq!(rogue.next().await, Seen::Answer(RECEIVED.to_vec()));
    rogue.send(frame(&Request::Consensus(vec![0; 300]).encode()));
    rogue.is_dropped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_signatures_are_faults_and_too_many_are_too_many() {
    let node = TestNode::start(1, quiet(), &[]).await;
    let forged = |nonce| {
        let mut bytes = transfer(&node.alice(), nonce);
        bytes[60] ^= 1;
        bytes
    };
    let mut rogue = Rogue::connect(&node).await;
    rogue.send_batch((0..3).map(forged).collect());
    assert_eq!(rogue.next().await, Seen::Answer(RECEIVED.to_vec()));
    assert_eq!((node.gossip.counts().faults, node.gossip.counts().bans), (3, 0));
    rogue.send_batch((3..20).map(forged).collect());
    rogue.is_dropped().await;
    assert_eq!(node.gossip.counts().bans, 1);
    assert!(node.mempool.pending().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fast_peer_is_slowed_down_to_its_allowance_and_others_are_not() {
    let limits = GossipLimits { transactions_per_second: 100, burst: Duration::from_secs(1), ..quiet() };
    let node = TestNode::start(1, limits, &[]).await;
    let honest = TestNode::start(2, quiet(), &[&node]).await;
    honest.with_peers(1).await;
    let same = transfer(&node.bob(), 0);
    let mut rogue = Rogue::connect(&node).await;
    let started = Instant::now();
    // The burst of 100 is free; 400 more take four seconds.
    for round in 0..10 {
        rogue.send_batch(vec![same.clone(); 50]);
        assert_eq!(rogue.next().await, Seen::Answer(RECEIVED.to_vec()));
        if round == 5 {
            let sent = honest.submit(&honest.alice(), 0..3).await;
            eventually("honest ones arrive", || sent.is_subset(&node.hashes())).await;
        }
    }
    let elapsed = started.elapsed();
    assert!(elapsed >= Duration::from_millis(3_900), "500 transactions took only {elapsed:?}");
    let counts = node.gossip.counts();
    assert!(counts.throttled >= 5, "{counts:?}");
    assert_eq!((counts.accepted, counts.duplicates, counts.bans), (4, 499, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_anew_does_not_renew_an_allowance() {
    let limits = GossipLimits { bytes_per_second: 1 << 10, burst: Duration::from_secs(1), ..quiet() };
    let node = TestNode::start(1, limits, &[]).await;
    let mut rogue = Rogue::connect(&node).await;
    let batch = |nonce| vec![transfer(&node.alice(), nonce); 14];
    let bytes = batch(0).iter().map(Vec::len).sum::<usize>();
    assert!(bytes > 1 << 10, "one batch uses up more than the burst");
    rogue.send_batch(batch(0));
    assert_eq!(rogue.next().await, Seen::Answer(RECEIVED.to_vec()));
    rogue.hang_up().await;
    assert!(rogue.dial().await, "it is welcome");
    rogue.send_batch(batch(1));
    assert_eq!(rogue.next().await, Seen::Answer(RECEIVED.to_vec()));
    assert_eq!(node.gossip.counts().throttled, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_answers_does_not_hold_up_others() {
    let limits = GossipLimits { request_timeout: Duration::from_secs(1), ..quiet() };
    let node = TestNode::start(1, limits, &[]).await;
    let honest = TestNode::start(2, quiet(), &[&node]).await;
    honest.with_peers(1).await;
    let mut silent = Rogue::connect(&node).await;
    let sent = node.submit(&node.alice(), 0..5).await;
    let (_, ()) = tokio::join!(silent.is_dropped(), honest.holds(&sent));
    assert_eq!(node.gossip.counts().bans, 0, "silence is no crime");
}
