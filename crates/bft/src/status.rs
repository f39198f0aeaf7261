//! How the node stands in its network.

use std::sync::{
    atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    Arc,
};

/// How the node stands in its network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStatus {
    /// Nodes it is connected to.
    pub peers: usize,
    /// Whether its newest block came from a node that was ahead, and not while it was being agreed on.
    pub is_syncing: bool,
    /// Whether that block is so old, too, that transactions cannot be judged on it.
    pub is_behind: bool,
    /// Whether it is meant to have peers.
    pub should_have_peers: bool,
    /// The height that is being decided; 0 before the first.
    pub height: u32,
    /// How often its decision was begun anew.
    pub round: u32,
    /// Validators of that height.
    pub validators: usize,
}

/// Tells how a node stands in its network, from anywhere and at once.
#[derive(Clone, Default)]
pub struct StatusView(Arc<Shared>);

#[derive(Default)]
struct Shared {
    peers: AtomicUsize,
    is_syncing: AtomicBool,
    is_behind: AtomicBool,
    should_have_peers: AtomicBool,
    height: AtomicU32,
    round: AtomicU32,
    validators: AtomicUsize,
}

impl StatusView {
    pub(crate) fn new(should_have_peers: bool) -> Self {
        let view = Self::default();
        view.0.should_have_peers.store(should_have_peers, Ordering::Relaxed);
        view
    }

    /// The newest known status; the number of peers is up to a second old.
    pub fn get(&self) -> PeerStatus {
        PeerStatus {
            peers: self.0.peers.load(Ordering::Relaxed),
            is_syncing: self.0.is_syncing.load(Ordering::Relaxed),
            is_behind: self.0.is_behind.load(Ordering::Relaxed),
            should_have_peers: self.0.should_have_peers.load(Ordering::Relaxed),
            height: self.0.height.load(Ordering::Relaxed),
            round: self.0.round.load(Ordering::Relaxed),
            validators: self.0.validators.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn set_peers(&self, peers: usize) {
        self.0.peers.store(peers, Ordering::Relaxed);
    }

    pub(crate) fn set_round(&self, height: u32, round: u32, validators: usize) {
        self.0.height.store(height, Ordering::Relaxed);
        self.0.round.store(round, Ordering::Relaxed);
        self.0.validators.store(validators, Ordering::Relaxed);
    }

    pub(crate) fn set_syncing(&self, is_syncing: bool, is_behind: bool) {
        self.0.is_syncing.store(is_syncing, Ordering::Relaxed);
        self.0.is_behind.store(is_behind, Ordering::Relaxed);
    }
}
