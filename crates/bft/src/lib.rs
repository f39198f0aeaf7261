//! The sequencer of a network: validators agree on every block before it is the next one.
//!
//! [`Bft`] embeds a Tendermint engine (Malachite) behind [`myelin_chain::Sequencer`]; no other crate knows the engine. In
//! every round of a height, one validator proposes a block. The others execute it and *prevote* for it when the state root
//! in its header is theirs, and *precommit* when more than two thirds of the voting power prevoted. Precommits of more
//! than two thirds decide the block and are its [`Certificate`](myelin_chain::Certificate). A round without a decision
//! passes to the next proposer.
//!
//! - The engine agrees on the 32-byte hash of a block. The block travels beside the votes, in signed [`parts`].
//! - A block is on disk ([`undecided`]) before this node says that it is valid.
//! - What a validator signs is on disk ([`guard`]) before it leaves, apart from database and log, so that a restored
//!   backup cannot make it sign twice.
//! - Block, state, certificate and tip are committed in one transaction. After a failure of the disk or of execution,
//!   nothing is signed any more and the sequencer ends with an error.
//! - A node that is behind gets decided blocks from its peers, verifies their certificates and executes them. Blocks that
//!   have come are executed on other threads before the engine asks about them
//!   ([`Lookahead`](myelin_chain::Lookahead)). While it signs nothing, it writes several blocks in one transaction, on another
//!   thread as well, and nobody sees them before.
//! - What other nodes may use up is bounded by a [gate](GateLimits) between them and the engine.
//! - Peers that the operator has not named are [found](BftConfig::discovered) elsewhere; some of them are dialled, as strangers.
//! - A node without a consensus key, or whose key is not in the set, follows in the same way.

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

mod ahead;
pub mod alarms;
mod author;
mod bft;
#[doc(hidden)] // For the tests of the format.
pub mod codec;
mod config;
mod contacts;
#[doc(hidden)]
pub mod context;
mod early;
mod engine_log;
mod error;
pub mod evidence;
#[cfg(feature = "faults")]
mod faults;
mod gate;
pub mod guard;
mod network_key;
mod no_log;
mod observer;
mod outset;
pub mod pace;
pub mod parts;
pub mod proposer;
mod prospects;
mod resumption;
mod scout;
mod seldom;
mod session;
pub mod signing;
mod status;
mod trouble;
pub mod undecided;
mod worker;
mod writing;

pub use bft::Bft;
pub use config::{BadPeerAddress, BftConfig, PeerAddress};
pub use error::BftError;
#[cfg(feature = "faults")]
pub use faults::Fault;
pub use gate::{GateCounts, GateLimits};
pub use guard::{Doubt, GuardError, SigningGuard};
pub use observer::{ConsensusMessage, ConsensusObserver, Step};
pub use signing::ConsensusSecret;
pub use status::{PeerStatus, StatusView};

/// Writes the engine's metrics in the Prometheus text format: consensus, network and sync of every node in this process, and
/// how long blocks took to execute.
pub fn write_metrics(text: &mut impl std::fmt::Write) {
    arc_malachitebft_app_channel::app::metrics::export(text);
}
