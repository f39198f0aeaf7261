//! The sequencer of a development chain: it decides alone, and its owner controls when, and at what time.
//!
//! It seals a block on an interval, whenever a transaction arrives, or only when told. Fast-forwarding
//! ([`LocalHandle::mine`]) makes blocks as fast as they execute, each one slot later than the one before. Time can be
//! set and moved, the chain's state noted and gone back to, and the whole chain exported and imported.

mod clock;
mod commands;
mod producer;
mod schedule;

use std::time::Duration;

use myelin_runtime::AccountId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use self::{
    clock::{system_clock, WallClock},
    commands::{LocalError, LocalHandle, LocalStatus, SnapshotId},
};
use self::{
    commands::Command,
    producer::{Producer, Work},
    schedule::Schedule,
};
use crate::{
    executor::Budget,
    sequencer::{Running, Sequencer, SequencerError},
    Application,
};

/// Commands that may wait while a block is made.
const COMMAND_CAPACITY: usize = 256;

/// When the local sequencer seals a block by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealMode {
    /// Every so often, empty or not.
    Interval(Duration),
    /// When a transaction is ready; never while there is none.
    Instant,
    /// Only when told.
    Manual,
}

/// How a local sequencer works.
#[derive(Clone)]
pub struct LocalConfig {
    /// When to seal.
    pub mode: SealMode,
    /// Who is paid for the blocks.
    pub author: Option<AccountId>,
    /// What a block may cost.
    pub budget: Budget,
    /// Where wall-clock time comes from.
    pub clock: WallClock,
}

impl LocalConfig {
    /// Seals by `mode`, on the machine's clock.
    pub fn new(mode: SealMode) -> Self {
        Self { mode, author: None, budget: Budget::default(), clock: system_clock() }
    }
}

/// The sequencer of a development chain.
pub struct Local {
    config: LocalConfig,
    commands: mpsc::Receiver<Command>,
}

impl Local {
    /// A sequencer, and the handle that controls it once it runs.
    pub fn new(config: LocalConfig) -> (Self, LocalHandle) {
        let (sender, commands) = mpsc::channel(COMMAND_CAPACITY);
        (Self { config, commands }, LocalHandle::new(sender))
    }

    async fn drive(
        mut self,
        application: Application,
        shutdown: CancellationToken,
    ) -> Result<(), SequencerError> {
        let arrivals = application.mempool().ready_signal();
        let mut schedule = Schedule::new(self.config.mode, arrivals);
        let mut producer = Producer::new(application, &self.config, shutdown.clone());
        loop {
            let work = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(command) = self.commands.recv() => Work::Command(command),
                () = schedule.due() => Work::Seal,
            };
            producer = off_the_async_threads(producer, |producer| producer.perform(work)).await?;
            schedule.follow(producer.mode());
        }
        off_the_async_threads(producer, Producer::close).await.map(drop)
    }
}

impl Sequencer for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn run(self: Box<Self>, application: Application, shutdown: CancellationToken) -> Running {
        Box::pin(self.drive(application, shutdown))
    }
}

/// Runs blocking work on the thread pool for it and gives the producer back.
async fn off_the_async_threads(
    mut producer: Producer,
    work: impl FnOnce(&mut Producer) -> Result<(), SequencerError> + Send + 'static,
) -> Result<Producer, SequencerError> {
    tokio::task::spawn_blocking(move || work(&mut producer).map(|()| producer))
        .await
        .map_err(|error| SequencerError::Worker(error.to_string()))?
}
