//! What a node runs and what it may use.

use myelin_chain::{Location, MempoolLimits, StoreConfig};
use myelin_rpc::{ChainKind, RpcConfig};
use myelin_runtime::presets::Genesis;

/// Milliseconds between the blocks of a development chain.
const DEVELOPMENT_SLOT_MS: u64 = 250;

/// Which chain a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSpec {
    /// How it is called.
    pub name: String,
    /// What kind of chain it is.
    pub kind: ChainKind,
    /// What it starts from.
    pub genesis: Genesis,
}

impl ChainSpec {
    /// The development chain, with a block every 250 ms.
    pub fn development() -> Self {
        Self::development_with_slot(DEVELOPMENT_SLOT_MS)
    }

    /// The development chain with another pace, which is part of its genesis.
    pub fn development_with_slot(slot_duration_ms: u64) -> Self {
        Self {
            name: "Myelin Development".to_owned(),
            kind: ChainKind::Development,
            genesis: Genesis::development(slot_duration_ms),
        }
    }
}

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
        }
    }
}
