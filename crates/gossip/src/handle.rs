//! A running gossip.

use std::sync::Arc;

use libp2p::{Multiaddr, PeerId};
use myelin_chain::Mempool;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{counts::Counters, service::Service, GossipConfig, GossipCounts, GossipError};

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Who it is.
    pub peer: PeerId,
    /// Where it is.
    pub address: Multiaddr,
    /// Whether it dialled this node.
    pub inbound: bool,
    /// Where it agrees on blocks, if it has said so: on the host that it is connected from, or was dialled at.
    pub consensus: Option<Multiaddr>,
}

/// Starts gossiping; see [`Gossip::start`].
pub struct Gossip;

impl Gossip {
    /// Listens and connects, passes on what `mempool` finds ready, and gives it what peers send, until `shutdown` is
    /// cancelled. Returns as soon as it listens.
    ///
    /// # Errors
    /// When an address cannot be listened on, or the network cannot be set up.
    pub async fn start(
        config: GossipConfig,
        mempool: Arc<Mempool>,
        shutdown: CancellationToken,
    ) -> Result<GossipHandle, GossipError> {
        let (peers_sender, peers) = watch::channel(Vec::new());
        let counters = Counters::default();
        let peer_id = config.key.peer_id();
        let mut service = Service::new(config, mempool, counters.clone(), peers_sender)?;
        let listen_addresses = service.listen().await?;
        tracing::info!(%peer_id, ?listen_addresses, "transactions are gossiped");
        let running = tokio::spawn(service.run(shutdown));
        Ok(GossipHandle { peer_id, listen_addresses, peers, counters, running })
    }
}

/// A running gossip. It ends with the token that it was started with, not with this handle.
pub struct GossipHandle {
    peer_id: PeerId,
    listen_addresses: Vec<Multiaddr>,
    peers: watch::Receiver<Vec<PeerInfo>>,
    counters: Counters,
    running: JoinHandle<()>,
}

impl GossipHandle {
    /// How peers call this node.
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// Where this node listens, with its name, as peers dial it.
    pub fn listen_addresses(&self) -> &[Multiaddr] {
        &self.listen_addresses
    }

    /// Who is connected now.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.peers.borrow().clone()
    }

    /// Follows who is connected.
    pub fn watch_peers(&self) -> watch::Receiver<Vec<PeerInfo>> {
        self.peers.clone()
    }

    /// What was done until now.
    pub fn counts(&self) -> GossipCounts {
        self.counters.read()
    }

    /// Reads the counts for as long as anybody wants to, without the handle.
    pub fn counts_reader(&self) -> impl Fn() -> GossipCounts + Send + Sync + Clone + 'static {
        let counters = self.counters.clone();
        move || counters.read()
    }

    /// Waits until it has ended: all connections are closed, and the mempool is let go.
    ///
    /// # Errors
    /// When a defect ended it.
    pub async fn join(self) -> Result<(), GossipError> {
        self.running.await.map_err(|error| GossipError::Panicked(error.to_string()))
    }
}
