//! Makes blocks and carries out commands, on a thread that may block.

use std::{collections::BTreeMap, sync::Arc};

use myelin_store::Pin;
use tokio_util::sync::CancellationToken;

use super::{
    clock::ChainClock,
    commands::{Command, Reply},
    LocalConfig, LocalError, LocalStatus, SealMode, SnapshotId,
};
use crate::{Application, ChainError, ExecutedBlock, ProposalContext, SequencerError, Tip};

/// How many fast-forwarded blocks are written together at most.
const BATCH_BLOCKS: u32 = 128;

/// How far a chain's time may be moved ahead of the wall clock: 100 years. A clock at the end of its range would leave no
/// later time for a next block.
const MAX_AHEAD_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

/// One thing to do.
pub(super) enum Work {
    /// A block is due.
    Seal,
    /// Somebody asked for something.
    Command(Command),
}

/// Everything a local sequencer remembers.
pub(super) struct Producer {
    application: Application,
    config: LocalConfig,
    mode: SealMode,
    clock: ChainClock,
    snapshots: BTreeMap<SnapshotId, Noted>,
    next_snapshot: u64,
    shutdown: CancellationToken,
}

/// A state to go back to.
struct Noted {
    pin: Pin,
    offset_ms: i64,
}

impl Producer {
    pub fn new(application: Application, config: &LocalConfig, shutdown: CancellationToken) -> Self {
        let clock = ChainClock::new(Arc::clone(&config.clock), application.chain().tip().time_ms);
        Self {
            application,
            config: config.clone(),
            mode: config.mode,
            clock,
            snapshots: BTreeMap::new(),
            next_snapshot: 1,
            shutdown,
        }
    }

    pub fn mode(&self) -> SealMode {
        self.mode
    }

    /// Does one thing. An error is one that the node must not survive; whoever asked has been told too.
    pub fn perform(&mut self, work: Work) -> Result<(), SequencerError> {
        match work {
            Work::Seal if self.mode == SealMode::Instant => Ok(self.seal_ready()?),
            Work::Seal => Ok(self.seal().map(drop)?),
            Work::Command(command) => self.obey(command),
        }
    }

    /// Leaves the store with everything on disk.
    pub fn close(&mut self) -> Result<(), SequencerError> {
        Ok(self.application.chain().flush()?)
    }

    fn obey(&mut self, command: Command) -> Result<(), SequencerError> {
        match command {
            Command::Mine { blocks, reply } => answer(reply, self.mine(blocks)),
            Command::Seal { reply } => answer(reply, self.seal().map_err(LocalError::from)),
            Command::SetMode { mode, reply } => {
                self.mode = mode;
                answer(reply, Ok(()))
            }
            Command::SetTime { time_ms, reply } => answer(reply, self.set_time(time_ms)),
            Command::IncreaseTime { by_ms, reply } => answer(reply, self.increase_time(by_ms)),
            Command::Snapshot { reply } => answer(reply, Ok(self.note())),
            Command::Revert { id, reply } => answer(reply, self.revert(id)),
            Command::Dump { reply } => {
                answer(reply, self.application.chain().export().map_err(LocalError::from))
            }
            Command::Load { dump, reply } => answer(reply, self.load(&dump)),
            Command::Status { reply } => answer(reply, Ok(self.status())),
        }
    }

    /// Seals until no transaction is ready, or none of the ready ones can be included now.
    fn seal_ready(&mut self) -> Result<(), ChainError> {
        while self.application.mempool().status().ready > 0 && !self.shutdown.is_cancelled() {
            let before = self.application.mempool().status();
            self.seal()?;
            if self.application.mempool().status() == before {
                break;
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<Arc<Tip>, ChainError> {
        let chain = self.application.chain();
        let time_ms = self.clock.block_time_ms(chain.tip().time_ms);
        let executed = self.propose(time_ms)?;
        self.application.commit(executed, Vec::new())?;
        Ok(self.application.chain().tip())
    }

    fn propose(&self, time_ms: u64) -> Result<ExecutedBlock, ChainError> {
        let context =
            ProposalContext { time_ms, author: self.config.author.clone(), budget: self.config.budget };
        self.application.propose(&context)
    }

    fn mine(&mut self, blocks: u32) -> Result<Arc<Tip>, LocalError> {
        let mut made = 0;
        while made < blocks {
            if self.shutdown.is_cancelled() {
                return Err(LocalError::ShuttingDown { blocks: made });
            }
            let batch = BATCH_BLOCKS.min(blocks - made);
            let mined = self.mine_batch(batch);
            // What was made counts, whatever happened after it.
            self.application.chain().flush()?;
            mined?;
            made += batch;
        }
        let tip = self.application.chain().tip();
        self.clock.catch_up(tip.time_ms);
        Ok(tip)
    }

    /// Makes blocks that are on disk only after a flush.
    fn mine_batch(&mut self, blocks: u32) -> Result<(), ChainError> {
        let tip = self.application.chain().tip();
        let slot_ms = self.application.params(tip.number().saturating_add(1))?.slot_duration_ms.max(1);
        let mut time_ms = self.clock.block_time_ms(tip.time_ms.saturating_add(slot_ms - 1));
        for _ in 0..blocks {
            let executed = self.propose(time_ms)?;
            let carries_transactions = executed.pooled > 0;
            self.application.chain().commit_deferred(executed, Vec::new())?;
            if carries_transactions {
                // The mempool has to hear of them before the next proposal.
                self.application.chain().flush()?;
            }
            time_ms = time_ms.saturating_add(slot_ms);
        }
        Ok(())
    }

    fn set_time(&mut self, time_ms: u64) -> Result<(), LocalError> {
        let tip = self.application.chain().tip().time_ms;
        if time_ms <= tip {
            return Err(LocalError::TimeNotLater { requested: time_ms, tip });
        }
        within_range(self.clock.ahead_at(time_ms))?;
        self.clock.set(time_ms);
        Ok(())
    }

    fn increase_time(&mut self, by_ms: u64) -> Result<u64, LocalError> {
        within_range(self.clock.ahead_after(by_ms))?;
        self.clock.increase(by_ms);
        Ok(u64::try_from(self.clock.offset_ms()).unwrap_or_default())
    }

    fn note(&mut self) -> SnapshotId {
        let id = SnapshotId(self.next_snapshot);
        self.next_snapshot += 1;
        let chain = self.application.chain();
        let pin = chain.store().pin(chain.tip().number());
        self.snapshots.insert(id, Noted { pin, offset_ms: self.clock.offset_ms() });
        id
    }

    fn revert(&mut self, id: SnapshotId) -> Result<Arc<Tip>, LocalError> {
        let noted = self.snapshots.get(&id).ok_or(LocalError::UnknownSnapshot(id))?;
        let (number, offset_ms) = (noted.pin.number(), noted.offset_ms);
        self.application.chain().revert_to(number)?;
        self.snapshots.split_off(&id);
        self.clock.restore(offset_ms);
        Ok(self.application.chain().tip())
    }

    fn load(&mut self, dump: &[u8]) -> Result<Arc<Tip>, LocalError> {
        self.application.chain().import(dump)?;
        self.snapshots.clear();
        let tip = self.application.chain().tip();
        self.clock.catch_up(tip.time_ms);
        Ok(tip)
    }

    fn status(&self) -> LocalStatus {
        LocalStatus {
            mode: self.mode,
            time_ms: self.clock.now_ms(),
            offset_ms: self.clock.offset_ms(),
            tip: self.application.chain().tip(),
            snapshots: self.snapshots.keys().copied().collect(),
        }
    }
}

fn within_range(ahead_ms: i128) -> Result<(), LocalError> {
    match ahead_ms > i128::from(MAX_AHEAD_MS) {
        true => Err(LocalError::TimeTooFarAhead { ahead_ms, limit_ms: MAX_AHEAD_MS }),
        false => Ok(()),
    }
}

/// Answers a command. An error that the node must not survive also stops the sequencer.
fn answer<T>(reply: Reply<T>, result: Result<T, LocalError>) -> Result<(), SequencerError> {
    let fatal = match &result {
        Err(LocalError::Chain(error)) if error.is_fatal() => Some(SequencerError::Stopped(error.to_string())),
        _ => None,
    };
    // Whoever asked may have gone away.
    let _ = reply.send(result);
    fatal.map_or(Ok(()), Err)
}
