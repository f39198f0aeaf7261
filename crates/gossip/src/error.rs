//! Why a node cannot gossip.

use std::{io, path::PathBuf};

use libp2p::Multiaddr;

/// Why a node cannot gossip.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GossipError {
    /// Listening is not possible, for example because the port is in use.
    #[error("cannot listen for peers at {address}: {reason}; choose another address or end what uses it")]
    Listen {
        /// The wanted address.
        address: Multiaddr,
        /// What is in the way.
        reason: String,
    },
    /// Encryption or name resolution could not be set up.
    #[error("the network for transactions cannot be set up: {0}; see that this machine can resolve names")]
    Transport(String),
    /// The key file cannot be used.
    #[error("the node key {path} cannot be used: {source}; make the file readable, and its directory writable, for the node")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key file holds something else than a key.
    #[error("the node key {path} holds {found}, expected 64 hexadecimal digits; restore it, or delete it to get a new one")]
    Key {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// The system has no randomness for a new key.
    #[error("no node key can be made, because the system gives no random bytes: {0}; start the node again, or give it a key")]
    Randomness(String),
    /// A defect ended the task.
    #[error("the gossip of transactions failed unexpectedly: {0}; restart the node and report this")]
    Panicked(String),
}
