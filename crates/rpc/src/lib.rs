//! Substrate's JSON-RPC over a chain and its mempool, on HTTP and WebSocket at one port.
//!
//! This is the only crate that knows JSON. [`RpcServer::start`] serves [`Services`] until it is stopped:
//!
//! - `system_*`, `chain_*`, `state_*`, `author_*`, `payment_*` and `rpc_methods` as wallets and SDKs of the Substrate family
//!   expect them, by position or by name, with their legacy aliases, codes and error texts;
//! - `myelin_conservation`, which adds up all money;
//! - `dev_*` on development chains, to make blocks, move time, and go back.
//!
//! Web pages from elsewhere are refused unless they are allowed. Other requests come from anywhere, so each limit in
//! [`RpcConfig`] bounds something that a client could otherwise make the node do without end. Work on the database or the runtime never runs on an async thread and takes turns, so that
//! whatever clients ask, blocks are made on time.

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

mod config;
mod connection;
mod context;
mod deadline;
mod error;
mod gate;
mod metadata;
mod methods;
mod parameters;
mod refusal;
mod runtime_calls;
mod server;
mod statistics;
mod subscriptions;
mod turns;
mod work;

pub use config::{RpcConfig, DEFAULT_PORT};
pub(crate) use context::Context;
pub use context::{ChainKind, HealthReport, HealthView, Identity, NetworkStatus, NetworkView, Services};
pub use server::{RpcServer, RpcStartError};
pub use statistics::{MethodCounts, RpcStatistics};
