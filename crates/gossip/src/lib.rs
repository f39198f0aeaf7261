//! Spreads transactions between nodes.
//!
//! # Terms
//! A *batch* is a request that carries transactions; the *answer* to it is the permission to send the next one. A peer has
//! one request of ours at a time to answer, and we one of its. The *ready number* is the place of a transaction in the
//! order in which this node's mempool found it ready ([`Mempool::ready_after`](myelin_chain::Mempool::ready_after)).
//!
//! # Protocol
//! A libp2p swarm (TCP, Noise, Yamux; the version that the consensus engine uses) speaks one protocol,
//! `/myelin/<genesis hash>/transactions/2`, so that nodes of another chain do not understand each other from the start.
//! Requests and answers are length-prefixed SCALE ([`wire`]).
//!
//! 1. For each peer, a node remembers the last ready number that it has sent. When more is ready and no request is under way,
//!    it sends the next batch, without what came from this very peer. A new peer starts at zero, so the transactions that
//!    were here before it connected are offered, too. There is no queue per peer: a slow one falls behind, and what leaves
//!    the mempool meanwhile is never sent.
//! 2. The receiver skips what it has seen, gives the rest to its mempool, and answers when every transaction is checked.
//!    Only what the mempool found valid and ready gets a number there, so nothing else is passed on. What the mempool has
//!    no room or time for is dropped; nobody asks for it again.
//! 3. Every answer waits until the peer has paid for its request: transactions, bytes, and more for what was refused. So
//!    a peer that keeps to the protocol cannot be faster than its allowance and is never at fault.
//! 4. A request while another one waits for its answer, a forged transaction, or a request that comes to no end is a fault;
//!    too many faults, or one message that no honest node sends, get the peer disconnected and banned for a while, longer
//!    each time.
//! 5. A node that is behind with its chain answers *busy* and takes nothing; the sender keeps its place and tries again later.
//! 6. A node that has dialled fewer peers than it wants asks its peers for the addresses of theirs. It passes on only addresses that
//!    it dialled itself, or that a peer claims on the very host that the connection comes from, and never tells the address of
//!    a private network to a peer outside of it.
//! 7. A node that others may dial to agree on blocks with it tells each peer the port and the name under which they reach it,
//!    once a connection. That counts on the very host that the connection comes from, or at the address that was dialled, and
//!    is passed on to nobody: whoever wants to know has to be connected with the one that it is about, so there are never more
//!    such addresses than peers, and a stranger can tell none but those of its own hosts.
//!
//! # Why not a publish-subscribe mesh
//! Gossipsub reads, queues and scores messages before the application sees them, and gives no back-pressure: a sender
//! cannot know that the receiver's mempool is full. With one answered request at a time, throttling is the answer's delay, the
//! memory that a peer takes is known, and batches grow by themselves under load. The price is that a transaction crosses each
//! link up to once in each direction; transactions are small and connections few, so announcing hashes first would save little
//! and cost a round trip. Kademlia would serve as well as asking peers, but stores what strangers put.
//!
//! # Bounds
//! Memory: `peers x 3 streams x (max_message_bytes + 256 KiB)` in the worst case, where every peer attacks, for as long as
//! one request may take; a few MiB otherwise. A banned attacker can come back with another key; addresses other than
//! loopback are banned with the key, and only a few peers may share one.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing
    )
)]

pub mod wire;

mod addresses;
mod config;
mod counts;
mod error;
mod faults;
mod handle;
mod meter;
mod network;
mod node_key;
mod peer;
mod pending;
mod seen;
mod service;
mod verdict;

pub use config::{GossipConfig, GossipLimits};
pub use counts::GossipCounts;
pub use error::GossipError;
pub use handle::{Gossip, GossipHandle, PeerInfo};
pub use libp2p::{Multiaddr, PeerId};
pub use node_key::NodeKey;
