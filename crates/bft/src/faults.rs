//! Misbehaviour, for tests of those who behave.

use myelin_chain::{block::extrinsics_root, Block, Hash, MAX_BODY_BYTES};

/// How a validator misbehaves: as a proposer, whenever it is its turn, or all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It claims a state that execution does not give.
    WrongStateRoot,
    /// It claims such a state, and sends the block again and again, so that others might execute it as often.
    RepeatsInvalidBlock,
    /// Its blocks are larger than a block may be.
    OversizedBlock,
    /// What it sends is not the block that it names.
    GarbageParts,
    /// It goes on signing after it saw that another node signs with its key.
    SharesKey,
}

impl Fault {
    /// How often a block is sent.
    pub(crate) fn sends(self) -> usize {
        match self {
            Self::RepeatsInvalidBlock => 40,
            _ => 1,
        }
    }

    /// Makes a block that others must find invalid; nothing when the block itself is not what is wrong.
    pub(crate) fn tamper(self, block: &Block) -> Option<Block> {
        let mut block = block.clone();
        match self {
            Self::WrongStateRoot | Self::RepeatsInvalidBlock => {
                block.header.state_root = Hash::repeat_byte(0xbd);
            }
            Self::OversizedBlock => {
                block.body.push(vec![0; MAX_BODY_BYTES]);
                block.header.extrinsics_root = extrinsics_root(&block.body);
            }
            Self::GarbageParts | Self::SharesKey => return None,
        }
        Some(block)
    }

    /// Makes bytes that are not the block.
    pub(crate) fn spoil(self, encoded: &mut [u8]) {
        if self == Self::GarbageParts {
            encoded.iter_mut().for_each(|byte| *byte = !*byte);
        }
    }
}
