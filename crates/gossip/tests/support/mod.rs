//! Nodes that gossip, and peers that misbehave.
#![allow(dead_code)] // Each test binary uses its own part.

#[path = "../../../chain/tests/common/mod.rs"]
pub mod chain;

pub mod rogue;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use chain::Signer;
use myelin_chain::{Chain, Hash, History, Mempool, MempoolLimits};
use myelin_gossip::{
    Gossip, GossipConfig, GossipCounts, GossipHandle, GossipLimits, Multiaddr, NodeKey, PeerId,
};
use sp_keyring::Sr25519Keyring as Keyring;
use tokio_util::sync::CancellationToken;

/// Long enough for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `condition` holds.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "it never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Limits for tests: nobody looks for peers, and lost ones are dialled again soon.
pub fn quiet() -> GossipLimits {
    GossipLimits { wanted_peers: 0, redial: Duration::from_millis(50), ..GossipLimits::default() }
}

/// A chain, a mempool, and gossip over loopback.
pub struct TestNode {
    pub chain: Arc<Chain>,
    pub mempool: Arc<Mempool>,
    pub gossip: GossipHandle,
    pub shutdown: CancellationToken,
}

impl TestNode {
    /// A node with a name made of `number`.
    pub async fn start(number: u8, limits: GossipLimits, peers: &[&TestNode]) -> Self {
        let addresses = peers.iter().map(|peer| peer.address()).collect();
        Self::start_with(number, MempoolLimits::default(), |config| {
            config.limits = limits;
            config.persistent_peers = addresses;
        })
        .await
    }

    pub async fn start_with(
        number: u8,
        mempool: MempoolLimits,
        configure: impl FnOnce(&mut GossipConfig),
    ) -> Self {
        let chain = chain::memory_chain(History::Blocks(64));
        let mempool = Mempool::new(Arc::clone(&chain), MempoolLimits { workers: 2, ..mempool }).unwrap();
        Self::start_on(number, chain, mempool, configure).await
    }

    pub async fn start_on(
        number: u8,
        chain: Arc<Chain>,
        mempool: Arc<Mempool>,
        configure: impl FnOnce(&mut GossipConfig),
    ) -> Self {
        let mut config = GossipConfig::new(chain.genesis_hash(), NodeKey::from_secret([number; 32]));
        config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
        config.limits = quiet();
        configure(&mut config);
        let shutdown = CancellationToken::new();
        let gossip = Gossip::start(config, Arc::clone(&mempool), shutdown.clone()).await.unwrap();
        Self { chain, mempool, gossip, shutdown }
    }

    pub fn address(&self) -> Multiaddr {
        self.gossip.listen_addresses()[0].clone()
    }

    pub fn peer_id(&self) -> PeerId {
        self.gossip.peer_id()
    }

    pub fn hashes(&self) -> BTreeSet<Hash> {
        self.mempool.pending().iter().map(|transaction| transaction.hash).collect()
    }

    pub fn is_connected_to(&self, peer: &PeerId) -> bool {
        self.gossip.peers().iter().any(|info| info.peer == *peer)
    }

    /// Waits until it has as many peers.
    pub async fn with_peers(&self, count: usize) {
        eventually("the peers connect", || self.gossip.peers().len() == count).await;
    }

    /// Waits until exactly these transactions are in the mempool.
    pub async fn holds(&self, hashes: &BTreeSet<Hash>) {
        eventually("the transactions arrive", || self.hashes() == *hashes).await;
    }

    /// Waits until this many of its peers' transactions were taken. A mempool shows one before it is counted.
    pub async fn counted(&self, accepted: u64) -> GossipCounts {
        eventually("the transactions are counted", || self.gossip.counts().accepted == accepted).await;
        self.gossip.counts()
    }

    /// Submits transfers of an account with these nonces.
    pub async fn submit(&self, signer: &Signer, nonces: std::ops::Range<u32>) -> BTreeSet<Hash> {
        let mut hashes = BTreeSet::new();
        for nonce in nonces {
            hashes.insert(self.mempool.submit(transfer(signer, nonce)).await.unwrap());
        }
        hashes
    }

    pub fn alice(&self) -> Signer {
        Signer::new(&self.chain, Keyring::Alice)
    }

    pub fn bob(&self) -> Signer {
        Signer::new(&self.chain, Keyring::Bob)
    }

    /// Ends the gossip; the chain and the mempool stay.
    pub async fn stop(self) -> (Arc<Chain>, Arc<Mempool>) {
        self.shutdown.cancel();
        self.gossip.join().await.unwrap();
        (self.chain, self.mempool)
    }
}

pub fn transfer(signer: &Signer, nonce: u32) -> Vec<u8> {
    signer.transfer(&Keyring::Charlie.to_account_id(), 1_000_000, nonce, 0)
}
