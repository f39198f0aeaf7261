//! When a subnet's epochs run.
//!
//! An epoch is due `tempo` blocks after the last, earlier if one was requested or deferred, and in any case once
//! [`MAX_BLOCKS_WITHOUT_EPOCH`] blocks passed without one. Per block and subnet: [`EpochSchedule::tick`], then, if
//! [`EpochSchedule::is_due`], either [`EpochSchedule::defer`] (the block runs no more epochs) or
//! [`EpochSchedule::consume`].

use crate::constants::{MAX_BLOCKS_WITHOUT_EPOCH, MAX_TEMPO_BLOCKS, MIN_TEMPO_BLOCKS};
use thiserror::Error;

/// Why an epoch cannot be requested or a tempo not be set.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ScheduleError {
    /// One is pending already.
    #[error("an epoch is already pending at block {pending_epoch_block}; wait for it")]
    AlreadyPending {
        /// When it runs.
        pending_epoch_block: u64,
    },
    /// The regular one is close.
    #[error("the next epoch is only {remaining_blocks} blocks away; wait for it")]
    AlreadyImminent {
        /// Blocks until it.
        remaining_blocks: u64,
    },
    /// Outside the owner's bounds.
    #[error("tempo of {tempo_blocks} blocks is outside {MIN_TEMPO_BLOCKS} to {MAX_TEMPO_BLOCKS}; choose one inside")]
    TempoOutOfBounds {
        /// What was asked for.
        tempo_blocks: u16,
    },
}

/// The part of a subnet's state that decides when its epochs run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpochSchedule {
    /// Blocks from epoch to epoch; 0 for never.
    pub tempo_blocks: u16,
    /// Block of the last due epoch, whether it ran or was skipped.
    pub last_epoch_block: u64,
    /// Block of a requested or deferred epoch; 0 for none.
    pub pending_epoch_block: u64,
    /// Blocks since an epoch ran.
    pub blocks_since_epoch: u64,
    /// Number of due epochs so far; the clock of commit-reveal.
    pub epoch_index: u64,
}

impl EpochSchedule {
    /// Schedule of a new subnet: its last epoch is placed `netuid mod tempo` blocks back, so that subnets created
    /// together do not all run in one block.
    #[must_use]
    pub fn new(netuid: u16, tempo_blocks: u16, now_block: u64) -> Self {
        let stagger_blocks = u64::from(netuid % tempo_blocks.max(1));
        Self { tempo_blocks, last_epoch_block: now_block.saturating_sub(stagger_blocks), ..Self::default() }
    }

    /// Whether an epoch is to run in block `now_block`.
    #[must_use]
    pub fn is_due(&self, now_block: u64) -> bool {
        let requested = self.pending_epoch_block > 0 && now_block >= self.pending_epoch_block;
        let overdue = self.blocks_since_epoch > MAX_BLOCKS_WITHOUT_EPOCH;
        let regular = now_block.saturating_sub(self.last_epoch_block) >= u64::from(self.tempo_blocks);
        self.tempo_blocks != 0 && (requested || overdue || regular)
    }

    /// The schedule one block on.
    #[must_use]
    pub fn tick(self) -> Self {
        Self { blocks_since_epoch: self.blocks_since_epoch.saturating_add(1), ..self }
    }

    /// The due epoch slips to the next block.
    #[must_use]
    pub fn defer(self, now_block: u64) -> Self {
        Self { pending_epoch_block: now_block.saturating_add(1), ..self }
    }

    /// The due epoch has run, or was skipped because the subnet's keys are inconsistent (`ran` false).
    #[must_use]
    pub fn consume(self, now_block: u64, ran: bool) -> Self {
        Self {
            last_epoch_block: now_block,
            pending_epoch_block: 0,
            blocks_since_epoch: if ran { 0 } else { self.blocks_since_epoch },
            epoch_index: self.epoch_index.saturating_add(1),
            ..self
        }
    }

    /// The index that commit-reveal works with: one ahead while an epoch is due and not yet consumed.
    #[must_use]
    pub fn current_epoch_index(&self, now_block: u64) -> u64 {
        self.epoch_index.saturating_add(u64::from(self.is_due(now_block)))
    }

    /// Block of the next epoch, or `None` if the tempo is 0.
    #[must_use]
    pub fn next_epoch_block(&self) -> Option<u64> {
        let regular = self.regular_epoch_block()?;
        Some(match self.pending_epoch_block {
            0 => regular,
            pending => pending.min(regular),
        })
    }

    /// Blocks until the next regular epoch; `u64::MAX` if the tempo is 0.
    #[must_use]
    pub fn blocks_until_next(&self, now_block: u64) -> u64 {
        self.regular_epoch_block().map_or(u64::MAX, |block| block.saturating_sub(now_block))
    }

    /// Whether the subnet's parameters are frozen because an epoch is near.
    #[must_use]
    pub fn is_frozen(&self, now_block: u64, freeze_window_blocks: u64) -> bool {
        let requested = self.pending_epoch_block > now_block;
        self.tempo_blocks != 0 && (requested || self.blocks_until_next(now_block) < freeze_window_blocks)
    }

    /// Requests an epoch one freeze window from now.
    ///
    /// # Errors
    /// [`ScheduleError::AlreadyPending`] and [`ScheduleError::AlreadyImminent`].
    pub fn request(self, now_block: u64, freeze_window_blocks: u64) -> Result<Self, ScheduleError> {
        if self.pending_epoch_block > 0 {
            return Err(ScheduleError::AlreadyPending { pending_epoch_block: self.pending_epoch_block });
        }
        let remaining_blocks = self.blocks_until_next(now_block);
        if remaining_blocks < freeze_window_blocks {
            return Err(ScheduleError::AlreadyImminent { remaining_blocks });
        }
        Ok(Self { pending_epoch_block: now_block.saturating_add(freeze_window_blocks), ..self })
    }

    /// Sets a tempo and starts counting from now.
    ///
    /// # Errors
    /// [`ScheduleError::TempoOutOfBounds`] for what an owner may not set.
    pub fn with_owner_tempo(self, tempo_blocks: u16, now_block: u64) -> Result<Self, ScheduleError> {
        if !(MIN_TEMPO_BLOCKS..=MAX_TEMPO_BLOCKS).contains(&tempo_blocks) {
            return Err(ScheduleError::TempoOutOfBounds { tempo_blocks });
        }
        Ok(Self { tempo_blocks, last_epoch_block: now_block, ..self })
    }

    fn regular_epoch_block(&self) -> Option<u64> {
        match self.tempo_blocks {
            0 => None,
            tempo => Some(self.last_epoch_block.saturating_add(tempo.into())),
        }
    }
}
