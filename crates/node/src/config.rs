//! What a node runs and what it may use.

use std::path::Path;

use myelin_chain::{Location, MempoolLimits, StoreConfig};
use myelin_rpc::{ChainKind, RpcConfig};
use myelin_runtime::presets::Genesis;
use serde::{Deserialize, Serialize};

use crate::NodeError;

/// Milliseconds between the blocks of a development chain.
const DEVELOPMENT_SLOT_MS: u64 = 250;

/// Which chain a node runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSpec {
    /// How it is called.
    pub name: String,
    /// What kind of chain it is.
    pub kind: ChainKind,
    /// What it starts from.
    pub genesis: Genesis,
}

impl ChainSpec {
    /// Reads a specification from a file.
    ///
    /// # Errors
    /// The file cannot be read, or says something else.
    pub fn load(path: &Path) -> Result<Self, NodeError> {
        let bad = |reason: String| NodeError::Spec { path: path.to_owned(), reason };
        let text = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))
    }

    /// Writes the specification to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), NodeError> {
        let bad = |reason: String| NodeError::Spec { path: path.to_owned(), reason };
        let text = serde_json::to_vec_pretty(self).map_err(|error| bad(error.to_string()))?;
        std::fs::write(path, text).map_err(|error| bad(error.to_string()))
    }

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
}

impl NodeConfig {
    /// A node that runs `chain` on a store at `location`, with defaults for everything else.
    pub fn new(chain: ChainSpec, location: Location) -> Self {
        Self {
            chain,
            store: StoreConfig::new(location),
            rpc: Some(RpcConfig::default()),
            mempool: MempoolLimits::default(),
        }
    }
}
