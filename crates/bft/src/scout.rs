//! Dials peers that were found, through the gate, while the engine runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use arc_malachitebft_app_channel::NetworkRequest;
use tokio::sync::{mpsc, watch};

use crate::{
    config::BftConfig,
    gate::{GateHandle, WayOut},
    prospects::{Census, Change, Prospects},
    PeerAddress,
};

/// Looks after the peers that were found, for as long as a session lasts.
pub(crate) struct Scout<'a> {
    found: Option<watch::Receiver<BTreeSet<PeerAddress>>>,
    prospects: Prospects,
    ways: BTreeMap<PeerAddress, WayOut>,
    gate: &'a GateHandle,
    engine: mpsc::Sender<NetworkRequest>,
}

impl<'a> Scout<'a> {
    pub fn new(config: &BftConfig, gate: &'a GateHandle, engine: mpsc::Sender<NetworkRequest>) -> Self {
        Self {
            found: config.discovered.clone(),
            prospects: Prospects::new(&config.persistent_peers),
            ways: BTreeMap::new(),
            gate,
            engine,
        }
    }

    /// Dials whom it is time to dial, and leaves those that are of no use.
    pub fn look(&mut self, census: &Census) {
        let Some(found) = &self.found else { return };
        let changes = self.prospects.look(&found.borrow(), census, Instant::now());
        for change in changes {
            match change {
                Change::Dial(peer) => self.dial(peer),
                Change::Leave(peer) => self.leave(&peer),
            }
        }
    }

    /// What fails here is seen by the peer not being connected after a while.
    fn dial(&mut self, peer: PeerAddress) {
        let way = match self.gate.open(peer.clone()) {
            Ok(way) => way,
            Err(error) => return tracing::warn!(%error, %peer, "there is no way to a peer"),
        };
        tracing::debug!(%peer, "a peer was found, and is dialled");
        if let Ok(address) = way.address().multiaddr() {
            let engine = self.engine.clone();
            tokio::spawn(async move { NetworkRequest::add_persistent_peer(&engine, address).await });
        }
        self.ways.insert(peer, way);
    }

    fn leave(&mut self, peer: &PeerAddress) {
        let Some(way) = self.ways.remove(peer) else { return };
        tracing::debug!(%peer, "a peer that was found is not there, or of no use");
        if let Ok(address) = way.address().multiaddr() {
            let engine = self.engine.clone();
            tokio::spawn(async move { NetworkRequest::remove_persistent_peer(&engine, address).await });
        }
    }
}
