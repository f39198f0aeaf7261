//! What a node tells its gossip.

use std::time::Duration;

use libp2p::Multiaddr;
use myelin_chain::Hash;
use tokio::sync::watch;

use crate::NodeKey;

/// How a node gossips.
#[derive(Clone, Debug)]
pub struct GossipConfig {
    /// Where to listen, for example `/ip4/0.0.0.0/tcp/30334`; port 0 takes any free one. Empty for a node that only dials.
    pub listen: Vec<Multiaddr>,
    /// Where others reach this node if that is not where it listens, for example behind address translation.
    pub external: Vec<Multiaddr>,
    /// Peers to stay connected to. With `/p2p/<peer id>` at the end, nobody else is accepted there.
    pub persistent_peers: Vec<Multiaddr>,
    /// Where this node agrees on blocks, for peers to know: `/tcp/<port>/p2p/<name>`, on whatever host they reach it at. Nothing
    /// for a node that is dialled by nobody.
    pub consensus: Option<Multiaddr>,
    /// The chain; peers on another one are left alone.
    pub genesis_hash: Hash,
    /// Who this node is.
    pub key: NodeKey,
    /// What peers may use up.
    pub limits: GossipLimits,
    /// True while the node is behind with its chain and cannot judge transactions. Nothing for never.
    pub behind: Option<watch::Receiver<bool>>,
}

impl GossipConfig {
    /// A node that listens nowhere and knows nobody, with default limits.
    pub fn new(genesis_hash: Hash, key: NodeKey) -> Self {
        Self {
            listen: Vec::new(),
            external: Vec::new(),
            persistent_peers: Vec::new(),
            consensus: None,
            genesis_hash,
            key,
            limits: GossipLimits::default(),
            behind: None,
        }
    }
}

/// What peers may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GossipLimits {
    /// Peers that may connect to this node.
    pub max_inbound: u32,
    /// How long a peer that has dialled this node stays at least when others want its place.
    pub min_stay: Duration,
    /// Peers that this node connects to beside the persistent ones.
    pub max_outbound: u32,
    /// Below this many peers that it has dialled, a node looks for more. At 0 it never asks for, nor dials, others than persistent ones.
    pub wanted_peers: usize,
    /// Peers from one address, in IPv6 from one /64 network; loopback addresses are exempt.
    pub max_peers_per_ip: usize,
    /// Bytes of one message, which has to fit the mempool's largest transaction.
    pub max_message_bytes: usize,
    /// Transactions of one batch.
    pub max_batch_count: usize,
    /// Bytes at which a batch of this node is full. A single transaction may be larger.
    pub max_batch_bytes: usize,
    /// Transactions a second that one peer may send in the long run.
    pub transactions_per_second: u64,
    /// Bytes a second that one peer may send in the long run.
    pub bytes_per_second: u64,
    /// How many seconds' worth of either a peer may send at once.
    pub burst: Duration,
    /// Transactions of one batch that are checked at the same time.
    pub concurrent_checks: usize,
    /// Faults that a peer may have at once; one is forgiven every ten seconds.
    pub max_faults: u64,
    /// For how long a peer is banned at first. Each further ban is twice as long, up to an hour.
    pub ban: Duration,
    /// Transactions that are remembered as seen, twice: those of now and those before.
    pub seen_count: usize,
    /// For how long, at least, a seen transaction is not looked at again.
    pub seen_for: Duration,
    /// For how long a request may take from its first byte to the end of its answer.
    pub request_timeout: Duration,
    /// The pause before a lost persistent peer is dialled again; it doubles with each failure, up to 30 seconds.
    pub redial: Duration,
    /// How often a node that wants more peers asks each one it has.
    pub discovery: Duration,
}

impl Default for GossipLimits {
    fn default() -> Self {
        Self {
            max_inbound: 16,
            min_stay: Duration::from_secs(30),
            max_outbound: 8,
            wanted_peers: 8,
            max_peers_per_ip: 4,
            max_message_bytes: (2 << 20) + (64 << 10),
            max_batch_count: 1024,
            max_batch_bytes: 512 << 10,
            transactions_per_second: 4_000,
            bytes_per_second: 4 << 20,
            burst: Duration::from_secs(2),
            concurrent_checks: 32,
            max_faults: 8,
            ban: Duration::from_secs(60),
            seen_count: 32 * 1024,
            seen_for: Duration::from_secs(30),
            request_timeout: Duration::from_secs(20),
            redial: Duration::from_millis(500),
            discovery: Duration::from_secs(30),
        }
    }
}
