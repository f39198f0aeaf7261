//! Strangers at the port where validators agree, and what they cost. Alone in their process, so that its memory can be
//! measured.

#![allow(clippy::print_stderr, reason = "what a flood costs is a result, too")]

mod common;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::{Duration, Instant},
};

use codec::Encode;
use common::*;
use futures::StreamExt;
use libp2p::{
    core::{upgrade::Version, Transport},
    gossipsub::{self, IdentTopic, MessageAuthenticity, PublishError},
    identify, noise,
    swarm::{self, NetworkBehaviour, SwarmEvent},
    tcp, yamux, Multiaddr, Swarm,
};
use myelin_bft::{
    parts::{Part, PART_BYTES},
    BftConfig, GateCounts, GateLimits,
};
use myelin_chain::Hash;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpSocket, TcpStream},
};

/// Where strangers come from; the validators are at 127.0.0.1.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Connections that a validator takes from one address here.
const MAX_CONNECTIONS_PER_IP: usize = 16;
/// Messages of the rogue that wait for its own connection.
const QUEUE: usize = 16;

/// Only one test runs at a time, so that memory is its own.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Resident memory of this process in bytes.
fn resident_bytes() -> u64 {
    let statistics = std::fs::read_to_string("/proc/self/statm").unwrap();
    statistics.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    status: libp2p_scatter::Behaviour,
    gossipsub: gossipsub::Behaviour,
}

/// A peer that greets as it should and then says what it likes.
struct Rogue {
    swarm: Swarm<Behaviour>,
    topics: [IdentTopic; 3],
    sent: Arc<AtomicU64>,
}

impl Rogue {
    async fn connect(genesis: &Hash, address: SocketAddr) -> Self {
        let key = libp2p::identity::Keypair::generate_ed25519();
        let name: String = genesis.as_bytes()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let greeting = format!("/myelin/{name}/consensus/1");
        let config = gossipsub::ConfigBuilder::default()
            .max_transmit_size(64 << 20)
            .connection_handler_queue_len(QUEUE)
            // It keeps nothing, so that memory is the victims'.
            .history_length(1)
            .history_gossip(1)
            .build()
            .unwrap();
        let behaviour = Behaviour {
            identify: identify::Behaviour::new(identify::Config::new_with_signed_peer_record(greeting, &key)),
            // Who does not speak this is hung up on.
            status: libp2p_scatter::Behaviour::new(libp2p_scatter::Config::default()),
            gossipsub: gossipsub::Behaviour::new(MessageAuthenticity::Signed(key.clone()), config).unwrap(),
        };
        let transport = tcp::tokio::Transport::default()
            .upgrade(Version::V1)
            .authenticate(noise::Config::new(&key).unwrap())
            .multiplex(yamux::Config::default())
            .boxed();
        let config =
            swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(3600));
        let mut swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), config);
        let topics =
            ["votes", "parts", "liveness"].map(|topic| IdentTopic::new(format!("/myelin/{name}/{topic}")));
        for topic in &topics {
            swarm.behaviour_mut().gossipsub.subscribe(topic).unwrap();
        }
        let to: Multiaddr = format!("/ip4/{}/tcp/{}", address.ip(), address.port()).parse().unwrap();
        swarm.dial(to).unwrap();
        let mut rogue = Self { swarm, topics, sent: Arc::default() };
        rogue.until_heard().await;
        rogue
    }

    /// Waits until the node has said what it listens to.
    async fn until_heard(&mut self) {
        let heard = async {
            let mut topics = 0;
            while topics < self.topics.len() {
                let event = self.swarm.select_next_some().await;
                assert!(!matches!(event, SwarmEvent::ConnectionClosed { .. }), "{event:?}");
                let subscribed = matches!(
                    event,
                    SwarmEvent::Behaviour(BehaviourEvent::Gossipsub(gossipsub::Event::Subscribed { .. }))
                );
                topics += usize::from(subscribed);
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("a stranger is welcome");
    }

    /// Says as much as goes out.
    async fn flood(mut self, say: impl Fn(u64) -> (usize, Vec<u8>)) {
        for number in 0.. {
            let (topic, bytes) = say(number);
            let topic = self.topics[topic].clone();
            // It remembers for seconds what it could not send, in the memory that is measured; this is still ten times as fast
            // as it may talk.
            let pause = Duration::from_micros(bytes.len() as u64 / 20).max(Duration::from_millis(5));
            match self.swarm.behaviour_mut().gossipsub.publish(topic, bytes) {
                Ok(_) => drop(self.sent.fetch_add(1, Ordering::Relaxed)),
                // The connection is full, or gone.
                Err(PublishError::AllQueuesFull(_) | PublishError::NoPeersSubscribedToTopic) => {
                    let _ = tokio::time::timeout(pause, self.swarm.next()).await;
                }
                Err(error) => panic!("{error}"),
            }
            // Whatever happened meanwhile.
            while let Some(Some(_)) = futures::FutureExt::now_or_never(self.swarm.next()) {}
        }
    }
}

/// A vote of nobody, for a height that is being decided.
fn vote(number: u64, height: u32) -> Vec<u8> {
    let validator = [number.to_le_bytes().as_slice(), &[7; 24]].concat();
    let (kind, block) = (0_u8, Some(Hash::from_low_u64_be(number)));
    // A vote has the number 0 among messages.
    [&[0][..], &(height, 0_u32, kind, block).encode(), &validator, &[9; 64]].concat()
}

/// A part of a block of a validator, not signed by it.
fn part(number: u64, height: u32) -> Vec<u8> {
    let part = Part {
        height,
        round: 0,
        block: Hash::from_low_u64_be(number),
        sender: secret(0).public(),
        index: 0,
        count: 2,
        bytes: number.to_le_bytes().repeat(PART_BYTES / 8),
        signature: [9; 64],
    };
    // A stream's name, the place in it, and what is there.
    (number.to_le_bytes().to_vec(), number, Some(part)).encode()
}

fn noise_of(number: u64, length: usize) -> Vec<u8> {
    let mut state = number | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Blocks by which memory is measured first, and at the end.
const BLOCKS: [u32; 2] = [24, 96];
/// Less than the default, so that a slow machine can send more. Honest nodes have no need of it here.
const BYTES_PER_SECOND: u64 = 2 << 20;
const BURST_BYTES: u64 = 4 << 20;
/// What a flood may cost a node: what comes in during the six seconds that the engine remembers, the burst, and as much
/// again for what is on its way.
const MAX_GROWTH_PER_NODE: u64 = 2 * (6 * BYTES_PER_SECOND + BURST_BYTES);
/// What a flooder and everything else in this process may need.
const MAX_GROWTH_ELSEWHERE: u64 = 256 << 20;
/// Blocks under a flood may take so many times as long as without, on a machine that has other things to do.
const MAX_SLOWDOWN: u32 = 6;

fn with_limits(config: BftConfig, max_connections_per_ip: usize) -> BftConfig {
    let limits = GateLimits { max_connections_per_ip, ..GateLimits::at_rate(BYTES_PER_SECOND) };
    assert_eq!(limits.burst_bytes, BURST_BYTES);
    BftConfig { limits, ..config }
}

/// A way to `target` that begins at another address of this machine, as that of a stranger does.
async fn from_elsewhere(target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = connect_from(STRANGER, target).await;
                // It may be hung up on.
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}

async fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Whether a node hangs up at once, without a word.
async fn is_refused(mut stream: TcpStream) -> bool {
    let answer = tokio::time::timeout(Duration::from_millis(500), stream.read_u8()).await;
    matches!(answer, Ok(Err(_)))
}

/// What a flood led to.
struct Outcome {
    network: Network,
    nodes: Vec<Node>,
}

impl Outcome {
    fn of_the_flooded_node(&self) -> GateCounts {
        self.nodes[0].status.gate()
    }

    async fn end(self) {
        for node in self.nodes {
            node.stop().await;
        }
    }
}

/// Lets a stranger talk to one of four validators, and expects a chain that keeps its pace in bounded memory.
async fn goes_on_under(say: impl Fn(u64, u32) -> (usize, Vec<u8>) + Send + 'static) -> Outcome {
    goes_on_with(|_, config| with_limits(config, 64), say).await
}

/// The same with nodes that are configured in another way.
async fn goes_on_with(
    change: fn(u8, BftConfig) -> BftConfig,
    say: impl Fn(u64, u32) -> (usize, Vec<u8>) + Send + 'static,
) -> Outcome {
    let network = Network::new(250, &[1, 1, 1, 1]).changed(change);
    let nodes = network.start_all();
    nodes[0].reach(4).await;
    let calm = Instant::now();
    nodes[0].reach(nodes[0].height() + 16).await;
    let calm = calm.elapsed() / 16;
    let before = resident_bytes();
    let way = from_elsewhere(network.addresses[0]).await;
    let rogue = Rogue::connect(&nodes[0].chain().genesis_hash(), way).await;
    let (sent, chain) = (Arc::clone(&rogue.sent), Arc::clone(nodes[0].chain()));
    let flood = tokio::spawn(rogue.flood(move |number| say(number, chain.tip().number() + 1)));
    let (began, height) = (Instant::now(), nodes[0].height());
    let mut grown = Vec::new();
    for blocks in BLOCKS {
        for node in &nodes {
            node.reach(height + blocks).await;
        }
        grown.push(resident_bytes().saturating_sub(before));
    }
    let (messages, time) = (sent.load(Ordering::Relaxed), began.elapsed());
    let mib: Vec<_> = grown.iter().map(|bytes| bytes >> 20).collect();
    let counts = nodes[0].status.gate();
    eprintln!("{messages} messages, {} blocks in {time:?} ({calm:?} each without a flood), {mib:?} MiB more in all, {counts:?}", BLOCKS[1]);
    assert!(messages > 0 && !flood.is_finished(), "the rogue has stopped talking");
    flood.abort();
    let most = grown.iter().max().unwrap();
    let limit = nodes.len() as u64 * MAX_GROWTH_PER_NODE + MAX_GROWTH_ELSEWHERE;
    assert!(*most <= limit, "{most} bytes more, {limit} are allowed");
    assert!(
        time / BLOCKS[1] <= MAX_SLOWDOWN * calm,
        "blocks take {:?} instead of {calm:?}",
        time / BLOCKS[1]
    );
    assert_agreement(&network, &nodes.iter().collect::<Vec<_>>(), height + BLOCKS[1]);
    Outcome { network, nodes }
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_of_nobody_do_not_stop_the_chain() {
    let _alone = ALONE.lock().await;
    goes_on_under(|number, height| (0, vote(number, height))).await.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_parts_do_not_stop_the_chain_and_their_sender_is_dropped() {
    let _alone = ALONE.lock().await;
    let outcome = goes_on_under(|number, height| (1, part(number, height))).await;
    let until_dropped = || outcome.of_the_flooded_node().dropped > 0;
    outcome.nodes[0].until("the flooder is dropped", until_dropped).await;
    let counts = outcome.of_the_flooded_node();
    assert!(counts.throttled > 0, "it was slowed down before: {counts:?}");
    assert_eq!(counts.dropped, 1);
    assert!(is_refused(connect_from(STRANGER, outcome.network.addresses[0]).await).await);
    let other = connect_from(Ipv4Addr::new(127, 0, 0, 3), outcome.network.addresses[0]).await;
    assert!(!is_refused(other).await, "nobody else is refused for it");
    // Those that pass on what they got from it are not dropped for that.
    assert!(outcome.nodes[1..].iter().all(|node| node.status.gate().dropped == 0));
    outcome.end().await;
}

/// The operator has named whoever floods. It waits, and is not dropped.
#[tokio::test(flavor = "multi_thread")]
async fn a_named_peer_is_made_to_wait() {
    let _alone = ALONE.lock().await;
    let named = |index, config: BftConfig| {
        // The others have the usual limits: what they are flooded with comes from a validator.
        if index != 0 {
            return config;
        }
        let limits =
            GateLimits { named_burst_bytes: BURST_BYTES, ..GateLimits::at_rate(BYTES_PER_SECOND / 4) };
        assert_eq!(limits.named_bytes_per_second, BYTES_PER_SECOND);
        let mut persistent_peers = config.persistent_peers;
        // Nobody listens there, but its address is known.
        persistent_peers.push(SocketAddr::from((STRANGER, 9)).into());
        BftConfig { limits, persistent_peers, ..config }
    };
    let outcome = goes_on_with(named, |number, height| (1, part(number, height))).await;
    let counts = outcome.of_the_flooded_node();
    assert!(counts.named_throttled > 0 && counts.throttled == 0 && counts.dropped == 0, "{counts:?}");
    assert!(!is_refused(connect_from(STRANGER, outcome.network.addresses[0]).await).await);
    outcome.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_does_not_stop_the_chain() {
    let _alone = ALONE.lock().await;
    let noise = |number: u64, _| (number as usize % 3, noise_of(number, 1 + number as usize % 1_000));
    goes_on_under(noise).await.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_messages_do_not_stop_the_chain() {
    let _alone = ALONE.lock().await;
    goes_on_under(|number, _| (number as usize % 3, noise_of(number, 1 << 20))).await.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_take_all_connections() {
    let _alone = ALONE.lock().await;
    let network =
        Network::new(250, &[1, 1, 1, 1]).changed(|_, config| with_limits(config, MAX_CONNECTIONS_PER_IP));
    let mut nodes = network.start_all();
    nodes[0].reach(4).await;
    let late = nodes.pop().unwrap();
    late.stop().await;
    let mut held = Vec::new();
    for _ in 0..300 {
        held.push(connect_from(STRANGER, network.addresses[0]).await);
    }
    let all_refused = || nodes[0].status.gate().refused >= (held.len() - MAX_CONNECTIONS_PER_IP) as u64;
    nodes[0].until("all over the limit are refused", all_refused).await;
    nodes.push(network.start(3));
    let height = nodes[0].height() + 8;
    for node in &nodes {
        node.reach(height).await;
    }
    assert_agreement(&network, &nodes.iter().collect::<Vec<_>>(), height);
    for node in nodes {
        node.stop().await;
    }
}
