//! What can go wrong above the store.

use std::fmt;

use myelin_runtime::{arguments::BadArguments, Hash};
use myelin_store::StoreError;
use sp_runtime::transaction_validity::TransactionValidityError;

use crate::audit::Audit;

/// Why the chain cannot do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// There is no such block.
    #[error("UnknownBlock: no block {0} is known")]
    UnknownBlock(String),
    /// The state of this block has left the history window.
    #[error("UnknownBlock: State already discarded for {0:?}")]
    StateDiscarded(Hash),
    /// The database refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The runtime failed where it must not.
    #[error("the runtime failed in {method}: {source}; this is a defect of the node or of its genesis")]
    Runtime {
        /// The runtime call.
        method: &'static str,
        /// How it failed.
        source: CallError,
    },
    /// The genesis configuration is not usable.
    #[error("the genesis is not usable: {0}; correct the chain's genesis configuration")]
    Genesis(String),
    /// Blocks cannot go back in time.
    #[error("the time {requested} ms is not later than the parent's, {parent} ms; propose with a later one")]
    TimeNotLater {
        /// The time asked for.
        requested: u64,
        /// The parent's.
        parent: u64,
    },
    /// No block can be made.
    #[error("no block can be proposed: {0}")]
    Unproposable(InvalidBlock),
    /// The block does not fit on the tip any more.
    #[error("block {number} was executed on {expected:?}, but the tip is {tip:?}; execute it again")]
    StaleParent {
        /// Height of the block.
        number: u32,
        /// The parent it was executed on.
        expected: Hash,
        /// The tip.
        tip: Hash,
    },
    /// Money was lost, or made from nothing.
    #[error(
        "money is not conserved after block {number}, {hash:?}: accounts hold {} rao, the ledger has issued {}, the \
         market {}; pools and root hold {} rao of stake; subnets that do not add up: {:?}. This is a defect of the \
         runtime or of the genesis",
        .books.accounts_rao,
        .books.market.ledger_issuance_rao,
        .books.market.market_issuance_rao,
        .books.market.total_stake_rao,
        .books.market.subnets.iter().filter(|subnet| !subnet.holds()).collect::<Vec<_>>()
    )]
    NotConserved {
        /// Height of the block.
        number: u32,
        /// Its hash.
        hash: Hash,
        /// Where everything is.
        books: Box<Audit>,
    },
}

impl ChainError {
    pub(crate) fn damaged(detail: impl fmt::Display) -> Self {
        Self::Store(StoreError::Corrupt { detail: detail.to_string() })
    }

    /// Whether the node must stop because it can no longer rely on its own disk or code.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Store(error) => error.is_fatal(),
            Self::Runtime { .. } | Self::NotConserved { .. } => true,
            _ => false,
        }
    }
}

/// Why a runtime call gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The runtime has no such function.
    #[error("Exported method {0} is not found")]
    UnknownMethod(String),
    /// The runtime cannot decode the arguments, so it was not called.
    #[error(transparent)]
    Arguments(#[from] BadArguments),
    /// The runtime failed.
    #[error("the runtime call panicked: {0}")]
    Panicked(String),
    /// The call took too long.
    #[error("the runtime call took longer than {0} ms")]
    DeadlineExceeded(u64),
    /// The answer is too large.
    #[error("the runtime call returned {found} bytes, more than the limit of {limit}")]
    ResultTooLarge {
        /// Bytes returned.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The state could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a block may not be committed by anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBlock {
    /// Its bytes are not a block.
    #[error("extrinsic {index} is malformed: {reason}")]
    MalformedExtrinsic {
        /// Position in the body.
        index: usize,
        /// What is wrong.
        reason: String,
    },
    /// An extrinsic may not be applied there.
    #[error("extrinsic {index} is not valid: {error:?}")]
    InvalidExtrinsic {
        /// Position in the body.
        index: usize,
        /// The runtime's verdict.
        error: TransactionValidityError,
    },
    /// An inherent comes after a transaction.
    #[error("extrinsic {index} is an inherent after a transaction")]
    InherentPosition {
        /// Position in the body.
        index: usize,
    },
    /// The runtime panicked while executing it.
    #[error("execution failed: {0}")]
    Execution(String),
    /// Executing it gives another header.
    #[error("the {field} is {found}, execution gives {expected}")]
    HeaderMismatch {
        /// Which part of the header differs.
        field: &'static str,
        /// What execution gave.
        expected: String,
        /// What the header says.
        found: String,
    },
    /// Its time is too far ahead.
    #[error("its time is {found} ms, later than the latest acceptable {latest} ms")]
    TimeTooLate {
        /// Milliseconds since the Unix epoch in the block.
        found: u64,
        /// The latest acceptable.
        latest: u64,
    },
    /// It is larger than a block may be.
    #[error("its extrinsics have {found} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Bytes in the body.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
}
