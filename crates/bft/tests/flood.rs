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
use myelin_bft::parts::{Part, PART_BYTES};
use myelin_chain::Hash;
use tokio::net::TcpSocket;

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
            match self.swarm.behaviour_mut().gossipsub.publish(topic, bytes) {
                Ok(_) => drop(self.sent.fetch_add(1, Ordering::Relaxed)),
                // The connection is full, or gone.
                Err(PublishError::AllQueuesFull(_) | PublishError::NoPeersSubscribedToTopic) => {
                    let _ = tokio::time::timeout(Duration::from_millis(5), self.swarm.next()).await;
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

/// Blocks until what four nodes remember of a flood, which is what came in five seconds, does not grow any more.
const FILLING: u32 = 24;
/// Blocks until the end.
const FLOODED: u32 = 4 * FILLING;
/// What memory may differ by for other reasons.
const TOLERANCE: u64 = 64 << 20;

/// Lets a rogue talk to one of four validators, and expects a chain that goes on with memory that stops growing.
async fn goes_on_under(say: impl Fn(u64, u32) -> (usize, Vec<u8>) + Send + 'static) {
    let _alone = ALONE.lock().await;
    let network = Network::new(250, &[1, 1, 1, 1]);
    let nodes = network.start_all();
    nodes[0].reach(4).await;
    let before = resident_bytes();
    let rogue = Rogue::connect(&nodes[0].chain().genesis_hash(), network.addresses[0]).await;
    let (sent, chain) = (Arc::clone(&rogue.sent), Arc::clone(nodes[0].chain()));
    let flood = tokio::spawn(rogue.flood(move |number| say(number, chain.tip().number() + 1)));
    let (began, height) = (Instant::now(), nodes[0].height());
    let mut grown = Vec::new();
    for blocks in [FILLING, FLOODED] {
        for node in &nodes {
            node.reach(height + blocks).await;
        }
        grown.push(resident_bytes().saturating_sub(before));
    }
    let (messages, time) = (sent.load(Ordering::Relaxed), began.elapsed());
    let mib: Vec<_> = grown.iter().map(|bytes| bytes >> 20).collect();
    eprintln!("{messages} messages, {FLOODED} blocks in {time:?}, {mib:?} MiB more in all");
    assert!(messages > 0 && !flood.is_finished(), "the rogue has stopped talking");
    flood.abort();
    assert!(grown[1] <= 2 * grown[0] + TOLERANCE, "memory grows and grows: {grown:?}");
    assert_agreement(&network, &nodes.iter().collect::<Vec<_>>(), height + FLOODED);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_of_nobody_do_not_stop_the_chain() {
    goes_on_under(|number, height| (0, vote(number, height))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_parts_do_not_stop_the_chain() {
    goes_on_under(|number, height| (1, part(number, height))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_does_not_stop_the_chain() {
    goes_on_under(|number, _| (number as usize % 3, noise_of(number, 1 + number as usize % 1_000))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_messages_do_not_stop_the_chain() {
    goes_on_under(|number, _| (number as usize % 3, noise_of(number, 1 << 20))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_take_all_connections() {
    let _alone = ALONE.lock().await;
    let network = Network::new(250, &[1, 1, 1, 1]).changed(|_, config| myelin_bft::BftConfig {
        max_connections_per_ip: MAX_CONNECTIONS_PER_IP,
        ..config
    });
    let mut nodes = network.start_all();
    nodes[0].reach(4).await;
    let late = nodes.pop().unwrap();
    late.stop().await;
    let mut held = Vec::new();
    for _ in 0..300 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 0, 0, 2), 0).into()).unwrap();
        held.push(socket.connect(network.addresses[0]).await.unwrap());
    }
    // Who is over the limit is hung up on without a word; the others are waited for.
    let mut refused = 0;
    for stream in &mut held {
        let answer =
            tokio::time::timeout(Duration::from_millis(100), tokio::io::AsyncReadExt::read_u8(stream)).await;
        refused += usize::from(matches!(answer, Ok(Err(_))));
    }
    assert!(refused >= held.len() - MAX_CONNECTIONS_PER_IP, "{refused} of {} are refused", held.len());
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
