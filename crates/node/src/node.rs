//! Putting a node together.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use myelin_chain::{
    genesis_hash, Application, Chain, ChainError, GenesisStorage, Hash, History, Local, LocalConfig,
    LocalHandle, Location, Mempool, SealMode, Sequencer, Store, StoreError,
};
use myelin_rpc::{Identity, NetworkStatus, NetworkView, RpcConfig, RpcServer, Services};
use myelin_store::contain_panics;
use tokio_util::sync::CancellationToken;

use crate::{
    handle::Servers,
    last_answers::Failure,
    metrics::{health, health_view, Measured, MeteredNode, MAX_TIP_AGE_SLOTS},
    ChainSpec, ConsensusView, MetricsOptions, NodeConfig, NodeError, NodeHandle,
};

/// A node that can be started.
pub struct Node {
    config: NodeConfig,
    sequencing: Sequencing,
    network: NetworkView,
    consensus: Option<ConsensusView>,
    shutdown: CancellationToken,
}

/// Who decides which block comes next.
enum Sequencing {
    Local(LocalConfig),
    Other(Box<dyn Sequencer>),
}

impl Node {
    /// A node whose blocks are decided by `sequencer`.
    pub fn new(config: NodeConfig, sequencer: Box<dyn Sequencer>) -> Self {
        Self::with(config, Sequencing::Other(sequencer))
    }

    /// A node that decides alone, and obeys `dev_*` requests.
    pub fn local(config: NodeConfig, sequencing: LocalConfig) -> Self {
        Self::with(config, Sequencing::Local(sequencing))
    }

    /// A development chain in memory with its whole history, a block every 250 ms, and RPC on a free port of this machine.
    pub fn development() -> Self {
        let chain = ChainSpec::development();
        let interval = Duration::from_millis(chain.genesis.slot_duration_ms);
        let mut config = NodeConfig::new(chain, Location::Memory);
        config.store.history = History::Archive;
        config.rpc = Some(RpcConfig::any_port());
        Self::local(config, LocalConfig::new(SealMode::Interval(interval)))
    }

    fn with(config: NodeConfig, sequencing: Sequencing) -> Self {
        let alone: NetworkView = Arc::new(NetworkStatus::default);
        Self { config, sequencing, network: alone, consensus: None, shutdown: CancellationToken::new() }
    }

    /// Keeps blocks and state in this directory, which one node at a time can use.
    pub fn base_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.store.location = Location::Directory(path.into());
        self
    }

    /// Keeps this much state.
    pub fn history(mut self, history: History) -> Self {
        self.config.store.history = history;
        self
    }

    /// Serves RPC at this address; port 0 takes any free one.
    pub fn rpc_address(mut self, address: SocketAddr) -> Self {
        self.config.rpc.get_or_insert_with(RpcConfig::default).address = address;
        self
    }

    /// Serves RPC as configured, or not at all.
    pub fn rpc(mut self, config: Option<RpcConfig>) -> Self {
        self.config.rpc = config;
        self
    }

    /// When blocks are sealed. Only a node that decides alone can choose that.
    pub fn sealing(mut self, mode: SealMode) -> Self {
        if let Sequencing::Local(config) = &mut self.sequencing {
            config.mode = mode;
        }
        self
    }

    /// Checks after every block that money is conserved, and stops when it is not.
    pub fn audited(mut self) -> Self {
        self.config.audit = true;
        self
    }

    /// Lets clients see how the node stands in its network.
    pub fn network(mut self, network: NetworkView) -> Self {
        self.network = network;
        self
    }

    /// Serves metrics and health as configured, or not at all.
    pub fn metrics(mut self, options: Option<MetricsOptions>) -> Self {
        self.config.metrics = options;
        self
    }

    /// Lets metrics show how far the sequencer is with the next block.
    pub fn consensus(mut self, consensus: ConsensusView) -> Self {
        self.consensus = Some(consensus);
        self
    }

    /// Shuts down when `token` is cancelled. The node cancels it, too, when it ends for another reason.
    pub fn shutdown_on(mut self, token: CancellationToken) -> Self {
        self.shutdown = token;
        self
    }

    /// Opens the database, starts all parts, and returns when clients can connect.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn start(self) -> Result<NodeHandle, NodeError> {
        let Self { config, sequencing, network, consensus, shutdown } = self;
        let NodeConfig { chain: spec, store, rpc, mempool, audit, metrics } = config;
        let identity = Identity {
            chain_name: spec.name.clone(),
            chain_kind: spec.kind,
            node_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let chain = off_the_async_threads(move || open_chain(&spec, Store::open(&store)?, audit)).await?;
        let mempool = Mempool::new(Arc::clone(&chain), mempool).map_err(NodeError::Threads)?;
        let application = Application::new(Arc::clone(&chain), Arc::clone(&mempool));
        let makes_blocks_by_itself = sequencing.makes_blocks_by_itself();
        let (mut sequencer, development) = sequencing.into_parts();
        sequencer.prepare(&application);
        let max_tip_age_slots = match &metrics {
            Some(options) => options.max_tip_age_slots,
            None => makes_blocks_by_itself.then_some(MAX_TIP_AGE_SLOTS),
        };
        let failure = Failure::default();
        let network = failed_if(network, Arc::clone(&failure));
        let server = match rpc {
            Some(config) => {
                let services = Services {
                    chain: Arc::clone(&chain),
                    mempool: Arc::clone(&mempool),
                    identity,
                    network: Arc::clone(&network),
                    health: health_view(health(&chain, &network, max_tip_age_slots, shutdown.clone())),
                    development: development.clone(),
                };
                Some(RpcServer::start(services, config).await?)
            }
            None => None,
        };
        let rpc = server.as_ref().map(|server| Arc::clone(server.statistics()));
        let measured = Measured { chain, mempool, rpc, network, consensus };
        let metrics = match metrics {
            Some(options) => Some(MeteredNode::start(&measured, options, shutdown.clone()).await?),
            None => None,
        };
        let servers = Servers { rpc: server, metrics };
        Ok(NodeHandle::run(application, sequencer, servers, development, failure, shutdown))
    }
}

impl Sequencing {
    /// Whether a chain that has no new block is out of order, and not only unused.
    fn makes_blocks_by_itself(&self) -> bool {
        match self {
            Self::Local(config) => matches!(config.mode, SealMode::Interval(_)),
            Self::Other(_) => true,
        }
    }

    fn into_parts(self) -> (Box<dyn Sequencer>, Option<LocalHandle>) {
        match self {
            Self::Local(config) => {
                let (sequencer, handle) = Local::new(config);
                (Box::new(sequencer), Some(handle))
            }
            Self::Other(sequencer) => (sequencer, None),
        }
    }
}

/// The same view, with the failure as the node's trouble once there is one.
fn failed_if(network: NetworkView, failure: Failure) -> NetworkView {
    Arc::new(move || {
        let status = network();
        NetworkStatus { trouble: failure.get().cloned().or(status.trouble), ..status }
    })
}

fn open_chain(spec: &ChainSpec, store: Store, audit: bool) -> Result<Arc<Chain>, NodeError> {
    let genesis = genesis_storage(spec)?;
    let open = if audit { Chain::open_audited } else { Chain::open };
    open(store.clone(), Some(&genesis)).map_err(|error| match error {
        ChainError::Store(StoreError::WrongGenesis { found, .. }) => {
            other_block_time(spec, store, found.into()).unwrap_or_else(|| error.into())
        }
        error => error.into(),
    })
}

fn genesis_storage(spec: &ChainSpec) -> Result<GenesisStorage, NodeError> {
    // Some pallets do not return what they think of their part, but panic.
    contain_panics(|| spec.genesis.build_storage())
        .and_then(|storage| storage)
        .map_err(|reason| NodeError::Genesis { chain: spec.name.clone(), reason })
}

/// The error to tell when the chain in `store` would be the one of `spec` with the block time that it has.
fn other_block_time(spec: &ChainSpec, store: Store, genesis: Hash) -> Option<NodeError> {
    let found_ms = Chain::open(store, None).ok()?.params(1).ok()?.slot_duration_ms;
    let mut like_found = spec.clone();
    like_found.genesis.slot_duration_ms = found_ms;
    let same = genesis_hash(&genesis_storage(&like_found).ok()?) == genesis;
    same.then_some(NodeError::BlockTime { found_ms, expected_ms: spec.genesis.slot_duration_ms })
}

async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| NodeError::Panicked(error.to_string()))?
}
