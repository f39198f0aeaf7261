//! Who decides which block comes next.

use std::{future::Future, pin::Pin, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{
    Block, Chain, ChainError, ChainParams, CommitOutcome, CommittedBlock, ExecutedBlock, Mempool,
    ProposalContext, Validity,
};

/// A chain and its mempool: everything that a sequencer drives.
///
/// A sequencer asks for a block to propose, has blocks of others validated, and commits what was decided. All of it may
/// block on disk or run for as long as a block takes to execute, so none of it belongs on an async thread.
#[derive(Clone)]
pub struct Application {
    chain: Arc<Chain>,
    mempool: Arc<Mempool>,
}

impl Application {
    /// Puts a chain and its mempool together.
    pub fn new(chain: Arc<Chain>, mempool: Arc<Mempool>) -> Self {
        Self { chain, mempool }
    }

    /// The chain.
    pub fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// The transactions that wait.
    pub fn mempool(&self) -> &Arc<Mempool> {
        &self.mempool
    }

    /// Executes a new block on the tip, filled from the mempool.
    ///
    /// # Errors
    /// As [`Chain::propose`].
    pub fn propose(&self, context: &ProposalContext) -> Result<ExecutedBlock, ChainError> {
        self.chain.propose(context, &mut self.mempool.best())
    }

    /// Executes somebody else's block and compares.
    ///
    /// # Errors
    /// As [`Chain::validate`].
    pub fn validate(&self, block: &Block, latest_time_ms: Option<u64>) -> Result<Validity, ChainError> {
        self.chain.validate(block, latest_time_ms)
    }

    /// Makes a decided block the tip.
    ///
    /// # Errors
    /// As [`Chain::commit`].
    pub fn commit(&self, executed: ExecutedBlock, certificate: Vec<u8>) -> Result<CommitOutcome, ChainError> {
        self.chain.commit(executed, certificate)
    }

    /// What holds for height `next_height`.
    ///
    /// # Errors
    /// As [`Chain::params`].
    pub fn params(&self, next_height: u32) -> Result<ChainParams, ChainError> {
        self.chain.params(next_height)
    }

    /// Final blocks, for peers that catch up.
    ///
    /// # Errors
    /// As [`Chain::decided`].
    pub fn decided(
        &self,
        heights: std::ops::RangeInclusive<u32>,
    ) -> Result<impl Iterator<Item = Result<CommittedBlock, ChainError>>, ChainError> {
        self.chain.decided(heights)
    }

    /// The oldest block that [`decided`](Self::decided) can give.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn history_min(&self) -> Result<u32, ChainError> {
        self.chain.history_min()
    }
}

/// Why a sequencer stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SequencerError {
    /// The chain failed.
    #[error("block production stopped: {0}")]
    Chain(#[from] ChainError),
    /// The chain failed while a command was carried out; whoever gave it was told as well.
    #[error("block production stopped: {0}")]
    Stopped(String),
    /// The engine that validators agree through failed, or was refused what it needs.
    #[error("block production stopped: {0}")]
    Consensus(String),
    /// A thread of the node ended unexpectedly.
    #[error("block production stopped: its worker ended unexpectedly ({0}); restart the node")]
    Worker(String),
}

/// The future of a running sequencer.
pub type Running = Pin<Box<dyn Future<Output = Result<(), SequencerError>> + Send>>;

/// Decides blocks and commits them, until it is told to stop.
pub trait Sequencer: Send {
    /// A short name for logs.
    fn name(&self) -> &'static str;

    /// Called once, before anybody can hand in transactions.
    fn prepare(&mut self, _application: &Application) {}

    /// Runs until `shutdown` is cancelled. The block in progress is then finished, and everything that was
    /// acknowledged is on disk when the future ends. An error means that the node must stop.
    fn run(self: Box<Self>, application: Application, shutdown: CancellationToken) -> Running;
}
