//! Client of a node.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use myelin_client::{account_of, Client, WaitFor};
//! use myelin_keys::{CryptoType, Keypair};
//!
//! let client = Client::connect("ws://127.0.0.1:9944").await?;
//! let alice = Keypair::from_uri("//Alice", CryptoType::Sr25519)?;
//! let bob = Keypair::from_uri("//Bob", CryptoType::Sr25519)?;
//! let receipt = client.transfer(&alice, &account_of(&bob), 1_000_000_000, WaitFor::InBlock).await?;
//! assert!(receipt.fee_rao > 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What it takes care of
//! - One connection, opened when needed. Every time it is opened, the node's runtime version and genesis are checked, so
//!   that no byte is read or signed for another chain.
//! - Reads have a deadline and are asked again once on a new connection. Writes are never repeated behind the caller's back,
//!   except when the node refused them for their nonce.
//! - Nonces are asked for once and then counted; eras are anchored at the finalized head.
//! - A transaction is followed into its block, and its events tell success, fee, and the name of what failed.
//!
//! # What it does not do
//! Types come from [`myelin_runtime`] at compile time. There is no code generation from metadata, and so no talking to
//! nodes of another version: that is an error which says so.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod calls;
mod client;
mod config;
mod error;
mod extrinsic;
mod failure;
mod heads;
mod nonce;
mod queries;
mod receipt;
mod storage;
mod submit;
mod transport;

pub use calls::{ip_number, Weights};
pub use client::{BlockBody, Client, NodeHealth};
pub use config::ClientConfig;
pub use error::ClientError;
pub use extrinsic::{account_of, sign_offline};
pub use failure::DispatchFailure;
pub use heads::{HeadKind, Heads};
pub use queries::{neurons_of, EpochSchedule, Funds, Neuron, WeightRules};
pub use receipt::Receipt;
pub use submit::WaitFor;
