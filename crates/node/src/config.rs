//! What a node runs and what it may use.

use myelin_chain::{Location, MempoolLimits, StoreConfig};
use myelin_rpc::RpcConfig;

use crate::{ChainSpec, MetricsOptions};

/// How a node runs.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Which chain.
    pub chain: ChainSpec,
    /// Where blocks and state are, and how much of it is kept.
    pub store: StoreConfig,
    /// How clients are served; nothing for no server.
    pub rpc: Option<RpcConfig>,
    /// What waiting transactions may take up.
    pub mempool: MempoolLimits,
    /// Whether the node checks after every block that money is conserved, and stops when it is not. Costs time in
    /// proportion to the number of accounts and stakes.
    pub audit: bool,
    /// How metrics and health are served; nothing for no server.
    pub metrics: Option<MetricsOptions>,
}

impl NodeConfig {
    /// A node that runs `chain` on a store at `location`, with defaults for everything else.
    pub fn new(chain: ChainSpec, location: Location) -> Self {
        Self {
            chain,
            store: StoreConfig::new(location),
            rpc: Some(RpcConfig::default()),
            mempool: MempoolLimits::default(),
            audit: false,
            metrics: None,
        }
    }
}
