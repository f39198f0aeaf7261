//! Transactions spread over real connections between real mempools.

mod support;

use std::collections::BTreeSet;

use myelin_chain::{Hash, MempoolLimits};
use myelin_gossip::{Gossip, GossipConfig, GossipError, GossipLimits, NodeKey};
use support::{chain, eventually, quiet, transfer, TestNode};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const MANY: u32 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_reaches_everybody_along_a_line_and_crosses_each_link_once() {
    let first = TestNode::start(1, quiet(), &[]).await;
    let second = TestNode::start(2, quiet(), &[&first]).await;
    let third = TestNode::start(3, quiet(), &[&second]).await;
    let fourth = TestNode::start(4, quiet(), &[&third]).await;
    for (node, peers) in [(&first, 1), (&second, 2), (&third, 2), (&fourth, 1)] {
        node.with_peers(peers).await;
    }
    let sent = first.submit(&first.alice(), 0..MANY).await;
    for node in [&second, &third, &fourth] {
        node.holds(&sent).await;
    }
    let back = fourth.submit(&fourth.bob(), 0..1).await;
    let all: BTreeSet<Hash> = sent.union(&back).copied().collect();
    for node in [&first, &second, &third] {
        node.holds(&all).await;
    }
    let many = u64::from(MANY);
    for (node, received, forwarded) in
        [(&first, 1, many), (&second, many + 1, many + 1), (&third, many + 1, many + 1), (&fourth, many, 1)]
    {
        let counts = node.counted(received).await;
        assert_eq!((counts.received, counts.accepted, counts.forwarded), (received, received, forwarded));
        assert_eq!((counts.duplicates, counts.refused, counts.dropped, counts.faults), (0, 0, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_mesh_each_mempool_checks_a_transaction_once() {
    let first = TestNode::start(1, quiet(), &[]).await;
    let second = TestNode::start(2, quiet(), &[&first]).await;
    let third = TestNode::start(3, quiet(), &[&first, &second]).await;
    let nodes = [&first, &second, &third];
    for node in nodes {
        node.with_peers(2).await;
    }
    let mut all = first.submit(&first.alice(), 0..MANY).await;
    for node in nodes {
        node.holds(&all).await;
    }
    // When this one has arrived, what was sent before it has, too.
    all.extend(second.submit(&second.bob(), 0..1).await);
    for node in nodes {
        node.holds(&all).await;
    }
    let many = u64::from(MANY);
    let mut counts = Vec::new();
    for (node, accepted) in nodes.into_iter().zip([1, many, many + 1]) {
        counts.push(node.counted(accepted).await);
    }
    assert!(counts.iter().all(|counts| counts.forwarded <= 2 * (many + 1)), "{counts:?}");
    assert!(counts.iter().all(|counts| counts.refused + counts.dropped + counts.faults == 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_here_is_offered_to_a_new_peer_in_batches() {
    let limits = GossipLimits { max_batch_count: 16, ..quiet() };
    let old = TestNode::start(1, limits.clone(), &[]).await;
    let sent = old.submit(&old.alice(), 0..100).await;
    old.submit(&old.alice(), 500..501).await;
    let new = TestNode::start(2, limits, &[&old]).await;
    new.holds(&sent).await;
    let counts = new.counted(100).await;
    assert_eq!((counts.received, counts.accepted), (100, 100), "what waits for others stays where it is");
    assert_eq!(new.gossip.peers().len(), 1);
    assert!(!new.gossip.peers()[0].inbound && old.gossip.peers()[0].inbound);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_mempool_does_not_take_is_not_sent_again() {
    let full = MempoolLimits { max_count: 10, ..MempoolLimits::default() };
    let small = TestNode::start_with(1, full, |_| {}).await;
    let large = TestNode::start(2, quiet(), &[&small]).await;
    let mut sent = large.submit(&large.alice(), 0..50).await;
    eventually("the small node has seen all", || small.gossip.counts().received == 50).await;
    eventually("it has judged all", || {
        let counts = small.gossip.counts();
        counts.accepted + counts.dropped == 50
    })
    .await;
    assert_eq!(small.mempool.pending().len(), 10);
    // Room again, and one more transaction: only that one is sent.
    chain::commit_pool(&small.chain, &small.mempool);
    let more = large.submit(&large.bob(), 0..1).await;
    sent.extend(&more);
    eventually("the new one arrives", || more.is_subset(&small.hashes())).await;
    assert_eq!(large.gossip.counts().forwarded, 51);
    assert_eq!(large.hashes(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_comes_back_is_found_again_and_gets_what_it_missed() {
    let server = TestNode::start(1, quiet(), &[]).await;
    let address = server.address();
    let client = TestNode::start(2, quiet(), &[&server]).await;
    client.with_peers(1).await;
    let (chain, mempool) = server.stop().await;
    client.with_peers(0).await;
    let sent = client.submit(&client.alice(), 0..5).await;
    assert!(mempool.pending().is_empty());
    let server =
        TestNode::start_on(1, chain, mempool, |config| config.listen = vec![without_name(&address)]).await;
    server.holds(&sent).await;
    assert_eq!(server.address(), address);
}

fn without_name(address: &myelin_gossip::Multiaddr) -> myelin_gossip::Multiaddr {
    let mut address = address.clone();
    address.pop();
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_of_peers_are_found_and_connections_stay_bounded() {
    let limits = GossipLimits {
        wanted_peers: 2,
        max_inbound: 2,
        discovery: std::time::Duration::from_millis(200),
        ..quiet()
    };
    let hub = TestNode::start(1, limits.clone(), &[]).await;
    let left = TestNode::start(2, limits.clone(), &[&hub]).await;
    let right = TestNode::start(3, limits.clone(), &[&hub]).await;
    eventually("strangers meet", || left.is_connected_to(&right.peer_id())).await;
    for node in [&hub, &left, &right] {
        node.with_peers(2).await;
    }
    // The hub is full, so this one is turned away, for as long as it tries.
    let late = TestNode::start(4, limits, &[&hub]).await;
    let sent = left.submit(&left.alice(), 0..3).await;
    hub.holds(&sent).await;
    assert_eq!(hub.gossip.peers().len(), 2);
    assert!(late.gossip.peers().is_empty() && late.mempool.pending().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_brings_nothing_makes_room_after_a_while() {
    let limits = GossipLimits {
        max_inbound: 2,
        min_stay: std::time::Duration::from_millis(300),
        discovery: std::time::Duration::from_secs(3600),
        ..quiet()
    };
    let hub = TestNode::start(1, limits.clone(), &[]).await;
    let useful = TestNode::start(2, limits.clone(), &[&hub]).await;
    let idle = TestNode::start(3, limits.clone(), &[&hub]).await;
    hub.with_peers(2).await;
    let sent = useful.submit(&useful.alice(), 0..3).await;
    hub.holds(&sent).await;
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    let late = TestNode::start(4, limits, &[&hub]).await;
    eventually("a place for the late one", || late.is_connected_to(&hub.peer_id())).await;
    late.holds(&sent).await;
    assert!(hub.gossip.peers().len() <= 2);
    assert!(useful.is_connected_to(&hub.peer_id()), "it has brought something");
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_know_where_a_node_agrees_on_blocks_if_it_takes_connections_for_that() {
    let place = |name: u8| format!("/tcp/{}/p2p/{}", name, NodeKey::from_secret([name; 32]).peer_id());
    let server = TestNode::start_with(1, MempoolLimits::default(), |config| {
        config.consensus = Some(place(7).parse().unwrap());
    })
    .await;
    let address = server.address();
    let client = TestNode::start_with(2, MempoolLimits::default(), |config| {
        config.consensus = Some(place(8).parse().unwrap());
        config.persistent_peers = vec![address.clone()];
    })
    .await;
    let silent = TestNode::start(3, quiet(), &[&server]).await;
    let known_to = |node: &TestNode, of: &TestNode| {
        let peers = node.gossip.peers();
        peers.into_iter().find(|peer| peer.peer == of.peer_id())?.consensus.map(|address| address.to_string())
    };
    let here = |name| Some(format!("/ip4/127.0.0.1{}", place(name)));
    eventually("whom it has dialled", || known_to(&client, &server) == here(7)).await;
    eventually("who has dialled it", || known_to(&server, &client) == here(8)).await;
    eventually("who says nothing hears it, too", || known_to(&silent, &server) == here(7)).await;
    assert_eq!(known_to(&server, &silent), None);
    let sent = client.submit(&client.alice(), 0..3).await;
    silent.holds(&sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_chain_gets_nothing() {
    let ours = TestNode::start(1, quiet(), &[]).await;
    let address = ours.address();
    let theirs = TestNode::start_with(2, MempoolLimits::default(), |config| {
        config.genesis_hash = Hash::repeat_byte(9);
        config.persistent_peers = vec![address];
    })
    .await;
    let friend = TestNode::start(3, quiet(), &[&ours]).await;
    let mut sent = ours.submit(&ours.alice(), 0..1).await;
    friend.holds(&sent).await;
    eventually("the stranger is turned away", || !ours.is_connected_to(&theirs.peer_id())).await;
    sent.extend(ours.submit(&ours.alice(), 1..2).await);
    friend.holds(&sent).await;
    assert!(theirs.mempool.pending().is_empty());
    assert_eq!(theirs.gossip.counts().received, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_behind_takes_nothing_until_it_has_caught_up() {
    let (behind, is_behind) = watch::channel(true);
    let syncing =
        TestNode::start_with(1, MempoolLimits::default(), |config| config.behind = Some(is_behind)).await;
    let source = TestNode::start(2, quiet(), &[&syncing]).await;
    let sent = source.submit(&source.alice(), 0..3).await;
    eventually("they are offered", || syncing.gossip.counts().received > 0).await;
    assert!(syncing.mempool.pending().is_empty());
    behind.send(false).unwrap();
    syncing.holds(&sent).await;
    assert_eq!(syncing.gossip.counts().faults, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_told_and_frees_its_port() {
    let node = TestNode::start(1, quiet(), &[]).await;
    let other = TestNode::start(2, quiet(), &[&node]).await;
    other.with_peers(1).await;
    let address = without_name(&node.address());
    let watching = other.gossip.watch_peers();
    let (chain, mempool) = node.stop().await;
    eventually("the other one notices", || watching.borrow().is_empty()).await;
    assert_eq!(std::sync::Arc::strong_count(&mempool), 1, "nothing holds the mempool any more");
    let again = TestNode::start_on(1, chain, mempool, |config| config.listen = vec![address]).await;
    let sent = again.submit(&again.alice(), 0..1).await;
    other.holds(&sent).await;
}

#[tokio::test]
async fn a_port_in_use_is_explained() {
    let node = TestNode::start(1, quiet(), &[]).await;
    let mut config = GossipConfig::new(node.chain.genesis_hash(), NodeKey::from_secret([2; 32]));
    config.listen = vec![without_name(&node.address())];
    let started = Gossip::start(config, node.mempool.clone(), CancellationToken::new()).await;
    let Err(error) = started else { panic!("two nodes listen at one port") };
    assert!(matches!(&error, GossipError::Listen { .. }), "{error}");
    assert!(error.to_string().contains("choose another address"), "{error}");
}

#[tokio::test]
async fn the_same_bytes_are_new_to_nobody() {
    let node = TestNode::start(1, quiet(), &[]).await;
    let bytes = transfer(&node.alice(), 0);
    node.mempool.submit(bytes.clone()).await.unwrap();
    assert!(node.mempool.submit(bytes).await.is_err());
    assert_eq!(node.mempool.ready_after(0, 9, usize::MAX).len(), 1);
}
