//! Controlling a local sequencer from elsewhere.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::SealMode;
use crate::{ChainError, Tip};

/// Names a state that can be gone back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(pub u64);

/// How a local sequencer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalStatus {
    /// When it seals.
    pub mode: SealMode,
    /// The chain's time now, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// How far that is from the wall clock.
    pub offset_ms: i64,
    /// The newest block.
    pub tip: Arc<Tip>,
    /// Snapshots that can be reverted to, oldest first.
    pub snapshots: Vec<SnapshotId>,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The sequencer does not run.
    #[error("the local sequencer has stopped; restart the node")]
    Stopped,
    /// It stops before the command is done.
    #[error("the node is shutting down; {blocks} of the blocks were made")]
    ShuttingDown {
        /// Blocks made before it stopped.
        blocks: u32,
    },
    /// Blocks cannot go back in time.
    #[error("the time {requested} ms is not later than the newest block's, {tip} ms; choose a later one")]
    TimeNotLater {
        /// The time asked for.
        requested: u64,
        /// The time of the newest block.
        tip: u64,
    },
    /// The chain's time would leave the range in which time is counted.
    #[error(
        "the chain's time would be {ahead_ms} ms ahead of the wall clock, the limit is {limit_ms} ms (100 years); \
         choose an earlier time"
    )]
    TimeTooFarAhead {
        /// How far ahead it would be.
        ahead_ms: i128,
        /// How far it may be.
        limit_ms: u64,
    },
    /// An interval must be longer than nothing.
    #[error("an interval of 0 ms was asked for; use at least 1 ms, or instant sealing")]
    ZeroInterval,
    /// There is no such snapshot.
    #[error("there is no snapshot {}; a snapshot is used up by reverting to it or to an earlier one", .0.0)]
    UnknownSnapshot(SnapshotId),
    /// The chain failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, LocalError>>;

/// What a handle asks for.
pub(super) enum Command {
    Mine { blocks: u32, reply: Reply<Arc<Tip>> },
    Seal { reply: Reply<Arc<Tip>> },
    SetMode { mode: SealMode, reply: Reply<()> },
    SetTime { time_ms: u64, reply: Reply<()> },
    IncreaseTime { by_ms: u64, reply: Reply<u64> },
    Snapshot { reply: Reply<SnapshotId> },
    Revert { id: SnapshotId, reply: Reply<Arc<Tip>> },
    Dump { reply: Reply<Vec<u8>> },
    Load { dump: Vec<u8>, reply: Reply<Arc<Tip>> },
    Status { reply: Reply<LocalStatus> },
}

/// Controls a running local sequencer; cheap to clone. Commands are carried out in order, between blocks.
#[derive(Clone)]
pub struct LocalHandle {
    commands: mpsc::Sender<Command>,
}

impl LocalHandle {
    pub(super) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Makes `blocks` blocks as fast as they execute, each one slot later than the one before, and returns the new tip.
    /// All of them are final when it returns; on the way they become so in batches.
    ///
    /// # Errors
    /// [`LocalError::ShuttingDown`] when the node stops on the way.
    pub async fn mine(&self, blocks: u32) -> Result<Arc<Tip>, LocalError> {
        self.ask(|reply| Command::Mine { blocks, reply }).await
    }

    /// Makes one block with the chain's time of now, and returns it.
    ///
    /// # Errors
    /// When the sequencer has stopped or the chain fails, as for every command.
    pub async fn seal(&self) -> Result<Arc<Tip>, LocalError> {
        self.ask(|reply| Command::Seal { reply }).await
    }

    /// Changes when blocks are sealed.
    ///
    /// # Errors
    /// [`LocalError::ZeroInterval`].
    pub async fn set_mode(&self, mode: SealMode) -> Result<(), LocalError> {
        if mode == SealMode::Interval(Duration::ZERO) {
            return Err(LocalError::ZeroInterval);
        }
        self.ask(|reply| Command::SetMode { mode, reply }).await
    }

    /// Makes the chain's time `time_ms` now. It goes on from there.
    ///
    /// # Errors
    /// [`LocalError::TimeNotLater`] than the newest block's, [`LocalError::TimeTooFarAhead`] of the wall clock.
    pub async fn set_time(&self, time_ms: u64) -> Result<(), LocalError> {
        self.ask(|reply| Command::SetTime { time_ms, reply }).await
    }

    /// Moves the chain's time forward; returns how many milliseconds it is ahead of the wall clock now.
    ///
    /// # Errors
    /// [`LocalError::TimeTooFarAhead`] of the wall clock.
    pub async fn increase_time(&self, by_ms: u64) -> Result<u64, LocalError> {
        self.ask(|reply| Command::IncreaseTime { by_ms, reply }).await
    }

    /// Notes the present state of the chain. Until it is reverted to, its state is kept however long ago it is; it is
    /// forgotten when the node stops.
    ///
    /// # Errors
    /// When the sequencer has stopped.
    pub async fn snapshot(&self) -> Result<SnapshotId, LocalError> {
        self.ask(|reply| Command::Snapshot { reply }).await
    }

    /// Goes back to a snapshot, which is used up by that, together with all later ones.
    ///
    /// # Errors
    /// [`LocalError::UnknownSnapshot`].
    pub async fn revert(&self, id: SnapshotId) -> Result<Arc<Tip>, LocalError> {
        self.ask(|reply| Command::Revert { id, reply }).await
    }

    /// The whole chain as bytes: all blocks, and every state that is kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn dump(&self) -> Result<Vec<u8>, LocalError> {
        self.ask(|reply| Command::Dump { reply }).await
    }

    /// Replaces the whole chain by a dump of a chain with the same genesis. All snapshots are used up.
    ///
    /// # Errors
    /// When the dump is damaged or of another chain; nothing changes then.
    pub async fn load(&self, dump: Vec<u8>) -> Result<Arc<Tip>, LocalError> {
        self.ask(|reply| Command::Load { dump, reply }).await
    }

    /// How the sequencer stands.
    ///
    /// # Errors
    /// When it has stopped.
    pub async fn status(&self) -> Result<LocalStatus, LocalError> {
        self.ask(|reply| Command::Status { reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, LocalError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| LocalError::Stopped)?;
        answer.await.unwrap_or(Err(LocalError::Stopped))
    }
}
