//! How the node stands in its network.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
        Arc,
    },
    time::Duration,
};

use arc_malachitebft_app_channel::app::metrics::{prometheus::metrics::histogram::Histogram, SharedRegistry};

use parking_lot::Mutex;

use crate::gate::{GateCounters, GateCounts};

/// Seconds that executing a block may take.
const EXECUTION_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

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
    /// Whether it runs with its consensus key, and does not only follow for now.
    pub signs: bool,
}

/// Tells how a node stands in its network, from anywhere and at once.
#[derive(Clone)]
pub struct StatusView(Arc<Shared>);

struct Shared {
    peers: AtomicUsize,
    is_syncing: AtomicBool,
    is_behind: AtomicBool,
    should_have_peers: AtomicBool,
    height: AtomicU32,
    round: AtomicU32,
    validators: AtomicUsize,
    signs: AtomicBool,
    trouble: Mutex<Option<String>>,
    gate: Arc<GateCounters>,
    executions: Histogram,
}

impl StatusView {
    /// A status that the engine's metrics tell of under this name.
    pub(crate) fn new(name: &str, should_have_peers: bool) -> Self {
        let executions = Histogram::new(EXECUTION_BUCKETS);
        SharedRegistry::global().with_moniker(name).with_prefix("myelin", |registry| {
            let help = "Seconds that it took to execute a block, to propose it or to check it";
            registry.register("block_execution_seconds", help, executions.clone());
        });
        Self(Arc::new(Shared {
            peers: AtomicUsize::default(),
            is_syncing: AtomicBool::default(),
            is_behind: AtomicBool::default(),
            should_have_peers: should_have_peers.into(),
            height: AtomicU32::default(),
            round: AtomicU32::default(),
            validators: AtomicUsize::default(),
            signs: AtomicBool::default(),
            trouble: Mutex::default(),
            gate: Arc::default(),
            executions,
        }))
    }

    pub(crate) fn executed(&self, time: Duration) {
        self.0.executions.observe(time.as_secs_f64());
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
            signs: self.0.signs.load(Ordering::Relaxed),
        }
    }

    /// What happened at the public port until now.
    pub fn gate(&self) -> GateCounts {
        self.0.gate.read()
    }

    pub(crate) fn gate_counters(&self) -> Arc<GateCounters> {
        Arc::clone(&self.0.gate)
    }

    pub(crate) fn set_peers(&self, peers: usize) {
        self.0.peers.store(peers, Ordering::Relaxed);
    }

    pub(crate) fn set_signs(&self, signs: bool) {
        self.0.signs.store(signs, Ordering::Relaxed);
    }

    pub(crate) fn set_round(&self, height: u32, round: u32, validators: usize) {
        self.0.height.store(height, Ordering::Relaxed);
        self.0.round.store(round, Ordering::Relaxed);
        self.0.validators.store(validators, Ordering::Relaxed);
    }

    /// What keeps the node from taking part in its network or following it, and what to do; nothing if all is well.
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble.lock().clone()
    }

    pub(crate) fn set_trouble(&self, trouble: Option<String>) {
        *self.0.trouble.lock() = trouble;
    }

    pub(crate) fn set_should_have_peers(&self, should_have_peers: bool) {
        self.0.should_have_peers.store(should_have_peers, Ordering::Relaxed);
    }

    pub(crate) fn set_syncing(&self, is_syncing: bool, is_behind: bool) {
        self.0.is_syncing.store(is_syncing, Ordering::Relaxed);
        self.0.is_behind.store(is_behind, Ordering::Relaxed);
    }
}
