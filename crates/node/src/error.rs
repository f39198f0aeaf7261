//! Why a node does not start, or does not run any more.

use std::io;

use myelin_chain::{ChainError, SequencerError, StoreError};
use myelin_metrics::MetricsError;
use myelin_rpc::RpcStartError;

/// Why a node does not start, or does not run any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The genesis is not usable.
    #[error(
        "the genesis of chain \"{chain}\" is not usable: {reason}; correct the chain's genesis configuration"
    )]
    Genesis {
        /// The chain's name.
        chain: String,
        /// What is wrong.
        reason: String,
    },
    /// The chain in the database has another block time, and differs in nothing else.
    #[error(
        "the chain in this base path has a block time of {found_ms} ms, but {expected_ms} ms was asked for; the block time is \
         part of a chain's genesis (Aura.SlotDuration), so use the spec that this chain was made from (`myelin node`) or \
         {found_ms} ms (`myelin dev --block-time {found_ms}ms`) again, or choose another base path for a new chain"
    )]
    BlockTime {
        /// Milliseconds in the database.
        found_ms: u64,
        /// Milliseconds that were asked for.
        expected_ms: u64,
    },
    /// The database cannot be opened, for example because another node uses it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The chain in the database cannot be used.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The system gives no threads.
    #[error("the node cannot start its threads: {0}; free some memory or raise the limit on threads")]
    Threads(#[source] io::Error),
    /// The RPC server does not start.
    #[error(transparent)]
    Rpc(#[from] RpcStartError),
    /// Metrics cannot be served.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Blocks are no longer made.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// Nobody told the sequencer to stop, and it did.
    #[error("the sequencer \"{0}\" ended by itself; restart the node")]
    SequencerEnded(&'static str),
    /// A part of the node panicked.
    #[error("a part of the node failed unexpectedly: {0}; restart the node and report this")]
    Panicked(String),
}
