//! A node, assembled from its parts: store, chain, mempool, sequencer and RPC.
//!
//! One line starts a development chain, for a test or an example:
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), myelin_node::NodeError> {
//! let node = myelin_node::Node::development().start().await?;
//! let url = node.ws_url();
//! assert!(url.starts_with("ws://127.0.0.1:"));
//! node.shutdown().await
//! # }
//! ```
//!
//! [`Node::new`] takes any [`ChainSpec`] and any [`Sequencer`](myelin_chain::Sequencer). A node runs until its
//! [`NodeHandle`] is told to shut down or is dropped, or until something fails after which it cannot go on, such as a write
//! to disk: [`NodeHandle::wait`] tells.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing
    )
)]

mod chain_spec;
mod config;
mod error;
mod handle;
mod last_answers;
mod metrics;
mod node;
mod options;
mod web;

pub use chain_spec::{known_validator_account, ChainSpec, ChainSpecError};
pub use config::NodeConfig;
pub use error::NodeError;
pub use handle::NodeHandle;
pub use metrics::{ConsensusStatus, ConsensusView, MetricsOptions};
pub use myelin_chain::{History, LocalConfig, Location, SealMode};
pub use myelin_metrics::{Health, TextSource};
pub use myelin_rpc::{ChainKind, NetworkStatus, NetworkView, RpcConfig};
pub use node::Node;
pub use options::{HistoryOption, NodeOptions, NodeSettings, OptionsError};
pub use web::{rpc_config, HostName, Origin};
