//! Where a store lives and how much it keeps.

use std::path::PathBuf;

use crate::Number;

/// How many blocks of state a node keeps unless told otherwise.
pub const DEFAULT_HISTORY_BLOCKS: Number = 256;
/// Bytes of database pages held in memory unless told otherwise. Even empty blocks fill this in time; the system keeps pages of
/// the file in spare memory anyway.
pub const DEFAULT_CACHE_BYTES: usize = 32 << 20;

/// Where the database lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// In memory; gone when the store is dropped.
    Memory,
    /// In a file inside this directory, which is created when missing.
    Directory(PathBuf),
}

/// For how many of the newest blocks something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// For every block.
    Archive,
    /// For this many newest blocks, at least 1.
    Blocks(Number),
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the database lives.
    pub location: Location,
    /// For how many blocks state is kept.
    pub history: History,
    /// For how many blocks extrinsics and certificates are kept, but for no fewer than state. Headers always are.
    pub block_history: History,
    /// Bytes of database pages held in memory.
    pub cache_bytes: usize,
    /// Refuse to let the file grow beyond this many bytes, as if the disk were full.
    pub max_bytes: Option<u64>,
    /// Check every page of the file while opening. Reads the whole file.
    pub verify: bool,
}

impl Config {
    /// Defaults for a store at `location`.
    pub fn new(location: Location) -> Self {
        Self {
            location,
            history: History::Blocks(DEFAULT_HISTORY_BLOCKS),
            block_history: History::Archive,
            cache_bytes: DEFAULT_CACHE_BYTES,
            max_bytes: None,
            verify: false,
        }
    }

    /// A store in memory.
    pub fn memory() -> Self {
        Self::new(Location::Memory)
    }

    /// A store in `directory`.
    pub fn directory(directory: impl Into<PathBuf>) -> Self {
        Self::new(Location::Directory(directory.into()))
    }

    /// The same with another history.
    pub fn with_history(self, history: History) -> Self {
        Self { history, ..self }
    }

    /// The same with another history of blocks.
    pub fn with_block_history(self, block_history: History) -> Self {
        Self { block_history, ..self }
    }

    /// How many of the newest blocks are kept whole; nothing for all.
    pub(crate) fn blocks_kept(&self) -> Option<Number> {
        match (self.history, self.block_history) {
            (History::Blocks(states), History::Blocks(blocks)) => Some(blocks.max(states).max(1)),
            (History::Archive, _) | (_, History::Archive) => None,
        }
    }
}
