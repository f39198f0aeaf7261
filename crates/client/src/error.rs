//! What can go wrong. Every message says what happened and what to do.

use std::time::Duration;

use myelin_runtime::Hash;

use crate::{failure::DispatchFailure, receipt::Receipt, submit::ADD_FUNDS};

/// Any failure of a client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No connection.
    #[error(
        "cannot reach a node at {url}: {reason}; check the address (ws://host:port) and that the node runs"
    )]
    Connect {
        /// Where.
        url: String,
        /// Why, as the system says.
        reason: String,
    },
    /// No answer in time.
    #[error("no answer to {what} within {} ms; the node may be overloaded, try again or allow more time", after.as_millis())]
    Timeout {
        /// What was asked.
        what: String,
        /// How long it took to give up.
        after: Duration,
    },
    /// The connection broke while an answer was awaited.
    #[error("the connection to the node broke during {what}: {reason}; try again")]
    Disconnected {
        /// What was asked.
        what: String,
        /// Why.
        reason: String,
    },
    /// The node answered with an error.
    #[error("the node refused {method}: {message} (code {code})")]
    Refused {
        /// JSON-RPC method.
        method: String,
        /// JSON-RPC error code.
        code: i32,
        /// What the node says.
        message: String,
    },
    /// The node's answer is not of the shape that this program knows.
    #[error("cannot read the node's answer to {what}: {reason}; update this program or the node, so that both are of one version")]
    Decode {
        /// What was asked.
        what: String,
        /// Where it does not fit.
        reason: String,
    },
    /// The node runs another runtime than this program was built with.
    #[error(
        "the node at {url} runs {found}, this program was built for {expected}; install the program of the node's version, or update the node"
    )]
    WrongRuntime {
        /// Where.
        url: String,
        /// Name and versions of this program.
        expected: String,
        /// Name and versions of the node.
        found: String,
    },
    /// The node follows another chain.
    #[error("the node at {url} follows the chain with genesis {found:?}, expected {expected:?}; check the address, or set the expected genesis if the chain was reset")]
    WrongGenesis {
        /// Where.
        url: String,
        /// Genesis to talk to.
        expected: Hash,
        /// Genesis of the node.
        found: Hash,
    },
    /// The node did not take the transaction; nothing was paid and nothing happened.
    #[error("the node did not accept the transaction: {reason}; {advice}")]
    Rejected {
        /// JSON-RPC error code.
        code: i32,
        /// Why, in the node's or the protocol's words.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The pool took the transaction and later removed it, so that it was not included.
    #[error("the transaction {extrinsic:?} was accepted but not included: {status}; send it again")]
    NotIncluded {
        /// Hash of the transaction.
        extrinsic: Hash,
        /// Last state of the transaction.
        status: String,
    },
    /// The transaction was sent, but what became of it is unknown.
    #[error("the fate of transaction {extrinsic:?} is unknown: {reason}; look for it with `find_receipt` before sending it again, or the action may happen twice")]
    FateUnknown {
        /// Hash of the transaction.
        extrinsic: Hash,
        /// A block below which it cannot be.
        first_block: u32,
        /// Why.
        reason: String,
    },
    /// The transaction is in a block, and its action failed. The fee is paid.
    #[error("the transaction is in block {} but failed: {failure}", receipt.block_number)]
    Failed {
        /// What failed.
        failure: DispatchFailure,
        /// Where it is.
        receipt: Box<Receipt>,
    },
    /// A dry run: the node would take the transaction and its fee, and its action would fail. Nothing was sent.
    #[error("the transaction would fail, so nothing was sent: {failure}")]
    WouldFail {
        /// What would fail.
        failure: DispatchFailure,
    },
    /// Something asked for by name or number does not exist on this chain.
    #[error("there is no {what} on this chain; check the number or name")]
    Missing {
        /// What.
        what: String,
    },
    /// A value that no node would accept.
    #[error("expected {expected}, found {found}; correct the argument")]
    Argument {
        /// What is allowed.
        expected: String,
        /// What was given.
        found: String,
    },
}

impl ClientError {
    /// Whether the same call may succeed later without any change by the caller.
    ///
    /// False for [`ClientError::FateUnknown`]: the first attempt may have succeeded.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Timeout { .. }
                | Self::Disconnected { .. }
                | Self::NotIncluded { .. }
        )
    }

    /// The action that failed or would fail.
    pub fn failure(&self) -> Option<&DispatchFailure> {
        match self {
            Self::Failed { failure, .. } | Self::WouldFail { failure } => Some(failure),
            _ => None,
        }
    }

    /// Whether the signer has too little to pay with.
    pub fn is_about_funds(&self) -> bool {
        match self {
            Self::Rejected { advice, .. } => *advice == ADD_FUNDS,
            other => other.failure().is_some_and(DispatchFailure::is_about_funds),
        }
    }

    pub(crate) fn decode(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Decode { what: what.into(), reason: reason.to_string() }
    }
}
