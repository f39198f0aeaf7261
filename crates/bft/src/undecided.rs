//! Blocks that may still be decided, on disk.
//!
//! The engine's log knows only hashes. A block is written here before the engine hears that it is valid, so that after a
//! crash the same block is proposed again, and a block that others decided meanwhile can be committed.

use codec::{Decode, DecodeAll, Encode};
use myelin_chain::{Block, ConsensusKey, Hash, Store, StoreError};

const PREFIX: &[u8] = b"bft/undecided/";

/// A block that was found valid, and how it came.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Undecided {
    /// The round it was first seen in.
    pub round: u32,
    /// The validator it came from.
    pub sender: ConsensusKey,
    /// The block.
    pub block: Block,
}

fn key(height: u32, round: u32, block: &Hash) -> Vec<u8> {
    [PREFIX, &height.to_be_bytes(), &round.to_be_bytes(), block.as_bytes()].concat()
}

/// Blocks on disk, and their keys there.
#[derive(Default)]
pub struct UndecidedBlocks {
    /// Keys of what is on disk.
    written: Vec<Vec<u8>>,
}

impl UndecidedBlocks {
    /// Reads what a crash may have left; only the blocks of `height` are of use.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn load(store: &Store, height: u32) -> Result<(Self, Vec<Undecided>), StoreError> {
        let rows = store.snapshot()?.records(PREFIX)?;
        let read = |row: &[u8]| {
            Undecided::decode_all(&mut &row[..])
                .map_err(|error| StoreError::Corrupt { detail: format!("an undecided block: {error}") })
        };
        let blocks = rows.iter().map(|(_, row)| read(row)).collect::<Result<Vec<_>, _>>()?;
        let written = rows.into_iter().map(|(key, _)| key).collect();
        Ok((Self { written }, blocks.into_iter().filter(|kept| kept.block.number() == height).collect()))
    }

    /// Writes a block; it is on disk when this returns. Blocks of lower heights are removed on the way.
    ///
    /// # Errors
    /// Whatever the database reports.
    pub fn write(&mut self, store: &Store, undecided: &Undecided) -> Result<(), StoreError> {
        let height = undecided.block.number();
        let first = [PREFIX, &height.to_be_bytes()].concat();
        let (old, mut kept): (Vec<_>, Vec<_>) = self.written.drain(..).partition(|key| *key < first);
        let key = key(height, undecided.round, &undecided.block.hash());
        store.update_records(&old, &[(key.clone(), undecided.encode())])?;
        kept.push(key);
        self.written = kept;
        Ok(())
    }
}
