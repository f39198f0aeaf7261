//! What methods work with.

use std::sync::Arc;

use myelin_chain::{CallLimits, Chain, Hash, LocalHandle, Mempool, StateView};

use crate::{
    error::{self, limit_exceeded, RpcResult},
    metadata::MetadataCache,
    work::Workshop,
    RpcConfig,
};

/// What kind of chain this is, for wallets that show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// For developing; may be reset at any time.
    Development,
    /// For testing among friends.
    Local,
    /// With value.
    Live,
}

impl ChainKind {
    /// The word that clients know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "Development",
            Self::Local => "Local",
            Self::Live => "Live",
        }
    }
}

/// How node and chain present themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The chain's name.
    pub chain_name: String,
    /// What kind of chain it is.
    pub chain_kind: ChainKind,
    /// The program's version.
    pub node_version: String,
}

/// How the node stands in its network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkStatus {
    /// Nodes it is connected to.
    pub peers: usize,
    /// Whether it is behind the others.
    pub is_syncing: bool,
    /// Whether it ought to have peers.
    pub should_have_peers: bool,
    /// What keeps it from following its network, and what to do; nothing if all is well.
    pub trouble: Option<String>,
    /// Whether it signs blocks now; nothing if it has no key for that.
    pub signs: Option<bool>,
}

/// Tells how the node stands in its network.
pub type NetworkView = Arc<dyn Fn() -> NetworkStatus + Send + Sync>;

/// How the node is, for those who decide whether to send clients here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    /// Whether to do so.
    pub is_healthy: bool,
    /// What is known about it: a JSON document.
    pub document: String,
}

/// Tells how the node is.
pub type HealthView = Arc<dyn Fn() -> HealthReport + Send + Sync>;

/// What a server serves.
#[derive(Clone)]
pub struct Services {
    /// The chain.
    pub chain: Arc<Chain>,
    /// Where submitted transactions go.
    pub mempool: Arc<Mempool>,
    /// How node and chain present themselves.
    pub identity: Identity,
    /// How the node stands in its network.
    pub network: NetworkView,
    /// How the node is: what a `GET` of `/health` is answered with.
    pub health: HealthView,
    /// Controls the sequencer of a development chain. The `dev_*` methods exist only with it.
    pub development: Option<LocalHandle>,
}

/// Services and limits, as every method sees them.
pub(crate) struct Context {
    pub services: Services,
    pub config: RpcConfig,
    pub workshop: Workshop,
    pub metadata: MetadataCache,
}

impl Context {
    pub fn new(services: Services, config: RpcConfig) -> Self {
        let workshop = Workshop::new(&config);
        Self { services, config, workshop, metadata: MetadataCache::default() }
    }

    pub fn chain(&self) -> &Chain {
        &self.services.chain
    }

    /// The hash that was asked for, or the tip's.
    pub fn hash_or_tip(&self, hash: Option<Hash>) -> Hash {
        hash.unwrap_or_else(|| self.chain().tip().hash)
    }

    /// The state after the block that was asked for, or after the tip.
    pub fn state(&self, hash: Option<Hash>) -> RpcResult<StateView> {
        match hash {
            Some(hash) => self.chain().state(&hash),
            None => self.chain().tip_state(),
        }
        .map_err(error::chain)
    }

    /// Runs a runtime function within the limits of this server.
    pub fn call(&self, state: &StateView, method: &str, arguments: &[u8]) -> RpcResult<Vec<u8>> {
        state.call(method, arguments, self.call_limits()).map_err(error::call)
    }

    /// What a runtime call may cost.
    pub fn call_limits(&self) -> CallLimits {
        CallLimits {
            max_time: self.config.max_call_time,
            // Hexadecimal doubles it, and the answer has an envelope.
            max_result_bytes: (self.config.max_response_bytes / 2).saturating_sub(1024) as usize,
        }
    }

    /// Refuses arguments of a runtime call that are too large.
    pub fn check_arguments(&self, bytes: &[u8]) -> RpcResult<()> {
        let (found, limit) = (bytes.len(), self.config.max_argument_bytes);
        match found > limit {
            true => {
                Err(limit_exceeded(format!("the call has {found} bytes of arguments, the limit is {limit}")))
            }
            false => Ok(()),
        }
    }
}
