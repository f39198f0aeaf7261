//! Misbehaviour, for tests of those who behave.

use myelin_chain::{ConsensusKey, ExecutedBlock, Hash};
use sp_core::H256;

use crate::{
    parts::{Part, PART_BYTES},
    worker::Worker,
    ConsensusSecret,
};

/// How a proposer misbehaves whenever it is its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It claims a state that execution does not give.
    WrongStateRoot,
    /// Its blocks are larger than a block may be.
    OversizedBlock,
    /// What it sends is not the block that it names.
    GarbageParts,
}
