//! What a node measures, and how it says that it is well.

use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
    time::{SystemTime, UNIX_EPOCH},
};

use myelin_chain::{Chain, ChainObserver, CommittedBlock, Mempool, Tip};
use myelin_metrics::{
    metrics::{counter::Counter, histogram::Histogram},
    Health, HealthCheck, MetricsConfig, MetricsError, MetricsServer, Registry, Sample, Samples, TextSource,
    Value,
};
use myelin_rpc::{HealthReport, HealthView, NetworkView, RpcStatistics};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// A tip that is older than this many slots is too old.
pub(crate) const MAX_TIP_AGE_SLOTS: u32 = 20;
/// Seconds between blocks, from the fastest chain to one that stands.
const INTERVAL_BUCKETS: [f64; 13] = [0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 10.0, 30.0];
const EXTRINSICS_BUCKETS: [f64; 12] =
    [1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0];

/// How metrics and health are served.
#[derive(Clone)]
pub struct MetricsOptions {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// A node whose tip is older than this many slots is not healthy. Nothing for a chain that makes blocks only on demand.
    pub max_tip_age_slots: Option<u32>,
    /// Metrics of others, such as those that a consensus engine keeps by itself.
    pub others: Vec<TextSource>,
}

impl MetricsOptions {
    /// Defaults on `address`.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, max_tip_age_slots: Some(MAX_TIP_AGE_SLOTS), others: Vec::new() }
    }
}

impl std::fmt::Debug for MetricsOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("MetricsOptions")
            .field("address", &self.address)
            .field("max_tip_age_slots", &self.max_tip_age_slots)
            .finish_non_exhaustive()
    }
}

/// How far a sequencer is with the next block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsensusStatus {
    /// The height that is being decided.
    pub height: u32,
    /// How often its decision was begun anew.
    pub round: u32,
    /// Validators of that height.
    pub validators: usize,
    /// Consensus peers that are connected.
    pub peers: usize,
}

/// Tells how far a sequencer is with the next block.
pub type ConsensusView = Arc<dyn Fn() -> ConsensusStatus + Send + Sync>;

/// The parts of a node that are measured.
#[derive(Clone)]
pub(crate) struct Measured {
    pub chain: Arc<Chain>,
    pub mempool: Arc<Mempool>,
    pub rpc: Option<Arc<RpcStatistics>>,
    pub network: NetworkView,
    pub consensus: Option<ConsensusView>,
}

/// Follows the blocks.
struct BlockMetrics {
    chain: Weak<Chain>,
    committed: Counter,
    intervals: Histogram,
    extrinsics: Histogram,
    last_time_ms: Mutex<u64>,
}

impl BlockMetrics {
    fn new(chain: &Arc<Chain>) -> Self {
        Self {
            chain: Arc::downgrade(chain),
            committed: Counter::default(),
            intervals: Histogram::new(INTERVAL_BUCKETS),
            extrinsics: Histogram::new(EXTRINSICS_BUCKETS),
            last_time_ms: Mutex::new(chain.tip().time_ms),
        }
    }

    fn register(&self, registry: &mut Registry) {
        let blocks = "Blocks that became the tip since the node started";
        registry.register("blocks", blocks, self.committed.clone());
        let intervals = "Seconds between the times of a block and of the one before it";
        registry.register("block_interval_seconds", intervals, self.intervals.clone());
        let extrinsics = "Extrinsics of a block, inherents included";
        registry.register("block_extrinsics", extrinsics, self.extrinsics.clone());
    }
}

impl ChainObserver for BlockMetrics {
    fn committed(&self, block: &Arc<CommittedBlock>) {
        self.committed.inc();
        self.extrinsics.observe(block.block.body.len() as f64);
        // The tip is this block by now, and a block itself does not say its time.
        let Some(time_ms) = self.chain.upgrade().map(|chain| chain.tip().time_ms) else { return };
        let before_ms = std::mem::replace(&mut *self.last_time_ms.lock(), time_ms);
        // The genesis has no time.
        if before_ms > 0 {
            self.intervals.observe(time_ms.saturating_sub(before_ms) as f64 / 1_000.0);
        }
    }

    fn reverted(&self, tip: &Tip) {
        *self.last_time_ms.lock() = tip.time_ms;
    }
}

/// The server of a node's metrics, and who counts its blocks.
pub(crate) struct MeteredNode {
    server: MetricsServer,
    _blocks: Arc<BlockMetrics>,
}

impl MeteredNode {
    /// Serves until `shutdown` is cancelled.
    pub async fn start(
        measured: &Measured,
        options: MetricsOptions,
        shutdown: CancellationToken,
    ) -> Result<Self, MetricsError> {
        let (registry, blocks) = registry(measured);
        let Measured { chain, network, .. } = measured;
        let health = health(chain, network, options.max_tip_age_slots, shutdown.clone());
        let config = MetricsConfig { address: options.address, registry, others: options.others, health };
        Ok(Self { server: MetricsServer::start(config, shutdown).await?, _blocks: blocks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Waits until it has ended and nothing of it uses the chain any more.
    pub async fn stopped(self) {
        self.server.stopped().await;
    }
}

/// A registry of everything that is measured. The observer of blocks lives as long as the caller keeps it.
fn registry(measured: &Measured) -> (Registry, Arc<BlockMetrics>) {
    let mut registry = Registry::with_prefix("myelin");
    let blocks = Arc::new(BlockMetrics::new(&measured.chain));
    blocks.register(&mut registry);
    let observer: Weak<BlockMetrics> = Arc::downgrade(&blocks);
    measured.chain.observe(observer);
    let parts = measured.clone();
    registry.register_collector(Samples::new(move || parts.samples()));
    (registry, blocks)
}

impl Measured {
    fn samples(&self) -> Vec<Sample> {
        let mut samples = self.chain_samples();
        samples.extend(self.pool_samples());
        samples.extend(self.store_samples());
        samples.extend(self.network_samples());
        samples.extend(self.rpc.iter().flat_map(|rpc| rpc_samples(rpc)));
        samples.extend(self.consensus.iter().flat_map(|view| consensus_samples(view())));
        samples
    }

    fn chain_samples(&self) -> Vec<Sample> {
        let tip = self.chain.tip();
        let time = tip.time_ms as f64 / 1_000.0;
        vec![
            Sample::gauge("block_height", "Height of the tip, which is final", tip.number().into()),
            Sample::gauge("block_time_seconds", "Time of the tip in seconds since the Unix epoch", time),
        ]
    }

    fn pool_samples(&self) -> Vec<Sample> {
        let status = self.mempool.status();
        let labelled = |state: &str, count: usize| (vec![("state", state.to_owned())], count as f64);
        vec![
            Sample {
                name: "mempool_transactions",
                help: "Transactions that wait: for a block, or for an earlier nonce",
                value: Value::Gauge,
                numbers: vec![labelled("ready", status.ready), labelled("future", status.future)],
            },
            Sample::gauge("mempool_bytes", "Bytes of all transactions that wait", status.bytes as f64),
        ]
    }

    fn store_samples(&self) -> Vec<Sample> {
        let statistics = self.chain.store().statistics();
        let commits = "Database transactions that reached the disk";
        let time = "Seconds that they took, from their begin on";
        let mut samples = vec![
            Sample::counter("store_commits", commits, statistics.commits as f64),
            Sample::counter("store_commit_seconds", time, statistics.commit_time.as_secs_f64()),
        ];
        let size = |bytes| Sample::gauge("store_file_bytes", "Bytes of the database file", bytes as f64);
        samples.extend(statistics.file_bytes.map(size));
        samples
    }

    fn network_samples(&self) -> Vec<Sample> {
        let status = (self.network)();
        let syncing = u8::from(status.is_syncing);
        let signs = |signs| {
            let help = "1 while the node signs blocks, 0 while it has a key for that and only follows";
            Sample::gauge("consensus_signs", help, u8::from(signs).into())
        };
        let mut samples = vec![
            Sample::gauge("network_peers", "Nodes that this one is connected to", status.peers as f64),
            Sample::gauge("network_syncing", "1 while the node is behind the others", syncing.into()),
        ];
        samples.extend(status.signs.map(signs));
        samples
    }
}

fn rpc_samples(rpc: &RpcStatistics) -> Vec<Sample> {
    let asked: Vec<_> = rpc.methods().filter(|(_, counts)| counts.requests > 0).collect();
    let by_method = |name, help, number: fn(&myelin_rpc::MethodCounts) -> f64| Sample {
        name,
        help,
        value: Value::Counter,
        numbers: asked
            .iter()
            .map(|(method, counts)| (vec![("method", (*method).to_owned())], number(counts)))
            .collect(),
    };
    vec![
        by_method("rpc_requests", "Requests that were answered", |counts| counts.requests as f64),
        by_method("rpc_errors", "Requests that were answered with an error", |counts| counts.errors as f64),
        by_method("rpc_request_seconds", "Seconds until they were answered", |counts| {
            counts.time.as_secs_f64()
        }),
        Sample::gauge("rpc_connections", "Connections that are open", rpc.open_connections() as f64),
        Sample::counter(
            "rpc_connections_accepted",
            "Connections that there were",
            rpc.accepted_connections() as f64,
        ),
        Sample::counter(
            "rpc_connections_refused",
            "Connections that were turned away because there were too many",
            rpc.refused_connections() as f64,
        ),
        Sample::counter(
            "rpc_connections_silent",
            "Connections that were closed because they asked for nothing",
            rpc.silent_connections() as f64,
        ),
    ]
}

fn consensus_samples(status: ConsensusStatus) -> Vec<Sample> {
    vec![
        Sample::gauge("consensus_height", "Height that is being decided", status.height.into()),
        Sample::gauge("consensus_round", "Round of that height", status.round.into()),
        Sample::gauge("consensus_validators", "Validators of that height", status.validators as f64),
        Sample::gauge("consensus_peers", "Consensus peers that are connected", status.peers as f64),
    ]
}

/// Tells how the node is. `shutdown` is cancelled when its sequencer has stopped.
pub(crate) fn health(
    chain: &Arc<Chain>,
    network: &NetworkView,
    max_tip_age_slots: Option<u32>,
    shutdown: CancellationToken,
) -> HealthCheck {
    let (chain, network) = (Arc::clone(chain), Arc::clone(network));
    Arc::new(move || {
        let (tip, network) = (chain.tip(), network());
        let tip_age_ms = (tip.time_ms > 0).then(|| now_ms().saturating_sub(tip.time_ms));
        let stopped = shutdown.is_cancelled().then(|| "the sequencer has stopped".to_owned());
        let old = max_tip_age_slots.and_then(|slots| too_old(&chain, tip_age_ms, slots));
        let reasons: Vec<_> = match stopped {
            Some(stopped) => vec![stopped],
            None => network.trouble.into_iter().chain(old).collect(),
        };
        Health {
            healthy: reasons.is_empty(),
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
            height: tip.number(),
            tip_age_ms,
            is_syncing: network.is_syncing,
            peers: network.peers,
            signs: network.signs,
        }
    })
}

/// The same as RPC clients are told it.
pub(crate) fn health_view(check: HealthCheck) -> HealthView {
    Arc::new(move || {
        let health = check();
        // Every part of it has a form in JSON.
        let document = serde_json::to_string(&health).unwrap_or_default();
        HealthReport { is_healthy: health.healthy, document }
    })
}

fn too_old(chain: &Chain, tip_age_ms: Option<u64>, slots: u32) -> Option<String> {
    let params = match chain.params(chain.tip().number().saturating_add(1)) {
        Ok(params) => params,
        Err(error) => return Some(format!("the state cannot be read: {error}")),
    };
    let limit_ms = params.slot_duration_ms.saturating_mul(slots.into());
    match tip_age_ms {
        None => Some("there is no block yet".to_owned()),
        Some(age_ms) if age_ms > limit_ms => {
            Some(format!("the tip is {age_ms} ms old, which is more than {slots} slots ({limit_ms} ms)"))
        }
        Some(_) => None,
    }
}

fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
