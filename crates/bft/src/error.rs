//! Why a node stops taking part.

use std::{io, net::SocketAddr, path::PathBuf};

use myelin_chain::{CertificateError, ChainError, Hash, InvalidBlock, SequencerError, StoreError};

use crate::{
    codec::CodecError,
    config::BadPeerAddress,
    guard::{Doubt, GuardError},
};

/// Why a node stops taking part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BftError {
    /// Blocks cannot be executed or stored here.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// What may be signed is not known.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// A file in the home directory cannot be used.
    #[error("{path} cannot be used: {source}; make the home directory writable for the node")]
    Home {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The network key's file is damaged.
    #[error("{path} holds {found} bytes, expected the 32 of a network key; restore the file, or delete it to get a new key: the node's peers then know it by another name")]
    BadNetworkKey {
        /// The file.
        path: PathBuf,
        /// Bytes in it.
        found: usize,
    },
    /// A peer's address is not one.
    #[error(transparent)]
    PeerAddress(#[from] BadPeerAddress),
    /// Nobody orders this chain's blocks.
    #[error("the chain has no validators, so nobody can agree on blocks; name them in its genesis")]
    NoValidators,
    /// A block was decided that was never seen here.
    #[error("block {block:?} was decided at height {height}, but it is not here; restart the node to get it from its peers")]
    UnknownBlock {
        /// The height.
        height: u32,
        /// The block.
        block: Hash,
    },
    /// A block was decided that is invalid here.
    #[error("block {block:?} was decided at height {height}, but it is invalid here: {reason}; this node runs other software than the rest, or is damaged")]
    InvalidDecided {
        /// The height.
        height: u32,
        /// The block.
        block: Hash,
        /// What is wrong with it.
        reason: InvalidBlock,
    },
    /// The engine decided out of order.
    #[error(
        "height {decided} was decided, expected the one after the tip, which is {tip}; restart the node"
    )]
    OutOfOrder {
        /// The height decided.
        decided: u32,
        /// The height of the tip.
        tip: u32,
    },
    /// A decision without proof.
    #[error("the engine's certificate for height {height} proves nothing: {source}; report this")]
    Certificate {
        /// The height.
        height: u32,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// Somebody else signs with this node's key.
    #[error("the certificate of height {height} holds a vote of this validator that this node has not cast: another node signs with its key; stop the other one, and use a new key if you do not know it")]
    KeyUsedElsewhere {
        /// The height.
        height: u32,
    },
    /// A message that cannot be represented.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The listening address cannot be used.
    #[error("cannot listen for other nodes at {address}: {source}; stop what uses the port, or choose another listening address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The engine does not start.
    #[error("the consensus engine does not start: {0}; see that no other node uses this one's home directory, and that the node can write there")]
    EngineStart(String),
    /// What was signed in the height under way cannot be read.
    #[error("{path}, the consensus engine's log of the height under way, is damaged ({reason}); move it away, and leave signing-guard beside it: a validator then follows the others and signs nothing until that height is past")]
    DamagedLog {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The engine has ended.
    #[error("the consensus engine has stopped; the first error in the log tells why; restart the node")]
    EngineStopped,
    /// Peers cannot be reached any more.
    #[error("the node's network has stopped; the first error in the log tells why; restart the node")]
    NetworkStopped,
    /// The only validator may not sign.
    #[error("the only validator may not sign at height {height}, because it has signed there before and its log of that is gone; restore the newest log, or start again with another key in the genesis")]
    NobodyToFollow {
        /// The height.
        height: u32,
    },
    /// It is not known what the only validator has signed.
    #[error("{path} {doubt}, so what the only validator has signed is not known, and there is nobody to follow; if its key has never signed a block after the newest one here, run `myelin signing-guard --new --base-path DIR`")]
    NobodyKnows {
        /// The guard's file.
        path: PathBuf,
        /// What is wrong with it.
        doubt: Doubt,
    },
    /// A thread ended without saying why.
    #[error("the thread that executes blocks ended unexpectedly; restart the node and report this")]
    Worker,
}

impl From<StoreError> for BftError {
    fn from(error: StoreError) -> Self {
        Self::Chain(error.into())
    }
}

impl From<BftError> for SequencerError {
    fn from(error: BftError) -> Self {
        match error {
            BftError::Chain(error) => Self::Chain(error),
            other => Self::Consensus(other.to_string()),
        }
    }
}
