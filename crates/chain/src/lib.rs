//! The chain: executing, proposing, validating and committing blocks, the mempool, and the sequencers that drive them.
//!
//! - [`Chain`] owns the state. It proposes a block on its tip, validates somebody else's, and commits what was decided.
//!   All three run the same function ([`executor`]); nothing else changes state.
//! - [`Mempool`] holds transactions that wait for a block.
//! - [`Application`] is a chain with its mempool: what a [`Sequencer`] sees.
//! - A [`Sequencer`] decides which block comes next. [`Local`] does it alone, for development; others agree on it with
//!   the rest of the network. Nothing above the trait knows which one runs.
//!
//! A committed block is final: there are no forks, and the tip never moves back, except when the owner of a development
//! chain reverts it ([`Chain::revert_to`]).

pub mod audit;
pub mod block;
pub mod certificate;
pub mod error;
pub mod executor;
pub mod local;
pub mod mempool;
pub mod sequencer;
pub mod state;
pub mod storage_keys;
pub mod validators;

mod chain;
mod externalities;
mod generations;
mod head_values;
mod line;
mod lookahead;
mod node_reader;
mod overlay;
mod signatures;
mod state_backend;

pub use block::{Block, CommittedBlock, Transaction};
pub use certificate::{Certificate, CertificateError};
pub use chain::{
    genesis_hash, Chain, ChainEvent, ChainObserver, ChainParams, CommitOutcome, Tip, MAX_BODY_BYTES,
};
pub use error::{CallError, ChainError, InvalidBlock};
pub use executor::{Budget, Candidates, ExecutedBlock, ProposalContext, Rejection, Validity, Verdict};
pub use local::{Local, LocalConfig, LocalError, LocalHandle, LocalStatus, SealMode, SnapshotId};
pub use lookahead::Lookahead;
pub use mempool::{Behind, Mempool, MempoolLimits, PoolStatus, SubmitError, TransactionStatus, Watcher};
pub use myelin_runtime::{presets::ConsensusTiming, AccountId, Balance, BlockNumber, Hash, Header, Nonce};
pub use myelin_store::{Config as StoreConfig, History, Location, Store, StoreError, DUMP_MAGIC};
pub use sequencer::{Application, Sequencer, SequencerError};
pub use sp_core::storage::Storage as GenesisStorage;
pub use state::{CallLimits, StateView};
pub use validators::{ConsensusKey, Validator, ValidatorSet, ValidatorSetError};
